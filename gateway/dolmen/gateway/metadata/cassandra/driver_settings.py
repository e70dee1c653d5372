"""How the driver is set up: policies, profiles, time-outs. Each was found by pausing and killing nodes of a real cluster."""

from __future__ import annotations

import logging
import socket
import ssl
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from cassandra import ConsistencyLevel  # type: ignore[import-untyped]
from cassandra.auth import PlainTextAuthenticator, PlainTextAuthProvider  # type: ignore[import-untyped]
from cassandra.cluster import EXEC_PROFILE_DEFAULT, Cluster, ExecutionProfile  # type: ignore[import-untyped]
from cassandra.io.libevreactor import LibevConnection  # type: ignore[import-untyped]
from cassandra.policies import (  # type: ignore[import-untyped]
    ConstantReconnectionPolicy,
    ConstantSpeculativeExecutionPolicy,
    DCAwareRoundRobinPolicy,
    FallthroughRetryPolicy,
    RetryPolicy,
    TokenAwarePolicy,
)
from cassandra.query import tuple_factory  # type: ignore[import-untyped]
from dolmen.core.errors import ConfigError
from dolmen.core.telemetry.log import get_logger
from dolmen.gateway.metadata.cassandra.address import CassandraAddress, parse_credentials
from dolmen.gateway.metadata.cassandra.cql import Kind

PROTOCOL_VERSION = 4  # 5 costs a tenth more CPU for its checksums (measured), and has nothing that we need
# A little above the 2.0 s after which a coordinator gives a write up and the 1.8 s of a conditional one: its answer says more
# than our time-out. No less than it takes to find a paused node (below), or callers would meet it twice.
REQUEST_SECONDS = 3.0
HEARTBEAT_SECONDS = 1  # a silent connection is asked this often ...
HEARTBEAT_TIMEOUT_SECONDS = 2  # ... and given up after this: a paused node is out of rotation within 4 s, not 60
SPECULATION_SECONDS = 0.25  # far above the usual answer: a second node is asked only when the first hangs
SPECULATIONS_MAX = 1
SUSPECT_SLOW_SECONDS = 1.0  # a node that a speculation overtook is asked last: it may only have collected its garbage
SUSPECT_SILENT_SECONDS = 5.0  # a node that let a statement time out: until the heartbeat has found it
RECONNECT_SECONDS = 1.0  # a node that came back is used a second later; one attempt a second for each dead node is cheap
CONNECT_SECONDS = 2.0  # for a connection to be made: a paused node accepts it and says nothing
SCHEMA_SECONDS = 60.0  # a change of the schema on a busy cluster
# Reconnections to nodes that are paused or unreachable block a thread each for CONNECT_SECONDS; retries and statements to be
# prepared again go through the same threads and must find a free one.
EXECUTOR_THREADS = 8
PAGE_ROWS = 2000  # a page of a list, 1,001 rows, comes in one round trip
SOCKET_BYTES = 64 * 1024  # of one system call: a page of a list comes in three
RETRIES_MAX = 2  # of what is the same when repeated: the other nodes of three
LOG_REPEAT_SECONDS = 60.0  # the driver tells of a dead node once a second
LOG_MESSAGES_MAX = 256  # remembered; some carry a node's address

_CREDENTIALS_BYTES_MAX = 4096

ASK = "ask"  # one node tells about itself
SCHEMA = "schema"

_log = get_logger("cassandra-driver")


class RepeatableRetry(RetryPolicy):  # type: ignore[misc]
    """For reads and idempotent writes: another node, when one broke or says that it cannot. Time-outs are final."""

    def on_read_timeout(self, *_args: Any, **_named: Any) -> tuple[int, None]:  # noqa: ANN401 - the driver's signature
        return self.RETHROW, None

    def on_write_timeout(self, *_args: Any, **_named: Any) -> tuple[int, None]:  # noqa: ANN401
        return self.RETHROW, None

    def on_unavailable(self, *_args: Any, retry_num: int, **_named: Any) -> tuple[int, None]:  # noqa: ANN401
        return (self.RETRY_NEXT_HOST if retry_num == 0 else self.RETHROW), None

    def on_request_error(self, *_args: Any, retry_num: int, **_named: Any) -> tuple[int, None]:  # noqa: ANN401
        return (self.RETRY_NEXT_HOST if retry_num < RETRIES_MAX else self.RETHROW), None


class _Replicas:
    """The token map for one policy, with a fresh list for each statement.

    The policy shuffles the list that it is given in place. Shared, it would be shuffled under a statement that has yet to
    choose the node for its speculation, which then might be the very node that hangs.
    """

    def __init__(self, metadata: Any) -> None:  # noqa: ANN401 - the driver has no types
        self._metadata = metadata

    def get_replicas(self, keyspace: str, key: bytes) -> list[Any]:
        return list(self._metadata.get_replicas(keyspace, key))

    def can_support_partitioner(self) -> bool:
        return bool(self._metadata.can_support_partitioner())


class LocalReplicas(TokenAwarePolicy):  # type: ignore[misc]
    """Replicas of the local data centre in random order, then its other nodes; never another data centre.

    Nodes under suspicion come last. The heartbeat needs up to 5 s to find a paused node; a statement that had to be sent to
    another one, or that timed out, tells sooner, and conditional changes, which are sent once, have nothing else to go by.
    """

    def __init__(self, local_dc: str) -> None:
        super().__init__(DCAwareRoundRobinPolicy(local_dc=local_dc), shuffle_replicas=True)
        self._suspects: dict[Any, float] = {}  # node -> until when; bounded by the nodes

    def suspect(self, host: Any, seconds: float) -> None:  # noqa: ANN401
        """The node does not answer."""
        until = time.monotonic() + seconds
        if until > self._suspects.get(host, 0.0):
            self._suspects[host] = until

    def make_query_plan(self, working_keyspace: str | None = None, query: Any = None) -> Iterator[Any]:  # noqa: ANN401
        """From several threads at once."""
        plan: Iterator[Any] = super().make_query_plan(working_keyspace, query)
        if not self._suspects:
            return plan
        now = time.monotonic()
        for host, until in list(self._suspects.items()):
            if until <= now:
                self._suspects.pop(host, None)
        suspects = self._suspects
        return iter(sorted(plan, key=lambda host: host in suspects))

    def populate(self, cluster: Any, hosts: Any) -> None:  # noqa: ANN401
        super().populate(cluster, hosts)
        self._cluster_metadata = _Replicas(cluster.metadata)


def with_names(names: Any, rows: Any) -> tuple[tuple[str, ...], list[tuple[Any, ...]]]:  # noqa: ANN401
    """A row factory that keeps the names of the columns: conditional changes answer with varying ones."""
    return tuple(names), rows


def make_profiles(local_dc: str) -> dict[object, Any]:
    """The named execution profiles: one for each ``Kind``, and those for nodes' facts and for the schema."""
    policy = LocalReplicas(local_dc)
    speculation = ConstantSpeculativeExecutionPolicy(SPECULATION_SECONDS, SPECULATIONS_MAX)
    level = ConsistencyLevel

    def repeatable(consistency: int) -> Any:  # noqa: ANN401
        return ExecutionProfile(policy, RepeatableRetry(), consistency, None, REQUEST_SECONDS, tuple_factory, speculation)

    def once(consistency: int, serial: int | None, factory: Any, seconds: float = REQUEST_SECONDS) -> Any:  # noqa: ANN401
        return ExecutionProfile(policy, FallthroughRetryPolicy(), consistency, serial, seconds, factory)

    return {
        Kind.READ: repeatable(level.LOCAL_QUORUM),
        Kind.WRITE: repeatable(level.LOCAL_QUORUM),
        Kind.CAS: once(level.LOCAL_QUORUM, level.LOCAL_SERIAL, with_names),
        Kind.GLOBAL_CAS: once(level.QUORUM, level.SERIAL, with_names),
        # A serial read proposes, too: a second one beside it would only be in its way.
        Kind.GLOBAL_READ: once(level.SERIAL, None, tuple_factory),
        ASK: repeatable(level.LOCAL_ONE),
        SCHEMA: once(level.LOCAL_ONE, None, tuple_factory, SCHEMA_SECONDS),
        EXEC_PROFILE_DEFAULT: once(level.LOCAL_ONE, None, tuple_factory),
    }


class FileCredentials(PlainTextAuthProvider):  # type: ignore[misc]
    """Name and password from a file that is read for each connection: a rotated password needs no restart."""

    def __init__(self, path: str) -> None:
        super().__init__("", "")
        self._path = path

    def new_authenticator(self, host: object) -> Any:  # noqa: ANN401
        del host
        return PlainTextAuthenticator(*read_credentials(self._path))


def read_credentials(path: str) -> tuple[str, str]:
    """Raises ``ConfigError`` with one line."""
    try:
        with Path(path).open(encoding="utf-8") as file:
            return parse_credentials(file.read(_CREDENTIALS_BYTES_MAX))
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"credentials_file {path} cannot be read: {error}") from None


def tls_context(address: CassandraAddress) -> ssl.SSLContext | None:
    """TLS that trusts the given authority alone. Raises ``ConfigError``.

    Names are not compared: nodes are reached by addresses that the cluster tells, which their certificates seldom carry.
    """
    if address.tls_ca_file is None:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_REQUIRED
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_verify_locations(address.tls_ca_file)
        if address.tls_certificate_file is not None:
            context.load_cert_chain(address.tls_certificate_file, address.tls_key_file)
    except (OSError, ssl.SSLError) as error:
        raise ConfigError(f"metadata: the TLS files cannot be used: {error}") from None
    return context


class Connection(LibevConnection):  # type: ignore[misc]
    """Reads and writes in larger pieces: a batch in one system call, not in a dozen of 4 KiB."""

    in_buffer_size = SOCKET_BYTES
    out_buffer_size = SOCKET_BYTES


def make_cluster(address: CassandraAddress) -> Any:  # noqa: ANN401
    """A ``Cluster``, not connected yet. Resolves names: call it in a thread. Raises ``ConfigError``, or the driver's errors."""
    hear_the_driver()
    if address.credentials_file is not None:
        read_credentials(address.credentials_file)
    return Cluster(
        contact_points=list(address.contact_points),  # every address of a name is tried
        port=address.contact_points[0][1],  # of the nodes that the cluster tells of without a port
        protocol_version=PROTOCOL_VERSION,
        connection_class=Connection,
        sockopts=[(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)],  # the end of what is sent in pieces waited 40 ms (measured)
        execution_profiles=make_profiles(address.local_dc),
        auth_provider=FileCredentials(address.credentials_file) if address.credentials_file is not None else None,
        ssl_context=tls_context(address),
        compression=False,  # rows are small and packed
        idle_heartbeat_interval=HEARTBEAT_SECONDS,
        idle_heartbeat_timeout=HEARTBEAT_TIMEOUT_SECONDS,
        reconnection_policy=ConstantReconnectionPolicy(RECONNECT_SECONDS, max_attempts=None),
        connect_timeout=CONNECT_SECONDS,
        control_connection_timeout=CONNECT_SECONDS,
        executor_threads=EXECUTOR_THREADS,
        schema_metadata_enabled=False,  # thousands of rows that we do not need; see ``CassandraSession`` for replicas
        schema_event_refresh_window=-1,
        max_schema_agreement_wait=0,  # migrations wait themselves, for longer
        token_metadata_enabled=True,
        prepare_on_all_hosts=False,  # would wait for a paused node; others prepare when they first meet a statement
        monitor_reporting_enabled=False,
    )


class _DriverLog(logging.Handler):
    """What the driver logs, in our form; the same message at most once in ``LOG_REPEAT_SECONDS``, without tracebacks."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self._told: dict[str, float] = {}

    def emit(self, record: logging.LogRecord) -> None:
        now = time.monotonic()
        if now - self._told.get(record.msg, -LOG_REPEAT_SECONDS) < LOG_REPEAT_SECONDS:
            return
        if len(self._told) >= LOG_MESSAGES_MAX:
            self._told.clear()
        self._told[record.msg] = now
        _log.warning("driver", message=" ".join(record.getMessage().split()))


def hear_the_driver() -> None:
    """Take over the driver's log; again is the same."""
    logger = logging.getLogger("cassandra")
    if not any(isinstance(handler, _DriverLog) for handler in logger.handlers):
        logger.addHandler(_DriverLog())
        logger.propagate = False

