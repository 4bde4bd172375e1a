"""The relay: bytes pass unchanged, at once, and never faster than they are taken."""

import select
import socket
import struct
import threading

import pytest

from peer import LIMIT, Client, complete, data_row, error, message, parameter, query, ready, row_description, text
from proxy import wait_until
from scripted import ITEMS, READ, holds, rows


def pair_of(play, **what):
    proxy, old, _ = play(old={"client": holds}, **what)
    client = Client(proxy.port).login()
    return proxy, client, old.take()


def byte_by_byte(wire, data):
    wire.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    for byte in data:
        wire.send(bytes([byte]))


def test_messages_a_byte_at_a_time_arrive_unchanged_both_ways(play):
    _, client, old = pair_of(play)
    request = (message("P", b"s1\0SELECT id, name FROM items\0\0\0") + message("B", b"\0s1\0\0\0\0\0\0\0") +
               message("D", b"P\0") + message("E", b"\0\0\0\0\0") + message("S"))
    reply = message("1") + message("2") + rows(ITEMS) + ready()
    for _ in range(2):
        byte_by_byte(client, request)
        assert old.read(len(request)) == request
        byte_by_byte(old, reply)
        assert client.read(len(reply)) == reply


def test_a_large_row_passes_before_it_is_whole(play):
    _, client, old = pair_of(play)
    client.send(query("SELECT big"))
    old.expect("Q")
    size = 8 << 20
    row = data_row("x" * size)
    old.send(row_description("big"), row[:100_000])
    head = row_description("big")
    assert client.read(len(head) + 100_000) == head + row[:100_000]  # while old still holds the rest
    threading.Thread(target=old.send, args=(row[100_000:], complete("SELECT 1"), ready())).start()
    assert client.read(len(row) - 100_000) == row[100_000:]
    assert client.until_ready() == complete("SELECT 1") + ready()


def test_a_large_request_passes_before_it_is_whole(play):
    _, client, old = pair_of(play)
    asked = query("SELECT '" + "x" * (4 << 20) + "'")
    client.send(asked[:100_000])
    assert old.read(100_000) == asked[:100_000]
    threading.Thread(target=client.send, args=(asked[100_000:],)).start()
    assert old.read(len(asked) - 100_000) == asked[100_000:]


NOTIFICATION = message("A", struct.pack("!i", 99) + text("bell") + text("ding"))
NOTICE = message("N", b"SNOTICE\0C00000\0Mby the way\0\0")


@pytest.mark.parametrize("stray", [NOTIFICATION, NOTICE, parameter("TimeZone", "Europe/Vienna"), parameter("x.y", "")],
                         ids=["notification", "notice", "parameter", "unknown parameter"])
def test_what_old_says_unasked_passes_at_any_moment(play, stray):
    proxy, client, old = pair_of(play)
    old.send(stray)
    assert client.read(len(stray)) == stray  # between units
    asked = query(READ)
    client.send(asked[:3])
    old.send(stray)
    assert client.read(len(stray)) == stray  # inside the client's message
    client.send(asked[3:])
    assert old.expect("Q") == asked[5:]
    parts = [row_description(("id", 23), ("name", 25)), *(data_row(*row) for row in ITEMS), complete("SELECT 3"), ready()]
    said = stray + b"".join(part + stray for part in parts)
    old.send(said)
    assert client.read(len(said)) == said  # before, between and behind the messages of an answer
    client.send(query(READ))
    old.expect("Q")
    old.send(rows(ITEMS), ready())
    assert client.until_ready() == rows(ITEMS) + ready()
    assert proxy.settled("app", 2)["reads"] == 2


@pytest.mark.parametrize("moment", ["between units", "before an answer", "inside an answer"])
def test_a_fatal_error_of_old_reaches_the_client_and_ends_it(play, moment):
    proxy, client, old = pair_of(play)
    fatal = error("57P01", "terminating connection due to administrator command", "FATAL")
    before = b""
    if moment != "between units":
        client.send(query(READ))
        old.expect("Q")
    if moment == "inside an answer":
        before = row_description("id") + data_row("1")
    old.send(before, fatal)
    old.connection.shutdown(socket.SHUT_RDWR)
    assert client.rest() == before + fatal
    proxy.settled("app", moment != "between units")


def test_old_that_closes_without_a_word_is_told_to_the_client(play):
    _, client, old = pair_of(play)
    old.connection.shutdown(socket.SHUT_RDWR)
    kind, body = client.receive()
    assert kind == "E" and b"\0C08006\0" in body and b"FATAL" in body
    assert client.rest() == b""


def keep_little(*wires):
    """What is on its way is with the proxy, but for a little."""
    for wire in wires:
        for buffer in (socket.SO_SNDBUF, socket.SO_RCVBUF):
            wire.connection.setsockopt(socket.SOL_SOCKET, buffer, 1 << 16)


def stuck_after(wire, block, most):
    """Sends until the other side takes no more; how many bytes it took."""
    wire.connection.setblocking(False)
    sent = 0
    while sent < most and select.select([], [wire.connection], [], 0.5)[1]:
        try:
            sent += wire.connection.send(block[sent % len(block):])
        except BlockingIOError:
            continue
    wire.connection.settimeout(LIMIT)
    return sent


MOST = 256 << 20
HELD = 1 << 20  # between the ends, at most


def test_a_client_that_stops_reading_stops_old_and_costs_no_memory(play):
    proxy, client, old = pair_of(play)
    keep_little(client, old)
    client.send(query("SELECT much"))
    old.expect("Q")
    block = data_row("x" * 65_529 ) * 16
    before = proxy.memory()
    sent = stuck_after(old, block, MOST)
    assert sent < HELD, "it was read as if somebody took it"
    assert proxy.memory() - before < 48
    rest = block[sent % len(block):] if sent % len(block) else b""
    writer = threading.Thread(target=old.send, args=(rest, complete("SELECT"), ready()))
    writer.start()
    size = sent + len(rest)
    data = client.read(size + len(complete("SELECT") + ready()))
    writer.join()
    assert data == block * (size // len(block)) + complete("SELECT") + ready()


def test_old_that_stops_reading_stops_the_client(play):
    proxy, client, old = pair_of(play)
    keep_little(client, old)
    block = message("P", b"s\0SELECT '" + b"x" * 65_000 + b"'\0\0\0") * 16
    before = proxy.memory()
    sent = stuck_after(client, block, MOST)
    assert sent < HELD, "it was read as if somebody took it"
    assert proxy.memory() - before < 64
    rest = block[sent % len(block):] if sent % len(block) else b""
    writer = threading.Thread(target=client.send, args=(rest, message("S")))
    writer.start()
    size = sent + len(rest)
    data = old.read(size + 5)
    writer.join()
    assert data == block * (size // len(block)) + message("S")


def test_the_other_session_is_served_while_one_is_stuck(play):
    proxy, client, old = pair_of(play, listen={"workers": 1})
    client.send(query("SELECT much"))
    old.expect("Q")
    stuck_after(old, data_row("x" * 65_529) * 16, MOST)
    with Client(proxy.port) as other:
        threading.Thread(target=other.login).start()
        session = old.peer.take()
        wait_until(lambda: other.key)
        other.send(query(READ))
        session.expect("Q")
        session.send(rows(ITEMS), ready())
        other.read(len(rows(ITEMS)))
    client.close()
