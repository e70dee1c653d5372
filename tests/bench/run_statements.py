"""``make bench-cassandra``: what statements cost, on a cluster that is started for it, or on one that runs.

    run_statements.py [--nodes 1|3] [--seconds 3] [--quick] [--cluster HOST,HOST/KEYSPACE] [--output table|json]

The client is one process as a gateway is: its processor time is that of the driver. The nodes start with the full JIT and the
commit log that Dolmen asks for (batch). A cluster that runs already must have the schema (``dolmen metadata migrate``).
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import sys
from collections.abc import Iterator, Sequence

import uvloop  # as a gateway runs
from bench.cluster import CLUSTER_ERRORS, make_schema, started_nodes
from bench.options import NODES, OneLineParser
from bench.result import describe_machine
from bench.row import Row
from bench.statements import IN_FLIGHT, Load
from bench.table import grid, number

from dolmen.core.telemetry.log import configure
from dolmen.gateway.metadata.cassandra.address import parse_address
from dolmen.gateway.metadata.cassandra.driver import CassandraSession

QUICK_SECONDS = 0.5
WARM_SECONDS = 1.0  # of each kind, not counted: connections, prepared statements, and the nodes' compilers


def progress(text: str) -> None:
    print(f"bench: {text}", file=sys.stderr, flush=True)


@contextlib.contextmanager
def cluster_of(named: str | None, count: int) -> Iterator[tuple[str, Sequence[int]]]:
    """A keyspace with the schema, and the processes of the nodes that are ours."""
    if named is not None:
        yield f"cassandra://{named}?replication_min=1", ()
        return
    with started_nodes(count, progress) as nodes:
        url = nodes.url("bench")
        make_schema(url, progress)
        yield url, nodes.pids


async def measure(url: str, node_pids: Sequence[int], seconds: float) -> list[Row]:
    session = CassandraSession(parse_address(url))
    await session.connect()
    try:
        load = Load(session, node_pids)
        await load.fill()
        rows = []
        for name, one in load.kinds().items():
            await load.row(name, one, max(IN_FLIGHT), min(WARM_SECONDS, seconds))
            for in_flight in IN_FLIGHT:
                progress(f"{name} @{in_flight}")
                rows.append(await load.row(name, one, in_flight, seconds))
        return rows
    finally:
        await session.close()


def table(rows: Sequence[Row]) -> str:
    header = ("", "count", "per s", "p50 ms", "p99 ms", "max ms", "client CPU µs", "nodes' CPU µs", "errors")
    lines = [
        (
            row.name,
            str(row.requests),
            *(number(value) for value in (row.rate, row.p50_ms, row.p99_ms, row.max_ms, row.generator_cpu_ms * 1000)),
            number(None if row.nodes_cpu_ms is None else row.nodes_cpu_ms * 1000),
            str(sum(row.errors.values())),
        )
        for row in rows
    ]
    return grid(header, lines)


def main(argv: Sequence[str]) -> int:
    """0: every statement was answered; 1: some were not, or there is no cluster; 2: not understood."""
    parser = OneLineParser(prog="bench", description="Measures statements to Cassandra.")
    parser.add_argument("--nodes", type=int, choices=NODES, default=1, help="of the cluster that is started")
    parser.add_argument("--cluster", metavar="HOST,HOST/KEYSPACE", help="one that runs, with the schema")
    parser.add_argument("--seconds", type=float, default=3.0, help="of each row")
    parser.add_argument("--quick", action="store_true", help=f"{QUICK_SECONDS} s of each row")
    parser.add_argument("--output", choices=("table", "json"), default="table")
    options = parser.parse_args(argv)
    configure("warning", "bench")  # to stderr: what a cluster should be otherwise explains its figures
    try:
        with cluster_of(options.cluster, options.nodes) as (url, node_pids):
            rows = uvloop.run(measure(url, node_pids, QUICK_SECONDS if options.quick else options.seconds))
    except CLUSTER_ERRORS as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    if options.output == "json":
        print(json.dumps({"machine": describe_machine(), "rows": [dataclasses.asdict(row) for row in rows]}, indent=1))
    else:
        print(", ".join(f"{key} {value}" for key, value in describe_machine().items()), table(rows), sep="\n\n")
    return 1 if any(row.errors for row in rows) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
