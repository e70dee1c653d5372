"""Every statement of every operation is lost in turn: what the client was told is what is there, and no data is lost or left."""

import asyncio
import os
import random

import pytest
import pytest_asyncio
from cassandra_parts import address_of, session_in
from lossy_cql import Fate, fates_of
from lossy_operations import OPERATIONS, Abort, Complete
from lossy_world import DONE, NO, UNKNOWN, World, hurry, told_of
from metadata_builders import SettableClock

from dolmen.gateway.metadata.cassandra.cql import Kind

SEED = int(os.environ.get("DOLMEN_LOSS_SEED", "1"))
PLANS = int(os.environ.get("DOLMEN_LOSS_PLANS", "4"))  # of each operation; 0: all that there are
AT_ONCE = 6

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def session(cassandra, parts_keyspace):
    async with session_in(cassandra, parts_keyspace) as made:
        yield made


@pytest.fixture
def address(cassandra, parts_keyspace):
    return address_of(cassandra, parts_keyspace)


async def fault_free(make, kind):
    """(statements, what is seen before, what is seen after)."""
    world = await make().open(kind.versioning)
    operation = kind()
    await operation.prepare(world)
    await world.quiet()
    before = await world.seen()
    world.mine.cql.arm()
    await operation.act(world, world.mine)
    await world.mine.quiet()
    sent = world.mine.cql.sent
    world.mine.cql.disarm()
    await world.check_all()
    after = await world.seen()
    await world.close()
    return sent, before, after


def all_plans(kind, sent):
    """(statement, fate, whether its repetitions are lost too, whether somebody else writes the key before late ones arrive)."""
    plans = []
    for one in sent:
        for fate in fates_of(one):
            stubborn = (False, True) if one.kind is Kind.CAS and fate is not Fate.REFUSED else (False,)
            plans += [(one, fate, is_stubborn, rival) for is_stubborn in stubborn for rival in (False, True)]
    return plans


async def lose_one(make, kind, plan, before, after):
    """One statement, and what became of it all."""
    statement, fate, stubborn, rival = plan
    world = await make().open(kind.versioning)
    operation = kind()
    await operation.prepare(world)
    await world.quiet()
    cql = world.mine.cql
    cql.arm(lambda sent: fate if sent == statement and not cql.hit else None, stubborn=stubborn)
    told, error = await told_of(operation.act(world, world.mine))
    cql.stubborn = False
    if rival:
        await operation.rival(world)
        await cql.arrive()
        await world.quiet()
    else:
        await world.quiet()
        await cql.arrive()
        seen = await world.seen()
        if kind not in (Complete, Abort):
            assert seen in {DONE: [after], NO: [before], UNKNOWN: [before, after]}[told], (told, error, seen)
    await operation.after(world, told)
    world.clock.added_seconds = 49 * 3600
    for upload in world.uploads:
        await world.other.parts.uploads.tidy(upload.upload_id)
    await world.check_all()
    await world.close()
    return bool(cql.hit)


@pytest.mark.parametrize("kind", OPERATIONS)
async def test_whatever_is_lost_the_client_is_told_what_is_there(monkeypatch, session, address, kind):
    hurry(monkeypatch)

    def make():
        return World(session, address, SettableClock())

    sent, before, after = await fault_free(make, kind)
    plans = all_plans(kind, sent)
    chosen = random.Random(f"{SEED} {kind.__name__}").sample(plans, min(PLANS or len(plans), len(plans)))
    room = asyncio.Semaphore(AT_ONCE)
    failures = []

    async def one(plan):
        async with room:
            try:
                async with asyncio.timeout(60):
                    await lose_one(make, kind, plan, before, after)
            except BaseException as error:
                failures.append((plan, error))
                raise

    outcomes = await asyncio.gather(*map(one, chosen), return_exceptions=True)
    for (statement, fate, stubborn, rival), error in failures:
        print(f"seed {SEED}: {statement}: {fate.value}, stubborn {stubborn}, rival {rival}: {error!r:.600}")
    assert not failures, f"{len(failures)} of {len(outcomes)}"
