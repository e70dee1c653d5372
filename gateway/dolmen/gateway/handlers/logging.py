"""Logging configuration of a bucket, and the lines that a request leaves beside its own: deleted keys, the source of a copy."""

from __future__ import annotations

from typing import Any

import msgspec

from dolmen.gateway.auth.accounts import stored_bucket_name
from dolmen.gateway.auth.principal import ROOT, Principal
from dolmen.gateway.delivery.access_logs import CONFIG
from dolmen.gateway.handlers.call import Call, Handler
from dolmen.gateway.handlers.config_store import load, save
from dolmen.gateway.handlers.object_lock import CONFIGURATION as OBJECT_LOCK
from dolmen.gateway.handlers.payment import NAME as REQUEST_PAYMENT
from dolmen.gateway.http.request import Request
from dolmen.gateway.http.send import HOST_ID
from dolmen.gateway.metadata.records import BucketRecord
from dolmen.gateway.s3.access_log import BATCH_DELETE, COPY_SOURCE, LogEntry, shown_request_line
from dolmen.gateway.s3.fault import S3Fault
from dolmen.gateway.s3.model.inputs_generated import (
    GetBucketLoggingInput,
    Grantee,
    LoggingEnabled,
    PutBucketLoggingInput,
    RequestPaymentConfiguration,
    TargetGrant,
)
from dolmen.gateway.s3.model.outputs_generated import GetBucketLoggingOutput
from dolmen.gateway.s3.object_lock import LockConfiguration
from dolmen.gateway.s3.render import Response, render
from dolmen.gateway.services import Services

TARGET_GRANTS_MAX = 100  # as many as an ACL holds
TARGET_PREFIX_BYTES_MAX = 800  # with account, region, bucket, date and a unique end the key stays within S3's 1,024 bytes


async def put_bucket_logging(call: Call, given: PutBucketLoggingInput) -> Response:
    """https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutBucketLogging.html

    A status without LoggingEnabled turns logging off.
    """
    status = given.bucket_logging_status
    if status is None:
        raise S3Fault("MalformedXML")
    wanted = status.logging_enabled
    if wanted is None:
        await save(call, CONFIG, None)
        return Response(200, [], b"")
    form = wanted.target_object_key_format
    if form is not None and (form.simple_prefix is None) == (form.partitioned_prefix is None):
        raise S3Fault("MalformedXML")
    if len((wanted.target_prefix or "").encode("utf-8", "surrogatepass")) > TARGET_PREFIX_BYTES_MAX:
        raise S3Fault(
            "InvalidArgument",
            f"The target prefix cannot be longer than {TARGET_PREFIX_BYTES_MAX} bytes.",
            fields=(("ArgumentName", "TargetPrefix"), ("ArgumentValue", wanted.target_prefix or "")),
        )
    target = await _target(call, wanted.target_bucket or "")
    grants = _checked_grants(call, target, wanted.target_grants or [])
    await save(call, CONFIG, msgspec.structs.replace(wanted, target_grants=grants or None))
    return Response(200, [], b"")


async def _target(call: Call, name: str) -> BucketRecord:
    """The bucket that takes the logs. Raises InvalidTargetBucketForLogging, CrossLocationLoggingProhibited."""
    source = call.bucket
    owner = call.services.identities.account(source.owner)
    target = None if owner is None else await call.services.store.get_bucket(stored_bucket_name(owner, name))
    if target is None:
        raise _invalid_target("The target bucket for logging does not exist", name)
    if target.owner != source.owner:
        raise _invalid_target("The owner for the bucket to be logged and the target bucket must be the same.", name)
    if target.region != source.region:
        raise S3Fault(
            "CrossLocationLoggingProhibited",
            fields=(("SourceBucketLocation", source.region), ("TargetBucketLocation", target.region)),
        )
    payment = load(target, REQUEST_PAYMENT, RequestPaymentConfiguration)
    if payment is not None and payment.payer == "Requester":
        raise _invalid_target("The target bucket for logging must not have Requester Pays enabled", name)
    lock = load(target, OBJECT_LOCK, LockConfiguration)
    if lock is not None and lock.default is not None:
        raise _invalid_target("The target bucket for logging must not have a default retention period", name)
    return target


def _invalid_target(message: str, name: str) -> S3Fault:
    return S3Fault("InvalidTargetBucketForLogging", message, fields=(("TargetBucket", name),))


def _checked_grants(call: Call, target: BucketRecord, grants: list[TargetGrant]) -> list[TargetGrant]:
    """Grants with their grantees by canonical id. Raises AccessControlListNotSupported, InvalidArgument, MalformedXML ..."""
    if not grants:
        return []
    if call.services.permissions.access_of(target).ownership == "BucketOwnerEnforced":
        raise S3Fault("AccessControlListNotSupported")
    if len(grants) > TARGET_GRANTS_MAX:
        raise S3Fault("MalformedXML")
    checked = []
    for grant in grants:
        if grant.grantee is None or grant.permission is None:
            raise S3Fault("MalformedXML")
        checked.append(TargetGrant(grantee=_checked_grantee(call, grant.grantee), permission=grant.permission))
    return checked


def _checked_grantee(call: Call, grantee: Grantee) -> Grantee:
    identities = call.services.identities
    if grantee.type == "Group":
        if not grantee.uri:
            raise S3Fault("MalformedXML")
        return Grantee(type="Group", uri=grantee.uri)
    if grantee.type == "AmazonCustomerByEmail":
        account = identities.by_email(grantee.email_address or "")
        if account is None:
            raise S3Fault("UnresolvableGrantByEmailAddress")
    else:
        account = identities.by_canonical(grantee.id or "")
        if account is None:
            fields = (("ArgumentName", "CanonicalUser/ID"), ("ArgumentValue", grantee.id or ""))
            raise S3Fault("InvalidArgument", "Invalid id", fields=fields)
    return Grantee(type="CanonicalUser", id=account.canonical_id, display_name=account.display_name)


async def get_bucket_logging(call: Call, given: GetBucketLoggingInput) -> Response:
    """https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetBucketLogging.html"""
    return render(call.operation, GetBucketLoggingOutput(logging_enabled=load(call.bucket, CONFIG, LoggingEnabled)))


# -- further lines of one request -----------------------------------------------------------------------------------------------


def note_deleted(call: Call, key: str, *, version_id: str | None, status: int, error_code: str = "") -> None:
    """One key of DeleteObjects, beside the line of the request."""
    bucket = call.bucket
    if CONFIG in bucket.config:
        entry = _entry(
            call.services,
            bucket,
            BATCH_DELETE,
            request=call.request,
            principal=call.principal,
            key=key.encode("utf-8", "replace"),
            status=status,
            error_code=error_code,
            version_id=version_id or "",
            host_header=call.request.headers.get("host", ""),
        )
        call.services.access_log.note(bucket, entry)


def note_copied(call: Call, source: BucketRecord, key: bytes, *, version_id: str | None, size: int) -> None:
    """The read of a copy's source, in the log of the source's bucket."""
    if CONFIG in source.config:
        entry = _entry(
            call.services,
            source,
            COPY_SOURCE[call.operation.name],
            request=call.request,
            principal=call.principal,
            key=key,
            request_line=shown_request_line(call.request.method, call.request.raw_path, call.request.raw_query),
            status=200,
            object_size=size,
            referer=call.request.headers.get("referer", ""),
            user_agent=call.request.headers.get("user-agent", ""),
            version_id=version_id or "",
            host_header=call.request.headers.get("host", ""),
        )
        call.services.access_log.note(source, entry)


def _entry(
    services: Services,
    bucket: BucketRecord,
    operation: str,
    *,
    request: Request,
    principal: Principal | None,
    **more: Any,  # noqa: ANN401 - fields of ``LogEntry``
) -> LogEntry:
    owner = services.identities.account(bucket.owner)
    return LogEntry(
        bucket_owner=owner.canonical_id if owner is not None else bucket.owner,
        bucket=bucket.name.rpartition(":")[2],
        time_us=services.clock.now_us(),
        operation=operation,
        remote_ip=request.client_address,
        requester=_requester(principal),
        request_id=request.request_id,
        host_id=HOST_ID,
        **more,
    )


def _requester(principal: Principal | None) -> str:
    """The canonical user id of a root user, the ARN of everybody else, nothing for anonymous callers."""
    if principal is None:
        return ""
    return principal.account.canonical_id if principal.kind == ROOT else principal.arn


HANDLERS: dict[str, Handler] = {"PutBucketLogging": put_bucket_logging, "GetBucketLogging": get_bucket_logging}
