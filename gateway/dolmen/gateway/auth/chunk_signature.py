"""Signatures of chunks and trailers: each covers the one before it, the first the signature of the request.

https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming.html
https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming-trailers.html
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping

from dolmen.gateway.s3.fault import S3Fault

_EMPTY_SHA256 = hashlib.sha256(b"").hexdigest()


class ChunkSigner:
    """Checks the chain of signatures of one body, in order."""

    __slots__ = ("_key", "_scope", "_signature", "_timestamp")

    def __init__(self, signing_key: bytes, timestamp: str, scope: str, seed_signature: str) -> None:
        self._key = signing_key
        self._timestamp = timestamp
        self._scope = scope
        self._signature = seed_signature

    def check_chunk(self, sha256_hex: str, signature: str) -> None:
        """The next chunk, by the SHA-256 of its data. Raises SignatureDoesNotMatch."""
        self._check("AWS4-HMAC-SHA256-PAYLOAD", f"{_EMPTY_SHA256}\n{sha256_hex}", signature)

    def check_trailer(self, trailers: Mapping[str, str], signature: str) -> None:
        """The trailers (lower-case names, trimmed values), after the last chunk. Raises SignatureDoesNotMatch."""
        lines = "".join([f"{name}:{value}\n" for name, value in sorted(trailers.items())])
        self._check("AWS4-HMAC-SHA256-TRAILER", hashlib.sha256(lines.encode()).hexdigest(), signature)

    def _check(self, kind: str, digest: str, signature: str) -> None:
        to_sign = f"{kind}\n{self._timestamp}\n{self._scope}\n{self._signature}\n{digest}"
        computed = hmac.digest(self._key, to_sign.encode(), "sha256").hex()
        if not hmac.compare_digest(computed.encode(), signature.encode()):
            raise S3Fault(
                "SignatureDoesNotMatch",
                fields=(
                    ("StringToSign", to_sign),
                    ("SignatureProvided", signature),
                    ("StringToSignBytes", to_sign.encode().hex(" ")),
                ),
            )
        self._signature = computed
