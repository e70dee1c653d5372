"""Reading a whole table in the order of its tokens, in pages that can be gone on with after an interruption."""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from dolmen.gateway.metadata.cassandra.cql import Cql, Kind, Row, Statement

TOKEN_MIN = -(1 << 63)
TOKEN_MAX = (1 << 63) - 1

_encode = msgspec.msgpack.Encoder().encode


class _At(msgspec.Struct, frozen=True, array_like=True):
    """Where a walk goes on: at the first row of ``token``; or, in a partition too large for a page, behind a row of it."""

    token: int = TOKEN_MIN
    partition: int | None = None  # which of those that share the token, in the order in which the server tells them
    row: list[object] | None = None  # clustering columns of the last row that was told


_decode = msgspec.msgpack.Decoder(_At).decode


class TokenPage(NamedTuple):
    """Rows: the token, the columns of the partition key, then the others. ``after`` None: these were the last."""

    rows: list[Row]
    after: bytes | None


class TokenTable:
    """Statements about one table. Partitions without rows show one row with their statics."""

    def __init__(
        self, name: str, partition: tuple[str, ...], clustering: tuple[str, ...], others: str, *, order: str = ">"
    ) -> None:
        """``clustering`` (): only one row of statics is read of each partition. ``order``: "<" when rows descend."""
        keys = ", ".join(partition)
        columns = ", ".join([f"token({keys})", *partition, *clustering, *([others] if others else [])])
        distinct = "" if clustering else "DISTINCT "
        where = " AND ".join(f"{column} = ?" for column in partition)
        beyond = f"({', '.join(clustering)}) {order} ({', '.join('?' * len(clustering))})"
        select = f"SELECT {distinct}{columns} FROM {name} WHERE"  # noqa: S608 - names of ours
        self._from = Statement(f"{select} token({keys}) >= ? LIMIT ?", Kind.READ)
        self._same = Statement(f"{select} token({keys}) = ?", Kind.READ)
        self._partitions = Statement(
            f"SELECT DISTINCT {keys} FROM {name} WHERE token({keys}) = ?", Kind.READ  # noqa: S608 - names of ours
        )
        self._first = Statement(f"{select} {where} LIMIT ?", Kind.READ)
        self._rest = Statement(f"{select} {where} AND {beyond} LIMIT ?", Kind.READ)
        self._row = slice(1 + len(partition), 1 + len(partition) + len(clustering))

    async def page(self, cql: Cql, after: bytes, limit: int) -> TokenPage:
        """About ``limit`` >= 1 rows behind ``after`` (b"": from the beginning)."""
        at = _decode(after) if after else _At()
        if at.partition is not None:
            return await self._within(cql, at, limit)
        rows = await cql.run(self._from, at.token, limit)
        if len(rows) < limit:
            return TokenPage(rows, None)
        last = rows[-1][0]
        whole = [row for row in rows if row[0] != last]  # of the last one there may be more
        if whole:
            return TokenPage(whole, _encode(_At(last)))
        if self._row.start == self._row.stop:
            return _behind(await cql.run(self._same, last), last)
        return await self._within(cql, _At(last, 0), limit)

    async def _within(self, cql: Cql, at: _At, limit: int) -> TokenPage:
        """A part of a partition that is larger than a page; then others of the same token, if there are any."""
        partitions = await cql.run(self._partitions, at.token)
        assert at.partition is not None
        if at.partition >= len(partitions):
            return _behind([], at.token)
        where = partitions[at.partition]
        if at.row is None:
            rows = await cql.run(self._first, *where, limit)
        else:
            rows = await cql.run(self._rest, *where, *at.row, limit)
        if len(rows) < limit:
            return TokenPage(rows, _encode(_At(at.token, at.partition + 1)))
        return TokenPage(rows, _encode(_At(at.token, at.partition, list(rows[-1][self._row]))))


def _behind(rows: list[Row], token: int) -> TokenPage:
    return TokenPage(rows, None if token == TOKEN_MAX else _encode(_At(token + 1)))
