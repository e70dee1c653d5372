"""The API server's rules for CRD schemas, restated: what is structural, bounded, valid, defaulted.

https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/#specifying-a-structural-schema
"""

from __future__ import annotations

import json
import re
from copy import deepcopy

INT_OR_STRING = "x-kubernetes-int-or-string"
LIST_TYPE = "x-kubernetes-list-type"
LIST_KEYS = "x-kubernetes-list-map-keys"
JUNCTORS = ("allOf", "anyOf", "oneOf", "not")
TYPES = {"object", "array", "string", "integer", "number", "boolean"}
KNOWN = {
    "type", "format", "description", "default", "enum", "pattern", "minLength", "maxLength", "minimum", "maximum", "minItems",
    "maxItems", "maxProperties", "properties", "additionalProperties", "items", "required", "anyOf", INT_OR_STRING, LIST_TYPE,
    LIST_KEYS, "x-kubernetes-validations",
}  # fmt: skip
INT_OR_STRING_ANY_OF = [{"type": "integer"}, {"type": "string"}]


def walk(schema, path=""):
    """(path, schema) of every node."""
    yield path, schema
    for name, one in schema.get("properties", {}).items():
        yield from walk(one, f"{path}.{name}")
    if "items" in schema:
        yield from walk(schema["items"], f"{path}[]")
    if "additionalProperties" in schema:
        yield from walk(schema["additionalProperties"], f"{path}{{}}")


def structural_faults(schema):
    """What the API server would refuse, or silently not do."""
    faults = []
    for path, node in walk(schema):
        faults += [f"{path}: {fault}" for fault in _node_faults(node)]
    return faults


def _node_faults(node):
    yield from (f"{name} is unknown or forbidden" for name in node.keys() - KNOWN)
    if node.get(INT_OR_STRING):
        if "type" in node or node.get("anyOf") != INT_OR_STRING_ANY_OF:
            yield "int-or-string has no type, and the one anyOf that is allowed"
    elif node.get("type") not in TYPES:
        yield "no type"
    elif any(name in node for name in JUNCTORS):
        yield "a junctor outside int-or-string"
    if "properties" in node and "additionalProperties" in node:
        yield "properties beside additionalProperties"
    if ("properties" in node or "additionalProperties" in node) and node.get("type") != "object":
        yield "fields of what is no object"
    if ("items" in node) != (node.get("type") == "array"):
        yield "a list and its items belong together"
    yield from (f"required {name} is no property" for name in node.get("required", ()) if name not in node["properties"])
    yield from (
        f"required {name} has a default" for name in node.get("required", ()) if "default" in node["properties"].get(name, {})
    )
    values = node.get("additionalProperties", {})
    yield from ("a default in the values of a map" for _, one in walk(values) if "default" in one)
    yield from _list_faults(node)


def _list_faults(node):
    if node.get("type") != "array":
        return
    kind, keys, items = node.get(LIST_TYPE), node.get(LIST_KEYS), node["items"]
    if kind not in {"map", "set", "atomic"} or (kind == "map") != bool(keys):
        yield "a list says how it is merged, with keys when it is a map"
    if kind == "set" and items.get("type") not in {"string", "integer", "boolean"}:
        yield "a set of what is no scalar"
    for key in keys or ():
        field = items.get("properties", {}).get(key)
        if field is None or field["type"] not in {"string", "integer", "boolean"}:
            yield f"the key {key} is no scalar field"
        elif key not in items.get("required", ()) and "default" not in field:
            yield f"the key {key} may be missing"


def unbounded(schema):
    """Paths of strings, lists and maps without a limit, and numbers without a range."""
    found = []
    for path, node in walk(schema):
        kind = node.get("type")
        text_without = "maxLength" not in node and "enum" not in node
        if (kind == "string" or node.get(INT_OR_STRING)) and text_without:
            found.append(path)
        if kind == "array" and "maxItems" not in node:
            found.append(path)
        if "additionalProperties" in node and "maxProperties" not in node:
            found.append(path)
        if kind == "integer" and not {"minimum", "maximum"} <= node.keys():
            found.append(path)
    return found


def faults_of(value, schema, path=""):
    """Why ``value`` is not valid, CEL rules apart; unknown fields are faults, as with strict field validation."""
    if schema.get(INT_OR_STRING):
        if isinstance(value, bool) or not isinstance(value, int | str):
            return [f"{path}: neither int nor string"]
        return _scalar_faults(value, schema, path)
    kind = schema["type"]
    classes = {"object": dict, "array": list, "string": str, "integer": int, "boolean": bool, "number": float}
    if not isinstance(value, classes[kind]) or (kind == "integer" and isinstance(value, bool)):
        return [f"{path}: no {kind}"]
    if kind == "object":
        return _object_faults(value, schema, path)
    if kind == "array":
        return _array_faults(value, schema, path)
    return _scalar_faults(value, schema, path)


def _object_faults(value, schema, path):
    faults = [f"{path}.{name}: required" for name in schema.get("required", ()) if name not in value]
    if len(value) > schema.get("maxProperties", len(value)):
        faults.append(f"{path}: too many entries")
    if "properties" not in schema and "additionalProperties" not in schema:
        return faults  # metadata
    for name, one in value.items():
        inner = schema.get("properties", {}).get(name, schema.get("additionalProperties"))
        faults += [f"{path}.{name}: unknown"] if inner is None else faults_of(one, inner, f"{path}.{name}")
    return faults


def _array_faults(value, schema, path):
    faults = []
    if not schema.get("minItems", 0) <= len(value) <= schema.get("maxItems", len(value)):
        faults.append(f"{path}: {len(value)} elements")
    for index, one in enumerate(value):
        faults += faults_of(one, schema["items"], f"{path}[{index}]")
    keys = schema.get(LIST_KEYS)
    if keys or schema.get(LIST_TYPE) == "set":
        identities = [json.dumps([one.get(key) for key in keys] if keys else one) for one in value]
        faults += [f"{path}: twice the same"] if len(set(identities)) != len(identities) else []
    return faults


def _scalar_faults(value, schema, path):
    if isinstance(value, str):
        lengths = schema.get("minLength", 0) <= len(value) <= schema.get("maxLength", len(value))
        fits = lengths and re.search(schema.get("pattern", ""), value) is not None
    else:
        fits = isinstance(value, bool) or schema.get("minimum", value) <= value <= schema.get("maximum", value)
    fits = fits and value in schema.get("enum", [value])
    return [] if fits else [f"{path}: {value!r} is out of bounds"]


def defaulted(value, schema):
    """As the API server stores it: defaults wherever the object around them is there."""
    if isinstance(value, dict):
        found = dict(value)
        for name, one in schema.get("properties", {}).items():
            if name not in found and "default" in one:
                found[name] = deepcopy(one["default"])
            if name in found:
                found[name] = defaulted(found[name], one)
        if "additionalProperties" in schema:
            found = {name: defaulted(one, schema["additionalProperties"]) for name, one in found.items()}
        return found
    return [defaulted(one, schema["items"]) for one in value] if isinstance(value, list) else value


def bytes_max(schema):
    """The most characters that a status can have in JSON, by the bounds of its schema; there are no maps in it."""
    if schema.get("type") == "object":
        fields = schema.get("properties", {})
        named = sum(len(name) + 4 + bytes_max(one) for name, one in fields.items())
        return 2 + named
    if schema.get("type") == "array":
        return 2 + schema["maxItems"] * (bytes_max(schema["items"]) + 1)
    if "enum" in schema:
        return 2 + max(map(len, schema["enum"]))
    return 2 + schema.get("maxLength", 20)
