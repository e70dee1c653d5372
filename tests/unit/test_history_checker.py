"""The checker of histories: true ones pass, each kind of lie is found and named."""

import random

import history_search
import pytest
from history import History, ListPage, Operation, TooConcurrent, check
from hypothesis import given, settings
from hypothesis import strategies as st

KEY = b"k"


def op(kind, begun, ended, value=None, outcome="ok", *, if_match=None, if_absent=False, key=KEY, client=0):
    return Operation(client, kind, key, begun, ended, outcome, value, if_match, if_absent)


def page(begun, ended, *rows, start=b"", end=None):
    return ListPage(9, begun, ended, start, end, rows)


def found(operations, pages=(), before=None):
    return check(History(list(operations), list(pages)), before)


# ---- every order of small histories, tried plainly -----------------------------------------------------------------------------


def effect(operation, value):
    """(it may have its outcome now, the value afterwards)."""
    is_write = operation.kind in ("put", "delete")
    met = (not operation.if_absent or value is None) and (not operation.if_match or value == operation.if_match)
    if not is_write:
        return value == operation.value, value
    if operation.outcome == "missing":
        return value is None, value
    if operation.outcome == "refused":
        return not met and value is not None, value
    return met, (operation.value if operation.kind == "put" else None)


def has_an_order(remaining, value=None, latest=-1):
    """By trying all of them; an unknown operation may be anywhere after its call, or nowhere."""
    if all(operation.outcome == "unknown" for operation in remaining):
        return True
    for operation in remaining:
        after = max(latest, operation.begun_ns)
        if any(other.outcome != "unknown" and other.ended_ns < after for other in remaining if other != operation):
            continue
        if operation.outcome != "unknown" and operation.ended_ns < after:
            continue
        fits, following = effect(operation, value)
        if fits and has_an_order([other for other in remaining if other != operation], following, after):
            return True
    return False


@st.composite
def small_histories(draw):
    operations = []
    for number in range(draw(st.integers(1, 6))):
        begun = draw(st.integers(0, 8))
        ended = begun + draw(st.integers(0, 5))
        kind = draw(st.sampled_from(["put", "put", "delete", "get", "get"]))
        seen = st.none() | st.sampled_from([f"v{value}" for value in range(6)])
        if kind == "get":
            value = draw(seen)
            operations.append(op("get", begun, ended, value, "ok" if value else "missing", client=number))
            continue
        condition = draw(st.sampled_from(["", "", "absent", "match"]))
        if_match = f"v{draw(st.integers(0, 5))}" if condition == "match" else None
        outcomes = ["ok", "ok", "unknown", *(["refused"] if condition else []), *(["missing"] if if_match else [])]
        is_conditional_put = condition == "absent" and kind == "put"
        if condition == "absent" and not is_conditional_put:
            outcomes = ["ok", "unknown"]
        value = f"v{number}" if kind == "put" else None
        outcome = draw(st.sampled_from(outcomes))
        operations.append(Operation(number, kind, KEY, begun, ended, outcome, value, if_match, is_conditional_put))
    return operations


@settings(max_examples=200, deadline=None, database=None)
@given(small_histories())
def test_it_agrees_with_trying_every_order(operations):
    assert bool(found(operations)) == (not has_an_order(operations))


# ---- true histories ----------------------------------------------------------------------------------------------------------


def true_history(seed, operations=300, keys=3, clients=8, spread=40):
    """What clients of a real register see: each operation takes effect at one instant between its call and its answer."""
    draw = random.Random(seed)
    names = [b"k%d" % number for number in range(keys)]
    values = dict.fromkeys(names)
    history = History()
    for number in range(operations):
        at = number * 10
        begun, ended = at - draw.randrange(spread), at + draw.randrange(spread)
        key, client = draw.choice(names), draw.randrange(clients)
        kind = draw.choice(["put", "put", "create", "match", "delete", "get", "get", "head", "list"])
        if kind == "list":
            rows = tuple((name, values[name]) for name in names if values[name])
            history.pages.append(ListPage(client, begun, ended, b"", None, rows))
            continue
        if kind in ("get", "head"):
            value = values[key]
            history.operations.append(Operation(client, kind, key, begun, ended, "ok" if value else "missing", value))
            continue
        history.operations.append(true_write(draw, kind, values, key, client, begun, ended, f"e{number}"))
    return history


def true_write(draw, kind, values, key, client, begun, ended, etag):
    """One change, or its refusal; some are never answered, and some of those never happen."""
    current = values[key]
    if_match = draw.choice([current, "e0"]) if kind == "match" else None
    if_absent = kind == "create"
    value = None if kind == "delete" else etag
    made = Operation(client, "delete" if kind == "delete" else "put", key, begun, ended, "ok", value, if_match, if_absent)
    if draw.random() < 0.1:
        made = made._replace(outcome="unknown")
        if draw.random() < 0.5:
            return made
    if if_match and current is None:
        return made._replace(outcome="missing") if made.outcome == "ok" else made
    if (if_absent and current) or (if_match and current != if_match):
        return made._replace(outcome="refused") if made.outcome == "ok" else made
    values[key] = value
    return made


@settings(max_examples=15, deadline=None, database=None)
@given(st.integers(0, 1 << 32), st.sampled_from([(1, 5), (1, 60), (4, 100)]))
def test_histories_of_a_true_register_are_accepted(seed, shape):
    keys, spread = shape
    assert found_in(true_history(seed, keys=keys, spread=spread)) == ""


def found_in(history):
    return "\n\n".join(map(str, check(history)))


@settings(max_examples=10, deadline=None, database=None)
@given(st.integers(0, 1 << 32))
def test_a_true_history_with_one_read_made_stale_is_rejected(seed):
    """The reads of one client that waits for everything: whatever it read last is not what it reads now."""
    history = true_history(seed, operations=60, keys=1)
    end = 10_000_000
    history.operations.append(op("put", end, end + 1, "x", key=b"k0"))
    history.operations.append(op("put", end + 2, end + 3, "y", key=b"k0"))
    assert found_in(history) == ""
    history.operations.append(op("get", end + 4, end + 5, "x", key=b"k0"))
    assert "x was written by" in found_in(history)


# ---- lies --------------------------------------------------------------------------------------------------------------------


LIES = {
    "a stale read": ([op("put", 0, 1, "a"), op("put", 2, 3, "b"), op("get", 4, 5, "a")], (), "had been replaced by"),
    "a lost write": ([op("put", 0, 1, "a"), op("get", 2, 3, None, "missing")], (), "could only be: a"),
    "a lost overwrite": ([op("put", 0, 1, "a"), op("put", 2, 3, "b"), op("head", 4, 5, "a")], (), "had been replaced by"),
    "a deleted object that is still read": (
        [op("put", 0, 1, "a"), op("delete", 2, 3), op("get", 4, 5, "a")],
        (),
        "could only be: absent",
    ),
    "a read from the future": ([op("get", 0, 1, "a"), op("put", 2, 3, "a")], (), "written only later"),
    "a value that nobody wrote": ([op("put", 0, 1, "a"), op("get", 2, 3, "z")], (), "nobody is known to have written z"),
    "reads that go back in time": (
        [op("put", 0, 1, "a"), op("put", 2, 20, "b"), op("get", 3, 4, "b"), op("get", 5, 6, "a")],
        (),
        "could only be: b",
    ),
    "two winners of If-None-Match": (
        [op("put", 0, 5, "a", if_absent=True, client=1), op("put", 1, 6, "b", if_absent=True, client=2)],
        (),
        "If-None-Match",
    ),
    "two winners of If-Match": (
        [op("put", 0, 1, "a"), op("put", 2, 6, "b", if_match="a"), op("put", 2, 6, "c", if_match="a")],
        (),
        "If-Match: a",
    ),
    "a refusal for no reason": ([op("put", 0, 1, "a", "refused", if_absent=True)], (), "refused"),
    "a refusal of the right ETag": (
        [op("put", 0, 1, "a"), op("put", 2, 3, "b", "refused", if_match="a")],
        (),
        "could only be: a",
    ),
    "a refused write that is seen": (
        [op("put", 0, 1, "a"), op("put", 2, 3, "b", "refused", if_absent=True), op("get", 4, 5, "b")],
        (),
        "belongs to a write that was refused",
    ),
    "a failed write that is seen": (
        [op("put", 0, 1, "a", "failed"), op("get", 2, 3, "a")],
        (),
        "belongs to a write that was refused",
    ),
    "a write that comes back": (
        [op("put", 0, 1, "a", "unknown"), op("get", 2, 3, "a"), op("delete", 4, 5), op("get", 6, 7, "a")],
        (),
        "could only be: absent",
    ),
    "a delete that happens twice": (
        [
            op("put", 0, 1, "a"),
            op("delete", 2, 3, outcome="unknown"),
            op("get", 4, 5, None, "missing"),
            op("put", 6, 7, "b"),
            op("get", 8, 9, None, "missing"),
        ],
        (),
        "could only be: b",
    ),
    "a ghost in a list": ([op("put", 0, 1, "a"), op("delete", 2, 3)], [page(4, 5, (KEY, "a"))], "list a"),
    "a ghost that nobody wrote": ([], [page(4, 5, (KEY, "a"))], "nobody is known"),
    "a hole in a list": ([op("put", 0, 1, "a")], [page(2, 3)], "list absent"),
    "a hole in the middle of a page": (
        [op("put", 0, 1, "a"), op("put", 0, 1, "b", key=b"x"), op("put", 0, 1, "c", key=b"z")],
        [page(2, 3, (KEY, "a"), (b"z", "c"))],
        "key b'x'",
    ),
    "a list that is older than a read": (
        [op("put", 0, 1, "a"), op("put", 2, 20, "b"), op("get", 3, 4, "b")],
        [page(5, 6, (KEY, "a"))],
        "list a",
    ),
}


@pytest.mark.parametrize("lie", LIES.values(), ids=LIES.keys())
def test_each_lie_is_found_and_named(lie):
    operations, pages, told = lie
    violations = found(operations, pages)
    assert len(violations) == 1
    assert told in str(violations[0])


TRUTHS = {
    "an unknown write that is seen late": (
        [op("put", 0, 1, "a", "unknown"), op("get", 2, 3, None, "missing"), op("get", 9, 10, "a")],
        (),
    ),
    "an unknown write that never is": ([op("put", 0, 1, "a", "unknown"), op("get", 2, 3, None, "missing")], ()),
    "a list beside a write tells the old or the new": (
        [op("put", 0, 1, "a"), op("put", 2, 9, "b")],
        [page(3, 4, (KEY, "a")), page(5, 6, (KEY, "b"))],
    ),
    "a page covers no more than its range": (
        [op("put", 0, 1, "a", key=b"a"), op("put", 0, 1, "z", key=b"z")],
        [page(2, 3, (b"a", "a"), end=b"m"), page(2, 3, (b"z", "z"), start=b"m")],
    ),
    "a refusal explained by a write that nobody saw": (
        [
            op("put", 0, 1, "a", "unknown"),
            op("get", 2, 3, None, "missing"),
            op("put", 4, 5, "b", "refused", if_absent=True),
            op("delete", 6, 7),
            op("get", 8, 9, None, "missing"),
        ],
        (),
    ),
    "errors of reads tell nothing": ([op("put", 0, 1, "a"), op("get", 2, 3, None, "unknown")], ()),
}


@pytest.mark.parametrize("truth", TRUTHS.values(), ids=TRUTHS.keys())
def test_what_may_be_is_accepted(truth):
    assert list(map(str, found(*truth))) == []


def test_what_was_there_before_counts():
    assert found([op("get", 0, 1, "old")], before={KEY: "old"}) == []
    assert len(found([op("get", 0, 1, "old")])) == 1


def test_every_key_with_a_violation_is_told():
    operations = [op("get", 0, 1, "x", key=b"%d" % number) for number in range(3)]
    assert [violation.key for violation in found(operations)] == [b"0", b"1", b"2"]


def test_a_page_that_repeats_a_key_is_an_error():
    with pytest.raises(ValueError, match="twice or out of order"):
        found([], [page(0, 1, (KEY, "a"), (KEY, "a"))])


def test_a_page_that_tells_a_key_outside_its_range_is_an_error():
    with pytest.raises(ValueError, match="from elsewhere"):
        found([], [page(0, 1, (KEY, "a"), start=b"z")])


def test_a_value_written_twice_is_an_error():
    with pytest.raises(ValueError, match="must be unique"):
        found([op("put", 0, 1, "a"), op("put", 2, 3, "a", client=1)])


def test_what_is_too_tangled_is_said_and_not_accepted(monkeypatch):
    monkeypatch.setattr(history_search, "STATES_MAX", 1000)
    writes = [op("put", 0, 100 + number, f"e{number}") for number in range(24)]
    with pytest.raises(TooConcurrent):
        found([*writes, op("put", 200, 201, "x", "refused", if_absent=True)])


def test_many_writes_at_once_are_no_trouble():
    writes = [op("put", number, 1000 + number, f"e{number}") for number in range(200)]
    assert found([*writes, op("get", 2000, 2001, "e7"), op("get", 2002, 2003, "e7")]) == []
    assert len(found([*writes, op("get", 2000, 2001, "e7"), op("get", 2002, 2003, "e8")])) == 1


def test_a_history_is_saved_and_read_again(tmp_path):
    history = true_history(7, operations=50)
    history.save(tmp_path / "history")
    assert History.load(tmp_path / "history") == history
