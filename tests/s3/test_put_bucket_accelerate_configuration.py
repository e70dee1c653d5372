"""PutBucketAccelerateConfiguration: kept, but not for names with periods."""

import pytest


def put(s3, bucket, wanted):
    return s3.put_bucket_accelerate_configuration(Bucket=bucket, AccelerateConfiguration={"Status": wanted})


def test_round_trip(s3, bucket):
    for status in ("Enabled", "Suspended", "Enabled"):
        assert put(s3, bucket, status)["ResponseMetadata"]["HTTPStatusCode"] == 200
        assert s3.get_bucket_accelerate_configuration(Bucket=bucket)["Status"] == status


def test_a_name_with_periods(s3, new_name, refused):
    name = f"{new_name()}.example.com"
    s3.create_bucket(Bucket=name)
    error = refused("InvalidRequest", 400, put, s3=s3, bucket=name, wanted="Enabled")
    assert error["Message"] == "S3 Transfer Acceleration is not supported for buckets with periods (.) in their names"
    assert "Status" not in s3.get_bucket_accelerate_configuration(Bucket=name)


@pytest.mark.parametrize(
    ("document", "code"),
    [
        (b"", "MissingRequestBodyError"),
        (b"<AccelerateConfiguration/>", "MalformedXML"),
        (b"<AccelerateConfiguration><Status>On</Status></AccelerateConfiguration>", "MalformedXML"),
        (b"<AccelerateConfiguration><Status></Status></AccelerateConfiguration>", "MalformedXML"),
        (b"<Accelerate><Status>Enabled</Status></Accelerate>", "MalformedXML"),
    ],
)
def test_documents_that_are_none(raw, bucket, document, code):
    assert raw.request("PUT", f"/{bucket}", "accelerate", body=document).told == (400, code)


def test_of_no_bucket_and_by_strangers(s3, alice, bucket, new_name, refused):
    refused("NoSuchBucket", 404, put, s3=s3, bucket=new_name(), wanted="Enabled")
    refused("AccessDenied", 403, put, s3=alice, bucket=bucket, wanted="Enabled")
