"""Logins take turns, and have a deadline: a storm of clients does not become one of backends."""

import queue
import threading

from peer import Client, authentication, ready, startup
from proxy import wait_until
from scripted import ITEMS, READ, rows

ONE_AT_A_TIME = {"listen": {"workers": 1}, "auth": {"type": "passthrough", "unchallenged": "allow",
                                                    "max_in_progress": 1}}


class Asking:
    """Old asks for a password; the test says when who is admitted."""

    def __init__(self):
        self.begun = queue.Queue()

    def __call__(self, session):
        session.send(authentication(3))
        self.begun.put(session)
        session.expect("p")
        session.peer.answers(session)


def begin(proxy, name):
    client = Client(proxy.port)
    client.send(startup(user="app", database="app", application_name=name))
    return client


def asked(asking):
    return asking.begun.get(timeout=30).startup["application_name"]


def test_who_comes_while_others_log_in_waits_in_order_and_is_served(play):
    asking = Asking()
    proxy, _, _ = play(old={"client": asking}, **ONE_AT_A_TIME)
    first, second, third = (begin(proxy, name) for name in ("first", "second", "third"))
    assert asked(asking) == "first"
    first.expect("R")
    assert asking.begun.empty(), "two log in at a time"
    first.send(b"p\0\0\0\x06a\0")
    first.until_ready()
    assert asked(asking) == "second"
    second.connection.close()  # a turn ends with its session, too
    assert asked(asking) == "third"
    third.send(b"p\0\0\0\x06a\0")
    third.expect("R")
    third.until_ready()
    assert third.ask(READ) == rows(ITEMS) + ready()
    assert first.ask(READ) == rows(ITEMS) + ready()


def test_who_leaves_while_waiting_is_forgotten(play):
    asking = Asking()
    proxy, _, _ = play(old={"client": asking}, **ONE_AT_A_TIME)
    first, second, third = (begin(proxy, name) for name in ("first", "second", "third"))
    assert asked(asking) == "first"
    second.connection.close()
    first.connection.close()
    while (name := asked(asking)) == "second":  # its leaving was not seen yet
        pass
    assert name == "third"
    third.connection.close()


def test_a_login_that_does_not_end_is_ended_and_so_is_the_waiting_for_one(play):
    asking = Asking()
    settings = {**ONE_AT_A_TIME, "auth": {**ONE_AT_A_TIME["auth"], "timeout": "2s"}}
    proxy, _, _ = play(old={"client": asking}, **settings)
    first, second = begin(proxy, "first"), begin(proxy, "second")
    said = [first.rest(), second.rest()]
    assert any(b"57014" in one and b"canceling authentication due to timeout" in one for one in said)
    assert all(b"57014" in one or b"53300" in one or one.startswith(b"R") for one in said), said


class Counting:
    """Counts who is in startup at once; nobody is admitted before the test says so."""

    def __init__(self):
        self.now, self.most, self.lock, self.may_admit = 0, 0, threading.Lock(), threading.Event()

    def __call__(self, session):
        with self.lock:
            self.now += 1
            self.most = max(self.most, self.now)
        self.may_admit.wait(60)
        with self.lock:
            self.now -= 1
        session.peer.answers(session)


def test_a_storm_of_clients_is_never_one_of_backends_and_all_are_served(play):
    counting = Counting()
    proxy, _, _ = play(old={"client": counting}, listen={"workers": 2},
                       auth={"type": "passthrough", "unchallenged": "allow", "max_in_progress": 20})
    clients = [begin(proxy, f"client {i}") for i in range(150)]
    wait_until(lambda: int(proxy.status("app")["clients"]) == 150 and counting.now >= 20, what=lambda: counting.now)
    counting.may_admit.set()
    for client in clients:
        client.until_ready()
        assert client.ask(READ) == rows(ITEMS) + ready()
    assert counting.most == 20
