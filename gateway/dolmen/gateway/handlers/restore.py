"""RestoreObject: data of every class is online here, so a restore is done as soon as it is asked for.

Clients that restore before they read see what S3 tells them afterwards: ``x-amz-restore`` says when the copy goes. Reading never
needs a restore.
"""

from __future__ import annotations

import msgspec

from dolmen.gateway.delivery.template import restore_data
from dolmen.gateway.handlers.call import Call, Handler, require_version
from dolmen.gateway.handlers.events import event_of
from dolmen.gateway.http.request import Headers
from dolmen.gateway.lifecycle.plan import due_after
from dolmen.gateway.metadata.records import VersionRecord
from dolmen.gateway.metadata.store import ObjectChanged
from dolmen.gateway.s3.dates import http_date, iso_date
from dolmen.gateway.s3.fault import S3Fault
from dolmen.gateway.s3.model.inputs_generated import RestoreObjectInput, RestoreRequest
from dolmen.gateway.s3.render import Response

ARCHIVES = frozenset({"GLACIER", "DEEP_ARCHIVE"})
DAYS_MAX = 36_500  # keeps the expiry inside the calendar; S3 names no limit
UPDATE_ATTEMPTS_MAX = 8  # read-change-write races on one version before the client is told to try again


def restore_header(call: Call, record: VersionRecord) -> Headers:
    """``x-amz-restore`` of GET and HEAD while a restored copy lasts."""
    until_us = record.mutable.restored_until_us
    if until_us <= call.services.clock.now_us():
        return []
    return [(b"x-amz-restore", f'ongoing-request="false", expiry-date="{http_date(until_us)}"'.encode())]


def _days(asked: RestoreRequest | None, storage_class: str) -> int:
    """The life of the copy. Raises MalformedXML, NotImplemented, InvalidArgument."""
    if asked is None:
        raise S3Fault("MalformedXML")
    if asked.type is not None or asked.select_parameters is not None or asked.output_location is not None:
        raise S3Fault("NotImplemented", "Select on archived objects is not implemented.")
    tiers = (asked.tier, None if asked.glacier_job_parameters is None else asked.glacier_job_parameters.tier)
    if storage_class == "DEEP_ARCHIVE" and "Expedited" in tiers:
        raise S3Fault("InvalidArgument", "Retrieval option is not supported by this storage class")
    if asked.days is None or asked.days > DAYS_MAX:
        raise S3Fault("MalformedXML")
    if asked.days < 1:
        raise S3Fault(
            "InvalidArgument",
            "Restoration days should be at least 1",
            fields=(("ArgumentName", "Days"), ("ArgumentValue", str(asked.days))),
        )
    return asked.days


def _check_class(storage_class: str) -> None:
    """Raises InvalidObjectState, ObjectAlreadyInActiveTierError."""
    if storage_class == "INTELLIGENT_TIERING":  # none of its objects is in an archive tier here
        raise S3Fault("ObjectAlreadyInActiveTierError")
    if storage_class not in ARCHIVES:
        raise S3Fault(
            "InvalidObjectState",
            "Restore is not allowed for the object's current storage class",
            fields=(("StorageClass", storage_class),),
        )


async def restore_object(call: Call, given: RestoreObjectInput) -> Response:
    """https://docs.aws.amazon.com/AmazonS3/latest/API/API_RestoreObject.html

    202 when the copy was made, 200 when there was one whose life is now another.
    """
    store = call.services.store
    for _ in range(UPDATE_ATTEMPTS_MAX):
        found = await store.get_version(call.bucket.bucket_id, call.key, given.version_id)
        record = require_version(found, call, given.version_id)
        storage_class = record.attributes.storage_class
        _check_class(storage_class)
        days = _days(given.restore_request, storage_class)
        now_us = call.services.clock.now_us()
        was_restored = record.mutable.restored_until_us > now_us
        until_us = due_after(now_us, days, call.services.lifecycle_day_us)
        mutable = msgspec.structs.replace(record.mutable, restored_until_us=until_us)
        told = restore_data(iso_date(until_us), storage_class)
        event = b"" if was_restored else event_of(call, "ObjectRestore:Completed", more=told)
        try:
            await store.update_mutable(
                call.bucket.bucket_id, call.key, record.version_id, mutable, event, record.seq
            )
        except ObjectChanged:
            continue
        return Response(200 if was_restored else 202, [], b"")
    raise S3Fault("OperationAborted")


HANDLERS: dict[str, Handler] = {"RestoreObject": restore_object}
