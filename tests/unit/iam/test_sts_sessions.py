"""AssumeRole, GetSessionToken, GetFederationToken: who may, for how long, with what."""

import json

import pytest
from iam_world import NOW_US, allow, deny

NOW = NOW_US / 1e6
ROLE = "arn:aws:iam::123456789012:role/work"
DAVE = "arn:aws:iam::123456789012:user/dave"
ROOTS = {"AWS": "arn:aws:iam::123456789012:root"}


def trust(principal, *actions, **more):
    statement = {"Effect": "Allow", "Principal": principal, "Action": ["sts:AssumeRole", *actions], **more}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


@pytest.fixture
async def role(world):
    """``await role(trust, **given)``: makes the role; ``await role.assume(principal)``: a session of it."""

    async def make(document, *policies, **given):
        await world.iam("CreateRole", RoleName="work", AssumeRolePolicyDocument=document, **given)
        for number, policy in enumerate(policies):
            await world.iam("PutRolePolicy", RoleName="work", PolicyName=f"p{number}", PolicyDocument=policy)

    async def assume(principal, **given):
        return await world.sts("AssumeRole", principal, **{"RoleArn": ROLE, "RoleSessionName": "s1", **given})

    make.assume = assume
    return make


async def test_a_named_user_needs_no_policy(world, role, refused):
    dave, eve = await world.user("dave"), await world.user("eve")
    await role(trust({"AWS": DAVE}), allow("s3:*"))
    found = await role.assume(dave)
    assert set(found) == {"Credentials", "AssumedRoleUser"}
    assert found["Credentials"]["AccessKeyId"].startswith("ASIA")
    assert found["AssumedRoleUser"]["Arn"] == "arn:aws:sts::123456789012:assumed-role/work/s1"
    assert found["AssumedRoleUser"]["AssumedRoleId"].endswith(":s1")
    session = await world.session(found["Credentials"])
    assert (session.kind, session.issuer_arn, len(session.policies)) == ("role", ROLE, 1)
    error = await refused("AccessDenied", 403, role.assume(eve))
    assert error.message == (
        "User: arn:aws:iam::123456789012:user/eve is not authorized to perform: sts:AssumeRole on resource: " + ROLE
    )


async def test_an_account_leaves_it_to_the_users_policies(world, role, refused):
    dave, eve = await world.user("dave", allow("sts:AssumeRole", resource=ROLE)), await world.user("eve")
    await role(trust(ROOTS))
    await role.assume(dave)
    await refused("AccessDenied", 403, role.assume(eve))


async def test_a_deny_of_the_caller_counts_even_when_it_is_named(world, role, refused):
    dave = await world.user("dave", deny("sts:*"))
    await role(trust({"AWS": DAVE}))
    await refused("AccessDenied", 403, role.assume(dave))


async def test_across_accounts_both_must_allow(world, role, refused):
    await world.iam("CreateUser", world.bob, UserName="bobby")
    key = (await world.iam("CreateAccessKey", world.bob, UserName="bobby"))["AccessKey"]["AccessKeyId"]
    await role(trust({"AWS": "arn:aws:iam::210987654321:user/bobby"}))
    await refused("AccessDenied", 403, role.assume(await world.who(key)))
    await world.iam(
        "PutUserPolicy", world.bob, UserName="bobby", PolicyName="p", PolicyDocument=allow("sts:AssumeRole", resource=ROLE)
    )
    session = await world.session((await role.assume(await world.who(key)))["Credentials"])
    assert session.account.account_id == "123456789012"
    await world.iam("UpdateAssumeRolePolicy", RoleName="work", PolicyDocument=trust(ROOTS))
    await refused("AccessDenied", 403, role.assume(await world.who(key)))


async def test_root_assumes_no_role(world, role, refused):
    await role(trust(ROOTS))
    error = await refused("AccessDenied", 403, role.assume(world.alice))
    assert error.message == "Roles may not be assumed by root accounts."


async def test_a_role_that_is_none_looks_like_one_that_is_closed(world, role, refused):
    dave = await world.user("dave", allow("sts:*"))
    await role(trust({"AWS": DAVE}))
    for arn in (f"{ROLE}x", "arn:aws:iam::123456789012:role/path/work", "arn:aws:iam::999999999999:role/work"):
        error = await refused("AccessDenied", 403, role.assume(dave, RoleArn=arn))
        assert error.message.endswith(f"on resource: {arn}")
    await refused("ValidationError", 400, role.assume(dave, RoleArn="arn:aws:s3:::bucket-of-mine"))


@pytest.mark.parametrize(
    ("condition", "given"),
    [
        ({"StringEquals": {"sts:ExternalId": "secret-1"}}, {"ExternalId": "secret-1"}),
        ({"StringEquals": {"sts:RoleSessionName": "dave"}}, {"RoleSessionName": "dave"}),
        ({"StringEquals": {"sts:RoleSessionName": "${aws:username}"}}, {"RoleSessionName": "dave"}),
    ],
)
async def test_conditions_on_what_the_caller_gives(world, role, refused, condition, given):
    dave = await world.user("dave")
    await role(trust({"AWS": DAVE}, Condition=condition))
    await role.assume(dave, **given)
    await refused("AccessDenied", 403, role.assume(dave))


async def test_condition_on_tags_of_the_caller_and_the_role(world, role, refused):
    dave = await world.user("dave", Tags=[{"Key": "Team", "Value": "blue"}])
    condition = {"StringEquals": {"aws:PrincipalTag/team": "blue", "iam:ResourceTag/level": "1"}}
    await role(trust({"AWS": DAVE}, Condition=condition), Tags=[{"Key": "level", "Value": "1"}])
    await role.assume(dave)
    await world.iam("UntagUser", UserName="dave", TagKeys=["Team"])
    await refused("AccessDenied", 403, role.assume(await world.who(dave.access_key_id)))


async def test_session_tags_need_leave_and_become_principal_tags(world, role, refused):
    dave = await world.user("dave")
    await role(trust({"AWS": DAVE}), Tags=[{"Key": "team", "Value": "red"}, {"Key": "site", "Value": "x"}])
    tags = [{"Key": "Team", "Value": "blue"}]
    error = await refused("AccessDenied", 403, role.assume(dave, Tags=tags))
    assert "perform: sts:TagSession" in error.message
    condition = {"StringEquals": {"aws:RequestTag/Team": "blue"}, "ForAllValues:StringEquals": {"aws:TagKeys": ["Team"]}}
    document = trust({"AWS": DAVE}, "sts:TagSession", Condition=condition)
    await world.iam("UpdateAssumeRolePolicy", RoleName="work", PolicyDocument=document)
    found = await role.assume(dave, Tags=tags)
    assert 0 < found["PackedPolicySize"] < 100
    keys = (await world.session(found["Credentials"])).keys
    assert (keys["aws:principaltag/team"], keys["aws:principaltag/site"]) == (("blue",), ("x",))
    await refused("AccessDenied", 403, role.assume(dave, Tags=[{"Key": "Team", "Value": "green"}]))
    await refused("AccessDenied", 403, role.assume(dave, Tags=[*tags, {"Key": "more", "Value": ""}]))


async def test_transitive_tags_and_source_identity_go_on(world, role, refused):
    dave = await world.user("dave")
    await role(trust({"AWS": DAVE}, "sts:TagSession", "sts:SetSourceIdentity"), allow("sts:*"))
    document = trust(ROOTS, "sts:TagSession")
    await world.iam("CreateRole", RoleName="next", AssumeRolePolicyDocument=document, MaxSessionDuration=43200)
    given = {
        "Tags": [{"Key": "team", "Value": "blue"}, {"Key": "stays", "Value": "here"}],
        "TransitiveTagKeys": ["team"],
        "SourceIdentity": "dave@example.com",
    }
    first = await role.assume(dave, **given)
    assert first["SourceIdentity"] == "dave@example.com"
    session = await world.session(first["Credentials"])
    arn = ROLE.replace("work", "next")
    second = await role.assume(session, RoleArn=arn)
    keys = (await world.session(second["Credentials"])).keys
    assert keys["aws:principaltag/team"] == ("blue",)
    assert "aws:principaltag/stays" not in keys
    assert keys["aws:sourceidentity"] == ("dave@example.com",)
    await refused(
        "InvalidParameterValue", 400, role.assume(session, RoleArn=arn, Tags=[{"Key": "Team", "Value": "x"}])
    )
    await refused("ValidationError", 400, role.assume(session, RoleArn=arn, DurationSeconds=3601))
    await refused("InvalidParameterValue", 400, role.assume(dave, TransitiveTagKeys=["none"]))


async def test_durations_of_roles(world, role, refused):
    dave = await world.user("dave")
    await role(trust({"AWS": DAVE}), MaxSessionDuration=7200)
    assert (await role.assume(dave))["Credentials"]["Expiration"].timestamp() == NOW + 3600
    assert (await role.assume(dave, DurationSeconds=7200))["Credentials"]["Expiration"].timestamp() == NOW + 7200
    error = await refused("ValidationError", 400, role.assume(dave, DurationSeconds=7201))
    assert error.message == "The requested DurationSeconds exceeds the MaxSessionDuration set for this role."
    await refused("ValidationError", 400, role.assume(dave, DurationSeconds=899))
    await refused("ValidationError", 400, role.assume(dave, DurationSeconds=43201))


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ({"RoleSessionName": "x"}, "ValidationError"),
        ({"RoleSessionName": "with blank"}, "ValidationError"),
        ({"Policy": "{"}, "MalformedPolicyDocument"),
        ({"Policy": allow("s3:*", resource="arn:aws:s3:::" + "x" * 2048)}, "PackedPolicyTooLarge"),
        ({"PolicyArns": [{"arn": "arn:aws:iam::aws:policy/NoneOfAws"}]}, "MalformedPolicyDocument"),
        ({"ExternalId": "x"}, "ValidationError"),
    ],
)
async def test_what_assume_role_refuses(world, role, refused, given, code):
    dave = await world.user("dave")
    await role(trust({"AWS": DAVE}))
    await refused(code, 400, role.assume(dave, **given))


async def test_session_policies_are_read_live(world, role):
    dave = await world.user("dave")
    await role(trust({"AWS": DAVE}), allow("iam:*"))
    arn = (await world.iam("CreatePolicy", PolicyName="P", PolicyDocument=allow("iam:ListUsers")))["Policy"]["Arn"]
    found = await role.assume(dave, PolicyArns=[{"arn": arn}], Policy=allow("iam:ListRoles"))
    session = await world.session(found["Credentials"])
    assert len(session.session_policies) == 2
    await world.iam("ListUsers", session)
    await world.iam("ListRoles", session)
    with pytest.raises(Exception, match="AccessDenied"):
        await world.iam("ListGroups", session)
    new = allow("iam:ListGroups")
    await world.iam("CreatePolicyVersion", PolicyArn=arn, PolicyDocument=new, SetAsDefault=True)
    await world.iam("ListGroups", await world.session(found["Credentials"]))


async def test_get_session_token(world, refused):
    dave = await world.user("dave", allow("s3:*"))
    found = await world.sts("GetSessionToken", dave)
    assert found["Credentials"]["Expiration"].timestamp() == NOW + 43200
    session = await world.session(found["Credentials"])
    assert (session.arn, session.kind, session.user_name) == (DAVE, "user", "dave")
    assert session.keys["aws:tokenissuetime"] == ("2026-11-24T06:55:57Z",)
    assert (await world.sts("GetCallerIdentity", session))["Arn"] == DAVE
    await refused("AccessDenied", 403, world.sts("GetSessionToken", session))
    await refused("AccessDenied", 403, world.sts("GetFederationToken", session, Name="fed"))
    await refused("InvalidClientTokenId", 403, world.iam("GetUser", session))
    await refused("ValidationError", 400, world.sts("GetSessionToken", dave, DurationSeconds=129601))
    await refused("AccessDenied", 403, world.sts("GetSessionToken", dave, SerialNumber="arn:aws:x", TokenCode="123456"))


async def test_sessions_of_root_last_an_hour(world):
    found = await world.sts("GetSessionToken", DurationSeconds=7200)
    assert found["Credentials"]["Expiration"].timestamp() == NOW + 3600
    session = await world.session(found["Credentials"])
    assert (session.kind, session.arn) == ("root", "arn:aws:iam::123456789012:root")


async def test_federated_users(world, refused):
    dave = await world.user("dave", allow("sts:GetFederationToken", "s3:*"))
    found = await world.sts("GetFederationToken", dave, Name="fed", Policy=allow("s3:GetObject"))
    assert found["FederatedUser"] == {
        "FederatedUserId": "123456789012:fed",
        "Arn": "arn:aws:sts::123456789012:federated-user/fed",
    }
    session = await world.session(found["Credentials"])
    assert (session.kind, len(session.session_policies)) == ("federated", 1)
    assert (await world.sts("GetCallerIdentity", session))["Arn"] == "arn:aws:sts::123456789012:federated-user/fed"
    await refused("InvalidClientTokenId", 403, world.iam("ListUsers", session))
    await refused("AccessDenied", 403, world.sts("GetSessionToken", session))
    await refused("AccessDenied", 403, world.sts("AssumeRole", session, RoleArn=ROLE, RoleSessionName="s1"))
    nothing = await world.session((await world.sts("GetFederationToken", dave, Name="fed"))["Credentials"])
    assert nothing.session_policies == ()
    eve = await world.user("eve")
    await refused("AccessDenied", 403, world.sts("GetFederationToken", eve, Name="fed"))
    await refused("ValidationError", 400, world.sts("GetFederationToken", dave, Name="x"))


async def test_caller_identity_is_told_to_everybody(world):
    dave = await world.user("dave", deny("*"))
    assert await world.sts("GetCallerIdentity", dave) == {
        "UserId": dave.user_id,
        "Account": "123456789012",
        "Arn": DAVE,
    }
    assert await world.sts("GetCallerIdentity") == {
        "UserId": "123456789012",
        "Account": "123456789012",
        "Arn": "arn:aws:iam::123456789012:root",
    }


async def test_access_key_info(world, refused):
    dave = await world.user("dave", allow("sts:GetAccessKeyInfo"))
    assert await world.sts("GetAccessKeyInfo", dave, AccessKeyId=dave.access_key_id) == {"Account": "123456789012"}
    assert await world.sts("GetAccessKeyInfo", AccessKeyId="AKIAROOTOFBOB0000000") == {"Account": "210987654321"}
    await refused("ValidationError", 400, world.sts("GetAccessKeyInfo", AccessKeyId="AKIAAAAAAAAAAAAAAAAA"))
    await refused("AccessDenied", 403, world.sts("GetAccessKeyInfo", await world.user("eve"), AccessKeyId="A" * 20))


@pytest.mark.parametrize(
    ("service", "action", "given", "code", "status"),
    [
        ("sts", "DecodeAuthorizationMessage", {"EncodedMessage": "x"}, "InvalidAuthorizationMessageException", 400),
        ("sts", "GetWebIdentityToken", {"Audience": ["x"], "SigningAlgorithm": "RS256"}, "NotImplemented", 501),
        ("iam", "CreateSAMLProvider", {"SAMLMetadataDocument": "x", "Name": "y"}, "NotImplemented", 501),
        ("iam", "GetAccountPasswordPolicy", {}, "NoSuchEntity", 404),
        ("iam", "GetCredentialReport", {}, "ReportNotPresent", 410),
    ],
)
async def test_what_there_is_not(world, refused, service, action, given, code, status):
    await refused(code, status, world.call(service, action, **given))


async def test_sessions_made_before_a_time_can_be_revoked(world, role, refused):
    """As consoles do it: a policy that denies everything to tokens that were issued before now."""
    dave = await world.user("dave")
    await role(trust({"AWS": DAVE}), allow("iam:*"))
    old = (await role.assume(dave))["Credentials"]
    world.clock.move(2)
    condition = {"DateLessThan": {"aws:TokenIssueTime": "2026-11-24T06:55:58Z"}}
    await world.iam("PutRolePolicy", RoleName="work", PolicyName="revoke", PolicyDocument=deny("*", Condition=condition))
    await refused("AccessDenied", 403, world.iam("ListUsers", await world.session(old)))
    new = (await role.assume(dave))["Credentials"]
    await world.iam("ListUsers", await world.session(new))


async def test_a_named_role_stays_within_the_limits_of_its_session(world, role, refused):
    dave = await world.user("dave", allow("sts:AssumeRole"))
    await role(trust(ROOTS))
    await world.iam("CreateRole", RoleName="next", AssumeRolePolicyDocument=trust({"AWS": ROLE}))
    arn = ROLE.replace("work", "next")
    plain = await world.session((await role.assume(dave))["Credentials"])
    await role.assume(plain, RoleArn=arn)
    narrow = await world.session((await role.assume(dave, Policy=allow("s3:*")))["Credentials"])
    await refused("AccessDenied", 403, role.assume(narrow, RoleArn=arn))
    wide = await world.session((await role.assume(dave, Policy=allow("sts:*")))["Credentials"])
    await role.assume(wide, RoleArn=arn)


async def test_a_condition_on_the_duration(world, role, refused):
    dave = await world.user("dave")
    condition = {"NumericLessThanEquals": {"sts:DurationSeconds": "900"}}
    await role(trust({"AWS": DAVE}, Condition=condition))
    await role.assume(dave, DurationSeconds=900)
    await refused("AccessDenied", 403, role.assume(dave, DurationSeconds=901))
