"""Documents in the embedded store: small records with compare-and-set, in spaces with a revision each."""

from __future__ import annotations

from collections.abc import Sequence

from dolmen.gateway.metadata.embedded.database import Execute, blob, integer, text, translated
from dolmen.gateway.metadata.embedded.writer import Transaction, Writer
from dolmen.gateway.metadata.records import Document, DocumentChange
from dolmen.gateway.metadata.store import SCAN_ROWS_MAX, DocumentChanged


def write(execute: Execute, space: str, changes: Sequence[DocumentChange]) -> None:
    """See ``MetadataStore.write_documents``. A document's ``rev`` is the space's: one that is made anew never has an old one."""
    execute("INSERT INTO spaces VALUES (?, 1) ON CONFLICT (space) DO UPDATE SET rev = rev + 1", (space,))
    now = integer(execute("SELECT rev FROM spaces WHERE space = ?", (space,)).fetchall()[0][0])
    for change in changes:
        where = (space, change.kind, change.name)
        found = execute("SELECT rev FROM documents WHERE space = ? AND kind = ? AND name = ?", where).fetchall()
        rev = integer(found[0][0]) if found else 0
        if change.expected_rev is not None and change.expected_rev != rev:
            raise DocumentChanged(change.kind, change.name)
        if change.raw is not None:
            execute("INSERT OR REPLACE INTO documents VALUES (?, ?, ?, ?, ?)", (*where, now, change.raw))
        elif found:
            execute("DELETE FROM documents WHERE space = ? AND kind = ? AND name = ?", where)


def drop_space(execute: Execute, space: str) -> None:
    """Nothing of the space is left; its revision stays, so that no cache takes a later one for the same."""
    execute("DELETE FROM documents WHERE space = ?", (space,))


class EmbeddedDocuments:
    """The document methods of ``EmbeddedStore``."""

    _writer: Writer
    _read: Execute

    async def get_document(self, space: str, kind: str, name: str) -> Document | None:
        with translated():
            found = self._read(
                "SELECT rev, raw FROM documents WHERE space = ? AND kind = ? AND name = ?", (space, kind, name)
            ).fetchall()
        return Document(space=space, kind=kind, name=name, rev=found[0][0], raw=found[0][1]) if found else None

    async def list_documents(self, space: str, kind: str, prefix: str, after: str, limit: int) -> list[Document]:
        with translated():
            rows = self._read(
                "SELECT name, rev, raw FROM documents WHERE space = ? AND kind = ? AND name > ? AND name >= ? "
                "AND substr(name, 1, ?) = ? ORDER BY name LIMIT ?",
                (space, kind, after, prefix, len(prefix), prefix, min(limit, SCAN_ROWS_MAX)),
            ).fetchall()
        return [Document(space=space, kind=kind, name=text(name), rev=integer(rev), raw=blob(raw)) for name, rev, raw in rows]

    async def write_documents(self, space: str, changes: Sequence[DocumentChange]) -> None:
        def run(transaction: Transaction) -> None:
            write(transaction.execute, space, changes)

        await self._writer.submit(run)

    async def documents_revision(self, space: str) -> int:
        with translated():
            found = self._read("SELECT rev FROM spaces WHERE space = ?", (space,)).fetchall()
        return integer(found[0][0]) if found else 0
