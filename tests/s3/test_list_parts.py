"""ListParts, page by page."""

import base64

import pytest
from access import ALICE_ACCOUNT, ROOT_ACCOUNT, policy, statement
from encryption_kinds import customer, key_md5

NUMBERS = [1, 2, 5, 9_999, 10_000]


@pytest.fixture(scope="module")
def upload(s3, new_name):
    name = new_name()
    s3.create_bucket(Bucket=name)
    named = {
        "Bucket": name,
        "Key": "k",
        "UploadId": s3.create_multipart_upload(Bucket=name, Key="k", StorageClass="STANDARD_IA")["UploadId"],
    }
    for number in reversed(NUMBERS):
        s3.upload_part(**named, PartNumber=number, Body=b"x" * (number % 7))
    return named


def test_all(s3, upload):
    answer = s3.list_parts(**upload)
    assert [(part["PartNumber"], part["Size"]) for part in answer["Parts"]] == [(number, number % 7) for number in NUMBERS]
    assert (answer["IsTruncated"], answer["MaxParts"], answer["PartNumberMarker"]) == (False, 1000, 0)
    assert answer["NextPartNumberMarker"] == 10_000
    assert answer["StorageClass"] == "STANDARD_IA"
    assert answer["Owner"] == answer["Initiator"]
    assert all(part["ETag"] and part["LastModified"] for part in answer["Parts"])


@pytest.mark.parametrize("size", [1, 2, 4, 5, 6])
def test_pages(s3, upload, size):
    found, marker = [], 0
    while True:
        answer = s3.list_parts(**upload, MaxParts=size, PartNumberMarker=marker)
        numbers = [part["PartNumber"] for part in answer["Parts"]]
        assert len(numbers) <= size
        found += numbers
        if not answer["IsTruncated"]:
            break
        assert len(numbers) == size
        marker = answer["NextPartNumberMarker"]
        assert marker == numbers[-1]
    assert found == NUMBERS


def test_behind_the_last(s3, upload):
    answer = s3.list_parts(**upload, PartNumberMarker=10_000)
    assert "Parts" not in answer
    assert answer["IsTruncated"] is False


@pytest.mark.parametrize("query", ["max-parts=abc", "max-parts=-1", "part-number-marker=x", "part-number-marker=-1"])
def test_bad_numbers(raw, upload, query):
    answer = raw.request("GET", f"/{upload['Bucket']}/k", f"uploadId={upload['UploadId']}&{query}")
    assert answer.told == (400, "InvalidArgument")


def test_the_document(raw, upload):
    answer = raw.request("GET", f"/{upload['Bucket']}/k", [("uploadId", upload["UploadId"]), ("max-parts", "1")])
    assert (answer.status, answer.xml.tag) == (200, "ListPartsResult")
    tags = [element.tag for element in answer.xml]
    assert {*tags} >= {"Bucket", "Key", "UploadId", "PartNumberMarker", "NextPartNumberMarker", "MaxParts", "IsTruncated", "Part"}
    assert {element.tag for element in answer.xml.find("Part")} >= {"PartNumber", "LastModified", "ETag", "Size"}
    assert answer.xml.findtext("Part/LastModified").endswith("Z")


def test_of_an_upload_with_a_key_of_the_client(s3, bucket):
    """S3 takes the key and does not need it for the list."""
    given = customer(bytes(range(32)))
    named = {"Bucket": bucket, "Key": "k"}
    named["UploadId"] = s3.create_multipart_upload(**named, **given)["UploadId"]
    s3.upload_part(**named, PartNumber=1, Body=b"x", **given)
    text = {**given, "SSECustomerKey": base64.b64encode(bytes(range(32))).decode(), "SSECustomerKeyMD5": key_md5(bytes(range(32)))}
    for more in ({}, text):
        assert [part["PartNumber"] for part in s3.list_parts(**named, **more)["Parts"]] == [1]


def test_the_permission(s3, alice, anonymous, bucket, refused):
    named = {"Bucket": bucket, "Key": "k"}
    named["UploadId"] = s3.create_multipart_upload(**named)["UploadId"]
    refused("AccessDenied", 403, alice.list_parts, **named)
    assert anonymous.request("GET", f"/{bucket}/k", [("uploadId", named["UploadId"])]).told == (403, "AccessDenied")
    one = {"Principal": {"AWS": ALICE_ACCOUNT}}
    s3.put_bucket_policy(Bucket=bucket, Policy=policy(statement(bucket, Action="s3:ListMultipartUploadParts", **one)))
    answer = alice.list_parts(**named, ExpectedBucketOwner=ROOT_ACCOUNT, RequestPayer="requester")
    assert answer["UploadId"] == named["UploadId"]
