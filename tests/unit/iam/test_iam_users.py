"""Users, their names, paths, tags, keys."""

import datetime

import pytest
from iam_world import NOW_US, allow

NOW = datetime.datetime.fromtimestamp(NOW_US / 1e6, datetime.UTC)


async def test_create_user_answers_as_aws(world):
    made = (await world.iam("CreateUser", UserName="Dave", Path="/staff/", Tags=[{"Key": "team", "Value": "blue"}]))["User"]
    assert made["UserId"].startswith("AIDA")
    assert len(made["UserId"]) == 21
    assert made == {
        "Path": "/staff/",
        "UserName": "Dave",
        "UserId": made["UserId"],
        "Arn": "arn:aws:iam::123456789012:user/staff/Dave",
        "CreateDate": NOW,
        "Tags": [{"Key": "team", "Value": "blue"}],
    }
    assert (await world.iam("GetUser", UserName="Dave"))["User"] == made


async def test_get_user_of_root(world):
    found = (await world.iam("GetUser"))["User"]
    assert found["Arn"] == "arn:aws:iam::123456789012:root"
    assert found["UserId"] == "123456789012"


async def test_get_user_without_a_name_is_the_caller(world, refused):
    dave = await world.user("dave", allow("iam:GetUser", resource="arn:aws:iam::123456789012:user/dave"))
    assert (await world.iam("GetUser", dave))["User"]["UserName"] == "dave"
    eve = await world.user("eve")
    error = await refused("AccessDenied", 403, world.iam("GetUser", eve))
    assert error.message == (
        "User: arn:aws:iam::123456789012:user/eve is not authorized to perform: iam:GetUser on resource: "
        "arn:aws:iam::123456789012:user/eve"
    )


async def test_names_know_no_case(world, refused):
    made = (await world.iam("CreateUser", UserName="Dave"))["User"]
    error = await refused("EntityAlreadyExists", 409, world.iam("CreateUser", UserName="dAVE"))
    assert error.message == "User with name dAVE already exists."
    assert (await world.iam("GetUser", UserName="DAVE"))["User"] == made
    await world.iam("DeleteUser", UserName="dave")
    error = await refused("NoSuchEntity", 404, world.iam("GetUser", UserName="Dave"))
    assert error.message == "The user with name Dave cannot be found."


async def test_a_new_user_of_an_old_name_has_another_id(world):
    first = (await world.iam("CreateUser", UserName="dave"))["User"]["UserId"]
    await world.iam("DeleteUser", UserName="dave")
    assert (await world.iam("CreateUser", UserName="dave"))["User"]["UserId"] != first


async def test_accounts_do_not_see_each_other(world, refused):
    await world.iam("CreateUser", UserName="dave")
    await refused("NoSuchEntity", 404, world.iam("GetUser", world.bob, UserName="dave"))
    await world.iam("CreateUser", world.bob, UserName="dave")
    assert (await world.iam("GetUser", world.bob, UserName="dave"))["User"]["Arn"] == "arn:aws:iam::210987654321:user/dave"


@pytest.mark.parametrize(
    ("given", "complaint"),
    [
        ({"UserName": "ä"}, "'userName' failed to satisfy constraint: Member must satisfy regular expression pattern: [\\w+"),
        ({"UserName": "a b"}, "Value 'a b' at 'userName' failed"),
        ({"UserName": "a" * 65}, "Member must have length less than or equal to 64"),
        ({"UserName": ""}, "Member must have length greater than or equal to 1"),
        ({}, "Value null at 'userName' failed to satisfy constraint: Member must not be null"),
        ({"UserName": "a", "Path": "no/slashes"}, "Value 'no/slashes' at 'path' failed"),
        ({"UserName": "a", "Tags": [{"Key": "k"}]}, "Value null at 'tags.1.member.value' failed"),
        ({"UserName": "a", "Tags": [{"Key": "k!", "Value": ""}]}, "at 'tags.1.member.key' failed"),
        ({"UserName": "a", "Tags": [{"Key": f"k{i}", "Value": ""} for i in range(51)]}, "less than or equal to 50"),
    ],
)
async def test_create_user_checks_its_input(world, refused, given, complaint):
    error = await refused("ValidationError", 400, world.iam("CreateUser", **given))
    assert complaint in error.message


async def test_all_complaints_come_at_once(world, refused):
    error = await refused("ValidationError", 400, world.iam("CreateUser", UserName="ä", Path="x"))
    assert error.message.startswith("2 validation errors detected: ")


@pytest.mark.parametrize(
    ("tags", "complaint"),
    [
        ([{"Key": "a", "Value": ""}, {"Key": "A", "Value": ""}], "Duplicate tag keys found"),
        ([{"Key": "aws:x", "Value": ""}], "reserved"),
    ],
)
async def test_tags_that_aws_refuses(world, refused, tags, complaint):
    error = await refused("InvalidInput", 400, world.iam("CreateUser", UserName="dave", Tags=tags))
    assert complaint in error.message


async def test_tags_of_users(world, refused):
    await world.iam("CreateUser", UserName="dave", Tags=[{"Key": "team", "Value": "blue"}])
    await world.iam("TagUser", UserName="dave", Tags=[{"Key": "Team", "Value": "red"}, {"Key": "a", "Value": "ü /:"}])
    listed = await world.iam("ListUserTags", UserName="dave")
    assert listed == {"Tags": [{"Key": "Team", "Value": "red"}, {"Key": "a", "Value": "ü /:"}], "IsTruncated": False}
    await world.iam("UntagUser", UserName="dave", TagKeys=["team", "other"])
    assert (await world.iam("ListUserTags", UserName="dave"))["Tags"] == [{"Key": "a", "Value": "ü /:"}]
    many = [{"Key": f"k{i}", "Value": ""} for i in range(50)]
    error = await refused("LimitExceeded", 409, world.iam("TagUser", UserName="dave", Tags=many))
    assert error.message == "Cannot exceed quota for TagsPerResource: 50"
    await refused("NoSuchEntity", 404, world.iam("TagUser", UserName="eve", Tags=many))


async def test_list_users_in_the_order_of_names_without_case(world):
    for name, path in (("Ad", "/w/"), ("ac", "/w/x/"), ("Ab", "/w/y/"), ("aa", "/z/")):
        await world.iam("CreateUser", UserName=name, Path=path)
    names = [one["UserName"] for one in (await world.iam("ListUsers"))["Users"]]
    assert names == ["aa", "Ab", "ac", "Ad"]
    found = await world.iam("ListUsers", PathPrefix="/w/x")
    assert [one["UserName"] for one in found["Users"]] == ["ac"]
    assert (await world.iam("ListUsers", PathPrefix="/none/")) == {"Users": [], "IsTruncated": False}


async def test_list_users_in_pages(world, refused):
    for number in range(7):
        await world.iam("CreateUser", UserName=f"u{number}", Path="/odd/" if number % 2 else "/even/")
    found, marker = [], {}
    while True:
        page = await world.iam("ListUsers", PathPrefix="/odd/", MaxItems=2, **marker)
        found.append([one["UserName"] for one in page["Users"]])
        if not page["IsTruncated"]:
            assert "Marker" not in page
            break
        marker = {"Marker": page["Marker"]}
    assert found == [["u1", "u3"], ["u5"]]
    await refused("ValidationError", 400, world.iam("ListUsers", Marker="no marker of ours"))
    await refused("ValidationError", 400, world.iam("ListUsers", MaxItems=0))
    await refused("ValidationError", 400, world.iam("ListUsers", MaxItems=1001))


async def test_update_user_moves_everything_of_it(world, refused):
    before = (await world.iam("CreateUser", UserName="dave"))["User"]
    key = (await world.iam("CreateAccessKey", UserName="dave"))["AccessKey"]["AccessKeyId"]
    await world.iam("CreateGroup", GroupName="g")
    await world.iam("AddUserToGroup", GroupName="g", UserName="dave")
    await world.iam("AttachUserPolicy", UserName="dave", PolicyArn="arn:aws:iam::aws:policy/ReadOnlyAccess")
    await world.iam("UpdateUser", UserName="dave", NewUserName="david", NewPath="/x/")
    after = (await world.iam("GetUser", UserName="david"))["User"]
    assert (after["UserId"], after["Path"]) == (before["UserId"], "/x/")
    await refused("NoSuchEntity", 404, world.iam("GetUser", UserName="dave"))
    assert (await world.who(key)).arn == "arn:aws:iam::123456789012:user/x/david"
    assert [one["UserName"] for one in (await world.iam("GetGroup", GroupName="g"))["Users"]] == ["david"]
    entities = await world.iam("ListEntitiesForPolicy", PolicyArn="arn:aws:iam::aws:policy/ReadOnlyAccess")
    assert [one["UserName"] for one in entities["PolicyUsers"]] == ["david"]
    listed = (await world.iam("ListAccessKeys", UserName="david"))["AccessKeyMetadata"]
    assert [(one["UserName"], one["AccessKeyId"]) for one in listed] == [("david", key)]


async def test_update_user_refuses(world, refused):
    await world.iam("CreateUser", UserName="dave")
    await world.iam("CreateUser", UserName="eve")
    await refused("EntityAlreadyExists", 409, world.iam("UpdateUser", UserName="dave", NewUserName="EVE"))
    await refused("NoSuchEntity", 404, world.iam("UpdateUser", UserName="mallory", NewUserName="x"))
    await world.iam("UpdateUser", UserName="dave", NewUserName="Dave")
    assert (await world.iam("GetUser", UserName="dave"))["User"]["UserName"] == "Dave"


async def test_delete_user_only_when_nothing_is_left(world, refused):
    await world.iam("CreateUser", UserName="dave")
    await world.iam("CreateGroup", GroupName="g")
    key = (await world.iam("CreateAccessKey", UserName="dave"))["AccessKey"]["AccessKeyId"]
    await world.iam("AttachUserPolicy", UserName="dave", PolicyArn="arn:aws:iam::aws:policy/ReadOnlyAccess")
    await world.iam("PutUserPolicy", UserName="dave", PolicyName="p", PolicyDocument=allow("s3:*"))
    await world.iam("AddUserToGroup", UserName="dave", GroupName="g")
    steps = [
        ("delete access keys", "DeleteAccessKey", {"AccessKeyId": key}),
        ("detach all policies", "DetachUserPolicy", {"PolicyArn": "arn:aws:iam::aws:policy/ReadOnlyAccess"}),
        ("delete policies", "DeleteUserPolicy", {"PolicyName": "p"}),
        ("remove users from group", "RemoveUserFromGroup", {"GroupName": "g"}),
    ]
    for what, action, given in steps:
        error = await refused("DeleteConflict", 409, world.iam("DeleteUser", UserName="dave"))
        assert error.message == f"Cannot delete entity, must {what} first."
        await world.iam(action, UserName="dave", **given)
    await world.iam("DeleteUser", UserName="dave")
    await refused("NoSuchEntity", 404, world.iam("DeleteUser", UserName="dave"))


@pytest.mark.parametrize(
    ("action", "member"),
    [
        ("ListMFADevices", "MFADevices"),
        ("ListSigningCertificates", "Certificates"),
        ("ListSSHPublicKeys", "SSHPublicKeys"),
        ("ListServiceSpecificCredentials", "ServiceSpecificCredentials"),
    ],
)
async def test_what_users_do_not_have(world, refused, action, member):
    await world.iam("CreateUser", UserName="dave")
    assert (await world.iam(action, UserName="dave"))[member] == []
    await refused("NoSuchEntity", 404, world.iam(action, UserName="eve"))


async def test_login_profiles_do_not_exist(world, refused):
    await world.iam("CreateUser", UserName="dave")
    error = await refused("NoSuchEntity", 404, world.iam("GetLoginProfile", UserName="dave"))
    assert error.message == "Login Profile for User dave cannot be found."


async def test_users_per_account_are_limited(world, refused, monkeypatch):
    monkeypatch.setattr("dolmen.gateway.iam.operations.users.USERS_MAX", 2)
    for name in ("a", "b"):
        await world.iam("CreateUser", UserName=name)
    error = await refused("LimitExceeded", 409, world.iam("CreateUser", UserName="c"))
    assert error.message == "Cannot exceed quota for UsersPerAccount: 2"
    await world.iam("DeleteUser", UserName="a")
    await world.iam("CreateUser", UserName="c")
