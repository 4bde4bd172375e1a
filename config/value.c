// See value.h. One reader a kind, in one table. What is refused is quoted, and what would be taken is said.
#include "config/value.h"
#include "config/connection.h"
#include "config/units.h"
#include <assert.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// `text` is never NULL; each reader sets the field or fails.
typedef bool (*reader)(struct fill *fill, const struct setting *setting, const char *text,
                       size_t line, void *structure);

static bool
read_string(struct fill *fill, const struct setting *setting, const char *text, size_t line,
            void *structure)
{
    (void)line;
    return (*(char **)setting_field(setting, structure) = strdup(text)) || fill_out_of_memory(fill);
}

static bool
read_switch(struct fill *fill, const struct setting *setting, const char *text, size_t line,
            void *structure)
{
    static const char *const names[] = {"false", "true", "no", "yes", "off", "on"};

    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (strcasecmp(text, names[i]) == 0) {
            *(bool *)setting_field(setting, structure) = i % 2;
            return true;
        }
    }
    return fill_fail(fill, line, "'%s' is neither true nor false", text);
}

static void
set_width(void *field, size_t width, uint64_t value)
{
    switch (width) {
    case 1:
        *(uint8_t *)field = (uint8_t)value;
        break;
    case 2:
        *(uint16_t *)field = (uint16_t)value;
        break;
    case 4:
        *(uint32_t *)field = (uint32_t)value;
        break;
    default:
        assert(width == 8);
        *(uint64_t *)field = value;
    }
}

static bool
read_count(struct fill *fill, const struct setting *setting, const char *text, size_t line,
           void *structure)
{
    char *end;

    errno = 0;

    unsigned long long value = strtoull(text, &end, 10);

    if (*text < '0' || *text > '9' || *end)
        return fill_fail(fill, line, "'%s' is not a whole number; give %.0f to %.0f", text,
                         setting->minimum, setting->maximum);
    if (errno || (double)value < setting->minimum || (double)value > setting->maximum)
        return fill_fail(fill, line, "%s is out of range; give %.0f to %.0f", text,
                         setting->minimum, setting->maximum);
    set_width(setting_field(setting, structure), setting->width, value);
    return true;
}

static bool
read_number(struct fill *fill, const struct setting *setting, const char *text, size_t line,
            void *structure)
{
    char *end;
    double value = strtod(text, &end);

    if (end == text || *end || !isfinite(value))
        return fill_fail(fill, line, "'%s' is not a number; give %g to %g", text, setting->minimum,
                         setting->maximum);
    if (value < setting->minimum || value > setting->maximum)
        return fill_fail(fill, line, "%s is out of range; give %g to %g", text, setting->minimum,
                         setting->maximum);
    *(double *)setting_field(setting, structure) = value;
    return true;
}

static bool
read_percent(struct fill *fill, const struct setting *setting, const char *text, size_t line,
             void *structure)
{
    if (units_read_percent(text, setting_field(setting, structure)))
        return true;
    return fill_fail(fill, line, "'%s' is not a percentage; give 0 to 100 in steps of 0.01", text);
}

static bool
read_size(struct fill *fill, const struct setting *setting, const char *text, size_t line,
          void *structure)
{
    size_t *field = setting_field(setting, structure);
    char least[24], most[24];

    if (!units_read_size(text, field))
        return fill_fail(fill, line,
                         "'%s' is not a size; give a whole number with B, KiB, MiB or GiB right "
                         "behind it, like 64MiB",
                         text);
    units_write_size((size_t)setting->minimum, least);
    units_write_size((size_t)setting->maximum, most);
    if ((double)*field < setting->minimum)
        return fill_fail(fill, line, "%s is out of range; give at least %s", text, least);
    if (setting->maximum > 0 && (double)*field > setting->maximum)
        return fill_fail(fill, line, "%s is out of range; give at most %s", text, most);
    return true;
}

static bool
read_duration(struct fill *fill, const struct setting *setting, const char *text, size_t line,
              void *structure)
{
    uint64_t *field = setting_field(setting, structure);
    char least[24], most[24];

    if (!units_read_duration(text, field))
        return fill_fail(fill, line,
                         "'%s' is not a time; give a whole number with us, ms, s, m or h right "
                         "behind it, like 250ms",
                         text);
    units_write_duration((uint64_t)setting->minimum, least);
    units_write_duration((uint64_t)setting->maximum, most);
    if ((double)*field < setting->minimum || (double)*field > setting->maximum)
        return fill_fail(fill, line, "%s is out of range; give %s to %s", text, least, most);
    return true;
}

static bool
read_choice(struct fill *fill, const struct setting *setting, const char *text, size_t line,
            void *structure)
{
    char names[256] = "";
    size_t length = 0;

    for (size_t i = 0; setting->choices[i]; i++) {
        const char *name = setting->choices[i];
        bool is_last = !setting->choices[i + 1];

        if (strcmp(text, name) == 0 && (*name || !setting->initial[0])) {
            set_width(setting_field(setting, structure), setting->width, i);
            return true;
        }
        if (*name && length < sizeof names)
            length += (size_t)snprintf(names + length, sizeof names - length, "%s%s",
                                       !length   ? ""
                                       : is_last ? " or "
                                                 : ", ",
                                       name);
    }
    return fill_fail(fill, line, "'%s' is not known here; give %s", text, names);
}

static bool
read_cohort_key(struct fill *fill, const struct setting *setting, const char *text, size_t line,
                void *structure)
{
    for (size_t key = 0; settings_cohort_keys[key]; key++) {
        const char *name = settings_cohort_keys[key];
        size_t length = strlen(name);
        bool has_name = name[length - 1] == ':';

        if (strncmp(text, name, length) != 0 || has_name != !!text[length])
            continue;
        *(enum cohort_key *)setting_field(setting, structure) = (enum cohort_key)key;
        return (*(char **)setting_other(setting, structure) = strdup(text + length)) ||
               fill_out_of_memory(fill);
    }
    return fill_fail(fill, line,
                     "'%s' is no cohort key; give session, user, application_name, client_addr, "
                     "parameter:NAME or comment:NAME",
                     text);
}

static bool
read_connection(struct fill *fill, const struct setting *setting, const char *text, size_t line,
                void *structure)
{
    char problem[256];

    if (!*text)
        return fill_fail(fill, line,
                         "is empty; give a libpq connection string, like \"host=127.0.0.1 "
                         "port=5432 dbname=app\"");
    if (!connection_check(text, problem, sizeof problem))
        return fill_fail(fill, line, "not a libpq connection string: %s", problem);
    return read_string(fill, setting, text, line, structure);
}

static const reader readers[SETTING_KIND_COUNT] = {
    [SETTING_STRING] = read_string,         [SETTING_SWITCH] = read_switch,
    [SETTING_COUNT] = read_count,           [SETTING_NUMBER] = read_number,
    [SETTING_PERCENT] = read_percent,       [SETTING_SIZE] = read_size,
    [SETTING_DURATION] = read_duration,     [SETTING_CHOICE] = read_choice,
    [SETTING_COHORT_KEY] = read_cohort_key, [SETTING_CONNECTION] = read_connection,
};

bool
value_read(struct fill *fill, const struct setting *setting, const char *text, size_t line,
           void *structure)
{
    return readers[setting->kind](fill, setting, text, line, structure);
}
