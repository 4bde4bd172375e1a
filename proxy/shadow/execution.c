// An execution is analysed, moves the session's state when old accepted it, and is a read or is not. EXECUTE
// stands for what was prepared: it is a read when that is one, and put once more behind its PREPARE.
//
// One shadow thread, the session's.
#include "proxy/shadow/execution.h"
#include "compare/sql/glance.h"
#include "compare/sql/lexer.h"
#include "compare/sql/parse.h"
#include "protocol/reply.h"
#include "protocol/request.h"
#include "proxy/shadow/classify.h"
#include "proxy/shadow/encoding.h"
#include "proxy/shadow/read.h"
#include <stdlib.h>
#include <string.h>

static bool
was_accepted(const struct execution *execution)
{
    return execution->result &&
           (execution->result->kind == RESULT_ROWS || execution->result->kind == RESULT_COMMAND ||
            execution->result->kind == RESULT_PARTIAL);
}

// --- what is known of an execution ------------------------------------------------------------

struct known { // owns what its facts point into
    struct bind_request bind;
    struct effect_value *parameters, *row;
    struct encoded *texts;
    size_t text_count;
    struct effect_facts facts;
};

static struct effect_value
value_of(struct known *known, const struct mirror *mirror, const void *bytes, size_t length)
{
    if (!bytes)
        return (struct effect_value){.is_null = true, .is_known = true};
    struct encoded *text = &known->texts[known->text_count++];
    encoding_read(text, state_client_encoding(mirror->state), bytes, length);
    return (struct effect_value){.bytes = text->text, .length = text->length, .is_known = true};
}

// The row that came last.
static bool
find_last_row(const struct result *result, struct reply_row *row)
{
    size_t at = 0, last = 0;
    uint32_t length = 0;
    if (result->row_count == 0)
        return false;
    while (at + sizeof(length) <= result->rows_length) {
        last = at;
        memcpy(&length, result->rows + at, sizeof(length));
        at += sizeof(length) + length;
    }
    return reply_row_begin(row, result->rows + last + sizeof(length), length);
}

// Its columns may never have been described: the row tells how many there are.
static bool
know_row(struct known *known, const struct mirror *mirror, struct reply_row *row)
{
    size_t width = row->left;
    const uint8_t *value;
    size_t length;
    struct encoded *texts =
        reallocarray(known->texts, known->text_count + width + 1, sizeof(*texts));
    if (texts)
        known->texts = texts;
    known->row = calloc(width + 1, sizeof(*known->row));
    if (!texts || !known->row)
        return false;
    while (known->facts.row_width < width && reply_row_next(row, &value, &length))
        known->row[known->facts.row_width++] = value_of(known, mirror, value, length);
    known->facts.row = known->row;
    return true;
}

static void
known_fini(struct known *known)
{
    for (size_t i = 0; i < known->text_count; i++)
        encoding_fini(&known->texts[i]);
    request_bind_fini(&known->bind);
    free(known->texts);
    free(known->parameters);
    free(known->row);
}

// False: no memory. Rows that were not captured (`is_sampled` false) tell nothing.
static bool
known_init(struct known *known, const struct mirror *mirror, const struct execution *execution,
           bool is_sampled)
{
    *known = (struct known){0};
    const struct result *result = execution->result;
    struct reply_row row;
    size_t count = 0;
    if (execution->bind && request_read_bind(execution->bind, execution->bind_length, &known->bind))
        count = known->bind.value_count;
    known->parameters = calloc(count + 1, sizeof(*known->parameters));
    known->texts = calloc(count + 1, sizeof(*known->texts));
    if (!known->parameters || !known->texts)
        goto no_memory;
    for (size_t i = 0; i < count; i++)
        known->parameters[i] =
            value_of(known, mirror, known->bind.values[i].bytes, known->bind.values[i].length);
    known->facts.parameters = known->parameters;
    known->facts.parameter_count = count;
    known->facts.has_answer = result && result->kind == RESULT_ROWS && is_sampled;
    known->facts.row_count = known->facts.has_answer ? result->row_count : 0;
    if (known->facts.has_answer && find_last_row(result, &row) && !know_row(known, mirror, &row))
        goto no_memory;
    return true;
no_memory:
    known_fini(known);
    return false;
}

// --- effects ----------------------------------------------------------------------------------

// PREPARE of SQL and Parse of the protocol share their names.
static void
keep_prepared(struct mirror *mirror, const struct execution *execution, const struct effect *effect)
{
    struct parse_request request = {
        .statement = effect->name,
        .sql = effect->sql,
        .types = effect->types,
        .type_count = effect->type_count,
    };
    struct statement *statement = statement_new(&request, false);
    if (statement) {
        statement->has_unknown_type = effect->has_unknown_type;
        statement->prepare = strndup(execution->sql, execution->sql_length);
    }
    if (statement && !statement->prepare)
        statement_unref(&statement);
    if (!statement || !statements_put(&mirror->statements, statement))
        mirror_lose(mirror, "no memory for a prepared statement");
}

static void
apply_effect(struct mirror *mirror, const struct execution *execution, const struct effect *effect)
{
    switch (effect->kind) {
    case EFFECT_COMMIT:
    case EFFECT_ROLLBACK:
        mirror->has_written = false;
        break;
    case EFFECT_PREPARE:
        keep_prepared(mirror, execution, effect);
        break;
    case EFFECT_DISCARD_ALL:
    case EFFECT_DEALLOCATE_ALL:
        statements_clear(&mirror->statements);
        break;
    case EFFECT_DEALLOCATE:
        statements_remove(&mirror->statements, effect->name);
        break;
    default:
        break;
    }
    if (!state_apply(mirror->state, effect))
        mirror_lose(mirror, "no memory for the session's state");
    else if (effect->kind == EFFECT_DISCARD_ALL)
        mirror_regain(mirror);
}

// `parsed` is the execution's own, or what it has EXECUTEd.
static void
apply_effects(struct mirror *mirror, const struct unit *unit, const struct execution *execution,
              const struct shape *shape, struct parsed *parsed)
{
    struct effect *effects = NULL;
    size_t count = 0;
    struct known known;
    if (!known_init(&known, mirror, execution, !unit->is_unsampled)) {
        mirror_lose(mirror, "no memory for a statement's effects");
        return;
    }
    if (!parsed || !effects_of_parsed(parsed, &known.facts, &effects, &count))
        mirror_lose(mirror, "no memory for a statement's effects");
    for (size_t i = 0; i < count; i++)
        apply_effect(mirror, execution, &effects[i]);
    // By a view or a function that it uses: which setting, and to what, is not in its text.
    struct effect hidden = {.kind = EFFECT_TAINT, .name = (char *)(size_t) "set_config"};
    if (count == 0 && shape && shape->analysis->sets_config)
        apply_effect(mirror, execution, &hidden);
    effects_free(&effects, count);
    known_fini(&known);
}

// Is it DDL on nothing but objects of the session? Then no catalog that others use is changed.
static bool
is_of_temporaries(struct mirror *mirror, struct parsed *parsed)
{
    struct effect *effects = NULL;
    size_t count = 0;
    if (!parsed || !state_has_temporaries(mirror->state) ||
        !effects_of_parsed(parsed, NULL, &effects, &count))
        return false;
    bool is_so = count > 0;
    for (size_t i = 0; i < count; i++)
        is_so = is_so &&
                (effects[i].kind == EFFECT_ALTER || effects[i].kind == EFFECT_RENAME ||
                 effects[i].kind == EFFECT_DROP) &&
                state_has_temporary(mirror->state, effects[i].name);
    effects_free(&effects, count);
    return is_so;
}

// --- reads ------------------------------------------------------------------------------------

bool
execution_names_temporary(const struct mirror *mirror, const struct shape *shape, const char *sql,
                          size_t length)
{
    for (size_t i = 0; shape && i < shape->analysis->table_count; i++) {
        const char *name = shape->analysis->tables[i].name, *dot = strrchr(name, '.');
        if (state_has_temporary(mirror->state, dot ? dot + 1 : name))
            return true;
    }
    return state_names_temporary_type(mirror->state, sql, length);
}

// Does the session's own state speak against mirroring this read?
static enum skip_reason
state_against(struct mirror *mirror, const struct shape *shape, const struct execution *execution)
{
    const char *what;
    if (mirror->lost_because)
        return SKIP_SESSION_STATE;
    if (execution_names_temporary(mirror, shape, execution->sql, execution->sql_length))
        return SKIP_TEMPORARY_OBJECT;
    if (mirror->has_written)
        return SKIP_IN_WRITE_TRANSACTION;
    return state_is_tainted(mirror->state, &what) ? SKIP_SESSION_STATE : SKIP_NONE;
}

// A plan that was made under another search path or role, whose columns are others now: a statement that is
// prepared afresh does not fail so.
static bool
is_stale_plan(const struct execution *execution)
{
    const struct result *result = execution->result;
    return result && result->kind == RESULT_ERROR && strcmp(result->sqlstate, "0A000") == 0 &&
           result->message && strstr(result->message, "cached plan") != NULL;
}

static bool
is_execute(const struct execution *execution)
{
    char word[32];
    lexer_first_word(execution->sql, execution->sql_length, word);
    return strcmp(word, "execute") == 0;
}

// What EXECUTE runs, where it is one of a statement that is known; else NULL.
static struct statement *
find_executed(struct mirror *mirror, const struct execution *execution, struct parsed *parsed)
{
    struct effect *effects = NULL;
    size_t count = 0;
    struct statement *found = NULL;
    if (!parsed || !is_execute(execution) || !effects_of_parsed(parsed, NULL, &effects, &count))
        return NULL;
    if (count == 1 && effects[0].kind == EFFECT_EXECUTE)
        found = statements_find(&mirror->statements, effects[0].name);
    effects_free(&effects, count);
    return found && found->prepare && !found->has_unknown_type ? statement_ref(found) : NULL;
}

static void
execute_read(struct mirror *mirror, const struct unit *unit, const struct execution *execution,
             struct shape *shape, const struct statement *executed)
{
    struct read_facts facts = {
        .unit = unit,
        .sql = execution->sql,
        .sql_length = execution->sql_length,
        .prepare = executed ? executed->prepare : NULL,
        .executed = executed ? executed->sql : NULL,
        .statement = execution->statement,
        .bind = execution->bind,
        .bind_length = execution->bind_length,
        .shape = shape,
        .result = execution->result,
        .skip = execution->is_cut ? SKIP_REQUEST_SIZE : state_against(mirror, shape, execution),
    };
    if (facts.skip == SKIP_NONE && execution->may_be_partial)
        facts.skip = SKIP_ROW_LIMIT;
    if (facts.skip == SKIP_NONE && is_stale_plan(execution))
        facts.skip = SKIP_SESSION_STATE;
    read_begin(mirror, &facts);
}

// EXECUTE's arguments are proven with it; what it runs is what was prepared. *parsed becomes that.
static struct shape *
shape_executed(struct mirror *mirror, const struct statement *executed, struct shape *outer,
               struct parsed **parsed)
{
    parsed_free(parsed);
    *parsed = parsed_new(executed->sql, strlen(executed->sql));
    if (!outer || outer->analysis->skip != SKIP_SESSION_STATE)
        return outer;
    shape_unref(&outer);
    return classify(mirror, *parsed, executed->types, executed->type_count);
}

// What an execution is and does, to its session and to others.
struct deeds {
    bool is_read, is_harmless, has_effects, changes_catalog;
};

static struct deeds
deeds_by_analysis(const struct mirror *mirror, const struct execution *execution,
                  const struct shape *shape)
{
    const struct analysis *analysis = shape->analysis;
    const char *tag = execution->result ? execution->result->tag : NULL;
    bool has_temporaries = analysis->may_be_temporary && state_has_temporaries(mirror->state);
    return (struct deeds){
        .is_read = classify_is_read(shape, execution->sql, execution->sql_length, tag),
        .is_harmless = analysis->is_harmless,
        .has_effects = analysis->has_effects || has_temporaries,
        .changes_catalog = analysis->changes_catalog,
    };
}

// In the books a read, whatever it calls itself.
static bool
does_not_parse(const struct execution *execution, struct parsed *parsed)
{
    const struct result *result = execution->result;
    bool is_syntax =
        result && result->kind == RESULT_ERROR && strcmp(result->sqlstate, "42601") == 0;
    return is_syntax && parsed && parse_once(parsed) == PARSE_SYNTAX;
}

// What is not analysed may write, whatever it calls itself.
static struct deeds
deeds_by_words(const struct mirror *mirror, const struct execution *execution,
               struct parsed *parsed)
{
    const struct database_catalogs *catalogs = mirror->at->catalogs;
    const char *tag = execution->result ? execution->result->tag : NULL;
    struct glance glance = {.kind = GLANCE_UNKNOWN};
    if (parsed)
        glance = glance_once(parsed, catalogs ? catalogs->catalogs[SIDE_OLD] : NULL);
    bool is_ddl = glance.kind == GLANCE_DDL;
    bool is_read =
        (!is_ddl && classify_is_read(NULL, execution->sql, execution->sql_length, tag)) ||
        does_not_parse(execution, parsed);
    return (struct deeds){
        .is_read = is_read,
        .has_effects = glance.may_leave || (glance.kind == GLANCE_UNKNOWN && !is_read) ||
                       (is_ddl && state_has_temporaries(mirror->state)),
        .changes_catalog = is_ddl,
    };
}

// Does DDL seem to make what leaves something in the sessions that use it? Without memory: it does.
static bool
makes_keepers(const struct execution *execution)
{
    char *sql = strndup(execution->sql, execution->sql_length);
    bool makes = !sql || effect_body_leaves(sql);
    free(sql);
    return makes;
}

void
execution_run(struct mirror *mirror, const struct unit *unit, const struct execution *execution)
{
    const struct statement *statement = execution->statement;
    struct parsed *parsed = parsed_new(execution->sql, execution->sql_length);
    struct shape *shape = classify(mirror, parsed, statement ? statement->types : NULL,
                                   statement ? statement->type_count : 0);
    struct statement *executed = find_executed(mirror, execution, parsed);
    if (executed)
        shape = shape_executed(mirror, executed, shape, &parsed);
    struct deeds deeds = shape ? deeds_by_analysis(mirror, execution, shape)
                               : deeds_by_words(mirror, execution, parsed);
    // Before its effects are applied: these may drop what it names, and the text of it.
    deeds.is_harmless = deeds.is_harmless && (executed || !is_execute(execution));
    deeds.changes_catalog = deeds.changes_catalog && !is_of_temporaries(mirror, parsed);
    bool was_run = was_accepted(execution) || (deeds.is_read && !execution->result);

    if (deeds.is_read)
        execute_read(mirror, unit, execution, shape, executed);
    else
        books_other(&mirror->at->database->books);
    if (deeds.has_effects && execution->is_unknown)
        mirror_lose(mirror, "the answer to a statement that changes state was dropped");
    else if (deeds.has_effects && was_run)
        apply_effects(mirror, unit, execution, shape, parsed);
    mirror->has_written = mirror->has_written || !deeds.is_harmless;
    mirror->has_ddl = mirror->has_ddl || deeds.changes_catalog;
    if (deeds.changes_catalog && makes_keepers(execution))
        mirror->has_made_keepers = true;
    shape_unref(&shape);
    parsed_free(&parsed);
    statement_unref(&executed);
}
