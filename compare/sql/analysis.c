// A statement's analysis: parsed once, walked with each side's catalog, the findings put together. The
// result owns copies of all names, so that it outlives the catalogs.
//
// Runs on threads with ANALYSIS_STACK bytes of stack; touches nothing but its arguments.
#include "compare/sql/analysis.h"

#include "compare/sql/lexer.h"
#include "compare/sql/statement.h"
#include <pg_query.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_QUERY = 8 * 1024 };

struct owned_analysis {
    struct analysis analysis; // first: the two are cast to each other
    struct arena arena;
};

void
analysis_unref(struct analysis **analysis)
{
    struct owned_analysis *last = (struct owned_analysis *)*analysis;
    *analysis = NULL;
    if (last == NULL ||
        atomic_fetch_sub_explicit(&last->analysis.references, 1, memory_order_acq_rel) != 1)
        return;
    arena_fini(&last->arena);
    free(last);
}

void
analysis_thread_end(void)
{
    // pg_query_exit here, besides libpg_query's own thread-specific destructor, would free twice.
}

static size_t
whole_characters(const char *text, size_t length, size_t limit)
{
    if (length <= limit)
        return length;
    while (limit > 0 && ((unsigned char)text[limit] & 0xC0) == 0x80)
        limit--;
    return limit;
}

// For what does not parse: literals out, by tokens; from a quote that never ends on, nothing.
static char *
masked(struct arena *arena, const char *sql, size_t length)
{
    char *query = arena_take(arena, MAX_QUERY + 1);
    size_t used = 0;
    struct lexer lexer;
    struct lexer_token token;
    lexer_init(&lexer, sql, length);
    for (;;) {
        lexer_next(&lexer, &token);
        if (query == NULL || token.kind == LEXER_END || token.kind == LEXER_JUNK)
            return query;
        if (token.kind == LEXER_COMMENT)
            continue;
        bool is_literal = token.kind == LEXER_STRING || token.kind == LEXER_NUMBER;
        const char *text = is_literal ? "?" : token.text;
        size_t size = is_literal ? 1 : token.length;
        if (size + 1 > MAX_QUERY - used)
            return query;
        if (used > 0)
            query[used++] = ' ';
        memcpy(query + used, text, size);
        used += size;
    }
}

static bool
keep_texts(struct owned_analysis *owned, const char *sql, size_t length,
           const PgQuery__ParseResult *root)
{
    struct analysis *analysis = &owned->analysis;
    if (root == NULL) {
        analysis->query = masked(&owned->arena, sql, length);
        return analysis->query != NULL;
    }
    char *text = strndup(sql, length);
    if (text == NULL)
        return false;
    PgQueryFingerprintResult fingerprint = pg_query_fingerprint(text);
    if (fingerprint.error == NULL && fingerprint.fingerprint_str != NULL)
        (void)snprintf(analysis->fingerprint, sizeof(analysis->fingerprint), "%s",
                       fingerprint.fingerprint_str);
    pg_query_free_fingerprint_result(fingerprint);
    PgQueryNormalizeResult normal = pg_query_normalize(text);
    if (normal.error == NULL && normal.normalized_query != NULL)
        analysis->query = arena_bytes(
            &owned->arena, normal.normalized_query,
            whole_characters(normal.normalized_query, strlen(normal.normalized_query), MAX_QUERY));
    else
        analysis->query = masked(&owned->arena, sql, length);
    pg_query_free_normalize_result(normal);
    free(text);
    return analysis->query != NULL;
}

static bool
keep_columns(struct owned_analysis *owned, const struct walk *walk, const struct rowset *rows)
{
    struct analysis *analysis = &owned->analysis;
    int *places = arena_take(&owned->arena, (walk->table_count + 1) * sizeof(*places));
    analysis->tables =
        arena_take(&owned->arena, (walk->table_count + 1) * sizeof(*analysis->tables));
    analysis->columns =
        arena_take(&owned->arena, (rows->sure_count + 1) * sizeof(*analysis->columns));
    if (places == NULL || analysis->tables == NULL || analysis->columns == NULL)
        return false;
    for (size_t i = 0; i < walk->table_count; i++) {
        places[i] = -1;
        if (!walk->tables[i].is_meant)
            continue;
        struct analysis_table *table = &analysis->tables[analysis->table_count];
        places[i] = (int)analysis->table_count++;
        table->old_table = walk->tables[i].oid;
        table->name = arena_string(&owned->arena, walk->tables[i].name);
        if (table->name == NULL)
            return false;
    }
    for (size_t i = 0; i < rows->sure_count; i++) {
        const struct column *column = &rows->columns[i];
        struct analysis_column *kept = &analysis->columns[analysis->column_count++];
        kept->table = column->table < 0 ? -1 : places[column->table];
        kept->column = kept->table < 0 || column->origin == NULL
                           ? "expression"
                           : arena_string(&owned->arena, column->origin);
        kept->is_computed = column->is_computed;
        kept->reference = column->is_computed ? 0 : column->reference;
        if (kept->column == NULL)
            return false;
    }
    return true;
}

static enum open_kind
open_kind_of(unsigned value)
{
    bool is_shuffled = (value & VALUE_SHUFFLED) != 0, is_pieces = (value & VALUE_PIECES) != 0;
    if ((value & (VALUE_OPEN | VALUE_QUOTIENT)) != 0 || (is_shuffled && is_pieces))
        return OPEN_VALUE;
    if (is_shuffled || is_pieces)
        return OPEN_SEQUENCE;
    return (value & VALUE_ROUNDED) != 0 ? OPEN_ROUNDING : OPEN_NOTHING;
}

// What either side's text leaves open, where views of one name may be two.
static bool
keep_open(struct owned_analysis *owned, const struct rowset *rows, const struct rowset *new_rows)
{
    struct determinacy *determinacy = &owned->analysis.determinacy;
    uint8_t *open = arena_take(&owned->arena, rows->sure_count + 1);
    if (open == NULL)
        return false;
    unsigned all = 0, rest = 0;
    for (size_t i = 0; i < rows->count || i < new_rows->count; i++) {
        unsigned value = (i < rows->count ? rows->columns[i].value : 0) |
                         (i < new_rows->count ? new_rows->columns[i].value : 0);
        all |= value;
        if (i < rows->sure_count)
            open[i] = (uint8_t)open_kind_of(value);
        else
            rest |= value;
    }
    determinacy->open = open_kind_of(all) == OPEN_NOTHING ? NULL : open;
    determinacy->open_count = rows->sure_count;
    determinacy->open_rest = open_kind_of(rest);
    determinacy->has_open_rows = rows->has_open_rows || new_rows->has_open_rows;
    return true;
}

static const char *
why_open(const struct determinacy *determinacy, const struct walk *walk)
{
    bool is_cut = determinacy->cuts_start || determinacy->cuts_end;
    if (determinacy->has_open_rows || (determinacy->open != NULL && walk->open_because != NULL))
        return walk->open_because == NULL ? "values that rows that tie leave open"
                                          : walk->open_because;
    if (is_cut && !determinacy->is_total)
        return "LIMIT or OFFSET without a total order";
    if (determinacy->open != NULL)
        return "floats are added in any order, and each addition rounds";
    return NULL;
}

// Without a name where a place in it is not to be had.
static bool
keep_row_key(struct owned_analysis *owned, const struct key *key)
{
    struct determinacy *determinacy = &owned->analysis.determinacy;
    determinacy->row_key =
        arena_take(&owned->arena, (key->count + 1) * sizeof(*determinacy->row_key));
    if (determinacy->row_key == NULL)
        return false;
    for (size_t i = 0; i < key->count; i++) {
        if (key->numbers[i] > UINT16_MAX) {
            determinacy->row_key_count = 0;
            return true;
        }
        determinacy->row_key[determinacy->row_key_count++] = (uint16_t)key->numbers[i];
    }
    return true;
}

static bool
keep_order(struct owned_analysis *owned, const struct walk *walk, const struct rowset *rows,
           const struct rowset *new_rows)
{
    struct determinacy *determinacy = &owned->analysis.determinacy;
    determinacy->order = rows->order;
    determinacy->is_total = rows->is_total;
    determinacy->is_limited = rows->is_limited;
    determinacy->cuts_start = rows->cuts_start;
    determinacy->cuts_end = rows->cuts_end;
    determinacy->limit = rows->is_limited ? rows->limit : UINT64_MAX;
    if (!keep_open(owned, rows, new_rows) || !keep_row_key(owned, &rows->row_key))
        return false;
    determinacy->open_because = why_open(determinacy, walk);
    size_t size = rows->sort_key_count * sizeof(*determinacy->keys);
    determinacy->keys = arena_take(&owned->arena, size + 1);
    if (determinacy->keys == NULL)
        return false;
    if (size > 0)
        memcpy(determinacy->keys, rows->sort_keys, size);
    determinacy->key_count = rows->sort_key_count;
    return true;
}

// The reason that says most, DESIGN 3.1.
static enum skip_reason
skip_of(const struct walk *old_walk, const struct walk *new_walk, const struct statement *statement,
        unsigned value)
{
    bool shows_chance = (value & (VALUE_CLOCK | VALUE_RANDOM)) != 0;
    if (old_walk->is_locking)
        return SKIP_LOCKING_CLAUSE;
    if (statement->is_setting)
        return SKIP_SYSTEM_CATALOG;
    if (statement->is_instance && !old_walk->is_unproven)
        return SKIP_NONDETERMINISTIC;
    if (old_walk->is_unproven || new_walk->is_unproven || old_walk->is_volatile)
        return SKIP_VOLATILE_FUNCTION;
    if ((value & VALUE_VOLATILE) != 0 && !shows_chance)
        return SKIP_VOLATILE_FUNCTION;
    if (statement->is_session)
        return SKIP_SESSION_STATE;
    if (!statement->is_query)
        return SKIP_VOLATILE_FUNCTION; // COPY, and whatever else is relayed only
    if (old_walk->is_temporary)
        return SKIP_TEMPORARY_OBJECT;
    if (shows_chance || old_walk->is_sampled)
        return SKIP_NONDETERMINISTIC;
    bool is_users = old_walk->touches_user || old_walk->calls_user;
    if (!is_users && old_walk->touches_system)
        return SKIP_SYSTEM_CATALOG;
    if ((value & VALUE_SYSTEM) != 0)
        return SKIP_SYSTEM_COLUMN;
    return is_users ? SKIP_NONE : SKIP_NO_RELATION;
}

static unsigned
value_of(const struct rowset *rows)
{
    unsigned value = 0;
    for (size_t i = 0; i < rows->count; i++)
        value |= rows->columns[i].value;
    return value;
}

// What new is sent, where that is another text: *tree is to be freed. NULL: the same, or it is refused.
static const PgQuery__Node *
rewrite(struct analysis *analysis, const char *sql, size_t length,
        const struct analysis_context *context, struct parse_tree *tree, bool *no_memory)
{
    struct rewrite_subject subject = {
        .sql = sql,
        .length = length,
        .fingerprint = analysis->fingerprint,
        .query = analysis->query,
        .old_catalog = context->old_catalog,
        .new_catalog = context->new_catalog,
    };
    struct rewritten rewritten = {0};
    enum rewrite_status status = context->rewrites == NULL || context->new_catalog == NULL
                                     ? REWRITE_SAME
                                     : rewrite_statement(context->rewrites, &subject, &rewritten);
    if (status == REWRITE_CHANGED &&
        parse_sql(rewritten.sql, strlen(rewritten.sql), tree) != PARSE_OK)
        status = REWRITE_NO_MEMORY;
    analysis->is_rewritten = status == REWRITE_CHANGED;
    analysis->refused_because = status == REWRITE_REFUSED ? rewritten.because : NULL;
    *no_memory = status == REWRITE_NO_MEMORY;
    rewritten_fini(&rewritten);
    return analysis->is_rewritten ? tree->root->stmts[0]->stmt : NULL;
}

// Old's before new's. Where something is not proven, a function that is only volatile is not to blame.
static bool
keep_unproven_function(struct owned_analysis *owned, const struct walk *old_walk,
                       const struct walk *new_walk)
{
    bool is_unproven = old_walk->is_unproven || new_walk->is_unproven;
    const struct catalog_function *on_old = is_unproven ? old_walk->blamed : old_walk->moving;
    const struct catalog_function *on_new = is_unproven ? new_walk->blamed : new_walk->moving;
    const struct catalog_function *function = on_old != NULL ? on_old : on_new;
    if (owned->analysis.skip != SKIP_VOLATILE_FUNCTION || function == NULL)
        return true;
    size_t size = strlen(function->schema) + strlen(function->name) + 2;
    char *name = arena_take(&owned->arena, size);
    if (name == NULL)
        return false;
    (void)snprintf(name, size, "%s.%s", function->schema, function->name);
    owned->analysis.unproven_function = name;
    return true;
}

// `new_node` is what new is asked.
static bool
walk_both(struct owned_analysis *owned, const PgQuery__Node *node, const PgQuery__Node *new_node,
          const struct analysis_context *context)
{
    struct analysis *analysis = &owned->analysis;
    struct walk old_walk, new_walk;
    struct statement statement, on_new = {0};
    walk_init(&old_walk, context, true);
    walk_init(&new_walk, context, false);
    for (size_t i = 0; i < context->type_count; i++)
        (void)prove_type(&old_walk, context->types[i], false);
    statement_walk(&old_walk, node, &statement);
    unsigned value = value_of(&statement.rows);
    if (context->new_catalog != NULL) {
        statement_walk(&new_walk, new_node, &on_new);
        value |= value_of(&on_new.rows);
    }
    analysis->is_read = statement.is_read;
    analysis->has_effects = statement.has_effects;
    analysis->may_be_temporary = statement.may_be_temporary;
    analysis->sets_config = old_walk.sets_config;
    analysis->changes_catalog = statement.changes_catalog;
    analysis->is_harmless = !old_walk.is_harmful;
    analysis->needs_catalog =
        old_walk.needs_catalog || new_walk.needs_catalog || context->new_catalog == NULL;
    analysis->skip = skip_of(&old_walk, &new_walk, &statement, value);
    if (analysis->skip == SKIP_NONE && context->new_catalog == NULL)
        analysis->skip = SKIP_VOLATILE_FUNCTION; // not proven for new
    if (analysis->refused_because != NULL &&
        (analysis->skip == SKIP_NONE || analysis->skip == SKIP_VOLATILE_FUNCTION) &&
        !old_walk.is_unproven)
        analysis->skip = SKIP_REWRITE;
    bool is_kept = !old_walk.no_memory && !new_walk.no_memory &&
                   keep_unproven_function(owned, &old_walk, &new_walk) &&
                   keep_columns(owned, &old_walk, &statement.rows) &&
                   keep_order(owned, &old_walk, &statement.rows, &on_new.rows);
    walk_fini(&new_walk);
    walk_fini(&old_walk);
    return is_kept;
}

static bool
has_rewrites(const struct analysis_context *context)
{
    return context->rewrites != NULL && context->rewrites->count > 0;
}

// Of what else there is nobody asks: it is no read, and no rewrite looks for it.
static bool
wants_texts(const struct parsed *parsed, const struct analysis_context *context)
{
    if (parsed->status != PARSE_OK || has_rewrites(context))
        return true;
    const PgQuery__Node *node =
        parsed->tree.root->n_stmts == 1 ? parsed->tree.root->stmts[0]->stmt : NULL;
    switch (node == NULL ? PG_QUERY__NODE__NODE__NOT_SET : node->node_case) {
    case PG_QUERY__NODE__NODE_SELECT_STMT:
    case PG_QUERY__NODE__NODE_VARIABLE_SHOW_STMT:
    case PG_QUERY__NODE__NODE_EXPLAIN_STMT:
    case PG_QUERY__NODE__NODE_EXECUTE_STMT: // a read as far as its answer says so
        return true;
    default:
        return false;
    }
}

struct analysis *
analysis_of_parsed(struct parsed *parsed, const struct analysis_context *context)
{
    struct owned_analysis *owned = calloc(1, sizeof(*owned));
    if (owned == NULL)
        return NULL;
    struct analysis *analysis = &owned->analysis;
    atomic_init(&analysis->references, 1);
    enum parse_status status = parse_once(parsed);
    const PgQuery__ParseResult *root = parsed->tree.root;
    struct parse_tree new_tree = {0};
    bool wants = status != PARSE_NO_MEMORY && wants_texts(parsed, context);
    bool wants_at_once = wants && (!context->is_for_deeds || has_rewrites(context));
    bool is_kept = status != PARSE_NO_MEMORY &&
                   (!wants_at_once || keep_texts(owned, parsed->sql, parsed->length, root));
    if (!is_kept) {
        analysis_unref(&analysis);
        return NULL;
    }
    if (status != PARSE_OK) {
        analysis->is_read = true;
        analysis->skip = SKIP_UNPARSED;
    } else if (root->n_stmts == 0) { // nothing but comments
        analysis->is_harmless = true;
        analysis->skip = SKIP_NO_RELATION;
    } else if (root->n_stmts > 1) {
        analysis->skip = SKIP_VOLATILE_FUNCTION; // the caller's to split
        analysis->changes_catalog = true;
    } else {
        const PgQuery__Node *node = root->stmts[0]->stmt;
        bool no_memory;
        const PgQuery__Node *on_new =
            rewrite(analysis, parsed->sql, parsed->length, context, &new_tree, &no_memory);
        is_kept = !no_memory && walk_both(owned, node, on_new == NULL ? node : on_new, context);
    }
    parse_tree_fini(&new_tree);
    if (is_kept && wants && !wants_at_once && analysis->has_effects)
        is_kept = keep_texts(owned, parsed->sql, parsed->length, root);
    if (!is_kept)
        analysis_unref(&analysis);
    return analysis;
}

struct analysis *
analysis_new(const char *sql, size_t length, const struct analysis_context *context)
{
    struct parsed *parsed = parsed_new(sql, length);
    struct analysis *analysis = parsed == NULL ? NULL : analysis_of_parsed(parsed, context);
    parsed_free(&parsed);
    return analysis;
}
