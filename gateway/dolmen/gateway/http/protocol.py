"""uvicorn's HTTP protocol, with S3's form of a parse error and without its copies of bodies."""

from __future__ import annotations

import os
from typing import Any, Self

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from dolmen.gateway.http.send import HOST_ID
from dolmen.gateway.s3.fault import S3Fault
from dolmen.gateway.s3.render import render_fault


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


HEAD_BYTES_MAX = 64 << 10  # request line and headers; S3 takes 8 KiB of headers, a presigned address may have as much


class S3Protocol(HttpToolsProtocol):
    """One client connection."""

    def __init__(self, *arguments: Any, **named: Any) -> None:  # noqa: ANN401 - handed on to uvicorn as they come
        super().__init__(*arguments, **named)
        self._in_head = True
        self._head_bytes = 0

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self._in_head:  # still: the parser itself would collect a head of any size
            self._head_bytes += len(data)
            if self._head_bytes > HEAD_BYTES_MAX and not self.transport.is_closing():
                self._refuse(S3Fault("RequestHeaderSectionTooLarge"))

    def on_message_begin(self) -> None:
        self._in_head = True
        self._head_bytes = 0
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        self._in_head = False
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        cycle: Any = self.cycle
        if not cycle.body:
            cycle.body = _Pieces()
        super().on_body(body)

    def send_400_response(self, msg: str) -> None:
        """Bytes that are no HTTP: told in XML, and the connection is closed."""
        self._refuse(S3Fault("BadRequest", "An error occurred when parsing the HTTP request."))

    def _refuse(self, fault: S3Fault) -> None:
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
