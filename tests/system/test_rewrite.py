"""New has another shape, and rewrites say which: reads match whatever protocol they come by, and faults have old's names."""

import pytest

from proxy import wait_until

OLD = """
CREATE SCHEMA crm;
CREATE TABLE orders (id int PRIMARY KEY, total numeric(10,2) NOT NULL, note text, made timestamptz NOT NULL);
INSERT INTO orders SELECT i, i * 1.5, CASE WHEN i % 3 = 0 THEN 'n' || i END, '2024-01-01'::timestamptz + i * interval '1 h'
    FROM generate_series(1, 200) i;
CREATE TABLE lines (id int PRIMARY KEY, order_id int NOT NULL, what text NOT NULL);
INSERT INTO lines SELECT i, i % 200 + 1, 'line ' || i FROM generate_series(1, 400) i;
CREATE TABLE crm.people (id int PRIMARY KEY, first text NOT NULL, last text NOT NULL, born date NOT NULL);
INSERT INTO crm.people SELECT i, 'f' || i, 'l' || i, '1970-01-01'::date + i FROM generate_series(1, 100) i;
CREATE TABLE users (id int PRIMARY KEY, email text NOT NULL, city text);
INSERT INTO users SELECT i, 'u' || i || '@x', CASE WHEN i % 2 = 0 THEN 'c' || i END FROM generate_series(1, 100) i;
CREATE VIEW totals AS SELECT id, total FROM orders;
"""
NEW = """
CREATE SCHEMA sales; CREATE SCHEMA customers;
CREATE TABLE sales.orders_v2 (more text DEFAULT 'x', note text, id bigint PRIMARY KEY, amount numeric(12,4) NOT NULL, made timestamptz NOT NULL);
INSERT INTO sales.orders_v2 (id, amount, note, made) SELECT i, i * 1.5, CASE WHEN i % 3 = 0 THEN 'n' || i END,
    '2024-01-01'::timestamptz + i * interval '1 h' FROM generate_series(1, 200) i;
CREATE TABLE lines (id int PRIMARY KEY, order_no int NOT NULL, what text NOT NULL);
INSERT INTO lines SELECT i, i % 200 + 1, 'line ' || i FROM generate_series(1, 400) i;
CREATE TABLE customers.people (id int PRIMARY KEY, name text NOT NULL, born date NOT NULL);
INSERT INTO customers.people SELECT i, 'f' || i || ' l' || i, '1970-01-01'::date + i FROM generate_series(1, 100) i;
CREATE TABLE accounts (key text PRIMARY KEY, email text NOT NULL);
INSERT INTO accounts SELECT 'k' || i, 'u' || i || '@x' FROM generate_series(1, 100) i;
CREATE TABLE addresses (key text PRIMARY KEY, city text);
INSERT INTO addresses SELECT 'k' || i, CASE WHEN i % 2 = 0 THEN 'c' || i END FROM generate_series(1, 100) i;
CREATE VIEW totals AS SELECT id, amount AS total FROM sales.orders_v2;
"""
REWRITE = [
    {"tables": {"orders": "sales.orders_v2", "crm.*": "customers.*"}, "columns": {"orders.total": "amount"}},
    {"columns": {"public.lines.order_id": "order_no"}},
    {"like": "SELECT id, email, city FROM users WHERE id = %",  # a split table, and a key of another type
     "to": "SELECT substr(a.key, 2)::int AS id, a.email, b.city FROM accounts a JOIN addresses b USING (key) "
           "WHERE a.key = 'k' || $1::text"},
    {"like": "SELECT first || $1 || last AS name FROM crm.people WHERE id = $2",  # a merged column
     "to": "SELECT replace(name, ' ', $1) AS name FROM customers.people WHERE id = $2"},
    {"like": "SELECT first || $2 || last AS name FROM crm.people WHERE id = $1",  # parameters come before literals
     "to": "SELECT replace(name, ' ', $2) AS name FROM customers.people WHERE id = $1"},
]
READS = [  # with %s for the parameter
    ("SELECT * FROM orders WHERE id = %s", 7),
    ("SELECT total, note FROM orders WHERE id < %s ORDER BY total DESC", 20),
    ("SELECT o.id, orders.total FROM orders o JOIN orders USING (id) WHERE o.total > %s", 150),
    ("SELECT o.*, l.what FROM public.orders AS o JOIN lines l ON l.order_id = o.id WHERE o.id = %s", 9),
    ("WITH orders AS (SELECT id AS total FROM lines WHERE id < %s) SELECT total FROM orders", 30),
    ("SELECT note, sum(total) FROM orders WHERE id < %s GROUP BY note", 60),
    ("SELECT order_id, count(*) FROM lines WHERE id > %s GROUP BY order_id", 100),
    ("SELECT id, born FROM crm.people WHERE id = %s", 5),
    ("SELECT total FROM totals WHERE id = %s", 5),
    ("SELECT first || '-' || last AS name FROM crm.people WHERE id = %s", 8),
    ("SELECT id, email, city FROM users WHERE id = %s", 8),
]
PROTOCOLS = ["simple", "extended", "prepared", "sql"]


@pytest.fixture
def reshaped(pair):
    name = pair.database(OLD, NEW)
    yield name
    pair.forget(name)


def ask(connection, protocol, sql, value):
    """One read, however many messages."""
    if protocol == "simple":
        connection.execute(sql.replace("%s", str(value)))
    elif protocol == "sql":
        name = f"p{abs(hash(sql))}"
        connection.execute(f"PREPARE {name} (int) AS {sql.replace('%s', '$1')}")
        connection.execute(f"EXECUTE {name} ({value})")
    else:
        connection.execute(sql, (value,), prepare=protocol == "prepared", binary=protocol == "prepared")


def warm(proxy, name):
    def plain():
        with proxy.connect(name) as connection:
            connection.execute("SELECT id, what FROM lines WHERE id = 1")
    return proxy.warmed(name, plain)["reads"]


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_all_reads_match_where_rewrites_say_how_new_is_shaped(start, reshaped, protocol):
    proxy = start(reshaped, {"rewrite": REWRITE})
    before = warm(proxy, reshaped)
    matches = proxy.status(reshaped)["match"]
    with proxy.connect(reshaped) as connection:
        for sql, value in READS:
            ask(connection, protocol, sql, value)
    status = proxy.settled(reshaped, before + len(READS))
    assert status["match"] == int(matches) + len(READS), (proxy.skipped(reshaped), proxy.console("SHOW MISMATCHES"), proxy.said())


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_fault_on_a_reshaped_new_has_olds_names(start, pair, reshaped, protocol):
    pair.new.psql("UPDATE sales.orders_v2 SET amount = amount + 1 WHERE id = 7; UPDATE addresses SET city = 'x' WHERE key = 'k8'",
                  reshaped)
    proxy = start(reshaped, {"rewrite": REWRITE})
    before = warm(proxy, reshaped)
    with proxy.connect(reshaped) as connection:
        ask(connection, protocol, *READS[0])
        ask(connection, protocol, *READS[-1])
    status = proxy.settled(reshaped, before + 2)
    assert status["mismatch"] == 2, (status, proxy.skipped(reshaped))
    assert proxy.tables(reshaped) == {("orders", "total", "value"), ("users", "city", "value")}


def test_a_rewrite_that_leads_to_nothing_is_reported_and_never_sent(start, pair, reshaped):
    rewrites = [{"tables": {"orders": "nowhere"}},
                {"like": "SELECT id, email, city FROM users%", "to": "SELECT id, email, city FROM nobody WHERE id = $1"}]
    proxy = start(reshaped, {"rewrite": rewrites})
    before = warm(proxy, reshaped)
    wait_until(lambda: any(event["kind"] == "rewrite" for event in proxy.console("SHOW EVENTS")), what=proxy.said)
    said = [event["detail"] for event in proxy.console("SHOW EVENTS") if event["kind"] == "rewrite"][0]
    assert "orders: new has no table" in said and 'relation "nobody" does not exist' in said, said
    assert "nobody" in proxy.status(reshaped)["trouble"]
    mark = pair.new.log_size()
    with proxy.connect(reshaped) as connection:
        for protocol in PROTOCOLS:
            ask(connection, protocol, *READS[0])
            ask(connection, protocol, *READS[-1])
    status = proxy.settled(reshaped, before + 2 * len(PROTOCOLS))
    assert proxy.skipped(reshaped)["rewrite"] == 2 * len(PROTOCOLS), (status, proxy.skipped(reshaped))
    assert "nowhere" not in pair.new.said(mark)
    # RELOAD tries the rewrites again.
    proxy.configuration["databases"][reshaped]["rewrite"] = REWRITE
    proxy.write()
    proxy.console("RELOAD")
    wait_until(lambda: "nobody" not in (proxy.status(reshaped)["trouble"] or ""), what=proxy.said)
    matches = int(proxy.status(reshaped)["match"])

    def matched():
        with proxy.connect(reshaped) as connection:
            ask(connection, "simple", *READS[0])
        return int(proxy.settled(reshaped)["match"]) > matches
    wait_until(matched, what=proxy.said)


def test_what_other_names_can_not_say_is_skipped(start, reshaped):
    proxy = start(reshaped, {"rewrite": REWRITE})
    before = warm(proxy, reshaped)
    with proxy.connect(reshaped) as connection:
        connection.execute("SELECT o FROM orders o WHERE id = 1")
        connection.execute("SELECT id, total FROM orders GROUP BY id")
        connection.execute("SELECT id, email, city FROM users WHERE id = 1 AND city = 'x'")
    proxy.settled(reshaped, before + 3)
    assert proxy.skipped(reshaped).get("rewrite") == 3, proxy.skipped(reshaped)
    assert all(row["because"] for row in proxy.console("SHOW SKIPPED") if row["reason"] == "rewrite"), proxy.console("SHOW SKIPPED")


@pytest.mark.parametrize("protocol", PROTOCOLS[:3])
@pytest.mark.parametrize("sql, old, new, is_whole", [("SELECT note, id FROM orders WHERE id = %s", "n", "N", False),
                                                     ("SELECT city, id FROM users WHERE id = %s", "c", "C", True)],
                         ids=["names", "to"])
def test_a_canary_is_served_in_new_s_words(start, pair, reshaped, protocol, sql, old, new, is_whole):
    pair.new.psql("UPDATE sales.orders_v2 SET note = upper(note); UPDATE addresses SET city = upper(city)", reshaped)
    rewrites = [*REWRITE, {"like": "SELECT city, id FROM users WHERE id = %",
                           "to": "SELECT b.city, substr(a.key, 2)::int AS id FROM accounts a JOIN addresses b USING (key) "
                                 "WHERE a.key = 'k' || $1::text"}]
    proxy = start(reshaped, {"rewrite": rewrites, "shadow": {"percent": 0},
                             "canary": {"percent": 100, "quarantine": False, "after_write": "1ms", "patience": "5s"}})
    with proxy.connect(reshaped) as connection:
        def read(number):
            if protocol == "simple":
                return connection.execute(sql.replace("%s", str(number)))
            return connection.execute(sql, (str(number) if is_whole else number,), prepare=protocol == "prepared")

        def is_served(number):
            cursor = read(number)
            column, found = cursor.description[1], cursor.fetchone()
            assert (column.name, column.type_code) == ("id", 23)
            assert found in [(f"{old}{number}", number), (f"{new}{number}", number)]
            return found[0] == f"{new}{number}"
        wait_until(lambda: is_served(6), what=proxy.said)
        # Other literals of the same shape: they stand where names are rewritten as they stood.
        assert is_served(12) != (is_whole and protocol == "simple")
    assert proxy.settled(reshaped)["fallbacks"] == 0
