"""The disruption token: at any time at most one domain may lose datanodes because somebody wants it to. Pure.

Each domain has a PodDisruptionBudget, and all are closed. The one that is open is the token, so that it needs no other memory. It
opens only while every fragment is where it should be and every datanode of the other domains is there. Drains of Nodes, new
templates, larger claims and removals all wait for it, so that two of them neither meet nor lock each other (rook issue 14730).
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from typing import NamedTuple

from dolmen.operator.planner.world import Datanode, Strategy, Wanted, World


class Need(enum.Enum):
    """What a domain wants the token for, the most urgent first."""

    MAINTENANCE = "a Node is cordoned"
    REMOVAL = "a datanode was emptied, and goes"
    RESIZE = "volume claims have grown, and their template follows"
    UPGRADE = "pods have an old template"


URGENCY = tuple(Need)


class Verdict(NamedTuple):
    """``holder``: who has the token, or gets it now; ``need``: for what. ``gives`` and ``returns``: what changes."""

    holder: str = ""
    need: Need | None = None
    gives: bool = False
    returns: tuple[str, ...] = ()  # domains whose budget is to be closed
    waits: tuple[str, ...] = ()  # one sentence for each domain that must wait


def needs_of(wanted: Wanted, world: World, shares: Mapping[str, Mapping[str, int]]) -> dict[str, Need]:
    """The most urgent need of each domain that has any. ``shares``: by pool and domain, as ``domains.share_of`` says."""
    found: dict[str, Need] = {}
    for domain in world.domains_used():
        checks = {
            Need.MAINTENANCE: _is_cordoned(domain, world),
            Need.REMOVAL: removable(domain, world, shares) is not None,
            Need.RESIZE: bool(resizable(domain, wanted, world)),
            Need.UPGRADE: wanted.strategy is not Strategy.MANUAL and bool(outdated(domain, wanted, world)),
        }
        need = next((need for need in URGENCY if checks[need]), None)
        if need is not None:
            found[domain] = need
    return found


def _is_cordoned(domain: str, world: World) -> bool:
    cordoned = {node.name for node in world.nodes if node.cordoned}
    return any(pod.node in cordoned for pod in world.pods_of(domain))


def removable(domain: str, world: World, shares: Mapping[str, Mapping[str, int]]) -> Datanode | None:
    """The last datanode of a set that is to shrink, when it is proven to be empty."""
    for each in sorted(world.sets, key=lambda each: each.pool):
        if each.domain != domain or each.replicas <= shares.get(each.pool, {}).get(domain, each.replicas):
            continue
        last = Datanode(each.pool, domain, each.replicas - 1)
        if world.data.known and last in world.data.emptied and last not in world.data.registered:
            return last
    return None


def resizable(domain: str, wanted: Wanted, world: World) -> list[str]:
    """Pools whose set in the domain has a smaller claim template than all of its claims have."""
    found = []
    for pool in wanted.pools:
        seen = world.set_of(pool.name, domain)
        if seen is None or not 0 < seen.storage_bytes < pool.storage_bytes:
            continue
        mine = [Datanode(pool.name, domain, ordinal) for ordinal in range(seen.replicas)]
        if all(world.claims_bytes.get(each, pool.storage_bytes) >= pool.storage_bytes for each in mine):
            found.append(pool.name)
    return found


def outdated(domain: str, wanted: Wanted, world: World) -> list[Datanode]:
    """Datanodes whose pods have another template than is wanted."""
    revisions = wanted.revisions
    return [
        pod.datanode
        for pod in world.pods_of(domain)
        if not pod.terminating and pod.revision != revisions.get(pod.datanode.pool, pod.revision)
    ]


def unsteady(world: World) -> dict[str, Datanode]:
    """By domain a datanode that has data and does not serve all of it."""
    serving = {pod.datanode for pod in world.pods if pod.ready and not pod.terminating} - world.data.incomplete
    return {each.domain: each for each in sorted(world.data.registered - serving, reverse=True)}


def decide(wanted: Wanted, world: World, shares: Mapping[str, Mapping[str, int]]) -> Verdict:
    """Who has the token. It is given in another round than it is taken back, so that each budget is seen closed before."""
    needs = needs_of(wanted, world, shares)
    still = unsteady(world)
    opened = sorted(budget.domain for budget in world.budgets if budget.is_open)
    if opened:
        holder, *others = opened
        keeps = not others and _keeps(holder, needs, still, wanted, world)
        returns = tuple(others) if others else (() if keeps else (holder,))
        waits = [f"domain {domain} waits ({need.value}): domain {holder} is being disrupted" for domain, need in needs.items()]
        waits = [text for domain, text in zip(needs, waits, strict=True) if domain != holder]
        return Verdict(holder if not returns else "", needs.get(holder), False, returns, tuple(waits))
    if not needs:
        return Verdict()
    waits = []

    def order(domain: str) -> tuple[object, ...]:
        return *_turn(domain, world), URGENCY.index(needs[domain]), *_begun(domain, wanted, world)

    for domain in sorted(needs, key=order):
        why = _why_not(domain, still, wanted, world)
        if not why:
            return Verdict(domain, needs[domain], True, (), tuple(waits))
        waits.append(f"domain {domain} waits ({needs[domain].value}): {why}")
    return Verdict(waits=tuple(waits))


def _keeps(
    holder: str, needs: Mapping[str, Need], still: Mapping[str, Datanode], wanted: Wanted, world: World
) -> bool:
    """Until all of the domain serves again and nothing is left to do there; or until its data was made anew elsewhere.

    Not while datanodes of another domain are away, which nobody asked for.
    """
    data = world.data
    if not data.known:
        return False  # what else is away cannot be seen: nothing more may go
    if any(domain != holder for domain in still):
        return False
    if is_over(holder, wanted, world) and data.is_redundant and holder not in still:
        return False
    return holder in needs or holder in still or not data.is_redundant


def _why_not(domain: str, still: Mapping[str, Datanode], wanted: Wanted, world: World) -> str:
    """Why the domain does not get the token now; empty: it may."""
    if wanted.domain_loss_max < 1:
        return "the redundancy of the cluster bears the loss of no domain"
    if not world.data.known:
        return "the data plane does not answer"
    if not world.data.is_redundant:
        return "data is being made redundant again"
    for other, datanode in still.items():
        if other != domain:
            return f"datanode {datanode.ordinal} of pool {datanode.pool} in domain {other} does not serve all of its data"
    return ""


def _turn(domain: str, world: World) -> tuple[bool, float]:
    """Whose time was over comes after all others: a Node that somebody left cordoned holds nobody up for good."""
    budget = next((budget for budget in world.budgets if budget.domain == domain), None)
    ago = None if budget is None else budget.timed_out_seconds_ago
    return (False, 0.0) if ago is None else (True, -ago)


def _begun(domain: str, wanted: Wanted, world: World) -> tuple[bool, str]:
    """A domain of which some pods have the new template is ended first; then by name."""
    pods = world.pods_of(domain)
    return not 0 < len(outdated(domain, wanted, world)) < len(pods), domain


def is_over(domain: str, wanted: Wanted, world: World) -> bool:
    """Whether the domain has had the token for longer than maintenance may take."""
    return any(
        budget.domain == domain and budget.is_open and budget.open_seconds > wanted.maintenance_timeout_seconds
        for budget in world.budgets
    )
