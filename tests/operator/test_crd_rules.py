"""CEL rules, as far as they can be judged without an API server: their fields are there, their examples valid but for them."""

import re

import pytest
from crd_schema import defaulted, faults_of

from dolmen.gateway.s3 import names as gateway_names
from dolmen.operator.crd.definitions import KINDS, at_path, schema_of
from dolmen.operator.crd.rule import objects_of
from dolmen.operator.crd.rules import RULES
from dolmen.operator.model import bucket, decode

SCHEMAS = {kind.name: schema_of(kind) for kind in KINDS}
REASONS = {"FieldValueInvalid", "FieldValueForbidden", "FieldValueRequired", "FieldValueDuplicate"}
MESSAGE_MAX = 2048  # of the API server
METHODS = {"all", "exists", "contains", "matches", "startsWith", "endsWith", "compareTo"}
RESERVED = {"namespace", "import", "in", "as", "const", "package", "return", "function", "var", "void", "while", "if", "for"}
PATHS = re.compile(r"\b(?:self|oldSelf)((?:\.[A-Za-z_]+)+)")


@pytest.fixture(params=RULES, ids=lambda rule: rule.name)
def rule(request):
    return request.param


def test_names_are_unique():
    assert len({rule.name for rule in RULES}) == len(RULES)


def test_rule_reads_fields_that_are_there(rule):
    schema = at_path(SCHEMAS[rule.kind], rule.path)
    for path in PATHS.findall(rule.rule):
        steps = [step for step in path.split(".")[1:] if step not in METHODS]
        assert not RESERVED.intersection(steps), "write it as __name__"
        if steps and steps[0] != "metadata":  # of the object only the name may be read
            at_path(schema, ".".join(step.strip("_") for step in steps))


def test_field_path_is_there(rule):
    at_path(at_path(SCHEMAS[rule.kind], rule.path), rule.field_path)


def test_message_says_what_to_do_in_one_line(rule):
    assert rule.reason in REASONS
    assert "\n" not in rule.message + rule.rule
    assert 20 < len(rule.message) < MESSAGE_MAX


def test_old_self_is_compared_only_where_it_can_be_found(rule):
    """The API server refuses transition rules below lists that have no keys."""
    if "oldSelf" not in rule.rule:
        return
    steps = rule.path.split(".")
    for index, step in enumerate(steps):
        if step.endswith("[]"):
            node = at_path(SCHEMAS[rule.kind], ".".join([*steps[:index], step.removesuffix("[]")]))
            assert node["x-kubernetes-list-type"] == "map"


def test_transitions_have_old_objects_in_their_examples(rule):
    for example in (rule.accepts, rule.refuses):
        assert (example.old is not None) == ("oldSelf" in rule.rule)


def test_examples_are_valid_but_for_rules(rule):
    """What is refused is refused by a rule, not by a bound; and the model reads what is accepted."""
    for example in (rule.accepts, rule.refuses):
        for manifest in objects_of(rule, example):
            if manifest is not None:
                stored = defaulted(manifest, SCHEMAS[rule.kind])
                assert faults_of(stored, SCHEMAS[rule.kind]) == []
                decode.decode(stored, decode.KINDS[rule.kind])


def test_examples_differ(rule):
    assert objects_of(rule, rule.accepts)[1] != objects_of(rule, rule.refuses)[1]


def test_every_exclusive_pair_of_the_kinds_has_its_rule():
    names = {rule.name for rule in RULES}
    wanted = {
        "bucket-name-immutable", "bucket-cluster-immutable", "object-lock-stays", "redundancy-immutable", "pool-not-renamed",
        "pool-size-grows", "pool-volumes-immutable", "versioning-stays", "object-lock-needs-versioning", "domains-survive-loss",
        "tls-one-source", "redundancy-one-scheme", "metadata-embedded-single", "user-cluster-immutable",
    }  # fmt: skip
    assert wanted <= names


def test_reserved_names_are_those_of_the_gateway():
    assert bucket.RESERVED_PREFIXES == gateway_names._RESERVED_PREFIXES
    assert bucket.RESERVED_SUFFIXES == gateway_names._RESERVED_SUFFIXES
    text = next(rule.rule for rule in RULES if rule.name == "bucket-name")
    for name in (*bucket.RESERVED_PREFIXES, *bucket.RESERVED_SUFFIXES):
        assert f"'{name}'" in text
