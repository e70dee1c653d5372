"""One bucket, a store whose statements may be lost, a sound one beside it, and an account of all data that was handed over."""

import os
import secrets

import msgspec
from lossy_cql import SharedStore
from metadata_builders import layout_of, version_of

from dolmen.core.errors import DolmenError
from dolmen.gateway.metadata.cassandra.cql import Kind, Statement
from dolmen.gateway.metadata.records import (
    NO_CONDITION,
    Attributes,
    BucketRecord,
    DeleteRequest,
    PartRecord,
    UploadRecord,
    Versioning,
)
from dolmen.gateway.metadata.store import MetadataUnknown

ALL = 10_000
ROUNDS = 200
DONE, NO, UNKNOWN = "done", "refused", "unknown"
QUICK = (  # seconds of the backend that tests do not wait for
    ("commits.UNKNOWN_SECONDS", 0.15),
    ("follow.SETTLE_SECONDS", 0.05),
    ("follow.RETRY_SECONDS", (0.01, 0.1)),
    ("completion.WAIT_SECONDS", 0.2),
    ("completion.END_SECONDS", 0.3),
    ("uploads.TRY_SECONDS", 0.4),
)
_INTENTS = Statement("SELECT key FROM listing_intents WHERE bucket_id = ? AND shard_id = ? AND sub = 0", Kind.READ)
_MOVE = Statement("SELECT move FROM objects WHERE bucket_id = ? AND key = ? LIMIT 1", Kind.READ)


def hurry(monkeypatch):
    for name, seconds in QUICK:
        monkeypatch.setattr(f"dolmen.gateway.metadata.cassandra.{name}", seconds)


class World:
    """``mine`` meets the faults; ``other`` is another process. Both share queues that nobody else uses."""

    def __init__(self, session, address, clock):
        self.session, self.address, self.clock = session, address, clock
        self.salt = secrets.token_hex(4)
        self.mine, self.other = self.store(), self.store()
        self.stores = [self.mine, self.other]
        self.handed = {}  # every layout that a store was given: what for
        self.doubtful = set()  # those of which nobody may ever know
        self.keys = set()
        self.uploads = []

    def store(self):
        made = SharedStore(self.session, self.address, self.clock)
        made.name_queues(self.salt)
        return made

    async def open(self, versioning=Versioning.OFF):
        self.bucket = BucketRecord(
            name=f"b-{secrets.token_hex(8)}",
            bucket_id=os.urandom(16),
            owner="1" * 12,
            region="r",
            created_us=1,
            versioning=versioning,
        )
        await self.other.create_bucket(self.bucket)
        return self

    async def close(self):
        for store in self.stores:
            store.cql.disarm()
            await store.close()

    # ---- what a gateway does -----------------------------------------------------------------------------------------

    def layout(self, what):
        made = layout_of()
        self.handed[made] = what
        return made

    async def put(self, store, key, etag="a" * 32, condition=NO_CONDITION):
        """As the gateway does: data that was refused is given back, data in doubt stays."""
        self.keys.add(key)
        layout = self.layout(f"put {key} {etag[:1]}")
        try:
            intent = await store.begin(self.bucket, key)
        except BaseException:
            del self.handed[layout]  # was never written
            raise
        try:
            return await store.commit(intent, version_of(etag=etag, layout=layout), condition)
        except MetadataUnknown:
            self.doubtful.add(layout)
            raise
        except DolmenError:
            await store.abort(intent, layout)
            raise

    async def delete(self, store, key, version_id=None):
        return await store.delete(self.bucket, DeleteRequest(key=key, version_id=version_id))

    async def replace(self, store, key):
        record = await self.other.get_version(self.bucket.bucket_id, key)
        layout = self.layout(f"replace {key}")
        try:
            return await store.replace_data(self.bucket.bucket_id, record, layout, "GLACIER")
        except MetadataUnknown:
            self.doubtful.add(layout)
            raise
        except DolmenError:
            await store.add_garbage(layout)
            raise

    async def update(self, store, key):
        record = await self.other.get_version(self.bucket.bucket_id, key)
        changed = msgspec.structs.replace(record.mutable, tags={"a": "b"})
        return await store.update_mutable(self.bucket.bucket_id, key, None, changed, seq=record.seq)

    async def rename(self, store, source, target):
        self.keys.update((source, target))
        return await store.rename(self.bucket, source, target, NO_CONDITION, NO_CONDITION)

    async def create(self, store, key):
        self.keys.add(key)
        upload = UploadRecord(
            bucket_id=self.bucket.bucket_id,
            key=key,
            upload_id=secrets.token_hex(12),
            initiated_us=self.clock.now_us(),
            owner="1" * 12,
            initiator="1" * 12,
            attributes=Attributes(),
        )
        self.uploads.append(upload)
        await store.create_upload(upload)
        return upload

    async def put_part(self, store, upload, number, etag="p" * 32):
        layout = self.layout(f"part {number} {etag[:1]}")
        part = PartRecord(number=number, size=1, etag=etag, mtime_us=1, checksum=None, layout=layout)
        try:
            await store.put_part(upload, part)
        except MetadataUnknown:
            self.doubtful.add(layout)
            raise
        except DolmenError:
            await store.add_garbage(layout)
            raise
        return part

    async def complete(self, store, upload, parts, etag="c" * 32):
        self.keys.add(upload.key)
        intent = await store.begin(self.bucket, upload.key)
        whole = msgspec.structs.replace(
            parts[0].layout, segments=tuple(segment for part in parts for segment in part.layout.segments)
        )
        try:
            return await store.complete_upload(intent, upload, parts, version_of(etag=etag, layout=whole), NO_CONDITION)
        except MetadataUnknown:
            raise
        except DolmenError:
            await store.abort(intent, msgspec.structs.replace(whole, segments=()))
            raise

    # ---- what is there -----------------------------------------------------------------------------------------------

    async def versions(self, key):
        """Records of all versions by the truth, newest first."""
        truth = self.other.parts.truth
        state = await truth.state(self.bucket.bucket_id, key)
        return [(await truth.exact(self.bucket.bucket_id, key, row.version_id))[1] for row in state.versions]

    async def seen(self):
        """What a client can tell: versions by key, uploads and their parts. Without times and ids."""
        told = {}
        for key in sorted(self.keys):
            versions = [
                (v.etag, v.is_delete_marker, v.is_latest, v.mutable.rev, v.attributes.storage_class)
                for v in await self.versions(key)
            ]
            if versions:
                told[key] = versions
        for number, upload in enumerate(self.uploads):
            found = await self.other.get_upload(self.bucket.bucket_id, upload.key, upload.upload_id)
            parts = await self.other.list_parts(upload, 0, ALL)
            state = None if found is None else "completed" if found.completed else "in progress"
            if state or parts:
                told[number] = (state, [(part.number, part.etag) for part in parts])
        listed = await self.other.list_uploads(self.bucket.bucket_id, b"", "", None, ALL)
        told["listed"] = sorted(row.key for row in listed)
        return told

    async def garbage(self):
        return [note.layout for note in await self.other.due_garbage(1 << 62, ALL)]

    async def referenced(self):
        """Segments' layouts that versions and parts in progress refer to: those handed over, each as often as it is used."""
        by_segment = {segment: layout for layout in self.handed for segment in layout.segments}
        found = []
        for key in self.keys:
            for version in await self.versions(key):
                found += [by_segment[segment] for segment in version.layout.segments]
        for upload in self.uploads:
            found += [part.layout for part in await self.other.list_parts(upload, 0, ALL)]
        return found

    async def intents(self):
        rows = await self.session.run(_INTENTS, self.bucket.bucket_id, self.bucket.bucket_id)
        return [key for (key,) in rows if key is not None]

    async def quiet(self):
        for store in self.stores:
            await store.quiet()

    async def holders(self, etag):
        """Keys whose current object has the ETag."""
        found = {key: await self.other.get_version(self.bucket.bucket_id, key) for key in sorted(self.keys)}
        return [key for key, version in found.items() if version is not None and version.etag == etag]

    async def check_lists(self, *, quiet=True):
        """Lists show what the truth holds; ``quiet``: and nothing is on its way any more."""
        intents = await self.intents()
        assert not quiet or intents == [], intents
        bucket_id = self.bucket.bucket_id
        rows = await self.other.scan_versions(bucket_id, b"", None, None, ALL)
        told = [(row.key, row.version_id, row.seq, row.etag, row.is_latest) for row in rows]
        there = [(v.key, v.version_id, v.seq, v.etag, v.is_latest) for key in sorted(self.keys) for v in await self.versions(key)]
        assert told == there
        current = [(row.key, row.seq, row.etag) for row in await self.other.scan(bucket_id, b"", None, ALL)]
        assert current == [(k, seq, etag) for k, _, seq, etag, latest in there if latest and etag]
        for key in self.keys:
            found = await self.other.get_version(bucket_id, key)
            assert ([] if found is None else [found.seq]) == [seq for k, _, seq, _, latest in there if k == key and latest]

    async def check_data(self):
        """Each layout is referred to once, or is garbage once; only those in doubt may be neither."""
        by_segment = {segment: layout for layout in self.handed for segment in layout.segments}
        referenced = await self.referenced()
        garbage = [by_segment[segment] for layout in await self.garbage() for segment in layout.segments]
        names = self.handed
        assert len(set(garbage)) == len(garbage), [names[each] for each in garbage]
        assert len(set(referenced)) == len(referenced), [names[each] for each in referenced]
        assert not set(garbage) & set(referenced), [names[each] for each in set(garbage) & set(referenced)]
        left = set(self.handed) - set(garbage) - set(referenced)
        assert left <= self.doubtful, [names[each] for each in left]

    def check_nothing_is_held(self):
        """No process remembers anything of changes that are over."""
        for store in self.stores:
            parts = store.parts
            assert not parts.commits._turns._locks and not parts.commits._tasks
            assert not +parts.intents._live and parts.follow.unsettled_count == 0
            assert parts.follow._room._value == 2048

    async def check_all(self):
        await self.quiet()
        await self.check_lists()
        await self.check_data()
        self.check_nothing_is_held()


async def told_of(work):
    """(done, refused or unknown; the result, or the error)."""
    try:
        return DONE, await work
    except MetadataUnknown as error:
        return UNKNOWN, error
    except DolmenError as error:
        return NO, error
