"""PutObject: durable bytes first, then one commit decides everything."""

from __future__ import annotations

import msgspec

from dolmen.core.errors import DolmenError
from dolmen.core.layout import ObjectLayout
from dolmen.core.telemetry.log import get_logger
from dolmen.gateway.handlers.call import Call
from dolmen.gateway.handlers.conditions import write_condition
from dolmen.gateway.handlers.events import event_of
from dolmen.gateway.handlers.headers import checksum_headers, etag_header, version_headers
from dolmen.gateway.handlers.new_object import describe
from dolmen.gateway.http.request import Headers
from dolmen.gateway.metadata.records import Committed, NewVersion, WriteCondition
from dolmen.gateway.metadata.store import Intent, MetadataUnknown
from dolmen.gateway.objects.segment_write import Written
from dolmen.gateway.s3.fault import S3Fault
from dolmen.gateway.s3.model.inputs_generated import PutObjectInput
from dolmen.gateway.s3.render import Response
from dolmen.gateway.services import Services

PUT_BYTES_MAX = 5 * 1024**3  # S3's limit of one PUT


async def store_body(call: Call, write_id: bytes, part_number: int = 0) -> Written:
    """Stream the request's body to datanodes and verify every digest that the client gave.

    On any error what was stored is noted as garbage. Raises what the body and the writer raise.
    """
    services = call.services
    body = call.body
    if body.length > PUT_BYTES_MAX:
        raise S3Fault(
            "EntityTooLarge", fields=(("ProposedSize", str(body.length)), ("MaxSizeAllowed", str(PUT_BYTES_MAX)))
        )
    writer = services.segment_writer(call.bucket, call.key, write_id, part_number)
    try:
        written = await writer.write(body.pieces(), body.length, body.update)
        body.verify()
    except BaseException:
        await note_garbage(services, writer.garbage())
        raise
    await note_garbage(services, written.garbage)
    return written


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
    condition = write_condition(headers)
    services = call.services
    intent = await services.store.begin(call.bucket, call.key)
    try:
        written = await store_body(call, intent.write_id)
    except BaseException:
        await services.store.abort(intent, ObjectLayout())
        raise
    checksum = call.body.checksum()
    version = NewVersion(
        size=written.layout.length,
        etag=call.body.md5_hex(),
        owner=described.owner,
        attributes=msgspec.structs.replace(described.attributes, checksum=checksum),
        layout=written.layout,
        mutable=described.mutable,
    )
    committed = await commit_or_abort(services, intent, version, condition, written, event_of(call, "ObjectCreated:Put"))
    answer: Headers = [etag_header(version.etag), *checksum_headers(checksum)]
    answer += version_headers(committed.version_id, committed.versioning)
    return Response(200, answer, b"")
