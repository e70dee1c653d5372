"""UpdateObjectEncryption: another key for the same data."""

import datetime
import hashlib
import os
import threading

import pytest
from encryption_kinds import KINDS, arn, shown

UNENCRYPTED = (
    "The UpdateObjectEncryption operation doesn't supported unencrypted source objects. "
    "Only source objects encrypted with SSE-S3 or SSE-KMS are supported."
)
UNSUPPORTED = (
    "The UpdateObjectEncryption operation doesn't support source objects with the encryption type DSSE-KMS or SSE-C. "
    "Only source objects encrypted with SSE-S3 or SSE-KMS are supported."
)
TO_BETA = {"SSEKMS": {"KMSKeyArn": arn("beta")}}


def described(s3, bucket, **more):
    found = s3.get_object(Bucket=bucket, Key="k", ChecksumMode="ENABLED", **more)
    kept = ("ETag", "LastModified", "ContentLength", "Metadata", "StorageClass", "ChecksumCRC32", "TagCount", "VersionId")
    return found["Body"].read(), {name: found.get(name) for name in kept}, shown(found)


@pytest.mark.parametrize("kind", ["SSE-S3", "SSE-KMS"])
@pytest.mark.parametrize("bucket_key", [None, True, False])
def test_only_the_key_changes(s3, bucket, kind, bucket_key):
    data = os.urandom(200_000)
    more = {"Metadata": {"a": "b"}, "Tagging": "c=d", "StorageClass": "GLACIER_IR"}
    s3.put_object(Bucket=bucket, Key="k", Body=data, **more, **KINDS[kind].write)
    before = described(s3, bucket)
    wanted = {"SSEKMS": {"KMSKeyArn": arn("beta"), **({} if bucket_key is None else {"BucketKeyEnabled": bucket_key})}}
    answer = s3.update_object_encryption(Bucket=bucket, Key="k", ObjectEncryption=wanted)
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 200
    after = described(s3, bucket)
    assert after[:2] == before[:2]
    expected = {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": arn("beta")}
    assert after[2] == {**expected, **({"BucketKeyEnabled": True} if bucket_key else {})}
    s3.update_object_encryption(Bucket=bucket, Key="k", ObjectEncryption={"SSEKMS": {"KMSKeyArn": arn("alpha")}})
    assert described(s3, bucket) == (*before[:2], {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": arn("alpha")})


def test_a_multipart_object(s3, bucket):
    name = {"Bucket": bucket, "Key": "k"}
    name["UploadId"] = s3.create_multipart_upload(**name, **KINDS["SSE-S3"].write)["UploadId"]
    bodies = [os.urandom(5 << 20), b"end"]
    etags = [s3.upload_part(**name, PartNumber=number, Body=body)["ETag"] for number, body in enumerate(bodies, 1)]
    parts = [{"PartNumber": number, "ETag": etag} for number, etag in enumerate(etags, 1)]
    s3.complete_multipart_upload(**name, MultipartUpload={"Parts": parts})
    s3.update_object_encryption(Bucket=bucket, Key="k", ObjectEncryption=TO_BETA)
    found = s3.get_object(Bucket=bucket, Key="k")
    assert hashlib.sha256(found["Body"].read()).digest() == hashlib.sha256(b"".join(bodies)).digest()
    assert found["SSEKMSKeyId"] == arn("beta")


def test_a_version(s3, versioned, refused):
    ids = [s3.put_object(Bucket=versioned, Key="k", Body=b"x", **KINDS["SSE-S3"].write)["VersionId"] for _ in range(2)]
    s3.update_object_encryption(Bucket=versioned, Key="k", VersionId=ids[0], ObjectEncryption=TO_BETA)
    kinds = [described(s3, versioned, VersionId=version_id)[2]["ServerSideEncryption"] for version_id in ids]
    assert kinds == ["aws:kms", "AES256"]
    s3.delete_object(Bucket=versioned, Key="k")
    refused("NoSuchKey", 404, s3.update_object_encryption, Bucket=versioned, Key="k", ObjectEncryption=TO_BETA)


@pytest.mark.parametrize(("kind", "message"), [("none", UNENCRYPTED), ("SSE-C", UNSUPPORTED), ("DSSE", UNSUPPORTED)])
def test_objects_that_cannot_be_updated(s3, bucket, refused, kind, message):
    s3.put_object(Bucket=bucket, Key="k", Body=b"x", **KINDS[kind].write)
    call = {"Bucket": bucket, "Key": "k", "ObjectEncryption": TO_BETA}
    assert refused("InvalidRequest", 400, s3.update_object_encryption, **call)["Message"] == message
    assert shown(s3.head_object(Bucket=bucket, Key="k", **KINDS[kind].read)) == KINDS[kind].shown


NO_TYPE = "Requests that modify an object encryption configuration require a valid new encryption type."
NO_ARN = "Requests that modify an object's encryption type to SSE-KMS require a"
ALIAS = arn("beta").replace(":key/", ":alias/")


@pytest.mark.parametrize(
    ("body", "code", "beginning"),
    [
        ("", "InvalidRequest", NO_TYPE),
        ("<SSE-S3></SSE-S3>", "InvalidRequest", NO_TYPE),
        ("<SSE-KMS></SSE-KMS>", "MalformedXML", ""),
        ("<SSE-KMS><KMSKeyArn></KMSKeyArn></SSE-KMS>", "InvalidRequest", f"{NO_ARN}n Amazon Web Services KMS key"),
        ("<SSE-KMS><KMSKeyArn>beta</KMSKeyArn></SSE-KMS>", "InvalidRequest", f"{NO_ARN} valid Amazon Web Services KMS key"),
        (f"<SSE-KMS><KMSKeyArn>{ALIAS}</KMSKeyArn></SSE-KMS>", "InvalidRequest", f"{NO_ARN} valid Amazon Web Services KMS key"),
    ],
)
def test_wrong_requests(raw, s3, bucket, body, code, beginning):
    s3.put_object(Bucket=bucket, Key="k", Body=b"x", **KINDS["SSE-S3"].write)
    document = f'<ObjectEncryption xmlns="http://s3.amazonaws.com/doc/2006-03-01/">{body}</ObjectEncryption>'.encode()
    answer = raw.request("PUT", f"/{bucket}/k", [("encryption", "")], {}, document)
    assert answer.told == (400, code)
    assert answer.error["Message"].startswith(beginning)
    assert shown(s3.head_object(Bucket=bucket, Key="k")) == KINDS["SSE-S3"].shown


def test_keys_and_objects_that_are_not_there(s3, alice, bucket, new_name, refused):
    s3.put_object(Bucket=bucket, Key="k", Body=b"x", **KINDS["SSE-S3"].write)
    call = s3.update_object_encryption
    gone = {"SSEKMS": {"KMSKeyArn": arn("gone")}}
    told = refused("KMS.NotFoundException", 400, call, Bucket=bucket, Key="k", ObjectEncryption=gone)
    assert told["Message"] == f"Key '{arn('gone')}' does not exist"
    refused("NoSuchKey", 404, call, Bucket=bucket, Key="none", ObjectEncryption=TO_BETA)
    refused("NoSuchBucket", 404, call, Bucket=new_name(), Key="k", ObjectEncryption=TO_BETA)
    refused("AccessDenied", 403, alice.update_object_encryption, Bucket=bucket, Key="k", ObjectEncryption=TO_BETA)
    assert shown(s3.head_object(Bucket=bucket, Key="k")) == KINDS["SSE-S3"].shown


def test_locked_objects(s3, new_name, refused):
    bucket = new_name()
    s3.create_bucket(Bucket=bucket, ObjectLockEnabledForBucket=True)
    version = s3.put_object(Bucket=bucket, Key="k", Body=b"x", ObjectLockLegalHoldStatus="ON", **KINDS["SSE-S3"].write)["VersionId"]
    call = {"Bucket": bucket, "Key": "k", "ObjectEncryption": TO_BETA}
    assert "Object Lock" in refused("AccessDenied", 403, s3.update_object_encryption, **call)["Message"]
    s3.put_object_legal_hold(Bucket=bucket, Key="k", LegalHold={"Status": "OFF"})
    s3.update_object_encryption(**call)
    until = datetime.datetime.now(datetime.UTC) + datetime.timedelta(hours=1)
    s3.put_object_retention(Bucket=bucket, Key="k", Retention={"Mode": "GOVERNANCE", "RetainUntilDate": until})
    refused("AccessDenied", 403, s3.update_object_encryption, **call)
    s3.delete_object(Bucket=bucket, Key="k", VersionId=version, BypassGovernanceRetention=True)


def test_updates_beside_overwrites_never_spoil_data(s3, bucket):
    """A null version is replaced all the time: a sealed key must never land on other data."""
    stop = threading.Event()

    def overwrite():
        for number in range(40):
            s3.put_object(Bucket=bucket, Key="k", Body=b"%d" % number, **KINDS["SSE-S3" if number % 2 else "SSE-KMS"].write)
        stop.set()

    s3.put_object(Bucket=bucket, Key="k", Body=b"first", **KINDS["SSE-S3"].write)
    writer = threading.Thread(target=overwrite)
    writer.start()
    updates, codes = 0, set()
    while not stop.is_set():
        try:
            s3.update_object_encryption(Bucket=bucket, Key="k", ObjectEncryption=TO_BETA)
            updates += 1
        except s3.exceptions.ClientError as error:
            codes.add(error.response["Error"]["Code"])
        s3.get_object(Bucket=bucket, Key="k")["Body"].read()
    writer.join()
    assert updates
    assert codes <= {"OperationAborted"}
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"39"
