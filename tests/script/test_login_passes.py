"""auth.type passthrough: old's exchange with the client passes, and old stays the only authority."""

import socket
import ssl
import struct

import pytest

from clusters import make_certificate
from peer import SSL_REQUEST, Client, authentication, error, message, ready, startup, text
from scripted import ITEMS, READ, rows

REFUSE = {"auth": {"type": "passthrough", "unchallenged": "refuse"}}


def test_an_admission_without_a_question_is_refused_with_a_hint(play):
    proxy, _, _ = play(**REFUSE)
    client = Client(proxy.port)
    client.send(startup(user="app", database="app"))
    said = client.rest()
    assert said.startswith(b"E") and b"FATAL" in said and b"\0C28000\0" in said and b"auth.unchallenged" in said
    assert ready() not in said


def test_an_admission_without_a_question_passes_where_it_is_allowed(play):
    proxy, _, _ = play(auth={"type": "passthrough", "unchallenged": "allow"})
    assert Client(proxy.port).login().ask(READ) == rows(ITEMS) + ready()


@pytest.mark.parametrize("challenge", [authentication(3), authentication(5, b"salt")], ids=["cleartext", "md5"])
@pytest.mark.parametrize("is_right", [True, False], ids=["admitted", "refused"])
def test_a_password_passes_as_it_was_asked_for(play, challenge, is_right):
    password = message("p", text("md5" + "0" * 32))
    refusal = error("28P01", 'password authentication failed for user "app"', "FATAL")

    def asks(session):
        session.send(challenge)
        assert session.read(len(password)) == password
        if is_right:
            session.peer.answers(session)
        session.send(refusal)
        session.connection.shutdown(socket.SHUT_WR)
    proxy, _, _ = play(old={"client": asks}, **REFUSE)
    client = Client(proxy.port)
    client.send(startup(user="app", database="app"))
    assert client.read(len(challenge)) == challenge
    client.send(password)
    if is_right:
        client.until_ready()
        assert client.ask(READ) == rows(ITEMS) + ready()
    else:
        assert client.rest() == refusal


@pytest.mark.parametrize("is_tls", [True, False], ids=["tls", "plain"])
def test_the_mechanism_that_binds_to_another_channel_is_not_offered(play, tmp_path, is_tls):
    first, server_first = message("p", text("SCRAM-SHA-256") + struct.pack("!i", 3) + b"n,,"), authentication(11, b"r=x")

    def asks(session):
        session.send(authentication(10, text("SCRAM-SHA-256-PLUS") + text("SCRAM-SHA-256") + b"\0"))
        assert session.read(len(first)) == first
        session.send(server_first)
        session.peer.answers(session)
    ca, cert, key = make_certificate(tmp_path)
    tls = {"mode": "allow", "cert": str(cert), "key": str(key)}
    proxy, _, _ = play(old={"client": asks}, listen={"tls": tls}, **REFUSE)
    client = Client(proxy.port)
    if is_tls:
        client.send(struct.pack("!ii", 8, SSL_REQUEST))
        assert client.read(1) == b"S"
        context = ssl.create_default_context(cafile=str(ca))
        client.connection = context.wrap_socket(client.connection, server_hostname="localhost")
    client.send(startup(user="app", database="app"))
    assert client.expect("R") == struct.pack("!i", 10) + text("SCRAM-SHA-256") + b"\0"
    client.send(first)
    assert client.read(len(server_first)) == server_first
    client.until_ready()
    assert client.ask(READ) == rows(ITEMS) + ready()
    if is_tls:
        assert "channel_binding_stripped" in proxy.said()
