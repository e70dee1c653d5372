"""Records as the structures of IAM's answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

from dolmen.gateway.auth.accounts import Account
from dolmen.gateway.iam.fault import IamFault, limit_exceeded
from dolmen.gateway.iam.ids import arn
from dolmen.gateway.iam.limits import TAGS_MAX
from dolmen.gateway.iam.managed import policy_arn
from dolmen.gateway.iam.records import Group, Holder, ManagedPolicy, PolicyVersion, Role, User

Shape = dict[str, Any]


def document(text: str) -> str:
    """A policy document as IAM answers it: percent-encoded."""
    return quote(text, safe="")


def tag_list(tags: Mapping[str, str]) -> list[Shape]:
    return [{"Key": key, "Value": value} for key, value in tags.items()]


def tags_of(given: Sequence[Mapping[str, str]]) -> dict[str, str]:
    """Tags of a request. Raises InvalidInput for keys that differ in nothing but case, or are reserved."""
    tags: dict[str, str] = {}
    seen: set[str] = set()
    for tag in given:
        key = tag["Key"]
        if key.lower() in seen:
            raise IamFault("InvalidInput", "Duplicate tag keys found. Please note that Tag keys are case insensitive.")
        if key.lower().startswith("aws:"):
            raise IamFault("InvalidInput", "Tag keys beginning with aws: are reserved for system use.")
        seen.add(key.lower())
        tags[key] = tag["Value"]
    return tags


def with_tags(tags: Mapping[str, str], added: Mapping[str, str]) -> dict[str, str]:
    """``tags`` and ``added``, which replace those of the same key in any case. Raises LimitExceeded."""
    replaced = {key.lower() for key in added}
    result = {key: value for key, value in tags.items() if key.lower() not in replaced} | dict(added)
    if len(result) > TAGS_MAX:
        raise limit_exceeded("TagsPerResource", TAGS_MAX)
    return result


def without_tags(tags: Mapping[str, str], keys: Sequence[str]) -> dict[str, str]:
    gone = {key.lower() for key in keys}
    return {key: value for key, value in tags.items() if key.lower() not in gone}


def _boundary(holder: Holder) -> Shape | None:
    if not holder.boundary:
        return None
    return {"PermissionsBoundaryType": "Policy", "PermissionsBoundaryArn": holder.boundary}


def user(account_id: str, record: User, *, in_list: bool = False) -> Shape:
    """A User; lists of AWS show neither tags nor boundaries."""
    return {
        "Path": record.path,
        "UserName": record.name,
        "UserId": record.unique_id,
        "Arn": arn(account_id, "user", record.path, record.name),
        "CreateDate": record.created_us,
        "PermissionsBoundary": None if in_list else _boundary(record),
        "Tags": tag_list(record.tags) if record.tags and not in_list else None,
    }


def root_user(account: Account) -> Shape:
    """What GetUser says of an account's root user, who has existed since ever."""
    return {
        "Path": "/",
        "UserName": account.display_name,
        "UserId": account.account_id,
        "Arn": f"arn:aws:iam::{account.account_id}:root",
        "CreateDate": 0,
    }


def group(account_id: str, record: Group) -> Shape:
    return {
        "Path": record.path,
        "GroupName": record.name,
        "GroupId": record.unique_id,
        "Arn": arn(account_id, "group", record.path, record.name),
        "CreateDate": record.created_us,
    }


def role(account_id: str, record: Role, *, in_list: bool = False) -> Shape:
    """A Role; lists of AWS show neither tags nor boundaries nor the last use."""
    return {
        "Path": record.path,
        "RoleName": record.name,
        "RoleId": record.unique_id,
        "Arn": arn(account_id, "role", record.path, record.name),
        "CreateDate": record.created_us,
        "AssumeRolePolicyDocument": document(record.trust),
        "Description": record.description or None,
        "MaxSessionDuration": record.max_session_seconds,
        "PermissionsBoundary": None if in_list else _boundary(record),
        "Tags": tag_list(record.tags) if record.tags and not in_list else None,
        "RoleLastUsed": None if in_list else {},
    }


def policy(account_id: str, record: ManagedPolicy, *, in_list: bool = False) -> Shape:
    """A Policy; lists of AWS show neither descriptions nor tags."""
    return {
        "PolicyName": record.name,
        "PolicyId": record.unique_id,
        "Arn": policy_arn(account_id, record),
        "Path": record.path,
        "DefaultVersionId": record.default,
        "AttachmentCount": record.attachments,
        "PermissionsBoundaryUsageCount": record.boundaries,
        "IsAttachable": True,
        "Description": None if in_list else record.description or None,
        "CreateDate": record.created_us,
        "UpdateDate": record.updated_us,
        "Tags": tag_list(record.tags) if record.tags and not in_list else None,
    }


def policy_version(record: ManagedPolicy, version_id: str, version: PolicyVersion, *, with_document: bool = False) -> Shape:
    return {
        "Document": document(version.document) if with_document else None,
        "VersionId": version_id,
        "IsDefaultVersion": version_id == record.default,
        "CreateDate": version.created_us,
    }


def attached_policy(policy_arn_text: str) -> Shape:
    return {"PolicyName": policy_arn_text.rpartition("/")[2], "PolicyArn": policy_arn_text}
