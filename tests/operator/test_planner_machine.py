"""Whatever happens to a cluster, the planner never takes datanodes of a second domain away, and comes to what is wanted."""

import msgspec
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from planner_cluster import Cluster, Node

from dolmen.operator.planner.world import PoolWanted, Strategy, Wanted

DOMAINS = ("a", "b", "c")
NODES_EACH = 3
GIBIBYTE = 1 << 30

replace = msgspec.structs.replace


class PlannedCluster(RuleBasedStateMachine):
    @initialize(
        nodes=st.integers(1, NODES_EACH), strategy=st.sampled_from([Strategy.DOMAIN, Strategy.NODE]), canary=st.booleans()
    )
    def build(self, nodes, strategy, canary):
        names = {f"{domain}{number}": Node(domain) for domain in DOMAINS for number in range(NODES_EACH)}
        self.cluster = Cluster(names)
        pool = PoolWanted(name="p", nodes_per_domain=nodes, storage_bytes=GIBIBYTE)
        self.wanted = Wanted(pools=(pool,), revisions={"p": "r0"}, strategy=strategy, canary=canary)
        self.revision = 0
        self.seen_by_operator = True
        self.cluster.settle(self.wanted)

    # ---- the operator and its surroundings ----

    @rule(times=st.integers(1, 4))
    def everybody_works(self, times):
        for _ in range(times):
            self.cluster.reconcile(self.wanted)
            self.cluster.controllers()
            self.cluster.data_plane()
        self.reconcile(None)

    @rule(dies_after=st.none() | st.integers(0, 3))
    def reconcile(self, dies_after):
        self.cluster.reconcile(self.wanted, dies_after)
        self.seen_by_operator = dies_after is None

    @rule()
    def controllers(self):
        self.cluster.controllers()

    @rule()
    def data_plane(self):
        self.cluster.data_plane()

    @rule(answers=st.booleans())
    def data_plane_answers(self, answers):
        self.cluster.answers = answers

    @rule(seconds=st.sampled_from([1.0, 10_000.0]))
    def time_passes(self, seconds):
        self.cluster.now += seconds

    # ---- administrators ----

    @precondition(lambda self: self.seen_by_operator)
    @rule(domain=st.sampled_from(DOMAINS), number=st.integers(0, NODES_EACH - 1))
    def drain(self, domain, number):
        """Its evictions follow the budgets as the operator left them after what happened last."""
        self.cluster.drain_node(f"{domain}{number}")

    @rule(domain=st.sampled_from(DOMAINS), number=st.integers(0, NODES_EACH - 1))
    def uncordon(self, domain, number):
        self.cluster.nodes[f"{domain}{number}"].cordoned = False

    @rule()
    def new_template(self):
        self.revision += 1
        self.wanted = replace(self.wanted, revisions={"p": f"r{self.revision}"})

    @rule(nodes=st.integers(1, NODES_EACH))
    def other_size(self, nodes):
        self.wanted = replace(self.wanted, pools=(replace(self.wanted.pools[0], nodes_per_domain=nodes),))

    @rule(gibibytes=st.integers(1, 3))
    def larger_volumes(self, gibibytes):
        pool = self.wanted.pools[0]
        grown = replace(pool, storage_bytes=max(pool.storage_bytes, gibibytes * GIBIBYTE))
        self.wanted = replace(self.wanted, pools=(grown,))

    @rule(domain=st.sampled_from(DOMAINS))
    def somebody_deletes_a_set_and_leaves_its_pods(self, domain):
        self.cluster.sets.pop(("p", domain), None)

    # ---- accidents ----

    @rule(domain=st.sampled_from(DOMAINS), number=st.integers(0, NODES_EACH - 1))
    def node_lost(self, domain, number):
        self.cluster.nodes[f"{domain}{number}"].ready = False
        self.seen_by_operator = False

    @rule(domain=st.sampled_from(DOMAINS), number=st.integers(0, NODES_EACH - 1))
    def node_back(self, domain, number):
        self.cluster.nodes[f"{domain}{number}"].ready = True

    @precondition(lambda self: not self.cluster.missing_in)
    @rule(domain=st.sampled_from(DOMAINS))
    def a_disk_comes_back_with_less(self, domain):
        self.cluster.missing_in = domain
        self.cluster.noticed_redundant = False
        self.seen_by_operator = False

    @rule()
    def repair(self):
        self.cluster.repair()

    # ---- what holds ----

    @invariant()
    def one_budget_is_open_at_most(self):
        if hasattr(self, "cluster"):
            assert sum(since is not None for since in self.cluster.open_since.values()) <= 1

    def teardown(self):
        if not hasattr(self, "cluster"):
            return
        cluster, pool = self.cluster, self.wanted.pools[0]
        cluster.settle(self.wanted)
        assert {key: each.replicas for key, each in cluster.sets.items()} == {
            ("p", domain): pool.nodes_per_domain for domain in DOMAINS
        }
        assert {pod.revision for pod in cluster.pods.values()} == {f"r{self.revision}"}
        assert {each.storage_bytes for each in cluster.sets.values()} == {pool.storage_bytes}
        assert {cluster.claims[datanode] for datanode in cluster.pods} == {pool.storage_bytes}  # others are of nobody
        assert set(cluster.open_since.values()) == {None}
        assert cluster.registered == set(cluster.pods)
        assert not cluster.draining


PlannedCluster.TestCase.settings = settings(max_examples=100, stateful_step_count=40, deadline=None)
TestPlannedCluster = PlannedCluster.TestCase
