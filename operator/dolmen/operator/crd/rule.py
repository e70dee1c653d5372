"""What a CEL rule of a CRD is, with an object that it lets pass and one that it refuses.

https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/#validation-rules
A rule that reads ``oldSelf`` runs on updates only, and only where the old object has the same field: rules that a removal of the
field must not evade stand on its parent. A property called ``namespace`` is ``__namespace__`` in CEL.
"""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from typing import Any, Literal

import msgspec

JsonObject = Mapping[str, Any]
Reason = Literal["FieldValueInvalid", "FieldValueForbidden", "FieldValueRequired", "FieldValueDuplicate"]

# Objects that are valid and say as little as they can; the examples change them.
MINIMAL: dict[str, dict[str, Any]] = {
    "StorageCluster": {
        "apiVersion": "dolmen.dev/v1alpha1",
        "kind": "StorageCluster",
        "metadata": {"name": "prod"},
        "spec": {
            "pools": [{"name": "hdd", "nodesPerDomain": 2, "storage": {"size": "100Gi"}}],
            "metadata": {"contactPoints": ["cassandra"]},
        },
    },
    "Bucket": {
        "apiVersion": "dolmen.dev/v1alpha1",
        "kind": "Bucket",
        "metadata": {"name": "photos"},
        "spec": {"clusterRef": {"name": "prod"}},
    },
    "ObjectUser": {
        "apiVersion": "dolmen.dev/v1alpha1",
        "kind": "ObjectUser",
        "metadata": {"name": "alice"},
        "spec": {"clusterRef": {"name": "prod"}},
    },
    "ReferenceGrant": {
        "apiVersion": "dolmen.dev/v1alpha1",
        "kind": "ReferenceGrant",
        "metadata": {"name": "apps"},
        "spec": {"from": [{"kind": "Bucket", "namespace": "apps"}], "to": [{"kind": "StorageCluster"}]},
    },
}


class Example(msgspec.Struct, frozen=True):
    """Merge patches (RFC 7386) of the minimal object: what is sent, and what it replaces (None: it is created)."""

    new: JsonObject
    old: JsonObject | None = None


class Rule(msgspec.Struct, frozen=True, kw_only=True):
    """A rule at ``path`` of a kind: "" is the object, ``spec.pools[]`` each pool."""

    name: str
    kind: str
    path: str
    rule: str
    message: str
    reason: Reason = "FieldValueInvalid"
    field_path: str = ""  # relative to path, such as ".name"
    accepts: Example
    refuses: Example

    def as_validation(self) -> dict[str, str]:
        """An entry of ``x-kubernetes-validations``."""
        found = {"rule": self.rule, "message": self.message, "reason": self.reason}
        return found | ({"fieldPath": self.field_path} if self.field_path else {})


def spec(**changes: Any) -> JsonObject:  # noqa: ANN401 - any JSON
    """A patch of the spec."""
    return {"spec": changes}


def merged(target: object, patch: object) -> Any:  # noqa: ANN401 - any JSON
    """RFC 7386: objects are merged, null takes away, everything else is replaced."""
    if not isinstance(patch, Mapping):
        return deepcopy(patch)
    found: dict[str, Any] = dict(target) if isinstance(target, Mapping) else {}
    for key, value in patch.items():
        if value is None:
            found.pop(key, None)
        else:
            found[key] = merged(found.get(key), value)
    return found


def objects_of(rule: Rule, example: Example) -> tuple[dict[str, Any] | None, dict[str, Any]]:
    """(old, new): whole manifests to send to an API server, the old one first where there is one."""
    minimal = MINIMAL[rule.kind]
    return (None if example.old is None else merged(minimal, example.old)), merged(minimal, example.new)
