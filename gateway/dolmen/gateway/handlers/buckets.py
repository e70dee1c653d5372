"""ListBuckets, CreateBucket, HeadBucket, DeleteBucket, GetBucketLocation, bucket versioning."""

from __future__ import annotations

import uuid

import msgspec

from dolmen.gateway.auth.accounts import stored_bucket_name
from dolmen.gateway.handlers.bucket_acl import access_of_new_bucket, require_on_new_bucket
from dolmen.gateway.handlers.bucket_tagging import tagging_of_new_bucket
from dolmen.gateway.handlers.call import Call
from dolmen.gateway.handlers.config_store import save_all
from dolmen.gateway.handlers.object_lock import refuse_suspension
from dolmen.gateway.http.request import Headers
from dolmen.gateway.metadata.records import BucketRecord, Versioning
from dolmen.gateway.metadata.store import SCAN_ROWS_MAX
from dolmen.gateway.metadata.tokens import InvalidToken, decode_token, encode_token
from dolmen.gateway.s3.fault import S3Fault
from dolmen.gateway.s3.model.inputs_generated import (
    CreateBucketInput,
    DeleteBucketInput,
    GetBucketLocationInput,
    GetBucketVersioningInput,
    HeadBucketInput,
    ListBucketsInput,
    PutBucketVersioningInput,
)
from dolmen.gateway.s3.model.outputs_generated import (
    Bucket,
    CreateBucketOutput,
    GetBucketLocationOutput,
    GetBucketVersioningOutput,
    ListBucketsOutput,
    Owner,
)
from dolmen.gateway.s3.names import check_bucket_name, split_tenant
from dolmen.gateway.s3.render import Response, render

LIST_BUCKETS_MAX = 10_000  # S3's page limit


def stored_name(call: Call) -> str:
    """The name in the store: tenants have their own namespace."""
    return stored_bucket_name(call.account, call.bucket_name)


async def list_buckets(call: Call, given: ListBucketsInput) -> Response:
    """https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListBuckets.html"""
    limit = LIST_BUCKETS_MAX if given.max_buckets is None else given.max_buckets
    if not 1 <= limit <= LIST_BUCKETS_MAX:
        raise S3Fault("InvalidArgument", "Argument maxBuckets must be an integer between 1 and 10000")
    tenant = call.account.tenant
    space = f"{tenant}:" if tenant else ""
    after = ""
    if given.continuation_token is not None:
        after = _continue_after(given.continuation_token)
    rows = min(limit + 1, SCAN_ROWS_MAX)  # one more than the page tells whether there is another
    region_matches = given.bucket_region is None or given.bucket_region == call.services.region
    found: list[BucketRecord] = []
    if region_matches:
        found = await call.services.store.list_buckets(
            call.account.account_id, space + (given.prefix or ""), after, rows
        )
    token = None
    if len(found) > limit or len(found) == rows == limit:
        found = found[:limit]
        token = encode_token("buckets", found[-1].name.encode())
    paged = given.max_buckets is not None or given.continuation_token is not None
    return render(
        call.operation,
        ListBucketsOutput(
            buckets=[
                Bucket(
                    name=bucket.name.removeprefix(space),
                    creation_date=bucket.created_us,
                    bucket_region=bucket.region if paged or given.bucket_region else None,
                )
                for bucket in found
            ],
            owner=Owner(id=call.account.canonical_id, display_name=call.account.display_name),
            continuation_token=token,
            prefix=given.prefix,
        ),
    )


def _continue_after(token: str) -> str:
    try:
        return decode_token("buckets", token).decode()
    except (InvalidToken, UnicodeDecodeError) as error:
        raise S3Fault(
            "InvalidArgument",
            "The continuation token provided is incorrect",
            fields=(("ArgumentName", "continuation-token"), ("ArgumentValue", token)),
        ) from error


async def create_bucket(call: Call, given: CreateBucketInput) -> Response:
    """https://docs.aws.amazon.com/AmazonS3/latest/API/API_CreateBucket.html"""
    tenant, name = split_tenant(call.bucket_name)
    if tenant not in (None, call.account.tenant):
        raise S3Fault("AccessDenied")  # buckets are made in one's own namespace
    check_bucket_name(name)
    services = call.services
    wanted = given.create_bucket_configuration
    constraint = wanted.location_constraint if wanted is not None else None
    tags = (wanted.tags if wanted is not None else None) or []
    call.facts = msgspec.structs.replace(
        call.facts,
        location_constraint=constraint or "",
        request_tags={tag.key or "": tag.value or "" for tag in tags},
    )
    await require_on_new_bucket(call, "s3:CreateBucket")
    if constraint and constraint not in (services.region, "us-east-1", "EU"):
        raise S3Fault("InvalidLocationConstraint", fields=(("LocationConstraint", constraint),))
    access = await access_of_new_bucket(call, call.request.headers)
    tagging = await tagging_of_new_bucket(call, tags)
    now_us = services.clock.now_us()
    await services.store.create_bucket(
        BucketRecord(
            name=stored_name(call),
            bucket_id=uuid.uuid4().bytes,
            owner=call.account.account_id,
            region=services.region,
            created_us=now_us,
            versioning=Versioning.ENABLED if given.object_lock_enabled_for_bucket else Versioning.OFF,
            object_lock=bool(given.object_lock_enabled_for_bucket),
            config={**access, **tagging},
        )
    )
    return render(call.operation, CreateBucketOutput(location=f"/{call.bucket_name}"))


async def head_bucket(call: Call, given: HeadBucketInput) -> Response:
    """https://docs.aws.amazon.com/AmazonS3/latest/API/API_HeadBucket.html"""
    headers: Headers = [
        (b"x-amz-bucket-region", call.bucket.region.encode()),
        (b"x-amz-access-point-alias", b"false"),
        (b"content-type", b"application/xml"),
    ]
    return Response(200, headers, b"")


async def delete_bucket(call: Call, given: DeleteBucketInput) -> Response:
    """https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteBucket.html"""
    await call.services.store.delete_bucket(call.bucket.name, call.bucket.bucket_id)
    return Response(204, [], b"")


async def get_bucket_location(call: Call, given: GetBucketLocationInput) -> Response:
    """https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetBucketLocation.html

    us-east-1 is told as an empty constraint, as S3 does.
    """
    region = call.bucket.region
    constraint = None if region == "us-east-1" else region
    return render(call.operation, GetBucketLocationOutput(location_constraint=constraint))


async def get_bucket_versioning(call: Call, given: GetBucketVersioningInput) -> Response:
    """https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetBucketVersioning.html"""
    status = {Versioning.ENABLED: "Enabled", Versioning.SUSPENDED: "Suspended"}
    return render(
        call.operation, GetBucketVersioningOutput(status=status.get(call.bucket.versioning))
    )


async def put_bucket_versioning(call: Call, given: PutBucketVersioningInput) -> Response:
    """https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutBucketVersioning.html"""
    wanted = given.versioning_configuration
    if wanted is None or wanted.status not in ("Enabled", "Suspended"):
        raise S3Fault("IllegalVersioningConfigurationException")
    if wanted.mfa_delete == "Enabled":
        raise S3Fault("NotImplemented", "MFA delete is not implemented.")
    state = Versioning.ENABLED if wanted.status == "Enabled" else Versioning.SUSPENDED
    await save_all(call, {}, check=refuse_suspension if state is Versioning.SUSPENDED else None, versioning=state)
    return Response(200, [], b"")
