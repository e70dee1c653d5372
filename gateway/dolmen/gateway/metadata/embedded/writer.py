"""Group commit: whatever arrived while the last commit ran is the next transaction.

The statements run in the event loop, the wait for the disk in a thread. SQLite's statements take a few microseconds each; a
thread that ran them beside a busy loop would wait for the interpreter's lock after every single one. A transaction that takes
long gives the loop back in between.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable, Sequence
from queue import SimpleQueue
from typing import TypeVar

from dolmen.core.clock import Clock
from dolmen.core.errors import DolmenError
from dolmen.core.telemetry.log import get_logger
from dolmen.gateway.metadata.embedded.database import Connection, Execute, SqliteError, Turn, connect, ours
from dolmen.gateway.metadata.records import Versioning
from dolmen.gateway.metadata.store import MetadataUnavailable, MetadataUnknown

BATCH_OPERATIONS = 256  # of one commit, unless one request alone has more: bounds how long the file is locked
WAITING_MAX = 16_384  # requests; beyond this the caller is told to try again
SLICE_SECONDS = 0.004  # statements of a transaction in one go; then the loop serves others


class Transaction:
    """The writing connection, and what was read through it in this transaction."""

    __slots__ = ("connection", "execute", "versioning")

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.execute: Execute = connection.cursor().execute
        self.versioning: dict[bytes, Versioning] = {}


T = TypeVar("T")
Operation = Callable[[Transaction], T]


class _Request:
    """Operations of one caller: all in one transaction, each with its own outcome."""

    __slots__ = ("future", "operations", "outcomes")

    def __init__(self, operations: Sequence[Operation[object]], future: asyncio.Future[list[object]]) -> None:
        self.operations = operations
        self.future = future
        self.outcomes: list[object] = []


class _WroteAndFailed(Exception):
    """An operation raised after it had written: the transaction is run again with savepoints."""


class Writer:
    """Writes of one process. All methods belong to the event loop that made it."""

    def __init__(self, path: str, clock: Clock, on_commit: Callable[[int], None]) -> None:
        """``on_commit`` is told the pages of the log after each commit, in the writing thread."""
        self._clock = clock
        self._loop = asyncio.get_running_loop()
        self._turn = Turn(path)
        self._connection = connect(path, readonly=False)

        def committed(_connection: Connection, _name: str, wal_pages: int) -> int:
            on_commit(wal_pages)
            return 0  # SQLITE_OK

        self._connection.set_wal_hook(committed)
        self._transaction = Transaction(self._connection)
        self._waiting: deque[_Request] = deque()
        self._batch: list[_Request] = []
        self._at = 0  # the request of the batch that runs
        self._changes = 0  # of the connection when the transaction began
        self._careful = False  # each operation in a savepoint
        self._busy = False
        self._closed = False
        self._idle = asyncio.Event()
        self._jobs: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._log = get_logger("metadata")
        self._thread = threading.Thread(target=self._work, name="metadata-writer", daemon=True)
        self._thread.start()

    async def submit(self, operation: Operation[T]) -> T:
        """Run ``operation`` in the next transaction; its result comes after the commit is durable.

        An operation may run twice (the first time undone), so it must have no effect but on the transaction.
        """
        outcome = (await self.submit_all((operation,)))[0]
        if isinstance(outcome, Exception):
            raise outcome
        return outcome  # type: ignore[return-value]

    async def submit_all(self, operations: Sequence[Operation[object]]) -> list[object]:
        """Run them in order in one transaction; an outcome that is an exception is that operation's refusal."""
        if self._closed:
            raise MetadataUnavailable("the metadata store is closed")
        if len(self._waiting) >= WAITING_MAX:
            raise MetadataUnavailable("too many metadata writes are waiting")
        future: asyncio.Future[list[object]] = self._loop.create_future()
        self._waiting.append(_Request(operations, future))
        if not self._busy:
            self._busy = True
            self._loop.call_soon(self._start)  # after whatever else this turn of the loop submits
        return await future

    async def close(self) -> None:
        """Finish what was accepted."""
        self._closed = True
        while self._busy:
            self._idle.clear()
            await self._idle.wait()
        self._jobs.put(None)
        await self._loop.run_in_executor(None, self._thread.join)
        self._connection.close()
        self._turn.close()

    # ---- in the thread: whatever waits -----------------------------------------------------------------------------

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            job()

    def _wait_for_turn(self) -> None:
        error: DolmenError | None = None
        try:
            self._turn.acquire()
        except OSError as failure:
            error = MetadataUnavailable(f"metadata lock: {failure}")
        self._loop.call_soon_threadsafe(self._begin, error)

    def _commit(self) -> None:
        error: DolmenError | None = None
        try:
            self._connection.execute("COMMIT")
        except SqliteError as failure:
            error = MetadataUnknown(f"commit failed: {failure}")
            self._rollback()
        self._turn.release()
        self._loop.call_soon_threadsafe(self._finish, error)

    # ---- in the loop -----------------------------------------------------------------------------------------------

    def _start(self) -> None:
        try:
            mine = self._turn.try_acquire()
        except OSError as failure:
            self._begin(MetadataUnavailable(f"metadata lock: {failure}"))
            return
        if mine:
            self._begin(None)
        else:
            self._jobs.put(self._wait_for_turn)

    def _begin(self, error: DolmenError | None) -> None:
        """It is our turn (or it never will be, and ``error`` says why)."""
        room = BATCH_OPERATIONS
        self._batch = []
        while self._waiting and (not self._batch or len(self._waiting[0].operations) <= room):
            room -= len(self._waiting[0].operations)
            self._batch.append(self._waiting.popleft())
        if error is not None:
            self._finish(error)
        else:
            self._open(careful=False)

    def _open(self, *, careful: bool) -> None:
        self._careful, self._at = careful, 0
        for request in self._batch:
            request.outcomes.clear()
        self._transaction.versioning.clear()
        try:
            self._connection.execute("BEGIN IMMEDIATE")
        except SqliteError as failure:
            self._fail(ours(failure))
            return
        self._changes = self._connection.total_changes()
        self._step()

    def _step(self) -> None:
        """Run operations until the slice is over or all are done."""
        until = self._clock.monotonic_seconds() + SLICE_SECONDS
        try:
            while self._at < len(self._batch):
                request = self._batch[self._at]
                for operation in request.operations[len(request.outcomes) :]:
                    request.outcomes.append(self._run(operation))
                    if self._clock.monotonic_seconds() > until:
                        self._loop.call_soon(self._step)
                        return
                self._at += 1
        except _WroteAndFailed:
            self._rollback()
            self._open(careful=True)
            return
        except DolmenError as error:
            self._fail(error)
            return
        if self._connection.total_changes() == self._changes:
            self._rollback()  # nothing to make durable
            self._turn.release()
            self._finish(None)
        else:
            self._jobs.put(self._commit)

    def _run(self, operation: Operation[object]) -> object:
        """The operation's outcome. Raises ``DolmenError`` when the transaction is lost with it."""
        if self._careful:
            self._execute("SAVEPOINT operation")
        before = self._connection.total_changes()
        try:
            outcome = operation(self._transaction)
        except Exception as error:  # whatever an operation raises belongs to its caller alone
            outcome = ours(error) if isinstance(error, SqliteError) else error
            if not self._connection.in_transaction:  # SQLite gave up all of it: disk full, I/O error
                raise MetadataUnavailable(f"the transaction was lost: {error}") from error
            if self._careful:
                self._execute("ROLLBACK TO operation")
            elif self._connection.total_changes() != before:
                raise _WroteAndFailed from error
        if self._careful:
            self._execute("RELEASE operation")
        return outcome

    def _execute(self, statement: str) -> None:
        try:
            self._connection.execute(statement)
        except SqliteError as error:
            raise ours(error) from error

    def _fail(self, error: DolmenError) -> None:
        """Nothing of the batch happened."""
        self._rollback()
        self._turn.release()
        self._finish(error)

    def _rollback(self) -> None:
        try:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
        except SqliteError as error:
            self._log.error("rollback failed", error=str(error))

    def _finish(self, error: DolmenError | None) -> None:
        """Tell the callers; one wake-up of the loop for a whole batch."""
        if error is not None:
            self._log.error("a metadata transaction failed", error=str(error), requests=len(self._batch))
        for request in self._batch:
            if request.future.done():
                continue  # its caller went away
            if error is None:
                request.future.set_result(request.outcomes)
            elif isinstance(error, MetadataUnknown) and all(isinstance(o, Exception) for o in request.outcomes):
                # refused, but by what may never have been committed: it changed nothing, and may be tried again
                request.future.set_exception(MetadataUnavailable(str(error)))
            else:
                request.future.set_exception(_copy(error))
        self._batch = []
        if self._waiting:
            self._loop.call_soon(self._start)  # after the callers that were just told: their next writes come along
        else:
            self._busy = False
            self._idle.set()


def _copy(error: DolmenError) -> DolmenError:
    """Each waiter raises its own: tracebacks are not shared."""
    return type(error)(*error.args)
