"""As whom the proxy's own sessions read: row security shows each role its own rows."""

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
                  "DROP ROLE IF EXISTS reader; CREATE ROLE reader LOGIN")
    yield name
    pair.forget(name)
    for side in (pair.old, pair.new):
        side.psql("DROP ROLE IF EXISTS ferry; DROP ROLE IF EXISTS reader")


def test_set_role_sees_what_the_client_sees(start, pair, notes):
    proxy = start(notes, {"identity": "set_role", "new": pair.new.dsn(notes, user="ferry"),
                          "old": pair.old.dsn(notes, user="ferry")})
    with proxy.connect(notes) as client:
        assert client.execute("SELECT count(*) FROM notes").fetchone() == (50,)
        assert len(client.execute("SELECT * FROM notes ORDER BY id").fetchall()) == 50
    status = proxy.settled(notes, 2)
    assert int(status["match"]) == 2 and books_balance(status), status


@pytest.mark.parametrize("user, words", [("postgres", "superuser"), ("reader", "permission denied")])
def test_a_role_that_is_not_to_be_taken_is_login_and_the_client_is_served(start, pair, notes, user, words):
    proxy = start(notes, {"identity": "set_role", "new": pair.new.dsn(notes, user=user)})
    with proxy.connect(notes) as client:
        assert client.execute("SELECT count(*) FROM notes").fetchone() == (50,)
    status = proxy.settled(notes, 1)
    assert int(status["skipped"]) == 1 and books_balance(status), status
    assert "login" in str(proxy.skipped(notes))
    wait_until(lambda: words in str(proxy.console("SHOW EVENTS")))
