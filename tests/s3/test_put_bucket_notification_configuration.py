"""PutBucketNotificationConfiguration: what is taken, what is refused with which words, and the test event."""

import hashlib
import itertools
import os

import pytest
from botocore.exceptions import ClientError
from dev_server import ALICE, ROOT, DevServer
from raw_s3 import RawS3
from webhook import Webhook

HOOK = "arn:aws:sqs:us-east-1:000000000000:hook"
OTHER = "arn:aws:sns:us-east-1:000000000000:other"
UNVALIDATED = "Unable to validate the following destination configurations"
UNSUPPORTED = "A specified event is not supported for notifications."
OVERLAP = "Configurations overlap. Configurations on the same bucket cannot share a common event type."
AMBIGUOUS = (
    "Configuration is ambiguously defined. Cannot have overlapping suffixes in two rules if the prefixes are overlapping "
    "for the same event type."
)
_NUMBERS = itertools.count()


@pytest.fixture(scope="module")
def hook():
    with Webhook() as made:
        yield made


@pytest.fixture(scope="module")
def store(tmp_path_factory, hook):
    """A store with the targets hook, other and eventbridge."""
    targets = ",".join(f"{name}={hook.url}/{name}" for name in ("hook", "other", "eventbridge"))
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
    name = f"notify-{os.getpid()}-{next(_NUMBERS)}"
    s3.create_bucket(Bucket=name)
    return name


def queue(arn=HOOK, events=("s3:ObjectCreated:*",), **more):
    filters = [{"Name": name, "Value": value} for name, value in more.pop("rules", {}).items()]
    if filters:
        more["Filter"] = {"Key": {"FilterRules": filters}}
    return {"QueueArn": arn, "Events": list(events), **more}


def put(s3, bucket, *queues, **more):
    skip = {"SkipDestinationValidation": more.pop("skip")} if "skip" in more else {}
    configuration = {"QueueConfigurations": list(queues)} if queues else {}
    return s3.put_bucket_notification_configuration(
        Bucket=bucket, NotificationConfiguration={**configuration, **more}, **skip
    )


def get(s3, bucket):
    found = s3.get_bucket_notification_configuration(Bucket=bucket)
    return {name: value for name, value in found.items() if name != "ResponseMetadata"}


@pytest.mark.parametrize(
    ("kind", "member", "arn"),
    [
        ("QueueConfigurations", "QueueArn", HOOK),
        ("QueueConfigurations", "QueueArn", "arn:dolmen:sqs:us-east-1:000000000000:hook"),
        ("QueueConfigurations", "QueueArn", "arn:minio:sqs::hook:webhook"),
        ("QueueConfigurations", "QueueArn", "arn:minio:sqs:us-east-1:hook:webhook"),
        ("TopicConfigurations", "TopicArn", "arn:aws:sns:us-east-1:000000000000:hook"),
        ("TopicConfigurations", "TopicArn", "arn:aws:sns:::hook"),
        ("LambdaFunctionConfigurations", "LambdaFunctionArn", "arn:aws:lambda:us-east-1:000000000000:function:hook"),
        ("LambdaFunctionConfigurations", "LambdaFunctionArn", "arn:aws:lambda:us-east-1:000000000000:function:hook:PROD"),
    ],
)
def test_arns_that_name_a_declared_target(s3, bucket, kind, member, arn):
    given = [{"Id": "mine", member: arn, "Events": ["s3:ObjectCreated:Put", "s3:ObjectRemoved:*"]}]
    answer = put(s3, bucket, **{kind: given})
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 200
    assert get(s3, bucket) == {kind: given}


@pytest.mark.parametrize(
    "event",
    [
        *("s3:ObjectCreated:*", "s3:ObjectCreated:Put", "s3:ObjectCreated:Post", "s3:ObjectCreated:Copy"),
        *("s3:ObjectCreated:CompleteMultipartUpload", "s3:ObjectRemoved:*", "s3:ObjectRemoved:Delete"),
        *("s3:ObjectRemoved:DeleteMarkerCreated", "s3:ObjectTagging:*", "s3:ObjectTagging:Put", "s3:ObjectTagging:Delete"),
        *("s3:ObjectAcl:Put", "s3:LifecycleExpiration:*", "s3:LifecycleExpiration:Delete"),
        *("s3:LifecycleExpiration:DeleteMarkerCreated", "s3:LifecycleTransition", "s3:ObjectRestore:*"),
        *("s3:ObjectRestore:Post", "s3:ObjectRestore:Completed", "s3:ObjectRestore:Delete"),
    ],
)
def test_events(s3, bucket, event):
    put(s3, bucket, queue(events=[event], Id="mine"))
    assert get(s3, bucket)["QueueConfigurations"][0]["Events"] == [event]


REFUSALS = {
    "unknown event": ([queue(events=["s3:ObjectCreated:Upload"])], UNSUPPORTED),
    "event without s3": ([queue(events=["ObjectCreated:Put"])], UNSUPPORTED),
    "everything": ([queue(events=["s3:*"])], UNSUPPORTED),
    "one of two events": ([queue(events=["s3:ObjectCreated:*", "s3:Object"])], UNSUPPORTED),
    "no arn": ([queue(arn="hook")], "The ARN is not well formed"),
    "short arn": ([queue(arn="arn:aws:sqs:us-east-1:hook")], "The ARN is not well formed"),
    "unknown queue": ([queue(arn="arn:aws:sqs:us-east-1:000000000000:away")], UNVALIDATED),
    "kafka": ([queue(arn="arn:minio:sqs::hook:kafka")], UNVALIDATED),
    "nats": ([queue(arn="arn:minio:sqs::hook:nats")], UNVALIDATED),
    "amqp": ([queue(arn="arn:minio:sqs::hook:amqp")], UNVALIDATED),
    "msk": ([queue(arn="arn:aws:kafka:us-east-1:000000000000:hook")], UNVALIDATED),
    "same id": ([queue(Id="a"), queue(OTHER, ["s3:ObjectRemoved:*"], Id="a")],
                "Same ID used for multiple configurations. IDs must be unique"),
    "long id": ([queue(Id="x" * 256)], "The ID of a configuration cannot be longer than 255 characters."),
    "same events": ([queue(), queue(OTHER)], OVERLAP),
    "event in a wildcard": ([queue(), queue(OTHER, ["s3:ObjectCreated:Copy"])], OVERLAP),
    "prefix in a prefix": ([queue(rules={"prefix": "a"}), queue(OTHER, rules={"prefix": "ab"})], AMBIGUOUS),
    "suffix in a suffix": ([queue(rules={"suffix": "jpg"}), queue(OTHER, rules={"suffix": ".jpg"})], AMBIGUOUS),
    "prefix and suffix": ([queue(rules={"prefix": "a"}), queue(OTHER, rules={"suffix": "z"})], AMBIGUOUS),
    "long filter": ([queue(rules={"prefix": "x" * 1025})],
                    "Size of filter rule value cannot exceed 1024 bytes in UTF-8 representation"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSALS)
def test_refusals(s3, bucket, name):
    queues, message = REFUSALS[name]
    put(s3, bucket, queue(events=["s3:ObjectAcl:Put"], Id="before"))
    with pytest.raises(ClientError) as caught:
        put(s3, bucket, *queues)
    answer = caught.value.response
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 400
    assert (answer["Error"]["Code"], answer["Error"]["Message"]) == ("InvalidArgument", message)
    assert get(s3, bucket)["QueueConfigurations"][0]["Id"] == "before"


def document(inner):
    return f'<NotificationConfiguration xmlns="http://s3.amazonaws.com/doc/2006-03-01/">{inner}</NotificationConfiguration>'.encode()


def send(raw, bucket, body, headers=None):
    return raw.request("PUT", f"/{bucket}", body=body, query=[("notification", "")], headers=headers)


def test_every_missing_destination_is_in_the_answer(raw, bucket):
    arns = ["arn:aws:sqs:us-east-1:1:away", "arn:aws:sqs:us-east-1:1:gone"]
    inner = "".join(
        f"<QueueConfiguration><Queue>{arn}</Queue><Event>s3:ObjectCreated:{event}</Event></QueueConfiguration>"
        for arn, event in zip(arns, ("Put", "Post"), strict=True)
    )
    error = send(raw, bucket, document(inner)).error
    assert [error[f"ArgumentName{number}"] for number in (1, 2)] == [f"{arn}, null" for arn in arns]
    assert [error[f"ArgumentValue{number}"] for number in (1, 2)] == ["The destination queue does not exist"] * 2


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        ("<Name>infix</Name><Value>a</Value>", "filter rule name must be either prefix or suffix"),
        ("<Value>a</Value>", "filter rule name must be either prefix or suffix"),
        (
            "<Name>prefix</Name><Value>a</Value></FilterRule><FilterRule><Name>Prefix</Name><Value>b</Value>",
            "Cannot specify more than one prefix rule in a filter.",
        ),
        (
            "<Name>suffix</Name><Value>a</Value></FilterRule><FilterRule><Name>suffix</Name><Value>a</Value>",
            "Cannot specify more than one suffix rule in a filter.",
        ),
    ],
)
def test_filter_rules(raw, bucket, rule, message):
    inner = (
        f"<QueueConfiguration><Queue>{HOOK}</Queue><Event>s3:ObjectCreated:*</Event>"
        f"<Filter><S3Key><FilterRule>{rule}</FilterRule></S3Key></Filter></QueueConfiguration>"
    )
    answer = send(raw, bucket, document(inner))
    assert answer.told == (400, "InvalidArgument")
    assert answer.error["Message"] == message


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "MissingRequestBodyError"),
        (b"<NotificationConfiguration>", "MalformedXML"),
        (b"<Other/>", "MalformedXML"),
        (document(f"<QueueConfiguration><Queue>{HOOK}</Queue></QueueConfiguration>"), "MalformedXML"),
        (document("<QueueConfiguration><Event>s3:ObjectCreated:*</Event></QueueConfiguration>"), "MalformedXML"),
        (document("<TopicConfiguration><Event>s3:ObjectCreated:*</Event></TopicConfiguration>"), "MalformedXML"),
        (document(f"<CloudFunctionConfiguration><Id>a</Id><CloudFunction>{HOOK}</CloudFunction></CloudFunctionConfiguration>"),
         "MalformedXML"),
    ],
)  # fmt: skip
def test_documents_that_are_none(raw, bucket, body, code):
    assert send(raw, bucket, body).told == (400, code)


def test_a_wrong_digest(raw, bucket):
    assert send(raw, bucket, document(""), {"content-md5": "1B2M2Y8AsgTpgAmY7PhCfg=="}).told == (400, "BadDigest")


def test_the_answer_is_empty(raw, bucket):
    inner = f"<QueueConfiguration><Queue>{HOOK}</Queue><Event>s3:ObjectCreated:*</Event></QueueConfiguration>"
    answer = send(raw, bucket, document(inner))
    assert (answer.status, answer.body, answer.headers["content-length"]) == (200, b"", "0")
    assert "content-type" not in answer.headers


def test_an_empty_configuration_turns_everything_off(s3, bucket, hook):
    put(s3, bucket, queue())
    put(s3, bucket)
    assert get(s3, bucket) == {}
    s3.put_object(Bucket=bucket, Key="a", Body=b"")
    put(s3, bucket, queue())
    s3.put_object(Bucket=bucket, Key="b", Body=b"")
    assert [one.object["key"] for one in hook.wait(bucket)] == ["b"]


def test_a_configuration_replaces_the_one_before(s3, bucket):
    put(s3, bucket, queue(Id="first"))
    put(s3, bucket, TopicConfigurations=[{"Id": "second", "TopicArn": OTHER, "Events": ["s3:ObjectRemoved:*"]}])
    found = get(s3, bucket)
    assert list(found) == ["TopicConfigurations"]
    assert found["TopicConfigurations"][0]["Id"] == "second"


def test_ids_are_made_up(s3, bucket):
    put(s3, bucket, queue(), queue(OTHER, ["s3:ObjectRemoved:*"]))
    first, second = (one["Id"] for one in get(s3, bucket)["QueueConfigurations"])
    assert first != second
    assert len(first) == len(second) == 48


def test_filters_come_back(s3, bucket):
    put(s3, bucket, queue(rules={"prefix": "images/", "suffix": ".jpg"}))
    assert get(s3, bucket)["QueueConfigurations"][0]["Filter"]["Key"]["FilterRules"] == [
        {"Name": "Prefix", "Value": "images/"},
        {"Name": "Suffix", "Value": ".jpg"},
    ]


def test_validation_can_be_skipped(s3, bucket, hook):
    arn = "arn:aws:sqs:us-east-1:000000000000:away"
    put(s3, bucket, queue(arn, Id="mine"), skip=True)
    assert get(s3, bucket)["QueueConfigurations"][0]["QueueArn"] == arn
    s3.put_object(Bucket=bucket, Key="a", Body=b"")  # nobody is there to tell
    put(s3, bucket, queue(), skip=True)
    s3.put_object(Bucket=bucket, Key="b", Body=b"")
    hook.wait(bucket)
    assert len(hook.received(bucket, trials=True)) == 1  # and no test event was sent


def test_eventbridge(s3, bucket):
    put(s3, bucket, EventBridgeConfiguration={})
    assert get(s3, bucket) == {"EventBridgeConfiguration": {}}


def test_eventbridge_that_is_not_declared(server, bucket):
    """The shared store declares no targets."""
    s3 = server.client()
    s3.create_bucket(Bucket=bucket)
    with pytest.raises(ClientError) as caught:
        put(s3, bucket, EventBridgeConfiguration={})
    assert caught.value.response["Error"]["Message"] == UNVALIDATED
    with pytest.raises(ClientError, match="InvalidArgument"):
        put(s3, bucket, queue())


def test_test_events(s3, bucket, hook):
    """Topics and queues get one each; a function gets none."""
    function = "arn:aws:lambda:us-east-1:000000000000:function:eventbridge"
    put(
        s3,
        bucket,
        queue(),
        queue("arn:minio:sqs::hook:webhook", ["s3:ObjectAcl:Put"]),
        TopicConfigurations=[{"TopicArn": OTHER, "Events": ["s3:ObjectRemoved:*"]}],
        LambdaFunctionConfigurations=[{"LambdaFunctionArn": function, "Events": ["s3:ObjectTagging:*"]}],
    )
    found = hook.wait(bucket, 2, trials=True)
    assert sorted(one.path for one in found) == ["/hook/hook", "/hook/other"]
    body = found[0].body
    assert list(body) == ["Service", "Event", "Time", "Bucket", "RequestId", "HostId"]
    assert (body["Service"], body["Event"], body["Bucket"]) == ("Amazon S3", "s3:TestEvent", bucket)


def test_the_deprecated_form(s3, bucket):
    s3.put_bucket_notification(
        Bucket=bucket,
        NotificationConfiguration={
            "TopicConfiguration": {"Id": "t", "Topic": OTHER, "Events": ["s3:ObjectRemoved:*"]},
            "CloudFunctionConfiguration": {
                "Id": "f",
                "CloudFunction": "arn:aws:lambda:us-east-1:000000000000:function:hook",
                "Events": ["s3:ObjectCreated:*"],
            },
        },
    )
    found = get(s3, bucket)
    assert [one["Id"] for kind in found.values() for one in kind] == ["t", "f"]


def test_bucket_that_is_not_there(s3):
    with pytest.raises(ClientError) as caught:
        put(s3, "no-such-bucket-of-anybody", queue())
    assert caught.value.response["Error"]["Code"] == "NoSuchBucket"


@pytest.mark.parametrize("keys", [None, ALICE])
def test_others_may_not(store, bucket, keys):
    body = document("")
    assert send(RawS3(store.port, keys), bucket, body).told == (403, "AccessDenied")


def test_the_expected_owner(raw, bucket):
    answer = send(raw, bucket, document(""), {"x-amz-expected-bucket-owner": "111111111111"})
    assert answer.told == (403, "AccessDenied")


def test_the_number_of_configurations(s3, bucket):
    def many(count):
        return [queue(rules={"prefix": f"{hashlib.md5(str(number).encode()).hexdigest()}/"}) for number in range(count)]

    put(s3, bucket, *many(100))
    assert len(get(s3, bucket)["QueueConfigurations"]) == 100
    with pytest.raises(ClientError, match="more than 100"):
        put(s3, bucket, *many(101))
