"""Object lock as requests say it, and which changes of a lock S3 permits. Pure; times are microseconds since the epoch.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-lock.html. The texts are those of S3's answers.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from dolmen.gateway.s3.dates import SECOND_US
from dolmen.gateway.s3.fault import S3Fault
from dolmen.gateway.s3.model.inputs_generated import ObjectLockConfiguration, ObjectLockRetention
from dolmen.gateway.s3.xml_in import parse_iso_date

GOVERNANCE = "GOVERNANCE"
COMPLIANCE = "COMPLIANCE"
MODES = (GOVERNANCE, COMPLIANCE)
DEFAULT_DAYS_MAX = 36_500  # of a default retention
DEFAULT_YEARS_MAX = 100
DAYS_OF_A_YEAR = 365  # as S3 counts
_DAY_US = 86_400 * SECOND_US

MODE_HEADER = "x-amz-object-lock-mode"
UNTIL_HEADER = "x-amz-object-lock-retain-until-date"
HOLD_HEADER = "x-amz-object-lock-legal-hold"
_EVENT_HOLDS = "x-amz-object-lock-event-hold"  # variable retention: the header and those that begin like it

MISSING_CONFIGURATION = "Bucket is missing Object Lock Configuration"
PROTECTED = "Access Denied because object protected by object lock."


class Retention(msgspec.Struct, frozen=True, array_like=True):
    """``until_us`` is a whole second, so that what is told can be asked for again."""

    mode: str
    until_us: int


class LockHeaders(msgspec.Struct, frozen=True):
    """What the headers of a new object say about its lock."""

    retention: Retention | None
    legal_hold: bool | None


class DefaultRetention(msgspec.Struct, frozen=True, omit_defaults=True):
    """Of a bucket; exactly one of ``days`` and ``years`` is set. Stored."""

    mode: str
    days: int = 0
    years: int = 0

    def of_object(self, made_us: int) -> Retention:
        """The retention of an object made now."""
        days = self.days or self.years * DAYS_OF_A_YEAR
        return Retention(self.mode, whole_second(made_us + days * _DAY_US))


class LockConfiguration(msgspec.Struct, frozen=True, omit_defaults=True):
    """The object lock configuration of a bucket. Stored."""

    default: DefaultRetention | None = None


def whole_second(time_us: int) -> int:
    """Not before ``time_us``: a lock never ends early."""
    return -(-time_us // SECOND_US) * SECOND_US


def _argument(message: str, name: str, value: object) -> S3Fault:
    return S3Fault("InvalidArgument", message, fields=(("ArgumentName", name), ("ArgumentValue", str(value))))


def not_yet(what: str) -> S3Fault:
    return S3Fault("NotImplemented", fields=(("Header", what),))


def lock_headers_of(headers: Mapping[str, str], now_us: int) -> LockHeaders | None:
    """None when the request says nothing about a lock. Raises InvalidArgument, NotImplemented (event holds)."""
    mode, until, hold = (headers.get(name) for name in (MODE_HEADER, UNTIL_HEADER, HOLD_HEADER))
    for name in headers:
        if name.startswith(_EVENT_HOLDS):
            raise not_yet(name)
    if mode is None and until is None and hold is None:
        return None
    if (mode is None) != (until is None):
        missing = MODE_HEADER if mode is None else UNTIL_HEADER
        raise _argument(f"{UNTIL_HEADER} and {MODE_HEADER} must both be supplied", missing, "")
    if hold not in (None, "ON", "OFF"):
        raise _argument("Legal Hold must be either of 'ON' or 'OFF'", HOLD_HEADER, hold)
    retention = None
    if mode is not None and until is not None:
        if mode not in MODES:
            raise _argument("Unknown wormMode directive.", MODE_HEADER, mode)
        until_us = parse_iso_date(until.strip())
        if until_us is None:
            raise _argument("The retain until date must be provided in ISO 8601 format", UNTIL_HEADER, until)
        if until_us <= now_us:
            raise _argument("The retain until date must be in the future!", UNTIL_HEADER, until)
        retention = Retention(mode, whole_second(until_us))
    return LockHeaders(retention, None if hold is None else hold == "ON")


def has_digest(headers: Mapping[str, str]) -> bool:
    """The body comes with Content-MD5 or a checksum, in a header or a trailer."""
    if "content-md5" in headers or "x-amz-checksum-" in headers.get("x-amz-trailer", "").lower():
        return True
    about = ("x-amz-checksum-algorithm", "x-amz-checksum-type", "x-amz-checksum-mode")
    return any(name.startswith("x-amz-checksum-") and name not in about for name in headers)


def retention_of(given: ObjectLockRetention | None, now_us: int, told_date: str) -> Retention | None:
    """The body of PutObjectRetention; None when it is empty, which takes the retention away.

    ``told_date``: of now, for the fault. Raises MalformedXML, InvalidArgument, NotImplemented (event holds).
    """
    if given is None:
        raise S3Fault("MalformedXML")
    if given.event_hold is not None or given.event_hold_duration is not None:
        raise not_yet("EventHold")
    if given.mode is None and given.retain_until_date is None:
        return None
    if given.mode is None or given.retain_until_date is None:
        raise S3Fault("MalformedXML")
    if given.retain_until_date <= now_us:
        raise _argument("The retain until date must be in the future!", "RetainUntilDate", told_date)
    return Retention(given.mode, whole_second(given.retain_until_date))


def may_change(old: Retention | None, new: Retention | None, now_us: int, *, bypass_governance: bool) -> bool:
    """Whether a version's retention may become ``new``: what is under lock is only ever locked for longer.

    A governance lock counts for nothing for those who bypass it; a compliance lock always counts.
    """
    if old is None or old.until_us <= now_us:
        return True
    if old.mode == GOVERNANCE and bypass_governance:
        return True
    return new is not None and new.mode == old.mode and new.until_us >= old.until_us


def configuration_of(given: ObjectLockConfiguration | None) -> LockConfiguration:
    """The body of PutObjectLockConfiguration. Raises MalformedXML, InvalidArgument, NotImplemented (event holds)."""
    if given is None or given.object_lock_enabled is None:
        raise S3Fault("MalformedXML")
    if given.rule is None:
        return LockConfiguration()
    default = given.rule.default_retention
    if default is not None and default.default_event_hold is not None:
        raise not_yet("DefaultEventHold")
    if default is None or default.mode is None or (default.days is None) == (default.years is None):
        raise S3Fault("MalformedXML")
    name, number, limit = ("Years", default.years, DEFAULT_YEARS_MAX)
    if default.days is not None:
        name, number, limit = ("Days", default.days, DEFAULT_DAYS_MAX)
    if number is None or number < 1:
        raise _argument("Default retention period must be a positive integer value.", name, number)
    if number > limit:
        raise _argument("Default retention period too large.", name, number)
    return LockConfiguration(DefaultRetention(default.mode, days=default.days or 0, years=default.years or 0))
