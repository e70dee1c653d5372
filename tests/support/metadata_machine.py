"""Every backend against the reference in memory: random histories, equal answers after each step.

In ``make test`` the histories are always the same few. More of them, and others each time:
``DOLMEN_MODEL_EXAMPLES=2000 .venv/bin/pytest tests/model``; a failure prints the seed, and ``DOLMEN_MODEL_SEED`` brings it back.
"""

import asyncio
import os
import random
import tempfile
import time

import hypothesis
import msgspec
from cassandra_store import empty, store_of, worker_url
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from dolmen.core.errors import DolmenError
from dolmen.core.layout import ObjectLayout, Run, Segment
from dolmen.gateway.metadata.delimiter import Position, common_prefix, list_page
from dolmen.gateway.metadata.embedded.store import EmbeddedStore
from dolmen.gateway.metadata.memory import MemoryStore
from dolmen.gateway.metadata.records import (
    Attributes,
    BucketRecord,
    Checksum,
    DeleteRequest,
    NewVersion,
    Versioning,
    WriteCondition,
)
from dolmen.gateway.metadata.versions import seq_of_version_id

EXAMPLES = int(os.environ.get("DOLMEN_MODEL_EXAMPLES", "0"))
SEED = int(os.environ.get("DOLMEN_MODEL_SEED", "0")) or random.randrange(1, 1 << 32)
QUICK_EXAMPLES = 25  # of 50 steps: what ``make test`` has time for
CASSANDRA_EXAMPLES = 4  # of 30 steps: each statement takes a millisecond
CASSANDRA_STEPS = 30
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


def plain(value, *, exact=True):
    """Without what a store draws at random: version ids become their sequence, errors their type and arguments.

    ``exact`` False: without sequences too. A store may leave out some (Cassandra does, for changes that make no version): then
    only their order counts, which is that of the rows.
    """
    if isinstance(value, Exception):
        return type(value).__name__, [v for v in vars(value).values() if isinstance(v, str | int)]
    if hasattr(value, "write_id"):
        return "an intent"
    if isinstance(value, list | tuple):
        return [plain(item, exact=exact) for item in value]
    if isinstance(value, msgspec.Struct):
        fields = {name: plain(getattr(value, name), exact=exact) for name in value.__struct_fields__}
        if "version_id" in fields:
            seq = seq_of_version_id(value.version_id)
            fields["version_id"] = value.version_id if seq is None else seq if exact else "an id"
        if not exact:
            fields.pop("seq", None)
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

    url = ""  # of a Cassandra keyspace; without one the embedded store is meant
    latest_us = 0  # of all histories in this process

    def __init__(self):
        super().__init__()
        self.salt = os.urandom(8)  # what is kept under ids of buckets is never asked for again
        self.runner = asyncio.Runner()
        self.directory = tempfile.TemporaryDirectory()
        self.clock = ManualClock()
        # A cluster remembers the times of earlier histories: each has to be later.
        self.clock.now = max(time.time_ns() // 1000, Machine.latest_us) if self.url else ManualClock.now
        self.real = self.made()
        self.model = MemoryStore(self.clock, garbage_grace_seconds=60)
        self.runner.run(self.real.open())
        if self.url:
            self.runner.run(empty(self.real))
        self.drawn = 0  # stripe runs handed out
        self.stored = set()  # bases of data the store was told of and has to account for
        self.intents = []
        self.uploads = []  # records as created
        self.named = {}  # names of buckets by their ids
        self.leases = []
        self.epoch = 0

    @rule(data=st.data())
    def one_step(self, data):
        steps = [value for name in dir(type(self)) if hasattr(value := getattr(type(self), name), "weight")]
        chosen = data.draw(st.sampled_from([method for method in steps for _ in range(method.weight)]))
        chosen(self, **{name: data.draw(strategy, label=name) for name, strategy in chosen.arguments.items()})

    def plain(self, value):
        return plain(value, exact=not self.url)

    def made(self):
        if self.url:
            return store_of(self.url, self.clock, grace_seconds=60)
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
        assert self.plain(real) == self.plain(model)
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
            bucket_id=self.salt + self.drawn.to_bytes(8, "little"),
            owner=OWNERS[owner],
            region="r",
            created_us=self.clock.now,
        )
        self.named[bucket.bucket_id] = name
        self.both(lambda store: store.create_bucket(bucket))

    def drop_bucket(self, name, empty):
        bucket = self.bucket(name)

        async def run(store):
            rows = await store.scan_versions(bucket.bucket_id, b"", None, None, ALL) if empty else []
            await store.delete_many(bucket, [DeleteRequest(key=r.key, version_id=r.version_id) for r in rows])
            return await store.delete_bucket(name, bucket.bucket_id)

        self.both(run)

    def check_list(self, scan_of, prefix, delimiter, marker, page_items, position_after, real_marker=None):
        """Pages of the real store, put together, are what the whole list of the model rolls up to.

        ``real_marker``: the same position in the real store, where the two number their versions differently.
        """

        async def pages():
            at, entries = real_marker or marker, []
            while True:
                page = await list_page(
                    scan_of(self.real),
                    prefix=prefix,
                    delimiter=delimiter,
                    marker=at,
                    max_items=page_items,
                    position_after=position_after,
                )
                told = [(row.key, self.plain(row)) for row in page.rows] + [(p, "prefix") for p in page.common_prefixes]
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
                entry = (row.key, self.plain(row)) if rolled is None else (rolled, "prefix")
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
        """One by one, or all in flight at once: the embedded store takes them in the order they came."""
        together = together and not self.url
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
        Machine.latest_us = max(Machine.latest_us, self.clock.now + 1_000_000)

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


def position_of(row):
    return Position(row.key, row.seq)


def upload_position_of(row):
    return Position(row.key, row.upload_id)


def check(machine, cassandra=None):
    """Run a machine: the same few histories, or many others (see above). ``cassandra``: contact points, to use a keyspace there."""
    if cassandra is not None:
        machine = type(f"{machine.__name__}OnCassandra", (machine,), {"url": worker_url(cassandra)})
    common = settings(
        stateful_step_count=CASSANDRA_STEPS if machine.url else 50,
        deadline=None,
        database=None,
        print_blob=True,
        suppress_health_check=list(HealthCheck),
    )
    if EXAMPLES:
        print(f"DOLMEN_MODEL_EXAMPLES={EXAMPLES} DOLMEN_MODEL_SEED={SEED}")
        run_state_machine_as_test(hypothesis.seed(SEED)(machine), settings=settings(common, max_examples=EXAMPLES))
    else:
        examples = CASSANDRA_EXAMPLES if machine.url else QUICK_EXAMPLES
        quick = settings(common, max_examples=examples, derandomize=True, phases=[Phase.generate, Phase.shrink])
        run_state_machine_as_test(machine, settings=quick)
