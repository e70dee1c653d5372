"""Annotations of objects: nobody can attach one yet, so that every object has none.

Their payloads (up to 1,000 of 1 MiB for a version) belong beside the bodies, not into the metadata.
"""

from __future__ import annotations

import re

from dolmen.gateway.handlers.call import Call, Handler, require_version
from dolmen.gateway.handlers.unconfigured import refusal
from dolmen.gateway.metadata.records import VersionRecord
from dolmen.gateway.s3.fault import S3Fault
from dolmen.gateway.s3.model import inputs_generated as inputs
from dolmen.gateway.s3.model.outputs_generated import ListObjectAnnotationsOutput
from dolmen.gateway.s3.render import Response, header_bytes, render

NAME_BYTES_MAX = 512  # S3's limit
RESULTS_MAX = 1000  # S3's page limit
_RESERVED = re.compile("aws|s3", re.IGNORECASE)


def _check_name(name: str) -> None:
    if len(name.encode()) > NAME_BYTES_MAX:
        raise S3Fault("AnnotationNameTooLong")
    if not name or _RESERVED.match(name):
        raise S3Fault("InvalidAnnotationName")


async def _version(call: Call, version_id: str | None) -> VersionRecord:
    return require_version(await call.services.store.get_version(call.bucket.bucket_id, call.key, version_id), call, version_id)


async def put_object_annotation(call: Call, given: inputs.PutObjectAnnotationInput) -> Response:
    """https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutObjectAnnotation.html"""
    _check_name(given.annotation_name or "")
    await _version(call, given.version_id)
    raise refusal(call)


async def get_object_annotation(call: Call, given: inputs.GetObjectAnnotationInput) -> Response:
    """https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObjectAnnotation.html"""
    _check_name(given.annotation_name or "")
    await _version(call, given.version_id)
    raise S3Fault("NoSuchAnnotation", fields=(("Key", call.key_text), ("AnnotationName", given.annotation_name or "")))


async def delete_object_annotation(call: Call, given: inputs.DeleteObjectAnnotationInput) -> Response:
    """https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteObjectAnnotation.html. Deleting what is not there succeeds."""
    _check_name(given.annotation_name or "")
    record = await _version(call, given.version_id)
    return Response(204, [(b"x-amz-object-version-id", header_bytes(record.version_id))], b"")


async def list_object_annotations(call: Call, given: inputs.ListObjectAnnotationsInput) -> Response:
    """https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectAnnotations.html"""
    record = await _version(call, given.version_id)
    limit = RESULTS_MAX if given.max_annotation_results is None else min(given.max_annotation_results, RESULTS_MAX)
    return render(
        call.operation,
        ListObjectAnnotationsOutput(
            annotations=[],
            bucket=call.bucket_name,
            key=call.key_text,
            object_version_id=record.version_id,
            annotation_prefix=given.annotation_prefix,
            max_annotation_results=limit,
            annotation_count=0,
        ),
    )


HANDLERS: dict[str, Handler] = {
    "PutObjectAnnotation": put_object_annotation,
    "GetObjectAnnotation": get_object_annotation,
    "DeleteObjectAnnotation": delete_object_annotation,
    "ListObjectAnnotations": list_object_annotations,
}
