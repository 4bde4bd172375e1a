"""Several proxies share one store in a PostgreSQL database: what is said at one holds at all, whatever the store does."""

import getpass
import json
import random
import sqlite3
import subprocess
import threading
import time

import psycopg
import pytest

from clusters import Cluster
from proxy import Proxy, binary, merge, wait_until

READ = "SELECT name FROM items WHERE id = 1"
QUIET = {"shadow": {"percent": 0}}
SECRET = "keep-it-quiet"  # nothing asks for it, and nothing may tell it


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
        self.url = f"postgresql://app:{SECRET}@127.0.0.1:{cluster.port}/{self.name}?sslmode=disable"

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


@pytest.mark.races
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
    wait_until(lambda: store.ask("SELECT count(DISTINCT kind) FROM events "
                                 "WHERE kind IN ('canary', 'rollback', 'arm', 'shadow')") == ["4"])
    assert store.ask("SELECT count(*) FROM events WHERE kind = 'rollback'") == ["1"]


@pytest.mark.parametrize("outage, mend", [("stop", "start"), ("freeze", "thaw")])
def test_without_the_store_nothing_is_raised_and_what_was_lowered_wins(fleet, shop, cluster, store, outage, mend):
    one, other = fleet()
    one.console("SET canary_percent = 50")
    wait_until(lambda: canary(other, shop) == ("50", "armed"))
    with Clients([one, other], shop):
        getattr(cluster, outage)()
        try:
            for proxy in (one, other):
                wait_until(lambda: store_is(proxy, shop, "away"))
                assert metric(proxy, "pgrehearse_store_up") == 0
                assert canary(proxy, shop) == ("50", "armed")
                assert any("the store is away" in text for text in events(proxy, "store"))
                with pytest.raises(psycopg.errors.IoError, match="the store is away"):
                    proxy.console("SET canary_percent = 60")
            assert ["WARNING" in text for text in said(one, "ROLLBACK CANARY REASON 'no store'")] == [True]
            assert canary(one, shop) == ("0", "latched")
            with pytest.raises(psycopg.errors.IoError, match="the store is away"):
                one.console("ARM CANARY")
            assert ["WARNING" in text for text in said(other, "SET canary_percent = 20")] == [True]
            assert canary(other, shop) == ("20", "armed")
        finally:
            getattr(cluster, mend)()
        for proxy in (one, other):
            wait_until(lambda: canary(proxy, shop) == ("0", "latched"))
            wait_until(lambda: metric(proxy, "pgrehearse_store_up") == 1)
            assert any("the store is back" in text for text in events(proxy, "store"))
        assert store.setting(shop, "canary_state") == ["latched"]
        assert store.setting(shop, "canary_percent") == ["0"]
        other.console("ARM CANARY")
        wait_until(lambda: canary(one, shop) == ("0", "armed"))
    for proxy in (one, other):
        assert SECRET not in proxy.said()
        assert not [row for row in proxy.console("SHOW CONFIG") if SECRET in str(row)]


def test_a_proxy_that_starts_without_the_store_serves_and_keeps_the_canary_latched_until_it_is_there(start, shop, cluster, store):
    entry = merge(QUIET, {"canary": {"percent": 30}})
    first = start(shop, entry, store=store.url)
    assert canary(first, shop) == ("30", "armed")
    cluster.stop()
    try:
        second = start(shop, entry, store=store.url)
        assert canary(second, shop) == ("0", "latched")
        with second.connect(shop) as connection:
            assert connection.execute(READ).fetchone() == ("item 1",)
        with pytest.raises(psycopg.errors.ObjectNotInPrerequisiteState):
            second.console("SET canary_percent = 1")
        with pytest.raises(psycopg.errors.IoError, match="the store is away"):
            second.console("ARM CANARY")
        second.configuration["databases"][shop]["canary"]["percent"] = 60
        second.write()
        with pytest.raises(psycopg.errors.ConfigFileError, match="while the store is away"):
            second.console("RELOAD")
    finally:
        cluster.start()
    wait_until(lambda: canary(second, shop) == ("30", "armed"))
    wait_until(lambda: store_is(first, shop, "works"))
    second.console("SET canary_percent = 40")
    wait_until(lambda: canary(first, shop) == ("40", "armed"))


def refused(pair, shop, url, **canary_settings):
    """What `serve` says when it does not start."""
    proxy = Proxy({shop: {"old": pair.old.dsn(shop), "new": pair.new.dsn(shop), "canary": canary_settings}}, store=url)
    done = subprocess.run([binary(), "serve", "-c", str(proxy.path)], capture_output=True, text=True, cwd=proxy.home,
                          timeout=60, check=False)
    proxy.kill()
    assert done.returncode == 2, done.stderr
    assert SECRET not in done.stderr
    return done.stderr


@pytest.mark.races
def test_proxies_that_decide_otherwise_who_is_in_the_cohort_do_not_go_together(start, pair, shop, store):
    first = start(shop, merge(QUIET, {"canary": {"salt": "a", "key": "user"}}), store=store.url)
    before = store.ask("SELECT instance, database, key, salt FROM cohorts")
    for settings, what in (({"salt": "b", "key": "user"}, "the salt"), ({"salt": "a", "key": "session"}, "the key")):
        text = refused(pair, shop, store.url, **settings)
        assert f"databases.{shop}.canary: {what} is not that of the proxy" in text and f":{first.port}" in text, text
    assert store.ask("SELECT instance, database, key, salt FROM cohorts") == before
    second = start(shop, merge(QUIET, {"canary": {"salt": "a", "key": "user"}}), store=store.url)
    second.configuration["databases"][shop]["canary"]["salt"] = "b"
    second.write()
    with pytest.raises(psycopg.errors.ConfigFileError, match="the salt is not that of the proxy"):
        second.console("RELOAD")
    first.stop()
    second.console("RELOAD")  # alone it may
    assert len(store.ask("SELECT DISTINCT salt FROM cohorts")) == 1
    assert store.ask("SELECT DISTINCT salt FROM cohorts") != [before[0].split("|")[3]]


def test_a_schema_that_is_not_ours_or_newer_is_refused_and_left_alone(start, pair, shop, cluster, store):
    store.ask("CREATE SCHEMA pgrehearse; CREATE TABLE pgrehearse.store (program text)")
    assert "is not for this role to use" in refused(pair, shop, store.url)
    store.ask("GRANT USAGE ON SCHEMA pgrehearse TO app; GRANT ALL ON pgrehearse.store TO app")
    assert "was not made by pgrehearse" in refused(pair, shop, store.url)
    store.ask("DROP SCHEMA pgrehearse CASCADE; CREATE SCHEMA pgrehearse; CREATE VIEW pgrehearse.runs AS SELECT 1 AS id")
    assert "was not made by pgrehearse" in refused(pair, shop, store.url)
    assert store.ask("SELECT relname FROM pg_class WHERE relnamespace = 'pgrehearse'::regnamespace") == ["runs"]
    store.ask("DROP SCHEMA pgrehearse CASCADE")
    start(shop, QUIET, store=store.url).stop()
    store.ask("UPDATE store SET schema_version = 99")
    assert "later version (schema 99" in refused(pair, shop, store.url)
    assert store.ask("SELECT count(*) FROM runs") == ["1"]
    cluster.psql(f"CREATE DATABASE {store.name}_latin OWNER app ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0")
    assert "must have the encoding UTF8" in refused(pair, shop, store.url.replace(store.name, store.name + "_latin"))


def report(proxy, *options):
    done = subprocess.run([binary(), "report", "-c", str(proxy.path), *options], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert SECRET not in done.stdout
    return done.stdout


def quarantined(proxy):
    return {row["fingerprint"] for row in proxy.console("SHOW QUERIES") if row["quarantined"] == "t"}


def test_a_report_tells_of_all_proxies_and_quarantines_hold_at_all(fleet, pair, shop):
    one, other = fleet({"shadow": {"percent": 100}})
    pair.new.psql("UPDATE items SET note = 'new' WHERE id = 3", shop)
    for proxy in (one, other):
        with proxy.connect(shop) as connection:
            proxy.warmed(shop, lambda: connection.execute("SELECT price FROM items WHERE id = 1"))
    with one.connect(shop) as connection:
        connection.execute("SELECT note FROM items WHERE id = 3")
    wait_until(lambda: one.status(shop)["mismatch"] == "1", what=one.said)
    wait_until(lambda: quarantined(one) and quarantined(other) == quarantined(one))
    fingerprint = quarantined(one).pop()
    one.console(f"RELEASE {fingerprint}")
    wait_until(lambda: not quarantined(other))
    reads = sum(int(proxy.settled(shop)["reads"]) for proxy in (one, other))

    def told():
        return json.loads(report(other, "--format", "json"))["databases"][0]

    def tells_all():  # a picture may have been taken while the read was in flight
        known = told()
        return (known["status"]["reads"], known["status"]["mismatch"], len(known["mismatches"])) == (reads, 1, 1)
    wait_until(tells_all, what=lambda: (reads, told()["status"]))
    one.stop()
    assert told()["status"]["reads"] == reads
    assert "store" in report(other)


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_whenever_the_proxy_is_killed_what_was_acknowledged_last_holds(start, pair, shop, store, kind, is_long):
    """Percentages, the latch and a quarantine; and the store is whole."""
    proxy = start(shop, {"canary": {"quarantine": True}}, **({"store": store.url} if kind == "postgresql" else {}))
    pair.new.psql("UPDATE items SET note = 'new' WHERE id = 3", shop)
    with proxy.connect(shop) as connection:
        proxy.warmed(shop, lambda: connection.execute("SELECT price FROM items WHERE id = 1"))
        connection.execute("SELECT note FROM items WHERE id = 3")
        wait_until(lambda: quarantined(proxy), what=proxy.said)
    fingerprints = quarantined(proxy)
    proxy.console("SET canary_percent = 1")  # what waits is written with it
    chance = random.Random(7)
    for _ in range(100 if is_long else 5):
        possible = [canary(proxy, shop)]

        def change():
            while True:
                percent, state = possible[-1]
                step = "ARM CANARY" if state == "latched" else chance.choice(
                    ["ROLLBACK CANARY"] + [f"SET canary_percent = {n}" for n in (1, 2, 3, 50)])
                then = {"ARM": ("0", "armed"), "ROL": ("0", "latched")}.get(step[:3], (step.split()[-1], "armed"))
                possible.append(then)
                try:
                    proxy.console(step)
                except psycopg.Error:
                    return
                possible[:] = [then]
        changing = threading.Thread(target=change)
        changing.start()
        time.sleep(chance.uniform(0, 0.3))
        proxy.process.kill()
        proxy.process.wait()
        changing.join()
        if kind == "sqlite":
            with sqlite3.connect(proxy.home / "store.db") as file:
                assert file.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        proxy.start()
        wait_until(lambda: store_is(proxy, shop, "works"))
        assert canary(proxy, shop) in possible
        assert quarantined(proxy) == fingerprints
