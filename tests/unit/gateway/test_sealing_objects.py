"""Sealed bodies over real datanodes: ranges across stripes, chunks and parts, lost disks, bytes of other objects, budgets."""

import asyncio
import os
import random
import shutil
from functools import partial

import pytest

from dolmen.core.layout import ObjectLayout
from dolmen.gateway.handlers.object_write import write_sealed
from dolmen.gateway.objects.sealing import CHUNK_BYTES, DataKeys, SealBroken, new_key, opened
from dolmen.gateway.objects.segment_write import SegmentWriter, write_target
from dolmen.gateway.objects.stripe_write import StripeWriter

STRIPE = 256 * 1024  # of the fixture
KINDS = {1: DataKeys((new_key(),)), 2: DataKeys((new_key(), new_key()))}
layers = pytest.mark.parametrize("keys", KINDS.values(), ids=["one layer", "two layers"])


def writer_of(cluster):
    target = write_target(cluster.bucket.bucket_id, b"k", os.urandom(16))
    pool = getattr(cluster.view, "pool", lambda _: cluster.view.map)("STANDARD")
    return SegmentWriter(StripeWriter(cluster.view, cluster.client), cluster.ids, pool, cluster.budget, target)


async def write(cluster, data, keys, piece_bytes=50_000):
    async def body():
        for at in range(0, len(data), piece_bytes):
            yield memoryview(data)[at : at + piece_bytes]

    hashed = []
    written = await write_sealed(writer_of(cluster), body(), len(data), keys, lambda piece: hashed.append(bytes(piece)))
    assert b"".join(hashed) == data
    assert written.layout.length == keys.sealed_length(len(data))
    return written.layout


async def read(cluster, layout, sizes, keys, start, end):
    stream = opened(partial(cluster.reader.stream, layout), sizes, keys, start, end)
    return b"".join([bytes(piece) async for group in stream for piece in group])


@layers
async def test_any_range_of_any_size(cluster, keys):
    rng = random.Random(3)
    for size in (1, CHUNK_BYTES, STRIPE - 1, STRIPE, STRIPE + 1, 3 * STRIPE + 777):
        data = os.urandom(size)
        layout = await write(cluster, data, keys)
        assert await read(cluster, layout, [size], keys, 0, size) == data
        for _ in range(5):
            start = rng.randrange(size)
            end = rng.randrange(start, size) + 1
            assert await read(cluster, layout, [size], keys, start, end) == data[start:end], f"[{start}, {end}) of {size}"
    assert cluster.budget.in_use == 0


@layers
async def test_parts_joined_into_one_object(cluster, keys):
    sizes = [STRIPE + 5, 3 * STRIPE, 1, 2 * CHUNK_BYTES]
    parts = [os.urandom(size) for size in sizes]
    layouts = [await write(cluster, part, keys) for part in parts]
    layout = ObjectLayout(tuple(segment for one in layouts for segment in one.segments))
    whole = b"".join(parts)
    rng = random.Random(4)
    assert await read(cluster, layout, sizes, keys, 0, len(whole)) == whole
    for _ in range(12):
        start = rng.randrange(len(whole))
        end = rng.randrange(start, len(whole)) + 1
        assert await read(cluster, layout, sizes, keys, start, end) == whole[start:end], (start, end)
    assert cluster.budget.in_use == 0


@layers
async def test_with_two_disks_gone(cluster, keys):
    data = os.urandom(2 * STRIPE + 9)
    layout = await write(cluster, data, keys)
    for disk in (1, 4):
        shutil.rmtree(f"disks/{disk}")
    for node in cluster.nodes:
        await node.check_disks()
    assert await read(cluster, layout, [len(data)], keys, 0, len(data)) == data


@layers
async def test_bytes_of_another_object_under_this_one_s_row(cluster, keys):
    """Whoever can write metadata cannot make the store hand out other data as this."""
    size = 2 * STRIPE
    mine = await write(cluster, os.urandom(size), keys)
    other = await write(cluster, os.urandom(size), DataKeys((new_key(),) * len(keys.layers)))
    with pytest.raises(SealBroken):
        await read(cluster, other, [size], keys, 0, size)
    mixed = ObjectLayout((*mine.segments, *other.segments))
    with pytest.raises(SealBroken):
        await read(cluster, mixed, [size, size], keys, size - 1, size + 1)
    with pytest.raises(SealBroken):
        await read(cluster, mine, [size - CHUNK_BYTES, CHUNK_BYTES], keys, 0, size)
    assert cluster.budget.in_use == 0


async def test_a_body_that_breaks_leaves_garbage_known_and_no_memory_held(cluster):
    async def body():
        yield memoryview(bytes(STRIPE * 2))
        raise RuntimeError("the client is gone")

    writer = writer_of(cluster)
    with pytest.raises(RuntimeError):
        await write_sealed(writer, body(), STRIPE * 8, KINDS[2], lambda _: None)
    assert writer.garbage().length > 0
    assert cluster.budget.in_use == 0


async def test_a_download_that_ends_early_holds_no_memory(cluster):
    layout = await write(cluster, bytes(6 * STRIPE), KINDS[2])
    stream = opened(partial(cluster.reader.stream, layout), [6 * STRIPE], KINDS[2], 0, 6 * STRIPE)
    await anext(stream)
    await stream.aclose()
    await asyncio.sleep(0)
    assert cluster.budget.in_use == 0
