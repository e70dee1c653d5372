"""A cluster without disks for tests of rebuilds: the real writers of segments and stripes, and every fragment that they sent."""

from __future__ import annotations

import asyncio
import os
import random

from dolmen.core.clock import SystemClock
from dolmen.core.cluster_map import Disk, Pool
from dolmen.core.ids import StripeIds
from dolmen.core.placement import initial_map
from dolmen.core.wire import PutReply
from dolmen.datanode.client import DatanodeClient, DiskFailed
from dolmen.gateway.maintenance.rebuild.fragments import agreed
from dolmen.gateway.maintenance.rebuild.writes import writes_of
from dolmen.gateway.metadata.records import Attributes, BucketRecord, MutablePart, Versioning
from dolmen.gateway.objects.cluster import ClusterView
from dolmen.gateway.objects.description import ObjectFacts, encode_description
from dolmen.gateway.objects.memory import MemoryBudget
from dolmen.gateway.objects.segment_write import SegmentWriter, write_target
from dolmen.gateway.objects.stripe_write import StripeWriter

CLUSTER = "c" * 32
STRIPE = 4096
NARROW = 512


class Fragments(DatanodeClient):
    """Takes what is put; ``fail_share`` of it fails, whether it landed or not."""

    def __init__(self, rng: random.Random, fail_share: float) -> None:
        super().__init__(cluster_id=CLUSTER, cluster_key=b"")
        self._rng = rng
        self._fail_share = fail_share
        self.landed = []  # (meta, payload length)

    def put(self, disk, meta, payload, block_crcs):
        answer = asyncio.get_running_loop().create_future()
        fails = self._rng.random() < self._fail_share
        if not fails or self._rng.random() < 0.5:
            self.landed.append((meta, memoryview(payload).nbytes))
        if fails:
            answer.set_exception(DiskFailed("by chance"))
        else:
            answer.set_result(PutReply(0))
        return answer


class World:
    """Bodies written one after the other, and what a rebuild makes of their fragments."""

    def __init__(self, seed: int, *, fail_share: float = 0.0, k: int = 4, m: int = 2) -> None:
        self.rng = random.Random(seed)
        self.client = Fragments(self.rng, fail_share)
        self.view = ClusterView(None, self.client, SystemClock())
        disks = [
            Disk(uuid=f"{number:032x}", address=f"unix:{number}", location=str(number), domain=str(number))
            for number in range(3 * (k + m))
        ]
        self.view.install(initial_map(CLUSTER, disks, k, m, stripe_bytes=STRIPE, min_fragment_bytes=NARROW))
        self.view.punish = lambda uuid: None  # a disk that failed is tried again, so that examples do not run out of disks
        self.ids = StripeIds(SystemClock())
        self.bucket = BucketRecord(name="b", bucket_id=os.urandom(16), owner="1" * 12, region="r", created_us=1)

    async def write(
        self,
        key: bytes,
        length: int,
        *,
        versioning: Versioning = Versioning.OFF,
        part_number: int = 0,
        yield_share: float = 0.0,
        attributes: Attributes | None = None,
        mutable: MutablePart | None = None,
        **facts,
    ):
        """(write id, ``Written``) of a body; with ``yield_share`` segments end early, as those of slow uploads."""
        bucket = BucketRecord(
            name=self.bucket.name,
            bucket_id=self.bucket.bucket_id,
            owner=self.bucket.owner,
            region="r",
            created_us=1,
            versioning=versioning,
        )
        told = ObjectFacts("1" * 12, attributes or Attributes(), mutable or MutablePart(), length, "", **facts)
        pool: Pool = self.view.pool()
        write_id = os.urandom(16)
        described = encode_description(bucket, key, pool, told)
        target = write_target(bucket.bucket_id, key, write_id, part_number, described)
        writer = SegmentWriter(StripeWriter(self.view, self.client), self.ids, pool, MemoryBudget(1 << 20), target)
        writer._must_yield = lambda filled: filled > 0 and self.rng.random() < yield_share

        async def body():
            left = length
            while left:
                size = min(left, self.rng.randrange(1, STRIPE))
                yield memoryview(self.rng.randbytes(size))
                left -= size

        return write_id, await writer.write(body(), length, lambda piece: None)

    def stripes(self, told=None):
        """What a scan sees: stripes in the order of writes, from ``told`` (by default all that landed) in any order."""
        grouped = {}
        for meta, length in self.client.landed if told is None else told:
            grouped.setdefault((meta.pg, meta.stripe_id), {})[meta.slot] = (meta.slot, length, meta)
        seen = [agreed(pg, stripe_id, fragments.values())[0] for (pg, stripe_id), fragments in grouped.items()]
        return sorted((stripe for stripe in seen if stripe is not None), key=lambda stripe: stripe.write_key())

    def writes(self, told=None, garbage=()):
        """What the stripes make, by write id."""
        return {write.write_id: write for write in writes_of(self.stripes(told), lambda k, m: None, garbage)}
