#!/usr/bin/env python3
"""How long after ROLLBACK CANARY is new still asked, at full load?

    bench/rollback.py [--clients 64] [--rounds 10] [--workers 2]

Starts two throwaway clusters and a proxy, whose canary build/bench_rollback takes to 100 % and back again, round by
round (see bench/rollback/rollback.c). Exit 1 when new served a read that began behind the command's reply.
"""
import argparse
import getpass
import subprocess
import sys

from relay import BIN, ROOT, Bench, free_port, run


class RollbackBench(Bench):
    def main(self):
        ports = {name: self.start_cluster(name) for name in ("old", "new")}
        for name, port in ports.items():
            run([BIN / "psql", "-qX", "-h", "127.0.0.1", "-p", port, "-U", self.user, "-d", "bench",
                 "-c", f"CREATE TABLE side AS SELECT '{name}' AS name"])
        port = free_port()
        (self.work / "proxy.yaml").write_text(f"""
listen: {{host: 127.0.0.1, port: {port}, unix_socket_dir: "{self.work}", workers: {self.arguments.workers}}}
auth: {{type: passthrough, unchallenged: allow}}
admin: {{users: ["{getpass.getuser()}"]}}
http: {{listen: ""}}
store: "sqlite:{self.work}/proxy.db"
databases:
  bench:
    old: "host=127.0.0.1 port={ports['old']} user={self.user}"
    new: "host=127.0.0.1 port={ports['new']} user={self.user}"
    lag: {{probe: none}}
    canary: {{quarantine: false, after_write: 1ms, patience: 1s}}
    shadow: {{percent: 0, noise: 0, connections: {self.arguments.clients}, max_connections: {self.arguments.clients}}}
    compare: {{rules: [{{match: {{table: side}}, ignore: true}}]}}
""")
        self.spawn("proxy", [ROOT / "build/pgrehearse", "serve", "-c", self.work / "proxy.yaml"], port)
        return subprocess.run([ROOT / "build/bench_rollback",
                               f"host=127.0.0.1 port={port} user={self.user} dbname=bench sslmode=disable",
                               f"host={self.work} port={port} user={getpass.getuser()} dbname=pgrehearse",
                               str(self.arguments.clients), str(self.arguments.rounds)]).returncode


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clients", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--workers", type=int, default=2)
    bench = RollbackBench(parser.parse_args())
    try:
        return bench.main()
    finally:
        bench.stop()


if __name__ == "__main__":
    sys.exit(main())
