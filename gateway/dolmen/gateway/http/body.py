"""The body of a request: decoded, counted, digested; verified before anything of it is committed.

One pipeline for every form: raw bytes, ``aws-chunked`` with signed or unsigned chunks, with or without trailers, with or
without Content-Length.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping

from dolmen.gateway.auth.sigv4 import Signed
from dolmen.gateway.http.digests import CHECKSUM_DEFAULT, DigestPlan, Digests, plan_digests, without_checksums
from dolmen.gateway.http.request import Request
from dolmen.gateway.metadata.records import Checksum
from dolmen.gateway.s3.chunked import body_decoder
from dolmen.gateway.s3.fault import S3Fault

SHA256_HEX_CHARACTERS = 64


def content_length(headers: Mapping[str, str], name: str) -> int | None:
    """A length header as a number; None when it is absent. Raises InvalidArgument."""
    text = headers.get(name)
    if text is None:
        return None
    if not text.isascii() or not text.isdigit() or len(text) > 18:
        raise S3Fault("InvalidArgument", fields=(("ArgumentName", name), ("ArgumentValue", text)))
    return int(text)


class Body:
    """One request's payload. ``length``: its decoded bytes."""

    def __init__(
        self, request: Request, signed: Signed | None, *, for_object: bool, checksums_are_its_own: bool = True
    ) -> None:
        """``for_object``: it becomes an object or part, so MD5 and a checksum are computed in any case.

        ``checksums_are_its_own``: False when ``x-amz-checksum-*`` tell of something else than this body.
        Raises MissingContentLength and what ``plan_digests`` raises.
        """
        headers = request.headers
        self._request = request
        self._trailers: Mapping[str, str] = {}
        payload_hash = signed.payload_hash if signed is not None else headers.get("x-amz-content-sha256", "")
        self._decoder = body_decoder(signed, headers)
        if not checksums_are_its_own:
            headers = without_checksums(headers)
        plan = plan_digests(headers, payload_hash if len(payload_hash) == SHA256_HEX_CHARACTERS else "")
        algorithm = plan.algorithm or headers.get("x-amz-sdk-checksum-algorithm", "").upper()
        self._for_object = for_object
        self._digests = Digests(plan, algorithm or (CHECKSUM_DEFAULT if for_object else ""), for_object)
        if self._decoder is not None:
            self.length = content_length(headers, "x-amz-decoded-content-length") or 0
        else:
            length = content_length(headers, "content-length")
            if length is None and (request.has_body or for_object):
                raise S3Fault("MissingContentLength")
            self.length = length or 0
        self._received = 0

    @property
    def plan(self) -> DigestPlan:
        return self._digests.plan

    @property
    def checksum_algorithm(self) -> str:
        """Of the checksum that is computed; "" for none."""
        return self._digests.algorithm

    def ask_for(self, algorithm: str) -> None:
        """Compute this checksum (of the upload that a part belongs to). Raises InvalidRequest when the client gives another."""
        given = self.plan.algorithm
        if given and given != algorithm:
            raise S3Fault(
                "InvalidRequest",
                f"Checksum Type mismatch occurred, expected checksum Type: {algorithm.lower()}, "
                f"actual checksum Type: {given.lower()}",
            )
        self._digests = Digests(self.plan, algorithm, self._for_object)

    async def pieces(self) -> AsyncIterator[memoryview]:
        """The decoded bytes as they come. Raises IncompleteBody, SignatureDoesNotMatch, RequestTimeout, ``ClientGone``."""
        decoder = self._decoder
        while (received := await self._request.receive_pieces()) is not None:
            for raw in received:
                for piece in (memoryview(raw),) if decoder is None else decoder.feed(bytes(raw)):
                    self._received += len(piece)
                    yield piece
        if self._decoder is not None:
            self._trailers = self._decoder.finish()
        if self._received != self.length:
            raise S3Fault("IncompleteBody")

    def update(self, data: memoryview) -> None:
        """Feed the digests, in order; may run in a thread."""
        self._digests.update(data)

    def verify(self) -> None:
        """After the last byte. Raises BadDigest, XAmzContentSHA256Mismatch, InvalidRequest."""
        self._digests.verify(self._trailers)

    async def read(self, bytes_max: int) -> bytes:
        """The whole of a small body, verified. Raises MaxMessageLengthExceeded and what ``pieces`` and ``verify`` raise."""
        if self.length > bytes_max:
            raise S3Fault("MaxMessageLengthExceeded", fields=(("MaxMessageLengthBytes", str(bytes_max)),))
        whole = bytearray()
        async for piece in self.pieces():
            whole += piece
            if len(whole) > bytes_max:
                raise S3Fault("MaxMessageLengthExceeded", fields=(("MaxMessageLengthBytes", str(bytes_max)),))
        self._digests.update(whole)
        self.verify()
        return bytes(whole)

    def md5_hex(self) -> str:
        return self._digests.md5_hex()

    def checksum(self) -> Checksum | None:
        return self._digests.checksum()
