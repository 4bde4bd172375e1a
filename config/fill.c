// See fill.h. The walk over groups, lists and names; the scalars' text is read by value.c, and a default is
// text too, and goes the same way. Where the walk stops at a mistake, the trail stays for the error.
#include "config/fill.h"
#include "config/value.h"
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

size_t
fill_step_in(struct fill *fill, const char *key)
{
    size_t mark = strlen(fill->trail);

    snprintf(fill->trail + mark, sizeof fill->trail - mark, "%s%s", mark ? "." : "", key);
    return mark;
}

size_t
fill_step_in_entry(struct fill *fill, size_t index)
{
    size_t mark = strlen(fill->trail);

    snprintf(fill->trail + mark, sizeof fill->trail - mark, "[%zu]", index);
    return mark;
}

void
fill_step_out(struct fill *fill, size_t mark)
{
    fill->trail[mark] = '\0';
}

bool
fill_fail(struct fill *fill, size_t line, const char *format, ...)
{
    va_list arguments;
    int length = snprintf(fill->error, fill->error_size, "%s:%zu: %s%s", fill->document->path, line,
                          fill->trail, fill->trail[0] ? ": " : "");

    if (length < 0 || (size_t)length >= fill->error_size)
        return false;
    va_start(arguments, format);
    vsnprintf(fill->error + length, fill->error_size - (size_t)length, format, arguments);
    va_end(arguments);
    return false;
}

bool
fill_out_of_memory(struct fill *fill)
{
    return fill_fail(fill, 1, "out of memory");
}

static bool
fill_scalar(struct fill *fill, const struct setting *setting, const struct slot *slot, size_t line,
            const yaml_node_t *node, void *structure)
{
    const char *text = slot && slot->value ? slot->value : setting->initial;

    if (document_is_empty(node))
        return fill_fail(fill, line, "has no value; give one, or leave the key out%s",
                         setting->kind == SETTING_STRING ? ", or write \"\"" : "");
    if (!text) { // optional, and without a default
        if (setting->kind == SETTING_NUMBER)
            *(double *)setting_field(setting, structure) = -1;
        return true;
    }
    return value_read(fill, setting, text, line, structure);
}

static bool
fill_strings(struct fill *fill, const struct setting *setting, const struct slot *slot,
             const yaml_node_t *node, void *structure)
{
    bool is_given = node && !document_is_empty(node);
    size_t count = is_given ? (size_t)slot->count : setting->initial ? 1 : 0;
    char **strings = calloc(count ? count : 1, sizeof *strings);

    if (!strings)
        return fill_out_of_memory(fill);
    *(char ***)setting_field(setting, structure) = strings;
    for (size_t i = 0; i < count; i++) {
        const yaml_node_t *entry = document_entry(fill->document, node, i);
        size_t mark = fill_step_in_entry(fill, i);

        if (document_is_empty(entry))
            return fill_fail(fill, document_line(entry), "has no value; give one");
        strings[i] = strdup(is_given ? ((char **)slot->value)[i] : setting->initial);
        if (!strings[i])
            return fill_out_of_memory(fill);
        ++*(size_t *)setting_other(setting, structure);
        fill_step_out(fill, mark);
    }
    return true;
}

static bool
fill_groups(struct fill *fill, const struct setting *setting, const struct slot *slot,
            yaml_node_t *node, void *structure)
{
    size_t count = slot && slot->value ? (size_t)slot->count : 0;
    char *entries = calloc(count ? count : 1, setting->group->size);

    if (!entries)
        return fill_out_of_memory(fill);
    *(char **)setting_field(setting, structure) = entries;
    for (size_t i = 0; i < count; i++) {
        size_t mark = fill_step_in_entry(fill, i);

        ++*(size_t *)setting_other(setting, structure);
        if (!fill_group(fill, setting->group, ((struct slot **)slot->value)[i],
                        document_entry(fill->document, node, i),
                        entries + i * setting->group->size))
            return false;
        fill_step_out(fill, mark);
    }
    return true;
}

static size_t
count_keys(struct document *document, const yaml_node_t *node)
{
    size_t count = 0;

    while (document_key(document, node, count, NULL))
        count++;
    return count;
}

static bool
fill_named_groups(struct fill *fill, const struct setting *setting, const struct slot *slot,
                  const yaml_node_t *node, void *structure)
{
    const struct settings_group *group = setting->group;
    size_t count = count_keys(fill->document, node);
    char *entries = calloc(count ? count : 1, group->size);
    yaml_node_t *value;

    if (!entries)
        return fill_out_of_memory(fill);
    *(char **)setting_field(setting, structure) = entries;
    for (size_t i = 0; i < count; i++) {
        const char *name = document_key(fill->document, node, i, &value);
        char *entry = entries + i * group->size;
        const struct slot *named =
            schema_named(fill->schema, setting, slot ? slot->value : NULL, name);
        size_t mark = fill_step_in(fill, name);

        ++*(size_t *)setting_other(setting, structure);
        *(char **)(entry + group->name_offset) = strdup(name);
        if (!*(char **)(entry + group->name_offset))
            return fill_out_of_memory(fill);
        if (!fill_group(fill, group, named ? named->value : NULL, value, entry))
            return false;
        fill_step_out(fill, mark);
    }
    return true;
}

static bool
fill_pairs(struct fill *fill, const struct setting *setting, const struct slot *slot,
           const yaml_node_t *node, void *structure)
{
    size_t count = count_keys(fill->document, node);
    struct configuration_pair *pairs = calloc(count ? count : 1, sizeof *pairs);
    yaml_node_t *value;

    if (!pairs)
        return fill_out_of_memory(fill);
    *(struct configuration_pair **)setting_field(setting, structure) = pairs;
    for (size_t i = 0; i < count; i++) {
        const char *name = document_key(fill->document, node, i, &value);
        const struct slot *named =
            schema_named(fill->schema, setting, slot ? slot->value : NULL, name);
        size_t mark = fill_step_in(fill, name);

        if (!named || document_is_empty(value) || !*(const char *)named->value)
            return fill_fail(fill, document_line(value), "has no value; give the name on new");
        ++*(size_t *)setting_other(setting, structure);
        pairs[i].from = strdup(name);
        pairs[i].to = strdup(named->value);
        if (!pairs[i].from || !pairs[i].to)
            return fill_out_of_memory(fill);
        fill_step_out(fill, mark);
    }
    return true;
}

bool
fill_group(struct fill *fill, const struct settings_group *group, const struct slot *slots,
           yaml_node_t *node, void *structure)
{
    for (size_t i = 0; i < group->count; i++) {
        const struct setting *setting = &group->settings[i];
        const struct slot *slot = slots ? &slots[i] : NULL;
        yaml_node_t *child = document_child(fill->document, node, setting->key);
        size_t line = document_key_line(fill->document, node, setting->key);
        size_t mark = fill_step_in(fill, setting->key);
        void *field = setting_field(setting, structure);
        bool is_filled;

        if (setting->is_required && (!child || document_is_empty(child)))
            return fill_fail(fill, line, "is missing; it must be given");
        switch (setting->kind) {
        case SETTING_GROUP:
            is_filled = fill_group(fill, setting->group, slot ? slot->value : NULL, child, field);
            break;
        case SETTING_STRINGS:
            is_filled = fill_strings(fill, setting, slot, child, structure);
            break;
        case SETTING_GROUPS:
            is_filled = fill_groups(fill, setting, slot, child, structure);
            break;
        case SETTING_NAMED_GROUPS:
            is_filled = fill_named_groups(fill, setting, slot, child, structure);
            break;
        case SETTING_PAIRS:
            is_filled = fill_pairs(fill, setting, slot, child, structure);
            break;
        default:
            is_filled = fill_scalar(fill, setting, slot, line, child, structure);
        }
        if (!is_filled)
            return false;
        fill_step_out(fill, mark);
    }
    return true;
}

static void
free_string(char **string)
{
    if (*string)
        explicit_bzero(*string, strlen(*string));
    free(*string);
    *string = NULL;
}

static void
free_list(const struct setting *setting, void *structure)
{
    char *entries = *(char **)setting_field(setting, structure);
    size_t count = *(size_t *)setting_other(setting, structure);

    for (size_t i = 0; i < count; i++) {
        if (setting->kind == SETTING_STRINGS) {
            free_string((char **)entries + i);
        } else if (setting->kind == SETTING_PAIRS) {
            free_string(&((struct configuration_pair *)entries)[i].from);
            free_string(&((struct configuration_pair *)entries)[i].to);
        } else {
            char *entry = entries + i * setting->group->size;

            fill_free(setting->group, entry);
            if (setting->kind == SETTING_NAMED_GROUPS)
                free_string((char **)(entry + setting->group->name_offset));
        }
    }
    free(entries);
}

void
fill_free(const struct settings_group *group, void *structure)
{
    for (size_t i = 0; i < group->count; i++) {
        const struct setting *setting = &group->settings[i];

        switch (setting->kind) {
        case SETTING_STRING:
        case SETTING_CONNECTION:
            free_string(setting_field(setting, structure));
            break;
        case SETTING_COHORT_KEY:
            free_string(setting_other(setting, structure));
            break;
        case SETTING_GROUP:
            fill_free(setting->group, setting_field(setting, structure));
            break;
        case SETTING_STRINGS:
        case SETTING_GROUPS:
        case SETTING_NAMED_GROUPS:
        case SETTING_PAIRS:
            free_list(setting, structure);
            break;
        default:
            break;
        }
    }
}
