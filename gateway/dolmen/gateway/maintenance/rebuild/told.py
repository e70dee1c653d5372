"""How a rebuild is told: lines for people, a JSON object a line for programs."""

from __future__ import annotations

from typing import TextIO

import msgspec

from dolmen.gateway.maintenance.rebuild.differences import Difference
from dolmen.gateway.maintenance.rebuild.fragments import Trouble
from dolmen.gateway.maintenance.rebuild.scan import Unheard

LINES_MAX = 1000  # differences that are told to people; programs get all of them
TROUBLES_TOLD = 100  # fragments that were left out of account; the rest is counted


class Summary(msgspec.Struct, kw_only=True):
    """The end of the report; counted while it runs."""

    fragments: int = 0
    stripes: int = 0
    writes: int = 0  # bodies, whole or not
    rows: int = 0  # versions, uploads in progress and parts
    equal: int = 0  # rows that the volumes say exactly so
    rows_only: int = 0
    volumes_only: int = 0
    different: int = 0
    garbage: int = 0  # writes that notes say are to be deleted: no difference
    troubles: int = 0  # fragments left out of account
    unheard: int = 0  # disks that did not tell all that they have
    taken: int = 0  # differences of which rows were made
    left: int = 0  # differences that are there still
    read_bytes: int = 0
    seconds: float = 0.0

    @property
    def is_equal(self) -> bool:
        """Both sides say the same, and all of both was seen."""
        return not self.left and not self.unheard


class Report:
    """Writes the differences as they are found."""

    def __init__(self, out: TextIO, *, as_json: bool, writes: bool) -> None:
        """``writes``: rows are made of what is taken, so that it is no difference any more."""
        self._out = out
        self._as_json = as_json
        self._writes = writes
        self._lines = 0
        self.summary = Summary()

    def difference(self, found: Difference) -> None:
        """One that stays, unless it is ``taken`` and rows are made."""
        summary = self.summary
        if found.kind == "rows only":
            summary.rows_only += 1
        elif found.kind == "volumes only":
            summary.volumes_only += 1
        else:
            summary.different += 1
        if found.taken and self._writes:
            summary.taken += 1
        else:
            summary.left += 1
        self._lines += 1
        if self._as_json:
            self._json("difference", found)
        elif self._lines <= LINES_MAX:
            self._print(*_lines_of(found))
        elif self._lines == LINES_MAX + 1:
            self._print("... (--output json tells all of them)")

    def trouble(self, found: Trouble) -> None:
        """A fragment that was left out of account."""
        self.summary.troubles += 1
        if self.summary.troubles > TROUBLES_TOLD:
            return
        if self._as_json:
            told = {"pg": found.pg, "stripe": found.stripe_id.hex(), "slot": found.slot, "reason": found.reason}
            self._json("trouble", told)
        else:
            self._print(f"fragment {found.slot} of stripe {found.stripe_id.hex()} in group {found.pg}: {found.reason}")

    def unheard(self, found: Unheard) -> None:
        """A disk that did not tell all that it has."""
        self.summary.unheard += 1
        if self._as_json:
            self._json("unheard", found)
        else:
            self._print(f"disk {found.disk} did not tell all that it has: {found.reason}")

    def close(self) -> None:
        """The summary."""
        if self._as_json:
            self._json("summary", self.summary)
            return
        one = self.summary
        self._print(
            f"{one.fragments:,} fragments, {one.stripes:,} stripes, {one.writes:,} bodies in the volumes; {one.rows:,} rows",
            f"{one.equal:,} rows are exactly what the volumes say",
            f"{one.rows_only:,} in rows only, {one.volumes_only:,} in volumes only, {one.different:,} different",
        )
        if self._writes:
            self._print(f"rows were made of {one.taken:,}; {one.left:,} differences are left")

    def _json(self, kind: str, told: object) -> None:
        self._print(msgspec.json.encode({"type": kind, **msgspec.to_builtins(told)}).decode())

    def _print(self, *lines: str) -> None:
        for line in lines:
            print(line, file=self._out)


def _lines_of(found: Difference) -> list[str]:
    place = f"{found.bucket}/{found.key}" if found.key else found.bucket
    if found.version_id not in ("", "null"):
        place += f" version {found.version_id}"
    if found.upload_id and found.what != "version":
        place += f" upload {found.upload_id}"
    if found.part_number:
        place += f" part {found.part_number}"
    if found.what == "write":
        place += f" write {found.write_id}"
    lines = [f"{found.kind}: {found.what} {place}: {found.reason}"]
    return lines + [f"    {one.field}: rows {one.rows!r}, volumes {one.volumes!r}" for one in found.fields]
