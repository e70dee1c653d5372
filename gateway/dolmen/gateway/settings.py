"""The settings of a gateway process."""

from __future__ import annotations

from pathlib import Path

from dolmen.core.settings import Setting, at_least, boolean
from dolmen.gateway.delivery.targets import TARGET_SETTINGS
from dolmen.gateway.kms.names import S3_KEY, setting_of_name
from dolmen.gateway.kms.options import default_encryption
from dolmen.gateway.kms.settings import KMS_SETTINGS
from dolmen.gateway.lifecycle.day import DAY_SETTING
from dolmen.gateway.metadata.choose import METADATA_UNIT

SETTINGS: tuple[Setting, ...] = (
    Setting(flag="listen", help="Address of the S3 endpoint", unit="HOST:PORT"),
    Setting(flag="listen-fd", help="Number of an inherited listening socket, instead of --listen", parse=at_least(0)),
    Setting(flag="metadata", help="Where metadata is kept", unit=METADATA_UNIT, required=True),
    Setting(flag="cluster-id", help="The cluster's id", unit="32 hex digits", required=True),
    Setting(flag="cluster-key-file", help="File with the secret between the processes", unit="path", parse=Path, required=True),
    Setting(flag="root-keys-file", help="TOML file with the root account's access key", unit="path", parse=Path, required=True),
    Setting(flag="accounts", help="TOML file of declared accounts", unit="path", parse=Path),
    Setting(flag="admin-listen", help="Address of health and metrics", unit="HOST:PORT or unix:PATH", required=True),
    Setting(
        flag="region",
        help="The region that this endpoint is",
        default="us-east-1",
        reason="what SDKs sign for when nothing is configured",
    ),
    Setting(flag="domain", help="A domain below which bucket.domain addresses a bucket", unit="name", repeated=True),
    Setting(
        flag="sigv2",
        help="Whether requests signed with Signature Version 2 are taken",
        default=False,
        unit="true or false",
        reason="HMAC-SHA1 over part of the request: only for clients that know nothing else",
        parse=boolean,
    ),
    Setting(
        flag="garbage-grace-seconds",
        help="How long data that was deleted or replaced stays readable for reads in flight",
        default=900.0,
        unit="seconds",
        reason="a download that began before an overwrite goes on for so long; then its connection breaks, and the space is free",
        parse=at_least(0, float),
    ),
    Setting(
        flag="write-budget-bytes",
        help="Memory for stripes on their way to disks, with their fragments",
        default=38 << 20,
        unit="bytes",
        reason="12 stripes of large uploads at a time keep a core busy in 140 MiB a process; raise it for many slow clients",
        parse=at_least(8 << 20),
    ),
    Setting(
        flag="read-budget-bytes",
        help="Memory for stripes read ahead of slow clients",
        default=48 << 20,
        unit="bytes",
        reason="168 slow downloads at a time, 20 fast ones; keeps a process below 300 MiB",
        parse=at_least(4 << 20),
    ),
    Setting(
        flag="digest-threads",
        help="Threads for the digests of large bodies",
        default=2,
        unit="threads",
        reason="more threads than cores only wait for each other",
        parse=at_least(1),
    ),
    Setting(
        flag="keep-alive-seconds",
        help="How long an idle client connection is kept",
        default=75,
        unit="seconds",
        reason="above the 60 s of common load balancers, so that they close first",
        parse=at_least(1),
    ),
    Setting(
        flag="drain-seconds",
        help="How long requests in flight may go on after SIGTERM",
        default=20,
        unit="seconds",
        reason="below the 30 s that Kubernetes waits",
        parse=at_least(0),
    ),
    Setting(
        flag="website-domain",
        help="A domain below which bucket.domain serves the bucket as a website",
        unit="name",
        repeated=True,
    ),
    *KMS_SETTINGS,
    Setting(
        flag="kms-keys", help="Keys that the key service has from the start", unit="name", repeated=True, parse=setting_of_name
    ),
    Setting(
        flag="default-encryption",
        help="Encryption of new objects where neither the request nor the bucket says anything",
        default=("", S3_KEY),
        unit="none, AES256, aws:kms[=KEY] or aws:kms:dsse[=KEY]",
        reason="encryption costs CPU, and disks may be encrypted already",
        parse=default_encryption,
    ),
    Setting(
        flag="sse-c-needs-tls",
        help="Whether keys of clients (SSE-C) are taken over TLS only",
        default=False,
        unit="true or false",
        reason="TLS usually ends at an Ingress before the gateway",
        parse=boolean,
    ),
    Setting(
        flag="oidc-ca-file",
        help="Certificates to check OIDC issuers with, not the system's (a cluster's own issuer has its own)",
        unit="path",
        parse=Path,
    ),
    *TARGET_SETTINGS,
    DAY_SETTING,
    Setting(
        flag="access-log-seconds",
        help="How often collected access log lines are written to their buckets",
        default=300.0,
        unit="seconds",
        reason="a few objects an hour for each gateway; lines wait in memory for so long",
        parse=at_least(0.1, float),
    ),
    Setting(flag="log-level", help="debug, info, warning or error", default="info"),
)
