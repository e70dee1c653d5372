"""What travels with every fragment: its identity, and enough of its object to rebuild the metadata row from disks."""

from __future__ import annotations

import msgspec

BLOCK_BYTES = 64 * 1024  # unit of the CRC32C inside a fragment: what a range read has to fetch and check at least


class FragmentMeta(msgspec.Struct, frozen=True, array_like=True):
    """Identity and self-description; stored in the record's header, compared with the row before decode."""

    stripe_id: bytes  # 16 bytes
    pg: int
    slot: int  # = fragment index in the group: 0..k-1 data, k..k+m-1 parity
    k: int  # of the group
    m: int
    narrow_k: int  # k' of this stripe
    stripe_length: int  # bytes of the object in this stripe
    stripe_ordinal: int  # index of the stripe within the upload or part, over all of its segments
    stripe_digest: int  # CRC32C of the stripe's bytes
    bucket_id: bytes  # 16 bytes
    key_hash: bytes  # first 16 bytes of SHA-256 of the key
    key: bytes  # the key when it is at most KEY_INLINE_BYTES_MAX long, else empty
    part_number: int = 0  # 0 for a plain PUT
    write_id: bytes = b""  # 16 bytes shared by all stripes of one upload attempt (the intent's id)
    description: bytes = b""  # of the object, opaque here; in stripe ordinal 0 only, at most DESCRIPTION_BYTES_MAX


KEY_INLINE_BYTES_MAX = 512  # longer keys are found by their hash; keeps the record's header in one 4 KiB page
# The header of a fragment of 1 MiB with a key and a description of full length still is one page: what a small object
# costs on its disks does not change. (Headers may have more pages; only their number would rise.)
DESCRIPTION_BYTES_MAX = 3072
