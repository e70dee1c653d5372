"""Managed policies: those of the account, and a few of AWS's that exist everywhere, read only."""

from __future__ import annotations

import json

from dolmen.gateway.iam.ids import UNIQUE_PREFIXES, arn
from dolmen.gateway.iam.records import ManagedPolicy, PolicyVersion
from dolmen.gateway.iam.unit import Unit

_AWS_CREATED_US = 1_423_161_658_000_000  # 2015-02-05: about when AWS's own came to be


def _aws(name: str, description: str, number: int, actions: list[str]) -> ManagedPolicy:
    statement = {"Effect": "Allow", "Action": actions, "Resource": "*"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [statement]}, indent=2)
    return ManagedPolicy(
        name=name,
        path="/",
        unique_id=f"{UNIQUE_PREFIXES['policy']}DOLMENAWSMANAGED{number}",
        created_us=_AWS_CREATED_US,
        updated_us=_AWS_CREATED_US,
        versions={"v1": PolicyVersion(document=document, created_us=_AWS_CREATED_US)},
        default="v1",
        next_version=2,
        description=description,
    )


_READ_S3 = ["s3:Get*", "s3:List*", "s3:Describe*"]
_READ_IAM = ["iam:Get*", "iam:List*", "iam:SimulateCustomPolicy", "iam:SimulatePrincipalPolicy"]
_READ_ALL = [*_READ_S3, *_READ_IAM, "sts:GetAccessKeyInfo", "sts:GetCallerIdentity"]
_AWS_POLICIES = (
    _aws("AdministratorAccess", "Provides full access to all actions and resources.", 2, ["*"]),
    _aws("AmazonS3FullAccess", "Provides full access to all buckets.", 3, ["s3:*"]),
    _aws("AmazonS3ReadOnlyAccess", "Provides read only access to all buckets.", 4, _READ_S3),
    _aws("IAMFullAccess", "Provides full access to IAM.", 5, ["iam:*"]),
    _aws("IAMReadOnlyAccess", "Provides read only access to IAM.", 6, _READ_IAM),
    _aws("ReadOnlyAccess", "Provides read only access to all services.", 7, _READ_ALL),
)
AWS_POLICIES = {policy.name.lower(): policy for policy in _AWS_POLICIES}
_AWS_OWNER = "aws"


def is_of_aws(policy: ManagedPolicy) -> bool:
    found = AWS_POLICIES.get(policy.name.lower())
    return found is not None and found.unique_id == policy.unique_id


def policy_arn(account_id: str, policy: ManagedPolicy) -> str:
    return arn(_AWS_OWNER if is_of_aws(policy) else account_id, "policy", policy.path, policy.name)


def policy_key(policy_arn_text: str) -> str:
    """What the names of its ``attachment`` documents begin with. Names hold neither ``|`` nor ``/``, paths may."""
    owner = "aws" if policy_arn_text.startswith("arn:aws:iam::aws:") else "local"
    return f"{owner}/{policy_arn_text.rpartition('/')[2].lower()}|"


async def find_policy(unit: Unit, account_id: str, text: str) -> ManagedPolicy | None:
    """The policy of this ARN, when it is one of the account's or of AWS's."""
    parts = text.split(":", 5)
    if len(parts) != 6 or parts[:4] != ["arn", "aws", "iam", ""] or not parts[5].startswith("policy/"):
        return None
    name = parts[5].rpartition("/")[2]
    policy = None
    if parts[4] == _AWS_OWNER:
        policy = AWS_POLICIES.get(name.lower())
    elif parts[4] == account_id:
        policy = await unit.get(ManagedPolicy, name)
    # The path is a part of the ARN: with another one it is no policy of ours.
    return policy if policy is not None and policy_arn(account_id, policy).lower() == text.lower() else None


def default_document(policy: ManagedPolicy) -> str:
    return policy.versions[policy.default].document
