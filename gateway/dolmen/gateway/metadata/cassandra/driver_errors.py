"""What an error of the driver means: nothing happened, nobody knows, or the statement itself is wrong.

In doubt a change is unknown: a time-out is never "no", and a conditional change may still happen long after its error.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import cassandra  # type: ignore[import-untyped]
from cassandra import protocol
from cassandra.cluster import NoHostAvailable  # type: ignore[import-untyped]
from cassandra.connection import ConnectionBusy, ConnectionException  # type: ignore[import-untyped]
from cassandra.pool import NoConnectionsAvailable  # type: ignore[import-untyped]
from dolmen.core.errors import DolmenError
from dolmen.gateway.metadata.cassandra.cql import Kind
from dolmen.gateway.metadata.cassandra.preflight import SchemaMissing
from dolmen.gateway.metadata.store import MetadataUnavailable, MetadataUnknown

_TEXT_MAX = 300  # characters of a foreign message in ours


class StatementRefused(DolmenError):
    """The cluster understood the statement and refuses it as it is written: a mistake of ours. Nothing happened."""


# The cluster looks at a statement before it does anything with it.
_INVALID = (
    cassandra.InvalidRequest,
    cassandra.AlreadyExists,
    cassandra.ConfigurationException,
    cassandra.UnsupportedOperation,
    protocol.SyntaxException,
    protocol.ConfigurationException,
    protocol.RequestValidationException,
)
_NO_SCHEMA = re.compile(
    r"unconfigured (?:table|columnfamily)|(?:keyspace|table) '?\S+'? (?:does not|doesn't) exist|undefined column name|"
    r"no keyspace has been specified|unknown (?:keyspace|table)|cannot find (?:keyspace|table)",
    re.IGNORECASE,
)
_BEFORE_SENDING = (ConnectionException, ConnectionBusy, NoConnectionsAvailable)  # why a node was passed over
# Refused by a coordinator before any replica heard of a plain write. A conditional one has several phases, and each may end so.
_BEFORE_WRITING = (cassandra.Unavailable, protocol.OverloadedErrorMessage, protocol.IsBootstrappingErrorMessage)
_TIMEOUTS = (cassandra.OperationTimedOut, cassandra.ReadTimeout, cassandra.WriteTimeout)


def is_timeout(error: BaseException) -> bool:
    """Whether nobody answered in time: what the circuit breaker counts."""
    return isinstance(error, _TIMEOUTS)


def is_silence(error: BaseException) -> bool:
    """Whether the nodes that were asked said nothing at all."""
    return isinstance(error, cassandra.OperationTimedOut)


def is_answer(error: BaseException) -> bool:
    """Whether this shows a cluster that works, though it refuses the statement."""
    return isinstance(error, (*_INVALID, cassandra.Unauthorized))


def translate(kind: Kind, error: BaseException, *, was_sent: bool = True) -> DolmenError:
    """The error of ours. ``was_sent``: the statement may have left this process for some node."""
    text = _text(error)
    if isinstance(error, cassandra.Unauthorized):
        return MetadataUnavailable(f"the role has no permission in the metadata cluster: {text}")
    if isinstance(error, _INVALID):
        if _NO_SCHEMA.search(text):
            return SchemaMissing(f"the schema is missing or too old, run `dolmen metadata migrate`: {text}")
        return StatementRefused(f"the metadata cluster refuses a statement: {text}")
    if kind in (Kind.READ, Kind.GLOBAL_READ):
        return MetadataUnavailable(f"the metadata cluster did not answer a read: {text}")
    if not was_sent and _was_not_sent(error):
        return MetadataUnavailable(f"no node of the metadata cluster can be reached: {text}")
    if kind is Kind.WRITE and isinstance(error, _BEFORE_WRITING):
        return MetadataUnavailable(f"the metadata cluster did not take a write: {text}")
    return MetadataUnknown(f"the outcome of a change in the metadata cluster is not known: {text}")


def translate_preparing(error: BaseException) -> DolmenError:
    """The error of ours when a statement could not be prepared: it was not sent, whatever happened."""
    translated = translate(Kind.READ, error)
    if isinstance(translated, MetadataUnavailable):
        return type(translated)(f"a statement cannot be prepared: {translated}")
    return translated


def _was_not_sent(error: BaseException) -> bool:
    """No node was tried, for reasons that come before a byte is written."""
    if not isinstance(error, NoHostAvailable):
        return False
    reasons = error.errors.values() if isinstance(error.errors, Mapping) else ()
    return all(isinstance(reason, _BEFORE_SENDING) for reason in reasons)


def _text(error: BaseException) -> str:
    summary = getattr(error, "summary", None)  # of messages that the driver hands on as they are
    message = f"{summary}: {getattr(error, 'message', '')}" if summary else str(error)
    return f"{type(error).__name__}: {' '.join(message.split())}"[:_TEXT_MAX]
