"""Sessions of STS over HTTP: assumed roles, web identities, federated users, and what they may do in S3."""

import time

import pytest
from dev_server import ALICE
from iam_people import ACCOUNT, People, document, trust
from oidc_issuer import Issuer


@pytest.fixture(scope="module")
def people(server):
    return People(server)


@pytest.fixture(scope="module")
def issuer():
    with Issuer("/realms/demo") as made:
        yield made


@pytest.fixture(scope="module")
def provider(people, issuer):
    given = people.iam.create_open_id_connect_provider(Url=issuer.url, ClientIDList=["app"])
    return given["OpenIDConnectProviderArn"]


@pytest.fixture
def full(s3, bucket):
    for key in ("in/one", "out/two"):
        s3.put_object(Bucket=bucket, Key=key, Body=key.encode())
    return bucket


def reads(s3, bucket, key):
    return s3.get_object(Bucket=bucket, Key=key)["Body"].read() == key.encode()


@pytest.fixture
def session(people):
    """``session(policy, ...)``: Credentials of a new role, assumed by a new user."""

    def make(*policies, trusted=(), **given):
        name, keys = people.user()
        role = people.role(trust({"AWS": f"arn:aws:iam::{ACCOUNT}:user/{name}"}, "sts:AssumeRole", *trusted), *policies)
        sts = people.client("sts", keys)
        return sts.assume_role(RoleArn=role, RoleSessionName="s1", **given)["Credentials"] | {"Role": role}

    return make


def test_an_assumed_role_acts_by_the_roles_policies(people, session, full, refused):
    given = session(document(("Allow", "s3:GetObject", f"arn:aws:s3:::{full}/in/*")))
    s3 = people.client("s3", given)
    assert reads(s3, full, "in/one")
    refused("AccessDenied", 403, s3.get_object, Bucket=full, Key="out/two")
    who = people.client("sts", given).get_caller_identity()
    assert who["Arn"] == f"arn:aws:sts::{ACCOUNT}:assumed-role/{given['Role'].rpartition('/')[2]}/s1"
    name = given["Role"].rpartition("/")[2]
    people.iam.delete_role_policy(RoleName=name, PolicyName="p0")
    refused("AccessDenied", 403, s3.get_object, Bucket=full, Key="in/one")
    people.iam.delete_role(RoleName=name)
    refused("InvalidToken", 400, s3.get_object, Bucket=full, Key="in/one")


def test_a_session_policy_narrows(people, session, full, refused):
    given = session(document(("Allow", "s3:*", "*")), Policy=document(("Allow", "s3:GetObject", f"arn:aws:s3:::{full}/in/*")))
    s3 = people.client("s3", given)
    assert reads(s3, full, "in/one")
    refused("AccessDenied", 403, s3.get_object, Bucket=full, Key="out/two")
    refused("AccessDenied", 403, s3.put_object, Bucket=full, Key="in/x", Body=b"")


def test_a_session_policy_gives_nothing_that_the_role_has_not(people, session, full, refused):
    given = session(Policy=document(("Allow", "s3:*", "*")))
    refused("AccessDenied", 403, people.client("s3", given).get_object, Bucket=full, Key="in/one")


def test_managed_session_policies(people, session, full, refused):
    arns = [{"arn": "arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess"}]
    s3 = people.client("s3", session(document(("Allow", "s3:*", "*")), PolicyArns=arns))
    assert reads(s3, full, "in/one")
    refused("AccessDenied", 403, s3.put_object, Bucket=full, Key="in/x", Body=b"")


def test_session_tags_in_conditions(people, session, full, refused):
    allowed = document(("Allow", "s3:GetObject", f"arn:aws:s3:::{full}/${{aws:PrincipalTag/area}}/*"))
    given = session(allowed, trusted=["sts:TagSession"], Tags=[{"Key": "area", "Value": "out"}])
    s3 = people.client("s3", given)
    assert reads(s3, full, "out/two")
    refused("AccessDenied", 403, s3.get_object, Bucket=full, Key="in/one")


def test_a_token_that_was_touched_or_left_out(people, session, full, refused):
    given = session(document(("Allow", "s3:*", "*")))
    keys = (given["AccessKeyId"], given["SecretAccessKey"])
    refused("InvalidAccessKeyId", 403, people.client("s3", keys).list_objects_v2, Bucket=full)
    wrong = people.client("s3", keys, token=given["SessionToken"][:-8] + "AAAAAAA=")
    refused("InvalidToken", 400, wrong.list_objects_v2, Bucket=full)
    refused("SignatureDoesNotMatch", 403, people.client("s3", (keys[0], "wrong"), given["SessionToken"]).list_buckets)
    refused("InvalidToken", 400, people.client("s3", people.keys, token=given["SessionToken"]).list_buckets)
    refused("InvalidClientTokenId", 403, people.client("sts", keys, token="x").get_caller_identity)


def test_get_session_token_and_federation_token(people, full, refused):
    name, keys = people.user(document(("Allow", ["s3:*", "sts:*"], "*")))
    sts = people.client("sts", keys)
    given = sts.get_session_token(DurationSeconds=900)["Credentials"]
    assert reads(people.client("s3", given), full, "in/one")
    refused("InvalidClientTokenId", 403, people.client("iam", given).get_user)
    policy = document(("Allow", "s3:GetObject", f"arn:aws:s3:::{full}/in/*"))
    given = sts.get_federation_token(Name="fed", Policy=policy)["Credentials"]
    s3 = people.client("s3", given)
    assert reads(s3, full, "in/one")
    refused("AccessDenied", 403, s3.get_object, Bucket=full, Key="out/two")
    people.iam.put_user_policy(
        UserName=name, PolicyName="p1", PolicyDocument=document(("Deny", "s3:GetObject", f"arn:aws:s3:::{full}/*"))
    )
    refused("AccessDenied", 403, s3.get_object, Bucket=full, Key="in/one")


def test_sessions_of_root(people, full):
    given = people.sts.get_session_token()["Credentials"]
    assert reads(people.client("s3", given), full, "in/one")
    policy = document(("Allow", "s3:GetObject", f"arn:aws:s3:::{full}/in/*"))
    given = people.sts.get_federation_token(Name="fed", Policy=policy)["Credentials"]
    assert reads(people.client("s3", given), full, "in/one")


def test_web_identity_without_a_signature(people, issuer, provider, full, refused):
    condition = {"StringEquals": {f"{issuer.host}:sub": "user-1", f"{issuer.host}:aud": "app"}}
    trusted = trust({"Federated": provider}, "sts:AssumeRoleWithWebIdentity", condition=condition)
    role = people.role(trusted, document(("Allow", "s3:GetObject", f"arn:aws:s3:::{full}/in/*")))
    sts = people.client("sts")
    token = issuer.token(issuer.claims(time.time(), aud=["app", "x"]))
    found = sts.assume_role_with_web_identity(RoleArn=role, RoleSessionName="pod", WebIdentityToken=token)
    assert (found["Provider"], found["Audience"], found["SubjectFromWebIdentityToken"]) == (provider, "app", "user-1")
    s3 = people.client("s3", found["Credentials"])
    assert reads(s3, full, "in/one")
    refused("AccessDenied", 403, s3.get_object, Bucket=full, Key="out/two")
    given = {"RoleArn": role, "RoleSessionName": "pod"}
    for claims, code, status in (
        ({"sub": "user-2"}, "AccessDenied", 403),
        ({"aud": "other"}, "InvalidIdentityToken", 400),
        ({"exp": int(time.time()) - 10}, "ExpiredTokenException", 400),
        ({"iss": "https://issuer.example.com"}, "InvalidIdentityToken", 400),
    ):
        token = issuer.token(issuer.claims(time.time(), **claims))
        refused(code, status, sts.assume_role_with_web_identity, WebIdentityToken=token, **given)
    refused("MissingAuthenticationToken", 403, sts.get_caller_identity)


def test_boto3_finds_a_pods_token_in_a_file(people, issuer, provider, full, tmp_path, monkeypatch):
    """As Kubernetes sets it up: a file, a role and the address of STS, all in the environment."""
    import boto3

    role = people.role(
        trust({"Federated": provider}, "sts:AssumeRoleWithWebIdentity"),
        document(("Allow", "s3:GetObject", f"arn:aws:s3:::{full}/*")),
    )
    (tmp_path / "token").write_text(issuer.token(issuer.claims(time.time())))
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_WEB_IDENTITY_TOKEN_FILE", str(tmp_path / "token"))
    monkeypatch.setenv("AWS_ROLE_ARN", role)
    monkeypatch.setenv("AWS_ENDPOINT_URL", people.server.endpoint)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    assert reads(boto3.session.Session().client("s3"), full, "in/one")


def test_roles_across_accounts(people, server, full, refused):
    theirs = People(server, ALICE)
    role = people.role(
        trust({"AWS": "arn:aws:iam::111111111111:root"}, condition={"StringEquals": {"sts:ExternalId": "x-1"}}),
        document(("Allow", "s3:GetObject", f"arn:aws:s3:::{full}/*")),
    )
    _, keys = theirs.user(document(("Allow", "sts:AssumeRole", role)))
    sts = theirs.client("sts", keys)
    refused("AccessDenied", 403, sts.assume_role, RoleArn=role, RoleSessionName="s1")
    given = sts.assume_role(RoleArn=role, RoleSessionName="s1", ExternalId="x-1")["Credentials"]
    assert reads(theirs.client("s3", given), full, "in/one")
    refused("AccessDenied", 403, theirs.sts.assume_role, RoleArn=role, RoleSessionName="s1", ExternalId="x-1")
