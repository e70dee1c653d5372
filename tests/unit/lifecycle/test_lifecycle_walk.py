"""The walk: what it does to a bucket, that races win, and that it agrees with the plan on any history."""

import asyncio
import itertools
import random

import msgspec
import pytest
from metadata_builders import bucket_of, layout_of, put

from dolmen.core.errors import Unavailable
from dolmen.gateway.lifecycle import walk as walking
from dolmen.gateway.lifecycle.plan import Facts, Kind, plan
from dolmen.gateway.lifecycle.records import (
    Filter,
    Lifecycle,
    NoncurrentExpiration,
    NoncurrentTransition,
    Rule,
    Transition,
)
from dolmen.gateway.lifecycle.walk import Walk, ranges
from dolmen.gateway.metadata.records import (
    NULL_VERSION,
    Attributes,
    DeleteRequest,
    Lock,
    MutablePart,
    UploadRecord,
    Versioning,
)
from dolmen.gateway.metadata.store import MetadataUnavailable, NoSuchBucket
from dolmen.gateway.metadata.versions import new_upload_id

DAY = 86_400_000_000
replace = msgspec.structs.replace


class NoPace:
    taken = 0.0

    async def take(self, units):
        self.taken += units


def rule(identifier="r", **members):
    return Rule(id=identifier, is_enabled=members.pop("is_enabled", True), **members)


async def walk(store, bucket, *rules, **options):
    options = {"clock": store._clock, "day_us": DAY, "pace": NoPace(), **options}
    made = Walk(store, bucket, Lifecycle(rules=rules), **options)
    await made.run()
    return made.tally.done


async def history(store, bucket):
    rows = await store.scan_versions(bucket.bucket_id, b"", None, None, 1000)
    return [(row.key.decode(), "marker" if row.is_delete_marker else row.etag[0]) for row in rows]


async def versioned(store):
    return await bucket_of(store, versioning=Versioning.ENABLED)


EXPIRE = rule(expire_days=3)
GONE = rule(noncurrent_expiration=NoncurrentExpiration(days=2))
SMALL = Filter(size_greater=0)  # without it objects below 128 KiB do not move


# -- what it does ------------------------------------------------------------------------------------------------------------


async def test_current_versions_expire(store, clock):
    bucket = await bucket_of(store)
    await put(store, bucket, b"old")
    clock.now += 2 * DAY
    await put(store, bucket, b"young")
    clock.now += 2 * DAY
    assert await walk(store, bucket, EXPIRE) == {Kind.EXPIRE: 1}
    assert await history(store, bucket) == [("young", "a")]
    assert await walk(store, bucket, EXPIRE) == {}


async def test_in_a_versioned_bucket_a_marker_hides_and_goes_when_nothing_is_left(store, clock):
    bucket = await versioned(store)
    await put(store, bucket, b"k")
    clock.now += 4 * DAY
    assert await walk(store, bucket, EXPIRE, GONE) == {Kind.EXPIRE: 1}
    assert await history(store, bucket) == [("k", "marker"), ("k", "a")]
    clock.now += 3 * DAY
    assert await walk(store, bucket, EXPIRE, GONE) == {Kind.REMOVE_NONCURRENT: 1}
    assert await history(store, bucket) == [("k", "marker")]
    clock.now += 1 * DAY
    assert await walk(store, bucket, EXPIRE, GONE) == {Kind.REMOVE_MARKER: 1}
    assert await history(store, bucket) == []


async def test_in_a_suspended_bucket_the_null_version_goes(store, clock):
    bucket = await versioned(store)
    await put(store, bucket, b"k", etag="1" * 32)
    bucket = await store.update_bucket(replace(bucket, versioning=Versioning.SUSPENDED))
    await put(store, bucket, b"k", etag="2" * 32)
    clock.now += 4 * DAY
    assert await walk(store, bucket, EXPIRE) == {Kind.EXPIRE: 1}
    assert await history(store, bucket) == [("k", "marker"), ("k", "1")]


async def test_markers_go_only_where_nothing_is_left_of_the_key(store):
    bucket = await versioned(store)
    for key in (b"a", b"b", b"c"):
        await store.delete(bucket, DeleteRequest(key=key))
    await put(store, bucket, b"b")
    await put(store, bucket, b"d")
    await store.delete(bucket, DeleteRequest(key=b"d"))
    assert await walk(store, bucket, rule(remove_markers=True)) == {Kind.REMOVE_MARKER: 2}
    assert await history(store, bucket) == [("b", "a"), ("b", "marker"), ("d", "marker"), ("d", "a")]


@pytest.mark.parametrize("page", [1, 2, 3, 100])
async def test_noncurrent_versions_go_and_the_newest_stay(store, clock, monkeypatch, page):
    monkeypatch.setattr(walking, "PAGE_ROWS", page)
    monkeypatch.setattr(walking, "BATCH", 2)
    bucket = await versioned(store)
    for number in range(7):
        await put(store, bucket, b"k", etag=f"{number}" * 32)
        await put(store, bucket, b"other", etag=f"{number}" * 32)
    await store.delete(bucket, DeleteRequest(key=b"other"))
    clock.now += 4 * DAY
    keep = rule(noncurrent_expiration=NoncurrentExpiration(days=2, newer=3))
    assert await walk(store, bucket, keep) == {Kind.REMOVE_NONCURRENT: 3 + 4}
    left = [("k", "6"), ("k", "5"), ("k", "4"), ("k", "3"), ("other", "marker"), ("other", "6"), ("other", "5"), ("other", "4")]
    assert await history(store, bucket) == left


async def test_delete_markers_are_none_of_the_versions_kept(store, clock):
    bucket = await versioned(store)
    for number in range(4):
        await put(store, bucket, b"k", etag=f"{number}" * 32)
        await store.delete(bucket, DeleteRequest(key=b"k"))
    clock.now += 4 * DAY
    keep = rule(noncurrent_expiration=NoncurrentExpiration(days=2, newer=2))
    await walk(store, bucket, keep)
    assert [etag for _, etag in await history(store, bucket) if etag != "marker"] == ["3", "2"]


async def test_age_counts_from_the_successor(store, clock):
    bucket = await versioned(store)
    await put(store, bucket, b"k", etag="1" * 32)
    clock.now += 10 * DAY
    await put(store, bucket, b"k", etag="2" * 32)
    clock.now += 2 * DAY
    assert await walk(store, bucket, GONE) == {}
    clock.now += 1 * DAY
    assert await walk(store, bucket, GONE) == {Kind.REMOVE_NONCURRENT: 1}
    assert await history(store, bucket) == [("k", "2")]


async def test_tags_are_read_before_anything_is_done(store, clock):
    bucket = await bucket_of(store)
    for key, tags in ((b"a", {"k": "v"}), (b"b", {"k": "w"}), (b"c", {})):
        await put(store, bucket, key, mutable=MutablePart(tags=tags))
    clock.now += 5 * DAY
    tagged = rule(expire_days=1, filter=Filter(tags=(("k", "v"),)))
    assert await walk(store, bucket, tagged) == {Kind.EXPIRE: 1}
    assert [key for key, _ in await history(store, bucket)] == ["b", "c"]


async def test_only_the_prefixes_of_rules_are_read(store, clock):
    bucket = await bucket_of(store)
    for key in (b"a/1", b"b/1", b"c/1"):
        await put(store, bucket, key)
    clock.now += 5 * DAY
    made = Walk(
        store, bucket, Lifecycle(rules=(rule(expire_days=1, filter=Filter(prefix="b/")),)),
        clock=clock, day_us=DAY, pace=NoPace(),
    )  # fmt: skip
    await made.run()
    assert made.tally.rows == 1
    assert [key for key, _ in await history(store, bucket)] == ["a/1", "c/1"]


@pytest.mark.parametrize(
    ("prefixes", "found"),
    [
        ([""], [(b"", None)]),
        (["", "a"], [(b"", None)]),
        (["b", "a/", "a"], [(b"a", b"b"), (b"b", b"c")]),
        (["a/", "a/b", "a0"], [(b"a/", b"a0"), (b"a0", b"a1")]),
        (["\U0010ffff"], [("\U0010ffff".encode(), b"\xf4\x8f\xbf\xc0")]),
        ([], []),
    ],
)
def test_ranges(prefixes, found):
    made = [rule(expire_days=1, filter=Filter(prefix=prefix)) for prefix in prefixes]
    assert ranges(Lifecycle(rules=(*made, rule(expire_days=1, is_enabled=False)))) == found


# -- transitions -------------------------------------------------------------------------------------------------------------


async def test_current_and_noncurrent_versions_move(store, clock):
    bucket = await versioned(store)
    for number in range(2):
        await put(store, bucket, b"k", etag=f"{number}" * 32)
    clock.now += 5 * DAY
    moves = rule(
        filter=SMALL,
        transitions=(Transition(storage_class="GLACIER_IR", days=1),),
        noncurrent_transitions=(NoncurrentTransition(storage_class="DEEP_ARCHIVE", days=1),),
    )
    assert await walk(store, bucket, moves) == {Kind.TRANSITION: 2}
    rows = await store.scan_versions(bucket.bucket_id, b"", None, None, 9)
    assert [row.storage_class for row in rows] == ["GLACIER_IR", "DEEP_ARCHIVE"]
    assert await store.due_garbage(1 << 62, 9) == []
    assert await walk(store, bucket, moves) == {}


async def test_moved_bytes_leave_garbage_and_refused_ones_become_it(store, clock):
    bucket = await bucket_of(store)
    for key in (b"moves", b"races"):
        await put(store, bucket, key)
    clock.now += 5 * DAY
    made = {}

    async def move(bucket, record, storage_class):
        made[record.key] = layout_of()
        if record.key == b"races":
            await put(store, bucket, b"races", etag="b" * 32)
        return made[record.key]

    done = await walk(store, bucket, rule(filter=SMALL, transitions=(Transition(storage_class="GLACIER", days=1),)), move=move)
    assert done == {Kind.TRANSITION: 1, walking.RACED: 1}
    moved = await store.get_version(bucket.bucket_id, b"moves")
    assert (moved.layout, moved.attributes.storage_class) == (made[b"moves"], "GLACIER")
    raced = await store.get_version(bucket.bucket_id, b"races")
    assert (raced.etag, raced.attributes.storage_class) == ("b" * 32, "STANDARD")
    garbage = [note.layout for note in await store.due_garbage(1 << 62, 9)]
    assert made[b"races"] in garbage
    assert moved.layout not in garbage
    assert raced.layout not in garbage


async def test_an_object_that_cannot_be_moved_holds_up_no_other(store, clock):
    bucket = await bucket_of(store)
    for key in (b"broken", b"whole"):
        await put(store, bucket, key)
    clock.now += 5 * DAY

    async def move(bucket, record, storage_class):
        if record.key == b"broken":
            raise Unavailable("too few fragments")
        return record.layout

    rules = rule(filter=SMALL, transitions=(Transition(storage_class="GLACIER", days=1),))
    assert await walk(store, bucket, rules, move=move) == {Kind.TRANSITION: 1, walking.NOT_MOVED: 1}
    classes = [row.storage_class for row in await store.scan(bucket.bucket_id, b"", None, 9)]
    assert classes == ["STANDARD", "GLACIER"]


async def test_bytes_that_move_are_paced(store, clock):
    bucket = await bucket_of(store)
    await put(store, bucket, b"k")
    clock.now += 5 * DAY
    pace = NoPace()

    async def move(bucket, record, storage_class):
        return layout_of()

    await walk(store, bucket, rule(filter=SMALL, transitions=(Transition(storage_class="GLACIER", days=1),)), move=move, pace=pace)
    assert pace.taken == 1 + 1 / walking.ROWS_OF_A_UNIT + 10 / walking.BYTES_OF_A_UNIT


# -- races and locks ---------------------------------------------------------------------------------------------------------


class Meddling:
    """A store in which something happens right before each delete."""

    def __init__(self, store, meddle):
        self._store = store
        self._meddle = meddle

    def __getattr__(self, name):
        return getattr(self._store, name)

    async def delete_many(self, bucket, requests):
        await self._meddle()
        return await self._store.delete_many(bucket, requests)


async def test_an_overwrite_wins(store, clock):
    bucket = await bucket_of(store)
    await put(store, bucket, b"k")
    clock.now += 5 * DAY
    meddling = Meddling(store, lambda: put(store, bucket, b"k", etag="b" * 32))
    assert await walk(meddling, bucket, EXPIRE) == {walking.RACED: 1}
    assert await history(store, bucket) == [("k", "b")]


async def test_an_undeletion_wins(store, clock):
    bucket = await versioned(store)
    await put(store, bucket, b"k")
    marker = await store.delete(bucket, DeleteRequest(key=b"k"))
    clock.now += 5 * DAY
    undelete = DeleteRequest(key=b"k", version_id=marker.version_id)
    meddling = Meddling(store, lambda: store.delete(bucket, undelete))
    assert await walk(meddling, bucket, GONE) == {walking.RACED: 1}
    assert await history(store, bucket) == [("k", "a")]


async def test_a_lock_wins(store, clock):
    bucket = await versioned(store)
    made = await put(store, bucket, b"k")
    await put(store, bucket, b"k", etag="b" * 32)
    clock.now += 5 * DAY
    mutable = MutablePart(lock=Lock("", 0, True))
    meddling = Meddling(store, lambda: store.update_mutable(bucket.bucket_id, b"k", made.version_id, mutable))
    assert await walk(meddling, bucket, GONE) == {walking.LOCKED: 1}
    assert len(await history(store, bucket)) == 2


@pytest.mark.parametrize("lock", [Lock("GOVERNANCE", 1 << 60), Lock("COMPLIANCE", 1 << 60), Lock("", 0, True)])
async def test_locked_versions_outlive_every_rule(store, clock, lock):
    bucket = await versioned(store)
    bucket = await store.update_bucket(replace(bucket, object_lock=True))
    for number in range(3):
        await put(store, bucket, b"k", etag=f"{number}" * 32, mutable=MutablePart(lock=lock))
    rules = (
        rule("1", expire_days=1),
        rule("2", noncurrent_expiration=NoncurrentExpiration(days=1)),
        rule("3", remove_markers=True),
        rule("4", expire_date_us=DAY),
    )
    for _ in range(9):
        clock.now += 2 * DAY
        await walk(store, bucket, *rules)
    assert await history(store, bucket) == [("k", "marker"), ("k", "2"), ("k", "1"), ("k", "0")]


async def test_a_lock_that_is_over_holds_nothing(store, clock):
    bucket = await versioned(store)
    bucket = await store.update_bucket(replace(bucket, object_lock=True))
    await put(store, bucket, b"k", mutable=MutablePart(lock=Lock("COMPLIANCE", clock.now + 10 * DAY, False)))
    await put(store, bucket, b"k", etag="b" * 32)
    clock.now += 9 * DAY
    assert await walk(store, bucket, GONE) == {}
    clock.now += 2 * DAY
    assert await walk(store, bucket, GONE) == {Kind.REMOVE_NONCURRENT: 1}


async def test_events_are_told_with_what_is_done(store, clock):
    bucket = await versioned(store)
    await put(store, bucket, b"k")
    clock.now += 5 * DAY
    await walk(store, bucket, EXPIRE, template=lambda bucket, name, key, storage_class: name.encode())
    (event,) = await store.due_events(1 << 62, 9)
    assert (event.template, event.is_delete_marker) == (b"LifecycleExpiration:DeleteMarkerCreated", True)


# -- uploads -----------------------------------------------------------------------------------------------------------------


async def start_upload(store, bucket, key, clock):
    upload = UploadRecord(
        bucket_id=bucket.bucket_id, key=key, upload_id=new_upload_id(clock.now_us()), initiated_us=clock.now_us(),
        owner="1" * 12, initiator="1" * 12, attributes=Attributes(),
    )  # fmt: skip
    await store.create_upload(upload)


@pytest.mark.parametrize("page", [1, 2, 100])
async def test_old_uploads_are_aborted(store, clock, monkeypatch, page):
    monkeypatch.setattr(walking, "PAGE_ROWS", page)
    bucket = await bucket_of(store)
    for key in (b"a/1", b"a/1", b"a/2", b"b"):
        await start_upload(store, bucket, key, clock)
    clock.now += 3 * DAY
    await start_upload(store, bucket, b"a/1", clock)
    assert await walk(store, bucket, rule(abort_days=2, filter=Filter(prefix="a/"))) == {walking.ABORTED: 3}
    left = [row.key for row in await store.list_uploads(bucket.bucket_id, b"", "", None, 9)]
    assert left == [b"a/1", b"b"]


# -- pieces ------------------------------------------------------------------------------------------------------------------


async def test_a_pass_goes_on_where_it_was(store, clock, monkeypatch):
    monkeypatch.setattr(walking, "PAGE_ROWS", 3)
    bucket = await bucket_of(store)
    for number in range(9):
        await put(store, bucket, b"%d" % number)
    clock.now += 5 * DAY
    calls = itertools.count()

    async def away():
        if next(calls) == 2:
            raise MetadataUnavailable("away")

    made = Walk(
        Meddling(store, away), bucket, Lifecycle(rules=(EXPIRE,)), clock=clock, day_us=DAY, pace=NoPace()
    )
    with pytest.raises(MetadataUnavailable):
        await made.run()
    assert made.position == b"5"
    assert len(await history(store, bucket)) == 3
    assert await walk(store, bucket, EXPIRE, position=made.position) == {Kind.EXPIRE: 3}
    assert await history(store, bucket) == []


async def test_a_bucket_that_goes_ends_the_pass(store, clock):
    bucket = await bucket_of(store)
    await put(store, bucket, b"k")
    clock.now += 5 * DAY

    async def gone():
        await store.delete(bucket, DeleteRequest(key=b"k"))
        await store.delete_bucket(bucket.name, bucket.bucket_id)

    with pytest.raises(NoSuchBucket):
        await walk(Meddling(store, gone), bucket, EXPIRE)


async def test_the_pace_is_kept(store, clock):
    bucket = await bucket_of(store)
    for number in range(10):
        await put(store, bucket, b"%d" % number)
    clock.now += 5 * DAY
    pace = NoPace()
    await walk(store, bucket, EXPIRE, pace=pace)
    assert pace.taken == 10 + 10 / walking.ROWS_OF_A_UNIT


# -- any history -------------------------------------------------------------------------------------------------------------


def wanted_by_plan(versions, lifecycle, now_us, bucket):
    """What each version of one key, newest first, is to become: from the plan alone."""
    wanted = {}
    for at, version in enumerate(versions):
        facts = Facts(
            key=version.key, mtime_us=version.mtime_us, size=version.size, storage_class=version.storage_class,
            is_latest=at == 0, is_delete_marker=version.is_delete_marker, is_alone=len(versions) == 1,
            noncurrent_since_us=versions[at - 1].mtime_us if at else 0,
            newer_noncurrent=sum(not other.is_delete_marker for other in versions[1:at]),
            leaves_marker=bucket.versioning is Versioning.ENABLED
            or (bucket.versioning is Versioning.SUSPENDED and version.version_id != NULL_VERSION),
        )  # fmt: skip
        action = plan(lifecycle, facts, now_us, DAY)
        if action is not None:
            wanted[version.seq] = action
    return wanted


@pytest.mark.parametrize("number", range(25))
async def test_the_walk_does_what_the_plan_says(store, clock, monkeypatch, number):
    chosen = random.Random(number)
    monkeypatch.setattr(walking, "PAGE_ROWS", chosen.choice([1, 2, 3, 5, 100]))
    monkeypatch.setattr(walking, "BATCH", chosen.choice([1, 3, 100]))
    bucket = await bucket_of(store, versioning=chosen.choice([Versioning.ENABLED, Versioning.OFF]))
    for _ in range(60):
        key = chosen.choice([b"a", b"a/1", b"b", b"c"])
        if chosen.random() < 0.3:
            await store.delete(bucket, DeleteRequest(key=key))
        else:
            await put(store, bucket, key)
        clock.now += chosen.randrange(DAY)
        if bucket.versioning is Versioning.ENABLED and chosen.random() < 0.02:
            bucket = await store.update_bucket(replace(bucket, versioning=Versioning.SUSPENDED))
    lifecycle = Lifecycle(
        rules=tuple(
            chosen.choice(
                [
                    rule(expire_days=chosen.randint(1, 40), filter=Filter(prefix=chosen.choice(["", "a", "b"]))),
                    rule(noncurrent_expiration=NoncurrentExpiration(days=chosen.randint(1, 40), newer=chosen.choice([None, 1, 3]))),
                    rule(remove_markers=True),
                    rule(filter=SMALL, transitions=(Transition(storage_class="GLACIER", days=chosen.randint(1, 40)),)),
                ]
            )
            for _ in range(chosen.randint(1, 3))
        )
    )
    rows = await store.scan_versions(bucket.bucket_id, b"", None, None, 1000)
    expected = {}
    for _, versions in itertools.groupby(rows, key=lambda row: row.key):
        expected |= wanted_by_plan(list(versions), lifecycle, clock.now, bucket)
    done = await walk(store, bucket, *lifecycle.rules)
    assert sum(done.values()) == len(expected)
    after = {row.seq: row for row in await store.scan_versions(bucket.bucket_id, b"", None, None, 1000)}
    for row in rows:
        action = expected.get(row.seq)
        if action is None:
            # A null version below goes when an expiring current version of a suspended bucket leaves a null marker.
            assert row.seq in after or (bucket.versioning is Versioning.SUSPENDED and row.version_id == NULL_VERSION)
        elif action.kind is Kind.TRANSITION:
            assert after[row.seq].storage_class == "GLACIER"
        elif action.kind is Kind.EXPIRE and row.version_id != NULL_VERSION:
            assert not after[row.seq].is_latest
        else:
            assert row.seq not in after or not after[row.seq].is_latest
    await asyncio.sleep(0)
