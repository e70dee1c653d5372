"""May this caller do this? One pure function; the answer carries its reason (ownership alone so far)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import msgspec

from dolmen.gateway.auth.acl import Acl
from dolmen.gateway.auth.policy.context import Context
from dolmen.gateway.auth.policy.document import Policy
from dolmen.gateway.auth.principal import Principal


@dataclass(frozen=True, slots=True)
class Decision:
    """``code`` is S3's error code when refused, "" when allowed; ``reason`` is for the log and the audit, not for the client."""

    allowed: bool
    code: str
    reason: str
    statement: str = ""


class BucketAccess(msgspec.Struct, frozen=True, kw_only=True):
    """A bucket as the decision sees it."""

    name: str
    owner_account: str
    owner_canonical: str
    policy: Policy | None = None
    acl: Acl | None = None
    ownership: str = "BucketOwnerEnforced"
    block_public_acls: bool = False
    ignore_public_acls: bool = False
    block_public_policy: bool = False
    restrict_public_buckets: bool = False


class ObjectAccess(msgspec.Struct, frozen=True, kw_only=True):
    """An object as the decision sees it."""

    owner_canonical: str
    acl: Acl | None
    tags: Mapping[str, str]


class AccessRequest(msgspec.Struct, frozen=True):
    """One action on one resource."""

    action: str
    resource: str
    context: Context
    expected_owner: str | None = None


_OWNER = Decision(allowed=True, code="", reason="the account owns the bucket")
_SERVICE = Decision(allowed=True, code="", reason="a service-level action of an authenticated account")
_ANONYMOUS = Decision(allowed=False, code="AccessDenied", reason="anonymous, and nothing here is public")
_OTHER = Decision(allowed=False, code="AccessDenied", reason="the bucket belongs to another account")


def authorize(
    request: AccessRequest, principal: Principal | None, bucket: BucketAccess, target: ObjectAccess | None = None
) -> Decision:
    """Decide one action on a bucket or an object."""
    if principal is None:
        return _ANONYMOUS
    if request.expected_owner is not None and request.expected_owner != bucket.owner_account:
        return Decision(allowed=False, code="AccessDenied", reason="the bucket's owner is not the expected one")
    return _OWNER if bucket.owner_account == principal.account.account_id else _OTHER


def authorize_identity(request: AccessRequest, principal: Principal | None) -> Decision:
    """Decide an action without a bucket."""
    return _ANONYMOUS if principal is None else _SERVICE


def wants_object(bucket: BucketAccess, principal: Principal | None, action: str) -> bool:
    """Whether the decision may depend on the object's ACL, owner or tags."""
    return False
