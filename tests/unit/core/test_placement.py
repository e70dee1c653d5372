"""Placement keeps its promises for any set of disks."""

from collections import Counter

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dolmen.core.cluster_map import Disk, decode_map, encode_map
from dolmen.core.errors import ConfigError
from dolmen.core.placement import grow, initial_map, replace_disk, violations, with_addresses

SCHEMES = [(4, 2), (8, 4), (1, 2), (2, 1)]


def disk_of(number, weight=1.0, domain=None):
    name = f"{number:032x}"
    return Disk(uuid=name, address="unix:x", location=f"disks/{number}", domain=domain or name, weight=weight)


def map_of(count, k, m, weights=None):
    disks = [disk_of(n, (weights or [1.0] * count)[n]) for n in range(count)]
    return initial_map("c" * 32, disks, k, m, stripe_bytes=k << 18, min_fragment_bytes=1 << 17)


@given(st.sampled_from(SCHEMES), st.integers(0, 12))
@settings(max_examples=40, deadline=None)
def test_a_first_map_is_sound_and_even(scheme, extra):
    k, m = scheme
    cluster_map = map_of(k + m + extra, k, m)
    assert violations(cluster_map) == []
    used = Counter(uuid for group in cluster_map.groups for uuid in group.slots)
    assert max(used.values()) - min(used.values()) <= 1
    assert decode_map(encode_map(cluster_map)) == cluster_map


def test_every_disk_is_first_equally_often():
    first = Counter(group.slots[0] for group in map_of(6, 4, 2).groups)
    assert len(first) == 6
    assert max(first.values()) - min(first.values()) <= 1


@given(st.lists(st.sampled_from([1.0, 2.0, 3.0]), min_size=12, max_size=20))
@settings(max_examples=30, deadline=None)
def test_heavier_disks_hold_their_share(weights):
    cluster_map = map_of(len(weights), 4, 2, weights)
    used = Counter(uuid for group in cluster_map.groups for uuid in group.slots)
    total = sum(used.values())
    for disk in cluster_map.disks:
        fair = min(total * disk.weight / sum(weights), len(cluster_map.groups))
        assert abs(used[disk.uuid] - fair) <= max(2, 0.2 * fair)


@given(st.sampled_from(SCHEMES), st.integers(0, 8), st.integers(1, 8))
@settings(max_examples=40, deadline=None)
def test_growth_moves_only_the_ideal_share_and_survivors_stay(scheme, extra, added):
    k, m = scheme
    before = map_of(k + m + extra, k, m)
    after = grow(before, [disk_of(100 + n) for n in range(added)])
    assert violations(after) == []
    assert after.epoch == before.epoch + 1
    seats = sum(len(group.slots) for group in before.groups)
    moved = sum(
        old != new
        for a, b in zip(before.groups, after.groups, strict=True)
        for old, new in zip(a.slots, b.slots, strict=True)
    )
    ideal = seats * added / (k + m + extra + added)
    assert moved <= 1.05 * ideal
    assert moved >= 0.5 * ideal - added


def test_a_replacement_takes_exactly_the_slots_of_the_old_disk():
    before = map_of(7, 4, 2)
    old, new = before.disks[3].uuid, disk_of(99)
    after = replace_disk(before, old, new)
    assert violations(after) == []
    for a, b in zip(before.groups, after.groups, strict=True):
        assert tuple(new.uuid if uuid == old else uuid for uuid in a.slots) == b.slots
    with pytest.raises(ValueError, match="already"):
        replace_disk(after, before.disks[0].uuid, new)


def test_only_changed_addresses_make_an_epoch():
    before = map_of(6, 4, 2)
    assert with_addresses(before, before.disks) is before
    moved = msgspec.structs.replace(before.disks[0], address="unix:y")
    after = with_addresses(before, [moved])
    assert (after.epoch, after.disks[0].address, after.groups) == (2, "unix:y", before.groups)


def test_domains_that_could_lose_too_much_are_refused():
    two = [disk_of(n, domain=f"rack-{n % 2}") for n in range(12)]
    with pytest.raises(ConfigError, match="failure domain"):
        initial_map("c" * 32, two, 4, 2, stripe_bytes=1, min_fragment_bytes=1)
    three = [disk_of(n, domain=f"rack-{n % 3}") for n in range(12)]
    cluster_map = initial_map("c" * 32, three, 4, 2, stripe_bytes=1, min_fragment_bytes=1)
    assert violations(cluster_map) == []
    with pytest.raises(ConfigError, match="needs 6 disks"):
        map_of(5, 4, 2)


def test_planted_faults_are_found():
    sound = map_of(6, 4, 2)
    slots = sound.groups[0].slots
    for bad, word in (
        ((slots[1], *slots[1:]), "two slots"),
        (slots[1:], "slots instead of"),
        (("f" * 32, *slots[1:]), "without a known disk"),
    ):
        group = msgspec.structs.replace(sound.groups[0], slots=bad)
        broken = msgspec.structs.replace(sound, groups=(group, *sound.groups[1:]))
        assert any(word in line for line in violations(broken))
    crowded = tuple(msgspec.structs.replace(disk, domain="one") for disk in sound.disks[:3])
    assert violations(msgspec.structs.replace(sound, disks=(*crowded, *sound.disks[3:])))
