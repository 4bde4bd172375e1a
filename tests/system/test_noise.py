"""How much old differs from itself: each query shape's own noise floor, beside its verdicts."""

import contextlib
import json
import os
import signal
import subprocess
import threading

import psycopg
import pytest

from proxy import binary, wait_until

MOVING = "SELECT v FROM moving WHERE id = 1"
QUIET = "SELECT v FROM quiet WHERE id = 1"
TABLES = "".join(f"CREATE TABLE {name} (id int PRIMARY KEY, v bigint); INSERT INTO {name} VALUES (1, 0); GRANT ALL ON {name} TO app;"
                 for name in ("moving", "quiet"))


@pytest.fixture
def two(pair):
    name = pair.database(TABLES)
    yield name
    pair.forget(name)


def noise_of(rows):
    """Of each table that was read, by its name."""
    return {row["tables"].removeprefix("public."): row["noise_rate"] for row in rows}


def noise(proxy):
    return noise_of(proxy.console("SHOW QUERIES"))


def move(dsn, stop):
    with psycopg.connect(dsn, autocommit=True) as connection:
        while not stop.is_set():
            connection.execute("UPDATE moving SET v = v + 1", prepare=True)


def reported(proxy):
    done = subprocess.run([binary(), "report", "-c", str(proxy.path), "--format", "json"], cwd=proxy.home, check=True,
                          capture_output=True, text=True)
    return [row for database in json.loads(done.stdout)["databases"] for row in database["queries"]]


def test_what_moves_on_old_has_noise_and_what_is_quiet_has_none(start, pair, two):
    proxy = start(two, {"new": pair.old.dsn(two, user="app"), "shadow": {"noise": 1}})
    stop = threading.Event()
    writer = threading.Thread(target=move, args=(pair.old.dsn(two, user="app"), stop))
    with proxy.connect(two) as connection:
        asked = proxy.warmed(two, lambda: connection.execute(QUIET))["reads"]
        writer.start()

        def has_noise():
            nonlocal asked
            for sql in (MOVING, QUIET):
                connection.execute(sql)
                asked += 1
            seen = noise(proxy)
            return seen.get("quiet") is not None and float(seen.get("moving") or 0) > 0
        try:
            wait_until(has_noise, what=lambda: str(proxy.console("SHOW QUERIES")))
        finally:
            stop.set()
            writer.join()
        # What was put to old twice is in the books once: settled() checks that they balance.
        assert proxy.settled(two, asked)["reads"] == asked
    assert float(noise(proxy)["quiet"]) == 0 and float(noise(proxy)["moving"]) <= 1
    kept = wait_until(lambda: (seen := noise_of(reported(proxy))).get("quiet") is not None and seen)
    assert kept["quiet"] == 0, kept


def test_without_a_sample_there_is_no_noise_rate(start, two):
    proxy = start(two, {"shadow": {"noise": 0}})
    with proxy.connect(two) as connection:
        proxy.warmed(two, lambda: connection.execute(QUIET))
    assert noise(proxy) == {"quiet": None}


@contextlib.contextmanager
def frozen(cluster, dbname):
    """The proxy's sessions on this side stand still."""
    pids = [int(pid) for pid in cluster.psql(
        f"SELECT pid FROM pg_stat_activity WHERE datname = '{dbname}' AND application_name = 'pgrehearse'")]
    assert pids
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)


def test_a_verdict_does_not_wait_for_the_second_reading_of_old_nor_does_the_end(start, pair, two):
    """The read matches while old still owes its second answer. The proxy is stopped in that state: it must end well."""
    proxy = start(two, {"shadow": {"noise": 1, "timeout": "600s", "connections": 1}})
    with proxy.connect(two) as connection:
        proxy.warmed(two, lambda: connection.execute(QUIET))
        wait_until(lambda: noise(proxy)["quiet"] is not None)  # the one session on old that there is stands still next
        before = proxy.status(two)
        with frozen(pair.old, two):
            connection.execute(MOVING)
            wait_until(lambda: int(proxy.status(two)["match"]) == int(before["match"]) + 1, what=lambda: str(proxy.status(two)))
            status = proxy.status(two)
            assert status["in_flight"] == "0" and int(status["reads"]) == int(before["reads"]) + 1, status
            assert noise(proxy)["moving"] is None
            connection.close()
            proxy.stop()
