"""Where users' secrets come from: auth.file and auth.query, when they change, fail or know of somebody who may not log in."""

import socket
import struct
import time

import pytest

from login import Login, Refused, verifier
from peer import message, startup, text
from proxy import wait_until

SECRET = "a secret"
VERIFIER = verifier(SECRET)
READ = "SELECT id, name FROM items WHERE id = 7"
# As a careless administrator writes it: of everybody, without a look at who may log in. Each call is in old's log.
LOOK_UP = """
RESET ROLE;
CREATE FUNCTION secret_of(text) RETURNS TABLE (rolname text, secret text) LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog AS $$
BEGIN
    RAISE LOG 'asked for %', $1;
    RETURN QUERY SELECT r.rolname::text, r.rolpassword FROM pg_authid AS r WHERE r.rolname = $1;
END $$;
CREATE FUNCTION locked_secret_of(text) RETURNS text LANGUAGE sql AS $$ SELECT $1 $$;
REVOKE ALL ON FUNCTION locked_secret_of FROM PUBLIC;
"""
QUERY = "SELECT rolname, secret FROM public.secret_of($1)"


@pytest.fixture
def looked_up(pair, shop):
    pair.old.psql(LOOK_UP, shop)
    return shop


def admits(proxy, database, user, password):
    """Whether it does; other errors than a wrong secret are raised."""
    try:
        Login(proxy.port).begin(user, password, database).connection.close()
        return True
    except Refused as refusal:
        if refusal.sqlstate != "28P01":
            raise
        return False


def write(path, **users):
    path.write_text("".join(f'"{user}" "{secret}"\n' for user, secret in users.items()))


# ---- auth.file ----

def test_a_file_that_is_malformed_refuses_with_its_line_and_one_that_changes_is_seen_without_reload(start, shop, tmp_path):
    file = tmp_path / "users"
    file.write_text('"app" "one"\nthis is no line\n')
    proxy = start(shop, auth={"type": "scram-sha-256", "file": str(file)})
    with pytest.raises(Refused) as refusal:
        admits(proxy, shop, "app", "one")
    assert refusal.value.sqlstate == "58000" and "auth.file" in refusal.value.hint
    assert "auth_file_unread" in proxy.said() and f'{file}:2: expected' in proxy.said()
    write(file, app="one")
    assert admits(proxy, shop, "app", "one")
    write(file, app="two")
    wait_until(lambda: admits(proxy, shop, "app", "two"))
    assert not admits(proxy, shop, "app", "one")


def test_a_malformed_file_is_no_matter_to_clients_whom_old_admits(start, shop, tmp_path):
    (tmp_path / "users").write_text("this is no line\n")
    proxy = start(shop, auth={"type": "passthrough", "file": str(tmp_path / "users")})
    with proxy.connect(shop) as client:
        assert client.execute(READ).fetchone() == (7, "item 7")
    assert proxy.settled(shop, 1)["match"] == 1


def test_reload_changes_the_file_and_the_query_at_once(pair, start, looked_up, tmp_path):
    write(tmp_path / "one", scram_user="one", app="one")
    write(tmp_path / "two", app="two")
    proxy = start(looked_up, auth={"type": "scram-sha-256", "file": str(tmp_path / "one")})
    assert admits(proxy, looked_up, "app", "one")

    def reload(**auth):
        proxy.configuration["auth"].update(auth)
        proxy.write()
        proxy.console("RELOAD")
    reload(file=str(tmp_path / "two"))
    assert admits(proxy, looked_up, "app", "two") and not admits(proxy, looked_up, "app", "one")
    assert not admits(proxy, looked_up, "scram_user", SECRET)
    reload(query=QUERY)
    assert admits(proxy, looked_up, "scram_user", SECRET) and admits(proxy, looked_up, "app", "two")
    reload(query="SELECT rolname, 'another' FROM pg_roles WHERE rolname = $1")
    assert not admits(proxy, looked_up, "scram_user", SECRET)
    assert admits(proxy, looked_up, "postgres", "another")


# ---- auth.query ----

@pytest.mark.parametrize("query, words", [
    ("SELECT rolname FROM pg_roles WHERE rolname = $1", "two columns"),
    ("SELECT $1, public.locked_secret_of($1)", "permission denied for function locked_secret_of"),
    ("SELECT $1, pg_sleep(100)::text", "canceling statement due to statement timeout|no answer within 2 seconds"),
], ids=("one column", "no permission", "slow"))
@pytest.mark.parametrize("kind", ["passthrough", "scram-sha-256"])
def test_a_query_that_fails_is_said_and_only_who_needs_it_is_refused(start, looked_up, kind, query, words):
    proxy = start(looked_up, auth={"type": kind, "query": query})
    if kind == "passthrough":
        with proxy.connect(looked_up) as client:
            assert client.execute(READ).fetchone() == (7, "item 7")
    else:
        with pytest.raises(Refused) as refusal:
            admits(proxy, looked_up, "app", SECRET)
        assert refusal.value.sqlstate == "58000" and "auth.query" in refusal.value.hint
    wait_until(lambda: "auth_query_failed" in proxy.said())
    assert any(word in proxy.said() for word in words.split("|")), proxy.said()


@pytest.mark.parametrize("leaves", [False, True], ids=("stays", "leaves"))
def test_what_is_read_while_the_secret_is_looked_up_waits_for_it(pair, start, looked_up, leaves):
    """Old admits at once; the client reads, and may have left, before it is known what opens a session on new."""
    pair.old.psql("RESET ROLE; CREATE FUNCTION slow_secret_of(text) RETURNS text LANGUAGE sql SECURITY DEFINER AS $$ "
                  "SELECT rolpassword FROM pg_authid, pg_sleep(1.5) WHERE rolname = $1 $$", looked_up)
    for side in (pair.old, pair.new):
        side.psql(f"ALTER ROLE scram_user PASSWORD '{VERIFIER}'")
        side.psql("GRANT SELECT ON ALL TABLES IN SCHEMA public TO PUBLIC", looked_up)
    proxy = start(looked_up, auth={"type": "passthrough", "query": "SELECT $1, public.slow_secret_of($1)"})
    client = Login(proxy.port).begin("scram_user", SECRET, looked_up)
    assert text("item 7")[:-1] in client.ask(READ)
    if leaves:
        client.connection.close()
    assert int(proxy.status(looked_up)["reads"]) == 0  # not yet judged
    assert proxy.settled(looked_up, 1)["match"] == 1, (proxy.skipped(looked_up), proxy.said()[-2000:])
    client.connection.close()


def exchange(proxy, database, user, first):
    """What a client that knows no secret hears, with the user's name left out."""
    with socket.create_connection(("127.0.0.1", proxy.port), 30) as connection:
        client = Login.__new__(Login)
        client.connection, client.input = connection, b""
        client.send(startup(user=user, database=database))
        heard = [client.receive()]
        client.send(message("p", text("SCRAM-SHA-256") + struct.pack("!i", len(first)) + first))
        heard.append(client.receive())
        nonce = heard[1][1].decode().split("r=")[1].split(",")[0]
        client.send(message("p", f"c=biws,r={nonce},p={'A' * 43}=".encode()))
        while heard[-1][0] != "E":
            heard.append(client.receive())
    own = nonce.removeprefix(first.decode().split("r=")[1])
    return [(kind, body.replace(own.encode(), b"NONCE").replace(user.encode(), b"USER")) for kind, body in heard]


def test_who_may_not_log_in_is_not_told_apart_from_who_does_not_exist(pair, start, looked_up):
    kept = verifier(SECRET)
    pair.old.psql(f"CREATE ROLE expired LOGIN PASSWORD '{kept}' VALID UNTIL '2020-01-01';"
                  f"CREATE ROLE forbidden NOLOGIN PASSWORD '{kept}';"
                  f"CREATE ROLE lasting LOGIN PASSWORD '{kept}' VALID UNTIL '2220-01-01'")
    proxy = start(looked_up, auth={"type": "scram-sha-256", "query": QUERY})
    try:
        assert admits(proxy, looked_up, "lasting", SECRET)
        for user in ("expired", "forbidden", "nobody"):
            assert not admits(proxy, looked_up, user, SECRET), user
        heard = {user: [exchange(proxy, looked_up, user, b"n,,n=,r=abcdefghijklmnopqrstuvwx") for _ in range(2)]
                 for user in ("expired", "forbidden", "nobody", "lasting")}

        def without_salt(said):
            return [body.split(b",s=")[0] + body[-7:] if kind == "R" and b",s=" in body else body for kind, body in said]
        for user, (once, again) in heard.items():
            assert once == again, "the salt is the same on each try"
            assert without_salt(once) == without_salt(heard["nobody"][0]), user
            salt, other = (said[0][1][1].split(b",s=")[1] for said in (heard[user], heard["nobody"]))
            assert len(salt) == len(other)
    finally:
        proxy.stop()
        pair.old.psql("DROP ROLE expired; DROP ROLE forbidden; DROP ROLE lasting")


def test_a_storm_of_one_users_logins_asks_once(pair, start, looked_up):
    proxy = start(looked_up, auth={"type": "scram-sha-256", "query": QUERY, "max_in_progress": 100})
    offset, begun = pair.old.log_size(), time.monotonic()
    clients = [Login(proxy.port) for _ in range(20)]
    for client in clients:
        client.send(startup(user="scram_user", database=looked_up))
    for client in clients:
        assert client.receive()[0] == "R"
        client.connection.close()
    allowed = 1 + int((time.monotonic() - begun) / 5)  # what is known is kept for five seconds
    assert 1 <= pair.old.said(offset).count("asked for scram_user") <= allowed
