"""Response headers that describe a version, shared by reads and writes."""

from __future__ import annotations

from typing import Any

from dolmen.gateway.http.request import Headers
from dolmen.gateway.metadata.records import Checksum, Versioning, VersionRecord
from dolmen.gateway.s3.dates import http_date

DEFAULT_CONTENT_TYPE = "binary/octet-stream"  # what S3 says for objects stored without one

CHECKSUM_FIELDS = {
    "CRC32": "checksum_crc32",
    "CRC32C": "checksum_crc32_c",
    "CRC64NVME": "checksum_crc64_nvme",
    "SHA1": "checksum_sha1",
    "SHA256": "checksum_sha256",
    "SHA512": "checksum_sha512",
    "MD5": "checksum_md5",
    "XXHASH64": "checksum_xxhash64",
    "XXHASH3": "checksum_xxhash3",
    "XXHASH128": "checksum_xxhash128",
}  # algorithm: member of botocore's shapes

_SYSTEM_HEADERS = (
    ("cache_control", b"cache-control"),
    ("content_disposition", b"content-disposition"),
    ("content_encoding", b"content-encoding"),
    ("content_language", b"content-language"),
    ("expires", b"expires"),
    ("website_redirect", b"x-amz-website-redirect-location"),
)


def version_headers(version_id: str, versioning: Versioning) -> Headers:
    """``x-amz-version-id``, which S3 leaves out for buckets that were never versioned."""
    if versioning is Versioning.OFF:
        return []
    return [(b"x-amz-version-id", version_id.encode())]


def checksum_headers(checksum: Checksum | None, *, with_type: bool = True) -> Headers:
    """``x-amz-checksum-<algorithm>`` and its type."""
    if checksum is None:
        return []
    headers = [(b"x-amz-checksum-" + checksum.algorithm.lower().encode(), checksum.value.encode())]
    if with_type:
        headers.append((b"x-amz-checksum-type", checksum.type.encode()))
    return headers


def checksum_members(checksum: Checksum | None, *, with_type: bool = True) -> dict[str, Any]:
    """The same as members of an output record."""
    if checksum is None:
        return {}
    members = {CHECKSUM_FIELDS[checksum.algorithm]: checksum.value}
    return {**members, "checksum_type": checksum.type} if with_type else members


def etag_header(etag: str) -> tuple[bytes, bytes]:
    return (b"etag", b'"' + etag.encode() + b'"')


def object_headers(record: VersionRecord, versioning: Versioning) -> Headers:
    """The headers that describe a version, the same for GET and HEAD."""
    attributes = record.attributes
    headers: Headers = [
        (b"last-modified", http_date(record.mtime_us).encode()),
        etag_header(record.etag),
        (b"accept-ranges", b"bytes"),
        (b"content-type", (attributes.content_type or DEFAULT_CONTENT_TYPE).encode()),
    ]
    if versioning is not Versioning.OFF:
        headers.append((b"x-amz-version-id", record.version_id.encode()))
    for name, header in _SYSTEM_HEADERS:
        value: str = getattr(attributes, name)
        if value:
            headers.append((header, value.encode()))
    if attributes.storage_class != "STANDARD":
        headers.append((b"x-amz-storage-class", attributes.storage_class.encode()))
    for name, value in attributes.user_metadata.items():
        headers.append((b"x-amz-meta-" + name.encode(), value.encode()))
    if record.mutable.tags:
        headers.append((b"x-amz-tagging-count", str(len(record.mutable.tags)).encode()))
    return headers
