"""Roles. https://docs.aws.amazon.com/IAM/latest/APIReference/API_CreateRole.html and its neighbours."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import msgspec

from dolmen.gateway.iam import shapes
from dolmen.gateway.iam.attachments import set_boundary
from dolmen.gateway.iam.call import TARGET_ROLE, IamCall, checked_policy
from dolmen.gateway.iam.fault import IamFault, already_exists, limit_exceeded
from dolmen.gateway.iam.ids import new_unique_id
from dolmen.gateway.iam.limits import ROLES_MAX, TRUST_POLICY_CHARACTERS, characters
from dolmen.gateway.iam.pages import after_of, page_of
from dolmen.gateway.iam.records import Holder, Role
from dolmen.gateway.iam.wire import Given, Output

replace = msgspec.structs.replace


def _checked_trust(document: str) -> str:
    checked_policy(document, "trust")
    if characters(document) > TRUST_POLICY_CHARACTERS:
        raise limit_exceeded("ACLSizePerRole", TRUST_POLICY_CHARACTERS)
    return document


async def create_role(call: IamCall, given: Given) -> Output | None:
    name, path = given["RoleName"], given.get("Path", "/")
    tags = shapes.tags_of(given.get("Tags", ()))
    boundary = given.get("PermissionsBoundary", "")
    keys = {"iam:permissionsboundary": (boundary,)} if boundary else None
    call.require(call.arn("role", path, name), request_tags=tags, keys=keys)
    if await call.unit.get(Role, name) is not None:
        raise already_exists("Role", name)
    if await call.unit.count(Role, 1) > ROLES_MAX:
        raise limit_exceeded("RolesPerAccount", ROLES_MAX)
    role: Holder = Role(
        name=name,
        path=path,
        unique_id=new_unique_id("role"),
        created_us=call.now_us,
        tags=shapes.with_tags({}, tags),
        trust=_checked_trust(given["AssumeRolePolicyDocument"]),
        description=given.get("Description", ""),
        max_session_seconds=given.get("MaxSessionDuration", 3600),
    )
    if boundary:
        role = await set_boundary(call, TARGET_ROLE, role, boundary)
    assert isinstance(role, Role)
    call.unit.put(role, name)
    return {"Role": shapes.role(call.account_id, role)}


async def get_role(call: IamCall, given: Given) -> Output | None:
    return {"Role": shapes.role(call.account_id, await call.find(TARGET_ROLE, given["RoleName"]))}


async def list_roles(call: IamCall, given: Given) -> Output | None:
    prefix = given.get("PathPrefix", "/")
    call.require(call.arn("role", prefix, ""))

    async def found() -> AsyncIterator[tuple[str, Any]]:
        async for role in call.unit.each(Role, after_of(given)):
            if role.path.startswith(prefix):
                yield role.name.lower(), shapes.role(call.account_id, role, in_list=True)

    return await page_of("Roles", found(), given)


async def update_role(call: IamCall, given: Given) -> Output | None:
    role: Role = await call.find(TARGET_ROLE, given["RoleName"])
    new = replace(
        role,
        description=given.get("Description", role.description),
        max_session_seconds=given.get("MaxSessionDuration", role.max_session_seconds),
    )
    call.unit.put(new, role.name)
    return {}


async def update_role_description(call: IamCall, given: Given) -> Output | None:
    role: Role = await call.find(TARGET_ROLE, given["RoleName"])
    new = replace(role, description=given["Description"])
    call.unit.put(new, role.name)
    return {"Role": shapes.role(call.account_id, new)}


async def update_assume_role_policy(call: IamCall, given: Given) -> Output | None:
    role: Role = await call.find(TARGET_ROLE, given["RoleName"])
    call.unit.put(replace(role, trust=_checked_trust(given["PolicyDocument"])), role.name)
    return None


async def delete_role(call: IamCall, given: Given) -> Output | None:
    role: Role = await call.find(TARGET_ROLE, given["RoleName"])
    for left, what in ((role.attached, "detach all policies"), (role.inline, "delete policies")):
        if left:
            raise IamFault("DeleteConflict", f"Cannot delete entity, must {what} first.")
    await set_boundary(call, TARGET_ROLE, role, "")
    call.unit.remove(Role, role.name)
    await call.unit.count(Role, -1)
    return None


async def list_instance_profiles_for_role(call: IamCall, given: Given) -> Output | None:
    """There are none; Terraform asks before it deletes a role."""
    await call.find(TARGET_ROLE, given["RoleName"])
    return {"InstanceProfiles": [], "IsTruncated": False}


HANDLERS = {
    "CreateRole": create_role,
    "GetRole": get_role,
    "ListRoles": list_roles,
    "UpdateRole": update_role,
    "UpdateRoleDescription": update_role_description,
    "UpdateAssumeRolePolicy": update_assume_role_policy,
    "DeleteRole": delete_role,
    "ListInstanceProfilesForRole": list_instance_profiles_for_role,
}
