"""Bucket policies. https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucket-policies.html"""

from __future__ import annotations

from dolmen.gateway.auth.authorize import policy_is_public
from dolmen.gateway.auth.policy.document import Policy, PolicyError, parse_policy
from dolmen.gateway.handlers.call import Call, Handler
from dolmen.gateway.handlers.config_store import save, save_all
from dolmen.gateway.iam.records import Role, User
from dolmen.gateway.iam.unit import Unit
from dolmen.gateway.metadata.records import BucketRecord
from dolmen.gateway.s3.fault import S3Fault
from dolmen.gateway.s3.model.inputs_generated import (
    DeleteBucketPolicyInput,
    GetBucketPolicyInput,
    PutBucketPolicyInput,
)
from dolmen.gateway.s3.model.outputs_generated import GetBucketPolicyOutput
from dolmen.gateway.s3.render import Response, render

POLICY = "policy"  # name of the sub-resource in the bucket's record


async def put_bucket_policy(call: Call, given: PutBucketPolicyInput) -> Response:
    """https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutBucketPolicy.html

    ``x-amz-confirm-remove-self-bucket-access`` is taken and not asked for: the root user of the owner can always mend a policy.
    """
    text = given.policy or ""
    try:
        policy = parse_policy(text, kind="bucket", bucket=call.bucket.name)
    except PolicyError as error:
        raise _malformed(error.message, error.detail) from error
    await _require_principals(call, policy)

    def check(bucket: BucketRecord) -> None:
        if call.services.permissions.access_of(bucket).block_public_policy and policy_is_public(policy):
            raise S3Fault("AccessDenied")

    await save_all(call, {POLICY: text.encode()}, check=check)
    return Response(204, [], b"")


def _malformed(message: str, detail: str) -> S3Fault:
    return S3Fault("MalformedPolicy", message, fields=(("Detail", detail),) if detail else ())


def _unknown(kind: str, value: str) -> S3Fault:
    return _malformed("Invalid principal in policy", f'"{kind}" : "{value}"')


async def _require_principals(call: Call, policy: Policy) -> None:
    """Everybody whom it names exists. Raises MalformedPolicy."""
    identities = call.services.identities
    units: dict[str, Unit] = {}
    for statement in policy.statements:
        named = statement.principals or statement.not_principals
        if named is None:
            continue
        for canonical_id in sorted(named.canonical_ids):
            if identities.by_canonical(canonical_id) is None:
                raise _unknown("CanonicalUser", canonical_id)
        for account_id in sorted(named.accounts):
            if identities.account(account_id) is None:
                raise _unknown("AWS", account_id)
        for arn in sorted(named.arns):
            account_id = arn.split(":", 5)[4]
            if account_id not in units:
                units[account_id] = Unit(call.services.store, account_id)
            if identities.account(account_id) is None or not await _exists(units[account_id], arn):
                raise _unknown("AWS", arn)


async def _exists(unit: Unit, arn: str) -> bool:
    """The user, or the role of a session, with its path. Sessions and federated users are names that anybody may make up."""
    resource = arn.split(":", 5)[5]
    kind, _, rest = resource.partition("/")
    path, _, name = f"/{rest}".rpartition("/")
    if kind == "user":
        user = await unit.get(User, name)
        return user is not None and (user.path, user.name) == (f"{path}/", name)
    if kind == "role":
        role = await unit.get(Role, name)
        return role is not None and (role.path, role.name) == (f"{path}/", name)
    return kind == "federated-user" or await unit.get(Role, rest.partition("/")[0]) is not None


async def get_bucket_policy(call: Call, given: GetBucketPolicyInput) -> Response:
    """https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetBucketPolicy.html"""
    raw = call.bucket.config.get(POLICY)
    if raw is None:
        raise S3Fault("NoSuchBucketPolicy", fields=(("BucketName", call.bucket_name),))
    return render(call.operation, GetBucketPolicyOutput(policy=raw.decode()))


async def delete_bucket_policy(call: Call, given: DeleteBucketPolicyInput) -> Response:
    """https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteBucketPolicy.html"""
    if POLICY in call.bucket.config:
        await save(call, POLICY, None)
    return Response(204, [], b"")


HANDLERS: dict[str, Handler] = {
    "PutBucketPolicy": put_bucket_policy,
    "GetBucketPolicy": get_bucket_policy,
    "DeleteBucketPolicy": delete_bucket_policy,
}
