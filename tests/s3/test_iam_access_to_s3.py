"""What IAM says, S3 does: users, groups, roles, boundaries, at once and in every gateway process."""

import json
import urllib.error
import urllib.request

import pytest
from dev_server import ALICE
from iam_people import ACCOUNT, People, document, trust

READ_ONLY = "arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess"


@pytest.fixture(scope="module")
def people(server):
    return People(server)


@pytest.fixture
def full(s3, bucket):
    """A bucket with two objects."""
    for key in ("in/one", "out/two"):
        s3.put_object(Bucket=bucket, Key=key, Body=key.encode())
    return bucket


def reads(s3, bucket, key):
    return s3.get_object(Bucket=bucket, Key=key)["Body"].read() == key.encode()


def presigned(people, keys, bucket):
    s3 = people.client("s3", keys, signature_version="s3v4")
    return s3.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": "in/one"})


def test_a_user_without_policies_can_do_nothing(people, full, refused):
    s3 = people.client("s3", people.user()[1])
    refused("AccessDenied", 403, s3.get_object, Bucket=full, Key="in/one")
    refused("AccessDenied", 403, s3.put_object, Bucket=full, Key="in/one", Body=b"")
    refused("AccessDenied", 403, s3.list_objects_v2, Bucket=full)
    refused("AccessDenied", 403, s3.list_buckets)
    refused("AccessDenied", 403, s3.create_bucket, Bucket=people.name("bucket"))


def test_a_user_reads_one_prefix(people, full, refused):
    _, keys = people.user(
        document(
            ("Allow", "s3:GetObject", f"arn:aws:s3:::{full}/in/*"),
            ("Allow", "s3:ListBucket", f"arn:aws:s3:::{full}", {"StringLike": {"s3:prefix": "in/*"}}),
        )
    )
    s3 = people.client("s3", keys)
    assert reads(s3, full, "in/one")
    refused("AccessDenied", 403, s3.get_object, Bucket=full, Key="out/two")
    refused("AccessDenied", 403, s3.put_object, Bucket=full, Key="in/one", Body=b"")
    refused("AccessDenied", 403, s3.delete_object, Bucket=full, Key="in/one")
    assert [one["Key"] for one in s3.list_objects_v2(Bucket=full, Prefix="in/")["Contents"]] == ["in/one"]
    refused("AccessDenied", 403, s3.list_objects_v2, Bucket=full)
    refused("AccessDenied", 403, s3.list_objects_v2, Bucket=full, Prefix="out/")


def test_variables_give_each_user_a_home(people, full, refused):
    arn = people.policy(("Allow", "s3:*Object", f"arn:aws:s3:::{full}/home/${{aws:username}}/*"))
    (one, keys_of_one), (two, keys_of_two) = people.user(), people.user()
    for name in (one, two):
        people.iam.attach_user_policy(UserName=name, PolicyArn=arn)
    people.client("s3", keys_of_one).put_object(Bucket=full, Key=f"home/{one}/x", Body=b"1")
    refused("AccessDenied", 403, people.client("s3", keys_of_two).get_object, Bucket=full, Key=f"home/{one}/x")
    people.client("s3", keys_of_two).put_object(Bucket=full, Key=f"home/{two}/x", Body=b"2")


def test_policies_of_groups_and_of_aws(people, full, refused):
    name, keys = people.user()
    s3 = people.client("s3", keys)
    group = people.name("group")
    people.iam.create_group(GroupName=group)
    people.iam.attach_group_policy(GroupName=group, PolicyArn=READ_ONLY)
    refused("AccessDenied", 403, s3.get_object, Bucket=full, Key="in/one")
    people.iam.add_user_to_group(GroupName=group, UserName=name)
    assert reads(s3, full, "in/one")
    assert full in [one["Name"] for one in s3.list_buckets()["Buckets"]]
    refused("AccessDenied", 403, s3.put_object, Bucket=full, Key="in/one", Body=b"")
    people.iam.remove_user_from_group(GroupName=group, UserName=name)
    refused("AccessDenied", 403, s3.get_object, Bucket=full, Key="in/one")


def test_a_deny_wins(people, full, refused):
    allowed = document(("Allow", "s3:*", "*"))
    _, keys = people.user(allowed, document(("Deny", "s3:GetObject", f"arn:aws:s3:::{full}/out/*")))
    s3 = people.client("s3", keys)
    assert reads(s3, full, "in/one")
    refused("AccessDenied", 403, s3.get_object, Bucket=full, Key="out/two")


def test_a_boundary_narrows(people, full, refused):
    boundary = people.policy(("Allow", "s3:GetObject", "*"))
    name, keys = people.user(document(("Allow", "s3:*", "*")), PermissionsBoundary=boundary)
    s3 = people.client("s3", keys)
    assert reads(s3, full, "in/one")
    refused("AccessDenied", 403, s3.put_object, Bucket=full, Key="x", Body=b"")
    people.iam.delete_user_permissions_boundary(UserName=name)
    s3.put_object(Bucket=full, Key="x", Body=b"")


def test_changes_act_at_once_in_both_processes(people, full, refused):
    """Eight clients: the kernel spreads their connections over both gateways; each has seen the old state before."""
    name, keys = people.user()
    clients = [people.client("s3", keys) for _ in range(8)]
    for _ in range(3):
        for s3 in clients:
            refused("AccessDenied", 403, s3.get_object, Bucket=full, Key="in/one")
        allowed = document(("Allow", "s3:GetObject", f"arn:aws:s3:::{full}/*"))
        people.iam.put_user_policy(UserName=name, PolicyName="p", PolicyDocument=allowed)
        assert all(reads(s3, full, "in/one") for s3 in clients)
        people.iam.delete_user_policy(UserName=name, PolicyName="p")
    people.iam.attach_user_policy(UserName=name, PolicyArn=READ_ONLY)
    assert all(reads(s3, full, "in/one") for s3 in clients)
    people.iam.update_access_key(UserName=name, AccessKeyId=keys[0], Status="Inactive")
    for s3 in clients:
        refused("InvalidAccessKeyId", 403, s3.get_object, Bucket=full, Key="in/one")
    people.iam.update_access_key(UserName=name, AccessKeyId=keys[0], Status="Active")
    assert all(reads(s3, full, "in/one") for s3 in clients)
    people.iam.delete_access_key(UserName=name, AccessKeyId=keys[0])
    for s3 in clients:
        refused("InvalidAccessKeyId", 403, s3.get_object, Bucket=full, Key="in/one")


def test_a_new_default_version_acts_at_once(people, full, refused):
    arn = people.policy(("Allow", "s3:GetObject", f"arn:aws:s3:::{full}/in/*"))
    name, keys = people.user()
    people.iam.attach_user_policy(UserName=name, PolicyArn=arn)
    s3 = people.client("s3", keys)
    assert reads(s3, full, "in/one")
    other = document(("Allow", "s3:GetObject", f"arn:aws:s3:::{full}/out/*"))
    people.iam.create_policy_version(PolicyArn=arn, PolicyDocument=other, SetAsDefault=True)
    assert reads(s3, full, "out/two")
    refused("AccessDenied", 403, s3.get_object, Bucket=full, Key="in/one")
    people.iam.set_default_policy_version(PolicyArn=arn, VersionId="v1")
    assert reads(s3, full, "in/one")


def test_what_a_user_makes_belongs_to_the_account(people, s3):
    _, keys = people.user(document(("Allow", "s3:*", "*")))
    name = people.name("bucket")
    mine = people.client("s3", keys)
    mine.create_bucket(Bucket=name)
    mine.put_object(Bucket=name, Key="k", Body=b"1")
    assert s3.get_object(Bucket=name, Key="k")["Body"].read() == b"1"
    assert s3.get_bucket_acl(Bucket=name)["Owner"] == mine.get_bucket_acl(Bucket=name)["Owner"]


def test_a_bucket_policy_names_a_user_or_a_role(people, full, s3, refused):
    name, keys = people.user()
    role = people.role(trust({"AWS": f"arn:aws:iam::{ACCOUNT}:user/{name}"}))
    given = people.client("sts", keys).assume_role(RoleArn=role, RoleSessionName="s1")["Credentials"]
    as_user, as_role = people.client("s3", keys), people.client("s3", given)
    for client in (as_user, as_role):
        refused("AccessDenied", 403, client.get_object, Bucket=full, Key="in/one")
    statement = {
        "Effect": "Allow",
        "Principal": {"AWS": [f"arn:aws:iam::{ACCOUNT}:user/{name}", role]},
        "Action": "s3:GetObject",
        "Resource": f"arn:aws:s3:::{full}/in/*",
    }
    s3.put_bucket_policy(Bucket=full, Policy=json.dumps({"Version": "2012-10-17", "Statement": [statement]}))
    for client in (as_user, as_role):
        assert reads(client, full, "in/one")
        refused("AccessDenied", 403, client.get_object, Bucket=full, Key="out/two")


def test_a_user_of_another_account_needs_both_accounts(people, server, full, s3, refused):
    theirs = People(server, ALICE)
    name, keys = theirs.user(document(("Allow", "s3:GetObject", f"arn:aws:s3:::{full}/*")))
    client = theirs.client("s3", keys)
    refused("AccessDenied", 403, client.get_object, Bucket=full, Key="in/one")
    statement = {
        "Effect": "Allow",
        "Principal": {"AWS": "arn:aws:iam::111111111111:root"},
        "Action": "s3:GetObject",
        "Resource": f"arn:aws:s3:::{full}/*",
    }
    s3.put_bucket_policy(Bucket=full, Policy=json.dumps({"Version": "2012-10-17", "Statement": [statement]}))
    assert reads(client, full, "in/one")
    theirs.iam.delete_user_policy(UserName=name, PolicyName="p0")
    refused("AccessDenied", 403, client.get_object, Bucket=full, Key="in/one")


def test_principal_tags_in_conditions(people, full, refused):
    allowed = document(
        ("Allow", "s3:GetObject", f"arn:aws:s3:::{full}/${{aws:PrincipalTag/area}}/*", {"Bool": {"aws:SecureTransport": "false"}})
    )
    name, keys = people.user(allowed, Tags=[{"Key": "area", "Value": "in"}])
    s3 = people.client("s3", keys)
    assert reads(s3, full, "in/one")
    refused("AccessDenied", 403, s3.get_object, Bucket=full, Key="out/two")
    people.iam.tag_user(UserName=name, Tags=[{"Key": "Area", "Value": "out"}])
    assert reads(s3, full, "out/two")


def test_presigned_urls_end_with_the_key(people, full, fetch_status):
    name, keys = people.user(document(("Allow", "s3:GetObject", f"arn:aws:s3:::{full}/*")))
    url = presigned(people, keys, full)
    assert fetch_status(url) == (200, b"in/one")
    people.iam.delete_access_key(UserName=name, AccessKeyId=keys[0])
    assert fetch_status(url)[0] == 403


def test_presigned_urls_of_sessions_carry_their_token(people, full, fetch_status):
    _, keys = people.user(document(("Allow", "s3:GetObject", f"arn:aws:s3:::{full}/*")))
    given = people.client("sts", keys).get_session_token()["Credentials"]
    url = presigned(people, given, full)
    assert fetch_status(url) == (200, b"in/one")


@pytest.fixture(scope="module")
def fetch_status():
    def get(url):
        try:
            with urllib.request.urlopen(url, timeout=30) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as error:
            return error.code, error.read()

    return get
