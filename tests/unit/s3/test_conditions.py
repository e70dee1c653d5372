"""Conditions of reads and copies, in the order of RFC 9110 section 13.2.2."""

import itertools

import pytest

from dolmen.gateway.s3.conditions import CopyConditions, ReadConditions, check_copy_source, check_read, parse_etags
from dolmen.gateway.s3.dates import http_date
from dolmen.gateway.s3.fault import S3Fault

ETAG = "5d41402abc4b2a76b9719d911017c592-3"
MTIME_US = 1_795_503_357_654_321  # Tue, 24 Nov 2026 06:55:57 GMT and a fraction
SECOND_US = 1_000_000
BEFORE, SAME, AFTER = (http_date(MTIME_US + delta * SECOND_US) for delta in (-1, 0, 1))
YES, NO = f'"{ETAG}"', '"other"'


def read(**headers):
    """None, or (status, Condition) of the fault."""
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    try:
        check_read(ReadConditions.of(given), ETAG, MTIME_US)
    except S3Fault as fault:
        return fault.status, dict(fault.fields).get("Condition")
    return None


def copy(**headers):
    given = {"x-amz-copy-source-" + name.replace("_", "-"): value for name, value in headers.items()}
    try:
        check_copy_source(CopyConditions.of(given), ETAG, MTIME_US)
    except S3Fault as fault:
        return fault.status, dict(fault.fields).get("Condition")
    return None


@pytest.mark.parametrize(
    ("text", "etags"),
    [
        ("", ()),
        (" , ", ()),
        ("*", ("*",)),
        ('"a"', ("a",)),
        ("a", ("a",)),
        ('W/"a"', ("a",)),
        ('"a", W/"b",c ,"*"', ("a", "b", "c", "*")),
        ('"a b,c"', ("a b,c",)),
        ('""', ("",)),
        ('"unclosed', ("unclosed",)),
    ],
)
def test_parse_etags(text, etags):
    assert parse_etags(text) == etags


@pytest.mark.parametrize(
    ("headers", "answer"),
    [
        ({}, None),
        ({"if_match": YES}, None),
        ({"if_match": ETAG}, None),
        ({"if_match": f"W/{YES}"}, None),
        ({"if_match": f"{NO}, {YES}"}, None),
        ({"if_match": "*"}, None),
        ({"if_match": NO}, (412, "If-Match")),
        ({"if_none_match": NO}, None),
        ({"if_none_match": YES}, (304, None)),
        ({"if_none_match": f"{NO},W/{YES}"}, (304, None)),
        ({"if_none_match": "*"}, (304, None)),
        ({"if_modified_since": BEFORE}, None),
        ({"if_modified_since": SAME}, (304, None)),
        ({"if_modified_since": AFTER}, (304, None)),
        ({"if_unmodified_since": BEFORE}, (412, "If-Unmodified-Since")),
        ({"if_unmodified_since": SAME}, None),
        ({"if_unmodified_since": AFTER}, None),
        ({"if_modified_since": "yesterday", "if_unmodified_since": "yesterday"}, None),
        ({"if_match": "", "if_none_match": ""}, None),
        # pairs
        ({"if_match": YES, "if_unmodified_since": BEFORE}, None),
        ({"if_match": NO, "if_unmodified_since": AFTER}, (412, "If-Match")),
        ({"if_none_match": NO, "if_modified_since": AFTER}, None),
        ({"if_none_match": YES, "if_modified_since": BEFORE}, (304, None)),
        ({"if_match": NO, "if_none_match": YES}, (412, "If-Match")),
        ({"if_match": YES, "if_none_match": YES}, (304, None)),
        ({"if_unmodified_since": BEFORE, "if_none_match": YES}, (412, "If-Unmodified-Since")),
        ({"if_unmodified_since": BEFORE, "if_modified_since": AFTER}, (412, "If-Unmodified-Since")),
        ({"if_match": YES, "if_modified_since": SAME}, (304, None)),
    ],
)
def test_reads_and_copies(headers, answer):
    assert read(**headers) == answer
    if answer is None:
        assert copy(**headers) is None
    else:
        status, name = copy(**headers)
        assert status == 412  # a copy has no 304
        if answer[0] == 412:
            assert name == f"x-amz-copy-source-{answer[1]}"
        else:
            assert name in ("x-amz-copy-source-If-None-Match", "x-amz-copy-source-If-Modified-Since")


def _by_the_book(match, none_match, modified, unmodified):
    """RFC 9110 section 13.2.2, steps 1 to 4, for a GET; 0 means: perform it."""
    if match is not None:
        if not match:
            return 412
    elif unmodified is False:
        return 412
    if none_match is not None:
        if not none_match:
            return 304
    elif modified is False:
        return 304
    return 0


def test_all_combinations():
    truth = (None, True, False)
    for match, none_match, modified, unmodified in itertools.product(truth, repeat=4):
        headers = {}
        if match is not None:
            headers["if_match"] = YES if match else NO
        if none_match is not None:
            headers["if_none_match"] = NO if none_match else YES
        if modified is not None:
            headers["if_modified_since"] = BEFORE if modified else SAME
        if unmodified is not None:
            headers["if_unmodified_since"] = SAME if unmodified else BEFORE
        expected = _by_the_book(match, none_match, modified, unmodified)
        assert (read(**headers) or (0,))[0] == expected, headers
        assert (copy(**headers) or (0,))[0] == (412 if expected else 0), headers


def test_not_modified_describes_the_object():
    with pytest.raises(S3Fault) as caught:
        check_read(ReadConditions.of({"if-none-match": YES}), ETAG, MTIME_US)
    assert caught.value.code == "NotModified"
    assert caught.value.headers == (("etag", YES), ("last-modified", SAME))


def test_conditions_of_a_copy_are_not_those_of_the_request():
    assert copy() is None
    check_copy_source(CopyConditions.of({"if-match": NO}), ETAG, MTIME_US)
    check_read(ReadConditions.of({"x-amz-copy-source-if-match": NO}), ETAG, MTIME_US)
