"""Multipart uploads from beginning to end, and several at a time; each operation has a file of its own."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from botocore.exceptions import ClientError
from multipart_uploads import LARGE, PART_BYTES, complete, create, etag_of, upload


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
