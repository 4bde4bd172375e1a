"""What nobody uses through the proxy, the proxy itself does not hold on to."""

import psycopg
import pytest

from link import Link
from proxy import wait_until


@pytest.fixture
def any_database(start, pair):
    """A proxy that serves every name, and a database on both sides."""
    entry = {side: f"host=127.0.0.1 port={cluster.port} sslmode=disable user=postgres"
             for side, cluster in (("old", pair.old), ("new", pair.new))}
    pair.old.psql("DROP DATABASE IF EXISTS deserted")
    pair.new.psql("DROP DATABASE IF EXISTS deserted")
    for side in (pair.old, pair.new):
        side.psql("CREATE DATABASE deserted")
        side.psql("CREATE TABLE t AS SELECT g AS a FROM generate_series(1, 10) g", "deserted")
    yield start("*", entry)
    for side in (pair.old, pair.new):
        side.psql("DROP DATABASE IF EXISTS deserted WITH (FORCE)")


def read_and_leave(proxy, reads):
    with proxy.connect("deserted", user="postgres") as connection:
        assert connection.execute("SELECT sum(a) FROM t").fetchone() == (55,)
    proxy.settled("deserted", reads)


@pytest.mark.parametrize("ddl", ["DROP DATABASE deserted", "ALTER DATABASE deserted RENAME TO deserted_too",
                                 "CREATE DATABASE deserted_too TEMPLATE deserted"])
def test_a_database_that_its_clients_have_left_can_be_dropped_renamed_and_copied(any_database, pair, ddl):
    proxy = any_database
    read_and_leave(proxy, 1)
    pair.old.psql("DROP DATABASE IF EXISTS deserted_too")
    with proxy.connect("postgres", user="postgres") as connection:
        connection.execute(ddl)  # PostgreSQL waits up to five seconds for others to leave
    pair.old.psql("DROP DATABASE IF EXISTS deserted_too")


def test_it_can_be_dropped_while_what_a_session_has_left_waits_for_new_s_catalogs(start, pair):
    for side in (pair.old, pair.new):
        side.psql("DROP DATABASE IF EXISTS deserted")
        side.psql("CREATE DATABASE deserted")
    with Link(pair.new.port, slows_looks=True) as link:
        link.slow(0.5)
        entry = {side: f"host=127.0.0.1 port={port} sslmode=disable user=postgres"
                 for side, port in (("old", pair.old.port), ("new", link.port))}
        proxy = start("*", entry)
        with proxy.connect("deserted", user="postgres") as connection:
            assert connection.execute("SELECT count(*) FROM pg_class").fetchone()
        with proxy.connect("postgres", user="postgres") as connection:
            connection.execute("DROP DATABASE deserted")
    pair.new.psql("DROP DATABASE IF EXISTS deserted WITH (FORCE)")


def test_a_database_that_was_made_anew_is_read_by_its_new_catalogs(any_database, pair):
    proxy = any_database
    read_and_leave(proxy, 1)
    for side in (pair.old, pair.new):
        wait_until(lambda s=side: s.psql("SELECT count(*) FROM pg_stat_activity WHERE datname = 'deserted'") == ["0"])
        side.psql("DROP DATABASE deserted")
        side.psql("CREATE DATABASE deserted")
        side.psql("CREATE SEQUENCE s; CREATE FUNCTION t() RETURNS bigint LANGUAGE sql AS $$ SELECT nextval('s') $$;"
                  "CREATE VIEW v AS SELECT t() AS a", "deserted")
    with psycopg.connect(proxy.dsn("deserted", user="postgres"), autocommit=True) as connection:
        assert connection.execute("SELECT a FROM v").fetchone() == (1,)
    proxy.settled("deserted", 2)
    assert pair.new.psql("SELECT is_called FROM s", "deserted") == ["f"], "what writes was rehearsed"
    assert proxy.skipped("deserted").get("volatile_function") == 1, proxy.skipped("deserted")


def test_a_name_that_a_client_invents_leaves_nothing_behind(any_database):
    proxy = any_database
    for number in range(20):
        with pytest.raises(psycopg.OperationalError, match=f'database "invented{number}" does not exist'):
            proxy.connect(f"invented{number}", user="postgres")
    read_and_leave(proxy, 1)
    assert {row["database"] for row in proxy.console("SHOW STATUS")} == {"deserted"}
    assert "invented" not in "".join(line for line in proxy.said().splitlines(True) if " warning " in line)
