"""Ranges of bytes. RFC 9110 section 14; https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html

Everywhere here a range is (start, end) with ``end`` behind the last byte, as Python slices have it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from dolmen.gateway.s3.fault import S3Fault

# 18 digits hold more than any object; longer numbers would only make int() work.
_RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})", re.ASCII | re.IGNORECASE)
_COPY_RANGE = re.compile(r"bytes=(\d{1,18})-(\d{1,18})", re.ASCII)
_COPY_HEADER = "x-amz-copy-source-range"


def resolve_range(text: str, size: int) -> tuple[int, int] | None:
    """What ``Range`` asks for of ``size`` bytes; None when S3 ignores it (several ranges, malformed): the whole object.

    Raises InvalidRange (416; RangeRequested, ActualObjectSize) when no byte is in it: a start at or behind the end, ``bytes=-0``,
    any range of an empty object.
    """
    text = text.strip()
    found = _RANGE.fullmatch(text)
    if found is None:
        return None
    first, last = found.groups()
    if not first and not last:
        return None
    if not first:
        start, end = max(0, size - int(last)), size
    else:
        start, end = int(first), size
        if last:
            if int(last) < start:
                return None
            end = min(size, int(last) + 1)
    if start >= end:
        raise S3Fault(
            "InvalidRange",
            fields=(("RangeRequested", text), ("ActualObjectSize", str(size))),
            headers=(("content-range", f"bytes */{size}"),),
        )
    return start, end


def content_range(start: int, end: int, size: int) -> str:
    """The value of ``Content-Range`` for [start, end) of ``size`` bytes."""
    return f"bytes {start}-{end - 1}/{size}"


def copy_range(text: str, size: int) -> tuple[int, int]:
    """``x-amz-copy-source-range``: exactly ``bytes=first-last``, wholly inside the source. Raises InvalidArgument."""
    found = _COPY_RANGE.fullmatch(text.strip())
    if found is None or int(found[2]) < int(found[1]):
        raise S3Fault(
            "InvalidArgument",
            f"The {_COPY_HEADER} value must be of the form bytes=first-last where first and last are the zero-based offsets "
            "of the first and last bytes to copy",
            fields=(("ArgumentName", _COPY_HEADER), ("ArgumentValue", text)),
        )
    start, end = int(found[1]), int(found[2]) + 1
    if end > size:
        raise S3Fault(
            "InvalidArgument",
            f"Range specified is not valid for source object of size: {size}",
            fields=(("ArgumentName", _COPY_HEADER), ("ArgumentValue", text)),
        )
    return start, end


def part_span(number: int, sizes: Sequence[int]) -> tuple[int, int]:
    """Where part ``number`` (from 1) lies, given the sizes of all parts in order (an object without parts is its own part 1).

    Raises InvalidPartNumber (416) when there is no such part. The span of an empty object is (0, 0).
    """
    if not 1 <= number <= len(sizes):
        raise S3Fault("InvalidPartNumber", fields=(("ActualPartCount", str(len(sizes))), ("PartNumberRequested", str(number))))
    start = sum(sizes[: number - 1])
    return start, start + sizes[number - 1]
