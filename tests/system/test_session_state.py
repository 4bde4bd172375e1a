"""What a session has set is replayed for its mirrored reads: each gives `match` at once, though its answer depends on it.

A case is a list of steps, run on one session through the proxy. A step that starts with a mark is a read:

    = SELECT …    is compared and matches
    ≠ SELECT …    the same, and a plain session gets another answer: without the state on new it would not match
    ? SELECT …    is not compared (the case says why), whatever its answer

Other steps are statements; those that start with ! must fail. Every case runs by simple Query, by Parse of the unnamed
statement, and by named prepared statements. A step that holds several statements is always one simple Query.
"""

import itertools

import psycopg
import pytest

from proxy import wait_until

SCHEMA = """
CREATE TABLE items (id int PRIMARY KEY, name text, price numeric, note text, weight float8, made timestamptz, span interval,
    raw bytea, day date);
INSERT INTO items SELECT i, 'running item ' || i, i * 1.25, CASE WHEN i % 2 = 0 THEN 'note' END, i / 7.0,
    '2024-07-01 00:00+00'::timestamptz + i * interval '1 hour', i * interval '1 day 2 hours 3 minutes', 'a\\\\b', '2024-02-03'
    FROM generate_series(1, 20) i;
CREATE SCHEMA one; CREATE SCHEMA two;
CREATE TABLE one.things (id int, what text); INSERT INTO one.things VALUES (1, 'of one');
CREATE TABLE two.things (id int, what text); INSERT INTO two.things VALUES (1, 'of two');
CREATE TABLE things (id int, what text); INSERT INTO things VALUES (1, 'of public');
CREATE TABLE tenants (id int, tenant text, owner name, what text);
INSERT INTO tenants SELECT i, (ARRAY['a', 'b', 'c'])[i % 3 + 1], (ARRAY['app', 'clerk', 'boss'])[i % 3 + 1], 'row ' || i
    FROM generate_series(1, 30) i;
CREATE TABLE owned (LIKE tenants); INSERT INTO owned SELECT * FROM tenants;
GRANT ALL ON ALL TABLES IN SCHEMA public TO PUBLIC; GRANT ALL ON ALL TABLES IN SCHEMA one, two TO PUBLIC;
GRANT USAGE ON SCHEMA one, two TO PUBLIC;
ALTER TABLE tenants ENABLE ROW LEVEL SECURITY; ALTER TABLE tenants FORCE ROW LEVEL SECURITY;
CREATE POLICY by_tenant ON tenants USING (tenant = current_setting('app.tenant_id', true));
ALTER TABLE owned ENABLE ROW LEVEL SECURITY; ALTER TABLE owned FORCE ROW LEVEL SECURITY;
CREATE POLICY by_owner ON owned USING (owner = current_user);
CREATE FUNCTION set_tenant(t text) RETURNS text LANGUAGE sql AS $$ SELECT set_config('app.tenant_id', t, false) $$;
CREATE VIEW tenant_b AS SELECT set_config('app.tenant_id', 'b', false) AS tenant;
CREATE FUNCTION owners_rows() RETURNS bigint LANGUAGE sql STABLE SECURITY DEFINER AS 'SELECT count(*) FROM owned';
CREATE FUNCTION callers_rows() RETURNS bigint LANGUAGE sql STABLE AS 'SELECT count(*) FROM owned';
CREATE FUNCTION of_two() RETURNS text LANGUAGE sql STABLE SET search_path = two AS 'SELECT what FROM things';
"""
ROLES = """
CREATE ROLE clerk LOGIN; CREATE ROLE boss LOGIN; GRANT clerk, boss TO app; CREATE ROLE su LOGIN SUPERUSER;
"""

MADE = "SELECT id, made::text FROM items WHERE id < 3"
THINGS = "SELECT id, what FROM things"
TENANTS = "SELECT id, what FROM tenants"
OWNED = "SELECT id, what FROM owned"
ZONE = "SET TimeZone = 'Asia/Tokyo'"

SETTINGS = {  # each of them changes an answer
    "datestyle": ["SET DateStyle = 'German, DMY'", "≠ " + MADE],
    "datestyle_input": ["SET DateStyle = 'ISO, DMY'", "≠ SELECT id, ('01/02/2024' || '')::date::text FROM items WHERE id = 1"],
    "timezone": [ZONE, "≠ " + MADE],
    "time_zone": ["SET TIME ZONE 'Asia/Tokyo'", "≠ " + MADE],
    "time_zone_number": ["SET TIME ZONE -8", "≠ " + MADE],
    "time_zone_interval": ["SET TIME ZONE INTERVAL '-08:00' HOUR TO MINUTE", "≠ " + MADE],
    "time_zone_posix": ["SET TIME ZONE '<A>-3'", "≠ " + MADE],
    "time_zone_local": [ZONE, "SET TIME ZONE LOCAL", "= " + MADE],
    "intervalstyle": ["SET IntervalStyle = 'iso_8601'", "≠ SELECT id, span::text FROM items WHERE id = 3"],
    "extra_float_digits": ["SET extra_float_digits = -5", "≠ SELECT id, weight FROM items WHERE id = 3"],
    "extra_float_digits_text": ["SET extra_float_digits TO 0", "≠ SELECT id, weight::text FROM items WHERE id < 9"],
    "bytea_output": ["SET bytea_output = 'escape'", "≠ SELECT id, raw::text FROM items WHERE id = 1"],
    "xmlbinary": ["SET xmlbinary = hex", "≠ SELECT id, xmlelement(name x, raw)::text FROM items WHERE id = 1"],
    "xmloption": ["SET XML OPTION DOCUMENT", "! ≠ SELECT id, name::xml::text FROM items WHERE id = 1"],
    "array_nulls": ["SET array_nulls = off", "≠ SELECT id, (('{' || 'NULL' || '}')::text[])[1] IS NULL FROM items WHERE id = 1"],
    "quote_all_identifiers": ["SET quote_all_identifiers = on", "≠ SELECT id, quote_ident('a' || id) FROM items WHERE id = 1"],
    "default_text_search_config": ["SET default_text_search_config = 'simple'",
                                   "≠ SELECT id, to_tsvector(name)::text FROM items WHERE id = 1"],
    "transform_null_equals": ["SET transform_null_equals = on", "≠ SELECT count(*) FROM items WHERE note = NULL"],
    "timezone_abbreviations": ["SET timezone_abbreviations = 'Australia'",
                               "≠ SELECT id, ('2024-01-01 12:00 ' || 'EST')::timestamptz::text FROM items WHERE id = 1"],
    "custom": ["SET app.tenant_id = 'b'", "≠ " + TENANTS],
    "custom_session": ["SET SESSION app.tenant_id TO b", "≠ " + TENANTS],
    "custom_quotes": ["SET app.tenant_id = E'it''s \\\\ \\n \u00fc \u2603 \U0001f600'",
                      "≠ SELECT id, current_setting('app.tenant_id', true) FROM items WHERE id = 1"],
    "custom_shown": ["SET app.x.y = 'c'", "≠ SELECT id, current_setting('app.x.y', true) FROM items WHERE id = 1"],
    "work_mem": ["SET work_mem = '7MB'", "≠ SELECT id, current_setting('work_mem') FROM items WHERE id = 1"],
    "characteristics": ["SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL SERIALIZABLE, READ ONLY, DEFERRABLE",
                        "≠ SELECT id, current_setting('default_transaction_isolation') || current_setting("
                        "'default_transaction_read_only') FROM items WHERE id = 1"],
    "isolation_of_the_mirrored": ["BEGIN ISOLATION LEVEL SERIALIZABLE READ WRITE", "= " + MADE, "COMMIT"],
    "set_transaction": ["BEGIN", "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY", "= " + MADE, "COMMIT"],
    "planner": ["SET enable_seqscan = off", "SET plan_cache_mode = force_generic_plan", "SET random_page_cost = 1.5",
                "SET gin_fuzzy_search_limit = 100", "SET statement_timeout = '50s'", "SET lc_numeric = 'C.UTF-8'",
                "SET lc_monetary = 'C.UTF-8'", "SET lc_time = 'C.UTF-8'", "SET escape_string_warning = off", "= " + MADE],
    "search_path": ["SET search_path = one, public", "≠ " + THINGS],
    "search_path_schema": ["SET SCHEMA 'two'", "≠ " + THINGS],
    "search_path_quoted": ["SET search_path TO \"$user\", 'two'", "≠ " + THINGS],
    "names": ["SET NAMES 'LATIN1'", "= SELECT id, name || '\u00fc' FROM items WHERE id = 1", "SET NAMES DEFAULT", "= " + MADE],
    "reset": [ZONE, "SET app.tenant_id = 'a'", "RESET TimeZone", "= " + MADE, "≠ " + TENANTS, "RESET app.tenant_id", "= " + TENANTS],
    "to_default": [ZONE, "SET bytea_output = 'escape'", "SET TimeZone TO DEFAULT", "= " + MADE, "SET bytea_output TO DEFAULT",
                   "= SELECT id, raw::text FROM items WHERE id = 1"],
    "reset_all": [ZONE, "SET search_path = two", "SET ROLE clerk", "RESET ALL", "= " + MADE, "= " + THINGS, "≠ " + OWNED],
    "twice": ["SET app.tenant_id = 'a'", "SET APP.TENANT_ID = 'b'", "≠ " + TENANTS],
    "same_value_again": ["SET TimeZone = 'UTC'", "SET TimeZone = 'UTC'", "= " + MADE],
    "standard_conforming_strings": ["SET standard_conforming_strings = off", "? " + MADE,
                                    "SET standard_conforming_strings = on", "= " + MADE],
    "refused": ["! SET TimeZone = 'Nowhere'", "= " + MADE, "! SET no_such_setting = 1", "= " + MADE],
    "permission_denied": ["! SET session_replication_role = replica", "= " + MADE],
}

TRANSACTIONS = {
    "commit": ["BEGIN", ZONE, "≠ " + MADE, "COMMIT", "≠ " + MADE],
    "rollback": ["BEGIN", ZONE, "≠ " + MADE, "ROLLBACK", "= " + MADE],
    "failure": ["BEGIN", ZONE, "≠ " + MADE, "! SELECT 1/0", "ROLLBACK", "= " + MADE],
    "commit_of_failed": ["BEGIN", "SET app.tenant_id = 'a'", "! SELECT 1/0", "COMMIT", "= " + TENANTS],
    "local": ["BEGIN", "SET LOCAL TimeZone = 'Asia/Tokyo'", "≠ " + MADE, "COMMIT", "= " + MADE],
    "local_over_session": ["SET app.tenant_id = 'a'", "BEGIN", "SET app.tenant_id = 'b'", "SET LOCAL app.tenant_id = 'c'", "≠ " + TENANTS,
                           "COMMIT", "≠ " + TENANTS],
    "session_over_local": ["BEGIN", "SET LOCAL app.tenant_id = 'c'", "SET app.tenant_id = 'b'", "≠ " + TENANTS, "COMMIT", "≠ " + TENANTS],
    "local_default": ["SET search_path = one", "BEGIN", "SET LOCAL search_path TO DEFAULT", "= " + THINGS, "COMMIT", "≠ " + THINGS],
    "local_outside": ["SET LOCAL TimeZone = 'Asia/Tokyo'", "= " + MADE],
    "reset_inside": ["SET search_path = one", "BEGIN", "RESET search_path", "= " + THINGS, "ROLLBACK", "≠ " + THINGS],
    "reset_all_inside": ["SET search_path = one, public", ZONE, "BEGIN", "RESET ALL", "= " + THINGS, "= " + MADE, "ROLLBACK",
                         "≠ " + THINGS, "≠ " + MADE],
    "savepoint": ["BEGIN", "SET search_path = one", "SAVEPOINT s", "SET search_path = two", "≠ " + THINGS, "ROLLBACK TO s", "≠ " + THINGS,
                  "COMMIT", "≠ " + THINGS],
    "savepoint_reported": ["BEGIN", "SAVEPOINT s", ZONE, "≠ " + MADE, "ROLLBACK TO s", "= " + MADE, "COMMIT", "= " + MADE],
    "released": ["BEGIN", "SAVEPOINT s", "SET search_path = two", "RELEASE s", "≠ " + THINGS, "COMMIT", "≠ " + THINGS],
    "released_then_rolled_back": ["BEGIN", "SAVEPOINT s", "SET search_path = two", "RELEASE s", "ROLLBACK", "= " + THINGS],
    "equal_names": ["BEGIN", "SET search_path = one", "SAVEPOINT s", "SET search_path = two", "SAVEPOINT s", "SET search_path = public",
                    "ROLLBACK TO s", "≠ " + THINGS, "RELEASE s", "ROLLBACK TO s", "≠ " + THINGS, "COMMIT", "≠ " + THINGS],
    "nested": ["BEGIN", "SAVEPOINT a", "SET search_path = one", "SAVEPOINT b", "SET search_path = two", "SAVEPOINT c", "RELEASE b",
               "≠ " + THINGS, "ROLLBACK TO a", "= " + THINGS, "COMMIT"],
    "local_in_savepoint": ["BEGIN", "SAVEPOINT s", "SET LOCAL search_path = two", "RELEASE s", "≠ " + THINGS, "COMMIT", "= " + THINGS],
    "failure_in_savepoint": ["BEGIN", "SET search_path = one", "SAVEPOINT s", "SET search_path = two", "! SELECT 1/0", "ROLLBACK TO s",
                             "≠ " + THINGS, "COMMIT", "≠ " + THINGS],
    "chain": ["BEGIN", "SET LOCAL search_path = one", "≠ " + THINGS, "COMMIT AND CHAIN", "= " + THINGS, "SET search_path = two",
              "≠ " + THINGS, "ROLLBACK AND CHAIN", "= " + THINGS, "COMMIT"],
    "prepare_transaction": ["BEGIN", "SET search_path = one, public", "PREPARE TRANSACTION 'x'", "ROLLBACK PREPARED 'x'", "≠ " + THINGS],
    "prepare_transaction_fails": ["BEGIN", "SET search_path = one", "CREATE TEMP TABLE passing (i int)", "! PREPARE TRANSACTION 'y'",
                                  "= " + THINGS],
    "deferred_failure": ["CREATE TABLE IF NOT EXISTS d (i int UNIQUE DEFERRABLE INITIALLY DEFERRED)", "BEGIN", "SET app.tenant_id = 'a'",
                         "INSERT INTO d VALUES (1), (1)", "! COMMIT", "= " + TENANTS],
    "implicit": ["SET search_path = one, public; SET app.tenant_id = 'a'", "≠ " + THINGS, "≠ " + TENANTS],
    "implicit_failure": ["! SET search_path = one; SET TimeZone = 'Asia/Tokyo'; SELECT 1/0", "= " + THINGS, "= " + MADE],
    "implicit_local": ["≠ SET LOCAL search_path = one; SELECT id, what FROM things", "= " + THINGS],
    "implicit_begin": ["SET search_path = one; BEGIN; SET app.tenant_id = 'a'", "≠ " + THINGS, "ROLLBACK", "= " + THINGS, "= " + TENANTS],
    "commit_then_failure": ["! BEGIN; SET search_path = one, public; COMMIT; SET app.tenant_id = 'a'; SELECT 1/0", "≠ " + THINGS, "= " + TENANTS],
    "rollback_then_set": ["BEGIN", "SET search_path = two; ROLLBACK; SET app.tenant_id = 'b'", "= " + THINGS, "≠ " + TENANTS],
    "between_reads": ["≠ SET TimeZone = 'Asia/Tokyo'; SELECT id, made::text FROM items WHERE id < 3",
                      "≠ SET TimeZone = 'America/Lima'; SELECT id, made::text FROM items WHERE id < 3",
                      "= RESET TimeZone; SELECT id, made::text FROM items WHERE id < 3",
                      "≠ SET DateStyle = 'SQL'; SELECT id, made::text FROM items WHERE id < 3", "RESET DateStyle", "= " + MADE],
}

CONFIG = {
    "in_a_write": ["DELETE FROM things WHERE set_config('search_path', 'one, public', false) = ''", "? " + THINGS,
                   "SET search_path = two, public", "≠ " + THINGS],
    "in_a_cursor": ["BEGIN", "DECLARE c CURSOR FOR SELECT set_config('search_path', 'one, public', false)", "SET search_path = two, public",
                    "FETCH c", "? " + THINGS, "COMMIT", "? " + THINGS, "DISCARD ALL", "= " + THINGS],
    "in_a_write_by_a_function": ["UPDATE things SET id = 1 WHERE set_tenant('b') = ''", "? " + TENANTS, "DISCARD ALL", "= " + TENANTS],
    "session": ["? SELECT set_config('search_path', 'one, public', false)", "≠ " + THINGS],
    "local": ["BEGIN", "? SELECT set_config('app.tenant_id', 'a', true)", "≠ " + TENANTS, "COMMIT", "= " + TENANTS],
    "local_outside": ["? SELECT set_config('app.tenant_id', 'a', true)", "= " + TENANTS],
    "several": ["BEGIN", "? SELECT set_config('search_path', 'two', true), set_config('role', 'clerk', true), "
                "set_config('app.tenant_id', 'c', true), set_config('TimeZone', 'Asia/Tokyo', true)", "≠ " + THINGS,
                "≠ SELECT id, what FROM public.owned", "≠ SELECT id, what FROM public.tenants",
                "≠ SELECT id, made::text FROM public.items WHERE id < 3", "COMMIT", "= " + OWNED, "= " + MADE, "= " + THINGS],
    "computed": ["? SELECT set_config('app.tenant_id', lower('B'), false)", "≠ " + TENANTS],
    "computed_zone": ["? SELECT set_config('TimeZone', 'Asia/' || 'Tokyo', false)", "≠ " + MADE],
    "computed_local": ["BEGIN", "? SELECT set_config('app.tenant_id', substr('xb', 2), true)", "≠ " + TENANTS, "ROLLBACK", "= " + TENANTS],
    "cast": ["? SELECT set_config('app.tenant_id', 'b'::text, 'f'::bool)", "≠ " + TENANTS],
    "from_a_table": ["? SELECT set_config('app.tenant_id', tenant, false) FROM (VALUES ('a'), ('b')) v (tenant)", "≠ " + TENANTS],
    "from_no_row": ["SET app.tenant_id = 'c'", "? SELECT set_config('app.tenant_id', 'b', false) WHERE false", "≠ " + TENANTS],
    "null": ["SET search_path = one", "? SELECT set_config('search_path', NULL, false)", "= " + THINGS],
    "rolled_back": ["BEGIN", "? SELECT set_config('app.tenant_id', 'a', false)", "≠ " + TENANTS, "ROLLBACK", "= " + TENANTS],
    "unknown_taints_its_setting_alone": [
        "? SELECT length(set_config('app.tenant_id', lower('B'), false))", "? " + TENANTS, "SET app.tenant_id = 'b'", "≠ " + TENANTS],
    "unknown_until_reported": ["? SELECT length(set_config('TimeZone', 'Asia/' || 'Tokyo', false))", "≠ " + MADE],
    "unknown_until_rollback": ["BEGIN", "? SELECT length(set_config('app.tenant_id', lower('B'), false))", "? " + MADE, "ROLLBACK", "= " + TENANTS],
    "in_a_function": ["? SELECT set_tenant('b')", "? " + TENANTS, "DISCARD ALL", "= " + TENANTS],
    "in_a_do_block": ["DO $$ BEGIN PERFORM set_config('app.tenant_id', 'b', false); END $$", "? " + TENANTS, "DISCARD ALL", "= " + TENANTS],
    "in_a_do_block_as_set": ["DO $$ BEGIN SET app.tenant_id = 'b'; END $$", "? " + TENANTS, "DISCARD ALL", "= " + TENANTS],
    "a_do_block_without": ["DO $$ BEGIN PERFORM 1; END $$", "= " + TENANTS],
}

TEMPORARY = {
    "hides_a_table": ["CREATE TEMP TABLE things AS SELECT 9 AS id, 'mine'::text AS what", "? " + THINGS, "= " + MADE, "DROP TABLE things", "= " + THINGS],
    "drop_qualified": ["CREATE TEMP TABLE things (id int, what text)", "? " + THINGS, "DROP TABLE pg_temp.things", "= " + THINGS],
    "rolled_back": ["BEGIN", "CREATE TEMP TABLE things (id int, what text)", "? " + THINGS, "ROLLBACK", "= " + THINGS],
    "drop_rolled_back": ["CREATE TEMP TABLE things (id int, what text)", "BEGIN", "DROP TABLE things", "ROLLBACK", "? " + THINGS],
    "on_commit_drop": ["BEGIN", "CREATE TEMP TABLE things (id int, what text) ON COMMIT DROP", "? " + THINGS, "COMMIT", "= " + THINGS],
    "select_into": ["SELECT 1 AS id, 'x'::text AS what INTO TEMP things", "? " + THINGS, "DISCARD TEMP", "= " + THINGS],
    "view": ["CREATE TEMP VIEW things AS SELECT 1 AS id, 'x'::text AS what", "? " + THINGS, "DROP VIEW things", "= " + THINGS],
    "renamed": ["CREATE TEMP TABLE other (id int, what text)", "ALTER TABLE other RENAME TO things", "? " + THINGS, "DISCARD ALL", "= " + THINGS],
    "another_name": ["CREATE TEMP TABLE mine (id int)", "INSERT INTO mine VALUES (1)", "? SELECT id FROM mine", "= " + THINGS, "= " + MADE],
    "in_a_join": ["CREATE TEMP TABLE mine (id int)", "? SELECT i.id, i.name FROM items i JOIN mine USING (id)", "= " + MADE],
    "function": ["CREATE FUNCTION pg_temp.f() RETURNS int LANGUAGE sql AS 'SELECT 1'", "? SELECT id, pg_temp.f() FROM items WHERE id = 1", "= " + MADE],
    "type": ["CREATE DOMAIN pg_temp.short AS text CHECK (length(VALUE) < 3)", "? SELECT id, what::short FROM things WHERE false", "= " + THINGS],
    "discard_all": ["CREATE TEMP TABLE things (id int, what text)", "DISCARD ALL", "= " + THINGS],
    "held_cursor": ["BEGIN", "DECLARE c CURSOR WITH HOLD FOR SELECT id FROM items", "COMMIT", "FETCH 2 FROM c", "= " + MADE, "CLOSE c"],
    "advisory_lock": ["? SELECT pg_advisory_lock(1)", "= " + MADE, "? SELECT pg_advisory_unlock(1)", "= " + MADE],
    "advisory_lock_in_a_transaction": ["BEGIN", "? SELECT pg_advisory_xact_lock(2)", "= " + MADE, "COMMIT", "= " + MADE],
    "listen": ["LISTEN here", "= " + MADE, "UNLISTEN *", "= " + MADE],
}

ROLE = {
    "set_role": ["SET ROLE clerk", "≠ " + OWNED, "RESET ROLE", "= " + OWNED],
    "set_role_none": ["SET ROLE boss", "≠ " + OWNED, "SET ROLE NONE", "= " + OWNED],
    "local": ["BEGIN", "SET LOCAL ROLE boss", "≠ " + OWNED, "COMMIT", "= " + OWNED],
    "rolled_back": ["BEGIN", "SET ROLE boss", "≠ " + OWNED, "ROLLBACK", "= " + OWNED],
    "search_path_of_user": ["SET ROLE clerk", "SET search_path = \"$user\", two", "≠ " + THINGS],
    "security_definer": ["SET ROLE clerk", "= SELECT owners_rows()", "= SELECT callers_rows()"],
    "function_with_set": ["SET search_path = public, one", "= SELECT of_two()"],
    "discard_all": ["SET ROLE boss", "SET search_path = one", ZONE, "DISCARD ALL", "= " + OWNED, "= " + THINGS, "= " + MADE],
    "as_role_before": ["SET ROLE clerk", "SET app.tenant_id = 'b'", "≠ " + TENANTS, "RESET ROLE", "≠ " + TENANTS],
}

PREPARED = {
    "plain": ["PREPARE p AS SELECT id, name FROM items WHERE id < 4", "= EXECUTE p", "DEALLOCATE p", "! EXECUTE p"],
    "parameters": ["PREPARE p (int, text) AS SELECT id, name || $2 FROM items WHERE id = $1", "= EXECUTE p (3, 'x')", "= EXECUTE p (4, NULL)",
                   "= EXECUTE p ((1 + 1), upper('y'))"],
    "inferred": ["PREPARE p AS SELECT id, name FROM items WHERE id = $1", "= EXECUTE p (3)"],
    "path_of_now": ["PREPARE p AS SELECT id, what FROM things", "= EXECUTE p", "SET search_path = one", "= EXECUTE p"],
    "role_of_now": ["PREPARE p AS SELECT id, what FROM owned", "= EXECUTE p", "SET ROLE clerk", "= EXECUTE p"],
    "in_a_transaction": ["BEGIN", "PREPARE p AS SELECT id, made::text FROM items WHERE id = 1", "SET LOCAL TimeZone = 'Asia/Tokyo'", "= EXECUTE p", "ROLLBACK",
                         "= EXECUTE p"],
    "of_a_write": ["CREATE TABLE IF NOT EXISTS log (i int)", "PREPARE p AS INSERT INTO log VALUES ($1)", "BEGIN", "EXECUTE p (1)", "? " + MADE, "COMMIT",
                   "= " + MADE],
    "in_an_aborted_transaction": ["BEGIN", "! SELECT 1/0", "! PREPARE p AS SELECT id FROM items", "ROLLBACK", "! EXECUTE p"],
    "of_a_clock": ["PREPARE p (timestamptz) AS SELECT id, $1 FROM items WHERE id = 1", "? EXECUTE p (now())", "= EXECUTE p ('2024-01-01 00:00+00')"],
    "of_no_relation": ["PREPARE p AS SELECT 1", "? EXECUTE p"],
    "table_as": ["PREPARE p AS SELECT id FROM items", "CREATE TEMP TABLE made AS EXECUTE p", "= EXECUTE p"],
    "explain": ["PREPARE p AS SELECT id FROM items", "BEGIN", "? EXPLAIN EXECUTE p", "= EXECUTE p", "COMMIT"],
    "deallocate_all": ["PREPARE p AS SELECT id FROM items", "DEALLOCATE ALL", "PREPARE p AS SELECT name FROM items", "= EXECUTE p"],
    "discard_all": ["PREPARE p AS SELECT id FROM items", "DISCARD ALL", "PREPARE p AS SELECT name FROM items", "= EXECUTE p"],
    "discard_plans": ["PREPARE p AS SELECT id FROM items", "DISCARD PLANS", "= EXECUTE p"],
    "user_type": ["PREPARE p (items) AS SELECT ($1).id FROM items", "? EXECUTE p (NULL)"],
    "non_ascii": ["PREPARE \"\u00fc\" AS SELECT id, name || '\u00fc' FROM items WHERE id = 2", "= EXECUTE \"\u00fc\""],
}

GROUPS = {"settings": SETTINGS, "transactions": TRANSACTIONS, "config": CONFIG, "temporary": TEMPORARY, "role": ROLE, "prepared": PREPARED}


@pytest.fixture(scope="module")
def roles(pair):
    for side in (pair.old, pair.new):
        side.psql(ROLES)
    yield
    for side in (pair.old, pair.new):
        side.psql("DROP ROLE clerk, boss, su")


@pytest.fixture
def state(pair, roles):
    name = pair.database(SCHEMA)
    yield name
    pair.forget(name)


def answer(result):
    if result.status == psycopg.pq.ExecStatus.TUPLES_OK:
        return sorted(tuple(result.get_value(row, column) for column in range(result.nfields)) for row in range(result.ntuples))
    return result.error_field(psycopg.pq.DiagnosticField.SQLSTATE)


def run(connection, sql, protocol, encoding="utf-8"):
    """The last result of a step."""
    pgconn, text = connection.pgconn, sql.encode(encoding)
    if protocol == "simple" or ";" in sql:
        return pgconn.exec_(text)
    if protocol == "extended":
        return pgconn.exec_params(text, None)
    name = b"s%d" % next(NUMBERS)
    prepared = pgconn.prepare(name, text)
    if prepared.status == psycopg.pq.ExecStatus.FATAL_ERROR:
        return prepared
    return pgconn.exec_prepared(name, None)


def play(connection, plain, steps, protocol):
    """Runs a case; gives how many reads must be compared, and what is wrong with the case itself."""
    compared = 0
    for step in steps:
        fails = step.startswith("! ")
        step = step[2:] if fails else step
        mark, sql = (step[0], step[2:]) if step[0] in "=≠?" else ("", step)
        result = run(connection, sql, protocol)
        failed = result.status == psycopg.pq.ExecStatus.FATAL_ERROR
        if failed != fails:
            return 0, f"{step}: {result.error_message}"
        compared += mark in ("=", "≠")
        if mark == "≠":
            usual = plain.pgconn.exec_(sql.split("; ")[-1].encode())
            if answer(result) == answer(usual):
                return 0, f"does not depend on the state: {step}"
    return compared, None


VERDICTS = ("match", "mismatch", "lagging", "unstable", "unverified", "dropped")


def delta(after, before):
    return {key: after[key] - before[key] for key in VERDICTS + ("reads", "compared")}


NUMBERS = itertools.count()
LAST = "SELECT relname FROM pg_catalog.pg_class LIMIT 1"  # is skipped as system_catalog, whatever the state


def heard(proxy, dbname, connection, lasts):
    """The STATUS when the session's reads are all in the books: its LAST is the `lasts`th. Where catalogs take too long to be
    read, that one may be dropped, too."""
    if connection.pgconn.transaction_status != psycopg.pq.TransactionStatus.IDLE:
        connection.pgconn.exec_(b"ROLLBACK")
    connection.pgconn.exec_(LAST.encode())

    def is_heard():
        return proxy.skipped(dbname).get("system_catalog", 0) + int(proxy.status(dbname)["dropped"]) >= lasts
    wait_until(is_heard, what=lambda: f"{lasts}: {proxy.skipped(dbname)} {proxy.status(dbname)}\n{proxy.said()}")
    return proxy.settled(dbname)


@pytest.mark.parametrize("protocol", ["simple", "extended", "named"])
@pytest.mark.parametrize("group", GROUPS)
def test_reads_match_under_the_state_of_their_session(start, pair, state, group, protocol):
    proxy, failures, lasts = start(state), [], 0
    with pair.old.connect(state) as plain:
        plain.execute("SELECT 1")
        with proxy.connect(state) as first:  # the catalogs have been read when this one is compared
            status = proxy.warmed(state, lambda: run(first, MADE, "simple"))
        for name, steps in GROUPS[group].items():
            for _ in range(3):  # what is dropped on a machine that is too busy is neither right nor wrong
                before, lasts = status, lasts + 1
                with proxy.connect(state) as connection:
                    compared, error = play(connection, plain, steps, protocol)
                    status = heard(proxy, state, connection, lasts)
                found = delta(status, before)
                if not found["dropped"]:
                    break
                lasts = proxy.skipped(state)["system_catalog"] + status["dropped"]
            wanted = {**dict.fromkeys(VERDICTS, 0), "match": compared, "compared": compared}
            wrong = {key: found[key] for key in wanted if found[key] != wanted[key]}
            if error or wrong:
                failures.append(f"{name}: {error or f'wanted {compared} matches, got {wrong}; skipped so far {proxy.skipped(state)}'}")
    assert not failures, "\n".join(failures)


class Counted:
    """A proxy before one database, and what a session through it has added to the books."""

    def __init__(self, proxy, dbname):
        self.proxy, self.dbname, self.sessions = proxy, dbname, 0
        with proxy.connect(dbname) as first:
            self.status = proxy.warmed(dbname, lambda: first.pgconn.exec_(MADE.encode()))
        self.reasons = proxy.skipped(dbname)

    def expect(self, connection, matches=0, **reasons):
        """So many reads of the session matched, and so many were skipped for each reason; nothing else became of any."""
        self.sessions += 1
        status, skipped = heard(self.proxy, self.dbname, connection, self.sessions), self.proxy.skipped(self.dbname)
        found = delta(status, self.status)
        more = {reason: count - self.reasons.get(reason, 0) for reason, count in skipped.items()
                if reason != "system_catalog" and count != self.reasons.get(reason, 0)}
        self.status, self.reasons = status, skipped
        assert more == reasons, f"{found} {more} {skipped} {status}"
        assert found["match"] == found["compared"] == matches and found["dropped"] == 0, f"{found} {more}"


@pytest.fixture
def proxy_of(start, state):
    def begin(entry=None, **sections):
        return Counted(start(state, entry, **sections), state)
    return begin


def test_what_costs_much_only_since_a_plan_is_switched_off_is_not_compiled_on_new(pair, state, proxy_of):
    """Unless the client wants it so."""
    pair.new.psql(f"ALTER DATABASE {state} SET session_preload_libraries = 'auto_explain';"
                  f"ALTER DATABASE {state} SET auto_explain.log_min_duration = 0")
    counted, read = proxy_of(), "SELECT id, current_setting('jit') FROM items WHERE id + 1 > 2"
    scans = [f"enable_{scan} = off" for scan in ("seqscan", "bitmapscan", "indexscan")]

    def is_compiled(*settings):
        began = pair.new.log_size()
        with counted.proxy.connect(state) as connection:
            for setting in (*scans, *settings):
                connection.pgconn.exec_(f"SET {setting}".encode())
            connection.pgconn.exec_(read.encode())
            counted.expect(connection, matches=1)
        said = pair.new.said(began)
        assert "Seq Scan on items" in said, said
        return "JIT:" in said
    try:
        assert not is_compiled()
        assert is_compiled("jit = on")
        assert is_compiled("jit_above_cost = 10")
        assert not is_compiled("jit = off")
    finally:
        pair.new.psql(f"ALTER DATABASE {state} RESET session_preload_libraries;"
                      f"ALTER DATABASE {state} RESET auto_explain.log_min_duration")


PATH_ONE = "set_config('search_path', 'one, public', false)"
LEFT_BEHIND = {  # what a session does; a read after it; why that one is not compared, None: it is
    "nothing": ([], THINGS, None),
    "set": (["SET search_path = two"], THINGS, None),
    "set_config": ([f"SELECT {PATH_ONE}"], THINGS, None),
    "set_config_in_cte": ([f"WITH a AS (SELECT {PATH_ONE}) SELECT * FROM a"], THINGS, "session_state"),
    "table_as": ([f"CREATE TABLE IF NOT EXISTS public.another AS SELECT {PATH_ONE}"], THINGS, "session_state"),
    "set_config_in_a_write": ([f"DELETE FROM things WHERE {PATH_ONE} = ''"], THINGS, "session_state"),
    "executed": ([f"PREPARE p AS SELECT {PATH_ONE}", "EXECUTE p"], THINGS, None),
    "in_a_function": (["SELECT set_tenant('b')"], TENANTS, "session_state"),
    "in_a_view": (["TABLE tenant_b"], TENANTS, "session_state"),
    "table": (["CREATE TEMP TABLE things (id int, what text)"], THINGS, "temporary_object"),
    "table_into": (["SELECT 1 AS id, 'x'::text AS what INTO TEMP things"], THINGS, "temporary_object"),
    "table_gone": (["CREATE TEMP TABLE things (id int, what text)", "DROP TABLE things"], THINGS, None),
    "table_renamed": (["CREATE TEMP TABLE other (id int, what text)", "ALTER TABLE other RENAME TO things"], THINGS, "temporary_object"),
    "type": (["CREATE DOMAIN pg_temp.short AS text"], "SELECT id, what::short FROM things", "temporary_object"),
}


def test_what_a_session_does_counts_later_though_nothing_is_mirrored_and_ddl_not_followed(start, state):
    proxy, failures = start(state, {"shadow": {"percent": 0}}), []
    reads = 0
    with proxy.connect(state) as first:
        proxy.console("SET shadow_percent = 100")
        reads = proxy.warmed(state, lambda: run(first, MADE, "simple"))["reads"]
    for number, (name, (steps, read, reason)) in enumerate(LEFT_BEHIND.items()):
        proxy.console("SET shadow_percent = 0")
        with proxy.connect(state) as connection:
            for sql in [f"CREATE TABLE passing{number} (i int)", *steps, "SELECT 1"]:  # all is followed when that one is booked
                assert run(connection, sql, "simple").status != psycopg.pq.ExecStatus.FATAL_ERROR, sql
                reads += sql.startswith(("SELECT", "WITH", "TABLE", "EXECUTE"))
            before, skipped = proxy.settled(state, reads), proxy.skipped(state)
            proxy.console("SET shadow_percent = 100")
            run(connection, read, "simple")
            reads += 1
            after = proxy.settled(state, reads)
        matches = after["match"] - before["match"]
        more = {why for why, count in proxy.skipped(state).items() if count > skipped.get(why, 0)}
        if (matches, more) != ((1, set()) if reason is None else (0, {reason})):
            failures.append(f"{name}: {matches} matches, skipped as {more}, {delta(after, before)}")
    assert not failures, "\n".join(failures)


def test_parameters_of_set_config_are_followed(proxy_of, state):
    counted = proxy_of()
    with counted.proxy.connect(state) as connection:
        for binary in (False, True):
            for value in ("a", "b", "\u00fc\u2603"):
                with connection.transaction():
                    connection.execute("SELECT set_config('app.tenant_id', %b, true), set_config(%s, %s, %b)" if binary else
                                       "SELECT set_config('app.tenant_id', %s, true), set_config(%s, %s, %s)",
                                       (value, "TimeZone", "Asia/Tokyo", True))
                    connection.execute(TENANTS)
                    connection.execute("SELECT id, current_setting('app.tenant_id') || made::text FROM items WHERE id = 1")
        connection.execute("SELECT set_config('app.tenant_id', %s::int::text, false)", (5,))
        connection.execute("SELECT id, current_setting('app.tenant_id') FROM items WHERE id = 1")
        connection.execute("SELECT set_config('app.tenant_id', %s, false)", (None,))
        connection.execute(TENANTS)
        counted.expect(connection, 14, volatile_function=8)


def test_pipelines_with_an_error_undo_what_they_set(proxy_of, state):
    counted = proxy_of()
    with counted.proxy.connect(state) as connection:
        with pytest.raises(psycopg.Error), connection.pipeline():
            connection.execute("SET search_path = one")
            connection.execute("SET app.tenant_id = 'a'")
            connection.execute("SELECT 1/(id - 1) FROM public.items WHERE id = 1")
            connection.execute("SET app.tenant_id = 'b'")
        assert connection.execute(THINGS).fetchall() == [(1, "of public")]
        assert connection.execute(TENANTS).fetchall() == []
        with connection.pipeline() as pipeline:
            connection.execute("SET search_path = two, public")
            connection.execute(THINGS)
            pipeline.sync()
            connection.execute("SET app.tenant_id = 'b'")
            connection.execute(TENANTS)
        assert connection.execute(THINGS).fetchall() == [(1, "of two")]
        counted.expect(connection, 6)


@pytest.mark.races
def test_prepared_statements_outlive_a_rollback_and_follow_the_path(proxy_of, state):
    counted = proxy_of()
    with counted.proxy.connect(state) as connection:
        pgconn = connection.pgconn
        pgconn.exec_(b"BEGIN")
        pgconn.prepare(b"p", THINGS.encode())
        pgconn.exec_(b"PREPARE q (int) AS SELECT id, what FROM things WHERE id = $1")
        pgconn.exec_(b"ROLLBACK")
        seen = []
        for path in (b"one", b"two", b"public"):
            pgconn.exec_(b"SET search_path = " + path)
            seen.append(answer(pgconn.exec_prepared(b"p", None)))
            assert answer(pgconn.exec_prepared(b"q", [b"1"])) == seen[-1]  # a Bind of what SQL prepared
            assert answer(pgconn.exec_(b"EXECUTE q (1)")) == seen[-1]
        assert len({str(one) for one in seen}) == 3
        pgconn.exec_(b"DEALLOCATE p")
        assert pgconn.prepare(b"p", b"SELECT id, name FROM public.items WHERE id = $1", [21]).status == psycopg.pq.ExecStatus.COMMAND_OK
        assert len(answer(pgconn.exec_prepared(b"p", [b"3"]))) == 1
        counted.expect(connection, 10)


def test_a_plan_whose_columns_have_changed_is_no_difference(proxy_of, state, pair):
    for side in (pair.old, pair.new):
        side.psql("CREATE TABLE one.wide (id int); CREATE TABLE two.wide (id text); GRANT ALL ON one.wide, two.wide TO app", state)
    counted = proxy_of()
    with counted.proxy.connect(state) as connection:
        pgconn = connection.pgconn
        pgconn.exec_(b"SET search_path = one")
        pgconn.exec_(b"PREPARE p AS SELECT id FROM wide")
        pgconn.exec_(b"EXECUTE p")
        pgconn.exec_(b"SET search_path = two")
        assert answer(pgconn.exec_(b"EXECUTE p")) == b"0A000"
        counted.expect(connection, 1, session_state=1)


@pytest.mark.parametrize("how", ["simple", "extended", "named"])
@pytest.mark.parametrize("size", [1000, 2000, 100_000])
def test_a_read_that_is_too_large_is_skipped_and_the_session_is_followed(proxy_of, state, how, size):
    counted = proxy_of({"shadow": {"max_request": "1KiB"}})
    with counted.proxy.connect(state) as connection:
        connection.execute("SET search_path = two")
        run(connection, f"SELECT id, what FROM things /* {'x' * size} */", how)
        connection.execute(THINGS)
        counted.expect(connection, 1, request_size=1)


@pytest.mark.parametrize("how", ["simple", "extended", "named"])
@pytest.mark.parametrize("size", [1000, 2000, 100_000])
def test_a_write_that_is_too_large_leaves_the_session_followed(proxy_of, state, pair, how, size):
    for side in (pair.old, pair.new):
        side.psql("CREATE TABLE texts (t text); GRANT ALL ON texts TO app", state)
    counted = proxy_of({"shadow": {"max_request": "1KiB"}})
    with counted.proxy.connect(state) as connection:
        connection.execute("SET search_path = two, public")
        run(connection, f"INSERT INTO texts VALUES ('{'x' * size}')", how)
        connection.execute(THINGS)
        counted.expect(connection, 1)


@pytest.mark.parametrize("size", [600, 2000, 3_000_000])
@pytest.mark.parametrize("is_binary", [False, True])
def test_large_values_do_not_hide_what_else_their_pipeline_does(proxy_of, state, pair, size, is_binary):
    for side in (pair.old, pair.new):
        side.psql("CREATE TABLE texts (t text); GRANT ALL ON texts TO app", state)
    counted, text = proxy_of({"shadow": {"max_request": "1KiB"}}), "x" * size
    with counted.proxy.connect(state) as connection:
        with connection.pipeline():
            connection.execute("SELECT set_config('search_path', %s, false)", ("two, public",))
            connection.execute(f"INSERT INTO texts VALUES (%{'b' if is_binary else 't'})", (text,))
            connection.execute("SELECT length(t), %s::text FROM texts", (text,))
            connection.execute("SET app.tenant_id = 'b'")
        connection.execute(THINGS)
        connection.execute(TENANTS)
        counted.expect(connection, 2, request_size=2)
        assert connection.execute("SELECT length(t) FROM texts").fetchone() == (size,)


@pytest.mark.parametrize("how", ["simple", "extended"])
def test_a_session_that_could_not_be_followed_is_again_from_discard_all_on(proxy_of, state, how):
    counted = proxy_of({"shadow": {"max_request": "1KiB"}})
    with counted.proxy.connect(state) as connection:
        connection.execute(MADE)
        connection.pgconn.exec_(f"SET search_path = one; SELECT 1 /* {'x' * 2000} */".encode())
        connection.execute(THINGS)
        connection.execute("SET search_path = two")  # one setting is known then, yet not the others
        connection.execute(THINGS)
        counted.expect(connection, 1, session_state=2, request_size=1)
        run(connection, "DISCARD ALL", how)
        connection.execute(THINGS)
        connection.execute("SET search_path = two")
        connection.execute(THINGS)
        counted.expect(connection, 2)


def test_the_startup_packet_counts_and_is_what_reset_goes_back_to(proxy_of, state):
    counted = proxy_of()
    options = "-c search_path=one,public -capp.tenant_id=b --TimeZone=Asia/Tokyo -c bytea-output=escape -c role=clerk"
    reads = (THINGS, TENANTS, MADE, "SELECT id, raw::text FROM items WHERE id = 1", OWNED)
    with counted.proxy.connect(state, options=options) as connection:
        first = [connection.execute(sql).fetchall() for sql in reads]
        assert first[0] == [(1, "of one")] and first[2][0][1].endswith("+09") and "\\\\" in first[3][0][1]
        connection.execute("SET search_path = two, public")
        connection.execute("SET app.tenant_id = 'c'")
        connection.execute("SET TimeZone = 'America/Lima'")
        connection.execute("SET bytea_output = 'hex'")
        assert all(connection.execute(sql).fetchall() != before for sql, before in zip(reads[:4], first))
        connection.execute("RESET ALL")
        assert [connection.execute(sql).fetchall() for sql in reads] == first
        connection.execute("SET search_path = two, public")
        connection.execute("SET TimeZone = 'America/Lima'")
        connection.execute("DISCARD ALL")
        assert [connection.execute(sql).fetchall() for sql in reads[:4]] == first[:4]
        connection.execute(OWNED)
        counted.expect(connection, 19)


def test_settings_attached_to_the_role_on_old_hold_on_new_where_old_reports_them(proxy_of, state, pair):
    pair.old.psql(f"ALTER ROLE app IN DATABASE {state} SET TimeZone = 'Asia/Tokyo';"
                  f"ALTER DATABASE {state} SET DateStyle = 'German'; ALTER DATABASE {state} SET IntervalStyle = 'iso_8601'")
    pair.new.psql(f"ALTER ROLE app IN DATABASE {state} SET TimeZone = 'America/Lima'; ALTER DATABASE {state} SET DateStyle = 'SQL'")
    counted = proxy_of()
    with counted.proxy.connect(state) as connection:
        assert connection.execute(MADE).fetchall()[0][1] == "01.07.2024 10:00:00 JST"
        connection.execute("SELECT id, span::text FROM items WHERE id = 3")
        connection.execute("SET TimeZone = 'UTC'")
        connection.execute(MADE)
        connection.execute("RESET TimeZone")
        connection.execute(MADE)
        connection.execute("RESET TimeZone; " + MADE)
        counted.expect(connection, 5)


def test_what_new_pins_wins(proxy_of, state, pair):
    pair.new.psql("DROP TABLE one.things; DROP TABLE public.things", state)
    counted = proxy_of({"new": pair.new.dsn(state, user="app", options="'-c search_path=two,public -c app.tenant_id=c'")})
    with counted.proxy.connect(state) as connection:
        pair.old.psql("UPDATE one.things SET what = 'of two'; UPDATE public.things SET what = 'of two'", state)
        for path in ("one", "one, public", "public"):
            connection.execute(f"SET search_path = {path}")
            connection.execute(THINGS)
        connection.execute("RESET ALL")
        connection.execute(THINGS)
        connection.execute("SET app.tenant_id = 'b'")  # pinned to c on new
        counted.expect(connection, 4)


def test_what_may_not_be_set_on_new_is_skipped_by_name(proxy_of, state, pair):
    for side in (pair.old, pair.new):
        side.psql("CREATE ROLE only_old" if side is pair.old else "SELECT 1")
    pair.old.psql("GRANT only_old TO app; GRANT SET ON PARAMETER session_replication_role TO app")
    try:
        counted = proxy_of()
        with counted.proxy.connect(state) as connection:
            connection.execute("SET session_replication_role = replica")
            connection.execute(MADE)
            connection.execute("RESET session_replication_role")
            connection.execute(MADE)
            connection.execute("SET ROLE only_old")
            connection.execute(MADE)
            connection.execute("RESET ROLE")
            connection.execute(MADE)
            counted.expect(connection, 2, session_state=2)
    finally:
        pair.old.psql("REVOKE SET ON PARAMETER session_replication_role FROM app; DROP ROLE only_old")


def test_session_authorization_of_a_superuser_is_replayed(proxy_of, state):
    counted = proxy_of()
    with counted.proxy.connect(state, user="su") as connection:
        before = connection.execute(OWNED).fetchall()
        connection.execute("SET SESSION AUTHORIZATION clerk")
        assert connection.execute(OWNED).fetchall() != before
        connection.execute("RESET SESSION AUTHORIZATION")
        connection.execute("SET ROLE boss")
        assert connection.execute(OWNED).fetchall() != before
        connection.execute("SET SESSION AUTHORIZATION app")  # ends the role
        connection.execute(OWNED)
        connection.execute("SET SESSION AUTHORIZATION DEFAULT")
        assert connection.execute(OWNED).fetchall() == before
        connection.execute("BEGIN")
        connection.execute("SET LOCAL SESSION AUTHORIZATION clerk")
        connection.execute(OWNED)
        connection.execute("COMMIT")
        connection.execute(OWNED)
        counted.expect(connection, 7)


ENCODINGS = {  # a text that it can hold; the second bytes of the Japanese and Chinese ones are backslashes and brackets
    "LATIN1": ("latin-1", "\u00fc"), "WIN1252": ("cp1252", "\u20ac"), "SJIS": ("cp932", "\u8868\u30bd"), "EUC_JP": ("euc_jp", "\u8868"),
    "BIG5": ("big5", "\u529f"), "GBK": ("gbk", "\u8a5d"), "KOI8R": ("koi8_r", "\u0416"), "GB18030": ("gb18030", "\U0001f600"),
    "UTF8": ("utf-8", "\u2603"), "SQL_ASCII": ("utf-8", "\u2603"),
}


@pytest.mark.parametrize("protocol", ["simple", "extended", "named"])
def test_statements_and_values_in_the_clients_encoding(proxy_of, state, pair, protocol):
    for side in (pair.old, pair.new):
        for _, text in ENCODINGS.values():
            side.psql(f"""INSERT INTO tenants VALUES (100, '{text}', '{text}', '{text}');
                CREATE TABLE IF NOT EXISTS "{text}" (id int, "{text}" text); GRANT ALL ON "{text}" TO app;
                INSERT INTO "{text}" VALUES (1, 'x'), (2, '{text}')""", state)
    counted = proxy_of()
    for name, (codec, text) in ENCODINGS.items():
        with counted.proxy.connect(state) as connection:
            assert run(connection, f"SET client_encoding = '{name}'", "simple").error_message == b""
            for sql in (f"SELECT id, name || '{text}' FROM items WHERE id = 1", f'SELECT id, "{text}" FROM "{text}"',
                        f"SELECT id FROM \"{text}\" WHERE \"{text}\" = '{text}'"):
                assert len(answer(run(connection, sql, protocol, codec))) > 0
            result = connection.pgconn.exec_params(f'SELECT id FROM "{text}" WHERE "{text}" = $1'.encode(codec), [text.encode(codec)])
            assert len(answer(result)) >= 1
            run(connection, f"SET app.tenant_id = '{text}'", protocol, codec)
            assert answer(run(connection, TENANTS, protocol, codec))[0][0] == b"100"
            connection.pgconn.exec_params(b"SELECT set_config('app.tenant_id', $1, false)", [text.encode(codec)])
            assert answer(run(connection, TENANTS, protocol, codec))[0][0] == b"100"
            run(connection, f"SELECT id, '{text}' FROM items WHERE id = 1; SELECT id, '{text}'::text || name FROM items WHERE id = 2",
                "simple", codec)
            run(connection, "SET client_encoding = 'UTF8'", "simple")
            assert answer(run(connection, TENANTS, protocol))[0][0] == b"100"
            try:
                counted.expect(connection, 9, volatile_function=1)
            except AssertionError as error:
                raise AssertionError(f"{name}: {error}") from error


def test_values_that_the_encoding_lacks_fail_alike_on_both_sides(proxy_of, state, pair):
    for side in (pair.old, pair.new):
        side.psql("INSERT INTO things VALUES (5, '\u2603')", state)
    counted = proxy_of()
    with counted.proxy.connect(state, client_encoding="LATIN1") as connection:
        assert answer(run(connection, THINGS + " WHERE id = 5", "simple")) == b"22P05"
        assert answer(run(connection, THINGS + " WHERE id = 1", "simple")) != []
        counted.expect(connection, 2)


def test_an_own_temporary_table_is_no_business_of_others(proxy_of, state):
    counted = proxy_of()
    with counted.proxy.connect(state) as busy, counted.proxy.connect(state) as other:
        before = counted.proxy.said().count("catalog_read")
        for i in range(10):
            busy.execute("CREATE TEMP TABLE scratch (id int, what text)")
            busy.execute("CREATE INDEX ON scratch (id)")
            busy.execute("ALTER TABLE scratch ADD more int")
            busy.execute("SELECT id FROM scratch")
            busy.execute("ALTER TABLE scratch RENAME TO scratches")
            busy.execute("DROP TABLE scratches")
            other.execute(THINGS)
        counted.expect(other, 10, temporary_object=10)
        assert counted.proxy.said().count("catalog_read") == before, counted.proxy.said()[-3000:]


def test_row_security_off_fails_alike_on_both_sides(proxy_of, state):
    counted = proxy_of()
    with counted.proxy.connect(state) as connection:
        run(connection, "SET row_security = off", "simple")
        assert answer(run(connection, TENANTS, "simple")) == b"42501"
        counted.expect(connection, 1)
