"""CompleteMultipartUpload: one commit that names the parts.

A retry, a race of two completions or a crash in between cannot lose or mix parts: the store checks each part again.
https://docs.aws.amazon.com/AmazonS3/latest/API/API_CompleteMultipartUpload.html
"""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import quote

import msgspec

from dolmen.core.errors import DolmenError
from dolmen.core.layout import ObjectLayout
from dolmen.gateway.handlers.call import Call
from dolmen.gateway.handlers.conditions import write_condition
from dolmen.gateway.handlers.encryption import check_complete, encryption_headers
from dolmen.gateway.handlers.events import event_of
from dolmen.gateway.handlers.headers import CHECKSUM_FIELDS, checksum_members, version_headers
from dolmen.gateway.handlers.lifecycle import expiration_of_new
from dolmen.gateway.handlers.multipart import PART_NUMBER_MAX, check_part_number
from dolmen.gateway.kms.sealed_keys import SSE_CUSTOMER
from dolmen.gateway.metadata.records import Checksum, Committed, NewVersion, PartRecord, PartSummary, UploadRecord
from dolmen.gateway.metadata.store import MetadataUnknown
from dolmen.gateway.objects.joined_parts import PART_BYTES_MIN, multipart_checksum, multipart_etag
from dolmen.gateway.s3.fault import S3Fault
from dolmen.gateway.s3.model.inputs_generated import CompletedPart, CompleteMultipartUploadInput
from dolmen.gateway.s3.model.outputs_generated import CompleteMultipartUploadOutput
from dolmen.gateway.s3.render import Response, render

PARTS_PAGE = 1000  # parts read from the store at a time


async def all_parts(call: Call, upload: UploadRecord) -> dict[int, PartRecord]:
    """Every part of an upload by number; 10,000 at most."""
    parts: dict[int, PartRecord] = {}
    after = 0
    while True:
        page = await call.services.store.list_parts(upload, after, PARTS_PAGE)
        parts.update((part.number, part) for part in page)
        if len(page) < PARTS_PAGE:
            return parts
        after = page[-1].number


def _chosen(upload: UploadRecord, named: Sequence[CompletedPart], stored: dict[int, PartRecord]) -> list[PartRecord]:
    """The parts that the client names, checked: order, existence, ETag, checksum, size."""
    chosen: list[PartRecord] = []
    for index, completed in enumerate(named):
        number = check_part_number(completed.part_number)
        if chosen and number <= chosen[-1].number:
            raise S3Fault("InvalidPartOrder", fields=(("UploadId", upload.upload_id),))
        part = stored.get(number)
        etag = (completed.e_tag or "").strip().strip('"')
        if part is None or etag != part.etag or not _checksums_hold(completed, part):
            raise S3Fault(
                "InvalidPart",
                fields=(("UploadId", upload.upload_id), ("PartNumber", str(number)), ("ETag", etag)),
            )
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


def _checksums_hold(completed: CompletedPart, part: PartRecord) -> bool:
    """Every checksum in the list is the one that the part was stored with."""
    for algorithm, name in CHECKSUM_FIELDS.items():
        value = getattr(completed, name)
        if value is not None and (
            part.checksum is None or part.checksum.algorithm != algorithm or part.checksum.value != value
        ):
            return False
    return True


def _check_object(
    given: CompleteMultipartUploadInput, upload: UploadRecord, checksum: Checksum | None, size: int
) -> None:
    """What the client says of the whole object must hold."""
    if given.mpu_object_size is not None and given.mpu_object_size != size:
        raise S3Fault(
            "InvalidRequest",
            f"The provided 'x-amz-mp-object-size' header value {given.mpu_object_size} "
            f"does not match what was computed: {size}",
        )
    if given.checksum_type and upload.checksum_type and given.checksum_type != upload.checksum_type:
        raise S3Fault(
            "InvalidRequest",
            f"The upload was created using the {upload.checksum_type} checksum mode. "
            f"The complete request must use the same checksum mode.",
        )
    for algorithm, name in CHECKSUM_FIELDS.items():
        value = getattr(given, name)
        if value is None:
            continue
        if checksum is None or checksum.algorithm != algorithm:
            raise S3Fault("InvalidRequest", "The upload was created using another checksum algorithm.")
        if checksum.value.partition("-")[0] != value.partition("-")[0]:
            raise S3Fault("BadDigest", f"The {algorithm.lower()} you specified did not match the calculated checksum.")


async def complete_multipart_upload(call: Call, given: CompleteMultipartUploadInput) -> Response:
    """See the module."""
    services = call.services
    condition = write_condition(call.request.headers)
    upload = await services.store.get_upload(call.bucket.bucket_id, call.key, given.upload_id or "")
    if upload is None:
        raise S3Fault("NoSuchUpload", fields=(("UploadId", given.upload_id or ""),))
    check_complete(call, upload.mutable.encryption)
    if upload.completed is not None:
        return _completed(call, upload, upload.completed, await _checksum_of(call, upload.completed))
    named = given.multipart_upload.parts if given.multipart_upload is not None else None
    if not named or len(named) > PART_NUMBER_MAX:
        raise S3Fault("MalformedXML")
    try:
        parts = _chosen(upload, named, await all_parts(call, upload))
    except S3Fault:
        done = await _ended_meanwhile(call, upload)
        if done is not None:
            return _completed(call, upload, done, await _checksum_of(call, done))
        raise
    checksum = multipart_checksum(upload, parts)
    size = sum(part.size for part in parts)
    _check_object(given, upload, checksum, size)
    version = NewVersion(
        size=size,
        etag=multipart_etag(parts),
        owner=upload.owner,
        attributes=msgspec.structs.replace(
            upload.attributes,
            checksum=checksum,
            parts=tuple(PartSummary(part.number, part.size, part.checksum) for part in parts),
        ),
        mutable=upload.mutable,
        layout=ObjectLayout(tuple(segment for part in parts for segment in part.layout.segments)),
    )
    intent = await services.store.begin(call.bucket, call.key)
    try:
        committed = await services.store.complete_upload(
            intent, upload, parts, version, condition, event_of(call, "ObjectCreated:CompleteMultipartUpload")
        )
    except MetadataUnknown:
        raise
    except DolmenError:
        await services.store.abort(intent, ObjectLayout())
        raise
    answer = _completed(call, upload, committed, checksum)
    answer.headers.extend(expiration_of_new(call, call.key, size, committed.mtime_us, upload.mutable.tags))
    return answer


async def _ended_meanwhile(call: Call, upload: UploadRecord) -> Committed | None:
    """Why parts may be missing: another completion was quicker, or an abort. Raises NoSuchUpload."""
    now = await call.services.store.get_upload(call.bucket.bucket_id, call.key, upload.upload_id)
    if now is None:
        raise S3Fault("NoSuchUpload", fields=(("UploadId", upload.upload_id),))
    return now.completed


async def _checksum_of(call: Call, committed: Committed) -> Checksum | None:
    """For the answer to a repeated completion; None when the version is gone meanwhile."""
    record = await call.services.store.get_version(call.bucket.bucket_id, call.key, committed.version_id)
    return record.attributes.checksum if record is not None and record.etag == committed.etag else None


def _completed(call: Call, upload: UploadRecord, committed: Committed, checksum: Checksum | None) -> Response:
    request = call.request
    scheme = "https" if request.secure else "http"
    host = request.headers.get("host", "")
    output = CompleteMultipartUploadOutput(
        location=f"{scheme}://{host}/{call.bucket_name}/{quote(call.key_text)}",
        bucket=call.bucket_name,
        key=call.key_text,
        e_tag=f'"{committed.etag}"',
        **checksum_members(checksum),
    )
    answer = render(call.operation, output)
    answer.headers.extend(version_headers(committed.version_id, committed.versioning))
    encryption = upload.mutable.encryption
    if encryption is not None and encryption.algorithm != SSE_CUSTOMER:  # of which S3 does not tell here
        answer.headers.extend(encryption_headers(call.services.encryption, encryption))
    return answer
