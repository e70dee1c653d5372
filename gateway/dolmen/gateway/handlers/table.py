"""Operation name to handler: what this gateway really does. The rest of S3's table is answered in ``unconfigured``."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from dolmen.gateway.handlers import (
    attributes_read,
    buckets,
    copy,
    listing,
    multipart,
    object_delete,
    object_read,
    object_write,
)
from dolmen.gateway.handlers.call import Call, Streamed
from dolmen.gateway.s3.render import Response

Handler = Callable[[Call, Any], Awaitable[Response | Streamed]]

HANDLERS: dict[str, Handler] = {
    "ListBuckets": buckets.list_buckets,
    "CreateBucket": buckets.create_bucket,
    "HeadBucket": buckets.head_bucket,
    "DeleteBucket": buckets.delete_bucket,
    "GetBucketLocation": buckets.get_bucket_location,
    "GetBucketVersioning": buckets.get_bucket_versioning,
    "PutBucketVersioning": buckets.put_bucket_versioning,
    "PutObject": object_write.put_object,
    "GetObject": object_read.get_object,
    "HeadObject": object_read.head_object,
    "DeleteObject": object_delete.delete_object,
    "DeleteObjects": object_delete.delete_objects,
    "CopyObject": copy.copy_object,
    "GetObjectAttributes": attributes_read.get_object_attributes,
    "GetObjectTagging": attributes_read.get_object_tagging,
    "CreateMultipartUpload": multipart.create_multipart_upload,
    "UploadPart": multipart.upload_part,
    "UploadPartCopy": copy.upload_part_copy,
    "CompleteMultipartUpload": multipart.complete_multipart_upload,
    "AbortMultipartUpload": multipart.abort_multipart_upload,
    "ListParts": listing.list_parts,
    "ListMultipartUploads": listing.list_multipart_uploads,
    "ListObjects": listing.list_objects,
    "ListObjectsV2": listing.list_objects_v2,
    "ListObjectVersions": listing.list_object_versions,
}
