"""Groups and who is in them."""

from iam_world import allow


async def test_create_get_and_list(world, refused):
    made = (await world.iam("CreateGroup", GroupName="Devs", Path="/x/"))["Group"]
    assert made["GroupId"].startswith("AGPA")
    assert made["Arn"] == "arn:aws:iam::123456789012:group/x/Devs"
    assert (await world.iam("GetGroup", GroupName="devs")) == {"Group": made, "Users": [], "IsTruncated": False}
    assert (await world.iam("ListGroups", PathPrefix="/x"))["Groups"] == [made]
    assert (await world.iam("ListGroups", PathPrefix="/y"))["Groups"] == []
    error = await refused("EntityAlreadyExists", 409, world.iam("CreateGroup", GroupName="DEVS"))
    assert error.message == "Group with name DEVS already exists."
    error = await refused("NoSuchEntity", 404, world.iam("GetGroup", GroupName="ops"))
    assert error.message == "The group with name ops cannot be found."


async def test_members(world, refused):
    await world.iam("CreateGroup", GroupName="Devs")
    for name in ("eve", "Dave", "zoe"):
        await world.iam("CreateUser", UserName=name)
        await world.iam("AddUserToGroup", GroupName="devs", UserName=name)
    await world.iam("AddUserToGroup", GroupName="devs", UserName="eve")  # again: nothing happens
    page = await world.iam("GetGroup", GroupName="Devs", MaxItems=2)
    assert [one["UserName"] for one in page["Users"]] == ["Dave", "eve"]
    rest = await world.iam("GetGroup", GroupName="Devs", Marker=page["Marker"])
    assert [one["UserName"] for one in rest["Users"]] == ["zoe"]
    assert [one["GroupName"] for one in (await world.iam("ListGroupsForUser", UserName="eve"))["Groups"]] == ["Devs"]
    await world.iam("RemoveUserFromGroup", GroupName="Devs", UserName="eve")
    await world.iam("RemoveUserFromGroup", GroupName="Devs", UserName="eve")
    assert (await world.iam("ListGroupsForUser", UserName="eve"))["Groups"] == []
    await refused("NoSuchEntity", 404, world.iam("AddUserToGroup", GroupName="Devs", UserName="nobody"))
    await refused("NoSuchEntity", 404, world.iam("AddUserToGroup", GroupName="none", UserName="eve"))


async def test_rename_takes_members_and_policies_along(world):
    await world.iam("CreateGroup", GroupName="devs")
    await world.iam("PutGroupPolicy", GroupName="devs", PolicyName="p", PolicyDocument=allow("iam:ListUsers"))
    await world.iam("AttachGroupPolicy", GroupName="devs", PolicyArn="arn:aws:iam::aws:policy/IAMReadOnlyAccess")
    eve = await world.user("eve")
    await world.iam("AddUserToGroup", GroupName="devs", UserName="eve")
    await world.iam("UpdateGroup", GroupName="devs", NewGroupName="ops", NewPath="/o/")
    assert (await world.iam("GetGroup", GroupName="ops"))["Group"]["Arn"] == "arn:aws:iam::123456789012:group/o/ops"
    assert [one["GroupName"] for one in (await world.iam("ListGroupsForUser", UserName="eve"))["Groups"]] == ["ops"]
    entities = await world.iam("ListEntitiesForPolicy", PolicyArn="arn:aws:iam::aws:policy/IAMReadOnlyAccess")
    assert [one["GroupName"] for one in entities["PolicyGroups"]] == ["ops"]
    await world.iam("ListUsers", await world.who(eve.access_key_id))


async def test_delete_only_when_empty(world, refused):
    await world.iam("CreateGroup", GroupName="devs")
    await world.iam("CreateUser", UserName="eve")
    await world.iam("AddUserToGroup", GroupName="devs", UserName="eve")
    await world.iam("PutGroupPolicy", GroupName="devs", PolicyName="p", PolicyDocument=allow("s3:*"))
    await world.iam("AttachGroupPolicy", GroupName="devs", PolicyArn="arn:aws:iam::aws:policy/ReadOnlyAccess")
    steps = [
        ("remove users from group", "RemoveUserFromGroup", {"UserName": "eve"}),
        ("detach all policies", "DetachGroupPolicy", {"PolicyArn": "arn:aws:iam::aws:policy/ReadOnlyAccess"}),
        ("delete policies", "DeleteGroupPolicy", {"PolicyName": "p"}),
    ]
    for what, action, given in steps:
        error = await refused("DeleteConflict", 409, world.iam("DeleteGroup", GroupName="devs"))
        assert error.message == f"Cannot delete entity, must {what} first."
        await world.iam(action, GroupName="devs", **given)
    await world.iam("DeleteGroup", GroupName="devs")
    await refused("NoSuchEntity", 404, world.iam("DeleteGroup", GroupName="devs"))


async def test_a_user_is_in_ten_groups_at_most(world, refused):
    await world.iam("CreateUser", UserName="eve")
    for number in range(11):
        await world.iam("CreateGroup", GroupName=f"g{number}")
    for number in range(10):
        await world.iam("AddUserToGroup", GroupName=f"g{number}", UserName="eve")
    error = await refused("LimitExceeded", 409, world.iam("AddUserToGroup", GroupName="g10", UserName="eve"))
    assert error.message == "Cannot exceed quota for GroupsPerUser: 10"
