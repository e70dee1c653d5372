"""Run a real Kubernetes on this machine, compiled from its published Go modules, with no image registry.

    scripts/kubernetes build a fake                        # programs into the cache: a, fake, helm, c, all, or names
    scripts/kubernetes up --fake-nodes 60                  # level a: control plane; nodes only pretend
    scripts/kubernetes up --level c --nodes 3              # level c: real nodes (root only)
    scripts/kubernetes node cut node-2                     # also: boot, freeze, thaw, unplug, plug
    scripts/kubernetes zone cut a                          # the fake nodes of a zone; also: boot
    scripts/kubernetes base-image base.tar python3 ca-certificates
    scripts/kubernetes build-image app.tar --name localhost/app:dev --layer base.tar --layer site-packages:/opt/app
    scripts/kubernetes load-image app.tar
    scripts/kubernetes expose 198.18.0.1:80                # prints a loopback address that leads there
    scripts/kubernetes status
    scripts/kubernetes down                                # data stays; the next up finds it

(each after ``python3``). All that a cluster writes lies under --dir. Exit codes: 0 done; 1 something failed, was late, or is
missing on this machine; 2 wrong use: one line says why. Needs what scripts/install_kubernetes_tools.sh installs;
docs/contributing/kubernetes.md tells more.
"""

from __future__ import annotations

import argparse
import os
import shlex
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

from kube_base_image import make_base
from kube_binaries import LEVELS, asset, names_of
from kube_build import JOBS_MAX, build, default_jobs
from kube_cluster import Cluster
from kube_errors import KubeToolError, WrongUse
from kube_fake_nodes import boot_zone, cut_zone
from kube_images import ImageSettings, build_image, parse_environment, parse_layer
from kube_lifecycle import down, status_lines, up
from kube_node_plan import NodePlan
from kube_nodes import boot, cut, find_node, freeze, load_image, nodes_of, plug, thaw, tunnel, unplug
from kube_plan import LEVELS as CLUSTER_LEVELS
from kube_plan import ClusterPlan
from kube_process import free_ports
from kube_tunnel import split_target

NODE_ACTIONS: dict[str, Callable[[Cluster, NodePlan], None]] = {
    "cut": cut, "boot": boot, "freeze": freeze, "thaw": thaw, "unplug": unplug, "plug": plug,
}  # fmt: skip
ZONE_ACTIONS: dict[str, Callable[[Cluster, str], None]] = {"cut": cut_zone, "boot": boot_zone}


class _OneLine(argparse.ArgumentParser):
    """Wrong use is told in one line, without the usage before it."""

    def error(self, message: str) -> NoReturn:
        raise WrongUse(f"{message} (see --help)")


def default_directory() -> Path:
    """Of the one cluster of somebody who names none. Outside of the checkout, which may be on a file system of layers."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "dolmen" / "kubernetes-cluster"


def _build(given: argparse.Namespace) -> None:
    if not 1 <= given.jobs <= JOBS_MAX:
        raise WrongUse(f"--jobs is 1 to {JOBS_MAX}, not {given.jobs}")
    names = names_of(given.programs or ["a"])
    print(build([name for name in names if asset(name) is None], given.jobs))  # the user's own are taken as they are


def _up(given: argparse.Namespace) -> None:
    began = time.monotonic()
    plan = ClusterPlan(given.level, given.nodes, tuple(given.zones.split(",")), given.disks, given.fake_nodes)
    cluster = up(given.dir, plan)
    programs = cluster.binaries["kubectl"].parent
    print(f"ready in {time.monotonic() - began:.1f} s")
    print(f"export KUBECONFIG={shlex.quote(str(cluster.kubeconfig))} PATH={shlex.quote(str(programs))}:$PATH")


def _down(given: argparse.Namespace) -> None:
    down(given.dir)


def _status(given: argparse.Namespace) -> None:
    print("\n".join(status_lines(Cluster.load(given.dir))))


def _node(given: argparse.Namespace) -> None:
    cluster = Cluster.load(given.dir)
    NODE_ACTIONS[given.action](cluster, find_node(cluster, given.name))


def _zone(given: argparse.Namespace) -> None:
    ZONE_ACTIONS[given.action](Cluster.load(given.dir), given.name)


def _expose(given: argparse.Namespace) -> None:
    try:
        split_target(given.target)
    except ValueError as error:
        raise WrongUse(f"{given.target} is no HOST:PORT inside the cluster") from error
    (free,) = free_ports(1)
    port = given.port or free
    tunnel(Cluster.load(given.dir), port, given.target)
    print(f"127.0.0.1:{port}")


def _load_image(given: argparse.Namespace) -> None:
    if not given.tarball.is_file():
        raise WrongUse(f"there is no {given.tarball}")
    cluster = Cluster.load(given.dir)
    for node in nodes_of(cluster):
        load_image(cluster, node, given.tarball)


def _build_image(given: argparse.Namespace) -> None:
    settings = ImageSettings(shlex.split(given.entrypoint), parse_environment(given.env), given.user, given.workdir)
    build_image(given.output.absolute(), given.name, [parse_layer(word) for word in given.layer], settings)


def _base_image(given: argparse.Namespace) -> None:
    make_base(given.output.absolute(), given.packages)


def _parser() -> argparse.ArgumentParser:
    form = argparse.RawDescriptionHelpFormatter
    parser = _OneLine(prog="scripts/kubernetes", description=__doc__, formatter_class=form, allow_abbrev=False)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def command(function: Callable[..., None], name: str, about: str, *, of_cluster: bool = True) -> argparse.ArgumentParser:
        sub = commands.add_parser(name, help=about, description=about, allow_abbrev=False)
        sub.set_defaults(function=function)
        if of_cluster:
            sub.add_argument("--dir", type=Path, default=default_directory(), help="the cluster's own directory")
        return sub

    sub = command(_build, "build", "compile what is not in the cache yet; prints where the programs are", of_cluster=False)
    sub.add_argument("programs", nargs="*", metavar="PROGRAM", help=f"{', '.join(LEVELS)}, or names of programs (default: a)")
    sub.add_argument("--jobs", type=int, default=default_jobs(), help="compilers at once (default: as many as processors)")
    _add_cluster_commands(command)
    sub = command(_build_image, "build-image", "make an image tarball from directories and tar files", of_cluster=False)
    sub.add_argument("output", type=Path)
    sub.add_argument("--name", required=True)
    sub.add_argument("--layer", action="append", required=True, metavar="SOURCE[:TARGET]", help="lowest first")
    sub.add_argument("--entrypoint", default="", help="words as a shell would split them")
    sub.add_argument("--env", action="append", default=[], metavar="NAME=VALUE")
    sub.add_argument("--user", default="0")
    sub.add_argument("--workdir", default="/")
    sub = command(_base_image, "base-image", "make the lowest layer from Debian's packages", of_cluster=False)
    sub.add_argument("output", type=Path)
    sub.add_argument("packages", nargs="+", metavar="PACKAGE")
    return parser


def _add_cluster_commands(command: Callable[..., argparse.ArgumentParser]) -> None:
    sub = command(_up, "up", "start a cluster; one that runs in DIR is ended first, its data kept")
    sub.add_argument("--level", choices=CLUSTER_LEVELS, default="a", help="a: control plane only; c: nodes that run pods")
    sub.add_argument("--nodes", type=int, default=3, help="level c: how many")
    sub.add_argument("--zones", default="a,b,c", help="zone labels, dealt to the nodes in turn")
    sub.add_argument("--disks", type=int, default=2, help="level c: local volumes of each node")
    sub.add_argument("--fake-nodes", type=int, default=0, help="nodes that only pretend to run their pods")
    command(_down, "down", "end the cluster; its data stays")
    command(_status, "status", "what runs")
    sub = command(_node, "node", "make one real node fail, or bring it back")
    sub.add_argument("action", choices=NODE_ACTIONS)
    sub.add_argument("name")
    sub = command(_zone, "zone", "make the fake nodes of one zone fail, or bring them back")
    sub.add_argument("action", choices=ZONE_ACTIONS)
    sub.add_argument("name")
    sub = command(_load_image, "load-image", "put an image tarball on every node")
    sub.add_argument("tarball", type=Path)
    sub = command(_expose, "expose", "reach an address of the cluster at a loopback port")
    sub.add_argument("target", metavar="HOST:PORT", help="inside the cluster")
    sub.add_argument("--port", type=int, default=0, help="on 127.0.0.1 (default: a free one)")


def run(arguments: list[str]) -> None:
    """Do one command; KubeToolError when it cannot be done."""
    given = _parser().parse_args(arguments)
    given.function(given)


def main() -> int:
    try:
        run(sys.argv[1:])
    except KubeToolError as error:
        print(f"kubernetes: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print("kubernetes: interrupted", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
