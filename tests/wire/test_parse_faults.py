"""Values that cannot be: S3's code, text and fields."""

import pytest

from dolmen.gateway.s3.fault import S3Fault
from dolmen.gateway.s3.operations import OPERATIONS
from dolmen.gateway.s3.parse import parse_input

NO_INTEGER = "Provided max-keys not an integer or within integer range"
NEGATIVE = "Argument {} must be an integer between 0 and 2147483647"
PART_NUMBER = "Part number must be an integer between 1 and 10000, inclusive"


def _parse(name, query=None, headers=None, body=b""):
    return parse_input(OPERATIONS[name], "b", "k", query or {}, headers or {}, body)


def _fault(name, query=None, headers=None, body=b""):
    with pytest.raises(S3Fault) as caught:
        _parse(name, query, headers, body)
    return caught.value


@pytest.mark.parametrize(
    ("name", "query", "message", "argument"),
    [
        ("ListObjects", {"max-keys": "x"}, NO_INTEGER, "max-keys"),
        ("ListObjects", {"max-keys": "2147483648"}, NO_INTEGER, "max-keys"),
        ("ListObjects", {"max-keys": "1_0"}, NO_INTEGER, "max-keys"),
        ("ListObjects", {"max-keys": "\u0661"}, NO_INTEGER, "max-keys"),
        ("ListObjects", {"max-keys": "9" * 5000}, NO_INTEGER, "max-keys"),
        ("ListObjectsV2", {"max-keys": "-1"}, NEGATIVE.format("maxKeys"), "maxKeys"),
        ("ListMultipartUploads", {"max-uploads": "-1"}, NEGATIVE.format("max-uploads"), "max-uploads"),
        ("ListObjects", {"encoding-type": "base64"}, "Invalid Encoding Method specified in Request", "encoding-type"),
        ("ListObjectsV2", {"fetch-owner": "maybe"}, "The value of fetch-owner must be true or false", "fetch-owner"),
        ("GetObject", {"partNumber": "0"}, PART_NUMBER, "partNumber"),
        ("UploadPart", {"partNumber": "10001", "uploadId": "u"}, PART_NUMBER, "partNumber"),
    ],
)
def test_query_values(name, query, message, argument):
    fault = _fault(name, query)
    value = next(iter(query.values()))
    assert (fault.code, fault.message) == ("InvalidArgument", message)
    assert fault.fields == (("ArgumentName", argument), ("ArgumentValue", value))


def test_missing_parts_of_an_address():
    assert _fault("UploadPart", {"uploadId": "u"}).message == PART_NUMBER
    assert _fault("UploadPart", {"partNumber": "1"}).fields[0] == ("ArgumentName", "uploadId")
    fault = _fault("GetObjectAttributes", {"attributes": ""})
    assert (fault.code, fault.message) == ("InvalidRequest", "Missing required header for this request: x-amz-object-attributes")


def test_empty_numbers_are_absent_and_empty_texts_are_texts():
    found = _parse("ListObjectsV2", {"max-keys": "", "prefix": "", "encoding-type": "", "fetch-owner": ""})
    assert (found.max_keys, found.prefix, found.encoding_type, found.fetch_owner) == (None, "", None, None)


def test_dates_of_conditions_are_ignored_when_they_are_none_and_others_refused():
    found = _parse("GetObject", headers={"if-modified-since": "yesterday", "if-unmodified-since": "Tue, 24 Nov 2026 06:55:57 GMT"})
    assert found.if_modified_since is None
    assert found.if_unmodified_since == 1795503357_000000
    found = _parse("CopyObject", headers={"x-amz-copy-source": "b/k", "x-amz-copy-source-if-modified-since": "?"})
    assert (found.copy_source, found.copy_source_if_modified_since) == ("b/k", None)
    assert _fault("PutObject", headers={"x-amz-object-lock-retain-until-date": "soon"}).code == "InvalidArgument"
    found = _parse("PutObject", headers={"x-amz-object-lock-retain-until-date": "2026-11-24T07:55:57.5+01:00"})
    assert found.object_lock_retain_until_date == 1795503357_500000


def test_metadata_and_expires_are_kept_as_they_came():
    found = _parse("PutObject", headers={"x-amz-meta-a": "1", "x-amz-meta-": "", "expires": "never", "x-amz-metaphor": "x"})
    assert found.metadata == {"a": "1", "": ""}
    assert found.expires == "never"
    assert _parse("PutObject").metadata is None


def test_headers_that_a_presigned_address_carries_in_its_query():
    query = {"X-Amz-Tagging": "a=b", "x-amz-meta-c": "d", "x-amz-acl": "private"}
    assert _parse("PutObject", query).tagging is None
    found = _parse("PutObject", query | {"X-Amz-Signature": "s"}, {"x-amz-acl": "public-read"})
    assert (found.tagging, found.metadata, found.acl) == ("a=b", {"c": "d"}, "public-read")


def test_bodies_that_are_missing():
    assert _fault("PutBucketVersioning").code == "MissingRequestBodyError"
    assert _fault("SelectObjectContent").code == "MissingRequestBodyError"
    assert _fault("CompleteMultipartUpload", {"uploadId": "u"}).code == "MalformedXML"
    assert _parse("CreateBucket").create_bucket_configuration is None
    assert _fault("PutBucketPolicy", body=b"\xff").code == "InvalidRequest"
