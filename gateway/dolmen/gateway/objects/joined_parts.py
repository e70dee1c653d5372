"""What a multipart object is told by, computed from its parts without reading a byte.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity-upload.html
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence

from dolmen.core.checksums import combine, composite
from dolmen.gateway.metadata.records import Checksum, PartRecord, UploadRecord

PART_BYTES_MIN = 5 * 1024 * 1024  # S3's limit for every part but the last


def multipart_etag(parts: Sequence[PartRecord]) -> str:
    """MD5 of the parts' MD5s, and their number: what S3 clients compute too."""
    joined = b"".join(bytes.fromhex(part.etag) for part in parts)
    return f"{hashlib.md5(joined, usedforsecurity=False).hexdigest()}-{len(parts)}"


def multipart_checksum(upload: UploadRecord, parts: Sequence[PartRecord]) -> Checksum | None:
    """The object's checksum out of its parts', without reading a byte; None when the parts' algorithms differ."""
    first = parts[0].checksum
    algorithm = upload.checksum_algorithm or (first.algorithm if first is not None else "")
    if any(part.checksum is None or part.checksum.algorithm != algorithm for part in parts):
        return None
    digests = [base64.b64decode(part.checksum.value) for part in parts if part.checksum is not None]
    whole = upload.checksum_type == "FULL_OBJECT" or (not upload.checksum_type and algorithm == "CRC64NVME")
    if whole:
        combined = combine(algorithm, list(zip(digests, [part.size for part in parts], strict=True)))
        return Checksum(algorithm, base64.b64encode(combined).decode(), "FULL_OBJECT")
    value = base64.b64encode(composite(algorithm, digests)).decode()
    return Checksum(algorithm, f"{value}-{len(parts)}", "COMPOSITE")
