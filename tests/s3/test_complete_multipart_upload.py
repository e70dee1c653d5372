"""CompleteMultipartUpload: the list of parts, the object that comes of it, repetitions."""

import base64

import pytest
from access import ALICE_ACCOUNT, ROOT_ACCOUNT, policy, statement
from checksum_values import DIGESTS, value
from encryption_kinds import key_md5
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


FULL = {"CRC32", "CRC32C", "CRC64NVME"}  # that S3 combines to one of the full object


@pytest.fixture
def ready(s3, bucket):
    """(arguments, parts) of an upload of one part."""
    upload_id = create(s3, bucket)
    return {"Bucket": bucket, "Key": "k", "UploadId": upload_id}, [upload(s3, bucket, upload_id, 1, b"body")]


def test_the_document(raw, s3, server, ready):
    named, parts = ready
    part = f"<Part><PartNumber>1</PartNumber><ETag>{parts[0]['ETag']}</ETag></Part>"
    document = f"<CompleteMultipartUpload>{part}</CompleteMultipartUpload>"
    answer = raw.request("POST", f"/{named['Bucket']}/k", [("uploadId", named["UploadId"])], body=document.encode())
    assert (answer.status, answer.headers["content-type"]) == (200, "application/xml")
    assert answer.xml.tag == "CompleteMultipartUploadResult"
    tags = [element.tag for element in answer.xml]
    assert tags[:4] == ["Location", "Bucket", "Key", "ETag"]
    assert set(tags[4:]) == {"ChecksumCRC32", "ChecksumType"}
    assert answer.xml.findtext("Location") == f"{server.endpoint}/{named['Bucket']}/k"
    assert "x-amz-version-id" not in answer.headers


@pytest.mark.parametrize("algorithm", sorted(DIGESTS))
def test_the_checksum_of_the_whole(s3, bucket, refused, algorithm):
    kind = "FULL_OBJECT" if algorithm in FULL else "COMPOSITE"
    upload_id = create(s3, bucket, ChecksumAlgorithm=algorithm, ChecksumType=kind)
    name = f"Checksum{algorithm}"
    parts = [upload(s3, bucket, upload_id, 1, b"body", **{name: value(algorithm, b"body")})]
    whole = value(algorithm, b"body") if kind == "FULL_OBJECT" else f"{value(algorithm, DIGESTS[algorithm](b'body'))}-1"
    named = {"Bucket": bucket, "Key": "k", "UploadId": upload_id, "MultipartUpload": {"Parts": parts}}
    wrong = {name: value(algorithm, b"other"), "ChecksumType": kind}
    refused("BadDigest", 400, s3.complete_multipart_upload, **named, **wrong)
    answer = s3.complete_multipart_upload(**named, **{name: whole, "ChecksumType": kind})
    assert (answer[name], answer["ChecksumType"]) == (whole, kind)
    head = s3.head_object(Bucket=bucket, Key="k", ChecksumMode="ENABLED")
    assert (head[name], head["ChecksumType"]) == (whole, kind)


def test_the_size_of_the_whole(s3, ready, refused):
    named, parts = ready
    named = {**named, "MultipartUpload": {"Parts": parts}}
    refused("InvalidRequest", 400, s3.complete_multipart_upload, **named, MpuObjectSize=5)
    s3.complete_multipart_upload(**named, MpuObjectSize=4)


def test_conditions(s3, ready, refused):
    named, parts = ready
    named = {**named, "MultipartUpload": {"Parts": parts}}
    etag = s3.put_object(Bucket=named["Bucket"], Key="k", Body=b"there")["ETag"]
    refused("PreconditionFailed", 412, s3.complete_multipart_upload, **named, IfNoneMatch="*")
    refused("PreconditionFailed", 412, s3.complete_multipart_upload, **named, IfMatch='"x"')
    assert s3.get_object(Bucket=named["Bucket"], Key="k")["Body"].read() == b"there"
    s3.complete_multipart_upload(**named, IfMatch=etag)
    assert s3.get_object(Bucket=named["Bucket"], Key="k")["Body"].read() == b"body"


def test_in_a_versioned_bucket(s3, versioned):
    before = s3.put_object(Bucket=versioned, Key="k", Body=b"there")["VersionId"]
    upload_id = create(s3, versioned)
    answer = complete(s3, versioned, upload_id, [upload(s3, versioned, upload_id, 1, b"body")])
    found = [row["VersionId"] for row in s3.list_object_versions(Bucket=versioned)["Versions"]]
    assert found == [answer["VersionId"], before]


def test_of_no_bucket(s3, ready, new_name, refused):
    named, parts = ready
    named = {**named, "Bucket": new_name(), "MultipartUpload": {"Parts": parts}}
    refused("NoSuchBucket", 404, s3.complete_multipart_upload, **named)


def test_the_permission(s3, alice, ready, refused):
    named, parts = ready
    bucket, named = named["Bucket"], {**named, "MultipartUpload": {"Parts": parts}}
    refused("AccessDenied", 403, alice.complete_multipart_upload, **named)
    refused("AccessDenied", 403, s3.complete_multipart_upload, **named, ExpectedBucketOwner=ALICE_ACCOUNT)
    assert "Contents" not in s3.list_objects_v2(Bucket=bucket)
    one = {"Principal": {"AWS": ALICE_ACCOUNT}}
    s3.put_bucket_policy(Bucket=bucket, Policy=policy(statement(bucket, Action="s3:PutObject", **one)))
    answer = alice.complete_multipart_upload(**named, ExpectedBucketOwner=ROOT_ACCOUNT, RequestPayer="requester")
    assert answer["ETag"] == etag_of(b"body")


def test_a_key_of_the_client_with_its_md5(s3, bucket, refused):
    key = bytes(range(32))
    given = {"SSECustomerAlgorithm": "AES256", "SSECustomerKey": key}
    upload_id = create(s3, bucket, **given)
    parts = [upload(s3, bucket, upload_id, 1, b"body", **given)]
    named = {"Bucket": bucket, "Key": "k", "UploadId": upload_id, "MultipartUpload": {"Parts": parts}}
    text = {**given, "SSECustomerKey": base64.b64encode(key).decode()}
    refused("InvalidArgument", 400, s3.complete_multipart_upload, **named, **text, SSECustomerKeyMD5=key_md5(b"x" * 32))
    s3.complete_multipart_upload(**named, **text, SSECustomerKeyMD5=key_md5(key))
    assert s3.get_object(Bucket=bucket, Key="k", **given)["Body"].read() == b"body"
