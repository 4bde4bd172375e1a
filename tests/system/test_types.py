"""Equality of values: ours, in each combination of formats, is the server's own `=`, but for the exceptions named here.

Each case has a pool of values of each side's type, and every value meets every other: pools are small and full of
neighbours (another scale, another case, one more blank, one unit more), so that equal and nearly equal pairs abound.
"""

import pathlib
import subprocess
import typing

import psycopg
import pytest

from clusters import ROOT
from proxy import binary

SCHEMA = """
CREATE EXTENSION citext; CREATE EXTENSION hstore;
CREATE TYPE mood AS ENUM ('sad', 'ok', 'happy');
CREATE DOMAIN amount AS numeric CHECK (value > -1e30);
CREATE DOMAIN label AS varchar(20);
CREATE TYPE span AS RANGE (subtype = float8);
CREATE TYPE place AS (street text, number int, tags text[]);
"""

# Where our equality is not the server's `=` (or there is none): what must hold instead, and why.
EXCEPTIONS = {
    "json": ("a::jsonb = b::jsonb", "json has no =; both are compared by value"),
    "citext": ("a::text = b::text", "a client sees the case (DESIGN 3.4: by text)"),
    "bytes": ("a::text = b::text", "no =: what a client sees is compared"),
    "geometric": ("a::text = b::text", "= compares areas, numbers of points, or with a fuzz; a client sees coordinates"),
    "tsquery": ("a::text = b::text", "= does not look at weights and prefixes: 'a' = 'a:*'"),
    "interval": ("a::text = b::text", "'1 mon' = '30 days' to the server, not to who reads them"),
    "timetz": ("a::text = b::text", "a client sees the time zone, which = takes into account too"),
    "float4": ("a::float4 = b::float4", "0.1::float4 widened is 0.10000000149011612; both are taken to float4"),
    "number": ("a::text::numeric = b::text::numeric", "by the shortest decimal: a rounded bigint is found"),
    "blanks": ("rtrim(a::text, ' ') = rtrim(b::text, ' ')", "bpchar without its trailing blanks, whatever it meets"),
    "text": ("format('%s', a) = format('%s', b)", "two types without a rule meet as text output"),
    "instant": ("a::timestamptz = b", "by rule: a timestamp is read in UTC"),
    "truth": ("a::int = b", "by rule: true is 1"),
    "elements": ("a::text = b::text", "composites by element, and elements as above"),
}

INTEGERS = ["0", "1", "-1", "2", "10", "100", "127", "-128", "32767", "-32768"]
WIDE = INTEGERS + ["32768", "65536", "2147483647", "-2147483648"]
WIDEST = WIDE + ["2147483648", "4294967296", "9007199254740992", "9007199254740993", "9223372036854775807", "-9223372036854775808"]
UNSIGNED = ["0", "1", "2", "10", "65536", "2147483648", "4294967295"]
DECIMALS = WIDEST + ["1.0", "1.00", "0.0", "-0.0", "0.1", "0.10", "0.01", "1e20", "100000000000000000000", "1e-20", "NaN",
                     "Infinity", "-Infinity", "9999.9999", "10000", "10000.0001", "123456789012345678901234567890.12345"]
FLOATS = ["0", "-0", "1", "0.1", "0.10000000149011612", "0.3", "0.30000000000000004", "1e15", "1e16", "1e-5", "0.0001",
          "NaN", "Infinity", "-Infinity", "3.4e38", "1.17549435e-38", "123456", "1234567", "16777216"]
TEXTS = ["", " ", "a", "A", "a ", "a  ", " a", "ab", "\u00e4", "a\u0308", "\\", "\"", "'", "{}", "NULL", "null", "a,b", "\t", "\n", "1", "1.0"]
WORDS = ["", "a", "A", "ab", "aB", "b", "null", "x y", "\u00e4", "\u00c4"]
DATES = ["2024-02-29", "2024-03-01", "0001-01-01", "0001-01-01 BC", "4713-01-01 BC", "9999-12-31", "10000-01-01", "infinity", "-infinity",
         "2000-01-01", "1999-12-31"]
TIMES = ["00:00", "00:00:00.000001", "24:00", "23:59:59.999999", "12:34:56.7", "12:34:56.70", "12:34:56.070"]
STAMPS = [d if "inf" in d else f"{d.replace(' BC', '')} {t}{' BC' if 'BC' in d else ''}" for d in DATES[:9] for t in TIMES[1:4:2]]
ZONED = ["2024-06-01 12:00+00", "2024-06-01 14:00+02", "2024-06-01 12:00:00.000001+00", "2024-06-01 12:00-05:30", "infinity",
         "0044-03-15 12:00+00 BC", "1883-01-01 00:00+00", "2024-10-27 01:30+00", "2024-10-27 00:30+00"]
INTERVALS = ["0", "1 month", "30 days", "720 hours", "1 day", "24 hours", "-1 day", "1 year", "12 months", "1 mon -1 day",
             "-1 mon 1 day -00:00:01", "00:00:00.000001", "100000000 hours", "-00:00:00.5"]
JSONS = ['1', '1.0', '10e-1', '"a"', '"\\u0061"', 'null', 'true', '{}', '[]', '{"a":1,"b":2}', '{"b":2, "a":1.0}', '{"a":1,"a":2}', '{"a":2}',
         '[1,2]', '[2,1]', '[1, 2.00]', '{"a":{"b":[null]}}', '{"a":{"b":[]}}', '""', '" "', '-0', '0', '1e2', '100', '{"":0}']
UUIDS = ["00000000-0000-0000-0000-000000000000", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a12"]
POINTS = ["(0,0)", "(0,-0)", "(1,2)", "(1,2.0000000001)", "(1e20,-1e-20)", "(NaN,1)", "(Infinity,1)"]
NETS = ["1.2.3.4", "1.2.3.4/32", "1.2.3.4/24", "1.2.3.0/24", "0.0.0.0/0", "::", "::/0", "::1", "::2", "1::", "::ffff:1.2.3.4", "::1.2.3.4",
        "2001:db8::1", "2001:db8:0:0:1::1", "1:0:0:2:0:0:0:3", "1:2:3:4:5:6:7:0", "::ffff:0:1", "0:1::", "2001:db8::/32", "::ffff:1.2.3.4/120"]
CIDRS = ["10.0.0.0/8", "10.0.0.0/16", "10.1.2.3", "10.1.2.3/32", "::/0", "::1/128", "2001:db8::/32", "::ffff:1.2.3.0/120"]
MACS = ["08:00:2b:01:02:03", "08-00-2B-01-02-03", "08:00:2b:01:02:04", "ff:ff:ff:ff:ff:ff"]


class Case(typing.NamedTuple):
    """Old's type, new's, values, an expression over i that makes more of them (text), the exception, the rule's `as`."""
    old: str
    new: str
    values: list
    more: str | None = None
    exception: str | None = None
    rule: int = 0


SOME_INT = "((random() * 40)::int - 20)::text"
SOME_DECIMAL = "round((random() * 20 - 10)::numeric, i % 4)::text || CASE WHEN i % 3 = 0 AND i % 4 > 0 THEN '0' ELSE '' END"
SOME_FLOAT = "(CASE i % 3 WHEN 0 THEN random() * 1e3 WHEN 1 THEN (random() * 5)::int ELSE power(10, random() * 60 - 30) END)::float8::text"
SOME_FLOAT4 = "(CASE i % 3 WHEN 0 THEN random() * 1e3 WHEN 1 THEN (random() * 5)::int ELSE power(10, random() * 60 - 30) END)::float4::text"
SOME_TEXT = "chr(97 + i % 3) || repeat(' ', i % 2) || (ARRAY['', 'x', 'X', '\u00e4'])[i % 4 + 1]"
SOME_WORD = "chr(97 + (random() * 3)::int) || (ARRAY['', 'x', 'X', '\u00e4'])[i % 4 + 1]"
SOME_DATE = "('2024-01-01'::date + (random() * 10)::int)::text"
SOME_TIME = "(time '12:00' + (random() * 5)::int * interval '0.000001 s')::text"
SOME_STAMP = "(timestamp '1990-01-01' + random() * interval '1 second' * (CASE WHEN i % 2 = 0 THEN 1e9 ELSE 0.000003 END))::text"
SOME_ZONED = "(timestamptz '1990-01-01 00:00+00' + random() * interval '1 second' * (CASE WHEN i % 2 = 0 THEN 1e9 ELSE 0.000003 END))::text"
SOME_INTERVAL = "make_interval(months => i % 3 - 1, days => i % 5 - 2, secs => (random() * 3)::int / 2.0)::text"
SOME_JSON = "json_build_object('k' || i % 2, (random() * 3)::int, 'l', round(random()::numeric, i % 3))::text"
SOME_UUID = "md5((random() * 5)::int::text)::uuid::text"
SOME_BITS = "((random() * 255)::int::bit(8))::text"


def arrays(values, quote=True, delimiter=","):
    def one(value):
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"' if quote else value
    few = [one(v) for v in values[:6]]
    return ["{}", "{NULL}", *("{%s}" % v for v in few), "{%s}" % delimiter.join(few), "{{%s}}" % delimiter.join(few[:2]),
            "[0:0]={%s}" % few[0], "{%s}" % delimiter.join(few[:2]), "{%s%sNULL}" % (few[0], delimiter)]


def ranges(values):
    low, high = values
    return ["empty", "(,)", f"[{low},)", f"(,{high}]", f"[{low},{high})", f"({low},{high}]", f"[{low},{high}]", f"[{low},{low}]", f"({low},{low})"]


NUMBER_ROWS = [
    Case("int2", "int2", INTEGERS, SOME_INT), Case("int4", "int4", WIDE, SOME_INT), Case("int8", "int8", WIDEST, SOME_INT),
    Case("numeric", "numeric", DECIMALS, SOME_DECIMAL), Case("amount", "numeric", ["1", "1.0", "-1e29"], SOME_DECIMAL),
    Case("int2", "int4", INTEGERS, SOME_INT), Case("int2", "int8", INTEGERS, SOME_INT), Case("int4", "int8", WIDE, SOME_INT),
    Case("int4", "numeric", WIDE, SOME_INT), Case("int8", "numeric", WIDEST, SOME_INT), Case("int4", "oid", UNSIGNED[:5], exception="number"),
    Case("float4", "float4", FLOATS, SOME_FLOAT4), Case("float8", "float8", FLOATS, SOME_FLOAT),
    Case("float4", "float8", FLOATS, SOME_FLOAT4, "float4"), Case("int8", "float8", WIDEST, SOME_INT, "number"),
    Case("numeric", "float8", FLOATS, SOME_FLOAT, "number"), Case("numeric", "float4", FLOATS, SOME_FLOAT4, "number"),
    Case("oid", "oid", UNSIGNED), Case("xid", "xid", UNSIGNED), Case("cid", "cid", UNSIGNED), Case("xid8", "xid8", UNSIGNED),
    Case("bool", "bool", ["t", "f"]), Case("bool", "int4", ["0", "1"], exception="truth", rule=7),
]
TEXT_ROWS = [
    *(Case(one, other, TEXTS, SOME_TEXT) for one, other in
      [("text", "text"), ("varchar", "varchar"), ("name", "name"), ("varchar", "text"), ("name", "text"), ("label", "text")]),
    Case("char(6)", "char(6)", TEXTS, SOME_TEXT), Case("char(4)", "char(9)", TEXTS, SOME_TEXT), Case("char(6)", "text", TEXTS, SOME_TEXT, "blanks"),
    Case("char(6)", "varchar", TEXTS, SOME_TEXT, "blanks"), Case('"char"', '"char"', ["", "a", "A", " ", "\\"]),
    Case("citext", "citext", WORDS, SOME_WORD, "citext"), Case("citext", "text", WORDS, SOME_WORD, "text"),
    Case("mood", "mood", ["sad", "ok", "happy"]), Case("text", "mood", ["sad", "ok", "happy"], exception="text"),
    Case("bytea", "bytea", ["", "\\x", "\\x00", "\\x5c", "\\\\", "a", "\\x61", "\\xff", "\\x7f"], SOME_WORD),
    Case("uuid", "uuid", UUIDS, SOME_UUID), Case("text", "uuid", UUIDS, SOME_UUID, "text"),
    Case("xml", "xml", ["<a/>", "<a></a>", "x", ""], exception="bytes"), Case("refcursor", "refcursor", WORDS, exception="bytes"),
    Case("json", "json", JSONS, SOME_JSON, "json"), Case("jsonb", "jsonb", JSONS, SOME_JSON), Case("json", "jsonb", JSONS, SOME_JSON, "json"),
    Case("hstore", "hstore", ["", "a=>1", "a=>NULL", "a=>\"NULL\"", "b=>2,a=>1", "a=>1,b=>2"]),
    Case("jsonpath", "jsonpath", ["$", "$.a", "$[*]", "$.a ? (@ > 1)", "strict $", "$.\"a b\""], exception="bytes"),
    Case("tsvector", "tsvector", ["", "a", "a b", "b a", "a:1", "a:1A,2B,3C", "a:1D", "'it''s'", "'\\\\'", "'x y':7"]),
    Case("tsquery", "tsquery", ["a", "a & b", "a | b", "!a", "(a|b) & c", "a:A", "a:*", "a <-> b"], exception="tsquery"),
]
TIME_ROWS = [
    Case("date", "date", DATES, SOME_DATE), Case("time", "time", TIMES, SOME_TIME), Case("timestamp", "timestamp", STAMPS, SOME_STAMP),
    Case("timestamptz", "timestamptz", ZONED, SOME_ZONED), Case("interval", "interval", INTERVALS, SOME_INTERVAL, "interval"),
    Case("timetz", "timetz", ["12:00+00", "14:00+02", "12:00+02", "24:00-05:30", "00:00:00.000001+00", "12:00+01:02:03"], exception="timetz"),
    Case("timestamp", "timestamptz", STAMPS, SOME_STAMP, "instant", rule=1),
]
OTHER_ROWS = [
    Case("point", "point", POINTS, exception="geometric"),
    *(Case(t, t, v, exception="geometric") for t, v in [
        ("lseg", ["[(0,0),(1,1)]", "[(1,1),(0,0)]", "[(0,0),(1,1.5)]"]), ("box", ["(1,1),(0,0)", "(0,0),(1,1)", "(2,1),(1,0)"]),
        ("line", ["{1,-1,0}", "{2,-2,0}", "{1,0,0.1}"]), ("circle", ["<(0,0),1>", "<(0,1),1>", "<(0,0),2>"]),
        ("path", ["[(0,0),(1,1)]", "((0,0),(1,1))", "((0,0),(1,2))"]), ("polygon", ["((0,0),(1,1))", "((0,0),(1,1),(1,0))", "((1,1),(0,0))"])]),
    Case("inet", "inet", NETS), Case("cidr", "cidr", CIDRS), Case("cidr", "inet", CIDRS), Case("text", "inet", CIDRS, exception="text"),
    Case("macaddr", "macaddr", MACS), Case("macaddr8", "macaddr8", MACS + ["08:00:2b:01:02:03:04:05"]),
    Case("bit(8)", "bit(8)", ["00000000", "00000001"], SOME_BITS), Case("varbit", "varbit", ["", "0", "00", "1", "000000001"], SOME_BITS),
    Case("money", "money", ["0", "1", "1.00", "-1", "1234567.89"]), Case("pg_lsn", "pg_lsn", ["0/0", "0/1", "1/0", "FFFFFFFF/FFFFFFFF"]),
    Case("tid", "tid", ["(0,0)", "(0,1)", "(1,0)", "(4294967295,65535)"]), Case("int2vector", "int2vector", ["", "1", "1 2", "2 1", "-1"]),
    Case("oidvector", "oidvector", ["", "1", "1 2", "4294967295"]), Case("pg_snapshot", "pg_snapshot", ["1:1:", "1:3:2", "1:4:2,3"], exception="bytes"),
    Case("txid_snapshot", "txid_snapshot", ["1:1:", "1:3:2"], exception="bytes"), Case("aclitem", "aclitem", ["postgres=r/postgres", "=r/postgres"]),
    *(Case(t, t, v) for t, v in [("regclass", ["pg_class", "pg_type"]), ("regtype", ["int4", "text"]), ("regproc", ["pg_backend_pid", "version"]),
                                 ("regoper", ["||/", "|/"]), ("regoperator", ["+(int4,int4)", "-(int4,int4)"]), ("regprocedure", ["now()", "abs(int4)"]),
                                 ("regrole", ["postgres", "app"]), ("regnamespace", ["public", "pg_catalog"]), ("regconfig", ["simple", "english"]),
                                 ("regdictionary", ["simple"]), ("regcollation", ['"C"', '"POSIX"'])]),
    Case("place", "place", ['(a,1,{})', '(a,1,{x})', '(A,1,{x})', '("",1,{x})', '(,1,{x})', '(,,)', '("a ",,)']),
    *(Case(t, t, ranges(v)) for t, v in [("int4range", "19"), ("int8range", "19"), ("numrange", ("1.0", "9")), ("daterange", DATES[:2]), ("span", ("0.5", "1e20")),
                                         ("tsrange", ("2024-01-01 00:00", "2024-01-02 00:00")), ("tstzrange", ("2024-01-01 00:00+00", "2024-01-01 02:00+01"))]),
    *(Case(t, t, ["{}", *("{%s}" % r for r in ranges(v)), "{[%s,%s],(%s,)}" % (*v, v[1])]) for t, v in [
        ("int4multirange", "19"), ("int8multirange", "19"), ("nummultirange", ("1.0", "9")), ("datemultirange", DATES[:2]), ("tsmultirange", ("2024-01-01", "2024-01-02")),
        ("tstzmultirange", ("2024-01-01 00:00+00", "2024-01-01 02:00+01"))]),
]
# Arrays of what was above, and of wider types.
ARRAY_ROWS = [
    *(Case(c.old + "[]", c.new + "[]", arrays(c.values, delimiter=";" if c.old == "box" else ","), None,
           {"geometric": "geometric", "interval": "interval", "citext": "bytes", "bytes": "bytes", "timetz": "timetz", "tsquery": "tsquery"}.get(c.exception or "", None))
      for c in NUMBER_ROWS + TEXT_ROWS + TIME_ROWS + OTHER_ROWS
      if c.old == c.new and c.exception != "json" and "(" not in c.old),
    Case("int2[]", "int4[]", arrays(INTEGERS), exception="elements"), Case("int4[]", "int8[]", arrays(WIDE), exception="elements"),
    Case("varchar[]", "text[]", arrays(TEXTS), exception="elements"), Case("int4[]", "numeric[]", arrays(WIDE), exception="elements"),
]
CASES = NUMBER_ROWS + TEXT_ROWS + TIME_ROWS + OTHER_ROWS + ARRAY_ROWS

# What only the server could print: text and binary output of these can't be compared with each other.
ONE_FORMAT = {"money", "span", "tsquery", "hstore", "place", "aclitem"}


def is_of_one_format(old):
    name = old.removesuffix("[]")
    return name in ONE_FORMAT or name.startswith("reg")


@pytest.fixture(scope="module")
def database(pair):
    pair.old.psql("CREATE DATABASE values_of_types")
    pair.old.psql(SCHEMA, "values_of_types")
    dsn = pair.old.dsn("values_of_types", user="postgres")
    with psycopg.connect(dsn, autocommit=True, prepare_threshold=None) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        yield dsn, connection
    pair.old.psql("DROP DATABASE values_of_types WITH (FORCE)")


def outputs(connection, case, texts, is_binary):
    """The types of both columns, and each side's output of its values, in hexadecimal; "-" where the type has none."""
    statement = f"SELECT v::{case.old}, v::{case.new} FROM unnest(%s::text[]) WITH ORDINALITY AS u(v, n) ORDER BY n"
    try:
        result = connection.cursor(binary=is_binary).execute(statement, [texts]).pgresult
    except psycopg.errors.UndefinedFunction:
        return None, [["-"] * len(texts)] * 2
    return [result.ftype(side) for side in (0, 1)], [[result.get_value(i, side).hex() for i in range(result.ntuples)] for side in (0, 1)]


def pairs_of(connection, case, count):
    """For each pair of the case: what the comparator is asked, and what the server says."""
    texts = list(case.values)
    connection.execute("SELECT setseed(0.5)")  # the same values each time
    if case.more:
        texts += [row[0] for row in connection.execute(f"SELECT {case.more} FROM generate_series(1, {count}) i")]
    types, (old_texts, new_texts) = outputs(connection, case, texts, False)
    _, (old_binaries, new_binaries) = outputs(connection, case, texts, True)
    equality = EXCEPTIONS[case.exception][0].replace("%", "%%") if case.exception else "a = b"
    truths = [row[0] for row in connection.execute(
        f"WITH p AS MATERIALIZED (SELECT n, v::{case.old} AS a, v::{case.new} AS b FROM unnest(%s::text[]) WITH ORDINALITY AS u(v, n)) "
        f"SELECT {equality} FROM (SELECT x.a, y.b FROM p x, p y ORDER BY x.n, y.n) s", [texts])]
    every = range(len(texts))
    questions = [f"{types[0]} {types[1]} {case.rule} {old_texts[i]} {old_binaries[i]} {new_texts[j]} {new_binaries[j]}" for i in every for j in every]
    return questions, truths


def test_values_are_equal_where_the_server_says_so_in_every_combination_of_formats(database, is_long):
    dsn, connection = database
    asked, told, about = [], [], []
    for case in CASES:
        questions, truths = pairs_of(connection, case, 60 if is_long else 8)
        assert len(questions) == len(truths)
        asked += questions
        told += truths
        about += [case] * len(truths)
    done = subprocess.run([pathlib.Path(binary()).parent / "tests" / "equal", dsn], input="\n".join(asked) + "\n",
                          capture_output=True, text=True, timeout=1800)
    assert done.returncode == 0, done.stderr
    wrong = {}
    for case, question, truth, answer in zip(about, asked, told, done.stdout.splitlines(), strict=True):
        expected = "1" if truth else "0"
        if is_of_one_format(case.old):
            answer = answer[0] + answer[3]
        if set(answer) - {expected, "-"}:
            wrong.setdefault(f"{case.old} {case.new}", []).append((expected, answer, question))
    print(f"{len(asked)} pairs of {len(CASES)} pairs of types, {sum(map(bool, told))} equal")
    assert not wrong, "\n".join(f"{name}: {len(some)}, e.g. {some[:3]}" for name, some in wrong.items())


def test_the_table_of_types_names_every_type_that_a_fresh_server_can_send(database):
    document = subprocess.run([binary(), "types"], capture_output=True, text=True, timeout=60, check=True).stdout
    assert document == (ROOT / "compare" / "TYPES.md").read_text(encoding="utf-8"), "pgrehearse types > compare/TYPES.md"
    listed = {tuple(line.split(" | ")[:2]) for line in document.splitlines() if line.startswith("| ")}
    known = database[1].execute(
        "SELECT oid, typname FROM pg_type WHERE typnamespace = 'pg_catalog'::regnamespace AND typtype IN ('b', 'r', 'm') "
        "AND typrelid = 0 AND NOT EXISTS (SELECT FROM pg_type e WHERE e.oid = pg_type.typelem AND e.typrelid <> 0)").fetchall()
    assert [row for row in known if (f"| {row[0]}", row[1]) not in listed] == []
