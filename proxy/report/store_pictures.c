// Pictures out of the store: the books, figures and evidence of all runs of all its proxies together, since some moment.
// Read in one transaction, so that they are of one moment while the proxies go on writing.
#include "compare/verdict.h"
#include "proxy/report/store_backend.h"
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
counter_of(const struct store_rows *rows, int column)
{
    int64_t value = store_integer(rows, column);

    return value < 0 ? 0 : (uint64_t)value; // in_flight, when it fell since
}

static bool
read_books(struct store *store, int64_t minute, struct picture *picture)
{
    struct store_rows rows = store_ask(store, STORE_BOOKS_READ, "ti", picture->database, minute);
    while (store_step(&rows)) {
        struct wanted wanted = {store_text(&rows, 0), counter_of(&rows, 1)};

        if (strcmp(wanted.name, "distinct") == 0)
            picture->totals.distinct = wanted.value;
        else
            books_page_each(&picture->books, set_counter, &wanted);
    }
    books_page_finish(&picture->books);
    return rows.ok;
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
    struct store_rows rows = store_ask(store, STORE_FIGURES_READ, "ti", picture->database, minute);
    bool is_whole = true;

    while (store_step(&rows)) {
        struct figure *figure = is_whole ? add_figure(picture, store_text(&rows, 0)) : NULL;
        struct wanted wanted = {store_text(&rows, 1), counter_of(&rows, 2)};

        is_whole = figure != NULL;
        if (is_whole)
            set_figure_counter(figure, &wanted);
    }
    // The store's order of text may be another one.
    if (picture->figure_count > 1)
        qsort(picture->figures, picture->figure_count, sizeof *picture->figures, by_fingerprint);
    picture->totals.fingerprints = picture->figure_count;
    for (size_t i = 0; i < picture->figure_count; i++)
        picture->totals.never_compared +=
            picture->figures[i].reads > 0 && figure_covered(&picture->figures[i]) == 0;
    return rows.ok && is_whole;
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
    struct store_rows rows = store_ask(store, STORE_FINGERPRINTS_READ, "t", picture->database);
    while (store_step(&rows)) {
        struct figure *figure = figure_of(picture, store_text(&rows, 1));

        if (figure == NULL)
            continue;
        replace_text(&figure->query, store_text(&rows, 2));
        replace_text(&figure->tables, store_text(&rows, 3));
        figure->has_type_change = store_integer(&rows, 4) != 0;
        figure->is_quarantined = store_integer(&rows, 5) != 0;
        if (!store_is_null(&rows, 6))
            replace_text(&figure->accepted_because, store_text(&rows, 6));
    }
    return rows.ok;
}

static bool
read_latencies(struct store *store, int64_t since, struct picture *picture)
{
    struct store_rows rows = store_ask(store, STORE_LATENCIES_READ, "ti", picture->database, since);
    while (store_step(&rows)) {
        size_t length;
        const void *bytes = store_bytes(&rows, 2, &length);
        struct figure *figure = figure_of(picture, store_text(&rows, 0));

        int side;
        enum latency_run run;

        if (!latency_find(store_text(&rows, 1), &side, &run))
            continue;
        if (strcmp(store_text(&rows, 0), "*") == 0) {
            histogram_read(&picture->totals.latency[side][run], bytes, length);
        } else if (figure != NULL) {
            struct histogram **into = &figure->latency[side][run];

            if (*into == NULL)
                *into = calloc(1, sizeof **into);
            if (*into != NULL)
                histogram_read(*into, bytes, length);
        }
    }
    return rows.ok;
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
    struct store_rows rows = store_ask(store, STORE_PLACES_READ, "ti", picture->database, minute);
    bool is_whole = true;

    while (store_step(&rows)) {
        struct figure *figure = figure_of(picture, store_text(&rows, 0));
        struct figures_place *places =
            figure == NULL ? NULL
                           : realloc(figure->places, (figure->place_count + 1) * sizeof *places);

        if (places == NULL)
            continue;
        figure->places = places;

        struct figures_place place = {
            .difference = class_of(store_text(&rows, 1)),
            .table = strdup(store_text(&rows, 2)),
            .column = strdup(store_text(&rows, 3)),
            .mismatches = counter_of(&rows, 4),
            .last_seen = store_integer(&rows, 5),
        };

        places[figure->place_count++] = place;
        is_whole &= place.table != NULL && place.column != NULL;
    }
    return rows.ok && is_whole;
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
value_of(const struct store_rows *rows, int column)
{
    return store_is_null(rows, column) ? NULL : strdup(store_text(rows, column));
}

static void
read_mismatch(const struct store_rows *rows, struct figures_mismatch *mismatch)
{
    *mismatch = (struct figures_mismatch){
        .id = counter_of(rows, 0),
        .at = store_integer(rows, 1),
        .difference = class_of(store_text(rows, 3)),
        .table = value_of(rows, 4),
        .column = value_of(rows, 5),
        .rows = counter_of(rows, 6),
        .old_value = value_of(rows, 7),
        .new_value = value_of(rows, 8),
        .samples = value_of(rows, 9),
        .query = value_of(rows, 10),
        .parameters = value_of(rows, 11),
        .served = served_of(store_text(rows, 12)),
        .served_at = store_integer(rows, 13),
        .old_first_at = store_integer(rows, 14),
        .new_at = store_integer(rows, 15),
        .old_second_at = store_integer(rows, 16),
        .lag_seconds = store_is_null(rows, 17) ? -1 : store_real(rows, 17),
        .rounds = (unsigned)store_integer(rows, 18),
        .attempts = (unsigned)store_integer(rows, 19),
        .detail = value_of(rows, 20),
    };
    snprintf(mismatch->fingerprint, sizeof mismatch->fingerprint, "%s", store_text(rows, 2));
}

static bool
read_evidence(struct store *store, int64_t since, struct picture *picture)
{
    struct store_rows rows = store_ask(store, STORE_MISMATCHES_READ, "tii", picture->database,
                                       since, (int64_t)EVIDENCE_READ);

    picture->evidence = calloc(EVIDENCE_READ, sizeof *picture->evidence);
    while (store_step(&rows))
        if (picture->evidence != NULL)
            read_mismatch(&rows, &picture->evidence[picture->evidence_count++]);
    return rows.ok && picture->evidence != NULL;
}

// "quarantine:FINGERPRINT" and "accept:FINGERPRINT"; the figures are there, in the order of their fingerprints.
static void
set_decision(struct picture *picture, const char *name, const char *value)
{
    static const char quarantine[] = "quarantine:", accept[] = "accept:";
    bool is_quarantine = strncmp(name, quarantine, strlen(quarantine)) == 0;
    struct figure *figure = is_quarantine ? figure_of(picture, name + strlen(quarantine))
                            : strncmp(name, accept, strlen(accept)) == 0
                                ? figure_of(picture, name + strlen(accept))
                                : NULL;

    if (figure == NULL)
        return;
    if (is_quarantine)
        figure->is_quarantined = strcmp(value, "on") == 0;
    else if (value[0] != '\0')
        replace_text(&figure->accepted_because, value);
}

static void
set_setting(struct picture *picture, const char *name, const char *value)
{
    if (strcmp(name, "canary_percent") == 0)
        picture->canary_percent = (unsigned)strtoul(value, NULL, 10);
    else if (strcmp(name, "shadow_percent") == 0)
        picture->shadow_percent = (unsigned)strtoul(value, NULL, 10);
    else if (strcmp(name, "canary_state") == 0)
        picture->canary_state = strcmp(value, "latched") == 0 ? CANARY_LATCHED : CANARY_ARMED;
    else
        set_decision(picture, name, value);
}

static bool
read_settings(struct store *store, struct pictures *pictures)
{
    struct store_rows rows = store_ask(store, STORE_SETTINGS_READ, "");

    while (store_step(&rows))
        for (size_t i = 0; i < pictures->count; i++)
            if (strcmp(pictures->list[i].database, store_text(&rows, 0)) == 0)
                set_setting(&pictures->list[i], store_text(&rows, 1), store_text(&rows, 2));
    return rows.ok;
}

static bool
read_names(struct store *store, const char *database, struct pictures *pictures)
{
    struct store_rows rows = store_ask(store, STORE_DATABASES_READ, "");

    while (store_step(&rows))
        if (database == NULL || strcmp(store_text(&rows, 0), database) == 0) {
            struct picture *picture = pictures_add(pictures, store_text(&rows, 0));

            if (picture != NULL)
                picture->canary_percent = picture->shadow_percent = PICTURE_UNSET;
        }
    return rows.ok && !pictures->failed;
}

bool
store_read_pictures(struct store *store, int64_t since, const char *database,
                    struct pictures *pictures)
{
    int64_t minute = since / MINUTE;

    memset(pictures, 0, sizeof *pictures);
    // One transaction: all of it as of one moment, while proxies go on writing.
    if (!store_ask_nothing(store, STORE_READ))
        return false;

    bool ok = read_names(store, database, pictures);

    for (size_t i = 0; ok && i < pictures->count; i++) {
        struct picture *picture = &pictures->list[i];

        ok = read_books(store, minute, picture) && read_counts(store, minute, picture) &&
             read_fingerprints(store, picture) && read_latencies(store, since, picture) &&
             read_places(store, minute, picture) && read_evidence(store, since, picture);
    }
    ok = ok && read_settings(store, pictures);
    for (size_t i = 0; i < pictures->count; i++)
        if (pictures->list[i].figure_count > 1)
            qsort(pictures->list[i].figures, pictures->list[i].figure_count,
                  sizeof *pictures->list[i].figures, by_reads);
    return store_ask_nothing(store, STORE_COMMIT) && ok;
}

bool
store_read_evidence(struct store *store, struct pictures *pictures)
{
    memset(pictures, 0, sizeof *pictures);

    bool ok = read_names(store, NULL, pictures);

    for (size_t i = 0; ok && i < pictures->count; i++)
        ok = read_evidence(store, 0, &pictures->list[i]);
    return ok;
}
