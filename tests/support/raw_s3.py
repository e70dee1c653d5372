"""Signed S3 requests by hand, for what SDKs are too polite to send: wrong signatures, odd framings, broken bodies.

Nothing is normalised: the path and the query go out as they are given, and are signed so.
"""

from __future__ import annotations

import datetime
import hashlib
import hmac
import http.client
import re
import socket
import xml.etree.ElementTree as ET
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Self
from urllib.parse import quote, unquote_to_bytes

from s3_results import watch_raw

ALGORITHM = "AWS4-HMAC-SHA256"
REGION = "us-east-1"
TIMEOUT_SECONDS = 60.0
EMPTY_SHA256 = hashlib.sha256(b"").hexdigest()
UNSIGNED = "UNSIGNED-PAYLOAD"
STREAMING = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"
STREAMING_TRAILER = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER"
UNSIGNED_TRAILER = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"

Query = Iterable[tuple[str, str]]


def timestamp(offset_seconds: float = 0.0) -> str:
    """The basic ISO form of now, or of a moment beside it."""
    moment = datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=offset_seconds)
    return moment.strftime("%Y%m%dT%H%M%SZ")


def encoded(text: str | bytes) -> str:
    """Percent-encoding as SigV4 wants it in a query."""
    return quote(text, safe="-_.~")


def key_path(bucket: str, key: str | bytes) -> str:
    """The path of a key: every byte but the slash and the unreserved ones percent-encoded, dots included where they matter."""
    return f"/{bucket}/{quote(key, safe='/-_.~')}"


def query_text(query: Query) -> str:
    return "&".join(f"{encoded(name)}={encoded(value)}" for name, value in query)


def _canonical_query(text: str) -> str:
    pairs = []
    for pair in text.split("&"):
        if pair:
            name, _, value = pair.partition("=")
            pairs.append(tuple(encoded(unquote_to_bytes(part)) for part in (name, value)))
    return "&".join(f"{name}={value}" for name, value in sorted(pairs))


def sha256(text: str | bytes) -> str:
    return hashlib.sha256(text.encode() if isinstance(text, str) else text).hexdigest()


@dataclass(frozen=True)
class Signature:
    """What the chunks of a streaming body go on from."""

    key: bytes
    timestamp: str
    scope: str
    value: str

    def _next(self, kind: str, middle: str, digest: str) -> Signature:
        text = "\n".join(filter(None, (kind, self.timestamp, self.scope, self.value, middle, digest)))
        return Signature(self.key, self.timestamp, self.scope, hmac.new(self.key, text.encode(), "sha256").hexdigest())

    def of_chunk(self, data: bytes) -> Signature:
        return self._next("AWS4-HMAC-SHA256-PAYLOAD", EMPTY_SHA256, sha256(data))

    def of_trailer(self, trailer: str) -> Signature:
        return self._next("AWS4-HMAC-SHA256-TRAILER", "", sha256(trailer))


def signing_key(secret: str, date: str, region: str = REGION, service: str = "s3") -> bytes:
    key = f"AWS4{secret}".encode()
    for part in (date, region, service, "aws4_request"):
        key = hmac.new(key, part.encode(), "sha256").digest()
    return key


def sign(
    keys: tuple[str, str], method: str, path: str, query: str, headers: Mapping[str, str], when: str, payload: str
) -> tuple[str, Signature]:
    """(value of Authorization, signature) for exactly these headers."""
    lower = {name.lower(): " ".join(value.split()) for name, value in headers.items()}
    names = ";".join(sorted(lower))
    lines = "".join(f"{name}:{lower[name]}\n" for name in sorted(lower))
    path = quote(unquote_to_bytes(path), safe="/-_.~")
    canonical = "\n".join((method, path, _canonical_query(query), lines, names, payload))
    scope = f"{when[:8]}/{REGION}/s3/aws4_request"
    key = signing_key(keys[1], when[:8])
    value = hmac.new(key, f"{ALGORITHM}\n{when}\n{scope}\n{sha256(canonical)}".encode(), "sha256").hexdigest()
    text = f"{ALGORITHM} Credential={keys[0]}/{scope}, SignedHeaders={names}, Signature={value}"
    return text, Signature(key, when, scope, value)


@dataclass
class Answer:
    """A whole answer. ``headers``: lower-case names; repeated ones keep the last."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def xml(self) -> ET.Element:
        """The document, its namespace removed."""
        root = ET.fromstring(self.body)
        for element in root.iter():
            element.tag = element.tag.rpartition("}")[2]
        return root

    @property
    def error(self) -> dict[str, str]:
        """The fields of an error document by name."""
        assert self.xml.tag == "Error", self.body
        return {element.tag: element.text or "" for element in self.xml}

    @property
    def code(self) -> str:
        found = re.search(rb"<Error><Code>(\w+)</Code>", self.body)  # a key may hold what no XML parser takes
        assert found is not None, self.body
        return found[1].decode()

    @property
    def told(self) -> tuple[int, str]:
        """(status, code) for assertions."""
        return self.status, self.code


@dataclass
class RawS3:
    """Sends requests of one account to one store, each on a connection of its own."""

    port: int
    keys: tuple[str, str] | None
    host: str = "127.0.0.1"
    default_headers: dict[str, str] = field(default_factory=dict)

    @property
    def host_header(self) -> str:
        return f"{self.host}:{self.port}"

    def headers_for(
        self,
        method: str,
        path: str,
        query: str = "",
        headers: Mapping[str, str] | None = None,
        *,
        payload: str = UNSIGNED,
        when: str | None = None,
        unsigned: Mapping[str, str] | None = None,
    ) -> tuple[dict[str, str], Signature | None]:
        """The headers to send, signed (but for ``unsigned``, which ride along)."""
        sent = {"Host": self.host_header, **self.default_headers, **(headers or {})}
        signature = None
        if self.keys is not None:
            moment = when or timestamp()
            sent = {**sent, "x-amz-date": moment, "x-amz-content-sha256": payload}
            left_out = {name: value for name, value in sent.items() if name.lower() in ("content-length", "expect")}
            signed = {name: value for name, value in sent.items() if name not in left_out}
            text, signature = sign(self.keys, method, path, query, signed, moment, payload)
            sent["Authorization"] = text
        return {**sent, **(unsigned or {})}, signature

    def request(
        self,
        method: str,
        path: str,
        query: str | Query = "",
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
        *,
        payload: str = UNSIGNED,
        when: str | None = None,
        unsigned: Mapping[str, str] | None = None,
    ) -> Answer:
        """One signed request. Without a body no Content-Length is sent, except 0 where a method usually has one."""
        text = query if isinstance(query, str) else query_text(query)
        sent, _ = self.headers_for(method, path, text, headers, payload=payload, when=when, unsigned=unsigned)
        return self.send(method, path, text, sent, body)

    def send(self, method: str, path: str, query: str, headers: Mapping[str, str], body: bytes | None) -> Answer:
        """These headers and no others but Content-Length."""
        watch_raw(method, path, query, headers)
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=TIMEOUT_SECONDS)
        try:
            connection.putrequest(
                method, f"{path}?{query}" if query else path, skip_host=True, skip_accept_encoding=True
            )
            for name, value in headers.items():
                connection.putheader(name, value.encode() if not value.isascii() else value)
            names = {name.lower() for name in headers}
            if not names & {"content-length", "transfer-encoding"} and (body is not None or method in ("PUT", "POST")):
                connection.putheader("Content-Length", str(len(body or b"")))
            connection.endheaders(body or None)
            return answer_of(connection.getresponse())
        finally:
            connection.close()

    def presigned(
        self,
        method: str,
        path: str,
        query: Query = (),
        headers: Mapping[str, str] | None = None,
        *,
        expires_seconds: int = 900,
        when: str | None = None,
    ) -> str:
        """The query of a presigned URL."""
        assert self.keys is not None
        moment = when or timestamp()
        signed = {"host": self.host_header, **(headers or {})}
        scope = f"{moment[:8]}/{REGION}/s3/aws4_request"
        pairs = [
            *query,
            ("X-Amz-Algorithm", ALGORITHM),
            ("X-Amz-Credential", f"{self.keys[0]}/{scope}"),
            ("X-Amz-Date", moment),
            ("X-Amz-Expires", str(expires_seconds)),
            ("X-Amz-SignedHeaders", ";".join(sorted(name.lower() for name in signed))),
        ]
        text = query_text(pairs)
        _, signature = sign(self.keys, method, path, text, signed, moment, UNSIGNED)
        return f"{text}&X-Amz-Signature={signature.value}"

    def connect(self) -> Wire:
        return Wire(self)


def answer_of(response: http.client.HTTPResponse) -> Answer:
    headers = {name.lower(): value for name, value in response.getheaders()}
    return Answer(response.status, headers, response.read())


class Wire:
    """A TCP connection to write bytes on and read answers from."""

    def __init__(self, s3: RawS3) -> None:
        self.s3 = s3
        self.socket = socket.create_connection(("127.0.0.1", s3.port), timeout=TIMEOUT_SECONDS)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def head(self, method: str, target: str, headers: Mapping[str, str]) -> None:
        """The request line and the headers."""
        lines = [f"{method} {target} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items()), "", ""]
        self.socket.sendall("\r\n".join(lines).encode())

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def finish_sending(self) -> None:
        """Half-close: nothing more will come."""
        self.socket.shutdown(socket.SHUT_WR)

    def answer(self, method: str = "GET") -> Answer:
        """The next answer, final or not (100 Continue is one)."""
        response = http.client.HTTPResponse(self.socket, method=method)
        response.begin()
        return answer_of(response)

    def read_line(self) -> bytes:
        """Up to the next CRLF, byte by byte."""
        line = b""
        while not line.endswith(b"\r\n"):
            piece = self.socket.recv(1)
            if not piece:
                break
            line += piece
        return line

    def is_closed(self) -> bool:
        """The peer has closed: waits for it."""
        try:
            return self.socket.recv(1) == b""
        except ConnectionError:
            return True


def chunked(data: bytes, sizes: Iterable[int], signature: Signature | None, trailers: Mapping[str, str] | None = None) -> bytes:
    """``data`` as aws-chunked in chunks of these sizes (the last one repeats), with signatures if there is one to go on from."""
    out, position = [], 0
    sizes = iter(sizes)
    size = 0
    while True:
        size = next(sizes, size)
        piece = data[position : position + size]
        position += len(piece)
        line = f"{len(piece):x}"
        if signature is not None:
            signature = signature.of_chunk(piece)
            line += f";chunk-signature={signature.value}"
        out.append(line.encode() + b"\r\n")
        if not piece:
            break
        out.append(piece + b"\r\n")
    text = "".join(f"{name}:{value}\n" for name, value in (trailers or {}).items())
    out += [line.encode() + b"\r\n" for line in text.splitlines()]
    if signature is not None and trailers:
        out.append(f"x-amz-trailer-signature:{signature.of_trailer(text).value}\r\n".encode())
    return b"".join([*out, b"\r\n"])
