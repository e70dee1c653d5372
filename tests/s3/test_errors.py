"""The form of errors: XML as S3 writes it, one request id everywhere; methods and addresses that mean nothing."""

import re

import pytest
from raw_s3 import UNSIGNED


def test_the_document(raw, bucket):
    answer = raw.request("GET", f"/{bucket}/a%20b%3C%C3%A4")
    assert answer.headers["content-type"] == "application/xml"
    assert answer.body.startswith(b'<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>NoSuchKey</Code><Message>')
    error = answer.error
    assert error["Key"] == "a b<ä"
    assert error["Resource"] == f"/{bucket}/a b<ä"
    assert error["RequestId"] == answer.headers["x-amz-request-id"]
    assert error["HostId"] == answer.headers["x-amz-id-2"]
    assert re.fullmatch(r"[0-9A-F]{16}", error["RequestId"])
    assert list(error)[:2] == ["Code", "Message"]
    assert list(error)[-2:] == ["RequestId", "HostId"]


def test_every_answer_has_an_id_of_its_own(raw, bucket):
    answers = [raw.request("PUT", f"/{bucket}/k", body=b"x"), raw.request("GET", f"/{bucket}/k")]
    answers += [raw.request("HEAD", "/none-such/k"), raw.request("DELETE", f"/{bucket}")]
    answers += [raw.request("GET", "/"), raw.request("DELETE", f"/{bucket}/k"), raw.request("GET", f"/{bucket}")]
    ids = [answer.headers["x-amz-request-id"] for answer in answers]
    assert len(set(ids)) == len(ids)
    assert all(answer.headers["x-amz-id-2"] and answer.headers["date"] for answer in answers)


@pytest.mark.parametrize(
    ("path", "resource"), [("/no-such-bucket", "/no-such-bucket"), ("/no-such-bucket/a/b", "/no-such-bucket/a/b")]
)
def test_resources(raw, path, resource):
    assert raw.request("GET", path).error["Resource"] == resource


@pytest.mark.parametrize("method", ["PATCH", "TRACE", "PROPFIND", "LOCK", "MKCOL", "REPORT"])
@pytest.mark.parametrize("path", ["", "/k"])
def test_unknown_methods(raw, bucket, method, path):
    answer = raw.request(method, f"/{bucket}{path}")
    assert answer.told == (405, "MethodNotAllowed")
    assert answer.error["Method"] == method
    assert answer.headers["allow"]


def test_a_method_that_is_none(raw, bucket):
    with raw.connect() as wire:
        sent, _ = raw.headers_for("BREW", f"/{bucket}/k")
        wire.head("BREW", f"/{bucket}/k", sent)
        assert wire.answer().told == (400, "BadRequest")


@pytest.mark.parametrize(
    ("method", "path", "query"),
    [
        ("POST", "/k", ""),
        ("PUT", "", "delete"),
        ("DELETE", "", "versioning"),
        ("DELETE", "", "acl"),
        ("POST", "", "versions"),
        ("PUT", "/k", "uploads"),
        ("POST", "/k", "tagging"),
        ("DELETE", "/k", "attributes"),
    ],
)
def test_methods_that_a_resource_does_not_have(raw, s3, bucket, method, path, query):
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    answer = raw.request(method, f"/{bucket}{path}", query, body=b"" if method != "DELETE" else None)
    assert answer.told == (405, "MethodNotAllowed")
    assert method not in answer.headers["allow"].split(", ")
    s3.head_object(Bucket=bucket, Key="k")


def test_the_service_has_no_other_methods(raw):
    for method in ("PUT", "POST", "DELETE"):
        assert raw.request(method, "/", body=b"").told == (405, "MethodNotAllowed")
    assert raw.request("HEAD", "/").status == 405


def test_contradicting_sub_resources(raw, bucket):
    answer = raw.request("GET", f"/{bucket}", "acl&policy")
    assert answer.told == (400, "InvalidArgument")
    assert answer.error["ArgumentName"] == "ResourceType"


def test_unknown_parameters_are_ignored(raw, s3, bucket):
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    assert raw.request("GET", f"/{bucket}/k", "x-id=GetObject&utm_source=mail&foo").body == b"x"
    assert raw.request("GET", f"/{bucket}", "x-id=ListObjects&foo=bar").status == 200


def test_a_bucket_without_a_name(raw):
    assert raw.request("GET", "//k").told == (400, "InvalidBucketName")


def test_a_slash_behind_the_bucket(raw, s3, bucket):
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    assert raw.request("GET", f"/{bucket}/").xml.tag == "ListBucketResult"
    assert raw.request("HEAD", f"/{bucket}/").status == 200
    answer = raw.request("DELETE", f"/{bucket}/")
    assert answer.told == (409, "BucketNotEmpty")


def test_an_error_on_head_has_no_body_and_keeps_the_connection(raw, s3, bucket):
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    with raw.connect() as wire:
        for path, status in (("none", 404), ("k", 200), ("none", 404)):
            sent, _ = raw.headers_for("HEAD", f"/{bucket}/{path}", payload=UNSIGNED)
            wire.head("HEAD", f"/{bucket}/{path}", sent)
            answer = wire.answer("HEAD")
            assert (answer.status, answer.body) == (status, b"")
