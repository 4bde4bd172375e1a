"""A proxy under test: its configuration, its process, its console."""

import getpass
import json
import os
import pathlib
import re
import signal
import socket
import subprocess
import tempfile
import time
import urllib.request

import psycopg

from clusters import ROOT, free_port

LIMIT = float(os.environ.get("PGREHEARSE_LIMIT", "60"))  # seconds; generous: waiting is for events
SANITIZED = re.compile(r"(ERROR|WARNING): \w+Sanitizer|runtime error:|LeakSanitizer")
TOKEN = "a-token-for-the-tests"


def binary():
    """The program under test: $PGREHEARSE, else the sanitized build, else the release build."""
    for path in (os.environ.get("PGREHEARSE"), ROOT / "build/debug/pgrehearse", ROOT / "build/pgrehearse"):
        if path and os.access(path, os.X_OK):
            return str(path)
    raise AssertionError("no binary: build it, or name it in $PGREHEARSE")


def wait_until(predicate, limit=LIMIT, what=None):
    """Polls until predicate() is truthy, and gives what it gave."""
    end = time.monotonic() + limit
    while True:
        result = predicate()
        if result:
            return result
        assert time.monotonic() < end, f"not within {limit} s: {what() if callable(what) else what or predicate}"
        time.sleep(0.05)


def merge(base, more):
    """Dictionaries merge key by key; all else is replaced."""
    result = dict(base)
    for key, value in more.items():
        both = isinstance(value, dict) and isinstance(result.get(key), dict)
        result[key] = merge(result[key], value) if both else value
    return result


def books_balance(status):
    """The equations of DESIGN 3.2 on a row of SHOW STATUS."""
    n = {key: int(value) for key, value in status.items()
         if re.fullmatch(r"-?\d+", str(value)) and key != "database"}
    verdicts = n["match"] + n["mismatch"] + n["lagging"] + n["unstable"] + n["unverified"]
    return (n["reads"] == n["compared"] + n["skipped"] + n["dropped"] + n["in_flight"]
            and n["compared"] == verdicts
            and n["reads"] == n["served_old"] + n["served_new"] + n["unanswered"])


class Proxy:
    """`pgrehearse serve` with a configuration made of a dictionary. JSON is YAML, too."""

    def __init__(self, databases, **sections):
        self.folder = tempfile.TemporaryDirectory(prefix="pgrehearse-proxy.")
        self.home = pathlib.Path(self.folder.name)
        self.port, self.http_port = free_port(), free_port()
        self.path, self.log = self.home / "pgrehearse.yaml", self.home / "log"
        self.process = None
        self.configuration = merge({
            "listen": {"host": "127.0.0.1", "port": self.port, "unix_socket_dir": str(self.home), "workers": 2},
            "auth": {"type": "passthrough", "unchallenged": "allow"},
            "admin": {"users": [getpass.getuser()]},
            "http": {"listen": f"127.0.0.1:{self.http_port}", "token": TOKEN},
            "store": f"sqlite:{self.home}/store.db",
            "databases": {},
        }, sections)
        for name, entry in databases.items():
            self.configuration["databases"][name] = merge({
                "lag": {"probe": "none"},
                "shadow": {"noise": 0, "recheck": {"settle": "20ms", "max_per_second": 1000}},
                "compare": {"samples": "full"},
                "guardrail": {"action": "alert"},
            }, entry)
        self.write()

    def write(self):
        self.path.write_text(json.dumps(self.configuration, indent=2) + "\n")

    def start(self):
        """Returns once it accepts connections."""
        environment = {**os.environ,
                       "ASAN_OPTIONS": "detect_leaks=1:abort_on_error=0", "UBSAN_OPTIONS": "print_stacktrace=1"}
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen([binary(), "serve", "-c", str(self.path)], stdin=subprocess.DEVNULL,
                                            stdout=log, stderr=log, env=environment, cwd=self.home)
        wait_until(self.is_ready, what=self.said)
        return self

    def is_ready(self):
        assert self.process.poll() is None, f"it ended with {self.process.returncode}:\n{self.said()}"
        try:
            socket.create_connection(("127.0.0.1", self.port), 1).close()
            return True
        except OSError:
            return False

    def said(self):
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    def stop(self):
        """SIGTERM must end it with 0, and no sanitizer may have spoken."""
        if self.process is None:
            return
        alive = self.process.poll() is None
        if alive:
            self.process.send_signal(signal.SIGTERM)
        try:
            code = self.process.wait(LIMIT)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise AssertionError(f"it did not end on SIGTERM:\n{self.said()[-4000:]}") from None
        finally:
            self.process = None
        said = self.said()
        assert not SANITIZED.search(said), said[max(0, SANITIZED.search(said).start() - 200):][:6000]
        assert alive and code == 0, f"it ended with {code} {'on SIGTERM' if alive else 'by itself'}:\n{said[-4000:]}"

    def kill(self):
        if self.process and self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self.folder.cleanup()

    def dsn(self, dbname, user="app", **more):
        more = {"host": "127.0.0.1", "port": self.port, "dbname": dbname, "user": user, "sslmode": "disable",
                **more}
        return " ".join(f"{key}='{value}'" for key, value in more.items())

    def connect(self, dbname, user="app", autocommit=True, **more):
        return psycopg.connect(self.dsn(dbname, user, **more), autocommit=autocommit)

    def console(self, command):
        """The rows as dictionaries of strings, over the Unix socket by peer."""
        with psycopg.connect(host=str(self.home), port=self.port, dbname="pgrehearse",
                             user=getpass.getuser(), autocommit=True) as connection:
            result = connection.pgconn.exec_(command.encode())
            if result.status not in (psycopg.pq.ExecStatus.TUPLES_OK, psycopg.pq.ExecStatus.COMMAND_OK):
                sqlstate = result.error_field(67)  # None: the connection is gone
                raise (psycopg.errors.lookup(sqlstate.decode()) if sqlstate else psycopg.OperationalError)(
                    result.error_message.decode())
            names = [result.fname(i).decode() for i in range(result.nfields)]
            return [{name: None if (v := result.get_value(row, i)) is None else v.decode()
                     for i, name in enumerate(names)} for row in range(result.ntuples)]

    def status(self, dbname):
        rows = [row for row in self.console("SHOW STATUS") if row["database"] == dbname]
        assert len(rows) == 1, rows
        return rows[0]

    def settled(self, dbname, reads=0, limit=LIMIT):
        """The STATUS once at least `reads` are counted, none is on its way to the shadow and none in flight; its books balance."""
        row = {}

        def is_still():
            before = row.get("reads")
            row.update(self.status(dbname))
            return int(row["reads"]) >= reads and int(row["in_flight"]) == int(row["queue_reads"]) == 0 and row["reads"] == before

        def done():  # what has just been taken from the queue is in the books at the second look
            return is_still() or is_still()
        wait_until(done, limit, what=lambda: f"settled with {reads} reads: {row}\n{self.said()[-3000:]}")
        assert books_balance(row), row
        return {key: int(value) if re.fullmatch(r"\d+", str(value)) else value for key, value in row.items()}

    def warmed(self, dbname, ask, limit=LIMIT):
        """Calls ask(), which is one read, until one matches: the catalogs have been read. The STATUS when all of them are
        counted; nothing else may read meanwhile."""
        asked = 0

        def is_compared():
            nonlocal asked
            asked += 1
            ask()
            status = self.settled(dbname, asked, limit)
            return status["match"] > 0 and status
        return wait_until(is_compared, limit, what=self.said)

    def skipped(self, dbname):
        """Reads by reason."""
        reasons = {}
        for row in self.console("SHOW SKIPPED"):
            if row["database"] == dbname:
                reasons[row["reason"]] = reasons.get(row["reason"], 0) + int(row["reads"])
        return reasons

    def fallbacks(self):
        """By reason, as /metrics says; those that there are."""
        found = {}
        for line in self.http("/metrics")[1].splitlines():
            if line.startswith("pgrehearse_fallbacks_total{"):
                found[line.split('reason="')[1].split('"')[0]] = int(float(line.split()[-1]))
        return {reason: count for reason, count in found.items() if count}

    def tables(self, dbname):
        """SHOW TABLES as a set of (table, column, class), a missing column as ''."""
        return {(row["table"].removeprefix("public."), row["column"] or "", row["class"]) for row in self.console("SHOW TABLES")
                if row["database"] == dbname}

    def http(self, path, method="GET", body=None, token=TOKEN):
        """(status, text)."""
        request = urllib.request.Request(f"http://127.0.0.1:{self.http_port}{path}", method=method,
                                         data=json.dumps(body).encode() if body is not None else None)
        if token:
            request.add_header("Authorization", f"Bearer {token}")
        try:
            with urllib.request.urlopen(request, timeout=LIMIT) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()

    def memory(self):
        """Resident set in MiB."""
        for line in pathlib.Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) / 1024
        raise AssertionError("no VmRSS")
