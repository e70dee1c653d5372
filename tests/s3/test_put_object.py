"""PutObject: its answer, and what it makes of each of its parameters."""

import base64
import datetime
import hashlib
import io

import pytest
from access import ALICE_ACCOUNT, ALICE_CANONICAL, ALL_USERS, ROOT_ACCOUNT, grants_of, policy, statement
from checksum_values import DIGESTS, value

BODY = b"the body of the object"
ETAG = f'"{hashlib.md5(BODY).hexdigest()}"'
DAY = datetime.timedelta(days=1)


@pytest.fixture
def free(s3, bucket):
    """A bucket in which ACLs count."""
    s3.put_bucket_ownership_controls(Bucket=bucket, OwnershipControls={"Rules": [{"ObjectOwnership": "ObjectWriter"}]})
    return bucket


def test_the_answer_of_a_put(raw, bucket):
    answer = raw.request("PUT", f"/{bucket}/k", body=b"hello")
    assert (answer.status, answer.body) == (200, b"")
    assert answer.headers["etag"] == '"5d41402abc4b2a76b9719d911017c592"'
    assert "x-amz-version-id" not in answer.headers
    assert answer.headers["x-amz-checksum-crc64nvme"]
    assert answer.headers["x-amz-checksum-type"] == "FULL_OBJECT"
    assert answer.headers["x-amz-request-id"]
    assert answer.headers["x-amz-id-2"]


@pytest.mark.parametrize("body", [b"", b"x", BODY, io.BytesIO(BODY), bytearray(BODY)], ids=["empty", "x", "full", "file", "array"])
def test_the_etag_is_the_md5(s3, bucket, body):
    plain = body.getvalue() if isinstance(body, io.BytesIO) else bytes(body)
    answer = s3.put_object(Bucket=bucket, Key="k", Body=body)
    assert answer["ETag"] == f'"{hashlib.md5(plain).hexdigest()}"'
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == plain


def test_without_a_body(s3, bucket):
    """Directories of consoles are such objects."""
    s3.put_object(Bucket=bucket, Key="directory/")
    head = s3.head_object(Bucket=bucket, Key="directory/")
    assert (head["ContentLength"], head["ETag"]) == (0, f'"{hashlib.md5(b"").hexdigest()}"')


# -- digests -------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("algorithm", sorted(DIGESTS))
def test_a_checksum_that_is_given(s3, bucket, refused, algorithm):
    given = {f"Checksum{algorithm}": value(algorithm, BODY)}
    answer = s3.put_object(Bucket=bucket, Key="k", Body=BODY, **given)
    assert (answer[f"Checksum{algorithm}"], answer["ChecksumType"]) == (given[f"Checksum{algorithm}"], "FULL_OBJECT")
    wrong = {f"Checksum{algorithm}": value(algorithm, b"other")}
    refused("BadDigest", 400, s3.put_object, Bucket=bucket, Key="k", Body=b"new", **wrong)
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == BODY


@pytest.mark.parametrize("algorithm", ["CRC32", "CRC32C", "CRC64NVME", "SHA1", "SHA256"])
def test_a_checksum_that_the_client_computes(s3, bucket, algorithm):
    answer = s3.put_object(Bucket=bucket, Key="k", Body=BODY, ChecksumAlgorithm=algorithm)
    assert answer[f"Checksum{algorithm}"] == value(algorithm, BODY)
    head = s3.head_object(Bucket=bucket, Key="k", ChecksumMode="ENABLED")
    assert head[f"Checksum{algorithm}"] == value(algorithm, BODY)
    assert s3.list_objects_v2(Bucket=bucket)["Contents"][0]["ChecksumAlgorithm"] == [algorithm]


def test_content_md5(s3, bucket, refused):
    text = base64.b64encode(hashlib.md5(BODY).digest()).decode()
    assert s3.put_object(Bucket=bucket, Key="k", Body=BODY, ContentMD5=text)["ETag"] == ETAG
    refused("BadDigest", 400, s3.put_object, Bucket=bucket, Key="k", Body=b"other", ContentMD5=text)
    refused("InvalidDigest", 400, s3.put_object, Bucket=bucket, Key="k", Body=b"other", ContentMD5="no digest")
    assert s3.get_object(Bucket=bucket, Key="k")["ETag"] == ETAG


def test_content_length(s3, bucket):
    s3.put_object(Bucket=bucket, Key="k", Body=io.BytesIO(BODY), ContentLength=len(BODY))
    assert s3.head_object(Bucket=bucket, Key="k")["ContentLength"] == len(BODY)


# -- what is kept beside the bytes ---------------------------------------------------------------------------------------------

KEPT = {
    "CacheControl": "no-store",
    "ContentDisposition": "inline",
    "ContentEncoding": "br",
    "ContentLanguage": "de",
    "ContentType": "application/json",
    "StorageClass": "STANDARD_IA",
    "WebsiteRedirectLocation": "https://example.com/",
    "Metadata": {"a": "b"},
}


@pytest.mark.parametrize("name", sorted(KEPT))
def test_metadata(s3, bucket, name):
    s3.put_object(Bucket=bucket, Key="k", Body=BODY, **{name: KEPT[name]})
    assert s3.head_object(Bucket=bucket, Key="k")[name] == KEPT[name]
    s3.put_object(Bucket=bucket, Key="k", Body=BODY)
    assert s3.head_object(Bucket=bucket, Key="k").get(name) != KEPT[name]


def test_tagging(s3, bucket):
    s3.put_object(Bucket=bucket, Key="k", Body=BODY, Tagging="a=1&b=%20")
    assert s3.get_object_tagging(Bucket=bucket, Key="k")["TagSet"] == [{"Key": "a", "Value": "1"}, {"Key": "b", "Value": " "}]


@pytest.mark.parametrize(
    ("acl", "grants"),
    [
        ("private", []),
        ("public-read", [(ALL_USERS, "READ")]),
        ("public-read-write", [(ALL_USERS, "READ"), (ALL_USERS, "WRITE")]),
        ("bucket-owner-read", []),
        ("bucket-owner-full-control", []),
    ],
)
def test_canned_acls(s3, free, acl, grants):
    s3.put_object(Bucket=free, Key="k", Body=BODY, ACL=acl)
    found = grants_of(s3.get_object_acl(Bucket=free, Key="k"))
    assert [grant for grant in found if grant[0] == ALL_USERS] == grants
    assert [permission for grantee, permission in found if grantee != ALL_USERS] == ["FULL_CONTROL"]


@pytest.mark.parametrize(
    ("name", "permission"),
    [("GrantRead", "READ"), ("GrantReadACP", "READ_ACP"), ("GrantWriteACP", "WRITE_ACP"), ("GrantFullControl", "FULL_CONTROL")],
)
def test_grants(s3, bucket, refused, name, permission):
    given = {name: f'id="{ALICE_CANONICAL}"'}
    refused("AccessControlListNotSupported", 400, s3.put_object, Bucket=bucket, Key="k", Body=BODY, **given)
    s3.put_bucket_ownership_controls(Bucket=bucket, OwnershipControls={"Rules": [{"ObjectOwnership": "ObjectWriter"}]})
    s3.put_object(Bucket=bucket, Key="k", Body=BODY, **given)
    assert (ALICE_CANONICAL, permission) in grants_of(s3.get_object_acl(Bucket=bucket, Key="k"))


def test_grants_and_a_canned_acl_exclude_each_other(s3, free, refused):
    given = {"ACL": "private", "GrantRead": f'id="{ALICE_CANONICAL}"'}
    refused("InvalidRequest", 400, s3.put_object, Bucket=free, Key="k", Body=BODY, **given)
    assert "Contents" not in s3.list_objects_v2(Bucket=free)


@pytest.mark.parametrize("mode", ["GOVERNANCE", "COMPLIANCE"])
def test_a_retention(s3, lockable, refused, mode):
    until = (datetime.datetime.now(datetime.UTC) + DAY).replace(microsecond=0)
    lock = {"ObjectLockMode": mode, "ObjectLockRetainUntilDate": until}
    version = s3.put_object(Bucket=lockable, Key="k", Body=BODY, **lock)["VersionId"]
    found = s3.get_object_retention(Bucket=lockable, Key="k")["Retention"]
    assert (found["Mode"], found["RetainUntilDate"]) == (mode, until)
    refused("AccessDenied", 403, s3.delete_object, Bucket=lockable, Key="k", VersionId=version)
    refused("InvalidArgument", 400, s3.put_object, Bucket=lockable, Key="k", Body=BODY, ObjectLockMode=mode)


@pytest.mark.parametrize("status", ["ON", "OFF"])
def test_a_legal_hold(s3, bucket, lockable, refused, status):
    s3.put_object(Bucket=lockable, Key="k", Body=BODY, ObjectLockLegalHoldStatus=status)
    assert s3.get_object_legal_hold(Bucket=lockable, Key="k")["LegalHold"]["Status"] == status
    refused("InvalidRequest", 400, s3.put_object, Bucket=bucket, Key="k", Body=BODY, ObjectLockLegalHoldStatus=status)


# -- whether at all ------------------------------------------------------------------------------------------------------------


def test_conditions(s3, bucket, refused):
    s3.put_object(Bucket=bucket, Key="k", Body=BODY, IfNoneMatch="*")
    error = refused("PreconditionFailed", 412, s3.put_object, Bucket=bucket, Key="k", Body=b"new", IfNoneMatch="*")
    assert error["Condition"] == "If-None-Match"
    s3.put_object(Bucket=bucket, Key="k", Body=b"new", IfMatch=ETAG)
    error = refused("PreconditionFailed", 412, s3.put_object, Bucket=bucket, Key="k", Body=b"newer", IfMatch=ETAG)
    assert error["Condition"] == "If-Match"
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"new"


def test_an_append_is_refused(s3, bucket, refused):
    """Directory buckets alone have it."""
    s3.put_object(Bucket=bucket, Key="k", Body=BODY)
    refused("NotImplemented", 501, s3.put_object, Bucket=bucket, Key="k", Body=b"more", WriteOffsetBytes=len(BODY))
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == BODY


def test_of_no_bucket(s3, new_name, refused):
    name = new_name()
    assert refused("NoSuchBucket", 404, s3.put_object, Bucket=name, Key="k", Body=BODY)["BucketName"] == name


def test_versions(s3, raw, versioned):
    ids = [s3.put_object(Bucket=versioned, Key="k", Body=b"%d" % number)["VersionId"] for number in range(3)]
    assert len(set(ids)) == 3
    s3.put_bucket_versioning(Bucket=versioned, VersioningConfiguration={"Status": "Suspended"})
    assert raw.request("PUT", f"/{versioned}/k", body=b"null").headers["x-amz-version-id"] == "null"
    assert len(s3.list_object_versions(Bucket=versioned)["Versions"]) == 4


def test_the_expected_owner(s3, bucket, refused):
    s3.put_object(Bucket=bucket, Key="k", Body=BODY, ExpectedBucketOwner=ROOT_ACCOUNT)
    refused("AccessDenied", 403, s3.put_object, Bucket=bucket, Key="k", Body=b"new", ExpectedBucketOwner=ALICE_ACCOUNT)
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == BODY


@pytest.mark.parametrize(
    ("more", "action"),
    [
        ({}, None),
        ({"Tagging": "a=1"}, "s3:PutObjectTagging"),
        ({"ACL": "bucket-owner-full-control"}, "s3:PutObjectAcl"),
    ],
    ids=["plain", "tagging", "acl"],
)
def test_the_permission(s3, alice, bucket, refused, more, action):
    named = {"Bucket": bucket, "Key": "k", "Body": BODY, **more}
    refused("AccessDenied", 403, alice.put_object, **named)
    one = {"Principal": {"AWS": ALICE_ACCOUNT}}
    if action is not None:
        s3.put_bucket_policy(Bucket=bucket, Policy=policy(statement(bucket, Action="s3:PutObject", **one)))
        refused("AccessDenied", 403, alice.put_object, **named)
        assert "Contents" not in s3.list_objects_v2(Bucket=bucket)
    actions = ["s3:PutObject", *([action] if action else [])]
    s3.put_bucket_policy(Bucket=bucket, Policy=policy(statement(bucket, Action=actions, **one)))
    assert alice.put_object(**named)["ETag"] == ETAG
