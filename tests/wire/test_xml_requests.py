"""XML of requests: what S3 takes, and what is refused."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from dolmen.gateway.s3.fault import S3Fault
from dolmen.gateway.s3.operations import OPERATIONS, XML_NAMESPACE
from dolmen.gateway.s3.parse import parse_input


def _parse(name, body, query=None):
    return parse_input(OPERATIONS[name], "b", "k", query or {"uploadId": "u"}, {}, body)


def _tagging(key, head=""):
    return f"{head}<Tagging><TagSet><Tag><Key>{key}</Key><Value>v</Value></Tag></TagSet></Tagging>".encode()


def _tag_key(body):
    return _parse("PutObjectTagging", body).tagging.tag_set[0].key


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b" ",
        b"text",
        b"<Tagging>",
        b"<Tagging/>",  # TagSet is required
        b"<Other><TagSet/></Other>",
        b'<Tagging xmlns="http://example.com/"><TagSet/></Tagging>',
        b"<Tagging><TagSet/></Tagging>trailing",
        b"<Tagging><TagSet/></Tagging><Tagging/>",
        b"<Tagging><TagSet/><TagSet/></Tagging>",
        b"<Tagging><TagSet><Tag><Key>a</Key></Tag></TagSet></Tagging>",
        b"<Tagging><TagSet><Tag><Key>a</Key><Key>b</Key><Value>v</Value></Tag></TagSet></Tagging>",
        b"<Tagging><TagSet><Tag><Key>a<b/>c</Key><Value>v</Value></Tag></TagSet></Tagging>",
        b"<Tagging><TagSet><Tag><Key>\xff</Key><Value>v</Value></Tag></TagSet></Tagging>",
        b"<Tagging><TagSet><Tag><Key>\x01</Key><Value>v</Value></Tag></TagSet></Tagging>",
        b"<Tagging><TagSet><Tag><Key>&#0;</Key><Value>v</Value></Tag></TagSet></Tagging>",
        _tagging("&unknown;"),
        _tagging("&x;", '<!DOCTYPE Tagging [<!ENTITY x "y">]>'),
        _tagging("&x;", '<!DOCTYPE Tagging [<!ENTITY x SYSTEM "file:///etc/hostname">]>'),
        _tagging("k", '<!DOCTYPE Tagging SYSTEM "http://127.0.0.1:9/x.dtd">'),
        _tagging("k", '<?xml version="1.0"?>\n<!-- c --><!DOCTYPE Tagging>'),
        _tagging("&c;", '<!DOCTYPE Tagging [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;"><!ENTITY c "&b;&b;&b;">]>'),
        _tagging("k", '<?xml version="1.0" encoding="ISO-8859-1"?>'),
        _tagging("k", '<?xml version="1.0" encoding="UTF-16"?>'),
        _tagging("k").decode().encode("utf-16"),
        _tagging("k").decode().encode("utf-32"),
        _tagging("k").decode().encode("utf-16-le"),
        b"<a>" * 100_000,
        b"<Tagging>" + b"<a>" * 1000 + b"</a>" * 1000 + b"<TagSet/></Tagging>",
        b"<Tagging>" + b"<a/>" * 300_000 + b"<TagSet/></Tagging>",
        b'<Tagging a="' + b"x" * 9_000_000 + b'"><TagSet/></Tagging>',
    ],
)
def test_refused(body):
    with pytest.raises(S3Fault) as caught:
        _parse("PutObjectTagging", body)
    assert caught.value.code in {"MalformedXML", "MissingRequestBodyError"}
    assert (caught.value.code == "MissingRequestBodyError") == (not body.strip())


def test_taken_with_and_without_namespace_prefix_and_strangers():
    plain = _tagging("k")
    assert _tag_key(plain) == "k"
    assert _tag_key(plain.replace(b"<Tagging>", f'<Tagging xmlns="{XML_NAMESPACE}">'.encode())) == "k"
    prefixed = plain.replace(b"</", b"</s:").replace(b"<", b"<s:").replace(b"<s:/s:", b"</s:")
    assert _tag_key(prefixed.replace(b"<s:Tagging>", f'<s:Tagging xmlns:s="{XML_NAMESPACE}">'.encode())) == "k"
    assert _tag_key(plain.replace(b"<Value>", b"<New>x</New><Value>")) == "k"
    assert _tag_key(b"\xef\xbb\xbf" + plain) == "k"
    assert _tag_key(_tagging("<![CDATA[<a&b>]]>")) == "<a&b>"
    assert _tag_key(_tagging("a<!-- c -->b<?p i?>c")) == "abc"
    assert _tag_key(_tagging("&lt;&#13;&amp;")) == "<\r&"


def test_xinclude_is_an_unknown_element(tmp_path):
    secret = tmp_path / "secret"
    secret.write_text("secret")
    include = f'<x:include xmlns:x="http://www.w3.org/2001/XInclude" href="{secret.as_uri()}" parse="text"/>'
    body = _tagging("k").replace(b"<Value>", include.encode() + b"<Value>")
    tag = _parse("PutObjectTagging", body).tagging.tag_set[0]
    assert (tag.key, tag.value) == ("k", "v")


_PART = "<CompleteMultipartUpload><Part><ETag>e</ETag><PartNumber>{}</PartNumber></Part></CompleteMultipartUpload>"
_GRANT = "<AccessControlPolicy><AccessControlList><Grant>{}</Grant></AccessControlList></AccessControlPolicy>"
_GRANT_WITHOUT_TYPE = _GRANT.format("<Grantee><ID>x</ID></Grantee>")


@pytest.mark.parametrize(
    ("name", "body"),
    [
        ("PutBucketVersioning", "<VersioningConfiguration><Status>enabled</Status></VersioningConfiguration>"),
        ("PutBucketVersioning", "<VersioningConfiguration><MfaDelete>On</MfaDelete></VersioningConfiguration>"),
        ("PutObjectRetention", "<Retention><Mode>abc</Mode></Retention>"),
        ("PutObjectRetention", "<Retention><RetainUntilDate>soon</RetainUntilDate></Retention>"),
        ("PutObjectLegalHold", "<LegalHold><Status>maybe</Status></LegalHold>"),
        ("PutBucketRequestPayment", "<RequestPaymentConfiguration><Payer>Me</Payer></RequestPaymentConfiguration>"),
        ("DeleteObjects", "<Delete/>"),
        ("DeleteObjects", "<Delete><Object/></Delete>"),
        ("DeleteObjects", "<Delete>" + "<Object><Key>a</Key></Object>" * 1001 + "</Delete>"),
        ("DeleteObjects", "<Delete><Quiet>perhaps</Quiet><Object><Key>a</Key></Object></Delete>"),
        ("CompleteMultipartUpload", "<CompleteMultipartUpload/>"),
        ("CompleteMultipartUpload", "<CompleteMultipartUpload><Part><ETag>e</ETag></Part></CompleteMultipartUpload>"),
        ("CompleteMultipartUpload", _PART.format("1.0")),
        ("CompleteMultipartUpload", _PART.format("9" * 30)),
        ("PutObjectAcl", _GRANT_WITHOUT_TYPE),
    ],
)
def test_values_outside_the_schema_are_malformed(name, body):
    with pytest.raises(S3Fault) as caught:
        _parse(name, body.encode())
    assert caught.value.code == "MalformedXML"


def test_a_thousand_keys_and_ten_thousand_parts_are_taken():
    body = "<Delete>" + "<Object><Key>a</Key></Object>" * 1000 + "<Quiet>true</Quiet></Delete>"
    found = _parse("DeleteObjects", body.encode())
    assert (len(found.delete.objects), found.delete.quiet) == (1000, True)
    parts = "".join(f'<Part><ETag>"e"</ETag><PartNumber>{n}</PartNumber></Part>' for n in range(1, 10_001))
    found = _parse("CompleteMultipartUpload", f"<CompleteMultipartUpload>{parts}</CompleteMultipartUpload>".encode())
    assert [part.part_number for part in found.multipart_upload.parts] == list(range(1, 10_001))


def test_an_unknown_location_is_for_the_handler_to_judge():
    body = b"<CreateBucketConfiguration><LocationConstraint>moon-1</LocationConstraint></CreateBucketConfiguration>"
    assert _parse("CreateBucket", body).create_bucket_configuration.location_constraint == "moon-1"


NOT_IN_XML = "".join(map(chr, [*range(32), 0xFFFE, 0xFFFF]))
XML_TEXT = st.text(st.characters(exclude_categories=("Cs",), exclude_characters=NOT_IN_XML) | st.sampled_from("\t\n\r"))


@settings(max_examples=200, deadline=None)
@given(XML_TEXT)
def test_any_text_that_xml_can_hold_comes_through(text):
    root = etree.Element("Tagging")
    tag = etree.SubElement(etree.SubElement(root, "TagSet"), "Tag")
    etree.SubElement(tag, "Key").text = text
    etree.SubElement(tag, "Value").text = ""
    found = _parse("PutObjectTagging", etree.tostring(root, encoding="utf-8")).tagging.tag_set[0]
    assert (found.key, found.value) == (text, "")


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=200) | st.binary(max_size=40).map(lambda raw: b"<Tagging><TagSet>" + raw + b"</TagSet></Tagging>"))
def test_bytes_are_parsed_or_refused(body):
    code = "MalformedXML"
    try:
        _parse("PutObjectTagging", body)
    except S3Fault as fault:
        code = fault.code
    assert code in {"MalformedXML", "MissingRequestBodyError"}
