"""What users may say about pods: a small part of Kubernetes' own templates, so that the rest stays ours to decide."""

from __future__ import annotations

from typing import Annotated, Literal

from dolmen.operator.model import fields

RESOURCES_MAX = 16
TOLERATIONS_MAX = 16
ID_MAX = 2**31 - 1  # of users and groups

PullPolicy = Literal["Always", "IfNotPresent", "Never"]


class Resources(fields.Model, frozen=True, kw_only=True):
    """Requests and limits of a container."""

    requests: (
        Annotated[dict[str, fields.Quantity], fields.mapping("Guaranteed amounts, by resource (cpu, memory).", RESOURCES_MAX)]
        | None
    ) = None
    limits: (
        Annotated[dict[str, fields.Quantity], fields.mapping("Upper bounds, by resource (cpu, memory).", RESOURCES_MAX)] | None
    ) = None


class Toleration(fields.Model, frozen=True, kw_only=True):
    """As in a pod."""

    key: Annotated[str, fields.label_key("Taint key; all keys when it is missing.")] | None = None
    operator: Annotated[Literal["Exists", "Equal"], fields.doc("How the value is compared.")] = "Equal"
    value: Annotated[str, fields.label_value("Taint value.")] | None = None
    effect: (
        Annotated[Literal["NoSchedule", "PreferNoSchedule", "NoExecute"], fields.doc("Taint effect; all when it is missing.")]
        | None
    ) = None
    toleration_seconds: (
        Annotated[int, fields.number("How long NoExecute is tolerated; for ever when it is missing.", 0, fields.INT32_MAX)] | None
    ) = None


class PodSecurity(fields.Model, frozen=True, kw_only=True):
    """Ids that volumes belong to; everything else is the restricted profile."""

    run_as_user: Annotated[int, fields.number("User id of the processes.", 1, ID_MAX)] | None = None
    run_as_group: Annotated[int, fields.number("Group id of the processes.", 1, ID_MAX)] | None = None
    fs_group: Annotated[int, fields.number("Group that volumes are given to.", 1, ID_MAX)] | None = None


class PodTemplate(fields.Model, frozen=True, kw_only=True):
    """Additions to the pods that the operator makes."""

    labels: Annotated[dict[str, fields.LabelValue], fields.mapping("More labels.", fields.LABELS_MAX)] | None = None
    annotations: Annotated[dict[str, fields.AnnotationValue], fields.mapping("More annotations.", fields.LABELS_MAX)] | None = None
    node_selector: (
        Annotated[dict[str, fields.LabelValue], fields.mapping("Labels that a node must have.", fields.LABELS_MAX)] | None
    ) = None
    tolerations: Annotated[tuple[Toleration, ...], fields.listed("Taints that the pods tolerate.", TOLERATIONS_MAX)] | None = None
    priority_class_name: Annotated[str, fields.name("PriorityClass of the pods.")] | None = None
    runtime_class_name: Annotated[str, fields.name("RuntimeClass of the pods.")] | None = None
    scheduler_name: Annotated[str, fields.name("Scheduler of the pods.")] | None = None
    service_account_name: Annotated[str, fields.name("ServiceAccount of the pods; one of our own by default.")] | None = None
    termination_grace_period_seconds: Annotated[int, fields.number("Time to end in after SIGTERM.", 1, 3600)] | None = None
    security: Annotated[PodSecurity, fields.doc("User and group ids.")] | None = None
