"""CopyObject and UploadPartCopy: the bytes are read and written anew.

Two objects never share stripes: shared data deleted under a living reference is how other stores lost objects
(ceph tracker 70746, ceph PR 16732), and a copy costs no more than a client's download and upload would.
"""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator
from contextlib import aclosing

import msgspec

from dolmen.core.checksums import ALGORITHMS
from dolmen.core.layout import ObjectLayout
from dolmen.gateway.auth.accounts import stored_bucket_name
from dolmen.gateway.handlers.call import Call, check_version_id
from dolmen.gateway.handlers.conditions import write_condition
from dolmen.gateway.handlers.encryption import (
    SOURCE_CUSTOMER,
    asks_for_encryption,
    check_part,
    encryption_headers,
    keys_for_read,
    keys_for_write,
)
from dolmen.gateway.handlers.events import event_of
from dolmen.gateway.handlers.headers import checksum_members, version_headers
from dolmen.gateway.handlers.lifecycle import expiration_of_new
from dolmen.gateway.handlers.logging import note_copied
from dolmen.gateway.handlers.multipart import check_part_number, find_upload, keep_part, part_checksum_algorithm
from dolmen.gateway.handlers.new_object import describe
from dolmen.gateway.handlers.object_read import object_stream
from dolmen.gateway.handlers.object_write import commit_or_abort, note_garbage, write_sealed
from dolmen.gateway.handlers.payment import charge
from dolmen.gateway.http.digests import CHECKSUM_DEFAULT, DigestPlan, Digests
from dolmen.gateway.http.request import Headers
from dolmen.gateway.kms.sealed_keys import sealed_etag
from dolmen.gateway.metadata.records import (
    Attributes,
    BucketRecord,
    NewVersion,
    PartRecord,
    Versioning,
    VersionRecord,
)
from dolmen.gateway.objects.description import ObjectFacts, facts_of_part, stored_length
from dolmen.gateway.objects.sealing import DataKeys
from dolmen.gateway.objects.segment_write import SegmentWriter, Written
from dolmen.gateway.s3.conditions import CopyConditions, check_copy_source
from dolmen.gateway.s3.copy_source import parse_source
from dolmen.gateway.s3.fault import S3Fault
from dolmen.gateway.s3.model.inputs_generated import CopyObjectInput, UploadPartCopyInput
from dolmen.gateway.s3.model.outputs_generated import (
    CopyObjectOutput,
    CopyObjectResult,
    CopyPartResult,
    UploadPartCopyOutput,
)
from dolmen.gateway.s3.ranges import copy_range
from dolmen.gateway.s3.render import Response, render

COPY_BYTES_MAX = 5 * 1024**3  # S3's limit of one CopyObject; larger objects are copied part by part


class Source(msgspec.Struct):
    """The object to copy from."""

    bucket: BucketRecord
    record: VersionRecord
    version_id: str | None  # as the client named it
    keys: DataKeys | None = None  # of an encrypted one


async def find_source(call: Call) -> Source:
    """The source version, authorised, its conditions checked, its data keys at hand.

    Raises NoSuchBucket, NoSuchKey, NoSuchVersion, AccessDenied, PreconditionFailed, and what ``keys_for_read`` raises.
    """
    headers = call.request.headers
    services = call.services
    bucket_name, key, version_id = parse_source(headers["x-amz-copy-source"])
    bucket = await services.store.get_bucket(stored_bucket_name(call.account, bucket_name))
    if bucket is None:
        raise S3Fault("NoSuchBucket", fields=(("BucketName", bucket_name),))
    record = await call.require(
        "s3:GetObject" if version_id is None else "s3:GetObjectVersion",
        bucket,
        key,
        version_id=version_id,
        expected_owner=headers.get("x-amz-source-expected-bucket-owner"),
    )
    charge(call, bucket)
    if record is None:
        record = await services.store.get_version(bucket.bucket_id, key, version_id)
    if record is not None and record.is_delete_marker and version_id is not None:
        raise S3Fault(
            "InvalidRequest",
            "The source of a copy request may not specifically refer to a delete marker by version id.",
        )
    if record is None or record.is_delete_marker:
        if version_id is not None:
            check_version_id(version_id)
            raise S3Fault("NoSuchVersion", fields=(("Key", key.decode()), ("VersionId", version_id)))
        raise S3Fault("NoSuchKey", fields=(("Key", key.decode()),))
    check_copy_source(CopyConditions.of(headers), record.etag, record.mtime_us)
    return Source(bucket, record, version_id, await keys_for_read(call, bucket, record.mutable.encryption, SOURCE_CUSTOMER))


def copy_digests(algorithm: str) -> Digests:
    """MD5 and one S3 checksum of the bytes as they are copied."""
    return Digests(DigestPlan(), algorithm, with_md5=True)


async def copy_bytes(
    call: Call, source: Source, start: int, end: int, writer: SegmentWriter, digests: Digests, keys: DataKeys | None
) -> Written:
    """Read [start, end) of the source and write it, sealed with ``keys``; on error what was stored is garbage."""

    async def pieces() -> AsyncIterator[memoryview]:
        if start == end:
            return
        async with aclosing(object_stream(call.services.reader, source.record, source.keys, start, end)) as stream:
            async for group in stream:
                for piece in group:
                    yield piece

    try:
        async with call.services.copies:
            if keys is None:
                written = await writer.write(pieces(), end - start, digests.update)
            else:
                written = await write_sealed(writer, pieces(), end - start, keys, digests.update)
    except BaseException:
        await note_garbage(call.services, writer.garbage())
        raise
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
        and not asks_for_encryption(call.request.headers)
    )


def _check_request(given: CopyObjectInput, source: Source) -> None:
    for name, value in (("metadata", given.metadata_directive), ("tagging", given.tagging_directive)):
        if value not in (None, "COPY", "REPLACE"):
            raise S3Fault("InvalidArgument", f"Unknown {name} directive.")
    if given.checksum_algorithm and given.checksum_algorithm.upper() not in ALGORITHMS:
        raise S3Fault("InvalidRequest", "Checksum algorithm provided is unsupported.")
    if source.record.size > COPY_BYTES_MAX:
        raise S3Fault(
            "InvalidRequest",
            f"The specified copy source is larger than the maximum allowable size for a copy source: {COPY_BYTES_MAX}",
        )


def _copied_attributes(given: CopyObjectInput, old: Attributes, asked: Attributes) -> Attributes:
    """The source's description or the request's, as the directive says; class and redirect are always the request's."""
    if given.metadata_directive == "REPLACE":
        return asked
    return msgspec.structs.replace(
        old, parts=(), storage_class=asked.storage_class, website_redirect=asked.website_redirect
    )


async def copy_object(call: Call, given: CopyObjectInput) -> Response:
    """https://docs.aws.amazon.com/AmazonS3/latest/API/API_CopyObject.html"""
    headers = call.request.headers
    condition = write_condition(headers)
    source = await find_source(call)
    _check_request(given, source)
    if _is_self_copy(call, source, given):
        raise S3Fault(
            "InvalidRequest",
            "This copy request is illegal because it is trying to copy an object to itself without changing the "
            "object's metadata, storage class, website redirect location or encryption attributes.",
        )
    services = call.services
    old = source.record.attributes
    kept = old.checksum.algorithm if old.checksum is not None else CHECKSUM_DEFAULT
    digests = copy_digests((given.checksum_algorithm or kept).upper())
    copied_tags = None if given.tagging_directive == "REPLACE" else source.record.mutable.tags
    if copied_tags:
        await call.require("s3:GetObjectTagging", source.bucket, source.record.key)
    described = await describe(call, headers, tags=copied_tags)
    attributes = _copied_attributes(given, old, described.attributes)
    intent = await services.store.begin(call.bucket, call.key)
    encryption = described.mutable.encryption
    try:
        keys = await keys_for_write(call, encryption, headers)
        facts = ObjectFacts(
            described.owner,
            msgspec.structs.replace(attributes, checksum=None),
            described.mutable,
            stored_length(source.record.size, keys),
            digests.algorithm,
        )
        writer = services.segment_writer(call.bucket, call.key, intent.write_id, facts)
        written = await copy_bytes(call, source, 0, source.record.size, writer, digests, keys)
    except BaseException:
        await services.store.abort(intent, ObjectLayout())
        raise
    checksum = digests.checksum()
    version = NewVersion(
        size=source.record.size,
        etag=sealed_etag(digests.md5_hex(), encryption, keys),
        owner=described.owner,
        attributes=msgspec.structs.replace(attributes, checksum=checksum),
        layout=written.layout,
        mutable=described.mutable,
    )
    committed = await commit_or_abort(services, intent, version, condition, written, event_of(call, "ObjectCreated:Copy"))
    note_copied(call, source.bucket, source.record.key, version_id=source.version_id, size=version.size)
    result = CopyObjectResult(
        e_tag=f'"{version.etag}"', last_modified=committed.mtime_us, **checksum_members(checksum)
    )
    answer = render(call.operation, CopyObjectOutput(copy_object_result=result))
    answer.headers.extend(version_headers(committed.version_id, committed.versioning))
    answer.headers.extend(encryption_headers(services.encryption, encryption, with_context=True))
    tags = described.mutable.tags
    answer.headers.extend(expiration_of_new(call, call.key, version.size, committed.mtime_us, tags))
    answer.headers.extend(source_version_headers(source))
    return answer


def source_version_headers(source: Source) -> Headers:
    """``x-amz-copy-source-version-id`` for sources in buckets that were ever versioned."""
    if source.bucket.versioning is Versioning.OFF:
        return []
    return [(b"x-amz-copy-source-version-id", source.record.version_id.encode())]


async def upload_part_copy(call: Call, given: UploadPartCopyInput) -> Response:
    """https://docs.aws.amazon.com/AmazonS3/latest/API/API_UploadPartCopy.html"""
    number = check_part_number(given.part_number)
    upload = await find_upload(call, given.upload_id)
    encryption = upload.mutable.encryption
    check_part(call, encryption)
    source = await find_source(call)
    start, end = 0, source.record.size
    if given.copy_source_range is not None:
        start, end = copy_range(given.copy_source_range, source.record.size)
    if end - start > COPY_BYTES_MAX:
        raise S3Fault("EntityTooLarge", fields=(("MaxSizeAllowed", str(COPY_BYTES_MAX)),))
    services = call.services
    digests = copy_digests(part_checksum_algorithm(upload))
    keys = await keys_for_write(call, encryption, call.request.headers)
    facts = facts_of_part(upload, end - start, keys, digests.algorithm)
    writer = services.segment_writer(call.bucket, call.key, uuid.uuid4().bytes, facts, number)
    written = await copy_bytes(call, source, start, end, writer, digests, keys)
    part = PartRecord(
        number=number,
        size=end - start,
        etag=sealed_etag(digests.md5_hex(), encryption, keys),
        mtime_us=services.clock.now_us(),
        checksum=digests.checksum(),
        layout=written.layout,
    )
    await keep_part(call, upload, part, written)
    note_copied(call, source.bucket, source.record.key, version_id=source.version_id, size=part.size)
    shown = part.checksum if upload.checksum_algorithm else None
    result = CopyPartResult(
        e_tag=f'"{part.etag}"', last_modified=part.mtime_us, **checksum_members(shown, with_type=False)
    )
    answer = render(call.operation, UploadPartCopyOutput(copy_part_result=result))
    answer.headers.extend(encryption_headers(services.encryption, encryption))
    answer.headers.extend(source_version_headers(source))
    return answer
