"""Every action asks for permission, on the right resource, before it tells or changes anything."""

import contextlib

import pytest
from iam_world import ALICE, Refused, allow, deny, model_of

from dolmen.gateway.iam.query import HANDLERS

TRUST = '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"123456789012"},"Action":"sts:AssumeRole"}]}'
ARN = f"arn:aws:iam::{ALICE.account_id}"
KEY_ID = "AKIA" + "A" * 16
VALUES = {
    "UserName": "victim",
    "GroupName": "group",
    "RoleName": "role",
    "PolicyName": "policy",
    "PolicyArn": f"{ARN}:policy/policy",
    "PermissionsBoundary": f"{ARN}:policy/policy",
    "PolicyDocument": allow("s3:*"),
    "AssumeRolePolicyDocument": TRUST,
    "OpenIDConnectProviderArn": f"{ARN}:oidc-provider/example.com",
    "Url": "https://new.example.com",
    "PolicySourceArn": f"{ARN}:user/victim",
    "ActionNames": ["s3:GetObject"],
    "PolicyInputList": [allow("s3:*")],
    "Tags": [{"Key": "k", "Value": "v"}],
    "TagKeys": ["k"],
    "ThumbprintList": ["a" * 40],
    "ClientID": "x",
    "AccessKeyId": KEY_ID,
    "Status": "Active",
    "VersionId": "v1",
    "AccountAlias": "alias",
    "Description": "text",
    "Name": "name",
    "SerialNumber": "123456789",
    "SSHPublicKeyId": "A" * 20,
    "CertificateId": "A" * 24,
    "ServiceSpecificCredentialId": "A" * 20,
}
# Of the caller itself, or refused to everybody.
FREE = {"GetCallerIdentity", "GetSessionToken", "DecodeAuthorizationMessage", "ChangePassword", "AssumeRole"}
ACTIONS = [(service, action) for service, found in HANDLERS.items() for action in sorted(found) if action not in FREE]


def given_for(service, action):
    """The least input that the model takes; with the name of a user where it may be given."""
    shape = model_of(service).operation_model(action).input_shape
    if shape is None:
        return {}
    wanted = set(shape.required_members) | ({"UserName"} & set(shape.members))
    return {name: VALUES[name] for name in wanted}


@pytest.fixture
async def people(world):
    await world.iam("CreatePolicy", PolicyName="policy", PolicyDocument=allow("s3:*"))
    await world.iam("CreateUser", UserName="victim")
    await world.iam("CreateGroup", GroupName="group")
    await world.iam("CreateRole", RoleName="role", AssumeRolePolicyDocument=TRUST)
    await world.iam("CreateOpenIDConnectProvider", Url="https://example.com")
    return world


@pytest.mark.parametrize(("service", "action"), ACTIONS)
async def test_nobody_does_anything_without_leave(people, refused, service, action):
    caller = await people.user("caller")
    before = dict(people.store._documents)
    error = await refused("AccessDenied", 403, people.call(service, action, caller, **given_for(service, action)))
    assert f"is not authorized to perform: {service}:{action} on resource: " in error.message
    assert people.store._documents == before


def resource_of(message):
    return message.rpartition("on resource: ")[2]


@pytest.mark.parametrize(
    ("action", "resource"),
    [
        ("CreateUser", f"{ARN}:user/victim"),
        ("ListUsers", f"{ARN}:user/"),
        ("AttachRolePolicy", f"{ARN}:role/role"),
        ("AddUserToGroup", f"{ARN}:group/group"),
        ("CreatePolicy", f"{ARN}:policy/policy"),
        ("GetPolicy", f"{ARN}:policy/policy"),
        ("CreateAccessKey", f"{ARN}:user/victim"),
        ("CreateOpenIDConnectProvider", f"{ARN}:oidc-provider/new.example.com"),
        ("GetAccountSummary", "*"),
        ("SimulatePrincipalPolicy", f"{ARN}:user/victim"),
    ],
)
async def test_the_resource_is_the_target(people, refused, action, resource):
    caller = await people.user("caller", allow("iam:*"), deny("iam:*", resource=resource))
    error = await refused("AccessDenied", 403, people.iam(action, caller, **given_for("iam", action)))
    assert resource_of(error.message) == resource
    only = await people.user("only", allow(f"iam:{action}", resource=resource))
    taken = {"CreateUser", "CreatePolicy"} & {action}
    with pytest.raises(Refused, match="EntityAlreadyExists") if taken else contextlib.nullcontext():
        await people.iam(action, only, **given_for("iam", action))


async def test_paths_are_a_part_of_the_resource(world, refused):
    await world.iam("CreateUser", UserName="dave", Path="/team/")
    boss = await world.user("boss", allow("iam:*", resource=f"{ARN}:user/team/*"))
    await world.iam("TagUser", boss, UserName="dave", Tags=[{"Key": "k", "Value": "v"}])
    await refused("AccessDenied", 403, world.iam("UpdateUser", boss, UserName="dave", NewPath="/other/"))
    await world.iam("UpdateUser", boss, UserName="dave", NewPath="/team/x/")
    await refused("AccessDenied", 403, world.iam("CreateUser", boss, UserName="eve"))


@pytest.mark.parametrize(
    ("condition", "action", "good", "bad"),
    [
        (
            {"ArnEquals": {"iam:PolicyARN": "arn:aws:iam::aws:policy/ReadOnlyAccess"}},
            "AttachUserPolicy",
            {"PolicyArn": "arn:aws:iam::aws:policy/ReadOnlyAccess"},
            {"PolicyArn": "arn:aws:iam::aws:policy/AdministratorAccess"},
        ),
        (
            {"StringEquals": {"iam:PermissionsBoundary": f"{ARN}:policy/policy"}},
            "PutUserPermissionsBoundary",
            {"PermissionsBoundary": f"{ARN}:policy/policy"},
            {"PermissionsBoundary": "arn:aws:iam::aws:policy/ReadOnlyAccess"},
        ),
        (
            {"StringEquals": {"aws:RequestTag/team": "blue"}},
            "TagUser",
            {"Tags": [{"Key": "Team", "Value": "blue"}]},
            {"Tags": [{"Key": "team", "Value": "red"}]},
        ),
        (
            {"ForAllValues:StringEquals": {"aws:TagKeys": ["team"]}},
            "UntagUser",
            {"TagKeys": ["team"]},
            {"TagKeys": ["team", "other"]},
        ),
        (
            {"IpAddress": {"aws:SourceIp": "192.0.2.0/24"}, "StringEquals": {"aws:ResourceTag/owner": "caller"}},
            "GetUser",
            {},
            {"UserName": "caller"},
        ),
    ],
)
async def test_condition_keys(people, refused, condition, action, good, bad):
    caller = await people.user("caller", allow(f"iam:{action}", Condition=condition))
    await people.iam("TagUser", UserName="victim", Tags=[{"Key": "Owner", "Value": "caller"}])
    await people.iam(action, caller, **{"UserName": "victim", **good})
    await refused("AccessDenied", 403, people.iam(action, caller, **{"UserName": "victim", **bad}))


async def test_a_delegate_may_only_make_users_within_the_boundary(people, refused):
    condition = {"StringEquals": {"iam:PermissionsBoundary": f"{ARN}:policy/policy"}}
    boss = await people.user("boss", allow("iam:CreateUser", "iam:PutUserPolicy", Condition=condition))
    await refused("AccessDenied", 403, people.iam("CreateUser", boss, UserName="free"))
    await people.iam("CreateUser", boss, UserName="bound", PermissionsBoundary=f"{ARN}:policy/policy")
    given = {"PolicyName": "p", "PolicyDocument": allow("s3:*")}
    await people.iam("PutUserPolicy", boss, UserName="bound", **given)
    await refused("AccessDenied", 403, people.iam("PutUserPolicy", boss, UserName="victim", **given))


async def test_users_may_see_to_themselves_by_a_variable(world, refused):
    mine = allow("iam:*AccessKey*", resource=f"{ARN}:user/${{aws:username}}")
    dave, eve = await world.user("dave", mine), await world.user("eve", mine)
    made = (await world.iam("CreateAccessKey", dave))["AccessKey"]
    assert made["UserName"] == "dave"
    assert len((await world.iam("ListAccessKeys", dave))["AccessKeyMetadata"]) == 2
    await refused("AccessDenied", 403, world.iam("ListAccessKeys", eve, UserName="dave"))
    await world.iam("DeleteAccessKey", dave, AccessKeyId=made["AccessKeyId"])


async def test_a_role_has_no_user_name_of_its_own(world, refused):
    await world.iam("CreateRole", RoleName="r", AssumeRolePolicyDocument=TRUST)
    await world.iam("PutRolePolicy", RoleName="r", PolicyName="p", PolicyDocument=allow("iam:*"))
    dave = await world.user("dave", allow("sts:AssumeRole"))
    found = await world.sts("AssumeRole", dave, RoleArn=f"{ARN}:role/r", RoleSessionName="s1")
    session = await world.session(found["Credentials"])
    error = await refused("ValidationError", 400, world.iam("ListAccessKeys", session))
    assert error.message == "Must specify userName when calling with non-User credentials"
    assert len((await world.iam("ListAccessKeys", session, UserName="dave"))["AccessKeyMetadata"]) == 1
