"""The state of the cluster as one document: ``/v1/status`` and the metrics show the same figures."""

from __future__ import annotations

from prometheus_client import Gauge

from dolmen.core.cluster_map import ClusterMap, Disk
from dolmen.core.cluster_report import ClusterReport, DiskReport, FillReport, GroupsReport, RepairReport, UnderReplicated
from dolmen.core.wire import DiskStatus
from dolmen.gateway.maintenance.duties import Duties
from dolmen.gateway.maintenance.leadership import Leadership
from dolmen.gateway.maintenance.publisher import Publisher
from dolmen.gateway.maintenance.topology import USABLE, Sighting
from dolmen.gateway.maintenance.watch import Watch
from dolmen.gateway.metadata.store import MetadataStore

STATES = ("ready", "full", "failed", "missing", "foreign", "unreachable")

DISKS = Gauge("dolmen_disks", "Disks of the cluster map by what their datanodes say", ["state"])
GROUPS = Gauge("dolmen_groups", "Placement groups: whole when every slot is on a usable, complete disk", ["state"])
UNDER_REPLICATED = Gauge("dolmen_under_replicated_stripes", "Stripes known to lack a fragment")
UNDER_REPLICATED_EXACT = Gauge("dolmen_under_replicated_exact", "1 when that number is not only what is known so far")
REPAIR_ROWS = Gauge("dolmen_repair_rows", "Durable repair rows of degraded writes")
LOST = Gauge("dolmen_lost_stripes", "Stripes beyond repair when last compared: left by interrupted uploads, or lost data")
GARBAGE_NOTES = Gauge("dolmen_garbage_notes", "Garbage notes that wait for their grace period or for a disk")
EPOCH = Gauge("dolmen_map_epoch", "Epoch of the cluster map")
LEASE_HELD = Gauge("dolmen_maintenance_lease_held", "1 in the maintenance process that acts")


class Reporter:
    """Gathers the report; cheap enough for every few seconds."""

    def __init__(
        self,
        *,
        store: MetadataStore,
        watch: Watch,
        duties: Duties,
        publisher: Publisher,
        leadership: Leadership,
        cluster_id: str,
    ) -> None:
        self._store = store
        self._watch = watch
        self._duties = duties
        self._publisher = publisher
        self._leadership = leadership
        self._cluster_id = cluster_id

    async def report(self) -> ClusterReport:
        """Raises ``MetadataUnavailable``."""
        rows = await self._store.repair_count()
        notes = await self._store.garbage_count()
        # From here on nothing awaits: the map, the list in it and what was seen belong together.
        cluster_map, incomplete = self._publisher.published, self._publisher.incomplete
        disks = disk_reports(cluster_map, self._watch.sightings, self._watch.silent, incomplete)
        group = None if cluster_map is None else cluster_map.groups[0]
        filling = tuple(
            FillReport(uuid, tally.checked, tally.repaired, tally.missing, tally.lost)
            for uuid, tally in self._duties.tallies.items()
            if uuid in incomplete
        )
        made = ClusterReport(
            cluster_id=self._cluster_id,
            epoch=0 if cluster_map is None else cluster_map.epoch,
            scheme="" if group is None else f"{group.k}+{group.m}",
            leader=self._leadership.held,
            waiting_for=self._publisher.waiting_for if cluster_map is None else "",
            disks=disks,
            groups=groups_report(cluster_map, disks),
            under_replicated=self._under_replicated(disks, filling, rows),
            repair=RepairReport(rows, filling, self._duties.lost),
            garbage_notes=notes,
            lifecycle=self._duties.lifecycle,
            keys=self._duties.keys,
        )
        _measure(made)
        return made

    def _under_replicated(
        self, disks: tuple[DiskReport, ...], filling: tuple[FillReport, ...], rows: int
    ) -> UnderReplicated:
        """Rows, what comparisons found, and what was last seen on a disk that is away (its stripes lack it)."""
        away = [disk for disk in disks if disk.in_map and disk.state not in USABLE]
        on_away = max((self._watch.fragments_seen.get(disk.uuid, 0) for disk in away), default=0)
        missing = sum(fill.missing for fill in filling)
        exact = self._publisher.published is not None and not away and not self._publisher.incomplete
        return UnderReplicated(rows + missing + on_away, exact)


def disk_reports(
    cluster_map: ClusterMap | None, sightings: list[Sighting], silent: tuple[str, ...], incomplete: tuple[str, ...]
) -> tuple[DiskReport, ...]:
    """The disks of the map by location, then what datanodes have beside them."""
    by_uuid = {sighting.status.uuid: sighting for sighting in sightings if sighting.status.uuid}
    at_location = {sighting.status.location: sighting for sighting in sightings}
    known = () if cluster_map is None else cluster_map.disks
    reports = []
    for disk in sorted(known, key=lambda disk: disk.location):
        found = by_uuid.get(disk.uuid)
        reports.append(
            _away(disk, at_location.get(disk.location), disk.address in silent, disk.uuid in incomplete)
            if found is None
            else _seen(found.address, found.status, True, disk.uuid in incomplete)
        )
    uuids = {disk.uuid for disk in known}
    locations = {disk.location for disk in known}
    for sighting in sightings:
        status = sighting.status
        if status.uuid not in uuids and (status.uuid or status.location not in locations):
            reports.append(_seen(sighting.address, status, False, False))
    return tuple(reports)


def _seen(address: str, status: DiskStatus, in_map: bool, incomplete: bool) -> DiskReport:
    return DiskReport(
        uuid=status.uuid,
        location=status.location,
        address=address,
        state=status.state,
        reason=status.reason,
        incomplete=incomplete,
        in_map=in_map,
        capacity_bytes=status.capacity_bytes,
        free_bytes=status.free_bytes,
        used_bytes=status.used_bytes,
        fragments=status.fragments,
    )


def _away(disk: Disk, there: Sighting | None, silent: bool, incomplete: bool) -> DiskReport:
    """A disk of the map that no datanode serves now."""
    state, reason = "missing", "no datanode has it"
    if silent:
        state, reason = "unreachable", "its datanode does not answer"
    elif there is not None:
        state = there.status.state if there.status.state in STATES and not there.usable else "missing"
        reason = there.status.reason or "another disk is in its place"
    return DiskReport(
        uuid=disk.uuid, location=disk.location, address=disk.address, state=state, reason=reason, incomplete=incomplete
    )


def groups_report(cluster_map: ClusterMap | None, disks: tuple[DiskReport, ...]) -> GroupsReport:
    """A group is degraded while a slot is on a disk that is away or incomplete."""
    whole_disks = {disk.uuid for disk in disks if disk.state in USABLE and not disk.incomplete}
    groups = () if cluster_map is None else cluster_map.groups
    whole = sum(all(uuid in whole_disks for uuid in group.slots) for group in groups)
    return GroupsReport(len(groups), whole, len(groups) - whole)


def _measure(report: ClusterReport) -> None:
    states = [disk.state for disk in report.disks if disk.in_map]
    for state in STATES:
        DISKS.labels(state).set(states.count(state))
    GROUPS.labels("whole").set(report.groups.whole)
    GROUPS.labels("degraded").set(report.groups.degraded)
    UNDER_REPLICATED.set(report.under_replicated.stripes)
    UNDER_REPLICATED_EXACT.set(report.under_replicated.exact)
    REPAIR_ROWS.set(report.repair.rows)
    LOST.set(report.repair.lost)
    GARBAGE_NOTES.set(report.garbage_notes)
    EPOCH.set(report.epoch)
    LEASE_HELD.set(report.leader)
