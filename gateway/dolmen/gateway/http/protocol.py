"""uvicorn's HTTP protocol with limits, S3's form of an error where there is no request yet, and without its copies of bodies."""

from __future__ import annotations

import asyncio
import os
from functools import partial
from typing import Any, cast

import httptools
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from dolmen.core.process import new_buffer
from dolmen.gateway.http.request import GONE, IDLE, PIECES, Message
from dolmen.gateway.http.send import HOST_ID
from dolmen.gateway.s3.fault import S3Fault
from dolmen.gateway.s3.render import render_fault

HEAD_BYTES_MAX = 64 * 1024  # request line and headers; S3 takes 8 KB of headers and 2 KB of metadata in them
HEAD_READ_BYTES_MAX = HEAD_BYTES_MAX + 256 * 1024  # what is read until a head ends; its first read may bring other bytes along
HEAD_SECONDS = 60.0  # from the connection, or the first byte of a request, to the end of its headers
BODY_IDLE_SECONDS = 60.0  # a client that sends nothing for so long is gone; AWS gives up after about 20 to 60 s
SEND_STALL_SECONDS = 120.0  # to take the half megabyte that waits for the client: slower than 4 KB/s is as good as gone
BODY_AHEAD_BYTES_MAX = 512 * 1024  # of a body that waits for the application: two reads of the socket
SCRATCH_BYTES = 256 * 1024  # one read of everything that is no long body
DIRECT_BYTES_MIN = 64 * 1024  # left of a body: below it a buffer of its own costs more than the copies
DIRECT_BUFFER_BYTES = 256 * 1024  # stays in the second-level cache until it is copied into its stripe
CONNECTIONS_MAX = 4096  # of one process: each may hold a request's buffers; below the usual limit of file descriptors


async def receive_pieces(cycle: Any, loop: asyncio.AbstractEventLoop) -> Message:  # noqa: ANN401 - uvicorn's cycle
    """ASGI's ``receive``: as uvicorn's, but the body comes in pieces, and a client that sends nothing is told ("dolmen.idle")."""
    if cycle.waiting_for_100_continue and not cycle.transport.is_closing():
        cycle.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        cycle.waiting_for_100_continue = False
    event: asyncio.Event = cycle.message_event
    if not cycle.disconnected and not cycle.response_complete:
        cycle.flow.resume_reading()
        if not event.is_set():
            timer = loop.call_later(BODY_IDLE_SECONDS, _idle, cycle)
            try:
                await event.wait()
            finally:
                timer.cancel()
        event.clear()
    if cycle.disconnected or cycle.response_complete:
        return {"type": "http.disconnect"}
    pieces, cycle.body, cycle.body_bytes = cycle.body, [], 0
    idle, cycle.idle = cycle.idle and not pieces, False
    return {"type": "http.request", PIECES: pieces, IDLE: idle, "more_body": cycle.more_body}


def _idle(cycle: Any) -> None:  # noqa: ANN401 - uvicorn's cycle
    cycle.idle = True
    cycle.message_event.set()


def fresh_parser(protocol: HttpToolsProtocol) -> httptools.HttpRequestParser:
    """As uvicorn makes it."""
    parser = httptools.HttpRequestParser(protocol)
    parser.set_dangerous_leniencies(lenient_data_after_close=True)
    return parser


class S3Link(asyncio.BufferedProtocol):
    """Reads for an ``S3Protocol``: long bodies straight into buffers of their own, everything else through the parser.

    uvloop and the parser would copy each byte of a body once more; and their pieces are smaller.
    """

    _scratch = memoryview(bytearray(SCRATCH_BYTES))  # shared: what is read is parsed before anybody else reads

    def __init__(self, **given: Any) -> None:  # noqa: ANN401 - what uvicorn hands to a protocol
        self._protocol = S3Protocol(**given)
        self._buffer = memoryview(b"")
        self._filled = 0
        self._offered = 0  # bytes of ``_buffer`` offered to the transport; 0 when the scratch buffer was

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._protocol.connection_made(cast("asyncio.Transport", transport))

    def connection_lost(self, exc: Exception | None) -> None:
        self._buffer = memoryview(b"")
        self._protocol.connection_lost(exc)

    def pause_writing(self) -> None:
        self._protocol.pause_writing()

    def resume_writing(self) -> None:
        self._protocol.resume_writing()

    def eof_received(self) -> bool:
        """A client that has said all it had may still wait for its answer; half a request ends with its connection."""
        cycle = self._protocol.cycle
        if cycle is None or cycle.more_body or cycle.response_complete:
            return False
        if not self._protocol.pipeline:
            cycle.keep_alive = False  # nothing more can come: the connection ends with the answer
        return True

    def get_buffer(self, sizehint: int) -> memoryview:
        left = self._protocol.direct_bytes
        if not left:
            self._offered = 0
            return self._scratch
        if self._filled == len(self._buffer):
            self._buffer, self._filled = new_buffer(min(left, DIRECT_BUFFER_BYTES)), 0
        self._offered = min(left, len(self._buffer) - self._filled)
        return self._buffer[self._filled : self._filled + self._offered]

    def buffer_updated(self, nbytes: int) -> None:
        if not self._offered:
            self._protocol.data_received(bytes(self._scratch[:nbytes]))
            return
        piece = self._buffer[self._filled : self._filled + nbytes]
        self._filled += nbytes
        if nbytes and self._protocol.direct_bytes == nbytes:
            self._buffer, self._filled = memoryview(b""), 0  # the last piece: an idle connection holds no buffer
        self._protocol.body_received(piece)


class HeadRefused(Exception):
    """Raised in a callback of the parser, which stops it."""


class S3Protocol(HttpToolsProtocol):
    """One client connection."""

    _head_bytes = 0
    _head_read_bytes = 0
    _host_seen = False
    _head_timer: asyncio.TimerHandle | None = None
    _stall_timer: asyncio.TimerHandle | None = None
    _fault: S3Fault | None = None
    _body_left = 0
    _direct = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        if len(self.connections) > CONNECTIONS_MAX:
            self._fault = S3Fault("SlowDown")
            self.send_400_response("too many connections")
            return
        self._head_timer = self.loop.call_later(HEAD_SECONDS, self._head_late)

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_head_timer()
        self._stop_stall_timer()
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
        self._host_seen = False
        if self._head_timer is None:
            self._head_timer = self.loop.call_later(HEAD_SECONDS, self._head_late)

    def on_url(self, url: bytes) -> None:
        self._count_head(len(url))
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        self._count_head(len(name) + len(value) + 4)
        if name.lower() == b"host":
            if self._host_seen:  # RFC 9112, 3.2: refused; whoever sent it may not agree with us where it ends either
                raise HeadRefused
            self._host_seen = True
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        self._stop_head_timer()
        super().on_headers_complete()
        cycle: Any = self.cycle
        cycle.body = []
        cycle.body_bytes = 0
        cycle.idle = False
        cycle.receive = partial(receive_pieces, cycle, self.loop)  # its task has not run yet
        cycle.scope[GONE] = lambda: cycle.disconnected
        self._body_left = self._declared_length()

    def _declared_length(self) -> int:
        """Bytes of the body when Content-Length says it, else 0: then only the parser knows where it ends."""
        length = 0
        for name, value in self.headers:
            if name == b"transfer-encoding":
                return 0
            if name == b"content-length" and value.strip().isdigit():
                length = int(value)
        return length

    @property
    def direct_bytes(self) -> int:
        """How many bytes come next that are body and nothing else; 0 when they are for the parser."""
        return self._body_left if self._body_left >= DIRECT_BYTES_MIN or self._direct else 0

    def body_received(self, piece: memoryview) -> None:
        """Bytes of the body that did not pass through the parser. After the last one a fresh parser waits for the next request."""
        self._direct = True
        self.on_body(piece)
        if self._body_left == 0:
            self._direct = False
            self.parser = fresh_parser(self)
            self.on_message_complete()

    def on_message_complete(self) -> None:
        self._body_left = 0
        super().on_message_complete()

    def on_body(self, body: bytes | memoryview) -> None:
        """The pieces of a body wait in a list: no copy here, and none when the application takes them."""
        cycle: Any = self.cycle
        self._body_left = max(0, self._body_left - len(body))
        if cycle.response_complete:
            return
        cycle.body.append(body)
        cycle.body_bytes += len(body)
        if cycle.body_bytes > BODY_AHEAD_BYTES_MAX:
            self.flow.pause_reading()
        cycle.message_event.set()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._stall_timer = self.loop.call_later(SEND_STALL_SECONDS, self._stalled)

    def resume_writing(self) -> None:
        super().resume_writing()
        self._stop_stall_timer()

    def _stop_stall_timer(self) -> None:
        if self._stall_timer is not None:
            self._stall_timer.cancel()
            self._stall_timer = None

    def _stalled(self) -> None:
        """The client takes nothing: what it was to get holds memory that others wait for."""
        self._stall_timer = None
        self.transport.abort()

    def _count_head(self, size: int) -> None:
        self._head_bytes += size
        if self._head_bytes > HEAD_BYTES_MAX:
            self._fault = S3Fault("RequestHeaderSectionTooLarge", fields=(("MaxSizeAllowed", str(HEAD_BYTES_MAX)),))
            raise HeadRefused

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
            *(b"%s: %s\r\n" % header for header in answer.headers),
            b"x-amz-request-id: " + request_id.encode() + b"\r\n",
            b"content-length: " + str(len(answer.body)).encode() + b"\r\n",
            b"connection: close\r\n\r\n",
        ]
        self.transport.write(b"".join([*head, answer.body]))
        self.transport.close()
