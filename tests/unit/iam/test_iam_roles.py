"""Roles and their trust policies."""

import json
from urllib.parse import quote

import pytest
from iam_world import allow


def trust(**more):
    statement = {"Effect": "Allow", "Principal": {"AWS": "123456789012"}, "Action": "sts:AssumeRole", **more}
    return json.dumps({"Version": "2012-10-17", "Statement": [{key: value for key, value in statement.items() if value}]})


@pytest.fixture
def make(world):
    async def create(name="work", document=None, **given):
        return (await world.iam("CreateRole", RoleName=name, AssumeRolePolicyDocument=document or trust(), **given))["Role"]

    return create


async def test_create_role_answers_as_aws(world, make, refused):
    made = await make(Path="/x/", Description="what for", MaxSessionDuration=7200, Tags=[{"Key": "k", "Value": "v"}])
    assert made["RoleId"].startswith("AROA")
    assert made["Arn"] == "arn:aws:iam::123456789012:role/x/work"
    assert made["AssumeRolePolicyDocument"] == quote(trust(), safe="")
    assert (made["Description"], made["MaxSessionDuration"]) == ("what for", 7200)
    found = (await world.iam("GetRole", RoleName="WORK"))["Role"]
    assert found == made
    assert (found["RoleLastUsed"], found["Tags"]) == ({}, [{"Key": "k", "Value": "v"}])
    error = await refused("EntityAlreadyExists", 409, make("Work"))
    assert error.message == "Role with name Work already exists."


async def test_lists_show_less(world, make):
    for name in ("Bb", "aa", "cc"):
        await make(name, Path=f"/{name}/", Tags=[{"Key": "k", "Value": "v"}])
    page = await world.iam("ListRoles", MaxItems=2)
    assert [role["RoleName"] for role in page["Roles"]] == ["aa", "Bb"]
    assert all(not {"Tags", "RoleLastUsed", "PermissionsBoundary"} & set(role) for role in page["Roles"])
    rest = await world.iam("ListRoles", Marker=page["Marker"])
    assert [role["RoleName"] for role in rest["Roles"]] == ["cc"]
    assert [role["RoleName"] for role in (await world.iam("ListRoles", PathPrefix="/cc"))["Roles"]] == ["cc"]


@pytest.mark.parametrize(
    "document",
    [
        "{",
        trust(Principal=None),
        trust(Resource="*"),
        trust(Action="s3:GetObject"),
        trust(Effect="Maybe"),
        trust(Principal={"AWS": "nobody"}),
        trust(Principal={"AWS": "arn:aws:iam::123456789012:user/*"}),
        trust(Condition={"NoSuchOperator": {"aws:username": "x"}}),
    ],
)
async def test_trust_policies_that_are_none(world, make, refused, document):
    await refused("MalformedPolicyDocument", 400, make(document=document))
    await make()
    await refused(
        "MalformedPolicyDocument", 400, world.iam("UpdateAssumeRolePolicy", RoleName="work", PolicyDocument=document)
    )
    assert (await world.iam("GetRole", RoleName="work"))["Role"]["AssumeRolePolicyDocument"] == quote(trust(), safe="")


@pytest.mark.parametrize("given", [{"MaxSessionDuration": 3599}, {"MaxSessionDuration": 43201}, {"Description": "x" * 1001}])
async def test_bounds(world, make, refused, given):
    await refused("ValidationError", 400, make(**given))
    await make()
    await refused("ValidationError", 400, world.iam("UpdateRole", RoleName="work", **given))


async def test_update_role(world, make, refused):
    await make(Description="old")
    assert await world.iam("UpdateRole", RoleName="work", MaxSessionDuration=43200) == {}
    found = (await world.iam("GetRole", RoleName="work"))["Role"]
    assert (found["Description"], found["MaxSessionDuration"]) == ("old", 43200)
    shown = (await world.iam("UpdateRoleDescription", RoleName="work", Description="new"))["Role"]
    assert shown["Description"] == "new"
    await world.iam("UpdateRole", RoleName="work", Description="")
    assert "Description" not in (await world.iam("GetRole", RoleName="work"))["Role"]
    await refused("NoSuchEntity", 404, world.iam("UpdateRole", RoleName="none"))


async def test_a_trust_policy_has_a_limit(make, refused):
    people = [f"arn:aws:iam::123456789012:user/{'x' * 50}{number}" for number in range(30)]
    error = await refused("LimitExceeded", 409, make(document=trust(Principal={"AWS": people})))
    assert error.message == "Cannot exceed quota for ACLSizePerRole: 2048"


async def test_delete_role_only_when_nothing_is_left(world, make, refused):
    await make()
    await world.iam("PutRolePolicy", RoleName="work", PolicyName="p", PolicyDocument=allow("s3:*"))
    await world.iam("AttachRolePolicy", RoleName="work", PolicyArn="arn:aws:iam::aws:policy/ReadOnlyAccess")
    error = await refused("DeleteConflict", 409, world.iam("DeleteRole", RoleName="work"))
    assert error.message == "Cannot delete entity, must detach all policies first."
    await world.iam("DetachRolePolicy", RoleName="work", PolicyArn="arn:aws:iam::aws:policy/ReadOnlyAccess")
    error = await refused("DeleteConflict", 409, world.iam("DeleteRole", RoleName="work"))
    assert error.message == "Cannot delete entity, must delete policies first."
    await world.iam("DeleteRolePolicy", RoleName="work", PolicyName="p")
    assert (await world.iam("ListInstanceProfilesForRole", RoleName="work"))["InstanceProfiles"] == []
    await world.iam("DeleteRole", RoleName="work")
    await refused("NoSuchEntity", 404, world.iam("ListInstanceProfilesForRole", RoleName="work"))


async def test_tags_of_roles(world, make):
    await make()
    await world.iam("TagRole", RoleName="work", Tags=[{"Key": "a", "Value": "1"}, {"Key": "b", "Value": "2"}])
    await world.iam("UntagRole", RoleName="work", TagKeys=["A"])
    assert (await world.iam("ListRoleTags", RoleName="work"))["Tags"] == [{"Key": "b", "Value": "2"}]
