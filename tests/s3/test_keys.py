"""Keys are bytes: nothing in them is a path, and every one that S3 takes comes back from every operation as it was."""

import uuid

import pytest
from raw_s3 import key_path

ODD_KEYS = [
    *("a", "a/", "a/b", "a/b/", "/", "//", "///a", "a//b", ".", "..", "./a", "../a", "a/../b", "a/./b", "a/.."),
    *("+", "a+b", " ", "a b", " a", "a ", "@", "a@b", "(a)", "[a]", "{a}", "!", "'", "*", "~", "a;b", "a:b", "a=b", "a&b", "a,b"),
    *("%", "%41", "%2F", "100%", "a?b", "a#b", "a|b", "a\\b", '"', "<", "&amp;", "$", "^", "`"),
    *("ä", "日本語", "🜁", "e\u0301", "\u00a0", "\u200b", "\ufeff", "null", "?versionId=x"),
    *("\t", "\n", "\r\n", "a\u0085b", "\x7f"),
]
CONTROL_KEYS = ["\x01", "a\x08b", "\x1f", "\ufffe", "\uffff"]
LONGEST = ["k" * 1024, "ä" * 512, "a/" * 512]


@pytest.fixture(scope="module")
def full(s3, new_name):
    """A bucket with an object under every odd key, each with a body of its own."""
    name = new_name()
    s3.create_bucket(Bucket=name)
    for key in [*ODD_KEYS, *CONTROL_KEYS, *LONGEST]:
        s3.put_object(Bucket=name, Key=key, Body=key.encode())
    return name


@pytest.mark.parametrize("key", [*ODD_KEYS, *CONTROL_KEYS, *LONGEST], ids=lambda key: ascii(key[:12]))
def test_read(s3, full, key):
    assert s3.get_object(Bucket=full, Key=key)["Body"].read() == key.encode()
    assert s3.head_object(Bucket=full, Key=key)["ContentLength"] == len(key.encode())


@pytest.mark.parametrize("key", [*ODD_KEYS, *LONGEST], ids=lambda key: ascii(key[:12]))
def test_copy_list_and_delete(s3, bucket, key):
    s3.put_object(Bucket=bucket, Key=key, Body=b"x")
    s3.copy_object(Bucket=bucket, Key="copy of it", CopySource={"Bucket": bucket, "Key": key})
    listed = s3.list_objects_v2(Bucket=bucket, Prefix=key)["Contents"]
    assert [entry["Key"] for entry in listed] == [key]
    answer = s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": key}]})
    # XML turns a carriage return into a newline on its way in, unless the client escapes it, which botocore does not.
    if "\r" not in key:
        assert answer["Deleted"] == [{"Key": key}]
        assert "Contents" not in s3.list_objects_v2(Bucket=bucket, Prefix=key)


def test_the_list_is_in_byte_order_and_complete(s3, full):
    keys = [entry["Key"] for entry in s3.list_objects_v2(Bucket=full)["Contents"]]  # boto3 asks for encoding-type=url
    assert keys == sorted({*ODD_KEYS, *CONTROL_KEYS, *LONGEST}, key=str.encode)


def test_without_encoding_type_the_list_has_references(raw, full):
    body = raw.request("GET", f"/{full}", [("list-type", "2")]).body
    assert b"<Key>&#x1;</Key>" in body
    assert "<Key>日本語</Key>".encode() in body
    assert b"<Key>&lt;</Key>" in body
    assert b"<EncodingType>" not in body


def test_with_encoding_type_the_list_is_percent_encoded(raw, full):
    body = raw.request("GET", f"/{full}", [("list-type", "2"), ("encoding-type", "url")]).body
    assert b"<EncodingType>url</EncodingType>" in body
    for name in (b"%01", b"%E6%97%A5%E6%9C%AC%E8%AA%9E", b"a%2Bb", b"a+b", b"%2541", b"a/../b", b"%28a%29"):
        present = b"<Key>" + name + b"</Key>" in body
        assert present == (name != b"a+b"), name


def test_dots_are_not_resolved(raw, bucket):
    for path in ("a/../b", "../c", "./d", "e/.", "%2e%2e/f"):
        assert raw.request("PUT", f"/{bucket}/{path}", body=path.encode()).status == 200
    for path in ("a/../b", "../c", "./d", "e/."):
        assert raw.request("GET", f"/{bucket}/{path}").body == path.encode()
    assert raw.request("GET", f"/{bucket}/../f").body == b"%2e%2e/f"
    assert raw.request("GET", f"/{bucket}/b").told == (404, "NoSuchKey")


def test_a_plus_in_the_path_is_a_plus(raw, bucket):
    raw.request("PUT", f"/{bucket}/a+b", body=b"plus")
    assert raw.request("GET", f"/{bucket}/a%2Bb").body == b"plus"
    assert raw.request("GET", f"/{bucket}/a%20b").told == (404, "NoSuchKey")


@pytest.mark.parametrize("key", ["k" * 1025, "ä" * 513])
def test_too_long(s3, bucket, refused, key):
    error = refused("KeyTooLongError", 400, s3.put_object, Bucket=bucket, Key=key, Body=b"x")
    assert (error["Size"], error["MaxSizeAllowed"]) == (str(len(key.encode())), "1024")
    refused("KeyTooLongError", 400, s3.create_multipart_upload, Bucket=bucket, Key=key)
    refused("KeyTooLongError", 400, s3.get_object, Bucket=bucket, Key=key)
    assert "Contents" not in s3.list_objects_v2(Bucket=bucket)


@pytest.mark.parametrize("encoded", ["%FF", "a%C3", "%ED%A0%80"])
def test_no_utf8(raw, bucket, encoded):
    assert raw.request("PUT", f"/{bucket}/{encoded}", body=b"x").told == (400, "InvalidURI")


def test_a_nul_byte_is_a_character_too(raw, bucket):
    answer = raw.request("PUT", key_path(bucket, b"a\0b"), body=b"x")
    assert answer.status == 200
    assert raw.request("GET", key_path(bucket, b"a\0b")).body == b"x"
    assert raw.request("GET", key_path(bucket, "a")).told == (404, "NoSuchKey")
    assert b"<Key>a%00b</Key>" in raw.request("GET", f"/{bucket}", "encoding-type=url").body


def test_a_key_and_keys_below_it(s3, bucket, refused):
    for key in ("a", "a/", "a/b", "a/b/c"):
        s3.put_object(Bucket=bucket, Key=key, Body=key.encode())
    s3.delete_object(Bucket=bucket, Key="a/b")
    refused("NoSuchKey", 404, s3.get_object, Bucket=bucket, Key="a/b")
    for key in ("a", "a/", "a/b/c"):
        assert s3.get_object(Bucket=bucket, Key=key)["Body"].read() == key.encode()


def test_keys_are_compared_byte_by_byte(s3, bucket, refused):
    """No case folding, no Unicode normalisation."""
    name = uuid.uuid4().hex
    s3.put_object(Bucket=bucket, Key=f"{name}\u00e9", Body=b"composed")
    refused("NoSuchKey", 404, s3.get_object, Bucket=bucket, Key=f"{name}e\u0301")
    refused("NoSuchKey", 404, s3.get_object, Bucket=bucket, Key=f"{name.upper()}\u00e9")
