"""UploadPartCopy: parts made of objects and of ranges of them."""

import base64
import datetime
import hashlib

import pytest
from access import ALICE_ACCOUNT, ROOT_ACCOUNT
from encryption_kinds import customer, key_md5

PART_BYTES = 5 << 20
HOUR = datetime.timedelta(hours=1)
BODY = bytes(range(256)) * 24_000  # 6,144,000 bytes


@pytest.fixture
def upload(s3, bucket):
    s3.put_object(Bucket=bucket, Key="source", Body=BODY)
    return {"Bucket": bucket, "Key": "k", "UploadId": s3.create_multipart_upload(Bucket=bucket, Key="k")["UploadId"]}


def source(upload, **more):
    return {"Bucket": upload["Bucket"], "Key": "source", **more}


def test_ranges_put_together(s3, upload):
    spans = [(100, 100 + PART_BYTES), (0, PART_BYTES + 1), (6_143_990, 6_144_000)]
    parts = []
    for number, (start, end) in enumerate(spans, 1):
        answer = s3.upload_part_copy(
            **upload, PartNumber=number, CopySource=source(upload), CopySourceRange=f"bytes={start}-{end - 1}"
        )
        result = answer["CopyPartResult"]
        assert result["ETag"] == f'"{hashlib.md5(BODY[start:end]).hexdigest()}"'
        assert result["LastModified"]
        parts.append({"PartNumber": number, "ETag": result["ETag"]})
    s3.complete_multipart_upload(**upload, MultipartUpload={"Parts": parts})
    got = s3.get_object(Bucket=upload["Bucket"], Key="k")["Body"].read()
    assert got == b"".join(BODY[start:end] for start, end in spans)


def test_a_whole_object_and_sent_bytes(s3, upload):
    one = s3.upload_part_copy(**upload, PartNumber=1, CopySource=source(upload))["CopyPartResult"]
    two = s3.upload_part(**upload, PartNumber=2, Body=b"end")
    parts = [{"PartNumber": number, "ETag": part["ETag"]} for number, part in ((1, one), (2, two))]
    s3.complete_multipart_upload(**upload, MultipartUpload={"Parts": parts})
    assert s3.get_object(Bucket=upload["Bucket"], Key="k")["Body"].read() == BODY + b"end"


def test_an_append_to_itself(s3, bucket):
    """docker-registry goes on so: the object becomes the first part of its successor."""
    s3.put_object(Bucket=bucket, Key="k", Body=BODY)
    named = {"Bucket": bucket, "Key": "k", "UploadId": s3.create_multipart_upload(Bucket=bucket, Key="k")["UploadId"]}
    one = s3.upload_part_copy(**named, PartNumber=1, CopySource={"Bucket": bucket, "Key": "k"})["CopyPartResult"]
    two = s3.upload_part(**named, PartNumber=2, Body=b"more")
    parts = [{"PartNumber": number, "ETag": part["ETag"]} for number, part in ((1, one), (2, two))]
    s3.complete_multipart_upload(**named, MultipartUpload={"Parts": parts})
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == BODY + b"more"


@pytest.mark.parametrize(
    "text", ["bytes=0-6144000", "bytes=6144000-6144001", "bytes=5-4", "bytes=0-", "bytes=-5", "0-5", "bytes=a-b", ""]
)
def test_ranges_that_are_none(s3, raw, upload, text):
    query = [("partNumber", "1"), ("uploadId", upload["UploadId"])]
    headers = {"x-amz-copy-source": f"/{upload['Bucket']}/source", "x-amz-copy-source-range": text}
    answer = raw.request("PUT", f"/{upload['Bucket']}/k", query, headers, b"")
    assert answer.status in (400, 416)
    assert answer.code in ("InvalidArgument", "InvalidRange")
    assert "Parts" not in s3.list_parts(**upload)


def test_a_version(s3, versioned):
    old = s3.put_object(Bucket=versioned, Key="source", Body=b"old")["VersionId"]
    s3.put_object(Bucket=versioned, Key="source", Body=b"new")
    named = {"Bucket": versioned, "Key": "k", "UploadId": s3.create_multipart_upload(Bucket=versioned, Key="k")["UploadId"]}
    answer = s3.upload_part_copy(**named, PartNumber=1, CopySource={"Bucket": versioned, "Key": "source", "VersionId": old})
    assert answer["CopySourceVersionId"] == old
    parts = [{"PartNumber": 1, "ETag": answer["CopyPartResult"]["ETag"]}]
    s3.complete_multipart_upload(**named, MultipartUpload={"Parts": parts})
    assert s3.get_object(Bucket=versioned, Key="k")["Body"].read() == b"old"


def test_conditions(s3, upload, refused):
    etag = s3.head_object(Bucket=upload["Bucket"], Key="source")["ETag"]
    arguments = {**upload, "PartNumber": 1, "CopySource": source(upload)}
    refused("PreconditionFailed", 412, s3.upload_part_copy, **arguments, CopySourceIfNoneMatch=etag)
    refused("PreconditionFailed", 412, s3.upload_part_copy, **arguments, CopySourceIfMatch='"0"')
    assert "Parts" not in s3.list_parts(**upload)
    s3.upload_part_copy(**arguments, CopySourceIfMatch=etag)


def test_what_is_not_there(s3, upload, refused):
    arguments = {**upload, "PartNumber": 1}
    missing = {"Bucket": upload["Bucket"], "Key": "none"}
    refused("NoSuchKey", 404, s3.upload_part_copy, **arguments, CopySource=missing)
    nowhere = {**arguments, "UploadId": "nonsense"}
    refused("NoSuchUpload", 404, s3.upload_part_copy, **nowhere, CopySource=source(upload))
    refused("InvalidArgument", 400, s3.upload_part_copy, **{**arguments, "PartNumber": 10_001}, CopySource=source(upload))


def test_checksums_of_copied_parts(s3, bucket):
    s3.put_object(Bucket=bucket, Key="source", Body=b"123456789")
    upload = s3.create_multipart_upload(Bucket=bucket, Key="k", ChecksumAlgorithm="CRC32C")
    named = {"Bucket": bucket, "Key": "k", "UploadId": upload["UploadId"]}
    result = s3.upload_part_copy(**named, PartNumber=1, CopySource={"Bucket": bucket, "Key": "source"})["CopyPartResult"]
    assert result["ChecksumCRC32C"] == "4waSgw=="
    parts = [{"PartNumber": 1, "ETag": result["ETag"], "ChecksumCRC32C": result["ChecksumCRC32C"]}]
    assert s3.complete_multipart_upload(**named, MultipartUpload={"Parts": parts})["ChecksumType"] == "COMPOSITE"


def test_conditions_of_time(s3, upload, refused):
    modified = s3.head_object(Bucket=upload["Bucket"], Key="source")["LastModified"]
    arguments = {**upload, "PartNumber": 1, "CopySource": source(upload)}
    refused("PreconditionFailed", 412, s3.upload_part_copy, **arguments, CopySourceIfModifiedSince=modified)
    refused("PreconditionFailed", 412, s3.upload_part_copy, **arguments, CopySourceIfUnmodifiedSince=modified - HOUR)
    assert "Parts" not in s3.list_parts(**upload)
    s3.upload_part_copy(**arguments, CopySourceIfModifiedSince=modified - HOUR)
    s3.upload_part_copy(**arguments, CopySourceIfUnmodifiedSince=modified)


def test_the_expected_owners(s3, upload, refused):
    arguments = {**upload, "PartNumber": 1, "CopySource": source(upload)}
    for name in ("ExpectedBucketOwner", "ExpectedSourceBucketOwner"):
        refused("AccessDenied", 403, s3.upload_part_copy, **arguments, **{name: ALICE_ACCOUNT})
    assert "Parts" not in s3.list_parts(**upload)
    s3.upload_part_copy(
        **arguments, ExpectedBucketOwner=ROOT_ACCOUNT, ExpectedSourceBucketOwner=ROOT_ACCOUNT, RequestPayer="requester"
    )


def test_keys_of_the_client_with_their_md5(s3, bucket, refused):
    key, other = bytes(range(32)), bytes(32)
    s3.put_object(Bucket=bucket, Key="source", Body=b"sealed", **customer(key))
    made = s3.create_multipart_upload(Bucket=bucket, Key="k", **customer(other))
    named = {"Bucket": bucket, "Key": "k", "UploadId": made["UploadId"], "PartNumber": 1, "CopySource": f"{bucket}/source"}
    texts = [base64.b64encode(one).decode() for one in (key, other)]
    given = {
        "CopySourceSSECustomerAlgorithm": "AES256", "CopySourceSSECustomerKey": texts[0],
        "SSECustomerAlgorithm": "AES256", "SSECustomerKey": texts[1],
    }
    digests = {"CopySourceSSECustomerKeyMD5": key_md5(key), "SSECustomerKeyMD5": key_md5(other)}
    for name in digests:
        refused("InvalidArgument", 400, s3.upload_part_copy, **named, **given, **{**digests, name: key_md5(b"no" * 16)})
    answer = s3.upload_part_copy(**named, **given, **digests)
    assert answer["SSECustomerKeyMD5"] == key_md5(other)
