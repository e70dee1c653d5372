"""Buckets whose requesters pay: others say so with each request, or are refused; answers tell that they were charged."""

import json

import pytest
from dev_server import ALICE
from raw_s3 import RawS3

PAYS = {"x-amz-request-payer": "requester"}


@pytest.fixture
def shared(s3, bucket):
    """Everybody may do everything; nobody pays but who asks."""
    names = [f"arn:aws:s3:::{bucket}", f"arn:aws:s3:::{bucket}/*"]
    statement = {"Effect": "Allow", "Principal": "*", "Action": "s3:*", "Resource": names}
    s3.put_bucket_policy(Bucket=bucket, Policy=json.dumps({"Version": "2012-10-17", "Statement": [statement]}))
    s3.put_object(Bucket=bucket, Key="k", Body=b"x", Tagging="a=1")
    s3.put_bucket_request_payment(Bucket=bucket, RequestPaymentConfiguration={"Payer": "Requester"})
    return bucket


CALLS = [
    ("get_object", {"Key": "k"}),
    ("head_object", {"Key": "k"}),
    ("put_object", {"Key": "new", "Body": b"y"}),
    ("list_objects_v2", {}),
    ("list_objects", {}),
    ("list_object_versions", {}),
    ("list_multipart_uploads", {}),
    ("get_object_tagging", {"Key": "k"}),
    ("put_object_tagging", {"Key": "k", "Tagging": {"TagSet": []}}),
    ("get_object_attributes", {"Key": "k", "ObjectAttributes": ["ETag"]}),
    ("create_multipart_upload", {"Key": "k"}),
    ("delete_object", {"Key": "k"}),
    ("delete_objects", {"Delete": {"Objects": [{"Key": "k"}]}}),
]


def headers_of(answer):
    if "Body" in answer:
        answer["Body"].read()  # else its connection is left open
    return answer["ResponseMetadata"]["HTTPHeaders"]


@pytest.mark.parametrize(("name", "more"), CALLS, ids=[name for name, _ in CALLS])
def test_who_asks_says_so(s3, alice, shared, refused, name, more):
    call = getattr(alice, name)
    refused("403" if name == "head_object" else "AccessDenied", 403, call, Bucket=shared, **more)
    assert s3.head_object(Bucket=shared, Key="k")["TagCount"] == 1
    assert headers_of(call(Bucket=shared, **more, RequestPayer="requester"))["x-amz-request-charged"] == "requester"
    if name not in ("delete_object", "delete_objects"):
        assert "x-amz-request-charged" not in headers_of(getattr(s3, name)(Bucket=shared, **more))


def test_the_value_counts(alice, server, shared):
    raw = RawS3(server.port, ALICE)
    for value, status in (("requester", 200), ("Requester", 200), ("owner", 403), ("", 403)):
        assert raw.request("GET", f"/{shared}/k", headers={"x-amz-request-payer": value}).status == status, value


def test_a_presigned_address(server, anonymous, shared):
    raw = RawS3(server.port, ALICE)
    bare = raw.presigned("GET", f"/{shared}/k")
    assert anonymous.request("GET", f"/{shared}/k", bare).told == (403, "AccessDenied")
    pays = raw.presigned("GET", f"/{shared}/k", [("x-amz-request-payer", "requester")])
    answer = anonymous.request("GET", f"/{shared}/k", pays)
    assert (answer.status, answer.body, answer.headers["x-amz-request-charged"]) == (200, b"x", "requester")


def test_nobody_cannot_pay(anonymous, shared):
    for headers in ({}, PAYS):
        assert anonymous.request("GET", f"/{shared}/k", headers=headers).told == (403, "AccessDenied")


def test_the_source_of_a_copy(alice, shared, new_name, refused):
    own = new_name()
    alice.create_bucket(Bucket=own)
    source = {"Bucket": shared, "Key": "k"}
    refused("AccessDenied", 403, alice.copy_object, Bucket=own, Key="c", CopySource=source)
    alice.copy_object(Bucket=own, Key="c", CopySource=source, RequestPayer="requester")
    assert alice.get_object(Bucket=own, Key="c")["Body"].read() == b"x"


def test_settings_cost_nothing(alice, shared):
    assert alice.get_bucket_request_payment(Bucket=shared)["Payer"] == "Requester"
    assert alice.get_bucket_location(Bucket=shared)["LocationConstraint"] is None


def test_the_owner_pays_again(s3, alice, shared):
    s3.put_bucket_request_payment(Bucket=shared, RequestPaymentConfiguration={"Payer": "BucketOwner"})
    answer = alice.get_object(Bucket=shared, Key="k", RequestPayer="requester")
    assert (answer["Body"].read(), answer.get("RequestCharged")) == (b"x", None)


def test_without_permission_nothing_helps(s3, alice, bucket, refused):
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    s3.put_bucket_request_payment(Bucket=bucket, RequestPaymentConfiguration={"Payer": "Requester"})
    refused("AccessDenied", 403, alice.get_object, Bucket=bucket, Key="k", RequestPayer="requester")
