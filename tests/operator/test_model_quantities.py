"""Quantities and durations: exact, round trips, Kubernetes' canonical forms."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dolmen.operator.model import fields
from dolmen.operator.model.durations import format_duration, parse_duration_ns, parse_seconds
from dolmen.operator.model.errors import InvalidResource
from dolmen.operator.model.quantities import format_bytes, format_milli, parse_bytes, parse_milli


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 2**63 - 1) | st.integers(0, 2**23 - 1).map(lambda n: n << 40))
def test_bytes_round_trip(size_bytes):
    text = format_bytes(size_bytes)
    assert parse_bytes(text) == size_bytes
    assert re.search(fields.BYTES_PATTERN, text)
    assert len(text) <= fields.QUANTITY_MAX


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 2**53))
def test_milli_round_trip(milli):
    assert parse_milli(format_milli(milli)) == milli


@pytest.mark.parametrize(
    ("text", "size_bytes"),
    [
        ("1Ki", 1024),
        ("1k", 1000),
        ("1.5Gi", 3 << 29),
        ("1E", 10**18),
        ("1E3", 1000),
        ("1e3", 1000),
        ("2Ei", 2 << 60),
        (7, 7),
        ("0", 0),
        ("1m", 1),
        ("1500m", 2),
        ("0.1", 1),
        (".5Ki", 512),
        ("5.", 5),
        ("1e-2", 1),
        ("+5", 5),
    ],
)
def test_bytes_as_kubernetes_reads_them(text, size_bytes):
    assert parse_bytes(text) == size_bytes


@pytest.mark.parametrize(("size_bytes", "text"), [(1 << 30, "1Gi"), (3 << 29, "1536Mi"), (1000, "1000"), (1024, "1Ki"), (0, "0")])
def test_bytes_as_kubernetes_writes_them(size_bytes, text):
    assert format_bytes(size_bytes) == text


@pytest.mark.parametrize("text", ["", "1 Gi", "Gi", "1gi", "1Kib", "-1", "9Ei", "1e19", "1\n", "٣", "1" * 30, "1e999", -1, "1EE"])
def test_what_is_no_quantity(text):
    with pytest.raises(InvalidResource):
        parse_bytes(text)


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 2**63 - 1) | st.integers(0, 10**12) | st.integers(0, 10**9).map(lambda n: n * 10**9))
def test_durations_round_trip(duration_ns):
    assert parse_duration_ns(format_duration(duration_ns)) == duration_ns


@pytest.mark.parametrize(
    ("duration_ns", "text"),
    [
        (0, "0s"),
        (10**9, "1s"),
        (3600 * 10**9, "1h0m0s"),
        (90 * 10**9, "1m30s"),
        (1500000000, "1.5s"),
        (10**8, "100ms"),
        (1500, "1.5µs"),
        (7, "7ns"),
        (60 * 10**9 + 1, "1m0.000000001s"),
    ],
)
def test_durations_as_go_writes_them(duration_ns, text):
    assert format_duration(duration_ns) == text


def test_durations_of_the_schema_are_durations():
    for text in ("30s", "1h30m", "24h", "500ms", "720h"):
        assert re.search(fields.DURATION_PATTERN, text)
        assert parse_seconds(text) > 0


@pytest.mark.parametrize("text", ["", "1", "1d", "h", "1h 30m", "-1s", "1h30", "9999999h", "1" * 70 + "s"])
def test_what_is_no_duration(text):
    with pytest.raises(InvalidResource):
        parse_duration_ns(text)
