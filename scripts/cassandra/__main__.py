"""Run one or three real Apache Cassandra nodes on loopback addresses, from published Maven artifacts.

    scripts/cassandra start --nodes 3 --dir /tmp/ring --commitlog batch
    scripts/cassandra kill -9 2 --dir /tmp/ring          # also: pause, resume, restart
    scripts/cassandra nodetool 1 --dir /tmp/ring status
    scripts/cassandra stop --dir /tmp/ring

(each after ``python3``). Node N listens on NET.N (127.0.0.N unless --net says otherwise), port 9042. All that a node writes
lies under --dir. Exit codes: 0 done; 1 a node failed or was late, or Java 17 or Maven is missing; 2 wrong use: one line says why.
Needs Linux, Java 17 and Maven: scripts/install_cassandra_tools.sh.
"""

from __future__ import annotations

import argparse
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import NoReturn

from cassandra_errors import CassandraToolError, WrongUse
from cassandra_jars import default_cache, fetch
from cassandra_ring import Ring
from cassandra_settings import COMMITLOGS, NATIVE_PORT, PAXOS_VARIANTS, SIZES, ClusterSettings

DEFAULT_DIRECTORY = Path(__file__).resolve().parents[2] / ".cache" / "cassandra"
OF_ONE_NODE = ("kill", "pause", "resume", "restart", "nodetool")
OF_CLUSTER = ("fetch", "start", "stop", "status")


class _OneLine(argparse.ArgumentParser):
    """Wrong use is told in one line, without the usage before it."""

    def error(self, message: str) -> NoReturn:
        raise WrongUse(f"{message} (see --help)")


def _parse(arguments: list[str]) -> tuple[argparse.Namespace, list[str]]:
    """The command line, and the words that are nodetool's own."""
    parser = _OneLine(
        prog="scripts/cassandra", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    parser.add_argument("command", choices=(*OF_CLUSTER, *OF_ONE_NODE))
    parser.add_argument("node", type=int, nargs="?", help=f"for {', '.join(OF_ONE_NODE)}")
    parser.add_argument("--dir", type=Path, default=DEFAULT_DIRECTORY, help="of data, logs and pids (default: .cache/cassandra)")
    parser.add_argument("-9", dest="sigkill", action="store_true", help="kill: SIGKILL instead of SIGTERM")
    parser.add_argument("--cache", type=Path, help="fetch, start: where the jars are kept (default: $DOLMEN_CASSANDRA_CACHE)")
    parser.add_argument("--nodes", type=int, choices=SIZES, default=1, help="start: how many")
    parser.add_argument("--net", default="127.0.0", help="start: first three parts of the nodes' addresses")
    parser.add_argument("--commitlog", choices=COMMITLOGS, default="periodic", help="start: when it is synchronised")
    parser.add_argument("--paxos", choices=PAXOS_VARIANTS, default="v2", help="start: the variant")
    parser.add_argument("--load-test", action="store_true", help="start: full JIT, 1 GiB of heap; slower start, then faster")
    given, words = parser.parse_known_intermixed_args(arguments)
    if words and given.command != "nodetool":
        raise WrongUse(f"unknown arguments: {' '.join(words)} (see --help)")
    if given.command in OF_ONE_NODE and given.node is None:
        raise WrongUse(f"{given.command} needs the number of a node")
    if given.command in OF_CLUSTER and given.node is not None:
        raise WrongUse(f"{given.command} is of the whole cluster, not of node {given.node}")
    return given, words


def _start(given: argparse.Namespace, directory: Path, cache: Path) -> None:
    began = time.monotonic()
    settings = ClusterSettings(str(cache), given.nodes, given.net, given.commitlog, given.paxos, given.load_test)
    ring = Ring(settings, directory)
    started = ring.start()
    done = f"started {len(started)} node(s) in {time.monotonic() - began:.1f} s" if started else "already running"
    print(f"{done}; contact points: {','.join(f'{address}:{NATIVE_PORT}' for address in ring.contact_points)}")
    where = "" if directory == DEFAULT_DIRECTORY else f" --dir {directory}"
    print(f"to stop: python3 scripts/cassandra stop{where}")


def _of_one_node(given: argparse.Namespace, ring: Ring, words: list[str]) -> int:
    if given.command == "restart":
        ring.restart(given.node)
    elif given.command == "pause":
        ring.pause(given.node)
    elif given.command == "resume":
        ring.resume(given.node)
    elif given.command == "kill":
        ring.kill(given.node, signal.SIGKILL if given.sigkill else signal.SIGTERM)
    else:
        return subprocess.run(ring.nodetool(given.node, words), check=False).returncode
    return 0


def run(arguments: list[str]) -> int:
    """Do one command; the exit code of nodetool, 0 of all others. CassandraToolError when it cannot be done."""
    given, words = _parse(arguments)
    directory, cache = given.dir.absolute(), (given.cache or default_cache()).absolute()
    if given.command == "fetch":
        print(f"{'fetched into' if fetch(cache) else 'already in'} {cache}")
        return 0
    if given.command == "start":
        _start(given, directory, cache)
        return 0
    ring = Ring.load(directory)
    if given.command in OF_ONE_NODE:
        return _of_one_node(given, ring, words)
    if given.command == "stop":
        ring.stop()
    for node in ring.settings.numbers:
        print(f"node {node}: {ring.pid(node) or 'not running'}")
    return 0


def main() -> int:
    try:
        return run(sys.argv[1:])
    except CassandraToolError as error:
        print(f"cassandra: {error}", file=sys.stderr)
        return error.exit_code


if __name__ == "__main__":
    sys.exit(main())
