"""What a person sees."""

import io
from pathlib import Path

import pytest
from rich.console import Console

from dolmen.cli.dev.display import Display, Summary, client_lines, facts, plain_text
from dolmen.cli.dev.home import RootKeys
from dolmen.cli.dev.logs import ProcessLog, worth_showing
from dolmen.cli.dev.options import DevOptions
from dolmen.cli.dev.plan import plan
from dolmen.cli.dev.supervisor import Phase, Supervisor
from dolmen.core.clock import SystemClock


def summary(*, generated=True):
    return Summary(
        endpoint="http://127.0.0.1:9000",
        admin="http://127.0.0.1:9001",
        directory=Path("data"),
        disks=6,
        scheme="4+2",
        workers=2,
        datanodes=2,
        region="us-east-1",
        keys=RootKeys("AKID", "sEcReT", generated=generated),
    )


def display(*, terminal):
    out, err = io.StringIO(), io.StringIO()
    console = Console(file=out, force_terminal=terminal, width=100, color_system=None)
    return Display(out=console, err=Console(file=err, width=200)), out, err


@pytest.mark.parametrize("terminal", [True, False])
def test_everything_to_paste_is_there(terminal):
    shown, out, _ = display(terminal=terminal)
    shown.ready(summary(), 1.25)
    text = out.getvalue()
    for needed in ("http://127.0.0.1:9000", "AKID", "sEcReT", "aws s3", "boto3", "rclone", "s3cmd", "after 1.2 s"):
        assert needed in text


def test_a_secret_of_the_environment_is_not_shown():
    text = str(facts(summary(generated=False))) + str(client_lines(summary(generated=False)))
    assert "sEcReT" not in text
    assert "$DOLMEN_ROOT_SECRET_ACCESS_KEY" in text


async def test_the_start_table_on_a_terminal_and_lines_elsewhere(tmp_path):
    specs = plan(DevOptions(directory=tmp_path, datanodes=2), "c" * 32, 6, "4+2", [], -1)
    supervisor = Supervisor(specs, tmp_path, SystemClock(), echo=lambda name, line: None)
    for terminal in (True, False):
        shown, out, err = display(terminal=terminal)
        shown.starting(supervisor.children)
        child = supervisor.children[0]
        child.state.phase, child.state.pid = Phase.RUNNING, 4711
        shown.changed(child)
        child.state.phase, child.state.exit_code = Phase.WAITING, -9
        shown.changed(child)
        shown.stopping()
        assert "datanode-0" in out.getvalue()
        assert "4711" in out.getvalue()
        assert "killed by signal 9" in err.getvalue()
        assert ("process" in out.getvalue() and "restarts" in out.getvalue()) is terminal


def test_log_lines_are_shown_as_text():
    line = '{"event": "disk is gone", "disk": "disks/1", "level": "error", "timestamp": "t", "room": "datanode"}'
    assert plain_text(line) == "disk is gone disk=disks/1"
    assert plain_text("Segmentation fault") == "Segmentation fault"


def test_only_warnings_and_crashes_are_worth_showing():
    assert worth_showing('{"event": "e", "level": "warning"}')
    assert not worth_showing('{"event": "e", "level": "info"}')
    assert worth_showing("ImportError: no")
    assert not worth_showing('  File "x.py", line 1')
    assert not worth_showing("Traceback (most recent call last):")


def test_a_log_is_bounded_and_loud_processes_are_cut_short(tmp_path, monkeypatch):
    monkeypatch.setattr("dolmen.cli.dev.logs.LOG_BYTES_MAX", 1000)
    monkeypatch.setattr("dolmen.cli.dev.logs.LINE_BYTES_MAX", 100)
    shown = []
    log = ProcessLog(tmp_path / "p.log", shown.append, lambda: 0.0)
    log.feed(b"half a ")
    log.feed(b"line\n" + b"x" * 150 + b"\n" + b"loud\n" * 500)
    log.close()
    assert shown[0] == "half a line"
    assert len(shown) == 21
    assert "more of the same" in shown[-1]
    assert (tmp_path / "p.log").stat().st_size <= 1000
    assert (tmp_path / "p.log.1").stat().st_size <= 1000
