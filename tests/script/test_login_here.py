"""auth.type scram-sha-256, cert and trust: the proxy itself asks the client, and logs in on old in its place."""

import hashlib
import queue
import socket
import struct
import subprocess

import pytest

from clusters import make_certificate
from login import Login, Refused, context_for, encoded, mac
from peer import Client, authentication, error, message, query, ready, startup, text
from scripted import ITEMS, READ, rows

SECRET = "a secret"
USER = startup(user="app", database="app")


@pytest.fixture
def asks(play, tmp_path):
    """asks(client=…, **more): a proxy that asks for SCRAM, and old, which does with the proxy what `client` says."""
    def begin(client=None, **auth):
        (tmp_path / "users").write_text(f'"app" "{SECRET}"\n')
        proxy, old, _ = play(old={"client": client}, auth={"type": "scram-sha-256", "file": str(tmp_path / "users"), **auth})
        return proxy, old
    return begin


def asked(proxy):
    """A client that has been asked."""
    client = Client(proxy.port)
    client.send(USER)
    assert client.expect("R") == struct.pack("!i", 10) + text("SCRAM-SHA-256") + b"\0"
    return client


def refused(client):
    """(SQLSTATE, message) of the ErrorResponse that comes next and is the last."""
    kind, body = client.receive()
    assert kind == "E" and b"VFATAL\0" in body and client.rest() == b"", (kind, body)
    refusal = Refused(body)
    return refusal.sqlstate, refusal.message


def serves(proxy):
    assert Login(proxy.port).begin("app", SECRET, "app").ask(READ) == rows(ITEMS) + ready()


# ---- what clients say ----

@pytest.mark.parametrize("junk, sqlstate, words", [
    (query("SELECT 1"), "08P01", "expected SASL response, got message type 81"),
    (b"\x00\x00\x00\x00\x04", "08P01", "expected SASL response, got message type 0"),
    (message("p", b"x" * 65536), "08P01", "invalid message length"),
    (b"p\xff\xff\xff\xff", "08P01", "invalid message length"),
    (message("p"), "08P01", "malformed SCRAM message"),
    (message("p", text("SCRAM-SHA-1") + struct.pack("!i", -1)), "08P01", "malformed SCRAM message"),
], ids=("a query", "type 0", "oversized", "negative", "empty", "another mechanism"))
def test_what_is_no_answer_ends_the_login_with_its_name(asks, junk, sqlstate, words):
    proxy, _ = asks()
    client = asked(proxy)
    client.send(junk)
    assert refused(client) == (sqlstate, words)
    serves(proxy)


def test_who_leaves_while_being_asked_leaves_nothing_on_old(asks):
    left = queue.Queue()

    def client(session):
        session.send(authentication(3))
        if session.startup.get("application_name") == "leaves":
            left.put(session.connection.recv(100))
            return
        session.expect("p")
        session.peer.answers(session)
    proxy, _ = asks(client=client)
    first = struct.pack("!i", 30)
    for goodbye in (message("X"), b"", b"p" + first[:2], message("p", text("SCRAM-SHA-256") + first)[:20]):
        leaver = Client(proxy.port)
        leaver.send(startup(user="app", database="app", application_name="leaves"))
        leaver.expect("R")
        leaver.send(goodbye)
        leaver.connection.shutdown(socket.SHUT_WR)
        if goodbye == message("X"):
            assert refused(leaver) == ("08P01", "expected SASL response, got message type 88")
        assert leaver.rest() == b""
        assert left.get(timeout=30) == b"", "the proxy went on without the client"
    serves(proxy)


class Piecemeal(Login):
    def send(self, *parts):
        for byte in b"".join(parts):
            super().send(bytes([byte]))


def test_an_answer_may_come_a_byte_at_a_time(asks):
    proxy, _ = asks()
    client = Piecemeal(proxy.port).begin("app", SECRET, "app")
    assert client.methods == ["SCRAM-SHA-256"] and client.ask(READ) == rows(ITEMS) + ready()


def test_an_answer_that_nobody_awaits_is_refused(play):
    begun = queue.Queue()
    proxy, _, _ = play(old={"client": lambda session: begun.put(session) or session.released.wait()}, auth={"type": "trust"})
    client = Client(proxy.port)
    client.send(USER)
    begun.get(timeout=30)
    client.send(message("p", text(SECRET)))
    assert refused(client) == ("08P01", "unexpected password response")


# ---- what old says ----

def says(*parts):
    def script(session):
        session.send(*parts)
        session.connection.shutdown(socket.SHUT_WR)
        session.connection.recv(1)
    return script


@pytest.mark.parametrize("sqlstate", ["53300", "57P03"])
def test_that_old_takes_nobody_is_said_to_everybody_at_once(asks, sqlstate):
    refusal = error(sqlstate, "not now", "FATAL")
    proxy, _ = asks(client=says(refusal))
    client = Client(proxy.port)
    client.send(USER)
    assert client.rest() == refusal


@pytest.mark.parametrize("sqlstate", ["28000", "3D000", "42501"])
def test_what_old_says_of_a_user_only_who_proves_to_be_one_learns(asks, sqlstate):
    refusal = error(sqlstate, "a secret of old's", "FATAL")
    proxy, _ = asks(client=says(refusal))
    for user, password in (("app", "wrong"), ("nobody", SECRET)):
        with pytest.raises(Refused) as wrong:
            Login(proxy.port).begin(user, password, "app")
        assert str(wrong.value) == f'28P01: password authentication failed for user "{user}"'
    with pytest.raises(Refused) as right:
        Login(proxy.port).begin("app", SECRET, "app")
    assert str(right.value) == f"{sqlstate}: a secret of old's"
    assert ("old_login_refused" in proxy.said()) == (sqlstate == "28000")


@pytest.mark.parametrize("password, sqlstate", [(SECRET, "08006"), ("wrong", "28P01")])
def test_old_that_closes_while_the_client_is_being_asked_is_told_to_who_has_the_secret(asks, password, sqlstate):
    proxy, old = asks(client=says(authentication(3)))
    with pytest.raises(Refused) as refusal:
        Login(proxy.port).begin("app", password, "app")
    assert refusal.value.sqlstate == sqlstate
    old.client = old.answers
    serves(proxy)


def test_old_that_closes_without_a_word_is_told_to_everybody(asks):
    proxy, _ = asks(client=says())
    client = Client(proxy.port)
    client.send(USER)
    assert refused(client) == ("08006", "the server closed the connection unexpectedly")


def test_a_method_that_the_proxy_cannot_is_said_after_the_login_with_a_hint(asks):
    proxy, _ = asks(client=says(authentication(7)))
    with pytest.raises(Refused) as wrong:
        Login(proxy.port).begin("app", "wrong", "app")
    assert wrong.value.sqlstate == "28P01"
    with pytest.raises(Refused) as right:
        Login(proxy.port).begin("app", SECRET, "app")
    assert right.value.sqlstate == "28000" and "Old asks for what the proxy cannot answer" in right.value.hint


@pytest.mark.parametrize("lies", [False, True], ids=["proves itself", "lies"])
def test_old_that_does_not_prove_to_know_the_secret_is_not_believed(asks, lies):
    def client(session):
        session.send(authentication(10, text("SCRAM-SHA-256") + b"\0"))
        bare = session.expect("p").split(b"n,,", 1)[1].decode()
        server_first = f"r={bare.split('r=', 1)[1]}more,s={encoded(b'salt' * 4)},i=4096"
        session.send(authentication(11, server_first.encode()))
        final = session.expect("p").decode()
        salted = hashlib.pbkdf2_hmac("sha256", SECRET.encode(), b"salt" * 4, 4096)
        signature = mac(mac(salted, "Server Key"), f"{bare},{server_first},{final.rsplit(',p=', 1)[0]}")
        session.send(authentication(12, f"v={encoded(signature if not lies else bytes(32))}".encode()))
        session.peer.answers(session)
    proxy, _ = asks(client=client)
    if not lies:
        serves(proxy)
        return
    with pytest.raises(Refused) as refusal:
        Login(proxy.port).begin("app", SECRET, "app")
    assert refusal.value.sqlstate == "28000" and "failed to prove that it knows" in refusal.value.hint


# ---- certificates ----

class Authority:
    """Signs certificates of clients, by the CA of make_certificate."""

    def __init__(self, folder):
        self.folder, (self.ca, self.cert, self.key) = folder, make_certificate(folder)

    def sign(self, name):
        """(certificate, key) for the user of that name."""
        cert, key, request = (self.folder / f"{name}.{end}" for end in ("crt", "key", "csr"))

        def openssl(*args):
            subprocess.run(["openssl", *map(str, args)], check=True, capture_output=True)
        openssl("req", "-newkey", "rsa:2048", "-nodes", "-subj", f"/CN={name}", "-keyout", key, "-out", request)
        openssl("x509", "-req", "-days", "30", "-in", request, "-CA", self.ca, "-CAkey", self.folder / "ca.key",
                "-CAcreateserial", "-out", cert)
        return cert, key


@pytest.fixture
def certified(play, tmp_path):
    """(proxy with auth.type cert, the authority)."""
    authority = Authority(tmp_path)
    tls = {"mode": "verify-ca", "cert": str(authority.cert), "key": str(authority.key), "ca": str(authority.ca)}
    proxy, _, _ = play(auth={"type": "cert"}, listen={"tls": tls})
    return proxy, authority


def test_a_certificate_admits_whom_it_names_and_nobody_else(certified):
    proxy, authority = certified
    ca, certificate = authority.ca, authority.sign("app")
    client = Login(proxy.port, "request", context_for(ca, certificate=certificate)).begin("app", None, "app")
    assert client.methods == [] and client.ask(READ) == rows(ITEMS) + ready()
    with pytest.raises(Refused) as other:
        Login(proxy.port, "request", context_for(ca, certificate=certificate)).begin("admin", None, "app")
    assert str(other.value) == '28000: certificate authentication failed for user "admin"'
    with pytest.raises(Refused) as none:
        Login(proxy.port, "request", context_for(ca)).begin("app", None, "app")
    assert str(none.value) == "28000: connection requires a valid client certificate"
    with pytest.raises(Refused) as plain:
        Login(proxy.port).begin("app", None, "app")
    assert plain.value.sqlstate == "28000" and "TLS" in plain.value.message


def test_a_name_that_old_would_cut_is_nobodys(certified):
    """PostgreSQL cuts names at 63 bytes: old would see another user than the certificate's."""
    proxy, authority = certified
    name = "u" * 64
    with pytest.raises(Refused) as refusal:
        Login(proxy.port, "request", context_for(authority.ca, certificate=authority.sign(name))).begin(name, None, "app")
    assert str(refusal.value) == f'28000: certificate authentication failed for user "{name}"'
    name = "u" * 63
    Login(proxy.port, "request", context_for(authority.ca, certificate=authority.sign(name))).begin(name, None, "app")


def test_the_unix_socket_has_no_certificate(certified):
    proxy, _ = certified
    connection = socket.socket(socket.AF_UNIX)
    connection.connect(f"{proxy.home}/.s.PGSQL.{proxy.port}")
    with connection:
        client = Client.__new__(Client)
        client.connection, client.input = connection, b""
        client.send(USER)
        assert refused(client) == ("28000", "connection requires a valid client certificate")
