"""The lifecycle configuration of a bucket, and what answers tell of it. What it does is done by maintenance."""

from __future__ import annotations

import base64
import uuid
from collections.abc import Mapping
from functools import lru_cache
from typing import Any
from urllib.parse import quote

import msgspec

from dolmen.gateway.handlers.call import Call, Handler
from dolmen.gateway.handlers.config_store import save
from dolmen.gateway.http.request import Headers
from dolmen.gateway.lifecycle.plan import Facts, abort_of, expiry_of
from dolmen.gateway.lifecycle.records import ALL_CLASSES_128K, CONFIGURATION, MINIMUM_SIZES, Lifecycle
from dolmen.gateway.lifecycle.rules import checked, told_rules
from dolmen.gateway.metadata.records import BucketRecord, VersionRecord
from dolmen.gateway.s3.dates import http_date
from dolmen.gateway.s3.fault import S3Fault
from dolmen.gateway.s3.model.inputs_generated import (
    DeleteBucketLifecycleInput,
    GetBucketLifecycleConfigurationInput,
    GetBucketLifecycleInput,
    LifecycleRule,
    PutBucketLifecycleConfigurationInput,
    PutBucketLifecycleInput,
    Rule,
)
from dolmen.gateway.s3.model.outputs_generated import (
    GetBucketLifecycleConfigurationOutput,
    GetBucketLifecycleOutput,
    PutBucketLifecycleConfigurationOutput,
)
from dolmen.gateway.s3.render import Response, header_bytes, render

CACHED_MAX = 256  # configurations read by every GET: with 1,000 rules each of them is some 0.5 MB

_decode = msgspec.msgpack.Decoder(Lifecycle).decode


@lru_cache(maxsize=CACHED_MAX)
def _decoded(raw: bytes) -> Lifecycle:
    return _decode(raw)


def lifecycle_of(bucket: BucketRecord) -> Lifecycle | None:
    """The bucket's rules, or None."""
    raw = bucket.config.get(CONFIGURATION)
    return None if raw is None else _decoded(raw)


def _new_id() -> str:
    """As S3 names a rule that came without a name: 48 characters."""
    return base64.b64encode(str(uuid.uuid4()).encode()).decode()


# -- the configuration -------------------------------------------------------------------------------------------------------


async def put_bucket_lifecycle_configuration(call: Call, given: PutBucketLifecycleConfigurationInput) -> Response:
    """https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutBucketLifecycleConfiguration.html"""
    if given.lifecycle_configuration is None:
        raise S3Fault("MalformedXML")
    minimum_size = given.transition_default_minimum_object_size or ALL_CLASSES_128K
    if minimum_size not in MINIMUM_SIZES:
        raise S3Fault("InvalidRequest", "Invalid TransitionDefaultMinimumObjectSize found")
    made = checked(given.lifecycle_configuration.rules or [], minimum_size, _new_id)
    await save(call, CONFIGURATION, made)
    return render(
        call.operation, PutBucketLifecycleConfigurationOutput(transition_default_minimum_object_size=minimum_size)
    )


async def put_bucket_lifecycle(call: Call, given: PutBucketLifecycleInput) -> Response:
    """https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutBucketLifecycle.html (deprecated: one transition for a rule)"""
    if given.lifecycle_configuration is None:
        raise S3Fault("MalformedXML")
    rules = [_widened(rule) for rule in given.lifecycle_configuration.rules or []]
    await save(call, CONFIGURATION, checked(rules, ALL_CLASSES_128K, _new_id))
    return Response(200, [], b"")


def _widened(rule: Rule) -> LifecycleRule:
    return LifecycleRule(
        id=rule.id,
        status=rule.status,
        prefix=rule.prefix,
        expiration=rule.expiration,
        transitions=[] if rule.transition is None else [rule.transition],
        noncurrent_version_transitions=(
            [] if rule.noncurrent_version_transition is None else [rule.noncurrent_version_transition]
        ),
        noncurrent_version_expiration=rule.noncurrent_version_expiration,
        abort_incomplete_multipart_upload=rule.abort_incomplete_multipart_upload,
    )


def _narrowed(rule: LifecycleRule) -> Rule:
    return Rule(
        id=rule.id,
        status=rule.status,
        prefix=rule.prefix or "",
        expiration=rule.expiration,
        transition=next(iter(rule.transitions or ()), None),
        noncurrent_version_transition=next(iter(rule.noncurrent_version_transitions or ()), None),
        noncurrent_version_expiration=rule.noncurrent_version_expiration,
        abort_incomplete_multipart_upload=rule.abort_incomplete_multipart_upload,
    )


def _required(call: Call) -> Lifecycle:
    found = lifecycle_of(call.bucket)
    if found is None:
        raise S3Fault("NoSuchLifecycleConfiguration", fields=(("BucketName", call.bucket_name),))
    return found


async def get_bucket_lifecycle_configuration(call: Call, given: GetBucketLifecycleConfigurationInput) -> Response:
    """https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetBucketLifecycleConfiguration.html"""
    found = _required(call)
    told = GetBucketLifecycleConfigurationOutput(
        rules=_without_empty_lists(told_rules(found)), transition_default_minimum_object_size=found.minimum_size
    )
    return render(call.operation, told)


def _without_empty_lists(rules: list[LifecycleRule]) -> list[LifecycleRule]:
    """An empty list inside an element would be told as an empty element."""
    for rule in rules:
        rule.transitions = rule.transitions or None
        rule.noncurrent_version_transitions = rule.noncurrent_version_transitions or None
    return rules


async def get_bucket_lifecycle(call: Call, given: GetBucketLifecycleInput) -> Response:
    """https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetBucketLifecycle.html (deprecated)"""
    return render(call.operation, GetBucketLifecycleOutput(rules=[_narrowed(rule) for rule in told_rules(_required(call))]))


async def delete_bucket_lifecycle(call: Call, given: DeleteBucketLifecycleInput) -> Response:
    """https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteBucketLifecycle.html"""
    if CONFIGURATION in call.bucket.config:
        await save(call, CONFIGURATION, None)
    return Response(204, [], b"")


# -- what other answers tell -------------------------------------------------------------------------------------------------


def expiration_header(call: Call, record: VersionRecord) -> Headers:
    """``x-amz-expiration`` of GET and HEAD: of current versions only."""
    if not record.is_latest or record.is_delete_marker:
        return []
    return expiration_of_new(call, call.key, record.size, record.mtime_us, record.mutable.tags)


def expiration_of_new(call: Call, key: bytes, size: int, mtime_us: int, tags: Mapping[str, str]) -> Headers:
    """``x-amz-expiration`` of an object that was just written."""
    lifecycle = lifecycle_of(call.bucket)
    if lifecycle is None:
        return []
    facts = Facts(key=key, size=size, mtime_us=mtime_us, tags=tags)
    found = expiry_of(lifecycle, facts, call.services.lifecycle_day_us)
    if found is None:
        return []
    due_us, rule_id = found
    text = f'expiry-date="{http_date(due_us)}", rule-id="{quote(rule_id, safe="")}"'
    return [(b"x-amz-expiration", header_bytes(text))]


def abort_members(call: Call, key: bytes, initiated_us: int) -> dict[str, Any]:
    """``abort_date`` and ``abort_rule_id`` of CreateMultipartUpload's and ListParts's output, where a rule aborts the upload."""
    lifecycle = lifecycle_of(call.bucket)
    found = None if lifecycle is None else abort_of(lifecycle, key, initiated_us, call.services.lifecycle_day_us)
    return {} if found is None else {"abort_date": found[0], "abort_rule_id": quote(found[1], safe="")}


HANDLERS: dict[str, Handler] = {
    "PutBucketLifecycleConfiguration": put_bucket_lifecycle_configuration,
    "PutBucketLifecycle": put_bucket_lifecycle,
    "GetBucketLifecycleConfiguration": get_bucket_lifecycle_configuration,
    "GetBucketLifecycle": get_bucket_lifecycle,
    "DeleteBucketLifecycle": delete_bucket_lifecycle,
}
