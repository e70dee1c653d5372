"""``dolmen status``: how a running cluster is."""

from __future__ import annotations

import sys
import urllib.parse
from pathlib import Path

import click
import msgspec
from rich.console import Console
from rich.filesize import decimal
from rich.table import Table

from dolmen.cli.dev.home import read_addresses
from dolmen.cli.http_get import Unreachable, get_tcp
from dolmen.core.cluster_report import ClusterReport, KeysReport
from dolmen.core.errors import ConfigError, Unavailable

ADMIN_DEFAULT = "http://127.0.0.1:9001"
ASK_SECONDS = 10.0  # the maintenance process may be starting again


@click.command("status")
@click.argument("directory", required=False, type=click.Path(path_type=Path), metavar="[DIR]")
@click.option("--admin", metavar="URL", envvar="DOLMEN_ADMIN", help=f"Admin address of the cluster; default {ADMIN_DEFAULT}.")
@click.option("--output", type=click.Choice(["table", "json"]), default="table", show_default=True)
def command(directory: Path | None, admin: str | None, output: str) -> None:
    """Show disks, groups, repairs and garbage of a running cluster.

    The cluster is named by its admin address, or by the DIR that `dolmen dev` was given.
    """
    if directory is not None:
        admin = read_addresses(directory).admin
    where = admin or ADMIN_DEFAULT
    raw = fetch(where)
    if output == "json":
        click.echo(msgspec.json.format(raw, indent=2))
        return
    try:
        report = msgspec.json.decode(raw, type=ClusterReport)
    except msgspec.DecodeError as error:
        raise Unavailable(f"{where} answers something else than a status: {error}") from error
    show(report)


def fetch(admin: str) -> bytes:
    """The status document. Raises ``Unavailable`` when there is none, ``ConfigError`` for a bad address."""
    try:
        url = urllib.parse.urlsplit(admin if "://" in admin else f"http://{admin}")
        host, port = url.hostname, url.port or 80
    except ValueError as error:
        raise ConfigError(f"{admin!r} is not an address: {error}") from error
    if url.scheme != "http" or not host:
        raise ConfigError(f"{admin!r} is not of the form http://HOST:PORT")
    try:
        answer = get_tcp(host, port, "/v1/status", timeout_seconds=ASK_SECONDS)
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
    console = Console(file=sys.stdout, highlight=False, soft_wrap=True)
    console.print(disk_table(report))
    console.print()
    for line in summary_lines(report):
        console.print(line, markup=False)


def disk_table(report: ClusterReport) -> Table:
    """One row for each disk."""
    table = Table(box=None, padding=(0, 2), pad_edge=False)
    for heading in ("disk", "state", "uuid"):
        table.add_column(heading, no_wrap=True)
    for heading in ("used", "free", "fragments"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("")
    for disk in report.disks:
        used, free = decimal(disk.used_bytes), decimal(disk.free_bytes)
        state = f"{disk.state}, being filled" if disk.incomplete and disk.state == "ready" else disk.state
        remark = disk.reason if disk.in_map else disk.reason or "not in the cluster map"
        table.add_row(disk.location, state, disk.uuid[:8] or "-", used, free, f"{disk.fragments:,}", remark)
    return table


def summary_lines(report: ClusterReport) -> list[str]:
    """What is not about a single disk."""
    groups, under = report.groups, report.under_replicated
    if not report.epoch:
        return [f"no cluster map yet: {report.waiting_for}"]
    stripes = f"{under.stripes:,}" if under.exact else f"at least {under.stripes:,}, still counting"
    filling = "".join(
        f", disk {fill.uuid[:8]}: {fill.checked:,} compared, {fill.repaired:,} repaired" for fill in report.repair.filling
    )
    rules = report.lifecycle
    lifecycle = []
    if rules is not None and rules.buckets:
        trouble = f", {rules.failed:,} failed and are tried again" if rules.failed else ""
        lifecycle = [f"lifecycle         {rules.buckets:,} buckets, last round {rules.last_round_seconds:.1f} s{trouble}"]
    return [
        f"scheme            {report.scheme}, map epoch {report.epoch}, cluster {report.cluster_id}",
        f"groups            {groups.total} ({groups.whole} whole, {groups.degraded} degraded)",
        f"under-replicated  {stripes} stripes",
        f"repairs           {report.repair.rows:,} rows{filling}",
        f"beyond repair     {report.repair.lost:,} stripes (left by interrupted uploads, or lost)",
        f"garbage           {report.garbage_notes:,} notes",
        *lifecycle,
        *_keys_lines(report.keys),
    ]


def _keys_lines(keys: KeysReport | None) -> list[str]:
    """Nothing where no key was ever rotated."""
    if keys is None or (keys.is_current and not keys.seen):
        return []
    left = f", {keys.left:,} left as they are" if keys.left else ""
    state = "current" if keys.is_current else "being wrapped anew"
    return [f"sealed keys       {state}: {keys.seen:,} versions seen, {keys.rewrapped:,} wrapped anew{left}"]
