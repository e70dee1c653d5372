"""ETags and checksums of a version or part, computed anew from its bytes: opened first where they are sealed.

The ETag of what clients sealed with keys of their own (SSE-C) cannot be had back: one is made up that tells versions apart.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from functools import partial

import msgspec

from dolmen.core.checksums import ALGORITHMS, Hasher, new_hasher
from dolmen.core.errors import DolmenError, Unavailable
from dolmen.core.layout import ObjectLayout
from dolmen.gateway.kms.sealed_keys import SSE_CUSTOMER, open_sealing, sealed_etag
from dolmen.gateway.kms.service import KeyService
from dolmen.gateway.maintenance.rebuild.resolve import PlannedUpload, PlannedVersion, plain_size, upload_of
from dolmen.gateway.maintenance.rebuild.rows import Row
from dolmen.gateway.maintenance.rebuild.writes import Write
from dolmen.gateway.maintenance.throttle import Throttle
from dolmen.gateway.metadata.records import (
    BucketRecord,
    Checksum,
    Encryption,
    PartRecord,
    PartSummary,
    Versioning,
    VersionRecord,
)
from dolmen.gateway.objects.description import WriteDescription
from dolmen.gateway.objects.joined_parts import multipart_checksum, multipart_etag
from dolmen.gateway.objects.read import ObjectReader
from dolmen.gateway.objects.sealing import DataKeys, opened


class KeyAbsent(Unavailable):
    """The key of an encrypted object cannot be had, so its ETag cannot be computed."""


class Measured(msgspec.Struct, frozen=True):
    """What the bytes say. ``is_exact``: False when they could not be opened, so that the ETag is made up."""

    etag: str
    checksum: Checksum | None
    is_exact: bool


def bucket_of(bucket_id: bytes, description: WriteDescription) -> BucketRecord:
    """The bucket as a write saw it."""
    facts = description.bucket
    return BucketRecord(
        name=facts.name,
        bucket_id=bucket_id,
        owner=facts.owner,
        region=facts.region,
        created_us=facts.created_us,
        versioning=Versioning(facts.versioning),
        object_lock=facts.object_lock,
    )


class Meter:
    """Reads whole bodies."""

    def __init__(self, reader: ObjectReader, keys: KeyService | None, throttle: Throttle) -> None:
        self._reader = reader
        self._keys = keys
        self._throttle = throttle
        self.read_bytes = 0

    async def body(self, write: Write) -> Measured:
        """Of one body, as its object or part had it. Raises ``DataUnavailable``, ``SealBroken``, ``KeyAbsent``."""
        facts, description = write.facts, write.description
        assert description is not None
        encryption = facts.mutable.encryption
        keys = None
        if encryption is not None:
            keys = await self._open(bucket_of(write.bucket_id, description), encryption)
            if keys is None:
                return Measured(made_up_etag(write), None, False)
        md5 = hashlib.md5(usedforsecurity=False)
        algorithm = facts.checksum_algorithm
        hasher = new_hasher(algorithm) if algorithm in ALGORITHMS else None
        size = plain_size(write.layout.length, encryption)
        await self._feed(self._plaintext(write.layout, keys, size), md5, hasher)
        checksum = None if hasher is None else Checksum(algorithm, base64.b64encode(hasher.digest()).decode())
        return Measured(sealed_etag(md5.hexdigest(), encryption, keys), checksum, True)

    async def version(self, planned: PlannedVersion) -> tuple[VersionRecord, bool]:
        """The record with ETag, checksum and parts; whether they are exact. Raises as ``body``."""
        if planned.settled:
            return planned.record, True
        record = planned.record
        if planned.upload is None:
            measured = await self.body(planned.bodies[0])
            attributes = msgspec.structs.replace(record.attributes, checksum=measured.checksum)
            return msgspec.structs.replace(record, etag=measured.etag, attributes=attributes), measured.is_exact
        parts, exact = await self._parts(planned.bodies)
        attributes = msgspec.structs.replace(
            record.attributes,
            checksum=multipart_checksum(planned.upload, parts),
            parts=tuple(PartSummary(part.number, part.size, part.checksum) for part in parts),
        )
        return msgspec.structs.replace(record, etag=multipart_etag(parts), attributes=attributes), exact

    async def row(self, row: Row, bodies: Sequence[Write]) -> tuple[str, Checksum | None, bool]:
        """ETag and checksum that the bytes of a row give; whether they are exact. Raises as ``body``."""
        if row.part is not None or bodies[0].facts.upload is None:
            measured = await self.body(bodies[0])
            return measured.etag, measured.checksum, measured.is_exact
        parts, exact = await self._parts(bodies)
        return multipart_etag(parts), multipart_checksum(upload_of(bodies[0]), parts), exact

    async def upload(self, planned: PlannedUpload) -> tuple[list[PartRecord], bool]:
        """The parts of an upload in progress; whether all are exact. Raises as ``body``."""
        return await self._parts(planned.parts)

    async def _parts(self, bodies: Sequence[Write]) -> tuple[list[PartRecord], bool]:
        parts, exact = [], True
        for body in bodies:
            measured = await self.body(body)
            exact = exact and measured.is_exact
            parts.append(
                PartRecord(
                    number=body.part_number,
                    size=plain_size(body.layout.length, body.facts.mutable.encryption),
                    etag=measured.etag,
                    mtime_us=body.time_us,
                    checksum=measured.checksum,
                    layout=body.layout,
                )
            )
        return parts, exact

    async def _open(self, bucket: BucketRecord, encryption: Encryption) -> DataKeys | None:
        if encryption.algorithm == SSE_CUSTOMER:
            return None
        if self._keys is None:
            raise KeyAbsent("it is encrypted, and no key service is set")
        try:
            return await open_sealing(self._keys, bucket, encryption)
        except DolmenError as error:
            raise KeyAbsent(f"its key {encryption.key_id} cannot be had: {error}") from error

    def _plaintext(self, layout: ObjectLayout, keys: DataKeys | None, size: int) -> AsyncGenerator[list[memoryview], None]:
        if keys is None:
            return self._reader.stream(layout, 0, layout.length)
        return opened(partial(self._reader.stream, layout), [size], keys, 0, size)

    async def _feed(self, stream: AsyncGenerator[list[memoryview], None], md5: Hasher, hasher: Hasher | None) -> None:
        async with aclosing(stream) as pieces:
            async for group in pieces:
                for piece in group:
                    md5.update(piece)
                    if hasher is not None:
                        hasher.update(piece)
                read_bytes = sum(map(len, group))
                self.read_bytes += read_bytes
                await self._throttle.take(read_bytes)


def made_up_etag(write: Write) -> str:
    """32 hex digits that other bytes would not have."""
    digests = b"".join(segment.digests for segment in write.layout.segments)
    return hashlib.sha256(write.write_id + digests).hexdigest()[:32]
