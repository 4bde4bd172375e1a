"""New does not let a user in: the client is served all the same, and operators learn for whom and what to configure."""

import contextlib
import itertools

import pytest

from proxy import wait_until

READ = "SELECT id, name FROM items WHERE id = 7"


@pytest.fixture
def visitors(pair, shop):
    """The fresh database, which everybody may read, and a role `visitor` on both sides."""
    for side in (pair.old, pair.new):
        side.psql("GRANT SELECT ON ALL TABLES IN SCHEMA public TO PUBLIC; CREATE ROLE visitor LOGIN", shop)
    yield shop
    for side in (pair.old, pair.new):
        side.psql("DROP ROLE IF EXISTS visitor")


@contextlib.contextmanager
def refusing(cluster, user):
    """This cluster takes no connection of that user."""
    rules = cluster.home / "data" / "pg_hba.conf"
    before = rules.read_text()
    rules.write_text(f"host all {user} 127.0.0.1/32 reject\n" + before)
    cluster.psql("SELECT pg_reload_conf()")
    try:
        yield
    finally:
        rules.write_text(before)
        cluster.psql("SELECT pg_reload_conf()")


def reads(proxy, database, user, count=1, **more):
    with proxy.connect(database, user=user, **more) as client:
        for _ in range(count):
            assert client.execute(READ, prepare=False).fetchone() == (7, "item 7")


def told(proxy):
    return [event["detail"] for event in proxy.console("SHOW EVENTS") if event["kind"] == "login"]


def test_new_that_refuses_is_an_event_and_trouble_until_it_admits(pair, start, visitors):
    proxy = start(visitors)
    with refusing(pair.new, "visitor"):
        reads(proxy, visitors, "visitor", 3)
        status = proxy.settled(visitors, 3)
        assert status["skipped"] == 3 and proxy.skipped(visitors) == {"login": 3}
        assert "logins on new refused" in status["trouble"] and "SHOW EVENTS" in status["trouble"]
        assert "logins on new refused" in proxy.http("/api/v1/status")[1]
        assert proxy.http("/readyz")[0] == 200
        (event,) = wait_until(lambda: told(proxy))
        assert event.startswith('new lets user "visitor" not in: 28000 pg_hba.conf rejects connection'), event
        assert event.endswith("create the role with LOGIN if it is missing"), event
        # Another user's session that is let in: it is not so that nobody can log in.
        reads(proxy, visitors, "app")
        assert proxy.settled(visitors, 4)["match"] == 1
        assert not proxy.status(visitors)["trouble"]
    proxy.console("RELOAD")  # a new chance
    reads(proxy, visitors, "visitor", 2)
    status = proxy.settled(visitors, 6)
    assert status["match"] == 3 and not status["trouble"], status
    assert len(told(proxy)) == 1


@pytest.mark.parametrize("user, arrange, words", [
    ("scram_user", None, ['asks for a password of user "scram_user", and none is known', "auth.file or auth.query"]),
    ("password_user", "ALTER ROLE password_user PASSWORD 'another'", ["28P01 password authentication failed", "same secret"]),
    ("visitor", "DROP ROLE visitor", ['28000 role "visitor" does not exist', "create the role"]),
    ("visitor", "REVOKE CONNECT ON DATABASE {} FROM PUBLIC", ["42501 permission denied for database", "GRANT CONNECT"]),
], ids=("no secret", "another secret", "no role", "no privilege"))
def test_the_event_says_what_to_configure(pair, start, visitors, user, arrange, words):
    proxy = start(visitors)
    if arrange:
        pair.new.psql(arrange.format(visitors))
    try:
        reads(proxy, visitors, user, **({} if user == "visitor" else {"password": "a secret"}))
        assert proxy.settled(visitors, 1)["skipped"] == 1
        (event,) = wait_until(lambda: told(proxy))
        assert event.startswith(f'new lets user "{user}" not in: ') and all(word in event for word in words), event
    finally:
        pair.new.psql("ALTER ROLE password_user PASSWORD 'a secret'")


def test_a_canary_read_of_a_refused_user_is_served_by_old_and_is_no_failure_of_new(pair, start, visitors):
    proxy = start(visitors, {"canary": {"percent": 100}})
    # Old's columns are learnt from a comparison, which nobody's login must fail.
    asked = itertools.count(1)
    wait_until(lambda: (next(asked), reads(proxy, visitors, "app"), int(proxy.status(visitors)["served_new"]))[2])
    with refusing(pair.new, "visitor"), proxy.connect(visitors, user="visitor") as client:
        def falls_back():  # once the shape is known
            assert next(asked) and client.execute(READ, prepare=False).fetchone() == (7, "item 7")
            return int(proxy.status(visitors)["fallbacks"])
        wait_until(falls_back, what=proxy.said)
        before = proxy.settled(visitors, next(asked) - 1)
        for _ in range(10):  # more in a row than make new count as failing
            client.execute(READ, prepare=False)
        after = proxy.settled(visitors, before["reads"] + 10)
        assert after["fallbacks"] == before["fallbacks"] + 10 and after["served_new"] == before["served_new"], after
        (event,) = wait_until(lambda: told(proxy))
        assert event.startswith('new lets user "visitor" not in: ') and "pg_hba.conf" in event
