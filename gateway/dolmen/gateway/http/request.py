"""One HTTP request as the S3 layer sees it: raw path and query for signing, decoded ones for the rest, a bounded body."""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any
from urllib.parse import unquote_to_bytes

from dolmen.gateway.s3.fault import S3Fault

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Headers = list[tuple[bytes, bytes]]

PIECES = "dolmen.pieces"  # of a message: what came of the body, as it came (http.protocol)
GONE = "dolmen.gone"  # of a scope: tells whether the client has closed the connection
IDLE = "dolmen.idle"  # of a message: the client has sent nothing for too long
DRAIN_BYTES_MAX = 1 << 20  # what is read and dropped so that a refused request does not cost its connection
DRAIN_SECONDS = 2.0
LINGER_BYTES_MAX = 64 << 20  # what is dropped after a refusal, so that the client reads it before it meets a reset
LINGER_SECONDS = 2.0
QUERY_FIELDS_MAX = 256  # more than any S3 operation has; bounds the work on hostile queries
_SIGNING_PARAMETERS = frozenset(
    {
        "x-amz-algorithm",
        "x-amz-credential",
        "x-amz-date",
        "x-amz-expires",
        "x-amz-signedheaders",
        "x-amz-signature",
    }
)
# AWS ignores these in a query: the SDK for JavaScript puts the checksum of no body there when it presigns a PUT.
_OF_A_BODY = re.compile("x-amz-checksum-(?!algorithm$|mode$|type$)|x-amz-sdk-checksum-algorithm$")
_CONTROLS = re.compile("[\x00-\x08\x0a-\x1f\x7f]")


class ClientGone(Exception):
    """The client closed the connection; nobody is left to answer."""


class Request:
    """Wraps the ASGI scope. Headers are copied first: httptools adds trailers to the scope's list later."""

    __slots__ = (
        "method",
        "raw_path",
        "raw_query",
        "raw_headers",
        "headers",
        "query",
        "request_id",
        "client_address",
        "secure",
        "body_done",
        "has_body",
        "client_gone",
        "_receive",
        "_received_any",
    )

    def __init__(self, scope: Scope, receive: Receive) -> None:
        self.method: str = scope["method"]
        self.raw_path: bytes = scope["raw_path"].partition(b"?")[0]
        self.raw_query: bytes = scope["query_string"]
        self.raw_headers: list[tuple[bytes, bytes]] = [(n, v.strip()) for n, v in scope["headers"]]
        self.headers = _header_dict(self.raw_headers)
        self.request_id = os.urandom(8).hex().upper()
        client = scope.get("client")
        self.client_address: str = client[0] if client else ""
        self.secure = scope.get("scheme") == "https"
        self.client_gone: Callable[[], bool] = scope[GONE]
        self._receive = receive
        self._received_any = False
        length = self.headers.get("content-length")
        self.has_body = (length is not None and length != "0") or "transfer-encoding" in self.headers
        self.body_done = not self.has_body
        self.query: dict[str, str] = {}

    def parse_query(self) -> None:
        """Fill ``query``; raises ``S3Fault`` on a query that cannot be read."""
        self.query = parse_query(self.raw_query)

    def take_headers_from_query(self) -> None:
        """SDKs move ``x-amz-*`` headers into the (signed) query of a presigned address; a header that came goes before them.

        Raises ``S3Fault`` for values with control characters.
        """
        for name, value in self.query.items():
            lower = name.lower()
            if lower.startswith("x-amz-") and lower not in _SIGNING_PARAMETERS and not _OF_A_BODY.match(lower):
                if _CONTROLS.search(value):  # no header could hold it, and it must not come out again as one
                    raise S3Fault("InvalidArgument", fields=(("ArgumentName", name), ("ArgumentValue", value)))
                self.headers.setdefault(lower, value)

    async def receive_pieces(self) -> list[bytes | memoryview] | None:
        """The next bytes of the body as they came; None at its end. Raises ``ClientGone``, RequestTimeout."""
        if self.body_done:
            return None
        self._received_any = True
        message = await self._receive()
        if message["type"] == "http.disconnect":
            raise ClientGone
        if message[IDLE]:
            raise S3Fault("RequestTimeout")
        if not message["more_body"]:
            self.body_done = True
        pieces: list[bytes | memoryview] = message[PIECES]
        return pieces

    async def continue_without_body(self) -> None:
        """Say "100 Continue" to a client that waits for it with nothing to send.

        RFC 9110 (10.1.1) lets a server go straight to its answer. botocore, up to 1.43 at least, then keeps that answer's status
        for the next request on the connection, misreads the answer to that and waits a minute for one.
        """
        if not self.has_body and not self._received_any and "expect" in self.headers:
            self._received_any = True
            await self._receive()  # the first call makes uvicorn say it; without a body it returns at once

    async def drain(self) -> bool:
        """Read and drop what is left of a small body; False when the connection must be closed instead."""
        if self.body_done:
            return True
        if not self._received_any and "expect" in self.headers:
            return False  # the client still waits for "100 Continue": it will not send
        length = self.headers.get("content-length")
        if length is None or not length.isdigit() or int(length) > DRAIN_BYTES_MAX:
            return False
        try:
            async with asyncio.timeout(DRAIN_SECONDS):
                while not self.body_done:
                    await self.receive_pieces()
        except (TimeoutError, S3Fault, ClientGone):
            return False
        return True

    async def linger(self) -> None:
        """After the answer to a request whose body was not read: drop what still comes, for a while.

        A connection that is closed with unread bytes is reset, and a reset takes the answer away from a client that still sends.
        """
        if not self._received_any and "expect" in self.headers:
            return  # it saw the answer before it sent anything
        dropped = 0
        try:
            async with asyncio.timeout(LINGER_SECONDS):
                while dropped < LINGER_BYTES_MAX and (pieces := await self.receive_pieces()) is not None:
                    dropped += sum(map(len, pieces))
        except (TimeoutError, S3Fault, ClientGone):
            return


def _header_dict(raw: list[tuple[bytes, bytes]]) -> dict[str, str]:
    """Lower-case names to text (UTF-8, else Latin-1); repeated headers are joined as RFC 9110 says."""
    headers: dict[str, str] = {}
    for raw_name, raw_value in raw:
        name = raw_name.decode("latin-1")
        try:
            value = raw_value.decode()
        except UnicodeDecodeError:
            value = raw_value.decode("latin-1")
        headers[name] = f"{headers[name]},{value}" if name in headers else value
    return headers


def parse_query(raw: bytes) -> dict[str, str]:
    """Names and values percent-decoded once, ``+`` is a space; the first of a repeated name counts."""
    if not raw:
        return {}
    pairs = raw.split(b"&")
    if len(pairs) > QUERY_FIELDS_MAX:
        raise S3Fault("InvalidRequest", "Too many query parameters.")
    query: dict[str, str] = {}
    for pair in pairs:
        if not pair:
            continue
        name, _, value = pair.partition(b"=")
        query.setdefault(_decoded(name), _decoded(value))
    return query


def _decoded(raw: bytes) -> str:
    if b"%" in raw or b"+" in raw:
        raw = unquote_to_bytes(raw.replace(b"+", b" "))
    try:
        return raw.decode()
    except UnicodeDecodeError as error:
        raise S3Fault("InvalidURI", "Couldn't parse the specified URI.") from error
