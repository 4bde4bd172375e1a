"""Several proxies share one store in a PostgreSQL database: what is said at one holds at all, whatever the store does."""

import getpass
import json
import subprocess
import threading
import time
import urllib.parse

import psycopg
import pytest

from clusters import Cluster
from proxy import Proxy, binary, merge, wait_until

READ = "SELECT name FROM items WHERE id = 1"
QUIET = {"shadow": {"percent": 0}}


@pytest.fixture(scope="module")
def cluster(pair):
    """The server that stores are on; what stops or freezes it sets it going again."""
    made = Cluster(pair.folder, "store")
    yield made
    made.stop()


class Store:
    """A fresh database for a store."""

    count = 0

    def __init__(self, cluster):
        Store.count += 1
        self.cluster, self.name = cluster, f"store{Store.count}"
        cluster.psql(f"CREATE DATABASE {self.name} OWNER app")
        self.url = f"postgresql://app@127.0.0.1:{cluster.port}/{self.name}?sslmode=disable"

    def ask(self, sql):
        return self.cluster.psql(f"SET search_path = pgrehearse; {sql}", self.name)

    def setting(self, database, name):
        return self.ask(f"SELECT value FROM settings WHERE database = '{database}' AND name = '{name}'")


@pytest.fixture
def store(cluster):
    return Store(cluster)


@pytest.fixture
def fleet(start, shop, store):
    """fleet(entry): two running proxies before the same database, which share the store."""
    def begin(entry=None, **sections):
        return [start(shop, merge(QUIET, entry or {}), store=store.url, **sections) for _ in range(2)]
    return begin


class Clients:
    """Sessions that read all the time, through each of the proxies; no answer may be wrong, late or missing."""

    def __init__(self, proxies, shop):
        self.slowest, self.reads, self.trouble, self.is_over = 0.0, 0, [], threading.Event()
        self.threads = [threading.Thread(target=self.read, args=(proxy, shop)) for proxy in proxies]

    def read(self, proxy, shop):
        try:
            with proxy.connect(shop) as connection:
                while not self.is_over.is_set():
                    begun = time.monotonic()
                    if connection.execute(READ).fetchone() != ("item 1",):
                        self.trouble.append("a wrong answer")
                    self.slowest = max(self.slowest, time.monotonic() - begun)
                    self.reads += 1
                    self.is_over.wait(0.005)
        except psycopg.Error as error:
            self.trouble.append(repr(error))

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.is_over.set()
        for thread in self.threads:
            thread.join()
        assert not self.trouble, self.trouble
        assert self.reads


def canary(proxy, shop):
    status = proxy.status(shop)
    return status["canary_percent"], status["canary_state"]


def events(proxy, kind):
    return [event["detail"] for event in proxy.console("SHOW EVENTS") if event["kind"] == kind]


def metric(proxy, name):
    for line in proxy.http("/metrics")[1].splitlines():
        if line.startswith(name + " "):
            return float(line.split()[1])
    raise AssertionError(f"no {name}")


def store_is(proxy, shop, state):
    return proxy.status(shop)["store"].split(":")[0] == state


def said(proxy, command):
    """(severity and text of the notices) of a command, which must succeed."""
    notices = []
    with psycopg.connect(host=str(proxy.home), port=proxy.port, dbname="pgrehearse", user=getpass.getuser(), autocommit=True) as it:
        it.add_notice_handler(lambda notice: notices.append(f"{notice.severity}: {notice.message_primary}"))
        it.execute(command)
    return notices


def test_what_is_said_at_one_proxy_holds_at_the_others(fleet, shop, store):
    one, other = fleet()
    one.console(f"ALTER DATABASE {shop} SET canary_percent = 12.5")
    one.console("SET shadow_percent = 40")
    wait_until(lambda: canary(other, shop) == ("12.5", "armed"))
    wait_until(lambda: other.status(shop)["shadow_percent"] == "40")
    assert any(f"canary_percent from 0 to 12.5, on proxy" in text and f":{one.port}" in text for text in events(other, "canary"))
    other.console("SET canary_percent = 50")
    wait_until(lambda: canary(one, shop) == ("50", "armed"))
    one.console("ROLLBACK CANARY REASON 'too slow'")
    begun = time.monotonic()
    wait_until(lambda: canary(other, shop) == ("0", "latched"))
    assert time.monotonic() - begun < 1
    assert any("too slow" in text for text in events(other, "rollback"))
    for proxy in (one, other):
        with pytest.raises(psycopg.errors.ObjectNotInPrerequisiteState):
            proxy.console("SET canary_percent = 1")
    other.console("ARM CANARY")
    wait_until(lambda: canary(one, shop) == ("0", "armed"))
    one.console("SET canary_percent = 3")
    # Also without NOTIFY, as behind a pooler.
    wait_until(lambda: canary(other, shop) == ("3", "armed"))
    store.ask(f"UPDATE store SET settings_version = settings_version + 1;"
              f"UPDATE settings SET value = '0', version = (SELECT settings_version FROM store)"
              f" WHERE name = 'canary_percent' AND database = '{shop}'")
    wait_until(lambda: canary(other, shop)[0] == "0" and canary(one, shop)[0] == "0")
    assert store.ask("SELECT count(DISTINCT kind) FROM events WHERE kind IN ('canary', 'rollback', 'arm', 'shadow')") == ["4"]
    assert store.ask("SELECT count(*) FROM events WHERE kind = 'rollback'") == ["1"]
