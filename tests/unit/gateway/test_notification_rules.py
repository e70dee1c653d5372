"""Notification configurations: what is accepted, what is refused with which text, and who hears of what."""

import itertools
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dolmen.gateway.s3.fault import S3Fault
from dolmen.gateway.s3.model.inputs_generated import (
    CloudFunctionConfiguration,
    EventBridgeConfiguration,
    FilterRule,
    LambdaFunctionConfiguration,
    NotificationConfiguration,
    NotificationConfigurationDeprecated,
    NotificationConfigurationFilter,
    QueueConfiguration,
    QueueConfigurationDeprecated,
    S3KeyFilter,
    TopicConfiguration,
    TopicConfigurationDeprecated,
)
from dolmen.gateway.s3.notification import (
    CONFIGURATIONS_MAX,
    EVENTS,
    FILTER_BYTES_MAX,
    ID_CHARACTERS_MAX,
    Listener,
    check_configuration,
    compile_rules,
    events_meant,
    from_deprecated,
    is_empty,
    is_target_name,
    target_of_arn,
)

HOOK = "arn:aws:sqs:us-east-1:000000000000:hook"
OTHER = "arn:aws:sqs:us-east-1:000000000000:other"
DECLARED = {"hook", "other"}
OVERLAP = "Configurations overlap. Configurations on the same bucket cannot share a common event type."
AMBIGUOUS = (
    "Configuration is ambiguously defined. Cannot have overlapping suffixes in two rules if the prefixes are overlapping "
    "for the same event type."
)


def rules(*pairs):
    """A filter of (name, value) pairs."""
    return NotificationConfigurationFilter(key=S3KeyFilter(filter_rules=[FilterRule(name=n, value=v) for n, v in pairs]))


def queue(*events, arn=HOOK, id=None, **filters):  # noqa: A002
    return QueueConfiguration(
        id=id, queue_arn=arn, events=list(events) or ["s3:ObjectCreated:*"], filter=rules(*filters.items()) if filters else None
    )


def check(*queues, declared=DECLARED, validate=True, **more):
    numbers = itertools.count(1)
    configuration = NotificationConfiguration(queue_configurations=list(queues) or None, **more)
    return check_configuration(
        configuration, declared, validate_destinations=validate, new_id=lambda: f"id-{next(numbers)}"
    )


def refusal(*queues, **more):
    with pytest.raises(S3Fault) as caught:
        check(*queues, **more)
    fault = caught.value
    assert (fault.code, fault.status) == ("InvalidArgument", 400)
    return fault.message, dict(fault.fields)


# -- events ------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("s3:ObjectCreated:*", {f"ObjectCreated:{one}" for one in ("Put", "Post", "Copy", "CompleteMultipartUpload")}),
        ("s3:ObjectCreated:Put", {"ObjectCreated:Put"}),
        ("s3:ObjectCreated:Post", {"ObjectCreated:Post"}),
        ("s3:ObjectCreated:Copy", {"ObjectCreated:Copy"}),
        ("s3:ObjectCreated:CompleteMultipartUpload", {"ObjectCreated:CompleteMultipartUpload"}),
        ("s3:ObjectRemoved:*", {"ObjectRemoved:Delete", "ObjectRemoved:DeleteMarkerCreated"}),
        ("s3:ObjectRemoved:Delete", {"ObjectRemoved:Delete"}),
        ("s3:ObjectRemoved:DeleteMarkerCreated", {"ObjectRemoved:DeleteMarkerCreated"}),
        ("s3:ObjectTagging:*", {"ObjectTagging:Put", "ObjectTagging:Delete"}),
        ("s3:ObjectAcl:Put", {"ObjectAcl:Put"}),
        ("s3:LifecycleExpiration:*", {"LifecycleExpiration:Delete", "LifecycleExpiration:DeleteMarkerCreated"}),
        ("s3:LifecycleTransition", {"LifecycleTransition"}),
        ("s3:ObjectRestore:*", {"ObjectRestore:Post", "ObjectRestore:Completed", "ObjectRestore:Delete"}),
        ("s3:ReducedRedundancyLostObject", {"ReducedRedundancyLostObject"}),
    ],
)
def test_events_meant(name, meant):
    assert events_meant(name) == meant <= EVENTS


@pytest.mark.parametrize(
    "name",
    ["", "s3:*", "s3:ObjectCreated", "ObjectCreated:Put", "s3:objectcreated:put", "s3:ObjectCreated:*:*", "s3:ObjectAcl:*", "x"],
)
def test_unknown_events_are_refused_with_their_name(name):
    message, fields = refusal(queue(name))
    assert message == "A specified event is not supported for notifications."
    assert fields == {"ArgumentName": "Event", "ArgumentValue": name}


def test_all_names_of_aws_are_known():
    """botocore's model is the oracle."""
    import botocore.session

    shape = botocore.session.get_session().get_service_model("s3").shape_for("Event")
    for name in shape.enum:
        assert events_meant(name)


# -- ARNs --------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arn", "name"),
    [
        ("arn:dolmen:sqs:us-east-1:000000000000:hook", "hook"),
        ("arn:aws:sqs:us-east-1:123456789012:hook", "hook"),
        ("arn:aws:sns:::hook", "hook"),
        ("arn:aws:sns:eu-west-1:123456789012:my_topic-1", "my_topic-1"),
        ("arn:aws:lambda:us-east-1:123456789012:function:hook", "hook"),
        ("arn:aws:lambda:us-east-1:123456789012:function:hook:PROD", "hook"),
        ("arn:minio:sqs::hook:webhook", "hook"),
        ("arn:minio:sqs:us-east-1:hook:webhook", "hook"),
        ("arn:aws-cn:sqs:cn-north-1:123456789012:hook", "hook"),
        # Kinds that are not there yet: no name, so that nothing declared matches.
        ("arn:minio:sqs::hook:kafka", ""),
        ("arn:minio:sqs::hook:nats", ""),
        ("arn:minio:sqs::hook:amqp", ""),
        ("arn:aws:kafka:us-east-1:123456789012:hook", ""),
        ("arn:aws:events:us-east-1:123456789012:event-bus/default", ""),
        ("arn:aws:sqs:us-east-1:123456789012:a/b", ""),
    ],
)
def test_target_of_arn(arn, name):
    assert target_of_arn(arn) == name


@pytest.mark.parametrize("arn", ["", "hook", "arn", "arn:aws:sqs", "arn:aws:sqs:::", "urn:aws:sqs:r:a:hook", "arn::sqs:r:a:hook"])
def test_arns_that_are_none(arn):
    assert refusal(queue(arn=arn)) == ("The ARN is not well formed", {"ArgumentName": "ARN", "ArgumentValue": arn})


@pytest.mark.parametrize(
    ("name", "good"),
    [("a", True), ("A-b_9", True), ("x" * 64, True), ("", False), ("x" * 65, False), ("-a", False), ("a:b", False)],
)
def test_target_names(name, good):
    assert is_target_name(name) is good


# -- destinations ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "why"),
    [
        ("topic_configurations", "The destination topic does not exist"),
        ("queue_configurations", "The destination queue does not exist"),
        ("lambda_function_configurations", "Not authorized to invoke function [arn:aws:lambda:r:1:function:away]"),
    ],
)
def test_unknown_destinations(kind, why):
    arns = {
        "topic_configurations": "arn:aws:sns:r:1:away",
        "queue_configurations": "arn:minio:sqs::hook:kafka",
        "lambda_function_configurations": "arn:aws:lambda:r:1:function:away",
    }
    makers = {
        "topic_configurations": lambda arn: TopicConfiguration(topic_arn=arn, events=["s3:ObjectCreated:*"]),
        "queue_configurations": lambda arn: QueueConfiguration(queue_arn=arn, events=["s3:ObjectCreated:*"]),
        "lambda_function_configurations": lambda arn: LambdaFunctionConfiguration(
            lambda_function_arn=arn, events=["s3:ObjectCreated:*"]
        ),
    }
    arn = arns[kind]
    given = NotificationConfiguration(**{kind: [makers[kind](arn)]})
    with pytest.raises(S3Fault) as caught:
        check_configuration(given, DECLARED, validate_destinations=True, new_id=str)
    assert caught.value.message == "Unable to validate the following destination configurations"
    assert caught.value.fields == (("ArgumentName1", f"{arn}, null"), ("ArgumentValue1", why))


def test_every_unknown_destination_is_told():
    arns = ["arn:aws:sqs:r:1:away", HOOK, "arn:aws:sqs:r:1:gone"]
    events = ["s3:ObjectCreated:Put", "s3:ObjectCreated:Post", "s3:ObjectCreated:Copy"]
    _, fields = refusal(*(queue(event, arn=arn) for event, arn in zip(events, arns, strict=True)))
    assert [fields["ArgumentName1"], fields["ArgumentName2"]] == [f"{arns[0]}, null", f"{arns[2]}, null"]
    assert len(fields) == 4


def test_validation_can_be_skipped_but_the_form_cannot():
    arn = "arn:aws:sqs:r:1:away"
    assert check(queue(arn=arn), validate=False).queue_configurations[0].queue_arn == arn
    assert refusal(queue(arn="away"), validate=False)[0] == "The ARN is not well formed"
    assert refusal(queue("s3:Nothing"), validate=False)[0] == "A specified event is not supported for notifications."


def test_eventbridge_must_be_declared():
    bridge = EventBridgeConfiguration()
    message, fields = refusal(event_bridge_configuration=bridge)
    assert message == "Unable to validate the following destination configurations"
    assert fields["ArgumentName1"] == "EventBridge, null"
    assert check(event_bridge_configuration=bridge, declared={"eventbridge"}).event_bridge_configuration is not None


# -- ids, filters ------------------------------------------------------------------------------------------------------------


def test_ids_are_filled_in_and_kept():
    checked = check(queue("s3:ObjectCreated:*"), queue("s3:ObjectRemoved:*", id="mine"))
    assert [one.id for one in checked.queue_configurations] == ["id-1", "mine"]


def test_ids_are_unique_over_all_kinds():
    topic = TopicConfiguration(id="same", topic_arn=HOOK, events=["s3:ObjectRemoved:*"])
    message, fields = refusal(queue(id="same"), topic_configurations=[topic])
    assert message == "Same ID used for multiple configurations. IDs must be unique"
    assert fields["ArgumentValue"] == "same"


def test_long_ids():
    assert check(queue(id="x" * ID_CHARACTERS_MAX))
    assert "longer than 255" in refusal(queue(id="x" * (ID_CHARACTERS_MAX + 1)))[0]


def test_number_of_configurations():
    def many(count):
        return [queue(id=str(number), prefix=f"{number:04d}/") for number in range(count)]

    assert len(check(*many(CONFIGURATIONS_MAX)).queue_configurations) == CONFIGURATIONS_MAX
    assert "more than 100" in refusal(*many(CONFIGURATIONS_MAX + 1))[0]


@pytest.mark.parametrize("name", ["prefix", "Prefix", "PREFIX", "suffix", "Suffix"])
def test_filter_names_are_shown_as_aws_shows_them(name):
    (shown,) = check(queue(**{name: "a/"})).queue_configurations[0].filter.key.filter_rules
    assert (shown.name, shown.value) == (name.capitalize(), "a/")


@pytest.mark.parametrize(
    ("pairs", "message"),
    [
        ([("infix", "a")], "filter rule name must be either prefix or suffix"),
        ([(None, "a")], "filter rule name must be either prefix or suffix"),
        ([("prefix", "a"), ("Prefix", "b")], "Cannot specify more than one prefix rule in a filter."),
        ([("suffix", "a"), ("suffix", "a")], "Cannot specify more than one suffix rule in a filter."),
        (
            [("prefix", "é" * (FILTER_BYTES_MAX // 2) + "x")],
            "Size of filter rule value cannot exceed 1024 bytes in UTF-8 representation",
        ),
    ],
)
def test_filters_that_are_refused(pairs, message):
    one = queue()
    one.filter = rules(*pairs)
    assert refusal(one)[0] == message


def test_an_empty_filter_is_none():
    one = queue()
    one.filter = NotificationConfigurationFilter(key=S3KeyFilter())
    assert check(one).queue_configurations[0].filter is None


@pytest.mark.parametrize(
    ("given", "empty"),
    [
        (NotificationConfiguration(), True),
        (NotificationConfiguration(queue_configurations=[]), True),
        (NotificationConfiguration(event_bridge_configuration=EventBridgeConfiguration()), False),
        (NotificationConfiguration(queue_configurations=[queue()]), False),
    ],
)
def test_is_empty(given, empty):
    assert is_empty(given) is empty


# -- overlaps ----------------------------------------------------------------------------------------------------------------


def test_the_same_event_twice():
    message, fields = refusal(queue("s3:ObjectRemoved:*"), queue("s3:ObjectCreated:*", "s3:ObjectRemoved:Delete", arn=OTHER))
    assert message == OVERLAP
    assert fields == {"ArgumentName": "Event", "ArgumentValue": "s3:ObjectRemoved:*, s3:ObjectRemoved:Delete"}


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ({"prefix": "images/"}, {}),
        ({"prefix": "images/"}, {"prefix": "images/"}),
        ({"prefix": "images/"}, {"prefix": "images/2024/"}),
        ({"prefix": "images/"}, {"suffix": ".jpg"}),
        ({"suffix": ".jpg"}, {"suffix": "jpg"}),
        ({"prefix": "a", "suffix": ".jpg"}, {"prefix": "ab", "suffix": ".jpg"}),
    ],
)
def test_overlapping_filters(first, second):
    assert refusal(queue(**first), queue(arn=OTHER, **second))[0] == AMBIGUOUS
    assert check(queue("s3:ObjectCreated:Put", **first), queue("s3:ObjectCreated:Post", arn=OTHER, **second))


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ({"prefix": "images/"}, {"prefix": "logs/"}),
        ({"suffix": ".jpg"}, {"suffix": ".png"}),
        ({"prefix": "a/", "suffix": ".jpg"}, {"prefix": "a/", "suffix": ".png"}),
        ({"prefix": "a/", "suffix": ".jpg"}, {"prefix": "b/", "suffix": ".jpg"}),
    ],
)
def test_filters_apart(first, second):
    assert check(queue(**first), queue(arn=OTHER, **second))


_TEXT = st.text(alphabet="ab", max_size=3)


@given(_TEXT, _TEXT, _TEXT, _TEXT, st.text(alphabet="ab", max_size=8))
def test_no_key_is_told_twice(prefix, suffix, other_prefix, other_suffix, key):
    """What is accepted never gives two listeners for one event of one key."""
    try:
        checked = check(
            queue(prefix=prefix, suffix=suffix, id="1"), queue(arn=OTHER, prefix=other_prefix, suffix=other_suffix, id="2")
        )
    except S3Fault:
        return
    assert len(compile_rules(checked).listeners("ObjectCreated:Put", key, DECLARED)) <= 1


# -- who hears ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("key", "hears"),
    [("a/x.jpg", True), ("a/.jpg", True), ("a/x.png", False), ("b/x.jpg", False), ("a.jpg", False), ("A/x.jpg", False)],
)
def test_prefix_and_suffix(key, hears):
    compiled = compile_rules(check(queue("s3:ObjectCreated:*", prefix="a/", suffix=".jpg", id="mine")))
    assert compiled.listeners("ObjectCreated:Copy", key, DECLARED) == ((Listener("hook", "mine"),) if hears else ())
    assert compiled.listeners("ObjectRemoved:Delete", key, DECLARED) == ()


def test_only_declared_targets_hear():
    compiled = compile_rules(check(queue(id="mine")))
    assert compiled.listeners("ObjectCreated:Put", "k", DECLARED)
    assert compiled.listeners("ObjectCreated:Put", "k", {"other"}) == ()


def test_a_rule_without_a_target_never_hears():
    compiled = compile_rules(check(queue(arn="arn:minio:sqs::hook:kafka"), validate=False))
    assert compiled.listeners("ObjectCreated:Put", "k", DECLARED) == ()


def test_eventbridge_hears_everything():
    declared = {"hook", "eventbridge"}
    compiled = compile_rules(
        check(queue(id="mine", prefix="a/"), event_bridge_configuration=EventBridgeConfiguration(), declared=declared)
    )
    assert compiled.listeners("ObjectTagging:Put", "b", declared) == (Listener("eventbridge", ""),)
    assert compiled.listeners("ObjectCreated:Put", "a/b", declared) == (Listener("hook", "mine"), Listener("eventbridge", ""))
    assert compiled.listeners("ObjectTagging:Put", "b", {"hook"}) == ()


@given(st.text(alphabet=string.ascii_lowercase + "/.é", max_size=12), _TEXT, _TEXT)
def test_matching_is_prefix_and_suffix(key, prefix, suffix):
    compiled = compile_rules(check(queue(prefix=prefix, suffix=suffix)))
    assert bool(compiled.listeners("ObjectCreated:Put", key, DECLARED)) == (key.startswith(prefix) and key.endswith(suffix))


# -- the deprecated form -----------------------------------------------------------------------------------------------------


def test_from_deprecated():
    found = from_deprecated(
        NotificationConfigurationDeprecated(
            topic_configuration=TopicConfigurationDeprecated(id="t", topic="arn:aws:sns:::hook", events=["s3:ObjectCreated:*"]),
            queue_configuration=QueueConfigurationDeprecated(queue=HOOK, events=["s3:ObjectRemoved:*"]),
            cloud_function_configuration=CloudFunctionConfiguration(
                cloud_function="arn:aws:lambda:r:1:function:hook", events=["s3:ObjectTagging:*"]
            ),
        )
    )
    compiled = compile_rules(found)
    assert [rule.target for rule in compiled.rules] == ["hook"] * 3
    assert is_empty(from_deprecated(NotificationConfigurationDeprecated()))
