"""CEL rules of ObjectUser. A ReferenceGrant has none: its lists are bounded, its kinds enumerated."""

from __future__ import annotations

from dolmen.operator.crd.rule import Example, Rule, spec
from dolmen.operator.crd.rules_cluster import one_of, same_or_missing

KIND = "ObjectUser"

USER_RULES = (
    Rule(
        name="user-cluster-immutable",
        kind=KIND,
        path="spec.clusterRef",
        rule="self == oldSelf",
        message="clusterRef cannot change: make a new ObjectUser there",
        reason="FieldValueForbidden",
        accepts=Example(spec(adoptExisting=True), spec()),
        refuses=Example(spec(clusterRef={"namespace": "other"}), spec()),
    ),
    same_or_missing(
        KIND,
        "spec",
        "userName",
        name="user-name-immutable",
        message="userName cannot change: make a new ObjectUser, policies and keys belong to the old one",
        accepts=Example(spec(userName="alice", adoptExisting=True), spec(userName="alice")),
        refuses=Example(spec(userName="bob"), spec()),
    ),
    one_of(
        KIND,
        "spec.policies[]",
        "document",
        "arn",
        name="policy-one-source",
        what="a policy is a document of its own or a managed one",
        accepts=Example(spec(policies=[{"name": "read", "arn": "arn:aws:iam::aws:policy/ReadOnlyAccess"}])),
        refuses=Example(spec(policies=[{"name": "read"}])),
    ),
    Rule(
        name="rotation-needs-room",
        kind=KIND,
        path="spec",
        rule="!has(self.keys) || size(self.keys) <= 1 || self.keys.all(k, !has(k.rotateAfter))",
        message="a user has two keys at most and a rotation needs both: keep one key, or take rotateAfter away",
        field_path=".keys",
        accepts=Example(spec(keys=[{"name": "default", "rotateAfter": "720h"}])),
        refuses=Example(spec(keys=[{"name": "default", "rotateAfter": "720h"}, {"name": "other"}])),
    ),
    Rule(
        name="imported-key-not-rotated",
        kind=KIND,
        path="spec.keys[]",
        rule="!has(self.importSecretRef) || !has(self.rotateAfter)",
        message="an imported key is rotated where it comes from: take rotateAfter or importSecretRef away",
        field_path=".rotateAfter",
        accepts=Example(spec(keys=[{"name": "default", "importSecretRef": {"name": "old-store"}}])),
        refuses=Example(spec(keys=[{"name": "default", "rotateAfter": "720h", "importSecretRef": {"name": "old-store"}}])),
    ),
    Rule(
        name="overlap-below-rotation",
        kind=KIND,
        path="spec.keys[]",
        rule="!has(self.rotateAfter) || duration(self.overlap) < duration(self.rotateAfter)",
        message="the next rotation would come before the old key ends: lower overlap below rotateAfter",
        field_path=".overlap",
        accepts=Example(spec(keys=[{"name": "default", "rotateAfter": "720h", "overlap": "48h"}])),
        refuses=Example(spec(keys=[{"name": "default", "rotateAfter": "24h", "overlap": "24h"}])),
    ),
)
