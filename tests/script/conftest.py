"""A proxy between two scripted servers: see tests/support/scripted.py."""

import contextlib

import pytest

from peer import Client
from proxy import Proxy, wait_until
from scripted import READ, Server


def close_clients():
    while Client.opened:
        Client.opened.pop().connection.close()


@contextlib.contextmanager
def playing():
    """begin(old={…}, new={…}, entry={…}, **sections): the running proxy, old and new; it must end well."""
    with contextlib.ExitStack() as stack:
        def begin(old=None, new=None, entry=None, **sections):
            servers = [stack.enter_context(Server(**(script or {}))) for script in (old, new)]
            strings = [server.dsn() + " connect_timeout=2" for server in servers]
            proxy = Proxy({"app": {"old": strings[0], "new": strings[1], **(entry or {})}}, **sections)
            stack.callback(proxy.kill)
            stack.callback(proxy.stop)
            for server in servers:
                stack.callback(server.released.set)  # what it `holds` ends
            stack.callback(close_clients)
            proxy.start()
            return proxy, *servers
        yield begin


@pytest.fixture
def play():
    """The same, for one test."""
    with playing() as begin:
        yield begin


@pytest.fixture
def mirrors(play):
    """The same, once a read has been compared: both catalogs are known."""
    def begin(**what):
        proxy, old, new = play(**what)

        def ask():
            with Client(proxy.port) as client:
                client.login().ask(READ)
        proxy.warmed("app", ask)
        return proxy, old, new
    return begin
