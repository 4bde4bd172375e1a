"""What a client has prepared stays prepared on the sessions of the proxy's own, and does no harm there when it has become stale."""

import re

from proxy import wait_until

NOTE = "SELECT note, id FROM items WHERE id = %s"
CANARY = {"canary": {"percent": 100, "quarantine": False, "after_write": "1ms", "patience": "5s"}, "shadow": {"percent": 0}}


def executed(pair, offset):
    """Names of the statements by which new was put the read."""
    return re.findall(r"execute ([^:]*): SELECT note, id FROM items", pair.new.said(offset))


def test_mirrored_reads_are_parsed_once_a_session(start, pair, shop):
    pair.new.psql(f"ALTER DATABASE {shop} SET log_statement = 'all'")
    proxy = start(shop, {"shadow": {"connections": 2}})
    with proxy.connect(shop) as connection:
        def ask(times):
            for i in range(times):
                connection.execute(NOTE, (i + 1,), prepare=True)
        proxy.warmed(shop, lambda: ask(1))
        reads, offset = int(proxy.settled(shop)["reads"]), pair.new.log_size()
        ask(20)
        proxy.settled(shop, reads + 20)
        names = executed(pair, offset)
        assert len(names) == 20 and set(names) == {"pgrehearse_1"}, names
        # Its result has another type now: the plan that is kept is of no use.
        pair.new.psql("ALTER TABLE items ALTER note TYPE varchar(100)", shop)
        matches = int(proxy.status(shop)["match"])
        ask(20)
        status = proxy.settled(shop, reads + 40)
        assert status["match"] == matches + 20, status
        # What the client leaves unnamed is planned each time, as on old.
        offset = pair.new.log_size()
        connection.execute(NOTE, (1,), prepare=False)
        proxy.settled(shop, reads + 41)
        assert executed(pair, offset) == ["<unnamed>"]


def test_canary_reads_are_parsed_once_a_session(start, pair, shop):
    pair.new.psql("UPDATE items SET note = 'from new'", shop)
    pair.new.psql(f"ALTER DATABASE {shop} SET log_statement = 'all'")
    proxy = start(shop, CANARY)
    with proxy.connect(shop) as connection:
        def is_served():
            return connection.execute(NOTE, (3,), prepare=True).fetchone() == ("from new", 3)
        wait_until(is_served, what=proxy.said)
        wait_until(is_served)
        offset = pair.new.log_size()
        assert all(is_served() for _ in range(10))
        assert executed(pair, offset)[:10] == ["pgrehearse_1"] * 10
        pair.new.psql("ALTER TABLE items ALTER note TYPE varchar(100)", shop)
        assert connection.execute(NOTE, (3,), prepare=True).fetchone() == ("note 3", 3)  # old serves it, unseen
        wait_until(is_served)
