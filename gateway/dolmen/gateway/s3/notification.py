"""Notification configurations: which events of which keys go to which target.

Pure. Names of events are kept without their ``s3:``. Sources:
https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutBucketNotificationConfiguration.html
https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-how-to-event-types-and-destinations.html
https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-how-to-filtering.html
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Collection
from typing import NamedTuple, TypeVar

import msgspec

from dolmen.gateway.s3.fault import S3Fault
from dolmen.gateway.s3.model.inputs_generated import (
    FilterRule,
    LambdaFunctionConfiguration,
    NotificationConfiguration,
    NotificationConfigurationDeprecated,
    NotificationConfigurationFilter,
    QueueConfiguration,
    S3KeyFilter,
    TopicConfiguration,
)

CONFIGURATIONS_MAX = 100  # AWS's limit for a bucket; bounds the work of each write of the bucket too
ID_CHARACTERS_MAX = 255  # AWS's limit
FILTER_BYTES_MAX = 1024  # AWS's limit: no key is longer
EVENTBRIDGE = "eventbridge"  # the target that EventBridgeConfiguration means

# Events by family; those of the second half are AWS's names that may be configured and never happen here.
_FAMILIES: dict[str, tuple[str, ...]] = {
    "ObjectCreated": ("Put", "Post", "Copy", "CompleteMultipartUpload"),
    "ObjectRemoved": ("Delete", "DeleteMarkerCreated"),
    "ObjectTagging": ("Put", "Delete"),
    "ObjectAcl": ("Put",),
    "LifecycleExpiration": ("Delete", "DeleteMarkerCreated"),
    "ObjectRestore": ("Post", "Completed", "Delete"),
    "ObjectRetention": ("Put",),
    "ObjectAnnotation": ("Put", "Delete"),
    "Replication": (
        "OperationFailedReplication",
        "OperationNotTracked",
        "OperationMissedThreshold",
        "OperationReplicatedAfterThreshold",
    ),
}
_SINGLE = ("LifecycleTransition", "IntelligentTiering", "ReducedRedundancyLostObject")
_NO_WILDCARD = frozenset({"ObjectAcl", "ObjectRetention"})  # families of one, which AWS names in full only

EVENTS = frozenset(f"{family}:{name}" for family, names in _FAMILIES.items() for name in names) | frozenset(_SINGLE)

# What may be written in <Event>, with the events that it means.
_MEANT: dict[str, frozenset[str]] = {f"s3:{name}": frozenset({name}) for name in EVENTS}
_MEANT |= {
    f"s3:{family}:*": frozenset(f"{family}:{name}" for name in names)
    for family, names in _FAMILIES.items()
    if family not in _NO_WILDCARD
}

_ARN_PARTS = 6  # arn:partition:service:region:account:resource
_SERVICES = frozenset({"sqs", "sns", "lambda"})  # of destinations that AWS knows
_TARGET_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}", re.ASCII)

Destination = TopicConfiguration | QueueConfiguration | LambdaFunctionConfiguration
T = TypeVar("T", TopicConfiguration, QueueConfiguration, LambdaFunctionConfiguration)


class Rule(NamedTuple):
    """One configuration, ready to be asked."""

    events: frozenset[str]
    prefix: str
    suffix: str
    target: str  # "" when its ARN names nothing that could be declared here
    configuration_id: str

    def wants(self, event: str, key: str) -> bool:
        return event in self.events and key.startswith(self.prefix) and key.endswith(self.suffix)


class Listener(NamedTuple):
    """Who is told of an event."""

    target: str
    configuration_id: str  # "" for EventBridge, whose events name none


class Rules(NamedTuple):
    """The compiled configuration of a bucket."""

    rules: tuple[Rule, ...]
    eventbridge: bool

    def listeners(self, event: str, key: str, declared: Collection[str]) -> tuple[Listener, ...]:
        """The declared targets that want ``event`` (without ``s3:``) of ``key``."""
        found = [
            Listener(rule.target, rule.configuration_id)
            for rule in self.rules
            if rule.target in declared and rule.wants(event, key)
        ]
        if self.eventbridge and EVENTBRIDGE in declared:
            found.append(Listener(EVENTBRIDGE, ""))
        return tuple(found)


def events_meant(name: str) -> frozenset[str]:
    """The events that ``s3:ObjectCreated:*`` or one full name means. Raises InvalidArgument."""
    found = _MEANT.get(name)
    if found is None:
        raise _invalid("A specified event is not supported for notifications.", "Event", name)
    return found


def is_target_name(name: str) -> bool:
    """What a target may be called: it is a part of ARNs and of names in the metadata."""
    return _TARGET_NAME.fullmatch(name) is not None


def target_of_arn(arn: str) -> str:
    """The target that an ARN names, "" for services that are none of ours (Kafka, NATS, AMQP ...). Raises InvalidArgument.

    AWS's form ends in the name (``function:NAME[:QUALIFIER]`` for Lambda), MinIO's in ``NAME:webhook``.
    """
    parts = arn.split(":")
    if len(parts) < _ARN_PARTS or parts[0] != "arn" or not all((parts[1], parts[2], parts[5])):
        raise _invalid("The ARN is not well formed", "ARN", arn)
    partition, service, resource = parts[1], parts[2], parts[5:]
    if service not in _SERVICES:
        return ""
    if partition == "minio":
        name = parts[4] if resource == ["webhook"] else ""
    elif resource[0] == "function" and len(resource) > 1:
        name = resource[1]
    else:
        name = resource[0]
    return name if is_target_name(name) else ""


# -- a configuration as it comes ---------------------------------------------------------------------------------------------


def check_configuration(
    given: NotificationConfiguration, declared: Collection[str], *, validate_destinations: bool, new_id: Callable[[], str]
) -> NotificationConfiguration:
    """``given`` as it is stored and shown: ids filled in, filters spelled as AWS spells them.

    ``new_id`` makes the id of a configuration that has none. Raises InvalidArgument.
    """
    topics = [_checked(one, new_id) for one in given.topic_configurations or []]
    queues = [_checked(one, new_id) for one in given.queue_configurations or []]
    functions = [_checked(one, new_id) for one in given.lambda_function_configurations or []]
    every: list[Destination] = [*topics, *queues, *functions]
    if len(every) > CONFIGURATIONS_MAX:
        raise S3Fault("InvalidArgument", f"A bucket cannot have more than {CONFIGURATIONS_MAX} notification configurations.")
    _check_ids(every)
    _check_overlaps([_rule(one) for one in every], every)
    if validate_destinations:
        _check_destinations(every, given.event_bridge_configuration is not None, declared)
    return NotificationConfiguration(
        topic_configurations=topics or None,
        queue_configurations=queues or None,
        lambda_function_configurations=functions or None,
        event_bridge_configuration=given.event_bridge_configuration,
    )


def is_empty(configuration: NotificationConfiguration) -> bool:
    """It turns notifications off."""
    return not (
        configuration.topic_configurations
        or configuration.queue_configurations
        or configuration.lambda_function_configurations
        or configuration.event_bridge_configuration is not None
    )


def compile_rules(configuration: NotificationConfiguration) -> Rules:
    """The rules of a configuration that was checked."""
    every: list[Destination] = [
        *(configuration.topic_configurations or []),
        *(configuration.queue_configurations or []),
        *(configuration.lambda_function_configurations or []),
    ]
    return Rules(tuple(_rule(one) for one in every), configuration.event_bridge_configuration is not None)


def arn_of(one: Destination) -> str:
    match one:
        case TopicConfiguration():
            return one.topic_arn or ""
        case QueueConfiguration():
            return one.queue_arn or ""
        case _:
            return one.lambda_function_arn or ""


def _rule(one: Destination) -> Rule:
    events = frozenset(itertools.chain.from_iterable(events_meant(name) for name in one.events or []))
    values = {rule.name: rule.value or "" for rule in _filter_rules(one)}
    return Rule(events, values.get("Prefix", ""), values.get("Suffix", ""), target_of_arn(arn_of(one)), one.id or "")


def _filter_rules(one: Destination) -> list[FilterRule]:
    return (one.filter.key.filter_rules if one.filter is not None and one.filter.key is not None else None) or []


def _checked(one: T, new_id: Callable[[], str]) -> T:
    for name in one.events or []:
        events_meant(name)
    target_of_arn(arn_of(one))
    if one.id is not None and len(one.id) > ID_CHARACTERS_MAX:
        raise _invalid(f"The ID of a configuration cannot be longer than {ID_CHARACTERS_MAX} characters.", "Id", one.id)
    return msgspec.structs.replace(one, id=one.id or new_id(), filter=_checked_filter(_filter_rules(one)))


def _checked_filter(rules: list[FilterRule]) -> NotificationConfigurationFilter | None:
    """Names are taken in any case and shown as ``Prefix`` and ``Suffix``."""
    found: dict[str, str] = {}
    for rule in rules:
        name = (rule.name or "").capitalize()
        value = rule.value or ""
        if name not in {"Prefix", "Suffix"}:
            raise _invalid("filter rule name must be either prefix or suffix", "FilterRule.Name", rule.name or "")
        if name in found:
            raise _invalid(f"Cannot specify more than one {name.lower()} rule in a filter.", "FilterRule.Name", name.lower())
        if len(value.encode("utf-8", "surrogatepass")) > FILTER_BYTES_MAX:
            raise _invalid(
                f"Size of filter rule value cannot exceed {FILTER_BYTES_MAX} bytes in UTF-8 representation",
                "FilterRule.Value",
                value,
            )
        found[name] = value
    if not found:
        return None
    return NotificationConfigurationFilter(
        key=S3KeyFilter(filter_rules=[FilterRule(name=name, value=value) for name, value in found.items()])
    )


def _check_ids(every: list[Destination]) -> None:
    seen: set[str] = set()
    for one in every:
        if one.id in seen:
            raise _invalid("Same ID used for multiple configurations. IDs must be unique", "Id", one.id or "")
        seen.add(one.id or "")


def _check_overlaps(rules: list[Rule], every: list[Destination]) -> None:
    """No key may match two configurations of one event."""
    for (first, one), (second, other) in itertools.combinations(zip(rules, every, strict=True), 2):
        if first.events.isdisjoint(second.events) or not _share_keys(first, second):
            continue
        if any((first.prefix, first.suffix, second.prefix, second.suffix)):
            raise S3Fault(
                "InvalidArgument",
                "Configuration is ambiguously defined. Cannot have overlapping suffixes in two rules if the prefixes "
                "are overlapping for the same event type.",
            )
        shared = first.events & second.events
        named = [next(name for name in side.events or [] if events_meant(name) & shared) for side in (one, other)]
        raise _invalid(
            "Configurations overlap. Configurations on the same bucket cannot share a common event type.",
            "Event",
            ", ".join(named),
        )


def _share_keys(first: Rule, second: Rule) -> bool:
    prefixes = first.prefix.startswith(second.prefix) or second.prefix.startswith(first.prefix)
    return prefixes and (first.suffix.endswith(second.suffix) or second.suffix.endswith(first.suffix))


def _check_destinations(every: list[Destination], eventbridge: bool, declared: Collection[str]) -> None:
    """All destinations that are not there are told at once, as AWS does."""
    missing: list[tuple[str, str]] = []
    for one in every:
        arn = arn_of(one)
        if target_of_arn(arn) not in declared:
            missing.append((arn, _why_missing(one, arn)))
    if eventbridge and EVENTBRIDGE not in declared:
        missing.append(("EventBridge", f"No notification target is called {EVENTBRIDGE}"))
    if missing:
        fields = [
            (f"Argument{kind}{number}", text)
            for number, (arn, why) in enumerate(missing, 1)
            for kind, text in (("Name", f"{arn}, null"), ("Value", why))
        ]
        raise S3Fault("InvalidArgument", "Unable to validate the following destination configurations", fields=tuple(fields))


def _why_missing(one: Destination, arn: str) -> str:
    match one:
        case TopicConfiguration():
            return "The destination topic does not exist"
        case QueueConfiguration():
            return "The destination queue does not exist"
        case _:
            return f"Not authorized to invoke function [{arn}]"


def _invalid(message: str, name: str, value: str) -> S3Fault:
    return S3Fault("InvalidArgument", message, fields=(("ArgumentName", name), ("ArgumentValue", value)))


# -- the deprecated form -----------------------------------------------------------------------------------------------------


def from_deprecated(given: NotificationConfigurationDeprecated) -> NotificationConfiguration:
    """What PutBucketNotification sends: one configuration of each kind, without filters."""
    topic, queue, function = given.topic_configuration, given.queue_configuration, given.cloud_function_configuration
    return NotificationConfiguration(
        topic_configurations=[TopicConfiguration(id=topic.id, topic_arn=topic.topic, events=topic.events)] if topic else None,
        queue_configurations=[QueueConfiguration(id=queue.id, queue_arn=queue.queue, events=queue.events)] if queue else None,
        lambda_function_configurations=[
            LambdaFunctionConfiguration(id=function.id, lambda_function_arn=function.cloud_function, events=function.events)
        ]
        if function
        else None,
    )
