"""uvicorn's HTTP protocol with limits, S3's form of an error where there is no request yet, and without its copies of bodies."""

from __future__ import annotations

import asyncio
import os
from typing import Any, Self

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from dolmen.gateway.http.send import HOST_ID
from dolmen.gateway.s3.fault import S3Fault
from dolmen.gateway.s3.render import render_fault

HEAD_BYTES_MAX = 64 * 1024  # request line and headers; S3 takes 8 KB of headers and 2 KB of metadata in them
HEAD_READ_BYTES_MAX = HEAD_BYTES_MAX + 256 * 1024  # what is read until a head ends; its first read may bring other bytes along
HEAD_SECONDS = 60.0  # from the connection, or the first byte of a request, to the end of its headers
CONNECTIONS_MAX = 4096  # of one process: each may hold a request's buffers; below the usual limit of file descriptors


class _Pieces:
    """What came of a body since the application last asked: handed on without a copy when it is one piece."""

    __slots__ = ("_length", "_pieces")

    def __init__(self) -> None:
        self._pieces: list[bytes] = []
        self._length = 0

    def __iadd__(self, piece: bytes) -> Self:
        self._pieces.append(piece)
        self._length += len(piece)
        return self

    def __len__(self) -> int:
        return self._length

    def __bytes__(self) -> bytes:
        return self._pieces[0] if len(self._pieces) == 1 else b"".join(self._pieces)


class HeadTooLarge(Exception):
    """Raised in a callback of the parser, which stops it."""


class S3Protocol(HttpToolsProtocol):
    """One client connection."""

    _head_bytes = 0
    _head_read_bytes = 0
    _head_timer: asyncio.TimerHandle | None = None
    _fault: S3Fault | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        if len(self.connections) > CONNECTIONS_MAX:
            self._fault = S3Fault("SlowDown")
            self.send_400_response("too many connections")
            return
        self._head_timer = self.loop.call_later(HEAD_SECONDS, self._head_late)

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_head_timer()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self._head_timer is not None:  # in a head: the parser collects an endless header without telling
            self._head_read_bytes += len(data)
            if self._head_read_bytes > HEAD_READ_BYTES_MAX and not self.transport.is_closing():
                self._fault = S3Fault("RequestHeaderSectionTooLarge", fields=(("MaxSizeAllowed", str(HEAD_BYTES_MAX)),))
                self.send_400_response("a header without an end")

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._head_bytes = 0
        self._head_read_bytes = 0
        if self._head_timer is None:
            self._head_timer = self.loop.call_later(HEAD_SECONDS, self._head_late)

    def on_url(self, url: bytes) -> None:
        self._count_head(len(url))
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        self._count_head(len(name) + len(value) + 4)
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        self._stop_head_timer()
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        cycle: Any = self.cycle
        if not cycle.body:
            cycle.body = _Pieces()
        super().on_body(body)

    def _count_head(self, size: int) -> None:
        self._head_bytes += size
        if self._head_bytes > HEAD_BYTES_MAX:
            self._fault = S3Fault("RequestHeaderSectionTooLarge", fields=(("MaxSizeAllowed", str(HEAD_BYTES_MAX)),))
            raise HeadTooLarge

    def _stop_head_timer(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _head_late(self) -> None:
        self._head_timer = None
        if not self.transport.is_closing():
            self._fault = S3Fault("RequestTimeout")
            self.send_400_response("headers took too long")

    def send_400_response(self, msg: str) -> None:
        """An answer where there is no request (bytes that are no HTTP, a limit): in XML, and the connection is closed."""
        fault = self._fault or S3Fault("BadRequest")
        request_id = os.urandom(8).hex().upper()
        answer = render_fault(fault, resource="/", request_id=request_id, host_id=HOST_ID)
        head = [
            STATUS_LINE[fault.status],
            b"content-type: application/xml\r\n",
            b"x-amz-request-id: " + request_id.encode() + b"\r\n",
            b"content-length: " + str(len(answer.body)).encode() + b"\r\n",
            b"connection: close\r\n\r\n",
        ]
        self.transport.write(b"".join([*head, answer.body]))
        self.transport.close()
