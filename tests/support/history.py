"""What many clients did to one store, and whether one object store could have answered so: linearizability, key by key.

Clients record each operation with the times of its call and its answer (``time.monotonic_ns`` of one machine), and each page of a
list as a whole: for every key that the page covers it is a read within the page's interval, of "absent" where it told no row.

Each key is a register, whose values are ETags that nobody writes twice to one key. The search is the one of Wing and Gong, as
Lowe bounds it: operations take effect only when an answer demands it, and equal states are looked at once. Operations without
an answer may take effect at any time after their call, or never. Only what can be reached is kept: between operations that do not
overlap that is one state, so a history of any length needs no more than its worst moment.
"""

from __future__ import annotations

import bisect
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import msgspec
from history_search import ABSENT, FOREVER, Step, TooConcurrent, first_impossible

TOLD_AROUND = 12  # operations of a violation's key that its report shows before the offending one


class Operation(NamedTuple):
    """One operation on one key.

    ``kind``: "put", "delete", "get", "head", or "list" (a page's read of this key). ``outcome``: "ok"; "refused" (412);
    "missing" (404: nothing there); "unknown" (time-out, 5xx, broken connection: it may happen at any later time, or never);
    "failed" (it certainly did not happen). ``value``: the ETag written, or read; None: absent. ``if_match``: an ETag that a put or
    delete demanded; ``if_absent``: If-None-Match: *.
    """

    client: int
    kind: str
    key: bytes
    begun_ns: int
    ended_ns: int
    outcome: str
    value: str | None = None
    if_match: str | None = None
    if_absent: bool = False

    def __str__(self) -> str:
        condition = " If-None-Match: *" if self.if_absent else f" If-Match: {self.if_match}" if self.if_match else ""
        value = "" if self.kind == "delete" else f" {self.value or 'absent'}"
        return f"client {self.client} {self.kind}{value}{condition} -> {self.outcome}"


class ListPage(NamedTuple):
    """One page: ``rows`` (key, ETag) in order, and what it covers: start <= key < end (None: no end)."""

    client: int
    begun_ns: int
    ended_ns: int
    start: bytes
    end: bytes | None
    rows: tuple[tuple[bytes, str], ...]


class Violation(NamedTuple):
    """``text`` names the offending operations, with times in milliseconds since the history's first call."""

    key: bytes
    operation: Operation
    text: str

    def __str__(self) -> str:
        return self.text


class History(msgspec.Struct):
    """A recording. Append to its lists, from one thread or under one loop."""

    operations: list[Operation] = []
    pages: list[ListPage] = []

    def save(self, path: Path) -> None:
        """As msgpack."""
        path.write_bytes(msgspec.msgpack.encode(self))

    @classmethod
    def load(cls, path: Path) -> History:
        return msgspec.msgpack.decode(path.read_bytes(), type=cls)


def check(history: History, before: dict[bytes, str] | None = None) -> list[Violation]:
    """The first violation of each key, in the order of keys; empty: linearizable. ``before``: what was there at first.

    Raises ``TooConcurrent`` when a moment is too tangled to be decided, ``ValueError`` when an ETag was written twice to one key.
    """
    by_key = _by_key(history)
    origin = min((operation.begun_ns for found in by_key.values() for operation in found), default=0)
    violations = []
    for key in sorted(by_key):
        violation = _check_key(key, by_key[key], (before or {}).get(key, ABSENT), origin)
        if violation is not None:
            violations.append(violation)
    return violations


def _by_key(history: History) -> dict[bytes, list[Operation]]:
    found: dict[bytes, list[Operation]] = defaultdict(list)
    for operation in history.operations:
        found[operation.key].append(operation)
    for page in history.pages:
        for key, _ in page.rows:
            found[key]  # a key that nobody wrote is a ghost
    keys = sorted(found)
    for page in history.pages:
        for read in _reads(page, keys):
            found[read.key].append(read)
    return found


def _reads(page: ListPage, keys: list[bytes]) -> Iterator[Operation]:
    first = bisect.bisect_left(keys, page.start)
    last = len(keys) if page.end is None else bisect.bisect_left(keys, page.end)
    told = dict(page.rows)
    if len(told) != len(page.rows) or sorted(told) != [key for key, _ in page.rows]:
        raise ValueError(f"a list of client {page.client} tells keys twice or out of order: {page.rows}")
    for key in keys[first:last]:
        value = told.pop(key, None)
        yield Operation(page.client, "list", key, page.begun_ns, page.ended_ns, "ok" if value else "missing", value)
    if told:
        raise ValueError(f"a list of client {page.client} from {page.start!r} to {page.end!r} tells keys from elsewhere: {told}")


def _check_key(key: bytes, operations: list[Operation], before: str, origin: int) -> Violation | None:
    writers = _writers(key, operations)
    steps = _steps(operations, writers)
    impossible = first_impossible(steps, before)
    if impossible is None:
        return None
    index, possible = impossible
    operation = operations[index]
    return Violation(key, operation, _report(key, operation, operations, writers, possible, origin))


def _writers(key: bytes, operations: list[Operation]) -> dict[str, Operation]:
    """Who wrote, or may have written, each ETag."""
    writers: dict[str, Operation] = {}
    for operation in operations:
        if operation.kind == "put" and operation.outcome in ("ok", "unknown"):
            assert operation.value is not None
            if operation.value in writers:
                raise ValueError(f"{operation.value} was written twice to {key!r}: values must be unique")
            writers[operation.value] = operation
    return writers


def _steps(operations: list[Operation], writers: dict[str, Operation]) -> list[Step]:
    """What the search needs of each operation; those that cannot matter are left out."""
    seen: dict[str, int] = {}  # by ETag: when the first answer came that proves that it was there
    for operation in operations:
        value = _proven(operation)
        if value is not None and operation.ended_ns < seen.get(value, FOREVER):
            seen[value] = operation.ended_ns
    steps = []
    for index, operation in enumerate(operations):
        step = _step(index, operation, seen)
        if step is not None:
            steps.append(step)
    return steps


def _proven(operation: Operation) -> str | None:
    """The ETag that was there, if the answer proves one."""
    if operation.outcome != "ok":
        return None
    return operation.if_match if operation.kind in ("put", "delete") else operation.value


def _step(index: int, operation: Operation, seen: dict[str, int]) -> Step | None:
    begun, ended, outcome = operation.begun_ns, operation.ended_ns, operation.outcome
    if operation.kind not in ("put", "delete"):
        if outcome not in ("ok", "missing"):
            return None  # an error tells nothing
        return Step(index, begun, ended, needs="is", of=operation.value or ABSENT)
    if outcome in ("refused", "missing"):
        return _refusal(index, operation)
    if outcome == "failed":
        return None
    needs, of = ("is", operation.if_match) if operation.if_match else ("is", ABSENT) if operation.if_absent else ("", ABSENT)
    writes = ABSENT if operation.kind == "delete" else operation.value
    step = Step(index, begun, ended, needs=needs, of=of or ABSENT, writes=writes)
    if outcome == "ok":
        return step
    # Unknown. A value that was seen was written before it was seen; one that nobody saw, or a deletion, may be or not be.
    proven = seen.get(operation.value or ABSENT, FOREVER) if operation.kind == "put" else FOREVER
    is_seen = proven != FOREVER
    return step._replace(ended=proven if proven > begun else FOREVER, may_not_be=not is_seen)


def _refusal(index: int, operation: Operation) -> Step:
    """412 to If-None-Match: * saw something, 412 to If-Match something else, 404 to If-Match nothing."""
    begun, ended = operation.begun_ns, operation.ended_ns
    if operation.outcome == "missing":
        return Step(index, begun, ended, needs="is", of=ABSENT)
    if operation.if_match:
        return Step(index, begun, ended, needs="other", of=operation.if_match)
    return Step(index, begun, ended, needs="other", of=ABSENT)


# ---- reports ---------------------------------------------------------------------------------------------------------------


def _report(
    key: bytes,
    operation: Operation,
    operations: list[Operation],
    writers: dict[str, Operation],
    possible: Iterable[str],
    origin: int,
) -> str:
    def line(shown: Operation) -> str:
        ended = "..." if shown.outcome == "unknown" else f"{(shown.ended_ns - origin) / 1e6:.3f}"
        return f"  [{(shown.begun_ns - origin) / 1e6:.3f}, {ended}] {shown}"

    texts = [f"key {key!r}: no order of the operations explains", line(operation)]
    texts.append(f"before it ended the key could only be: {', '.join(sorted(value or 'absent' for value in possible))}")
    texts += [f"{reason}\n{line(other)}" for reason, other in _reasons(operation, operations, writers)]
    if operation.outcome == "ok" and operation.kind != "put" and operation.value and operation.value not in writers:
        texts.append(f"nobody is known to have written {operation.value}")
    around = [other for other in operations if other.begun_ns <= operation.ended_ns and other != operation]
    around.sort(key=lambda other: other.begun_ns)
    texts.append("what came before, or at the same time:")
    return "\n".join(texts + [line(other) for other in around[-TOLD_AROUND:]])


def _reasons(
    operation: Operation, operations: list[Operation], writers: dict[str, Operation]
) -> Iterator[tuple[str, Operation]]:
    """The plain stories: written by whom, overwritten by whom before it was read, refused and yet seen."""
    value = _proven(operation)
    if value is None:
        return
    writer = writers.get(value)
    for other in operations:
        if other.kind == "put" and other.value == value and other.outcome in ("refused", "missing", "failed"):
            yield f"{value} belongs to a write that was refused:", other
    if writer is None:
        return
    if writer.begun_ns > operation.ended_ns:
        yield f"{value} was written only later, by", writer
        return
    yield f"{value} was written by", writer
    for other in operations:
        overwrites = other.kind in ("put", "delete") and other.outcome == "ok" and other != writer
        if overwrites and other.begun_ns > writer.ended_ns and other.ended_ns < operation.begun_ns:
            yield "and had been replaced by", other
            return


__all__ = ["FOREVER", "History", "ListPage", "Operation", "TooConcurrent", "Violation", "check"]
