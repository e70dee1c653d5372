"""Tags: counts, lengths, characters, what is reserved."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dolmen.gateway.s3.fault import S3Fault
from dolmen.gateway.s3.tagging import check_bucket_tags, check_object_tags

BOTH = [check_bucket_tags, check_object_tags]


@pytest.mark.parametrize("check", BOTH)
@pytest.mark.parametrize(
    "pairs",
    [
        [],
        [("a", "")],
        [("b", "1"), ("a", "2")],
        [("ключ", "значение"), ("鍵", "値"), ("ä", "½ ²")],
        [(" a", "b ")],
        [("_.:/=+-@", "_.:/=+-@")],
        [("k" * 128, "v" * 256)],
        [("awsx", "1"), ("xaws:", "2")],
    ],
)
def test_taken(check, pairs):
    assert list(check(pairs).items()) == pairs


@pytest.mark.parametrize("check", BOTH)
@pytest.mark.parametrize(
    ("pair", "message"),
    [
        (("", "v"), "The TagKey you have provided is invalid"),
        (("k" * 129, "v"), "The TagKey you have provided is invalid"),
        (("a\n", "v"), "The TagKey you have provided is invalid"),
        (("a\u0301", "v"), "The TagKey you have provided is invalid"),  # a combining mark is neither letter nor number
        (("a&b", "v"), "The TagKey you have provided is invalid"),
        (("a", "v" * 257), "The TagValue you have provided is invalid"),
        (("a", "\x00"), "The TagValue you have provided is invalid"),
        (("a", "😀"), "The TagValue you have provided is invalid"),
        (("aws:", "v"), None),
        (("AwS:a", "v"), None),
    ],
)
def test_refused(check, pair, message):
    with pytest.raises(S3Fault) as caught:
        check([("ok", "1"), pair])
    assert (caught.value.status, caught.value.code) == (400, "InvalidTag")
    assert caught.value.fields[0] == ("TagKey", pair[0])
    assert message is None or caught.value.message == message


@pytest.mark.parametrize(
    ("check", "limit", "message"),
    [
        (check_bucket_tags, 50, "Bucket tag count cannot be greater than 50"),
        (check_object_tags, 10, "Object tags cannot be greater than 10"),
    ],
)
def test_counts(check, limit, message):
    pairs = [(f"{number}", "") for number in range(limit + 1)]
    assert len(check(pairs[:limit])) == limit
    with pytest.raises(S3Fault) as caught:
        check(pairs)
    assert (caught.value.code, caught.value.message) == ("BadRequest", message)


@given(st.lists(st.tuples(st.text(max_size=4), st.text(max_size=4)), max_size=4))
def test_all_or_nothing(pairs):
    try:
        found = list(check_object_tags(pairs).items())
    except S3Fault as fault:
        found = fault.code
    assert found in (pairs, "InvalidTag")
