"""What is known of an event before its commit: stored with it, and put together with its outcome when it is delivered."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from functools import lru_cache

import msgspec

from dolmen.gateway.metadata.records import NULL_VERSION, BucketRecord, Event
from dolmen.gateway.s3.event_record import LIFECYCLE_PRINCIPAL, EventFacts, eventbridge_message, message
from dolmen.gateway.s3.model.inputs_generated import NotificationConfiguration
from dolmen.gateway.s3.notification import EVENTBRIDGE, Listener, Rules, compile_rules

CONFIG = "notification"  # name of the sub-resource in the bucket's record
RULES_CACHE_MAX = 1024  # configurations; one of 100 rules is some 50 KB
SEQUENCE_BITS = 4  # below the sequence of a version: room for what happens to it afterwards
_GONE = 1  # in these bits: the version's removal, later than its own write and earlier than any later one
_REMOVALS = frozenset({"ObjectRemoved:Delete", "LifecycleExpiration:Delete"})
_TEXT_MAX = 256  # of addresses and ids in a template


class Template(msgspec.Struct, frozen=True, array_like=True):
    """Stored in ``Event.template``. Only add fields at the end: rows of an older release are delivered by a newer one."""

    name: str  # "ObjectCreated:Put"
    listeners: tuple[Listener, ...]
    bucket: str
    bucket_owner: str
    region: str
    principal: str
    source_ip: str
    request_id: str
    host_id: str
    more: dict[str, object] = {}


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Template).decode
_decode_configuration = msgspec.msgpack.Decoder(NotificationConfiguration).decode


@lru_cache(maxsize=RULES_CACHE_MAX)
def _rules(raw: bytes) -> Rules:
    return compile_rules(_decode_configuration(raw))


def rules_of(bucket: BucketRecord) -> Rules | None:
    """The compiled notification configuration of a bucket; None when there is none."""
    raw = bucket.config.get(CONFIG)
    return None if raw is None else _rules(raw)


def template_of(
    bucket: BucketRecord,
    name: str,
    key: bytes,
    *,
    declared: Collection[str],
    principal: str,
    source_ip: str,
    request_id: str,
    host_id: str,
    more: Mapping[str, object] | None = None,
) -> bytes:
    """The template of an event, b"" when nobody listens. ``name``: without ``s3:``; ``declared``: the targets there are.

    ``more``: further members of the record (glacierEventData, lifecycleEventData).
    """
    rules = rules_of(bucket)
    if rules is None:
        return b""
    listeners = rules.listeners(name, key.decode("utf-8", "replace"), declared)
    if not listeners:
        return b""
    return _encode(
        Template(
            name,
            listeners,
            bucket.name.rpartition(":")[2],
            bucket.owner,
            bucket.region,
            principal,
            source_ip[:_TEXT_MAX],
            request_id[:_TEXT_MAX],
            host_id[:_TEXT_MAX],
            dict(more or {}),
        )
    )


def lifecycle_template(
    bucket: BucketRecord, name: str, key: bytes, storage_class: str = "", *, declared: Collection[str]
) -> bytes:
    """The template of what the store does by itself: LifecycleExpiration:*, LifecycleTransition (to ``storage_class``) ..."""
    if CONFIG not in bucket.config:
        return b""
    return template_of(
        bucket,
        name,
        key,
        declared=declared,
        principal=LIFECYCLE_PRINCIPAL,
        source_ip=LIFECYCLE_PRINCIPAL,
        request_id="",
        host_id="",
        more=transition_data(storage_class) if storage_class else None,
    )


def transition_data(storage_class: str) -> dict[str, object]:
    """``more`` of LifecycleTransition."""
    return {"lifecycleEventData": {"transitionEventData": {"destinationStorageClass": storage_class}}}


def restore_data(expiry: str, storage_class: str) -> dict[str, object]:
    """``more`` of ObjectRestore:Completed; ``expiry``: ISO 8601."""
    told = {"lifecycleRestorationExpiryTime": expiry, "lifecycleRestoreStorageClass": storage_class}
    return {"glacierEventData": {"restoreEventData": told}}


def decode_template(raw: bytes) -> Template:
    """Raises ``msgspec.MsgspecError``."""
    return _decode(raw)


def facts_of(event: Event, template: Template) -> EventFacts:
    """The event with its outcome."""
    sequence = event.seq << SEQUENCE_BITS
    if template.name in _REMOVALS:  # the row tells the version that went, whose own write has told this sequence already
        sequence = (max(event.seq, event.at_us) << SEQUENCE_BITS) | _GONE
    return EventFacts(
        name=template.name,
        time_us=event.at_us,
        region=template.region,
        bucket=template.bucket,
        bucket_owner=template.bucket_owner,
        key=event.key.decode("utf-8", "replace"),
        principal=template.principal,
        source_ip=template.source_ip,
        request_id=template.request_id,
        host_id=template.host_id,
        sequence=sequence,
        size=event.size,
        etag="" if template.name in _REMOVALS else event.etag,
        version_id="" if event.version_id == NULL_VERSION else event.version_id,
        more=template.more,
    )


def body_for(listener: Listener, event: Event, template: Template) -> bytes:
    """What is sent to one listener."""
    facts = facts_of(event, template)
    if listener.target == EVENTBRIDGE and not listener.configuration_id:
        return eventbridge_message(facts, event.event_id)
    return message(facts, listener.configuration_id)
