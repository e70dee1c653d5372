"""Log objects are written as any other object: an ordinary PutObject of the target bucket's owner, without a connection."""

from __future__ import annotations

import base64
import hashlib
import secrets

from dolmen.gateway.auth.accounts import Account, stored_bucket_name
from dolmen.gateway.auth.credential import ALGORITHM
from dolmen.gateway.auth.facts import RequestFacts
from dolmen.gateway.auth.principal import root_principal
from dolmen.gateway.delivery.access_logs import Batch
from dolmen.gateway.handlers.call import Call
from dolmen.gateway.handlers.object_write import put_object
from dolmen.gateway.http.body import Body
from dolmen.gateway.http.request import GONE, IDLE, PIECES, Message, Request
from dolmen.gateway.http.send import HOST_ID
from dolmen.gateway.metadata.records import BucketRecord
from dolmen.gateway.s3.access_log import LOG_DELIVERY_CANONICAL_ID, LogEntry, log_object_key, log_operation
from dolmen.gateway.s3.fault import S3Fault
from dolmen.gateway.s3.model.inputs_generated import PutObjectInput, TargetGrant
from dolmen.gateway.s3.names import check_key
from dolmen.gateway.s3.operations import OPERATIONS
from dolmen.gateway.services import Services

AGENT = "Dolmen log delivery"
UNIQUE_BYTES = 8  # as AWS: 16 digits; objects of one second must not meet
_PUT = OPERATIONS["PutObject"]


async def deliver_log(services: Services, batch: Batch) -> None:
    """Write the lines of a batch as one object.

    Raises ``S3Fault`` when the target does not take it: it is gone, or belongs to somebody else now.
    """
    source = batch.bucket
    owner = services.identities.account(source.owner)
    if owner is None:
        raise S3Fault("NoSuchBucket")
    target = await services.store.get_bucket(stored_bucket_name(owner, batch.target.target_bucket or ""))
    if target is None or target.owner != source.owner:
        raise S3Fault("NoSuchBucket", fields=(("BucketName", batch.target.target_bucket or ""),))
    now_us = services.clock.now_us()
    key = check_key(
        log_object_key(
            batch.target,
            account=source.owner,
            region=source.region,
            bucket=source.name.rpartition(":")[2],
            event_us=batch.begun_us,
            now_us=now_us,
            unique=secrets.token_hex(UNIQUE_BYTES).upper(),
        ).encode()
    )
    data = "".join(batch.lines).encode("utf-8", "replace")
    disabled = services.permissions.access_of(target).ownership == "BucketOwnerEnforced"  # since the logging was configured
    call = _call(services, target, owner, key, data, [] if disabled else batch.target.target_grants or [])
    await put_object(call, PutObjectInput(bucket=call.bucket_name, key=key.decode()))
    if not batch.of_deliveries:  # a log that tells of deliveries only is not told in its turn: that would never end
        _note_delivery(call, owner, len(data), now_us)


def _call(
    services: Services, target: BucketRecord, owner: Account, key: bytes, data: bytes, grants: list[TargetGrant]
) -> Call:
    headers = {
        "content-length": str(len(data)),
        "content-md5": base64.b64encode(hashlib.md5(data).digest()).decode(),  # a default retention asks for a digest
        "content-type": "text/plain",
        "user-agent": AGENT,
        **_grant_headers(owner, grants),
    }
    sent = False

    async def receive() -> Message:
        nonlocal sent
        pieces, sent = [] if sent else [data], True
        return {"type": "http.request", PIECES: pieces, "more_body": False, IDLE: False}

    scope = {
        "method": "PUT",
        "raw_path": b"/" + key,
        "query_string": b"",
        "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
        "client": None,
        GONE: lambda: False,
    }
    request = Request(scope, receive)
    return Call(
        services=services,
        request=request,
        operation=_PUT,
        account=owner,
        principal=root_principal(owner),
        facts=RequestFacts(
            "PUT", request.headers, {}, "", False, services.clock.now_us(), signature_version=ALGORITHM
        ),
        bucket_name=target.name.rpartition(":")[2],
        key=key,
        streamed_body=Body(request, None, for_object=True),
        found_bucket=target,
    )


def _grant_headers(owner: Account, grants: list[TargetGrant]) -> dict[str, str]:
    """Target grants as headers of the write; the owner keeps full control. WRITE means nothing on an object."""
    if not grants:
        return {}
    by_permission = {"FULL_CONTROL": [f'id="{owner.canonical_id}"']}
    for grant in grants:
        grantee = grant.grantee
        if grantee is None or grant.permission not in {"FULL_CONTROL", "READ"}:
            continue
        named = f'uri="{grantee.uri}"' if grantee.uri else f'id="{grantee.id}"'
        by_permission.setdefault(grant.permission, []).append(named)
    return {
        f"x-amz-grant-{permission.lower().replace('_', '-')}": ", ".join(named) for permission, named in by_permission.items()
    }


def _note_delivery(call: Call, owner: Account, size: int, began_us: int) -> None:
    """In a target bucket that is logged itself, the delivery is a request as any other."""
    services = call.services
    services.access_log.note(
        call.bucket,
        LogEntry(
            bucket_owner=owner.canonical_id,
            bucket=call.bucket_name,
            time_us=began_us,
            operation=log_operation(_PUT.name, _PUT.method, _PUT.level),
            requester=LOG_DELIVERY_CANONICAL_ID,
            request_id=call.request.request_id,
            key=call.key,
            status=200,
            object_size=size,
            total_ms=max(services.clock.now_us() - began_us, 0) // 1000,
            user_agent=AGENT,
            host_id=HOST_ID,
        ),
        of_delivery=True,
    )
