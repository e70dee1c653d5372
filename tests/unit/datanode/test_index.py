"""The packed index against a plain dictionary, and sidecars against damage."""

import os
import struct

from hypothesis import given, settings
from hypothesis import strategies as st

from dolmen.datanode import sidecar
from dolmen.datanode.index import ENTRY_BYTES, FragmentIndex, Place, key_of, pack
from dolmen.datanode.sidecar import VolumeContents

fragments = st.tuples(st.integers(0, 40), st.integers(0, 2))
steps = st.lists(st.tuples(st.sampled_from(["add", "remove"]), fragments, st.integers(1, 3)), max_size=120)


def stripe(number):
    return (number * 0x0123_4567_89AB).to_bytes(16, "big")


def place_of(step, pg):
    return Place(volume=1 + step // 30, offset=4096 * (1 + step), header_length=4096, payload_length=step, pg=pg)


def check(index, model):
    assert len(index) == len(model)
    for number in range(41):
        for slot in range(3):
            assert index.get(key_of(stripe(number), slot)) == model.get((stripe(number), slot))
    for pg in range(1, 4):
        wanted = sorted((key, slot, place.payload_length) for (key, slot), place in model.items() if place.pg == pg)
        assert index.inventory(pg, b"", 1000) == (wanted, True)
        after = stripe(20)
        rest = [entry for entry in wanted if entry[0] > after]
        assert index.inventory(pg, after, 2) == (rest[:2], len(rest) <= 2)


@settings(max_examples=60, deadline=None)
@given(before=steps, after=steps)
def test_the_index_is_a_dictionary_with_ordered_groups(before, after):
    index, model = FragmentIndex(), {}

    def run(script, begin):
        for step, (what, (number, slot), pg) in enumerate(script, begin):
            key = (stripe(number), slot)
            if what == "add":
                place = place_of(step, pg)
                assert index.add(pack(*key, place)) == model.get(key)
                model[key] = place
            else:
                assert index.remove(key_of(*key)) == model.pop(key, None)

    run(before, 0)
    index.settle()
    check(index, model)
    run(after, len(before))
    check(index, model)


@settings(max_examples=30, deadline=None)
@given(first=steps, second=steps)
def test_entering_sidecars_in_bulk_is_entering_one_by_one(first, second):
    index, model = FragmentIndex(), {}
    for volume, script in enumerate((first, second)):
        contents = VolumeContents()
        last = {}
        for step, (what, (number, slot), pg) in enumerate(script, 1000 * volume):
            key = (stripe(number), slot)
            if what == "add":
                last[key] = place_of(step, pg)
                contents.put(pack(*key, last[key]))
            else:
                last[key] = None
                contents.trash(key_of(*key))
        raw = sidecar.encode(contents.sidecar(b"v" * 16, 4096))
        found = sidecar.decode(raw)
        for key in found.each_trash():
            assert index.remove(key) == model.pop((key[:16], key[17]), None)
        superseded = index.add_all(found.entries)
        assert sorted(superseded) == sorted(model[key] for key, place in last.items() if place is not None and key in model)
        model.update({key: place for key, place in last.items() if place is not None})
    index.settle()
    check(index, model)


def test_a_damaged_sidecar_is_never_believed():
    contents = VolumeContents()
    contents.sequence = 77
    contents.suspect = True
    for number in range(20):
        contents.put(pack(stripe(number), 0, place_of(number, 1)))
    contents.trash(key_of(stripe(3), 0))
    contents.trash(key_of(stripe(99), 1))
    whole = contents.sidecar(os.urandom(16), 1 << 20)
    assert (len(whole.entries), len(whole.trash)) == (19 * ENTRY_BYTES, 2 * 18)
    raw = sidecar.encode(whole)
    assert sidecar.decode(raw) == whole
    for at in range(len(raw)):
        assert sidecar.decode(raw[:at]) is None
        spoiled = bytearray(raw)
        spoiled[at] ^= 0x10
        assert sidecar.decode(bytes(spoiled)) is None
    assert sidecar.decode(raw + b"\0") is None


def test_memory_for_each_fragment_is_small():
    count = 60_000
    index = FragmentIndex()
    index.add_all(b"".join(pack(struct.pack(">QQ", number, number), 0, place_of(number, number % 8)) for number in range(count)))
    index.settle()
    used = len(index._entries) + sum(4 * len(table) for table in index._tables)
    used += sum(4 * len(numbers) for numbers in index._groups.values())
    assert used / count <= 64
