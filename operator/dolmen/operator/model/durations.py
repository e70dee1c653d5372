"""Durations in Go's syntax, as Kubernetes writes them. https://pkg.go.dev/time#ParseDuration"""

from __future__ import annotations

import re
from fractions import Fraction

from dolmen.operator.model.errors import InvalidResource

DURATION_NS_MAX = 2**63 - 1  # Go's: 292 years
TEXT_MAX = 64  # longer than what Go prints
_NS = {"ns": 1, "us": 10**3, "µs": 10**3, "μs": 10**3, "ms": 10**6, "s": 10**9, "m": 60 * 10**9, "h": 3600 * 10**9}
_PART = r"([0-9]+(?:\.[0-9]*)?|\.[0-9]+)(ns|us|µs|μs|ms|s|m|h)"
_PARTS = re.compile(_PART)
_DURATION = re.compile(f"(?:{_PART})+")
SECOND_NS = 10**9


def parse_duration_ns(text: str) -> int:
    """Nanoseconds, cut as Go does. Raises ``InvalidResource`` (no duration, longer than 292 years)."""
    if text == "0":
        return 0
    if len(text) > TEXT_MAX or _DURATION.fullmatch(text) is None:
        raise InvalidResource(f"{text[:TEXT_MAX]!r} is not a duration such as 90s or 1h30m")
    total_ns = sum(int(Fraction(number) * _NS[unit]) for number, unit in _PARTS.findall(text))
    if total_ns > DURATION_NS_MAX:
        raise InvalidResource(f"the duration {text} is longer than 292 years")
    return total_ns


def parse_seconds(text: str) -> float:
    """Seconds. Raises ``InvalidResource``."""
    return parse_duration_ns(text) / SECOND_NS


def format_duration(duration_ns: int) -> str:
    """As Go's ``Duration.String``: ``1h0m0s``, ``1m30s``, ``1.5s``, ``100ms``, ``0s``. Raises ``InvalidResource``."""
    if not 0 <= duration_ns <= DURATION_NS_MAX:
        raise InvalidResource(f"{duration_ns} ns is not between 0 and 292 years")
    if duration_ns == 0:
        return "0s"
    if duration_ns < SECOND_NS:
        unit = "ms" if duration_ns >= _NS["ms"] else "µs" if duration_ns >= _NS["us"] else "ns"
        return f"{_decimal(duration_ns, _NS[unit])}{unit}"
    minutes, rest_ns = divmod(duration_ns, _NS["m"])
    hours, minutes = divmod(minutes, 60)
    seconds = f"{_decimal(rest_ns, SECOND_NS)}s"
    if hours:
        return f"{hours}h{minutes}m{seconds}"
    return f"{minutes}m{seconds}" if minutes else seconds


def _decimal(amount: int, unit: int) -> str:
    """``amount / unit`` (a power of ten) exactly, without needless zeros."""
    whole, rest = divmod(amount, unit)
    digits = str(rest).rjust(len(str(unit)) - 1, "0").rstrip("0") if rest else ""
    return f"{whole}.{digits}" if digits else str(whole)
