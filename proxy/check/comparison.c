// See comparison.h. Both sides' facts are sorted, so that 20,000 relations cost a statement a side and a merge.
#include "proxy/check/comparison.h"
#include "proxy/check/ask.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LIST_ITEMS = 8 };

void
comparison_say(const struct difference *difference)
{
    const struct aspect *aspect = difference->aspect;
    const char *label = difference->facts[SIDE_OLD]->label;

    if (aspect->is_long)
        findings_add(&difference->check->findings, aspect->kind, label, "%s differs", aspect->name);
    else
        findings_add(&difference->check->findings, aspect->kind, label,
                     "%s is '%.200s' on old and '%.200s' on new", aspect->name,
                     difference->values[SIDE_OLD], difference->values[SIDE_NEW]);
}

static bool
has_line(const char *list, const char *line, size_t length)
{
    while (*list) {
        size_t size = strcspn(list, "\n");

        if (size == length && memcmp(list, line, length) == 0)
            return true;
        list += size;
        list += *list == '\n';
    }
    return false;
}

// Does the role connect to old, and is it on new?
static bool
is_client_role(const struct check *check, const char *name, size_t length)
{
    char copy[256];

    snprintf(copy, sizeof copy, "%.*s", (int)length, name);

    const struct fact *role = facts_find(&check->roles[SIDE_OLD], copy, "");

    return role && role->matters && facts_find(&check->roles[SIDE_NEW], copy, "");
}

char *
comparison_lost_roles(const struct difference *difference)
{
    const char *at = difference->values[SIDE_OLD], *theirs = difference->values[SIDE_NEW];
    char *text = NULL;
    size_t size, count = 0;
    FILE *out = open_memstream(&text, &size);

    while (out && *at) {
        size_t length = strcspn(at, "\n");

        if (!has_line(theirs, at, length) && is_client_role(difference->check, at, length) &&
            ++count <= LIST_ITEMS)
            fprintf(out, "%s%.*s", count > 1 ? ", " : "", (int)length, at);
        at += length;
        at += *at == '\n';
    }
    if (out && count > LIST_ITEMS)
        fprintf(out, " and %zu more", count - LIST_ITEMS);
    if (!out || fclose(out) != 0 || count == 0) {
        free(text);
        text = NULL;
    }
    return text;
}

static void
compare_values(struct difference *difference, size_t value)
{
    const char *values[2];
    char *stripped[2] = {NULL, NULL};

    for (int side = 0; side < 2; side++)
        values[side] = facts_value(&difference->sides[side], difference->facts[side], value);
    if (strcmp(values[SIDE_OLD], values[SIDE_NEW]) == 0)
        return;
    for (int side = 0; side < 2; side++) {
        stripped[side] = ask_strip(difference->check, (enum side)side, values[side]);
        difference->values[side] = stripped[side];
    }
    if (!stripped[0] || !stripped[1])
        difference->check->findings.failed = true;
    else if (strcmp(stripped[0], stripped[1]) != 0)
        (difference->aspect->differ ? difference->aspect->differ : comparison_say)(difference);
    for (int side = 0; side < 2; side++)
        free(stripped[side]);
}

// Is what the fact belongs to on the other side as well? If not, that has been said.
static bool
is_owned(const struct comparison *comparison, const struct fact *fact, enum side other)
{
    return !comparison->owners || facts_find(&comparison->owners[other], fact->object, "");
}

static void
compare_fact(struct check *check, const struct comparison *comparison, const struct facts sides[2],
             const struct fact *fact)
{
    const struct fact *other = facts_find(&sides[SIDE_NEW], fact->object, fact->member);
    struct difference difference = {.check = check, .sides = sides, .facts = {fact, other}};

    for (size_t i = 0; other && i < comparison->aspect_count; i++) {
        difference.aspect = &comparison->aspects[i];
        difference.number = i;
        compare_values(&difference, i);
    }
    if (other || !is_owned(comparison, fact, SIDE_NEW))
        return;
    if (comparison->is_missing)
        comparison->is_missing(check, sides, fact);
    else if (comparison->missing != FINDING_NONE)
        findings_add(&check->findings, comparison->missing, fact->label, "%s",
                     comparison->missing_text ? comparison->missing_text : "not on new");
}

static void
look_for_extra(struct check *check, const struct comparison *comparison,
               const struct facts sides[2], const struct fact *fact)
{
    if (facts_find(&sides[SIDE_OLD], fact->object, fact->member) ||
        !is_owned(comparison, fact, SIDE_OLD))
        return;
    if (comparison->is_extra)
        comparison->is_extra(check, fact);
    else if (comparison->extra != FINDING_NONE)
        findings_add(&check->findings, comparison->extra, fact->label, "on new only");
}

bool
comparison_run(struct check *check, const struct comparison *comparison, struct facts keep[2])
{
    PGresult *results[2];
    struct facts sides[2] = {{0}, {0}};

    if (!ask_both(check, comparison->sql, comparison->what, results))
        return false;

    bool is_made = facts_init(&sides[SIDE_OLD], results[SIDE_OLD]);

    is_made &= facts_init(&sides[SIDE_NEW], results[SIDE_NEW]);
    for (size_t i = 0; is_made && i < sides[SIDE_OLD].count; i++) {
        if (sides[SIDE_OLD].list[i].matters)
            compare_fact(check, comparison, sides, &sides[SIDE_OLD].list[i]);
    }
    for (size_t i = 0; is_made && i < sides[SIDE_NEW].count; i++)
        look_for_extra(check, comparison, sides, &sides[SIDE_NEW].list[i]);
    check->findings.failed |= !is_made;
    for (int side = 0; side < 2; side++) {
        if (keep)
            keep[side] = sides[side];
        else
            facts_fini(&sides[side]);
    }
    return is_made;
}
