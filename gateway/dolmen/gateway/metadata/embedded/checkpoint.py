"""Copying the write-ahead log back into the file, beside the commits instead of within one.

Readers and writers go on meanwhile. Only if commits came in while it copied, the rest is copied in a turn of its own (a few
batches), because the log starts again from its beginning only when all of it was copied.
"""

from __future__ import annotations

import threading

import apsw

from dolmen.core.telemetry.log import get_logger
from dolmen.gateway.metadata.embedded.database import SqliteError, Turn, connect

CHECKPOINT_PAGES = 4000  # 16 MiB of log: large enough that hot pages are copied once for many commits


class Checkpointer:
    """One thread with its own connection. Several processes may have one: SQLite lets one work at a time."""

    def __init__(self, path: str) -> None:
        self._connection = connect(path, readonly=False)
        self._turn = Turn(path)
        self._due = threading.Event()
        self._closing = False
        self._log = get_logger("metadata")
        self._thread = threading.Thread(target=self._work, name="metadata-checkpoint", daemon=True)
        self._thread.start()

    def committed(self, wal_pages: int) -> None:
        """The log has so many pages now. From any thread; never waits."""
        if wal_pages >= CHECKPOINT_PAGES:
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
        in_log, copied = self._connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_PASSIVE)
        if copied < in_log:
            return  # a reader holds an old snapshot; the next commit asks again
        self._turn.acquire()
        try:
            self._connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_PASSIVE)
        finally:
            self._turn.release()
