"""One node as a process: started, found again by pid *and* start time (a recycled pid is never signalled), ended."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import time
from pathlib import Path

from cassandra_errors import WrongUse
from cassandra_settings import ClusterSettings, server_command, write_configuration

STOP_SECONDS = 30.0  # a node drains in about 5 s on a busy machine; then SIGKILL
POLL_SECONDS = 0.05


def kernel_view(pid: int) -> tuple[str, str] | None:
    """State letter and start time of a process (the latter tells it from a later one of the same pid); None if gone."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
        threads = len(os.listdir(f"/proc/{pid}/task"))
    except OSError:
        return None
    return None if fields[0] == "Z" and threads == 1 else (fields[0], fields[19])  # later threads may hold sockets yet


def pid_of(home: Path, *, paused: bool = True) -> int | None:
    """The pid of the node that lives in ``home`` if it runs (or, by default, is paused)."""
    try:
        record = json.loads((home / "pid.json").read_text())
    except (FileNotFoundError, ValueError):
        return None
    view = kernel_view(record["pid"])
    if view is None or view[1] != record["started_at"] or (view[0] == "T" and not paused):
        return None
    return int(record["pid"])


def refuse_taken_ports(settings: ClusterSettings, node: int) -> None:
    """WrongUse when something listens where this node must."""
    for host, port in settings.ports(node):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((host, port))
            except OSError as error:
                reason = f"node {node} needs {host}:{port} ({error.strerror}): stop its owner or choose another --net"
                raise WrongUse(reason) from error


def launch(settings: ClusterSettings, home: Path, node: int, *, die_with_parent: bool = False) -> None:
    """Start one node in a session of its own, with its output in ``home``/node.log; it need not be ready yet.

    ``die_with_parent``: the kernel kills it when the *thread* that called this ends, however it ends.
    """
    refuse_taken_ports(settings, node)
    write_configuration(settings, home, node)
    (home / "tmp").mkdir(exist_ok=True)  # JNA and Netty unpack native libraries there
    command = server_command(settings, home, node)
    if die_with_parent:
        command = ["setpriv", "--pdeathsig", "KILL", "--", *command]
    with (home / "node.log").open("ab") as log:
        process = subprocess.Popen(command, cwd=home, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
    (home / "pid.json").write_text(json.dumps({"pid": process.pid, "started_at": (kernel_view(process.pid) or ("", ""))[1]}))
    process.returncode = 0  # found by pid.json from now on, by other processes too: Popen need not warn that it still runs


def end_node(home: Path, number: signal.Signals = signal.SIGTERM) -> None:
    """End a node, paused or not, and return when it is gone; SIGKILL after STOP_SECONDS."""
    if (pid := pid_of(home)) is None:
        return
    os.kill(pid, number)
    os.kill(pid, signal.SIGCONT)
    deadline = time.monotonic() + STOP_SECONDS
    while pid_of(home) is not None:
        if time.monotonic() > deadline:
            os.kill(pid, signal.SIGKILL)
        time.sleep(POLL_SECONDS)
    with contextlib.suppress(ChildProcessError):  # it was started by another process, which collects it
        os.waitpid(pid, os.WNOHANG)
