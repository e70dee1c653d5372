"""Names of buckets and keys; how requests and copies address them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dolmen.gateway.s3.copy_source import parse_source
from dolmen.gateway.s3.fault import S3Fault
from dolmen.gateway.s3.names import address, check_bucket_name, check_key, is_bucket_name

DOMAINS = frozenset({"s3.example.com", "example.com", "localhost"})


@pytest.mark.parametrize(
    "name",
    ["abc", "a-b", "a.b", "123", "my-bucket.v2", "a" * 63, "1.2.3", "1.2.3.4.5", "192.168.1.x", "a--b", "a.-b", "1.1.1.1000"],
)
def test_bucket_names(name):
    check_bucket_name(name)


@pytest.mark.parametrize(
    "name",
    [
        "", "ab", "a" * 64, "Abc", "a_b", "-ab", "ab-", ".ab", "ab.", "a..b", "a b", "a/b", "bücket", "abc\n", "a²c", "192.168.5.4",
        "xn--abc", "sthree-abc", "sthree-configurator", "amzn-s3-demo-bucket", "abc-s3alias", "abc--ol-s3", "abc.mrap", "abc--x-s3",
        "abc--table-s3", "tenant:abc",
    ],
)  # fmt: skip
def test_names_that_are_none(name):
    assert not is_bucket_name(name)
    with pytest.raises(S3Fault) as caught:
        check_bucket_name(name)
    assert (caught.value.code, caught.value.status, caught.value.fields) == ("InvalidBucketName", 400, (("BucketName", name),))


def test_keys():
    for key in (b"a", b"/", b"//", b"a/../b", b"%2F", b"\x00", "é".encode(), b"k" * 1024, b" ", b"+"):
        assert check_key(key) == key
    with pytest.raises(S3Fault) as caught:
        check_key(b"k" * 1023 + "é".encode())
    assert (caught.value.code, caught.value.fields) == ("KeyTooLongError", (("Size", "1025"), ("MaxSizeAllowed", "1024")))
    for key in (b"\xff", b"\xed\xa0\x80", b"\xc0\xaf"):
        with pytest.raises(S3Fault, match="InvalidURI"):
            check_key(key)
    with pytest.raises(S3Fault, match="InvalidArgument"):
        check_key(b"")


@pytest.mark.parametrize(
    ("host", "path", "expected"),
    [
        ("s3.example.com", b"/", (None, None)),
        ("s3.example.com", b"", (None, None)),
        ("s3.example.com:9000", b"/bucket", ("bucket", None)),
        ("s3.example.com", b"/bucket/", ("bucket", None)),
        ("s3.example.com", b"/bucket/key", ("bucket", b"key")),
        ("s3.example.com", b"/bucket//key", ("bucket", b"/key")),
        ("s3.example.com", b"/bucket//", ("bucket", b"/")),
        ("s3.example.com", b"/bucket/a/../b/./c", ("bucket", b"a/../b/./c")),
        ("s3.example.com", b"/bucket/a%2Fb", ("bucket", b"a/b")),
        ("s3.example.com", b"/bucket/a%252Fb", ("bucket", b"a%2Fb")),
        ("s3.example.com", b"/bucket/a%2e%2E/b", ("bucket", b"a../b")),
        ("s3.example.com", b"/bucket/a+b%20c", ("bucket", b"a+b c")),
        ("s3.example.com", b"/bucket/100%", ("bucket", b"100%")),
        ("s3.example.com", b"/bucket/%C3%A9", ("bucket", "é".encode())),
        ("s3.example.com", b"/bu%63ket/k", ("bucket", b"k")),
        ("s3.example.com", b"/Old_Bucket/k", ("Old_Bucket", b"k")),
        ("bucket.s3.example.com", b"/", ("bucket", None)),
        ("bucket.s3.example.com:9000", b"/key", ("bucket", b"key")),
        ("Bucket.S3.Example.COM", b"/bucket/key", ("bucket", b"bucket/key")),
        ("my.bucket.s3.example.com", b"//", ("my.bucket", b"/")),
        ("bucket.s3.example.com.", b"/key", ("bucket", b"key")),
        ("bucket.example.com", b"/key", ("bucket", b"key")),
        ("bucket.localhost:1", b"/key", ("bucket", b"key")),
        ("localhost:9000", b"/bucket/key", ("bucket", b"key")),
        ("xs3.example.com", b"/key", ("xs3", b"key")),
        ("notexample.com", b"/bucket/key", ("bucket", b"key")),
        ("127.0.0.1:9000", b"/bucket/key", ("bucket", b"key")),
        ("[::1]:9000", b"/bucket/key", ("bucket", b"key")),
        ("", b"/bucket/key", ("bucket", b"key")),
    ],
)
def test_address(host, path, expected):
    assert address(host, path, DOMAINS) == expected


def test_without_domains_every_host_is_path_style():
    assert address("bucket.s3.example.com", b"/other/key", ()) == ("other", b"key")


def test_addresses_that_are_none():
    for path, code in (
        (b"//key", "InvalidBucketName"),
        (b"/a%2Fb/k", "InvalidBucketName"),
        (b"/" + b"a" * 256, "InvalidBucketName"),
        (b"/%FF/key", "InvalidURI"),
        (b"/b/%FF", "InvalidURI"),
        (b"/b/" + b"k" * 1025, "KeyTooLongError"),
    ):
        with pytest.raises(S3Fault, match=code):
            address("localhost", path, DOMAINS)


@pytest.mark.parametrize(
    ("path", "bucket"),
    [(b"/blue:photos/k", "blue:photos"), (b"/blue%3Aphotos/k", "blue:photos"), (b"/:photos/k", ":photos")],
)
def test_a_bucket_of_another_namespace_is_addressed_by_its_tenant(path, bucket):
    assert address("localhost", path, ()) == (bucket, b"k")


@pytest.mark.parametrize("name", ["a:b:photos", "Blue:photos", "-blue:photos", "blue:", f"{'a' * 64}:photos"])
def test_what_is_no_tenant_is_no_bucket(name):
    with pytest.raises(S3Fault, match="InvalidBucketName"):
        address("localhost", f"/{name}/k".encode(), ())


def test_a_host_names_no_tenant():
    with pytest.raises(S3Fault, match="InvalidBucketName"):
        address("blue%3Aphotos.localhost", b"/k", ("localhost",))


@given(key=st.text(min_size=1, max_size=40).filter(lambda key: len(key.encode(errors="replace")) <= 1024))
def test_any_key_comes_back(key):
    try:
        raw = key.encode()
    except UnicodeEncodeError:
        return
    encoded = b"".join(b"%%%02X" % byte for byte in raw)
    assert address("localhost", b"/bucket/" + encoded, DOMAINS) == ("bucket", raw)
    assert address("bucket.localhost", b"/" + encoded, DOMAINS) == ("bucket", raw)
    assert parse_source(f"bucket/{encoded.decode()}") == ("bucket", raw, None)
    assert parse_source(f"/bucket/{encoded.decode()}?versionId=v1") == ("bucket", raw, "v1")


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("bucket/key", ("bucket", b"key", None)),
        ("/bucket/key", ("bucket", b"key", None)),
        ("bucket%2Fkey", ("bucket", b"key", None)),
        ("%2Fbucket%2Fa%2Fb", ("bucket", b"a/b", None)),
        ("/bucket//key", ("bucket", b"/key", None)),
        ("bucket/a+b%2Bc%20d", ("bucket", b"a b+c d", None)),
        ("bucket/%3FversionId=x", ("bucket", b"?versionId=x", None)),
        ("bucket/what?", ("bucket", b"what?", None)),
        ("bucket/é", ("bucket", "é".encode(), None)),
        ("bucket/k?versionId=null", ("bucket", b"k", "null")),
        ("bucket/k?a=1?versionId=A.b_c-d", ("bucket", b"k?a=1", "A.b_c-d")),
    ],
)
def test_copy_source(value, expected):
    assert parse_source(value) == expected


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("", "Copy Source must mention the source bucket and key: sourcebucket/sourcekey"),
        ("/", "Copy Source must mention the source bucket and key: sourcebucket/sourcekey"),
        ("bucket", "Copy Source must mention the source bucket and key: sourcebucket/sourcekey"),
        ("bucket/", "Copy Source must mention the source bucket and key: sourcebucket/sourcekey"),
        ("//key", "Copy Source must mention the source bucket and key: sourcebucket/sourcekey"),
        ("bucket/%FF", "Invalid copy source encoding"),
        ("Bucket/key", "Invalid copy source bucket name"),
        ("arn:aws:s3:us-east-1:1:accesspoint/ap/object/k", "Invalid copy source bucket name"),
        ("bucket/" + "k" * 1025, "Invalid copy source object key"),
        ("bucket/key?versionId=", "Version id cannot be the empty string"),
    ],
)
def test_copy_sources_that_are_none(value, message):
    with pytest.raises(S3Fault) as caught:
        parse_source(value)
    assert (caught.value.code, caught.value.status, caught.value.message) == ("InvalidArgument", 400, message)
    assert caught.value.fields == (("ArgumentName", "x-amz-copy-source"), ("ArgumentValue", value))
