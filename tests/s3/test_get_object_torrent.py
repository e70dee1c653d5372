"""GetObjectTorrent: S3 ended torrents in April 2022; an object that is there has none."""

import pytest
from access import ALICE_ACCOUNT, ROOT_ACCOUNT, policy, statement


@pytest.fixture
def target(s3, bucket):
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    return {"Bucket": bucket, "Key": "k"}


def test_is_not_allowed(s3, target, refused):
    error = refused("MethodNotAllowed", 405, s3.get_object_torrent, **target)
    assert error["Message"] == "The specified method is not allowed against this resource."
    assert (error["Method"], error["ResourceType"]) == ("GET", "OBJECT")


def test_the_answer(raw, target):
    answer = raw.request("GET", f"/{target['Bucket']}/k", "torrent")
    assert answer.told == (405, "MethodNotAllowed")
    assert answer.headers["content-type"] == "application/xml"
    assert list(answer.error) == ["Code", "Message", "Method", "ResourceType", "Resource", "RequestId", "HostId"]


def test_of_nothing(s3, bucket, versioned, new_name, refused):
    assert refused("NoSuchKey", 404, s3.get_object_torrent, Bucket=bucket, Key="none")["Key"] == "none"
    refused("NoSuchBucket", 404, s3.get_object_torrent, Bucket=new_name(), Key="k")
    s3.put_object(Bucket=versioned, Key="k", Body=b"x")
    s3.delete_object(Bucket=versioned, Key="k")
    refused("NoSuchKey", 404, s3.get_object_torrent, Bucket=versioned, Key="k")


@pytest.mark.parametrize(
    ("owner", "code", "status"), [(ROOT_ACCOUNT, "MethodNotAllowed", 405), (ALICE_ACCOUNT, "AccessDenied", 403)]
)
def test_the_expected_owner(s3, target, refused, owner, code, status):
    refused(code, status, s3.get_object_torrent, **target, ExpectedBucketOwner=owner)


def test_the_requester_may_say_that_it_pays(s3, target, refused):
    refused("MethodNotAllowed", 405, s3.get_object_torrent, **target, RequestPayer="requester")


def test_the_permission(s3, alice, anonymous, target, refused):
    bucket = target["Bucket"]
    refused("AccessDenied", 403, alice.get_object_torrent, **target)
    s3.put_bucket_policy(Bucket=bucket, Policy=policy(statement(bucket)))  # s3:GetObject is not enough
    assert anonymous.request("GET", f"/{bucket}/k", "torrent").told == (403, "AccessDenied")
    s3.put_bucket_policy(Bucket=bucket, Policy=policy(statement(bucket, Action="s3:GetObjectTorrent")))
    refused("MethodNotAllowed", 405, alice.get_object_torrent, **target)
