"""A client can't tell the proxy from old: the same bytes are said both ways, and the answers compared byte by byte."""

import socket
import struct

import psycopg
import pytest

from conftest import SHOP
from peer import Client, message, startup, text
from proxy import Proxy, wait_until
from twice import Both, bind, close, codes, describe, execute, flush, kinds, parse, sync


@pytest.fixture(scope="module")
def served(pair):
    """One proxy for all scripts, which serves any name, before a database that they leave as it was: (proxy, database)."""
    name = pair.database(SHOP + "CREATE TABLE scratch (a int);")
    old, new = (f"host=127.0.0.1 port={side.port} user=app sslmode=disable" for side in (pair.old, pair.new))
    proxy = Proxy({"*": {"old": old, "new": new}}).start()
    try:
        yield proxy, name
        proxy.settled(name)
        proxy.stop()
    finally:
        proxy.kill()
        pair.forget(name)


@pytest.fixture
def both(pair, served):
    proxy, name = served
    return Both(pair.old.port, proxy.port, name)


@pytest.fixture(scope="module")
def roles(pair):
    make = ("CREATE ROLE no_login NOLOGIN", "CREATE ROLE nobody_more LOGIN CONNECTION LIMIT 0",
            "CREATE DATABASE closed ALLOW_CONNECTIONS false", "CREATE DATABASE no_more CONNECTION LIMIT 0",
            "CREATE ROLE slow LOGIN", "ALTER ROLE slow SET work_mem = '3MB'")
    drop = ("DROP DATABASE closed", "DROP DATABASE no_more", "DROP ROLE no_login, nobody_more, slow")
    pair.old.psql(";\n".join(make))
    yield
    pair.old.psql(";\n".join(drop))


@pytest.mark.parametrize("parameters, code", [
    ({"database": "not_there"}, "3D000"),
    ({"user": "nobody_knows"}, "28000"),
    ({"user": "no_login"}, "28000"),
    ({"user": "nobody_more"}, "53300"),
    ({"database": "closed"}, "55000"),
    ({"database": "no_more"}, "53300"),
    ({"work_mem": "much"}, "22023"),
    ({"work_mem": "1kB"}, "22023"),
    ({"no_such_setting": "1"}, "42704"),
    ({"log_statement": "all"}, "42501"),
    ({"my.9bad": "1"}, "42602"),
    ({"client_encoding": "NOTHING"}, "22023"),
    ({"DateStyle": "upside down"}, "22023"),
    ({"options": "-c work_mem"}, "42601"),
    ({"options": "-c no_such_setting=1"}, "42704"),
    ({"options": "--nothing=1"}, "42704"),
    ({"options": "-Q"}, "42601"),
    ({"options": "stray"}, "42601"),
    ({"replication": "perhaps"}, "22023"),
])
def test_a_refused_login_is_refused_in_old_s_words(both, roles, parameters, code):
    parameters = {"user": "app", "database": both.database, **parameters}
    heard = both.raw(lambda client: client.begin(**parameters))
    assert codes(heard) == [code] and kinds(heard)[-1] == "."


@pytest.mark.parametrize("user, reply", [("md5_user", b"md5" + b"0" * 32), ("password_user", b"wrong"),
                                         ("password_user", b"")])
def test_a_wrong_password_is_refused_in_old_s_words(both, user, reply):
    def script(client):
        client.send(startup(user=user, database=both.database))
        kind, _ = client.receive()
        assert kind == "R"
        client.heard.clear()  # the salt
        client.say(message("p", text(reply.decode())))
    heard = both.raw(script)
    assert codes(heard) == ["28P01"]


@pytest.mark.parametrize("packet", [
    struct.pack("!ii", 8, 196608 + 65536 * 7), struct.pack("!ii", 10, 196608) + b"xy",
    struct.pack("!ii", 8, 196608), struct.pack("!ii", 9, 196608) + b"\0",
], ids=["version 10", "no terminator", "nothing", "no user"])
def test_a_bad_startup_packet_ends_the_connection_with_the_same_code(both, packet):
    heard = []
    for port in both.ports:
        with socket.create_connection(("127.0.0.1", port), 30) as client:
            client.sendall(packet)
            said = b""
            while more := client.recv(4096):
                said += more
            heard.append([field for field in said[5:].split(b"\0") if field[:1] in (b"S", b"V", b"C")])
    assert heard[0] == heard[1]


@pytest.mark.parametrize("version", [0x20000, 0x20003, 0x10000, 1])
def test_a_startup_packet_of_an_older_protocol_is_refused_byte_by_byte_alike(both, version):
    heard = []
    for port in both.ports:
        with Client(port) as client:
            client.send(struct.pack("!ii", 296, version) + b"\0" * 288)
            heard.append(client.rest())
    assert heard[0] == heard[1] and heard[0].startswith(b"EFATAL:  unsupported")


# PostgreSQL closes without a word (its log has "invalid message length"); a client of ours is told why.
@pytest.mark.parametrize("length", [0, 3, 0x80000000, 0xffffffff])
def test_a_message_without_a_length_ends_the_session_where_old_would_end_it(both, length):
    heard = []
    for port in both.ports:
        with Client(port) as client:
            client.login("app", both.database)
            client.send(b"Q" + struct.pack("!I", length) + b"SELECT 1\0")
            heard.append(client.rest())
    assert heard[0] == b"" and b"SFATAL\0VFATAL\0C08P01\0Minvalid message length\0" in heard[1]


def test_two_phase_commit_leaves_what_it_left_directly(both):
    def script(client):
        client.ask("BEGIN", "INSERT INTO scratch VALUES (7)", "PREPARE TRANSACTION 'kept'", "SELECT count(*) FROM scratch",
                   "SELECT gid, owner, database = current_database() FROM pg_prepared_xacts", "COMMIT PREPARED 'kept'",
                   "SELECT count(*) FROM scratch", "BEGIN; INSERT INTO scratch VALUES (8)",
                   "PREPARE TRANSACTION 'undone'", "ROLLBACK PREPARED 'undone'", "DELETE FROM scratch")
        client.say(parse("BEGIN"), bind(), execute(), parse("INSERT INTO scratch VALUES (9)"), bind(), execute(),
                   parse("PREPARE TRANSACTION 'extended'"), bind(), execute(), sync(), message("Q", text("COMMIT PREPARED 'extended'")),
                   times=2)
        client.ask("TRUNCATE scratch")
    heard = both(script)
    assert codes(heard) == [] and kinds(heard).count("Z") == 15


def test_a_bad_row_early_in_a_large_copy_is_told_while_the_client_still_sends(both, served):
    proxy, _ = served
    chunk = message("d", b"1\n" * 500_000)
    memory = []

    def script(client):
        client.say(message("Q", text("COPY scratch FROM STDIN")), until="G")
        client.send(message("d", b"1\nno number\n"))
        memory.append(proxy.memory())
        for i in range(100):
            client.send(chunk)
            if i == 50:
                client.until("E")  # and more is sent behind it
        memory.append(proxy.memory())
        client.say(message("c"))
        client.ask("SELECT count(*) FROM scratch")
    assert codes(both(script)) == ["22P02"]
    assert memory[3] - memory[2] < 50, memory  # MiB, of 100 that were sent


@pytest.mark.parametrize("parameters, setting, value", [
    ({"my.setting": "a 'quoted' \\ value"}, "my.setting", "a 'quoted' \\ value"),
    ({"options": "-c work_mem=7MB -c geqo=off"}, "work_mem", "7MB"),
    ({"options": "-c my.words=one\\ two\\\\three"}, "my.words", "one two\\three"),
    ({"options": "--work-mem=9MB"}, "work_mem", "9MB"),
    ({"options": "  -c   search_path=pg_catalog,public "}, "search_path", "pg_catalog,public"),
    ({"options": ""}, "work_mem", "4MB"),
    ({"client_encoding": "LATIN1"}, "client_encoding", "LATIN1"),
    ({"client_encoding": "'utf-8'"}, "client_encoding", "UTF8"),
    ({"TimeZone": "Asia/Kathmandu", "DateStyle": "German"}, "TimeZone", "Asia/Kathmandu"),
    ({"application_name": "näme\nof it"}, "application_name", "n??me?of it"),
    ({"extra_float_digits": "0", "WORK_MEM": "5MB"}, "work_mem", "5MB"),
    ({"user": "slow"}, "work_mem", "3MB"),
])
def test_startup_parameters_have_their_effect(both, roles, parameters, setting, value):
    heard = both(lambda client: client.ask(f"SELECT current_setting('{setting}')",
                                           "SELECT 'é', 1.1::float8, '2024-05-06 07:08+00'::timestamptz"), **parameters)
    assert any(kind == "D" and body[6:] == value.encode() for kind, body in heard), heard


SIMPLE = {
    "empty": [""], "blank and comment": [" ; ;-- nothing\n;"], "several": ["SELECT 1; SELECT 'two', NULL;; VALUES (3), (4)"],
    "error in the middle": ["SELECT 1; SELECT 1/0; SELECT 2", "SELECT 3"],
    "syntax error in the last": ["SELECT 1; SELEC 2"],
    "transaction": ["BEGIN; SELECT id FROM items ORDER BY id LIMIT 3; COMMIT"],
    "failed transaction": ["BEGIN", "SELECT id FROM items WHERE id = 1", "SELECT 1/0", "SELECT id FROM items", "COMMIT", "SELECT 1"],
    "savepoint": ["BEGIN", "SAVEPOINT a", "SELECT nothing", "ROLLBACK TO a", "SELECT name FROM items WHERE id = 2", "COMMIT"],
    "commit without begin": ["COMMIT", "ROLLBACK", "BEGIN", "BEGIN", "ROLLBACK"],
    "implicit block": ["INSERT INTO scratch VALUES (1); SELECT 1/0", "SELECT count(*) FROM scratch"],
    "cursors": ["BEGIN", "DECLARE c SCROLL CURSOR FOR SELECT id, name FROM items ORDER BY id", "FETCH 3 FROM c",
                "FETCH BACKWARD 2 FROM c", "MOVE LAST IN c", "FETCH c", "CLOSE c", "FETCH c", "ROLLBACK"],
    "with hold": ["BEGIN", "DECLARE h CURSOR WITH HOLD FOR SELECT id FROM items ORDER BY id", "COMMIT", "FETCH 2 FROM h",
                  "CLOSE ALL", "FETCH h"],
    "sql prepared": ["PREPARE p AS SELECT name FROM items WHERE id = $1", "EXECUTE p(3)", "EXECUTE p('x')", "DEALLOCATE p",
                     "EXECUTE p(3)", "DEALLOCATE ALL", "DISCARD ALL"],
    "settings": ["SET TimeZone = 'Asia/Tokyo'", "SHOW TimeZone", "SELECT made FROM items WHERE id = 1",
                 "BEGIN; SET LOCAL DateStyle = 'SQL'; SELECT made FROM items WHERE id = 1; ROLLBACK",
                 "SET application_name = 'x'; SET client_encoding = 'LATIN1'; SELECT 'ä'; RESET ALL",
                 "SET standard_conforming_strings = off", "SELECT 'a\\n'", "SET nothing.at_all = 1", "SHOW nothing.at_all",
                 "SET IntervalStyle = 'iso_8601'; SELECT '1 day 2:00'::interval", "SET work_mem = 'much'"],
    "roles": ["SET ROLE no_such_role", "SET SESSION AUTHORIZATION postgres", "RESET ROLE"],
    "notices": ["DO $$ BEGIN FOR i IN 1..3000 LOOP RAISE NOTICE 'notice % %', i, repeat('x', i % 400); END LOOP; END $$",
                "DROP TABLE IF EXISTS not_there", "SET client_min_messages = debug1; SELECT 1; RESET client_min_messages"],
    "raised": ["DO $$ BEGIN RAISE EXCEPTION 'all of it' USING DETAIL = 'd', HINT = 'h', ERRCODE = 'ABC12', COLUMN = 'c', "
               "CONSTRAINT = 'n', DATATYPE = 't', TABLE = 'r', SCHEMA = 's'; END $$"],
    "two-phase": ["BEGIN", "PREPARE TRANSACTION 'nothing'", "SELECT 1", "COMMIT PREPARED 'not there'", "ROLLBACK PREPARED 'nothing'"],
    "listen": ["LISTEN here", "NOTIFY here, 'to myself'", "BEGIN; NOTIFY here, 'later'", "SELECT 1", "COMMIT", "UNLISTEN *",
               "NOTIFY here", "SELECT pg_notify('', '')"],
    "large objects": ["SELECT lo_create(424242)", "SELECT lo_put(424242, 0, '\\x00ff00')", "SELECT lo_get(424242)",
                      "SELECT lo_unlink(424242)", "SELECT lo_get(424242)"],
    "wide": ["SELECT " + ", ".join(f"{i} AS c{i}" for i in range(1600)), "SELECT " + ", ".join(["1"] * 1665)],
    "long": ["SELECT length('" + "x" * 3_000_000 + "')", "SELECT repeat('y', 5000000)"],
    "no columns": ["SELECT", "SELECT FROM items LIMIT 3", "SELECT count(*) FROM (SELECT FROM items) t"],
    "copy out": ["COPY (SELECT id, name, note FROM items ORDER BY id) TO STDOUT", "COPY parts TO STDOUT (FORMAT binary)",
                 "COPY not_there TO STDOUT", "SELECT 1; COPY (SELECT 1) TO STDOUT; SELECT 2"],
    "explain": ["EXPLAIN (COSTS off) SELECT * FROM items WHERE id = 1"],
    "time-out": ["SET statement_timeout = 20", "SELECT pg_sleep(30)", "RESET statement_timeout", "SELECT name FROM items WHERE id = 5"],
    "lock time-out": ["BEGIN; SET LOCAL lock_timeout = '10ms'; LOCK TABLE items; ROLLBACK"],
    "bad utf-8": ["SELECT '\udcff'"],
}


@pytest.mark.parametrize("name", SIMPLE)
def test_simple_queries_are_answered_byte_by_byte_alike(both, name):
    def script(client):
        for sql in SIMPLE[name]:
            client.say(message("Q", sql.encode(errors="surrogateescape") + b"\0"))
    both(script)


def row(n):
    return struct.pack("!i", n)


EXTENDED = {
    "unnamed": [parse("SELECT id, name FROM items WHERE id = $1", types=[23]), bind(b"7"), describe("P"), execute(), sync()],
    "binary": [parse("SELECT id, price, weight, made, tags, doc, state FROM items WHERE id = $1", types=[23]),
               bind(row(9), formats=[1], results=[1]), describe("P"), execute(), sync()],
    "mixed formats": [parse("SELECT $1::int4, $2::text, $3::bytea, $4::int8"), describe("S"),
                      bind(row(1), b"t", b"\0\xff", None, formats=[1, 0, 1, 0], results=[0, 1, 1, 0]), describe("P"), execute(), sync()],
    "named twice": [parse("SELECT 1", "a"), parse("SELECT 2", "a"), sync(), bind(name="a"), execute(), sync(), close("S", "a"),
                    parse("SELECT name FROM items WHERE id = 2", "a"), bind(name="a"), execute(), sync(), close("S", "never"), sync()],
    "empty": [parse(""), bind(), describe("P"), execute(), sync()],
    "two statements": [parse("SELECT 1; SELECT 2"), bind(), execute(), sync()],
    "row limit": [parse("SELECT id FROM items ORDER BY id"), bind(portal="p"), execute("p", 3), execute("p", 2), describe("P", "p"),
                  execute("p", 0), execute("p", 1), close("P", "p"), execute("p"), sync()],
    "a portal is gone after sync": [parse("SELECT id FROM items ORDER BY id"), bind(portal="p"), execute("p", 3), sync(), execute("p"), sync()],
    "a portal lives in a transaction": [message("Q", b"BEGIN\0"), parse("SELECT id FROM items ORDER BY id"), bind(portal="p"),
                                        execute("p", 3), sync(), execute("p", 3), sync(), message("Q", b"FETCH 2 FROM p\0"),
                                        message("Q", b"COMMIT\0"), execute("p"), sync()],
    "error in parse": [parse("SELEC 1"), bind(), describe("P"), execute(), sync(), parse("SELECT 1"), bind(), execute(), sync()],
    "error in bind": [parse("SELECT $1::int4"), bind(b"x"), execute(), sync()],
    "too few parameters": [parse("SELECT $1::int4, $2::int4"), bind(b"1"), execute(), sync()],
    "wrong binary length": [parse("SELECT $1::int4"), bind(b"123", formats=[1]), execute(), sync()],
    "error in execute": [parse("SELECT 1/(id - 3) FROM items ORDER BY id LIMIT 5"), bind(), describe("P"), execute(), execute(), sync()],
    "unknown names": [bind(name="nope"), sync(), describe("S", "nope"), sync(), describe("P", "nope"), sync(), execute("nope"), sync()],
    "unknown type": [parse("SELECT $1", types=[999999]), sync(), parse("SELECT $1"), describe("S"), sync()],
    "nul in text": [parse("SELECT $1::text"), bind(b"a\0b"), execute(), sync()],
    "bad utf-8": [parse("SELECT $1::text"), bind(b"\xff"), execute(), sync()],
    "bad format code": [parse("SELECT 1"), bind(results=[7]), execute(), sync()],
    "describe a write": [parse("INSERT INTO scratch VALUES (1) RETURNING a", "w"), describe("S", "w"), sync(), parse("SET work_mem = '1MB'"),
                         describe("S"), bind(), describe("P"), execute(), sync()],
    "statements outlive an error": [parse("SELECT 11", "s"), bind(name="s"), execute(), parse("SELECT 1/0"), bind(), execute(),
                                    parse("SELECT 12", "t"), sync(), bind(name="s"), execute(), sync(), bind(name="t"), execute(), sync()],
    "deallocate all": [parse("SELECT 11", "s"), sync(), message("Q", b"DEALLOCATE ALL\0"), bind(name="s"), execute(), sync(),
                       parse("SELECT name FROM items WHERE id = 4", "s"), sync(), message("Q", b"DISCARD ALL\0"), bind(name="s"), sync()],
    "begin in a pipeline": [parse("BEGIN"), bind(), execute(), parse("SELECT id FROM items WHERE id = 1"), bind(), execute(), sync(),
                            parse("SELECT 1/0"), bind(), execute(), parse("ROLLBACK"), bind(), execute(), sync(),
                            parse("ROLLBACK"), bind(), execute(), sync()],
    "replan": [message("Q", b"CREATE TEMP TABLE re (a int)\0"), parse("SELECT * FROM re", "s"), bind(name="s"), execute(), sync(),
               message("Q", b"ALTER TABLE re ADD b text\0"), bind(name="s"), execute(), sync(), message("Q", b"DROP TABLE re\0"),
               bind(name="s"), execute(), sync()],
    "simple amid extended": [parse("SELECT 5", "five"), message("Q", b"SELECT 6\0"), bind(name="five"), execute(), sync()],
    "syncs alone": [sync(), sync(), sync()],
    "execute twice": [parse("SELECT id FROM items WHERE id < 3 ORDER BY id"), bind(), execute(), execute(), sync()],
    "copy in extended": [parse("COPY (SELECT 1) TO STDOUT"), bind(), describe("P"), execute(), sync()],
    "function call": [message("F", struct.pack("!Ihhhiih", 1397, 1, 1, 1, 4, -42, 1)),
                      message("F", struct.pack("!Ihhhiih", 4_000_000_000, 1, 1, 1, 4, 1, 1)),
                      message("F", struct.pack("!Ihhhh", 1397, 1, 1, 0, 1)), message("Q", b"SELECT 1\0")],
}


def answers(messages):
    """How many ReadyForQuery these messages bring."""
    return sum(one[:1] in (b"Q", b"S", b"F") for one in messages)


@pytest.mark.parametrize("in_parts", [False, True], ids=["at once", "byte by byte"])
@pytest.mark.parametrize("name", EXTENDED)
def test_the_extended_protocol_is_answered_byte_by_byte_alike(both, name, in_parts):
    def script(client):
        messages = EXTENDED[name]
        if in_parts:
            whole = b"".join(messages)
            for i in range(len(whole)):
                client.send(whole[i:i + 1])
        else:
            client.send(*messages)
        client.until("Z", answers(messages))
    both(script)


def test_flush_brings_answers_before_the_sync(both):
    def script(client):
        client.say(parse("SELECT id FROM items ORDER BY id", "f"), describe("S", "f"), flush(), until="T")
        client.say(bind(name="f", portal="g"), execute("g", 2), flush(), until="s")
        client.say(execute("g", 2), flush(), until="s")
        client.say(parse("SELEC"), flush(), until="E")
        client.say(execute("g", 2), sync())
    assert "s" in kinds(both(script))


def test_65535_parameters_pass(both):
    def script(client):
        sql = "SELECT count(*) FROM items WHERE id IN (" + ",".join(f"${i}" for i in range(1, 65536)) + ")"
        client.say(parse(sql, types=[23]), bind(*[str(i).encode() for i in range(65535)]), execute(), sync())
    assert codes(both(script)) == []


def test_an_error_arrives_while_a_copy_is_still_being_sent(both):
    chunk = message("d", b"1\n" * 32768)

    def script(client):
        client.say(message("Q", text("COPY scratch FROM STDIN")), until="G")
        client.send(message("d", b"1\nno number\n"))
        for _ in range(320):  # 20 MB, most of it after old has spoken
            client.send(chunk)
        client.say(message("c"))
        client.ask("SELECT count(*) FROM scratch")
        # And the client's own failure.
        client.say(message("Q", text("COPY scratch FROM STDIN")), until="G")
        client.say(message("d", b"1\n"), message("f", text("I don't want to")))
        client.say(message("Q", text("COPY scratch FROM STDIN")), until="G")
        client.say(message("H"), message("S"), message("d", b"5\n"), message("c"))  # Flush and Sync are ignored here
        client.ask("DELETE FROM scratch")
    assert codes(both(script)) == ["22P02", "57014"]


def test_a_copy_in_the_extended_protocol_that_fails_skips_to_the_sync(both):

    def script(client):
        client.say(parse("COPY scratch FROM STDIN"), bind(), execute(), flush(), until="G")
        client.say(message("d", b"x\n"), message("d", b"2\n"), message("c"), parse("SELECT 1"), sync())
        client.say(parse("COPY scratch FROM STDIN"), bind(), execute(), flush(), until="G")
        client.say(message("d", b"3\n"), message("c"), sync())
        client.ask("TRUNCATE scratch")
    assert codes(both(script)) == ["22P02"]


def test_a_huge_pipeline_whose_first_statement_fails(both):
    def script(client):
        client.say(parse("SELECT 1/0"), bind(), execute(),
                   *[parse("SELECT name FROM items WHERE id = $1") + bind(b"1") + execute() for _ in range(20000)], sync(),
                   *[parse("SELECT name FROM items WHERE id = $1", types=[23]) + bind(b"1") + execute() + sync()
                     for _ in range(500)], times=501)
    heard = kinds(both(script))
    assert heard.count("E") == 1 and heard.count("D") == 500


@pytest.mark.parametrize("setting, begin, code", [
    ("idle_in_transaction_session_timeout", "BEGIN; SELECT id FROM items WHERE id = 1", "25P03"),
    ("idle_session_timeout", "SELECT id FROM items WHERE id = 1", "57P05")])
def test_a_session_that_idles_too_long_hears_why(both, setting, begin, code):
    def script(client):
        client.ask(f"SET {setting} = 50", begin)
        assert client.until("") == "closed"
    assert codes(both(script)) == [code]


@pytest.mark.parametrize("state", ["idle", "in a transaction", "in a query", "in a copy"])
def test_a_terminated_backend_says_57p01_and_ends(both, pair, state):
    def script(client):
        pid = struct.unpack("!i", client.key[:4])[0]
        if state == "in a transaction":
            client.ask("BEGIN", "SELECT id FROM items WHERE id = 1")
        if state == "in a query":
            client.send(message("Q", text("SELECT pg_sleep(60)")))
            wait_until(lambda: pair.old.psql(f"SELECT 1 FROM pg_stat_activity WHERE pid = {pid} AND wait_event = 'PgSleep'"))
        if state == "in a copy":
            client.say(message("Q", text("COPY items FROM STDIN")), until="G")
        pair.old.psql(f"SELECT pg_terminate_backend({pid})")
        if state == "in a copy":
            wait_until(lambda: not pair.old.psql(f"SELECT 1 FROM pg_stat_activity WHERE pid = {pid}"))
        assert client.until("") == "closed"
    assert codes(both(script)) == ["57P01"]


def test_notifications_come_to_an_idle_session_and_not_into_a_transaction(both, pair):
    def script(client):
        client.ask("LISTEN shop")
        notify = "SET application_name = 'x'; SELECT pg_notify('shop', '{}')"
        pair.old.psql(notify.format("idle"), both.database)
        client.until("A")
        client.ask("BEGIN", "SELECT name FROM items WHERE id = 1")
        pair.old.psql(notify.format("held back"), both.database)
        client.ask("SELECT name FROM items WHERE id = 2", "COMMIT")
        if kinds(client.heard)[-2:] != "A":
            client.heard.append(("A?", b""))
        client.ask("SELECT 1")

    def blank(client):
        script(client)
        client.heard = [(kind, body[4:] if kind == "A" else body) for kind, body in client.heard if kind != "A?"]
    heard = both(blank)
    assert kinds(heard).count("A") == 2


@pytest.mark.parametrize("junk", [message("Q", b"no end"), message("B", b"\0"), message("P", b"abc"), message("D", b"X\0"),
                                  message("C", b"X\0"), message("E", b"\0")],
                         ids=["unterminated", "bind", "parse", "describe", "close", "execute"])
def test_a_malformed_message_is_answered_as_old_answers_it(both, junk):
    def script(client):
        client.send(junk, sync(), message("X"))
        assert client.until("") == "closed"
    assert codes(both(script)) == ["08P01"]


@pytest.mark.parametrize("kind", "yRZ")
def test_a_message_of_no_known_type_ends_the_session_in_old_s_words(both, kind):
    def script(client):
        client.say(message(kind, b"what"), until="E")
        _, said = client.heard.pop()
        client.heard.append(("E", b"\0".join(field for field in said.split(b"\0") if field[:1] in b"SVCM")))
        assert client.until("") == "closed"
    assert codes(both(script)) == ["08P01"]


def test_a_client_that_says_goodbye_hears_the_end(both):
    def script(client):
        client.send(message("Q", text("SELECT id FROM items ORDER BY id")), message("X"))
        assert client.until("") == "closed"
    assert kinds(both(script)).count("D") == 1000


def test_what_comes_with_the_startup_packet_is_answered(both):
    def script(client):
        client.send(startup(user="app", database=both.database) + message("Q", text("SELECT name FROM items WHERE id = 3")))
        client.until("Z", 2)
    both.raw(script)


@pytest.mark.races
def test_a_cancel_ends_the_query_that_runs_and_never_the_next(pair, served):
    proxy, name = served
    with proxy.connect(name) as connection, pair.old.connect("postgres", user="postgres") as watch:
        pid = connection.info.backend_pid
        cancel = connection.pgconn.get_cancel()
        for _ in range(20):
            connection.pgconn.send_query(b"SELECT pg_sleep(60)")
            wait_until(lambda: watch.execute("SELECT 1 FROM pg_stat_activity WHERE pid = %s AND wait_event = 'PgSleep'",
                                             (pid,)).fetchone())
            cancel.cancel()
            result = connection.pgconn.get_result()
            assert result.error_field(psycopg.pq.DiagnosticField.SQLSTATE) == b"57014"
            assert connection.pgconn.get_result() is None
            cancel.cancel()  # too late: it has come and gone when this returns
            for _ in range(3):
                assert connection.execute("SELECT count(*) FROM items").fetchone() == (1000,)
