"""IAM and STS on the port of S3: signatures, regions, forms, errors; boto3's paginators and exceptions."""

import http.client

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from dev_server import ROOT
from iam_people import ACCOUNT, People, document, trust


@pytest.fixture(scope="module")
def people(server):
    return People(server)


@pytest.fixture
def post(server):
    """``post(form, service, region)``: a signed form, sent byte by byte: (status, headers, body)."""

    def send(form, service="iam", region="us-east-1", keys=ROOT, method="POST", path="/", **headers):
        body = form if method == "POST" else ""
        url = f"{server.endpoint}{path}" + ("" if method == "POST" else f"?{form}")
        kind = {"content-type": "application/x-www-form-urlencoded; charset=utf-8"} if method == "POST" else {}
        request = AWSRequest(method, url, data=body.encode(), headers=kind | headers)
        if keys is not None:
            SigV4Auth(Credentials(*keys), service, region).add_auth(request)
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
        sent = {**dict(request.headers), "content-length": str(len(body.encode()))}
        connection.request(method, url.removeprefix(server.endpoint), body.encode(), sent)
        answer = connection.getresponse()
        found = answer.status, dict(answer.getheaders()), answer.read()
        connection.close()
        return found

    return send


IDENTITY = "Action=GetCallerIdentity&Version=2011-06-15"


@pytest.mark.parametrize("region", ["us-east-1", ""])
def test_an_empty_region_is_taken(post, region):
    status, headers, body = post(IDENTITY, "sts", region)
    assert (status, headers["content-type"]) == (200, "text/xml")
    assert b"<Arn>arn:aws:iam::000000000000:root</Arn>" in body
    assert post("Action=GetUser&Version=2010-05-08", "iam", region)[0] == 200


def test_a_region_that_is_another(post):
    status, _, body = post(IDENTITY, "sts", "mars-north-1")
    assert status == 400
    assert b"<ErrorResponse" in body


def test_a_call_may_come_as_a_query(post):
    assert post(IDENTITY, "sts", method="GET")[0] == 200


@pytest.mark.parametrize(
    ("service", "keys", "status", "code"),
    [
        ("sts", (ROOT[0], "wrong"), 403, "SignatureDoesNotMatch"),
        ("iam", (ROOT[0], "wrong"), 403, "SignatureDoesNotMatch"),
        ("sts", ("AKIAUNKNOWN000000000", "wrong"), 403, "InvalidClientTokenId"),
        ("iam", ("AKIAUNKNOWN000000000", "wrong"), 403, "InvalidClientTokenId"),
        ("sts", None, 403, "MissingAuthenticationToken"),
    ],
)
def test_signatures_that_do_not_hold(post, service, keys, status, code):
    found, _, body = post(IDENTITY, service, keys=keys)
    assert (found, f"<Code>{code}</Code>".encode() in body) == (status, True), body
    assert b"<ErrorResponse" in body
    assert b"wrong" not in body


def test_the_service_is_that_of_the_signature(post):
    status, _, body = post("Action=ListUsers&Version=2010-05-08", "sts")
    assert (status, b"<Code>InvalidAction</Code>" in body) == (400, True)
    status, _, body = post(IDENTITY, "iam")
    assert (status, b"<Code>InvalidAction</Code>" in body) == (400, True)


def test_bodies_that_are_too_long(post):
    status, _, _ = post("Action=CreateUser&UserName=" + "x" * (2 << 20))
    assert status in (400, 413)


def test_a_changed_body_breaks_the_signature(server):
    headers = {"content-type": "application/x-www-form-urlencoded"}
    request = AWSRequest("POST", f"{server.endpoint}/", data=IDENTITY.encode(), headers=headers)
    SigV4Auth(Credentials(*ROOT), "sts", "us-east-1").add_auth(request)
    other = b"Action=GetSessionToken&Version=2011-06-15"
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    connection.request("POST", "/", other, {**dict(request.headers), "content-length": str(len(other))})
    answer = connection.getresponse()
    assert answer.status in (400, 403)
    assert b"<AccessKeyId>" not in answer.read()
    connection.close()


def test_boto3_knows_the_errors(people):
    iam = people.iam
    name, _ = people.user()
    with pytest.raises(iam.exceptions.EntityAlreadyExistsException):
        iam.create_user(UserName=name)
    with pytest.raises(iam.exceptions.DeleteConflictException):
        iam.delete_user(UserName=name)
    with pytest.raises(iam.exceptions.NoSuchEntityException):
        iam.get_role(RoleName=people.name("none"))
    with pytest.raises(iam.exceptions.MalformedPolicyDocumentException):
        iam.put_user_policy(UserName=name, PolicyName="p", PolicyDocument="{}")
    iam.create_access_key(UserName=name)
    with pytest.raises(iam.exceptions.LimitExceededException):
        iam.create_access_key(UserName=name)


def test_boto3_reads_documents_back(people):
    name, _ = people.user(document(("Allow", "s3:*", "arn:aws:s3:::b/ü")))
    found = people.iam.get_user_policy(UserName=name, PolicyName="p0")["PolicyDocument"]
    assert found["Statement"][0]["Resource"] == "arn:aws:s3:::b/ü"
    trusted = trust({"AWS": ACCOUNT})
    arn = people.role(trusted)
    role = people.iam.get_role(RoleName=arn.rpartition("/")[2])["Role"]
    assert role["AssumeRolePolicyDocument"]["Statement"][0]["Principal"] == {"AWS": ACCOUNT}
    assert role["MaxSessionDuration"] == 3600


def test_boto3s_paginators(people):
    path = f"/{people.name('path')}/"
    names = [people.name("user") for _ in range(5)]
    for name in names:
        people.iam.create_user(UserName=name, Path=path)
    for size in (1, 2, 5):
        pages = people.iam.get_paginator("list_users").paginate(PathPrefix=path, PaginationConfig={"PageSize": size})
        assert sorted(names) == [user["UserName"] for page in pages for user in page["Users"]]
    group = people.name("group")
    people.iam.create_group(GroupName=group)
    for name in names:
        people.iam.add_user_to_group(GroupName=group, UserName=name)
    pages = people.iam.get_paginator("get_group").paginate(GroupName=group, PaginationConfig={"PageSize": 2})
    assert sorted(names) == [user["UserName"] for page in pages for user in page["Users"]]


def test_boto3s_waiters_and_resources(people):
    name, _ = people.user()
    people.iam.get_waiter("user_exists").wait(UserName=name, WaiterConfig={"MaxAttempts": 1})
    arn = people.policy(("Allow", "s3:*", "*"))
    people.iam.get_waiter("policy_exists").wait(PolicyArn=arn, WaiterConfig={"MaxAttempts": 1})


def test_get_user_of_root_ends_in_root(people):
    assert people.iam.get_user()["User"]["Arn"] == f"arn:aws:iam::{ACCOUNT}:root"
    assert people.sts.get_caller_identity()["Arn"] == f"arn:aws:iam::{ACCOUNT}:root"


def test_secrets_are_in_no_log(people, server):
    name, keys = people.user(document(("Allow", "*", "*")))
    given = people.client("sts", keys).get_session_token()["Credentials"]
    people.client("sts", given).get_caller_identity()
    people.iam.delete_access_key(UserName=name, AccessKeyId=keys[0])
    logs = "".join(path.read_text(errors="replace") for path in (server.data / "logs").glob("*"))
    for secret in (keys[1], given["SecretAccessKey"], given["SessionToken"]):
        assert secret not in logs


def test_simulation_over_http(people):
    name, _ = people.user(document(("Allow", "s3:Get*", "*")))
    arn = people.iam.get_user(UserName=name)["User"]["Arn"]
    found = people.iam.simulate_principal_policy(PolicySourceArn=arn, ActionNames=["s3:GetObject", "s3:PutObject"])
    assert [one["EvalDecision"] for one in found["EvaluationResults"]] == ["allowed", "implicitDeny"]
