"""What the fragments of one stripe say, put together: pure. The pieces that a rebuild works with."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from dolmen.core.fragment import FragmentMeta
from dolmen.core.layout import fragment_bytes, slots_in_use

WRITE_ID_BYTES = 16

Told = tuple[int, int, FragmentMeta | None]  # slot, payload length, what the fragment says (None: unreadable)


class SeenStripe(msgspec.Struct, frozen=True, array_like=True):
    """A stripe as its good fragments agree about it."""

    stripe_id: bytes
    pg: int
    k: int
    m: int
    narrow_k: int
    length: int
    digest: int
    ordinal: int
    bucket_id: bytes
    key_hash: bytes
    key: bytes
    part_number: int
    write_id: bytes
    slots: tuple[int, ...]  # of the good fragments, ascending
    description: bytes

    @property
    def is_whole(self) -> bool:
        """Enough good fragments to read it."""
        return len(self.slots) >= self.narrow_k

    @property
    def lacking(self) -> tuple[int, ...]:
        """Slots in use without a good fragment."""
        return tuple(slot for slot in slots_in_use(self.narrow_k, self.k, self.m) if slot not in self.slots)

    def write_key(self) -> bytes:
        """Orders stripes by write: those of one upload attempt of one part of one key stand together, by ordinal."""
        return b"".join(
            (
                self.bucket_id,
                self.key_hash,
                self.write_id,
                self.part_number.to_bytes(4, "big"),
                self.ordinal.to_bytes(8, "big"),
                self.stripe_id,
            )
        )

    def same_write(self, other: SeenStripe) -> bool:
        """Whether both are of one body."""
        return (self.bucket_id, self.key_hash, self.write_id, self.part_number) == (
            other.bucket_id,
            other.key_hash,
            other.write_id,
            other.part_number,
        )


class Trouble(msgspec.Struct, frozen=True, array_like=True):
    """A fragment that was left out of account."""

    pg: int
    stripe_id: bytes
    slot: int
    reason: str


def agreed(pg: int, stripe_id: bytes, told: Iterable[Told]) -> tuple[SeenStripe | None, list[Trouble]]:
    """What most of the fragments of a stripe say, and those that say something else or nothing at all.

    None when no fragment can be used, or when two different stories have equally many fragments.
    """
    troubles: list[Trouble] = []
    stories: dict[FragmentMeta, list[int]] = {}
    for slot, payload_length, meta in told:
        reason = _wrong(pg, stripe_id, slot, payload_length, meta)
        if meta is None or reason:
            troubles.append(Trouble(pg, stripe_id, slot, reason))
            continue
        slots = stories.setdefault(msgspec.structs.replace(meta, slot=0), [])
        if slot not in slots:
            slots.append(slot)
    ordered = sorted(stories.items(), key=lambda story: -len(story[1]))
    if not ordered:
        return None, troubles
    tied = len(ordered) > 1 and len(ordered[0][1]) == len(ordered[1][1])
    for _, slots in ordered if tied else ordered[1:]:
        troubles += [Trouble(pg, stripe_id, slot, "it contradicts the other fragments of its stripe") for slot in slots]
    return (None if tied else _seen(*ordered[0])), troubles


def _wrong(pg: int, stripe_id: bytes, slot: int, payload_length: int, meta: FragmentMeta | None) -> str:
    if meta is None:
        return "its header cannot be read"
    if (meta.stripe_id, meta.slot, meta.pg) != (stripe_id, slot, pg):
        return "it says that it is another fragment"
    if meta.narrow_k < 1 or slot not in slots_in_use(meta.narrow_k, meta.k, meta.m):
        return "its slot is not in use"
    if meta.stripe_length < 1 or payload_length != fragment_bytes(meta.stripe_length, meta.narrow_k):
        return "its length is not that of its stripe's fragments"
    if len(meta.write_id) != WRITE_ID_BYTES:
        return "it does not say which write it is of"
    return ""


def _seen(meta: FragmentMeta, slots: Sequence[int]) -> SeenStripe:
    return SeenStripe(
        stripe_id=meta.stripe_id,
        pg=meta.pg,
        k=meta.k,
        m=meta.m,
        narrow_k=meta.narrow_k,
        length=meta.stripe_length,
        digest=meta.stripe_digest,
        ordinal=meta.stripe_ordinal,
        bucket_id=meta.bucket_id,
        key_hash=meta.key_hash,
        key=meta.key,
        part_number=meta.part_number,
        write_id=meta.write_id,
        slots=tuple(sorted(slots)),
        description=meta.description,
    )
