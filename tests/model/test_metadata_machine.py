"""Every backend against the reference in memory: random histories, equal answers after each step.

In ``make test`` the histories are always the same few. More of them, and others each time:
``DOLMEN_MODEL_EXAMPLES=2000 .venv/bin/pytest tests/model``; a failure prints the seed, and ``DOLMEN_MODEL_SEED`` brings it back.
"""

import asyncio
import os
import random
import tempfile

import hypothesis
import msgspec
import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from dolmen.core.errors import DolmenError
from dolmen.core.layout import ObjectLayout, Run, Segment
from dolmen.gateway.metadata.delimiter import Position, after_key, common_prefix, list_page
from dolmen.gateway.metadata.embedded.store import EmbeddedStore
from dolmen.gateway.metadata.memory import MemoryStore
from dolmen.gateway.metadata.records import (
    Attributes,
    BucketRecord,
    Checksum,
    DeleteRequest,
    MutablePart,
    NewVersion,
    PartRecord,
    RepairRow,
    UploadRecord,
    Versioning,
    WriteCondition,
)
from dolmen.gateway.metadata.versions import new_upload_id, seq_of_version_id

EXAMPLES = int(os.environ.get("DOLMEN_MODEL_EXAMPLES", "0"))
SEED = int(os.environ.get("DOLMEN_MODEL_SEED", "0")) or random.randrange(1, 1 << 32)
QUICK_EXAMPLES = 25  # of 50 steps: what ``make test`` has time for
ALL = 10_000
OWNERS = ("1" * 12, "2" * 12)
ETAGS = ("a" * 32, "b" * 32, "c" * 32)

KEYS = (b"a", b"a/b", b"a//", b"b/1", "é/ü".encode())  # few, so that histories meet
names = st.sampled_from(["one"] * 7 + ["two"])
keys = st.sampled_from(KEYS)
etags = st.sampled_from(ETAGS)
picks = st.integers(0, 7)
version_picks = st.none() | picks
texts = st.lists(st.sampled_from([b"a", b"/", b"b", b"c", b"1", b"\xff"]), max_size=3).map(b"".join)
left_outs = st.sampled_from([(), (), (1,), (2, 3)])
delimiters = st.sampled_from([b"", b"/", b"//", b"b", b"/b"])
class ManualClock:
    now = 1_000_000_000_000_000

    def now_us(self):
        return self.now

    def monotonic_seconds(self):
        return self.now / 1e6


write_conditions = st.sampled_from(
    [WriteCondition()] * 6
    + [WriteCondition(if_none_match=("*",)), WriteCondition(if_match=("*",))]
    + [WriteCondition(if_match=(etag,)) for etag in ETAGS[:2]]
    + [WriteCondition(if_match=ETAGS[1:]), WriteCondition(if_none_match=(ETAGS[1],))]
)
delete_conditions = st.sampled_from(
    [WriteCondition()] * 6
    + [WriteCondition(if_match=(ETAGS[1],)), WriteCondition(if_match=("*",)), WriteCondition(if_match_size=1)]
    + [WriteCondition(if_match_mtime_us=at) for at in (5, ManualClock.now)]
)


def plain(value):
    """Without what a store draws at random: version ids become their sequence, errors their type and arguments."""
    if isinstance(value, Exception):
        return type(value).__name__, [v for v in vars(value).values() if isinstance(v, str | int)]
    if hasattr(value, "write_id"):
        return "an intent"
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, msgspec.Struct):
        fields = {name: plain(getattr(value, name)) for name in value.__struct_fields__}
        if "version_id" in fields:
            fields["version_id"] = seq_of_version_id(value.version_id) or value.version_id
        fields.pop("note_id", None)
        return type(value).__name__, fields
    return value


def bases(layout):
    return [run.base for segment in layout.segments for run in segment.runs]


def step(weight, **arguments):
    """A step and how often it is taken. One rule draws among them: hypothesis would leave most of many rules out."""

    def mark(method):
        method.weight, method.arguments = weight, arguments
        return method

    return mark


class Machine(RuleBasedStateMachine):
    """``real`` and ``model`` are told the same and must answer the same."""

    def __init__(self):
        super().__init__()
        self.runner = asyncio.Runner()
        self.directory = tempfile.TemporaryDirectory()
        self.clock = ManualClock()
        self.clock.now = ManualClock.now
        self.real = self.made()
        self.model = MemoryStore(self.clock, garbage_grace_seconds=60)
        self.runner.run(self.real.open())
        self.drawn = 0  # stripe runs handed out
        self.stored = set()  # bases of data the store was told of and has to account for
        self.intents = []
        self.uploads = []  # records as created
        self.leases = []
        self.epoch = 0

    @rule(data=st.data())
    def one_step(self, data):
        steps = [value for name in dir(type(self)) if hasattr(value := getattr(type(self), name), "weight")]
        chosen = data.draw(st.sampled_from([method for method in steps for _ in range(method.weight)]))
        chosen(self, **{name: data.draw(strategy, label=name) for name, strategy in chosen.arguments.items()})

    def made(self):
        return EmbeddedStore(os.path.join(self.directory.name, "m.db"), self.clock, garbage_grace_seconds=60)

    async def told(self, work):
        """The outcome of ``work``, refusals included; any other error is one of the test or of the store."""
        try:
            return await work
        except DolmenError as refusal:
            return refusal

    def both(self, work):
        """Run on both, compare, return (outcome of the real one, of the model)."""

        async def run():
            return await self.told(work(self.real)), await self.told(work(self.model))

        real, model = self.runner.run(run())
        assert plain(real) == plain(model)
        return real, model

    def layout(self, stripes=1):
        self.drawn += 1
        base = self.drawn.to_bytes(16, "big")
        return ObjectLayout((Segment(10, 4, 2, 1 << 20, 1 << 17, (Run(1, base, 0, stripes),), bytes(4)),))

    def version(self, etag, layout, mtime_us=None):
        checksum = Checksum("CRC32C", "AAAAAA==") if etag == ETAGS[0] else None
        return NewVersion(
            size=ETAGS.index(etag),
            etag=etag,
            owner=OWNERS[0],
            attributes=Attributes(content_type="text/plain", user_metadata={"a": etag[:2]}, checksum=checksum),
            layout=layout,
            mtime_us=mtime_us,
        )

    def bucket(self, name):
        """As it is now; made when there is none, so that no step is wasted."""
        found = self.runner.run(self.model.get_bucket(name))
        if found is None:
            self.make_bucket(name, 0)
        return found or self.runner.run(self.model.get_bucket(name))

    def upload(self, pick):
        """One of the last few."""
        if not self.uploads:
            self.create_upload("one", KEYS[0])
        return self.uploads[-3:][pick % len(self.uploads[-3:])]

    async def version_id_at(self, store, bucket, key, pick):
        """The id of the same version in either store; 7: one that is nobody's, 6: the null version."""
        if pick >= 6:
            return ("null", "ABCDEFGHABCDEFGHABCDEFGH")[pick - 6]
        rows = [row for row in await store.scan_versions(bucket.bucket_id, key, None, None, ALL) if row.key == key]
        return rows[pick % len(rows)].version_id if rows else "nonsense"

    def make_bucket(self, name, owner):
        """Also when there is one."""
        self.drawn += 1
        bucket = BucketRecord(
            name=name,
            bucket_id=self.drawn.to_bytes(16, "little"),
            owner=OWNERS[owner],
            region="r",
            created_us=self.clock.now,
        )
        self.both(lambda store: store.create_bucket(bucket))

    def drop_bucket(self, name, empty):
        bucket = self.bucket(name)

        async def run(store):
            rows = await store.scan_versions(bucket.bucket_id, b"", None, None, ALL) if empty else []
            await store.delete_many(bucket, [DeleteRequest(key=r.key, version_id=r.version_id) for r in rows])
            return await store.delete_bucket(name, bucket.bucket_id)

        self.both(run)

    def check_list(self, scan_of, prefix, delimiter, marker, page_items, position_after):
        """Pages of the real store, put together, are what the whole list of the model rolls up to."""

        async def pages():
            at, entries = marker, []
            while True:
                page = await list_page(
                    scan_of(self.real),
                    prefix=prefix,
                    delimiter=delimiter,
                    marker=at,
                    max_items=page_items,
                    position_after=position_after,
                )
                told = [(row.key, plain(row)) for row in page.rows] + [(p, "prefix") for p in page.common_prefixes]
                entries += sorted(told, key=lambda entry: entry[0])
                if page.next is None:
                    return entries
                assert len(told) == page_items, "a truncated page is full"
                at = page.next

        async def expected():
            entries = []
            start = marker or Position(b"")
            rows = await scan_of(self.model)(start, None, ALL)
            for row in rows:
                rolled = common_prefix(row.key, prefix, delimiter)
                entry = (row.key, plain(row)) if rolled is None else (rolled, "prefix")
                told_before = rolled is not None and marker is not None and marker.key.startswith(rolled)
                if row.key.startswith(prefix) and not told_before and entry not in entries:
                    entries.append(entry)
            return entries

        assert self.runner.run(pages()) == self.runner.run(expected())

    @initialize(versioning=st.sampled_from(Versioning))
    def first_bucket(self, versioning):
        self.make_bucket("one", 0)
        self.set_versioning("one", versioning, False)

    @step(2, name=names, versioning=st.sampled_from(Versioning), stale=st.booleans())
    def set_versioning(self, name, versioning, stale):
        bucket = self.bucket(name)
        changed = msgspec.structs.replace(bucket, versioning=versioning, rev=bucket.rev - stale)
        self.both(lambda store: store.update_bucket(changed))

    @step(6, name=names, puts=st.lists(st.tuples(keys, etags, write_conditions), min_size=1, max_size=8), together=st.booleans())
    def put(self, name, puts, together):
        """One by one, or all in flight at once (the backend takes them in the order they came)."""
        bucket = self.bucket(name)
        layouts = [self.layout() for _ in puts]

        async def one(store, key, etag, condition, layout):
            return await store.commit(await store.begin(bucket, key), self.version(etag, layout), condition)

        async def run(store):
            works = [self.told(one(store, *put, layout)) for put, layout in zip(puts, layouts, strict=True)]
            return list(await asyncio.gather(*works)) if together else [await work for work in works]

        outcomes, _ = self.both(run)
        for outcome, layout in zip(outcomes, layouts, strict=True):
            if not isinstance(outcome, Exception):
                self.stored.update(bases(layout))

    @step(6, name=names, key=keys, pick=version_picks, condition=delete_conditions)
    def delete(self, name, key, pick, condition):
        bucket = self.bucket(name)
        async def run(store):
            version_id = None if pick is None else await self.version_id_at(store, bucket, key, pick)
            return await store.delete(bucket, DeleteRequest(key=key, version_id=version_id, condition=condition))

        self.both(run)

    @step(2, seconds=st.sampled_from([-5, 1, 61, 600]))
    def time_passes(self, seconds):
        self.clock.now += seconds * 1_000_000

    @step(1)
    def reopen(self):
        self.runner.run(self.real.close())
        self.real = self.made()
        self.runner.run(self.real.open())

    @invariant()
    def the_same_is_seen(self):
        async def view(store):
            seen = []
            for name in ("one", "two"):
                bucket = await store.get_bucket(name)
                if bucket is None:
                    continue
                rows = await store.scan_versions(bucket.bucket_id, b"", None, None, ALL)
                seen += [bucket, rows, await store.scan(bucket.bucket_id, b"", None, ALL)]
                seen += [await store.get_version(bucket.bucket_id, key) for key in KEYS]
                seen += [await store.get_version(bucket.bucket_id, row.key, row.version_id) for row in rows]
                seen.append(await store.list_uploads(bucket.bucket_id, b"", "", None, ALL))
            notes = await store.due_garbage(1 << 62, ALL)
            seen.append(sorted((note.due_us, bases(note.layout)) for note in notes))
            seen.append(await store.list_repairs(b"", ALL))
            return seen

        self.both(view)

    def account(self):
        """Each run of stripes handed over is referenced exactly once: by a version, a part or a garbage note."""

        async def run():
            found = []
            for name in ("one", "two"):
                bucket = await self.real.get_bucket(name)
                if bucket is None:
                    continue
                for row in await self.real.scan_versions(bucket.bucket_id, b"", None, None, ALL):
                    version = await self.real.get_version(bucket.bucket_id, row.key, row.version_id)
                    found += bases(version.layout)
            for upload in self.uploads:
                for part in await self.real.list_parts(upload, 0, ALL):
                    found += bases(part.layout)
            for note in await self.real.due_garbage(1 << 62, ALL):
                found += bases(note.layout)
            return found

        assert sorted(self.runner.run(run())) == sorted(self.stored)

    def teardown(self):
        try:
            self.account()
        finally:
            self.runner.run(self.real.close())
            self.runner.close()
            self.directory.cleanup()


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
        rows = self.runner.run(self.model.scan_versions(bucket.bucket_id, b"", None, None, ALL))
        at = None if marker is None or not rows else position_of(rows[marker % len(rows)])

        def scan_of(store):
            return lambda start, end, limit: store.scan_versions(bucket.bucket_id, start.key, start.mark, end, limit)

        self.check_list(scan_of, prefix, delimiter, at, page, position_of)


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
            bucket = BucketRecord(name="", bucket_id=upload.bucket_id, owner="", region="", created_us=0)
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


def position_of(row):
    return Position(row.key, row.seq)


def upload_position_of(row):
    return Position(row.key, row.upload_id)


@pytest.mark.parametrize("machine", [Objects, Uploads, Upkeep])
def test_every_history_ends_as_the_reference_says(machine):
    common = settings(
        stateful_step_count=50,
        deadline=None,
        database=None,
        print_blob=True,
        suppress_health_check=list(HealthCheck),
    )
    if EXAMPLES:
        print(f"DOLMEN_MODEL_EXAMPLES={EXAMPLES} DOLMEN_MODEL_SEED={SEED}")
        run_state_machine_as_test(hypothesis.seed(SEED)(machine), settings=settings(common, max_examples=EXAMPLES))
    else:
        quick = settings(common, max_examples=QUICK_EXAMPLES, derandomize=True, phases=[Phase.generate, Phase.shrink])
        run_state_machine_as_test(machine, settings=quick)
