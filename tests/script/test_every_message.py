"""Every message at every legal moment: what one side says arrives at the other as it is, the session stays in step, and
the books count what was read.

A dialogue is a list of turns: ">" and what the client says, "<" and what old says, in messages. It is played in whole
turns, a byte at a time, with what old may say unasked between any two of its messages, and, since a client need not
wait for answers, everything of the client's at once and then everything of old's.
"""

import socket
import struct
import time

import pytest

from conftest import close_clients, playing
from messages import (BOUND, CLOSED, COPY_DONE, EMPTY, FLUSH, NO_DATA, PARSED, SUSPENDED, SYNC, TERMINATE, bind, close,
                      copy_data, copy_fail, copy_response, describe, execute, function_call, function_result, parameter_types,
                      parse)
from peer import (Client, authentication, backend_key, complete, data_row, error, message, parameter, query, ready,
                  row_description, split, startup, text)
from scripted import COLUMNS, ITEMS, READ, holds, rows

NOTIFICATION = message("A", struct.pack("!i", 99) + text("bell") + text("ding"))
NOTICE = message("N", b"SNOTICE\0C00000\0Mby the way\0\0")
STRAYS = NOTIFICATION + parameter("TimeZone", "Europe/Vienna") + NOTICE + parameter("TimeZone", "UTC")
COLUMN = row_description(*COLUMNS)
ROWS = [data_row(*row) for row in ITEMS]
BAD = error("22012", "division by zero")
NAMED = parse(READ, "s1")

# name: (reads, turns). The reads are those that the books count.
DIALOGUES = {
    "a Query": (1, [">", query(READ), "<", COLUMN, *ROWS, complete("SELECT 3"), ready()]),
    "an empty Query": (0, [">", query(""), "<", EMPTY, ready()]),
    "two statements in a Query": (2, [">", query(f"{READ}; {READ}"), "<", *2 * [COLUMN, ROWS[0], complete("SELECT 1")], ready()]),
    "an error in a Query": (1, [">", query("SELECT id / 0 FROM items"), "<", COLUMN, ROWS[0], BAD, ready()]),
    "a transaction that fails": (1, [">", query("BEGIN"), "<", complete("BEGIN"), ready("T"),
                                     ">", query("SELECT 1 / 0 FROM items"), "<", BAD, ready("E"),
                                     ">", query("ROLLBACK"), "<", complete("ROLLBACK"), ready()]),
    "Queries sent ahead": (2, [">", query(READ), query(READ), "<", *2 * [COLUMN, *ROWS, complete("SELECT 3"), ready()]]),
    "Parse to Sync": (1, [">", parse(READ), bind(), describe(), execute(), SYNC,
                          "<", PARSED, BOUND, COLUMN, *ROWS, complete("SELECT 3"), ready()]),
    "a named statement's life": (2, [
        ">", NAMED, describe("S", "s1"), SYNC, "<", PARSED, parameter_types(), COLUMN, ready(),
        ">", bind("s1"), execute(), SYNC, "<", BOUND, *ROWS, complete("SELECT 3"), ready(),
        ">", bind("s1", "p1"), describe("P", "p1"), execute("p1"), close("P", "p1"), SYNC,
        "<", BOUND, COLUMN, *ROWS, complete("SELECT 3"), CLOSED, ready(),
        ">", close("S", "s1"), close("S", "never there"), SYNC, "<", CLOSED, CLOSED, ready()]),
    "a statement dropped by SQL": (1, [
        ">", NAMED, SYNC, "<", PARSED, ready(),
        ">", query("DEALLOCATE ALL"), "<", complete("DEALLOCATE ALL"), ready(),
        ">", bind("s1"), execute(), SYNC, "<", error("26000", 'prepared statement "s1" does not exist'), ready(),
        ">", NAMED, bind("s1"), execute(), SYNC, "<", PARSED, BOUND, *ROWS, complete("SELECT 3"), ready(),
        ">", query("DISCARD ALL"), "<", complete("DISCARD ALL"), ready()]),
    "a plan that has changed": (1, [
        ">", NAMED, SYNC, "<", PARSED, ready(),
        ">", bind("s1"), execute(), SYNC, "<", error("0A000", "cached plan must not change result type"), ready(),
        ">", close("S", "s1"), NAMED, bind("s1"), execute(), SYNC,
        "<", CLOSED, PARSED, BOUND, *ROWS, complete("SELECT 3"), ready()]),
    "NoData": (0, [">", parse("INSERT INTO items VALUES ($1)", types=[23]), describe("S"), bind(values=[b"9"]), describe(),
                   execute(), SYNC, "<", PARSED, parameter_types(23), NO_DATA, BOUND, NO_DATA, complete("INSERT 0 1"), ready()]),
    "an empty statement": (0, [">", parse(""), bind(), describe(), execute(), SYNC, "<", PARSED, BOUND, NO_DATA, EMPTY, ready()]),
    "a portal in portions": (3, [
        ">", parse(READ), bind(), execute(limit=1), FLUSH, "<", PARSED, BOUND, ROWS[0], SUSPENDED,
        ">", execute(limit=1), FLUSH, "<", ROWS[1], SUSPENDED,
        ">", execute(limit=0), SYNC, "<", ROWS[2], complete("SELECT 1"), ready()]),
    "portals side by side": (4, [
        ">", query("BEGIN"), "<", complete("BEGIN"), ready("T"),
        ">", NAMED, bind("s1", "a"), bind("s1", "b"), execute("a", 1), execute("b", 2), execute("a", 1), SYNC,
        "<", PARSED, BOUND, BOUND, ROWS[0], SUSPENDED, *ROWS[:2], SUSPENDED, ROWS[1], SUSPENDED, ready("T"),
        ">", close("P", "b"), execute("a"), SYNC, "<", CLOSED, ROWS[2], complete("SELECT 1"), ready("T"),
        ">", close("S", "s1"), query("COMMIT"), "<", CLOSED, complete("COMMIT"), ready()]),
    "Flush after each": (1, [">", parse(READ), FLUSH, "<", PARSED, ">", bind(), FLUSH, FLUSH, "<", BOUND, ">", describe(), FLUSH,
                             "<", COLUMN, ">", execute(), FLUSH, "<", *ROWS, complete("SELECT 3"), ">", SYNC, "<", ready()]),
    "Flush alone": (0, [">", FLUSH, FLUSH, SYNC, "<", ready()]),
    "Syncs in a row": (0, [">", SYNC, SYNC, SYNC, "<", ready(), ready(), ready()]),
    "units sent ahead": (3, [">", *3 * [parse(READ), bind(), execute(), SYNC],
                             "<", *3 * [PARSED, BOUND, *ROWS, complete("SELECT 3"), ready()]]),
    "an error in Parse": (0, [">", parse("SELEC"), bind(), describe(), execute(), SYNC, "<", error("42601", "syntax error"), ready()]),
    "an error, the rest comes later": (0, [">", parse("SELEC"), FLUSH, "<", error("42601", "syntax error"),
                                              ">", bind(), execute(), query(READ), close("S", ""), SYNC, "<", ready()]),
    "an error in the middle unit": (3, [
        ">", parse(READ), bind(), execute(), SYNC, parse("SELECT 1 / 0 FROM items"), bind(), execute(), parse(READ), SYNC,
        parse(READ), bind(), execute(), SYNC,
        "<", PARSED, BOUND, *ROWS, complete("SELECT 3"), ready(), PARSED, BOUND, BAD, ready(),
        PARSED, BOUND, *ROWS, complete("SELECT 3"), ready()]),
    "an error in the Sync": (0, [">", parse("INSERT INTO items VALUES (1)"), bind(), execute(), SYNC,
                                    "<", PARSED, BOUND, complete("INSERT 0 1"), error("23505", "deferred"), ready()]),
    "a Query in a unit": (1, [">", parse(READ), bind(), query(READ), SYNC,
                                 "<", PARSED, BOUND, COLUMN, *ROWS, complete("SELECT 3"), ready(), ready()]),
    "a Query in a unit that has failed": (0, [">", parse("SELEC"), query(READ), SYNC, SYNC,
                                                 "<", error("42601", "syntax error"), ready(), ready()]),
    "a Query behind an open unit": (1, [">", parse(READ), query(READ), "<", PARSED, COLUMN, *ROWS, complete("SELECT 3"), ready()]),
    "a FunctionCall": (0, [">", function_call(1598), "<", function_result(b"0.5"), ready()]),
    "a FunctionCall that fails": (0, [">", function_call(0), "<", error("42883", "no such function"), ready()]),
    "COPY OUT": (0, [">", query("COPY items TO STDOUT"),
                     "<", copy_response("H"), copy_data(b"1\tone\n"), copy_data(b""), COPY_DONE, complete("COPY 1"), ready()]),
    "COPY OUT that fails": (0, [">", query("COPY items TO STDOUT"), "<", copy_response("H"), copy_data(b"1\tone\n"), BAD, ready()]),
    "COPY OUT in a unit": (0, [">", parse("COPY items TO STDOUT"), bind(), execute(), SYNC,
                               "<", PARSED, BOUND, copy_response("H"), copy_data(b"1\tone\n"), COPY_DONE, complete("COPY 1"), ready()]),
    "COPY IN": (0, [">", query("COPY items FROM STDIN"), "<", copy_response("G"),
                    ">", copy_data(b"1\tone\n"), copy_data(b""), copy_data(b"2\ttwo\n"), COPY_DONE, "<", complete("COPY 2"), ready()]),
    "COPY IN that the client gives up": (0, [">", query("COPY items FROM STDIN"), "<", copy_response("G"),
                                             ">", copy_data(b"1\tone\n"), copy_fail("no more"),
                                             "<", error("57014", "COPY from stdin failed: no more"), ready()]),
    "COPY IN with Flush and Sync in it": (0, [">", query("COPY items FROM STDIN"), "<", copy_response("G"),
                                              ">", FLUSH, copy_data(b"1\tone\n"), SYNC, copy_data(b"2\ttwo\n"), FLUSH, COPY_DONE,
                                              "<", complete("COPY 2"), ready()]),
    "COPY IN that fails, and its late data": (0, [
        ">", query("COPY items FROM STDIN"), "<", copy_response("G"), ">", copy_data(b"rubbish\n"),
        "<", error("22P02", "invalid input"), ready(), ">", copy_data(b"2\ttwo\n"), COPY_DONE, copy_fail("late")]),
    "COPY data without a COPY": (0, [">", copy_data(b"1\n"), COPY_DONE, copy_fail("what?")]),
    "two COPYs in a Query": (0, [">", query("COPY items FROM STDIN; COPY items FROM STDIN"),
                                 "<", copy_response("G"), ">", copy_data(b"1\n"), COPY_DONE, "<", complete("COPY 1"), copy_response("G"),
                                 ">", copy_data(b"2\n"), COPY_DONE, "<", complete("COPY 1"), ready()]),
    "COPY IN in a unit": (0, [">", parse("COPY items FROM STDIN"), bind(), execute(), FLUSH, "<", PARSED, BOUND, copy_response("G"),
                              ">", copy_data(b"1\n"), COPY_DONE, SYNC, "<", complete("COPY 1"), ready()]),
    "COPY IN in a unit, all sent ahead": (0, [">", parse("COPY items FROM STDIN"), bind(), execute(), copy_data(b"1\n"), COPY_DONE, SYNC,
                                              "<", PARSED, BOUND, copy_response("G"), complete("COPY 1"), ready()]),
    "COPY IN in a pipeline, reads behind it": (1, [
        ">", parse("COPY items FROM STDIN"), bind(), execute(), copy_data(b"1\n"), COPY_DONE, parse(READ), bind(), execute(), SYNC,
        "<", PARSED, BOUND, copy_response("G"), complete("COPY 1"), PARSED, BOUND, *ROWS, complete("SELECT 3"), ready()]),
    "COPY IN in a pipeline that fails": (0, [
        ">", parse("COPY items FROM STDIN"), bind(), execute(), FLUSH, "<", PARSED, BOUND, copy_response("G"),
        ">", copy_data(b"rubbish\n"), "<", error("22P02", "invalid input"),
        ">", copy_data(b"2\n"), COPY_DONE, parse(READ), bind(), execute(), SYNC, "<", ready()]),
    "a COPY that cannot be, and its data": (0, [
        ">", parse("COPY nothing FROM STDIN"), bind(), execute(), copy_data(b"1\n"), COPY_DONE, SYNC,
        "<", error("42P01", "no such relation"), ready()]),
}


def turns_of(dialogue):
    """(who, messages), one after the other."""
    turns = []
    for part in dialogue:
        if part in (">", "<"):
            turns.append((part, []))
        else:
            turns[-1][1].append(part)
    return turns


def say(wire, other, parts):
    wire.send(*parts)
    said = b"".join(parts)
    assert other.read(len(said)) == said


def whole(client, old, turns):
    for who, parts in turns:
        say(*((client, old) if who == ">" else (old, client)), parts)


def bytewise(client, old, turns):
    for who, parts in turns:
        wire, other = (client, old) if who == ">" else (old, client)
        said = b"".join(parts)
        for byte in said:
            wire.send(bytes([byte]))
        assert other.read(len(said)) == said


def torn(client, old, turns):
    """Each turn's first header in two pieces, and all the rest with the second."""
    for who, parts in turns:
        wire, other = (client, old) if who == ">" else (old, client)
        said = b"".join(parts)
        wire.send(said[:2])
        time.sleep(0.005)
        wire.send(said[2:])
        assert other.read(len(said)) == said


def with_strays(client, old, turns):
    say(old, client, [STRAYS])
    for who, parts in turns:
        if who == ">":
            say(client, old, parts)
        else:
            say(old, client, [STRAYS] + [part + STRAYS for part in parts])


def sent_ahead(client, old, turns):
    say(client, old, [part for who, parts in turns if who == ">" for part in parts])
    say(old, client, [part for who, parts in turns if who == "<" for part in parts])


@pytest.fixture(scope="module")
def running():
    with playing() as begin:
        yield begin(old={"client": holds})


@pytest.mark.parametrize("way", [whole, bytewise, torn, with_strays, sent_ahead], ids=lambda way: way.__name__)
@pytest.mark.parametrize("name", DIALOGUES)
def test_a_dialogue_passes_as_it_is(running, name, way):
    proxy, old, _ = running
    reads, dialogue = DIALOGUES[name]
    before, logged = proxy.settled("app"), len(proxy.said())
    client = Client(proxy.port).login()
    session = old.take()
    way(client, session, turns_of(dialogue))
    whole(client, session, turns_of(DIALOGUES["a Query"][1]))  # in step
    client.send(TERMINATE)
    assert session.receive() == ("X", b"")
    session.end()
    assert client.rest() == b""
    close_clients()
    after = proxy.settled("app", before["reads"] + 1 + reads, limit=20)
    assert after["reads"] - before["reads"] == reads + 1
    assert after["unanswered"] == before["unanswered"] and after["mismatch"] == 0
    said = proxy.said()[logged:]
    assert "session_opaque" not in said and "session_state_lost" not in said


# ---- the beginning ----

LOGIN = [authentication(0), parameter("server_version", "15.0"), parameter("client_encoding", "UTF8"),
         parameter("standard_conforming_strings", "on"), backend_key(4711, b"\0\0\0\1"), ready()]


@pytest.mark.parametrize("is_bytewise", [False, True], ids=["whole", "a byte at a time"])
def test_what_old_says_unasked_passes_during_and_right_behind_the_login(play, is_bytewise):
    said = LOGIN[0] + b"".join(STRAYS + part for part in LOGIN[1:]) + STRAYS

    def admits(session):
        for part in [bytes([byte]) for byte in said] if is_bytewise else [said]:
            session.send(part)
        session.peer.arrived.put(session)
        session.released.wait()
    proxy, old, _ = play(old={"client": admits})
    client = Client(proxy.port)
    client.send(startup(user="app", database="app"))
    assert client.read(len(said)) == said
    whole(client, old.take(), turns_of(DIALOGUES["Parse to Sync"][1]))
    assert proxy.settled("app", 1)["reads"] == 1


def test_the_end_of_a_login_comes_in_one_piece_as_old_sends_it(play):
    said = b"".join(LOGIN)

    def admits(session):
        session.send(said)
        session.expect("X")
    proxy, _, _ = play(old={"client": admits})
    for _ in range(20):
        client = Client(proxy.port)
        client.send(startup(user="app", database="app"))
        assert client.connection.recv(65536) == said
        client.send(TERMINATE)


@pytest.mark.parametrize("is_bytewise", [False, True], ids=["whole", "a byte at a time"])
@pytest.mark.parametrize("name", ["a Query", "Parse to Sync", "units sent ahead", "COPY IN in a unit, all sent ahead"])
def test_requests_sent_before_the_login_has_ended_wait_for_it(play, name, is_bytewise):
    turns = turns_of(DIALOGUES[name][1])
    asked, answered = (b"".join(b"".join(parts) for who, parts in turns if who == side) for side in "><")

    def admits(session):
        session.send(authentication(3))  # a password, which comes behind the startup packet like the rest
        assert session.expect("p") == text("secret")
        session.send(*LOGIN)
        assert session.read(len(asked)) == asked
        session.send(answered)
        session.expect("X")
    proxy, _, _ = play(old={"client": admits})
    client = Client(proxy.port)
    sent = startup(user="app", database="app") + message("p", text("secret")) + asked + TERMINATE
    for part in [bytes([byte]) for byte in sent] if is_bytewise else [sent]:
        client.send(part)
    assert client.rest() == authentication(3) + b"".join(LOGIN) + answered


def test_what_is_no_answer_to_olds_question_is_olds_to_refuse(play):
    refusal = error("08P01", "expected password response, got message type 81", "FATAL")

    def asks(session):
        session.send(authentication(10, text("SCRAM-SHA-256") + b"\0"))
        assert session.expect("Q") == text(READ)
        session.send(refusal)
        session.connection.shutdown(socket.SHUT_WR)
    proxy, _, _ = play(old={"client": asks})
    for is_ahead in (False, True):
        client = Client(proxy.port)
        client.send(startup(user="app", database="app"), query(READ) if is_ahead else b"")
        client.expect("R")
        if not is_ahead:
            client.send(query(READ))
        assert client.rest() == refusal


# ---- the end ----

ENDS = {
    "an administrator's command": ("57P01", "terminating connection due to administrator command"),
    "the server's shutdown": ("57P03", "the database system is shutting down"),
    "an idle time-out": ("57P05", "terminating connection due to idle-session timeout"),
    "an idle transaction's time-out": ("25P03", "terminating connection due to idle-in-transaction timeout"),
    "another's crash": ("57P02", "terminating connection because of crash of another server process"),
}


@pytest.mark.parametrize("is_bytewise", [False, True], ids=["whole", "a byte at a time"])
@pytest.mark.parametrize("why", ENDS)
def test_old_ends_an_idle_session_in_its_own_words(running, why, is_bytewise):
    proxy, old, _ = running
    client = Client(proxy.port).login()
    session = old.take()
    whole(client, session, turns_of(DIALOGUES["Parse to Sync"][1]))
    said = error(*ENDS[why], "FATAL")
    for part in [bytes([byte]) for byte in said] if is_bytewise else [said]:
        session.send(part)
    session.connection.shutdown(socket.SHUT_RDWR)
    assert client.rest() == said


def test_a_fatal_error_in_a_pipeline_comes_behind_what_was_answered(running):
    proxy, old, _ = running
    client = Client(proxy.port).login()
    session = old.take()
    asked = (parse(READ) + bind() + execute() + SYNC) * 3
    client.send(asked)
    assert session.read(len(asked)) == asked
    said = PARSED + BOUND + ROWS[0] + complete("SELECT 1") + ready() + PARSED + error("57P01", "terminating", "FATAL")
    session.send(said)
    session.connection.shutdown(socket.SHUT_RDWR)
    assert client.rest() == said


def test_a_terminate_in_a_pipeline_passes_behind_it(running):
    proxy, old, _ = running
    client = Client(proxy.port).login()
    session = old.take()
    asked = parse(READ) + bind() + execute() + FLUSH + TERMINATE
    client.send(asked)
    assert session.read(len(asked)) == asked
    said = PARSED + BOUND + ROWS[0] + complete("SELECT 1")
    session.send(said)
    session.end()
    assert client.rest() == said


HALVES = {"a Query": query(READ), "a unit": parse(READ) + bind() + execute() + SYNC,
          "an open unit": parse(READ) + bind() + execute() + FLUSH, "two Queries": query(READ) * 2}


@pytest.mark.parametrize("asked", HALVES.values(), ids=HALVES)
def test_a_client_that_says_no_more_gets_the_answers_to_what_it_said(running, asked):
    proxy, old, _ = running
    client = Client(proxy.port).login()
    session = old.take()
    client.send(asked)
    client.connection.shutdown(socket.SHUT_WR)
    assert session.read(len(asked)) == asked
    assert session.receive() == ("X", b"")  # the proxy's, for the client that can say no more
    said = b"".join(ROWS) + complete("SELECT 3") + ready()
    if asked == HALVES["two Queries"]:
        said = (COLUMN + said) * 2
    elif asked == HALVES["a Query"]:
        said = COLUMN + said
    else:
        said = PARSED + BOUND + said[:-len(ready()) if asked == HALVES["an open unit"] else None]
    session.send(said)
    session.end()
    assert client.rest() == said


# ---- replication ----

def test_copy_both_passes_both_ways_as_bytes(play):
    def serves(session):
        session.admit()
        assert session.startup["replication"] == "database"
        assert session.expect("Q") == text("START_REPLICATION")
        session.send(copy_response("W", 0))
        for i in range(50):
            session.send(copy_data(b"w%d" % i), NOTICE)
            assert session.expect("d") == b"r%d" % i
        session.expect("c")
        session.send(COPY_DONE, complete("COPY 0"), ready())
        session.expect("X")
    proxy, _, _ = play(old={"client": serves})
    client = Client(proxy.port).login(replication="database")
    client.send(query("START_REPLICATION"))
    assert client.read(len(copy_response("W", 0))) == copy_response("W", 0)
    for i in range(50):
        said = copy_data(b"w%d" % i) + NOTICE
        assert client.read(len(said)) == said
        for byte in copy_data(b"r%d" % i):
            client.send(bytes([byte]))
    client.send(COPY_DONE)
    said = COPY_DONE + complete("COPY 0") + ready()
    assert client.read(len(said)) == said
    client.send(TERMINATE)
    assert client.rest() == b""


def test_split_takes_messages_apart():
    assert split(STRAYS) == [NOTIFICATION, parameter("TimeZone", "Europe/Vienna"), NOTICE, parameter("TimeZone", "UTC")]
