"""One node or three in one directory: started together, ended, paused, started again. The command line and the tests use it."""

from __future__ import annotations

import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Self

from cassandra_errors import CassandraToolError, WrongUse
from cassandra_jars import fetch, locked
from cassandra_process import end_node, launch, pid_of, refuse_taken_ports
from cassandra_ready import is_ready
from cassandra_settings import ClusterSettings, nodetool_command

READY_SECONDS = 240.0  # three nodes took 30 s on two busy cores, 85 s on two badly overloaded ones
POLL_SECONDS = 0.2
LOG_LINES = 25  # of a node that failed


class Ring:
    """A cluster whose nodes live in ``directory``/node1 and so on. Every process that has the directory may use it."""

    def __init__(self, settings: ClusterSettings, directory: Path) -> None:
        self.settings = settings
        self.directory = directory

    @classmethod
    def load(cls, directory: Path) -> Self:
        """The cluster that was started in ``directory``; WrongUse when none was."""
        settings = ClusterSettings.load(directory)
        if settings is None:
            raise WrongUse(f"no cluster was started in {directory}")
        return cls(settings, directory)

    @property
    def contact_points(self) -> list[str]:
        return [self.settings.address(node) for node in self.settings.numbers]

    def home(self, node: int) -> Path:
        """Directory of a node; WrongUse when there is no such node."""
        if node not in self.settings.numbers:
            raise WrongUse(f"there is no node {node}: nodes are numbered from 1 to {self.settings.nodes}")
        return self.directory / f"node{node}"

    def pid(self, node: int) -> int | None:
        """Of a node that runs or is paused; None otherwise."""
        return pid_of(self.home(node))

    def launch(self, *, die_with_parent: bool = False) -> list[int]:
        """Start the nodes that do not run (all together: seeds wait for each other); their numbers. Does not wait.

        WrongUse when a port is taken or the directory holds another cluster.
        """
        self.directory.mkdir(parents=True, exist_ok=True)
        fetch(Path(self.settings.cache))
        with locked(self.directory / "lock"):
            self._refuse_another_cluster()
            absent = [node for node in self.settings.numbers if self.pid(node) is None]
            for node in absent:
                refuse_taken_ports(self.settings, node)  # all or none
            self.settings.save(self.directory)
            for node in absent:
                launch(self.settings, self.home(node), node, die_with_parent=die_with_parent)
        return absent

    def start(self) -> list[int]:
        """``launch``, and wait until every node serves."""
        absent = self.launch()
        self.wait_ready()
        return absent

    def wait_ready(self, nodes: list[int] | None = None) -> None:
        """Return when these nodes (or all) serve; CassandraToolError with the end of the log when one ends or is too slow."""
        deadline = time.monotonic() + READY_SECONDS
        for node in nodes or self.settings.numbers:
            while not is_ready(self.settings, node, self._running()):
                ended = self.pid(node) is None
                if ended or time.monotonic() > deadline:
                    log = self.home(node) / "node.log"
                    tail = "\n".join(log.read_text(errors="replace").splitlines()[-LOG_LINES:])
                    raise CassandraToolError(f"node {node} {'ended' if ended else 'is not ready'}; the end of {log}:\n{tail}")
                time.sleep(POLL_SECONDS)

    def restart(self, node: int) -> None:
        """End a node if it runs, start it again, and wait until it serves."""
        with locked(self.directory / "lock"):
            end_node(self.home(node))
            launch(self.settings, self.home(node), node)
        self.wait_ready([node])

    def kill(self, node: int, number: signal.Signals = signal.SIGKILL) -> None:
        """End a node, paused or not, and wait until it is gone; WrongUse when it does not run."""
        self._require(node)
        end_node(self.home(node), number)

    def pause(self, node: int) -> None:
        """SIGSTOP: its sockets stay open and nobody answers. WrongUse when it does not run."""
        os.kill(self._require(node), signal.SIGSTOP)

    def resume(self, node: int) -> None:
        os.kill(self._require(node), signal.SIGCONT)

    def stop(self, number: signal.Signals = signal.SIGTERM) -> None:
        """End every node, all at once; with SIGTERM each drains first. What they wrote stays."""
        with ThreadPoolExecutor(max_workers=self.settings.nodes) as pool:
            list(pool.map(lambda node: end_node(self.home(node), number), self.settings.numbers))

    def nodetool(self, node: int, words: list[str]) -> list[str]:
        """The command line of nodetool for a node that runs."""
        self._require(node)
        return nodetool_command(self.settings, self.home(node), node, words)

    def _require(self, node: int) -> int:
        pid = self.pid(node)
        if pid is None:
            raise WrongUse(f"node {node} is not running")
        return pid

    def _running(self) -> int:
        """How many nodes run and are not paused: at least one, that which is waited for."""
        return sum(pid_of(self.home(node), paused=False) is not None for node in self.settings.numbers) or 1

    def _refuse_another_cluster(self) -> None:
        old = ClusterSettings.load(self.directory)
        if old is None or old == self.settings:
            return
        runs = any(pid_of(self.directory / f"node{node}") for node in old.numbers)
        if runs or (old.nodes, old.net) != (self.settings.nodes, self.settings.net):
            kind = f"{old.nodes} node(s) on {old.net}, commit log {old.commitlog}, Paxos {old.paxos}"
            raise WrongUse(f"{self.directory} holds a cluster of {kind}: stop it and remove the directory, or choose another --dir")
