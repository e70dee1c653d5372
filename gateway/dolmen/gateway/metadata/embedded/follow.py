"""What changes in the file while it is being copied: triggers write the places of changed rows to a log, in the same commits.

The log holds each place once. It serves one copy at a time, and every process that writes the file feeds it, as SQLite reads the
schema anew whenever it has changed.
"""

from __future__ import annotations

from typing import NamedTuple

from dolmen.core.errors import ConfigError
from dolmen.gateway.metadata.embedded.contents import CONTENTS
from dolmen.gateway.metadata.embedded.database import Execute, blob, translated
from dolmen.gateway.metadata.embedded.transfer import EmbeddedTransfer
from dolmen.gateway.metadata.embedded.writer import Transaction
from dolmen.gateway.metadata.transfer import ItemKind, Place

_COLUMNS = ("a", "b", "c")  # of a place; 0 where it has fewer
_TABLES = """
CREATE TABLE IF NOT EXISTS transfer_state (name TEXT PRIMARY KEY, value BLOB NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS transfer_log (n INTEGER PRIMARY KEY AUTOINCREMENT, kind INTEGER NOT NULL, a ANY NOT NULL, b ANY NOT NULL,
  c ANY NOT NULL, UNIQUE (kind, a, b, c)) STRICT;
"""
_FOLLOWED = "followed-by"  # in transfer_state: whom the log is for


class Noted(NamedTuple):
    """A place where something changed. ``number``: to take the note off the log."""

    number: int
    kind: ItemKind
    place: Place


class FollowedFile(EmbeddedTransfer):
    """The embedded store as the source of an online copy, or the keeper of a copy's state."""

    async def follow(self, target: str) -> None:
        """From now on changes are logged for ``target``; again and again is the same.

        Raises ``ConfigError`` when they are logged for another one.
        """

        def run(transaction: Transaction) -> None:
            execute = transaction.execute
            execute(_TABLES)
            held = _state(execute, _FOLLOWED)
            if held not in (None, target.encode()):
                raise ConfigError(f"the file is being copied to {(held or b'').decode()}: end that copy first (copy --end)")
            for statement in _triggers():
                execute(statement)
            # Written again in any case: a transaction that changed nothing would not be committed.
            execute("INSERT OR REPLACE INTO transfer_state VALUES (?, ?)", (_FOLLOWED, target.encode()))

        await self._writer.submit(run)

    async def unfollow(self) -> None:
        """Nothing is logged any more, and the log and all state of copies are gone."""

        def run(transaction: Transaction) -> None:
            execute = transaction.execute
            execute(_TABLES)
            execute("INSERT OR REPLACE INTO transfer_state VALUES (?, ?)", (_FOLLOWED, b""))  # see follow
            for table, event in _watched():
                execute(f"DROP TRIGGER IF EXISTS {_trigger_name(table, event)}")
            execute("DROP TABLE transfer_log; DROP TABLE transfer_state")

        await self._writer.submit(run)

    async def noted(self, limit: int) -> list[Noted]:
        """The oldest notes of the log."""
        with translated():
            rows = self._read("SELECT n, kind, a, b, c FROM transfer_log ORDER BY n LIMIT ?", (limit,)).fetchall()
        return [_noted(*row) for row in rows]

    async def take_off(self, notes: list[Noted]) -> None:
        """These were dealt with. A place that changed again meanwhile has a note with another number, which stays."""

        def run(transaction: Transaction) -> None:
            for note in notes:
                transaction.execute("DELETE FROM transfer_log WHERE n = ?", (note.number,))

        await self._writer.submit(run)

    async def noted_count(self) -> int:
        """How many places wait in the log."""
        return await self._count("SELECT count(*) FROM transfer_log")

    async def read_state(self, name: str) -> bytes | None:
        """What a copy keeps here between its runs."""
        with translated():
            return _state(self._read, name)

    async def write_state(self, name: str, value: bytes) -> None:
        def run(transaction: Transaction) -> None:
            transaction.execute(_TABLES)
            transaction.execute("INSERT OR REPLACE INTO transfer_state VALUES (?, ?)", (name, value))

        await self._writer.submit(run)


def _state(execute: Execute, name: str) -> bytes | None:
    if not execute("SELECT 1 FROM sqlite_schema WHERE name = 'transfer_state'").fetchall():
        return None
    found = execute("SELECT value FROM transfer_state WHERE name = ?", (name,)).fetchall()
    return blob(found[0][0]) if found else None


def _noted(number: int, kind: int, *columns: bytes | str | int) -> Noted:
    return Noted(number, ItemKind(kind), columns[: len(CONTENTS[ItemKind(kind)].tables[0].place)])


def _watched() -> list[tuple[str, str]]:
    return [(table.name, event) for contents in CONTENTS.values() for table in contents.tables for event in _EVENTS]


_EVENTS = {"INSERT": "new", "UPDATE": "new", "DELETE": "old"}  # no statement of ours changes the place of a row


def _trigger_name(table: str, event: str) -> str:
    return f"transfer_{table}_{event.lower()}"


def _triggers() -> list[str]:
    """Two statements each, instead of one with OR REPLACE: the conflict clause of the statement that fires it would win."""
    made = []
    for kind, contents in CONTENTS.items():
        for table in contents.tables:
            for event, row in _EVENTS.items():
                values = [f"{row}.{column}" for column in table.place]
                values += ["0"] * (len(_COLUMNS) - len(values))
                same = " AND ".join(f"{column} = {value}" for column, value in zip(_COLUMNS, values, strict=True))
                made.append(
                    f"CREATE TRIGGER IF NOT EXISTS {_trigger_name(table.name, event)} AFTER {event} ON {table.name} BEGIN "  # noqa: S608
                    f"DELETE FROM transfer_log WHERE kind = {int(kind)} AND {same}; "
                    f"INSERT INTO transfer_log (kind, a, b, c) VALUES ({int(kind)}, {', '.join(values)}); END"
                )
    return made
