"""Annotations: no object has any, and attaching one is refused."""

import pytest

NAMESPACE = "http://s3.amazonaws.com/doc/2006-03-01/"
NAME = {"AnnotationName": "note"}


@pytest.fixture
def target(s3, bucket):
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    return {"Bucket": bucket, "Key": "k"}


def test_none_are_listed(s3, raw, target):
    answer = s3.list_object_annotations(**target, AnnotationPrefix="n")
    found = {name: answer.get(name) for name in ("AnnotationCount", "Bucket", "Key", "AnnotationPrefix", "ObjectVersionId")}
    assert found == {
        "AnnotationCount": 0,
        "Bucket": target["Bucket"],
        "Key": "k",
        "AnnotationPrefix": "n",
        "ObjectVersionId": "null",
    }
    assert not answer.get("Annotations")
    body = raw.request("GET", f"/{target['Bucket']}/k", "annotation&max-annotation-results=5").body.decode()
    assert body.partition("\n")[2] == (
        f'<ListObjectAnnotationsResult xmlns="{NAMESPACE}"><Annotations></Annotations><Bucket>{target["Bucket"]}</Bucket>'
        "<Key>k</Key><MaxAnnotationResults>5</MaxAnnotationResults><AnnotationCount>0</AnnotationCount>"
        "</ListObjectAnnotationsResult>"
    )


def test_none_is_there(s3, target, refused):
    error = refused("NoSuchAnnotation", 404, s3.get_object_annotation, **target, **NAME)
    assert (error["Key"], error["AnnotationName"]) == ("k", "note")
    answer = s3.delete_object_annotation(**target, **NAME)
    assert (answer["ResponseMetadata"]["HTTPStatusCode"], answer["ObjectVersionId"]) == (204, "null")


def test_attaching_one_is_refused(s3, target, refused):
    error = refused("NotImplemented", 501, s3.put_object_annotation, **target, **NAME, AnnotationPayload=b"text")
    assert error["Operation"] == "PutObjectAnnotation"


@pytest.mark.parametrize(
    ("name", "code"),
    [("x" * 513, "AnnotationNameTooLong"), ("aws", "InvalidAnnotationName"), ("S3-x", "InvalidAnnotationName")],
)
def test_names(s3, target, refused, name, code):
    for call, more in (
        (s3.get_object_annotation, {}),
        (s3.delete_object_annotation, {}),
        (s3.put_object_annotation, {"AnnotationPayload": b"text"}),
    ):
        refused(code, 400, call, **target, AnnotationName=name, **more)


def test_of_nothing(s3, bucket, refused):
    missing = {"Bucket": bucket, "Key": "none"}
    refused("NoSuchKey", 404, s3.list_object_annotations, **missing)
    refused("NoSuchKey", 404, s3.get_object_annotation, **missing, **NAME)
    refused("NoSuchKey", 404, s3.delete_object_annotation, **missing, **NAME)
    refused("NoSuchKey", 404, s3.put_object_annotation, **missing, **NAME, AnnotationPayload=b"text")


def test_of_versions(s3, versioned, refused):
    version = s3.put_object(Bucket=versioned, Key="k", Body=b"x")["VersionId"]
    marker = s3.delete_object(Bucket=versioned, Key="k")["VersionId"]
    answer = s3.list_object_annotations(Bucket=versioned, Key="k", VersionId=version)
    assert answer["ObjectVersionId"] == version
    refused("NoSuchKey", 404, s3.list_object_annotations, Bucket=versioned, Key="k")
    refused("MethodNotAllowed", 405, s3.list_object_annotations, Bucket=versioned, Key="k", VersionId=marker)


def test_by_strangers(alice, target, refused):
    refused("AccessDenied", 403, alice.list_object_annotations, **target)
    refused("AccessDenied", 403, alice.get_object_annotation, **target, **NAME)
    refused("AccessDenied", 403, alice.delete_object_annotation, **target, **NAME)
    refused("AccessDenied", 403, alice.put_object_annotation, **target, **NAME, AnnotationPayload=b"text")
