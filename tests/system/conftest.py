"""Fixtures of the tests on real clusters: see tests/README.md."""

import contextlib

import pytest

from clusters import Pair
from proxy import Proxy

SHOP = """
CREATE TYPE status AS ENUM ('new', 'paid', 'shipped');
CREATE TABLE items (
    id int PRIMARY KEY, name text NOT NULL, price numeric(10,2) NOT NULL, note text, weight float8,
    made timestamptz NOT NULL, tags text[], doc json, state status NOT NULL);
INSERT INTO items SELECT i, 'item ' || i, i * 1.25, CASE WHEN i % 3 = 0 THEN 'note ' || i END, i / 7.0,
    '2024-01-01 00:00+00'::timestamptz + i * interval '1 hour', ARRAY['t' || i % 5, 'all'],
    json_build_object('id', i, 'even', i % 2 = 0), (ARRAY['new', 'paid', 'shipped'])[i % 3 + 1]::status
    FROM generate_series(1, 1000) i;
CREATE TABLE parts (item_id int, line int, what text NOT NULL, PRIMARY KEY (item_id, line));
INSERT INTO parts SELECT i, l, 'part ' || l || ' of ' || i FROM generate_series(1, 1000) i, generate_series(1, 3) l;
"""


def pytest_addoption(parser):
    parser.addoption("--long", action="store_true", help="the large sizes as well: 1 GiB of COPY both ways, a result of 5 GiB")


@pytest.fixture
def is_long(request):
    return request.config.getoption("--long")


@pytest.fixture(scope="session")
def pair():
    made = Pair()
    yield made
    made.remove()


@pytest.fixture
def shop(pair):
    """A fresh database with equal contents on both sides."""
    name = pair.database(SHOP)
    yield name
    pair.forget(name)


@contextlib.contextmanager
def running(pair, dbname, entry=None, **sections):
    """A proxy that serves the database; it must end well."""
    one = Proxy({dbname: {"old": pair.old.dsn(dbname, user="app"), "new": pair.new.dsn(dbname, user="app"),
                          **(entry or {})}}, **sections)
    try:
        yield one.start()
        one.stop()
    finally:
        one.kill()


@pytest.fixture(scope="module")
def common_shop(pair):
    """The same database for all of a module's tests that leave it as it was."""
    name = pair.database(SHOP)
    yield name
    pair.forget(name)


@pytest.fixture(scope="module")
def common_proxy(pair, common_shop):
    """One proxy before it, everything mirrored, for what harms it in no way."""
    with running(pair, common_shop) as one:
        yield one


@pytest.fixture
def start(pair):
    """start(database, entry={}, **sections): a running proxy that serves it; it must end well."""
    started = []

    def begin(dbname, entry=None, **sections):
        entry = {"old": pair.old.dsn(dbname, user="app"), "new": pair.new.dsn(dbname, user="app"),
                 **(entry or {})}
        started.append(Proxy({dbname: entry}, **sections))
        return started[-1].start()
    yield begin
    try:
        for one in started:
            one.stop()
    finally:
        for one in started:
            one.kill()


@pytest.fixture
def proxy(start, shop):
    """One proxy before the fresh database, everything mirrored."""
    return start(shop)
