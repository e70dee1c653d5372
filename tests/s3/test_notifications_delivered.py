"""Notifications over HTTP: each change of an object tells its event, once it is committed and never less than once."""

import itertools
import os
import random
import threading
import time
from urllib.parse import unquote_plus

import pytest
from botocore.exceptions import ClientError
from dev_server import ALICE, ROOT, DevServer
from raw_s3 import RawS3
from webhook import CUT, DIE, HANG, Webhook

EVENTS_SECONDS = 120  # on Cassandra what a killed gateway had begun is found half a minute later

EVERYTHING = ["s3:ObjectCreated:*", "s3:ObjectRemoved:*", "s3:ObjectTagging:*", "s3:ObjectAcl:Put"]
TOKEN = "token-of-the-receiver"
PART_BYTES = 5 * 1024 * 1024
_NUMBERS = itertools.count()


@pytest.fixture(scope="module")
def hook():
    with Webhook() as made:
        yield made


@pytest.fixture(scope="module")
def away():
    """The receiver of a second target."""
    with Webhook() as made:
        yield made


@pytest.fixture(scope="module")
def store(tmp_path_factory, hook, away):
    directory = tmp_path_factory.mktemp("store")
    (directory / "token").write_text(TOKEN + "\n")
    environment = {
        "DOLMEN_NOTIFICATION_TARGET": f"hook={hook.url},away={away.url}",
        "DOLMEN_NOTIFICATION_TOKEN_FILE": f"away={directory / 'token'}",
        "DOLMEN_LIFECYCLE_DAY_SECONDS": "1",
    }
    with DevServer(directory, workers=2, environment=environment) as made:
        yield made
        logs = "".join(log.read_text(errors="replace") for log in sorted((made.data / "logs").glob("*.log*")))
        assert '"unexpected"' not in logs
        assert "Traceback" not in logs
        assert TOKEN not in logs


@pytest.fixture(scope="module")
def s3(store):
    return store.client()


def new_bucket(s3, events=EVERYTHING, target="hook", filters=(), **more):
    name = f"told-{os.getpid()}-{next(_NUMBERS)}"
    s3.create_bucket(Bucket=name, **more)
    configure(s3, name, events, target, filters)
    return name


def configure(s3, bucket, events=EVERYTHING, target="hook", filters=()):
    rules = [{"Name": name, "Value": value} for name, value in filters]
    one = {"Id": "mine", "QueueArn": f"arn:aws:sqs:us-east-1:000000000000:{target}", "Events": list(events)}
    if rules:
        one["Filter"] = {"Key": {"FilterRules": rules}}
    s3.put_bucket_notification_configuration(
        Bucket=bucket, NotificationConfiguration={"QueueConfigurations": [one]}, SkipDestinationValidation=True
    )


@pytest.fixture
def bucket(s3):
    return new_bucket(s3)


def versioned(s3, bucket):
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})


# -- what each operation tells -----------------------------------------------------------------------------------------------


def test_put_object(s3, bucket, hook):
    answer = s3.put_object(Bucket=bucket, Key="a b/c+d.txt", Body=b"hello")
    (one,) = hook.wait(bucket)
    assert one.headers["content-type"] == "application/json"
    assert one.path == "/hook"
    assert (one.body["EventName"], one.body["Key"]) == ("s3:ObjectCreated:Put", f"{bucket}/a b/c+d.txt")
    record = one.record
    assert (record["eventVersion"], record["eventSource"], record["awsRegion"]) == ("2.1", "aws:s3", "us-east-1")
    assert record["eventName"] == "ObjectCreated:Put"
    assert record["userIdentity"] == {"principalId": "AWS:000000000000"}
    assert record["requestParameters"] == {"sourceIPAddress": "127.0.0.1"}
    metadata = answer["ResponseMetadata"]
    assert record["responseElements"] == {"x-amz-request-id": metadata["RequestId"], "x-amz-id-2": metadata["HostId"]}
    assert record["s3"]["configurationId"] == "mine"
    assert record["s3"]["bucket"] == {
        "name": bucket, "ownerIdentity": {"principalId": "000000000000"}, "arn": f"arn:aws:s3:::{bucket}"
    }  # fmt: skip
    sequencer = one.object.pop("sequencer")
    assert len(sequencer) == 18
    assert one.object == {"key": "a+b/c%2Bd.txt", "size": 5, "eTag": answer["ETag"].strip('"')}


def _put(s3, bucket):
    s3.put_object(Bucket=bucket, Key="k", Body=b"12345")


def _copy(s3, bucket):
    s3.copy_object(Bucket=bucket, Key="k", CopySource={"Bucket": bucket, "Key": "source"})


def _multipart(s3, bucket):
    upload = s3.create_multipart_upload(Bucket=bucket, Key="k")["UploadId"]
    parts = []
    for number, size in ((1, PART_BYTES), (2, 5)):
        part = s3.upload_part(Bucket=bucket, Key="k", UploadId=upload, PartNumber=number, Body=b"x" * size)
        parts.append({"PartNumber": number, "ETag": part["ETag"]})
    s3.complete_multipart_upload(Bucket=bucket, Key="k", UploadId=upload, MultipartUpload={"Parts": parts})


def _delete(s3, bucket):
    s3.delete_object(Bucket=bucket, Key="source")


def _tag(s3, bucket):
    s3.put_object_tagging(Bucket=bucket, Key="source", Tagging={"TagSet": [{"Key": "a", "Value": "b"}]})


def _untag(s3, bucket):
    s3.delete_object_tagging(Bucket=bucket, Key="source")


@pytest.mark.parametrize(
    ("change", "name", "told"),
    [
        (_put, "ObjectCreated:Put", {"key": "k", "size": 5}),
        (_copy, "ObjectCreated:Copy", {"key": "k", "size": 6}),
        (_multipart, "ObjectCreated:CompleteMultipartUpload", {"key": "k", "size": PART_BYTES + 5}),
        (_delete, "ObjectRemoved:Delete", {"key": "source"}),
        (_tag, "ObjectTagging:Put", {"key": "source"}),
        (_untag, "ObjectTagging:Delete", {"key": "source"}),
    ],
)
def test_each_operation(s3, bucket, hook, change, name, told):
    s3.put_object(Bucket=bucket, Key="source", Body=b"source")
    hook.wait(bucket, 1)
    change(s3, bucket)
    one = hook.wait(bucket, 2)[1]
    assert one.name == name
    assert told.items() <= one.object.items()
    assert "versionId" not in one.object
    assert ("size" in one.object) == ("size" in told)


def test_acl(s3, hook):
    bucket = new_bucket(s3, ObjectOwnership="BucketOwnerPreferred")
    s3.put_object(Bucket=bucket, Key="k", Body=b"")
    s3.put_object_acl(Bucket=bucket, Key="k", ACL="private")
    assert [one.name for one in hook.wait(bucket, 2)] == ["ObjectCreated:Put", "ObjectAcl:Put"]


def test_post_object(s3, store, bucket, hook):
    import urllib.request

    form = store.client(signature_version="s3v4").generate_presigned_post(Bucket=bucket, Key="posted")
    boundary = "boundary0123456789"
    fields = [f'Content-Disposition: form-data; name="{name}"\r\n\r\n{value}' for name, value in form["fields"].items()]
    fields.append('Content-Disposition: form-data; name="file"; filename="f"\r\n\r\nhello')
    body = "".join(f"--{boundary}\r\n{field}\r\n" for field in fields) + f"--{boundary}--\r\n"
    request = urllib.request.Request(
        f"{store.endpoint}/{bucket}", body.encode(), {"content-type": f"multipart/form-data; boundary={boundary}"}
    )
    assert urllib.request.urlopen(request, timeout=30).status == 204
    (one,) = hook.wait(bucket)
    assert (one.name, one.object["key"], one.object["size"]) == ("ObjectCreated:Post", "posted", 5)


def test_versions(s3, bucket, hook):
    versioned(s3, bucket)
    first = s3.put_object(Bucket=bucket, Key="k", Body=b"1")["VersionId"]
    second = s3.put_object(Bucket=bucket, Key="k", Body=b"2")["VersionId"]
    marker = s3.delete_object(Bucket=bucket, Key="k")["VersionId"]
    s3.delete_object(Bucket=bucket, Key="k", VersionId=first)
    s3.delete_object(Bucket=bucket, Key="k", VersionId=marker)
    found = hook.wait(bucket, 5)
    assert [(one.name, one.object["versionId"]) for one in found] == [
        ("ObjectCreated:Put", first),
        ("ObjectCreated:Put", second),
        ("ObjectRemoved:DeleteMarkerCreated", marker),
        ("ObjectRemoved:Delete", first),
        ("ObjectRemoved:Delete", marker),
    ]


def test_delete_objects(s3, bucket, hook):
    keys = [f"k{number}" for number in range(5)]
    for key in keys:
        s3.put_object(Bucket=bucket, Key=key, Body=b"")
    hook.wait(bucket, 5)
    s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": key} for key in [*keys, "not-there"]]})
    found = hook.wait(bucket, 10)[5:]
    assert {one.name for one in found} == {"ObjectRemoved:Delete"}
    assert sorted(one.object["key"] for one in found) == keys


@pytest.mark.parametrize(
    ("versioning", "name"), [(False, "LifecycleExpiration:Delete"), (True, "LifecycleExpiration:DeleteMarkerCreated")]
)
def test_lifecycle(s3, hook, versioning, name):
    bucket = new_bucket(s3, ["s3:LifecycleExpiration:*"])
    if versioning:
        versioned(s3, bucket)
    s3.put_object(Bucket=bucket, Key="old", Body=b"")
    rule = {"ID": "all", "Status": "Enabled", "Filter": {"Prefix": ""}, "Expiration": {"Days": 1}}
    s3.put_bucket_lifecycle_configuration(Bucket=bucket, LifecycleConfiguration={"Rules": [rule]})
    (one,) = hook.wait(bucket)
    assert (one.name, one.object["key"]) == (name, "old")
    assert one.record["eventVersion"] == "2.3"
    assert one.record["userIdentity"] == {"principalId": "s3.amazonaws.com"}
    assert ("versionId" in one.object) == versioning


def test_who_asked(store, s3, hook):
    """The principal is the caller's, the owner the bucket's."""
    alice = store.client(ALICE)
    bucket = new_bucket(alice)
    alice.put_object(Bucket=bucket, Key="k", Body=b"")
    (one,) = hook.wait(bucket)
    assert one.record["userIdentity"] == {"principalId": "AWS:111111111111"}
    assert one.record["s3"]["bucket"]["ownerIdentity"] == {"principalId": "111111111111"}


@pytest.mark.parametrize("key", ["ü/☃.txt", "a&b<c>", "100%", "x" * 1024, "line\nend", "a//b/../c"])
def test_keys(store, bucket, hook, s3, key):
    s3.put_object(Bucket=bucket, Key=key, Body=b"")
    (one,) = hook.wait(bucket)
    assert unquote_plus(one.object["key"]) == key
    assert one.object["key"].isascii()
    assert one.body["Key"] == f"{bucket}/{key}"


# -- what is not told --------------------------------------------------------------------------------------------------------


def test_failures_tell_nothing(s3, store, bucket, hook):
    s3.put_object(Bucket=bucket, Key="k", Body=b"")
    hook.wait(bucket, 1)
    with pytest.raises(ClientError, match="PreconditionFailed"):
        s3.put_object(Bucket=bucket, Key="k", Body=b"", IfNoneMatch="*")
    assert RawS3(store.port, None).request("PUT", f"/{bucket}/k", body=b"x").status == 403
    wrong = {"content-md5": "1B2M2Y8AsgTpgAmY7PhCfg=="}
    assert RawS3(store.port, ROOT).request("PUT", f"/{bucket}/k", headers=wrong, body=b"x").code == "BadDigest"
    s3.delete_object(Bucket=bucket, Key="never-was")
    s3.get_object(Bucket=bucket, Key="k")["Body"].read()
    s3.put_object(Bucket=bucket, Key="last", Body=b"")
    assert [one.object["key"] for one in hook.wait(bucket, 2)] == ["k", "last"]


@pytest.mark.parametrize(
    ("events", "told"),
    [
        (["s3:ObjectCreated:*"], ["ObjectCreated:Put", "ObjectCreated:Copy"]),
        (["s3:ObjectCreated:Copy"], ["ObjectCreated:Copy"]),
        (["s3:ObjectRemoved:Delete"], ["ObjectRemoved:Delete"]),
        (["s3:ObjectCreated:Put", "s3:ObjectTagging:*"], ["ObjectCreated:Put", "ObjectTagging:Put"]),
    ],
)
def test_only_the_events_asked_for(s3, hook, events, told):
    bucket = new_bucket(s3, events)
    s3.put_object(Bucket=bucket, Key="source", Body=b"")
    _copy(s3, bucket)
    _tag(s3, bucket)
    s3.delete_object(Bucket=bucket, Key="source")
    configure(s3, bucket)
    s3.put_object(Bucket=bucket, Key="last", Body=b"")
    found = hook.wait(bucket, len(told) + 1)
    assert sorted(one.name for one in found if one.object["key"] != "last") == sorted(told)


@pytest.mark.parametrize(
    ("filters", "told"),
    [
        ([("prefix", "images/")], ["images/a.jpg", "images/b.png"]),
        ([("suffix", ".jpg")], ["images/a.jpg", "c.jpg"]),
        ([("prefix", "images/"), ("suffix", ".jpg")], ["images/a.jpg"]),
        ([("prefix", "nothing")], []),
    ],
)
def test_filters(s3, hook, filters, told):
    bucket = new_bucket(s3, filters=filters)
    for key in ("images/a.jpg", "images/b.png", "c.jpg", "d"):
        s3.put_object(Bucket=bucket, Key=key, Body=b"")
    configure(s3, bucket)
    s3.put_object(Bucket=bucket, Key="last", Body=b"")
    found = hook.wait(bucket, len(told) + 1)
    assert sorted(one.object["key"] for one in found) == sorted([*told, "last"])


# -- receivers that are not well ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("trouble", [500, 404, 503, 429, 301, DIE, CUT, "gone"])
def test_a_receiver_in_trouble(s3, away, trouble):
    """Told as soon as it is well again."""
    bucket = new_bucket(s3, target="away")
    before = away.attempts
    if trouble == "gone":
        away.stop()
    else:
        away.answer = trouble
    s3.put_object(Bucket=bucket, Key="k", Body=b"1")
    s3.put_object(Bucket=bucket, Key="k", Body=b"22")
    if trouble == "gone":
        time.sleep(0.5)
        away.start()
    else:
        assert away.wait_until(lambda: away.attempts > before)
        assert away.received(bucket) == []
        away.answer = 200
    found = away.wait(bucket, 2)
    assert [one.object["size"] for one in found] == [1, 2]
    assert {one.headers["authorization"] for one in found} == {f"Bearer {TOKEN}"}


def test_one_that_hangs_does_not_hold_up_another(s3, hook, away):
    slow, quick = new_bucket(s3, target="away"), new_bucket(s3)
    away.answer = HANG
    try:
        for number in range(20):
            s3.put_object(Bucket=slow, Key=f"k{number}", Body=b"")
        began = time.monotonic()
        s3.put_object(Bucket=quick, Key="k", Body=b"")
        hook.wait(quick)
        assert time.monotonic() - began < 5
    finally:
        away.answer = 200
    away.wait_until(lambda: len(away.received(slow)) >= 20)
    assert {one.object["key"] for one in away.received(slow)} == {f"k{number}" for number in range(20)}


def test_the_events_of_a_key_come_in_order(s3, store, bucket, hook):
    """Written by eight clients through two gateways; the receiver refuses every third one."""
    clients = [store.client() for _ in range(8)]
    dice = random.Random(11)

    def work(client, seed):
        own = random.Random(seed)
        for _ in range(10):
            key = f"k{own.randrange(4)}"
            if own.random() < 0.3:
                client.delete_object(Bucket=bucket, Key=key)
            else:
                client.put_object(Bucket=bucket, Key=key, Body=b"")

    threads = [threading.Thread(target=work, args=(client, seed)) for seed, client in enumerate(clients)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        hook.answer = dice.choice([200, 200, 500])
        time.sleep(0.02)
    for thread in threads:
        thread.join()
    hook.answer = 200
    s3.put_object(Bucket=bucket, Key="last", Body=b"")
    for key in range(4):  # what comes after everything else
        s3.put_object(Bucket=bucket, Key=f"k{key}", Body=b"the end")

    def ended():
        return sum(one.object.get("size") == 7 for one in hook.received(bucket)) == 4

    assert hook.wait_until(ended)
    for key in range(4):
        told = [one.object["sequencer"] for one in hook.received(bucket) if one.object["key"] == f"k{key}"]
        assert told == sorted(told)


def test_what_is_measured(store, s3, bucket, hook):
    s3.put_object(Bucket=bucket, Key="k", Body=b"")
    hook.wait(bucket)

    def page():
        return store.get("/metrics")[1].decode()

    assert hook.wait_until(lambda: 'dolmen_notifications_delivered_total{target="hook"}' in page())
    for name in ("queued", "oldest_seconds", "inbox"):
        assert f"dolmen_notifications_{name}" in page()


# -- stores that die ---------------------------------------------------------------------------------------------------------


def test_a_store_that_is_killed_loses_no_event(tmp_path):
    """SIGKILL of everything between a PUT and its delivery, more than once; after the restart every event arrives."""
    with Webhook() as receiver:
        receiver.stop()
        environment = {"DOLMEN_NOTIFICATION_TARGET": f"hook={receiver.url}"}
        server = DevServer(tmp_path, environment=environment)
        try:
            server.start()
            s3 = server.client()
            bucket = new_bucket(s3)
            written = []
            for turn in range(2):
                for number in range(5):
                    key = f"{turn}-{number}"
                    s3.put_object(Bucket=bucket, Key=key, Body=b"")
                    written.append(key)
                if turn:
                    time.sleep(2.5)  # long enough for the messages to move to the queue of their target
                server.kill()
                server.start()
            receiver.start()
            arrived = receiver.wait_until(
                lambda: {one.object["key"] for one in receiver.received(bucket)} == set(written), EVENTS_SECONDS
            )
            assert arrived
        finally:
            server.stop()


def test_events_of_a_bucket_that_is_gone(s3, away):
    """A bucket may be deleted before its events are delivered."""
    bucket = new_bucket(s3, target="away")
    away.stop()
    s3.put_object(Bucket=bucket, Key="k", Body=b"")
    s3.delete_object(Bucket=bucket, Key="k")
    s3.delete_bucket(Bucket=bucket)
    away.start()
    assert [one.name for one in away.wait(bucket, 2)] == ["ObjectCreated:Put", "ObjectRemoved:Delete"]
