"""Custom resources as the API server sends them, to models and back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

import msgspec

from dolmen.operator.model.bucket import Bucket
from dolmen.operator.model.cluster import StorageCluster
from dolmen.operator.model.errors import InvalidResource
from dolmen.operator.model.fields import Model
from dolmen.operator.model.grant import ReferenceGrant
from dolmen.operator.model.user import ObjectUser

Resource = StorageCluster | Bucket | ObjectUser | ReferenceGrant
KINDS: dict[str, type[Resource]] = {
    "StorageCluster": StorageCluster,
    "Bucket": Bucket,
    "ObjectUser": ObjectUser,
    "ReferenceGrant": ReferenceGrant,
}
M = TypeVar("M", bound=Model)


def decode(raw: Mapping[str, Any], model: type[M]) -> M:
    """``raw`` as a model; unknown fields are left out. Raises ``InvalidResource`` that names the field."""
    try:
        return msgspec.convert(raw, model)
    except msgspec.ValidationError as error:
        raise InvalidResource(f"{model.__name__}: {error}") from error


def encode(model: Model) -> dict[str, Any]:
    """For JSON: defaults are written out, what is not set is left out."""
    found: dict[str, Any] = _without_none(msgspec.to_builtins(model))
    return found


def _without_none(value: Any) -> Any:  # noqa: ANN401 - any JSON
    if isinstance(value, dict):
        return {key: _without_none(one) for key, one in value.items() if one is not None}
    if isinstance(value, list | tuple):
        return [_without_none(one) for one in value]
    return value
