"""What fragments say of themselves, read back page by page; and the cluster map that a datanode remembers."""

import asyncio
import contextlib
from pathlib import Path

import msgspec
import pytest

from dolmen.core.checksums import block_crcs
from dolmen.core.clock import SystemClock
from dolmen.core.cluster_map import Disk, encode_map
from dolmen.core.fragment import BLOCK_BYTES, DESCRIPTION_BYTES_MAX, KEY_INLINE_BYTES_MAX, FragmentMeta
from dolmen.core.ids import StripeIds
from dolmen.core.placement import initial_map
from dolmen.core.wire import METAS_LIMIT_MAX
from dolmen.datanode.app import Datanode, arguments_of
from dolmen.datanode.client import DatanodeClient, ProtocolError
from dolmen.datanode.record import PAGE_BYTES, FragmentBody, decode_header, encode_header, fragment_body

CLUSTER = "c" * 32
KEY = b"k" * 32
IDS = StripeIds(SystemClock())
BEFORE = (  # as msgpack, a meta of the version before descriptions: 14 fields
    b"\x9e\xc4\x10SSSSSSSSSSSSSSSS\x07\x00\x04\x02\x01\xcd\x10\x00\x00\xce\x01\x02\x03\x04\xc4\x10bbbbbbbbbbbbbbbb"
    b"\xc4\x10hhhhhhhhhhhhhhhh\xc4\x03key\x05\xc4\x10wwwwwwwwwwwwwwww"
)


def meta_of(pg=1, slot=0, description=b"", key=b"key", length=4096):
    return FragmentMeta(
        stripe_id=IDS.new_run(),
        pg=pg,
        slot=slot,
        k=4,
        m=2,
        narrow_k=1,
        stripe_length=length,
        stripe_ordinal=0,
        stripe_digest=1 << 31,
        bucket_id=bytes(16),
        key_hash=bytes(16),
        key=key,
        write_id=bytes(range(16)),
        description=description,
    )


@contextlib.asynccontextmanager
async def running(directory):
    (directory / "key").write_bytes(KEY)
    arguments = ["--node", "n0", "--listen", "unix:n0.sock", "--admin-listen", "unix:unused.sock", "--disk", "d0"]
    arguments += ["--cluster-id", CLUSTER, "--cluster-key-file", "key", "--reserve-bytes", "0"]
    node = Datanode(arguments_of(arguments))
    await node.start()
    client = DatanodeClient(cluster_id=CLUSTER, cluster_key=KEY)
    try:
        yield client
    finally:
        await client.close()
        await node.stop()


@pytest.fixture(autouse=True)
def _own_directory(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


async def disk_of(client):
    status = await client.status("unix:n0.sock")
    return Disk(uuid=status.disks[0].uuid, address="unix:n0.sock", location="d0", domain="d0")


async def put(client, disk, meta, payload=b"x" * 4096):
    await client.put(disk, meta, payload, block_crcs(payload))
    return meta


async def all_metas(client, disk, pg=1):
    found, after = [], b""
    while True:
        reply = await client.metas(disk, pg, after, 10_000)
        assert len(reply.fragments) <= METAS_LIMIT_MAX
        found += reply.fragments
        if reply.complete:
            return found
        after = reply.fragments[-1][0]


async def test_every_fragment_of_a_group_is_told_in_order_across_pages_and_restarts(tmp_path):
    async with running(tmp_path) as client:
        disk = await disk_of(client)
        stored = [await put(client, disk, meta_of(description=b"d" * number)) for number in range(2 * METAS_LIMIT_MAX + 3)]
        await put(client, disk, meta_of(pg=2))
        assert await all_metas(client, disk) == [(meta.stripe_id, 0, 4096, meta) for meta in stored]
    async with running(tmp_path) as client:
        assert [entry[3] for entry in await all_metas(client, disk)] == stored


async def test_a_fragment_whose_header_is_rotten_is_told_without_its_meta(tmp_path):
    async with running(tmp_path) as client:
        disk = await disk_of(client)
        first, second = [await put(client, disk, meta_of(description=b"find me" * number)) for number in (1, 2)]
        volume = next(Path("d0").glob("volume-??????????"))
        raw = volume.read_bytes()
        with volume.open("r+b") as file:
            file.seek(raw.index(b"find mefind me"))
            file.write(b"FIND")
        told = await all_metas(client, disk)
    assert told == [(first.stripe_id, 0, 4096, first), (second.stripe_id, 0, 4096, None)]


async def test_a_description_beyond_the_limit_is_refused(tmp_path):
    async with running(tmp_path) as client:
        disk = await disk_of(client)
        await put(client, disk, meta_of(description=b"d" * DESCRIPTION_BYTES_MAX))
        with pytest.raises(ProtocolError, match="too long"):
            await put(client, disk, meta_of(description=b"d" * (DESCRIPTION_BYTES_MAX + 1)))


async def test_the_map_that_was_pushed_is_told_also_after_a_restart(tmp_path):
    async with running(tmp_path) as client:
        assert await client.get_map("unix:n0.sock") == b""
        disks = [Disk(uuid=f"{number:032x}", address="a:1", location=str(number), domain=str(number)) for number in range(3)]
        made = encode_map(initial_map(CLUSTER, disks, 1, 1, stripe_bytes=1 << 20, min_fragment_bytes=4096))
        raw = made[:-1] + b',"more":[1]}'  # what a datanode does not know is kept
        await client.push_map("unix:n0.sock", raw)
        assert await client.get_map("unix:n0.sock") == raw
    async with running(tmp_path) as client:
        async with asyncio.timeout(20):
            assert await client.get_map("unix:n0.sock") == raw


def test_a_record_from_before_descriptions_is_read():
    meta = msgspec.msgpack.decode(BEFORE, type=FragmentMeta)
    assert (meta.stripe_id, meta.stripe_length, meta.part_number, meta.write_id) == (b"S" * 16, 4096, 5, b"w" * 16)
    assert meta.description == b""


def test_a_version_from_before_descriptions_reads_a_record_of_today():
    fields = [(name, FragmentMeta.__annotations__[name]) for name in FragmentMeta.__struct_fields__[:-1]]
    older = msgspec.defstruct("Older", [(name, {"int": int, "bytes": bytes}[kind]) for name, kind in fields], array_like=True)
    now = meta_of(description=b"something new")
    read = msgspec.msgpack.decode(msgspec.msgpack.encode(now), type=older)
    assert [getattr(read, name) for name, _ in fields] == [getattr(now, name) for name, _ in fields]


@pytest.mark.parametrize(
    ("key", "payload_bytes"), [(b"k" * KEY_INLINE_BYTES_MAX, 1 << 20), (b"", 1 << 20), (b"key", 4096)]
)
def test_the_longest_description_leaves_the_header_in_one_page(key, payload_bytes):
    worst = msgspec.structs.replace(
        meta_of(description=b"d" * DESCRIPTION_BYTES_MAX, key=key), pg=(1 << 32) - 1, stripe_length=1 << 40, stripe_ordinal=1 << 20
    )
    body = FragmentBody(worst, ((1 << 32) - 1,) * (payload_bytes // BLOCK_BYTES))
    raw = encode_header(7, 1, 1 << 40, 1 << 30, payload_bytes, body)
    assert len(raw) == PAGE_BYTES
    assert fragment_body(decode_header(7, raw)) == body
