"""CreateMultipartUpload: what an upload is given at its beginning, and what is refused then."""

import base64
import datetime

import pytest
from access import ALICE_ACCOUNT, ALICE_CANONICAL, ROOT_ACCOUNT, grants_of, policy, statement
from multipart_uploads import complete, create, upload


def test_what_cannot_be_kept_is_refused(s3, bucket, refused):
    refused("AccessControlListNotSupported", 400, s3.create_multipart_upload, Bucket=bucket, Key="k", ACL="public-read")
    refused("InvalidStorageClass", 400, s3.create_multipart_upload, Bucket=bucket, Key="k", StorageClass="X")
    assert "Uploads" not in s3.list_multipart_uploads(Bucket=bucket)


DAY = datetime.timedelta(days=1)


@pytest.fixture
def free(s3, bucket):
    """A bucket in which ACLs count."""
    s3.put_bucket_ownership_controls(Bucket=bucket, OwnershipControls={"Rules": [{"ObjectOwnership": "ObjectWriter"}]})
    return bucket


def finished(s3, bucket, **more):
    """An object of one part whose upload was made with ``more``."""
    upload_id = create(s3, bucket, **more)
    return complete(s3, bucket, upload_id, [upload(s3, bucket, upload_id, 1, b"body")])


@pytest.mark.parametrize("key", ["k", "a/b c", "ä", "<&>"])
def test_the_answer(s3, bucket, key):
    answer = s3.create_multipart_upload(Bucket=bucket, Key=key)
    assert (answer["Bucket"], answer["Key"]) == (bucket, key)
    listed = s3.list_multipart_uploads(Bucket=bucket)["Uploads"]
    assert [(one["Key"], one["UploadId"]) for one in listed] == [(key, answer["UploadId"])]
    assert "Contents" not in s3.list_objects_v2(Bucket=bucket)


def test_the_document(raw, bucket):
    answer = raw.request("POST", f"/{bucket}/k", "uploads")
    assert (answer.status, answer.headers["content-type"]) == (200, "application/xml")
    assert answer.xml.tag == "InitiateMultipartUploadResult"
    assert [element.tag for element in answer.xml] == ["Bucket", "Key", "UploadId"]


def test_each_upload_is_another(s3, bucket):
    assert len({create(s3, bucket) for _ in range(5)}) == 5
    assert len(s3.list_multipart_uploads(Bucket=bucket)["Uploads"]) == 5


KEPT = {
    "CacheControl": "no-store",
    "ContentDisposition": "inline",
    "ContentEncoding": "br",
    "ContentLanguage": "de",
    "ContentType": "application/json",
    "ExpiresString": "Thu, 01 Dec 2033 16:00:00 GMT",
    "StorageClass": "STANDARD_IA",
    "WebsiteRedirectLocation": "/elsewhere",
    "Metadata": {"a": "b"},
}


@pytest.mark.parametrize("name", sorted(KEPT))
def test_what_the_object_will_have(s3, bucket, name):
    given = {name: KEPT[name]}
    if name == "ExpiresString":
        given = {"Expires": datetime.datetime(2033, 12, 1, 16, tzinfo=datetime.UTC)}
    finished(s3, bucket, **given)
    assert s3.head_object(Bucket=bucket, Key="k")[name] == KEPT[name]


def test_tags(s3, bucket, refused):
    finished(s3, bucket, Tagging="a=1&b=2")
    assert s3.get_object_tagging(Bucket=bucket, Key="k")["TagSet"] == [{"Key": "a", "Value": "1"}, {"Key": "b", "Value": "2"}]
    refused("InvalidTag", 400, s3.create_multipart_upload, Bucket=bucket, Key="k", Tagging="aws:a=1")


@pytest.mark.parametrize(
    ("name", "permission"),
    [("GrantRead", "READ"), ("GrantReadACP", "READ_ACP"), ("GrantWriteACP", "WRITE_ACP"), ("GrantFullControl", "FULL_CONTROL")],
)
def test_grants(s3, free, name, permission):
    finished(s3, free, **{name: f'id="{ALICE_CANONICAL}"'})
    assert (ALICE_CANONICAL, permission) in grants_of(s3.get_object_acl(Bucket=free, Key="k"))


def test_a_canned_acl(s3, free, anonymous):
    finished(s3, free, ACL="public-read")
    assert anonymous.request("GET", f"/{free}/k").body == b"body"


def test_a_lock(s3, lockable, bucket, refused):
    until = (datetime.datetime.now(datetime.UTC) + DAY).replace(microsecond=0)
    lock = {"ObjectLockMode": "GOVERNANCE", "ObjectLockRetainUntilDate": until, "ObjectLockLegalHoldStatus": "ON"}
    finished(s3, lockable, **lock)
    head = s3.head_object(Bucket=lockable, Key="k")
    assert {name: head[name] for name in lock} == lock
    refused("InvalidRequest", 400, s3.create_multipart_upload, Bucket=bucket, Key="k", **lock)


@pytest.mark.parametrize(
    ("algorithm", "kind", "shown"),
    [
        ("CRC32", None, "COMPOSITE"),
        ("CRC32", "FULL_OBJECT", "FULL_OBJECT"),
        ("CRC32C", "COMPOSITE", "COMPOSITE"),
        ("CRC64NVME", None, "FULL_OBJECT"),
        ("CRC64NVME", "FULL_OBJECT", "FULL_OBJECT"),
        ("SHA1", None, "COMPOSITE"),
        ("SHA256", "COMPOSITE", "COMPOSITE"),
    ],
)
def test_checksums(s3, bucket, algorithm, kind, shown):
    answer = s3.create_multipart_upload(
        Bucket=bucket, Key="k", ChecksumAlgorithm=algorithm, **({"ChecksumType": kind} if kind else {})
    )
    assert (answer["ChecksumAlgorithm"], answer["ChecksumType"]) == (algorithm, shown)
    listed = s3.list_multipart_uploads(Bucket=bucket)["Uploads"][0]
    assert (listed["ChecksumAlgorithm"], listed["ChecksumType"]) == (algorithm, shown)


@pytest.mark.parametrize(
    ("algorithm", "kind"), [("SHA1", "FULL_OBJECT"), ("SHA256", "FULL_OBJECT"), ("CRC64NVME", "COMPOSITE")]
)
def test_checksums_that_do_not_go_together(s3, bucket, refused, algorithm, kind):
    given = {"ChecksumAlgorithm": algorithm, "ChecksumType": kind}
    refused("InvalidRequest", 400, s3.create_multipart_upload, Bucket=bucket, Key="k", **given)


def test_of_no_bucket(s3, new_name, refused):
    name = new_name()
    assert refused("NoSuchBucket", 404, s3.create_multipart_upload, Bucket=name, Key="k")["BucketName"] == name


def test_the_permission(s3, alice, anonymous, bucket, refused):
    refused("AccessDenied", 403, alice.create_multipart_upload, Bucket=bucket, Key="k")
    assert anonymous.request("POST", f"/{bucket}/k", "uploads").told == (403, "AccessDenied")
    refused("AccessDenied", 403, s3.create_multipart_upload, Bucket=bucket, Key="k", ExpectedBucketOwner=ALICE_ACCOUNT)
    one = {"Principal": {"AWS": ALICE_ACCOUNT}}
    s3.put_bucket_policy(Bucket=bucket, Policy=policy(statement(bucket, Action="s3:PutObject", **one)))
    refused("AccessDenied", 403, alice.create_multipart_upload, Bucket=bucket, Key="k", Tagging="a=1")  # s3:PutObjectTagging
    assert alice.create_multipart_upload(Bucket=bucket, Key="k", ExpectedBucketOwner=ROOT_ACCOUNT)["UploadId"]


def test_a_context_of_encryption(s3, bucket, refused):
    given = {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": "alpha"}
    context = base64.b64encode(b'{"a":"b"}').decode()
    answer = s3.create_multipart_upload(Bucket=bucket, Key="k", **given, SSEKMSEncryptionContext=context)
    assert answer["ServerSideEncryption"] == "aws:kms"
    assert answer["SSEKMSEncryptionContext"] == context
    wrong = {**given, "SSEKMSEncryptionContext": "no base64"}
    refused("InvalidArgument", 400, s3.create_multipart_upload, Bucket=bucket, Key="k", **wrong)
