"""The canary goes back when new gets worse, and goes on when it is shown to be good: guardrail, quarantine, ramp, gate."""

import json
import re
import sqlite3
import subprocess
import threading
import time

import psycopg
import pytest

from peer import Client, error, ready
from proxy import binary, merge, wait_until
from scripted import ITEMS, READ, answer, put, rows

FROM_NEW = [("1", "from new")]
# Without a mirror but that of canary reads on old: what new hears is what it serves.
ENTRY = {"canary": {"percent": 100, "quarantine": False, "patience": "10s"},
         "shadow": {"percent": 0, "timeout": "5s", "recheck": {"rounds": 1, "settle": "1ms"}},
         "guardrail": {"window": "2s", "min_comparisons": 60, "action": "rollback"}}


def is_wrong(session, request):
    put(session, request, FROM_NEW)


def is_slow(session, request):
    time.sleep(0.4)
    answer(session, request)


def fails(session, request):
    session.send(error("XX000", "new has a problem"), ready("E"))


def fails_now_and_then():
    turns = iter(range(1 << 30))

    def one(session, request):
        (fails if next(turns) % 10 == 0 else answer)(session, request)
    return one


class Load:
    """Clients that read and read, and must get old's rows or new's, whatever happens."""

    def __init__(self, proxy, count):
        self.failures, self.is_over, self.asked = [], False, 0
        self.threads = [threading.Thread(target=self.read, args=(proxy,), daemon=True) for _ in range(count)]

    def read(self, proxy):
        try:
            client = Client(proxy.port).login()
            while not self.is_over:
                assert client.ask(READ) in (rows(ITEMS) + ready(), rows(FROM_NEW) + ready())
                self.asked += 1
                time.sleep(0.004)
        except BaseException as failure:  # pylint: disable=broad-except
            self.failures.append(failure)

    def more(self, count):
        wanted = self.asked + count
        wait_until(lambda: self.failures or self.asked >= wanted)

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.is_over = True
        for thread in self.threads:
            thread.join()
        assert not self.failures, self.failures


@pytest.fixture
def guarded(mirrors):
    """begin(clients=4, new={}, **entry): proxy, old, new, and load that new serves; `new`: what it does from the start."""
    loads = []

    def begin(clients=4, is_served=True, new=None, **entry):
        proxy, old, new = mirrors(entry=merge(ENTRY, entry), new=new or {})
        loads.append(Load(proxy, clients).__enter__())
        if is_served:
            wait_until(lambda: int(proxy.status("app")["served_new"]) > 0, what=proxy.said)
        return proxy, old, new, loads[-1]
    yield begin
    for load in loads:
        load.__exit__()


def events(proxy, kind):
    return [row["detail"] for row in proxy.console("SHOW EVENTS") if row["kind"] == kind]


def metric(proxy, name):
    return next(float(line.split()[-1]) for line in proxy.http("/metrics")[1].splitlines() if line.startswith(name))


def is_latched(proxy):
    status = proxy.status("app")
    return (float(status["canary_percent"]), status["canary_state"]) == (0, "latched")


LAG = "SELECT position_of_old_that_new_has()"
POSITION = "SELECT (CASE WHEN pg_catalog.pg_is_in_recovery() THEN pg_catalog.pg_last_wal_replay_lsn()"


def has_replayed(position):
    def one(session, request):
        put(session, request, [[position]], [("p", 3220)]) if request.sql == LAG else answer(session, request)
    return one


def writes_on():
    """Old's position moves with every look."""
    positions = iter(range(16, 1 << 30))

    def one(session, request):
        if not request.sql.startswith(POSITION):
            return answer(session, request)
        position = f"0/{next(positions):X}"
        put(session, request, [[position, "1", position]], ["position", "clock", "flushed"])
    return one


def closes(session, request):
    session.close()


# How new gets worse, and the figure that shows it.
ILLNESSES = {"mismatch_rate": {"own_answer": is_wrong}, "error_rate": {"own_answer": fails_now_and_then()},
             "fallback_rate": {"own_answer": closes}, "latency_ratio_p95": {"own_answer": is_slow},
             "lag_seconds": {"control_answer": has_replayed("0/1")}}


def test_the_canary_goes_back_to_zero_when_new_gets_worse_and_stays_there_until_it_is_armed(guarded):
    well = {"own_answer": answer, "control_answer": has_replayed("F/0")}
    proxy, old, new, load = guarded(8, lag={"probe": "query", "sql": LAG, "poll": "10ms"},
                                   guardrail={"window": "5s", "max_lag": "500ms", "max_latency_ratio": 2},
                                   new={"control_answer": has_replayed("F/0")})
    old.control_answer = writes_on()
    for count, (figure, illness) in enumerate(ILLNESSES.items()):
        for name, value in {**well, **illness}.items():
            setattr(new, name, value)
        proxy.console("SET canary_percent = 100")
        wait_until(lambda: is_latched(proxy), what=lambda: f"{figure}: {proxy.status('app')}\n{proxy.said()[-2000:]}")
        detail = events(proxy, "rollback")[0]
        assert detail.startswith("canary_percent from 100 to 0, and latched until ARM CANARY: ")
        assert figure in detail.split("; beside it")[0]
        assert proxy.status("app")["guardrail"] == "rolled_back"
        assert metric(proxy, 'pgrehearse_rollbacks_total{database="app",trigger="guardrail"}') == count + 1
        with pytest.raises(psycopg.Error, match="latched"):
            proxy.console("SET canary_percent = 1")
        load.more(8)
        wait_until(lambda: proxy.status("app")["in_flight"] == "0")  # what was under way has ended, its rechecks too
        heard = new.own_reads
        load.more(50)
        assert new.own_reads == heard
        for name, value in well.items():
            setattr(new, name, value)
        wait_until(lambda: float(proxy.status("app")["lag_seconds"] or 9) < 0.5)
        proxy.console("ARM CANARY app")
    proxy.console("SET canary_percent = 100")  # what was before counts no more
    wait_until(lambda: proxy.status("app")["guardrail"] == "fine")


def test_a_lag_that_nobody_can_tell_is_as_long_as_that_has_been_so_unless_a_side_does_not_answer(guarded):
    proxy, _, new, _ = guarded(lag={"probe": "query", "sql": LAG, "poll": "10ms"}, guardrail={"max_lag": "1s"},
                               new={"control_answer": has_replayed("F/0")})
    wait_until(lambda: proxy.status("app")["lag_seconds"], what=proxy.said)
    new.control_answer = closes
    wait_until(lambda: not proxy.status("app")["lag_seconds"], what=proxy.said)
    time.sleep(2.5)
    assert proxy.status("app")["guardrail"] in ("fine", "too_few") and not events(proxy, "rollback")
    new.control_answer = has_replayed(None)
    wait_until(lambda: is_latched(proxy), what=lambda: f"{proxy.status('app')}\n{proxy.said()[-2000:]}")
    said = events(proxy, "rollback")[0]
    assert re.search(r"ARM CANARY: lag_seconds [\d.]+, limit 1 \(nobody can tell it: lag.sql gives NULL\)", said), said


def test_an_alert_changes_nothing_is_told_once_and_ends_when_all_is_well_for_a_window(guarded):
    proxy, _, new, load = guarded(guardrail={"action": "alert", "window": "1s", "min_comparisons": 20})
    wait_until(lambda: proxy.status("app")["guardrail"] == "fine")
    new.own_answer = fails_now_and_then()
    wait_until(lambda: proxy.status("app")["guardrail"] == "alert")
    assert metric(proxy, 'pgrehearse_guardrail_alert{database="app"}') == 1
    load.more(200)
    status = proxy.status("app")
    assert (float(status["canary_percent"]), status["canary_state"]) == (100, "armed")
    new.own_answer = answer
    wait_until(lambda: proxy.status("app")["guardrail"] == "fine")
    told = [detail.split(" ")[0] for detail in reversed(events(proxy, "guardrail"))]
    assert told[0] == "alert:" and told[-1] == "the" and set(told[:-1]) == {"alert:"}, told
    begun = [detail for detail in events(proxy, "guardrail") if detail.startswith("alert: error_rate")]
    assert len(begun) == 1
    assert metric(proxy, 'pgrehearse_guardrail_alert{database="app"}') == 0 and not events(proxy, "rollback")


def settings(proxy):
    with sqlite3.connect(proxy.home / "store.db") as store:
        return dict(store.execute("SELECT name, value FROM settings WHERE database = 'app'"))


def test_the_guardrail_does_not_wait_for_a_store_that_is_stuck(guarded):
    proxy, _, new, load = guarded()
    store = sqlite3.connect(proxy.home / "store.db", timeout=30, isolation_level=None)
    store.execute("BEGIN IMMEDIATE")
    new.own_answer = fails_now_and_then()
    wait_until(lambda: metric(proxy, 'pgrehearse_rollbacks_total{database="app",trigger="guardrail"}') == 1)
    assert metric(proxy, 'pgrehearse_canary_percent{database="app"}') == 0
    store.execute("COMMIT")
    store.close()
    wait_until(lambda: settings(proxy).get("canary_state") == "latched")
    load.__exit__()
    proxy.process.kill()
    proxy.process.wait()
    proxy.start()
    assert is_latched(proxy)


# ---- quarantine ----

def queries(proxy):
    """The row of READ, the only one that is ever asked; after a restart its text is not known yet."""
    [row] = proxy.console("SHOW QUERIES")
    return row


def is_quarantined(proxy):
    return queries(proxy)["quarantined"] == "t"


# So few rechecks that most verdicts are what was found before.
STRICT = merge(ENTRY, {"canary": {"quarantine": True}, "guardrail": {"action": "alert", "min_comparisons": 20},
                       "shadow": {"recheck": {"max_per_second": 1}}})


def test_a_confirmed_mismatch_quarantines_until_released_and_again_with_the_next(mirrors):
    proxy, _, new = mirrors(entry=STRICT)
    client = Client(proxy.port).login()

    def is_served_by_new():
        return client.ask(READ) == rows(FROM_NEW) + ready()
    new.own_answer = is_wrong
    for _ in range(2):
        wait_until(is_served_by_new)
        wait_until(lambda: is_served_by_new() is not None and is_quarantined(proxy))
        assert not any(is_served_by_new() for _ in range(20))
        proxy.settled("app")
        proxy.console(f"RELEASE {queries(proxy)['fingerprint']}")
    wait_until(lambda: is_served_by_new() is not None and is_quarantined(proxy))
    proxy.console("SHOW VERSION")  # it was handed to the store before this
    proxy.process.kill()
    proxy.process.wait()
    proxy.start()
    assert is_quarantined(proxy)
    client = Client(proxy.port).login()
    assert not any(is_served_by_new() for _ in range(20))


def test_an_accepted_mismatch_is_counted_apart_and_quarantines_nothing(mirrors):
    proxy, _, new = mirrors(entry=merge(STRICT, {"guardrail": {"action": "rollback"}}))
    client = Client(proxy.port).login()
    for wrong in ("ACCEPT 00000000000000aa REASON 'no such query'", f"ACCEPT {queries(proxy)['fingerprint']} REASON ''"):
        with pytest.raises(psycopg.Error):
            proxy.console(wrong)
    proxy.console(f"ACCEPT {queries(proxy)['fingerprint']} REASON 'names are new'")
    reads = proxy.settled("app")["reads"]
    new.own_answer = is_wrong

    def is_served_by_new():
        return client.ask(READ) == rows(FROM_NEW) + ready()
    wait_until(is_served_by_new)
    assert all(is_served_by_new() for _ in range(60))
    status = proxy.settled("app", reads + 61)
    assert status["mismatch"] > 0 and status["accepted"] == status["mismatch"] and float(status["mismatch_rate"]) == 0
    row = queries(proxy)
    assert (row["accepted"], row["accepted_because"], row["quarantined"]) == (row["mismatch"], "names are new", "f")
    assert status["canary_state"] == "armed"


# ---- ramp ----

RAMP = {"canary": {"percent": 0}, "shadow": {"percent": 100},
        "ramp": [{"percent": percent, "hold": "1s"} for percent in (10, 50, 100)],
        "gate": {"min_comparisons": 20, "max_mismatch_rate": 0.2, "max_latency_ratio": 1000},
        "guardrail": {"action": "alert", "window": "1s", "min_comparisons": 20, "max_latency_ratio": 1000}}


def ramp(proxy):
    [row] = proxy.console("SHOW RAMP")
    return row


def stands(proxy):
    row = ramp(proxy)
    return row["state"], float(row["percent"])


def climb(proxy):
    """The percentages that the ramp went through, as its events say."""
    return [detail.split(":")[0].split(" to ")[1] for detail in reversed(events(proxy, "ramp")) if " to " in detail]


def test_the_ramp_goes_through_its_steps_while_the_gate_is_open(guarded):
    proxy, *_ = guarded(is_served=False, **RAMP)
    assert (ramp(proxy)["state"], ramp(proxy)["steps"], ramp(proxy)["next_percent"]) == ("idle", "3", "10")
    proxy.console("RAMP app START")
    with pytest.raises(psycopg.Error, match="running"):
        proxy.console("RAMP app START")
    wait_until(lambda: stands(proxy) == ("done", 100), what=lambda: ramp(proxy))
    assert climb(proxy) == ["10", "50", "100"]
    assert all("comparisons, 0 mismatches" in detail for detail in events(proxy, "ramp") if "_percent from" in detail)
    assert settings(proxy)["ramp"] == "done" or wait_until(lambda: settings(proxy)["ramp"] == "done")


@pytest.mark.parametrize("action, end", [("alert", ("paused", 10)), ("rollback", ("aborted", 0))])
def test_a_mismatch_stops_the_ramp(guarded, action, end):
    proxy, _, new, _ = guarded(is_served=False, **merge(RAMP, {
        "guardrail": {"action": action}, "ramp": [RAMP["ramp"][0], {"percent": 50, "hold": "1h"}]}))
    proxy.console("RAMP app START")
    wait_until(lambda: stands(proxy) == ("running", 50), what=lambda: ramp(proxy))
    new.own_answer = is_wrong
    wait_until(lambda: stands(proxy) == end, what=lambda: f"{ramp(proxy)} {events(proxy, 'guardrail')}")
    with pytest.raises(psycopg.Error, match="guardrail" if action == "alert" else "latched"):
        proxy.console("RAMP app START")


def test_a_closed_gate_holds_the_ramp_and_says_why(guarded):
    proxy, _, new, load = guarded(is_served=False, **merge(RAMP, {"guardrail": {"max_mismatch_rate": 0.9}}))
    new.own_answer = is_wrong
    wait_until(lambda: int(proxy.status("app")["mismatch"]) > 20, what=lambda: proxy.status("app"))
    proxy.console("RAMP app START")
    load.more(100)
    wait_until(lambda: ramp(proxy)["waits_for"] and ramp(proxy)["waits_for"].startswith("mismatch_rate: at most "), what=lambda: ramp(proxy))
    assert stands(proxy) == ("running", 0) and ramp(proxy)["gate"] == "closed"


def test_operators_move_the_ramp_and_a_restart_goes_on_where_it_was(guarded):
    steps = [{"percent": 10, "hold": "1h"}, {"percent": 50, "hold": "1h"}]
    proxy, *_ , load = guarded(is_served=False, **{**RAMP, "ramp": steps})
    for word in ("PAUSE", "ABORT"):
        with pytest.raises(psycopg.Error):
            proxy.console(f"RAMP app {word}")
    with pytest.raises(psycopg.Error):
        proxy.console("RAMP nowhere START")
    proxy.console("RAMP app START")
    wait_until(lambda: stands(proxy) == ("running", 10))
    load.__exit__()
    proxy.process.kill()
    proxy.process.wait()
    proxy.start()
    assert stands(proxy) == ("running", 10) and float(ramp(proxy)["hold_left"]) > 3500
    proxy.console("RAMP app PAUSE")
    assert stands(proxy) == ("paused", 10)
    proxy.console("RAMP app START")
    proxy.console("SET canary_percent = 20")
    assert stands(proxy) == ("paused", 20)
    proxy.console("RAMP app START")
    assert stands(proxy) == ("running", 20) and ramp(proxy)["next_percent"] == "50"
    proxy.console("RAMP app ABORT")
    assert stands(proxy) == ("aborted", 0) and proxy.status("app")["canary_state"] == "armed"
    proxy.console("RAMP app START")
    proxy.console("ROLLBACK CANARY app")
    assert stands(proxy) == ("aborted", 0)
    proxy.console("ARM CANARY app")
    proxy.stop()
    proxy.start()
    assert stands(proxy) == ("aborted", 0)


MISTAKES = [("ramp[1].percent", {"ramp": [{"percent": 50, "hold": "1s"}, {"percent": 10, "hold": "1s"}]}),
            ("canary.percent", {"canary": {"percent": 101}}), ("canary.key", {"canary": {"key": "tenant"}}),
            ("guardrail.max_mismatch_rate", {"guardrail": {"max_mismatch_rate": 1}}),
            ("gate.max_mismatch_rate", {"gate": {"max_mismatch_rate": 0}})]


def test_a_reload_with_a_mistake_changes_nothing(play):
    proxy, *_ = play(entry=RAMP)
    before, entry = proxy.console("SHOW CONFIG"), proxy.configuration["databases"]["app"]
    for key, mistake in MISTAKES:
        proxy.configuration["databases"]["app"] = merge(entry, mistake)
        proxy.write()
        with pytest.raises(psycopg.Error, match=re.escape(f"databases.app.{key}: ")):
            proxy.console("RELOAD")
    assert proxy.console("SHOW CONFIG") == before and float(proxy.status("app")["canary_percent"]) == 0


# ---- gate ----

def gate(proxy, *options):
    done = subprocess.run([binary(), "gate", "-c", str(proxy.path), *options], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          text=True, check=False)
    return done.returncode, done.stdout, done.stderr


def test_the_gate_judges_the_store_while_the_proxy_runs_and_after(mirrors):
    proxy, _, new = mirrors(entry={"canary": {"quarantine": False}, "shadow": {"recheck": {"rounds": 1, "settle": "1ms"}}})
    with Client(proxy.port) as client:
        client.login()
        for _ in range(40):
            client.ask(READ)
        client.ask("SELECT 1")
    proxy.settled("app", 41)
    easy = ("--min-comparisons", "20", "--max-mismatch-rate", "0.2", "--max-latency-ratio", "1000000")
    wait_until(lambda: gate(proxy, *easy)[0] == 0, what=lambda: gate(proxy, *easy))
    code, said, _ = gate(proxy)  # by the configuration's own limits
    assert code == 1 and "reason  app  comparisons: " in said and "reason  app  mismatch_rate: at most " in said
    assert "closed  app" in said and "note    app  never_compared" in said and "no_relation: SELECT $1" in said
    new.own_answer = is_wrong
    with Client(proxy.port) as client:
        client.login()
        for _ in range(40):
            client.ask(READ)
    proxy.settled("app", 81)
    proxy.stop()
    code, said, _ = gate(proxy, *easy, "--min-distinct", "3", "--min-coverage", "1")
    assert code == 1 and all(f"reason  app  {reason}: " in said for reason in ("mismatch_rate", "distinct", "coverage")), said
    assert gate(proxy, *easy, "--max-mismatch-rate", "0.9", "--database", "app")[0] == 0
    for wrong in (("--database", "nowhere"), ("--confidence", "1"), ("--since", "yesterday")):
        code, said, why = gate(proxy, *wrong)
        assert (code, said) == (2, "") and why
    proxy.configuration["store"] = f"sqlite:{proxy.home}/none.db"
    proxy.path.write_text(json.dumps(proxy.configuration))
    assert gate(proxy)[0] == 2
    proxy.start()  # for the end
