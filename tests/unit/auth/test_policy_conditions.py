"""Condition operators: a table for each, the rules of missing keys, and the laws of sets."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dolmen.gateway.auth.policy.conditions import Condition, InvalidCondition

KEY = "aws:x"


def holds(operator, wanted, given, *, variables=True, allows=True, more=None):
    """``given``: None, a text, or several."""
    wanted = (wanted,) if isinstance(wanted, str) else tuple(wanted)
    given = None if given is None else (given,) if isinstance(given, str) else tuple(given)
    values = {**({} if given is None else {KEY: given}), **(more or {})}
    return Condition(operator, KEY, wanted, variables=variables, allows=allows).holds(values)


# operator, its negation ("" when there is none): (value of the policy, value of the request, whether the positive one holds)
TABLE = [
    ("StringEquals", "StringNotEquals", [
        ("a", "a", True), ("a", "A", False), ("a*", "ab", False), ("a*", "a*", True), (["b", "a"], "a", True), ("", "", True),
        (["b", "c"], "a", False),
    ]),
    ("StringEqualsIgnoreCase", "StringNotEqualsIgnoreCase", [("aB", "Ab", True), ("a", "b", False), ("straße", "STRASSE", True)]),
    ("StringLike", "StringNotLike", [
        ("a*", "abc", True), ("a?c", "abc", True), ("a?c", "ac", False), ("*", "", True), ("A*", "abc", False), ("${*}", "*", True),
        ("${*}", "x", False), ("home/", "home/x", False), (["x", "h*/"], "home/", True),
    ]),
    ("ArnLike", "ArnNotLike", [
        ("arn:aws:iam::1:user/*", "arn:aws:iam::1:user/a/b", True), ("arn:aws:iam::*:user/a", "arn:aws:iam::1:user/a", True),
        ("arn:aws:iam:*:user/a", "arn:aws:iam::1:user/a", False), ("arn:aws:iam::1:user/a", "arn:aws:iam::1:user/b", False),
        ("arn:aws:sns:*:*:t", "arn:aws:sns:us-east-1:1:t", True), ("no arn", "no arn", False), ("*", "arn:aws:iam::1:user/a", True),
    ]),
    ("ArnEquals", "ArnNotEquals", [("arn:aws:iam::1:user/*", "arn:aws:iam::1:user/a", True), ("arn:aws:iam::1:root", "x", False)]),
    ("NumericEquals", "NumericNotEquals", [("10", "10.0", True), ("10", "11", False), ("-1", "-1", True), ("10", "ten", False)]),
    ("DateEquals", "DateNotEquals", [
        ("2024-01-01T00:00:00Z", "2024-01-01T01:00:00+01:00", True), ("2024-01-01", "2024-01-01T00:00:00Z", True),
        ("1704067200", "2024-01-01T00:00:00Z", True), ("2024-01-01T00:00:00Z", "2024-01-01T00:00:01Z", False),
        ("2024-01-01T00:00:00Z", "never", False),
    ]),
    ("IpAddress", "NotIpAddress", [
        ("10.0.0.0/8", "10.1.2.3", True), ("10.0.0.0/8", "11.1.2.3", False), ("10.0.0.7", "10.0.0.7", True),
        ("10.0.0.9/24", "10.0.0.7", True), ("2001:db8::/32", "2001:db8::1", True), ("2001:db8::/32", "2001:db9::1", False),
        ("10.0.0.0/8", "::ffff:10.1.2.3", True), ("0.0.0.0/0", "::1", False), (["10.0.0.0/8", "::1"], "::1", True),
        ("fe80::/10", "fe80::1%eth0", True), ("10.0.0.0/8", "host.example", False),
    ]),
    ("NumericLessThan", "", [("10", "9", True), ("10", "10", False), ("10", "x", False)]),
    ("NumericLessThanEquals", "", [("10", "10", True), ("10", "10.1", False)]),
    ("NumericGreaterThan", "", [("10", "11", True), ("10", "10", False), ("10", "1e9", False)]),
    ("NumericGreaterThanEquals", "", [("10", "10", True), ("10", "9", False)]),
    ("DateLessThan", "", [("2024-01-02T00:00:00Z", "2024-01-01T00:00:00Z", True), ("2024-01-02", "2024-01-02", False)]),
    ("DateLessThanEquals", "", [("2024-01-02", "2024-01-02", True), ("2024-01-02", "2024-01-03", False)]),
    ("DateGreaterThan", "", [("2024-01-02", "2024-01-03", True), ("2024-01-02", "2024-01-02", False)]),
    ("DateGreaterThanEquals", "", [("2024-01-02", "2024-01-02", True), ("2024-01-02", "2024-01-01", False)]),
    ("Bool", "", [
        ("true", "true", True), ("true", "false", False), ("True", "true", True), ("false", "false", True), ("true", "yes", False),
    ]),
    ("BinaryEquals", "", [("aGk=", "aGk=", True), ("aGk=", "aG8=", False), ("aGk=", "%", False)]),
]
POSITIVE = [(operator, *case) for operator, _, cases in TABLE for case in cases]
NEGATED = [(negation, *case) for _, negation, cases in TABLE if negation for case in cases]
OPERATORS = sorted({operator for operator, _, _ in TABLE})
NEGATIONS = sorted({negation for _, negation, _ in TABLE if negation})
SOME_VALUE = {"Numeric": "1", "Date": "2024-01-01", "Ip": "10.0.0.1", "NotIp": "10.0.0.1", "Bool": "true", "Binary": "aGk="}


def some_value(operator):
    return next((value for name, value in SOME_VALUE.items() if operator.startswith(name)), "arn:aws:iam::1:root")


@pytest.mark.parametrize(("operator", "wanted", "given", "expected"), POSITIVE)
def test_operators(operator, wanted, given, expected):
    assert holds(operator, wanted, given) is expected
    assert holds(f"{operator}IfExists", wanted, given) is expected
    assert holds(operator.lower(), wanted, given) is expected  # names of operators know no case


@pytest.mark.parametrize(("operator", "wanted", "given", "positive"), NEGATED)
def test_negations(operator, wanted, given, positive):
    assert holds(operator, wanted, given) is not positive
    assert holds(f"{operator}IfExists", wanted, given) is not positive


@pytest.mark.parametrize("operator", OPERATORS)
def test_a_missing_key(operator):
    value = some_value(operator)
    assert not holds(operator, value, None)
    assert not holds(operator, value, ())
    assert holds(f"{operator}IfExists", value, None)
    assert holds(f"ForAllValues:{operator}", value, None)
    assert not holds(f"ForAnyValue:{operator}", value, None)


@pytest.mark.parametrize("operator", NEGATIONS)
def test_a_missing_key_with_a_negation(operator):
    value = some_value(operator)
    assert holds(operator, value, None)
    assert holds(f"{operator}IfExists", value, None)
    assert holds(f"ForAllValues:{operator}", value, None)
    assert not holds(f"ForAnyValue:{operator}", value, None)


@pytest.mark.parametrize(
    ("wanted", "given", "expected"),
    [("true", None, True), ("true", "", False), ("true", "x", False), ("false", None, False), ("false", "x", True),
     (["true", "false"], None, True), ("TRUE", None, True), ("true", (), True)],
)
def test_null(wanted, given, expected):
    assert holds("Null", wanted, given) is expected


@pytest.mark.parametrize(
    ("operator", "wanted", "given", "expected"),
    [
        ("ForAllValues:StringEquals", ["a", "b"], ["a"], True),
        ("ForAllValues:StringEquals", ["a", "b"], ["a", "b"], True),
        ("ForAllValues:StringEquals", ["a", "b"], ["a", "c"], False),
        ("ForAllValues:StringLike", ["a*"], ["ab", "ac"], True),
        ("ForAnyValue:StringEquals", ["a", "b"], ["c", "b"], True),
        ("ForAnyValue:StringEquals", ["a", "b"], ["c", "d"], False),
        ("ForAllValues:StringNotEquals", ["a"], ["b", "c"], True),
        ("ForAllValues:StringNotEquals", ["a"], ["a", "c"], False),
        ("ForAnyValue:StringNotEquals", ["a"], ["a", "c"], True),
        ("ForAnyValue:StringNotEquals", ["a"], ["a"], False),
        ("forallvalues:StringEquals", ["a"], ["a"], True),
        ("ForAnyValue:StringEqualsIfExists", ["a"], None, True),
        ("ForAllValues:NumericLessThan", ["10"], ["1", "2"], True),
        ("ForAllValues:NumericLessThan", ["10"], ["1", "20"], False),
        # Without a set operator one of several values is enough, and a negation wants none of them.
        ("StringEquals", ["a"], ["b", "a"], True),
        ("StringNotEquals", ["a"], ["b", "a"], False),
    ],
)
def test_several_values(operator, wanted, given, expected):
    assert holds(operator, wanted, given) is expected


@pytest.mark.parametrize(
    ("operator", "wanted", "given", "more", "expected"),
    [
        ("StringEquals", "${aws:username}", "ann", {"aws:username": ("ann",)}, True),
        ("StringEquals", "${aws:username}", "bob", {"aws:username": ("ann",)}, False),
        ("StringEquals", "${aws:username, 'ann'}", "ann", {}, True),
        ("StringLike", "home/${aws:username}/*", "home/ann/x", {"aws:username": ("ann",)}, True),
        ("StringLike", "home/${aws:username}/*", "home/ann/x", {"aws:username": ("*",)}, False),
        ("StringEqualsIgnoreCase", "${aws:username}", "ANN", {"aws:username": ("ann",)}, True),
        ("ArnLike", "arn:aws:iam::1:user/${aws:username}", "arn:aws:iam::1:user/ann", {"aws:username": ("ann",)}, True),
        ("StringEquals", "${aws:username}", "", {}, False),
    ],
)
def test_variables(operator, wanted, given, more, expected):
    assert holds(operator, wanted, given, more=more) is expected


def test_variables_are_text_before_2012():
    assert holds("StringEquals", "${aws:username}", "${aws:username}", variables=False, more={"aws:username": ("ann",)})


def test_a_variable_without_a_value_opens_nothing():
    for operator in ("StringNotEquals", "StringNotLike", "ForAllValues:StringNotEquals", "ForAnyValue:StringNotEquals"):
        assert not holds(operator, "${aws:username}", "bob", allows=True)
        assert holds(operator, "${aws:username}", "bob", allows=False)
    assert not holds("StringEquals", ["${aws:username}", "x"], "bob", allows=True)
    assert holds("StringEquals", ["${aws:username}", "bob"], "bob", allows=True)


@pytest.mark.parametrize(
    ("operator", "value"),
    [("StringMatches", "a"), ("", "a"), ("IfExists", "a"), ("ForAllValues:", "a"), ("ForSomeValues:StringEquals", "a"),
     ("NullIfExists", "true"), ("ForAnyValue:Null", "true"), ("NumericEquals", "ten"), ("NumericEquals", "1e999999999"),
     ("NumericEquals", "9" * 31), ("DateLessThan", "soon"), ("DateEquals", "9" * 12), ("Bool", "yes"), ("Null", "maybe"),
     ("IpAddress", "10.0.0.0/33"), ("IpAddress", "10.0.0"), ("IpAddress", "${aws:SourceIp}"), ("BinaryEquals", "%%"),
     ("BoolNot", "true"), ("NotStringEquals", "a")],
)
def test_refused(operator, value):
    with pytest.raises(InvalidCondition):
        Condition(operator, KEY, (value,), variables=True, allows=True)


NAMES = st.lists(st.sampled_from("abcd"), max_size=4)
STRING_OPERATORS = st.sampled_from(["StringEquals", "StringLike", "StringEqualsIgnoreCase"])


def negation_of(operator):
    return operator.replace("String", "StringNot", 1)


@given(operator=STRING_OPERATORS, wanted=NAMES.filter(bool), given=NAMES)
def test_laws_of_sets(operator, wanted, given):
    negation = negation_of(operator)
    all_match = holds(f"ForAllValues:{operator}", wanted, given)
    any_matches = holds(f"ForAnyValue:{operator}", wanted, given)
    assert all_match is all(one in wanted for one in given)
    assert any_matches is any(one in wanted for one in given)
    # Not all are in it: one is not; not one is in it: all are not.
    assert holds(f"ForAnyValue:{negation}", wanted, given) is not all_match
    assert holds(f"ForAllValues:{negation}", wanted, given) is not any_matches


@given(operator=STRING_OPERATORS, wanted=NAMES.filter(bool), given=NAMES)
def test_the_law_of_if_exists(operator, wanted, given):
    for name in (operator, negation_of(operator)):
        assert holds(f"{name}IfExists", wanted, given) is (not given or holds(name, wanted, given))
    assert holds(operator, wanted, given) is not holds(negation_of(operator), wanted, given)


@given(wanted=NAMES.filter(bool), more=NAMES, given=NAMES)
def test_more_values_hold_more_often(wanted, more, given):
    if holds("StringEquals", wanted, given):
        assert holds("StringEquals", wanted + more, given)
    if holds("StringNotEquals", wanted + more, given):
        assert holds("StringNotEquals", wanted, given)


@given(text=st.text(max_size=40))
def test_no_value_of_a_request_breaks_an_operator(text):
    for operator in [*OPERATORS, *NEGATIONS]:
        assert holds(operator, some_value(operator), text) in (True, False)
