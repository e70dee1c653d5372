"""A rebuild from beginning to end: rows, then volumes, then garbage notes are read; what belongs together is sorted together.

The order makes that what changes meanwhile is told as too much rather than as lost: a row that was read has its bytes in the
volumes still (garbage has a grace period), and what was deleted meanwhile has its note.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Protocol, TypeVar

import msgspec

from dolmen.core.clock import Clock
from dolmen.core.cluster_map import ClusterMap, Group, Pool
from dolmen.core.errors import DolmenError
from dolmen.gateway.maintenance.rebuild.compare import Compared, Match, compare, told_plan
from dolmen.gateway.maintenance.rebuild.differences import (
    DIFFERENT,
    Difference,
    FieldDifference,
    bucket_difference,
    field,
    key_text,
)
from dolmen.gateway.maintenance.rebuild.fragments import SeenStripe
from dolmen.gateway.maintenance.rebuild.loading import Loader
from dolmen.gateway.maintenance.rebuild.measure import Meter, bucket_of
from dolmen.gateway.maintenance.rebuild.resolve import Plan, PlannedUpload, PlannedVersion, Refused, resolve
from dolmen.gateway.maintenance.rebuild.rows import Row, buckets_of, garbage_of, key_hash, rows_of
from dolmen.gateway.maintenance.rebuild.scan import Scan
from dolmen.gateway.maintenance.rebuild.sorting import Sorter
from dolmen.gateway.maintenance.rebuild.told import Report
from dolmen.gateway.maintenance.rebuild.writes import Write, first_stripes, writes_of
from dolmen.gateway.metadata.command.progress import Progress
from dolmen.gateway.metadata.records import BucketRecord
from dolmen.gateway.metadata.store import MetadataStore
from dolmen.gateway.metadata.transfer import Transferable

GROUPS_AT_ONCE = 4  # scanned together: the datanodes answer the ones while the others are sorted
TURN_ITEMS = 512  # between two turns of the loop: connections stay alive
KEY_BYTES = 32  # bucket id and hash of the key: what belongs to one key begins with it

T = TypeVar("T", bound=msgspec.Struct)


class RebuildStore(MetadataStore, Transferable, Protocol):
    """The store whose rows are compared and made."""


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked for."""

    write: bool = False
    complete_uploads: bool = False
    read_data: bool = False


class _Home(msgspec.Struct, frozen=True, array_like=True):
    """Under which key a row names a stripe."""

    key: bytes  # bucket id and hash of the key


class Rebuild:
    """One run."""

    def __init__(
        self,
        store: RebuildStore,
        scan: Scan,
        meter: Meter,
        clock: Clock,
        report: Report,
        progress: Progress,
        scratch: Path,
        options: Options,
    ) -> None:
        self._store = store
        self._scan = scan
        self._meter = meter
        self._clock = clock
        self._report = report
        self._summary = report.summary
        self._progress = progress
        self._scratch = scratch
        self._options = options
        self._loader = Loader(store, scan.map, scan.unheard)
        self._buckets: dict[bytes, BucketRecord] = {}  # those that have rows
        self._described: dict[bytes, tuple[int, BucketRecord]] = {}  # as their newest write saw them
        self._new_buckets: dict[bytes, BucketRecord] = {}  # those that rows are made in
        self._refused_buckets: dict[bytes, str] = {}

    async def run(self, fragments_total: int) -> None:
        """Everything; ``fragments_total`` is for the progress only. Raises ``MetadataUnavailable``, ``OSError``."""
        began = self._clock.monotonic_seconds()
        rows, homes = await self._read_rows()
        stripes = await self._read_volumes(fragments_total)
        writes = await self._put_together(stripes, homes)
        await self._settle_buckets()
        await self._compare(rows, writes)
        if self._options.write:
            await self._loader.flush()
        for unheard in self._scan.unheard.values():
            self._report.unheard(unheard)
        self._summary.fragments = self._scan.fragments
        self._summary.read_bytes = self._meter.read_bytes
        self._summary.seconds = round(self._clock.monotonic_seconds() - began, 3)

    # ---- reading -------------------------------------------------------------------------------------------------

    async def _read_rows(self) -> tuple[Sorter[Row], Sorter[_Home]]:
        rows, homes = Sorter(Row, self._scratch), Sorter(_Home, self._scratch)
        self._buckets = await buckets_of(self._store)
        async for row in rows_of(self._store):
            home = row.bucket_id + key_hash(row.key)
            rows.add(home, row)
            for stripe_id in first_stripes(row.layout):
                homes.add(stripe_id, _Home(home))
            self._summary.rows += 1
            self._progress.show(f"{self._summary.rows:,} rows read")
        return rows, homes

    async def _read_volumes(self, fragments_total: int) -> Sorter[SeenStripe]:
        stripes = Sorter(SeenStripe, self._scratch)
        waiting = list(self._scan.map.groups)

        async def take_groups() -> None:
            while waiting:
                await read_group(waiting.pop())

        async def read_group(group: Group) -> None:
            async for stripe in self._scan.stripes(group, self._report.trouble):
                stripes.add(stripe.write_key(), stripe)
                self._summary.stripes += 1
                if self._summary.stripes % TURN_ITEMS == 0:
                    self._show("fragments read", self._scan.fragments, fragments_total)
                    await asyncio.sleep(0)

        async with asyncio.TaskGroup() as group:
            for _ in range(GROUPS_AT_ONCE):
                group.create_task(take_groups())
        return stripes

    async def _put_together(self, stripes: Sorter[SeenStripe], homes: Sorter[_Home]) -> Sorter[Write]:
        """Writes by the key of the row that names them, or else by their own."""
        garbage = await garbage_of(self._store)
        by_stripe = Sorter(Write, self._scratch)
        for write in writes_of(stripes, _pools(self._scan.map), garbage):
            self._summary.writes += 1
            self._summary.garbage += write.is_garbage
            self._learn_bucket(write)
            by_stripe.add(write.first_stripe, write)
            if self._summary.writes % TURN_ITEMS == 0:
                self._progress.show(f"{self._summary.writes:,} bodies put together")
                await asyncio.sleep(0)
        by_home = Sorter(Write, self._scratch)
        named = homes.keyed()
        stripe_id, home = next(named, (b"", None))
        for write in by_stripe:
            while home is not None and stripe_id < write.first_stripe:
                stripe_id, home = next(named, (b"", None))
            is_named = home is not None and stripe_id == write.first_stripe
            own = write.bucket_id + write.key_hash
            by_home.add(home.key if is_named and home is not None else own, write)
        return by_home

    def _learn_bucket(self, write: Write) -> None:
        if write.description is None or write.is_garbage:
            return
        known = self._described.get(write.bucket_id)
        if known is None or write.time_us > known[0]:
            self._described[write.bucket_id] = write.time_us, bucket_of(write.bucket_id, write.description)

    # ---- buckets -------------------------------------------------------------------------------------------------

    async def _settle_buckets(self) -> None:
        """Compare those that have rows, and choose those that rows are made of: of one name the youngest."""
        for bucket_id, row in self._buckets.items():
            known = self._described.get(bucket_id)
            self._tell(bucket_difference(row, None if known is None else known[1]))
        names = {bucket.name for bucket in self._buckets.values()}
        lost = [known[1] for bucket_id, known in self._described.items() if bucket_id not in self._buckets]
        for bucket in sorted(lost, key=lambda one: -one.created_us):
            if bucket.name in names:
                self._refused_buckets[bucket.bucket_id] = "another bucket has the name of its bucket"
                continue
            names.add(bucket.name)
            self._new_buckets[bucket.bucket_id] = bucket
            self._tell(bucket_difference(None, bucket))
            if self._options.write:
                await self._loader.bucket(bucket)

    def _bucket_name(self, bucket_id: bytes) -> str:
        found = self._buckets.get(bucket_id) or self._new_buckets.get(bucket_id)
        if found is None:
            known = self._described.get(bucket_id)
            return bucket_id.hex() if known is None else known[1].name
        return found.name

    # ---- keys ----------------------------------------------------------------------------------------------------

    async def _compare(self, rows: Sorter[Row], writes: Sorter[Write]) -> None:
        done, total = 0, self._summary.rows + self._summary.writes
        for home, some_rows, some_writes in _together(rows, writes):
            bucket_id = home[: KEY_BYTES // 2]
            found = compare(self._bucket_name(bucket_id), some_rows, some_writes)
            await self._read_matches(found, bucket_id)
            unequal = {(one.version_id, one.upload_id, one.part_number) for one in found.differences}
            self._summary.equal += len(some_rows) - len(unequal)
            for difference in found.differences:
                self._tell(difference)
            if found.unknown:
                await self._take(bucket_id, found)
            done += len(some_rows) + len(some_writes)
            self._show("rows and bodies compared", done, total)
            if done % TURN_ITEMS < len(some_rows) + len(some_writes):
                await asyncio.sleep(0)

    async def _read_matches(self, found: Compared, bucket_id: bytes) -> None:
        if not self._options.read_data:
            return
        for match in found.matches:
            told = await self._reread(match, bucket_id)
            if told is not None:
                found.differences.append(told)

    async def _reread(self, match: Match, bucket_id: bytes) -> Difference | None:
        """ETag and checksum of a row beside those of its bytes."""
        row = match.row
        try:
            etag, checksum, exact = await self._meter.row(row, match.bodies)
        except DolmenError as error:
            reason = f"its bytes could not be read to compare ETag and checksum: {error}"
            fields: tuple[FieldDifference, ...] = ()
        else:
            if not exact:
                return None  # sealed with a client's own key: nothing to compare with
            had = row.version.attributes.checksum if row.version is not None else None
            stored = row.part if row.part is not None else row.version
            assert stored is not None
            if row.part is not None:
                had = row.part.checksum
            fields = (*field("etag", stored.etag, etag), *field("checksum", had, checksum))
            reason = "its bytes say something else"
            if not fields:
                return None
        return Difference(
            kind=DIFFERENT,
            what="part" if row.part is not None else "version",
            bucket=self._bucket_name(bucket_id),
            key=key_text(row.key),
            reason=reason,
            version_id="" if row.version is None else row.version.version_id,
            upload_id="" if row.upload is None else row.upload.upload_id,
            part_number=0 if row.part is None else row.part.number,
            fields=fields,
        )

    async def _take(self, bucket_id: bytes, found: Compared) -> None:
        """Make rows of writes that no row names, or tell that one could."""
        refused = self._refused_buckets.get(bucket_id, "")
        if bucket_id not in self._buckets and bucket_id not in self._new_buckets:
            refused = refused or "nothing tells the name of its bucket"
        if refused:
            plan = Plan([], [], [Refused(write, write.problem or refused) for write in found.unknown])
        else:
            plan = resolve(found.unknown, found.held, complete_uploads=self._options.complete_uploads)
        if self._options.write:
            plan = await self._made(bucket_id, plan)
        for difference in told_plan(self._bucket_name(bucket_id), plan):
            self._tell(difference)

    async def _made(self, bucket_id: bytes, plan: Plan) -> Plan:
        """Rows are made; what cannot be read is refused after all."""
        made = Plan([], [], list(plan.refused))
        for version in plan.versions:
            try:
                record, _ = await self._meter.version(version)
            except DolmenError as error:
                made.refused += _unread(version, error)
                continue
            await self._loader.version(bucket_id, record, version.bodies)
            made.versions.append(version)
        for upload in plan.uploads:
            try:
                parts, _ = await self._meter.upload(upload)
            except DolmenError as error:
                made.refused += _unread(upload, error)
                continue
            await self._loader.upload(upload, parts)
            made.uploads.append(upload)
        return made

    def _show(self, step: str, done: int, total: int) -> None:
        self._progress.show(f"{done:,} of {total:,} {step}", done / total if total else None)

    def _tell(self, difference: Difference | None) -> None:
        if difference is not None:
            self._report.difference(difference)


def _unread(planned: PlannedVersion | PlannedUpload, error: DolmenError) -> list[Refused]:
    bodies: Sequence[Write] = planned.bodies if isinstance(planned, PlannedVersion) else planned.parts
    return [Refused(body, f"its bytes cannot be read: {error}") for body in bodies]


class _Pools:
    """How stripes of a scheme are cut today; for writes that do not say."""

    def __init__(self, cluster_map: ClusterMap) -> None:
        found = {(pool.k, pool.m): pool for pool in cluster_map.pools}
        default = cluster_map.default_pool()
        self._pools = {**found, (default.k, default.m): default}

    def __call__(self, k: int, m: int) -> Pool | None:
        return self._pools.get((k, m))


def _pools(cluster_map: ClusterMap) -> _Pools:
    return _Pools(cluster_map)


def _together(rows: Sorter[Row], writes: Sorter[Write]) -> Iterator[tuple[bytes, list[Row], list[Write]]]:
    """Rows and writes of one key after the other."""
    some_rows, some_writes = _grouped(rows), _grouped(writes)
    row, write = next(some_rows, None), next(some_writes, None)
    while row is not None or write is not None:
        if write is None or (row is not None and row[0] < write[0]):
            assert row is not None
            yield row[0], row[1], []
            row = next(some_rows, None)
        elif row is None or write[0] < row[0]:
            yield write[0], [], write[1]
            write = next(some_writes, None)
        else:
            yield row[0], row[1], write[1]
            row, write = next(some_rows, None), next(some_writes, None)


def _grouped(items: Sorter[T]) -> Iterator[tuple[bytes, list[T]]]:
    key = b""
    group: list[T] = []
    for own, item in items.keyed():
        if group and own != key:
            yield key, group
            group = []
        key = own
        group.append(item)
    if group:
        yield key, group
