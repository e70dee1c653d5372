"""DeleteObject and DeleteObjects."""

from __future__ import annotations

from dolmen.core.errors import DolmenError
from dolmen.gateway.handlers.call import Call, check_version_id, is_version_id
from dolmen.gateway.handlers.events import event_of
from dolmen.gateway.handlers.logging import note_deleted
from dolmen.gateway.http.request import Headers
from dolmen.gateway.http.translate import fault_of
from dolmen.gateway.metadata.records import NO_CONDITION, Deleted, DeleteRequest, Versioning, WriteCondition
from dolmen.gateway.s3.conditions import parse_etags
from dolmen.gateway.s3.fault import S3Fault
from dolmen.gateway.s3.model.inputs_generated import DeleteObjectInput, DeleteObjectsInput, ObjectIdentifier
from dolmen.gateway.s3.model.outputs_generated import DeletedObject, DeleteObjectsOutput, Error
from dolmen.gateway.s3.names import check_key
from dolmen.gateway.s3.render import Response, render

DELETE_OBJECTS_MAX = 1000  # S3's limit of one DeleteObjects


def _condition(etag: str | None, size: int | None, mtime_us: int | None) -> WriteCondition:
    if etag is None and size is None and mtime_us is None:
        return NO_CONDITION
    return WriteCondition(if_match=parse_etags(etag) if etag else (), if_match_size=size, if_match_mtime_us=mtime_us)


BYPASS_HEADER = "x-amz-bypass-governance-retention"


def _action(version_id: str | None) -> str:
    return "s3:DeleteObject" if version_id is None else "s3:DeleteObjectVersion"


async def _bypasses(call: Call, key: bytes, version_id: str | None) -> bool:
    """Whether versions under governance retention may go: the header asks for it, and the caller may. Raises AccessDenied."""
    if call.request.headers.get(BYPASS_HEADER, "").lower() != "true":
        return False
    if not (await call.allowed("s3:BypassGovernanceRetention", call.bucket, key, version_id=version_id)).allowed:
        raise S3Fault("AccessDenied")
    return True


def _event(call: Call, key: bytes, version_id: str | None) -> bytes:
    marker = version_id is None and call.bucket.versioning is not Versioning.OFF
    return event_of(call, "ObjectRemoved:DeleteMarkerCreated" if marker else "ObjectRemoved:Delete", key)


async def delete_object(call: Call, given: DeleteObjectInput) -> Response:
    """https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteObject.html"""
    if given.version_id is not None:
        check_version_id(given.version_id)
    request = DeleteRequest(
        key=call.key,
        version_id=given.version_id,
        condition=_condition(given.if_match, given.if_match_size, given.if_match_last_modified_time),
        bypass_governance=await _bypasses(call, call.key, given.version_id),
        event=_event(call, call.key, given.version_id),
    )
    deleted = await call.services.store.delete(call.bucket, request)
    headers: Headers = []
    if deleted.is_delete_marker:
        headers.append((b"x-amz-delete-marker", b"true"))
    if call.bucket.versioning is not Versioning.OFF and (deleted.version_id or given.version_id):
        headers.append((b"x-amz-version-id", (deleted.version_id or given.version_id or "").encode()))
    return Response(204, headers, b"")


async def delete_objects(call: Call, given: DeleteObjectsInput) -> Response:
    """https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteObjects.html

    Each object is authorised, deleted or reported on its own; the others are not held up by a refused one.
    """
    expected_owner = call.request.headers.get("x-amz-expected-bucket-owner")
    if expected_owner is not None and expected_owner != call.bucket.owner:
        raise S3Fault("AccessDenied")  # of the whole request: it is not the bucket that the client means
    wanted = (given.delete.objects if given.delete is not None else None) or []
    quiet = given.delete is not None and bool(given.delete.quiet)
    if not 0 < len(wanted) <= DELETE_OBJECTS_MAX:
        raise S3Fault("MalformedXML")
    requests: list[DeleteRequest] = []
    outcomes: list[Deleted | Exception | None] = []
    for identifier in wanted:
        try:
            requests.append(await _request(call, identifier))
            outcomes.append(None)
        except S3Fault as refused:
            outcomes.append(refused)
    done = iter(await call.services.store.delete_many(call.bucket, requests))
    outcomes = [next(done) if outcome is None else outcome for outcome in outcomes]
    deleted: list[DeletedObject] = []
    errors: list[Error] = []
    for identifier, outcome in zip(wanted, outcomes, strict=True):
        if isinstance(outcome, Deleted):
            note_deleted(call, identifier.key or "", version_id=identifier.version_id, status=204)
            if not quiet:
                deleted.append(_told(call, identifier, outcome))
        elif isinstance(outcome, DolmenError):
            fault = fault_of(outcome, call.bucket_name, identifier.key or "", call.account.account_id)
            note_deleted(
                call, identifier.key or "", version_id=identifier.version_id, status=fault.status, error_code=fault.code
            )
            errors.append(
                Error(key=identifier.key, version_id=identifier.version_id, code=fault.code, message=fault.message)
            )
        elif outcome is not None:
            raise outcome
    return render(call.operation, DeleteObjectsOutput(deleted=deleted, errors=errors))


async def _request(call: Call, identifier: ObjectIdentifier) -> DeleteRequest:
    """Raises what is wrong with this one: NoSuchVersion, KeyTooLongError, AccessDenied ..."""
    version_id = identifier.version_id or None
    if version_id and not is_version_id(version_id):
        raise S3Fault("NoSuchVersion")
    key = check_key((identifier.key or "").encode())
    await call.require(_action(version_id), call.bucket, key, version_id=version_id)
    return DeleteRequest(
        key=key,
        version_id=version_id,
        condition=_condition(identifier.e_tag, identifier.size, identifier.last_modified_time),
        bypass_governance=await _bypasses(call, key, version_id),
        event=_event(call, key, version_id),
    )


def _told(call: Call, identifier: ObjectIdentifier, outcome: Deleted) -> DeletedObject:
    """One <Deleted>: a removed version is named by VersionId, a marker by DeleteMarkerVersionId as well."""
    versioned = call.bucket.versioning is not Versioning.OFF
    marker = outcome.version_id if outcome.is_delete_marker and versioned else None
    return DeletedObject(
        key=identifier.key,
        version_id=identifier.version_id,
        delete_marker=True if outcome.is_delete_marker else None,
        delete_marker_version_id=marker,
    )
