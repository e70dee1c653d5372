"""A conditional change is repeated until it answers: a time-out is never "no", and a plain read settles nothing.

Sent once more, the same statement either applies, or its refusal shows that the condition no longer holds; then the first try can
never land either, as long as what the condition names never comes back. Whether a refusal is the echo of our own earlier try only
the row can tell: it must hold something that nobody else writes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

from dolmen.gateway.metadata.cassandra.cql import Bound, CasReply, Cql
from dolmen.gateway.metadata.cassandra.pauses import pauses
from dolmen.gateway.metadata.store import MetadataUnavailable, MetadataUnknown

SETTLE_SECONDS = 8.0  # two or three statements of a cluster that is away; a client waits no longer
FIRST_PAUSE_SECONDS = 0.02
LONGEST_PAUSE_SECONDS = 1.0


class Settled(NamedTuple):
    """An answer. ``doubtful``: an earlier try was not answered, so that a refusal may be the echo of our own change."""

    reply: CasReply
    doubtful: bool

    @property
    def applied(self) -> bool:
        return self.reply.applied


async def settle(cql: Cql, bound: Sequence[Bound]) -> Settled:
    """Send a conditional change until it is answered.

    Raises ``MetadataUnavailable`` when the first try certainly changed nothing, ``MetadataUnknown`` when nothing answers in time.
    """
    loop = asyncio.get_running_loop()
    deadline = loop.time() + SETTLE_SECONDS
    doubtful = False
    for pause_seconds in pauses(FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS):
        try:
            return Settled(await cql.cas(bound), doubtful)
        except MetadataUnknown:
            doubtful = True
            if loop.time() + pause_seconds >= deadline:
                raise
        except MetadataUnavailable as error:
            if not doubtful:
                raise
            if loop.time() + pause_seconds >= deadline:
                raise MetadataUnknown("a change was not answered, and then could not be asked again") from error
        await asyncio.sleep(pause_seconds)
    raise AssertionError("pauses have no end")


@contextmanager
def telling(settled: Settled) -> Iterator[None]:
    """Around a read that is to tell whether a refusal was the echo of our own change: without its answer nobody knows."""
    try:
        yield
    except MetadataUnavailable as error:
        if settled.doubtful:
            raise MetadataUnknown("a change was not answered, and what became of it cannot be read") from error
        raise


def told(reply: CasReply, *names: str) -> tuple[object, ...] | None:
    """Columns of the one row that a refusal shows, by name; None: there is no such row."""
    if not reply.rows:
        return None
    row = dict(zip(reply.columns, reply.rows[0], strict=True))
    return tuple(row.get(name) for name in names)
