"""PutBucketEncryption: what new objects become, and documents that are refused."""

import pytest
from encryption_kinds import KINDS, arn, shown

NAMESPACE = 'xmlns="http://s3.amazonaws.com/doc/2006-03-01/"'
KMS_ONLY = "a KMSMasterKeyID is not applicable if the default sse algorithm is not aws:kms or aws:kms:dsse"


def put(s3, bucket, algorithm, key=None, **rule):
    default = {"SSEAlgorithm": algorithm, **({"KMSMasterKeyID": key} if key else {})}
    rules = [{"ApplyServerSideEncryptionByDefault": default, **rule}]
    answer = s3.put_bucket_encryption(Bucket=bucket, ServerSideEncryptionConfiguration={"Rules": rules})
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 200


@pytest.mark.parametrize(
    ("algorithm", "key", "rule", "expected"),
    [
        ("AES256", None, {}, {"ServerSideEncryption": "AES256"}),
        ("AES256", None, {"BucketKeyEnabled": True}, {"ServerSideEncryption": "AES256"}),
        ("aws:kms", None, {}, {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": arn("aws/s3")}),
        ("aws:kms", "alpha", {}, {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": arn("alpha")}),
        (
            "aws:kms",
            arn("beta"),
            {"BucketKeyEnabled": True},
            {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": arn("beta"), "BucketKeyEnabled": True},
        ),
        ("aws:kms:dsse", "alias/alpha", {}, {"ServerSideEncryption": "aws:kms:dsse", "SSEKMSKeyId": arn("alpha")}),
    ],
)
def test_new_objects_follow_the_rule(s3, bucket, algorithm, key, rule, expected):
    s3.put_object(Bucket=bucket, Key="before", Body=b"x")
    put(s3, bucket, algorithm, key, **rule)
    assert shown(s3.put_object(Bucket=bucket, Key="k", Body=b"data")) == expected
    found = s3.get_object(Bucket=bucket, Key="k")
    assert (found["Body"].read(), shown(found)) == (b"data", expected)
    assert shown(s3.head_object(Bucket=bucket, Key="before")) == {}, "what was there stays as it was"


def test_the_request_says_more_than_the_rule(s3, bucket):
    put(s3, bucket, "aws:kms", "beta", BucketKeyEnabled=True)
    for kind in ("SSE-S3", "SSE-C", "DSSE"):
        assert shown(s3.put_object(Bucket=bucket, Key="k", Body=b"x", **KINDS[kind].write)) == KINDS[kind].shown
    answer = s3.put_object(Bucket=bucket, Key="k", Body=b"x", ServerSideEncryption="aws:kms", SSEKMSKeyId="alpha")
    assert answer["BucketKeyEnabled"], "unless the request says otherwise"
    answer = s3.put_object(Bucket=bucket, Key="k", Body=b"x", ServerSideEncryption="aws:kms", BucketKeyEnabled=False)
    assert shown(answer) == {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": arn("aws/s3")}


def test_a_key_that_is_not_there_shows_at_the_first_write(s3, bucket, refused):
    put(s3, bucket, "aws:kms", "gone")
    told = refused("KMS.NotFoundException", 400, s3.put_object, Bucket=bucket, Key="k", Body=b"x")
    assert told["Message"] == f"Key '{arn('gone')}' does not exist"
    s3.put_object(Bucket=bucket, Key="k", Body=b"x", ServerSideEncryption="AES256")


def test_blocking_sse_c(s3, bucket, refused):
    put(s3, bucket, "AES256", BlockedEncryptionTypes={"EncryptionType": ["SSE-C"]})
    for call in (s3.put_object, s3.create_multipart_upload):
        refused("AccessDenied", 403, call, Bucket=bucket, Key="k", **KINDS["SSE-C"].write)
    put(s3, bucket, "AES256", BlockedEncryptionTypes={"EncryptionType": ["NONE"]})
    s3.put_object(Bucket=bucket, Key="k", Body=b"x", **KINDS["SSE-C"].write)
    put(s3, bucket, "AES256", BlockedEncryptionTypes={"EncryptionType": ["SSE-C"]})
    assert s3.get_object(Bucket=bucket, Key="k", **KINDS["SSE-C"].read)["Body"].read() == b"x", "reads go on"


def document(rules):
    return f"<ServerSideEncryptionConfiguration {NAMESPACE}>{rules}</ServerSideEncryptionConfiguration>".encode()


def rule(inner):
    return f"<Rule><ApplyServerSideEncryptionByDefault>{inner}</ApplyServerSideEncryptionByDefault></Rule>"


GOOD = rule("<SSEAlgorithm>AES256</SSEAlgorithm>")


@pytest.mark.parametrize(
    "rules",
    [
        "",
        GOOD + GOOD,
        "<Rule></Rule>",
        "<Rule><BucketKeyEnabled>true</BucketKeyEnabled></Rule>",
        rule(""),
        rule("<SSEAlgorithm>AES512</SSEAlgorithm>"),
        rule("<SSEAlgorithm>SSE-C</SSEAlgorithm>"),
        rule("<SSEAlgorithm>aws:fsx</SSEAlgorithm>"),
        GOOD.replace("</Rule>", "<BlockedEncryptionTypes><EncryptionType>AES256</EncryptionType></BlockedEncryptionTypes></Rule>"),
    ],
)
def test_documents_that_are_no_configuration(raw, s3, bucket, refused, rules):
    answer = raw.request("PUT", f"/{bucket}", [("encryption", "")], {}, document(rules))
    assert answer.told == (400, "MalformedXML")
    refused("ServerSideEncryptionConfigurationNotFoundError", 404, s3.get_bucket_encryption, Bucket=bucket)


def test_a_key_without_kms(raw, bucket):
    body = document(rule("<SSEAlgorithm>AES256</SSEAlgorithm><KMSMasterKeyID>alpha</KMSMasterKeyID>"))
    answer = raw.request("PUT", f"/{bucket}", [("encryption", "")], {}, body)
    assert answer.told == (400, "InvalidArgument")
    assert answer.error["Message"] == KMS_ONLY
    assert (answer.error["ArgumentName"], answer.error["ArgumentValue"]) == ("ApplyServerSideEncryptionByDefault", "alpha")


def test_of_no_bucket_and_of_another_account(s3, alice, bucket, new_name, refused):
    configuration = {"Rules": [{"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}]}
    call = {"ServerSideEncryptionConfiguration": configuration}
    assert refused("NoSuchBucket", 404, s3.put_bucket_encryption, Bucket=(name := new_name()), **call)["BucketName"] == name
    refused("AccessDenied", 403, alice.put_bucket_encryption, Bucket=bucket, **call)
    refused("AccessDenied", 403, s3.put_bucket_encryption, Bucket=bucket, ExpectedBucketOwner="1" * 12, **call)
