"""What a notification says: AWS's event record, its test event, and the form that EventBridge gives to its rules.

Pure. https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html
https://docs.aws.amazon.com/AmazonS3/latest/userguide/ev-events.html
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import quote_plus

from dolmen.gateway.s3.dates import SECOND_US, iso_second

SEQUENCER_DIGITS = 18  # as many as AWS shows; a sequence of ours has 14 at most
LIFECYCLE_PRINCIPAL = "s3.amazonaws.com"  # userIdentity of what the store does by itself

# Families whose records carry version 2.3; all the others are 2.1. Readers look at the major number only.
_VERSION_2_3 = ("LifecycleExpiration", "LifecycleTransition", "IntelligentTiering", "ObjectAcl", "ObjectTagging", "ObjectRetention")
_DELETIONS = ("ObjectRemoved", "LifecycleExpiration")
# These change no bytes. AWS gives them no sequencer: it would be that of the write, and receivers would take them for repetitions.
_OF_THE_SAME_BYTES = ("ObjectTagging", "ObjectAcl", "ObjectRetention")
_DETAIL_TYPES = {
    "ObjectCreated": "Object Created",
    "ObjectRemoved": "Object Deleted",
    "LifecycleExpiration": "Object Deleted",
    "ObjectRestore:Post": "Object Restore Initiated",
    "ObjectRestore:Completed": "Object Restore Completed",
    "ObjectRestore:Delete": "Object Restore Expired",
    "LifecycleTransition": "Object Storage Class Changed",
    "ObjectTagging:Put": "Object Tags Added",
    "ObjectTagging:Delete": "Object Tags Deleted",
    "ObjectAcl": "Object ACL Updated",
}
_REASONS = {
    "ObjectCreated:Put": "PutObject",
    "ObjectCreated:Post": "POST Object",
    "ObjectCreated:Copy": "CopyObject",
    "ObjectCreated:CompleteMultipartUpload": "CompleteMultipartUpload",
    "ObjectRemoved:Delete": "DeleteObject",
    "ObjectRemoved:DeleteMarkerCreated": "DeleteObject",
    "LifecycleExpiration:Delete": "Lifecycle Expiration",
    "LifecycleExpiration:DeleteMarkerCreated": "Lifecycle Expiration",
}


@dataclass(frozen=True, slots=True)
class EventFacts:
    """All that a notification tells. ``name`` without ``s3:``; times in microseconds; ETag without quotes."""

    name: str
    time_us: int
    region: str
    bucket: str
    bucket_owner: str  # account id
    key: str
    principal: str
    source_ip: str
    request_id: str
    host_id: str
    sequence: int
    size: int = 0
    etag: str = ""
    version_id: str = ""  # "" in a bucket that was never versioned
    more: Mapping[str, object] = field(default_factory=dict)  # glacierEventData, lifecycleEventData ...

    @property
    def family(self) -> str:
        return self.name.partition(":")[0]


def sequencer(sequence: int) -> str:
    """Hexadecimal of fixed width: later events of a key are greater as text."""
    return f"{sequence:0{SEQUENCER_DIGITS}X}"


def iso_milliseconds(time_us: int) -> str:
    """``1970-01-01T00:00:00.000Z``, with true milliseconds."""
    return f"{iso_second(time_us)[:-1]}.{time_us % SECOND_US // 1000:03d}Z"


def record(facts: EventFacts, configuration_id: str) -> dict[str, object]:
    """One entry of ``Records``."""
    newer = facts.family in _VERSION_2_3 or facts.name == "ObjectRestore:Delete"
    return {
        "eventVersion": "2.3" if newer else "2.1",
        "eventSource": "aws:s3",
        "awsRegion": facts.region,
        "eventTime": iso_milliseconds(facts.time_us),
        "eventName": facts.name,
        "userIdentity": {"principalId": facts.principal},
        "requestParameters": {"sourceIPAddress": facts.source_ip},
        "responseElements": {"x-amz-request-id": facts.request_id, "x-amz-id-2": facts.host_id},
        "s3": {
            "s3SchemaVersion": "1.0",
            "configurationId": configuration_id,
            "bucket": {
                "name": facts.bucket,
                "ownerIdentity": {"principalId": facts.bucket_owner},
                "arn": f"arn:aws:s3:::{facts.bucket}",
            },
            "object": _object(facts, quote_plus(facts.key, safe="/"), "eTag", "versionId"),
        },
        **facts.more,
    }


def _object(facts: EventFacts, key: str, etag_name: str, version_name: str) -> dict[str, object]:
    told: dict[str, object] = {"key": key}
    same_bytes = facts.family in _OF_THE_SAME_BYTES
    if facts.family not in _DELETIONS and not same_bytes:
        told["size"] = facts.size
    if facts.etag:
        told[etag_name] = facts.etag
    if facts.version_id:
        told[version_name] = facts.version_id
    if not same_bytes:
        told["sequencer"] = sequencer(facts.sequence)
    return told


def message(facts: EventFacts, configuration_id: str) -> bytes:
    """The body of a webhook: AWS's ``Records``, and beside them the two fields that MinIO's receivers look at."""
    return _json(
        {
            "EventName": f"s3:{facts.name}",
            "Key": f"{facts.bucket}/{facts.key}",
            "Records": [record(facts, configuration_id)],
        }
    )


def trial_message(bucket: str, time_us: int, request_id: str, host_id: str) -> bytes:
    """What is sent when a target is configured."""
    return _json(
        {
            "Service": "Amazon S3",
            "Event": "s3:TestEvent",
            "Time": iso_milliseconds(time_us),
            "Bucket": bucket,
            "RequestId": request_id,
            "HostId": host_id,
        }
    )


def eventbridge_message(facts: EventFacts, event_id: bytes) -> bytes:
    """The same event as EventBridge tells it; the key is not encoded there."""
    detail: dict[str, object] = {
        "version": "0",
        "bucket": {"name": facts.bucket},
        "object": _object(facts, facts.key, "etag", "version-id"),
        "request-id": facts.request_id,
        "requester": facts.principal.removeprefix("AWS:"),
        "source-ip-address": facts.source_ip,
    }
    if facts.name in _REASONS:
        detail["reason"] = _REASONS[facts.name]
    if facts.family in _DELETIONS:
        marker = facts.name.endswith("DeleteMarkerCreated")
        detail["deletion-type"] = "Delete Marker Created" if marker else "Permanently Deleted"
    return _json(
        {
            "version": "0",
            "id": str(uuid.UUID(bytes=event_id)),
            "detail-type": _DETAIL_TYPES.get(facts.name) or _DETAIL_TYPES.get(facts.family, facts.name),
            "source": "aws.s3",
            "account": facts.bucket_owner,
            "time": iso_second(facts.time_us),
            "region": facts.region,
            "resources": [f"arn:aws:s3:::{facts.bucket}"],
            "detail": detail,
        }
    )


def _json(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode("utf-8", "surrogatepass")
