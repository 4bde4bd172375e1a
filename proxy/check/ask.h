// Questions to the sides' catalogs. Each side is asked within one transaction that can write nothing, waits for no
// lock for long, and has an empty search_path, so that nobody's own operators and functions answer.
#ifndef PROXY_CHECK_ASK_H
#define PROXY_CHECK_ASK_H

#include "proxy/check/check_parts.h"

// Opens the transaction, and remembers the session's search_path. False: the side is lost, which is said.
bool ask_begin(struct check *check, enum side side);
// One statement, with one text parameter or none (NULL). NULL: it failed, check->links[side].error says why; the
// next question can still be asked.
PGresult *ask(struct check *check, enum side side, const char *sql, const char *parameter);
// Likewise; a failure is said as a note that `what` could not be read.
PGresult *ask_or_note(struct check *check, enum side side, const char *sql, const char *what);
// Of both sides. False: one is away or failed, and there is nothing to clear.
bool ask_both(struct check *check, const char *sql, const char *what, PGresult *results[2]);
// Is a side away, so that nothing can be compared?
bool ask_is_alone(const struct check *check);
int ask_version(const struct check *check, enum side side); // 150003; 0: away
// A copy of what the server printed, without the schemas that this side's session finds things in: `v2.status` of
// a session with search_path v2 is `status`. The caller frees it; NULL: no memory.
char *ask_strip(const struct check *check, enum side side, const char *text);

// The beginning of a statement: `path` (n, name) is the session's search_path, schemas that do not exist included.
#define ASK_PATH                                                                                   \
    "WITH path AS (SELECT min(n) AS n, name FROM (SELECT n, CASE s WHEN '$user' THEN"              \
    " current_user::text ELSE s END AS name FROM (SELECT n, btrim(t, ' \"') AS s FROM"             \
    " regexp_split_to_table(current_setting('pgrehearse.search_path'), ',')"                       \
    " WITH ORDINALITY AS u(t, n)) AS v) AS w GROUP BY name) "
// A name as the session says it: without the schema where the session finds it so. `rivals`: what names must not be
// equal in two schemas. Needs `LEFT JOIN path ON path.name = n.nspname`.
#define ASK_NAME(name, rivals)                                                                     \
    "CASE WHEN path.n = min(path.n) OVER (PARTITION BY " rivals ") THEN " name "::text"            \
    " ELSE n.nspname || '.' || " name " END"
#define ASK_NO_SYSTEM "n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'"
#define ASK_NO_EXTENSION(class, oid)                                                               \
    "NOT EXISTS (SELECT FROM pg_depend d WHERE d.deptype = 'e' AND d.classid = '" class "'::"      \
                                                                                        "regclass" \
                                                                                        " AND "    \
                                                                                        "d.objid " \
                                                                                        "= " oid   \
                                                                                        ")"
// Also `relation` (oid, object, label): what reads can name and no extension owns; partitions are left out, the
// partitioned table stands for them.
#define ASK_RELATIONS                                                                              \
    ASK_PATH                                                                                       \
    ", relation AS (SELECT c.oid, " ASK_NAME(                                                      \
        "c.relname", "c.relname") " AS object,"                                                    \
                                  " n.nspname || '.' || c.relname AS label FROM pg_class c"        \
                                  " JOIN pg_namespace n ON n.oid = c.relnamespace LEFT JOIN path " \
                                  "ON path.name = n.nspname"                                       \
                                  " WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND NOT "         \
                                  "c.relispartition AND " ASK_NO_SYSTEM                            \
                                  " AND " ASK_NO_EXTENSION("pg_class", "c.oid") ") "

#endif
