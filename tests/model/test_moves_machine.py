"""Every backend against the reference in memory: locks, events, documents, and versions that move. See ``metadata_machine``."""

import msgspec
from hypothesis import strategies as st
from metadata_machine import (
    ALL,
    Machine,
    ManualClock,
    bases,
    check,
    delete_conditions,
    etags,
    keys,
    names,
    picks,
    step,
    version_picks,
    write_conditions,
)

from dolmen.core.layout import ObjectLayout
from dolmen.gateway.metadata.records import NO_CONDITION, DeleteRequest, DocumentChange, Lock, MutablePart

DAY_US = 86_400_000_000
locks = st.sampled_from(
    [None, None, Lock(legal_hold=True), Lock(mode="GOVERNANCE", until_us=ManualClock.now + 300_000_000)]
    + [Lock(mode="COMPLIANCE", until_us=ManualClock.now + span) for span in (-1, 60_000_000, DAY_US)]
)
events = st.sampled_from([b"", b"e1", b"e2"])
documents = st.sampled_from(["a", "b", "ab"])


def as_told(events):
    """Without the drawn ids, which order what came in the same microsecond."""
    told = [msgspec.structs.replace(event, event_id=b"", version_id="") for event in events]
    return sorted(told, key=repr)


class Moves(Machine):
    """Versions under lock, changes that are told, data and names that move."""

    @step(6, name=names, key=keys, etag=etags, condition=write_conditions, lock=locks, event=events)
    def put_locked(self, name, key, etag, condition, lock, event):
        bucket = self.bucket(name)
        layout = self.layout()

        async def run(store):
            version = msgspec.structs.replace(self.version(etag, layout), mutable=MutablePart(lock=lock))
            return await store.commit(await store.begin(bucket, key), version, condition, (), event)

        outcome, _ = self.both(run)
        if not isinstance(outcome, Exception):
            self.stored.update(bases(layout))

    @step(
        5,
        name=names,
        key=keys,
        pick=version_picks,
        condition=delete_conditions,
        bypass=st.booleans(),
        event=events,
        judged=st.sampled_from([None, 0, 1]),
    )
    def delete_locked(self, name, key, pick, condition, bypass, event, judged):
        bucket = self.bucket(name)

        async def run(store):
            version_id = None if pick is None else await self.version_id_at(store, bucket, key, pick)
            found = await store.get_version(bucket.bucket_id, key, version_id)
            seq = None if judged is None or found is None else found.seq - judged
            request = DeleteRequest(
                key=key, version_id=version_id, condition=condition, bypass_governance=bypass, event=event, if_seq=seq
            )
            return (await store.delete_many(bucket, [request]))[0] if judged else await store.delete(bucket, request)

        self.both(run)

    @step(3, name=names, key=keys, pick=version_picks, lock=locks, event=events)
    def change_lock(self, name, key, pick, lock, event):
        bucket = self.bucket(name)

        async def run(store):
            version_id = None if pick is None else await self.version_id_at(store, bucket, key, pick)
            found = await store.get_version(bucket.bucket_id, key, version_id)
            rev = found.mutable.rev if found is not None else 1
            return await store.update_mutable(bucket.bucket_id, key, version_id, MutablePart(rev=rev, lock=lock), event)

        self.both(run)

    @step(3, name=names, key=keys, pick=version_picks, moved=st.booleans(), stale=st.booleans(), event=events)
    def replace_data(self, name, key, pick, moved, stale, event):
        bucket = self.bucket(name)
        layout = self.layout()

        async def run(store):
            version_id = None if pick is None else await self.version_id_at(store, bucket, key, pick)
            found = await store.get_version(bucket.bucket_id, key, version_id)
            if found is None or found.is_delete_marker:
                return None
            judged = msgspec.structs.replace(found, mutable=MutablePart(rev=found.mutable.rev - stale))
            return await store.replace_data(
                bucket.bucket_id, judged, layout if moved else found.layout, "GLACIER", event
            )

        outcome, _ = self.both(run)
        if moved and outcome is not None and not isinstance(outcome, Exception):
            self.stored.update(bases(layout))

    @step(4, name=names, source=keys, target=keys, of_source=write_conditions, of_target=write_conditions, event=events)
    def rename(self, name, source, target, of_source, of_target, event):
        bucket = self.bucket(name)
        self.both(lambda store: store.rename(bucket, source, target, of_source, of_target, event))

    @step(3, later=st.booleans())
    def deliver(self, later):
        """What is due is the same; it is finished, or put off."""

        async def run(store):
            due = await store.due_events(self.clock.now, ALL)
            ids = [event.event_id for event in due]
            await (store.postpone_events(ids, self.clock.now + 60_000_000) if later else store.finish_events(ids))
            return as_told(due), await store.event_count()

        self.both(run)

    @step(
        4,
        space=names,
        changes=st.lists(
            st.tuples(documents, st.sampled_from([None, b"1", b"2"]), st.sampled_from(["any", "absent", "present"])), max_size=3
        ),
    )
    def write_documents(self, space, changes):
        async def run(store):
            wanted = []
            for name, raw, expected in changes:
                found = await store.get_document(space, "kind", name)
                rev = {"any": None, "absent": 0, "present": found.rev if found is not None else 99}[expected]
                wanted.append(DocumentChange(kind="kind", name=name, raw=raw, expected_rev=rev))
            try:
                return await store.write_documents(space, wanted)
            finally:
                await store.documents_revision(space)

        self.both(run)
        self.both(lambda store: store.list_documents(space, "kind", "", "", ALL))
        self.both(lambda store: store.documents_revision(space))

    @step(1, name=names, pick=picks)
    def empty_object(self, name, pick):
        """A version without bytes moves as well."""
        bucket = self.bucket(name)

        async def run(store):
            version = self.version("a" * 32, ObjectLayout())
            return await store.commit(await store.begin(bucket, b"a"), version, NO_CONDITION, ())

        self.both(run)


def test_histories_of_locks_and_moves_end_as_the_reference_says():
    check(Moves)


def test_histories_of_locks_and_moves_on_cassandra_end_as_the_reference_says(cassandra):
    check(Moves, cassandra)
