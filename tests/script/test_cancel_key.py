"""A cancel goes to the server that gave the key, and to no other."""

import queue
import select
import struct

import pytest

from peer import CANCEL_REQUEST, Client, query, ready
from scripted import ITEMS, READ, holds, rows


def cancel(proxy, key):
    client = Client(proxy.port)
    client.send(struct.pack("!ii", 8 + len(key), CANCEL_REQUEST), key)
    return client


def is_open(client):
    return not select.select([client.connection], [], [], 0.1)[0]


def test_a_cancel_reaches_old_with_olds_own_key_and_ends_after_old_has_closed(play):
    proxy, old, new = play(old={"client": holds})
    client = Client(proxy.port).login()
    session = old.take()
    client.send(query(READ))
    session.expect("Q")
    asker = cancel(proxy, client.key)
    errand, key = old.cancels.get(timeout=30)
    assert key == client.key and len(key) == 8
    assert is_open(asker), "it was closed before old had answered"
    errand.closing.set()
    assert asker.rest() == b""
    session.send(rows(ITEMS), ready())
    assert client.until_ready() == rows(ITEMS) + ready()
    assert old.cancels.empty() and new.cancels.empty()


def test_a_cancel_with_an_unknown_key_goes_to_old_as_it_is_and_once_a_second_at_most(play):
    proxy, old, new = play()
    key = struct.pack("!ii", 4242, 4242)
    asker = cancel(proxy, key)
    errand, sent = old.cancels.get(timeout=30)
    assert sent == key
    flood = [cancel(proxy, key) for _ in range(20)]
    for one in flood:
        assert one.rest() == b""
    assert old.cancels.qsize() <= 1
    errand.closing.set()
    while not old.cancels.empty():
        old.cancels.get()[0].closing.set()
    assert asker.rest() == b"" and new.cancels.empty()


def test_a_cancel_of_a_session_whose_reads_are_idle_never_goes_to_new(mirrors):
    proxy, old, new = mirrors()
    client = Client(proxy.port).login()
    client.ask(READ)
    proxy.settled("app")
    asker = cancel(proxy, client.key)
    old.cancels.get(timeout=30)[0].closing.set()
    assert asker.rest() == b""
    with pytest.raises(queue.Empty):
        new.cancels.get(timeout=0.2)
    assert client.ask(READ) == rows(ITEMS) + ready()
