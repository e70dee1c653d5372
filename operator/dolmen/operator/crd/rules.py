"""All CEL rules."""

from __future__ import annotations

from dolmen.operator.crd.rule import Rule
from dolmen.operator.crd.rules_bucket import BUCKET_RULES
from dolmen.operator.crd.rules_cluster import CLUSTER_RULES
from dolmen.operator.crd.rules_user import USER_RULES

RULES: tuple[Rule, ...] = (*CLUSTER_RULES, *BUCKET_RULES, *USER_RULES)
