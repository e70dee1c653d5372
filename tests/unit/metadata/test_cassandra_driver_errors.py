"""Every error of the driver means one thing: in doubt a change is unknown."""

import inspect

import cassandra
import pytest
from cassandra import WriteType, protocol
from cassandra.cluster import NoHostAvailable
from cassandra.connection import ConnectionBusy, ConnectionException, ConnectionShutdown, ProtocolError
from cassandra.pool import NoConnectionsAvailable

from dolmen.gateway.metadata.cassandra.cql import Kind
from dolmen.gateway.metadata.cassandra.driver_errors import (
    StatementRefused,
    is_answer,
    is_timeout,
    translate,
    translate_preparing,
)
from dolmen.gateway.metadata.cassandra.preflight import SchemaMissing
from dolmen.gateway.metadata.store import MetadataUnavailable, MetadataUnknown

READS = (Kind.READ, Kind.GLOBAL_READ)
CHANGES = (Kind.WRITE, Kind.CAS, Kind.GLOBAL_CAS)
CONDITIONAL = (Kind.CAS, Kind.GLOBAL_CAS)


def message(kind):
    """An error that the driver hands on as it came from the server."""
    return kind(kind.error_code, "said the server", None)


# What may have left something behind, or may still do so.
UNCLEAR = [
    cassandra.OperationTimedOut(),
    cassandra.ReadTimeout("late"),
    cassandra.WriteTimeout("late", write_type=WriteType.CAS),
    cassandra.WriteTimeout("late", write_type=WriteType.SIMPLE),
    cassandra.ReadFailure("tombstones"),
    cassandra.WriteFailure("too large", write_type=WriteType.BATCH),
    cassandra.FunctionFailure("f", "k", "f", []),
    cassandra.CDCWriteFailure("full"),
    cassandra.DriverException("ID mismatch"),
    ConnectionShutdown("closed"),
    ConnectionException("reset"),
    ConnectionBusy("busy"),
    NoConnectionsAvailable("none"),
    ProtocolError("what?"),
    NoHostAvailable("after trying", {"a": ConnectionShutdown("closed")}),
    message(protocol.ServerError),
    message(protocol.TruncateError),
    message(protocol.ProtocolException),
    message(protocol.CDCWriteException),
    message(protocol.ClientWriteError),
    OSError("broken pipe"),
    AssertionError("a bug of the driver"),
]
# What a coordinator says before it asks any replica; a conditional change has phases that may have gone further.
BEFORE_WRITING = [
    cassandra.Unavailable("too few"),
    message(protocol.OverloadedErrorMessage),
    message(protocol.IsBootstrappingErrorMessage),
]
INVALID = [
    cassandra.InvalidRequest("Invalid amount of bind variables"),
    cassandra.AlreadyExists("k", "t"),
    cassandra.ConfigurationException("no such option"),
    cassandra.UnsupportedOperation("not in this protocol"),
    message(protocol.SyntaxException),
    message(protocol.ConfigurationException),
]
NO_SCHEMA = [
    cassandra.InvalidRequest('Error from server: code=2200 [Invalid query] message="unconfigured table objects"'),
    cassandra.InvalidRequest('Error from server: code=2200 [Invalid query] message="table objects does not exist"'),
    cassandra.InvalidRequest("Error from server: code=2200 [Invalid query] message=\"Keyspace 'dolmen' does not exist\""),
    cassandra.InvalidRequest("Error from server: code=2200 [Invalid query] message=\"Keyspace 'dolmen' doesn't exist\""),
    cassandra.InvalidRequest('Error from server: code=2200 [Invalid query] message="keyspace dolmen does not exist"'),
    cassandra.InvalidRequest('Error from server: code=2200 [Invalid query] message="Undefined column name move in table d.o"'),
]


def named(error):
    return f"{type(error).__name__}: {error}"[:60]


@pytest.mark.parametrize("error", UNCLEAR, ids=named)
def test_what_may_have_happened_is_unknown_for_a_change_and_unanswered_for_a_read(error):
    for kind in READS:
        assert type(translate(kind, error)) is MetadataUnavailable
    for kind in CHANGES:
        assert type(translate(kind, error)) is MetadataUnknown
        # Nothing is known to have been sent: still in doubt, unless every node was passed over for a reason that is certain.
        if not isinstance(error, NoHostAvailable):
            assert type(translate(kind, error, was_sent=False)) is MetadataUnknown


@pytest.mark.parametrize("error", BEFORE_WRITING, ids=named)
def test_a_refusal_before_any_replica_is_certain_for_a_plain_write_only(error):
    for kind in (*READS, Kind.WRITE):
        assert type(translate(kind, error)) is MetadataUnavailable
    for kind in CONDITIONAL:
        assert type(translate(kind, error)) is MetadataUnknown


@pytest.mark.parametrize("error", INVALID, ids=named)
def test_a_wrong_statement_is_a_mistake_of_ours(error):
    for kind in Kind:
        assert type(translate(kind, error)) is StatementRefused
    assert type(translate_preparing(error)) is StatementRefused
    assert is_answer(error)


@pytest.mark.parametrize("error", NO_SCHEMA, ids=str)
def test_a_missing_schema_is_told_with_what_helps(error):
    for kind in Kind:
        translated = translate(kind, error)
        assert type(translated) is SchemaMissing
        assert "dolmen metadata migrate" in str(translated)
    assert type(translate_preparing(error)) is SchemaMissing


def test_a_role_without_permission_is_told():
    for kind in Kind:
        translated = translate(kind, cassandra.Unauthorized("User has no SELECT permission"))
        assert type(translated) is MetadataUnavailable
        assert "permission" in str(translated)


@pytest.mark.parametrize(
    "reasons",
    [
        {},
        {"a": ConnectionException("Host has been marked down or removed")},
        {"a": NoConnectionsAvailable("all in use"), "b": ConnectionBusy("overloaded"), "c": ConnectionShutdown("is closed")},
    ],
)
def test_when_no_node_could_be_tried_nothing_happened(reasons):
    for kind in Kind:
        assert type(translate(kind, NoHostAvailable("none", reasons), was_sent=False)) is MetadataUnavailable
    for kind in CHANGES:
        assert type(translate(kind, NoHostAvailable("none", reasons), was_sent=True)) is MetadataUnknown


def test_an_odd_reason_for_passing_over_a_node_is_no_certainty():
    error = NoHostAvailable("none", {"a": ConnectionShutdown("closed"), "b": ValueError("while sending")})
    for kind in CHANGES:
        assert type(translate(kind, error, was_sent=False)) is MetadataUnknown


def test_what_could_not_be_prepared_was_never_sent():
    for error in (*UNCLEAR, *BEFORE_WRITING):
        assert type(translate_preparing(error)) is MetadataUnavailable


def test_the_breaker_counts_time_outs_alone():
    counted = {type(error) for error in (*UNCLEAR, *BEFORE_WRITING, *INVALID) if is_timeout(error)}
    assert counted == {cassandra.OperationTimedOut, cassandra.ReadTimeout, cassandra.WriteTimeout}
    assert not any(is_answer(error) for error in (*UNCLEAR, *BEFORE_WRITING))


def test_no_error_of_the_driver_is_forgotten_here():
    covered = {type(error) for error in (*UNCLEAR, *BEFORE_WRITING, *INVALID)} | {cassandra.Unauthorized}
    # Bases that are never raised themselves; errors of connecting or of looking at a cluster, which no statement ends with;
    # and answers of the server that the driver turns into the errors above.
    others = {
        cassandra.DependencyException, cassandra.AuthenticationFailed, cassandra.UnresolvableContactPoints, cassandra.Timeout,
        cassandra.CoordinationFailure, cassandra.RequestExecutionException, cassandra.RequestValidationException,
    }  # fmt: skip
    public = {kind for _, kind in inspect.getmembers(cassandra, inspect.isclass) if issubclass(kind, Exception)}
    assert public - covered - others == set()
    turned = {
        protocol.ErrorMessage, protocol.ErrorMessageSub, protocol.RequestExecutionException, protocol.RequestValidationException,
        protocol.BadCredentials, protocol.PreparedQueryNotFound,
    }  # fmt: skip
    told = {kind for _, kind in inspect.getmembers(protocol, inspect.isclass) if issubclass(kind, protocol.ErrorMessage)}
    as_they_are = {kind for kind in told if not hasattr(kind, "to_exception") or "to_exception" not in vars(kind)}
    assert as_they_are - covered - turned == set()


def test_a_long_message_is_cut_and_is_one_line():
    text = str(translate(Kind.CAS, cassandra.DriverException("line\nline " * 500)))
    assert len(text) < 500
    assert "\n" not in text
