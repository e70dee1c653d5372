"""Cassandra nodes that the bench starts for itself, and keyspaces in them."""

from __future__ import annotations

import asyncio
import contextlib
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from bench.build import HERE, REPOSITORY

sys.path[:0] = [str(HERE.parent / "support"), str(REPOSITORY / "scripts" / "cassandra")]

from cassandra_cluster import CassandraCluster  # noqa: E402
from cassandra_errors import CassandraToolError  # noqa: E402

from dolmen.core.clock import SystemClock  # noqa: E402
from dolmen.core.errors import DolmenError  # noqa: E402
from dolmen.gateway.metadata.cassandra.address import parse_address  # noqa: E402
from dolmen.gateway.metadata.cassandra.driver import CassandraSession  # noqa: E402
from dolmen.gateway.metadata.cassandra.migrate import migrate  # noqa: E402

CLUSTER_ERRORS = (CassandraToolError, DolmenError)  # of everything here; one line


@dataclass(frozen=True, slots=True)
class Nodes:
    """Where they answer, and their processes."""

    contact_points: tuple[str, ...]
    pids: tuple[int, ...]

    def url(self, keyspace: str) -> str:
        """A keyspace with a copy on each node."""
        return f"cassandra://{','.join(self.contact_points)}/{keyspace}?replication_min={len(self.contact_points)}"


@contextlib.contextmanager
def started_nodes(count: int, progress: Callable[[str], None]) -> Iterator[Nodes]:
    """New nodes with the full JIT and the commit log that Dolmen asks for; they end with the context."""
    progress(f"starting {count} Cassandra node(s)")
    with (
        tempfile.TemporaryDirectory(prefix="dolmen-bench-") as folder,
        CassandraCluster(Path(folder), count, commitlog="batch", load_test=True) as cluster,
    ):
        pids = tuple(pid for node in range(1, count + 1) if (pid := cluster.ring.pid(node)) is not None)
        yield Nodes(tuple(cluster.contact_points), pids)


def make_schema(url: str, progress: Callable[[str], None]) -> None:
    """The keyspace and its tables, as ``dolmen metadata migrate`` makes them."""
    asyncio.run(_migrate(url, progress))


async def _migrate(url: str, progress: Callable[[str], None]) -> None:
    address = parse_address(url)
    session = CassandraSession(address)
    await session.connect()
    try:
        await migrate(session, address, SystemClock(), "bench", progress=progress)
    finally:
        await session.close()
