"""auth.type passthrough: old's exchange with the client passes, and old stays the only authority."""

import queue
import socket
import ssl
import struct
import threading
import time

import pytest

from clusters import make_certificate
from peer import SSL_REQUEST, Client, authentication, error, message, query, ready, startup, text
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


def test_a_refusal_passes_also_where_old_was_not_asked_for_tls_once_more(play):
    """With sslmode=prefer it said a moment ago that it has none; it is asked before the refusal is believed."""
    refusal, logins = error("28000", 'role "app" is not permitted to log in', "FATAL"), []

    def refuses_later(session):
        logins.append(session.startup)
        if len(logins) == 1:
            session.peer.answers(session)
        session.send(refusal)
        session.connection.shutdown(socket.SHUT_WR)
    proxy, _, _ = play(old={"client": refuses_later, "sslmode": "prefer"})
    with Client(proxy.port) as first:
        first.login()
    for _ in range(3):
        client = Client(proxy.port)
        client.send(startup(user="app", database="app"))
        assert client.rest() == refusal


@pytest.mark.parametrize("goodbye", [b"", message("X"), query(READ), query(READ) + message("X")],
                         ids=["nothing", "Terminate", "a Query", "a Query and Terminate"])
@pytest.mark.parametrize("is_apart", [True, False], ids=["apart", "at once"])
def test_who_says_no_more_behind_the_startup_packet_hears_what_it_asked_for(play, goodbye, is_apart):
    gate, heard = threading.Event(), queue.Queue()

    def client(session):
        assert gate.wait(30)
        session.admit()
        kind, _ = session.receive()
        if kind == "Q":
            session.send(rows(ITEMS), ready())
            kind, _ = session.receive()
        heard.put(kind)
    proxy, _, _ = play(old={"client": client})
    leaver = Client(proxy.port)
    begins = startup(user="app", database="app")
    leaver.send(begins if is_apart else begins + goodbye)
    if is_apart:
        time.sleep(0.05)
        leaver.send(goodbye)
    leaver.connection.shutdown(socket.SHUT_WR)
    time.sleep(0.05)
    gate.set()
    said = leaver.rest()
    assert said.startswith(authentication(0)) and said.count(ready()) == 1 + (b"SELECT" in goodbye), said
    assert said.endswith(rows(ITEMS) + ready() if b"SELECT" in goodbye else ready())
    assert heard.get(timeout=30) == "X"


def test_who_leaves_when_asked_for_a_password_is_told_what_old_says(play):
    refusal = error("08P01", "expected password response, got message type 88", "FATAL")

    def asks(session):
        session.send(authentication(3))
        assert session.receive() == ("X", b"")
        session.send(refusal)
        session.connection.shutdown(socket.SHUT_WR)
    proxy, _, _ = play(old={"client": asks}, **REFUSE)
    client = Client(proxy.port)
    client.send(startup(user="app", database="app"))
    client.expect("R")
    client.send(message("X"))
    assert client.rest() == refusal


def test_whose_end_comes_before_the_question_leaves_nothing_on_old(play):
    gate, heard = threading.Event(), queue.Queue()

    def asks(session):
        assert gate.wait(30)
        session.send(authentication(3))
        heard.put(session.connection.recv(100))
    proxy, _, _ = play(old={"client": asks}, **REFUSE)
    client = Client(proxy.port)
    client.send(startup(user="app", database="app"))
    client.connection.shutdown(socket.SHUT_WR)
    time.sleep(0.05)
    gate.set()
    client.rest()
    assert heard.get(timeout=30) == b""


def test_a_password_that_comes_before_the_question_is_its_answer(play):
    gate, secret = threading.Event(), message("p", text("secret"))

    def asks(session):
        assert gate.wait(30)
        session.send(authentication(3))
        assert session.read(len(secret)) == secret
        session.peer.answers(session)
    proxy, _, _ = play(old={"client": asks}, **REFUSE)
    client = Client(proxy.port)
    client.send(startup(user="app", database="app"))
    time.sleep(0.05)  # the proxy has connected
    client.send(secret)
    time.sleep(0.05)
    client.send(query(READ))
    time.sleep(0.05)
    gate.set()
    assert client.until_ready().startswith(authentication(3))
    assert client.until_ready() == rows(ITEMS) + ready()
    assert proxy.settled("app", 1)["reads"] == 1 and "session_opaque" not in proxy.said()


@pytest.mark.parametrize("is_whole", [True, False], ids=["whole", "a byte at a time"])
def test_a_terminate_instead_of_a_startup_packet_is_not_answered(play, is_whole):
    proxy, _, _ = play()
    client = Client(proxy.port)
    for part in [message("X")] if is_whole else [message("X")[i:i + 1] for i in range(5)]:
        try:
            client.send(part)
        except OSError:  # it has closed already
            break
    assert client.rest() == b""


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
