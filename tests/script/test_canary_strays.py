"""What old says on its own while new serves a read reaches the client whole, once, and where a message may stand."""

import select
import struct
import threading

import pytest

from messages import BOUND, PARSED, SYNC, bind, describe, execute, parse
from peer import CANCEL_REQUEST, LIMIT, Client, complete, data_row, message, parameter, query, ready, row_description, text
from proxy import wait_until
from scripted import COLUMNS, ITEMS, READ, Request, answer, put, rows

FROM_NEW = [("1", "from new")]
NOTIFICATION = message("A", struct.pack("!i", 99) + text("bell") + text("ding"))
NOTICE = message("N", b"SNOTICE\0VNOTICE\0C00000\0Mby the way\0\0")
STRAYS = NOTIFICATION + parameter("TimeZone", "Europe/Vienna") + NOTICE + parameter("TimeZone", "UTC")
EXTENDED = [parse(READ), bind(), describe(), execute(), SYNC]
EXTENDED_ANSWER = PARSED + BOUND + rows(FROM_NEW) + ready()
HALVES = pytest.mark.parametrize("stray", [NOTIFICATION, NOTICE, parameter("TimeZone", "UTC")],
                                 ids=["notification", "notice", "parameter"])


class Held:
    """New's answer to one read, which the test lets go on in its steps; others are answered at once."""

    def __init__(self, *parts):
        self.parts, self.steps, self.asked = parts, threading.Semaphore(0), threading.Semaphore(0)
        self.first = threading.Semaphore(1)

    def __call__(self, session, request):
        if not self.first.acquire(blocking=False):
            put(session, request, FROM_NEW)
            return
        self.asked.release()
        for part in self.parts:
            assert self.steps.acquire(timeout=LIMIT)
            session.send(part)

    def wait(self):
        assert self.asked.acquire(timeout=LIMIT)


def is_quiet(client):
    return not client.input and not select.select([client.connection], [], [], 0.2)[0]


class Play:
    """A client whose reads new serves, and its session on old."""

    def __init__(self, proxy, old, new):
        self.proxy, self.old, self.new, self.hook = proxy, old, new, None
        old.client = self.serve
        self.client = Client(proxy.port).login()
        self.warm_up()

    def serve(self, session):
        """A request for the hook, if there is one: it speaks for old."""
        session.admit()
        self.session = session
        while True:
            request = Request(session)
            (self.hook or answer)(session, request)

    def holds(self, *parts):
        """What new says to the client's next read."""
        self.proxy.settled("app")  # nothing else is read there meanwhile
        self.new.own_answer = held = Held(*parts)
        return held

    def warm_up(self):
        self.new.own_answer = lambda session, request: put(session, request, FROM_NEW)
        wait_until(lambda: self.client.ask(READ) == rows(FROM_NEW) + ready(), what=self.proxy.said)
        wait_until(lambda: self.ask_extended() == EXTENDED_ANSWER, what=self.proxy.said)

    def ask_extended(self):
        self.client.send(*EXTENDED)
        return self.client.until_ready()

    def hears(self, said):
        got = self.client.read(len(said))
        assert got == said, (got, said)

    def goes_on(self):
        """In step, and new serves again; nothing more came."""
        assert is_quiet(self.client)
        self.hook = None
        self.warm_up()


@pytest.fixture
def begin(mirrors):
    def begin(hold="256KiB"):
        proxy, old, new = mirrors(entry={"canary": {"percent": 100, "quarantine": False, "patience": "30s", "hold": hold},
                                         "shadow": {"timeout": "30s", "recheck": {"rounds": 1, "settle": "1ms"}}})
        return Play(proxy, old, new)
    return begin


def test_what_old_says_while_new_s_answer_is_held_passes_at_once(begin):
    play = begin()
    held = play.holds(rows(FROM_NEW) + ready("T"))
    play.client.send(query(READ))
    held.wait()
    for stray in STRAYS, NOTIFICATION * 3, NOTICE:
        play.session.send(stray)
        play.hears(stray)
    held.steps.release()
    play.hears(rows(FROM_NEW) + ready())
    play.goes_on()


@pytest.mark.parametrize("cut", [3, 5, 9, -1])
@HALVES
def test_new_s_answer_waits_for_the_end_of_the_message_that_old_is_saying(begin, stray, cut):
    play = begin()
    held = play.holds(rows(FROM_NEW) + ready("T"))
    play.client.send(query(READ))
    held.wait()
    play.session.send(NOTICE, stray[:cut])
    play.hears(NOTICE)
    if len(stray[:cut]) >= 5:
        play.hears(stray[:cut])
        held.steps.release()
        assert is_quiet(play.client)
        play.session.send(stray[cut:])
        play.hears(stray[cut:] + rows(FROM_NEW) + ready())
    else:  # a header that is not whole is kept back
        held.steps.release()
        play.hears(rows(FROM_NEW) + ready())
        play.session.send(stray[cut:])
        play.hears(stray)
    play.goes_on()


@HALVES
def test_old_is_asked_after_its_message_has_ended(begin, stray):
    play = begin()
    held = play.holds(PARSED + BOUND + rows(FROM_NEW) + ready("T"))
    play.client.send(*EXTENDED)
    held.wait()
    play.session.send(stray[:9])
    play.hears(stray[:9])
    held.steps.release()
    assert is_quiet(play.client)
    play.session.send(stray[9:])
    play.hears(stray[9:] + EXTENDED_ANSWER)
    play.goes_on()


@HALVES
def test_a_cancel_is_answered_after_old_s_message_has_ended(begin, stray):
    play = begin()
    held = play.holds(b"never")
    play.client.send(query(READ))
    held.wait()
    play.session.send(stray[:9])
    play.hears(stray[:9])
    asker = Client(play.proxy.port)
    asker.send(struct.pack("!ii", 16, CANCEL_REQUEST), play.client.key)
    assert asker.rest() == b"" and is_quiet(play.client)
    play.session.send(stray[9:])
    play.hears(stray[9:])
    kind, body = play.client.receive()
    assert kind == "E" and b"\0C57014\0" in body
    assert play.client.receive() == ("Z", b"I")
    held.steps.release()
    play.new.cancels.get(timeout=LIMIT)[0].closing.set()
    play.goes_on()


def test_old_serves_the_read_when_new_is_lost_while_the_end_of_old_s_message_is_awaited(begin):
    play = begin(hold="1KiB")
    first = row_description(*COLUMNS) + data_row("1", "x" * 2000)
    held = play.holds(first, b"")
    play.client.send(query(READ))
    held.wait()
    play.session.send(NOTICE[:9])
    play.hears(NOTICE[:9])
    held.steps.release()
    assert is_quiet(play.client)
    play.new.end_own_sessions()
    held.steps.release()
    assert is_quiet(play.client)
    play.session.send(NOTICE[9:])
    play.hears(NOTICE[9:])
    said = play.client.until_ready()
    # The end waits behind new's rows, which nobody reads yet: whether it is seen before their release is new's affair.
    assert said == rows(ITEMS) + ready() or said.startswith(first) and b"C40001\0" in said
    play.goes_on()


def test_what_old_says_while_it_is_asked_passes_between_its_answers(begin):
    play = begin()

    def agrees(session, request):
        assert request.kinds == "PS"
        session.send(STRAYS, PARSED, STRAYS)
        session.send(NOTICE[:7])
        session.send(NOTICE[7:] + ready() + STRAYS)
    play.hook = agrees
    play.client.send(*EXTENDED)
    play.hears(STRAYS + STRAYS + NOTICE + EXTENDED_ANSWER + STRAYS)
    play.goes_on()


def test_what_old_says_while_rows_are_streaming_waits_behind_them(begin):
    play = begin(hold="1KiB")
    first, second = data_row("1", "x" * 2000), data_row("2", "y" * 100_000)
    held = play.holds(row_description(*COLUMNS) + first, second[:50_000],
                      second[50_000:] + complete("SELECT 2") + ready("T"))
    play.client.send(query(READ))
    held.wait()
    held.steps.release()
    play.hears(row_description(*COLUMNS) + first)
    play.session.send(STRAYS + NOTICE[:9])
    held.steps.release()
    play.hears(second[:5])
    held.steps.release()
    play.hears(second[5:] + complete("SELECT 2") + ready() + STRAYS + NOTICE[:9])
    play.session.send(NOTICE[9:])
    play.hears(NOTICE[9:])
    play.goes_on()


@pytest.mark.parametrize("cut", [3, 9])
def test_what_comes_with_old_s_agreement_waits_behind_the_rows(begin, cut):
    play = begin(hold="1KiB")
    first, second = data_row("1", "x" * 2000), data_row("2", "y" * 100_000)
    held = play.holds(PARSED + BOUND + row_description(*COLUMNS) + first,
                      second + complete("SELECT 2") + ready("T"))
    play.hook = lambda session, request: session.send(PARSED + ready() + STRAYS + NOTICE[:cut])
    play.client.send(*EXTENDED)
    held.steps.release()
    play.hears(PARSED + BOUND + row_description(*COLUMNS) + first)
    held.steps.release()
    whole = second + complete("SELECT 2") + ready() + STRAYS
    play.hears(whole + (NOTICE[:cut] if cut >= 5 else b""))
    play.session.send(NOTICE[cut:])
    play.hears(NOTICE[cut:] if cut >= 5 else NOTICE)
    play.goes_on()


LARGE = 3 << 20


@pytest.mark.parametrize("kind", "NAS")
def test_a_large_message_of_old_s_is_not_kept_until_it_is_whole(begin, kind):
    play = begin()
    body = {"N": b"SNOTICE\0C00000\0M" + b"x" * LARGE + b"\0\0", "A": struct.pack("!i", 99) + text("bell") + b"y" * LARGE + b"\0",
            "S": text("search_path") + b"z" * LARGE + b"\0"}[kind]
    large, is_half = message(kind, body), threading.Event()

    def agrees(session, request):
        session.send(NOTICE, PARSED, NOTICE, large[:LARGE // 2])
        assert is_half.wait(LIMIT)
        session.send(large[LARGE // 2:], NOTICE, ready(), NOTICE)
    play.hook = agrees
    play.client.send(*EXTENDED)
    play.hears(NOTICE + NOTICE + large[:LARGE // 2])
    is_half.set()
    play.hears(large[LARGE // 2:] + NOTICE + EXTENDED_ANSWER + NOTICE)
    play.goes_on()


def test_a_large_refusal_of_old_s_is_the_answer(begin):
    play = begin()
    refusal, is_half = message("E", b"SERROR\0C42601\0M" + b"x" * LARGE + b"\0\0"), threading.Event()

    def refuses(session, request):
        session.send(refusal[:LARGE // 2])
        assert is_half.wait(LIMIT)
        session.send(refusal[LARGE // 2:], ready())
    play.hook = refuses
    play.client.send(*EXTENDED)
    play.hears(refusal[:LARGE // 2])
    is_half.set()
    play.hears(refusal[LARGE // 2:] + ready())
    play.goes_on()


@pytest.mark.parametrize("said", [message("1", b"x" * LARGE)[:100], PARSED * 250_000], ids=["one that is too large", "too many"])
def test_an_agreement_without_an_end_ends_the_session(begin, said):
    play = begin()
    play.hook = lambda session, request: (session.send(said), session.read(1 << 20))
    play.client.send(*EXTENDED)
    heard = play.client.rest()
    assert b"C08P01\0Mthe server sent what is no protocol\0" in heard
    play.hook = None
    Play(play.proxy, play.old, play.new).goes_on()
