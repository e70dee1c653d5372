"""A byte stream becomes frames of ``core/wire.py``, with one copy at most. No I/O here: the transport asks where to put bytes.

Small frames are parsed out of a shared buffer. The payload of a large frame gets a buffer of its own, which the transport
fills directly and which is handed on as it is.
"""

from __future__ import annotations

from collections.abc import Callable

from crc32c import crc32c

from dolmen.core import wire
from dolmen.core.process import new_buffer

SCRATCH_BYTES = 64 * 1024  # of each connection: a dozen frames of small objects for one system call
PEEK_BYTES = 4096  # offered after a large frame: the next header, and little payload that would be copied
COPY_BYTES_MAX = 16 * 1024  # a payload up to this waits in the shared buffer and is copied once: cheaper than a call of its own
HEADER_BYTES_MAX_EARLY = 4096  # before the peer has shown that it knows the cluster key

OnFrame = Callable[[int, int, int, "memoryview | bytes", "memoryview | bytes"], None]


class FrameReader:
    """Calls ``on_frame(kind, request id, epoch, header, payload)`` for each whole frame.

    The header is valid only during the call; the payload belongs to the callee. Payloads are not checked here (their block
    CRCs are in the header). A frame over the limits, or with a wrong CRC, raises ``BadFrame``: the connection cannot go on.
    """

    __slots__ = (
        "_end", "_filled", "_held", "_offer", "_on_frame", "_payload", "_pending", "_scratch", "_start", "_view",
        "header_bytes_max", "payload_bytes_max",
    )  # fmt: skip

    def __init__(self, on_frame: OnFrame, *, header_bytes_max: int, payload_bytes_max: int) -> None:
        self.header_bytes_max = header_bytes_max
        self.payload_bytes_max = payload_bytes_max
        self._on_frame = on_frame
        self._scratch = bytearray(SCRATCH_BYTES)
        self._view = memoryview(self._scratch)
        self._start = 0  # what is not parsed yet: [start, end) of the scratch buffer
        self._end = 0
        self._offer = SCRATCH_BYTES
        self._payload: memoryview | None = None  # of the large frame on its way
        self._filled = 0
        self._pending: tuple[int, int, int, bytes] = (0, 0, 0, b"")
        self._held = False

    def buffer(self) -> memoryview:
        """Where the transport puts the next bytes; never empty."""
        if self._payload is not None:
            return self._payload[self._filled :]
        return self._view[self._end : self._end + self._offer]

    def received(self, count: int) -> None:
        """``count`` bytes were put there."""
        if self._payload is None:
            if count == self._offer:
                self._offer = SCRATCH_BYTES
            self._end += count
        else:
            self._filled += count
            self._finish_payload()
        if not self._held:
            self._parse()

    def hold(self) -> None:
        """Deliver no frame until ``resume``; the caller stops reading too."""
        self._held = True

    def resume(self) -> None:
        """Deliver again, first what is here already."""
        self._held = False
        self._finish_payload()
        self._parse()

    def _finish_payload(self) -> None:
        payload = self._payload
        if payload is not None and self._filled == len(payload) and not self._held:
            self._payload = None
            self._offer = PEEK_BYTES if self._filled >= SCRATCH_BYTES else SCRATCH_BYTES
            self._on_frame(*self._pending, payload)

    def _parse(self) -> None:
        while not self._held and self._payload is None and self._end - self._start >= wire.PREFIX_BYTES:
            if not self._one():
                break
        if self._start == self._end:
            self._start = self._end = 0
            if len(self._scratch) > SCRATCH_BYTES:
                self._grow(SCRATCH_BYTES)
        elif not self._held and self._start:
            rest = self._end - self._start
            self._view[:rest] = self._view[self._start : self._end]
            self._start, self._end = 0, rest

    def _one(self) -> bool:
        """Deliver the next frame, or begin its payload; False when more bytes are needed first."""
        start = self._start
        body = start + wire.PREFIX_BYTES
        magic, version, kind, request_id, epoch, header_bytes, payload_bytes, crc = wire.PREFIX.unpack_from(self._scratch, start)
        if magic != wire.MAGIC or version != wire.VERSION:
            raise wire.BadFrame(f"not a frame of protocol {wire.VERSION}")
        if header_bytes > self.header_bytes_max or payload_bytes > self.payload_bytes_max:
            raise wire.BadFrame(f"frame of {header_bytes} + {payload_bytes} bytes is over the limit")
        at = body + header_bytes
        if self._end < at:
            self._make_room(at - start)
            return False
        header = self._view[body:at]
        if crc32c(header, crc32c(self._view[start : start + wire.CRC_AT])) != crc:
            raise wire.BadFrame("CRC of the frame's header does not match")
        end = at + payload_bytes
        if end <= self._end:
            self._start = end
            self._on_frame(kind, request_id, epoch, header, bytes(self._view[at:end]) if payload_bytes else b"")
            return True
        if payload_bytes <= COPY_BYTES_MAX:
            self._make_room(end - start)
            return False
        self._payload = payload = new_buffer(payload_bytes)
        self._filled = here = self._end - at
        payload[:here] = self._view[at : self._end]
        self._pending = (kind, request_id, epoch, bytes(header))
        self._start = self._end
        return False

    def _make_room(self, frame_bytes: int) -> None:
        """A frame that waits in the scratch buffer fits, with room to read on."""
        if frame_bytes > len(self._scratch) - PEEK_BYTES:
            self._grow(frame_bytes + SCRATCH_BYTES)

    def _grow(self, size: int) -> None:
        """A scratch buffer of ``size`` bytes: larger for a large header, back to normal afterwards."""
        rest = bytes(self._view[self._start : self._end])
        self._scratch = bytearray(size)
        self._view = memoryview(self._scratch)
        self._view[: len(rest)] = rest
        self._start, self._end = 0, len(rest)
        self._offer = size
