"""``make bench``: measures a Dolmen server beside the floors of the machine. See README.md in this directory."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import secrets
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from bench.build import NoCompiler, compiled
from bench.cluster import CLUSTER_ERRORS, Nodes, make_schema, started_nodes
from bench.control import ControlFailed, Endpoint
from bench.floors import measure_floors
from bench.generator import GeneratorFailed
from bench.goals import judge
from bench.listing import listing_rows, prefill
from bench.metadata import Metadata
from bench.objects import object_rows
from bench.options import Options, parse, wanted
from bench.result import NotAResult, Result, compare, describe_machine, load, to_json
from bench.row import Bench, Row, merge
from bench.server import Server, ServerFailed, dolmen_dev, keys_of_environment
from bench.table import compare_table, floors_table, goals_table, number, process_table, rows_table
from bench.warm import warm_up

from dolmen.core.telemetry.log import configure

EXPECTED = (NoCompiler, ControlFailed, GeneratorFailed, NotAResult, ServerFailed, OSError, *CLUSTER_ERRORS)


def progress(text: str) -> None:
    """Progress goes to stderr, so that stdout is the result alone."""
    print(f"bench: {text}", file=sys.stderr, flush=True)


@contextlib.contextmanager
def server_of(options: Options, workdir: Path, metadata: Metadata | None) -> Iterator[Server]:
    """The server to measure: a new one, or the one that runs."""
    if options.endpoint is not None:
        endpoint = Endpoint(*options.endpoint, *keys_of_environment())
        yield Server(endpoint, options.server_pid, options.data_dir, metadata=metadata)
        return
    progress(f"starting dolmen dev with {options.workers} workers")
    with dolmen_dev(workdir / "data" if options.data_dir is None else options.data_dir, options.workers, options.server_args,
                    options.pin_server, metadata) as server:
        yield server


def metadata_of(options: Options, nodes: Nodes | None, index: int) -> Metadata | None:
    """Where a pass keeps its metadata; None: in a file of the server's."""
    if nodes is None:
        return None if options.metadata is None else Metadata(options.metadata)
    url = nodes.url(f"bench_{index + 1}")
    progress("making its keyspace")
    make_schema(url, lambda _: None)
    return Metadata(url, nodes.pids)


@contextlib.contextmanager
def workdir_of(options: Options) -> Iterator[Path]:
    """A directory on the disk of the server, for this pass."""
    if options.data_dir is not None:
        options.data_dir.mkdir(parents=True, exist_ok=True)
        yield options.data_dir
        return
    folder = Path(tempfile.mkdtemp(prefix="dolmen-bench-"))
    try:
        yield folder
    finally:
        if options.keep:
            progress(f"the data is kept in {folder}")
        else:
            shutil.rmtree(folder, ignore_errors=True)


def run_pass(options: Options, workdir: Path, metadata: Metadata | None) -> list[Row]:
    """Every wanted row once. A row that fails is told and does not end the run, unless the server is gone."""
    rows = []
    with server_of(options, workdir, metadata) as server:
        bench = Bench(
            server=server,
            seconds=options.seconds,
            quick=options.quick,
            nonce=secrets.token_hex(4),
            bucket="bench-objects",
            workdir=workdir,
            progress=progress,
            pin_cpu=options.pin_generator,
        )
        server.endpoint.ensure_bucket(bench.bucket)
        if metadata is not None:
            warm_up(bench, len(metadata.node_pids))
        chosen = {name: make for name, make in (*object_rows(), *listing_rows()) if wanted(options, name)}
        for name, make in chosen.items():
            progress(name)
            try:
                if name.startswith("LIST"):
                    prefill(bench, list(chosen))
                row = make(bench)
            except (ControlFailed, GeneratorFailed, OSError) as error:
                row = Row(name=name, errors={"failed": 1}, skipped=f"failed: {' '.join(str(error).split())[:300]}")
            server.check()
            progress(f"  {row.skipped or f'{number(row.rate)}/s, p50 {number(row.p50_ms)} ms, errors {sum(row.errors.values())}'}")
            rows.append(row)
    return rows


def run(options: Options) -> Result:
    """Floors, then all passes, merged."""
    for program in ("load", "stub"):
        compiled(program)
    passes: list[list[Row]] = []
    floors: dict[str, float] = {}
    nodes: Nodes | None = None
    with contextlib.ExitStack() as held:
        for index in range(options.passes):
            with workdir_of(options) as workdir:
                if index == 0:
                    floors = measure_floors(workdir, 1.0 if options.quick else 2.0, options.pin_generator, progress)
                    if options.metadata_nodes and not options.floors_only:  # after the floors, which they would disturb
                        nodes = held.enter_context(started_nodes(options.metadata_nodes, progress))
                if not options.floors_only:
                    progress(f"pass {index + 1} of {options.passes}")
                    passes.append(run_pass(options, workdir, metadata_of(options, nodes, index)))
    rows = [merge(same) for same in zip(*passes, strict=True)]
    settings = {key: str(value) for key, value in dataclasses.asdict(options).items()}
    return Result(floors, rows, settings, describe_machine())


def show(options: Options, result: Result, earlier: Result | None) -> None:
    """The result on stdout."""
    verdicts = [] if options.on_cassandra else judge(result.by_name(), result.floors)  # goals were set for embedded metadata
    if options.output == "json":
        told = to_json(result)
        told["goals"] = [dataclasses.asdict(verdict) for verdict in verdicts]
        if earlier is not None:
            told["compared"] = [dataclasses.asdict(ratio) for ratio in compare(result, earlier)]
        print(json.dumps(told, indent=1))
        return
    machine = ", ".join(f"{key} {value}" for key, value in result.machine.items())
    parts = [machine, floors_table(result.floors)]
    if result.rows:
        parts.append(rows_table(result.rows))
        if options.detail:
            parts.append(process_table(result.rows))
        if verdicts:
            parts.append(goals_table(verdicts, result.floors))
    if earlier is not None:
        parts.append(compare_table(compare(result, earlier), result, earlier))
    print("\n\n".join(parts))


def main(argv: Sequence[str]) -> int:
    """0: all rows ran without errors; 1: some did not, or the bench could not run; 2: not understood."""
    options = parse(argv)
    configure("error", "bench")  # to stderr; that a keyspace is not there before it is made is no news
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # as Ctrl-C: the server is stopped, its directory removed
    begin = time.monotonic()
    try:
        earlier = load(options.compare) if options.compare is not None else None
        result = run(options)
        if options.save is not None:
            options.save.write_text(json.dumps(to_json(result), indent=1) + "\n")
        show(options, result, earlier)
    except EXPECTED as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("bench: interrupted", file=sys.stderr)
        return 1
    progress(f"{time.monotonic() - begin:.0f} s")
    return 1 if any(row.errors for row in result.rows) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
