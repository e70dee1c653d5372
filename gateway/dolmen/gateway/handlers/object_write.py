"""PutObject, DeleteObject, DeleteObjects: durable bytes first, then one commit decides everything."""

from __future__ import annotations

import msgspec

from dolmen.core.errors import DolmenError
from dolmen.core.layout import ObjectLayout
from dolmen.gateway.handlers.attributes import attributes_of, refuse_unsupported, tags_of
from dolmen.gateway.handlers.call import Call, Headers
from dolmen.gateway.handlers.object_read import checksum_headers, version_headers
from dolmen.gateway.metadata.records import (
    Committed,
    NewVersion,
    WriteCondition,
)
from dolmen.gateway.metadata.store import Intent, MetadataUnknown
from dolmen.gateway.objects.segment_write import Written
from dolmen.gateway.s3.conditions import write_condition
from dolmen.gateway.s3.fault import S3Fault
from dolmen.gateway.s3.model.inputs import PutObjectInput
from dolmen.gateway.s3.render import Response
from dolmen.gateway.services import Services

PUT_BYTES_MAX = 5 * 1024**3  # S3's limit of one PUT


async def store_body(call: Call, intent_key: bytes, write_id: bytes, part_number: int) -> Written:
    """Stream the request's body to datanodes and verify every digest that the client gave.

    On any error what was stored is noted as garbage. Raises what the body and the writer raise.
    """
    services = call.services
    writer = services.segment_writer_for(call.bucket, intent_key, write_id, part_number)
    try:
        written = await writer.write(call.body.pieces(), call.body.length, call.body.update)
        call.body.verify()
    except BaseException:
        await note_garbage(services, writer.garbage())
        raise
    if written.garbage.segments:
        await note_garbage(services, written.garbage)
    return written


async def note_garbage(services: Services, garbage: ObjectLayout) -> None:
    """Remember data that never became visible; when even that fails, the inventory audit finds it."""
    if garbage.segments:
        try:
            await services.store.add_garbage(garbage)
        except DolmenError:
            pass


async def commit_or_abort(
    services: Services,
    intent: Intent,
    version: NewVersion,
    condition: WriteCondition,
    written: Written,
) -> Committed:
    """The commit point. A refusal turns the data into garbage; an unknown outcome leaves it alone."""
    try:
        return await services.store.commit(intent, version, condition, written.repairs)
    except MetadataUnknown:
        raise
    except DolmenError:
        await services.store.abort(intent, written.layout)
        raise


async def put_object(call: Call, given: PutObjectInput) -> Response:
    """https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutObject.html"""
    headers = call.request.headers
    refuse_unsupported(headers)
    attributes = attributes_of(headers)
    mutable = tags_of(headers)
    condition = write_condition(headers)
    if call.body.length is not None and call.body.length > PUT_BYTES_MAX:
        raise S3Fault(
            "EntityTooLarge",
            fields=(
                ("ProposedSize", str(call.body.length)),
                ("MaxSizeAllowed", str(PUT_BYTES_MAX)),
            ),
        )
    services = call.services
    intent = await services.store.begin(call.bucket, call.key)
    try:
        written = await store_body(call, call.key, intent.write_id, 0)
    except BaseException:
        await services.store.abort(intent, ObjectLayout())
        raise
    checksum = call.body.checksum()
    version = NewVersion(
        size=written.layout.length,
        etag=call.body.md5_hex(),
        owner=call.bucket.owner,
        attributes=msgspec.structs.replace(attributes, checksum=checksum),
        layout=written.layout,
        mutable=mutable,
    )
    committed = await commit_or_abort(services, intent, version, condition, written)
    answer: Headers = [(b"etag", b'"' + version.etag.encode() + b'"')]
    answer += checksum_headers(checksum)
    answer += version_headers(committed.version_id, committed.versioning)
    answer.append((b"content-length", b"0"))
    return Response(200, answer, b"")
