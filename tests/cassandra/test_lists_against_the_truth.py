"""Lists over real tables say what the truth says, whatever state list rows, intents and range map are in."""

import asyncio
import os
import random

import pytest
from cassandra_parts import session_in
from listing_world import Bucket, every_key

from dolmen.gateway.metadata.delimiter import after_key
from dolmen.gateway.metadata.records import Versioning
from dolmen.gateway.metadata.store import ScanMemo

ROUNDS = int(os.environ.get("DOLMEN_LIST_ROUNDS", "4"))
KEYS = 40
AT_ONCE = 16  # keys of the test that are worked on side by side
EVERYTHING = 10_000


async def side_by_side(works):
    turns = asyncio.Semaphore(AT_ONCE)

    async def one(work):
        async with turns:
            return await work

    return await asyncio.gather(*map(one, works))


async def histories(bucket, keys, versionings, changes):
    """Some finished changes of each key."""

    async def one(key, plan):
        for what, versioning in plan:
            await bucket.done(key, what, versioning)

    whats = ("put", "put", "put", "delete", "remove")
    plans = {
        key: sorted(
            ((bucket.rng.choice(whats), bucket.rng.choice(versionings)) for _ in range(bucket.rng.randrange(changes + 1))),
            key=lambda step: step[1] is not Versioning.OFF,  # no way back to a bucket without versions
        )
        for key in keys
    }
    await side_by_side(one(key, plan) for key, plan in plans.items())


async def leave_unfinished(bucket, keys, versionings):
    """Changes that stopped somewhere on their way; on some keys others were made after them."""

    async def one(key, fate, what, versioning, after):
        if fate == "announced":
            await bucket.announce(key)
        else:
            pending = await bucket.change(key, what, versioning)
            if fate == "half":
                await bucket.follow(pending, pending.places[:1], withdraw=False)
            elif fate == "all but the intent":
                await bucket.follow(pending, withdraw=False)
        if after:
            await bucket.done(key, "put", versioning)

    fates = ("announced", "changed", "changed", "half", "all but the intent")
    rng = bucket.rng
    await side_by_side(
        one(key, rng.choice(fates), rng.choice(("put", "delete", "remove")), rng.choice(versionings), rng.random() < 0.2)
        for key in keys
    )


async def reshape(bucket, keys, versionings):
    """A range that is being reshaped, or was; writers go on meanwhile. Tells what was done."""
    rng = bucket.rng
    shards = await bucket.map.shards(bucket.bucket_id)
    at = rng.randrange(len(shards))
    lo, hi = shards[at].lo, shards[at].hi
    inside = [key for key in keys if lo < key and (hi is None or key < hi)]
    kind = rng.choice(["fanout", *(["split"] * 3 if inside else []), *(["merge"] if hi is not None else [])])
    stage = rng.choice(("begun", "copied in part", "moved", "cut over", "cut over"))
    if not (await bucket.map.shards(bucket.bucket_id))[0].rev:  # the implicit shard gets its row first
        await bucket.write_shard(shards[0])
    waiting = [await bucket.change(key, "put", rng.choice(versionings)) for key in rng.sample(keys, 3)]
    changed = await bucket.begin_reshape(lo, kind, rng.choice(inside) if kind == "split" else None)
    waiting += [await bucket.change(key, "delete", rng.choice(versionings)) for key in rng.sample(keys, 3)]
    if stage != "begun":
        await bucket.copy(changed, 1.0 if stage == "cut over" else 0.5)
    for pending in rng.sample(waiting, 4):
        await bucket.follow(pending)
    if stage in ("moved", "cut over"):
        await bucket.mark_moved(changed)
    if stage == "cut over":
        await bucket.cut_over(changed)
    await histories(bucket, rng.sample(keys, 10), versionings, 2)
    return kind, stage


def within(rows, start, end):
    return [row for row in rows if row.key >= start and (end is None or row.key < end)]


async def check(bucket, scanner, keys):
    """Random ranges, and everything page by page, with and without a memo."""
    rng, objects, versions = bucket.rng, bucket.objects(), bucket.all_versions()
    bounds = [b"", b"\xff\xff\xff", *keys, *(key + b"\0" for key in rng.sample(keys, 5))]

    async def one_range(start, end, limit):
        got = await scanner.scan(bucket.bucket_id, start, end, limit)
        assert got == within(objects, start, end)[:limit], (start, end, limit)

    async def one_range_of_versions(start, seq, end, limit):
        got = await scanner.scan_versions(bucket.bucket_id, start, seq, end, limit)
        wanted = [row for row in within(versions, start, end) if seq is None or row.key != start or row.seq < seq]
        assert got == wanted[:limit], (start, seq, end, limit)

    async def pages(limit):
        memo, start, got = ScanMemo(), b"", []
        while rows := await scanner.scan(bucket.bucket_id, start, None, limit, memo):
            got += rows
            start = after_key(rows[-1].key).key
        assert got == objects, limit

    async def pages_of_versions(limit):
        memo, start, seq, got = ScanMemo(), b"", None, []
        while rows := await scanner.scan_versions(bucket.bucket_id, start, seq, None, limit, memo):
            got += rows
            start, seq = rows[-1].key, rows[-1].seq
        assert got == versions, limit

    ends = [None, *bounds]
    works = [one_range(rng.choice(bounds), rng.choice(ends), rng.choice((1, 2, 7, 1000))) for _ in range(12)]
    seqs = [(row.key, row.seq + rng.choice((-1, 0, 1))) for row in versions] or [(b"a", 1)]
    for _ in range(12):
        start, seq = rng.choice(seqs) if rng.random() < 0.5 else (rng.choice(bounds), None)
        end = rng.choice([None, *(bound for bound in bounds if bound > start)])
        works.append(one_range_of_versions(start, seq, end, rng.choice((1, 2, 7, 1000))))
    await side_by_side([*works, pages(rng.choice((3, 9))), pages_of_versions(rng.choice((4, 11)))])


@pytest.mark.long
@pytest.mark.parametrize("number", range(ROUNDS))
async def test_lists_say_what_the_truth_says_in_every_state(number, cassandra, parts_keyspace):
    seed = random.randrange(1 << 32)
    print(f"seed {seed}")
    rng = random.Random(seed)
    keys = every_key(rng, KEYS)
    versionings = rng.choice(
        ([Versioning.OFF], [Versioning.OFF, Versioning.ENABLED], [Versioning.ENABLED, Versioning.SUSPENDED], list(Versioning))
    )
    async with session_in(cassandra, parts_keyspace) as session:
        bucket = Bucket(session, rng)
        if rng.random() < 0.8:
            await bucket.lay_out(rng.sample(keys, rng.randrange(4)))
        await histories(bucket, keys, versionings, 4)
        later = [versioning for versioning in versionings if versioning is not Versioning.OFF] or versionings
        if number % 2:
            await histories(bucket, keys, later, 1)
        old = bucket.scanner()
        await old.scan(bucket.bucket_id, b"", None, EVERYTHING)  # now it has a map
        if number % 4 != 0:
            print(await reshape(bucket, keys, later))
        await leave_unfinished(bucket, rng.sample(keys, 12), later)
        await check(bucket, old, keys)
        await check(bucket, bucket.scanner(), keys)
