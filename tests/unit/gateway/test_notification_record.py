"""What a notification says: AWS's record, made of a template and the outcome of the commit."""

import json
from urllib.parse import unquote_plus

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dolmen.gateway.delivery.template import (
    body_for,
    decode_template,
    facts_of,
    lifecycle_template,
    restore_data,
    template_of,
)
from dolmen.gateway.metadata.records import BucketRecord, Event
from dolmen.gateway.s3.event_record import iso_milliseconds, sequencer, trial_message
from dolmen.gateway.s3.model.inputs_generated import (
    EventBridgeConfiguration,
    NotificationConfiguration,
    QueueConfiguration,
)
from dolmen.gateway.s3.notification import EVENTS, Listener

AT_US = 1_795_503_357_654_321  # Tue, 24 Nov 2026 06:55:57 GMT and a fraction
DECLARED = {"hook", "eventbridge"}
EVERYTHING = [
    *("s3:ObjectCreated:*", "s3:ObjectRemoved:*", "s3:ObjectTagging:*", "s3:ObjectAcl:Put", "s3:LifecycleExpiration:*"),
    *("s3:LifecycleTransition", "s3:ObjectRestore:*"),
]


def bucket(name="photos", **changes):
    configuration = NotificationConfiguration(
        queue_configurations=[QueueConfiguration(id="mine", queue_arn="arn:aws:sqs:r:1:hook", events=EVERYTHING)], **changes
    )
    return BucketRecord(
        name=name,
        bucket_id=b"b" * 16,
        owner="123456789012",
        region="eu-west-1",
        created_us=1,
        config={"notification": msgspec.msgpack.encode(configuration)},
    )


def template(name, key=b"k", of=None, **more):
    raw = template_of(
        of or bucket(),
        name,
        key,
        declared=DECLARED,
        principal="AWS:AIDAEXAMPLE",
        source_ip="192.0.2.7",
        request_id="C3D13FE58DE4C810",
        host_id="host/id=",
        **more,
    )
    return decode_template(raw)


def event(key=b"k", **changes):
    values = {"event_id": bytes(range(16)), "bucket_id": b"b" * 16, "key": key, "template": b"", "seq": AT_US - 5, "at_us": AT_US}
    return Event(**{**values, "version_id": "null", "size": 1024, "etag": "d41d8cd98f00b204e9800998ecf8427e", **changes})


def record(name, key=b"k", of=None, more=None, **changes):
    body = json.loads(body_for(Listener("hook", "mine"), event(key, **changes), template(name, key, of, more=more)))
    assert body["EventName"] == f"s3:{name}"
    (one,) = body["Records"]
    return one


def test_the_whole_record():
    assert record("ObjectCreated:Put", b"a b/c+d.jpg") == {
        "eventVersion": "2.1",
        "eventSource": "aws:s3",
        "awsRegion": "eu-west-1",
        "eventTime": "2026-11-24T06:55:57.654Z",
        "eventName": "ObjectCreated:Put",
        "userIdentity": {"principalId": "AWS:AIDAEXAMPLE"},
        "requestParameters": {"sourceIPAddress": "192.0.2.7"},
        "responseElements": {"x-amz-request-id": "C3D13FE58DE4C810", "x-amz-id-2": "host/id="},
        "s3": {
            "s3SchemaVersion": "1.0",
            "configurationId": "mine",
            "bucket": {"name": "photos", "ownerIdentity": {"principalId": "123456789012"}, "arn": "arn:aws:s3:::photos"},
            "object": {
                "key": "a+b/c%2Bd.jpg",
                "size": 1024,
                "eTag": "d41d8cd98f00b204e9800998ecf8427e",
                "sequencer": sequencer((AT_US - 5) << 4),
            },
        },
    }


def test_beside_the_records_stands_what_minio_s_receivers_read():
    body = json.loads(body_for(Listener("hook", "mine"), event(b"a b"), template("ObjectCreated:Put", b"a b")))
    assert (body["EventName"], body["Key"]) == ("s3:ObjectCreated:Put", "photos/a b")


@pytest.mark.parametrize(
    ("name", "version", "members"),
    [
        ("ObjectCreated:Put", "2.1", {"key", "size", "eTag", "sequencer"}),
        ("ObjectCreated:Post", "2.1", {"key", "size", "eTag", "sequencer"}),
        ("ObjectCreated:Copy", "2.1", {"key", "size", "eTag", "sequencer"}),
        ("ObjectCreated:CompleteMultipartUpload", "2.1", {"key", "size", "eTag", "sequencer"}),
        ("ObjectRemoved:Delete", "2.1", {"key", "sequencer"}),
        ("ObjectRemoved:DeleteMarkerCreated", "2.1", {"key", "eTag", "sequencer"}),
        ("ObjectTagging:Put", "2.3", {"key", "eTag"}),
        ("ObjectTagging:Delete", "2.3", {"key", "eTag"}),
        ("ObjectAcl:Put", "2.3", {"key", "eTag"}),
        ("LifecycleExpiration:Delete", "2.3", {"key", "sequencer"}),
        ("LifecycleExpiration:DeleteMarkerCreated", "2.3", {"key", "eTag", "sequencer"}),
        ("LifecycleTransition", "2.3", {"key", "size", "eTag", "sequencer"}),
        ("ObjectRestore:Post", "2.1", {"key", "size", "eTag", "sequencer"}),
        ("ObjectRestore:Completed", "2.1", {"key", "size", "eTag", "sequencer"}),
        ("ObjectRestore:Delete", "2.3", {"key", "size", "eTag", "sequencer"}),
    ],
)
def test_members_by_event(name, version, members):
    one = record(name)
    assert (one["eventName"], one["eventVersion"], set(one["s3"]["object"])) == (name, version, members)


def test_version_id_only_when_there_is_one():
    assert record("ObjectCreated:Put", version_id="V1")["s3"]["object"]["versionId"] == "V1"
    assert "versionId" not in record("ObjectCreated:Put", version_id="null")["s3"]["object"]


def test_tenants_see_their_own_name_of_a_bucket():
    assert record("ObjectCreated:Put", of=bucket("acme:photos"))["s3"]["bucket"]["arn"] == "arn:aws:s3:::photos"


def test_lifecycle_speaks_for_itself():
    raw = lifecycle_template(bucket(), "LifecycleTransition", b"k", "GLACIER", declared=DECLARED)
    body = json.loads(body_for(Listener("hook", "mine"), event(), decode_template(raw)))
    (one,) = body["Records"]
    assert one["userIdentity"] == {"principalId": "s3.amazonaws.com"}
    assert one["lifecycleEventData"] == {"transitionEventData": {"destinationStorageClass": "GLACIER"}}


def test_restores_tell_their_end():
    expiry = "2026-12-01T00:00:00.000Z"
    one = record("ObjectRestore:Completed", more=restore_data(expiry, "GLACIER"))
    told = {"lifecycleRestorationExpiryTime": expiry, "lifecycleRestoreStorageClass": "GLACIER"}
    assert one["glacierEventData"] == {"restoreEventData": told}


@pytest.mark.parametrize("name", ["ObjectCreated:Put", "ObjectRemoved:Delete"])
def test_nobody_listens(name):
    plain = BucketRecord(name="b", bucket_id=b"b" * 16, owner="1" * 12, region="r", created_us=1)
    facts = {"declared": DECLARED, "principal": "", "source_ip": "", "request_id": "", "host_id": ""}
    assert template_of(plain, name, b"k", **facts) == b""
    assert template_of(bucket(), name, b"k", **{**facts, "declared": {"another"}}) == b""


@given(st.binary(min_size=1, max_size=60).map(lambda raw: raw.decode("utf-8", "ignore")))
def test_keys_are_url_encoded(key):
    told = record("ObjectCreated:Put", key.encode())["s3"]["object"]["key"]
    assert told.isascii()
    assert unquote_plus(told) == key


@pytest.mark.parametrize(
    ("key", "told"), [("red flower.jpg", "red+flower.jpg"), ("a/b", "a/b"), ("ü", "%C3%BC"), ("a+b", "a%2Bb"), ("50%", "50%25")]
)
def test_known_encodings(key, told):
    assert record("ObjectCreated:Put", key.encode())["s3"]["object"]["key"] == told


@given(st.integers(0, 2**56 - 1), st.integers(0, 2**56 - 1))
def test_sequencers_compare_as_text(first, second):
    assert (sequencer(first) < sequencer(second)) == (first < second)
    assert len(sequencer(first)) == len(sequencer(second)) == 18


def test_a_removal_comes_after_its_own_write_and_before_the_next():
    def sequence(name, **changes):
        return facts_of(event(**changes), template(name)).sequence

    written = sequence("ObjectCreated:Put", seq=1000, at_us=1000)
    assert written < sequence("ObjectRemoved:Delete", seq=1000, at_us=1000) < sequence("ObjectCreated:Put", seq=1001, at_us=1001)
    # A clock that stepped back does not turn the two around.
    assert written < sequence("ObjectRemoved:Delete", seq=1000, at_us=10)
    assert sequence("ObjectRemoved:Delete", seq=1000, at_us=5000) < sequence("ObjectCreated:Put", seq=5001, at_us=5001)


@pytest.mark.parametrize(
    ("name", "detail_type", "more"),
    [
        ("ObjectCreated:Put", "Object Created", {"reason": "PutObject"}),
        ("ObjectCreated:CompleteMultipartUpload", "Object Created", {"reason": "CompleteMultipartUpload"}),
        ("ObjectRemoved:Delete", "Object Deleted", {"reason": "DeleteObject", "deletion-type": "Permanently Deleted"}),
        ("ObjectRemoved:DeleteMarkerCreated", "Object Deleted", {"deletion-type": "Delete Marker Created"}),
        ("LifecycleExpiration:Delete", "Object Deleted", {"reason": "Lifecycle Expiration"}),
        ("ObjectTagging:Put", "Object Tags Added", {}),
        ("ObjectTagging:Delete", "Object Tags Deleted", {}),
        ("ObjectAcl:Put", "Object ACL Updated", {}),
        ("LifecycleTransition", "Object Storage Class Changed", {}),
        ("ObjectRestore:Post", "Object Restore Initiated", {}),
    ],
)
def test_eventbridge(name, detail_type, more):
    of = bucket(event_bridge_configuration=EventBridgeConfiguration())
    one = template(name, b"a b", of)
    assert one.listeners == (Listener("hook", "mine"), Listener("eventbridge", ""))
    body = json.loads(body_for(one.listeners[1], event(b"a b"), one))
    assert (body["detail-type"], body["source"], body["account"]) == (detail_type, "aws.s3", "123456789012")
    assert body["resources"] == ["arn:aws:s3:::photos"]
    assert body["detail"]["object"]["key"] == "a b"
    assert more.items() <= body["detail"].items()


def test_every_event_can_be_told():
    of = bucket(event_bridge_configuration=EventBridgeConfiguration())
    for name in EVENTS:
        for listener in template(name, b"k", of).listeners:
            json.loads(body_for(listener, event(), template(name, b"k", of)))


def test_the_test_event():
    assert json.loads(trial_message("photos", AT_US, "R", "H")) == {
        "Service": "Amazon S3",
        "Event": "s3:TestEvent",
        "Time": "2026-11-24T06:55:57.654Z",
        "Bucket": "photos",
        "RequestId": "R",
        "HostId": "H",
    }


@pytest.mark.parametrize(("time_us", "text"), [(0, "1970-01-01T00:00:00.000Z"), (999_999, "1970-01-01T00:00:00.999Z")])
def test_milliseconds(time_us, text):
    assert iso_milliseconds(time_us) == text
