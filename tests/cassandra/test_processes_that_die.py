"""A process dies, or only sleeps, before any statement of any operation, and is swept up after; by two at once, and again."""

import asyncio
import os
import random

import pytest
import pytest_asyncio
from cassandra_parts import address_of, session_in
from lossy_cql import Fate
from lossy_operations import OPERATIONS, Abort, Complete, Rename
from lossy_world import ALL, DONE, UNKNOWN, World, hurry, told_of
from metadata_builders import SettableClock

from dolmen.gateway.metadata.cassandra.cql import Kind, Statement

SEED = int(os.environ.get("DOLMEN_LOSS_SEED", "1"))
PLANS = int(os.environ.get("DOLMEN_LOSS_PLANS", "3"))  # of each operation; 0: all that there are
AT_ONCE = 6

_SIGN = Statement("SELECT alive_us, WRITETIME(alive_us) FROM workers WHERE worker = ?", Kind.READ)
_PLACES = Statement("SELECT bucket_id FROM worker_shards WHERE worker = ?", Kind.READ)

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def session(cassandra, parts_keyspace):
    async with session_in(cassandra, parts_keyspace) as made:
        yield made


@pytest.fixture
def make(monkeypatch, session, cassandra, parts_keyspace):
    hurry(monkeypatch)
    return lambda: World(session, address_of(cassandra, parts_keyspace), SettableClock())


async def sweep(world, sweepers, dead):
    """What is left of ``dead``, as far as it is known at all."""
    for alive_us, stamp_us in await world.session.run(_SIGN, dead.worker):
        await asyncio.gather(*(one.parts.sweeper.sweep_worker(dead.worker, alive_us, stamp_us) for one in sweepers))


async def statements_of(make, kind):
    """Of the operation and of what follows it."""
    world = await make().open(kind.versioning)
    operation = kind()
    await operation.prepare(world)
    await world.quiet()
    world.mine.cql.arm()
    await operation.act(world, world.mine)
    await world.mine.quiet()
    sent = world.mine.cql.sent
    await world.close()
    return sent


async def each(plans, kind, work):
    """Some of the plans, side by side."""
    chosen = random.Random(f"{SEED} {kind.__name__}").sample(plans, min(PLANS or len(plans), len(plans)))
    room = asyncio.Semaphore(AT_ONCE)
    failures = []

    async def one(plan):
        async with room:
            try:
                async with asyncio.timeout(60):
                    await work(plan)
            except Exception as error:  # noqa: BLE001 - told below, with its plan
                failures.append(f"seed {SEED}: {plan}: {error!r:.500}")

    await asyncio.gather(*map(one, chosen))
    assert not failures, "\n".join(failures)


async def die_before(world, operation, statement):
    """The operation, until the process dies."""
    cql = world.mine.cql
    cql.arm(lambda sent: Fate.STOPPED if sent == statement else None)
    acting = asyncio.ensure_future(operation.act(world, world.mine))
    stopped = asyncio.ensure_future(cql.stopped.wait())

    async def over():
        await asyncio.wait([acting])
        await world.mine.quiet()

    ending = asyncio.ensure_future(over())
    await asyncio.wait([stopped, ending], return_when=asyncio.FIRST_COMPLETED)
    await world.mine.die()
    for task in (acting, stopped, ending):
        task.cancel()
    await asyncio.gather(acting, stopped, ending, return_exceptions=True)
    world.stores.remove(world.mine)


@pytest.mark.parametrize("kind", OPERATIONS)
async def test_whatever_a_dead_process_left_is_swept_up(make, kind):
    async def work(statement):
        world = await make().open(kind.versioning)
        operation = kind()
        await operation.prepare(world)
        await world.quiet()
        before = set(world.handed)
        await die_before(world, operation, statement)
        world.doubtful.update(set(world.handed) - before)
        assert not isinstance(operation, Rename) or len(await world.holders("s" * 32)) == 1
        await world.check_lists(quiet=False)  # its intents stand: lists ask the truth
        third = world.store()
        world.stores.append(third)
        await sweep(world, [world.other, third], world.mine)
        assert await world.session.run(_PLACES, world.mine.worker) == await world.session.run(_SIGN, world.mine.worker) == []
        if isinstance(operation, Complete):
            assert (await told_of(world.complete(third, operation.upload, operation.parts[:2])))[0] == DONE
        else:
            await operation.after(world, UNKNOWN)
        world.clock.added_seconds = 49 * 3600
        for upload in world.uploads:
            await world.other.parts.uploads.tidy(upload.upload_id)
        await sweep(world, [world.other], world.mine)
        await world.check_all()
        assert not isinstance(operation, Rename) or len(await world.holders("s" * 32)) == 1
        await world.close()

    await each(await statements_of(make, kind), kind, work)


@pytest.mark.parametrize("kind", OPERATIONS)
async def test_a_process_that_slept_goes_on_and_nothing_is_lost(make, kind):
    async def work(statement):
        world = await make().open(kind.versioning)
        operation = kind()
        await operation.prepare(world)
        await world.quiet()

        async def asleep(sent):
            if sent == statement:
                await sweep(world, [world.other], world.mine)

        world.mine.cql.before = asleep
        world.mine.cql.arm()
        told, result = await told_of(operation.act(world, world.mine))
        assert told == DONE, result
        world.mine.cql.before = None
        await world.mine.quiet()
        await world.check_lists()
        await operation.after(world, told)
        world.clock.added_seconds = 49 * 3600
        for upload in world.uploads:
            await world.other.parts.uploads.tidy(upload.upload_id)
        await world.check_all()
        await world.close()

    await each(await statements_of(make, kind), kind, work)


@pytest.mark.parametrize("kind", [Complete, Abort])
async def test_what_a_dead_process_left_of_an_upload_ends_although_nobody_asks_for_it(make, kind):
    async def work(statement):
        world = await make().open(kind.versioning)
        operation = kind()
        await operation.prepare(world)
        await world.quiet()
        await die_before(world, operation, statement)
        await sweep(world, [world.other], world.mine)
        for hours in (49, 98):
            world.clock.added_seconds = hours * 3600
            for entry in await world.other.parts.sweeper._ended.due(world.clock.now_us(), ALL):
                await world.other.parts.uploads.tidy(entry.body.decode())
                await world.other.parts.sweeper._ended.finish([entry.id])
        state = await world.other.parts.uploads._rows.state(operation.upload.upload_id)
        listed = await world.other.list_uploads(world.bucket.bucket_id, b"", "", None, ALL)
        assert (state is None) == (listed == [])
        assert state is None or state.state == 0
        await world.check_all()
        await world.close()

    await each(await statements_of(make, kind), kind, work)
