"""Stores on Cassandra for tests: one keyspace for each worker of pytest, emptied of what all stores share between two tests.

Rows of a bucket are found by its id, which is never used again: they may stay. What has a name that tests use again goes: buckets,
queues, repairs, documents, the cluster's map, leases.
"""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor

from cassandra_keyspaces import WORKER, shared_keyspace

from dolmen.core.clock import SystemClock
from dolmen.gateway.metadata.cassandra.address import parse_address
from dolmen.gateway.metadata.cassandra.cql import Kind, Statement
from dolmen.gateway.metadata.cassandra.driver import CassandraSession
from dolmen.gateway.metadata.cassandra.migrate import migrate
from dolmen.gateway.metadata.cassandra.queues import REGISTER
from dolmen.gateway.metadata.cassandra.store import CassandraStore

# (table, its primary key, a column that every row has)
SHARED = (
    ("buckets", ("name",), "rev"),
    ("buckets_by_owner", ("owner", "name"), "bucket_id"),
    ("bucket_names", ("h", "name"), "bucket_id"),
    ("queue_entries", ("queue", "slice", "h", "id"), "body"),
    ("repairs", ("h", "stripe_id", "slot"), "pg"),
    ("documents", ("space", "kind", "name"), "raw"),
    ("cluster_state", ("name",), "raw"),
    ("leases", ("name",), "owner"),
    ("workers", ("worker",), "alive_us"),
)


def url_of(contact_points: list[str], keyspace: str, *, cache_seconds: float = 0.0, replication_min: int = 1) -> str:
    """The setting that names the keyspace."""
    points = ",".join(contact_points)
    return f"cassandra://{points}/{keyspace}?replication_min={replication_min}&cache_seconds={cache_seconds}"


def make_schema(contact_points: list[str], keyspace: str) -> None:
    """As ``dolmen metadata migrate`` does."""
    address = parse_address(url_of(contact_points, keyspace))

    async def run() -> None:
        session = CassandraSession(address)
        await session.connect()
        try:
            await migrate(session, address, SystemClock(), "tests")
        finally:
            await session.close()

    with ThreadPoolExecutor(1) as thread:  # the caller may be in a loop of its own
        thread.submit(asyncio.run, run()).result()


def worker_url(contact_points: list[str], **options: float) -> str:
    """Of the keyspace that the tests of this worker share."""
    return url_of(contact_points, shared_keyspace(make_schema, WORKER), **options)


def store_of(url: str, clock, *, grace_seconds: float = 0.0, on_statement=None) -> CassandraStore:
    """Not open yet."""
    return CassandraStore(parse_address(url), clock, garbage_grace_seconds=grace_seconds, on_statement=on_statement)


async def empty(store: CassandraStore) -> None:
    """Whatever earlier tests left under names. Each row goes at its own time: clocks of tests may be far ahead."""
    session = store._session
    for table, key, column in SHARED:
        rows = await session.run(Statement(f"SELECT {', '.join(key)}, WRITETIME({column}) FROM {table}", Kind.READ))
        if table == "queue_entries":  # but for the register: a slice that goes too early is not found again
            rows = [row for row in rows if row[1] != REGISTER]
        where = " AND ".join(f"{name} = ?" for name in key)
        drop = Statement(f"DELETE FROM {table} USING TIMESTAMP ? WHERE {where}", Kind.WRITE)
        await asyncio.gather(*(session.run(drop, row[-1], *row[:-1]) for row in rows if row[-1] is not None))
    drop = Statement("DELETE space_rev FROM documents USING TIMESTAMP ? WHERE space = ?", Kind.WRITE)
    spaces = await session.run(Statement("SELECT DISTINCT space, WRITETIME(space_rev) FROM documents", Kind.READ))
    await asyncio.gather(*(session.run(drop, stamp, space) for space, stamp in spaces if stamp is not None))
