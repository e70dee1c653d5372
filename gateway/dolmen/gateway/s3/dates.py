"""HTTP dates, independent of the locale."""

from __future__ import annotations

import time
from functools import lru_cache

_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_CACHED_SECONDS_MAX = 1024  # small objects written in a burst share their second


def http_date(time_us: int) -> str:
    """IMF-fixdate of RFC 9110 section 5.6.7, from microseconds since the epoch."""
    return _of_second(time_us // 1_000_000)


@lru_cache(maxsize=_CACHED_SECONDS_MAX)
def _of_second(seconds: int) -> str:
    t = time.gmtime(seconds)
    return (
        f"{_DAYS[t.tm_wday]}, {t.tm_mday:02d} {_MONTHS[t.tm_mon - 1]} {t.tm_year:04d} "
        f"{t.tm_hour:02d}:{t.tm_min:02d}:{t.tm_sec:02d} GMT"
    )
