"""What PostgreSQL's catalogs say of a statement: nothing that hides a side effect counts as a read.

The statements are run as well, so that a test that refuses what PostgreSQL would not run says so.
"""

import pathlib
import subprocess

import psycopg
import pytest

from proxy import binary, wait_until

# Everything here that writes does it by vol(), which leaves a row in log.
SCHEMA = r"""
CREATE EXTENSION citext;
CREATE EXTENSION hstore;
CREATE EXTENSION dblink;
CREATE EXTENSION tablefunc;
CREATE EXTENSION postgres_fdw;
CREATE EXTENSION pgcrypto;
CREATE EXTENSION "uuid-ossp";
CREATE TABLE customers (id int PRIMARY KEY, name text NOT NULL, email citext UNIQUE, created timestamptz DEFAULT now());
CREATE TABLE orders (id int PRIMARY KEY, customer_id int NOT NULL REFERENCES customers, total numeric(10,2), note text, at timestamptz, tags text[], doc jsonb);
CREATE TABLE order_items (order_id int REFERENCES orders, line int, product_id int, qty int, PRIMARY KEY (order_id, line));
CREATE TABLE log (id serial PRIMARY KEY, what text);
CREATE FUNCTION vol() RETURNS int LANGUAGE plpgsql VOLATILE AS $$ BEGIN INSERT INTO log(what) VALUES ('vol'); RETURN 1; END $$;
CREATE FUNCTION lying() RETURNS int LANGUAGE plpgsql STABLE AS $$ BEGIN PERFORM vol(); RETURN 1; END $$;
CREATE FUNCTION safe_one() RETURNS int LANGUAGE plpgsql STABLE AS $$ BEGIN RETURN (SELECT count(*) FROM orders); END $$;
CREATE FUNCTION sql_ok(i int) RETURNS bigint LANGUAGE sql STABLE AS $$ SELECT count(*) FROM orders WHERE customer_id = i $$;
CREATE FUNCTION sql_atomic(i int) RETURNS bigint LANGUAGE sql STABLE BEGIN ATOMIC SELECT count(*) FROM orders WHERE customer_id = i; END;
CREATE FUNCTION sql_return(i int) RETURNS int LANGUAGE sql IMMUTABLE RETURN i + 1;
CREATE FUNCTION sql_bad() RETURNS bigint LANGUAGE sql STABLE AS $$ SELECT vol()::bigint $$;
CREATE FUNCTION sql_bad2() RETURNS bigint LANGUAGE sql STABLE AS $$ SELECT sql_bad() $$;
CREATE FUNCTION sql_write() RETURNS int LANGUAGE sql STABLE AS $$ INSERT INTO log(what) VALUES ('x') RETURNING id $$;
CREATE FUNCTION sql_atomic_bad() RETURNS int LANGUAGE sql STABLE BEGIN ATOMIC SELECT vol(); END;
CREATE FUNCTION sql_clock() RETURNS timestamptz LANGUAGE sql STABLE AS $$ SELECT now() $$;
CREATE FUNCTION with_default(a int, b int DEFAULT vol()) RETURNS int LANGUAGE sql IMMUTABLE AS $$ SELECT a $$;
CREATE FUNCTION cheeky(orders) RETURNS int LANGUAGE plpgsql VOLATILE AS $$ BEGIN RETURN vol(); END $$;
CREATE FUNCTION tot(orders) RETURNS numeric LANGUAGE sql STABLE AS $$ SELECT $1.total $$;
CREATE FUNCTION overload(int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT 1';
CREATE FUNCTION overload(text) RETURNS int LANGUAGE plpgsql VOLATILE AS $$ BEGIN RETURN vol(); END $$;
CREATE VIEW v_ok AS SELECT id, customer_id, total FROM orders;
CREATE VIEW v_bad AS SELECT id, vol() AS x FROM orders;
CREATE VIEW v_bad2 AS SELECT id FROM v_bad;
CREATE VIEW v_clock AS SELECT id, now() AS t FROM orders;
CREATE MATERIALIZED VIEW mv AS SELECT id, total FROM orders;
CREATE FUNCTION opf(int, int) RETURNS boolean LANGUAGE plpgsql VOLATILE AS $$ BEGIN PERFORM vol(); RETURN true; END $$;
CREATE OPERATOR === (LEFTARG = int, RIGHTARG = int, FUNCTION = opf);
CREATE TYPE mytype AS (a int, b int);
CREATE FUNCTION my_cast(text) RETURNS mytype LANGUAGE plpgsql VOLATILE AS $$ BEGIN PERFORM vol(); RETURN (1,1); END $$;
CREATE CAST (text AS mytype) WITH FUNCTION my_cast(text) AS ASSIGNMENT;
CREATE TABLE has_mytype (id int PRIMARY KEY, m mytype);
CREATE FUNCTION dom_check(int) RETURNS boolean LANGUAGE plpgsql VOLATILE AS $$ BEGIN PERFORM vol(); RETURN true; END $$;
CREATE DOMAIN bad_domain AS int CHECK (dom_check(VALUE));
CREATE DOMAIN good_domain AS int CHECK (VALUE > 0);
CREATE TABLE has_bad_domain (id int PRIMARY KEY, d bad_domain);
CREATE TABLE has_good_domain (id int PRIMARY KEY, d good_domain);
CREATE TABLE has_bad_array (id int PRIMARY KEY, d bad_domain[]);
CREATE TYPE mood AS ENUM ('sad', 'ok');
CREATE TABLE has_mood (id int PRIMARY KEY, m mood, ms mood[]);
CREATE TABLE rls_bad (id int PRIMARY KEY); ALTER TABLE rls_bad ENABLE ROW LEVEL SECURITY; CREATE POLICY p ON rls_bad USING (vol() = 1);
CREATE TABLE rls_ok (id int PRIMARY KEY, tenant int); ALTER TABLE rls_ok ENABLE ROW LEVEL SECURITY; CREATE POLICY p ON rls_ok USING (tenant = current_setting('app.tenant')::int AND EXISTS (SELECT 1 FROM orders o WHERE o.id = rls_ok.id));
CREATE SERVER s FOREIGN DATA WRAPPER postgres_fdw; CREATE FOREIGN TABLE ft (id int) SERVER s;
CREATE TABLE parent (id int) PARTITION BY RANGE (id); CREATE TABLE child1 PARTITION OF parent FOR VALUES FROM (0) TO (10); CREATE FOREIGN TABLE child2 PARTITION OF parent FOR VALUES FROM (10) TO (20) SERVER s;
CREATE FUNCTION sfunc(int, int) RETURNS int LANGUAGE plpgsql VOLATILE AS $$ BEGIN RETURN vol(); END $$;
CREATE AGGREGATE bad_agg(int) (SFUNC = sfunc, STYPE = int, INITCOND = '0');
CREATE AGGREGATE good_agg(int) (SFUNC = int4pl, STYPE = int, INITCOND = '0');
CREATE FUNCTION srf() RETURNS SETOF int LANGUAGE sql STABLE AS 'SELECT id FROM orders';
CREATE SCHEMA v2; CREATE TABLE v2.orders (id int PRIMARY KEY, customer_id int, total numeric);
CREATE SEQUENCE seq;
CREATE TYPE alias;
CREATE FUNCTION alias_in(cstring) RETURNS alias LANGUAGE internal IMMUTABLE STRICT AS 'int8in';
CREATE FUNCTION alias_out(alias) RETURNS cstring LANGUAGE internal IMMUTABLE STRICT AS 'int8out';
CREATE TYPE alias (INPUT = alias_in, OUTPUT = alias_out, LIKE = int8);
CREATE FUNCTION alias_order(int8, alias) RETURNS int LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN RETURN vol(); END $$;
ALTER OPERATOR FAMILY integer_ops USING btree ADD FUNCTION 1 alias_order(int8, alias);
CREATE FUNCTION alias_of(int8) RETURNS alias LANGUAGE plpgsql VOLATILE AS $$ BEGIN RETURN vol()::text::alias; END $$;
CREATE CAST (int8 AS alias) WITH FUNCTION alias_of(int8) AS IMPLICIT;
CREATE TABLE has_alias (id int PRIMARY KEY, a alias);
"""

# Statements that call vol() unseen, or leave something behind otherwise.
HARMFUL = """
SELECT vol()
SELECT lying()
SELECT a FROM has_alias WHERE alias_order(id, a) = 1
SELECT id::int8::alias FROM has_alias
SELECT sql_bad()
SELECT sql_bad2()
SELECT sql_atomic_bad()
SELECT with_default(1)
SELECT o.cheeky FROM orders o
SELECT (o).cheeky FROM orders o
SELECT overload('x'::text)
SELECT * FROM v_bad
SELECT x FROM v_bad
SELECT 1 FROM orders WHERE id === 1
SELECT 1 FROM orders WHERE id OPERATOR(public.===) 1
SELECT 1 FROM orders WHERE id === ANY (ARRAY[1])
SELECT 'x'::text::mytype
SELECT CAST('x'::text AS mytype)
SELECT 1::bad_domain
SELECT ARRAY[1]::bad_domain[]
SELECT '{1}'::bad_domain[]
SELECT bad_domain '1'
SELECT * FROM json_to_record('{"d": 1}') AS r(d bad_domain)
SELECT * FROM json_populate_record(NULL::has_bad_domain, '{"d": 1}')
SELECT bad_agg(id) FROM orders
SELECT 1 WHERE EXISTS (SELECT FROM orders WHERE vol() = 1)
SELECT nextval('seq')
SELECT setval('seq', 5)
SELECT set_config('a.b', 'c', false)
SELECT pg_notify('a', 'b')
SELECT pg_advisory_xact_lock(1)
SELECT lo_create(0)
SELECT query_to_xml('SELECT vol()', true, true, '')
SELECT table_to_xml('v_bad', true, true, '')
SELECT * FROM crosstab('SELECT ''1'', ''1'', vol()::text') AS t(a text, b text)
SELECT pg_current_xact_id()
SELECT txid_current()
SELECT id FROM orders FOR UPDATE
WITH d AS (INSERT INTO log(what) VALUES ('x') RETURNING id) SELECT * FROM d
EXPLAIN ANALYZE SELECT vol()
"""

READS = """
SELECT * FROM orders
SELECT o.id, c.name FROM orders o JOIN customers c ON c.id = o.customer_id WHERE o.at < now() ORDER BY 1 LIMIT 3
SELECT customer_id, count(*), sum(total) FROM orders GROUP BY 1 HAVING count(*) > 1
SELECT sql_ok(1), sql_atomic(1), sql_return(1) FROM orders
SELECT o.tot FROM orders o
SELECT * FROM v_ok
SELECT id FROM v_clock
SELECT * FROM mv
SELECT id FROM has_good_domain WHERE d = 1::good_domain
SELECT * FROM has_mood WHERE m = 'ok' AND ms = ARRAY['ok']::mood[]
SELECT * FROM rls_ok
SELECT good_agg(id) FROM orders
SELECT * FROM srf()
SELECT email, email = 'A', lower(email) FROM customers WHERE email LIKE 'a%'
SELECT doc ->> 'a', doc @> '{}', tags[1], array_length(tags, 1) FROM orders WHERE 'x' = ANY (tags)
SELECT ('a=>1'::hstore -> 'a'), digest('a', 'md5') FROM orders
SELECT substring(note FROM 1 FOR 2), extract(year FROM at), note SIMILAR TO 'a' FROM orders WHERE id BETWEEN 1 AND 2
SELECT to_tsvector('english', note) @@ to_tsquery('a'), note ~* 'x' FROM orders
SELECT int4range(1, id + 1) && '[1,3)', row_to_json(o), jsonb_build_object('a', id) FROM orders o
WITH RECURSIVE t(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM t WHERE n < 5) SELECT * FROM t JOIN orders ON id = n
SELECT rank() OVER (PARTITION BY customer_id ORDER BY total) FROM orders
SELECT * FROM v2.orders
SELECT * FROM child1
SELECT id::int8, count(*) FROM orders GROUP BY id
"""


@pytest.fixture(scope="module")
def database(pair):
    pair.old.psql("CREATE DATABASE analysis")
    pair.old.psql(SCHEMA + "INSERT INTO customers VALUES (1, 'a', 'A'); INSERT INTO orders VALUES (1, 1, 2);",
                  "analysis")
    yield pair.old.dsn("analysis", user="postgres")
    pair.old.psql("DROP DATABASE analysis WITH (FORCE)")


@pytest.fixture(params=["alone", "behind_another"])
def readings(request, pair, database):
    """The databases that are read, the one in question last: what initdb made is known from another one."""
    return [pair.old.dsn("postgres", user="postgres")] * (request.param == "behind_another") + [database]


def analyse(dsns, statements):
    program = pathlib.Path(binary()).parent / "tests" / "analyse"
    done = subprocess.run([program, *dsns], input="\n".join(statements) + "\n", capture_output=True,
                          text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def lines(text):
    return text.strip().splitlines()


def run(dsn, statement):
    with psycopg.connect(dsn) as connection:
        connection.execute("SET app.tenant = 1")
        connection.execute(statement)
        connection.rollback()


def test_what_hides_a_side_effect_is_refused(database, readings):
    for statement, verdict in zip(lines(HARMFUL), analyse(readings, lines(HARMFUL)), strict=True):
        run(database, statement)
        # What a session keeps for itself is no write; it is not mirrored either.
        effect = "harmless" if "set_config" in statement or "pg_advisory" in statement else "harmful"
        assert verdict in (f"volatile_function {effect}", f"locking_clause {effect}"), statement


def test_plain_reads_are_not(database, readings):
    for statement, verdict in zip(lines(READS), analyse(readings, lines(READS)), strict=True):
        run(database, statement)
        assert verdict == "- harmless", statement


def test_a_common_role_may_load_the_catalogs(pair, database):
    """The catalogs are readable by whoever may connect."""
    assert analyse([pair.old.dsn("analysis", user="app")] * 2, ["SELECT vol()", "TABLE orders"]) == [
        "volatile_function harmful", "- harmless"]


def test_more_views_than_are_printed_at_a_time_are_known(database):
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("CREATE TABLE many (a int); " + "".join(
            f"CREATE VIEW many_{i} AS SELECT a FROM many{' WHERE nextval(%s) > 0' % repr('seq') if i == 249 else ''};" for i in range(250)))
        try:
            assert analyse([database], ["SELECT a FROM many_7", "SELECT a FROM many_248", "SELECT a FROM many_249"]) == [
                "- harmless", "- harmless", "volatile_function harmful"]
        finally:
            connection.execute("DROP TABLE many CASCADE")


def test_a_view_that_was_printed_keeps_nothing_locked(database):
    """A client's LOCK … NOWAIT meets no lock of a reading that goes on: here it waits for the relation of a later view."""
    with psycopg.connect(database, autocommit=True) as client, psycopg.connect(database) as holder:
        client.execute("CREATE TABLE earlier (a int); CREATE VIEW sees_earlier AS SELECT a FROM earlier;"
                       "CREATE TABLE later (a int); CREATE VIEW sees_later AS SELECT a FROM later")
        holder.execute("LOCK TABLE later IN ACCESS EXCLUSIVE MODE")

        def is_waiting():
            return client.execute("SELECT count(*) FROM pg_locks WHERE relation = 'later'::regclass AND NOT granted").fetchone()[0]

        def is_locked_while_it_waits():
            """None: it gave up, as it does in a deadlock, before that was seen."""
            with subprocess.Popen([pathlib.Path(binary()).parent / "tests" / "analyse", database], stdin=subprocess.DEVNULL,
                                  stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as reading:
                while reading.poll() is None and not is_waiting():
                    pass
                count = client.execute("SELECT count(*) FROM pg_locks WHERE relation = 'earlier'::regclass").fetchone()[0]
                was_seen = is_waiting()
                reading.kill()
            return [count] if was_seen else None
        try:
            assert wait_until(is_locked_while_it_waits) == [0]
        finally:
            holder.rollback()
            client.execute("DROP TABLE earlier, later CASCADE")


@pytest.mark.parametrize("change, is_read", [
    ("GRANT CREATE ON SCHEMA public TO app", False), ("REVOKE USAGE ON LANGUAGE sql FROM PUBLIC", False),
    ("ALTER SCHEMA public RENAME TO another", True), ("ALTER FUNCTION pg_catalog.lower(text) VOLATILE", True),
], ids=["schema", "language", "name", "function"])
def test_what_initdb_made_is_read_again_where_more_was_changed_than_grants(pair, change, is_read):
    neighbour = pair.old.dsn("postgres", user="postgres")
    pair.old.psql("CREATE DATABASE granted")
    try:
        pair.old.psql(change, "granted")
        pair.old.psql("ALTER DATABASE granted SET log_statement = 'all'")
        before = pair.old.log_size()
        analyse([neighbour, pair.old.dsn("granted", user="postgres")], ["SELECT 1"])
        said = pair.old.said(before)
        assert ">= 16384 AND c.relkind" in said and ("c.oid < 16384 AND c.relkind" in said) == is_read
    finally:
        pair.old.psql("DROP DATABASE granted WITH (FORCE)")


@pytest.mark.parametrize("change, statement, undo", [
    ("ALTER FUNCTION pg_catalog.lower(text) VOLATILE", "SELECT lower(note) FROM orders", "ALTER FUNCTION pg_catalog.lower(text) IMMUTABLE"),
    ("UPDATE pg_operator SET oprcode = 'public.opf'::regproc WHERE oprname = '<<' AND oprleft = 23 AND oprright = 23", "SELECT id << id FROM orders",
     "UPDATE pg_operator SET oprcode = 'int4shl' WHERE oprname = '<<' AND oprleft = 23 AND oprright = 23"),
], ids=["function", "operator"])
def test_what_a_superuser_changes_of_what_initdb_made_is_seen(pair, database, change, statement, undo):
    """And for its own database alone."""
    neighbour = pair.old.dsn("postgres", user="postgres")
    assert analyse([database], [statement]) == ["- harmless"]
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(change)
        try:
            changed = analyse([database], [statement])
            assert changed != ["- harmless"]
            assert analyse([neighbour, database], [statement]) == changed
            assert analyse([database, neighbour], ["SELECT lower('A'), 1 << 2"]) == ["no_relation harmless"]
        finally:
            connection.execute(undo)
    assert analyse([neighbour, database], [statement]) == ["- harmless"]
