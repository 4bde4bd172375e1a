// What is known of each fingerprint: one entry a fingerprint in a hash table that only grows, behind one lock.
// Owned by its database; shadow threads add, the reporter and HTTP threads copy. The evidence that hangs
// off the entries is in figures_evidence.c.
//
// Copies are deep and taken under the lock; for ten thousand fingerprints that is some milliseconds, during
// which the shadow waits, and no worker ever does but to ask for a quarantine.
#include "compare/bound.h"
#include "proxy/report/figures_entry.h"
#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

struct figures *
figures_new(void)
{
    struct figures *figures = calloc(1, sizeof *figures);

    if (figures == NULL)
        return NULL;
    figures->capacity = 256;
    figures->slots = calloc(figures->capacity, sizeof *figures->slots);
    if (figures->slots == NULL || pthread_mutex_init(&figures->lock, NULL) != 0) {
        free(figures->slots);
        free(figures);
        return NULL;
    }
    figures->sequence = 1;
    return figures;
}

static void
entry_free(struct entry *entry)
{
    figure_fini(&entry->figure);
    for (int i = 0; i < DIFFERENCE_COUNT; i++) {
        for (size_t j = 0; j < entry->evidence[i].count; j++)
            figures_mismatch_fini(&entry->evidence[i].list[j]);
        free(entry->evidence[i].list);
    }
    free(entry->distinct);
    free(entry);
}

void
figures_free(struct figures **figures)
{
    if (*figures == NULL)
        return;
    for (size_t i = 0; i < (*figures)->capacity; i++)
        if ((*figures)->slots[i] != NULL)
            entry_free((*figures)->slots[i]);
    pthread_mutex_destroy(&(*figures)->lock);
    free((*figures)->slots);
    free(*figures);
    *figures = NULL;
}

static struct entry **
slot_of(struct entry **slots, size_t capacity, const char *fingerprint)
{
    size_t at = XXH3_64bits(fingerprint, strlen(fingerprint)) & (capacity - 1);

    while (slots[at] != NULL && strcmp(slots[at]->figure.fingerprint, fingerprint) != 0)
        at = (at + 1) & (capacity - 1);
    return &slots[at];
}

static bool
grow(struct figures *figures)
{
    size_t capacity = figures->capacity * 2;
    struct entry **slots = calloc(capacity, sizeof *slots);

    if (slots == NULL)
        return false;
    for (size_t i = 0; i < figures->capacity; i++)
        if (figures->slots[i] != NULL)
            *slot_of(slots, capacity, figures->slots[i]->figure.fingerprint) = figures->slots[i];
    free(figures->slots);
    figures->slots = slots;
    figures->capacity = capacity;
    return true;
}

struct entry *
figures_find(struct figures *figures, const char *fingerprint)
{
    return *slot_of(figures->slots, figures->capacity, fingerprint);
}

struct entry *
figures_entry(struct figures *figures, const char *fingerprint)
{
    struct entry *entry = figures_find(figures, fingerprint);

    if (entry != NULL)
        return entry;
    if (figures->count >= FIGURES_LIMIT && strcmp(fingerprint, "other") != 0)
        return figures_entry(figures, "other");
    if (figures->count * 4 >= figures->capacity * 3 && !grow(figures))
        return NULL;

    entry = calloc(1, sizeof *entry);
    if (entry == NULL)
        return NULL;
    strncpy(entry->figure.fingerprint, fingerprint, sizeof entry->figure.fingerprint - 1);
    *slot_of(figures->slots, figures->capacity, entry->figure.fingerprint) = entry;
    figures->count++;
    return entry;
}

void
figures_touch(struct figures *figures, struct entry *entry)
{
    entry->changed = figures->sequence++;
}

static char *
table_names(const struct analysis *analysis)
{
    size_t size = 1;

    for (size_t i = 0; i < analysis->table_count; i++)
        size += strlen(analysis->tables[i].name) + 2;

    char *names = malloc(size);

    if (names == NULL)
        return NULL;
    names[0] = '\0';
    for (size_t i = 0; i < analysis->table_count; i++) {
        if (i > 0)
            strcat(names, ", ");
        strcat(names, analysis->tables[i].name);
    }
    return names;
}

// "" and "other" stand for many statements: what is of one of them is not shown for all.
static bool
is_of_one(const struct figure *figure, const struct analysis *analysis)
{
    return analysis->fingerprint[0] != '\0' &&
           strcmp(figure->fingerprint, analysis->fingerprint) == 0;
}

static void
describe(struct entry *entry, const struct analysis *analysis)
{
    if (entry->figure.query != NULL || !is_of_one(&entry->figure, analysis))
        return;
    entry->figure.query =
        strndup(analysis->query == NULL ? "" : analysis->query, FIGURES_TEXT_LIMIT);
    entry->figure.tables = table_names(analysis);
}

static void
measure(struct figures *figures, struct entry *entry, int side, enum latency_run run,
        uint64_t nanoseconds)
{
    struct histogram **histogram = &entry->figure.latency[side][run];

    if (nanoseconds == 0)
        return;
    histogram_add(&figures->latency[side][run], nanoseconds);
    if (*histogram == NULL)
        *histogram = calloc(1, sizeof **histogram);
    if (*histogram != NULL)
        histogram_add(*histogram, nanoseconds);
}

// What is analysed without the catalogs at hand does not say why: what was said before holds.
static void
blame(struct figure *figure, const struct analysis *analysis)
{
    const char *function = analysis->unproven_function;
    bool is_news = function != NULL && (figure->unproven_function == NULL ||
                                        strcmp(figure->unproven_function, function) != 0);

    if (!is_of_one(figure, analysis))
        return;
    if (is_news) {
        free(figure->unproven_function);
        figure->unproven_function = strdup(function);
    }
    if (analysis->refused_because != NULL)
        figure->refused_because = analysis->refused_because;
}

static void
count(struct figure *figure, const struct figures_read *read)
{
    figure->reads++;
    if (read->is_compared) {
        figure->verdicts[read->verdict]++;
        if (read->verdict == VERDICT_MISMATCH) {
            figure->mismatches[read->difference]++;
            figure->accepted += read->is_accepted;
        }
    } else if (read->skipped != SKIP_NONE) {
        figure->skipped[read->skipped]++;
        blame(figure, read->analysis);
    } else {
        figure->dropped[read->dropped]++;
    }
    figure->has_type_change |= read->has_type_change;
    figure->open_because = read->analysis->determinacy.open_because;
}

static bool
is_never_compared(const struct figure *figure)
{
    return figure->reads > 0 && figure_covered(figure) == 0;
}

void
figures_add(struct figures *figures, const struct figures_read *read)
{
    pthread_mutex_lock(&figures->lock);

    struct entry *entry = figures_entry(figures, read->analysis->fingerprint);

    if (entry != NULL) {
        int served = read->served_is_new ? 1 : 0;
        bool was_uncompared = is_never_compared(&entry->figure);

        describe(entry, read->analysis);
        count(&entry->figure, read);
        figures->never_compared += is_never_compared(&entry->figure);
        figures->never_compared -= was_uncompared;
        measure(figures, entry, served, LATENCY_SERVED, read->served_ns);
        measure(figures, entry, !served, LATENCY_MIRRORED, read->mirrored_ns);
        if (read->is_compared) {
            const char *fingerprint = read->analysis->fingerprint;
            uint64_t digest =
                XXH3_64bits_withSeed(&read->parameters_digest, sizeof read->parameters_digest, 0);

            if (entry->distinct == NULL)
                entry->distinct = calloc(1, sizeof *entry->distinct);
            if (entry->distinct != NULL)
                distinct_add(entry->distinct, digest);
            distinct_add(&figures->distinct,
                         XXH3_64bits_withSeed(fingerprint, strlen(fingerprint), digest));
        }
        figures_touch(figures, entry);
    }
    pthread_mutex_unlock(&figures->lock);
}

void
figures_noise(struct figures *figures, const struct analysis *analysis, bool differs)
{
    pthread_mutex_lock(&figures->lock);

    struct entry *entry = figures_entry(figures, analysis->fingerprint);

    if (entry != NULL) {
        describe(entry, analysis);
        entry->figure.noise_samples++;
        entry->figure.noise_differences += differs;
        figures_touch(figures, entry);
    }
    pthread_mutex_unlock(&figures->lock);
}

bool
figures_is_quarantined(struct figures *figures, const char *fingerprint)
{
    pthread_mutex_lock(&figures->lock);

    struct entry *entry = figures_find(figures, fingerprint);

    // What has no entry of its own any more shares the fate of those.
    if (entry == NULL && figures->count >= FIGURES_LIMIT)
        entry = figures_find(figures, "other");

    bool is_quarantined = entry != NULL && entry->figure.is_quarantined;

    pthread_mutex_unlock(&figures->lock);
    return is_quarantined;
}

bool
figures_is_accepted(struct figures *figures, const char *fingerprint)
{
    pthread_mutex_lock(&figures->lock);

    struct entry *entry = figures_find(figures, fingerprint);
    bool is_accepted = entry != NULL && entry->figure.accepted_because != NULL;

    pthread_mutex_unlock(&figures->lock);
    return is_accepted;
}

bool
figures_is_known(struct figures *figures, const char *fingerprint)
{
    pthread_mutex_lock(&figures->lock);

    bool is_known = figures_find(figures, fingerprint) != NULL;

    pthread_mutex_unlock(&figures->lock);
    return is_known;
}

void
figures_quarantine(struct figures *figures, const char *fingerprint, bool on)
{
    pthread_mutex_lock(&figures->lock);

    struct entry *entry = figures_entry(figures, fingerprint);

    if (entry != NULL && entry->figure.is_quarantined != on) {
        entry->figure.is_quarantined = on;
        figures_touch(figures, entry);
    }
    pthread_mutex_unlock(&figures->lock);
}

void
figures_accept(struct figures *figures, const char *fingerprint, const char *reason)
{
    pthread_mutex_lock(&figures->lock);

    struct entry *entry = figures_entry(figures, fingerprint);

    if (entry != NULL) {
        free(entry->figure.accepted_because);
        entry->figure.accepted_because =
            reason == NULL ? NULL : strndup(reason, FIGURES_TEXT_LIMIT);
        figures_touch(figures, entry);
    }
    pthread_mutex_unlock(&figures->lock);
}

void
figures_totals(struct figures *figures, struct figures_totals *totals)
{
    pthread_mutex_lock(&figures->lock);
    memcpy(totals->latency, figures->latency, sizeof totals->latency);
    totals->distinct = distinct_estimate(&figures->distinct);
    totals->fingerprints = figures->count;
    totals->never_compared = figures->never_compared;
    pthread_mutex_unlock(&figures->lock);
}

uint64_t
figure_compared(const struct figure *figure)
{
    uint64_t total = 0;

    for (int i = 0; i < VERDICT_COUNT; i++)
        total += figure->verdicts[i];
    return total;
}

uint64_t
figure_covered(const struct figure *figure)
{
    uint64_t total = 0;

    for (int i = 0; i < VERDICT_COUNT; i++)
        if (verdict_is_covered((enum verdict)i))
            total += figure->verdicts[i];
    return total;
}

void
figure_rate(const struct figure *figure, double *rate, double *upper_bound)
{
    struct books_page page = {.reads = figure->reads, .accepted = figure->accepted};

    memcpy(page.verdicts, figure->verdicts, sizeof page.verdicts);
    books_page_finish(&page);
    *rate = page.mismatch_rate;
    *upper_bound = page.mismatch_upper_bound;
}

double
figure_noise_rate(const struct figure *figure)
{
    if (figure->noise_samples == 0)
        return NAN;
    return (double)figure->noise_differences / (double)figure->noise_samples;
}
