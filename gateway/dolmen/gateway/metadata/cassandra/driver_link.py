"""The connection of the driver: made and ended in a thread, and what it knows of the nodes."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from cassandra.cluster import NoHostAvailable  # type: ignore[import-untyped]
from cassandra.metadata import KeyspaceMetadata  # type: ignore[import-untyped]
from dolmen.core.errors import ConfigError
from dolmen.gateway.metadata.cassandra.address import CassandraAddress
from dolmen.gateway.metadata.cassandra.cql import Kind
from dolmen.gateway.metadata.cassandra.driver_settings import (
    SUSPECT_SILENT_SECONDS,
    SUSPECT_SLOW_SECONDS,
    LocalReplicas,
    make_cluster,
)
from dolmen.gateway.metadata.cassandra.preflight import Node
from dolmen.gateway.metadata.store import MetadataUnavailable

CLOSE_SECONDS_MAX = 10.0  # the driver's threads end within their time-outs; beyond that something is wrong with them
_WHY_MAX = 400  # characters of a sentence for the operator


class Link:
    """Nothing, or a connected ``Session`` of the driver, which then finds lost nodes again by itself."""

    def __init__(self, address: CassandraAddress) -> None:
        self._address = address
        self._thread = ThreadPoolExecutor(1, "dolmen-cassandra")
        self._cluster: Any = None
        self._session: Any = None
        self._closed = False
        self.profiles: Mapping[object, Any] = {}
        self.why = "the metadata cluster has not been asked yet"  # there is no session

    @property
    def is_open(self) -> bool:
        return self._session is not None

    @property
    def session(self) -> Any:  # noqa: ANN401 - the driver has no types
        """Raises ``MetadataUnavailable`` when there is none."""
        session = self._session
        if session is None:
            raise MetadataUnavailable(self.why)
        return session

    async def open(self) -> None:
        """One attempt; ``is_open`` and ``why`` tell what came of it. Raises ``ConfigError`` for files that cannot be used."""
        try:
            self.why = await asyncio.get_running_loop().run_in_executor(self._thread, self._connect)
        except ConfigError as error:
            self.why = str(error)
            raise

    async def close(self) -> None:
        """What is in flight ends with an error. Again: nothing."""
        if self._closed:
            return
        self._closed = True
        self._session = None
        self.why = "the session is closed"
        # The thread does one thing after the other: a connection that is being made just now is ended, too.
        done = asyncio.get_running_loop().run_in_executor(self._thread, self._disconnect)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(done, CLOSE_SECONDS_MAX)
        self._thread.shutdown(wait=False)

    def nodes(self) -> list[Node]:
        """The nodes that the cluster told of, in the order of their addresses."""
        hosts = self._cluster.metadata.all_hosts() if self._cluster is not None else []
        return sorted(Node(str(host.endpoint), str(host.address), host.datacenter, bool(host.is_up)) for host in hosts)

    def host(self, endpoint: str) -> Any:  # noqa: ANN401
        """What the driver calls a node. Raises ``MetadataUnavailable``."""
        hosts = self._cluster.metadata.all_hosts() if self._cluster is not None else []
        for host in hosts:
            if str(host.endpoint) == endpoint:
                return host
        raise MetadataUnavailable(f"{endpoint} is no node of the metadata cluster any more")

    def overtaken(self, response: Any) -> None:  # noqa: ANN401
        """A statement was sent to a second node, and that one answered: the first one may hang."""
        first = response.attempted_hosts[0]
        if response.coordinator_host is not first:
            self._policy().suspect(first, SUSPECT_SLOW_SECONDS)

    def silent(self, response: Any) -> None:  # noqa: ANN401
        """Nobody answered a statement in time."""
        for host in list(response.attempted_hosts):
            self._policy().suspect(host, SUSPECT_SILENT_SECONDS)

    def _policy(self) -> LocalReplicas:
        policy: LocalReplicas = self.profiles[Kind.CAS].load_balancing_policy  # of all profiles
        return policy

    def learn_replication(self, durable: bool, replication: Mapping[str, str]) -> None:
        """Tell the driver where the copies of the keyspace are: without schema metadata it would not know the replicas."""
        if self._cluster is None:
            return
        options = dict(replication)
        name = self._address.keyspace
        metadata = self._cluster.metadata
        known = KeyspaceMetadata(name, durable, options.pop("class"), options)
        before = metadata.keyspaces.get(name)
        metadata.keyspaces[name] = known
        if before is not None and before.replication_strategy != known.replication_strategy:
            metadata.token_map.rebuild_keyspace(name, build_if_absent=False)

    def _connect(self) -> str:
        """In the thread. Why it failed, or nothing."""
        cluster = None
        try:
            cluster = make_cluster(self._address)
            session = cluster.connect()  # without a keyspace: statements name it
        except ConfigError:
            raise
        except Exception as error:  # noqa: BLE001 - the driver raises what it likes here; every one means: not connected
            why = why_not_connected(self._address, cluster, error)
            if cluster is not None:
                cluster.shutdown()
            return why
        self.profiles = cluster.profile_manager.profiles
        self._cluster, self._session = cluster, session
        return ""

    def _disconnect(self) -> None:
        """In the thread."""
        cluster, self._cluster, self._session = self._cluster, None, None
        if cluster is not None:
            cluster.shutdown()


def why_not_connected(address: CassandraAddress, cluster: Any, error: BaseException) -> str:  # noqa: ANN401
    """One sentence for the operator."""
    hosts = cluster.metadata.all_hosts() if cluster is not None else []
    known = sorted({host.datacenter for host in hosts if host.datacenter})
    if known and address.local_dc not in known:
        return f"the metadata cluster has no data centre {address.local_dc}; it has {', '.join(known)}"
    inner = error
    if isinstance(error, NoHostAvailable) and isinstance(error.errors, dict) and error.errors:
        inner = next(iter(error.errors.values()))
    points = ", ".join(f"{host}:{port}" for host, port in address.contact_points)
    text = f"the metadata cluster cannot be reached at {points}: {type(inner).__name__}: {' '.join(str(inner).split())}"
    return text[:_WHY_MAX]
