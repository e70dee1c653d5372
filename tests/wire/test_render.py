"""Answers to the byte, where clients other than botocore look, and faults as botocore reads them."""

import re

import botocore.parsers
import pytest
from botocore.awsrequest import HeadersDict
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from dolmen.gateway.s3.fault import S3Fault
from dolmen.gateway.s3.model import outputs_generated as outputs
from dolmen.gateway.s3.operations import OPERATIONS
from dolmen.gateway.s3.render import render, render_fault

HEAD = '<?xml version="1.0" encoding="UTF-8"?>\n'
XMLNS = 'xmlns="http://s3.amazonaws.com/doc/2006-03-01/"'
TIME_US = 1795503357_000000


def _body(name, output):
    return render(OPERATIONS[name], output).body.decode()


def test_a_list_to_the_byte():
    owner = outputs.Owner(id="i", display_name="d")
    one = outputs.Object(key="a&b", last_modified=TIME_US, e_tag='"e"', size=0, storage_class="STANDARD", owner=owner)
    listed = outputs.ListObjectsV2Output(
        name="b", prefix="", delimiter="/", max_keys=1000, key_count=2, is_truncated=False, contents=[one],
        common_prefixes=[outputs.CommonPrefix(prefix="c/")],
    )
    assert _body("ListObjectsV2", listed) == (
        f"{HEAD}<ListBucketResult {XMLNS}><Name>b</Name><Prefix></Prefix><KeyCount>2</KeyCount><MaxKeys>1000</MaxKeys>"
        "<Delimiter>/</Delimiter><IsTruncated>false</IsTruncated><Contents><Key>a&amp;b</Key>"
        "<LastModified>2026-11-24T06:55:57.000Z</LastModified><ETag>&quot;e&quot;</ETag><Size>0</Size>"
        "<StorageClass>STANDARD</StorageClass><Owner><ID>i</ID><DisplayName>d</DisplayName></Owner></Contents>"
        "<CommonPrefixes><Prefix>c/</Prefix></CommonPrefixes></ListBucketResult>"
    )


@pytest.mark.parametrize("name", ["ListObjects", "ListObjectsV2", "ListObjectVersions"])
def test_the_name_comes_before_the_keys(name):
    row = outputs.ObjectVersion(key="k") if name == "ListObjectVersions" else outputs.Object(key="k")
    rows = {"versions": [row]} if name == "ListObjectVersions" else {"contents": [row]}
    body = _body(name, OPERATIONS[name].output(name="b", is_truncated=True, **rows))
    assert body.index("<Name>") < body.index("<IsTruncated>") < body.index("<Key>")


def test_versions_and_delete_markers_are_interleaved_as_given():
    rows = [outputs.DeleteMarkerEntry(key="a", version_id="3"), outputs.ObjectVersion(key="a", version_id="2"),
            outputs.DeleteMarkerEntry(key="b", version_id="1")]
    body = _body("ListObjectVersions", outputs.ListObjectVersionsOutput(name="b", entries=rows))
    assert re.findall(r"<(Version|DeleteMarker)>", body) == ["DeleteMarker", "Version", "DeleteMarker"]
    assert re.findall(r"<VersionId>(\d)", body) == ["3", "2", "1"]


def test_empty_and_absent():
    assert _body("GetBucketVersioning", outputs.GetBucketVersioningOutput()) == (
        f"{HEAD}<VersioningConfiguration {XMLNS}></VersioningConfiguration>"
    )
    assert _body("GetObjectTagging", outputs.GetObjectTaggingOutput(tag_set=[])) == (
        f"{HEAD}<Tagging {XMLNS}><TagSet></TagSet></Tagging>"
    )
    assert render(OPERATIONS["PutObject"], outputs.PutObjectOutput()).body == b""
    assert render(OPERATIONS["CopyObject"], outputs.CopyObjectOutput()).body == b""


def test_the_location_is_text_in_its_root():
    assert _body("GetBucketLocation", outputs.GetBucketLocationOutput(location_constraint="eu-west-1")) == (
        f"{HEAD}<LocationConstraint {XMLNS}>eu-west-1</LocationConstraint>"
    )
    nowhere = _body("GetBucketLocation", outputs.GetBucketLocationOutput())
    assert nowhere == f"{HEAD}<LocationConstraint {XMLNS}></LocationConstraint>"


def test_a_policy_is_json_as_it_was_stored():
    response = render(OPERATIONS["GetBucketPolicy"], outputs.GetBucketPolicyOutput(policy='{"a": "<&>"}'))
    assert (response.headers, response.body) == ([(b"content-type", b"application/json")], b'{"a": "<&>"}')


def test_a_grantee_has_its_type_as_attribute():
    grant = outputs.Grant(grantee=outputs.Grantee(type="Group", uri="http://x/?a&b"), permission="READ")
    assert (
        '<Grant><Grantee xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:type="Group"><URI>http://x/?a&amp;b</URI></Grantee>'
        "<Permission>READ</Permission></Grant>"
    ) in _body("GetBucketAcl", outputs.GetBucketAclOutput(grants=[grant]))


def test_the_form_answer():
    response = outputs.PostResponse(location="l", bucket="b", key="k", e_tag='"e"')
    found = render(OPERATIONS["PostObject"], outputs.PostObjectOutput(e_tag='"e"', response=response), 201)
    assert found.status == 201
    assert b"<PostResponse " in found.body
    assert render(OPERATIONS["PostObject"], outputs.PostObjectOutput(e_tag='"e"')).status == 204


def test_headers():
    output = outputs.HeadObjectOutput(
        last_modified=TIME_US, content_length=5, delete_marker=False, e_tag='"e"', expires="never",
        object_lock_retain_until_date=TIME_US, metadata={"Name": "ä"},
    )
    assert sorted(render(OPERATIONS["HeadObject"], output).headers) == [
        (b"content-length", b"5"), (b"etag", b'"e"'), (b"expires", b"never"), (b"last-modified", b"Tue, 24 Nov 2026 06:55:57 GMT"),
        (b"x-amz-delete-marker", b"false"), (b"x-amz-meta-name", "ä".encode()),
        (b"x-amz-object-lock-retain-until-date", b"2026-11-24T06:55:57.000Z"),
    ]


def test_no_value_can_forge_a_header():
    output = outputs.GetObjectOutput(content_disposition="a\r\nset-cookie: x\x00", metadata={"a\r\nb": "c\nd"})
    for name, value in render(OPERATIONS["GetObject"], output).headers:
        assert not re.search(rb"[\r\n\x00]", name + value)


def test_characters_that_xml_cannot_hold_are_references():
    body = _body("ListObjects", outputs.ListObjectsOutput(contents=[outputs.Object(key="\x01\x1f\r\t\n\x7f\ufffe")]))
    assert "<Key>&#x1;&#x1f;&#13;\t\n\x7f&#xfffe;</Key>" in body


@settings(max_examples=200, deadline=None)
@given(st.text(st.characters(exclude_categories=("Cs", "Cc"), exclude_characters="\ufffe\uffff") | st.sampled_from("\t\n\r")))
def test_any_text_that_xml_can_hold_is_read_as_it_was(text):
    root = etree.fromstring(render(OPERATIONS["ListObjects"], outputs.ListObjectsOutput(prefix=text)).body)
    assert (root[0].text or "") == text


def test_faults_are_read_by_botocore():
    fault = S3Fault("NoSuchKey", fields=(("Key", "a<b&\r"),), headers=(("x-amz-delete-marker", "true"),))
    response = render_fault(fault, resource="/b/a<b", request_id="R", host_id="H")
    assert (response.status, response.headers) == (404, [(b"content-type", b"application/xml"), (b"x-amz-delete-marker", b"true")])
    assert b"xmlns" not in response.body
    ids = HeadersDict([("x-amz-request-id", "R"), ("x-amz-id-2", "H")])  # sent with every answer, equal to those in the body
    raw = {"status_code": 404, "headers": ids, "body": response.body}
    found = botocore.parsers.create_parser("rest-xml").parse(raw, None)
    assert found["Error"] == {
        "Code": "NoSuchKey", "Message": "The specified key does not exist.", "Key": "a<b&\r", "Resource": "/b/a<b",
    }
    assert (found["ResponseMetadata"]["RequestId"], found["ResponseMetadata"]["HostId"]) == ("R", "H")
    assert [child.tag for child in etree.fromstring(response.body)] == ["Code", "Message", "Key", "Resource", "RequestId", "HostId"]


@pytest.mark.parametrize("code", ["ServiceUnavailable", "SlowDown", "InternalError", "NoSuchKey"])
def test_only_what_is_refused_for_a_moment_says_so(code):
    """RFC 9110, section 10.2.3."""
    answer = render_fault(S3Fault(code), resource="/b", request_id="R", host_id="H")
    assert ((b"retry-after", b"1") in answer.headers) is (answer.status == 503)


def test_not_modified_has_no_body():
    response = render_fault(S3Fault("NotModified", headers=(("etag", '"e"'),)), resource="/b", request_id="R", host_id="H")
    assert (response.status, response.headers, response.body) == (304, [(b"etag", b'"e"')], b"")
