"""Every way to log in, by every kind of TLS and both protocol versions: each cell is tried with the right and with a wrong
secret, and the read that follows must be put to new as the same user. `pytest -s` prints the table."""

import ssl
import struct
import subprocess

import pytest

from clusters import make_certificate
from login import Login, Refused, context_for, md5_secret, verifier
from peer import text

SECRET = "a secret"
READ = "SELECT id, name FROM items WHERE id = 7"
SCRAM_VERIFIER = verifier(SECRET)

# name: (auth, user, what auth.file has, what the client is asked for, what becomes of the mirrored read)
METHODS = {
    "passthrough: password": ({"type": "passthrough"}, "password_user", None, "password", "match"),
    "passthrough: md5": ({"type": "passthrough"}, "md5_user", None, "md5", "login"),
    "passthrough: md5, hash known": ({"type": "passthrough"}, "md5_user", md5_secret("md5_user", SECRET), "md5", "match"),
    "passthrough: scram": ({"type": "passthrough"}, "scram_user", None, "SCRAM-SHA-256", "login"),
    "passthrough: scram, verifier known": (
        {"type": "passthrough"}, "scram_user", SCRAM_VERIFIER, "SCRAM-SHA-256", "match"),
    "passthrough: scram, auth.query": ({"type": "passthrough", "query": True}, "scram_user", None, "SCRAM-SHA-256", "match"),
    "passthrough: scram, plain known": ({"type": "passthrough"}, "scram_user", SECRET, "SCRAM-SHA-256", "match"),
    "passthrough: scram, bound": (
        {"type": "passthrough", "binds": True}, "scram_user", SCRAM_VERIFIER, "SCRAM-SHA-256-PLUS", "match"),
    "scram-sha-256: plain": ({"type": "scram-sha-256"}, "scram_user", SECRET, "SCRAM-SHA-256", "match"),
    "scram-sha-256: verifier": ({"type": "scram-sha-256"}, "scram_user", SCRAM_VERIFIER, "SCRAM-SHA-256", "match"),
    "scram-sha-256: auth.query": ({"type": "scram-sha-256", "query": True}, "scram_user", None, "SCRAM-SHA-256", "match"),
    "scram-sha-256: verifier, bound": (
        {"type": "scram-sha-256", "binds": True}, "scram_user", SCRAM_VERIFIER, "SCRAM-SHA-256-PLUS", "match"),
    "md5: plain": ({"type": "md5"}, "md5_user", SECRET, "md5", "match"),
    "md5: hash": ({"type": "md5"}, "md5_user", md5_secret("md5_user", SECRET), "md5", "match"),
    "md5: scram verifier": ({"type": "md5"}, "scram_user", SCRAM_VERIFIER, "SCRAM-SHA-256", "match"),
    "cert": ({"type": "cert"}, "scram_user", SECRET, None, "match"),
    "trust": ({"type": "trust"}, "app", None, None, "match"),
}
# name: (how TLS begins, its version, whether the client shows a certificate)
CHANNELS = {
    "plain": (None, None, False),
    "TLS 1.2": ("request", ssl.TLSVersion.TLSv1_2, False),
    "TLS 1.3": ("request", ssl.TLSVersion.TLSv1_3, False),
    "direct TLS": ("direct", None, False),
    "TLS, certificate": ("request", None, True),
}
PROTOCOLS = {"3.0": 0, "3.2": 2}


@pytest.fixture(scope="module")
def secured(pair):
    """Both clusters with TLS, the same verifiers, and a client's certificate for scram_user: (pair, client's files)."""
    pair.enable_tls()
    for side in (pair.old, pair.new):
        side.psql(f"ALTER ROLE scram_user PASSWORD '{SCRAM_VERIFIER}'")
    certificate, key = pair.folder / "client.crt", pair.folder / "client.key"

    def openssl(*args):
        subprocess.run(["openssl", *map(str, args)], check=True, capture_output=True)
    openssl("req", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=scram_user", "-keyout", key, "-out", pair.folder / "client.csr")
    openssl("x509", "-req", "-days", "30", "-in", pair.folder / "client.csr", "-CA", pair.ca,
            "-CAkey", pair.folder / "ca.key", "-CAcreateserial", "-out", certificate)
    return pair, (certificate, key)


def is_possible(auth, channel):
    how, _, has_certificate = CHANNELS[channel]
    return (not auth.get("binds") or how is not None) and (auth["type"] != "cert" or has_certificate)


def secrets_for(proxy_home, auth, user, kept):
    settings = {key: value for key, value in auth.items() if key not in ("binds", "query")}
    if kept:
        (proxy_home / "userlist.txt").write_text(f'"{user}" "{kept}"\n')
        settings["file"] = str(proxy_home / "userlist.txt")
    if auth.get("query"):
        settings["query"] = "SELECT rolname, secret FROM public.secret_of($1)"
    return settings


LOOK_UP = """
RESET ROLE;
CREATE FUNCTION secret_of(text) RETURNS TABLE (rolname text, secret text) LANGUAGE sql SECURITY DEFINER
    SET search_path = pg_catalog
    AS $$ SELECT rolname::text, rolpassword FROM pg_authid
          WHERE rolname = $1 AND rolcanlogin AND (rolvaliduntil IS NULL OR rolvaliduntil > now()) $$;
"""


def log_in(proxy, secured, database, channel, protocol, user, secret, binds):
    pair, certificate = secured
    how, version, shows = CHANNELS[channel]
    context = context_for(pair.ca, version, certificate if shows else None) if how else None
    client = Login(proxy.port, how, context)
    return client.begin(user, secret, database, PROTOCOLS[protocol], binds)


@pytest.mark.parametrize("method", METHODS)
def test_every_cell_of_the_matrix_lets_in_who_has_the_secret_and_nobody_else(secured, start, shop, tmp_path, method):
    auth, user, kept, asked, becomes = METHODS[method]
    pair, _ = secured
    pair.old.psql(LOOK_UP, shop)
    for side in (pair.old, pair.new):
        side.psql("GRANT SELECT ON ALL TABLES IN SCHEMA public TO PUBLIC", shop)
    tmp_path.chmod(0o755)
    mode = "verify-full" if auth["type"] == "cert" else "prefer"
    tls = {"mode": mode, "cert": str(pair.cert), "key": str(pair.key), "ca": str(pair.ca)}
    sslmode = "require" if auth.get("binds") else "disable"
    entry = {side: cluster.dsn(shop, user="app", sslmode=sslmode)
             for side, cluster in (("old", pair.old), ("new", pair.new))}
    proxy = start(shop, entry, listen={"tls": tls}, auth=secrets_for(tmp_path, auth, user, kept))
    cells, reads = {}, 0
    for channel in CHANNELS:
        for protocol in PROTOCOLS:
            cells[channel, protocol] = "-"
            if not is_possible(auth, channel):
                continue
            binds = auth.get("binds", False)
            if asked:
                with pytest.raises(Refused) as refusal:
                    log_in(proxy, secured, shop, channel, protocol, user, "wrong", binds)
                assert refusal.value.sqlstate == "28P01", refusal.value
                assert f'password authentication failed for user "{user}"' == refusal.value.message
            client = log_in(proxy, secured, shop, channel, protocol, user, SECRET, binds)
            assert client.methods == ([asked] if asked else [])
            # PostgreSQL 15 speaks 3.0 and says so, once; the client goes on in 3.0.
            assert client.negotiated == ([struct.pack("!ii", 0x30000, 0)] if protocol == "3.2" else [])
            assert text("item 7")[:-1] in client.ask(READ)
            client.connection.close()
            reads += 1
            status = proxy.settled(shop, reads)
            count = status["match"] if becomes == "match" else proxy.skipped(shop).get("login", 0)
            assert count == reads, (channel, protocol, status, proxy.skipped(shop), proxy.said()[-2000:])
            cells[channel, protocol] = becomes
    print(f"\n{method:36}", *(f"{channel} {protocol}: {cells[channel, protocol]:6}" for channel, protocol in cells), sep=" | ")
    assert reads > 0
