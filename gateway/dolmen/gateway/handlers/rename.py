"""RenameObject: one commit that moves a key within its bucket. No bytes are copied."""

from __future__ import annotations

import zlib

import msgspec

from dolmen.gateway.handlers.call import Call, Handler
from dolmen.gateway.handlers.events import event_of
from dolmen.gateway.metadata.records import DocumentChange, Versioning, VersionRecord, WriteCondition
from dolmen.gateway.metadata.store import BucketChanged, NoSuchKey, PreconditionFailed
from dolmen.gateway.s3.fault import S3Fault
from dolmen.gateway.s3.model.inputs_generated import RenameObjectInput
from dolmen.gateway.s3.rename import Side, check_names, check_token, parse_rename_source, source_side, target_side
from dolmen.gateway.s3.render import Response

ATTEMPTS_MAX = 8  # races with other writers of the two keys before the client is told to try again
# Client tokens are remembered in so many slots of a bucket, each with the last one of its hash: as many renames, about, may come
# between a request and its repetition. No list grows, and no two renames wait for each other.
TOKEN_SLOTS = 256
TOKEN_SECONDS = 900  # SDKs repeat a request for a minute or two
_KIND = "rename-token"
_VERSIONED = (
    "RenameObject is supported only in buckets in which versioning was never enabled. "
    "Copy the object and delete the source instead."
)


class _Done(msgspec.Struct, frozen=True, array_like=True):
    """A rename that was done under a client token."""

    token: str
    source: bytes
    target: bytes
    at_us: int


async def rename_object(call: Call, given: RenameObjectInput) -> Response:
    """https://docs.aws.amazon.com/AmazonS3/latest/API/API_RenameObject.html

    Besides s3:PutObject on the target it needs s3:GetObject and s3:DeleteObject on the source: it is a copy and a delete.
    Tags, ACL and metadata go with the object; its Last-Modified stays.
    """
    source = parse_rename_source(given.rename_source or "", call.bucket_name)
    check_names(source, call.key)
    if call.bucket.versioning is not Versioning.OFF:
        raise S3Fault("InvalidRequest", _VERSIONED)
    await call.require("s3:GetObject", call.bucket, source)
    await call.require("s3:DeleteObject", call.bucket, source)
    token = given.client_token
    if token is not None:
        check_token(token)
        if await _was_done(call, token, source):
            return Response(200, [], b"")
    await _rename(call, source, source_side(given), target_side(given))
    if token is not None:
        done = _Done(token, source, call.key, call.services.clock.now_us())
        change = DocumentChange(kind=_KIND, name=_slot(token), raw=msgspec.msgpack.encode(done))
        await call.services.store.write_documents(_space(call), [change])
    return Response(200, [], b"")


async def _rename(call: Call, source: bytes, source_side: Side, target_side: Side) -> None:
    """Decided in the commit; what the commit cannot decide (times) is decided before, about exactly what the commit finds."""
    store, bucket = call.services.store, call.bucket
    for _ in range(ATTEMPTS_MAX):
        moved = await store.get_version(bucket.bucket_id, source)
        if moved is None or moved.is_delete_marker:
            raise S3Fault("NoSuchKey", fields=(("Key", source.decode()),))
        replaced = await store.get_version(bucket.bucket_id, call.key)
        source_side.check(moved.etag, moved.mtime_us)
        target_side.check(replaced.etag if replaced is not None else None, replaced.mtime_us if replaced is not None else 0)
        try:
            await store.rename(
                bucket,
                source,
                call.key,
                _pinned(source_side, moved),
                _pinned(target_side, replaced),
                event_of(call, "ObjectCreated:Copy"),
            )
            return
        except (NoSuchKey, PreconditionFailed):
            continue  # one of the two changed after it was read
        except BucketChanged as error:
            raise S3Fault("InvalidRequest", _VERSIONED) from error
    raise S3Fault("OperationAborted")


def _pinned(side: Side, record: VersionRecord | None) -> WriteCondition:
    """What the commit is to find. Without conditions anything; with a time among them exactly the object that was read."""
    if not side.has_times:
        return WriteCondition(if_match=side.if_match, if_none_match=side.if_none_match)
    if record is None:
        return WriteCondition(if_none_match=("*",))
    return WriteCondition(if_match=(record.etag,), if_match_mtime_us=record.mtime_us)


async def _was_done(call: Call, token: str, source: bytes) -> bool:
    """The request is a repetition. Raises IdempotencyParameterMismatch when the token stood for another rename."""
    found = await call.services.store.get_document(_space(call), _KIND, _slot(token))
    if found is None:
        return False
    done = msgspec.msgpack.decode(found.raw, type=_Done)
    if done.token != token or done.at_us < call.services.clock.now_us() - TOKEN_SECONDS * 1_000_000:
        return False
    if (done.source, done.target) != (source, call.key):
        raise S3Fault("IdempotencyParameterMismatch")
    return True


def _slot(token: str) -> str:
    return f"{zlib.crc32(token.encode()) % TOKEN_SLOTS:02x}"


def _space(call: Call) -> str:
    return f"bucket/{call.bucket.bucket_id.hex()}"


HANDLERS: dict[str, Handler] = {"RenameObject": rename_object}
