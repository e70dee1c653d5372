"""Operation name to handler: what this gateway really does, and what it says of the rest."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Awaitable, Callable
from typing import Any

from dolmen.gateway.handlers import (
    buckets,
    copy,
    listing,
    listing_uploads,
    multipart,
    multipart_complete,
    object_attributes,
    object_delete,
    object_read,
    object_write,
    tags,
    unconfigured,
)
from dolmen.gateway.handlers.call import Call
from dolmen.gateway.http.send import Streamed
from dolmen.gateway.s3.render import Response

Handler = Callable[[Call, Any], Awaitable[Response | Streamed]]

REAL: dict[str, Handler] = {
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
    "GetObjectAttributes": object_attributes.get_object_attributes,
    "GetObjectTagging": tags.get_object_tagging,
    "PutObjectTagging": tags.put_object_tagging,
    "DeleteObjectTagging": tags.delete_object_tagging,
    "CreateMultipartUpload": multipart.create_multipart_upload,
    "UploadPart": multipart.upload_part,
    "UploadPartCopy": copy.upload_part_copy,
    "CompleteMultipartUpload": multipart_complete.complete_multipart_upload,
    "AbortMultipartUpload": multipart.abort_multipart_upload,
    "ListParts": listing_uploads.list_parts,
    "ListMultipartUploads": listing_uploads.list_multipart_uploads,
    "ListObjects": listing.list_objects,
    "ListObjectsV2": listing.list_objects_v2,
    "ListObjectVersions": listing.list_object_versions,
}

# Features with a module each; a later one takes the place of what ``unconfigured`` says.
_FEATURES: tuple[str, ...] = (
    "bucket_acl",
    "bucket_policy",
    "public_access",
    "object_lock",
    "lifecycle",
    "restore",
    "bucket_encryption",
    "update_encryption",
    "bucket_tagging",
    "cors",
    "website",
    "payment",
    "accelerate",
    "stored_configurations",
    "rename",
    "refused",
    "annotations",
    "notification",
    "logging",
)

for _feature in _FEATURES:  # being written: one after the other
    if importlib.util.find_spec(f"dolmen.gateway.handlers.{_feature}") is not None:
        REAL.update(getattr(importlib.import_module(f"dolmen.gateway.handlers.{_feature}"), "HANDLERS", {}))


def handler_of(name: str) -> Handler:
    """The handler of an operation of the table."""
    return REAL.get(name) or unconfigured.HANDLERS.get(name) or unconfigured.not_implemented
