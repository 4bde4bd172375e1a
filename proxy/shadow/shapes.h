// Analyses by shape key, and what was learnt of each shape's columns on both sides: written by the
// shadow threads, looked up by workers to route canary reads. Bounded (SHAPES_LIMIT a database, the
// longest unused go first). A look-up takes one short read lock.
#ifndef PROXY_SHADOW_SHAPES_H
#define PROXY_SHADOW_SHAPES_H

#include "compare/sql/analysis.h"
#include "compare/sql/shape.h"
#include "protocol/reply.h"
#include "proxy/database.h"

enum { SHAPES_LIMIT = 20000 };

struct shapes;

struct shape {
    atomic_uint references;
    struct shape_key key;
    struct analysis *analysis; // immutable
    // Columns as each side described them last, formats aside; NULL until learnt. Behind the table's lock.
    struct shape_columns {
        atomic_uint references;
        size_t count;
        struct reply_column *columns; // with their names; owned
    } * columns[2];                   // by enum side
    // How new was last sent it, where it is rewritten; NULL until it was. Behind the table's lock.
    struct shape_rewrite {
        atomic_uint references;
        char *sql, *new_sql; // owned; UTF-8
        bool is_whole;       // replaced by a `to`
    } * rewrite;
    atomic_uint noise_begun; // samples of its noise (noise.h)
    atomic_bool is_unproven; // new said 25006 or the like: never mirror it again
};

struct shapes *shapes_new(void);
void shapes_free(struct shapes **shapes);
struct shape *shapes_find(struct shapes *shapes,
                          const struct shape_key *key); // a reference or NULL
// Takes the analysis; gives the entry now in force (another thread may have been first), a reference.
struct shape *shapes_put(struct shapes *shapes, const struct shape_key *key,
                         struct analysis **analysis);
void shape_unref(struct shape **shape);
void shape_learn(struct shapes *shapes, struct shape *shape, enum side side,
                 const struct reply_column *columns, size_t count);
struct shape_columns *shape_columns(struct shapes *shapes, struct shape *shape,
                                    enum side side); // a reference or NULL
void shape_columns_unref(struct shape_columns **columns);
void shape_learn_rewrite(struct shapes *shapes, struct shape *shape, const char *sql, size_t length,
                         const char *new_sql, bool is_whole);
struct shape_rewrite *shape_rewrite(struct shapes *shapes,
                                    struct shape *shape); // a reference or NULL
void shape_rewrite_unref(struct shape_rewrite **rewrite);

#endif
