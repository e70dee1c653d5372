"""The parts of the backend, wired together once for each process."""

from __future__ import annotations

from collections import OrderedDict

import msgspec

from dolmen.core.clock import Clock
from dolmen.core.layout import ObjectLayout
from dolmen.gateway.metadata.cassandra.address import CassandraAddress
from dolmen.gateway.metadata.cassandra.bucket_delete import Contents
from dolmen.gateway.metadata.cassandra.buckets import Buckets
from dolmen.gateway.metadata.cassandra.cluster import ClusterState
from dolmen.gateway.metadata.cassandra.commits import Commits
from dolmen.gateway.metadata.cassandra.completion import Completion
from dolmen.gateway.metadata.cassandra.cql import Cql
from dolmen.gateway.metadata.cassandra.documents import Documents
from dolmen.gateway.metadata.cassandra.follow import FollowUps, Made
from dolmen.gateway.metadata.cassandra.heads import Heads
from dolmen.gateway.metadata.cassandra.intents import Intents
from dolmen.gateway.metadata.cassandra.listing import Listing
from dolmen.gateway.metadata.cassandra.load import LIMITS, LoadCounters, LoadLimits
from dolmen.gateway.metadata.cassandra.moves import Moves
from dolmen.gateway.metadata.cassandra.notes import NEVER_HAPPENED, NoteBook, Notes, garbage_id, new_garbage_id
from dolmen.gateway.metadata.cassandra.queues import TimeQueue
from dolmen.gateway.metadata.cassandra.repairs import Repairs
from dolmen.gateway.metadata.cassandra.scan import Scanner
from dolmen.gateway.metadata.cassandra.shards import ShardMap
from dolmen.gateway.metadata.cassandra.split import Splitter
from dolmen.gateway.metadata.cassandra.split_duty import SplitDuty
from dolmen.gateway.metadata.cassandra.stamps import Stamps
from dolmen.gateway.metadata.cassandra.sweep import Sweeper
from dolmen.gateway.metadata.cassandra.truth import Truth
from dolmen.gateway.metadata.cassandra.upload_rows import UploadRows
from dolmen.gateway.metadata.cassandra.uploads import Uploads
from dolmen.gateway.metadata.cassandra.usage import UsageSums

NAMES_MAX = 10_000  # of buckets, ~200 bytes each: what load counters hold as well
CACHED_SPACES = "iam/"  # whose revision every request asks for: a change of one waits until no process remembers an older one

_encode = msgspec.msgpack.Encoder().encode


class Names:
    """Names of buckets by their ids, as far as this process has written to them lately."""

    def __init__(self) -> None:
        self._names: OrderedDict[bytes, str] = OrderedDict()

    def put(self, bucket_id: bytes, name: str) -> None:
        self._names[bucket_id] = name
        self._names.move_to_end(bucket_id)
        if len(self._names) > NAMES_MAX:
            self._names.popitem(last=False)

    def get(self, bucket_id: bytes) -> str | None:
        return self._names.get(bucket_id)


class Parts:
    """Everything that works on one session."""

    def __init__(
        self, cql: Cql, address: CassandraAddress, clock: Clock, worker: int, grace_us: int, limits: LoadLimits = LIMITS
    ) -> None:
        """``worker``: > 0, names this process. ``grace_us``: how long what it notes as garbage stays readable."""
        self.clock = clock
        self.grace_us = grace_us
        self.stamps = Stamps(clock)
        self.shard_map = ShardMap(cql)
        self.truth = Truth(cql)
        self.listing = Listing(cql, self.shard_map, self.truth)
        self.scanner = Scanner(cql, self.shard_map, self.truth, self.listing, clock)
        self.garbage = TimeQueue(cql, "garbage", clock)
        self.events = TimeQueue(cql, "events", clock)
        self.repairs = Repairs(cql, clock)
        self.names = Names()
        self.usage = UsageSums(cql, worker, self.stamps)
        splits, shards = TimeQueue(cql, "splits", clock), TimeQueue(cql, "shards", clock)
        self.load = LoadCounters(cql, self.shard_map, splits, worker, clock, self.stamps, self.names.get, limits)
        splitter = Splitter(cql, self.shard_map, self.listing, shards, clock, self.stamps)
        self.splits = SplitDuty(cql, splitter, splits, shards, clock, limits)
        book = NoteBook(self.garbage, self.events, self.repairs, clock)
        self.heads = Heads(TimeQueue(cql, "heads", clock), self.truth, book, clock)
        self.intents = Intents(cql, self.shard_map, worker, clock, self.stamps)
        self.follow = FollowUps(self.listing, self.intents, book, clock, self._told)
        self.commits = Commits(self.truth, self.intents, book, self.follow, clock, grace_us)
        self.follow.settle = self.commits.settle
        self.follow.heads = self.heads
        self.follow.add_garbage = self._add_garbage_of
        self.moves = Moves(self.truth, self.commits, self.intents, self.follow, self.heads, clock)
        self.commits.finish_move = self.moves.finish
        rows, ended = UploadRows(cql), TimeQueue(cql, "ended", clock)
        self.uploads = Uploads(rows, self.intents, self.follow, self.garbage, ended, self.repairs, clock, grace_us)
        self.completion = Completion(rows, self.uploads, self.truth, self.commits, self.follow, clock, grace_us)
        self.documents = Documents(cql, clock, address.cache_seconds, CACHED_SPACES)
        self.cluster = ClusterState(cql, clock)
        self.buckets = Buckets(cql, self.shard_map, clock, address.cache_seconds)
        self.buckets.knows(
            Contents(
                occupied=self._occupied,
                burned=self.burned,
                end_uploads=self.uploads.end_all,
                drop_space=self.documents.drop_space,
            )
        )
        self.sweeper = Sweeper(
            cql, self.commits, self.intents, self.listing, book, self.heads, ended, self.uploads.tidy, clock
        )

    def _told(self, made: Made) -> None:
        """A change is in the lists."""
        self.usage.note(made.bucket_id, made.change)
        if made.announced is not None and made.announced.places:
            place = made.announced.places[0]
            self.load.note_change(made.bucket_id, made.key, place, made.change, versioned=made.versioned)

    async def flush(self) -> None:
        """Write down what was counted. Never fails: what could not be written is written with the next."""
        await self.usage.flush()
        await self.load.flush()

    async def add_garbage(self, layout: ObjectLayout) -> None:
        """Data that no version will ever refer to."""
        now_us = self.clock.now_us()
        due_us = now_us + self.grace_us
        await self.garbage.add(new_garbage_id(due_us), due_us, _encode(layout), now_us)

    async def _add_garbage_of(self, notes: Notes, layout: ObjectLayout) -> None:
        """Data of the change of these notes, which never happened. Again and again is the same."""
        await self.garbage.add(garbage_id(notes, NEVER_HAPPENED), notes.due_us, _encode(layout), notes.seq)

    async def burned(self, bucket_id: bytes, key: bytes) -> bool:
        """No change of the key that was decided before can land any more; whether it has versions."""
        head = await self.commits.burn(bucket_id, key)
        await self.heads.add_if_empty(bucket_id, key, head)
        return bool(head.versions)

    async def _occupied(self, bucket_id: bytes) -> bool:
        """Whether the bucket has any version or marker."""
        return bool(await self.scanner.scan_versions(bucket_id, b"", None, None, 1))

    async def upkeep(self) -> int:
        """One round of what the backend needs done; how much there was."""
        return sum(await self.sweeper.run_once()) + await self.splits.run_once()

    async def close(self) -> None:
        """Finish what was accepted."""
        await self.buckets.close()
        await self.commits.close()
        await self.follow.close()
        await self.flush()
        await self.documents.close()
