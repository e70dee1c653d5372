"""Random changes of a store through its port, so that it holds something of every kind; the same choices for a seed."""

import random

import msgspec
from metadata_builders import layout_of, version_of

from dolmen.core.errors import DolmenError
from dolmen.gateway.metadata.records import (
    Attributes,
    BucketRecord,
    DeleteRequest,
    DocumentChange,
    Lock,
    MutablePart,
    PartRecord,
    RepairRow,
    UploadRecord,
    Versioning,
    WriteCondition,
)
from dolmen.gateway.metadata.versions import new_upload_id

KEYS = (b"a", b"a/b", b"a//", b"b/1", "é/ü".encode(), b"\xff\xfe", b"z" * 1024)
NAMES = ("one", "two", "tenant:three")
ALL = 10_000
NO = WriteCondition()


class Scribbler:
    """``write(n)`` makes n changes; refusals of the store are part of life."""

    def __init__(self, store, seed, prefix=""):
        self.store = store
        self.prefix = prefix  # of names of buckets and spaces
        self.random = random.Random(seed)
        self.uploads = []
        self.epoch = 0
        self.steps = [getattr(self, name) for name in dir(self) if name.startswith("do_")]

    async def write(self, count):
        for _ in range(count):
            try:
                await self.random.choice(self.steps)()
            except DolmenError:
                continue

    async def bucket(self):
        name = self.prefix + self.random.choice(NAMES)
        found = await self.store.get_bucket(name)
        if found is None:
            versioning = self.random.choice(list(Versioning))
            found = BucketRecord(
                name=name,
                bucket_id=self.random.randbytes(16),
                owner=self.random.choice(["1" * 12, "2" * 12]),
                region="r",
                created_us=self.random.randrange(1 << 50),
                versioning=versioning,
                config={"policy": self.random.randbytes(5)},
            )
            await self.store.create_bucket(found)
        return found

    def version(self):
        etag = self.random.choice("abc") * 32
        lock = Lock("GOVERNANCE", 5) if self.random.random() < 0.1 else None
        mutable = MutablePart(tags={"t": etag[:3]}, lock=lock)
        version = version_of(etag, layout_of(self.random.randrange(9)), mutable)
        return msgspec.structs.replace(version, attributes=Attributes(content_type="a/b", user_metadata={"m": etag[:2]}))

    async def put(self):
        bucket = await self.bucket()
        repairs = [RepairRow(1, self.random.randbytes(16), (self.random.randrange(5),))] if self.random.random() < 0.1 else ()
        event = b"e" if self.random.random() < 0.2 else b""
        intent = await self.store.begin(bucket, self.random.choice(KEYS))
        await self.store.commit(intent, self.version(), NO, repairs, event)

    do_put = do_put_too = do_put_again = put  # more often than the others

    async def do_delete(self):
        await self.store.delete(await self.bucket(), DeleteRequest(key=self.random.choice(KEYS), event=b"gone"))

    async def some_row(self):
        bucket = await self.bucket()
        rows = await self.store.scan_versions(bucket.bucket_id, b"", None, None, ALL)
        return bucket, self.random.choice(rows) if rows else None

    async def do_delete_version(self):
        bucket, row = await self.some_row()
        if row is not None:
            await self.store.delete(bucket, DeleteRequest(key=row.key, version_id=row.version_id, bypass_governance=True))

    async def do_tag(self):
        bucket, row = await self.some_row()
        if row is not None:
            held = await self.store.get_version(bucket.bucket_id, row.key, row.version_id)
            mutable = msgspec.structs.replace(held.mutable, tags={"n": str(self.random.randrange(99))})
            await self.store.update_mutable(bucket.bucket_id, row.key, row.version_id, mutable)

    async def do_move_data(self):
        bucket, row = await self.some_row()
        if row is not None and not row.is_delete_marker:
            held = await self.store.get_version(bucket.bucket_id, row.key, row.version_id)
            await self.store.replace_data(bucket.bucket_id, held, layout_of(), "STANDARD_IA")

    async def do_rename(self):
        source, target = self.random.sample(KEYS, 2)
        await self.store.rename(await self.bucket(), source, target, NO, NO)

    async def do_change_bucket(self):
        bucket = await self.bucket()
        versioning = self.random.choice(list(Versioning))
        if versioning is not Versioning.OFF:  # S3 knows no way back
            await self.store.update_bucket(msgspec.structs.replace(bucket, versioning=versioning))

    async def do_drop_bucket(self):
        bucket = await self.bucket()
        if self.random.random() < 0.3:
            rows = await self.store.scan_versions(bucket.bucket_id, b"", None, None, ALL)
            gone = [DeleteRequest(key=row.key, version_id=row.version_id, bypass_governance=True) for row in rows]
            await self.store.delete_many(bucket, gone)
        await self.store.delete_bucket(bucket.name, bucket.bucket_id)

    async def do_upload(self):
        bucket = await self.bucket()
        initiated_us = self.random.randrange(1 << 50)
        upload = UploadRecord(
            bucket_id=bucket.bucket_id,
            key=self.random.choice(KEYS),
            upload_id=new_upload_id(initiated_us),
            initiated_us=initiated_us,
            owner="1" * 12,
            initiator="2" * 12,
            attributes=Attributes(content_type="a/b"),
        )
        await self.store.create_upload(upload)
        self.uploads.append(upload)

    async def do_part(self):
        if self.uploads:
            number = self.random.randrange(1, 4)
            part = PartRecord(number=number, size=10, etag="d" * 32, mtime_us=7, checksum=None, layout=layout_of())
            await self.store.put_part(self.random.choice(self.uploads[-3:]), part)

    do_another_part = do_part

    async def do_complete(self):
        if self.uploads:
            upload = self.random.choice(self.uploads[-3:])
            parts = await self.store.list_parts(upload, 0, ALL)
            owner = BucketRecord(name="", bucket_id=upload.bucket_id, owner="", region="", created_us=0)
            intent = await self.store.begin(owner, upload.key)
            await self.store.complete_upload(intent, upload, parts, self.version(), NO)

    async def do_abort(self):
        if self.uploads:
            await self.store.abort_upload(self.random.choice(self.uploads[-3:]))

    async def do_document(self):
        space = self.prefix + self.random.choice(["account/1", "keys"])
        raw = self.random.choice([b"1", b"22", None])
        change = DocumentChange(kind=self.random.choice("kl"), name=self.random.choice("abc"), raw=raw)
        await self.store.write_documents(space, [change])

    async def do_map(self):
        await self.store.publish_map(self.epoch, self.epoch + 1, self.random.randbytes(9))
        self.epoch += 1

    async def do_upkeep(self):
        notes = await self.store.due_garbage(1 << 62, 100)
        await self.store.finish_garbage([note.note_id for note in notes[::2]])
        events = await self.store.due_events(1 << 62, 100)
        await self.store.finish_events([event.event_id for event in events[::3]])
        await self.store.postpone_events([event.event_id for event in events[1::3]], 1 << 55)
        repairs = await self.store.list_repairs(b"", 100)
        await self.store.finish_repairs(repairs[::2])

    async def one_of_each(self):
        """So that no kind of thing is missing, whatever was drawn."""
        await self.put()
        await self.store.add_garbage(layout_of())
        await self.store.add_repairs([RepairRow(1, self.random.randbytes(16), (2, 5))])
        await self.store.write_documents(f"{self.prefix}keys", [DocumentChange(kind="k", name="one", raw=b"1")])
        await self.do_map()
        self.uploads.clear()
        await self.do_upload()
        await self.do_part()
        bucket = await self.bucket()
        await self.store.commit(await self.store.begin(bucket, b"last"), self.version(), NO, (), b"event")


async def everything(store):
    """All items of a store by kind and place, for comparison."""
    from dolmen.gateway.metadata.transfer import Position, place_of, walk

    found = {}
    async for kind, items, _ in walk(store, Position()):
        for item in items:
            assert (kind, place_of(item)) not in found, "a dump tells everything once"
            found[kind, place_of(item)] = item
    return found


async def lists(store):
    """What lists tell of every bucket."""
    seen = []
    for bucket in await store.all_buckets("", ALL):
        seen.append((bucket.name, await store.scan(bucket.bucket_id, b"", None, ALL)))
        seen.append((bucket.name, await store.scan_versions(bucket.bucket_id, b"", None, None, ALL)))
        seen.append((bucket.name, await store.list_uploads(bucket.bucket_id, b"", "", None, ALL)))
    return seen


async def usages(store, buckets):
    """How much each bucket holds."""
    return [(bucket.name, await store.usage(bucket.bucket_id)) for bucket in buckets]
