"""What a cluster is started with, kept in its directory."""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

from kube_addresses import NODES_MAX
from kube_binaries import LEVELS as LEVEL_BINARIES
from kube_errors import WrongUse

CONTROL_PLANE, NODES = "a", "c"
LEVELS = (CONTROL_PLANE, NODES)
DISKS_MAX = 16  # local volumes of a node; more than any machine of the planner's tests has
FAKE_NODES_MAX = 500  # kwok plays them with 110 pods each: the API server, not kwok, is full before
ZONES_MAX = 16  # each zone of fake nodes costs a process of 90 MiB
_ZONE = re.compile(r"[a-z0-9]([-a-z0-9]{0,40}[a-z0-9])?")  # a label's value, and part of file names


@dataclass(frozen=True)
class ClusterPlan:
    """``level``: a (control plane only) or c (real nodes as well); ``zones``: labels that are dealt to the nodes in turn.

    ``nodes`` and ``disks`` (local volumes on each node) are of level c, ``fake_nodes`` of both. WrongUse names the wrong one.
    """

    level: str = CONTROL_PLANE
    nodes: int = 3
    zones: tuple[str, ...] = ("a", "b", "c")
    disks: int = 2
    fake_nodes: int = 0

    def __post_init__(self) -> None:
        if self.level not in LEVELS:
            raise WrongUse(f"the level is one of {', '.join(LEVELS)}, not {self.level}")
        for name, given, least, most in (
            ("nodes", self.nodes, 1, NODES_MAX),
            ("disks", self.disks, 0, DISKS_MAX),
            ("fake nodes", self.fake_nodes, 0, FAKE_NODES_MAX),
            ("zones", len(self.zones), 1, ZONES_MAX),
        ):
            if not least <= given <= most:
                raise WrongUse(f"the number of {name} is {least} to {most}, not {given}")
        wrong = [zone for zone in self.zones if not _ZONE.fullmatch(zone)]
        if wrong or len(set(self.zones)) != len(self.zones):
            raise WrongUse(f"zones are different names of letters, digits and hyphens, not {','.join(self.zones)}")

    @classmethod
    def load(cls, directory: Path) -> Self | None:
        """Of the cluster that was started in ``directory``; None when none was."""
        try:
            fields: dict[str, Any] = json.loads((directory / "cluster.json").read_text())
        except FileNotFoundError:
            return None
        return cls(**{**fields, "zones": tuple(fields["zones"])})

    def save(self, directory: Path) -> None:
        """Appears whole."""
        partial = directory / "cluster.json.partial"
        partial.write_text(json.dumps(asdict(self)))
        partial.replace(directory / "cluster.json")

    @property
    def binaries(self) -> tuple[str, ...]:
        """The programs that such a cluster needs."""
        return (*LEVEL_BINARIES[self.level], *(("kwok",) if self.fake_nodes else ()))

    def zone_of(self, index: int) -> str:
        """Of the node with this index (from 0): zones are dealt in turn, so that they differ by one node at most."""
        return self.zones[index % len(self.zones)]
