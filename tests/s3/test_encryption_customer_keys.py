"""SSE-C: what is wrong with a key, and objects read without theirs. Codes, texts and fields as AWS answers them."""

import base64
import hashlib
import urllib.request

import pytest
from encryption_kinds import KINDS, customer

PREFIX = "x-amz-server-side-encryption-customer-"
KEY = b"k" * 32
ABOUT = "Requests specifying Server Side Encryption with Customer provided keys must"


def headers(key=KEY, algorithm="AES256", md5=None, prefix=PREFIX):
    text = key if isinstance(key, str) else base64.b64encode(key).decode()
    given = base64.b64encode(hashlib.md5(key if isinstance(key, bytes) else b"").digest()).decode() if md5 is None else md5
    made = {f"{prefix}algorithm": algorithm, f"{prefix}key": text, f"{prefix}key-MD5": given}
    return {name: value for name, value in made.items() if value}


WRONG = [
    ("no algorithm", headers(algorithm=""), "InvalidArgument", f"{ABOUT} provide a valid encryption algorithm.", "null"),
    ("no key", headers(key="", md5="x"), "InvalidArgument", f"{ABOUT} provide an appropriate secret key.", "null"),
    (
        "another algorithm",
        headers(algorithm="AES128"),
        "InvalidEncryptionAlgorithmError",
        "The Encryption request you specified is not valid. Supported value: AES256.",
        "AES128",
    ),
    ("a short key", headers(KEY[:31]), "InvalidArgument", "The secret key was invalid for the specified algorithm.", "null"),
    ("a long key", headers(KEY + b"k"), "InvalidArgument", "The secret key was invalid for the specified algorithm.", "null"),
    ("no base64", headers("?" * 44), "InvalidArgument", "The secret key was invalid for the specified algorithm.", "null"),
    ("no ASCII", headers("\xe9" * 44), "InvalidArgument", "The secret key was invalid for the specified algorithm.", "null"),
    (
        "another MD5",
        headers(md5=base64.b64encode(bytes(16)).decode()),
        "InvalidArgument",
        "The calculated MD5 hash of the key did not match the hash that was provided.",
        "null",
    ),
    (
        "no MD5",
        {name: value for name, value in headers().items() if not name.endswith("MD5")},
        "InvalidArgument",
        "The calculated MD5 hash of the key did not match the hash that was provided.",
        "null",
    ),
    (
        "two methods",
        {**headers(), "x-amz-server-side-encryption": "AES256"},
        "InvalidArgument",
        "Server Side Encryption with Customer provided key is incompatible with the encryption method specified",
        "AES256",
    ),
]
writes = pytest.mark.parametrize("operation", ["PutObject", "CreateMultipartUpload", "CopyObject"])


def send(raw, bucket, operation, given):
    if operation == "CreateMultipartUpload":
        return raw.request("POST", f"/{bucket}/k", [("uploads", "")], given)
    if operation == "CopyObject":
        return raw.request("PUT", f"/{bucket}/k", "", {**given, "x-amz-copy-source": f"/{bucket}/source"})
    return raw.request("PUT", f"/{bucket}/k", "", given, b"data")


@writes
@pytest.mark.parametrize(("given", "code", "message", "value"), [case[1:] for case in WRONG], ids=[case[0] for case in WRONG])
def test_wrong_keys_on_writes(raw, s3, bucket, operation, given, code, message, value):
    s3.put_object(Bucket=bucket, Key="source", Body=b"x")
    answer = send(raw, bucket, operation, given)
    assert answer.told == (400, code)
    assert answer.error["Message"] == message
    assert (answer.error["ArgumentName"], answer.error["ArgumentValue"]) == ("x-amz-server-side-encryption", value)
    assert base64.b64encode(KEY) not in answer.body
    assert [row["Key"] for row in s3.list_objects_v2(Bucket=bucket)["Contents"]] == ["source"]


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize(("given", "code", "message"), [case[1:4] for case in WRONG[:-1]], ids=[case[0] for case in WRONG[:-1]])
def test_wrong_keys_on_reads(raw, s3, bucket, method, given, code, message):
    s3.put_object(Bucket=bucket, Key="k", Body=b"data", **customer(KEY))
    answer = raw.request(method, f"/{bucket}/k", "", given)
    assert answer.status == 400
    if method == "GET":
        assert (answer.told, answer.error["Message"]) == ((400, code), message)
    assert b"data" not in answer.body


def test_reads_without_the_key(s3, bucket, refused):
    s3.put_object(Bucket=bucket, Key="k", Body=b"data", **customer(KEY))
    for size in (4, 0):
        s3.put_object(Bucket=bucket, Key="k", Body=b"data"[:size], **customer(KEY))
        told = refused("InvalidRequest", 400, s3.get_object, Bucket=bucket, Key="k")
        assert told["Message"] == (
            "The object was stored using a form of Server Side Encryption. "
            "The correct parameters must be provided to retrieve the object."
        )
        refused("InvalidRequest", 400, s3.get_object_attributes, Bucket=bucket, Key="k", ObjectAttributes=["ETag"])
        refused("400", 400, s3.head_object, Bucket=bucket, Key="k")


def test_reads_with_another_key(s3, bucket, refused):
    s3.put_object(Bucket=bucket, Key="k", Body=b"data", **customer(KEY))
    told = refused("AccessDenied", 403, s3.get_object, Bucket=bucket, Key="k", **customer(b"w" * 32))
    assert told["Message"] == f"{ABOUT} provide the correct secret key."
    refused("403", 403, s3.head_object, Bucket=bucket, Key="k", **customer(b"w" * 32))


@pytest.mark.parametrize("kind", ["none", "SSE-S3", "SSE-KMS", "DSSE"])
def test_a_key_for_what_needs_none(s3, bucket, refused, kind):
    s3.put_object(Bucket=bucket, Key="k", Body=b"data", **KINDS[kind].write)
    told = refused("InvalidRequest", 400, s3.get_object, Bucket=bucket, Key="k", **customer(KEY))
    assert told["Message"] == "The encryption parameters are not applicable to this object."
    refused("400", 400, s3.head_object, Bucket=bucket, Key="k", **customer(KEY))
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"data"


@pytest.mark.parametrize("kind", ["none", "SSE-S3", "SSE-KMS", "DSSE"])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_reads_must_not_ask_for_encryption(raw, s3, bucket, kind, method):
    s3.put_object(Bucket=bucket, Key="k", Body=b"data", **KINDS[kind].write)
    answer = raw.request(method, f"/{bucket}/k", "", {"x-amz-server-side-encryption": "AES256"})
    assert answer.status == 400
    if method == "GET":
        assert answer.told == (400, "InvalidArgument")
        assert answer.error["Message"] == "x-amz-server-side-encryption header is not supported for this operation."
        assert (answer.error["ArgumentName"], answer.error["ArgumentValue"]) == ("x-amz-server-side-encryption", "AES256")


def test_metadata_operations_need_no_key(s3, bucket):
    s3.put_object(Bucket=bucket, Key="k", Body=b"data", Tagging="a=b", **customer(KEY))
    assert s3.get_object_tagging(Bucket=bucket, Key="k")["TagSet"] == [{"Key": "a", "Value": "b"}]
    s3.put_object_tagging(Bucket=bucket, Key="k", Tagging={"TagSet": []})
    assert s3.get_object(Bucket=bucket, Key="k", **customer(KEY))["Body"].read() == b"data"
    s3.delete_object(Bucket=bucket, Key="k")


def test_presigned_urls_carry_the_headers(server, s3, bucket):
    s3.put_object(Bucket=bucket, Key="k", Body=b"data", **customer(KEY))
    client = server.client(signature_version="s3v4")
    url = client.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": "k", **customer(KEY)})
    request = urllib.request.Request(url, headers=headers())
    with urllib.request.urlopen(request, timeout=10) as answer:
        assert answer.read() == b"data"
