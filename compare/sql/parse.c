// libpg_query gives its tree as protobuf alone, so the text goes through its packer and our unpacker.
// Each level of an expression costs about 2 KiB of stack on that way; with ANALYSIS_MAX_SQL bytes of
// text the deepest tree stays within ANALYSIS_STACK (tests/unit/test_analysis.c).
#include "compare/sql/parse.h"

#include "compare/sql/analysis.h"
#include <pg_query.h>
#include <stdlib.h>
#include <string.h>

// A tree is many small messages that die together.
static void *
take(void *arena, size_t size)
{
    return arena_take(arena, size);
}

static void
keep(void *arena, void *piece)
{
    (void)arena;
    (void)piece;
}

enum parse_status
parse_sql(const char *sql, size_t length, struct parse_tree *tree)
{
    *tree = (struct parse_tree){0};
    if (length >= ANALYSIS_MAX_SQL)
        return PARSE_TOO_LONG;
    if (memchr(sql, '\0', length) != NULL)
        return PARSE_SYNTAX;
    char *text = strndup(sql, length);
    if (text == NULL)
        return PARSE_NO_MEMORY;
    PgQueryProtobufParseResult result = pg_query_parse_protobuf(text);
    enum parse_status status = PARSE_SYNTAX;
    if (result.error == NULL) {
        ProtobufCAllocator allocator = {take, keep, &tree->arena};
        tree->root = pg_query__parse_result__unpack(&allocator, result.parse_tree.len,
                                                    (const uint8_t *)result.parse_tree.data);
        status = tree->root == NULL ? PARSE_NO_MEMORY : PARSE_OK;
    }
    pg_query_free_protobuf_parse_result(result);
    free(text);
    return status;
}

void
parse_tree_fini(struct parse_tree *tree)
{
    arena_fini(&tree->arena);
    tree->root = NULL;
}

static void
each_in_field(const ProtobufCMessage *message, const ProtobufCFieldDescriptor *field,
              void (*each)(void *context, const ProtobufCMessage *message), void *context)
{
    const char *at = (const char *)message + field->offset;
    const void *quantifier = (const char *)message + field->quantifier_offset;
    if ((field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) != 0 &&
        *(const uint32_t *)quantifier != field->id)
        return;
    if (field->label != PROTOBUF_C_LABEL_REPEATED) {
        parse_each(*(const ProtobufCMessage *const *)(const void *)at, each, context);
        return;
    }
    const ProtobufCMessage *const *messages =
        *(const ProtobufCMessage *const *const *)(const void *)at;
    for (size_t i = 0; i < *(const size_t *)quantifier; i++)
        parse_each(messages[i], each, context);
}

void
parse_each(const ProtobufCMessage *message,
           void (*each)(void *context, const ProtobufCMessage *message), void *context)
{
    if (message == NULL)
        return;
    const ProtobufCMessageDescriptor *descriptor = message->descriptor;
    each(context, message);
    for (unsigned i = 0; i < descriptor->n_fields; i++)
        if (descriptor->fields[i].type == PROTOBUF_C_TYPE_MESSAGE)
            each_in_field(message, &descriptor->fields[i], each, context);
}

const char *
parse_called(const PgQuery__FuncCall *call)
{
    const PgQuery__Node *last = call->n_funcname == 0 ? NULL : call->funcname[call->n_funcname - 1];
    return last == NULL || last->node_case != PG_QUERY__NODE__NODE_STRING ? NULL
                                                                          : last->string->sval;
}

struct parsed *
parsed_new(const char *sql, size_t length)
{
    struct parsed *parsed = calloc(1, sizeof(*parsed));
    if (parsed != NULL) {
        parsed->sql = sql;
        parsed->length = length;
    }
    return parsed;
}

const char *
parsed_text(const struct parsed *parsed, size_t *length)
{
    *length = parsed->length;
    return parsed->sql;
}

void
parsed_free(struct parsed **parsed)
{
    struct parsed *gone = *parsed;
    *parsed = NULL;
    if (gone == NULL)
        return;
    parse_tree_fini(&gone->tree);
    free(gone);
}

enum parse_status
parse_once(struct parsed *parsed)
{
    if (!parsed->is_done)
        parsed->status = parse_sql(parsed->sql, parsed->length, &parsed->tree);
    parsed->is_done = true;
    return parsed->status;
}
