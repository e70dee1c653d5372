"""Multipart uploads: create, parts, complete, abort, and every way to do it wrong."""

import hashlib
from concurrent.futures import ThreadPoolExecutor

import pytest
from botocore.exceptions import ClientError

PART_BYTES = 5 << 20
LARGE = b"L" * PART_BYTES


def create(s3, bucket, key="k", **more):
    return s3.create_multipart_upload(Bucket=bucket, Key=key, **more)["UploadId"]


def upload(s3, bucket, upload_id, number, body, key="k", **more):
    """The entry of the part for CompleteMultipartUpload."""
    answer = s3.upload_part(Bucket=bucket, Key=key, UploadId=upload_id, PartNumber=number, Body=body, **more)
    kept = {name: value for name, value in answer.items() if name.startswith("Checksum")}
    return {"PartNumber": number, "ETag": answer["ETag"], **kept}


def complete(s3, bucket, upload_id, parts, key="k", **more):
    return s3.complete_multipart_upload(
        Bucket=bucket, Key=key, UploadId=upload_id, MultipartUpload={"Parts": parts}, **more
    )


def etag_of(*bodies):
    return f'"{hashlib.md5(b"".join(hashlib.md5(body).digest() for body in bodies)).hexdigest()}-{len(bodies)}"'


def test_all_of_it(s3, server, bucket):
    upload_id = create(s3, bucket, "a b", Metadata={"a": "b"}, ContentType="text/x", Tagging="t=1", StorageClass="STANDARD_IA")
    parts = [upload(s3, bucket, upload_id, number, body, "a b") for number, body in ((1, LARGE), (2, b"end"))]
    assert "Contents" not in s3.list_objects_v2(Bucket=bucket)
    answer = complete(s3, bucket, upload_id, parts, "a b")
    assert (answer["Bucket"], answer["Key"], answer["ETag"]) == (bucket, "a b", etag_of(LARGE, b"end"))
    assert answer["Location"] == f"{server.endpoint}/{bucket}/a%20b"
    got = s3.get_object(Bucket=bucket, Key="a b")
    assert got["Body"].read() == LARGE + b"end"
    assert (got["ETag"], got["Metadata"], got["ContentType"]) == (answer["ETag"], {"a": "b"}, "text/x")
    assert (got["TagCount"], got["StorageClass"]) == (1, "STANDARD_IA")
    listed = s3.list_objects_v2(Bucket=bucket)["Contents"][0]
    assert (listed["ETag"], listed["Size"]) == (answer["ETag"], PART_BYTES + 3)
    assert "Uploads" not in s3.list_multipart_uploads(Bucket=bucket)


def test_parts_may_come_in_any_order_and_leave_gaps(s3, bucket):
    upload_id = create(s3, bucket)
    bodies = {10_000: b"last", 7: b"7" * PART_BYTES, 1: LARGE}
    parts = [upload(s3, bucket, upload_id, number, body) for number, body in bodies.items()]
    complete(s3, bucket, upload_id, sorted(parts, key=lambda part: part["PartNumber"]))
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == LARGE + b"7" * PART_BYTES + b"last"


def test_parts_that_are_not_named_are_dropped(s3, bucket, refused):
    upload_id = create(s3, bucket)
    kept = upload(s3, bucket, upload_id, 2, b"kept")
    upload(s3, bucket, upload_id, 1, b"dropped")
    upload(s3, bucket, upload_id, 3, b"dropped")
    assert complete(s3, bucket, upload_id, [kept])["ETag"] == etag_of(b"kept")
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"kept"
    refused("NoSuchUpload", 404, s3.list_parts, Bucket=bucket, Key="k", UploadId=upload_id)


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


@pytest.mark.parametrize("number", ["0", "-1", "10001", "x", "", "99999999999999999999"])
def test_part_numbers_that_are_none(s3, raw, bucket, number):
    upload_id = create(s3, bucket)
    answer = raw.request("PUT", f"/{bucket}/k", [("partNumber", number), ("uploadId", upload_id)], body=b"x")
    assert answer.told == (400, "InvalidArgument")
    assert "Parts" not in s3.list_parts(Bucket=bucket, Key="k", UploadId=upload_id)


@pytest.mark.parametrize("upload_id", ["nonsense", "0" * 40, "x" * 2000, "ä", "../etc"])
def test_uploads_that_are_not_there(raw, bucket, upload_id):
    pair = ("uploadId", upload_id)
    document = b"<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>x</ETag></Part></CompleteMultipartUpload>"
    for method, query, body in (
        ("PUT", [("partNumber", "1"), pair], b"x"),
        ("GET", [pair], None),
        ("POST", [pair], document),
        ("DELETE", [pair], None),
    ):
        answer = raw.request(method, f"/{bucket}/k", query, body=body)
        assert answer.told == (404, "NoSuchUpload")
        assert answer.error["UploadId"] == upload_id


def test_the_upload_belongs_to_its_key(s3, bucket, refused):
    upload_id = create(s3, bucket, "k")
    refused(
        "NoSuchUpload", 404, s3.upload_part, Bucket=bucket, Key="other", UploadId=upload_id, PartNumber=1, Body=b"x"
    )


def test_abort(s3, bucket, refused):
    upload_id = create(s3, bucket)
    part = upload(s3, bucket, upload_id, 1, b"x")
    answer = s3.abort_multipart_upload(Bucket=bucket, Key="k", UploadId=upload_id)
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 204
    assert "Uploads" not in s3.list_multipart_uploads(Bucket=bucket)
    named = {"Bucket": bucket, "Key": "k", "UploadId": upload_id}
    refused("NoSuchUpload", 404, s3.upload_part, **named, PartNumber=1, Body=b"x")
    refused("NoSuchUpload", 404, s3.complete_multipart_upload, **named, MultipartUpload={"Parts": [part]})
    refused("NoSuchUpload", 404, s3.abort_multipart_upload, **named)
    refused("NoSuchUpload", 404, s3.list_parts, **named)


def test_abort_of_an_upload_of_another_time(s3, bucket, refused):
    upload_id = create(s3, bucket)
    begun = s3.list_multipart_uploads(Bucket=bucket)["Uploads"][0]["Initiated"]
    named = {"Bucket": bucket, "Key": "k", "UploadId": upload_id}
    earlier = begun.replace(year=begun.year - 1)
    refused("PreconditionFailed", 412, s3.abort_multipart_upload, **named, IfMatchInitiatedTime=earlier)
    s3.abort_multipart_upload(**named, IfMatchInitiatedTime=begun)


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


def test_uploads_of_one_key_do_not_mix(s3, bucket):
    one, two = create(s3, bucket), create(s3, bucket)
    part_one, part_two = upload(s3, bucket, one, 1, b"one"), upload(s3, bucket, two, 1, b"two")
    complete(s3, bucket, two, [part_two])
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"two"
    complete(s3, bucket, one, [part_one])
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"one"


def test_completions_and_aborts_race(clients, s3, bucket):
    """Exactly one side gets its will, and all clients hear of the same."""
    for round_number in range(5):
        key = f"k{round_number}"
        upload_id = create(s3, bucket, key)
        parts = [upload(s3, bucket, upload_id, 1, b"x", key)]

        def act(index, upload_id=upload_id, parts=parts, key=key):
            try:
                if index % 2:
                    complete(clients[index], bucket, upload_id, parts, key)
                else:
                    clients[index].abort_multipart_upload(Bucket=bucket, Key=key, UploadId=upload_id)
            except ClientError as error:
                return error.response["Error"]["Code"]
            return "done"

        with ThreadPoolExecutor(4) as pool:
            outcomes = list(pool.map(act, range(4)))
        completed = "Contents" in s3.list_objects_v2(Bucket=bucket, Prefix=key)
        aborts, completions = outcomes[0::2], outcomes[1::2]
        if completed:
            assert (aborts, completions) == (["NoSuchUpload"] * 2, ["done"] * 2)
        else:
            assert (sorted(aborts), completions) == (["NoSuchUpload", "done"], ["NoSuchUpload"] * 2)


def test_what_cannot_be_kept_is_refused(s3, bucket, refused):
    refused("AccessControlListNotSupported", 400, s3.create_multipart_upload, Bucket=bucket, Key="k", ACL="public-read")
    refused("InvalidStorageClass", 400, s3.create_multipart_upload, Bucket=bucket, Key="k", StorageClass="X")
    assert "Uploads" not in s3.list_multipart_uploads(Bucket=bucket)


@pytest.mark.parametrize("size", [PART_BYTES - 1, PART_BYTES, PART_BYTES + 1, 6 << 20])
def test_sizes_at_the_edges(s3, bucket, size):
    first = (bytes(range(251)) * (size // 251 + 1))[: max(size, PART_BYTES)]
    last = first[: size - PART_BYTES + 7]
    upload_id = create(s3, bucket)
    parts = [upload(s3, bucket, upload_id, number, body) for number, body in ((1, first), (2, last))]
    complete(s3, bucket, upload_id, parts)
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == first + last
