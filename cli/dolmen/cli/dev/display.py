"""What a person sees: a live table while the processes start, then where to go and what to type."""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from pathlib import Path

import msgspec
from rich.console import Console
from rich.live import Live
from rich.markup import escape
from rich.table import Table

from dolmen.cli.dev.home import RootKeys
from dolmen.cli.dev.supervisor import Child, Phase


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """What was started."""

    endpoint: str  # URL of S3
    admin: str  # URL of the admin address
    directory: Path
    disks: int
    scheme: str
    workers: int
    datanodes: int
    region: str
    keys: RootKeys


def facts(summary: Summary) -> list[tuple[str, str]]:
    """Name and value of everything worth knowing."""
    secret = summary.keys.secret_access_key if summary.keys.generated else "(from the environment)"
    return [
        ("S3 endpoint", summary.endpoint),
        ("access key", summary.keys.access_key_id),
        ("secret key", secret),
        ("region", summary.region),
        ("admin", f"{summary.admin} (/healthz /readyz /metrics /v1/status)"),
        ("data", str(summary.directory)),
        ("disks", f"{summary.disks} (disks/0 to disks/{summary.disks - 1}), scheme {summary.scheme}"),
        ("processes", f"{summary.workers} gateway, {summary.datanodes} datanode, 1 maintenance"),
    ]


def client_lines(summary: Summary) -> list[tuple[str, str]]:
    """Name of a client and what to paste. Secrets given by the environment are not repeated."""
    keys = summary.keys
    secret = keys.secret_access_key if keys.generated else "$DOLMEN_ROOT_SECRET_ACCESS_KEY"
    host = summary.endpoint.removeprefix("http://")
    exports = (
        f"export AWS_ACCESS_KEY_ID={keys.access_key_id} AWS_SECRET_ACCESS_KEY={secret} "
        f"AWS_DEFAULT_REGION={summary.region} AWS_ENDPOINT_URL={summary.endpoint}"
    )
    rclone = f":s3,provider=Minio,env_auth=true,region={summary.region},endpoint='{summary.endpoint}':"
    return [
        ("shell", exports),
        ("aws", "aws s3 mb s3://photos && aws s3 cp FILE s3://photos/"),
        ("boto3", "python3 -c \"import boto3; print(boto3.client('s3').list_buckets()['Buckets'])\""),
        ("rclone", f'rclone lsd "{rclone}"'),
        (
            "s3cmd",
            f"s3cmd --no-ssl --host={host} --host-bucket={host} --access_key={keys.access_key_id} --secret_key={secret} ls",
        ),
    ]


class Display:
    """On a terminal: live table and colours. Elsewhere: one plain line for each event."""

    def __init__(self, *, out: Console, err: Console) -> None:
        self._out = out
        self._err = err
        self._live: Live | None = None
        self._children: list[Child] = []
        self._interactive = out.is_terminal

    def starting(self, children: list[Child]) -> None:
        """Begin to show how the processes come up."""
        self._children = children
        if self._interactive:
            self._live = Live(console=self._out, get_renderable=self._table, refresh_per_second=8, transient=True)
            self._live.start()

    def changed(self, child: Child) -> None:
        """A process was started, died or stopped."""
        state = child.state
        if state.phase is Phase.RUNNING and not self._interactive:
            self._plain(f"started {child.spec.name} (process {state.pid})")
        elif state.phase is Phase.WAITING and state.exit_code is not None:
            self.warn(child.spec.name, f"ended ({ending(state.exit_code)}), starting it again")

    def warn(self, name: str, line: str) -> None:
        """Something that a person should see; ``line`` may be a structured log line."""
        now = datetime.datetime.now(datetime.UTC).astimezone().strftime("%H:%M:%S")
        self._err.print(f"[dim]{now}[/] [yellow]{name}[/] {escape(plain_text(line))}", soft_wrap=True, highlight=False)

    def not_ready_yet(self, reason: str, seconds: float) -> None:
        """It takes long."""
        self.warn("dolmen", f"not ready after {seconds:.0f} s: {reason}")

    def ready(self, summary: Summary, seconds: float) -> None:
        """Everything works."""
        self._end_live()
        grid = Table.grid(padding=(0, 2))
        for name, value in facts(summary):
            grid.add_row(f"[dim]{name}[/]", escape(value))
        if self._interactive:
            self._out.print(grid, soft_wrap=True)
        else:
            for name, value in facts(summary):
                self._plain(f"{name}: {value}")
        self._plain("")
        for name, line in client_lines(summary):
            self._out.print(f"[dim]# {name}[/]\n{escape(line)}", soft_wrap=True, highlight=False)
        self._plain("")
        self._plain(f"ready {summary.endpoint} after {seconds:.1f} s, stop with Ctrl-C")

    def stopping(self) -> None:
        """Ctrl-C or SIGTERM came."""
        self._end_live()
        self._plain("stopping")

    def close(self) -> None:
        self._end_live()

    def _plain(self, line: str) -> None:
        self._out.print(escape(line), soft_wrap=True, highlight=False)
        self._out.file.flush()

    def _end_live(self) -> None:
        if self._live is not None:
            self._live.stop()
            self._live = None

    def _table(self) -> Table:
        table = Table(box=None, padding=(0, 2))
        for heading in ("process", "state", "pid", "restarts"):
            table.add_column(heading, style="dim" if heading != "process" else None)
        for child in self._children:
            state = child.state
            table.add_row(child.spec.name, str(state.phase), str(state.pid or ""), str(state.restarts or ""))
        return table


def ending(exit_code: int) -> str:
    """An exit code in words."""
    return f"killed by signal {-exit_code}" if exit_code < 0 else f"exit code {exit_code}"


def plain_text(line: str) -> str:
    """A structured log line as text for people; other lines as they are."""
    try:
        fields = msgspec.json.decode(line, type=dict[str, object])
    except (msgspec.DecodeError, UnicodeError):
        return line
    event = fields.pop("event", "")
    hidden = ("timestamp", "level", "logger", "room", "exception")
    details = " ".join(f"{name}={value}" for name, value in fields.items() if name not in hidden)
    return f"{event} {details}".rstrip()
