"""Encryption as requests ask for it: the seal of a new object, the data keys of a stored one, what answers say of it.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/UsingEncryption.html
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from collections.abc import Awaitable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

import msgspec

from dolmen.gateway.auth.credential import ALGORITHM
from dolmen.gateway.handlers.call import Call
from dolmen.gateway.handlers.config_store import load
from dolmen.gateway.http.request import Headers
from dolmen.gateway.kms.envelope import WrongKey
from dolmen.gateway.kms.names import DEFAULT_KEY, S3_KEY, named_by_client
from dolmen.gateway.kms.options import EncryptionOptions
from dolmen.gateway.kms.sealed_keys import (
    KMS_ALGORITHMS,
    SSE_CUSTOMER,
    SSE_DUAL,
    SSE_S3,
    customer_sealing,
    new_sealing,
    open_customer,
    open_sealing,
    parse_context,
)
from dolmen.gateway.kms.service import KeyService, KmsKeyDisabled, NoSuchKmsKey
from dolmen.gateway.metadata.records import BucketRecord, Encryption
from dolmen.gateway.objects.sealing import KEY_BYTES, DataKeys
from dolmen.gateway.s3.fault import S3Fault

SSE = "x-amz-server-side-encryption"
KMS_KEY, CONTEXT, BUCKET_KEY = f"{SSE}-aws-kms-key-id", f"{SSE}-context", f"{SSE}-bucket-key-enabled"
CUSTOMER = f"{SSE}-customer-"
SOURCE_CUSTOMER = "x-amz-copy-source-server-side-encryption-customer-"
CONFIG = "encryption"  # of the bucket's record
_CUSTOMER_ALGORITHM, _CUSTOMER_KEY = f"{CUSTOMER}algorithm", f"{CUSTOMER}key"
_ASKING = (SSE, KMS_KEY, _CUSTOMER_ALGORITHM, _CUSTOMER_KEY)
_REVISION_BITS = 48  # leaves room to count within 63 bits

T = TypeVar("T")


class BucketEncryption(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The sub-resource ``encryption`` of a bucket."""

    algorithm: str = ""  # "": only the rest is set
    key_id: str = ""  # as the client wrote it
    bucket_key: bool = False
    blocked: tuple[str, ...] | None = None  # encryption types that writes must not ask for: "SSE-C"


@dataclass(frozen=True, slots=True)
class CustomerKey:
    """A key of SSE-C in a request."""

    key: bytes = field(repr=False)
    md5: str  # base64


def asks_for_encryption(headers: Mapping[str, str]) -> bool:
    """Whether a write says itself how the new object is encrypted."""
    return any(name in headers for name in _ASKING)


def _argument(message: str, value: str = "null", code: str = "InvalidArgument", name: str = SSE) -> S3Fault:
    return S3Fault(code, message, fields=(("ArgumentName", name), ("ArgumentValue", value)))


# ---- SSE-C ---------------------------------------------------------------------------------------------------------

def customer_key(call: Call, headers: Mapping[str, str], prefix: str = CUSTOMER) -> CustomerKey | None:
    """The client's key, checked; None when the request has none. Texts as AWS answers them.

    https://docs.aws.amazon.com/AmazonS3/latest/userguide/ServerSideEncryptionCustomerKeys.html
    """
    algorithm, text = headers.get(f"{prefix}algorithm"), headers.get(f"{prefix}key")
    if algorithm is None and text is None:
        return None
    about = "Requests specifying Server Side Encryption with Customer provided keys must"
    if call.services.encryption.customer_keys_need_tls and not call.request.secure:
        raise S3Fault("InvalidRequest", f"{about} be made over a secure connection.")
    if not algorithm:
        raise _argument(f"{about} provide a valid encryption algorithm.")
    if not text:
        raise _argument(f"{about} provide an appropriate secret key.")
    if algorithm != "AES256":
        message = "The Encryption request you specified is not valid. Supported value: AES256."
        raise _argument(message, algorithm, "InvalidEncryptionAlgorithmError")
    try:
        key = base64.b64decode(text, validate=True)
    except ValueError:  # no base64, or not even ASCII
        key = b""
    if len(key) != KEY_BYTES:
        raise _argument("The secret key was invalid for the specified algorithm.")
    md5 = base64.b64encode(hashlib.md5(key, usedforsecurity=False).digest()).decode()
    if not hmac.compare_digest(md5.encode(), headers.get(f"{prefix}key-md5", "").encode()):
        raise _argument("The calculated MD5 hash of the key did not match the hash that was provided.")
    return CustomerKey(key, md5)


def _opened_by_customer(bucket: BucketRecord, encryption: Encryption, given: CustomerKey | None) -> DataKeys:
    """The data keys of a stored SSE-C object."""
    if given is None:
        raise S3Fault(
            "InvalidRequest",
            "The object was stored using a form of Server Side Encryption. "
            "The correct parameters must be provided to retrieve the object.",
        )
    try:
        if given.md5 == encryption.customer_key_md5:
            return open_customer(given.key, bucket, encryption)
    except WrongKey:
        pass
    raise S3Fault(
        "AccessDenied",
        "Requests specifying Server Side Encryption with Customer provided keys must provide the correct secret key.",
    )


# ---- new objects ---------------------------------------------------------------------------------------------------

async def sealing_of_new_object(call: Call, headers: Mapping[str, str]) -> Encryption | None:
    """From the headers, else from the bucket's default, else from the store's. None: not encrypted.

    Raises InvalidArgument, InvalidEncryptionAlgorithmError, InvalidRequest, AccessDenied, KMS.NotFoundException,
    KMS.DisabledException, and ``KmsUnavailable``.
    """
    options = call.services.encryption
    rule = load(call.bucket, CONFIG, BucketEncryption) if CONFIG in call.bucket.config else None
    if not asks_for_encryption(headers):
        if rule is not None and rule.algorithm:
            return await _default_sealing(call, rule)
        if options.default_algorithm:
            default = BucketEncryption(algorithm=options.default_algorithm, key_id=options.default_key)
            return await _default_sealing(call, default)
        return None
    customer = customer_key(call, headers)
    asked = headers.get(SSE)
    if customer is None:
        return await _asked_sealing(call, headers, asked, rule)
    if asked is not None:
        message = "Server Side Encryption with Customer provided key is incompatible with the encryption method specified"
        raise _argument(message, asked)
    if rule is not None and rule.blocked and SSE_CUSTOMER in rule.blocked:
        raise S3Fault("AccessDenied", "Server-side encryption with customer-provided keys (SSE-C) is blocked for this bucket.")
    return customer_sealing(customer.key, customer.md5, call.bucket)[0]


def first_revision(encryption: Encryption | None) -> int:
    """Where the mutable part of a new version begins to count: at random when it holds a sealed key.

    A null version replaces another one under the same id. A change that was meant for the old one must never fit the new one:
    with the sealed key of other data its bytes would be lost.
    """
    return 1 if encryption is None else 1 + secrets.randbits(_REVISION_BITS)


async def _default_sealing(call: Call, rule: BucketEncryption) -> Encryption:
    if rule.algorithm == SSE_S3:
        return await _sealing(call, SSE_S3, S3_KEY)
    return await _sealing(call, rule.algorithm, key_named(call, rule.key_id), bucket_key=rule.bucket_key)


async def _asked_sealing(
    call: Call, headers: Mapping[str, str], asked: str | None, rule: BucketEncryption | None
) -> Encryption:
    if asked not in KMS_ALGORITHMS:
        if KMS_KEY in headers:
            message = "Server Side Encryption with AWS KMS managed key requires HTTP header x-amz-server-side-encryption : aws:kms"
            raise _argument(message, asked or "null")
        if asked != SSE_S3:
            raise _argument("The encryption method specified is not supported", asked or "")
        return await _sealing(call, SSE_S3, S3_KEY)
    context = headers.get(CONTEXT, "")
    if context:
        try:
            parse_context(context)
        except ValueError:
            message = (
                f"The header '{CONTEXT}' shall be Base64-encoded UTF-8 string holding JSON which represents a string-string map"
            )
            raise _argument(message, context, name=CONTEXT) from None
    bucket_key = headers.get(BUCKET_KEY, "true" if rule is not None and rule.bucket_key else "false").lower()
    if bucket_key not in ("true", "false"):
        raise _argument(f"The value of {BUCKET_KEY} must be true or false", bucket_key, name=BUCKET_KEY)
    name = key_named(call, headers.get(KMS_KEY, ""))
    return await _sealing(call, asked, name, context=context, bucket_key=bucket_key == "true")


def key_named(call: Call, text: str) -> str:
    """The key of ``text`` ("": the default one). Raises KMS.NotFoundException for what cannot be a key."""
    name = named_by_client(text) if text else DEFAULT_KEY
    if name is None:
        raise S3Fault("KMS.NotFoundException", f"Invalid keyId '{text}'")
    return name


def key_service(options: EncryptionOptions) -> KeyService:
    """Raises NotImplemented where no key service is set up."""
    if options.keys is None:
        raise S3Fault("NotImplemented", "Server side encryption was asked for, but this store has no key service.")
    return options.keys


async def _sealing(call: Call, algorithm: str, name: str, *, context: str = "", bucket_key: bool = False) -> Encryption:
    _require_version_4(call, algorithm)
    dual = algorithm == SSE_DUAL  # which has no bucket keys
    service = key_service(call.services.encryption)
    making = new_sealing(service, call.bucket, algorithm, name, context=context, bucket_key=bucket_key and not dual)
    return (await told_as_s3(call, name, making))[0]


def _require_version_4(call: Call, algorithm: str) -> None:
    """Keys of the key service are for those who can prove who they are. Raises InvalidArgument, as S3 does.

    https://docs.aws.amazon.com/AmazonS3/latest/userguide/UsingKMSEncryption.html
    """
    if algorithm in KMS_ALGORITHMS and call.facts.signature_version != ALGORITHM:
        message = "Requests specifying Server Side Encryption with AWS KMS managed keys require AWS Signature Version 4."
        raise _argument(message, name="Authorization")


async def told_as_s3(call: Call, name: str, asking: Awaitable[T]) -> T:
    """The answer of a key service. Raises KMS.NotFoundException and KMS.DisabledException in place of its own errors."""
    try:
        return await asking
    except NoSuchKmsKey:
        raise S3Fault("KMS.NotFoundException", f"Key '{call.services.encryption.arn(name)}' does not exist") from None
    except KmsKeyDisabled:
        raise S3Fault("KMS.DisabledException", f"{call.services.encryption.arn(name)} is disabled.") from None


# ---- data keys -----------------------------------------------------------------------------------------------------

async def keys_for_write(call: Call, encryption: Encryption | None, headers: Mapping[str, str]) -> DataKeys | None:
    """What a body of this request is sealed with: ``encryption`` is of the object to be, or of the upload that a part is for.

    None only when that is None. Raises as ``keys_for_read``.
    """
    if encryption is None:
        return None
    if encryption.algorithm == SSE_CUSTOMER:
        return _opened_by_customer(call.bucket, encryption, customer_key(call, headers))
    return await _opened(call, call.bucket, encryption)


def check_part(call: Call, encryption: Encryption | None) -> None:
    """A part must come with the key that its upload was created with, and only then with one."""
    given = customer_key(call, call.request.headers)
    wanted = encryption.customer_key_md5 if encryption is not None else ""
    if (given is None) != (not wanted):
        raise S3Fault(
            "InvalidRequest",
            "The multipart upload initiate requested encryption. "
            "Subsequent part requests must include the appropriate encryption parameters.",
        )
    if given is not None and given.md5 != wanted:
        raise S3Fault("InvalidRequest", "The provided encryption parameters did not match the ones used originally.")


def check_complete(call: Call, encryption: Encryption | None) -> None:
    """A completion may leave the client's key away, but must not come with another one."""
    given = customer_key(call, call.request.headers)
    if given is not None and given.md5 != (encryption.customer_key_md5 if encryption is not None else ""):
        raise S3Fault("InvalidRequest", "The provided encryption parameters did not match the ones used originally.")


def check_encryption_headers(call: Call, encryption: Encryption | None) -> None:
    """What GetObject and HeadObject may say about encryption. Raises InvalidArgument, InvalidRequest, AccessDenied."""
    headers = call.request.headers
    if encryption is None and SSE not in headers and _CUSTOMER_KEY not in headers and _CUSTOMER_ALGORITHM not in headers:
        return
    if SSE in headers:
        raise _argument(f"{SSE} header is not supported for this operation.", headers[SSE])
    check_customer(call, call.bucket, encryption)


def check_customer(
    call: Call, bucket: BucketRecord, encryption: Encryption | None, prefix: str = CUSTOMER
) -> DataKeys | None:
    """An SSE-C object needs its key, any other must not be given one. Returns the data keys of the former.

    Raises InvalidArgument, InvalidRequest, AccessDenied.
    """
    given = customer_key(call, call.request.headers, prefix)
    if encryption is not None and encryption.algorithm == SSE_CUSTOMER:
        return _opened_by_customer(bucket, encryption, given)
    if given is not None:
        raise S3Fault("InvalidRequest", "The encryption parameters are not applicable to this object.")
    return None


async def keys_for_read(
    call: Call, bucket: BucketRecord, encryption: Encryption | None, prefix: str = CUSTOMER
) -> DataKeys | None:
    """The data keys of a stored object; None when it is not encrypted. ``prefix``: of the headers with a key of the client.

    Raises what ``check_customer`` raises, KMS.NotFoundException, KMS.DisabledException, and ``KmsUnavailable``.
    """
    keys = check_customer(call, bucket, encryption, prefix)
    if keys is None and encryption is not None:
        keys = await _opened(call, bucket, encryption)
    return keys


async def _opened(call: Call, bucket: BucketRecord, encryption: Encryption) -> DataKeys:
    _require_version_4(call, encryption.algorithm)
    opening = open_sealing(key_service(call.services.encryption), bucket, encryption)
    return await told_as_s3(call, encryption.key_id, opening)


# ---- answers -------------------------------------------------------------------------------------------------------

def encryption_headers(options: EncryptionOptions, encryption: Encryption | None, *, with_context: bool = False) -> Headers:
    """``x-amz-server-side-encryption*`` of an answer; ``with_context``: of one to a write."""
    if encryption is None:
        return []
    if encryption.algorithm == SSE_CUSTOMER:
        return [
            (f"{CUSTOMER}algorithm".encode(), b"AES256"),
            (f"{CUSTOMER}key-MD5".lower().encode(), encryption.customer_key_md5.encode()),
        ]
    headers: Headers = [(SSE.encode(), encryption.algorithm.encode())]
    if encryption.algorithm in KMS_ALGORITHMS:
        headers.append((KMS_KEY.encode(), options.arn(encryption.key_id).encode()))
        if encryption.bucket_key:
            headers.append((BUCKET_KEY.encode(), b"true"))
        if with_context and encryption.context:
            headers.append((CONTEXT.encode(), encryption.context.encode()))
    return headers


