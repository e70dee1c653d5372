"""Conditions of a status: how they change, what they mean to kstatus, and the phase that people see.

https://pkg.go.dev/k8s.io/apimachinery/pkg/apis/meta/v1#Condition
https://github.com/kubernetes-sigs/cli-utils/blob/master/pkg/kstatus/README.md
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated, Literal

import msgspec

from dolmen.operator.model import fields
from dolmen.operator.model.errors import InvalidResource

MESSAGE_BYTES_MAX = 4096  # of a condition: 32 of them stay far below the size of an object
CONDITIONS_MAX = 32  # twice what the largest kind has
REASON_MAX = 1024  # as metav1.Condition
TYPE_MAX = 316
_CUT = "…"

Truth = Literal["True", "False", "Unknown"]
Kstatus = Literal["Current", "InProgress", "Failed", "Terminating"]
Outcome = Literal["Ready", "Reconciling", "Stalled"]

READY = "Ready"
RECONCILING = "Reconciling"
STALLED = "Stalled"
NORMAL = "AsExpected"  # the reason of the two that do not hold

# Of every kind; then what each kind has of its own. Ready, Reconciling and Stalled are kstatus'.
CLUSTER_CONDITIONS = (
    "Ready",
    "Available",
    "Progressing",
    "Reconciling",
    "Degraded",
    "TopologySatisfied",
    "DataRedundant",
    "MetadataReady",
    "CertificatesReady",
    "Upgrading",
    "Scaling",
    "StorageResizing",
    "Paused",
    "Hibernated",
    "Deleting",
    "Stalled",
)
BUCKET_CONDITIONS = (
    "Ready",
    "Reconciling",
    "Stalled",
    "Provisioned",
    "Adopted",
    "PolicyApplied",
    "LifecycleApplied",
    "QuotaApplied",
    "AccessGranted",
    "Drifted",
    "Deleting",
)
USER_CONDITIONS = ("Ready", "Reconciling", "Stalled", "Provisioned", "KeysReady", "SecretReady", "Drifted", "Deleting")
GRANT_CONDITIONS = ("Ready", "Reconciling", "Stalled")

# The first that is true names the phase.
_PHASES = (
    ("Deleting", "Deleting"),
    ("Paused", "Paused"),
    ("Hibernated", "Hibernated"),
    (STALLED, "Failed"),
    ("Upgrading", "Upgrading"),
    ("Scaling", "Scaling"),
    ("StorageResizing", "Resizing"),
    ("Degraded", "Degraded"),
    (RECONCILING, "Progressing"),
    ("Progressing", "Progressing"),
    (READY, "Ready"),
)
PHASES = (*dict.fromkeys(phase for _, phase in _PHASES), "Pending")


class Condition(fields.Model, frozen=True, kw_only=True):
    """One observation, as metav1.Condition."""

    type: Annotated[
        str, fields.text("What is observed, in CamelCase.", TYPE_MAX, least=1, pattern=r"^[A-Za-z]([-A-Za-z0-9_./]*[A-Za-z0-9])?$")
    ]
    status: Annotated[Truth, fields.doc("Whether it holds.")]
    reason: Annotated[
        str,
        fields.text("Why, as a word for programs.", REASON_MAX, least=1, pattern=r"^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$"),
    ]
    message: Annotated[str, fields.text("Why, for people.", MESSAGE_BYTES_MAX)] = ""
    last_transition_time: Annotated[str, fields.time("When the status last changed.")] = ""
    observed_generation: Annotated[int, fields.number("The generation of the object that was observed.", 0, fields.INT64_MAX)] = 0


def rfc3339(now: datetime) -> str:
    """Whole seconds of UTC, as Kubernetes' clocks write them. Raises ``InvalidResource`` for a time without a zone."""
    if now.tzinfo is None:
        raise InvalidResource("a time of a condition needs a time zone")
    return now.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def clipped(message: str, most_bytes: int = MESSAGE_BYTES_MAX) -> str:
    """``message`` in at most ``most_bytes`` of UTF-8, whole characters, with an ellipsis where it was cut."""
    raw = message.encode("utf-8", "replace")
    if len(raw) <= most_bytes:
        return raw.decode()
    return raw[: most_bytes - len(_CUT.encode())].decode(errors="ignore") + _CUT


def find(conditions: Sequence[Condition], kind: str) -> Condition | None:
    return next((one for one in conditions if one.type == kind), None)


def is_true(conditions: Sequence[Condition], kind: str) -> bool:
    """It is there and holds; an unknown one does not."""
    found = find(conditions, kind)
    return found is not None and found.status == "True"


def set_condition(conditions: Sequence[Condition], new: Condition, now: datetime) -> tuple[Condition, ...]:
    """``conditions`` with ``new`` in the place of its type; the time of transition moves only with the status.

    The time in ``new`` counts for nothing. Raises ``InvalidResource`` above ``CONDITIONS_MAX``.
    """
    old = find(conditions, new.type)
    same = old is not None and old.status == new.status and old.last_transition_time
    made = msgspec.structs.replace(
        new,
        message=clipped(new.message),
        last_transition_time=old.last_transition_time if old is not None and same else rfc3339(now),
    )
    if old is None:
        if len(conditions) >= CONDITIONS_MAX:
            raise InvalidResource(f"a status has more than {CONDITIONS_MAX} conditions")
        return (*conditions, made)
    return tuple(made if one.type == new.type else one for one in conditions)


def set_outcome(
    conditions: Sequence[Condition], outcome: Outcome, *, reason: str, message: str, generation: int, now: datetime
) -> tuple[Condition, ...]:
    """Ready, Reconciling and Stalled as kstatus reads them: exactly one of them holds.

    ``Reconciling`` is work that goes on by itself, ``Stalled`` what needs somebody.
    """
    kept = tuple(conditions)
    for kind in (READY, RECONCILING, STALLED):
        holds = kind == outcome
        told = holds or kind == READY  # Ready says why it is not
        made = Condition(
            type=kind,
            status="True" if holds else "False",
            reason=reason if told else NORMAL,
            message=message if told else "",
            observed_generation=generation,
        )
        kept = set_condition(kept, made, now)
    return kept


def kstatus(
    conditions: Sequence[Condition], *, generation: int, observed_generation: int | None, is_deleting: bool = False
) -> Kstatus:
    """What kstatus (Helm's wait, Flux, kubectl) makes of an object."""
    if is_deleting:
        return "Terminating"
    if observed_generation is not None and observed_generation != generation:
        return "InProgress"
    for one in conditions:
        if one.status == "True" and one.type == RECONCILING:
            return "InProgress"
        if one.status == "True" and one.type == STALLED:
            return "Failed"
    ready = find(conditions, READY)
    return "Current" if ready is None or ready.status == "True" else "InProgress"


def phase(conditions: Sequence[Condition]) -> str:
    """One word for people, from the conditions alone."""
    return next((name for kind, name in _PHASES if is_true(conditions, kind)), "Pending")


ConditionList = Annotated[
    tuple[Condition, ...],
    fields.listed("What was observed; the only source of truth of this status.", CONDITIONS_MAX, keys=("type",)),
]
