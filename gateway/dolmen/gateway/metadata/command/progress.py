"""Progress of long actions: a bar on a terminal, lines elsewhere."""

from __future__ import annotations

import time
from typing import TextIO

BAR_CHARACTERS = 30
LINE_SECONDS = 5.0  # between two lines where there is no terminal
REDRAW_SECONDS = 0.1  # on a terminal: smoother than anybody can read


class Progress:
    """Shows how far an action has come, on ``out``."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._is_terminal = out.isatty()
        self._next_seconds = 0.0
        self._shown = ""

    def show(self, text: str, share: float | None = None) -> None:
        """``share`` of the whole, from 0 to 1; None: nobody knows."""
        now_seconds = time.monotonic()
        if now_seconds < self._next_seconds or text == self._shown:
            return
        self._next_seconds = now_seconds + (REDRAW_SECONDS if self._is_terminal else LINE_SECONDS)
        self._shown = text
        if not self._is_terminal:
            self._out.write(f"{text}\n")
        elif share is None:
            self._out.write(f"\r{text}\x1b[K")
        else:
            self._out.write(f"\r[{'#' * int(min(1.0, share) * BAR_CHARACTERS):.<{BAR_CHARACTERS}}] {text}\x1b[K")
        self._out.flush()

    def close(self) -> None:
        """Leave the terminal as it was."""
        if self._is_terminal:
            self._out.write("\r\x1b[K")
            self._out.flush()
