"""GetObjectAttributes: what is known of an object without its bytes."""

from __future__ import annotations

from dolmen.gateway.handlers.call import Call, require_version
from dolmen.gateway.handlers.encryption import check_encryption_headers
from dolmen.gateway.handlers.headers import checksum_members, version_headers
from dolmen.gateway.metadata.records import VersionRecord
from dolmen.gateway.s3.conditions import ReadConditions, check_read
from dolmen.gateway.s3.dates import http_date
from dolmen.gateway.s3.fault import S3Fault
from dolmen.gateway.s3.model.inputs_generated import GetObjectAttributesInput
from dolmen.gateway.s3.model.outputs_generated import (
    Checksum as ChecksumOutput,
)
from dolmen.gateway.s3.model.outputs_generated import (
    GetObjectAttributesOutput,
    GetObjectAttributesParts,
    ObjectPart,
)
from dolmen.gateway.s3.render import Response, render

PARTS_PAGE_MAX = 1000  # S3's page of GetObjectAttributes
_COUNT_DIGITS_MAX = 10  # 32 bits
ATTRIBUTES = frozenset({"ETag", "Checksum", "ObjectParts", "StorageClass", "ObjectSize"})


async def get_object_attributes(call: Call, given: GetObjectAttributesInput) -> Response:
    """https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObjectAttributes.html"""
    wanted = {name.strip() for name in call.request.headers.get("x-amz-object-attributes", "").split(",")}
    if not wanted or not wanted <= ATTRIBUTES:
        raise S3Fault(
            "InvalidArgument",
            "Invalid attribute name specified.",
            fields=(
                ("ArgumentName", "x-amz-object-attributes"),
                ("ArgumentValue", call.request.headers.get("x-amz-object-attributes", "")),
            ),
        )
    record = await call.find(given.version_id)
    record = require_version(record, call, given.version_id)
    check_read(ReadConditions.of(call.request.headers), record.etag, record.mtime_us)
    check_encryption_headers(call, record.mutable.encryption)
    attributes = record.attributes
    checksum = attributes.checksum if "Checksum" in wanted else None
    answer = render(
        call.operation,
        GetObjectAttributesOutput(
            e_tag=record.etag if "ETag" in wanted else None,
            checksum=ChecksumOutput(**checksum_members(checksum)) if checksum is not None else None,
            object_parts=_parts(given, record) if "ObjectParts" in wanted and attributes.parts else None,
            storage_class=attributes.storage_class if "StorageClass" in wanted else None,
            object_size=record.size if "ObjectSize" in wanted else None,
        ),
    )
    answer.headers.append((b"last-modified", http_date(record.mtime_us).encode()))
    answer.headers.extend(version_headers(record.version_id, call.bucket.versioning))
    return answer


def _count(name: str, value: int | str | None, default: int) -> int:
    """A bounded number of a header. Raises InvalidArgument."""
    if value is None:
        return default
    text = str(value).strip()
    if not text.isascii() or not text.isdecimal() or len(text) > _COUNT_DIGITS_MAX:
        raise S3Fault(
            "InvalidArgument",
            f"Provided {name} not an integer or within integer range",
            fields=(("ArgumentName", name), ("ArgumentValue", text)),
        )
    return int(text)


def _parts(given: GetObjectAttributesInput, record: VersionRecord) -> GetObjectAttributesParts:
    limit = min(_count("x-amz-max-parts", given.max_parts, PARTS_PAGE_MAX), PARTS_PAGE_MAX)
    after = _count("x-amz-part-number-marker", given.part_number_marker, 0)
    parts = record.attributes.parts
    left = [part for part in parts if part.number > after]
    page = left[:limit]
    with_checksums = any(part.checksum is not None for part in parts) and (
        record.attributes.checksum is not None and record.attributes.checksum.type == "COMPOSITE"
    )
    return GetObjectAttributesParts(
        total_parts_count=len(parts),
        part_number_marker=after,
        next_part_number_marker=page[-1].number if page else 0,
        max_parts=limit,
        is_truncated=len(left) > len(page),
        parts=[
            ObjectPart(
                part_number=part.number,
                size=part.size,
                **checksum_members(part.checksum, with_type=False),
            )
            for part in page
        ]
        if with_checksums
        else None,
    )
