"""The list walk against an obvious model: nothing lost, nothing twice, whatever the keys, delimiter and page size."""

from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dolmen.gateway.metadata.delimiter import after_key, list_page, successor
from dolmen.gateway.metadata.tokens import InvalidToken, decode_token, encode_token


class Row(NamedTuple):
    key: bytes


def row_position(row):
    return after_key(row.key)


def scan_of(keys, reads):
    ordered = sorted(keys)

    async def scan(start, end, limit):
        found = [Row(key) for key in ordered if key >= start.key and (end is None or key < end)]
        reads.append(min(limit, len(found)))
        return found[:limit]

    return scan


def model(keys, prefix, delimiter):
    """Every entry of the whole list in order: (text, is a common prefix)."""
    entries = []
    for key in sorted(keys):
        if not key.startswith(prefix):
            continue
        found = key.find(delimiter, len(prefix)) if delimiter else -1
        entry = (key, False) if found < 0 else (key[: found + len(delimiter)], True)
        if entry not in entries:
            entries.append(entry)
    return sorted(entries)


def entries_of(page):
    return sorted([(row.key, False) for row in page.rows] + [(prefix, True) for prefix in page.common_prefixes])


LETTERS = st.sampled_from([b"a", b"b", b"/", b"//", b"\xff", b"\x00", b"+"])
KEYS = st.sets(st.lists(LETTERS, min_size=1, max_size=5).map(b"".join), max_size=25)
PREFIXES = st.lists(LETTERS, max_size=2).map(b"".join)
DELIMITERS = st.sampled_from([b"", b"/", b"//", b"a", b"\xff"])


@given(KEYS, PREFIXES, DELIMITERS, st.integers(1, 7))
async def test_pages_of_any_size_make_the_whole_list(keys, prefix, delimiter, max_items):
    scan, told, marker = scan_of(keys, []), [], None
    for _ in range(100):
        page = await list_page(
            scan, prefix=prefix, delimiter=delimiter, marker=marker, max_items=max_items, position_after=row_position
        )
        entries = entries_of(page)
        assert len(entries) <= max_items
        told += entries
        if page.next is None:
            break
        assert len(entries) == max_items, "a truncated page is full"
        marker = page.next
    assert told == model(keys, prefix, delimiter)


@given(KEYS, DELIMITERS, st.lists(LETTERS, max_size=4).map(b"".join))
async def test_a_marker_skips_what_is_not_above_it(keys, delimiter, marker):
    page = await list_page(
        scan_of(keys, []),
        prefix=b"",
        delimiter=delimiter,
        marker=after_key(marker),
        max_items=1000,
        position_after=row_position,
    )
    assert entries_of(page) == [
        entry for entry in model(keys, b"", delimiter) if entry[0] > marker and not (entry[1] and marker.startswith(entry[0]))
    ]


async def test_a_common_prefix_costs_a_seek_and_not_its_size():
    keys = [b"d%02d/%05d" % (folder, number) for folder in range(20) for number in range(500)]
    reads = []
    page = await list_page(
        scan_of(keys, reads), prefix=b"", delimiter=b"/", marker=None, max_items=1000, position_after=row_position
    )
    assert len(page.common_prefixes) == 20
    assert sum(reads) <= 20 * 10, "a few rows for each prefix"


@given(st.binary(min_size=1, max_size=6), st.binary(max_size=6))
def test_the_successor_is_above_every_key_of_the_prefix(prefix, rest):
    above = successor(prefix)
    assert (above is None) == (set(prefix) == {0xFF})
    if above is not None:
        assert prefix + rest < above


@given(st.binary(max_size=1100), st.sampled_from(["objects", "buckets"]))
def test_tokens_come_back_and_belong_to_their_list(position, kind):
    token = encode_token(kind, position)
    assert decode_token(kind, token) == position
    with pytest.raises(InvalidToken):
        decode_token("others", token)


@pytest.mark.parametrize("token", ["", "x", "AAAA", "é", "a" * 5000, "////"])
def test_what_is_no_token_is_refused(token):
    with pytest.raises(InvalidToken):
        decode_token("objects", token)


@given(st.binary(max_size=40), st.data())
def test_a_damaged_token_is_refused(position, data):
    token = encode_token("objects", position)
    at = data.draw(st.integers(0, len(token) - 1))
    other = data.draw(st.sampled_from([c for c in "ABCDabcd0123-_" if c != token[at]]))
    with pytest.raises(InvalidToken):
        decode_token("objects", token[:at] + other + token[at + 1 :])
