"""AWS Signature Version 4 in the header, payload unsigned: a request signed beforehand can be sent for 15 minutes.

https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html
"""

from __future__ import annotations

import datetime
import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import quote

UNSIGNED = "UNSIGNED-PAYLOAD"
SIGNED_SECONDS = 15 * 60  # AWS refuses requests whose clock is further away
UNRESERVED = "-._~"


@dataclass
class Signer:
    """Signs requests to one host; ``now`` is fixed when it is made, so that the key is derived once."""

    host: str  # with the port
    access_key_id: str
    secret_access_key: str
    region: str = "us-east-1"
    now: datetime.datetime = field(default_factory=lambda: datetime.datetime.now(datetime.UTC))

    def __post_init__(self) -> None:
        self._stamp = self.now.strftime("%Y%m%dT%H%M%SZ")
        self._scope = f"{self._stamp[:8]}/{self.region}/s3/aws4_request"
        key = f"AWS4{self.secret_access_key}".encode()
        for part in self._scope.split("/"):
            key = hmac.digest(key, part.encode(), "sha256")
        self._key = key

    def head(self, method: str, path: str, query: Mapping[str, str] | None = None, headers: Mapping[str, str] | None = None,
             body_bytes: int | None = None) -> bytes:
        """Request line and headers, signed; ``path`` and ``query`` are not yet percent-encoded."""
        raw_path = quote(path, safe="/" + UNRESERVED)
        raw_query = canonical_query(query or {})
        signed = {
            "host": self.host,
            "x-amz-content-sha256": UNSIGNED,
            "x-amz-date": self._stamp,
            **{name.lower(): value for name, value in (headers or {}).items()},
        }
        names = sorted(signed)
        lines = "".join(f"{name}:{signed[name]}\n" for name in names)
        canonical = f"{method}\n{raw_path}\n{raw_query}\n{lines}\n{';'.join(names)}\n{UNSIGNED}"
        hashed = hashlib.sha256(canonical.encode()).hexdigest()
        to_sign = f"AWS4-HMAC-SHA256\n{self._stamp}\n{self._scope}\n{hashed}"
        signature = hmac.digest(self._key, to_sign.encode(), "sha256").hex()
        target = f"{raw_path}?{raw_query}" if raw_query else raw_path
        fields = "".join(f"{name}: {signed[name]}\r\n" for name in names)
        length = f"content-length: {body_bytes}\r\n" if body_bytes is not None else ""
        return (
            f"{method} {target} HTTP/1.1\r\n{fields}{length}"
            f"authorization: AWS4-HMAC-SHA256 Credential={self.access_key_id}/{self._scope}, "
            f"SignedHeaders={';'.join(names)}, Signature={signature}\r\n\r\n"
        ).encode()


def canonical_query(query: Mapping[str, str]) -> str:
    """Sorted and percent-encoded as the signature wants it; sent in the same form."""
    pairs = sorted((quote(name, safe=UNRESERVED), quote(value, safe=UNRESERVED)) for name, value in query.items())
    return "&".join(f"{name}={value}" for name, value in pairs)
