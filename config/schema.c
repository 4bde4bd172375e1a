// See schema.h. libcyaml judges the structure (which keys there are; mapping, sequence or scalar);
// what the scalars say is judged by fill.c. libcyaml explains itself through its log callback alone:
// the first line says what is wrong, the backtrace names the fields from the inside out. Both are
// collected, and the line is looked up in the document, since libcyaml names the previous key's.
#include "config/schema.h"
#include <assert.h>
#include <cyaml/cyaml.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BLOCKS = 64, STEPS = 16, TEXT = 256 };

struct names {
    const char **names; // the document's
    size_t count;
};

struct schema {
    struct names databases, pairs;
    void *blocks[BLOCKS]; // arrays that the schema is made of
    size_t block_count;
    struct cyaml_schema_value top;
    struct slot *slots;
};

// What libcyaml said: the complaint, and the way to it from the inside out.
struct complaint {
    char text[TEXT];
    char steps[STEPS][TEXT]; // a key, or an index as digits
    bool is_entry[STEPS];
    size_t step_count;
};

static const cyaml_config_t quiet = {.log_level = CYAML_LOG_ERROR, .mem_fn = cyaml_mem};

static bool
names_add(struct names *names, const char *name)
{
    for (size_t i = 0; i < names->count; i++) {
        if (strcmp(names->names[i], name) == 0)
            return true;
    }

    const char **grown = realloc(names->names, (names->count + 1) * sizeof *grown);

    if (!grown)
        return false;
    grown[names->count++] = name;
    names->names = grown;
    return true;
}

// Collects the keys that the file itself chooses.
static bool
collect_names(struct schema *schema, struct document *document, const struct settings_group *group,
              const yaml_node_t *node)
{
    bool is_fine = true;

    for (size_t i = 0; is_fine && i < group->count; i++) {
        const struct setting *setting = &group->settings[i];
        const yaml_node_t *child = document_child(document, node, setting->key);
        yaml_node_t *value;
        const char *name;

        if (setting->kind == SETTING_GROUP)
            is_fine = collect_names(schema, document, setting->group, child);
        else if (setting->kind == SETTING_GROUPS)
            for (size_t j = 0; is_fine && (value = document_entry(document, child, j)); j++)
                is_fine = collect_names(schema, document, setting->group, value);
        else if (setting->kind == SETTING_NAMED_GROUPS)
            for (size_t j = 0; is_fine && (name = document_key(document, child, j, &value)); j++)
                is_fine = names_add(&schema->databases, name) &&
                          collect_names(schema, document, setting->group, value);
        else if (setting->kind == SETTING_PAIRS)
            for (size_t j = 0; is_fine && (name = document_key(document, child, j, NULL)); j++)
                is_fine = names_add(&schema->pairs, name);
    }
    return is_fine;
}

static void *
schema_block(struct schema *schema, size_t count, size_t size)
{
    assert(schema->block_count < BLOCKS);

    void *block = calloc(count, size);

    if (block)
        schema->blocks[schema->block_count++] = block;
    return block;
}

static uint32_t
slots_size(size_t count)
{
    return (uint32_t)((count ? count : 1) * sizeof(struct slot));
}

static const cyaml_schema_value_t text_value = {
    .type = CYAML_STRING,
    .flags = CYAML_FLAG_POINTER,
    .data_size = sizeof(char),
    .string = {.min = 0, .max = CYAML_UNLIMITED},
};

static struct cyaml_schema_value
mapping_value(const cyaml_schema_field_t *fields, size_t count)
{
    return (struct cyaml_schema_value){
        .type = CYAML_MAPPING,
        .flags = CYAML_FLAG_POINTER_NULL_STR,
        .data_size = slots_size(count),
        .mapping = {.fields = fields},
    };
}

static struct cyaml_schema_field
slot_field(const char *key, size_t index, struct cyaml_schema_value value)
{
    value.flags |= CYAML_FLAG_OPTIONAL;
    return (struct cyaml_schema_field){
        .key = key,
        .data_offset = (uint32_t)(index * sizeof(struct slot) + offsetof(struct slot, value)),
        .count_offset = (uint32_t)(index * sizeof(struct slot) + offsetof(struct slot, count)),
        .count_size = sizeof(uint64_t),
        .value = value,
    };
}

// A mapping with one kind of value under every name.
static bool
build_named(struct schema *schema, const struct names *names, struct cyaml_schema_value entry,
            struct cyaml_schema_value *value)
{
    cyaml_schema_field_t *fields = schema_block(schema, names->count + 1, sizeof *fields);

    if (!fields)
        return false;
    for (size_t i = 0; i < names->count; i++)
        fields[i] = slot_field(names->names[i], i, entry);
    *value = mapping_value(fields, names->count);
    return true;
}

static bool
build_sequence(struct schema *schema, struct cyaml_schema_value entry,
               struct cyaml_schema_value *value)
{
    cyaml_schema_value_t *kept = schema_block(schema, 1, sizeof *kept);

    if (!kept)
        return false;
    *kept = entry;
    *value = (struct cyaml_schema_value){
        .type = CYAML_SEQUENCE,
        .flags = CYAML_FLAG_POINTER_NULL_STR,
        .data_size = sizeof(void *),
        .sequence = {.entry = kept, .min = 0, .max = CYAML_UNLIMITED},
    };
    return true;
}

static bool build_group(struct schema *schema, const struct settings_group *group,
                        struct cyaml_schema_value *value);

static bool
build_setting(struct schema *schema, const struct setting *setting,
              struct cyaml_schema_value *value)
{
    struct cyaml_schema_value entry;

    switch (setting->kind) {
    case SETTING_STRINGS:
        return build_sequence(schema, text_value, value);
    case SETTING_GROUP:
        return build_group(schema, setting->group, value);
    case SETTING_GROUPS:
        return build_group(schema, setting->group, &entry) && build_sequence(schema, entry, value);
    case SETTING_NAMED_GROUPS:
        return build_group(schema, setting->group, &entry) &&
               build_named(schema, &schema->databases, entry, value);
    case SETTING_PAIRS:
        return build_named(schema, &schema->pairs, text_value, value);
    default:
        *value = text_value;
        return true;
    }
}

static bool
build_group(struct schema *schema, const struct settings_group *group,
            struct cyaml_schema_value *value)
{
    cyaml_schema_field_t *fields = schema_block(schema, group->count + 1, sizeof *fields);

    if (!fields)
        return false;
    for (size_t i = 0; i < group->count; i++) {
        struct cyaml_schema_value entry;

        if (!build_setting(schema, &group->settings[i], &entry))
            return false;
        fields[i] = slot_field(group->settings[i].key, i, entry);
    }
    *value = mapping_value(fields, group->count);
    return true;
}

// libcyaml's log callback: "Load: COMPLAINT", then "Load: Backtrace:", then one line a level:
// "  in mapping field 'KEY' (line: …)", "  in sequence entry 'N' (line: …)", from the inside out.
static void
note(cyaml_log_t level, void *context, const char *format, va_list arguments)
{
    struct complaint *complaint = context;
    char line[TEXT];

    (void)level;
    vsnprintf(line, sizeof line, format, arguments);

    const char *place = strstr(line, "  in ");

    if (place != line) {
        if (!complaint->text[0])
            snprintf(complaint->text, sizeof complaint->text, "%s",
                     strncmp(line, "Load: ", 6) == 0 ? line + 6 : line);
        complaint->text[strcspn(complaint->text, "\n")] = '\0';
        return;
    }

    char *begin = strchr(line, '\'');
    char *end = strstr(line, "' (line: ");

    if (!begin || !end || end <= begin || complaint->step_count == STEPS)
        return;
    *end = '\0';
    complaint->is_entry[complaint->step_count] = strncmp(line, "  in sequence entry", 19) == 0;
    snprintf(complaint->steps[complaint->step_count++], TEXT, "%s", begin + 1);
}

// Where a complaint leads: the node and its group, and the path as text.
struct place {
    yaml_node_t *node;
    const struct settings_group *group; // NULL: no mapping of the tables
    const struct setting *setting;
    size_t line;
    char path[1024];
};

static void
place_append(struct place *place, const char *format, const char *text)
{
    size_t length = strlen(place->path);

    snprintf(place->path + length, sizeof place->path - length, format, text);
}

static void
place_key(struct place *place, struct document *document, const char *key)
{
    const struct settings_group *group = place->group;

    place->line = document_key_line(document, place->node, key);
    place->node = document_child(document, place->node, key);
    place_append(place, place->path[0] ? ".%s" : "%s", key);
    if (!group) { // a name in a mapping with free keys
        place->group = place->setting ? place->setting->group : NULL;
        if (!place->group)
            place->setting = NULL;
        return;
    }
    place->group = NULL;
    place->setting = NULL;
    for (size_t i = 0; i < group->count; i++) {
        if (strcmp(group->settings[i].key, key) != 0)
            continue;
        place->setting = &group->settings[i];
        if (place->setting->kind == SETTING_GROUP)
            place->group = place->setting->group;
    }
}

static void
place_entry(struct place *place, struct document *document, const char *number)
{
    char text[24];
    unsigned long index = strtoul(number, NULL, 10);

    index -= index > 0; // libcyaml counts from 1
    snprintf(text, sizeof text, "%lu", index);
    place_append(place, "[%s]", text);
    place->node = document_entry(document, place->node, index);
    if (place->node)
        place->line = document_line(place->node);
    place->group = place->setting ? place->setting->group : NULL;
    if (!place->group)
        place->setting = NULL;
}

static void
list_keys(const struct settings_group *group, char *text, size_t size)
{
    size_t length = 0;

    text[0] = '\0';
    for (size_t i = 0; group && i < group->count && length < size; i++)
        length += (size_t)snprintf(text + length, size - length, "%s%s", i ? ", " : "",
                                   group->settings[i].key);
}

static const char *
kind_of(const struct place *place)
{
    if (!place->setting ||
        (!place->group && place->setting->kind != SETTING_STRINGS &&
         place->setting->kind != SETTING_GROUPS && place->setting->kind != SETTING_NAMED_GROUPS &&
         place->setting->kind != SETTING_PAIRS))
        return "a single value";
    if (!place->group && place->setting->kind == SETTING_STRINGS)
        return "a list of values, [one, two]";
    if (!place->group && place->setting->kind == SETTING_GROUPS)
        return "a list of mappings, [{key: value}, …]";
    return "a mapping of keys and values";
}

static void
explain(const struct complaint *complaint, struct document *document, char *error,
        size_t error_size)
{
    static const char unexpected[] = "Unexpected key: ", expecting[] = "Expecting ";
    struct place place = {.node = document_root(document), .group = &settings, .line = 1};
    char keys[512];

    place.line = document_line(place.node);
    for (size_t i = complaint->step_count; i-- > 0;) {
        if (complaint->is_entry[i])
            place_entry(&place, document, complaint->steps[i]);
        else
            place_key(&place, document, complaint->steps[i]);
    }
    if (strncmp(complaint->text, unexpected, sizeof unexpected - 1) == 0) {
        list_keys(place.group, keys, sizeof keys);
        place_key(&place, document, complaint->text + sizeof unexpected - 1);
        snprintf(error, error_size, "%s:%zu: %s: there is no such key; here may stand: %s",
                 document->path, place.line, place.path, keys);
    } else if (strncmp(complaint->text, expecting, sizeof expecting - 1) == 0) {
        const char *got = strstr(complaint->text, "SCALAR")           ? "a single value"
                          : strstr(complaint->text, "SEQUENCE_START") ? "a list"
                                                                      : "a mapping";

        if (!place.path[0])
            snprintf(error, error_size,
                     "%s:%zu: the file must be a mapping of keys and values (`databases:` and so "
                     "on), and it is %s",
                     document->path, place.line, got);
        else
            snprintf(error, error_size, "%s:%zu: %s: must be %s, and it is %s", document->path,
                     place.line, place.path, kind_of(&place), got);
    } else {
        snprintf(error, error_size, "%s:%zu: %s%s%s", document->path, place.line, place.path,
                 place.path[0] ? ": " : "", complaint->text);
    }
}

struct schema *
schema_load(struct document *document, char *error, size_t error_size)
{
    struct schema *schema = calloc(1, sizeof *schema);
    struct complaint *complaint = calloc(1, sizeof *complaint);
    cyaml_config_t talking = quiet;

    talking.log_fn = note;
    talking.log_ctx = complaint;
    if (!schema || !complaint ||
        !collect_names(schema, document, &settings, document_root(document)) ||
        !build_group(schema, &settings, &schema->top)) {
        snprintf(error, error_size, "%s: out of memory", document->path);
        goto failed;
    }

    cyaml_err_t problem =
        cyaml_load_data((const uint8_t *)document->bytes, document->length, &talking, &schema->top,
                        (cyaml_data_t **)&schema->slots, NULL);

    if (problem != CYAML_OK) {
        if (!complaint->text[0] || strncmp(complaint->text, "Backtrace", 9) == 0)
            snprintf(complaint->text, sizeof complaint->text, "%s", cyaml_strerror(problem));
        explain(complaint, document, error, error_size);
        goto failed;
    }
    free(complaint);
    return schema;
failed:
    free(complaint);
    schema_free(&schema);
    return NULL;
}

void
schema_free(struct schema **schema)
{
    struct schema *gone = *schema;

    *schema = NULL;
    if (!gone)
        return;
    if (gone->slots)
        cyaml_free(&quiet, &gone->top, gone->slots, 0);
    for (size_t i = 0; i < gone->block_count; i++)
        free(gone->blocks[i]);
    free(gone->databases.names);
    free(gone->pairs.names);
    free(gone);
}

const struct slot *
schema_slots(const struct schema *schema)
{
    return schema->slots;
}

const struct slot *
schema_named(const struct schema *schema, const struct setting *setting, const struct slot *slots,
             const char *name)
{
    const struct names *names =
        setting->kind == SETTING_PAIRS ? &schema->pairs : &schema->databases;

    for (size_t i = 0; slots && i < names->count; i++) {
        if (strcmp(names->names[i], name) == 0)
            return slots[i].value ? &slots[i] : NULL;
    }
    return NULL;
}
