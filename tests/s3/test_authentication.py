"""Signatures in headers and in presigned addresses: what is refused, with which code, and that nothing happens then."""

import email.utils
import time
import urllib.request

import pytest
from dev_server import ALICE, ROOT
from raw_s3 import EMPTY_SHA256, UNSIGNED, RawS3, timestamp

DAY_SECONDS = 24 * 3600


def absent(s3, bucket):
    return "Contents" not in s3.list_objects_v2(Bucket=bucket)


def test_an_unknown_key(server, s3, bucket):
    answer = RawS3(server.port, ("AKIDOLMENNOBODY00000", "x" * 20)).request("PUT", f"/{bucket}/k", body=b"x")
    assert answer.told == (403, "InvalidAccessKeyId")
    assert answer.error["AWSAccessKeyId"] == "AKIDOLMENNOBODY00000"
    assert absent(s3, bucket)


def test_a_wrong_secret(server, s3, bucket):
    answer = RawS3(server.port, (ROOT[0], "x" * 40)).request("PUT", f"/{bucket}/k", body=b"x")
    assert answer.told == (403, "SignatureDoesNotMatch")
    for field in ("AWSAccessKeyId", "StringToSign", "SignatureProvided", "CanonicalRequest"):
        assert answer.error[field]
    assert ROOT[1] not in answer.body.decode()
    assert absent(s3, bucket)


def test_the_secret_of_another_key(server, bucket):
    answer = RawS3(server.port, (ROOT[0], ALICE[1])).request("GET", f"/{bucket}")
    assert answer.told == (403, "SignatureDoesNotMatch")


@pytest.mark.parametrize("what", ["method", "path", "query", "header", "payload", "signature"])
def test_a_request_changed_on_its_way(raw, s3, bucket, what):
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    method, path, query = "PUT", f"/{bucket}/new", "tagging-of=none"
    sent, _ = raw.headers_for(method, path, query, {"x-amz-meta-a": "b", "Content-Type": "text/plain"}, payload=EMPTY_SHA256)
    match what:
        case "method":
            method = "POST"
        case "path":
            path = f"/{bucket}/other"
        case "query":
            query = "tagging-of=all"
        case "header":
            sent["Content-Type"] = "text/html"
        case "payload":
            sent["x-amz-content-sha256"] = UNSIGNED
        case "signature":
            sent["Authorization"] = sent["Authorization"][:-1] + ("0" if sent["Authorization"][-1] != "0" else "1")
    assert raw.send(method, path, query, sent, b"").told == (403, "SignatureDoesNotMatch")
    assert s3.list_objects_v2(Bucket=bucket)["KeyCount"] == 1


@pytest.mark.parametrize("name", ["x-amz-meta-a", "x-amz-copy-source", "x-amz-tagging", "x-amz-acl", "X-Amz-Storage-Class"])
def test_an_unsigned_amz_header(raw, s3, bucket, name):
    """CVE-2026-71191: whoever holds a presigned address must not add to what was signed."""
    s3.put_object(Bucket=bucket, Key="k", Body=b"secret")
    value = f"/{bucket}/k" if name == "x-amz-copy-source" else "STANDARD"
    answer = raw.request("PUT", f"/{bucket}/new", body=b"", unsigned={name: value})
    assert answer.told == (403, "AccessDenied")
    assert answer.error["HeadersNotSigned"] == name.lower()
    query = raw.presigned("PUT", f"/{bucket}/new")
    answer = raw.send("PUT", f"/{bucket}/new", query, {"Host": raw.host_header, name: value}, b"")
    assert answer.told == (403, "AccessDenied")
    assert s3.list_objects_v2(Bucket=bucket)["KeyCount"] == 1


@pytest.mark.parametrize("seconds", [-16 * 60, 16 * 60, -DAY_SECONDS, 400 * DAY_SECONDS])
def test_a_clock_that_is_wrong(raw, bucket, seconds):
    when = timestamp(seconds)
    answer = raw.request("PUT", f"/{bucket}/k", body=b"x", when=when)
    assert answer.told == (403, "RequestTimeTooSkewed")
    # SDKs correct their clock by these.
    assert answer.error["RequestTime"] == when
    assert answer.error["MaxAllowedSkewMilliseconds"] == "900000"
    server_time = answer.error["ServerTime"]
    assert abs(time.time() - email.utils.parsedate_to_datetime(answer.headers["date"]).timestamp()) < 300
    assert server_time.endswith("Z")


@pytest.mark.parametrize("seconds", [-14 * 60, 14 * 60])
def test_a_clock_that_is_nearly_right(raw, bucket, seconds):
    assert raw.request("PUT", f"/{bucket}/k", body=b"x", when=timestamp(seconds)).status == 200


@pytest.mark.parametrize(
    ("text", "status", "code"),
    [
        ("AWS4-HMAC-SHA256", 400, None),
        ("AWS4-HMAC-SHA256 Credential=x", 400, "AuthorizationHeaderMalformed"),
        ("AWS4-HMAC-SHA256 Credential=a/b/c/d/e, SignedHeaders=host, Signature=0", 400, "AuthorizationHeaderMalformed"),
        ("AWS AKID:signature", 400, "InvalidRequest"),
        ("Bearer token", 400, "InvalidArgument"),
        ("", 400, None),
    ],
)
def test_other_authorizations(raw, bucket, text, status, code):
    sent, _ = raw.headers_for("GET", f"/{bucket}/k")
    sent["Authorization"] = text
    answer = raw.send("GET", f"/{bucket}/k", "", sent, None)
    assert answer.status == status
    assert code is None or answer.code == code


@pytest.mark.parametrize(
    ("scope", "code"),
    [
        ("20200101/us-east-1/s3", "AuthorizationHeaderMalformed"),
        ("{date}/eu-west-1/s3", "AuthorizationHeaderMalformed"),
        ("{date}/us-east-1/ec2", "AuthorizationHeaderMalformed"),
    ],
)
def test_another_scope(raw, bucket, scope, code):
    sent, _ = raw.headers_for("GET", f"/{bucket}/k")
    date = sent["x-amz-date"][:8]
    sent["Authorization"] = sent["Authorization"].replace(f"{date}/us-east-1/s3", scope.format(date=date))
    assert raw.send("GET", f"/{bucket}/k", "", sent, None).told == (400, code)


def test_a_wrong_region_is_told_the_right_one(server, bucket, raw):
    sent, _ = raw.headers_for("GET", f"/{bucket}")
    sent["Authorization"] = sent["Authorization"].replace("/us-east-1/", "/eu-central-1/")
    assert raw.send("GET", f"/{bucket}", "", sent, None).error["Region"] == "us-east-1"


def test_without_a_payload_hash(raw, bucket):
    sent, _ = raw.headers_for("GET", f"/{bucket}/k")
    del sent["x-amz-content-sha256"]
    assert raw.send("GET", f"/{bucket}/k", "", sent, None).status in (400, 403)


def test_anonymous(anonymous, s3, bucket):
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    for method, path in (("GET", "/k"), ("PUT", "/k"), ("DELETE", "/k"), ("GET", ""), ("DELETE", ""), ("PUT", "/new")):
        assert anonymous.request(method, f"/{bucket}{path}").told == (403, "AccessDenied")
    assert anonymous.request("HEAD", f"/{bucket}/k").status == 403
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"x"


def test_anonymous_creates_no_bucket(anonymous, s3, new_name, refused):
    name = new_name()
    assert anonymous.request("PUT", f"/{name}").told == (403, "AccessDenied")
    refused("404", 404, s3.head_bucket, Bucket=name)


# -- presigned addresses ---------------------------------------------------------------------------------------------------


def open_url(url, method="GET", body=None, headers=None):
    request = urllib.request.Request(url, data=body, method=method, headers=headers or {})
    with urllib.request.urlopen(request, timeout=60) as answer:
        return answer.status, answer.read()


@pytest.fixture(scope="module")
def presigner(server):
    """Without a signature version botocore presigns with Signature Version 2."""
    return server.client(signature_version="s3v4")


def test_presigned_by_boto3(presigner, s3, bucket):
    put = presigner.generate_presigned_url("put_object", Params={"Bucket": bucket, "Key": "a b/ä+c"}, HttpMethod="PUT")
    assert open_url(put, "PUT", b"presigned")[0] == 200
    get = presigner.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": "a b/ä+c"})
    assert open_url(get) == (200, b"presigned")
    typed = presigner.generate_presigned_url(
        "get_object", Params={"Bucket": bucket, "Key": "a b/ä+c", "ResponseContentType": "text/x", "Range": "bytes=0-2"}
    )
    assert open_url(typed, headers={"Range": "bytes=0-2"}) == (206, b"pre")
    delete = presigner.generate_presigned_url("delete_object", Params={"Bucket": bucket, "Key": "a b/ä+c"})
    assert open_url(delete, "DELETE")[0] == 204
    assert absent(s3, bucket)


def test_presigned_with_signed_headers(presigner, s3, bucket):
    parameters = {"Bucket": bucket, "Key": "k", "ContentType": "text/x", "Metadata": {"a": "b"}, "StorageClass": "STANDARD_IA"}
    url = presigner.generate_presigned_url("put_object", Params=parameters, HttpMethod="PUT")
    headers = {"Content-Type": "text/x", "x-amz-meta-a": "b", "x-amz-storage-class": "STANDARD_IA"}
    assert open_url(url, "PUT", b"x", headers)[0] == 200
    head = s3.head_object(Bucket=bucket, Key="k")
    assert (head["ContentType"], head["Metadata"], head["StorageClass"]) == ("text/x", {"a": "b"}, "STANDARD_IA")


def test_headers_moved_into_the_query(raw, s3, bucket):
    """Other SDKs put x-amz-* headers into the address, where the signature covers them."""
    query = raw.presigned(
        "PUT",
        f"/{bucket}/k",
        [("x-amz-meta-a", "b"), ("X-Amz-Storage-Class", "GLACIER"), ("x-amz-tagging", "t=1")],
    )
    path = f"/{bucket}/k"
    answer = raw.send("PUT", path, query, {"Host": raw.host_header}, b"abc")
    assert answer.status == 200, answer.body
    head = s3.head_object(Bucket=bucket, Key="k")
    assert (head["Metadata"], head["StorageClass"], head["TagCount"]) == ({"a": "b"}, "GLACIER", 1)


def test_a_checksum_in_the_query_is_not_the_bodys(raw, s3, bucket):
    """The SDK for JavaScript presigns a PUT with the checksum of no body; S3 pays no heed to it."""
    query = raw.presigned(
        "PUT", f"/{bucket}/k", [("x-amz-checksum-crc32", "AAAAAA=="), ("x-amz-sdk-checksum-algorithm", "CRC32")]
    )
    assert raw.send("PUT", f"/{bucket}/k", query, {"Host": raw.host_header}, b"abc").status == 200
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"abc"


def test_moved_headers_forge_nothing(raw, s3, bucket):
    path = f"/{bucket}/k"
    query = raw.presigned("PUT", path, [("x-amz-meta-a", "b\r\nx-forged: yes")])
    assert raw.send("PUT", path, query, {"Host": raw.host_header}, b"abc").told == (400, "InvalidArgument")
    assert absent(s3, bucket)


@pytest.mark.parametrize("offset", [-901, -DAY_SECONDS])
def test_expired(raw, s3, bucket, offset):
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    for method in ("GET", "PUT"):
        query = raw.presigned(method, f"/{bucket}/k", when=timestamp(offset))
        answer = raw.send(method, f"/{bucket}/k", query, {"Host": raw.host_header}, None)
        assert answer.told == (403, "AccessDenied")
        assert answer.error["Message"] == "Request has expired"
        assert {"X-Amz-Expires", "Expires", "ServerTime"} <= answer.error.keys()
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"x"


def test_not_expired_yet(raw, s3, bucket):
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    query = raw.presigned("GET", f"/{bucket}/k", when=timestamp(-3 * DAY_SECONDS), expires_seconds=7 * DAY_SECONDS)
    assert raw.send("GET", f"/{bucket}/k", query, {"Host": raw.host_header}, None).body == b"x"


def test_from_the_future(raw, bucket):
    query = raw.presigned("GET", f"/{bucket}/k", when=timestamp(3600))
    assert raw.send("GET", f"/{bucket}/k", query, {"Host": raw.host_header}, None).told == (403, "AccessDenied")


@pytest.mark.parametrize("seconds", [0, -1, 7 * DAY_SECONDS + 1])
def test_lifetimes_that_are_none(raw, bucket, seconds):
    query = raw.presigned("GET", f"/{bucket}/k", expires_seconds=seconds)
    answer = raw.send("GET", f"/{bucket}/k", query, {"Host": raw.host_header}, None)
    assert answer.told == (400, "AuthorizationQueryParametersError")


def test_a_presigned_address_is_good_for_what_it_says(raw, s3, bucket):
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    s3.put_object(Bucket=bucket, Key="other", Body=b"y")
    query = raw.presigned("GET", f"/{bucket}/k")
    host = {"Host": raw.host_header}
    later = query.replace("X-Amz-Expires=900", "X-Amz-Expires=90000")
    for method, path, text in (
        ("DELETE", f"/{bucket}/k", query),
        ("GET", f"/{bucket}/other", query),
        ("GET", f"/{bucket}/k", query + "&versionId=null"),
        ("GET", f"/{bucket}/k", query + "&response-content-type=text/html"),
        ("GET", f"/{bucket}/k", later),
        ("GET", f"/{bucket}/k", query[:-1] + ("0" if query[-1] != "0" else "1")),
        ("GET", f"/{bucket}/k", query.replace(ROOT[0], ALICE[0])),
    ):
        assert raw.send(method, path, text, host, None).told == (403, "SignatureDoesNotMatch")
    assert raw.send("HEAD", f"/{bucket}/k", query, host, None).status == 403
    assert raw.send("GET", f"/{bucket}/k", query, host, None).body == b"x"


@pytest.mark.parametrize("left_out", ["X-Amz-Algorithm", "X-Amz-Credential", "X-Amz-Date", "X-Amz-Expires", "X-Amz-SignedHeaders"])
def test_a_parameter_is_missing(raw, bucket, left_out):
    query = "&".join(pair for pair in raw.presigned("GET", f"/{bucket}/k").split("&") if not pair.startswith(left_out))
    answer = raw.send("GET", f"/{bucket}/k", query, {"Host": raw.host_header}, None)
    assert answer.told == (400, "AuthorizationQueryParametersError")


def test_two_signatures_at_once(raw, bucket):
    query = raw.presigned("GET", f"/{bucket}/k")
    sent, _ = raw.headers_for("GET", f"/{bucket}/k", query)
    assert raw.send("GET", f"/{bucket}/k", query, sent, None).told == (400, "InvalidArgument")


def test_a_session_token_that_nobody_gave(server, bucket, refused):
    client = server.client()
    client._request_signer._credentials.token = "token"
    refused("InvalidToken", 400, client.list_objects_v2, Bucket=bucket)


def test_signature_version_2(server, bucket):
    client = server.client(signature_version="s3")
    with pytest.raises(client.exceptions.ClientError) as caught:
        client.list_objects_v2(Bucket=bucket)
    assert caught.value.response["Error"]["Code"] == "InvalidRequest"
