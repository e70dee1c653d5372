"""The SQLite file: schema, connections, and whose turn it is to write. apsw is imported in this room only."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Protocol

import apsw

from dolmen.core.errors import ConfigError, Corruption, DolmenError
from dolmen.gateway.metadata.rows import decode_row
from dolmen.gateway.metadata.store import MetadataUnavailable

Connection = apsw.Connection
SqliteError = apsw.Error


class Rows(Protocol):
    """What a statement found. The tables are STRICT: the types of columns are those of the schema."""

    def fetchall(self) -> list[tuple[Any, ...]]: ...


Execute = Callable[..., Rows]  # of one cursor: fetch everything, a half-read statement would keep its snapshot

SQLITE_VERSION_MIN = 3_051_003  # before it two connections may corrupt the file (WAL-reset bug, fixed in 3.51.3)
SCHEMA_VERSION = 3
BUSY_MS = 10_000  # recovery of another process's log may hold the file for a moment
READ_CACHE_KIB = 4096  # of a reading connection; it is dropped whenever somebody commits, the kernel's cache does the work
WRITE_CACHE_KIB = 24_576  # of the writing connection: inner pages of some million keys, and the pages of one commit
WAL_KEPT_BYTES = 64 << 20  # a log that a burst has made longer is cut to this

# versions: ``row`` is what lists tell and comes first, so that a version list never touches the pages of long records.
# ``slot`` is the sequence of a version with an id, or above all of them for the null version: the newest come first.
SCHEMA = """
CREATE TABLE buckets (name TEXT PRIMARY KEY, bucket_id BLOB NOT NULL UNIQUE, owner TEXT NOT NULL, rev INTEGER NOT NULL,
  versioning INTEGER NOT NULL, record BLOB NOT NULL) STRICT, WITHOUT ROWID;
CREATE INDEX buckets_by_owner ON buckets (owner, name);
CREATE TABLE versions (bucket_id BLOB, key BLOB, slot INTEGER, seq INTEGER NOT NULL, row BLOB NOT NULL, rest BLOB NOT NULL,
  PRIMARY KEY (bucket_id, key, slot DESC)) STRICT, WITHOUT ROWID;
CREATE TABLE listing (bucket_id BLOB, key BLOB, row BLOB NOT NULL, PRIMARY KEY (bucket_id, key)) STRICT, WITHOUT ROWID;
CREATE TABLE uploads (bucket_id BLOB, key BLOB, upload_id TEXT, record BLOB NOT NULL,
  PRIMARY KEY (bucket_id, key, upload_id)) STRICT, WITHOUT ROWID;
CREATE TABLE completions (bucket_id BLOB, key BLOB, upload_id TEXT, completed_us INTEGER NOT NULL, record BLOB NOT NULL,
  PRIMARY KEY (bucket_id, key, upload_id)) STRICT, WITHOUT ROWID;
CREATE INDEX completions_by_time ON completions (completed_us);
CREATE TABLE parts (upload_id TEXT, number INTEGER, record BLOB NOT NULL, PRIMARY KEY (upload_id, number)) STRICT, WITHOUT ROWID;
CREATE TABLE garbage (note_id BLOB PRIMARY KEY, due_us INTEGER NOT NULL, layout BLOB NOT NULL) STRICT, WITHOUT ROWID;
CREATE INDEX garbage_by_due ON garbage (due_us);
CREATE TABLE repairs (stripe_id BLOB PRIMARY KEY, record BLOB NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE cluster_map (id INTEGER PRIMARY KEY CHECK (id = 1), epoch INTEGER NOT NULL, raw BLOB NOT NULL) STRICT;
CREATE TABLE leases (name TEXT PRIMARY KEY, owner TEXT NOT NULL, until_us INTEGER NOT NULL, rev INTEGER NOT NULL)
  STRICT, WITHOUT ROWID;
"""

# Version 2: events and documents.
_TO_2 = """
CREATE TABLE events (event_id BLOB PRIMARY KEY, due_us INTEGER NOT NULL, record BLOB NOT NULL) STRICT, WITHOUT ROWID;
CREATE INDEX events_by_due ON events (due_us);
CREATE TABLE documents (space TEXT, kind TEXT, name TEXT, rev INTEGER NOT NULL, raw BLOB NOT NULL,
  PRIMARY KEY (space, kind, name)) STRICT, WITHOUT ROWID;
CREATE TABLE spaces (space TEXT PRIMARY KEY, rev INTEGER NOT NULL) STRICT, WITHOUT ROWID;
"""
# Version 3: what each bucket holds, counted in the transaction of every change.
_TO_3 = """
CREATE TABLE usage (bucket_id BLOB PRIMARY KEY, objects INTEGER NOT NULL, bytes INTEGER NOT NULL) STRICT, WITHOUT ROWID;
"""
MIGRATIONS = {1: SCHEMA, 2: _TO_2, 3: _TO_3}  # version: the statements that lead to it from the one before


def _count_usage(connection: Connection) -> None:
    """Of the versions that are there already."""
    sums: dict[bytes, tuple[int, int]] = {}
    for bucket_id, raw in connection.execute("SELECT bucket_id, row FROM versions"):
        row = decode_row(blob(raw))
        if not row.is_delete_marker:
            objects, size_bytes = sums.get(blob(bucket_id), (0, 0))
            sums[blob(bucket_id)] = objects + 1, size_bytes + row.size
    for held, (objects, size_bytes) in sums.items():
        connection.execute("INSERT INTO usage VALUES (?, ?, ?)", (held, objects, size_bytes))


FILLS = {3: _count_usage}  # what a new table needs to know of a file that is in use


def ours(error: SqliteError) -> DolmenError:
    """SQLite's error as ours. What is raised before a COMMIT has changed nothing."""
    if isinstance(error, apsw.CorruptError | apsw.NotADBError):
        return Corruption(f"metadata file: {error}")
    return MetadataUnavailable(f"metadata file: {error}")


@contextmanager
def translated() -> Iterator[None]:
    """Raises SQLite's errors as ours."""
    try:
        yield
    except SqliteError as error:
        raise ours(error) from error


def connect(path: str, *, readonly: bool) -> Connection:
    """A connection with our pragmas. Nobody but ``Checkpointer`` copies the log back while the file is in use."""
    flags = apsw.SQLITE_OPEN_READONLY if readonly else apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_CREATE
    connection = apsw.Connection(path, flags=flags)
    connection.set_busy_timeout(BUSY_MS)
    connection.execute("PRAGMA mmap_size = 0")
    connection.execute(f"PRAGMA cache_size = -{READ_CACHE_KIB if readonly else WRITE_CACHE_KIB}")
    if not readonly:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA wal_autocheckpoint = 0")
        connection.execute(f"PRAGMA journal_size_limit = {WAL_KEPT_BYTES}")
    return connection


def prepare(path: str) -> None:
    """Create the schema or check it. Raises ``ConfigError`` with one line."""
    version = tuple(int(part) for part in apsw.sqlite_lib_version().split("."))
    if version[0] * 1_000_000 + version[1] * 1000 + version[2] < SQLITE_VERSION_MIN:
        raise ConfigError(f"SQLite {apsw.sqlite_lib_version()} has the WAL-reset bug: 3.51.3 is needed")
    directory = os.path.dirname(path) or "."
    if not os.path.isdir(directory):
        raise ConfigError(f"metadata file {path} cannot be used: {directory} is no directory")
    if not os.access(directory, os.W_OK | os.X_OK):  # the log and the lock file are made beside it
        raise ConfigError(f"metadata file {path} cannot be used: {directory} is not writable")
    turn = Turn(path)
    try:
        turn.acquire()
        _check_schema(path)
    except (SqliteError, OSError) as error:
        raise ConfigError(f"metadata file {path} cannot be used: {' '.join(str(error).split())}") from error
    finally:
        turn.close()


def _check_schema(path: str) -> None:
    connection = connect(path, readonly=False)
    try:
        found = integer(connection.execute("PRAGMA user_version").fetchall()[0][0])
        if found > SCHEMA_VERSION:
            raise ConfigError(f"metadata file {path} has a newer schema ({found}) than this program knows ({SCHEMA_VERSION})")
        if found < SCHEMA_VERSION:
            with connection:
                for version in range(found + 1, SCHEMA_VERSION + 1):
                    connection.execute(MIGRATIONS[version])
                    if version in FILLS and found:
                        FILLS[version](connection)
                connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
    finally:
        connection.close()


class Turn:
    """Whose turn it is to write the file: a lock between processes, and between this one's writer and checkpointer.

    Two locks, so that nobody is passed over by a busy neighbour: whoever waits for the file holds the queue, and who comes
    back at once finds it taken. The kernel releases both when a process dies.
    """

    def __init__(self, path: str) -> None:
        """Raises ``ConfigError``."""
        self._fds: list[int] = []
        try:
            for name in ("queue", "lock"):
                self._fds.append(os.open(f"{path}.{name}", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
        except OSError as error:
            self.close()
            raise ConfigError(f"metadata file {path} cannot be used: {error}") from error

    def acquire(self) -> None:
        """Wait for it. Raises ``OSError``."""
        queue, lock = self._fds
        fcntl.flock(queue, fcntl.LOCK_EX)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
        finally:
            fcntl.flock(queue, fcntl.LOCK_UN)

    def try_acquire(self) -> bool:
        """Take it if nobody has it or waits for it. Raises ``OSError``."""
        queue, lock = self._fds
        try:
            fcntl.flock(queue, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        finally:
            fcntl.flock(queue, fcntl.LOCK_UN)
        return True

    def release(self) -> None:
        fcntl.flock(self._fds[1], fcntl.LOCK_UN)

    def close(self) -> None:
        """Release what is held."""
        while self._fds:
            os.close(self._fds.pop())


def blob(value: object) -> bytes:
    """A BLOB column: STRICT tables hold nothing else."""
    assert isinstance(value, bytes)
    return value


def text(value: object) -> str:
    """A TEXT column."""
    assert isinstance(value, str)
    return value


def integer(value: object) -> int:
    """An INTEGER column."""
    assert isinstance(value, int)
    return value
