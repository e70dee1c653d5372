"""Sub-resources of a bucket: documents in its record, changed by compare-and-set; a racing change of another one is kept."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import msgspec

from dolmen.gateway.handlers.call import Call
from dolmen.gateway.metadata.records import BucketRecord
from dolmen.gateway.metadata.store import BucketChanged
from dolmen.gateway.s3.fault import S3Fault

UPDATE_ATTEMPTS_MAX = 8  # read-change-write races on one bucket before the client is told to try again
CONFIG_BYTES_MAX = 1 << 20  # of all sub-resources of a bucket together: its record is read with every request

T = TypeVar("T", bound=msgspec.Struct)

_encode = msgspec.msgpack.Encoder().encode


def load(bucket: BucketRecord, name: str, kind: type[T]) -> T | None:
    """The sub-resource, or None when it was never set."""
    raw = bucket.config.get(name)
    return None if raw is None else msgspec.msgpack.decode(raw, type=kind)


async def save(call: Call, name: str, value: msgspec.Struct | bytes | None) -> BucketRecord:
    """Set (a structure or raw bytes) or remove (None) one sub-resource."""
    raw = value if value is None or isinstance(value, bytes) else _encode(value)
    return await save_all(call, {name: raw})


async def save_all(
    call: Call,
    changes: dict[str, bytes | None],
    *,
    check: Callable[[BucketRecord], None] | None = None,
    **fields: object,
) -> BucketRecord:
    """Several at once, with fields of the record (``versioning=...``).

    ``check`` raises when the record, as it is at that moment, does not permit it.
    Raises NoSuchBucket, OperationAborted, InvalidRequest (too large).
    """
    bucket = call.bucket
    for _ in range(UPDATE_ATTEMPTS_MAX):
        if check is not None:
            check(bucket)
        config = {**bucket.config, **changes}
        kept = {name: raw for name, raw in config.items() if raw is not None}
        if sum(map(len, kept.values())) > CONFIG_BYTES_MAX:
            raise S3Fault("InvalidRequest", f"The configurations of a bucket are limited to {CONFIG_BYTES_MAX} bytes in all.")
        try:
            return await call.services.store.update_bucket(msgspec.structs.replace(bucket, config=kept, **fields))
        except BucketChanged:
            again = await call.services.store.get_bucket(bucket.name)
            if again is None or again.bucket_id != bucket.bucket_id:
                raise S3Fault("NoSuchBucket", fields=(("BucketName", call.bucket_name),)) from None
            bucket = again
    raise S3Fault("OperationAborted")
