// Databases: found by name, made on demand by '*', reloaded as a whole or not at all, and an operator's
// percentages outlive a reload.
#include "proxy/databases.h"
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define TLS_OFF " sslmode=disable"
#define ENTRY(name, more)                                                                          \
    "  '" name "':\n    old: host=/o" TLS_OFF "\n    new: host=/n" TLS_OFF "\n" more

static const struct configuration *
load(const char *databases)
{
    char path[] = "/tmp/database-XXXXXX", error[CONFIGURATION_ERROR_SIZE];
    FILE *file = fdopen(mkstemp(path), "w");

    fprintf(file, "databases:\n%s", databases);
    fclose(file);

    const struct configuration *configuration = configuration_load(path, error);

    unlink(path);
    cr_assert(configuration, "%s", error);
    return configuration;
}

static struct databases *
make(const char *text)
{
    char error[1024];
    const struct configuration *configuration = load(text);
    struct databases *databases = databases_new(configuration, error, sizeof error);

    cr_assert(databases, "%s", error);
    configuration_unref(&configuration); // they keep their own
    return databases;
}

static bool
reload(struct databases *databases, const char *text, char error[1024])
{
    const struct configuration *configuration = load(text);
    bool is_reloaded = databases_reload(databases, configuration, error, 1024);

    configuration_unref(&configuration);
    return is_reloaded;
}

static void
count(void *context, struct database *database)
{
    (void)database;
    ++*(unsigned *)context;
}

Test(database, is_found_by_its_name)
{
    struct databases *databases = make(ENTRY("a", "") ENTRY("b", ""));

    cr_expect_str_eq(databases_find(databases, "b")->name, "b");
    cr_expect_null(databases_find(databases, "c"));
    cr_expect_null(databases_find(databases, "*"));
    cr_expect_null(databases_find(databases, ""));
    databases_free(&databases);
}

Test(database, the_name_is_the_database_that_it_connects_to_unless_the_string_says_another)
{
    struct databases *databases =
        make("  a: {old: host=/o sslmode=disable, new: host=/n dbname=other sslmode=disable}\n");
    struct database_settings *settings = database_settings(databases_find(databases, "a"));

    cr_expect_str_eq(settings->targets[SIDE_OLD]->database, "a");
    cr_expect_str_eq(settings->targets[SIDE_NEW]->database, "other");
    cr_expect_null(settings->tls[SIDE_OLD]);
    database_settings_unref(&settings);
    databases_free(&databases);
}

Test(database, any_name_is_made_once_and_only_so_many_are)
{
    struct databases *databases = make(ENTRY("*", "    canary: {percent: 3}\n"));
    unsigned made = 0;

    databases_on_made(databases, count, &made);
    cr_expect_eq(made, 0);

    struct database *one = databases_find(databases, "one");

    cr_assert(one);
    cr_expect_eq(databases_find(databases, "one"), one);
    cr_expect_eq(made, 1);
    cr_expect_eq(one->canary_percent, 300);
    for (int i = 0; i < 2 * DATABASES_LIMIT; i++) {
        char name[32];

        snprintf(name, sizeof name, "d%d", i);
        databases_find(databases, name);
    }
    cr_expect_eq(made, DATABASES_LIMIT);
    cr_expect_eq(databases_find(databases, "one"), one);
    databases_free(&databases);
}

Test(database, a_name_that_nobody_was_admitted_by_goes_with_who_said_it)
{
    struct databases *databases = make(ENTRY("*", ""));
    unsigned made = 0, seen = 0;

    databases_on_made(databases, count, &made);
    for (int i = 0; i < 3 * DATABASES_LIMIT; i++) {
        char name[32];

        snprintf(name, sizeof name, "d%d", i);

        struct database *database = databases_enter(databases, name);

        cr_assert(database);
        cr_assert_eq(database->clients, 1);
        databases_leave(databases, &database);
        cr_assert_null(database);
    }
    struct database *one = databases_enter(databases, "one"), *again;

    databases_each(databases, count, &seen);
    cr_expect_eq(made, 0);
    cr_expect_eq(seen, 0);
    cr_expect_not(databases_is_admitted(one));
    databases_admit(databases, one);
    databases_admit(databases, one);
    databases_each(databases, count, &seen);
    cr_expect_eq(made, 1);
    cr_expect_eq(seen, 1);
    again = one;
    databases_leave(databases, &again);
    cr_expect_eq(databases_enter(databases, "one"), one);
    cr_expect_eq(one->clients, 1);
    databases_free(&databases);
}

Test(database, of_two_who_said_a_name_one_may_leave)
{
    struct databases *databases = make(ENTRY("*", ""));
    struct database *one = databases_enter(databases, "a"),
                    *other = databases_enter(databases, "a");

    cr_assert_eq(one, other);
    databases_leave(databases, &one);
    cr_expect_eq(other->clients, 1);
    databases_admit(databases, other);
    cr_expect_eq(databases_find(databases, "a"), other);
    databases_free(&databases);
}

Test(database, a_reload_swaps_the_settings_and_leaves_references_whole)
{
    struct databases *databases = make(ENTRY("a", ""));
    struct database *a = databases_find(databases, "a");
    struct database_settings *before = database_settings(a);
    uint64_t epoch = a->settings_epoch;
    char error[1024];

    cr_assert(reload(databases, ENTRY("a", "    shadow: {connections: 3}\n"), error));
    cr_expect_gt(a->settings_epoch, epoch);
    cr_expect_eq(before->entry->shadow.connections, 8);

    struct database_settings *now = database_settings(a);

    cr_expect_eq(now->entry->shadow.connections, 3);
    database_settings_unref(&before);
    database_settings_unref(&now);
    databases_free(&databases);
}

Test(database, a_reload_that_fails_changes_nothing)
{
    struct databases *databases = make(ENTRY("a", ""));
    struct database *a = databases_find(databases, "a");
    uint64_t epoch = a->settings_epoch;
    char error[1024];

    // The first entry could be put in force, the second names a certificate that is not there.
    cr_expect_not(reload(
        databases,
        ENTRY(
            "a",
            "    shadow: {connections: 3}\n") "  b: {old: host=h, new: host=h sslmode=verify-full "
                                              "sslrootcert=/no/such/file}\n",
        error));
    cr_expect(strncmp(error, "databases.b.new: ", 17) == 0, "%s", error);
    cr_expect_eq(a->settings_epoch, epoch);
    cr_expect_null(databases_find(databases, "b"));

    struct database_settings *now = database_settings(a);

    cr_expect_eq(now->entry->shadow.connections, 8);
    database_settings_unref(&now);
    databases_free(&databases);
}

Test(database, an_entry_that_is_gone_takes_no_new_sessions_until_it_is_back)
{
    struct databases *databases = make(ENTRY("a", "") ENTRY("b", ""));
    struct database *b = databases_find(databases, "b");
    char error[1024];
    unsigned made = 0;

    databases_on_made(databases, count, &made);
    cr_expect_eq(made, 2);
    cr_assert(reload(databases, ENTRY("a", "") ENTRY("c", ""), error));
    cr_expect_null(databases_find(databases, "b"));
    cr_expect_str_eq(databases_find(databases, "c")->name, "c");
    cr_expect_eq(made, 3);
    cr_assert(reload(databases, ENTRY("b", ""), error));
    cr_expect_eq(databases_find(databases, "b"), b);
    databases_free(&databases);
}

Test(database, a_reload_follows_the_file_but_never_overrules_an_operator)
{
    struct databases *databases = make(ENTRY("a", "    canary: {percent: 1}\n"));
    struct database *a = databases_find(databases, "a");
    char error[1024];

    cr_assert(reload(databases, ENTRY("a", "    canary: {percent: 2}\n"), error));
    cr_expect_eq(a->canary_percent, 200, "nobody has said anything else");
    a->canary_percent = 500; // SET canary_percent = 5
    cr_assert(reload(databases, ENTRY("a", "    canary: {percent: 3}\n"), error));
    cr_expect_eq(a->canary_percent, 500);
    a->canary_percent = 0; // ROLLBACK CANARY
    a->canary_state = CANARY_LATCHED;
    cr_assert(reload(databases, ENTRY("a", "    canary: {percent: 0}\n"), error));
    cr_assert(reload(databases, ENTRY("a", "    canary: {percent: 50}\n"), error));
    cr_expect_eq(a->canary_percent, 0, "a latch outlives a reload");
    databases_free(&databases);
}

Test(database, catalogs_begin_unread_and_each_reading_is_an_epoch)
{
    struct databases *databases = make(ENTRY("a", ""));
    struct database *a = databases_find(databases, "a");
    struct database_catalogs *before = database_catalogs(a);

    cr_expect_eq(before->epoch, 0);
    cr_expect_null(before->catalogs[SIDE_OLD]);
    database_set_catalogs(a, NULL, NULL, 7);
    cr_expect_eq(a->catalogs_epoch, 1);

    struct database_catalogs *now = database_catalogs(a);

    cr_expect_neq(now, before);
    cr_expect_eq(now->epoch, 1);
    cr_expect_eq(now->old_as_of, 7);
    database_catalogs_unref(&before);
    database_catalogs_unref(&now);
    databases_free(&databases);
}

Test(database, a_cohort_key_that_is_not_followed_is_refused_and_nothing_is_changed)
{
    static const struct {
        const char *key;
        bool is_taken;
    } cases[] = {
        {"parameter:app.tenant", true},      {"parameter:Application_Name", true},
        {"parameter:search_path", true},     {"parameter:lock_timeout", false},
        {"parameter:log_statement", false},  {"parameter:Client_Min_Messages", false},
        {"comment:statement_timeout", true},
    };
    struct databases *databases = make(ENTRY("a", "    canary: {key: user}\n"));
    struct database *database = databases_find(databases, "a");

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char text[512], error[1024] = "", key[COHORT_KEY_TEXT];
        struct database_settings *before = database_settings(database);

        snprintf(text, sizeof text, ENTRY("a", "    canary: {key: '%s'}\n"), cases[i].key);
        cr_expect_eq(reload(databases, text, error), cases[i].is_taken, "%s", cases[i].key);

        struct database_settings *after = database_settings(database);

        cr_expect_eq(after != before, cases[i].is_taken, "%s", cases[i].key);
        cohort_key_text(after->entry->canary.key, after->entry->canary.key_name, key);
        cr_expect(!cases[i].is_taken || strcmp(key, cases[i].key) == 0, "%s", key);
        cr_expect(cases[i].is_taken ||
                      (strstr(error, "databases.a.canary.key") && strchr(cases[i].key, ':') &&
                       strstr(error, strchr(cases[i].key, ':') + 1)),
                  "%s", error);
        database_settings_unref(&before);
        database_settings_unref(&after);
    }
    databases_free(&databases);
}
