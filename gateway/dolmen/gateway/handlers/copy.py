"""CopyObject and UploadPartCopy: the bytes are read and written anew.

Two objects never share stripes: shared data deleted under a living reference is how other stores lost objects
(ceph tracker 70746, ceph PR 16732), and a copy costs no more than a client's download and upload would.
"""

from __future__ import annotations

import base64
import hashlib
import uuid
from collections.abc import AsyncIterator
from urllib.parse import unquote_to_bytes

import msgspec

from dolmen.core.checksums import new_hasher
from dolmen.core.layout import ObjectLayout
from dolmen.gateway.auth.authorize import authorize_copy_source
from dolmen.gateway.handlers.attributes import attributes_of, refuse_unsupported, tags_of
from dolmen.gateway.handlers.call import Call, Headers
from dolmen.gateway.handlers.multipart import (
    CHECKSUM_FIELDS,
    check_part_number,
    find_upload,
    keep_part,
)
from dolmen.gateway.handlers.object_read import version_headers
from dolmen.gateway.handlers.object_write import commit_or_abort, note_garbage
from dolmen.gateway.metadata.records import (
    BucketRecord,
    Checksum,
    MutablePart,
    NewVersion,
    PartRecord,
    VersionRecord,
    Versioning,
)
from dolmen.gateway.objects.segment_write import SegmentWriter, Written
from dolmen.gateway.s3.conditions import CopyConditions, check_copy_source, write_condition
from dolmen.gateway.s3.fault import S3Fault
from dolmen.gateway.s3.model.inputs import CopyObjectInput, UploadPartCopyInput
from dolmen.gateway.s3.model.outputs import (
    CopyObjectOutput,
    CopyObjectResult,
    CopyPartResult,
    UploadPartCopyOutput,
)
from dolmen.gateway.s3.ranges import copy_range
from dolmen.gateway.s3.render import Response, render

COPY_BYTES_MAX = 5 * 1024**3  # S3's limit of one CopyObject; larger objects are copied part by part
CHECKSUM_DEFAULT = "CRC64NVME"


class Source(msgspec.Struct):
    """The object to copy from."""

    bucket: BucketRecord
    record: VersionRecord


def parse_source(value: str) -> tuple[str, bytes, str | None]:
    """``x-amz-copy-source`` as (bucket, key, version id); raises InvalidArgument."""
    path, _, query = value.partition("?")
    version_id: str | None = None
    if query:
        name, _, version_id = query.partition("=")
        if name != "versionId" or not version_id:
            raise _bad_source(value)
    raw = unquote_to_bytes(path.encode()).removeprefix(b"/")
    bucket, slash, key = raw.partition(b"/")
    if not slash or not bucket or not key:
        raise _bad_source(value)
    try:
        key.decode()
        return bucket.decode(), key, version_id
    except UnicodeDecodeError as error:
        raise _bad_source(value) from error


def _bad_source(value: str) -> S3Fault:
    return S3Fault(
        "InvalidArgument",
        "Copy Source must mention the source bucket and key: sourcebucket/sourcekey",
        fields=(("ArgumentName", "x-amz-copy-source"), ("ArgumentValue", value)),
    )


async def find_source(call: Call) -> Source:
    """The source version, authorised, its conditions checked."""
    headers = call.request.headers
    bucket_name, key, version_id = parse_source(headers["x-amz-copy-source"])
    stored = call.services.accounts.stored_bucket_name(call.account, bucket_name)
    bucket = await call.services.store.get_bucket(stored)
    if bucket is None:
        raise S3Fault("NoSuchBucket", fields=(("BucketName", bucket_name),))
    decision = authorize_copy_source(
        call.account, bucket.owner, headers.get("x-amz-source-expected-bucket-owner")
    )
    if not decision.allowed:
        raise S3Fault(decision.code)
    record = await call.services.store.get_version(bucket.bucket_id, key, version_id)
    if record is not None and record.is_delete_marker and version_id is not None:
        raise S3Fault(
            "InvalidRequest", "The source of a copy request may not specifically refer to a delete marker by version id."
        )
    if record is None or record.is_delete_marker:
        if version_id is not None:
            raise S3Fault("NoSuchVersion", fields=(("Key", key.decode()), ("VersionId", version_id)))
        raise S3Fault("NoSuchKey", fields=(("Key", key.decode()),))
    check_copy_source(CopyConditions.of(headers), record.etag, record.mtime_us)
    return Source(bucket, record)


class CopyDigests:
    """MD5 and one S3 checksum of the bytes as they are copied."""

    def __init__(self, algorithm: str) -> None:
        self._md5 = hashlib.md5(usedforsecurity=False)
        self._algorithm = algorithm
        self._hasher = new_hasher(algorithm)

    def update(self, data: memoryview) -> None:
        self._md5.update(data)
        self._hasher.update(data)

    @property
    def etag(self) -> str:
        return self._md5.hexdigest()

    def checksum(self) -> Checksum:
        return Checksum(self._algorithm, base64.b64encode(self._hasher.digest()).decode())


async def copy_bytes(
    call: Call, layout: ObjectLayout, start: int, end: int, writer: SegmentWriter, digests: CopyDigests
) -> Written:
    """Read [start, end) of a layout and write it as a new segment; on error what was stored is garbage."""

    async def pieces() -> AsyncIterator[memoryview]:
        async for group in call.services.reader.stream(layout, start, end):
            for piece in group:
                yield piece

    try:
        written = await writer.write(pieces(), end - start, digests.update)
    except BaseException:
        await note_garbage(call.services, writer.garbage())
        raise
    if written.garbage.segments:
        await note_garbage(call.services, written.garbage)
    return written


def _is_self_copy(call: Call, source: Source, given: CopyObjectInput) -> bool:
    """A copy onto itself must change something (metadata, class, encryption); S3 refuses it otherwise."""
    return (
        source.bucket.bucket_id == call.bucket.bucket_id
        and source.record.key == call.key
        and source.record.is_latest
        and given.metadata_directive != "REPLACE"
        and given.storage_class is None
        and given.website_redirect_location is None
    )


async def copy_object(call: Call, given: CopyObjectInput) -> Response:
    """https://docs.aws.amazon.com/AmazonS3/latest/API/API_CopyObject.html"""
    headers = call.request.headers
    refuse_unsupported(headers)
    for name, value in (("metadata", given.metadata_directive), ("tagging", given.tagging_directive)):
        if value not in (None, "COPY", "REPLACE"):
            raise S3Fault("InvalidArgument", f"Unknown {name} directive.")
    condition = write_condition(headers)
    source = await find_source(call)
    if source.record.size > COPY_BYTES_MAX:
        raise S3Fault(
            "InvalidRequest",
            f"The specified copy source is larger than the maximum allowable size for a copy source: {COPY_BYTES_MAX}",
        )
    if _is_self_copy(call, source, given):
        raise S3Fault(
            "InvalidRequest",
            "This copy request is illegal because it is trying to copy an object to itself without changing the "
            "object's metadata, storage class, website redirect location or encryption attributes.",
        )
    services = call.services
    old = source.record.attributes
    algorithm = (given.checksum_algorithm or (old.checksum.algorithm if old.checksum else "")).upper()
    digests = CopyDigests(algorithm or CHECKSUM_DEFAULT)
    attributes = attributes_of(headers)
    if given.metadata_directive != "REPLACE":
        attributes = msgspec.structs.replace(
            old,
            parts=(),
            storage_class=attributes.storage_class,
            website_redirect=attributes.website_redirect,
        )
    mutable = MutablePart(tags=source.record.mutable.tags)
    if given.tagging_directive == "REPLACE":
        mutable = tags_of(headers)
    intent = await services.store.begin(call.bucket, call.key)
    try:
        writer = services.segment_writer(call.bucket, intent)
        written = await copy_bytes(call, source.record.layout, 0, source.record.size, writer, digests)
    except BaseException:
        await services.store.abort(intent, ObjectLayout())
        raise
    checksum = digests.checksum()
    version = NewVersion(
        size=source.record.size,
        etag=digests.etag,
        owner=call.bucket.owner,
        attributes=msgspec.structs.replace(attributes, checksum=checksum),
        layout=written.layout,
        mutable=mutable,
    )
    committed = await commit_or_abort(services, intent, version, condition, written)
    answer = render(
        call.operation,
        CopyObjectOutput(
            copy_object_result=CopyObjectResult(
                e_tag=f'"{digests.etag}"',
                last_modified=committed.mtime_us,
                **_checksum_fields(checksum),
            )
        ),
    )
    answer.headers.extend(version_headers(committed.version_id, committed.versioning))
    answer.headers.extend(source_version_headers(source))
    return answer


def _checksum_fields(checksum: Checksum) -> dict[str, str]:
    return {CHECKSUM_FIELDS[checksum.algorithm]: checksum.value, "checksum_type": checksum.type}


def source_version_headers(source: Source) -> Headers:
    """``x-amz-copy-source-version-id`` for sources in buckets that were ever versioned."""
    if source.bucket.versioning is Versioning.OFF:
        return []
    return [(b"x-amz-copy-source-version-id", source.record.version_id.encode())]


async def upload_part_copy(call: Call, given: UploadPartCopyInput) -> Response:
    """https://docs.aws.amazon.com/AmazonS3/latest/API/API_UploadPartCopy.html"""
    refuse_unsupported(call.request.headers)
    number = check_part_number(given.part_number)
    upload = await find_upload(call, given.upload_id)
    source = await find_source(call)
    start, end = 0, source.record.size
    if given.copy_source_range is not None:
        start, end = copy_range(given.copy_source_range, source.record.size)
    if end - start > COPY_BYTES_MAX:
        raise S3Fault("EntityTooLarge", fields=(("MaxSizeAllowed", str(COPY_BYTES_MAX)),))
    services = call.services
    digests = CopyDigests(upload.checksum_algorithm or CHECKSUM_DEFAULT)
    writer = services.segment_writer_for(call.bucket, call.key, uuid.uuid4().bytes, number)
    written = await copy_bytes(call, source.record.layout, start, end, writer, digests)
    part = PartRecord(
        number=number,
        size=end - start,
        etag=digests.etag,
        mtime_us=services.clock.now_us(),
        checksum=digests.checksum(),
        layout=written.layout,
    )
    await keep_part(call, upload, part, written)
    result = CopyPartResult(e_tag=f'"{part.etag}"', last_modified=part.mtime_us)
    if upload.checksum_algorithm and part.checksum is not None:
        result = msgspec.structs.replace(
            result, **{CHECKSUM_FIELDS[part.checksum.algorithm]: part.checksum.value}
        )
    answer = render(call.operation, UploadPartCopyOutput(copy_part_result=result))
    answer.headers.extend(source_version_headers(source))
    return answer
