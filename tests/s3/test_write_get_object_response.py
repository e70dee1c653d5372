"""WriteGetObjectResponse: S3 Object Lambda is closed to new customers, and there are no functions to answer for here."""

import pytest

ROUTE = {"x-amz-request-route": "route", "x-amz-request-token": "token"}
PATH = "/WriteGetObjectResponse"


@pytest.mark.parametrize("body", [b"", b"the object as the function changed it"])
@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"x-amz-fwd-status": "200", "x-amz-fwd-header-Content-Type": "text/plain", "x-amz-fwd-header-ETag": '"x"'},
        {"x-amz-fwd-status": "404", "x-amz-fwd-error-code": "NoSuchKey", "x-amz-fwd-error-message": "gone"},
        {"x-amz-fwd-header-x-amz-meta-a": "b", "x-amz-fwd-header-x-amz-version-id": "null"},
    ],
    ids=["plain", "ok", "error", "described"],
)
def test_is_not_allowed(raw, bucket, headers, body):
    answer = raw.request("POST", f"/{bucket}", headers={**ROUTE, **headers}, body=body)
    assert answer.told == (405, "MethodNotAllowed")
    assert (answer.error["Method"], answer.error["ResourceType"]) == ("POST", "BUCKET")
    assert list(answer.error) == ["Code", "Message", "Method", "ResourceType", "Resource", "RequestId", "HostId"]


def test_its_own_address_is_no_bucket(raw):
    """SDKs put the route into the host; without that it looks like a bucket of this name."""
    assert raw.request("POST", PATH, headers=ROUTE, body=b"x").told in ((404, "NoSuchBucket"), (400, "InvalidBucketName"))


@pytest.mark.parametrize("name", sorted(ROUTE))
def test_without_one_of_its_headers_it_is_a_form(raw, bucket, name):
    headers = {key: value for key, value in ROUTE.items() if key != name}
    answer = raw.request("POST", f"/{bucket}", headers=headers, body=b"x")
    assert answer.told == (412, "PreconditionFailed")


def test_by_others(anonymous, bucket):
    assert anonymous.request("POST", f"/{bucket}", headers=ROUTE, body=b"x").told == (403, "AccessDenied")


def test_the_connection_goes_on(raw, bucket):
    """The body is not asked for, and does not spoil what comes next."""
    sent, _ = raw.headers_for("POST", f"/{bucket}", headers=ROUTE)
    with raw.connect() as wire:
        wire.head("POST", f"/{bucket}", {**sent, "Content-Length": "5"})
        wire.send(b"bytes")
        assert wire.answer("POST").told == (405, "MethodNotAllowed")
    assert raw.request("HEAD", f"/{bucket}").status == 200
