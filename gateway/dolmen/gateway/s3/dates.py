"""Dates of HTTP and of S3's XML, independent of the locale. Times are microseconds since the epoch."""

from __future__ import annotations

import calendar
import re
import time
from functools import lru_cache

SECOND_US = 1_000_000
_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_MONTH_NUMBERS = {name.lower(): number for number, name in enumerate(_MONTHS, 1)}
_CACHED_SECONDS_MAX = 1024  # small objects written in a burst share their second

# RFC 9110 section 5.6.7: IMF-fixdate (and what RFC 5322 senders write: no weekday, one digit, "-0000"), RFC 850, asctime.
_IMF = re.compile(
    r"(?:[A-Za-z]{3}, *)?(\d{1,2}) ([A-Za-z]{3}) (\d{4}) (\d{2}):(\d{2}):(\d{2}) +(?:GMT|UTC|Z|[+-]0000)", re.ASCII
)
_RFC850 = re.compile(r"[A-Za-z]{6,9}, (\d{2})-([A-Za-z]{3})-(\d{2}) (\d{2}):(\d{2}):(\d{2}) (?:GMT|UTC)", re.ASCII)
_ASCTIME = re.compile(r"[A-Za-z]{3} ([A-Za-z]{3}) ([ \d]\d) (\d{2}):(\d{2}):(\d{2}) (\d{4})", re.ASCII)
_DAYS_OF_MONTH_MAX = 31


def http_date(time_us: int) -> str:
    """IMF-fixdate of RFC 9110 section 5.6.7: ``Tue, 24 Nov 2026 06:55:57 GMT``."""
    return _http_of_second(time_us // SECOND_US)


def iso_date(time_us: int) -> str:
    """As S3's XML shows times: ``2026-11-24T06:55:57.000Z``. S3 keeps whole seconds, the milliseconds are always zero."""
    return _iso_of_second(time_us // SECOND_US) + ".000Z"


def iso_second(time_us: int) -> str:
    """As S3's errors show times: ``2026-11-24T06:55:57Z``."""
    return _iso_of_second(time_us // SECOND_US) + "Z"


def parse_http_date(text: str) -> int | None:
    """Microseconds, or None when the text is no HTTP date (RFC 9110: such a field is ignored)."""
    text = text.strip()
    if found := _IMF.fullmatch(text):
        day, month, year, *clock = found.groups()
        return _time_us(int(year), month, int(day), clock)
    if found := _RFC850.fullmatch(text):
        day, month, short_year, *clock = found.groups()
        # The two digits mean the nearest century as strptime has it (POSIX): 69 to 99 are 19xx.
        year_number = int(short_year) + (1900 if int(short_year) >= 69 else 2000)
        return _time_us(year_number, month, int(day), clock)
    if found := _ASCTIME.fullmatch(text):
        month, day, *clock, year = found.groups()
        return _time_us(int(year), month, int(day), clock)
    return None


def _time_us(year: int, month: str, day: int, clock: list[str]) -> int | None:
    number = _MONTH_NUMBERS.get(month.lower())
    hour, minute, second = (int(part) for part in clock)
    if number is None or year < 1 or hour > 23 or minute > 59 or second > 60:
        return None
    if not 1 <= day <= _DAYS_OF_MONTH_MAX or day > calendar.monthrange(year, number)[1]:
        return None
    return calendar.timegm((year, number, day, hour, minute, second)) * SECOND_US


@lru_cache(maxsize=_CACHED_SECONDS_MAX)
def _http_of_second(seconds: int) -> str:
    t = time.gmtime(seconds)
    return (
        f"{_DAYS[t.tm_wday]}, {t.tm_mday:02d} {_MONTHS[t.tm_mon - 1]} {t.tm_year:04d} "
        f"{t.tm_hour:02d}:{t.tm_min:02d}:{t.tm_sec:02d} GMT"
    )


@lru_cache(maxsize=_CACHED_SECONDS_MAX)
def _iso_of_second(seconds: int) -> str:
    t = time.gmtime(seconds)
    return f"{t.tm_year:04d}-{t.tm_mon:02d}-{t.tm_mday:02d}T{t.tm_hour:02d}:{t.tm_min:02d}:{t.tm_sec:02d}"
