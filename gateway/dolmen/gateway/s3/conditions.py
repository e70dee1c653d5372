"""Conditional requests: RFC 9110 section 13.2.2 in the way S3 does it.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-reads.html
https://docs.aws.amazon.com/AmazonS3/latest/API/API_CopyObject.html (x-amz-copy-source-if-*)

ETags here are without quotes. Weak validators (``W/``) compare like strong ones: a version's bytes never change, and proxies
make ETags weak on their way. Times compare by whole seconds, because HTTP dates have no more. A date that cannot be read, and a
header without an ETag in it, are ignored. Conditions of writes are decided at the commit point (metadata), not here.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from dolmen.gateway.s3.dates import SECOND_US, http_date, parse_http_date
from dolmen.gateway.s3.fault import S3Fault

_ETAG = re.compile(r'(?:W/)?"([^"]*)"|([^\s,"]+)')
_READ_NAMES = ("If-Match", "If-None-Match", "If-Modified-Since", "If-Unmodified-Since")
_COPY_PREFIX = "x-amz-copy-source-"


def parse_etags(text: str) -> tuple[str, ...]:
    """The ETags of a list, without quotes and ``W/``; ``*`` is itself. S3's clients also send them without quotes."""
    return tuple(quoted or bare for quoted, bare in _ETAG.findall(text))


@dataclass(frozen=True, slots=True)
class ReadConditions:
    """The four conditions of a read; () and None when absent. Dates in microseconds."""

    if_match: tuple[str, ...] = ()
    if_none_match: tuple[str, ...] = ()
    if_modified_since_us: int | None = None
    if_unmodified_since_us: int | None = None

    @classmethod
    def of(cls, headers: Mapping[str, str]) -> ReadConditions:
        """From request headers with lower-case names."""
        return _UNCONDITIONAL if _absent(headers, "") else cls(*_read(headers, ""))


@dataclass(frozen=True, slots=True)
class CopyConditions(ReadConditions):
    """The same four about the source of a copy."""

    @classmethod
    def of(cls, headers: Mapping[str, str]) -> CopyConditions:
        return _UNCONDITIONAL_COPY if _absent(headers, _COPY_PREFIX) else cls(*_read(headers, _COPY_PREFIX))


_UNCONDITIONAL = ReadConditions()
_UNCONDITIONAL_COPY = CopyConditions()


def _absent(headers: Mapping[str, str], prefix: str) -> bool:
    return not (
        f"{prefix}if-match" in headers
        or f"{prefix}if-none-match" in headers
        or f"{prefix}if-modified-since" in headers
        or f"{prefix}if-unmodified-since" in headers
    )


def _read(
    headers: Mapping[str, str], prefix: str
) -> tuple[tuple[str, ...], tuple[str, ...], int | None, int | None]:
    match, none_match, modified, unmodified = (headers.get(prefix + name.lower(), "") for name in _READ_NAMES)
    return parse_etags(match), parse_etags(none_match), parse_http_date(modified), parse_http_date(unmodified)


def _first_false(conditions: ReadConditions, etag: str, mtime_us: int) -> str | None:
    """The name of the condition that stops the request, in the order of RFC 9110; None when it goes on."""
    seconds = mtime_us // SECOND_US
    if conditions.if_match:
        if "*" not in conditions.if_match and etag not in conditions.if_match:
            return "If-Match"
    elif conditions.if_unmodified_since_us is not None and seconds > conditions.if_unmodified_since_us // SECOND_US:
        return "If-Unmodified-Since"
    if conditions.if_none_match:
        if "*" in conditions.if_none_match or etag in conditions.if_none_match:
            return "If-None-Match"
    elif conditions.if_modified_since_us is not None and seconds <= conditions.if_modified_since_us // SECOND_US:
        return "If-Modified-Since"
    return None


def check_read(conditions: ReadConditions, etag: str, mtime_us: int) -> None:
    """Raises PreconditionFailed (field Condition) or NotModified (headers etag, last-modified). ``etag`` without quotes."""
    if conditions is _UNCONDITIONAL:
        return
    name = _first_false(conditions, etag, mtime_us)
    if name is None:
        return
    if name in ("If-None-Match", "If-Modified-Since"):
        raise S3Fault("NotModified", headers=(("etag", f'"{etag}"'), ("last-modified", http_date(mtime_us))))
    raise S3Fault("PreconditionFailed", fields=(("Condition", name),))


def check_copy_source(conditions: CopyConditions, etag: str, mtime_us: int) -> None:
    """Raises PreconditionFailed in every case: a copy has no 304. ``etag`` without quotes."""
    if conditions is _UNCONDITIONAL_COPY:
        return
    name = _first_false(conditions, etag, mtime_us)
    if name is not None:
        raise S3Fault("PreconditionFailed", fields=(("Condition", _COPY_PREFIX + name),))
