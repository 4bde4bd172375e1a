// Copies of the figures for readers: console, HTTP and the reporter's writing. Taken under the lock,
// owned by who asked.
#include "proxy/report/figures_entry.h"
#include <stdlib.h>
#include <string.h>

static char *
text_copy(const char *text)
{
    return strdup(text == NULL ? "" : text);
}

static bool
copy_places(struct figure *to, const struct figure *from)
{
    to->places = calloc(from->place_count + 1, sizeof *to->places);
    to->place_count = 0;
    if (to->places == NULL)
        return false;
    for (size_t i = 0; i < from->place_count; i++) {
        to->places[i] = from->places[i];
        to->places[i].table = strdup(from->places[i].table);
        to->places[i].column = strdup(from->places[i].column);
        to->place_count++;
        if (to->places[i].table == NULL || to->places[i].column == NULL)
            return false;
    }
    return true;
}

static bool
copy_histogram(struct histogram **to, const struct histogram *from)
{
    *to = NULL;
    if (from == NULL)
        return true;
    *to = malloc(sizeof **to);
    if (*to == NULL)
        return false;
    **to = *from;
    return true;
}

static bool
copy_figure(struct figure *to, const struct entry *entry)
{
    const struct figure *from = &entry->figure;

    *to = *from;
    to->query = text_copy(from->query);
    to->tables = text_copy(from->tables);
    to->accepted_because = from->accepted_because == NULL ? NULL : strdup(from->accepted_because);
    to->unproven_function =
        from->unproven_function == NULL ? NULL : strdup(from->unproven_function);
    to->distinct = entry->distinct == NULL ? 0 : distinct_estimate(entry->distinct);

    bool is_whole = copy_places(to, from) && to->query != NULL && to->tables != NULL;

    for (int side = 0; side < 2; side++)
        for (int run = 0; run < LATENCY_RUN_COUNT; run++)
            is_whole &= copy_histogram(&to->latency[side][run], from->latency[side][run]);
    return is_whole;
}

static int
by_reads(const void *left, const void *right)
{
    const struct figure *a = left;
    const struct figure *b = right;

    if (a->reads != b->reads)
        return a->reads < b->reads ? 1 : -1;
    return strcmp(a->fingerprint, b->fingerprint);
}

struct figure *
figures_copy(struct figures *figures, uint64_t since, uint64_t *now, size_t *count)
{
    pthread_mutex_lock(&figures->lock);

    struct figure *copy = calloc(figures->count + 1, sizeof *copy);
    bool is_whole = copy != NULL;

    *count = 0;
    for (size_t i = 0; is_whole && i < figures->capacity; i++)
        if (figures->slots[i] != NULL && figures->slots[i]->changed > since)
            is_whole = copy_figure(&copy[(*count)++], figures->slots[i]);
    if (now != NULL)
        *now = is_whole ? figures->sequence - 1 : since;
    pthread_mutex_unlock(&figures->lock);

    if (!is_whole) {
        figures_copy_free(&copy, *count);
        *count = 0;
        return NULL;
    }
    qsort(copy, *count, sizeof *copy, by_reads);
    return copy;
}

void
figure_fini(struct figure *figure)
{
    free(figure->query);
    free(figure->tables);
    free(figure->accepted_because);
    free(figure->unproven_function);
    for (int side = 0; side < 2; side++)
        for (int run = 0; run < LATENCY_RUN_COUNT; run++)
            free(figure->latency[side][run]);
    for (size_t i = 0; i < figure->place_count; i++) {
        free(figure->places[i].table);
        free(figure->places[i].column);
    }
    free(figure->places);
}

void
figures_copy_free(struct figure **copy, size_t count)
{
    if (*copy == NULL)
        return;
    for (size_t i = 0; i < count; i++)
        figure_fini(&(*copy)[i]);
    free(*copy);
    *copy = NULL;
}
