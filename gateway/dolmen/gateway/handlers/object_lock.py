"""Object lock: of new objects, of versions that are there, and of buckets.

The store keeps what is locked (``metadata.decide``); here is said what shall be locked, and who may say so.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import msgspec

from dolmen.gateway.handlers.call import Call, Handler, require_version
from dolmen.gateway.handlers.config_store import load, save_all
from dolmen.gateway.handlers.events import event_of
from dolmen.gateway.handlers.headers import version_headers
from dolmen.gateway.http.request import Headers
from dolmen.gateway.metadata.records import BucketRecord, Lock, Versioning, VersionRecord
from dolmen.gateway.metadata.store import ObjectChanged
from dolmen.gateway.s3 import object_lock as rules
from dolmen.gateway.s3.dates import iso_date, iso_second
from dolmen.gateway.s3.fault import S3Fault
from dolmen.gateway.s3.model.inputs_generated import (
    DefaultRetention,
    GetObjectLegalHoldInput,
    GetObjectLockConfigurationInput,
    GetObjectRetentionInput,
    ObjectLockConfiguration,
    ObjectLockLegalHold,
    ObjectLockRetention,
    ObjectLockRule,
    PutObjectLegalHoldInput,
    PutObjectLockConfigurationInput,
    PutObjectRetentionInput,
)
from dolmen.gateway.s3.model.outputs_generated import (
    GetObjectLegalHoldOutput,
    GetObjectLockConfigurationOutput,
    GetObjectRetentionOutput,
)
from dolmen.gateway.s3.object_lock import LockConfiguration, Retention
from dolmen.gateway.s3.render import Response, render

CONFIGURATION = "object-lock"  # name of the sub-resource in the bucket's record
UPDATE_ATTEMPTS_MAX = 8  # read-change-write races on one version before the client is told to try again

# -- new objects -------------------------------------------------------------------------------------------------------------


async def lock_of_new_object(call: Call, headers: Mapping[str, str]) -> Lock | None:
    """From the headers, else from the bucket's default retention.

    Raises InvalidArgument, InvalidRequest (the bucket has no object lock; PutObject without a digest), AccessDenied.
    """
    now_us = call.services.clock.now_us()
    asked = rules.lock_headers_of(headers, now_us)
    if not call.bucket.object_lock:
        if asked is not None:
            raise S3Fault("InvalidRequest", rules.MISSING_CONFIGURATION)
        return None
    retention, hold = None, None
    if asked is not None:
        retention, hold = asked.retention, asked.legal_hold
        _require_signature(call)
        if retention is not None:
            await call.require("s3:PutObjectRetention")
        if hold is not None:
            await call.require("s3:PutObjectLegalHold")
    if retention is None:
        retention = _default_retention(call.bucket, now_us)
    if retention is None and hold is None:
        return None
    if call.operation.name == "PutObject" and not rules.has_digest(headers):
        raise S3Fault(
            "InvalidRequest",
            "Content-MD5 OR x-amz-checksum- HTTP header is required for Put Object requests with Object Lock parameters",
        )
    return Lock("", 0, hold) if retention is None else Lock(retention.mode, retention.until_us, hold)


def _require_signature(call: Call) -> None:
    if call.principal is None:
        raise S3Fault(
            "InvalidArgument",
            "Put Object requests with Object Lock parameters require AWS Signature Version 4",
            fields=(("ArgumentName", "Authorization"), ("ArgumentValue", "")),
        )


def _default_retention(bucket: BucketRecord, now_us: int) -> Retention | None:
    configuration = load(bucket, CONFIGURATION, LockConfiguration)
    default = configuration.default if configuration is not None else None
    return None if default is None else default.of_object(now_us)


# -- versions ----------------------------------------------------------------------------------------------------------------


async def lock_headers(call: Call, record: VersionRecord) -> Headers:
    """``x-amz-object-lock-*`` of GET and HEAD, as far as the caller may know."""
    lock = record.mutable.lock
    if lock is None:
        return []
    headers: Headers = []
    if lock.mode and (await call.allowed("s3:GetObjectRetention")).allowed:
        headers.append((rules.MODE_HEADER.encode(), lock.mode.encode()))
        headers.append((rules.UNTIL_HEADER.encode(), iso_date(lock.until_us).encode()))
    if lock.legal_hold is not None and (await call.allowed("s3:GetObjectLegalHold")).allowed:
        headers.append((rules.HOLD_HEADER.encode(), b"ON" if lock.legal_hold else b"OFF"))
    return headers


async def get_object_retention(call: Call, given: GetObjectRetentionInput) -> Response:
    """https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObjectRetention.html"""
    lock = (await _locked_version(call, given.version_id)).mutable.lock
    if lock is None or not lock.mode:
        raise S3Fault("NoSuchObjectLockConfiguration")
    told = ObjectLockRetention(mode=lock.mode, retain_until_date=lock.until_us)
    return render(call.operation, GetObjectRetentionOutput(retention=told))


async def get_object_legal_hold(call: Call, given: GetObjectLegalHoldInput) -> Response:
    """https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObjectLegalHold.html"""
    lock = (await _locked_version(call, given.version_id)).mutable.lock
    if lock is None or lock.legal_hold is None:
        raise S3Fault("NoSuchObjectLockConfiguration")
    told = ObjectLockLegalHold(status="ON" if lock.legal_hold else "OFF")
    return render(call.operation, GetObjectLegalHoldOutput(legal_hold=told))


async def put_object_retention(call: Call, given: PutObjectRetentionInput) -> Response:
    """https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutObjectRetention.html

    An empty retention takes it away, which is a shortening like any other.
    """
    now_us = call.services.clock.now_us()
    wanted = rules.retention_of(given.retention, now_us, iso_second(now_us))
    bypasses = bool(given.bypass_governance_retention) and await _may_bypass(call, given.version_id)

    def changed(lock: Lock | None) -> Lock:
        old = None if lock is None or not lock.mode else Retention(lock.mode, lock.until_us)
        if not rules.may_change(old, wanted, now_us, bypass_governance=bypasses):
            raise S3Fault("AccessDenied", rules.PROTECTED)
        hold = None if lock is None else lock.legal_hold
        return Lock("", 0, hold) if wanted is None else Lock(wanted.mode, wanted.until_us, hold)

    return await _relock(call, given.version_id, changed, event_of(call, "ObjectRetention:Put"))


async def put_object_legal_hold(call: Call, given: PutObjectLegalHoldInput) -> Response:
    """https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutObjectLegalHold.html

    A hold may come and go whatever the retention says; it does not end with it.
    """
    if given.legal_hold is None or given.legal_hold.status is None:
        raise S3Fault("MalformedXML")
    hold = given.legal_hold.status == "ON"

    def changed(lock: Lock | None) -> Lock:
        return Lock("", 0, hold) if lock is None else Lock(lock.mode, lock.until_us, hold)

    return await _relock(call, given.version_id, changed)


async def _may_bypass(call: Call, version_id: str | None) -> bool:
    return (await call.allowed("s3:BypassGovernanceRetention", version_id=version_id)).allowed


async def _locked_version(call: Call, version_id: str | None) -> VersionRecord:
    """The version addressed. Raises InvalidRequest (the bucket has no object lock), NoSuchKey, NoSuchVersion, MethodNotAllowed."""
    if not call.bucket.object_lock:
        raise S3Fault("InvalidRequest", rules.MISSING_CONFIGURATION)
    found = await call.find(version_id)
    return require_version(found, call, version_id)


async def _relock(
    call: Call, version_id: str | None, changed: Callable[[Lock | None], Lock], event: bytes = b""
) -> Response:
    """Replace the lock of one version by what ``changed`` makes of it; a racing change is seen and judged again."""
    for _ in range(UPDATE_ATTEMPTS_MAX):
        record = await _locked_version(call, version_id)
        mutable = msgspec.structs.replace(record.mutable, lock=changed(record.mutable.lock))
        try:
            await call.services.store.update_mutable(
                call.bucket.bucket_id, call.key, record.version_id, mutable, event, record.seq
            )
        except ObjectChanged:
            continue
        return Response(200, version_headers(record.version_id, call.bucket.versioning), b"")
    raise S3Fault("OperationAborted")


# -- buckets -----------------------------------------------------------------------------------------------------------------


def refuse_suspension(bucket: BucketRecord) -> None:
    """Versioning of a bucket with object lock stays on. Raises InvalidBucketState."""
    if bucket.object_lock:
        raise S3Fault(
            "InvalidBucketState",
            "An Object Lock configuration is present on this bucket, so the versioning state cannot be changed.",
        )


def _require_versioning(bucket: BucketRecord) -> None:
    if bucket.versioning is not Versioning.ENABLED:
        raise S3Fault(
            "InvalidBucketState", "Versioning must be 'Enabled' on the bucket to apply a Object Lock configuration"
        )


async def put_object_lock_configuration(call: Call, given: PutObjectLockConfigurationInput) -> Response:
    """https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutObjectLockConfiguration.html

    The first one turns object lock on, for good.
    """
    configuration = rules.configuration_of(given.object_lock_configuration)
    raw = msgspec.msgpack.encode(configuration)
    await save_all(call, {CONFIGURATION: raw}, check=_require_versioning, object_lock=True)
    return Response(200, [], b"")


async def get_object_lock_configuration(call: Call, given: GetObjectLockConfigurationInput) -> Response:
    """https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObjectLockConfiguration.html"""
    if not call.bucket.object_lock:
        raise S3Fault("ObjectLockConfigurationNotFoundError", fields=(("BucketName", call.bucket_name),))
    configuration = load(call.bucket, CONFIGURATION, LockConfiguration)
    default = configuration.default if configuration is not None else None
    rule = None
    if default is not None:
        told = DefaultRetention(mode=default.mode, days=default.days or None, years=default.years or None)
        rule = ObjectLockRule(default_retention=told)
    shown = ObjectLockConfiguration(object_lock_enabled="Enabled", rule=rule)
    return render(call.operation, GetObjectLockConfigurationOutput(object_lock_configuration=shown))


HANDLERS: dict[str, Handler] = {
    "GetObjectRetention": get_object_retention,
    "PutObjectRetention": put_object_retention,
    "GetObjectLegalHold": get_object_legal_hold,
    "PutObjectLegalHold": put_object_legal_hold,
    "GetObjectLockConfiguration": get_object_lock_configuration,
    "PutObjectLockConfiguration": put_object_lock_configuration,
}
