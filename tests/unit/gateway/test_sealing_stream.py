"""Sealed bodies: what is stored, every way to spoil it, and every range of it back."""

import asyncio
import itertools
import os
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dolmen.gateway.objects import sealing
from dolmen.gateway.objects.sealing import CHUNK_BYTES, DataKeys, SealBroken, new_key, opened, sealed

HEADER = 32
TAG = 16
ONE = DataKeys((new_key(),))
TWO = DataKeys((new_key(), new_key()))
SIZES = sorted({1, *(n * CHUNK_BYTES + step for n in (1, 2, 4, 8) for step in (-1, 0, 1))})


async def seal(data, keys, *, piece_bytes=50_000, length=True):
    hashed = []

    async def pieces():
        for at in range(0, len(data), piece_bytes):
            yield memoryview(data)[at : at + piece_bytes]

    stream = sealed(pieces(), len(data) if length else None, keys, lambda piece: hashed.append(bytes(piece)))
    stored = b"".join([bytes(piece) async for piece in stream])
    assert b"".join(hashed) == data, "digests see every byte once, in order"
    return stored


def source_of(stored, group_bytes=100_000, piece_bytes=30_000):
    """Stored bytes as a reader gives them: lists of slices."""

    async def source(start, end):
        assert 0 <= start < end <= len(stored), "only what is there is asked for"
        for at in range(start, end, group_bytes):
            stop = min(end, at + group_bytes)
            yield [memoryview(stored)[low : min(stop, low + piece_bytes)] for low in range(at, stop, piece_bytes)]

    return source


async def read(stored, sizes, keys, start, end, **how):
    groups = [group async for group in opened(source_of(stored, **how), sizes, keys, start, end)]
    assert all(groups), "no empty group: the first one decides the status"
    return b"".join(bytes(piece) for group in groups for piece in group)


@pytest.mark.parametrize("keys", [ONE, TWO], ids=["one layer", "two layers"])
@pytest.mark.parametrize("size", SIZES)
async def test_every_size_comes_back_and_is_as_long_as_it_says(size, keys):
    data = os.urandom(size)
    stored = await seal(data, keys)
    assert len(stored) == keys.sealed_length(size)
    assert await read(stored, [size], keys, 0, size) == data
    rng = random.Random(size)
    cuts = {0, size, *(cut for edge in range(0, size + 1, CHUNK_BYTES) for cut in (edge - 1, edge, edge + 1) if 0 <= cut <= size)}
    for start, end in rng.sample(list(itertools.combinations(sorted(cuts), 2)), min(len(cuts) - 1, 12)):
        assert await read(stored, [size], keys, start, end) == data[start:end], (start, end)


async def test_nothing_is_nothing():
    for keys in (ONE, TWO):
        assert await seal(b"", keys) == b""
        assert await seal(b"", keys, length=False) == b""
        assert keys.sealed_length(0) == 0


@pytest.mark.parametrize("piece_bytes", [1000, CHUNK_BYTES, 4 * CHUNK_BYTES, 10**7])
async def test_the_length_need_not_be_known(piece_bytes):
    for size in (1, CHUNK_BYTES, 4 * CHUNK_BYTES, 8 * CHUNK_BYTES, 9 * CHUNK_BYTES + 5):
        data = os.urandom(size)
        stored = await seal(data, ONE, piece_bytes=piece_bytes, length=False)
        assert await read(stored, [size], ONE, 0, size) == data


async def test_a_body_that_is_longer_than_it_said_is_sealed_all_the_same():
    async def pieces():
        yield memoryview(bytes(3 * CHUNK_BYTES + 7))

    stored = b"".join([bytes(piece) async for piece in sealed(pieces(), 5, ONE, lambda _: None)])
    assert len(stored) == sealing.sealed_length(3 * CHUNK_BYTES + 7)


async def test_two_sealings_share_nothing():
    data = bytes(2 * CHUNK_BYTES)
    first, second = await seal(data, ONE), await seal(data, ONE)
    assert first[8:32] != second[8:32]
    blocks = {first[at : at + 16] for at in range(HEADER, len(first) - 16, 16)}
    assert len(blocks) == len(range(HEADER, len(first) - 16, 16)), "no two blocks of zeros are alike"
    assert not blocks & {second[at : at + 16] for at in range(HEADER, len(second) - 16, 16)}


async def test_parts_of_one_object_read_as_one():
    for keys in (ONE, TWO):
        sizes = [CHUNK_BYTES + 1, 5, 0, 2 * CHUNK_BYTES, 7]
        parts = [os.urandom(size) for size in sizes]
        whole = b"".join(parts)
        stored = b"".join([await seal(part, keys) for part in parts])
        edges = list(itertools.accumulate(sizes, initial=0))
        cuts = sorted({min(max(edge + step, 0), len(whole)) for edge in edges for step in (-1, 0, 1)})
        for start, end in itertools.combinations(cuts, 2):
            assert await read(stored, sizes, keys, start, end, group_bytes=70_000) == whole[start:end], (start, end)


@given(
    sizes=st.lists(st.integers(0, 3 * CHUNK_BYTES), min_size=1, max_size=6).filter(any),
    ends=st.tuples(st.floats(0, 1), st.floats(0, 1)),
)
def test_a_plan_reads_whole_chunks_and_no_more(sizes, ends):
    total = sum(sizes)
    start = min(int(ends[0] * total), total - 1)
    end = min(total, start + 1 + int(ends[1] * (total - start)))
    found = sealing.plan(sizes, start, end)
    assert 0 <= found.start < found.end <= sum(map(sealing.sealed_length, sizes))
    assert found.header_at < found.start
    chunks = (end - start) // CHUNK_BYTES + 2 * len(sizes) + 2
    assert found.end - found.start <= (end - start) + 2 * CHUNK_BYTES + chunks * TAG + len(sizes) * HEADER


# -- tampering ---------------------------------------------------------------------------------------------------------------

async def spoiled(stored, size, keys, start=0, end=None):
    with pytest.raises(SealBroken):
        await read(stored, [size], keys, start, size if end is None else end)


@pytest.mark.parametrize("keys", [ONE, TWO], ids=["one layer", "two layers"])
async def test_every_flipped_bit_of_a_small_body_is_seen(keys):
    data = os.urandom(50)
    stored = bytearray(await seal(data, keys))
    for at in range(len(stored)):
        for bit in range(8):
            stored[at] ^= 1 << bit
            await spoiled(stored, len(data), keys)
            stored[at] ^= 1 << bit
    assert await read(stored, [50], keys, 0, 50) == data


async def test_every_flipped_byte_of_two_small_chunks_is_seen(monkeypatch):
    small = 16
    monkeypatch.setattr(sealing, "CHUNK_BYTES", small)
    monkeypatch.setattr(sealing, "_SEALED_CHUNK_BYTES", small + TAG)
    monkeypatch.setattr(sealing, "BATCH_BYTES", 4 * small)
    data = os.urandom(3 * small + 5)
    stored = bytearray(await seal(data, ONE))
    assert len(stored) == HEADER + len(data) + 4 * TAG
    for at in range(len(stored)):
        stored[at] ^= 0x40
        await spoiled(stored, len(data), ONE)
        stored[at] ^= 0x40
    for length in range(len(stored)):  # cut off anywhere, with a size in the row that follows the cut or not
        for size in {len(data), max(1, length - HEADER - TAG)}:
            other = bytes([stored[length] ^ 0xFF])  # zeros might be what was there
            cut = bytes(stored[:length]) + other + bytes(sealing.sealed_length(size))
            await spoiled(cut, size, ONE)
    for count in (1, 2, 3):  # whole chunks cut off, and the size with them
        await spoiled(stored[: HEADER + count * (small + TAG)], count * small, ONE)
    chunks = [stored[at : at + small + TAG] for at in range(HEADER, HEADER + 3 * (small + TAG), small + TAG)]
    rest = stored[HEADER + 3 * (small + TAG) :]
    for order in itertools.product(range(3), repeat=3):
        mixed = stored[:HEADER] + b"".join(chunks[index] for index in order) + rest
        if order == (0, 1, 2):
            assert await read(mixed, [len(data)], ONE, 0, len(data)) == data
        else:
            await spoiled(mixed, len(data), ONE)
    longer = stored + chunks[0]
    await spoiled(longer, len(data) + small, ONE)


async def test_chunks_of_another_body_or_key_do_not_open():
    size = 2 * CHUNK_BYTES
    first, second = await seal(os.urandom(size), ONE), await seal(os.urandom(size), ONE)
    half = HEADER + CHUNK_BYTES + TAG
    await spoiled(first[:half] + second[half:], size, ONE)
    await spoiled(first, size, DataKeys((new_key(),)))
    await spoiled(second[:HEADER] + first[HEADER:], size, ONE)
    layered = await seal(os.urandom(100), TWO)
    await spoiled(layered, 100, DataKeys((TWO.layers[0], new_key())))
    await spoiled(layered, 100, DataKeys((new_key(), TWO.layers[1])))


async def test_a_range_behind_a_broken_chunk_is_read_and_one_across_it_is_not():
    size = 3 * CHUNK_BYTES
    data = os.urandom(size)
    stored = bytearray(await seal(data, ONE))
    stored[HEADER + 100] ^= 1
    assert await read(stored, [size], ONE, CHUNK_BYTES, size) == data[CHUNK_BYTES:]
    await spoiled(stored, size, ONE, CHUNK_BYTES - 1, size)


# -- behaviour of the streams ------------------------------------------------------------------------------------------------

async def test_an_error_of_the_body_comes_through():
    async def pieces():
        yield memoryview(bytes(6 * CHUNK_BYTES))
        raise RuntimeError("gone")

    with pytest.raises(RuntimeError, match="gone"):
        async for _ in sealed(pieces(), 20 * CHUNK_BYTES, TWO, lambda _: None):
            pass


async def test_sources_are_closed_when_a_download_ends_early():
    closed = []
    stored = await seal(bytes(8 * CHUNK_BYTES), TWO)
    inner = source_of(stored)

    async def source(start, end):
        try:
            async for group in inner(start, end):
                yield group
        finally:
            closed.append((start, end))

    stream = opened(source, [8 * CHUNK_BYTES], TWO, CHUNK_BYTES, 8 * CHUNK_BYTES)
    await anext(stream)
    await stream.aclose()
    await asyncio.sleep(0)
    assert closed
    assert closed[-1][1] > 7 * CHUNK_BYTES, "the main read"


def test_keys_are_not_shown():
    assert ONE.layers[0].hex() not in repr(ONE)
    assert repr(ONE.layers[0]) not in repr(ONE)


def test_an_etag_tells_nothing_of_the_md5():
    md5 = "5d41402abc4b2a76b9719d911017c592"
    assert ONE.etag(md5) != md5
    assert len(bytes.fromhex(ONE.etag(md5))) == 16
    assert ONE.etag(md5) == DataKeys(ONE.layers).etag(md5), "the same upload, the same ETag"
    assert ONE.etag(md5) != DataKeys((new_key(),)).etag(md5)
