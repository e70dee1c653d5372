"""Multipart uploads: create, parts, listing them, abort, complete.

A part is durable and noted before it is acknowledged; completion is one commit that names the parts, so a retry, a race
of two completions or a crash in between cannot lose or mix parts.
"""

from __future__ import annotations

import base64
import hashlib
import uuid
from collections.abc import Sequence

import msgspec

from dolmen.core.checksums import combine, composite
from dolmen.core.errors import DolmenError
from dolmen.core.layout import ObjectLayout
from dolmen.gateway.handlers.attributes import attributes_of, refuse_unsupported, tags_of
from dolmen.gateway.handlers.call import Call, Headers
from dolmen.gateway.handlers.object_read import checksum_headers, version_headers
from dolmen.gateway.handlers.object_write import note_garbage, store_body
from dolmen.gateway.metadata.records import (
    Checksum,
    NewVersion,
    PartRecord,
    PartSummary,
    UploadRecord,
)
from dolmen.gateway.metadata.store import MetadataUnknown
from dolmen.gateway.objects.segment_write import Written
from dolmen.gateway.s3.conditions import write_condition
from dolmen.gateway.s3.fault import S3Fault
from dolmen.gateway.s3.model.inputs import (
    AbortMultipartUploadInput,
    CompletedPart,
    CompleteMultipartUploadInput,
    CreateMultipartUploadInput,
    UploadPartInput,
)
from dolmen.gateway.s3.model.outputs import (
    CompleteMultipartUploadOutput,
    CreateMultipartUploadOutput,
)
from dolmen.gateway.s3.render import Response, render

PART_NUMBER_MAX = 10_000  # S3's limit
PART_BYTES_MIN = 5 * 1024 * 1024  # S3's limit for every part but the last
PART_BYTES_MAX = 5 * 1024**3
PARTS_PAGE = 1000  # parts read from the store at a time

FULL_OBJECT_ONLY = frozenset({"CRC64NVME"})
COMPOSITE_ONLY = frozenset({"SHA1", "SHA256"})
CHECKSUM_FIELDS = {
    "CRC32": "checksum_crc32",
    "CRC32C": "checksum_crc32_c",
    "CRC64NVME": "checksum_crc64_nvme",
    "SHA1": "checksum_sha1",
    "SHA256": "checksum_sha256",
}


def checksum_type_of(algorithm: str, asked: str | None) -> str:
    """COMPOSITE or FULL_OBJECT for a multipart upload, as S3's table allows."""
    if not algorithm:
        if asked:
            raise S3Fault(
                "InvalidRequest",
                "The x-amz-checksum-type header can only be used with the x-amz-checksum-algorithm header.",
            )
        return ""
    chosen = asked or ("FULL_OBJECT" if algorithm in FULL_OBJECT_ONLY else "COMPOSITE")
    wrong = FULL_OBJECT_ONLY if chosen == "COMPOSITE" else COMPOSITE_ONLY
    if algorithm in wrong:
        raise S3Fault(
            "InvalidRequest",
            f"The {chosen} checksum type cannot be used with the {algorithm.lower()} checksum algorithm.",
        )
    return chosen


async def find_upload(call: Call, upload_id: str) -> UploadRecord:
    """The upload in progress, or NoSuchUpload."""
    upload = await call.services.store.get_upload(call.bucket.bucket_id, call.key, upload_id)
    if upload is None or upload.completed is not None:
        raise S3Fault("NoSuchUpload", fields=(("UploadId", upload_id),))
    return upload


async def create_multipart_upload(call: Call, given: CreateMultipartUploadInput) -> Response:
    """https://docs.aws.amazon.com/AmazonS3/latest/API/API_CreateMultipartUpload.html"""
    headers = call.request.headers
    refuse_unsupported(headers)
    algorithm = (given.checksum_algorithm or "").upper()
    if algorithm and algorithm not in CHECKSUM_FIELDS:
        raise S3Fault("InvalidRequest", "Checksum algorithm provided is unsupported.")
    now_us = call.services.clock.now_us()
    upload = UploadRecord(
        bucket_id=call.bucket.bucket_id,
        key=call.key,
        upload_id=new_upload_id(now_us),
        initiated_us=now_us,
        owner=call.bucket.owner,
        initiator=call.account.id,
        attributes=attributes_of(headers),
        mutable=tags_of(headers),
        checksum_algorithm=algorithm,
        checksum_type=checksum_type_of(algorithm, given.checksum_type),
    )
    await call.services.store.create_upload(upload)
    return render(
        call.operation,
        CreateMultipartUploadOutput(
            bucket=call.bucket_name,
            key=call.key_text,
            upload_id=upload.upload_id,
            checksum_algorithm=upload.checksum_algorithm or None,
            checksum_type=upload.checksum_type or None,
        ),
    )


def new_upload_id(now_us: int) -> str:
    """Opaque, unguessable, and in order of creation: listings sort by (key, time of initiation)."""
    raw = now_us.to_bytes(8, "big") + uuid.uuid4().bytes
    return base64.b32hexencode(raw).decode().rstrip("=").lower()


def check_part_number(number: int | None) -> int:
    """Raises InvalidArgument outside of 1..10000."""
    if number is None or not 1 <= number <= PART_NUMBER_MAX:
        raise S3Fault(
            "InvalidArgument",
            "Part number must be an integer between 1 and 10000, inclusive",
            fields=(("ArgumentName", "partNumber"), ("ArgumentValue", str(number))),
        )
    return number


async def upload_part(call: Call, given: UploadPartInput) -> Response:
    """https://docs.aws.amazon.com/AmazonS3/latest/API/API_UploadPart.html"""
    refuse_unsupported(call.request.headers)
    number = check_part_number(given.part_number)
    upload = await find_upload(call, given.upload_id)
    if call.body.length is not None and call.body.length > PART_BYTES_MAX:
        raise S3Fault("EntityTooLarge", fields=(("MaxSizeAllowed", str(PART_BYTES_MAX)),))
    call.body.ask_for(upload.checksum_algorithm)
    written = await store_body(call, call.key, uuid.uuid4().bytes, number)
    part = PartRecord(
        number=number,
        size=written.layout.length,
        etag=call.body.md5_hex(),
        mtime_us=call.services.clock.now_us(),
        checksum=call.body.checksum(),
        layout=written.layout,
    )
    await keep_part(call, upload, part, written)
    headers: Headers = [(b"etag", b'"' + part.etag.encode() + b'"')]
    if upload.checksum_algorithm or call.body.checksum_given:
        headers += checksum_headers(part.checksum)[:1]
    headers.append((b"content-length", b"0"))
    return Response(200, headers, b"")


async def keep_part(call: Call, upload: UploadRecord, part: PartRecord, written: Written) -> None:
    """Make the part known; refused data becomes garbage, an unknown outcome leaves it alone."""
    try:
        await call.services.store.put_part(upload, part, written.repairs)
    except MetadataUnknown:
        raise
    except DolmenError:
        await note_garbage(call.services, written.layout)
        raise


async def abort_multipart_upload(call: Call, given: AbortMultipartUploadInput) -> Response:
    """https://docs.aws.amazon.com/AmazonS3/latest/API/API_AbortMultipartUpload.html"""
    upload = await find_upload(call, given.upload_id)
    await call.services.store.abort_upload(upload)
    return Response(204, [], b"")


async def all_parts(call: Call, upload: UploadRecord) -> dict[int, PartRecord]:
    """Every part of an upload by number."""
    parts: dict[int, PartRecord] = {}
    after = 0
    while True:
        page = await call.services.store.list_parts(upload, after, PARTS_PAGE)
        parts.update((part.number, part) for part in page)
        if len(page) < PARTS_PAGE:
            return parts
        after = page[-1].number


def _chosen(named: Sequence[CompletedPart], stored: dict[int, PartRecord]) -> list[PartRecord]:
    """The parts that the client names, checked: order, existence, ETag, checksum, size."""
    chosen: list[PartRecord] = []
    for index, completed in enumerate(named):
        number = check_part_number(completed.part_number)
        if chosen and number <= chosen[-1].number:
            raise S3Fault("InvalidPartOrder")
        part = stored.get(number)
        if part is None or (completed.e_tag or "").strip('"') != part.etag:
            raise S3Fault(
                "InvalidPart",
                fields=(("PartNumber", str(number)), ("ETag", (completed.e_tag or "").strip('"'))),
            )
        for algorithm, name in CHECKSUM_FIELDS.items():
            value = getattr(completed, name)
            if value is not None and (
                part.checksum is None or part.checksum != Checksum(algorithm, value, part.checksum.type)
            ):
                raise S3Fault("InvalidPart", fields=(("PartNumber", str(number)),))
        if part.size < PART_BYTES_MIN and index < len(named) - 1:
            raise S3Fault(
                "EntityTooSmall",
                fields=(
                    ("ProposedSize", str(part.size)),
                    ("MinSizeAllowed", str(PART_BYTES_MIN)),
                    ("PartNumber", str(number)),
                    ("ETag", part.etag),
                ),
            )
        chosen.append(part)
    return chosen


def multipart_etag(parts: Sequence[PartRecord]) -> str:
    """MD5 of the parts' MD5s, and their number: what S3 clients compute too."""
    joined = b"".join(bytes.fromhex(part.etag) for part in parts)
    return f"{hashlib.md5(joined, usedforsecurity=False).hexdigest()}-{len(parts)}"


def multipart_checksum(upload: UploadRecord, parts: Sequence[PartRecord]) -> Checksum | None:
    """The object's checksum out of its parts', without reading a byte."""
    algorithm = upload.checksum_algorithm or "CRC64NVME"
    if any(part.checksum is None or part.checksum.algorithm != algorithm for part in parts):
        return None
    digests = [base64.b64decode(part.checksum.value) for part in parts if part.checksum is not None]
    if upload.checksum_type == "COMPOSITE":
        value = base64.b64encode(composite(algorithm, digests)).decode()
        return Checksum(algorithm, f"{value}-{len(parts)}", "COMPOSITE")
    sizes = [part.size for part in parts]
    whole = combine(algorithm, list(zip(digests, sizes, strict=True)))
    return Checksum(algorithm, base64.b64encode(whole).decode(), "FULL_OBJECT")


def _check_object(
    call: Call,
    given: CompleteMultipartUploadInput,
    upload: UploadRecord,
    checksum: Checksum | None,
    size: int,
) -> None:
    """What the client says of the whole object must hold."""
    if given.mpu_object_size is not None and given.mpu_object_size != size:
        raise S3Fault(
            "InvalidRequest",
            f"The provided 'x-amz-mp-object-size' header value {given.mpu_object_size} does not match what was computed: {size}",
        )
    if given.checksum_type is not None and upload.checksum_type not in ("", given.checksum_type):
        raise S3Fault("InvalidRequest", "The upload was created using another checksum type.")
    for algorithm, name in CHECKSUM_FIELDS.items():
        value = getattr(given, name)
        if value is None:
            continue
        if checksum is None or checksum.algorithm != algorithm:
            raise S3Fault("InvalidRequest", "The upload was created using another checksum algorithm.")
        if checksum.value.partition("-")[0] != value.partition("-")[0]:
            raise S3Fault(
                "BadDigest", f"The {algorithm.lower()} you specified did not match the calculated checksum."
            )


async def complete_multipart_upload(call: Call, given: CompleteMultipartUploadInput) -> Response:
    """https://docs.aws.amazon.com/AmazonS3/latest/API/API_CompleteMultipartUpload.html"""
    services = call.services
    upload = await services.store.get_upload(call.bucket.bucket_id, call.key, given.upload_id)
    if upload is None:
        raise S3Fault("NoSuchUpload", fields=(("UploadId", given.upload_id),))
    if upload.completed is not None:
        return _completed_answer(call, upload.completed.etag, None, upload.completed.version_id)
    named = given.multipart_upload.parts if given.multipart_upload is not None else None
    if not named or len(named) > PART_NUMBER_MAX:
        raise S3Fault("MalformedXML")
    parts = _chosen(named, await all_parts(call, upload))
    checksum = multipart_checksum(upload, parts)
    size = sum(part.size for part in parts)
    _check_object(call, given, upload, checksum, size)
    attributes = msgspec.structs.replace(
        upload.attributes,
        checksum=checksum,
        parts=tuple(PartSummary(part.number, part.size, part.checksum) for part in parts),
    )
    version = NewVersion(
        size=size,
        etag=multipart_etag(parts),
        owner=upload.owner,
        attributes=attributes,
        mutable=upload.mutable,
        layout=ObjectLayout(tuple(s for part in parts for s in part.layout.segments)),
    )
    condition = write_condition(call.request.headers)
    intent = await services.store.begin(call.bucket, call.key)
    try:
        committed = await services.store.complete_upload(intent, upload, parts, version, condition)
    except MetadataUnknown:
        raise
    except DolmenError:
        await services.store.abort(intent, ObjectLayout())
        raise
    shown = committed.version_id
    return _completed_answer(call, version.etag, checksum, shown)


def _completed_answer(
    call: Call, etag: str, checksum: Checksum | None, version_id: str
) -> Response:
    host = call.request.headers.get("host", "")
    scheme = "https" if call.request.secure else "http"
    output = CompleteMultipartUploadOutput(
        location=f"{scheme}://{host}/{call.bucket_name}/{call.key_text}",
        bucket=call.bucket_name,
        key=call.key_text,
        e_tag=f'"{etag}"',
    )
    if checksum is not None:
        output = msgspec.structs.replace(
            output,
            **{CHECKSUM_FIELDS[checksum.algorithm]: checksum.value, "checksum_type": checksum.type},
        )
    answer = render(call.operation, output)
    answer.headers.extend(version_headers(version_id, call.bucket.versioning))
    return answer
