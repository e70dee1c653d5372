"""CopyObject: directives, conditions on the source, versions, names that need encoding."""

import base64
import datetime
import hashlib
import zlib

import pytest
from access import ALICE_CANONICAL, grants_of
from encryption_kinds import customer, key_md5

SYSTEM = {"ContentType": "text/x", "CacheControl": "no-cache", "ContentLanguage": "de", "ContentDisposition": "inline"}
HOUR = datetime.timedelta(hours=1)
OTHER = '"00000000000000000000000000000000"'


@pytest.fixture
def source(s3, bucket):
    s3.put_object(
        Bucket=bucket, Key="source", Body=b"copied", Metadata={"a": "1"}, Tagging="t=1&u=2", StorageClass="STANDARD_IA", **SYSTEM
    )
    return {"Bucket": bucket, "Key": "source"}


def described(s3, bucket, key):
    answer = s3.get_object(Bucket=bucket, Key=key)
    tags = {tag["Key"]: tag["Value"] for tag in s3.get_object_tagging(Bucket=bucket, Key=key)["TagSet"]}
    system = {name: answer[name] for name in SYSTEM if name in answer}
    return answer["Body"].read(), answer["Metadata"], system, tags, answer.get("StorageClass")


def test_all_is_copied_but_the_storage_class(s3, bucket, source):
    answer = s3.copy_object(Bucket=bucket, Key="copy", CopySource=source)
    result = answer["CopyObjectResult"]
    head = s3.head_object(Bucket=bucket, Key="copy")
    assert (result["ETag"], result["LastModified"]) == (head["ETag"], head["LastModified"])
    assert head["ETag"] == f'"{hashlib.md5(b"copied").hexdigest()}"'
    assert described(s3, bucket, "copy") == (b"copied", {"a": "1"}, SYSTEM, {"t": "1", "u": "2"}, None)
    assert "VersionId" not in answer
    assert "CopySourceVersionId" not in answer


def test_replaced_metadata(s3, bucket, source):
    s3.copy_object(
        Bucket=bucket, Key="copy", CopySource=source, MetadataDirective="REPLACE", Metadata={"b": "2"}, ContentType="text/y",
        StorageClass="GLACIER",
    )
    expected = (b"copied", {"b": "2"}, {"ContentType": "text/y"}, {"t": "1", "u": "2"}, "GLACIER")
    assert described(s3, bucket, "copy") == expected


def test_metadata_without_the_directive_is_ignored(s3, bucket, source):
    s3.copy_object(Bucket=bucket, Key="copy", CopySource=source, Metadata={"b": "2"}, ContentType="text/y")
    assert described(s3, bucket, "copy")[1:3] == ({"a": "1"}, SYSTEM)


def test_replaced_tags(s3, bucket, source):
    s3.copy_object(Bucket=bucket, Key="copy", CopySource=source, TaggingDirective="REPLACE", Tagging="v=3")
    assert described(s3, bucket, "copy")[3] == {"v": "3"}
    s3.copy_object(Bucket=bucket, Key="copy", CopySource=source, TaggingDirective="REPLACE")
    assert described(s3, bucket, "copy")[3] == {}


def test_unknown_directives(raw, bucket, source):
    for name in ("x-amz-metadata-directive", "x-amz-tagging-directive"):
        headers = {"x-amz-copy-source": f"/{bucket}/source", name: "MERGE"}
        assert raw.request("PUT", f"/{bucket}/copy", headers=headers).told == (400, "InvalidArgument")


def test_onto_itself(s3, bucket, source, refused):
    refused("InvalidRequest", 400, s3.copy_object, Bucket=bucket, Key="source", CopySource=source)
    refused("InvalidRequest", 400, s3.copy_object, Bucket=bucket, Key="source", CopySource=source, Metadata={"b": "2"})
    s3.copy_object(Bucket=bucket, Key="source", CopySource=source, MetadataDirective="REPLACE", Metadata={"b": "2"})
    assert described(s3, bucket, "source")[:3] == (b"copied", {"b": "2"}, {"ContentType": "binary/octet-stream"})
    s3.copy_object(Bucket=bucket, Key="source", CopySource=source, StorageClass="GLACIER")
    assert described(s3, bucket, "source")[4] == "GLACIER"


def test_between_buckets(s3, bucket, source, new_name):
    other = new_name()
    s3.create_bucket(Bucket=other)
    s3.copy_object(Bucket=other, Key="source", CopySource=source)
    s3.delete_object(**source)
    assert s3.get_object(Bucket=other, Key="source")["Body"].read() == b"copied"


CONDITIONS = [
    ("CopySourceIfMatch", "etag", True),
    ("CopySourceIfMatch", OTHER, False),
    ("CopySourceIfNoneMatch", OTHER, True),
    ("CopySourceIfNoneMatch", "etag", False),
    ("CopySourceIfModifiedSince", -HOUR, True),
    ("CopySourceIfModifiedSince", HOUR, False),
    ("CopySourceIfUnmodifiedSince", HOUR, True),
    ("CopySourceIfUnmodifiedSince", -HOUR, False),
]


@pytest.mark.parametrize(("name", "value", "holds"), CONDITIONS, ids=str)
def test_conditions_on_the_source(s3, bucket, source, refused, name, value, holds):
    head = s3.head_object(**source)
    if value == "etag":
        value = head["ETag"]
    elif isinstance(value, datetime.timedelta):
        value = head["LastModified"] + value
    arguments = {"Bucket": bucket, "Key": "copy", "CopySource": source, name: value}
    if holds:
        s3.copy_object(**arguments)
    else:
        refused("PreconditionFailed", 412, s3.copy_object, **arguments)
        refused("404", 404, s3.head_object, Bucket=bucket, Key="copy")


def test_if_match_goes_before_unmodified_since(s3, bucket, source, refused):
    head = s3.head_object(**source)
    early = head["LastModified"] - HOUR
    s3.copy_object(
        Bucket=bucket, Key="copy", CopySource=source, CopySourceIfMatch=head["ETag"], CopySourceIfUnmodifiedSince=early
    )
    refused(
        *("PreconditionFailed", 412, s3.copy_object),
        Bucket=bucket, Key="copy", CopySource=source, CopySourceIfNoneMatch=head["ETag"], CopySourceIfModifiedSince=early,
    )


def test_sources_that_are_not_there(s3, bucket, refused, new_name):
    name = new_name()
    refused("NoSuchKey", 404, s3.copy_object, Bucket=bucket, Key="copy", CopySource={"Bucket": bucket, "Key": "none"})
    error = refused("NoSuchBucket", 404, s3.copy_object, Bucket=bucket, Key="copy", CopySource={"Bucket": name, "Key": "k"})
    assert error["BucketName"] == name


@pytest.mark.parametrize(
    "text", ["", "/", "bucket", "bucket/", "/bucket/", "/UPPER/key", "%FF/key", "bucket/%FF", "bucket/k?versionId=", "b/k"]
)
def test_sources_that_are_none(raw, bucket, text):
    answer = raw.request("PUT", f"/{bucket}/copy", headers={"x-amz-copy-source": text}, body=b"")
    assert answer.status == 400
    assert answer.code in ("InvalidArgument", "InvalidRequest")


@pytest.mark.parametrize("key", ["a b", "a+b", "ä", "a?b", "a%2Fb", "a/../b", "//a", "a&b=c", "a?versionId=x", "100%"])
def test_names_that_need_encoding(s3, raw, bucket, key):
    s3.put_object(Bucket=bucket, Key=key, Body=key.encode())
    s3.copy_object(Bucket=bucket, Key="copy", CopySource={"Bucket": bucket, "Key": key})
    assert s3.get_object(Bucket=bucket, Key="copy")["Body"].read() == key.encode()


def test_the_source_with_and_without_a_slash(s3, raw, bucket, source):
    for text in (f"/{bucket}/source", f"{bucket}/source", f"{bucket}%2Fsource", f"/{bucket}/%73ource"):
        answer = raw.request("PUT", f"/{bucket}/copy", headers={"x-amz-copy-source": text}, body=b"")
        assert answer.status == 200, text
        assert answer.xml.tag == "CopyObjectResult"


def test_versions(s3, versioned, refused):
    first = s3.put_object(Bucket=versioned, Key="k", Body=b"first")["VersionId"]
    second = s3.put_object(Bucket=versioned, Key="k", Body=b"second")["VersionId"]
    answer = s3.copy_object(Bucket=versioned, Key="copy", CopySource={"Bucket": versioned, "Key": "k", "VersionId": first})
    assert answer["CopySourceVersionId"] == first
    assert answer["VersionId"] not in (first, second)
    assert s3.get_object(Bucket=versioned, Key="copy")["Body"].read() == b"first"
    answer = s3.copy_object(Bucket=versioned, Key="copy", CopySource={"Bucket": versioned, "Key": "k"})
    assert answer["CopySourceVersionId"] == second
    marker = s3.delete_object(Bucket=versioned, Key="k")["VersionId"]
    source = {"Bucket": versioned, "Key": "k"}
    refused("NoSuchKey", 404, s3.copy_object, Bucket=versioned, Key="copy", CopySource=source)
    refused("InvalidRequest", 400, s3.copy_object, Bucket=versioned, Key="copy", CopySource={**source, "VersionId": marker})
    refused("InvalidArgument", 400, s3.copy_object, Bucket=versioned, Key="copy", CopySource={**source, "VersionId": "nonsense"})
    s3.delete_object(Bucket=versioned, Key="k", VersionId=first)
    refused("NoSuchVersion", 404, s3.copy_object, Bucket=versioned, Key="copy", CopySource={**source, "VersionId": first})


def test_checksums(s3, bucket, source):
    for algorithm, value in (
        ("CRC32", base64.b64encode(zlib.crc32(b"copied").to_bytes(4, "big"))),
        ("SHA256", base64.b64encode(hashlib.sha256(b"copied").digest())),
    ):
        answer = s3.copy_object(Bucket=bucket, Key="copy", CopySource=source, ChecksumAlgorithm=algorithm)
        assert answer["CopyObjectResult"][f"Checksum{algorithm}"] == value.decode()
        head = s3.head_object(Bucket=bucket, Key="copy", ChecksumMode="ENABLED")
        assert (head[f"Checksum{algorithm}"], head["ChecksumType"]) == (value.decode(), "FULL_OBJECT")
    # Without one named, the source's algorithm stays.
    s3.copy_object(Bucket=bucket, Key="second", CopySource={"Bucket": bucket, "Key": "copy"})
    assert "ChecksumSHA256" in s3.head_object(Bucket=bucket, Key="second", ChecksumMode="ENABLED")


def test_an_unknown_checksum_algorithm(raw, bucket, source):
    headers = {"x-amz-copy-source": f"/{bucket}/source", "x-amz-checksum-algorithm": "CRC99"}
    assert raw.request("PUT", f"/{bucket}/copy", headers=headers, body=b"").told == (400, "InvalidRequest")


@pytest.mark.parametrize("size", [0, 1, 131_073, 1_048_577, 3_000_000])
def test_sizes(s3, bucket, size):
    body = bytes(range(256)) * (size // 256 + 1)
    body = body[:size]
    s3.put_object(Bucket=bucket, Key="k", Body=body)
    s3.copy_object(Bucket=bucket, Key="copy", CopySource={"Bucket": bucket, "Key": "k"})
    assert s3.get_object(Bucket=bucket, Key="copy")["Body"].read() == body


def test_a_multipart_object_becomes_one_in_one_piece(s3, bucket):
    upload = s3.create_multipart_upload(Bucket=bucket, Key="k", Metadata={"a": "b"})["UploadId"]
    bodies, parts = [b"x" * (5 << 20), b"y"], []
    for number, body in enumerate(bodies, 1):
        part = s3.upload_part(Bucket=bucket, Key="k", UploadId=upload, PartNumber=number, Body=body)
        parts.append({"PartNumber": number, "ETag": part["ETag"], "ChecksumCRC32": part["ChecksumCRC32"]})
    s3.complete_multipart_upload(Bucket=bucket, Key="k", UploadId=upload, MultipartUpload={"Parts": parts})
    s3.copy_object(Bucket=bucket, Key="copy", CopySource={"Bucket": bucket, "Key": "k"})
    answer = s3.get_object(Bucket=bucket, Key="copy")
    assert answer["Body"].read() == b"".join(bodies)
    assert answer["ETag"] == f'"{hashlib.md5(b"".join(bodies)).hexdigest()}"'
    assert answer["Metadata"] == {"a": "b"}
    assert "PartsCount" not in s3.head_object(Bucket=bucket, Key="copy", PartNumber=1)


def test_expected_owner_of_the_source(s3, bucket, source, refused):
    more = {"ExpectedSourceBucketOwner": "111111111111"}
    refused("AccessDenied", 403, s3.copy_object, Bucket=bucket, Key="copy", CopySource=source, **more)


REPLACED = {
    "CacheControl": "no-store",
    "ContentDisposition": "attachment",
    "ContentEncoding": "br",
    "ContentLanguage": "fr",
    "ContentType": "application/json",
    "WebsiteRedirectLocation": "/elsewhere",
    "Metadata": {"x": "y"},
}


@pytest.mark.parametrize("name", sorted(REPLACED))
def test_each_of_the_replaced(s3, bucket, source, name):
    s3.copy_object(Bucket=bucket, Key="copy", CopySource=source, MetadataDirective="REPLACE", **{name: REPLACED[name]})
    head = s3.head_object(Bucket=bucket, Key="copy")
    assert head[name] == REPLACED[name]
    assert not [other for other in (*SYSTEM, "Metadata") if other not in (name, "ContentType", "Metadata") and other in head]


@pytest.mark.parametrize(
    ("name", "permission"),
    [("GrantRead", "READ"), ("GrantReadACP", "READ_ACP"), ("GrantWriteACP", "WRITE_ACP"), ("GrantFullControl", "FULL_CONTROL")],
)
def test_grants(s3, bucket, source, refused, name, permission):
    given = {"Bucket": bucket, "Key": "copy", "CopySource": source, name: f'id="{ALICE_CANONICAL}"'}
    refused("AccessControlListNotSupported", 400, s3.copy_object, **given)
    s3.put_bucket_ownership_controls(Bucket=bucket, OwnershipControls={"Rules": [{"ObjectOwnership": "ObjectWriter"}]})
    s3.copy_object(**given)
    assert (ALICE_CANONICAL, permission) in grants_of(s3.get_object_acl(Bucket=bucket, Key="copy"))


@pytest.mark.parametrize("directive", ["COPY", "EXCLUDE"])
def test_annotations_of_which_there_are_none(s3, bucket, source, directive):
    s3.copy_object(Bucket=bucket, Key="copy", CopySource=source, AnnotationDirective=directive)
    assert s3.list_object_annotations(Bucket=bucket, Key="copy")["AnnotationCount"] == 0


def test_a_context_of_encryption(s3, bucket, source):
    context = base64.b64encode(b'{"a":"b"}').decode()
    given = {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": "alpha", "SSEKMSEncryptionContext": context}
    answer = s3.copy_object(Bucket=bucket, Key="copy", CopySource=source, **given)
    assert answer["ServerSideEncryption"] == "aws:kms"
    assert s3.get_object(Bucket=bucket, Key="copy")["Body"].read() == b"copied"


def test_a_key_of_the_client_with_its_md5(s3, bucket, refused):
    key, other = bytes(range(32)), bytes(32)
    s3.put_object(Bucket=bucket, Key="sealed", Body=b"sealed", **customer(key))
    named = {"Bucket": bucket, "Key": "copy", "CopySource": {"Bucket": bucket, "Key": "sealed"}}
    refused("InvalidRequest", 400, s3.copy_object, **named)
    text = base64.b64encode(key).decode()
    given = {"CopySourceSSECustomerAlgorithm": "AES256", "CopySourceSSECustomerKey": text}
    refused("InvalidArgument", 400, s3.copy_object, **named, **given, CopySourceSSECustomerKeyMD5=key_md5(other))
    s3.copy_object(**named, **given, CopySourceSSECustomerKeyMD5=key_md5(key))
    assert s3.get_object(Bucket=bucket, Key="copy")["Body"].read() == b"sealed"
