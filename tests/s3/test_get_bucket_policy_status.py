"""GetBucketPolicyStatus: whether the policy is public."""

import pytest
from access import ALICE_ACCOUNT, policy, statement


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, True),
        ({"Principal": {"AWS": "*"}}, True),
        ({"Principal": {"AWS": ALICE_ACCOUNT}}, False),
        ({"Effect": "Deny"}, False),
        ({"Condition": {"IpAddress": {"aws:SourceIp": "192.0.2.0/24"}}}, False),
        ({"Condition": {"IpAddress": {"aws:SourceIp": "0.0.0.0/0"}}}, True),
        ({"Condition": {"StringEquals": {"aws:SourceVpc": "vpc-1"}}}, False),
        ({"Condition": {"StringLike": {"aws:SourceVpc": "vpc-*"}}}, True),
        ({"Condition": {"Bool": {"aws:SecureTransport": "true"}}}, True),
    ],
)
def test_policies(s3, bucket, changes, expected):
    s3.put_bucket_policy(Bucket=bucket, Policy=policy(statement(bucket, **changes)))
    assert s3.get_bucket_policy_status(Bucket=bucket)["PolicyStatus"] == {"IsPublic": expected}


def test_a_blocked_policy_stays_public(s3, bucket):
    s3.put_bucket_policy(Bucket=bucket, Policy=policy(statement(bucket)))
    s3.put_public_access_block(Bucket=bucket, PublicAccessBlockConfiguration={"RestrictPublicBuckets": True})
    assert s3.get_bucket_policy_status(Bucket=bucket)["PolicyStatus"]["IsPublic"]


def test_the_document(raw, s3, bucket):
    s3.put_bucket_policy(Bucket=bucket, Policy=policy(statement(bucket)))
    answer = raw.request("GET", f"/{bucket}", "policyStatus")
    assert answer.headers["content-type"] == "application/xml"
    assert (answer.xml.tag, [(one.tag, one.text) for one in answer.xml]) == ("PolicyStatus", [("IsPublic", "true")])


def test_no_policy(s3, bucket, refused):
    refused("NoSuchBucketPolicy", 404, s3.get_bucket_policy_status, Bucket=bucket)


def test_the_permission(s3, bucket, anonymous):
    s3.put_bucket_policy(Bucket=bucket, Policy=policy(statement(bucket)))
    assert anonymous.request("GET", f"/{bucket}", "policyStatus").told == (403, "AccessDenied")
