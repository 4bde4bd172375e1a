"""What is figured of each query: who gets how much of the budget, how fast each side is, and what was never compared."""

import json
import subprocess

from proxy import binary, wait_until

HOT = "SELECT id, name FROM items WHERE id = 1"
RARE = [f"SELECT {columns} FROM items WHERE {key} {how} 7" for columns in ("name", "note", "id, note", "name, price")
        for key, how in (("id", "="), ("id", "<"), ("weight", "="), ("price", "="), ("weight", "<"))]


def queries(proxy):
    return {row["query"]: row for row in proxy.console("SHOW QUERIES")}


def report(proxy, *options):
    done = subprocess.run([binary(), "report", "-c", str(proxy.path), *options], cwd=proxy.home, check=True,
                          capture_output=True, text=True)
    return done.stdout


def test_a_hot_query_does_not_starve_the_rare_ones(start, shop):
    """The hot one comes a hundred at a time until it is turned away; then each rare one, from sessions of many shadow
    threads, is compared: the hot one leaves a quarter of 100 reads behind at least, and they are twenty."""
    proxy = start(shop, {"shadow": {"max_per_second": 100}})
    with proxy.connect(shop) as hot:
        def is_turned_away():
            hot.execute(";".join([HOT] * 100))
            return proxy.skipped(shop).get("rate_limited", 0) > 0
        proxy.warmed(shop, lambda: hot.execute(HOT))
        wait_until(is_turned_away, what=proxy.said)
        for sql in RARE:
            hot.execute(";".join([HOT] * 100))
            with proxy.connect(shop) as rare:
                rare.execute(sql)
    reads = int(proxy.status(shop)["reads"])
    status = proxy.settled(shop, reads)
    assert status["never_compared"] == 0, proxy.console("SHOW QUERIES")
    rows = queries(proxy)
    assert len(rows) == len(RARE) + 1, list(rows)
    for query, row in rows.items():
        if "= 1" not in query and int(row["reads"]) == 1:
            assert row["compared"] == "1", (row, proxy.skipped(shop))
    limited = {row["fingerprint"] for row in proxy.console("SHOW SKIPPED") if row["reason"] == "rate_limited"}
    assert len(limited) == 1


def test_a_shape_that_was_never_compared_is_named_with_its_reasons(proxy, shop):
    with proxy.connect(shop) as connection:
        asked = proxy.warmed(shop, lambda: connection.execute(HOT))["reads"]
        for _ in range(3):
            connection.execute("SELECT random() FROM items WHERE id = 1")
        status = proxy.settled(shop, asked + 3)
    assert status["never_compared"] == 1

    def is_written():
        database = json.loads(report(proxy, "--format", "json"))["databases"]
        return database and database[0]["status"]["reads"] == asked + 3 and database[0]
    database = wait_until(is_written)
    (row,) = database["never_compared"]
    assert row["reads"] == 3 and row["reasons"].endswith(" 3") and "random" in row["query"], row
    assert database["status"]["never_compared"] == 1
    text = report(proxy)
    assert "Shapes never compared" in text and row["reasons"] in text.split("Shapes never compared")[1]


def test_which_function_is_to_blame_is_said_and_with_it_declared_safe_the_read_is_compared(start, pair, shop):
    for side in (pair.old, pair.new):
        side.psql("CREATE FUNCTION peek(int) RETURNS text LANGUAGE plpgsql AS $$ BEGIN RETURN 'x' || $1; END $$;"
                  "CREATE FUNCTION look(i int) RETURNS text LANGUAGE sql STABLE AS 'SELECT peek(i)'", shop)
    proxy, sql = start(shop), "SELECT look(id) FROM items WHERE id = 1"
    with proxy.connect(shop) as connection:
        asked = proxy.warmed(shop, lambda: connection.execute(HOT))["reads"]
        connection.execute(sql)
        proxy.settled(shop, asked + 1)
    blamed = [row["because"] for row in proxy.console("SHOW SKIPPED") if row["reason"] == "volatile_function" and "look" in row["query"]]
    assert blamed == ["public.peek"], proxy.console("SHOW SKIPPED")
    proxy = start(shop, {"safe_functions": blamed})
    with proxy.connect(shop) as connection:
        proxy.warmed(shop, lambda: connection.execute(sql))


def test_what_clients_were_served_is_timed_apart_from_what_was_mirrored(proxy, shop):
    with proxy.connect(shop) as connection:
        proxy.warmed(shop, lambda: connection.execute(HOT))
    (row,) = proxy.console("SHOW QUERIES")
    assert float(row["old_served_p50_ms"]) > 0 and float(row["new_mirrored_p50_ms"]) > 0
    assert row["old_mirrored_p50_ms"] is None and row["new_served_p50_ms"] is None
    assert row["latency_compares"] == "mixed" and float(row["latency_ratio"]) > 0
    assert float(row["old_p50_ms"]) == float(row["old_served_p50_ms"])


def keys(proxy, *options):
    """(table, columns, values, class) of each line."""
    lines = [line.split("\t") for line in report(proxy, "--keys", *options).splitlines()]
    assert all(len(line) == 6 for line in lines), lines
    return sorted((table.removeprefix("public."), tuple(json.loads(columns)), tuple(json.loads(values)), kind)
                  for _, table, columns, values, kind, _ in lines)


FAULTY = [  # what is wrong in new, the read that sees it, the keys of the rows that are to be repaired
    ("UPDATE items SET note = '' WHERE id IN (5, 7)", "SELECT note, id FROM items WHERE id < 10",
     [("items", ("id",), ("5",), "value"), ("items", ("id",), ("7",), "value")]),
    ("UPDATE parts SET what = 'x' WHERE item_id = 2 AND line = 2",
     "SELECT i.id, p.item_id, p.line, p.what FROM items i JOIN parts p ON p.item_id = i.id WHERE i.id = 2",
     [("parts", ("item_id", "line"), ("2", "2"), "value")]),
    ("DELETE FROM parts WHERE item_id = 3 AND line = 2", "SELECT line, item_id FROM parts WHERE item_id = 3",
     [("parts", ("item_id", "line"), ("3", "2"), "missing_rows")]),
    ("INSERT INTO parts VALUES (4, 9, 'more')", "SELECT * FROM parts WHERE item_id = 4",
     [("parts", ("item_id", "line"), ("4", "9"), "extra_rows")]),
    # Neither of two aliases' keys may stand for the other's row.
    ("UPDATE items SET name = 'x' WHERE id = 8",
     "SELECT a.id, b.id, b.name FROM items a JOIN items b ON b.id = a.id + 1 WHERE a.id = 7",
     [("items", ("id",), ("8",), "value")]),
    ("UPDATE items SET name = 'x' WHERE id = 8",
     "SELECT a.id, b.name FROM items a JOIN items b ON b.id = a.id + 1 WHERE a.id = 7", []),
    ("UPDATE items SET name = 'x' WHERE id = 8", "SELECT name FROM items WHERE id = 8", []),
]


def test_the_keys_of_rows_that_differ_are_printed_for_a_repair(start, pair, shop):
    for fault in dict.fromkeys(fault for fault, _, _ in FAULTY):
        pair.new.psql(fault, shop)
    proxy = start(shop, {"compare": {"samples": "masked", "keys": "full"}})
    for read, (_, sql, expected) in enumerate(FAULTY):
        before = int(proxy.status(shop)["mismatch"])
        with proxy.connect(shop) as connection:
            for prepare in (False, True):
                connection.execute(sql, prepare=prepare, binary=prepare)
        status = proxy.settled(shop, 2 * (read + 1))
        assert status["mismatch"] == before + 2, (sql, status)
        fingerprint = proxy.console("SHOW MISMATCHES")[0]["fingerprint"]
        wait_until(lambda: keys_of_last(proxy, fingerprint))
        found = keys(proxy, "--fingerprint", fingerprint)
        assert found == expected, (sql, found)
    told = json.loads(report(proxy, "--keys", "--format", "json"))
    assert {"database", "table", "columns", "values", "class", "last_seen"} == set(told[0])
    # What is no key stays masked.
    assert "note 6" not in json.dumps(told) and "<" not in json.dumps([row["values"] for row in told])
    newest = proxy.console("SHOW MISMATCHES")[0]["id"]
    assert "'x'" not in json.dumps(proxy.console(f"SHOW MISMATCH {newest}")[0])


def keys_of_last(proxy, fingerprint):
    """Are both mismatches of that shape in the store?"""
    wanted = {row["id"] for row in proxy.console("SHOW MISMATCHES") if row["fingerprint"] == fingerprint}
    there = {str(row["id"]) for database in json.loads(report(proxy, "--format", "json"))["databases"]
             for row in database["mismatches"]}
    return wanted <= there


def test_masked_keys_are_not_printed_and_that_is_said(start, pair, shop):
    pair.new.psql("UPDATE items SET note = 'x' WHERE id = 5", shop)
    proxy = start(shop, {"compare": {"samples": "masked"}})
    with proxy.connect(shop) as connection:
        connection.execute("SELECT id, note FROM items WHERE id = 5")
    assert proxy.settled(shop, 1)["mismatch"] == 1
    (row,) = proxy.console("SHOW MISMATCHES")
    (sample,) = json.loads(proxy.console(f"SHOW MISMATCH {row['id']}")[0]["samples"])
    assert sample["keys"][0]["columns"] == ["id"] and sample["keys"][0]["values"][0].startswith("<"), sample
    wait_until(lambda: keys_of_last(proxy, row["fingerprint"]))
    done = subprocess.run([binary(), "report", "--keys", "-c", str(proxy.path)], capture_output=True, text=True,
                          cwd=proxy.home, check=True)
    assert done.stdout == "" and "masked" in done.stderr and "keys: full" in done.stderr


def test_that_a_row_s_key_is_not_known_is_said_where_another_s_could_be_taken_for_it(start, pair, shop):
    pair.new.psql("UPDATE items SET name = 'x' WHERE id = 8", shop)
    proxy = start(shop, {"compare": {"samples": "full"}})
    with proxy.connect(shop) as connection:
        connection.execute("SELECT a.id, b.name FROM items a JOIN items b ON b.id = a.id + 1 WHERE a.id = 7")
    assert proxy.settled(shop, 1)["mismatch"] == 1
    (row,) = proxy.console("SHOW MISMATCHES")
    (sample,) = json.loads(proxy.console(f"SHOW MISMATCH {row['id']}")[0]["samples"])
    assert sample["keys_unknown"] == ["public.items"] and "keys" not in sample, sample


def test_without_samples_nothing_is_kept_but_the_keys_that_are_asked_for(start, pair, shop):
    pair.new.psql("UPDATE items SET note = 'x' WHERE id = 5", shop)
    for kept, expected in (("as_samples", []), ("full", [{"keys": [
            {"table": "public.items", "columns": ["id"], "values": ["5"]}]}])):
        proxy = start(shop, {"compare": {"samples": "none", "keys": kept}})
        with proxy.connect(shop) as connection:
            connection.execute("SELECT id, note FROM items WHERE id = 5")
        assert proxy.settled(shop, 1)["mismatch"] == 1
        (row,) = proxy.console("SHOW MISMATCHES")
        (full,) = proxy.console(f"SHOW MISMATCH {row['id']}")
        assert json.loads(full["samples"]) == expected and full["old_value"] is None
