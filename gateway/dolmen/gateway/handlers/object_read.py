"""GetObject and HeadObject: one metadata read, then the bytes of a range."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from functools import partial

from dolmen.gateway.handlers.call import Call, require_version
from dolmen.gateway.handlers.encryption import check_encryption_headers, encryption_headers, keys_for_read
from dolmen.gateway.handlers.headers import checksum_headers, object_headers
from dolmen.gateway.handlers.lifecycle import expiration_header
from dolmen.gateway.handlers.object_lock import lock_headers
from dolmen.gateway.handlers.restore import restore_header
from dolmen.gateway.http.request import Headers
from dolmen.gateway.http.send import Streamed
from dolmen.gateway.metadata.records import VersionRecord
from dolmen.gateway.objects.read import ObjectReader
from dolmen.gateway.objects.sealing import DataKeys, opened
from dolmen.gateway.s3.conditions import ReadConditions, check_read
from dolmen.gateway.s3.fault import S3Fault
from dolmen.gateway.s3.model.inputs_generated import GetObjectInput, HeadObjectInput
from dolmen.gateway.s3.ranges import content_range, part_span, resolve_range
from dolmen.gateway.s3.render import Response, header_bytes

_OVERRIDES = (
    ("response_cache_control", b"cache-control"),
    ("response_content_disposition", b"content-disposition"),
    ("response_content_encoding", b"content-encoding"),
    ("response_content_language", b"content-language"),
    ("response_content_type", b"content-type"),
    ("response_expires", b"expires"),
)
_CONDITIONS = ("if-match", "if-none-match", "if-modified-since", "if-unmodified-since")


def _overridden(call: Call, headers: Headers) -> Headers:
    """Apply the ``response-*`` parameters.

    Raises InvalidRequest when nobody signed them: anybody could make any page of a public file.
    """
    query = call.request.query
    for name, header in _OVERRIDES:
        value = query.get(name.replace("_", "-"))
        if value is not None:
            if call.principal is None:
                raise S3Fault("InvalidRequest", "Request specific response headers cannot be used for anonymous GET requests.")
            headers = [pair for pair in headers if pair[0] != header]
            headers.append((header, header_bytes(value)))
    return headers


async def _find(call: Call, version_id: str | None) -> VersionRecord:
    found = await call.find(version_id)
    record = require_version(found, call, version_id)
    headers = call.request.headers
    if any(name in headers for name in _CONDITIONS):
        check_read(ReadConditions.of(headers), record.etag, record.mtime_us)
    check_encryption_headers(call, record.mutable.encryption)
    return record


def _span(given: GetObjectInput | HeadObjectInput, record: VersionRecord) -> tuple[int, int, bool]:
    """(start, end, partial): what part of the object is asked for."""
    if given.part_number is not None:
        if given.range is not None:
            raise S3Fault("InvalidRequest", "Cannot specify both Range header and partNumber query parameter")
        sizes = [part.size for part in record.attributes.parts] or [record.size]
        start, end = part_span(given.part_number, sizes)
        return start, end, True
    found = None if given.range is None else resolve_range(given.range, record.size)
    if found is None:
        return 0, record.size, False
    return found[0], found[1], True


def _head(
    call: Call, given: GetObjectInput | HeadObjectInput, record: VersionRecord
) -> tuple[int, Headers, int, int]:
    """(status, headers, start, end) of the answer to a read."""
    start, end, partial = _span(given, record)
    headers = object_headers(record, call.bucket.versioning)
    if call.request.query:
        headers = _overridden(call, headers)
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


async def _told_beside(call: Call, record: VersionRecord) -> Headers:
    """What the bucket's rules and the version's lock add to the description of the object."""
    headers = expiration_header(call, record)
    if record.mutable.encryption is not None:
        headers.extend(encryption_headers(call.services.encryption, record.mutable.encryption))
    if record.mutable.lock is not None:
        headers.extend(await lock_headers(call, record))
    if record.mutable.restored_until_us:
        headers.extend(restore_header(call, record))
    return headers


async def head_object(call: Call, given: HeadObjectInput) -> Response:
    """https://docs.aws.amazon.com/AmazonS3/latest/API/API_HeadObject.html"""
    record = await _find(call, given.version_id)
    status, headers, _, _ = _head(call, given, record)
    headers.extend(await _told_beside(call, record))
    return Response(status, headers, b"")


async def get_object(call: Call, given: GetObjectInput) -> Response | Streamed:
    """https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html

    The first stripe is read before the status is sent, so that missing data is a 503 and not a broken connection.
    """
    record = await _find(call, given.version_id)
    status, headers, start, end = _head(call, given, record)
    headers.extend(await _told_beside(call, record))
    encryption = record.mutable.encryption
    keys = None if encryption is None else await keys_for_read(call, call.bucket, encryption)
    if start == end:
        return Response(status, headers, b"")
    stream = object_stream(call.services.reader, record, keys, start, end)
    pieces = await anext(stream)
    return Streamed(status, headers, _chained(pieces, stream), end - start)


def object_stream(
    reader: ObjectReader, record: VersionRecord, keys: DataKeys | None, start: int, end: int
) -> AsyncGenerator[list[memoryview], None]:
    """Plaintext [start, end), not empty, of a version; ``keys`` as ``keys_for_read`` found them."""
    if keys is None:
        return reader.stream(record.layout, start, end)
    sizes = [part.size for part in record.attributes.parts] or [record.size]
    return opened(partial(reader.stream, record.layout), sizes, keys, start, end)


async def _chained(first: list[memoryview], rest: AsyncGenerator[list[memoryview], None]) -> AsyncGenerator[list[memoryview], None]:
    async with aclosing(rest):
        yield first
        del first  # a generator's locals live as long as the download
        async for pieces in rest:
            yield pieces
            del pieces
