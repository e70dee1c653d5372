"""PutObjectTagging beside what test_object_tagging says: permissions that depend on tags and versions, characters, races."""

import json
from concurrent.futures import ThreadPoolExecutor

import pytest


def tag_set(**tags):
    return {"TagSet": [{"Key": key, "Value": value} for key, value in tags.items()]}


def allow(s3, bucket, action, condition=None):
    statement = {
        "Effect": "Allow",
        "Principal": {"AWS": "111111111111"},
        "Action": action,
        "Resource": f"arn:aws:s3:::{bucket}/*",
    }
    if condition is not None:
        statement["Condition"] = condition
    s3.put_bucket_policy(Bucket=bucket, Policy=json.dumps({"Version": "2012-10-17", "Statement": [statement]}))


def test_tags_that_come_may_decide(s3, alice, bucket, refused):
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    allow(s3, bucket, "s3:PutObjectTagging", {"StringEquals": {"s3:RequestObjectTag/team": "red"}})
    alice.put_object_tagging(Bucket=bucket, Key="k", Tagging=tag_set(team="red"))
    refused("AccessDenied", 403, alice.put_object_tagging, Bucket=bucket, Key="k", Tagging=tag_set(team="blue"))
    refused("AccessDenied", 403, alice.put_object_tagging, Bucket=bucket, Key="k", Tagging=tag_set(other="red"))
    assert s3.get_object_tagging(Bucket=bucket, Key="k")["TagSet"] == [{"Key": "team", "Value": "red"}]


def test_tags_that_are_there_may_decide(s3, alice, bucket, refused):
    s3.put_object(Bucket=bucket, Key="open", Body=b"x", Tagging="public=yes")
    s3.put_object(Bucket=bucket, Key="shut", Body=b"x", Tagging="public=no")
    allow(s3, bucket, "s3:GetObject", {"StringEquals": {"s3:ExistingObjectTag/public": "yes"}})
    assert alice.get_object(Bucket=bucket, Key="open")["Body"].read() == b"x"
    refused("AccessDenied", 403, alice.get_object, Bucket=bucket, Key="shut")
    s3.put_object_tagging(Bucket=bucket, Key="shut", Tagging=tag_set(public="yes"))
    s3.delete_object_tagging(Bucket=bucket, Key="open")
    assert alice.get_object(Bucket=bucket, Key="shut")["Body"].read() == b"x"
    refused("AccessDenied", 403, alice.get_object, Bucket=bucket, Key="open")


@pytest.mark.parametrize(("action", "with_version"), [("s3:PutObjectTagging", False), ("s3:PutObjectVersionTagging", True)])
def test_a_version_needs_a_permission_of_its_own(s3, alice, versioned, refused, action, with_version):
    version = s3.put_object(Bucket=versioned, Key="k", Body=b"x")["VersionId"]
    allow(s3, versioned, action)
    forms = {False: {}, True: {"VersionId": version}}
    alice.put_object_tagging(Bucket=versioned, Key="k", Tagging=tag_set(a="1"), **forms[with_version])
    refused(
        "AccessDenied", 403, alice.put_object_tagging, Bucket=versioned, Key="k", Tagging=tag_set(a="2"), **forms[not with_version]
    )
    assert s3.get_object_tagging(Bucket=versioned, Key="k")["TagSet"] == [{"Key": "a", "Value": "1"}]


def test_the_expected_owner(s3, bucket, refused):
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    put = s3.put_object_tagging
    put(Bucket=bucket, Key="k", Tagging=tag_set(a="1"), ExpectedBucketOwner="000000000000")
    refused(
        "AccessDenied", 403, put, Bucket=bucket, Key="k", Tagging=tag_set(a="2"), ExpectedBucketOwner="111111111111"
    )


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("a!", "1", "The TagKey you have provided is invalid"),
        ("a", "x;y", "The TagValue you have provided is invalid"),
        ("aws:a", "1", "Your TagKey cannot be prefixed with aws:"),
        ("", "1", "The TagKey you have provided is invalid"),
    ],
)
def test_characters(s3, raw, bucket, key, value, message):
    s3.put_object(Bucket=bucket, Key="k", Body=b"x", Tagging="old=1")
    body = f"<Tagging><TagSet><Tag><Key>{key}</Key><Value>{value}</Value></Tag></TagSet></Tagging>".encode()
    answer = raw.request("PUT", f"/{bucket}/k", "tagging", body=body)
    assert answer.told == (400, "InvalidTag")
    assert (answer.error["Message"], answer.error["TagKey"]) == (message, key)
    assert s3.get_object_tagging(Bucket=bucket, Key="k")["TagSet"] == [{"Key": "old", "Value": "1"}]


def test_at_the_same_time(clients, s3, bucket):
    """Each sets two tags: no mixture of two is ever kept."""
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")

    def put(number):
        clients[number % 8].put_object_tagging(Bucket=bucket, Key="k", Tagging=tag_set(a=str(number), b=str(number)))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(put, range(24)))
    found = {tag["Key"]: tag["Value"] for tag in s3.get_object_tagging(Bucket=bucket, Key="k")["TagSet"]}
    assert found["a"] == found["b"]
