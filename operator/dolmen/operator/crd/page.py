"""docs/reference/custom-resources.md: every field of every kind, from the schemas that the API server gets."""

from __future__ import annotations

import json
from collections.abc import Iterator

from dolmen.operator.crd.definitions import KINDS, Kind, schema_of
from dolmen.operator.crd.rules import RULES
from dolmen.operator.crd.schema import Schema
from dolmen.operator.model import fields
from dolmen.operator.model.bucket import NAME_PATTERN as BUCKET_PATTERN
from dolmen.operator.model.conditions import BUCKET_CONDITIONS, CLUSTER_CONDITIONS, GRANT_CONDITIONS, USER_CONDITIONS
from dolmen.operator.model.gateway import DOMAIN_PATTERN, REGION_PATTERN
from dolmen.operator.model.lifecycle import DATE_PATTERN
from dolmen.operator.model.references import API_VERSION
from dolmen.operator.model.website import HOST_PATTERN

DEFAULT_SHOWN_MAX = 40  # characters; longer ones are those of the fields inside
ENUM_SHOWN_MAX = 13
# What people call the patterns that they know.
PATTERNS = {
    fields.LABEL_PATTERN: "DNS label",
    fields.NAME_PATTERN: "DNS name",
    fields.LABEL_KEY_PATTERN: "label key",
    fields.LABEL_VALUE_PATTERN: "label value",
    fields.SECRET_KEY_PATTERN: "key of a Secret",
    fields.BYTES_PATTERN: "quantity of bytes",
    fields.DURATION_PATTERN: "duration",
    BUCKET_PATTERN: "name of a bucket",
    DOMAIN_PATTERN: "DNS name",
    REGION_PATTERN: "DNS label",
    DATE_PATTERN: "date",
    HOST_PATTERN: "host with an optional port",
}
CONDITIONS = {
    "StorageCluster": CLUSTER_CONDITIONS,
    "Bucket": BUCKET_CONDITIONS,
    "ObjectUser": USER_CONDITIONS,
    "ReferenceGrant": GRANT_CONDITIONS,
}
HEAD = f"""# Custom resources

Written by `scripts/generate_crds.py` from the models of the operator; do not edit. The kinds are `{API_VERSION}`, namespaced; their
definitions are in [crds](../../crds). A field without a default and without "required" may be left out. `[]` is each element of a
list, `{{}}` each value of a map. Lists that are maps are merged by their key in server-side apply.

Quantities are Kubernetes' (`10Gi`, `500m`, `1e9`), durations are `1h30m`.
"""


def page() -> str:
    """The whole document."""
    return "\n".join([HEAD, *(_section(kind) for kind in KINDS)])


def _section(kind: Kind) -> str:
    schema = schema_of(kind)
    short = ", ".join(f"`{name}`" for name in kind.short_names)
    scale = " `kubectl scale` and autoscalers set the number of gateways." if kind.scale else ""
    parts = [f"## {kind.name}\n\n{kind.description} Short name {short}.{scale}\n"]
    for part in ("spec", "status"):
        table = ["| field | type | default | bounds | meaning |", "| --- | --- | --- | --- | --- |"]
        table += _rows(schema["properties"][part], part, is_status=part == "status")
        parts.append(f"### {kind.name} {part}\n\n" + "\n".join(table) + "\n")
    parts.append(f"Conditions: {', '.join(f'`{name}`' for name in CONDITIONS[kind.name])}.\n")
    rules = [rule for rule in RULES if rule.kind == kind.name]
    if rules:
        table = ["| where | rule | message |", "| --- | --- | --- |"]
        table += [f"| `{rule.path or 'the object'}` | `{rule.name}` | {_cell(rule.message)} |" for rule in rules]
        parts.append(f"### {kind.name} rules\n\n" + "\n".join(table) + "\n")
    return "\n".join(parts)


def _rows(schema: Schema, path: str, *, is_status: bool) -> Iterator[str]:
    required = set(schema.get("required", ()))
    for name, field in schema.get("properties", {}).items():
        where = f"{path}.{name}"
        default = "required" if name in required and not is_status else _default(field)
        yield f"| `{where}` | {_type(field)} | {default} | {_bounds(field)} | {_cell(field.get('description', ''))} |"
        yield from _inner(field, where, is_status=is_status)


def _inner(field: Schema, where: str, *, is_status: bool) -> Iterator[str]:
    """The fields below one: of an object, of the elements of a list, of the values of a map."""
    if "properties" in field:
        yield from _rows(field, where, is_status=is_status)
    elif "items" in field:
        yield from _inner(field["items"], f"{where}[]", is_status=is_status)
    elif "additionalProperties" in field:
        yield from _inner(field["additionalProperties"], f"{where}{{}}", is_status=is_status)


def _type(field: Schema) -> str:
    if field.get("x-kubernetes-int-or-string"):
        return "quantity"
    if "items" in field:
        keys = field.get("x-kubernetes-list-map-keys")
        kind = f", by `{'`, `'.join(keys)}`" if keys else ", a set" if field["x-kubernetes-list-type"] == "set" else ""
        return f"list of {_type(field['items'])}{kind}"
    if "additionalProperties" in field:
        return f"map to {_type(field['additionalProperties'])}"
    return "time" if field.get("format") == "date-time" else str(field["type"])


def _default(field: Schema) -> str:
    if "default" not in field:
        return ""
    text = field["default"] if isinstance(field["default"], str) else json.dumps(field["default"], separators=(",", ":"))
    return f"`{_cell(text)}`" if len(text) <= DEFAULT_SHOWN_MAX else "see below"


def _bounds(field: Schema) -> str:
    """The field's own, and those of the scalars that a list or a map holds."""
    found = [_enum(field["enum"])] if "enum" in field else []
    found += _range(field, "minimum", "maximum", "") if field.get("type") == "integer" else []
    found += _range(field, "minLength", "maxLength", " characters")
    found += _range(field, "minItems", "maxItems", " elements")
    found += _range(field, "minProperties", "maxProperties", " entries")
    if "pattern" in field and field.get("format") != "date-time" and not field.get("x-kubernetes-int-or-string"):
        found.append(_pattern(field["pattern"]))
    inner = field.get("items", field.get("additionalProperties"))
    if isinstance(inner, dict) and "properties" not in inner and (of_inner := _bounds(inner)):
        found.append(f"each {of_inner}")
    return "; ".join(found)


def _pattern(pattern: str) -> str:
    """Its name, else the pattern; what Markdown would take for a link is in the CRD."""
    return PATTERNS.get(pattern, "a pattern" if "](" in pattern else f"`{_cell(pattern)}`")


def _enum(values: list[str]) -> str:
    shown = ", ".join(f"`{value}`" for value in values[:ENUM_SHOWN_MAX])
    return shown + (f" and {len(values) - ENUM_SHOWN_MAX} more" if len(values) > ENUM_SHOWN_MAX else "")


def _range(field: Schema, low: str, high: str, unit: str) -> list[str]:
    least, most = field.get(low), field.get(high)
    if most is None:
        return []
    return [f"{least} to {most}{unit}" if least else f"at most {most}{unit}"]


def _cell(text: object) -> str:
    """Text inside a table."""
    return str(text).replace("|", "\\|").replace("\n", " ")
