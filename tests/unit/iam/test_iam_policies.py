"""Inline and managed policies, versions, attachments, boundaries."""

import json

import pytest
from iam_world import allow, deny

READ_ONLY = "arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess"
TRUST = '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"123456789012"},"Action":"sts:AssumeRole"}]}'
KINDS = ["User", "Group", "Role"]


@pytest.fixture
def holder(world):
    """``await holder("User")``: makes one called h; the parameter that names it."""

    async def make(kind):
        more = {"AssumeRolePolicyDocument": TRUST} if kind == "Role" else {}
        await world.iam(f"Create{kind}", **{f"{kind}Name": "h"}, **more)
        return {f"{kind}Name": "h"}

    return make


@pytest.mark.parametrize("kind", KINDS)
async def test_inline_policies(world, refused, holder, kind):
    name = await holder(kind)
    document = allow("s3:GetObject", resource="arn:aws:s3:::b/ü %2F+*")
    await world.iam(f"Put{kind}Policy", **name, PolicyName="p", PolicyDocument=document)
    await world.iam(f"Put{kind}Policy", **name, PolicyName="a", PolicyDocument=document)
    found = await world.iam(f"Get{kind}Policy", **name, PolicyName="p")
    assert found[f"{kind}Name"] == "h"
    assert found["PolicyName"] == "p"
    listed = await world.iam(f"List{kind}Policies", **name, MaxItems=1)
    assert (listed["PolicyNames"], listed["IsTruncated"]) == (["a"], True)
    await world.iam(f"Delete{kind}Policy", **name, PolicyName="p")
    error = await refused("NoSuchEntity", 404, world.iam(f"Get{kind}Policy", **name, PolicyName="p"))
    assert error.message == f"The {kind.lower()} policy with name p cannot be found."
    await refused("NoSuchEntity", 404, world.iam(f"Delete{kind}Policy", **name, PolicyName="p"))


async def test_documents_are_percent_encoded_in_answers(world, holder):
    from urllib.parse import unquote

    await holder("User")
    document = allow("s3:GetObject", resource="arn:aws:s3:::b/ü %2F+*")
    await world.iam("PutUserPolicy", UserName="h", PolicyName="p", PolicyDocument=document)
    found = (await world.iam("GetUserPolicy", UserName="h", PolicyName="p"))["PolicyDocument"]
    assert unquote(found) == document
    assert not set(found) & set('{}" /+')


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("document", ["{", "{}", '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:*"}]}'])
async def test_malformed_documents(world, refused, holder, kind, document):
    name = await holder(kind)
    await refused(
        "MalformedPolicyDocument", 400, world.iam(f"Put{kind}Policy", **name, PolicyName="p", PolicyDocument=document)
    )


@pytest.mark.parametrize(("kind", "limit"), [("User", 2048), ("Group", 5120), ("Role", 10240)])
async def test_inline_policies_together_have_a_limit_without_white_space(world, refused, holder, kind, limit):
    name = await holder(kind)
    small = allow("s3:GetObject").replace(" ", "")
    large = allow("s3:GetObject", resource="arn:aws:s3:::" + "x" * (limit - len(small) - 12)).replace(" ", "")
    assert len(large) <= limit
    await world.iam(f"Put{kind}Policy", **name, PolicyName="p", PolicyDocument=large.replace(",", "," + " " * 3000))
    error = await refused(
        "LimitExceeded", 409, world.iam(f"Put{kind}Policy", **name, PolicyName="q", PolicyDocument=small)
    )
    assert error.message == f"Maximum policy size of {limit} bytes exceeded for {kind.lower()} h"
    await world.iam(f"Put{kind}Policy", **name, PolicyName="p", PolicyDocument=small)


@pytest.mark.parametrize("kind", KINDS)
async def test_attach_and_detach(world, refused, holder, kind):
    name = await holder(kind)
    arn = (await world.iam("CreatePolicy", PolicyName="P", Path="/x/", PolicyDocument=allow("s3:*")))["Policy"]["Arn"]
    await world.iam(f"Attach{kind}Policy", **name, PolicyArn=arn)
    await world.iam(f"Attach{kind}Policy", **name, PolicyArn=arn)
    await world.iam(f"Attach{kind}Policy", **name, PolicyArn=READ_ONLY)
    listed = await world.iam(f"ListAttached{kind}Policies", **name)
    assert listed["AttachedPolicies"] == [
        {"PolicyName": "AmazonS3ReadOnlyAccess", "PolicyArn": READ_ONLY},
        {"PolicyName": "P", "PolicyArn": arn},
    ]
    assert len((await world.iam(f"ListAttached{kind}Policies", **name, PathPrefix="/x/"))["AttachedPolicies"]) == 1
    assert (await world.iam("GetPolicy", PolicyArn=arn))["Policy"]["AttachmentCount"] == 1
    theirs = (await world.iam("GetPolicy", PolicyArn=READ_ONLY))["Policy"]
    assert (theirs["AttachmentCount"], theirs["Arn"]) == (1, READ_ONLY)
    error = await refused("DeleteConflict", 409, world.iam("DeletePolicy", PolicyArn=arn))
    assert error.message == "Cannot delete a policy attached to entities."
    await world.iam(f"Detach{kind}Policy", **name, PolicyArn=arn)
    error = await refused("NoSuchEntity", 404, world.iam(f"Detach{kind}Policy", **name, PolicyArn=arn))
    assert error.message == f"Policy {arn} was not found."
    await world.iam("DeletePolicy", PolicyArn=arn)


@pytest.mark.parametrize(
    "arn",
    [
        "arn:aws:iam::123456789012:policy/none",
        "arn:aws:iam::210987654321:policy/theirs",
        "arn:aws:iam::aws:policy/NoneOfAws",
        "arn:aws:iam::aws:policy/other-path/ReadOnlyAccess",
    ],
)
async def test_attach_what_is_not_attachable(world, refused, holder, arn):
    await holder("User")
    await world.iam("CreatePolicy", world.bob, PolicyName="theirs", PolicyDocument=allow("s3:*"))
    error = await refused("NoSuchEntity", 404, world.iam("AttachUserPolicy", UserName="h", PolicyArn=arn))
    assert error.message == f"Policy {arn} does not exist or is not attachable."


async def test_ten_policies_are_attached_at_most(world, refused, holder):
    await holder("Role")
    for number in range(11):
        await world.iam("CreatePolicy", PolicyName=f"p{number}", PolicyDocument=allow("s3:*"))
    for number in range(10):
        await world.iam("AttachRolePolicy", RoleName="h", PolicyArn=f"arn:aws:iam::123456789012:policy/p{number}")
    error = await refused(
        "LimitExceeded", 409, world.iam("AttachRolePolicy", RoleName="h", PolicyArn="arn:aws:iam::123456789012:policy/p10")
    )
    assert error.message == "Cannot exceed quota for PoliciesPerRole: 10"


async def test_managed_policy_as_aws_answers(world, refused):
    made = (
        await world.iam(
            "CreatePolicy",
            PolicyName="P",
            Path="/x/",
            PolicyDocument=allow("s3:*"),
            Description="what it is for",
            Tags=[{"Key": "k", "Value": "v"}],
        )
    )["Policy"]
    assert made["Arn"] == "arn:aws:iam::123456789012:policy/x/P"
    assert made["PolicyId"].startswith("ANPA")
    assert (made["DefaultVersionId"], made["AttachmentCount"], made["IsAttachable"]) == ("v1", 0, True)
    assert (await world.iam("GetPolicy", PolicyArn=made["Arn"]))["Policy"] == made
    listed = (await world.iam("ListPolicies", Scope="Local"))["Policies"]
    assert listed == [{key: value for key, value in made.items() if key not in ("Description", "Tags")}]
    error = await refused(
        "EntityAlreadyExists", 409, world.iam("CreatePolicy", PolicyName="p", PolicyDocument=allow("s3:*"))
    )
    assert error.message == "A policy called p already exists. Duplicate names are not allowed."
    await refused("NoSuchEntity", 404, world.iam("GetPolicy", PolicyArn="arn:aws:iam::123456789012:policy/P"))


async def test_policies_of_aws(world, refused):
    listed = (await world.iam("ListPolicies", Scope="AWS"))["Policies"]
    names = {one["PolicyName"] for one in listed}
    assert all(one["Arn"] == f"arn:aws:iam::aws:policy/{one['PolicyName']}" for one in listed)
    assert {"AdministratorAccess", "AmazonS3FullAccess", "AmazonS3ReadOnlyAccess", "IAMFullAccess", "ReadOnlyAccess"} <= names
    found = (await world.iam("GetPolicyVersion", PolicyArn=READ_ONLY, VersionId="v1"))["PolicyVersion"]
    assert found["IsDefaultVersion"]
    await refused("AccessDenied", 403, world.iam("DeletePolicy", PolicyArn=READ_ONLY))
    await refused(
        "AccessDenied", 403, world.iam("CreatePolicyVersion", PolicyArn=READ_ONLY, PolicyDocument=allow("s3:*"))
    )


async def test_list_policies_over_both_scopes_in_pages(world):
    for name in ("zz", "aa"):
        await world.iam("CreatePolicy", PolicyName=name, PolicyDocument=allow("s3:*"))
    names, marker = [], {}
    while True:
        page = await world.iam("ListPolicies", MaxItems=3, **marker)
        names += [one["PolicyName"] for one in page["Policies"]]
        if not page["IsTruncated"]:
            break
        marker = {"Marker": page["Marker"]}
    assert names[:2] == ["aa", "zz"]
    assert len(names) == len(set(names)) == 8


async def test_list_policies_only_attached(world, holder):
    await holder("User")
    await world.iam("CreatePolicy", PolicyName="unused", PolicyDocument=allow("s3:*"))
    await world.iam("AttachUserPolicy", UserName="h", PolicyArn=READ_ONLY)
    listed = (await world.iam("ListPolicies", OnlyAttached=True))["Policies"]
    assert [(one["PolicyName"], one["AttachmentCount"]) for one in listed] == [("AmazonS3ReadOnlyAccess", 1)]
    assert (await world.iam("ListPolicies", PolicyUsageFilter="PermissionsBoundary"))["Policies"] == []


async def test_versions(world, refused):
    arn = (await world.iam("CreatePolicy", PolicyName="P", PolicyDocument=allow("s3:Get*")))["Policy"]["Arn"]
    second = await world.iam("CreatePolicyVersion", PolicyArn=arn, PolicyDocument=allow("s3:Put*"))
    assert (second["PolicyVersion"]["VersionId"], second["PolicyVersion"]["IsDefaultVersion"]) == ("v2", False)
    third = await world.iam("CreatePolicyVersion", PolicyArn=arn, PolicyDocument=allow("s3:*"), SetAsDefault=True)
    assert third["PolicyVersion"]["IsDefaultVersion"]
    listed = (await world.iam("ListPolicyVersions", PolicyArn=arn))["Versions"]
    assert [(one["VersionId"], one["IsDefaultVersion"]) for one in listed] == [("v3", True), ("v2", False), ("v1", False)]
    assert (await world.iam("GetPolicy", PolicyArn=arn))["Policy"]["DefaultVersionId"] == "v3"
    error = await refused("DeleteConflict", 409, world.iam("DeletePolicyVersion", PolicyArn=arn, VersionId="v3"))
    assert error.message == "Cannot delete the default version of a policy."
    error = await refused("DeleteConflict", 409, world.iam("DeletePolicy", PolicyArn=arn))
    assert error.message.startswith("This policy has more than one version.")
    await world.iam("SetDefaultPolicyVersion", PolicyArn=arn, VersionId="v1")
    await world.iam("DeletePolicyVersion", PolicyArn=arn, VersionId="v3")
    await refused("NoSuchEntity", 404, world.iam("GetPolicyVersion", PolicyArn=arn, VersionId="v3"))
    await refused("NoSuchEntity", 404, world.iam("SetDefaultPolicyVersion", PolicyArn=arn, VersionId="v9"))
    for number in (4, 5, 6):
        made = await world.iam("CreatePolicyVersion", PolicyArn=arn, PolicyDocument=allow("s3:*"))
        assert made["PolicyVersion"]["VersionId"] == f"v{number}"
    error = await refused(
        "LimitExceeded", 409, world.iam("CreatePolicyVersion", PolicyArn=arn, PolicyDocument=allow("s3:*"))
    )
    assert error.message.startswith("A managed policy can have up to 5 versions.")


async def test_entities_of_a_policy(world):
    arn = (await world.iam("CreatePolicy", PolicyName="P", PolicyDocument=allow("s3:*")))["Policy"]["Arn"]
    await world.iam("CreateUser", UserName="U", Path="/x/", PermissionsBoundary=arn)
    await world.iam("CreateUser", UserName="V")
    await world.iam("CreateGroup", GroupName="G")
    await world.iam("CreateRole", RoleName="R", AssumeRolePolicyDocument=TRUST)
    await world.iam("AttachUserPolicy", UserName="V", PolicyArn=arn)
    await world.iam("AttachGroupPolicy", GroupName="G", PolicyArn=arn)
    await world.iam("AttachRolePolicy", RoleName="R", PolicyArn=arn)

    async def names(**given):
        found = await world.iam("ListEntitiesForPolicy", PolicyArn=arn, **given)
        kinds = [("PolicyUsers", "UserName"), ("PolicyGroups", "GroupName"), ("PolicyRoles", "RoleName")]
        return [one[name] for member, name in kinds for one in found[member]]

    assert await names() == ["U", "V", "G", "R"]
    assert await names(EntityFilter="User") == ["U", "V"]
    assert await names(PolicyUsageFilter="PermissionsPolicy") == ["V", "G", "R"]
    assert await names(PolicyUsageFilter="PermissionsBoundary") == ["U"]
    assert await names(PathPrefix="/x/") == ["U"]
    found = (await world.iam("GetPolicy", PolicyArn=arn))["Policy"]
    assert (found["AttachmentCount"], found["PermissionsBoundaryUsageCount"]) == (3, 1)


@pytest.mark.parametrize("kind", ["User", "Role"])
async def test_boundaries(world, refused, holder, kind):
    name = await holder(kind)
    arn = (await world.iam("CreatePolicy", PolicyName="B", PolicyDocument=allow("s3:*")))["Policy"]["Arn"]
    await world.iam(f"Put{kind}PermissionsBoundary", **name, PermissionsBoundary=arn)
    found = (await world.iam(f"Get{kind}", **name))[kind]["PermissionsBoundary"]
    assert found == {"PermissionsBoundaryType": "Policy", "PermissionsBoundaryArn": arn}
    await refused("DeleteConflict", 409, world.iam("DeletePolicy", PolicyArn=arn))
    await world.iam(f"Put{kind}PermissionsBoundary", **name, PermissionsBoundary=READ_ONLY)
    assert (await world.iam("GetPolicy", PolicyArn=arn))["Policy"]["PermissionsBoundaryUsageCount"] == 0
    await world.iam(f"Delete{kind}PermissionsBoundary", **name)
    assert "PermissionsBoundary" not in (await world.iam(f"Get{kind}", **name))[kind]
    await refused("NoSuchEntity", 404, world.iam(f"Delete{kind}PermissionsBoundary", **name))
    await refused(
        "NoSuchEntity",
        404,
        world.iam(f"Put{kind}PermissionsBoundary", **name, PermissionsBoundary="arn:aws:iam::123456789012:policy/none"),
    )


async def test_deleting_a_user_frees_its_boundary(world):
    arn = (await world.iam("CreatePolicy", PolicyName="B", PolicyDocument=allow("s3:*")))["Policy"]["Arn"]
    await world.iam("CreateUser", UserName="dave", PermissionsBoundary=arn)
    await world.iam("DeleteUser", UserName="dave")
    await world.iam("DeletePolicy", PolicyArn=arn)


async def test_tags_of_policies(world):
    arn = (await world.iam("CreatePolicy", PolicyName="P", PolicyDocument=allow("s3:*")))["Policy"]["Arn"]
    await world.iam("TagPolicy", PolicyArn=arn, Tags=[{"Key": "a", "Value": "1"}, {"Key": "b", "Value": "2"}])
    await world.iam("UntagPolicy", PolicyArn=arn, TagKeys=["a"])
    assert (await world.iam("ListPolicyTags", PolicyArn=arn))["Tags"] == [{"Key": "b", "Value": "2"}]


async def test_simulate_principal_policy_names_what_decides(world):
    await world.iam("CreateUser", UserName="dave")
    await world.iam("PutUserPolicy", UserName="dave", PolicyName="p", PolicyDocument=allow("s3:Get*", Sid="Reads"))
    await world.iam("CreateGroup", GroupName="g")
    await world.iam("AddUserToGroup", UserName="dave", GroupName="g")
    condition = {"StringEquals": {"aws:PrincipalTag/team": "red"}}
    await world.iam(
        "PutGroupPolicy", GroupName="g", PolicyName="q", PolicyDocument=deny("s3:GetObject", Sid="NotRed", Condition=condition)
    )
    arn = "arn:aws:iam::123456789012:user/dave"
    given = {"PolicySourceArn": arn, "ActionNames": ["s3:GetObject", "s3:PutObject"], "ResourceArns": ["arn:aws:s3:::b/k"]}
    first, second = (await world.iam("SimulatePrincipalPolicy", **given))["EvaluationResults"]
    assert (first["EvalActionName"], first["EvalDecision"]) == ("s3:GetObject", "allowed")
    assert first["EvalDecisionDetails"] == {"user_dave_p, statement Reads": "allowed"}
    assert (second["EvalDecision"], second["MatchedStatements"]) == ("implicitDeny", [])
    await world.iam("TagUser", UserName="dave", Tags=[{"Key": "team", "Value": "red"}])
    first, _ = (await world.iam("SimulatePrincipalPolicy", **given))["EvaluationResults"]
    assert first["EvalDecision"] == "explicitDeny"
    assert first["EvalDecisionDetails"] == {"group_g_q, statement NotRed": "explicitDeny"}
    assert first["MatchedStatements"] == [{"SourcePolicyId": "group_g_q", "SourcePolicyType": "group"}]


async def test_simulate_custom_policy_with_context_and_boundary(world):
    condition = {"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}
    given = {
        "PolicyInputList": [allow("s3:*", Condition=condition)],
        "PermissionsBoundaryPolicyInputList": [allow("s3:Get*")],
        "ActionNames": ["s3:GetObject", "s3:PutObject"],
    }
    entry = {"ContextKeyName": "aws:SourceIp", "ContextKeyValues": ["10.1.2.3"], "ContextKeyType": "ip"}
    results = (await world.iam("SimulateCustomPolicy", **given, ContextEntries=[entry]))["EvaluationResults"]
    assert [one["EvalDecision"] for one in results] == ["allowed", "implicitDeny"]
    assert [one["PermissionsBoundaryDecisionDetail"]["AllowedByPermissionsBoundary"] for one in results] == [True, False]
    results = (await world.iam("SimulateCustomPolicy", **given))["EvaluationResults"]
    assert [one["EvalDecision"] for one in results] == ["implicitDeny", "implicitDeny"]


async def test_account_authorization_details_have_everything(world):
    arn = (await world.iam("CreatePolicy", PolicyName="P", PolicyDocument=allow("s3:*")))["Policy"]["Arn"]
    await world.iam("CreateUser", UserName="U")
    await world.iam("PutUserPolicy", UserName="U", PolicyName="p", PolicyDocument=allow("s3:*"))
    await world.iam("CreateGroup", GroupName="G")
    await world.iam("AddUserToGroup", UserName="U", GroupName="G")
    await world.iam("CreateRole", RoleName="R", AssumeRolePolicyDocument=TRUST)
    await world.iam("AttachRolePolicy", RoleName="R", PolicyArn=arn)
    await world.iam("AttachGroupPolicy", GroupName="G", PolicyArn=READ_ONLY)
    found = await world.iam("GetAccountAuthorizationDetails")
    (user,), (group,), (role,) = found["UserDetailList"], found["GroupDetailList"], found["RoleDetailList"]
    assert (user["GroupList"], user["UserPolicyList"][0]["PolicyName"]) == (["G"], "p")
    assert group["AttachedManagedPolicies"][0]["PolicyArn"] == READ_ONLY
    assert role["AttachedManagedPolicies"] == [{"PolicyName": "P", "PolicyArn": arn}]
    shown = [(one["PolicyName"], one["Arn"], one["AttachmentCount"]) for one in found["Policies"]]
    assert shown == [("P", arn, 1), ("AmazonS3ReadOnlyAccess", READ_ONLY, 1)]
    names, marker = [], {}
    while True:
        page = await world.iam("GetAccountAuthorizationDetails", MaxItems=1, **marker)
        members = [("UserDetailList", "UserName"), ("GroupDetailList", "GroupName"), ("RoleDetailList", "RoleName")]
        names += [one[name] for member, name in [*members, ("Policies", "PolicyName")] for one in page[member]]
        if not page["IsTruncated"]:
            break
        marker = {"Marker": page["Marker"]}
    assert names == ["U", "G", "R", "P", "AmazonS3ReadOnlyAccess"]
    only = await world.iam("GetAccountAuthorizationDetails", Filter=["Role"])
    assert (only["UserDetailList"], len(only["RoleDetailList"]), only["Policies"]) == ([], 1, [])


def test_documents_of_aws_policies_are_json():
    from dolmen.gateway.iam.managed import AWS_POLICIES, default_document

    assert all(json.loads(default_document(policy))["Statement"] for policy in AWS_POLICIES.values())
