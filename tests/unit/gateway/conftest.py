"""A small cluster in one process: six disks under two real datanodes, the real embedded store, a gateway's object layer."""

import os

import pytest

from dolmen.core.clock import SystemClock
from dolmen.core.cluster_map import Disk, encode_map
from dolmen.core.ids import StripeIds
from dolmen.core.placement import initial_map
from dolmen.datanode.app import Datanode, arguments_of
from dolmen.datanode.client import ClientLimits, DatanodeClient
from dolmen.gateway.metadata.embedded.store import EmbeddedStore
from dolmen.gateway.metadata.records import NO_CONDITION, Attributes, BucketRecord, NewVersion
from dolmen.gateway.objects.cluster import ClusterView
from dolmen.gateway.objects.memory import MemoryBudget
from dolmen.gateway.objects.read import ObjectReader
from dolmen.gateway.objects.segment_write import SegmentWriter, write_target
from dolmen.gateway.objects.stripe_write import StripeWriter

CLUSTER = "c" * 32
KEY = b"k" * 32
STRIPE = 256 * 1024  # small stripes: several of them in a test's object
NARROW = 32 * 1024


class Cluster:
    """Six disks under two datanodes, one metadata file, and what a gateway has."""

    def __init__(self, directory):
        self.directory = directory
        self.nodes = []
        clock = SystemClock()
        self.ids = StripeIds(clock)
        self.store = EmbeddedStore(str(directory / "metadata.db"), clock, garbage_grace_seconds=0)
        self.client = DatanodeClient(cluster_id=CLUSTER, cluster_key=KEY, limits=ClientLimits(backoff_seconds_max=0.1))
        self.view = ClusterView(self.store, self.client, clock)
        self.budget = MemoryBudget(8 << 20)
        self.reader = ObjectReader(self.view, self.client, self.budget)
        self.bucket = BucketRecord(name="b", bucket_id=os.urandom(16), owner="1" * 12, region="r", created_us=1)

    async def start_nodes(self):
        (self.directory / "key").write_bytes(KEY)
        for number in range(2):
            arguments = ["--node", f"n{number}", "--listen", f"unix:n{number}.sock", "--admin-listen", "unix:unused.sock"]
            for disk in range(3 * number, 3 * number + 3):
                arguments += ["--disk", f"disks/{disk}"]
            arguments += ["--cluster-id", CLUSTER, "--cluster-key-file", "key", "--reserve-bytes", "0"]
            node = Datanode(arguments_of(arguments))
            await node.start()
            self.nodes.append(node)

    async def stop_nodes(self):
        for node in self.nodes:
            await node.stop()
        self.nodes.clear()

    async def start(self):
        await self.start_nodes()
        await self.store.open()
        await self.store.create_bucket(self.bucket)
        disks = []
        for number in range(2):
            status = await self.client.status(f"unix:n{number}.sock")
            disks += [
                Disk(uuid=disk.uuid, address=f"unix:n{number}.sock", location=disk.location, domain=disk.location)
                for disk in status.disks
            ]
        first = initial_map(CLUSTER, disks, 4, 2, stripe_bytes=STRIPE, min_fragment_bytes=NARROW)
        await self.store.publish_map(0, 1, encode_map(first))
        await self.view.refresh()

    async def stop(self):
        await self.client.close()
        await self.store.close()
        await self.stop_nodes()

    async def write(self, key, data, piece_bytes=50_000):
        intent = await self.store.begin(self.bucket, key)
        target = write_target(self.bucket.bucket_id, key, intent.write_id)
        writer = SegmentWriter(StripeWriter(self.view, self.client), self.ids, self.view.pool(), self.budget, target)
        hashed = []

        async def body():
            for at in range(0, len(data), piece_bytes):
                yield memoryview(data)[at : at + piece_bytes]

        written = await writer.write(body(), len(data), lambda piece: hashed.append(bytes(piece)))
        assert b"".join(hashed) == data, "digests see every byte once, in order"
        version = NewVersion(size=len(data), etag="e", owner="1" * 12, attributes=Attributes(), layout=written.layout)
        await self.store.commit(intent, version, NO_CONDITION, written.repairs)
        return written

    async def read(self, key, start=0, end=None):
        record = await self.store.get_version(self.bucket.bucket_id, key)
        out = []
        async for pieces in self.reader.stream(record.layout, start, record.size if end is None else end):
            out += [bytes(piece) for piece in pieces]
        return b"".join(out)


@pytest.fixture
async def cluster(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    made = Cluster(tmp_path)
    await made.start()
    yield made
    await made.stop()
