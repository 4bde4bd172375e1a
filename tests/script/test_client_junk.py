"""What a client must not say ends that client alone, with an error that says so."""

import struct

import pytest

from clusters import make_certificate
from peer import CANCEL_REQUEST, GSS_REQUEST, SSL_REQUEST, Client, message, query, ready, startup, text
from scripted import ITEMS, READ, rows


def packet(*numbers, more=b""):
    return struct.pack(f"!{len(numbers)}i", *numbers) + more


def fields_of(said):
    """The fields of the last message, which must be an ErrorResponse behind whole messages."""
    kind = body = b""
    while said:
        kind, length = struct.unpack("!ci", said[:5])
        body, said = said[5:length + 1], said[length + 1:]
    assert kind == b"E", kind
    return {field[:1].decode(): field[1:].decode() for field in body.split(b"\0") if field}


def refusal(client, junk):
    """How the proxy ends the session."""
    client.send(junk)
    return fields_of(client.rest())


VERSION = 196608
AT_THE_START = {
    "length 3": packet(3, VERSION),
    "length 0": packet(0, VERSION),
    "negative length": packet(-1, VERSION),
    "oversized": startup(user="app", options="x" * 20_000),
    "announced as oversized": packet(10_005, VERSION),
    "no terminator": packet(13, VERSION, more=b"user\0"),
    "no value": packet(14, VERSION, more=b"user\0\0"),
    "behind the terminator": packet(19, VERSION, more=b"user\0a\0\0more"),
    "a second SSLRequest": packet(8, SSL_REQUEST) * 2,
    "a second GSSENCRequest": packet(8, GSS_REQUEST) * 2,
    "a cancel without a key": packet(8, CANCEL_REQUEST),
}


@pytest.fixture
def beside(play):
    """The proxy, while another session lives; it must live on unharmed."""
    proxy, _, _ = play()
    with Client(proxy.port) as other:
        other.login()
        yield proxy
        assert other.ask(READ) == rows(ITEMS) + ready()


@pytest.mark.parametrize("junk", AT_THE_START.values(), ids=AT_THE_START)
def test_junk_for_a_startup_packet_is_refused(beside, junk):
    client = Client(beside.port)
    if junk[:8] == packet(8, SSL_REQUEST) or junk[:8] == packet(8, GSS_REQUEST):
        client.send(junk[:8])
        assert client.read(1) == b"N"
        junk = junk[8:]
    fields = refusal(client, junk)
    assert (fields["S"], fields["V"], fields["C"]) == ("FATAL", "FATAL", "08P01")


def test_a_startup_packet_without_a_user_is_refused(beside):
    assert refusal(Client(beside.port), startup(database="app"))["C"] == "28000"


def test_a_protocol_of_another_age_is_refused(beside):
    for version in (2 << 16, 4 << 16):
        assert refusal(Client(beside.port), packet(8, version))["C"] == "0A000"


@pytest.mark.parametrize("behind", [b"x" * 40, startup(user="app", database="app")], ids=["noise", "a startup packet"])
def test_bytes_behind_an_ssl_request_are_fatal_where_tls_is_offered(play, tmp_path, behind):
    ca, cert, key = make_certificate(tmp_path)
    proxy, old, _ = play(listen={"tls": {"mode": "allow", "cert": str(cert), "key": str(key), "ca": str(ca)}})
    fields = refusal(Client(proxy.port), packet(8, SSL_REQUEST) + behind)
    assert (fields["S"], fields["C"]) == ("FATAL", "08P01") and "unencrypted data after SSL request" in fields["M"]
    assert not [session for session in old.sessions if session.startup.get("application_name") != "pgrehearse"]


IN_A_SESSION = {
    "length 3": b"Q" + packet(3),
    "length 0": b"Q" + packet(0),
    "negative length": b"Q" + packet(-1),
    "unknown type": message("~"),
    "a server's type": message("Z", b"I"),
    "a zero byte": b"\0" * 5,
    "a password where nobody asked": message("p", text("secret")),
}


@pytest.mark.parametrize("moment", ["at rest", "behind a request"])
@pytest.mark.parametrize("junk", IN_A_SESSION.values(), ids=IN_A_SESSION)
def test_junk_in_a_session_is_refused(beside, junk, moment):
    client = Client(beside.port).login()
    if moment == "behind a request":
        client.ask(READ)
    fields = refusal(client, junk)
    assert (fields["S"], fields["V"], fields["C"]) == ("FATAL", "FATAL", "08P01")
    beside.settled("app", moment == "behind a request")


def test_a_startup_packet_that_does_not_end_holds_nobody_up(beside):
    client = Client(beside.port)
    client.send(startup(user="app", database="app")[:-1])
    for _ in range(3):
        assert Client(beside.port).login().ask(READ) == rows(ITEMS) + ready()
    client.send(b"\0")
    assert client.until_ready().endswith(ready())
    client.send(query(READ))
    assert client.until_ready() == rows(ITEMS) + ready()
