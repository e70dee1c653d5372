"""Processes are started again, stopped in order, and never left behind."""

import asyncio
import os
import select
import signal
import subprocess
import sys
import textwrap

import pytest

from dolmen.cli.dev import plan
from dolmen.cli.dev import supervisor as supervisor_module
from dolmen.cli.dev.plan import ProcessSpec, Role
from dolmen.cli.dev.supervisor import Phase, Supervisor
from dolmen.core.clock import SystemClock

SLEEP = "import time; print('up', flush=True); time.sleep(600)"
STUBBORN = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(600)"
PATIENCE_SECONDS = 20


def spec(name, code, role=Role.DATANODE):
    return ProcessSpec(name=name, role=role, argv=(sys.executable, "-c", code), admin_socket="none")


class Run:
    """A supervisor whose changes can be waited for."""

    def __init__(self, tmp_path, *specs):
        self.lines = []
        self.changed = asyncio.Event()
        self.supervisor = Supervisor(specs, tmp_path, SystemClock(), echo=self.echo)
        self.supervisor.watchers.append(lambda child: self.changed.set())

    def echo(self, name, line):
        self.lines.append((name, line))
        self.changed.set()

    async def until(self, condition):
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not condition():
                await self.changed.wait()
                self.changed.clear()


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(supervisor_module, "RESTART_SECONDS_MIN", 0.01)
    monkeypatch.setattr(supervisor_module, "RESTART_SECONDS_MAX", 0.02)


async def test_a_killed_process_is_started_again(tmp_path):
    run = Run(tmp_path, spec("a", SLEEP), spec("b", SLEEP))
    run.supervisor.start()
    await run.until(lambda: len(run.lines) == 2)
    first, second = run.supervisor.children
    pid, other = first.state.pid, second.state.pid
    os.kill(pid, signal.SIGKILL)
    await run.until(lambda: first.state.restarts == 1 and first.state.phase is Phase.RUNNING)
    assert first.state.exit_code == -9
    assert first.state.pid != pid
    assert (second.state.pid, second.state.restarts) == (other, 0), "the others go on"
    await run.supervisor.stop()
    assert {child.state.phase for child in run.supervisor.children} == {Phase.STOPPED}
    assert (first.state.exit_code, first.state.restarts) == (-15, 1)


async def test_gateways_stop_before_datanodes(tmp_path):
    run = Run(tmp_path, spec("d", SLEEP), spec("g", SLEEP, Role.GATEWAY), spec("m", SLEEP, Role.MAINTENANCE))
    stopped = []
    run.supervisor.watchers.append(lambda child: child.state.phase is Phase.STOPPED and stopped.append(child.spec.name))
    run.supervisor.start()
    await run.until(lambda: len(run.lines) == 3)
    await run.supervisor.stop()
    assert stopped == ["g", "m", "d"]


async def test_a_process_that_does_not_listen_is_killed(tmp_path, monkeypatch):
    monkeypatch.setitem(plan.STOP_SECONDS, Role.DATANODE, 0.05)
    run = Run(tmp_path, spec("s", STUBBORN))
    run.supervisor.start()
    await run.until(lambda: run.lines)
    await run.supervisor.stop()
    assert run.supervisor.children[0].state.exit_code == -9


async def test_the_second_signal_kills(tmp_path):
    run = Run(tmp_path, spec("s", STUBBORN))
    run.supervisor.start()
    await run.until(lambda: run.lines)
    stopping = asyncio.create_task(run.supervisor.stop())
    await asyncio.sleep(0)
    run.supervisor.kill()
    await stopping
    assert (run.supervisor.children[0].state.exit_code, run.supervisor.killed) == (-9, True)


async def test_refused_settings_end_the_start_with_their_reason(tmp_path):
    run = Run(tmp_path, spec("a", "import sys; print('a: no such disk', file=sys.stderr); sys.exit(2)"))
    run.supervisor.start()
    async with asyncio.timeout(PATIENCE_SECONDS):
        assert await run.supervisor.refused == "a: a: no such disk"
    await run.supervisor.stop()


async def test_secrets_and_our_own_settings_do_not_reach_the_processes(tmp_path, monkeypatch):
    for name in [name for name in os.environ if name.startswith("DOLMEN_")]:
        monkeypatch.delenv(name)
    for name in ("DOLMEN_ROOT_SECRET_ACCESS_KEY", "DOLMEN_LISTEN", "DOLMEN_GARBAGE_GRACE_SECONDS"):
        monkeypatch.setenv(name, "1")
    code = "import os, time; print(sorted(k for k in os.environ if k.startswith('DOLMEN_')), flush=True); time.sleep(600)"
    run = Run(tmp_path, spec("a", code))
    run.supervisor.start()
    await run.until(lambda: run.lines)
    await run.supervisor.stop()
    assert run.lines == [("a", "['DOLMEN_GARBAGE_GRACE_SECONDS']")]


def test_processes_die_with_a_killed_supervisor():
    code = """
        import os, subprocess, sys
        child = subprocess.Popen(
            [sys.executable, "-P", "-m", "dolmen.cli.dev.child", str(os.getpid()), "http.server", "0"],
            start_new_session=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
        )
        child.stdout.readline()
        print(child.pid, flush=True)
        sys.stdin.read()
    """
    command = [sys.executable, "-c", textwrap.dedent(code)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as parent:
        child = os.pidfd_open(int(parent.stdout.readline()))
        try:
            assert select.select([child], [], [], 0)[0] == [], "it runs"
            parent.kill()
            assert select.select([child], [], [], PATIENCE_SECONDS)[0] == [child], "it ended"
        finally:
            os.close(child)


def test_a_child_without_its_supervisor_does_not_start():
    result = subprocess.run(
        [sys.executable, "-m", "dolmen.cli.dev.child", "1", "this"], capture_output=True, text=True, check=False
    )
    assert (result.returncode, result.stdout) == (1, "")
