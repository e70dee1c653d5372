"""Copying the write-ahead log back into the file, beside the commits instead of within one.

Readers and writers go on meanwhile. The log starts again from its beginning at the first commit that finds all of it copied;
under steady load that moment may not come by itself, so a long log gets a turn of its own for the rest of it.
"""

from __future__ import annotations

import threading

import apsw

from dolmen.core.telemetry.log import get_logger
from dolmen.gateway.metadata.embedded.database import SqliteError, Turn, connect

CHECKPOINT_PAGES = 4000  # 16 MiB more of log: large enough that hot pages are copied once for many commits
LOG_PAGES_MAX = 16_000  # 64 MiB: then writers wait until the rest is copied; bounds the file, and what a restart reads
CATCH_UP_ROUNDS = 2  # each copies what came during the one before, so that little is left for the turn


class Checkpointer:
    """One thread with its own connection. Several processes may have one: SQLite lets one work at a time."""

    def __init__(self, path: str) -> None:
        self._connection = connect(path, readonly=False)
        self._turn = Turn(path)
        self._due = threading.Event()
        self._copied_pages = 0  # of the log, when a copy was last asked for
        self._closing = False
        self._log = get_logger("metadata")
        self._thread = threading.Thread(target=self._work, name="metadata-checkpoint", daemon=True)
        self._thread.start()

    def committed(self, wal_pages: int) -> None:
        """The log has so many pages now. From the writing thread; never waits."""
        if wal_pages < self._copied_pages:
            self._copied_pages = 0  # it has started again
        if wal_pages - self._copied_pages >= CHECKPOINT_PAGES:
            self._copied_pages = wal_pages
            self._due.set()

    def close(self) -> None:
        """Waits for the copy that runs."""
        self._closing = True
        self._due.set()
        self._thread.join()
        self._connection.close()
        self._turn.close()

    def _work(self) -> None:
        while True:
            self._due.wait()
            self._due.clear()
            if self._closing:
                return
            try:
                self._copy()
            except apsw.BusyError:
                pass  # another process is at it
            except (SqliteError, OSError) as error:
                self._log.error("checkpoint failed", error=str(error))

    def _copy(self) -> None:
        in_log, _ = self._connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_PASSIVE)
        if in_log < LOG_PAGES_MAX:
            return
        for _ in range(CATCH_UP_ROUNDS):
            self._connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_PASSIVE)
        self._turn.acquire()
        try:
            self._connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_PASSIVE)
        finally:
            self._turn.release()
