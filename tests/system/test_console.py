"""The admin console and the HTTP end: what users and scripts rely on."""

import getpass
import signal

import psycopg
import pytest

from conftest import SHOP, running
from proxy import TOKEN, wait_until

COLUMNS = {
    "STATUS": "database canary_percent canary_state reads compared match lagging unstable unverified mismatch skipped "
              "dropped in_flight mismatch_rate mismatch_upper_bound coverage served_old served_new unanswered fallbacks "
              "other lag_seconds",
    "QUERIES": "database fingerprint query tables reads compared match lagging unstable unverified mismatch "
               "mismatch_rate mismatch_upper_bound old_p50_ms old_p95_ms old_p99_ms new_p50_ms new_p95_ms new_p99_ms "
               "latency_ratio quarantined hazards",
    "MISMATCHES": "id at database fingerprint class table column rows old_value new_value served query",
    "TABLES": "database table column class mismatches fingerprints last_seen",
    "SKIPPED": "database reason fingerprint reads query because",
    "EVENTS": "at database kind actor detail",
}
METRICS = """reads_total comparisons_total mismatches_total skipped_total dropped_total mismatch_rate
    mismatch_rate_upper_bound read_seconds canary_percent fallbacks_total rollbacks_total lag_seconds shadow_queue_reads
    shadow_queue_bytes client_connections server_connections""".split()


def connect(proxy, **more):
    return psycopg.connect(**{"host": str(proxy.home), "port": proxy.port, "dbname": "pgrehearse",
                              "user": getpass.getuser(), "autocommit": True, **more})


@pytest.fixture(scope="module")
def used(pair):
    """A proxy that has seen a match, a mismatch, a skip and an event, and its database."""
    shop = pair.database(SHOP, SHOP + "UPDATE items SET note = '' WHERE id = 1")
    with running(pair, shop) as proxy:
        with proxy.connect(shop) as connection:
            connection.execute("SELECT note FROM items WHERE id = 1")
            connection.execute("SELECT note FROM items WHERE id = 2")
            connection.execute("SELECT 1")
        proxy.console("SET canary_percent = 1")
        proxy.settled(shop, 3)
        yield proxy, shop
    pair.forget(shop)


@pytest.mark.parametrize("what", COLUMNS)
@pytest.mark.parametrize("protocol", ["simple", "extended"])
def test_columns_that_scripts_rely_on(used, what, protocol):
    with connect(used[0]) as connection:
        found = connection.execute(f"SHOW {what}", prepare=protocol == "extended")
        wanted = COLUMNS[what].split()
        assert [column.name for column in found.description][:len(wanted)] == wanted
        assert found.fetchall()


@pytest.mark.parametrize("what", ["CLIENTS", "SERVERS", "LAG", "CONFIG", "VERSION", "HELP"])
def test_the_other_pictures(used, what):
    proxy, shop = used
    with proxy.connect(shop):
        assert proxy.console(f"SHOW {what}")
        assert proxy.console(f"show {what.lower()};")


@pytest.mark.parametrize("typo", ["SHOW STATSU", "SELECT * FROM items", "INSERT INTO x VALUES (1)", "SET canary_percent = 101", "SET canary_percent = -1",
                                  "SET canary_percent = 0.001", "SET canary_percent = 'lots'", "SET speed = 3",
                                  "ALTER DATABASE nowhere SET canary_percent = 1", "ROLLBACK CANARY nowhere",
                                  "SHOW MISMATCH x", "SHOW MISMATCH 99999", "RELEASE zz", "\"", "SHOW STATUS; garbage",
                                  "'unended", "/* unended", "$$", "SHOW", "ÄÖÜ", ";;x"])
def test_a_typo_gets_an_error_and_leaves_the_session_usable(common_proxy, typo):
    with connect(common_proxy) as connection:
        with pytest.raises(psycopg.Error) as error:
            connection.execute(typo)
        assert error.value.sqlstate and error.value.sqlstate != "XX000"
        assert connection.execute("SHOW VERSION").fetchone()


def test_a_typo_gets_a_hint(common_proxy):
    with connect(common_proxy) as connection, pytest.raises(psycopg.Error) as error:
        connection.execute("SHOW STATSU")
    assert error.value.diag.message_hint


def test_drivers_manners_are_accepted(common_proxy):
    with connect(common_proxy, autocommit=False) as connection:
        assert connection.execute("SHOW STATUS").fetchall()
        connection.commit()
        connection.execute("SET client_encoding = 'UTF8'")
        connection.rollback()
        assert connection.execute("SHOW STATUS", binary=True).fetchall()


def test_only_admins_are_let_in(common_proxy):
    with pytest.raises(psycopg.OperationalError) as refused:
        connect(common_proxy, user="app")
    assert "app" in str(refused.value)
    with pytest.raises(psycopg.OperationalError):
        connect(common_proxy, host="127.0.0.1")


def test_an_admin_with_a_secret_is_let_in_over_tcp(start, shop, tmp_path):
    secrets = tmp_path / "userlist.txt"
    secrets.write_text('"chief" "a secret"\n')
    proxy = start(shop, admin={"users": [getpass.getuser(), "chief"], "file": str(secrets)})
    with connect(proxy, host="127.0.0.1", user="chief", password="a secret") as connection:
        assert connection.execute("SHOW VERSION").fetchone()
    with pytest.raises(psycopg.OperationalError):
        connect(proxy, host="127.0.0.1", user="chief", password="wrong")


def test_an_admin_can_insist_on_channel_binding(start, shop, pair, tmp_path):
    secrets = tmp_path / "userlist.txt"
    secrets.write_text('"chief" "pen\u00a0cil"\n')
    pair.enable_tls()
    proxy = start(shop, admin={"users": ["chief"], "file": str(secrets)},
                  listen={"tls": {"mode": "allow", "cert": str(pair.cert), "key": str(pair.key)}})
    how = {"host": "127.0.0.1", "user": "chief", "channel_binding": "require"}
    # A space that is not ASCII is one to SCRAM (RFC 4013).
    for password in "pen\u00a0cil", "pen cil":
        with connect(proxy, **how, sslmode="require", password=password) as connection:
            assert connection.execute("SHOW VERSION").fetchone()
    with pytest.raises(psycopg.OperationalError):
        connect(proxy, **how, sslmode="disable", password="pen cil")


def test_reload_refuses_a_bad_file_whole_and_takes_a_good_one(proxy, shop):
    proxy.configuration["databases"][shop]["shadow"]["percent"] = "nonsense"
    proxy.write()
    with pytest.raises(psycopg.Error) as error:
        proxy.console("RELOAD")
    assert "percent" in str(error.value)
    with proxy.connect(shop) as connection:
        connection.execute("SELECT count(*) FROM items")
    assert proxy.settled(shop, 1)["match"] == 1
    proxy.configuration["databases"][shop]["shadow"]["percent"] = 0
    proxy.write()
    proxy.process.send_signal(signal.SIGHUP)
    wait_until(lambda: any("reload" in f"{row['kind']} {row['detail']}".lower() for row in proxy.console("SHOW EVENTS")))

    def is_sampled_out():
        with proxy.connect(shop) as connection:
            connection.execute("SELECT count(*) FROM items")
        return "sampled_out" in proxy.skipped(shop)
    wait_until(is_sampled_out)


def test_secrets_are_not_shown(common_proxy):
    assert TOKEN not in str(common_proxy.console("SHOW CONFIG"))


def test_metrics_have_every_name(used):
    proxy, shop = used
    code, text = proxy.http("/metrics", token=None)
    assert code == 200
    missing = [name for name in METRICS if f"# TYPE pgrehearse_{name} " not in text]
    assert missing == []
    assert f'pgrehearse_comparisons_total{{database="{shop}",verdict="mismatch"}} 1' in text


def test_probes(common_proxy):
    assert common_proxy.http("/healthz", token=None)[0] == 200
    wait_until(lambda: common_proxy.http("/readyz", token=None)[0] == 200)
    assert common_proxy.http("/nowhere")[0] == 404


def test_shutdown_ends_it_with_0(proxy):
    with connect(proxy) as connection:
        try:
            connection.execute("SHUTDOWN")
        except psycopg.OperationalError:
            pass  # it may be gone before it has said so
    assert proxy.process.wait(30) == 0
    proxy.process = None
