"""What is kept beside the bytes: system metadata, user metadata, storage class; and response-* overrides."""

import datetime

import pytest
from raw_s3 import UNSIGNED

SYSTEM = {
    "CacheControl": "max-age=60, public",
    "ContentDisposition": "attachment; filename=\"a b.txt\"",
    "ContentEncoding": "gzip",
    "ContentLanguage": "de, en",
    "ContentType": "text/plain; charset=utf-8",
    "WebsiteRedirectLocation": "/elsewhere",
}
STORAGE_CLASSES = [
    *("REDUCED_REDUNDANCY", "STANDARD_IA", "ONEZONE_IA", "INTELLIGENT_TIERING", "GLACIER", "DEEP_ARCHIVE", "GLACIER_IR"),
]


def test_system_metadata(s3, bucket):
    expires = datetime.datetime(2031, 2, 3, 4, 5, 6, tzinfo=datetime.UTC)
    s3.put_object(Bucket=bucket, Key="k", Body=b"x", Expires=expires, **SYSTEM)
    for answer in (s3.get_object(Bucket=bucket, Key="k"), s3.head_object(Bucket=bucket, Key="k")):
        assert {name: answer.get(name) for name in SYSTEM} == SYSTEM
        assert answer["ExpiresString"] == "Mon, 03 Feb 2031 04:05:06 GMT"


def test_expires_is_kept_as_it_came(raw, bucket):
    raw.request("PUT", f"/{bucket}/k", headers={"Expires": "tomorrow"}, body=b"x")
    assert raw.request("HEAD", f"/{bucket}/k").headers["expires"] == "tomorrow"


def test_the_default_type(s3, bucket):
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    answer = s3.head_object(Bucket=bucket, Key="k")
    assert answer["ContentType"] == "binary/octet-stream"
    assert not {"CacheControl", "ContentEncoding", "StorageClass", "WebsiteRedirectLocation"} & answer.keys()


def test_last_modified_is_now_in_whole_seconds(s3, bucket):
    before = datetime.datetime.now(datetime.UTC) - datetime.timedelta(seconds=2)
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    after = datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=2)
    head = s3.head_object(Bucket=bucket, Key="k")["LastModified"]
    listed = s3.list_objects_v2(Bucket=bucket)["Contents"][0]["LastModified"]
    assert before < head < after
    assert head == listed


def test_user_metadata(s3, bucket):
    given = {"a": "b", "mixed-case": "Value With  Blanks", "empty": "", "x_y": "1", "n-1": "=?&%20"}
    s3.put_object(Bucket=bucket, Key="k", Body=b"x", Metadata=given)
    expected = {**given}
    for answer in (s3.get_object(Bucket=bucket, Key="k"), s3.head_object(Bucket=bucket, Key="k")):
        assert answer["Metadata"] == expected


def test_names_of_user_metadata_are_lower_case(raw, bucket):
    raw.request("PUT", f"/{bucket}/k", headers={"X-Amz-Meta-CamelCase": "A"}, body=b"x")
    assert raw.request("HEAD", f"/{bucket}/k").headers["x-amz-meta-camelcase"] == "A"


def test_repeated_user_metadata_is_joined(raw, bucket):
    headers, _ = raw.headers_for("PUT", f"/{bucket}/k", headers={"x-amz-meta-a": "1,2"})
    del headers["x-amz-meta-a"]
    with raw.connect() as wire:
        lines = [f"PUT /{bucket}/k HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items())]
        lines += ["x-amz-meta-a: 1", "x-amz-meta-a: 2", "Content-Length: 1", "", "x"]
        wire.send("\r\n".join(lines).encode())
        assert wire.answer("PUT").status == 200
    assert raw.request("HEAD", f"/{bucket}/k").headers["x-amz-meta-a"] == "1,2"


@pytest.mark.parametrize("value", ["grün", "日本語", "🜁"])
def test_user_metadata_beyond_ascii_comes_back_byte_by_byte(raw, bucket, value):
    assert raw.request("PUT", f"/{bucket}/k", headers={"x-amz-meta-a": value}, body=b"x").status == 200
    found = raw.request("HEAD", f"/{bucket}/k").headers["x-amz-meta-a"]
    assert found.encode("latin-1").decode() == value  # http.client reads headers as Latin-1


@pytest.mark.parametrize(("size", "fits"), [(2048 - 1, True), (2048, False)])
def test_the_limit_of_user_metadata(s3, bucket, refused, size, fits):
    """Names and values count together, in bytes; the name here has one."""
    arguments = {"Bucket": bucket, "Key": "k", "Body": b"x", "Metadata": {"a": "v" * size}}
    if fits:
        s3.put_object(**arguments)
        assert s3.head_object(Bucket=bucket, Key="k")["Metadata"] == arguments["Metadata"]
    else:
        error = refused("MetadataTooLarge", 400, s3.put_object, **arguments)
        assert (error["Size"], error["MaxSizeAllowed"]) == ("2049", "2048")
        del arguments["Body"]
        refused("MetadataTooLarge", 400, s3.create_multipart_upload, **arguments)
        assert "Contents" not in s3.list_objects_v2(Bucket=bucket)


@pytest.mark.parametrize("name", STORAGE_CLASSES)
def test_storage_classes_are_kept_and_shown(s3, bucket, name):
    s3.put_object(Bucket=bucket, Key="k", Body=b"x", StorageClass=name)
    assert s3.head_object(Bucket=bucket, Key="k")["StorageClass"] == name
    assert s3.get_object(Bucket=bucket, Key="k")["StorageClass"] == name
    assert s3.list_objects_v2(Bucket=bucket)["Contents"][0]["StorageClass"] == name
    assert s3.list_object_versions(Bucket=bucket)["Versions"][0]["StorageClass"] == name
    attributes = s3.get_object_attributes(Bucket=bucket, Key="k", ObjectAttributes=["StorageClass"])
    assert attributes["StorageClass"] == name


def test_the_standard_class_is_silent_in_headers(s3, bucket):
    s3.put_object(Bucket=bucket, Key="k", Body=b"x", StorageClass="STANDARD")
    assert "StorageClass" not in s3.head_object(Bucket=bucket, Key="k")
    assert s3.list_objects_v2(Bucket=bucket)["Contents"][0]["StorageClass"] == "STANDARD"


def test_an_unknown_storage_class(s3, bucket, refused):
    error = refused("InvalidStorageClass", 400, s3.put_object, Bucket=bucket, Key="k", Body=b"x", StorageClass="FAST")
    assert error["StorageClassRequested"] == "FAST"


def test_a_redirect_that_is_none(s3, bucket, refused):
    refused("InvalidRedirectLocation", 400, s3.put_object, Bucket=bucket, Key="k", WebsiteRedirectLocation="x")


def test_promises_that_cannot_be_kept_are_refused(s3, bucket, refused):
    refused("NotImplemented", 501, s3.put_object, Bucket=bucket, Key="k", Body=b"x", WriteOffsetBytes=5)
    refused("AccessControlListNotSupported", 400, s3.put_object, Bucket=bucket, Key="k", Body=b"x", ACL="public-read")
    refused("AccessControlListNotSupported", 400, s3.put_object, Bucket=bucket, Key="k", Body=b"x", GrantRead="id=1")
    assert "Contents" not in s3.list_objects_v2(Bucket=bucket)
    s3.put_object(Bucket=bucket, Key="k", Body=b"x", ACL="bucket-owner-full-control")


def test_content_encoding_keeps_what_is_not_the_transfer(raw, bucket):
    for given, kept in (("aws-chunked", None), ("aws-chunked,gzip", "gzip"), ("gzip, aws-chunked", "gzip"), ("br,gzip", "br,gzip")):
        payload = UNSIGNED if "aws-chunked" not in given else "2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881"
        answer = raw.request("PUT", f"/{bucket}/k", headers={"Content-Encoding": given}, body=b"x", payload=payload)
        assert answer.status == 200, answer.body
        assert raw.request("HEAD", f"/{bucket}/k").headers.get("content-encoding") == kept


def test_headers_larger_than_s3_takes(raw, s3, bucket):
    answer = raw.request("PUT", f"/{bucket}/k", headers={"Cache-Control": "x" * 9000}, body=b"x")
    assert answer.told == (400, "RequestHeaderSectionTooLarge")
    assert "Contents" not in s3.list_objects_v2(Bucket=bucket)
