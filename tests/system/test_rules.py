"""compare.rules: each does what it says and no more, by either protocol, in either format, of arrays as well."""

from proxy import wait_until

# What a rule says, what is done to new's row 5, the read, and what comes of it with the rule: a match, a skip, an accepted mismatch, or the
# column that is still at fault. Without the rule each is a mismatch.
ALL = "SELECT * FROM t WHERE id = 5"
RULES = [
    ([{"match": {"table": "t", "column": "note"}, "ignore": True}], "SET note = 'x'", ALL, "match"),
    ([{"match": {"table": "public.t", "column": "no*"}, "ignore": True}], "SET note = 'x'", ALL, "match"),
    ([{"match": {"table": "t", "column": "note"}, "ignore": True}], "SET note = 'x', n = 1", ALL, "n"),
    ([{"match": {"table": "other"}, "ignore": True}], "SET note = 'x'", ALL, "note"),
    ([{"match": {"column": "n"}, "tolerance": 0.01}], "SET n = n + 0.001", ALL, "match"),
    ([{"match": {"column": "n"}, "tolerance": 0.01}], "SET n = n + 1", ALL, "n"),
    ([{"match": {"column": "f"}, "tolerance": 0.01}], "SET f = f * 1.001", ALL, "match"),
    ([{"match": {"column": "fs"}, "tolerance": 0.01}], "SET fs = ARRAY[1.001, 2]", ALL, "match"),
    ([{"match": {"column": "fs"}, "tolerance": 0.01}], "SET fs = ARRAY[1.1, 2]", ALL, "fs"),
    ([{"match": {"column": "note"}, "as": "case_insensitive"}], "SET note = 'NOTE'", ALL, "match"),
    ([{"match": {"column": "note"}, "as": "trimmed"}], "SET note = ' note  '", ALL, "match"),
    ([{"match": {"column": "tags"}, "as": "case_insensitive"}], "SET tags = ARRAY['A', 'b']", ALL, "match"),
    ([{"match": {"column": "tags"}, "unordered": True}], "SET tags = ARRAY['b', 'a']", ALL, "match"),
    ([{"match": {"column": "tags"}, "unordered": True}], "SET tags = ARRAY['b', 'b']", ALL, "tags"),
    ([{"match": {"column": "doc"}, "as": "json"}], "SET doc = '{ \"b\": 2, \"a\": 1.0 }'", ALL, "match"),
    ([{"match": {"column": "moment"}, "as": "instant"}], "SET moment = '2024-01-01 14:00:00+02'", ALL, "match"),
    ([{"match": {"column": "digits"}, "as": "number"}], "SET digits = '12.50'", ALL, "match"),
    ([{"match": {"column": "flag"}, "as": "boolean"}], "SET flag = 'yes'", ALL, "match"),
    ([{"match": {"column": "price"}, "as": "text"}], "SET price = 3.0", ALL, "price"),
    ([{"match": {"column": "note"}, "accept": "known"}], "SET note = 'x'", ALL, "accepted"),
    ([{"match": {"column": "note"}, "accept": "known"}], "SET note = 'x', n = 1", ALL, "n"),
    ([{"match": {"table": "t"}, "skip": True}], "SET note = 'x'", ALL, "skipped"),
    ([{"match": {"column": "note"}, "skip": True}], "SET n = 1", "SELECT id, n FROM t WHERE id = 5", "n"),
    ([{"match": {"column": "note"}, "skip": True}], "SET note = 'x'", "SELECT note, id FROM t WHERE id = 5", "skipped"),
    ([{"extra_columns": "allow"}], "ADD more int", ALL, "match"),
    ([{"extra_columns": "allow"}], "SET note = 'x'", ALL, "note"),
    # The first that matches a column wins; what is about the read as a whole stands in no column's way.
    ([{"match": {"column": "no*"}, "as": "trimmed"}, {"match": {"column": "note"}, "ignore": True}], "SET note = 'x'", ALL, "note"),
    ([{"extra_columns": "allow"}, {"match": {"column": "note"}, "ignore": True}], "SET note = 'x'", ALL, "match"),
]
TABLE = """CREATE TABLE t (id int PRIMARY KEY, n numeric, f float8, note text, tags text[], fs float8[], doc text,
    moment text, digits text, flag text, price numeric);
INSERT INTO t SELECT 5, 10, 1.5, 'note', ARRAY['a', 'b'], ARRAY[1, 2], '{"a": 1, "b": 2}', '2024-01-01 12:00:00+00', '12.5', 'true', 3;"""


def fault(what):
    return f"ALTER TABLE t {what}" if what.startswith("ADD") else f"UPDATE t {what} WHERE id = 5"


def outcome(proxy, name, sql, binary):
    """What came of one read; None: nothing yet."""
    before, known = proxy.settled(name), len(proxy.console("SHOW MISMATCHES"))
    with proxy.connect(name) as connection:
        connection.execute(sql + (" AND %s" if binary else ""), (True,) if binary else None, binary=binary, prepare=binary)
    status = proxy.settled(name, before["reads"] + 1)
    if status["skipped"] > before["skipped"]:
        return "skipped"
    if status["match"] > before["match"]:
        return "match"
    if status["mismatch"] == before["mismatch"]:
        return None  # RELOAD has the lag probe begin anew: unverified until it knows
    mismatches = proxy.console("SHOW MISMATCHES")
    return mismatches[0]["column"] if len(mismatches) > known else "accepted"


def test_each_rule_does_what_it_says_and_no_more(start, pair):
    name = pair.database(TABLE, TABLE)
    proxy = start(name, {"shadow": {"recheck": {"rounds": 2, "attempts": 4, "settle": "1ms"}}})
    proxy.warmed(name, lambda: outcome(proxy, name, ALL, False))
    failed = []
    for rules, what, sql, expected in RULES:
        pair.new.psql("DELETE FROM t; ALTER TABLE t DROP COLUMN IF EXISTS more; SET ROLE app;" + TABLE[TABLE.index("INSERT"):] + fault(what), name)
        proxy.configuration["databases"][name]["compare"]["rules"] = rules
        proxy.write()
        proxy.console("RELOAD")
        for binary in (False, True):
            got = wait_until(lambda: outcome(proxy, name, sql, binary), what=proxy.said)  # pylint: disable=cell-var-from-loop
            if got != expected:
                failed.append((rules, what, binary, expected, got))
    proxy.stop()
    pair.forget(name)
    assert not failed, "\n".join(map(str, failed))
