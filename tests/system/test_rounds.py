"""Suspicions on real servers: what flips is no mismatch, and what is behind is waited for."""

import json
import random
import threading

import psycopg
import pytest

from proxy import wait_until

FLAGS = 40


def suspicions(status):
    return sum(int(status[verdict]) for verdict in ("lagging", "unstable", "unverified", "mismatch"))


def flip(dsn, stop, seed):
    """Flips flags, now one after the other without rest, now seldom."""
    chance = random.Random(seed)
    with psycopg.connect(dsn, autocommit=True) as connection:
        while not stop.is_set():
            one, rest = chance.randrange(FLAGS), chance.choice((0, 0, 0.001, 0.01, 0.05))
            for _ in range(chance.randrange(1, 30)):
                connection.execute("UPDATE flags SET is_on = NOT is_on WHERE id = %s OR id = %s", (one, FLAGS), prepare=True)
                if stop.wait(rest):
                    break


def read(dsn, stop, seed):
    chance = random.Random(seed)
    with psycopg.connect(dsn, autocommit=True) as connection:
        while not stop.is_set():
            connection.execute("SELECT id, is_on FROM flags WHERE id = %s", (chance.choice((chance.randrange(FLAGS), FLAGS)),))
            connection.execute("SELECT id, is_on FROM flags WHERE id >= %s", (chance.randrange(FLAGS),))
            stop.wait(0.002)


def test_one_server_compared_with_itself_has_no_mismatch_while_flags_flip(start, pair, shop, is_long):
    wanted = 100_000 if is_long else 100
    pair.old.psql(f"CREATE TABLE flags (id int PRIMARY KEY, is_on bool); GRANT ALL ON flags TO app;"
                  f"INSERT INTO flags SELECT i, false FROM generate_series(0, {FLAGS}) i", shop)
    proxy = start(shop, {"new": pair.old.dsn(shop, user="app"), "lag": {"probe": "auto"},
                         "shadow": {"recheck": {"settle": "2ms", "max_per_second": 1000000}}})
    with proxy.connect(shop) as connection:
        proxy.warmed(shop, lambda: connection.execute("SELECT id FROM flags"))
    stop = threading.Event()
    work = [threading.Thread(target=flip, args=(pair.old.dsn(shop, user="app"), stop, i)) for i in range(2)]
    work += [threading.Thread(target=read, args=(proxy.dsn(shop), stop, i)) for i in range(4)]
    for one in work:
        one.start()
    try:
        wait_until(lambda: suspicions(proxy.status(shop)) >= wanted, limit=8 * 3600 if is_long else 120,
                   what=lambda: str(proxy.status(shop)))
    finally:
        stop.set()
        for one in work:
            one.join()
    status = proxy.settled(shop)
    assert status["mismatch"] <= suspicions(status) / 10000, (status, proxy.console("SHOW MISMATCHES")[:3])
    assert status["lagging"] > 0, status


@pytest.fixture
def followed(pair):
    """A database whose table new follows, up to date but for one row that is wrong there."""
    table = "CREATE TABLE t (id int PRIMARY KEY, v int); CREATE TABLE u (id int PRIMARY KEY, v int);"
    name = pair.database(table + "INSERT INTO t SELECT i, 0 FROM generate_series(1, 100) i", table)
    pair.replicate(name)
    wait_until(lambda: pair.new.psql("SELECT count(*) FROM t", name) == ["100"])
    wait_until(lambda: pair.new.psql("SELECT bool_and(srsubstate = 'r') FROM pg_subscription_rel", name) == ["t"])
    pair.new.psql("UPDATE t SET v = -1 WHERE id = 100", name)
    yield name
    pair.forget(name)


def trouble(proxy, name):
    return proxy.status(name)["trouble"] or ""


def test_suspicions_wait_for_replication_that_is_paused(start, pair, followed, is_long):
    proxy = start(followed, {"lag": {"probe": "auto", "max_wait": "60s", "poll": "50ms"}})
    with proxy.connect(followed) as connection:
        status = proxy.warmed(followed, lambda: connection.execute("SELECT id, v FROM t WHERE id = 1"))
        pair.new.psql(f"ALTER SUBSCRIPTION rehearsal_{followed} DISABLE", followed)
        for i in range(20):
            connection.execute("UPDATE t SET v = v + 1 WHERE id = %s", (i,))
            connection.execute("SELECT id, v FROM t WHERE id = %s", (i,))
        connection.execute("SELECT id, v FROM t WHERE id = 100")
        wait_until(lambda: "is disabled" in trouble(proxy, followed), what=lambda: str(proxy.status(followed)))
        held = proxy.status(followed)
        assert int(held["in_flight"]) > 0 and int(held["mismatch"]) == 0, held
        if is_long:
            threading.Event().wait(5)
        pair.new.psql(f"ALTER SUBSCRIPTION rehearsal_{followed} ENABLE", followed)
    after = proxy.settled(followed, status["reads"] + 21)
    assert (after["mismatch"], after["unverified"], after["unstable"]) == (1, 0, 0), after


def write(dsn, stop):
    """One row, without rest."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        while not stop.is_set():
            connection.execute("UPDATE t SET v = v + 1 WHERE id = 1", prepare=True)


def test_of_rows_beside_one_that_is_written_all_the_time_the_faulty_ones_are_named(start, pair, followed):
    pair.new.psql("DELETE FROM t WHERE id = 99", followed)
    proxy = start(followed, {"lag": {"probe": "auto", "max_wait": "60s", "poll": "20ms"},
                             "shadow": {"noise": 0, "recheck": {"settle": "20ms"}},
                             "compare": {"samples": "full"}})
    stop = threading.Event()
    writer = threading.Thread(target=write, args=(pair.old.dsn(followed, user="app"), stop))
    with proxy.connect(followed) as connection:
        asked = proxy.warmed(followed, lambda: connection.execute("SELECT id FROM u"))["reads"]
        writer.start()
        try:
            for wrong in ("v, id FROM t WHERE id <> 99", "v, id FROM t WHERE id < 100 ORDER BY id DESC LIMIT 99"):
                connection.execute(f"SELECT {wrong}")
                asked += 1
                status = proxy.settled(followed, asked)
        finally:
            stop.set()
            writer.join()
    assert (status["mismatch"], status["unstable"], status["unverified"]) == (2, 0, 0), status
    found = {(row["class"], row["column"], row["rows"]): row["id"] for row in proxy.console("SHOW MISMATCHES")}
    assert set(found) == {("value", "v", "1"), ("missing_rows", "", "1")}, found
    for (kind, _, _), key in zip(sorted(found), ("99", "100")):
        (sample,) = json.loads(proxy.console(f"SHOW MISMATCH {found[kind, 'v' if kind == 'value' else '', '1']}")[0]["samples"])
        assert sample["keys"] == [{"table": "public.t", "columns": ["id"], "values": [key]}], (kind, sample)


@pytest.mark.parametrize("sql, because", [
    ("SELECT NULL::pg_lsn", "gives NULL"),
    ("SELECT '0/0'::pg_lsn WHERE false", "0 rows"),
    ("SELECT 1/0", "division by zero"),
    ("SELECT 'soon'", "neither"),
])
def test_a_lag_that_is_unknown_is_never_zero(start, pair, shop, sql, because):
    pair.new.psql("UPDATE items SET name = 'wrong' WHERE id = 5", shop)
    proxy = start(shop, {"lag": {"probe": "query", "sql": sql, "max_wait": "200ms", "poll": "50ms"}})
    with proxy.connect(shop) as connection:
        status = proxy.warmed(shop, lambda: connection.execute("SELECT id FROM items WHERE id = 6"))
        connection.execute("SELECT id, name FROM items WHERE id = 5")
    after = proxy.settled(shop, status["reads"] + 1)
    assert (after["mismatch"], after["unverified"]) == (0, 1), after
    assert because in trouble(proxy, shop)


def test_the_same_read_is_settled_once_for_all_that_suspect_it(start, pair, shop):
    pair.new.psql("UPDATE items SET name = 'wrong' WHERE id = 5", shop)
    proxy = start(shop, {"shadow": {"recheck": {"settle": "50ms", "max_per_second": 1}}})
    with proxy.connect(shop) as connection:
        status = proxy.warmed(shop, lambda: connection.execute("SELECT id FROM items WHERE id = 6"))
        for _ in range(50):
            connection.execute("SELECT id, name FROM items WHERE id = 5", prepare=False)
    after = proxy.settled(shop, status["reads"] + 50)
    assert (after["mismatch"], after["unverified"]) == (50, 0), after
    assert len(proxy.console("SHOW MISMATCHES")) == 1
