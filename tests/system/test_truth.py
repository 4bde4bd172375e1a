"""Verdicts are true: under writes, lag and races, every fault in new is found and named, and nothing else is.

Old is written by four writers, and new follows by logical replication. Thirty shapes of reads go through the proxy, in
three protocols at a time. Twelve of them meet a fault that was planted in new: each in a table of its own, beside
rows that are written all the time."""

import contextlib
import os
import random
import signal
import threading
import time

import psycopg
import pytest

from proxy import wait_until

HOT, ROWS = 20, 400  # rows 1 to HOT of each table are written all the time, the rest never
SECONDS_LONG = 600

COLUMNS = """(id int PRIMARY KEY, kind int, name text, price numeric(10,2), note text, weight float8, made timestamptz,
    tags text[], doc jsonb, state status, seen int NOT NULL DEFAULT 0)"""
FILL = f"""SELECT i, i % 7, 'item number ' || i, i * 1.25, CASE WHEN i % 3 = 0 THEN 'note ' || i END, i / 7.0,
    '2024-01-01 00:00+00'::timestamptz + i * interval '1 hour', ARRAY['t' || i % 5, 'all'],
    jsonb_build_object('id', i, 'even', i % 2 = 0), (ARRAY['new', 'paid', 'shipped'])[i % 3 + 1]::status
    FROM generate_series(1, {ROWS}) i"""

# What is done to new when it has all of old's rows; what must be said of it: column and class, of this table where the
# third does not say of which (what a view shows is another's).
FAULTS = {
    "lost": ("DELETE FROM lost WHERE id = 150", ("", "missing_rows")),
    "surplus": ("INSERT INTO surplus SELECT 100000, kind, 'one more' FROM surplus WHERE id = 60", ("", "extra_rows")),
    "empties": ("UPDATE empties SET note = '' WHERE note IS NULL AND id > 300", ("note", "value")),
    "rounded": ("UPDATE rounded SET price = round(price) WHERE id > 100", ("price", "value")),
    "shifted": ("UPDATE shifted SET made = made + interval '1 hour' WHERE id > 100", ("made", "value")),
    "cut": ("UPDATE cut SET name = left(name, 14) WHERE id > 100", ("name", "value")),
    "keyless": ("UPDATE keyless SET doc = doc - 'even' WHERE id = 222", ("doc", "value")),
    "reversed": ("UPDATE reversed SET tags = ARRAY[tags[2], tags[1]] WHERE id BETWEEN 200 AND 210", ("tags", "value")),
    "stale": ("UPDATE stale SET state = 'new' WHERE id = 211", ("state", "value")),
    "narrow": ("UPDATE narrow SET weight = weight::float4 WHERE id = 333", ("weight", "value")),
    "totals": ("CREATE OR REPLACE VIEW totals AS SELECT i.id, i.kind, sum(p.amount) AS total FROM items i "
               "LEFT JOIN parts p ON p.item = i.id AND p.line > 1 GROUP BY i.id, i.kind", ("amount", "value", "parts")),
    "gone": ("DROP VIEW gone", ("", "error_new", "gone, public.items")),
}
TABLES = ["items", *(name for name in FAULTS if name not in ("totals", "gone"))]
SCHEMA = ("CREATE TYPE status AS ENUM ('new', 'paid', 'shipped');"
          + "".join(f"CREATE TABLE {name} {COLUMNS};" for name in TABLES)
          + """CREATE TABLE parts (item int, line int, amount numeric NOT NULL, PRIMARY KEY (item, line));
               CREATE TABLE events (id bigint PRIMARY KEY, item int NOT NULL, what text NOT NULL);
               CREATE VIEW totals AS SELECT i.id, i.kind, sum(p.amount) AS total FROM items i
                   LEFT JOIN parts p ON p.item = i.id GROUP BY i.id, i.kind;
               CREATE VIEW gone AS SELECT id, name FROM items;""")
FILLED = ("".join(f"INSERT INTO {name} {FILL};" for name in TABLES)
          + f"INSERT INTO parts SELECT i, l, i * l FROM generate_series(1, {ROWS}) i, generate_series(1, 3) l;"
          + "INSERT INTO events SELECT i, i % 50, 'begun' FROM generate_series(1, 500) i;")


def cold():
    return random.randint(HOT + 1, ROWS)


def hot():
    return random.randint(1, HOT)


def far():
    return random.randint(340, ROWS)


# What meets a fault: the fault, the statement, its parameters. Each reads rows that are written, too, where it can.
FAULTY = [
    ("lost", "SELECT id, name, seen FROM lost WHERE id BETWEEN %s AND %s ORDER BY id", lambda: (hot(), far())),
    ("surplus", "SELECT id, name, seen FROM surplus WHERE id > %s", lambda: (hot(),)),
    ("empties", "SELECT id, note FROM empties WHERE id = ANY(%s)", lambda: ([hot(), 301, 302, 303],)),
    ("rounded", "SELECT price, id, seen FROM rounded WHERE id IN (%s, 101, 103)", lambda: (hot(),)),
    ("shifted", "SELECT id, made FROM shifted WHERE id < %s ORDER BY id DESC", lambda: (random.randint(110, 120),)),
    ("cut", "SELECT c.name, i.kind FROM cut c JOIN items i USING (id) WHERE c.id BETWEEN %s AND 130", lambda: (hot(),)),
    ("keyless", "SELECT id, doc FROM keyless WHERE id BETWEEN %s AND 230 ORDER BY id", lambda: (hot(),)),
    ("reversed", "SELECT id, tags FROM reversed WHERE kind = %s", lambda: (random.randint(0, 6),)),
    ("stale", "SELECT id, state FROM stale WHERE id = %s", lambda: (211,)),
    ("narrow", "SELECT weight, id FROM narrow WHERE id > %s ORDER BY id LIMIT 40", lambda: (random.randint(300, 330),)),
    ("totals", "SELECT id, total FROM totals WHERE id = %s", lambda: (cold(),)),
    ("gone", "SELECT name FROM gone WHERE id = %s", lambda: (cold(),)),
]
# What never meets one. Those of rows that nobody writes:
COLD = [
    ("SELECT * FROM items WHERE id = %s", lambda: (cold(),)),
    ("SELECT id, name, price FROM items WHERE id BETWEEN %s AND 200 ORDER BY id", lambda: (cold(),)),
    ("SELECT kind, count(*), sum(price), avg(weight) FROM items WHERE id > %s GROUP BY kind", lambda: (HOT,)),
    ("SELECT i.name, p.amount FROM items i JOIN parts p ON p.item = i.id WHERE i.id = %s", lambda: (cold(),)),
    ("WITH few AS (SELECT id FROM items WHERE id > %s) SELECT count(*) FROM few", lambda: (cold(),)),
    ("SELECT DISTINCT state FROM items WHERE id > %s", lambda: (cold(),)),
    ("SELECT id FROM items WHERE doc @> '{\"even\": true}' AND id > %s", lambda: (cold(),)),
    ("SELECT id, unnest(tags) FROM items WHERE id = %s", lambda: (cold(),)),
    ("SELECT id FROM items WHERE id > %s UNION SELECT item FROM parts WHERE item > 390", lambda: (cold(),)),
    ("SELECT name FROM items i WHERE id > %s AND EXISTS (SELECT FROM parts p WHERE p.item = i.id)", lambda: (cold(),)),
    ("SELECT id, rank() OVER (ORDER BY id) FROM items WHERE id > %s", lambda: (cold(),)),
]
# And of rows that are written:
WRITTEN = [
    ("SELECT name, seen FROM items WHERE id = %s", lambda: (hot(),)),
    ("SELECT id, seen FROM items WHERE id < %s ORDER BY id", lambda: (cold(),)),
    ("SELECT sum(seen) FROM items WHERE kind = %s", lambda: (random.randint(0, 6),)),
    ("SELECT id, seen FROM items WHERE id <= %s ORDER BY seen DESC, id LIMIT 5", lambda: (HOT,)),
    ("SELECT count(*), max(id) FROM events WHERE item = %s", lambda: (random.randint(0, 49),)),
    ("SELECT id, what FROM events WHERE item = %s ORDER BY id DESC LIMIT 3", lambda: (random.randint(0, 49),)),
    ("SELECT id, note, price FROM items WHERE id IN (%s, 77)", lambda: (hot(),)),
]
SHAPES = [shape[1:] for shape in FAULTY] + COLD + WRITTEN


class Background:
    """Threads that run until the end of the block; what one of them raised is raised there."""

    def __init__(self):
        self.is_over, self.threads, self.errors = threading.Event(), [], []

    def run(self, act, *args):
        def guarded():
            try:
                while not self.is_over.is_set():
                    act(*args)
            except Exception as error:  # pylint: disable=broad-except
                self.errors.append(error)
        self.threads.append(threading.Thread(target=guarded))
        self.threads[-1].start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.is_over.set()
        for thread in self.threads:
            thread.join()
        if self.errors:
            raise self.errors[0]


def write(connection):
    row, table = hot(), random.choice(TABLES)
    with connection.transaction():
        connection.execute(f"UPDATE {table} SET seen = seen + 1, price = price + 0.5, note = %s WHERE id = %s",
                           (f"seen {time.monotonic()}", row))
        if table == "items":
            connection.execute("INSERT INTO events SELECT nextval('numbers'), %s, 'seen'", (random.randint(0, 49),))
    time.sleep(0.01)


def read_all(proxy, shop, connection, mode):
    """Each shape once, when the shadow has kept up: how much it can do is the machine's to say."""
    if int(proxy.status(shop)["in_flight"]) > 60:
        time.sleep(0.1)
        return
    shapes = list(SHAPES)
    random.shuffle(shapes)
    for sql, parameters in shapes:
        cursor = psycopg.ClientCursor(connection) if mode == "simple" else connection.cursor()
        try:
            cursor.execute(sql, parameters(), prepare=None if mode == "simple" else mode == "prepared")
            cursor.fetchall()
        finally:
            cursor.close()
    time.sleep(0.2)


@contextlib.contextmanager
def stopped(pair, shop, seconds):
    """Replication stands still."""
    pid = int(pair.new.psql("SELECT pid FROM pg_stat_subscription WHERE relid IS NULL AND pid IS NOT NULL", shop)[0])
    os.kill(pid, signal.SIGSTOP)
    try:
        yield time.sleep(seconds)
    finally:
        os.kill(pid, signal.SIGCONT)


@pytest.fixture
def rehearsed(pair):
    """Old with its rows, new that follows it, and in new the faults."""
    name = pair.database(SCHEMA)
    pair.old.psql("SET ROLE app; CREATE SEQUENCE numbers START 1000;" + FILLED, name)
    pair.replicate(name)
    wait_until(lambda: pair.new.psql("SELECT 1 FROM pg_subscription_rel HAVING bool_and(srsubstate = 'r') AND count(*) > 0", name))
    for fault, _ in FAULTS.values():
        pair.new.psql("SET ROLE app;" + fault, name)
    yield name
    pair.forget(name)


def by_statement(proxy, shop):
    """The rows of QUERIES by their normalised SQL."""
    return {row["query"]: row for row in proxy.console("SHOW QUERIES") if row["database"] == shop}


def row_of(rows, sql):
    """The row of QUERIES that is of this statement: literals and parameters are numbered there."""
    words = [word for word in sql.replace("%s", " ").replace("(", " ").replace(")", " ").replace(",", " ").split()
             if not word.isdigit() and not word.startswith("'") and word != "true}'"]
    found = [row for query, row in rows.items() if is_in_order(words, query)]
    return max(found, key=lambda row: int(row["reads"])) if found else None


def is_in_order(words, text):
    at = 0
    for word in words:
        at = text.find(word, at)
        if at < 0:
            return False
        at += len(word)
    return True


@pytest.mark.parametrize("replication", ["goes on", "stands still now and then"])
def test_every_fault_is_found_and_nothing_else_is_called_one(pair, start, rehearsed, is_long, replication):
    # As many rechecks as a slow machine can do in time; what is over is told by memory, or is unverified.
    proxy = start(rehearsed, {"lag": {"probe": "auto"}, "shadow": {"recheck": {"settle": "20ms", "max_per_second": 20}}})
    expected = {(said[2] if len(said) > 2 else name, said[0], said[1]) for name, (_, said) in FAULTS.items()}
    began = time.monotonic()

    def is_seen_enough():
        assert not background.errors, background.errors
        if time.monotonic() - began < (SECONDS_LONG if is_long else 10):
            return False
        return expected <= proxy.tables(rehearsed) and int(proxy.status(rehearsed)["compared"]) > 1000
    with contextlib.ExitStack() as connections, Background() as background:
        for _ in range(4):
            background.run(write, connections.enter_context(pair.old.connect(rehearsed)))
        for mode in ("simple", "extended", "prepared"):
            background.run(read_all, proxy, rehearsed, connections.enter_context(proxy.connect(rehearsed)), mode)
        if replication != "goes on":
            def stop_now_and_then():
                time.sleep(1)
                with stopped(pair, rehearsed, 5 if is_long else 3):
                    pass
            background.run(stop_now_and_then)
        wait_until(is_seen_enough, SECONDS_LONG + 240 if is_long else 300, what=lambda: (expected - proxy.tables(rehearsed), proxy.status(rehearsed)))
    status = proxy.settled(rehearsed)
    assert proxy.tables(rehearsed) == expected, proxy.console("SHOW MISMATCHES")[:5]
    rows = by_statement(proxy, rehearsed)
    assert len([row for row in rows.values() if row["mismatch"] != "0"]) == len(FAULTS), rows
    print({name: status[name] for name in ("reads", "compared", "match", "lagging", "unstable", "unverified", "mismatch", "skipped", "dropped")})
    for sql, _ in COLD + WRITTEN:
        assert row_of(rows, sql)["mismatch"] == "0", sql
    for fault, sql, _ in FAULTY:
        assert int(row_of(rows, sql)["mismatch"]) > 0, (fault, sql)
    shares = [(int(row["unstable"]) + int(row["unverified"]), int(row["compared"])) for row in (row_of(rows, sql) for sql, _ in COLD)]
    assert sum(open_ for open_, _ in shares) < 0.01 * sum(compared for _, compared in shares), shares
