#!/usr/bin/env python3
"""What a query costs the proxy in CPU, beside PgBouncer and HAProxy.

    bench/relay.py [--seconds 10] [--rounds 3] [--clients 8] [--modes simple,prepared,connect]

Starts two throwaway clusters, one pgrehearse per way (relay: shadow_percent 0; shadow: 100 %), PgBouncer
(session pooling) and HAProxy (TCP). pgbench -S then runs through each in turn, round by round, so
that a slow minute of the machine hits all alike; every contender is warmed up first, for as long. What
counts is CPU (user + system, from /proc, per thread) divided by queries; the median of the rounds is printed, and
the ratio to PgBouncer. The mode `connect` is another thing: how long one client after the other waits for its
connection, and the ratio to the server alone. Exit 0 whatever the figures are.
"""
import argparse
import os
import pathlib
import pwd
import re
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
BIN = pathlib.Path("/usr/lib/postgresql/15/bin")
TICK = os.sysconf("SC_CLK_TCK")
CONTENDERS = ["pgbouncer", "haproxy", "relay", "shadow"]
CONNECTED = ["direct", "haproxy", "relay", "shadow"]  # PgBouncer lets several have one session: no process starts


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def as_user(command, user="postgres"):
    return ["runuser", "-u", user, "--", *map(str, command)] if os.getuid() == 0 else list(map(str, command))


def run(command, **options):
    return subprocess.run(list(map(str, command)), check=True, capture_output=True, text=True, **options)


class Bench:
    def __init__(self, arguments):
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # what was started is stopped
        self.arguments = arguments
        self.work = pathlib.Path(tempfile.mkdtemp(prefix="pgrehearse-bench."))
        self.work.chmod(0o755)
        if os.getuid() == 0:
            shutil.chown(self.work, "postgres")
        self.user = "postgres" if os.getuid() == 0 else pwd.getpwuid(os.getuid()).pw_name
        self.processes = {}
        self.ports = {}
        self.clusters = []

    def start_cluster(self, name):
        data, port = self.work / name, free_port()
        run(as_user([BIN / "initdb", "-D", data, "-A", "trust", "--no-sync", "-U", self.user]))
        with open(data / "postgresql.conf", "a") as conf:
            conf.write(f"port = {port}\nunix_socket_directories = '{self.work}'\nfsync = off\n"
                       "max_connections = 200\nautovacuum = off\n")
        run(as_user([BIN / "pg_ctl", "-D", data, "-w", "-l", data / "log", "start"]))
        self.clusters.append(data)
        run([BIN / "createdb", "-h", "127.0.0.1", "-p", port, "-U", self.user, "bench"])
        run([BIN / "pgbench", "-h", "127.0.0.1", "-p", port, "-U", self.user, "-iq", "-s", "5", "bench"])
        return port

    def spawn(self, name, command, port):
        log = open(self.work / f"{name}.log", "w")
        self.processes[name] = subprocess.Popen(list(map(str, command)), stderr=log, stdout=log)
        self.ports[name] = port
        for _ in range(100):
            if subprocess.run([BIN / "pg_isready", "-q", "-h", "127.0.0.1", "-p", str(port)]).returncode == 0:
                return
            time.sleep(0.1)
        sys.exit(f"{name} did not start: see {self.work}/{name}.log")

    def start_pgrehearse(self, name, old, new, percent):
        port = free_port()
        (self.work / f"{name}.yaml").write_text(f"""
listen: {{host: 127.0.0.1, port: {port}, workers: {self.arguments.workers}}}
auth: {{type: passthrough, unchallenged: allow}}
http: {{listen: ""}}
store: "sqlite:{self.work}/{name}.db"
databases:
  bench:
    old: "host=127.0.0.1 port={old} user={self.user}"
    new: "host=127.0.0.1 port={new} user={self.user}"
    lag: {{probe: none}}
    shadow: {{percent: {percent}}}
""")
        self.spawn(name, [ROOT / "build/pgrehearse", "serve", "-c", self.work / f"{name}.yaml"], port)

    def start_pgbouncer(self, old):
        port = free_port()
        (self.work / "pgbouncer.ini").write_text(
            f"[databases]\nbench = host=127.0.0.1 port={old}\n[pgbouncer]\nlisten_addr = 127.0.0.1\n"
            f"listen_port = {port}\nauth_type = any\npool_mode = session\nunix_socket_dir =\n"
            "default_pool_size = 100\nserver_idle_timeout = 0\nserver_lifetime = 0\nlog_connections = 0\n"
            "log_disconnections = 0\nignore_startup_parameters = extra_float_digits\n")
        text = (self.work / "pgbouncer.ini").read_text().replace("bench = host", f"bench = user={self.user} host")
        (self.work / "pgbouncer.ini").write_text(text)
        command = ["pgbouncer", self.work / "pgbouncer.ini"]
        self.spawn("pgbouncer", as_user(command), port)

    def start_haproxy(self, old):
        port = free_port()
        (self.work / "haproxy.cfg").write_text(
            "global\n  nbthread 1\ndefaults\n  mode tcp\n  timeout client 1h\n  timeout server 1h\n  timeout connect 5s\n"
            f"listen bench\n  bind 127.0.0.1:{port}\n  server old 127.0.0.1:{old}\n")
        self.spawn("haproxy", ["haproxy", "-db", "-f", self.work / "haproxy.cfg"], port)

    def pids(self, name):
        """The process and, where a wrapper started it, its children."""
        pid = self.processes[name].pid
        children = subprocess.run(["pgrep", "-P", str(pid)], capture_output=True, text=True).stdout.split()
        return [pid, *map(int, children)]

    def cpu(self, name):
        """Seconds by thread name."""
        seconds = {}
        for pid in self.pids(name):
            for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
                stat = (task / "stat").read_text()
                thread = re.sub(r"[-/ ]?\d+$", "", stat[stat.index("(") + 1:stat.rindex(")")])
                fields = stat[stat.rindex(")") + 2:].split()
                seconds[thread] = seconds.get(thread, 0) + (int(fields[11]) + int(fields[12])) / TICK
        return seconds

    def pgbench(self, name, mode, seconds):
        out = run([BIN / "pgbench", "-h", "127.0.0.1", "-p", self.ports[name], "-U", self.user, "-n", "-S", "-M", mode,
                   "-c", self.arguments.clients, "-T", seconds, "bench"]).stdout
        if not re.search(r"failed transactions: 0 ", out):
            sys.exit(f"{name}: {out}")
        return int(re.search(r"actually processed: (\d+)", out).group(1))

    def measure(self, name, mode, seconds):
        before = self.cpu(name)
        queries = self.pgbench(name, mode, seconds)
        time.sleep(0.5)  # what the shadow still has to do belongs to these queries
        after = self.cpu(name)
        return {thread: 1e6 * (after[thread] - before.get(thread, 0)) / queries for thread in after}

    def report(self, mode):
        rounds = {name: [] for name in CONTENDERS}
        for name in CONTENDERS:
            self.pgbench(name, mode, max(2, self.arguments.seconds // 3))
        for number in range(self.arguments.rounds):
            for name in CONTENDERS:
                rounds[name].append(self.measure(name, mode, self.arguments.seconds))
        totals = {name: statistics.median(sum(r.values()) for r in rounds[name]) for name in CONTENDERS}
        workers = {name: statistics.median(r.get("worker", sum(r.values())) for r in rounds[name]) for name in CONTENDERS}
        print(f"\npgbench -S -M {mode}, {self.arguments.clients} clients, {self.arguments.rounds} rounds of "
              f"{self.arguments.seconds} s; CPU per query, median, and its ratio to PgBouncer's")
        print(f"{'':12} {'client path':>14} {'ratio':>7} {'whole process':>15} {'ratio':>7}  threads (us per query)")
        for name in CONTENDERS:
            threads = {t: statistics.median(r.get(t, 0) for r in rounds[name]) for t in rounds[name][0]}
            shown = ", ".join(f"{t} {v:.1f}" for t, v in sorted(threads.items()) if v >= 0.05)
            print(f"{name:12} {workers[name]:11.1f} us {workers[name] / totals['pgbouncer']:7.2f} "
                  f"{totals[name]:12.1f} us {totals[name] / totals['pgbouncer']:7.2f}  {shown}")
        sys.stdout.flush()

    def connect_time(self, name, seconds):
        """Milliseconds; the query behind each connection is not in it."""
        out = run([BIN / "pgbench", "-h", "127.0.0.1", "-p", self.ports[name], "-U", self.user, "-n", "-S", "-C",
                   "-c", 1, "-T", seconds, "bench"]).stdout
        return float(re.search(r"average connection time = ([\d.]+) ms", out).group(1))

    def report_connects(self):
        times = {name: [] for name in CONNECTED}
        for name in CONNECTED:
            self.connect_time(name, max(2, self.arguments.seconds // 3))
        for number in range(self.arguments.rounds):
            for name in CONNECTED:
                times[name].append(self.connect_time(name, self.arguments.seconds))
        print(f"\npgbench -S -C, one client after the other, {self.arguments.rounds} rounds of {self.arguments.seconds} s; "
              "time of a connection, median, and its ratio to the server's alone")
        direct = statistics.median(times["direct"])
        for name in CONNECTED:
            median = statistics.median(times[name])
            print(f"{name:12} {median:11.2f} ms {median / direct:7.2f}")
        sys.stdout.flush()

    def main(self):
        old, new = self.start_cluster("old"), self.start_cluster("new")
        self.start_pgbouncer(old)
        self.start_haproxy(old)
        self.start_pgrehearse("relay", old, new, 0)
        self.start_pgrehearse("shadow", old, new, 100)
        self.ports["direct"] = old
        for mode in self.arguments.modes.split(","):
            if mode == "connect":
                self.report_connects()
            else:
                self.report(mode)

    def stop(self):
        for name, process in self.processes.items():
            for pid in reversed(self.pids(name)):
                try:
                    os.kill(pid, signal.SIGTERM if name != "pgbouncer" else signal.SIGINT)
                except ProcessLookupError:
                    pass
        for process in self.processes.values():
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
        for data in self.clusters:
            subprocess.run(as_user([BIN / "pg_ctl", "-D", data, "-m", "immediate", "stop"]), capture_output=True)
        shutil.rmtree(self.work, ignore_errors=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=int, default=10)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--modes", default="simple,prepared,connect")
    bench = Bench(parser.parse_args())
    try:
        bench.main()
    finally:
        bench.stop()


if __name__ == "__main__":
    main()
