"""Fragments through the real client and server, on real disks in temporary directories."""

import asyncio
import contextlib
import errno
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import ClassVar

import pytest

from dolmen.core.checksums import block_crcs
from dolmen.core.clock import SystemClock
from dolmen.core.cluster_map import ClusterMap, Disk, Group, encode_map
from dolmen.core.errors import ConfigError
from dolmen.core.fragment import FragmentMeta
from dolmen.core.ids import StripeIds
from dolmen.core.wire import ErrorCode
from dolmen.datanode import client as datanode_client
from dolmen.datanode.app import Datanode, arguments_of, main
from dolmen.datanode.client import DatanodeClient
from dolmen.datanode.disk import Disk as OpenDisk
from dolmen.datanode.disk import Refused
from dolmen.datanode.disk_io import OsDiskIo

CLUSTER = "c" * 32
KEY = b"k" * 32
IDS = StripeIds(SystemClock())


def meta_of(pg=1, slot=0, stripe_id=None, length=0):
    return FragmentMeta(
        stripe_id=stripe_id or IDS.new_run(),
        pg=pg,
        slot=slot,
        k=4,
        m=2,
        narrow_k=1,
        stripe_length=length,
        stripe_ordinal=0,
        stripe_digest=0,
        bucket_id=bytes(16),
        key_hash=bytes(16),
        key=b"key",
    )


def command_line(tmp_path, *disks, cluster=CLUSTER):
    key = tmp_path / "key"
    key.write_bytes(KEY)
    arguments = ["--node", "n0", "--listen", "unix:n0.sock", "--admin-listen", "unix:n0-admin.sock"]
    for disk in disks or ("d0",):
        arguments += ["--disk", disk]
    return [*arguments, "--cluster-id", cluster, "--cluster-key-file", str(key), "--reserve-bytes", "0"]


@contextlib.asynccontextmanager
async def running(tmp_path, *disks):
    datanode = Datanode(arguments_of(command_line(tmp_path, *disks)))
    await datanode.start()
    client = DatanodeClient(cluster_id=CLUSTER, cluster_key=KEY)
    try:
        yield datanode, client
    finally:
        await client.close()
        await datanode.stop()


@pytest.fixture(autouse=True)
def _own_directory(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


async def disk_of(client, location="d0"):
    status = await client.status("unix:n0.sock")
    found = next(disk for disk in status.disks if disk.location == location)
    return Disk(uuid=found.uuid, address="unix:n0.sock", location=location, domain=location)


@pytest.mark.parametrize("size", [1, 4095, 4096, 4097, 65535, 65536, 65537, 300_000])
async def test_a_fragment_comes_back_whole_and_in_ranges(tmp_path, size):
    async with running(tmp_path) as (_, client):
        disk, data, meta = await disk_of(client), os.urandom(size), meta_of(length=size)
        await client.put(disk, meta, data, block_crcs(data))
        whole = await client.get(disk, meta.stripe_id, 0)
        assert (whole.meta, bytes(whole.payload), whole.fragment_length) == (meta, data, size)
        part = await client.get(disk, meta.stripe_id, 0, size // 2, 1)
        at = size // 2 - part.first_block * 65536
        assert part.payload[at] == data[size // 2]
        with pytest.raises(datanode_client.NotHere):
            await client.get(disk, meta.stripe_id, 1)


async def test_what_was_acknowledged_is_there_after_a_restart_and_what_was_trashed_is_not(tmp_path):
    stored = {}
    async with running(tmp_path) as (_, client):
        disk = await disk_of(client)
        for number in range(50):
            data, meta = os.urandom(5000 + number), meta_of(pg=number % 3)
            await client.put(disk, meta, data, block_crcs(data))
            stored[meta.stripe_id] = data
        gone = list(stored)[::5]
        reply = await client.trash(disk, [(stripe, 0) for stripe in gone] + [(bytes(16), 0)])
        assert (reply.trashed, reply.absent) == (len(gone), 1)
    async with running(tmp_path) as (_, client):
        disk = await disk_of(client)
        for stripe, data in stored.items():
            if stripe in gone:
                with pytest.raises(datanode_client.NotHere):
                    await client.get(disk, stripe, 0)
            else:
                assert bytes((await client.get(disk, stripe, 0)).payload) == data
        pages = []
        for pg in range(3):
            after = b""
            while True:
                page = await client.inventory(disk, pg, after, 4)
                pages += [entry[0] for entry in page.fragments]
                if page.complete:
                    break
                after = page.fragments[-1][0]
        assert sorted(pages) == sorted(set(stored) - set(gone))


async def test_rot_is_never_given_out_and_does_not_hide_what_follows(tmp_path):
    fragments = [(meta_of(), os.urandom(4096)) for _ in range(3)]
    async with running(tmp_path) as (_, client):
        disk = await disk_of(client)
        for meta, data in fragments:
            await client.put(disk, meta, data, block_crcs(data))
    volume = next(Path("d0").glob("volume-*"))
    clean = volume.read_bytes()
    record = 8192  # one header page and one page of payload
    for at in [*range(4096, 4096 + record, 257), 4096 + 8191]:
        spoiled = bytearray(clean)
        spoiled[record + at] ^= 0x40  # in the second record
        volume.write_bytes(spoiled)
        async with running(tmp_path) as (_, client):
            disk = await disk_of(client)
            for index, (meta, data) in enumerate(fragments):
                try:
                    assert bytes((await client.get(disk, meta.stripe_id, 0)).payload) == data
                except (datanode_client.NotHere, datanode_client.FragmentCorrupt):
                    assert index == 1, "only the rotten fragment may be missing"


async def test_swapped_fragments_are_noticed(tmp_path):
    fragments = [(meta_of(), os.urandom(4096)) for _ in range(2)]
    async with running(tmp_path) as (_, client):
        disk = await disk_of(client)
        for meta, data in fragments:
            await client.put(disk, meta, data, block_crcs(data))
        volume = next(Path("d0").glob("volume-*"))
        raw = bytearray(volume.read_bytes())
        raw[4096:12288], raw[12288:20480] = raw[12288:20480], raw[4096:12288]
        with volume.open("r+b") as file:
            file.write(raw)
        for meta, _ in fragments:
            with pytest.raises(datanode_client.FragmentCorrupt):
                await client.get(disk, meta.stripe_id, 0)


class FailingIo(OsDiskIo):
    """A disk whose fdatasync fails a given number of times."""

    failures = 0

    def fdatasync(self, fd):
        if FailingIo.failures:
            FailingIo.failures -= 1
            raise OSError(errno.EIO, "Input/output error")
        super().fdatasync(fd)


def put_now(disk, data):
    meta = meta_of()
    disk.commit([(meta, block_crcs(data), data)], [])
    return meta


def test_a_failed_fdatasync_is_not_acknowledged_and_never_retried(tmp_path):
    disk = OpenDisk.open("d0", CLUSTER, reserve=0, seam=FailingIo)
    first = put_now(disk, b"a" * 4096)
    FailingIo.failures = 1
    with pytest.raises(Refused) as refused:
        put_now(disk, b"b" * 4096)
    assert refused.value.code is ErrorCode.DISK_FAILED
    put_now(disk, b"c" * 4096)
    assert len(list(Path("d0").glob("volume-*"))) == 2, "the sealed volume is not written again"
    assert disk.read(first.stripe_id, 0, 0, -1)[1] == b"a" * 4096
    FailingIo.failures = 1
    with pytest.raises(Refused):
        put_now(disk, b"d" * 4096)
    assert disk.state == "failed", "the second failure takes the disk out of service"
    disk.close()


class OrderIo(OsDiskIo):
    """Notes the order of writes and syncs."""

    calls: ClassVar[list[str]] = []

    def pwrite(self, fd, parts, offset):
        OrderIo.calls.append("write")
        super().pwrite(fd, parts, offset)

    def fdatasync(self, fd):
        super().fdatasync(fd)
        OrderIo.calls.append("sync")


def test_the_commit_returns_after_the_covering_fdatasync(tmp_path):
    disk = OpenDisk.open("d0", CLUSTER, reserve=0, seam=OrderIo)
    for _ in range(3):
        OrderIo.calls.clear()
        put_now(disk, b"a" * 4096)
        assert OrderIo.calls[-1] == "sync"
        assert "write" in OrderIo.calls
    disk.close()


async def test_a_directory_that_goes_is_never_acknowledged_and_may_come_back(tmp_path):
    async with running(tmp_path) as (datanode, client):
        disk, data, meta = await disk_of(client), os.urandom(4096), meta_of()
        await client.put(disk, meta, data, block_crcs(data))
        os.rename("d0", "away")
        with pytest.raises(datanode_client.DiskFailed):
            await client.put(disk, meta_of(), data, block_crcs(data))
        await datanode.check_disks()
        assert [entry.state for entry in (await client.status("unix:n0.sock")).disks] == ["missing"]
        os.rename("away", "d0")
        await datanode.check_disks()
        assert bytes((await client.get(disk, meta.stripe_id, 0)).payload) == data
        shutil.rmtree("d0")
        await datanode.check_disks()
        os.mkdir("d0")
        await datanode.check_disks()
        assert (await disk_of(client)).uuid != disk.uuid, "an empty directory is a new disk"


def test_disks_of_others_are_left_alone(tmp_path):
    disk = OpenDisk.open("d0", CLUSTER)
    with pytest.raises(ConfigError, match="in use"):
        OpenDisk.open("d0", CLUSTER)
    disk.close()
    with pytest.raises(ConfigError, match="another cluster"):
        OpenDisk.open("d0", "f" * 32)
    os.remove("d0/superblock")
    Path("d0/volume-0000000001").write_bytes(b"data")
    with pytest.raises(ConfigError, match="no superblock"):
        OpenDisk.open("d0", CLUSTER)
    assert Path("d0/volume-0000000001").read_bytes() == b"data"


async def test_a_full_disk_refuses_writes_and_still_deletes(tmp_path):
    disk = OpenDisk.open("d0", CLUSTER, reserve=0)
    meta = put_now(disk, b"a" * 4096)
    disk.close()
    disk = OpenDisk.open("d0", CLUSTER, reserve=1 << 60)
    with pytest.raises(Refused) as refused:
        put_now(disk, b"b" * 4096)
    assert refused.value.code is ErrorCode.DISK_FULL
    assert disk.read(meta.stripe_id, 0, 0, -1)[1] == b"a" * 4096
    assert disk.commit([], [(meta.stripe_id, 0)]) == 1
    disk.close()


async def test_a_write_from_before_the_slot_was_given_away_is_refused(tmp_path):
    async with running(tmp_path) as (_, client):
        disk, data = await disk_of(client), b"x" * 100
        group = Group(pg=1, k=1, m=0, slots=("another",))
        cluster_map = ClusterMap(
            cluster_id=CLUSTER, epoch=5, stripe_bytes=4, min_fragment_bytes=1, disks=(disk,), groups=(group,)
        )
        await client.push_map(disk.address, encode_map(cluster_map))
        client.epoch = 4
        with pytest.raises(datanode_client.StaleEpoch):
            await client.put(disk, meta_of(), data, block_crcs(data))
        client.epoch = 5
        await client.put(disk, meta_of(), data, block_crcs(data))


async def test_strangers_are_turned_away(tmp_path):
    async with running(tmp_path) as (_, client):
        disk = await disk_of(client)
        for stranger in (
            DatanodeClient(cluster_id=CLUSTER, cluster_key=b"z" * 32),
            DatanodeClient(cluster_id="f" * 32, cluster_key=KEY),
        ):
            with pytest.raises(datanode_client.DatanodeError):
                await stranger.get(disk, bytes(16), 0)
            await stranger.close()
        _, writer = await asyncio.open_unix_connection("n0.sock")
        writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n" + bytes(64))
        await writer.drain()
        with contextlib.suppress(ConnectionError):
            assert await asyncio.wait_for(_.read(), 5) == b""
        writer.close()


@pytest.mark.parametrize(
    "arguments", [[], ["--disk", "d0"], ["--nonsense"]], ids=["nothing", "too little", "unknown"]
)
def test_bad_use_is_one_line_and_exit_2(arguments, capsys):
    assert main(arguments) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1


async def test_acknowledged_fragments_survive_kill_9(tmp_path):
    process = subprocess.Popen([sys.executable, "-m", "dolmen.datanode", *command_line(tmp_path)])
    client = DatanodeClient(cluster_id=CLUSTER, cluster_key=KEY)
    acknowledged = {}

    async def write_until_killed(disk):
        while True:
            data, meta = os.urandom(6000), meta_of()
            try:
                await client.put(disk, meta, data, block_crcs(data))
            except datanode_client.DatanodeError:
                return
            acknowledged[meta.stripe_id] = data

    try:
        deadline = time.monotonic() + 20
        while not Path("n0.sock").exists():
            assert time.monotonic() < deadline, "the datanode did not start"
            await asyncio.sleep(0.05)
        disk = await disk_of(client)
        writers = [asyncio.create_task(write_until_killed(disk)) for _ in range(16)]
        await asyncio.sleep(0.5)
        process.send_signal(signal.SIGKILL)
        await asyncio.gather(*writers)
    finally:
        process.kill()
        process.wait()
        await client.close()
    assert acknowledged
    reopened = OpenDisk.open("d0", CLUSTER)
    for stripe, data in acknowledged.items():
        assert reopened.read(stripe, 0, 0, -1)[1] == data
    reopened.close()
