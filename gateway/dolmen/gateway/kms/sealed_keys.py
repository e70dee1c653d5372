"""The ``Encryption`` of a version and the data keys inside: made, opened, moved to other keys. Data is never touched here.

A sealed key is tied to the bucket (its id and name) and to what the client gave as context, not to the object's key: a rename
within the bucket needs no key service, and a row that is moved into another bucket opens nothing.
"""

from __future__ import annotations

import base64
import json

import msgspec

from dolmen.gateway.kms.envelope import enclose, unclose
from dolmen.gateway.kms.names import S3_KEY
from dolmen.gateway.kms.service import KeyService, SealedKeyBroken
from dolmen.gateway.metadata.records import BucketRecord, Encryption
from dolmen.gateway.objects.sealing import DataKeys, new_key

SSE_S3, SSE_KMS, SSE_DUAL, SSE_CUSTOMER = "AES256", "aws:kms", "aws:kms:dsse", "SSE-C"
KMS_ALGORITHMS = frozenset({SSE_KMS, SSE_DUAL})
CONTEXT_BYTES_MAX = 8192  # of x-amz-server-side-encryption-context: KMS's own limit
_BUCKET_ARN = "aws:s3:arn"

_encode_pair = msgspec.msgpack.Encoder().encode
_decode_pair = msgspec.msgpack.Decoder(tuple[bytes, bytes]).decode


def parse_context(text: str) -> dict[str, str]:
    """The header's base64 of a JSON object of strings. Raises ``ValueError``."""
    if len(text) > CONTEXT_BYTES_MAX:
        raise ValueError("too long")
    try:
        found = msgspec.json.decode(base64.b64decode(text, validate=True), type=dict[str, str])
    except (ValueError, msgspec.MsgspecError) as error:
        raise ValueError("not base64 of a JSON object of strings") from error
    if _BUCKET_ARN in found:
        raise ValueError(f"{_BUCKET_ARN} is set by the store")
    return found


def context_of(bucket: BucketRecord, encryption_context: str = "") -> bytes:
    """What a data key is sealed under: canonical JSON, that a key server may show in its audit log."""
    given = parse_context(encryption_context) if encryption_context else {}
    tenant, _, name = bucket.name.rpartition(":")
    whole = {**given, _BUCKET_ARN: f"arn:aws:s3::{tenant}:{name}", "dolmen:bucket-id": bucket.bucket_id.hex()}
    return json.dumps(whole, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


async def new_sealing(
    service: KeyService,
    bucket: BucketRecord,
    algorithm: str,
    key_name: str = S3_KEY,
    *,
    context: str = "",
    bucket_key: bool = False,
) -> tuple[Encryption, DataKeys]:
    """Fresh data keys for an object of SSE-S3, SSE-KMS or DSSE. Raises what ``KeyService.generate`` raises."""
    bound = context_of(bucket, context)
    first = await service.generate(key_name, bound)
    keys, sealed = DataKeys((first.plaintext,)), first.sealed
    if algorithm == SSE_DUAL:
        second = await service.generate(S3_KEY, bound)
        keys, sealed = DataKeys((first.plaintext, second.plaintext)), _encode_pair((first.sealed, second.sealed))
    encryption = Encryption(
        algorithm=algorithm,
        key_id=key_name,
        sealed_key=sealed,
        key_version=first.version,
        context=context,
        bucket_key=bucket_key,
    )
    return encryption, keys


async def open_sealing(service: KeyService, bucket: BucketRecord, encryption: Encryption) -> DataKeys:
    """The data keys of anything but SSE-C. Raises what ``KeyService.unseal`` raises."""
    bound = context_of(bucket, encryption.context)
    if encryption.algorithm != SSE_DUAL:
        return DataKeys((await service.unseal(encryption.key_id, encryption.sealed_key, bound),))
    first, second = _pair(encryption)
    return DataKeys((await service.unseal(encryption.key_id, first, bound), await service.unseal(S3_KEY, second, bound)))


async def moved(
    service: KeyService, bucket: BucketRecord, encryption: Encryption, key_name: str, *, bucket_key: bool
) -> Encryption:
    """The same data key under another named key, as SSE-KMS. For one layer only."""
    bound = context_of(bucket, encryption.context)
    plaintext = await service.unseal(encryption.key_id, encryption.sealed_key, bound)
    sealed = await service.seal(key_name, plaintext, bound)
    return msgspec.structs.replace(
        encryption,
        algorithm=SSE_KMS,
        key_id=key_name,
        sealed_key=sealed.sealed,
        key_version=sealed.version,
        bucket_key=bucket_key,
    )


async def rewrapped(service: KeyService, bucket: BucketRecord, encryption: Encryption) -> Encryption | None:
    """The same data keys under the newest versions of their named keys; None when they are so, or are the client's."""
    if encryption.algorithm == SSE_CUSTOMER:
        return None
    bound = context_of(bucket, encryption.context)
    if encryption.algorithm != SSE_DUAL:
        if await service.is_current(encryption.key_id, encryption.sealed_key):
            return None
        one = await service.reseal(encryption.key_id, encryption.sealed_key, bound)
        return msgspec.structs.replace(encryption, sealed_key=one.sealed, key_version=one.version)
    first, second = _pair(encryption)
    if await service.is_current(encryption.key_id, first) and await service.is_current(S3_KEY, second):
        return None
    outer = await service.reseal(encryption.key_id, first, bound)
    inner = await service.reseal(S3_KEY, second, bound)
    return msgspec.structs.replace(encryption, sealed_key=_encode_pair((outer.sealed, inner.sealed)), key_version=outer.version)


def _pair(encryption: Encryption) -> tuple[bytes, bytes]:
    try:
        return _decode_pair(encryption.sealed_key)
    except msgspec.MsgspecError as error:
        raise SealedKeyBroken("the sealed keys of two layers are unreadable") from error


def customer_sealing(customer_key: bytes, customer_key_md5: str, bucket: BucketRecord) -> tuple[Encryption, DataKeys]:
    """A fresh data key under a key of the client's, of which nothing but the MD5 (as S3 shows it) is kept."""
    key = new_key()
    sealed = enclose(customer_key, key, context_of(bucket))
    return Encryption(algorithm=SSE_CUSTOMER, sealed_key=sealed, customer_key_md5=customer_key_md5), DataKeys((key,))


def open_customer(customer_key: bytes, bucket: BucketRecord, encryption: Encryption) -> DataKeys:
    """Raises ``WrongKey``."""
    return DataKeys((unclose(customer_key, encryption.sealed_key, context_of(bucket)),))


def sealed_etag(md5_hex: str, encryption: Encryption | None, keys: DataKeys | None) -> str:
    """The ETag of an object or part: the MD5 of its data for SSE-S3 and unencrypted ones only, as S3 has it.

    https://docs.aws.amazon.com/AmazonS3/latest/API/API_Object.html
    """
    if keys is None or encryption is None or encryption.algorithm == SSE_S3:
        return md5_hex
    return keys.etag(md5_hex)
