"""Lifecycle rules act: a store of its own whose lifecycle days are a second long."""

import datetime
import itertools
import time

import pytest
from dev_server import DevServer

DAY_SECONDS = 1
PATIENCE_SECONDS = 40.0  # a loaded machine; a quiet one needs two or three days
MIDNIGHT = datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC)
UNTIL = datetime.datetime(2100, 1, 1, tzinfo=datetime.UTC)
_NUMBERS = itertools.count()


@pytest.fixture(scope="module")
def short_days(tmp_path_factory):
    environment = {"DOLMEN_LIFECYCLE_DAY_SECONDS": str(DAY_SECONDS)}
    with DevServer(tmp_path_factory.mktemp("days") / "store", environment=environment) as made:
        yield made
        told = [line for line in made.output().splitlines() if " error " in line or "unexpected" in line]
        assert not told, told[:5]


@pytest.fixture(scope="module")
def client(short_days):
    return short_days.client()


@pytest.fixture
def plain(client):
    name = f"days-{next(_NUMBERS)}"
    client.create_bucket(Bucket=name)
    return name


@pytest.fixture
def kept(client, plain):
    """A bucket with versions."""
    client.put_bucket_versioning(Bucket=plain, VersioningConfiguration={"Status": "Enabled"})
    return plain


@pytest.fixture
def locking(client):
    name = f"days-{next(_NUMBERS)}"
    client.create_bucket(Bucket=name, ObjectLockEnabledForBucket=True)
    return name


def put(client, bucket, key="k", body=b"x", **more):
    return client.put_object(Bucket=bucket, Key=key, Body=body, **more).get("VersionId")


def rules(client, bucket, *made):
    full = [{"Status": "Enabled", "Filter": {}, "ID": f"{number}", **rule} for number, rule in enumerate(made)]
    client.put_bucket_lifecycle_configuration(Bucket=bucket, LifecycleConfiguration={"Rules": full})


def keys(client, bucket):
    return [one["Key"] for one in client.list_objects_v2(Bucket=bucket).get("Contents", [])]


def history(client, bucket):
    """(key, version id) of versions, and the keys of markers."""
    found = client.list_object_versions(Bucket=bucket)
    versions = {(one["Key"], one["VersionId"]) for one in found.get("Versions", [])}
    return versions, {one["Key"] for one in found.get("DeleteMarkers", [])}


def until(wanted, look):
    """Wait until ``look()`` is ``wanted``."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while (found := look()) != wanted:
        assert time.monotonic() < deadline, found
        time.sleep(0.1)


def later(days):
    time.sleep(days * DAY_SECONDS)


EXPIRE = {"Expiration": {"Days": 1}}
GONE = {"NoncurrentVersionExpiration": {"NoncurrentDays": 1}}


def test_objects_expire_within_two_days_and_not_before_one(client, plain):
    rules(client, plain, EXPIRE)
    began = time.monotonic()
    put(client, plain)
    until([], lambda: keys(client, plain))
    assert time.monotonic() - began >= DAY_SECONDS
    assert history(client, plain) == (set(), set())


def test_filters(client, plain):
    rules(
        client, plain,
        {**EXPIRE, "Filter": {"Prefix": "p/"}},
        {**EXPIRE, "Filter": {"Tag": {"Key": "k", "Value": "v"}}},
        {**EXPIRE, "Filter": {"And": {"ObjectSizeGreaterThan": 9, "ObjectSizeLessThan": 11}}},
        {**EXPIRE, "Filter": {"Prefix": "off"}, "Status": "Disabled"},
        {"Expiration": {"Days": 1000}, "Filter": {"Prefix": "late"}},
    )  # fmt: skip
    for key in ("p/1", "late/1", "off/1", "q/1"):
        put(client, plain, key)
    put(client, plain, "tagged", Tagging="k=v&l=w")
    put(client, plain, "tagged otherwise", Tagging="k=w")
    put(client, plain, "ten", b"0123456789")
    put(client, plain, "eleven", b"01234567890")
    left = sorted(["late/1", "off/1", "q/1", "tagged otherwise", "eleven"])
    until(left, lambda: keys(client, plain))
    later(1)
    assert keys(client, plain) == left


def test_a_date_that_is_past(client, plain):
    put(client, plain)
    rules(client, plain, {"Expiration": {"Date": MIDNIGHT}})
    until([], lambda: keys(client, plain))


def test_a_date_to_come(client, plain):
    put(client, plain)
    rules(client, plain, {"Expiration": {"Date": UNTIL}})
    later(2)
    assert keys(client, plain) == ["k"]


def test_a_versioned_object_is_hidden_and_then_goes_with_its_marker(client, kept):
    version = put(client, kept)
    rules(client, kept, EXPIRE)
    until(({("k", version)}, {"k"}), lambda: history(client, kept))
    rules(client, kept, EXPIRE, GONE)
    until((set(), set()), lambda: history(client, kept))


def test_noncurrent_versions_go_and_the_newest_stay(client, kept):
    versions = [put(client, kept) for _ in range(6)]
    rules(client, kept, {"NoncurrentVersionExpiration": {"NoncurrentDays": 1, "NewerNoncurrentVersions": 2}})
    until(({("k", version) for version in versions[3:]}, set()), lambda: history(client, kept))
    later(2)
    assert history(client, kept)[0] == {("k", version) for version in versions[3:]}
    assert client.head_object(Bucket=kept, Key="k")["VersionId"] == versions[-1]


def test_markers_without_versions_go(client, kept):
    version = put(client, kept, "kept")
    for key in ("kept", "gone", "gone too"):
        client.delete_object(Bucket=kept, Key=key)
    rules(client, kept, {"Expiration": {"ExpiredObjectDeleteMarker": True}})
    until(({("kept", version)}, {"kept"}), lambda: history(client, kept))


def test_uploads_are_aborted(client, plain):
    def uploads():
        return [one["Key"] for one in client.list_multipart_uploads(Bucket=plain).get("Uploads", [])]

    for key in ("p/1", "q/1"):
        upload = client.create_multipart_upload(Bucket=plain, Key=key)["UploadId"]
        client.upload_part(Bucket=plain, Key=key, UploadId=upload, PartNumber=1, Body=b"x")
    rules(client, plain, {"AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 1}, "Filter": {"Prefix": "p/"}})
    until(["q/1"], uploads)
    later(2)
    assert uploads() == ["q/1"]


LARGE = b"x" * (128 * 1024)


@pytest.mark.parametrize("storage_class", ["INTELLIGENT_TIERING", "GLACIER_IR", "GLACIER", "DEEP_ARCHIVE"])
def test_objects_move(client, plain, storage_class):
    put(client, plain, "large", LARGE)
    put(client, plain, "small", LARGE[:-1])
    before = client.head_object(Bucket=plain, Key="large")
    rules(client, plain, {"Transitions": [{"Days": 1, "StorageClass": storage_class}]})
    until(storage_class, lambda: client.head_object(Bucket=plain, Key="large").get("StorageClass"))
    answer = client.get_object(Bucket=plain, Key="large")
    assert answer["Body"].read() == LARGE
    assert (answer["ETag"], answer["LastModified"]) == (before["ETag"], before["LastModified"])
    listed = {one["Key"]: one["StorageClass"] for one in client.list_objects_v2(Bucket=plain)["Contents"]}
    assert listed == {"large": storage_class, "small": "STANDARD"}


def test_small_objects_move_where_the_rule_speaks_of_sizes(client, plain):
    put(client, plain)
    rules(client, plain, {"Transitions": [{"Days": 0, "StorageClass": "GLACIER"}], "Filter": {"ObjectSizeGreaterThan": 0}})
    until("GLACIER", lambda: client.head_object(Bucket=plain, Key="k").get("StorageClass"))


def test_a_waterfall(client, plain):
    put(client, plain, body=LARGE)
    moves = [{"Days": 1, "StorageClass": "GLACIER_IR"}, {"Days": 3, "StorageClass": "DEEP_ARCHIVE"}]
    rules(client, plain, {"Transitions": moves, "Expiration": {"Days": 6}})
    seen = []

    def look():
        try:
            found = client.head_object(Bucket=plain, Key="k").get("StorageClass", "STANDARD")
        except client.exceptions.ClientError:
            found = "gone"
        if seen[-1:] != [found]:
            seen.append(found)
        return found

    until("gone", look)
    assert seen == ["STANDARD", "GLACIER_IR", "DEEP_ARCHIVE", "gone"]


def test_noncurrent_versions_move(client, kept):
    older = put(client, kept, body=LARGE)
    put(client, kept, body=LARGE)
    rules(client, kept, {"NoncurrentVersionTransitions": [{"NoncurrentDays": 1, "StorageClass": "GLACIER"}]})
    until("GLACIER", lambda: client.head_object(Bucket=kept, Key="k", VersionId=older).get("StorageClass"))
    assert "StorageClass" not in client.head_object(Bucket=kept, Key="k")


LOCKS = {
    "governance": {"ObjectLockMode": "GOVERNANCE", "ObjectLockRetainUntilDate": UNTIL},
    "compliance": {"ObjectLockMode": "COMPLIANCE", "ObjectLockRetainUntilDate": UNTIL},
    "hold": {"ObjectLockLegalHoldStatus": "ON"},
}


def test_locked_versions_outlive_every_rule(client, locking):
    locked = {(name, put(client, locking, name, **lock)) for name, lock in LOCKS.items()}
    put(client, locking, "free")
    rules(client, locking, EXPIRE, GONE, {"Expiration": {"ExpiredObjectDeleteMarker": True}})
    until((locked, set(LOCKS)), lambda: history(client, locking))  # hidden, and the free one is gone with its marker
    later(3)
    assert history(client, locking) == (locked, set(LOCKS))
    for name, version in locked:
        assert client.get_object(Bucket=locking, Key=name, VersionId=version)["Body"].read() == b"x"


def test_a_hold_that_ends_lets_the_rule_act(client, locking):
    version = put(client, locking, **LOCKS["hold"])
    client.delete_object(Bucket=locking, Key="k")
    rules(client, locking, GONE, {"Expiration": {"ExpiredObjectDeleteMarker": True}})
    later(2)
    assert history(client, locking) == ({("k", version)}, {"k"})
    client.put_object_legal_hold(Bucket=locking, Key="k", VersionId=version, LegalHold={"Status": "OFF"})
    until((set(), set()), lambda: history(client, locking))


def test_an_object_that_is_written_again_lives_on(client, plain):
    """Overwritten more often than once a day it never gets old enough."""
    rules(client, plain, EXPIRE)
    for number in range(16):
        began = time.monotonic()
        put(client, plain, body=b"%d" % number)
        time.sleep(DAY_SECONDS / 4)
        try:
            assert client.get_object(Bucket=plain, Key="k")["Body"].read() == b"%d" % number
        except client.exceptions.NoSuchKey:
            assert time.monotonic() - began >= DAY_SECONDS  # the machine stood still for a day


def test_rules_that_went_do_nothing(client, plain):
    rules(client, plain, {"Expiration": {"Days": 2}})
    put(client, plain)
    client.delete_bucket_lifecycle(Bucket=plain)
    later(4)
    assert keys(client, plain) == ["k"]


def test_the_header_tells_the_truth(client, plain):
    rules(client, plain, EXPIRE)
    told = client.put_object(Bucket=plain, Key="k", Body=b"x")["Expiration"]
    until([], lambda: keys(client, plain))
    assert 'rule-id="0"' in told
    day = datetime.datetime.strptime(told.split('"')[1], "%a, %d %b %Y %H:%M:%S GMT").replace(tzinfo=datetime.UTC)
    assert day <= datetime.datetime.now(datetime.UTC)


def test_the_metrics_count(short_days, client, plain):
    put(client, plain)
    rules(client, plain, {"Expiration": {"Date": MIDNIGHT}})
    until([], lambda: keys(client, plain))

    def counted():
        text = short_days.get("/metrics")[1].decode()
        return any(
            line.startswith("dolmen_lifecycle_actions_total{") and 'action="expire"' in line and float(line.split()[-1]) > 0
            for line in text.splitlines()
        )

    until(True, counted)
    assert "dolmen_lifecycle_last_pass_seconds" in short_days.get("/metrics")[1].decode()
    told = short_days.status()["lifecycle"]
    assert told["buckets"] >= 1
    assert told["failed"] == 0
