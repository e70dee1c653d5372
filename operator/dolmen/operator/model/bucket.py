"""Bucket: a bucket of a StorageCluster with its settings. What is not set is not managed, and stays as it is in the store."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from dolmen.operator.model import fields
from dolmen.operator.model.conditions import ConditionList
from dolmen.operator.model.encryption import BucketEncryption
from dolmen.operator.model.lifecycle import RULES_MAX, LifecycleRule, Tag
from dolmen.operator.model.notifications import CONFIGURATIONS_MAX, Notification
from dolmen.operator.model.redundancy import Scheme
from dolmen.operator.model.references import API_VERSION, ClusterRef, ObjectMeta, SecretOutput, SecretRef, UserRef
from dolmen.operator.model.storage_classes import StorageClass
from dolmen.operator.model.website import Website

NAME_MIN = 3
NAME_MAX = 63
NAME_PATTERN = r"^[a-z0-9][a-z0-9.-]*[a-z0-9]$"
# https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html; tests hold them to the gateway's.
RESERVED_PREFIXES = ("xn--", "sthree-", "amzn-s3-demo-")
RESERVED_SUFFIXES = ("-s3alias", "--ol-s3", ".mrap", "--x-s3", "--table-s3")
LOCK_DAYS_MAX = 36_500
LOCK_YEARS_MAX = 100
POLICY_MAX = 20 * 1024  # S3's limit
CORS_RULES_MAX = 100  # S3's limit
CORS_VALUES_MAX = 32
TAGS_MAX = 50  # S3's limit
ACCESS_MAX = 64
MANAGED_MAX = 32  # more than there are settings

Permission = Literal["ReadOnly", "WriteOnly", "ReadWrite", "FullControl"]
DeletionPolicy = Literal["Retain", "DeleteIfEmpty", "Delete"]
Versioning = Literal["Off", "Enabled", "Suspended"]


class ObjectLock(fields.Model, frozen=True, kw_only=True):
    """Object lock, and the retention of objects that say nothing themselves."""

    enabled: Annotated[bool, fields.doc("Whether objects can be locked; for ever once it is true.")] = True
    mode: Annotated[Literal["GOVERNANCE", "COMPLIANCE"], fields.doc("Mode of the default retention.")] | None = None
    days: Annotated[int, fields.number("Days of the default retention.", 1, LOCK_DAYS_MAX)] | None = None
    years: Annotated[int, fields.number("Years of the default retention.", 1, LOCK_YEARS_MAX)] | None = None


class BucketQuota(fields.Model, frozen=True, kw_only=True):
    """Writes above it are refused."""

    max_bytes: Annotated[fields.ByteQuantity, fields.doc("Bytes of all versions and uploads.")] | None = None
    max_objects: Annotated[int, fields.number("Versions.", 0, fields.INT64_MAX)] | None = None


class CorsRule(fields.Model, frozen=True, kw_only=True):
    """One rule of cross-origin resource sharing, as S3's CORSRule."""

    id: Annotated[str, fields.text("Name of the rule.", 255)] | None = None
    allowed_origins: Annotated[
        tuple[Annotated[str, fields.text("An origin with one star at most.", 1024, least=1, pattern=r"^[^*]*[*]?[^*]*$")], ...],
        fields.listed("Origins.", CORS_VALUES_MAX, least=1, unique=True),
    ]
    allowed_methods: Annotated[
        tuple[Annotated[Literal["GET", "PUT", "POST", "DELETE", "HEAD"], fields.doc("A method.")], ...],
        fields.listed("Methods.", 5, least=1, unique=True),
    ]
    allowed_headers: Annotated[
        tuple[Annotated[str, fields.text("A header with one star at most.", 256, least=1, pattern=r"^[^*]*[*]?[^*]*$")], ...],
        fields.listed("Headers that a preflight may ask for.", CORS_VALUES_MAX, unique=True),
    ] = ()
    expose_headers: Annotated[
        tuple[Annotated[str, fields.text("A header.", 256, least=1, pattern=r"^[^*]+$")], ...],
        fields.listed("Headers of answers that pages may see.", CORS_VALUES_MAX, unique=True),
    ] = ()
    max_age_seconds: Annotated[int, fields.number("How long a browser remembers a preflight.", 0, fields.INT32_MAX)] | None = None


class PublicAccessBlock(fields.Model, frozen=True, kw_only=True):
    """As S3's PublicAccessBlockConfiguration."""

    block_public_acls: Annotated[bool, fields.doc("Refuse ACLs that let everybody in.")] = True
    ignore_public_acls: Annotated[bool, fields.doc("ACLs let nobody in that everybody is.")] = True
    block_public_policy: Annotated[bool, fields.doc("Refuse policies that let everybody in.")] = True
    restrict_public_buckets: Annotated[bool, fields.doc("A public policy lets in only the account itself.")] = True


class Access(fields.Model, frozen=True, kw_only=True):
    """What a user may do with the bucket."""

    user: Annotated[str, fields.name("Name of the ObjectUser in this namespace.")]
    permission: Annotated[Permission, fields.doc("What is allowed.")] = "ReadWrite"
    prefix: Annotated[str, fields.text("Only keys that begin so.", 1024)] = ""


class BucketSpec(fields.Model, frozen=True, kw_only=True):
    """The wanted state of a bucket."""

    cluster_ref: Annotated[ClusterRef, fields.doc("The cluster; never changed.")]
    name: (
        Annotated[
            str,
            fields.text(
                "Name in S3, never changed; metadata.name when it is missing.", NAME_MAX, least=NAME_MIN, pattern=NAME_PATTERN
            ),
        ]
        | None
    ) = None
    deletion_policy: Annotated[DeletionPolicy, fields.doc("What becomes of the bucket when this object is deleted.")] = "Retain"
    adopt_existing: Annotated[bool, fields.doc("Whether a bucket that is there already is taken over.")] = False
    versioning: Annotated[Versioning, fields.doc("Versioning; once on it can only be suspended.")] | None = None
    object_lock: Annotated[ObjectLock, fields.doc("Object lock; needs versioning.")] | None = None
    quota: Annotated[BucketQuota, fields.doc("Limits of the bucket.")] | None = None
    lifecycle: Annotated[tuple[LifecycleRule, ...], fields.listed("Lifecycle rules.", RULES_MAX, keys=("id",))] | None = None
    transition_default_minimum_object_size: (
        Annotated[
            Literal["all_storage_classes_128K", "varies_by_storage_class"], fields.doc("Smaller objects are left where they are.")
        ]
        | None
    ) = None
    policy: Annotated[str, fields.text("Bucket policy, a JSON document.", POLICY_MAX, least=2)] | None = None
    cors: Annotated[tuple[CorsRule, ...], fields.listed("CORS rules; the first that suits counts.", CORS_RULES_MAX)] | None = None
    encryption: Annotated[BucketEncryption, fields.doc("Default encryption.")] | None = None
    tags: Annotated[tuple[Tag, ...], fields.listed("Tags of the bucket.", TAGS_MAX, keys=("key",))] | None = None
    notifications: (
        Annotated[tuple[Notification, ...], fields.listed("Events and webhooks.", CONFIGURATIONS_MAX, keys=("id",))] | None
    ) = None
    website: Annotated[Website, fields.doc("The bucket as a website.")] | None = None
    public_access_block: Annotated[PublicAccessBlock, fields.doc("Whether anything may be public.")] | None = None
    object_ownership: (
        Annotated[Literal["BucketOwnerEnforced", "BucketOwnerPreferred", "ObjectWriter"], fields.doc("Who owns new objects.")]
        | None
    ) = None
    storage_class: Annotated[StorageClass, fields.doc("Class of new objects that name none.")] | None = None
    redundancy: (
        Annotated[Scheme, fields.doc("Scheme of new objects that name no class; a storage class of the cluster must have it.")]
        | None
    ) = None
    owner: Annotated[UserRef, fields.doc("ObjectUser that owns the bucket; the root account when it is missing.")] | None = None
    access: Annotated[tuple[Access, ...], fields.listed("What users may do.", ACCESS_MAX, keys=("user",))] | None = None
    secret: Annotated[SecretOutput, fields.doc("Credentials for this bucket alone, of a user made for it.")] | None = None


class BucketUsage(fields.Model, frozen=True, kw_only=True):
    """What is in the bucket, some minutes ago."""

    bytes: Annotated[int, fields.number("Bytes of all versions.", 0, fields.INT64_MAX)] = 0
    objects: Annotated[int, fields.number("Versions.", 0, fields.INT64_MAX)] = 0
    incomplete_uploads: Annotated[int, fields.number("Multipart uploads that are not completed.", 0, fields.INT64_MAX)] = 0
    size: Annotated[str, fields.text("Bytes as a quantity.", fields.QUANTITY_MAX)] = ""
    updated_at: Annotated[str, fields.time("When it was counted.")] | None = None


class BucketStatus(fields.Model, frozen=True, kw_only=True):
    """The observed state of a bucket; with all that its deletion needs when everything else is gone."""

    observed_generation: Annotated[int, fields.number("The generation that this status is about.", 0, fields.INT64_MAX)] | None = (
        None
    )
    phase: Annotated[str, fields.text("One word for people, derived from the conditions.", 32)] = ""
    bucket_name: Annotated[str, fields.text("Name in S3.", NAME_MAX)] = ""
    bucket_id: Annotated[str, fields.text("Id in the store; a bucket made anew has another.", 64)] = msgspec.field(
        name="bucketID", default=""
    )
    endpoint: Annotated[str, fields.text("URL of S3.", fields.URL_MAX)] = ""
    region: Annotated[str, fields.text("Region that clients sign for.", fields.LABEL_MAX)] = ""
    usage: Annotated[BucketUsage, fields.doc("What is in it.")] | None = None
    secret_ref: Annotated[SecretRef, fields.doc("The Secret with credentials.")] | None = None
    managed_fields: Annotated[
        tuple[Annotated[str, fields.text("A field of the spec.", fields.LABEL_MAX)], ...],
        fields.listed("Settings that this object owns; others are left alone.", MANAGED_MAX, unique=True),
    ] = ()
    conditions: ConditionList = ()


class Bucket(fields.Model, frozen=True, kw_only=True):
    """A bucket of a StorageCluster."""

    api_version: str = API_VERSION
    kind: str = "Bucket"
    metadata: ObjectMeta = ObjectMeta()
    spec: BucketSpec
    status: BucketStatus = BucketStatus()

    @property
    def bucket_name(self) -> str:
        """The name in S3."""
        return self.spec.name or self.metadata.name
