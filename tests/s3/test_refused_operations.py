"""Operations that S3 itself closes to most callers, or that have nothing to speak of here: S3's own answers."""

import pytest

SELECT = {
    "Expression": "select * from s3object",
    "ExpressionType": "SQL",
    "InputSerialization": {"CSV": {}},
    "OutputSerialization": {"CSV": {}},
}


def test_select(s3, alice, bucket, refused):
    s3.put_object(Bucket=bucket, Key="k", Body=b"a,b\n")
    error = refused("MethodNotAllowed", 405, s3.select_object_content, Bucket=bucket, Key="k", **SELECT)
    assert error["Message"] == "The specified method is not allowed against this resource."
    assert (error["Method"], error["ResourceType"]) == ("POST", "OBJECT")
    refused("NoSuchKey", 404, s3.select_object_content, Bucket=bucket, Key="none", **SELECT)
    refused("AccessDenied", 403, alice.select_object_content, Bucket=bucket, Key="k", **SELECT)


def test_torrents(s3, alice, bucket, refused):
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    error = refused("MethodNotAllowed", 405, s3.get_object_torrent, Bucket=bucket, Key="k")
    assert (error["Method"], error["ResourceType"]) == ("GET", "OBJECT")
    refused("NoSuchKey", 404, s3.get_object_torrent, Bucket=bucket, Key="none")
    refused("AccessDenied", 403, alice.get_object_torrent, Bucket=bucket, Key="k")


@pytest.mark.parametrize(
    ("method", "query", "headers"),
    [("GET", "session", {}), ("POST", "", {"x-amz-request-route": "r", "x-amz-request-token": "t"})],
)
def test_sessions_and_object_lambda(raw, bucket, method, query, headers):
    answer = raw.request(method, f"/{bucket}", query, headers, b"" if method == "POST" else None)
    assert answer.told == (405, "MethodNotAllowed")
    assert (answer.error["Method"], answer.error["ResourceType"]) == (method, "BUCKET")


def test_there_are_no_directory_buckets(raw):
    assert raw.request("GET", "/some--use1-az4--x-s3", "session").told == (404, "NoSuchBucket")
    assert raw.request("HEAD", "/some--use1-az4--x-s3").status == 404
    assert raw.request("PUT", "/some--use1-az4--x-s3").told == (400, "InvalidBucketName")


@pytest.mark.parametrize(
    ("name", "more"),
    [
        ("get_bucket_metadata_configuration", {}),
        ("get_bucket_metadata_table_configuration", {}),
        ("delete_bucket_metadata_configuration", {}),
        ("delete_bucket_metadata_table_configuration", {}),
        (
            "update_bucket_metadata_inventory_table_configuration",
            {"InventoryTableConfiguration": {"ConfigurationState": "DISABLED"}},
        ),
        (
            "update_bucket_metadata_journal_table_configuration",
            {"JournalTableConfiguration": {"RecordExpiration": {"Expiration": "DISABLED"}}},
        ),
        (
            "update_bucket_metadata_annotation_table_configuration",
            {"AnnotationTableConfiguration": {"ConfigurationState": "DISABLED"}},
        ),
    ],
)
def test_metadata_tables(s3, alice, bucket, refused, name, more):
    error = refused("MetadataConfigurationNotFound", 404, getattr(s3, name), Bucket=bucket, **more)
    assert error["BucketName"] == bucket
    refused("AccessDenied", 403, getattr(alice, name), Bucket=bucket, **more)
