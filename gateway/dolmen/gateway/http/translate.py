"""Errors of the inner layers as S3 answers. Whose fault it is decides the status: 4xx, 503 (retry), 500 (alert)."""

from __future__ import annotations

from collections.abc import Callable

from dolmen.core.errors import Unavailable
from dolmen.gateway.metadata import store as metadata
from dolmen.gateway.s3.fault import S3Fault

# error: what S3 calls it, and the fields that name the bucket or key
_BUCKET_CODES: dict[type[Exception], str] = {
    metadata.NoSuchBucket: "NoSuchBucket",
    metadata.BucketNotEmpty: "BucketNotEmpty",
}
_KEY_CODES: dict[type[Exception], str] = {
    metadata.NoSuchKey: "NoSuchKey",
    metadata.NoSuchVersion: "NoSuchVersion",
}
_PLAIN_CODES: dict[type[Exception], str] = {
    metadata.NoSuchUpload: "NoSuchUpload",
    metadata.BucketChanged: "OperationAborted",
    metadata.ObjectChanged: "OperationAborted",
    metadata.DocumentChanged: "OperationAborted",
}


def fault_of(error: Exception, bucket: str, key: str, account_id: str) -> S3Fault:
    """The S3 fault that tells ``error``; anything unexpected is an InternalError."""
    if isinstance(error, S3Fault):
        return error
    kind = type(error)
    if kind in _BUCKET_CODES:
        return S3Fault(_BUCKET_CODES[kind], fields=(("BucketName", bucket),))
    if kind in _KEY_CODES:
        return S3Fault(_KEY_CODES[kind], fields=(("Key", key),))
    if kind in _PLAIN_CODES:
        return S3Fault(_PLAIN_CODES[kind])
    if kind is metadata.ObjectLocked:
        return S3Fault("AccessDenied", "Access Denied because object protected by object lock.")
    for known, tell in _TELLERS:
        if isinstance(error, known):
            return tell(error, bucket, account_id)
    return S3Fault("ServiceUnavailable" if isinstance(error, Unavailable) else "InternalError")


def _taken(error: Exception, bucket: str, account_id: str) -> S3Fault:
    assert isinstance(error, metadata.BucketExists)
    code = "BucketAlreadyOwnedByYou" if error.owner == account_id else "BucketAlreadyExists"
    return S3Fault(code, fields=(("BucketName", bucket),))


def _condition(error: Exception, bucket: str, account_id: str) -> S3Fault:
    assert isinstance(error, metadata.PreconditionFailed)
    return S3Fault("PreconditionFailed", fields=(("Condition", error.condition),))


def _part(error: Exception, bucket: str, account_id: str) -> S3Fault:
    assert isinstance(error, metadata.InvalidPart)
    return S3Fault("InvalidPart", fields=(("PartNumber", str(error.number)),))


_TELLERS: tuple[tuple[type[Exception], Callable[[Exception, str, str], S3Fault]], ...] = (
    (metadata.BucketExists, _taken),
    (metadata.PreconditionFailed, _condition),
    (metadata.InvalidPart, _part),
)
