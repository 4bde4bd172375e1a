"""Throwaway PostgreSQL clusters, made by config/clusters.sh."""

import collections
import os
import pathlib
import random
import socket
import ssl
import subprocess

import psycopg

ROOT = pathlib.Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "config" / "clusters.sh"
BIN = pathlib.Path("/usr/lib/postgresql/15/bin")

# Whom old and new ask for a password, and how; everyone else is trusted.
ACCESS = """
local   all          all                                  trust
local   replication  all                                  trust
hostssl all          tls_user       127.0.0.1/32          scram-sha-256
host    all          tls_user       127.0.0.1/32          reject
hostnossl all        plain_user     127.0.0.1/32          scram-sha-256
host    all          plain_user     127.0.0.1/32          reject
hostssl all          cert_user      127.0.0.1/32          cert
host    all          scram_user     127.0.0.1/32          scram-sha-256
host    all          md5_user       127.0.0.1/32          md5
host    all          password_user  127.0.0.1/32          password
host    all          all            127.0.0.1/32          trust
host    replication  all            127.0.0.1/32          trust
"""

ROLES = """
CREATE ROLE app LOGIN IN ROLE pg_monitor;
GRANT ALL ON SCHEMA public TO PUBLIC;
SET password_encryption = 'scram-sha-256';
CREATE ROLE scram_user LOGIN PASSWORD 'a secret';
CREATE ROLE tls_user LOGIN PASSWORD 'a secret';
CREATE ROLE plain_user LOGIN PASSWORD 'a secret';
CREATE ROLE cert_user LOGIN;
CREATE ROLE password_user LOGIN PASSWORD 'a secret';
SET password_encryption = 'md5';
CREATE ROLE md5_user LOGIN PASSWORD 'a secret';
"""


given = collections.deque(maxlen=20)  # ports that may not be in use yet


def free_port():
    """A port that nobody listens on now, below the range for outgoing connections."""
    low, high = map(int, os.environ.get("PGREHEARSE_PORTS", "15000-31999").split("-"))
    # Where tests run side by side, each process has a share of them.
    process, count = os.environ.get("PYTEST_XDIST_WORKER", "gw0"), os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1")
    share = (high - low) // int(count)
    low += share * int(process.removeprefix("gw"))
    high = low + share - 1
    while True:
        port = random.randint(low, high)
        if port in given:
            continue
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
                given.append(port)
                return port
            except OSError:
                continue


def make_certificate(folder):
    """A CA and a server certificate for localhost and 127.0.0.1: (ca, cert, key) paths."""
    folder = pathlib.Path(folder)
    ca, ca_key, cert, key = (folder / n for n in ("ca.crt", "ca.key", "server.crt", "server.key"))
    if not cert.exists():
        def openssl(*args):
            subprocess.run(["openssl", *map(str, args)], check=True, capture_output=True)
        openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "30", "-subj", "/CN=test ca",
                "-keyout", ca_key, "-out", ca)
        request, extension = folder / "server.csr", folder / "server.ext"
        extension.write_text("subjectAltName=DNS:localhost,IP:127.0.0.1\n")
        openssl("req", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=localhost", "-keyout", key,
                "-out", request)
        openssl("x509", "-req", "-days", "30", "-in", request, "-CA", ca, "-CAkey", ca_key,
                "-CAcreateserial", "-extfile", extension, "-out", cert)
        key.chmod(0o600)
    ssl.create_default_context(cafile=str(ca))
    return ca, cert, key


def run_script(*args):
    done = subprocess.run([str(SCRIPT), *map(str, args)], capture_output=True, text=True,
                          stdin=subprocess.DEVNULL, timeout=120)
    assert done.returncode == 0, f"clusters.sh {args}: {done.stderr or done.stdout}"
    return done.stdout.strip()


class Cluster:
    """One running server."""

    def __init__(self, folder, name):
        self.folder, self.name, self.port = pathlib.Path(folder), name, free_port()
        self.home = self.folder / name
        self.log = self.home / "log"
        run_script("start", folder, name, f"port={self.port}", "listen_addresses=127.0.0.1",
                   "max_prepared_transactions=5")
        hba = self.home / "data" / "pg_hba.conf"
        hba.write_text(ACCESS)
        self.psql("SELECT pg_reload_conf()")
        self.psql(ROLES)

    def dsn(self, dbname, **more):
        """The connection string, as it stands in the proxy's configuration."""
        more = {"host": "127.0.0.1", "port": self.port, "dbname": dbname, "sslmode": "disable", **more}
        return " ".join(f"{key}={value}" for key, value in more.items())

    def connect(self, dbname, user="app", **more):
        return psycopg.connect(self.dsn(dbname, user=user, **more), autocommit=True)

    def psql(self, sql, dbname="postgres"):
        """Runs a script as superuser and gives the lines of its output."""
        done = subprocess.run(
            [BIN / "psql", "-XAtq", "-v", "ON_ERROR_STOP=1", "-h", self.home, "-p", str(self.port),
             "-U", "postgres", "-d", dbname],
            input=sql, capture_output=True, text=True, timeout=120,
            env={**os.environ, "PGOPTIONS": "-c client_min_messages=warning"})
        assert done.returncode == 0, f"{self.name}: {sql}: {done.stderr}"
        return done.stdout.splitlines()

    def stop(self, mode="immediate"):
        run_script("stop", self.folder, self.name, mode)

    def start(self):
        run_script("start", self.folder, self.name)

    def freeze(self):
        run_script("freeze", self.folder, self.name)

    def thaw(self):
        run_script("thaw", self.folder, self.name)

    def said(self, offset=0):
        """The server's log from a byte offset on."""
        with open(self.log, encoding="utf-8", errors="replace") as log:
            log.seek(offset)
            return log.read()

    def log_size(self):
        return self.log.stat().st_size


class Pair:
    """Old and new, with one certificate for whoever needs it."""

    def __init__(self):
        self.folder = pathlib.Path(run_script("folder"))
        self.ca, self.cert, self.key = None, None, None
        self.count = 0
        self.old, self.new = Cluster(self.folder, "old"), Cluster(self.folder, "new")

    def enable_tls(self):
        if self.ca:
            return
        self.ca, self.cert, self.key = make_certificate(self.folder)
        for side in (self.old, self.new):
            data = side.home / "data"
            for source, target in ((self.cert, "server.crt"), (self.key, "server.key"), (self.ca, "ca.crt")):
                (data / target).write_bytes(source.read_bytes())
                owner = data.stat()
                os.chown(data / target, owner.st_uid, owner.st_gid)
                (data / target).chmod(0o600)
            side.psql("ALTER SYSTEM SET ssl = on")
            side.psql("ALTER SYSTEM SET ssl_ca_file = 'ca.crt'")  # who signs cert_user's certificate
            side.psql("SELECT pg_reload_conf()")

    def database(self, schema="", new_schema=None):
        """A fresh database of the same name on both sides; its name."""
        self.count += 1
        name = f"shop{self.count}"
        for side, sql in ((self.old, schema), (self.new, schema if new_schema is None else new_schema)):
            side.psql(f"CREATE DATABASE {name} OWNER app")
            side.psql("GRANT ALL ON SCHEMA public TO PUBLIC; SET ROLE app;" + sql, name)
        return name

    def replicate(self, dbname):
        """New's tables follow old's from here on (publication and subscription `rehearsal`)."""
        self.old.psql("CREATE PUBLICATION rehearsal FOR ALL TABLES", dbname)
        self.old.psql(f"SELECT pg_create_logical_replication_slot('{dbname}', 'pgoutput')", dbname)
        self.new.psql(
            f"CREATE SUBSCRIPTION rehearsal_{dbname} CONNECTION '{self.old.dsn(dbname, user='postgres')}' "
            f"PUBLICATION rehearsal WITH (create_slot = false, slot_name = {dbname}, copy_data = true)",
            dbname)

    def forget(self, dbname):
        """Ends the replication and drops the database on both sides."""
        subscriptions = self.new.psql("SELECT subname FROM pg_subscription", dbname)
        for name in subscriptions:
            self.new.psql(f"ALTER SUBSCRIPTION {name} DISABLE;"
                          f"ALTER SUBSCRIPTION {name} SET (slot_name = NONE); DROP SUBSCRIPTION {name}",
                          dbname)
        for side in (self.old, self.new):
            side.psql("SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots "
                      f"WHERE database = '{dbname}' AND active_pid IS NOT NULL")
        if subscriptions:
            self.old.psql(f"SELECT pg_drop_replication_slot('{dbname}')", dbname)
        for side in (self.old, self.new):
            side.psql(f"DROP DATABASE {dbname} WITH (FORCE)")

    def remove(self):
        run_script("remove", self.folder)
