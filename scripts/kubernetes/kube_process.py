"""The processes of one cluster, remembered on disk by pid *and* start time, so that a later command ends exactly those."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from kube_errors import CommandFailed, KubeToolError

GRACE_SECONDS = 3.0  # between the request to end and SIGKILL
GONE_SECONDS = 10.0  # for the kernel to take away what was killed, on an overloaded machine
POLL_SECONDS = 0.05
# A parent that died before the request to the kernel is noticed by the look after it: no moment is without.
_DIE_WITH_PARENT = ("setpriv", "--pdeathsig", "KILL", "--", "sh", "-c", '[ "$PPID" = "$0" ] || exit 1; exec "$@"')
LOG_LINE_MAX = 300  # characters of a log line that is repeated in an error


def run(
    *argv: str | Path, stdin: str | None = None, check: bool = True, cwd: Path | None = None, timeout_seconds: float | None = None
) -> str:
    """Run a program to its end; what it printed. CommandFailed carries what it said; KubeToolError when it is not there."""
    words = [str(word) for word in argv]
    try:
        done = subprocess.run(words, input=stdin, text=True, capture_output=True, check=False, cwd=cwd, timeout=timeout_seconds)
    except FileNotFoundError as error:
        raise KubeToolError(f"{words[0]} is not installed: scripts/install_kubernetes_tools.sh") from error
    except subprocess.TimeoutExpired as error:
        raise KubeToolError(f"{Path(words[0]).name} did not end within {timeout_seconds:.0f} s") from error
    if check and done.returncode:
        raise CommandFailed(Path(words[0]).name, done.returncode, done.stdout, done.stderr)
    return done.stdout


def free_ports(count: int) -> list[int]:
    """Different TCP ports of 127.0.0.1 that nothing listens on now."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for probe in sockets:
            probe.bind(("127.0.0.1", 0))
        return [int(probe.getsockname()[1]) for probe in sockets]


def started_at(pid: int) -> str | None:
    """The start time of a process: with the pid it names one process for good. None when it is gone, or a zombie.

    A zombie whose threads still run is not gone: they hold its sockets and locks.
    """
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        threads = len(os.listdir(f"/proc/{pid}/task"))
    except OSError:
        return None
    return None if fields[0] == "Z" and threads == 1 else fields[19]


class Processes:
    """Named processes whose pids lie in ``root``/pids and whose output goes to ``root``/logs.

    ``die_with_parent``: the kernel kills them when the thread that started them ends, however it ends.
    """

    def __init__(self, root: Path, *, die_with_parent: bool = False) -> None:
        self._pids, self.logs = root / "pids", root / "logs"
        self._die_with_parent = die_with_parent

    def start(
        self, name: str, argv: Sequence[str | Path], *, netns: str | None = None, environment: Mapping[str, str] | None = None
    ) -> int:
        """Start a process in a session of its own, inside a network namespace when one is named; its pid."""
        self._pids.mkdir(parents=True, exist_ok=True)
        self.logs.mkdir(parents=True, exist_ok=True)
        # Not `ip netns exec`: it mounts /sys anew, without the control groups.
        inside = ["nsenter", f"--net=/run/netns/{netns}", "--"] if netns else []
        guarded = [*_DIE_WITH_PARENT, str(os.getpid())] if self._die_with_parent else []
        with (self.logs / f"{name}.log").open("ab") as log:
            process = subprocess.Popen(
                [*guarded, *inside, *map(str, argv)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                env={**os.environ, **(environment or {})},
            )
        record = {"pid": process.pid, "started_at": started_at(process.pid)}
        (self._pids / name).write_text(json.dumps(record))
        process.returncode = 0  # found by its record from now on, by other processes too: Popen need not warn that it runs
        return process.pid

    def pid(self, name: str) -> int | None:
        """Of a process that still runs; None otherwise."""
        try:
            record = json.loads((self._pids / name).read_text())
        except (OSError, ValueError):
            return None
        pid = int(record["pid"])
        start = started_at(pid)
        return pid if start is not None and start == record["started_at"] else None

    def names(self) -> list[str]:
        """Of all that were started and not stopped, whether they run or not."""
        return sorted(path.name for path in self._pids.iterdir()) if self._pids.is_dir() else []

    def require(self, name: str) -> None:
        """KubeToolError with the last line of its log when a process has ended."""
        if self.pid(name) is None:
            raise KubeToolError(f"{name} ended: {self.last_words(name)}; see {self.logs / f'{name}.log'}")

    def last_words(self, name: str) -> str:
        try:
            lines = (self.logs / f"{name}.log").read_text(errors="replace").split("\n")
        except OSError:
            lines = []
        said = [line.strip() for line in lines if line.strip()]
        return said[-1][:LOG_LINE_MAX] if said else "it said nothing"

    def signal(self, name: str, number: signal.Signals) -> None:
        """Send a signal to a process and to what it started in its group."""
        if pid := self.pid(name):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(pid, number)

    def stop(self, names: Sequence[str], *, grace_seconds: float = GRACE_SECONDS) -> None:
        """End processes together: asked first and killed after the grace; with no grace killed unasked."""
        pids = {name: self.pid(name) for name in names}
        if grace_seconds:
            for name in names:
                self.signal(name, signal.SIGTERM)
            self._wait_gone(names, grace_seconds)
        for name in names:
            self.signal(name, signal.SIGKILL)
        self._wait_gone(names, GONE_SECONDS)
        for name, pid in pids.items():
            if pid is not None:
                with contextlib.suppress(ChildProcessError):  # started by another process, which collects it
                    os.waitpid(pid, os.WNOHANG)
            (self._pids / name).unlink(missing_ok=True)

    def _wait_gone(self, names: Sequence[str], seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while any(self.pid(name) for name in names) and time.monotonic() < deadline:
            time.sleep(POLL_SECONDS)
