// The file as libyaml composes it: where each key stands, which libcyaml does not say, and the names
// that the file itself chooses, which libcyaml's schema must know beforehand.
#ifndef CONFIG_DOCUMENT_H
#define CONFIG_DOCUMENT_H

#include <stdbool.h>
#include <stddef.h>
#include <yaml.h>

struct document {
    const char *path;
    char *bytes; // of the whole file
    size_t length;
    yaml_document_t yaml;
    bool is_composed;
};

// Reads and composes the file; refuses what is not YAML, more than one document, duplicate keys and
// keys that are no scalars. False: `error` says what and where, and there is nothing to finish.
bool document_init(struct document *document, const char *path, char *error, size_t error_size);
void document_fini(struct document *document);

yaml_node_t *document_root(struct document *document);
// NULL: `node` is NULL, or no mapping, or has no such key.
yaml_node_t *document_child(struct document *document, const yaml_node_t *node, const char *key);
// The key at `index` of a mapping (and its value), NULL past the end or for no mapping.
const char *document_key(struct document *document, const yaml_node_t *node, size_t index,
                         yaml_node_t **value);
// The line of a key itself, which may stand above its value; the node's own if there is no such key.
size_t document_key_line(struct document *document, const yaml_node_t *node, const char *key);
// The entry of a sequence, or NULL.
yaml_node_t *document_entry(struct document *document, const yaml_node_t *node, size_t index);
size_t document_line(const yaml_node_t *node); // from 1; NULL: 1
// An unquoted scalar that is nothing ("key:", "~", "null").
bool document_is_empty(const yaml_node_t *node);

#endif
