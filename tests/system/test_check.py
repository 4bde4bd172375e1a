"""`pgrehearse check`: what it finds about two real clusters, and what its exit code says.

Hazards are planted in otherwise equal pairs, and have to be all that is found."""

import json
import subprocess
import time

import pytest

from clusters import Pair, free_port
from proxy import binary, wait_until

SECRETS = "".join(f'"{user}" "a secret"\n' for user in ("scram_user", "md5_user", "password_user", "tls_user"))
CLEAN = {("lag_none", "none")}  # lag.probe none is what the pair is checked with


class Check:
    """Runs `check` on one configuration, as JSON."""

    def __init__(self, pair, shop, folder):
        self.pair, self.shop, self.folder = pair, shop, folder
        self.secrets = folder / "userlist.txt"
        self.secrets.write_text(SECRETS)
        self.secrets.chmod(0o600)
        self.path = folder / "pgrehearse.yaml"

    def run(self, entry=None, text=None, options=(), **sections):
        """(exit code, stdout, stderr); by default with all that keeps an equal pair quiet."""
        entry = {"old": self.pair.old.dsn(self.shop, user="app"), "new": self.pair.new.dsn(self.shop, user="app"),
                 "lag": {"probe": "none"}, **(entry or {})}
        sections = {"auth": {"type": "trust", "file": str(self.secrets)}, **sections}
        self.path.write_text(text or json.dumps({**sections, "databases": {self.shop: entry}}))
        done = subprocess.run([binary(), "check", "-c", self.path, *options], capture_output=True, text=True, timeout=120)
        assert "Sanitizer" not in done.stderr, done.stderr
        return done.returncode, done.stdout, done.stderr

    def __call__(self, entry=None, **more):
        code, out, err = self.run(entry, options=("--format", "json"), **more)
        assert not err, err
        return Found(code, json.loads(out)["databases"])


class Found:
    def __init__(self, code, databases):
        self.code, self.databases = code, databases
        self.findings = [finding for database in databases for finding in database["findings"]]

    def kinds(self):
        return {(finding["kind"], finding["subject"]) for finding in self.findings} - CLEAN

    def details(self, kind):
        return [finding["detail"] for finding in self.findings if finding["kind"] == kind]


@pytest.fixture(scope="module")
def pair():
    """Clusters of its own: what other tests leave behind would be found."""
    made = Pair()
    for side in (made.old, made.new):
        side.psql("DROP ROLE plain_user; DROP ROLE cert_user")
    yield made
    made.remove()


@pytest.fixture
def check(pair, shop, tmp_path):
    return Check(pair, shop, tmp_path)


@pytest.fixture
def roles(pair):
    """roles(name, old=…, new=…): a role on both sides (None: not there) that is gone after the test."""
    made = []

    def create(name, old="LOGIN", new="LOGIN"):
        made.append(name)
        for side, options in ((pair.old, old), (pair.new, new)):
            if options is not None:
                side.psql(f"CREATE ROLE {name} {options}")
    yield create
    for name in made:
        for side in (pair.old, pair.new):
            side.psql(f"DROP ROLE IF EXISTS {name}")


# ---- an equal pair ----

def test_two_equal_sides_are_fit_and_quiet(check):
    found = check()
    assert found.code == 0 and not found.kinds(), found.findings
    code, out, err = check.run({"identity": "service"})
    lines = out.splitlines()
    assert code == 0 and not err and len(lines) == 2, (out, err)
    assert lines[0].startswith(f"note     {check.shop}  lag_none  none: "), out
    assert lines[1].startswith(f"fit      {check.shop}  1 note  old: PostgreSQL 15"), out


def test_a_superuser_finds_nothing_more_in_an_equal_pair(check, pair, shop):
    found = check({"old": pair.old.dsn(shop, user="postgres"), "new": pair.new.dsn(shop, user="postgres")})
    assert found.code == 0 and not found.kinds(), found.findings


def test_a_role_with_pg_monitor_alone_can_check(roles, check, pair, shop):
    roles("watcher", "LOGIN IN ROLE pg_monitor", "LOGIN IN ROLE pg_monitor")
    for side in (pair.old, pair.new):
        side.psql("REVOKE ALL ON SCHEMA public FROM PUBLIC; GRANT USAGE ON SCHEMA public TO app", shop)
    pair.new.psql("ALTER TABLE items DROP note", shop)
    found = check({"old": pair.old.dsn(shop, user="watcher"), "new": pair.new.dsn(shop, user="watcher")})
    assert found.kinds() == {("missing_column", "public.items.note")}, found.findings


def test_what_cannot_be_read_is_a_note_and_the_rest_is_still_looked_at(check, pair, shop):
    pair.new.psql("REVOKE SELECT ON pg_catalog.pg_extension FROM PUBLIC", shop)
    pair.new.psql("ALTER TABLE items ADD more int", shop)
    found = check()
    assert found.code == 0, found.findings
    assert found.kinds() == {("not_readable", "extensions"), ("extra_column", "public.items.more")}, found.findings
    assert "new: permission denied" in found.details("not_readable")[0]


def test_what_check_asks_writes_nothing(check, pair, shop):
    before = [side.psql("SELECT pg_current_xact_id()") for side in (pair.old, pair.new)]
    check()
    after = [side.psql("SELECT pg_current_xact_id()") for side in (pair.old, pair.new)]
    assert [int(a[0]) - int(b[0]) for a, b in zip(after, before)] == [1, 1]


# ---- one difference each: all are planted in one pair, each in a schema of its own ----

BOTH = "both"
BASE = ("CREATE TYPE {s}.status AS ENUM ('new', 'paid');"
        "CREATE TABLE {s}.items (id int, name text NOT NULL, price numeric(10,2), note text, state {s}.status);")
FUNCTION = "CREATE FUNCTION tax(numeric) RETURNS numeric LANGUAGE sql IMMUTABLE AS 'SELECT $1 * {}'"
FOR_SCRAM = "GRANT USAGE ON SCHEMA {s} TO scram_user; "
PLANTS = {  # SQL on old, SQL on new, what is found ({s}: the schema), words of the detail
    "a relation": ("", "DROP TABLE items", {("missing_relation", "{s}.items")}, "not on new"),
    "a view": ("CREATE VIEW v AS SELECT 1 AS one", "", {("missing_relation", "{s}.v")}, ""),
    "a materialized view": ("CREATE MATERIALIZED VIEW v AS SELECT 1 AS one", "", {("missing_relation", "{s}.v")}, ""),
    "partitions": ("CREATE TABLE m (a int) PARTITION BY RANGE (a); CREATE TABLE m1 PARTITION OF m FOR VALUES FROM (0) TO (9)",
                   "CREATE TABLE m (a int)", set(), ""),
    "a relation that is more": ("", "CREATE TABLE t (a int)", set(), ""),
    "a column": ("", "ALTER TABLE items DROP note", {("missing_column", "{s}.items.note")}, "not on new"),
    "a column that is more": ("", "ALTER TABLE items ADD more int", {("extra_column", "{s}.items.more")}, ""),
    "column order": ("CREATE TABLE t (a int, b int, c int)", "CREATE TABLE t (b int, a int, c int)",
                     {("column_order", "{s}.t")}, "a comes before b"),
    "a type with a rule": ("", "ALTER TABLE items ALTER id TYPE bigint", {("type_change", "{s}.items.id")}, "integer on old and bigint on new"),
    "a type modifier": ("", "ALTER TABLE items ALTER price TYPE numeric(12,4)", {("type_change", "{s}.items.price")}, "numeric(12,4)"),
    "an enum to text": ("", "ALTER TABLE items ALTER state TYPE text", {("type_change", "{s}.items.state")}, ""),
    "a type without a rule": ("", "ALTER TABLE items ALTER id TYPE text", {("type_by_text", "{s}.items.id")}, "integer on old and text on new"),
    "a column's collation": ("", 'ALTER TABLE items ALTER note TYPE text COLLATE "C"', {("collation", "{s}.items.note")}, "'default' on old and 'C' on new"),
    "not null": ("", "ALTER TABLE items ALTER name DROP NOT NULL", set(), ""),
    "row security": ("ALTER TABLE items ENABLE ROW LEVEL SECURITY", "", {("row_security", "{s}.items")}, "'on' on old and 'off' on new"),
    "forced row security": ("ALTER TABLE items ENABLE ROW LEVEL SECURITY", "ALTER TABLE items ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY",
                            {("row_security", "{s}.items")}, "forced"),
    "a policy": ("CREATE POLICY p ON items USING (id > 1)", "", {("policy", "{s}.items policy p")}, ""),
    "a policy that is more": ("", "CREATE POLICY p ON items USING (id > 1)", {("policy", "{s}.items policy p")}, "on new only"),
    "a policy's condition": ("CREATE POLICY p ON items USING (id > 1)", "CREATE POLICY p ON items USING (id > 2)",
                             {("policy", "{s}.items policy p")}, "id > 2"),
    "a policy for writes alone": ("CREATE POLICY p ON items FOR INSERT WITH CHECK (true)", "", set(), ""),
    "an enum's labels": ("", "ALTER TYPE status ADD VALUE 'lost' BEFORE 'paid'", {("type_differs", "{s}.status")}, "new, lost, paid"),
    "a domain's check": ("CREATE DOMAIN d AS int CHECK (VALUE > 0)", "CREATE DOMAIN d AS int CHECK (VALUE > 1)", {("type_differs", "{s}.d")}, ""),
    "a domain's base": ("CREATE DOMAIN d AS int", "CREATE DOMAIN d AS bigint", {("type_differs", "{s}.d")}, "bigint"),
    "a composite's attributes": ("CREATE TYPE c AS (a int)", "CREATE TYPE c AS (a int, b int)", {("type_differs", "{s}.c")}, ""),
    "a range's subtype": ("CREATE TYPE r AS RANGE (subtype = int)", "CREATE TYPE r AS RANGE (subtype = float8)",
                          {("type_differs", "{s}.r"), ("missing_function", "{s}.r(int4, int4)"), ("missing_function", "{s}.r(int4, int4, text)")}, "definition"),
    "a type": ("CREATE TYPE c AS (a int)", "", {("type_differs", "{s}.c")}, "not on new"),
    "a text search configuration": ("CREATE TEXT SEARCH CONFIGURATION t (COPY = pg_catalog.simple)", "", {("text_search", "configuration {s}.t")}, ""),
    "a text search mapping": ("CREATE TEXT SEARCH CONFIGURATION t (COPY = pg_catalog.simple)", "CREATE TEXT SEARCH CONFIGURATION t (COPY = pg_catalog.english)",
                              {("text_search", "configuration {s}.t")}, "mapping"),
    "a text search dictionary": ("CREATE TEXT SEARCH DICTIONARY t (template = simple, accept = true)",
                                 "CREATE TEXT SEARCH DICTIONARY t (template = simple, accept = false)", {("text_search", "dictionary {s}.t")}, "options"),
    "an extension": ("CREATE EXTENSION citext", "", {("missing_extension", "citext")}, ""),
    "an extension's version": ("CREATE EXTENSION pg_trgm VERSION '1.5'", "CREATE EXTENSION pg_trgm", {("extension_version", "pg_trgm")}, "1.5"),
    "a function": (FUNCTION.format("0.2"), "", {("missing_function", "{s}.tax(numeric)")}, ""),
    "a function's body": (FUNCTION.format("0.2"), FUNCTION.format("0.19"), {("function_differs", "{s}.tax(numeric)")}, "its body differs"),
    "a function's volatility": (FUNCTION.format("0.2"), FUNCTION.format("0.2").replace("IMMUTABLE", "STABLE"),
                                {("function_differs", "{s}.tax(numeric)")}, "'immutable' on old and 'stable' on new"),
    "a trigger's function": ("CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'", "", set(), ""),
    "a volatile function": (BOTH, "CREATE FUNCTION tick() RETURNS int LANGUAGE sql VOLATILE AS 'SELECT 1'", {("function_unproven", "{s}.tick")}, "volatile"),
    "an opaque function": (BOTH, "CREATE FUNCTION tick() RETURNS int LANGUAGE plpgsql STABLE AS 'BEGIN RETURN 1; END'",
                           {("function_unproven", "{s}.tick")}, "plpgsql"),
    "a right to read": (FOR_SCRAM + "GRANT SELECT ON items TO scram_user", FOR_SCRAM, {("no_select", "{s}.items")}, "role scram_user may read it"),
    "a right to a schema": (FOR_SCRAM + "GRANT SELECT ON items TO scram_user", "GRANT SELECT ON items TO scram_user", {("no_select", "{s}.items")}, "scram_user"),
    "a right to all columns": (FOR_SCRAM + "GRANT SELECT ON items TO scram_user", FOR_SCRAM + "GRANT SELECT (id, name) ON items TO scram_user",
                               {("no_select", "{s}.items")}, "all of its columns"),
    "a right to a column": (FOR_SCRAM + "GRANT SELECT (id, name) ON items TO scram_user", FOR_SCRAM + "GRANT SELECT (id) ON items TO scram_user",
                            {("no_select", "{s}.items.name")}, "scram_user"),
    "a right that comes from PUBLIC": (FOR_SCRAM + "GRANT SELECT ON items TO scram_user", FOR_SCRAM + "GRANT SELECT ON items TO PUBLIC", set(), ""),
    "a right to call": (FOR_SCRAM + FUNCTION.format("0.2"), FOR_SCRAM + FUNCTION.format("0.2") + "; REVOKE ALL ON FUNCTION tax FROM PUBLIC",
                        {("no_execute", "{s}.tax")}, "scram_user may call it"),
    "a collation's locale": ("CREATE COLLATION c (provider = icu, locale = 'de')", "CREATE COLLATION c (provider = icu, locale = 'sv')",
                             {("collation", "collation {s}.c")}, "'de' on old and 'sv' on new"),
    "a collation": ("CREATE COLLATION c (provider = icu, locale = 'de')", "", {("collation", "collation {s}.c")}, "not on new"),
    "a library's version": (BOTH, "CREATE COLLATION c (provider = icu, locale = 'de')", {("collation_stale", "collation {s}.c")}, "version 1.2.3 on new"),
}


def expected_of(number):
    schema = f"p{number}"
    old, new, expected, words = list(PLANTS.values())[number]
    return {(kind, subject.replace("{s}", schema)) for kind, subject in expected}, words


@pytest.fixture(scope="module")
def planted(pair, tmp_path_factory):
    """What is found in a pair that has all the differences."""
    shop = pair.database()
    scripts = {pair.old: "", pair.new: ""}
    for number, (old, new, _, _) in enumerate(PLANTS.values()):
        for side, sql in ((pair.old, new if old == BOTH else old), (pair.new, new)):
            scripts[side] += (f"CREATE SCHEMA p{number}; SET search_path = p{number};"
                              + BASE.replace("{s}", f"p{number}") + sql.replace("{s}", f"p{number}") + ";\n")
    number = list(PLANTS).index("a library's version")
    scripts[pair.new] += f"UPDATE pg_collation SET collversion = '1.2.3' WHERE collnamespace = 'p{number}'::regnamespace;"
    for side, sql in scripts.items():
        side.psql(sql, shop)
    found = Check(pair, shop, tmp_path_factory.mktemp("planted"))()
    yield found
    pair.forget(shop)


@pytest.mark.parametrize("number", range(len(PLANTS)), ids=list(PLANTS))
def test_a_planted_difference_is_found(planted, number):
    expected, words = expected_of(number)
    mine = [finding for finding in planted.findings if f"p{number}." in finding["subject"]
            or (finding["kind"], finding["subject"]) in expected]
    assert {(finding["kind"], finding["subject"]) for finding in mine} == expected, mine
    assert not expected or any(words in finding["detail"] for finding in mine), mine


def test_nothing_but_the_planted_differences_is_found(planted):
    assert planted.code == 1
    assert planted.kinds() == set().union(*(expected_of(number)[0] for number in range(len(PLANTS)))), planted.kinds()


# ---- the configuration's word on it ----

def test_a_relation_that_moved_is_found_by_search_path(check, pair, shop):
    pair.new.psql("CREATE SCHEMA v2; ALTER TABLE parts SET SCHEMA v2; ALTER TABLE items SET SCHEMA v2;"
                  "ALTER TYPE status SET SCHEMA v2; GRANT USAGE ON SCHEMA v2 TO PUBLIC", shop)
    found = check()
    assert found.code == 1 and ("missing_relation", "public.parts") in found.kinds(), found.findings
    found = check({"new": pair.new.dsn(shop, user="app", options="'-c search_path=v2,public'")})
    assert found.code == 0 and found.kinds() == {("search_path", "search_path")}, found.findings


def test_two_schemas_of_one_database_are_compared_by_search_path(check, pair, shop):
    pair.old.psql("CREATE SCHEMA v2; GRANT USAGE ON SCHEMA v2 TO PUBLIC;"
                  "CREATE TABLE v2.items AS SELECT id, name, price, note, weight, made, tags, doc FROM items", shop)
    found = check({"new": pair.old.dsn(shop, user="app", options="'-c search_path=v2,public'"), "lag": {"probe": "auto"}})
    assert found.code == 1, found.findings
    assert ("missing_column", "public.items.state") in found.kinds(), found.findings
    assert not found.details("lag_none"), found.findings


def test_rewrites_say_where_tables_and_columns_went(check, pair, shop):
    pair.new.psql("ALTER TABLE items RENAME note TO remark; ALTER TABLE parts RENAME TO pieces", shop)
    found = check({"rewrite": [{"columns": {"items.note": "remark"}, "tables": {"parts": "pieces"}}]})
    assert found.kinds() == {("extra_column", "public.items.remark")}, found.findings


def test_a_rewrite_that_leads_to_nothing_is_found(check, pair, shop):
    pair.new.psql("ALTER TABLE items RENAME note TO remark", shop)
    found = check({"rewrite": [{"columns": {"items.note": "comment"}, "tables": {"parts": "nowhere", "gone": "parts"}},
                               {"like": "SELECT 1%", "to": "SELECT nothing FROM parts"},
                               {"like": "SELECT 2%", "to": "SELECT what FROM parts WHERE line = $1"}]})
    assert found.code == 1, found.findings
    assert {place for kind, place in found.kinds() if kind == "rewrite"} == {"items.note", "parts", "gone", "SELECT 1%"}


def test_rules_exempt_what_they_are_about(check, pair, shop):
    pair.new.psql("DROP TABLE parts; ALTER TABLE items ADD more int; ALTER TABLE items ALTER id TYPE text", shop)
    rules = [{"match": {"table": "parts"}, "skip": True}, {"match": {"table": "items", "column": "id"}, "as": "number"},
             {"match": {"table": "items"}, "extra_columns": "allow"}]
    found = check({"compare": {"rules": rules}})
    assert found.code == 0 and not found.kinds(), found.findings


def test_safe_functions_are_not_named_and_must_exist(check, pair, shop):
    for side in (pair.old, pair.new):
        side.psql("CREATE FUNCTION tick() RETURNS int LANGUAGE sql VOLATILE AS 'SELECT 1'", shop)
    found = check({"safe_functions": ["public.tick", "public.tock"]})
    assert found.code == 0 and found.kinds() == {("unknown_safe_function", "public.tock")}, found.findings


# ---- settings, collations of the database, limits ----

SETTINGS = {"TimeZone": "Asia/Tokyo", "DateStyle": "German", "IntervalStyle": "iso_8601", "extra_float_digits": "0",
            "bytea_output": "escape", "xmloption": "document", "default_text_search_config": "pg_catalog.german",
            "transform_null_equals": "on", "row_security": "off", "lc_monetary": "C"}


def test_settings_that_change_results_are_named_and_no_others(check, pair, shop):
    for name, value in {**SETTINGS, "work_mem": "1MB", "log_statement": "ddl"}.items():
        pair.new.psql(f"ALTER DATABASE {shop} SET {name} = '{value}'")
    found = check()
    assert found.code == 0 and found.kinds() == {("setting", name) for name in SETTINGS}, found.findings
    assert any("'Asia/Tokyo' on new" in detail for detail in found.details("setting")), found.findings


def test_custom_settings_of_the_database_and_settings_of_roles_are_compared(roles, check, pair, shop):
    roles("berliner")
    pair.old.psql(f"ALTER DATABASE {shop} SET shop.tenant = 'one'; ALTER ROLE berliner SET TimeZone = 'Europe/Berlin';"
                  "ALTER ROLE berliner SET work_mem = '1MB'")
    pair.new.psql(f"ALTER ROLE berliner IN DATABASE {shop} SET TimeZone = 'Asia/Tokyo'")
    found = check()
    assert found.kinds() == {("role_setting", "all roles shop.tenant"), ("role_setting", "role berliner TimeZone")}, found.findings


def test_another_collation_and_encoding_of_the_database_are_named(check, pair, shop):
    pair.new.psql("CREATE DATABASE odd TEMPLATE template0 ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C'")
    try:
        pair.old.psql("CREATE DATABASE odd TEMPLATE template0")
        found = check({"old": pair.old.dsn("odd", user="app"), "new": pair.new.dsn("odd", user="app")})
        assert found.code == 0, found.findings
        assert {kind for kind, _ in found.kinds()} == {"encoding", "collation", "no_relations"}, found.findings
        assert "'UTF8' on old and 'LATIN1' on new" in found.details("encoding")[0]
    finally:
        for side in (pair.old, pair.new):
            side.psql("DROP DATABASE IF EXISTS odd WITH (FORCE)")


def test_own_sessions_that_can_exhaust_a_server_are_warned_of(check):
    found = check({"shadow": {"max_connections": 500}})
    assert found.code == 0 and found.kinds() == {("connections", "shadow.max_connections")}, found.findings
    assert len(found.details("connections")) == 2, found.findings


# ---- roles ----

def test_roles_that_new_lacks_and_attributes_that_differ_are_named(roles, check, pair, shop):
    roles("lonely", new=None)
    roles("mighty", "LOGIN BYPASSRLS", "LOGIN")
    roles("late", "LOGIN", "LOGIN VALID UNTIL '2001-01-01'")
    roles("still", "NOLOGIN", None)
    found = check()
    assert found.code == 0, found.findings
    assert found.kinds() == {("missing_role", "role lonely"), ("role_attribute", "role mighty"),
                             ("role_attribute", "role late")}, found.findings
    assert "bypassrls is 't' on old and 'f' on new" in found.details("role_attribute")


def test_roles_that_may_not_connect_to_old_are_no_matter(roles, check, pair, shop):
    roles("outsider", new=None)
    pair.old.psql(f"REVOKE CONNECT ON DATABASE {shop} FROM PUBLIC; GRANT CONNECT ON DATABASE {shop} TO app, scram_user, md5_user, password_user")
    found = check()
    assert found.code == 0 and not found.kinds(), found.findings


def test_memberships_that_differ_are_named(roles, check, pair, shop):
    roles("readers", "NOLOGIN", "NOLOGIN")
    roles("reader")
    pair.old.psql("GRANT readers TO reader; GRANT SELECT ON items TO readers", shop)
    pair.new.psql("GRANT SELECT ON items TO readers", shop)
    found = check()
    assert found.kinds() == {("membership", "role reader in readers"), ("no_select", "public.items")}, found.findings


# ---- who gets in ----

def test_nobody_who_gets_in_on_new_forbids(check, pair, shop):
    hba = pair.new.home / "data" / "pg_hba.conf"
    before = hba.read_text()
    try:
        hba.write_text(before.replace(
            "host    all          all            127.0.0.1/32          trust",
            f"host {shop} our_user 127.0.0.1/32 trust\nhost all all 127.0.0.1/32 scram-sha-256"))
        pair.new.psql("SELECT pg_reload_conf(); CREATE ROLE our_user LOGIN IN ROLE pg_monitor")
        found = wait_until(lambda: (f := check({"new": pair.new.dsn(shop, user="our_user")},
                                               auth={"type": "trust"})).details("nobody_logs_in") and f)
        assert found.code == 1 and ("nobody_logs_in", "new") in found.kinds(), found.findings
        assert {("no_login", "role app"), ("no_login", "role scram_user")} <= found.kinds(), found.findings
        found = check({"new": pair.new.dsn(shop, user="our_user")})
        assert found.code == 0 and not found.details("nobody_logs_in"), found.findings
    finally:
        hba.write_text(before)
        pair.new.psql("SELECT pg_reload_conf(); DROP ROLE our_user")


def test_a_wrong_secret_in_auth_file_is_named_with_what_new_says(check):
    check.secrets.write_text(SECRETS.replace('"scram_user" "a secret"', '"scram_user" "a mistake"'))
    found = check()
    assert found.code == 0 and found.kinds() == {("no_login", "role scram_user")}, found.findings
    assert "password authentication failed" in found.details("no_login")[0]


def test_verifiers_that_differ_are_named_and_never_printed(check, pair, shop):
    entry = {"old": pair.old.dsn(shop, user="postgres"), "new": pair.new.dsn(shop, user="postgres")}
    verifiers = {side: side.psql("SELECT rolpassword FROM pg_authid WHERE rolname = 'scram_user'")[0]
                 for side in (pair.old, pair.new)}
    query = "SELECT rolname, rolpassword FROM pg_catalog.pg_authid WHERE rolname = $1"
    found = check(entry, auth={"type": "scram-sha-256", "query": query})
    assert ("verifier_differs", "role scram_user") in found.kinds(), found.findings
    assert not any(verifier[-20:] in str(found.databases) for verifier in verifiers.values())
    pair.new.psql(f"ALTER ROLE scram_user PASSWORD '{verifiers[pair.old]}'")
    try:
        found = check(entry, auth={"type": "scram-sha-256", "query": query})
        assert ("verifier_differs", "role scram_user") not in found.kinds(), found.findings
        assert ("no_login", "role scram_user") not in found.kinds(), found.findings
    finally:
        pair.new.psql("SET password_encryption = 'scram-sha-256'; ALTER ROLE scram_user PASSWORD 'a secret'")


def test_md5_verifiers_are_compared_too(check, pair, shop):
    entry = {"old": pair.old.dsn(shop, user="postgres"), "new": pair.new.dsn(shop, user="postgres")}
    query = "SELECT rolname, rolpassword FROM pg_catalog.pg_authid WHERE rolname = $1"
    assert ("verifier_differs", "role md5_user") not in check(entry, auth={"type": "md5", "query": query}).kinds()
    pair.new.psql("SET password_encryption = 'md5'; ALTER ROLE md5_user PASSWORD 'another'")
    try:
        found = check(entry, auth={"type": "md5", "query": query})
        assert ("verifier_differs", "role md5_user") in found.kinds(), found.findings
    finally:
        pair.new.psql("SET password_encryption = 'md5'; ALTER ROLE md5_user PASSWORD 'a secret'")


def test_a_login_that_depends_on_olds_method_is_a_note_unless_old_never_asks_in_cleartext(check, pair, shop):
    auth = {"type": "passthrough", "unchallenged": "allow"}
    found = check(auth=auth)
    assert found.code == 0 and ("login_unknown", "role scram_user") in found.kinds(), found.findings
    hba = pair.old.home / "data" / "pg_hba.conf"  # read by the question, not reloaded
    before = hba.read_text()
    try:
        hba.write_text(before.replace("127.0.0.1/32          password", "127.0.0.1/32          scram-sha-256"))
        pair.old.psql("GRANT EXECUTE ON FUNCTION pg_catalog.pg_hba_file_rules() TO app;"
                      "GRANT SELECT ON pg_catalog.pg_hba_file_rules TO app", shop)
        found = check(auth=auth)
        assert ("no_login", "role scram_user") in found.kinds() and not found.details("login_unknown"), found.findings
    finally:
        hba.write_text(before)


def test_old_that_admits_without_asking_is_named(check):
    found = check(auth={"type": "passthrough", "file": str(check.secrets)})
    assert found.code == 0, found.findings
    assert found.kinds() == {("unchallenged", "role app"), ("unchallenged", "role postgres")}, found.findings
    found = check(auth={"type": "passthrough", "unchallenged": "allow", "file": str(check.secrets)})
    assert {kind for kind, _ in found.kinds()} == {"unchallenged_allowed"}, found.findings


@pytest.mark.parametrize("text, words", [("scram_user a secret\n", ":1: expected"), (None, "No such file")])
def test_an_auth_file_that_cannot_be_read_forbids(check, text, words):
    check.secrets.unlink()
    if text:
        check.secrets.write_text(text)
        check.secrets.chmod(0o600)
    found = check({"identity": "service"})
    assert found.code == 1 and found.kinds() == {("secrets_file", "auth.file")}, found.findings
    assert words in found.details("secrets_file")[0]


def test_an_auth_file_that_everybody_can_read_is_warned_of(check):
    check.secrets.chmod(0o644)
    found = check()
    assert found.code == 0 and found.kinds() == {("secrets_file_open", "auth.file")}, found.findings


@pytest.mark.parametrize("query, words", [
    ("SELECT rolname, rolpassword FROM pg_catalog.pg_authid WHERE rolname = $1", "permission denied"),
    ("SELECT rolname FROM pg_catalog.pg_roles WHERE rolname = $1", "1 column"),
    ("SELECT nonsense", "nonsense")])
def test_an_auth_query_that_does_not_work_forbids(check, query, words):
    found = check(auth={"type": "scram-sha-256", "file": str(check.secrets), "query": query})
    assert found.code == 1 and ("secrets_query", "auth.query") in found.kinds(), found.findings
    assert words in found.details("secrets_query")[0], found.findings


def test_set_role_needs_a_plain_member_of_the_clients_roles(roles, check, pair, shop):
    found = check({"identity": "set_role", "new": pair.new.dsn(shop, user="postgres")})
    assert found.code == 1 and ("set_role_might", "postgres") in found.kinds(), found.findings
    roles("plain")
    entry = {"identity": "set_role", "old": pair.old.dsn(shop, user="plain"), "new": pair.new.dsn(shop, user="plain")}
    found = check(entry)
    assert found.code == 0 and ("set_role_member", "role app") in found.kinds(), found.findings
    for side in (pair.old, pair.new):
        side.psql("GRANT app, scram_user, md5_user, password_user, tls_user TO plain")
    found = check(entry)
    assert found.code == 0 and not found.kinds(), found.findings


def test_service_is_warned_of_row_security_and_of_what_it_may_not_read(check, pair, shop):
    for side in (pair.old, pair.new):
        side.psql("ALTER TABLE items ENABLE ROW LEVEL SECURITY; REVOKE ALL ON parts FROM PUBLIC", shop)
    pair.new.psql("ALTER TABLE parts OWNER TO postgres", shop)
    found = check({"identity": "service"})
    assert found.kinds() == {("service_row_security", "public.items"), ("no_select", "public.parts")}, found.findings


# ---- replication ----

def test_two_clusters_without_replication_have_no_lag_probe(check):
    found = check({"lag": {"probe": "auto"}})
    assert found.code == 1 and {kind for kind, _ in found.kinds()} == {"lag_probe"}, found.findings
    assert "set lag.probe" in found.details("lag_probe")[0]


def test_logical_replication_is_found_and_works(roles, check, pair, shop):
    pair.new.psql("TRUNCATE items, parts", shop)
    pair.replicate(shop)
    wait_until(lambda: pair.new.psql("SELECT 1 FROM pg_subscription_rel HAVING bool_and(srsubstate = 'r')", shop),
               what="the tables are copied")
    found = check({"lag": {"probe": "auto"}})
    assert found.code == 0 and not found.details("lag_probe"), found.findings
    assert found.databases[1]["lag_probe"] == "logical", found.databases
    roles("blind")
    found = check({"lag": {"probe": "logical"}, "old": pair.old.dsn(shop, user="blind")})
    assert found.code == 1 and "pg_monitor" in found.details("lag_probe")[0], found.findings
    pair.new.psql(f"ALTER SUBSCRIPTION rehearsal_{shop} DISABLE", shop)
    found = check({"lag": {"probe": "auto"}})
    assert found.code == 1 and f"rehearsal_{shop} is disabled" in found.details("lag_probe")[0], found.findings


def test_a_query_probe_has_to_give_a_position_or_a_time(check):
    assert check({"lag": {"probe": "query", "sql": "SELECT clock_timestamp()"}}).code == 0
    found = check({"lag": {"probe": "query", "sql": "SELECT 'soon'"}})
    assert found.code == 1 and found.details("lag_probe"), found.findings


# ---- TLS ----

def certificate(folder, days):
    cert, key = folder / f"cert{days}.pem", folder / f"key{days}.pem"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", str(days), "-subj", "/CN=localhost",
                    "-keyout", key, "-out", cert], check=True, capture_output=True)
    key.chmod(0o600)
    return {"mode": "prefer", "cert": str(cert), "key": str(key)}


@pytest.mark.parametrize("days, kind, code", [(60, None, 0), (5, "certificate_expires", 0)])
def test_a_certificate_that_ends_soon_is_warned_of(check, tmp_path, days, kind, code):
    found = check(listen={"tls": certificate(tmp_path, days)})
    assert found.code == code, found.findings
    assert found.kinds() == ({(kind, "listen.tls.cert")} if kind else set()), found.findings


def test_an_expired_certificate_forbids(check, tmp_path):
    tls, request = certificate(tmp_path, 60), tmp_path / "request.pem"
    for command in (["req", "-new", "-subj", "/CN=localhost", "-key", tls["key"], "-out", request],
                    ["x509", "-req", "-in", request, "-signkey", tls["key"], "-days", "0", "-out", tls["cert"]]):
        subprocess.run(["openssl", *command], check=True, capture_output=True)
    # It ends in the second that it is made in.
    found = wait_until(lambda: (f := check(listen={"tls": tls})).details("certificate_expired") and f)
    assert found.code == 1 and found.kinds() == {("certificate_expired", "listen.tls.cert")}, found.findings


def test_certificate_files_that_serve_would_refuse_forbid(check, tmp_path):
    tls = certificate(tmp_path, 60)
    found = check(listen={"tls": {**tls, "key": str(tmp_path / "none.pem")}})
    assert found.code == 1 and found.kinds() == {("tls_file", "listen.tls")}, found.findings


def test_tls_on_one_side_alone_is_warned_of_and_channel_binding_needs_olds_certificate(check, pair, shop, tmp_path):
    pair.enable_tls()
    wait_until(lambda: pair.old.psql("SHOW ssl") == ["on"])
    entry = {"old": pair.old.dsn(shop, user="app", sslmode="require")}
    found = wait_until(lambda: (f := check(entry)).code == 0 and f)
    assert found.kinds() == {("tls_off", "new"), ("no_login", "role tls_user")}, found.findings
    entry["new"] = pair.new.dsn(shop, user="app", sslmode="prefer")
    found = wait_until(lambda: not (f := check(entry)).details("tls_off") and f)
    assert found.kinds() == {("tls_weaker", "sslmode")}, found.findings
    entry["new"] = pair.new.dsn(shop, user="app", sslmode="require")
    passthrough = {"type": "passthrough", "unchallenged": "allow", "file": str(check.secrets)}
    found = check(entry, auth=passthrough, listen={"tls": certificate(tmp_path, 60)})
    assert ("channel_binding", "listen.tls.cert") in found.kinds(), found.findings
    found = check(entry, auth=passthrough, listen={"tls": {"mode": "prefer", "cert": str(pair.cert), "key": str(pair.key)}})
    assert not found.details("channel_binding"), found.findings


def test_one_database_as_both_sides_is_an_error_and_two_schemas_of_it_are_not(check, pair, shop):
    found = check({"new": pair.old.dsn(shop, user="app")})
    assert found.code == 1 and ("same_side", "old and new") in found.kinds(), found.findings
    found = check({"new": pair.old.dsn(shop, user="app") + " options='-c search_path=v2'"})
    assert not found.details("same_side"), found.findings


# ---- the command ----

def test_a_side_out_of_reach_is_2_and_the_other_is_still_looked_at(check, pair, shop):
    found = check({"old": f"host=127.0.0.1 port={free_port()} dbname={shop} user=app", "shadow": {"max_connections": 500}})
    assert found.code == 2, found.findings
    assert found.kinds() == {("unreachable", "old"), ("connections", "shadow.max_connections")}, found.findings
    assert "refused" in found.details("unreachable")[0]
    assert found.databases[1]["outcome"] == "unknown" and "PostgreSQL 15" in found.databases[1]["new"], found.databases


def test_a_mistake_in_the_file_is_2_with_file_line_and_key(check):
    code, _, err = check.run(text="listen:\n  prot: 1\ndatabases:\n")
    assert code == 2 and "pgrehearse.yaml:2: listen.prot: there is no such key" in err, err


def test_an_unknown_format_is_2(check):
    code, _, err = check.run(options=("--format", "html"))
    assert code == 2 and "text or json" in err, err


def test_the_text_gives_ten_of_a_kind_and_counts_the_rest_and_the_gravest_come_first(check, pair, shop):
    pair.old.psql("".join(f"CREATE TABLE t{i} (a int);" for i in range(47)), shop)
    pair.new.psql("ALTER TABLE items ADD more int", shop)
    code, out, _ = check.run()
    lines = out.splitlines()
    assert code == 1 and len(lines) == 14, out
    assert all(line.startswith(f"error    {check.shop}  missing_relation  ") for line in lines[:11]), out
    assert "and 37 more" in lines[10] and "→" in lines[0], out
    assert [line.split()[0] for line in lines[11:13]] == ["note", "note"], out
    assert lines[13].startswith(f"not fit  {check.shop}  47 errors, 2 notes"), out


def test_two_thousand_tables_take_seconds(check, pair, shop):
    """The limit is generous; a question a table would take far longer than this."""
    ddl = "".join(f"CREATE TABLE t{i} (a int, b text, c timestamptz);" for i in range(2000))
    for side in (pair.old, pair.new):
        side.psql(ddl, shop)
    pair.new.psql("ALTER TABLE t1234 DROP b", shop)
    began = time.monotonic()
    found = check()
    assert found.kinds() == {("missing_column", "public.t1234.b")}, found.findings
    print(f"2,000 tables: {time.monotonic() - began:.1f} s")
