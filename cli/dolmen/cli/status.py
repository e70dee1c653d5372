"""``dolmen status``: how a running cluster is."""

from __future__ import annotations

import sys
import urllib.parse
from typing import TYPE_CHECKING

import click
import msgspec

from dolmen.cli.http_get import Unreachable, get_tcp
from dolmen.core.errors import ConfigError, Unavailable

if TYPE_CHECKING:
    from rich.table import Table

ASK_SECONDS = 10.0  # the maintenance process asks every datanode before it answers


class DiskReport(msgspec.Struct, frozen=True):
    """One disk as the maintenance process sees it."""

    uuid: str
    location: str
    node: str
    state: str
    capacity_bytes: int
    free_bytes: int
    used_bytes: int
    fragments: int


class GroupsReport(msgspec.Struct, frozen=True):
    total: int
    whole: int
    degraded: int


class UnderReplicatedReport(msgspec.Struct, frozen=True):
    """``known`` is False until every disk has been counted since the last change."""

    stripes: int
    known: bool


class RepairReport(msgspec.Struct, frozen=True):
    queue: int
    repaired_total: int
    running: str


class GarbageReport(msgspec.Struct, frozen=True):
    notes: int
    trashed_total: int


class ClusterReport(msgspec.Struct, frozen=True):
    """The document of ``/v1/status``; fields that are not named here are passed on by ``--output json``."""

    cluster_id: str
    epoch: int
    scheme: str
    disks: list[DiskReport]
    groups: GroupsReport
    under_replicated: UnderReplicatedReport
    repair: RepairReport
    garbage: GarbageReport


@click.command("status")
@click.option("--admin", default="http://127.0.0.1:9001", show_default=True, help="Admin address of the cluster.")
@click.option("--output", type=click.Choice(["table", "json"]), default="table", show_default=True)
def command(admin: str, output: str) -> None:
    """Show disks, groups, repairs and garbage of a running cluster."""
    raw = fetch(admin)
    if output == "json":
        click.echo(msgspec.json.format(raw, indent=2))
        return
    try:
        report = msgspec.json.decode(raw, type=ClusterReport)
    except msgspec.DecodeError as error:
        raise Unavailable(f"{admin} answers something else than a status: {error}") from error
    show(report)


def fetch(admin: str) -> bytes:
    """The status document. Raises ``Unavailable`` when there is none, ``ConfigError`` for a bad address."""
    url = urllib.parse.urlsplit(admin if "://" in admin else f"http://{admin}")
    try:
        port = url.port or 80
    except ValueError as error:
        raise ConfigError(f"{admin!r} is not an address: {error}") from error
    if url.scheme != "http" or not url.hostname:
        raise ConfigError(f"{admin!r} is not of the form http://HOST:PORT")
    try:
        answer = get_tcp(url.hostname, port, "/v1/status", timeout_seconds=ASK_SECONDS)
    except Unreachable as error:
        raise Unavailable(f"no cluster at {admin}: {error}") from error
    if answer.status != 200:
        raise Unavailable(f"no status from {admin}: {_error_of(answer.body) or answer.status}")
    return answer.body


def _error_of(body: bytes) -> str:
    try:
        return str(msgspec.json.decode(body, type=dict[str, object]).get("error", ""))
    except msgspec.DecodeError:
        return ""


def show(report: ClusterReport) -> None:
    """Print it for people."""
    from rich.console import Console

    console = Console(file=sys.stdout, highlight=False, soft_wrap=True)
    console.print(disk_table(report))
    console.print()
    for line in summary_lines(report):
        console.print(line)


def disk_table(report: ClusterReport) -> Table:
    """One row for each disk."""
    from rich.filesize import decimal
    from rich.table import Table

    table = Table(box=None, padding=(0, 2), pad_edge=False)
    for heading in ("disk", "node", "state", "uuid"):
        table.add_column(heading)
    for heading in ("used", "free", "fragments"):
        table.add_column(heading, justify="right")
    for disk in sorted(report.disks, key=lambda each: each.location):
        used, free = decimal(disk.used_bytes), decimal(disk.free_bytes)
        table.add_row(disk.location, disk.node, disk.state, disk.uuid[:8], used, free, f"{disk.fragments:,}")
    return table


def summary_lines(report: ClusterReport) -> list[str]:
    """What is not about a single disk."""
    groups, under = report.groups, report.under_replicated
    stripes = f"{under.stripes:,}" if under.known else f"at least {under.stripes:,}, still counting"
    running = f", now {report.repair.running}" if report.repair.running else ""
    return [
        f"scheme            {report.scheme}, map epoch {report.epoch}, cluster {report.cluster_id}",
        f"groups            {groups.total} ({groups.whole} whole, {groups.degraded} degraded)",
        f"under-replicated  {stripes} stripes",
        f"repairs           {report.repair.queue:,} waiting, {report.repair.repaired_total:,} done{running}",
        f"garbage           {report.garbage.notes:,} notes, {report.garbage.trashed_total:,} fragments freed",
    ]
