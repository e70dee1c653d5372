"""The driver against a real Cassandra: what statements answer, pages, preparing, and that nothing of it is left at the end."""

import asyncio
import os
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from dolmen.core.errors import ConfigError
from dolmen.gateway.metadata.cassandra import driver_settings
from dolmen.gateway.metadata.cassandra.address import parse_address
from dolmen.gateway.metadata.cassandra.cql import Bound, CasReply, Kind, Statement
from dolmen.gateway.metadata.cassandra.driver import CassandraSession
from dolmen.gateway.metadata.cassandra.driver_errors import StatementRefused
from dolmen.gateway.metadata.store import MetadataUnavailable

READ = Statement("SELECT row, said FROM rows WHERE part = ?", Kind.READ)
WRITE = Statement("INSERT INTO rows (part, row, said) VALUES (?, ?, ?) USING TIMESTAMP ?", Kind.WRITE)
HEAD = Statement("SELECT head FROM rows WHERE part = ? LIMIT 1", Kind.READ)
SET_HEAD = Statement("UPDATE rows SET head = ? WHERE part = ? IF head = ?", Kind.CAS)
ADD = Statement("INSERT INTO rows (part, row, said) VALUES (?, ?, ?)", Kind.CAS)
NAME = Statement("INSERT INTO names (name, owner) VALUES (?, ?) IF NOT EXISTS", Kind.GLOBAL_CAS)
OWNER = Statement("SELECT owner FROM names WHERE name = ?", Kind.GLOBAL_READ)
TABLES = (
    "CREATE TABLE {keyspace}.rows (part blob, head bigint static, row int, said blob, PRIMARY KEY ((part), row))",
    "CREATE TABLE {keyspace}.names (name blob PRIMARY KEY, owner text)",
)


@pytest.fixture(scope="module")
def make_address(shared_keyspace, cassandra):
    """The keyspace of these tests, made once for all workers."""

    def make_tables(contact_points, keyspace):
        from cassandra_keyspaces import cql_session

        with cql_session(contact_points) as session:
            for table in TABLES:
                session.execute(table.format(keyspace=keyspace))

    keyspace = shared_keyspace(make_tables, "driver")

    def make(keyspace=keyspace, **options):
        parameters = "&".join(f"{name}={value}" for name, value in {"replication_min": 1, **options}.items())
        return parse_address(f"cassandra://{','.join(cassandra)}/{keyspace}?{parameters}")

    return make


@pytest.fixture
async def session(make_address):
    made = CassandraSession(make_address())
    await made.connect()
    yield made
    await made.close()


@pytest.fixture
def part():
    """A partition of the test's own."""
    return os.urandom(16)


async def test_what_is_written_is_read(session, part):
    await session.run(WRITE, part, 1, b"one", 10)
    await session.run(WRITE, part, 1, b"older", 9)
    await session.batch([Bound(WRITE, (part, row, b"%d" % row, 10)) for row in (2, 3)])
    assert await session.run(READ, part) == [(1, b"one"), (2, b"2"), (3, b"3")]
    assert await session.run(READ, os.urandom(16)) == []


async def test_a_conditional_batch_is_one_change(session, part):
    change = [Bound(SET_HEAD, (7, part, None)), Bound(ADD, (part, 1, b"first")), Bound(ADD, (part, 2, b"second"))]
    assert await session.cas(change) == CasReply(True, (), ())
    refused = await session.cas(change)
    assert not refused.applied
    assert ("head", 7) in zip(refused.columns, refused.rows[0], strict=True)
    assert await session.run(READ, part) == [(1, b"first"), (2, b"second")]


async def test_a_conditional_statement_alone_tells_what_it_found(session, part):
    assert await session.cas([Bound(SET_HEAD, (1, part, 5))]) == CasReply(False, (), ())
    assert await session.cas([Bound(SET_HEAD, (1, part, None))]) == CasReply(True, (), ())
    assert await session.cas([Bound(SET_HEAD, (2, part, 5))]) == CasReply(False, ("head",), ((1,),))
    assert await session.run(HEAD, part) == [(1,)]


async def test_a_name_has_one_owner_everywhere(session, part):
    answers = await asyncio.gather(*(session.cas([Bound(NAME, (part, f"owner {number}"))]) for number in range(8)))
    (winner,) = [number for number, answer in enumerate(answers) if answer.applied]
    assert await session.run(OWNER, part) == [(f"owner {winner}",)]
    loser = next(answer for answer in answers if not answer.applied)
    assert dict(zip(loser.columns, loser.rows[0], strict=True)) == {"name": part, "owner": f"owner {winner}"}


async def test_racing_changes_apply_one_after_the_other(make_address, part):
    sessions = [CassandraSession(make_address()) for _ in range(2)]
    for session in sessions:
        await session.connect()
    applied = []

    async def race(session, number):
        for _ in range(10):
            ((head,),) = await session.run(HEAD, part) or [(None,)]
            after = (head or 0) + 1
            reply = await session.cas([Bound(SET_HEAD, (after, part, head)), Bound(ADD, (part, after, b"%d" % number))])
            if reply.applied:
                applied.append(after)

    try:
        await asyncio.gather(*(race(session, number) for number, session in enumerate(sessions)))
        assert applied == list(range(1, len(applied) + 1))  # each once, in order
        assert [row for row, _ in await sessions[0].run(READ, part)] == applied
    finally:
        for session in sessions:
            await session.close()


async def test_many_rows_come_in_pages_and_a_page_of_a_list_in_one_round_trip(make_address, part):
    counted = []
    session = CassandraSession(make_address(), on_statement=lambda: counted.append(1))
    await session.connect()
    try:
        for first in range(0, 5000, 100):
            await session.batch([Bound(WRITE, (part, row, b"%d" % row, 1)) for row in range(first, first + 100)])
        counted.clear()
        assert [row for row, _ in await session.run(READ, part)] == list(range(5000))
        assert len(counted) == -(-5000 // driver_settings.PAGE_ROWS)
        counted.clear()
        page = Statement("SELECT row FROM rows WHERE part = ? AND row >= ? LIMIT ?", Kind.READ)
        assert len(await session.run(page, part, 10, 1001)) == 1001
        assert len(counted) == 1
    finally:
        await session.close()


async def test_many_replies_that_come_while_the_loop_is_busy_wake_it_once(session, part):
    await session.run(READ, part)
    callers = [asyncio.create_task(session.run(READ, part)) for _ in range(100)]
    await asyncio.sleep(0)  # all are sent
    before = session._replies.wakeups
    time.sleep(1.0)  # the loop does something else
    assert await asyncio.gather(*callers) == [[]] * 100
    assert session._replies.wakeups - before < 50  # one for each reply would be a hundred


async def test_statements_are_prepared_once_for_callers_that_come_together(session, part, monkeypatch):
    asked = []
    ask = session._preparer._ask
    monkeypatch.setattr(session._preparer, "_ask", lambda *arguments: asked.append(arguments[1]) or ask(*arguments))
    first = asyncio.create_task(session.run(READ, part))
    others = [asyncio.create_task(session.run(READ, part)) for _ in range(9)]
    await asyncio.sleep(0)
    first.cancel()  # who asked first may go away
    assert await asyncio.gather(*others) == [[]] * 9
    assert len(asked) == 1


async def test_statements_live_on_when_their_keyspace_is_made_again(make_address, cassandra_session, cassandra_keyspace_name, part):
    def make_again():
        cassandra_session.execute(f"DROP KEYSPACE IF EXISTS {cassandra_keyspace_name}")
        options = "{'class': 'NetworkTopologyStrategy', 'datacenter1': 1}"
        cassandra_session.execute(f"CREATE KEYSPACE {cassandra_keyspace_name} WITH replication = {options}")
        cassandra_session.execute(TABLES[0].format(keyspace=cassandra_keyspace_name))

    await asyncio.to_thread(make_again)
    session = CassandraSession(make_address(cassandra_keyspace_name))
    await session.connect()
    try:
        change = [Bound(SET_HEAD, (1, part, None)), Bound(ADD, (part, 1, b"x"))]
        assert (await session.cas(change)).applied
        assert await session.run(READ, part) == [(1, b"x")]
        await asyncio.to_thread(cassandra_session.execute, f"DROP KEYSPACE {cassandra_keyspace_name}")
        with pytest.raises(MetadataUnavailable, match="dolmen metadata migrate"):
            await session.run(READ, part)
        await asyncio.to_thread(make_again)
        assert await session.run(READ, part) == []
        assert (await session.cas(change)).applied
    finally:
        await session.close()


async def test_what_the_cluster_refuses_is_told_apart_from_what_is_missing(session, part):
    for text in ("SELECT nothing FROM rows WHERE part = ?", "SELECT row FROM nowhere WHERE part = ?"):
        with pytest.raises(MetadataUnavailable, match="dolmen metadata migrate"):
            await session.run(Statement(text, Kind.READ), part)
    for text in ("SELECT row FROM rows WHERE said = ?", "SELEKT row FROM rows WHERE part = ?"):
        with pytest.raises(StatementRefused):
            await session.run(Statement(text, Kind.READ), part)
    with pytest.raises(StatementRefused):
        await session.run(READ, "no bytes")
    with pytest.raises(StatementRefused):  # two partitions
        await session.cas([Bound(SET_HEAD, (1, part, None)), Bound(SET_HEAD, (1, b"other", None))])
    assert await session.run(READ, part) == []


async def test_copies_are_known_to_the_driver_without_the_whole_schema(session, part):
    await session.run(READ, part)
    bound = await session._preparer.bind(READ, (part,))
    policy = session._link.profiles[Kind.READ].load_balancing_policy
    assert policy._cluster_metadata.get_replicas(session.address.keyspace, bound.routing_key)
    assert not session._link.session.cluster.metadata.keyspaces[session.address.keyspace].tables


async def test_the_preflight_tells_about_a_node_for_tests(make_address, session):
    assert session.ready() == ["the schema is missing: run `dolmen metadata migrate`"]
    assert any("commitlog_sync is periodic" in warning for warning in session.warnings())
    strict = CassandraSession(make_address(replication_min=3))
    await strict.connect()
    await strict.close()
    assert any("fewer than replication_min=3" in reason for reason in strict._preflight.reasons())
    elsewhere = CassandraSession(make_address(local_dc="atlantis"))
    await elsewhere.connect()
    assert elsewhere.ready() == ["the metadata cluster has no data centre atlantis; it has datacenter1"]
    await elsewhere.close()


async def test_files_that_cannot_be_used_are_told_at_once(make_address, tmp_path):
    for name in ("credentials_file", "tls_ca_file"):
        session = CassandraSession(make_address(**{name: tmp_path / "nothing"}))
        with pytest.raises(ConfigError, match=r"nothing|TLS files"):
            await session.connect()
        await session.close()


async def test_a_node_that_asks_for_no_password_takes_one(make_address, part, tmp_path):
    (tmp_path / "credentials").write_text("username=somebody\npassword=something\n")
    session = CassandraSession(make_address(credentials_file=tmp_path / "credentials"))
    await session.connect()
    assert await session.run(READ, part) == []
    await session.close()


async def test_closing_ends_the_threads_and_answers_who_still_waits(make_address, part):
    before = set(threading.enumerate())
    session = CassandraSession(make_address())
    await session.connect()
    await session.run(READ, part)
    waiting = [asyncio.create_task(session.run(READ, part)) for _ in range(50)]
    await asyncio.sleep(0)
    await session.close()
    await session.close()
    for answer in await asyncio.gather(*waiting, return_exceptions=True):
        assert answer == [] or isinstance(answer, MetadataUnavailable)
    with pytest.raises(MetadataUnavailable, match="closed"):
        await session.run(READ, part)
    # The one that reads sockets is of the process: it ends when there is none, and is a daemon anyway.
    left = [thread for thread in set(threading.enumerate()) - before if thread.name != "event_loop" and not thread.daemon]
    for thread in left:
        await asyncio.to_thread(thread.join, 10.0)
    assert [thread for thread in left if thread.is_alive()] == []


PROGRAM = """
import asyncio, sys
from dolmen.gateway.metadata.cassandra.address import parse_address
from dolmen.gateway.metadata.cassandra.driver import CassandraSession

async def main():
    session = CassandraSession(parse_address(sys.argv[1]))
    await session.connect()
    assert session.nodes()
    if sys.argv[2] == "close":
        await session.close()

asyncio.run(main())
"""


@pytest.mark.parametrize("end", ["close", "leave"])
def test_a_process_ends_quietly_and_without_warnings(cassandra, end):
    url = f"cassandra://{','.join(cassandra)}/nowhere?replication_min=1"
    command = [sys.executable, "-W", "error", "-X", "dev", "-c", PROGRAM, url, end]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, cwd=Path(__file__).parents[2], check=False)
    assert done.returncode == 0, done.stderr
    lines = [line for line in (done.stdout + done.stderr).splitlines() if "cassandra-preflight" not in line]
    assert lines == []


async def test_what_is_sent_in_pieces_does_not_wait_for_acknowledgements(session, part):
    """Nagle's algorithm and delayed acknowledgements cost 40 ms for every statement above the driver's piece."""
    await session.run(READ, part)
    pools = session._link.session._pools.values()
    connections = [pool._connection for pool in pools if pool._connection is not None]
    assert connections
    for connection in connections:
        assert connection._socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) == 1
        assert connection.out_buffer_size >= 64 * 1024
