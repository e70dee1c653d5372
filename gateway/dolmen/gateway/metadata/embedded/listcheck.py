"""Lists of the embedded file against its truth: see ``ListedStore``. One transaction writes both, so a difference is a fault."""

from __future__ import annotations

from collections.abc import Sequence

from dolmen.gateway.metadata.decide import current_of
from dolmen.gateway.metadata.embedded.database import Execute, translated
from dolmen.gateway.metadata.embedded.objects import head
from dolmen.gateway.metadata.embedded.transfer import EmbeddedTransfer, list_again
from dolmen.gateway.metadata.embedded.writer import Transaction
from dolmen.gateway.metadata.listcheck import ListPage, WrongList
from dolmen.gateway.metadata.records import ListRow
from dolmen.gateway.metadata.rows import decode_row, list_row

_KEYS = (  # a limit in each part: none is read as a whole
    "SELECT key FROM (SELECT DISTINCT key FROM versions WHERE bucket_id = ?1 AND key > ?2 ORDER BY key LIMIT ?3) UNION "
    "SELECT key FROM (SELECT key FROM listing WHERE bucket_id = ?1 AND key > ?2 ORDER BY key LIMIT ?3) ORDER BY key LIMIT ?3"
)
_NUMBER_BYTES = 4


class CheckedFile(EmbeddedTransfer):
    """The embedded store, with its lists judged."""

    async def judge_lists(self, buckets: Sequence[bytes], after: bytes, limit: int) -> ListPage:
        """By buckets, as they come, and keys. ``after``: the number of the bucket in 4 bytes, and a key of it."""
        number, key = int.from_bytes(after[:_NUMBER_BYTES], "big"), after[_NUMBER_BYTES:]
        if number >= len(buckets):
            return ListPage(0, [], None)
        bucket_id = buckets[number]
        with translated(), self._reader:  # one snapshot
            keys = [key for (key,) in self._read(_KEYS, (bucket_id, key, limit)).fetchall()]
            wrong = [WrongList(bucket_id, key, what) for key in keys if (what := _judge(self._read, bucket_id, key))]
        if len(keys) < limit:
            return ListPage(len(keys), wrong, (number + 1).to_bytes(_NUMBER_BYTES, "big"))
        return ListPage(len(keys), wrong, number.to_bytes(_NUMBER_BYTES, "big") + keys[-1])

    async def heal_lists(self, bucket_id: bytes, keys: Sequence[bytes]) -> int:
        def run(transaction: Transaction) -> None:
            for key in keys:
                list_again(transaction.execute, bucket_id, key)

        await self._writer.submit(run)
        return len(keys)


def _judge(execute: Execute, bucket_id: bytes, key: bytes) -> str:
    """What is wrong; "" when nothing is."""
    current = current_of(head(execute, bucket_id, key))
    expected = None if current is None or current.is_delete_marker else list_row(current)
    rows = execute("SELECT row FROM listing WHERE bucket_id = ? AND key = ?", (bucket_id, key)).fetchall()
    listed: ListRow | None = decode_row(rows[0][0]) if rows else None
    if listed == expected:
        return ""
    return "missing" if listed is None else "extra" if expected is None else "differs"
