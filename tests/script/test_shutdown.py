"""SIGTERM ends the proxy when the units under way are done, and waits for nobody who has left."""

import signal
import socket

from peer import Client, query, ready
from proxy import wait_until
from scripted import ITEMS, READ, holds, rows


def asked_and_left(play):
    """A client that has sent its end behind a read that old does not answer yet."""
    proxy, server, _ = play(old={"client": holds})
    client = Client(proxy.port).login()
    old = server.take()
    client.send(query(READ))
    old.expect("Q")
    client.connection.shutdown(socket.SHUT_WR)
    old.expect("X")  # the proxy has seen the end
    return proxy, client, server, old


def test_it_does_not_wait_for_an_answer_to_a_client_that_has_gone(play):
    proxy, client, server, _ = asked_and_left(play)
    client.connection.close()
    proxy.stop()  # old says nothing: this must end all the same
    assert server.cancels.empty()  # as PostgreSQL, which goes on with the statement


def test_an_answer_that_comes_still_reaches_a_client_that_only_writes_no_more(play):
    proxy, client, _, old = asked_and_left(play)
    proxy.process.send_signal(signal.SIGTERM)
    wait_until(lambda: "signal" in proxy.said(), what=proxy.said)
    old.send(rows(ITEMS), ready())
    assert client.until_ready() == rows(ITEMS) + ready()
