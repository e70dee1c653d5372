"""Room in memory: first come first served, small requests pass, downloads go on in small steps while it is short."""

import asyncio
import random

import pytest

from dolmen.gateway.metadata.records import NO_CONDITION, Attributes, NewVersion
from dolmen.gateway.objects import segment_write
from dolmen.gateway.objects.memory import SMALL_BYTES_MAX, SMALL_SHARE, MemoryBudget
from dolmen.gateway.objects.read import FRUGAL_SPAN_BYTES
from dolmen.gateway.objects.stripe_write import StripeWriter

MIB = 1 << 20
STRIPE = 256 * 1024  # of the cluster in conftest.py
BUDGET = 16 * MIB


async def turn():
    for _ in range(3):
        await asyncio.sleep(0)


async def test_large_requests_are_served_in_order_and_leave_a_reserve():
    budget = MemoryBudget(BUDGET)
    await budget.acquire(BUDGET - BUDGET // SMALL_SHARE)
    order = []

    async def want(name, size):
        await budget.acquire(size)
        order.append(name)

    tasks = [asyncio.create_task(want(name, size)) for name, size in (("first", 8 * MIB), ("second", MIB))]
    await turn()
    assert order == []
    budget.release(7 * MIB)
    await turn()
    assert order == [], "the second would fit, but the first was there before"
    budget.release(7 * MIB)
    await asyncio.gather(*tasks)
    assert order == ["first", "second"]
    assert budget.in_use == 9 * MIB


async def test_small_requests_pass_waiting_large_ones_while_there_is_room():
    budget = MemoryBudget(BUDGET)
    await budget.acquire(BUDGET - BUDGET // SMALL_SHARE)
    waiting = asyncio.create_task(budget.acquire(MIB))
    await turn()
    small = BUDGET // SMALL_SHARE // SMALL_BYTES_MAX
    for _ in range(small):
        assert budget.try_acquire(SMALL_BYTES_MAX)
    assert not budget.try_acquire(1)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert (budget.in_use, budget.waiting) == (BUDGET, 0)


async def test_a_request_above_the_budget_gets_all_of_it():
    budget = MemoryBudget(BUDGET)
    await budget.acquire(100 * BUDGET)
    assert budget.in_use == BUDGET
    budget.release(100 * BUDGET)
    assert budget.in_use == 0


async def test_a_waiter_that_is_cancelled_lets_the_next_one_in():
    budget = MemoryBudget(BUDGET)
    await budget.acquire(10 * MIB)
    first = asyncio.create_task(budget.acquire(12 * MIB))
    second = asyncio.create_task(budget.acquire(2 * MIB))
    await turn()
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
    await second
    assert budget.in_use == 12 * MIB


async def test_a_download_goes_on_in_small_steps_while_memory_is_short(cluster):
    data = bytes(range(256)) * 4096  # four stripes
    await cluster.write(b"k", data)
    await cluster.budget.acquire(cluster.budget._bytes_max - cluster.budget._reserve)  # slow clients hold all the rest
    assert await cluster.read(b"k") == data
    assert await cluster.read(b"k", 100_000, 700_001) == data[100_000:700_001]
    cluster.budget.release(cluster.budget._bytes_max - cluster.budget._reserve)
    assert cluster.budget.in_use == 0


async def test_a_download_that_is_given_up_gives_its_memory_back(cluster):
    await cluster.write(b"k", bytes(1 << 20))
    record = await cluster.store.get_version(cluster.bucket.bucket_id, b"k")
    for taken in range(4):
        stream = cluster.reader.stream(record.layout, 0, record.size)
        for _ in range(taken):
            await anext(stream)
        await stream.aclose()
        assert cluster.budget.in_use == 0, taken
    assert FRUGAL_SPAN_BYTES <= SMALL_BYTES_MAX


async def test_a_slow_upload_gives_its_memory_to_those_who_wait(cluster, monkeypatch):
    monkeypatch.setattr(segment_write, "SLOW_FILL_SECONDS", 0.0)
    data = random.Random(5).randbytes(900_000)
    held = cluster.budget._bytes_max - cluster.budget._reserve - segment_write._cost(STRIPE)
    await cluster.budget.acquire(held)
    waiting = []

    class Body:
        async def __aiter__(self):
            for at in range(0, len(data), 50_000):
                if at == 200_000:  # in the middle of the first stripe
                    waiting.append(asyncio.create_task(cluster.budget.acquire(segment_write._cost(STRIPE))))
                    await turn()
                    assert not waiting[0].done()
                yield memoryview(data)[at : at + 50_000]

    intent = await cluster.store.begin(cluster.bucket, b"slow")
    target = segment_write.write_target(cluster.bucket.bucket_id, b"slow", intent.write_id)
    writer = segment_write.SegmentWriter(
        StripeWriter(cluster.view, cluster.client), cluster.ids, cluster.view.pool(), cluster.budget, target
    )
    writing = asyncio.create_task(writer.write(aiter(Body()), len(data), lambda piece: None))
    while not waiting or not waiting[0].done():
        assert not writing.done(), "it never gave way"
        await asyncio.sleep(0.01)
    cluster.budget.release(held)
    written = await writing
    lengths = [segment.length for segment in written.layout.segments]
    assert sum(lengths) == len(data)
    assert len(lengths) > 1
    version = NewVersion(size=len(data), etag="e", owner="1" * 12, attributes=Attributes(), layout=written.layout)
    await cluster.store.commit(intent, version, NO_CONDITION, written.repairs)
    assert await cluster.read(b"slow") == data
    for start, end in ((0, 1), (lengths[0] - 1, lengths[0] + 1), (150_000, 650_000), (len(data) - 1, len(data))):
        assert await cluster.read(b"slow", start, end) == data[start:end]
