"""The line that a request leaves in the access log of its bucket; costs one dictionary look-up where nothing is logged."""

from __future__ import annotations

import time

from dolmen.gateway.attempt import Attempt
from dolmen.gateway.auth.principal import ROOT
from dolmen.gateway.delivery.access_logs import CONFIG
from dolmen.gateway.http.send import HOST_ID, Streamed
from dolmen.gateway.metadata.records import BucketRecord
from dolmen.gateway.s3.access_log import LogEntry, log_operation, shown_request_line
from dolmen.gateway.s3.operations import OPERATIONS
from dolmen.gateway.s3.render import Response
from dolmen.gateway.services import Services

STORES = frozenset({"PutObject", "UploadPart"})  # their lines tell the size of what was stored
_SIGNATURES = {"AWS4-HMAC-SHA256": "SigV4", "AWS": "SigV2"}
_AUTHENTICATION = {"REST-HEADER": "AuthHeader", "REST-QUERY-STRING": "QueryString"}


def note_request(services: Services, attempt: Attempt, status: int) -> None:
    """After the answer went out (or could not)."""
    bucket = attempt.found_bucket
    if bucket is None or CONFIG not in bucket.config:
        return
    services.access_log.note(bucket, _entry(services, attempt, bucket, status))


def _entry(services: Services, attempt: Attempt, bucket: BucketRecord, status: int) -> LogEntry:
    request, principal, signed = attempt.request, attempt.principal, attempt.signed
    headers = request.headers
    owner = services.identities.account(bucket.owner)
    requester = ""
    if principal is not None:
        requester = principal.account.canonical_id if principal.kind == ROOT else principal.arn
    total_ms = int((time.perf_counter() - attempt.began_seconds) * 1000)
    level = "bucket" if attempt.key is None else "object"
    operation = OPERATIONS.get(attempt.operation)
    sent, size = _sizes(attempt.answer, request.method)
    if status == 200 and attempt.operation in STORES:
        length = headers.get("x-amz-decoded-content-length") or headers.get("content-length", "")
        size = int(length) if length.isdigit() else None
    return LogEntry(
        bucket_owner=owner.canonical_id if owner is not None else bucket.owner,
        bucket=attempt.bucket or "",
        time_us=services.clock.now_us() - total_ms * 1000,
        operation=log_operation(attempt.operation, request.method, level, operation.query if operation is not None else ()),
        remote_ip=request.client_address,
        requester=requester,
        request_id=request.request_id,
        key=attempt.key,
        request_line=shown_request_line(request.method, request.raw_path, request.raw_query),
        status=status,
        error_code=attempt.error_code,
        bytes_sent=sent,
        object_size=size,
        total_ms=total_ms,
        turnaround_ms=int((attempt.answered_seconds - attempt.began_seconds) * 1000) if attempt.answered_seconds else None,
        referer=headers.get("referer", ""),
        user_agent=headers.get("user-agent", ""),
        version_id=request.query.get("versionId", ""),
        host_id=HOST_ID,
        signature_version=_SIGNATURES.get(signed.signature_version, "") if signed is not None else "",
        authentication=_AUTHENTICATION.get(signed.auth_type, "") if signed is not None else "",
        host_header=headers.get("host", ""),
    )


def _sizes(answer: Response | Streamed | None, method: str) -> tuple[int, int | None]:
    """(bytes of the answer's body, size of the object in it)."""
    if answer is None:
        return 0, None
    told = {name: value for name, value in answer.headers if name in (b"content-length", b"content-range")}
    total = told.get(b"content-range", b"").rpartition(b"/")[2] or told.get(b"content-length", b"")
    size = int(total) if total.isdigit() and method in ("GET", "HEAD") else None
    if isinstance(answer, Streamed):
        return answer.length, size
    return (0 if method == "HEAD" else len(answer.body)), size if method == "HEAD" else None
