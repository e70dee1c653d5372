"""What a plan may ask for. Each action is safe to repeat, and carries what must still be so when it is done."""

from __future__ import annotations

import msgspec

from dolmen.operator.planner.world import Datanode


class Action(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """One thing to do. ``why``: one sentence for people."""

    why: str


class ApplySet(Action, frozen=True, kw_only=True, tag=True):
    """The StatefulSet of a pool in a domain, with this many replicas and the template of this revision.

    Never fewer replicas than it has: that is ``ShrinkSet``.
    """

    pool: str
    domain: str
    replicas: int
    revision: str
    storage_bytes: int


class ShrinkSet(Action, frozen=True, kw_only=True, tag=True):
    """The set loses its last datanode, which was proven to be empty."""

    datanode: Datanode
    replicas: int  # afterwards


class OpenBudget(Action, frozen=True, kw_only=True, tag=True):
    """The token goes to a domain: its pods may be evicted, those of no other."""

    domain: str


class CloseBudget(Action, frozen=True, kw_only=True, tag=True):
    """The pods of the domain may not be evicted (any more). ``timed_out``: its time was over, to be noted beside the budget."""

    domain: str
    timed_out: bool = False


class DropBudget(Action, frozen=True, kw_only=True, tag=True):
    """The budget of a domain that has no datanodes."""

    domain: str


class ReplacePod(Action, frozen=True, kw_only=True, tag=True):
    """Evict the pod: its set makes it anew, with the set's template."""

    datanode: Datanode


class Drain(Action, frozen=True, kw_only=True, tag=True):
    """The data plane begins to move everything off the datanode's disks."""

    datanode: Datanode


class Undrain(Action, frozen=True, kw_only=True, tag=True):
    """It is wanted again: nothing more is moved off it, and it takes new data."""

    datanode: Datanode


class GrowClaims(Action, frozen=True, kw_only=True, tag=True):
    """The volume claims of the datanode ask for more."""

    datanode: Datanode
    storage_bytes: int


class RecreateSet(Action, frozen=True, kw_only=True, tag=True):
    """Delete the set, leaving its pods (orphans), and apply it again: claim templates cannot be changed (KEP 4650)."""

    pool: str
    domain: str
    storage_bytes: int
