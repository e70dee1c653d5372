"""Checksums of multipart uploads: composite and of the full object, per part, given on completion, shown on reads."""

import base64
import zlib

import pytest
from awscrt import checksums as crt
from checksum_values import DIGESTS, value

PART_BYTES = 5 << 20
BODIES = [b"a" * PART_BYTES, b"b" * 1000]
FULL_ONLY = {"CRC64NVME"}
COMBINING = {"CRC32", "CRC32C", "CRC64NVME"}


def member(algorithm):
    return f"Checksum{algorithm}"


def composite(algorithm, bodies):
    joined = b"".join(DIGESTS[algorithm](body) for body in bodies)
    return f"{value(algorithm, joined)}-{len(bodies)}"


def header(algorithm):
    return f"x-amz-checksum-{algorithm.lower()}"


def uploaded(raw, bucket, algorithm, kind=None, bodies=BODIES):
    """(upload id, XML of the parts with their checksums)."""
    headers = {"x-amz-checksum-algorithm": algorithm, **({"x-amz-checksum-type": kind} if kind else {})}
    created = raw.request("POST", f"/{bucket}/k", "uploads", headers=headers)
    assert created.status == 200, created.body
    assert created.headers["x-amz-checksum-algorithm"] == algorithm
    assert created.headers["x-amz-checksum-type"] == (kind or ("FULL_OBJECT" if algorithm in FULL_ONLY else "COMPOSITE"))
    upload = created.xml.findtext("UploadId")
    parts = ""
    for number, body in enumerate(bodies, 1):
        text = value(algorithm, body)
        answer = raw.request(
            "PUT", f"/{bucket}/k", [("partNumber", str(number)), ("uploadId", upload)], {header(algorithm): text}, body
        )
        assert answer.status == 200, answer.body
        assert answer.headers[header(algorithm)] == text
        element = member(algorithm)
        parts += f"<Part><PartNumber>{number}</PartNumber><ETag>{answer.headers['etag']}</ETag><{element}>{text}</{element}></Part>"
    return upload, f"<CompleteMultipartUpload>{parts}</CompleteMultipartUpload>".encode()


def complete(raw, bucket, upload, document, headers=None):
    return raw.request("POST", f"/{bucket}/k", [("uploadId", upload)], headers, document)


@pytest.mark.parametrize("algorithm", sorted(DIGESTS.keys() - FULL_ONLY))
def test_composite(raw, bucket, algorithm):
    upload, document = uploaded(raw, bucket, algorithm)
    answer = complete(raw, bucket, upload, document)
    assert answer.status == 200, answer.body
    expected = composite(algorithm, BODIES)
    assert answer.xml.findtext(member(algorithm)) == expected
    assert answer.xml.findtext("ChecksumType") == "COMPOSITE"
    head = raw.request("HEAD", f"/{bucket}/k", headers={"x-amz-checksum-mode": "ENABLED"})
    assert (head.headers[header(algorithm)], head.headers["x-amz-checksum-type"]) == (expected, "COMPOSITE")
    part = raw.request("HEAD", f"/{bucket}/k", "partNumber=2", headers={"x-amz-checksum-mode": "ENABLED"})
    assert part.headers[header(algorithm)] == value(algorithm, BODIES[1])


@pytest.mark.parametrize("algorithm", sorted(COMBINING))
def test_full_object(raw, bucket, algorithm):
    whole = value(algorithm, b"".join(BODIES))
    upload, document = uploaded(raw, bucket, algorithm, "FULL_OBJECT")
    wrong = {header(algorithm): value(algorithm, b"other"), "x-amz-checksum-type": "FULL_OBJECT"}
    assert complete(raw, bucket, upload, document, wrong).told == (400, "BadDigest")
    right = {header(algorithm): whole, "x-amz-checksum-type": "FULL_OBJECT"}
    answer = complete(raw, bucket, upload, document, right)
    assert answer.status == 200, answer.body
    assert (answer.xml.findtext(member(algorithm)), answer.xml.findtext("ChecksumType")) == (whole, "FULL_OBJECT")
    head = raw.request("HEAD", f"/{bucket}/k", headers={"x-amz-checksum-mode": "ENABLED"})
    assert (head.headers[header(algorithm)], head.headers["x-amz-checksum-type"]) == (whole, "FULL_OBJECT")


@pytest.mark.parametrize(
    ("algorithm", "kind"), [("SHA256", "FULL_OBJECT"), ("SHA1", "FULL_OBJECT"), ("CRC64NVME", "COMPOSITE"), ("CRC32", "HALF")]
)
def test_kinds_that_do_not_go_together(raw, bucket, algorithm, kind):
    headers = {"x-amz-checksum-algorithm": algorithm, "x-amz-checksum-type": kind}
    assert raw.request("POST", f"/{bucket}/k", "uploads", headers=headers).told == (400, "InvalidRequest")


def test_a_kind_without_an_algorithm(raw, bucket):
    headers = {"x-amz-checksum-type": "COMPOSITE"}
    assert raw.request("POST", f"/{bucket}/k", "uploads", headers=headers).told == (400, "InvalidRequest")


def test_another_kind_on_completion(raw, bucket):
    upload, document = uploaded(raw, bucket, "CRC32", bodies=[b"x"])
    answer = complete(raw, bucket, upload, document, {"x-amz-checksum-type": "FULL_OBJECT"})
    assert answer.told == (400, "InvalidRequest")


def test_a_part_with_another_algorithm(raw, bucket):
    upload, _ = uploaded(raw, bucket, "CRC32", bodies=[b"x"])
    query = [("partNumber", "1"), ("uploadId", upload)]
    answer = raw.request("PUT", f"/{bucket}/k", query, {header("SHA1"): value("SHA1", b"y")}, b"y")
    assert answer.told == (400, "InvalidRequest")


def test_a_wrong_checksum_of_a_part(raw, s3, bucket):
    upload = s3.create_multipart_upload(Bucket=bucket, Key="k", ChecksumAlgorithm="CRC32C")["UploadId"]
    query = [("partNumber", "1"), ("uploadId", upload)]
    answer = raw.request("PUT", f"/{bucket}/k", query, {header("CRC32C"): value("CRC32C", b"other")}, b"y")
    assert answer.told == (400, "BadDigest")
    assert "Parts" not in s3.list_parts(Bucket=bucket, Key="k", UploadId=upload)


def test_parts_without_checksums_are_given_one(raw, s3, bucket):
    """An upload with an algorithm computes it for parts that come without; its parts are listed with theirs."""
    upload = s3.create_multipart_upload(Bucket=bucket, Key="k", ChecksumAlgorithm="SHA256")["UploadId"]
    answer = raw.request("PUT", f"/{bucket}/k", [("partNumber", "1"), ("uploadId", upload)], body=b"y")
    assert answer.headers["x-amz-checksum-sha256"] == value("SHA256", b"y")
    listed = s3.list_parts(Bucket=bucket, Key="k", UploadId=upload)
    assert (listed["ChecksumAlgorithm"], listed["ChecksumType"]) == ("SHA256", "COMPOSITE")
    assert listed["Parts"][0]["ChecksumSHA256"] == value("SHA256", b"y")


def test_an_upload_without_an_algorithm_has_crc64nvme_of_the_whole(raw, bucket):
    created = raw.request("POST", f"/{bucket}/k", "uploads")
    upload = created.xml.findtext("UploadId")
    parts = ""
    for number, body in enumerate(BODIES, 1):
        answer = raw.request("PUT", f"/{bucket}/k", [("partNumber", str(number)), ("uploadId", upload)], body=body)
        parts += f"<Part><PartNumber>{number}</PartNumber><ETag>{answer.headers['etag']}</ETag></Part>"
    answer = complete(raw, bucket, upload, f"<CompleteMultipartUpload>{parts}</CompleteMultipartUpload>".encode())
    assert answer.status == 200, answer.body
    whole = base64.b64encode(crt.crc64nvme(b"".join(BODIES)).to_bytes(8, "big")).decode()
    assert (answer.xml.findtext("ChecksumCRC64NVME"), answer.xml.findtext("ChecksumType")) == (whole, "FULL_OBJECT")


def test_the_size_of_the_object(raw, bucket):
    upload, document = uploaded(raw, bucket, "CRC32", bodies=[b"abc"])
    assert complete(raw, bucket, upload, document, {"x-amz-mp-object-size": "4"}).told == (400, "InvalidRequest")
    assert complete(raw, bucket, upload, document, {"x-amz-mp-object-size": "3"}).status == 200


def test_what_boto3_does_by_default(s3, bucket):
    """boto3 names no algorithm for the upload but sends CRC32 with each part; reading the object back checks what it can."""
    upload = s3.create_multipart_upload(Bucket=bucket, Key="k")
    parts = []
    for number, body in enumerate(BODIES, 1):
        part = s3.upload_part(Bucket=bucket, Key="k", UploadId=upload["UploadId"], PartNumber=number, Body=body)
        assert part["ChecksumCRC32"] == base64.b64encode(zlib.crc32(body).to_bytes(4, "big")).decode()
        parts.append({"PartNumber": number, "ETag": part["ETag"]})
    s3.complete_multipart_upload(Bucket=bucket, Key="k", UploadId=upload["UploadId"], MultipartUpload={"Parts": parts})
    answer = s3.get_object(Bucket=bucket, Key="k", ChecksumMode="ENABLED")
    assert answer["Body"].read() == b"".join(BODIES)
    assert answer["ChecksumType"] == "COMPOSITE"
