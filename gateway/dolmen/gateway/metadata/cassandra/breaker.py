"""A circuit breaker for a cluster that has stopped to answer: callers fail at once instead of piling up behind time-outs. Pure.

It decides only about what has not been sent yet, so that what it refuses has certainly not happened.
"""

from __future__ import annotations

TIMEOUTS_TO_OPEN = 16  # in a row; fewer are no crowd
WINDOW_SECONDS = 10.0  # time-outs further apart are no row: a quiet process may meet one in an hour
PROBE_SECONDS = 1.0  # one statement a second is let through: recovery is seen within a second or two


class Breaker:
    """Counts time-outs of statements during whose whole time nobody was answered. Times are monotonic seconds, handed in.

    One paused node lets many statements time out at the same moment, while others are answered: that is no silence.
    """

    __slots__ = ("_answered_at", "_count", "_first", "_probe_at")

    def __init__(self) -> None:
        self._count = 0
        self._first = 0.0  # when the present row of time-outs began
        self._answered_at = float("-inf")
        self._probe_at: float | None = None  # None: closed

    @property
    def is_open(self) -> bool:
        """Whether statements are refused, but for the probes."""
        return self._probe_at is not None

    def allows(self, now: float) -> bool:
        """Whether a statement may be sent; when open, one each ``PROBE_SECONDS`` may."""
        if self._probe_at is None:
            return True
        if now < self._probe_at:
            return False
        self._probe_at = now + PROBE_SECONDS
        return True

    def answered(self, now: float) -> None:
        """The cluster answered a statement: closed from now on."""
        self._answered_at = now
        self._count = 0
        self._probe_at = None

    def timed_out(self, began: float, now: float) -> None:
        """A statement that was sent at ``began`` was not answered in time."""
        if self._answered_at >= began:
            return
        if self._count == 0 or now - self._first > WINDOW_SECONDS:
            self._count = 0
            self._first = now
        self._count += 1
        if self._count >= TIMEOUTS_TO_OPEN and self._probe_at is None:
            self._probe_at = now + PROBE_SECONDS
