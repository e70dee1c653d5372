"""CreateBucketMetadataTableConfiguration: metadata tables need S3 Tables, another service: refused by name."""

import pytest
from access import ALICE_ACCOUNT, ROOT_ACCOUNT, policy, statement

GIVEN = {
    "MetadataTableConfiguration": {
        "S3TablesDestination": {"TableBucketArn": "arn:aws:s3tables:us-east-1:000000000000:bucket/b", "TableName": "t"}
    }
}
DOCUMENT = (
    b"<MetadataTableConfiguration><S3TablesDestination><TableBucketArn>a</TableBucke"
    b"tArn><TableName>t</TableName></S3TablesDestination></MetadataTableConfiguration>"
)


def test_is_refused_and_not_kept(s3, bucket, refused):
    error = refused("NotImplemented", 501, s3.create_bucket_metadata_table_configuration, Bucket=bucket, **GIVEN)
    assert error["Operation"] == "CreateBucketMetadataTableConfiguration"
    assert error["Message"] == "CreateBucketMetadataTableConfiguration is not implemented"
    refused("MetadataConfigurationNotFound", 404, s3.get_bucket_metadata_table_configuration, Bucket=bucket)


def test_the_answer(raw, bucket):
    answer = raw.request("POST", f"/{bucket}", "metadataTable", body=DOCUMENT)
    assert answer.told == (501, "NotImplemented")
    assert list(answer.error) == ["Code", "Message", "Operation", "Resource", "RequestId", "HostId"]


@pytest.mark.parametrize(
    ("document", "code"),
    [
        (b"", "MissingRequestBodyError"),
        (b"<Other/>", "MalformedXML"),
        (b"<MetadataTableConfiguration/>", "MalformedXML"),
        (b"{}", "MalformedXML"),
    ],
)
def test_documents_that_are_none(raw, bucket, document, code):
    assert raw.request("POST", f"/{bucket}", "metadataTable", body=document).told == (400, code)


def test_of_no_bucket(s3, new_name, refused):
    refused("NoSuchBucket", 404, s3.create_bucket_metadata_table_configuration, Bucket=new_name(), **GIVEN)


@pytest.mark.parametrize(("owner", "code", "status"), [(ROOT_ACCOUNT, "NotImplemented", 501), (ALICE_ACCOUNT, "AccessDenied", 403)])
def test_the_expected_owner(s3, bucket, refused, owner, code, status):
    refused(code, status, s3.create_bucket_metadata_table_configuration, Bucket=bucket, ExpectedBucketOwner=owner, **GIVEN)


def test_the_permission(s3, alice, anonymous, bucket, refused):
    call = alice.create_bucket_metadata_table_configuration
    refused("AccessDenied", 403, call, Bucket=bucket, **GIVEN)
    assert anonymous.request("POST", f"/{bucket}", "metadataTable", body=DOCUMENT).told == (403, "AccessDenied")
    named = {"Principal": {"AWS": ALICE_ACCOUNT}, "Resource": f"arn:aws:s3:::{bucket}"}
    allowed = statement(bucket, Action="s3:CreateBucketMetadataTableConfiguration", **named)
    s3.put_bucket_policy(Bucket=bucket, Policy=policy(allowed))
    refused("NotImplemented", 501, call, Bucket=bucket, **GIVEN)
