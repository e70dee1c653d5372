"""A small Kubernetes with datanodes and their data, in memory: what the planner's machines act on.

It does what the real controllers do to sets, pods and budgets, and what the data plane does to datanodes that are drained or lost.
It raises ``Unsafe`` when somebody makes a datanode with data unavailable on purpose while data of another domain is.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from dolmen.operator.planner import actions as act
from dolmen.operator.planner.plan import plan
from dolmen.operator.planner.world import (
    BudgetSeen,
    Datanode,
    DataSeen,
    NodeSeen,
    PodSeen,
    SetSeen,
    Wanted,
    World,
)

ROUNDS_MAX = 400  # until everything is as wanted


class Unsafe(AssertionError):
    """Data is made unavailable that must not be."""


@dataclass
class Node:
    domain: str
    ready: bool = True
    cordoned: bool = False


@dataclass
class Pod:
    node: str
    revision: str
    ready: bool = False


@dataclass
class StatefulSet:
    replicas: int
    revision: str
    storage_bytes: int


@dataclass
class Cluster:
    """Acted on by methods; ``world`` is what the operator sees."""

    nodes: dict[str, Node]
    sets: dict[tuple[str, str], StatefulSet] = field(default_factory=dict)
    pods: dict[Datanode, Pod] = field(default_factory=dict)
    open_since: dict[str, float | None] = field(default_factory=dict)  # of each budget; None: closed
    claims: dict[Datanode, int] = field(default_factory=dict)
    registered: set[Datanode] = field(default_factory=set)
    draining: set[Datanode] = field(default_factory=set)
    emptied: set[Datanode] = field(default_factory=set)
    timed_out_at: dict[str, float] = field(default_factory=dict)
    now: float = 0.0
    answers: bool = True  # the data plane
    noticed_redundant: bool = True  # by the data plane, which looks now and then
    missing_in: str = ""  # a domain with a datanode that serves and lacks fragments

    def world(self) -> World:
        data = DataSeen()
        if self.answers:
            data = DataSeen(
                known=True,
                is_redundant=self.noticed_redundant,
                draining=frozenset(self.draining),
                emptied=frozenset(self.emptied),
                registered=frozenset(self.registered),
                incomplete=frozenset(each for each in self.registered if each.domain == self.missing_in),
            )
        return World(
            nodes=tuple(
                NodeSeen(name=name, domain=node.domain, ready=node.ready, cordoned=node.cordoned)
                for name, node in self.nodes.items()
            ),
            sets=tuple(
                SetSeen(pool=pool, domain=domain, replicas=each.replicas, revision=each.revision, storage_bytes=each.storage_bytes)
                for (pool, domain), each in self.sets.items()
            ),
            pods=tuple(
                PodSeen(datanode=datanode, node=pod.node, ready=self.serves(datanode), revision=pod.revision)
                for datanode, pod in self.pods.items()
            ),
            budgets=tuple(
                BudgetSeen(
                    domain=domain,
                    is_open=since is not None,
                    open_seconds=0.0 if since is None else self.now - since,
                    timed_out_seconds_ago=self.now - self.timed_out_at[domain] if domain in self.timed_out_at else None,
                )
                for domain, since in self.open_since.items()
            ),
            data=data,
            claims_bytes=dict(self.claims),
        )

    # ---- what is true ----------------------------------------------------------------------------------------------

    def serves(self, datanode: Datanode) -> bool:
        pod = self.pods.get(datanode)
        return pod is not None and pod.ready and self.nodes[pod.node].ready

    def away(self) -> set[Datanode]:
        """Datanodes that have data and do not serve it."""
        return {each for each in self.registered if not self.serves(each)}

    def disrupt(self, datanode: Datanode) -> None:
        """Somebody takes the pod away on purpose."""
        if datanode in self.registered and self.serves(datanode):
            others = ({each.domain for each in self.away()} | {self.missing_in}) - {datanode.domain, ""}
            if others:
                raise Unsafe(f"{datanode} is taken away while data of {sorted(others)} is away")
        self.pods.pop(datanode, None)

    # ---- administrators, and accidents -----------------------------------------------------------------------------

    def evict(self, datanode: Datanode) -> bool:
        """The eviction API: whether the budget allowed it."""
        if self.open_since.get(datanode.domain) is None:
            return False
        self.disrupt(datanode)
        return True

    def drain_node(self, name: str) -> bool:
        """``kubectl drain``: whether all pods are gone."""
        self.nodes[name].cordoned = True
        mine = [datanode for datanode, pod in self.pods.items() if pod.node == name]
        evicted = [self.evict(datanode) for datanode in mine]  # each is tried
        return all(evicted)

    # ---- controllers and data plane --------------------------------------------------------------------------------

    def controllers(self) -> None:
        """One round: pods are made and placed, those of sets that shrank go, pods become ready and take part."""
        for (pool, domain), wanted in self.sets.items():
            for ordinal in range(wanted.replicas):
                datanode = Datanode(pool, domain, ordinal)
                self.claims.setdefault(datanode, wanted.storage_bytes)
                node = self._free_node(domain)
                if datanode not in self.pods and node is not None:
                    self.pods[datanode] = Pod(node, wanted.revision)
            for datanode in [each for each in self.pods if (each.pool, each.domain) == (pool, domain)]:
                if datanode.ordinal >= wanted.replicas:
                    self.disrupt(datanode)
        for datanode, pod in self.pods.items():
            if pod.ready and self.nodes[pod.node].ready and datanode not in self.emptied:
                self.registered.add(datanode)
            pod.ready = True

    def _free_node(self, domain: str) -> str | None:
        used = {pod.node for pod in self.pods.values()}
        free = [
            name
            for name, node in self.nodes.items()
            if node.domain == domain and node.ready and not node.cordoned and name not in used
        ]
        return min(free, default=None)

    def data_plane(self) -> None:
        """One round: it looks around; what is drained becomes empty, and what is missing is made anew while no data is away."""
        self.noticed_redundant = not self.away() and not self.missing_in
        if self.away():
            return
        self.missing_in = ""
        self.emptied |= self.draining
        self.registered -= self.draining
        self.draining.clear()

    def repair(self) -> None:
        """The data of datanodes that are away, all of one domain, is made anew elsewhere."""
        away = self.away()
        if len({each.domain for each in away}) == 1 and away != self.registered:
            self.registered -= away

    # ---- the operator ----------------------------------------------------------------------------------------------

    def reconcile(self, wanted: Wanted, dies_after: int | None = None) -> int:
        """A round of the operator, which may die after some actions; how many the plan had."""
        made = plan(wanted, self.world())
        for action in made.actions[:dies_after]:
            self.carry_out(action)
        return len(made.actions)

    def carry_out(self, action: act.Action) -> None:
        if isinstance(action, act.ApplySet):
            self._apply(action)
        elif isinstance(action, act.ShrinkSet):
            if action.datanode in self.registered or action.datanode not in self.emptied:
                raise Unsafe(f"{action.datanode} is removed and not empty")
            self.sets[action.datanode.pool, action.datanode.domain].replicas = action.replicas
            self.emptied.discard(action.datanode)
            self.pods.pop(action.datanode, None)
            self.claims.pop(action.datanode, None)
        elif isinstance(action, act.OpenBudget):
            if any(since is not None for since in self.open_since.values()):
                raise Unsafe("two budgets are open")
            self.open_since[action.domain] = self.now
            self.timed_out_at.pop(action.domain, None)
        elif isinstance(action, act.CloseBudget):
            self.open_since[action.domain] = None
            if action.timed_out:
                self.timed_out_at[action.domain] = self.now
        elif isinstance(action, act.DropBudget):
            del self.open_since[action.domain]
        elif isinstance(action, act.ReplacePod):
            if not self.evict(action.datanode):
                raise Unsafe(f"the operator evicts {action.datanode} without the token")
        else:
            self._carry_out_data(action)

    def _apply(self, action: act.ApplySet) -> None:
        known = self.sets.get((action.pool, action.domain))
        if known is not None and action.replicas < known.replicas:
            raise Unsafe("a set is made smaller by being applied")
        storage_bytes = action.storage_bytes if known is None else known.storage_bytes
        self.sets[action.pool, action.domain] = StatefulSet(action.replicas, action.revision, storage_bytes)

    def _carry_out_data(self, action: act.Action) -> None:
        if isinstance(action, act.Drain):
            self.draining.add(action.datanode)
        elif isinstance(action, act.Undrain):
            self.draining.discard(action.datanode)
            self.emptied.discard(action.datanode)
        elif isinstance(action, act.GrowClaims):
            assert self.claims[action.datanode] < action.storage_bytes
            self.claims[action.datanode] = action.storage_bytes
        elif isinstance(action, act.RecreateSet):
            del self.sets[action.pool, action.domain]
        else:
            raise AssertionError(f"nobody carries out {action}")

    def settle(self, wanted: Wanted) -> None:
        """Everything heals, and the operator goes on until there is nothing to do. Raises when that never comes."""
        self.answers = True
        for node in self.nodes.values():
            node.ready, node.cordoned = True, False
        quiet = 0
        for _ in range(ROUNDS_MAX):
            self.controllers()
            quiet = quiet + 1 if self.reconcile(wanted) == 0 else 0
            self.data_plane()
            self.now += 1.0
            if quiet == 3:
                return
        raise AssertionError(f"it never comes to rest: {plan(wanted, self.world())}")
