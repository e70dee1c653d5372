"""The command line of ``dolmen dev``."""

from __future__ import annotations

import os
from pathlib import Path

import click

from dolmen.cli.dev.options import PROCESSES_MAX, DevOptions, parse_scheme

DATANODES_DEFAULT = 2  # enough that one may die while reads go on with 4+2; each is a single-threaded process


@click.command("dev")
@click.argument("directory", type=click.Path(path_type=Path, file_okay=False))
@click.option("--listen", default="127.0.0.1:9000", show_default=True, help="HOST:PORT of the S3 endpoint.")
@click.option("--admin-listen", default="127.0.0.1:9001", show_default=True, help="HOST:PORT of health and metrics.")
@click.option("--disks", type=int, help="Disks, each a directory under DIRECTORY/disks.  [default: 6]")
@click.option("--scheme", help="Erasure code, data+parity fragments.  [default: 4+2]")
@click.option("--workers", type=click.IntRange(1, PROCESSES_MAX), help="Gateway processes.  [default: CPU cores]")
@click.option(
    "--datanodes",
    type=click.IntRange(1, PROCESSES_MAX),
    help=f"Datanode processes, sharing the disks.  [default: {DATANODES_DEFAULT}]",
)
@click.option("--accounts", type=click.Path(path_type=Path), help="TOML file of accounts beside the root account.")
@click.option("--region", default="us-east-1", show_default=True, help="The region that clients sign for.")
@click.option("--domain", "domains", multiple=True, help="Serve BUCKET.DOMAIN as well as /BUCKET. Repeatable.")
def command(
    directory: Path,
    listen: str,
    admin_listen: str,
    disks: int | None,
    scheme: str | None,
    workers: int | None,
    datanodes: int | None,
    accounts: Path | None,
    region: str,
    domains: tuple[str, ...],
) -> int:
    """Run a whole cluster on this machine, its data in DIRECTORY.

    Starts and supervises gateways, datanodes and maintenance, and prints what to paste into a client. A second start goes on
    with the same data, whatever ended the first. Ctrl-C stops it. The root account's key is made at the first start; set
    DOLMEN_ROOT_ACCESS_KEY_ID and DOLMEN_ROOT_SECRET_ACCESS_KEY to use another.
    """
    from dolmen.cli.dev.run import run

    options = DevOptions(
        directory=directory,
        listen=listen,
        admin_listen=admin_listen,
        disks=disks,
        scheme=None if scheme is None else parse_scheme(scheme),
        workers=workers or len(os.sched_getaffinity(0)),
        datanodes=datanodes or DATANODES_DEFAULT,
        accounts=accounts,
        region=region,
        domains=domains,
    )
    return run(options)
