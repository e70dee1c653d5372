"""What a disk knows after a start: from sidecars, from volumes without one, after damage, after deletes."""

import os
from pathlib import Path

import pytest

from dolmen.core.checksums import block_crcs
from dolmen.core.clock import SystemClock
from dolmen.core.fragment import FragmentMeta
from dolmen.core.ids import StripeIds
from dolmen.core.wire import ErrorCode
from dolmen.datanode import disk as disk_module
from dolmen.datanode.disk import Disk, Refused
from dolmen.datanode.disk_io import OsDiskIo

CLUSTER = "c" * 32
IDS = StripeIds(SystemClock())


@pytest.fixture(autouse=True)
def _own_directory(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


class CountingIo(OsDiskIo):
    """Counts what was read of volumes: a header at a time is a scan."""

    reads = 0

    def pread(self, fd, length, offset):
        CountingIo.reads += 1
        return super().pread(fd, length, offset)


def open_disk(**options):
    CountingIo.reads = 0
    return Disk.open("d0", CLUSTER, reserve=0, seam=CountingIo, **{"volume_bytes": 64 * 1024, **options})


def put(disk, data, stripe_id=None, slot=0):
    meta = FragmentMeta(
        stripe_id=stripe_id or IDS.new_run(), pg=1, slot=slot, k=4, m=2, narrow_k=1, stripe_length=len(data),
        stripe_ordinal=0, stripe_digest=0, bucket_id=bytes(16), key_hash=bytes(16), key=b"k",
    )  # fmt: skip
    disk.commit([(meta, block_crcs(data), data)], [])
    return meta.stripe_id


def crash(disk):
    """What kill -9 leaves: nothing is written any more."""
    disk.lose("crash")
    disk.close()


def do_chores(disk):
    while disk.has_chores:
        disk.chore(3)


def metric(counter):
    return counter._value.get()


def stored(disk, expected):
    for stripe_id, data in expected.items():
        if data is None:
            with pytest.raises(Refused) as refused:
                disk.read(stripe_id, 0, 0, -1)
            assert refused.value.code is ErrorCode.NOT_HERE
        else:
            assert bytes(disk.read(stripe_id, 0, 0, -1)[1]) == data
    alive = sorted(stripe_id for stripe_id, data in expected.items() if data is not None)
    assert [entry[0] for entry in disk.inventory(1, b"", 1000).fragments] == alive


def fill(disk, count=40):
    return {put(disk, data): data for data in (os.urandom(4096) for _ in range(count))}


@pytest.mark.parametrize("clean", [True, False])
def test_a_start_reads_sidecars_and_scans_only_what_has_none(clean):
    disk = open_disk()
    expected = fill(disk)
    do_chores(disk)
    volumes = len(list(Path("d0").glob("volume-??????????")))
    assert volumes > 3
    assert len(list(Path("d0").glob("*.index"))) == volumes - 1, "all but the open one"
    disk.close() if clean else crash(disk)
    disk = open_disk()
    tail = 0 if clean else 24  # a full scan would read each of the 40 headers and the space written ahead of each volume
    assert CountingIo.reads <= 3 + 2 * volumes + tail, "superblock and sidecar of each volume, and the headers of the tail"
    stored(disk, expected)
    disk.close()


@pytest.mark.parametrize("harm", ["remove", "flip", "truncate", "other", "stale"])
def test_a_sidecar_that_cannot_be_used_is_made_again(harm):
    disk = open_disk()
    expected = fill(disk)
    gone = list(expected)[3]
    disk.commit([], [(gone, 0)])
    expected[gone] = None
    disk.close()
    sidecars = sorted(Path("d0").glob("*.index"))
    clean = sidecars[0].read_bytes()
    if harm == "remove":
        sidecars[0].unlink()
    elif harm == "flip":
        sidecars[0].write_bytes(clean[:60] + bytes([clean[60] ^ 1]) + clean[61:])
    elif harm == "truncate":
        sidecars[0].write_bytes(clean[:-1])
    elif harm == "other":
        sidecars[0].write_bytes(sidecars[1].read_bytes())
    else:
        with (Path("d0") / "volume-0000000001").open("ab") as file:
            file.write(bytes(4096))
    Path("d0/volume-0000000001.index.new").write_bytes(b"half")
    Path("d0/volume-0000000099.index").write_bytes(clean)
    disk = open_disk()
    stored(disk, expected)
    do_chores(disk)
    disk.close()
    volumes = {path.name for path in Path("d0").glob("volume-??????????")}
    assert {path.name for path in Path("d0").glob("*.index")} == {f"{name}.index" for name in volumes}
    assert not Path("d0/volume-0000000099.index").exists()
    assert not list(Path("d0").glob("*.new"))
    stored(disk := open_disk(), expected)
    disk.close()


@pytest.mark.parametrize("clean", [True, False])
def test_dead_volumes_are_unlinked_and_nothing_comes_back(clean):
    disk = open_disk()
    expected = fill(disk)
    first = [stripe_id for stripe_id in expected if disk.here([(stripe_id, 0)])][:15]
    disk.commit([], [(stripe_id, 0) for stripe_id in first])
    expected.update(dict.fromkeys(first))
    assert metric(disk_module.ROTTEN) == (rotten := metric(disk_module.ROTTEN))
    do_chores(disk)
    names = {path.name for path in Path("d0").glob("volume-??????????")}
    assert "volume-0000000001" not in names
    assert not Path("d0/volume-0000000001.index").exists()
    stored(disk, expected)
    for _ in range(3):
        disk.close() if clean else crash(disk)
        disk = open_disk()
        stored(disk, expected)
    assert metric(disk_module.ROTTEN) == rotten, "holes and torn tails are no rot"
    disk.close()


def test_a_volume_stays_while_its_records_keep_an_older_fragment_dead():
    disk = open_disk()
    old = put(disk, b"a" * 4096)
    kept = put(disk, b"keep" * 1024)
    fill(disk, 10)
    moved = put(disk, b"b" * 4096, old)  # the same fragment again, in a later volume
    assert moved == old
    disk.commit([], [(old, 0)])
    fill(disk, 20)
    others = [entry[0] for entry in disk.inventory(1, b"", 1000).fragments if entry[0] != kept]
    disk.commit([], [(stripe_id, 0) for stripe_id in others])
    do_chores(disk)
    crash(disk)
    for _ in range(2):
        disk = open_disk()
        stored(disk, {old: None, kept: b"keep" * 1024})
        disk.close()


def spoil(offset, length, fill_with):
    volume = min(Path("d0").glob("volume-??????????"))
    with volume.open("r+b") as file:
        file.seek(offset)
        file.write(fill_with * length)


@pytest.mark.parametrize("fill_with", [b"\xff", b"\0"])
def test_rot_below_a_durable_mark_is_counted_and_hides_nothing(fill_with):
    disk = open_disk(volume_bytes=1 << 20)
    expected = fill(disk, 6)
    crash(disk)
    victim = list(expected)[2]
    spoil(4096 + 2 * 8192, 8192, fill_with)
    rotten, torn = metric(disk_module.ROTTEN), metric(disk_module.TORN)
    disk = open_disk()
    assert (metric(disk_module.ROTTEN), metric(disk_module.TORN)) == (rotten + 1, torn)
    stored(disk, {**expected, victim: None})
    for stripe_id in expected:
        if stripe_id != victim:
            disk.commit([], [(stripe_id, 0)])
    do_chores(disk)
    assert Path("d0/volume-0000000001").exists(), "a volume with rot in it is never unlinked"
    disk.close()


@pytest.mark.parametrize(("at", "length"), [(0, 8192), (0, 100), (4096, 4096), (8000, 100)])
def test_a_torn_tail_is_no_rot(at, length):
    disk = open_disk(volume_bytes=1 << 20)
    expected = fill(disk, 6)
    crash(disk)
    victim = list(expected)[-1]
    spoil(4096 + 5 * 8192 + at, length, b"\xff")
    rotten, torn = metric(disk_module.ROTTEN), metric(disk_module.TORN)
    disk = open_disk()
    assert metric(disk_module.ROTTEN) == rotten
    assert metric(disk_module.TORN) > torn
    stored(disk, {**expected, victim: None})
    disk.close()


def test_holes_are_punched_and_a_crash_before_that_is_made_good():
    disk = open_disk(volume_bytes=1 << 30)
    data = os.urandom(256 * 1024)
    stripes = [put(disk, data) for _ in range(8)]
    disk.commit([], [(stripe_id, 0) for stripe_id in stripes[:7]])
    assert disk.status().trash_bytes == 7 * (len(data) + 4096)
    crash(disk)
    before = os.stat("d0/volume-0000000001").st_blocks * 512
    disk = open_disk(volume_bytes=1 << 30)
    do_chores(disk)
    assert disk.status().trash_bytes == 0
    assert os.stat("d0/volume-0000000001").st_blocks * 512 <= before - 7 * len(data)
    assert bytes(disk.read(stripes[7], 0, 0, -1)[1]) == data
    disk.close()
