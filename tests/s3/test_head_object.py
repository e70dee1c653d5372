"""HeadObject: the headers of a GET without a body, errors included."""

import datetime
import hashlib

import pytest
from access import ALICE_ACCOUNT, ROOT_ACCOUNT, policy, statement
from checksum_values import DIGESTS, value

BODY = b"0123456789"
ETAG = f'"{hashlib.md5(BODY).hexdigest()}"'
HOUR = datetime.timedelta(hours=1)


@pytest.fixture
def target(s3, bucket):
    s3.put_object(Bucket=bucket, Key="k", Body=BODY)
    return {"Bucket": bucket, "Key": "k"}


def test_a_head_has_the_headers_of_a_get(raw, bucket):
    raw.request("PUT", f"/{bucket}/k", headers={"Content-Type": "text/x-y", "x-amz-meta-a": "b"}, body=b"hello")
    changing = ("date", "x-amz-request-id", "x-amz-id-2")
    got, headed = (raw.request(method, f"/{bucket}/k") for method in ("GET", "HEAD"))
    assert headed.body == b""
    for headers in (got.headers, headed.headers):
        for name in changing:
            assert headers.pop(name)
    assert got.headers == headed.headers


def test_of_a_plain_object(s3, target):
    head = s3.head_object(**target)
    assert (head["ContentLength"], head["ETag"], head["ContentType"]) == (10, ETAG, "binary/octet-stream")
    assert (head["AcceptRanges"], head["Metadata"]) == ("bytes", {})
    assert abs(head["LastModified"] - datetime.datetime.now(datetime.UTC)) < HOUR
    absent = {
        *("VersionId", "DeleteMarker", "TagCount", "StorageClass", "PartsCount", "Restore", "Expiration", "ObjectLockMode"),
        *("ReplicationStatus", "ArchiveStatus", "MissingMeta", "RequestCharged", "ChecksumCRC32", "ContentRange"),
    }
    assert not absent & head.keys()


@pytest.mark.parametrize("method", ["HEAD"])
@pytest.mark.parametrize(
    ("path", "status"), [("/{0}/none", 404), ("/no-such-bucket-at-all/k", 404), ("/{0}/k?versionId=nonsense", 400)]
)
def test_errors_have_no_body(raw, target, method, path, status):
    path, _, query = path.format(target["Bucket"]).partition("?")
    answer = raw.request(method, path, query)
    assert (answer.status, answer.body) == (status, b"")
    assert answer.headers["x-amz-request-id"]
    assert answer.headers["content-type"] == "application/xml"


@pytest.mark.parametrize(
    ("text", "length", "told"),
    [
        ("bytes=0-3", 4, "bytes 0-3/10"),
        ("bytes=-3", 3, "bytes 7-9/10"),
        ("bytes=8-", 2, "bytes 8-9/10"),
        ("bytes=0-99", 10, "bytes 0-9/10"),
    ],
)
def test_a_range(s3, target, text, length, told):
    answer = s3.head_object(**target, Range=text)
    assert (answer["ResponseMetadata"]["HTTPStatusCode"], answer["ContentLength"]) == (206, length)
    assert answer["ContentRange"] == told


def test_a_range_behind_the_end(s3, raw, target, refused):
    refused("416", 416, s3.head_object, **target, Range="bytes=10-")
    answer = raw.request("HEAD", f"/{target['Bucket']}/k", headers={"Range": "bytes=10-"})
    assert (answer.status, answer.body) == (416, b"")


def test_a_part(s3, target, refused):
    answer = s3.head_object(**target, PartNumber=1)
    assert (answer["ResponseMetadata"]["HTTPStatusCode"], answer["ContentLength"]) == (206, 10)
    assert "PartsCount" not in answer
    refused("416", 416, s3.head_object, **target, PartNumber=2)


@pytest.mark.parametrize("algorithm", sorted(DIGESTS))
def test_the_checksum_when_it_is_asked_for(s3, bucket, algorithm):
    s3.put_object(Bucket=bucket, Key="k", Body=BODY, **{f"Checksum{algorithm}": value(algorithm, BODY)})
    head = s3.head_object(Bucket=bucket, Key="k", ChecksumMode="ENABLED")
    assert (head[f"Checksum{algorithm}"], head["ChecksumType"]) == (value(algorithm, BODY), "FULL_OBJECT")
    assert "ChecksumType" not in s3.head_object(Bucket=bucket, Key="k")


def test_conditions(s3, target, refused):
    modified = s3.head_object(**target)["LastModified"]
    for holds in ({"IfMatch": ETAG}, {"IfNoneMatch": '"x"'}, {"IfModifiedSince": modified - HOUR}, {"IfUnmodifiedSince": modified}):
        assert s3.head_object(**target, **holds)["ETag"] == ETAG
    refused("412", 412, s3.head_object, **target, IfMatch='"x"')
    refused("412", 412, s3.head_object, **target, IfUnmodifiedSince=modified - HOUR)
    refused("304", 304, s3.head_object, **target, IfNoneMatch=ETAG)
    refused("304", 304, s3.head_object, **target, IfModifiedSince=modified)


OVERRIDES = {
    "ResponseCacheControl": ("CacheControl", "no-cache"),
    "ResponseContentDisposition": ("ContentDisposition", "inline"),
    "ResponseContentEncoding": ("ContentEncoding", "identity"),
    "ResponseContentLanguage": ("ContentLanguage", "fr"),
    "ResponseContentType": ("ContentType", "text/x-other"),
    "ResponseExpires": ("ExpiresString", "Thu, 01 Dec 1994 16:00:00 GMT"),
}


@pytest.mark.parametrize("name", sorted(OVERRIDES))
def test_overrides(s3, target, name):
    member, text = OVERRIDES[name]
    given = datetime.datetime(1994, 12, 1, 16, tzinfo=datetime.UTC) if name == "ResponseExpires" else text
    assert s3.head_object(**target, **{name: given})[member] == text
    assert s3.head_object(**target).get(member) != text


def test_versions(s3, raw, versioned, refused):
    named = {"Bucket": versioned, "Key": "k"}
    first = s3.put_object(**named, Body=b"1")["VersionId"]
    second = s3.put_object(**named, Body=b"two")["VersionId"]
    for version, size in ((first, 1), (second, 3)):
        head = s3.head_object(**named, VersionId=version)
        assert (head["VersionId"], head["ContentLength"]) == (version, size)
    assert s3.head_object(**named)["VersionId"] == second
    marker = s3.delete_object(**named)["VersionId"]
    answer = raw.request("HEAD", f"/{versioned}/k")
    assert (answer.status, answer.headers["x-amz-delete-marker"], answer.headers["x-amz-version-id"]) == (404, "true", marker)
    answer = raw.request("HEAD", f"/{versioned}/k", [("versionId", marker)])
    assert (answer.status, answer.headers["x-amz-delete-marker"], answer.headers["allow"]) == (405, "true", "DELETE")
    refused("404", 404, s3.head_object, **named, VersionId="null")


def test_the_expected_owner(s3, target, refused):
    assert s3.head_object(**target, ExpectedBucketOwner=ROOT_ACCOUNT)["ETag"] == ETAG
    refused("403", 403, s3.head_object, **target, ExpectedBucketOwner=ALICE_ACCOUNT)


def test_the_permission(s3, alice, anonymous, target, refused):
    bucket = target["Bucket"]
    refused("403", 403, alice.head_object, **target)
    s3.put_bucket_policy(Bucket=bucket, Policy=policy(statement(bucket)))
    assert alice.head_object(**target)["ETag"] == ETAG
    assert anonymous.request("HEAD", f"/{bucket}/k").status == 200
    # Who may not list is not told what is missing.
    assert anonymous.request("HEAD", f"/{bucket}/none").status == 403
    refused("403", 403, alice.head_object, **target, VersionId="null")  # s3:GetObjectVersion
