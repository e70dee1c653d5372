"""What every metadata backend promises; a backend joins by adding a fixture parameter."""

import asyncio
import contextlib
import os
import sqlite3

import msgspec
import pytest
from metadata_builders import bucket_of, garbage_of, keys_of, layout_of, put, version_of

from dolmen.core.clock import SystemClock
from dolmen.core.errors import ConfigError
from dolmen.gateway.metadata import store as errors
from dolmen.gateway.metadata.embedded.database import MIGRATIONS, SCHEMA_VERSION
from dolmen.gateway.metadata.embedded.store import EmbeddedStore
from dolmen.gateway.metadata.memory import MemoryStore
from dolmen.gateway.metadata.records import (
    NO_CONDITION,
    Attributes,
    BucketRecord,
    DeleteRequest,
    ListRow,
    PartRecord,
    RepairRow,
    UploadRecord,
    Usage,
    Versioning,
    WriteCondition,
)
from dolmen.gateway.metadata.rows import encode
from dolmen.gateway.metadata.versions import new_upload_id

NEW = WriteCondition(if_none_match=("*",))
OLD_ROW = ListRow(b"k", 7, "a" * 32, 1, "STANDARD", "1" * 12, "", "", "null", 1)


async def test_one_of_many_creators_gets_the_name(store):
    async def create(number):
        bucket = BucketRecord(
            name="wanted", bucket_id=os.urandom(16), owner=f"{number:012d}", region="r", created_us=1
        )
        await store.create_bucket(bucket)
        return bucket

    outcomes = await asyncio.gather(*(create(n) for n in range(64)), return_exceptions=True)
    winners = [outcome for outcome in outcomes if isinstance(outcome, BucketRecord)]
    assert len(winners) == 1
    assert {o.owner for o in outcomes if isinstance(o, errors.BucketExists)} == {winners[0].owner}
    assert await store.get_bucket("wanted") == winners[0]


async def test_buckets_are_listed_by_owner_in_order(store):
    for name in ("b", "a", "ab", "c"):
        await bucket_of(store, name)
    owner = "1" * 12
    assert [b.name for b in await store.list_buckets(owner, "", "", 3)] == ["a", "ab", "b"]
    assert [b.name for b in await store.list_buckets(owner, "a", "a", 9)] == ["ab"]
    assert await store.list_buckets("2" * 12, "", "", 9) == []


async def test_bucket_changes_are_conditional_and_deletion_needs_emptiness(store):
    bucket = await bucket_of(store)
    changed = await store.update_bucket(msgspec.structs.replace(bucket, versioning=Versioning.ENABLED))
    with pytest.raises(errors.BucketChanged):
        await store.update_bucket(bucket)
    await put(store, changed, b"k")
    with pytest.raises(errors.BucketNotEmpty):
        await store.delete_bucket(bucket.name, bucket.bucket_id)
    marker = await store.delete(changed, DeleteRequest(key=b"k"))
    with pytest.raises(errors.BucketNotEmpty):
        await store.delete_bucket(bucket.name, bucket.bucket_id)
    await store.delete(changed, DeleteRequest(key=b"k", version_id=marker.version_id))
    row = (await store.scan_versions(bucket.bucket_id, b"", None, None, 9))[0]
    await store.delete(changed, DeleteRequest(key=b"k", version_id=row.version_id))
    intent = await store.begin(changed, b"late")
    await store.delete_bucket(bucket.name, bucket.bucket_id)
    with pytest.raises(errors.NoSuchBucket):
        await store.commit(intent, version_of(), NO_CONDITION)
    assert await store.get_bucket(bucket.name) is None


async def test_an_overwrite_replaces_and_notes_garbage_in_the_same_commit(store):
    bucket = await bucket_of(store)
    first = layout_of(1)
    await put(store, bucket, b"k", layout=first)
    await put(store, bucket, b"k", etag="b" * 32)
    found = await store.get_version(bucket.bucket_id, b"k")
    assert (found.etag, found.version_id, found.is_latest) == ("b" * 32, "null", True)
    assert await garbage_of(store) == [first]
    deleted = await store.delete(bucket, DeleteRequest(key=b"k"))
    assert (deleted.existed, deleted.version_id, deleted.is_delete_marker) == (True, "", False)
    assert await store.get_version(bucket.bucket_id, b"k") is None
    assert len(await garbage_of(store)) == 2
    await store.finish_garbage([note.note_id for note in await store.due_garbage(1 << 62, 9)])
    assert await store.garbage_count() == 0


async def test_versions_markers_and_the_null_version(store):
    bucket = await bucket_of(store)
    await put(store, bucket, b"k", etag="0" * 32)
    bucket = await store.update_bucket(msgspec.structs.replace(bucket, versioning=Versioning.ENABLED))
    one = await put(store, bucket, b"k", etag="1" * 32)
    marker = await store.delete(bucket, DeleteRequest(key=b"k"))
    assert marker.is_delete_marker
    assert (await store.get_version(bucket.bucket_id, b"k")).is_delete_marker
    assert await keys_of(store, bucket) == []
    assert (await store.get_version(bucket.bucket_id, b"k", one.version_id)).etag == "1" * 32
    assert (await store.get_version(bucket.bucket_id, b"k", "null")).etag == "0" * 32
    rows = await store.scan_versions(bucket.bucket_id, b"", None, None, 9)
    assert [(r.version_id, r.is_latest) for r in rows] == [
        (marker.version_id, True),
        (one.version_id, False),
        ("null", False),
    ]
    later = await store.scan_versions(bucket.bucket_id, b"k", rows[0].seq, None, 9)
    assert [(r.version_id, r.is_latest) for r in later] == [(one.version_id, False), ("null", False)]
    await store.delete(bucket, DeleteRequest(key=b"k", version_id=marker.version_id))
    assert (await store.get_version(bucket.bucket_id, b"k")).etag == "1" * 32, "deleting a marker restores"
    assert await keys_of(store, bucket) == [b"k"]
    bucket = await store.update_bucket(msgspec.structs.replace(bucket, versioning=Versioning.SUSPENDED))
    suspended = await put(store, bucket, b"k", etag="2" * 32)
    assert suspended.version_id == "null"
    assert [layout is not None for layout in await garbage_of(store)] == [True], "the old null version"
    assert (await store.get_version(bucket.bucket_id, b"k", "nonsense")) is None


async def test_the_newest_of_what_is_left_becomes_current(store):
    bucket = await bucket_of(store)
    await put(store, bucket, b"k", etag="0" * 32)  # the null version, the oldest
    bucket = await store.update_bucket(msgspec.structs.replace(bucket, versioning=Versioning.ENABLED))
    made = [await put(store, bucket, b"k", etag=f"{number}" * 32) for number in (1, 2, 3)]
    for left in (2, 1, 0):
        await store.delete(bucket, DeleteRequest(key=b"k", version_id=made[left].version_id))
        assert (await store.get_version(bucket.bucket_id, b"k")).etag == f"{left}" * 32
        assert [row.etag for row in await store.scan(bucket.bucket_id, b"", None, 9)] == [f"{left}" * 32]
        rows = await store.scan_versions(bucket.bucket_id, b"", None, None, 9)
        assert [row.is_latest for row in rows] == [True] + [False] * left


@pytest.mark.parametrize("null_at", range(4))
async def test_a_version_list_may_stop_and_go_on_anywhere(store, null_at):
    """The null version stands where its time says, between versions with ids, on pages of any size."""
    bucket = await bucket_of(store)
    for number in range(4):
        state = Versioning.SUSPENDED if number == null_at else Versioning.ENABLED
        bucket = await store.update_bucket(msgspec.structs.replace(bucket, versioning=state))
        for key in (b"a", b"k", b"z"):
            await put(store, bucket, key, etag=f"{number}" * 32)
    rows = await store.scan_versions(bucket.bucket_id, b"", None, None, 99)
    assert [row.etag[0] for row in rows] == list("321032103210")
    assert [row.is_latest for row in rows] == [True, False, False, False] * 3
    for limit in range(1, 13):
        assert await store.scan_versions(bucket.bucket_id, b"", None, None, limit) == rows[:limit]
        for at, row in enumerate(rows[:8]):
            rest = await store.scan_versions(bucket.bucket_id, row.key, row.seq, b"z", limit)
            assert rest == rows[at + 1 : 8][:limit]


@pytest.mark.parametrize("versioning", [Versioning.OFF, Versioning.ENABLED])
async def test_64_racing_creators_of_a_key_have_one_winner(store, versioning):
    bucket = await bucket_of(store, versioning=versioning)
    for number in range(10):
        key = b"key-%d" % number
        outcomes = await asyncio.gather(
            *(put(store, bucket, key, NEW, etag=f"{n:032d}") for n in range(64)), return_exceptions=True
        )
        refused = [o for o in outcomes if isinstance(o, errors.PreconditionFailed)]
        winners = [o for o in outcomes if not isinstance(o, Exception)]
        assert (len(winners), len(refused)) == (1, 63)
        assert (await store.get_version(bucket.bucket_id, key)).etag == winners[0].etag


async def test_a_bucket_knows_how_much_it_holds(store):
    bucket = await bucket_of(store)
    await put(store, bucket, b"k")
    await put(store, bucket, b"k")
    await put(store, bucket, b"other")
    assert await store.usage(bucket.bucket_id) == Usage(objects=2, size_bytes=20)
    bucket = await store.update_bucket(msgspec.structs.replace(bucket, versioning=Versioning.ENABLED))
    made = await put(store, bucket, b"k")
    await store.delete(bucket, DeleteRequest(key=b"k"))  # a marker holds nothing
    assert await store.usage(bucket.bucket_id) == Usage(objects=3, size_bytes=30)
    record = await store.get_version(bucket.bucket_id, b"k", made.version_id)
    await store.replace_data(bucket.bucket_id, record, layout_of(), "GLACIER")
    assert await store.usage(bucket.bucket_id) == Usage(objects=3, size_bytes=30)
    for version_id in (made.version_id, "null"):
        await store.delete(bucket, DeleteRequest(key=b"k", version_id=version_id))
    assert await store.usage(bucket.bucket_id) == Usage(objects=1, size_bytes=10)
    assert await store.usage(b"x" * 16) == Usage(objects=0, size_bytes=0)


async def test_conditions_are_decided_at_the_commit(store):
    bucket = await bucket_of(store)
    with pytest.raises(errors.NoSuchKey):
        await put(store, bucket, b"k", WriteCondition(if_match=("*",)))
    await put(store, bucket, b"k", etag="a" * 32)
    with pytest.raises(errors.PreconditionFailed):
        await put(store, bucket, b"k", WriteCondition(if_match=("b" * 32,)))
    await put(store, bucket, b"k", WriteCondition(if_match=("a" * 32,)), etag="c" * 32)
    outcomes = await store.delete_many(
        bucket,
        [
            DeleteRequest(key=b"k", condition=WriteCondition(if_match=("a" * 32,))),
            DeleteRequest(key=b"absent"),
            DeleteRequest(key=b"k"),
        ],
    )
    assert isinstance(outcomes[0], errors.PreconditionFailed)
    assert [outcome.existed for outcome in outcomes[1:]] == [False, True]


async def test_keys_are_bytes_in_byte_order(store):
    bucket = await bucket_of(store)
    keys = [b"a", b"a/", b"a+1/", b"a//", "ü".encode(), b"\xf4\x8f\xbf\xbf", b"z" * 1024, b"A"]
    for key in keys:
        await put(store, bucket, key)
    assert await keys_of(store, bucket) == sorted(keys)
    assert [r.key for r in await store.scan(bucket.bucket_id, b"a", b"a/", 9)] == [b"a", b"a+1/"]
    assert len(await store.scan(bucket.bucket_id, b"", None, 3)) == 3


def upload_of(bucket, key=b"k", at=1):
    return UploadRecord(
        bucket_id=bucket.bucket_id,
        key=key,
        upload_id=new_upload_id(at),
        initiated_us=at,
        owner="1" * 12,
        initiator="1" * 12,
        attributes=Attributes(),
    )


def part_of(number):
    return PartRecord(number=number, size=10, etag=f"{number:032x}", mtime_us=1, checksum=None, layout=layout_of())


async def test_an_upload_completes_once_and_repeats_its_answer(store):
    bucket = await bucket_of(store)
    upload = upload_of(bucket)
    await store.create_upload(upload)
    parts = [part_of(n) for n in (1, 2, 3)]
    for part in parts:
        await store.put_part(upload, part)
    again = part_of(2)
    await store.put_part(upload, again)
    assert await garbage_of(store) == [parts[1].layout]
    assert await store.list_parts(upload, 1, 9) == [again, parts[2]]
    intent = await store.begin(bucket, b"k")
    with pytest.raises(errors.InvalidPart):
        await store.complete_upload(intent, upload, parts, version_of(), NO_CONDITION)
    chosen = [parts[0], again]
    outcomes = await asyncio.gather(
        *(store.complete_upload(intent, upload, chosen, version_of(), NO_CONDITION) for _ in range(5))
    )
    assert len(set(outcomes)) == 1
    assert parts[2].layout in await garbage_of(store), "a part that was not named is garbage"
    assert (await store.get_upload(bucket.bucket_id, b"k", upload.upload_id)).completed == outcomes[0]
    with pytest.raises(errors.NoSuchUpload):
        await store.put_part(upload, part_of(9))
    with pytest.raises(errors.NoSuchUpload):
        await store.abort_upload(upload)
    assert await store.list_uploads(bucket.bucket_id, b"", "", None, 9) == []


async def test_uploads_are_listed_in_order_and_abort_leaves_nothing(store):
    bucket = await bucket_of(store)
    uploads = [upload_of(bucket, key, at) for key, at in ((b"b", 1), (b"a", 3), (b"a", 2))]
    for upload in uploads:
        await store.create_upload(upload)
    rows = await store.list_uploads(bucket.bucket_id, b"", "", None, 9)
    assert [(r.key, r.initiated_us) for r in rows] == [(b"a", 2), (b"a", 3), (b"b", 1)]
    rest = await store.list_uploads(bucket.bucket_id, b"a", rows[0].upload_id, None, 9)
    assert [r.initiated_us for r in rest] == [3, 1]
    await store.put_part(uploads[0], part_of(1))
    for upload in uploads:
        await store.abort_upload(upload)
    assert len(await garbage_of(store)) == 1
    assert await store.get_upload(bucket.bucket_id, b"b", uploads[0].upload_id) is None


async def test_repairs_maps_and_leases(store):
    bucket = await bucket_of(store)
    rows = [RepairRow(1, bytes([n]) * 16, (5,)) for n in (1, 2)]
    await put(store, bucket, b"k", repairs=rows)
    assert await store.list_repairs(b"", 9) == rows
    assert await store.list_repairs(rows[0].stripe_id, 9) == rows[1:]
    await store.finish_repairs(rows[:1])
    assert await store.repair_count() == 1
    assert await store.get_map() is None
    await store.publish_map(0, 1, b"one")
    with pytest.raises(errors.StaleEpoch):
        await store.publish_map(0, 1, b"other")
    assert await store.get_map() == (1, b"one")
    lease = await store.acquire_lease("repair", "a", 30)
    assert await store.acquire_lease("repair", "b", 30) is None
    renewed = await store.acquire_lease("repair", "a", 30)
    await store.release_lease(lease)
    assert await store.acquire_lease("repair", "b", 30) is None, "an old lease releases nothing"
    await store.release_lease(renewed)
    assert (await store.acquire_lease("repair", "b", 30)).owner == "b"


async def test_the_mutable_part_changes_only_from_what_was_read(store):
    bucket = await bucket_of(store)
    await put(store, bucket, b"k")
    read = (await store.get_version(bucket.bucket_id, b"k")).mutable
    tagged = msgspec.structs.replace(read, tags={"a": "b"})
    assert (await store.update_mutable(bucket.bucket_id, b"k", None, tagged)).mutable.rev == read.rev + 1
    with pytest.raises(errors.ObjectChanged):
        await store.update_mutable(bucket.bucket_id, b"k", None, tagged)
    with pytest.raises(errors.NoSuchKey):
        await store.update_mutable(bucket.bucket_id, b"none", None, tagged)


async def test_a_bucket_ends_with_its_uploads(store):
    bucket = await bucket_of(store)
    upload, done = upload_of(bucket), upload_of(bucket, b"done")
    for started in (upload, done):
        await store.create_upload(started)
        await store.put_part(started, part_of(1))
    part = (await store.list_parts(upload, 0, 9))[0]
    parts = await store.list_parts(done, 0, 9)
    await store.complete_upload(await store.begin(bucket, b"done"), done, parts, version_of(), NO_CONDITION)
    with pytest.raises(errors.BucketNotEmpty):
        await store.delete_bucket(bucket.name, bucket.bucket_id)
    await store.delete(bucket, DeleteRequest(key=b"done"))
    await store.finish_garbage([note.note_id for note in await store.due_garbage(1 << 62, 9)])
    await store.delete_bucket(bucket.name, bucket.bucket_id)
    assert await garbage_of(store) == [part.layout]
    for refused in (store.put_part(upload, part_of(2)), store.abort_upload(upload)):
        with pytest.raises(errors.NoSuchUpload):
            await refused
    with pytest.raises(errors.NoSuchBucket):
        await store.create_upload(upload)
    again = await bucket_of(store)
    assert await store.list_uploads(again.bucket_id, b"", "", None, 9) == []
    assert await store.get_upload(bucket.bucket_id, b"k", upload.upload_id) is None


async def test_repairs_found_by_reads_are_merged_and_outlive_an_older_repair(store):
    stripe = b"s" * 16
    await store.add_repairs([RepairRow(3, stripe, (4,))])
    await store.add_repairs([RepairRow(3, stripe, (1,)), RepairRow(3, stripe, (4,))])
    assert await store.list_repairs(b"", 9) == [RepairRow(3, stripe, (1, 4))]
    (read,) = await store.list_repairs(b"", 9)
    await store.add_repairs([RepairRow(3, stripe, (0,))])
    await store.finish_repairs([read])
    assert await store.list_repairs(b"", 9) == [RepairRow(3, stripe, (0,))], "found while the others were rebuilt"
    await store.finish_repairs([RepairRow(3, stripe, (0,)), RepairRow(3, b"unknown" * 2, (0,))])
    assert await store.repair_count() == 0


async def test_a_write_that_took_too_long_must_not_commit(store, clock):
    if isinstance(store, MemoryStore):
        pytest.skip("the reference has no orphan collection that an old intent would meet")
    bucket = await bucket_of(store)
    intent = await store.begin(bucket, b"k")
    clock.added_seconds = 25 * 3600
    with pytest.raises(errors.IntentExpired):
        await store.commit(intent, version_of(), NO_CONDITION)
    assert await store.get_version(bucket.bucket_id, b"k") is None


async def test_answers_of_completions_are_kept_for_a_day_and_do_not_pile_up(store, clock):
    bucket = await bucket_of(store)

    async def complete(number):
        upload = upload_of(bucket, b"%d" % number, number + 1)
        await store.create_upload(upload)
        await store.put_part(upload, part_of(1))
        parts = await store.list_parts(upload, 0, 9)
        intent = await store.begin(bucket, upload.key)
        return upload, await store.complete_upload(intent, upload, parts, version_of(), NO_CONDITION)

    old = [await complete(number) for number in range(20)]
    clock.added_seconds = 24 * 3600
    for upload, committed in old:
        assert (await store.get_upload(bucket.bucket_id, upload.key, upload.upload_id)).completed == committed
    clock.added_seconds = 49 * 3600
    for number in range(20, 24):
        await complete(number)
    if isinstance(store, MemoryStore):
        return  # the reference keeps everything
    kept = [await store.get_upload(bucket.bucket_id, upload.key, upload.upload_id) for upload, _ in old]
    assert kept == [None] * 20


async def test_a_scan_that_would_hold_the_loop_is_refused(tmp_path):
    store = EmbeddedStore(str(tmp_path / "m.db"), SystemClock(), garbage_grace_seconds=0)
    await store.open()
    with pytest.raises(ValueError, match="allowed"):
        await store.scan(b"b" * 16, b"", None, errors.SCAN_ROWS_MAX + 1)
    await store.close()


def refusal_of(path):
    """The one line with which the store refuses to open."""
    with pytest.raises(ConfigError) as refused:
        asyncio.run(EmbeddedStore(str(path), SystemClock(), garbage_grace_seconds=0).open())
    assert "\n" not in str(refused.value)
    assert str(path) in str(refused.value)
    return str(refused.value)


def test_what_is_no_database_is_refused(tmp_path):
    path = tmp_path / "metadata.db"
    path.write_bytes(b"this is no database, and long enough to be noticed as such" * 20)
    assert "cannot be used" in refusal_of(path)
    assert path.read_bytes().startswith(b"this is no database"), "nothing was written"


def test_a_file_of_a_newer_schema_is_refused(tmp_path):
    path = tmp_path / "metadata.db"
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA user_version = 7")
    assert "newer schema (7)" in refusal_of(path)


def test_a_file_of_an_older_schema_is_brought_up_to_date(tmp_path):
    path = tmp_path / "metadata.db"
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.executescript(MIGRATIONS[1])
        connection.execute("INSERT INTO versions VALUES (?, x'6b', 1, 1, ?, x'00')", (b"b" * 16, encode(OLD_ROW)))
        connection.commit()
        connection.execute("PRAGMA user_version = 1")

    async def use():
        store = EmbeddedStore(str(path), SystemClock(), garbage_grace_seconds=0)
        await store.open()
        try:
            await put(store, await bucket_of(store), b"k", event=b"told")
            assert await store.usage(b"b" * 16) == Usage(objects=1, size_bytes=7), "counted on the way"
            return await store.event_count()
        finally:
            await store.close()

    assert asyncio.run(use()) == 1
    with contextlib.closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (SCHEMA_VERSION,)


def test_a_directory_that_is_not_there_or_not_writable_is_refused(tmp_path, monkeypatch):
    assert "no directory" in refusal_of(tmp_path / "none" / "metadata.db")
    (tmp_path / "taken").write_text("")
    assert "no directory" in refusal_of(tmp_path / "taken" / "metadata.db")
    tmp_path.chmod(0o500)
    monkeypatch.setattr(os, "access", lambda path, mode: os.stat(path).st_mode & 0o200 != 0)  # root may write anywhere
    assert "not writable" in refusal_of(tmp_path / "metadata.db")
