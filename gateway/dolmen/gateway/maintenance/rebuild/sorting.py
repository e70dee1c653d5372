"""Sorting more than fits in memory: runs on a scratch disk, then a merge. What is sorted is small structs, as msgpack.

Everything is scratch: nothing is synced, and the files go with the directory.
"""

from __future__ import annotations

import heapq
import tempfile
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import IO, Generic, TypeVar

import msgspec

SORT_BYTES_MAX = 32 << 20  # of encoded items in memory, for each sorter; Python's share comes on top, about twice as much
RUNS_MAX = 64  # merged at a time: open files, and read buffers of 1 MiB each
READ_BYTES = 1 << 20  # of a run at a time
_LENGTH_BYTES = 4

T = TypeVar("T", bound=msgspec.Struct)
_Pair = tuple[bytes, bytes]  # key, encoded item
_encode = msgspec.msgpack.Encoder().encode


class Sorter(Generic[T]):
    """``add`` items with keys, then iterate once or more: in the order of the keys, equal ones as they came."""

    def __init__(self, kind: type[T], directory: Path, *, bytes_max: int = SORT_BYTES_MAX) -> None:
        self._decode = msgspec.msgpack.Decoder(kind).decode
        self._bytes_max = bytes_max
        self._items: list[_Pair] = []
        self._bytes = 0
        self._runs: list[Path] = []
        self._numbers = count()
        self._directory = Path(tempfile.mkdtemp(dir=directory))
        self.count = 0

    def add(self, key: bytes, item: T) -> None:
        """Raises ``OSError`` when the scratch disk is full."""
        raw = _encode(item)
        self._items.append((key, raw))
        self._bytes += len(key) + len(raw)
        self.count += 1
        if self._bytes >= self._bytes_max:
            self._spill()

    def __iter__(self) -> Iterator[T]:
        for _, raw in self._merged():
            yield self._decode(raw)

    def keyed(self) -> Iterator[tuple[bytes, T]]:
        """As iteration, each with its key."""
        for key, raw in self._merged():
            yield key, self._decode(raw)

    def _merged(self) -> Iterator[_Pair]:
        self._items.sort(key=_key)
        return heapq.merge(*(_read(path) for path in self._runs), self._items, key=_key)

    def _spill(self) -> None:
        self._items.sort(key=_key)
        self._write(iter(self._items))
        self._items, self._bytes = [], 0
        if len(self._runs) >= RUNS_MAX:
            before, self._runs = self._runs, []
            self._write(heapq.merge(*(_read(path) for path in before), key=_key))
            for path in before:
                path.unlink()

    def _write(self, pairs: Iterator[_Pair]) -> None:
        path = self._directory / f"run-{next(self._numbers)}"
        with path.open("xb", buffering=READ_BYTES) as run:
            for key, raw in pairs:
                run.write(len(key).to_bytes(_LENGTH_BYTES, "big"))
                run.write(len(raw).to_bytes(_LENGTH_BYTES, "big"))
                run.write(key)
                run.write(raw)
        self._runs.append(path)


def _key(pair: _Pair) -> bytes:
    return pair[0]


def _read(path: Path) -> Iterator[_Pair]:
    with path.open("rb", buffering=READ_BYTES) as run:
        while head := run.read(2 * _LENGTH_BYTES):
            key_bytes = int.from_bytes(head[:_LENGTH_BYTES], "big")
            raw_bytes = int.from_bytes(head[_LENGTH_BYTES:], "big")
            yield _exactly(run, key_bytes), _exactly(run, raw_bytes)


def _exactly(run: IO[bytes], length: int) -> bytes:
    found = run.read(length)
    assert len(found) == length, "our own scratch file was cut"
    return found
