"""A cancel goes to the server that gave the key, and to no other."""

import queue
import select
import struct
import time

import pytest

from peer import CANCEL_REQUEST, Client, query, ready
from proxy import wait_until
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


def unknown(number):
    return struct.pack("!ii", 4242, number)


def test_a_cancel_with_an_unknown_key_goes_to_old_as_it_is_and_ends_after_old_has_closed(play):
    proxy, old, new = play()
    asker = cancel(proxy, unknown(1))
    errand, sent = old.cancels.get(timeout=30)
    assert sent == unknown(1)
    assert is_open(asker), "it was closed before old had answered"
    errand.closing.set()
    assert asker.rest() == b"" and old.cancels.empty() and new.cancels.empty()


def counted(server):
    """The keys that come, as they come; each connection is closed at once."""
    keys = []
    server.take_cancel = lambda session, body: keys.append(body)
    return keys


@pytest.mark.parametrize("stays", [True, False], ids=["waiting for the end", "leaving at once"])
def test_cancels_with_unknown_keys_wait_for_their_turn_and_none_is_lost(play, stays):
    proxy, old, _ = play()
    keys, wanted = counted(old), sorted(unknown(i) for i in range(60))
    began = time.monotonic()
    askers = [cancel(proxy, key) for key in wanted]
    for asker in askers:
        if stays:
            assert asker.rest() == b""
        else:
            asker.connection.close()
    wait_until(lambda: len(keys) >= 60)
    assert len(keys) <= 32 + 16 * (time.monotonic() - began) + 1  # more than that old is never asked
    assert sorted(keys) == wanted
    assert "cancel_lost" not in proxy.said()


def test_a_flood_of_unknown_keys_is_bounded_said_in_the_log_and_holds_up_no_known_key(play):
    proxy, old, _ = play(old={"client": holds})
    client = Client(proxy.port).login()
    old.take()
    keys = counted(old)
    began = time.monotonic()
    askers = [cancel(proxy, unknown(i)) for i in range(400)]
    wait_until(lambda: "cancel_lost" in proxy.said())
    assert cancel(proxy, client.key).rest() == b""
    assert client.key in keys
    assert len(keys) <= 33 + 16 * (time.monotonic() - began) + 1
    proxy.stop()  # and does not wait for those that wait
    for asker in askers:
        assert asker.rest() == b""
    assert 32 <= len(keys) < 400


def test_a_server_of_several_databases_is_asked_once(play):
    proxy, old, _ = play()
    proxy.configuration["databases"] = {
        name: {**proxy.configuration["databases"]["app"], "old": old.dsn(dbname=name)} for name in ("app", "b", "c")}
    proxy.write()
    proxy.console("RELOAD")
    keys = counted(old)
    for number in range(10):
        assert cancel(proxy, unknown(number)).rest() == b""
    assert sorted(keys) == sorted(unknown(number) for number in range(10))


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
