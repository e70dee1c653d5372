"""Where an object's bytes are: segments of stripes. Stored in the version's row, immutable.

An object is a list of *segments* (one for a PUT or part; more when a slow upload gave memory back). A segment is cut into
stripes of ``stripe_bytes`` (the last may be shorter) and its stripes are named by *runs*: ``count`` consecutive ordinals
from a base id, all in one placement group. A stripe of L bytes has k' = clamp(ceil(L / min_fragment_bytes), 1, k) data
fragments at slots 0..k'-1 and always m parity fragments at slots k..k+m-1 (narrow stripes).
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from dolmen.core.ids import StripeId, stripe_of_run

FRAGMENT_ALIGN_BYTES = 16  # fragment lengths are multiples of this: what ISA-L and pyeclib ask of a word


class Run(msgspec.Struct, frozen=True, array_like=True):
    """``count`` consecutive stripes of one placement group, ids base+first ... base+first+count-1."""

    pg: int
    base: bytes  # 16-byte id of ordinal 0
    first: int  # ordinal of the first stripe of this run that belongs to the segment
    count: int


class Missing(msgspec.Struct, frozen=True, array_like=True):
    """Slots that were not durable when the stripe was acknowledged (a durable repair row was committed with it)."""

    stripe: int  # index of the stripe within the segment
    slots: tuple[int, ...]


class Segment(msgspec.Struct, frozen=True, array_like=True):
    """A run-length coded list of stripes that hold ``length`` bytes."""

    length: int
    k: int
    m: int
    stripe_bytes: int
    min_fragment_bytes: int
    runs: tuple[Run, ...]
    digests: bytes  # CRC32C of each stripe's bytes, 4 bytes big-endian each: checked after decode
    missing: tuple[Missing, ...] = ()


class ObjectLayout(msgspec.Struct, frozen=True, array_like=True):
    """All segments of an object in order; empty for an empty object."""

    segments: tuple[Segment, ...] = ()

    @property
    def length(self) -> int:
        return sum(segment.length for segment in self.segments)


class Stripe(msgspec.Struct, frozen=True):
    """One stripe, resolved."""

    pg: int
    stripe_id: StripeId
    index: int  # within the segment
    offset: int  # of its first byte within the segment
    length: int  # bytes of the object in it
    k: int  # of the group
    m: int
    narrow_k: int  # k': data fragments in use
    fragment_bytes: int  # payload length of each fragment
    digest: int  # CRC32C of its bytes

    def slots(self) -> tuple[int, ...]:
        """The slots in use: data first, then parity."""
        return slots_in_use(self.narrow_k, self.k, self.m)


def narrow_k(length: int, k: int, min_fragment_bytes: int) -> int:
    """k': how many data fragments a stripe of ``length`` bytes uses."""
    return max(1, min(k, -(-length // min_fragment_bytes)))


def fragment_bytes(length: int, data_fragments: int) -> int:
    """Payload length of each fragment of a stripe of ``length`` bytes."""
    share = -(-length // data_fragments)
    return -(-share // FRAGMENT_ALIGN_BYTES) * FRAGMENT_ALIGN_BYTES


def slots_in_use(data_fragments: int, k: int, m: int) -> tuple[int, ...]:
    """Slots of a narrow stripe in its group: data at the front, parity always at k..k+m-1."""
    return (*range(data_fragments), *range(k, k + m))


def stripe_count(length: int, stripe_bytes: int) -> int:
    """How many stripes ``length`` bytes make."""
    return -(-length // stripe_bytes)


def stripes(segment: Segment, first: int = 0, last: int | None = None) -> Iterator[Stripe]:
    """The stripes of a segment from index ``first`` to ``last`` (exclusive), in order."""
    total = stripe_count(segment.length, segment.stripe_bytes)
    end = total if last is None else min(last, total)
    index = 0
    for run in segment.runs:
        for ordinal in range(run.first, run.first + run.count):
            if index >= end:
                return
            if index >= first:
                yield _stripe(segment, run, ordinal, index)
            index += 1


def _stripe(segment: Segment, run: Run, ordinal: int, index: int) -> Stripe:
    offset = index * segment.stripe_bytes
    length = min(segment.stripe_bytes, segment.length - offset)
    data_fragments = narrow_k(length, segment.k, segment.min_fragment_bytes)
    return Stripe(
        pg=run.pg,
        stripe_id=stripe_of_run(run.base, ordinal),
        index=index,
        offset=offset,
        length=length,
        k=segment.k,
        m=segment.m,
        narrow_k=data_fragments,
        fragment_bytes=fragment_bytes(length, data_fragments),
        digest=int.from_bytes(segment.digests[4 * index : 4 * index + 4], "big"),
    )
