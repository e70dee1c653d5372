"""DeleteObjectAnnotation: deleting what is not there succeeds, of an object that is there."""

import pytest
from access import ALICE_ACCOUNT, ROOT_ACCOUNT, policy, statement

NAME = {"AnnotationName": "note"}
ETAG = {"ObjectIfMatch": '"9dd4e461268c8034f5c8564e155c67a6"'}


@pytest.fixture
def target(s3, bucket):
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    return {"Bucket": bucket, "Key": "k"}


@pytest.mark.parametrize("name", ["note", "n", "x" * 512, "a b/c"])
def test_nothing_is_deleted(s3, target, name):
    answer = s3.delete_object_annotation(**target, AnnotationName=name)
    assert (answer["ResponseMetadata"]["HTTPStatusCode"], answer["ObjectVersionId"]) == (204, "null")
    assert s3.get_object(**target)["Body"].read() == b"x"


def test_the_answer(raw, target):
    answer = raw.request("DELETE", f"/{target['Bucket']}/k", "annotation&annotationName=note")
    assert (answer.status, answer.body, answer.headers["x-amz-object-version-id"]) == (204, b"", "null")


@pytest.mark.parametrize(
    ("name", "code"), [("x" * 513, "AnnotationNameTooLong"), ("aws", "InvalidAnnotationName"), ("S3-x", "InvalidAnnotationName")]
)
def test_names(s3, target, refused, name, code):
    refused(code, 400, s3.delete_object_annotation, **target, AnnotationName=name)


def test_of_nothing(s3, bucket, new_name, refused):
    refused("NoSuchKey", 404, s3.delete_object_annotation, Bucket=bucket, Key="none", **NAME)
    refused("NoSuchBucket", 404, s3.delete_object_annotation, Bucket=new_name(), Key="k", **NAME)


def test_of_versions(s3, versioned, refused):
    version = s3.put_object(Bucket=versioned, Key="k", Body=b"x")["VersionId"]
    marker = s3.delete_object(Bucket=versioned, Key="k")["VersionId"]
    named = {"Bucket": versioned, "Key": "k", **NAME}
    assert s3.delete_object_annotation(**named, VersionId=version)["ObjectVersionId"] == version
    refused("NoSuchKey", 404, s3.delete_object_annotation, **named)
    refused("MethodNotAllowed", 405, s3.delete_object_annotation, **named, VersionId=marker)


@pytest.mark.parametrize("more", [{"RequestPayer": "requester"}, {"ExpectedBucketOwner": ROOT_ACCOUNT}, ETAG])
def test_further_parameters(s3, target, more):
    assert s3.delete_object_annotation(**target, **NAME, **more)["ObjectVersionId"] == "null"


def test_the_permission(s3, alice, anonymous, target, refused):
    bucket = target["Bucket"]
    refused("AccessDenied", 403, alice.delete_object_annotation, **target, **NAME)
    refused("AccessDenied", 403, s3.delete_object_annotation, **target, **NAME, ExpectedBucketOwner=ALICE_ACCOUNT)
    s3.put_bucket_policy(Bucket=bucket, Policy=policy(statement(bucket, Action="s3:DeleteObject")))
    assert anonymous.request("DELETE", f"/{bucket}/k", "annotation&annotationName=note").told == (403, "AccessDenied")
    s3.put_bucket_policy(Bucket=bucket, Policy=policy(statement(bucket, Action="s3:DeleteObjectAnnotation")))
    alice.delete_object_annotation(**target, **NAME)
