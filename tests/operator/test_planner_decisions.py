"""Single decisions of the planner: who gets the token, who waits and why, and how many datanodes each domain has."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dolmen.operator.planner.actions import CloseBudget, OpenBudget, ReplacePod
from dolmen.operator.planner.domains import even_shares, share_of
from dolmen.operator.planner.plan import plan
from dolmen.operator.planner.world import (
    BudgetSeen,
    Datanode,
    DataSeen,
    NodeSeen,
    PodSeen,
    PoolWanted,
    SetSeen,
    Strategy,
    Unsatisfiable,
    Wanted,
    World,
)

DOMAINS = ("a", "b", "c")
EVERY = frozenset(Datanode("p", domain, 0) for domain in DOMAINS)
POOL = PoolWanted(name="p", nodes_per_domain=1, storage_bytes=1)
WANTED = Wanted(pools=(POOL,), revisions={"p": "r1"})
HEALTHY = World(
    nodes=tuple(NodeSeen(name=f"n{domain}", domain=domain) for domain in DOMAINS),
    sets=tuple(SetSeen(pool="p", domain=domain, replicas=1, revision="r1", storage_bytes=1) for domain in DOMAINS),
    pods=tuple(PodSeen(datanode=each, node=f"n{each.domain}", ready=True, revision="r1") for each in sorted(EVERY)),
    budgets=tuple(BudgetSeen(domain=domain, is_open=False) for domain in DOMAINS),
    data=DataSeen(known=True, is_redundant=True, registered=EVERY),
)

replace = msgspec.structs.replace


def cordoned(world, *domains):
    return replace(world, nodes=tuple(replace(node, cordoned=node.domain in domains) for node in world.nodes))


def not_ready(world, domain):
    return replace(world, pods=tuple(replace(pod, ready=pod.ready and pod.datanode.domain != domain) for pod in world.pods))


def test_a_healthy_cluster_needs_nothing():
    made = plan(WANTED, HEALTHY)
    assert (made.actions, made.problems, made.waits, made.holder) == ((), (), (), "")


def test_of_two_domains_to_be_emptied_one_gets_the_token_and_the_other_is_told_why_not():
    made = plan(WANTED, cordoned(HEALTHY, "b", "c"))
    assert [type(action) for action in made.actions] == [OpenBudget]
    assert made.holder == "b"
    opened = replace(
        cordoned(HEALTHY, "b", "c"), budgets=tuple(BudgetSeen(domain=domain, is_open=domain == "b") for domain in DOMAINS)
    )
    then = plan(WANTED, opened)
    assert then.actions == ()
    assert then.waits == ("domain c waits (a Node is cordoned): domain b is being disrupted",)


@pytest.mark.parametrize(
    ("world", "why"),
    [
        # What the data plane has not noticed yet.
        (not_ready(HEALTHY, "a"), "datanode 0 of pool p in domain a does not serve all of its data"),
        (replace(HEALTHY, data=replace(HEALTHY.data, is_redundant=False)), "data is being made redundant again"),
        (replace(HEALTHY, data=DataSeen()), "the data plane does not answer"),
    ],
)
def test_nobody_gets_the_token_while_data_would_be_at_risk(world, why):
    made = plan(WANTED, cordoned(world, "b"))
    assert made.holder == ""
    assert not any(isinstance(action, OpenBudget) for action in made.actions)
    assert made.waits == (f"domain b waits (a Node is cordoned): {why}",)


def test_a_cluster_that_bears_no_loss_gives_no_token():
    made = plan(replace(WANTED, domain_loss_max=0), cordoned(HEALTHY, "b"))
    assert made.waits == ("domain b waits (a Node is cordoned): the redundancy of the cluster bears the loss of no domain",)


def test_a_node_that_stays_cordoned_holds_no_other_domain_up_for_good():
    """Each of the three has its turn, again and again."""
    world, holders = cordoned(HEALTHY, *DOMAINS), []
    budgets = {domain: BudgetSeen(domain=domain, is_open=False) for domain in DOMAINS}
    for _ in range(6):
        opened = plan(WANTED, replace(world, budgets=tuple(budgets.values()))).holder
        holders.append(opened)
        aged = {
            domain: replace(budget, timed_out_seconds_ago=(budget.timed_out_seconds_ago or 0.0) + 4000.0)
            for domain, budget in budgets.items()
            if budget.timed_out_seconds_ago is not None
        }
        budgets = {**budgets, **aged, opened: BudgetSeen(domain=opened, is_open=True, open_seconds=4000.0)}
        (closed,) = plan(WANTED, replace(world, budgets=tuple(budgets.values()))).actions
        assert (closed.domain, closed.timed_out) == (opened, True)
        budgets[opened] = BudgetSeen(domain=opened, is_open=False, timed_out_seconds_ago=0.0)
    assert holders == [*DOMAINS, *DOMAINS]


def test_a_second_open_budget_is_closed():
    both = replace(HEALTHY, budgets=tuple(BudgetSeen(domain=domain, is_open=domain != "c") for domain in DOMAINS))
    assert [action for action in plan(WANTED, both).actions if isinstance(action, CloseBudget)]
    assert not any(isinstance(action, ReplacePod) for action in plan(replace(WANTED, revisions={"p": "r2"}), both).actions)


def test_pods_are_not_replaced_by_hand_of_the_operator_when_it_is_told_so():
    old = replace(WANTED, revisions={"p": "r2"}, strategy=Strategy.MANUAL)
    assert not any(isinstance(action, (OpenBudget, ReplacePod)) for action in plan(old, HEALTHY).actions)


@given(st.integers(0, 200), st.dictionaries(st.sampled_from("abcdefgh"), st.integers(0, 50), min_size=1))
def test_shares_are_even_and_complete(total, held):
    domains = sorted(held)
    shares = even_shares(total, domains, held)
    assert sum(shares.values()) == total
    assert max(shares.values()) - min(shares.values()) <= 1
    assert even_shares(total, domains[::-1], held) == shares
    # Who has as many already is not asked to give one back for another to get one.
    assert even_shares(total, domains, shares) == shares


@pytest.mark.parametrize(("how", "replicas"), [(Unsatisfiable.BLOCK, 1), (Unsatisfiable.DEGRADE, 1)])
def test_a_domain_without_room_is_told(how, replicas):
    wanted = replace(WANTED, pools=(replace(POOL, nodes_per_domain=2),), on_unsatisfiable=how)
    share = share_of(wanted.pools[0], wanted, HEALTHY)
    assert share.replicas == dict.fromkeys(DOMAINS, replicas)
    assert share.problems == tuple(f"domain {domain} has 1 Nodes for 2 datanodes of pool p" for domain in DOMAINS)


def test_a_domain_whose_nodes_are_gone_keeps_its_datanodes():
    lost = replace(HEALTHY, nodes=tuple(node for node in HEALTHY.nodes if node.domain != "b"))
    share = share_of(POOL, WANTED, lost)
    assert share.replicas == dict.fromkeys(DOMAINS, 1)
    assert share.problems == ("no Node of domain b is left, which has 1 datanodes of pool p",)
    made = plan(WANTED, lost)
    assert made.actions == ()
    assert made.problems


def test_too_few_domains_block_what_is_new_or_not_as_is_asked_for():
    wanted = replace(WANTED, domains_min=4)
    fresh = World(nodes=HEALTHY.nodes)
    assert plan(wanted, fresh).actions == ()
    assert plan(wanted, fresh).problems == ("3 domains have Nodes for datanodes, and 4 are wanted",)
    assert len(plan(replace(wanted, on_unsatisfiable=Unsatisfiable.DEGRADE), fresh).actions) == len(DOMAINS)


def test_a_set_that_is_gone_is_made_again_as_large_as_its_datanodes_need():
    """Orphans with a higher ordinal than the set has replicas would be deleted by its controller."""
    more = Datanode("p", "b", 4)
    world = replace(
        HEALTHY,
        sets=tuple(each for each in HEALTHY.sets if each.domain != "b"),
        data=replace(HEALTHY.data, registered=EVERY | {more}),
    )
    made = [action for action in plan(WANTED, world).actions if getattr(action, "domain", "") == "b"]
    assert [action.replicas for action in made] == [5]
