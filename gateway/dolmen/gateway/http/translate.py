"""Errors of the inner layers as S3 answers. Whose fault it is decides the status: 4xx, 503 (retry), 500 (alert)."""

from __future__ import annotations

from dolmen.core.errors import Corruption, Unavailable
from dolmen.gateway.metadata import store as metadata
from dolmen.gateway.objects.read import DataUnavailable
from dolmen.gateway.s3.fault import S3Fault


def fault_of(error: Exception, bucket: str, key: str, account: str) -> S3Fault:
    """The S3 fault that tells ``error``; anything unexpected is an InternalError."""
    match error:
        case S3Fault():
            return error
        case metadata.NoSuchBucket():
            return S3Fault("NoSuchBucket", fields=(("BucketName", bucket),))
        case metadata.BucketExists():
            code = "BucketAlreadyOwnedByYou" if error.owner == account else "BucketAlreadyExists"
            return S3Fault(code, fields=(("BucketName", bucket),))
        case metadata.BucketNotEmpty():
            return S3Fault("BucketNotEmpty", fields=(("BucketName", bucket),))
        case metadata.PreconditionFailed():
            return S3Fault("PreconditionFailed", fields=(("Condition", error.condition),))
        case metadata.NoSuchKey():
            return S3Fault("NoSuchKey", fields=(("Key", key),))
        case metadata.NoSuchVersion():
            return S3Fault("NoSuchVersion", fields=(("Key", key),))
        case metadata.NoSuchUpload():
            return S3Fault("NoSuchUpload")
        case metadata.InvalidPart():
            return S3Fault("InvalidPart", fields=(("PartNumber", str(error.number)),))
        case metadata.BucketChanged() | metadata.ObjectChanged():
            return S3Fault("OperationAborted")
        case Corruption():
            return S3Fault("InternalError")
        case DataUnavailable() | Unavailable():
            return S3Fault("ServiceUnavailable")
        case _:
            return S3Fault("InternalError")
