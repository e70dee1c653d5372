"""SSE-S3, SSE-KMS and DSSE: requests that are wrong, keys that are not there."""

import base64
import json

import pytest
from encryption_kinds import arn, shown

SSE = "x-amz-server-side-encryption"


@pytest.mark.parametrize("operation", ["put_object", "create_multipart_upload", "copy_object"])
@pytest.mark.parametrize("method", ["aws:kms", "aws:kms:dsse"])
@pytest.mark.parametrize(
    ("key", "message"),
    [
        ("gone", f"Key '{arn('gone')}' does not exist"),
        (arn("gone"), f"Key '{arn('gone')}' does not exist"),
        ("no key!", "Invalid keyId 'no key!'"),
        ("dolmen/s3", "Invalid keyId 'dolmen/s3'"),
    ],
)
def test_keys_that_are_not_there(s3, bucket, refused, operation, method, key, message):
    s3.put_object(Bucket=bucket, Key="source", Body=b"x")
    more = {"put_object": {"Body": b"x"}, "copy_object": {"CopySource": {"Bucket": bucket, "Key": "source"}}}.get(operation, {})
    call = getattr(s3, operation)
    told = refused(
        "KMS.NotFoundException", 400, call, Bucket=bucket, Key="k", ServerSideEncryption=method, SSEKMSKeyId=key, **more
    )
    assert told["Message"] == message
    assert [row["Key"] for row in s3.list_objects_v2(Bucket=bucket)["Contents"]] == ["source"]
    assert "Uploads" not in s3.list_multipart_uploads(Bucket=bucket)


@pytest.mark.parametrize(
    ("given", "message", "name", "value"),
    [
        ({SSE: "AES128"}, "The encryption method specified is not supported", SSE, "AES128"),
        ({SSE: "aws:fsx"}, "The encryption method specified is not supported", SSE, "aws:fsx"),
        (
            {f"{SSE}-aws-kms-key-id": "alpha"},
            "Server Side Encryption with AWS KMS managed key requires HTTP header x-amz-server-side-encryption : aws:kms",
            SSE,
            "null",
        ),
        (
            {SSE: "AES256", f"{SSE}-aws-kms-key-id": "alpha"},
            "Server Side Encryption with AWS KMS managed key requires HTTP header x-amz-server-side-encryption : aws:kms",
            SSE,
            "AES256",
        ),
        (
            {SSE: "aws:kms", f"{SSE}-context": "!"},
            f"The header '{SSE}-context' shall be Base64-encoded UTF-8 string holding JSON which represents a string-string map",
            f"{SSE}-context",
            "!",
        ),
        (
            {SSE: "aws:kms", f"{SSE}-context": "\xe9"},
            f"The header '{SSE}-context' shall be Base64-encoded UTF-8 string holding JSON which represents a string-string map",
            f"{SSE}-context",
            "\xe9",
        ),
        (
            {SSE: "aws:kms", f"{SSE}-bucket-key-enabled": "yes"},
            f"The value of {SSE}-bucket-key-enabled must be true or false",
            f"{SSE}-bucket-key-enabled",
            "yes",
        ),
    ],
)
def test_wrong_headers(raw, s3, bucket, given, message, name, value):
    answer = raw.request("PUT", f"/{bucket}/k", "", given, b"data")
    assert answer.told == (400, "InvalidArgument")
    assert (answer.error["Message"], answer.error["ArgumentName"], answer.error["ArgumentValue"]) == (message, name, value)
    assert s3.list_objects_v2(Bucket=bucket)["KeyCount"] == 0


@pytest.mark.parametrize("told", [[1], {"a": 1}, {"aws:s3:arn": "mine"}, "x"])
def test_contexts_that_are_no_maps_of_strings(s3, bucket, refused, told):
    context = base64.b64encode(json.dumps(told).encode()).decode()
    arguments = {"Bucket": bucket, "Key": "k", "ServerSideEncryption": "aws:kms", "SSEKMSEncryptionContext": context}
    refused("InvalidArgument", 400, s3.put_object, **arguments)


def test_bucket_keys_are_told_for_kms_only(s3, bucket):
    answer = s3.put_object(Bucket=bucket, Key="k", ServerSideEncryption="aws:kms", BucketKeyEnabled=False)
    assert "BucketKeyEnabled" not in answer
    answer = s3.put_object(Bucket=bucket, Key="k", ServerSideEncryption="aws:kms:dsse", BucketKeyEnabled=True)
    assert shown(answer) == {"ServerSideEncryption": "aws:kms:dsse", "SSEKMSKeyId": arn("aws/s3")}
    answer = s3.put_object(Bucket=bucket, Key="k", ServerSideEncryption="AES256", BucketKeyEnabled=True)
    assert shown(answer) == {"ServerSideEncryption": "AES256"}


def test_keys_of_one_account_s_bucket_do_not_open_another_s_namesake(s3, alice, new_name):
    """Each bucket's objects are sealed for that bucket; a copy across accounts goes through the data."""
    mine, theirs = new_name(), new_name()
    s3.create_bucket(Bucket=mine)
    alice.create_bucket(Bucket=theirs)
    s3.put_object(Bucket=mine, Key="k", Body=b"mine", ServerSideEncryption="AES256")
    alice.put_object(Bucket=theirs, Key="k", Body=b"theirs", ServerSideEncryption="aws:kms", SSEKMSKeyId="alpha")
    assert s3.get_object(Bucket=mine, Key="k")["Body"].read() == b"mine"
    assert alice.get_object(Bucket=theirs, Key="k")["Body"].read() == b"theirs"


@pytest.mark.parametrize("algorithm", ["aws:kms", "aws:kms:dsse"])
def test_keys_of_the_service_are_not_for_everybody(s3, anonymous, bucket, algorithm):
    """S3 opens nothing under KMS for a request that is not signed with Version 4, whatever the policy grants."""
    s3.put_object(Bucket=bucket, Key="sealed", Body=b"secret", ServerSideEncryption=algorithm, SSEKMSKeyId="alpha")
    s3.put_object(Bucket=bucket, Key="plain", Body=b"open", ServerSideEncryption="AES256")
    policy = {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Principal": "*", "Action": "s3:*Object", "Resource": f"arn:aws:s3:::{bucket}/*"}],
    }
    s3.put_bucket_policy(Bucket=bucket, Policy=json.dumps(policy))
    for method, headers in (("GET", {}), ("PUT", {"x-amz-server-side-encryption": algorithm})):
        answer = anonymous.request(method, f"/{bucket}/sealed", headers=headers, body=b"x" if method == "PUT" else None)
        assert answer.told == (400, "InvalidArgument")
        assert answer.error["Message"].endswith("require AWS Signature Version 4.")
    assert anonymous.request("GET", f"/{bucket}/plain").body == b"open"
    assert s3.get_object(Bucket=bucket, Key="sealed")["Body"].read() == b"secret"
