"""ReferenceGrant: who of other namespaces may name objects of this one. https://gateway-api.sigs.k8s.io/api-types/referencegrant/"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Literal

import msgspec

from dolmen.operator.model import fields
from dolmen.operator.model.conditions import ConditionList
from dolmen.operator.model.references import API_VERSION, GROUP, ObjectMeta

ENTRIES_MAX = 16  # as the Gateway API


class GrantFrom(fields.Model, frozen=True, kw_only=True):
    """Who names."""

    group: Annotated[Literal["dolmen.dev"], fields.doc("API group.")] = "dolmen.dev"
    kind: Annotated[Literal["Bucket", "ObjectUser"], fields.doc("Kind of the objects that name.")]
    namespace: Annotated[str, fields.label("Their namespace.")]


class GrantTo(fields.Model, frozen=True, kw_only=True):
    """Who is named."""

    group: Annotated[Literal["dolmen.dev"], fields.doc("API group.")] = "dolmen.dev"
    kind: Annotated[Literal["StorageCluster"], fields.doc("Kind of the objects that are named.")] = "StorageCluster"
    name: Annotated[str, fields.name("Name of the object; all of this kind when it is missing.")] | None = None


class ReferenceGrantSpec(fields.Model, frozen=True, kw_only=True):
    """Each of ``from`` may name each of ``to``."""

    from_: Annotated[tuple[GrantFrom, ...], fields.listed("Who may name objects of this namespace.", ENTRIES_MAX, least=1)] = (
        msgspec.field(name="from")
    )
    to: Annotated[tuple[GrantTo, ...], fields.listed("The objects that may be named.", ENTRIES_MAX, least=1)]


class ReferenceGrantStatus(fields.Model, frozen=True, kw_only=True):
    """Whether the grant is in force."""

    observed_generation: Annotated[int, fields.number("The generation that this status is about.", 0, fields.INT64_MAX)] | None = (
        None
    )
    conditions: ConditionList = ()


class ReferenceGrant(fields.Model, frozen=True, kw_only=True):
    """Permission for references from other namespaces."""

    api_version: str = API_VERSION
    kind: str = "ReferenceGrant"
    metadata: ObjectMeta = ObjectMeta()
    spec: ReferenceGrantSpec
    status: ReferenceGrantStatus = ReferenceGrantStatus()


def is_granted(
    grants: Iterable[ReferenceGrant], *, from_kind: str, from_namespace: str, cluster: str, cluster_namespace: str
) -> bool:
    """Whether an object may name a StorageCluster: always in its own namespace, else by a grant beside the cluster."""
    if from_namespace == cluster_namespace:
        return True
    return any(
        any(one.group == GROUP and one.kind == from_kind and one.namespace == from_namespace for one in grant.spec.from_)
        and any(one.kind == "StorageCluster" and one.name in (None, cluster) for one in grant.spec.to)
        for grant in grants
        if grant.metadata.namespace == cluster_namespace
    )
