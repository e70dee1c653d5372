"""Tags of an object: read and changed apart from its bytes."""

from __future__ import annotations

import msgspec

from dolmen.gateway.handlers.call import Call, require_version
from dolmen.gateway.handlers.events import event_of
from dolmen.gateway.handlers.headers import version_headers
from dolmen.gateway.metadata.records import VersionRecord
from dolmen.gateway.metadata.store import ObjectChanged
from dolmen.gateway.s3.fault import S3Fault
from dolmen.gateway.s3.model.inputs_generated import (
    DeleteObjectTaggingInput,
    GetObjectTaggingInput,
    PutObjectTaggingInput,
)
from dolmen.gateway.s3.model.outputs_generated import GetObjectTaggingOutput, Tag
from dolmen.gateway.s3.render import Response, render
from dolmen.gateway.s3.tagging import check_object_tags

UPDATE_ATTEMPTS_MAX = 64  # of writers of one object at a time one wins a commit; more than that are told to try again


async def get_object_tagging(call: Call, given: GetObjectTaggingInput) -> Response:
    """https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObjectTagging.html"""
    found = await call.find(given.version_id)
    record = require_version(found, call, given.version_id)
    tags = [Tag(key=name, value=value) for name, value in record.mutable.tags.items()]
    answer = render(call.operation, GetObjectTaggingOutput(tag_set=tags))
    answer.headers.extend(version_headers(record.version_id, call.bucket.versioning))
    return answer


async def put_object_tagging(call: Call, given: PutObjectTaggingInput) -> Response:
    """https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutObjectTagging.html

    Its permission may depend on the tags in the document (s3:RequestObjectTag/...): asked here, when they are known.
    """
    listed = (given.tagging.tag_set if given.tagging is not None else None) or []
    pairs = [(tag.key or "", tag.value or "") for tag in listed]
    call.facts = msgspec.structs.replace(call.facts, request_tags=dict(pairs))
    await call.require(
        "s3:PutObjectTagging" if given.version_id is None else "s3:PutObjectVersionTagging",
        version_id=given.version_id,
        expected_owner=given.expected_bucket_owner,
    )
    record = await _retag(call, given.version_id, check_object_tags(pairs), "ObjectTagging:Put")
    return Response(200, version_headers(record.version_id, call.bucket.versioning), b"")


async def delete_object_tagging(call: Call, given: DeleteObjectTaggingInput) -> Response:
    """https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteObjectTagging.html"""
    record = await _retag(call, given.version_id, {}, "ObjectTagging:Delete")
    return Response(204, version_headers(record.version_id, call.bucket.versioning), b"")


async def _retag(call: Call, version_id: str | None, tags: dict[str, str], event: str) -> VersionRecord:
    store = call.services.store
    for _ in range(UPDATE_ATTEMPTS_MAX):
        found = await store.get_version(call.bucket.bucket_id, call.key, version_id)
        record = require_version(found, call, version_id)
        mutable = msgspec.structs.replace(record.mutable, tags=tags)
        try:
            return await store.update_mutable(
                call.bucket.bucket_id, call.key, record.version_id, mutable, event_of(call, event), record.seq
            )
        except ObjectChanged:
            continue
    raise S3Fault("OperationAborted")
