"""The SQLite file: schema, connections, and the one thread that writes, with group commit.

Whatever arrived while the last commit ran is the next transaction; each operation has its own savepoint, so that a refusal
undoes nothing of its neighbours. Writers of several processes queue on a lock file instead of polling SQLite's busy handler.
apsw is imported here only.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import queue
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import apsw

from dolmen.core.errors import ConfigError, Corruption, DolmenError
from dolmen.core.telemetry.log import get_logger
from dolmen.gateway.metadata.store import MetadataUnavailable, MetadataUnknown

Connection = apsw.Connection

SQLITE_VERSION_MIN = 3_051_003  # before it two connections may corrupt the file (WAL-reset bug, fixed in 3.51.3)
SCHEMA_VERSION = 1
BATCH_MAX = 256  # operations of one commit: bounds how long the file is locked
QUEUE_MAX = 16_384  # waiting operations; beyond this the caller is told to try again
BUSY_MS = 10_000  # a checkpoint or a reader's snapshot may hold the file for a moment
CHECKPOINT_PAGES = 2000  # about 8 MiB of WAL before it is copied back: bounds the file and the pause

SCHEMA = """
CREATE TABLE buckets (name TEXT PRIMARY KEY, bucket_id BLOB NOT NULL UNIQUE, owner TEXT NOT NULL, rev INTEGER NOT NULL,
  versioning INTEGER NOT NULL, record BLOB NOT NULL) STRICT, WITHOUT ROWID;
CREATE INDEX buckets_by_owner ON buckets (owner, name);
CREATE TABLE versions (bucket_id BLOB, key BLOB, slot INTEGER, record BLOB NOT NULL,
  PRIMARY KEY (bucket_id, key, slot DESC)) STRICT, WITHOUT ROWID;
CREATE TABLE listing (bucket_id BLOB, key BLOB, row BLOB NOT NULL, PRIMARY KEY (bucket_id, key)) STRICT, WITHOUT ROWID;
CREATE TABLE listing_versions (bucket_id BLOB, key BLOB, seq INTEGER, row BLOB NOT NULL,
  PRIMARY KEY (bucket_id, key, seq DESC)) STRICT, WITHOUT ROWID;
CREATE TABLE uploads (bucket_id BLOB, key BLOB, upload_id TEXT, completed_us INTEGER, record BLOB NOT NULL, result BLOB,
  PRIMARY KEY (bucket_id, key, upload_id)) STRICT, WITHOUT ROWID;
CREATE TABLE parts (upload_id TEXT, number INTEGER, record BLOB NOT NULL, PRIMARY KEY (upload_id, number)) STRICT, WITHOUT ROWID;
CREATE TABLE garbage (note_id BLOB PRIMARY KEY, due_us INTEGER NOT NULL, layout BLOB NOT NULL) STRICT, WITHOUT ROWID;
CREATE INDEX garbage_by_due ON garbage (due_us);
CREATE TABLE repairs (stripe_id BLOB PRIMARY KEY, record BLOB NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE cluster_map (id INTEGER PRIMARY KEY CHECK (id = 1), epoch INTEGER NOT NULL, raw BLOB NOT NULL) STRICT;
CREATE TABLE leases (name TEXT PRIMARY KEY, owner TEXT NOT NULL, until_us INTEGER NOT NULL, rev INTEGER NOT NULL)
  STRICT, WITHOUT ROWID;
"""

T = TypeVar("T")
Operation = Callable[[Connection], T]


@contextmanager
def translated() -> Iterator[None]:
    """SQLite's errors as ours; what is raised before a COMMIT has changed nothing."""
    try:
        yield
    except (apsw.CorruptError, apsw.NotADBError) as error:
        raise Corruption(f"metadata file: {error}") from error
    except apsw.Error as error:
        raise MetadataUnavailable(f"metadata file: {error}") from error


def connect(path: str, *, readonly: bool) -> Connection:
    """A connection with our pragmas."""
    flags = apsw.SQLITE_OPEN_READONLY if readonly else apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_CREATE
    connection = apsw.Connection(path, flags=flags)
    connection.set_busy_timeout(BUSY_MS)
    connection.execute("PRAGMA mmap_size = 0")
    if not readonly:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute(f"PRAGMA wal_autocheckpoint = {CHECKPOINT_PAGES}")
    return connection


def prepare(path: str) -> None:
    """Create the schema or check it. Raises ``ConfigError`` with one line."""
    version = tuple(int(part) for part in apsw.sqlite_lib_version().split("."))
    if version[0] * 1_000_000 + version[1] * 1000 + version[2] < SQLITE_VERSION_MIN:
        raise ConfigError(f"SQLite {apsw.sqlite_lib_version()} has the WAL-reset bug: 3.51.3 is needed")
    try:
        with locked(path):
            connection = connect(path, readonly=False)
            found = next(connection.execute("PRAGMA user_version"))[0]
            if found == 0:
                with connection:
                    connection.execute(SCHEMA)
                    connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
            elif found != SCHEMA_VERSION:
                raise ConfigError(f"metadata file {path} has schema {found}, this version knows {SCHEMA_VERSION}")
            connection.close()
    except (apsw.Error, OSError) as error:
        raise ConfigError(f"metadata file {path} cannot be used: {error}") from error


@contextmanager
def locked(path: str) -> Iterator[None]:
    """The turn of this process to write: first come, first served, without polling."""
    fd = os.open(f"{path}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        yield
    finally:
        os.close(fd)


def blob(value: object) -> bytes:
    """A BLOB column: STRICT tables hold nothing else."""
    assert isinstance(value, bytes)
    return value


def integer(value: object) -> int:
    """An INTEGER column."""
    assert isinstance(value, int)
    return value


class Writer:
    """The writing thread of one process."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._queue: queue.Queue[tuple[Operation[object], asyncio.Future[object]] | None] = queue.Queue(QUEUE_MAX)
        self._loop = asyncio.get_running_loop()
        self._connection = connect(path, readonly=False)
        self._lock_fd = os.open(f"{path}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self._thread = threading.Thread(target=self._work, name="metadata-writer", daemon=True)
        self._log = get_logger("metadata")
        self._thread.start()

    async def submit(self, operation: Operation[T]) -> T:
        """Run ``operation`` in the next transaction; its result comes after the commit is durable."""
        future: asyncio.Future[object] = self._loop.create_future()
        try:
            self._queue.put_nowait((operation, future))
        except queue.Full as error:
            raise MetadataUnavailable("too many metadata writes are waiting") from error
        return await future  # type: ignore[return-value]

    async def close(self) -> None:
        """Finish what was accepted."""
        self._queue.put(None)
        await self._loop.run_in_executor(None, self._thread.join)
        self._connection.close()
        os.close(self._lock_fd)

    def _work(self) -> None:
        stopping = False
        while not stopping:
            batch = []
            item = self._queue.get()
            while item is not None:
                batch.append(item)
                if len(batch) >= BATCH_MAX or self._queue.empty():
                    break
                item = self._queue.get()
            stopping = item is None
            if batch:
                outcomes = self._transaction([operation for operation, _ in batch])
                futures = [future for _, future in batch]
                self._loop.call_soon_threadsafe(_deliver, futures, outcomes)

    def _transaction(self, operations: list[Operation[object]]) -> list[object]:
        """One commit for all; an exception in the list is that operation's refusal."""
        fcntl.flock(self._lock_fd, fcntl.LOCK_EX)
        try:
            try:
                with translated():
                    self._connection.execute("BEGIN IMMEDIATE")
                outcomes = [self._one(operation) for operation in operations]
            except DolmenError as error:
                self._rollback()
                return [error] * len(operations)
            try:
                self._connection.execute("COMMIT")
            except apsw.Error as error:
                self._log.error("commit failed", error=str(error))
                self._rollback()
                unknown = MetadataUnknown(f"commit failed: {error}")
                return [outcome if isinstance(outcome, Exception) else unknown for outcome in outcomes]
            return outcomes
        finally:
            fcntl.flock(self._lock_fd, fcntl.LOCK_UN)

    def _one(self, operation: Operation[object]) -> object:
        with translated():
            self._connection.execute("SAVEPOINT operation")
        try:
            with translated():
                result = operation(self._connection)
        except Exception as error:  # noqa: BLE001 - whatever an operation raises belongs to its caller alone
            with translated():
                self._connection.execute("ROLLBACK TO operation; RELEASE operation")
            return error
        with translated():
            self._connection.execute("RELEASE operation")
        return result

    def _rollback(self) -> None:
        try:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
        except apsw.Error as error:
            self._log.error("rollback failed", error=str(error))


def _deliver(futures: list[asyncio.Future[object]], outcomes: list[object]) -> None:
    """In the loop: one wake-up for a whole batch."""
    for future, outcome in zip(futures, outcomes, strict=True):
        if future.done():
            continue
        if isinstance(outcome, Exception):
            future.set_exception(outcome)
        else:
            future.set_result(outcome)
