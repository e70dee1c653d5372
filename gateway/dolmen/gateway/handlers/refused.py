"""Operations that S3 itself refuses to most callers, or that need what a single store does not have: each with S3's own answer."""

from __future__ import annotations

from typing import Any

import msgspec

from dolmen.gateway.handlers.call import Call, Handler, require_version
from dolmen.gateway.handlers.unconfigured import refusal
from dolmen.gateway.metadata.records import Versioning
from dolmen.gateway.s3.fault import S3Fault
from dolmen.gateway.s3.model import inputs_generated as inputs
from dolmen.gateway.s3.model import outputs_generated as outputs
from dolmen.gateway.s3.render import Response, render


async def _not_of_this_service(call: Call, given: msgspec.Struct) -> Response:
    """What S3 answers where an operation is closed: S3 Select and Object Lambda to accounts that did not use them before
    (July 2024, November 2025), torrents to all (April 2022), sessions outside directory buckets.
    """
    fields = (("Method", call.request.method), ("ResourceType", call.operation.level.upper()))
    raise S3Fault("MethodNotAllowed", fields=fields)


async def _closed_to_objects(call: Call, given: Any) -> Response:  # noqa: ANN401 - of GetObjectTorrent or SelectObjectContent
    """The same about an object, which must be there."""
    require_version(await call.services.store.get_version(call.bucket.bucket_id, call.key), call, None)
    return await _not_of_this_service(call, given)


async def put_bucket_replication(call: Call, given: inputs.PutBucketReplicationInput) -> Response:
    """https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutBucketReplication.html

    A rule that were kept and not followed would lose what its owner believes to be safe elsewhere: refused.
    """
    configuration = given.replication_configuration
    if configuration is None or not configuration.rules:
        raise S3Fault("MalformedXML")
    if call.bucket.versioning is not Versioning.ENABLED:
        raise S3Fault("InvalidRequest", "Versioning must be 'Enabled' on the bucket to apply a replication configuration")
    raise refusal(call)


async def get_bucket_abac(call: Call, given: inputs.GetBucketAbacInput) -> Response:
    """https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetBucketAbac.html"""
    return render(call.operation, outputs.GetBucketAbacOutput(abac_status=inputs.AbacStatus(status="Disabled")))


async def put_bucket_abac(call: Call, given: inputs.PutBucketAbacInput) -> Response:
    """https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutBucketAbac.html

    Tags of buckets grant nothing here, so that "Disabled", S3's default, is the only status.
    """
    status = given.abac_status.status if given.abac_status is not None else None
    if status is None:
        raise S3Fault("MalformedXML")
    if status != "Disabled":
        raise refusal(call)
    return Response(200, [], b"")


async def list_directory_buckets(call: Call, given: inputs.ListDirectoryBucketsInput) -> Response:
    """https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListDirectoryBuckets.html. There are none."""
    return render(call.operation, outputs.ListDirectoryBucketsOutput(buckets=[]))


async def _no_metadata_tables(call: Call, given: msgspec.Struct) -> Response:
    raise S3Fault("MetadataConfigurationNotFound", fields=(("BucketName", call.bucket_name),))


HANDLERS: dict[str, Handler] = {
    "CreateSession": _not_of_this_service,
    "ListDirectoryBuckets": list_directory_buckets,
    "WriteGetObjectResponse": _not_of_this_service,
    "GetObjectTorrent": _closed_to_objects,
    "SelectObjectContent": _closed_to_objects,
    "PutBucketReplication": put_bucket_replication,
    "GetBucketAbac": get_bucket_abac,
    "PutBucketAbac": put_bucket_abac,
    "GetBucketMetadataConfiguration": _no_metadata_tables,
    "GetBucketMetadataTableConfiguration": _no_metadata_tables,
    "DeleteBucketMetadataConfiguration": _no_metadata_tables,
    "DeleteBucketMetadataTableConfiguration": _no_metadata_tables,
    "UpdateBucketMetadataAnnotationTableConfiguration": _no_metadata_tables,
    "UpdateBucketMetadataInventoryTableConfiguration": _no_metadata_tables,
    "UpdateBucketMetadataJournalTableConfiguration": _no_metadata_tables,
}
