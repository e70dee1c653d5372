"""Cross-origin requests: preflights, and the headers of every other answer to a page of another origin."""

import pytest
from dev_server import BOB, ROOT
from forms import Forms, covering, encode, signed_fields
from raw_s3 import RawS3

ORIGIN = "https://shop.example.com"
VARY = "Origin, Access-Control-Request-Headers, Access-Control-Request-Method"
NOT_ALLOWED = (
    "CORSResponse: This CORS request is not allowed. This is usually because the evalution of Origin, request method / "
    "Access-Control-Request-Method or Access-Control-Request-Headers are not whitelisted by the resource's CORS spec."
)
RULE = {
    "AllowedMethods": ["GET", "PUT"],
    "AllowedOrigins": [ORIGIN, "http://*.example.org"],
    "AllowedHeaders": ["x-amz-*", "Content-Type", "authorization"],
    "ExposeHeaders": ["ETag", "x-amz-request-id"],
    "MaxAgeSeconds": 3000,
}
ALLOWED = {
    "access-control-allow-origin": ORIGIN,
    "access-control-allow-methods": "GET, PUT",
    "access-control-expose-headers": "ETag, x-amz-request-id",
    "access-control-max-age": "3000",
    "access-control-allow-credentials": "true",
    "vary": VARY,
}


@pytest.fixture
def shared(s3, bucket):
    """A bucket with a rule, and an object in it."""
    s3.put_bucket_cors(Bucket=bucket, CORSConfiguration={"CORSRules": [RULE]})
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    return bucket


def ask(anonymous, path, origin=ORIGIN, method="GET", names=None, query=""):
    headers = {"Origin": origin, "Access-Control-Request-Method": method, "Access-Control-Request-Headers": names}
    return anonymous.request("OPTIONS", path, query, {name: text for name, text in headers.items() if text is not None})


def cors_headers(answer):
    return {name: text for name, text in answer.headers.items() if name.startswith("access-control-") or name == "vary"}


@pytest.mark.parametrize("path", ["/{}", "/{}/", "/{}/k", "/{}/no/such/key"])
@pytest.mark.parametrize("method", ["GET", "PUT"])
def test_a_preflight(anonymous, shared, path, method):
    answer = ask(anonymous, path.format(shared), method=method)
    assert (answer.status, answer.body, answer.headers["content-length"]) == (200, b"", "0")
    assert cors_headers(answer) == ALLOWED


@pytest.mark.parametrize(
    ("names", "told"),
    [
        ("x-amz-date", "x-amz-date"),
        ("X-Amz-Content-SHA256,content-TYPE, authorization", "x-amz-content-sha256, content-type, authorization"),
    ],
)
def test_headers_are_allowed_as_they_were_asked_for(anonymous, shared, names, told):
    answer = ask(anonymous, f"/{shared}/k", names=names)
    assert answer.status == 200
    assert cors_headers(answer) == {**ALLOWED, "access-control-allow-headers": told}


def test_any_origin(s3, anonymous, bucket):
    rules = [{"AllowedMethods": ["GET"], "AllowedOrigins": ["*"]}]
    s3.put_bucket_cors(Bucket=bucket, CORSConfiguration={"CORSRules": rules})
    expected = {"access-control-allow-origin": "*", "access-control-allow-methods": "GET", "vary": VARY}
    for origin in ("http://anything", "null"):
        assert cors_headers(ask(anonymous, f"/{bucket}/k", origin)) == expected


@pytest.mark.parametrize(
    ("more", "fields"),
    [
        ({"origin": "http://evil.example"}, ("GET", "OBJECT")),
        ({"origin": ORIGIN + "/"}, ("GET", "OBJECT")),
        ({"method": "DELETE"}, ("DELETE", "OBJECT")),
        ({"names": "x-other"}, ("GET", "OBJECT")),
        ({"names": "x-amz-date, x-other"}, ("GET", "OBJECT")),
    ],
)
def test_not_allowed(anonymous, shared, more, fields):
    answer = ask(anonymous, f"/{shared}/k", **more)
    assert answer.told == (403, "AccessForbidden")
    error = answer.error
    assert list(error) == ["Code", "Message", "Method", "ResourceType", "Resource", "RequestId", "HostId"]
    assert (error["Message"], error["Method"], error["ResourceType"]) == (NOT_ALLOWED, *fields)
    assert cors_headers(answer) == {}


@pytest.mark.parametrize("method", ["PUT", None])
def test_nothing_is_configured(anonymous, bucket, method):
    answer = ask(anonymous, f"/{bucket}/k", method=method)
    assert answer.told == (403, "AccessForbidden")
    error = answer.error
    assert error["Message"] == "CORSResponse: CORS is not enabled for this bucket."
    assert (error["Method"], error["ResourceType"]) == (method or "OPTIONS", "BUCKET")


def test_no_bucket(anonymous, new_name):
    answer = ask(anonymous, f"/{new_name()}/k")
    assert answer.told == (403, "AccessForbidden")
    assert answer.error["Message"] == "CORSResponse: Bucket not found"


def test_no_origin(anonymous, shared, bucket, new_name):
    for path in (f"/{shared}/k", f"/{bucket}", f"/{new_name()}/k", "/"):
        answer = anonymous.request("OPTIONS", path)
        assert answer.told == (400, "BadRequest")
        assert answer.error["Message"] == "Insufficient information. Origin request header needed."


def test_no_method(anonymous, shared):
    answer = ask(anonymous, f"/{shared}/k", method=None)
    assert answer.told == (400, "BadRequest")
    assert answer.error["Message"] == "Invalid Access-Control-Request-Method: null"


def test_of_a_presigned_address(anonymous, raw, shared):
    """Nothing of the signature is looked at: it is not for this method."""
    query = raw.presigned("PUT", f"/{shared}/k")
    assert cors_headers(ask(anonymous, f"/{shared}/k", method="PUT", query=query)) == ALLOWED
    assert ask(anonymous, f"/{shared}/k", method="PUT", query="X-Amz-Signature=x").status == 200


# -- other requests ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "path", "query", "status"),
    [
        ("GET", "/{}/k", "", 200),
        ("PUT", "/{}/new", "", 200),
        ("GET", "/{}", "list-type=2", 200),
        ("GET", "/{}", "cors", 200),
        ("GET", "/{}/none", "", 404),
        ("GET", "/{}/k", "versionId=x", 400),
        ("PUT", "/{}/k", "tagging", 400),
        ("GET", "/{}", "policy", 404),
    ],
)
def test_every_answer_says_so(raw, shared, method, path, query, status):
    answer = raw.request(method, path.format(shared), query, {"Origin": ORIGIN})
    assert answer.status == status
    assert cors_headers(answer) == ALLOWED


def test_a_range(raw, shared):
    answer = raw.request("GET", f"/{shared}/k", headers={"Origin": ORIGIN, "Range": "bytes=0-0"})
    assert (answer.status, answer.body) == (206, b"x")
    assert cors_headers(answer) == ALLOWED


def test_not_modified(s3, raw, shared):
    etag = s3.head_object(Bucket=shared, Key="k")["ETag"]
    answer = raw.request("GET", f"/{shared}/k", headers={"Origin": ORIGIN, "If-None-Match": etag})
    assert answer.status == 304
    assert cors_headers(answer) == ALLOWED


def test_a_refusal_can_be_read_by_the_page(anonymous, shared):
    answer = anonymous.request("GET", f"/{shared}/k", headers={"Origin": ORIGIN})
    assert answer.told == (403, "AccessDenied")
    assert cors_headers(answer) == ALLOWED


def test_a_bad_signature_can_be_read_by_the_page(raw, anonymous, shared):
    query = raw.presigned("GET", f"/{shared}/k")
    answer = anonymous.request("GET", f"/{shared}/k", query[:-1] + ("0" if query[-1] != "0" else "1"), {"Origin": ORIGIN})
    assert answer.told == (403, "SignatureDoesNotMatch")
    assert cors_headers(answer) == ALLOWED


def test_an_expired_address_can_be_read_by_the_page(raw, anonymous, shared):
    query = raw.presigned("GET", f"/{shared}/k", expires_seconds=1, when="20260101T000000Z")
    answer = anonymous.request("GET", f"/{shared}/k", query, {"Origin": ORIGIN})
    assert answer.told == (403, "AccessDenied")
    assert cors_headers(answer) == ALLOWED


def test_a_presigned_address(raw, anonymous, shared):
    query = raw.presigned("GET", f"/{shared}/k")
    answer = anonymous.request("GET", f"/{shared}/k", query, {"Origin": ORIGIN})
    assert (answer.status, answer.body) == (200, b"x")
    assert cors_headers(answer) == ALLOWED


@pytest.mark.parametrize(
    ("method", "headers", "matches"),
    [
        ("GET", {}, False),
        ("GET", {"Origin": "http://evil.example"}, False),
        ("GET", {"Origin": "http://a.example.org"}, True),
        ("HEAD", {"Origin": ORIGIN}, False),
        ("HEAD", {"Origin": ORIGIN, "Access-Control-Request-Method": "GET"}, True),
        ("GET", {"Origin": ORIGIN, "Access-Control-Request-Method": "DELETE"}, False),
        ("GET", {"Origin": ORIGIN, "Access-Control-Request-Headers": "x-other"}, False),
        ("GET", {"Origin": ORIGIN, "x-other": "1"}, True),
    ],
)
def test_what_matches_is_served_with_headers_and_the_rest_without(raw, shared, method, headers, matches):
    answer = raw.request(method, f"/{shared}/k", headers=headers)
    assert answer.status == 200
    assert ("access-control-allow-origin" in answer.headers, "vary" in answer.headers) == (matches, matches)
    if matches:
        assert answer.headers["access-control-allow-origin"] == headers["Origin"]


def test_without_rules(s3, raw, bucket):
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    assert cors_headers(raw.request("GET", f"/{bucket}/k", headers={"Origin": ORIGIN})) == {}
    assert cors_headers(raw.request("GET", "/", headers={"Origin": ORIGIN})) == {}


@pytest.mark.parametrize(("conditions", "status"), [(None, 204), ([{"bucket": "other"}], 403)])
def test_a_form(s3, anonymous, bucket, conditions, status):
    """A page sends it, and reads why it was refused."""
    rules = [{"AllowedMethods": ["POST"], "AllowedOrigins": [ORIGIN]}]
    s3.put_bucket_cors(Bucket=bucket, CORSConfiguration={"CORSRules": rules})
    fields = {"key": "k"}
    signed = signed_fields(ROOT, covering(bucket, fields) if conditions is None else conditions)
    forms = Forms(anonymous, bucket, ROOT)
    answer = forms.send(encode({**fields, **signed}, b"data"), headers={"Origin": ORIGIN})
    assert answer.status == status
    assert (answer.headers["access-control-allow-origin"], answer.headers["access-control-allow-methods"]) == (ORIGIN, "POST")


def test_a_bucket_of_a_tenant(server, bob, anonymous, new_name):
    """A preflight of a presigned address is asked in the namespace of its key."""
    name = new_name()
    bob.create_bucket(Bucket=name)
    bob.put_bucket_cors(Bucket=name, CORSConfiguration={"CORSRules": [RULE]})
    query = RawS3(server.port, BOB).presigned("GET", f"/{name}/k")
    assert cors_headers(ask(anonymous, f"/{name}/k", query=query)) == ALLOWED
    assert cors_headers(ask(anonymous, f"/acme:{name}/k")) == ALLOWED
    assert ask(anonymous, f"/{name}/k").error["Message"] == "CORSResponse: Bucket not found"
