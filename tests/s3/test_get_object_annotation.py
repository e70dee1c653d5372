"""GetObjectAnnotation: no object has any, so that none of a right name is found."""

import pytest
from access import ALICE_ACCOUNT, ROOT_ACCOUNT, policy, statement

NAME = {"AnnotationName": "note"}


@pytest.fixture
def target(s3, bucket):
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    return {"Bucket": bucket, "Key": "k"}


@pytest.mark.parametrize("name", ["note", "n", "x" * 512, "ä" * 256, "a b/c", "a-s3"])
def test_none_is_there(s3, target, refused, name):
    error = refused("NoSuchAnnotation", 404, s3.get_object_annotation, **target, AnnotationName=name)
    assert (error["Key"], error["AnnotationName"]) == ("k", name)
    assert error["Message"] == "The specified annotation does not exist."


def test_the_answer(raw, target):
    answer = raw.request("GET", f"/{target['Bucket']}/k", "annotation&annotationName=note")
    assert answer.told == (404, "NoSuchAnnotation")
    assert list(answer.error) == ["Code", "Message", "Key", "AnnotationName", "Resource", "RequestId", "HostId"]


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("x" * 513, "AnnotationNameTooLong"),
        ("ä" * 257, "AnnotationNameTooLong"),
        ("aws", "InvalidAnnotationName"),
        ("AWS:x", "InvalidAnnotationName"),
        ("S3-x", "InvalidAnnotationName"),
    ],
)
def test_names(s3, target, refused, name, code):
    refused(code, 400, s3.get_object_annotation, **target, AnnotationName=name)


def test_an_empty_name(raw, target):
    assert raw.request("GET", f"/{target['Bucket']}/k", "annotation&annotationName=").told == (400, "InvalidArgument")


def test_of_nothing(s3, bucket, new_name, refused):
    refused("NoSuchKey", 404, s3.get_object_annotation, Bucket=bucket, Key="none", **NAME)
    refused("NoSuchBucket", 404, s3.get_object_annotation, Bucket=new_name(), Key="k", **NAME)


def test_of_versions(s3, versioned, refused):
    version = s3.put_object(Bucket=versioned, Key="k", Body=b"x")["VersionId"]
    marker = s3.delete_object(Bucket=versioned, Key="k")["VersionId"]
    named = {"Bucket": versioned, "Key": "k", **NAME}
    refused("NoSuchAnnotation", 404, s3.get_object_annotation, **named, VersionId=version)
    refused("NoSuchKey", 404, s3.get_object_annotation, **named)
    refused("MethodNotAllowed", 405, s3.get_object_annotation, **named, VersionId=marker)
    refused("InvalidArgument", 400, s3.get_object_annotation, **named, VersionId="nonsense")


@pytest.mark.parametrize(
    "more", [{"ChecksumMode": "ENABLED"}, {"RequestPayer": "requester"}, {"ExpectedBucketOwner": ROOT_ACCOUNT}]
)
def test_further_parameters(s3, target, refused, more):
    refused("NoSuchAnnotation", 404, s3.get_object_annotation, **target, **NAME, **more)


def test_the_permission(s3, alice, anonymous, target, refused):
    bucket = target["Bucket"]
    refused("AccessDenied", 403, alice.get_object_annotation, **target, **NAME)
    refused("AccessDenied", 403, s3.get_object_annotation, **target, **NAME, ExpectedBucketOwner=ALICE_ACCOUNT)
    s3.put_bucket_policy(Bucket=bucket, Policy=policy(statement(bucket)))  # s3:GetObject is not enough
    assert anonymous.request("GET", f"/{bucket}/k", "annotation&annotationName=note").told == (403, "AccessDenied")
    s3.put_bucket_policy(Bucket=bucket, Policy=policy(statement(bucket, Action="s3:GetObjectAnnotation")))
    refused("NoSuchAnnotation", 404, alice.get_object_annotation, **target, **NAME)
