"""What a client says about the bytes it sends (Content-MD5, SHA-256 of the payload, ``x-amz-checksum-*``), as a plan to verify.

``plan_digests`` is pure: it reads headers and refuses contradictions before a byte is read.
https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity-upload.html
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field

from typing_extensions import Buffer

from dolmen.core.checksums import ALGORITHMS, DIGEST_BYTES, Hasher, new_hasher
from dolmen.gateway.metadata.records import Checksum
from dolmen.gateway.s3.fault import S3Fault

CHECKSUM_DEFAULT = "CRC64NVME"  # what S3 computes when the client names none
CHECKSUM_HEADER = "x-amz-checksum-"
_NOT_VALUES = frozenset({"x-amz-checksum-algorithm", "x-amz-checksum-mode", "x-amz-checksum-type"})


@dataclass(frozen=True, slots=True)
class DigestPlan:
    """What to compute and what to compare it with. Values are base64 as the client sent them, "" when not given."""

    content_md5: str = ""
    payload_sha256: str = ""  # hex
    algorithm: str = ""  # of the checksum that the client gives, in a header or a trailer
    value: str = ""  # from the header; "" when it comes in a trailer
    trailer: str = ""  # name of the trailer that carries it


def decoded_checksum(algorithm: str, value: str) -> bytes:
    """The digest in a header, trailer or XML element. Raises InvalidRequest."""
    try:
        raw = base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError) as error:
        raise _invalid_value(algorithm) from error
    if len(raw) != DIGEST_BYTES[algorithm]:
        raise _invalid_value(algorithm)
    return raw


def _invalid_value(algorithm: str) -> S3Fault:
    return S3Fault("InvalidRequest", f"Value for {CHECKSUM_HEADER}{algorithm.lower()} header is invalid.")


def _algorithm_of(header: str) -> str:
    algorithm = header.removeprefix(CHECKSUM_HEADER).upper()
    if algorithm not in ALGORITHMS:
        raise S3Fault("InvalidRequest", f"The algorithm type you specified in {CHECKSUM_HEADER} header is invalid.")
    return algorithm


def plan_digests(headers: Mapping[str, str], payload_sha256: str) -> DigestPlan:
    """Raises InvalidDigest, InvalidRequest. ``payload_sha256``: 64 hex digits, or "" when the payload is not signed as a whole."""
    content_md5 = headers.get("content-md5", "")
    if "content-md5" in headers:
        _check_md5(content_md5)
    given = [name for name in headers if name.startswith(CHECKSUM_HEADER) and name not in _NOT_VALUES]
    announced = [name.strip().lower() for name in headers.get("x-amz-trailer", "").split(",") if name.strip()]
    trailers = [name for name in announced if name.startswith(CHECKSUM_HEADER)]
    if len(given) + len(trailers) > 1:
        raise S3Fault(
            "InvalidRequest", "Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed."
        )
    plan = DigestPlan(content_md5=content_md5, payload_sha256=payload_sha256)
    if given:
        algorithm = _algorithm_of(given[0])
        decoded_checksum(algorithm, headers[given[0]])
        plan = DigestPlan(content_md5, payload_sha256, algorithm, headers[given[0]])
    elif trailers:
        plan = DigestPlan(content_md5, payload_sha256, _algorithm_of(trailers[0]), trailer=trailers[0])
    asked = headers.get("x-amz-sdk-checksum-algorithm", "").upper()
    if asked and asked not in ALGORITHMS:
        raise S3Fault("InvalidRequest", "Checksum algorithm provided is unsupported. Please try again with any of the valid types.")
    if asked and plan.algorithm and asked != plan.algorithm:
        raise S3Fault("InvalidRequest", "Value for x-amz-sdk-checksum-algorithm header is invalid.")
    return plan


def without_checksums(headers: Mapping[str, str]) -> dict[str, str]:
    """The headers but for ``x-amz-checksum-*``: those of CompleteMultipartUpload tell of the object, not of the document."""
    return {name: value for name, value in headers.items() if not name.startswith(CHECKSUM_HEADER)}


def _check_md5(value: str) -> None:
    try:
        raw = base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError) as error:
        raise S3Fault("InvalidDigest", fields=(("Content-MD5", value),)) from error
    if len(raw) != hashlib.md5(usedforsecurity=False).digest_size:
        raise S3Fault("InvalidDigest", fields=(("Content-MD5", value),))


@dataclass(slots=True)
class Digests:
    """The running digests of one body. ``update`` may run in a thread, one call at a time."""

    plan: DigestPlan
    algorithm: str  # of the checksum that is computed; "" for none
    with_md5: bool
    _md5: Hasher | None = field(init=False, default=None)
    _sha256: Hasher | None = field(init=False, default=None)
    _checksum: Hasher | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        if self.with_md5 or self.plan.content_md5:
            self._md5 = hashlib.md5(usedforsecurity=False)
        if self.plan.payload_sha256:
            self._sha256 = hashlib.sha256()
        if self.algorithm:
            self._checksum = new_hasher(self.algorithm)

    def update(self, data: Buffer) -> None:
        if self._md5 is not None:
            self._md5.update(data)
        if self._sha256 is not None:
            self._sha256.update(data)
        if self._checksum is not None:
            self._checksum.update(data)

    def verify(self, trailers: Mapping[str, str]) -> None:
        """Compare with what the client said. Raises BadDigest, XAmzContentSHA256Mismatch, InvalidRequest."""
        plan = self.plan
        if self._sha256 is not None:
            computed = self._sha256.digest().hex()
            if computed != plan.payload_sha256.lower():
                raise S3Fault(
                    "XAmzContentSHA256Mismatch",
                    fields=(
                        ("ClientComputedContentSHA256", plan.payload_sha256),
                        ("S3ComputedContentSHA256", computed),
                    ),
                )
        if plan.content_md5 and self._md5 is not None:
            md5 = base64.b64encode(self._md5.digest()).decode()
            if md5 != plan.content_md5:
                raise S3Fault(
                    "BadDigest",
                    "The Content-MD5 you specified did not match what we received.",
                    fields=(("ExpectedDigest", plan.content_md5), ("CalculatedDigest", md5)),
                )
        if plan.algorithm:
            self._verify_checksum(trailers)

    def _verify_checksum(self, trailers: Mapping[str, str]) -> None:
        plan = self.plan
        value = plan.value
        if plan.trailer:
            if plan.trailer not in trailers:
                raise S3Fault("MalformedTrailerError", "The request contained trailing data that was not well-formed.")
            value = trailers[plan.trailer]
        expected = decoded_checksum(plan.algorithm, value)
        assert self._checksum is not None
        assert self.algorithm == plan.algorithm
        if self._checksum.digest() != expected:
            raise S3Fault("BadDigest", f"The {plan.algorithm} you specified did not match the calculated checksum.")

    def md5_hex(self) -> str:
        """The ETag of a body that was written in one piece."""
        assert self._md5 is not None
        return self._md5.digest().hex()

    def checksum(self) -> Checksum | None:
        """What S3 stores and shows."""
        if self._checksum is None:
            return None
        return Checksum(self.algorithm, base64.b64encode(self._checksum.digest()).decode())
