"""Starts the processes, restarts what dies, stops all in order."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from dolmen.cli.dev.home import ENV_ACCESS_KEY_ID, ENV_SECRET_ACCESS_KEY
from dolmen.cli.dev.logs import ProcessLog
from dolmen.cli.dev.options import SETTINGS
from dolmen.cli.dev.plan import ProcessSpec, Role
from dolmen.core.clock import Clock

RESTART_SECONDS_MIN = 0.1  # a single crash should hardly be noticed
RESTART_SECONDS_MAX = 5.0  # a process that cannot start must not eat the machine; its port's queue waits this long
STABLE_SECONDS = 10.0  # a process that lived this long starts again without delay
BAD_USE_EXIT = 2  # a process refused its settings: starting it again cannot help
READ_BYTES = 64 * 1024
# Secrets, and settings of ours that a child would take for its own; all others reach it (DOLMEN_GARBAGE_GRACE_SECONDS ...).
HIDDEN_VARIABLES = frozenset({ENV_ACCESS_KEY_ID, ENV_SECRET_ACCESS_KEY, *(setting.variable for setting in SETTINGS)})
KILL_WAIT_SECONDS = 10.0  # a killed process may be stuck in the kernel; then we leave without it


class Phase(StrEnum):
    """What a supervised process is doing."""

    WAITING = "waiting"  # not started, or backing off
    RUNNING = "running"
    STOPPED = "stopped"


@dataclass(slots=True, kw_only=True)
class ProcessState:
    """What is known of a process."""

    phase: Phase = Phase.WAITING
    pid: int = 0
    restarts: int = 0
    exit_code: int | None = None  # of the last run; negative: killed by that signal
    started_seconds: float = 0.0  # monotonic


class Child:
    """One supervised process: a loop of run, wait, back off."""

    def __init__(self, spec: ProcessSpec, log: ProcessLog, clock: Clock, notify: Callable[[Child], None]) -> None:
        self.spec = spec
        self.log = log
        self.state = ProcessState()
        self._clock = clock
        self._notify = notify
        self._process: asyncio.subprocess.Process | None = None
        self._task: asyncio.Task[None] | None = None
        self._stopping = asyncio.Event()

    def start(self) -> None:
        """Begin to run it, until ``stop``."""
        self._task = asyncio.create_task(self._run(), name=self.spec.name)

    async def stop(self) -> None:
        """SIGTERM, then SIGKILL when its time is up; returns when it is gone."""
        self._stopping.set()
        for number, seconds in ((signal.SIGTERM, self.spec.stop_seconds), (signal.SIGKILL, KILL_WAIT_SECONDS)):
            self.signal(number)
            if self._task is None or (await asyncio.wait([self._task], timeout=seconds))[0]:
                return
        assert self._task is not None
        self._task.cancel()

    def signal(self, number: signal.Signals) -> None:
        """Send a signal if there is a process."""
        if self._process is not None and self._process.returncode is None:
            try:
                self._process.send_signal(number)
            except ProcessLookupError:
                return

    async def _run(self) -> None:
        delay = RESTART_SECONDS_MIN
        while not self._stopping.is_set():
            await self._run_once()
            if self._stopping.is_set():
                break
            lived = self._clock.monotonic_seconds() - self.state.started_seconds
            delay = RESTART_SECONDS_MIN if lived >= STABLE_SECONDS else min(delay * 2, RESTART_SECONDS_MAX)
            self.state.restarts += 1
            self._enter(Phase.WAITING)
            try:
                await asyncio.wait_for(self._stopping.wait(), delay)
            except TimeoutError:
                continue
        self._enter(Phase.STOPPED)
        self.log.close()

    async def _run_once(self) -> None:
        self.state.started_seconds = self._clock.monotonic_seconds()
        process = await spawn(self.spec)
        self._process = process
        self.state.pid = process.pid
        self._enter(Phase.RUNNING)
        if self._stopping.is_set():
            process.terminate()  # told to stop while it was being started
        assert process.stdout is not None
        while data := await process.stdout.read(READ_BYTES):
            self.log.feed(data)
        self.state.exit_code = await process.wait()
        self.state.pid = 0
        self.log.flush()
        self._process = None

    def _enter(self, phase: Phase) -> None:
        self.state.phase = phase
        self._notify(self)


async def spawn(spec: ProcessSpec) -> asyncio.subprocess.Process:
    """Start a process that hears no Ctrl-C of the terminal. (``dolmen.cli.dev.child`` makes it die with us.)"""
    return await asyncio.create_subprocess_exec(
        *spec.argv,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env={name: value for name, value in os.environ.items() if name not in HIDDEN_VARIABLES},
        pass_fds=[fd for fd in (spec.listen_fd, spec.keys_fd) if fd is not None],
        start_new_session=True,
    )


class Supervisor:
    """All processes of one cluster. ``refused`` resolves when one of them says that its settings cannot be used."""

    def __init__(
        self,
        specs: Sequence[ProcessSpec],
        logs: Path,
        clock: Clock,
        *,
        echo: Callable[[str, str], None],
    ) -> None:
        self.watchers: list[Callable[[Child], None]] = []  # told of every change of a process
        self.children = [self._child(spec, logs, clock, echo) for spec in specs]
        self.killed = False
        self.was_ready = False  # set by the owner: from then on nothing counts as refused
        self.refused: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    def _child(self, spec: ProcessSpec, logs: Path, clock: Clock, echo: Callable[[str, str], None]) -> Child:
        log = ProcessLog(logs / f"{spec.name}.log", lambda line: echo(spec.name, line), clock.monotonic_seconds)
        return Child(spec, log, clock, self._changed)

    def start(self) -> None:
        """All at once: each waits by itself for what it needs of the others."""
        for child in self.children:
            child.start()

    def of_role(self, role: Role) -> list[Child]:
        return [child for child in self.children if child.spec.role is role]

    async def stop(self) -> None:
        """Gateways first, so that the requests they have find datanodes; then maintenance; then datanodes."""
        for role in reversed(Role):
            await asyncio.gather(*(child.stop() for child in self.of_role(role)))

    def kill(self) -> None:
        """Do not wait any longer."""
        self.killed = True
        for child in self.children:
            child.signal(signal.SIGKILL)

    def _changed(self, child: Child) -> None:
        for watcher in self.watchers:
            watcher(child)
        refused = child.state.phase is Phase.WAITING and child.state.exit_code == BAD_USE_EXIT
        if refused and not self.was_ready and not self.refused.done():
            self.refused.set_result(f"{child.spec.name}: {child.log.last_line}")
