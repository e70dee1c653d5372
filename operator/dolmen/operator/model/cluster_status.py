"""StorageCluster: what was observed. Lists are short on purpose: details are in metrics, not in etcd."""

from __future__ import annotations

from typing import Annotated

from dolmen.operator.model import fields
from dolmen.operator.model.conditions import ConditionList
from dolmen.operator.model.redundancy import DOMAINS_MAX

TROUBLED_NODES_MAX = 32  # named in the status; metrics name all
COUNT_MAX = fields.INT64_MAX


class DomainStatus(fields.Model, frozen=True, kw_only=True):
    """One failure domain."""

    name: Annotated[str, fields.text("Value of the topology label.", fields.LABEL_MAX, least=1)]
    nodes_desired: Annotated[int, fields.number("Datanodes that are wanted.", 0, fields.INT32_MAX)] = 0
    nodes_ready: Annotated[int, fields.number("Datanodes that are ready.", 0, fields.INT32_MAX)] = 0
    capacity_bytes: Annotated[int, fields.number("Bytes that fit.", 0, COUNT_MAX)] = 0
    used_bytes: Annotated[int, fields.number("Bytes that are used.", 0, COUNT_MAX)] = 0
    token: Annotated[bool, fields.doc("Whether it holds the disruption token.")] = False


class NodeStatus(fields.Model, frozen=True, kw_only=True):
    """A datanode that needs attention."""

    name: Annotated[str, fields.text("Name of the pod.", fields.NAME_MAX, least=1)]
    domain: Annotated[str, fields.text("Its failure domain.", fields.LABEL_MAX)] = ""
    state: Annotated[str, fields.text("What is wrong, in one word.", fields.LABEL_MAX)] = ""


class NodesStatus(fields.Model, frozen=True, kw_only=True):
    """Datanodes by state."""

    desired: Annotated[int, fields.number("Datanodes that are wanted.", 0, fields.INT32_MAX)] = 0
    ready: Annotated[int, fields.number("Datanodes that are ready.", 0, fields.INT32_MAX)] = 0
    draining: Annotated[int, fields.number("Datanodes whose data moves away.", 0, fields.INT32_MAX)] = 0
    lost: Annotated[int, fields.number("Datanodes that are away for longer than they may.", 0, fields.INT32_MAX)] = 0
    summary: Annotated[str, fields.text("Ready and desired, such as 5/6.", 32)] = ""
    troubled: Annotated[
        tuple[NodeStatus, ...], fields.listed("Some of those that need attention.", TROUBLED_NODES_MAX, keys=("name",))
    ] = ()


class DataStatus(fields.Model, frozen=True, kw_only=True):
    """The state of the data."""

    used: Annotated[str, fields.text("Bytes used, as a quantity.", fields.QUANTITY_MAX)] = ""
    capacity: Annotated[str, fields.text("Bytes that fit, as a quantity.", fields.QUANTITY_MAX)] = ""
    under_replicated: Annotated[int, fields.number("Stripes with a fragment missing.", 0, COUNT_MAX)] = 0
    at_risk: Annotated[int, fields.number("Stripes that one more loss makes unreadable.", 0, COUNT_MAX)] = 0
    lost: Annotated[int, fields.number("Stripes that cannot be read.", 0, COUNT_MAX)] = 0
    repair_backlog_bytes: Annotated[int, fields.number("Bytes that repair has to write.", 0, COUNT_MAX)] = 0
    last_scrub: Annotated[str, fields.time("When the last complete scrub ended.")] | None = None


class OperationStatus(fields.Model, frozen=True, kw_only=True):
    """What goes on: for display only, the truth is in the metadata."""

    type: Annotated[str, fields.text("ScaleIn, ScaleOut, Upgrade or Resize.", fields.LABEL_MAX)] = ""
    id: Annotated[str, fields.text("Its id.", fields.LABEL_MAX)] = ""
    step: Annotated[str, fields.text("How far it is.", 253)] = ""
    started_at: Annotated[str, fields.time("When it began.")] | None = None
    target: Annotated[str, fields.text("What it is about.", fields.NAME_MAX)] = ""


class DisruptionStatus(fields.Model, frozen=True, kw_only=True):
    """Who holds the disruption token."""

    active_domain: Annotated[str, fields.text("The failure domain that may be emptied now.", fields.LABEL_MAX)] = ""
    since: Annotated[str, fields.time("Since when.")] | None = None
    reason: Annotated[str, fields.text("Why.", 253)] = ""


class StorageClusterStatus(fields.Model, frozen=True, kw_only=True):
    """The observed state of a cluster."""

    observed_generation: Annotated[int, fields.number("The generation that this status is about.", 0, COUNT_MAX)] | None = None
    phase: Annotated[str, fields.text("One word for people, derived from the conditions.", 32)] = ""
    version: Annotated[str, fields.text("Version that all pods run.", 64)] = ""
    endpoint: Annotated[str, fields.text("URL of S3.", fields.URL_MAX)] = ""
    replicas: Annotated[int, fields.number("Gateways.", 0, fields.INT32_MAX)] = 0
    ready_replicas: Annotated[int, fields.number("Gateways that are ready.", 0, fields.INT32_MAX)] = 0
    selector: Annotated[str, fields.text("Label selector of the gateways, for autoscalers.", 1024)] = ""
    domains: Annotated[tuple[DomainStatus, ...], fields.listed("Failure domains.", DOMAINS_MAX, keys=("name",))] = ()
    domain_summary: Annotated[str, fields.text("Domains with all their nodes ready, and all, such as 2/3.", 32)] = ""
    nodes: Annotated[NodesStatus, fields.doc("Datanodes by state.")] = NodesStatus()
    data: Annotated[DataStatus, fields.doc("State of the data.")] = DataStatus()
    operation: Annotated[OperationStatus, fields.doc("What goes on now.")] | None = None
    disruption: Annotated[DisruptionStatus, fields.doc("Who may be disrupted now.")] | None = None
    conditions: ConditionList = ()
