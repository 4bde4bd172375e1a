// What was written is read back, summed over runs, and what an operator said survives.
#include "proxy/report/store.h"
#include <criterion/criterion.h>
#include <math.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char directory[64];
static char location[128];

static void
make_directory(void)
{
    strcpy(directory, "/tmp/test_store.XXXXXX");
    cr_assert_not_null(mkdtemp(directory));
    snprintf(location, sizeof location, "sqlite:%s/store.db", directory);
}

static void
remove_directory(void)
{
    char command[128];

    snprintf(command, sizeof command, "rm -rf %s", directory);
    cr_assert_eq(system(command), 0);
}

TestSuite(store, .init = make_directory, .fini = remove_directory);

static struct store *
opened(void)
{
    char error[256] = "";
    struct store *store = store_open(location, error, sizeof error);

    cr_assert_not_null(store, "%s", error);
    return store;
}

static const int64_t MINUTE = 60 * (int64_t)1000000;

static void
write_run(struct store *store, int64_t at, uint64_t reads)
{
    struct books_page page = {.reads = reads, .in_flight = 2};
    struct figures_totals totals = {.distinct = reads / 2};
    struct figures_place place = {.difference = DIFFERENCE_VALUE,
                                  .table = "public.orders",
                                  .column = "total",
                                  .mismatches = 3,
                                  .last_seen = at};
    struct histogram latency = {0};
    struct figure figure = {.fingerprint = "00000000000000aa",
                            .query = "SELECT total FROM orders",
                            .tables = "public.orders",
                            .reads = reads,
                            .noise_samples = reads / 2,
                            .noise_differences = reads / 10,
                            .latency = {{&latency, NULL}, {NULL, &latency}},
                            .places = &place,
                            .place_count = 1};

    page.verdicts[VERDICT_MATCH] = reads - 2;
    figure.verdicts[VERDICT_MATCH] = reads - 2;
    histogram_add(&latency, 1000000);
    cr_assert(store_begin(store, false));
    cr_assert(store_write_books(store, at, "app", &page, &totals), "%s", store_error(store));
    cr_assert(store_write_figure(store, at, "app", &figure), "%s", store_error(store));
    cr_assert(store_commit(store), "%s", store_error(store));
}

static struct pictures
read_since(int64_t since)
{
    char error[256] = "";
    struct store *store = store_open_to_read(location, error, sizeof error);
    struct pictures pictures;

    cr_assert_not_null(store, "%s", error);
    cr_assert(store_read_pictures(store, since, NULL, &pictures), "%s", store_error(store));
    store_close(&store);
    return pictures;
}

Test(store, sums_over_runs_and_since)
{
    struct store *store = opened();

    write_run(store, 10 * MINUTE, 100);
    write_run(store, 20 * MINUTE, 150); // the same run: 50 more
    store_close(&store);
    store = opened();
    write_run(store, 30 * MINUTE, 10);

    struct pictures pictures = read_since(0); // while the writer has it open

    store_close(&store);
    cr_assert_eq(pictures.count, 1u);
    cr_expect_str_eq(pictures.list[0].database, "app");
    cr_expect_eq(pictures.list[0].books.reads, 160u);
    cr_expect_eq(pictures.list[0].books.in_flight, 4u);
    cr_expect_eq(pictures.list[0].books.compared, 156u);
    cr_assert_eq(pictures.list[0].figure_count, 1u);

    struct figure *figure = &pictures.list[0].figures[0];

    cr_expect_eq(figure->reads, 160u);
    cr_expect_str_eq(figure->query, "SELECT total FROM orders");
    cr_expect_eq(figure->noise_samples, 80u);
    cr_expect_eq(figure->noise_differences, 16u);
    cr_expect_eq(figure->latency[0][LATENCY_SERVED]->count, 2u, "one a run");
    cr_expect_eq(figure->latency[1][LATENCY_MIRRORED]->count, 2u);
    cr_expect_null(figure->latency[0][LATENCY_MIRRORED]);
    cr_expect_null(figure->latency[1][LATENCY_SERVED]);
    cr_assert_eq(figure->place_count, 1u);
    cr_expect_eq(figure->places[0].mismatches, 6u);
    pictures_fini(&pictures);

    pictures = read_since(15 * MINUTE);
    cr_expect_eq(pictures.list[0].books.reads, 60u);
    pictures_fini(&pictures);
}

Test(store, writing_twice_does_no_harm)
{
    struct store *store = opened();

    write_run(store, 10 * MINUTE, 100);
    write_run(store, 10 * MINUTE, 100);
    store_close(&store);

    struct pictures pictures = read_since(0);

    cr_expect_eq(pictures.list[0].books.reads, 100u);
    pictures_fini(&pictures);
}

Test(store, keeps_mismatches)
{
    struct store *store = opened();
    struct figures_mismatch mismatch = {.at = MINUTE,
                                        .fingerprint = "00000000000000aa",
                                        .difference = DIFFERENCE_VALUE,
                                        .table = "public.orders",
                                        .column = "note",
                                        .rows = 2,
                                        .old_value = NULL,
                                        .new_value = "",
                                        .samples = "[]",
                                        .query = "SELECT",
                                        .parameters = "[1]",
                                        .served = SERVED_NEW,
                                        .lag_seconds = -1,
                                        .rounds = 5,
                                        .attempts = 6,
                                        .detail = "x"};
    uint64_t first_id = 0;

    write_run(store, MINUTE, 10);
    cr_assert(store_begin(store, true));
    for (mismatch.id = 1; mismatch.id <= 30; mismatch.id++)
        cr_assert(store_write_mismatch(store, "app", &mismatch), "%s", store_error(store));
    cr_assert(store_commit(store));
    cr_assert(store_reserve_ids(store, 10, &first_id));
    cr_expect_eq(first_id, 31u, "no id is given twice");
    store_close(&store);

    struct pictures pictures = read_since(0);

    cr_assert_eq(pictures.list[0].evidence_count, (size_t)FIGURES_EVIDENCE_PER_CLASS);

    struct figures_mismatch *first = &pictures.list[0].evidence[0];

    cr_expect_eq(first->id, 30u);
    cr_expect_eq(first->difference, DIFFERENCE_VALUE);
    cr_expect_null(first->old_value);
    cr_expect_str_eq(first->new_value, "");
    cr_expect_eq(first->served, SERVED_NEW);
    cr_expect_eq(first->lag_seconds, -1);
    cr_expect_eq(first->attempts, 6u);
    cr_expect_str_eq(first->detail, "x");
    pictures_fini(&pictures);
}

static void
collect(void *context, const struct store_setting *setting)
{
    char *all = context;

    strcat(strcat(strcat(all, setting->database), "."), setting->name);
    strcat(strcat(strcat(all, "="), setting->value), " ");
}

static void
ignore(void *context, const struct store_setting *setting)
{
    (void)context;
    (void)setting;
}

static enum store_kept
keep(struct store *store, enum store_keeping keeping, int64_t known, const char *name,
     const char *value)
{
    struct store_setting setting = {.database = "app",
                                    .name = name,
                                    .value = value,
                                    .actor = "ann",
                                    .reason = "",
                                    .member = "here:1"};

    return store_keep(store, keeping, known, &setting, 1, ignore, NULL);
}

Test(store, keeps_operators_settings)
{
    struct store *store = opened();
    char all[256] = "";

    cr_assert_eq(keep(store, STORE_RAISES, -1, "canary_percent", "500"), STORE_KEPT);
    cr_assert_eq(keep(store, STORE_LOWERS, -1, "canary_percent", "250"), STORE_KEPT);
    store_close(&store);
    store = opened();
    cr_assert(store_read_settings(store, -1, collect, all));
    cr_expect_str_eq(all, "app.canary_percent=250 ");
    store_close(&store);
}

Test(store, refuses_what_is_not_its_own)
{
    char error[256];
    char path[128];

    cr_expect_null(store_open("mysql://localhost/x", error, sizeof error));
    cr_expect(strstr(error, "sqlite:PATH") != NULL, "%s", error);
    cr_expect_null(store_open("sqlite:", error, sizeof error));
    cr_expect_null(store_open("sqlite:/nowhere/at/all.db", error, sizeof error));
    cr_expect(strstr(error, "/nowhere/at/all.db") != NULL, "%s", error);
    error[0] = '\0';
    cr_expect_null(store_open_to_read(location, error, sizeof error));
    cr_expect(strstr(error, "store.db") != NULL, "%s", error);
    snprintf(path, sizeof path, "%s/junk.db", directory);

    FILE *file = fopen(path, "w");

    cr_assert_not_null(file);
    fputs("this is no database, and it is long enough to be looked at as one, is it not?", file);
    fclose(file);

    char junk[160];

    snprintf(junk, sizeof junk, "sqlite:%s", path);
    cr_expect_null(store_open(junk, error, sizeof error));
    cr_expect(strstr(error, "junk.db") != NULL, "%s", error);
}

Test(store, thins_out_old_minutes_and_keeps_the_sums)
{
    struct store *store = opened();
    int64_t now = 30 * 24 * 60 * MINUTE;

    for (int i = 0; i < 10; i++)
        write_run(store, (60 + i) * MINUTE, (uint64_t)(10 + i));
    cr_assert(store_begin(store, false));
    cr_assert(store_thin(store, now), "%s", store_error(store));
    cr_assert(store_commit(store));
    store_close(&store);

    struct pictures pictures = read_since(0);

    cr_expect_eq(pictures.list[0].books.reads, 19u);
    cr_expect_eq(pictures.list[0].figures[0].reads, 19u);
    pictures_fini(&pictures);
}

static void
say(const char *sql)
{
    sqlite3 *file = NULL;

    cr_assert_eq(sqlite3_open(location + strlen("sqlite:"), &file), SQLITE_OK);
    cr_assert_eq(sqlite3_exec(file, sql, NULL, NULL, NULL), SQLITE_OK, "%s", sqlite3_errmsg(file));
    sqlite3_close(file);
}

static void
expect_upgraded(void)
{
    struct pictures pictures = read_since(0);

    cr_assert_eq(pictures.list[0].figure_count, 1u);

    struct figure *figure = &pictures.list[0].figures[0];

    cr_expect_eq(figure->reads, 100u);
    cr_expect(figure->is_quarantined);
    cr_assert_not_null(figure->accepted_because);
    cr_expect_str_eq(figure->accepted_because, "rounded");
    cr_expect_eq(pictures.list[0].canary_state, CANARY_LATCHED);
    cr_assert_not_null(figure->latency[0][LATENCY_SERVED]);
    cr_assert_not_null(figure->latency[1][LATENCY_MIRRORED]);
    cr_expect_null(figure->latency[1][LATENCY_SERVED]);
    cr_expect_eq(figure->latency[1][LATENCY_MIRRORED]->count, 1u);
    pictures_fini(&pictures);
}

// As schema 1 had it: one histogram a side, decisions with the fingerprints, settings without versions.
static const char as_before[] =
    "UPDATE latencies SET side = substr(side, 1, 3);"
    "UPDATE fingerprints SET is_quarantined = 1, accepted_because = 'rounded';"
    "ALTER TABLE runs DROP COLUMN instance; ALTER TABLE settings DROP COLUMN version;"
    "ALTER TABLE settings DROP COLUMN reason; ALTER TABLE settings DROP COLUMN member;"
    "INSERT INTO settings VALUES ('app', 'canary_state', 'latched', 0, 'ann');"
    "PRAGMA user_version = 1";

Test(store, the_schema_before_is_read_as_it_is_and_upgraded_by_who_writes)
{
    struct store *store = opened();
    char all[256] = "";

    write_run(store, MINUTE, 100);
    store_close(&store);
    say(as_before);
    expect_upgraded();
    store = opened();
    cr_assert(store_read_settings(store, -1, collect, all));
    cr_expect_str_eq(all, "app.accept:00000000000000aa=rounded app.canary_state=latched "
                          "app.quarantine:00000000000000aa=on ");
    store_close(&store);
    say("CREATE TABLE was AS SELECT user_version AS version FROM pragma_user_version;"
        "INSERT INTO was SELECT 1 FROM latencies WHERE side NOT IN ('old_served', 'new_mirrored');"
        "INSERT INTO was SELECT 1 FROM fingerprints WHERE is_quarantined <> 0;"
        "CREATE TABLE fails_unless (one INTEGER CHECK (one = 3));"
        "INSERT INTO fails_unless SELECT version FROM was");
    expect_upgraded();
}
