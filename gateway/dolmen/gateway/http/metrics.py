"""What the gateway counts. Children are looked up once: a label look-up costs ten times an increment."""

from __future__ import annotations

from functools import lru_cache

from prometheus_client import Counter, Gauge, Histogram

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
_SERIES_MAX = 4096  # operations x status codes that occur: bounds the cache and the page

REQUESTS = Counter("dolmen_s3_requests_total", "S3 requests answered", ["operation", "status"])
SECONDS = Histogram("dolmen_s3_request_seconds", "Time to the end of the answer", ["operation"], buckets=_SECONDS)
ERRORS = Counter("dolmen_s3_errors_total", "S3 requests answered with an error", ["operation", "code"])
IN_FLIGHT = Gauge("dolmen_s3_requests_in_flight", "S3 requests being served")
BYTES_IN = Counter("dolmen_s3_received_bytes_total", "Bytes of object bodies received")
BYTES_OUT = Counter("dolmen_s3_sent_bytes_total", "Bytes of object bodies sent")
BUFFERS = Gauge("dolmen_stripe_buffer_bytes", "Memory held by stripes in flight")


@lru_cache(maxsize=_SERIES_MAX)
def _request_counter(operation: str, status: int) -> Counter:
    return REQUESTS.labels(operation, str(status))


@lru_cache(maxsize=_SERIES_MAX)
def _request_seconds(operation: str) -> Histogram:
    return SECONDS.labels(operation)


def count(operation: str, status: int, seconds: float) -> None:
    """One answered request."""
    _request_counter(operation, status).inc()
    _request_seconds(operation).observe(seconds)
