"""Bad input: a clear error to whom it concerns, and nobody else notices."""

import json
import random
import socket
import struct
import subprocess

import psycopg
import pytest

from proxy import Proxy, binary, wait_until


def serve(path):
    return subprocess.run([binary(), "serve", "-c", path], capture_output=True, text=True, timeout=60,
                          stdin=subprocess.DEVNULL)


CONFIGURATIONS = {
    "": "databases",
    "databases: {}": "databases",
    "databases: {app: {new: 'host=x'}}": "old",
    "databases: {app: {old: 'host=x', new: 'host=y'}}\nlisten: {port: 70000}": "port",
    "databases: {app: {old: 'host=x', new: 'host=y'}}\nlisten: {prot: 1}": "prot",
    "databases: {app: {old: 'hots=x', new: 'host=y'}}": "hots",
    "databases: {app: {old: 'host=x', new: 'host=y', canary: {percent: 150}}}": "percent",
    "databases: {app: {old: 'host=x', new: 'host=y', canary: {hold: 3 bananas}}}": "hold",
    "databases: {app: {old: 'host=x', new: 'host=y', identity: someone}}": "identity",
    "databases: [a, b]": "databases",
    "databases: {app: {old: 'host=x'": ":3:",
    "\tx: y": ":2:",
}


@pytest.mark.parametrize("text", CONFIGURATIONS)
def test_a_bad_configuration_is_refused_with_file_line_and_key(tmp_path, text):
    path = tmp_path / "bad.yaml"
    path.write_text("# a comment\n" + text + "\n")
    done = serve(path)
    assert done.returncode == 2
    assert "bad.yaml" in done.stderr and CONFIGURATIONS[text] in done.stderr
    assert "Sanitizer" not in done.stderr


def test_a_missing_file_and_a_bad_option_are_refused(tmp_path):
    done = serve(tmp_path / "nowhere.yaml")
    assert done.returncode == 2 and "nowhere.yaml" in done.stderr
    for options in (["serve", "--speed"], ["sevre"], [], ["serve"]):
        done = subprocess.run([binary(), *options], capture_output=True, text=True, timeout=60)
        assert done.returncode == 2 and done.stderr, options


def test_help_and_version():
    for options in (["--help"], ["--version"], ["serve", "--help"], ["check", "--help"], ["report", "--help"]):
        done = subprocess.run([binary(), *options], capture_output=True, text=True, timeout=60)
        assert done.returncode == 0 and done.stdout, options


def test_a_port_in_use_is_named(proxy):
    second = Proxy({})
    second.configuration = json.loads(proxy.path.read_text())
    second.configuration["listen"]["unix_socket_dir"] = ""
    second.configuration["http"]["listen"] = ""
    second.write()
    done = serve(second.path)
    assert done.returncode == 2 and str(proxy.port) in done.stderr
    second.kill()


def test_an_unknown_database(proxy):
    with pytest.raises(psycopg.OperationalError) as refused:
        proxy.connect("nowhere")
    assert "nowhere" in str(refused.value) and "FATAL" in str(refused.value)


def test_an_unknown_role_is_refused_as_old_says(proxy, shop):
    with pytest.raises(psycopg.OperationalError, match='role "nobody at all" does not exist'):
        proxy.connect(shop, user="nobody at all")


def test_old_down_at_start_is_told_to_clients_and_mended_by_itself(start, pair, shop):
    pair.old.stop("fast")
    try:
        proxy = start(shop)
        with pytest.raises(psycopg.OperationalError) as refused:
            proxy.connect(shop)
        assert "FATAL" in str(refused.value)
    finally:
        pair.old.start()
    with proxy.connect(shop) as connection:
        assert connection.execute("SELECT count(*) FROM items").fetchone() == (1000,)

    def is_compared():
        with proxy.connect(shop) as connection:
            connection.execute("SELECT count(*) FROM items")
        return int(proxy.status(shop)["match"]) > 0
    wait_until(is_compared)


def test_old_down_during_a_session_ends_that_session_alone(start, pair, shop):
    proxy = start(shop)
    connection = proxy.connect(shop)
    connection.execute("SELECT 1")
    pair.old.stop("immediate")
    try:
        with pytest.raises(psycopg.OperationalError):
            connection.execute("SELECT 1")
        assert proxy.status(shop)["database"] == shop
    finally:
        pair.old.start()
    with proxy.connect(shop) as connection:
        assert connection.execute("SELECT count(*) FROM items").fetchone() == (1000,)


NOISE = random.Random(7)


def startup(parameters):
    body = struct.pack("!i", 196608) + b"".join(k.encode() + b"\0" + v.encode() + b"\0" for k, v in parameters) + b"\0"
    return struct.pack("!i", len(body) + 4) + body


JUNK = {
    "random bytes": NOISE.randbytes(5000),
    "zeros": bytes(5000),
    "http": b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
    "length 3": struct.pack("!ii", 3, 196608),
    "length 2^31-1": struct.pack("!ii", 0x7fffffff, 196608),
    "negative length": struct.pack("!ii", -1, 196608),
    "protocol 2": struct.pack("!ii", 8, 131072),
    "protocol 4": struct.pack("!ii", 8, 4 << 16),
    "oversized startup": startup([("user", "app"), ("options", "x" * 20000)]),
    "no terminator": struct.pack("!ii", 12, 196608) + b"user",
    "no user": startup([("database", "x")]),
    "cancel, too short": struct.pack("!iii", 12, 80877102, 1),
    "ssl request, then junk": struct.pack("!ii", 8, 80877103) + NOISE.randbytes(100),
    "a pgrehearse message in the startup": startup([("user", "app"), ("database", "pgrehearse")]) + NOISE.randbytes(1000),
}


@pytest.fixture
def ours(common_proxy, common_shop):
    """A proxy that these tests share, its database, and what is counted from here on, once so many reads more are."""
    before = common_proxy.settled(common_shop)

    def counted(reads):
        after = common_proxy.settled(common_shop, before["reads"] + reads)
        return {key: after[key] - before[key] for key in ("reads", "match", "mismatch")}
    return common_proxy, common_shop, counted


def answer_to(proxy, junk):
    with socket.create_connection(("127.0.0.1", proxy.port), 30) as client:
        try:
            client.sendall(junk)
            client.shutdown(socket.SHUT_WR)
            answer = b""
            while more := client.recv(65536):
                answer += more
            return answer
        except ConnectionError:
            return b""


@pytest.mark.parametrize("junk", JUNK.values(), ids=JUNK)
def test_junk_at_the_start_ends_that_client_alone(ours, junk):
    proxy, shop, counted = ours
    with proxy.connect(shop) as other:
        answer_to(proxy, junk)
        assert other.execute("SELECT count(*) FROM items").fetchone() == (1000,)
    with proxy.connect(shop) as later:
        assert later.execute("SELECT 1").fetchone() == (1,)
    counted(2)


def test_an_oversized_startup_packet_is_told_so(common_proxy):
    answer = answer_to(common_proxy, JUNK["oversized startup"])
    assert answer.startswith(b"E") and b"FATAL" in answer and b"\0C08P01\0" in answer


@pytest.mark.parametrize("junk", [b"Q\0\0\0\3", b"Q\xff\xff\xff\xff", b"\0\0\0\0\0\0", b"Q\x7f\xff\xff\xffSELECT",
                                  b"B\0\0\0\x08\0\0\xff\xff", b"P\0\0\0\5x", b"~\0\0\0\4", NOISE.randbytes(3000)],
                         ids=["length 3", "negative length", "zeros", "2 GiB", "bind", "parse", "unknown type", "noise"])
def test_junk_in_a_session_ends_that_session_alone(ours, junk):
    proxy, shop, counted = ours
    with proxy.connect(shop) as other:
        with socket.create_connection(("127.0.0.1", proxy.port), 30) as client:
            client.sendall(startup([("user", "app"), ("database", shop)]))
            answer = b""
            while not answer.endswith(b"Z\0\0\0\5I"):
                answer += client.recv(65536)
            client.sendall(junk)
            client.shutdown(socket.SHUT_WR)
            try:
                while client.recv(65536):
                    pass
            except ConnectionError:
                pass
        assert other.execute("SELECT count(*) FROM items").fetchone() == (1000,)
    counted(1)


@pytest.mark.parametrize("way", ["byte by byte", "without waiting for the login", "all in one packet"])
def test_a_client_with_odd_manners_is_served(ours, way):
    proxy, shop, counted = ours
    with socket.create_connection(("127.0.0.1", proxy.port), 30) as client:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        answer = b""

        def send(data):
            for i in range(len(data)):
                client.sendall(data[i:i + 1])

        def read_until(readies):
            nonlocal answer
            while answer.count(b"Z\0\0\0\5I") < readies:
                more = client.recv(65536)
                assert more
                answer += more
        query = b"SELECT name FROM items WHERE id = 9\0"
        hello = startup([("user", "app"), ("database", shop)])
        query = b"Q" + struct.pack("!i", len(query) + 4) + query
        if way == "all in one packet":
            client.sendall(hello + query)
        else:
            send(hello)
            if way == "byte by byte":
                read_until(1)
            send(query)
        read_until(2)
        assert b"item 9" in answer
    assert counted(1)["match"] == 1


def test_sql_that_does_not_parse_is_olds_to_refuse(ours):
    proxy, shop, counted = ours
    with proxy.connect(shop) as connection:
        for sql in ("SELEC 1", "SELECT 'x", "SELECT (", "SELECT $$", "/* ", "SELECT \"", "SELECT U&'\\xyz'"):
            with pytest.raises(psycopg.errors.SyntaxError):
                connection.execute(sql)
        assert connection.execute("SELECT count(*) FROM items").fetchone() == (1000,)
    assert counted(8)["match"] == 1


@pytest.mark.parametrize("deep", ["SELECT 1" + " + 1" * 100000, "SELECT id" + " + 1" * 100000 + " FROM items WHERE id = 1",
                                  "SELECT " + "(" * 15000 + "1" + ")" * 15000, "SELECT " + "-" + " -" * 30000 + "1",
                                  "SELECT id FROM items WHERE id = 1" + " OR id = 1" * 5000,
                                  "SELECT id" + " + 1" * 15000 + " FROM items WHERE id = 1"],
                         ids=["literals", "column", "parentheses", "minus", "or", "below the limit"])
def test_a_deep_statement_harms_nobody(ours, deep):
    proxy, shop, counted = ours
    with proxy.connect(shop) as connection:
        try:
            connection.execute(deep)
        except psycopg.Error as error:  # stack depth limit exceeded, as old says
            assert error.sqlstate in ("54001", "42601")
        assert connection.execute("SELECT count(*) FROM items").fetchone() == (1000,)
    assert counted(2)["mismatch"] == 0
