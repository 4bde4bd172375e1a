"""Whose reads new serves: cohorts by every key, who is in and why, and how all of them leave at once."""

import math
import threading
import time

import psycopg
import pytest

from conftest import SHOP, running
from proxy import wait_until

READ = "SELECT name FROM items WHERE id = 1"
SIDES = {"from new": "new", "item 1": "old"}
CANARY = {"canary": {"quarantine": False, "after_write": "1ms", "patience": "10s"},
          "shadow": {"percent": 0, "max_result": "64KiB"}}


@pytest.fixture(scope="module")
def shop(pair):
    """One database for all of these tests, whose answers tell their side."""
    name = pair.database(SHOP)
    pair.new.psql("UPDATE items SET name = 'from new' WHERE id = 1", name)
    yield name
    pair.forget(name)


@pytest.fixture(scope="module")
def proxy(pair, shop):
    with running(pair, shop, CANARY) as one:
        yield one


@pytest.fixture
def rekey(proxy, shop):
    """rekey(canary settings, …): the canary at 0 % with these. Sessions have them from their next read on."""
    def set_to(percent=0, **settings):
        proxy.configuration["databases"][shop]["canary"] = {**CANARY["canary"], **settings}
        proxy.write()
        proxy.console("RELOAD")
        proxy.console(f"SET canary_percent = {percent}")
        return proxy
    yield set_to
    proxy.console("ARM CANARY")


def side(connection, before="", behind="", prepare=False):
    return SIDES[connection.execute(f"{before}{READ}{behind}", prepare=prepare).fetchone()[0]]


def is_in(connection, what="", **how):
    """That its reads are served by new, as soon as it is known that it has not just written."""
    return wait_until(lambda: side(connection, **how) == "new", what=f"in after {what or how}")


def is_out(connection, what="", **how):
    """That from the next read on none is, although new could."""
    assert all(side(connection, **how) == "old" for _ in range(4)), f"out after {what or how}"
    return True


def follows(connection, said):
    """After each of these statements the session is in, or is out."""
    for what, wanted in said:
        for statement in what.split("; ") if what.startswith("BEGIN") else [what]:
            connection.execute(statement)
        assert is_in(connection, what) if wanted else is_out(connection, what)


# What a session says, and whether it is in the cohort of app.tenant 'in' from the next read on.
TENANT = [
    ("SET app.tenant = 'out'", False),
    ("SET app.tenant TO 'in'", True),
    ("SET app.tenant = ''", False),
    ("SET \"app\".\"tenant\" = 'in'", True),
    ("SELECT set_config('app.tenant', 'out', false)", False),
    ("SELECT set_config('app.tenant', 'in', false)", True),
    ("BEGIN; SET app.tenant = 'out'; ROLLBACK", True),
    ("BEGIN; SET LOCAL app.tenant = 'out'; COMMIT", True),
    ("BEGIN; SET app.tenant = 'out'; COMMIT", False),
    ("BEGIN; SAVEPOINT s; SET app.tenant = 'in'; ROLLBACK TO s; COMMIT", False),
    ("RESET app.tenant", True),  # the startup packet's
    ("SET app.tenant = 'out'", False),
    ("DISCARD ALL", True),
    ("DO $$ BEGIN PERFORM set_config('app.tenant', 'in', false); END $$", False),  # what can't be followed is no key
    ("DISCARD ALL", True),
]

NAME = [
    ("SET application_name = 'out'", False),
    ("SET application_name = 'in'", True),
    ("BEGIN; SET application_name = 'out'; ROLLBACK", True),
    ("BEGIN; SET LOCAL application_name = 'out'; COMMIT", True),
    ("SELECT set_config('application_name', 'out', false)", False),
    ("RESET ALL", True),
    ("SET application_name = 'out'; SELECT repeat('x', 1000) FROM items", False),  # what was reported behind it is not kept
    ("SET application_name = 'in'", True),
]


def test_a_tenant_that_the_session_sets_decides_from_the_next_read_on(rekey, pair, shop):
    proxy = rekey(key="parameter:app.tenant", include=["in"])
    with proxy.connect(shop, options="-c app.tenant=in") as connection:
        assert is_in(connection)
        follows(connection, TENANT)
    # A default of the role's or the database's is told to nobody: it is no key.
    for side_of in pair.old, pair.new:
        side_of.psql(f"ALTER DATABASE {shop} SET app.tenant = 'in'; ALTER DATABASE {shop} SET application_name = 'in'")
    with proxy.connect(shop) as connection:
        assert is_out(connection)
        follows(connection, [("SET app.tenant = 'in'", True), ("RESET app.tenant", False)])
    # But old reports the application's name, whoever gave it.
    for key in "application_name", "parameter:application_name":
        rekey(key=key, include=["in"])
        with proxy.connect(shop) as connection:
            assert is_in(connection)
            follows(connection, NAME)
    for side_of in pair.old, pair.new:
        side_of.psql(f"ALTER DATABASE {shop} RESET ALL")


def test_a_comment_decides_for_its_statement_alone(rekey, shop):
    proxy = rekey(key="comment:tenant", include=["in"], after_write="1h")

    def takes_turns():
        """What one read says is not kept for the next, and a read that is out is no write."""
        with proxy.connect(shop) as connection:
            sides = [side(connection, behind=f" /*tenant='{who}'*/") for who in ("in", "out") * 5]
        assert "new" not in sides[1::2]
        return sides[::2] == ["new"] * 5
    wait_until(takes_turns)
    rekey(key="comment:tenant", include=["in", "o'neil", "gr\u00fc\u00dfe/1"])
    with proxy.connect(shop) as connection:
        for how in ({"before": "/*tenant='in'*/"}, {"behind": " /*action='x',tenant='in'*/;"}, {"behind": "; /*tenant='in'*/"},
                    {"behind": " /*tenant='o%27neil'*/"}, {"behind": " /*tenant='o\\'neil'*/"},
                    {"behind": " /*tenant='gr%C3%BC%C3%9Fe%2F1'*/"}):
            assert is_in(connection, **how)
        for how in ({}, {"behind": " /*tenant=''*/"}, {"behind": " /*Tenant='in'*/"}, {"behind": " /*see tenant='in'*/"},
                    {"behind": " -- tenant='in'"}):
            assert is_out(connection, **how)
        # Of a prepared statement: the comment that it was prepared with.
        assert is_in(connection, behind=" /*tenant='in'*/", prepare=True)
        assert is_out(connection, behind=" /*tenant='out'*/", prepare=True)
        assert is_in(connection, behind=" /*tenant='in'*/", prepare=True)


def test_who_logged_in_and_from_where_decides_for_the_whole_session(rekey, pair, shop):
    proxy = rekey(key="user", include=["app"])
    for side_of in pair.old, pair.new:
        side_of.psql("GRANT SELECT ON items TO PUBLIC", shop)
    with (proxy.connect(shop) as connection, proxy.connect(shop, user="postgres") as other,
          proxy.connect(shop, host=str(proxy.home)) as local):
        assert is_in(connection) and is_in(local) and is_out(other)
        connection.execute("SET ROLE pg_monitor")
        assert is_in(connection)
        rekey(key="user", include=["pg_monitor", "postgres"])
        assert is_in(other) and is_out(connection)
        rekey(key="client_addr", include=["127.0.0.1"])
        assert is_in(connection) and is_in(other) and is_out(local)
        rekey(key="client_addr", include=["local"])
        assert is_in(local) and is_out(connection)
        rekey(key="client_addr", exclude=["127.0.0.1"], percent=100)
        assert is_in(local) and is_out(connection)


def test_a_sessions_own_key_is_shown_and_decides(rekey, shop):
    proxy = rekey(key="session", percent=50)
    sessions = [proxy.connect(shop, application_name=f"till {i}") for i in range(8)]
    keys = {row["application_name"]: row["session_key"] for row in proxy.console("SHOW CLIENTS")}
    for i, connection in enumerate(sessions):
        [row] = proxy.console(f"SHOW COHORT '{keys[f'till {i}']}'")
        assert is_in(connection) if row["in_cohort"] == "t" else is_out(connection), row
        connection.close()


@pytest.mark.races
def test_show_cohort_says_in_or_out_and_why(rekey, shop):
    proxy = rekey(key="parameter:app.tenant", salt="shop", include=["o'neil"], exclude=["10.0.0.7"])

    def asked(value, database=""):
        quoted = value.replace("'", "''")
        [row] = proxy.console(f"SHOW COHORT '{quoted}' {database}")
        assert (row["database"], row["key"], row["value"]) == (shop, "parameter:app.tenant", value)
        return row["in_cohort"] == "t", row["reason"], row["place"]
    proxy.console("SET canary_percent = 39.6")
    assert asked("alice") == (True, "its place 3959 is below 3960, which is 39.6 %", "3959")
    proxy.console("SET canary_percent = 39.59")
    assert asked("alice", shop) == (False, "its place 3959 is not below 3959, which is 39.59 %", "3959")
    assert asked("o'neil")[:2] == (True, "canary.include names it")
    assert asked("10.0.0.7")[:2] == (False, "canary.exclude names it")
    assert asked("") == (False, "an empty value is in no cohort", None)
    assert asked("x" * 256)[:2] == (False, "a value of more than 255 bytes is in no cohort")
    proxy.console("ROLLBACK CANARY")
    assert asked("o'neil")[:2] == (False, "the canary was rolled back and is latched until ARM CANARY")
    with pytest.raises(psycopg.Error) as error:
        proxy.console("SHOW COHORT 'alice' nowhere")
    assert error.value.sqlstate == "3D000"


def test_what_cannot_be_is_refused_and_nothing_is_changed(rekey, shop):
    proxy = rekey(key="user", percent=12.34)
    for value in "101", "-1", "'x'", "0.001", "100.01", "NaN", "1e1":
        for statement in f"SET canary_percent = {value}", f"ALTER DATABASE {shop} SET canary_percent = {value}":
            with pytest.raises(psycopg.Error) as error:
                proxy.console(statement)
            assert error.value.sqlstate in ("22023", "42601"), statement
    with pytest.raises(psycopg.Error, match="nowhere"):
        proxy.console("ALTER DATABASE nowhere SET canary_percent = 1")
    entry = proxy.configuration["databases"][shop]
    for key in "tenant", "parameter:", "comment:", "User", "parameter:lock_timeout":
        entry["canary"]["key"] = key
        proxy.write()
        with pytest.raises(psycopg.Error, match="key"):
            proxy.console("RELOAD")
    assert [row for row in proxy.console("SHOW CONFIG") if row["key"] == f"databases.{shop}.canary.key"][0]["value"] == "user"
    assert proxy.status(shop)["canary_percent"] == "12.34"
    # Reads that run as another user than the client are nobody's.
    proxy.console("SET canary_percent = 0")
    entry["identity"] = "service"
    rekey(key="user")
    for statement in "SET canary_percent = 1", f"ALTER DATABASE {shop} SET canary_percent = 0.01":
        with pytest.raises(psycopg.Error, match="identity") as error:
            proxy.console(statement)
        assert error.value.sqlstate == "55000"
    proxy.console("SET canary_percent = 0")
    assert proxy.status(shop)["canary_percent"] == "0"
    [row] = proxy.console("SHOW COHORT 'app'")
    assert row["in_cohort"] == "f" and "identity" in row["reason"]
    entry["identity"] = "same"
    rekey(key="user")


# ---- a thousand keys ----

KEYS = [f"tenant {i}" for i in range(1000)]
PERCENTS = (0.5, 1, 5, 25, 75)


def places(proxy):
    """Where SHOW COHORT puts each key."""
    with psycopg.connect(host=str(proxy.home), port=proxy.port, dbname="pgrehearse", autocommit=True) as console:
        with console.pipeline():
            cursors = [console.execute(f"SHOW COHORT '{key}'") for key in KEYS]
        return {key: cursor.fetchone()[6] for key, cursor in zip(KEYS, cursors)}


def cohort(connection, keys, wanted):
    """The keys whose reads new serves. One that is wanted is asked for until it does, the others must not be."""
    def ask(some):
        return {key for key in some if side(connection, behind=f" /*tenant='{key.replace(' ', '%20')}'*/") == "new"}
    found = ask(keys)
    wait_until(lambda: wanted <= found or found.update(ask(wanted - found)), what=lambda: sorted(wanted - found)[:5])
    return found


def test_a_thousand_keys_are_shared_out_fairly_alike_everywhere_and_for_good(rekey, start, shop, is_long):
    proxy = rekey(key="comment:tenant", salt="fleet")
    second = start(shop, proxy.configuration["databases"][shop])
    at = places(proxy)
    assert places(second) == at and len(set(at.values())) > 900
    asked = set(KEYS if is_long else KEYS[::5])
    before = set()
    with proxy.connect(shop) as connection:
        for percent in PERCENTS:
            wanted = {key for key in KEYS if at[key] < percent * 100}
            deviation = math.sqrt(len(KEYS) * percent / 100 * (1 - percent / 100))
            assert abs(len(wanted) - len(KEYS) * percent / 100) < 3 * deviation, (percent, len(wanted))
            proxy.console(f"SET canary_percent = {percent}")
            found = cohort(connection, asked, wanted & asked)
            assert found == wanted & asked and before <= found, percent
            before = found
    # Another process with the same salt has the same keys in, and so has one that starts again, as it was left.
    proxy.stop()
    proxy.start()
    second.console(f"SET canary_percent = {PERCENTS[-1]}")
    for one in proxy, second:
        with one.connect(shop) as connection:
            assert cohort(connection, asked, before) == before


# ---- back to zero ----

CLIENTS = 64


class Reader(threading.Thread):
    """Reads one after the other and notes when each began and who answered."""

    def __init__(self, connection):
        super().__init__(daemon=True)
        self.connection, self.reads, self.rounds, self.is_stopped, self.error = connection, [], 0, False, None

    def run(self):
        try:
            while not self.is_stopped:
                began = time.monotonic()
                self.reads.append((began, side(self.connection)))
        except BaseException as error:  # pylint: disable=broad-except
            self.error = error


@pytest.mark.races
def test_no_read_of_the_cohort_that_begins_behind_the_answer_is_served_by_new(rekey, shop, is_long):
    proxy = rekey(key="session")
    readers = [Reader(proxy.connect(shop)) for _ in range(CLIENTS)]

    def all_have(since, wanted):
        """Each reader got what is wanted of its reads that began since then."""
        return all(r.error or wanted([s for b, s in r.reads[-100:] if b > since]) for r in readers)
    with psycopg.connect(host=str(proxy.home), port=proxy.port, dbname="pgrehearse", autocommit=True) as console:
        for reader in readers:
            reader.start()
        for command, again in (("ROLLBACK CANARY", "ARM CANARY"), ("SET canary_percent = 0", None)) * (10 if is_long else 1):
            begun = time.monotonic()
            console.execute("SET canary_percent = 100")
            wait_until(lambda since=begun: all_have(since, lambda sides: "new" in sides))
            console.execute(command)
            answered = time.monotonic()
            wait_until(lambda since=answered: all_have(since, lambda sides: len(sides) > 2))
            late = [(b - answered, s) for r in readers for b, s in r.reads if b > answered and s == "new"]
            assert not late, late[:5]
            if again:
                console.execute(again)
    for reader in readers:
        reader.is_stopped = True
    for reader in readers:
        reader.join()
        reader.connection.close()
        assert not reader.error
