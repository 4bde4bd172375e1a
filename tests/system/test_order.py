"""What a statement does not determine is never called a mismatch, and what it does determine is checked in full.

Both sides hold the same rows, in another physical order and read by other plans."""

import pytest

TABLE = """
CREATE TABLE sales (id int PRIMARY KEY, region text NOT NULL, day date NOT NULL, amount numeric NOT NULL,
                    weight float8 NOT NULL, light float4 NOT NULL, who text NOT NULL);
CREATE VIEW sold AS SELECT id, amount AS total, region FROM sales;
CREATE INDEX ON sales (day, region);
"""
ROWS = """
INSERT INTO sales SELECT i, 'r' || i % 5, '2024-01-01'::date + i % 7, i % 40, i / 7.0, i / 7.0, 'name ' || i
    FROM generate_series(1, 400) i ORDER BY {order};
"""
OLD = TABLE + ROWS.format(order="i")
NEW = TABLE + ROWS.format(order="i * 7919 % 401")


def fault(change, where="id = 77"):
    return f"UPDATE sales SET {change} WHERE {where}"


REGION, DAY, AMOUNT = fault("region = 'r9'"), fault("day = '2023-12-01'"), fault("amount = 1000")
WHO, GONE = fault("who = 'nobody'"), "DELETE FROM sales WHERE id = 77"
FEW = "DELETE FROM sales WHERE id > 5"

SHAPES = [  # a read, and a fault in what it determines
    ("SELECT id, day FROM sales ORDER BY day", DAY),
    ("SELECT id, day, region FROM sales ORDER BY day DESC NULLS FIRST, region", REGION),
    ("SELECT region FROM sales ORDER BY day", REGION),
    ("SELECT day, region, who FROM sales ORDER BY day, amount, weight LIMIT 90", WHO),
    ("SELECT id, day, region FROM sales ORDER BY day LIMIT 100", REGION),
    ("SELECT id, day, region FROM sales ORDER BY day OFFSET 100", fault("region = 'r9'", "id = 80")),
    ("SELECT id, day, region FROM sales ORDER BY day LIMIT 1000", fault("region = 'r9'", "id = 83")),
    ("SELECT id, day, region FROM sales ORDER BY day FETCH FIRST 100 ROWS WITH TIES", fault("who = 'x', region = 'r9'")),
    ("SELECT id, region FROM sales LIMIT 10", FEW),
    ("SELECT id, who FROM sales ORDER BY length(who) LIMIT 50", FEW),
    ("SELECT count(*), max(day) FROM (SELECT day, id FROM sales ORDER BY day LIMIT 100) s",
     fault("day = '2024-01-20'", "day <= '2024-01-02'")),
    ("WITH top AS (SELECT day, id FROM sales ORDER BY day LIMIT 3) SELECT day, id FROM top", DAY),
    ("SELECT DISTINCT ON (region) region, id, amount FROM sales", REGION),
    ("SELECT DISTINCT ON (region) region, day, id FROM sales ORDER BY region, day DESC", fault("day = '2025-01-01'")),
    ("SELECT region, array_agg(id) FROM sales GROUP BY region", GONE),
    ("SELECT region, array_agg(id ORDER BY day) AS ids FROM sales GROUP BY region", GONE),
    ("SELECT region, string_agg(who, ', '), count(*) FROM sales GROUP BY region", WHO),
    ("SELECT region, json_agg(json_build_object('id', id, 'amount', amount)) FROM sales GROUP BY region", AMOUNT),
    ("SELECT jsonb_build_object('regions', array_agg(DISTINCT region), 'ids', jsonb_agg(id)) FROM sales", GONE),
    ("SELECT region, xmlagg(xmlelement(name who, who)) FROM sales GROUP BY region", WHO),
    ("SELECT jsonb_object_agg(id, region) FROM sales", REGION),
    ("SELECT ARRAY(SELECT region FROM sales), 1 AS one", REGION),
    ("SELECT id, amount, row_number() OVER (ORDER BY day) FROM sales", AMOUNT),
    ("SELECT id, region, sum(amount) OVER (ORDER BY day ROWS 1 PRECEDING) FROM sales", REGION),
    ("SELECT id, rank() OVER (ORDER BY day) FROM sales", DAY),
    ("SELECT id, array_agg(who) OVER (PARTITION BY region) FROM sales WHERE id < 50 OR id = 77", WHO),
    ("SELECT region, day, sum(amount) FROM sales GROUP BY GROUPING SETS ((region), (day), ()) ORDER BY 1, 2", AMOUNT),
    ("SELECT region, sum(weight), avg(light), sum(light) FROM sales GROUP BY ROLLUP (region)",
     fault("weight = weight + 100")),
    ("SELECT region, day FROM sales UNION SELECT region, day FROM sales WHERE id < 50 ORDER BY day LIMIT 8", REGION),
    ("SELECT id FROM sales WHERE region = 'r1' EXCEPT SELECT id FROM sales WHERE id > 300", fault("region = 'r1'")),
    ("SELECT r, (SELECT who FROM sales s WHERE s.region = r LIMIT 1), (SELECT max(amount) FROM sales s "
     "WHERE s.region = r) FROM (VALUES ('r1'), ('r2')) v (r)", AMOUNT),
]


FAULTS = list(dict.fromkeys(change for _, change in SHAPES))


def copy_of(change):
    """The table that is like sales, and has this fault on new."""
    return f"sales_{FAULTS.index(change)}"


def copies(spoilt):
    """Copies in the same physical order; `spoilt`: each with its fault."""
    return "".join(f"CREATE TABLE {copy_of(change)} (LIKE sales INCLUDING ALL); INSERT INTO {copy_of(change)} TABLE sales;" +
                   (change.replace("sales", copy_of(change)) + ";" if spoilt else "") for change in FAULTS)


@pytest.fixture
def sales(pair, start):
    name = pair.database(OLD + copies(spoilt=False), NEW + copies(spoilt=True))
    for plan in ("hashagg", "seqscan", "hashjoin"):
        pair.new.psql(f'ALTER DATABASE "{name}" SET enable_{plan} = off')
    yield name, start(name)
    pair.forget(name)


def test_open_is_unstable_and_determined_is_found(sales):
    name, proxy = sales
    spoilt = [sql.replace("sales", copy_of(change)) for sql, change in SHAPES]
    with proxy.connect(name) as connection:
        before = proxy.warmed(name, lambda: connection.execute("SELECT who FROM sales WHERE id = 1"))
        for sql, _ in SHAPES:
            connection.execute(sql)
        asked = before["reads"] + len(SHAPES)
        status = proxy.settled(name, asked)
        came = {word: status[word] - before[word] for word in ("match", "unstable")}
        assert sum(came.values()) == len(SHAPES), (status, proxy.console("SHOW MISMATCHES"), proxy.skipped(name))
        assert came["unstable"] >= 10, came  # else the sides do not differ enough to try it
        for sql in spoilt:
            connection.execute(sql)
    proxy.settled(name, asked + len(spoilt))
    found = {row["query"] for row in proxy.console("SHOW MISMATCHES")}
    missed = [[row[key] for key in ("query", "match", "lagging", "unstable", "unverified", "mismatch", "hazards")]
              for row in proxy.console("SHOW QUERIES") if row["query"] in set(spoilt) - found]
    assert found == set(spoilt), missed
    hazards = {row["query"]: row["hazards"] for row in proxy.console("SHOW QUERIES")}
    assert "open: LIMIT" in hazards["SELECT id, region FROM sales LIMIT $1"], hazards


PLACES = [  # a read of a wrong amount, and the column that is named
    ("SELECT region, sum(amount) FROM sales GROUP BY region", "amount"),
    ("SELECT id, round(amount * 2) FROM sales WHERE id = 77", "amount"),
    ("SELECT a FROM (SELECT id, coalesce(amount, 0) AS a FROM sales) s WHERE id = 77", "amount"),
    ("WITH c AS (SELECT region, max(amount) AS top FROM sales GROUP BY 1) SELECT top FROM c", "amount"),
    ("SELECT id, total FROM sold WHERE id = 77", "amount"),
    ("SELECT v.id, total FROM sold v JOIN sales USING (id) WHERE v.id = 77", "amount"),
    ("SELECT id, amount FROM sales UNION ALL SELECT id, amount FROM sales WHERE id < 5", "amount"),
    ("SELECT id, amount + weight FROM sales WHERE id = 77", "expression"),
]


@pytest.mark.parametrize("protocol", ["simple", "extended"])
def test_a_wrong_column_is_named_through_what_is_made_of_it(pair, sales, protocol):
    name, proxy = sales
    pair.new.psql(AMOUNT, name)
    with proxy.connect(name) as connection:
        for sql, _ in PLACES:
            connection.execute(sql, prepare=protocol == "extended")
    proxy.settled(name, len(PLACES))
    found = {row["query"]: (row["table"], row["column"]) for row in proxy.console("SHOW MISMATCHES")}
    assert found == {sql: ("public.sales", column) for sql, column in PLACES}


def test_a_collation_difference_is_named(pair, start):
    words = "CREATE TABLE words (word text COLLATE \"{}\" PRIMARY KEY); INSERT INTO words VALUES ('B'), ('a'), ('b c'), ('bb')"
    name = pair.database(words.format("C"), words.format("en-x-icu"))
    proxy = start(name)
    with proxy.connect(name) as connection:
        connection.execute("SELECT word FROM words ORDER BY word")
        connection.execute("SELECT word FROM words ORDER BY word COLLATE \"C\"")
    assert proxy.settled(name, 2)["mismatch"] == 1
    mismatch = proxy.console("SHOW MISMATCHES")[0]
    detail = proxy.console(f"SHOW MISMATCH {mismatch['id']}")
    pair.forget(name)
    assert mismatch["class"] == "order" and "collations" in str(detail), detail
