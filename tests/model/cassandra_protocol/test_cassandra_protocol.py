"""The protocol of metadata in Cassandra holds in every interleaving, and each of its rules is needed.

The property: a LIST tells, for the key, a value that the truth held at some instant between the LIST's begin and the read; what a
client was told (success, or that nothing happened) is never contradicted; notes of garbage are never lost; a bucket is deleted
only while it is empty, and nothing is written into it afterwards. Larger configurations: ``make campaign``.
"""

import pytest

from . import configurations as made
from .checker import explore
from .rules import Weakening

QUICK_STATES_MAX = 90_000  # of one configuration: 4 s of processor time
CAMPAIGN_STATES_MAX = 4_000_000  # 0.8 KB each

HOLDING = {
    "two writers and two lists": made.plain(lists=2),
    "three writers": made.plain(kinds=("put", "delete", "put")),
    "a writer meets a split whose splitter dies": made.split(),
    "a put, then a delete, with maps of any age, meet a split whose splitter dies": made.split(
        kinds=("put delete",)
    ),
    "a splitter that only seemed dead goes on beside its successor": made.two_splitters(),
    "batches land late under two writers": made.late(),
    "two puts of one sequence": made.late(kinds=("put", "put")),
    "an outcome stays unknown and the same worker goes on": made.late(kinds=("put create", "delete")),
    "three attempts": made.late(kinds=("put delete", "create delete"), attempts_max=3),
    "notes of garbage under three writers": made.notes(),
    "notes of garbage in batches that land late": made.notes(kinds=("put delete", "put"), timeouts=True),
    "what a dead worker left is swept while its batch may still land": made.swept(),
    "what a worker left that only seemed dead is swept": made.swept(paused=True),
    "sweep and split": made.swept_split(),
    "a bucket is deleted under a writer whose batches land late": made.deleted(kinds=("put",)),
    "a bucket is deleted under two writers": made.deleted(kinds=("put create", "delete")),
    "a deletion is taken back while its deleter goes on": made.deleted(deleters=2, timeouts=False),
    "a bucket is deleted while its shard is split": made.deleted_split(),
    "a split is given up for a deletion that is taken back": made.given_up(),
}

LARGE = {
    "two writers meet a split, up to its cut-over": made.split(
        kinds=("put", "delete"), takeovers_max=0, stops_after="cutover"
    ),
    "one writer and two lists meet a split whose splitter dies": made.split(lists=2),
    "two writers meet a split whose splitter dies": made.split(kinds=("put", "delete")),
    "two puts meet a split": made.split(kinds=("put", "put"), takeovers_max=0),
    "a put, then a delete meet a split whose splitter dies twice": made.split(kinds=("put delete",), takeovers_max=2),
    "a bucket is deleted while its shard is split by splitters that die": made.deleted_split(takeovers_max=1),
    "two splitters, a put, then a delete": made.two_splitters(kinds=("put delete",)),
    "late batches of three writers": made.late(kinds=("put delete", "create", "delete")),
    "late batches with notes of three writers": made.notes(kinds=("put delete", "put", "create"), timeouts=True),
    "sweeps of two workers of three requests": made.swept(kinds=("put delete", "put")),
    "sweeps of living workers of three requests": made.swept(kinds=("put delete", "put"), paused=True),
    "sweep and split under a put, then a delete": made.swept_split(kinds=("put delete",)),
    "two deleters, late batches": made.deleted(deleters=2),
    "two deleters, two writers": made.deleted(kinds=("put", "delete"), deleters=2, timeouts=False),
}

# Each rule of the protocol, left out, where that shows.
WEAKENED = {
    Weakening.NO_INTENTS: made.plain,
    Weakening.LIST_ROWS_BEFORE_INTENTS: made.plain,
    Weakening.NO_FENCE_CHECK: made.split,
    Weakening.COPY_BEFORE_INTENTS: made.split,
    Weakening.NO_CARRY: made.split,
    Weakening.NEVER_MOVED: made.split,
    Weakening.MOVED_AFTER_MAP: made.split,
    Weakening.NO_COMPARISON: lambda weak: made.split(weak, kinds=("put delete",)),
    Weakening.SETTLE_WITHOUT_LOOKING: made.split,
    Weakening.SETTLE_WITHOUT_REINDEX: made.split,
    Weakening.MARKS_WITHOUT_LEASE: made.given_up,
    Weakening.SPLIT_IGNORES_DELETION: made.deleted_split,
    Weakening.DELETION_IGNORES_SPLIT: made.deleted_split,
    Weakening.SERIAL_READ_DECIDES: made.late,
    Weakening.UNKNOWN_CLEARS_INTENT: made.late,
    Weakening.NEXT_REQUEST_CLEARS_UNKNOWN: lambda weak: made.late(weak, kinds=("put create",)),
    Weakening.SEQ_ALONE_DECIDES: lambda weak: made.late(weak, kinds=("put", "put")),
    Weakening.NO_DRAIN_BEFORE_REPLACE: made.notes,
    Weakening.CLEAR_BEFORE_DRAIN: made.notes,
    Weakening.SWEEP_WITHOUT_BURN: made.swept,
    Weakening.SWEEP_TAKES_NEWER: lambda weak: made.swept(weak, paused=True),
    Weakening.HEAD_AFTER_INTENT: lambda weak: made.swept(weak, paused=True),
    Weakening.RETRY_WITHOUT_ANNOUNCING: lambda weak: made.swept(weak, paused=True),
    Weakening.DELETE_WITHOUT_BURN: made.deleted,
    Weakening.FENCE_BEFORE_HEAD: made.deleted,
    Weakening.RETRY_WITHOUT_FENCE: made.deleted,
    Weakening.DROP_WITHOUT_STAMP: lambda weak: made.deleted(weak, deleters=2, timeouts=False),
}


def assert_holds(configuration, states_max):
    result = explore(configuration, states_max)
    assert not result.broken, f"{configuration.name}:\n{result}"
    print(f"{configuration.name}: {result.states} states")


@pytest.mark.parametrize("configuration", HOLDING.values(), ids=HOLDING.keys())
def test_the_protocol_holds_in_every_interleaving(configuration):
    assert_holds(configuration, QUICK_STATES_MAX)


@pytest.mark.campaign
@pytest.mark.parametrize("configuration", LARGE.values(), ids=LARGE.keys())
def test_the_protocol_holds_in_larger_configurations(configuration):
    assert_holds(configuration, CAMPAIGN_STATES_MAX)


@pytest.mark.parametrize("weakening", WEAKENED, ids=lambda weakening: weakening.name.lower().replace("_", " "))
def test_a_rule_left_out_breaks_the_property(weakening):
    weak = frozenset({weakening})
    result = explore(WEAKENED[weakening](weak), QUICK_STATES_MAX)
    assert result.broken, f"it holds although {weakening.value}: the rule is not needed, or the model does not show why"
    assert len(result.trace) > 1, "there is no way there"


def test_every_rule_is_tried():
    assert set(WEAKENED) == set(Weakening)


def test_a_trace_tells_the_steps_and_what_they_left():
    result = explore(made.plain(frozenset({Weakening.NO_INTENTS})), QUICK_STATES_MAX)
    text = str(result)
    assert "LIST 1 reads the row in S: 0, and since its begin the truth was [1]" in text
    assert "writer 1: its batch is applied; success" in text
    assert "LIST 1: reads the intents of S: none" in text
