"""CreateBucket: names, places, who has a name already, and races for one."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from botocore.exceptions import ClientError

RACERS = 64


@pytest.mark.parametrize("name", ["abc", "a.b-c", "0" * 63, "1.2.3.4.5", "a-b.c-d", "xn-a"])
def test_valid_names(s3, name):
    try:
        assert s3.create_bucket(Bucket=name)["Location"] == f"/{name}"
    finally:
        s3.delete_bucket(Bucket=name)


@pytest.mark.parametrize(
    "name",
    [
        *("ab", "a" * 64, "Abc", "a_b", "-abc", "abc-", ".abc", "abc.", "a..b", "192.168.5.4"),
        *("xn--abc", "sthree-abc", "amzn-s3-demo-x", "abc-s3alias", "abc--ol-s3", "abc.mrap", "abc--x-s3"),
        *("a%20b", "a%C3%A4b", "a%00b", "a:b:c", "Acme:abc"),
    ],
)
def test_invalid_names(raw, name):
    answer = raw.request("PUT", f"/{name}")
    assert answer.told == (400, "InvalidBucketName")
    assert b"<BucketName>" in answer.body


@pytest.mark.parametrize("constraint", [None, "us-east-1"])
def test_location_constraint_of_this_region(raw, new_name, constraint):
    name = new_name()
    body = b""
    if constraint is not None:
        body = (
            '<CreateBucketConfiguration xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><LocationConstraint>'
            f"{constraint}</LocationConstraint></CreateBucketConfiguration>"
        ).encode()
    answer = raw.request("PUT", f"/{name}", body=body)
    assert (answer.status, answer.headers["location"], answer.body) == (200, f"/{name}", b"")


def test_location_constraint_of_another_region(s3, refused, new_name):
    name = new_name()
    error = refused(
        "InvalidLocationConstraint",
        400,
        s3.create_bucket,
        Bucket=name,
        CreateBucketConfiguration={"LocationConstraint": "eu-west-3"},
    )
    assert error["LocationConstraint"] == "eu-west-3"
    refused("404", 404, s3.head_bucket, Bucket=name)


WITH_ENTITY = b'<!DOCTYPE a [<!ENTITY b "c">]><CreateBucketConfiguration>&b;</CreateBucketConfiguration>'


@pytest.mark.parametrize("body", [b"<", b"<Other/>", WITH_ENTITY])
def test_malformed_configuration(raw, s3, refused, new_name, body):
    name = new_name()
    assert raw.request("PUT", f"/{name}", body=body).told == (400, "MalformedXML")
    refused("404", 404, s3.head_bucket, Bucket=name)


def test_a_name_of_ones_own(s3, bucket, refused):
    error = refused("BucketAlreadyOwnedByYou", 409, s3.create_bucket, Bucket=bucket)
    assert error["BucketName"] == bucket


def test_a_name_of_somebody_else(alice, bucket, refused):
    refused("BucketAlreadyExists", 409, alice.create_bucket, Bucket=bucket)


def test_a_tenant_has_names_of_its_own(s3, bob, bucket, refused):
    s3.put_object(Bucket=bucket, Key="k", Body=b"default")
    bob.create_bucket(Bucket=bucket)
    bob.put_object(Bucket=bucket, Key="k", Body=b"acme")
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"default"
    assert bob.get_object(Bucket=bucket, Key="k")["Body"].read() == b"acme"
    refused("BucketAlreadyOwnedByYou", 409, bob.create_bucket, Bucket=bucket)
    bob.delete_object(Bucket=bucket, Key="k")
    bob.delete_bucket(Bucket=bucket)
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"default"


@pytest.mark.parametrize("locks", [True, False])
def test_object_lock(s3, refused, new_name, locks):
    name = new_name()
    s3.create_bucket(Bucket=name, ObjectLockEnabledForBucket=locks)
    assert s3.get_bucket_versioning(Bucket=name).get("Status") == ("Enabled" if locks else None)
    if locks:
        told = s3.get_object_lock_configuration(Bucket=name)["ObjectLockConfiguration"]
        assert told == {"ObjectLockEnabled": "Enabled"}
    else:
        refused("ObjectLockConfigurationNotFoundError", 404, s3.get_object_lock_configuration, Bucket=name)


def test_acls_need_an_ownership_that_has_them(s3, refused, new_name):
    name = new_name()
    refused("InvalidBucketAclWithObjectOwnership", 400, s3.create_bucket, Bucket=name, ACL="public-read")
    refused("404", 404, s3.head_bucket, Bucket=name)
    s3.create_bucket(Bucket=name, ACL="private", ObjectOwnership="BucketOwnerEnforced")


def test_one_of_many_racing_creators_wins(clients, new_name):
    name = new_name()

    def create(number):
        try:
            clients[number % len(clients)].create_bucket(Bucket=name)
        except ClientError as error:
            return error.response["Error"]["Code"]
        return "won"

    with ThreadPoolExecutor(RACERS) as pool:
        outcomes = list(pool.map(create, range(RACERS)))
    assert sorted(outcomes) == ["BucketAlreadyOwnedByYou"] * (RACERS - 1) + ["won"]


def test_racing_creators_of_two_accounts(s3, alice, new_name):
    for _ in range(5):
        name = new_name()

        def create(client, name=name):
            try:
                client.create_bucket(Bucket=name)
            except ClientError as error:
                return error.response["Error"]["Code"]
            return "won"

        with ThreadPoolExecutor(2) as pool:
            assert sorted(pool.map(create, (s3, alice))) == ["BucketAlreadyExists", "won"]
