"""Old stops, starts, recovers and comes back: a client hears through the proxy what it hears directly, and the proxy
lives on and serves again. The clusters are this file's own."""

import os
import pathlib
import signal
import struct
import subprocess

import psycopg
import pytest

from clusters import BIN, Cluster, run_script
from peer import message, text
from proxy import Proxy, wait_until
from standby import Standby, owner_of
from twice import Both, codes, kinds


@pytest.fixture(scope="module")
def clusters():
    folder = pathlib.Path(run_script("folder"))
    try:
        yield Cluster(folder, "old"), Cluster(folder, "new")
    finally:
        run_script("remove", folder)


@pytest.fixture
def stage(clusters):
    """The proxy, old, and both ways to it."""
    old, new = clusters
    proxy = Proxy({"*": {"old": old.dsn("postgres", user="app").replace("dbname=postgres ", ""),
                         "new": new.dsn("postgres", user="app").replace("dbname=postgres ", "")}}).start()
    try:
        yield proxy, old, Both(old.port, proxy.port, "postgres")
        assert serves(proxy)
        proxy.stop()
    finally:
        proxy.kill()


def serves(proxy):
    with proxy.connect("postgres") as connection:
        return connection.execute("SELECT 42").fetchone() == (42,)


def postmaster(old):
    return int((old.home / "data" / "postmaster.pid").read_text().split()[0])


def is_down(old):
    return not (old.home / "data" / "postmaster.pid").exists()


@pytest.mark.parametrize("state", ["idle", "in a transaction", "in a query", "in a copy"])
@pytest.mark.parametrize("how", ["fast", "immediate", "crash"])
def test_old_s_end_is_told_to_its_clients_in_old_s_words(stage, how, state):
    proxy, old, both = stage

    def script(client):
        pid, said = struct.unpack("!i", client.key[:4])[0], old.log_size()
        if state == "in a transaction":
            client.ask("BEGIN", "SELECT 1")
        if state == "in a query":
            client.send(message("Q", text("SELECT pg_sleep(600)")))
        waits_for = "PgSleep" if state == "in a query" else "ClientRead"
        if state == "in a copy":
            client.say(message("Q", text("CREATE TEMP TABLE t (a int); COPY t FROM STDIN")), until="G")
        wait_until(lambda: old.psql(f"SELECT 1 FROM pg_stat_activity WHERE pid = {pid} AND wait_event = '{waits_for}'"))
        if how == "crash":
            os.kill(int(old.psql("SELECT pid FROM pg_stat_activity WHERE backend_type = 'walwriter'")[0]), signal.SIGKILL)
            assert client.until("") == "closed"
            wait_until(lambda: "database system is ready to accept connections" in old.said(said))
            return
        os.kill(postmaster(old), signal.SIGINT if how == "fast" else signal.SIGQUIT)
        assert client.until("") == "closed"
        wait_until(lambda: is_down(old))
        old.start()
    heard = both(script)
    assert codes(heard) == ["57P02" if how == "crash" else "57P01"]
    assert kinds(heard)[-2:] == ("E." if how == "fast" else "N.")
    assert wait_until(lambda: serves(proxy))


def test_while_old_is_down_the_client_is_told_and_afterwards_it_is_served(stage):
    proxy, old, _ = stage
    old.stop("fast")
    try:
        with pytest.raises(psycopg.OperationalError) as refused:
            proxy.connect("postgres")
        assert "FATAL" in str(refused.value)
    finally:
        old.start()
    assert wait_until(lambda: serves(proxy))


def test_a_client_that_comes_while_old_shuts_down_hears_57p03(stage):
    _, old, both = stage
    with old.connect("postgres"):  # a smart shutdown waits for it
        os.kill(postmaster(old), signal.SIGTERM)
        wait_until(lambda: "received smart shutdown request" in old.said())
        assert codes(both.raw(lambda client: client.begin(user="app", database="postgres"))) == ["57P03"]
    wait_until(lambda: is_down(old))
    old.start()


def test_a_client_that_comes_while_old_starts_up_hears_57p03_and_is_then_served(stage):
    proxy, old, both = stage
    go, data = old.home / "go", old.home / "data"
    old.psql(f"ALTER SYSTEM SET restore_command = 'while [ ! -e {go} ]; do sleep 0.1; done; false'")
    old.stop("fast")
    subprocess.run(["touch", data / "recovery.signal"], check=True, **owner_of(old))
    said = old.log_size()
    subprocess.run([BIN / "pg_ctl", "-s", "-W", "-D", data, "-l", old.log, "start"], check=True, timeout=60,
                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **owner_of(old))
    try:
        wait_until(lambda: "database system was shut down" in old.said(said), what=lambda: old.said(said))
        heard = both.raw(lambda client: client.begin(user="app", database="postgres"))
        assert codes(heard) == ["57P03"] and kinds(heard) == "E."
    finally:
        go.touch()
    wait_until(lambda: "database system is ready to accept connections" in old.said(said), what=lambda: old.said(said))
    assert wait_until(lambda: serves(proxy))


def test_a_standby_as_old_answers_as_it_does_directly_and_goes_on_when_promoted(clusters):
    old, new = clusters
    with Standby(old) as standby:
        proxy = Proxy({"postgres": {"old": standby.dsn("postgres", user="app"), "new": new.dsn("postgres", user="app")}})
        try:
            proxy.start()
            both = Both(standby.port, proxy.port, "postgres")
            heard = both(lambda client: client.ask("SELECT pg_is_in_recovery()", "CREATE TABLE t (a int)", "BEGIN READ WRITE",
                                                   "SELECT txid_current()", "LISTEN here"))
            assert codes(heard) == ["25006", "0A000", "25006", "25006"]
            with proxy.connect("postgres") as session:
                standby.promote()
                wait_until(lambda: session.execute("SELECT pg_is_in_recovery()").fetchone() == (False,))
            proxy.stop()
        finally:
            proxy.kill()
