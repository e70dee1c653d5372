"""The cluster map: which disk fills which slot of which placement group, numbered by an epoch.

Metadata rows name a group (``pg``) and stripe ids, never disks; only this map knows where a slot lives. It is published by
compare-and-set on the epoch in the metadata store and pushed to datanodes, which keep the highest epoch seen.
"""

from __future__ import annotations

import msgspec


class Disk(msgspec.Struct, frozen=True, kw_only=True):
    """One disk: a directory with a superblock; the unit of failure."""

    uuid: str  # 32 hex digits, from the superblock
    address: str  # "host:port" or "unix:/path" of the datanode process that serves it
    location: str  # where it is mounted, e.g. "disks/3": a new uuid at the same location replaces the old disk
    domain: str  # failure domain: no group holds more of one domain than it may lose
    weight: float = 1.0  # share of the data, relative to the others (usually capacity in bytes)


class Group(msgspec.Struct, frozen=True, kw_only=True):
    """A placement group: n = k+m slots in order; slot i holds fragment index i for life."""

    pg: int
    k: int
    m: int
    slots: tuple[str, ...]  # disk uuid of each slot, "" when vacant


class Pool(msgspec.Struct, frozen=True, kw_only=True):
    """How stripes of some storage classes are cut; they go to the groups of the same scheme."""

    storage_classes: tuple[str, ...]  # () of the pool for every class that no other one names
    k: int
    m: int
    stripe_bytes: int  # bytes of an object in one full stripe
    min_fragment_bytes: int


class ClusterMap(msgspec.Struct, frozen=True, kw_only=True):
    """One epoch of the map."""

    cluster_id: str  # 32 hex digits
    epoch: int
    stripe_bytes: int  # bytes of an object in one full stripe (k x 512 KiB by default)
    min_fragment_bytes: int  # a stripe is split over more than one data fragment only above this
    disks: tuple[Disk, ...]
    groups: tuple[Group, ...]  # those of the scheme of most classes first
    pools: tuple[Pool, ...] = ()  # of classes with a scheme of their own

    def default_pool(self) -> Pool:
        """The pool of every class that ``pools`` does not name."""
        first = self.groups[0]
        return Pool(
            storage_classes=(),
            k=first.k,
            m=first.m,
            stripe_bytes=self.stripe_bytes,
            min_fragment_bytes=self.min_fragment_bytes,
        )


def encode_map(cluster_map: ClusterMap) -> bytes:
    """JSON: it is read by people, and published rarely."""
    return msgspec.json.encode(cluster_map)


def decode_map(raw: bytes) -> ClusterMap:
    """Inverse of ``encode_map``; raises ``msgspec.DecodeError`` or ``msgspec.ValidationError``."""
    return msgspec.json.decode(raw, type=ClusterMap)
