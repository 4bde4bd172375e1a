"""The catalogs are read again after DDL, and however much DDL there is, old is left in peace most of the time."""

import time

from peer import Client
from proxy import wait_until
from scripted import READ, answer


def test_between_costly_readings_there_is_a_pause_even_if_ddl_never_ends(mirrors):
    proxy, old, _ = mirrors()
    readings = []  # [beginning, end]

    def is_slow(session, request):
        is_catalog = bool(request.sql) and request.sql.startswith("WITH RECURSIVE up")
        if is_catalog:
            readings.append([time.monotonic()])
            time.sleep(0.7)
        answer(session, request)
        if is_catalog:
            readings[-1].append(time.monotonic())

    old.control_answer = is_slow
    with Client(proxy.port) as client:
        client.login()

        def there_were_four():
            client.ask("CREATE TABLE one_more (id int)")
            return len(readings) >= 4
        wait_until(there_were_four, what=proxy.said)
        # A second's worth of readings came at once.
        assert readings[3][0] - readings[2][1] >= 2
        client.ask(READ)
    old.control_answer = answer
    proxy.settled("app", 1)


def test_readings_that_more_ddl_passes_come_ever_less_often(mirrors):
    proxy, old, _ = mirrors()
    readings = []  # when one began

    def notes(session, request):
        if request.sql and request.sql.startswith("WITH RECURSIVE up"):
            readings.append(time.monotonic())
            time.sleep(0.1)
        answer(session, request)

    old.control_answer = notes
    with Client(proxy.port) as client:
        client.login()

        def there_were_six():
            client.ask("CREATE TABLE one_more (id int)")
            return len(readings) >= 6
        wait_until(there_were_six, what=proxy.said)
        assert readings[5] - readings[4] >= 0.8, [round(b - a, 2) for a, b in zip(readings, readings[1:])]
        client.ask(READ)  # when it is over, the next reading comes as soon as ever
        began = time.monotonic()
        proxy.settled("app", 1)
        assert proxy.status("app")["match"] == "1" and time.monotonic() - began < 5


def test_while_nothing_is_mirrored_ddl_has_nothing_read_and_the_first_mirrored_read_has(mirrors):
    proxy, old, _ = mirrors()
    readings = []

    def notes(session, request):
        if request.sql and request.sql.startswith("WITH RECURSIVE up"):
            readings.append(request.sql)
        answer(session, request)

    old.control_answer = notes
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
