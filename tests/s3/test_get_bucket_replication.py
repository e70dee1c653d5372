"""GetBucketReplication: no bucket has a configuration, as PutBucketReplication takes none."""

import pytest
from access import ALICE_ACCOUNT, ROOT_ACCOUNT, policy, statement

MESSAGE = "The replication configuration was not found"


@pytest.mark.parametrize("kind", ["bucket", "versioned", "lockable"])
def test_there_is_none(s3, request, refused, kind):
    name = request.getfixturevalue(kind)
    error = refused("ReplicationConfigurationNotFoundError", 404, s3.get_bucket_replication, Bucket=name)
    assert (error["BucketName"], error["Message"]) == (name, MESSAGE)


def test_the_answer(raw, bucket):
    answer = raw.request("GET", f"/{bucket}", "replication")
    assert answer.told == (404, "ReplicationConfigurationNotFoundError")
    assert list(answer.error) == ["Code", "Message", "BucketName", "Resource", "RequestId", "HostId"]


def test_of_no_bucket(s3, new_name, refused):
    name = new_name()
    assert refused("NoSuchBucket", 404, s3.get_bucket_replication, Bucket=name)["BucketName"] == name


@pytest.mark.parametrize(
    ("owner", "code", "status"),
    [(ROOT_ACCOUNT, "ReplicationConfigurationNotFoundError", 404), (ALICE_ACCOUNT, "AccessDenied", 403)],
)
def test_the_expected_owner(s3, bucket, refused, owner, code, status):
    refused(code, status, s3.get_bucket_replication, Bucket=bucket, ExpectedBucketOwner=owner)


def test_the_permission(s3, alice, anonymous, bucket, refused):
    refused("AccessDenied", 403, alice.get_bucket_replication, Bucket=bucket)
    assert anonymous.request("GET", f"/{bucket}", "replication").told == (403, "AccessDenied")
    named = {"Principal": {"AWS": ALICE_ACCOUNT}, "Resource": f"arn:aws:s3:::{bucket}"}
    s3.put_bucket_policy(Bucket=bucket, Policy=policy(statement(bucket, Action="s3:GetReplicationConfiguration", **named)))
    refused("ReplicationConfigurationNotFoundError", 404, alice.get_bucket_replication, Bucket=bucket)
