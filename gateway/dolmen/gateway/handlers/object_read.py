"""GetObject and HeadObject: one metadata read, then the bytes of a range."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

from dolmen.gateway.handlers.call import Call, Headers, Streamed, require_version
from dolmen.gateway.metadata.records import Attributes, Checksum, VersionRecord, Versioning
from dolmen.gateway.objects.read import spans
from dolmen.gateway.s3.conditions import ReadConditions, check_read
from dolmen.gateway.s3.dates import http_date
from dolmen.gateway.s3.fault import S3Fault
from dolmen.gateway.s3.model.inputs import GetObjectInput, HeadObjectInput
from dolmen.gateway.s3.ranges import content_range, part_span, resolve_range
from dolmen.gateway.s3.render import Response

DEFAULT_CONTENT_TYPE = "binary/octet-stream"  # what S3 says for objects stored without one

_SYSTEM_HEADERS = (
    ("cache_control", b"cache-control"),
    ("content_disposition", b"content-disposition"),
    ("content_encoding", b"content-encoding"),
    ("content_language", b"content-language"),
    ("expires", b"expires"),
    ("website_redirect", b"x-amz-website-redirect-location"),
)

_OVERRIDES = (
    ("response_cache_control", b"cache-control"),
    ("response_content_disposition", b"content-disposition"),
    ("response_content_encoding", b"content-encoding"),
    ("response_content_language", b"content-language"),
    ("response_content_type", b"content-type"),
    ("response_expires", b"expires"),
)


def header_value(text: str) -> bytes:
    """Header text as it was received: UTF-8 (Latin-1 is a subset of what S3 clients send)."""
    return text.encode()


def version_headers(record_version: str, versioning: Versioning) -> Headers:
    """``x-amz-version-id``, which S3 leaves out for buckets that were never versioned."""
    if versioning is Versioning.OFF:
        return []
    return [(b"x-amz-version-id", record_version.encode())]


def checksum_headers(checksum: Checksum | None) -> Headers:
    """``x-amz-checksum-<algorithm>`` and its type."""
    if checksum is None:
        return []
    return [
        (b"x-amz-checksum-" + checksum.algorithm.lower().encode(), checksum.value.encode()),
        (b"x-amz-checksum-type", checksum.type.encode()),
    ]


def object_headers(record: VersionRecord, versioning: Versioning) -> Headers:
    """The headers that describe a version, the same for GET and HEAD."""
    attributes = record.attributes
    headers: Headers = [
        (b"last-modified", http_date(record.mtime_us).encode()),
        (b"etag", b'"' + record.etag.encode() + b'"'),
        (b"accept-ranges", b"bytes"),
        (b"content-type", header_value(attributes.content_type or DEFAULT_CONTENT_TYPE)),
    ]
    if versioning is not Versioning.OFF:
        headers.append((b"x-amz-version-id", record.version_id.encode()))
    headers.extend(_optional_headers(record, attributes))
    return headers


def _optional_headers(record: VersionRecord, attributes: Attributes) -> Headers:
    headers: Headers = []
    for name, header in _SYSTEM_HEADERS:
        value: str = getattr(attributes, name)
        if value:
            headers.append((header, header_value(value)))
    if attributes.storage_class != "STANDARD":
        headers.append((b"x-amz-storage-class", attributes.storage_class.encode()))
    for name, value in attributes.user_metadata.items():
        headers.append((b"x-amz-meta-" + name.encode(), header_value(value)))
    if record.mutable.tags:
        headers.append((b"x-amz-tagging-count", str(len(record.mutable.tags)).encode()))
    return headers


def _overridden(headers: Headers, given: GetObjectInput | HeadObjectInput) -> Headers:
    """Apply the ``response-*`` parameters (only signed requests get here)."""
    for name, header in _OVERRIDES:
        value: str | None = getattr(given, name)
        if value is not None:
            headers = [pair for pair in headers if pair[0] != header]
            headers.append((header, header_value(value)))
    return headers


async def _find(call: Call, given: GetObjectInput | HeadObjectInput) -> VersionRecord:
    record = await call.services.store.get_version(call.bucket.bucket_id, call.key, given.version_id)
    record = require_version(record, call, given.version_id)
    check_read(ReadConditions.of(call.request.headers), record.etag, record.mtime_us)
    return record


def _span(
    call: Call, given: GetObjectInput | HeadObjectInput, record: VersionRecord
) -> tuple[int, int, bool]:
    """(start, end, partial): what part of the object is asked for."""
    if given.part_number is not None:
        if given.range is not None:
            raise S3Fault("InvalidRequest", "Cannot specify both Range header and partNumber query parameter")
        sizes = [part.size for part in record.attributes.parts] or [record.size]
        start, end = part_span(given.part_number, sizes)
        return start, end, True
    if given.range is None:
        return 0, record.size, False
    found = resolve_range(given.range, record.size)
    if found is None:
        return 0, record.size, False
    return found[0], found[1], True


def _head(
    call: Call, given: GetObjectInput | HeadObjectInput, record: VersionRecord
) -> tuple[int, Headers, int, int]:
    """(status, headers, start, end) of the answer to a read."""
    start, end, partial = _span(call, given, record)
    headers = _overridden(object_headers(record, call.bucket.versioning), given)
    headers.append((b"content-length", str(end - start).encode()))
    if partial and record.size:
        headers.append((b"content-range", content_range(start, end, record.size).encode()))
    attributes = record.attributes
    if given.part_number is not None and attributes.parts:
        headers.append((b"x-amz-mp-parts-count", str(len(attributes.parts)).encode()))
    if (given.checksum_mode or "").upper() == "ENABLED":
        if not partial:
            headers.extend(checksum_headers(attributes.checksum))
        elif given.part_number is not None and attributes.parts:
            headers.extend(checksum_headers(attributes.parts[given.part_number - 1].checksum))
    return (206 if partial else 200), headers, start, end


async def head_object(call: Call, given: HeadObjectInput) -> Response:
    """https://docs.aws.amazon.com/AmazonS3/latest/API/API_HeadObject.html"""
    record = await _find(call, given)
    status, headers, _, _ = _head(call, given, record)
    return Response(status, headers, b"")


async def get_object(call: Call, given: GetObjectInput) -> Response | Streamed:
    """https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html

    The first stripe is read before the status is sent, so that missing data is a 503 and not a broken connection.
    """
    record = await _find(call, given)
    status, headers, start, end = _head(call, given, record)
    if start == end:
        return Response(status, headers, b"")
    reader = call.services.reader
    layout = record.layout
    wanted = spans(layout, start, end)
    first = next(wanted)
    if first.end - first.start == end - start:
        pieces = await reader.read_span(first)
        return Streamed(status, headers, _once(pieces), end - start)
    stream = reader.stream(layout, start, end)
    pieces = await anext(stream)
    return Streamed(status, headers, _chained(pieces, stream), end - start)


async def _once(pieces: list[memoryview]) -> AsyncIterator[list[memoryview]]:
    yield pieces


async def _chained(
    first: list[memoryview], rest: AsyncIterator[list[memoryview]]
) -> AsyncIterator[list[memoryview]]:
    yield first
    async for pieces in rest:
        yield pieces


def joined(pieces: Sequence[memoryview]) -> bytes | memoryview:
    """One buffer out of a few slices, without a copy when there is one."""
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)
