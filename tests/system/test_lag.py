"""The lag probes on real replication: what new has not replayed is never called a mismatch, for every subscription and
for standbys on either side; what it has replayed and is wrong nevertheless always is."""

import os
import signal
import time

import pytest

from proxy import wait_until
from standby import Standby

TABLES = ("CREATE TABLE t (id int PRIMARY KEY, v int); CREATE TABLE u (id int PRIMARY KEY, v int);"
          "GRANT ALL ON t, u TO PUBLIC;")
ROWS = "INSERT INTO t SELECT i, 0 FROM generate_series(1, 100) i; INSERT INTO u SELECT i, 0 FROM generate_series(1, 100) i;"
WRONG = 100  # the row that is wrong in new's t and u


class Subscriptions:
    """New follows each of old's tables by a publication and a subscription of its own, which have the table's name."""

    def __init__(self, pair):
        self.pair, self.old, self.new = pair, pair.old, pair.new
        self.name = pair.database(TABLES + ROWS, TABLES)
        self.new.psql("ALTER SYSTEM SET wal_retrieve_retry_interval = '100ms'")  # between the starts of two workers
        self.new.psql("SELECT pg_reload_conf()")

    def slot(self, table):
        return f"{self.name}_{table}"

    def add(self, table):
        """Its copy has only begun."""
        self.publish(table)
        self.subscribe(table)

    def publish(self, table):
        self.old.psql(f"CREATE PUBLICATION {table} FOR TABLE {table};"
                      f"SELECT pg_create_logical_replication_slot('{self.slot(table)}', 'pgoutput')", self.name)

    def subscribe(self, table):
        self.new.psql(f"CREATE SUBSCRIPTION {self.slot(table)} CONNECTION '{self.old.dsn(self.name, user='postgres')}' "
                      f"PUBLICATION {table} WITH (create_slot = false)", self.name)

    def unsubscribe(self, table):
        """Publication and slot stay."""
        name = self.slot(table)
        self.new.psql(f"ALTER SUBSCRIPTION {name} DISABLE; ALTER SUBSCRIPTION {name} SET (slot_name = NONE);"
                      f"DROP SUBSCRIPTION {name}", self.name)

    def spoil(self, table):
        """Once the table is ready."""
        ready = f"SELECT srsubstate FROM pg_subscription_rel WHERE srrelid = '{table}'::regclass"
        wait_until(lambda: self.new.psql(ready, self.name) == ["r"], what=lambda: self.new.said()[-3000:])
        self.new.psql(f"UPDATE {table} SET v = -1 WHERE id = {WRONG}", self.name)

    def worker(self, table):
        """The process that applies the subscription's changes."""
        sql = ("SELECT pid FROM pg_stat_subscription WHERE relid IS NULL AND pid IS NOT NULL "
               f"AND subname = '{self.slot(table)}'")
        return int(wait_until(lambda: self.new.psql(sql, self.name))[0])

    def remove(self):
        for table in "tu":
            if self.new.psql(f"SELECT 1 FROM pg_subscription WHERE subname = '{self.slot(table)}'"):
                self.unsubscribe(table)
        slots = f"FROM pg_replication_slots WHERE database = '{self.name}'"
        self.old.psql(f"SELECT pg_terminate_backend(active_pid) {slots} AND active_pid IS NOT NULL")
        wait_until(lambda: self.old.psql(f"SELECT count(*) {slots} AND active_pid IS NOT NULL") == ["0"])
        self.old.psql(f"SELECT pg_drop_replication_slot(slot_name) {slots}", self.name)
        self.pair.forget(self.name)
        self.new.psql("ALTER SYSTEM RESET wal_retrieve_retry_interval")
        self.new.psql("SELECT pg_reload_conf()")


@pytest.fixture
def subscriptions(pair):
    made = Subscriptions(pair)
    yield made
    made.remove()


def ask(connection, table, row):
    return connection.execute(f"SELECT id, v FROM {table} WHERE id = %s", (row,)).fetchall()


def change(connection, table, row):
    """And reads it."""
    connection.execute(f"UPDATE {table} SET v = v + 1 WHERE id = %s", (row,))
    ask(connection, table, row)


def lag(max_wait):
    return {"lag": {"probe": "auto", "poll": "50ms", "max_wait": max_wait}}


def difference(after, before):
    """By verdict, what is not zero."""
    verdicts = ("lagging", "unstable", "unverified", "mismatch")
    return {name: after[name] - before[name] for name in verdicts if after[name] != before[name]}


def becomes_mismatch(proxy, name, connection, table):
    """The wrong row is read until it is a mismatch, which it may not be called other than unverified before."""
    def is_found():
        before = proxy.settled(name)
        ask(connection, table, WRONG)
        said = difference(proxy.settled(name, before["reads"] + 1), before)
        assert said in ({"unverified": 1}, {"mismatch": 1}), said
        return "mismatch" in said
    wait_until(is_found, what=lambda: f"{proxy.status(name)}\n{proxy.said()[-3000:]}")


def test_while_one_table_of_several_subscriptions_is_copied_nothing_is_a_mismatch_and_then_it_is(start, pair, subscriptions):
    name = subscriptions.name
    subscriptions.add("t")
    subscriptions.spoil("t")
    proxy = start(name, lag("1s"))
    with pair.new.connect(name) as held, proxy.connect(name) as connection:
        held.autocommit = False
        held.execute("LOCK TABLE u IN SHARE MODE")  # the copy waits for it
        subscriptions.add("u")
        before = proxy.warmed(name, lambda: ask(connection, "t", 1))
        ask(connection, "t", WRONG)
        ask(connection, "u", 1)
        after = proxy.settled(name, before["reads"] + 2)
        assert difference(after, before) == {"unverified": 2}, after
        assert "1 of new's subscribed tables are still being copied" in proxy.status(name)["trouble"]
        held.rollback()
        subscriptions.spoil("u")
        becomes_mismatch(proxy, name, connection, "t")
        becomes_mismatch(proxy, name, connection, "u")
        assert not proxy.status(name)["trouble"]


def test_a_subscription_made_since_the_last_poll_is_known_before_anything_is_a_mismatch(start, pair, subscriptions):
    name = subscriptions.name
    subscriptions.add("t")
    subscriptions.spoil("t")
    subscriptions.publish("u")  # old writes nothing from here on, so that what is polled next suffices for all that follows
    proxy = start(name, lag("1s"))
    with pair.new.connect(name) as held, proxy.connect(name) as connection:
        held.autocommit = False
        held.execute("LOCK TABLE u IN SHARE MODE")
        proxy.warmed(name, lambda: ask(connection, "t", 1))
        for _ in range(5):
            becomes_mismatch(proxy, name, connection, "t")
            before = proxy.settled(name)
            subscriptions.subscribe("u")
            ask(connection, "u", 1)
            after = proxy.settled(name, before["reads"] + 1)
            assert difference(after, before) == {"unverified": 1}, after
            subscriptions.unsubscribe("u")


def is_served_by_new(proxy, name, connection, limit=60):
    def is_served():
        ask(connection, "t", 1)
        return proxy.settled(name)["served_new"] > served
    served = proxy.settled(name)["served_new"]
    wait_until(is_served, limit, what=lambda: f"{proxy.status(name)}\n{proxy.said()[-3000:]}")


class Tail:
    """What a transaction of old has written and not committed, so that it is not flushed; nothing else happens there."""

    def __init__(self, old, name):
        self.connection = old.connect(name)
        self.connection.autocommit = False
        self.next_row = 1000

    def grow(self, rows=1):
        self.connection.execute("INSERT INTO u SELECT i, 0 FROM generate_series(%s::int, %s::int) i",
                                (self.next_row, self.next_row + rows - 1))
        self.next_row += rows


@pytest.fixture
def tail(subscriptions):
    old = subscriptions.old
    subscriptions.add("t")
    subscriptions.spoil("t")
    old.psql("ALTER SYSTEM SET bgwriter_delay = '10s'")  # what it logs every 15 s would be flushed
    old.psql("SELECT pg_reload_conf()")
    made = Tail(old, subscriptions.name)
    yield made
    made.connection.close()
    old.psql("ALTER SYSTEM RESET bgwriter_delay")
    old.psql("SELECT pg_reload_conf()")


@pytest.mark.parametrize("rows", [1, 100_000])
def test_what_old_has_not_flushed_is_no_lag(start, subscriptions, tail, rows):
    name = subscriptions.name
    proxy = start(name, lag("1s"))
    wait_until(lambda: proxy.status(name)["lag_probe"] == "logical")

    def has_stayed_unflushed():  # unless autovacuum commits something
        tail.grow(rows)
        time.sleep(6)
        assert 0 <= float(proxy.status(name)["lag_seconds"]) < 3, proxy.status(name)
        return subscriptions.old.psql("SELECT pg_current_wal_flush_lsn() < pg_current_wal_insert_lsn()") == ["t"]
    wait_until(has_stayed_unflushed)


def test_a_suspicion_on_what_old_has_not_flushed_is_settled(start, subscriptions, tail):
    name = subscriptions.name
    proxy = start(name, lag("10s"))
    with proxy.connect(name) as connection:
        proxy.warmed(name, lambda: ask(connection, "t", 1))
        for _ in range(2):
            tail.grow()
            before = proxy.settled(name)
            ask(connection, "t", WRONG)
            after = proxy.settled(name, before["reads"] + 1)
            assert difference(after, before) == {"mismatch": 1}, after


def test_a_session_s_own_writes_are_not_awaited_for_what_old_has_not_flushed(start, subscriptions, tail):
    name = subscriptions.name
    proxy = start(name, {**lag("10s"), "canary": {"percent": 100}})
    with proxy.connect(name) as connection:
        is_served_by_new(proxy, name, connection)
        poll = "query LIKE '%pg_stat_replication%' AND backend_type = 'client backend' AND pid <> pg_backend_pid()"
        pid = f"SELECT pid FROM pg_stat_activity WHERE datname = '{name}' AND {poll}"
        backend = int(wait_until(lambda: subscriptions.old.psql(pid))[0])
        os.kill(backend, signal.SIGSTOP)  # it is asked for old's position only when the tail is there
        try:
            connection.execute("UPDATE t SET v = v + 1 WHERE id = 2")
            tail.grow()
        finally:
            os.kill(backend, signal.SIGCONT)
        is_served_by_new(proxy, name, connection, limit=10)


def test_while_a_table_is_copied_the_canary_reads_from_old(start, pair, subscriptions):
    name = subscriptions.name
    subscriptions.add("t")
    subscriptions.spoil("t")
    proxy = start(name, {**lag("1s"), "canary": {"percent": 100}})

    def served_to_a_new_client():  # which has written nothing that new could lack
        before = proxy.settled(name)["served_new"]
        with proxy.connect(name) as client:
            assert ask(client, "t", 1) == [(1, 0)]
        return proxy.settled(name)["served_new"] - before

    with pair.new.connect(name) as held, proxy.connect(name) as connection:
        is_served_by_new(proxy, name, connection)
        assert served_to_a_new_client() == 1
        held.autocommit = False
        held.execute("LOCK TABLE u IN SHARE MODE")
        subscriptions.add("u")
        wait_until(lambda: "still being copied" in (proxy.status(name)["trouble"] or ""), what=proxy.said)
        assert served_to_a_new_client() == 0
        held.rollback()
        wait_until(served_to_a_new_client, what=lambda: f"{proxy.status(name)}")


def test_a_subscription_that_has_broken_ends_the_canary(start, subscriptions):
    name = subscriptions.name
    subscriptions.add("t")
    subscriptions.spoil("t")
    proxy = start(name, {**lag("1s"), "canary": {"percent": 100}, "guardrail": {"action": "rollback"}})
    with proxy.connect(name) as connection:
        is_served_by_new(proxy, name, connection)
        stand_still(subscriptions, "t", "disabled")
        wait_until(lambda: proxy.status(name)["canary_state"] == "latched", what=lambda: f"{proxy.status(name)}")
        before = proxy.settled(name)["served_new"]
        ask(connection, "t", 1)
        assert proxy.settled(name)["served_new"] == before
    (rollback,) = [event["detail"] for event in proxy.console("SHOW EVENTS") if event["kind"] == "rollback"]
    assert f"new's subscription {subscriptions.slot('t')} is disabled" in rollback


def stand_still(subscriptions, table, how):
    """No change of the table comes to new any more; gives what ends that."""
    if how == "disabled":
        subscriptions.new.psql(f"ALTER SUBSCRIPTION {subscriptions.slot(table)} DISABLE", subscriptions.name)
        return lambda: subscriptions.new.psql(f"ALTER SUBSCRIPTION {subscriptions.slot(table)} ENABLE", subscriptions.name)
    worker = subscriptions.worker(table)
    os.kill(worker, signal.SIGSTOP)
    return lambda: os.kill(worker, signal.SIGCONT)


@pytest.mark.parametrize("how", ["disabled", "stopped"])
def test_while_one_of_several_subscriptions_stands_still_nothing_is_a_mismatch_and_then_it_lagged(start, subscriptions, how):
    name = subscriptions.name
    for table in "tu":
        subscriptions.add(table)
    for table in "tu":
        subscriptions.spoil(table)
    impatient, patient = start(name, lag("500ms")), start(name, lag("60s"))
    with impatient.connect(name) as one, patient.connect(name) as other:
        before = impatient.warmed(name, lambda: ask(one, "t", 1))
        begun = patient.warmed(name, lambda: ask(other, "t", 1))
        go_on = stand_still(subscriptions, "t", how)
        try:
            for row in range(1, 6):
                change(one, "t", row)
                ask(other, "t", row)
            ask(one, "u", WRONG)  # new is up to date with this table, which is not known
            ask(other, "u", WRONG)
            after = impatient.settled(name, before["reads"] + 6)
            assert difference(after, before) == {"unverified": 6}, after
            wait_until(lambda: patient.status(name)["in_flight"] == "6", what=lambda: str(patient.status(name)))
        finally:
            go_on()
        after = patient.settled(name, begun["reads"] + 6)
        assert difference(after, begun) == {"lagging": 5, "mismatch": 1}, after


def test_a_suspicion_waits_until_it_is_known_what_kind_of_pair_it_is(start, pair, subscriptions):
    name = subscriptions.name
    subscriptions.add("t")
    subscriptions.spoil("t")
    pair.new.psql("REVOKE EXECUTE ON FUNCTION pg_control_system() FROM PUBLIC", name)  # whereby it is found out
    proxy = start(name, lag("60s"))
    with proxy.connect(name) as connection:
        before = proxy.warmed(name, lambda: ask(connection, "t", 1))
        ask(connection, "t", WRONG)
        wait_until(lambda: "permission denied" in (proxy.status(name)["trouble"] or ""), what=lambda: proxy.said()[-3000:])
        pair.new.psql("GRANT EXECUTE ON FUNCTION pg_control_system() TO PUBLIC", name)
        after = proxy.settled(name, before["reads"] + 1)
        assert difference(after, before) == {"mismatch": 1}, after


@pytest.fixture
def stood_by(pair):
    """A database on old, where a function is said to be as constant as the tables, and is another on each server."""
    name = pair.database(TABLES + ROWS + "CREATE FUNCTION here() RETURNS text STABLE LANGUAGE sql "
                         "AS $$SELECT current_setting('port')$$")
    yield name
    pair.forget(name)


class Judged:
    """Two proxies before one pair of servers: one whose suspicions soon give up, and one whose suspicions hold out."""

    def __init__(self, start, name, entry):
        self.name, self.impatient, self.patient = name, start(name, {**entry, **lag("500ms")}), start(name, {**entry, **lag("60s")})
        self.each(lambda proxy, connection: proxy.warmed(name, lambda: ask(connection, "t", 1)))

    def each(self, do):
        for proxy in (self.impatient, self.patient):
            with proxy.connect(self.name) as connection:
                do(proxy, connection)

    def waits_for(self, standby, write, read):
        """While the standby that is new has paused, nothing is known; then what was changed has lagged, and what is wrong is
        a mismatch. `write` leads to the primary, `read` to old."""
        before, begun = self.impatient.settled(self.name), self.patient.settled(self.name)
        standby.pause()
        values = [write.execute("UPDATE t SET v = v + 1 WHERE id = %s RETURNING v", (row,)).fetchone()[0] for row in (1, 2, 3)]
        wait_until(lambda: read.execute("SELECT v FROM t WHERE id = 3").fetchone() == (values[2],))

        def suspect(_, connection):
            for row, value in zip((1, 2, 3), values):
                assert ask(connection, "t", row) == [(row, value)]
            connection.execute("SELECT id, here() FROM t WHERE id = 1")
        self.each(suspect)
        after = self.impatient.settled(self.name, before["reads"] + 4)
        assert difference(after, before) == {"unverified": 4}, after
        wait_until(lambda: self.patient.status(self.name)["in_flight"] == "4", what=lambda: str(self.patient.status(self.name)))
        standby.resume()
        after = self.patient.settled(self.name, begun["reads"] + 4)
        assert difference(after, begun) == {"lagging": 3, "mismatch": 1}, after
        assert self.patient.console("SHOW LAG")[0]["probe"] == "physical"


def test_a_standby_is_waited_for_behind_a_primary_a_standby_and_a_promoted_standby(start, pair, stood_by):
    name = stood_by
    with Standby(pair.old) as near, Standby(pair.old, upstream=near) as far:
        behind_primary = Judged(start, name, {"new": near.dsn(name, user="app")})
        behind_standby = Judged(start, name, {"old": near.dsn(name, user="app"), "new": far.dsn(name, user="app")})
        with pair.old.connect(name) as primary, near.connect(name) as second:
            behind_primary.waits_for(near, primary, primary)
            behind_standby.waits_for(far, primary, second)
            near.promote()
            behind_standby.waits_for(far, second, second)
