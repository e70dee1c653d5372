"""Prepared statements of a session: each is prepared once, when it is first used, without a thread that waits for it."""

from __future__ import annotations

import asyncio
import contextlib
import re
import time
from collections.abc import Callable
from typing import Any

from cassandra.cluster import ResponseFuture  # type: ignore[import-untyped]
from cassandra.policies import ConstantSpeculativeExecutionPolicy, RetryPolicy  # type: ignore[import-untyped]
from cassandra.protocol import PrepareMessage  # type: ignore[import-untyped]
from cassandra.query import PreparedStatement  # type: ignore[import-untyped]
from dolmen.gateway.metadata.cassandra import driver_settings as settings
from dolmen.gateway.metadata.cassandra.cql import Kind, Statement
from dolmen.gateway.metadata.cassandra.driver_errors import StatementRefused, translate_preparing
from dolmen.gateway.metadata.cassandra.driver_link import Link

_REPEATABLE = (Kind.READ, Kind.WRITE)  # these alone may be sent twice by the driver
_TABLE = re.compile(r"\b(FROM|INTO|UPDATE)\s+([a-z_][a-z0-9_]*)\b(?!\.)", re.IGNORECASE)  # a statement names one table


def qualified(text: str, keyspace: str) -> str:
    """The statement with its table's keyspace named: one that depends on USE is ambiguous once prepared (the server warns)."""
    return _TABLE.sub(rf"\1 {keyspace}.\2", text, count=1)


class Preparer:
    """The driver's prepared statements by their text. ``judge`` hears every error of preparing, and when it began."""

    def __init__(self, link: Link, keyspace: str, judge: Callable[[BaseException, float], None]) -> None:
        self._link = link
        self._keyspace = keyspace
        self._judge = judge
        self._prepared: dict[str, Any] = {}  # bounded by the statements in our source
        self._preparing: dict[str, asyncio.Task[Any]] = {}

    def close(self) -> None:
        """Nobody waits any more."""
        for task in list(self._preparing.values()):
            task.cancel()

    def has(self, statement: Statement) -> bool:
        return statement.text in self._prepared

    async def bind(self, statement: Statement, values: tuple[object, ...]) -> Any:  # noqa: ANN401
        """A bound statement of the driver. Raises ``MetadataUnavailable``, ``StatementRefused``."""
        prepared = self._prepared.get(statement.text) or await self._prepare(statement)
        if len(values) != len(prepared.column_metadata):  # too few would silently leave columns as they are
            raise StatementRefused(f"{len(values)} values for {len(prepared.column_metadata)} places: {statement.text}")
        try:
            bound = prepared.bind(values)
        except (TypeError, ValueError, OverflowError, AttributeError) as error:
            raise StatementRefused(f"a value does not fit: {error}: {statement.text}") from error
        bound.is_idempotent = statement.kind in _REPEATABLE
        return bound

    async def _prepare(self, statement: Statement) -> Any:  # noqa: ANN401
        """Callers that come meanwhile wait for the same answer, whoever of them goes away."""
        task = self._preparing.get(statement.text)
        if task is None:
            task = asyncio.create_task(self._prepare_now(statement))
            self._preparing[statement.text] = task
            task.add_done_callback(lambda done: self._forget(statement.text, done))
        return await asyncio.shield(task)

    def _forget(self, text: str, task: asyncio.Task[Any]) -> None:
        self._preparing.pop(text, None)
        if not task.cancelled():
            task.exception()  # looked at, although every caller may have gone

    async def _prepare_now(self, statement: Statement) -> Any:  # noqa: ANN401
        session = self._link.session
        text = qualified(statement.text, self._keyspace)
        began = time.monotonic()
        try:
            made = await self._ask(session, text)
        except Exception as error:
            self._judge(error, began)
            raise translate_preparing(error) from error
        prepared = PreparedStatement.from_message(
            made.query_id,
            made.bind_metadata,
            made.pk_indexes,
            session.cluster.metadata,
            text,
            None,
            settings.PROTOCOL_VERSION,
            made.column_metadata,
            made.result_metadata_id,
            None,
        )
        prepared.fetch_size = settings.PAGE_ROWS
        session.cluster.add_prepared(made.query_id, prepared)  # so that the driver can prepare it again on other nodes
        self._prepared[statement.text] = prepared
        return prepared

    async def _ask(self, session: Any, text: str) -> Any:  # noqa: ANN401
        """What ``Session.prepare`` of the driver does; it would wait in a thread for up to ten seconds."""
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Any] = loop.create_future()

        def finish(result: Any, error: BaseException | None) -> None:  # noqa: ANN401
            if answer.done():
                return
            if error is None:
                answer.set_result(result)
            else:
                answer.set_exception(error)

        def hand_over(result: Any, error: BaseException | None) -> None:  # noqa: ANN401
            with contextlib.suppress(RuntimeError):  # the loop is closed
                loop.call_soon_threadsafe(finish, result, error)

        request = ResponseFuture(
            session,
            PrepareMessage(query=text),
            None,
            settings.REQUEST_SECONDS,
            retry_policy=RetryPolicy(),
            load_balancer=self._link.profiles[Kind.READ].load_balancing_policy,
            speculative_execution_plan=ConstantSpeculativeExecutionPolicy(
                settings.SPECULATION_SECONDS, settings.SPECULATIONS_MAX
            ).new_plan(None, None),
        )
        request.send_request()
        request.add_callbacks(lambda result: hand_over(result, None), lambda error: hand_over(None, error))
        return await answer
