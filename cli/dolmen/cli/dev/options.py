"""What ``dolmen dev`` is asked for: its settings, checked before anything is touched."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from dolmen.core.errors import ConfigError
from dolmen.core.settings import Setting

DISKS_MAX = 64  # directories of one machine: more only adds open volumes and processes
FRAGMENTS_MAX = 32  # k + m; ISA-L's matrices and the width of a write fan-out stay small
PROCESSES_MAX = 128  # workers or datanodes: each is a process with its own memory


@dataclass(frozen=True, slots=True)
class Scheme:
    """Erasure code ``k+m``: k data fragments, m parity fragments."""

    k: int
    m: int

    def __str__(self) -> str:
        return f"{self.k}+{self.m}"

    @property
    def width(self) -> int:
        """Disks that a full stripe touches."""
        return self.k + self.m


@dataclass(frozen=True, slots=True, kw_only=True)
class DevOptions:
    """The command line of ``dolmen dev``. ``None``: what the directory already has, or the default."""

    directory: Path
    listen: str = "127.0.0.1:9000"
    admin_listen: str = "127.0.0.1:9001"
    disks: int | None = None
    scheme: Scheme | None = None
    workers: int = 1
    datanodes: int | None = None
    accounts: Path | None = None
    metadata: str | None = None
    region: str = "us-east-1"
    domains: tuple[str, ...] = ()
    log_level: str = "info"


def cores() -> int:
    """CPU cores that this process may use."""
    return len(os.sched_getaffinity(0))


def parse_scheme(text: str) -> Scheme:
    """``"4+2"`` -> Scheme(4, 2). Raises ``ConfigError``."""
    match = re.fullmatch(r"(\d{1,3})\+(\d{1,3})", text)
    if match is None:
        raise ConfigError(f"{text!r} is not of the form K+M, such as 4+2")
    scheme = Scheme(int(match[1]), int(match[2]))
    if scheme.k < 1 or scheme.m < 1:
        raise ConfigError(f"scheme {text} needs at least one data and one parity fragment")
    if scheme.width > FRAGMENTS_MAX:
        raise ConfigError(f"scheme {text} is wider than {FRAGMENTS_MAX} fragments")
    return scheme


def count(maximum: int) -> Callable[[str], int]:
    """A parser of numbers from 1 to ``maximum``."""

    def parse(text: str) -> int:
        if not text.isdigit() or not 1 <= int(text) <= maximum:
            raise ConfigError(f"{text!r} is not a number from 1 to {maximum}")
        return int(text)

    return parse


def level(text: str) -> str:
    """A log level. Raises ``ConfigError``."""
    if text not in ("debug", "info", "warning", "error"):
        raise ConfigError(f"{text!r} is none of debug, info, warning, error")
    return text


def check_geometry(disks: int, scheme: Scheme) -> None:
    """Raises ``ConfigError`` when the disks cannot hold a stripe of the scheme, one fragment each."""
    if disks < scheme.width:
        raise ConfigError(f"scheme {scheme} needs at least {scheme.width} disks, not {disks}")


SETTINGS: tuple[Setting, ...] = (
    Setting(
        flag="listen",
        default="127.0.0.1:9000",
        help="Where S3 is served",
        unit="HOST:PORT",
        reason="nobody else reaches it until you say so",
    ),
    Setting(
        flag="admin-listen",
        default="127.0.0.1:9001",
        help="Where health, metrics and status are served",
        unit="HOST:PORT",
        reason="it has no authentication: keep it on the machine",
    ),
    Setting(
        flag="disks",
        parse=count(DISKS_MAX),
        help="Disks, each a directory under DIR/disks; at the first start 6, later what the directory has",
        unit="number",
        reason="one for each fragment of the default scheme",
    ),
    Setting(
        flag="scheme",
        parse=parse_scheme,
        help="Erasure code; at the first start 4+2, later what the directory has",
        unit="K+M",
        reason="any two of six disks may be lost, for 1.5 times the space",
    ),
    Setting(
        flag="workers",
        parse=count(PROCESSES_MAX),
        help="Gateway processes; by default one for each core",
        unit="number",
        reason="a gateway process is single-threaded",
    ),
    Setting(
        flag="datanodes",
        parse=count(PROCESSES_MAX),
        help="Datanode processes that share the disks; by default one for each core, and so many that none has more than M disks",
        unit="number",
        reason="a datanode process is single-threaded; one that dies must not take more disks away than may be lost",
    ),
    Setting(
        flag="metadata",
        help="Metadata in a Cassandra cluster; at the first start a file in DIR, later what the directory has",
        unit="cassandra://HOST,HOST/KEYSPACE",
        reason="a file serves one machine, and needs nothing else",
    ),
    Setting(flag="accounts", parse=Path, help="Accounts beside the root account", unit="TOML file"),
    Setting(flag="region", default="us-east-1", help="The region that clients sign for", reason="what clients assume"),
    Setting(flag="domain", repeated=True, help="Serve BUCKET.DOMAIN as well as /BUCKET", unit="domain"),
    Setting(flag="log-level", default="info", parse=level, help="debug, info, warning or error", unit="level"),
)
