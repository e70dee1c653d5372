"""A bucket's default encryption: GetBucketEncryption, PutBucketEncryption, DeleteBucketEncryption.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucket-encryption.html
"""

from __future__ import annotations

from dolmen.gateway.handlers.call import Call, Handler
from dolmen.gateway.handlers.config_store import load, save
from dolmen.gateway.handlers.encryption import CONFIG, BucketEncryption, key_service
from dolmen.gateway.kms.names import S3_KEY
from dolmen.gateway.kms.sealed_keys import KMS_ALGORITHMS, SSE_CUSTOMER, SSE_S3
from dolmen.gateway.s3.fault import S3Fault
from dolmen.gateway.s3.model import inputs_generated as inputs
from dolmen.gateway.s3.model import outputs_generated as outputs
from dolmen.gateway.s3.render import Response, render

_UNBLOCKED = "NONE"  # among the blocked types: none is
KEY_CHARACTERS_MAX = 2048  # of a KMSMasterKeyID, as AWS limits it


async def get_bucket_encryption(call: Call, given: inputs.GetBucketEncryptionInput) -> Response:
    """https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetBucketEncryption.html

    Raises ServerSideEncryptionConfigurationNotFoundError when neither the bucket nor the store has a default.
    """
    options = call.services.encryption
    rule = load(call.bucket, CONFIG, BucketEncryption) or BucketEncryption()
    if not rule.algorithm and options.default_algorithm:
        key = options.default_key if options.default_key != S3_KEY else ""
        rule = BucketEncryption(algorithm=options.default_algorithm, key_id=key, blocked=rule.blocked)
    if not rule.algorithm and not rule.blocked:
        raise S3Fault("ServerSideEncryptionConfigurationNotFoundError", fields=(("BucketName", call.bucket_name),))
    default = outputs.ServerSideEncryptionByDefault(sse_algorithm=rule.algorithm, kms_master_key_id=rule.key_id or None)
    blocked = outputs.BlockedEncryptionTypes(encryption_type=list(rule.blocked)) if rule.blocked is not None else None
    shown = outputs.ServerSideEncryptionRule(
        apply_server_side_encryption_by_default=default if rule.algorithm else None,
        bucket_key_enabled=rule.bucket_key,
        blocked_encryption_types=blocked,
    )
    configuration = outputs.ServerSideEncryptionConfiguration(rules=[shown])
    return render(call.operation, outputs.GetBucketEncryptionOutput(server_side_encryption_configuration=configuration))


async def put_bucket_encryption(call: Call, given: inputs.PutBucketEncryptionInput) -> Response:
    """https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutBucketEncryption.html

    Whether the named key exists shows at the first write, as with S3. Raises MalformedXML, InvalidArgument, NotImplemented.
    """
    document = given.server_side_encryption_configuration
    rules = document.rules if document is not None else None
    if not rules or len(rules) != 1:
        raise S3Fault("MalformedXML")
    rule = _rule_of(rules[0])
    if rule.algorithm:
        key_service(call.services.encryption)
    await save(call, CONFIG, rule)
    return Response(200, [], b"")


def _rule_of(rule: inputs.ServerSideEncryptionRule) -> BucketEncryption:
    blocked = rule.blocked_encryption_types.encryption_type or [] if rule.blocked_encryption_types is not None else None
    if blocked is not None and not (set(blocked) == {SSE_CUSTOMER} or blocked == [_UNBLOCKED]):
        raise S3Fault("MalformedXML")
    default = rule.apply_server_side_encryption_by_default
    if default is None:
        if blocked is None:
            raise S3Fault("MalformedXML")
        return BucketEncryption(blocked=tuple(blocked), bucket_key=bool(rule.bucket_key_enabled))
    algorithm, key_id = default.sse_algorithm or "", default.kms_master_key_id or ""
    if algorithm != SSE_S3 and algorithm not in KMS_ALGORITHMS:
        raise S3Fault("MalformedXML")
    if len(key_id) > KEY_CHARACTERS_MAX or (key_id and algorithm == SSE_S3):
        name = "ApplyServerSideEncryptionByDefault"
        raise S3Fault(
            "InvalidArgument",
            "a KMSMasterKeyID is not applicable if the default sse algorithm is not aws:kms or aws:kms:dsse",
            fields=(("ArgumentName", name), ("ArgumentValue", key_id[:KEY_CHARACTERS_MAX])),
        )
    return BucketEncryption(
        algorithm=algorithm,
        key_id=key_id,
        bucket_key=bool(rule.bucket_key_enabled),
        blocked=tuple(blocked) if blocked is not None else None,
    )


async def delete_bucket_encryption(call: Call, given: inputs.DeleteBucketEncryptionInput) -> Response:
    """https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteBucketEncryption.html"""
    await save(call, CONFIG, None)
    return Response(204, [], b"")


HANDLERS: dict[str, Handler] = {
    "GetBucketEncryption": get_bucket_encryption,
    "PutBucketEncryption": put_bucket_encryption,
    "DeleteBucketEncryption": delete_bucket_encryption,
}
