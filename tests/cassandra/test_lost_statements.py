"""Every statement of every operation is lost in turn: what the client was told is what is there, and no data is lost or left."""

import asyncio
import os
import random

import pytest
import pytest_asyncio
from cassandra_parts import address_of, session_in
from lossy_cql import Fate, fates_of
from lossy_world import DONE, NO, UNKNOWN, World, hurry, told_of
from metadata_builders import SettableClock

from dolmen.gateway.metadata.cassandra.cql import Kind
from dolmen.gateway.metadata.records import Versioning
from dolmen.gateway.metadata.store import NoSuchUpload

SEED = int(os.environ.get("DOLMEN_LOSS_SEED", "1"))
PLANS = int(os.environ.get("DOLMEN_LOSS_PLANS", "5"))  # of each operation; 0: all that there are
AT_ONCE = 6

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def session(cassandra, parts_keyspace):
    async with session_in(cassandra, parts_keyspace) as made:
        yield made


@pytest.fixture
def address(cassandra, parts_keyspace):
    return address_of(cassandra, parts_keyspace)


class Operation:
    """``prepare`` a world with its sound store, then ``act`` with one that loses statements."""

    versioning = Versioning.OFF

    async def prepare(self, world):
        """Nothing is there."""

    async def rival(self, world):
        """Somebody else, after this one."""
        await world.put(world.other, b"k", "r" * 32)

    async def after(self, world, told):
        """What a client does in the end, who was perhaps left in doubt."""


class PutNew(Operation):
    async def act(self, world, store):
        await world.put(store, b"k", "n" * 32)


class PutOver(PutNew):
    async def prepare(self, world):
        await world.put(world.mine, b"k", "o" * 32)
        await world.put(world.mine, b"k", "p" * 32)


class PutOverAsAnother(PutOver):
    """The notes of the change before are not known to be copied."""

    async def prepare(self, world):
        await world.put(world.other, b"k", "o" * 32)
        await world.put(world.other, b"k", "p" * 32)


class PutVersion(PutOver):
    versioning = Versioning.ENABLED


class PutNullVersion(PutOver):
    versioning = Versioning.SUSPENDED


class Delete(PutOver):
    async def act(self, world, store):
        await world.delete(store, b"k")


class DeleteLeavingAMarker(Delete):
    versioning = Versioning.ENABLED


class DeleteAVersion(Delete):
    versioning = Versioning.ENABLED

    async def act(self, world, store):
        newest = (await world.versions(b"k"))[0]
        await world.delete(store, b"k", newest.version_id)


class ReplaceData(PutOver):
    async def act(self, world, store):
        await world.replace(store, b"k")


class Update(PutOver):
    async def act(self, world, store):
        await world.update(store, b"k")


class Rename(Operation):
    async def prepare(self, world):
        await world.put(world.other, b"a", "s" * 32)
        world.keys.add(b"k")

    async def act(self, world, store):
        await world.rename(store, b"a", b"k")


class RenameOver(Rename):
    async def prepare(self, world):
        await world.put(world.other, b"k", "o" * 32)
        await super().prepare(world)


class RenameAway(RenameOver):
    async def rival(self, world):
        await world.put(world.other, b"a", "r" * 32)


class CreateUpload(Operation):
    async def act(self, world, store):
        await world.create(store, b"k")


class PutPart(Operation):
    async def prepare(self, world):
        self.upload = await world.create(world.other, b"k")
        await world.put_part(world.other, self.upload, 1, "1" * 32)

    async def act(self, world, store):
        await world.put_part(store, self.upload, 1, "2" * 32)

    async def rival(self, world):
        await world.put_part(world.other, self.upload, 1, "3" * 32)

    async def after(self, world, told):
        await world.other.abort_upload(self.upload)


class Abort(PutPart):
    async def prepare(self, world):
        await super().prepare(world)
        await world.put_part(world.other, self.upload, 2, "2" * 32)

    async def act(self, world, store):
        await store.abort_upload(self.upload)

    async def rival(self, world):
        await told_of(super().rival(world))

    async def after(self, world, told):
        told_again, error = await told_of(world.other.abort_upload(self.upload))
        assert told_again == DONE or isinstance(error, NoSuchUpload)
        assert told != NO or told_again == DONE


class Complete(Operation):
    async def prepare(self, world):
        await world.put(world.other, b"k", "o" * 32)
        self.upload = await world.create(world.other, b"k")
        self.parts = [await world.put_part(world.other, self.upload, number, str(number) * 32) for number in (1, 2, 3)]

    async def act(self, world, store):
        self.told = await world.complete(store, self.upload, self.parts[:2])

    async def after(self, world, told):
        told_again, again = await told_of(world.complete(world.other, self.upload, self.parts[:2]))
        if told == DONE:
            assert again == self.told
        elif told_again == NO:
            assert told == UNKNOWN and isinstance(again, NoSuchUpload), again
            world.doubtful.update(part.layout for part in self.parts)


OPERATIONS = [
    *(PutNew, PutOver, PutOverAsAnother, PutVersion, PutNullVersion, Delete, DeleteLeavingAMarker, DeleteAVersion, ReplaceData),
    *(Update, Rename, RenameOver, RenameAway, CreateUpload, PutPart, Abort, Complete),
]


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


def all_plans(sent):
    """(statement, fate, whether its repetitions are lost too, whether somebody else writes the key before late ones arrive)."""
    plans = []
    for one in sent:
        for fate in fates_of(one.kind):
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
    plans = all_plans(sent)
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
