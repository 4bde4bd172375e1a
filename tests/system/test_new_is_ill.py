"""Whatever new does, clients can't tell."""

import os
import subprocess
import threading

import pytest

from clusters import BIN
from peer import Peer, message, ready
from proxy import books_balance, wait_until


class Load:
    """pgbench through the proxy; every query must be answered."""

    def __init__(self, proxy, shop, mode="prepared"):
        script = proxy.home / "load.sql"
        script.write_text("\\set id random(1, 1000)\nSELECT id, name, note FROM items WHERE id = :id;\n"
                          "SELECT item_id, line, what FROM parts WHERE item_id = :id;\n")
        self.process = subprocess.Popen(
            [BIN / "pgbench", "-n", "-M", mode, "-c", "8", "-t", "500", "-f", script, proxy.dsn(shop)],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self.reads = 8 * 500 * 2

    def finish(self):
        said = self.process.communicate(timeout=300)[0]
        assert "processed: 4000/4000" in said and "number of failed transactions: 0 " in said, said


def load_on_a_new_that_works(proxy, shop):
    """A load under way. How many of its reads match is the machine's to say: under this much, some are dropped."""
    def ask():
        with proxy.connect(shop) as connection:
            connection.execute("SELECT id, name FROM items WHERE id = 1")
    before = proxy.warmed(shop, ask)["reads"]
    load = Load(proxy, shop)
    load.reads += before
    wait_until(lambda: int(proxy.status(shop)["reads"]) > before + 100)
    return load


def answers_nothing(session):
    session.admit()
    while True:
        session.receive()


def garbage_at_login(session):
    session.read_startup()
    session.send(os.urandom(4000))


def garbage_as_an_answer(session):
    session.admit()
    session.receive()
    session.send(b"D\xff\xff\xff\xff" + os.urandom(100000))


def an_answer_without_end(session):
    session.admit()
    session.receive()
    while True:
        session.send(message("D", b"\0\1\0\0\xff\xff" + b"x" * 65535) * 16)


def ready_without_an_answer(session):
    session.admit()
    while True:
        session.receive()
        session.send(ready(), ready("E"), ready("T"))


def hangs_up(session):
    session.admit()
    session.receive()
    session.close()


def never_speaks(session):
    session.read(1 << 20)


ILLNESSES = [answers_nothing, garbage_at_login, garbage_as_an_answer, an_answer_without_end,
             ready_without_an_answer, hangs_up, never_speaks]


def run_ill(proxy, shop):
    load = Load(proxy, shop)
    peak = [0.0]
    wait_until(lambda: peak.__setitem__(0, max(peak[0], proxy.memory())) or
               (books_balance(proxy.status(shop)) and load.process.poll() is not None), limit=240)
    load.finish()
    status = proxy.settled(shop, load.reads)
    assert status["reads"] == load.reads and status["mismatch"] == 0
    assert status["served_old"] == load.reads
    return status, peak[0]


@pytest.mark.parametrize("illness", ILLNESSES, ids=lambda one: one.__name__)
def test_clients_can_not_tell_what_new_says(start, shop, illness):
    with Peer(illness) as peer:
        proxy = start(shop, {"new": peer.dsn(shop), "shadow": {"timeout": "500ms", "memory": "4MiB"}})
        status, peak = run_ill(proxy, shop)
        assert status["match"] == 0
        assert peak < 600  # MiB, with a sanitizer's shadow
        proxy.stop()


def test_clients_can_not_tell_that_new_is_away(start, pair, shop):
    new = pair.new.dsn(shop, user="app").replace(str(pair.new.port), "1")
    status, _ = run_ill(start(shop, {"new": new}), shop)
    assert status["compared"] == 0


@pytest.mark.races
def test_clients_can_not_tell_that_new_stops_and_comes_back(start, pair, shop):
    proxy = start(shop)
    load = load_on_a_new_that_works(proxy, shop)
    pair.new.stop()
    try:
        load.finish()
        assert proxy.settled(shop, load.reads)["mismatch"] == 0
    finally:
        pair.new.start()
    before = int(proxy.status(shop)["match"])

    def matches_again():
        with proxy.connect(shop) as connection:
            connection.execute("SELECT id, name FROM items WHERE id = 1")
        return int(proxy.status(shop)["match"]) > before
    wait_until(matches_again)


def test_clients_can_not_tell_that_new_is_frozen(start, pair, shop):
    proxy = start(shop, {"shadow": {"timeout": "500ms", "memory": "1MiB"}})
    load = load_on_a_new_that_works(proxy, shop)
    try:
        pair.new.freeze()
        load.finish()
        status = proxy.settled(shop, load.reads)
        assert status["mismatch"] == 0 and proxy.memory() < 600
    finally:
        pair.new.thaw()


def test_a_slow_new_slows_no_client(start, shop):
    release = threading.Event()

    def slow(session):
        session.admit()
        release.wait(60)
    with Peer(slow) as peer:
        proxy = start(shop, {"new": peer.dsn(shop)})
        with proxy.connect(shop) as connection:
            for i in range(1, 501):
                assert connection.execute("SELECT name FROM items WHERE id = %s", (i,)).fetchone() == (f"item {i}",)
        # All answered before new said its first word.
        assert not release.is_set() and int(proxy.status(shop)["match"]) == 0
        release.set()
        proxy.stop()
