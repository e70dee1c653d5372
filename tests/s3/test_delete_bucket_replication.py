"""DeleteBucketReplication: succeeds, as there is nothing to delete."""

import pytest
from access import ALICE_ACCOUNT, ROOT_ACCOUNT, policy, statement


@pytest.mark.parametrize("kind", ["bucket", "versioned", "lockable"])
def test_there_is_none(s3, request, refused, kind):
    name = request.getfixturevalue(kind)
    for _ in range(2):
        assert s3.delete_bucket_replication(Bucket=name)["ResponseMetadata"]["HTTPStatusCode"] == 204
    refused("ReplicationConfigurationNotFoundError", 404, s3.get_bucket_replication, Bucket=name)


def test_the_answer_and_that_the_bucket_stays(raw, s3, bucket):
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    answer = raw.request("DELETE", f"/{bucket}", "replication")
    assert (answer.status, answer.body) == (204, b"")
    assert answer.headers["x-amz-request-id"]
    assert s3.list_objects_v2(Bucket=bucket)["KeyCount"] == 1


def test_of_no_bucket(s3, new_name, refused):
    name = new_name()
    assert refused("NoSuchBucket", 404, s3.delete_bucket_replication, Bucket=name)["BucketName"] == name


def test_the_expected_owner(s3, bucket, refused):
    s3.delete_bucket_replication(Bucket=bucket, ExpectedBucketOwner=ROOT_ACCOUNT)
    refused("AccessDenied", 403, s3.delete_bucket_replication, Bucket=bucket, ExpectedBucketOwner=ALICE_ACCOUNT)


def test_the_permission(s3, alice, anonymous, bucket, refused):
    refused("AccessDenied", 403, alice.delete_bucket_replication, Bucket=bucket)
    assert anonymous.request("DELETE", f"/{bucket}", "replication").told == (403, "AccessDenied")
    named = {"Principal": {"AWS": ALICE_ACCOUNT}, "Resource": f"arn:aws:s3:::{bucket}"}
    s3.put_bucket_policy(Bucket=bucket, Policy=policy(statement(bucket, Action="s3:PutReplicationConfiguration", **named)))
    alice.delete_bucket_replication(Bucket=bucket)
