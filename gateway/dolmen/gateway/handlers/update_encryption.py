"""UpdateObjectEncryption: another key for an encrypted object, without touching its data.

https://docs.aws.amazon.com/AmazonS3/latest/API/API_UpdateObjectEncryption.html
"""

from __future__ import annotations

from dolmen.gateway.handlers.call import Call, Handler, require_version
from dolmen.gateway.handlers.encryption import key_named, key_service, told_as_s3
from dolmen.gateway.kms.names import is_key_arn
from dolmen.gateway.kms.rewrap import replace_encryption
from dolmen.gateway.kms.sealed_keys import SSE_KMS, SSE_S3, moved
from dolmen.gateway.metadata.records import Encryption, Lock, VersionRecord
from dolmen.gateway.metadata.store import ObjectChanged
from dolmen.gateway.s3.fault import S3Fault
from dolmen.gateway.s3.model.inputs_generated import SSEKMSEncryption, UpdateObjectEncryptionInput
from dolmen.gateway.s3.render import Response

UPDATE_ATTEMPTS_MAX = 8  # races with tags, locks and rewrapping before the client is told to try again

_UNENCRYPTED = (
    "The UpdateObjectEncryption operation doesn't supported unencrypted source objects. "
    "Only source objects encrypted with SSE-S3 or SSE-KMS are supported."
)
_UNSUPPORTED = (
    "The UpdateObjectEncryption operation doesn't support source objects with the encryption type DSSE-KMS or SSE-C. "
    "Only source objects encrypted with SSE-S3 or SSE-KMS are supported."
)
_NO_TYPE = (
    "Requests that modify an object encryption configuration require a valid new encryption type. Valid values are SSEKMS. "
    "Modify the request to specify SSE-KMS for the updated encryption type, and then try again."
)
_NO_ARN = (
    "Requests that modify an object's encryption type to SSE-KMS require an Amazon Web Services KMS key Amazon Resource Name "
    "(ARN). Modify the request to specify a KMS key ARN, and then try again."
)
_WRONG_ARN = (
    "Requests that modify an object's encryption type to SSE-KMS require a valid Amazon Web Services KMS key Amazon Resource "
    "Name (ARN). Confirm that you have a correctly formatted KMS key ARN in your request, and then try again."
)
_OLD_SIGNATURE = (
    "Requests that modify an object encryption configuration require Amazon Web Services Signature Version 4. "
    "Modify the request to use Amazon Web Services Signature Version 4, and then try again."
)
_LOCKED = (
    "The encryption type for the specified object can’t be updated because that object is protected by S3 Object Lock. "
    "If the object has a governance-mode retention period or a legal hold, you must first remove the Object Lock status on the "
    "object before you issue your UpdateObjectEncryption request. You can't use the UpdateObjectEncryption operation with "
    "objects that have an Object Lock compliance mode retention period applied to them."
)


def _asked(given: UpdateObjectEncryptionInput) -> SSEKMSEncryption:
    """Raises InvalidRequest."""
    asked = given.object_encryption.ssekms if given.object_encryption is not None else None
    if asked is None:
        raise S3Fault("InvalidRequest", _NO_TYPE)
    if not asked.kms_key_arn:
        raise S3Fault("InvalidRequest", _NO_ARN)
    if not is_key_arn(asked.kms_key_arn):
        raise S3Fault("InvalidRequest", _WRONG_ARN)
    return asked


def _locked(lock: Lock | None, now_us: int) -> bool:
    return lock is not None and (lock.legal_hold or (bool(lock.mode) and lock.until_us > now_us))


def _current(call: Call, record: VersionRecord) -> Encryption:
    """The object's encryption, which may be updated. Raises InvalidRequest, AccessDenied."""
    encryption = record.mutable.encryption
    if encryption is None:
        raise S3Fault("InvalidRequest", _UNENCRYPTED)
    if encryption.algorithm not in (SSE_S3, SSE_KMS):
        raise S3Fault("InvalidRequest", _UNSUPPORTED)
    if _locked(record.mutable.lock, call.services.clock.now_us()):
        raise S3Fault("AccessDenied", _LOCKED)
    return encryption


async def update_object_encryption(call: Call, given: UpdateObjectEncryptionInput) -> Response:
    """See the module. Raises InvalidRequest, AccessDenied, KMS.NotFoundException, KMS.DisabledException, OperationAborted."""
    if call.facts.signature_version == "AWS":
        raise S3Fault("InvalidRequest", _OLD_SIGNATURE)
    asked = _asked(given)
    name = key_named(call, asked.kms_key_arn or "")
    services = call.services
    service = key_service(services.encryption)
    for _ in range(UPDATE_ATTEMPTS_MAX):
        found = await services.store.get_version(call.bucket.bucket_id, call.key, given.version_id)
        record = require_version(found, call, given.version_id)
        encryption = _current(call, record)
        moving = moved(service, call.bucket, encryption, name, bucket_key=bool(asked.bucket_key_enabled))
        changed = await told_as_s3(call, name, moving)
        try:
            await replace_encryption(services.store, call.bucket, record, changed)
        except ObjectChanged:
            continue
        return Response(200, [], b"")
    raise S3Fault("OperationAborted")


HANDLERS: dict[str, Handler] = {"UpdateObjectEncryption": update_object_encryption}
