"""auth.query on an old that answers when the test says so: no login waits for it that does not need it."""

import hashlib
import queue
import threading

import pytest

from login import md5_secret
from peer import Client, authentication, message, ready, startup
from scripted import ITEMS, READ, answer, put, rows

SECRET = "a secret"
QUERY = "SELECT name, secret FROM secrets WHERE name = $1"


class Asked:
    """Old's part in a look-up: each waits for the test, and is given up when the proxy closes."""

    def __init__(self):
        self.begun = queue.Queue()

    def __call__(self, session, request):
        if request.sql != QUERY:
            answer(session, request)
            return
        ask = Ask()
        self.begun.put(ask)
        session.connection.setblocking(False)
        while not ask.may_answer.wait(0.02):
            try:
                session.connection.recv(1)  # its end, or Terminate before it
                ask.is_given_up = True
                raise EOFError
            except BlockingIOError:
                pass
        session.connection.setblocking(True)
        put(session, request, [["app", md5_secret("app", SECRET)]], ("name", "secret"))


class Ask:
    def __init__(self):
        self.may_answer, self.is_given_up = threading.Event(), False


def md5(password, salt):
    inner = hashlib.md5((password + "app").encode()).hexdigest().encode()
    return b"md5" + hashlib.md5(inner + salt).hexdigest().encode() + b"\0"


def asks_md5(then):
    """A server that asks for MD5, and admits who knows the secret."""
    def script(session):
        session.send(authentication(5, b"salt"))
        assert session.expect("p") == md5(SECRET, b"salt")
        getattr(session.peer, then)(session)
    return script


@pytest.fixture
def asked(play):
    """(proxy, the look-ups as they come): both sides ask for MD5, and only old's table has the hash."""
    asked = Asked()
    proxy, _, _ = play(old={"client": asks_md5("answers"), "control_answer": asked}, new={"own": asks_md5("answers_own")},
                           auth={"type": "passthrough", "query": QUERY})
    yield proxy, asked


def log_in(proxy):
    client = Client(proxy.port)
    client.send(startup(user="app", database="app"))
    client.expect("R")
    client.send(message("p", md5(SECRET, b"salt")))
    client.until_ready()
    return client


def test_reads_wait_for_a_secret_that_comes_after_the_login(asked):
    proxy, asked = asked
    for reads in range(1, 6):  # a look-up is given up after two seconds, which a slow machine may take
        client = log_in(proxy)
        ask = asked.begun.get(timeout=30)
        assert client.ask(READ) == rows(ITEMS) + ready()
        ask.may_answer.set()
        status = proxy.settled("app", reads)
        if not ask.is_given_up:
            break
    else:
        raise AssertionError("no login came to its end before its secret")
    assert status["match"] == 1, (status, proxy.said())


def test_where_own_sessions_are_another_users_no_secret_is_looked_up(play):
    asked = Asked()
    proxy, _, _ = play(old={"client": asks_md5("answers"), "control_answer": asked}, entry={"identity": "service"},
                       auth={"type": "passthrough", "query": QUERY})
    assert log_in(proxy).ask(READ) == rows(ITEMS) + ready()
    assert proxy.settled("app", 1)["match"] == 1, (proxy.skipped("app"), proxy.said())
    assert asked.begun.empty()


def test_the_end_does_not_wait_for_a_secret(play):
    asked = Asked()
    proxy, _, _ = play(old={"control_answer": asked}, auth={"type": "scram-sha-256", "query": QUERY})
    client = Client(proxy.port)
    client.send(startup(user="app", database="app"))
    asked.begun.get(timeout=30)
    proxy.stop()
    assert "no answer within" not in proxy.said(), "it waited until the look-up was given up"
    client.rest()
