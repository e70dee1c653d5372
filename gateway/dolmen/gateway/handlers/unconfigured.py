"""Sub-resources that nobody has configured: S3's documented answer for each, so that SDKs and Terraform read a plain bucket.

A sub-resource of this page cannot be set yet: setting one is refused by its name (NotImplemented), reading it answers what S3
answers for a bucket on which it was never set, deleting it succeeds.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import msgspec

from dolmen.gateway.handlers.call import Call, require_version
from dolmen.gateway.s3.fault import S3Fault
from dolmen.gateway.s3.model import outputs_generated as outputs
from dolmen.gateway.s3.model.inputs_generated import Grantee, OwnershipControlsRule
from dolmen.gateway.s3.render import Response, render

Handler = Callable[[Call, Any], Awaitable[Response]]

# What S3 answers when nothing was set: an error code ...
NOT_FOUND = {
    "GetBucketAnalyticsConfiguration": "NoSuchConfiguration",
    "GetBucketCors": "NoSuchCORSConfiguration",
    "GetBucketEncryption": "ServerSideEncryptionConfigurationNotFoundError",
    "GetBucketIntelligentTieringConfiguration": "NoSuchConfiguration",
    "GetBucketInventoryConfiguration": "NoSuchConfiguration",
    "GetBucketLifecycle": "NoSuchLifecycleConfiguration",
    "GetBucketLifecycleConfiguration": "NoSuchLifecycleConfiguration",
    "GetBucketMetricsConfiguration": "NoSuchConfiguration",
    "GetBucketPolicy": "NoSuchBucketPolicy",
    "GetBucketPolicyStatus": "NoSuchBucketPolicy",
    "GetBucketReplication": "ReplicationConfigurationNotFoundError",
    "GetBucketTagging": "NoSuchTagSet",
    "GetBucketWebsite": "NoSuchWebsiteConfiguration",
    "GetObjectLockConfiguration": "ObjectLockConfigurationNotFoundError",
    "GetPublicAccessBlock": "NoSuchPublicAccessBlockConfiguration",
}

# ... or an empty document.
EMPTY: dict[str, msgspec.Struct] = {
    "GetBucketAccelerateConfiguration": outputs.GetBucketAccelerateConfigurationOutput(),
    "GetBucketLogging": outputs.GetBucketLoggingOutput(),
    "GetBucketNotification": outputs.GetBucketNotificationOutput(),
    "GetBucketNotificationConfiguration": outputs.GetBucketNotificationConfigurationOutput(),
    "GetBucketOwnershipControls": outputs.GetBucketOwnershipControlsOutput(
        ownership_controls=outputs.OwnershipControls(
            rules=[OwnershipControlsRule(object_ownership="BucketOwnerEnforced")]
        )
    ),
    "GetBucketRequestPayment": outputs.GetBucketRequestPaymentOutput(payer="BucketOwner"),
    "ListBucketAnalyticsConfigurations": outputs.ListBucketAnalyticsConfigurationsOutput(is_truncated=False),
    "ListBucketIntelligentTieringConfigurations": outputs.ListBucketIntelligentTieringConfigurationsOutput(
        is_truncated=False
    ),
    "ListBucketInventoryConfigurations": outputs.ListBucketInventoryConfigurationsOutput(is_truncated=False),
    "ListBucketMetricsConfigurations": outputs.ListBucketMetricsConfigurationsOutput(is_truncated=False),
}

DELETES = frozenset(
    {
        "DeleteBucketCors",
        "DeleteBucketEncryption",
        "DeleteBucketLifecycle",
        "DeleteBucketOwnershipControls",
        "DeleteBucketPolicy",
        "DeleteBucketReplication",
        "DeleteBucketTagging",
        "DeleteBucketWebsite",
        "DeletePublicAccessBlock",
    }
)

PRIVATE_ACLS = frozenset({"private", "bucket-owner-full-control"})  # what a bucket with ACLs disabled accepts


async def _not_found(call: Call, given: msgspec.Struct) -> Response:
    raise S3Fault(NOT_FOUND[call.operation.name], fields=(("BucketName", call.bucket_name),))


async def _empty(call: Call, given: msgspec.Struct) -> Response:
    return render(call.operation, EMPTY[call.operation.name])


async def _deleted(call: Call, given: msgspec.Struct) -> Response:
    return Response(204, [], b"")


def _owner_only(call: Call) -> tuple[outputs.Owner, list[outputs.Grant]]:
    """What S3 shows while ACLs are disabled: the owner has full control."""
    account = call.services.identities.account(call.bucket.owner)
    canonical_id = account.canonical_id if account is not None else call.bucket.owner
    name = account.display_name if account is not None else None
    grantee = Grantee(type="CanonicalUser", id=canonical_id, display_name=name)
    owner = outputs.Owner(id=canonical_id, display_name=name)
    return owner, [outputs.Grant(grantee=grantee, permission="FULL_CONTROL")]


async def _bucket_acl(call: Call, given: msgspec.Struct) -> Response:
    owner, grants = _owner_only(call)
    return render(call.operation, outputs.GetBucketAclOutput(owner=owner, grants=grants))


async def _object_acl(call: Call, given: Any) -> Response:  # noqa: ANN401 - the input of GetObjectAcl
    found = await call.services.store.get_version(call.bucket.bucket_id, call.key, given.version_id)
    require_version(found, call, given.version_id)
    owner, grants = _owner_only(call)
    return render(call.operation, outputs.GetObjectAclOutput(owner=owner, grants=grants))


async def _put_bucket_acl(call: Call, given: Any) -> Response:  # noqa: ANN401 - the input of PutBucketAcl
    _require_owner_only(call, given)
    return Response(200, [], b"")


async def _put_object_acl(call: Call, given: Any) -> Response:  # noqa: ANN401 - the input of PutObjectAcl
    found = await call.services.store.get_version(call.bucket.bucket_id, call.key, given.version_id)
    require_version(found, call, given.version_id)
    _require_owner_only(call, given)
    return Response(200, [], b"")


def _require_owner_only(call: Call, given: Any) -> None:  # noqa: ANN401 - one of the two inputs
    """With ACLs disabled only the ACL that is in force already is accepted, by its canned name or spelled out.

    s3cmd reads the ACL of a copy's source and sets it on the copy.
    """
    if given.acl is not None:
        accepted = given.acl in PRIVATE_ACLS
    else:
        policy = given.access_control_policy
        _, owner_only = _owner_only(call)
        accepted = policy is not None and _granted(policy.grants) == _granted(owner_only)
    if not accepted:
        raise S3Fault("AccessControlListNotSupported")


def _granted(grants: list[outputs.Grant] | None) -> list[tuple[str | None, str | None]]:
    """(permission, canonical id) of each grant."""
    return [(grant.permission, grant.grantee.id if grant.grantee is not None else None) for grant in grants or []]


async def _no_lock(call: Call, given: Any) -> Response:  # noqa: ANN401 - the input of GetObjectRetention or GetObjectLegalHold
    found = await call.services.store.get_version(call.bucket.bucket_id, call.key, given.version_id)
    require_version(found, call, given.version_id)
    raise S3Fault("InvalidRequest", "Bucket is missing Object Lock Configuration")


async def not_implemented(call: Call, given: msgspec.Struct) -> Response:
    """The operation is known by name, and refused by name."""
    raise S3Fault(
        "NotImplemented",
        f"{call.operation.name} is not implemented",
        fields=(("Operation", call.operation.name),),
    )


HANDLERS: dict[str, Handler] = {
    **dict.fromkeys(NOT_FOUND, _not_found),
    **dict.fromkeys(EMPTY, _empty),
    **dict.fromkeys(DELETES, _deleted),
    "GetBucketAcl": _bucket_acl,
    "GetObjectAcl": _object_acl,
    "PutBucketAcl": _put_bucket_acl,
    "PutObjectAcl": _put_object_acl,
    "GetObjectRetention": _no_lock,
    "GetObjectLegalHold": _no_lock,
}
