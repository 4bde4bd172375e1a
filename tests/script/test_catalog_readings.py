"""The catalogs are read again after DDL, and however much DDL there is, old is left in peace most of the time."""

import time

from peer import Client, complete, error, ready
from proxy import wait_until
from scripted import READ, Request, answer, is_catalog_reading


def readings_of(old, seconds):
    """Each reading of old's catalogs takes so long from now on: the list of [beginning, end] that grows."""
    readings = []

    def is_slow(session, request):
        is_catalog = is_catalog_reading(request)
        if is_catalog:
            readings.append([time.monotonic()])
            time.sleep(seconds)
        answer(session, request)
        if is_catalog:
            readings[-1].append(time.monotonic())

    old.control_answer = is_slow
    return readings


def answering(other):
    """A server's script: to some statements clients hear something else, `other(sql)`, where that is not None."""
    def script(session):
        session.admit()
        while True:
            request = Request(session)
            said = other(request.sql)
            if said is None:
                answer(session, request)
            else:
                session.send(said, ready(session.status))
    return script


def test_between_costly_readings_there_is_a_pause_even_if_ddl_never_ends(mirrors):
    proxy, old, _ = mirrors()
    readings = readings_of(old, 0.5)
    with Client(proxy.port) as writer, Client(proxy.port) as client:
        writer.login()
        client.login()

        def there_were_four():
            writer.ask("CREATE TABLE one_more (id int)")
            client.ask(READ)
            return len(readings) >= 4
        wait_until(there_were_four, what=proxy.said)
        # They share the time.
        assert readings[3][0] - readings[2][1] >= 3, readings
        old.control_answer = answer
        matches = proxy.settled("app")["match"]
        wait_until(lambda: client.ask(READ) and proxy.settled("app")["match"] > matches, what=proxy.said)


def test_readings_come_soon_where_no_ddl_passes_them(mirrors):
    proxy, old, _ = mirrors()
    readings = readings_of(old, 0.03)
    reads = int(proxy.status("app")["reads"])
    with Client(proxy.port) as client:
        client.login()

        def came_soon():
            nonlocal reads
            reads += 1
            client.ask("CREATE TABLE one_more (id int)")
            client.ask(READ)
            proxy.settled("app", reads)
            return len(readings) > 1 and readings[-1][0] - readings[-2][0] < 0.7
        wait_until(came_soon, what=lambda: readings)
        assert proxy.settled("app", reads)["match"] == reads


def test_a_reading_is_enough_for_all_ddl_and_all_reads_before_it(mirrors):
    """While a session waits for catalogs nobody sees what it does: when it goes on, its DDL is in them already."""
    proxy, old, _ = mirrors()
    readings = readings_of(old, 0.3)
    reads = int(proxy.status("app")["reads"])
    with Client(proxy.port) as one, Client(proxy.port) as other:
        for client in (one, other):
            client.login()
        for _ in range(20):
            for client in (one, other):
                client.ask("CREATE TABLE one_more (id int)")
                client.ask(READ)
        assert proxy.settled("app", reads + 40)["match"] == reads + 40
    assert len(readings) <= 3


def test_ddl_has_nothing_read_and_the_first_read_behind_it_has(mirrors):
    proxy, old, _ = mirrors()
    readings = readings_of(old, 0)
    reads = int(proxy.status("app")["reads"])
    with Client(proxy.port) as client:
        client.login()
        for _ in range(20):
            client.ask("CREATE TABLE one_more (id int)")
        time.sleep(0.5)  # a reading would have begun
        assert readings == []
        client.ask(READ)
        assert proxy.settled("app", reads + 1)["match"] == reads + 1 and len(readings) == 1


def test_what_makes_a_table_of_a_read_is_ddl(mirrors):
    """Its tag is a read's."""
    proxy, old, _ = mirrors()
    readings = readings_of(old, 0)
    old.client = answering(lambda sql: complete("SELECT 3") if sql.startswith("CREATE") else None)
    reads = int(proxy.status("app")["reads"])
    with Client(proxy.port) as client:
        client.login()
        for _ in range(5):
            client.ask("CREATE TABLE one_more AS SELECT id FROM others")
        time.sleep(0.5)  # a reading would have begun
        assert readings == []
        client.ask(READ)
        assert proxy.settled("app", reads + 1)["match"] == reads + 1 and len(readings) == 1


def test_ddl_that_makes_what_sets_something_has_the_catalogs_read(mirrors):
    """A write may call it before any read comes."""
    proxy, old, _ = mirrors()
    readings = readings_of(old, 0)
    with Client(proxy.port) as client:
        client.login()
        client.ask("CREATE FUNCTION one_more() RETURNS text LANGUAGE sql AS $$ SELECT set_config('app.tenant', '1', false) $$")
        wait_until(lambda: readings, what=proxy.said)


def test_while_nothing_is_mirrored_ddl_has_nothing_read_and_the_first_mirrored_read_has(mirrors):
    proxy, old, _ = mirrors()
    readings = readings_of(old, 0)
    before = int(proxy.status("app")["reads"])
    proxy.console("ALTER DATABASE app SET shadow_percent = 0")
    with Client(proxy.port) as client:
        client.login()
        for _ in range(20):
            client.ask("CREATE TABLE one_more (id int)")
            client.ask(READ)
        status = proxy.settled("app", before + 20)
        assert status["skipped"] == 20 and readings == []
        proxy.console("ALTER DATABASE app SET shadow_percent = 100")
        client.ask(READ)
        assert proxy.settled("app", before + 21)["match"] == status["match"] + 1 and len(readings) == 1


def test_while_nothing_is_mirrored_the_catalogs_are_read_again_when_ddl_has_ended(mirrors):
    proxy, old, _ = mirrors()
    readings = readings_of(old, 0)
    proxy.console("ALTER DATABASE app SET shadow_percent = 0")
    with Client(proxy.port) as client:
        client.login()
        client.ask("CREATE TABLE one_more (id int)")
        wait_until(lambda: client.ask(READ) and readings, limit=60, what=proxy.said)
        for _ in range(20):
            client.ask(READ)
        assert len(readings) == 1


def test_while_nothing_is_mirrored_new_may_be_away(play):
    proxy, old, _ = play(entry={"shadow": {"percent": 0}}, new={"control_answer": lambda session, _: session.close()})
    readings = readings_of(old, 0)
    with Client(proxy.port) as client:
        client.login()
        for _ in range(5):
            client.ask("CREATE TABLE one_more (id int)")
            client.ask(READ)
        status = proxy.settled("app", 5)
        assert status["skipped"] == status["reads"] == 5 and proxy.skipped("app") == {"sampled_out": 5}
    assert len(readings) <= 1  # at start


def test_what_does_not_parse_is_a_read_in_the_books_behind_ddl_too(mirrors):
    proxy, old, _ = mirrors()
    wrong = ("selekt 1", "CREATE TABEL another (id int)", "INSERT INTO items (id) VALUES (1, 2)")  # the last one parses
    old.client = answering(lambda sql: error("42601", "syntax error") if sql in wrong else None)
    before = proxy.status("app")
    proxy.console("ALTER DATABASE app SET shadow_percent = 0")
    with Client(proxy.port) as client:
        client.login()
        client.ask("CREATE TABLE one_more (id int)")
        for sql in wrong:
            client.ask(sql)
        client.ask(READ)
        proxy.settled("app", int(before["reads"]) + 3)
        wait_until(lambda: int(proxy.status("app")["other"]) == int(before["other"]) + 2, what=lambda: proxy.status("app"))
