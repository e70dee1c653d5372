"""PutBucketRequestPayment: kept; requesters of other accounts then say that they pay."""

import pytest


def put(s3, bucket, payer):
    return s3.put_bucket_request_payment(Bucket=bucket, RequestPaymentConfiguration={"Payer": payer})


def test_round_trip(s3, bucket):
    for payer in ("Requester", "BucketOwner", "Requester"):
        assert put(s3, bucket, payer)["ResponseMetadata"]["HTTPStatusCode"] == 200
        assert s3.get_bucket_request_payment(Bucket=bucket)["Payer"] == payer


@pytest.mark.parametrize(
    ("document", "code"),
    [
        (b"", "MissingRequestBodyError"),
        (b"<RequestPaymentConfiguration/>", "MalformedXML"),
        (b"<RequestPaymentConfiguration><Payer>Nobody</Payer></RequestPaymentConfiguration>", "MalformedXML"),
        (b"<RequestPaymentConfiguration><Payer>requester</Payer></RequestPaymentConfiguration>", "MalformedXML"),
        (b"<Payment><Payer>Requester</Payer></Payment>", "MalformedXML"),
    ],
)
def test_documents_that_are_none(raw, bucket, document, code):
    assert raw.request("PUT", f"/{bucket}", "requestPayment", body=document).told == (400, code)


def test_of_no_bucket_and_by_strangers(s3, alice, bucket, new_name, refused):
    refused("NoSuchBucket", 404, put, s3=s3, bucket=new_name(), payer="Requester")
    refused("AccessDenied", 403, put, s3=alice, bucket=bucket, payer="Requester")


def test_the_owner_need_not_say_so(s3, bucket):
    put(s3, bucket, "Requester")
    for more in ({}, {"RequestPayer": "requester"}):
        answer = s3.put_object(Bucket=bucket, Key="k", Body=b"x", **more)
        assert "RequestCharged" not in answer
        assert s3.get_object(Bucket=bucket, Key="k", **more)["Body"].read() == b"x"
