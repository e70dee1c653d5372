"""What the planner knows: what is wanted of a cluster's datanodes, and what is seen of them. Values only.

A *domain* is a value of the topology key on Nodes. A *datanode* is one pod: its pool, its domain and its ordinal in their set.
What was not seen is not there: a world is a snapshot, and each plan is made from a fresh one.
"""

from __future__ import annotations

import enum
from typing import NamedTuple

import msgspec


class Datanode(NamedTuple):
    """Names one pod for good: a pod that is made anew on another node is the same datanode."""

    pool: str
    domain: str
    ordinal: int


class Strategy(enum.Enum):
    """What of the running pods may be replaced at a time when their template changes."""

    DOMAIN = "Domain"  # all of one domain
    NODE = "Node"  # one
    MANUAL = "Manual"  # none: whoever deletes a pod gets the new template


class Unsatisfiable(enum.Enum):
    """What to do when the Nodes cannot carry what is wanted."""

    BLOCK = "Block"  # nothing new is placed
    DEGRADE = "Degrade"  # as many as there is room for


class PoolWanted(msgspec.Struct, frozen=True, kw_only=True):
    """One pool: so many datanodes in each domain, or in all together."""

    name: str
    nodes_per_domain: int | None = None
    nodes: int | None = None  # of all domains; shared out evenly
    storage_bytes: int = 0  # of each claim
    allow_multiple_per_node: bool = False


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """The specification, as far as it decides about datanodes."""

    pools: tuple[PoolWanted, ...]
    revisions: dict[str, str] = {}  # of each pool: hash of the pod template that is wanted
    domains: tuple[str, ...] = ()  # (): those of the eligible Nodes
    domains_min: int = 1
    domain_loss_max: int = 1  # how many domains may be away without data being away
    on_unsatisfiable: Unsatisfiable = Unsatisfiable.BLOCK
    strategy: Strategy = Strategy.DOMAIN
    canary: bool = False  # the first pod of a new template goes alone
    maintenance_timeout_seconds: float = 3600.0  # after it the token goes back, once the data is redundant without the domain


class NodeSeen(msgspec.Struct, frozen=True, kw_only=True):
    """A Node that may run datanodes, or runs one."""

    name: str
    domain: str  # "" without the label
    ready: bool = True
    cordoned: bool = False
    eligible: bool = True  # by selector and taints


class PodSeen(msgspec.Struct, frozen=True, kw_only=True):
    """The pod of a datanode."""

    datanode: Datanode
    node: str = ""  # "" while it waits for one
    ready: bool = False
    revision: str = ""
    terminating: bool = False


class SetSeen(msgspec.Struct, frozen=True, kw_only=True):
    """A StatefulSet of datanodes."""

    pool: str
    domain: str
    replicas: int
    revision: str = ""
    storage_bytes: int = 0  # in its claim template


class BudgetSeen(msgspec.Struct, frozen=True, kw_only=True):
    """The PodDisruptionBudget of a domain. An open one is the token."""

    domain: str
    is_open: bool
    open_seconds: float = 0.0
    timed_out_seconds_ago: float | None = None  # when it was taken back because its time was over


class DataSeen(msgspec.Struct, frozen=True, kw_only=True):
    """What the data plane says. ``known`` False: it does not answer, and nothing is concluded from its silence."""

    known: bool = False
    is_redundant: bool = False  # every fragment of every group is where it should be
    draining: frozenset[Datanode] = frozenset()  # being emptied
    emptied: frozenset[Datanode] = frozenset()  # proven: no slot, nothing that the metadata need, what was moved was read back
    registered: frozenset[Datanode] = frozenset()  # has disks in the map
    incomplete: frozenset[Datanode] = frozenset()  # has disks that may lack fragments, as the map says


class World(msgspec.Struct, frozen=True, kw_only=True):
    """Everything seen."""

    nodes: tuple[NodeSeen, ...] = ()
    sets: tuple[SetSeen, ...] = ()
    pods: tuple[PodSeen, ...] = ()
    budgets: tuple[BudgetSeen, ...] = ()
    data: DataSeen = DataSeen()
    claims_bytes: dict[Datanode, int] = {}  # what the smallest claim of each datanode asks for

    def set_of(self, pool: str, domain: str) -> SetSeen | None:
        return next((each for each in self.sets if (each.pool, each.domain) == (pool, domain)), None)

    def pods_of(self, domain: str) -> list[PodSeen]:
        """In the order of their pools and ordinals."""
        return sorted((pod for pod in self.pods if pod.datanode.domain == domain), key=lambda pod: pod.datanode)

    def held(self, pool: str, domain: str) -> int:
        """How many datanodes there are. A set that is gone may have left pods, or data: with fewer replicas they would go, too."""
        found = self.set_of(pool, domain)
        if found is not None:
            return found.replicas
        left = {pod.datanode for pod in self.pods} | self.data.registered
        if not self.data.known:
            left |= self.claims_bytes.keys()
        return max((each.ordinal + 1 for each in left if (each.pool, each.domain) == (pool, domain)), default=0)

    def domains_used(self) -> tuple[str, ...]:
        """Domains that have datanodes, or a set of them, in the order of their names."""
        datanodes = {pod.datanode for pod in self.pods} | self.data.registered
        return tuple(sorted({each.domain for each in self.sets} | {each.domain for each in datanodes}))
