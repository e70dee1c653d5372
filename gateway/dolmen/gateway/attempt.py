"""What is known of a request so far; errors, metrics and logs are told in terms of it."""

from __future__ import annotations

from dataclasses import dataclass

from dolmen.gateway.auth.principal import Principal
from dolmen.gateway.auth.sigv4 import Signed
from dolmen.gateway.http.request import Request
from dolmen.gateway.http.send import Streamed
from dolmen.gateway.metadata.records import BucketRecord
from dolmen.gateway.s3.render import Response

UNROUTED = "Unrouted"  # the operation's name in metrics and logs until it is known


@dataclass(slots=True)
class Attempt:
    """One request on its way through the door."""

    request: Request
    began_seconds: float
    bucket: str | None = None
    key: bytes | None = None
    principal: Principal | None = None
    found_bucket: BucketRecord | None = None
    operation: str = UNROUTED
    signed: Signed | None = None
    answer: Response | Streamed | None = None
    answered_seconds: float = 0.0  # when the answer began; 0 before
    error_code: str = ""
    is_website: bool = False  # it came to a host of --website-domain

    @property
    def key_text(self) -> str:
        return "" if self.key is None else self.key.decode("utf-8", "replace")

    @property
    def resource(self) -> str:
        """The <Resource> of an error: the path as S3 shows it."""
        if self.bucket is None:
            return "/"
        return f"/{self.bucket}" if self.key is None else f"/{self.bucket}/{self.key_text}"


