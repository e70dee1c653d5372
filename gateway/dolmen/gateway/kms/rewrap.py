"""After a rotation: the sealed data keys of a bucket's objects, sealed anew by the newest versions. No data is read or written."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import msgspec
from prometheus_client import Counter

from dolmen.core.telemetry.log import get_logger
from dolmen.gateway.kms.sealed_keys import rewrapped
from dolmen.gateway.kms.service import KeyService, KmsKeyDisabled, NoSuchKmsKey, SealedKeyBroken
from dolmen.gateway.metadata.records import BucketRecord, Encryption, VersionRecord
from dolmen.gateway.metadata.store import MetadataStore, NoSuchKey, NoSuchVersion, ObjectChanged

ATTEMPTS_MAX = 4  # races for a version with clients that change its tags, or with another pass
PAGE_ROWS = 1000  # versions of one look: a second of work at most, then the position is told
REWRAPPED = Counter("dolmen_key_rewraps_total", "Versions whose sealed key was wrapped anew")


class Position(msgspec.Struct, frozen=True):
    """Behind the last version that was looked at; the pass begins at ``Position()``."""

    key: bytes = b""
    seq: int | None = None


FROM_THE_START = Position()


class Progress(msgspec.Struct):
    """What a pass over one bucket did so far."""

    seen: int = 0  # versions, encrypted or not
    rewrapped: int = 0
    changed: int = 0  # were changed again and again meanwhile: a later pass looks at them
    skipped: int = 0  # their key is disabled or gone
    broken: int = 0  # their sealed key does not open
    position: Position = FROM_THE_START
    done: bool = False


async def replace_encryption(
    store: MetadataStore, bucket: BucketRecord, record: VersionRecord, encryption: Encryption
) -> VersionRecord:
    """Another sealed key for exactly the version that was read. Raises ``ObjectChanged``, ``NoSuchKey``, ``NoSuchVersion``."""
    mutable = msgspec.structs.replace(record.mutable, encryption=encryption)
    return await store.update_mutable(bucket.bucket_id, record.key, record.version_id, mutable, seq=record.seq)


async def rewrap_bucket(
    store: MetadataStore,
    service: KeyService,
    bucket: BucketRecord,
    start: Position = FROM_THE_START,
    told: Callable[[Progress], Awaitable[None]] | None = None,
) -> Progress:
    """One pass over all versions from ``start`` on; ``told`` hears after each page where a later pass may go on.

    Raises ``KmsUnavailable`` and what the store raises: what was done stays done, the last position told is right.
    """
    progress = Progress(position=start)
    while not progress.done:
        position = progress.position
        rows = await store.scan_versions(bucket.bucket_id, position.key, position.seq, None, PAGE_ROWS)
        for row in rows:
            progress.seen += 1
            if not row.is_delete_marker:
                await _rewrap(store, service, bucket, row.key, row.version_id, progress)
            progress.position = Position(row.key, row.seq)
        progress.done = len(rows) < PAGE_ROWS
        if told is not None:
            await told(progress)
    return progress


async def _rewrap(
    store: MetadataStore, service: KeyService, bucket: BucketRecord, key: bytes, version_id: str, progress: Progress
) -> None:
    for _ in range(ATTEMPTS_MAX):
        record = await store.get_version(bucket.bucket_id, key, version_id)
        if record is None or record.mutable.encryption is None:
            return
        try:
            encryption = await rewrapped(service, bucket, record.mutable.encryption)
            if encryption is not None:
                await replace_encryption(store, bucket, record, encryption)
                progress.rewrapped += 1
                REWRAPPED.inc()
        except ObjectChanged:
            continue  # often by another process that does the same
        except (NoSuchKey, NoSuchVersion):
            pass  # it is gone
        except (KmsKeyDisabled, NoSuchKmsKey):
            progress.skipped += 1
        except SealedKeyBroken as error:
            progress.broken += 1
            get_logger("kms").error("a sealed key does not open", error=str(error), bucket=bucket.name, version=record.version_id)
        return
    progress.changed += 1
