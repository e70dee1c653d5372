"""DeleteObject and DeleteObjects."""

from __future__ import annotations

from dolmen.core.errors import DolmenError
from dolmen.gateway.handlers.call import Call, Headers
from dolmen.gateway.http.translate import fault_of
from dolmen.gateway.metadata.records import (
    Deleted,
    DeleteRequest,
    Versioning,
    WriteCondition,
)
from dolmen.gateway.s3.conditions import etag_list
from dolmen.gateway.s3.fault import S3Fault
from dolmen.gateway.s3.model.inputs import DeleteObjectInput, DeleteObjectsInput
from dolmen.gateway.s3.model.outputs import DeletedObject, DeleteObjectsOutput, Error
from dolmen.gateway.s3.names import check_key
from dolmen.gateway.s3.render import Response, render

DELETE_OBJECTS_MAX = 1000  # S3's limit of one DeleteObjects


def _condition(if_match: str | None) -> WriteCondition:
    return WriteCondition(if_match=etag_list(if_match) if if_match else ())


async def delete_object(call: Call, given: DeleteObjectInput) -> Response:
    """https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteObject.html"""
    request = DeleteRequest(
        key=call.key, version_id=given.version_id, condition=_condition(given.if_match)
    )
    deleted = await call.services.store.delete(call.bucket, request)
    headers: Headers = []
    if deleted.is_delete_marker:
        headers.append((b"x-amz-delete-marker", b"true"))
    if deleted.version_id and call.bucket.versioning is not Versioning.OFF:
        headers.append((b"x-amz-version-id", deleted.version_id.encode()))
    return Response(204, headers, b"")


async def delete_objects(call: Call, given: DeleteObjectsInput) -> Response:
    """https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteObjects.html

    Each object is deleted or reported on its own; the others are not held up by a refused one.
    """
    wanted = given.delete.objects
    if not 0 < len(wanted) <= DELETE_OBJECTS_MAX:
        raise S3Fault("MalformedXML")
    requests: list[DeleteRequest] = []
    refused: dict[int, S3Fault] = {}
    for index, identifier in enumerate(wanted):
        key = identifier.key.encode()
        try:
            check_key(key)
        except S3Fault as fault:
            refused[index] = fault
            continue
        requests.append(
            DeleteRequest(
                key=key,
                version_id=identifier.version_id,
                condition=_condition(identifier.e_tag),
            )
        )
    outcomes = iter(await call.services.store.delete_many(call.bucket, requests))
    deleted: list[DeletedObject] = []
    errors: list[Error] = []
    for index, identifier in enumerate(wanted):
        outcome: Deleted | Exception = refused[index] if index in refused else next(outcomes)
        if isinstance(outcome, Deleted):
            if not given.delete.quiet:
                deleted.append(_told(call, identifier.key, identifier.version_id, outcome))
            continue
        if not isinstance(outcome, DolmenError):
            raise outcome
        fault = fault_of(outcome, call.bucket_name, identifier.key, call.account.id)
        errors.append(
            Error(
                key=identifier.key,
                version_id=identifier.version_id,
                code=fault.code,
                message=fault.message,
            )
        )
    return render(call.operation, DeleteObjectsOutput(deleted=deleted, errors=errors))


def _told(call: Call, key: str, asked: str | None, outcome: Deleted) -> DeletedObject:
    """One <Deleted>: a removed version is named by VersionId, a new marker by DeleteMarkerVersionId."""
    versioned = call.bucket.versioning is not Versioning.OFF
    marker = outcome.version_id if outcome.is_delete_marker and versioned else None
    return DeletedObject(
        key=key,
        version_id=asked,
        delete_marker=True if outcome.is_delete_marker else None,
        delete_marker_version_id=marker,
    )
