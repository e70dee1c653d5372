"""Signature Version 2 over HTTP: a store that takes it, and the shared one, which does not."""

import base64
import email.utils
import hmac
import time
import urllib.error
import urllib.request

import pytest
import urllib3
from botocore.exceptions import ClientError
from dev_server import ALICE, DOMAIN, ROOT, DevServer
from forms import Forms, covering, signed_fields_2
from raw_s3 import RawS3, encoded, key_path

NOT_SUPPORTED = "The authorization mechanism you have provided is not supported. Please use AWS4-HMAC-SHA256."
KEYS = ["plain", "odd +é€/x", "a//b", "../up", "k?a=b&c#d%20", "~!'()*;:@,$"]


@pytest.fixture(scope="module")
def old(tmp_path_factory):
    """A store that takes Version 2."""
    made = DevServer(tmp_path_factory.mktemp("old"), environment={"DOLMEN_SIGV2": "true"}, options=("--domain", DOMAIN))
    with made:
        yield made


@pytest.fixture(scope="module")
def client(old):
    """boto3 as it signs with Version 2."""
    return old.client(signature_version="s3", s3={"addressing_style": "path"})


@pytest.fixture(scope="module")
def box(client):
    client.create_bucket(Bucket="box")
    return "box"


@pytest.fixture(scope="module")
def wire(old):
    return RawS3(old.port, None)


def signature(text, secret=ROOT[1]):
    return base64.b64encode(hmac.new(secret.encode(), text.encode(), "sha1").digest()).decode()


def signed_headers(method, resource, headers=(), *, keys=ROOT, date=None):
    """Headers of a request, signed as AWS's page says."""
    sent = {"Date": email.utils.formatdate(usegmt=True) if date is None else date, **dict(headers)}
    lower = {name.lower(): value for name, value in sent.items()}
    amz = "".join(f"{name}:{lower[name]}\n" for name in sorted(lower) if name.startswith("x-amz-"))
    day = "" if "x-amz-date" in lower else lower["date"]
    text = f"{method}\n{lower.get('content-md5', '')}\n{lower.get('content-type', '')}\n{day}\n{amz}{resource}"
    return {**sent, "Authorization": f"AWS {keys[0]}:{signature(text, keys[1])}"}


def presigned(method, resource, *, keys=ROOT, seconds=600, amz=""):
    """The query of a presigned URL."""
    expires = int(time.time()) + seconds
    value = signature(f"{method}\n\n\n{expires}\n{amz}{resource}", keys[1])
    return f"AWSAccessKeyId={keys[0]}&Expires={expires}&Signature={encoded(value)}"


def send(wire, method, path, query="", headers=(), body=None):
    return wire.send(method, path, query, {"Host": wire.host_header, **dict(headers)}, body)


# -- where it is on ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("key", KEYS)
def test_objects_by_boto3(client, box, key):
    client.put_object(Bucket=box, Key=key, Body=b"data", Metadata={"a": "b"}, ContentType="text/x", Tagging="t=1")
    found = client.get_object(Bucket=box, Key=key, ResponseContentType="text/y", Range="bytes=1-2")
    assert (found["Body"].read(), found["ContentType"], found["Metadata"]) == (b"at", "text/y", {"a": "b"})
    assert client.get_object_tagging(Bucket=box, Key=key)["TagSet"] == [{"Key": "t", "Value": "1"}]
    client.copy_object(Bucket=box, Key=f"{key}-copy", CopySource={"Bucket": box, "Key": key})
    assert client.head_object(Bucket=box, Key=f"{key}-copy")["ContentLength"] == 4
    client.delete_objects(Bucket=box, Delete={"Objects": [{"Key": key}, {"Key": f"{key}-copy"}]})
    assert client.list_objects_v2(Bucket=box, Prefix=key)["KeyCount"] == 0


def test_buckets_and_uploads_by_boto3(client):
    client.create_bucket(Bucket="uploads")
    assert "uploads" in [bucket["Name"] for bucket in client.list_buckets()["Buckets"]]
    client.put_bucket_versioning(Bucket="uploads", VersioningConfiguration={"Status": "Enabled"})
    assert client.get_bucket_versioning(Bucket="uploads")["Status"] == "Enabled"
    upload = client.create_multipart_upload(Bucket="uploads", Key="k")["UploadId"]
    part = client.upload_part(Bucket="uploads", Key="k", UploadId=upload, PartNumber=1, Body=b"part")
    parts = {"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]}
    version = client.complete_multipart_upload(Bucket="uploads", Key="k", UploadId=upload, MultipartUpload=parts)["VersionId"]
    assert client.get_object(Bucket="uploads", Key="k", VersionId=version)["Body"].read() == b"part"
    assert client.list_objects(Bucket="uploads", Prefix="k", Delimiter="/")["Contents"][0]["Key"] == "k"


@pytest.mark.parametrize("key", KEYS)
def test_presigned_by_boto3(client, box, key):
    url = client.generate_presigned_url("put_object", Params={"Bucket": box, "Key": key, "ContentType": "text/x"})
    assert "AWSAccessKeyId=" in url
    urllib.request.urlopen(urllib.request.Request(url, b"presigned", {"Content-Type": "text/x"}, method="PUT"))
    url = client.generate_presigned_url("get_object", Params={"Bucket": box, "Key": key, "ResponseContentType": "text/y"})
    with urllib.request.urlopen(url) as answer:
        assert (answer.read(), answer.headers["Content-Type"]) == (b"presigned", "text/y")


def test_presigned_by_boto3s_defaults(old, box):
    client = old.client()
    client.put_object(Bucket=box, Key="k", Body=b"data")
    url = client.generate_presigned_url("get_object", Params={"Bucket": box, "Key": "k"})
    assert "AWSAccessKeyId=" in url
    assert urllib.request.urlopen(url).read() == b"data"


def test_a_form_by_boto3s_defaults(old, box):
    client = old.client()
    made = client.generate_presigned_post(box, "forms/${filename}", Fields={"acl": "private"}, Conditions=[{"acl": "private"}])
    assert "AWSAccessKeyId" in made["fields"]
    answer = urllib3.request("POST", made["url"], fields={**made["fields"], "file": ("f.txt", b"form", "text/plain")})
    assert answer.status == 204, answer.data
    assert client.get_object(Bucket=box, Key="forms/f.txt")["Body"].read() == b"form"


def test_forms(wire, box, client):
    forms = Forms(wire, box, ROOT)
    fields = {"key": "form"}
    assert forms.post({**fields, **signed_fields_2(ROOT, covering(box, fields))}).status == 204
    assert forms.post({**fields, **signed_fields_2(ROOT, [{"bucket": box}])}).told == (403, "AccessDenied")
    wrong = {**signed_fields_2(ROOT, covering(box, fields)), "signature": signature("other")}
    assert forms.post({**fields, **wrong}).told == (403, "SignatureDoesNotMatch")
    assert forms.post({**fields, **signed_fields_2(("AKIDNOBODY", "x"), covering(box, fields))}).told == (403, "InvalidAccessKeyId")


def test_version_4_goes_on(old, box):
    client = old.client()
    client.put_object(Bucket=box, Key="v4", Body=b"4")
    assert client.get_object(Bucket=box, Key="v4")["Body"].read() == b"4"


def test_signed_by_hand(wire, box):
    headers = signed_headers("PUT", "/box/by-hand", {"x-amz-meta-a": "b", "Content-Type": "text/x"})
    assert send(wire, "PUT", "/box/by-hand", "", headers, b"x").status == 200
    for headers in (
        signed_headers("GET", "/box/by-hand"),
        signed_headers("GET", "/box/by-hand", date=email.utils.formatdate().replace("-0000", "+0000")),
        signed_headers("GET", "/box/by-hand", {"x-amz-date": email.utils.formatdate(usegmt=True)}, date="x"),
    ):
        answer = send(wire, "GET", "/box/by-hand", "", headers)
        assert (answer.status, answer.headers.get("x-amz-meta-a")) == (200, "b")


def test_the_bucket_in_the_host_name(old, wire, box):
    hosted = RawS3(old.port, None, host=f"box.{DOMAIN}")
    sent = {"Host": f"box.{DOMAIN}", **signed_headers("PUT", "/box/hosted")}
    assert hosted.send("PUT", "/hosted", "", sent, b"x").status == 200
    query = presigned("GET", "/box/hosted")
    assert hosted.send("GET", "/hosted", query, {"Host": f"box.{DOMAIN}"}, None).status == 200
    assert send(wire, "GET", "/box/hosted", query).status == 200
    # In another bucket's host the same address is another resource.
    assert hosted.send("GET", "/hosted", query, {"Host": f"other.{DOMAIN}"}, None).told == (403, "SignatureDoesNotMatch")


@pytest.mark.parametrize("what", ["method", "path", "amz header", "type", "date", "signature", "key", "subresource"])
def test_a_request_changed_on_its_way(wire, box, client, what):
    method, path, query = "PUT", "/box/changed", ""
    headers = signed_headers(method, path, {"x-amz-meta-a": "b", "Content-Type": "text/x"})
    match what:
        case "method":
            method = "DELETE"
        case "path":
            path = "/box/other"
        case "amz header":
            headers["x-amz-copy-source"] = "/box/secret"
        case "type":
            headers["Content-Type"] = "text/html"
        case "date":
            headers["Date"] = email.utils.formatdate(time.time() + 5, usegmt=True)
        case "signature":
            name, _, signature = headers["Authorization"].partition(":")
            headers["Authorization"] = f"{name}:{'B' if signature[0] == 'A' else 'A'}{signature[1:]}"
        case "key":
            headers["Authorization"] = headers["Authorization"].replace(*(ROOT[0], ALICE[0]))
        case "subresource":
            query = "tagging"
    answer = send(wire, method, path, query, headers, b"")
    assert answer.told == (403, "SignatureDoesNotMatch")
    assert ROOT[1] not in answer.body.decode()
    assert client.list_objects_v2(Bucket=box, Prefix="changed")["KeyCount"] == 0


@pytest.mark.parametrize("seconds", [-16 * 60, 16 * 60])
def test_a_clock_that_is_wrong(wire, box, seconds):
    headers = signed_headers("GET", "/box", date=email.utils.formatdate(time.time() + seconds, usegmt=True))
    assert send(wire, "GET", "/box", "", headers).told == (403, "RequestTimeTooSkewed")


def test_expired(wire, box):
    answer = send(wire, "GET", "/box/k", presigned("GET", "/box/k", seconds=-2))
    assert answer.told == (403, "AccessDenied")
    assert (answer.error["Message"], "Expires" in answer.error) == ("Request has expired", True)


@pytest.mark.parametrize(
    "more", ["retention", "legal-hold", "prefix=a", "attributes", "renameObject", "acl", "uploads", "versionId=x"]
)
def test_a_presigned_url_does_nothing_else(wire, box, client, more):
    client.put_object(Bucket=box, Key="one", Body=b"x")
    for method in ("GET", "PUT", "POST", "DELETE"):
        query = f"{presigned(method, '/box/one')}&{more}"
        assert send(wire, method, "/box/one", query, body=b"").told in ((403, "AccessDenied"), (403, "SignatureDoesNotMatch"))
    assert client.get_object(Bucket=box, Key="one")["Body"].read() == b"x"


@pytest.mark.parametrize("name", ["x-amz-copy-source", "x-amz-acl", "x-amz-tagging", "x-amz-meta-a"])
def test_an_unsigned_amz_header_on_a_presigned_url(wire, box, client, name):
    client.put_object(Bucket=box, Key="secret", Body=b"secret")
    answer = send(wire, "PUT", "/box/new", presigned("PUT", "/box/new"), {name: "/box/secret"}, b"")
    assert answer.told == (403, "SignatureDoesNotMatch")
    assert client.list_objects_v2(Bucket=box, Prefix="new")["KeyCount"] == 0


def test_an_amz_parameter_counts_as_signed_and_once(wire, box, client):
    query = presigned("PUT", "/box/in-query", amz="x-amz-meta-a:signed\n") + "&x-amz-meta-a=signed"
    assert send(wire, "PUT", "/box/in-query", query, body=b"").status == 200
    assert client.head_object(Bucket=box, Key="in-query")["Metadata"] == {"a": "signed"}
    for more in ("X-Amz-Meta-A=other", "x-amz-meta-A=other"):
        assert send(wire, "PUT", "/box/in-query", f"{more}&{query}", body=b"").told == (400, "InvalidRequest")
    assert send(wire, "PUT", "/box/in-query", query, {"x-amz-meta-a": "other"}, b"").told == (403, "SignatureDoesNotMatch")


def test_another_account_asks_for_itself(wire, box):
    assert send(wire, "GET", "/box", "", signed_headers("GET", "/box", keys=ALICE)).told == (403, "AccessDenied")
    assert send(wire, "GET", "/box/one", presigned("GET", "/box/one", keys=ALICE)).told == (403, "AccessDenied")
    unknown = ("AKIDNOBODY0000000000", "x")
    assert send(wire, "GET", "/box", "", signed_headers("GET", "/box", keys=unknown)).told == (403, "InvalidAccessKeyId")


def test_both_versions_at_once(wire, box):
    headers = signed_headers("GET", "/box/one")
    assert send(wire, "GET", "/box/one", presigned("GET", "/box/one"), headers).told == (400, "InvalidArgument")


# -- where it is off (the shared store) --------------------------------------------------------------------------------------


@pytest.mark.parametrize("key", ["k", "odd +é€/x"])
def test_headers_are_refused_when_it_is_off(anonymous, bucket, key):
    path = key_path(bucket, key)
    answer = send(anonymous, "PUT", path, "", signed_headers("PUT", path), b"x")
    assert answer.told == (400, "InvalidRequest")
    assert answer.error["Message"] == NOT_SUPPORTED


def test_presigned_urls_are_refused_when_it_is_off(anonymous, bucket, s3):
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    path = f"/{bucket}/k"
    answer = send(anonymous, "GET", path, presigned("GET", path))
    assert (answer.told, answer.error["Message"]) == ((400, "InvalidRequest"), NOT_SUPPORTED)


def test_boto3_is_told_when_it_is_off(server, bucket):
    with pytest.raises(ClientError) as caught:
        server.client(signature_version="s3").list_objects_v2(Bucket=bucket)
    assert (caught.value.response["Error"]["Code"], caught.value.response["Error"]["Message"]) == ("InvalidRequest", NOT_SUPPORTED)
    url = server.client(signature_version="s3").generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": "k"})
    with pytest.raises(urllib.error.HTTPError, match="400"):
        urllib.request.urlopen(url)
