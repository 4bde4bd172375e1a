// The shape key takes in the catalogs' epoch, so that an analysis never outlives the catalogs that
// it was proven by. Statements that do not lex or are over the cap have no key; they are analysed each
// time, which for them is cheap: libpg_query gives up at once or is not asked.

#include "proxy/shadow/classify.h"
#include "compare/sql/glance.h"
#include "compare/sql/lexer.h"
#include <stdlib.h>
#include <string.h>

enum { ASKED_SLOTS = 256 };
static const uint64_t ASK_AGAIN_NS = UINT64_C(30000000000);

// Statements whose unknown names were asked for: by key without the epoch. One a shadow thread.
static _Thread_local struct {
    uint64_t key, at;
} asked[ASKED_SLOTS];

static struct analysis *
analyse(struct mirror *mirror, struct parsed *parsed, const uint32_t *types, size_t type_count,
        bool is_for_deeds)
{
    const struct configuration_database *entry = mirror->at->settings->entry;
    struct analysis_context context = {
        .old_catalog = mirror->at->catalogs->catalogs[SIDE_OLD],
        .new_catalog = mirror->at->catalogs->catalogs[SIDE_NEW],
        .types = types,
        .type_count = type_count,
        .safe_functions = entry->safe_functions,
        .safe_function_count = entry->safe_function_count,
        .rewrites = mirror->at->settings->rewrites,
        .is_for_deeds = is_for_deeds,
    };
    return analysis_of_parsed(parsed, &context);
}

// A shape that nobody else can look up.
static struct shape *
shape_of_one(struct analysis *analysis)
{
    struct shape *shape = analysis ? calloc(1, sizeof(*shape)) : NULL;
    if (!shape) {
        analysis_unref(&analysis);
        return NULL;
    }
    atomic_init(&shape->references, 1);
    shape->analysis = analysis;
    return shape;
}

// DDL has passed and is not followed yet, or new was never seen: nothing that depends on names is proven, but what the
// statement is.
static struct analysis *
analyse_unproven(struct mirror *mirror, struct parsed *parsed, const uint32_t *types,
                 size_t type_count)
{
    static const char *const harmless[] = {"BEGIN",     "START",   "COMMIT", "END",  "ROLLBACK",
                                           "SAVEPOINT", "RELEASE", "SET",    "RESET"};
    struct analysis *analysis = analyse(mirror, parsed, types, type_count, true);
    size_t length;
    const char *sql = parsed_text(parsed, &length);
    char word[32];
    bool is_harmless = false;
    lexer_first_word(sql, length, word);
    for (size_t i = 0; i < sizeof(harmless) / sizeof(*harmless); i++)
        is_harmless = is_harmless || strcasecmp(harmless[i], word) == 0;
    if (analysis) {
        analysis->is_harmless = analysis->is_harmless && is_harmless;
        if (analysis->skip == SKIP_NONE)
            analysis->skip = SKIP_VOLATILE_FUNCTION;
    }
    return analysis;
}

// Of reads only those are made out that may leave something in their session: the others have no texts for the books.
static bool
is_of_no_effect(const struct shape *shape)
{
    return shape && shape->analysis->is_read && !shape->analysis->has_effects;
}

struct shape *
classify(struct mirror *mirror, struct parsed *parsed, const uint32_t *types, size_t type_count)
{
    struct database *database = mirror->at->database;
    struct database_catalogs *catalogs = mirror->at->catalogs;
    bool is_new_known = catalogs && catalogs->catalogs[SIDE_NEW];
    if (!catalogs || !catalogs->catalogs[SIDE_OLD] || !parsed ||
        (!is_new_known && !database_is_idle(database)))
        return NULL;
    size_t length;
    const char *sql = parsed_text(parsed, &length);
    bool is_stale = !is_new_known || mirror->is_stale;
    struct glance glance = {.kind = GLANCE_UNKNOWN};
    if (is_stale)
        glance = glance_once(parsed, catalogs->catalogs[SIDE_OLD]);
    if (glance_is_enough(&glance))
        return NULL;
    struct state_snapshot *state = state_snapshot(mirror->state);
    struct shape_context context = {
        .types = types,
        .type_count = type_count,
        .state = (state ? state->names_digest : 0) ^ mirror->at->settings->rewrites->digest,
        .epoch = is_stale ? ~catalogs->epoch : catalogs->epoch, // kept apart
    };
    state_snapshot_unref(&state);
    struct shape_key key;
    bool has_key = length <= ANALYSIS_MAX_SQL && shape_key_of(sql, length, &context, &key);
    struct shapes *shapes = database->shapes;
    struct shape *shape = has_key ? shapes_find(shapes, &key) : NULL;
    if (!shape) {
        struct analysis *analysis = is_stale ? analyse_unproven(mirror, parsed, types, type_count)
                                             : analyse(mirror, parsed, types, type_count, false);
        shape = has_key && analysis ? shapes_put(shapes, &key, &analysis) : shape_of_one(analysis);
    }
    if (is_stale && is_of_no_effect(shape))
        shape_unref(&shape);
    return shape;
}

static bool
is_read_word(const char *word, size_t length)
{
    static const char *const words[] = {"SELECT", "VALUES", "TABLE", "SHOW", "EXPLAIN", "WITH"};
    for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++) {
        if (strlen(words[i]) == length && strncasecmp(words[i], word, length) == 0)
            return true;
    }
    return false;
}

bool
classify_is_read_tag(const char *tag)
{
    return is_read_word(tag, strcspn(tag, " "));
}

bool
classify_is_read(const struct shape *shape, const char *sql, size_t length, const char *tag)
{
    char word[32];
    lexer_first_word(sql, length, word);
    bool is_execute = strcasecmp(word, "EXECUTE") == 0;
    bool is_known = shape && shape->analysis->skip != SKIP_UNPARSED;
    if (is_known && (shape->analysis->is_read || !is_execute))
        return shape->analysis->is_read; // CREATE TABLE AS has the tag SELECT, too
    // EXECUTE of a prepared statement, or no analysis: the server's tag tells best.
    if (tag)
        return classify_is_read_tag(tag);
    return shape ? shape->analysis->is_read : is_read_word(word, strlen(word));
}

bool
classify_wants_catalogs(const struct shape *shape, const char *sql, size_t length)
{
    const struct shape_context nothing = {0};
    struct shape_key key;
    if (!shape || !shape->analysis->needs_catalog || !shape_key_of(sql, length, &nothing, &key))
        return false;
    uint64_t now = uv_hrtime();
    size_t slot = key.low % ASKED_SLOTS;
    if (asked[slot].key == key.low && now - asked[slot].at < ASK_AGAIN_NS)
        return false;
    asked[slot].key = key.low;
    asked[slot].at = now;
    return true;
}
