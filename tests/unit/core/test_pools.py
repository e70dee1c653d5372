"""Storage classes with a scheme of their own: groups are added for it, and nothing else moves."""

import pytest

from dolmen.core.cluster_map import Disk, Pool, decode_map, encode_map
from dolmen.core.errors import ConfigError
from dolmen.core.placement import initial_map, violations, with_pools


def disks_of(count):
    return [Disk(uuid=f"{number:032x}", address="a", location=f"d/{number}", domain=f"d/{number}") for number in range(count)]


def map_of(count=6):
    return initial_map("c" * 32, disks_of(count), 4, 2, stripe_bytes=1 << 21, min_fragment_bytes=1 << 17)


def pool(k, m, *names):
    return Pool(storage_classes=names, k=k, m=m, stripe_bytes=k << 19, min_fragment_bytes=1 << 17)


def test_groups_of_a_new_scheme_are_added():
    before = map_of()
    after = with_pools(before, [pool(2, 2, "STANDARD_IA", "ONEZONE_IA")])
    assert after.epoch == before.epoch + 1
    assert after.groups[: len(before.groups)] == before.groups, "objects lie in them"
    added = after.groups[len(before.groups) :]
    assert {(group.k, group.m) for group in added} == {(2, 2)}
    assert len({group.pg for group in after.groups}) == len(after.groups)
    assert violations(after) == []
    assert after.default_pool().k == 4
    assert decode_map(encode_map(after)) == after


def test_a_scheme_that_is_there_already_needs_no_groups():
    before = map_of()
    after = with_pools(before, [pool(4, 2, "GLACIER")])
    assert after.groups == before.groups
    assert after.pools[0].storage_classes == ("GLACIER",)


def test_the_same_pools_change_nothing():
    after = with_pools(map_of(), [pool(2, 2, "STANDARD_IA")])
    assert with_pools(after, [pool(2, 2, "STANDARD_IA")]) is after


def test_pools_that_are_taken_away_leave_their_groups():
    after = with_pools(map_of(), [pool(2, 2, "STANDARD_IA")])
    without = with_pools(after, [])
    assert without.pools == ()
    assert without.groups == after.groups
    again = with_pools(without, [pool(2, 2, "GLACIER")])
    assert again.groups == after.groups


def test_disks_that_cannot_carry_a_scheme_refuse_it():
    with pytest.raises(ConfigError, match="needs 12 disks"):
        with_pools(map_of(), [pool(8, 4, "DEEP_ARCHIVE")])


@pytest.mark.parametrize(("k", "m"), [(1, 1), (1, 2), (2, 1), (3, 3), (2, 4)])
def test_every_disk_gets_its_share(k, m):
    added = [group for group in with_pools(map_of(), [pool(k, m, "X")]).groups if (group.k, group.m) == (k, m)]
    used = [uuid for group in added for uuid in group.slots]
    counts = {uuid: used.count(uuid) for uuid in used}
    assert len(counts) == 6
    assert max(counts.values()) - min(counts.values()) <= 1
