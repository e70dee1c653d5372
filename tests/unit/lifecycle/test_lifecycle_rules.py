"""Lifecycle configurations: what S3 accepts, what it refuses and with which words, and that they are told as they were written."""

import itertools

import msgspec
import pytest

from dolmen.gateway.lifecycle.records import ALL_CLASSES_128K, TRANSITION_CLASSES, Lifecycle
from dolmen.gateway.lifecycle.rules import checked, told_rules
from dolmen.gateway.s3.fault import S3Fault
from dolmen.gateway.s3.model.inputs_generated import BucketLifecycleConfiguration
from dolmen.gateway.s3.xml_in import parse_document, structure_reader

DATE = "2030-01-01T00:00:00Z"
LATER = "2031-01-01T00:00:00Z"
DAYS = "<Expiration><Days>9</Days></Expiration>"
EVERYTHING = "<Filter/>"


def parsed(rules):
    document = f"<LifecycleConfiguration>{rules}</LifecycleConfiguration>".encode()
    return structure_reader("BucketLifecycleConfiguration")(parse_document(document, "LifecycleConfiguration"))


def check(rules):
    numbers = itertools.count(1)
    return checked(parsed(rules).rules, ALL_CLASSES_128K, lambda: f"made-{next(numbers)}")


def rule(actions=DAYS, where=EVERYTHING, status="Enabled", more=""):
    return f"<Rule>{more}{where}<Status>{status}</Status>{actions}</Rule>"


def refusal(rules):
    with pytest.raises(S3Fault) as caught:
        check(rules)
    return caught.value


def move(when, storage_class):
    return f"<Transition>{when}<StorageClass>{storage_class}</StorageClass></Transition>"


def days(number):
    return f"<Days>{number}</Days>"


def noncurrent(number, newer="", storage_class=""):
    inner = f"<NoncurrentDays>{number}</NoncurrentDays>"
    if newer != "":
        inner += f"<NewerNoncurrentVersions>{newer}</NewerNoncurrentVersions>"
    if storage_class:
        return (
            f"<NoncurrentVersionTransition>{inner}<StorageClass>{storage_class}</StorageClass></NoncurrentVersionTransition>"
        )
    return f"<NoncurrentVersionExpiration>{inner}</NoncurrentVersionExpiration>"


TAG = "<Tag><Key>k</Key><Value>v</Value></Tag>"
MARKERS = "<Expiration><ExpiredObjectDeleteMarker>true</ExpiredObjectDeleteMarker></Expiration>"
ABORT = "<AbortIncompleteMultipartUpload><DaysAfterInitiation>3</DaysAfterInitiation></AbortIncompleteMultipartUpload>"

ACCEPTED = {
    "days": rule(),
    "a date": rule(f"<Expiration><Date>{DATE}</Date></Expiration>"),
    "a date in another zone that is midnight GMT": rule("<Expiration><Date>2030-01-01T02:00:00+02:00</Date></Expiration>"),
    "markers": rule(MARKERS),
    "markers that stay": rule(MARKERS.replace("true", "false")),
    "noncurrent": rule(noncurrent(1)),
    "noncurrent, newest kept": rule(noncurrent(1, 100)),
    "abort": rule(ABORT),
    "everything at once": rule(
        DAYS + move(days(0), "GLACIER") + noncurrent(9, 5) + noncurrent(0, 2, "DEEP_ARCHIVE") + ABORT
    ),
    "disabled": rule(status="Disabled"),
    "old prefix": rule(where="<Prefix>a/</Prefix>"),
    "old prefix of everything": rule(where="<Prefix></Prefix>"),
    "prefix": rule(where="<Filter><Prefix>a/</Prefix></Filter>"),
    "empty prefix": rule(where="<Filter><Prefix></Prefix></Filter>"),
    "tag": rule(where=f"<Filter>{TAG}</Filter>"),
    "larger": rule(where="<Filter><ObjectSizeGreaterThan>0</ObjectSizeGreaterThan></Filter>"),
    "smaller": rule(where="<Filter><ObjectSizeLessThan>1</ObjectSizeLessThan></Filter>"),
    "and": rule(
        where="<Filter><And><Prefix>a</Prefix><Tag><Key>k</Key><Value></Value></Tag><Tag><Key>l</Key><Value>v</Value></Tag>"
        "<ObjectSizeGreaterThan>5</ObjectSizeGreaterThan><ObjectSizeLessThan>6</ObjectSizeLessThan></And></Filter>"
    ),
    "and of one": rule(where="<Filter><And><Prefix>a</Prefix></And></Filter>"),
    "an id": rule(more="<ID>äöü 1</ID>"),
    "the longest id": rule(more=f"<ID>{'i' * 255}</ID>"),
    "two rules": rule(more="<ID>1</ID>") + rule(more="<ID>2</ID>"),
    "old prefixes beside each other": rule(where="<Prefix>a/</Prefix>") + rule(where="<Prefix>b/</Prefix>"),
    "old prefixes of different actions": rule(where="<Prefix>a/</Prefix>") + rule(ABORT, where="<Prefix>a/b</Prefix>"),
    "overlapping filters": rule() + rule(where="<Filter><Prefix>a</Prefix></Filter>"),
    "a waterfall": rule(
        "".join(
            move(days(number), name)
            for number, name in (
                (30, "STANDARD_IA"), (31, "INTELLIGENT_TIERING"), (60, "ONEZONE_IA"), (61, "GLACIER_IR"),
                (62, "GLACIER"), (63, "DEEP_ARCHIVE"),
            )
        )
    ),
    "a waterfall from below": rule(move(days(90), "GLACIER") + move(days(30), "STANDARD_IA")),
    "dates": rule(move(f"<Date>{DATE}</Date>", "GLACIER") + f"<Expiration><Date>{LATER}</Date></Expiration>"),
    "a thousand rules": "".join(rule(more=f"<ID>{number}</ID>") for number in range(1000)),
    "the longest prefix": rule(where=f"<Filter><Prefix>{'p' * 1024}</Prefix></Filter>"),
    "most days": rule(f"<Expiration>{days(2**31 - 1)}</Expiration>"),
}  # fmt: skip


@pytest.mark.parametrize("rules", ACCEPTED.values(), ids=ACCEPTED.keys())
def test_accepted_and_told_as_written(rules):
    written = parsed(rules).rules
    kept = check(rules)
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(kept), type=Lifecycle) == kept
    told = told_rules(kept)
    for one, other in zip(written, told, strict=True):
        one.id = one.id or other.id
        one.transitions = one.transitions or []
        one.noncurrent_version_transitions = one.noncurrent_version_transitions or []
        if one.filter is not None and one.filter.and_ is not None:
            one.filter.and_.tags = one.filter.and_.tags or []
    assert told == written


@pytest.mark.parametrize("storage_class", sorted(TRANSITION_CLASSES))
def test_every_class_may_be_the_target(storage_class):
    kept = check(rule(move(days(30), storage_class) + noncurrent(30, storage_class=storage_class)))
    assert kept.rules[0].transitions[0].storage_class == kept.rules[0].noncurrent_transitions[0].storage_class == storage_class


def test_rules_without_an_id_get_one():
    kept = check(rule(more="<ID></ID>") + rule() + rule(more="<ID>mine</ID>"))
    assert [one.id for one in kept.rules] == ["made-1", "made-2", "mine"]


MALFORMED = {
    "no rule": "",
    "no filter and no prefix": rule(where=""),
    "no status": "<Rule><Filter/>" + DAYS + "</Rule>",
    "another status": rule(status="enabled"),
    "two predicates without And": rule(where=f"<Filter><Prefix>a</Prefix>{TAG}</Filter>"),
    "And beside a predicate": rule(where="<Filter><Prefix>a</Prefix><And><Prefix>b</Prefix></And></Filter>"),
    "an empty And": rule(where="<Filter><And/></Filter>"),
    "a tag without a key": rule(where="<Filter><Tag><Key></Key><Value>v</Value></Tag></Filter>"),
    "a tag without a value": rule(where="<Filter><Tag><Key>k</Key></Tag></Filter>"),
    "an empty Expiration": rule("<Expiration/>"),
    "days and a date": rule(f"<Expiration><Days>1</Days><Date>{DATE}</Date></Expiration>"),
    "days and markers": rule(
        "<Expiration><Days>1</Days><ExpiredObjectDeleteMarker>true</ExpiredObjectDeleteMarker></Expiration>"
    ),
    "no date": rule("<Expiration><Date>2030-13-01T00:00:00Z</Date></Expiration>"),
    "no number": rule("<Expiration><Days>one</Days></Expiration>"),
    "more days than 32 bits": rule(f"<Expiration>{days(2**31)}</Expiration>"),
    "a transition without a class": rule("<Transition><Days>1</Days></Transition>"),
    "a transition to STANDARD": rule(move(days(1), "STANDARD")),
    "a transition to nowhere": rule(move(days(1), "GOLD")),
    "a transition without a time": rule(move("", "GLACIER")),
    "a transition with two times": rule(move(f"{days(1)}<Date>{DATE}</Date>", "GLACIER")),
    "a noncurrent transition without days": rule(
        "<NoncurrentVersionTransition><StorageClass>GLACIER</StorageClass></NoncurrentVersionTransition>"
    ),
    "an empty noncurrent expiration": rule("<NoncurrentVersionExpiration/>"),
    "newer versions without days": rule(
        "<NoncurrentVersionExpiration><NewerNoncurrentVersions>1</NewerNoncurrentVersions></NoncurrentVersionExpiration>"
    ),
    "an empty abort": rule("<AbortIncompleteMultipartUpload/>"),
}


@pytest.mark.parametrize("rules", MALFORMED.values(), ids=MALFORMED.keys())
def test_malformed(rules):
    fault = refusal(rules)
    assert (fault.status, fault.code) == (400, "MalformedXML")


INVALID = {
    "zero days": (rule("<Expiration><Days>0</Days></Expiration>"), "'Days' for Expiration action must be a positive integer"),
    "negative days": (rule("<Expiration><Days>-1</Days></Expiration>"), "'Days' for Expiration action must be a positive integer"),
    "a date in the day": (rule("<Expiration><Date>2030-01-01T12:00:00Z</Date></Expiration>"), "'Date' must be at midnight GMT"),
    "a date of a transition in the day": (
        rule(move("<Date>2030-01-01T00:00:01Z</Date>", "GLACIER")), "'Date' must be at midnight GMT"
    ),
    "a long id": (rule(more=f"<ID>{'i' * 256}</ID>"), "ID length should not exceed allowed limit of 255"),
    "an id twice": (
        rule(more="<ID>1</ID>") + rule(more="<ID>1</ID>"), "Rule ID must be unique. Found same ID for more than one rule"
    ),
    "negative days of a transition": (rule(move(days(-1), "GLACIER")), "'Days' in Transition action must be nonnegative"),
    "too soon for STANDARD_IA": (
        rule(move(days(29), "STANDARD_IA")),
        "'Days' in Transition action must be greater than or equal to 30 for storageClass 'STANDARD_IA'",
    ),
    "too soon for ONEZONE_IA": (
        rule(move(days(0), "ONEZONE_IA")),
        "'Days' in Transition action must be greater than or equal to 30 for storageClass 'ONEZONE_IA'",
    ),
    "noncurrent too soon for STANDARD_IA": (
        rule(noncurrent(29, storage_class="STANDARD_IA")),
        "'NoncurrentDays' in NoncurrentVersionTransition action must be greater than or equal to 30 for storageClass 'STANDARD_IA'",
    ),
    "zero noncurrent days": (
        rule(noncurrent(0)), "'NoncurrentDays' for NoncurrentVersionExpiration action must be a positive integer"
    ),
    "no newer version": (rule(noncurrent(1, 0)), "'NewerNoncurrentVersions' must be a positive integer"),
    "too many newer versions": (rule(noncurrent(1, 101)), "'NewerNoncurrentVersions' must be less than or equal to 100"),
    "zero days of an upload": (
        rule(ABORT.replace("3", "0")), "'DaysAfterInitiation' for AbortIncompleteMultipartUpload action must be a positive integer"
    ),
    "expired before it moves": (
        rule(DAYS + move(days(9), "GLACIER")),
        "'Days' in the Expiration action for filter '(prefix=)' must be greater than 'Days' in the Transition action",
    ),
    "expired before it moves, old prefix": (
        rule(DAYS + move(days(10), "GLACIER"), where="<Prefix>a</Prefix>"),
        "'Days' in the Expiration action for prefix 'a' must be greater than 'Days' in the Transition action",
    ),
    "a date before the move": (
        rule(f"<Expiration><Date>{DATE}</Date></Expiration>" + move(f"<Date>{LATER}</Date>", "GLACIER")),
        "'Date' in the Expiration action for filter '(prefix=)' must be later than 'Date' in the Transition action",
    ),
    "noncurrent gone before it moves": (
        rule(noncurrent(5) + noncurrent(5, storage_class="GLACIER")),
        ("'NoncurrentDays' in the NoncurrentVersionExpiration action for filter '(prefix=)' must be greater than "
        "'NoncurrentDays' in the NoncurrentVersionTransition action"),
    ),
    "colder before warm": (
        rule(move(days(40), "STANDARD_IA") + move(days(40), "GLACIER"), where=f"<Filter>{TAG}</Filter>"),
        ("'Days' in the 'Transition' action with StorageClass 'GLACIER' for filter '(tag: key=k, value=v)' must be greater than "
        "'Days' in the 'Transition' action with StorageClass 'STANDARD_IA'"),
    ),
    "noncurrent colder before warm": (
        rule(noncurrent(4, storage_class="GLACIER") + noncurrent(1, storage_class="DEEP_ARCHIVE")),
        ("'NoncurrentDays' in the 'NoncurrentVersionTransition' action with StorageClass 'DEEP_ARCHIVE' for filter '(prefix=)' "
        "must be greater than 'NoncurrentDays' in the 'NoncurrentVersionTransition' action with StorageClass 'GLACIER'"),
    ),
}  # fmt: skip


@pytest.mark.parametrize(("rules", "text"), INVALID.values(), ids=INVALID.keys())
def test_invalid_argument(rules, text):
    fault = refusal(rules)
    assert (fault.status, fault.code, fault.message) == (400, "InvalidArgument", text)


LARGEST = 1_099_511_627_776_000


def sizes(greater, less):
    return (
        f"<Filter><And><ObjectSizeGreaterThan>{greater}</ObjectSizeGreaterThan>"
        f"<ObjectSizeLessThan>{less}</ObjectSizeLessThan></And></Filter>"
    )


REFUSED = {
    "no action": (rule(""), "At least one action needs to be specified in a rule"),
    "a prefix beside a filter": (
        rule(where="<Prefix>a</Prefix><Filter/>"),
        "Base level prefix cannot be used in Lifecycle V2, prefixes are only supported in the Filter.",
    ),
    "an old rule after a new one": (
        rule() + rule(where="<Prefix>a</Prefix>"),
        "Base level prefix cannot be used in Lifecycle V2, prefixes are only supported in the Filter.",
    ),
    "a new rule after an old one": (
        rule(where="<Prefix>a</Prefix>") + rule(), "Filter element can only be used in Lifecycle V2."
    ),
    "newer versions in an old rule": (
        rule(noncurrent(1, 1), where="<Prefix>a</Prefix>"),
        "NewerNoncurrentVersions element can only be used in Lifecycle V2.",
    ),
    "overlapping old prefixes": (
        rule(where="<Prefix>ab</Prefix>") + rule(ABORT, where="<Prefix></Prefix>") + rule(where="<Prefix>a</Prefix>"),
        "Found overlapping prefixes 'a' and 'ab' for same action type 'Expiration'",
    ),
    "the same old prefix": (
        rule(ABORT, where="<Prefix>a</Prefix>") * 2,
        "Found overlapping prefixes 'a' and 'a' for same action type 'AbortIncompleteMultipartUpload'",
    ),
    "a tag twice": (rule(where=f"<Filter><And>{TAG}{TAG}</And></Filter>"), "Duplicate Tag Keys are not allowed."),
    "eleven tags": (
        rule(where=f"<Filter><And>{''.join(TAG.replace('>k<', f'>{n}<') for n in range(11))}</And></Filter>"),
        "The number of tags in a filter must not exceed 10.",
    ),
    "a long prefix": (rule(where=f"<Filter><Prefix>{'ä' * 513}</Prefix></Filter>"), "The maximum size of a prefix is 1024."),
    "markers with tags": (rule(MARKERS, f"<Filter>{TAG}</Filter>"), "ExpiredObjectDeleteMarker cannot be specified with Tags."),
    "markers with sizes": (
        rule(MARKERS, sizes(1, 3)), "ExpiredObjectDeleteMarker cannot be specified with Object Size."
    ),
    "uploads with tags": (
        rule(ABORT, f"<Filter><And><Prefix>a</Prefix>{TAG}</And></Filter>"),
        "AbortIncompleteMultipartUpload cannot be specified with Tags.",
    ),
    "uploads with sizes": (
        rule(ABORT, sizes(1, 3)), "AbortIncompleteMultipartUpload cannot be specified with Object Size."
    ),
    "larger than less": (
        rule(where=sizes(5, 5)), "'ObjectSizeLessThan' has to be a value greater than 'ObjectSizeGreaterThan'."
    ),
    "a negative size": (rule(where=sizes(-1, 5)), f"'ObjectSizeGreaterThan' should be between 0 and {LARGEST}."),
    "a size of nothing": (rule(where=sizes(0, 0)), f"'ObjectSizeLessThan' should be between 1 and {LARGEST}."),
    "a size beyond all": (rule(where=sizes(1, LARGEST + 1)), f"'ObjectSizeLessThan' should be between 1 and {LARGEST}."),
    "days and dates of transitions": (
        rule(move(days(1), "GLACIER") + move(f"<Date>{DATE}</Date>", "DEEP_ARCHIVE")),
        "Found mixed 'Date' and 'Days' based Transition actions in lifecycle rule for filter '(prefix=)'",
    ),
    "days and dates of both": (
        rule(DAYS + move(f"<Date>{DATE}</Date>", "GLACIER")),
        "Found mixed 'Date' and 'Days' based Expiration and Transition actions in lifecycle rule for filter '(prefix=)'",
    ),
    "dates and days of both": (
        rule(f"<Expiration><Date>{DATE}</Date></Expiration>" + move(days(1), "GLACIER")),
        "Found mixed 'Date' and 'Days' based Expiration and Transition actions in lifecycle rule for filter '(prefix=)'",
    ),
    "a class twice": (
        rule(move(days(1), "GLACIER") + move(days(2), "GLACIER")),
        "'StorageClass' must be different for 'Transition' actions in same 'Rule' with filter '(prefix=)'",
    ),
    "more than a thousand": (
        rule() * 1001, "The number of lifecycle rules must not exceed the allowed limit of 1000 rules"
    ),
}  # fmt: skip


@pytest.mark.parametrize(("rules", "text"), REFUSED.values(), ids=REFUSED.keys())
def test_invalid_request(rules, text):
    fault = refusal(rules)
    assert (fault.status, fault.code, fault.message) == (400, "InvalidRequest", text)


def test_the_argument_is_named():
    fault = refusal(rule("<Expiration><Days>0</Days></Expiration>"))
    assert fault.fields == (("ArgumentName", "Days"), ("ArgumentValue", "0"))
    assert isinstance(parsed(rule()), BucketLifecycleConfiguration)
