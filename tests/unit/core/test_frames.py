"""Frames out of a byte stream, however it is cut."""

import os
import random

import pytest

from dolmen.core import frames, wire
from dolmen.core.frames import FrameReader
from dolmen.core.wire import BadFrame, MessageKind

SIZES = [0, 1, 100, 4096, frames.COPY_BYTES_MAX, frames.COPY_BYTES_MAX + 1, 65536, 200_000, 1 << 20]


def reader_of(got, **limits):
    limits = {"header_bytes_max": wire.HEADER_BYTES_MAX, "payload_bytes_max": wire.PAYLOAD_BYTES_MAX, **limits}
    return FrameReader(
        lambda kind, request, epoch, header, payload: got.append((kind, request, epoch, bytes(header), payload)), **limits
    )


def pour(reader, raw, step):
    at = 0
    while at < len(raw):
        room = reader.buffer()
        assert len(room) > 0
        count = min(len(room), step(), len(raw) - at)
        room[:count] = raw[at : at + count]
        at += count
        reader.received(count)


def frame(number, payload, message="x"):
    return wire.encode(MessageKind.ERROR, number, 7, wire.Error(number, message), len(payload)) + payload


@pytest.mark.parametrize("steps", [(1 << 20, 1 << 20), (1, 40), (500, 5000), (60_000, 70_000)])
def test_every_cut_gives_the_same_frames(steps):
    rng = random.Random(repr(steps))
    sizes = [rng.choice(SIZES if steps[0] > 1 else SIZES[:5]) for _ in range(30)]
    payloads = [os.urandom(size) for size in sizes]
    messages = ["y" * rng.choice([1, 300, 70_000]) for _ in sizes]
    raw = b"".join(frame(number, payload, messages[number]) for number, payload in enumerate(payloads))
    got = []
    pour(reader_of(got), raw, lambda: rng.randint(*steps))
    assert [entry[:3] for entry in got] == [(MessageKind.ERROR, number, 7) for number in range(len(sizes))]
    assert [bytes(entry[4]) for entry in got] == payloads, "payloads stay as they were delivered"


def test_nothing_is_delivered_while_held():
    got = []
    reader = reader_of(got)
    raw = b"".join(frame(number, bytes([number]) * 100) for number in range(20))

    class Stop(Exception):
        pass

    def hold_after_five(*entry):
        got.append(entry)
        if len(got) == 5:
            reader.hold()

    reader._on_frame = hold_after_five
    room = reader.buffer()
    room[: len(raw)] = raw
    reader.received(len(raw))
    assert len(got) == 5
    reader.resume()
    assert [entry[1] for entry in got] == list(range(20))


def test_a_flipped_byte_of_prefix_or_header_is_noticed():
    raw = frame(1, b"")
    for at in range(len(raw)):
        spoiled = bytearray(raw)
        spoiled[at] ^= 0x20
        got = []
        try:
            pour(reader_of(got, header_bytes_max=4096, payload_bytes_max=4096), bytes(spoiled), lambda: 1 << 20)
        except BadFrame:
            continue
        assert got == [], "a length that grew: more is waited for, nothing is delivered"


@pytest.mark.parametrize(("header", "payload"), [(100, 0), (0, 100)])
def test_limits_hold_before_anything_is_reserved(header, payload):
    got = []
    reader = reader_of(got, header_bytes_max=60, payload_bytes_max=50)
    with pytest.raises(BadFrame, match="over the limit"):
        pour(reader, frame(1, bytes(payload), "m" * header), lambda: 1 << 20)
    assert got == []


def test_large_payloads_are_not_copied():
    got = []
    payload = os.urandom(300_000)
    pour(reader_of(got), frame(1, payload), lambda: 1 << 20)
    delivered = got[0][4]
    assert isinstance(delivered, memoryview)
    assert not delivered.readonly
    assert delivered == payload
