"""What actions of ``dolmen metadata`` find and do: for programs as JSON, for people as lines."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from dolmen.gateway.metadata.comparing import Compared
from dolmen.gateway.metadata.copying import Copied
from dolmen.gateway.metadata.listcheck import ListsChecked

SHOWN = 20  # differences in a text; JSON has more


class Migrated(msgspec.Struct, frozen=True, kw_only=True):
    """Versions of the schema, before and after."""

    before: int
    after: int


class Checked(msgspec.Struct, frozen=True, kw_only=True):
    """``reasons``: why processes would not be ready with it. ``lists`` None: they could not be judged."""

    schema_found: int
    schema_known: int
    reasons: list[str]
    warnings: list[str]
    lists: ListsChecked | None


class Ended(msgspec.Struct, frozen=True, kw_only=True):
    """The copy between these is forgotten."""

    source: str
    target: str


class Exported(msgspec.Struct, frozen=True, kw_only=True):
    """A file that is whole."""

    file: str
    items: dict[str, int]
    bytes: int
    sha256: str


class Imported(msgspec.Struct, frozen=True, kw_only=True):
    """What was loaded."""

    file: str
    items: dict[str, int]


Result = Migrated | Checked | ListsChecked | Copied | Compared | Ended | Exported | Imported


def json_of(result: Result) -> str:
    """For programs."""
    return msgspec.json.format(msgspec.json.encode(result), indent=2).decode()


def exit_code_of(action: str, result: Result) -> int:
    """1 when something is wrong."""
    if isinstance(result, Checked):
        return int(bool(result.reasons) or result.lists is None or result.lists.wrong > 0)
    if isinstance(result, Compared):
        return int(result.different > 0)
    if isinstance(result, ListsChecked):
        return int(action == "check" and result.wrong > 0)
    return 0


def lines_of(result: Result) -> list[str]:
    """For people."""
    match result:
        case Migrated():
            return _migrated(result)
        case Checked():
            return _checked(result)
        case ListsChecked():
            return _lists(result)
        case Copied():
            return _copied(result)
        case Compared():
            return _compared(result)
        case Ended():
            return [f"nothing is logged for a copy to {result.target} any more, and what it had come to is forgotten"]
        case Exported():
            return [f"{result.file}: {items_text(result.items)}; {result.bytes:,} bytes, SHA-256 {result.sha256}"]
        case Imported():
            return [f"{result.file} is loaded: {items_text(result.items)}"]


def items_text(items: dict[str, int]) -> str:
    """How many of what."""
    told = [f"{count:,} {name if count == 1 else _PLURALS.get(name, name + 's')}" for name, count in items.items()]
    return ", ".join(told) or "nothing"


_PLURALS = {"garbage": "garbage notes"}


def _migrated(result: Migrated) -> list[str]:
    if result.before == result.after:
        return [f"the schema has version {result.after} already"]
    return [f"the schema has version {result.after}, it had {result.before or 'none'}"]


def _checked(result: Checked) -> list[str]:
    lines = [f"schema {result.schema_found}, this program's is {result.schema_known}"]
    lines += [f"not usable: {reason}" for reason in result.reasons]
    lines += [f"warning: {warning}" for warning in result.warnings]
    return lines + (["lists were not judged"] if result.lists is None else _lists(result.lists))


def _lists(result: ListsChecked) -> list[str]:
    lines = [f"{items_text({'bucket': result.buckets})}, {result.keys:,} comparisons of keys with lists, {result.wrong:,} wrong"]
    if result.healed:
        lines[0] += f", {result.healed:,} made anew"
    some = result.told[:SHOWN]
    return [*lines, *(f"{one.bucket}/{one.key}: {one.what}" for one in some), *_more(result.wrong, some)]


def _copied(result: Copied) -> list[str]:
    lines = [f"moved in {result.seconds:.1f} s: {items_text(result.moved)}; {result.removed:,} removed"]
    if result.final:
        return [*lines, "This was the last round. `--verify` compares both; then processes may start on the target."]
    if result.left:
        lines.append(f"{result.left:,} changes came meanwhile")
    return [*lines, "Run it again shortly before the change-over; then stop all writers and run it with --final."]


def _compared(result: Compared) -> list[str]:
    lines = [f"{items_text(result.items)} compared, {result.different:,} different"]
    some = result.told[:SHOWN]
    return [*lines, *(f"{one.kind} {' '.join(map(str, one.place))}: {one.what}" for one in some), *_more(result.different, some)]


def _more(count: int, shown: Sequence[object]) -> list[str]:
    return [f"... and {count - len(shown):,} more"] if count > len(shown) else []
