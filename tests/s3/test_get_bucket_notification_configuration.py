"""GetBucketNotificationConfiguration: the document as S3 writes it, and the deprecated form of it."""

import itertools
import os

import pytest
from dev_server import ALICE, BOB, ROOT, DevServer
from raw_s3 import RawS3

NAMESPACE = "http://s3.amazonaws.com/doc/2006-03-01/"
EMPTY = f'<?xml version="1.0" encoding="UTF-8"?>\n<NotificationConfiguration xmlns="{NAMESPACE}"></NotificationConfiguration>'
ARNS = {
    "Topic": "arn:aws:sns:us-east-1:000000000000:hook",
    "Queue": "arn:aws:sqs:us-east-1:000000000000:hook",
    "CloudFunction": "arn:aws:lambda:us-east-1:000000000000:function:hook",
}
_NUMBERS = itertools.count()


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """A store whose targets nobody answers at: configurations need no receiver."""
    targets = "hook=http://127.0.0.1:9/,eventbridge=http://127.0.0.1:9/"
    with DevServer(tmp_path_factory.mktemp("store"), environment={"DOLMEN_NOTIFICATION_TARGET": targets}) as made:
        yield made


@pytest.fixture(scope="module")
def s3(store):
    return store.client()


@pytest.fixture(scope="module")
def raw(store):
    return RawS3(store.port, ROOT)


@pytest.fixture
def bucket(s3):
    name = f"notified-{os.getpid()}-{next(_NUMBERS)}"
    s3.create_bucket(Bucket=name)
    return name


def get(raw, bucket, headers=None):
    return raw.request("GET", f"/{bucket}", query=[("notification", "")], headers=headers)


def put(raw, bucket, inner):
    body = f'<NotificationConfiguration xmlns="{NAMESPACE}">{inner}</NotificationConfiguration>'.encode()
    answer = raw.request("PUT", f"/{bucket}", query=[("notification", "")], body=body)
    assert answer.status == 200, answer.body


def configuration(kind, number, event, rules=()):
    filters = "".join(f"<FilterRule><Name>{name}</Name><Value>{value}</Value></FilterRule>" for name, value in rules)
    return (
        f"<{kind}Configuration><Id>{number}</Id><{kind}>{ARNS[kind]}</{kind}><Event>{event}</Event>"
        + (f"<Filter><S3Key>{filters}</S3Key></Filter>" if filters else "")
        + f"</{kind}Configuration>"
    )


def test_nothing_configured(raw, bucket):
    answer = get(raw, bucket)
    assert (answer.status, answer.body.decode()) == (200, EMPTY)
    assert answer.headers["content-type"] == "application/xml"


def test_the_whole_document(raw, bucket):
    """Topics, queues, functions, EventBridge, in this order whatever the order was; ids, ARNs, events, filters as they came."""
    queues = configuration("Queue", "q1", "s3:ObjectCreated:Put", [("Prefix", "a/&amp;b")])
    queues += configuration("Queue", "q2", "s3:ObjectCreated:Put", [("Prefix", "b/"), ("Suffix", ".jpg")])
    topics = configuration("Topic", "t", "s3:ObjectRemoved:*")
    functions = configuration("CloudFunction", "f", "s3:ObjectTagging:*")
    bridge = "<EventBridgeConfiguration></EventBridgeConfiguration>"
    put(raw, bucket, bridge + functions + queues + topics)
    answer = get(raw, bucket)
    assert answer.body.decode() == EMPTY.replace("></N", f">{topics}{queues}{functions}{bridge}</N")


@pytest.mark.parametrize("kind", ["Topic", "Queue", "CloudFunction"])
def test_several_events(raw, bucket, kind):
    inner = configuration(kind, "1", "s3:ObjectCreated:Put</Event><Event>s3:ObjectRemoved:Delete</Event><Event>s3:ObjectAcl:Put")
    put(raw, bucket, inner)
    assert get(raw, bucket).body.decode() == EMPTY.replace("></N", f">{inner}</N")


@pytest.mark.parametrize(("given", "shown"), [("prefix", "Prefix"), ("PREFIX", "Prefix"), ("suffix", "Suffix")])
def test_names_of_filters(raw, bucket, given, shown):
    put(raw, bucket, configuration("Queue", "1", "s3:ObjectCreated:*", [(given, "x")]))
    (name,) = get(raw, bucket).xml.iter("Name")
    assert name.text == shown


@pytest.mark.parametrize("prefix", ["ü/☃", "a b+c%20", "&lt;tag&gt;", "x" * 1024])
def test_values_of_filters(raw, bucket, prefix):
    put(raw, bucket, configuration("Queue", "1", "s3:ObjectCreated:*", [("prefix", prefix)]))
    (value,) = get(raw, bucket).xml.iter("Value")
    assert value.text == prefix.replace("&lt;", "<").replace("&gt;", ">")


def test_boto3_reads_what_it_wrote(s3, bucket):
    given = {
        "TopicConfigurations": [{"Id": "t", "TopicArn": ARNS["Topic"], "Events": ["s3:ObjectRemoved:*"]}],
        "QueueConfigurations": [
            {
                "Id": "q",
                "QueueArn": ARNS["Queue"],
                "Events": ["s3:ObjectCreated:*"],
                "Filter": {"Key": {"FilterRules": [{"Name": "Prefix", "Value": "a/"}]}},
            }
        ],
        "LambdaFunctionConfigurations": [
            {"Id": "f", "LambdaFunctionArn": ARNS["CloudFunction"], "Events": ["s3:ObjectTagging:Put"]}
        ],
        "EventBridgeConfiguration": {},
    }
    s3.put_bucket_notification_configuration(Bucket=bucket, NotificationConfiguration=given)
    found = s3.get_bucket_notification_configuration(Bucket=bucket)
    del found["ResponseMetadata"]
    assert found == given


def test_the_deprecated_form(s3, raw, bucket):
    put(raw, bucket, configuration("Topic", "t", "s3:ObjectRemoved:*"))
    found = s3.get_bucket_notification(Bucket=bucket)
    assert found["TopicConfiguration"] == {
        "Id": "t",
        "Events": ["s3:ObjectRemoved:*"],
        "Topic": ARNS["Topic"],
        **({"Event": "s3:ObjectRemoved:*"} if "Event" in found["TopicConfiguration"] else {}),
    }


def test_it_goes_with_its_bucket(s3, raw, bucket):
    put(raw, bucket, configuration("Queue", "1", "s3:ObjectCreated:*"))
    s3.delete_bucket(Bucket=bucket)
    s3.create_bucket(Bucket=bucket)
    assert get(raw, bucket).body.decode() == EMPTY


def test_bucket_that_is_not_there(raw):
    answer = get(raw, "no-such-bucket-of-anybody")
    assert answer.told == (404, "NoSuchBucket")
    assert answer.error["BucketName"] == "no-such-bucket-of-anybody"


@pytest.mark.parametrize("keys", [None, ALICE])
def test_others_may_not(store, bucket, keys):
    assert get(RawS3(store.port, keys), bucket).told == (403, "AccessDenied")


def test_tenants_have_their_own(store, raw, bucket):
    bob = RawS3(store.port, BOB)
    put(raw, bucket, configuration("Queue", "1", "s3:ObjectCreated:*"))
    assert get(bob, bucket).told == (404, "NoSuchBucket")
    assert bob.request("PUT", f"/{bucket}").status == 200
    assert get(bob, bucket).body.decode() == EMPTY


@pytest.mark.parametrize(("owner", "status"), [("000000000000", 200), ("111111111111", 403)])
def test_the_expected_owner(raw, bucket, owner, status):
    assert get(raw, bucket, {"x-amz-expected-bucket-owner": owner}).status == status
