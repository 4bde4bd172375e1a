"""TLS both ways: who gets in, who is believed, and what it is told."""

import gc
import os
import queue
import random
import shutil
import signal
import socket
import ssl
import struct
import threading
import time

import psycopg
import pytest

from peer import Client, Peer, message, query, ready, startup, text
from proxy import wait_until
from tls import Authority, accept, client_context, secure

SSL_MODES = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")


@pytest.fixture
def world(pair, tmp_path):
    """The authority that the clusters' certificate comes from."""
    pair.enable_tls()
    return Authority(tmp_path, "world", (pair.ca, pair.folder / "ca.key"))


@pytest.fixture
def people(tmp_path):
    """The authority of the clients' certificates."""
    return Authority(tmp_path, "people")


def listen(mode, own, people=None):
    return {"tls": {"mode": mode, "cert": str(own[0]), "key": str(own[1]), "ca": str(people.cert) if people else ""}}


def connect(proxy, shop, sslmode, world=None, own=None, **more):
    if world:
        more["sslrootcert"] = world.cert
    if own:
        more.update(sslcert=own[0], sslkey=own[1])
    return proxy.connect(shop, sslmode=sslmode, host="localhost", **more)


def is_tls(connection):
    """Towards the proxy."""
    return connection.pgconn.ssl_in_use


def channel(connection):
    """(is it TLS, its version, the client's distinguished name) between proxy and old."""
    return connection.execute("SELECT ssl, version, client_dn FROM pg_stat_ssl WHERE pid = pg_backend_pid()").fetchone()


def refusal(*args, **more):
    """What libpq says."""
    with pytest.raises(psycopg.OperationalError) as refused:
        connect(*args, **more).close()
    words = str(refused.value)
    del refused
    gc.collect()  # libpq's connection may be in the middle of a login, which the exception keeps open
    return words


def login(client, dbname, user="app"):
    """(SQLSTATE, message) of the refusal, or None."""
    client.send(startup(user=user, database=dbname))
    while True:
        kind, body = client.receive()
        if kind == "E":
            fields = {field[:1]: field[1:].decode() for field in body.split(b"\0") if field}
            return fields[b"C"], fields[b"M"]
        if kind == "Z":
            return None


def says(proxy, *words):
    """Its log, at some time."""
    wait_until(lambda: all(word in proxy.said() for word in words), what=proxy.said)


def lives(proxy, shop):
    with proxy.connect(shop, host=str(proxy.home)) as connection:
        return connection.execute("SELECT 1").fetchone() == (1,)


# ---- the clients' side ----

@pytest.mark.parametrize("mode", ["disable", "allow", "prefer", "require"])
def test_libpqs_modes_get_from_ours_what_they_get_from_a_server(start, world, shop, mode):
    proxy = start(shop, listen=listen(mode, world.sign("localhost")) if mode != "disable" else {})
    for sslmode in SSL_MODES:
        if mode == "disable" and sslmode in ("require", "verify-ca", "verify-full"):
            assert "server does not support SSL" in refusal(proxy, shop, sslmode, world)
        elif mode == "require" and sslmode == "disable":
            assert "TLS is required" in refusal(proxy, shop, sslmode)
        else:
            with connect(proxy, shop, sslmode, world) as connection:
                wanted = mode != "disable" and (sslmode not in ("disable", "allow") or mode == "require")
                assert is_tls(connection) == wanted, sslmode
                assert connection.execute("SELECT count(*) FROM items").fetchone() == (1000,)
    with proxy.connect(shop, host=str(proxy.home), sslmode="require") as connection:
        assert not is_tls(connection), "there is no TLS on Unix sockets"


def test_require_refuses_plain_connections_with_28000_and_takes_plain_cancels(start, world, shop):
    proxy = start(shop, listen=listen("require", world.sign("localhost")))
    assert login(Client(proxy.port), shop) == ("28000", "TLS is required")
    with connect(proxy, shop, "require") as connection:
        cancelled = []

        def sleep():
            try:
                connection.execute("SELECT pg_sleep(600)")
            except psycopg.errors.QueryCanceled:
                cancelled.append(True)
        sleeper = threading.Thread(target=sleep)
        sleeper.start()
        wait_until(lambda: connection.cancel() or not sleeper.is_alive())  # libpq 15 asks in plain
        sleeper.join()
        assert cancelled


def test_clients_believe_the_certificate_as_they_would_a_servers(start, world, people, shop):
    proxy = start(shop, listen=listen("prefer", world.sign("elsewhere", "DNS:elsewhere.test")))
    assert "certificate verify failed" in refusal(proxy, shop, "verify-ca", people)
    connect(proxy, shop, "verify-ca", world).close()
    assert "does not match host name" in refusal(proxy, shop, "verify-full", world)
    says(proxy, "tlsv1 alert unknown ca")


@pytest.mark.parametrize("mode", ["verify-ca", "verify-full"])
def test_verifying_modes_ask_clients_for_a_certificate(start, world, people, shop, mode):
    proxy = start(shop, listen=listen(mode, world.sign("localhost"), people))
    assert "TLS is required" in refusal(proxy, shop, "disable")
    assert "connection requires a valid client certificate" in refusal(proxy, shop, "require")
    assert login(secure(Client(proxy.port), trust=world), shop) == (
        "28000", "connection requires a valid client certificate")
    refusal(proxy, shop, "require", own=world.sign("app"))
    says(proxy, "certificate verify failed")
    with connect(proxy, shop, "verify-full", world, own=people.sign("app")) as connection:
        assert connection.execute("SELECT current_user").fetchone() == ("app",)
    assert lives(proxy, shop)


def test_verify_full_compares_the_certificates_name_with_the_user(start, world, people, shop):
    proxy = start(shop, listen=listen("verify-full", world.sign("localhost"), people))
    connect(proxy, shop, "require", own=people.sign("scram_user"), user="scram_user", password="a secret").close()
    for name, user in (("App", "app"), ("app", "postgres"), ("app\\=x", "app")):
        client = secure(Client(proxy.port), trust=world, own=people.sign(name))
        assert login(client, shop, user) == ("28000", f'certificate authentication failed for user "{user}"')
    console = secure(Client(proxy.port), trust=world, own=people.sign("app"))
    assert login(console, "pgrehearse", "postgres")[0] == "28000"


def test_verify_ca_takes_any_name(start, world, people, shop):
    proxy = start(shop, listen=listen("verify-ca", world.sign("localhost"), people))
    connect(proxy, shop, "require", own=people.sign("somebody else")).close()


def test_optional_certificates_are_verified_where_they_are_shown(start, world, people, shop):
    proxy = start(shop, listen=listen("allow", world.sign("localhost"), people))
    connect(proxy, shop, "require").close()
    connect(proxy, shop, "require", own=people.sign("app")).close()
    refusal(proxy, shop, "require", own=world.sign("app"))


# ---- direct TLS, ALPN, versions ----

def test_direct_tls_works_with_alpn_and_is_refused_without(start, world, shop):
    proxy = start(shop, listen=listen("allow", world.sign("localhost")))
    client = secure(Client(proxy.port), is_direct=True, trust=world, alpn=["h2", "postgresql"])
    assert client.connection.selected_alpn_protocol() == "postgresql"
    assert login(client, shop) is None
    assert b"1000" in client.ask("SELECT count(*) FROM items")
    silent = secure(Client(proxy.port), is_direct=True, trust=world)
    silent.send(startup(user="app", database=shop))
    assert silent.rest() == b""
    says(proxy, "direct TLS without ALPN")
    with pytest.raises(ssl.SSLError, match="(?i)no.application.protocol"):
        secure(Client(proxy.port), is_direct=True, trust=world, alpn=["http/1.1"])
    assert lives(proxy, shop)


def test_alpn_is_optional_after_an_ssl_request_but_never_another_protocols(start, world, shop):
    proxy = start(shop, listen=listen("allow", world.sign("localhost")))
    client = secure(Client(proxy.port), trust=world, alpn=["postgresql"])
    assert client.connection.selected_alpn_protocol() == "postgresql" and login(client, shop) is None
    assert login(secure(Client(proxy.port), trust=world), shop) is None
    with pytest.raises(ssl.SSLError, match="(?i)no.application.protocol"):
        secure(Client(proxy.port), trust=world, alpn=["http/1.1"])


def test_direct_tls_is_closed_where_tls_is_off(proxy, shop):
    with pytest.raises((ssl.SSLError, OSError)):
        secure(Client(proxy.port), is_direct=True, alpn=["postgresql"])
    assert lives(proxy, shop)


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3], ids=["1.2", "1.3"])
def test_no_session_is_resumed(start, world, shop, version):
    proxy = start(shop, listen=listen("require", world.sign("localhost")))
    context = client_context(world, version=version)
    first = secure(Client(proxy.port), context)
    assert login(first, shop) is None
    first.ask("SELECT 1")
    offered = first.connection.session
    assert not (offered and offered.has_ticket)
    again = secure(Client(proxy.port), context, session=offered)
    assert not again.connection.session_reused and login(again, shop) is None
    assert again.connection.compression() is None


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1], ids=["1.0", "1.1"])
def test_older_versions_are_refused(start, world, shop, version):
    proxy = start(shop, listen=listen("require", world.sign("localhost")))
    context = client_context(world, version=version)
    context.set_ciphers("DEFAULT:@SECLEVEL=0")
    with pytest.raises((ssl.SSLError, OSError)):
        secure(Client(proxy.port), context)
    says(proxy, "unsupported protocol")
    assert lives(proxy, shop)


def test_a_handshake_that_fails_is_logged_in_one_line_with_its_reason(start, world, shop):
    proxy = start(shop, listen=listen("require", world.sign("localhost")))

    def failures():
        return [line for line in proxy.said().splitlines() if "tls_failed" in line]
    for behind in (b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01\x00\x05hello", b""):
        before = len(failures())
        client = Client(proxy.port)
        client.send(struct.pack("!ii", 8, 80877103))
        assert client.read(1) == b"S"
        client.send(behind)
        client.connection.shutdown(socket.SHUT_WR)
        client.rest()
        wait_until(lambda: len(failures()) > before, what=proxy.said)
        assert len(failures()) == before + 1 and 'error=""' not in failures()[-1]
    assert lives(proxy, shop)


def test_a_handshake_has_a_deadline(start, world, shop, is_long):
    if not is_long:
        pytest.skip("takes a minute")
    proxy = start(shop, listen=listen("require", world.sign("localhost")))
    client = Client(proxy.port)
    client.send(struct.pack("!ii", 8, 80877103))
    assert client.read(1) == b"S"
    client.send(b"\x16")
    client.connection.settimeout(120)
    assert client.rest() == b""


# ---- ends ----

def test_both_of_our_sides_say_close_notify(start, world, shop):
    ends = []

    def old(session):
        accept(session, own)
        if session.read_startup().get("application_name") == "pgrehearse":
            raise EOFError
        session.admit()
        session.expect("X")
        session.connection.unwrap()  # raises where the other's close_notify is missing
        ends.append("in good order")
    own = world.sign("localhost")
    with Peer(old) as peer:
        proxy = start(shop, {"old": peer.dsn(shop).replace("disable", "require")},
                      listen=listen("require", own))
        client = secure(Client(proxy.port), trust=world)
        assert login(client, shop) is None
        client.send(message("X"))
        assert client.connection.recv(1) == b""
        wait_until(lambda: ends)


def test_an_end_in_the_middle_of_a_message_runs_nothing(start, world, pair, shop):
    proxy = start(shop, listen=listen("require", world.sign("localhost")))
    client = secure(Client(proxy.port), trust=world)
    assert login(client, shop) is None
    client.ask("CREATE TABLE cut (a int)")
    whole = query("INSERT INTO cut VALUES (1)")
    client.send(query("SELECT 1"), whole[:-3])
    assert b"SELECT 1" in client.until_ready()
    os.close(client.connection.detach())  # TCP ends, TLS does not
    wait_until(lambda: not [row for row in proxy.console("SHOW CLIENTS") if row["database"] == shop], what=proxy.said)
    assert pair.old.psql("SELECT count(*) FROM cut", shop) == ["0"]


def test_a_client_that_says_no_more_still_reads_its_answers(start, world, shop):
    proxy = start(shop, listen=listen("require", world.sign("localhost")))
    client = secure(Client(proxy.port), trust=world)
    assert login(client, shop) is None
    client.send(query("SELECT repeat('x', 3000000)"))
    with socket.socket(fileno=os.dup(client.connection.fileno())) as bare:
        bare.shutdown(socket.SHUT_WR)  # TCP's half
    assert client.until_ready().count(b"x") >= 3000000


# ---- the server's side ----

@pytest.mark.parametrize("sslmode", SSL_MODES)
def test_our_modes_reach_old_and_new_as_libpqs_do(start, pair, world, shop, sslmode):
    entry = {side.name: side.dsn(shop, user="app", host="localhost", sslmode=sslmode, sslrootcert=world.cert)
             for side in (pair.old, pair.new)}
    proxy = start(shop, entry)
    with proxy.connect(shop) as connection:
        assert channel(connection)[0] == (sslmode not in ("disable", "allow"))
        assert connection.execute("SELECT count(*) FROM items").fetchone() == (1000,)
    assert wait_until(lambda: proxy.settled(shop)["match"])


@pytest.mark.parametrize("user,sslmode,is_secure", [("tls_user", "allow", True), ("plain_user", "prefer", False),
                                                    ("tls_user", "prefer", True), ("plain_user", "allow", False)])
@pytest.mark.parametrize("kind", ["passthrough", "scram-sha-256"])
def test_the_other_way_is_tried_when_pg_hba_refuses_the_first(
        start, pair, world, tmp_path, shop, user, sslmode, is_secure, kind):
    entry = {side.name: side.dsn(shop, user="app", sslmode=sslmode) for side in (pair.old, pair.new)}
    for side in (pair.old, pair.new):
        side.psql("GRANT SELECT ON items TO PUBLIC", shop)
    secrets = tmp_path / "userlist.txt"  # for our own sessions
    secrets.write_text(f'"{user}" "a secret"\n')
    secrets.chmod(0o600)
    proxy = start(shop, entry, auth={"type": kind, "file": str(secrets)})
    with proxy.connect(shop, user=user, password="a secret") as connection:
        assert channel(connection)[0] == is_secure
        assert connection.execute("SELECT count(*) FROM items").fetchone() == (1000,)
        pid = connection.info.backend_pid
        assert connection.execute("SELECT pg_backend_pid()").fetchone() == (pid,)
    wait_until(lambda: proxy.settled(shop)["match"] == 1, what=proxy.said)  # and so did our own session on new


@pytest.mark.parametrize("user,sslmode", [("tls_user", "disable"), ("plain_user", "require")])
def test_a_refusal_passes_where_there_is_no_other_way(start, pair, world, shop, user, sslmode):
    proxy = start(shop, {"old": pair.old.dsn(shop, user="app", sslmode=sslmode)})
    words = refusal(proxy, shop, "disable", user=user, password="a secret")
    assert "pg_hba.conf rejects connection" in words


@pytest.mark.parametrize("limits,version", [("ssl_min_protocol_version=TLSv1.3", "TLSv1.3"),
                                            ("ssl_max_protocol_version=TLSv1.2", "TLSv1.2")])
def test_the_protocols_version_can_be_limited_towards_old(start, pair, world, shop, limits, version):
    proxy = start(shop, {"old": pair.old.dsn(shop, user="app", sslmode="require") + " " + limits})
    with proxy.connect(shop) as connection:
        assert channel(connection)[:2] == (True, version)


def test_old_may_ask_the_proxy_for_a_certificate_whose_key_has_a_password(start, pair, world, shop):
    cert, key = world.sign("cert_user", password="open sesame")
    old = pair.old.dsn(shop, user="app", sslmode="require", sslcert=cert, sslkey=key, sslpassword="'open sesame'")
    proxy = start(shop, {"old": old})
    with proxy.connect(shop, user="cert_user") as connection:
        assert channel(connection)[2] == "/CN=cert_user"


def test_a_keys_password_that_is_missing_is_told_and_never_asked_for(start, pair, world, shop):
    cert, key = world.sign("cert_user", password="open sesame")
    proxy = start(shop)
    with pytest.raises(psycopg.Error, match="could not load private key file .*no password is given"):
        proxy.configuration["databases"][shop]["old"] += f" sslmode=require sslcert={cert} sslkey={key}"
        proxy.write()
        proxy.console("RELOAD")


def test_a_revoked_certificate_of_old_is_refused(start, pair, tmp_path, shop):
    pair.enable_tls()
    world = Authority(tmp_path, "world", (pair.ca, pair.folder / "ca.key"))
    clean, revoked = world.revocations(), tmp_path / "revoked.crl"
    string = pair.old.dsn(shop, user="app", host="localhost", sslmode="verify-full", sslrootcert=pair.ca)
    proxy = start(shop, {"old": f"{string} sslcrl={clean}"})
    proxy.connect(shop).close()
    shutil.copy(world.revocations(pair.cert), revoked)
    proxy = start(shop, {"old": f"{string} sslcrl={revoked}"})
    refusal(proxy, shop, "disable")
    says(proxy, "certificate revoked")


def test_a_server_that_sends_tickets_is_understood(start, world, shop):
    def old(session):
        accept(session, own, tickets=2)
        if session.read_startup().get("application_name") == "pgrehearse":
            raise EOFError
        session.admit()
        session.expect("Q")
        session.send(message("C", text("SELECT 0")), ready())
        session.expect("X")
    own = world.sign("localhost")
    with Peer(old) as peer:
        proxy = start(shop, {"old": peer.dsn(shop).replace("disable", "require")})
        client = Client(proxy.port).login(database=shop)
        assert b"SELECT 0" in client.ask("SELECT 1")
        client.send(message("X"))


def test_prefer_falls_back_when_the_handshake_fails(start, pair, world, shop):
    admitted = queue.Queue()

    def old(session):
        head = session.read(8)
        if head == struct.pack("!ii", 8, 80877103):
            session.send(b"S")
            session.connection.recv(1000)
            session.send(b"no TLS at all")
            return
        session.input = head + session.input
        if session.read_startup().get("application_name") == "pgrehearse":
            return
        session.admit()
        admitted.put(session.startup["user"])
        session.expect("X")
    with Peer(old) as peer:
        proxy = start(shop, {"old": peer.dsn(shop).replace("disable", "prefer")})
        Client(proxy.port).login(database=shop).send(message("X"))
        assert admitted.get(timeout=60) == "app"
        proxy = start(shop, {"old": peer.dsn(shop).replace("disable", "require")})
        refusal(proxy, shop, "disable")
        says(proxy, "TLS: wrong version number")


def test_two_proxies_in_a_chain_trust_each_others_certificates(start, pair, world, people, shop):
    inner = start(shop, {"old": pair.old.dsn(shop, user="app", sslmode="require")},
                  listen=listen("verify-full", world.sign("localhost"), people))
    cert, key = people.sign("app")
    string = f"host=localhost port={inner.port} dbname={shop} user=app sslmode=verify-full sslrootcert={world.cert} " \
             f"sslcert={cert} sslkey={key}"
    outer = start(shop, {"old": string, "new": string}, listen=listen("require", world.sign("localhost")))
    with connect(outer, shop, "verify-full", world) as connection:
        assert connection.execute("SELECT repeat('x', 5000000)").fetchone()[0] == "x" * 5000000
        assert channel(connection)[0]


# ---- reload ----

def presented(proxy, shop, world):
    """The serial number of the certificate that a new client is shown."""
    client = secure(Client(proxy.port), trust=world)
    assert login(client, shop) is None
    return client.connection.getpeercert()["serialNumber"]


@pytest.mark.parametrize("how", ["RELOAD", "SIGHUP"])
def test_clients_side_certificates_are_read_again(start, world, people, tmp_path, shop, how):
    own = tmp_path / "own.crt", tmp_path / "own.key"
    authority = tmp_path / "people.crt"

    def put(pair_of_files, signer):
        shutil.copy(pair_of_files[0], own[0])
        shutil.copy(pair_of_files[1], own[1])
        shutil.copy(signer.cert, authority)

    def reload():
        said = len(proxy.said())
        if how == "RELOAD":
            proxy.console("RELOAD")
        else:
            proxy.process.send_signal(signal.SIGHUP)
        wait_until(lambda: "reload" in proxy.said()[said:], what=proxy.said)
    others = Authority(tmp_path, "others")
    put(world.sign("localhost"), people)
    settings = listen("allow", own)
    settings["tls"]["ca"] = str(authority)
    proxy = start(shop, listen=settings)
    running = connect(proxy, shop, "require", own=people.sign("app"))
    first = presented(proxy, shop, world)
    put(world.sign("localhost"), others)
    reload()
    second = presented(proxy, shop, world)
    assert first != second
    connect(proxy, shop, "require", own=others.sign("app")).close()
    refusal(proxy, shop, "require", own=people.sign("app"))
    own[0].write_text("no certificate")
    if how == "RELOAD":
        with pytest.raises(psycopg.Error, match="could not load certificate file"):
            reload()
    else:
        reload()
        says(proxy, "reload_refused")
    assert presented(proxy, shop, world) == second
    assert running.execute("SELECT count(*) FROM items").fetchone() == (1000,)
    running.close()


def test_servers_side_certificates_are_read_again(start, pair, world, people, tmp_path, shop):
    roots = tmp_path / "roots.crt"
    shutil.copy(world.cert, roots)
    string = pair.old.dsn(shop, user="app", host="localhost", sslmode="verify-ca", sslrootcert=roots)
    proxy = start(shop, {"old": string})
    with proxy.connect(shop) as running:
        shutil.copy(people.cert, roots)
        proxy.console("RELOAD")
        assert "cannot be reached" in refusal(proxy, shop, "disable")
        says(proxy, "certificate verify failed")
        roots.write_text("-----BEGIN CERTIFICATE-----\nno\n-----END CERTIFICATE-----\n")
        with pytest.raises(psycopg.Error, match="could not load root certificate file"):
            proxy.console("RELOAD")
        assert running.execute("SELECT count(*) FROM items").fetchone() == (1000,)
        shutil.copy(world.cert, roots)
        proxy.console("RELOAD")
    proxy.connect(shop).close()


# ---- channel binding ----

def bind(proxy, shop, channel_binding):
    return connect(proxy, shop, "require", user="scram_user", password="a secret", channel_binding=channel_binding)


def test_channels_are_bound_where_the_proxy_presents_olds_certificate(start, pair, world, shop):
    proxy = start(shop, {"old": pair.old.dsn(shop, user="app", sslmode="require")},
                  listen=listen("require", (pair.cert, pair.key)))
    for channel_binding in ("require", "prefer", "disable"):
        with bind(proxy, shop, channel_binding) as connection:
            assert channel(connection)[0]
    assert "channel_binding_stripped" not in proxy.said()


def test_with_another_certificate_prefer_leads_around_the_binding(start, pair, world, shop):
    proxy = start(shop, {"old": pair.old.dsn(shop, user="app", sslmode="prefer")},
                  listen=listen("require", world.sign("localhost")))
    for channel_binding in ("prefer", "disable"):
        with bind(proxy, shop, channel_binding) as connection:
            assert not channel(connection)[0]
    words = refusal(proxy, shop, "require", user="scram_user", password="a secret", channel_binding="require")
    assert "channel binding is required, but server did not offer" in words
    says(proxy, "old_without_tls", "own certificate and key")


def test_the_way_leads_back_to_tls_where_old_insists_on_it(start, pair, world, shop):
    proxy = start(shop, {"old": pair.old.dsn(shop, user="app", sslmode="prefer")},
                  listen=listen("require", world.sign("localhost")))
    with connect(proxy, shop, "require", user="tls_user", password="a secret", channel_binding="disable") as connection:
        assert channel(connection)[0]


def test_with_another_certificate_and_tls_required_the_log_says_what_to_set(start, pair, world, shop):
    proxy = start(shop, {"old": pair.old.dsn(shop, user="app", sslmode="require")},
                  listen=listen("require", world.sign("localhost")))
    with bind(proxy, shop, "disable") as connection:
        assert channel(connection)[0]
    words = refusal(proxy, shop, "require", user="scram_user", password="a secret", channel_binding="require")
    assert "channel binding is required, but server did not offer" in words
    words = refusal(proxy, shop, "require", user="scram_user", password="a secret", channel_binding="prefer")
    assert "SCRAM channel binding negotiation error" in words  # old's, since libpq could bind
    says(proxy, "channel_binding_stripped", "own certificate and key")


# ---- much at once ----

MEBIBYTE = 1 << 20
LOAD = 64 * MEBIBYTE


class Flow(threading.Thread):
    """Sends LOAD bytes and takes as many, at once; takes nothing more from the half on until goes_on is set."""

    def __init__(self, connection, seed, others_seed, stops=False):
        super().__init__(daemon=True)
        self.connection, self.sent, self.got, self.is_equal = connection, 0, 0, True
        self.out, self.into = (random.Random(n).randbytes(MEBIBYTE) for n in (seed, others_seed))
        self.stop_at, self.goes_on = LOAD // 2 if stops else LOAD, threading.Event()
        connection.setblocking(False)
        self.start()

    def send(self):
        at = self.sent % MEBIBYTE
        self.sent += self.connection.send(self.out[at:at + min(65536, LOAD - self.sent)])

    def take(self):
        at = self.got % MEBIBYTE
        data = self.connection.recv(min(65536, LOAD - self.got, MEBIBYTE - at))
        assert data, "an early end"
        self.is_equal = self.is_equal and data == self.into[at:at + len(data)]
        self.got += len(data)

    def run(self):
        while self.sent < LOAD or self.got < LOAD:
            if self.goes_on.is_set():
                self.stop_at = LOAD
            is_idle = True
            for step, is_wanted in ((self.send, self.sent < LOAD), (self.take, self.got < self.stop_at)):
                try:
                    if is_wanted:
                        step()
                        is_idle = False
                except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
                    pass
            if is_idle:
                self.goes_on.wait(0.01)


def unchanging(value):
    """What value() is once it stays so for a second."""
    last = None
    while True:
        now = value()
        if now == last:
            return now
        last = now
        time.sleep(1)


def test_much_flows_both_ways_at_once_and_waits_for_a_client_that_stops_reading(start, world, shop):
    flows = queue.Queue()

    def old(session):
        accept(session, own)
        if session.read_startup().get("application_name") == "pgrehearse":
            raise EOFError
        session.admit()
        flows.put(Flow(session.connection, 1, 2))
        flows.queue[0].join()
    own = world.sign("localhost")
    with Peer(old) as peer:
        proxy = start(shop, {"old": peer.dsn(shop).replace("disable", "require")}, listen=listen("require", own))
        client = secure(Client(proxy.port), trust=world)
        client.send(startup(user="app", database=shop, replication="database"))
        client.until_ready()  # from here on bytes pass
        ours = Flow(client.connection, 2, 1, stops=True)
        wait_until(lambda: ours.got >= LOAD // 2)
        theirs = flows.queue[0]
        unchanging(lambda: theirs.sent)
        assert theirs.sent - ours.got < 30 * MEBIBYTE, "the rest waits at old"  # most of it in the kernel
        ours.goes_on.set()
        wait_until(lambda: not ours.is_alive() and not theirs.is_alive())
        assert ours.is_equal and theirs.is_equal and ours.got == theirs.got == LOAD


def test_copies_pass_both_ways_over_tls(start, pair, world, shop):
    proxy = start(shop, {"old": pair.old.dsn(shop, user="app", sslmode="require")},
                  listen=listen("require", world.sign("localhost")))
    rows = 50000
    with connect(proxy, shop, "require") as first, connect(proxy, shop, "require") as second:
        first.execute("CREATE TABLE bulk AS SELECT i, repeat(md5(i::text), 4) t FROM generate_series(1, %s) i" % rows)
        second.execute("CREATE TABLE copy (LIKE bulk)")
        with first.cursor().copy("COPY bulk TO STDOUT") as out, second.cursor().copy("COPY copy FROM STDIN") as into:
            for data in out:
                into.write(data)
        difference = "SELECT count(*) FROM (SELECT * FROM bulk EXCEPT SELECT * FROM copy) d"
        assert first.execute(difference).fetchone() == (0,)
        assert first.execute("SELECT count(*) FROM copy").fetchone() == (rows,)
