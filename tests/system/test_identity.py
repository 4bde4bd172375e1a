"""As whom the proxy's own sessions read: row security shows each role its own rows."""

import psycopg
import pytest

from proxy import books_balance, wait_until

ROWS = """
CREATE TABLE notes (id int PRIMARY KEY, owner text NOT NULL, text text NOT NULL);
INSERT INTO notes SELECT i, CASE WHEN i % 2 = 0 THEN 'app' ELSE 'reader' END, 'note ' || i
    FROM generate_series(1, 100) i;
ALTER TABLE notes ENABLE ROW LEVEL SECURITY;
ALTER TABLE notes FORCE ROW LEVEL SECURITY;
CREATE POLICY own ON notes USING (owner = current_user);
GRANT SELECT ON notes TO PUBLIC;
"""


@pytest.fixture
def notes(pair):
    name = pair.database(ROWS)
    for side in (pair.old, pair.new):
        side.psql("DROP ROLE IF EXISTS ferry; CREATE ROLE ferry LOGIN NOINHERIT; GRANT app TO ferry;"
                  "DROP ROLE IF EXISTS reader; CREATE ROLE reader LOGIN;"
                  "DROP ROLE IF EXISTS bypasser; CREATE ROLE bypasser LOGIN BYPASSRLS; GRANT app TO bypasser")
    yield name
    pair.forget(name)
    for side in (pair.old, pair.new):
        side.psql("DROP ROLE IF EXISTS ferry; DROP ROLE IF EXISTS reader; DROP ROLE IF EXISTS bypasser")


def test_set_role_sees_what_the_client_sees(start, pair, notes):
    proxy = start(notes, {"identity": "set_role", "new": pair.new.dsn(notes, user="ferry"),
                          "old": pair.old.dsn(notes, user="ferry")})
    with proxy.connect(notes) as client:
        assert client.execute("SELECT count(*) FROM notes").fetchone() == (50,)
        assert len(client.execute("SELECT * FROM notes ORDER BY id").fetchall()) == 50
    status = proxy.settled(notes, 2)
    assert int(status["match"]) == 2 and books_balance(status), status


@pytest.mark.parametrize("user, words", [("postgres", "is no superuser"), ("bypasser", "has no BYPASSRLS"),
                                         ("reader", "permission denied to set role \"app\"; GRANT the user's role")])
def test_a_role_that_is_not_to_be_taken_is_login_and_the_client_is_served(start, pair, notes, user, words):
    proxy = start(notes, {"identity": "set_role", "new": pair.new.dsn(notes, user=user)})
    with proxy.connect(notes) as client:
        assert client.execute("SELECT count(*) FROM notes").fetchone() == (50,)
    status = proxy.settled(notes, 1)
    assert int(status["skipped"]) == 1 and books_balance(status), status
    assert "login" in str(proxy.skipped(notes))
    (event,) = wait_until(lambda: [event["detail"] for event in proxy.console("SHOW EVENTS") if event["kind"] == "login"])
    assert event.startswith(f'new lets user "app" (as "{user}") not in: ') and words in event, event
    assert "logins on new refused" in proxy.status(notes)["trouble"]


def test_what_the_client_resets_does_not_reset_its_role(start, pair, notes):
    proxy = start(notes, {"identity": "set_role", "new": pair.new.dsn(notes, user="ferry")})
    resets = ["RESET ALL", "DISCARD ALL", "RESET ROLE", "RESET SESSION AUTHORIZATION", "SET ROLE NONE",
              "SELECT set_config('role', 'none', false)", "SET SESSION AUTHORIZATION DEFAULT", "SET ROLE pg_monitor"]
    with proxy.connect(notes) as client:
        reads = 0
        for reset in resets:
            client.execute(reset)
            reads += 1 + reset.startswith("SELECT")
            rows = client.execute("SELECT id, owner FROM notes ORDER BY id", prepare=False).fetchall()
            assert len(rows) == (0 if "pg_" in reset else 50)
            status = proxy.settled(notes, reads)
            assert status["match"] == status["compared"] == reads - status["skipped"], (reset, status)
    assert proxy.skipped(notes) == {"volatile_function": 1}


def test_the_users_own_settings_hold_with_set_role(start, pair, notes):
    for side in (pair.old, pair.new):
        side.psql(f"ALTER ROLE app SET extra_float_digits = 0; ALTER ROLE app IN DATABASE {notes} SET extra_float_digits = -5")
        side.psql("SET ROLE app; CREATE TABLE weights AS SELECT i AS id, i / 7.0::float8 AS weight FROM generate_series(1, 9) i", notes)
    proxy = start(notes, {"identity": "set_role", "new": pair.new.dsn(notes, user="ferry")})
    try:
        with proxy.connect(notes) as client:
            assert client.execute("SELECT weight FROM weights WHERE id = 1").fetchone() == (0.1428571429,)
        status = proxy.settled(notes, 1)
        assert int(status["match"]) == 1, (status, proxy.skipped(notes))
    finally:
        for side in (pair.old, pair.new):
            side.psql(f"ALTER ROLE app RESET ALL; ALTER ROLE app IN DATABASE {notes} RESET ALL")


def test_service_stays_the_connection_strings_user_and_serves_no_canary(start, pair, notes):
    proxy = start(notes, {"identity": "service", "new": pair.new.dsn(notes, user="reader")})
    with pytest.raises(psycopg.errors.ObjectNotInPrerequisiteState):
        proxy.console("SET canary_percent = 100")
    with proxy.connect(notes) as client:
        for _ in range(5):
            assert client.execute("SELECT DISTINCT owner FROM notes").fetchall() == [("app",)]
    status = proxy.settled(notes, 5)
    assert int(status["mismatch"]) == 5 and int(status["served_new"]) == 0, status
    assert all(row["table"] == "public.notes" and row["column"] == "owner" for row in proxy.console("SHOW MISMATCHES"))
