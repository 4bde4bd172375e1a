"""What new answers in old's place is what old would have said, byte for byte: users' types have other OIDs on new, and types are
wider there. And what clients send for old is understood by new."""

import json
import os
import struct
import subprocess

import psycopg
import pytest
from psycopg.types import TypeInfo
from psycopg.types.composite import CompositeInfo, register_composite
from psycopg.types.enum import EnumInfo, register_enum
from psycopg.types.hstore import register_hstore

from clusters import ROOT
from peer import message, text
from proxy import merge, wait_until
from twice import Talk, bind, describe, execute, parse, sync

CANARY = {"canary": {"percent": 100, "quarantine": False, "after_write": "20ms", "patience": "5s"},
          "shadow": {"percent": 0, "noise": 0}}

OLD = """CREATE TYPE mood AS ENUM ('sad', 'glad');
CREATE TYPE tone AS ENUM ('low', 'high');
CREATE DOMAIN age AS int CHECK (VALUE > 0);
CREATE TYPE pair AS (a int, m mood, n numeric(6,2));
CREATE TYPE span AS RANGE (subtype = int4, multirange_type_name = spans);
CREATE EXTENSION hstore;
CREATE TABLE t (id int PRIMARY KEY, small smallint, n int, d numeric(8,2), f real, yes boolean, s varchar(10), c char(6),
    j json, b jsonb, at timestamp(3), m mood, ms mood[], g age, gs age[], p pair, ps pair[], r span, rs spans, h hstore,
    ns int[], ir int4range);
"""
NEW = """CREATE EXTENSION hstore;
CREATE TYPE other AS ENUM ('x');
CREATE TYPE tone AS ENUM ('high', 'low');
CREATE TYPE span AS RANGE (subtype = int8, multirange_type_name = spans);
CREATE TYPE mood AS ENUM ('sad', 'glad', 'mad');
CREATE DOMAIN age AS bigint CHECK (VALUE > 0);
CREATE TYPE pair AS (a bigint, m mood, n numeric);
CREATE TABLE before (id int);
CREATE TABLE t (id bigint PRIMARY KEY, small int, n numeric, d numeric(12,4), f double precision, yes int, s text, c varchar,
    j jsonb, b json, at timestamp, m mood, ms mood[], g age, gs age[], p pair, ps pair[], r span, rs spans, h hstore,
    ns bigint[], ir int8range);
"""
ROWS = """INSERT INTO t SELECT i, i, i, i * 1.25, i / 4.0, i % 2 = 0, 's' || i, 'c' || i, json_build_object('a', i)::jsonb,
    '{"b": [1, "x"], "aa": 2}', '2024-02-03 04:05:06.789', 'glad', '{sad,NULL,glad}', i, ARRAY[i, i + 1], (i, 'sad', 2.5)::pair,
    ARRAY[(i, 'glad', NULL)::pair, NULL, (NULL, NULL, 7)::pair], span(i, i + 5, '[]'), spans(span(1, 3), span(i + 9, NULL)),
    'a=>1,b=>NULL', ARRAY[[i, 2], [3, NULL]], int4range(i, i + 3) FROM generate_series(1, 20) i;
INSERT INTO t (id) VALUES (21);
INSERT INTO t (id, ms, gs, ps, rs, ns, ir, s) VALUES (22, '{}', '{}', '{}', '{}', '{}', 'empty', '')"""
NEW_ROWS = ROWS.replace("i % 2 = 0, 's'", "(i % 2 = 0)::int, 's'").replace("int4range(i, i + 3)", "int8range(i, i + 3)")
COLUMNS = "id, small, n, d, f, yes, s, c, b, at, m, ms, g, gs, p, ps, r, rs, h, ns, ir"


@pytest.fixture(scope="module")
def types(pair):
    name = pair.database(OLD + ROWS, NEW + NEW_ROWS)
    yield name
    pair.forget(name)


def oids(pair, name):
    with pair.old.connect(name) as connection:
        found = connection.execute("SELECT typname, oid FROM pg_type WHERE typname IN ('mood', '_mood', 'pair', '_pair', 'span')")
        return {one: int(oid) for one, oid in found.fetchall()}


class Asks:
    """Puts units to old directly and through the proxy, in one session, until new has served all of their reads."""

    def __init__(self, pair, proxy, name):
        self.pair, self.proxy, self.name = pair, proxy, name

    def served(self):
        status = self.proxy.settled(self.name)
        return status["served_new"], status["fallbacks"]

    def say(self, client, units):
        client.heard = []
        for unit in units:
            client.say(*unit)
        return client.heard

    def __call__(self, units, by_new=None):
        """by_new: how many of the units' reads new serves in the end; all of them unless it is said."""
        by_new = len(units) if by_new is None else by_new
        with Talk(self.pair.old.port) as direct, Talk(self.proxy.port) as through:
            for client in (direct, through):
                assert client.begin(user="app", database=self.name) == "Z"

            def is_served():
                before = self.served()
                wanted = self.say(direct, units)
                assert all(kind != "E" for kind, _ in wanted), wanted
                heard = self.say(through, units)
                for one, other in zip(wanted, heard):
                    assert one == other
                assert len(wanted) == len(heard)
                self.proxy.settled(self.name)
                return self.served()[0] - before[0] == by_new
            wait_until(is_served, what=lambda: (units, self.served(), self.proxy.console("SHOW SKIPPED"), self.proxy.said()[-1500:]))


@pytest.fixture
def asks(pair, start, types):
    return Asks(pair, start(types, CANARY), types)


def query(sql):
    return [message("Q", text(sql))]


def extended(sql, *values, types=(), formats=(), results=()):
    return [parse(sql, types=types), bind(*values, formats=formats, results=results), describe("P"), execute(), sync()]


def test_what_new_says_is_what_old_says(asks, types):
    every = f"SELECT {COLUMNS} FROM t ORDER BY id"
    asks([query(every), extended(every), extended(every, results=(1,))])
    # JSON's text is its own: jsonb has lost old's blanks. Its column is old's all the same, in text and in binary.
    found = []
    for binary in (False, True):
        with psycopg.connect(asks.proxy.dsn(types), autocommit=True) as connection:
            def is_served():
                before = asks.served()[0]
                cursor = connection.execute("SELECT j FROM t WHERE id < 3 ORDER BY id", binary=binary)
                found.append((cursor.description[0].type_code, cursor.fetchall()))
                return asks.served()[0] > before
            wait_until(is_served)
    assert all(one == (114, [({"a": 1},), ({"a": 2},)]) for one in found)


UNFIT = [
    ("n", "5000000000"), ("n", "1.5"), ("small", "40000"), ("d", "1.125"), ("d", "10000000"), ("f", "0.1"), ("yes", "2"),
    ("s", "'more than ten'"), ("c", "'seven c'"), ("b", "'{\"a\":1}'"), ("at", "'2024-01-01 00:00:00.0001'"), ("m", "'mad'"),
    ("ms", "'{mad}'"), ("gs", "'{5000000000}'"), ("p", "(5000000000, 'sad', 1)"), ("ps", "ARRAY[(1, 'sad', 1.125)::pair]"),
    ("r", "'[1,5000000000]'"), ("rs", "'{[1,5000000000]}'"), ("ns", "'{5000000000}'"), ("ir", "'[1,5000000000)'"),
]


def test_a_value_that_does_not_fit_is_olds(asks, pair, types):
    units = {column: query(f"SELECT id, {column} FROM t WHERE id = 1") for column, _ in UNFIT}
    asks(list(units.values()))
    before = asks.served()
    with Talk(asks.proxy.port) as through, Talk(pair.old.port) as direct, pair.new.connect(types, autocommit=True) as new:
        for client in (through, direct):
            client.begin(user="app", database=types)
        new.execute("CREATE TEMPORARY TABLE kept AS SELECT * FROM t WHERE id = 1")
        for column, value in UNFIT:
            new.execute(f"UPDATE t SET {column} = {value} WHERE id = 1")
            binary = extended(f"SELECT id, {column} FROM t WHERE id = 1", results=(1,))
            for unit in (units[column], binary):
                assert asks.say(through, [unit]) == asks.say(direct, [unit]), (column, value)
            new.execute(f"UPDATE t SET {column} = (SELECT {column} FROM kept) WHERE id = 1")
    asks.proxy.settled(types)
    assert asks.served()[0] == before[0] and asks.served()[1] > before[1]


def pack(*fields):
    """A composite's or an array's inside: (OID, value) or value, None for NULL."""
    return b"".join((struct.pack("!I", field[0]) if isinstance(field, tuple) else b"")
                    + (struct.pack("!i", -1) if value is None else struct.pack("!i", len(value)) + value)
                    for field in fields for value in [field[1] if isinstance(field, tuple) else field])


def array(oid, *values):
    return struct.pack("!iiIii", 1, 0, oid, len(values), 1) + pack(*values)


def row(*fields):
    return struct.pack("!i", len(fields)) + pack(*fields)


def parameters(oids):
    """(SQL, the parameter's type, its binary value, its text)"""
    number = struct.pack("!i", 7)
    inside = row((23, number), (oids["mood"], b"sad"), (1700, struct.pack("!hhhhhh", 2, 0, 0, 2, 2, 5000)))
    return [
        ("SELECT count(*) FROM t WHERE m = $1", oids["mood"], b"glad", b"glad"),
        ("SELECT id FROM t WHERE m = ANY ($1) ORDER BY id", oids["_mood"], array(oids["mood"], b"glad"), b"{glad}"),
        ("SELECT id FROM t WHERE p = $1::pair", oids["pair"], inside, b"(7,sad,2.50)"),
        ("SELECT id FROM t WHERE p = ANY ($1::pair[])", oids["_pair"], array(oids["pair"], inside), b'{"(7,sad,2.50)"}'),
        ("SELECT id FROM t WHERE r = $1", oids["span"], b"\x06" + pack(number, struct.pack("!i", 12)), b"[7,12]"),
        ("SELECT id, m, ms FROM t WHERE id = $1", 23, number, b"7"),
    ]


def test_parameters_are_olds(asks, pair, types):
    units = []
    for sql, oid, binary, plain in parameters(oids(pair, types)):
        units += [extended(sql, binary, types=[oid], formats=(1,), results=(1,)), extended(sql, plain, types=[oid])]
    asks(units)


def test_a_driver_that_asks_old_what_a_parameter_is(asks, pair, types):
    """It declares nothing, has the statement described, and sends and wants what it then knows of in binary."""
    for i, (sql, _, binary, _) in enumerate(parameters(oids(pair, types))):
        name = f"kept {i}"
        prepared = [parse(sql, name=name), describe("S", name), sync()]
        run = [bind(binary, name=name, formats=(1,), results=(1,)), describe("P"), execute(), sync()]
        asks([[message("C", b"S" + text(name)), *prepared], run], by_new=1)


def test_mirrored_reads_have_their_parameters_too(pair, start, types):
    proxy = start(types, merge(CANARY, {"canary": {"percent": 0}, "shadow": {"percent": 100}}))
    units = []
    for sql, oid, binary, plain in parameters(oids(pair, types)):
        units += [extended(sql, binary, types=[oid], formats=(1,)), extended(sql, plain, types=[oid])]
    with Talk(proxy.port) as client:
        client.begin(user="app", database=types)
        def ask():
            client.say(*units[0])
        proxy.warmed(types, ask)
        for i, (sql, _, binary, _) in enumerate(parameters(oids(pair, types))):
            client.say(parse(sql, name=str(i)), describe("S", str(i)), sync())
            client.say(bind(binary, name=str(i), formats=(1,)), execute(), sync())
        for unit in units:
            client.say(*unit)
    status = proxy.settled(types, 19)
    assert status["match"] == status["reads"] and status["mismatch"] == 0, status


def test_large_answers_stream_where_no_value_can_fail(pair, start, types):
    asks = Asks(pair, start(types, merge(CANARY, {"canary": {"hold": "4KiB"}})), types)
    sql = "SELECT a.id + 0.5 AS half, {} FROM t a, t b WHERE b.id < 21"
    asks([extended(sql.format("b.j, ARRAY['low', 'high']::tone[] AS ts"), results=(1,))])
    asks([extended(sql.format("b.ms, b.ps"), results=(1,))], by_new=0)  # all of it would have to be held to be sure


def register(connection):
    mood = EnumInfo.fetch(connection, "mood")
    register_enum(mood, connection)
    register_composite(CompositeInfo.fetch(connection, "pair"), connection)
    register_hstore(TypeInfo.fetch(connection, "hstore"), connection)
    return mood.enum["glad"]


@pytest.mark.parametrize("binary", [False, True])
def test_psycopg_keeps_olds_types(asks, pair, types, binary):
    def ask(connection, glad):
        with connection.cursor(binary=binary) as cursor:
            cursor.execute("SELECT id, m, ms, g, p, ps, h, ns FROM t WHERE m = %s AND ms = %s AND id = %s",
                           (glad, [glad.__class__["sad"], None, glad], 3), prepare=True)
            return [column.type_code for column in cursor.description], cursor.fetchall()
    with pair.old.connect(types) as direct, asks.proxy.connect(types) as through:
        wanted = ask(direct, register(direct))
        assert len(wanted[1]) == 1
        glad = register(through)
        def is_served():
            before = asks.served()[0]
            heard = ask(through, glad)
            assert repr(heard) == repr(wanted)
            return asks.served()[0] > before
        wait_until(is_served)


def test_node_keeps_olds_types(asks, pair, types):
    sql = f"SELECT {COLUMNS.replace('h, ', '')} FROM t WHERE m = $1 ORDER BY id"
    env = {"NODE_PATH": str(ROOT / "build/node/node_modules"), "PATH": os.environ["PATH"]}
    def run(port, rounds):
        done = subprocess.run(["node", ROOT / "tests/support/node_types.js", "127.0.0.1", str(port), types, "app", sql, "glad"],
                              capture_output=True, text=True, timeout=60, env={**env, "ROUNDS": str(rounds)})
        assert done.returncode == 0, done.stdout + done.stderr
        return [json.loads(line) for line in done.stdout.splitlines()]
    wanted = run(pair.old.port, 1)
    assert len(wanted) == 4 and len(wanted[0][1]) == 20
    def is_served():
        before = asks.served()[0]
        heard = run(asks.proxy.port, 8)
        assert heard == wanted * 8
        return asks.served()[0] - before > 8
    wait_until(is_served)
