"""Encrypted multipart uploads: parts, part numbers, ranges over their edges, ETags, checksums, keys of the client."""

import base64
import hashlib
import itertools
import os

import pytest
from encryption_kinds import ENCRYPTED, KINDS, customer, shown

PART = 5 << 20
CHUNK = 64 * 1024
every = pytest.mark.parametrize("kind", ENCRYPTED)
MUST = (
    "The multipart upload initiate requested encryption. "
    "Subsequent part requests must include the appropriate encryption parameters."
)


def upload(s3, bucket, how, bodies, **more):
    made = s3.create_multipart_upload(Bucket=bucket, Key="k", **how.write, **more)
    name = {"Bucket": bucket, "Key": "k", "UploadId": made["UploadId"]}
    parts = []
    for number, body in enumerate(bodies, 1):
        answer = s3.upload_part(**name, PartNumber=number, Body=body, **how.read, **more)
        assert shown(answer) == how.shown
        checksum = {name: value for name, value in answer.items() if name.startswith("Checksum") and name != "ChecksumType"}
        parts.append({"PartNumber": number, "ETag": answer["ETag"], **(checksum if more else {})})
    return name, parts, s3.complete_multipart_upload(**name, MultipartUpload={"Parts": parts}, **how.read)


@every
def test_parts(s3, bucket, kind):
    how = KINDS[kind]
    bodies = [os.urandom(PART), os.urandom(PART + 1), os.urandom(CHUNK + 3)]
    _, parts, done = upload(s3, bucket, how, bodies)
    if kind != "SSE-C":
        assert shown(done) == how.shown
    whole = b"".join(bodies)
    found = s3.get_object(Bucket=bucket, Key="k", **how.read)
    assert found["Body"].read() == whole
    assert (shown(found), found["ContentLength"], found["ETag"]) == (how.shown, len(whole), done["ETag"])
    joined = hashlib.md5(b"".join(bytes.fromhex(part["ETag"].strip('"')) for part in parts)).hexdigest()
    assert done["ETag"] == f'"{joined}-3"'
    assert (parts[0]["ETag"] == f'"{hashlib.md5(bodies[0]).hexdigest()}"') == how.plain_etag
    for number, body in enumerate(bodies, 1):
        for read in (s3.get_object, s3.head_object):
            part = read(Bucket=bucket, Key="k", PartNumber=number, **how.read)
            assert (part["ContentLength"], part["PartsCount"], shown(part)) == (len(body), 3, how.shown)
            if "Body" in part:
                assert part["Body"].read() == body
    edges = [at + step for at in (CHUNK, PART, PART + CHUNK, 2 * PART + 1, len(whole) - 3) for step in (-1, 0, 1)]
    for start, end in itertools.combinations(edges, 2):
        if end - start > 2 * CHUNK and (start, end) != (edges[0], edges[-1]):
            continue
        read = s3.get_object(Bucket=bucket, Key="k", Range=f"bytes={start}-{end - 1}", **how.read)["Body"].read()
        assert read == whole[start:end], (start, end)
    attributes = s3.get_object_attributes(Bucket=bucket, Key="k", ObjectAttributes=["ObjectSize", "ObjectParts"], **how.attributes)
    assert (attributes["ObjectSize"], attributes["ObjectParts"]["TotalPartsCount"]) == (len(whole), 3)


@every
def test_sizes_of_parts_in_lists_and_completions_are_of_the_plaintext(s3, bucket, kind, refused):
    how = KINDS[kind]
    made = s3.create_multipart_upload(Bucket=bucket, Key="k", **how.write)
    name = {"Bucket": bucket, "Key": "k", "UploadId": made["UploadId"]}
    small = s3.upload_part(**name, PartNumber=1, Body=b"x" * (PART - 1), **how.read)
    last = s3.upload_part(**name, PartNumber=2, Body=b"y", **how.read)
    assert [part["Size"] for part in s3.list_parts(**name)["Parts"]] == [PART - 1, 1]
    parts = [{"PartNumber": number, "ETag": answer["ETag"]} for number, answer in ((1, small), (2, last))]
    refused("EntityTooSmall", 400, s3.complete_multipart_upload, **name, MultipartUpload={"Parts": parts}, **how.read)
    parts[0]["ETag"] = s3.upload_part(**name, PartNumber=1, Body=b"z" * PART, **how.read)["ETag"]
    refused("InvalidRequest", 400, s3.complete_multipart_upload, **name, MultipartUpload={"Parts": parts}, MpuObjectSize=PART)
    done = s3.complete_multipart_upload(**name, MultipartUpload={"Parts": parts}, MpuObjectSize=PART + 1)
    again = s3.complete_multipart_upload(**name, MultipartUpload={"Parts": parts})
    assert (again["ETag"], shown(again)) == (done["ETag"], shown(done))
    assert s3.get_object(Bucket=bucket, Key="k", **how.read)["Body"].read() == b"z" * PART + b"y"


@every
@pytest.mark.parametrize("algorithm", ["CRC32", "SHA256"])
def test_checksums_are_of_the_plaintext(s3, bucket, kind, algorithm):
    how = KINDS[kind]
    bodies = [os.urandom(PART), b"end"]
    _, _, done = upload(s3, bucket, how, bodies, ChecksumAlgorithm=algorithm)
    plain = f"{kind}-plain"
    made = s3.create_multipart_upload(Bucket=bucket, Key=plain, ChecksumAlgorithm=algorithm)
    name = {"Bucket": bucket, "Key": plain, "UploadId": made["UploadId"]}
    parts = []
    for number, body in enumerate(bodies, 1):
        answer = s3.upload_part(**name, PartNumber=number, Body=body, ChecksumAlgorithm=algorithm)
        parts.append({"PartNumber": number, "ETag": answer["ETag"], f"Checksum{algorithm}": answer[f"Checksum{algorithm}"]})
    expected = s3.complete_multipart_upload(**name, MultipartUpload={"Parts": parts})
    assert done[f"Checksum{algorithm}"] == expected[f"Checksum{algorithm}"]


def test_parts_of_sse_c_need_the_key_of_their_upload(s3, bucket, refused):
    how = KINDS["SSE-C"]
    made = s3.create_multipart_upload(Bucket=bucket, Key="k", **how.write)
    name = {"Bucket": bucket, "Key": "k", "UploadId": made["UploadId"]}
    s3.put_object(Bucket=bucket, Key="source", Body=b"source")
    copy = {"CopySource": {"Bucket": bucket, "Key": "source"}}
    for call, more in ((s3.upload_part, {"Body": b"x"}), (s3.upload_part_copy, copy)):
        assert refused("InvalidRequest", 400, call, **name, PartNumber=1, **more)["Message"] == MUST
        told = refused("InvalidRequest", 400, call, **name, PartNumber=1, **more, **customer(b"w" * 32))
        assert told["Message"] == "The provided encryption parameters did not match the ones used originally."
    etag = s3.upload_part(**name, PartNumber=1, Body=b"x", **how.read)["ETag"]
    parts = {"Parts": [{"PartNumber": 1, "ETag": etag}]}
    told = refused("InvalidRequest", 400, s3.complete_multipart_upload, **name, MultipartUpload=parts, **customer(b"w" * 32))
    assert told["Message"] == "The provided encryption parameters did not match the ones used originally."
    s3.complete_multipart_upload(**name, MultipartUpload=parts)
    assert s3.get_object(Bucket=bucket, Key="k", **how.read)["Body"].read() == b"x"


@pytest.mark.parametrize("kind", ["none", "SSE-S3", "SSE-KMS", "DSSE"])
def test_parts_of_other_uploads_take_no_key(s3, bucket, kind, refused):
    made = s3.create_multipart_upload(Bucket=bucket, Key="k", **KINDS[kind].write)
    name = {"Bucket": bucket, "Key": "k", "UploadId": made["UploadId"]}
    told = refused("InvalidRequest", 400, s3.upload_part, **name, PartNumber=1, Body=b"x", **customer(b"w" * 32))
    assert told["Message"] == MUST
    s3.abort_multipart_upload(**name)


def test_a_part_with_a_wrong_digest(s3, bucket, refused):
    made = s3.create_multipart_upload(Bucket=bucket, Key="k", **KINDS["SSE-KMS"].write)
    name = {"Bucket": bucket, "Key": "k", "UploadId": made["UploadId"]}
    wrong = base64.b64encode(bytes(16)).decode()
    refused("BadDigest", 400, s3.upload_part, **name, PartNumber=1, Body=b"x" * 100_000, ContentMD5=wrong)
    assert "Parts" not in s3.list_parts(**name)


def test_the_default_of_the_bucket_at_the_start_counts(s3, bucket):
    rule = {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": "alpha"}, "BucketKeyEnabled": True}
    s3.put_bucket_encryption(Bucket=bucket, ServerSideEncryptionConfiguration={"Rules": [rule]})
    made = s3.create_multipart_upload(Bucket=bucket, Key="k")
    assert shown(made) == KINDS["SSE-KMS"].shown
    s3.delete_bucket_encryption(Bucket=bucket)
    name = {"Bucket": bucket, "Key": "k", "UploadId": made["UploadId"]}
    etag = s3.upload_part(**name, PartNumber=1, Body=b"x")["ETag"]
    done = s3.complete_multipart_upload(**name, MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": etag}]})
    assert shown(done) == KINDS["SSE-KMS"].shown
    found = s3.get_object(Bucket=bucket, Key="k")
    assert (found["Body"].read(), shown(found)) == (b"x", KINDS["SSE-KMS"].shown)
