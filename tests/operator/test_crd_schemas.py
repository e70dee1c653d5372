"""Schemas of the CRDs: structural, bounded, with defaults that are valid and that the models read."""

import pytest
from crd_schema import bytes_max, defaulted, faults_of, structural_faults, unbounded, walk

from dolmen.operator.crd.definitions import KINDS, at_path, definition, schema_of
from dolmen.operator.crd.rule import MINIMAL
from dolmen.operator.model import decode

OBJECT_BYTES_MAX = 1 << 20  # etcd takes 1.5 MiB
FIELDS_OF_KUBERNETES = {"", ".apiVersion", ".kind"}


@pytest.fixture(params=KINDS, ids=lambda kind: kind.name)
def kind(request):
    return request.param


def minimal(kind):
    return defaulted(MINIMAL[kind.name], schema_of(kind))


def test_schema_is_structural(kind):
    assert structural_faults(schema_of(kind)) == []


def test_checker_finds_what_is_not_structural():
    text = {"type": "string"}
    wrong = [
        {"properties": {}},
        {"type": "object", "properties": {}, "additionalProperties": text},
        {"type": "object", "properties": {"a": {"$ref": "#/definitions/a"}}},
        {"type": "object", "properties": {"a": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}},
        {"type": "array", "items": text},
        {
            "type": "array",
            "items": {"type": "object", "properties": {"a": text}},
            "x-kubernetes-list-type": "map",
            "x-kubernetes-list-map-keys": ["a"],
        },
        {"type": "object", "properties": {"a": {"type": "string", "anyOf": [{"pattern": "a"}]}}},
        {"x-kubernetes-int-or-string": True},
        {"type": "object", "additionalProperties": {"type": "string", "default": "a"}},
        {"type": "object", "properties": {"a": text}, "required": ["b"]},
    ]
    assert [schema for schema in wrong if structural_faults(schema) == []] == []


def test_everything_is_bounded(kind):
    assert set(unbounded(schema_of(kind))) <= FIELDS_OF_KUBERNETES


def test_every_field_has_a_text(kind):
    silent = [
        path
        for path, node in walk(schema_of(kind))
        if not node.get("description") and not path.endswith(("[]", "{}")) and path != ".metadata"
    ]
    assert silent == []


def test_defaults_are_valid_against_their_own_schema(kind):
    faults = [
        fault for path, node in walk(schema_of(kind)) if "default" in node for fault in faults_of(node["default"], node, path)
    ]
    assert faults == []


def test_defaults_are_complete(kind):
    """Nothing is added to a default by nested ones: the rules see all of it when the CRD is made."""
    partial = [
        path for path, node in walk(schema_of(kind)) if "default" in node and defaulted(node["default"], node) != node["default"]
    ]
    assert partial == []


def test_status_has_no_defaults(kind):
    assert [path for path, node in walk(schema_of(kind)["properties"]["status"]) if "default" in node] == []


def test_status_is_small(kind):
    """Four bytes a character would be 1.5 MiB at most for 393 thousand of them."""
    assert bytes_max(schema_of(kind)["properties"]["status"]) < OBJECT_BYTES_MAX // 4


def test_minimal_object_is_valid_and_read(kind):
    stored = minimal(kind)
    assert faults_of(stored, schema_of(kind)) == []
    read = decode.decode(stored, decode.KINDS[kind.name])
    assert decode.encode(read.spec) == decode.encode(decode.decode(MINIMAL[kind.name], decode.KINDS[kind.name]).spec)


def test_defaults_of_schema_and_model_are_the_same(kind):
    """What the model adds to a minimal object is what the API server adds, empty lists and texts apart."""
    stored = minimal(kind)["spec"]
    told = decode.encode(decode.decode(MINIMAL[kind.name], decode.KINDS[kind.name]).spec)
    assert stored == without_empty(told)


def without_empty(value):
    if isinstance(value, dict):
        return {key: without_empty(one) for key, one in value.items() if one not in ([], "")}
    return [without_empty(one) for one in value] if isinstance(value, list) else value


def test_status_of_model_is_valid(kind):
    model = decode.KINDS[kind.name]
    status = decode.encode(decode.decode(MINIMAL[kind.name], model).status)
    assert faults_of(status, schema_of(kind)["properties"]["status"]) == []


def test_unknown_fields_are_ignored_and_bounds_are_not(kind):
    model = decode.KINDS[kind.name]
    raw = minimal(kind)
    assert decode.decode(raw | {"spec": raw["spec"] | {"fieldOfTomorrow": 1}}, model).spec == decode.decode(raw, model).spec
    with pytest.raises(decode.InvalidResource, match="spec"):
        decode.decode({"spec": 3}, model)


def test_definition_names_what_kubectl_needs(kind):
    made = definition(kind)
    names, (version,) = made["spec"]["names"], made["spec"]["versions"]
    assert made["metadata"]["name"] == f"{names['plural']}.dolmen.dev"
    assert "categories" not in names
    assert version["served"]
    assert version["storage"]
    assert "status" in version["subresources"]
    assert [one["name"] for one in version["additionalPrinterColumns"]].count("Age") == 1


def test_columns_and_scale_read_fields_that_are_there(kind):
    schema = schema_of(kind)
    version = definition(kind)["spec"]["versions"][0]
    paths = [one["jsonPath"] for one in version["additionalPrinterColumns"]] + list(
        version["subresources"].get("scale", {}).values()
    )
    for path in paths:
        if path.startswith(".metadata"):
            continue
        if "conditions[" in path:
            path = ".status.conditions[].status"
        found = at_path(schema, path.removeprefix(".").replace("[*]", "[]"))
        assert found.get("type") in {"string", "integer"} or found.get("x-kubernetes-int-or-string")


def test_short_names_are_unique():
    names = [name for kind in KINDS for name in kind.short_names]
    assert len(set(names)) == len(names)
