"""What the backend asks of a driver: prepared statements by kind, and conditional batches. No driver is imported here.

Errors, already translated: ``MetadataUnavailable`` (a read was not answered; or a change certainly did not happen), and
``MetadataUnknown`` (a change may have happened, or may still happen: a time-out is never "no"). Of the first kind are those of
which nothing was even sent: ``NotSent``.
"""

from __future__ import annotations

import enum
from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

from dolmen.gateway.metadata.store import MetadataUnavailable

Row = tuple[Any, ...]  # columns in the order in which the statement names them


class NotSent(MetadataUnavailable):
    """The statement was refused in this process: the cluster does not answer, or too much waits for it. It left no trace."""


class Kind(enum.Enum):
    """How a statement is sent: consistency, idempotence, and with them retries and speculation."""

    READ = "read"  # LOCAL_QUORUM; idempotent, may be speculated
    WRITE = "write"  # LOCAL_QUORUM, USING TIMESTAMP or otherwise the same when repeated; may be speculated
    CAS = "cas"  # conditional: LOCAL_SERIAL, commit at LOCAL_QUORUM; sent once, never speculated, never retried by the driver
    GLOBAL_CAS = "global_cas"  # conditional: SERIAL over all data centres (bucket names), commit at QUORUM
    GLOBAL_READ = "global_read"  # a SERIAL read over all data centres


class Statement(NamedTuple):
    """One CQL statement with ``?`` places. Made once, as a module constant: the session prepares it at first use."""

    text: str
    kind: Kind


class Bound(NamedTuple):
    """A statement with its values."""

    statement: Statement
    values: tuple[object, ...]


class CasReply(NamedTuple):
    """The answer of a conditional change: an answer is certain, whichever it is."""

    applied: bool
    columns: tuple[str, ...]  # names of what came back beside ``[applied]`` (nothing when it applied)
    rows: tuple[Row, ...]  # those columns: one row for each conditioned row that exists


class Cql(Protocol):
    """A connected session. One for each process; belongs to the event loop that made it."""

    async def run(self, statement: Statement, *values: object) -> list[Row]:
        """All rows of a READ (every page is fetched: statements carry their own LIMIT); nothing of a WRITE."""
        ...

    async def cas(self, bound: Sequence[Bound]) -> CasReply:
        """A conditional statement, or several of one partition as one batch, all with the same kind. One try."""
        ...

    async def batch(self, bound: Sequence[Bound]) -> None:
        """WRITEs of one partition in one unlogged batch: one mutation. At most ``BATCH_STATEMENTS_MAX``."""
        ...


BATCH_STATEMENTS_MAX = 128  # of a plain batch: far below Cassandra's 50 KiB for the rows that we batch
