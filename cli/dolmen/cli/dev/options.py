"""What ``dolmen dev`` is asked for, checked before anything is touched."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from dolmen.core.errors import ConfigError

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

    @property
    def write_quorum(self) -> int:
        """Fragments that must be durable before a write is acknowledged."""
        return self.k + (self.m + 1) // 2


@dataclass(frozen=True, slots=True, kw_only=True)
class DevOptions:
    """The command line of ``dolmen dev``. ``None``: what the directory already has, or the default."""

    directory: Path
    listen: str = "127.0.0.1:9000"
    admin_listen: str = "127.0.0.1:9001"
    disks: int | None = None
    scheme: Scheme | None = None
    workers: int = 1
    datanodes: int = 2
    accounts: Path | None = None
    region: str = "us-east-1"
    domains: tuple[str, ...] = ()


def parse_scheme(text: str) -> Scheme:
    """``"4+2"`` -> Scheme(4, 2). Raises ``ConfigError``."""
    match = re.fullmatch(r"(\d{1,3})\+(\d{1,3})", text)
    if match is None:
        raise ConfigError(f"scheme {text!r} is not of the form K+M, such as 4+2")
    scheme = Scheme(int(match[1]), int(match[2]))
    if scheme.k < 1 or scheme.m < 1:
        raise ConfigError(f"scheme {text} needs at least one data and one parity fragment")
    if scheme.width > FRAGMENTS_MAX:
        raise ConfigError(f"scheme {text} is wider than {FRAGMENTS_MAX} fragments")
    return scheme


def check_geometry(disks: int, scheme: Scheme) -> None:
    """Raises ``ConfigError`` when the disks cannot hold a stripe of the scheme, one fragment each."""
    if not 1 <= disks <= DISKS_MAX:
        raise ConfigError(f"--disks must be between 1 and {DISKS_MAX}")
    if disks < scheme.width:
        raise ConfigError(f"scheme {scheme} needs at least {scheme.width} disks, not {disks}")
