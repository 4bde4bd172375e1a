// Pictures out of the store: the books, figures and evidence of all runs together, since some moment. Read in
// one transaction, so that they are of one moment while the proxy goes on writing.
#include "compare/verdict.h"
#include "proxy/report/store_file.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { EVIDENCE_READ = FIGURES_EVIDENCE_LIMIT };

static const int64_t MINUTE = 60 * (int64_t)1000000;

struct wanted { // the counter of that name gets the value
    const char *name;
    uint64_t value;
};

static void
set_counter(void *context, const char *name, uint64_t *value)
{
    const struct wanted *wanted = context;

    if (strcmp(name, wanted->name) == 0)
        *value = wanted->value;
}

static uint64_t
counter_of(sqlite3_stmt *row, int column)
{
    int64_t value = sqlite3_column_int64(row, column);

    return value < 0 ? 0 : (uint64_t)value; // in_flight, when it fell since
}

static bool
read_books(struct store *store, int64_t minute, struct picture *picture)
{
    sqlite3_stmt *row = store_bind(store, STORE_BOOKS_READ, "ti", picture->database, minute);
    bool ok = true;

    while (store_step(row, &ok)) {
        struct wanted wanted = {store_text(row, 0), counter_of(row, 1)};

        if (strcmp(wanted.name, "distinct") == 0)
            picture->totals.distinct = wanted.value;
        else
            books_page_each(&picture->books, set_counter, &wanted);
    }
    books_page_finish(&picture->books);
    return ok;
}

static int
by_fingerprint(const void *left, const void *right)
{
    return strcmp(((const struct figure *)left)->fingerprint,
                  ((const struct figure *)right)->fingerprint);
}

static int
by_reads(const void *left, const void *right)
{
    const struct figure *a = left;
    const struct figure *b = right;

    if (a->reads != b->reads)
        return a->reads < b->reads ? 1 : -1;
    return by_fingerprint(left, right);
}

// While reading, figures are in the order of their fingerprints.
static struct figure *
figure_of(struct picture *picture, const char *fingerprint)
{
    struct figure key;

    memset(&key, 0, sizeof key);
    strncpy(key.fingerprint, fingerprint, sizeof key.fingerprint - 1);
    if (picture->figure_count == 0)
        return NULL;
    return bsearch(&key, picture->figures, picture->figure_count, sizeof *picture->figures,
                   by_fingerprint);
}

static void
set_figure_counter(struct figure *figure, struct wanted *wanted)
{
    struct books_page page = {.reads = figure->reads, .accepted = figure->accepted};

    memcpy(page.verdicts, figure->verdicts, sizeof page.verdicts);
    memcpy(page.skipped, figure->skipped, sizeof page.skipped);
    memcpy(page.dropped, figure->dropped, sizeof page.dropped);
    memcpy(page.mismatches, figure->mismatches, sizeof page.mismatches);
    books_page_each(&page, set_counter, wanted);
    figure->reads = page.reads;
    figure->accepted = page.accepted;
    memcpy(figure->verdicts, page.verdicts, sizeof page.verdicts);
    memcpy(figure->skipped, page.skipped, sizeof page.skipped);
    memcpy(figure->dropped, page.dropped, sizeof page.dropped);
    memcpy(figure->mismatches, page.mismatches, sizeof page.mismatches);
    set_counter(wanted, "distinct", &figure->distinct);
    set_counter(wanted, "noise_samples", &figure->noise_samples);
    set_counter(wanted, "noise_differences", &figure->noise_differences);
}

static struct figure *
add_figure(struct picture *picture, const char *fingerprint)
{
    size_t count = picture->figure_count;

    if (count > 0 && strcmp(picture->figures[count - 1].fingerprint, fingerprint) == 0)
        return &picture->figures[count - 1];

    struct figure *figures = realloc(picture->figures, (count + 1) * sizeof *figures);

    if (figures == NULL)
        return NULL;
    picture->figures = figures;
    memset(&figures[count], 0, sizeof *figures);
    strncpy(figures[count].fingerprint, fingerprint, sizeof figures[count].fingerprint - 1);
    figures[count].query = strdup("");
    figures[count].tables = strdup("");
    picture->figure_count++;
    return figures[count].query == NULL || figures[count].tables == NULL ? NULL : &figures[count];
}

static bool
read_counts(struct store *store, int64_t minute, struct picture *picture)
{
    sqlite3_stmt *row = store_bind(store, STORE_FIGURES_READ, "ti", picture->database, minute);
    bool ok = true;

    while (store_step(row, &ok)) {
        struct figure *figure = add_figure(picture, store_text(row, 0));
        struct wanted wanted = {store_text(row, 1), counter_of(row, 2)};

        if (figure == NULL) {
            sqlite3_reset(row);
            return false;
        }
        set_figure_counter(figure, &wanted);
    }
    picture->totals.fingerprints = picture->figure_count;
    for (size_t i = 0; i < picture->figure_count; i++)
        picture->totals.never_compared +=
            picture->figures[i].reads > 0 && figure_covered(&picture->figures[i]) == 0;
    return ok;
}

static void
replace_text(char **to, const char *text)
{
    char *copy = strdup(text);

    if (copy == NULL)
        return;
    free(*to);
    *to = copy;
}

static bool
read_fingerprints(struct store *store, struct picture *picture)
{
    sqlite3_stmt *row = store_bind(store, STORE_FINGERPRINTS_READ, "t", picture->database);
    bool ok = true;

    while (store_step(row, &ok)) {
        struct figure *figure = figure_of(picture, store_text(row, 1));

        if (figure == NULL)
            continue;
        replace_text(&figure->query, store_text(row, 2));
        replace_text(&figure->tables, store_text(row, 3));
        figure->has_type_change = sqlite3_column_int(row, 4) != 0;
        figure->is_quarantined = sqlite3_column_int(row, 5) != 0;
        if (sqlite3_column_type(row, 6) != SQLITE_NULL)
            replace_text(&figure->accepted_because, store_text(row, 6));
    }
    return ok;
}

static bool
read_latencies(struct store *store, int64_t since, struct picture *picture)
{
    sqlite3_stmt *row = store_bind(store, STORE_LATENCIES_READ, "ti", picture->database, since);
    bool ok = true;

    while (store_step(row, &ok)) {
        const void *bytes = sqlite3_column_blob(row, 2);
        size_t length = (size_t)sqlite3_column_bytes(row, 2);
        struct figure *figure = figure_of(picture, store_text(row, 0));

        int side;
        enum latency_run run;

        if (!latency_find(store_text(row, 1), &side, &run))
            continue;
        if (strcmp(store_text(row, 0), "*") == 0) {
            histogram_read(&picture->totals.latency[side][run], bytes, length);
        } else if (figure != NULL) {
            struct histogram **into = &figure->latency[side][run];

            if (*into == NULL)
                *into = calloc(1, sizeof **into);
            if (*into != NULL)
                histogram_read(*into, bytes, length);
        }
    }
    return ok;
}

static enum difference_class
class_of(const char *name)
{
    for (int i = 0; i < DIFFERENCE_COUNT; i++)
        if (strcmp(difference_class_name((enum difference_class)i), name) == 0)
            return (enum difference_class)i;
    return DIFFERENCE_NONE;
}

static bool
read_places(struct store *store, int64_t minute, struct picture *picture)
{
    sqlite3_stmt *row = store_bind(store, STORE_PLACES_READ, "ti", picture->database, minute);
    bool ok = true;
    bool is_whole = true;

    while (store_step(row, &ok)) {
        struct figure *figure = figure_of(picture, store_text(row, 0));
        struct figures_place *places =
            figure == NULL ? NULL
                           : realloc(figure->places, (figure->place_count + 1) * sizeof *places);

        if (places == NULL)
            continue;
        figure->places = places;

        struct figures_place place = {
            .difference = class_of(store_text(row, 1)),
            .table = strdup(store_text(row, 2)),
            .column = strdup(store_text(row, 3)),
            .mismatches = counter_of(row, 4),
            .last_seen = sqlite3_column_int64(row, 5),
        };

        places[figure->place_count++] = place;
        is_whole &= place.table != NULL && place.column != NULL;
    }
    return ok && is_whole;
}

static enum served
served_of(const char *name)
{
    for (int i = SERVED_OLD; i <= SERVED_UNANSWERED; i++)
        if (strcmp(served_name((enum served)i), name) == 0)
            return (enum served)i;
    return SERVED_OLD;
}

static char *
value_of(sqlite3_stmt *row, int column)
{
    return sqlite3_column_type(row, column) == SQLITE_NULL ? NULL : strdup(store_text(row, column));
}

static void
read_mismatch(sqlite3_stmt *row, struct figures_mismatch *mismatch)
{
    *mismatch = (struct figures_mismatch){
        .id = counter_of(row, 0),
        .at = sqlite3_column_int64(row, 1),
        .difference = class_of(store_text(row, 3)),
        .table = value_of(row, 4),
        .column = value_of(row, 5),
        .rows = counter_of(row, 6),
        .old_value = value_of(row, 7),
        .new_value = value_of(row, 8),
        .samples = value_of(row, 9),
        .query = value_of(row, 10),
        .parameters = value_of(row, 11),
        .served = served_of(store_text(row, 12)),
        .served_at = sqlite3_column_int64(row, 13),
        .old_first_at = sqlite3_column_int64(row, 14),
        .new_at = sqlite3_column_int64(row, 15),
        .old_second_at = sqlite3_column_int64(row, 16),
        .lag_seconds =
            sqlite3_column_type(row, 17) == SQLITE_NULL ? -1 : sqlite3_column_double(row, 17),
        .rounds = (unsigned)sqlite3_column_int(row, 18),
        .attempts = (unsigned)sqlite3_column_int(row, 19),
        .detail = value_of(row, 20),
    };
    snprintf(mismatch->fingerprint, sizeof mismatch->fingerprint, "%s", store_text(row, 2));
}

static bool
read_evidence(struct store *store, int64_t since, struct picture *picture)
{
    sqlite3_stmt *row = store_bind(store, STORE_MISMATCHES_READ, "tii", picture->database, since,
                                   (int64_t)EVIDENCE_READ);
    bool ok = true;

    picture->evidence = calloc(EVIDENCE_READ, sizeof *picture->evidence);
    if (picture->evidence == NULL)
        return false;
    while (store_step(row, &ok))
        read_mismatch(row, &picture->evidence[picture->evidence_count++]);
    return ok;
}

static void
read_setting(void *context, const char *database, const char *name, const char *value)
{
    struct pictures *pictures = context;

    for (size_t i = 0; i < pictures->count; i++) {
        struct picture *picture = &pictures->list[i];

        if (strcmp(picture->database, database) != 0)
            continue;
        if (strcmp(name, "canary_percent") == 0)
            picture->canary_percent = (unsigned)strtoul(value, NULL, 10);
        else if (strcmp(name, "shadow_percent") == 0)
            picture->shadow_percent = (unsigned)strtoul(value, NULL, 10);
        else if (strcmp(name, "canary_state") == 0)
            picture->canary_state = strcmp(value, "latched") == 0 ? CANARY_LATCHED : CANARY_ARMED;
    }
}

static bool
read_names(struct store *store, const char *database, struct pictures *pictures)
{
    sqlite3_stmt *row = store_bind(store, STORE_DATABASES_READ, "");
    bool ok = true;

    while (store_step(row, &ok))
        if (database == NULL || strcmp(store_text(row, 0), database) == 0) {
            struct picture *picture = pictures_add(pictures, store_text(row, 0));

            if (picture != NULL)
                picture->canary_percent = picture->shadow_percent = PICTURE_UNSET;
        }
    return ok && !pictures->failed;
}

bool
store_read_pictures(struct store *store, int64_t since, const char *database,
                    struct pictures *pictures)
{
    int64_t minute = since / MINUTE;

    memset(pictures, 0, sizeof *pictures);
    // One transaction: all of it as of one moment, while the proxy goes on writing.
    if (sqlite3_exec(store->file, "BEGIN", NULL, NULL, NULL) != SQLITE_OK)
        return false;

    bool ok =
        read_names(store, database, pictures) && store_read_settings(store, read_setting, pictures);

    for (size_t i = 0; ok && i < pictures->count; i++) {
        struct picture *picture = &pictures->list[i];

        ok = read_books(store, minute, picture) && read_counts(store, minute, picture) &&
             read_fingerprints(store, picture) && read_latencies(store, since, picture) &&
             read_places(store, minute, picture) && read_evidence(store, since, picture);
        if (picture->figure_count > 1)
            qsort(picture->figures, picture->figure_count, sizeof *picture->figures, by_reads);
    }
    sqlite3_exec(store->file, "COMMIT", NULL, NULL, NULL);
    return ok;
}
