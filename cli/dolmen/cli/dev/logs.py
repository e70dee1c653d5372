"""What the processes write: kept in one file each, warnings shown to the person at the terminal."""

from __future__ import annotations

from collections.abc import Callable
from io import FileIO
from pathlib import Path

import msgspec

LOG_BYTES_MAX = 16 * 1024 * 1024  # one file and one predecessor are kept: the disk use of logs is bounded
LINE_BYTES_MAX = 64 * 1024  # longer lines are cut in pieces: memory is bounded whatever a process writes
ECHO_LINES_MAX = 20  # warnings shown of one process in one interval; all of them are in its file
ECHO_INTERVAL_SECONDS = 5.0
WARNING_LEVELS = frozenset({"warning", "error", "critical", "exception"})


class _Line(msgspec.Struct):
    event: str = ""
    level: str = ""


class ProcessLog:
    """Takes the raw output of one process."""

    def __init__(self, path: Path, echo: Callable[[str], None], monotonic: Callable[[], float]) -> None:
        self._path = path
        self._echo = echo
        self._monotonic = monotonic
        self._pending = b""
        self._echoed = 0
        self._interval_start = monotonic()
        self._file: FileIO | None = None  # opened when there is something to write
        self.last_line = ""  # not empty: what the process said last, for the message when it ends

    def feed(self, data: bytes) -> None:
        """Write whole lines, keep the rest."""
        self._pending += data
        *lines, self._pending = self._pending.split(b"\n")
        if len(self._pending) > LINE_BYTES_MAX:
            lines.append(self._pending)
            self._pending = b""
        for line in lines:
            self._take(line)

    def flush(self) -> None:
        """Write what is left when the process has ended."""
        if self._pending:
            self._take(self._pending)
            self._pending = b""

    def close(self) -> None:
        self.flush()
        if self._file is not None:
            self._file.close()
            self._file = None

    def _take(self, line: bytes) -> None:
        file = self._file or self._path.open("ab", buffering=0)
        if file.tell() + len(line) >= LOG_BYTES_MAX:
            file.close()
            self._path.replace(self._path.with_name(self._path.name + ".1"))
            file = self._path.open("ab", buffering=0)
        self._file = file
        file.write(line + b"\n")
        text = line.decode("utf-8", "replace").rstrip()
        if text:
            self.last_line = text
            if worth_showing(text):
                self._show(text)

    def _show(self, text: str) -> None:
        now = self._monotonic()
        if now - self._interval_start >= ECHO_INTERVAL_SECONDS:
            self._interval_start = now
            self._echoed = 0
        self._echoed += 1
        if self._echoed <= ECHO_LINES_MAX:
            self._echo(text)
        elif self._echoed == ECHO_LINES_MAX + 1:
            self._echo(f"more of the same in {self._path}")


def worth_showing(text: str) -> bool:
    """Warnings and above of structured logs, and of everything else (a crash) what is not the inside of a traceback."""
    try:
        return msgspec.json.decode(text, type=_Line).level in WARNING_LEVELS
    except (msgspec.DecodeError, UnicodeError):
        return not text.startswith((" ", "Traceback "))
