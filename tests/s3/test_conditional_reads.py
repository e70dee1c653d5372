"""If-Match, If-None-Match, If-Modified-Since, If-Unmodified-Since on GetObject and HeadObject. RFC 9110 section 13.2.2."""

import datetime
import hashlib
from email.utils import format_datetime, parsedate_to_datetime

import pytest

BODY = b"conditional"
ETAG = f'"{hashlib.md5(BODY).hexdigest()}"'
OTHER = '"00000000000000000000000000000000"'
HOUR = datetime.timedelta(hours=1)


@pytest.fixture(scope="module")
def place(s3, new_name):
    """(bucket, last-modified)."""
    name = new_name()
    s3.create_bucket(Bucket=name)
    s3.put_object(Bucket=name, Key="k", Body=BODY)
    return name, s3.head_object(Bucket=name, Key="k")["LastModified"]


def at(moment):
    return format_datetime(moment.astimezone(datetime.UTC), usegmt=True)


CASES = [
    ({"If-Match": ETAG}, 200),
    ({"If-Match": ETAG.strip('"')}, 200),
    ({"If-Match": "*"}, 200),
    ({"If-Match": f"{OTHER}, {ETAG}"}, 200),
    ({"If-Match": OTHER}, 412),
    ({"If-None-Match": OTHER}, 200),
    ({"If-None-Match": ETAG}, 304),
    ({"If-None-Match": f"W/{ETAG}"}, 304),
    ({"If-None-Match": "*"}, 304),
    ({"If-None-Match": f"{OTHER}, {ETAG}"}, 304),
    ({"If-Modified-Since": -HOUR}, 200),
    ({"If-Modified-Since": 0 * HOUR}, 304),
    ({"If-Modified-Since": HOUR}, 304),
    ({"If-Unmodified-Since": HOUR}, 200),
    ({"If-Unmodified-Since": 0 * HOUR}, 200),
    ({"If-Unmodified-Since": -HOUR}, 412),
    ({"If-Modified-Since": "yesterday"}, 200),
    ({"If-Unmodified-Since": "yesterday"}, 200),
    # ETags go before times.
    ({"If-Match": ETAG, "If-Unmodified-Since": -HOUR}, 200),
    ({"If-Match": OTHER, "If-Unmodified-Since": HOUR}, 412),
    ({"If-None-Match": OTHER, "If-Modified-Since": HOUR}, 200),
    ({"If-None-Match": ETAG, "If-Modified-Since": -HOUR}, 304),
    # A failed If-Match goes before If-None-Match.
    ({"If-Match": OTHER, "If-None-Match": ETAG}, 412),
    ({"If-Match": ETAG, "If-None-Match": ETAG}, 304),
    ({"If-Match": ETAG, "If-None-Match": OTHER}, 200),
    ({"If-Match": ETAG, "Range": "bytes=0-1"}, 206),
    ({"If-Match": OTHER, "Range": "bytes=1000-"}, 412),
    ({"If-None-Match": ETAG, "Range": "bytes=1000-"}, 304),
]


@pytest.mark.parametrize(("conditions", "status"), CASES, ids=str)
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_conditions(raw, place, method, conditions, status):
    name, modified = place
    headers = {
        key: at(modified + value) if isinstance(value, datetime.timedelta) else value for key, value in conditions.items()
    }
    answer = raw.request(method, f"/{name}/k", headers=headers)
    assert answer.status == status
    if status == 304:
        assert answer.body == b""
        assert answer.headers["etag"] == ETAG
        assert parsedate_to_datetime(answer.headers["last-modified"]) == modified
    elif status == 412 and method == "GET":
        assert answer.code == "PreconditionFailed"
        assert answer.error["Condition"] in conditions
    elif status == 412:
        assert answer.body == b""
    elif method == "GET":
        assert answer.body == (BODY if status == 200 else BODY[:2])


def test_conditions_on_nothing(raw, place):
    name, _ = place
    for headers in ({"If-Match": ETAG}, {"If-None-Match": "*"}, {"If-Match": "*"}):
        assert raw.request("GET", f"/{name}/none", headers=headers).told == (404, "NoSuchKey")


def test_the_connection_goes_on_after_304(raw, place):
    name, _ = place
    with raw.connect() as wire:
        for headers, status in (({"If-None-Match": ETAG}, 304), ({}, 200), ({"If-None-Match": ETAG}, 304), ({}, 200)):
            sent, _ = raw.headers_for("GET", f"/{name}/k", headers=headers)
            wire.head("GET", f"/{name}/k", sent)
            assert wire.answer().status == status


def test_an_etag_that_looks_like_many(s3, place):
    """The ETag that a PUT answers is the one that a condition takes, as boto3 hands it on."""
    name, _ = place
    etag = s3.put_object(Bucket=name, Key="other", Body=b"other")["ETag"]
    assert s3.get_object(Bucket=name, Key="other", IfMatch=etag)["ETag"] == etag
