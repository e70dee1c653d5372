"""CEL rules of StorageCluster."""

from __future__ import annotations

from typing import Any

from dolmen.operator.crd.rule import Example, Rule, spec

KIND = "StorageCluster"
_POOLS = "spec.pools[]"


def _pool(**changes: Any) -> dict[str, Any]:  # noqa: ANN401 - any JSON
    return {"name": "hdd", "nodesPerDomain": 2, "storage": {"size": "100Gi"}} | changes


def _pools(**changes: Any) -> Any:  # noqa: ANN401 - any JSON
    return spec(pools=[_pool(**changes)])


def _storage(**changes: Any) -> Any:  # noqa: ANN401 - any JSON
    return _pools(storage={"size": "100Gi"} | changes)


def one_of(kind: str, path: str, first: str, second: str, *, name: str, what: str, accepts: Example, refuses: Example) -> Rule:
    """Exactly one of two fields."""
    return Rule(
        name=name,
        kind=kind,
        path=path,
        rule=f"has(self.{first}) != has(self.{second})",
        message=f"{what}: set exactly one of {first} and {second}",
        accepts=accepts,
        refuses=refuses,
    )


def same_or_missing(kind: str, path: str, field: str, *, name: str, message: str, accepts: Example, refuses: Example) -> Rule:
    """A field that never changes, nor comes, nor goes."""
    return Rule(
        name=name,
        kind=kind,
        path=path,
        rule=f"has(self.{field}) == has(oldSelf.{field}) && (!has(self.{field}) || self.{field} == oldSelf.{field})",
        message=message,
        reason="FieldValueForbidden",
        accepts=accepts,
        refuses=refuses,
    )


# -- redundancy and topology -------------------------------------------------------------------------------------------------

_HAS_SCHEME = "has(self.redundancy.ec) != has(self.redundancy.replicas)"
_FRAGMENTS = "(has(self.redundancy.ec) ? self.redundancy.ec.data + self.redundancy.ec.parity : self.redundancy.replicas)"
_PARITY = "(has(self.redundancy.ec) ? self.redundancy.ec.parity : self.redundancy.replicas - 1)"
_HAS_DOMAINS = "(has(self.topology.domains) || has(self.topology.minDomains))"
_DOMAINS = "(has(self.topology.domains) ? size(self.topology.domains) : self.topology.minDomains)"

# The scheme of defaults is taken away where an example wants copies.
_COPIES: dict[str, Any] = {"replicas": 3}

_REDUNDANCY = (
    one_of(
        KIND,
        "spec.redundancy",
        "ec",
        "replicas",
        name="redundancy-one-scheme",
        what="redundancy is an erasure code or whole copies",
        accepts=Example(spec(redundancy=_COPIES)),
        refuses=Example(spec(redundancy={"replicas": 3, "ec": {"data": 4, "parity": 2}})),
    ),
    one_of(
        KIND,
        "spec.storageClasses[].scheme",
        "ec",
        "replicas",
        name="storage-class-one-scheme",
        what="the scheme of a storage class is an erasure code or whole copies",
        accepts=Example(spec(storageClasses=[{"name": "GLACIER", "scheme": {"ec": {"data": 8, "parity": 3}}}])),
        refuses=Example(spec(storageClasses=[{"name": "GLACIER", "scheme": {}}])),
    ),
    Rule(
        name="domain-loss-within-parity",
        kind=KIND,
        path="spec.redundancy",
        rule="has(self.ec) ? self.maxDomainLoss <= self.ec.parity : !has(self.replicas) || self.maxDomainLoss < self.replicas",
        message="a lost domain takes at least one fragment: raise ec.parity or replicas, or lower maxDomainLoss",
        field_path=".maxDomainLoss",
        accepts=Example(spec(redundancy={"ec": {"data": 4, "parity": 2}, "maxDomainLoss": 2})),
        refuses=Example(spec(redundancy={"ec": {"data": 4, "parity": 2}, "maxDomainLoss": 3})),
    ),
    Rule(
        name="domains-survive-loss",
        kind=KIND,
        path="spec",
        rule=(
            f"!{_HAS_DOMAINS} || !({_HAS_SCHEME}) || "
            f"({_FRAGMENTS} + {_DOMAINS} - 1) / {_DOMAINS} * self.redundancy.maxDomainLoss <= {_PARITY}"
        ),
        message=(
            "fragments per domain times redundancy.maxDomainLoss exceed the parity: name more topology.domains (or raise "
            "topology.minDomains), raise the parity, or lower maxDomainLoss"
        ),
        field_path=".redundancy",
        accepts=Example(spec(topology={"domains": ["a", "b", "c"]})),
        refuses=Example(spec(topology={"domains": ["a", "b"]})),
    ),
    Rule(
        name="min-domains-within-domains",
        kind=KIND,
        path="spec.topology",
        rule="!has(self.domains) || !has(self.minDomains) || self.minDomains <= size(self.domains)",
        message="minDomains is more than there are domains: name more domains, or lower minDomains",
        field_path=".minDomains",
        accepts=Example(spec(topology={"domains": ["a", "b", "c"], "minDomains": 3})),
        refuses=Example(spec(topology={"domains": ["a", "b", "c"], "minDomains": 4})),
    ),
    Rule(
        name="redundancy-immutable",
        kind=KIND,
        path="spec.redundancy",
        rule="self == oldSelf",
        message="redundancy cannot change: give a storage class its own scheme in storageClasses, or make a new cluster",
        reason="FieldValueForbidden",
        accepts=Example(spec(redundancy=_COPIES, paused=True), spec(redundancy=_COPIES)),
        refuses=Example(spec(redundancy={"replicas": 4}), spec(redundancy=_COPIES)),
    ),
    Rule(
        name="topology-key-immutable",
        kind=KIND,
        path="spec.topology",
        rule="self.key == oldSelf.key",
        message="topology.key cannot change, every datanode would be in another domain: make a new cluster",
        reason="FieldValueForbidden",
        field_path=".key",
        accepts=Example(spec(topology={"minDomains": 4}), spec()),
        refuses=Example(spec(topology={"key": "example.com/rack"}), spec()),
    ),
)

# -- pools -------------------------------------------------------------------------------------------------------------------

_POOL_RULES = (
    one_of(
        KIND,
        _POOLS,
        "nodesPerDomain",
        "nodes",
        name="pool-one-count",
        what="a pool counts its nodes in each domain or altogether",
        accepts=Example(spec(pools=[{"name": "hdd", "nodes": 6, "storage": {"size": "100Gi"}}])),
        refuses=Example(_pools(nodes=6)),
    ),
    Rule(
        name="pool-not-renamed",
        kind=KIND,
        path="spec.pools",
        rule="oldSelf.all(o, self.exists(p, p.name == o.name)) || self.all(p, oldSelf.exists(o, o.name == p.name))",
        message="a pool cannot be renamed: add the new pool first, and take the old one away in a later change",
        reason="FieldValueForbidden",
        accepts=Example(spec(pools=[_pool(), _pool(name="ssd")]), spec()),
        refuses=Example(spec(pools=[_pool(name="ssd")]), spec()),
    ),
    Rule(
        name="pool-size-grows",
        kind=KIND,
        path="spec.pools[].storage",
        rule="quantity(self.size).compareTo(quantity(oldSelf.size)) >= 0",
        message="volumes cannot shrink: keep storage.size, or add a pool with smaller volumes and take this one away",
        reason="FieldValueForbidden",
        field_path=".size",
        accepts=Example(_storage(size="1Ti"), spec()),
        refuses=Example(_storage(size="99Gi"), spec()),
    ),
    Rule(
        name="pool-size-positive",
        kind=KIND,
        path="spec.pools[].storage",
        rule="isQuantity(self.size) && quantity(self.size).compareTo(quantity('1Gi')) >= 0",
        message="storage.size must be a quantity of at least 1Gi",
        field_path=".size",
        accepts=Example(_storage(size="1Gi")),
        refuses=Example(_storage(size="1Mi")),
    ),
    Rule(
        name="pool-volumes-immutable",
        kind=KIND,
        path="spec.pools[].storage",
        rule="self.volumes == oldSelf.volumes && self.mode == oldSelf.mode",
        message="volumes and mode of a pool cannot change: add a pool, and take this one away in a later change",
        reason="FieldValueForbidden",
        accepts=Example(_storage(volumes=4, retention={"whenScaled": "Delete"}), _storage(volumes=4)),
        refuses=Example(_storage(volumes=8), _storage(volumes=4)),
    ),
    same_or_missing(
        KIND,
        "spec.pools[].storage",
        "storageClassName",
        name="pool-storage-class-immutable",
        message="storageClassName of a pool cannot change: add a pool, and take this one away in a later change",
        accepts=Example(_storage(storageClassName="fast", size="200Gi"), _storage(storageClassName="fast")),
        refuses=Example(_storage(storageClassName="slow"), _storage(storageClassName="fast")),
    ),
)

# -- metadata ----------------------------------------------------------------------------------------------------------------

_EMBEDDED: dict[str, Any] = {"backend": "Embedded", "contactPoints": None}

_METADATA = (
    Rule(
        name="metadata-contact-points",
        kind=KIND,
        path="spec.metadata",
        rule="(self.backend == 'Cassandra') == has(self.contactPoints)",
        message="set contactPoints with the backend Cassandra, and only there",
        reason="FieldValueRequired",
        accepts=Example(spec(metadata=_EMBEDDED, gateway={"replicas": 1})),
        refuses=Example(spec(metadata={"contactPoints": None})),
    ),
    Rule(
        name="metadata-embedded-settings",
        kind=KIND,
        path="spec.metadata",
        rule="self.backend == 'Embedded' || !has(self.embedded)",
        message="embedded is for the backend Embedded: take it away, or set backend: Embedded",
        field_path=".embedded",
        accepts=Example(spec(metadata=_EMBEDDED | {"embedded": {"size": "20Gi"}}, gateway={"replicas": 1})),
        refuses=Example(spec(metadata={"embedded": {"size": "20Gi"}})),
    ),
    Rule(
        name="metadata-embedded-single",
        kind=KIND,
        path="spec",
        rule="self.metadata.backend != 'Embedded' || (self.gateway.replicas <= 1 && !has(self.gateway.autoscaling))",
        message="embedded metadata serves one gateway: set gateway.replicas: 1 without autoscaling, or use Cassandra",
        field_path=".gateway",
        accepts=Example(spec(metadata=_EMBEDDED, gateway={"replicas": 1})),
        refuses=Example(spec(metadata=_EMBEDDED, gateway={"replicas": 2})),
    ),
    Rule(
        name="metadata-place-immutable",
        kind=KIND,
        path="spec.metadata",
        rule="self.backend == oldSelf.backend && self.keyspace == oldSelf.keyspace",
        message="backend and keyspace cannot change, the objects would be gone: make a new cluster and copy the data",
        reason="FieldValueForbidden",
        accepts=Example(spec(metadata={"contactPoints": ["other"]}), spec()),
        refuses=Example(spec(metadata={"keyspace": "other"}), spec()),
    ),
    Rule(
        name="metadata-embedded-grows",
        kind=KIND,
        path="spec.metadata.embedded",
        rule="quantity(self.size).compareTo(quantity(oldSelf.size)) >= 0",
        message="volumes cannot shrink: keep embedded.size",
        reason="FieldValueForbidden",
        field_path=".size",
        accepts=Example(
            spec(metadata=_EMBEDDED | {"embedded": {"size": "20Gi"}}, gateway={"replicas": 1}),
            spec(metadata=_EMBEDDED | {"embedded": {"size": "10Gi"}}, gateway={"replicas": 1}),
        ),
        refuses=Example(
            spec(metadata=_EMBEDDED | {"embedded": {"size": "10Gi"}}, gateway={"replicas": 1}),
            spec(metadata=_EMBEDDED | {"embedded": {"size": "20Gi"}}, gateway={"replicas": 1}),
        ),
    ),
)

# -- the rest ----------------------------------------------------------------------------------------------------------------

_OTHERS = (
    one_of(
        KIND,
        "spec.tls",
        "certManager",
        "secretRef",
        name="tls-one-source",
        what="certificates come from one source",
        accepts=Example(spec(tls={"certManager": {"issuerRef": {"name": "ca"}}})),
        refuses=Example(spec(tls={"certManager": {"issuerRef": {"name": "ca"}}, "secretRef": {"name": "certificate"}})),
    ),
    Rule(
        name="internal-tls-needs-issuer",
        kind=KIND,
        path="spec.tls",
        rule="!self.internal || has(self.certManager)",
        message="internal TLS needs certificates for every pod: set certManager, or internal: false",
        field_path=".internal",
        accepts=Example(spec(tls={"certManager": {"issuerRef": {"name": "ca"}}, "internal": True})),
        refuses=Example(spec(tls={"secretRef": {"name": "certificate"}, "internal": True})),
    ),
    Rule(
        name="encryption-one-key-service",
        kind=KIND,
        path="spec.encryption",
        rule="!has(self.keyringSecretRef) || !has(self.vault)",
        message="there is one key service: set keyringSecretRef or vault, not both",
        accepts=Example(spec(encryption={"keyringSecretRef": {"name": "keys", "key": "keyring"}})),
        refuses=Example(
            spec(
                encryption={
                    "keyringSecretRef": {"name": "keys", "key": "keyring"},
                    "vault": {"url": "https://vault:8200", "tokenSecretRef": {"name": "vault", "key": "token"}},
                }
            )
        ),
    ),
    Rule(
        name="encryption-needs-keys",
        kind=KIND,
        path="spec.encryption",
        rule="self.default == 'None' || has(self.keyringSecretRef) || has(self.vault)",
        message="default encryption needs a key service: set keyringSecretRef or vault, or default: None",
        reason="FieldValueRequired",
        accepts=Example(spec(encryption={"default": "AES256", "keyringSecretRef": {"name": "keys", "key": "keyring"}})),
        refuses=Example(spec(encryption={"default": "AES256"})),
    ),
    Rule(
        name="autoscaling-range",
        kind=KIND,
        path="spec.gateway.autoscaling",
        rule="self.minReplicas <= self.maxReplicas",
        message="minReplicas is above maxReplicas: raise maxReplicas, or lower minReplicas",
        field_path=".maxReplicas",
        accepts=Example(spec(gateway={"autoscaling": {"maxReplicas": 8}})),
        refuses=Example(spec(gateway={"autoscaling": {"minReplicas": 4, "maxReplicas": 3}})),
    ),
    Rule(
        name="canary-pause-needs-canary",
        kind=KIND,
        path="spec.upgrade",
        rule="self.pauseAfter != 'Canary' || self.canary > 0",
        message="pauseAfter: Canary needs canaries: set canary to 1 or more",
        field_path=".canary",
        accepts=Example(spec(upgrade={"pauseAfter": "Canary", "canary": 1})),
        refuses=Example(spec(upgrade={"pauseAfter": "Canary"})),
    ),
)

CLUSTER_RULES = (*_REDUNDANCY, *_POOL_RULES, *_METADATA, *_OTHERS)
