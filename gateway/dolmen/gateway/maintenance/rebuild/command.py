"""``dolmen metadata rebuild``: the rows of the metadata store beside what the data volumes say, and rows made of the latter.

By default it changes nothing and tells the differences. Exit codes: 0 when there are none (left), 1 when there are, or when
something could not be done, 2 for bad use.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import cast

import uvloop

from dolmen.core.address import parse_address
from dolmen.core.clock import Clock, SystemClock
from dolmen.core.cluster_key import read_cluster_key
from dolmen.core.cluster_map import ClusterMap
from dolmen.core.erasure import require_isal
from dolmen.core.errors import ConfigError, DolmenError
from dolmen.core.process import tune_malloc
from dolmen.core.settings import Setting, at_least, declare, make_parser, take
from dolmen.core.telemetry.log import configure
from dolmen.datanode.client import DatanodeClient
from dolmen.gateway.kms.choose import key_service
from dolmen.gateway.kms.service import KeyService
from dolmen.gateway.kms.settings import KMS_SETTINGS, kms_settings
from dolmen.gateway.maintenance.rebuild.measure import Meter
from dolmen.gateway.maintenance.rebuild.run import Options, Rebuild, RebuildStore
from dolmen.gateway.maintenance.rebuild.scan import Scan, find_map, present_map, read_map
from dolmen.gateway.maintenance.rebuild.told import Report
from dolmen.gateway.maintenance.throttle import Throttle
from dolmen.gateway.metadata.command.arguments import UNIT
from dolmen.gateway.metadata.command.progress import Progress
from dolmen.gateway.metadata.command.stores import opened
from dolmen.gateway.objects.cluster import ClusterView
from dolmen.gateway.objects.memory import MemoryBudget
from dolmen.gateway.objects.read import ObjectReader

PROGRAM = "dolmen metadata rebuild"
DESCRIPTION = (
    "Compare the metadata with what the data volumes say, and make rows that are missing. Without --write nothing is changed. "
    "With it, gateways and maintenance must not run."
)
READ_BUDGET_BYTES = 64 << 20  # of objects whose ETag is computed: one at a time, a few stripes ahead
INTERRUPTED = 130  # as a shell tells SIGINT


def _address(text: str) -> str:
    parse_address(text)
    return text


SETTINGS: tuple[Setting, ...] = (
    Setting(flag="metadata", required=True, help="The metadata to compare, and to write", unit=UNIT),
    Setting(flag="cluster-id", required=True, help="Identity of the cluster", unit="32 hex digits"),
    Setting(flag="cluster-key-file", required=True, parse=Path, help="File with the key shared by all processes", unit="path"),
    Setting(flag="datanode", required=True, repeated=True, parse=_address, help="A datanode; name all of them", unit="address"),
    *KMS_SETTINGS,
    Setting(
        flag="scratch-directory",
        parse=Path,
        help="Where what does not fit in memory is sorted (about 500 bytes for each stripe, 3,000 for each object); "
        "without it the system's directory of temporary files",
        unit="path",
    ),
    Setting(
        flag="read-bytes-per-second",
        default=128 * 1024 * 1024.0,
        parse=at_least(1024 * 1024, float),
        help="How fast objects are read to compute their ETags",
        unit="bytes per second",
        reason="as repair: a comparison may run while clients are served",
    ),
    Setting(
        flag="log-level",
        default="error",
        help="debug, info, warning or error",
        unit="level",
        reason="results and progress are told anyway",
    ),
)


def arguments_of(argv: Sequence[str]) -> argparse.Namespace:
    """Raises ``ConfigError``; ``--help`` prints and exits."""
    parser = make_parser(PROGRAM, DESCRIPTION)
    parser.add_argument("--write", action="store_true", help="make the rows that are missing, and read their bytes for ETags")
    parser.add_argument(
        "--complete-uploads",
        action="store_true",
        help="make objects, not uploads in progress, of parts that are 1 to N without a gap",
    )
    parser.add_argument("--read-data", action="store_true", help="read all objects, and compare ETags and checksums too")
    parser.add_argument("--verify", action="store_true", help="let datanodes read every fragment and leave out what is rotten")
    parser.add_argument("--output", choices=("text", "json"), default="text", help="default text; json: an object a line")
    declare(parser, SETTINGS)
    found = parser.parse_args(argv)
    take(PROGRAM, SETTINGS, found)
    return found


def main(argv: Sequence[str]) -> int:
    """Entry point of ``python -m dolmen.gateway.maintenance.rebuild``; returns the exit code."""
    try:
        arguments = arguments_of(argv)
        configure(arguments.log_level, "rebuild")
        require_isal()
        tune_malloc()
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            return 0 if runner.run(_run(arguments)) else 1
    except ConfigError as error:
        return _complain(str(error), 2)
    except (DolmenError, OSError) as error:
        return _complain(str(error) or type(error).__name__, 1)
    except KeyboardInterrupt:
        return _complain("interrupted; run it again", INTERRUPTED)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # nothing may be flushed to it at exit
        return 1


def _complain(message: str, exit_code: int) -> int:
    line = " ".join(message.split())
    print(line if line.startswith(PROGRAM) else f"{PROGRAM}: {line}", file=sys.stderr)  # noqa: T201 - the line that the caller sees
    return exit_code


async def _run(arguments: argparse.Namespace) -> bool:
    """Whether both sides are equal in the end."""
    clock = SystemClock()
    client = DatanodeClient(cluster_id=arguments.cluster_id, cluster_key=read_cluster_key(arguments.cluster_key_file))
    try:
        async with opened(arguments.metadata, clock, exists=not arguments.write) as tool:
            store = cast("RebuildStore", tool)  # what tools open is a whole store
            keys = key_service(kms_settings(arguments), store, clock)
            try:
                return await _rebuilt(arguments, store, client, keys, clock)
            finally:
                if keys is not None:
                    await keys.close()
    finally:
        await client.close()


async def _rebuilt(
    arguments: argparse.Namespace, store: RebuildStore, client: DatanodeClient, keys: KeyService | None, clock: Clock
) -> bool:
    view = ClusterView(store, client, clock)
    cluster_map, fragments = await _map(arguments, store, client)
    view.install(cluster_map)
    reader = ObjectReader(view, client, MemoryBudget(READ_BUDGET_BYTES))
    meter = Meter(reader, keys, Throttle(clock, arguments.read_bytes_per_second))
    report = Report(sys.stdout, as_json=arguments.output == "json", writes=arguments.write)
    progress = Progress(sys.stderr)
    options = Options(write=arguments.write, complete_uploads=arguments.complete_uploads, read_data=arguments.read_data)
    with tempfile.TemporaryDirectory(prefix="dolmen-rebuild-", dir=arguments.scratch_directory) as scratch:
        scan = Scan(client, cluster_map, verify=arguments.verify)
        run = Rebuild(store, scan, meter, clock, report, progress, Path(scratch), options)
        try:
            await run.run(fragments)
        finally:
            progress.close()
    report.close()
    return report.summary.is_equal


async def _map(
    arguments: argparse.Namespace, store: RebuildStore, client: DatanodeClient
) -> tuple[ClusterMap, int]:
    """The store's map, or the one that the datanodes remember, which the store then gets; and how many fragments there are.

    Without it a store that is empty would be given a new map, in which no group is where the fragments are.
    """
    published = await store.get_map()
    if published is None:
        published = await find_map(client, arguments.datanode, arguments.cluster_id)
        if published is None:
            raise ConfigError("neither the metadata nor a datanode has a cluster map")
        if arguments.write:
            await store.publish_map(0, *published)
    return await present_map(client, arguments.datanode, read_map(published[1]))
