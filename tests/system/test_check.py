"""`pgrehearse check`: what it finds about two real clusters, and what its exit code says."""

import json
import subprocess

import pytest

from clusters import free_port
from proxy import binary, wait_until


@pytest.fixture
def check(pair, shop, tmp_path):
    """check(entry={}): (exit code, lines of output) for the fresh database, by default as it is."""
    def run(entry=None, text=None):
        path = tmp_path / "pgrehearse.yaml"
        entry = {"old": pair.old.dsn(shop, user="app"), "new": pair.new.dsn(shop, user="app"),
                 "lag": {"probe": "none"}, **(entry or {})}
        path.write_text(text or json.dumps({"databases": {shop: entry}}))
        done = subprocess.run([binary(), "check", "-c", path], capture_output=True, text=True, timeout=120)
        assert "Sanitizer" not in done.stderr, done.stderr
        return done.returncode, (done.stdout + done.stderr).splitlines()
    return run


def lines_with(lines, *words):
    return [line for line in lines if all(word in line for word in words)]


def test_two_equal_sides_are_fit(check):
    code, lines = check()
    assert code == 0, lines
    assert lines_with(lines, "old: PostgreSQL 15") and lines_with(lines, "new: PostgreSQL 15"), lines
    assert lines_with(lines, "fit; failures: 0"), lines


def test_a_relation_that_new_lacks_forbids(check, pair, shop):
    pair.new.psql("DROP TABLE parts", shop)
    code, lines = check()
    assert code == 1, lines
    assert lines_with(lines, "FAIL", "public.parts is not on new"), lines
    assert not lines_with(lines, "FAIL", "items"), lines


def test_a_column_that_new_lacks_forbids_and_a_rewrite_explains_it(check, pair, shop):
    pair.new.psql("ALTER TABLE items RENAME note TO remark", shop)
    code, lines = check()
    assert code == 1 and lines_with(lines, "FAIL", "column public.items.note is not on new"), lines
    code, lines = check({"rewrite": [{"columns": {"items.note": "remark"}}]})
    assert code == 0, lines


def test_a_relation_that_moved_is_found_by_search_path_or_rewrite(check, pair, shop):
    pair.new.psql("CREATE SCHEMA v2; GRANT USAGE ON SCHEMA v2 TO app; ALTER TABLE parts SET SCHEMA v2;"
                  "ALTER TABLE v2.parts RENAME TO pieces", shop)
    code, lines = check()
    assert code == 1 and lines_with(lines, "FAIL", "public.parts"), lines
    code, lines = check({"rewrite": [{"tables": {"parts": "v2.pieces"}}]})
    assert code == 0, lines
    pair.new.psql("ALTER TABLE v2.pieces RENAME TO parts", shop)
    code, lines = check({"new": pair.new.dsn(shop, user="app", options="'-c search_path=v2,public'")})
    assert code == 0, lines


def test_changed_types_are_noted_with_both(check, pair, shop):
    pair.new.psql("ALTER TABLE parts ALTER line TYPE bigint", shop)
    code, lines = check()
    assert code == 0, lines
    assert lines_with(lines, "note", "public.parts.line is integer on old and bigint on new"), lines


def test_settings_that_change_results_are_warned_of(check, pair, shop):
    pair.new.psql(f"ALTER DATABASE {shop} SET timezone = 'Asia/Tokyo';"
                  f"ALTER DATABASE {shop} SET extra_float_digits = 0", shop)
    code, lines = check()
    assert code == 0, lines
    assert lines_with(lines, "warning", "TimeZone", "Asia/Tokyo"), lines
    assert lines_with(lines, "warning", "extra_float_digits"), lines


def test_a_right_to_read_that_new_lacks_is_warned_of(check, pair, shop):
    pair.old.psql("GRANT SELECT ON items TO app", shop)
    pair.new.psql("REVOKE ALL ON items FROM PUBLIC, app", shop)
    _, lines = check()
    assert lines_with(lines, "warning", "role app may read public.items on old, but not on new"), lines


def test_functions_that_keep_reads_from_being_compared_are_named(check, pair, shop):
    for side in (pair.old, pair.new):
        side.psql("CREATE FUNCTION tick() RETURNS int LANGUAGE sql VOLATILE AS 'SELECT 1'", shop)
    _, lines = check()
    assert lines_with(lines, "public.tick", "volatile"), lines
    code, lines = check({"safe_functions": ["public.tick", "public.tock"]})
    assert code == 0 and not lines_with(lines, "public.tick"), lines
    assert lines_with(lines, "warning", "there is no function public.tock"), lines


def test_two_clusters_without_replication_have_no_lag_probe(check):
    code, lines = check({"lag": {"probe": "auto"}})
    assert code == 1, lines
    assert lines_with(lines, "FAIL: lag: probe auto does not work", "set lag.probe"), lines


def test_logical_replication_is_found_and_works(check, pair, shop):
    pair.new.psql("TRUNCATE items, parts", shop)
    pair.replicate(shop)
    wait_until(lambda: pair.new.psql("SELECT 1 FROM pg_subscription_rel HAVING bool_and(srsubstate = 'r')", shop),
               what="the tables are copied")
    code, lines = check({"lag": {"probe": "auto"}})
    assert code == 0, lines
    assert lines_with(lines, "lag: probe logical works"), lines
    pair.new.psql(f"ALTER SUBSCRIPTION rehearsal_{shop} DISABLE", shop)
    code, lines = check({"lag": {"probe": "auto"}})
    assert code == 1 and lines_with(lines, "FAIL: lag", f"rehearsal_{shop} is disabled"), lines


def test_set_role_refuses_a_superuser(check, pair, shop):
    code, lines = check({"identity": "set_role", "new": pair.new.dsn(shop, user="postgres")})
    assert code == 1 and lines_with(lines, "FAIL: identity: set_role", "on new as postgres"), lines


def test_a_side_out_of_reach_is_2_and_the_other_is_still_looked_at(check, shop):
    code, lines = check({"old": f"host=127.0.0.1 port={free_port()} dbname={shop} user=app"})
    assert code == 2, lines
    assert lines_with(lines, "FAIL: old is out of reach") and lines_with(lines, "new: PostgreSQL 15"), lines


def test_a_mistake_in_the_file_is_2_with_file_line_and_key(check):
    code, lines = check(text="listen:\n  prot: 1\ndatabases:\n")
    assert code == 2, lines
    assert lines_with(lines, "pgrehearse.yaml:2: listen.prot: there is no such key"), lines
