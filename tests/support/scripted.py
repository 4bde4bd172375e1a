"""A server with the one table items (id int4 PRIMARY KEY, name text), and no PostgreSQL behind it.

It tells the proxy's own connections apart: those for catalogs and lag are answered well, so that a test says only
what clients and the replayed reads hear. All of it can be changed at any moment:

    server.client = holds          # one call a connection: the test takes the session and speaks for the server
    server.own = …                 # the same, for the sessions on which the proxy puts reads once more
    server.own_answer = …          # one call a read, on sessions that were admitted as usual
    server.control_answer = …      # one call a request for the catalog or the lag
"""

import queue
import threading

from peer import LIMIT, Peer, complete, data_row, message, ready, row_description

ITEMS = [("1", "one"), ("2", "two"), ("3", None)]
READ = "SELECT id, name FROM items"
COLUMNS = (("id", 23), ("name", 25))

# The catalog, by how the queries begin; what initdb made is asked for by itself.
BUILTIN = {
    "SELECT p.oid": [["65", "pg_catalog", "int4eq", "f", "i", "internal", "f", "f", None, None, None, None, None]],
    "SELECT n.nspname, o.oprname": [["pg_catalog", "=", "65", "101", "105", "23", "23"]],
    "SELECT t.oid": [["23", "pg_catalog", "int4", "b", "f", "0", "1007", "0", "-1"],
                     ["25", "pg_catalog", "text", "b", "f", "0", "1009", "0", "-1"]],
}
CATALOG = {
    "SELECT pg_catalog.has_function_privilege": [["t"]],
    "SELECT system_identifier": [["1"]],
    "SHOW search_path": [["public"]],
    "SELECT 'pg_class'": [["pg_class", "1", None]],
    "SELECT c.oid FROM": [],
    "WITH RECURSIVE up": [["16400", "public", "items", "r", "f", "f"]],
    "SELECT a.attrelid": [["16400", "1", "id", "23", "t", "-1"], ["16400", "2", "name", "25", "f", "-1"]],
    "SELECT i.indrelid": [["16400", "1"]],
    "SELECT polrelid": [],
    "SELECT p.oid": [],
    "SELECT n.nspname, o.oprname": [],
    "SELECT t.oid": [],
    "SELECT type, function": [],
    "SELECT enumtypid": [],
    "SELECT contypid": [],
    "SELECT c.system_identifier": [["1", "1", "f", "8192", "16777216"]],
    "SELECT (CASE WHEN pg_catalog.pg_is_in_recovery() THEN pg_catalog.pg_last_wal_replay_lsn()": [["0/1", "1", "0/1"]],
    "SELECT 1": [["1"]],
}


def rows(values, columns=COLUMNS):
    """The answer to a simple read, without ReadyForQuery."""
    return row_description(*columns) + b"".join(data_row(*row) for row in values) + complete(f"SELECT {len(values)}")


class Request:
    """A Query, or the messages up to a Sync."""

    def __init__(self, session):
        self.sql, self.kinds = None, ""
        while not self.kinds or self.kinds[-1] not in "QS":
            kind, body = session.receive()
            if kind == "X":
                raise EOFError
            self.kinds += kind
            if kind == "Q":
                self.sql = body[:-1].decode()
            elif kind == "P":
                self.sql = body.split(b"\0")[1].decode()
        self.is_simple = self.kinds == "Q"
        self.is_read = bool(self.sql) and "items" in self.sql


def status_after(sql):
    return {"BEGIN": "T", "ROLLBA": "I"}.get(sql[:6].split(" ")[0])


def put(session, request, values, columns=COLUMNS):
    """Answers in the way that was asked: simple or extended."""
    if request.is_simple:
        session.send(rows(values, columns), ready(session.status))
        return
    answers = {"P": message("1"), "B": message("2"), "D": row_description(*columns), "C": message("3"), "H": b"",
               "E": rows(values, columns)[len(row_description(*columns)):], "S": ready(session.status)}
    session.send(*(answers[kind] for kind in request.kinds))


def catalog_rows(sql):
    """None: the question is none about the catalog."""
    tables = {**CATALOG, **BUILTIN} if " < 16384 " in sql and "UNION ALL SELECT" not in sql else CATALOG
    return next((values for beginning, values in tables.items() if sql.startswith(beginning)), None)


def is_catalog_reading(request):
    """What is asked once in each reading."""
    return bool(request.sql) and request.sql.startswith("WITH RECURSIVE up") and "c.oid >= 16384 " in request.sql


def answer(session, request):
    """What a server in good health says."""
    if request.is_read:
        put(session, request, ITEMS)
        return
    statements = (request.sql or "").rstrip(";").split(";")
    for number, statement in enumerate(statements):
        values = catalog_rows(statement)
        session.status = status_after(statement) or session.status
        end = ready(session.status) if number == len(statements) - 1 else b""
        columns = [f"c{i}" for i in range(len(values[0]) if values else 13)]
        if not request.is_simple:
            put(session, request, values or [], columns)
        elif values is None:
            session.send(complete("SET"), end)
        else:
            session.send(rows(values, columns), end)


def holds(session):
    """Admits, hands the session to the test, and leaves it alone."""
    session.admit(pid=4711 + len(session.peer.sessions))
    session.peer.arrived.put(session)
    session.released.wait()


class Server(Peer):
    def __init__(self, client=None, own=None, own_answer=answer, control_answer=answer, sslmode="disable"):
        self.sslmode = sslmode
        self.client, self.own = client or self.answers, own or self.answers_own
        self.own_answer, self.control_answer = own_answer, control_answer
        self.arrived, self.cancels, self.released = queue.Queue(), queue.Queue(), threading.Event()
        self.own_reads = 0
        super().__init__(self.begin)

    def begin(self, session):
        session.status, session.released = "I", self.released
        session.read_startup()
        if session.startup.get("application_name") != "pgrehearse":
            self.client(session)
        elif "statement_timeout" in session.startup.get("options", ""):
            self.own(session)
        else:
            session.admit()
            while True:
                self.control_answer(session, Request(session))

    def answers(self, session):
        session.admit()
        while True:
            answer(session, Request(session))

    def answers_own(self, session):
        session.admit()
        while True:
            self.answers_one(session)

    def answers_one(self, session):
        """The next request on one of the proxy's own sessions."""
        request = Request(session)
        self.own_reads += request.is_read
        (self.own_answer if request.is_read else answer)(session, request)

    def take_cancel(self, session, body):
        """The test closes the session that it takes from `cancels`."""
        session.closing = threading.Event()
        self.cancels.put((session, body))
        session.closing.wait(LIMIT)

    def end_own_sessions(self):
        """The proxy must make new ones for its next reads."""
        for session in self.sessions:
            if "statement_timeout" in session.startup.get("options", ""):
                session.end()

    def take(self):
        """The next client's session of a server that `holds`."""
        return self.arrived.get(timeout=LIMIT)

    def __exit__(self, *what):
        self.released.set()
        super().__exit__(*what)
