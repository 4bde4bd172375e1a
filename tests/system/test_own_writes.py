"""No session reads older than its own write, however far new is behind, and its reads go back to new when new has it.

At 100 %, with canary.after_write at nothing: the lag probe alone decides.
"""

import contextlib
import threading
import time

import pytest

from proxy import merge, wait_until
from standby import Standby

TABLE = "CREATE TABLE tokens (id int PRIMARY KEY, token int NOT NULL);"
ROWS = "INSERT INTO tokens SELECT i, 0 FROM generate_series(1, 20) i;"
# As constant as the tables, it says, and is another on each server: who serves a read is seen by it.
HERE = "CREATE FUNCTION here() RETURNS text STABLE LANGUAGE sql AS $$SELECT current_setting('port')$$;"
ENTRY = {"canary": {"percent": 100, "quarantine": False, "after_write": "0ms", "patience": "5s"},
         "lag": {"probe": "auto", "poll": "50ms"}, "shadow": {"percent": 0},
         "compare": {"rules": [{"match": {"column": "here"}, "ignore": True}]}}
WRITE, READ = "UPDATE tokens SET token = %s WHERE id = %s", "SELECT token, here() FROM tokens WHERE id = %s"


class Physical:
    """New is a standby of old."""

    def __init__(self, pair, standby):
        self.pair, self.standby = pair, standby
        self.name = pair.database(TABLE + ROWS + HERE)
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
        self.pair, self.name = pair, pair.database(TABLE + ROWS + HERE, TABLE + HERE)
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


class Play:
    """A proxy before the replica, whose reads new serves."""

    def __init__(self, proxy, replica, key):
        self.proxy, self.replica, self.key = proxy, replica, key
        self.committing = replica.old.connect(replica.name)
        self.connect("first").close()

    def mark(self, tenant):
        return f"/*tenant='{tenant}'*/ " if self.key == "comment:tenant" else ""

    def connect(self, tenant="anyone"):
        """A session of that key; of which it is known that it has not written."""
        connection = self.proxy.connect(self.replica.name, application_name=tenant)
        if self.key == "parameter:app.tenant":
            connection.execute(f"SET app.tenant = '{tenant}'")
        connection.mark = self.mark(tenant)
        self.comes_to(connection, 20, "new")
        return connection

    def comes_to(self, connection, row, side, token=None):
        """Old commits meanwhile: what its reads leave in its log without, stays there, and no position beyond is replayed."""
        def is_there():
            self.committing.execute("SELECT txid_current()")
            served, found = read(self.replica, connection, row)
            return served == side and token in (None, found)
        wait_until(is_there, what=self.proxy.said)


@pytest.fixture
def begin(start, replica):
    def made(key="session", **canary):
        return Play(start(replica.name, merge(ENTRY, {"new": replica.new.dsn(replica.name, user="app"),
                                                      "canary": {"key": key, **canary}})), replica, key)
    return made


def read(replica, connection, row):
    """Who served it, and the token."""
    token, port = connection.execute(connection.mark + READ, (row,)).fetchone()
    return "new" if port == str(replica.new.port) else "old", token


def write(connection, row, token):
    connection.execute(connection.mark + WRITE, (token, row))


class Writers:
    """Sessions that write a token each, and read it again and again before they write the next."""

    def __init__(self, play, count=4):
        self.play, self.is_over = play, threading.Event()
        self.older, self.served, self.failures = [], {"old": 0, "new": 0}, []
        self.threads = [threading.Thread(target=self.run, args=(i + 1,)) for i in range(count)]
        for thread in self.threads:
            thread.start()

    def run(self, row):
        try:
            with self.play.connect() as connection:
                token = 0
                while not self.is_over.is_set():
                    token += 1
                    write(connection, row, token)
                    for _ in range(30):
                        side, found = read(self.play.replica, connection, row)
                        self.served[side] += 1
                        if found != token:
                            self.older.append((row, side, token, found))
        except BaseException as failure:  # pylint: disable=broad-except
            self.failures.append(failure)

    def end(self):
        self.is_over.set()
        for thread in self.threads:
            thread.join()
        assert not self.failures, self.failures
        assert not self.older, self.older[:10]


@pytest.mark.races
def test_under_load_no_session_reads_older_than_its_own_write(begin, replica, is_long):
    play = begin()
    writers = Writers(play)
    try:
        for _ in range(30 if is_long else 3):
            with replica.paused():
                time.sleep(0.2)
            served = writers.served["new"]
            wait_until(lambda: writers.served["new"] > served + 20 or writers.failures, what=play.proxy.said)
    finally:
        writers.end()


def test_reads_stay_on_old_while_new_lacks_the_write_and_go_back_when_it_has_it(begin, replica):
    play = begin()
    with play.connect() as writer, play.connect() as reader:
        with replica.paused():
            write(writer, 5, 77)
            ends = time.monotonic() + 0.3  # several polls
            while time.monotonic() < ends:
                assert read(replica, writer, 5) == ("old", 77)
            assert read(replica, reader, 5) == ("new", 0)  # it wrote nothing
        play.comes_to(writer, 5, "new", 77)


@pytest.mark.parametrize("key, setting", [("application_name", "application_name"), ("parameter:app.tenant", "app.tenant")])
def test_a_write_that_may_be_any_key_s_keeps_all_keys_reads_on_old(begin, replica, key, setting):
    play = begin(key, after_write_scope="key")
    with play.connect("till") as writer, play.connect("desk") as stranger:
        with replica.paused():
            writer.execute(f"SET {setting} = 'desk'; UPDATE tokens SET token = 99 WHERE id = 7")
            ends = time.monotonic() + 0.3
            while time.monotonic() < ends:
                assert read(replica, stranger, 7) == ("old", 99)
        play.comes_to(stranger, 7, "new", 99)


@pytest.mark.parametrize("key", ["application_name", "parameter:app.tenant", "comment:tenant"])
def test_with_the_scope_key_no_session_of_the_key_reads_older_than_the_key_s_last_write(begin, replica, key):
    play = begin(key, after_write_scope="key")
    with play.connect("till") as writer, play.connect("till") as reader, play.connect("desk") as stranger:
        with replica.paused():
            with writer.transaction():
                write(writer, 6, 88)
            ends = time.monotonic() + 0.3
            while time.monotonic() < ends:
                assert read(replica, reader, 6) == ("old", 88)
            if key.startswith("comment"):  # of the others it is not known right behind BEGIN whose write it is
                assert read(replica, stranger, 6) == ("new", 0)
        play.comes_to(reader, 6, "new", 88)
