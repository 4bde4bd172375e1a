// SHOW MISMATCHES, SHOW MISMATCH and SHOW TABLES: what differs, and where.
#include "proxy/report/view.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

static const struct answer_column mismatches_columns[] = {
    {"id", ANSWER_INTEGER},       {"at", ANSWER_TIME},      {"database", ANSWER_TEXT},
    {"fingerprint", ANSWER_TEXT}, {"class", ANSWER_TEXT},   {"table", ANSWER_TEXT},
    {"column", ANSWER_TEXT},      {"rows", ANSWER_INTEGER}, {"old_value", ANSWER_TEXT},
    {"new_value", ANSWER_TEXT},   {"served", ANSWER_TEXT},  {"query", ANSWER_TEXT},
};

static const struct answer_column mismatch_columns[] = {
    {"id", ANSWER_INTEGER},        {"at", ANSWER_TIME},        {"database", ANSWER_TEXT},
    {"fingerprint", ANSWER_TEXT},  {"class", ANSWER_TEXT},     {"table", ANSWER_TEXT},
    {"column", ANSWER_TEXT},       {"rows", ANSWER_INTEGER},   {"old_value", ANSWER_TEXT},
    {"new_value", ANSWER_TEXT},    {"served", ANSWER_TEXT},    {"query", ANSWER_TEXT},
    {"parameters", ANSWER_JSON},   {"samples", ANSWER_JSON},   {"served_at", ANSWER_TIME},
    {"old_first_at", ANSWER_TIME}, {"new_at", ANSWER_TIME},    {"old_second_at", ANSWER_TIME},
    {"lag_seconds", ANSWER_REAL},  {"rounds", ANSWER_INTEGER}, {"attempts", ANSWER_INTEGER},
    {"detail", ANSWER_TEXT},
};

const struct answer_shape view_mismatch_shape = ANSWER_SHAPE(mismatch_columns);

static void
fill_mismatch(struct answer *answer, const char *database, const struct figures_mismatch *mismatch)
{
    answer_integer(answer, mismatch->id);
    answer_time(answer, mismatch->at);
    answer_text(answer, database);
    answer_text(answer, mismatch->fingerprint);
    answer_text(answer, difference_class_name(mismatch->difference));
    answer_text(answer, mismatch->table);
    answer_text(answer, mismatch->column);
    answer_integer(answer, mismatch->rows);
    answer_text(answer, mismatch->old_value);
    answer_text(answer, mismatch->new_value);
    answer_text(answer, served_name(mismatch->served));
    answer_text(answer, mismatch->query);
}

struct found { // one mismatch of one picture
    const char *database;
    const struct figures_mismatch *mismatch;
};

static int
newest_first(const void *left, const void *right)
{
    const struct found *a = left;
    const struct found *b = right;

    return a->mismatch->id < b->mismatch->id ? 1 : a->mismatch->id > b->mismatch->id ? -1 : 0;
}

static void
fill_mismatches(struct answer *answer, const struct pictures *pictures)
{
    size_t count = 0;

    for (size_t i = 0; i < pictures->count; i++)
        count += pictures->list[i].evidence_count;

    struct found *found = calloc(count + 1, sizeof *found);

    if (found == NULL) {
        answer->failed = true;
        return;
    }
    count = 0;
    for (size_t i = 0; i < pictures->count; i++)
        for (size_t j = 0; j < pictures->list[i].evidence_count; j++)
            found[count++] =
                (struct found){pictures->list[i].database, &pictures->list[i].evidence[j]};
    qsort(found, count, sizeof *found, newest_first);
    for (size_t i = 0; i < count; i++)
        fill_mismatch(answer, found[i].database, found[i].mismatch);
    free(found);
}

const struct view view_mismatches = {"mismatches", ANSWER_SHAPE(mismatches_columns),
                                     PICTURE_EVIDENCE, fill_mismatches};

static void
fill_in_full(struct answer *answer, const char *database, const struct figures_mismatch *mismatch)
{
    fill_mismatch(answer, database, mismatch);
    answer_json(answer, mismatch->parameters);
    answer_json(answer, mismatch->samples);
    answer_time(answer, mismatch->served_at);
    answer_time(answer, mismatch->old_first_at);
    answer_time(answer, mismatch->new_at);
    answer_time(answer, mismatch->old_second_at);
    answer_real(answer, mismatch->lag_seconds < 0 ? NAN : mismatch->lag_seconds);
    answer_integer(answer, mismatch->rounds);
    answer_integer(answer, mismatch->attempts);
    answer_text(answer, mismatch->detail);
}

void
view_mismatch(struct answer *answer, const struct pictures *pictures, uint64_t id)
{
    for (size_t i = 0; i < pictures->count; i++)
        for (size_t j = 0; j < pictures->list[i].evidence_count; j++)
            if (pictures->list[i].evidence[j].id == id) {
                fill_in_full(answer, pictures->list[i].database, &pictures->list[i].evidence[j]);
                return;
            }
}

static const struct answer_column tables_columns[] = {
    {"database", ANSWER_TEXT},  {"table", ANSWER_TEXT},         {"column", ANSWER_TEXT},
    {"class", ANSWER_TEXT},     {"mismatches", ANSWER_INTEGER}, {"fingerprints", ANSWER_INTEGER},
    {"last_seen", ANSWER_TIME},
};

struct place { // the places of all fingerprints that are the same place
    const struct figures_place *like;
    uint64_t mismatches, fingerprints;
    int64_t last_seen;
};

static int
by_mismatches(const void *left, const void *right)
{
    const struct place *a = left;
    const struct place *b = right;

    if (a->mismatches != b->mismatches)
        return a->mismatches < b->mismatches ? 1 : -1;

    int order = strcmp(a->like->table, b->like->table);

    return order != 0 ? order : strcmp(a->like->column, b->like->column);
}

static void
add_place(struct place *places, size_t *count, const struct figures_place *like)
{
    size_t at = 0;

    while (at < *count && (places[at].like->difference != like->difference ||
                           strcmp(places[at].like->table, like->table) != 0 ||
                           strcmp(places[at].like->column, like->column) != 0))
        at++;
    if (at == *count)
        places[(*count)++] = (struct place){.like = like};
    places[at].mismatches += like->mismatches;
    places[at].fingerprints++;
    if (places[at].last_seen < like->last_seen)
        places[at].last_seen = like->last_seen;
}

static void
fill_places(struct answer *answer, const struct picture *picture)
{
    size_t count = 0;

    for (size_t i = 0; i < picture->figure_count; i++)
        count += picture->figures[i].place_count;

    struct place *places = calloc(count + 1, sizeof *places);

    if (places == NULL) {
        answer->failed = true;
        return;
    }
    count = 0;
    for (size_t i = 0; i < picture->figure_count; i++)
        for (size_t j = 0; j < picture->figures[i].place_count; j++)
            add_place(places, &count, &picture->figures[i].places[j]);
    qsort(places, count, sizeof *places, by_mismatches);
    for (size_t i = 0; i < count; i++) {
        answer_text(answer, picture->database);
        answer_text(answer, places[i].like->table);
        answer_text(answer, places[i].like->column);
        answer_text(answer, difference_class_name(places[i].like->difference));
        answer_integer(answer, places[i].mismatches);
        answer_integer(answer, places[i].fingerprints);
        answer_time(answer, places[i].last_seen);
    }
    free(places);
}

static void
fill_tables(struct answer *answer, const struct pictures *pictures)
{
    for (size_t i = 0; i < pictures->count; i++)
        fill_places(answer, &pictures->list[i]);
}

const struct view view_tables = {"tables", ANSWER_SHAPE(tables_columns), PICTURE_FIGURES,
                                 fill_tables};
