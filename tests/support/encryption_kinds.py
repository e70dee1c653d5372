"""The ways to encrypt an object, as boto3 says them. The shared store has the keys alpha and beta."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass, field

ACCOUNT = "000000000000"  # of root: the keys are the store's


def arn(name: str) -> str:
    return f"arn:aws:kms:us-east-1:{ACCOUNT}:key/{name}"


def customer(key: bytes, prefix: str = "") -> dict[str, object]:
    """The arguments of SSE-C; boto3 encodes the key and adds its MD5."""
    return {f"{prefix}SSECustomerAlgorithm": "AES256", f"{prefix}SSECustomerKey": key}


def key_md5(key: bytes) -> str:
    return base64.b64encode(hashlib.md5(key).digest()).decode()


@dataclass(frozen=True)
class Kind:
    """Arguments of a write, those of everything that reads or continues it, and what answers show."""

    write: dict[str, object] = field(default_factory=dict)
    key: bytes = b""  # of SSE-C
    shown: dict[str, object] = field(default_factory=dict)
    plain_etag: bool = True

    @property
    def read(self) -> dict[str, object]:
        return customer(self.key) if self.key else {}

    @property
    def attributes(self) -> dict[str, object]:
        """Of GetObjectAttributes, for which boto3 encodes nothing."""
        text = base64.b64encode(self.key).decode()
        return {**customer(self.key), "SSECustomerKey": text, "SSECustomerKeyMD5": key_md5(self.key)} if self.key else {}

    @property
    def source(self) -> dict[str, object]:
        return customer(self.key, "CopySource") if self.key else {}


SHOWN = ("ServerSideEncryption", "SSEKMSKeyId", "BucketKeyEnabled", "SSECustomerAlgorithm", "SSECustomerKeyMD5")
_KEY = bytes(range(32))

KINDS = {
    "none": Kind(),
    "SSE-S3": Kind({"ServerSideEncryption": "AES256"}, shown={"ServerSideEncryption": "AES256"}),
    "SSE-KMS": Kind(
        {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": "alpha", "BucketKeyEnabled": True},
        shown={"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": arn("alpha"), "BucketKeyEnabled": True},
        plain_etag=False,
    ),
    "SSE-C": Kind(
        customer(_KEY), _KEY, {"SSECustomerAlgorithm": "AES256", "SSECustomerKeyMD5": key_md5(_KEY)}, plain_etag=False
    ),
    "DSSE": Kind(
        {"ServerSideEncryption": "aws:kms:dsse", "SSEKMSKeyId": "alias/beta"},
        shown={"ServerSideEncryption": "aws:kms:dsse", "SSEKMSKeyId": arn("beta")},
        plain_etag=False,
    ),
}
ENCRYPTED = [name for name in KINDS if name != "none"]


def shown(answer: dict[str, object]) -> dict[str, object]:
    """What an answer says of encryption."""
    return {name: answer[name] for name in SHOWN if name in answer}
