"""What the rules of a bucket want of one version, or of one upload. Pure: facts and a time in, an action out.

A rule becomes due at a midnight: the object's age in days is reached, and the next midnight has passed, as in
https://docs.aws.amazon.com/AmazonS3/latest/userguide/intro-lifecycle-rules.html. A "midnight" is a multiple of the length of a
day since the epoch; with days of 86,400 s that is midnight UTC.

Where several rules are due at once, data that goes is not moved first, and of two moves the colder wins
(https://docs.aws.amazon.com/AmazonS3/latest/userguide/lifecycle-conflicts.html).
"""

from __future__ import annotations

import enum
from collections.abc import Iterator, Mapping

import msgspec

from dolmen.gateway.lifecycle.records import COLDNESS, VARIES_BY_CLASS, Lifecycle, Rule

SMALL_BYTES = 128 * 1024  # smaller objects are not moved unless a rule speaks of sizes: S3's default since September 2024
_ARCHIVES = frozenset({"GLACIER", "DEEP_ARCHIVE"})  # take small objects with varies_by_storage_class


class Kind(enum.StrEnum):
    """What is done; also the label of the metric."""

    EXPIRE = "expire"  # the current version: hidden by a delete marker, or gone for good in a bucket without versions
    REMOVE_NONCURRENT = "remove_noncurrent"
    REMOVE_MARKER = "remove_marker"  # all that was left of its key
    TRANSITION = "transition"


class Action(msgspec.Struct, frozen=True):
    """Due since ``due_us`` because of the rule ``rule_id``."""

    kind: Kind
    due_us: int
    rule_id: str
    storage_class: str = ""  # of a transition: the class to be


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """One version, as far as rules ask."""

    key: bytes
    mtime_us: int
    size: int = 0
    storage_class: str = "STANDARD"
    is_latest: bool = True
    is_delete_marker: bool = False
    is_alone: bool = False  # its key has no other version
    noncurrent_since_us: int = 0  # when its successor was made; of noncurrent versions only
    newer_noncurrent: int = 0  # noncurrent versions of its key that are newer, delete markers not counted
    is_locked: bool = False
    leaves_marker: bool = False  # its bucket keeps what is deleted, under a delete marker
    tags: Mapping[str, str] | None = msgspec.field(default_factory=dict)  # None: not read yet, every filter by tag is fulfilled


def next_midnight(at_us: int, day_us: int) -> int:
    """The first midnight after ``at_us``."""
    return (at_us // day_us + 1) * day_us


def due_after(since_us: int, days: int, day_us: int) -> int:
    """When something of that age in days is due."""
    return next_midnight(since_us + days * day_us, day_us)


def plan(lifecycle: Lifecycle, facts: Facts, now_us: int, day_us: int) -> Action | None:
    """The action that is due, or None. With ``facts.tags`` None: None is final, an action is a reason to read the tags."""
    leaving: list[Action] = []
    moving: list[Action] = []
    for action in _actions(lifecycle, facts, day_us):
        if action.due_us <= now_us:
            (moving if action.kind is Kind.TRANSITION else leaving).append(action)
    if leaving:
        return min(leaving, key=lambda action: action.due_us)
    if moving:
        return max(moving, key=lambda action: (COLDNESS.get(action.storage_class, 0), -action.due_us))
    return None


def _actions(lifecycle: Lifecycle, facts: Facts, day_us: int) -> Iterator[Action]:
    """Whatever the rules want of the version, sooner or later."""
    for rule in lifecycle.rules:
        if not rule.is_enabled or not _matches(rule, facts):
            continue
        if facts.is_latest and facts.is_delete_marker:
            yield from _of_marker(rule, facts, day_us)
        elif facts.is_latest:
            yield from _of_current(rule, facts, lifecycle.minimum_size, day_us)
        else:
            yield from _of_noncurrent(rule, facts, lifecycle.minimum_size, day_us)


def _matches(rule: Rule, facts: Facts) -> bool:
    where = rule.filter
    if where.prefix and not facts.key.startswith(where.prefix.encode()):
        return False
    if facts.is_delete_marker:  # it has neither tags nor a size
        return not where.tags and not where.has_sizes
    if where.size_greater is not None and facts.size <= where.size_greater:
        return False
    if where.size_less is not None and facts.size >= where.size_less:
        return False
    tags = facts.tags
    return tags is None or all(tags.get(key) == value for key, value in where.tags)


def _expiry(rule: Rule, facts: Facts, day_us: int) -> int | None:
    """When the rule ends a current version."""
    if rule.expire_days is not None:
        return due_after(facts.mtime_us, rule.expire_days, day_us)
    return rule.expire_date_us


def _of_current(rule: Rule, facts: Facts, minimum_size: str, day_us: int) -> Iterator[Action]:
    due_us = _expiry(rule, facts, day_us)
    if due_us is not None and (facts.leaves_marker or not facts.is_locked):
        yield Action(Kind.EXPIRE, due_us, rule.id)
    for move in rule.transitions:
        if _may_move(rule, facts, move.storage_class, minimum_size):
            due_us = move.date_us if move.days is None else due_after(facts.mtime_us, move.days, day_us)
            if due_us is not None:
                yield Action(Kind.TRANSITION, due_us, rule.id, move.storage_class)


def _of_marker(rule: Rule, facts: Facts, day_us: int) -> Iterator[Action]:
    """A delete marker goes once nothing is left below it: at once when the rule names it, else with its own age."""
    due_us = facts.mtime_us if rule.remove_markers else _expiry(rule, facts, day_us)
    if facts.is_alone and due_us is not None:
        yield Action(Kind.REMOVE_MARKER, due_us, rule.id)


def _of_noncurrent(rule: Rule, facts: Facts, minimum_size: str, day_us: int) -> Iterator[Action]:
    since_us = facts.noncurrent_since_us
    ends = rule.noncurrent_expiration
    if ends is not None and facts.newer_noncurrent >= (ends.newer or 0) and not facts.is_locked:
        yield Action(Kind.REMOVE_NONCURRENT, due_after(since_us, ends.days, day_us), rule.id)
    for move in rule.noncurrent_transitions:
        if facts.newer_noncurrent >= (move.newer or 0) and _may_move(rule, facts, move.storage_class, minimum_size):
            yield Action(Kind.TRANSITION, due_after(since_us, move.days, day_us), rule.id, move.storage_class)


def _may_move(rule: Rule, facts: Facts, target: str, minimum_size: str) -> bool:
    """Only to colder classes, and small objects only where the rule speaks of sizes."""
    if facts.is_delete_marker or COLDNESS.get(target, 0) <= COLDNESS.get(facts.storage_class, 0):
        return False
    if facts.storage_class == "ONEZONE_IA" and target == "GLACIER_IR":  # the one gap in S3's waterfall
        return False
    if rule.filter.has_sizes or facts.size >= SMALL_BYTES:
        return True
    return minimum_size == VARIES_BY_CLASS and target in _ARCHIVES


def expiry_of(lifecycle: Lifecycle, facts: Facts, day_us: int) -> tuple[int, str] | None:
    """(time, rule id) of the earliest expiration that the current version has ahead: what x-amz-expiration tells."""
    found = [
        (due_us, rule.id)
        for rule in lifecycle.rules
        if rule.is_enabled and rule.expires and _matches(rule, facts)
        for due_us in (_expiry(rule, facts, day_us),)
        if due_us is not None
    ]
    return min(found, default=None)


def abort_of(lifecycle: Lifecycle, key: bytes, initiated_us: int, day_us: int) -> tuple[int, str] | None:
    """(time, rule id) of the earliest rule that aborts an upload which is not completed by then."""
    found = [
        (due_after(initiated_us, rule.abort_days, day_us), rule.id)
        for rule in lifecycle.rules
        if rule.is_enabled and rule.abort_days is not None and key.startswith((rule.filter.prefix or "").encode())
    ]
    return min(found, default=None)
