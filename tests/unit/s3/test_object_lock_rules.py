"""Object lock: what headers and documents say, and that a lock only ever gets stronger."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dolmen.gateway.s3.fault import S3Fault
from dolmen.gateway.s3.model.inputs_generated import EventHoldDuration, ObjectLockRetention
from dolmen.gateway.s3.object_lock import (
    COMPLIANCE,
    DEFAULT_DAYS_MAX,
    GOVERNANCE,
    DefaultRetention,
    LockHeaders,
    Retention,
    has_digest,
    lock_headers_of,
    may_change,
    retention_of,
    whole_second,
)

SECOND = 1_000_000
DAY = 86_400 * SECOND
NOW = 1_795_503_357_654_321  # 2026-11-24
ISO, ISO_US = "2030-01-01T00:00:00Z", 1_893_456_000 * SECOND
MODE, UNTIL, HOLD = "x-amz-object-lock-mode", "x-amz-object-lock-retain-until-date", "x-amz-object-lock-legal-hold"

TIMES = st.integers(NOW - 100 * DAY, NOW + 100 * DAY).map(whole_second)
RETENTIONS = st.none() | st.builds(Retention, st.sampled_from([GOVERNANCE, COMPLIANCE]), TIMES)


# -- changes -----------------------------------------------------------------------------------------------------------------


@given(old=RETENTIONS, new=RETENTIONS, bypass=st.booleans())
def test_what_is_over_may_become_anything(old, new, bypass):
    if old is None or old.until_us <= NOW:
        assert may_change(old, new, NOW, bypass_governance=bypass)


@given(old=RETENTIONS, new=RETENTIONS, bypass=st.booleans())
def test_a_compliance_lock_never_gets_weaker(old, new, bypass):
    if old is not None and old.mode == COMPLIANCE and old.until_us > NOW and may_change(old, new, NOW, bypass_governance=bypass):
        assert new is not None
        assert new.mode == COMPLIANCE
        assert new.until_us >= old.until_us


@given(old=RETENTIONS, new=RETENTIONS)
def test_a_governance_lock_gets_weaker_only_with_the_bypass(old, new):
    if old is not None and old.mode == GOVERNANCE and old.until_us > NOW:
        assert may_change(old, new, NOW, bypass_governance=True)
        if may_change(old, new, NOW, bypass_governance=False):
            assert new is not None
            assert new.until_us >= old.until_us


@given(old=RETENTIONS, more=st.integers(0, 100 * DAY), bypass=st.booleans())
def test_extending_is_always_allowed(old, more, bypass):
    if old is not None:
        assert may_change(old, Retention(old.mode, old.until_us + more), NOW, bypass_governance=bypass)


@given(olds=st.lists(RETENTIONS, min_size=2, max_size=6), bypass=st.booleans())
def test_no_chain_of_changes_shortens_compliance(olds, bypass):
    held, earliest = olds[0], None
    for new in olds[1:]:
        if held is not None and held.mode == COMPLIANCE and held.until_us > NOW:
            earliest = max(earliest or 0, held.until_us)
        if may_change(held, new, NOW, bypass_governance=bypass):
            held = new
    if earliest is not None:
        assert held is not None
        assert held.until_us >= earliest


# -- headers -----------------------------------------------------------------------------------------------------------------

SAID = {
    "nothing": ({}, None),
    "other headers": ({"content-type": "text/plain"}, None),
    "retention": ({MODE: GOVERNANCE, UNTIL: ISO}, LockHeaders(Retention(GOVERNANCE, ISO_US), None)),
    "with a fraction": ({MODE: COMPLIANCE, UNTIL: "2029-12-31T23:59:59.5Z"}, LockHeaders(Retention(COMPLIANCE, ISO_US), None)),
    "another zone": ({MODE: COMPLIANCE, UNTIL: "2030-01-01T01:00:00+01:00"}, LockHeaders(Retention(COMPLIANCE, ISO_US), None)),
    "hold": ({HOLD: "ON"}, LockHeaders(None, True)),
    "no hold": ({HOLD: "OFF"}, LockHeaders(None, False)),
    "both": ({MODE: GOVERNANCE, UNTIL: ISO, HOLD: "OFF"}, LockHeaders(Retention(GOVERNANCE, ISO_US), False)),
}


@pytest.mark.parametrize(("headers", "said"), SAID.values(), ids=SAID.keys())
def test_headers(headers, said):
    assert lock_headers_of(headers, NOW) == said


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({MODE: GOVERNANCE}, "InvalidArgument"),
        ({UNTIL: ISO}, "InvalidArgument"),
        ({MODE: "", UNTIL: ISO}, "InvalidArgument"),
        ({MODE: GOVERNANCE, UNTIL: ""}, "InvalidArgument"),
        ({MODE: GOVERNANCE, UNTIL: "2026-11-24T00:00:00Z"}, "InvalidArgument"),
        ({HOLD: ""}, "InvalidArgument"),
        ({HOLD: "true"}, "InvalidArgument"),
        ({"x-amz-object-lock-event-hold-duration-days": "3"}, "NotImplemented"),
    ],
)
def test_refused_headers(headers, code):
    with pytest.raises(S3Fault) as caught:
        lock_headers_of(headers, NOW)
    assert caught.value.code == code


@pytest.mark.parametrize(
    ("headers", "has"),
    [
        ({}, False),
        ({"content-md5": "x"}, True),
        ({"x-amz-checksum-sha256": "x"}, True),
        ({"x-amz-trailer": "x-amz-checksum-crc32"}, True),
        ({"x-amz-trailer": "x-amz-meta-a"}, False),
        ({"x-amz-checksum-algorithm": "CRC32"}, False),
        ({"x-amz-checksum-type": "FULL_OBJECT", "x-amz-checksum-mode": "ENABLED"}, False),
        ({"x-amz-sdk-checksum-algorithm": "CRC32", "x-amz-content-sha256": "0" * 64}, False),
    ],
)
def test_digests(headers, has):
    assert has_digest(headers) is has


# -- periods -----------------------------------------------------------------------------------------------------------------


@given(made_us=st.integers(0, NOW * 2), days=st.integers(1, DEFAULT_DAYS_MAX))
def test_a_default_ends_within_the_second_after_its_days(made_us, days):
    until_us = DefaultRetention(COMPLIANCE, days=days).of_object(made_us).until_us
    assert until_us % SECOND == 0
    assert 0 <= until_us - made_us - days * DAY < SECOND


def test_a_year_has_365_days():
    years, days = DefaultRetention(GOVERNANCE, years=2), DefaultRetention(GOVERNANCE, days=730)
    assert years.of_object(NOW) == days.of_object(NOW)


def test_bodies_of_retention():
    assert retention_of(ObjectLockRetention(), NOW, "now") is None
    full = ObjectLockRetention(mode=GOVERNANCE, retain_until_date=NOW + 1)
    assert retention_of(full, NOW, "now") == Retention(GOVERNANCE, whole_second(NOW))
    for broken, code in (
        (None, "MalformedXML"),
        (ObjectLockRetention(mode=GOVERNANCE), "MalformedXML"),
        (ObjectLockRetention(retain_until_date=NOW + 1), "MalformedXML"),
        (ObjectLockRetention(mode=GOVERNANCE, retain_until_date=NOW), "InvalidArgument"),
        (ObjectLockRetention(event_hold_duration=EventHoldDuration()), "NotImplemented"),
    ):
        with pytest.raises(S3Fault) as caught:
            retention_of(broken, NOW, "now")
        assert caught.value.code == code
