"""No statement that hides a side effect is ever rehearsed; every plain read is."""

import psycopg

from proxy import wait_until

SCHEMA = """
CREATE TABLE items (id int PRIMARY KEY, name text, v int);
INSERT INTO items SELECT i, 'item ' || i, i FROM generate_series(1, 10) i;
CREATE TABLE witness (what text);
CREATE SEQUENCE s;
CREATE FUNCTION touch(a int) RETURNS int LANGUAGE plpgsql AS
    $$ BEGIN INSERT INTO witness VALUES ('touch'); RETURN a; END $$;
CREATE FUNCTION touch_two(a int, b int) RETURNS int LANGUAGE plpgsql AS
    $$ BEGIN INSERT INTO witness VALUES ('touch'); RETURN a; END $$;
CREATE FUNCTION touch_is(a text, b int) RETURNS bool LANGUAGE plpgsql AS
    $$ BEGIN INSERT INTO witness VALUES ('touch'); RETURN true; END $$;
CREATE FUNCTION touch_like(a int, b int) RETURNS bool LANGUAGE plpgsql AS
    $$ BEGIN INSERT INTO witness VALUES ('touch'); RETURN true; END $$;
CREATE OPERATOR <!> (LEFTARG = int, RIGHTARG = int, FUNCTION = touch_two);
CREATE OPERATOR !!! (RIGHTARG = int, FUNCTION = touch);
CREATE OPERATOR = (LEFTARG = text, RIGHTARG = int, FUNCTION = touch_is);
CREATE OPERATOR <= (LEFTARG = text, RIGHTARG = int, FUNCTION = touch_is);
CREATE OPERATOR >= (LEFTARG = text, RIGHTARG = int, FUNCTION = touch_is);
CREATE OPERATOR ~~ (LEFTARG = int, RIGHTARG = int, FUNCTION = touch_like);
CREATE TYPE boxed AS (a int);
CREATE FUNCTION to_boxed(a int) RETURNS boxed LANGUAGE plpgsql AS
    $$ BEGIN INSERT INTO witness VALUES ('cast'); RETURN ROW(a)::boxed; END $$;
CREATE CAST (int AS boxed) WITH FUNCTION to_boxed(int) AS IMPLICIT;
CREATE FUNCTION unbox(b boxed) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT b.a';
CREATE DOMAIN checked AS int CHECK (touch(VALUE) > 0);
CREATE VIEW view_touch AS SELECT touch(id) AS id FROM items;
CREATE VIEW view_view AS SELECT id FROM view_touch WHERE id > 0;
CREATE FUNCTION shout(i items) RETURNS text LANGUAGE plpgsql AS
    $$ BEGIN INSERT INTO witness VALUES ('shout'); RETURN i.name; END $$;
CREATE FUNCTION sql_volatile() RETURNS int LANGUAGE sql AS 'SELECT touch(1)';
CREATE FUNCTION sql_stable() RETURNS int LANGUAGE sql STABLE AS 'SELECT touch(1)';
CREATE FUNCTION sql_deep() RETURNS int LANGUAGE sql STABLE AS 'SELECT sql_stable()';
CREATE FUNCTION sql_atomic() RETURNS int LANGUAGE sql STABLE BEGIN ATOMIC SELECT touch(1); END;
CREATE FUNCTION pl_stable() RETURNS int LANGUAGE plpgsql STABLE AS $$ BEGIN RETURN touch(1); END $$;
CREATE FUNCTION pl_immutable() RETURNS int LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN RETURN touch(1); END $$;
CREATE FUNCTION lazy(a int DEFAULT touch(1)) RETURNS int LANGUAGE sql STABLE AS 'SELECT a';
CREATE FUNCTION kind(a int) RETURNS int LANGUAGE sql STABLE AS 'SELECT a + 1';
CREATE AGGREGATE touch_sum(int) (SFUNC = touch_two, STYPE = int, INITCOND = '0');
CREATE SCHEMA evil;
CREATE FUNCTION evil.lower(a text) RETURNS text LANGUAGE plpgsql AS
    $$ BEGIN INSERT INTO witness VALUES ('evil'); RETURN a; END $$;
CREATE TABLE guarded (id int PRIMARY KEY);
INSERT INTO guarded VALUES (1), (2);
ALTER TABLE guarded ENABLE ROW LEVEL SECURITY;
ALTER TABLE guarded FORCE ROW LEVEL SECURITY;
CREATE POLICY looked ON guarded USING (touch(id) > 0);
CREATE TABLE parent (id int);
CREATE PROCEDURE proceed() LANGUAGE plpgsql AS $$ BEGIN INSERT INTO witness VALUES ('call'); END $$;
"""

PLAIN_SCHEMA = """
CREATE TABLE items (id int PRIMARY KEY, name text, v int);
INSERT INTO items SELECT i, 'item ' || i, i FROM generate_series(1, 10) i;
CREATE FUNCTION kind(a int) RETURNS int LANGUAGE sql STABLE AS 'SELECT a + 1';
"""

HIDDEN = """
SELECT touch(1)
SELECT touch(id) FROM items
SELECT public.touch(id) FROM items
SELECT "touch"(id) FROM items
SELECT U&"\\0074ouch"(id) FROM items
SELECT touch /* x */ (id) FROM items
SELECT id FROM items WHERE touch(id) > 0
SELECT id FROM items ORDER BY touch(id)
SELECT count(*) FROM items GROUP BY touch(id)
SELECT count(*) FROM items HAVING touch(1) > 0
SELECT id FROM items LIMIT touch(1)
SELECT id FROM items OFFSET touch(1)
SELECT DISTINCT ON (touch(id)) id FROM items
SELECT count(*) FILTER (WHERE touch(id) > 0) FROM items
SELECT sum(id) OVER (ORDER BY touch(id)) FROM items
SELECT sum(id) OVER (ORDER BY id ROWS touch(1) PRECEDING) FROM items
SELECT sum(id) OVER w FROM items WINDOW w AS (PARTITION BY touch(id))
SELECT (ARRAY[1, 2])[touch(1)] FROM items
SELECT ROW(touch(id)) FROM items
SELECT CASE WHEN touch(id) > 0 THEN 1 END FROM items
SELECT coalesce(NULL, touch(id)) FROM items
SELECT greatest(1, touch(id)) FROM items
SELECT EXISTS (SELECT touch(id) FROM items)
SELECT id FROM items WHERE id IN (SELECT touch(id) FROM items)
SELECT * FROM touch(1)
SELECT * FROM items, LATERAL touch(items.id)
SELECT * FROM ROWS FROM (touch(1), generate_series(1, 2)) x
SELECT * FROM items TABLESAMPLE bernoulli (touch(50))
SELECT * FROM items a JOIN items b ON touch(a.id) = b.id
VALUES (touch(1))
WITH x AS (SELECT touch(id) FROM items) SELECT * FROM x
WITH RECURSIVE x AS (SELECT 1 AS n UNION ALL SELECT touch(n + 1) FROM x WHERE n < 3) SELECT * FROM x
SELECT id FROM items UNION SELECT touch(id) FROM items
SELECT xmlelement(name a, touch(id)) FROM items
SELECT id <!> 1 FROM items
SELECT id OPERATOR(public.<!>) 1 FROM items
SELECT id FROM items WHERE 1 <!> id = 1
SELECT !!! id FROM items
SELECT id FROM items WHERE name = 5
SELECT id FROM items WHERE name IN (5, 6)
SELECT id FROM items WHERE name = ANY (ARRAY[5])
SELECT id FROM items WHERE (name, id) = (5, 1)
SELECT nullif(name, 5) FROM items
SELECT id FROM items WHERE name IS DISTINCT FROM 5
SELECT CASE name WHEN 5 THEN 1 END FROM items
SELECT id FROM items WHERE name BETWEEN 1 AND 5
SELECT id FROM items WHERE id LIKE 5
SELECT a.id FROM items a JOIN (SELECT 5 AS name) b USING (name)
SELECT a.id FROM items a NATURAL JOIN (SELECT 5 AS name) b
SELECT id::boxed FROM items
SELECT CAST(id AS boxed) FROM items
SELECT unbox(id) FROM items
SELECT id::checked FROM items
SELECT CAST(5 AS checked) FROM items
SELECT checked '5' FROM items
SELECT '{5}'::checked[] FROM items
SELECT id FROM view_touch
TABLE view_touch
SELECT id FROM view_view
SELECT id FROM guarded
SELECT count(*) FROM items, guarded
SELECT items.shout FROM items
SELECT (i).shout FROM items i
SELECT i.shout FROM items i WHERE i.id = 1
SELECT shout(i) FROM items i
SELECT id FROM items WHERE items.shout IS NULL
SELECT sql_volatile() FROM items
SELECT sql_stable() FROM items
SELECT sql_deep() FROM items
SELECT sql_atomic() FROM items
SELECT pl_stable() FROM items
SELECT pl_immutable() FROM items
SELECT lazy() FROM items
SELECT touch_sum(id) FROM items
SELECT touch_sum(id) OVER (ORDER BY id) FROM items
SELECT evil.lower(name) FROM items
SELECT table_to_xml('view_touch', true, true, '') FROM items
SELECT query_to_xml('SELECT touch(1)', true, true, '') FROM items
SELECT ts_stat('SELECT to_tsvector(touch(1)::text)') FROM items
SELECT id, nextval('s') FROM items
SELECT id, setval('s', 5) FROM items
SELECT id, set_config('a.b', 'x', false) FROM items
SELECT id, pg_notify('bell', 'x') FROM items
SELECT id, pg_advisory_lock(1) FROM items
SELECT id, pg_try_advisory_lock(2) FROM items
SELECT id, pg_advisory_xact_lock_shared(3) FROM items
SELECT id, pg_advisory_unlock_all() FROM items
SELECT id, lo_create(0) FROM items
SELECT id, lo_from_bytea(0, 'x') FROM items
SELECT id, setseed(0.5) FROM items
SELECT id, pg_sleep(0) FROM items
SELECT id, pg_cancel_backend(0) FROM items
SELECT id, pg_logical_emit_message(false, 'a', 'b') FROM items
SELECT dblink_exec('dbname=nowhere', 'DELETE FROM witness') FROM items
SELECT * FROM dblink('dbname=nowhere', 'SELECT 1') AS t (a int)
SELECT id INTO made_by_into FROM items
SELECT id FROM items FOR UPDATE
SELECT id FROM items FOR KEY SHARE SKIP LOCKED
SELECT * FROM (SELECT id FROM items FOR SHARE) x
WITH x AS (INSERT INTO witness VALUES ('cte') RETURNING what) SELECT * FROM x
WITH x AS (UPDATE items SET v = 0 RETURNING id) SELECT count(*) FROM items
WITH x AS (DELETE FROM parent RETURNING id) SELECT 1 FROM items
EXPLAIN ANALYZE SELECT touch(id) FROM items
EXPLAIN (ANALYZE, FORMAT json) INSERT INTO witness VALUES ('explain')
EXPLAIN (ANALYZE true) DELETE FROM parent
EXPLAIN ANALYZE CREATE TABLE made_by_explain AS SELECT 1 AS one
CREATE TABLE made AS SELECT id FROM items
INSERT INTO witness VALUES ('insert')
UPDATE items SET v = v + 1
DELETE FROM parent
MERGE INTO parent USING items ON parent.id = items.id WHEN NOT MATCHED THEN INSERT VALUES (items.id)
TRUNCATE parent
CALL proceed()
DO $$ BEGIN PERFORM touch(1); END $$
COPY (SELECT touch(id) FROM items) TO STDOUT
NOTIFY bell, 'x'
LISTEN bell
LOCK TABLE items IN ACCESS SHARE MODE
""".strip().splitlines()

# The simple protocol alone; the mark stands in the part that must not reach new.
HIDDEN_IN_SEVERAL = """
SELECT count(*) FROM items; INSERT INTO witness VALUES ('{mark}')
INSERT INTO witness VALUES ('{mark}'); SELECT count(*) FROM items
SELECT 1; SELECT touch(1) /* {mark} */; SELECT 2
PREPARE p{n} AS SELECT touch(1) /* {mark} */; EXECUTE p{n}
BEGIN; DECLARE c{n} CURSOR FOR SELECT touch(1) /* {mark} */; FETCH ALL FROM c{n}; COMMIT
SET search_path = evil, public, pg_catalog; SELECT lower(name) FROM items /* {mark} */; RESET search_path
BEGIN; DELETE FROM parent; SELECT '{mark}', id FROM items; ROLLBACK
CREATE TEMP TABLE t{n} AS SELECT 1 AS id; SELECT '{mark}', id FROM t{n}
CREATE TEMP TABLE items AS SELECT 1 AS id; SELECT '{mark}', id FROM items; DROP TABLE pg_temp.items
SELECT touch(1) -- ' {mark}
""".strip().splitlines()

PLAIN = """
SELECT id, name FROM items
SELECT * FROM items WHERE id = 3
SELECT count(*), max(v), string_agg(name, ',' ORDER BY id) FROM items
SELECT lower(name), upper(name), length(name) FROM items
SELECT id + v, -id, id % 3 = 0, name || '!' FROM items
SELECT id::text, v::bigint, CAST(id AS numeric) FROM items
SELECT a.id FROM items a JOIN items b USING (id)
SELECT id FROM items WHERE name LIKE 'item%' AND id BETWEEN 2 AND 5
SELECT id FROM items WHERE id IN (1, 2, 3) OR id = ANY (ARRAY[4, 5])
WITH x AS (SELECT id FROM items) SELECT sum(id) FROM x
SELECT row_number() OVER (ORDER BY id), id FROM items
SELECT kind(id) FROM items
SELECT CASE WHEN id > 5 THEN 'big' ELSE 'small' END FROM items
SELECT id FROM items WHERE EXISTS (SELECT FROM items i WHERE i.id = items.id)
SELECT items.name FROM items WHERE (items).id = 1
TABLE items
SELECT id FROM items UNION ALL SELECT v FROM items
SELECT * FROM items, generate_series(1, 2) g
SELECT id FROM items WHERE id > 1 AND now() > '2000-01-01'
""".strip().splitlines()


def run(connection, sql, protocol):
    try:
        if protocol == "simple":
            connection.pgconn.exec_(sql.encode())
            while connection.pgconn.transaction_status != psycopg.pq.TransactionStatus.IDLE:
                connection.pgconn.exec_(b"ROLLBACK")
        else:
            connection.execute(sql, prepare=True)
    except psycopg.Error:
        pass  # some of them can not succeed; what counts is what new was asked


def logging_all(pair, is_wanted):
    pair.new.psql("ALTER SYSTEM SET log_statement = 'all'" if is_wanted else "ALTER SYSTEM RESET log_statement")
    pair.new.psql("SELECT pg_reload_conf()")


def test_every_plain_read_reaches_new(start, pair):
    name = pair.database(PLAIN_SCHEMA)
    logging_all(pair, True)
    offset = pair.new.log_size()
    proxy = start(name)
    marks = {}
    for protocol in ("simple", "extended"):
        with proxy.connect(name) as connection:
            for sql in PLAIN:
                mark = f"plain_{protocol}_{len(marks)}_"
                marks[mark] = sql
                run(connection, f"{sql} /* {mark} */", protocol)
    status = proxy.settled(name, len(marks))
    logging_all(pair, False)
    said = pair.new.said(offset)
    assert [(mark, sql) for mark, sql in marks.items() if mark not in said] == []
    assert status["match"] == len(marks)
    proxy.stop()
    pair.forget(name)


def test_no_hidden_side_effect_reaches_new(start, pair):
    name = pair.database(SCHEMA)
    for side in (pair.old, pair.new):
        side.psql("CREATE EXTENSION dblink", name)
        side.psql("DELETE FROM witness", name)
    logging_all(pair, True)
    offset = pair.new.log_size()
    proxy = start(name)
    marks = {}
    for protocol in ("simple", "extended"):
        with proxy.connect(name) as connection:
            for sql in HIDDEN:
                mark = f"hidden_{protocol}_{len(marks)}_"
                marks[mark] = sql
                if not (protocol == "extended" and sql.startswith("COPY")):
                    run(connection, f"{sql} /* {mark} */", protocol)
    for sql in HIDDEN_IN_SEVERAL:
        with proxy.connect(name) as connection:
            mark = f"hidden_several_{len(marks)}_"
            marks[mark] = sql
            run(connection, sql.replace("{mark}", mark).replace("{n}", str(len(marks))), "simple")
    with proxy.connect(name) as connection:  # the last one, and harmless: all before it are settled then
        wait_until(lambda: connection.execute("SELECT id FROM parent") and int(proxy.status(name)["match"]) > 0)
    proxy.settled(name)
    logging_all(pair, False)
    said = pair.new.said(offset)
    assert [(mark, sql) for mark, sql in marks.items() if mark in said] == []
    assert pair.new.psql("SELECT count(*) FROM witness", name) == ["0"]
    assert pair.new.psql("SELECT is_called FROM s", name) == ["f"]
    assert pair.new.psql("SELECT count(*) FROM pg_largeobject_metadata", name) == ["0"]
    # The marks do their duty: on old they were all at work.
    assert int(pair.old.psql("SELECT count(*) FROM witness", name)[0]) > 100
    proxy.stop()
    pair.forget(name)
