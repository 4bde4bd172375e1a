"""Results over shadow.max_result: compared by streaming digests, in bounded memory, and a difference is found in its row."""

import re
import threading

import pytest

SMALL = {"shadow": {"max_result": "64KiB", "memory": "64MiB",
                    "recheck": {"rounds": 2, "attempts": 6, "settle": "1ms", "max_per_second": 1000}}}
COLUMNS = "id, kind, price, weight, doc, body"


def make(pair, shop, tables, rows, width):
    """The same tables on both sides: `rows` rows of some `width` bytes."""
    for side in (pair.old, pair.new):
        side.psql("".join(f"""
            CREATE TABLE {table} (id int PRIMARY KEY, kind text, price numeric, weight float8, doc jsonb, body text);
            INSERT INTO {table} SELECT i, 'kind ' || i % 7, i * 1.25, i / 7.0, jsonb_build_object('id', i),
                repeat(md5(i::text), {width} / 32) FROM generate_series(1, {rows}) i;
            GRANT ALL ON {table} TO PUBLIC;""" for table in tables), shop)


def ask(proxy, shop, sql, binary=False):
    with proxy.connect(shop) as connection:
        return connection.execute(sql, binary=binary, prepare=binary).rowcount


def test_64_mib_match_and_one_wrong_value_among_them_is_found(pair, shop, start):
    make(pair, shop, ["wide"], 4096, 16384)
    proxy = start(shop, {"shadow": {"max_result": "1MiB", "recheck": {"rounds": 1, "settle": "1ms"}}})
    ask(proxy, shop, f"SELECT {COLUMNS} FROM wide")
    status = proxy.settled(shop, 1)
    assert status["match"] == 1, (status, proxy.skipped(shop))
    pair.new.psql("UPDATE wide SET price = price + 0.01 WHERE id = 3333", shop)
    ask(proxy, shop, f"SELECT {COLUMNS} FROM wide")
    status = proxy.settled(shop, 2)
    assert status["mismatch"] == 1, status
    (mismatch,) = proxy.console("SHOW MISMATCHES")
    expected = {"table": "wide", "column": "price", "class": "value", "rows": "1", "old_value": "4166.25",
                "new_value": "4166.26"}
    assert {key: mismatch[key].removeprefix("public.") for key in expected} == expected
    (whole,) = proxy.console(f"SHOW MISMATCH {mismatch['id']}")
    assert "4096 rows" in str(whole), whole


FAULTS = [  # what is done to new's table T, the read, what must be told: column and class; None: nothing
    ("DELETE FROM T WHERE id = 17", f"SELECT {COLUMNS} FROM T", ("", "missing_rows")),
    ("INSERT INTO T VALUES (9000, 'more')", f"SELECT {COLUMNS} FROM T ORDER BY id", ("", "extra_rows")),
    ("UPDATE T SET kind = '' WHERE id % 2 = 0", f"SELECT {COLUMNS} FROM T", ("kind", "value")),
    ("UPDATE T SET weight = weight + 1 WHERE id = 5", f"SELECT {COLUMNS} FROM T ORDER BY id", ("weight", "value")),
    ("UPDATE T SET id = -id WHERE id = 4", "SELECT id, body FROM T", ("id", "value")),
    ("UPDATE T SET body = repeat('x', 3000000) WHERE id = 4", "SELECT id, body FROM T", ("body", "value")),
    ("ALTER TABLE T DROP doc, ADD doc2 jsonb", "SELECT * FROM T", ("", "columns")),
    ("ALTER TABLE T RENAME kind TO sort", f"SELECT {COLUMNS} FROM T", ("", "error_new")),
    ("ALTER TABLE T ALTER kind TYPE text COLLATE \"en-x-icu\"",
     "SELECT CASE WHEN id = 500 THEN upper(kind || id) ELSE kind || id END AS k, body FROM T ORDER BY kind, id", None),
    ("ALTER TABLE T ALTER id TYPE bigint, ALTER kind TYPE varchar(90), ALTER price TYPE numeric(12,4)",
     f"SELECT {COLUMNS} FROM T ORDER BY id", None),
    ("UPDATE T SET weight = weight * (1 + 1e-15) WHERE id < 9", f"SELECT {COLUMNS} FROM T", None),
    ("CREATE TABLE o AS SELECT * FROM T ORDER BY id DESC; TRUNCATE T; INSERT INTO T SELECT * FROM o",
     f"SELECT {COLUMNS} FROM T", None),
    ("CREATE TABLE p AS SELECT * FROM T ORDER BY id DESC; TRUNCATE T; INSERT INTO T SELECT * FROM p",
     "SELECT price > 100 AS dear, id, body FROM T ORDER BY dear", None),
]


def test_faults_in_large_results_are_named_and_no_others_are(pair, shop, start):
    """Every other read asks for binary values by a prepared statement."""
    tables = [f"t{i}" for i in range(len(FAULTS))]
    make(pair, shop, tables, 700, 256)
    for table, (fault, _, _) in zip(tables, FAULTS):
        pair.new.psql(re.sub(r"\bT\b", table, fault), shop)
    proxy = start(shop, SMALL)
    for i, (_, read, _) in enumerate(FAULTS):
        ask(proxy, shop, re.sub(r"\bT\b", tables[i], read), binary=i % 2 == 1)
    status = proxy.settled(shop, len(FAULTS))
    expected = {(table, *named) for table, (_, _, named) in zip(tables, FAULTS) if named}
    assert proxy.tables(shop) == expected, (status, proxy.console("SHOW MISMATCHES"))
    assert status["mismatch"] == len(expected) and status["match"] == len(FAULTS) - len(expected), status


def test_rows_against_order_by_are_an_order(pair, shop, start):
    """New's collation puts the one upper case name elsewhere."""
    for side, collation in ((pair.old, "C"), (pair.new, "en-x-icu")):
        side.psql(f"""CREATE TABLE names (name text COLLATE "{collation}" PRIMARY KEY, body text); GRANT ALL ON names TO PUBLIC;
            INSERT INTO names SELECT CASE i WHEN 600 THEN 'N' ELSE 'n' END || lpad(i::text, 4, '0'), repeat('x', 200)
                FROM generate_series(1, 1000) i""", shop)
    proxy = start(shop, SMALL)
    ask(proxy, shop, "SELECT name, body FROM names ORDER BY name")
    ask(proxy, shop, "SELECT name, body FROM names")
    status = proxy.settled(shop, 2)
    assert (status["mismatch"], status["match"]) == (1, 1), (status, proxy.console("SHOW MISMATCHES"))
    assert [row["class"] for row in proxy.console("SHOW MISMATCHES")] == ["order"]


def test_a_writer_makes_no_mismatch(pair, shop, start):
    """Both sides are one database: what differs, differs by when it was read alone."""
    make(pair, shop, ["wide"], 1024, 512)
    proxy, stop = start(shop, {**SMALL, "new": pair.old.dsn(shop, user="app")}), threading.Event()

    def write():
        with pair.old.connect(shop) as connection:
            number = 0
            while not stop.is_set():
                number += 1
                connection.execute("UPDATE wide SET price = %s WHERE id = %s", (number, number % 8 + 1))
    writer = threading.Thread(target=write)
    writer.start()
    try:
        for order in ("", " ORDER BY id", " ORDER BY price"):
            ask(proxy, shop, f"SELECT {COLUMNS} FROM wide{order}")
        status = proxy.settled(shop, 3)
    finally:
        stop.set()
        writer.join()
    assert (status["compared"], status["mismatch"]) == (3, 0), (status, proxy.skipped(shop))


def test_large_reads_that_wait_or_are_under_way_end_with_the_proxy(pair, shop, start):
    make(pair, shop, ["wide"], 1024, 512)
    proxy = start(shop, SMALL)
    for _ in range(4):
        ask(proxy, shop, f"SELECT {COLUMNS} FROM wide")
    proxy.stop()


def test_5_gib_are_compared_in_32_mib(pair, shop, start, is_long):
    """The server makes the rows, so that no disk is asked for them. With a release build: ASan keeps what is freed."""
    gigabytes = 5 if is_long else 0
    if not gigabytes:
        pytest.skip("with --long")
    for side in (pair.old, pair.new):
        side.psql("""CREATE TABLE few (n int PRIMARY KEY, body text); GRANT ALL ON few TO PUBLIC;
                          INSERT INTO few SELECT i, repeat(md5(i::text), 32) FROM generate_series(1, 1024) i""", shop)
    read = f"SELECT i, n, body FROM generate_series(1, {gigabytes * 1024}) i, few"
    proxy = start(shop, {"shadow": {"timeout": "600s"}})
    proxy.warmed(shop, lambda: ask(proxy, shop, "SELECT count(*) FROM few"))
    idle, peak, stop = proxy.memory(), [0], threading.Event()

    def watch():
        while not stop.wait(0.05):
            peak[0] = max(peak[0], proxy.memory())
    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        before = proxy.status(shop)
        with proxy.connect(shop) as connection:
            connection.pgconn.send_query(read.encode())
            connection.pgconn.set_single_row_mode()
            while connection.pgconn.get_result() is not None:
                pass
        status = proxy.settled(shop, int(before["reads"]) + 1, limit=500)
    finally:
        stop.set()
        watcher.join()
    assert status["match"] == int(before["match"]) + 1, (status, proxy.said()[-2000:])
    print(f"idle {idle:.1f} MiB, at most {peak[0]:.1f} MiB")
    assert peak[0] - idle <= 32, (idle, peak[0])
