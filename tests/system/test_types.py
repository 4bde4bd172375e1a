"""Equality of values: ours, in each combination of formats, is the server's own `=`, but for the exceptions named here.

Each case has a pool of values of each side's type, and every value meets every other: pools are small and full of
neighbours (another scale, another case, one more blank, one unit more), so that equal and nearly equal pairs abound.
Then the server makes more of them, the same each time, from few enough parts that equal ones are among them: 40 of a case, with
--long 2000, and each meets itself and the two that follow.
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
CREATE TYPE vast_place AS (street varchar, number int8, tags text[]);
CREATE TYPE visit AS (place place, span span, mood mood, facts hstore, paid amount, found jsonb, marks mood[]);
CREATE TYPE leg AS RANGE (subtype = place);
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
    "unnamed": ("a::text = b::text", "a record without a name: its fields are known in binary output alone"),
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


def one_of(*words):
    return "(ARRAY[%s])[1 + (random() * %d)::int]" % (", ".join("'%s'" % w.replace("'", "''") for w in words), len(words) - 1)


def up_to(number):
    return f"(random() * {number})::int"


SOME_INT = "((random() * 40)::int - 20)::text"
SOME_UNSIGNED = "(CASE WHEN i % 3 = 0 THEN 4294967275 ELSE 0 END + (random() * 20)::int)::text"
SOME_DECIMAL = "round((random() * 20 - 10)::numeric, i % 4)::text || CASE WHEN i % 3 = 0 AND i % 4 > 0 THEN '0' ELSE '' END"
SOME_FLOAT = "(CASE i % 3 WHEN 0 THEN random() * 1e3 WHEN 1 THEN (random() * 5)::int ELSE power(10, random() * 60 - 30) END)::float8::text"
SOME_FLOAT4 = "(CASE i % 3 WHEN 0 THEN random() * 1e3 WHEN 1 THEN (random() * 5)::int ELSE power(10, random() * 60 - 30) END)::float4::text"
SOME_BOOL = up_to(1) + "::text"
SOME_CHAR = one_of("a", "b", "A", " ", "\\", "")
SOME_TEXT = "chr(97 + i % 3) || repeat(' ', i % 2) || (ARRAY['', 'x', 'X', '\u00e4'])[i % 4 + 1]"
SOME_WORD = "chr(97 + (random() * 3)::int) || (ARRAY['', 'x', 'X', '\u00e4'])[i % 4 + 1]"
SOME_MOOD = one_of("sad", "ok", "happy")
SOME_XML = f"format('<a b=\"%s\">%s</a>', {up_to(2)}, {one_of('', 'x', '&lt;')})"
SOME_DATE = "('2024-01-01'::date + (random() * 10)::int)::text"
SOME_TIME = "(time '12:00' + (random() * 5)::int * interval '0.000001 s')::text"
SOME_TIMETZ = f"(time '12:00' + {up_to(3)} * interval '0.000001 s')::text || {one_of('+00', '+02', '-05:30', '+01:02:03')}"
SOME_STAMP = "(timestamp '1990-01-01' + random() * interval '1 second' * (CASE WHEN i % 2 = 0 THEN 1e9 ELSE 0.000003 END))::text"
SOME_ZONED = "(timestamptz '1990-01-01 00:00+00' + random() * interval '1 second' * (CASE WHEN i % 2 = 0 THEN 1e9 ELSE 0.000003 END))::text"
SOME_INTERVAL = "make_interval(months => i % 3 - 1, days => i % 5 - 2, secs => (random() * 3)::int / 2.0)::text"
SOME_JSON = "json_build_object('k' || i % 2, (random() * 3)::int, 'l', round(random()::numeric, i % 3))::text"
SOME_JSONPATH = " || ".join([one_of("strict ", ""), "'$.a'", up_to(2), one_of("", "[0 to 2]", "[*]", '."b c"', ".**"),
                            one_of("", " ? (@ > 1)", ' ? (@.x == "y" || @.z < 2.50)', ".size()")])
SOME_UUID = "md5((random() * 5)::int::text)::uuid::text"
SOME_BITS = "((random() * 255)::int::bit(8))::text"
SOME_HSTORE = "(hstore('k' || %s, nullif(%s::text, '0')) || hstore(%s, %s))::text" % (
    up_to(2), up_to(2), one_of("a b", '"', "x", ""), one_of("", "a\\b", "NULL", "=>"))
LEXEME = one_of("a", "b", "'it''s'", "'x y'", "'\\\\'")
SOME_TSVECTOR = f"concat_ws(' ', {LEXEME} || {one_of('', ':1', ':2A', ':3B,4C', ':1D')}, {LEXEME}, {one_of('c:7', 'd')})"
QUERY_LEXEME = f"({LEXEME} || {one_of('', '', ':A', ':*', ':*BD')})"
QUERY_OPERATOR = one_of(" & ", " | ", " <-> ", " <3> ")
QUERY_PAIR = f"({one_of('(', '!(')} || {QUERY_LEXEME} || {QUERY_OPERATOR} || {one_of('', '!', '!!')} || {QUERY_LEXEME} || ')')"
SOME_TSQUERY = (
    f"CASE i % 4 WHEN 0 THEN {QUERY_PAIR} || {QUERY_OPERATOR} || {QUERY_PAIR} WHEN 1 THEN {one_of('', '!')} || {QUERY_LEXEME} "
    f"WHEN 2 THEN '(' || {QUERY_PAIR} || {QUERY_OPERATOR} || {QUERY_PAIR} || ')' || {QUERY_OPERATOR} || '(' || {QUERY_LEXEME} || {QUERY_OPERATOR} || {QUERY_PAIR} || ')' "
    f"ELSE {QUERY_LEXEME} || {QUERY_OPERATOR} || {QUERY_LEXEME} || {QUERY_OPERATOR} || {QUERY_LEXEME} END")
NUMBER = f"({SOME_FLOAT})"
POSITIVE = f"(1 + {up_to(3)} + CASE WHEN i % 2 = 0 THEN random() ELSE 0 END)"
SOME_POINT = f"format('(%s,%s)', {NUMBER}, {NUMBER})"
SOME_SEGMENT = f"format('[%s,%s]', {SOME_POINT}, {SOME_POINT})"
SOME_BOX = f"format('%s,%s', {SOME_POINT}, {SOME_POINT})"
SOME_LINE = f"format('{{%s,%s,%s}}', {POSITIVE}, {NUMBER}, {NUMBER})"
SOME_CIRCLE = f"format('<%s,%s>', {SOME_POINT}, {POSITIVE})"
SOME_PATH = f"format({one_of('[%s,%s,%s]', '(%s,%s,%s)')}, {SOME_POINT}, {SOME_POINT}, {SOME_POINT})"
SOME_POLYGON = f"format('(%s,%s,%s)', {SOME_POINT}, {SOME_POINT}, {SOME_POINT})"
GROUP = f"(CASE WHEN random() < 0.6 THEN '0' ELSE to_hex({up_to(65535)}) END)"
SOME_NET = (f"CASE i % 3 WHEN 0 THEN format('10.%s.0.%s/%s', {up_to(1)}, {up_to(2)}, 24 + {up_to(8)}) WHEN 1 THEN format('::ffff:%s.2.3.4', {up_to(255)}) "
            f"ELSE concat_ws(':', {', '.join([GROUP] * 8)}) || {one_of('', '/64', '/128')} END")
SOME_CIDR = f"network(({SOME_NET})::inet)::text"
SOME_MAC = "substr(md5((random() * 5)::int::text), 1, 12)"
SOME_MAC8 = "substr(md5((random() * 5)::int::text), 1, 16)"
SOME_MONEY = "round((power(10, random() * 12) - 5)::numeric * (CASE WHEN i % 2 = 0 THEN -1 ELSE 1 END), i % 3)::text"
SOME_LSN = f"upper(format('%s/%s', to_hex({up_to(2)}), to_hex({up_to(2147483647)} / (CASE WHEN i % 2 = 0 THEN 1 ELSE 700000000 END))))"
SOME_TID = f"format('(%s,%s)', {up_to(3)}, {up_to(3)})"
SOME_INTS = f"concat_ws(' ', {up_to(2)} - 1, {up_to(2)}, CASE WHEN i % 2 = 0 THEN {up_to(2)} END)"
SOME_OIDS = f"concat_ws(' ', {up_to(2)}, CASE WHEN i % 2 = 0 THEN 4294967295 END)"
SOME_SNAPSHOT = f"format('10:%s:%s', 20 + {up_to(2)}, concat_ws(',', 11 + {up_to(1)}, CASE WHEN i % 2 = 0 THEN 14 + {up_to(1)} END))"
SOME_ACL = f"{one_of('postgres', 'app', '')} || '=' || {one_of('r', 'w', 'rw', 'a*', 'arw*d')} || '/postgres'"
SOME_PLACE = f"ROW({SOME_TEXT}, nullif({up_to(3)}, 0), CASE WHEN i % 3 > 0 THEN ARRAY[{SOME_WORD}, NULL] END)::place::text"
SOME_SPAN = f"format({one_of('[%s,%s)', '[%s,%s]', '(%s,%s]', '(%s,)', '[%s,%s)')}, {up_to(3)} / 4.0, 1 + {up_to(3)} / 3.0::float8)"
SOME_VISIT = (f"ROW(({SOME_PLACE})::place, ({SOME_SPAN})::span, {SOME_MOOD}::mood, ({SOME_HSTORE})::hstore, ({SOME_DECIMAL})::numeric, ({SOME_JSON})::jsonb, "
              f"CASE WHEN i % 2 = 0 THEN ARRAY[{SOME_MOOD}]::mood[] END)::visit::text")
SOME_LEG = f"leg(ROW('a', {up_to(3)}, NULL)::place, ROW('b', {up_to(3)}, '{{x y}}')::place, {one_of('[)', '(]')})::text"


def some_range(low, high):
    return (f"CASE WHEN i % 11 = 0 THEN 'empty' ELSE format({one_of('[%s,%s)', '[%s,%s]', '(%s,%s]', '(%s,%s)')}, "
            f"CASE WHEN i % 7 > 0 THEN '\"' || ({low}) || '\"' END, CASE WHEN i % 5 > 0 THEN '\"' || ({high}) || '\"' END) END")


def some_ranges(low, high):
    one = some_range(low, high)
    return f"CASE i % 3 WHEN 0 THEN '{{' || {one} || '}}' ELSE '{{' || {one} || ',' || {one} || '}}' END"


BOUNDS = {  # of each kind of range: a low one, and one that is never lower
    "int": (f"{up_to(3)}::text", f"(4 + {up_to(3)})::text"), "num": (f"({up_to(30)} / 10.0)::text", "round(4 + random()::numeric, i % 3)::text"),
    "date": (SOME_DATE, f"('2024-02-01'::date + {up_to(3)})::text"),
    "ts": (f"(timestamp '2024-01-01' + {up_to(3)} * interval '0.000001 s')::text", f"(timestamp '2024-01-02' + {up_to(3)} * interval '1 s')::text"),
    "tstz": (f"(timestamptz '2024-01-01 00:00+00' + {up_to(3)} * interval '0.000001 s')::text", f"(timestamptz '2024-01-02' + {up_to(3)} * interval '1 s')::text"),
}


def some_array(more, delimiter=","):
    """Of one to three elements, in one dimension or two."""
    more = f"({more})"
    if delimiter != ",":
        return f"format('{{\"%s\"{delimiter}\"%s\"}}', {more}, {more})"
    return (f"(CASE i % 4 WHEN 0 THEN ARRAY[{more}] WHEN 1 THEN ARRAY[{more}, {more}, NULL] WHEN 2 THEN ARRAY[{more}, {more}] "
            f"ELSE ARRAY[[{more}], [{more}]] END)::text")


def some_registered(of_type, catalog):
    return (f"(SELECT oid::{of_type}::text FROM (SELECT oid, count(*) OVER () AS number, row_number() OVER (ORDER BY oid) AS place FROM {catalog} WHERE oid < 16384) c "
            "WHERE place = 1 + i * 7919 % least(number, 50))")


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
    Case("int4", "numeric", WIDE, SOME_INT), Case("int8", "numeric", WIDEST, SOME_INT), Case("int4", "oid", UNSIGNED[:5], up_to(20) + "::text", exception="number"),
    Case("float4", "float4", FLOATS, SOME_FLOAT4), Case("float8", "float8", FLOATS, SOME_FLOAT),
    Case("float4", "float8", FLOATS, SOME_FLOAT4, "float4"), Case("int8", "float8", WIDEST, SOME_INT, "number"),
    Case("numeric", "float8", FLOATS, SOME_FLOAT, "number"), Case("numeric", "float4", FLOATS, SOME_FLOAT4, "number"),
    *(Case(t, t, UNSIGNED, SOME_UNSIGNED) for t in ("oid", "xid", "cid", "xid8")),
    Case("bool", "bool", ["t", "f"], SOME_BOOL), Case("bool", "int4", ["0", "1"], SOME_BOOL, exception="truth", rule=7),
]
TEXT_ROWS = [
    *(Case(one, other, TEXTS, SOME_TEXT) for one, other in
      [("text", "text"), ("varchar", "varchar"), ("name", "name"), ("varchar", "text"), ("name", "text"), ("label", "text")]),
    Case("char(6)", "char(6)", TEXTS, SOME_TEXT), Case("char(4)", "char(9)", TEXTS, SOME_TEXT), Case("char(6)", "text", TEXTS, SOME_TEXT, "blanks"),
    Case("char(6)", "varchar", TEXTS, SOME_TEXT, "blanks"), Case('"char"', '"char"', ["", "a", "A", " ", "\\"], SOME_CHAR),
    Case("citext", "citext", WORDS, SOME_WORD, "citext"), Case("citext", "text", WORDS, SOME_WORD, "text"),
    Case("mood", "mood", ["sad", "ok", "happy"], SOME_MOOD), Case("text", "mood", ["sad", "ok", "happy"], SOME_MOOD, "text"),
    Case("bytea", "bytea", ["", "\\x", "\\x00", "\\x5c", "\\\\", "a", "\\x61", "\\xff", "\\x7f"], SOME_WORD),
    Case("uuid", "uuid", UUIDS, SOME_UUID), Case("text", "uuid", UUIDS, SOME_UUID, "text"),
    Case("xml", "xml", ["<a/>", "<a></a>", "x", ""], SOME_XML, "bytes"), Case("refcursor", "refcursor", WORDS, SOME_WORD, "bytes"),
    Case("json", "json", JSONS, SOME_JSON, "json"), Case("jsonb", "jsonb", JSONS, SOME_JSON), Case("json", "jsonb", JSONS, SOME_JSON, "json"),
    Case("hstore", "hstore", ["", "a=>1", "a=>NULL", "a=>\"NULL\"", "b=>2,a=>1", "a=>1,b=>2"], SOME_HSTORE),
    Case("jsonpath", "jsonpath", ["$", "$.a", "$[*]", "$.a ? (@ > 1)", "strict $", "$.\"a b\""], SOME_JSONPATH, "bytes"),
    Case("tsvector", "tsvector", ["", "a", "a b", "b a", "a:1", "a:1A,2B,3C", "a:1D", "'it''s'", "'\\\\'", "'x y':7"], SOME_TSVECTOR),
    Case("tsquery", "tsquery", ["a", "a & b", "a | b", "!a", "(a|b) & c", "a:A", "a:*", "a <-> b", "", "a <2> b", "!(a & !b)", "a <-> (b <-> c)",
                                 "(a <-> b) <-> c", "a & (b & c)", "!!a", "!a <-> b", "'it''s':*AB"], SOME_TSQUERY, "tsquery"),
]
TIME_ROWS = [
    Case("date", "date", DATES, SOME_DATE), Case("time", "time", TIMES, SOME_TIME), Case("timestamp", "timestamp", STAMPS, SOME_STAMP),
    Case("timestamptz", "timestamptz", ZONED, SOME_ZONED), Case("interval", "interval", INTERVALS, SOME_INTERVAL, "interval"),
    Case("timetz", "timetz", ["12:00+00", "14:00+02", "12:00+02", "24:00-05:30", "00:00:00.000001+00", "12:00+01:02:03"], SOME_TIMETZ, "timetz"),
    Case("timestamp", "timestamptz", STAMPS, SOME_STAMP, "instant", rule=1),
]


def lone(catalog, name):
    """Those whose name no other has."""
    return f"(SELECT min(oid) AS oid FROM {catalog} GROUP BY {name} HAVING count(*) = 1) AS l"


PLACES = ['(a,1,{})', '(a,1,{x})', '(A,1,{x})', '("",1,{x})', '(,1,{x})', '(,,)', '("a ",,)', '("a""b\\\\(",2,"{""x,y"",NULL}")']
OTHER_ROWS = [
    Case("point", "point", POINTS, SOME_POINT, "geometric"),
    *(Case(t, t, v, more, "geometric") for t, v, more in [
        ("lseg", ["[(0,0),(1,1)]", "[(1,1),(0,0)]", "[(0,0),(1,1.5)]"], SOME_SEGMENT), ("box", ["(1,1),(0,0)", "(0,0),(1,1)", "(2,1),(1,0)"], SOME_BOX),
        ("line", ["{1,-1,0}", "{2,-2,0}", "{1,0,0.1}"], SOME_LINE), ("circle", ["<(0,0),1>", "<(0,1),1>", "<(0,0),2>"], SOME_CIRCLE),
        ("path", ["[(0,0),(1,1)]", "((0,0),(1,1))", "((0,0),(1,2))"], SOME_PATH), ("polygon", ["((0,0),(1,1))", "((0,0),(1,1),(1,0))", "((1,1),(0,0))"], SOME_POLYGON)]),
    Case("inet", "inet", NETS, SOME_NET), Case("cidr", "cidr", CIDRS, SOME_CIDR), Case("cidr", "inet", CIDRS, SOME_CIDR),
    Case("text", "inet", CIDRS, SOME_CIDR, "text"),
    Case("macaddr", "macaddr", MACS, SOME_MAC), Case("macaddr8", "macaddr8", MACS + ["08:00:2b:01:02:03:04:05"], SOME_MAC8),
    Case("bit(8)", "bit(8)", ["00000000", "00000001"], SOME_BITS),
    Case("varbit", "varbit", ["", "0", "00", "1", "000000001"], SOME_BITS),
    Case("money", "money", ["0", "1", "1.00", "-1", "0.05", "-0.05", "1234567.89", "-92233720368547758.08"], SOME_MONEY),
    Case("pg_lsn", "pg_lsn", ["0/0", "0/1", "1/0", "FFFFFFFF/FFFFFFFF"], SOME_LSN),
    Case("tid", "tid", ["(0,0)", "(0,1)", "(1,0)", "(4294967295,65535)"], SOME_TID),
    Case("int2vector", "int2vector", ["", "1", "1 2", "2 1", "-1"], SOME_INTS),
    Case("oidvector", "oidvector", ["", "1", "1 2", "4294967295"], SOME_OIDS),
    Case("pg_snapshot", "pg_snapshot", ["1:1:", "1:3:2", "1:4:2,3"], SOME_SNAPSHOT, "bytes"),
    Case("txid_snapshot", "txid_snapshot", ["1:1:", "1:3:2"], SOME_SNAPSHOT, "bytes"),
    Case("aclitem", "aclitem", ["postgres=r/postgres", "=r/postgres"], SOME_ACL),
    *(Case(t, t, v, some_registered(t, catalog)) for t, v, catalog in [
        ("regclass", ["pg_class", "pg_type"], "pg_class"), ("regtype", ["int4", "text"], "pg_type"), ("regproc", ["pg_backend_pid", "version"], lone("pg_proc", "proname")),
        ("regoper", ["||/", "|/"], lone("pg_operator", "oprname")), ("regoperator", ["+(int4,int4)", "-(int4,int4)"], "pg_operator"),
        ("regprocedure", ["now()", "abs(int4)"], "pg_proc"), ("regrole", ["postgres", "app"], "pg_roles"), ("regnamespace", ["public", "pg_catalog"], "pg_namespace"),
        ("regconfig", ["simple", "english"], "pg_ts_config"), ("regdictionary", ["simple"], "pg_ts_dict"), ("regcollation", ['"C"', '"POSIX"'], "pg_collation")]),
    Case("place", "place", PLACES, SOME_PLACE), Case("place", "vast_place", PLACES, SOME_PLACE, "elements"), Case("visit", "visit", ["(,,,,,,)"], SOME_VISIT),
    Case("ROW({v}, length({v}), {v} || ',')", "ROW({v}, length({v}), {v} || ',')", TEXTS, SOME_TEXT, "unnamed"),
    Case("span", "span", ranges(("0.5", "1e20")), SOME_SPAN), Case("leg", "leg", ["empty", '["(a,1,)","(b,1,)")'], SOME_LEG),
    Case("span_multirange", "span_multirange", ["{}", "{[0,1),[2,3]}", "{[0,1.0),[2,3e0]}"], some_ranges("0", SOME_BOOL)),
    *(Case(t, t, ranges(v), some_range(*BOUNDS[kind])) for t, v, kind in [
        ("int4range", "19", "int"), ("int8range", "19", "int"), ("numrange", ("1.0", "9"), "num"), ("daterange", DATES[:2], "date"),
        ("tsrange", ("2024-01-01 00:00", "2024-01-02 00:00"), "ts"), ("tstzrange", ("2024-01-01 00:00+00", "2024-01-01 02:00+01"), "tstz")]),
    *(Case(t, t, ["{}", *("{%s}" % r for r in ranges(v)), "{[%s,%s],(%s,)}" % (*v, v[1])], some_ranges(*BOUNDS[kind])) for t, v, kind in [
        ("int4multirange", "19", "int"), ("int8multirange", "19", "int"), ("nummultirange", ("1.0", "9"), "num"), ("datemultirange", DATES[:2], "date"),
        ("tsmultirange", ("2024-01-01", "2024-01-02"), "ts"), ("tstzmultirange", ("2024-01-01 00:00+00", "2024-01-01 02:00+01"), "tstz")]),
]
DELIMITERS = {"box": ";"}
# Arrays of what was above, and of wider types.
ARRAY_ROWS = [
    *(Case(c.old + "[]", c.new + "[]", arrays(c.values, delimiter=DELIMITERS.get(c.old, ",")), some_array(c.more, DELIMITERS.get(c.old, ",")),
           {"geometric": "geometric", "interval": "interval", "citext": "bytes", "bytes": "bytes", "timetz": "timetz", "tsquery": "tsquery"}.get(c.exception or "", None))
      for c in NUMBER_ROWS + TEXT_ROWS + TIME_ROWS + OTHER_ROWS
      if c.old == c.new and c.exception != "json" and "(" not in c.old),
    *(Case(one + "[]", other + "[]", arrays(values), some_array(more), "elements") for one, other, values, more in [
        ("int2", "int4", INTEGERS, SOME_INT), ("int4", "int8", WIDE, SOME_INT), ("varchar", "text", TEXTS, SOME_TEXT), ("int4", "numeric", WIDE, SOME_INT),
        ("place", "vast_place", PLACES, SOME_PLACE)]),
]
CASES = NUMBER_ROWS + TEXT_ROWS + TIME_ROWS + OTHER_ROWS + ARRAY_ROWS

def is_of_one_format(old):
    """A name in text, an OID in binary output: nothing to compare."""
    return old.startswith("reg")


@pytest.fixture(scope="module")
def database(pair):
    pair.old.psql("CREATE DATABASE values_of_types")
    pair.old.psql(SCHEMA, "values_of_types")
    dsn = pair.old.dsn("values_of_types", user="postgres")
    with psycopg.connect(dsn, autocommit=True, prepare_threshold=None) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        yield dsn, connection
    pair.old.psql("DROP DATABASE values_of_types WITH (FORCE)")


def value_of(case_type):
    return case_type.replace("{v}", "v") if "{v}" in case_type else f"v::{case_type}"


def outputs(connection, case, texts, is_binary):
    """The types of both columns, and each side's output of its values, in hexadecimal; "-" where the type has none."""
    statement = f"SELECT {value_of(case.old)}, {value_of(case.new)} FROM unnest(%s::text[]) WITH ORDINALITY AS u(v, n) ORDER BY n"
    try:
        result = connection.cursor(binary=is_binary).execute(statement, [texts]).pgresult
    except psycopg.errors.UndefinedFunction:
        return None, [["-"] * len(texts)] * 2
    return [result.ftype(side) for side in (0, 1)], [[result.get_value(i, side).hex() for i in range(result.ntuples)] for side in (0, 1)]


def pairs_of(connection, case, count):
    """For each pair of the case: what the comparator is asked, and what the server says."""
    pool = len(case.values)
    connection.execute("SELECT setseed(0.5)")  # the same values each time
    texts = case.values + [row[0] for row in connection.execute(f"SELECT {case.more.replace('%', '%%')} FROM generate_series(1, %s) i", [count])]
    meetings = [(i, j) for i in range(pool) for j in range(pool)]
    meetings += [(pool + i, pool + (i + step) % count) for i in range(count) for step in range(3)]
    types, (old_texts, new_texts) = outputs(connection, case, texts, False)
    _, (old_binaries, new_binaries) = outputs(connection, case, texts, True)
    equality = EXCEPTIONS[case.exception][0].replace("%", "%%") if case.exception else "a = b"
    truths = [row[0] for row in connection.execute(
        f"WITH p AS MATERIALIZED (SELECT n, {value_of(case.old)} AS a, {value_of(case.new)} AS b FROM unnest(%s::text[]) WITH ORDINALITY AS u(v, n)) "
        f"SELECT {equality} FROM (SELECT x.a, y.b FROM unnest(%s::int[], %s::int[]) WITH ORDINALITY AS m(i, j, n) JOIN p x ON x.n = m.i + 1 "
        "JOIN p y ON y.n = m.j + 1 ORDER BY m.n) s", [texts, [i for i, _ in meetings], [j for _, j in meetings]])]
    questions = [f"{types[0]} {types[1]} {case.rule} {old_texts[i]} {old_binaries[i]} {new_texts[j]} {new_binaries[j]}\n" for i, j in meetings]
    return questions, truths


def test_values_are_equal_where_the_server_says_so_in_every_combination_of_formats(database, is_long, tmp_path):
    dsn, connection = database
    told, about = [], []
    with open(tmp_path / "questions", "w", encoding="ascii") as asked:
        for case in CASES:
            questions, truths = pairs_of(connection, case, 2000 if is_long else 40)
            assert len(questions) == len(truths)
            asked.writelines(questions)
            told += truths
            about += [case] * len(truths)
    with open(tmp_path / "questions", encoding="ascii") as asked, open(tmp_path / "answers", "w", encoding="ascii") as answers:
        done = subprocess.run([pathlib.Path(binary()).parent / "tests" / "equal", dsn], stdin=asked, stdout=answers, stderr=subprocess.PIPE,
                              text=True, timeout=1800)
    assert done.returncode == 0, done.stderr
    wrong = {}
    with open(tmp_path / "questions", encoding="ascii") as asked, open(tmp_path / "answers", encoding="ascii") as answers:
        for case, question, truth, answer in zip(about, asked, told, map(str.strip, answers), strict=True):
            expected = "1" if truth else "0"
            if is_of_one_format(case.old):
                answer = answer[0] + answer[3]
            if set(answer) - {expected, "-"}:
                wrong.setdefault(f"{case.old} {case.new}", []).append((expected, answer, question))
    print(f"{len(told)} pairs of {len(CASES)} pairs of types, {sum(map(bool, told))} equal")
    assert not wrong, "\n".join(f"{name}: {len(some)}, e.g. {some[:3]}" for name, some in wrong.items())


def test_the_table_of_types_names_every_type_that_a_fresh_server_can_send(database):
    document = subprocess.run([binary(), "types"], capture_output=True, text=True, timeout=60, check=True).stdout
    assert document == (ROOT / "compare" / "TYPES.md").read_text(encoding="utf-8"), "pgrehearse types > compare/TYPES.md"
    listed = {tuple(line.split(" | ")[:2]) for line in document.splitlines() if line.startswith("| ")}
    known = database[1].execute(
        "SELECT oid, typname FROM pg_type WHERE typnamespace = 'pg_catalog'::regnamespace AND typtype IN ('b', 'r', 'm') "
        "AND typrelid = 0 AND NOT EXISTS (SELECT FROM pg_type e WHERE e.oid = pg_type.typelem AND e.typrelid <> 0)").fetchall()
    assert [row for row in known if (f"| {row[0]}", row[1]) not in listed] == []
