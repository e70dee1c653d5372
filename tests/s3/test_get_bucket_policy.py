"""GetBucketPolicy: the text as it was stored."""

import json

import pytest
from access import policy, statement


@pytest.mark.parametrize("indent", [None, 2])
def test_the_text_comes_back_as_it_was(raw, bucket, indent):
    text = json.dumps(json.loads(policy(statement(bucket, Sid="Grüße"))), indent=indent, ensure_ascii=False)
    assert raw.request("PUT", f"/{bucket}", "policy", body=text.encode()).status == 204
    answer = raw.request("GET", f"/{bucket}", "policy")
    assert (answer.status, answer.body.decode()) == (200, text)
    assert answer.headers["content-type"] == "application/json"


def test_none(raw, bucket):
    answer = raw.request("GET", f"/{bucket}", "policy")
    assert answer.told == (404, "NoSuchBucketPolicy")
    assert answer.error["Message"] == "The bucket policy does not exist"
    assert answer.error["BucketName"] == bucket


def test_the_permission(s3, bucket, anonymous, refused):
    assert anonymous.request("GET", f"/{bucket}", "policy").told == (403, "AccessDenied")
    text = policy(statement(bucket, Action="s3:GetBucketPolicy", Resource=f"arn:aws:s3:::{bucket}"))
    s3.put_bucket_policy(Bucket=bucket, Policy=text)
    assert anonymous.request("GET", f"/{bucket}", "policy").told == (405, "MethodNotAllowed")  # for the owner's account only


def test_the_expected_owner(s3, bucket, refused):
    s3.put_bucket_policy(Bucket=bucket, Policy=policy(statement(bucket)))
    refused("AccessDenied", 403, s3.get_bucket_policy, Bucket=bucket, ExpectedBucketOwner="111111111111")
