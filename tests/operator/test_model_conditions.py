"""Conditions: times move with the status alone, kstatus and the phase follow from them."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dolmen.operator.model import conditions as c
from dolmen.operator.model.conditions import Condition, kstatus, phase, set_condition, set_outcome
from dolmen.operator.model.errors import InvalidResource

NOW = datetime(2026, 11, 28, 12, 0, 0, tzinfo=UTC)
CONDITIONS = st.builds(
    Condition,
    type=st.sampled_from(["Ready", "Degraded", "Paused"]),
    status=st.sampled_from(["True", "False", "Unknown"]),
    reason=st.sampled_from(["A", "B"]),
    message=st.text(max_size=5),
    observed_generation=st.integers(0, 3),
)


@settings(max_examples=100, deadline=None)
@given(st.lists(CONDITIONS, max_size=12))
def test_time_moves_only_with_the_status(changes):
    kept = ()
    for minute, new in enumerate(changes):
        before = {one.type: one for one in kept}
        now = NOW + timedelta(minutes=minute)
        kept = set_condition(kept, new, now)
        after = {one.type: one for one in kept}
        assert len(after) == len(kept)
        assert after.keys() == before.keys() | {new.type}
        old = before.get(new.type)
        same = old is not None and old.status == new.status
        assert after[new.type].last_transition_time == (old.last_transition_time if same else c.rfc3339(now))
        assert (after[new.type].reason, after[new.type].observed_generation) == (new.reason, new.observed_generation)
        assert all(after[kind] == one for kind, one in before.items() if kind != new.type)
        assert set_condition(kept, new, now + timedelta(days=1)) == kept


def test_messages_are_cut_at_whole_characters():
    new = Condition(type="Ready", status="False", reason="A", message="é" * 4096)
    (made,) = set_condition((), new, NOW)
    assert c.MESSAGE_BYTES_MAX - 3 <= len(made.message.encode()) <= c.MESSAGE_BYTES_MAX
    assert made.message.endswith("é…")
    assert c.clipped("é" * 2048) == "é" * 2048
    assert set_condition((made,), new, NOW + timedelta(1)) == (made,)


def test_number_of_conditions_is_bounded():
    kept = ()
    for number in range(c.CONDITIONS_MAX):
        kept = set_condition(kept, Condition(type=f"T{number}", status="True", reason="A"), NOW)
    assert len(set_condition(kept, Condition(type="T0", status="False", reason="A"), NOW)) == c.CONDITIONS_MAX
    with pytest.raises(InvalidResource):
        set_condition(kept, Condition(type="More", status="True", reason="A"), NOW)


def test_times_are_of_utc():
    east = NOW.astimezone(datetime.strptime("+0530", "%z").tzinfo)
    assert c.rfc3339(east) == "2026-11-28T12:00:00Z"
    with pytest.raises(InvalidResource):
        c.rfc3339(NOW.replace(tzinfo=None))


@pytest.mark.parametrize(("outcome", "wanted"), [("Ready", "Current"), ("Reconciling", "InProgress"), ("Stalled", "Failed")])
def test_outcome_is_what_kstatus_reads(outcome, wanted):
    kept = set_outcome((), outcome, reason="Why", message="because", generation=3, now=NOW)
    assert kstatus(kept, generation=3, observed_generation=3) == wanted
    assert kstatus(kept, generation=4, observed_generation=3) == "InProgress"
    assert kstatus(kept, generation=3, observed_generation=3, is_deleting=True) == "Terminating"
    assert [one.type for one in kept if one.status == "True"] == [outcome]
    assert all(one.observed_generation == 3 for one in kept)
    assert c.find(kept, "Ready").message == "because"


def test_outcomes_replace_each_other():
    kept = set_outcome((), "Stalled", reason="Why", message="because", generation=1, now=NOW)
    kept = set_outcome(kept, "Ready", reason="Done", message="", generation=2, now=NOW)
    assert kstatus(kept, generation=2, observed_generation=2) == "Current"


def test_not_ready_is_in_progress_and_nothing_is_current():
    unknown = Condition(type="Ready", status="Unknown", reason="A")
    assert kstatus((unknown,), generation=1, observed_generation=1) == "InProgress"
    assert kstatus((), generation=1, observed_generation=None) == "Current"


@pytest.mark.parametrize(
    ("true", "wanted"),
    [
        ((), "Pending"),
        (("Ready",), "Ready"),
        (("Ready", "Paused"), "Paused"),
        (("Stalled", "Upgrading"), "Failed"),
        (("Upgrading", "Progressing"), "Upgrading"),
        (("Degraded", "Ready"), "Degraded"),
        (("Ready", "Deleting"), "Deleting"),
    ],
)
def test_phase_follows_from_conditions(true, wanted):
    kept = tuple(Condition(type=kind, status="True", reason="A") for kind in true)
    assert phase((*kept, Condition(type="Hibernated", status="False", reason="A"))) == wanted
    assert wanted in c.PHASES


def test_conditions_of_kinds_fit():
    for kinds in (c.CLUSTER_CONDITIONS, c.BUCKET_CONDITIONS, c.USER_CONDITIONS, c.GRANT_CONDITIONS):
        assert {"Ready", "Reconciling", "Stalled"} <= set(kinds)
        assert len(set(kinds)) == len(kinds) <= c.CONDITIONS_MAX
