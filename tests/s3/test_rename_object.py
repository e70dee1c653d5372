"""RenameObject: an object under another key of its bucket, at once, with conditions on both."""

import datetime
import json
from concurrent.futures import ThreadPoolExecutor

import pytest
from botocore.exceptions import ClientError


def rename(s3, bucket, source, target, **more):
    return s3.rename_object(Bucket=bucket, Key=target, RenameSource=source, **more)


def keys(s3, bucket):
    return [one["Key"] for one in s3.list_objects_v2(Bucket=bucket).get("Contents", [])]


def body(s3, bucket, key):
    return s3.get_object(Bucket=bucket, Key=key)["Body"].read()


@pytest.mark.parametrize("size", [0, 10, 1_000_000])
@pytest.mark.parametrize("target", ["new", "other/place/k", "ä b+c"])
def test_rename(s3, bucket, size, target):
    content = bytes(range(256)) * (size // 256 + 1)
    content = content[:size]
    s3.put_object(Bucket=bucket, Key="old", Body=content, Metadata={"a": "b"}, Tagging="t=1", ContentType="x/y")
    before = s3.head_object(Bucket=bucket, Key="old")
    answer = rename(s3, bucket, "old", target)
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 200
    assert keys(s3, bucket) == [target]
    assert body(s3, bucket, target) == content
    after = s3.head_object(Bucket=bucket, Key=target)
    for name in ("ETag", "LastModified", "Metadata", "ContentType", "TagCount", "ContentLength"):
        assert after[name] == before[name], name


def test_a_multipart_object(s3, bucket):
    upload = s3.create_multipart_upload(Bucket=bucket, Key="old")["UploadId"]
    pieces = [b"a" * 5 * 1024**2, b"b"]
    parts = []
    for number, piece in enumerate(pieces, 1):
        etag = s3.upload_part(Bucket=bucket, Key="old", UploadId=upload, PartNumber=number, Body=piece)["ETag"]
        parts.append({"PartNumber": number, "ETag": etag})
    s3.complete_multipart_upload(Bucket=bucket, Key="old", UploadId=upload, MultipartUpload={"Parts": parts})
    rename(s3, bucket, "old", "new")
    assert body(s3, bucket, "new") == b"".join(pieces)
    assert s3.head_object(Bucket=bucket, Key="new", PartNumber=2)["ContentLength"] == 1


def test_over_another(s3, bucket):
    s3.put_object(Bucket=bucket, Key="a", Body=b"one")
    s3.put_object(Bucket=bucket, Key="b", Body=b"two")
    rename(s3, bucket, "a", "b")
    assert keys(s3, bucket) == ["b"]
    assert body(s3, bucket, "b") == b"one"


def test_onto_itself(s3, bucket):
    s3.put_object(Bucket=bucket, Key="a", Body=b"one")
    rename(s3, bucket, "a", "a")
    assert body(s3, bucket, "a") == b"one"


@pytest.mark.parametrize("form", ["a b", "/a b", "a%20b", "/{}/a%20b"])
def test_forms_of_the_source(raw, s3, bucket, form):
    s3.put_object(Bucket=bucket, Key="a b", Body=b"x")
    answer = raw.request("PUT", f"/{bucket}/new", "renameObject", {"x-amz-rename-source": form.format(bucket)})
    assert (answer.status, answer.body) == (200, b"")
    assert keys(s3, bucket) == ["new"]


def test_no_source(s3, bucket, refused):
    assert refused("NoSuchKey", 404, rename, s3=s3, bucket=bucket, source="none", target="new")["Key"] == "none"
    s3.put_object(Bucket=bucket, Key="a", Body=b"x")
    rename(s3, bucket, "a", "b")
    refused("NoSuchKey", 404, rename, s3=s3, bucket=bucket, source="a", target="c")


@pytest.mark.parametrize(("source", "target"), [("a/", "b"), ("a", "b/")])
def test_directories_are_not_renamed(s3, bucket, refused, source, target):
    s3.put_object(Bucket=bucket, Key=source, Body=b"")
    refused("InvalidRequest", 400, rename, s3=s3, bucket=bucket, source=source, target=target)
    assert keys(s3, bucket) == [source]


def test_a_source_that_is_none(raw, bucket):
    answer = raw.request("PUT", f"/{bucket}/new", "renameObject", {"x-amz-rename-source": "%FF"})
    assert answer.told == (400, "InvalidArgument")
    assert answer.error["ArgumentName"] == "x-amz-rename-source"
    assert raw.request("PUT", f"/{bucket}/new", "renameObject").told == (400, "InvalidRequest")


@pytest.mark.parametrize("status", ["Enabled", "Suspended"])
def test_not_with_versions(s3, bucket, refused, status):
    s3.put_object(Bucket=bucket, Key="a", Body=b"x")
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": status})
    error = refused("InvalidRequest", 400, rename, s3=s3, bucket=bucket, source="a", target="b")
    assert error["Message"] == (
        "RenameObject is supported only in buckets in which versioning was never enabled. "
        "Copy the object and delete the source instead."
    )
    assert keys(s3, bucket) == ["a"]


LATER = datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=1)
EARLIER = LATER - datetime.timedelta(days=3)
CONDITIONS = [
    # (conditions, the target is there, the Condition told; None: it is renamed)
    ({"DestinationIfNoneMatch": "*"}, True, "If-None-Match"),
    ({"DestinationIfNoneMatch": "*"}, False, None),
    ({"DestinationIfMatch": "{target}"}, True, None),
    ({"DestinationIfMatch": '"x"'}, True, "If-Match"),
    ({"DestinationIfMatch": '"x"'}, False, "If-Match"),
    ({"DestinationIfModifiedSince": EARLIER}, True, None),
    ({"DestinationIfModifiedSince": LATER}, True, "If-Modified-Since"),
    ({"DestinationIfModifiedSince": EARLIER}, False, "If-Modified-Since"),
    ({"DestinationIfUnmodifiedSince": EARLIER}, True, "If-Unmodified-Since"),
    ({"DestinationIfUnmodifiedSince": EARLIER}, False, None),
    ({"SourceIfMatch": "{source}"}, False, None),
    ({"SourceIfMatch": '"x"'}, False, "x-amz-rename-source-if-match"),
    ({"SourceIfNoneMatch": "*"}, False, "x-amz-rename-source-if-none-match"),
    ({"SourceIfNoneMatch": "{source}"}, False, "x-amz-rename-source-if-none-match"),
    ({"SourceIfNoneMatch": '"x"'}, False, None),
    ({"SourceIfModifiedSince": EARLIER}, False, None),
    ({"SourceIfModifiedSince": LATER}, False, "x-amz-rename-source-if-modified-since"),
    ({"SourceIfUnmodifiedSince": LATER}, False, None),
    ({"SourceIfUnmodifiedSince": EARLIER}, False, "x-amz-rename-source-if-unmodified-since"),
    ({"SourceIfMatch": "{source}", "SourceIfUnmodifiedSince": LATER, "DestinationIfNoneMatch": "*"}, False, None),
]


@pytest.mark.parametrize(("conditions", "is_there", "condition"), CONDITIONS)
def test_conditions(s3, bucket, refused, conditions, is_there, condition):
    etags = {"source": s3.put_object(Bucket=bucket, Key="a", Body=b"one")["ETag"], "target": ""}
    if is_there:
        etags["target"] = s3.put_object(Bucket=bucket, Key="b", Body=b"two")["ETag"]
    given = {name: text.format(**etags) if isinstance(text, str) else text for name, text in conditions.items()}
    if condition is None:
        rename(s3, bucket, "a", "b", **given)
        assert (keys(s3, bucket), body(s3, bucket, "b")) == (["b"], b"one")
    else:
        error = refused("PreconditionFailed", 412, rename, s3=s3, bucket=bucket, source="a", target="b", **given)
        assert error["Condition"] == condition
        assert keys(s3, bucket) == (["a", "b"] if is_there else ["a"])


def test_repeated_under_its_token(s3, bucket, refused):
    s3.put_object(Bucket=bucket, Key="a", Body=b"one")
    for _ in range(3):
        rename(s3, bucket, "a", "b", ClientToken="token-1")
    assert keys(s3, bucket) == ["b"]
    again = {"s3": s3, "bucket": bucket, "ClientToken": "token-1"}
    refused("IdempotencyParameterMismatch", 400, rename, source="b", target="c", **again)
    refused("IdempotencyParameterMismatch", 400, rename, source="a", target="c", **again)
    refused("NoSuchKey", 404, rename, s3=s3, bucket=bucket, source="a", target="b", ClientToken="token-2")


def test_a_token_that_is_none(raw, s3, bucket):
    s3.put_object(Bucket=bucket, Key="a", Body=b"one")
    for token in ("a b", "x" * 65):
        headers = {"x-amz-rename-source": "a", "x-amz-client-token": token}
        answer = raw.request("PUT", f"/{bucket}/b", "renameObject", headers)
        assert answer.told == (400, "InvalidArgument")
        assert answer.error["ArgumentName"] == "x-amz-client-token"


@pytest.mark.parametrize("missing", ["s3:GetObject", "s3:DeleteObject", "s3:PutObject"])
def test_permissions(s3, alice, bucket, refused, missing):
    s3.put_object(Bucket=bucket, Key="a", Body=b"one")
    actions = ["s3:GetObject", "s3:DeleteObject", "s3:PutObject"]

    def allow(chosen):
        statement = {
            "Effect": "Allow",
            "Principal": {"AWS": "111111111111"},
            "Action": chosen,
            "Resource": f"arn:aws:s3:::{bucket}/*",
        }
        s3.put_bucket_policy(Bucket=bucket, Policy=json.dumps({"Version": "2012-10-17", "Statement": [statement]}))

    allow([action for action in actions if action != missing])
    refused("AccessDenied", 403, rename, s3=alice, bucket=bucket, source="a", target="b")
    assert keys(s3, bucket) == ["a"]
    allow(actions)
    rename(alice, bucket, "a", "b")
    assert keys(s3, bucket) == ["b"]


def test_one_of_many_wins(clients, s3, bucket):
    s3.put_object(Bucket=bucket, Key="a", Body=b"one")

    def attempt(number):
        try:
            rename(clients[number], bucket, "a", f"b{number}")
        except ClientError as error:
            return error.response["Error"]["Code"]
        return "won"

    with ThreadPoolExecutor(8) as pool:
        outcomes = sorted(pool.map(attempt, range(8)))
    assert outcomes == ["NoSuchKey"] * 7 + ["won"]
    assert len(keys(s3, bucket)) == 1


def test_of_no_bucket(s3, new_name, refused):
    refused("NoSuchBucket", 404, rename, s3=s3, bucket=new_name(), source="a", target="b")


def test_a_sealed_object(s3, bucket):
    s3.put_object(Bucket=bucket, Key="a", Body=b"secret" * 1000, ServerSideEncryption="AES256")
    rename(s3, bucket, "a", "b")
    answer = s3.get_object(Bucket=bucket, Key="b")
    assert (answer["Body"].read(), answer["ServerSideEncryption"]) == (b"secret" * 1000, "AES256")
