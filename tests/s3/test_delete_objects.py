"""DeleteObjects: up to a thousand keys or versions, each on its own."""

import pytest

XMLNS = 'xmlns="http://s3.amazonaws.com/doc/2006-03-01/"'


def keys_left(s3, bucket):
    return [entry["Key"] for entry in s3.list_objects_v2(Bucket=bucket).get("Contents", [])]


def document(keys, extra=""):
    objects = "".join(f"<Object><Key>{key}</Key></Object>" for key in keys)
    return f"<Delete {XMLNS}>{extra}{objects}</Delete>".encode()


def test_some_and_some_that_are_not_there(s3, bucket):
    for key in ("a", "b", "c"):
        s3.put_object(Bucket=bucket, Key=key, Body=b"x")
    answer = s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": key} for key in ("c", "a", "none")]})
    assert answer["Deleted"] == [{"Key": "c"}, {"Key": "a"}, {"Key": "none"}]
    assert "Errors" not in answer
    assert keys_left(s3, bucket) == ["b"]


def test_quiet(s3, bucket):
    s3.put_object(Bucket=bucket, Key="a", Body=b"x")
    answer = s3.delete_objects(Bucket=bucket, Delete={"Quiet": True, "Objects": [{"Key": "a"}, {"Key": "k" * 1025}]})
    assert "Deleted" not in answer
    assert [error["Code"] for error in answer["Errors"]] == ["KeyTooLongError"]
    assert keys_left(s3, bucket) == []


def test_a_thousand(s3, raw, bucket):
    for number in range(5):
        s3.put_object(Bucket=bucket, Key=f"{number}", Body=b"x")
    objects = [{"Key": f"{number}"} for number in range(1000)]
    answer = s3.delete_objects(Bucket=bucket, Delete={"Objects": objects})
    assert [entry["Key"] for entry in answer["Deleted"]] == [entry["Key"] for entry in objects]
    assert keys_left(s3, bucket) == []


def test_a_thousand_and_one(s3, bucket, refused):
    s3.put_object(Bucket=bucket, Key="0", Body=b"x")
    objects = [{"Key": f"{number}"} for number in range(1001)]
    refused("MalformedXML", 400, s3.delete_objects, Bucket=bucket, Delete={"Objects": objects})
    assert keys_left(s3, bucket) == ["0"]


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "MissingRequestBodyError"),
        (b"<Delete>", "MalformedXML"),
        (b"<Delete/>", "MalformedXML"),
        (b"not xml", "MalformedXML"),
        (b"<Remove><Object><Key>k</Key></Object></Remove>", "MalformedXML"),
        (b"<Delete><Object></Object></Delete>", "MalformedXML"),
        (b"<Delete><Object><Key>k</Key><Key>l</Key></Object></Delete>", "MalformedXML"),
        (b"<Delete><Quiet>perhaps</Quiet><Object><Key>k</Key></Object></Delete>", "MalformedXML"),
        (b'<!DOCTYPE Delete><Delete><Object><Key>k</Key></Object></Delete>', "MalformedXML"),
        (
            b'<!DOCTYPE Delete [<!ENTITY k SYSTEM "file:///etc/passwd">]><Delete><Object><Key>&k;</Key></Object></Delete>',
            "MalformedXML",
        ),
        (
            (
                b'<!DOCTYPE d [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;">]>'
                b"<Delete><Object><Key>&b;</Key></Object></Delete>"
            ),
            "MalformedXML",
        ),
        (b"<Delete><Object><Key>\xff</Key></Object></Delete>", "MalformedXML"),
        ('<?xml version="1.0" encoding="UTF-16"?><Delete/>'.encode("utf-16"), "MalformedXML"),
        (b"<Delete>" * 2000 + b"</Delete>" * 2000, "MalformedXML"),
    ],
    ids=lambda value: ascii(value[:30]),
)
def test_bad_documents(s3, raw, bucket, body, code):
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    assert raw.request("POST", f"/{bucket}", "delete", body=body).told == (400, code)
    assert keys_left(s3, bucket) == ["k"]


def test_a_document_too_large(raw, bucket):
    answer = raw.request("POST", f"/{bucket}", "delete", body=b" " * (9 << 20))
    assert answer.told == (400, "MaxMessageLengthExceeded")


def test_the_namespace_may_be_missing(s3, raw, bucket):
    for body in (document(["k"]), document(["k"]).replace(XMLNS.encode(), b"")):
        s3.put_object(Bucket=bucket, Key="k", Body=b"x")
        answer = raw.request("POST", f"/{bucket}", "delete", body=body)
        assert answer.status == 200
        assert answer.body.startswith(b'<?xml version="1.0" encoding="UTF-8"?>\n<DeleteResult xmlns=')
        assert keys_left(s3, bucket) == []


def test_keys_are_unescaped(s3, raw, bucket):
    for key in ("<&>", "a\tb", "ä\r"):
        s3.put_object(Bucket=bucket, Key=key, Body=b"x")
    body = document(["&lt;&amp;&gt;", "a\tb", "&#xe4;&#13;"])
    answer = raw.request("POST", f"/{bucket}", "delete", body=body)
    assert [element.findtext("Key") for element in answer.xml] == ["<&>", "a\tb", "ä\r"]
    assert keys_left(s3, bucket) == []


def test_in_a_versioned_bucket(s3, versioned):
    version = s3.put_object(Bucket=versioned, Key="a", Body=b"x")["VersionId"]
    answer = s3.delete_objects(Bucket=versioned, Delete={"Objects": [{"Key": "a"}, {"Key": "none"}]})
    for entry, key in zip(answer["Deleted"], ("a", "none"), strict=True):
        assert (entry["Key"], entry["DeleteMarker"]) == (key, True)
        assert entry["DeleteMarkerVersionId"]
        assert "VersionId" not in entry
    marker = answer["Deleted"][0]["DeleteMarkerVersionId"]
    objects = [{"Key": "a", "VersionId": marker}, {"Key": "a", "VersionId": version}]
    answer = s3.delete_objects(Bucket=versioned, Delete={"Objects": objects})
    assert answer["Deleted"] == [
        {"Key": "a", "VersionId": marker, "DeleteMarker": True, "DeleteMarkerVersionId": marker},
        {"Key": "a", "VersionId": version},
    ]
    rows = s3.list_object_versions(Bucket=versioned)
    assert [row["Key"] for row in rows["DeleteMarkers"]] == ["none"]
    assert "Versions" not in rows


def test_the_same_key_twice(s3, bucket):
    s3.put_object(Bucket=bucket, Key="a", Body=b"x")
    answer = s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": "a"}, {"Key": "a"}]})
    assert answer["Deleted"] == [{"Key": "a"}, {"Key": "a"}]


def test_some_are_refused(s3, bucket):
    etag = s3.put_object(Bucket=bucket, Key="a", Body=b"x")["ETag"]
    s3.put_object(Bucket=bucket, Key="b", Body=b"y")
    objects = [{"Key": "b", "ETag": etag}, {"Key": "a", "ETag": etag}, {"Key": "k" * 2000}]
    answer = s3.delete_objects(Bucket=bucket, Delete={"Objects": objects})
    assert answer["Deleted"] == [{"Key": "a"}]
    assert [(error["Key"][:1], error["Code"]) for error in answer["Errors"]] == [
        ("b", "PreconditionFailed"),
        ("k", "KeyTooLongError"),
    ]
    assert all(error["Message"] for error in answer["Errors"])
    assert keys_left(s3, bucket) == ["b"]


def test_a_version_id_that_is_none(s3, versioned):
    version = s3.put_object(Bucket=versioned, Key="a", Body=b"x")["VersionId"]
    objects = [{"Key": "a", "VersionId": "nonsense"}, {"Key": "a", "VersionId": version}]
    answer = s3.delete_objects(Bucket=versioned, Delete={"Objects": objects})
    assert [(error["Key"], error["VersionId"], error["Code"]) for error in answer["Errors"]] == [
        ("a", "nonsense", "NoSuchVersion")
    ]
    assert [entry["VersionId"] for entry in answer["Deleted"]] == [version]
