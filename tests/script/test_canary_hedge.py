"""Hedging: when new is late old is asked as well, the first good answer is the client's, and the other one reaches nobody."""

import struct
import threading

import pytest

from messages import BOUND, CLOSED, PARSED, SYNC, bind, close, describe, execute, parse
from peer import CANCEL_REQUEST, LIMIT, Client, complete, data_row, error, message, query, ready, row_description
from proxy import wait_until
from scripted import COLUMNS, ITEMS, READ, Request, answer, put, rows
from test_canary_moments import FROM_NEW, gained, healthy
from test_canary_strays import NOTICE, NOTIFICATION, STRAYS, is_quiet

EXTENDED = [parse(READ), bind(), describe(), execute(), SYNC]
EXTENDED_ANSWER = PARSED + BOUND + rows(FROM_NEW) + ready()


class Side:
    """One side's answer to the next read, said by the test part by part; those behind it are answered at once."""

    def __init__(self, otherwise):
        self.otherwise, self.is_held, self.arrived, self.requests = otherwise, threading.Event(), threading.Semaphore(0), []

    def __call__(self, session, request):
        if not (self.is_held.is_set() and request.sql and "items" in request.sql):
            self.otherwise(session, request)
            return
        self.is_held.clear()
        self.session, self.ended = session, threading.Event()
        self.requests.append(request)
        self.arrived.release()
        assert self.ended.wait(LIMIT)

    def is_asked(self):
        assert self.arrived.acquire(timeout=LIMIT)

    def says(self, *parts):
        self.session.send(*parts)

    def ends(self, *parts):
        """The last of what it says to this read."""
        self.session.send(*parts)
        self.ended.set()


@pytest.fixture
def hedged(mirrors):
    """A client whose reads new serves; from here on both sides are the test's."""
    class Play:
        def __init__(self, **what):
            self.proxy, self.server, new = mirrors(
                entry={"canary": {"percent": 100, "quarantine": False, "patience": "30s", "hedge": "20ms", **what},
                       "shadow": {"percent": 0, "timeout": "30s", "recheck": {"rounds": 1, "settle": "1ms"}}})
            self.server.take_cancel = lambda *_: None  # where reads are hedged for the machine's slowness
            self.old, self.new = Side(answer), Side(healthy)
            self.server.client, new.own_answer = self.serve, self.new
            self.client = Client(self.proxy.port).login()
            self.served_by_new()
            self.hold()

        def serve(self, session):
            session.admit()
            self.session = session
            while True:
                self.old(session, Request(session))

        def served_by_new(self):
            wait_until(lambda: self.client.ask(READ) == rows(FROM_NEW) + ready(), what=self.proxy.said)
            wait_until(lambda: self.ask(*EXTENDED) == EXTENDED_ANSWER, what=self.proxy.said)

        def ask(self, *parts):
            self.client.send(*parts)
            return self.client.until_ready()

        def hold(self):
            wait_until(lambda: int(self.proxy.status("app")["queue_reads"]) == 0)  # all of them are with the shadow
            self.proxy.settled("app")
            del self.server.take_cancel
            self.old.is_held.set()
            self.new.is_held.set()
            self.before, self.status = self.proxy.fallbacks(), self.proxy.status("app")

        def begins(self, *parts):
            """Both sides are asked."""
            self.client.send(*parts)
            self.new.is_asked()
            self.old.is_asked()

        def hears(self, said):
            got = self.client.read(len(said))
            assert got == said, (got, said)

        def takes_cancel(self):
            """Old is told to cancel; the client's next request waits for it."""
            self.server.cancels.get(timeout=LIMIT)[0].closing.set()

        def goes_on(self, new=0, reads=None, **reasons):
            """In step; so many more reads were served by new, and fell back for these reasons."""
            assert is_quiet(self.client)
            self.old.is_held.clear()
            self.new.is_held.clear()
            if self.new.requests:
                self.new.ended.set()  # of an answer that nobody waits for
            status = self.proxy.settled("app")
            assert gained(self.proxy, self.before) == reasons
            assert status["served_new"] - int(self.status["served_new"]) == new
            for counted in "fallbacks", "served_old":
                assert status[counted] - int(self.status[counted]) == (sum(reasons.values()) if reads is None else reads)
            self.server.take_cancel = lambda *_: None
            self.served_by_new()
    return Play


def test_old_is_not_asked_while_new_is_not_late(hedged):
    play = hedged(hedge="10s")
    play.client.send(query(READ))
    play.new.is_asked()
    play.new.ends(rows(FROM_NEW) + ready("T"))
    play.hears(rows(FROM_NEW) + ready())
    assert not play.old.requests
    play.goes_on(new=1)


def test_old_wins_and_new_s_answer_reaches_nobody(hedged):
    play = hedged()
    play.begins(query(READ))
    play.old.says(rows(ITEMS)[:40])
    play.hears(rows(ITEMS)[:40])  # as it comes
    play.new.ends(rows(FROM_NEW) + ready("T"))
    play.old.ends(rows(ITEMS)[40:] + ready())
    play.hears(rows(ITEMS)[40:] + ready())
    play.goes_on(hedged=1)


def test_an_error_of_old_s_is_an_answer(hedged):
    play = hedged()
    play.begins(query(READ))
    play.old.ends(error("22012", "division by zero") + ready())
    play.hears(error("22012", "division by zero") + ready())
    play.goes_on(hedged=1)


@pytest.mark.parametrize("late", [rows(ITEMS), row_description(*COLUMNS) + data_row("1", "x" * 3_000_000) + complete("SELECT 1"),
                                  error("57014", "canceling statement due to user request"), STRAYS + rows(ITEMS) + NOTICE],
                         ids=["rows", "a large row", "cancelled", "with strays"])
def test_new_wins_and_old_s_answer_reaches_nobody(hedged, late):
    play = hedged()
    play.begins(query(READ))
    play.new.ends(rows(FROM_NEW) + ready("T"))
    play.hears(rows(FROM_NEW) + ready())
    play.takes_cancel()
    play.old.says(late[:len(late) // 2])
    play.old.ends(late[len(late) // 2:] + ready() + NOTIFICATION)
    play.hears((STRAYS + NOTICE if late.startswith(STRAYS) else b"") + NOTIFICATION)
    play.goes_on(new=1)


@pytest.mark.parametrize("first", ["answer", "cancel"])
def test_the_next_request_waits_until_old_is_done_and_no_cancel_can_hit_it(hedged, first):
    play = hedged()
    play.begins(query(READ))
    play.new.ends(rows(FROM_NEW) + ready("T"))
    play.hears(rows(FROM_NEW) + ready())
    cancel = play.server.cancels.get(timeout=LIMIT)[0]
    play.old.is_held.clear()
    play.client.send(query("BEGIN"))
    ends = [lambda: play.old.ends(rows(ITEMS) + ready()), cancel.closing.set]
    for end in ends if first == "answer" else reversed(ends):
        assert is_quiet(play.client)
        end()
    play.hears(complete("SET") + ready("T"))
    assert play.ask(query("ROLLBACK")) == complete("SET") + ready()
    play.goes_on(new=1)


def test_a_cancel_that_comes_late_hits_nothing(hedged):
    play = hedged()
    play.begins(query(READ))
    play.new.ends(rows(FROM_NEW) + ready("T"))
    play.hears(rows(FROM_NEW) + ready())
    cancel = play.server.cancels.get(timeout=LIMIT)[0]
    asker = Client(play.proxy.port)
    asker.send(struct.pack("!ii", 16, CANCEL_REQUEST), play.client.key)
    assert asker.rest() == b"" and play.server.cancels.empty()
    cancel.closing.set()
    play.old.ends(rows(ITEMS) + ready())
    play.goes_on(new=1)


def test_a_cancel_while_both_are_asked_ends_both(hedged):
    play = hedged()
    play.begins(query(READ))
    asker = Client(play.proxy.port)
    asker.send(struct.pack("!ii", 16, CANCEL_REQUEST), play.client.key)
    kind, body = play.client.receive()
    assert kind == "E" and b"\0C57014\0" in body and play.client.receive() == ("Z", b"I")
    assert asker.rest() == b""
    play.takes_cancel()
    play.old.ends(error("57014", "canceling statement due to user request") + ready())
    play.goes_on(new=1)


@pytest.mark.parametrize("say", [b"", STRAYS, NOTICE[:9], NOTICE[:3]], ids=["nothing", "strays", "half a notice", "half a header"])
@pytest.mark.parametrize("illness, reason", [(error("XX000", "ill") + ready("E"), "error"), (b"D\xff\xff\xff\xff", "junk"),
                                             (rows([("1",)], COLUMNS[:1]), "unfit"), (None, "disconnected")],
                         ids=["error", "junk", "other columns", "disconnect"])
def test_when_new_fails_old_s_answer_is_awaited(hedged, say, illness, reason):
    play = hedged()
    play.begins(query(READ))
    play.old.says(say)
    if illness:
        play.new.ends(illness)
    else:
        play.new.session.end()
        play.new.ended.set()
    wait_until(lambda: gained(play.proxy, play.before))
    rest = NOTICE[len(say):] if NOTICE.startswith(say) and say else b""
    play.old.ends(rest + rows(ITEMS) + ready())
    play.hears((say if not rest else NOTICE) + rows(ITEMS) + ready())
    play.goes_on(**{reason: 1})


def test_patience_counts_on(hedged):
    play = hedged(patience="200ms")
    play.begins(query(READ))
    wait_until(lambda: gained(play.proxy, play.before) == {"patience": 1})
    play.old.ends(rows(ITEMS) + ready())
    play.hears(rows(ITEMS) + ready())
    play.goes_on(patience=1)


# ---- with Parse and Close in front ----

def test_new_s_answer_waits_for_old_s_agreement_to_the_parse(hedged):
    play = hedged()
    play.begins(*EXTENDED)
    assert [request.kinds for request in play.old.requests] == ["PHBDES"]
    play.new.ends(PARSED + BOUND + rows(FROM_NEW) + ready("T"))
    assert is_quiet(play.client)
    play.old.says(PARSED)
    play.hears(EXTENDED_ANSWER)
    play.takes_cancel()
    play.old.ends(BOUND + rows(ITEMS) + ready())
    play.goes_on(new=1)


def test_old_wins_with_its_own_answer_to_the_parse(hedged):
    play = hedged()
    play.begins(close("S", "none"), *EXTENDED)
    play.old.says(CLOSED)
    play.old.says(NOTICE + PARSED)
    play.hears(NOTICE)
    assert is_quiet(play.client)  # nothing is decided yet
    play.old.ends(BOUND + rows(ITEMS) + ready())
    play.hears(CLOSED + PARSED + BOUND + rows(ITEMS) + ready())
    play.goes_on(hedged=1)


def test_old_s_refusal_of_the_parse_is_the_answer(hedged):
    play = hedged()
    play.begins(*EXTENDED)
    play.new.ends(PARSED + BOUND + rows(FROM_NEW) + ready("T"))
    play.old.ends(error("42P05", "it exists") + ready())
    play.hears(error("42P05", "it exists") + ready())
    play.goes_on(hedged=1, reads=0)  # nothing was executed


def test_rows_that_are_streaming_come_before_what_old_says(hedged):
    play = hedged(hold="1KiB")
    first, second = data_row("1", "x" * 2000), data_row("2", "y" * 100_000)
    play.begins(*EXTENDED)
    play.new.says(PARSED + BOUND + row_description(*COLUMNS) + first)
    play.old.says(PARSED)
    play.hears(PARSED + BOUND + row_description(*COLUMNS) + first)
    play.old.says(STRAYS)
    play.new.ends(second + complete("SELECT 2") + ready("T"))
    play.hears(second + complete("SELECT 2") + ready() + STRAYS)
    play.takes_cancel()
    play.old.ends(BOUND + rows(ITEMS) + ready())
    play.goes_on(new=1)
