"""Content-MD5, x-amz-content-sha256 and x-amz-checksum-*: verified before anything is kept, and shown on reads."""

import base64
import hashlib

import pytest
from checksum_values import DIGESTS, value
from raw_s3 import UNSIGNED_TRAILER, chunked

BODY = b"The quick brown fox jumps over the lazy dog" * 5000


ALGORITHMS = list(DIGESTS)
KNOWN = {  # of b"123456789", from the catalogues of these functions
    "CRC32": "cbf43926",
    "CRC32C": "e3069283",
    "CRC64NVME": "ae8b14860a799888",
    "SHA1": "f7c3bc1d808e04732adf679965ccc34ca7ae3441",
    "MD5": "25f9e794323b453885f5181f1b624d0b",
    "XXHASH64": "8cb841db40e6ae83",
}


def header(algorithm):
    return f"x-amz-checksum-{algorithm.lower()}"


def nothing_is_stored(s3, bucket):
    return "Contents" not in s3.list_objects_v2(Bucket=bucket)


@pytest.mark.parametrize("algorithm", sorted(KNOWN))
def test_known_answers(raw, bucket, algorithm):
    """The store computes what it was only asked to compute."""
    headers = {"x-amz-sdk-checksum-algorithm": algorithm}
    answer = raw.request("PUT", f"/{bucket}/k", headers=headers, body=b"123456789")
    assert base64.b64decode(answer.headers[header(algorithm)]).hex() == KNOWN[algorithm]


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("body", [b"", BODY], ids=["empty", "full"])
def test_in_a_header(raw, bucket, algorithm, body):
    right = value(algorithm, body)
    answer = raw.request("PUT", f"/{bucket}/k", headers={header(algorithm): right}, body=body)
    assert answer.status == 200, answer.body
    assert answer.headers[header(algorithm)] == right
    assert answer.headers["x-amz-checksum-type"] == "FULL_OBJECT"


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_wrong_one_in_a_header(raw, s3, bucket, algorithm):
    wrong = value(algorithm, BODY + b"!")
    answer = raw.request("PUT", f"/{bucket}/k", headers={header(algorithm): wrong}, body=BODY)
    assert answer.told == (400, "BadDigest")
    assert nothing_is_stored(s3, bucket)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_in_a_trailer(raw, s3, bucket, algorithm):
    for body in (BODY, BODY + b"!"):
        headers = {
            "Content-Encoding": "aws-chunked",
            "x-amz-trailer": header(algorithm),
            "x-amz-decoded-content-length": str(len(BODY)),
        }
        # The second round sends the checksum of another body.
        framed = chunked(BODY, [65536], None, {header(algorithm): value(algorithm, body)})
        answer = raw.request("PUT", f"/{bucket}/{len(body)}", headers=headers, body=framed, payload=UNSIGNED_TRAILER)
        if body == BODY:
            assert answer.status == 200, answer.body
            assert answer.headers[header(algorithm)] == value(algorithm, BODY)
            assert s3.get_object(Bucket=bucket, Key=str(len(body)))["Body"].read() == BODY
        else:
            assert answer.told == (400, "BadDigest")
    assert s3.list_objects_v2(Bucket=bucket)["KeyCount"] == 1


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_boto3_can_read_them_back(s3, raw, bucket, algorithm):
    raw.request("PUT", f"/{bucket}/k", headers={header(algorithm): value(algorithm, BODY)}, body=BODY)
    plain = raw.request("HEAD", f"/{bucket}/k")
    assert header(algorithm) not in plain.headers
    for method in ("HEAD", "GET"):
        answer = raw.request(method, f"/{bucket}/k", headers={"x-amz-checksum-mode": "ENABLED"})
        assert answer.headers[header(algorithm)] == value(algorithm, BODY)
        assert answer.headers["x-amz-checksum-type"] == "FULL_OBJECT"
    ranged = raw.request("GET", f"/{bucket}/k", headers={"x-amz-checksum-mode": "ENABLED", "Range": "bytes=0-9"})
    assert header(algorithm) not in ranged.headers
    listed = s3.list_objects_v2(Bucket=bucket)["Contents"][0]
    assert (listed["ChecksumAlgorithm"], listed["ChecksumType"]) == ([algorithm], "FULL_OBJECT")
    assert s3.get_object(Bucket=bucket, Key="k", ChecksumMode="ENABLED")["Body"].read() == BODY


def test_without_any_the_store_computes_crc64nvme(raw, bucket):
    answer = raw.request("PUT", f"/{bucket}/k", body=BODY)
    assert answer.headers["x-amz-checksum-crc64nvme"] == value("CRC64NVME", BODY)


@pytest.mark.parametrize("text", ["AAAA", "AAAAAAAAAAAA", "!!!!", "", "sOO8/Q"])
def test_values_that_cannot_be_one(raw, s3, bucket, text):
    answer = raw.request("PUT", f"/{bucket}/k", headers={"x-amz-checksum-crc32": text}, body=BODY)
    assert answer.told == (400, "InvalidRequest")
    assert nothing_is_stored(s3, bucket)


def test_two_at_once(raw, s3, bucket):
    headers = {header(name): value(name, BODY) for name in ("CRC32", "SHA256")}
    assert raw.request("PUT", f"/{bucket}/k", headers=headers, body=BODY).told == (400, "InvalidRequest")
    assert nothing_is_stored(s3, bucket)


def test_an_unknown_algorithm(raw, bucket):
    for headers in ({"x-amz-checksum-crc99": "AAAA"}, {"x-amz-sdk-checksum-algorithm": "CRC99"}):
        assert raw.request("PUT", f"/{bucket}/k", headers=headers, body=BODY).told == (400, "InvalidRequest")


def test_another_algorithm_than_announced(raw, bucket):
    headers = {"x-amz-sdk-checksum-algorithm": "SHA1", header("CRC32"): value("CRC32", BODY)}
    assert raw.request("PUT", f"/{bucket}/k", headers=headers, body=BODY).told == (400, "InvalidRequest")


def test_content_md5(raw, s3, bucket):
    right = base64.b64encode(hashlib.md5(BODY).digest()).decode()
    assert raw.request("PUT", f"/{bucket}/k", headers={"Content-MD5": right}, body=BODY).status == 200
    s3.delete_object(Bucket=bucket, Key="k")
    wrong = base64.b64encode(hashlib.md5(b"other").digest()).decode()
    answer = raw.request("PUT", f"/{bucket}/k", headers={"Content-MD5": wrong}, body=BODY)
    assert answer.told == (400, "BadDigest")
    assert (answer.error["ExpectedDigest"], answer.error["CalculatedDigest"]) == (wrong, right)
    assert nothing_is_stored(s3, bucket)


@pytest.mark.parametrize("text", ["", "x", "AAAA", "1B2M2Y8AsgTpgAmY7PhCfg", "1B2M2Y8AsgTpgAmY7PhCfg==AAAA", "not base64 at all!"])
def test_malformed_content_md5(raw, s3, bucket, text):
    assert raw.request("PUT", f"/{bucket}/k", headers={"Content-MD5": text}, body=BODY).told == (400, "InvalidDigest")
    assert nothing_is_stored(s3, bucket)


def test_the_signed_sha256_of_the_payload(raw, s3, bucket):
    right, wrong = (hashlib.sha256(body).hexdigest() for body in (BODY, b"other"))
    assert raw.request("PUT", f"/{bucket}/k", body=BODY, payload=right).status == 200
    s3.delete_object(Bucket=bucket, Key="k")
    answer = raw.request("PUT", f"/{bucket}/k", body=BODY, payload=wrong)
    assert answer.told == (400, "XAmzContentSHA256Mismatch")
    assert (answer.error["ClientComputedContentSHA256"], answer.error["S3ComputedContentSHA256"]) == (wrong, right)
    assert nothing_is_stored(s3, bucket)


def test_documents_are_verified_too(raw, s3, bucket):
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    document = b"<Delete><Object><Key>k</Key></Object></Delete>"
    wrong_md5 = base64.b64encode(hashlib.md5(b"other").digest()).decode()
    for headers, code in (
        ({"Content-MD5": wrong_md5}, "BadDigest"),
        ({"x-amz-checksum-crc32": value("CRC32", b"other")}, "BadDigest"),
        ({"Content-MD5": "AAAA"}, "InvalidDigest"),
    ):
        assert raw.request("POST", f"/{bucket}", "delete", headers=headers, body=document).told == (400, code)
    other = hashlib.sha256(b"other").hexdigest()
    answer = raw.request("POST", f"/{bucket}", "delete", body=document, payload=other)
    assert answer.told == (400, "XAmzContentSHA256Mismatch")
    s3.head_object(Bucket=bucket, Key="k")
    headers = {"x-amz-checksum-crc32": value("CRC32", document)}
    assert raw.request("POST", f"/{bucket}", "delete", headers=headers, body=document).status == 200
    assert nothing_is_stored(s3, bucket)


def test_a_refused_overwrite_leaves_the_old_object(raw, s3, bucket):
    s3.put_object(Bucket=bucket, Key="k", Body=b"old")
    raw.request("PUT", f"/{bucket}/k", headers={"x-amz-checksum-sha1": value("SHA1", b"other")}, body=BODY)
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"old"
