"""A lifecycle configuration as clients write it, checked, and told again. Pure.

https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutBucketLifecycleConfiguration.html and
https://docs.aws.amazon.com/AmazonS3/latest/userguide/intro-lifecycle-rules.html; the order of the checks and the texts are those
of S3's answers.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence

from dolmen.gateway.lifecycle.records import (
    COLDNESS,
    INFREQUENT_ACCESS,
    TRANSITION_CLASSES,
    Filter,
    Form,
    Lifecycle,
    NoncurrentExpiration,
    NoncurrentTransition,
    Rule,
    Transition,
)
from dolmen.gateway.s3.dates import iso_second
from dolmen.gateway.s3.fault import S3Fault
from dolmen.gateway.s3.model import inputs_generated as given

RULES_MAX = 1000  # S3's limit: bounds the row of the bucket and the work for each object
ID_CHARACTERS_MAX = 255
PREFIX_BYTES_MAX = 1024  # as long as the longest key
DAYS_MAX = 2**31 - 1  # S3's schema has 32 bits
NEWER_MAX = 100  # newer noncurrent versions that a rule may keep
SIZE_MAX = 1_099_511_627_776_000  # bytes, as S3's own text says
INFREQUENT_ACCESS_DAYS_MIN = 30
TAGS_MAX = 10  # an object has no more
DAY_US = 86_400_000_000  # dates are at midnight whatever the lifecycle's clock does


def _malformed() -> S3Fault:
    return S3Fault("MalformedXML")


def _refused(message: str) -> S3Fault:
    return S3Fault("InvalidRequest", message)


def _argument(message: str, name: str = "", value: object = "") -> S3Fault:
    fields = (("ArgumentName", name), ("ArgumentValue", str(value))) if name else ()
    return S3Fault("InvalidArgument", message, fields=fields)


def checked(rules: Sequence[given.LifecycleRule], minimum_size: str, make_id: Callable[[], str]) -> Lifecycle:
    """The configuration to keep; rules without an id get one from ``make_id``.

    Raises MalformedXML, InvalidRequest, InvalidArgument.
    """
    if not rules:
        raise _malformed()
    if len(rules) > RULES_MAX:
        raise _refused(f"The number of lifecycle rules must not exceed the allowed limit of {RULES_MAX} rules")
    _check_ids([rule.id or "" for rule in rules])
    is_second = rules[0].filter is not None  # the first rule says which version of the API this is
    made = tuple(_rule(rule, is_second, make_id) for rule in rules)
    if not is_second:
        _check_overlaps(made)
    return Lifecycle(rules=made, minimum_size=minimum_size)


def _check_ids(ids: list[str]) -> None:
    written = [identifier for identifier in ids if identifier]
    for identifier in written:
        if len(identifier) > ID_CHARACTERS_MAX:
            raise _argument(f"ID length should not exceed allowed limit of {ID_CHARACTERS_MAX}", "ID", identifier)
    if len(set(written)) != len(written):
        twice = next(identifier for identifier in written if written.count(identifier) > 1)
        raise _argument("Rule ID must be unique. Found same ID for more than one rule", "ID", twice)


def _rule(rule: given.LifecycleRule, is_second: bool, make_id: Callable[[], str]) -> Rule:
    where = _filter(rule, is_second)
    expire_days, expire_date_us, remove_markers = _expiration(rule.expiration)
    made = Rule(
        id=rule.id or make_id(),
        is_enabled=rule.status == "Enabled",
        filter=where,
        expire_days=expire_days,
        expire_date_us=expire_date_us,
        remove_markers=remove_markers,
        transitions=tuple(_transition(one) for one in rule.transitions or ()),
        noncurrent_expiration=_noncurrent_expiration(rule.noncurrent_version_expiration, is_second),
        noncurrent_transitions=tuple(
            _noncurrent_transition(one, is_second) for one in rule.noncurrent_version_transitions or ()
        ),
        abort_days=_abort_days(rule.abort_incomplete_multipart_upload),
    )
    if not _actions(made):
        raise _refused("At least one action needs to be specified in a rule")
    _check_filter_suits(made)
    _check_times(made)
    return made


# -- which objects -----------------------------------------------------------------------------------------------------------


def _filter(rule: given.LifecycleRule, is_second: bool) -> Filter:
    if rule.prefix is None and rule.filter is None:
        raise _malformed()
    if is_second and rule.prefix is not None:
        raise _refused("Base level prefix cannot be used in Lifecycle V2, prefixes are only supported in the Filter.")
    if rule.filter is None:
        return _check_filter(Filter(form=Form.PREFIX, prefix=rule.prefix))
    if not is_second:
        raise _refused("Filter element can only be used in Lifecycle V2.")
    found, both = rule.filter, rule.filter.and_
    members = (found.prefix, found.tag, found.object_size_greater_than, found.object_size_less_than, both)
    if sum(member is not None for member in members) > 1:
        raise _malformed()
    if both is None:
        tag = () if found.tag is None else (_tag(found.tag),)
        return _check_filter(
            Filter(
                prefix=found.prefix,
                tags=tag,
                size_greater=found.object_size_greater_than,
                size_less=found.object_size_less_than,
            )
        )
    if both.prefix is None and not both.tags and both.object_size_greater_than is None and both.object_size_less_than is None:
        raise _malformed()
    return _check_filter(
        Filter(
            form=Form.AND,
            prefix=both.prefix,
            tags=tuple(_tag(tag) for tag in both.tags or ()),
            size_greater=both.object_size_greater_than,
            size_less=both.object_size_less_than,
        )
    )


def _tag(tag: given.Tag) -> tuple[str, str]:
    if not tag.key or tag.value is None:
        raise _malformed()
    return tag.key, tag.value


def _check_filter(found: Filter) -> Filter:
    if len((found.prefix or "").encode()) > PREFIX_BYTES_MAX:
        raise _refused(f"The maximum size of a prefix is {PREFIX_BYTES_MAX}.")
    if len(found.tags) > TAGS_MAX:
        raise _refused(f"The number of tags in a filter must not exceed {TAGS_MAX}.")
    if len(dict(found.tags)) != len(found.tags):
        raise _refused("Duplicate Tag Keys are not allowed.")
    greater, less = found.size_greater, found.size_less
    if greater is not None and not 0 <= greater <= SIZE_MAX:
        raise _refused(f"'ObjectSizeGreaterThan' should be between 0 and {SIZE_MAX}.")
    if less is not None and not 1 <= less <= SIZE_MAX:
        raise _refused(f"'ObjectSizeLessThan' should be between 1 and {SIZE_MAX}.")
    if greater is not None and less is not None and less <= greater:
        raise _refused("'ObjectSizeLessThan' has to be a value greater than 'ObjectSizeGreaterThan'.")
    return found


def _check_filter_suits(rule: Rule) -> None:
    """Delete markers and uploads have neither tags nor a size."""
    for is_set, action in (
        (rule.remove_markers is not None, "ExpiredObjectDeleteMarker"),
        (rule.abort_days is not None, "AbortIncompleteMultipartUpload"),
    ):
        if is_set and rule.filter.tags:
            raise _refused(f"{action} cannot be specified with Tags.")
        if is_set and rule.filter.has_sizes:
            raise _refused(f"{action} cannot be specified with Object Size.")


def _told(where: Filter) -> str:
    """A filter as S3's texts name it."""
    if where.form is Form.PREFIX:
        return f"prefix '{where.prefix or ''}'"
    parts = [f"prefix={where.prefix or ''}"] if where.prefix is not None or not where.tags else []
    parts += [f"tag: key={key}, value={value}" for key, value in where.tags]
    return f"filter '({' and '.join(parts)})'"


# -- what is done ------------------------------------------------------------------------------------------------------------


def _days(days: int | None, message: str, minimum: int, name: str = "Days") -> int:
    if days is None or days > DAYS_MAX:
        raise _malformed()
    if days < minimum:
        raise _argument(message, name, days)
    return days


def _date(date_us: int) -> int:
    if date_us % DAY_US:
        raise _argument("'Date' must be at midnight GMT", "Date", iso_second(date_us))
    return date_us


def _expiration(found: given.LifecycleExpiration | None) -> tuple[int | None, int | None, bool | None]:
    """(days, date, markers): exactly one of them in an Expiration that is there."""
    if found is None:
        return None, None, None
    days, date_us, markers = found.days, found.date, found.expired_object_delete_marker
    if sum(value is not None for value in (days, date_us, markers)) != 1:
        raise _malformed()
    if days is not None:
        days = _days(days, "'Days' for Expiration action must be a positive integer", 1)
    return days, None if date_us is None else _date(date_us), markers


def _storage_class(name: str | None) -> str:
    if name not in TRANSITION_CLASSES:
        raise _malformed()
    return name


def _transition(found: given.Transition) -> Transition:
    storage_class = _storage_class(found.storage_class)
    if (found.days is None) == (found.date is None):
        raise _malformed()
    if found.date is not None:
        return Transition(storage_class=storage_class, date_us=_date(found.date))
    days = _days(found.days, "'Days' in Transition action must be nonnegative", 0)
    if storage_class in INFREQUENT_ACCESS and days < INFREQUENT_ACCESS_DAYS_MIN:
        raise _argument(
            f"'Days' in Transition action must be greater than or equal to {INFREQUENT_ACCESS_DAYS_MIN} "
            f"for storageClass '{storage_class}'",
            "Days",
            days,
        )
    return Transition(storage_class=storage_class, days=days)


def _newer(found: int | None, is_second: bool) -> int | None:
    if found is None:
        return None
    if not is_second:
        raise _refused("NewerNoncurrentVersions element can only be used in Lifecycle V2.")
    if found < 1:
        raise _argument("'NewerNoncurrentVersions' must be a positive integer", "NewerNoncurrentVersions", found)
    if found > NEWER_MAX:
        raise _argument(
            f"'NewerNoncurrentVersions' must be less than or equal to {NEWER_MAX}", "NewerNoncurrentVersions", found
        )
    return found


def _noncurrent_expiration(
    found: given.NoncurrentVersionExpiration | None, is_second: bool
) -> NoncurrentExpiration | None:
    if found is None:
        return None
    days = _days(
        found.noncurrent_days,
        "'NoncurrentDays' for NoncurrentVersionExpiration action must be a positive integer",
        1,
        "NoncurrentDays",
    )
    return NoncurrentExpiration(days=days, newer=_newer(found.newer_noncurrent_versions, is_second))


def _noncurrent_transition(found: given.NoncurrentVersionTransition, is_second: bool) -> NoncurrentTransition:
    storage_class = _storage_class(found.storage_class)
    action = "NoncurrentVersionTransition action must be"
    days = _days(found.noncurrent_days, f"'NoncurrentDays' in {action} nonnegative", 0, "NoncurrentDays")
    if storage_class in INFREQUENT_ACCESS and days < INFREQUENT_ACCESS_DAYS_MIN:
        raise _argument(
            f"'NoncurrentDays' in {action} greater than or equal to {INFREQUENT_ACCESS_DAYS_MIN} "
            f"for storageClass '{storage_class}'",
            "NoncurrentDays",
            days,
        )
    newer = _newer(found.newer_noncurrent_versions, is_second)
    return NoncurrentTransition(storage_class=storage_class, days=days, newer=newer)


def _abort_days(found: given.AbortIncompleteMultipartUpload | None) -> int | None:
    if found is None:
        return None
    message = "'DaysAfterInitiation' for AbortIncompleteMultipartUpload action must be a positive integer"
    return _days(found.days_after_initiation, message, 1, "DaysAfterInitiation")


def _actions(rule: Rule) -> list[str]:
    """The kinds of action that a rule takes, as S3 names them."""
    taken = (
        (rule.expires or rule.remove_markers is not None, "Expiration"),
        (bool(rule.transitions), "Transition"),
        (rule.noncurrent_expiration is not None, "NoncurrentVersionExpiration"),
        (bool(rule.noncurrent_transitions), "NoncurrentVersionTransition"),
        (rule.abort_days is not None, "AbortIncompleteMultipartUpload"),
    )
    return [name for is_taken, name in taken if is_taken]


# -- times that belong together ----------------------------------------------------------------------------------------------


def _check_times(rule: Rule) -> None:
    told = _told(rule.filter)
    _check_classes("Transition", "Days", [(one.storage_class, one.days) for one in rule.transitions], told)
    _check_classes(
        "NoncurrentVersionTransition",
        "NoncurrentDays",
        [(one.storage_class, one.days) for one in rule.noncurrent_transitions],
        told,
    )
    days = [one.days for one in rule.transitions if one.days is not None]
    dates = [one.date_us for one in rule.transitions if one.date_us is not None]
    if days and dates:
        raise _refused(f"Found mixed 'Date' and 'Days' based Transition actions in lifecycle rule for {told}")
    if (days and rule.expire_date_us is not None) or (dates and rule.expire_days is not None):
        raise _refused(f"Found mixed 'Date' and 'Days' based Expiration and Transition actions in lifecycle rule for {told}")
    if days and rule.expire_days is not None and rule.expire_days <= max(days):
        raise _argument(f"'Days' in the Expiration action for {told} must be greater than 'Days' in the Transition action")
    if dates and rule.expire_date_us is not None and rule.expire_date_us <= max(dates):
        raise _argument(f"'Date' in the Expiration action for {told} must be later than 'Date' in the Transition action")
    coldest = max((one.days for one in rule.noncurrent_transitions), default=-1)
    if rule.noncurrent_expiration is not None and rule.noncurrent_expiration.days <= coldest:
        raise _argument(
            f"'NoncurrentDays' in the NoncurrentVersionExpiration action for {told} must be greater than "
            "'NoncurrentDays' in the NoncurrentVersionTransition action"
        )


def _check_classes(action: str, unit: str, moves: list[tuple[str, int | None]], told: str) -> None:
    """Every class once, and colder ones later."""
    classes = [storage_class for storage_class, _ in moves]
    if len(set(classes)) != len(classes):
        raise _refused(f"'StorageClass' must be different for '{action}' actions in same 'Rule' with {told}")
    by_coldness = sorted(moves, key=lambda move: COLDNESS[move[0]])
    for (warm, earlier), (cold, later) in itertools.pairwise(by_coldness):
        if earlier is not None and later is not None and later <= earlier:
            raise _argument(
                f"'{unit}' in the '{action}' action with StorageClass '{cold}' for {told} must be greater than "
                f"'{unit}' in the '{action}' action with StorageClass '{warm}'"
            )


def _check_overlaps(rules: Sequence[Rule]) -> None:
    """The first version of the API knows no precedence: prefixes of one kind of action must not overlap."""
    by_action: dict[str, list[str]] = {}
    for rule in rules:
        for action in _actions(rule):
            by_action.setdefault(action, []).append(rule.filter.prefix or "")
    for action, prefixes in by_action.items():
        prefixes.sort()
        for shorter, longer in itertools.pairwise(prefixes):  # a prefix of any is a prefix of the next one
            if longer.startswith(shorter):
                raise _refused(f"Found overlapping prefixes '{shorter}' and '{longer}' for same action type '{action}'")


# -- told again --------------------------------------------------------------------------------------------------------------


def told_rules(lifecycle: Lifecycle) -> list[given.LifecycleRule]:
    """The rules as GetBucketLifecycleConfiguration tells them: as they were written."""
    return [_told_rule(rule) for rule in lifecycle.rules]


def _told_rule(rule: Rule) -> given.LifecycleRule:
    expiration = None
    if rule.expires or rule.remove_markers is not None:
        expiration = given.LifecycleExpiration(
            date=rule.expire_date_us, days=rule.expire_days, expired_object_delete_marker=rule.remove_markers
        )
    noncurrent, abort = None, None
    if rule.noncurrent_expiration is not None:
        noncurrent = given.NoncurrentVersionExpiration(
            noncurrent_days=rule.noncurrent_expiration.days,
            newer_noncurrent_versions=rule.noncurrent_expiration.newer,
        )
    if rule.abort_days is not None:
        abort = given.AbortIncompleteMultipartUpload(days_after_initiation=rule.abort_days)
    return given.LifecycleRule(
        id=rule.id,
        status="Enabled" if rule.is_enabled else "Disabled",
        prefix=rule.filter.prefix if rule.filter.form is Form.PREFIX else None,
        filter=_told_filter(rule.filter),
        expiration=expiration,
        transitions=[
            given.Transition(date=one.date_us, days=one.days, storage_class=one.storage_class) for one in rule.transitions
        ],
        noncurrent_version_transitions=[
            given.NoncurrentVersionTransition(
                noncurrent_days=one.days, storage_class=one.storage_class, newer_noncurrent_versions=one.newer
            )
            for one in rule.noncurrent_transitions
        ],
        noncurrent_version_expiration=noncurrent,
        abort_incomplete_multipart_upload=abort,
    )


def _told_filter(where: Filter) -> given.LifecycleRuleFilter | None:
    if where.form is Form.PREFIX:
        return None
    tags = [given.Tag(key=key, value=value) for key, value in where.tags]
    if where.form is Form.AND:
        return given.LifecycleRuleFilter(
            and_=given.LifecycleRuleAndOperator(
                prefix=where.prefix,
                tags=tags,
                object_size_greater_than=where.size_greater,
                object_size_less_than=where.size_less,
            )
        )
    return given.LifecycleRuleFilter(
        prefix=where.prefix,
        tag=tags[0] if tags else None,
        object_size_greater_than=where.size_greater,
        object_size_less_than=where.size_less,
    )
