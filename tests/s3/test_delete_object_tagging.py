"""DeleteObjectTagging: takes all tags of an object or of a version, and nothing else."""

import pytest
from access import ALICE_ACCOUNT, ROOT_ACCOUNT, policy, statement


@pytest.fixture
def target(s3, bucket):
    s3.put_object(Bucket=bucket, Key="k", Body=b"x", Tagging="a=1&b=2", Metadata={"m": "n"})
    return {"Bucket": bucket, "Key": "k"}


def test_all_of_them_go(s3, target):
    before = s3.head_object(**target)
    for _ in range(2):
        assert s3.delete_object_tagging(**target)["ResponseMetadata"]["HTTPStatusCode"] == 204
        assert s3.get_object_tagging(**target)["TagSet"] == []
    after = s3.head_object(**target)
    assert "TagCount" not in after
    for name in ("ETag", "LastModified", "Metadata", "ContentLength"):
        assert after[name] == before[name], name


def test_the_answer(raw, target):
    answer = raw.request("DELETE", f"/{target['Bucket']}/k", "tagging")
    assert (answer.status, answer.body) == (204, b"")
    assert "x-amz-version-id" not in answer.headers


def test_of_a_version(s3, versioned, refused):
    named = {"Bucket": versioned, "Key": "k"}
    first = s3.put_object(**named, Body=b"1", Tagging="n=1")["VersionId"]
    second = s3.put_object(**named, Body=b"2", Tagging="n=2")["VersionId"]
    assert s3.delete_object_tagging(**named, VersionId=first)["VersionId"] == first
    assert s3.get_object_tagging(**named)["TagSet"] == [{"Key": "n", "Value": "2"}]
    assert s3.delete_object_tagging(**named)["VersionId"] == second
    marker = s3.delete_object(**named)["VersionId"]
    refused("NoSuchKey", 404, s3.delete_object_tagging, **named)
    refused("MethodNotAllowed", 405, s3.delete_object_tagging, **named, VersionId=marker)
    refused("InvalidArgument", 400, s3.delete_object_tagging, **named, VersionId="nonsense")


def test_of_nothing(s3, bucket, new_name, refused):
    assert refused("NoSuchKey", 404, s3.delete_object_tagging, Bucket=bucket, Key="none")["Key"] == "none"
    refused("NoSuchBucket", 404, s3.delete_object_tagging, Bucket=new_name(), Key="k")


def test_of_a_locked_version(s3, lockable):
    """A lock keeps the bytes, not the tags."""
    s3.put_object(Bucket=lockable, Key="k", Body=b"x", Tagging="a=1", ObjectLockLegalHoldStatus="ON")
    s3.delete_object_tagging(Bucket=lockable, Key="k")
    assert s3.get_object_tagging(Bucket=lockable, Key="k")["TagSet"] == []


@pytest.mark.parametrize(
    ("action", "with_version"), [("s3:DeleteObjectTagging", False), ("s3:DeleteObjectVersionTagging", True)]
)
def test_the_permission(s3, alice, anonymous, versioned, refused, action, with_version):
    named = {"Bucket": versioned, "Key": "k"}
    version = s3.put_object(**named, Body=b"x", Tagging="a=1")["VersionId"]
    forms = {False: {}, True: {"VersionId": version}}
    refused("AccessDenied", 403, alice.delete_object_tagging, **named, **forms[with_version])
    assert anonymous.request("DELETE", f"/{versioned}/k", "tagging").told == (403, "AccessDenied")
    refused("AccessDenied", 403, s3.delete_object_tagging, **named, ExpectedBucketOwner=ALICE_ACCOUNT)
    one = {"Principal": {"AWS": ALICE_ACCOUNT}}
    s3.put_bucket_policy(Bucket=versioned, Policy=policy(statement(versioned, Action=action, **one)))
    refused("AccessDenied", 403, alice.delete_object_tagging, **named, **forms[not with_version])
    assert s3.head_object(**named)["TagCount"] == 1
    alice.delete_object_tagging(**named, **forms[with_version], ExpectedBucketOwner=ROOT_ACCOUNT)
    assert "TagCount" not in s3.head_object(**named)
