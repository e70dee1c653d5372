"""Dates against the standard library."""

import email.utils
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dolmen.gateway.s3.dates import http_date, iso_date, iso_second, parse_http_date

SECOND_US = 1_000_000
TIMES = st.integers(0, 4_102_444_800 * SECOND_US)  # 1970 to 2100
KNOWN_US = 784_111_777 * SECOND_US  # the example of RFC 9110


@given(time_us=TIMES)
def test_written_as_the_standards_say(time_us):
    moment = datetime.fromtimestamp(time_us // SECOND_US, UTC)
    assert http_date(time_us) == email.utils.format_datetime(moment, usegmt=True)
    assert iso_date(time_us) == moment.strftime("%Y-%m-%dT%H:%M:%S.000Z")
    assert iso_second(time_us) == moment.strftime("%Y-%m-%dT%H:%M:%SZ")
    assert parse_http_date(http_date(time_us)) == time_us // SECOND_US * SECOND_US
    assert parse_http_date(moment.strftime("%a %b %e %H:%M:%S %Y")) == time_us // SECOND_US * SECOND_US


@pytest.mark.parametrize(
    "text",
    [
        "Sun, 06 Nov 1994 08:49:37 GMT",
        "Sunday, 06-Nov-94 08:49:37 GMT",
        "Sun Nov  6 08:49:37 1994",
        "Sun, 6 Nov 1994 08:49:37 GMT",
        "Sun, 06 Nov 1994 08:49:37 UTC",
        "Sun, 06 Nov 1994 08:49:37 -0000",
        "Sun, 06 Nov 1994 08:49:37 +0000",
        "06 Nov 1994 08:49:37 GMT",
        " Sun, 06 Nov 1994 08:49:37 GMT ",
    ],
)
def test_forms_that_are_read(text):
    assert parse_http_date(text) == KNOWN_US


@pytest.mark.parametrize(
    "text",
    [
        "", "now", "Sun, 06 Nov 1994",
        "Sun, 31 Feb 1994 08:49:37 GMT", "Sun, 00 Nov 1994 08:49:37 GMT",
        "Sun, 06 Nov 1994 24:49:37 GMT",
        "Sun, 06 Nov 1994 08:60:37 GMT", "Sun, 06 Nov 1994 08:49:61 GMT", "Sun, 06 Nix 1994 08:49:37 GMT",
        "Sun, 06 Nov 0000 08:49:37 GMT",
        "Sun, 06 Nov 1994 08:49:37 CET", "Sun, 06 Nov 1994 08:49:37 +0100", "1994-11-06T08:49:37Z", "784111777",
        "Sun, ٠٦ Nov 1994 08:49:37 GMT",
    ],
)  # fmt: skip
def test_forms_that_are_none(text):
    assert parse_http_date(text) is None
