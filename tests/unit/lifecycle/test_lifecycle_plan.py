"""What rules want of a version: S3's documented examples, and what must hold whatever the rules are."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dolmen.gateway.lifecycle.plan import Facts, Kind, abort_of, due_after, expiry_of, next_midnight, plan
from dolmen.gateway.lifecycle.records import (
    COLDNESS,
    TRANSITION_CLASSES,
    VARIES_BY_CLASS,
    Filter,
    Lifecycle,
    NoncurrentExpiration,
    NoncurrentTransition,
    Rule,
    Transition,
)
from dolmen.gateway.s3.dates import parse_http_date

DAY = 86_400_000_000
NOW = 20_000 * DAY
replace = msgspec.structs.replace


def rules(*made, **lifecycle):
    return Lifecycle(rules=tuple(made), **lifecycle)


def rule(identifier="r", **members):
    return Rule(id=identifier, is_enabled=members.pop("is_enabled", True), **members)


def facts(**members):
    return Facts(**{"key": b"a/b", "mtime_us": NOW - 10 * DAY, "size": 1 << 20, **members})


def noncurrent(**members):
    return facts(**{"is_latest": False, "noncurrent_since_us": NOW - 5 * DAY, **members})


def acts(lifecycle, found, now_us=NOW, day_us=DAY):
    action = plan(lifecycle, found, now_us, day_us)
    return None if action is None else (action.kind, action.storage_class) if action.storage_class else action.kind


# -- times -------------------------------------------------------------------------------------------------------------------


def test_the_documented_example_of_rounding():
    made = parse_http_date("Wed, 15 Jan 2014 10:30:00 GMT")
    assert due_after(made, 3, DAY) == parse_http_date("Sun, 19 Jan 2014 00:00:00 GMT")


@given(at_us=st.integers(0, 1 << 52), day_us=st.sampled_from([DAY, 1_000_000, 10_000_000, 3_600_000_000]))
def test_a_midnight_is_a_multiple_of_the_day_within_one_day(at_us, day_us):
    midnight = next_midnight(at_us, day_us)
    assert midnight % day_us == 0
    assert at_us < midnight <= at_us + day_us


@given(since=st.integers(0, 1 << 52), days=st.integers(0, 1000), day_us=st.sampled_from([DAY, 2_000_000]))
def test_never_younger_than_it_should_be_and_less_than_a_day_older(since, days, day_us):
    assert since + days * day_us < due_after(since, days, day_us) <= since + (days + 1) * day_us


# -- what is done ------------------------------------------------------------------------------------------------------------

EXPIRE = rule(expire_days=5)
GONE = rule(noncurrent_expiration=NoncurrentExpiration(days=3))
KEEP2 = rule(noncurrent_expiration=NoncurrentExpiration(days=3, newer=2))
MARKERS = rule(remove_markers=True)
CASES = {
    "old enough": (EXPIRE, facts(), Kind.EXPIRE),
    "too young": (EXPIRE, facts(mtime_us=NOW - 5 * DAY), None),
    "just old enough": (EXPIRE, facts(mtime_us=NOW - 5 * DAY - 1), Kind.EXPIRE),
    "disabled": (rule(expire_days=5, is_enabled=False), facts(), None),
    "a date that is past": (rule(expire_date_us=NOW), facts(mtime_us=NOW - 1), Kind.EXPIRE),
    "a date to come": (rule(expire_date_us=NOW + DAY), facts(), None),
    "a marker with versions below": (MARKERS, facts(is_delete_marker=True), None),
    "a marker that is alone": (MARKERS, facts(is_delete_marker=True, is_alone=True), Kind.REMOVE_MARKER),
    "a young marker that is alone": (MARKERS, facts(is_delete_marker=True, is_alone=True, mtime_us=NOW), Kind.REMOVE_MARKER),
    "a marker, and a rule by age": (EXPIRE, facts(is_delete_marker=True, is_alone=True), Kind.REMOVE_MARKER),
    "a marker that is too young": (EXPIRE, facts(is_delete_marker=True, is_alone=True, mtime_us=NOW - 4 * DAY), None),
    "a marker with versions, and a rule by age": (EXPIRE, facts(is_delete_marker=True), None),
    "a marker, and a rule that leaves it": (rule(remove_markers=False), facts(is_delete_marker=True, is_alone=True), None),
    "a marker, and a rule about noncurrent ones": (GONE, facts(is_delete_marker=True, is_alone=True), None),
    "an object, and a rule about markers": (MARKERS, facts(is_alone=True), None),
    "noncurrent for long enough": (GONE, noncurrent(), Kind.REMOVE_NONCURRENT),
    "noncurrent too shortly": (GONE, noncurrent(noncurrent_since_us=NOW - 3 * DAY), None),
    "an old marker under others": (GONE, noncurrent(is_delete_marker=True), Kind.REMOVE_NONCURRENT),
    "noncurrent, and a rule about current ones": (EXPIRE, noncurrent(), None),
    "one of the newest kept": (KEEP2, noncurrent(newer_noncurrent=1), None),
    "behind the newest kept": (KEEP2, noncurrent(newer_noncurrent=2), Kind.REMOVE_NONCURRENT),
    "locked and noncurrent": (GONE, noncurrent(is_locked=True), None),
    "locked and alone": (EXPIRE, facts(is_locked=True), None),
    "locked, and hidden by a marker": (EXPIRE, facts(is_locked=True, leaves_marker=True), Kind.EXPIRE),
    "another prefix": (rule(expire_days=1, filter=Filter(prefix="a/c")), facts(), None),
    "its prefix": (rule(expire_days=1, filter=Filter(prefix="a/")), facts(), Kind.EXPIRE),
    "its tags": (rule(expire_days=1, filter=Filter(tags=(("k", "v"),))), facts(tags={"k": "v", "l": ""}), Kind.EXPIRE),
    "another value": (rule(expire_days=1, filter=Filter(tags=(("k", "v"),))), facts(tags={"k": "w"}), None),
    "one tag of two": (rule(expire_days=1, filter=Filter(tags=(("k", "v"), ("l", "")))), facts(tags={"k": "v"}), None),
    "tags that are not known": (rule(expire_days=1, filter=Filter(tags=(("k", "v"),))), facts(tags=None), Kind.EXPIRE),
    "a marker, and tags": (
        rule(noncurrent_expiration=NoncurrentExpiration(days=1), filter=Filter(tags=(("k", "v"),))),
        noncurrent(is_delete_marker=True, tags=None), None),
    "a marker, and sizes": (
        rule(noncurrent_expiration=NoncurrentExpiration(days=1), filter=Filter(size_less=9)),
        noncurrent(is_delete_marker=True), None),
    "larger": (rule(expire_days=1, filter=Filter(size_greater=99)), facts(size=100), Kind.EXPIRE),
    "not larger": (rule(expire_days=1, filter=Filter(size_greater=100)), facts(size=100), None),
    "smaller": (rule(expire_days=1, filter=Filter(size_less=101)), facts(size=100), Kind.EXPIRE),
    "not smaller": (rule(expire_days=1, filter=Filter(size_less=100)), facts(size=100), None),
}  # fmt: skip


@pytest.mark.parametrize(("made", "found", "wanted"), CASES.values(), ids=CASES.keys())
def test_what_is_done(made, found, wanted):
    assert acts(rules(made), found) == wanted


def moving(storage_class, days=1, **members):
    return rule(transitions=(Transition(storage_class=storage_class, days=days),), **members)


@pytest.mark.parametrize("now_class", ["STANDARD", "REDUCED_REDUNDANCY", *sorted(TRANSITION_CLASSES)])
@pytest.mark.parametrize("target", sorted(TRANSITION_CLASSES))
def test_objects_only_get_colder(now_class, target):
    colder = COLDNESS[target] > COLDNESS[now_class] and (now_class, target) != ("ONEZONE_IA", "GLACIER_IR")
    found = facts(storage_class=now_class)
    assert acts(rules(moving(target)), found) == ((Kind.TRANSITION, target) if colder else None)


@pytest.mark.parametrize(
    ("size", "made", "minimum", "moves"),
    [
        (128 * 1024, moving("GLACIER"), None, True),
        (128 * 1024 - 1, moving("GLACIER"), None, False),
        (1, moving("GLACIER"), VARIES_BY_CLASS, True),
        (1, moving("DEEP_ARCHIVE"), VARIES_BY_CLASS, True),
        (1, moving("GLACIER_IR"), VARIES_BY_CLASS, False),
        (1, moving("GLACIER_IR", filter=Filter(size_greater=0)), None, True),
        (1, moving("GLACIER_IR", filter=Filter(size_less=9)), VARIES_BY_CLASS, True),
    ],
)
def test_small_objects_stay(size, made, minimum, moves):
    lifecycle = rules(made) if minimum is None else rules(made, minimum_size=minimum)
    assert (plan(lifecycle, facts(size=size), NOW, DAY) is not None) == moves


def test_the_coldest_of_several_wins_and_leaving_wins_over_moving():
    both = rules(moving("GLACIER", 1), moving("DEEP_ARCHIVE", 9), moving("STANDARD_IA", 0))
    assert acts(both, facts()) == (Kind.TRANSITION, "DEEP_ARCHIVE")
    assert acts(both, facts(mtime_us=NOW - 3 * DAY)) == (Kind.TRANSITION, "GLACIER")
    assert acts(rules(*both.rules, rule(expire_days=9)), facts(leaves_marker=True)) == Kind.EXPIRE


def test_a_date_moves():
    made = rule(transitions=(Transition(storage_class="GLACIER", date_us=NOW),))
    assert acts(rules(made), facts()) == (Kind.TRANSITION, "GLACIER")
    assert acts(rules(made), facts(), NOW - 1) is None


def test_noncurrent_versions_move():
    move = NoncurrentTransition(storage_class="GLACIER", days=3, newer=1)
    lifecycle = rules(rule(noncurrent_transitions=(move,)))
    assert acts(lifecycle, noncurrent(newer_noncurrent=1)) == (Kind.TRANSITION, "GLACIER")
    assert acts(lifecycle, noncurrent()) is None
    assert acts(lifecycle, noncurrent(newer_noncurrent=1, is_locked=True)) == (Kind.TRANSITION, "GLACIER")
    assert acts(lifecycle, noncurrent(newer_noncurrent=1, is_delete_marker=True)) is None


# -- what headers tell -------------------------------------------------------------------------------------------------------


def test_the_earliest_expiry_is_told():
    lifecycle = rules(rule("late", expire_days=9), rule("soon", expire_days=2), rule("off", expire_days=1, is_enabled=False))
    made = NOW + 5
    assert expiry_of(lifecycle, facts(mtime_us=made), DAY) == (NOW + 3 * DAY, "soon")
    assert expiry_of(rules(rule(expire_date_us=NOW)), facts(mtime_us=made), DAY) == (NOW, "r")
    assert expiry_of(rules(moving("GLACIER"), GONE, MARKERS), facts(), DAY) is None


def test_the_earliest_abort_is_told():
    lifecycle = rules(
        rule("all", abort_days=9), rule("some", abort_days=2, filter=Filter(prefix="a/")), rule("other", expire_days=1)
    )
    assert abort_of(lifecycle, b"a/b", NOW, DAY) == (NOW + 3 * DAY, "some")
    assert abort_of(lifecycle, b"b", NOW, DAY) == (NOW + 10 * DAY, "all")
    assert abort_of(rules(EXPIRE), b"b", NOW, DAY) is None


# -- whatever the rules are --------------------------------------------------------------------------------------------------

DAYS = st.integers(1, 20)
CLASSES = st.sampled_from(sorted(TRANSITION_CLASSES))
NEWER = st.none() | st.integers(1, 5)
FILTERS = st.builds(
    Filter,
    prefix=st.none() | st.sampled_from(["", "a", "a/", "b"]),
    tags=st.sampled_from([(), (("k", "v"),), (("k", "w"),), (("k", "v"), ("l", "v"))]),
    size_greater=st.none() | st.integers(0, 300_000),
    size_less=st.none() | st.integers(1, 300_000),
)
RULES = st.builds(
    Rule,
    id=st.sampled_from(["1", "2", "3"]),
    is_enabled=st.booleans(),
    filter=FILTERS,
    expire_days=st.none() | DAYS,
    expire_date_us=st.none() | st.integers(-20, 20).map(lambda days: NOW + days * DAY),
    remove_markers=st.none() | st.booleans(),
    transitions=st.lists(st.builds(Transition, storage_class=CLASSES, days=DAYS), max_size=2).map(tuple),
    noncurrent_expiration=st.none() | st.builds(NoncurrentExpiration, days=DAYS, newer=NEWER),
    noncurrent_transitions=st.lists(st.builds(NoncurrentTransition, storage_class=CLASSES, days=DAYS, newer=NEWER), max_size=2)
    .map(tuple),
)  # fmt: skip
LIFECYCLES = st.builds(Lifecycle, rules=st.lists(RULES, max_size=4).map(tuple))
TAGS = st.dictionaries(st.sampled_from("kl"), st.sampled_from("vw"))
VERSIONS = st.builds(
    Facts,
    key=st.sampled_from([b"a", b"a/b", b"b", b"c"]),
    mtime_us=st.integers(NOW - 30 * DAY, NOW),
    noncurrent_since_us=st.integers(NOW - 30 * DAY, NOW),
    size=st.integers(0, 300_000),
    storage_class=st.sampled_from(["STANDARD", *TRANSITION_CLASSES]),
    is_latest=st.booleans(),
    is_delete_marker=st.booleans(),
    is_alone=st.booleans(),
    newer_noncurrent=st.integers(0, 6),
    is_locked=st.booleans(),
    leaves_marker=st.booleans(),
    tags=TAGS,
)
MOMENTS = st.integers(NOW - 30 * DAY, NOW + 60 * DAY)


@given(lifecycle=LIFECYCLES, found=VERSIONS, now_us=MOMENTS)
def test_never_before_the_age_or_date_of_any_rule(lifecycle, found, now_us):
    action = plan(lifecycle, found, now_us, DAY)
    if action is not None:
        since = found.mtime_us if found.is_latest else found.noncurrent_since_us
        ages = [since + DAY, *(made.expire_date_us for made in lifecycle.rules if made.expire_date_us is not None)]
        if action.kind is Kind.REMOVE_MARKER:
            ages.append(found.mtime_us)
        assert action.due_us <= now_us
        assert now_us >= min(ages)


@given(lifecycle=LIFECYCLES, found=VERSIONS, now_us=MOMENTS)
def test_a_locked_version_never_goes(lifecycle, found, now_us):
    action = plan(lifecycle, replace(found, is_locked=True, is_delete_marker=False), now_us, DAY)
    if action is not None and action.kind is not Kind.TRANSITION:
        assert action.kind is Kind.EXPIRE
        assert found.leaves_marker


@given(lifecycle=LIFECYCLES, more=RULES, found=VERSIONS, now_us=MOMENTS)
def test_one_more_rule_never_delays(lifecycle, more, found, now_us):
    before = plan(lifecycle, found, now_us, DAY)
    after = plan(replace(lifecycle, rules=(*lifecycle.rules, more)), found, now_us, DAY)
    if before is not None:
        assert after is not None
        if before.kind is not Kind.TRANSITION:
            assert after.kind is before.kind
            assert after.due_us <= before.due_us
        elif after.kind is Kind.TRANSITION:
            assert COLDNESS[after.storage_class] >= COLDNESS[before.storage_class]


@given(lifecycle=LIFECYCLES, found=VERSIONS, now_us=MOMENTS, later_us=st.integers(0, 30 * DAY))
def test_what_is_due_stays_due(lifecycle, found, now_us, later_us):
    if plan(lifecycle, found, now_us, DAY) is not None:
        assert plan(lifecycle, found, now_us + later_us, DAY) is not None


@given(lifecycle=LIFECYCLES, found=VERSIONS, now_us=MOMENTS)
def test_nothing_due_without_tags_is_nothing_due_with_them(lifecycle, found, now_us):
    if plan(lifecycle, replace(found, tags=None), now_us, DAY) is None:
        assert plan(lifecycle, found, now_us, DAY) is None


@given(lifecycle=LIFECYCLES, now_us=MOMENTS, count=st.integers(1, 12))
def test_as_many_newer_versions_stay_as_the_rule_keeps(lifecycle, now_us, count):
    """The newest n noncurrent versions of a key, n the smallest number that any rule keeps."""
    versions = [
        Facts(key=b"a", mtime_us=0, size=200_000, is_latest=False, noncurrent_since_us=NOW - 30 * DAY, newer_noncurrent=newer)
        for newer in range(count)
    ]
    gone = [version.newer_noncurrent for version in versions if acts(lifecycle, version, now_us) is Kind.REMOVE_NONCURRENT]
    kept = min(
        (made.noncurrent_expiration.newer or 0 for made in lifecycle.rules if made.noncurrent_expiration is not None), default=count
    )
    assert all(newer >= kept for newer in gone)
    assert gone == list(range(gone[0] if gone else count, count))  # the oldest go, without holes


@given(lifecycle=LIFECYCLES, found=VERSIONS)
def test_the_header_tells_when_it_expires(lifecycle, found):
    current = replace(found, is_latest=True, is_delete_marker=False, is_locked=False)
    told = expiry_of(lifecycle, current, DAY)
    if told is not None:
        action = plan(lifecycle, current, told[0], DAY)
        assert action is not None
        assert (action.kind, action.due_us) == (Kind.EXPIRE, told[0])
        earlier = plan(lifecycle, current, told[0] - 1, DAY)
        assert earlier is None or earlier.kind is Kind.TRANSITION
