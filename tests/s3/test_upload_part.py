"""UploadPart: numbers, sizes, order, parts sent again, and uploads that are not there."""

import base64
import hashlib
import io

import pytest
from access import ALICE_ACCOUNT, ROOT_ACCOUNT, policy, statement
from checksum_values import DIGESTS, value
from encryption_kinds import key_md5
from multipart_uploads import LARGE, PART_BYTES, complete, create, etag_of, upload


def test_parts_may_come_in_any_order_and_leave_gaps(s3, bucket):
    upload_id = create(s3, bucket)
    bodies = {10_000: b"last", 7: b"7" * PART_BYTES, 1: LARGE}
    parts = [upload(s3, bucket, upload_id, number, body) for number, body in bodies.items()]
    complete(s3, bucket, upload_id, sorted(parts, key=lambda part: part["PartNumber"]))
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == LARGE + b"7" * PART_BYTES + b"last"


def test_a_part_sent_again_replaces_the_first(s3, bucket, refused):
    upload_id = create(s3, bucket)
    first = upload(s3, bucket, upload_id, 1, b"first")
    second = upload(s3, bucket, upload_id, 1, b"second, longer")
    error = refused(
        *("InvalidPart", 400, s3.complete_multipart_upload),
        Bucket=bucket, Key="k", UploadId=upload_id, MultipartUpload={"Parts": [first]},
    )
    assert (error["PartNumber"], error["UploadId"]) == ("1", upload_id)
    complete(s3, bucket, upload_id, [second])
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"second, longer"


def test_an_empty_part(s3, bucket):
    upload_id = create(s3, bucket)
    complete(s3, bucket, upload_id, [upload(s3, bucket, upload_id, 1, b"")])
    answer = s3.get_object(Bucket=bucket, Key="k")
    assert (answer["Body"].read(), answer["ETag"]) == (b"", etag_of(b""))


@pytest.mark.parametrize("number", ["0", "-1", "10001", "x", "", "99999999999999999999"])
def test_part_numbers_that_are_none(s3, raw, bucket, number):
    upload_id = create(s3, bucket)
    answer = raw.request("PUT", f"/{bucket}/k", [("partNumber", number), ("uploadId", upload_id)], body=b"x")
    assert answer.told == (400, "InvalidArgument")
    assert "Parts" not in s3.list_parts(Bucket=bucket, Key="k", UploadId=upload_id)


def test_the_upload_belongs_to_its_key(s3, bucket, refused):
    upload_id = create(s3, bucket, "k")
    refused(
        "NoSuchUpload", 404, s3.upload_part, Bucket=bucket, Key="other", UploadId=upload_id, PartNumber=1, Body=b"x"
    )


BODY = b"the body of the part"


@pytest.fixture
def begun(s3, bucket):
    """Arguments of the first part of a new upload."""
    return {"Bucket": bucket, "Key": "k", "UploadId": create(s3, bucket), "PartNumber": 1}


def listed(s3, begun):
    answer = s3.list_parts(Bucket=begun["Bucket"], Key="k", UploadId=begun["UploadId"])
    return [(part["PartNumber"], part["Size"], part["ETag"]) for part in answer.get("Parts", [])]


def test_the_answer(raw, begun):
    query = [("partNumber", "1"), ("uploadId", begun["UploadId"])]
    answer = raw.request("PUT", f"/{begun['Bucket']}/k", query, body=BODY)
    assert (answer.status, answer.body) == (200, b"")
    assert answer.headers["etag"] == f'"{hashlib.md5(BODY).hexdigest()}"'
    assert not {"x-amz-version-id", "x-amz-checksum-type"} & answer.headers.keys()


@pytest.mark.parametrize("number", [1, 2, 9_999, 10_000])
def test_numbers(s3, begun, number):
    etag = s3.upload_part(**{**begun, "PartNumber": number}, Body=BODY)["ETag"]
    assert listed(s3, begun) == [(number, len(BODY), etag)]


@pytest.mark.parametrize("algorithm", sorted(DIGESTS))
def test_a_checksum_that_is_given(s3, begun, refused, algorithm):
    name = f"Checksum{algorithm}"
    refused("BadDigest", 400, s3.upload_part, **begun, Body=BODY, **{name: value(algorithm, b"other")})
    assert listed(s3, begun) == []
    assert s3.upload_part(**begun, Body=BODY, **{name: value(algorithm, BODY)})[name] == value(algorithm, BODY)


@pytest.mark.parametrize("algorithm", ["CRC32", "CRC32C", "CRC64NVME", "SHA1", "SHA256"])
def test_a_checksum_that_the_client_computes(s3, bucket, algorithm):
    upload_id = create(s3, bucket, ChecksumAlgorithm=algorithm)
    part = upload(s3, bucket, upload_id, 1, BODY, ChecksumAlgorithm=algorithm)
    assert part[f"Checksum{algorithm}"] == value(algorithm, BODY)
    found = s3.list_parts(Bucket=bucket, Key="k", UploadId=upload_id)["Parts"][0]
    assert found[f"Checksum{algorithm}"] == value(algorithm, BODY)


def test_content_md5_and_length(s3, begun, refused):
    text = base64.b64encode(hashlib.md5(BODY).digest()).decode()
    refused("BadDigest", 400, s3.upload_part, **begun, Body=b"other", ContentMD5=text)
    refused("InvalidDigest", 400, s3.upload_part, **begun, Body=BODY, ContentMD5="no digest")
    assert listed(s3, begun) == []
    s3.upload_part(**begun, Body=io.BytesIO(BODY), ContentMD5=text, ContentLength=len(BODY))
    assert listed(s3, begun)[0][1] == len(BODY)


def test_the_upload_is_somewhere_else(s3, begun, new_name, refused):
    other = new_name()
    s3.create_bucket(Bucket=other)
    refused("NoSuchUpload", 404, s3.upload_part, **{**begun, "Bucket": other}, Body=BODY)
    refused("NoSuchBucket", 404, s3.upload_part, **{**begun, "Bucket": new_name()}, Body=BODY)


def test_the_permission(s3, alice, anonymous, begun, refused):
    bucket = begun["Bucket"]
    refused("AccessDenied", 403, alice.upload_part, **begun, Body=BODY)
    query = [("partNumber", "1"), ("uploadId", begun["UploadId"])]
    assert anonymous.request("PUT", f"/{bucket}/k", query, body=BODY).told == (403, "AccessDenied")
    refused("AccessDenied", 403, s3.upload_part, **begun, Body=BODY, ExpectedBucketOwner=ALICE_ACCOUNT)
    assert listed(s3, begun) == []
    one = {"Principal": {"AWS": ALICE_ACCOUNT}}
    s3.put_bucket_policy(Bucket=bucket, Policy=policy(statement(bucket, Action="s3:PutObject", **one)))
    alice.upload_part(**begun, Body=BODY, ExpectedBucketOwner=ROOT_ACCOUNT, RequestPayer="requester")
    assert len(listed(s3, begun)) == 1


def test_a_key_of_the_client_with_its_md5(s3, bucket, refused):
    key = bytes(range(32))
    upload_id = create(s3, bucket, SSECustomerAlgorithm="AES256", SSECustomerKey=key)
    named = {"Bucket": bucket, "Key": "k", "UploadId": upload_id, "PartNumber": 1, "Body": BODY}
    refused("InvalidRequest", 400, s3.upload_part, **named)
    given = {"SSECustomerAlgorithm": "AES256", "SSECustomerKey": base64.b64encode(key).decode()}
    refused("InvalidArgument", 400, s3.upload_part, **named, **given, SSECustomerKeyMD5=key_md5(b"x" * 32))
    assert s3.upload_part(**named, **given, SSECustomerKeyMD5=key_md5(key))["SSECustomerKeyMD5"] == key_md5(key)
