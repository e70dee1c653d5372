"""How objects name each other, and what every object carries."""

from __future__ import annotations

from typing import Annotated

import msgspec

from dolmen.operator.model import fields
from dolmen.operator.model.names import dns_label
from dolmen.operator.model.secret_template import DEFAULT_PROFILE, TEMPLATE_KEYS_MAX, TEXT_MAX

GROUP = "dolmen.dev"
VERSION = "v1alpha1"
API_VERSION = f"{GROUP}/{VERSION}"
CREDENTIALS = "credentials"  # what names of Secrets end in


class ObjectMeta(fields.Model, frozen=True, kw_only=True):
    """The part of metav1.ObjectMeta that the operator reads."""

    name: str = ""
    namespace: str = ""
    uid: str = ""
    generation: int = 0
    resource_version: str = ""
    creation_timestamp: str | None = None
    deletion_timestamp: str | None = None
    labels: dict[str, str] = msgspec.field(default_factory=dict)
    annotations: dict[str, str] = msgspec.field(default_factory=dict)
    finalizers: tuple[str, ...] = ()


class ClusterRef(fields.Model, frozen=True, kw_only=True):
    """A StorageCluster."""

    name: Annotated[str, fields.name("Name of the StorageCluster.")]
    namespace: (
        Annotated[str, fields.label("Its namespace; this object's own by default. Another one needs a ReferenceGrant there.")]
        | None
    ) = None


class SecretRef(fields.Model, frozen=True, kw_only=True):
    """A Secret in the same namespace."""

    name: Annotated[str, fields.name("Name of the Secret.")]


class SecretKeyRef(fields.Model, frozen=True, kw_only=True):
    """One key of a Secret in the same namespace."""

    name: Annotated[str, fields.name("Name of the Secret.")]
    key: Annotated[str, fields.secret_key("Key in the Secret.")]


class UserRef(fields.Model, frozen=True, kw_only=True):
    """An ObjectUser in the same namespace."""

    name: Annotated[str, fields.name("Name of the ObjectUser.")]


class SecretOutput(fields.Model, frozen=True, kw_only=True):
    """A Secret that the operator writes credentials to, and repairs."""

    name: Annotated[str, fields.name("Name of the Secret; by default the object's name and -credentials.")] | None = None
    template: (
        Annotated[
            dict[str, Annotated[str, fields.text("Text with placeholders such as {{ .accessKeyID }}.", TEXT_MAX)]],
            fields.mapping(
                "Keys of the Secret and their texts. Placeholders: .accessKeyID .secretAccessKey .endpoint .region .bucket .user. "
                "Without it AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_ENDPOINT_URL, AWS_REGION and BUCKET_NAME.",
                TEMPLATE_KEYS_MAX,
            ),
        ]
        | None
    ) = None
    shared_credentials_key: (
        Annotated[str, fields.secret_key("Also write an AWS shared credentials file under this key.")] | None
    ) = None
    profile: Annotated[str, fields.text("Profile in that file.", 63, least=1, pattern=r"^[A-Za-z0-9][A-Za-z0-9_.@+-]*$")] = (
        DEFAULT_PROFILE
    )
    labels: Annotated[dict[str, fields.LabelValue], fields.mapping("Labels of the Secret.", fields.LABELS_MAX)] | None = None
    annotations: (
        Annotated[dict[str, fields.AnnotationValue], fields.mapping("Annotations of the Secret.", fields.LABELS_MAX)] | None
    ) = None


def secret_name(output: SecretOutput, owner: str) -> str:
    """The name of the Secret of the object ``owner``."""
    if output.name is not None:
        return output.name
    plain = f"{owner}-{CREDENTIALS}"
    return plain if len(plain) <= fields.NAME_MAX else dns_label(owner, CREDENTIALS)
