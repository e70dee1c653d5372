"""The metadata port: high-level operations, each atomic by the backend's own means.

Designed for two protocols at once: an embedded transaction, and Cassandra's intent / fence / LWT order (design.md
section 4). Therefore a write is ``begin`` (while the body streams: intent, head read, fence) followed by ``commit`` (one
round trip after the last byte) or ``abort``. Conditions and the bucket's versioning state are decided inside the commit.

All methods may raise ``MetadataUnavailable`` (nothing happened) or ``MetadataUnknown`` (it may have happened, or may still
happen: data and intent stay, and the client is told 503). Everything else they raise is listed with each method.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from dolmen.core.errors import ClientFault, Unavailable, Unknown
from dolmen.core.layout import ObjectLayout
from dolmen.gateway.metadata.records import (
    BucketRecord,
    Committed,
    Deleted,
    DeleteRequest,
    Document,
    DocumentChange,
    Event,
    GarbageNote,
    Lease,
    ListRow,
    MutablePart,
    NewVersion,
    PartRecord,
    RepairRow,
    UploadRecord,
    UploadRow,
    Usage,
    VersionRecord,
    WriteCondition,
)

SCAN_ROWS_MAX = 10_000  # rows of one scan call: bounds memory and the time a reader holds its snapshot


class MetadataUnavailable(Unavailable):
    """The store cannot answer now; nothing was changed."""


class MetadataUnknown(Unknown):
    """The outcome of a change is not known."""


class NoSuchBucket(ClientFault):
    """No bucket of that name (or it was deleted, or re-created with another id, meanwhile)."""


class BucketExists(ClientFault):
    """The name is taken; ``owner`` has it."""

    def __init__(self, owner: str) -> None:
        super().__init__(f"bucket is owned by {owner}")
        self.owner = owner


class BucketNotEmpty(ClientFault):
    """Objects, versions or markers are left."""


class BucketChanged(ClientFault):
    """``rev`` moved on: read again and decide again (409)."""


class NoSuchKey(ClientFault):
    """There is no current object where one is needed (If-Match on nothing: 404)."""


class NoSuchVersion(ClientFault):
    """The key has no such version."""


class PreconditionFailed(ClientFault):
    """A condition was false at the commit point (412). ``condition`` names the header, e.g. "If-None-Match"."""

    def __init__(self, condition: str) -> None:
        super().__init__(condition)
        self.condition = condition


class ObjectChanged(ClientFault):
    """``mutable.rev`` moved on (409 / read again)."""


class ObjectLocked(ClientFault):
    """The version is under retention or legal hold (403)."""


class DocumentChanged(ClientFault):
    """A document is not what the change expected: read again and decide again."""

    def __init__(self, kind: str, name: str) -> None:
        super().__init__(f"{kind} {name}")
        self.kind = kind
        self.name = name


class NoSuchUpload(ClientFault):
    """The upload does not exist, was aborted, or was completed with other parts."""


class InvalidPart(ClientFault):
    """A named part does not exist or has another ETag (or checksum). ``number`` tells which."""

    def __init__(self, number: int) -> None:
        super().__init__(f"part {number}")
        self.number = number


class IntentExpired(Unavailable):
    """The upload took longer than its intent lives; it must not commit (503, the client starts again)."""


class StaleEpoch(ClientFault):
    """Another publisher was first: the map's epoch is not the expected one."""


class ScanMemo:
    """What the reads of one page of a list share; opaque, made afresh for each page.

    With it a list tells of each key what was true at some instant between the making of the memo and the end of the read.
    """

    __slots__ = ("seen",)

    def __init__(self) -> None:
        self.seen: dict[object, object] = {}


class Intent(Protocol):
    """A write in flight on one key. Opaque; belongs to the backend that made it."""

    @property
    def write_id(self) -> bytes:
        """16 bytes, fresh for each attempt; goes into the fragments."""
        ...

    @property
    def key(self) -> bytes: ...


class MetadataStore(Protocol):
    """What a backend provides. One contract suite and one state machine run over every backend."""

    async def open(self) -> None:
        """Connect, create or check the schema. Raises ``ConfigError`` with one line when it cannot be used."""
        ...

    async def close(self) -> None:
        """Finish what was accepted, then release everything."""
        ...

    def reasons(self) -> list[str]:
        """Why a process on this store should get no traffic now, each in one sentence; empty when it may have some."""
        ...

    async def upkeep(self) -> int:
        """What the backend itself needs done now and then; how much there was. The maintenance process that leads calls it."""
        ...

    # ---- buckets -------------------------------------------------------------------------------------------------

    async def create_bucket(self, bucket: BucketRecord) -> None:
        """One winner for each name. Raises ``BucketExists``."""
        ...

    async def get_bucket(self, name: str) -> BucketRecord | None: ...

    async def list_buckets(self, owner: str, prefix: str, after: str, limit: int) -> list[BucketRecord]:
        """Buckets of one account in byte order of their names, names > ``after``."""
        ...

    async def all_buckets(self, after: str, limit: int) -> list[BucketRecord]:
        """Buckets of every account in byte order of their stored names, names > ``after``: for maintenance."""
        ...

    async def update_bucket(self, bucket: BucketRecord) -> BucketRecord:
        """Replace the record when the stored ``rev`` still equals ``bucket.rev``; returns it with rev + 1.

        Raises ``NoSuchBucket``, ``BucketChanged``.
        """
        ...

    async def delete_bucket(self, name: str, bucket_id: bytes) -> None:
        """Raises ``NoSuchBucket``, ``BucketNotEmpty`` (objects, versions or markers are left).

        Uploads in progress do not hold a bucket (in S3 they do so in directory buckets only, see
        https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteBucket.html): they end with it, and their parts become
        garbage in the same commit.
        """
        ...

    async def usage(self, bucket_id: bytes) -> Usage:
        """What the bucket holds. Nothing for one that does not exist.

        A backend of several machines may be behind by a few seconds, and by what processes had not written down when they died.
        """
        ...

    # ---- objects -------------------------------------------------------------------------------------------------

    async def begin(self, bucket: BucketRecord, key: bytes) -> Intent:
        """Announce a write. Cheap, and may run while the body streams in. Raises ``NoSuchBucket``."""
        ...

    async def commit(
        self,
        intent: Intent,
        version: NewVersion,
        condition: WriteCondition,
        repairs: Sequence[RepairRow] = (),
        event: bytes = b"",
    ) -> Committed:
        """THE commit point. Replaced data is noted as garbage, ``repairs`` and ``event`` become durable, in the same commit.

        Raises ``PreconditionFailed``, ``NoSuchKey`` (If-Match on nothing), ``NoSuchBucket``, ``ObjectLocked`` (a null version
        under lock would go), ``IntentExpired``. After any of these the caller aborts. After ``MetadataUnknown`` it must not.
        """
        ...

    async def abort(self, intent: Intent, garbage: ObjectLayout) -> None:
        """Forget the write; whatever it stored becomes garbage. Never after ``MetadataUnknown``."""
        ...

    async def get_version(
        self, bucket_id: bytes, key: bytes, version_id: str | None = None
    ) -> VersionRecord | None:
        """The current version (which may be a delete marker), or exactly the one named. None when there is none.

        ``version_id`` that is no id of ours answers None. ``is_latest`` is exact.
        """
        ...

    async def delete(self, bucket: BucketRecord, request: DeleteRequest) -> Deleted:
        """S3's DELETE in any versioning state; freed data is noted as garbage in the same commit.

        Without a version id: OFF removes the null version; ENABLED adds a marker; SUSPENDED replaces the null version by a null
        marker. Deleting nothing is a success. Raises ``PreconditionFailed``, ``NoSuchKey`` (If-Match on nothing), ``NoSuchBucket``,
        ``ObjectLocked`` (a version under retention or legal hold would go), ``ObjectChanged`` (``if_seq`` is not the
        version's, or ``if_noncurrent`` and it is the current one).
        """
        ...

    async def delete_many(
        self, bucket: BucketRecord, requests: Sequence[DeleteRequest]
    ) -> list[Deleted | Exception]:
        """As ``delete`` for each, in as few commits as the backend can; outcomes in the order of the requests."""
        ...

    async def update_mutable(
        self,
        bucket_id: bytes,
        key: bytes,
        version_id: str | None,
        mutable: MutablePart,
        event: bytes = b"",
        seq: int | None = None,
    ) -> VersionRecord:
        """Replace the mutable part when the stored ``rev`` equals ``mutable.rev``; returns the record with rev + 1.

        ``seq``: of the version that was read; without it a null version that was written anew meanwhile may be taken for it.
        Raises ``NoSuchKey``, ``NoSuchVersion``, ``ObjectChanged``.
        """
        ...

    async def replace_data(
        self, bucket_id: bytes, record: VersionRecord, layout: ObjectLayout, storage_class: str, event: bytes = b""
    ) -> VersionRecord:
        """The same version in another class, its bytes in ``layout``; a layout that is given up becomes garbage.

        ``record``: as it was read. Raises ``NoSuchVersion``, ``ObjectChanged`` when sequence, layout or ``mutable.rev`` differ.
        """
        ...

    async def rename(
        self,
        bucket: BucketRecord,
        source: bytes,
        target: bytes,
        source_condition: WriteCondition,
        target_condition: WriteCondition,
        event: bytes = b"",
    ) -> Committed:
        """Move the null version of ``source`` to ``target`` in one step; what ``target`` held becomes garbage.

        Only while the bucket was never versioned, else ``BucketChanged``. Raises ``NoSuchKey`` (no source),
        ``PreconditionFailed``, ``ObjectLocked``, ``NoSuchBucket``.
        """
        ...

    async def scan(
        self, bucket_id: bytes, start: bytes, end: bytes | None, limit: int, memo: ScanMemo | None = None
    ) -> list[ListRow]:
        """Current objects (no markers) with start <= key < end in byte order, at most ``limit``.

        Fewer than ``limit`` rows means the range is exhausted. Exactly as strong as ``get_version``. ``memo``: of the page
        that this read belongs to.
        """
        ...

    async def scan_versions(
        self,
        bucket_id: bytes,
        start: bytes,
        start_seq: int | None,
        end: bytes | None,
        limit: int,
        memo: ScanMemo | None = None,
    ) -> list[ListRow]:
        """Versions and markers by (key ascending, seq descending), from ``start`` on.

        With ``start_seq``: on the key ``start`` itself only rows with seq < start_seq. ``is_latest`` is exact.
        """
        ...

    # ---- multipart uploads ---------------------------------------------------------------------------------------

    async def create_upload(self, upload: UploadRecord) -> None:
        """Raises ``NoSuchBucket``."""
        ...

    async def get_upload(self, bucket_id: bytes, key: bytes, upload_id: str) -> UploadRecord | None:
        """None when unknown or aborted. A completed one is returned (``completed`` set) for 24 h at least."""
        ...

    async def put_part(
        self, upload: UploadRecord, part: PartRecord, repairs: Sequence[RepairRow] = ()
    ) -> None:
        """Durable; a replaced part's data is noted as garbage.

        Raises ``NoSuchUpload`` when it is not in progress (also after its bucket was deleted).
        """
        ...

    async def list_parts(self, upload: UploadRecord, after: int, limit: int) -> list[PartRecord]:
        """Parts with number > ``after`` in order."""
        ...

    async def list_uploads(
        self, bucket_id: bytes, start: bytes, after_upload_id: str, end: bytes | None, limit: int
    ) -> list[UploadRow]:
        """Uploads in progress by (key, initiation time, upload id).

        Keys >= ``start``; on the key ``start`` itself only those after ``after_upload_id`` ("" = all of them).
        """
        ...

    async def abort_upload(self, upload: UploadRecord) -> None:
        """All parts become garbage. Raises ``NoSuchUpload`` when it is not in progress."""
        ...

    async def complete_upload(
        self,
        intent: Intent,
        upload: UploadRecord,
        parts: Sequence[PartRecord],
        version: NewVersion,
        condition: WriteCondition,
        event: bytes = b"",
    ) -> Committed:
        """Commit the version made of ``parts`` (as read by ``list_parts``); parts not named become garbage.

        Checks that the upload is in progress and each part is still the one that was read. A repetition after success returns the
        same ``Committed`` again. Raises ``NoSuchUpload``, ``InvalidPart``, and what ``commit`` raises; the upload then goes on.
        """
        ...

    # ---- maintenance ---------------------------------------------------------------------------------------------

    async def add_garbage(self, layout: ObjectLayout) -> None:
        """Note data that never became visible (a part or copy that was refused after it was written)."""
        ...

    async def due_garbage(self, now_us: int, limit: int) -> list[GarbageNote]:
        """Notes whose grace period has passed, oldest first."""
        ...

    async def finish_garbage(self, note_ids: Sequence[bytes]) -> None:
        """Every fragment of these notes is trashed."""
        ...

    async def garbage_count(self) -> int: ...

    async def add_repairs(self, rows: Sequence[RepairRow]) -> None:
        """Slots that a read or a scrub found lost or rotten. Idempotent: merged with what is known of the same stripe."""
        ...

    async def list_repairs(self, after: bytes, limit: int) -> list[RepairRow]:
        """Durable repair rows by stripe id, > ``after``."""
        ...

    async def finish_repairs(self, rows: Sequence[RepairRow]) -> None:
        """These slots were rebuilt and read back (or the stripe is no longer referenced).

        Slots that were added meanwhile stay.
        """
        ...

    async def repair_count(self) -> int: ...

    # ---- events: at least once ------------------------------------------------------------------------------------

    async def due_events(self, now_us: int, limit: int) -> list[Event]:
        """Events that may be sent now, in the order of their ids."""
        ...

    async def finish_events(self, event_ids: Sequence[bytes]) -> None:
        """These were delivered (or given up): forget them."""
        ...

    async def postpone_events(self, event_ids: Sequence[bytes], due_us: int) -> None:
        """Delivery failed: try again at ``due_us``; counts an attempt."""
        ...

    async def event_count(self) -> int: ...

    # ---- documents: small records with compare-and-set ------------------------------------------------------------

    async def get_document(self, space: str, kind: str, name: str) -> Document | None: ...

    async def list_documents(self, space: str, kind: str, prefix: str, after: str, limit: int) -> list[Document]:
        """Documents of one kind in byte order of their names, names > ``after``."""
        ...

    async def write_documents(self, space: str, changes: Sequence[DocumentChange]) -> None:
        """All of them or none. Raises ``DocumentChanged`` for the first that is not as expected."""
        ...

    async def documents_revision(self, space: str) -> int:
        """Moves with every change of the space: what caches compare."""
        ...

    # ---- cluster -------------------------------------------------------------------------------------------------

    async def get_map(self) -> tuple[int, bytes] | None:
        """(epoch, JSON) of the current cluster map; None before the first."""
        ...

    async def publish_map(self, expected_epoch: int, epoch: int, raw: bytes) -> None:
        """Compare-and-set on the epoch (0: there is none yet). Raises ``StaleEpoch``."""
        ...

    async def acquire_lease(self, name: str, owner: str, seconds: float) -> Lease | None:
        """Take or renew; None while somebody else holds it."""
        ...

    async def release_lease(self, lease: Lease) -> None: ...
