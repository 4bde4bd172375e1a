"""No session reads older than its own write, however far new is behind, and its reads go back to new when new has it.

At 100 %, with canary.after_write at nothing: the lag probe alone decides.
"""

import contextlib
import threading
import time

import pytest

from proxy import merge, wait_until
from standby import Standby

TOKENS = "CREATE TABLE tokens (id int PRIMARY KEY, token int NOT NULL); INSERT INTO tokens SELECT i, 0 FROM generate_series(1, 20) i"
ENTRY = {"canary": {"percent": 100, "quarantine": False, "after_write": "0ms", "patience": "5s"},
         "lag": {"probe": "auto", "poll": "50ms"}, "shadow": {"percent": 0}}
WRITE, READ = "UPDATE tokens SET token = %s WHERE id = %s", "SELECT token FROM tokens WHERE id = %s"


class Physical:
    """New is a standby of old."""

    def __init__(self, pair, standby):
        self.pair, self.standby = pair, standby
        self.name = pair.database(TOKENS)
        self.old, self.new = pair.old, standby

    @contextlib.contextmanager
    def paused(self):
        self.standby.pause()
        try:
            yield
        finally:
            self.standby.resume()


class Logical:
    """New subscribes to old."""

    def __init__(self, pair):
        self.pair, self.name = pair, pair.database(TOKENS, TOKENS.split(";", maxsplit=1)[0])
        self.old, self.new = pair.old, pair.new
        pair.replicate(self.name)
        wait_until(lambda: self.new.psql("SELECT count(*) FROM tokens", self.name) == ["20"])

    @contextlib.contextmanager
    def paused(self):
        """It is read, and nothing is applied."""
        with self.new.connect(self.name, user="postgres") as connection:
            connection.execute("BEGIN")
            connection.execute("LOCK TABLE tokens IN EXCLUSIVE MODE")
            yield


@pytest.fixture(scope="module")
def standby(pair):
    with Standby(pair.old) as made:
        yield made


@pytest.fixture(params=["physical", "logical"])
def replica(request, pair):
    made = Physical(pair, request.getfixturevalue("standby")) if request.param == "physical" else Logical(pair)
    yield made
    pair.forget(made.name)


@pytest.fixture
def begin(start, replica):
    """A proxy before the replica; new serves its reads."""
    def made(**canary):
        name = replica.name
        proxy = start(name, merge(ENTRY, {"new": replica.new.dsn(name, user="app"), "canary": canary}))
        with proxy.connect(name, application_name="first") as connection:
            wait_until(lambda: is_served_by_new(proxy, name, connection, 20), what=proxy.said)
        return proxy
    return made


def is_served_by_new(proxy, name, connection, row):
    """Nobody else reads meanwhile."""
    before = int(proxy.status(name)["served_new"])
    connection.execute(READ, (row,))
    return int(proxy.status(name)["served_new"]) > before


class Writers:
    """Sessions that write a token each, and read it again and again before they write the next."""

    def __init__(self, proxy, name, count=4):
        self.proxy, self.name, self.is_over = proxy, name, threading.Event()
        self.older, self.reads, self.failures = [], 0, []
        self.threads = [threading.Thread(target=self.run, args=(i + 1,)) for i in range(count)]
        for thread in self.threads:
            thread.start()

    def run(self, row):
        try:
            with self.proxy.connect(self.name) as connection:
                token = 0
                while not self.is_over.is_set():
                    token += 1
                    connection.execute(WRITE, (token, row))
                    for _ in range(30):
                        found = connection.execute(READ, (row,)).fetchone()[0]
                        self.reads += 1
                        if found != token:
                            self.older.append((row, token, found))
        except BaseException as failure:  # pylint: disable=broad-except
            self.failures.append(failure)

    def end(self):
        self.is_over.set()
        for thread in self.threads:
            thread.join()
        assert not self.failures, self.failures
        assert not self.older, self.older[:10]


def test_under_load_no_session_reads_older_than_its_own_write(begin, replica, is_long):
    proxy = begin()
    before = int(proxy.status(replica.name)["served_new"])
    writers = Writers(proxy, replica.name)
    try:
        for _ in range(30 if is_long else 3):
            with replica.paused():
                time.sleep(0.3)
            served = int(proxy.status(replica.name)["served_new"])
            wait_until(lambda: int(proxy.status(replica.name)["served_new"]) > served + 20, what=proxy.said)
    finally:
        writers.end()
    assert int(proxy.status(replica.name)["served_new"]) > before + 60


def test_reads_stay_on_old_while_new_lacks_the_write_and_go_back_when_it_has_it(begin, replica):
    proxy, name = begin(), replica.name
    with proxy.connect(name) as writer, proxy.connect(name) as reader:
        wait_until(lambda: is_served_by_new(proxy, name, reader, 5), what=proxy.said)
        with replica.paused():
            writer.execute(WRITE, (77, 5))
            served = int(proxy.status(name)["served_new"])
            ends = time.monotonic() + 0.5  # many polls
            while time.monotonic() < ends:
                assert writer.execute(READ, (5,)).fetchone() == (77,)
            assert int(proxy.status(name)["served_new"]) == served
            assert is_served_by_new(proxy, name, reader, 5)  # it wrote nothing
        wait_until(lambda: is_served_by_new(proxy, name, writer, 5), what=proxy.said)
        assert writer.execute(READ, (5,)).fetchone() == (77,)


@pytest.mark.parametrize("key, keys", [
    ("application_name", {"application_name": "till"}),
    ("parameter:app.tenant", {"options": "-c app.tenant=till"}),
    ("comment:tenant", {}),
], ids=["name", "parameter", "comment"])
def test_with_the_scope_key_no_session_of_the_key_reads_older_than_the_key_s_last_write(begin, replica, key, keys):
    proxy, name = begin(key="application_name"), replica.name
    entry = proxy.configuration["databases"][name]
    entry["canary"].update(key=key, after_write_scope="key")
    proxy.write()
    proxy.console("RELOAD")
    mine, other = ("/*tenant='till'*/ ", "/*tenant='desk'*/ ") if key == "comment:tenant" else ("", "")
    others = {k: v.replace("till", "desk") for k, v in keys.items()}

    def served(connection, mark):
        before = int(proxy.status(name)["served_new"])
        found = connection.execute(mark + READ, (6,)).fetchone()[0]
        return int(proxy.status(name)["served_new"]) > before, found
    with (proxy.connect(name, **keys) as writer, proxy.connect(name, **keys) as reader, proxy.connect(name, **others) as stranger):
        for connection, mark in ((writer, mine), (reader, mine), (stranger, other)):
            wait_until(lambda: served(connection, mark)[0], what=proxy.said)
        wait_until(lambda: proxy.settled(name))  # the shadow has followed the sessions up to here
        with replica.paused():
            with writer.transaction():
                writer.execute(mine + WRITE, (88, 6))
            ends = time.monotonic() + 0.3
            while time.monotonic() < ends:
                assert served(reader, mine) == (False, 88)
            assert served(stranger, other) == (True, 0)
        wait_until(lambda: served(reader, mine) == (True, 88), what=proxy.said)
