"""Multipart uploads: create, parts, abort. Completion is in ``multipart_complete``, lists in ``listing``.

A part is durable and noted before it is acknowledged.
"""

from __future__ import annotations

import uuid

from dolmen.core.checksums import ALGORITHMS
from dolmen.core.errors import DolmenError
from dolmen.gateway.handlers.call import Call
from dolmen.gateway.handlers.encryption import check_part, encryption_headers, keys_for_write
from dolmen.gateway.handlers.headers import checksum_headers, etag_header
from dolmen.gateway.handlers.lifecycle import abort_members
from dolmen.gateway.handlers.new_object import describe
from dolmen.gateway.handlers.object_write import note_garbage, store_body, stored_size
from dolmen.gateway.http.digests import CHECKSUM_DEFAULT
from dolmen.gateway.http.request import Headers
from dolmen.gateway.kms.sealed_keys import sealed_etag
from dolmen.gateway.metadata.records import PartRecord, UploadRecord
from dolmen.gateway.metadata.store import MetadataUnknown
from dolmen.gateway.metadata.versions import new_upload_id
from dolmen.gateway.objects.description import facts_of_part
from dolmen.gateway.objects.segment_write import Written
from dolmen.gateway.s3.fault import S3Fault
from dolmen.gateway.s3.model.inputs_generated import (
    AbortMultipartUploadInput,
    CreateMultipartUploadInput,
    UploadPartInput,
)
from dolmen.gateway.s3.model.outputs_generated import CreateMultipartUploadOutput
from dolmen.gateway.s3.render import Response, render

PART_NUMBER_MAX = 10_000  # S3's limit

FULL_OBJECT_ONLY = frozenset({"CRC64NVME"})
COMPOSITE_ONLY = ALGORITHMS - {"CRC32", "CRC32C", "CRC64NVME"}  # these do not combine


def checksum_type_of(algorithm: str, asked: str | None) -> str:
    """COMPOSITE or FULL_OBJECT for a multipart upload, as S3's table allows.

    https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity-upload.html
    """
    if not algorithm:
        if asked:
            raise S3Fault(
                "InvalidRequest",
                "The x-amz-checksum-type header can only be used with the x-amz-checksum-algorithm header.",
            )
        return ""
    if asked not in (None, "", "COMPOSITE", "FULL_OBJECT"):
        raise S3Fault("InvalidRequest", "Value for x-amz-checksum-type header is invalid.")
    chosen = asked or ("FULL_OBJECT" if algorithm in FULL_OBJECT_ONLY else "COMPOSITE")
    wrong = FULL_OBJECT_ONLY if chosen == "COMPOSITE" else COMPOSITE_ONLY
    if algorithm in wrong:
        raise S3Fault(
            "InvalidRequest",
            f"The {chosen} checksum type cannot be used with the {algorithm.lower()} checksum algorithm.",
        )
    return chosen


async def find_upload(call: Call, upload_id: str | None) -> UploadRecord:
    """The upload in progress. Raises NoSuchUpload."""
    upload = await call.services.store.get_upload(call.bucket.bucket_id, call.key, upload_id or "")
    if upload is None or upload.completed is not None:
        raise S3Fault("NoSuchUpload", fields=(("UploadId", upload_id or ""),))
    return upload


async def create_multipart_upload(call: Call, given: CreateMultipartUploadInput) -> Response:
    """https://docs.aws.amazon.com/AmazonS3/latest/API/API_CreateMultipartUpload.html"""
    described = await describe(call, call.request.headers)
    algorithm = (given.checksum_algorithm or "").upper()
    if algorithm and algorithm not in ALGORITHMS:
        raise S3Fault("InvalidRequest", "Checksum algorithm provided is unsupported.")
    now_us = call.services.clock.now_us()
    upload = UploadRecord(
        bucket_id=call.bucket.bucket_id,
        key=call.key,
        upload_id=new_upload_id(now_us),
        initiated_us=now_us,
        owner=described.owner,
        initiator=call.account.account_id,
        attributes=described.attributes,
        mutable=described.mutable,
        checksum_algorithm=algorithm,
        checksum_type=checksum_type_of(algorithm, given.checksum_type),
    )
    await call.services.store.create_upload(upload)
    answer = render(
        call.operation,
        CreateMultipartUploadOutput(
            bucket=call.bucket_name,
            key=call.key_text,
            upload_id=upload.upload_id,
            checksum_algorithm=upload.checksum_algorithm or None,
            checksum_type=upload.checksum_type or None,
            **abort_members(call, upload.key, upload.initiated_us),
        ),
    )
    answer.headers.extend(encryption_headers(call.services.encryption, upload.mutable.encryption, with_context=True))
    return answer


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
    number = check_part_number(given.part_number)
    upload = await find_upload(call, given.upload_id)
    encryption = upload.mutable.encryption
    check_part(call, encryption)
    if upload.checksum_algorithm:
        call.body.ask_for(upload.checksum_algorithm)
    keys = None if encryption is None else await keys_for_write(call, encryption, call.request.headers)
    facts = facts_of_part(upload, call.body.length, keys, call.body.checksum_algorithm)
    written = await store_body(call, uuid.uuid4().bytes, keys, facts, number)
    checksum = call.body.checksum()
    part = PartRecord(
        number=number,
        size=stored_size(written, keys),
        etag=sealed_etag(call.body.md5_hex(), encryption, keys),
        mtime_us=call.services.clock.now_us(),
        checksum=checksum,
        layout=written.layout,
    )
    await keep_part(call, upload, part, written)
    headers: Headers = [etag_header(part.etag), *checksum_headers(checksum, with_type=False)]
    headers += encryption_headers(call.services.encryption, encryption)
    return Response(200, headers, b"")


def part_checksum_algorithm(upload: UploadRecord) -> str:
    """What is computed over the bytes of a part when the client gives nothing."""
    return upload.checksum_algorithm or CHECKSUM_DEFAULT


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
    initiated_us = given.if_match_initiated_time
    if initiated_us is not None and initiated_us // 1_000_000 != upload.initiated_us // 1_000_000:
        raise S3Fault("PreconditionFailed", fields=(("Condition", "x-amz-if-match-initiated-time"),))
    await call.services.store.abort_upload(upload)
    return Response(204, [], b"")
