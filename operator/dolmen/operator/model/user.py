"""ObjectUser: an identity with access keys, which land in a Secret."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from dolmen.operator.model import fields
from dolmen.operator.model.conditions import ConditionList
from dolmen.operator.model.names import dns_label
from dolmen.operator.model.references import API_VERSION, ClusterRef, ObjectMeta, SecretOutput, SecretRef

KEYS_MAX = 2  # of a user at a time, AWS's limit and the gateway's; a rotation needs both
KEYS_SHOWN_MAX = 8
POLICIES_MAX = 10  # AWS's limit of attached policies
DOCUMENT_MAX = 6144  # AWS's limit of a managed policy
USER_NAME_MAX = 64
USER_NAME_PATTERN = r"^[A-Za-z0-9+=,.@_-]+$"
ARN_MAX = 2048


class UserQuota(fields.Model, frozen=True, kw_only=True):
    """Writes above it are refused."""

    max_bytes: Annotated[fields.ByteQuantity, fields.doc("Bytes in all buckets of the user.")] | None = None
    max_objects: Annotated[int, fields.number("Versions in all buckets of the user.", 0, fields.INT64_MAX)] | None = None
    max_buckets: Annotated[int, fields.number("Buckets of the user.", 0, fields.INT32_MAX)] | None = None


class UserPolicy(fields.Model, frozen=True, kw_only=True):
    """A document of its own, or a managed policy: exactly one."""

    name: Annotated[str, fields.text("Name of the policy.", 128, least=1, pattern=r"^[A-Za-z0-9+=,.@_-]+$")]
    document: Annotated[str, fields.text("Policy, a JSON document.", DOCUMENT_MAX, least=2)] | None = None
    arn: Annotated[str, fields.text("ARN of a managed policy.", ARN_MAX, least=20, pattern=r"^arn:[!-~]+$")] | None = None


class KeyImport(fields.Model, frozen=True, kw_only=True):
    """An access key that was made elsewhere."""

    name: Annotated[str, fields.name("Name of the Secret.")]
    access_key_id_key: Annotated[str, fields.secret_key("Key in the Secret of the access key's id.")] = msgspec.field(
        name="accessKeyIDKey", default="AWS_ACCESS_KEY_ID"
    )
    secret_access_key_key: Annotated[str, fields.secret_key("Key in the Secret of the secret access key.")] = (
        "AWS_SECRET_ACCESS_KEY"
    )


class AccessKey(fields.Model, frozen=True, kw_only=True):
    """An access key: made, imported, rotated."""

    name: Annotated[str, fields.label("Name of the key in this object.")]
    import_secret_ref: Annotated[KeyImport, fields.doc("Take the key from this Secret instead of making one.")] | None = None
    rotate_after: Annotated[str, fields.duration("Make a new key when it is so old; never when it is missing.")] | None = None
    overlap: Annotated[str, fields.duration("How long the old key stays valid beside the new one.")] = "24h"


class ObjectUserSpec(fields.Model, frozen=True, kw_only=True):
    """The wanted state of a user."""

    cluster_ref: Annotated[ClusterRef, fields.doc("The cluster; never changed.")]
    user_name: (
        Annotated[
            str,
            fields.text(
                "Name in IAM, never changed; made of namespace and metadata.name when it is missing.",
                USER_NAME_MAX,
                least=1,
                pattern=USER_NAME_PATTERN,
            ),
        ]
        | None
    ) = None
    deletion_policy: Annotated[Literal["Retain", "Delete"], fields.doc("What becomes of the user when this object is deleted.")] = (
        "Delete"
    )
    adopt_existing: Annotated[bool, fields.doc("Whether a user that is there already is taken over.")] = False
    quota: Annotated[UserQuota, fields.doc("Limits of the user.")] | None = None
    policies: Annotated[tuple[UserPolicy, ...], fields.listed("What the user may do.", POLICIES_MAX, keys=("name",))] = ()
    keys: Annotated[tuple[AccessKey, ...], fields.listed("Access keys.", KEYS_MAX, keys=("name",))] = (AccessKey(name="default"),)
    secret: Annotated[SecretOutput, fields.doc("Where the first key is written to.")] = SecretOutput()


class AccessKeyStatus(fields.Model, frozen=True, kw_only=True):
    """An access key, without its secret."""

    name: Annotated[str, fields.label("Name of the key in the spec.")]
    access_key_id: Annotated[str, fields.text("Its id.", 128, least=1)] = msgspec.field(name="accessKeyID")
    state: Annotated[Literal["Active", "Expiring"], fields.doc("Expiring: a newer key has taken its place.")] = "Active"
    created_at: Annotated[str, fields.time("When it was made.")] | None = None
    expires_at: Annotated[str, fields.time("When it ends.")] | None = None


class ObjectUserStatus(fields.Model, frozen=True, kw_only=True):
    """The observed state of a user."""

    observed_generation: Annotated[int, fields.number("The generation that this status is about.", 0, fields.INT64_MAX)] | None = (
        None
    )
    phase: Annotated[str, fields.text("One word for people, derived from the conditions.", 32)] = ""
    user_name: Annotated[str, fields.text("Name in IAM.", USER_NAME_MAX)] = ""
    user_id: Annotated[str, fields.text("Id in the store; a user made anew has another.", 64)] = msgspec.field(
        name="userID", default=""
    )
    arn: Annotated[str, fields.text("ARN for policies.", ARN_MAX)] = ""
    keys: Annotated[
        tuple[AccessKeyStatus, ...], fields.listed("Access keys that are valid now.", KEYS_SHOWN_MAX, keys=("accessKeyID",))
    ] = ()
    secret_ref: Annotated[SecretRef, fields.doc("The Secret with credentials.")] | None = None
    conditions: ConditionList = ()


class ObjectUser(fields.Model, frozen=True, kw_only=True):
    """A user of a StorageCluster with access keys."""

    api_version: str = API_VERSION
    kind: str = "ObjectUser"
    metadata: ObjectMeta = ObjectMeta()
    spec: ObjectUserSpec
    status: ObjectUserStatus = ObjectUserStatus()

    @property
    def user_name(self) -> str:
        """The name in IAM: users of two namespaces never meet. Raises ``InvalidResource`` for an object without a name."""
        return self.spec.user_name or dns_label(self.metadata.namespace, self.metadata.name)
