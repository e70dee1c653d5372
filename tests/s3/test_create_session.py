"""CreateSession: there are no directory buckets, so no bucket gives a session."""

import pytest


def test_of_a_general_purpose_bucket(raw, bucket):
    answer = raw.request("GET", f"/{bucket}", "session")
    assert answer.told == (405, "MethodNotAllowed")
    assert (answer.error["Method"], answer.error["ResourceType"]) == ("GET", "BUCKET")
    assert answer.error["Message"] == "The specified method is not allowed against this resource."
    assert list(answer.error) == ["Code", "Message", "Method", "ResourceType", "Resource", "RequestId", "HostId"]


@pytest.mark.parametrize("mode", ["ReadWrite", "ReadOnly"])
def test_of_either_mode(raw, bucket, mode):
    answer = raw.request("GET", f"/{bucket}", "session", {"x-amz-create-session-mode": mode})
    assert answer.told == (405, "MethodNotAllowed")


def test_of_an_unknown_mode(raw, bucket):
    answer = raw.request("GET", f"/{bucket}", "session", {"x-amz-create-session-mode": "Sideways"})
    assert answer.status == 405


@pytest.mark.parametrize(
    "headers",
    [
        {"x-amz-server-side-encryption": "AES256"},
        {"x-amz-server-side-encryption": "aws:kms", "x-amz-server-side-encryption-aws-kms-key-id": "alpha"},
        {"x-amz-server-side-encryption": "aws:kms", "x-amz-server-side-encryption-context": "e30="},
        {"x-amz-server-side-encryption": "aws:kms", "x-amz-server-side-encryption-bucket-key-enabled": "true"},
    ],
)
def test_with_encryption(raw, bucket, headers):
    assert raw.request("GET", f"/{bucket}", "session", headers).told == (405, "MethodNotAllowed")


def test_of_a_directory_bucket(raw):
    """SDKs tell them by their names, and ask for a session first."""
    name = "some--use1-az4--x-s3"
    assert raw.request("GET", f"/{name}", "session").told == (404, "NoSuchBucket")
    assert raw.request("HEAD", f"/{name}").status == 404
    assert raw.request("PUT", f"/{name}").told == (400, "InvalidBucketName")


def test_the_permission(raw, anonymous, bucket, new_name):
    assert anonymous.request("GET", f"/{bucket}", "session").told == (403, "AccessDenied")
    assert raw.request("GET", f"/{new_name()}", "session").told == (404, "NoSuchBucket")


@pytest.mark.parametrize("method", ["PUT", "POST", "DELETE"])
def test_other_methods(raw, bucket, method):
    answer = raw.request(method, f"/{bucket}", "session")
    assert answer.told == (405, "MethodNotAllowed")
    assert answer.headers["allow"] == "GET"
    raw.request("HEAD", f"/{bucket}")
