"""Lifecycle rules of a bucket, named as in S3's API, in camel case.

https://docs.aws.amazon.com/AmazonS3/latest/API/API_LifecycleRule.html. The conditions of a filter hold together, as S3's ``And``.
"""

from __future__ import annotations

from typing import Annotated, Literal

from dolmen.operator.model import fields
from dolmen.operator.model.storage_classes import TransitionClass

RULES_MAX = 100  # S3 takes 1000; the object, and the cost of its CEL rules, would be too large
ID_MAX = 255
PREFIX_MAX = 1024  # as long as the longest key
DAYS_MAX = fields.INT32_MAX
NEWER_MAX = 100
SIZE_MAX = 1_099_511_627_776_000
TAGS_MAX = 10  # an object has no more
TRANSITIONS_MAX = 6  # one for each class that is colder than STANDARD
TAG_KEY_MAX = 128
TAG_VALUE_MAX = 256
DATE_PATTERN = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}(T00:00:00Z)?$"  # midnight of UTC, as S3 demands
DATE_MAX = 20


class Tag(fields.Model, frozen=True, kw_only=True):
    """A tag of a bucket or an object."""

    key: Annotated[str, fields.text("Key.", TAG_KEY_MAX, least=1)]
    value: Annotated[str, fields.text("Value.", TAG_VALUE_MAX)] = ""


class LifecycleFilter(fields.Model, frozen=True, kw_only=True):
    """Objects for which all of this holds; an empty one means every object."""

    prefix: Annotated[str, fields.text("Keys that begin so.", PREFIX_MAX)] | None = None
    tags: (
        Annotated[tuple[Tag, ...], fields.listed("Objects that have all these tags.", TAGS_MAX, least=1, keys=("key",))] | None
    ) = None
    object_size_greater_than: Annotated[int, fields.number("Objects above so many bytes.", 0, SIZE_MAX)] | None = None
    object_size_less_than: Annotated[int, fields.number("Objects below so many bytes.", 1, SIZE_MAX)] | None = None


class Expiration(fields.Model, frozen=True, kw_only=True):
    """When current versions end: exactly one of the three."""

    days: Annotated[int, fields.number("Days after the object was made.", 1, DAYS_MAX)] | None = None
    date: Annotated[str, fields.text("From this day on: YYYY-MM-DD, midnight of UTC.", DATE_MAX, pattern=DATE_PATTERN)] | None = (
        None
    )
    expired_object_delete_marker: (
        Annotated[bool, fields.doc("Take away delete markers that have no versions below them.")] | None
    ) = None


class NoncurrentVersionExpiration(fields.Model, frozen=True, kw_only=True):
    """When versions end that are no longer current."""

    noncurrent_days: Annotated[int, fields.number("Days after the version was replaced.", 1, DAYS_MAX)]
    newer_noncurrent_versions: Annotated[int, fields.number("So many newer ones are kept.", 1, NEWER_MAX)] | None = None


class AbortIncompleteMultipartUpload(fields.Model, frozen=True, kw_only=True):
    """When uploads end that were never completed."""

    days_after_initiation: Annotated[int, fields.number("Days after the upload began.", 1, DAYS_MAX)]


class Transition(fields.Model, frozen=True, kw_only=True):
    """When current versions go to a colder class: exactly one of days and date."""

    storage_class: Annotated[TransitionClass, fields.doc("Where they go.")]
    days: Annotated[int, fields.number("Days after the object was made.", 0, DAYS_MAX)] | None = None
    date: Annotated[str, fields.text("From this day on: YYYY-MM-DD, midnight of UTC.", DATE_MAX, pattern=DATE_PATTERN)] | None = (
        None
    )


class NoncurrentVersionTransition(fields.Model, frozen=True, kw_only=True):
    """When versions go to a colder class that are no longer current."""

    storage_class: Annotated[TransitionClass, fields.doc("Where they go.")]
    noncurrent_days: Annotated[int, fields.number("Days after the version was replaced.", 0, DAYS_MAX)]
    newer_noncurrent_versions: Annotated[int, fields.number("So many newer ones stay.", 1, NEWER_MAX)] | None = None


class LifecycleRule(fields.Model, frozen=True, kw_only=True):
    """One rule; at least one action."""

    id: Annotated[str, fields.text("Name of the rule in this bucket.", ID_MAX, least=1)]
    status: Annotated[Literal["Enabled", "Disabled"], fields.doc("Whether the rule acts.")] = "Enabled"
    filter: Annotated[LifecycleFilter, fields.doc("Which objects it is about.")] = LifecycleFilter()
    expiration: Annotated[Expiration, fields.doc("End of current versions.")] | None = None
    noncurrent_version_expiration: (
        Annotated[NoncurrentVersionExpiration, fields.doc("End of versions that are no longer current.")] | None
    ) = None
    abort_incomplete_multipart_upload: (
        Annotated[AbortIncompleteMultipartUpload, fields.doc("End of uploads that were never completed.")] | None
    ) = None
    transitions: (
        Annotated[
            tuple[Transition, ...],
            fields.listed("Ways of current versions to colder classes.", TRANSITIONS_MAX, least=1, keys=("storageClass",)),
        ]
        | None
    ) = None
    noncurrent_version_transitions: (
        Annotated[
            tuple[NoncurrentVersionTransition, ...],
            fields.listed("Ways of older versions to colder classes.", TRANSITIONS_MAX, least=1, keys=("storageClass",)),
        ]
        | None
    ) = None
