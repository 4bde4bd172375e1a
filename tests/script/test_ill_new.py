"""Whatever new does, no client waits or sees an error, the books balance, and it is forgiven when it is well again."""

import struct

import pytest

from peer import Client, data_row, ready, row_description
from proxy import wait_until
from scripted import COLUMNS, ITEMS, READ, answer, rows

READS = 5


def is_silent_at_login(session):
    session.read(1 << 20)


def is_junk_at_login(session):
    session.send(b"\x16\x03\x01 this is no PostgreSQL")
    session.read(1 << 20)


def is_silent(session, request):
    session.read(1 << 20)


def answers_junk(session, request):
    session.send(row_description(*COLUMNS), b"D\xff\xff\xff\xff", b"x" * 100_000)
    session.read(1 << 20)


def closes_in_mid_answer(session, request):
    session.send(row_description(*COLUMNS), data_row(*ITEMS[0])[:-2])
    session.close()


def answers_a_byte_at_a_time(session, request):
    for byte in rows(ITEMS) + ready("T"):
        session.send(bytes([byte]))
        if session.released.wait(1):
            return


def announces_a_gib(session, request):
    session.send(row_description(*COLUMNS), b"D" + struct.pack("!i", 1 << 30), b"x" * 100_000)
    session.read(1 << 20)


NEW_UNAVAILABLE, UNVERIFIED = ("dropped", "new_unavailable"), ("unverified", None)
ILLNESSES = {is_silent_at_login: None, is_junk_at_login: NEW_UNAVAILABLE, is_silent: UNVERIFIED,
             answers_junk: NEW_UNAVAILABLE, closes_in_mid_answer: NEW_UNAVAILABLE,
             answers_a_byte_at_a_time: UNVERIFIED, announces_a_gib: UNVERIFIED}


def dropped(proxy):
    """Drops by reason, as /metrics says."""
    found = {}
    for line in proxy.http("/metrics")[1].splitlines():
        if line.startswith("pgrehearse_dropped_total{"):
            found[line.split('reason="')[1].split('"')[0]] = int(float(line.split()[-1]))
    return {reason: count for reason, count in found.items() if count}


@pytest.mark.parametrize("illness", ILLNESSES, ids=lambda one: one.__name__)
def test_no_client_can_tell_that_new(mirrors, illness):
    is_login = illness in (is_silent_at_login, is_junk_at_login)
    proxy, _, new = mirrors(entry={"shadow": {"timeout": "200ms"}})
    before = proxy.status("app")
    healthy = new.own
    if is_login:
        new.own = illness
        new.end_own_sessions()
    else:
        new.own_answer = illness
    client = Client(proxy.port).login()
    for _ in range(READS):
        assert client.ask(READ) == rows(ITEMS) + ready()
    status = proxy.settled("app", int(before["reads"]) + READS)
    assert status["match"] == int(before["match"]) and status["mismatch"] == 0
    gained = {key: status[key] - int(before[key]) for key in ("dropped", "unverified", "skipped", "served_old")}
    assert gained["served_old"] == READS and gained["dropped"] + gained["unverified"] == READS, gained
    assert set(dropped(proxy)) <= {"new_unavailable"}
    if ILLNESSES[illness]:
        assert gained[ILLNESSES[illness][0]] >= 1, gained
    new.own, new.own_answer = healthy, answer

    def is_compared():
        client.ask(READ)
        return int(proxy.status("app")["match"]) > status["match"]
    wait_until(is_compared)
    proxy.settled("app")
