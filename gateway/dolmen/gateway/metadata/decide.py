"""What a write does to a key: pure decisions that every backend takes at its commit point.

A key has at most one *null version* (written while versioning was off or suspended) and any number of versions with
ids. The current version is the one with the largest sequence, whichever kind it is; it may be a delete marker.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from dolmen.core.layout import ObjectLayout
from dolmen.gateway.metadata.records import (
    NULL_VERSION,
    Deleted,
    Lock,
    NewVersion,
    Versioning,
    VersionRecord,
    WriteCondition,
)
from dolmen.gateway.metadata.store import NoSuchKey, ObjectChanged, ObjectLocked, PreconditionFailed
from dolmen.gateway.metadata.versions import new_version_id

_SECOND_US = 1_000_000


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """The effect of a write on one key. ``before`` and ``after`` are the current versions (None: no version at all)."""

    before: VersionRecord | None
    after: VersionRecord | None
    added: VersionRecord | None = None
    removed: VersionRecord | None = None

    @property
    def garbage(self) -> ObjectLayout | None:
        """Data that no version refers to any more, or None."""
        if self.removed is None or not self.removed.layout.segments:
            return None
        return self.removed.layout


def current_of(versions: Iterable[VersionRecord]) -> VersionRecord | None:
    """The version with the largest sequence."""
    return max(versions, key=_seq, default=None)


def next_seq(now_us: int, head: VersionRecord | None, floor_seq: int = 0) -> int:
    """Never behind the head, whatever the clock did, nor below ``floor_seq`` (behind changes that left no version)."""
    return max(now_us, floor_seq, 0 if head is None else head.seq + 1)


def check_condition(condition: WriteCondition, current: VersionRecord | None) -> None:
    """Decide a condition against the version it is about (a delete marker counts as nothing).

    Raises ``PreconditionFailed``, ``NoSuchKey`` (If-Match on nothing). Size and time on nothing are fulfilled, as S3
    documents for deletes: https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteObject.html
    """
    found = None if current is None or current.is_delete_marker else current
    if condition.if_match:
        if found is None:
            raise NoSuchKey("If-Match, and there is no object")
        if "*" not in condition.if_match and found.etag not in condition.if_match:
            raise PreconditionFailed("If-Match")
    if found is None:
        return
    if "*" in condition.if_none_match or found.etag in condition.if_none_match:
        raise PreconditionFailed("If-None-Match")
    if condition.if_match_size is not None and condition.if_match_size != found.size:
        raise PreconditionFailed("x-amz-if-match-size")
    wanted_us = condition.if_match_mtime_us
    if wanted_us is not None and wanted_us // _SECOND_US != found.mtime_us // _SECOND_US:
        raise PreconditionFailed("x-amz-if-match-last-modified-time")


GOVERNANCE = "GOVERNANCE"


def is_locked(lock: Lock | None, now_us: int, *, bypass_governance: bool) -> bool:
    """Whether a version must not go. https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-lock.html"""
    if lock is None:
        return False
    if lock.legal_hold:
        return True
    return bool(lock.mode) and lock.until_us > now_us and not (lock.mode == GOVERNANCE and bypass_governance)


def check_unlocked(removed: VersionRecord | None, now_us: int, *, bypass_governance: bool = False) -> None:
    """Raises ``ObjectLocked`` when ``removed`` is under lock."""
    if removed is not None and is_locked(removed.mutable.lock, now_us, bypass_governance=bypass_governance):
        raise ObjectLocked("the version is locked")


def check_seq(if_seq: int | None, found: VersionRecord | None) -> None:
    """Raises ``ObjectChanged`` unless ``found`` is the version that was judged."""
    if if_seq is not None and (found is None or found.seq != if_seq):
        raise ObjectChanged("another version is there now")


def check_noncurrent(if_noncurrent: bool, found: VersionRecord | None, before: VersionRecord | None) -> None:
    """Raises ``ObjectChanged`` when ``found`` became the current version (``before``), because what hid it went."""
    if if_noncurrent and found is not None and before is not None and found.seq == before.seq:
        raise ObjectChanged("the version is the current one now")


def decide_put(
    versioning: Versioning,
    key: bytes,
    versions: Iterable[VersionRecord],
    new: NewVersion,
    now_us: int,
    floor_seq: int = 0,
) -> Change:
    """``new`` becomes the current version. ``versions``: at least the null version and the newest one with an id.

    Raises ``ObjectLocked`` when it would take the place of a locked null version.
    """
    versions = tuple(versions)
    before = current_of(versions)
    seq = next_seq(now_us, before, floor_seq)
    replaced = None if versioning is Versioning.ENABLED else _null_version(versions)
    check_unlocked(replaced, now_us)
    added = VersionRecord(
        key=key,
        version_id=new_version_id(seq) if versioning is Versioning.ENABLED else NULL_VERSION,
        seq=seq,
        size=new.size,
        etag=new.etag,
        mtime_us=now_us if new.mtime_us is None else new.mtime_us,
        owner=new.owner,
        attributes=new.attributes,
        mutable=new.mutable,
        layout=new.layout,
    )
    return Change(before=before, after=added, added=added, removed=replaced)


def decide_delete(
    versioning: Versioning,
    key: bytes,
    versions: Iterable[VersionRecord],
    owner: str,
    now_us: int,
    *,
    bypass_governance: bool = False,
    floor_seq: int = 0,
) -> tuple[Change, Deleted]:
    """DELETE without a version id. ``versions`` as in ``decide_put``; ``owner`` is the marker's. Raises ``ObjectLocked``."""
    versions = tuple(versions)
    before = current_of(versions)
    null_version = _null_version(versions)
    existed = before is not None and not before.is_delete_marker
    if versioning is not Versioning.ENABLED:
        check_unlocked(null_version, now_us, bypass_governance=bypass_governance)
    if versioning is Versioning.OFF:
        after = current_of(version for version in versions if version is not null_version)
        change = Change(before=before, after=after, removed=null_version)
        return change, Deleted(existed=null_version is not None)
    seq = next_seq(now_us, before, floor_seq)
    marker = VersionRecord(
        key=key,
        version_id=new_version_id(seq) if versioning is Versioning.ENABLED else NULL_VERSION,
        seq=seq,
        is_delete_marker=True,
        mtime_us=now_us,
        owner=owner,
    )
    removed = null_version if versioning is Versioning.SUSPENDED else None
    change = Change(before=before, after=marker, added=marker, removed=removed)
    return change, Deleted(version_id=marker.version_id, is_delete_marker=True, existed=existed)


def decide_delete_version(
    target: VersionRecord | None, versions: Iterable[VersionRecord], now_us: int, *, bypass_governance: bool = False
) -> tuple[Change, Deleted]:
    """DELETE of one version for good. ``versions``: at least the null version and the *two* newest with ids.

    Raises ``ObjectLocked``.
    """
    before = current_of(versions)
    if target is None:
        return Change(before=before, after=before), Deleted()
    check_unlocked(target, now_us, bypass_governance=bypass_governance)
    after = current_of(version for version in versions if version.seq != target.seq)
    change = Change(before=before, after=after, removed=target)
    return change, Deleted(
        version_id=target.version_id, is_delete_marker=target.is_delete_marker, existed=True
    )


def _null_version(versions: Iterable[VersionRecord]) -> VersionRecord | None:
    return next((version for version in versions if version.version_id == NULL_VERSION), None)


def _seq(version: VersionRecord) -> int:
    return version.seq
