"""No path of the store removes a version under lock: promises of every backend."""

import asyncio

import msgspec
import pytest
from metadata_builders import bucket_of, garbage_of, put, version_of

from dolmen.gateway.metadata import store as errors
from dolmen.gateway.metadata.records import (
    NO_CONDITION,
    NULL_VERSION,
    Deleted,
    DeleteRequest,
    Lock,
    MutablePart,
    PartRecord,
    UploadRecord,
    Versioning,
)
from dolmen.gateway.metadata.versions import new_upload_id

HOUR_US = 3_600_000_000
replace = msgspec.structs.replace


def until(clock, hours=1):
    return clock.now_us() + hours * HOUR_US


LOCKS = {
    "governance": lambda clock: Lock("GOVERNANCE", until(clock)),
    "compliance": lambda clock: Lock("COMPLIANCE", until(clock)),
    "hold": lambda clock: Lock("", 0, True),
    "hold after retention": lambda clock: Lock("GOVERNANCE", until(clock, -1), True),
    "hold beside retention": lambda clock: Lock("GOVERNANCE", until(clock), True),
}
UNLOCKED = {
    "none": lambda clock: None,
    "hold off": lambda clock: Lock("", 0, False),
    "retention over": lambda clock: Lock("COMPLIANCE", until(clock, -1), False),
}


async def locked(store, bucket, lock, key=b"k"):
    return await put(store, bucket, key, mutable=MutablePart(lock=lock))


async def versioned(store):
    return await bucket_of(store, versioning=Versioning.ENABLED)


@pytest.mark.parametrize("lock", LOCKS.values(), ids=LOCKS.keys())
async def test_a_locked_version_stays(store, clock, lock):
    bucket = await versioned(store)
    made = await locked(store, bucket, lock(clock))
    request = DeleteRequest(key=b"k", version_id=made.version_id)
    with pytest.raises(errors.ObjectLocked):
        await store.delete(bucket, request)
    outcomes = await store.delete_many(bucket, [request, DeleteRequest(key=b"other")])
    assert isinstance(outcomes[0], errors.ObjectLocked)
    assert isinstance(outcomes[1], Deleted)
    found = await store.get_version(bucket.bucket_id, b"k", made.version_id)
    assert found is not None
    assert found.layout.segments
    assert await garbage_of(store) == []


@pytest.mark.parametrize("lock", UNLOCKED.values(), ids=UNLOCKED.keys())
async def test_an_unlocked_version_goes(store, clock, lock):
    bucket = await versioned(store)
    made = await locked(store, bucket, lock(clock))
    assert (await store.delete(bucket, DeleteRequest(key=b"k", version_id=made.version_id))).existed
    assert await store.get_version(bucket.bucket_id, b"k", made.version_id) is None


@pytest.mark.parametrize(
    ("name", "goes"),
    [(name, name == "governance") for name in LOCKS],
)
async def test_only_governance_is_bypassed(store, clock, name, goes):
    bucket = await versioned(store)
    made = await locked(store, bucket, LOCKS[name](clock))
    request = DeleteRequest(key=b"k", version_id=made.version_id, bypass_governance=True)
    if goes:
        assert (await store.delete(bucket, request)).existed
    else:
        with pytest.raises(errors.ObjectLocked):
            await store.delete(bucket, request)


async def test_a_retention_ends_with_its_time(store, clock):
    bucket = await versioned(store)
    made = await locked(store, bucket, Lock("COMPLIANCE", until(clock)))
    request = DeleteRequest(key=b"k", version_id=made.version_id)
    with pytest.raises(errors.ObjectLocked):
        await store.delete(bucket, request)
    clock.added_seconds = 3601
    assert (await store.delete(bucket, request)).existed


@pytest.mark.parametrize("lock", LOCKS.values(), ids=LOCKS.keys())
async def test_new_versions_and_markers_go_on_top(store, clock, lock):
    bucket = await versioned(store)
    made = await locked(store, bucket, lock(clock))
    marker = await store.delete(bucket, DeleteRequest(key=b"k"))
    assert marker.is_delete_marker
    newer = await put(store, bucket, b"k", etag="b" * 32)
    assert (await store.delete(bucket, DeleteRequest(key=b"k", version_id=newer.version_id))).existed
    assert (await store.delete(bucket, DeleteRequest(key=b"k", version_id=marker.version_id))).existed  # markers are never locked
    assert (await store.get_version(bucket.bucket_id, b"k")).version_id == made.version_id


@pytest.mark.parametrize("state", [Versioning.OFF, Versioning.SUSPENDED])
@pytest.mark.parametrize("lock", LOCKS.values(), ids=LOCKS.keys())
async def test_a_locked_null_version_is_not_replaced(store, clock, lock, state):
    bucket = await bucket_of(store, versioning=state)
    await locked(store, bucket, lock(clock))
    with pytest.raises(errors.ObjectLocked):
        await put(store, bucket, b"k", etag="b" * 32)
    with pytest.raises(errors.ObjectLocked):
        await store.delete(bucket, DeleteRequest(key=b"k"))
    with pytest.raises(errors.ObjectLocked):
        await store.delete(bucket, DeleteRequest(key=b"k", version_id=NULL_VERSION))
    upload = UploadRecord(
        bucket_id=bucket.bucket_id, key=b"k", upload_id=new_upload_id(clock.now_us()), initiated_us=clock.now_us(),
        owner="1" * 12, initiator="1" * 12, attributes=version_of().attributes,
    )  # fmt: skip
    await store.create_upload(upload)
    part = PartRecord(number=1, size=10, etag="c" * 32, mtime_us=clock.now_us(), checksum=None, layout=version_of().layout)
    await store.put_part(upload, part)
    with pytest.raises(errors.ObjectLocked):
        await store.complete_upload(await store.begin(bucket, b"k"), upload, [part], version_of(layout=part.layout), NO_CONDITION)
    assert (await store.get_version(bucket.bucket_id, b"k")).etag == "a" * 32


@pytest.mark.parametrize("lock", LOCKS.values(), ids=LOCKS.keys())
async def test_a_locked_object_is_not_renamed_and_not_renamed_over(store, clock, lock):
    bucket = await bucket_of(store)
    await locked(store, bucket, lock(clock))
    await put(store, bucket, b"other")
    for source, target in ((b"k", b"new"), (b"other", b"k")):
        with pytest.raises(errors.ObjectLocked):
            await store.rename(bucket, source, target, NO_CONDITION, NO_CONDITION)
    assert await store.get_version(bucket.bucket_id, b"k") is not None


@pytest.mark.parametrize("lock", LOCKS.values(), ids=LOCKS.keys())
async def test_a_bucket_with_a_locked_version_stays(store, clock, lock):
    bucket = await versioned(store)
    await locked(store, bucket, lock(clock))
    await store.delete(bucket, DeleteRequest(key=b"k"))
    with pytest.raises(errors.BucketNotEmpty):
        await store.delete_bucket(bucket.name, bucket.bucket_id)


async def test_a_lock_may_move_to_another_class_and_keeps_its_lock(store, clock):
    bucket = await versioned(store)
    lock = Lock("COMPLIANCE", until(clock), True)
    made = await locked(store, bucket, lock)
    record = await store.get_version(bucket.bucket_id, b"k", made.version_id)
    moved = await store.replace_data(bucket.bucket_id, record, record.layout, "GLACIER")
    assert (moved.attributes.storage_class, moved.mutable.lock) == ("GLACIER", lock)
    with pytest.raises(errors.ObjectLocked):
        await store.delete(bucket, DeleteRequest(key=b"k", version_id=made.version_id))


async def test_a_lock_that_comes_first_wins(store, clock):
    """Of a lock and a delete at the same time: either the version is locked and there, or it is gone and the lock failed."""
    bucket = await versioned(store)
    for _ in range(20):
        made = await locked(store, bucket, None)
        mutable = MutablePart(lock=Lock("", 0, True))
        lock, gone = await asyncio.gather(
            store.update_mutable(bucket.bucket_id, b"k", made.version_id, mutable),
            store.delete(bucket, DeleteRequest(key=b"k", version_id=made.version_id)),
            return_exceptions=True,
        )
        there = await store.get_version(bucket.bucket_id, b"k", made.version_id)
        if isinstance(gone, errors.ObjectLocked):
            assert there is not None
            assert there.mutable.lock.legal_hold
        else:
            assert there is None
            assert isinstance(lock, errors.NoSuchVersion)


async def test_a_hold_is_never_set_on_or_off(store):
    bucket = await versioned(store)
    for hold in (None, True, False):
        made = await locked(store, bucket, Lock("", 0, hold))
        assert (await store.get_version(bucket.bucket_id, b"k", made.version_id)).mutable.lock.legal_hold is hold


# -- what lifecycle rules need -----------------------------------------------------------------------------------------------


async def test_a_delete_of_what_was_judged(store):
    bucket = await bucket_of(store)
    judged = await put(store, bucket, b"k")
    newer = await put(store, bucket, b"k", etag="b" * 32)
    with pytest.raises(errors.ObjectChanged):
        await store.delete(bucket, DeleteRequest(key=b"k", if_seq=judged.seq))
    with pytest.raises(errors.ObjectChanged):
        await store.delete(bucket, DeleteRequest(key=b"k", version_id=NULL_VERSION, if_seq=judged.seq))
    assert (await store.delete(bucket, DeleteRequest(key=b"k", if_seq=newer.seq))).existed
    with pytest.raises(errors.ObjectChanged):
        await store.delete(bucket, DeleteRequest(key=b"k", if_seq=newer.seq))


async def test_a_version_that_came_back_to_light_does_not_go(store):
    bucket = await versioned(store)
    older = await put(store, bucket, b"k")
    marker = await store.delete(bucket, DeleteRequest(key=b"k"))
    request = DeleteRequest(key=b"k", version_id=older.version_id, if_seq=older.seq, if_noncurrent=True)
    await store.delete(bucket, DeleteRequest(key=b"k", version_id=marker.version_id))
    with pytest.raises(errors.ObjectChanged):
        await store.delete(bucket, request)
    outcomes = await store.delete_many(bucket, [request])
    assert isinstance(outcomes[0], errors.ObjectChanged)
    await put(store, bucket, b"k")
    assert (await store.delete(bucket, request)).existed


async def test_a_null_version_that_came_back_to_light_does_not_go(store):
    bucket = await bucket_of(store)
    older = await put(store, bucket, b"k")
    bucket = await store.update_bucket(replace(bucket, versioning=Versioning.ENABLED))
    newer = await put(store, bucket, b"k", etag="b" * 32)
    request = DeleteRequest(key=b"k", version_id=NULL_VERSION, if_seq=older.seq, if_noncurrent=True)
    await store.delete(bucket, DeleteRequest(key=b"k", version_id=newer.version_id))
    with pytest.raises(errors.ObjectChanged):
        await store.delete(bucket, request)
    await put(store, bucket, b"k")
    assert (await store.delete(bucket, request)).existed
