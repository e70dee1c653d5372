"""Names: within their bounds, and different for different parts."""

import random
import re

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from dolmen.operator.model import names
from dolmen.operator.model.errors import InvalidResource

LABEL = re.compile(r"[a-z]([-a-z0-9]*[a-z0-9])?")
VALUE = re.compile(r"([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?")
PARTS = st.lists(st.text(min_size=1, max_size=80), min_size=1, max_size=3)


@settings(max_examples=200, deadline=None)
@given(PARTS, st.sampled_from([names.LABEL_MAX, names.STATEFUL_SET_MAX]))
@example(["a" * 63], 63)
@example(["a" * 64], 63)
@example(["-"], 63)
@example(["9"], 63)
@example(["é"], 63)
def test_labels_are_labels(parts, most):
    made = names.dns_label(*parts, most=most)
    assert LABEL.fullmatch(made)
    assert len(made) <= most


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=80))
@example("a" * 63)
@example("a" * 64)
@example("-a")
@example("a.")
@example("\n")
def test_label_values_are_label_values(raw):
    made = names.label_value(raw)
    assert VALUE.fullmatch(made)
    assert len(made) <= names.LABEL_MAX


def test_plain_parts_stay_as_they_are():
    assert names.dns_label("prod", "hdd") == "prod-hdd"
    assert names.dns_label("my-cluster") == "my-cluster"
    assert names.dns_label("my-cluster", "gateway") == "my-cluster-gateway"
    assert names.label_value("eu-west-1a") == "eu-west-1a"


@pytest.mark.parametrize("count", [1, 2, 3])
def test_different_parts_never_collide(count):
    """Ten thousand that are made to: dashes in every place, cases, cuts, and ends that look like hashes."""
    rng = random.Random(5)
    pieces = ["a", "b", "-", "-a", "A", "_", ".", "é", "a" * 60, names.short_hash("a", "-b")]
    inputs = set()
    while len(inputs) < 10_000:
        inputs.add(tuple("".join(rng.choices(pieces, k=rng.randint(1, 6))) for _ in range(count)))
    inputs |= {(names.dns_label(*parts),) for parts in sorted(inputs)[:500]} if count == 1 else set()
    inputs |= {("a", names.short_hash(*parts)) for parts in sorted(inputs)[:500]} if count == 2 else set()
    inputs |= {("a", "b", names.short_hash(*parts)) for parts in sorted(inputs)[:500]} if count == 3 else set()
    made = {names.dns_label(*parts) for parts in inputs}
    assert len(made) == len(inputs)


def test_different_label_values_never_collide():
    raws = {
        prefix * count + end for prefix in ("a", "A", "-", "_", "é", " ") for count in range(1, 80) for end in ("", "x", "-", ".")
    }
    raws |= {names.label_value(raw) for raw in raws}
    made = {raw: names.label_value(raw) for raw in raws}
    assert len(set(made.values())) == len(raws)


def test_stateful_sets_leave_room_for_revisions():
    made = {names.stateful_set_name("c" * 60, "p" * 30, domain) for domain in ("a", "A", "b" * 63, "eu-1", "eu/1")}
    assert len(made) == 5
    assert all(LABEL.fullmatch(name) and len(name) <= 52 for name in made)
    assert names.stateful_set_name("prod", "hdd", "a").startswith("prod-hdd-")
    assert names.stateful_set_name("a-b", "c", "d") != names.stateful_set_name("a", "b-c", "d")


def test_names_are_the_same_in_every_release():
    """Another hash would make every StatefulSet anew."""
    assert names.stateful_set_name("prod", "hdd", "eu-west-1a") == "prod-hdd-wdfgxffwhl"


@pytest.mark.parametrize("parts", [(), ("",), ("a", "")])
def test_nothing_has_no_name(parts):
    with pytest.raises(InvalidResource):
        names.dns_label(*parts)
