"""A session with the metadata cluster: the ``Cql`` port over ``cassandra-driver``.

The driver works in threads of its own (one for sockets, a few for connecting). Statements are sent from the loop without
waiting; their replies come back through a ``ReplyQueue``. Nothing here waits for the driver on the loop.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

from cassandra.cluster import NoHostAvailable, ResponseFuture  # type: ignore[import-untyped]
from cassandra.metadata import KeyspaceMetadata  # type: ignore[import-untyped]
from cassandra.policies import ConstantSpeculativeExecutionPolicy, RetryPolicy  # type: ignore[import-untyped]
from cassandra.protocol import PrepareMessage  # type: ignore[import-untyped]
from cassandra.query import (  # type: ignore[import-untyped]
    BatchStatement,
    BatchType,
    PreparedStatement,
    SimpleStatement,
)
from dolmen.core.clock import Clock, SystemClock
from dolmen.core.errors import ConfigError, DolmenError
from dolmen.core.telemetry.log import get_logger
from dolmen.gateway.metadata.cassandra import driver_settings as settings
from dolmen.gateway.metadata.cassandra import statement_metrics as metrics
from dolmen.gateway.metadata.cassandra.address import CassandraAddress
from dolmen.gateway.metadata.cassandra.breaker import PROBE_SECONDS, Breaker
from dolmen.gateway.metadata.cassandra.cql import BATCH_STATEMENTS_MAX, Bound, CasReply, Kind, Row, Statement
from dolmen.gateway.metadata.cassandra.driver_errors import (
    StatementRefused,
    is_answer,
    is_timeout,
    translate,
    translate_preparing,
)
from dolmen.gateway.metadata.cassandra.gate import Gate
from dolmen.gateway.metadata.cassandra.preflight import Node, Preflight
from dolmen.gateway.metadata.cassandra.replies import ReplyQueue
from dolmen.gateway.metadata.store import MetadataUnavailable, MetadataUnknown

SILENT = "the metadata cluster does not answer"
OPEN_AGAIN_SECONDS = 1.0  # between attempts to reach a cluster that was down at start
CLOSE_SECONDS_MAX = 10.0  # the driver's threads end within their time-outs; beyond that something is wrong with them
_REPEATABLE = (Kind.READ, Kind.WRITE)  # these alone may be sent twice by the driver
_CONDITIONAL = (Kind.CAS, Kind.GLOBAL_CAS)
_KEYSPACE = "SELECT durable_writes, replication FROM system_schema.keyspaces WHERE keyspace_name = '{name}'"
_PROBE = Statement("SELECT id FROM schema_migrations LIMIT 1", Kind.READ)
_TABLE = re.compile(r"\b(FROM|INTO|UPDATE|EXISTS)\s+([a-z_][a-z0-9_]*)\b(?!\.)", re.IGNORECASE)  # a statement names one table

OnStatement = Callable[[Kind, tuple[str, ...]], None]  # the texts of one round trip: several for a batch

_log = get_logger("cassandra")


class _Reply(NamedTuple):
    """What a thread of the driver hands over."""

    call: _Call
    result: Any
    paging_state: bytes | None
    error: BaseException | None


class _Call:
    """One statement in flight. Its callbacks run in threads of the driver, perhaps twice when it was speculated."""

    __slots__ = ("began", "kind", "over", "put", "response", "waiter")

    def __init__(self, kind: Kind, waiter: asyncio.Future[tuple[Any, bytes | None]], put: Callable[[_Reply], None]) -> None:
        self.kind = kind
        self.waiter = waiter
        self.put = put
        self.began = time.monotonic()
        self.over = False
        self.response: Any = None

    def succeeded(self, result: Any) -> None:  # noqa: ANN401 - whatever the row factory makes
        # Read here, in the thread that has just set both: a speculated twin may overwrite it later.
        self.put(_Reply(self, result, self.response._paging_state, None))

    def failed(self, error: BaseException) -> None:
        self.put(_Reply(self, None, None, error))


class CassandraSession:
    """Implements ``Cql``. Made in the loop that uses it, after any fork; one for each process.

    ``on_statement`` is called for each round trip, on the loop: a counter of tests.
    """

    def __init__(self, address: CassandraAddress, *, clock: Clock | None = None, on_statement: OnStatement | None = None) -> None:
        self.address = address
        self._on_statement = on_statement
        self._gate = Gate()
        self._breaker = Breaker()
        self._preflight = Preflight(self, address, clock or SystemClock())
        self._prepared: dict[str, Any] = {}
        self._preparing: dict[str, asyncio.Task[Any]] = {}
        self._replies: ReplyQueue[_Reply] | None = None
        self._thread = ThreadPoolExecutor(1, "dolmen-cassandra")  # makes and ends connections; all else is asynchronous
        self._cluster: Any = None
        self._session: Any = None
        self._profiles: dict[object, Any] = {}
        self._why = "the metadata cluster has not been asked yet"
        self._watcher: asyncio.Task[None] | None = None

    # ---- life ----------------------------------------------------------------------------------------------------

    async def connect(self) -> None:
        """One attempt to connect; when it fails, attempts go on in the background, and ``ready`` tells why.

        Raises ``ConfigError`` when files of the address cannot be used.
        """
        self._replies = ReplyQueue(asyncio.get_running_loop(), self._receive)
        wait = await self._look()
        self._watcher = asyncio.create_task(self._watch(wait), name="cassandra-watch")

    async def close(self) -> None:
        """End everything. Statements in flight end with an error."""
        if self._watcher is not None:
            self._watcher.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._watcher
        for task in list(self._preparing.values()):
            task.cancel()
        self._session = None
        self._why = "the session is closed"
        # The thread does one thing after the other: a connection that is being made just now is ended, too.
        done = asyncio.get_running_loop().run_in_executor(self._thread, self._shut_cluster)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(done, CLOSE_SECONDS_MAX)
        self._thread.shutdown(wait=False)

    def _shut_cluster(self) -> None:
        """In the thread."""
        cluster, self._cluster, self._session = self._cluster, None, None
        if cluster is not None:
            cluster.shutdown()

    def ready(self) -> list[str]:
        """Why this process cannot serve; empty when it can."""
        if self._session is None:
            return [self._why]
        if self._breaker.is_open:
            return [SILENT]
        return self._preflight.reasons()

    @property
    def warnings(self) -> list[str]:
        """What the preflight found that is no reason not to serve."""
        return self._preflight.warnings()

    async def _watch(self, wait: float) -> None:
        while True:
            await asyncio.sleep(wait)
            try:
                wait = await self._look()
            except ConfigError as error:  # a file was there at start and is not now
                self._why = str(error)
                wait = OPEN_AGAIN_SECONDS
            except Exception as error:
                # Whatever it was: without this task nothing would ever find the way back.
                _log.exception("looking at the metadata cluster failed", error=str(error))
                wait = OPEN_AGAIN_SECONDS

    async def _look(self) -> float:
        """Do what is due; how many seconds until the next look."""
        if self._session is None:
            await self._open()
            if self._session is None:
                return OPEN_AGAIN_SECONDS
        if self._breaker.is_open:
            with contextlib.suppress(DolmenError):
                await self.run(_PROBE)
        metrics.BREAKER_OPEN.set(self._breaker.is_open)
        if self._breaker.is_open:
            return PROBE_SECONDS
        return min(await self._preflight.look(), PROBE_SECONDS)

    # ---- connecting ----------------------------------------------------------------------------------------------

    async def _open(self) -> None:
        self._why = await asyncio.get_running_loop().run_in_executor(self._thread, self._open_cluster)

    def _open_cluster(self) -> str:
        """In the thread. Why it failed, or nothing."""
        cluster = None
        try:
            cluster = settings.make_cluster(self.address)
            session = cluster.connect()  # without a keyspace: see ``qualified``
        except ConfigError:
            raise
        except Exception as error:  # noqa: BLE001 - the driver raises what it likes here; every one means: not connected
            why = _why_not_connected(self.address, cluster, error)
            if cluster is not None:
                cluster.shutdown()
            return why
        self._profiles = cluster.profile_manager.profiles
        self._cluster, self._session = cluster, session
        return ""

    def _learn_replication(self, durable: bool, replication: Any) -> None:  # noqa: ANN401
        """Tell the driver where the copies of the keyspace are: without schema metadata it would not know the replicas."""
        options = dict(replication)
        name = self.address.keyspace
        metadata = self._cluster.metadata
        known = KeyspaceMetadata(name, durable, options.pop("class"), options)
        before = metadata.keyspaces.get(name)
        metadata.keyspaces[name] = known
        if before is not None and before.replication_strategy != known.replication_strategy:
            metadata.token_map.rebuild_keyspace(name, build_if_absent=False)

    # ---- statements ----------------------------------------------------------------------------------------------

    async def run(self, statement: Statement, *values: object) -> list[Row]:
        """As ``Cql.run``."""
        kind = statement.kind
        if kind in _CONDITIONAL:
            raise StatementRefused("a conditional statement is sent by cas()")
        bound = await self._bind(statement, values)
        texts = (statement.text,)
        rows, more = await self._send(kind, bound, texts)
        while more is not None:
            page, more = await self._send(kind, bound, texts, more)
            rows += page
        return rows or []

    async def cas(self, bound: Sequence[Bound]) -> CasReply:
        """As ``Cql.cas``."""
        kind = bound[0].statement.kind
        if kind not in _CONDITIONAL or any(each.statement.kind is not kind for each in bound):
            raise StatementRefused("a conditional batch is of CAS or of GLOBAL_CAS statements alone")
        (names, rows), _ = await self._send(kind, await self._join(bound, repeatable=False), _texts(bound))
        if rows[0][0]:
            return CasReply(True, (), ())
        return CasReply(False, names[1:], tuple(row[1:] for row in rows) if len(names) > 1 else ())

    async def batch(self, bound: Sequence[Bound]) -> None:
        """As ``Cql.batch``."""
        if len(bound) > BATCH_STATEMENTS_MAX or any(each.statement.kind is not Kind.WRITE for each in bound):
            raise StatementRefused(f"a plain batch is of at most {BATCH_STATEMENTS_MAX} WRITE statements")
        if bound:
            await self._send(Kind.WRITE, await self._join(bound, repeatable=True), _texts(bound))

    async def _join(self, bound: Sequence[Bound], *, repeatable: bool) -> Any:  # noqa: ANN401
        parts = [await self._bind(each.statement, each.values) for each in bound]
        if len(parts) == 1:
            return parts[0]
        joined = BatchStatement(BatchType.UNLOGGED)
        joined.is_idempotent = repeatable
        for part in parts:
            joined.add(part)
        return joined

    async def _bind(self, statement: Statement, values: tuple[object, ...]) -> Any:  # noqa: ANN401
        prepared = self._prepared.get(statement.text)
        if prepared is None:
            prepared = await self._prepare(statement)
        if len(values) != len(prepared.column_metadata):  # too few would silently leave columns as they are
            raise StatementRefused(f"{len(values)} values for {len(prepared.column_metadata)} places: {statement.text}")
        try:
            return prepared.bind(values)
        except (TypeError, ValueError, OverflowError) as error:
            raise StatementRefused(f"a value does not fit: {error}") from error

    async def _send(
        self, kind: Kind, query: Any, texts: tuple[str, ...], paging_state: bytes | None = None  # noqa: ANN401
    ) -> tuple[Any, bytes | None]:
        """One round trip: the result as the profile's row factory makes it, and where the next page begins."""
        session = self._session
        if session is None:
            raise MetadataUnavailable(self._why)
        return await self._dispatch(
            kind,
            texts,
            lambda: session.execute_async(query, execution_profile=self._profiles[kind], paging_state=paging_state),
        )

    async def _dispatch(self, kind: Kind, texts: tuple[str, ...], send: Callable[[], Any]) -> tuple[Any, bytes | None]:
        assert self._replies is not None
        if not self._breaker.allows(time.monotonic()):
            metrics.UNAVAILABLE[kind].inc()
            raise MetadataUnavailable(SILENT)
        if not self._gate.try_enter():
            await self._gate.enter()
        waiter: asyncio.Future[tuple[Any, bytes | None]] = asyncio.get_running_loop().create_future()
        call = _Call(kind, waiter, self._replies.put)
        metrics.SENT[kind].inc()
        metrics.IN_FLIGHT.inc()
        if self._on_statement is not None:
            self._on_statement(kind, texts)
        try:
            call.response = send()
        except BaseException as error:  # not even begun: the driver reports everything later through the callbacks
            self._finish(call)
            if isinstance(error, Exception):
                raise translate(kind, error) from error
            raise
        call.response.add_callbacks(call.succeeded, call.failed)
        return await waiter

    def _receive(self, reply: _Reply) -> None:
        """On the loop: the first reply of a call counts, a twin that was speculated is of no interest any more."""
        call = reply.call
        if call.over:
            return
        self._finish(call)
        error = reply.error
        if error is None:
            self._breaker.answered()
            if not call.waiter.done():
                call.waiter.set_result((reply.result, reply.paging_state))
            return
        self._judge(error)
        translated = translate(call.kind, error, was_sent=bool(call.response.attempted_hosts))
        translated.__cause__ = error
        outcomes = metrics.UNKNOWN if isinstance(translated, MetadataUnknown) else metrics.UNAVAILABLE
        (outcomes if isinstance(translated, MetadataUnavailable | MetadataUnknown) else metrics.REFUSED)[call.kind].inc()
        if not call.waiter.done():
            call.waiter.set_exception(translated)

    def _judge(self, error: BaseException) -> None:
        if is_timeout(error):
            self._breaker.timed_out(time.monotonic())
        elif is_answer(error):
            self._breaker.answered()

    def _finish(self, call: _Call) -> None:
        call.over = True
        self._gate.leave()
        metrics.IN_FLIGHT.dec()
        metrics.TOOK[call.kind].observe(time.monotonic() - call.began)

    # ---- preparing -----------------------------------------------------------------------------------------------

    async def _prepare(self, statement: Statement) -> Any:  # noqa: ANN401
        """Once for each text: callers that come meanwhile wait for the same answer, whoever of them goes away."""
        task = self._preparing.get(statement.text)
        if task is None:
            task = asyncio.create_task(self._prepare_now(statement))
            self._preparing[statement.text] = task
            task.add_done_callback(lambda _: self._preparing.pop(statement.text, None))
        return await asyncio.shield(task)

    async def _prepare_now(self, statement: Statement) -> Any:  # noqa: ANN401
        session = self._session
        if session is None:
            raise MetadataUnavailable(self._why)
        if self._breaker.is_open and statement is not _PROBE:
            raise MetadataUnavailable(SILENT)
        # What Session.prepare does, without a thread that waits for it.
        plan = ConstantSpeculativeExecutionPolicy(settings.SPECULATION_SECONDS, settings.SPECULATIONS_MAX).new_plan(None, None)
        future = ResponseFuture(
            session,
            PrepareMessage(query=qualified(statement.text, self.address.keyspace)),
            None,
            settings.REQUEST_SECONDS,
            retry_policy=RetryPolicy(),
            load_balancer=self._profiles[Kind.READ].load_balancing_policy,
            speculative_execution_plan=plan,
        )
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        loop = asyncio.get_running_loop()

        def finish(result: Any, error: BaseException | None) -> None:  # noqa: ANN401
            if not answer.done():
                answer.set_result(result) if error is None else answer.set_exception(error)

        def hand_over(result: Any, error: BaseException | None) -> None:  # noqa: ANN401
            with contextlib.suppress(RuntimeError):  # the loop is closed
                loop.call_soon_threadsafe(finish, result, error)

        future.send_request()
        future.add_callbacks(lambda result: hand_over(result, None), lambda error: hand_over(None, error))
        try:
            made = await answer
        except Exception as error:
            raise translate_preparing(error) from error
        return self._keep(session, statement, made)

    def _keep(self, session: Any, statement: Statement, made: Any) -> Any:  # noqa: ANN401
        prepared = PreparedStatement.from_message(
            made.query_id,
            made.bind_metadata,
            made.pk_indexes,
            session.cluster.metadata,
            qualified(statement.text, self.address.keyspace),
            None,
            settings.PROTOCOL_VERSION,
            made.column_metadata,
            made.result_metadata_id,
            None,
        )
        prepared.is_idempotent = statement.kind in _REPEATABLE
        prepared.fetch_size = settings.PAGE_ROWS
        session.cluster.add_prepared(made.query_id, prepared)  # so that the driver can prepare it again on other nodes
        self._prepared[statement.text] = prepared
        return prepared

    # ---- for migrations and the preflight ------------------------------------------------------------------------

    def nodes(self) -> list[Node]:
        """The nodes that the cluster told of; nothing when there is no connection."""
        if self._cluster is None:
            return []
        hosts = self._cluster.metadata.all_hosts()
        return sorted(Node(str(host.endpoint), str(host.address), host.datacenter, bool(host.is_up)) for host in hosts)

    async def ask(self, text: str, node: str | None = None) -> list[Row]:
        """Rows that one node (``Node.endpoint``; any when None) reads from its own tables. Raises ``MetadataUnavailable``."""
        rows, _ = await self._plain(Kind.READ, settings.ASK, text, node)
        return rows or []

    async def change_schema(self, text: str, node: str | None = None) -> None:
        """A statement that changes the schema, through one node. Raises ``MetadataUnknown`` when it may have happened."""
        await self._plain(Kind.CAS, settings.SCHEMA, text, node)

    async def learn_replication(self) -> dict[str, str] | None:
        """Read where the copies of the keyspace are, for the driver and for the caller; None: there is no such keyspace."""
        found = await self.ask(_KEYSPACE.format(name=self.address.keyspace))
        if not found:
            return None
        self._learn_replication(*found[0])
        return dict(found[0][1])

    async def _plain(self, kind: Kind, profile: str, text: str, node: str | None) -> tuple[Any, bytes | None]:
        session = self._session
        if session is None:
            raise MetadataUnavailable(self._why)
        host = None
        if node is not None:
            host = next((host for host in self._cluster.metadata.all_hosts() if str(host.endpoint) == node), None)
            if host is None:
                raise MetadataUnavailable(f"{node} is no node of the metadata cluster any more")
        return await self._dispatch(
            kind,
            (text,),
            lambda: session.execute_async(SimpleStatement(text), execution_profile=self._profiles[profile], host=host),
        )


def qualified(text: str, keyspace: str) -> str:
    """The statement with its table's keyspace named: one that depends on USE is ambiguous once prepared (the server warns)."""
    return _TABLE.sub(rf"\1 {keyspace}.\2", text, count=1)


def _texts(bound: Sequence[Bound]) -> tuple[str, ...]:
    return tuple(each.statement.text for each in bound)


def _why_not_connected(address: CassandraAddress, cluster: Any, error: BaseException) -> str:  # noqa: ANN401
    """One sentence for the operator."""
    hosts = cluster.metadata.all_hosts() if cluster is not None else []
    known = sorted({host.datacenter for host in hosts if host.datacenter})
    if known and address.local_dc not in known:
        return f"the metadata cluster has no data centre {address.local_dc}; it has {', '.join(known)}"
    inner = error
    if isinstance(error, NoHostAvailable) and isinstance(error.errors, dict) and error.errors:
        inner = next(iter(error.errors.values()))
    points = ", ".join(f"{host}:{port}" for host, port in address.contact_points)
    return f"the metadata cluster cannot be reached at {points}: {type(inner).__name__}: {' '.join(str(inner).split())}"[:400]
