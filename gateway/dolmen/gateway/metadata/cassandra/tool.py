"""A Cassandra cluster as ``dolmen metadata`` works on it."""

from __future__ import annotations

import os
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from dolmen.core.clock import Clock
from dolmen.core.errors import ConfigError
from dolmen.gateway.metadata.cassandra.address import CassandraAddress
from dolmen.gateway.metadata.cassandra.driver import CassandraSession
from dolmen.gateway.metadata.cassandra.migrate import migrate
from dolmen.gateway.metadata.cassandra.migrations import SCHEMA_VERSION
from dolmen.gateway.metadata.cassandra.ports import Maintained
from dolmen.gateway.metadata.cassandra.preflight import read_migrations
from dolmen.gateway.metadata.cassandra.transfer import CassandraTransfer
from dolmen.gateway.metadata.store import MetadataUnavailable

PATIENCE_SECONDS = 300.0  # of every call: what runs for hours does not end because nodes were restarted


class CassandraTool(CassandraTransfer, Maintained):
    """All that commands need of a store: everything but the operations of requests."""


@asynccontextmanager
async def connected(address: CassandraAddress, clock: Clock) -> AsyncIterator[CassandraSession]:
    """A session of a cluster that answers. Raises ``MetadataUnavailable``, ``ConfigError``."""
    session = CassandraSession(address, clock=clock)
    await session.connect()
    try:
        if not session.nodes():
            raise MetadataUnavailable("; ".join(session.ready()))
        yield session
    finally:
        await session.close()


@asynccontextmanager
async def opened_tool(address: CassandraAddress, clock: Clock) -> AsyncIterator[CassandraTool]:
    """The store, of this program's schema. Raises as ``connected``."""
    async with connected(address, clock) as session:
        found = await _version(session, address)
        if found != SCHEMA_VERSION:
            raise ConfigError(f"the schema has version {found}, not {SCHEMA_VERSION}: run `dolmen metadata migrate`")
        tool = CassandraTool(session, address, clock, patience_seconds=PATIENCE_SECONDS)
        try:
            yield tool
        finally:
            await tool.close()


async def migrate_keyspace(address: CassandraAddress, clock: Clock, show: Callable[[str], None]) -> tuple[int, int]:
    """Versions of the schema before and after. The keyspace is made if need be."""
    async with connected(address, clock) as session:
        before = await _version(session, address)
        await migrate(session, address, clock, f"{socket.gethostname()}/{os.getpid()}", progress=show)
        return before, await _version(session, address)


async def look(address: CassandraAddress, clock: Clock) -> tuple[int, int, list[str], list[str]]:
    """(version found, known, why a gateway would not be ready, warnings)."""
    async with connected(address, clock) as session:
        return await _version(session, address), SCHEMA_VERSION, session.ready(), session.warnings()


async def _version(session: CassandraSession, address: CassandraAddress) -> int:
    if await session.learn_replication() is None:
        return 0
    registered = await read_migrations(session, address.keyspace)
    return max((int(name) for name in registered or ()), default=0)
