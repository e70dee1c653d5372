"""The file of prepared requests that load.c replays; the format is described there."""

from __future__ import annotations

import functools
import struct
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

PATTERN_BYTES = 1 << 20
ANY_BYTES = (1 << 64) - 1
_MASK = (1 << 64) - 1


@dataclass(frozen=True, slots=True)
class Request:
    """One request: a signed head, and either explicit body bytes or a length filled from the pattern."""

    head: bytes
    body: bytes = b""
    pattern_bytes: int = 0
    expected_bytes: int = ANY_BYTES  # of the response's body; any other length is an error


def write_plan(path: Path, requests: Iterable[Request]) -> int:
    """Writes the plan; returns the number of requests."""
    count = 0
    with path.open("wb") as file:
        file.write(struct.pack("<8sQ", b"DLMPLAN1", 0))
        for request in requests:
            file.write(struct.pack("<IIQQ", len(request.head), len(request.body), request.pattern_bytes, request.expected_bytes))
            file.write(request.head)
            file.write(request.body)
            count += 1
        file.seek(8)
        file.write(struct.pack("<Q", count))
    return count


@functools.cache
def pattern() -> bytes:
    """The megabyte that bodies consist of: xorshift64, the same as in load.c."""
    state, words = 0x9E3779B97F4A7C15, []
    for _ in range(PATTERN_BYTES // 8):
        state ^= (state << 13) & _MASK
        state ^= state >> 7
        state ^= (state << 17) & _MASK
        words.append(state)
    return struct.pack(f"<{len(words)}Q", *words)


def pattern_body(size: int) -> bytes:
    """The body of a request with ``pattern_bytes=size``."""
    return (pattern() * (size // PATTERN_BYTES + 1))[:size]


def read_capture(path: Path) -> dict[int, tuple[int, bytes]]:
    """What ``load --capture`` wrote: index in the plan -> (status, head and body, 64 KiB at most)."""
    raw, at, found = path.read_bytes(), 0, {}
    while at < len(raw):
        index, status, size = struct.unpack_from("<III", raw, at)
        found[index] = (status, raw[at + 12 : at + 12 + size])
        at += 12 + size
    return found
