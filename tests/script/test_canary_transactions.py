"""Reads that new serves in a transaction of old's: whatever happens, the client and old agree on how that stands."""

import struct
import threading
import time

import pytest

from messages import BOUND, PARSED, SYNC, bind, execute, parse
from peer import CANCEL_REQUEST, LIMIT, Client, complete, data_row, error, query, ready, row_description
from proxy import wait_until
from scripted import COLUMNS, ITEMS, READ, answer, put, rows
from test_canary_strays import FROM_NEW, Play, is_quiet

ISOLATION = "SELECT pg_catalog.current_setting('transaction_isolation')"


class Transaction(Play):
    """Old in a transaction, whose isolation it tells as the test says; `asked` is what it heard from the session."""

    isolation, read_only, asked, silent = "read committed", "on", (), None

    def begin(self):
        self.asked, self.hook = [], self.speak
        assert self.client.ask("BEGIN READ ONLY") == complete("BEGIN") + ready("T")

    def speak(self, session, request):
        self.asked.append(request.sql or request.kinds)
        if self.silent and (request.sql or "").startswith(ISOLATION):
            assert self.silent.wait(LIMIT)
        if (request.sql or "").startswith(ISOLATION):
            session.send(rows([(self.isolation, self.read_only)], ("isolation", "read_only")), ready(session.status))
        elif (request.sql or "").startswith("ROLLBACK TO SAVEPOINT"):
            session.status = "E"
            session.send(error("3B001", "there is no such savepoint"), ready("E"))
        elif request.kinds == "PBEPS":  # a BEGIN, and the Parse of what follows it
            session.status = "T"
            session.send(PARSED + BOUND + complete("BEGIN") + PARSED, ready("T"))
        elif request.sql == "BEGIN READ ONLY":
            session.status = "T"
            session.send(complete("BEGIN"), ready("T"))
        else:
            answer(session, request)

    def end(self):
        assert self.client.ask("ROLLBACK")[-6:] == ready()
        self.goes_on()


@pytest.fixture
def begin(mirrors):
    def begin(hold="256KiB", **what):
        proxy, old, new = mirrors(entry={"canary": {"percent": 100, "quarantine": False, "patience": "30s", "hold": hold, **what},
                                         "shadow": {"timeout": "30s", "recheck": {"rounds": 1, "settle": "1ms"}}})
        play = Transaction(proxy, old, new)
        play.begin()
        return play
    return begin


def test_old_is_asked_once_how_it_is_isolated(begin):
    play = begin()
    for _ in range(3):
        assert play.client.ask(READ) == rows(FROM_NEW) + ready("T")
    assert [sql for sql in play.asked if sql != "S"] == ["BEGIN READ ONLY", play.asked[1]]
    assert play.asked[1].startswith(ISOLATION)
    play.end()


@pytest.mark.parametrize("isolation, read_only", [("repeatable read", "on"), ("serializable", "on"), ("read committed", "off")])
def test_in_other_transactions_old_serves_and_new_has_not_failed(begin, isolation, read_only):
    play = begin()
    play.isolation, play.read_only = isolation, read_only
    before = play.proxy.fallbacks()
    for _ in range(3):
        assert play.client.ask(READ) == rows(ITEMS) + ready("T")
    assert [sql.startswith(ISOLATION) for sql in play.asked].count(True) == 1 and play.proxy.fallbacks() == before
    play.end()
    play.isolation, play.read_only = "read committed", "on"
    play.begin()
    assert play.client.ask(READ) == rows(FROM_NEW) + ready("T")
    play.end()


def test_nothing_is_released_before_old_has_said_how_it_is_isolated(begin):
    play = begin()
    play.silent = threading.Event()
    play.client.send(query(READ))
    wait_until(lambda: len(play.asked) == 2)
    assert is_quiet(play.client)
    play.silent.set()
    play.hears(rows(FROM_NEW) + ready("T"))
    play.silent = None
    play.end()


def test_a_begin_and_the_first_read_in_one_unit(begin):
    play = begin()
    play.end()
    play.hook = play.speak
    play.asked.clear()
    play.client.send(parse("BEGIN READ ONLY"), bind(), execute(), parse(READ, "S_1"), bind("S_1"), execute("", 0), SYNC)
    play.hears(PARSED + BOUND + complete("BEGIN") + PARSED + BOUND + data_row(*FROM_NEW[0]) + complete("SELECT 1") + ready("T"))
    assert play.asked[1].startswith(ISOLATION)
    play.end()


def test_before_the_release_old_takes_over_in_its_transaction(begin):
    play = begin()
    play.new.own_answer = lambda session, request: session.send(error("XX000", "new has a problem"), ready("E"))
    assert play.client.ask(READ) == rows(ITEMS) + ready("T")
    play.new.own_answer = lambda session, request: put(session, request, FROM_NEW)
    assert play.client.ask(READ) == rows(FROM_NEW) + ready("T")
    play.end()


def test_when_new_is_lost_after_the_release_old_s_transaction_fails_too(begin):
    play = begin(hold="1KiB")
    assert play.client.ask(READ) == rows(FROM_NEW) + ready("T")
    first = row_description(*COLUMNS) + data_row("1", "x" * 2000)
    held = play.holds(first, b"")
    play.client.send(query(READ))
    held.steps.release()
    play.hears(first)
    play.new.end_own_sessions()
    held.steps.release()
    heard = play.client.until_ready()
    assert b"\0C40001\0" in heard and heard.endswith(ready("E"))
    assert play.asked[-1].startswith("ROLLBACK TO SAVEPOINT") and play.session.status == "E"
    play.end()


def test_a_cancel_fails_old_s_transaction_too(begin):
    play = begin()
    held = play.holds(b"never")
    play.client.send(query(READ))
    held.wait()
    asker = Client(play.proxy.port)
    asker.send(struct.pack("!ii", 16, CANCEL_REQUEST), play.client.key)
    heard = play.client.until_ready()
    assert b"\0C57014\0" in heard and heard.endswith(ready("E"))
    assert play.asked[-1].startswith("ROLLBACK TO SAVEPOINT")
    held.steps.release()
    play.new.cancels.get(timeout=LIMIT)[0].closing.set()
    play.end()


def test_a_session_that_new_serves_does_not_seem_idle_to_old(begin):
    play = begin()
    play.client.ask(READ)
    for wanted in "S", "SS":
        time.sleep(0.55)  # half a second of silence is what old hears at most
        assert play.client.ask(READ) == rows(FROM_NEW) + ready("T")
        assert "".join(sql for sql in play.asked if set(sql) == {"S"}) == wanted
    play.end()
