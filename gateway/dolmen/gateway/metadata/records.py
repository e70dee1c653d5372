"""What the metadata store keeps: versions, buckets, uploads, parts, notes. Typed, immutable, stored as msgpack.

Keys are bytes (UTF-8 order, 1 to 1024 long). Times are microseconds since the epoch. Optional text is "" when absent.
"""

from __future__ import annotations

import enum

import msgspec

from dolmen.core.layout import ObjectLayout

NULL_VERSION = "null"  # S3's name for the version of a key written while versioning was off or suspended


class Versioning(enum.IntEnum):
    """State of a bucket. Never renumber: stored."""

    OFF = 0
    ENABLED = 1
    SUSPENDED = 2


class BucketRecord(msgspec.Struct, frozen=True, kw_only=True):
    """A bucket. ``bucket_id`` is new at each creation, so late writes to a deleted namesake land nowhere."""

    name: str  # globally unique; "tenant:name" for a bucket of a named tenant
    bucket_id: bytes  # 16 bytes
    owner: str  # account id (12 digits)
    region: str
    created_us: int
    versioning: Versioning = Versioning.OFF
    mfa_delete: bool = False
    object_lock: bool = False
    rev: int = 1  # every change is conditional on it
    config: dict[str, bytes] = {}  # sub-resources by name (policy, cors, tagging ...): stored, opaque here


class Checksum(msgspec.Struct, frozen=True, array_like=True):
    """An ``x-amz-checksum-*`` value as S3 shows it."""

    algorithm: str  # "CRC32", "CRC32C", "CRC64NVME", "SHA1", "SHA256"
    value: str  # base64, with "-N" for a composite
    type: str = "FULL_OBJECT"  # or "COMPOSITE"


class PartSummary(msgspec.Struct, frozen=True, array_like=True):
    """One part of a completed multipart object, in the version's row: part-number reads and GetObjectAttributes."""

    number: int
    size: int
    checksum: Checksum | None = None


class Attributes(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """Immutable description of an object: system metadata, user metadata, checksums."""

    content_type: str = ""
    cache_control: str = ""
    content_disposition: str = ""
    content_encoding: str = ""
    content_language: str = ""
    expires: str = ""
    website_redirect: str = ""
    user_metadata: dict[str, str] = {}  # names lower-case, without "x-amz-meta-"
    storage_class: str = "STANDARD"
    checksum: Checksum | None = None
    parts: tuple[PartSummary, ...] = ()  # empty unless multipart


class Lock(msgspec.Struct, frozen=True, array_like=True):
    """Object lock of one version: retention and legal hold stand beside each other."""

    mode: str = ""  # "GOVERNANCE", "COMPLIANCE", "" without retention
    until_us: int = 0
    legal_hold: bool | None = None  # None: never set, which S3 tells apart from off


class Encryption(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """How a version's bytes are sealed. The data key is here only sealed itself: it can be wrapped anew without touching data."""

    algorithm: str  # "AES256", "aws:kms", "aws:kms:dsse", "SSE-C"
    key_id: str = ""  # of the key service
    sealed_key: bytes = b""
    key_version: int = 0
    context: str = ""  # x-amz-server-side-encryption-context as it came: base64 of a JSON object
    customer_key_md5: str = ""  # base64, as S3 shows it
    bucket_key: bool = False


class MutablePart(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """What may change after the write; every change is conditional on ``rev``."""

    rev: int = 1
    tags: dict[str, str] = {}
    acl: bytes = b""
    lock: Lock | None = None
    encryption: Encryption | None = None
    restored_until_us: int = 0  # of archived classes: how long clients are told of a restored copy


class VersionRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One version of a key, or a delete marker."""

    key: bytes
    version_id: str  # NULL_VERSION or an opaque id that sorts as nothing: ask ``seq``
    seq: int  # order of commits of the key, hybrid microseconds; larger is newer
    is_delete_marker: bool = False
    is_latest: bool = True
    size: int = 0
    etag: str = ""  # without quotes
    mtime_us: int = 0
    owner: str = ""
    attributes: Attributes = Attributes()
    mutable: MutablePart = MutablePart()
    layout: ObjectLayout = ObjectLayout()


class NewVersion(msgspec.Struct, frozen=True, kw_only=True):
    """What a commit makes visible. The store decides version id, seq and what is replaced."""

    size: int
    etag: str
    owner: str
    attributes: Attributes
    layout: ObjectLayout
    mutable: MutablePart = MutablePart()
    mtime_us: int | None = None  # None: the time of the commit


class WriteCondition(msgspec.Struct, frozen=True, kw_only=True):
    """Decided at the commit point. ETags without quotes; "*" means any."""

    if_match: tuple[str, ...] = ()  # the current object must exist and have one of these ETags
    if_none_match: tuple[str, ...] = ()  # the current object must not exist ("*"), or have none of these
    if_match_size: int | None = None  # deletes only
    if_match_mtime_us: int | None = None  # deletes only, compared by whole seconds


NO_CONDITION = WriteCondition()


class Committed(msgspec.Struct, frozen=True, kw_only=True):
    """The outcome of a commit."""

    version_id: str  # NULL_VERSION when the bucket was never versioned or is suspended
    seq: int
    mtime_us: int
    versioning: Versioning  # state that the commit saw
    etag: str = ""


class Deleted(msgspec.Struct, frozen=True, kw_only=True):
    """The outcome of a delete, as S3 tells it."""

    version_id: str = ""  # of the removed version or the new marker; "" when there is none to tell
    is_delete_marker: bool = False  # a marker was made, or the removed version was one
    existed: bool = False


class DeleteRequest(msgspec.Struct, frozen=True, kw_only=True):
    """Delete the current object (``version_id`` None: a marker in versioned buckets) or one version for good."""

    key: bytes
    version_id: str | None = None
    condition: WriteCondition = NO_CONDITION
    if_seq: int | None = None  # only while the version that would go (or be hidden) is this one
    if_noncurrent: bool = False  # only while the named version is not the current one: nothing that came back to light goes
    bypass_governance: bool = False  # the caller may remove versions under governance retention
    event: bytes = b""  # template of a notification, written in the same commit


class ListRow(msgspec.Struct, frozen=True, array_like=True):
    """One row of a listing: a current object, or (in version listings) a version or marker."""

    key: bytes
    size: int
    etag: str
    mtime_us: int
    storage_class: str
    owner: str
    checksum_algorithm: str  # "" when none
    checksum_type: str
    version_id: str
    seq: int
    is_delete_marker: bool = False
    is_latest: bool = True


class UploadRecord(msgspec.Struct, frozen=True, kw_only=True):
    """A multipart upload in progress (or completed, kept so that a repeated completion answers the same)."""

    bucket_id: bytes
    key: bytes
    upload_id: str
    initiated_us: int
    owner: str  # of the object to be
    initiator: str
    attributes: Attributes  # without checksum value and parts
    mutable: MutablePart = MutablePart()
    checksum_algorithm: str = ""
    checksum_type: str = ""
    completed: Committed | None = None


class PartRecord(msgspec.Struct, frozen=True, kw_only=True):
    """An uploaded part; a later upload of the same number replaces it."""

    number: int
    size: int
    etag: str
    mtime_us: int
    checksum: Checksum | None
    layout: ObjectLayout


class UploadRow(msgspec.Struct, frozen=True, kw_only=True):
    """One row of ListMultipartUploads."""

    key: bytes
    upload_id: str
    initiated_us: int
    owner: str
    initiator: str
    storage_class: str
    checksum_algorithm: str
    checksum_type: str


class GarbageNote(msgspec.Struct, frozen=True, kw_only=True):
    """Data that no row refers to any more; fragments may go once ``due_us`` has passed."""

    note_id: bytes
    due_us: int
    layout: ObjectLayout


class Usage(msgspec.Struct, frozen=True, kw_only=True):
    """What a bucket holds: versions that are no markers, and the sum of their sizes as clients see them."""

    objects: int
    size_bytes: int


class RepairRow(msgspec.Struct, frozen=True, array_like=True):
    """A stripe acknowledged with fewer than all fragments; committed with its version."""

    pg: int
    stripe_id: bytes
    slots: tuple[int, ...]  # not durable at the acknowledgement


class Lease(msgspec.Struct, frozen=True, kw_only=True):
    """A named role held by one process at a time."""

    name: str
    owner: str
    until_us: int
    rev: int


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """A change that somebody wants to hear of, written in its commit: what the store knows beside what the gateway knew before."""

    event_id: bytes  # 16 bytes, in the order of time
    bucket_id: bytes
    key: bytes
    template: bytes  # opaque here
    version_id: str = ""
    seq: int = 0
    at_us: int
    size: int = 0
    etag: str = ""
    is_delete_marker: bool = False
    due_us: int = 0  # not to be sent before
    attempts: int = 0


class Document(msgspec.Struct, frozen=True, kw_only=True):
    """A small record of a space (an account, a bucket, the keys); every change is conditional on ``rev``."""

    space: str
    kind: str
    name: str
    rev: int
    raw: bytes


class DocumentChange(msgspec.Struct, frozen=True, kw_only=True):
    """One of the changes of ``write_documents``."""

    kind: str
    name: str
    raw: bytes | None  # None deletes
    expected_rev: int | None = None  # 0: there must be none; None: whatever is there
