"""What is deleted or overwritten is freed on the disks after its grace period, and nothing else is."""

import time

import pytest
from dev_server import DevServer

OBJECTS = 24
SIZE = 4 << 20
WAIT_SECONDS = 60.0


@pytest.fixture
def store(tmp_path):
    with DevServer(tmp_path, environment={"DOLMEN_GARBAGE_GRACE_SECONDS": "0.5"}) as made:
        made.client().create_bucket(Bucket="space")
        yield made


def allocated_bytes(store):
    """What the volumes take on the disk: punched holes do not count."""
    return sum(path.stat().st_blocks * 512 for path in (store.data / "disks").rglob("volume-*"))


def used(store):
    disks = store.status()["disks"]
    return sum(disk["used_bytes"] for disk in disks), sum(disk["fragments"] for disk in disks)


def wait_for(what, condition):
    """The figures of disks are those of the last look at the datanodes, a second old at most."""
    deadline = time.monotonic() + WAIT_SECONDS
    while not condition():
        assert time.monotonic() < deadline, f"waited in vain until {what}"
        time.sleep(0.2)


def test_deleted_and_overwritten_objects_give_their_space_back(store):
    s3 = store.client()
    for number in range(OBJECTS):
        s3.put_object(Bucket="space", Key=f"k{number}", Body=bytes([number]) * SIZE)
    wait_for("everything is counted", lambda: used(store)[0] >= OBJECTS * SIZE * 1.5)
    full_allocated = allocated_bytes(store)
    for number in range(OBJECTS // 2):
        s3.delete_object(Bucket="space", Key=f"k{number}")
    for number in range(OBJECTS // 2, OBJECTS):
        s3.put_object(Bucket="space", Key=f"k{number}", Body=b"small")
    left = OBJECTS // 2 * 3  # a small object has one data fragment and two of parity
    wait_for("the garbage is gone", lambda: used(store)[1] == left and not store.status()["garbage_notes"])
    wait_for("holes are punched", lambda: allocated_bytes(store) < full_allocated / 2)  # volumes are written ahead, too
    for number in range(OBJECTS // 2, OBJECTS):
        assert s3.get_object(Bucket="space", Key=f"k{number}")["Body"].read() == b"small"


def test_a_refused_upload_leaves_nothing_behind(store):
    s3 = store.client()
    s3.put_object(Bucket="space", Key="k", Body=b"first")
    for _ in range(3):
        with pytest.raises(s3.exceptions.ClientError):
            s3.put_object(Bucket="space", Key="k", Body=bytes(3 * SIZE), IfNoneMatch="*")
    upload = s3.create_multipart_upload(Bucket="space", Key="m")["UploadId"]
    s3.upload_part(Bucket="space", Key="m", UploadId=upload, PartNumber=1, Body=bytes(2 * SIZE))
    s3.abort_multipart_upload(Bucket="space", Key="m", UploadId=upload)
    wait_for("the garbage is gone", lambda: used(store)[1] == 3 and not store.status()["garbage_notes"])
    assert s3.get_object(Bucket="space", Key="k")["Body"].read() == b"first"
