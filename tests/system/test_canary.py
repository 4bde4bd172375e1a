"""The canary: whose reads new serves, and how they come back to old."""

import time

import psycopg
import pytest

from proxy import merge, wait_until

CANARY = {"canary": {"quarantine": False, "after_write": "20ms", "patience": "5s"}, "shadow": {"percent": 0}}
NAME_OF_ONE = "SELECT name FROM items WHERE id = 1"
SIDES = {"from new": "new", "item 1": "old"}


def canary(**settings):
    return merge(CANARY, {"canary": settings})


def mark_new(pair, shop):
    """From here on the answer tells which side gave it."""
    pair.new.psql("UPDATE items SET name = 'from new' WHERE id = 1", shop)


def reader(proxy, shop, **more):
    """A session of which it is known by now that it has not written."""
    connection = proxy.connect(shop, **more)
    reads = int(proxy.status(shop)["reads"])
    connection.execute(NAME_OF_ONE)
    wait_until(lambda: int((status := proxy.status(shop))["reads"]) > reads and status["in_flight"] == "0")
    time.sleep(0.05)  # after_write
    return connection


def who_serves(proxy, shop, **more):
    with reader(proxy, shop, **more) as connection:
        return SIDES[connection.execute(NAME_OF_ONE).fetchone()[0]]


def test_at_0_percent_old_serves_and_at_100_new(start, pair, shop):
    mark_new(pair, shop)
    proxy = start(shop, CANARY)
    assert who_serves(proxy, shop) == "old"
    proxy.console(f"ALTER DATABASE {shop} SET canary_percent = 100")
    wait_until(lambda: who_serves(proxy, shop) == "new")
    assert who_serves(proxy, shop) == "new"
    status = proxy.settled(shop, 4)
    assert status["served_new"] >= 1
    proxy.console("SET canary_percent = 0")
    assert who_serves(proxy, shop) == "old"


def test_canary_reads_are_mirrored_to_old_whatever_the_shadow_percent(start, pair, shop):
    mark_new(pair, shop)
    proxy = start(shop, canary(percent=100))
    wait_until(lambda: who_serves(proxy, shop) == "new")
    proxy.settled(shop, 2)
    wait_until(lambda: proxy.tables(shop) == {("items", "name", "value")})
    wait_until(lambda: "new" in {row["served"] for row in proxy.console("SHOW MISMATCHES")})


def test_after_its_write_a_session_reads_what_it_wrote(start, pair, shop):
    proxy = start(shop, canary(percent=100, after_write="1h"))
    with proxy.connect(shop) as connection:
        for i in range(20):
            connection.execute("UPDATE items SET note = %s WHERE id = 2", (str(i),))
            assert connection.execute("SELECT note FROM items WHERE id = 2").fetchone() == (str(i),)


@pytest.mark.parametrize("ping", ["", "/* ping */", " ; -- is it there?"])
@pytest.mark.parametrize("protocol", ["simple", "extended"])
def test_a_ping_is_no_write(start, pair, shop, protocol, ping):
    mark_new(pair, shop)
    proxy = start(shop, canary(percent=100, after_write="1s"))
    with proxy.connect(shop) as connection:
        def is_served_by_new():
            return connection.execute(NAME_OF_ONE).fetchone() == ("from new",)
        wait_until(is_served_by_new)
        for _ in range(5):
            if protocol == "simple":
                connection.pgconn.exec_(ping.encode())
            else:
                connection.pgconn.exec_params(ping.replace(";", "").encode(), None)
            assert is_served_by_new()


def test_a_write_of_a_new_shape_counts_right_behind_a_canary_read(start, pair, shop):
    mark_new(pair, shop)
    proxy = start(shop, {"canary": {"percent": 100, "after_write": "1s", "patience": "5s", "quarantine": False}})
    with proxy.connect(shop) as connection:
        def is_served_by_new():
            return connection.execute(NAME_OF_ONE).fetchone() == ("from new",)
        wait_until(is_served_by_new, limit=15)
        connection.execute("UPDATE items SET name = upper('written') WHERE id = 1 AND price > 0")
        assert connection.execute(NAME_OF_ONE).fetchone() == ("WRITTEN",)


@pytest.mark.parametrize("protocol", ["simple", "extended"])
def test_when_new_fails_old_answers_unseen(start, pair, shop, protocol):
    pair.new.psql("DROP TABLE parts", shop)
    proxy = start(shop, canary(percent=100))
    with proxy.connect(shop) as connection:
        for i in range(1, 21):
            found = connection.execute(f"SELECT what FROM parts WHERE item_id = {i} AND line = 1",
                                       prepare=protocol == "extended").fetchone()
            assert found == (f"part 1 of {i}",)
    status = proxy.settled(shop, 20)
    assert status["served_old"] + status["served_new"] == 20 and status["served_new"] == 0


@pytest.mark.races
@pytest.mark.parametrize("illness", ["stop", "freeze"])
def test_when_new_goes_away_old_answers_unseen(start, pair, shop, illness):
    proxy = start(shop, canary(percent=100, patience="200ms"))
    with reader(proxy, shop) as connection:
        def read(first, last):
            for i in range(first, last):
                found = connection.execute("SELECT name FROM items WHERE id = %s", (i,), prepare=True).fetchone()
                assert found == (f"item {i}",)
        def is_served(how):
            read(1, 50)
            return int(proxy.status(shop)[how]) > 0
        wait_until(lambda: is_served("served_new"))
        try:
            getattr(pair.new, illness)()
            read(50, 200)
            wait_until(lambda: is_served("fallbacks"))  # the catalogs may just be read again, and new not asked
        finally:
            pair.new.start() if illness == "stop" else pair.new.thaw()
        read(200, 300)
    assert proxy.settled(shop, 300)["mismatch"] == 0


def test_what_old_has_answered_once_is_tried_on_new_before_new_has_answered_it(start, pair, shop):
    proxy = start(shop, canary(percent=100, patience="200ms"))
    with reader(proxy, shop) as connection:
        wait_until(lambda: connection.execute("SELECT name FROM items WHERE id = 7").fetchone() and int(proxy.status(shop)["served_new"]) > 0)
        pair.new.freeze()
        try:
            tried = sum(proxy.fallbacks().values())
            wait_until(lambda: connection.execute("SELECT price FROM items WHERE id = 8").fetchone()
                       and sum(proxy.fallbacks().values()) > tried, what=proxy.said)
        finally:
            pair.new.thaw()


@pytest.mark.races
def test_a_cancel_ends_an_answer_that_new_is_sending(start, pair, shop):
    proxy = start(shop, canary(percent=100, hold="8KiB"))
    sql = "SELECT a.id, b.name FROM items a, items b, generate_series(1, 50) c WHERE a.id < {}"
    with reader(proxy, shop) as connection:
        def is_served_by_new():
            time.sleep(0.05)
            connection.execute(sql.format(2)).fetchall()
            return int(proxy.status(shop)["served_new"]) > 0
        wait_until(is_served_by_new)
        connection.pgconn.send_query(sql.format(1000).encode())
        connection.pgconn.set_single_row_mode()
        assert connection.pgconn.get_result().ntuples == 1
        connection.pgconn.get_cancel().cancel()
        rows, code = 1, None
        while result := connection.pgconn.get_result():
            rows += result.ntuples
            code = code or result.error_field(psycopg.pq.DiagnosticField.SQLSTATE)
        assert code == b"57014" and rows < 40_000_000
        assert connection.execute("SELECT 1").fetchone() == (1,)


def test_while_all_sessions_on_new_are_busy_old_serves(start, pair, shop):
    mark_new(pair, shop)
    settings = {**canary(percent=100, hold="8KiB", patience="300ms"), "shadow": {"percent": 0, "connections": 1, "timeout": "60s"}}
    proxy = start(shop, settings, listen={"workers": 1})  # sessions on new are had by worker
    many = "SELECT b.name FROM items a, items b, generate_series(1, 50) c WHERE a.id < {}"
    with reader(proxy, shop) as greedy, reader(proxy, shop) as other:
        def is_served_by_new(connection, sql):
            return ("from new",) in connection.execute(sql).fetchall()
        wait_until(lambda: is_served_by_new(other, NAME_OF_ONE))
        wait_until(lambda: is_served_by_new(greedy, many.format(2)))
        before = proxy.fallbacks().get("unavailable", 0)
        greedy.pgconn.send_query(many.format(1000).encode())
        greedy.pgconn.set_single_row_mode()
        assert greedy.pgconn.get_result().ntuples == 1  # and takes no more: new's only session is held up
        assert other.execute(NAME_OF_ONE).fetchone() == ("item 1",)
        assert proxy.fallbacks()["unavailable"] == before + 1
        greedy.pgconn.get_cancel().cancel()
        while greedy.pgconn.get_result():
            pass
        wait_until(lambda: is_served_by_new(other, NAME_OF_ONE))


def test_writes_and_what_may_write_never_go_to_new(start, pair, shop):
    pair.new.psql("ALTER SYSTEM SET log_statement = 'all'")
    pair.new.psql("SELECT pg_reload_conf()")
    offset = pair.new.log_size()
    proxy = start(shop, canary(percent=100))
    for _ in range(3):
        with proxy.connect(shop) as connection:
            connection.execute("INSERT INTO parts VALUES (9000, (SELECT count(*) FROM parts), 'a_mark_')")
        with proxy.connect(shop) as connection:
            connection.execute("SELECT id, pg_advisory_xact_lock(1) /* a_mark_ */ FROM items WHERE id = 1")
        with proxy.connect(shop) as connection:
            connection.execute("SELECT id /* a_mark_ */ FROM items WHERE id = 1 FOR UPDATE")
    pair.new.psql("ALTER SYSTEM RESET log_statement")
    pair.new.psql("SELECT pg_reload_conf()")
    assert "a_mark_" not in pair.new.said(offset)


def test_clients_see_olds_types(start, pair):
    old = """CREATE TYPE mood AS ENUM ('sad', 'glad');
        CREATE TABLE t (id int PRIMARY KEY, n int, s varchar(10), j json, m mood);
        INSERT INTO t SELECT i, i, 'x', '{"a": 1}', 'glad' FROM generate_series(1, 10) i"""
    new = """CREATE TYPE other AS ENUM ('x'); CREATE TYPE mood AS ENUM ('sad', 'glad');
        CREATE TABLE t (id bigint PRIMARY KEY, n numeric, s text, j jsonb, m mood);
        INSERT INTO t SELECT i, i, 'x', '{"a": 1}', 'glad' FROM generate_series(1, 10) i"""
    name = pair.database(old, new)
    proxy = start(name, canary(percent=100))
    # In binary a numeric or an enum of new's is left to old; everything else is presented anew.
    for sql, binary in (("SELECT id, n, s, j, m FROM t ORDER BY id", False), ("SELECT id, s, j FROM t ORDER BY id", True)):
        with pair.old.connect(name) as direct:
            wanted = direct.execute(sql, binary=binary)
            types, rows = [column.type_code for column in wanted.description], wanted.fetchall()
        before = int(proxy.status(name)["served_new"])
        with proxy.connect(name) as connection:
            def is_served_by_new():
                time.sleep(0.05)
                found = connection.execute(sql, binary=binary)
                assert [column.type_code for column in found.description] == types
                assert found.fetchall() == rows
                return int(proxy.status(name)["served_new"]) > before
            wait_until(is_served_by_new)
    assert proxy.settled(name)["mismatch"] == 0
    proxy.stop()
    pair.forget(name)


def test_a_rollback_is_latched_until_it_is_armed_again(start, pair, shop):
    proxy = start(shop, CANARY)
    proxy.console("SET canary_percent = 50")
    proxy.console(f"ROLLBACK CANARY {shop} REASON 'it''s late'")
    status = proxy.status(shop)
    assert (float(status["canary_percent"]), status["canary_state"]) == (0, "latched")
    with pytest.raises(psycopg.Error):
        proxy.console("SET canary_percent = 10")
    assert float(proxy.status(shop)["canary_percent"]) == 0
    assert any("it's late" in row["detail"] for row in proxy.console("SHOW EVENTS"))
    proxy.console(f"ARM CANARY {shop}")
    proxy.console("SET canary_percent = 10")
    status = proxy.status(shop)
    assert (float(status["canary_percent"]), status["canary_state"]) == (10, "armed")


@pytest.mark.races
@pytest.mark.parametrize("latch", [False, True])
def test_percent_and_latch_outlive_a_restart(start, shop, latch):
    proxy = start(shop, CANARY)
    proxy.console("SET canary_percent = 12.34")
    if latch:
        proxy.console("ROLLBACK CANARY")
    for _ in range(2):
        status = proxy.status(shop)
        assert (float(status["canary_percent"]), status["canary_state"]) == ((0, "latched") if latch else (12.34, "armed"))
        proxy.stop()
        proxy.start()


MANY = 1_200_000  # rows: more than the buffers in between take


def long_read(rows):
    return f"SELECT i.name, g FROM items i, generate_series(1, {rows}) g WHERE i.id = 1"


def served_by_new(proxy, shop, connection):
    def is_served():
        before = int(proxy.status(shop)["served_new"])
        connection.execute(long_read(10))
        return int(proxy.settled(shop)["served_new"]) > before
    wait_until(is_served)


def take_slowly(connection, sql, pause):
    """Who gave the first row, how many there were in all, and the error that it ended with. The pause is behind the first."""
    connection.pgconn.send_query(sql.encode())
    connection.pgconn.set_single_row_mode()
    first = connection.pgconn.get_result()
    assert first.ntuples == 1, first.error_message
    time.sleep(pause)
    count, last = 1, None
    while (result := connection.pgconn.get_result()) is not None:
        count, last = count + result.ntuples, result
    return first.get_value(0, 0), count, last.error_field(psycopg.pq.DiagnosticField.SQLSTATE)


def with_long_reads(start, pair, shop):
    mark_new(pair, shop)
    return start(shop, merge(canary(percent=100), {"shadow": {"timeout": "500ms"}}))


def test_a_client_may_take_longer_than_mirrored_reads_have(start, pair, shop):
    proxy = with_long_reads(start, pair, shop)
    with proxy.connect(shop) as connection:
        served_by_new(proxy, shop, connection)
        taken = take_slowly(connection, long_read(MANY), 4)  # over six times shadow.timeout
    assert taken == (b"from new", MANY, None)


@pytest.mark.parametrize("options, statement", [
    ("", "SET statement_timeout = '300ms'"), ("", "SELECT set_config('statement_timeout', '300', false)"),
    ("-c statement_timeout=300ms", "SELECT 1")])
def test_the_client_s_own_time_out_holds_on_new(start, pair, shop, options, statement):
    proxy = with_long_reads(start, pair, shop)
    with proxy.connect(shop, options=options) as connection:
        connection.execute(statement)
        served_by_new(proxy, shop, connection)
        side, count, sqlstate = take_slowly(connection, long_read(MANY), 1)
        assert (side, sqlstate) == (b"from new", b"57014") and count < MANY
        connection.execute("SET statement_timeout = 0")
        served_by_new(proxy, shop, connection)
        assert take_slowly(connection, long_read(MANY), 1) == (b"from new", MANY, None)


def test_an_error_that_old_gives_as_well_is_not_new_s(start, shop):
    limits = {"window": "10s", "min_comparisons": 20, "max_error_rate": 0.01, "max_fallback_rate": 0.9, "action": "alert"}
    proxy = start(shop, merge(canary(percent=100), {"guardrail": limits}))
    one_of = "SELECT (SELECT id FROM items WHERE id <= {}) FROM items WHERE id = 4"
    with proxy.connect(shop) as connection:
        def ask(turn):
            if turn % 5:
                assert connection.execute(one_of.format(1)).fetchone() == (1,)
            else:
                with pytest.raises(psycopg.errors.CardinalityViolation):
                    connection.execute(one_of.format(2))
        def is_judged():
            for turn in range(100):
                ask(turn)
            return proxy.status(shop)["guardrail"] in ("fine", "alert") and int(proxy.status(shop)["fallbacks"]) > 20
        wait_until(is_judged)
        time.sleep(1.5)
    assert not [event for event in proxy.console("SHOW EVENTS") if event["kind"] == "guardrail"]
