"""What the metadata driver counts. Children are looked up once: a label look-up costs ten times an increment."""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram

from dolmen.gateway.metadata.cassandra.cql import Kind

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)  # the last is beyond the time-out

STATEMENTS = Counter("dolmen_metadata_statements_total", "Statements sent to the metadata cluster", ["kind"])
FAILURES = Counter("dolmen_metadata_statement_failures_total", "Statements without a useful answer", ["kind", "outcome"])
SECONDS = Histogram("dolmen_metadata_statement_seconds", "Time to the answer of a statement", ["kind"], buckets=_SECONDS)
IN_FLIGHT = Gauge("dolmen_metadata_statements_in_flight", "Statements sent and not answered")
BREAKER_OPEN = Gauge("dolmen_metadata_breaker_open", "1 while the metadata cluster is taken not to answer")
PREFLIGHT = Gauge("dolmen_metadata_preflight_findings", "Findings about the metadata cluster", ["severity"])

SENT = {kind: STATEMENTS.labels(kind.value) for kind in Kind}
TOOK = {kind: SECONDS.labels(kind.value) for kind in Kind}
UNAVAILABLE = {kind: FAILURES.labels(kind.value, "unavailable") for kind in Kind}
UNKNOWN = {kind: FAILURES.labels(kind.value, "unknown") for kind in Kind}
REFUSED = {kind: FAILURES.labels(kind.value, "refused") for kind in Kind}
REASONS = PREFLIGHT.labels("reason")
WARNINGS = PREFLIGHT.labels("warning")
