"""A keyspace for a store of its own. The driver is imported only where one is asked for."""

from __future__ import annotations

import uuid
from dataclasses import dataclass

CACHE_SECONDS = 0.02  # every change of a bucket waits so long; tests change a lot


@dataclass(frozen=True)
class Home:
    """Where a store has its metadata."""

    keyspace: str
    url: str

    def drop(self) -> None:
        from cassandra_keyspaces import drop_keyspaces

        drop_keyspaces([self.keyspace])


def cassandra_keyspace() -> Home:
    """A name that no keyspace has, on the node that all tests share. The store makes its schema."""
    from cassandra_cluster import shared_node
    from cassandra_keyspaces import PREFIX

    keyspace = f"{PREFIX}{uuid.uuid4().hex[:16]}"
    points = ",".join(shared_node())
    return Home(keyspace, f"cassandra://{points}/{keyspace}?replication_min=1&cache_seconds={CACHE_SECONDS}")
