"""Protocol 3.0 and 3.2: what the client asks for is old's to answer, and keys of any legal length cancel."""

import getpass
import queue
import ssl
import struct

import pytest

from clusters import make_certificate
from peer import (CANCEL_REQUEST, SSL_REQUEST, VERSION_3_0, VERSION_3_2, Client, UnixClient, authentication, backend_key,
                  message, negotiation, parameter, query, ready, startup)
from proxy import wait_until
from scripted import ITEMS, READ, answer, holds, rows
from test_cancel_key import cancel

ASKED = {
    "3.0": (VERSION_3_0, {}, b""),
    "3.1": (VERSION_3_0 | 1, {}, negotiation(VERSION_3_0)),
    "3.2": (VERSION_3_2, {}, b""),
    "3.2 of an older server": (VERSION_3_2, {}, negotiation(VERSION_3_0)),
    "3.9999": (VERSION_3_0 | 9999, {}, negotiation(VERSION_3_2)),
    "an option": (VERSION_3_0, {"_pq_.grease": "x"}, negotiation(VERSION_3_0, "_pq_.grease")),
    "3.9999 and options": (VERSION_3_0 | 9999, {"_pq_.b": "1", "_pq_.a": "2"}, negotiation(VERSION_3_2, "_pq_.b", "_pq_.a")),
}


@pytest.mark.parametrize("is_in_pieces", [False, True], ids=["whole", "a byte at a time"])
@pytest.mark.parametrize("asked", ASKED)
def test_version_and_options_go_to_old_as_they_came_and_its_answer_passes_once(play, asked, is_in_pieces):
    version, options, negotiated = ASKED[asked]
    said = negotiated + authentication(0) + parameter("server_version", "18.0") + backend_key(7, b"k" * 32) + ready()

    def admits(session):
        assert session.version == version
        assert {name: value for name, value in session.startup.items() if name.startswith("_pq_.")} == options
        for part in ([bytes([byte]) for byte in said] if is_in_pieces else [said]):
            session.send(part)
        session.expect("Q")
        session.send(rows(ITEMS), ready())
        session.expect("X")
    proxy, _, _ = play(old={"client": admits})
    client = Client(proxy.port)
    packet = startup(version, user="app", database="app", **options)
    for part in ([bytes([byte]) for byte in packet] if is_in_pieces else [packet]):
        client.send(part)
    assert client.read(len(said)) == said
    client.send(query(READ))
    assert client.until_ready() == rows(ITEMS) + ready()
    client.send(message("X"))
    assert client.rest() == b""


def test_our_own_sessions_speak_3_0_and_ask_for_no_options(mirrors):
    proxy, old, new = mirrors()
    client = Client(proxy.port)
    client.send(startup(VERSION_3_2, user="app", database="app", **{"_pq_.x": "y"}))
    client.until_ready()
    assert client.ask(READ) == rows(ITEMS) + ready()
    proxy.settled("app")
    own = [session for server in (old, new) for session in server.sessions
           if session.startup.get("application_name") == "pgrehearse"]
    assert own and {session.version for session in own} == {VERSION_3_0}
    assert not [name for session in own for name in session.startup if name.startswith("_pq_.")]


def admitted(proxy, context=None):
    """A session that speaks 3.2; over TLS where there is a context."""
    client = Client(proxy.port)
    secure(client, context)
    client.send(startup(VERSION_3_2, user="app", database="app"))
    said = client.until_ready()
    return client, said


def secure(client, context):
    if context:
        client.send(struct.pack("!ii", 8, SSL_REQUEST))
        assert client.read(1) == b"S"
        client.connection = context.wrap_socket(client.connection, server_hostname="localhost")


def key_of(length):
    return bytes((7 * i + length) % 256 for i in range(length))


def admits_with(key, pid=4711):
    def admits(session):
        session.admit(pid=pid, key=key)
        session.peer.arrived.put(session)
        session.released.wait()
    return admits


@pytest.mark.parametrize("is_tls", [False, True], ids=["plain", "tls"])
@pytest.mark.parametrize("length", [4, 5, 32, 255, 256])
def test_a_key_of_any_legal_length_passes_and_cancels(play, tmp_path, length, is_tls):
    key, context, listen = key_of(length), None, {}
    if is_tls:
        ca, cert, private = make_certificate(tmp_path)
        listen = {"listen": {"tls": {"mode": "require", "cert": str(cert), "key": str(private)}}}
        context = ssl.create_default_context(cafile=str(ca))
    proxy, old, new = play(old={"client": admits_with(key)}, **listen)
    client, said = admitted(proxy, context)
    assert backend_key(4711, key) in said
    session = old.take()
    client.send(query(READ))
    session.expect("Q")
    asker = Client(proxy.port)
    secure(asker, context)
    asker.send(struct.pack("!iii", 12 + length, CANCEL_REQUEST, 4711), key)
    errand, sent = old.cancels.get(timeout=30)
    assert sent == struct.pack("!i", 4711) + key
    errand.closing.set()
    assert asker.rest() == b""
    session.send(rows(ITEMS), ready())
    assert client.until_ready() == rows(ITEMS) + ready()
    assert old.cancels.empty() and new.cancels.empty()


def test_sessions_whose_keys_begin_alike_are_told_apart(play):
    """Each cancel goes once, with the key of its session, and a beginning of a key is no key."""
    keys = [b"k" * length for length in (4, 32, 33, 256)]
    left = iter(keys)

    def admits(session):
        admits_with(next(left))(session)
    proxy, old, _ = play(old={"client": admits})
    clients = [admitted(proxy) for _ in keys]
    assert [backend_key(4711, key) in said for key, (_, said) in zip(keys, clients)] == [True] * len(keys)
    for key in keys:
        asker = cancel(proxy, struct.pack("!i", 4711) + key)
        errand, sent = old.cancels.get(timeout=30)
        assert sent == struct.pack("!i", 4711) + key
        errand.closing.set()
        assert asker.rest() == b"" and old.cancels.empty()


@pytest.mark.parametrize("length", [0, 1, 3, 257, 1000])
def test_a_key_that_no_server_may_give_passes_and_cancels_nothing(play, length):
    key = key_of(length)
    proxy, old, _ = play(old={"client": admits_with(key)})
    client, said = admitted(proxy)
    assert backend_key(4711, key) in said
    session = old.take()
    asker = cancel(proxy, struct.pack("!i", 4711) + key)
    assert b"\0C08P01\0" in asker.rest()
    with pytest.raises(queue.Empty):
        old.cancels.get(timeout=0.1)
    client.send(query(READ))
    session.expect("Q")
    session.send(rows(ITEMS), ready())
    assert client.until_ready() == rows(ITEMS) + ready()


@pytest.mark.parametrize("body", [b"", b"\0\0\0"], ids=["empty", "half a process id"])
def test_backend_key_data_without_a_key_passes(play, body):
    def admits(session):
        session.send(authentication(0), parameter("server_version", "15.0"), message("K", body), ready())
        session.expect("Q")
        session.send(rows(ITEMS), ready())
        session.read(1)
    proxy, _, _ = play(old={"client": admits})
    client, said = admitted(proxy)
    assert message("K", body) in said
    assert client.ask(READ) == rows(ITEMS) + ready()


@pytest.mark.parametrize("length", [4, 32, 256])
def test_a_read_on_new_is_cancelled_with_the_long_key_that_new_gave(mirrors, length):
    proxy, _, new = mirrors(entry={"canary": {"percent": 100, "quarantine": False, "patience": "20s"}})
    new.end_own_sessions()

    def admits(session):
        session.admit(key=key_of(length))
        while True:
            new.answers_one(session)
    new.own = admits
    client = Client(proxy.port).login()

    def is_served_by_new():
        assert client.ask(READ) == rows(ITEMS) + ready()
        return int(proxy.status("app")["served_new"]) > 0
    wait_until(is_served_by_new)
    proxy.settled("app")  # no mirrored read is under way
    begun = queue.Queue()

    def never(session, request):
        begun.put(True)
        session.read(1 << 20)
    new.own_answer = never
    client.send(query(READ))
    begun.get(timeout=30)
    asker = cancel(proxy, client.key)
    errand, sent = new.cancels.get(timeout=30)
    assert sent == struct.pack("!i", 4711) + key_of(length)
    errand.closing.set()
    assert b"\0C57014\0" in client.until_ready()
    assert asker.rest() == b""
    new.own_answer = answer


@pytest.mark.parametrize("body", [b"", b"\0\0\0\1", b"\0\0\0\1\0\0\0", b"\0\0\0\1" + b"k" * 257],
                         ids=["empty", "no key", "short key", "long key"])
def test_a_bad_key_from_new_is_its_own_affair(mirrors, body):
    proxy, _, new = mirrors()

    def admits(session):
        session.send(authentication(0), message("K", body), ready())
        session.read(1 << 20)
    new.own = admits
    new.end_own_sessions()
    client = Client(proxy.port).login()
    before = int(proxy.status("app")["dropped"])
    wait_until(lambda: client.ask(READ) == rows(ITEMS) + ready() and int(proxy.status("app")["dropped"]) > before)
    assert proxy.settled("app")["mismatch"] == 0


CONSOLE = {"3.0": (VERSION_3_0, {}, b""),
           "3.1": (VERSION_3_0 | 1, {}, negotiation(VERSION_3_0)),
           "3.2": (VERSION_3_2, {}, negotiation(VERSION_3_0)),
           "an option": (VERSION_3_0, {"_pq_.x": ""}, negotiation(VERSION_3_0, "_pq_.x")),
           "both": (VERSION_3_2, {"_pq_.b": "", "_pq_.a": "1"}, negotiation(VERSION_3_0, "_pq_.b", "_pq_.a"))}


@pytest.mark.parametrize("asked", CONSOLE)
def test_the_console_answers_for_itself_once_before_it_admits(play, asked):
    version, options, negotiated = CONSOLE[asked]
    proxy, _, _ = play()
    client = UnixClient(proxy.home / f".s.PGSQL.{proxy.port}")
    client.send(startup(version, user=getpass.getuser(), database="pgrehearse", **options), query("SELECT 1"))
    said = client.until_ready()
    assert said.startswith(negotiated + authentication(0)) and said.count(negotiated[:5] or b"v\0\0\0") <= 1
    assert b"SELECT 1\0" in client.until_ready()  # it was sent ahead of the login


def test_the_console_answers_before_it_refuses(play):
    proxy, _, _ = play()
    client = Client(proxy.port)
    client.send(startup(VERSION_3_2, user="nobody", database="pgrehearse"))
    said = client.rest()
    assert said.startswith(negotiation(VERSION_3_0) + b"E") and b"\0C28000\0" in said
