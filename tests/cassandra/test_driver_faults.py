"""The driver over three real nodes that are paused and killed: each setting shows what it is for.

One time-out for each caller, then normal latency; nothing that was told is changed by a change that lands late; and whatever
was lost comes back by itself.
"""

import asyncio
import collections
import contextlib
import itertools
import statistics
import time

import pytest
from cassandra_cluster import CassandraCluster
from cassandra_keyspaces import cql_session, create_keyspace

from dolmen.gateway.metadata.cassandra import driver_settings
from dolmen.gateway.metadata.cassandra.address import parse_address
from dolmen.gateway.metadata.cassandra.cql import Bound, Kind, NotSent, Statement
from dolmen.gateway.metadata.cassandra.driver import SILENT, CassandraSession
from dolmen.gateway.metadata.store import MetadataUnavailable, MetadataUnknown

pytestmark = pytest.mark.cassandra_cluster

READ = Statement("SELECT row, said FROM rows WHERE part = ?", Kind.READ)
WRITE = Statement("INSERT INTO rows (part, row, said) VALUES (?, ?, ?) USING TIMESTAMP ?", Kind.WRITE)
SET = Statement("UPDATE cells SET said = ? WHERE part = ? IF said = ?", Kind.CAS)
SEE = Statement("SELECT said FROM cells WHERE part = ?", Kind.GLOBAL_READ)
TABLES = (
    "CREATE TABLE rows (part int, row int, said blob, PRIMARY KEY ((part), row)) WITH speculative_retry = 'MIN(99p,50ms)'",
    "CREATE TABLE cells (part int PRIMARY KEY, said text)",
    "CREATE TABLE schema_migrations (id text PRIMARY KEY, checksum text, applied_us bigint)",
)
KEYSPACE = "faults"
CALLERS = 4  # of each kind
WARM_SECONDS = 2.0
# The heartbeat finds a paused node within 4 s; statements that timed out, or were overtaken, keep callers away from it sooner.
OUT_OF_ROTATION_SECONDS = 4.0
DEADLINE_SECONDS = driver_settings.REQUEST_SECONDS + 1.0  # of any call, and what a busy machine takes to say so
BACK_SECONDS = 10.0  # to be as before, once a node runs again
PARTS = itertools.count(1)  # of the cluster of this module: nobody uses one twice
TIMEOUT_SECONDS = 2.5  # a call that took so long waited for a node that is silent, and not for a busy machine
TIMES_SLOWER = 3.0  # two nodes of three, on a machine that others use too


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    with CassandraCluster(tmp_path_factory.mktemp("faults"), nodes=3, commitlog="batch") as made:
        create_keyspace(made.contact_points, KEYSPACE)
        with cql_session(made.contact_points) as session:
            for table in TABLES:
                session.execute(table.replace("TABLE ", f"TABLE {KEYSPACE}."))
        yield made


@pytest.fixture
async def session(cluster):
    points = ",".join(f"{point}" for point in cluster.contact_points)
    made = CassandraSession(parse_address(f"cassandra://{points}/{KEYSPACE}"))
    await made.connect()
    await until(lambda: all(node.is_up for node in made.nodes()) and len(made.nodes()) == 3)
    yield made
    await made.close()


async def until(true, seconds=120.0):
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.05)


class Call:
    """What one caller met once."""

    def __init__(self, kind, caller, begun, error):
        self.kind, self.caller, self.begun, self.ended, self.error = kind, caller, begun, time.monotonic(), error

    @property
    def seconds(self):
        return self.ended - self.begun


def median(calls):
    return statistics.median(call.seconds for call in calls)


class Callers:
    """Callers of each kind, one call after the other; ``calls`` holds what they met."""

    def __init__(self, session):
        self._session = session
        self.calls = []

    async def __aenter__(self):
        kinds = (("read", self._read), ("write", self._write), ("cas", self._cas))
        self._tasks = [asyncio.create_task(self._caller(kind, one, work)) for kind, work in kinds for one in range(CALLERS)]
        await asyncio.sleep(WARM_SECONDS)
        assert self.errors() == []
        self.usual_seconds = median(self.calls)
        self.calls.clear()
        return self

    async def __aexit__(self, *_):
        for task in self._tasks:
            task.cancel()
        ends = await asyncio.gather(*self._tasks, return_exceptions=True)
        assert [end for end in ends if not isinstance(end, asyncio.CancelledError)] == []

    def errors(self, since=0.0):
        return [call for call in self.calls if call.error is not None and call.ended > since]

    async def _caller(self, kind, number, work):
        while True:
            begun, error = time.monotonic(), None
            try:
                await work()
            except (MetadataUnavailable, MetadataUnknown) as raised:
                error = raised
            self.calls.append(Call(kind, number, begun, error))
            if error is not None:
                await asyncio.sleep(0.05)

    async def _read(self):
        await self._session.run(READ, next(PARTS))

    async def _write(self):
        await self._session.run(WRITE, next(PARTS), 1, b"x" * 100, 1)

    async def _cas(self):
        part = next(PARTS)
        assert (await self._session.cas([Bound(SET, ("x", part, None))])).applied


@contextlib.asynccontextmanager
async def paused(cluster, *nodes):
    """They stop; at the end they run again."""
    for node in nodes:
        cluster.pause(node)
    try:
        yield time.monotonic()
    finally:
        for node in nodes:
            cluster.resume(node)


def told(errors):
    return collections.Counter((call.kind, call.caller, type(call.error).__name__, str(call.error)[:90]) for call in errors)


@pytest.mark.parametrize("node", [1, 2, 3])
async def test_a_paused_node_costs_a_caller_one_time_out_at_most_and_then_latency_is_as_before(cluster, session, node):
    async with Callers(session) as callers:
        async with paused(cluster, node) as since:
            await asyncio.sleep(OUT_OF_ROTATION_SECONDS + 4.0)
            errors = callers.errors()
            by_caller = collections.Counter((call.kind, call.caller) for call in errors)
            assert set(by_caller.values()) <= {1}, told(errors)
            # Reads and writes may be sent to a second node; conditional changes may not, and their outcome is unknown.
            assert {call.kind for call in errors} <= {"cas"}, told(errors)
            assert {type(call.error) for call in errors} <= {MetadataUnknown}
            late = [call for call in callers.calls if call.begun > since + OUT_OF_ROTATION_SECONDS]
            assert len(late) > 3 * CALLERS
            assert max(call.seconds for call in late) < TIMEOUT_SECONDS
            assert median(late) < TIMES_SLOWER * callers.usual_seconds + 0.1
        since = time.monotonic()
        await until(lambda: all(each.is_up for each in session.nodes()), BACK_SECONDS)
        await asyncio.sleep(2.0)
        assert told(callers.errors(since)) == {}


async def test_a_killed_node_is_not_noticed_by_callers_and_is_used_again_when_it_is_back(cluster, session):
    async with Callers(session) as callers:
        cluster.kill(2)
        await asyncio.sleep(6.0)
        errors = callers.errors()
        # What was in flight to it at that moment: reads and writes went on elsewhere.
        assert {call.kind for call in errors} <= {"cas"}, told(errors)
        assert len(errors) <= CALLERS, told(errors)
        assert max(call.seconds for call in callers.calls) < DEADLINE_SECONDS
        await until(lambda: not all(node.is_up for node in session.nodes()))
        await asyncio.to_thread(cluster.restart, 2)
        await until(lambda: all(node.is_up for node in session.nodes()))
        since = time.monotonic()
        await asyncio.sleep(3.0)
        assert told(callers.errors(since)) == {}


async def test_without_a_quorum_every_call_ends_in_time_and_all_is_well_again_without_a_restart(cluster, session):
    async with Callers(session) as callers:
        async with paused(cluster, 2, 3) as since:
            await asyncio.sleep(12.0)
            assert session.ready() == [SILENT]
            calls = [call for call in callers.calls if call.begun > since]
            assert calls
            assert all(call.error is not None for call in calls)
            assert max(call.seconds for call in calls) < DEADLINE_SECONDS
            # Refused at once, but for a probe each second: nothing piles up.
            refused = [call for call in calls if str(call.error) == SILENT]
            assert len(refused) > len(calls) / 2
            assert {type(call.error) for call in refused} == {NotSent}
            assert max(call.seconds for call in refused) < 1.0
            # Whatever was sent to change something and was not answered is unknown, before and while the breaker is open.
            sent = [call for call in calls if call not in refused and call.kind != "read"]
            assert {type(call.error) for call in sent} == {MetadataUnknown}, told(sent)
        since = time.monotonic()
        await until(lambda: session.ready() != [SILENT], BACK_SECONDS)
        kinds = {"read", "write", "cas"}
        await until(lambda: {call.kind for call in callers.calls if call.begun > since and not call.error} == kinds, BACK_SECONDS)
        await until(lambda: all(node.is_up for node in session.nodes()), BACK_SECONDS)
        since = time.monotonic()
        await asyncio.sleep(3.0)
        assert told(callers.errors(since)) == {}


async def test_a_change_that_lands_late_changes_nothing_that_was_told(cluster, session):
    """Changes hang in a coordinator that is stopped. Others on the same keys are answered meanwhile: that stays the truth."""
    parts = list(itertools.islice(PARTS, 60))
    await session.cas([Bound(SET, ("warm", next(PARTS), None))])
    async with paused(cluster, 1):
        outcomes = await asyncio.gather(
            *(session.cas([Bound(SET, ("late", part, None))]) for part in parts), return_exceptions=True
        )
        hanging = [part for part, outcome in zip(parts, outcomes, strict=True) if isinstance(outcome, Exception)]
        assert len(hanging) > 5
        assert {type(outcome) for outcome in outcomes if isinstance(outcome, Exception)} == {MetadataUnknown}
        assert all(outcome.applied for outcome in outcomes if not isinstance(outcome, Exception))
        await until(lambda: not all(node.is_up for node in session.nodes()))
        settled = {part: await session.cas([Bound(SET, ("burned", part, None))]) for part in hanging}
    assert session.ready() != [SILENT]  # one node that hangs is no reason to give the cluster up
    await until(lambda: all(node.is_up for node in session.nodes()), BACK_SECONDS)
    await asyncio.sleep(3.0)  # the coordinator wakes up and tries
    for part, reply in settled.items():
        expected = "burned" if reply.applied else dict(zip(reply.columns, reply.rows[0], strict=True))["said"]
        assert await session.run(SEE, part) == [(expected,)]
    assert "burned" in {(await session.run(SEE, part))[0][0] for part in hanging}


async def test_a_cluster_that_is_down_at_the_start_is_found_when_it_comes(cluster):
    alone = cluster.address(3)
    async with paused(cluster, 3):
        session = CassandraSession(parse_address(f"cassandra://{alone}/{KEYSPACE}"))
        begun = time.monotonic()
        await session.connect()
        try:
            assert time.monotonic() - begun < DEADLINE_SECONDS + 2 * driver_settings.CONNECT_SECONDS
            assert alone in session.ready()[0]
            begun = time.monotonic()
            with pytest.raises(MetadataUnavailable, match=alone):
                await session.run(READ, 1)
            assert time.monotonic() - begun < 0.5
            cluster.resume(3)
            await until(lambda: session.nodes() != [], BACK_SECONDS)
            assert await session.run(READ, 1) == []
        finally:
            await session.close()


async def test_copies_are_asked_themselves(cluster, cassandra_replicas):
    """A keyspace with one copy: every statement goes to the node that holds it, without the driver reading the schema."""
    session, replica_of = cassandra_replicas
    asked = collections.Counter()
    for part in range(30):
        bound = await session._preparer.bind(READ, (part,))
        response = session._link.session.execute_async(bound, execution_profile=session._link.profiles[Kind.READ])
        await asyncio.to_thread(response.result)
        assert str(response.coordinator_host.address) == replica_of(part)
        asked[replica_of(part)] += 1
    assert len(asked) == 3


@pytest.fixture
async def cassandra_replicas(cluster):
    """A session with a keyspace of one copy, and who holds a partition by the cluster's own account."""
    with cql_session(cluster.contact_points) as plain:
        options = "{'class': 'NetworkTopologyStrategy', 'datacenter1': 1}"
        plain.execute(f"CREATE KEYSPACE IF NOT EXISTS single WITH replication = {options}")
        plain.execute(TABLES[0].replace("TABLE ", "TABLE IF NOT EXISTS single."))
        owners = plain.cluster.metadata.token_map

        def replica_of(part):
            token = owners.token_class.from_key(part.to_bytes(4, "big", signed=True))
            return owners.get_replicas("single", token)[0].address

        points = ",".join(cluster.contact_points)
        session = CassandraSession(parse_address(f"cassandra://{points}/single?replication_min=1"))
        await session.connect()
        await session.learn_replication()
        yield session, replica_of
        await session.close()
