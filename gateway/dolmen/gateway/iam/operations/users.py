"""Users. https://docs.aws.amazon.com/IAM/latest/APIReference/API_CreateUser.html and its neighbours."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import msgspec

from dolmen.gateway.auth.principal import ROOT
from dolmen.gateway.iam import shapes
from dolmen.gateway.iam.attachments import move, set_boundary
from dolmen.gateway.iam.call import TARGET_USER, IamCall
from dolmen.gateway.iam.fault import IamFault, already_exists, limit_exceeded, no_such
from dolmen.gateway.iam.ids import new_unique_id
from dolmen.gateway.iam.limits import USERS_MAX
from dolmen.gateway.iam.pages import after_of, page_of
from dolmen.gateway.iam.records import AccessKey, Holder, User
from dolmen.gateway.iam.wire import Given, Output

replace = msgspec.structs.replace


async def create_user(call: IamCall, given: Given) -> Output | None:
    name, path = given["UserName"], given.get("Path", "/")
    tags = shapes.tags_of(given.get("Tags", ()))
    boundary = given.get("PermissionsBoundary", "")
    keys = {"iam:permissionsboundary": (boundary,)} if boundary else None
    call.require(call.arn("user", path, name), request_tags=tags, keys=keys)
    if await call.unit.get(User, name) is not None:
        raise already_exists("User", name)
    if await call.unit.count(User, 1) > USERS_MAX:
        raise limit_exceeded("UsersPerAccount", USERS_MAX)
    user: Holder = User(
        name=name, path=path, unique_id=new_unique_id("user"), created_us=call.now_us, tags=shapes.with_tags({}, tags)
    )
    if boundary:
        user = await set_boundary(call, TARGET_USER, user, boundary)
    assert isinstance(user, User)
    call.unit.put(user, name)
    return {"User": shapes.user(call.account_id, user)}


async def get_user(call: IamCall, given: Given) -> Output | None:
    name = call.user_name(given)
    if not name and call.principal.kind == ROOT:
        return {"User": shapes.root_user(call.account)}
    return {"User": shapes.user(call.account_id, await call.find(TARGET_USER, name))}


async def list_users(call: IamCall, given: Given) -> Output | None:
    prefix = given.get("PathPrefix", "/")
    call.require(call.arn("user", prefix, ""))

    async def found() -> AsyncIterator[tuple[str, Any]]:
        async for user in call.unit.each(User, after_of(given)):
            if user.path.startswith(prefix):
                yield user.name.lower(), shapes.user(call.account_id, user, in_list=True)

    return await page_of("Users", found(), given)


async def update_user(call: IamCall, given: Given) -> Output | None:
    old: User = await call.find(TARGET_USER, given["UserName"])
    name, path = given.get("NewUserName", old.name), given.get("NewPath", old.path)
    call.require(call.arn("user", path, name))
    new = replace(old, name=name, path=path)
    if name.lower() != old.name.lower():
        if await call.unit.get(User, name) is not None:
            raise already_exists("User", name)
        await _move(call, old, name)
    call.unit.put(new, name)
    return None


async def _move(call: IamCall, old: User, name: str) -> None:
    """Everything that names the user follows it to its new name."""
    call.unit.remove(User, old.name)
    for key_id in old.keys:
        key = await call.unit.get(AccessKey, key_id)
        if key is not None:
            call.unit.put(replace(key, user=name.lower()), key_id)
    for group in old.groups:
        call.unit.mark("member", f"{group}/{old.name.lower()}", present=False)
        call.unit.mark("member", f"{group}/{name.lower()}", present=True)
    await move(call, TARGET_USER, old, name)


async def delete_user(call: IamCall, given: Given) -> Output | None:
    user: User = await call.find(TARGET_USER, given["UserName"])
    for left, what in (
        (user.keys, "delete access keys"),
        (user.attached, "detach all policies"),
        (user.inline, "delete policies"),
        (user.groups, "remove users from group"),
    ):
        if left:
            raise IamFault("DeleteConflict", f"Cannot delete entity, must {what} first.")
    await set_boundary(call, TARGET_USER, user, "")
    call.unit.remove(User, user.name)
    await call.unit.count(User, -1)
    return None


def _empty_list(member: str) -> Any:  # noqa: ANN401 - a handler
    """Lists of what does not exist here (MFA devices, certificates, ...), of a user that does."""

    async def handler(call: IamCall, given: Given) -> Output | None:
        name = call.user_name(given)
        if name:
            await call.find(TARGET_USER, name)
        else:
            call.require(call.arn("user", "/", "*"))
        return {member: [], "IsTruncated": False}

    return handler


async def get_login_profile(call: IamCall, given: Given) -> Output | None:
    name = call.user_name(given)
    if name:
        await call.find(TARGET_USER, name)
    raise IamFault("NoSuchEntity", f"Login Profile for User {name} cannot be found.")


async def no_such_in_user(call: IamCall, given: Given) -> Output | None:
    """Deletes of what no user has."""
    name = call.user_name(given)
    if name:
        await call.find(TARGET_USER, name)
    raise no_such("entity", name)


HANDLERS = {
    "CreateUser": create_user,
    "GetUser": get_user,
    "ListUsers": list_users,
    "UpdateUser": update_user,
    "DeleteUser": delete_user,
    "GetLoginProfile": get_login_profile,
    "DeleteLoginProfile": get_login_profile,
    "ListMFADevices": _empty_list("MFADevices"),
    "ListSigningCertificates": _empty_list("Certificates"),
    "ListSSHPublicKeys": _empty_list("SSHPublicKeys"),
    "ListServiceSpecificCredentials": _empty_list("ServiceSpecificCredentials"),
    "DeactivateMFADevice": no_such_in_user,
    "DeleteSSHPublicKey": no_such_in_user,
    "DeleteSigningCertificate": no_such_in_user,
    "DeleteServiceSpecificCredential": no_such_in_user,
}
