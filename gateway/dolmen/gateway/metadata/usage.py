"""What a change does to the usage of its bucket."""

from __future__ import annotations

from dolmen.gateway.metadata.decide import Change
from dolmen.gateway.metadata.records import VersionRecord


def usage_delta(change: Change) -> tuple[int, int]:
    """(versions that are no markers, their bytes) that came, less those that went."""
    came, went = _of(change.added), _of(change.removed)
    if change.added is not None and change.removed is None and _is_known(change):
        return 0, 0  # the same version with another description
    return came[0] - went[0], came[1] - went[1]


def _is_known(change: Change) -> bool:
    added, before = change.added, change.before
    return added is not None and before is not None and before.seq >= added.seq


def _of(record: VersionRecord | None) -> tuple[int, int]:
    return (0, 0) if record is None or record.is_delete_marker else (1, record.size)
