"""What old must not say: the client of that session is told or sees old's own bytes; nobody else notices."""

import socket
import struct

import pytest

from peer import Client, authentication, message, query, ready, startup
from scripted import ITEMS, READ, answer, holds, put, rows

JUNK = {
    "length 3": b"D\0\0\0\3",
    "negative length": b"D\xff\xff\xff\xff",
    "unknown type": message("~", b"what?"),
    "a client's type": message("Q", b"SELECT 1\0"),
    "an answer that nobody asked for": ready() + rows(ITEMS) + ready(),
}


@pytest.fixture
def beside(play):
    """The proxy and old; another session lives on unharmed."""
    def serve(session):
        if session.startup.get("user") == "other":
            session.peer.answers(session)
        else:
            holds(session)
    proxy, old, _ = play(old={"client": serve})
    with Client(proxy.port) as other:
        other.login("other")
        yield proxy, old
        assert other.ask(READ) == rows(ITEMS) + ready()


@pytest.mark.parametrize("moment", ["at rest", "in an answer"])
@pytest.mark.parametrize("junk", JUNK.values(), ids=JUNK)
def test_the_client_gets_olds_own_bytes_whatever_they_are(beside, junk, moment):
    proxy, old = beside
    client = Client(proxy.port).login()
    session = old.take()
    if moment == "in an answer":
        client.send(query(READ))
        session.expect("Q")
        session.send(rows(ITEMS))
        assert client.read(len(rows(ITEMS))) == rows(ITEMS)
    session.send(junk)
    assert client.read(len(junk)) == junk
    client.send(b"more")  # from here on it is bytes both ways
    assert session.read(4) == b"more"
    session.connection.shutdown(socket.SHUT_RDWR)
    assert client.rest() == b""
    status = proxy.settled("app", moment == "in an answer")
    assert status["mismatch"] == 0


@pytest.mark.parametrize("junk", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"R\0\0\0\3", b"R\xff\xff\xff\xff",
                                  message("D", b"x" * 100)[:1] + struct.pack("!i", 1 << 30), b""],
                         ids=["http", "length 3", "negative length", "1 GiB", "nothing"])
def test_junk_at_the_login_is_told_to_the_client(play, junk):
    def says(session):
        session.send(junk)
        session.connection.shutdown(socket.SHUT_WR)
    proxy, old, _ = play(old={"client": says})
    client = Client(proxy.port)
    client.send(startup(user="app", database="app"))
    said = client.rest()
    assert said.startswith(b"E") and b"\0C08006\0" in said and b"FATAL" in said
    old.client = old.answers
    assert Client(proxy.port).login().ask(READ) == rows(ITEMS) + ready()


def test_a_server_that_breaks_off_its_login_is_told_to_the_client(play):
    def leaves(session):
        session.send(authentication(0), message("K", b"\0\0\0\1\0\0\0\2"))
    proxy, _, _ = play(old={"client": leaves})
    client = Client(proxy.port)
    client.send(startup(user="app", database="app"))
    said = client.rest()
    assert b"\0C08006\0" in said and ready() not in said


def test_olds_catalog_that_is_junk_harms_nobody(play):
    def junk(session, request):
        put(session, request, [[None]], ["c"])
    proxy, old, new = play(old={"control_answer": junk}, new={"control_answer": junk})
    client = Client(proxy.port).login()
    for _ in range(3):
        assert client.ask(READ) == rows(ITEMS) + ready()
    status = proxy.settled("app", 3)
    assert status["dropped"] == 3 and status["served_old"] == 3
    old.control_answer = new.control_answer = answer
