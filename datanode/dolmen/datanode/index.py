"""Where the fragments of a disk lie: a packed index in memory, derived from the volumes, about 60 bytes for each fragment.

Entries of ``ENTRY`` lie in one array, in the very form in which sidecars hold them, so that a start copies them in bulk.
A hash table of entry numbers finds them by (stripe id, slot); it is split into shards, so that growing one takes about a
millisecond. Each group has its entry numbers in order of the key, for inventories.

Not thread-safe: everything here runs in the event loop's thread.
"""

from __future__ import annotations

import struct
from array import array
from bisect import bisect_left, bisect_right
from typing import NamedTuple

from dolmen.datanode.record import PAGE_BYTES, padded

ENTRY = struct.Struct(">16sHHIIII")  # stripe id, slot, header pages, pg, volume, offset in pages, payload length
ENTRY_BYTES = ENTRY.size
KEY_BYTES = 18  # stripe id and slot: the beginning of an entry, ordered as bytes
SHARDS = 256  # a million fragments make tables of 8,192 slots
_SLOTS_MIN = 16  # of a shard's table


class Place(NamedTuple):
    """Where a fragment lies: its header and the payload behind it."""

    volume: int
    offset: int
    header_length: int
    payload_length: int
    pg: int

    @property
    def record_length(self) -> int:
        return self.header_length + padded(self.payload_length)


def key_of(stripe_id: bytes, slot: int) -> bytes:
    """The key of a fragment in this index and in sidecars."""
    return stripe_id + slot.to_bytes(2, "big")


def pack(stripe_id: bytes, slot: int, place: Place) -> bytes:
    """One entry."""
    return ENTRY.pack(
        stripe_id,
        slot,
        place.header_length // PAGE_BYTES,
        place.pg,
        place.volume,
        place.offset // PAGE_BYTES,
        place.payload_length,
    )


class FragmentIndex:
    """Make one, ``add`` and ``remove`` what the volumes say, ``settle`` once; inventories work from then on."""

    def __init__(self) -> None:
        self._entries = bytearray()
        self._free: list[int] = []  # numbers of removed entries
        self._tables = [array("I", bytes(4 * _SLOTS_MIN)) for _ in range(SHARDS)]  # entry number + 1; 0: empty
        self._counts = [0] * SHARDS
        self._groups: dict[int, array[int]] | None = None
        self._length = 0

    def __len__(self) -> int:
        return self._length

    def _key(self, number: int) -> bytes:
        at = number * ENTRY_BYTES
        return bytes(self._entries[at : at + KEY_BYTES])

    def _place(self, number: int) -> Place:
        _, _, pages, pg, volume, offset, length = ENTRY.unpack_from(self._entries, number * ENTRY_BYTES)
        return Place(volume, offset * PAGE_BYTES, pages * PAGE_BYTES, length, pg)

    def _find(self, key: bytes, hashed: int) -> tuple[array[int], int, int]:
        """(table, slot of ``key`` or of the empty slot where it belongs, its number or -1)."""
        table = self._tables[hashed % SHARDS]
        mask = len(table) - 1
        slot = (hashed // SHARDS) & mask
        entries = self._entries
        while table[slot]:
            at = (table[slot] - 1) * ENTRY_BYTES
            if entries[at : at + KEY_BYTES] == key:
                return table, slot, table[slot] - 1
            slot = (slot + 1) & mask
        return table, slot, -1

    @staticmethod
    def place_in(entry: bytes) -> Place:
        """The place that an entry names."""
        _, _, pages, pg, volume, offset, length = ENTRY.unpack(entry)
        return Place(volume, offset * PAGE_BYTES, pages * PAGE_BYTES, length, pg)

    def get(self, key: bytes) -> Place | None:
        """Where a fragment lies."""
        number = self._find(key, hash(key))[2]
        return None if number < 0 else self._place(number)

    def add(self, entry: bytes) -> Place | None:
        """Enter a fragment; returns the place that this one supersedes."""
        key = entry[:KEY_BYTES]
        hashed = hash(key)
        table, slot, number = self._find(key, hashed)
        if number >= 0:
            before = self._place(number)
            if before.pg == self.place_in(entry).pg:
                self._entries[number * ENTRY_BYTES : (number + 1) * ENTRY_BYTES] = entry
            else:
                self.remove(key)
                self.add(entry)
            return before
        if self._free:
            number = self._free.pop()
            self._entries[number * ENTRY_BYTES : (number + 1) * ENTRY_BYTES] = entry
        else:
            number = len(self._entries) // ENTRY_BYTES
            self._entries += entry
        table[slot] = number + 1
        self._length += 1
        self._count(hashed % SHARDS)
        if self._groups is not None:
            numbers = self._groups.setdefault(self.place_in(entry).pg, array("I"))
            if not numbers or self._key(numbers[-1]) < key:
                numbers.append(number)
            else:
                numbers.insert(bisect_left(numbers, key, key=self._key), number)
        return None

    def add_all(self, entries: bytes) -> list[Place]:
        """``add`` each of many packed entries before ``settle``; returns the places superseded. The inner loop of a start."""
        assert self._groups is None, "groups are ordered once, after everything was read"
        superseded = []
        tables, counts, mine = self._tables, self._counts, self._entries
        number = len(mine) // ENTRY_BYTES
        for at in range(0, len(entries), ENTRY_BYTES):
            key = entries[at : at + KEY_BYTES]
            hashed = hash(key)
            shard = hashed % SHARDS
            table = tables[shard]
            mask = len(table) - 1
            slot = (hashed // SHARDS) & mask
            while value := table[slot]:
                there = (value - 1) * ENTRY_BYTES
                if mine[there : there + KEY_BYTES] == key:
                    superseded.append(self._place(value - 1))
                    mine[there : there + ENTRY_BYTES] = entries[at : at + ENTRY_BYTES]
                    break
                slot = (slot + 1) & mask
            else:
                mine += entries[at : at + ENTRY_BYTES]
                number += 1
                table[slot] = number
                counts[shard] += 1
                if 3 * counts[shard] > 2 * (mask + 1):
                    self._double(shard)
        self._length = sum(counts)
        return superseded

    def remove(self, key: bytes) -> Place | None:
        """Forget a fragment; returns where it was."""
        hashed = hash(key)
        table, slot, number = self._find(key, hashed)
        if number < 0:
            return None
        place = self._place(number)
        if self._groups is not None:
            numbers = self._groups[place.pg]
            del numbers[bisect_left(numbers, key, key=self._key)]
        self._close_gap(table, slot)
        self._counts[hashed % SHARDS] -= 1
        self._free.append(number)
        self._length -= 1
        return place

    def _close_gap(self, table: array[int], gap: int) -> None:
        """Empty a slot of a table with linear probing: what would not be found any more moves up."""
        mask = len(table) - 1
        slot = (gap + 1) & mask
        while table[slot]:
            home = (hash(self._key(table[slot] - 1)) // SHARDS) & mask
            if (slot - home) & mask >= (slot - gap) & mask:
                table[gap] = table[slot]
                gap = slot
            slot = (slot + 1) & mask
        table[gap] = 0

    def _count(self, shard: int) -> None:
        """One more in a shard; its table doubles above two thirds."""
        self._counts[shard] += 1
        if 3 * self._counts[shard] > 2 * len(self._tables[shard]):
            self._double(shard)

    def _double(self, shard: int) -> None:
        old = self._tables[shard]
        table = array("I", bytes(8 * len(old)))
        mask = len(table) - 1
        for value in old:
            if value:
                slot = (hash(self._key(value - 1)) // SHARDS) & mask
                while table[slot]:
                    slot = (slot + 1) & mask
                table[slot] = value
        self._tables[shard] = table

    def settle(self) -> None:
        """All volumes were read: order the groups."""
        groups: dict[int, array[int]] = {}
        last: dict[int, tuple[bytes, int]] = {}
        unordered = set()
        free = set(self._free)
        for number, (stripe_id, slot, _, pg, _, _, _) in enumerate(ENTRY.iter_unpack(self._entries)):
            if free and number in free:
                continue
            numbers = groups.get(pg)
            if numbers is None:
                numbers = groups[pg] = array("I")
            numbers.append(number)
            key = (stripe_id, slot)
            if last.get(pg, (b"", -1)) > key:
                unordered.add(pg)
            last[pg] = key
        for pg in unordered:
            groups[pg] = array("I", sorted(groups[pg], key=self._key))
        self._groups = groups

    def inventory(self, pg: int, after: bytes, limit: int) -> tuple[list[tuple[bytes, int, int]], bool]:
        """(stripe id, slot, payload length) of a group in order, after stripe ``after``; and whether that was all."""
        numbers = (self._groups or {}).get(pg, array("I"))
        start = bisect_right(numbers, after + b"\xff\xff", key=self._key) if after else 0
        found = []
        for number in numbers[start : start + limit]:
            stripe_id, slot, _, _, _, _, length = ENTRY.unpack_from(self._entries, number * ENTRY_BYTES)
            found.append((stripe_id, slot, length))
        return found, start + len(found) >= len(numbers)
