// The confirmed mismatches that are kept as evidence, and the places (table and column) where they lie.
// Of each fingerprint and class the newest FIGURES_EVIDENCE_PER_CLASS are kept; counts are of all.
#include "proxy/report/figures_entry.h"
#include <stdlib.h>
#include <string.h>

void
figures_mismatch_fini(struct figures_mismatch *mismatch)
{
    free(mismatch->table);
    free(mismatch->column);
    free(mismatch->old_value);
    free(mismatch->new_value);
    free(mismatch->samples);
    free(mismatch->query);
    free(mismatch->parameters);
    free(mismatch->detail);
    memset(mismatch, 0, sizeof *mismatch);
}

static bool
copy_text(char **to, const char *from)
{
    *to = from == NULL ? NULL : strndup(from, FIGURES_TEXT_LIMIT);
    return from == NULL || *to != NULL;
}

static bool
copy_mismatch(struct figures_mismatch *to, const struct figures_mismatch *from)
{
    *to = *from;

    bool is_whole = copy_text(&to->table, from->table == NULL ? "" : from->table);

    is_whole &= copy_text(&to->column, from->column == NULL ? "" : from->column);
    is_whole &= copy_text(&to->old_value, from->old_value);
    is_whole &= copy_text(&to->new_value, from->new_value);
    is_whole &= copy_text(&to->samples, from->samples == NULL ? "[]" : from->samples);
    is_whole &= copy_text(&to->query, from->query == NULL ? "" : from->query);
    is_whole &= copy_text(&to->parameters, from->parameters == NULL ? "[]" : from->parameters);
    is_whole &= copy_text(&to->detail, from->detail == NULL ? "" : from->detail);
    if (!is_whole)
        figures_mismatch_fini(to);
    return is_whole;
}

static void
keep(struct figures *figures, struct entry *entry, const struct figures_mismatch *mismatch)
{
    struct figures_mismatch **list = &entry->evidence[mismatch->difference].list;
    size_t *count = &entry->evidence[mismatch->difference].count;
    struct figures_mismatch copy;

    if (*list == NULL)
        *list = calloc(FIGURES_EVIDENCE_PER_CLASS, sizeof **list);
    if (*list == NULL || (*count == 0 && figures->evidence_count >= FIGURES_EVIDENCE_LIMIT) ||
        !copy_mismatch(&copy, mismatch))
        return;
    if (*count == FIGURES_EVIDENCE_PER_CLASS || figures->evidence_count >= FIGURES_EVIDENCE_LIMIT) {
        figures_mismatch_fini(&(*list)[0]);
        memmove(&(*list)[0], &(*list)[1], (*count - 1) * sizeof **list);
        (*count)--;
        figures->evidence_count--;
    }
    (*list)[(*count)++] = copy;
    figures->evidence_count++;
}

static struct figures_place *
place_of(struct figure *figure, const struct figures_mismatch *mismatch)
{
    const char *table = mismatch->table == NULL ? "" : mismatch->table;
    const char *column = mismatch->column == NULL ? "" : mismatch->column;

    for (size_t i = 0; i < figure->place_count; i++) {
        struct figures_place *place = &figure->places[i];

        if (place->difference == mismatch->difference && strcmp(place->table, table) == 0 &&
            strcmp(place->column, column) == 0)
            return place;
    }
    // Over the limit, the last place takes what has no room.
    if (figure->place_count == FIGURES_PLACES_PER_FINGERPRINT)
        return &figure->places[figure->place_count - 1];

    struct figures_place *places =
        realloc(figure->places, (figure->place_count + 1) * sizeof *places);

    if (places == NULL)
        return NULL;
    figure->places = places;

    struct figures_place *place = &places[figure->place_count];

    memset(place, 0, sizeof *place);
    place->difference = mismatch->difference;
    place->table = strdup(table);
    place->column = strdup(column);
    if (place->table == NULL || place->column == NULL) {
        free(place->table);
        free(place->column);
        return NULL;
    }
    figure->place_count++;
    return place;
}

void
figures_mismatch_add(struct figures *figures, const struct figures_mismatch *mismatch)
{
    pthread_mutex_lock(&figures->lock);

    struct entry *entry = figures_entry(figures, mismatch->fingerprint);

    if (entry != NULL) {
        struct figures_place *place = place_of(&entry->figure, mismatch);

        if (place != NULL) {
            place->mismatches++;
            if (place->last_seen < mismatch->at)
                place->last_seen = mismatch->at;
        }
        keep(figures, entry, mismatch);
        figures_touch(figures, entry);
    }
    pthread_mutex_unlock(&figures->lock);
}

void
figures_mismatch_restore(struct figures *figures, const struct figures_mismatch *mismatch)
{
    pthread_mutex_lock(&figures->lock);

    struct entry *entry = figures_entry(figures, mismatch->fingerprint);

    if (entry != NULL)
        keep(figures, entry, mismatch);
    pthread_mutex_unlock(&figures->lock);
}

static int
newest_first(const void *left, const void *right)
{
    const struct figures_mismatch *a = left;
    const struct figures_mismatch *b = right;

    return a->id < b->id ? 1 : a->id > b->id ? -1 : 0;
}

static bool
copy_evidence(const struct entry *entry, uint64_t after, struct figures_mismatch *copy,
              size_t *count)
{
    for (int class = 0; class < DIFFERENCE_COUNT; class ++)
        for (size_t i = 0; i < entry->evidence[class].count; i++)
            if (entry->evidence[class].list[i].id > after) {
                if (!copy_mismatch(&copy[*count], &entry->evidence[class].list[i]))
                    return false;
                (*count)++;
            }
    return true;
}

struct figures_mismatch *
figures_evidence(struct figures *figures, uint64_t after, size_t *count)
{
    pthread_mutex_lock(&figures->lock);

    struct figures_mismatch *copy = calloc(figures->evidence_count + 1, sizeof *copy);
    bool is_whole = copy != NULL;

    *count = 0;
    for (size_t i = 0; is_whole && i < figures->capacity; i++)
        if (figures->slots[i] != NULL)
            is_whole = copy_evidence(figures->slots[i], after, copy, count);
    pthread_mutex_unlock(&figures->lock);

    if (!is_whole) {
        figures_evidence_free(&copy, *count);
        *count = 0;
        return NULL;
    }
    qsort(copy, *count, sizeof *copy, newest_first);
    return copy;
}

void
figures_evidence_free(struct figures_mismatch **evidence, size_t count)
{
    if (*evidence == NULL)
        return;
    for (size_t i = 0; i < count; i++)
        figures_mismatch_fini(&(*evidence)[i]);
    free(*evidence);
    *evidence = NULL;
}
