// See document.h. The bytes are read once, so that libyaml and libcyaml see the same file even while
// somebody writes to it. Aliases are allowed (one `shadow:` for several databases); a document that
// refers to itself, or that aliases make huge, is refused.
#include "config/document.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FILE_MAX = 4 * 1024 * 1024, DEPTH_MAX = 32, NODES_MAX = 200000 };

struct walk {
    struct document *document;
    size_t nodes;
    char *error;
    size_t error_size;
};

static bool
read_file(struct document *document, char *error, size_t error_size)
{
    FILE *file = fopen(document->path, "rb");

    if (!file) {
        snprintf(error, error_size, "%s: cannot open the configuration: %s", document->path,
                 strerror(errno));
        return false;
    }
    document->bytes = malloc(FILE_MAX + 1);
    if (document->bytes)
        document->length = fread(document->bytes, 1, FILE_MAX + 1, file);

    bool is_read = document->bytes && !ferror(file);

    if (!is_read)
        snprintf(error, error_size, "%s: cannot read the configuration: %s", document->path,
                 strerror(errno ? errno : EIO));
    fclose(file);
    if (is_read && document->length > FILE_MAX) {
        snprintf(error, error_size, "%s: the configuration is larger than 4 MiB", document->path);
        is_read = false;
    }
    return is_read;
}

static bool
syntax_error(const struct document *document, const yaml_parser_t *parser, char *error,
             size_t error_size)
{
    size_t line = parser->problem_mark.line + 1;

    if (parser->error == YAML_READER_ERROR) { // it says an offset and no line
        line = 1;
        for (size_t i = 0; i < parser->problem_offset && i < document->length; i++)
            line += document->bytes[i] == '\n';
    }
    snprintf(error, error_size,
             "%s:%zu: not valid YAML: %s%s%s; look at the indentation, the "
             "quotes and the brackets around this line",
             document->path, line, parser->problem ? parser->problem : "out of memory",
             parser->context ? " " : "", parser->context ? parser->context : "");
    return false;
}

static bool check_nodes(struct walk *walk, const yaml_node_t *node, unsigned depth);

static bool
check_mapping(struct walk *walk, const yaml_node_t *node, unsigned depth)
{
    const struct document *document = walk->document;

    for (const yaml_node_pair_t *pair = node->data.mapping.pairs.start;
         pair < node->data.mapping.pairs.top; pair++) {
        const yaml_node_t *key = yaml_document_get_node(&walk->document->yaml, pair->key);

        if (key->type != YAML_SCALAR_NODE) {
            snprintf(walk->error, walk->error_size,
                     "%s:%zu: a key must be a plain word; quote it if it begins with [ { or ?",
                     document->path, document_line(key));
            return false;
        }
        for (const yaml_node_pair_t *other = node->data.mapping.pairs.start; other < pair;
             other++) {
            const yaml_node_t *first = yaml_document_get_node(&walk->document->yaml, other->key);

            if (strcmp((const char *)first->data.scalar.value,
                       (const char *)key->data.scalar.value) != 0)
                continue;
            snprintf(walk->error, walk->error_size,
                     "%s:%zu: the key '%s' stands here for the second time (first on line %zu); "
                     "keep one of them",
                     document->path, document_line(key), key->data.scalar.value,
                     document_line(first));
            return false;
        }
        if (!check_nodes(walk, yaml_document_get_node(&walk->document->yaml, pair->value),
                         depth + 1))
            return false;
    }
    return true;
}

static bool
check_nodes(struct walk *walk, const yaml_node_t *node, unsigned depth)
{
    if (depth > DEPTH_MAX || ++walk->nodes > NODES_MAX) {
        snprintf(walk->error, walk->error_size,
                 "%s:%zu: nested too deeply, or made too large by aliases", walk->document->path,
                 document_line(node));
        return false;
    }
    if (node->type == YAML_MAPPING_NODE)
        return check_mapping(walk, node, depth);
    if (node->type == YAML_SCALAR_NODE &&
        strlen((const char *)node->data.scalar.value) != node->data.scalar.length) {
        snprintf(walk->error, walk->error_size, "%s:%zu: a value holds a NUL character",
                 walk->document->path, document_line(node));
        return false;
    }
    if (node->type != YAML_SEQUENCE_NODE)
        return true;
    for (const yaml_node_item_t *item = node->data.sequence.items.start;
         item < node->data.sequence.items.top; item++) {
        if (!check_nodes(walk, yaml_document_get_node(&walk->document->yaml, *item), depth + 1))
            return false;
    }
    return true;
}

static bool
compose(struct document *document, char *error, size_t error_size)
{
    yaml_parser_t parser;
    yaml_document_t second;

    if (!yaml_parser_initialize(&parser)) {
        snprintf(error, error_size, "%s: out of memory", document->path);
        return false;
    }
    yaml_parser_set_input_string(&parser, (const unsigned char *)document->bytes, document->length);

    bool is_valid = false;

    if (!yaml_parser_load(&parser, &document->yaml)) {
        syntax_error(document, &parser, error, error_size);
        goto out_parser;
    }
    document->is_composed = true;
    if (!yaml_document_get_root_node(&document->yaml)) {
        snprintf(error, error_size,
                 "%s:1: the configuration is empty; it needs at least `databases:` with an entry "
                 "that says `old:` and `new:`",
                 document->path);
        goto out_parser;
    }
    if (!yaml_parser_load(&parser, &second)) {
        syntax_error(document, &parser, error, error_size);
        goto out_parser;
    }

    const yaml_node_t *more = yaml_document_get_root_node(&second);

    if (more)
        snprintf(error, error_size, "%s:%zu: a second YAML document begins here; keep one",
                 document->path, document_line(more));
    is_valid = !more;
    yaml_document_delete(&second);
out_parser:
    yaml_parser_delete(&parser);
    return is_valid;
}

bool
document_init(struct document *document, const char *path, char *error, size_t error_size)
{
    *document = (struct document){.path = path};
    if (read_file(document, error, error_size) && compose(document, error, error_size)) {
        struct walk walk = {.document = document, .error = error, .error_size = error_size};

        if (check_nodes(&walk, document_root(document), 0))
            return true;
    }
    document_fini(document);
    return false;
}

void
document_fini(struct document *document)
{
    if (document->is_composed)
        yaml_document_delete(&document->yaml);
    if (document->bytes)
        explicit_bzero(document->bytes, document->length); // connection strings hold passwords
    free(document->bytes);
    *document = (struct document){0};
}

yaml_node_t *
document_root(struct document *document)
{
    return yaml_document_get_root_node(&document->yaml);
}

const char *
document_key(struct document *document, const yaml_node_t *node, size_t index, yaml_node_t **value)
{
    if (!node || node->type != YAML_MAPPING_NODE)
        return NULL;

    const yaml_node_pair_t *pair = node->data.mapping.pairs.start + index;

    if (pair >= node->data.mapping.pairs.top)
        return NULL;
    if (value)
        *value = yaml_document_get_node(&document->yaml, pair->value);
    return (const char *)yaml_document_get_node(&document->yaml, pair->key)->data.scalar.value;
}

yaml_node_t *
document_child(struct document *document, const yaml_node_t *node, const char *key)
{
    const char *name;
    yaml_node_t *value;

    for (size_t i = 0; (name = document_key(document, node, i, &value)); i++) {
        if (strcmp(name, key) == 0)
            return value;
    }
    return NULL;
}

size_t
document_key_line(struct document *document, const yaml_node_t *node, const char *key)
{
    const char *name;

    for (size_t i = 0; (name = document_key(document, node, i, NULL)); i++) {
        if (strcmp(name, key) == 0)
            return document_line(
                yaml_document_get_node(&document->yaml, node->data.mapping.pairs.start[i].key));
    }
    return document_line(node);
}

yaml_node_t *
document_entry(struct document *document, const yaml_node_t *node, size_t index)
{
    if (!node || node->type != YAML_SEQUENCE_NODE)
        return NULL;

    const yaml_node_item_t *item = node->data.sequence.items.start + index;

    return item < node->data.sequence.items.top ? yaml_document_get_node(&document->yaml, *item)
                                                : NULL;
}

size_t
document_line(const yaml_node_t *node)
{
    return node ? node->start_mark.line + 1 : 1;
}

bool
document_is_empty(const yaml_node_t *node)
{
    if (!node || node->type != YAML_SCALAR_NODE ||
        node->data.scalar.style != YAML_PLAIN_SCALAR_STYLE)
        return false;

    const char *text = (const char *)node->data.scalar.value;

    return !*text || strcmp(text, "~") == 0 || strcasecmp(text, "null") == 0;
}
