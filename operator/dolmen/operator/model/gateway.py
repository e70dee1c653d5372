"""The gateways of a cluster: how many, how they are reached, what they send to others."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from dolmen.operator.model import fields
from dolmen.operator.model.pods import PodTemplate, Resources
from dolmen.operator.model.references import SecretKeyRef, SecretRef

REPLICAS_MAX = 256
DOMAINS_MAX = 16
HOSTS_MAX = 32
TARGETS_MAX = 64  # as the gateway: each has a queue in memory
PARENTS_MAX = 16
DOMAIN_PATTERN = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$"
TARGET_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9_-]*$"
TARGET_MAX = 64
REGION_PATTERN = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"

Domain = Annotated[str, fields.text("A DNS name.", fields.NAME_MAX, least=1, pattern=DOMAIN_PATTERN)]


class Autoscaling(fields.Model, frozen=True, kw_only=True):
    """A HorizontalPodAutoscaler for the gateways; replicas are then its business."""

    min_replicas: Annotated[int, fields.number("Never fewer gateways.", 1, REPLICAS_MAX)] = 2
    max_replicas: Annotated[int, fields.number("Never more gateways.", 1, REPLICAS_MAX)]
    target_cpu_utilization_percent: Annotated[int, fields.number("Mean use of requested CPU that is aimed at.", 1, 100)] = (
        msgspec.field(name="targetCPUUtilizationPercent", default=70)
    )


class IngressExposure(fields.Model, frozen=True, kw_only=True):
    """An Ingress in front of the gateways."""

    class_name: Annotated[str, fields.name("IngressClass; the default class when it is missing.")] | None = None
    hosts: (
        Annotated[
            tuple[Domain, ...],
            fields.listed("Host names; gateway.domains and their subdomains when it is missing.", HOSTS_MAX, least=1, unique=True),
        ]
        | None
    ) = None
    annotations: (
        Annotated[dict[str, fields.AnnotationValue], fields.mapping("Annotations of the Ingress.", fields.LABELS_MAX)] | None
    ) = None
    tls_secret_ref: Annotated[SecretRef, fields.doc("Certificate that the Ingress serves.")] | None = None


class ParentRef(fields.Model, frozen=True, kw_only=True):
    """A Gateway of the Gateway API."""

    name: Annotated[str, fields.name("Name of the Gateway.")]
    namespace: Annotated[str, fields.label("Its namespace; the cluster's own by default.")] | None = None
    section_name: Annotated[str, fields.name("Listener of the Gateway; all when it is missing.")] | None = None


class GatewayApiExposure(fields.Model, frozen=True, kw_only=True):
    """An HTTPRoute to the gateways."""

    parent_refs: Annotated[tuple[ParentRef, ...], fields.listed("Gateways that the route is attached to.", PARENTS_MAX, least=1)]
    hostnames: (
        Annotated[
            tuple[Domain, ...],
            fields.listed("Host names; gateway.domains and their subdomains when it is missing.", HOSTS_MAX, least=1, unique=True),
        ]
        | None
    ) = None


class ServiceExposure(fields.Model, frozen=True, kw_only=True):
    """The Service of the gateways."""

    type: Annotated[Literal["ClusterIP", "NodePort", "LoadBalancer"], fields.doc("Type of the Service.")] = "ClusterIP"
    annotations: (
        Annotated[dict[str, fields.AnnotationValue], fields.mapping("Annotations of the Service.", fields.LABELS_MAX)] | None
    ) = None


class Exposure(fields.Model, frozen=True, kw_only=True):
    """How clients reach the gateways."""

    service: Annotated[ServiceExposure, fields.doc("The Service, which is always there.")] = ServiceExposure()
    ingress: Annotated[IngressExposure, fields.doc("An Ingress.")] | None = None
    gateway_api: Annotated[GatewayApiExposure, fields.doc("An HTTPRoute of the Gateway API.")] | None = msgspec.field(
        name="gatewayAPI", default=None
    )


class GatewayLimits(fields.Model, frozen=True, kw_only=True):
    """What one gateway process takes upon itself; its own defaults where nothing is set."""

    write_budget: Annotated[fields.ByteQuantity, fields.doc("Memory for stripes on their way to disks.")] | None = None
    read_budget: Annotated[fields.ByteQuantity, fields.doc("Memory for stripes read ahead of slow clients.")] | None = None
    keep_alive: Annotated[str, fields.duration("How long an idle connection is kept.")] | None = None
    drain: Annotated[str, fields.duration("How long requests in flight may go on after SIGTERM.")] | None = None


class NotificationTarget(fields.Model, frozen=True, kw_only=True):
    """A webhook for notifications of buckets."""

    name: Annotated[str, fields.text("Name by which buckets mean it.", TARGET_MAX, least=1, pattern=TARGET_PATTERN)]
    url: Annotated[str, fields.text("Where events are posted to.", fields.URL_MAX, least=8, pattern=r"^https?://[^\s/]+(/\S*)?$")]
    token_secret_ref: Annotated[SecretKeyRef, fields.doc("Bearer token that is sent along.")] | None = None


class Gateway(fields.Model, frozen=True, kw_only=True):
    """The stateless pods that serve S3."""

    replicas: Annotated[int, fields.number("Gateways; what the scale subresource sets.", 0, REPLICAS_MAX)] = 2
    autoscaling: Annotated[Autoscaling, fields.doc("Lets a HorizontalPodAutoscaler choose replicas.")] | None = None
    region: Annotated[str, fields.text("The region that clients sign for.", fields.LABEL_MAX, least=1, pattern=REGION_PATTERN)] = (
        "us-east-1"
    )
    domains: Annotated[
        tuple[Domain, ...],
        fields.listed("Domains below which bucket.domain addresses a bucket.", DOMAINS_MAX, unique=True),
    ] = ()
    website_domains: Annotated[
        tuple[Domain, ...],
        fields.listed("Domains below which bucket.domain serves the bucket as a website.", DOMAINS_MAX, unique=True),
    ] = ()
    expose: Annotated[Exposure, fields.doc("How clients reach the gateways.")] = Exposure()
    limits: Annotated[GatewayLimits, fields.doc("Memory and times of a gateway process.")] | None = None
    notification_targets: Annotated[
        tuple[NotificationTarget, ...],
        fields.listed("Webhooks that notifications of buckets may go to.", TARGETS_MAX, keys=("name",)),
    ] = ()
    pod_template: Annotated[PodTemplate, fields.doc("Additions to the pods.")] | None = None
    resources: Annotated[Resources, fields.doc("Requests and limits of the container.")] | None = None
