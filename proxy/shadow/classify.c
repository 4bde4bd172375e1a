// The shape key takes in the catalogs' epoch, so that an analysis never outlives the catalogs that
// it was proven by. Statements that do not lex or are over the cap have no key; they are analysed each
// time, which for them is cheap: libpg_query gives up at once or is not asked.

#include "proxy/shadow/classify.h"
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
analyse(struct mirror *mirror, const char *sql, size_t length, const uint32_t *types,
        size_t type_count)
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
    };
    return analysis_new(sql, length, &context);
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

// By its words alone, without parsing it; some reads are not found so.
static bool
is_plain_read(const char *sql, size_t length)
{
    static const char *const words[] = {"SELECT", "VALUES", "TABLE", "SHOW"};
    bool is_read = false;
    char word[32];
    lexer_first_word(sql, length, word);
    for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++)
        is_read = is_read || strcasecmp(words[i], word) == 0;
    struct lexer lexer;
    struct lexer_token token = {.kind = LEXER_COMMENT};
    lexer_init(&lexer, sql, length);
    while (is_read && token.kind != LEXER_END) {
        lexer_next(&lexer, &token);
        is_read = token.kind != LEXER_JUNK && !lexer_token_is(&token, "INTO");
    }
    return is_read;
}

// DDL has passed and is not followed yet: nothing that depends on names is proven, but what the statement is.
static struct shape *
classify_unproven(struct mirror *mirror, const char *sql, size_t length, const uint32_t *types,
                  size_t type_count)
{
    static const char *const harmless[] = {"BEGIN",     "START",   "COMMIT", "END",  "ROLLBACK",
                                           "SAVEPOINT", "RELEASE", "SET",    "RESET"};
    if (is_plain_read(sql, length))
        return NULL;
    struct analysis *analysis = analyse(mirror, sql, length, types, type_count);
    if (!analysis || analysis->is_read) {
        analysis_unref(&analysis);
        return NULL;
    }
    bool is_harmless = false;
    char word[32];
    lexer_first_word(sql, length, word);
    for (size_t i = 0; i < sizeof(harmless) / sizeof(*harmless); i++)
        is_harmless = is_harmless || strcasecmp(harmless[i], word) == 0;
    analysis->is_harmless = analysis->is_harmless && is_harmless;
    return shape_of_one(analysis);
}

struct shape *
classify(struct mirror *mirror, const char *sql, size_t length, const uint32_t *types,
         size_t type_count)
{
    struct database_catalogs *catalogs = mirror->at->catalogs;
    if (!catalogs || !catalogs->catalogs[SIDE_OLD] || !catalogs->catalogs[SIDE_NEW])
        return NULL;
    bool is_stale = atomic_load(&mirror->at->database->catalogs_wanted) > catalogs->epoch;
    if (is_stale && !database_is_idle(mirror->at->database))
        return classify_unproven(mirror, sql, length, types, type_count);
    struct state_snapshot *state = state_snapshot(mirror->state);
    struct shape_context context = {
        .types = types,
        .type_count = type_count,
        .state = (state ? state->names_digest : 0) ^ mirror->at->settings->rewrites->digest,
        .epoch = catalogs->epoch,
    };
    state_snapshot_unref(&state);
    struct shape_key key;
    if (length > ANALYSIS_MAX_SQL || !shape_key_of(sql, length, &context, &key))
        return shape_of_one(analyse(mirror, sql, length, types, type_count));

    struct shapes *shapes = mirror->at->database->shapes;
    struct shape *shape = shapes_find(shapes, &key);
    if (shape)
        return shape;
    struct analysis *analysis = analyse(mirror, sql, length, types, type_count);
    return analysis ? shapes_put(shapes, &key, &analysis) : NULL;
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
classify_wants_catalogs(struct mirror *mirror, const struct shape *shape)
{
    (void)mirror;
    if (!shape || !shape->analysis->needs_catalog)
        return false;
    uint64_t key = 0;
    for (const char *at = shape->analysis->fingerprint; *at; at++)
        key = key * 31 + (unsigned char)*at;
    uint64_t now = uv_hrtime();
    size_t slot = key % ASKED_SLOTS;
    if (asked[slot].key == key && now - asked[slot].at < ASK_AGAIN_NS)
        return false;
    asked[slot].key = key;
    asked[slot].at = now;
    return true;
}
