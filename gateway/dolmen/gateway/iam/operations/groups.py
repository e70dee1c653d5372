"""Groups. https://docs.aws.amazon.com/IAM/latest/APIReference/API_CreateGroup.html and its neighbours."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import msgspec

from dolmen.gateway.iam import shapes
from dolmen.gateway.iam.attachments import move
from dolmen.gateway.iam.call import TARGET_GROUP, TARGET_USER, IamCall
from dolmen.gateway.iam.fault import IamFault, already_exists, limit_exceeded, no_such
from dolmen.gateway.iam.ids import new_unique_id
from dolmen.gateway.iam.limits import GROUPS_MAX, GROUPS_OF_USER_MAX, MEMBERS_OF_RENAMED_GROUP_MAX
from dolmen.gateway.iam.pages import after_of, page, page_of
from dolmen.gateway.iam.records import Group, User
from dolmen.gateway.iam.wire import Given, Output

replace = msgspec.structs.replace
MEMBER = "member"


async def create_group(call: IamCall, given: Given) -> Output | None:
    name, path = given["GroupName"], given.get("Path", "/")
    call.require(call.arn("group", path, name))
    if await call.unit.get(Group, name) is not None:
        raise already_exists("Group", name)
    if await call.unit.count(Group, 1) > GROUPS_MAX:
        raise limit_exceeded("GroupsPerAccount", GROUPS_MAX)
    group = Group(name=name, path=path, unique_id=new_unique_id("group"), created_us=call.now_us)
    call.unit.put(group, name)
    return {"Group": shapes.group(call.account_id, group)}


async def get_group(call: IamCall, given: Given) -> Output | None:
    group: Group = await call.find(TARGET_GROUP, given["GroupName"])
    after = after_of(given)
    names = [name for name in await call.unit.names(MEMBER, f"{group.name.lower()}/") if name > after]

    async def found() -> AsyncIterator[tuple[str, Any]]:
        for name in names:
            user = await call.unit.get(User, name)
            if user is not None:
                yield name, shapes.user(call.account_id, user, in_list=True)

    return {"Group": shapes.group(call.account_id, group), **await page_of("Users", found(), given)}


async def list_groups(call: IamCall, given: Given) -> Output | None:
    prefix = given.get("PathPrefix", "/")
    call.require(call.arn("group", prefix, ""))

    async def found() -> AsyncIterator[tuple[str, Any]]:
        async for group in call.unit.each(Group, after_of(given)):
            if group.path.startswith(prefix):
                yield group.name.lower(), shapes.group(call.account_id, group)

    return await page_of("Groups", found(), given)


async def update_group(call: IamCall, given: Given) -> Output | None:
    old: Group = await call.find(TARGET_GROUP, given["GroupName"])
    name, path = given.get("NewGroupName", old.name), given.get("NewPath", old.path)
    call.require(call.arn("group", path, name))
    if name.lower() != old.name.lower():
        if await call.unit.get(Group, name) is not None:
            raise already_exists("Group", name)
        await _move(call, old, name)
    call.unit.put(replace(old, name=name, path=path), name)
    return None


async def _move(call: IamCall, old: Group, name: str) -> None:
    """The group's members and its rows of the index follow it to its new name."""
    before, after = old.name.lower(), name.lower()
    members = await call.unit.names(MEMBER, f"{before}/")
    if len(members) > MEMBERS_OF_RENAMED_GROUP_MAX:
        raise limit_exceeded("MembersOfRenamedGroup", MEMBERS_OF_RENAMED_GROUP_MAX)
    for member in members:
        user = await call.unit.get(User, member)
        if user is not None:
            call.unit.put(replace(user, groups=tuple(after if one == before else one for one in user.groups)), member)
        call.unit.mark(MEMBER, f"{before}/{member}", present=False)
        call.unit.mark(MEMBER, f"{after}/{member}", present=True)
    call.unit.remove(Group, old.name)
    await move(call, TARGET_GROUP, old, name)


async def delete_group(call: IamCall, given: Given) -> Output | None:
    group: Group = await call.find(TARGET_GROUP, given["GroupName"])
    for left, what in (
        (await call.unit.names(MEMBER, f"{group.name.lower()}/"), "remove users from group"),
        (group.attached, "detach all policies"),
        (group.inline, "delete policies"),
    ):
        if left:
            raise IamFault("DeleteConflict", f"Cannot delete entity, must {what} first.")
    call.unit.remove(Group, group.name)
    await call.unit.count(Group, -1)
    return None


async def add_user_to_group(call: IamCall, given: Given) -> Output | None:
    group, user = await _both(call, given)
    stored = group.name.lower()
    if stored in user.groups:
        return None
    if len(user.groups) >= GROUPS_OF_USER_MAX:
        raise limit_exceeded("GroupsPerUser", GROUPS_OF_USER_MAX)
    call.unit.put(replace(user, groups=(*user.groups, stored)), user.name)
    call.unit.mark(MEMBER, f"{stored}/{user.name.lower()}", present=True)
    return None


async def remove_user_from_group(call: IamCall, given: Given) -> Output | None:
    group, user = await _both(call, given)
    stored = group.name.lower()
    if stored in user.groups:
        call.unit.put(replace(user, groups=tuple(name for name in user.groups if name != stored)), user.name)
        call.unit.mark(MEMBER, f"{stored}/{user.name.lower()}", present=False)
    return None


async def _both(call: IamCall, given: Given) -> tuple[Group, User]:
    group: Group = await call.find(TARGET_GROUP, given["GroupName"])
    user = await call.unit.get(User, given["UserName"])
    if user is None:
        raise no_such("user", given["UserName"])
    return group, user


async def list_groups_for_user(call: IamCall, given: Given) -> Output | None:
    user: User = await call.find(TARGET_USER, given["UserName"])
    found = [(name, await call.unit.get(Group, name)) for name in user.groups]
    items = [(name, shapes.group(call.account_id, group)) for name, group in found if group is not None]
    return page("Groups", items, given)


HANDLERS = {
    "CreateGroup": create_group,
    "GetGroup": get_group,
    "ListGroups": list_groups,
    "UpdateGroup": update_group,
    "DeleteGroup": delete_group,
    "AddUserToGroup": add_user_to_group,
    "RemoveUserFromGroup": remove_user_from_group,
    "ListGroupsForUser": list_groups_for_user,
}
