"""PutBucketAbac: tags of buckets grant nothing, and "Disabled" is all that can be set."""

import pytest
from access import ALICE_ACCOUNT, ROOT_ACCOUNT, policy, statement


def test_enabled_is_refused(s3, bucket, refused):
    error = refused("NotImplemented", 501, s3.put_bucket_abac, Bucket=bucket, AbacStatus={"Status": "Enabled"})
    assert error["Operation"] == "PutBucketAbac"
    assert s3.get_bucket_abac(Bucket=bucket)["AbacStatus"] == {"Status": "Disabled"}
    s3.put_bucket_tagging(Bucket=bucket, Tagging={"TagSet": [{"Key": "a", "Value": "1"}]})


@pytest.mark.parametrize("document", [b"<AbacStatus/>", b"<AbacStatus><Status>On</Status></AbacStatus>", b"<Abac/>"])
def test_documents_that_are_none(raw, bucket, document):
    assert raw.request("PUT", f"/{bucket}", "abac", body=document).told == (400, "MalformedXML")


def test_an_empty_body(raw, bucket):
    assert raw.request("PUT", f"/{bucket}", "abac", body=b"").told == (400, "MissingRequestBodyError")


def test_of_no_bucket(s3, new_name, refused):
    refused("NoSuchBucket", 404, s3.put_bucket_abac, Bucket=new_name(), AbacStatus={"Status": "Disabled"})


def test_the_permission(s3, alice, bucket, refused):
    disabled = {"AbacStatus": {"Status": "Disabled"}}
    refused("AccessDenied", 403, alice.put_bucket_abac, Bucket=bucket, **disabled)
    named = {"Principal": {"AWS": ALICE_ACCOUNT}, "Resource": f"arn:aws:s3:::{bucket}"}
    s3.put_bucket_policy(Bucket=bucket, Policy=policy(statement(bucket, Action="s3:PutBucketAbac", **named)))
    alice.put_bucket_abac(Bucket=bucket, ExpectedBucketOwner=ROOT_ACCOUNT, ChecksumAlgorithm="SHA256", **disabled)
    refused("AccessDenied", 403, s3.put_bucket_abac, Bucket=bucket, ExpectedBucketOwner=ALICE_ACCOUNT, **disabled)
