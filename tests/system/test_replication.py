"""PostgreSQL's own replication clients work through the proxy as they work directly."""

import re
import struct
import subprocess

import pytest

from clusters import BIN
from peer import message, query
from proxy import wait_until
from twice import Both, codes, kinds


@pytest.fixture
def ways(proxy, pair, shop):
    """Connection strings, directly and through the proxy."""
    return (pair.old.dsn(shop, user="postgres"), proxy.dsn(shop, user="postgres"))


def run(program, *args, dsn, check=True):
    done = subprocess.run([BIN / program, *map(str, args), "-d", dsn], capture_output=True, text=True, timeout=120)
    assert not check or done.returncode == 0, done.stderr
    return done


def test_identify_system_and_show_are_answered_alike(pair, proxy, shop):
    both = Both(pair.old.port, proxy.port, shop)

    def script(client):
        client.ask("SHOW wal_level", "IDENTIFY_SYSTEM;", "NONSENSE", "TIMELINE_HISTORY 99",
                   "START_REPLICATION SLOT nothing LOGICAL 0/0")
        client.heard = [(kind, re.sub(rb".[0-9A-F]+/[0-9A-F]+", b"position", body, flags=re.S)) for kind, body in client.heard]
    for replication in "database", "true", "on", "1":
        heard = both(script, user="postgres", replication=replication)
        assert len(codes(heard)) == 3 and kinds(heard).count("D") == 2
    refused = both.raw(lambda client: client.begin(user="app", database=shop, replication="true"))
    assert codes(refused) == ["42501"]


def test_copy_both_streams_and_ends_in_order(pair, proxy, shop):
    pair.old.psql("SELECT pg_create_logical_replication_slot('both', 'test_decoding'); CREATE TABLE seen (a int)", shop)

    def script(client):
        client.say(query("START_REPLICATION SLOT both LOGICAL 0/0 (\"include-xids\" '0', \"skip-empty-xacts\" '1')"), until="W")
        pair.old.psql("INSERT INTO seen VALUES (1)", shop)
        rows = 0
        while rows < 3:  # BEGIN, the row, COMMIT
            kind, body = client.receive()
            client.heard.pop()  # positions and times are each one's own, keepalives too
            if kind == "d" and body[:1] == b"w":
                rows += 1
                client.heard.append(("w", body[25:]))
                end = body[1:9]
        client.send(message("d", b"r" + end * 3 + struct.pack("!qb", 0, 0)), message("c"))
        while client.receive()[0] != "Z":
            pass
        client.heard = [one for one in client.heard if one[0] != "d"]
        client.send(message("X"))
        assert client.until("") == "closed"
    try:
        heard = Both(pair.old.port, proxy.port, shop)(script, user="postgres", replication="database")
        assert [body for kind, body in heard if kind == "w"][1] == b"table public.seen: INSERT: a[integer]:1"
        assert kinds(heard).endswith("cCCZ.")
    finally:
        wait_until(lambda: pair.old.psql("SELECT NOT active FROM pg_replication_slots WHERE slot_name = 'both'") == ["t"])
        pair.old.psql("SELECT pg_drop_replication_slot('both')")


def test_pg_recvlogical_creates_streams_and_drops(ways, pair, shop, tmp_path):
    pair.old.psql("CREATE TABLE seen (a int)", shop)
    heard = []
    for number, dsn in enumerate(ways):
        slot, file = f"received{number}", tmp_path / f"changes{number}"
        run("pg_recvlogical", "--create-slot", "-S", slot, "-P", "test_decoding", dsn=dsn)
        assert "already exists" in run("pg_recvlogical", "--create-slot", "-S", slot, dsn=dsn, check=False).stderr
        pair.old.psql("INSERT INTO seen SELECT generate_series(1, 5000)", shop)
        end = pair.old.psql("SELECT pg_current_wal_insert_lsn()")[0]
        run("pg_recvlogical", "--start", "-S", slot, "-f", file, "-E", end, "-o", "include-xids=0", "-o", "skip-empty-xacts=1",
            "--no-loop", dsn=dsn)
        run("pg_recvlogical", "--drop-slot", "-S", slot, dsn=dsn)
        heard.append(file.read_text())
    assert heard[0] == heard[1] and heard[0].count("INSERT") == 5000


def test_pg_receivewal_writes_the_same_wal(ways, pair, tmp_path):
    segments = []
    end = None
    run("pg_receivewal", "--create-slot", "-S", "wal_made", dsn=ways[1])
    assert pair.old.psql("SELECT slot_type FROM pg_replication_slots WHERE slot_name = 'wal_made'") == ["physical"]
    run("pg_receivewal", "--drop-slot", "-S", "wal_made", dsn=ways[1])
    try:
        for slot in "wal_direct", "wal_through":
            pair.old.psql(f"SELECT pg_create_physical_replication_slot('{slot}', true)")
        for slot, dsn in zip(("wal_direct", "wal_through"), ways):
            folder = tmp_path / slot
            folder.mkdir()
            if not end:
                pair.old.psql("CREATE TABLE filler AS SELECT repeat('x', 1000) FROM generate_series(1, 1000)")
                pair.old.psql("SELECT pg_switch_wal()")
                pair.old.psql("DROP TABLE filler")  # in the next segment
                end = pair.old.psql("SELECT pg_current_wal_insert_lsn()")[0]
            run("pg_receivewal", "-S", slot, "-D", folder, "-E", end, "--no-loop", dsn=dsn)
            segments.append({one.name: one.read_bytes() for one in folder.iterdir()})
        common = segments[0].keys() & segments[1].keys()
        whole = [name for name in common if not name.endswith(".partial")]
        assert whole, (segments[0].keys(), segments[1].keys())
        assert all(segments[0][name] == segments[1][name] for name in whole)
    finally:
        pair.old.psql("SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE slot_name LIKE 'wal%'")


def test_pg_basebackup_with_its_wal_is_whole(ways, tmp_path):
    for number, dsn in enumerate(ways):
        folder = tmp_path / f"backup{number}"
        run("pg_basebackup", "-X", "stream", "-c", "fast", "-D", folder, dsn=dsn)
        done = subprocess.run([BIN / "pg_verifybackup", folder], capture_output=True, text=True, timeout=120)
        assert done.returncode == 0 and "successfully verified" in done.stdout, done.stderr
        assert any((folder / "pg_wal").iterdir())
