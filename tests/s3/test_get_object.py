"""GetObject: overrides of headers, checksums, versions, conditions through boto3, errors."""

import datetime
import hashlib

import pytest
from access import ALICE_ACCOUNT, ROOT_ACCOUNT, policy, statement
from checksum_values import DIGESTS, value

SYSTEM = {
    "CacheControl": "max-age=60, public",
    "ContentDisposition": "attachment; filename=\"a b.txt\"",
    "ContentEncoding": "gzip",
    "ContentLanguage": "de, en",
    "ContentType": "text/plain; charset=utf-8",
    "WebsiteRedirectLocation": "/elsewhere",
}
OVERRIDES = {
    "ResponseCacheControl": ("CacheControl", "no-cache"),
    "ResponseContentDisposition": ("ContentDisposition", "inline; filename=\"ä.txt\""),
    "ResponseContentEncoding": ("ContentEncoding", "identity"),
    "ResponseContentLanguage": ("ContentLanguage", "fr"),
    "ResponseContentType": ("ContentType", "application/x-other"),
    "ResponseExpires": ("ExpiresString", "Thu, 01 Dec 1994 16:00:00 GMT"),
}


def test_response_overrides(s3, bucket):
    s3.put_object(Bucket=bucket, Key="k", Body=b"x", **SYSTEM)
    asked = {name: text for name, (_, text) in OVERRIDES.items()}
    asked["ResponseExpires"] = datetime.datetime(1994, 12, 1, 16, tzinfo=datetime.UTC)
    for call in (s3.get_object, s3.head_object):
        answer = call(Bucket=bucket, Key="k", **asked)
        for name, text in OVERRIDES.values():
            assert answer[name].encode("latin-1", "replace") in (text.encode(), text.encode("latin-1", "replace"))
    plain = s3.head_object(Bucket=bucket, Key="k")
    assert {name: plain.get(name) for name in SYSTEM} == SYSTEM


def test_an_override_cannot_forge_headers(raw, s3, bucket):
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    for method in ("GET", "HEAD"):
        answer = raw.request(method, f"/{bucket}/k", [("response-content-type", "text/html\r\nx-forged: yes\r\n\r\nbody")])
        assert "x-forged" not in answer.headers
        assert answer.headers["content-length"] == "1"


# -- as boto3 asks -------------------------------------------------------------------------------------------------------------

BODY = b"0123456789"
ETAG = f'"{hashlib.md5(BODY).hexdigest()}"'
HOUR = datetime.timedelta(hours=1)


@pytest.fixture
def target(s3, bucket):
    s3.put_object(Bucket=bucket, Key="k", Body=BODY)
    return {"Bucket": bucket, "Key": "k"}


def test_the_answer(raw, target):
    answer = raw.request("GET", f"/{target['Bucket']}/k")
    assert (answer.status, answer.body) == (200, BODY)
    assert answer.headers.keys() - {"connection", "server", "x-amz-server-side-encryption"} == {
        *("accept-ranges", "content-length", "content-type", "date", "etag", "last-modified", "x-amz-id-2", "x-amz-request-id")
    }
    assert (answer.headers["accept-ranges"], answer.headers["etag"]) == ("bytes", ETAG)


@pytest.mark.parametrize("text", ["bytes=0-0", "bytes=3-5", "bytes=-4", "bytes=9-", "bytes=5-500"])
def test_a_range(s3, target, text):
    first, _, last = text.removeprefix("bytes=").partition("-")
    expected = BODY[-int(last) :] if not first else BODY[int(first) : int(last) + 1 if last else None]
    answer = s3.get_object(**target, Range=text)
    assert (answer["ResponseMetadata"]["HTTPStatusCode"], answer["Body"].read()) == (206, expected)
    assert (answer["ContentLength"], answer["ETag"]) == (len(expected), ETAG)


def test_a_range_behind_the_end(s3, target, refused):
    error = refused("InvalidRange", 416, s3.get_object, **target, Range="bytes=10-20")
    assert (error["RangeRequested"], error["ActualObjectSize"]) == ("bytes=10-20", "10")


def test_a_part(s3, target, refused):
    answer = s3.get_object(**target, PartNumber=1)
    assert (answer["ResponseMetadata"]["HTTPStatusCode"], answer["Body"].read()) == (206, BODY)
    refused("InvalidPartNumber", 416, s3.get_object, **target, PartNumber=2)


@pytest.mark.parametrize("algorithm", sorted(DIGESTS))
def test_the_checksum_when_it_is_asked_for(s3, bucket, algorithm):
    text = value(algorithm, BODY)
    s3.put_object(Bucket=bucket, Key="k", Body=BODY, **{f"Checksum{algorithm}": text})
    answer = s3.get_object(Bucket=bucket, Key="k", ChecksumMode="ENABLED")
    assert (answer["Body"].read(), answer[f"Checksum{algorithm}"], answer["ChecksumType"]) == (BODY, text, "FULL_OBJECT")
    part = s3.get_object(Bucket=bucket, Key="k", ChecksumMode="ENABLED", Range="bytes=0-1")
    assert part["Body"].read() == b"01"
    assert f"Checksum{algorithm}" not in part  # it is of the whole


def test_conditions(s3, target, refused):
    modified = s3.head_object(**target)["LastModified"]
    for holds in ({"IfMatch": ETAG}, {"IfNoneMatch": '"x"'}, {"IfModifiedSince": modified - HOUR}, {"IfUnmodifiedSince": modified}):
        assert s3.get_object(**target, **holds)["Body"].read() == BODY
    assert refused("PreconditionFailed", 412, s3.get_object, **target, IfMatch='"x"')["Condition"] == "If-Match"
    error = refused("PreconditionFailed", 412, s3.get_object, **target, IfUnmodifiedSince=modified - HOUR)
    assert error["Condition"] == "If-Unmodified-Since"
    refused("304", 304, s3.get_object, **target, IfNoneMatch=ETAG)
    refused("304", 304, s3.get_object, **target, IfModifiedSince=modified)


def test_versions(s3, versioned, refused):
    named = {"Bucket": versioned, "Key": "k"}
    first = s3.put_object(**named, Body=b"1")["VersionId"]
    second = s3.put_object(**named, Body=b"2")["VersionId"]
    for version, body in ((first, b"1"), (second, b"2")):
        answer = s3.get_object(**named, VersionId=version)
        assert (answer["Body"].read(), answer["VersionId"]) == (body, version)
    marker = s3.delete_object(**named)["VersionId"]
    refused("NoSuchKey", 404, s3.get_object, **named)
    error = refused("MethodNotAllowed", 405, s3.get_object, **named, VersionId=marker)
    assert (error["Method"], error["ResourceType"]) == ("GET", "DeleteMarker")
    assert refused("NoSuchVersion", 404, s3.get_object, **named, VersionId="null")["VersionId"] == "null"


def test_what_is_not_there(s3, bucket, new_name, refused):
    error = refused("NoSuchKey", 404, s3.get_object, Bucket=bucket, Key="none")
    assert (error["Key"], error["Message"]) == ("none", "The specified key does not exist.")
    name = new_name()
    assert refused("NoSuchBucket", 404, s3.get_object, Bucket=name, Key="k")["BucketName"] == name


def test_the_expected_owner(s3, target, refused):
    assert s3.get_object(**target, ExpectedBucketOwner=ROOT_ACCOUNT)["Body"].read() == BODY
    refused("AccessDenied", 403, s3.get_object, **target, ExpectedBucketOwner=ALICE_ACCOUNT)


def test_the_permission(s3, alice, anonymous, target, refused):
    bucket = target["Bucket"]
    refused("AccessDenied", 403, alice.get_object, **target)
    s3.put_bucket_policy(Bucket=bucket, Policy=policy(statement(bucket)))
    assert alice.get_object(**target)["Body"].read() == BODY
    assert anonymous.request("GET", f"/{bucket}/k").body == BODY
    assert anonymous.request("GET", f"/{bucket}/none").told == (403, "AccessDenied")  # who may not list is not told
    refused("AccessDenied", 403, alice.get_object, **target, VersionId="null")  # s3:GetObjectVersion
    everything = statement(bucket, Action="s3:ListBucket", Resource=f"arn:aws:s3:::{bucket}")
    s3.put_bucket_policy(Bucket=bucket, Policy=policy(statement(bucket), everything))
    assert anonymous.request("GET", f"/{bucket}/none").told == (404, "NoSuchKey")
