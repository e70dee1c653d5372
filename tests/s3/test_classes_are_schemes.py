"""Storage classes are erasure schemes: objects are written into them and moved between them, sealed ones as they are.

A store of its own with 4+2, and 2+2 for GLACIER_IR; its lifecycle days are a second long.
"""

import hashlib
import os
import time

import pytest
from dev_server import DevServer
from encryption_kinds import KINDS, shown
from inside_store import garbage, records

PATIENCE_SECONDS = 40.0  # a loaded machine; a quiet one needs two or three days of the lifecycle
BUCKET = "classes"
WIDE, NARROW = (4, 2), (2, 2)
MOVED = "GLACIER_IR"
PART = 5 << 20
AWAY = (1, 4)  # disks: 2 of 6 may be lost by either scheme


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    environment = {
        "DOLMEN_KMS_KEYS": "alpha,beta",
        "DOLMEN_STORAGE_CLASS": f"{MOVED}=2+2",
        "DOLMEN_LIFECYCLE_DAY_SECONDS": "1",
    }
    with DevServer(tmp_path_factory.mktemp("classes"), environment=environment) as server:
        yield server
        told = [line for line in server.output().splitlines() if " error " in line or "unexpected" in line]
        assert not told, told[:5]


@pytest.fixture(scope="module")
def client(store):
    made = store.client()
    made.create_bucket(Bucket=BUCKET)
    return made


def until(what, condition):
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < deadline, f"waited in vain until {what}"
        time.sleep(0.1)


def put_parts(client, key, kind, bodies):
    name = {"Bucket": BUCKET, "Key": key}
    name["UploadId"] = client.create_multipart_upload(**name, **KINDS[kind].write)["UploadId"]
    etags = [
        client.upload_part(**name, PartNumber=number, Body=body, **KINDS[kind].read)["ETag"]
        for number, body in enumerate(bodies, 1)
    ]
    parts = [{"PartNumber": number, "ETag": etag} for number, etag in enumerate(etags, 1)]
    client.complete_multipart_upload(**name, MultipartUpload={"Parts": parts})


@pytest.fixture(scope="module")
def objects(client):
    """{key: (kind, bytes)}: plain, in parts, and copied, of every kind of encryption."""
    made = {}
    for kind in KINDS:
        data = os.urandom(300_001)
        client.put_object(Bucket=BUCKET, Key=f"{kind}/whole", Body=data, **KINDS[kind].write)
        made[f"{kind}/whole"] = kind, data
        source = {"Bucket": BUCKET, "Key": f"{kind}/whole"}
        client.copy_object(
            Bucket=BUCKET, Key=f"{kind}/copied", CopySource=source, **KINDS[kind].write, **KINDS[kind].source
        )
        made[f"{kind}/copied"] = kind, data
        bodies = [os.urandom(PART), os.urandom(70_000)]
        put_parts(client, f"{kind}/parts", kind, bodies)
        made[f"{kind}/parts"] = kind, b"".join(bodies)
    return made


def read_all(client, objects):
    for key, (kind, data) in objects.items():
        found = client.get_object(Bucket=BUCKET, Key=key, **KINDS[kind].read)
        assert hashlib.sha256(found["Body"].read()).digest() == hashlib.sha256(data).digest(), key
        assert shown(found) == KINDS[kind].shown
        for start, end in ((0, 0), (65_535, 65_536), (200_000, 299_999), (len(data) - 1, len(data) - 1)):
            part = client.get_object(Bucket=BUCKET, Key=key, Range=f"bytes={start}-{end}", **KINDS[kind].read)
            assert part["Body"].read() == data[start : end + 1], (key, start)


def schemes(record):
    return {(segment.k, segment.m) for segment in record.layout.segments}


@pytest.fixture(scope="module")
def moved(store, client, objects):
    """(records before, records after, garbage) when the rule has moved everything."""
    before = records(store, BUCKET)
    read_all(client, objects)
    rule = {"ID": "move", "Status": "Enabled", "Filter": {}, "Transitions": [{"Days": 1, "StorageClass": MOVED}]}
    client.put_bucket_lifecycle_configuration(Bucket=BUCKET, LifecycleConfiguration={"Rules": [rule]})
    until(
        "everything has moved",
        lambda: {row["StorageClass"] for row in client.list_objects_v2(Bucket=BUCKET)["Contents"]} == {MOVED},
    )
    return before, records(store, BUCKET), garbage(store)  # notes wait for a minute, so all of them are there


def test_the_bytes_are_in_the_other_scheme_and_read_as_before(client, objects, moved):
    before, after, _ = moved
    assert set(before) == set(after) == set(objects)
    for key in objects:
        assert schemes(before[key]) == {WIDE}, key
        assert schemes(after[key]) == {NARROW}, key
        assert after[key].layout.length == before[key].layout.length, "sealed bytes move as they are"
        assert after[key].mutable.encryption == before[key].mutable.encryption, "under the keys that they have"
        assert (after[key].etag, after[key].mtime_us, after[key].size) == (before[key].etag, before[key].mtime_us, before[key].size)
    read_all(client, objects)


def test_parts_are_still_told(client, objects, moved):
    for kind in KINDS:
        name = {"Bucket": BUCKET, "Key": f"{kind}/parts", **KINDS[kind].read}
        assert client.head_object(**name, PartNumber=2)["ContentLength"] == 70_000
        assert client.get_object(**name, PartNumber=2)["Body"].read() == objects[f"{kind}/parts"][1][PART:]


def test_the_former_fragments_are_garbage(moved):
    before, after, layouts = moved
    former = {stripe for record in before.values() for stripe in stripes_of(record.layout)}
    now = {stripe for record in after.values() for stripe in stripes_of(record.layout)}
    assert not former & now
    notes = {stripe for layout in layouts for stripe in stripes_of(layout)}
    assert not notes & now, "nothing that is in use"
    assert notes >= former, "noted in the commit of the move"


def stripes_of(layout):
    return [
        (run.pg, run.base, number)
        for segment in layout.segments
        for run in segment.runs
        for number in range(run.first, run.first + run.count)
    ]


def test_with_two_disks_away_everything_reads(store, client, objects, moved):
    places = [store.data / "disks" / str(number) for number in AWAY]
    for place in places:
        place.rename(store.data / f"away-{place.name}")

    def missing():
        return sum(disk["state"] == "missing" for disk in store.status()["disks"])

    try:
        until("the disks are missed", lambda: missing() == len(AWAY))
        read_all(client, objects)
        client.put_object(Bucket=BUCKET, Key="new", Body=b"x" * 200_000, StorageClass=MOVED, **KINDS["SSE-KMS"].write)
        assert client.get_object(Bucket=BUCKET, Key="new")["Body"].read() == b"x" * 200_000
    finally:
        for place in places:
            (store.data / f"away-{place.name}").rename(place)
    until("they are back", lambda: missing() == 0)
    client.delete_object(Bucket=BUCKET, Key="new")


@pytest.mark.parametrize("how", ["put", "copy", "parts"])
def test_a_write_into_the_class_has_its_scheme_at_once(store, client, how):
    name = {"Bucket": BUCKET, "Key": f"direct/{how}"}
    data = os.urandom(200_000)
    if how == "put":
        client.put_object(**name, Body=data, StorageClass=MOVED, **KINDS["SSE-S3"].write)
    elif how == "copy":
        client.put_object(Bucket=BUCKET, Key="direct/source", Body=data, StorageClass="STANDARD")
        assert schemes(records(store, BUCKET)["direct/source"]) == {WIDE}
        source = {"Bucket": BUCKET, "Key": "direct/source"}
        client.copy_object(**name, CopySource=source, StorageClass=MOVED, **KINDS["SSE-S3"].write)
    else:
        upload = client.create_multipart_upload(**name, StorageClass=MOVED, **KINDS["SSE-S3"].write)["UploadId"]
        etag = client.upload_part(**name, UploadId=upload, PartNumber=1, Body=data)["ETag"]
        parts = {"Parts": [{"PartNumber": 1, "ETag": etag}]}
        client.complete_multipart_upload(**name, UploadId=upload, MultipartUpload=parts)
    assert schemes(records(store, BUCKET)[f"direct/{how}"]) == {NARROW}
    found = client.get_object(**name)
    assert (found["Body"].read(), found["StorageClass"], found["ServerSideEncryption"]) == (data, MOVED, "AES256")


def test_the_status_tells_of_the_groups_of_both(store):
    """Every pool has its own groups, and all of them are whole."""
    until("the disks that were away are filled again", lambda: store.status()["groups"]["degraded"] == 0)
    status = store.status()
    assert status["scheme"] == "4+2"
    text = store.get("/metrics")[1].decode()
    whole = [float(line.split()[-1]) for line in text.splitlines() if line.startswith('dolmen_groups{') and 'state="whole"' in line]
    assert max(whole) == status["groups"]["total"]
