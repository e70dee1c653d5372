"""Ranges against Python's slices."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dolmen.gateway.s3.fault import S3Fault
from dolmen.gateway.s3.ranges import content_range, copy_range, part_span, resolve_range

SIZES = st.integers(0, 12)
OFFSETS = st.integers(0, 15)


@given(size=SIZES, first=OFFSETS, last=OFFSETS)
def test_first_to_last(size, first, last):
    data = bytes(range(size))
    if last < first:
        assert resolve_range(f"bytes={first}-{last}", size) is None
    elif first >= size:
        with pytest.raises(S3Fault, match="InvalidRange"):
            resolve_range(f"bytes={first}-{last}", size)
    else:
        start, end = resolve_range(f"bytes={first}-{last}", size)
        assert data[start:end] == data[first : last + 1]
        assert content_range(start, end, size) == f"bytes {first}-{min(last, size - 1)}/{size}"


@given(size=SIZES, first=OFFSETS)
def test_from_first(size, first):
    if first >= size:
        with pytest.raises(S3Fault, match="InvalidRange"):
            resolve_range(f"bytes={first}-", size)
    else:
        assert resolve_range(f"bytes={first}-", size) == (first, size)


@given(size=SIZES, last=OFFSETS)
def test_the_last_bytes(size, last):
    data = bytes(range(size))
    if last == 0 or size == 0:
        with pytest.raises(S3Fault, match="InvalidRange"):
            resolve_range(f"bytes=-{last}", size)
    else:
        start, end = resolve_range(f"bytes=-{last}", size)
        assert data[start:end] == data[-last:]


@pytest.mark.parametrize(
    "text",
    [
        "", "bytes", "bytes=", "bytes=-", "bytes=a-b", "bytes=1", "bytes=0-1,3-4", "bytes=0-0,-1", "bytes= 0-1", "bytes=0 -1",
        "bytes=+0-1", "bytes=0--1", "bytes=5-3", "items=0-1", "bytes=1_0-", "bytes=²-", "bytes:0-1", "bytes=" + "9" * 19 + "-",
    ],
)  # fmt: skip
def test_what_is_no_single_range_is_ignored(text):
    assert resolve_range(text, 10) is None


def test_spellings():
    assert resolve_range(" bytes=0-1 ", 10) == (0, 2)
    assert resolve_range("Bytes=0-1", 10) == (0, 2)
    assert resolve_range("bytes=0-" + "9" * 18, 10) == (0, 10)
    assert resolve_range("bytes=00000-00001", 10) == (0, 2)


def test_unsatisfiable_tells_the_size():
    with pytest.raises(S3Fault) as caught:
        resolve_range("bytes=10-20", 10)
    assert (caught.value.code, caught.value.status) == ("InvalidRange", 416)
    assert caught.value.fields == (("RangeRequested", "bytes=10-20"), ("ActualObjectSize", "10"))
    assert caught.value.headers == (("content-range", "bytes */10"),)


@given(size=SIZES, first=OFFSETS, last=OFFSETS)
def test_copy_range(size, first, last):
    if first <= last < size:
        assert copy_range(f"bytes={first}-{last}", size) == (first, last + 1)
        return
    with pytest.raises(S3Fault) as caught:
        copy_range(f"bytes={first}-{last}", size)
    assert (caught.value.code, caught.value.status) == ("InvalidArgument", 400)
    assert caught.value.fields == (("ArgumentName", "x-amz-copy-source-range"), ("ArgumentValue", f"bytes={first}-{last}"))
    if first <= last:
        assert caught.value.message == f"Range specified is not valid for source object of size: {size}"


@pytest.mark.parametrize("text", ["", "bytes=1-", "bytes=-1", "bytes=0-1,2-3", "0-1", "bytes=a-b", "Bytes=0-1", "bytes=3-2"])
def test_copy_range_has_one_form(text):
    with pytest.raises(S3Fault) as caught:
        copy_range(text, 10)
    assert caught.value.message.startswith("The x-amz-copy-source-range value must be of the form bytes=first-last where first")


@given(sizes=st.lists(st.integers(0, 9), min_size=1, max_size=6), number=st.integers(-1, 8))
def test_part_span(sizes, number):
    if not 1 <= number <= len(sizes):
        with pytest.raises(S3Fault) as caught:
            part_span(number, sizes)
        assert (caught.value.code, caught.value.status) == ("InvalidPartNumber", 416)
        return
    whole = [index for index, size in enumerate(sizes, 1) for _ in range(size)]
    start, end = part_span(number, sizes)
    assert whole[start:end] == [number] * sizes[number - 1]
