"""PutObject: durable bytes first, then one commit decides everything."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import aclosing

import msgspec

from dolmen.core.errors import DolmenError
from dolmen.core.layout import ObjectLayout
from dolmen.core.telemetry.log import get_logger
from dolmen.gateway.handlers.call import Call
from dolmen.gateway.handlers.conditions import write_condition
from dolmen.gateway.handlers.encryption import encryption_headers, keys_for_write
from dolmen.gateway.handlers.events import event_of
from dolmen.gateway.handlers.headers import checksum_headers, etag_header, version_headers
from dolmen.gateway.handlers.lifecycle import expiration_of_new
from dolmen.gateway.handlers.new_object import Description, describe
from dolmen.gateway.http import metrics
from dolmen.gateway.http.request import Headers
from dolmen.gateway.kms.sealed_keys import sealed_etag
from dolmen.gateway.metadata.records import Committed, NewVersion, WriteCondition
from dolmen.gateway.metadata.store import Intent, MetadataUnknown
from dolmen.gateway.objects.description import UNKNOWN_LENGTH, ObjectFacts, stored_length
from dolmen.gateway.objects.sealing import DataKeys, sealed
from dolmen.gateway.objects.segment_write import SegmentWriter, Written
from dolmen.gateway.s3.fault import S3Fault
from dolmen.gateway.s3.model.inputs_generated import PutObjectInput
from dolmen.gateway.s3.render import Response
from dolmen.gateway.services import Services

PUT_BYTES_MAX = 5 * 1024**3  # S3's limit of one PUT


async def store_body(
    call: Call, write_id: bytes, keys: DataKeys | None, facts: ObjectFacts, part_number: int = 0
) -> Written:
    """Stream the request's body to datanodes, sealed with ``keys``, and verify every digest that the client gave.

    ``facts``: what its first fragments say of the object. On any error what was stored is noted as garbage. Raises what the
    body and the writer raise.
    """
    services = call.services
    body = call.body
    if body.length > PUT_BYTES_MAX:
        raise S3Fault(
            "EntityTooLarge", fields=(("ProposedSize", str(body.length)), ("MaxSizeAllowed", str(PUT_BYTES_MAX)))
        )
    writer = services.segment_writer(call.bucket, call.key, write_id, facts, part_number)
    try:
        if keys is None:
            written = await writer.write(body.pieces(), body.length, body.update)
        else:
            written = await write_sealed(writer, body.pieces(), body.length, keys, body.update)
        body.verify()
    except BaseException:
        await note_garbage(services, writer.garbage())
        raise
    await note_garbage(services, written.garbage)
    metrics.BYTES_IN.inc(stored_size(written, keys))
    return written


async def write_sealed(
    writer: SegmentWriter, pieces: AsyncIterator[memoryview], length: int, keys: DataKeys, update: Callable[[memoryview], None]
) -> Written:
    """As ``SegmentWriter.write``, with ciphertext; ``update`` is fed with the plaintext."""
    async with aclosing(sealed(pieces, length, keys, update)) as stream:
        return await writer.write(stream, keys.sealed_length(length), ignore)


def ignore(_: memoryview) -> None:
    """Digests are of the plaintext: ciphertext feeds none."""


def stored_size(written: Written, keys: DataKeys | None) -> int:
    """The size of the plaintext of what was written."""
    return written.layout.length if keys is None else keys.opened_length(written.layout.length)


async def note_garbage(services: Services, garbage: ObjectLayout) -> None:
    """Remember data that never became visible; when even that fails, the inventory audit finds it."""
    if not garbage.segments:
        return
    try:
        await services.store.add_garbage(garbage)
    except DolmenError as error:
        get_logger("objects").warning("garbage could not be noted", error=str(error), bytes=garbage.length)


async def commit_or_abort(
    services: Services,
    intent: Intent,
    version: NewVersion,
    condition: WriteCondition,
    written: Written,
    event: bytes = b"",
) -> Committed:
    """The commit point. A refusal turns the data into garbage; an unknown outcome leaves it alone."""
    try:
        return await services.store.commit(intent, version, condition, written.repairs, event)
    except MetadataUnknown:
        raise
    except DolmenError:
        await services.store.abort(intent, written.layout)
        raise


async def put_object(call: Call, given: PutObjectInput) -> Response:
    """https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutObject.html"""
    headers = call.request.headers
    described = await describe(call, headers)
    _, answer = await store_version(call, described, headers, "ObjectCreated:Put")
    return Response(200, answer, b"")


async def store_version(
    call: Call, described: Description, headers: Mapping[str, str], event: str, *, length_is_known: bool = True
) -> tuple[NewVersion, Headers]:
    """The call's body as a new version: durable bytes first, then one commit. With the headers that tell of it.

    ``headers``: the request's, or a form's fields as headers. ``length_is_known``: the body says beforehand how long it is
    exactly. Raises what the body, the writer and the commit raise.
    """
    condition = write_condition(call.request.headers)
    services = call.services
    intent = await services.store.begin(call.bucket, call.key)
    encryption = described.mutable.encryption
    try:
        keys = None if encryption is None else await keys_for_write(call, encryption, headers)
        facts = ObjectFacts(
            described.owner,
            described.attributes,
            described.mutable,
            stored_length(call.body.length, keys) if length_is_known else UNKNOWN_LENGTH,
            call.body.checksum_algorithm,
        )
        written = await store_body(call, intent.write_id, keys, facts)
    except BaseException:
        await services.store.abort(intent, ObjectLayout())
        raise
    checksum = call.body.checksum()
    version = NewVersion(
        size=stored_size(written, keys),
        etag=sealed_etag(call.body.md5_hex(), encryption, keys),
        owner=described.owner,
        attributes=msgspec.structs.replace(described.attributes, checksum=checksum),
        layout=written.layout,
        mutable=described.mutable,
    )
    committed = await commit_or_abort(services, intent, version, condition, written, event_of(call, event))
    answer: Headers = [etag_header(version.etag), *checksum_headers(checksum)]
    answer += version_headers(committed.version_id, committed.versioning)
    if encryption is not None:
        answer += encryption_headers(services.encryption, encryption, with_context=True)
    answer += expiration_of_new(call, call.key, version.size, committed.mtime_us, version.mutable.tags)
    return version, answer
