"""Wildcards and variables of policies against a simple model."""

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dolmen.gateway.auth.policy.matching import ActionSet, ResourceSet, glob_of
from dolmen.gateway.auth.policy.pattern import ArnPattern, could_begin, tokens


class Values(dict):
    """A scope of a test."""


TEXTS = st.text(alphabet="ab:/*?$", max_size=12)


@given(pattern=st.text(alphabet="ab*?", max_size=10), text=st.text(alphabet="ab", max_size=12))
def test_globs_match_as_regular_expressions_do(pattern, text):
    model = "".join({"*": ".*", "?": "."}.get(sign, re.escape(sign)) for sign in pattern)
    assert glob_of(pattern).matches(text) is (re.fullmatch(model, text, re.DOTALL) is not None)


@given(text=TEXTS)
def test_a_star_matches_everything(text):
    assert glob_of("*").matches(text)
    assert glob_of("***").matches(text)
    assert glob_of("*" + "?" * len(text)).matches(text)
    assert not glob_of("?" * (len(text) + 1) + "*").matches(text)


@given(beginning=st.text(alphabet="ab", max_size=4), rest=st.text(alphabet="ab", min_size=1, max_size=4),
       pattern=st.text(alphabet="ab*?", max_size=6))
def test_what_matches_a_longer_text_could_begin_it(beginning, rest, pattern):
    if glob_of(pattern).matches(beginning + rest):
        assert could_begin(tokens(pattern, variables=False, wildcards=True), beginning)


@pytest.mark.parametrize(
    ("pattern", "beginning", "expected"),
    [("b/*", "b/", True), ("b", "b/", False), ("b/", "b/", False), ("*", "b/", True), ("b*", "b/", True), ("c*", "b/", False),
     ("b/?", "b/", True), ("?/k", "b/", True), ("b/k", "b/", True), ("b?k", "b/", True), ("", "b/", False), ("*/", "b/", True)],
)
def test_could_begin(pattern, beginning, expected):
    assert could_begin(tokens(pattern, variables=False, wildcards=True), beginning) is expected


def test_many_stars_cost_no_more_than_they_must():
    began = time.perf_counter()
    assert not glob_of("*a" * 200 + "b").matches("a" * 1024)
    assert not ArnPattern("arn:aws:s3:::b/" + "*a?" * 200 + "b", variables=True, complete=True).matches(
        "arn:aws:s3:::b/" + "a" * 1024, Values()
    )
    for text in ("${a" + " " * 200_000, "${" * 100_000, "${" + "a" * 200_000, "${a, '" + "x" * 200_000):
        assert tokens(text, variables=True, wildcards=True) == (text,)
    assert time.perf_counter() - began < 1


@pytest.mark.parametrize(
    ("pattern", "arn", "expected"),
    [
        ("*", "arn:aws:s3:::b", True),
        ("arn:aws:s3:::b", "arn:aws:s3:::b", True),
        ("arn:aws:s3:::b", "arn:aws:s3:::b/k", False),
        ("arn:aws:s3:::b/*", "arn:aws:s3:::b/k/l:m", True),
        ("arn:aws:s3:::b/*", "arn:aws:s3:::b", False),
        ("arn:aws:s3:::b*", "arn:aws:s3:::b/k", True),
        ("arn:aws:s3:::B", "arn:aws:s3:::b", False),
        ("arn:aws:s3:::*/secret?", "arn:aws:s3:::b/x/secret1", True),
        ("arn:aws:s3", "arn:aws:s3:::b/k", True),  # missing fields are "*"
        ("arn:aws:iam", "arn:aws:s3:::b/k", False),
        ("arn:*:s3:::b", "arn:aws:s3:::b", True),
        ("arn:aws:s*:::b", "arn:aws:s3:::b", True),
        ("arn:aws:*:b", "arn:aws:s3:::b", False),  # a wildcard stays in its field
        ("arn:aws:s3:*:*:b", "arn:aws:s3:::b", True),
        ("arn:aws:s3::tenant:b", "arn:aws:s3:::b", False),
        ("arn:aws:s3::*:b", "arn:aws:s3::tenant:b", True),
        ("", "arn:aws:s3:::b", False),
    ],
)
def test_resources(pattern, arn, expected):
    assert ResourceSet([pattern], variables=True).matches([arn], Values()) is expected


@pytest.mark.parametrize(
    ("pattern", "values", "key", "expected"),
    [
        ("home/${aws:username}/*", {"aws:username": ("ann",)}, "home/ann/x", True),
        ("home/${aws:username}/*", {"aws:username": ("ann",)}, "home/bob/x", False),
        ("home/${AWS:UserName}/*", {"aws:username": ("ann",)}, "home/ann/x", True),
        ("home/${aws:username}/*", {}, "home//x", None),
        ("home/${aws:username}/*", {"aws:username": ("a", "b")}, "home/a/x", None),  # a list is no text
        ("home/${aws:username, 'guest'}/*", {}, "home/guest/x", True),
        ("home/${aws:username,'guest'}/*", {"aws:username": ("ann",)}, "home/guest/x", False),
        ("${aws:username}", {"aws:username": ("*",)}, "anything", False),  # no wildcard out of a value
        ("${aws:username}", {"aws:username": ("*",)}, "*", True),
        ("${aws:username}", {"aws:username": ("a:b",)}, "a:b", True),
        ("${*}", {}, "*", True),
        ("${*}", {}, "x", False),
        ("${?}", {}, "?", True),
        ("${?}", {}, "x", False),
        ("${$}{x}", {}, "${x}", True),
        ("${aws:PrincipalTag/Team}", {"aws:principaltag/Team": ("red",)}, "red", True),
        ("${", {}, "${", True),
        ("${}", {}, "${}", True),
    ],
)
def test_variables(pattern, values, key, expected):
    found = ResourceSet([f"arn:aws:s3:::b/{pattern}"], variables=True)
    assert found.matches([f"arn:aws:s3:::b/{key}"], Values(values)) is expected


def test_variables_in_the_first_fields():
    pattern = ArnPattern("arn:aws:s3::${aws:PrincipalTag/t}:b/*", variables=True, complete=True)
    assert pattern.matches("arn:aws:s3::acme:b/k", Values({"aws:principaltag/t": ("acme",)}))
    assert not pattern.matches("arn:aws:s3::acme:b/k", Values({"aws:principaltag/t": ("acme:b",)}))
    assert pattern.matches("arn:aws:s3::acme:b/k", Values()) is None


def test_no_variables_before_2012():
    found = ResourceSet(["arn:aws:s3:::b/${aws:username}"], variables=False)
    assert found.matches(["arn:aws:s3:::b/${aws:username}"], Values())
    assert not found.matches(["arn:aws:s3:::b/ann"], Values({"aws:username": ("ann",)}))


def test_one_of_several_names_of_a_resource_is_enough():
    found = ResourceSet(["arn:aws:s3:::b"], variables=True)
    assert found.matches(["arn:aws:s3::acme:b", "arn:aws:s3:::b"], Values())


@pytest.mark.parametrize(
    ("listed", "action", "expected"),
    [(["s3:GetObject"], "s3:getobject", True), (["S3:GETOBJECT"], "s3:getobject", True), (["s3:*"], "iam:getuser", False),
     (["s3:GetObject"], "s3:getobjectacl", False), (["s3:Get*"], "s3:getobjectacl", True), (["s3:*"], "s3:putobject", True),
     (["*"], "iam:getuser", True), (["s3:?etObject"], "s3:getobject", True), (["s3:Get*Tagging"], "s3:getobject", False),
     (["s3:Put*", "s3:Get*Tagging"], "s3:getobjecttagging", True)],
)
def test_actions(listed, action, expected):
    assert ActionSet(listed).matches(action) is expected
