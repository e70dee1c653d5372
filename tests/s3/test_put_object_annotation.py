"""PutObjectAnnotation: looked at as S3 would, and refused by name; nothing is kept."""

import pytest
from access import ALICE_ACCOUNT, ROOT_ACCOUNT, policy, statement
from checksum_values import DIGESTS, value

NAME = {"AnnotationName": "note"}
TEXT = {"AnnotationPayload": b"text"}


@pytest.fixture
def target(s3, bucket):
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    return {"Bucket": bucket, "Key": "k"}


@pytest.mark.parametrize("payload", [b"t", b"text", "ä".encode(), b"{}" * 5000], ids=len)
def test_is_refused_and_not_kept(s3, target, refused, payload):
    error = refused("NotImplemented", 501, s3.put_object_annotation, **target, **NAME, AnnotationPayload=payload)
    assert (error["Operation"], error["Message"]) == ("PutObjectAnnotation", "PutObjectAnnotation is not implemented")
    assert s3.list_object_annotations(**target)["AnnotationCount"] == 0
    assert s3.get_object(**target)["Body"].read() == b"x"


def test_the_answer(raw, target):
    answer = raw.request("PUT", f"/{target['Bucket']}/k", "annotation&annotationName=note", body=b"text")
    assert answer.told == (501, "NotImplemented")
    assert list(answer.error) == ["Code", "Message", "Operation", "Resource", "RequestId", "HostId"]


@pytest.mark.parametrize(
    ("name", "code"), [("x" * 513, "AnnotationNameTooLong"), ("aws", "InvalidAnnotationName"), ("S3-x", "InvalidAnnotationName")]
)
def test_names(s3, target, refused, name, code):
    refused(code, 400, s3.put_object_annotation, **target, AnnotationName=name, **TEXT)


def test_of_nothing(s3, bucket, new_name, refused):
    refused("NoSuchKey", 404, s3.put_object_annotation, Bucket=bucket, Key="none", **NAME, **TEXT)
    refused("NoSuchBucket", 404, s3.put_object_annotation, Bucket=new_name(), Key="k", **NAME, **TEXT)


def test_of_versions(s3, versioned, refused):
    version = s3.put_object(Bucket=versioned, Key="k", Body=b"x")["VersionId"]
    marker = s3.delete_object(Bucket=versioned, Key="k")["VersionId"]
    named = {"Bucket": versioned, "Key": "k", **NAME, **TEXT}
    refused("NotImplemented", 501, s3.put_object_annotation, **named, VersionId=version)
    refused("NoSuchKey", 404, s3.put_object_annotation, **named)
    refused("MethodNotAllowed", 405, s3.put_object_annotation, **named, VersionId=marker)


@pytest.mark.parametrize(
    "more",
    [
        *({"ChecksumAlgorithm": name} for name in ("CRC32", "SHA256")),
        *({f"Checksum{name}": value(name, b"text")} for name in sorted(DIGESTS)),
        {"ContentMD5": value("MD5", b"text")},
        {"ObjectIfMatch": '"9dd4e461268c8034f5c8564e155c67a6"'},
        {"RequestPayer": "requester"},
        {"ExpectedBucketOwner": ROOT_ACCOUNT},
    ],
    ids=str,
)
def test_further_parameters(s3, target, refused, more):
    refused("NotImplemented", 501, s3.put_object_annotation, **target, **NAME, **TEXT, **more)


def test_the_permission(s3, alice, anonymous, target, refused):
    bucket = target["Bucket"]
    refused("AccessDenied", 403, alice.put_object_annotation, **target, **NAME, **TEXT)
    refused("AccessDenied", 403, s3.put_object_annotation, **target, **NAME, **TEXT, ExpectedBucketOwner=ALICE_ACCOUNT)
    s3.put_bucket_policy(Bucket=bucket, Policy=policy(statement(bucket, Action="s3:PutObject")))
    assert anonymous.request("PUT", f"/{bucket}/k", "annotation&annotationName=note", body=b"x").told == (403, "AccessDenied")
    s3.put_bucket_policy(Bucket=bucket, Policy=policy(statement(bucket, Action="s3:PutObjectAnnotation")))
    refused("NotImplemented", 501, alice.put_object_annotation, **target, **NAME, **TEXT)
