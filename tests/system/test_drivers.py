"""A driver each from C, Python and Node does through the proxy what it does directly."""

import datetime
import decimal
import subprocess

import psycopg
import pytest

from clusters import ROOT

SUPPORT = ROOT / "tests" / "support"


def checks(output):
    lines = [line for line in output.splitlines() if line.startswith(("ok ", "not ok "))]
    assert lines
    return [line for line in lines if not line.startswith("ok ")]


@pytest.fixture(scope="session")
def libpq_client(tmp_path_factory):
    program = tmp_path_factory.mktemp("libpq") / "libpq_client"
    flags = subprocess.run(["pkg-config", "--cflags", "--libs", "libpq"], capture_output=True, text=True, check=True)
    subprocess.run(["cc", "-O1", "-o", program, SUPPORT / "libpq_client.c", *flags.stdout.split()], check=True)
    return program


def test_libpq(proxy, shop, libpq_client):
    done = subprocess.run([libpq_client, proxy.dsn(shop)], capture_output=True, text=True, timeout=120)
    assert checks(done.stdout) == [] and done.returncode == 0
    proxy.settled(shop, 5)


def test_node(proxy, shop):
    done = subprocess.run(["node", SUPPORT / "node_client.js", "127.0.0.1", str(proxy.port), shop, "app"],
                          capture_output=True, text=True, timeout=120,
                          env={"NODE_PATH": str(ROOT / "build/node/node_modules"), "PATH": "/usr/local/bin:/usr/bin:/bin"})
    assert checks(done.stdout) == [] and done.returncode == 0, done.stderr
    assert proxy.settled(shop, 70)["mismatch"] == 0


@pytest.mark.parametrize("binary", [False, True])
@pytest.mark.parametrize("prepare", [None, True])
def test_psycopg(proxy, shop, binary, prepare):
    with proxy.connect(shop) as connection, connection.cursor(binary=binary) as cursor:
        # psycopg knows no name for an enum's type that came in binary.
        states = [b"new", b"paid", b"shipped"] if binary else ["new", "paid", "shipped"]
        for i in (1, 2, 3, 30):
            cursor.execute("SELECT id, name, price, note, weight, made, tags, doc, state FROM items WHERE id = %s",
                           (i,), prepare=prepare)
            made = datetime.datetime(2024, 1, 1, tzinfo=datetime.timezone.utc) + datetime.timedelta(hours=i)
            assert cursor.fetchone() == (
                i, f"item {i}", decimal.Decimal(i) * decimal.Decimal("1.25"), f"note {i}" if i % 3 == 0 else None,
                pytest.approx(i / 7), made, [f"t{i % 5}", "all"], {"id": i, "even": i % 2 == 0},
                states[i % 3])
    status = proxy.settled(shop, 4)
    assert status["match"] == 4 and status["mismatch"] == 0


def test_psycopg_transactions_and_savepoints(proxy, shop):
    with proxy.connect(shop, autocommit=False) as connection:
        with pytest.raises(psycopg.errors.UniqueViolation):
            with connection.transaction():
                connection.execute("INSERT INTO parts VALUES (1, 1, 'twice')")
        with connection.transaction(force_rollback=True):
            connection.execute("DELETE FROM parts")
        assert connection.execute("SELECT count(*) FROM parts").fetchone() == (3000,)


def test_psycopg_server_side_cursor(proxy, shop):
    with proxy.connect(shop, autocommit=False) as connection:
        with connection.cursor("named") as cursor:
            cursor.itersize = 100
            cursor.execute("SELECT id FROM items ORDER BY id")
            assert [row[0] for row in cursor] == list(range(1, 1001))
