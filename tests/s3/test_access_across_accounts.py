"""Accounts, users and namespaces: who needs whose consent."""

import pytest
from access import ALICE_ACCOUNT, ALICE_CANONICAL, BOB_ACCOUNT, everything, iam_client, make_user, policy, statement
from dev_server import ALICE, BOB
from raw_s3 import RawS3


@pytest.fixture
def place(s3, bucket):
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    return bucket


def identity(action="s3:*", resource="*", effect="Allow"):
    return policy({"Effect": effect, "Action": action, "Resource": resource})


def alices_user(server, name, document):
    """A user of Alice's account."""
    iam = iam_client(server, ALICE)
    iam.create_user(UserName=name)
    if document is not None:
        iam.put_user_policy(UserName=name, PolicyName="p", PolicyDocument=document)
    key = iam.create_access_key(UserName=name)["AccessKey"]
    return RawS3(server.port, (key["AccessKeyId"], key["SecretAccessKey"]))


@pytest.mark.parametrize(
    "principal", [{"AWS": ALICE_ACCOUNT}, {"AWS": f"arn:aws:iam::{ALICE_ACCOUNT}:root"}, {"CanonicalUser": ALICE_CANONICAL}, "*"]
)
def test_the_root_of_another_account(s3, alice, place, refused, principal):
    refused("AccessDenied", 403, alice.get_object, Bucket=place, Key="k")
    s3.put_bucket_policy(Bucket=place, Policy=policy(statement(place, Principal=principal)))
    assert alice.get_object(Bucket=place, Key="k")["Body"].read() == b"x"
    refused("AccessDenied", 403, alice.put_object, Bucket=place, Key="k", Body=b"")


@pytest.mark.parametrize(
    ("document", "principal", "status"),
    [
        (identity("s3:GetObject"), {"AWS": ALICE_ACCOUNT}, 200),
        (identity("s3:GetObject"), None, 403),  # the bucket's account has not agreed
        (None, {"AWS": ALICE_ACCOUNT}, 403),  # her own account has not agreed
        (None, "*", 403),
        (identity("s3:PutObject"), {"AWS": ALICE_ACCOUNT}, 403),
        (identity(effect="Deny"), {"AWS": ALICE_ACCOUNT}, 403),
        (identity("s3:GetObject", "arn:aws:s3:::another/*"), {"AWS": ALICE_ACCOUNT}, 403),
        (identity("s3:GetObject"), "USER", 200),
        (None, "USER", 403),
        (identity("s3:GetObject"), {"AWS": BOB_ACCOUNT}, 403),
    ],
)
def test_a_user_of_another_account(server, s3, place, new_name, document, principal, status):
    name = new_name()
    user = alices_user(server, name, document)
    if principal == "USER":
        principal = {"AWS": f"arn:aws:iam::{ALICE_ACCOUNT}:user/{name}"}
    if principal is not None:
        s3.put_bucket_policy(Bucket=place, Policy=policy(statement(place, Principal=principal)))
    assert user.request("GET", f"/{place}/k").status == status


@pytest.mark.parametrize(
    ("document", "principal", "effect", "status"),
    [
        (None, None, "Allow", 403),
        (identity("s3:GetObject"), None, "Allow", 200),
        (None, "*", "Allow", 200),
        (None, "USER", "Allow", 200),  # in one account either side is enough
        (None, {"AWS": "000000000000"}, "Allow", 403),  # the account decides by its own policies
        (identity("s3:GetObject"), "USER", "Deny", 403),
        (identity("s3:GetObject"), {"AWS": "000000000000"}, "Deny", 403),
        (identity("s3:GetObject"), {"AWS": ALICE_ACCOUNT}, "Deny", 200),
        (identity(effect="Deny"), "USER", "Allow", 403),
    ],
)
def test_a_user_of_the_same_account(server, s3, place, new_name, document, principal, effect, status):
    arn, keys = make_user(server, new_name(), document)
    principal = {"AWS": arn} if principal == "USER" else principal
    if principal is not None:
        s3.put_bucket_policy(Bucket=place, Policy=policy(statement(place, Principal=principal, Effect=effect)))
    assert RawS3(server.port, keys).request("GET", f"/{place}/k").status == status


def test_a_user_does_not_mend_the_policy_that_shuts_it_out(server, s3, place, new_name, refused):
    _, keys = make_user(server, new_name(), identity())
    user = server.client(keys)
    text = policy(everything(place, Effect="Deny"))
    user.put_bucket_policy(Bucket=place, Policy=text)
    refused("AccessDenied", 403, user.get_bucket_policy, Bucket=place)
    refused("AccessDenied", 403, user.delete_bucket_policy, Bucket=place)
    s3.delete_bucket_policy(Bucket=place)
    assert user.get_object(Bucket=place, Key="k")["Body"].read() == b"x"


def test_a_user_that_is_gone_keeps_nothing(server, s3, place, new_name):
    name = new_name()
    arn, keys = make_user(server, name)
    s3.put_bucket_policy(Bucket=place, Policy=policy(statement(place, Principal={"AWS": arn})))
    raw = RawS3(server.port, keys)
    assert raw.request("GET", f"/{place}/k").status == 200
    iam = iam_client(server)
    iam.delete_access_key(UserName=name, AccessKeyId=keys[0])
    iam.delete_user(UserName=name)
    assert raw.request("GET", f"/{place}/k").told == (403, "InvalidAccessKeyId")


def test_changes_of_a_policy_act_at_once_in_every_process(s3, server, place):
    """Each request on a connection of its own: the kernel spreads them over both gateways."""
    reader = RawS3(server.port, None)
    for _ in range(5):
        s3.put_bucket_policy(Bucket=place, Policy=policy(statement(place)))
        assert [reader.request("GET", f"/{place}/k").status for _ in range(6)] == [200] * 6
        s3.delete_bucket_policy(Bucket=place)
        assert [reader.request("GET", f"/{place}/k").status for _ in range(6)] == [403] * 6


@pytest.mark.parametrize("form", ["arn:aws:s3:::NAME", "arn:aws:s3::acme:NAME"])
def test_a_bucket_of_a_tenant(server, bob, s3, new_name, refused, form):
    """Bob writes it as he calls it, or in full; others call it by its namespace."""
    name = new_name()
    bob.create_bucket(Bucket=name)
    bob.put_object(Bucket=name, Key="k", Body=b"x")
    alice = RawS3(server.port, ALICE)
    path = f"/acme:{name}/k"
    assert alice.request("GET", path).told == (403, "AccessDenied")
    resource = form.replace("NAME", name)
    made = statement(name, Principal={"AWS": ALICE_ACCOUNT}, Resource=f"{resource}/*")
    bob.put_bucket_policy(Bucket=name, Policy=policy(made))
    assert alice.request("GET", path).body == b"x"
    assert alice.request("GET", f"/{name}/k").status == 404  # no such bucket in her namespace
    assert RawS3(server.port, BOB).request("GET", f"/{name}/k").body == b"x"
    other = statement(name, Resource=f"arn:aws:s3::other:{name}/*")
    refused("MalformedPolicy", 400, bob.put_bucket_policy, Bucket=name, Policy=policy(other))


@pytest.mark.parametrize(
    ("document", "allowed"),
    [(identity("s3:ListAllMyBuckets"), True), (identity("s3:CreateBucket"), False), (None, False)],
)
def test_lists_of_buckets(server, s3, place, new_name, refused, document, allowed):
    user = server.client(make_user(server, new_name(), document)[1])
    if allowed:
        assert place in [one["Name"] for one in user.list_buckets()["Buckets"]]
    else:
        refused("AccessDenied", 403, user.list_buckets)


@pytest.mark.parametrize(
    ("actions", "arguments", "allowed"),
    [
        (["s3:CreateBucket"], {}, True),
        (["s3:CreateBucket"], {"ObjectOwnership": "ObjectWriter"}, False),
        (["s3:CreateBucket", "s3:PutBucketOwnershipControls"], {"ObjectOwnership": "ObjectWriter"}, True),
        (["s3:CreateBucket", "s3:PutBucketOwnershipControls"], {"ObjectOwnership": "ObjectWriter", "ACL": "public-read"}, False),
        (["s3:CreateBucket", "s3:PutBucket*"], {"ObjectOwnership": "ObjectWriter", "ACL": "public-read"}, True),
        (["s3:ListBucket"], {}, False),
    ],
)
def test_making_buckets(server, s3, new_name, refused, actions, arguments, allowed):
    name = new_name()
    user = server.client(make_user(server, new_name(), identity(actions, f"arn:aws:s3:::{name}"))[1])
    if not allowed:
        refused("AccessDenied", 403, user.create_bucket, Bucket=name, **arguments)
        return
    user.create_bucket(Bucket=name, **arguments)
    assert name in [one["Name"] for one in s3.list_buckets()["Buckets"]]  # it belongs to the account
    refused("AccessDenied", 403, user.create_bucket, Bucket=new_name())
