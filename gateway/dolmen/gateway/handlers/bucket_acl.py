"""ACLs of buckets, and what CreateBucket says about access. https://docs.aws.amazon.com/AmazonS3/latest/userguide/acls.html"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from dolmen.gateway.auth import acl as acls
from dolmen.gateway.auth.accounts import stored_bucket_name
from dolmen.gateway.auth.authorize import ENFORCED
from dolmen.gateway.handlers import object_acl
from dolmen.gateway.handlers.call import Call, Handler
from dolmen.gateway.handlers.config_store import save_all
from dolmen.gateway.handlers.object_acl import access_of, finders, requested_acl, shown
from dolmen.gateway.metadata.records import BucketRecord
from dolmen.gateway.permissions import arn_of
from dolmen.gateway.s3.fault import S3Fault
from dolmen.gateway.s3.model.inputs_generated import (
    GetBucketAclInput,
    OwnershipControls,
    OwnershipControlsRule,
    PutBucketAclInput,
)
from dolmen.gateway.s3.model.operations_generated import ENUMS
from dolmen.gateway.s3.model.outputs_generated import GetBucketAclOutput
from dolmen.gateway.s3.parse import invalid_argument
from dolmen.gateway.s3.render import Response, render

ACL = "acl"  # names of the sub-resources in the bucket's record
OWNERSHIP = "ownership"
OWNERSHIP_HEADER = "x-amz-object-ownership"

_encode = msgspec.msgpack.Encoder().encode


async def get_bucket_acl(call: Call, given: GetBucketAclInput) -> Response:
    """https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetBucketAcl.html"""
    access = access_of(call)
    acl = access.acl
    if acl is None or access.ownership == ENFORCED:
        acl = acls.private(access.owner_canonical)
    document = shown(call, acl)
    return render(call.operation, GetBucketAclOutput(owner=document.owner, grants=document.grants))


async def put_bucket_acl(call: Call, given: PutBucketAclInput) -> Response:
    """https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutBucketAcl.html"""
    access = access_of(call)
    acl = requested_acl(call, given, access.owner_canonical, access)
    if access.ownership == ENFORCED:
        return Response(200, [], b"")

    def check(bucket: BucketRecord) -> None:
        """ACLs may have been disabled, or public ones blocked, since."""
        now = call.services.permissions.access_of(bucket)
        if now.ownership == ENFORCED:
            raise S3Fault("AccessControlListNotSupported")
        object_acl.checked_for_public(acl, now)

    await save_all(call, {ACL: object_acl.stored(acl) or None}, check=check)
    return Response(200, [], b"")


async def access_of_new_bucket(call: Call, headers: Mapping[str, str]) -> dict[str, bytes]:
    """The sub-resources that CreateBucket sets by ``x-amz-acl``, ``x-amz-grant-*`` and ``x-amz-object-ownership``.

    Raises AccessDenied (each needs a permission of its own), InvalidArgument, InvalidRequest,
    InvalidBucketAclWithObjectOwnership (an ACL for others while ACLs are disabled, as they are unless said otherwise),
    UnresolvableGrantByEmailAddress.
    """
    config: dict[str, bytes] = {}
    ownership = headers.get(OWNERSHIP_HEADER)
    if ownership is not None:
        if ownership not in ENUMS["ObjectOwnership"]:
            raise invalid_argument(OWNERSHIP_HEADER, ownership, f"Invalid {OWNERSHIP_HEADER} header: {ownership}")
        await require_on_new_bucket(call, "s3:PutBucketOwnershipControls")
        config[OWNERSHIP] = ownership_controls(ownership)
    owner = call.account.canonical_id
    by_email, by_id = finders(call)
    acl = acls.from_headers(headers, owner, owner, by_email, by_id)
    if acl is None:
        return config
    await require_on_new_bucket(call, "s3:PutBucketAcl")
    if acl != acls.private(owner):
        if ownership in (None, ENFORCED):
            raise S3Fault("InvalidBucketAclWithObjectOwnership")
        config[ACL] = _encode(acl)
    return config


def ownership_controls(ownership: str) -> bytes:
    """The stored form."""
    return _encode(OwnershipControls(rules=[OwnershipControlsRule(object_ownership=ownership)]))


async def require_on_new_bucket(call: Call, action: str) -> None:
    """A permission on a bucket that is not there yet. Raises AccessDenied."""
    resource = arn_of(stored_bucket_name(call.account, call.bucket_name), None)
    decision = await call.services.permissions.decide(
        call.principal, action, call.facts, None, None, resource=resource
    )
    if not decision.allowed:
        raise S3Fault(decision.code)


HANDLERS: dict[str, Handler] = {
    "GetBucketAcl": get_bucket_acl,
    "PutBucketAcl": put_bucket_acl,
    **object_acl.HANDLERS,  # one feature for the table
}
