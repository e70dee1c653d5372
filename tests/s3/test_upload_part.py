"""UploadPart: numbers, sizes, order, parts sent again, and uploads that are not there."""

import pytest
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
