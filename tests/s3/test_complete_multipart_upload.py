"""CompleteMultipartUpload: the list of parts, the object that comes of it, repetitions."""

import pytest
from multipart_uploads import LARGE, PART_BYTES, complete, create, etag_of, upload


def test_parts_that_are_not_named_are_dropped(s3, bucket, refused):
    upload_id = create(s3, bucket)
    kept = upload(s3, bucket, upload_id, 2, b"kept")
    upload(s3, bucket, upload_id, 1, b"dropped")
    upload(s3, bucket, upload_id, 3, b"dropped")
    assert complete(s3, bucket, upload_id, [kept])["ETag"] == etag_of(b"kept")
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"kept"
    refused("NoSuchUpload", 404, s3.list_parts, Bucket=bucket, Key="k", UploadId=upload_id)


def test_a_part_too_small(s3, bucket, refused):
    upload_id = create(s3, bucket)
    parts = [upload(s3, bucket, upload_id, number, body) for number, body in ((1, LARGE[:-1]), (2, b"end"))]
    error = refused(
        *("EntityTooSmall", 400, s3.complete_multipart_upload),
        Bucket=bucket, Key="k", UploadId=upload_id, MultipartUpload={"Parts": parts},
    )
    assert error["ProposedSize"] == str(PART_BYTES - 1)
    assert error["MinSizeAllowed"] == str(PART_BYTES)
    assert error["PartNumber"] == "1"
    assert "Contents" not in s3.list_objects_v2(Bucket=bucket)
    parts[0] = upload(s3, bucket, upload_id, 1, LARGE)
    complete(s3, bucket, upload_id, parts)


def test_a_wrong_list_of_parts(s3, bucket, refused):
    upload_id = create(s3, bucket)
    one, two = (upload(s3, bucket, upload_id, number, LARGE) for number in (1, 2))
    other = {**two, "ETag": '"00000000000000000000000000000000"'}
    for code, parts in (
        ("InvalidPartOrder", [two, one]),
        ("InvalidPartOrder", [one, one]),
        ("InvalidPart", [one, {**two, "PartNumber": 3}]),
        ("InvalidPart", [one, other]),
        ("InvalidPart", [one, {**two, "ETag": "x"}]),
        ("InvalidPart", [one, {**two, "ChecksumCRC32": "AAAAAA=="}]),
    ):
        refused(
            *(code, 400, s3.complete_multipart_upload),
            Bucket=bucket, Key="k", UploadId=upload_id, MultipartUpload={"Parts": parts},
        )
    refused("MalformedXML", 400, s3.complete_multipart_upload, Bucket=bucket, Key="k", UploadId=upload_id)
    assert "Contents" not in s3.list_objects_v2(Bucket=bucket)
    complete(s3, bucket, upload_id, [one, {**two, "ETag": two["ETag"].strip('"')}])


@pytest.mark.parametrize(
    "document",
    [
        b"",
        b"<CompleteMultipartUpload/>",
        b"<CompleteMultipartUpload>",
        b"<Other><Part><PartNumber>1</PartNumber><ETag>x</ETag></Part></Other>",
        b"<CompleteMultipartUpload><Part><PartNumber>one</PartNumber><ETag>x</ETag></Part></CompleteMultipartUpload>",
        b"<!DOCTYPE x><CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>x</ETag></Part></CompleteMultipartUpload>",
    ],
)
def test_malformed_lists(s3, raw, bucket, document):
    upload_id = create(s3, bucket)
    answer = raw.request("POST", f"/{bucket}/k", [("uploadId", upload_id)], body=document)
    assert answer.told == (400, "MalformedXML")
    assert s3.list_parts(Bucket=bucket, Key="k", UploadId=upload_id)["UploadId"] == upload_id


def test_complete_twice_answers_the_same(s3, bucket):
    """A client whose connection broke asks again."""
    upload_id = create(s3, bucket)
    parts = [upload(s3, bucket, upload_id, 1, b"x")]
    first = complete(s3, bucket, upload_id, parts)
    second = complete(s3, bucket, upload_id, parts)
    for name in ("ETag", "Bucket", "Key", "Location", "ChecksumCRC32", "ChecksumType"):
        assert first[name] == second[name], name


def test_after_completion_the_upload_is_gone(s3, bucket, refused):
    upload_id = create(s3, bucket)
    complete(s3, bucket, upload_id, [upload(s3, bucket, upload_id, 1, b"x")])
    named = {"Bucket": bucket, "Key": "k", "UploadId": upload_id}
    refused("NoSuchUpload", 404, s3.upload_part, **named, PartNumber=2, Body=b"x")
    refused("NoSuchUpload", 404, s3.abort_multipart_upload, **named)
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"x"


@pytest.mark.parametrize("size", [PART_BYTES - 1, PART_BYTES, PART_BYTES + 1, 6 << 20])
def test_sizes_at_the_edges(s3, bucket, size):
    first = (bytes(range(251)) * (size // 251 + 1))[: max(size, PART_BYTES)]
    last = first[: size - PART_BYTES + 7]
    upload_id = create(s3, bucket)
    parts = [upload(s3, bucket, upload_id, number, body) for number, body in ((1, first), (2, last))]
    complete(s3, bucket, upload_id, parts)
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == first + last
