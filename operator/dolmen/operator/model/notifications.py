"""Which events of a bucket go to which webhook, as the gateway knows them.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-how-to-event-types-and-destinations.html. Destinations are
``gateway.notificationTargets`` of the StorageCluster; the gateway sees them as ``arn:minio:sqs::NAME:webhook``.
"""

from __future__ import annotations

from typing import Annotated, Literal

from dolmen.operator.model import fields
from dolmen.operator.model.gateway import TARGET_MAX, TARGET_PATTERN

CONFIGURATIONS_MAX = 100  # S3's limit for a bucket
ID_MAX = 255
FILTER_MAX = 1024
EVENTS_MAX = 32  # more than there are

Event = Literal[
    "s3:ObjectCreated:*",
    "s3:ObjectCreated:Put",
    "s3:ObjectCreated:Post",
    "s3:ObjectCreated:Copy",
    "s3:ObjectCreated:CompleteMultipartUpload",
    "s3:ObjectRemoved:*",
    "s3:ObjectRemoved:Delete",
    "s3:ObjectRemoved:DeleteMarkerCreated",
    "s3:ObjectTagging:*",
    "s3:ObjectTagging:Put",
    "s3:ObjectTagging:Delete",
    "s3:ObjectAcl:Put",
    "s3:LifecycleExpiration:*",
    "s3:LifecycleExpiration:Delete",
    "s3:LifecycleExpiration:DeleteMarkerCreated",
    "s3:LifecycleTransition",
    "s3:ObjectRestore:*",
    "s3:ObjectRestore:Post",
    "s3:ObjectRestore:Completed",
    "s3:ObjectRestore:Delete",
    "s3:ObjectRetention:Put",
]


class NotificationFilter(fields.Model, frozen=True, kw_only=True):
    """Keys for which both hold."""

    prefix: Annotated[str, fields.text("Keys that begin so.", FILTER_MAX)] = ""
    suffix: Annotated[str, fields.text("Keys that end so.", FILTER_MAX)] = ""


class Notification(fields.Model, frozen=True, kw_only=True):
    """Events that go to one webhook."""

    id: Annotated[str, fields.text("Name of the configuration in this bucket.", ID_MAX, least=1)]
    target: Annotated[str, fields.text("One of the cluster's notificationTargets.", TARGET_MAX, least=1, pattern=TARGET_PATTERN)]
    events: Annotated[
        tuple[Annotated[Event, fields.doc("An event, or a family of them.")], ...],
        fields.listed("What is told.", EVENTS_MAX, least=1, unique=True),
    ]
    filter: Annotated[NotificationFilter, fields.doc("Of which keys.")] | None = None


def target_arn(target: str) -> str:
    """The ARN by which the gateway knows a webhook."""
    return f"arn:minio:sqs::{target}:webhook"
