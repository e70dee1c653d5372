"""The CustomResourceDefinitions: names, columns, sub-resources, schemas and rules put together."""

from __future__ import annotations

import re
from typing import Any

import msgspec

from dolmen.operator.crd.rules import RULES
from dolmen.operator.crd.schema import Schema, object_schema
from dolmen.operator.model.bucket import BucketSpec, BucketStatus
from dolmen.operator.model.cluster import StorageClusterSpec
from dolmen.operator.model.cluster_status import StorageClusterStatus
from dolmen.operator.model.fields import Model
from dolmen.operator.model.grant import ReferenceGrantSpec, ReferenceGrantStatus
from dolmen.operator.model.references import GROUP, VERSION
from dolmen.operator.model.user import ObjectUserSpec, ObjectUserStatus

API_VERSION_TEXT = "Version of the schema of this object; see https://kubernetes.io/docs/concepts/overview/kubernetes-api/"
KIND_TEXT = "Kind of this object."
WIDE = 1  # priority of columns that only `kubectl get -o wide` shows
_STEP = re.compile(r"([A-Za-z]+)((?:\[\])*)")


class Column(msgspec.Struct, frozen=True):
    """A column of ``kubectl get``."""

    name: str
    path: str
    type: str = "string"
    priority: int = 0
    description: str = ""


class Kind(msgspec.Struct, frozen=True, kw_only=True):
    """One kind and how kubectl shows it."""

    name: str
    plural: str
    short_names: tuple[str, ...]
    description: str
    spec: type[Model]
    status: type[Model]
    columns: tuple[Column, ...]
    scale: tuple[str, str, str] | None = None  # paths of wanted replicas, replicas, selector


def _condition(kind: str) -> str:
    return f'.status.conditions[?(@.type=="{kind}")].status'


_AGE = Column("Age", ".metadata.creationTimestamp", "date")
_READY = Column("Ready", _condition("Ready"))
_PHASE = Column("Phase", ".status.phase", priority=WIDE)

KINDS = (
    Kind(
        name="StorageCluster",
        plural="storageclusters",
        short_names=("dsc",),
        description="A Dolmen store: datanodes, gateways and what they need, in one namespace.",
        spec=StorageClusterSpec,
        status=StorageClusterStatus,
        columns=(
            _READY,
            Column("Version", ".status.version"),
            Column("Domains", ".status.domainSummary", description="Failure domains with all their nodes ready, and all."),
            Column("Nodes", ".status.nodes.summary", description="Datanodes that are ready, and wanted."),
            Column("Used", ".status.data.used"),
            Column("At-risk", ".status.data.atRisk", "integer", description="Stripes that one more loss makes unreadable."),
            _AGE,
            _PHASE,
            Column("Endpoint", ".status.endpoint", priority=WIDE),
            Column("Operation", ".status.operation.type", priority=WIDE),
        ),
        scale=(".spec.gateway.replicas", ".status.replicas", ".status.selector"),
    ),
    Kind(
        name="Bucket",
        plural="buckets",
        short_names=("dbk",),
        description="A bucket of a StorageCluster and its settings.",
        spec=BucketSpec,
        status=BucketStatus,
        columns=(
            _READY,
            Column("Bucket", ".status.bucketName", description="Name in S3."),
            Column("Cluster", ".spec.clusterRef.name"),
            Column("Used", ".status.usage.size"),
            Column("Objects", ".status.usage.objects", "integer"),
            _AGE,
            _PHASE,
            Column("Quota", ".spec.quota.maxBytes", priority=WIDE),
            Column("Versioning", ".spec.versioning", priority=WIDE),
            Column("Deletion", ".spec.deletionPolicy", priority=WIDE),
            Column("Endpoint", ".status.endpoint", priority=WIDE),
        ),
    ),
    Kind(
        name="ObjectUser",
        plural="objectusers",
        short_names=("dou",),
        description="A user of a StorageCluster with access keys, which are written to a Secret.",
        spec=ObjectUserSpec,
        status=ObjectUserStatus,
        columns=(
            _READY,
            Column("User", ".status.userName", description="Name in IAM."),
            Column("Cluster", ".spec.clusterRef.name"),
            Column("Secret", ".status.secretRef.name"),
            _AGE,
            _PHASE,
            Column("Keys", ".status.keys[*].accessKeyID", priority=WIDE),
        ),
    ),
    Kind(
        name="ReferenceGrant",
        plural="referencegrants",
        short_names=("drg",),
        description="Permission for objects of other namespaces to name StorageClusters of this one.",
        spec=ReferenceGrantSpec,
        status=ReferenceGrantStatus,
        columns=(
            _READY,
            Column("From", ".spec.from[*].namespace"),
            Column("To", ".spec.to[*].kind"),
            _AGE,
        ),
    ),
)


def at_path(schema: Schema, path: str) -> Schema:
    """The schema at ``spec.pools[].storage``; "" is the object. Raises ``KeyError`` where there is nothing."""
    found = schema
    for step in filter(None, path.split(".")):
        match = _STEP.fullmatch(step)
        if match is None or match.group(1) not in found.get("properties", {}):
            raise KeyError(path)
        found = found["properties"][match.group(1)]
        for _ in range(match.group(2).count("[")):
            found = found["items"]
    return found


def schema_of(kind: Kind) -> Schema:
    """The whole object's schema with its CEL rules."""
    found: Schema = {
        "type": "object",
        "description": kind.description,
        "required": ["spec"],
        "properties": {
            "apiVersion": {"type": "string", "description": API_VERSION_TEXT},
            "kind": {"type": "string", "description": KIND_TEXT},
            "metadata": {"type": "object"},
            "spec": {"description": "What is wanted."} | object_schema(kind.spec),
            "status": {"description": "What was observed."} | object_schema(kind.status, with_defaults=False),
        },
    }
    for rule in RULES:
        if rule.kind == kind.name:
            at_path(found, rule.path).setdefault("x-kubernetes-validations", []).append(rule.as_validation())
    return found


def definition(kind: Kind) -> dict[str, Any]:
    """The CustomResourceDefinition of one kind."""
    subresources: dict[str, Any] = {"status": {}}
    if kind.scale is not None:
        names = ("specReplicasPath", "statusReplicasPath", "labelSelectorPath")
        subresources["scale"] = dict(zip(names, kind.scale, strict=True))
    version = {
        "name": VERSION,
        "served": True,
        "storage": True,
        "additionalPrinterColumns": [_column(one) for one in kind.columns],
        "schema": {"openAPIV3Schema": schema_of(kind)},
        "subresources": subresources,
    }
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{kind.plural}.{GROUP}"},
        "spec": {
            "group": GROUP,
            "scope": "Namespaced",
            "names": {
                "kind": kind.name,
                "listKind": f"{kind.name}List",
                "plural": kind.plural,
                "singular": kind.name.lower(),
                "shortNames": list(kind.short_names),
            },
            "versions": [version],
        },
    }


def _column(one: Column) -> dict[str, Any]:
    found: dict[str, Any] = {"name": one.name, "type": one.type, "jsonPath": one.path}
    if one.description:
        found["description"] = one.description
    if one.priority:
        found["priority"] = one.priority
    return found
