"""A hot standby of a running cluster, made by pg_basebackup -R.

    with Standby(pair.old) as standby:
        standby.pause()     # it receives, but replays no more
        standby.resume()
        standby.promote()
"""

import os
import subprocess

from clusters import BIN, Cluster, free_port
from proxy import wait_until


def owner_of(cluster):
    """For subprocess: as whom the cluster's programs run."""
    owner = (cluster.home / "data").stat()
    return {"user": owner.st_uid, "group": owner.st_gid} if os.geteuid() == 0 else {}


class Standby(Cluster):
    """Shares the primary's socket folder, settings and roles; the port is its own. `upstream`: another standby of the
    primary, which it follows instead."""

    def __init__(self, primary, upstream=None):  # pylint: disable=super-init-not-called
        self.folder, self.home, self.port = primary.folder, primary.home, free_port()
        self.name = f"{primary.name}'s standby"
        self.data, self.user = self.home / f"standby{self.port}", owner_of(primary)
        self.log = self.data / "log"
        self.run("pg_basebackup", "-h", primary.home, "-p", primary.port, "-U", "postgres", "-D", self.data, "-R",
                 "-X", "stream", "-c", "fast")
        if upstream:
            with open(self.data / "postgresql.auto.conf", "a", encoding="utf-8") as settings:
                settings.write(f"primary_conninfo = 'host={primary.home} port={upstream.port} user=postgres'\n")

    def run(self, program, *arguments):
        subprocess.run([BIN / program, *map(str, arguments)], check=True, timeout=120, stdin=subprocess.DEVNULL,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **self.user)

    def control(self, *arguments):
        self.run("pg_ctl", "-s", "-w", "-D", self.data, *arguments)

    def start(self):
        self.control("-l", self.log, "-o", f"-p {self.port} -c wal_retrieve_retry_interval=100ms", "start")

    def stop(self, mode="immediate"):
        self.control("-m", mode, "stop")

    def promote(self):
        self.control("promote")

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *what):
        self.stop()

    def pause(self):
        self.psql("SELECT pg_wal_replay_pause()")
        wait_until(lambda: self.psql("SELECT pg_get_wal_replay_pause_state()") == ["paused"])

    def resume(self):
        self.psql("SELECT pg_wal_replay_resume()")
