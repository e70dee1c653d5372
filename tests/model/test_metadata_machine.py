"""Every backend against the reference in memory: buckets, objects, uploads, upkeep. See ``metadata_machine``."""


import msgspec
import pytest
from hypothesis import strategies as st
from hypothesis.stateful import rule
from metadata_machine import (
    ALL,
    ETAGS,
    KEYS,
    OWNERS,
    Machine,
    bases,
    check,
    delete_conditions,
    delimiters,
    etags,
    keys,
    left_outs,
    names,
    picks,
    position_of,
    step,
    texts,
    upload_position_of,
    version_picks,
    write_conditions,
)

from dolmen.core.layout import ObjectLayout
from dolmen.gateway.metadata.delimiter import after_key
from dolmen.gateway.metadata.records import (
    Attributes,
    BucketRecord,
    DeleteRequest,
    MutablePart,
    PartRecord,
    RepairRow,
    UploadRecord,
)
from dolmen.gateway.metadata.versions import new_upload_id


class Objects(Machine):
    """Objects and their versions, and the lists of them."""

    @step(1, name=names, owner=st.integers(0, 1))
    def create_bucket(self, name, owner):
        self.make_bucket(name, owner)

    @step(1, name=names, empty=st.booleans())
    def delete_bucket(self, name, empty):
        self.drop_bucket(name, empty)

    @step(2, name=names, key=keys)
    def begin(self, name, key):
        bucket = self.bucket(name)
        self.intents.append(self.both(lambda store: store.begin(bucket, key)))

    @step(
        2,
        pick=picks,
        etag=etags,
        condition=write_conditions,
        mtime_us=st.sampled_from([None, 5]),
        lost=st.sampled_from([(), (5,), (1, 4)]),
    )
    def commit(self, pick, etag, condition, mtime_us, lost):
        if not self.intents:
            self.begin("one", KEYS[0])
        intents = self.intents.pop(pick % len(self.intents))
        layout = self.layout() if etag != ETAGS[0] else ObjectLayout()
        version = self.version(etag, layout, mtime_us)
        repairs = [RepairRow(1, base, lost) for base in bases(layout) if lost]
        pair = dict(zip((self.real, self.model), intents, strict=True))
        outcome, _ = self.both(lambda store: store.commit(pair[store], version, condition, repairs))
        if isinstance(outcome, Exception):
            self.both(lambda store: store.abort(pair[store], layout))
        self.stored.update(bases(layout))

    @step(3, name=names, wanted=st.lists(st.tuples(keys, version_picks, delete_conditions), max_size=8))
    def delete_many(self, name, wanted):
        bucket = self.bucket(name)
        async def run(store):
            requests = []
            for key, pick, condition in wanted:
                version_id = None if pick is None else await self.version_id_at(store, bucket, key, pick)
                requests.append(DeleteRequest(key=key, version_id=version_id, condition=condition))
            return await store.delete_many(bucket, requests)

        self.both(run)

    @step(2, name=names, key=keys, pick=version_picks, stale=st.booleans(), tag=etags)
    def update_mutable(self, name, key, pick, stale, tag):
        bucket = self.bucket(name)
        async def run(store):
            version_id = None if pick is None else await self.version_id_at(store, bucket, key, pick)
            found = await store.get_version(bucket.bucket_id, key, version_id)
            rev = (found.mutable.rev if found is not None else 1) - stale
            return await store.update_mutable(
                bucket.bucket_id, key, version_id, MutablePart(rev=rev, tags={"t": tag}, acl=b"a")
            )

        self.both(run)

    @step(3, name=names, prefix=texts, delimiter=delimiters, marker=st.none() | keys | texts, page=st.integers(1, 5))
    def list_objects(self, name, prefix, delimiter, marker, page):
        """V1 (marker) and V2 (start-after) are the same walk."""
        bucket = self.bucket(name)
        def scan_of(store):
            return lambda start, end, limit: store.scan(bucket.bucket_id, start.key, end, limit)

        at = None if marker is None else after_key(marker)
        self.check_list(scan_of, prefix, delimiter, at, page, lambda row: after_key(row.key))

    @step(3, name=names, prefix=texts, delimiter=delimiters, marker=st.none() | picks, page=st.integers(1, 5))
    def list_versions(self, name, prefix, delimiter, marker, page):
        bucket = self.bucket(name)
        of_model, of_real = (
            self.runner.run(store.scan_versions(bucket.bucket_id, b"", None, None, ALL)) for store in (self.model, self.real)
        )
        at = real_at = None
        if marker is not None and of_model:
            at, real_at = (position_of(rows[marker % len(of_model)]) for rows in (of_model, of_real))

        def scan_of(store):
            return lambda start, end, limit: store.scan_versions(bucket.bucket_id, start.key, start.mark, end, limit)

        self.check_list(scan_of, prefix, delimiter, at, page, position_of, real_at)


class Uploads(Machine):
    """Multipart uploads beside other writes to the same keys."""

    @rule(name=names, empty=st.booleans())
    def delete_bucket(self, name, empty):
        self.drop_bucket(name, empty)

    @step(2, name=names, key=keys)
    def create_upload(self, name, key):
        bucket = self.bucket(name)
        upload = UploadRecord(
            bucket_id=bucket.bucket_id,
            key=key,
            upload_id=new_upload_id(self.clock.now),
            initiated_us=self.clock.now,
            owner=OWNERS[0],
            initiator=OWNERS[1],
            attributes=Attributes(content_type="a/b", storage_class="STANDARD_IA"),
            checksum_algorithm="CRC32",
            checksum_type="COMPOSITE",
        )
        self.both(lambda store: store.create_upload(upload))
        self.uploads.append(upload)

    @step(8, pick=picks, number=st.integers(1, 4), etag=etags)
    def put_part(self, pick, number, etag):
        upload = self.upload(pick)
        layout = self.layout(2)
        part = PartRecord(number=number, size=10, etag=etag, mtime_us=self.clock.now, checksum=None, layout=layout)
        outcome, _ = self.both(lambda store: store.put_part(upload, part, [RepairRow(1, bases(layout)[0], (2,))]))
        if isinstance(outcome, Exception):
            self.both(lambda store: store.add_garbage(layout))
        self.stored.update(bases(layout))

    @step(4, pick=picks, left_out=left_outs, etag=etags, condition=write_conditions, wrong=st.sampled_from([False, False, True]))
    def complete_upload(self, pick, left_out, etag, condition, wrong):
        """Also again and again, and with parts that are not those that are there."""
        upload = self.upload(pick)

        async def run(store):
            parts = [part for part in await store.list_parts(upload, 0, ALL) if part.number not in left_out]
            if wrong and parts:
                parts[-1] = msgspec.structs.replace(parts[-1], mtime_us=7)
            layout = ObjectLayout(tuple(segment for part in parts for segment in part.layout.segments))
            name = self.named[upload.bucket_id]
            bucket = BucketRecord(name=name, bucket_id=upload.bucket_id, owner="", region="", created_us=0)
            intent = await store.begin(bucket, upload.key)
            return await store.complete_upload(intent, upload, parts, self.version(etag, layout), condition)

        self.both(run)

    @step(1, pick=picks)
    def abort_upload(self, pick):
        upload = self.upload(pick)
        self.both(lambda store: store.abort_upload(upload))

    @step(2, pick=picks, after=st.integers(0, 4), limit=st.integers(1, 3))
    def read_upload(self, pick, after, limit):
        upload = self.upload(pick)
        self.both(lambda store: store.get_upload(upload.bucket_id, upload.key, upload.upload_id))
        self.both(lambda store: store.list_parts(upload, after, limit))

    @step(3, name=names, prefix=texts, delimiter=delimiters, marker=st.none() | picks, page=st.integers(1, 3))
    def list_uploads(self, name, prefix, delimiter, marker, page):
        bucket = self.bucket(name)
        rows = self.runner.run(self.model.list_uploads(bucket.bucket_id, b"", "", None, ALL))
        at = None if marker is None or not rows else upload_position_of(rows[marker % len(rows)])

        def scan_of(store):
            return lambda start, end, limit: store.list_uploads(bucket.bucket_id, start.key, start.mark or "", end, limit)

        self.check_list(scan_of, prefix, delimiter, at, page, upload_position_of)


class Upkeep(Machine):
    """Garbage and repairs of what is written, the cluster's map and leases."""

    @rule(name=names, owner=st.integers(0, 1))
    def create_bucket(self, name, owner):
        self.make_bucket(name, owner)

    @step(1, owner=st.integers(0, 1), prefix=st.sampled_from(["", "o", "two", "x"]), after=st.sampled_from(["", "one", "p"]))
    def list_buckets(self, owner, prefix, after):
        self.both(lambda store: store.list_buckets(OWNERS[owner], prefix, after, 1))
        self.both(lambda store: store.list_buckets(OWNERS[owner], prefix, after, 9))
        self.both(lambda store: store.get_bucket("two"))

    @step(3, pick=picks, slots=st.sets(st.integers(0, 5), min_size=1, max_size=3))
    def find_rot(self, pick, slots):
        if self.stored:
            base = sorted(self.stored)[pick % len(self.stored)]
            self.both(lambda store: store.add_repairs([RepairRow(1, base, tuple(sorted(slots)))]))
            self.both(lambda store: store.list_repairs(base[:8], 3))

    @step(3, pick=picks, slots=st.sets(st.integers(0, 5)))
    def finish_repairs(self, pick, slots):
        """Some of the slots only: as if others had been found meanwhile."""

        async def run(store):
            rows = await store.list_repairs(b"", ALL)
            if rows:
                row = rows[pick % len(rows)]
                await store.finish_repairs([row, RepairRow(1, b"x" * 16, (1,))] if not slots else [
                    RepairRow(row.pg, row.stripe_id, tuple(sorted(slots)))
                ])
            return await store.list_repairs(b"", ALL), await store.repair_count()

        self.both(run)

    @step(3, limit=st.integers(1, 3))
    def collect_garbage(self, limit):
        async def due(store):
            notes = await store.due_garbage(self.clock.now, ALL)
            return sorted((note.due_us, bases(note.layout)) for note in notes), await store.garbage_count()

        self.both(due)

        async def collect():
            notes = await self.real.due_garbage(self.clock.now, limit)
            assert [note.due_us for note in notes] == sorted(note.due_us for note in notes)
            layouts = [note.layout for note in notes]
            same = [n.note_id for n in await self.model.due_garbage(self.clock.now, ALL) if n.layout in layouts]
            await self.real.finish_garbage([note.note_id for note in notes])
            await self.model.finish_garbage(same)
            return layouts

        for layout in self.runner.run(collect()):
            for base in bases(layout):
                self.stored.remove(base)

    @step(2, expected=st.integers(0, 2), step=st.integers(0, 2))
    def publish_map(self, expected, step):
        self.both(lambda store: store.publish_map(expected, expected + step, b"%d" % step))
        self.both(lambda store: store.get_map())

    @step(3, owner=names, seconds=st.sampled_from([1.0, 300.0]))
    def acquire_lease(self, owner, seconds):
        lease, _ = self.both(lambda store: store.acquire_lease("role", owner, seconds))
        if lease is not None:
            self.leases.append(lease)

    @step(2, pick=picks)
    def release_lease(self, pick):
        if not self.leases:
            return
        lease = self.leases.pop(pick % len(self.leases))
        self.both(lambda store: store.release_lease(lease))


@pytest.mark.parametrize("machine", [Objects, Uploads, Upkeep])
def test_every_history_ends_as_the_reference_says(machine):
    check(machine)


@pytest.mark.parametrize("machine", [Objects, Uploads, Upkeep])
def test_every_history_on_cassandra_ends_as_the_reference_says(machine, cassandra):
    check(machine, cassandra)
