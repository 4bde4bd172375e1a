"""What clients see is byte for byte what old says, whatever the units and transactions are made of that new serves."""

import itertools

import pytest

from messages import SYNC, bind, close, describe, execute, parse
from peer import Client, query
from proxy import Proxy, wait_until

SCHEMA = """CREATE TABLE items (id int PRIMARY KEY, name text, price numeric(8,2), made timestamptz);
    INSERT INTO items SELECT i, 'item ' || i, i * 1.25, '2024-01-01 00:00+00'::timestamptz + i * interval '1 hour'
    FROM generate_series(1, 50) i;
    CREATE TABLE side (name text); INSERT INTO side VALUES ('old')"""
SIDE = "SELECT name FROM side"  # tells who serves; all else is equal on both
ALL = "SELECT id, name, price, made FROM items ORDER BY id"
ONE = "SELECT name, price FROM items WHERE id = $1"
COUNT = "SELECT count(*) FROM items"
DIVIDED = "SELECT 1 / (count(*) - 50) FROM items"
MADE = "SELECT made, id FROM items WHERE id < $1 ORDER BY id"


def run(sql, statement="", portal="", values=(), described=True):
    """Parse (of an unnamed statement), Bind, Describe, Execute."""
    front = b"" if statement else parse(sql)
    return front + bind(statement, portal, values) + (describe("P", portal) if described else b"") + execute(portal)


def command(sql):
    """As JDBC sends BEGIN and COMMIT."""
    return parse(sql) + bind() + execute()


def binary(values):
    """A Bind whose results are wanted in binary."""
    return bind("", "", values)[:-2] + b"\0\1\0\1"


def binary_bind(*values):
    whole = bytearray(binary(values))
    whole[1:5] = (len(whole) - 1).to_bytes(4, "big")
    return bytes(whole)


READS = query(ALL), query(COUNT)
JDBC = [command("BEGIN READ ONLY") + parse(ONE, "S_1", [23]) + run(None, "S_1", values=[b"7"]) + SYNC,
        run(None, "S_1", values=[b"8"]) + SYNC, run(None, "S_1", values=[b"9"], described=False) + SYNC]

# Units, and how many of their reads new serves.
CONVERSATIONS = {
    "autocommit": ([query(ALL), run(ONE, values=[b"3"]) + SYNC, run(ALL, described=False) + SYNC], 3),
    "several statements": ([query(f"{ALL}; {COUNT} ;; /* x */ {ALL};")], 3),
    "several statements, one a write": ([query(f"{ALL}; UPDATE items SET name = name WHERE false; {COUNT}")], 0),
    "a pipeline": ([run(ONE, values=[b"1"]) + run(COUNT) + run(ONE, values=[b"2"], described=False) + SYNC], 3),
    "a pipeline of named ones": (
        [parse(ONE, "a") + describe("S", "a") + run(None, "a", values=[b"1"]) + parse(COUNT, "b") + run(None, "b")
         + run(None, "a", values=[b"4"]) + SYNC, run(None, "b") + close("S", "b") + run(None, "a", values=[b"5"]) + SYNC,
         close("S", "a") + SYNC], 5),
    "named portals": ([parse(ONE, "a") + bind("a", "p", [b"1"]) + bind("a", "q", [b"2"]) + describe("P", "q") + execute("q")
                       + execute("p") + close("P", "p") + SYNC], 2),
    "a portal in parts": ([parse(ALL) + bind() + describe() + execute("", 10) + execute("", 0) + SYNC], 0),
    "binary": ([parse(MADE, "", [23]) + binary_bind(b"5") + describe() + execute() + SYNC], 1),
    "statements alone": ([parse(ONE, "a") + describe("S", "a") + SYNC, run(None, "a", values=[b"1"]) + SYNC], 1),
    "a refusal in a pipeline": (
        [parse(ONE, "a") + run(None, "a", values=[b"1"]) + parse(ONE, "a") + run(None, "a", values=[b"2"]) + SYNC,
         run(None, "a", values=[b"3"]) + SYNC], 2),
    "a refusal in a pipeline of unnamed ones": ([run(COUNT) + parse("SELECT nothing") + run(COUNT) + SYNC, query(COUNT)], 1),
    "an error in a pipeline": ([run(COUNT) + run(DIVIDED) + run(COUNT) + SYNC, query(COUNT)], 1),

    "BEGIN READ ONLY": ([query("BEGIN READ ONLY"), *READS, query("COMMIT"), query(COUNT)], 3),
    "START TRANSACTION": ([query("START TRANSACTION READ ONLY, ISOLATION LEVEL READ COMMITTED"),
                           run(ONE, values=[b"3"]) + SYNC, query(ALL), command("ROLLBACK") + SYNC, query(COUNT)], 3),
    "SET TRANSACTION": ([query("BEGIN"), query("SET TRANSACTION READ ONLY"), *READS, query("END")], 2),
    "SET TRANSACTION in one Query": ([query("BEGIN; SET TRANSACTION READ ONLY"), *READS, query("ABORT")], 2),
    "a pipeline in a transaction": ([command("BEGIN READ ONLY") + SYNC, run(COUNT) + run(ONE, values=[b"1"]) + SYNC,
                                     query(f"{COUNT}; {ALL}"), query("COMMIT")], 4),
    "JDBC": ([*JDBC, command("COMMIT") + SYNC, run(None, "S_1", values=[b"1"]) + SYNC], 4),
    "an error in it": ([query("BEGIN READ ONLY"), query(ALL), query(DIVIDED), query(COUNT), query("ROLLBACK"), query(COUNT)], 2),
    "a write in it": ([query("BEGIN READ ONLY"), query(ALL), query("DELETE FROM items"), query(COUNT), query("COMMIT")], 1),
    "too late for its modes": ([query("BEGIN READ ONLY"), query(ALL), query("SET TRANSACTION READ WRITE"), query("ROLLBACK")], 1),
    "modes in time": ([query("BEGIN READ ONLY"), query("SET TRANSACTION READ WRITE"), query(ALL), query("COMMIT")], 0),
    "a savepoint": ([query("BEGIN READ ONLY"), query(ALL), query("SAVEPOINT a"), query(COUNT), query("ROLLBACK TO a"),
                     query(COUNT), query("COMMIT")], 1),
    "AND CHAIN": ([query("BEGIN READ ONLY"), query(ALL), query("COMMIT AND CHAIN"), query(ALL), query("COMMIT")], 1),
    "REPEATABLE READ": ([query("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"), *READS, query("COMMIT")], 0),
    "SERIALIZABLE": ([query("BEGIN READ ONLY ISOLATION LEVEL SERIALIZABLE, DEFERRABLE"), *READS, query("COMMIT")], 0),
    "READ WRITE": ([query("BEGIN"), *READS, query("COMMIT")], 0),
    "a BEGIN too many": ([query("BEGIN READ ONLY"), query("BEGIN READ ONLY"), query(ALL), query("COMMIT")], 1),
    "a COMMIT too many": ([query("COMMIT"), query(ALL)], 1),
    "names in it": ([*JDBC[:1], parse(COUNT, "S_1") + run(None, "S_1") + SYNC, query("SELECT 1"), query("ROLLBACK"),
                     run(None, "S_1", values=[b"2"]) + SYNC], 2),
}


@pytest.fixture(scope="module")
def shop(pair):
    name = pair.database(SCHEMA)
    pair.new.psql("UPDATE side SET name = 'new'", name)
    yield name
    pair.forget(name)


@pytest.fixture(scope="module")
def proxy(pair, shop):
    entry = {"old": pair.old.dsn(shop, user="app"), "new": pair.new.dsn(shop, user="app"),
             "canary": {"percent": 100, "after_write": "1ms", "patience": "5s"}, "shadow": {"percent": 0, "noise": 0},
             "compare": {"rules": [{"match": {"table": "side"}, "ignore": True}]}}
    proxy = Proxy({shop: entry})
    try:
        yield proxy.start()
        proxy.stop()
    finally:
        proxy.kill()


def said(port, shop, units, settings=(), until=b"old"):
    """All that the server says, unit by unit, once the session is served by the side that is wanted."""
    with Client(port) as client:
        client.login(database=shop)
        for setting in settings:
            client.ask(setting)
        wait_until(lambda: until in client.ask(SIDE))
        heard = []
        for unit in units:
            client.send(unit)
            heard.append(client.until_ready())
        return heard


def served(proxy, shop):
    return int(proxy.settled(shop)["served_new"])


def holds(pair, proxy, shop, units, wanted, settings=()):
    """Each time as old says it; and new serves as many as wanted and never more, once it is known how: the read before is
    another."""
    direct, times = said(pair.old.port, shop, units, settings), itertools.count(1)

    def is_served():
        before = served(proxy, shop)
        assert said(proxy.port, shop, units, settings, b"new") == direct
        more = served(proxy, shop) - before
        assert more <= wanted + 1
        return more == wanted + 1 and next(times) >= 3
    wait_until(is_served, limit=20)
    assert proxy.status(shop)["mismatch"] == "0"


@pytest.mark.parametrize("what", CONVERSATIONS)
def test_clients_hear_what_old_says(pair, proxy, shop, what):
    units, wanted = CONVERSATIONS[what]
    holds(pair, proxy, shop, units, wanted)


@pytest.mark.parametrize("setting, wanted", [
    ("SET default_transaction_read_only = on", 2),
    ("SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY", 2),
    ("SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY, ISOLATION LEVEL REPEATABLE READ", 0),
    ("SET default_transaction_isolation = 'serializable'", 0),
], ids=["read only", "characteristics", "repeatable read", "serializable"])
@pytest.mark.parametrize("begin", ["BEGIN", "BEGIN READ ONLY"])
def test_the_session_s_defaults_count(pair, proxy, shop, setting, wanted, begin):
    if "READ ONLY" not in begin + setting.upper() and "read_only" not in setting:
        wanted = 0
    holds(pair, proxy, shop, [query(begin), *READS, query("COMMIT")], wanted, [setting])
