"""A session with the metadata cluster: the ``Cql`` port over ``cassandra-driver``.

The driver works in threads of its own (one for sockets, a few for connecting). Statements are sent from the loop without
waiting; their replies come back through a ``ReplyQueue``. Nothing here waits for the driver on the loop.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from cassandra.query import BatchStatement, BatchType, SimpleStatement  # type: ignore[import-untyped]
from dolmen.core.clock import Clock, SystemClock
from dolmen.core.errors import ConfigError, DolmenError
from dolmen.core.telemetry.log import get_logger
from dolmen.gateway.metadata.cassandra import driver_settings as settings
from dolmen.gateway.metadata.cassandra import statement_metrics as metrics
from dolmen.gateway.metadata.cassandra.address import CassandraAddress
from dolmen.gateway.metadata.cassandra.breaker import PROBE_SECONDS, Breaker
from dolmen.gateway.metadata.cassandra.cql import BATCH_STATEMENTS_MAX, Bound, CasReply, Kind, NotSent, Row, Statement
from dolmen.gateway.metadata.cassandra.driver_errors import StatementRefused, is_answer, is_silence, is_timeout, translate
from dolmen.gateway.metadata.cassandra.driver_link import Link
from dolmen.gateway.metadata.cassandra.driver_prepare import Preparer
from dolmen.gateway.metadata.cassandra.gate import Gate
from dolmen.gateway.metadata.cassandra.preflight import Node, Preflight
from dolmen.gateway.metadata.cassandra.replies import ReplyQueue
from dolmen.gateway.metadata.store import MetadataUnavailable, MetadataUnknown

SILENT = "the metadata cluster does not answer"
OPEN_AGAIN_SECONDS = 1.0  # between attempts to reach a cluster that was down at start
_CONDITIONAL = (Kind.CAS, Kind.GLOBAL_CAS)
_PROBE = Statement("SELECT id FROM schema_migrations LIMIT 1", Kind.READ)
_KEYSPACE = "SELECT durable_writes, replication FROM system_schema.keyspaces WHERE keyspace_name = '{name}'"

_log = get_logger("cassandra")


class _Reply(NamedTuple):
    """What a thread of the driver hands over."""

    call: _Call
    result: Any
    paging_state: bytes | None
    error: BaseException | None


class _Call:
    """One statement in flight. Its callbacks run in threads of the driver, perhaps twice when it was speculated."""

    __slots__ = ("began", "counts", "kind", "over", "put", "response", "waiter")

    def __init__(
        self, kind: Kind, waiter: asyncio.Future[tuple[Any, bytes | None]], put: Callable[[_Reply], None], counts: bool
    ) -> None:
        self.kind = kind
        self.counts = counts  # for the breaker: one node that tells about itself proves no quorum
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

    ``on_statement`` is called for each round trip (a batch is one, each page is one), on the loop: a counter of tests.
    """

    def __init__(
        self,
        address: CassandraAddress,
        clock: Clock | None = None,
        *,
        on_statement: Callable[[], None] | None = None,
        link: Link | None = None,
    ) -> None:
        self.address = address
        self._on_statement = on_statement
        self._gate = Gate()
        self._breaker = Breaker()
        self._link = link or Link(address)
        self._preparer = Preparer(self._link, address.keyspace, self._judge)
        self._preflight = Preflight(self, address, clock or SystemClock())
        self._replies: ReplyQueue[_Reply] | None = None
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
        """End everything. Statements in flight end with an error. Again: nothing."""
        if self._watcher is not None:
            self._watcher.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._watcher
        self._preparer.close()
        await self._link.close()

    def ready(self) -> list[str]:
        """Why this process cannot serve; empty when it can."""
        if not self._link.is_open:
            return [self._link.why]
        if self._breaker.is_open:
            return [SILENT]
        return self._preflight.reasons()

    def warnings(self) -> list[str]:
        """What the preflight found that is no reason not to serve."""
        return self._preflight.warnings()

    async def _watch(self, wait: float) -> None:
        while True:
            await asyncio.sleep(wait)
            try:
                wait = await self._look()
            except ConfigError:  # a file was there at start and is not now: ``ready`` tells
                wait = OPEN_AGAIN_SECONDS
            except Exception as error:  # noqa: BLE001 - whatever it was: without this task nothing would find the way back
                _log.exception("looking at the metadata cluster failed", error=str(error))
                wait = OPEN_AGAIN_SECONDS

    async def _look(self) -> float:
        """Do what is due; how many seconds until the next look."""
        if not self._link.is_open:
            await self._link.open()
            if not self._link.is_open:
                return OPEN_AGAIN_SECONDS
        if self._breaker.is_open:
            with contextlib.suppress(DolmenError):
                await self.run(_PROBE)
        metrics.BREAKER_OPEN.set(self._breaker.is_open)
        if self._breaker.is_open:
            return PROBE_SECONDS
        return min(await self._preflight.look(), PROBE_SECONDS)

    # ---- statements ----------------------------------------------------------------------------------------------

    async def run(self, statement: Statement, *values: object) -> list[Row]:
        """As ``Cql.run``."""
        kind = statement.kind
        if kind in _CONDITIONAL:
            raise StatementRefused("a conditional statement is sent by cas()")
        bound = await self._bind(statement, values)
        rows, more = await self._send(kind, bound)
        while more is not None:
            page, more = await self._send(kind, bound, more)
            rows += page
        return rows or []

    async def cas(self, bound: Sequence[Bound]) -> CasReply:
        """As ``Cql.cas``."""
        kind = bound[0].statement.kind
        if kind not in _CONDITIONAL or any(each.statement.kind is not kind for each in bound):
            raise StatementRefused("a conditional batch is of CAS or of GLOBAL_CAS statements alone")
        (names, rows), _ = await self._send(kind, await self._join(bound, repeatable=False))
        if rows[0][0]:
            return CasReply(True, (), ())
        return CasReply(False, names[1:], tuple(row[1:] for row in rows) if len(names) > 1 else ())

    async def batch(self, bound: Sequence[Bound]) -> None:
        """As ``Cql.batch``."""
        if len(bound) > BATCH_STATEMENTS_MAX or any(each.statement.kind is not Kind.WRITE for each in bound):
            raise StatementRefused(f"a plain batch is of at most {BATCH_STATEMENTS_MAX} WRITE statements")
        if bound:
            await self._send(Kind.WRITE, await self._join(bound, repeatable=True))

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
        if self._breaker.is_open and statement is not _PROBE and not self._preparer.has(statement):
            raise NotSent(SILENT)  # preparing would wait for nothing
        return await self._preparer.bind(statement, values)

    async def _send(self, kind: Kind, query: Any, paging_state: bytes | None = None) -> tuple[Any, bytes | None]:  # noqa: ANN401
        """One round trip: the result as the profile's row factory makes it, and where the next page begins."""
        execute, profile = self._link.session.execute_async, self._link.profiles[kind]
        return await self._dispatch(kind, lambda: execute(query, execution_profile=profile, paging_state=paging_state))

    async def _dispatch(self, kind: Kind, send: Callable[[], Any], *, counts: bool = True) -> tuple[Any, bytes | None]:
        assert self._replies is not None, "connect() comes first"
        if counts and not self._breaker.allows(time.monotonic()):
            metrics.UNAVAILABLE[kind].inc()
            raise NotSent(SILENT)
        if not self._gate.try_enter():
            await self._gate.enter()
            if counts and self._breaker.is_open:  # it fell silent while this one waited
                self._gate.leave()
                raise NotSent(SILENT)
        waiter: asyncio.Future[tuple[Any, bytes | None]] = asyncio.get_running_loop().create_future()
        call = _Call(kind, waiter, self._replies.put, counts)
        metrics.SENT[kind].inc()
        metrics.IN_FLIGHT.inc()
        if self._on_statement is not None:
            self._on_statement()
        try:
            call.response = send()
        except BaseException as error:
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
            if call.counts:
                self._breaker.answered(time.monotonic())
            if len(call.response.attempted_hosts) > 1:
                self._link.overtaken(call.response)
            if not call.waiter.done():
                call.waiter.set_result((reply.result, reply.paging_state))
            return
        if call.counts:
            self._judge(error, call.began)
        if is_silence(error):
            self._link.silent(call.response)
        translated = translate(call.kind, error, was_sent=bool(call.response.attempted_hosts))
        translated.__cause__ = error
        _count_failure(call.kind, translated)
        if not call.waiter.done():
            call.waiter.set_exception(translated)

    def _judge(self, error: BaseException, began: float) -> None:
        if is_timeout(error):
            self._breaker.timed_out(began, time.monotonic())
        elif is_answer(error):
            self._breaker.answered(time.monotonic())

    def _finish(self, call: _Call) -> None:
        call.over = True
        self._gate.leave()
        metrics.IN_FLIGHT.dec()
        metrics.TOOK[call.kind].observe(time.monotonic() - call.began)

    # ---- for migrations and the preflight ------------------------------------------------------------------------

    def nodes(self) -> list[Node]:
        """The nodes that the cluster told of, in the order of their addresses; none when there is no connection."""
        return self._link.nodes()

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
        durable, replication = found[0]
        self._link.learn_replication(durable, replication)
        return dict(replication)

    async def _plain(self, kind: Kind, profile: str, text: str, node: str | None) -> tuple[Any, bytes | None]:
        execute, chosen = self._link.session.execute_async, self._link.profiles[profile]
        host = None if node is None else self._link.host(node)
        query = SimpleStatement(text, is_idempotent=kind is Kind.READ)
        return await self._dispatch(kind, lambda: execute(query, execution_profile=chosen, host=host), counts=False)


def _count_failure(kind: Kind, error: DolmenError) -> None:
    if isinstance(error, MetadataUnknown):
        metrics.UNKNOWN[kind].inc()
    elif isinstance(error, MetadataUnavailable):
        metrics.UNAVAILABLE[kind].inc()
    else:
        metrics.REFUSED[kind].inc()
