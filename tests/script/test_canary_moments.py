"""The canary: until new's answer is released, old can take over, and why it did is counted."""

import struct
import time

import pytest

from peer import CANCEL_REQUEST, Client, data_row, error, query, ready, row_description
from proxy import wait_until
from scripted import COLUMNS, ITEMS, READ, put, rows

FROM_NEW = [("1", "from new")]


def healthy(session, request):
    put(session, request, FROM_NEW)


def fails(session, request):
    session.send(error("XX000", "new has a problem"), ready("E"))


def disconnects(session, request):
    session.send(row_description(*COLUMNS), data_row(*FROM_NEW[0])[:-3])
    session.close()


def says_junk(session, request):
    session.send(row_description(*COLUMNS), b"D\xff\xff\xff\xff")
    session.read(1 << 20)


def is_late(session, request):
    session.read(1 << 20)


def has_other_columns(session, request):
    session.send(rows([("1",)], COLUMNS[:1]), ready("T"))


@pytest.fixture
def canary(mirrors):
    """The proxy, old, new, and a client whose reads new serves."""
    def begin(**what):
        proxy, old, new = mirrors(entry={"canary": {"percent": 100, "quarantine": False, "patience": "10s", **what},
                                         "shadow": {"timeout": "300ms", "recheck": {"rounds": 1, "settle": "1ms"}}})
        new.own_answer = healthy
        client = Client(proxy.port).login()
        wait_until(lambda: client.ask(READ) == rows(FROM_NEW) + ready(), what=proxy.said)
        return proxy, old, new, client
    return begin


def test_the_first_read_of_a_session_is_new_s_too(canary):
    proxy, *_ = canary()
    for _ in range(20):
        with Client(proxy.port) as client:
            assert client.login().ask(READ) == rows(FROM_NEW) + ready()


@pytest.mark.parametrize("illness, reason", [(fails, "error"), (disconnects, "disconnected"), (says_junk, "junk"),
                                             (is_late, "patience"), (has_other_columns, "unfit")],
                         ids=["error", "disconnect", "junk", "late", "other columns"])
def test_old_answers_when_new(canary, illness, reason):
    proxy, _, new, client = canary(patience="200ms")
    before = proxy.fallbacks()
    new.own_answer = illness
    assert client.ask(READ) == rows(ITEMS) + ready()
    gained = {why: count - before.get(why, 0) for why, count in proxy.fallbacks().items() if count > before.get(why, 0)}
    assert gained == {reason: 1}
    new.own_answer = healthy
    wait_until(lambda: client.ask(READ) == rows(FROM_NEW) + ready())
    proxy.settled("app")


def test_after_five_failures_in_a_row_new_is_left_alone_but_for_a_probe_a_second(canary):
    proxy, _, new, client = canary()
    proxy.console("SET shadow_percent = 0")
    proxy.settled("app")
    tried = []

    def counts(session, request):
        tried.append(time.monotonic())
        fails(session, request)
    new.own_answer = counts
    began = time.monotonic()
    for _ in range(30):
        assert client.ask(READ) == rows(ITEMS) + ready()
    probes = int(time.monotonic() - began)
    assert 5 <= len(tried) <= 5 + probes
    assert proxy.fallbacks().get("error") == len(tried)
    new.own_answer = healthy
    wait_until(lambda: client.ask(READ) == rows(FROM_NEW) + ready())


def test_a_cancel_while_new_serves_ends_with_57014_and_new_is_told(canary):
    proxy, old, new, client = canary()
    new.own_answer = is_late
    before = new.own_reads
    client.send(query(READ))
    wait_until(lambda: new.own_reads > before)
    asker = Client(proxy.port)
    asker.send(struct.pack("!ii", 16, CANCEL_REQUEST), client.key)
    kind, body = client.receive()
    assert kind == "E" and b"\0C57014\0" in body
    assert asker.rest() == b""
    session, key = new.cancels.get(timeout=30)
    session.closing.set()
    assert old.cancels.empty()
    new.own_answer = healthy


def gained(proxy, before):
    return {why: count - before.get(why, 0) for why, count in proxy.fallbacks().items() if count > before.get(why, 0)}


def refuses_login(session):
    session.send(error("28P01", "not you", "FATAL"))


def hangs_up(session):
    session.close()


@pytest.mark.parametrize("admits", [refuses_login, hangs_up], ids=["refuses the login", "hangs up"])
def test_old_answers_when_no_session_on_new_can_be_had(canary, admits):
    proxy, _, new, client = canary()
    proxy.console("SET shadow_percent = 0")
    proxy.settled("app")
    new.own = admits
    new.end_own_sessions()
    assert client.ask(READ) == rows(ITEMS) + ready()  # it may have found the session that ends
    before = proxy.fallbacks()
    assert client.ask(READ) == rows(ITEMS) + ready()
    assert gained(proxy, before) == {"unavailable": 1}
