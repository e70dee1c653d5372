"""How many datanodes each domain gets. Pure.

Domains never trade datanodes: one that has more than its share keeps them until the specification asks for fewer, and a domain
whose Nodes are gone is lost, not deleted.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from dolmen.operator.model.cluster import NODES_MAX
from dolmen.operator.model.redundancy import DOMAINS_MAX
from dolmen.operator.planner.world import NodeSeen, PoolWanted, Unsatisfiable, Wanted, World


class Share(NamedTuple):
    """Of one pool: datanodes by domain, and what is not as wanted (sentences; empty when all is)."""

    replicas: dict[str, int]
    problems: tuple[str, ...]


def domains_of(wanted: Wanted, world: World) -> tuple[str, ...]:
    """Domains that datanodes may be placed in, by name: those listed, or those of eligible Nodes; at most ``DOMAINS_MAX``."""
    if wanted.domains:
        return tuple(sorted(set(wanted.domains)))[:DOMAINS_MAX]
    return tuple(sorted({node.domain for node in world.nodes if node.eligible and node.domain}))[:DOMAINS_MAX]


def even_shares(total: int, domains: Sequence[str], held: Mapping[str, int]) -> dict[str, int]:
    """``total`` over the domains, balanced within one; who has more already gets the odd ones, then the first by name."""
    if not domains:
        return {}
    least, odd = divmod(total, len(domains))
    order = sorted(domains, key=lambda domain: (-min(held.get(domain, 0), least + 1), domain))
    return {domain: least + (domain in order[:odd]) for domain in domains}


def share_of(pool: PoolWanted, wanted: Wanted, world: World) -> Share:
    """What every domain should have of the pool. Never less than 0, never more than ``NODES_MAX`` in one domain."""
    domains = domains_of(wanted, world)
    held = {domain: world.held(pool.name, domain) for domain in {*domains, *world.domains_used()}}
    problems = []
    if len(domains) < wanted.domains_min:
        problems.append(f"{len(domains)} domains have Nodes for datanodes, and {wanted.domains_min} are wanted")
        if wanted.on_unsatisfiable is Unsatisfiable.BLOCK:
            return Share(dict(held), tuple(problems))
    if pool.nodes is not None:
        shares = even_shares(pool.nodes, domains, held)
    else:
        shares = dict.fromkeys(domains, pool.nodes_per_domain or 0)
    for domain in domains:
        shares[domain], problem = _as_room_is(shares[domain], held.get(domain, 0), domain, pool, wanted, world.nodes)
        problems += problem
    for domain in sorted(held.keys() - set(domains)):
        if held[domain]:
            shares[domain] = held[domain]
            problems.append(f"no Node of domain {domain} is left, which has {held[domain]} datanodes of pool {pool.name}")
    return Share(shares, tuple(problems))


def _as_room_is(
    share: int, held: int, domain: str, pool: PoolWanted, wanted: Wanted, nodes: Sequence[NodeSeen]
) -> tuple[int, list[str]]:
    """One datanode for each Node, unless more are allowed. What is there stays, whatever became of the Nodes."""
    share = min(share, NODES_MAX)
    if pool.allow_multiple_per_node or share <= held:
        return share, []
    room = sum(node.domain == domain and node.eligible for node in nodes)
    if share <= room:
        return share, []
    problem = f"domain {domain} has {room} Nodes for {share} datanodes of pool {pool.name}"
    if wanted.on_unsatisfiable is Unsatisfiable.BLOCK:
        return held, [problem]
    return max(held, room), [problem]
