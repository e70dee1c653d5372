"""A process that stands still, or a disk that does, holds up a write for a bounded time only."""

import asyncio
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import msgspec
import pytest

from dolmen.core import erasure
from dolmen.core.cluster_map import Disk, encode_map
from dolmen.core.layout import stripes
from dolmen.core.placement import initial_map
from dolmen.datanode.client import ClientLimits, NotHere, Unreachable
from dolmen.datanode.disk_io import OsDiskIo
from dolmen.gateway.objects import stripe_write
from dolmen.gateway.objects.segment_write import SegmentWriter, write_target
from dolmen.gateway.objects.stripe_write import StripeWriter

STRIPE = 256 * 1024


@pytest.fixture
async def alone(cluster):
    """The sixth disk of the cluster is replaced by one in a process of its own; yields (process, its disk)."""
    cluster.client._limits = ClientLimits(progress_seconds=0.4, backoff_seconds_max=0.1)
    arguments = ["--node", "alone", "--disk", "disks/alone", "--listen", "unix:alone.sock", "--admin-listen", "unix:admin.sock"]
    arguments += ["--cluster-id", "c" * 32, "--cluster-key-file", "key", "--reserve-bytes", "0"]
    process = subprocess.Popen([sys.executable, "-m", "dolmen.datanode", *arguments])
    try:
        deadline = time.monotonic() + 20
        while not Path("alone.sock").exists():
            assert time.monotonic() < deadline, "the datanode did not start"
            await asyncio.sleep(0.05)
        status = await cluster.client.status("unix:alone.sock")
        disk = Disk(uuid=status.disks[0].uuid, address="unix:alone.sock", location="disks/alone", domain="alone")
        disks = [*cluster.view.map.disks[:5], disk]
        second = initial_map("c" * 32, disks, 4, 2, stripe_bytes=STRIPE, min_fragment_bytes=32 * 1024)
        await cluster.store.publish_map(1, 2, encode_map(msgspec.structs.replace(second, epoch=2)))
        await cluster.view.refresh()
        yield process, disk
    finally:
        process.kill()
        process.wait()


def missing_of(cluster, written):
    groups = {group.pg: group for group in cluster.view.map.groups}
    return {groups[row.pg].slots[slot] for row in written.repairs for slot in row.slots}


async def test_a_stopped_process_does_not_hold_up_a_write(cluster, alone):
    process, disk = alone
    data = os.urandom(2 * STRIPE)
    assert missing_of(cluster, await cluster.write(b"before", data)) == set()
    process.send_signal(signal.SIGSTOP)
    async with asyncio.timeout(30):  # far below the time that a stopped process takes to go on by itself
        written = await cluster.write(b"k", data)
        assert await cluster.read(b"k") == data
        assert await cluster.read(b"before") == data
    assert missing_of(cluster, written) == {disk.uuid}
    with pytest.raises(Unreachable):
        await cluster.client.status(disk.address)
    process.send_signal(signal.SIGCONT)
    async with asyncio.timeout(30):
        while True:
            try:
                await cluster.client.status(disk.address)
                break
            except Unreachable:
                await asyncio.sleep(0.05)


class StuckIo(OsDiskIo):
    """Its fdatasync returns when it is told to."""

    go_on = threading.Event()

    def fdatasync(self, fd):
        assert StuckIo.go_on.wait(60)
        os.fdatasync(fd)  # not through super(): the class has been changed back by now


async def test_a_stuck_disk_is_given_up_and_another_process_disk_pings_keep_the_peer(cluster):
    stuck = next(iter(cluster.nodes[0].node.committers.values()))
    await cluster.write(b"first", os.urandom(1000))  # connections are there
    cluster.client._limits = ClientLimits(progress_seconds=0.2, backoff_seconds_max=0.1)
    for peer in cluster.client._peers.values():
        peer._limits = cluster.client._limits
    StuckIo.go_on.clear()
    stuck.disk._io.__class__ = StuckIo
    data = os.urandom(STRIPE)
    try:
        target = write_target(cluster.bucket.bucket_id, b"k", bytes(16))
        striper = StripeWriter(cluster.view, cluster.client, stall_seconds=1.0)
        writer = SegmentWriter(striper, cluster.ids, cluster.view.pool(), cluster.budget, target)

        async def body():
            yield memoryview(data)

        async with asyncio.timeout(30):
            written = await writer.write(body(), len(data), lambda piece: None)
        assert missing_of(cluster, written) == {stuck.disk.uuid}, "the other disks of that process were not given up"
        assert cluster.budget.in_use == 0
    finally:
        StuckIo.go_on.set()
        stuck.disk._io.__class__ = OsDiskIo
    await lands_late_and_right(cluster, written, data)


async def lands_late_and_right(cluster, written, data):
    """The fragment that was not waited for: nothing wrote into its buffer meanwhile."""
    stripe = next(stripes(written.layout.segments[0]))
    slot = written.repairs[0].slots[0]
    async with asyncio.timeout(30):
        while True:
            try:
                late = await cluster.client.get(cluster.view.disk_of(stripe.pg, slot), stripe.stripe_id, slot)
                break
            except NotHere:
                await cluster.write(b"other", os.urandom(STRIPE))
    assert late.payload == erasure.encode(data, 4, 2)[slot]


async def test_all_done_waits_again_after_each_answer():
    loop = asyncio.get_running_loop()
    futures = [loop.create_future() for _ in range(3)]
    waiting = stripe_write._AllDone(futures, 1000.0)
    futures[0].set_result(None)
    futures[1].set_exception(Unreachable("gone"))
    await asyncio.sleep(0)
    waiting._check()
    assert not waiting.done.done(), "an answer just came"
    waiting._last -= 2000.0
    waiting._check()
    assert waiting.done.done()
    assert not futures[2].done(), "the request itself goes on"
    waiting.cancel()
