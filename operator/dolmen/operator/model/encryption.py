"""Keys of encryption at rest: of a cluster, and what a bucket asks for."""

from __future__ import annotations

from typing import Annotated, Literal

from dolmen.operator.model import fields
from dolmen.operator.model.references import SecretKeyRef, SecretRef

KEYS_MAX = 64
KEY_ID_MAX = 2048

Algorithm = Literal["AES256", "aws:kms", "aws:kms:dsse"]


class Vault(fields.Model, frozen=True, kw_only=True):
    """The transit engine of Vault or OpenBao."""

    url: Annotated[str, fields.text("Where the server is.", fields.URL_MAX, least=8, pattern=r"^https?://[^\s/]+(/\S*)?$")]
    token_secret_ref: Annotated[SecretKeyRef, fields.doc("Token for it.")]
    mount: Annotated[str, fields.text("Where its transit engine is mounted.", 253, least=1, pattern=r"^[A-Za-z0-9._/-]+$")] = (
        "transit"
    )
    namespace: Annotated[str, fields.text("Its own namespace.", 253, least=1, pattern=r"^[A-Za-z0-9._/-]+$")] | None = None
    ca_secret_ref: (
        Annotated[SecretRef, fields.doc("Secret with ca.crt to check it with; the system's when it is missing.")] | None
    ) = None


class ClusterEncryption(fields.Model, frozen=True, kw_only=True):
    """At most one key service: a keyring in a Secret, or Vault."""

    default: Annotated[
        Literal["None", "AES256", "aws:kms", "aws:kms:dsse"],
        fields.doc("Encryption of objects where neither request nor bucket says anything."),
    ] = "None"
    keyring_secret_ref: Annotated[SecretKeyRef, fields.doc("Keyring of the local key service.")] | None = None
    vault: Annotated[Vault, fields.doc("Key service in Vault or OpenBao.")] | None = None


class BucketEncryption(fields.Model, frozen=True, kw_only=True):
    """Default encryption of a bucket, as S3's ApplyServerSideEncryptionByDefault."""

    sse_algorithm: Annotated[Algorithm, fields.doc("How new objects are encrypted.")] = "AES256"
    kms_master_key_id: (
        Annotated[str, fields.text("Key of the key service, for aws:kms and aws:kms:dsse.", KEY_ID_MAX, least=1)] | None
    ) = None
    bucket_key_enabled: Annotated[bool, fields.doc("Whether objects share a data key for some time.")] = False
