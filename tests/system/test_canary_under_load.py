"""At 100 %, under load, new is killed, frozen, restarted and slowed again and again: no client has an error or a wrong row,
and, with --long and a release build, the 99th percentile of their latencies is within patience and 20 ms."""

import random
import subprocess
import threading

import pytest

from clusters import BIN
from link import Link
from proxy import wait_until

PATIENCE = 100  # ms
SCRIPT = """\\set id random(1, 1000)
SELECT name = 'item ' || :id AS is_right FROM items WHERE id = :id \\gset
\\if :is_right
\\else
SELECT 1/0;
\\endif
"""


class Load:
    """pgbench again and again until it is told to end; what it reads is checked."""

    def __init__(self, proxy, shop, mode):
        self.home, self.is_over, self.runs, self.failures = proxy.home, threading.Event(), 0, []
        (self.home / "load.sql").write_text(SCRIPT)
        self.command = [BIN / "pgbench", "-n", "-M", mode, "-c", "8", "-T", "2", "-f", self.home / "load.sql", "-l",
                        "--log-prefix", self.home / "latency", proxy.dsn(shop)]
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def run(self):
        while not self.is_over.is_set():
            done = subprocess.run(self.command, capture_output=True, text=True, timeout=300, check=False)
            if done.returncode != 0 or "number of failed transactions: 0 " not in done.stdout:
                self.failures.append(done.stdout + done.stderr)
                return
            self.runs += 1

    def finish(self):
        """The latencies in ms, in order."""
        self.is_over.set()
        self.thread.join()
        assert not self.failures, self.failures
        return sorted(int(line.split()[2]) / 1000 for path in self.home.glob("latency.*") for line in path.read_text().splitlines())


def percentile(latencies, share):
    return latencies[min(int(len(latencies) * share), len(latencies) - 1)]


@pytest.mark.parametrize("mode, hedge", [("simple", "0ms"), ("prepared", "0ms"), ("extended", "20ms")])
def test_whatever_becomes_of_new_no_client_suffers(start, pair, shop, is_long, mode, hedge):
    rounds = 70 if is_long else 4
    with Link(pair.new.port) as link:
        ills = [(link.kill, link.restart), (link.freeze, link.thaw), (lambda: link.slow(0.15), lambda: link.slow(0)),
                (lambda: (link.kill(), link.restart()), None), (lambda: link.slow(0.4), lambda: link.slow(0))]
        proxy = start(shop, {"new": pair.new.dsn(shop, user="app").replace(str(pair.new.port), str(link.port)),
                             "canary": {"percent": 100, "quarantine": False, "after_write": "0ms", "patience": f"{PATIENCE}ms", "hedge": hedge},
                             "shadow": {"percent": 0, "timeout": "2s"}})

        def served_by_new():
            return int(proxy.status(shop)["served_new"])
        load = Load(proxy, shop, mode)
        try:
            wait_until(lambda: served_by_new() > 20 or load.failures, what=proxy.said)
            for turn in range(rounds):
                begin, end = ills[turn % len(ills)] if turn < len(ills) else random.choice(ills)
                fallbacks = int(proxy.status(shop)["fallbacks"])
                begin()
                if end:  # else it is over at once, and perhaps nobody was hit
                    wait_until(lambda: int(proxy.status(shop)["fallbacks"]) > fallbacks or load.failures, what=proxy.said)
                    end()
                served = served_by_new()
                wait_until(lambda: served_by_new() > served + 20 or load.failures, what=proxy.said)
        finally:
            link.restart()
            link.thaw()
            link.slow(0)
            latencies = load.finish()
        status = proxy.settled(shop, len(latencies))
        assert status["mismatch"] == 0 and status["unanswered"] == 0, status
        if is_long:
            assert percentile(latencies, 0.99) <= PATIENCE + 20, [percentile(latencies, share) for share in (0.5, 0.99, 0.999, 1)]
