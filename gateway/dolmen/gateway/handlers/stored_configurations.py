"""Inventory, analytics, metrics and intelligent tiering: up to 1,000 configurations each, by id, kept and given back.

Documents of the bucket's space: they are read by nobody but these operations and go with the bucket. No report is made of them.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import msgspec

from dolmen.gateway.handlers.call import Call, Handler
from dolmen.gateway.metadata.records import DocumentChange
from dolmen.gateway.metadata.tokens import InvalidToken, decode_token, encode_token
from dolmen.gateway.s3.fault import S3Fault
from dolmen.gateway.s3.model import inputs_generated as inputs
from dolmen.gateway.s3.render import Response, render

CONFIGURATIONS_MAX = 1000  # S3's limit, of each kind
PAGE_MAX = 100  # S3 lists so many at a time
DOCUMENT_BYTES_MAX = 64 * 1024  # some ten times what S3's own limits on prefixes and tags add up to
_ID = re.compile(r"[A-Za-z0-9._-]{1,64}", re.ASCII)  # as S3 documents it
_BUCKET_ARN = re.compile(r"arn:[a-z-]+:s3:::[A-Za-z0-9._-]{1,255}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of configuration. ``member``: of the Put input and of the Get output; ``listed``: of the List output."""

    name: str  # of its documents
    label: str  # in the names of its operations
    structure: type[msgspec.Struct]
    member: str
    listed: str
    check: Callable[[Any], None]
    put_status: int = 204  # what S3's documentation shows for all but one


def _space(call: Call) -> str:
    return f"bucket/{call.bucket.bucket_id.hex()}"


def _check_id(kind: Kind, identity: str, configuration: Any) -> None:  # noqa: ANN401 - one of the four
    if not _ID.fullmatch(identity):
        fields = (("ArgumentName", "id"), ("ArgumentValue", identity))
        raise S3Fault("InvalidArgument", "The configuration id is not valid.", fields=fields)
    if configuration.id != identity:
        raise S3Fault("IdMismatch", fields=(("Id", identity),))
    kind.check(configuration)


async def _put(kind: Kind, call: Call, given: Any) -> Response:  # noqa: ANN401
    configuration = getattr(given, kind.member)
    if configuration is None:
        raise S3Fault("MalformedXML")
    _check_id(kind, given.id, configuration)
    raw = msgspec.msgpack.encode(configuration)
    if len(raw) > DOCUMENT_BYTES_MAX:
        raise S3Fault("MaxMessageLengthExceeded", fields=(("MaxMessageLengthBytes", str(DOCUMENT_BYTES_MAX)),))
    store, space = call.services.store, _space(call)
    if await store.get_document(space, kind.name, given.id) is None:
        await _require_room(kind, call)
    await store.write_documents(space, [DocumentChange(kind=kind.name, name=given.id, raw=raw)])
    return Response(kind.put_status, [], b"")


async def _require_room(kind: Kind, call: Call) -> None:
    """Raises TooManyConfigurations. Two at a time may pass at the limit, which bounds the space as well as one would."""
    found = await call.services.store.list_documents(_space(call), kind.name, "", "", CONFIGURATIONS_MAX)
    if len(found) >= CONFIGURATIONS_MAX:
        raise S3Fault("TooManyConfigurations")


async def _get(kind: Kind, call: Call, given: Any) -> Response:  # noqa: ANN401
    found = await call.services.store.get_document(_space(call), kind.name, given.id)
    if found is None:
        raise _missing(call)
    configuration = msgspec.msgpack.decode(found.raw, type=kind.structure)
    return render(call.operation, call.operation.output(**{kind.member: configuration}))


async def _delete(kind: Kind, call: Call, given: Any) -> Response:  # noqa: ANN401
    store, space = call.services.store, _space(call)
    if await store.get_document(space, kind.name, given.id) is None:
        raise _missing(call)
    await store.write_documents(space, [DocumentChange(kind=kind.name, name=given.id, raw=None)])
    return Response(204, [], b"")


async def _list(kind: Kind, call: Call, given: Any) -> Response:  # noqa: ANN401
    after = ""
    if given.continuation_token is not None:
        try:
            after = decode_token(kind.name, given.continuation_token).decode()
        except InvalidToken as error:
            fields = (("ArgumentName", "continuation-token"), ("ArgumentValue", given.continuation_token))
            raise S3Fault("InvalidArgument", "The continuation token provided is incorrect", fields=fields) from error
    found = await call.services.store.list_documents(_space(call), kind.name, "", after, PAGE_MAX + 1)
    page = found[:PAGE_MAX]
    is_truncated = len(found) > len(page)
    output = call.operation.output(
        is_truncated=is_truncated,
        continuation_token=given.continuation_token,
        next_continuation_token=encode_token(kind.name, page[-1].name.encode()) if is_truncated else None,
        **{kind.listed: [msgspec.msgpack.decode(one.raw, type=kind.structure) for one in page] or None},
    )
    return render(call.operation, output)


def _missing(call: Call) -> S3Fault:
    return S3Fault("NoSuchConfiguration", fields=(("BucketName", call.bucket_name),))


# -- what is checked besides the schema --------------------------------------------------------------------------------------


def _check_destination(arn: str | None) -> None:
    if not _BUCKET_ARN.fullmatch(arn or ""):
        raise S3Fault("InvalidS3DestinationBucket")


def _check_inventory(configuration: inputs.InventoryConfiguration) -> None:
    destination = configuration.destination.s3_bucket_destination if configuration.destination is not None else None
    _check_destination(destination.bucket if destination is not None else None)


def _check_analytics(configuration: inputs.AnalyticsConfiguration) -> None:
    _check_filter(configuration.filter)
    analysis = configuration.storage_class_analysis
    export = analysis.data_export if analysis is not None else None
    if export is not None:
        destination = export.destination.s3_bucket_destination if export.destination is not None else None
        _check_destination(destination.bucket if destination is not None else None)


def _check_metrics(configuration: inputs.MetricsConfiguration) -> None:
    _check_filter(configuration.filter)


def _check_tiering(configuration: inputs.IntelligentTieringConfiguration) -> None:
    _check_filter(configuration.filter)
    tierings = configuration.tierings
    if not tierings:
        raise S3Fault("MalformedXML")
    tiers = [tiering.access_tier for tiering in tierings]
    if len(set(tiers)) != len(tiers):
        raise S3Fault("MalformedXML")
    for tiering in tierings:
        least = 90 if tiering.access_tier == "ARCHIVE_ACCESS" else 180
        if not least <= (tiering.days or 0) <= 730:
            raise S3Fault(
                "InvalidArgument",
                f"Days must be between {least} and 730 for {tiering.access_tier}.",
                fields=(("ArgumentName", "Days"), ("ArgumentValue", str(tiering.days))),
            )


def _check_filter(found: Any) -> None:  # noqa: ANN401 - three structures with the same members
    """Exactly one criterion; more belong into And."""
    if found is None:
        return
    members = [getattr(found, name, None) for name in ("prefix", "tag", "access_point_arn", "and_")]
    if sum(member is not None for member in members) != 1:
        raise S3Fault("MalformedXML")


KINDS = (
    Kind(
        "inventory",
        "Inventory",
        inputs.InventoryConfiguration,
        "inventory_configuration",
        "inventory_configuration_list",
        _check_inventory,
    ),
    Kind(
        "analytics",
        "Analytics",
        inputs.AnalyticsConfiguration,
        "analytics_configuration",
        "analytics_configuration_list",
        _check_analytics,
    ),
    Kind(
        "metrics",
        "Metrics",
        inputs.MetricsConfiguration,
        "metrics_configuration",
        "metrics_configuration_list",
        _check_metrics,
    ),
    Kind(
        "intelligent-tiering",
        "IntelligentTiering",
        inputs.IntelligentTieringConfiguration,
        "intelligent_tiering_configuration",
        "intelligent_tiering_configuration_list",
        _check_tiering,
        put_status=200,
    ),
)


def _bound(run: Callable[[Kind, Call, Any], Awaitable[Response]], kind: Kind) -> Handler:
    async def handle(call: Call, given: Any) -> Response:  # noqa: ANN401
        return await run(kind, call, given)

    return handle


HANDLERS: dict[str, Handler] = {}
for _one in KINDS:
    HANDLERS[f"PutBucket{_one.label}Configuration"] = _bound(_put, _one)
    HANDLERS[f"GetBucket{_one.label}Configuration"] = _bound(_get, _one)
    HANDLERS[f"DeleteBucket{_one.label}Configuration"] = _bound(_delete, _one)
    HANDLERS[f"ListBucket{_one.label}Configurations"] = _bound(_list, _one)
