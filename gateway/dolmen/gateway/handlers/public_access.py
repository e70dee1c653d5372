"""Who may open a bucket: public access block, the policy's status, object ownership.

A new bucket has no public access block, unlike one of AWS since April 2023 (there all four are on): nothing is blocked until
somebody asks for it, because a store on one's own premises takes the place of others whose users set public policies. Object
ownership is AWS's: a new bucket enforces that its owner owns everything, and ACLs are disabled.
https://docs.aws.amazon.com/AmazonS3/latest/userguide/access-control-block-public-access.html
https://docs.aws.amazon.com/AmazonS3/latest/userguide/about-object-ownership.html
"""

from __future__ import annotations

from dolmen.gateway.auth import acl as acls
from dolmen.gateway.auth.authorize import ENFORCED, public_status
from dolmen.gateway.handlers.bucket_acl import OWNERSHIP, ownership_controls
from dolmen.gateway.handlers.call import Call, Handler
from dolmen.gateway.handlers.config_store import load, save, save_all
from dolmen.gateway.handlers.object_acl import access_of
from dolmen.gateway.metadata.records import BucketRecord
from dolmen.gateway.s3.fault import S3Fault
from dolmen.gateway.s3.model.inputs_generated import (
    DeleteBucketOwnershipControlsInput,
    DeletePublicAccessBlockInput,
    GetBucketOwnershipControlsInput,
    GetBucketPolicyStatusInput,
    GetPublicAccessBlockInput,
    OwnershipControls,
    OwnershipControlsRule,
    PublicAccessBlockConfiguration,
    PutBucketOwnershipControlsInput,
    PutPublicAccessBlockInput,
)
from dolmen.gateway.s3.model.outputs_generated import (
    GetBucketOwnershipControlsOutput,
    GetBucketPolicyStatusOutput,
    GetPublicAccessBlockOutput,
    PolicyStatus,
)
from dolmen.gateway.s3.render import Response, render

BLOCK = "public-access-block"  # name of the sub-resource in the bucket's record


# -- public access block -----------------------------------------------------------------------------------------------------


async def put_public_access_block(call: Call, given: PutPublicAccessBlockInput) -> Response:
    """https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutPublicAccessBlock.html

    What is left out is off.
    """
    wanted = given.public_access_block_configuration
    if wanted is None:
        raise S3Fault("MalformedXML")
    configuration = PublicAccessBlockConfiguration(
        block_public_acls=bool(wanted.block_public_acls),
        ignore_public_acls=bool(wanted.ignore_public_acls),
        block_public_policy=bool(wanted.block_public_policy),
        restrict_public_buckets=bool(wanted.restrict_public_buckets),
    )
    await save(call, BLOCK, configuration)
    return Response(200, [], b"")


async def get_public_access_block(call: Call, given: GetPublicAccessBlockInput) -> Response:
    """https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetPublicAccessBlock.html"""
    found = load(call.bucket, BLOCK, PublicAccessBlockConfiguration)
    if found is None:
        raise S3Fault("NoSuchPublicAccessBlockConfiguration", fields=(("BucketName", call.bucket_name),))
    return render(call.operation, GetPublicAccessBlockOutput(public_access_block_configuration=found))


async def delete_public_access_block(call: Call, given: DeletePublicAccessBlockInput) -> Response:
    """https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeletePublicAccessBlock.html"""
    if BLOCK in call.bucket.config:
        await save(call, BLOCK, None)
    return Response(204, [], b"")


async def get_bucket_policy_status(call: Call, given: GetBucketPolicyStatusInput) -> Response:
    """https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetBucketPolicyStatus.html"""
    policy = access_of(call).policy
    if policy is None:
        raise S3Fault("NoSuchBucketPolicy", fields=(("BucketName", call.bucket_name),))
    return render(call.operation, GetBucketPolicyStatusOutput(policy_status=PolicyStatus(is_public=public_status(policy))))


# -- object ownership --------------------------------------------------------------------------------------------------------


async def put_bucket_ownership_controls(call: Call, given: PutBucketOwnershipControlsInput) -> Response:
    """https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutBucketOwnershipControls.html

    ACLs can be disabled only while the bucket's own grants nothing to others. Those of objects do not matter: they are kept,
    and count again when ACLs are enabled again.
    """
    rules = (given.ownership_controls.rules if given.ownership_controls is not None else None) or []
    if len(rules) != 1:
        raise S3Fault("MalformedXML")
    wanted = rules[0].object_ownership or ""

    def check(bucket: BucketRecord) -> None:
        access = call.services.permissions.access_of(bucket)
        if wanted == ENFORCED and access.acl is not None and acls.grants_others(access.acl, access.owner_canonical):
            raise S3Fault("InvalidBucketAclWithObjectOwnership")

    await save_all(call, {OWNERSHIP: ownership_controls(wanted)}, check=check)
    return Response(200, [], b"")


async def get_bucket_ownership_controls(call: Call, given: GetBucketOwnershipControlsInput) -> Response:
    """https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetBucketOwnershipControls.html"""
    found = load(call.bucket, OWNERSHIP, OwnershipControls)
    if found is None:
        found = OwnershipControls(rules=[OwnershipControlsRule(object_ownership=ENFORCED)])
    if not found.rules:
        raise S3Fault("OwnershipControlsNotFoundError", fields=(("BucketName", call.bucket_name),))
    return render(call.operation, GetBucketOwnershipControlsOutput(ownership_controls=found))


async def delete_bucket_ownership_controls(call: Call, given: DeleteBucketOwnershipControlsInput) -> Response:
    """https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteBucketOwnershipControls.html

    A bucket without them works as those from before there were any: whoever writes an object owns it, and ACLs count.
    """
    await save(call, OWNERSHIP, OwnershipControls(rules=[]))
    return Response(204, [], b"")


HANDLERS: dict[str, Handler] = {
    "PutPublicAccessBlock": put_public_access_block,
    "GetPublicAccessBlock": get_public_access_block,
    "DeletePublicAccessBlock": delete_public_access_block,
    "GetBucketPolicyStatus": get_bucket_policy_status,
    "PutBucketOwnershipControls": put_bucket_ownership_controls,
    "GetBucketOwnershipControls": get_bucket_ownership_controls,
    "DeleteBucketOwnershipControls": delete_bucket_ownership_controls,
}
