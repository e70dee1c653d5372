"""The walk behind every S3 list: rows and common prefixes of one page, in byte order.

``Walk`` is free of I/O: it says which rows it wants (``want``), is fed with them (``feed``) and ends with a ``Page``.
After a common prefix it goes on at the prefix's successor, so that a "directory" of any size costs one seek.
``list_page`` drives it with a backend's scan.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, NamedTuple, Protocol, TypeVar

SEEK_ROWS = 4  # first read after a seek, which costs what 20 rows cost: most rows behind the first are often skipped
GROWTH = 4  # each read of which no more than half was skipped makes the next one larger
READ_ROWS_MAX = 1001  # one page of 1000, and the row that proves that there is more


class Keyed(Protocol):
    """A row of any list."""

    @property
    def key(self) -> bytes: ...


RowT = TypeVar("RowT", bound=Keyed)


class Position(NamedTuple):
    """Where a list goes on: keys >= ``key``; on the key itself only what follows ``mark`` (None: all of it).

    ``mark`` is a sequence number in version lists, an upload id in upload lists.
    """

    key: bytes
    mark: int | str | None = None


class Request(NamedTuple):
    """Rows with ``start`` <= position, key < ``end`` (None: no end), at most ``limit``."""

    start: Position
    end: bytes | None
    limit: int


class Page(NamedTuple, Generic[RowT]):
    """One page. ``last`` is the key or common prefix that came last; ``next`` is None when the list is complete."""

    rows: list[RowT]
    common_prefixes: list[bytes]
    last: bytes
    last_is_prefix: bool
    next: Position | None

    @property
    def truncated(self) -> bool:
        return self.next is not None


def successor(prefix: bytes) -> bytes | None:
    """The least key above every key that starts with ``prefix``; None when there is no such key."""
    stem = prefix.rstrip(b"\xff")
    return stem[:-1] + bytes((stem[-1] + 1,)) if stem else None


def common_prefix(key: bytes, prefix: bytes, delimiter: bytes) -> bytes | None:
    """What ``key`` is rolled up to: up to and with the first delimiter after ``prefix``; None: the key stands itself."""
    if not delimiter:
        return None
    found = key.find(delimiter, len(prefix))
    return None if found < 0 else key[: found + len(delimiter)]


def after_key(key: bytes) -> Position:
    """The position behind every row of ``key``."""
    return Position(key + b"\0")


def start_of(prefix: bytes, delimiter: bytes, position: Position | None) -> Position | None:
    """Where a list begins that was given a marker; None when nothing can follow.

    A marker inside a common prefix (or the prefix itself) skips that prefix: it was told on an earlier page, and it
    sorts below the marker.
    """
    if position is None or position.key < prefix:
        return Position(prefix)
    end = successor(prefix)
    if end is not None and position.key >= end:
        return None
    rolled = common_prefix(position.key, prefix, delimiter)
    if rolled is None:
        return position
    skipped = successor(rolled)
    return None if skipped is None else Position(skipped)


class Walk(Generic[RowT]):
    """The state of one page. ``mark`` reads what ``Position`` needs to go on behind a row."""

    def __init__(
        self,
        *,
        prefix: bytes,
        delimiter: bytes,
        start: Position | None,
        max_items: int,
        position_after: Callable[[RowT], Position],
    ) -> None:
        """``start`` is inclusive (see ``Position``), None: from the beginning. Markers go through ``start_of`` first."""
        self._prefix = prefix
        self._delimiter = delimiter
        self._end = successor(prefix)
        self._max_items = max_items
        self._position_after = position_after
        self._at: Position | None = max(start, Position(prefix), key=_key) if start else Position(prefix)
        self._limit = SEEK_ROWS if delimiter else READ_ROWS_MAX
        self._rows: list[RowT] = []
        self._prefixes: list[bytes] = []
        self._last = b""
        self._last_is_prefix = False
        self._more = False
        if max_items <= 0:
            self._at = None

    def want(self) -> Request | None:
        """The next rows to read; None when the page is complete."""
        if self._at is None or self._more:
            return None
        if self._end is not None and self._at.key >= self._end:
            return None
        room = self._max_items - len(self._rows) - len(self._prefixes) + 1
        return Request(self._at, self._end, min(self._limit, room))

    def feed(self, request: Request, rows: Sequence[RowT]) -> None:
        """The answer to ``want``. Fewer rows than asked for means that there are no more."""
        if not self._delimiter:
            self._feed_plain(request, rows)
            return
        skip_below: bytes | None = None
        skipped = 0
        for row in rows:
            if skip_below is not None and row.key < skip_below:
                skipped += 1
                continue
            skip_below = None
            rolled = common_prefix(row.key, self._prefix, self._delimiter)
            if len(self._rows) + len(self._prefixes) >= self._max_items:
                self._more = True
                return
            if rolled is None:
                self._rows.append(row)
                self._last, self._last_is_prefix = row.key, False
                self._at = self._position_after(row)
                continue
            self._prefixes.append(rolled)
            self._last, self._last_is_prefix = rolled, True
            skip_below = successor(rolled)
            self._at = None if skip_below is None else Position(skip_below)
            if self._at is None:
                return
        if len(rows) < request.limit:
            self._at = None
        elif 2 * skipped > len(rows):
            self._limit = SEEK_ROWS
        else:
            self._limit = min(self._limit * GROWTH, READ_ROWS_MAX)

    def _feed_plain(self, request: Request, rows: Sequence[RowT]) -> None:
        """Every row stands for itself."""
        taken = rows[: self._max_items - len(self._rows)]
        self._rows += taken
        if taken:
            self._last = taken[-1].key
            self._at = self._position_after(taken[-1])
        if len(taken) < len(rows):
            self._more = True
        elif len(rows) < request.limit:
            self._at = None

    def page(self) -> Page[RowT]:
        """What was found; call it when ``want`` is None."""
        return Page(
            rows=self._rows,
            common_prefixes=self._prefixes,
            last=self._last,
            last_is_prefix=self._last_is_prefix,
            next=self._at if self._more else None,
        )


Scan = Callable[[Position, "bytes | None", int], Awaitable[Sequence[RowT]]]


async def list_page(
    scan: Scan[RowT],
    *,
    prefix: bytes,
    delimiter: bytes,
    marker: Position | None,
    max_items: int,
    position_after: Callable[[RowT], Position],
) -> Page[RowT]:
    """One page of a list. ``marker``: the inclusive position to start from (``after_key(start_after)``, or a token's).

    Rows and common prefixes together are at most ``max_items``. ``scan`` reads as ``MetadataStore.scan`` does.
    """
    start = start_of(prefix, delimiter, marker)
    nothing = start is None
    walk = Walk(
        prefix=prefix,
        delimiter=delimiter,
        start=start,
        max_items=0 if nothing else max_items,
        position_after=position_after,
    )
    while (request := walk.want()) is not None:
        walk.feed(request, await scan(request.start, request.end, request.limit))
    return walk.page()


def _key(position: Position) -> bytes:
    return position.key
