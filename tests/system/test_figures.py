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


def test_what_clients_were_served_is_timed_apart_from_what_was_mirrored(proxy, shop):
    with proxy.connect(shop) as connection:
        proxy.warmed(shop, lambda: connection.execute(HOT))
    (row,) = proxy.console("SHOW QUERIES")
    assert float(row["old_served_p50_ms"]) > 0 and float(row["new_mirrored_p50_ms"]) > 0
    assert row["old_mirrored_p50_ms"] is None and row["new_served_p50_ms"] is None
    assert row["latency_compares"] == "mixed" and float(row["latency_ratio"]) > 0
    assert float(row["old_p50_ms"]) == float(row["old_served_p50_ms"])
