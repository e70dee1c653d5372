"""Limits of connections, and what a restarted datanode remembers."""

import asyncio
import contextlib
import os
import struct

import pytest

from dolmen.core import wire
from dolmen.core.checksums import block_crcs
from dolmen.core.clock import SystemClock
from dolmen.core.cluster_map import ClusterMap, Disk, Group, encode_map
from dolmen.core.fragment import FragmentMeta
from dolmen.core.ids import StripeIds
from dolmen.core.wire import MessageKind
from dolmen.datanode import server
from dolmen.datanode.app import Datanode, arguments_of
from dolmen.datanode.client import DatanodeClient, DatanodeError, StaleEpoch

CLUSTER = "c" * 32
KEY = b"k" * 32
IDS = StripeIds(SystemClock())


@pytest.fixture(autouse=True)
def _own_directory(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "key").write_bytes(KEY)


def meta_of():
    return FragmentMeta(
        stripe_id=IDS.new_run(), pg=1, slot=0, k=4, m=2, narrow_k=1, stripe_length=1, stripe_ordinal=0,
        stripe_digest=0, bucket_id=bytes(16), key_hash=bytes(16), key=b"key",
    )  # fmt: skip


@contextlib.asynccontextmanager
async def running(*more):
    arguments = ["--node", "n0", "--listen", "unix:n0.sock", "--admin-listen", "unix:a.sock", "--disk", "d0", "--disk", "d1"]
    arguments += ["--cluster-id", CLUSTER, "--cluster-key-file", "key", "--reserve-bytes", "0", *more]
    datanode = Datanode(arguments_of(arguments))
    await datanode.start()
    client = DatanodeClient(cluster_id=CLUSTER, cluster_key=KEY)
    try:
        yield datanode, client
    finally:
        await client.close()
        await datanode.stop()


async def disks_of(client):
    status = await client.status("unix:n0.sock")
    return [Disk(uuid=disk.uuid, address="unix:n0.sock", location=disk.location, domain="x") for disk in status.disks]


async def put(client, disk, size=100):
    meta, data = meta_of(), os.urandom(size)
    await client.put(disk, meta, data, block_crcs(data))
    return meta, data


async def ended(reader):
    """The other side closes."""
    with contextlib.suppress(ConnectionError):
        while await asyncio.wait_for(reader.read(65536), 20):
            pass


async def test_connections_beyond_the_limit_are_closed_and_the_others_live_on():
    async with running("--connections-max", "2") as (_, client):
        disk = (await disks_of(client))[0]
        reader, writer = await asyncio.open_unix_connection("n0.sock")
        third, also = await asyncio.open_unix_connection("n0.sock")
        await ended(third)
        await put(client, disk)
        for one in (writer, also):
            one.close()
        await ended(reader)


async def test_who_does_not_show_the_key_in_time_is_closed(monkeypatch):
    monkeypatch.setattr(server, "HANDSHAKE_SECONDS", 0.05)
    async with running() as (_, client):
        reader, writer = await asyncio.open_unix_connection("n0.sock")
        await ended(reader)
        writer.close()
        await disks_of(client)


@pytest.mark.parametrize(
    ("header_bytes", "payload_bytes"), [(5000, 0), (100, 1)], ids=["a long header", "a payload"]
)
async def test_strangers_get_no_memory(header_bytes, payload_bytes):
    async with running():
        reader, writer = await asyncio.open_unix_connection("n0.sock")
        prefix = wire.PREFIX.pack(wire.MAGIC, wire.VERSION, MessageKind.PUT, 1, 1, header_bytes, payload_bytes, 0)
        writer.write(prefix)
        await ended(reader)
        writer.close()


async def test_a_client_that_takes_no_replies_stops_being_served(monkeypatch):
    monkeypatch.setattr(server, "REPLY_BYTES_MAX", 64 * 1024)
    async with running() as (datanode, client):
        disk = (await disks_of(client))[0]
        meta, data = await put(client, disk, 256 * 1024)
        peer = client._peer(disk.address)
        peer._transport.pause_reading()
        answers = [client.get(disk, meta.stripe_id, 0) for _ in range(200)]
        connection = next(iter(datanode.node.connections))
        while not connection._paused:
            await asyncio.sleep(0)
        for _ in range(50):
            await asyncio.sleep(0)
        assert connection._transport.get_write_buffer_size() < 4 << 20, "200 replies are 50 MiB"
        peer._transport.resume_reading()
        for answer in answers:
            assert (await answer).payload == data


async def test_writes_beyond_the_memory_limits_wait_and_all_succeed(monkeypatch):
    monkeypatch.setattr(server, "CONNECTION_BYTES_MAX", 300_000)
    monkeypatch.setattr(server, "NODE_BYTES_MAX", 400_000)
    async with running() as (datanode, client):
        other = DatanodeClient(cluster_id=CLUSTER, cluster_key=KEY)
        first, second = await disks_of(client)
        peak = 0
        release = server.Connection._release_bytes

        def noting(connection, size):
            nonlocal peak
            peak = max(peak, datanode.node.unanswered_bytes)
            release(connection, size)

        monkeypatch.setattr(server.Connection, "_release_bytes", noting)
        async with asyncio.timeout(60):
            stored = await asyncio.gather(
                *(put(client, first, 100_000) for _ in range(20)), *(put(other, second, 100_000) for _ in range(20))
            )
        assert 0 < peak < 800_000
        assert datanode.node.unanswered_bytes == 0
        meta, data = stored[-1]
        assert (await other.get(second, meta.stripe_id, 0)).payload == data
        await other.close()


async def test_a_restarted_datanode_still_refuses_stale_writers():
    async with running() as (_, client):
        disk = (await disks_of(client))[1]
        group = Group(pg=1, k=1, m=0, slots=("another",))
        cluster_map = ClusterMap(
            cluster_id=CLUSTER, epoch=5, stripe_bytes=4, min_fragment_bytes=1, disks=(disk,), groups=(group,)
        )
        await client.push_map(disk.address, encode_map(cluster_map))
    with open("d0/cluster-map", "r+b") as file:  # one copy is damaged: the other disk's is enough
        file.write(struct.pack(">I", 1))
    async with running() as (datanode, client):
        assert datanode.node.epoch == 5
        client.epoch = 4
        with pytest.raises(StaleEpoch):
            await put(client, disk)
        client.epoch = 5
        await put(client, disk)
        with pytest.raises(DatanodeError):
            await client.push_map(disk.address, b"no map")
