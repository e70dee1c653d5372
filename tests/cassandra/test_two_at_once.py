"""Two operations on the same keys, each held before any of its statements while the other goes on."""

import asyncio
import os
import random

import pytest
import pytest_asyncio
from cassandra_parts import address_of, session_in
from lossy_cql import Fate
from lossy_operations import Complete
from lossy_world import DONE, World, hurry, told_of
from metadata_builders import SettableClock, layout_of, version_of

from dolmen.gateway.metadata.records import NO_CONDITION, WriteCondition
from dolmen.gateway.metadata.store import MetadataUnavailable, NoSuchBucket, NoSuchKey, NoSuchUpload

SEED = int(os.environ.get("DOLMEN_LOSS_SEED", "1"))
PLANS = int(os.environ.get("DOLMEN_LOSS_PLANS", "6"))  # of each pair; 0: all that there are
AT_ONCE = 6

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def session(cassandra, parts_keyspace):
    async with session_in(cassandra, parts_keyspace) as made:
        yield made


@pytest.fixture
def make(monkeypatch, session, cassandra, parts_keyspace):
    hurry(monkeypatch)
    return lambda: World(session, address_of(cassandra, parts_keyspace), SettableClock())


class Held:
    """The process is held before its ``at``-th statement until ``go``."""

    def __init__(self, cql, at):
        self.count, self.at = 0, at
        self.reached, self.go = asyncio.Event(), asyncio.Event()
        cql.before = self.before
        cql.arm()

    async def before(self, _sent):
        self.count += 1
        if self.count == self.at + 1:
            self.reached.set()
            await self.go.wait()


async def interleave(world, first, second, at_first, at_second):
    """``first`` (by ``mine``) until its statement, then ``second`` (by ``other``) until its own, then the first one to its end."""
    one, two = Held(world.mine.cql, at_first), Held(world.other.cql, at_second)
    acting = asyncio.ensure_future(told_of(first))
    await until(acting, one.reached)
    rival = asyncio.ensure_future(told_of(second))
    await until(rival, two.reached)
    one.go.set()
    await asyncio.wait([acting], timeout=0.5)  # it may have to wait for the other one
    two.go.set()
    told = await asyncio.gather(acting, rival)
    for store in (world.mine, world.other):
        store.cql.before = None
        store.cql.disarm()
    return told


async def until(task, event):
    waiting = asyncio.ensure_future(event.wait())
    await asyncio.wait([task, waiting], return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()


async def pairs(name, work, statements=16):
    """Some of the pairs of statements at which the two are held."""
    plans = [(first, second) for first in range(statements) for second in range(statements)]
    chosen = random.Random(f"{SEED} {name}").sample(plans, min(PLANS or len(plans), len(plans)))
    room = asyncio.Semaphore(AT_ONCE)
    failures = []

    async def one(plan):
        async with room:
            try:
                async with asyncio.timeout(60):
                    await work(*plan)
            except Exception as error:  # noqa: BLE001 - told below, with its plan
                failures.append(f"seed {SEED}: {plan}: {error!r:.600}")

    await asyncio.gather(*map(one, chosen))
    assert not failures, "\n".join(failures)


def is_change(sent):
    return sent.text.startswith("UPDATE objects")


async def put_source(world):
    await world.put(world.other, b"a", "r" * 32)


async def put_target(world):
    await world.put(world.other, b"k", "r" * 32)


async def delete_source(world):
    await world.delete(world.other, b"a")


async def rename_back(world):
    await world.rename(world.other, b"k", b"a")


async def rename_elsewhere(world):
    await world.rename(world.other, b"a", b"m")


@pytest.mark.parametrize("rival", [put_source, put_target, delete_source, rename_back, rename_elsewhere])
async def test_a_rename_moves_one_object_whoever_comes_between(make, rival):
    async def work(at_first, at_second):
        world = await make().open()
        await world.put(world.other, b"k", "o" * 32)
        await world.put(world.other, b"a", "s" * 32)
        world.keys.add(b"m")
        await world.quiet()
        told, error = (await interleave(world, world.rename(world.mine, b"a", b"k"), rival(world), at_first, at_second))[0]
        assert told == DONE or isinstance(error, NoSuchKey | MetadataUnavailable), error
        await world.check_all()
        await world.close()

    await pairs(f"rename {rival.__name__}", work)


async def test_a_rename_that_somebody_else_stops_is_not_made_after_all(make):
    """Its mark is taken away only when the target has moved on since the head that the rename asks for."""
    world = await make().open()
    await world.put(world.other, b"a", "s" * 32)
    world.keys.add(b"k")
    await world.quiet()
    clearing, may_clear, rivals = asyncio.Event(), asyncio.Event(), []

    async def rival_holds(sent):
        if is_change(sent) and sum(map(is_change, world.other.cql.sent)) == 2:  # the target has been moved on, the mark goes next
            clearing.set()
            await may_clear.wait()

    async def rename_holds(sent):
        changes = sum(map(is_change, world.mine.cql.sent))
        if is_change(sent) and changes == 2:  # the source is marked; it comes to the target
            world.other.cql.before = rival_holds
            world.other.cql.arm()
            rivals.append(asyncio.ensure_future(put_source(world)))
            await clearing.wait()
        elif is_change(sent) and changes == 3:  # once more, with the head that it has read since
            may_clear.set()
            await asyncio.wait(rivals)

    world.mine.cql.before = rename_holds
    world.mine.cql.arm()
    told, result = await told_of(world.rename(world.mine, b"a", b"k"))
    assert told == DONE, result
    await asyncio.gather(*rivals)
    world.mine.cql.before = world.other.cql.before = None
    assert await world.holders("s" * 32) == []  # replaced by the rival, whose object was renamed then
    assert await world.holders("r" * 32) == [b"k"]
    await world.check_all()
    await world.close()


async def test_puts_of_one_key_replace_each_other_once(make):
    async def work(at_first, at_second):
        world = await make().open()
        await world.put(world.other, b"k", "o" * 32)
        await world.quiet()
        both = await interleave(world, world.put(world.mine, b"k", "1" * 32), put_target(world), at_first, at_second)
        assert [told for told, _ in both] == [DONE, DONE]
        await world.check_all()
        await world.close()

    await pairs("put", work, 8)


async def test_an_upload_ends_once(make):
    async def work(at_first, at_second):
        for rival in ("abort", "complete", "part"):
            world = await make().open()
            operation = Complete()
            await operation.prepare(world)
            await world.quiet()
            works = {
                "abort": lambda world=world, operation=operation: world.other.abort_upload(operation.upload),
                "complete": lambda world=world, operation=operation: world.complete(
                    world.other, operation.upload, operation.parts[:2]
                ),
                "part": lambda world=world, operation=operation: world.put_part(world.other, operation.upload, 3, "x" * 32),
            }
            first = world.complete(world.mine, operation.upload, operation.parts[:2])
            (told, result), (told_too, result_too) = await interleave(world, first, works[rival](), at_first, at_second)
            if rival == "complete":
                assert told == told_too == DONE and result == result_too
            elif rival == "abort":
                assert {told, told_too} != {DONE} and DONE in (told, told_too), (result, result_too)
                refused = result if told != DONE else result_too
                assert isinstance(refused, NoSuchUpload)
            else:
                assert told == DONE
            world.clock.added_seconds = 49 * 3600
            await world.other.parts.uploads.tidy(operation.upload.upload_id)
            await world.check_all()
            await world.close()

    await pairs("upload", work, 20)


async def test_a_bucket_goes_with_nothing_in_it_or_stays(make):
    async def work(at_first, at_second):
        for operation in ("put", "twice", "upload"):
            world = await make().open()
            name, bucket_id = world.bucket.name, world.bucket.bucket_id

            async def act(world=world, operation=operation):
                if operation == "upload":
                    return await world.create(world.mine, b"k")
                puts = [told_of(world.put(world.mine, b"k", etag * 32)) for etag in ("1" if operation == "put" else "12")]
                return await asyncio.gather(*puts)

            gone = world.other.delete_bucket(name, bucket_id)
            (told, result), (gone, why) = await interleave(world, act(), gone, at_first, at_second)
            await world.quiet()
            there = await world.versions(b"k")
            if gone == DONE:
                assert await world.other.get_bucket(name) is None
                assert there == [], "acknowledged, in a bucket that is gone"
                assert await world.other.list_uploads(bucket_id, b"", "", None, 10) == []
                outcomes = [error for each, error in result if each != DONE] if isinstance(result, list) else [result]
                assert all(isinstance(error, NoSuchBucket | MetadataUnavailable) for error in outcomes) or told == DONE
            else:
                assert await world.other.get_bucket(name) is not None, why
                if operation != "upload":
                    await world.check_lists()
            assert await world.intents() == []
            if operation != "upload":
                assert [each for each, _ in result].count(DONE) == 0 or gone != DONE
            world.check_nothing_is_held()
            await world.close()

    await pairs("bucket", work, 12)


async def test_what_waited_behind_another_change_does_not_land_in_a_closed_bucket(make):
    """It reads the key anew, which was burned meanwhile: only the marks of the range tell it then."""
    world = await make().open()
    bucket = world.bucket
    intents = [await world.mine.begin(bucket, b"k") for _ in range(2)]

    removing, may_remove, deletions = asyncio.Event(), asyncio.Event(), []

    async def deletion_holds(sent):
        if sent.text.startswith("DELETE FROM buckets "):
            removing.set()
            await may_remove.wait()

    async def deleted_meanwhile(sent):
        if is_change(sent) and not deletions:
            world.other.cql.before = deletion_holds
            world.other.cql.arm()
            deletions.append(asyncio.ensure_future(world.other.delete_bucket(bucket.name, bucket.bucket_id)))
            await removing.wait()

    world.mine.cql.before = deleted_meanwhile
    world.mine.cql.arm()
    works = [told_of(world.mine.commit(intent, version_of(layout=layout_of()), NO_CONDITION)) for intent in intents]
    for told, error in await asyncio.gather(*works):
        assert told != DONE and isinstance(error, MetadataUnavailable), error
    may_remove.set()
    await asyncio.gather(*deletions)
    for intent in intents:
        await world.mine.abort(intent, layout_of())
    world.keys.add(b"k")
    await world.quiet()
    assert await world.versions(b"k") == []
    assert await world.intents() == []
    await world.close()


async def test_a_completion_that_is_cancelled_after_its_change_does_not_open_the_upload_again(make):
    world = await make().open()
    operation = Complete()
    await operation.prepare(world)
    await world.quiet()
    world.mine.cql.arm(lambda sent: Fate.CANCELLED if sent.text.startswith("UPDATE objects") else None)
    with pytest.raises(asyncio.CancelledError):
        await operation.act(world, world.mine)
    world.mine.cql.disarm()
    assert (await told_of(world.other.abort_upload(operation.upload)))[0] != DONE
    assert len(await world.holders("c" * 32)) == 1
    await world.close()


async def test_a_client_that_goes_away_leaves_no_intent(make):
    """At each statement of a PUT that is refused in the end: nobody is there who would take its intent away."""
    for at, condition in ((0, WriteCondition(if_none_match=("*",))), (0, NO_CONDITION), (1, NO_CONDITION)):
        world = await make().open()
        await world.put(world.other, b"k")
        intent = await world.mine.begin(world.bucket, b"k")
        held = Held(world.mine.cql, at)
        layout = world.layout("of a client that went away")
        committing = asyncio.ensure_future(world.mine.commit(intent, version_of(layout=layout), condition))
        await until(committing, held.reached)
        committing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await committing
        held.go.set()
        world.doubtful.add(layout)
        await world.check_all()
        await world.close()
