"""StorageCluster: what is wanted. Sections of its own are in ``gateway`` and ``redundancy``, the status in ``cluster_status``."""

from __future__ import annotations

from typing import Annotated, Literal

from dolmen.operator.model import fields
from dolmen.operator.model.cluster_status import StorageClusterStatus
from dolmen.operator.model.encryption import ClusterEncryption
from dolmen.operator.model.gateway import Gateway
from dolmen.operator.model.pods import PodTemplate, PullPolicy, Resources
from dolmen.operator.model.redundancy import DEFAULT_REDUNDANCY, DOMAINS_MAX, Redundancy, Scheme
from dolmen.operator.model.references import API_VERSION, ObjectMeta, SecretRef
from dolmen.operator.model.storage_classes import StorageClass

POOLS_MAX = 16
POOL_NAME_MAX = 30  # leaves room for the cluster's name and a hash in a name of 52
NODES_MAX = 1000  # of a pool: a StatefulSet in each domain
VOLUMES_MAX = 64  # disks of a node
PULL_SECRETS_MAX = 8
CONTACT_POINTS_MAX = 32
DATACENTERS_MAX = 16
IMAGE_MAX = 512
SELECTOR_MAX = 16

DeletionPolicy = Literal["Retain", "Delete"]


class Topology(fields.Model, frozen=True, kw_only=True):
    """What a failure domain is."""

    key: Annotated[str, fields.label_key("Node label whose values are the failure domains.")] = "topology.kubernetes.io/zone"
    sub_key: Annotated[str, fields.label_key("Node label that pods are spread over inside a domain.")] = "kubernetes.io/hostname"
    domains: (
        Annotated[
            tuple[Annotated[str, fields.text("A value of the label.", 63, least=1, pattern=fields.LABEL_VALUE_PATTERN)], ...],
            fields.listed("The failure domains; those of eligible nodes when it is missing.", DOMAINS_MAX, least=1, unique=True),
        ]
        | None
    ) = None
    min_domains: (
        Annotated[int, fields.number("Wait for so many domains; by default for those that redundancy needs.", 1, DOMAINS_MAX)]
        | None
    ) = None
    on_unsatisfiable: Annotated[
        Literal["Block", "Degrade"], fields.doc("With too few domains: make nothing, or go on with what there is and say so.")
    ] = "Block"


class StorageClassScheme(fields.Model, frozen=True, kw_only=True):
    """A storage class with a scheme of its own."""

    name: Annotated[StorageClass, fields.doc("S3's name of the class.")]
    scheme: Annotated[Scheme, fields.doc("Its redundancy.")]


class Retention(fields.Model, frozen=True, kw_only=True):
    """What becomes of volumes."""

    when_deleted: Annotated[DeletionPolicy, fields.doc("When the cluster is deleted.")] = "Retain"
    when_scaled: Annotated[DeletionPolicy, fields.doc("When a drained node is taken away.")] = "Retain"


class Storage(fields.Model, frozen=True, kw_only=True):
    """The disks of each node of a pool."""

    size: Annotated[str, fields.size("Size of each volume, such as 100Gi; it only ever grows.")]
    storage_class_name: Annotated[str, fields.name("StorageClass of the volumes; the default class when it is missing.")] | None = (
        None
    )
    volumes: Annotated[int, fields.number("Volumes of each node.", 1, VOLUMES_MAX)] = 1
    mode: Annotated[Literal["Filesystem", "Block"], fields.doc("Volume mode.")] = "Filesystem"
    retention: Annotated[Retention, fields.doc("What becomes of volumes that are no longer used.")] = Retention()


class Pool(fields.Model, frozen=True, kw_only=True):
    """Datanodes that are alike."""

    name: Annotated[str, fields.label("Name of the pool; never changed.", POOL_NAME_MAX)]
    nodes_per_domain: Annotated[int, fields.number("Datanodes in each failure domain.", 1, NODES_MAX)] | None = None
    nodes: Annotated[int, fields.number("Datanodes altogether, spread evenly over the domains.", 1, NODES_MAX)] | None = None
    storage: Annotated[Storage, fields.doc("Disks of each datanode.")]
    allow_multiple_per_node: Annotated[bool, fields.doc("Whether several datanodes may share a Kubernetes node.")] = False
    pod_template: Annotated[PodTemplate, fields.doc("Additions to the pods.")] | None = None
    resources: Annotated[Resources, fields.doc("Requests and limits of the container.")] | None = None


class MetadataTls(fields.Model, frozen=True, kw_only=True):
    """TLS towards Cassandra."""

    ca_secret_ref: Annotated[SecretRef, fields.doc("Secret with ca.crt.")]
    client_secret_ref: (
        Annotated[SecretRef, fields.doc("Secret with tls.crt and tls.key, where Cassandra asks for them.")] | None
    ) = None


class EmbeddedStorage(fields.Model, frozen=True, kw_only=True):
    """The volume of the embedded store."""

    size: Annotated[str, fields.size("Size of the volume; it only ever grows.")] = "10Gi"
    storage_class_name: Annotated[str, fields.name("StorageClass of the volume; the default class when it is missing.")] | None = (
        None
    )


class Metadata(fields.Model, frozen=True, kw_only=True):
    """Where metadata is kept."""

    backend: Annotated[
        Literal["Cassandra", "Embedded"], fields.doc("A Cassandra cluster, or one file behind a single gateway (for trying out).")
    ] = "Cassandra"
    contact_points: (
        Annotated[
            tuple[
                Annotated[str, fields.text("A host name or an address.", fields.NAME_MAX, least=1, pattern=r"^[A-Za-z0-9.:_-]+$")],
                ...,
            ],
            fields.listed("Cassandra nodes to begin with.", CONTACT_POINTS_MAX, least=1, unique=True),
        ]
        | None
    ) = None
    port: Annotated[int, fields.number("Port of Cassandra's native protocol.", 1, 65535)] = 9042
    local_datacenter: (
        Annotated[str, fields.text("Datacenter that is asked first.", 63, least=1, pattern=r"^[A-Za-z0-9_.-]+$")] | None
    ) = None
    keyspace: Annotated[str, fields.text("Keyspace of this cluster alone.", 48, least=1, pattern=r"^[a-z][a-z0-9_]*$")] = "dolmen"
    replication: (
        Annotated[
            dict[str, Annotated[int, fields.number("Copies in the datacenter.", 1, 9)]],
            fields.mapping(
                "Copies by datacenter, for a keyspace that is made; three in the local one by default.", DATACENTERS_MAX
            ),
        ]
        | None
    ) = None
    credentials_secret_ref: Annotated[SecretRef, fields.doc("Secret with username and password.")] | None = None
    tls: Annotated[MetadataTls, fields.doc("TLS towards Cassandra; plain when it is missing.")] | None = None
    embedded: Annotated[EmbeddedStorage, fields.doc("Volume of the embedded store.")] | None = None


class IssuerRef(fields.Model, frozen=True, kw_only=True):
    """An issuer of cert-manager."""

    name: Annotated[str, fields.name("Name of the issuer.")]
    kind: Annotated[str, fields.text("Its kind.", 63, least=1, pattern=r"^[A-Za-z][A-Za-z0-9]*$")] = "Issuer"
    group: Annotated[str, fields.name("Its API group.")] = "cert-manager.io"


class CertManager(fields.Model, frozen=True, kw_only=True):
    """Certificates from cert-manager."""

    issuer_ref: Annotated[IssuerRef, fields.doc("Who issues them.")]


class Tls(fields.Model, frozen=True, kw_only=True):
    """TLS of the S3 endpoint: exactly one source of certificates."""

    cert_manager: Annotated[CertManager, fields.doc("Certificates from cert-manager.")] | None = None
    secret_ref: Annotated[SecretRef, fields.doc("Secret with tls.crt and tls.key; read again when it changes.")] | None = None
    internal: Annotated[bool, fields.doc("Mutual TLS between the pods of the cluster too.")] = False


class Scraping(fields.Model, frozen=True, kw_only=True):
    """A ServiceMonitor."""

    enabled: Annotated[bool, fields.doc("Whether it is made.")] = False
    interval: Annotated[str, fields.duration("Time between two scrapes.")] = "30s"
    labels: Annotated[dict[str, fields.LabelValue], fields.mapping("Labels that Prometheus selects by.", SELECTOR_MAX)] | None = (
        None
    )


class MonitoringObject(fields.Model, frozen=True, kw_only=True):
    """A PrometheusRule or a dashboard."""

    enabled: Annotated[bool, fields.doc("Whether it is made.")] = False
    labels: Annotated[dict[str, fields.LabelValue], fields.mapping("Labels that it is selected by.", SELECTOR_MAX)] | None = None


class Monitoring(fields.Model, frozen=True, kw_only=True):
    """Objects of Prometheus' operator and Grafana."""

    service_monitor: Annotated[Scraping, fields.doc("ServiceMonitor.")] = Scraping()
    prometheus_rule: Annotated[MonitoringObject, fields.doc("PrometheusRule with alerts.")] = MonitoringObject()
    dashboard: Annotated[MonitoringObject, fields.doc("ConfigMap with a dashboard for Grafana.")] = MonitoringObject()


class NetworkPolicy(fields.Model, frozen=True, kw_only=True):
    """Who may reach the pods."""

    enabled: Annotated[bool, fields.doc("Deny everything that is not needed.")] = True
    client_namespaces: (
        Annotated[
            dict[str, fields.LabelValue],
            fields.mapping("Labels of namespaces that may use S3; all when it is missing.", SELECTOR_MAX),
        ]
        | None
    ) = None
    monitoring_namespaces: (
        Annotated[
            dict[str, fields.LabelValue],
            fields.mapping("Labels of namespaces that may scrape metrics; all when it is missing.", SELECTOR_MAX),
        ]
        | None
    ) = None


class Logging(fields.Model, frozen=True, kw_only=True):
    """Logs of the pods."""

    level: Annotated[Literal["debug", "info", "warning", "error"], fields.doc("The least that is logged.")] = "info"


class Upgrade(fields.Model, frozen=True, kw_only=True):
    """How a new version is rolled out."""

    strategy: Annotated[
        Literal["Domain", "Node", "Manual"],
        fields.doc("A failure domain at a time, a node at a time, or when pods are deleted by hand."),
    ] = "Domain"
    max_unavailable: Annotated[int, fields.number("Datanodes of the domain that restart at a time.", 1, NODES_MAX)] = 1
    canary: Annotated[int, fields.number("Datanodes that go first, alone.", 0, NODES_MAX)] = 0
    pause_after: Annotated[
        Literal["Never", "Canary", "Domain"], fields.doc("Wait for approval after the canaries, or after each domain.")
    ] = "Never"


class Disruption(fields.Model, frozen=True, kw_only=True):
    """How much may be away at a time."""

    mode: Annotated[
        Literal["DomainToken", "OnePod", "Off"],
        fields.doc("One failure domain may be emptied at a time, one pod, or no budgets at all."),
    ] = "DomainToken"
    maintenance_timeout: Annotated[str, fields.duration("A domain may be away for so long before its data is repaired.")] = "30m"
    repair_delay: Annotated[str, fields.duration("A datanode may be away unannounced for so long before its data is repaired.")] = (
        "10m"
    )


class StorageClusterSpec(fields.Model, frozen=True, kw_only=True):
    """The wanted state of a cluster."""

    image: (
        Annotated[
            str,
            fields.text("Container image; the operator's own release when it is missing.", IMAGE_MAX, least=1, pattern=r"^\S+$"),
        ]
        | None
    ) = None
    version: (
        Annotated[
            str,
            fields.text(
                "Version of Dolmen; that of the operator when it is missing.", 64, least=1, pattern=r"^v?[0-9][0-9A-Za-z.+-]*$"
            ),
        ]
        | None
    ) = None
    image_pull_policy: Annotated[PullPolicy, fields.doc("When the image is pulled.")] = "IfNotPresent"
    image_pull_secrets: Annotated[
        tuple[SecretRef, ...], fields.listed("Secrets for pulling the image.", PULL_SECRETS_MAX, keys=("name",))
    ] = ()
    topology: Annotated[Topology, fields.doc("What a failure domain is.")] = Topology()
    redundancy: Annotated[Redundancy, fields.doc("How data is protected.")] = DEFAULT_REDUNDANCY
    storage_classes: Annotated[
        tuple[StorageClassScheme, ...], fields.listed("Storage classes with a scheme of their own.", 13, keys=("name",))
    ] = ()
    pools: Annotated[tuple[Pool, ...], fields.listed("Groups of datanodes.", POOLS_MAX, least=1, keys=("name",))]
    gateway: Annotated[Gateway, fields.doc("The pods that serve S3.")] = Gateway()
    metadata: Annotated[Metadata, fields.doc("Where metadata is kept.")]
    encryption: Annotated[ClusterEncryption, fields.doc("Keys of encryption at rest.")] | None = None
    root_credentials_secret_ref: (
        Annotated[
            SecretRef,
            fields.doc("Secret with the root account's AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY; made when it is missing."),
        ]
        | None
    ) = None
    tls: Annotated[Tls, fields.doc("TLS of the S3 endpoint; plain when it is missing.")] | None = None
    monitoring: Annotated[Monitoring, fields.doc("Objects for Prometheus and Grafana.")] = Monitoring()
    network_policy: Annotated[NetworkPolicy, fields.doc("Who may reach the pods.")] = NetworkPolicy()
    logging: Annotated[Logging, fields.doc("Logs of the pods.")] = Logging()
    upgrade: Annotated[Upgrade, fields.doc("How a new version is rolled out.")] = Upgrade()
    disruption: Annotated[Disruption, fields.doc("How much may be away at a time.")] = Disruption()
    paused: Annotated[bool, fields.doc("The operator changes nothing; it goes on observing.")] = False
    hibernate: Annotated[bool, fields.doc("No pods; the volumes stay.")] = False
    deletion_policy: Annotated[DeletionPolicy, fields.doc("What becomes of the data when this object is deleted.")] = "Retain"


class StorageCluster(fields.Model, frozen=True, kw_only=True):
    """A Dolmen store in one namespace."""

    api_version: str = API_VERSION
    kind: str = "StorageCluster"
    metadata: ObjectMeta = ObjectMeta()
    spec: StorageClusterSpec
    status: StorageClusterStatus = StorageClusterStatus()
