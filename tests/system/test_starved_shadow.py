"""A shadow that gets next to no processor time compares less, but loses no session: its reads are compared again afterwards,
and where new serves reads, they come back to new after a write."""

import contextlib
import os
import pathlib
import subprocess
import sys

import pytest

from clusters import BIN
from proxy import wait_until

IDLEST = 19


@contextlib.contextmanager
def starved(proxy):
    """The shadow's thread shares a processor with who takes all of it."""
    tasks = pathlib.Path(f"/proc/{proxy.process.pid}/task")
    threads = [int(task.name) for task in tasks.iterdir() if (task / "comm").read_text().strip() == "shadow"]
    assert threads
    processors = os.sched_getaffinity(0)
    place = {min(processors)}
    greedy = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    os.sched_setaffinity(greedy.pid, place)
    nice = os.getpriority(os.PRIO_PROCESS, threads[0])
    for thread in threads:
        os.sched_setaffinity(thread, place)
        os.setpriority(os.PRIO_PROCESS, thread, IDLEST)
    try:
        yield
    finally:
        greedy.kill()
        greedy.wait()
        for thread in threads:
            os.sched_setaffinity(thread, processors)
            with contextlib.suppress(PermissionError):  # who is not root can't take it back
                os.setpriority(os.PRIO_PROCESS, thread, nice)


def pgbench(proxy, shop, mode, script):
    """Its command, when the shadow knows these reads: what it does not know it can't do without."""
    (proxy.home / "load.sql").write_text(script)
    command = [BIN / "pgbench", "-n", "-M", mode, "-f", proxy.home / "load.sql", proxy.dsn(shop)]
    subprocess.run([*command, "-t", "5"], check=True, capture_output=True)
    proxy.settled(shop, 5)
    return command


@contextlib.contextmanager
def load(proxy, shop, mode, script):
    process = subprocess.Popen([*pgbench(proxy, shop, mode, script), "-c", "4", "-T", "600"], stdout=subprocess.DEVNULL,
                               stderr=subprocess.PIPE, text=True)
    try:
        yield
        assert process.poll() is None, process.stderr.read()
    finally:
        process.terminate()
        process.wait()


def was_lost(proxy):
    return "session_state_lost" in proxy.said()


@pytest.mark.races
@pytest.mark.parametrize("mode", ["simple", "extended", "prepared"])
def test_what_it_has_no_time_for_is_dropped_and_no_session_is_lost(start, shop, pair, mode):
    proxy = start(shop, {"shadow": {"memory": "1MiB"}})
    read = "SELECT id, name FROM items WHERE id = :id"
    with proxy.connect(shop) as connection, load(proxy, shop, mode, f"\\set id random(1, 900)\n{read};\n"):
        wait_until(lambda: int(proxy.status(shop)["match"]) > 100, what=proxy.said)
        with starved(proxy):
            dropped = int(proxy.status(shop)["dropped"])
            wait_until(lambda: int(proxy.status(shop)["dropped"]) > dropped + 3000 or was_lost(proxy), what=proxy.said)
            connection.execute("SET DateStyle = 'German'")
        assert not was_lost(proxy), proxy.said()
        matches = int(proxy.status(shop)["match"])
        wait_until(lambda: int(proxy.status(shop)["match"]) > matches + 100, what=proxy.said)
    before = proxy.settled(shop)
    with proxy.connect(shop) as fresh:
        fresh.execute("SELECT made FROM items WHERE id = 1")
    after = proxy.settled(shop, before["reads"] + 1)
    assert not was_lost(proxy), proxy.said()
    assert (after["mismatch"], proxy.skipped(shop).get("session_state", 0), after["match"]) == (0, 0, before["match"] + 1)


@pytest.mark.parametrize("mode", ["simple", "extended", "prepared"])
def test_each_read_that_is_dropped_is_in_the_books(start, shop, mode):
    proxy = start(shop, {"shadow": {"memory": "1MiB"}})
    few = "WITH few AS (SELECT id FROM items WHERE id < :id) SELECT count(*) FROM few"
    command = pgbench(proxy, shop, mode, f"\\set id random(1, 900)\n{few};\n")
    before = proxy.settled(shop, 5)
    with starved(proxy):
        subprocess.run([*command, "-c", "4", "-t", "1500"], check=True, capture_output=True)
    after = proxy.settled(shop, before["reads"] + 6000)
    assert after["dropped"] > 0 and (after["reads"], after["other"]) == (before["reads"] + 6000, before["other"]), after


@pytest.mark.parametrize("mode", ["simple", "prepared"])
def test_reads_come_back_to_new_after_a_write(start, shop, pair, mode):
    proxy = start(shop, {"canary": {"percent": 100, "after_write": "10ms", "quarantine": False},
                         "compare": {"rules": [{"match": {"column": "note"}, "ignore": True}]}})
    read = "SELECT id, name FROM items WHERE id = :id"
    pair.new.psql("UPDATE items SET note = 'of new' WHERE id = 1", shop)
    with proxy.connect(shop) as connection, load(proxy, shop, mode, f"\\set id random(1, 900)\n{read};\n"):
        def is_on_new():
            return connection.execute("SELECT note FROM items WHERE id = 1").fetchone() == ("of new",)
        wait_until(is_on_new, what=proxy.said)
        with starved(proxy):
            for _ in range(2):
                connection.execute("UPDATE items SET note = note WHERE id = 1000")
                wait_until(is_on_new, what=proxy.said)
        assert not was_lost(proxy), proxy.said()
    proxy.settled(shop)
