"""Events are written with the change that they tell, documents change by compare-and-set: promises of every backend."""

import asyncio

import msgspec
import pytest
from metadata_builders import bucket_of, garbage_of, keys_of, layout_of, put, version_of

from dolmen.core.layout import ObjectLayout
from dolmen.gateway.metadata import store as errors
from dolmen.gateway.metadata.records import (
    NO_CONDITION,
    DeleteRequest,
    DocumentChange,
    Lock,
    MutablePart,
    PartRecord,
    UploadRecord,
    Versioning,
    WriteCondition,
)
from dolmen.gateway.metadata.versions import new_upload_id

FAR_US = 1 << 62


async def events_of(store):
    return [(event.template, event.key, event.is_delete_marker) for event in await store.due_events(FAR_US, 100)]


async def test_a_change_and_its_event_come_together(store):
    bucket = await bucket_of(store, versioning=Versioning.ENABLED)
    committed = await put(store, bucket, b"k", event=b"put")
    await put(store, bucket, b"silent")
    await store.delete(bucket, DeleteRequest(key=b"k", event=b"marker"))
    await store.delete(bucket, DeleteRequest(key=b"k", version_id=committed.version_id, event=b"gone"))
    assert await events_of(store) == [(b"put", b"k", False), (b"marker", b"k", True), (b"gone", b"k", False)]
    first = (await store.due_events(FAR_US, 1))[0]
    assert (first.version_id, first.seq, first.size, first.etag) == (committed.version_id, committed.seq, 10, "a" * 32)
    assert first.bucket_id == bucket.bucket_id
    assert await store.event_count() == 3


async def test_a_refused_change_tells_nothing(store):
    bucket = await bucket_of(store)
    with pytest.raises(errors.NoSuchKey):
        await put(store, bucket, b"k", WriteCondition(if_match=("b" * 32,)), event=b"put")
    await store.delete(bucket, DeleteRequest(key=b"nothing", event=b"gone"))
    outcomes = await store.delete_many(
        bucket, [DeleteRequest(key=b"x", condition=WriteCondition(if_match=("*",)), event=b"gone")]
    )
    assert isinstance(outcomes[0], errors.NoSuchKey)
    assert await events_of(store) == []


async def test_changes_of_tags_and_completions_tell_too(store):
    bucket = await bucket_of(store)
    await put(store, bucket, b"k")
    await store.update_mutable(bucket.bucket_id, b"k", None, MutablePart(tags={"a": "b"}), b"tags")
    upload = UploadRecord(
        bucket_id=bucket.bucket_id,
        key=b"m",
        upload_id=new_upload_id(1),
        initiated_us=1,
        owner="1" * 12,
        initiator="1" * 12,
        attributes=version_of().attributes,
    )
    await store.create_upload(upload)
    part = PartRecord(number=1, size=10, etag="c" * 32, mtime_us=1, checksum=None, layout=layout_of())
    await store.put_part(upload, part)
    intent = await store.begin(bucket, b"m")
    await store.complete_upload(intent, upload, [part], version_of(layout=part.layout), NO_CONDITION, b"done")
    await store.complete_upload(intent, upload, [part], version_of(layout=part.layout), NO_CONDITION, b"done")
    assert [template for template, _, _ in await events_of(store)] == [b"tags", b"done"]  # a repeated completion: once


async def test_a_change_of_a_version_that_was_written_anew_is_refused(store):
    bucket = await bucket_of(store)
    read = await put(store, bucket, b"k")
    await put(store, bucket, b"k", etag="b" * 32)  # its mutable part begins with the same revision
    with pytest.raises(errors.ObjectChanged):
        await store.update_mutable(bucket.bucket_id, b"k", None, MutablePart(tags={"a": "b"}), seq=read.seq)
    assert (await store.get_version(bucket.bucket_id, b"k")).mutable.tags == {}


async def test_events_wait_are_tried_again_and_forgotten(store, clock):
    bucket = await bucket_of(store)
    for key in (b"a", b"b", b"c"):
        await put(store, bucket, key, event=key)
    now_us = clock.now_us()
    due = await store.due_events(now_us, 100)
    assert [event.template for event in due] == [b"a", b"b", b"c"]
    await store.postpone_events([due[0].event_id], now_us + 60_000_000)
    await store.finish_events([due[1].event_id, b"\0" * 16])
    assert [event.template for event in await store.due_events(now_us, 100)] == [b"c"]
    later = await store.due_events(now_us + 60_000_000, 100)
    assert [(event.template, event.attempts) for event in later] == [(b"a", 1), (b"c", 0)]
    assert await store.event_count() == 2


async def test_a_document_has_one_winner(store):
    change = DocumentChange(kind="user", name="bob", raw=b"1", expected_rev=0)
    outcomes = await asyncio.gather(*(store.write_documents("iam/1", [change]) for _ in range(16)), return_exceptions=True)
    assert sorted(type(outcome).__name__ for outcome in outcomes) == ["DocumentChanged"] * 15 + ["NoneType"]
    found = await store.get_document("iam/1", "user", "bob")
    assert found.raw == b"1"
    await store.write_documents("iam/1", [DocumentChange(kind="user", name="bob", raw=b"2", expected_rev=found.rev)])
    with pytest.raises(errors.DocumentChanged) as caught:
        await store.write_documents("iam/1", [DocumentChange(kind="user", name="bob", raw=b"3", expected_rev=found.rev)])
    assert (caught.value.kind, caught.value.name) == ("user", "bob")
    assert (await store.get_document("iam/1", "user", "bob")).raw == b"2"


async def test_documents_change_all_or_none(store):
    await store.write_documents("s", [DocumentChange(kind="k", name="old", raw=b"1")])
    revision = await store.documents_revision("s")
    with pytest.raises(errors.DocumentChanged):
        await store.write_documents(
            "s",
            [
                DocumentChange(kind="k", name="new", raw=b"1"),
                DocumentChange(kind="k", name="old", raw=None, expected_rev=999),
            ],
        )
    assert await store.get_document("s", "k", "new") is None
    assert await store.documents_revision("s") == revision
    await store.write_documents(
        "s", [DocumentChange(kind="k", name="new", raw=b"2"), DocumentChange(kind="k", name="old", raw=None)]
    )
    assert [document.name for document in await store.list_documents("s", "k", "", "", 10)] == ["new"]
    assert await store.documents_revision("s") > revision


async def test_a_document_made_anew_has_no_old_revision(store):
    await store.write_documents("s", [DocumentChange(kind="k", name="n", raw=b"1")])
    first = await store.get_document("s", "k", "n")
    await store.write_documents("s", [DocumentChange(kind="k", name="n", raw=None)])
    await store.write_documents("s", [DocumentChange(kind="k", name="n", raw=b"2", expected_rev=0)])
    assert (await store.get_document("s", "k", "n")).rev != first.rev


async def test_documents_are_listed_by_name_and_apart(store):
    for space, kind, name in (("s", "k", "b"), ("s", "k", "a"), ("s", "k", "ab"), ("s", "other", "a"), ("t", "k", "a")):
        await store.write_documents(space, [DocumentChange(kind=kind, name=name, raw=b"")])

    async def names(*arguments):
        return [document.name for document in await store.list_documents("s", "k", *arguments)]

    assert await names("", "", 10) == ["a", "ab", "b"]
    assert await names("a", "", 10) == ["a", "ab"]
    assert await names("", "a", 1) == ["ab"]
    assert await store.documents_revision("never") == 0


async def test_documents_of_a_bucket_go_with_it(store):
    bucket = await bucket_of(store)
    space = f"bucket/{bucket.bucket_id.hex()}"
    await store.write_documents(space, [DocumentChange(kind="inventory", name="1", raw=b"x")])
    await store.delete_bucket(bucket.name, bucket.bucket_id)
    assert await store.list_documents(space, "inventory", "", "", 10) == []


async def test_all_buckets_of_all_accounts(store):
    for name in ("b", "a", "tenant:c"):
        await bucket_of(store, name)
    assert [bucket.name for bucket in await store.all_buckets("", 2)] == ["a", "b"]
    assert [bucket.name for bucket in await store.all_buckets("b", 2)] == ["tenant:c"]


@pytest.mark.parametrize("current", [True, False])
async def test_data_moves_to_another_class(store, current):
    bucket = await bucket_of(store, versioning=Versioning.ENABLED)
    committed = await put(store, bucket, b"k")
    if not current:
        await put(store, bucket, b"k", etag="b" * 32)
    record = await store.get_version(bucket.bucket_id, b"k", committed.version_id)
    moved = layout_of(7)
    changed = await store.replace_data(bucket.bucket_id, record, moved, "GLACIER", b"moved")
    assert (changed.layout, changed.attributes.storage_class, changed.seq) == (moved, "GLACIER", record.seq)
    assert await store.get_version(bucket.bucket_id, b"k", committed.version_id) == changed
    classes = [row.storage_class for row in await store.scan(bucket.bucket_id, b"", None, 10)]
    assert classes == (["GLACIER"] if current else ["STANDARD"])
    assert await garbage_of(store) == [record.layout]
    assert await events_of(store) == [(b"moved", b"k", False)]
    with pytest.raises(errors.ObjectChanged):
        await store.replace_data(bucket.bucket_id, record, layout_of(8), "STANDARD")


async def test_a_version_that_came_back_to_light_is_told_as_it_is_now(store):
    bucket = await bucket_of(store)
    await put(store, bucket, b"k")
    bucket = await store.update_bucket(msgspec.structs.replace(bucket, versioning=Versioning.ENABLED))
    marker = await store.delete(bucket, DeleteRequest(key=b"k"))
    await store.delete(bucket, DeleteRequest(key=b"k", version_id=marker.version_id))
    record = await store.get_version(bucket.bucket_id, b"k")
    await store.replace_data(bucket.bucket_id, record, layout_of(7), "GLACIER")
    await garbage_of(store)  # waits for what follows the answers
    for rows in (await store.scan(bucket.bucket_id, b"", None, 9), await store.scan_versions(bucket.bucket_id, b"", None, None, 9)):
        assert [(row.version_id, row.storage_class, row.is_latest) for row in rows] == [("null", "GLACIER", True)]


async def test_a_class_without_a_scheme_of_its_own_moves_nothing(store):
    bucket = await bucket_of(store)
    await put(store, bucket, b"k")
    record = await store.get_version(bucket.bucket_id, b"k")
    await store.replace_data(bucket.bucket_id, record, record.layout, "STANDARD_IA")
    assert await garbage_of(store) == []
    with pytest.raises(errors.NoSuchVersion):
        await store.replace_data(bucket.bucket_id, msgspec.structs.replace(record, key=b"x"), record.layout, "GLACIER")


async def test_a_rename_moves_the_row_and_not_the_bytes(store):
    bucket = await bucket_of(store)
    await put(store, bucket, b"from", etag="b" * 32)
    source = await store.get_version(bucket.bucket_id, b"from")
    await put(store, bucket, b"to")
    replaced = await store.get_version(bucket.bucket_id, b"to")
    await store.rename(bucket, b"from", b"to", NO_CONDITION, NO_CONDITION, b"renamed")
    assert await keys_of(store, bucket) == [b"to"]
    assert await store.get_version(bucket.bucket_id, b"from") is None
    found = await store.get_version(bucket.bucket_id, b"to")
    assert (found.etag, found.layout, found.mtime_us) == ("b" * 32, source.layout, source.mtime_us)
    assert await garbage_of(store) == [replaced.layout]
    assert await events_of(store) == [(b"renamed", b"to", False)]


async def test_a_rename_that_is_refused_changes_nothing(store):
    bucket = await bucket_of(store)
    await put(store, bucket, b"from")
    await put(store, bucket, b"to", etag="b" * 32)
    absent = WriteCondition(if_none_match=("*",))
    with pytest.raises(errors.PreconditionFailed):
        await store.rename(bucket, b"from", b"to", NO_CONDITION, absent)
    with pytest.raises(errors.PreconditionFailed):
        await store.rename(bucket, b"from", b"to", WriteCondition(if_match=("c" * 32,)), NO_CONDITION)
    with pytest.raises(errors.NoSuchKey):
        await store.rename(bucket, b"nothing", b"to", NO_CONDITION, NO_CONDITION)
    await store.rename(bucket, b"from", b"from", NO_CONDITION, NO_CONDITION)
    assert await keys_of(store, bucket) == [b"from", b"to"]
    assert await garbage_of(store) == []
    versioned = await bucket_of(store, "versioned", Versioning.ENABLED)
    await put(store, versioned, b"from")
    with pytest.raises(errors.BucketChanged):
        await store.rename(versioned, b"from", b"to", NO_CONDITION, NO_CONDITION)


async def test_a_locked_object_is_neither_renamed_nor_renamed_over(store):
    bucket = await bucket_of(store)
    await put(store, bucket, b"held", mutable=MutablePart(lock=Lock(legal_hold=True)))
    await put(store, bucket, b"free")
    for source, target in ((b"held", b"new"), (b"free", b"held")):
        with pytest.raises(errors.ObjectLocked):
            await store.rename(bucket, source, target, NO_CONDITION, NO_CONDITION)
    assert await keys_of(store, bucket) == [b"free", b"held"]


async def test_a_rename_of_an_empty_layout_leaves_no_garbage(store):
    bucket = await bucket_of(store)
    await put(store, bucket, b"from", layout=ObjectLayout())
    await store.rename(bucket, b"from", b"to", NO_CONDITION, NO_CONDITION)
    assert await garbage_of(store) == []
