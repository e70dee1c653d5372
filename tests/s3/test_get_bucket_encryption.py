"""GetBucketEncryption: as it was put, in the order of AWS's elements."""

import pytest
from encryption_kinds import arn


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        (
            {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}},
            {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}, "BucketKeyEnabled": False},
        ),
        (
            {
                "ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": arn("alpha")},
                "BucketKeyEnabled": True,
                "BlockedEncryptionTypes": {"EncryptionType": ["SSE-C"]},
            },
            None,
        ),
        (
            {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms:dsse", "KMSMasterKeyID": "alias/x"}},
            {
                "ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms:dsse", "KMSMasterKeyID": "alias/x"},
                "BucketKeyEnabled": False,
            },
        ),
        (
            {"BlockedEncryptionTypes": {"EncryptionType": ["SSE-C"]}},
            {"BlockedEncryptionTypes": {"EncryptionType": ["SSE-C"]}, "BucketKeyEnabled": False},
        ),
    ],
)
def test_what_was_put(s3, bucket, given, shown):
    s3.put_bucket_encryption(Bucket=bucket, ServerSideEncryptionConfiguration={"Rules": [given]})
    answer = s3.get_bucket_encryption(Bucket=bucket)
    assert answer["ServerSideEncryptionConfiguration"] == {"Rules": [given if shown is None else shown]}


def test_the_document(raw, s3, bucket):
    default = {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": "alpha"}
    rules = [{"ApplyServerSideEncryptionByDefault": default, "BucketKeyEnabled": True}]
    s3.put_bucket_encryption(Bucket=bucket, ServerSideEncryptionConfiguration={"Rules": rules})
    answer = raw.request("GET", f"/{bucket}", [("encryption", "")])
    assert answer.status == 200
    assert [element.tag for element in answer.xml.iter()] == [
        *("ServerSideEncryptionConfiguration", "Rule", "ApplyServerSideEncryptionByDefault", "SSEAlgorithm", "KMSMasterKeyID"),
        "BucketKeyEnabled",
    ]
    assert b'xmlns="http://s3.amazonaws.com/doc/2006-03-01/"' in answer.body


def test_of_nothing_of_no_bucket_and_of_another_account(s3, alice, bucket, new_name, refused):
    name = refused("ServerSideEncryptionConfigurationNotFoundError", 404, s3.get_bucket_encryption, Bucket=bucket)["BucketName"]
    assert name == bucket
    refused("NoSuchBucket", 404, s3.get_bucket_encryption, Bucket=new_name())
    refused("AccessDenied", 403, alice.get_bucket_encryption, Bucket=bucket)
