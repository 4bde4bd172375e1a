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
