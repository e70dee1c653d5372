"""The content coding ``aws-chunked``: chunks with or without signatures, and trailers.

    10000;chunk-signature=<64 hex>\\r\\n   <65536 bytes>\\r\\n   ...   0;chunk-signature=<64 hex>\\r\\n
    x-amz-checksum-crc32:sOO8/Q==\\r\\n    x-amz-trailer-signature:<64 hex>\\r\\n    \\r\\n

https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming.html
https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming-trailers.html
"""

from __future__ import annotations

import enum
import hashlib
import re
from collections.abc import Mapping

from dolmen.gateway.auth.chunk_signature import ChunkSigner
from dolmen.gateway.auth.sigv4 import (
    STREAMING_SIGNED,
    STREAMING_SIGNED_TRAILER,
    STREAMING_UNSIGNED_TRAILER,
    UNSIGNED_PAYLOAD,
    Signed,
)
from dolmen.gateway.s3.fault import S3Fault

CHUNK_LINE_BYTES_MAX = 1024  # a size and a signature are 100 bytes; AWS's extensions would fit ten times
TRAILER_BYTES_MAX = 16 << 10  # ten checksums are 1 KiB; as much as proxies allow for all headers
CHUNK_BYTES_MAX = 5 << 30  # S3's largest single PUT
SIGNED_CHUNK_BYTES_MIN = 8 << 10  # AWS: every signed chunk but the last; bounds the signatures per byte
TRAILER_SIGNATURE = "x-amz-trailer-signature"

_CHUNK_LINE = re.compile(rb"([0-9A-Fa-f]{1,16})[ \t]*(?:;[ \t]*chunk-signature=([0-9a-f]{64}))?[ \t]*\r\n")
_CHUNK_LINE_EXTENDED = re.compile(rb"([0-9A-Fa-f]{1,16})[ \t]*(?:;[^\r\n]*)?\r\n")  # RFC 9112: unknown extensions are ignored
_TRAILER_NAME = re.compile(r"[a-z0-9!#$%&'*+.^_`|~-]+", re.ASCII)
_INCOMPLETE = "The request body terminated unexpectedly"
_LENGTH = re.compile(r"\d{1,18}", re.ASCII)


class _State(enum.Enum):
    CHUNK_LINE = enum.auto()
    DATA = enum.auto()
    DATA_END = enum.auto()  # the line end behind a chunk's data
    TRAILER = enum.auto()
    DONE = enum.auto()


class ChunkDecoder:
    """Takes the encoded body in pieces of any size and gives out the decoded bytes as slices of them, without a copy.

    A chunk's signature can only be checked behind its last byte, so **nothing given out may be committed before ``finish``
    has returned**. With a signer each byte is hashed here (SHA-256, which lets go of the GIL): call ``feed`` in a thread when
    pieces are large. Raises ``S3Fault``: IncompleteBody (truncated, not framed as declared, another length),
    SignatureDoesNotMatch, InvalidChunkSizeError, MalformedTrailerError. After an error the decoder is of no use.
    """

    __slots__ = (
        "_chunks",
        "_declared",
        "_decoded_bytes",
        "_hash",
        "_left",
        "_line",
        "_signature",
        "_signer",
        "_state",
        "_trailer_bytes",
        "_trailer_signature",
        "_trailer_signed",
        "_trailers",
        "_wanted_bytes",
        "_chunk_bytes",
    )

    def __init__(
        self, *, decoded_bytes: int | None, signer: ChunkSigner | None, trailers: tuple[str, ...] = (), trailer_signed: bool = False
    ) -> None:
        """``decoded_bytes``: x-amz-decoded-content-length, None when the framing alone decides. ``signer``: None for unsigned
        chunks. ``trailers``: names that x-amz-trailer declares. ``trailer_signed``: x-amz-trailer-signature must follow.
        """
        self._wanted_bytes = decoded_bytes
        self._signer = signer
        self._declared = frozenset(name.strip().lower() for name in trailers)
        self._trailer_signed = trailer_signed
        self._state = _State.CHUNK_LINE
        self._line = bytearray()  # the beginning of a line that the next piece continues
        self._chunks = 0
        self._chunk_bytes = 0  # of the current chunk
        self._left = 0  # of the current chunk
        self._decoded_bytes = 0
        self._signature = ""
        self._hash = hashlib.sha256()
        self._trailers: dict[str, str] = {}
        self._trailer_signature = ""
        self._trailer_bytes = 0

    @property
    def decoded_bytes(self) -> int:
        """How many bytes were given out."""
        return self._decoded_bytes

    @property
    def done(self) -> bool:
        """The end of the coding was read."""
        return self._state is _State.DONE

    def feed(self, data: bytes) -> list[memoryview]:
        """Decode the next piece."""
        pieces: list[memoryview] = []
        view = memoryview(data)
        position = 0
        while position < len(data):
            if self._state is _State.DATA:
                piece = view[position : position + self._left]
                position += len(piece)
                pieces.append(piece)
                self._take_data(piece)
            else:
                position = self._take_line(data, position)
        return pieces

    def finish(self) -> dict[str, str]:
        """The body has ended: the trailers, lower-case names to values. Raises as the class says."""
        if self._state is not _State.DONE or self._line.strip():
            raise S3Fault("IncompleteBody", _INCOMPLETE)
        if self._wanted_bytes is not None and self._decoded_bytes != self._wanted_bytes:
            raise S3Fault("IncompleteBody", _INCOMPLETE)
        return self._trailers

    def _take_data(self, piece: memoryview) -> None:
        self._left -= len(piece)
        self._decoded_bytes += len(piece)
        if self._signer is not None:
            self._hash.update(piece)
        if not self._left:
            self._check_chunk()
            self._state = _State.DATA_END

    def _take_line(self, data: bytes, position: int) -> int:
        """Read up to the end of a line, or keep what there is of it. Returns the position behind what was read."""
        limit = TRAILER_BYTES_MAX if self._state is _State.TRAILER else CHUNK_LINE_BYTES_MAX
        room = limit - len(self._line)
        end = data.find(b"\n", position, position + room)
        if end < 0:
            if len(data) - position >= room:
                raise self._too_long()
            self._line += data[position:]
            return len(data)
        line = bytes(self._line) + data[position : end + 1]
        self._line.clear()
        match self._state:
            case _State.CHUNK_LINE:
                self._begin_chunk(line)
            case _State.DATA_END:
                if line != b"\r\n":
                    raise S3Fault("IncompleteBody", _INCOMPLETE)
                self._state = _State.CHUNK_LINE
            case _State.TRAILER:
                self._take_trailer(line)
            case _:
                self._trailer_bytes += len(line)
                # minio-go ends unsigned trailers twice; anything else is not ours.
                if line.strip() or self._trailer_bytes > TRAILER_BYTES_MAX:
                    raise _malformed_trailer()
        return end + 1

    def _too_long(self) -> S3Fault:
        return _malformed_trailer() if self._state is _State.TRAILER else S3Fault("IncompleteBody", _INCOMPLETE)

    def _begin_chunk(self, line: bytes) -> None:
        found = _CHUNK_LINE.fullmatch(line)
        if found is None and self._signer is None:
            found = _CHUNK_LINE_EXTENDED.fullmatch(line)
        if found is None:
            raise S3Fault("IncompleteBody", _INCOMPLETE)
        size = int(found[1], 16)
        self._check_size(size)
        if self._signer is not None:
            if found[2] is None:
                raise S3Fault("IncompleteBody", _INCOMPLETE)
            self._signature = found[2].decode()
            self._hash = hashlib.sha256()
        self._chunks += 1
        self._chunk_bytes = self._left = size
        if size:
            self._state = _State.DATA
        else:
            self._check_chunk()
            self._state = _State.TRAILER

    def _check_size(self, size: int) -> None:
        if size > CHUNK_BYTES_MAX:
            raise S3Fault("EntityTooLarge", fields=(("MaxSizeAllowed", str(CHUNK_BYTES_MAX)), ("ProposedSize", str(size))))
        if self._signer is not None and size and self._chunks and self._chunk_bytes < SIGNED_CHUNK_BYTES_MIN:
            # The chunk before was small and was not the last.
            raise S3Fault(
                "InvalidChunkSizeError", fields=(("Chunk", str(self._chunks + 1)), ("BadChunkSize", str(self._chunk_bytes)))
            )
        if self._wanted_bytes is not None and self._decoded_bytes + size > self._wanted_bytes:
            raise S3Fault("IncompleteBody", _INCOMPLETE)

    def _check_chunk(self) -> None:
        if self._signer is not None:
            self._signer.check_chunk(self._hash.hexdigest(), self._signature)

    def _take_trailer(self, line: bytes) -> None:
        self._trailer_bytes += len(line)
        if self._trailer_bytes > TRAILER_BYTES_MAX:
            raise _malformed_trailer()
        if not line.strip():
            # minio-go writes an empty line between the trailers and their signature.
            if not self._trailer_signed or self._trailer_signature or not self._trailers:
                self._end_trailers()
            return
        try:
            name, colon, value = line.decode().partition(":")
        except UnicodeDecodeError as error:
            raise _malformed_trailer() from error
        name, value = name.strip().lower(), value.strip()
        if not colon or not _TRAILER_NAME.fullmatch(name) or self._trailer_signature:
            raise _malformed_trailer()
        if name == TRAILER_SIGNATURE and self._trailer_signed:
            self._trailer_signature = value
        elif name in self._trailers or name not in self._declared:
            raise _malformed_trailer()
        else:
            self._trailers[name] = value

    def _end_trailers(self) -> None:
        if len(self._trailers) != len(self._declared):
            raise _malformed_trailer()
        if self._trailer_signed:
            if not self._trailer_signature:
                raise _malformed_trailer()
            if self._signer is not None:
                self._signer.check_trailer(self._trailers, self._trailer_signature)
        self._state = _State.DONE


def _malformed_trailer() -> S3Fault:
    return S3Fault("MalformedTrailerError")


def declared_trailers(headers: Mapping[str, str]) -> tuple[str, ...]:
    """The names in ``x-amz-trailer``, lower case."""
    return tuple(name.strip().lower() for name in headers.get("x-amz-trailer", "").split(",") if name.strip())


def body_decoder(signed: Signed | None, headers: Mapping[str, str]) -> ChunkDecoder | None:
    """The decoder that a request's body needs; None when the body is its own bytes.

    ``signed``: None for an anonymous request, whose x-amz-content-sha256 is taken as it is. Raises ``S3Fault``:
    MissingContentLength (no x-amz-decoded-content-length), InvalidArgument (that is no number; aws-chunked without
    streaming), NotImplemented (ECDSA), InvalidRequest (signed chunks without a signature of the request).
    """
    kind = signed.payload_hash if signed is not None else headers.get("x-amz-content-sha256", UNSIGNED_PAYLOAD)
    if not kind.startswith("STREAMING-"):
        encoding = headers.get("content-encoding", "")
        if kind == UNSIGNED_PAYLOAD and "aws-chunked" in encoding.lower():  # else the framing would become the object
            raise S3Fault(
                "InvalidArgument",
                "aws-chunked encoding is not supported when x-amz-content-sha256 UNSIGNED-PAYLOAD is supplied.",
                fields=(("ArgumentName", "Content-Encoding"), ("ArgumentValue", encoding)),
            )
        return None
    if kind not in (STREAMING_SIGNED, STREAMING_SIGNED_TRAILER, STREAMING_UNSIGNED_TRAILER):
        raise S3Fault("NotImplemented", f"The payload signature {kind} is not implemented.")
    signer = None
    if kind != STREAMING_UNSIGNED_TRAILER:
        if signed is None:
            raise S3Fault("InvalidRequest", "Signed chunks need a signed request.")
        signer = ChunkSigner(signed.signing_key, signed.timestamp, signed.scope, signed.signature)
    return ChunkDecoder(
        decoded_bytes=_decoded_length(headers),
        signer=signer,
        trailers=() if kind == STREAMING_SIGNED else declared_trailers(headers),
        trailer_signed=kind == STREAMING_SIGNED_TRAILER,
    )


def _decoded_length(headers: Mapping[str, str]) -> int:
    text = headers.get("x-amz-decoded-content-length")
    if text is None:
        raise S3Fault("MissingContentLength")
    if _LENGTH.fullmatch(text) is None:
        raise S3Fault(
            "InvalidArgument",
            "x-amz-decoded-content-length must be a number.",
            fields=(("ArgumentName", "x-amz-decoded-content-length"), ("ArgumentValue", text)),
        )
    return int(text)
