"""Models to structural schemas of OpenAPI v3.

https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/#specifying-a-structural-schema
No ``$ref``; defaults are written out in full, because the API server checks a default, with the CEL rules, before nested ones are
filled in; a status has no defaults at all, they would be shown as if somebody had observed them.
"""

from __future__ import annotations

from typing import Any, cast

import msgspec
from msgspec import inspect

from dolmen.operator.model.decode import encode
from dolmen.operator.model.fields import INT32_MAX, MAP, Model

Schema = dict[str, Any]


def object_schema(model: type[Model], *, with_defaults: bool = True) -> Schema:
    """The schema of one model. Raises ``TypeError`` for what has no structural form."""
    info = inspect.type_info(model)
    assert isinstance(info, inspect.StructType)
    return _struct(info, with_defaults)


def _struct(info: inspect.StructType, with_defaults: bool) -> Schema:
    properties = {field.encode_name: _field(field, with_defaults) for field in info.fields}
    required = sorted(field.encode_name for field in info.fields if field.required)
    return {"type": "object", "properties": properties} | ({"required": required} if required else {})


def _field(field: inspect.Field, with_defaults: bool) -> Schema:
    found = _typed(field.type, with_defaults)
    if "description" not in found:
        raise TypeError(f"the field {field.name} has no text")
    default = default_of(field)
    if with_defaults and default is not None:
        found["default"] = default
    return found


def default_of(field: inspect.Field) -> Any:  # noqa: ANN401 - any JSON
    """The default as JSON; None when there is none. Empty lists are none: nothing says the same."""
    if field.default_factory is not msgspec.NODEFAULT:
        raise TypeError(f"the field {field.name} has a default that is made anew")
    default = field.default
    if default is msgspec.NODEFAULT or default is None or default in ((), ""):
        return None
    if isinstance(default, Model):
        return _without_empty(encode(default))
    if isinstance(default, tuple):
        return [_without_empty(encode(one)) if isinstance(one, Model) else one for one in default]
    return default


def _without_empty(value: Any) -> Any:  # noqa: ANN401 - any JSON
    """As nested defaults would fill it in."""
    if isinstance(value, dict):
        return {key: _without_empty(one) for key, one in value.items() if one not in ([], "")}
    return value


def _typed(given: inspect.Type, with_defaults: bool) -> Schema:
    extra: dict[str, Any] = {}
    texts: list[str] = []
    bare = given
    while True:  # peel: each layer is smaller than the one around it
        if isinstance(bare, inspect.Metadata):
            extra = (bare.extra or {}) | extra
            text = (bare.extra_json_schema or {}).get("description")
            texts += [text] if text else []
            bare = bare.type
        elif isinstance(bare, inspect.UnionType) and len(_members(bare)) == 1:
            bare = _members(bare)[0]
        else:
            break
    found = {"description": texts[0]} if texts else {}
    return found | _bare(bare, extra, with_defaults)


def _members(union: inspect.UnionType) -> list[inspect.Type]:
    """Without None: what is optional may be left out, and is never null."""
    return [one for one in union.types if not isinstance(one, inspect.NoneType)]


def _bare(bare: inspect.Type, extra: dict[str, Any], with_defaults: bool) -> Schema:
    match bare:
        case inspect.StructType():
            return _struct(bare, with_defaults)
        case inspect.StrType():
            return {"type": "string"} | _string_bounds(bare) | ({"format": extra["format"]} if "format" in extra else {})
        case inspect.IntType():
            return _integer(bare)
        case inspect.BoolType():
            return {"type": "boolean"}
        case inspect.LiteralType():
            return {"type": "string", "enum": list(cast("tuple[str, ...]", bare.values))}
        case inspect.VarTupleType():
            return _list(bare, extra, with_defaults)
        case inspect.DictType():
            found: Schema = {"type": "object", "additionalProperties": _typed(bare.value_type, with_defaults)}
            return found | ({"maxProperties": bare.max_length} if bare.max_length is not None else {})
        case inspect.UnionType():
            return _int_or_string(bare)
    raise TypeError(f"{bare} has no structural schema")


def _string_bounds(info: inspect.StrType) -> Schema:
    bounds = {"minLength": info.min_length, "maxLength": info.max_length, "pattern": info.pattern}
    return {name: bound for name, bound in bounds.items() if bound is not None}


def _integer(info: inspect.IntType) -> Schema:
    wide = info.le is None or info.le > INT32_MAX
    found: Schema = {"type": "integer", "format": "int64" if wide else "int32"}
    bounds = {"minimum": info.ge, "maximum": info.le}
    return found | {name: int(bound) for name, bound in bounds.items() if bound is not None}


def _list(info: inspect.VarTupleType, extra: dict[str, Any], with_defaults: bool) -> Schema:
    found: Schema = {"type": "array", "items": _typed(info.item_type, with_defaults)}
    bounds = {"minItems": info.min_length, "maxItems": info.max_length}
    found |= {name: bound for name, bound in bounds.items() if bound is not None}
    found["x-kubernetes-list-type"] = extra["list"]
    if extra["list"] == MAP:
        found["x-kubernetes-list-map-keys"] = list(extra["keys"])
    return found


def _int_or_string(info: inspect.UnionType) -> Schema:
    members = {type(one): one for one in _members(info)}
    text = members.get(inspect.StrType)
    if set(members) != {inspect.IntType, inspect.StrType} or not isinstance(text, inspect.StrType):
        raise TypeError(f"{info} has no structural schema")
    found: Schema = {"x-kubernetes-int-or-string": True, "anyOf": [{"type": "integer"}, {"type": "string"}]}
    whole = cast("inspect.IntType", members[inspect.IntType])
    return found | {"minimum": whole.ge, "maximum": whole.le} | _string_bounds(text)
