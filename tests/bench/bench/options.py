"""The command line of the bench."""

from __future__ import annotations

import argparse
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from dolmen.core.errors import ConfigError
from dolmen.gateway.metadata.cassandra.address import parse_address

SECONDS_DEFAULT = 5.0
QUICK_SECONDS = 1.0
QUICK_ROWS = r"(PUT|GET) (4 KiB|1 MiB|10 MiB) @16$|HEAD|DELETE|DeleteObjects|multipart|LIST 10\^4"
LARGE_LISTS = r"LIST 10\^6 "  # minutes to fill in Cassandra: there only when --only asks for them
NODES = (1, 3)  # of a cluster that is started


class OneLineParser(argparse.ArgumentParser):
    """Says what is wrong in one line."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"bench: {message} (--help lists the options)\n")


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What is asked for."""

    data_dir: Path | None
    keep: bool
    workers: int
    quick: bool
    only: re.Pattern[str] | None
    seconds: float
    passes: int
    output: str
    save: Path | None
    compare: Path | None
    endpoint: tuple[str, int] | None
    server_pid: int
    pin_generator: int | None
    pin_server: str | None
    floors_only: bool
    detail: bool
    metadata: str | None
    metadata_nodes: int  # 0: none are started
    server_args: tuple[str, ...]

    @property
    def on_cassandra(self) -> bool:
        """Whether the metadata are there."""
        return self.metadata is not None or self.metadata_nodes > 0


def parse(argv: Sequence[str]) -> Options:
    """Exits with 2 and one line on what cannot be understood."""
    parser = OneLineParser(prog="bench", description="Measures a Dolmen server. See tests/bench/README.md.")
    add = parser.add_argument
    add("--data-dir", type=Path, help="directory of the server; used for all passes, and not removed (default: a new one per pass)")
    add("--keep", action="store_true", help="keep the temporary directory and say where it is")
    add("--workers", type=int, default=2, help="gateway processes (default 2)")
    add("--quick", action="store_true", help=f"a smoke run of about a minute: fewer rows, {QUICK_SECONDS:.0f} s each")
    add("--only", metavar="REGEX", type=_regex, help="rows whose name matches, e.g. '^PUT 4 KiB' or 'LIST'")
    add("--seconds", type=_positive, help=f"of each row (default {SECONDS_DEFAULT:.0f}); what is in flight then is finished")
    add("--passes", type=int, default=1, help="whole runs; medians are shown (default 1)")
    add("--output", choices=("table", "json"), default="table")
    add("--save", metavar="FILE", type=Path, help="write the result as JSON")
    add("--compare", metavar="FILE", type=Path, help="show the ratio of each row to a saved run")
    add("--endpoint", metavar="HOST:PORT", type=_address, help="a server that runs already (IPv4); keys from DOLMEN_ROOT_*")
    add("--server-pid", type=int, default=0, help="with --endpoint: its process, to measure CPU and memory")
    add("--pin-generator", metavar="CPU", type=int, help="run the load generator on this CPU")
    add("--pin-server", metavar="LIST", help="run the server on these CPUs, e.g. 0 or 0-1")
    add("--floors-only", action="store_true", help="measure the machine, not a server")
    add("--detail", action="store_true", help="also CPU and memory of each process")
    add("--metadata-nodes", type=int, choices=NODES, default=0, help="start so many Cassandra nodes, and keep the metadata there")
    add("--metadata", metavar="cassandra://...", type=_cassandra, help="keep the metadata in this keyspace of nobody else's")
    add("server_args", nargs="*", metavar="-- ARG", help="handed to dolmen dev, e.g. -- --scheme 2+1 --disks 3")
    args = parser.parse_args(argv)
    if args.workers < 1 or args.passes < 1:
        parser.error("--workers and --passes must be at least 1")
    if contradiction := _contradiction(args):
        parser.error(contradiction)
    values = vars(args)
    values["seconds"] = args.seconds or (QUICK_SECONDS if args.quick else SECONDS_DEFAULT)
    values["server_args"] = tuple(args.server_args)
    return Options(**values)


def wanted(options: Options, name: str) -> bool:
    """Whether this row is to run; ``--only`` chooses among all rows, also with ``--quick``."""
    if options.only is not None:
        return options.only.search(name) is not None
    if options.on_cassandra and re.match(LARGE_LISTS, name):
        return False
    return not options.quick or re.search(QUICK_ROWS, name) is not None


def _contradiction(args: argparse.Namespace) -> str:
    """Why the metadata cannot be where they are asked for; or an empty string."""
    if args.metadata_nodes and args.metadata is not None:
        return "--metadata-nodes starts a cluster, --metadata names one: choose"
    if args.metadata_nodes and (args.endpoint is not None or args.data_dir is not None):
        return "--metadata-nodes needs a new server on a new directory (TMPDIR chooses the disk)"
    if args.metadata is not None and args.endpoint is None and args.data_dir is None and args.passes > 1:
        return "one keyspace belongs to one directory: several passes with --metadata need --data-dir"
    return ""


def _cassandra(text: str) -> str:
    try:
        parse_address(text)
    except ConfigError as error:
        raise argparse.ArgumentTypeError(str(error)) from error
    return text


def _regex(text: str) -> re.Pattern[str]:
    try:
        return re.compile(text)
    except re.error as error:
        raise argparse.ArgumentTypeError(f"{text!r} is no regular expression: {error}") from error


def _positive(text: str) -> float:
    try:
        value = float(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is no number") from error
    if not 0 < value <= 600:
        raise argparse.ArgumentTypeError("must be above 0 and at most 600")
    return value


def _address(text: str) -> tuple[str, int]:
    host, _, port = text.removeprefix("http://").rstrip("/").rpartition(":")
    if not host or not port.isdigit():
        raise argparse.ArgumentTypeError(f"{text!r} is not of the form HOST:PORT")
    return host, int(port)
