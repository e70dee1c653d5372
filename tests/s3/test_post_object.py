"""Uploads by forms of browsers: fields, answers, what is refused and then not stored."""

import base64
import hashlib
import json
import zlib

import pytest
import urllib3
from dev_server import ALICE, BOB, DOMAIN, ROOT
from forms import BOUNDARY, Forms, encode, part, signed_fields
from raw_s3 import RawS3

FIELDS_BYTES_MAX = 20 * 1024


@pytest.fixture
def forms(anonymous, bucket):
    return Forms(anonymous, bucket, ROOT)


@pytest.fixture
def public(s3, bucket):
    """Everybody may write to the bucket."""
    allowed = {"Effect": "Allow", "Principal": "*", "Action": "s3:PutObject", "Resource": f"arn:aws:s3:::{bucket}/*"}
    s3.delete_public_access_block(Bucket=bucket)
    s3.put_bucket_policy(Bucket=bucket, Policy=json.dumps({"Version": "2012-10-17", "Statement": [allowed]}))
    return bucket


def read(s3, bucket, key):
    return s3.get_object(Bucket=bucket, Key=key)["Body"].read()


def is_empty(s3, bucket):
    return s3.list_objects_v2(Bucket=bucket)["KeyCount"] == 0


def test_a_form(forms, s3, bucket):
    answer = forms.upload({"key": "a b/ü+.txt"}, b"hello")
    etag = f'"{hashlib.md5(b"hello").hexdigest()}"'
    assert (answer.status, answer.body, answer.headers["etag"]) == (204, b"", etag)
    assert answer.headers["location"] == f"http://{forms.raw.host_header}/{bucket}/a%20b%2F%C3%BC%2B.txt"
    assert "content-length" not in answer.headers
    assert answer.headers["x-amz-checksum-crc64nvme"]
    found = s3.get_object(Bucket=bucket, Key="a b/ü+.txt")
    assert (found["Body"].read(), found["ETag"], found["ContentType"]) == (b"hello", etag, "binary/octet-stream")


@pytest.mark.parametrize("size", [0, 1, 8192, 300_000, (5 << 20) + 17])
def test_sizes(forms, s3, bucket, size):
    data = hashlib.shake_128(b"form").digest(size) if size else b""
    assert forms.upload({"key": "k"}, data).status == 204
    assert read(s3, bucket, "k") == data


@pytest.mark.parametrize(
    "data", [b"\r\n", b"\r\n--", f"\r\n--{BOUNDARY[:-1]}".encode(), f"--{BOUNDARY}--".encode(), b"a\r\n" * 100_000, b"\r" * 70_000]
)
def test_bytes_that_look_like_a_boundary(forms, s3, bucket, data):
    assert forms.upload({"key": "k"}, data).status == 204
    assert read(s3, bucket, "k") == data


@pytest.mark.parametrize("piece", [1, 3, 17, 1000])
def test_in_drops(forms, s3, bucket, piece):
    """However the network cuts it."""
    fields = {"key": "k", **signed_fields(ROOT, [{"bucket": bucket}, {"key": "k"}])}
    body = encode(fields, b"some data\r\n--x" * 7)
    with forms.raw.connect() as wire:
        content_type = f"multipart/form-data; boundary={BOUNDARY}"
        wire.head("POST", f"/{bucket}", {"Host": "x", "Content-Type": content_type, "Content-Length": str(len(body))})
        for start in range(0, len(body), piece):
            wire.send(body[start : start + piece])
        assert wire.answer("POST").status == 204
    assert read(s3, bucket, "k") == b"some data\r\n--x" * 7


def test_by_boto3_and_urllib3(server, s3, bucket):
    made = server.client(signature_version="s3v4").generate_presigned_post(  # us-east-1 has Version 2 as its default
        bucket, "dir/${filename}", Fields={"acl": "private", "Content-Type": "text/x"},
        Conditions=[{"acl": "private"}, {"Content-Type": "text/x"}, ["content-length-range", 1, 100]], ExpiresIn=60,
    )  # fmt: skip
    answer = urllib3.request("POST", made["url"], fields={**made["fields"], "file": ("näme.txt", b"by boto3", "text/plain")})
    assert answer.status == 204, answer.data
    found = s3.get_object(Bucket=bucket, Key="dir/näme.txt")
    assert (found["Body"].read(), found["ContentType"]) == (b"by boto3", "text/x")


def test_the_bucket_in_the_host_name(server, s3, bucket, anonymous):
    forms = Forms(RawS3(server.port, None, host=f"{bucket}.{DOMAIN}"), bucket, ROOT)
    fields = {"key": "k", **signed_fields(ROOT, [{"bucket": bucket}, {"key": "k"}])}
    sent = {"Host": f"{bucket}.{DOMAIN}", "Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}
    answer = forms.raw.send("POST", "/", "", sent, encode(fields, b"x"))
    assert (answer.status, answer.headers["location"]) == (204, f"http://{bucket}.{DOMAIN}/k")
    assert read(s3, bucket, "k") == b"x"


# -- the name of the file ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("key", "file_name", "found"),
    [
        ("${filename}", "photo.jpg", "photo.jpg"),
        ("user/eric/${filename}", "a b.txt", "user/eric/a b.txt"),
        ("${filename}/${filename}", "x", "x/x"),
        ("k/${filename}", "C:\\\\pictures\\\\cat.png", "k/cat.png"),
        ("k/${filename}", "/etc/passwd", "k/passwd"),
        ("k/${filename}", "../../up", "k/up"),
        ("k/${filename}", "日本.txt", "k/日本.txt"),
        ("k/${filename}", "", "k/"),
        ("k/${other}", "x", "k/${other}"),
    ],
)
def test_the_key_from_the_name_of_the_file(forms, s3, bucket, key, file_name, found):
    assert forms.upload({"key": key}, b"x", file_name=file_name).status == 204
    assert [entry["Key"] for entry in s3.list_objects_v2(Bucket=bucket)["Contents"]] == [found]


def test_the_policy_sees_the_whole_key(forms, s3, bucket):
    conditions = [{"bucket": bucket}, ["eq", "$key", "up/photo.jpg"]]
    assert forms.upload({"key": "up/${filename}"}, conditions=conditions).status == 204
    conditions = [{"bucket": bucket}, ["eq", "$key", "up/${filename}"]]
    assert forms.upload({"key": "up/${filename}"}, conditions=conditions).told == (403, "AccessDenied")


# -- what the fields say of the object ---------------------------------------------------------------------------------------


def test_metadata(forms, s3, bucket):
    fields = {
        "key": "k", "Content-Type": "text/x", "Cache-Control": "max-age=1", "Content-Disposition": 'inline; filename="é"',
        "Content-Encoding": "gzip", "Content-Language": "eo", "Expires": "Thu, 01 Jan 2099 00:00:00 GMT",
        "x-amz-meta-Owner": "me", "X-Amz-Meta-B": "ünïcode", "x-amz-website-redirect-location": "/other",
    }  # fmt: skip
    assert forms.upload(fields).status == 204
    found = s3.head_object(Bucket=bucket, Key="k")
    assert {name: value.encode("latin-1").decode() for name, value in found["Metadata"].items()} == {"owner": "me", "b": "ünïcode"}
    assert (found["ContentType"], found["CacheControl"], found["ContentEncoding"]) == ("text/x", "max-age=1", "gzip")
    assert (found["ContentLanguage"], found["WebsiteRedirectLocation"]) == ("eo", "/other")
    assert found["ResponseMetadata"]["HTTPHeaders"]["expires"] == "Thu, 01 Jan 2099 00:00:00 GMT"


def test_the_storage_class(forms, s3, bucket):
    assert forms.upload({"key": "k", "x-amz-storage-class": "STANDARD_IA"}).status == 204
    assert s3.head_object(Bucket=bucket, Key="k")["StorageClass"] == "STANDARD_IA"
    assert forms.upload({"key": "l", "x-amz-storage-class": "FREEZER"}).told == (400, "InvalidStorageClass")


def test_tags(forms, s3, bucket):
    tags = "<Tag><Key>a</Key><Value>1 + 2&#x3a;</Value></Tag><Tag><Key>b</Key><Value></Value></Tag>"
    tagging = f"<Tagging><TagSet>{tags}</TagSet></Tagging>"
    answer = forms.upload({"key": "k", "tagging": tagging})
    assert answer.status == 204, answer.body
    found = s3.get_object_tagging(Bucket=bucket, Key="k")["TagSet"]
    assert sorted((tag["Key"], tag["Value"]) for tag in found) == [("a", "1 + 2:"), ("b", "")]


@pytest.mark.parametrize(
    ("tagging", "code"),
    [
        ("a=1", "MalformedXML"),
        ("<Tagging>", "MalformedXML"),
        ('<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]><Tagging>&e;</Tagging>', "MalformedXML"),
        (f"<Tagging><TagSet>{''.join(f'<Tag><Key>{n}</Key><Value/></Tag>' for n in range(11))}</TagSet></Tagging>", "BadRequest"),
        ("<Tagging><TagSet><Tag><Key>aws:x</Key><Value/></Tag></TagSet></Tagging>", "InvalidTag"),
    ],
)
def test_tags_that_are_none(forms, s3, bucket, tagging, code):
    answer = forms.upload({"key": "k", "tagging": tagging})
    assert answer.told == (400, code)
    assert is_empty(s3, bucket)


def test_checksums(forms, s3, bucket):
    right = base64.b64encode(zlib.crc32(b"data").to_bytes(4, "big")).decode()
    answer = forms.upload({"key": "k", "x-amz-checksum-algorithm": "CRC32", "x-amz-checksum-crc32": right})
    assert (answer.status, answer.headers["x-amz-checksum-crc32"]) == (204, right)
    assert s3.head_object(Bucket=bucket, Key="k", ChecksumMode="ENABLED")["ChecksumCRC32"] == right
    for field, value in (("x-amz-checksum-crc32", "AAAAAA=="), ("x-amz-checksum-sha256", base64.b64encode(b"x" * 32).decode())):
        assert forms.upload({"key": "wrong", field: value}).told == (400, "BadDigest")
    md5 = base64.b64encode(hashlib.md5(b"data").digest()).decode()
    assert forms.upload({"key": "md5", "Content-MD5": md5}).status == 204
    assert forms.upload({"key": "wrong", "Content-MD5": md5}, b"other").told == (400, "BadDigest")
    assert [entry["Key"] for entry in s3.list_objects_v2(Bucket=bucket)["Contents"]] == ["k", "md5"]


@pytest.mark.parametrize("encryption", [{"x-amz-server-side-encryption": "AES256"}, {}])
def test_encryption(forms, s3, bucket, encryption):
    answer = forms.upload({"key": "k", **encryption}, b"sealed" * 30_000)
    assert answer.status == 204
    assert encryption.items() <= answer.headers.items()
    found = s3.get_object(Bucket=bucket, Key="k")
    assert (found["Body"].read(), found["ContentLength"]) == (b"sealed" * 30_000, 180_000)
    assert found.get("ServerSideEncryption") == answer.headers.get("x-amz-server-side-encryption")


def test_an_encryption_that_is_none(forms, s3, bucket):
    assert forms.upload({"key": "k", "x-amz-server-side-encryption": "ROT13"}).told == (400, "InvalidArgument")
    assert is_empty(s3, bucket)


def test_a_lock(forms, s3, new_name):
    name = new_name()
    s3.create_bucket(Bucket=name, ObjectLockEnabledForBucket=True)
    locked = Forms(forms.raw, name, ROOT)
    fields = {"key": "k", "x-amz-object-lock-legal-hold": "ON"}
    fields |= {"x-amz-object-lock-mode": "GOVERNANCE", "x-amz-object-lock-retain-until-date": "2099-01-01T00:00:00Z"}
    answer = locked.upload(fields)
    assert answer.status == 204, answer.body
    found = s3.head_object(Bucket=name, Key="k")
    assert (found["ObjectLockMode"], found["ObjectLockLegalHoldStatus"]) == ("GOVERNANCE", "ON")
    assert found["ObjectLockRetainUntilDate"].year == 2099
    assert forms.upload({"key": "k", "x-amz-object-lock-legal-hold": "ON"}).told == (400, "InvalidRequest")  # not in this bucket


@pytest.mark.parametrize("name", ["acl", "x-amz-acl"])
def test_an_acl(forms, s3, bucket, name):
    everyone = "http://acs.amazonaws.com/groups/global/AllUsers"
    assert forms.upload({"key": "k", name: "public-read"}).told == (400, "AccessControlListNotSupported")
    s3.put_bucket_ownership_controls(Bucket=bucket, OwnershipControls={"Rules": [{"ObjectOwnership": "ObjectWriter"}]})
    s3.delete_public_access_block(Bucket=bucket)
    assert forms.upload({"key": "k", name: "public-read"}).status == 204
    grants = s3.get_object_acl(Bucket=bucket, Key="k")["Grants"]
    assert [grant["Permission"] for grant in grants if grant["Grantee"].get("URI") == everyone] == ["READ"]
    assert forms.raw.send("GET", f"/{bucket}/k", "", {"Host": forms.raw.host_header}, None).body == b"data"
    assert forms.upload({"key": "l", name: "everybody"}).told == (400, "InvalidArgument")


def test_a_lifecycle_rule_is_told(forms, s3, bucket):
    rule = {"ID": "r", "Status": "Enabled", "Filter": {"Prefix": "tmp/"}, "Expiration": {"Days": 3}}
    s3.put_bucket_lifecycle_configuration(Bucket=bucket, LifecycleConfiguration={"Rules": [rule]})
    assert 'rule-id="r"' in forms.upload({"key": "tmp/k"}).headers["x-amz-expiration"]
    assert "x-amz-expiration" not in forms.upload({"key": "k"}).headers


def test_a_condition_of_the_request(forms, s3, bucket):
    """S3 does not document conditional forms; a browser's script that sends the header must not overwrite all the same."""
    body = encode({"key": "k", **signed_fields(ROOT, [{"bucket": bucket}, {"key": "k"}])}, b"first")
    assert forms.send(body, headers={"If-None-Match": "*"}).status == 204
    assert forms.send(body, headers={"If-None-Match": "*"}).told == (412, "PreconditionFailed")


def test_metadata_too_large(forms):
    assert forms.upload({"key": "k", "x-amz-meta-a": "x" * 2049}).told == (400, "MetadataTooLarge")


@pytest.mark.parametrize("name", ["Content-Type", "x-amz-meta-a", "Cache-Control", "acl", "x-amz-website-redirect-location"])
@pytest.mark.parametrize("value", ["a\r\nX-Evil: 1", "a\nb", "a\0b"])
def test_line_ends_in_fields_are_refused(forms, s3, bucket, name, value):
    assert forms.upload({"key": "k", name: value}).told == (400, "InvalidArgument")
    assert is_empty(s3, bucket)


def test_versions(forms, s3, versioned):
    forms = Forms(forms.raw, versioned, ROOT)
    answers = [forms.upload({"key": "k"}, body) for body in (b"1", b"2")]
    ids = [answer.headers["x-amz-version-id"] for answer in answers]
    assert len(set(ids)) == 2
    assert s3.get_object(Bucket=versioned, Key="k", VersionId=ids[0])["Body"].read() == b"1"


def test_what_is_for_put_only_does_nothing(forms, s3, bucket):
    """A copy source or another payload hash in a field is not taken for a header."""
    s3.put_object(Bucket=bucket, Key="secret", Body=b"secret")
    fields = {"key": "k", "x-amz-copy-source": f"/{bucket}/secret", "x-amz-content-sha256": "0" * 64}
    fields |= {"x-amz-trailer": "x-amz-checksum-crc32", "x-amz-decoded-content-length": "1"}
    assert forms.upload(fields, b"mine").status == 204
    assert read(s3, bucket, "k") == b"mine"


# -- answers -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("asked", "status"), [("200", 200), ("201", 201), ("204", 204), ("404", 204), ("", 204), ("abc", 204), ("0200", 204)]
)
def test_the_status_that_is_asked_for(forms, bucket, asked, status):
    answer = forms.upload({"key": "a&b/<c>", "success_action_status": asked})
    assert answer.status == status
    location = f"http://{forms.raw.host_header}/{bucket}/a%26b%2F%3Cc%3E"
    assert answer.headers["location"] == location
    if status != 201:
        assert answer.body == b""
        return
    assert answer.headers["content-type"] == "application/xml"
    assert [(element.tag, element.text) for element in answer.xml] == [
        ("Location", location), ("Bucket", bucket), ("Key", "a&b/<c>"), ("ETag", f'"{hashlib.md5(b"data").hexdigest()}"'),
    ]  # fmt: skip
    assert b"xmlns" not in answer.body


@pytest.mark.parametrize(
    ("field", "address", "begin"),
    [
        ("success_action_redirect", "http://x.example/done", "http://x.example/done?"),
        ("redirect", "https://x.example:8080/", "https://x.example:8080/?"),
        ("success_action_redirect", "http://x.example/done?a=b", "http://x.example/done?a=b&"),
        ("success_action_redirect", "http://x.example", "http://x.example?"),
    ],
)
def test_a_redirect(forms, s3, bucket, field, address, begin):
    answer = forms.upload({"key": "a b&c", field: address, "success_action_status": "201"})
    assert answer.status == 303
    etag = hashlib.md5(b"data").hexdigest()
    assert answer.headers["location"] == f"{begin}bucket={bucket}&key=a%20b%26c&etag=%22{etag}%22"
    assert answer.body == b""
    assert read(s3, bucket, "a b&c") == b"data"


def test_a_fragment_stays_behind_the_query(forms):
    answer = forms.upload({"key": "k", "success_action_redirect": "http://x.example/#top"})
    assert answer.headers["location"].endswith("%22#top")


@pytest.mark.parametrize(
    "address", ["not an address", "javascript:alert(1)", "http://x.example/\r\nSet-Cookie: a=b", "//x.example/", "ftp://x/", "", "http://[x"]
)
def test_a_redirect_that_is_none(forms, s3, bucket, address):
    """S3 acts as if the field was not there; and nobody puts a header into the answer."""
    answer = forms.upload({"key": "k", "success_action_redirect": address, "success_action_status": "200"})
    assert answer.status == 200
    assert "set-cookie" not in answer.headers
    assert answer.headers["location"] == f"http://{forms.raw.host_header}/{bucket}/k"


# -- forms that are none -----------------------------------------------------------------------------------------------------


def test_without_a_key(forms):
    answer = forms.upload({"Content-Type": "text/plain"})
    assert answer.told == (400, "InvalidArgument")
    assert answer.error["Message"].startswith("Bucket POST must contain a field named 'key'.")
    assert answer.error["ArgumentName"] == "key"


def test_fields_behind_the_file_do_not_count(forms, s3, bucket):
    fields = {"key": "k", **signed_fields(ROOT, [{"bucket": bucket}, {"key": "k"}])}
    assert forms.post(fields, b"data", after={"acl": "public-read", "x-amz-meta-a": "b"}).status == 204
    assert s3.head_object(Bucket=bucket, Key="k")["Metadata"] == {}
    assert forms.post({}, b"data", after=fields).told == (400, "InvalidArgument")


def test_without_a_file(forms, bucket):
    answer = forms.post({"key": "k", **signed_fields(ROOT, [{"bucket": bucket}, {"key": "k"}])}, None)
    assert answer.told == (400, "InvalidArgument")
    assert (answer.error["Message"], answer.error["ArgumentName"]) == ("POST requires exactly one file upload per request.", "file")


def test_two_files(forms, s3, bucket):
    fields = {"key": "k", **signed_fields(ROOT, [{"bucket": bucket}, {"key": "k"}])}
    answer = forms.post(fields, b"data", after={"file": "another"})
    assert answer.told == (400, "IncorrectNumberOfFilesInPostRequest")
    assert is_empty(s3, bucket)


def test_a_field_twice(forms, s3, bucket):
    fields = [("key", "k"), ("key", "other"), *signed_fields(ROOT, [{"bucket": bucket}, ["starts-with", "$key", ""]]).items()]
    assert forms.post(fields).told == (400, "InvalidArgument")
    fields = [("key", "k"), ("KEY", "other"), *signed_fields(ROOT, [{"bucket": bucket}, {"key": "k"}]).items()]
    assert forms.post(fields).told == (400, "InvalidArgument")
    assert is_empty(s3, bucket)


def _signed(bucket):
    return encode({"key": "k", **signed_fields(ROOT, [{"bucket": bucket}, {"key": "k"}])}, b"data")


@pytest.mark.parametrize(
    "change",
    [
        lambda body: body[: body.rindex(b"--" + BOUNDARY.encode())],  # the closing boundary is missing
        lambda body: body[:-4] + b"\r\n",
        lambda body: b"junk" + body,
        lambda body: b"",
        lambda body: b"x" * 1000,
        lambda body: body.replace(b"form-data", b"attachment", 1),
        lambda body: body.replace(b'; name="key"', b"", 1),
        lambda body: body.replace(b"Content-Disposition", b"Content Disposition", 1),
        lambda body: body.replace(b'name="key"\r\n\r\nk', b'name="key"\r\n\r\n\xff', 1),
        lambda body: body.replace(b'name="key"\r\n', b'name="key"\r\nContent-Disposition: form-data; name="acl"\r\n', 1),
        lambda body: body.replace(b'name="key"\r\n', b'name="key"\r\n' + b"A: b\r\n" * 20, 1),
    ],
)  # fmt: skip
def test_bodies_that_are_no_forms(forms, s3, bucket, change):
    answer = forms.send(change(_signed(bucket)))
    assert answer.told in ((400, "MalformedPOSTRequest"), (400, "InvalidArgument")), answer
    assert is_empty(s3, bucket)


@pytest.mark.parametrize("more", ["", "; boundary=", "; boundary=" + "x" * 71])
def test_boundaries_that_are_none(forms, bucket, more):
    answer = forms.send(_signed(bucket), headers={"Content-Type": "multipart/form-data" + more})
    assert answer.told == (400, "MalformedPOSTRequest")


def test_another_boundary_than_announced(forms, bucket):
    assert forms.send(_signed(bucket), boundary="other").told == (400, "MalformedPOSTRequest")


def test_a_length_is_needed(forms, bucket):
    content_type = f"multipart/form-data; boundary={BOUNDARY}"
    body = _signed(bucket)
    with forms.raw.connect() as wire:
        wire.head("POST", f"/{bucket}", {"Host": "x", "Content-Type": content_type, "Transfer-Encoding": "chunked"})
        wire.send(f"{len(body):x}\r\n".encode() + body + b"\r\n0\r\n\r\n")
        assert wire.answer("POST").told == (411, "MissingContentLength")


@pytest.mark.parametrize("where", ["one field", "many fields", "a header", "a name"])
def test_fields_too_long(forms, s3, bucket, where):
    match where:
        case "one field":
            fields = {"x-ignore-a": "x" * FIELDS_BYTES_MAX}
        case "many fields":
            fields = {f"x-ignore-{number}": "x" * 10 for number in range(400)}
        case "a header":
            fields = {f'a"; b="{"x" * FIELDS_BYTES_MAX}': ""}
        case _:
            fields = {"x-ignore-" + "x" * FIELDS_BYTES_MAX: ""}
    answer = forms.post({**fields, "key": "k", **signed_fields(ROOT, [{"bucket": bucket}, {"key": "k"}])})
    assert answer.told in ((400, "MaxPostPreDataLengthExceeded"), (400, "MalformedPOSTRequest"))
    assert is_empty(s3, bucket)


def test_fields_just_short_enough(forms, bucket):
    fields = {"key": "k", **signed_fields(ROOT, [{"bucket": bucket}, {"key": "k"}])}
    used = len(encode(fields, b"")) + 200
    fields = {"x-ignore-a": "x" * (FIELDS_BYTES_MAX - used), **fields}
    assert forms.post(fields).status == 204


def test_too_much_behind_the_file(forms, s3, bucket):
    fields = {"key": "k", **signed_fields(ROOT, [{"bucket": bucket}, {"key": "k"}])}
    assert forms.post(fields, b"data", after={"x": "y" * 15_000}).status == 204
    s3.delete_object(Bucket=bucket, Key="k")
    assert forms.post(fields, b"data", after={"x": "y" * 300_000}).told == (400, "MalformedPOSTRequest")
    assert is_empty(s3, bucket)


def test_more_than_one_upload_can_hold(forms, bucket):
    """Told by the length alone, before the file is sent."""
    body = _signed(bucket)
    headers = {"Host": "x", "Content-Type": f"multipart/form-data; boundary={BOUNDARY}", "Content-Length": str(6 << 30)}
    with forms.raw.connect() as wire:
        wire.head("POST", f"/{bucket}", headers)
        wire.send(body[: body.index(b"data\r\n--")])
        assert wire.answer("POST").told == (400, "EntityTooLarge")


@pytest.mark.parametrize("key", ["k" * 1025, "ü" * 600])
def test_a_key_too_long(forms, key):
    assert forms.upload({"key": key}).told == (400, "KeyTooLongError")


# -- who may -----------------------------------------------------------------------------------------------------------------


def test_anonymous_forms_need_a_bucket_for_all(forms, s3, bucket):
    assert forms.post({"key": "k"}).told == (403, "AccessDenied")
    assert is_empty(s3, bucket)


def test_anonymous_forms(forms, s3, public):
    assert forms.post({"key": "k", "success_action_status": "201"}).status == 201
    assert read(s3, public, "k") == b"data"
    policy = signed_fields(ROOT, [])["policy"]
    answer = forms.post({"key": "k", "policy": policy})
    assert answer.told == (400, "InvalidArgument")
    assert "X-Amz-Signature" in answer.error["Message"]


def test_a_stranger_signs(forms, s3, bucket):
    forms = Forms(forms.raw, bucket, ALICE)
    assert forms.upload({"key": "k"}).told == (403, "AccessDenied")
    assert is_empty(s3, bucket)


def test_the_bucket_of_a_tenant(anonymous, bob, new_name):
    name = new_name()
    bob.create_bucket(Bucket=name)
    assert Forms(anonymous, name, BOB).upload({"key": "k"}).status == 204
    assert read(bob, name, "k") == b"data"
    assert Forms(anonymous, name, ROOT).upload({"key": "k"}).told == (404, "NoSuchBucket")


def test_no_such_bucket(anonymous, new_name):
    assert Forms(anonymous, new_name(), ROOT).upload({"key": "k"}).told == (404, "NoSuchBucket")


def test_a_form_that_is_signed_twice(raw, bucket):
    fields = {"key": "k", **signed_fields(ROOT, [{"bucket": bucket}, {"key": "k"}])}
    content_type = f"multipart/form-data; boundary={BOUNDARY}"
    answer = raw.request("POST", f"/{bucket}", headers={"Content-Type": content_type}, body=encode(fields, b"x"))
    assert answer.told == (400, "InvalidRequest")


def test_a_form_to_an_object_is_none(anonymous, bucket):
    sent = {"Host": "x", "Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}
    answer = anonymous.send("POST", f"/{bucket}/k", "", sent, part("key", b"k"))
    assert answer.told in ((405, "MethodNotAllowed"), (403, "AccessDenied"))


def test_after_a_refusal_the_connection_goes_on(forms, bucket, s3):
    body = encode({"key": "k", **signed_fields(ROOT, [{"bucket": bucket}, {"key": "other"}])}, b"data")
    head = {"Host": "x", "Content-Type": f"multipart/form-data; boundary={BOUNDARY}", "Content-Length": str(len(body))}
    with forms.raw.connect() as wire:
        for _ in range(3):
            wire.head("POST", f"/{bucket}", head)
            wire.send(body)
            assert wire.answer("POST").told == (403, "AccessDenied")
