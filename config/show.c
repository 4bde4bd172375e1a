// The effective settings as text, for SHOW CONFIG: the same words as the file's, in the file's order,
// secrets as "***".
#include "config/configuration.h"
#include "config/connection.h"
#include "config/settings.h"
#include "config/units.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct show {
    void (*each)(void *context, const char *key, const char *value);
    void *context;
    char trail[512];
};

static void show_group(struct show *show, const struct settings_group *group,
                       const void *structure);

static size_t
step_in(struct show *show, const char *format, const char *key)
{
    size_t mark = strlen(show->trail);

    snprintf(show->trail + mark, sizeof show->trail - mark, format, key);
    return mark;
}

static uint64_t
get_width(const void *field, size_t width)
{
    switch (width) {
    case 1:
        return *(const uint8_t *)field;
    case 2:
        return *(const uint16_t *)field;
    case 4:
        return *(const uint32_t *)field;
    default:
        return *(const uint64_t *)field;
    }
}

static void
show_string(struct show *show, const struct setting *setting, const char *value)
{
    if (!value)
        return; // an option that is not set
    if (setting->kind == SETTING_CONNECTION ||
        (setting->may_connect && strncmp(value, "sqlite:", 7) != 0)) {
        char *masked = connection_masked(value);

        show->each(show->context, show->trail, masked ? masked : "***");
        free(masked);
    } else {
        show->each(show->context, show->trail, setting->is_secret && *value ? "***" : value);
    }
}

void
cohort_key_text(enum cohort_key key, const char *name, char text[COHORT_KEY_TEXT])
{
    snprintf(text, COHORT_KEY_TEXT, "%s%s", settings_cohort_keys[key], name);
}

static void
show_cohort_key(struct show *show, enum cohort_key key, const char *name)
{
    char text[COHORT_KEY_TEXT];

    cohort_key_text(key, name, text);
    show->each(show->context, show->trail, text);
}

static void
show_scalar(struct show *show, const struct setting *setting, const void *structure)
{
    const void *field = setting_field_const(setting, structure);
    char text[32] = "";

    switch (setting->kind) {
    case SETTING_SWITCH:
        snprintf(text, sizeof text, "%s", *(const bool *)field ? "true" : "false");
        break;
    case SETTING_COUNT:
        snprintf(text, sizeof text, "%" PRIu64, get_width(field, setting->width));
        break;
    case SETTING_NUMBER:
        if (*(const double *)field < 0)
            return; // not set
        snprintf(text, sizeof text, "%.15g", *(const double *)field);
        break;
    case SETTING_PERCENT:
        units_write_percent(*(const unsigned *)field, text);
        break;
    case SETTING_SIZE:
        units_write_size(*(const size_t *)field, text);
        break;
    case SETTING_DURATION:
        units_write_duration(*(const uint64_t *)field, text);
        break;
    case SETTING_CHOICE:
        snprintf(text, sizeof text, "%s", setting->choices[get_width(field, setting->width)]);
        if (!text[0])
            return; // not set
        break;
    default:
        return;
    }
    show->each(show->context, show->trail, text);
}

static void
show_strings(struct show *show, char *const *strings, size_t count)
{
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);

    if (!out)
        return;
    for (size_t i = 0; i < count; i++)
        fprintf(out, "%s%s", i ? ", " : "", strings[i]);
    if (fclose(out) == 0)
        show->each(show->context, show->trail, text);
    free(text);
}

static void
show_list(struct show *show, const struct setting *setting, const void *structure)
{
    const char *entries = *(char *const *)setting_field_const(setting, structure);
    size_t count = *(const size_t *)setting_other_const(setting, structure);
    char index[24];

    if (setting->kind == SETTING_STRINGS) {
        show_strings(show, (char *const *)entries, count);
        return;
    }
    for (size_t i = 0; i < count; i++) {
        size_t mark;

        if (setting->kind == SETTING_PAIRS) {
            const struct configuration_pair *pair = (const struct configuration_pair *)entries + i;

            mark = step_in(show, ".%s", pair->from);
            show->each(show->context, show->trail, pair->to);
        } else {
            const char *entry = entries + i * setting->group->size;

            snprintf(index, sizeof index, "%zu", i);
            mark = setting->kind == SETTING_NAMED_GROUPS
                       ? step_in(show, ".%s", *(char *const *)(entry + setting->group->name_offset))
                       : step_in(show, "[%s]", index);
            show_group(show, setting->group, entry);
        }
        show->trail[mark] = '\0';
    }
}

static void
show_group(struct show *show, const struct settings_group *group, const void *structure)
{
    for (size_t i = 0; i < group->count; i++) {
        const struct setting *setting = &group->settings[i];
        const void *field = setting_field_const(setting, structure);
        size_t mark = step_in(show, show->trail[0] ? ".%s" : "%s", setting->key);

        switch (setting->kind) {
        case SETTING_STRING:
        case SETTING_CONNECTION:
            show_string(show, setting, *(char *const *)field);
            break;
        case SETTING_COHORT_KEY:
            show_cohort_key(show, *(const enum cohort_key *)field,
                            *(char *const *)setting_other_const(setting, structure));
            break;
        case SETTING_GROUP:
            show_group(show, setting->group, field);
            break;
        case SETTING_STRINGS:
        case SETTING_GROUPS:
        case SETTING_NAMED_GROUPS:
        case SETTING_PAIRS:
            show_list(show, setting, structure);
            break;
        default:
            show_scalar(show, setting, structure);
        }
        show->trail[mark] = '\0';
    }
}

void
configuration_each(const struct configuration *configuration,
                   void (*each)(void *context, const char *key, const char *value), void *context)
{
    struct show show = {.each = each, .context = context};

    show_group(&show, &settings, configuration);
}
