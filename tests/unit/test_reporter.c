// What operators say survives a restart, and the console's commands do what they acknowledge.
#include "proxy/console/console.h"
#include "proxy/report/figures.h"
#include "proxy/report/reporter.h"
#include <criterion/criterion.h>
#include <semaphore.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char directory[64];
static char path[128];
static struct instance instance;

static void
start(void)
{
    char error[CONFIGURATION_ERROR_SIZE] = "";
    const struct configuration *configuration = configuration_load(path, error);

    cr_assert_not_null(configuration, "%s", error);
    memset(&instance, 0, sizeof instance);
    cr_assert(instance_init(&instance, configuration, error), "%s", error);
    instance.reporter = reporter_start(&instance, error, sizeof error);
    cr_assert_not_null(instance.reporter, "%s", error);
}

static void
stop(void)
{
    reporter_stop(&instance.reporter);
    instance_fini(&instance);
}

static void
make(void)
{
    strcpy(directory, "/tmp/test_reporter.XXXXXX");
    cr_assert_not_null(mkdtemp(directory));
    snprintf(path, sizeof path, "%s/p.yaml", directory);

    FILE *file = fopen(path, "w");

    cr_assert_not_null(file);
    fprintf(file,
            "store: \"sqlite:%s/store.db\"\n"
            "databases:\n"
            "  app: {old: \"host=127.0.0.1 dbname=a\", new: \"host=127.0.0.1 dbname=b\",\n"
            "        canary: {percent: 3}}\n"
            "  shop: {old: \"host=127.0.0.1 dbname=a\", new: \"host=127.0.0.1 dbname=b\"}\n",
            directory);
    fclose(file);
    start();
}

static void
unmake(void)
{
    char command[128];

    stop();
    snprintf(command, sizeof command, "rm -rf %s", directory);
    cr_assert_eq(system(command), 0);
}

TestSuite(reporter, .init = make, .fini = unmake);

struct errand {
    struct console_run run;
    sem_t done;
};

static void
tell_done(void *context)
{
    struct errand *errand = context;

    sem_post(&errand->done);
}

// The SQLSTATE that a statement ends in, "" for success; the first column of the first row, if asked.
static const char *
say(const char *statement, char *first)
{
    static struct console_error error;
    struct console_call call;
    struct errand errand = {.run = {.instance = &instance, .call = &call, .actor = "test"}};
    char scratch[ANSWER_SCRATCH];

    if (!console_parse(statement, strlen(statement), &call, &error))
        return error.sqlstate;
    sem_init(&errand.done, 0, 0);
    console_start(&errand.run, tell_done, &errand);
    sem_wait(&errand.done);
    if (first != NULL && answer_rows(&errand.run.answer) > 0)
        strcpy(first, answer_cell_text(answer_row(&errand.run.answer, 0),
                                       errand.run.answer.shape->columns[0].type, scratch));
    error = errand.run.error;
    answer_fini(&errand.run.answer);
    console_call_fini(&call);
    return error.sqlstate;
}

static struct database *
database(const char *name)
{
    struct database *found = databases_find(instance.databases, name);

    cr_assert_not_null(found);
    return found;
}

Test(reporter, a_percentage_takes_effect_at_once_and_survives_a_restart)
{
    cr_expect_eq(atomic_load(&database("app")->canary_percent), 300u, "as configured");
    cr_expect_str_eq(say("ALTER DATABASE app SET canary_percent = 12.5", NULL), "");
    cr_expect_eq(atomic_load(&database("app")->canary_percent), 1250u);
    cr_expect_eq(atomic_load(&database("shop")->canary_percent), 0u);
    cr_expect_str_eq(say("SET shadow_percent = 50", NULL), "");
    stop();
    start();
    cr_expect_eq(atomic_load(&database("app")->canary_percent), 1250u);
    cr_expect_eq(atomic_load(&database("app")->shadow_percent), 5000u);
    cr_expect_eq(atomic_load(&database("shop")->shadow_percent), 5000u);
}

Test(reporter, a_rollback_latches_until_it_is_armed)
{
    cr_expect_str_eq(say("SET canary_percent = 20", NULL), "");
    cr_expect_str_eq(say("ROLLBACK CANARY app REASON 'slow'", NULL), "");
    cr_expect_eq(atomic_load(&database("app")->canary_percent), 0u);
    cr_expect_eq(atomic_load(&database("shop")->canary_percent), 2000u);
    cr_expect_str_eq(say("SET canary_percent = 5", NULL), "55000");
    cr_expect_eq(atomic_load(&database("shop")->canary_percent), 2000u, "all or none");
    stop();
    start();
    cr_expect_eq(atomic_load(&database("app")->canary_state), CANARY_LATCHED);
    cr_expect_eq(atomic_load(&database("app")->canary_percent), 0u);
    cr_expect_str_eq(say("ALTER DATABASE app SET canary_percent = 5", NULL), "55000");
    cr_expect_str_eq(say("ARM CANARY app", NULL), "");
    cr_expect_eq(atomic_load(&database("app")->canary_percent), 0u, "arming raises nothing");
    cr_expect_str_eq(say("ALTER DATABASE app SET canary_percent = 5", NULL), "");
    cr_expect_eq(atomic_load(&database("app")->canary_percent), 500u);
}

Test(reporter, refuses_what_makes_no_sense)
{
    static const char *const cases[][2] = {
        {"SET canary_percent = 100.01", "22023"},
        {"SET canary_percent = nan", "22023"},
        {"SET canary_percent = '1e1'", "22023"},
        {"SET canary_percent = 0.001", "22023"},
        {"SET canary_percent = -1", "22023"},
        {"SET canary_percnt = 1", "42704"},
        {"ALTER DATABASE nope SET canary_percent = 1", "3D000"},
        {"ROLLBACK CANARY nope", "3D000"},
        {"PAUSE nope", "3D000"},
        {"SHOW MISMATCH 1", "02000"},
        {"SHOW MISMATCH x", "22P02"},
        {"RELEASE 00000000000000aa", "42704"},
        {"SHOW nothing_of_the_kind", "42601"},
        {"SELECT now", "0A000"},
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        cr_expect_str_eq(say(cases[i][0], NULL), cases[i][1], "%s", cases[i][0]);
}

static const char fingerprint[] = "00000000000000aa";

static void
mismatch(struct database *where)
{
    struct figures_mismatch one = {.difference = DIFFERENCE_VALUE, .column = "total"};

    strcpy(one.fingerprint, fingerprint);
    reporter_mismatch(instance.reporter, where, &one);
}

Test(reporter, a_mismatch_quarantines_until_released_and_keeps_its_id)
{
    char id[ANSWER_SCRATCH] = "";

    mismatch(database("app"));
    cr_expect(figures_is_quarantined(database("app")->figures, fingerprint));
    cr_expect_str_eq(say("SHOW MISMATCHES", id), "");
    cr_expect_str_eq(id, "1");
    stop();
    start();
    cr_expect(figures_is_quarantined(database("app")->figures, fingerprint));
    cr_expect_str_eq(say("SHOW MISMATCH 1", id), "", "evidence outlives a restart");
    mismatch(database("shop"));
    cr_expect_str_eq(say("SHOW MISMATCHES", id), "");
    cr_expect_str_eq(id, "2", "ids are unique over restarts");
    cr_expect_str_eq(say("RELEASE 00000000000000aa", NULL), "");
    stop();
    start();
    cr_expect_not(figures_is_quarantined(database("app")->figures, fingerprint));
    cr_expect_str_eq(say("ACCEPT 00000000000000aa REASON 'rounded'", NULL), "");
    stop();
    start();
    cr_expect(figures_is_accepted(database("app")->figures, fingerprint));
    mismatch(database("app"));
    cr_expect_not(figures_is_quarantined(database("app")->figures, fingerprint),
                  "what is accepted is not quarantined");
}

static void
count_kind(void *context, const struct store_event *event)
{
    unsigned *count = context;

    *count += strcmp(event->kind, "canary") == 0 && strcmp(event->actor, "test") == 0;
}

Test(reporter, the_audit_log_outlives_a_restart)
{
    unsigned count = 0;

    cr_expect_str_eq(say("ALTER DATABASE app SET canary_percent = 7", NULL), "");
    stop();
    start();
    reporter_events(instance.reporter, 100, count_kind, &count);
    cr_expect_eq(count, 1u);
}

Test(reporter, a_store_that_fails_changes_nothing_and_comes_back)
{
    sqlite3 *other;
    char file[128];

    snprintf(file, sizeof file, "%s/store.db", directory);
    cr_assert_eq(sqlite3_open(file, &other), SQLITE_OK);
    sqlite3_busy_timeout(other, 30000); // the reporter may be writing just now
    cr_assert_eq(sqlite3_exec(other, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
    cr_expect_str_eq(say("ALTER DATABASE app SET canary_percent = 90", NULL), "58030");
    cr_expect_eq(atomic_load(&database("app")->canary_percent), 300u, "not kept, not done");
    cr_expect_not(reporter_store_works(instance.reporter));
    // What lowers the risk is done all the same.
    cr_expect_str_eq(say("ROLLBACK CANARY app", NULL), "58030");
    cr_expect_eq(atomic_load(&database("app")->canary_state), CANARY_LATCHED);
    sqlite3_exec(other, "COMMIT", NULL, NULL, NULL);
    sqlite3_close(other);
    cr_expect_str_eq(say("ROLLBACK CANARY app", NULL), "");
    cr_expect(reporter_store_works(instance.reporter));
}
