"""Through the proxy everything is as it is directly."""

import getpass
import hashlib
import os
import subprocess
import threading
import time

import psycopg
import pytest

from clusters import BIN
from proxy import wait_until


def run(program, *args, dsn=None, text=True, stdin=None, check=True):
    command = [BIN / program, *args] + (["-d", dsn] if dsn and program != "pgbench" else [dsn] if dsn else [])
    done = subprocess.run(command, input=stdin, capture_output=True, text=text, timeout=600)
    assert not check or done.returncode == 0, done.stderr
    return done


def test_psql_shows_what_it_shows_directly(proxy, pair, shop):
    script = r"""
        \d items
        \dT+ status
        SELECT * FROM items ORDER BY id LIMIT 5;
        SELECT 1/0;
        \gdesc
        BEGIN; UPDATE items SET note = 'x' WHERE id = 1; SELECT note FROM items WHERE id = 1; ROLLBACK;
        SELECT 1 \; SELECT 2 \; SELECT 3;
        DO $$ BEGIN RAISE NOTICE 'hello'; END $$;
        SELECT n FROM generate_series(1, 3) n \gexec
        DECLARE c CURSOR WITH HOLD FOR SELECT id FROM items ORDER BY id; FETCH 3 FROM c; CLOSE c;
        \copy (SELECT id, name FROM items ORDER BY id LIMIT 3) TO STDOUT
        SET DateStyle = German; SELECT made FROM items WHERE id = 1;
        SELECT ;
        ;
    """
    runs = [run("psql", "-X", dsn=dsn, stdin=script, check=False)
            for dsn in (proxy.dsn(shop), pair.old.dsn(shop, user="app"))]
    assert runs[0].stdout == runs[1].stdout
    assert runs[0].stderr == runs[1].stderr


@pytest.mark.races
@pytest.mark.parametrize("mode", ["simple", "extended", "prepared"])
def test_pgbench_runs_without_an_error(proxy, pair, shop, mode):
    run("pgbench", "-i", "-q", "-s", "1", dsn=pair.old.dsn(shop, user="app"))
    run("pgbench", "-i", "-q", "-s", "1", dsn=pair.new.dsn(shop, user="app"))
    done = run("pgbench", "-n", "-M", mode, "-c", "8", "-j", "2", "-t", "200", "-b", "select-only@3", "-b",
               "tpcb-like@1", dsn=proxy.dsn(shop))
    assert "number of transactions actually processed: 1600/1600" in done.stdout
    assert "number of failed transactions: 0 " in done.stdout


@pytest.mark.races
def test_pgbench_connects_for_each_transaction(proxy, pair, shop):
    run("pgbench", "-i", "-q", "-s", "1", dsn=pair.old.dsn(shop, user="app"))
    done = run("pgbench", "-n", "-C", "-S", "-c", "4", "-t", "25", dsn=proxy.dsn(shop))
    assert "number of transactions actually processed: 100/100" in done.stdout


def test_pg_dump_is_equal(proxy, pair, shop):
    # \\restrict and \\unrestrict carry a random word.
    dumps = [[line for line in run("pg_dump", "--no-owner", dsn=dsn).stdout.splitlines() if "restrict " not in line]
             for dsn in (proxy.dsn(shop), pair.old.dsn(shop, user="app"))]
    assert dumps[0] == dumps[1] and len(dumps[0]) > 4000


def test_copy_carries_every_byte_both_ways(proxy, pair, shop, is_long):
    size = (1024 if is_long else 64) * 1024 * 1024
    block = os.urandom(1 << 15).hex().encode() + b"\n"
    sent, received, total = hashlib.sha256(), hashlib.sha256(), 0
    with proxy.connect(shop) as connection:
        connection.execute("CREATE UNLOGGED TABLE blocks (block text)")
        with connection.cursor().copy("COPY blocks FROM STDIN") as copy:
            while total < size:
                copy.write(block)
                sent.update(block)
                total += len(block)
        with connection.cursor().copy("COPY blocks TO STDOUT") as copy:
            for data in copy:
                received.update(data)
        assert sent.hexdigest() == received.hexdigest()
    assert proxy.memory() < 600


def test_copy_that_fails_leaves_the_session_usable(proxy, shop):
    with proxy.connect(shop) as connection:
        with pytest.raises(psycopg.errors.InvalidTextRepresentation):
            with connection.cursor().copy("COPY parts FROM STDIN") as copy:
                copy.write(b"5000\t1\tgood\nbad\t1\tline\n")
        with pytest.raises(psycopg.errors.QueryCanceled):
            with connection.cursor().copy("COPY parts FROM STDIN") as copy:
                copy.write(b"5000\t1\tgood\n")
                raise ZeroDivisionError
        assert connection.execute("SELECT count(*) FROM parts WHERE item_id = 5000").fetchone() == (0,)


@pytest.mark.parametrize("megabytes", [1, 64])
def test_large_values_pass_both_ways(proxy, shop, megabytes, is_long):
    size = megabytes * 1024 * 1024
    if is_long and megabytes == 64:
        size = 900 * 1024 * 1024 // 4
    with proxy.connect(shop) as connection:
        value = os.urandom(1024).hex() * (size // 2048)
        assert connection.execute("SELECT md5(%b::text), %b::text", (value, value)).fetchone() == (
            hashlib.md5(value.encode()).hexdigest(), value)


@pytest.mark.races
def test_cancel_reaches_the_query_that_runs(proxy, shop):
    with proxy.connect(shop) as connection:
        timer = threading.Timer(0.3, connection.cancel)
        timer.start()
        began = time.monotonic()
        with pytest.raises(psycopg.errors.QueryCanceled):
            connection.execute("SELECT pg_sleep(60)")
        assert time.monotonic() - began < 30
        timer.join()
        assert connection.execute("SELECT 1").fetchone() == (1,)


@pytest.mark.races
def test_cancel_with_a_wrong_key_cancels_nothing(proxy, shop):
    import socket
    import struct
    with proxy.connect(shop) as connection:
        pid = connection.pgconn.backend_pid
        with socket.create_connection(("127.0.0.1", proxy.port), 10) as stranger:
            stranger.sendall(struct.pack("!iiii", 16, 80877102, pid, 12345))
            assert stranger.recv(100) == b""
        assert connection.execute("SELECT pg_sleep(0.3), 7").fetchone()[1] == 7


def test_notify_arrives_with_the_senders_pid(proxy, shop):
    with proxy.connect(shop) as listener, proxy.connect(shop) as sender:
        listener.execute("LISTEN bell")
        sender.execute("SELECT pg_notify('bell', 'ding')")
        notify = next(listener.notifies())
        assert (notify.channel, notify.payload, notify.pid) == ("bell", "ding", sender.info.backend_pid)


def test_a_server_side_failure_ends_the_session_as_old_says(proxy, pair, shop):
    with proxy.connect(shop) as other:
        connection = proxy.connect(shop)
        pair.old.psql(f"SELECT pg_terminate_backend({connection.info.backend_pid})")
        with pytest.raises(psycopg.OperationalError, match="terminating connection due to administrator command"):
            wait_until(lambda: connection.execute("SELECT pg_sleep(0.05)") and False)
        assert other.execute("SELECT 1").fetchone() == (1,)


def test_a_client_that_leaves_takes_its_old_session_along(proxy, pair, shop):
    connection = proxy.connect(shop)
    pid = connection.info.backend_pid
    os.close(connection.pgconn.socket)
    wait_until(lambda: pair.old.psql(f"SELECT count(*) FROM pg_stat_activity WHERE pid = {pid}") == ["0"])


def test_pipelines_keep_their_order(proxy, shop):
    with proxy.connect(shop) as connection:
        with connection.pipeline():
            cursors = [connection.execute("SELECT name FROM items WHERE id = %s", (i,)) for i in range(1, 201)]
            assert [c.fetchone()[0] for c in cursors] == [f"item {i}" for i in range(1, 201)]


def test_startup_parameters_and_options_are_the_clients(proxy, shop):
    options = "-c work_mem=7MB -c search_path=public,pg_temp"
    with proxy.connect(shop, application_name="shop's till".replace("'", "\\'"), options=options) as connection:
        assert connection.execute("SHOW work_mem").fetchone() == ("7MB",)
        assert connection.execute("SHOW application_name").fetchone() == ("shop's till",)
        assert connection.info.parameter_status("TimeZone")


def test_over_a_unix_socket(proxy, shop):
    with psycopg.connect(host=str(proxy.home), port=proxy.port, dbname=shop, user="app") as connection:
        assert connection.execute("SELECT count(*) FROM items").fetchone() == (1000,)


def test_old_and_new_over_unix_sockets(start, pair, shop):
    proxy = start(shop, {side.name: side.dsn(shop, host=side.home, user="app") for side in (pair.old, pair.new)})
    with proxy.connect(shop) as connection:
        assert connection.execute("SELECT count(*) FROM items").fetchone() == (1000,)
    assert proxy.settled(shop, 1)["match"] == 1


def test_what_old_does_is_the_same_over_its_unix_socket(start, pair, shop):
    entry = {side.name: f"host={side.home} port={side.port} user=app dbname={shop}" for side in (pair.old, pair.new)}
    proxy = start(shop, entry)
    with psycopg.connect(host=str(proxy.home), port=proxy.port, dbname=shop, user="app", autocommit=True) as connection:
        with pytest.raises(psycopg.errors.DivisionByZero):
            connection.execute("SELECT 1/0")
        with connection.cursor().copy("COPY items TO STDOUT") as copy:
            assert len(b"".join(copy).splitlines()) == 1000
        timer = threading.Timer(0.3, connection.cancel)
        timer.start()
        with pytest.raises(psycopg.errors.QueryCanceled):
            connection.execute("SELECT pg_sleep(60)")
        timer.join()
        assert connection.execute("SELECT inet_server_addr()").fetchone() == (None,)


# Old sees the proxy's user, whoever the client is: what peer admits is unchallenged.
def test_a_peer_authenticated_user_of_old_is_let_in_only_where_that_is_allowed(start, pair, shop):
    hba = pair.old.home / "data" / "pg_hba.conf"
    before = hba.read_text()
    user = getpass.getuser()
    pair.old.psql("CREATE ROLE peered LOGIN")
    (pair.old.home / "data" / "pg_ident.conf").write_text(f"map {user} peered\n")
    hba.write_text("local all peered peer map=map\n" + before)
    pair.old.psql("SELECT pg_reload_conf()")
    try:
        entry = {"old": f"host={pair.old.home} port={pair.old.port} dbname={shop}"}
        direct = f"host={pair.old.home} port={pair.old.port} dbname={shop} user=peered"
        wait_until(lambda: "peer map=map" in hba.read_text() and
                   run("psql", "-XAtc", "SELECT current_user", dsn=direct, check=False).stdout == "peered\n")
        assert run("psql", "-XAtc", "SELECT current_user", dsn=start(shop, entry).dsn(shop, user="peered")).stdout == "peered\n"
        refusing = start(shop, entry, auth={"unchallenged": "refuse"})
        with pytest.raises(psycopg.OperationalError, match="unchallenged"):
            refusing.connect(shop, user="peered")
    finally:
        hba.write_text(before)
        pair.old.psql("SELECT pg_reload_conf()")
        pair.old.psql("DROP ROLE peered")


@pytest.mark.parametrize("user", ["scram_user", "md5_user", "password_user"])
def test_passthrough_lets_old_ask_for_the_password(proxy, shop, user):
    with proxy.connect(shop, user=user, password="a secret") as connection:
        assert connection.execute("SELECT current_user::text").fetchone() == (user,)
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        proxy.connect(shop, user=user, password="wrong")


def test_unchallenged_logins_are_refused_unless_allowed(start, pair, shop):
    proxy = start(shop, auth={"unchallenged": "refuse"})
    with pytest.raises(psycopg.OperationalError) as refused:
        proxy.connect(shop)
    assert "unchallenged" in str(refused.value)
    with proxy.connect(shop, user="scram_user", password="a secret") as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)


@pytest.mark.parametrize("mode", ["allow", "prefer", "require"])
def test_tls_towards_clients(start, pair, shop, mode):
    pair.enable_tls()
    proxy = start(shop, listen={"tls": {"mode": mode, "cert": str(pair.cert), "key": str(pair.key)}})
    with proxy.connect(shop, sslmode="verify-full", sslrootcert=pair.ca, host="localhost") as connection:
        assert connection.pgconn.ssl_in_use
        assert connection.execute("SELECT repeat('x', 1000000)").fetchone()[0] == "x" * 1000000
    if mode == "require":
        with pytest.raises(psycopg.OperationalError):
            proxy.connect(shop, sslmode="disable")
    else:
        with proxy.connect(shop, sslmode="disable") as connection:
            assert not connection.pgconn.ssl_in_use


def test_tls_is_declined_when_it_is_disabled(proxy, shop):
    with proxy.connect(shop, sslmode="prefer") as connection:
        assert not connection.pgconn.ssl_in_use
    with pytest.raises(psycopg.OperationalError, match="does not support SSL"):
        proxy.connect(shop, sslmode="require")


@pytest.mark.parametrize("mode", ["require", "verify-ca", "verify-full"])
def test_tls_towards_old_and_new(start, pair, shop, mode):
    pair.enable_tls()
    entry = {side.name: side.dsn(shop, user="app", host="localhost", sslmode=mode, sslrootcert=pair.ca)
             for side in (pair.old, pair.new)}
    proxy = start(shop, entry)
    with proxy.connect(shop, user="tls_user", password="a secret") as connection:
        used = connection.execute("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()").fetchone()
        assert used == (True,)


def test_tls_to_a_server_with_another_name_is_refused(start, pair, shop):
    pair.enable_tls()
    old = pair.old.dsn(shop, user="app", host="elsewhere.test", hostaddr="127.0.0.1", sslmode="verify-full",
                       sslrootcert=pair.ca)
    proxy = start(shop, {"old": old})
    with pytest.raises(psycopg.OperationalError) as refused:
        proxy.connect(shop)
    assert "FATAL" in str(refused.value)
    assert "elsewhere.test" in proxy.said()


def test_replication_connections_are_relayed(proxy, pair, shop):
    done = run("psql", "-X", "-At", "-c", "IDENTIFY_SYSTEM",
               dsn=proxy.dsn(shop, user="postgres") + " replication=database")
    assert done.stdout.split("|")[3].strip() == shop


def test_physical_replication_finds_the_only_database_there_is(proxy, shop):
    done = run("psql", "-X", "-At", "-c", "IDENTIFY_SYSTEM",
               dsn=proxy.dsn("replication", user="postgres") + " replication=true")
    assert len(done.stdout.split("|")) == 4


def test_many_sessions_at_once(proxy, shop):
    sessions = [proxy.connect(shop) for _ in range(100)]
    for i, session in enumerate(sessions):
        assert session.execute("SELECT name FROM items WHERE id = %s", (i + 1,)).fetchone() == (f"item {i + 1}",)
    for session in sessions:
        session.close()
