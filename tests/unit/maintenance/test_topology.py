"""Which map comes next."""

import msgspec
import pytest

from dolmen.core.cluster_map import decode_map, encode_map
from dolmen.core.errors import ConfigError
from dolmen.core.placement import violations
from dolmen.core.wire import DiskStatus
from dolmen.gateway.maintenance.topology import (
    Geometry,
    NotYet,
    Sighting,
    decode_published,
    first_map,
    next_map,
    without_incomplete,
)

GEOMETRY = Geometry(k=4, m=2, stripe_bytes=1 << 20, min_fragment_bytes=1 << 17)


def seen(number, uuid=None, state="ready", address=None):
    uuid = f"{number:032x}" if uuid is None else uuid
    return Sighting(address or f"unix:n{number % 2}", "n", DiskStatus(uuid=uuid, location=f"disks/{number}", state=state))


def everything():
    return [seen(number) for number in range(6)]


@pytest.fixture
def current():
    return first_map("c" * 32, everything(), [], GEOMETRY)


def test_the_first_map_has_every_disk_as_its_own_domain(current):
    assert (current.epoch, current.incomplete, len(current.disks)) == (1, (), 6)
    assert violations(current) == []
    assert {disk.domain for disk in current.disks} == {f"disks/{number}" for number in range(6)}


def test_the_first_map_waits_for_every_datanode_and_disk():
    with pytest.raises(NotYet, match="unix:n1 does not answer"):
        first_map("c" * 32, everything(), ["unix:n1"], GEOMETRY)
    with pytest.raises(NotYet, match="disks/5 cannot be used: failed"):
        first_map("c" * 32, [*everything()[:5], seen(5, "", "failed")], [], GEOMETRY)
    with pytest.raises(ConfigError, match="needs 6 disks"):
        first_map("c" * 32, everything()[:5], [], GEOMETRY)


def test_other_readers_understand_the_published_map(current):
    listed = msgspec.structs.replace(current, incomplete=("a",))
    assert decode_map(encode_map(listed)).groups == current.groups
    assert decode_published(encode_map(listed)) == listed


def test_nothing_new_is_no_new_map(current):
    assert next_map(current, everything()) is current


def test_silence_changes_nothing(current):
    assert next_map(current, everything()[:3]) is current
    assert next_map(current, []) is current


def test_a_missing_disk_is_listed_once_and_keeps_its_slots(current):
    gone = next_map(current, [*everything()[:5], seen(5, "", "missing")])
    assert (gone.epoch, gone.incomplete, gone.groups) == (2, (f"{5:032x}",), current.groups)
    assert next_map(gone, [*everything()[:5], seen(5, "", "missing")]) is gone
    assert next_map(gone, everything()) is gone, "it is back, and still to be compared"
    done = without_incomplete(gone, f"{5:032x}")
    assert (done.epoch, done.incomplete) == (3, ())
    assert without_incomplete(done, f"{5:032x}") is done


def test_a_new_disk_in_its_place_takes_its_slots_and_its_place_on_the_list(current):
    gone = next_map(current, [*everything()[:5], seen(5, "", "missing")])
    replaced = next_map(gone, [*everything()[:5], seen(5, "f" * 32)])
    assert (replaced.epoch, replaced.incomplete) == (3, ("f" * 32,))
    swap = {f"{5:032x}": "f" * 32}
    for old, new in zip(current.groups, replaced.groups, strict=True):
        assert new.slots == tuple(swap.get(uuid, uuid) for uuid in old.slots)
    back = next_map(replaced, everything())
    assert (back.groups, back.incomplete) == (current.groups, (f"{5:032x}",)), "the old disk returned after all"


def test_several_disks_at_once_are_one_epoch(current):
    replaced = next_map(current, [*everything()[:3], seen(3, "d" * 32), seen(4, "e" * 32), seen(5, "", "failed")])
    assert replaced.epoch == 2
    assert set(replaced.incomplete) == {"d" * 32, "e" * 32, f"{5:032x}"}


def test_addresses_follow(current):
    moved = next_map(current, [*everything()[:5], seen(5, address="unix:n9")])
    assert (moved.epoch, moved.incomplete) == (2, ())
    assert {disk.location: disk.address for disk in moved.disks}["disks/5"] == "unix:n9"


def test_disks_that_changed_places_keep_their_slots(current):
    swapped = next_map(current, [*everything()[:4], seen(4, f"{5:032x}"), seen(5, f"{4:032x}")])
    assert (swapped.groups, swapped.incomplete) == (current.groups, ())
    assert {disk.uuid: disk.location for disk in swapped.disks}[f"{4:032x}"] == "disks/5"


def test_a_copied_directory_does_not_move_its_disk(current):
    copy = [*everything()[:5], seen(5, f"{0:032x}")]
    assert next_map(current, copy).incomplete == (f"{5:032x}",)
    assert {disk.uuid: disk.location for disk in next_map(current, copy[::-1]).disks}[f"{0:032x}"] == "disks/0"


def test_an_extra_disk_waits(current):
    assert next_map(current, [*everything(), seen(6)]) is current
