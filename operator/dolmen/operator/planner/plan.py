"""The plan: what to do now, given what is wanted and what is seen. Pure, and the same for the same input.

A plan is made anew after everything that changes, so it never looks ahead: it does what is safe now, and says what waits for what.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from dolmen.operator.planner.actions import (
    Action,
    ApplySet,
    CloseBudget,
    Drain,
    DropBudget,
    GrowClaims,
    OpenBudget,
    RecreateSet,
    ReplacePod,
    ShrinkSet,
    Undrain,
)
from dolmen.operator.planner.domains import share_of
from dolmen.operator.planner.token import Need, Verdict, decide, is_over, outdated, removable, resizable
from dolmen.operator.planner.world import Datanode, PoolWanted, Strategy, Wanted, World

DRAINS_AT_ONCE = 1  # of a cluster: each reads and writes all that a datanode holds

Shares = dict[str, dict[str, int]]  # by pool and domain


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """``actions`` in their order. ``problems``: what is not as wanted; ``waits``: what waits, and for what."""

    actions: tuple[Action, ...] = ()
    shares: Shares = {}
    holder: str = ""  # of the token, once the plan is carried out
    need: Need | None = None
    problems: tuple[str, ...] = ()
    waits: tuple[str, ...] = ()


def plan(wanted: Wanted, world: World) -> Plan:
    """What to do now."""
    shares: Shares = {}
    problems: list[str] = []
    for pool in wanted.pools:
        share = share_of(pool, wanted, world)
        shares[pool.name] = share.replicas
        problems += share.problems
    problems += _forgotten(wanted, world)
    verdict = decide(wanted, world, shares)
    actions: list[Action] = [*_budgets_closed(verdict, wanted, world)]
    for pool in wanted.pools:
        actions += _sets(pool, wanted, world, shares[pool.name])
    actions += _drains(wanted, world, shares)
    if verdict.holder and not verdict.gives and verdict.need is not None:
        actions += _disruptions(verdict.holder, verdict.need, wanted, world, shares)
    if verdict.gives and verdict.need is not None:
        actions.append(OpenBudget(domain=verdict.holder, why=verdict.need.value))
    return Plan(
        actions=tuple(actions),
        shares=shares,
        holder=verdict.holder,
        need=verdict.need,
        problems=tuple(problems),
        waits=verdict.waits,
    )


def _forgotten(wanted: Wanted, world: World) -> list[str]:
    """Pools with datanodes that the specification does not name (any more): they stay until they are emptied by name."""
    named = {pool.name for pool in wanted.pools}
    left = sorted({each.pool for each in world.sets if each.pool not in named and each.replicas})
    advice = "set its nodes to 0, and take it out when it is empty"
    return [f"pool {name} has datanodes and is not in the specification: {advice}" for name in left]


def _budgets_closed(verdict: Verdict, wanted: Wanted, world: World) -> list[Action]:
    """Every domain has a budget. Closing comes first: nothing that follows may rely on an open one."""
    known = {budget.domain for budget in world.budgets}
    used = world.domains_used()
    why = "the disruption is over"
    actions: list[Action] = [
        CloseBudget(domain=domain, timed_out=is_over(domain, wanted, world), why=why) for domain in verdict.returns
    ]
    actions += [CloseBudget(domain=domain, why="a domain has datanodes") for domain in used if domain not in known]
    gone = sorted(known - set(used) - set(verdict.returns))
    return actions + [DropBudget(domain=domain, why="the domain has no datanodes") for domain in gone]


def _sets(pool: PoolWanted, wanted: Wanted, world: World, share: Mapping[str, int]) -> list[Action]:
    """Sets that are missing, too small, or of another template; claims that are too small."""
    actions: list[Action] = []
    revision = wanted.revisions.get(pool.name, "")
    for domain, replicas in sorted(share.items()):
        seen = world.set_of(pool.name, domain)
        wanted_replicas = max(replicas, world.held(pool.name, domain))
        if wanted_replicas == 0:
            continue
        storage_bytes = pool.storage_bytes if seen is None else seen.storage_bytes
        apply = ApplySet(
            pool=pool.name,
            domain=domain,
            replicas=wanted_replicas,
            revision=revision,
            storage_bytes=storage_bytes,
            why="it is missing" if seen is None else "it is not as wanted",
        )
        if seen is None or (seen.replicas, seen.revision) != (wanted_replicas, revision):
            actions.append(apply)
        for ordinal in range(0 if seen is None else seen.replicas):
            datanode = Datanode(pool.name, domain, ordinal)
            if 0 < world.claims_bytes.get(datanode, 0) < pool.storage_bytes:
                why = "the specification asks for larger volumes"
                actions.append(GrowClaims(datanode=datanode, storage_bytes=pool.storage_bytes, why=why))
    return actions


def _drains(wanted: Wanted, world: World, shares: Shares) -> list[Action]:
    """Datanodes that are to go are emptied one after the other; those that are wanted again are not emptied any more."""
    leaving = _leaving(world, shares)
    data = world.data
    if not data.known:
        return []
    under_way = data.draining | data.emptied
    again = [datanode for datanode in sorted(under_way - set(leaving)) if _exists(datanode, world)]
    actions: list[Action] = [Undrain(datanode=datanode, why="it is wanted again") for datanode in again]
    room = DRAINS_AT_ONCE - len(data.draining & set(leaving))
    for datanode in leaving:
        if room > 0 and datanode not in under_way and data.is_redundant:
            actions.append(Drain(datanode=datanode, why="the specification asks for fewer datanodes"))
            room -= 1
    return actions


def _exists(datanode: Datanode, world: World) -> bool:
    seen = world.set_of(datanode.pool, datanode.domain)
    return seen is not None and datanode.ordinal < seen.replicas


def _leaving(world: World, shares: Shares) -> list[Datanode]:
    """The last datanode of each set that has more than its share. Sets lose their highest ordinal, whichever it is."""
    return [
        Datanode(each.pool, each.domain, each.replicas - 1)
        for each in sorted(world.sets, key=lambda each: (each.pool, each.domain))
        if each.replicas > shares.get(each.pool, {}).get(each.domain, each.replicas)
    ]


def _disruptions(holder: str, need: Need, wanted: Wanted, world: World, shares: Shares) -> list[Action]:
    """What the domain with the token has it for. Maintenance needs nothing of us: whoever drains the Node evicts."""
    if need is Need.REMOVAL:
        datanode = removable(holder, world, shares)
        assert datanode is not None
        return [ShrinkSet(datanode=datanode, replicas=datanode.ordinal, why="it is proven to be empty")]
    if need is Need.RESIZE:
        sizes = {pool.name: pool.storage_bytes for pool in wanted.pools}
        why = "the claim template of a set cannot be changed"
        return [
            RecreateSet(pool=name, domain=holder, storage_bytes=sizes[name], why=why)
            for name in resizable(holder, wanted, world)
        ]
    if need is Need.UPGRADE:
        return [ReplacePod(datanode=datanode, why="its template is old") for datanode in _next_pods(holder, wanted, world)]
    return []


def _next_pods(holder: str, wanted: Wanted, world: World) -> list[Datanode]:
    """Pods to replace now, once their sets have the new template. While data is missing, only those that serve nothing."""
    old = [
        datanode
        for datanode in outdated(holder, wanted, world)
        if (seen := world.set_of(datanode.pool, holder)) is not None and seen.revision == wanted.revisions.get(datanode.pool)
    ]
    if not (world.data.known and world.data.is_redundant):
        return [datanode for datanode in old if not _serves(datanode, world)]
    all_serve = all(pod.ready and not pod.terminating for pod in world.pods_of(holder))
    first_of_all = wanted.canary and not any(
        pod.ready and pod.revision == wanted.revisions.get(pod.datanode.pool) for pod in world.pods
    )
    if wanted.strategy is Strategy.NODE or first_of_all:
        return old[:1] if all_serve else [datanode for datanode in old if not _serves(datanode, world)]
    return old


def _serves(datanode: Datanode, world: World) -> bool:
    return any(pod.datanode == datanode and pod.ready for pod in world.pods)
