"""Malformed messages, from each side in each state: the session of who sent them ends as PostgreSQL would end it, or
goes on where the other side is the one to judge; beside it another session lives on, and the books balance.

The tables say (name: bytes); each test says who sends them, in which state, and what the other must see.
"""

import contextlib
import socket
import struct

import pytest

from clusters import make_certificate
from conftest import close_clients, playing
from messages import (BOUND, COPY_DONE, PARSED, SYNC, bind, copy_data, copy_response, describe, execute, parse)
from peer import (CANCEL_REQUEST, GSS_REQUEST, SSL_REQUEST, Client, authentication, backend_key, complete, data_row, error,
                  message, parameter, query, ready, row_description, split, startup, text)
from proxy import wait_until
from scripted import COLUMNS, ITEMS, READ, answer, holds, put, rows

VERSION = 196608
CLIENT_TYPES = "BCDEFHPQSXcdf"


def packet(*numbers, more=b""):
    return struct.pack(f"!{len(numbers)}i", *numbers) + more


def sized(kind, length, more=b""):
    """A message that says it is so long."""
    return (kind if isinstance(kind, bytes) else kind.encode()) + struct.pack("!I", length) + more


def fields_of(said):
    """The fields of an ErrorResponse."""
    assert said[:1] == b"E", said
    return {field[:1].decode(): field[1:].decode() for field in said[5:].split(b"\0") if field}


def refusal(said):
    """The last message, as (severity, SQLSTATE, message); nothing but whole messages may stand before it."""
    fields = fields_of(split(said)[-1])
    assert fields["S"] == fields["V"]
    return fields["S"], fields["C"], fields["M"]


# ---- a client, in its first packet ----

LENGTH = ("FATAL", "08P01", "invalid length of startup packet")
LAYOUT = ("FATAL", "08P01", "invalid startup packet layout: expected terminator as last byte")
OTHER = ("FATAL", "08P01", "invalid startup packet")
UNSUPPORTED = ("FATAL", "0A000", None)
OLD_STYLE = b"EFATAL:  unsupported frontend protocol %d.%d: server supports 3.0 to 3.0\n\0"


def padded(size):
    """A startup packet of so many bytes behind the length field."""
    fixed = len(startup(user="app", database="app", options="")) - 4
    return startup(user="app", database="app", options=" " * (size - fixed))


AT_THE_START = {
    "length 0": (packet(0, VERSION), LENGTH),
    "length 1": (packet(1, VERSION), LENGTH),
    "length 3": (packet(3, VERSION), LENGTH),
    "length 7": (packet(7, VERSION), LENGTH),
    "negative length": (packet(-1, VERSION), LENGTH),
    "the least length": (packet(-0x80000000, VERSION), LENGTH),
    "the greatest length": (packet(0x7fffffff, VERSION), LENGTH),
    "one byte over the limit": (padded(10_001), LENGTH),
    "announced as one byte over the limit": (packet(10_005, VERSION), LENGTH),
    "oversized": (startup(user="app", options="x" * 20_000), LENGTH),
    "HTTP": (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", LENGTH),
    "SSH": (b"SSH-2.0-OpenSSH_9.2\r\n", LENGTH),
    "text": (b"hello?\r\n", LENGTH),
    "no terminator": (packet(13, VERSION, more=b"user\0"), LAYOUT),
    "no terminator behind a value": (packet(17, VERSION, more=b"user\0app\0"), LAYOUT),
    "no value": (packet(14, VERSION, more=b"user\0\0"), LAYOUT),
    "nothing": (packet(8, VERSION), LAYOUT),
    "no string ends": (packet(12, VERSION, more=b"user"), LAYOUT),
    "rubbish behind the terminator": (packet(19, VERSION, more=b"user\0a\0\0more"), LAYOUT),
    "a zero behind the terminator": (packet(17, VERSION, more=b"user\0a\0\0\0"), LAYOUT),
    "a second SSLRequest": (packet(8, SSL_REQUEST) * 2, ("FATAL", None, None)),  # by when it comes
    "a second GSSENCRequest": (packet(8, GSS_REQUEST) * 2,
                               ("FATAL", "0A000", "unsupported frontend protocol 1234.5680: server supports 3.0 to 3.0")),
    "an SSLRequest that is too long": (packet(12, SSL_REQUEST, 0), OTHER),
    "a special code that is unknown": (packet(8, 80877105),
                                       ("FATAL", "0A000", "unsupported frontend protocol 1234.5681: server supports 3.0 to 3.0")),
    "a cancel without a key": (packet(8, CANCEL_REQUEST), OTHER),
    "a cancel with half a key": (packet(14, CANCEL_REQUEST, 1, more=b"ab"), OTHER),
    "a cancel with a key of 257": (packet(12 + 257, CANCEL_REQUEST, 1, more=b"k" * 257), OTHER),
    "protocol 4": (packet(8, 4 << 16), UNSUPPORTED),
    "protocol 0": (packet(8, 0), UNSUPPORTED),
    "no user": (startup(database="app"), ("FATAL", "28000", "no PostgreSQL user name specified in startup packet")),
    "an empty user": (startup(user="", database="app"), ("FATAL", "28000", "no PostgreSQL user name specified in startup packet")),
    "an unknown database": (startup(user="app", database="nowhere"), ("FATAL", "3D000", 'database "nowhere" does not exist')),
}


@pytest.fixture(scope="module")
def running():
    """A proxy, old and new; sessions of the user `held` are the test's, the others old answers."""
    def serve(session):
        if session.startup.get("user") == "held":
            holds(session)
        else:
            session.peer.answers(session)
    with playing() as begin:
        yield begin(old={"client": serve}, entry={"shadow": {"timeout": "300ms"}})


@pytest.fixture
def beside(running):
    """The proxy and old, while another session lives; it must live on unharmed, and the books balance."""
    proxy, old, _ = running
    before = proxy.settled("app")
    with Client(proxy.port).login() as other:
        yield proxy, old
        assert other.ask(READ) == rows(ITEMS) + ready()
    close_clients()
    after = proxy.settled("app", before["reads"] + 1)
    assert after["mismatch"] == 0


def pieces(said, is_bytewise):
    return [bytes([byte]) for byte in said] if is_bytewise else [said]


@pytest.mark.parametrize("is_bytewise", [False, True], ids=["whole", "a byte at a time"])
@pytest.mark.parametrize("name", AT_THE_START)
def test_a_first_packet_is_refused(beside, name, is_bytewise):
    proxy, _ = beside
    junk, wanted = AT_THE_START[name]
    client = Client(proxy.port)
    try:
        for part in pieces(junk, is_bytewise):
            client.send(part)
    except OSError:
        assert is_bytewise  # it has said enough
    said = client.rest()
    if name.startswith("a second"):
        assert said[:1] == b"N"
        said = said[1:]
    assert [got for got, want in zip(refusal(said), wanted) if want not in (None, got)] == []


@pytest.mark.parametrize("behind", [b"", b"\0" * 288], ids=["short", "as long as it was"])
@pytest.mark.parametrize("version", [(2, 0), (2, 3), (1, 0), (0, 1)], ids=str)
def test_an_older_protocol_is_refused_in_its_own_format(beside, version, behind):
    client = Client(beside[0].port)
    client.send(struct.pack("!ihh", 8 + len(behind), *version) + behind)
    assert client.rest() == OLD_STYLE % version


def test_a_first_packet_at_the_limit_is_taken(beside):
    proxy, _ = beside
    client = Client(proxy.port)
    client.send(padded(10_000))
    assert client.until_ready().endswith(ready())
    assert client.ask(READ) == rows(ITEMS) + ready()


@pytest.mark.parametrize("cut", [0, 1, 3, 4, 7, 8, 20, -1])
def test_a_first_packet_that_breaks_off_leaves_nothing_behind(beside, cut):
    proxy, old = beside
    sessions = len(old.sessions)
    client = Client(proxy.port)
    client.send(startup(user="app", database="app")[:cut])
    client.connection.shutdown(socket.SHUT_WR)
    assert client.rest() == b""
    assert len(old.sessions) == sessions


def test_a_first_packet_that_does_not_end_holds_nobody_up(beside):
    proxy, _ = beside
    client = Client(proxy.port)
    client.send(startup(user="app", database="app")[:-1])
    for _ in range(3):
        assert Client(proxy.port).login().ask(READ) == rows(ITEMS) + ready()
    client.send(b"\0")
    assert client.until_ready().endswith(ready())
    assert client.ask(READ) == rows(ITEMS) + ready()


HELLO = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"x" * 200


def test_a_tls_handshake_where_tls_is_off_is_closed(beside):
    client = Client(beside[0].port)
    client.send(HELLO)
    assert client.rest() == b""


@pytest.mark.parametrize("behind", [b"x" * 40, startup(user="app", database="app")], ids=["noise", "a startup packet"])
def test_bytes_behind_an_ssl_request_are_fatal_where_tls_is_offered(play, tmp_path, behind):
    ca, cert, key = make_certificate(tmp_path)
    proxy, old, _ = play(listen={"tls": {"mode": "allow", "cert": str(cert), "key": str(key), "ca": str(ca)}})
    client = Client(proxy.port)
    client.send(packet(8, SSL_REQUEST) + behind)
    assert refusal(client.rest()) == ("FATAL", "08P01", "received unencrypted data after SSL request")
    assert not [session for session in old.sessions if session.startup.get("application_name") != "pgrehearse"]


def test_rubbish_for_a_tls_handshake_is_closed(play, tmp_path):
    _, cert, key = make_certificate(tmp_path)
    proxy, _, _ = play(listen={"tls": {"mode": "allow", "cert": str(cert), "key": str(key)}})
    for junk in (HELLO, b"\x16\x03\x01\x00\x00", b"\x80\x2e\x01\x00\x02", b"GET / HTTP/1.1\r\n\r\n", b"\x15\x03\x03\x00\x02\x02\x28",
                 startup(user="app", database="app"), b"\0" * 300):
        for is_direct in (False, True):
            client = Client(proxy.port)
            if not is_direct:
                client.send(packet(8, SSL_REQUEST))
                assert client.read(1) == b"S"
            client.send(junk)
            client.connection.shutdown(socket.SHUT_WR)
            said = client.rest()
            assert not said or said[:1] in b"\x15ER", (junk, said)  # an alert, an error, or the session that it asked for
    assert Client(proxy.port).login().ask(READ) == rows(ITEMS) + ready()


# ---- a client, in the login ----

@pytest.mark.parametrize("length", [0, 1, 3, 0x80000000, 0xffffffff])
def test_a_password_message_without_a_length_ends_the_login(play, length):
    def asks(session):
        session.send(authentication(3))
        session.peer.left.append(session.connection.recv(100))
    proxy, old, _ = play(old={"client": asks})
    old.left = []
    client = Client(proxy.port)
    client.send(startup(user="app", database="app"))
    client.expect("R")
    client.send(sized("p", length, b"rubbish"))
    assert refusal(client.rest()) == ("FATAL", "08P01", "invalid message length")
    wait_until(lambda: old.left == [b""])  # nothing of it has come
    old.client = old.answers
    assert Client(proxy.port).login().ask(READ) == rows(ITEMS) + ready()


NONCE = b"r=" + b"n" * 24
ANSWERS = { # to AuthenticationSASL, and to AuthenticationSASLContinue: old judges them
    "no mechanism": (b"", None),
    "an unknown mechanism": (text("PLAIN") + packet(5, more=b"n,,n="), None),
    "no length": (text("SCRAM-SHA-256") + b"\0\0", None),
    "a length that is too large": (text("SCRAM-SHA-256") + packet(0x7fffffff, more=b"n,,"), None),
    "a negative length": (text("SCRAM-SHA-256") + packet(-2, more=b"n,,"), None),
    "no nonce": (text("SCRAM-SHA-256") + packet(5, more=b"n,,n="), None),
    "no header": (text("SCRAM-SHA-256") + packet(26, more=NONCE), None),
    "an oversized nonce": (text("SCRAM-SHA-256") + packet(100_008, more=b"n,,n=,r=" + b"n" * 100_000), None),
    "an extension that is mandatory": (text("SCRAM-SHA-256") + packet(12, more=b"n,,m=x,n=,r=n"[:12]), None),
    "no proof": (text("SCRAM-SHA-256") + packet(34, more=b"n,,n=,r=" + b"n" * 26), b"c=biws," + NONCE),
    "an oversized proof": (text("SCRAM-SHA-256") + packet(34, more=b"n,,n=,r=" + b"n" * 26), b"c=biws," + NONCE + b",p=" + b"A" * 200_000),
    "a zero inside": (text("SCRAM-SHA-256") + packet(34, more=b"n,,n=,r=" + b"n" * 25 + b"\0"), b"c=biws\0," + NONCE + b",p=AAAA"),
    "nothing": (text("SCRAM-SHA-256") + packet(34, more=b"n,,n=,r=" + b"n" * 26), b""),
}


@pytest.mark.parametrize("is_bytewise", [False, True], ids=["whole", "a byte at a time"])
@pytest.mark.parametrize("name", ANSWERS)
def test_a_malformed_scram_message_is_olds_to_judge(play, name, is_bytewise):
    first, final = (message("p", body) if body is not None else None for body in ANSWERS[name])
    if is_bytewise and len(first) + len(final or b"") > 10_000:
        pytest.skip("long")
    refused = error("08P01", "malformed SCRAM message", "FATAL")
    challenge = authentication(11, NONCE + b"mm,s=QUFBQQ==,i=4096")

    def asks(session):
        session.send(authentication(10, text("SCRAM-SHA-256") + b"\0"))
        assert session.read(len(first)) == first
        if final is not None:
            session.send(challenge)
            assert session.read(len(final)) == final
        session.send(refused)
        session.connection.shutdown(socket.SHUT_WR)
    proxy, old, _ = play(old={"client": asks})
    client = Client(proxy.port)
    client.send(startup(user="app", database="app"))
    client.expect("R")
    for part in pieces(first, is_bytewise):
        client.send(part)
    if final is not None:
        assert client.read(len(challenge)) == challenge
        for part in pieces(final, is_bytewise):
            client.send(part)
    assert client.rest() == refused
    old.client = old.answers
    assert Client(proxy.port).login().ask(READ) == rows(ITEMS) + ready()


# ---- a client, in a session ----

def held(beside):
    """A session whose old is the test."""
    proxy, old = beside
    client = Client(proxy.port).login("held")
    return client, old.take()


BAD_LENGTH = ("FATAL", "08P01", "invalid message length")
STATES = { # what the client said before, and what old
    "at rest": (b"", b""),
    "behind an answer": (query(READ), rows(ITEMS) + ready()),
    "in a transaction": (query("BEGIN"), complete("BEGIN") + ready("T")),
    "in an open unit": (parse(READ) + bind(), PARSED + BOUND),
    "in a COPY IN": (query("COPY items FROM STDIN"), copy_response("G")),
    "in a COPY OUT": (query("COPY items TO STDOUT"), copy_response("H") + copy_data(b"1\n")),
    "in rows": (query(READ), row_description(*COLUMNS) + data_row(*ITEMS[0])),
}
IS_OPEN = {"in an open unit", "in a COPY OUT", "in rows"}  # old has still something to say


def enter(client, session, state):
    for wire, other, said in ((client, session, STATES[state][0]), (session, client, STATES[state][1])):
        wire.send(said)
        assert other.read(len(said)) == said


def ends(client, session, is_open, wanted):
    """Old is told that it is over, and the client why."""
    if is_open:
        assert session.receive() == ("X", b"")
        session.end()
    said = client.rest()
    assert refusal(said) == wanted
    try:
        assert session.connection.recv(100) in (b"", message("X"))
    except OSError:
        pass


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("length", [0, 1, 3, 0x80000000, 0xffffffff])
def test_a_message_without_a_length_ends_the_session(beside, state, length):
    client, session = held(beside)
    enter(client, session, state)
    client.send(sized("Q", length, b"SELECT 1\0"))
    ends(client, session, state in IS_OPEN, BAD_LENGTH)


@pytest.mark.parametrize("kind", CLIENT_TYPES)
def test_a_message_of_any_type_without_a_length_ends_the_session(beside, kind):
    client, session = held(beside)
    for byte in sized(kind, 3):
        client.send(bytes([byte]))
    ends(client, session, False, BAD_LENGTH)


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("kind", [b"~", b"\0", b"\xff", b"Z", b"p", b"R", b"a"], ids=repr)
def test_a_type_that_no_client_may_say_ends_the_session(beside, state, kind):
    client, session = held(beside)
    enter(client, session, state)
    client.send(sized(kind, 4))
    ends(client, session, state in IS_OPEN, ("FATAL", "08P01", f"invalid frontend message type {kind[0]}"))


def test_no_other_type_is_taken(beside):
    for kind in range(256):
        if chr(kind) in CLIENT_TYPES:
            continue
        client, session = held(beside)
        client.send(sized(bytes([kind]), 8, b"more"))
        assert refusal(client.rest())[1:] == ("08P01", f"invalid frontend message type {kind}")
        session.end()
        client.connection.close()


@pytest.mark.parametrize("is_bytewise", [False, True], ids=["in one piece", "a byte at a time"])
@pytest.mark.parametrize("junk, wanted", [(sized("Q", 3), BAD_LENGTH), (message("~"), ("FATAL", "08P01", "invalid frontend message type 126"))],
                         ids=["length 3", "unknown type"])
def test_what_stands_before_the_junk_is_still_done_and_answered(beside, junk, wanted, is_bytewise):
    client, session = held(beside)
    asked = query("INSERT INTO items VALUES (9)") + parse(READ) + bind() + execute() + SYNC
    for part in pieces(asked + junk, is_bytewise):
        client.send(part)
    assert session.read(len(asked)) == asked
    assert session.receive() == ("X", b"")
    said = complete("INSERT 0 1") + ready() + PARSED + BOUND + data_row(*ITEMS[0]) + complete("SELECT 1") + ready()
    session.send(said)
    assert client.read(len(said)) == said
    assert refusal(client.rest()) == wanted


@pytest.mark.parametrize("kind", CLIENT_TYPES)
@pytest.mark.parametrize("length", [0x7fffffff, 0x40000000])
def test_a_length_that_only_a_server_can_judge_is_olds_to_refuse(beside, kind, length):
    proxy, _ = beside
    client, session = held(beside)
    before = proxy.memory()
    sent = sized(kind, length, b"x" * 1_000_000)
    client.send(sent)
    assert session.read(len(sent)) == sent
    refused = error("08P01", "invalid message length", "FATAL")
    session.send(refused)
    session.end()
    assert client.rest() == refused
    assert proxy.memory() - before < 48


BODIES = { # framed well, and malformed inside: (what the client says, whether old answers it)
    "Query without a terminator": message("Q", b"SELECT 1"),
    "Query without a body": message("Q"),
    "Query with more behind": message("Q", b"SELECT 1\0SELECT 2\0"),
    "Query that is no UTF-8": message("Q", b"SELECT '\xff\xfe\xc3'\0"),
    "FunctionCall without a body": message("F"),
    "FunctionCall with a negative count": message("F", packet(1) + struct.pack("!hhh", -1, -1, -1)),
}
UNIT_BODIES = {
    "Parse without a terminator": message("P", b"s1"),
    "Parse without SQL": message("P", b"s1\0"),
    "Parse without a count": message("P", b"\0SELECT 1\0"),
    "Parse with a negative count": message("P", b"\0SELECT 1\0\xff\xff"),
    "Parse with too few types": message("P", b"\0SELECT 1\0" + struct.pack("!hi", 2, 23)),
    "Parse with too many types": message("P", b"\0SELECT 1\0" + struct.pack("!hii", 1, 23, 23)),
    "Parse without a body": message("P"),
    "Bind without a body": message("B"),
    "Bind without counts": message("B", b"\0\0"),
    "Bind with negative counts": message("B", b"\0\0" + struct.pack("!hhh", -1, -1, -1)),
    "Bind with too few formats": message("B", b"\0\0" + struct.pack("!hhhh", 2, 1, 1, 0)),
    "Bind with a value that is too long": message("B", b"\0\0" + struct.pack("!hhi", 0, 1, 0x7fffffff)),
    "Bind with a value of length -2": message("B", b"\0\0" + struct.pack("!hhih", 0, 1, -2, 0)),
    "Bind with more behind": message("B", b"\0\0" + struct.pack("!hhh", 0, 0, 0) + b"more"),
    "Bind with a format that is unknown": message("B", b"\0\0" + struct.pack("!hhhih", 1, 7, 1, 0, 0)),
    "Describe without a body": message("D"),
    "Describe of an unknown kind": message("D", b"x\0"),
    "Describe without a terminator": message("D", b"Sname"),
    "Execute without a limit": message("E", b"\0"),
    "Execute with a negative limit": message("E", b"\0" + packet(-1)),
    "Execute without a terminator": message("E", b"name"),
    "Close of an unknown kind": message("C", b"?\0"),
    "Close without a body": message("C"),
    "Flush with a body": message("H", b"more"),
}
SILENT_BODIES = {
    "CopyFail without a terminator": message("f", b"why"),
    "CopyDone with a body": message("c", b"more"),
    "CopyData where no COPY is": message("d", b"\xff" * 100),
}
REFUSED = error("08P01", "invalid message format")


@pytest.mark.parametrize("is_bytewise", [False, True], ids=["whole", "a byte at a time"])
@pytest.mark.parametrize("name", {**BODIES, **UNIT_BODIES, **SILENT_BODIES})
def test_a_malformed_body_is_olds_to_refuse_and_the_session_goes_on(beside, name, is_bytewise):
    client, session = held(beside)
    for part in pieces({**BODIES, **UNIT_BODIES, **SILENT_BODIES}[name], is_bytewise):
        client.send(part)
    if name in UNIT_BODIES:
        client.send(SYNC)
    sent = {**BODIES, **UNIT_BODIES, **SILENT_BODIES}[name] + (SYNC if name in UNIT_BODIES else b"")
    assert session.read(len(sent)) == sent
    if name not in SILENT_BODIES:
        said = (b"" if name == "Flush with a body" else REFUSED) + ready()
        session.send(said)
        assert client.read(len(said)) == said
    for _ in range(2):
        client.send(parse(READ), bind(), describe(), execute(), SYNC)
        session.read(len(parse(READ) + bind() + describe() + execute() + SYNC))
        said = PARSED + BOUND + rows(ITEMS) + ready()
        session.send(said)
        assert client.read(len(said)) == said


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("part", [b"Q", b"Q\0\0", b"Q\0\0\1\0", b"Q\0\0\1\0SELECT", b"d\0\0\1\0x"], ids=repr)
def test_a_message_that_breaks_off_ends_old_without_a_word_behind_it(beside, state, part):
    client, session = held(beside)
    enter(client, session, state)
    client.send(part)
    arrives = part if len(part) >= 5 else b""  # half a header is nothing that anybody could act on
    assert session.read(len(arrives)) == arrives
    client.connection.shutdown(socket.SHUT_WR)
    assert session.connection.recv(100) == b""
    session.end()
    client.rest()


def test_a_copy_that_is_junk_inside_is_olds_to_refuse(beside):
    client, session = held(beside)
    enter(client, session, "in a COPY IN")
    sent = copy_data(b"\0\xff" * 1000) + copy_data(b"") + query("SELECT 1")  # a Query where only COPY may be
    client.send(sent)
    assert session.read(len(sent)) == sent
    said = error("08P01", "unexpected message type 0x51 during COPY from stdin") + error(
        "08P01", "terminating connection because protocol synchronization was lost", "FATAL")
    session.send(said)
    session.end()
    assert client.rest() == said


def test_copy_data_of_an_impossible_length_passes_and_costs_no_memory(beside):
    proxy, _ = beside
    client, session = held(beside)
    enter(client, session, "in a COPY IN")
    before = proxy.memory()
    block = b"x" * 1_000_000
    client.send(sized("d", 0x7fffffff))
    assert session.read(5) == sized("d", 0x7fffffff)
    for _ in range(100):
        client.send(block)
        assert session.read(len(block)) == block
    assert proxy.memory() - before < 48


# ---- old ----

JUNK = {
    "length 0": b"D\0\0\0\0",
    "length 1": b"D\0\0\0\1",
    "length 3": b"D\0\0\0\3",
    "negative length": b"D\xff\xff\xff\xff",
    "unknown type": message("~", b"what?"),
    "a zero byte": b"\0\0\0\0\4",
    "a client's type": message("Q", b"SELECT 1\0"),
    "a message of the login": authentication(0),
    "a key": backend_key(1, b"key!"),
    "ReadyForQuery without a body": message("Z"),
    "ReadyForQuery with two bytes": message("Z", b"II"),
    "an answer that nobody asked for": ready() + rows(ITEMS) + ready(),
}


@pytest.mark.parametrize("is_bytewise", [False, True], ids=["whole", "a byte at a time"])
@pytest.mark.parametrize("moment", ["at rest", "in an answer"])
@pytest.mark.parametrize("junk", JUNK.values(), ids=JUNK)
def test_the_client_gets_olds_own_bytes_whatever_they_are(beside, junk, moment, is_bytewise):
    client, session = held(beside)
    if moment == "in an answer":
        client.send(query(READ))
        session.expect("Q")
        session.send(rows(ITEMS))
        assert client.read(len(rows(ITEMS))) == rows(ITEMS)
    for part in pieces(junk, is_bytewise):
        session.send(part)
    assert client.read(len(junk)) == junk
    client.send(b"more")  # from here on it is bytes both ways
    assert session.read(4) == b"more"
    session.connection.shutdown(socket.SHUT_RDWR)
    assert client.rest() == b""


# Framed well, and malformed inside: on both sides' answers.
SERVER_BODIES = {
    "RowDescription without a body": message("T") + complete("SELECT 0"),
    "RowDescription with a negative count": message("T", b"\xff\xff") + complete("SELECT 0"),
    "RowDescription with too few columns": message("T", struct.pack("!h", 9) + text("a")) + complete("SELECT 0"),
    "RowDescription without a terminator": message("T", struct.pack("!h", 1) + b"a" * 18) + complete("SELECT 0"),
    "RowDescription with more behind": row_description(*COLUMNS)[:4] + struct.pack("!B", row_description(*COLUMNS)[4] + 4)
                                       + row_description(*COLUMNS)[5:] + b"more" + complete("SELECT 0"),
    "two RowDescriptions": row_description(*COLUMNS) * 2 + complete("SELECT 0"),
    "a row without a description": data_row("1", "one") + complete("SELECT 1"),
    "DataRow without a body": row_description(*COLUMNS) + message("D") + complete("SELECT 1"),
    "DataRow with a negative count": row_description(*COLUMNS) + message("D", b"\xff\xff") + complete("SELECT 1"),
    "DataRow with too few values": row_description(*COLUMNS) + data_row("1") + complete("SELECT 1"),
    "DataRow with too many values": row_description(*COLUMNS) + data_row("1", "one", "more") + complete("SELECT 1"),
    "DataRow with a value that is too long": row_description(*COLUMNS) + message("D", struct.pack("!hi", 2, 0x7fffffff) + b"1") + complete("SELECT 1"),
    "DataRow with a value of length -2": row_description(*COLUMNS) + message("D", struct.pack("!hii", 2, -2, -1)) + complete("SELECT 1"),
    "DataRow with more behind": row_description(*COLUMNS) + message("D", data_row("1", "one")[5:] + b"more") + complete("SELECT 1"),
    "CommandComplete without a terminator": rows(ITEMS)[:-len(complete("SELECT 3"))] + message("C", b"SELECT 3"),
    "CommandComplete without a body": rows(ITEMS)[:-len(complete("SELECT 3"))] + message("C"),
    "two CommandCompletes": rows(ITEMS) + complete("SELECT 3"),
    "no CommandComplete": rows(ITEMS)[:-len(complete("SELECT 3"))],
    "rows behind CommandComplete": rows(ITEMS) + data_row("4", "four"),
    "ErrorResponse without a body": message("E"),
    "ErrorResponse without a terminator": message("E", b"SERROR\0C22012\0Mwhat"),
    "ErrorResponse with a code of two bytes": message("E", b"SERROR\0VERROR\0C22\0Mwhat\0\0"),
    "NoticeResponse without a terminator": message("N", b"SNOTICE") + rows(ITEMS),
    "ParameterStatus without a value": message("S", b"TimeZone\0") + rows(ITEMS),
    "ParameterStatus without a body": message("S") + rows(ITEMS),
    "NotificationResponse without a body": message("A") + rows(ITEMS),
    "nothing": b"",
    "COPY OUT": copy_response("H") + copy_data(b"1\n") + COPY_DONE + complete("COPY 1"),
    "COPY IN without columns": message("G") + error("57014", "gave up"),
    "ParameterDescription with a negative count": message("t", b"\xff\xff") + rows(ITEMS),
    "BindComplete for a Query": BOUND + rows(ITEMS),
    "NoData for a Query": message("n") + complete("SELECT 0"),
    "PortalSuspended for a Query": message("s") + complete("SELECT 0"),
}


@pytest.mark.parametrize("is_bytewise", [False, True], ids=["whole", "a byte at a time"])
@pytest.mark.parametrize("name", SERVER_BODIES)
def test_a_malformed_answer_of_old_passes_and_is_no_mismatch(beside, name, is_bytewise):
    client, session = held(beside)
    client.send(query(READ))
    session.expect("Q")
    said = SERVER_BODIES[name] + ready()
    for part in pieces(said, is_bytewise):
        session.send(part)
    assert client.read(len(said)) == said
    client.send(query(READ))
    session.expect("Q")
    session.send(rows(ITEMS), ready())
    assert client.read(len(rows(ITEMS) + ready())) == rows(ITEMS) + ready()


@pytest.mark.parametrize("said", [b"D", b"D\0\0", b"D\0\0\1\0", b"D\0\0\1\0\0\2xxx", rows(ITEMS)[:-1], rows(ITEMS)],
                         ids=["type", "half a header", "header", "half a row", "but a byte", "no ReadyForQuery"])
def test_an_answer_of_old_that_breaks_off_is_told_where_a_message_may_stand(beside, said):
    client, session = held(beside)
    client.send(query(READ))
    session.expect("Q")
    session.send(said)
    session.connection.shutdown(socket.SHUT_RDWR)
    heard = client.rest()
    arrives = said if len(said) >= 5 else b""
    assert heard[:len(arrives)] == arrives
    told = heard[len(arrives):]
    is_whole = said in (b"D", b"D\0\0", rows(ITEMS))
    assert (refusal(told)[:2] == ("FATAL", "08006")) if is_whole else told == b""


@pytest.mark.parametrize("junk", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"R\0\0\0\3", b"R\0\0\0\0", b"R\xff\xff\xff\xff",
                                  sized("D", 1 << 30, b"x" * 100), sized("R", 0x7fffffff), b"", b"R", b"R\0\0\0\x08\0\0"],
                         ids=["http", "length 3", "length 0", "negative length", "1 GiB", "2 GiB", "nothing", "a byte", "half a message"])
def test_junk_at_the_login_is_told_to_the_client(play, junk):
    def says(session):
        session.send(junk)
        session.connection.shutdown(socket.SHUT_WR)
    proxy, old, _ = play(old={"client": says})
    client = Client(proxy.port)
    client.send(startup(user="app", database="app"))
    assert refusal(client.rest())[:2] == ("FATAL", "08006")
    old.client = old.answers
    assert Client(proxy.port).login().ask(READ) == rows(ITEMS) + ready()


LOGIN_BODIES = {
    "ParameterStatus without a value": message("S", b"TimeZone\0"),
    "ParameterStatus without a body": message("S"),
    "ParameterStatus with more behind": message("S", b"a\0b\0c\0"),
    "NoticeResponse without a terminator": message("N", b"SNOTICE"),
    "NegotiateProtocolVersion without a body": message("v"),
    "NegotiateProtocolVersion with a negative count": message("v", packet(VERSION, -1)),
    "a large notice": message("N", b"M" + b"x" * 1_000_000 + b"\0\0"),
    "many parameters": b"".join(parameter(f"x.p{i}", "v" * 100) for i in range(5_000)),
    "an unknown type": message("~", b"?"),
}


@pytest.mark.parametrize("name", LOGIN_BODIES)
def test_a_malformed_message_of_olds_login_passes(play, name):
    said = authentication(0) + LOGIN_BODIES[name] + parameter("server_version", "15.0") + backend_key(1, b"\0\0\0\1") + ready()

    def admits(session):
        session.send(said)
        session.expect("Q")
        session.send(rows(ITEMS), ready())
        session.read(1)
    proxy, _, _ = play(old={"client": admits})
    client = Client(proxy.port)
    client.send(startup(user="app", database="app"))
    assert client.read(len(said)) == said
    assert client.ask(READ) == rows(ITEMS) + ready()


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


# ---- new ----

# One proxy for them all: it compares when the first is reached, and again after each.
@pytest.fixture(scope="module")
def comparing():
    with playing() as begin:
        proxy, old, new = begin(entry={"shadow": {"timeout": "300ms", "recheck": {"rounds": 1, "settle": "1ms"}},
                                       "canary": {"quarantine": False, "patience": "10s"}})

        def ask():
            with Client(proxy.port) as client:
                client.login().ask(READ)
        proxy.warmed("app", ask)
        yield proxy, old, new


def says(body):
    """An answer to a read, in the transaction that it is put in."""
    return lambda session, _: session.send(body, ready("T"))


def breaks_with(junk):
    def speak(session, _):
        session.send(row_description(*COLUMNS), data_row(*ITEMS[0]), junk)
        session.read(1 << 20)
    return speak


NEW_JUNK = {**{name: says(body) for name, body in SERVER_BODIES.items()},
            **{name: breaks_with(junk) for name, junk in JUNK.items() if "asked for" not in name},
            "2 GiB": breaks_with(sized("D", 0x7fffffff, b"x" * 1000)),
            "a key in the answer": says(backend_key(1, b"abcd") + rows(ITEMS)),
            "an admission in the answer": says(authentication(0) + rows(ITEMS))}


@pytest.mark.parametrize("name", NEW_JUNK)
def test_a_malformed_answer_of_new_is_unseen_by_the_client(comparing, name):
    proxy, _, new = comparing
    before, memory = proxy.settled("app"), proxy.memory()
    new.own_answer = NEW_JUNK[name]
    with Client(proxy.port).login() as client:
        for i in range(2):
            assert client.ask(READ) == rows(ITEMS) + ready()
            proxy.settled("app", before["reads"] + i + 1)
    new.own_answer = answer
    after = proxy.settled("app", before["reads"] + 2)
    assert after["served_old"] == before["served_old"] + 2 and after["unanswered"] == before["unanswered"]
    assert proxy.memory() - memory < 48

    asked = 0

    def is_well_again():
        nonlocal asked
        asked += 1  # each is counted before the next test looks
        with Client(proxy.port).login() as client:
            is_answered = client.ask(READ) == rows(ITEMS) + ready()
        return is_answered and proxy.settled("app", after["reads"] + asked)["match"] > after["match"]
    wait_until(is_well_again, what=proxy.said)


OLD = rows(ITEMS) + ready()
NEW_ROWS = [("1", "from new")]


@contextlib.contextmanager
def served_by_new(proxy, new):
    """A client whose reads new serves, and still does when the test is through."""
    proxy.console("SET shadow_percent = 0")
    proxy.console("SET canary_percent = 100")
    try:
        with Client(proxy.port).login() as client:
            def is_served():
                new.own_answer = says(rows(NEW_ROWS))
                return client.ask(READ) == rows(NEW_ROWS) + ready()
            wait_until(is_served, what=proxy.said)
            yield client
            wait_until(is_served, what=proxy.said)
    finally:
        proxy.console("SET canary_percent = 0")
        proxy.console("SET shadow_percent = 100")
        new.own_answer = answer
    proxy.settled("app")


@pytest.mark.parametrize("name", SERVER_BODIES)
def test_a_malformed_answer_of_new_to_a_canary_read_is_replaced_by_olds(comparing, name):
    proxy, _, new = comparing
    with served_by_new(proxy, new) as client:
        new.own_answer = says(SERVER_BODIES[name])
        assert client.ask(READ) == OLD, "new's was let through"


@pytest.mark.parametrize("more", [data_row("1"), data_row("1", "x", "y"), message("D"), message("D", struct.pack("!hii", 2, 5, -1)),
                                  message("C", b"SELECT"), message("E", b"?"), row_description(*COLUMNS), sized("D", 3), message("~"),
                                  error("57P01", "terminating", "FATAL"), sized("C", 1 << 28, b"x" * 2_000_000)],
                         ids=["too few", "too many", "empty", "too long", "tag", "error", "description", "length 3", "type", "fatal", "256 MiB"])
def test_junk_in_a_canary_answer_that_was_released_ends_it_in_40001(comparing, more):
    proxy, _, new = comparing
    row = data_row("1", "x" * 30_000)

    def speak(session, _):
        session.send(row_description(*COLUMNS), row * 40, more)
        session.read(1 << 20)
    with served_by_new(proxy, new) as client:
        new.own_answer = speak
        client.send(query(READ))
        said = client.until_ready()
        head = row_description(*COLUMNS) + row * 40
        *passed, told, last = split(said)
        assert head.startswith(b"".join(passed)) and len(passed) > 8  # over canary.hold
        assert fields_of(told)["C"] == "40001" and last == ready()


def offers(first):
    """A server that asks for SCRAM and goes on with this, `%` being the client's nonce."""
    def speak(session):
        session.send(authentication(10, text("SCRAM-SHA-256") + b"\0"))
        nonce = session.expect("p").split(b"r=")[1]
        session.send(authentication(11, first.replace(b"%", nonce)))
        session.peer.answered.append(session.receive())
        session.send(authentication(12, b"v=" + b"A" * 43 + b"="))
        session.read(1)
    return speak


SALT = b",s=QUFBQUFBQUFBQUFBQUFBQQ==,i="
HOSTILE = {
    "no nonce": offers(b"s=QUFBQQ==,i=4096"),
    "no salt": offers(b"r=%x,i=4096"),
    "no iterations": offers(b"r=%x,s=QUFBQQ=="),
    "nothing": offers(b""),
    "another's nonce": offers(b"r=abcdefabcdefabcdefabcdefabcdef" + SALT + b"4096"),
    "the client's nonce alone": offers(b"r=%" + SALT + b"4096"),
    "an oversized nonce": offers(b"r=%" + b"x" * 30_000 + SALT + b"4096"),
    "an oversized salt": offers(b"r=%x,s=" + b"QUFB" * 10_000 + b",i=4096"),
    "a salt that is no base64": offers(b"r=%x,s=!!!!,i=4096"),
    "an empty salt": offers(b"r=%x,s=,i=4096"),
    "no iteration": offers(b"r=%x" + SALT + b"0"),
    "negative iterations": offers(b"r=%x" + SALT + b"-1"),
    "too many iterations": offers(b"r=%x" + SALT + b"99999999999"),
    "as many as take an hour": offers(b"r=%x" + SALT + b"2147483647"),
    "a mandatory extension": offers(b"m=x,r=%x" + SALT + b"4096"),
    "a zero inside": offers(b"r=%x\0" + SALT + b"4096"),
    "a wrong proof of itself": offers(b"r=%x" + SALT + b"4096"),
    "no mechanism": lambda session: (session.send(authentication(10, b"\0")), session.read(1)),
    "mechanisms without an end": lambda session: (session.send(authentication(10, b"SCRAM-SHA-256")), session.read(1)),
    "the final message first": lambda session: (session.send(authentication(12, b"v=AAAA")), session.read(1)),
    "an admission in the middle": lambda session: (session.send(authentication(10, text("SCRAM-SHA-256") + b"\0"), authentication(0)),
                                                   session.read(1000)),
    "an oversized challenge": lambda session: (session.send(sized("R", 1 << 30, packet(11) + b"r=" + b"x" * 200_000)), session.read(1000)),
    "ReadyForQuery alone": lambda session: (session.send(ready()), session.read(1)),
    "half a code": lambda session: (session.send(message("R", b"\0\0")), session.read(1)),
    "salt of three bytes": lambda session: (session.send(authentication(5, b"abc")), session.read(1)),
    "an unknown method": lambda session: (session.send(authentication(99)), session.read(1)),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_login_on_new_that_is_malformed_is_given_up_and_no_client_can_tell(play, name):
    proxy, _, new = play(new={"own": HOSTILE[name]}, old={"client": asks_for_cleartext})
    new.answered = []
    client = Client(proxy.port)
    client.send(startup(user="app", database="app"), message("p", text("secret")))
    client.until_ready()
    for i in range(3):
        assert client.ask(READ) == rows(ITEMS) + ready()
    status = proxy.settled("app", 3)
    assert status["match"] == 0 and status["mismatch"] == 0 and status["served_old"] == 3
    if name != "a wrong proof of itself":
        assert not [kind for kind, _ in new.answered if kind == "p"]


def asks_for_cleartext(session):
    session.send(authentication(3))
    assert session.expect("p") == text("secret")
    session.peer.answers(session)
