"""RenameObject: where the source is, and what the conditions on both sides say."""

import pytest

from dolmen.gateway.s3.fault import S3Fault
from dolmen.gateway.s3.model.inputs_generated import RenameObjectInput
from dolmen.gateway.s3.rename import check_names, check_token, parse_rename_source, source_side, target_side

SECOND = 1_000_000
MTIME = 1_795_503_357_654_321


@pytest.mark.parametrize(
    ("value", "key"),
    [
        ("key", b"key"),
        ("/key", b"key"),
        ("a/b%20c", b"a/b c"),
        ("/bucket/a/b", b"a/b"),
        ("bucket/a/b", b"bucket/a/b"),
        ("%2Fbucket%2Fk", b"k"),
        ("a+b", b"a+b"),
        ("%C3%A4", "ä".encode()),
        ("//x", b"/x"),
        ("/bucketx/k", b"bucketx/k"),
    ],
)
def test_sources(value, key):
    assert parse_rename_source(value, "bucket") == key


@pytest.mark.parametrize("value", ["", "/", "/bucket/", "%FF", "k" * 1025])
def test_no_sources(value):
    with pytest.raises(S3Fault) as caught:
        parse_rename_source(value, "bucket")
    assert (caught.value.code, caught.value.fields[0]) == ("InvalidArgument", ("ArgumentName", "x-amz-rename-source"))


@pytest.mark.parametrize(("source", "target"), [(b"a/", b"b"), (b"a", b"b/"), (b"/", b"/")])
def test_directories(source, target):
    with pytest.raises(S3Fault) as caught:
        check_names(source, target)
    assert caught.value.code == "InvalidRequest"
    check_names(source.rstrip(b"/") or b"a", target.rstrip(b"/") or b"b")


@pytest.mark.parametrize("token", ["", "a b", "x" * 65, "ä", "a\n"])
def test_tokens(token):
    check_token("!~" * 32)
    with pytest.raises(S3Fault) as caught:
        check_token(token)
    assert caught.value.fields[0] == ("ArgumentName", "x-amz-client-token")


def told(side, etag, mtime_us=MTIME):
    try:
        side.check(etag, mtime_us)
    except S3Fault as fault:
        return fault.fields[0][1] if (fault.status, fault.code) == (412, "PreconditionFailed") else fault.code
    return None


@pytest.mark.parametrize(
    ("given", "there", "absent"),
    [
        ({}, None, None),
        ({"if_match": '"e"'}, None, "If-Match"),
        ({"if_match": "e"}, None, "If-Match"),
        ({"if_match": "*"}, None, "If-Match"),
        ({"if_match": '"x"'}, "If-Match", "If-Match"),
        ({"if_none_match": "*"}, "If-None-Match", None),
        ({"if_none_match": '"e"'}, "If-None-Match", None),
        ({"if_none_match": '"x"'}, None, None),
        ({"if_modified_since": MTIME - SECOND}, None, "If-Modified-Since"),
        ({"if_modified_since": MTIME}, "If-Modified-Since", "If-Modified-Since"),
        ({"if_unmodified_since": MTIME}, None, None),
        ({"if_unmodified_since": MTIME - SECOND}, "If-Unmodified-Since", None),
        ({"if_match": '"e"', "if_unmodified_since": MTIME - SECOND}, "If-Unmodified-Since", "If-Match"),
    ],
)
def test_conditions(given, there, absent):
    target = target_side(RenameObjectInput(**{f"destination_{name}": value for name, value in given.items()}))
    source = source_side(RenameObjectInput(**{f"source_{name}": value for name, value in given.items()}))
    assert (told(target, "e"), told(target, None)) == (there, absent)
    expected = f"x-amz-rename-source-{there.lower()}" if there is not None else None
    assert told(source, "e") == expected
    assert target.has_times == any("since" in name for name in given)
