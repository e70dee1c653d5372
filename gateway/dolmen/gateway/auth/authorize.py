"""May this caller do this? One pure function; the answer carries its reason.

In the bucket's own account an identity policy, the bucket policy or an ACL is enough; a caller of another account needs its own
account's consent (an identity policy) and the bucket's (policy or ACL). An explicit deny, wherever it stands, wins. Boundaries
and session policies limit what is allowed, but not what a bucket policy gives to the user, the session or everybody by name.
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html
https://docs.aws.amazon.com/AmazonS3/latest/userguide/access-control-auth-workflow-object-operation.html
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import msgspec

from dolmen.gateway.auth import acl as acls
from dolmen.gateway.auth.acl import Acl
from dolmen.gateway.auth.policy.actions import OBJECT
from dolmen.gateway.auth.policy.context import Context
from dolmen.gateway.auth.policy.document import Policy, Statement
from dolmen.gateway.auth.policy.evaluate import NOTHING_SAID, Finding, caller_of, evaluate, evaluate_for
from dolmen.gateway.auth.policy.principals import Naming
from dolmen.gateway.auth.principal import ANONYMOUS, ROOT, Principal

ENFORCED = "BucketOwnerEnforced"  # ACLs are disabled
WRITER = "ObjectWriter"


@dataclass(frozen=True, slots=True)
class Decision:
    """``code`` is S3's error code when refused, "" when allowed; ``reason`` is for the log and the audit, not for the client.

    ``statement``: the one that decided, with the kind of its policy.
    """

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
    acl: Acl | None = None  # None: private
    ownership: str = ENFORCED
    block_public_acls: bool = False
    ignore_public_acls: bool = False
    block_public_policy: bool = False
    restrict_public_buckets: bool = False
    tags: Mapping[str, str] = {}  # where access may depend on them (PutBucketAbac)


class ObjectAccess(msgspec.Struct, frozen=True, kw_only=True):
    """An object as the decision sees it."""

    owner_canonical: str
    acl: Acl | None  # None: private
    tags: Mapping[str, str]


class AccessRequest(msgspec.Struct, frozen=True):
    """One action on one resource."""

    action: str
    resource: str
    context: Context
    expected_owner: str | None = None


_OWNER = Decision(allowed=True, code="", reason="the root user of the bucket's account")
_OWN_POLICY = Decision(allowed=True, code="", reason="the root user can always mend the bucket's policy")
_SERVICE = Decision(allowed=True, code="", reason="the root user of the account")
_ANONYMOUS = Decision(allowed=False, code="AccessDenied", reason="anonymous")
_UNEXPECTED = Decision(allowed=False, code="AccessDenied", reason="the bucket's owner is not the expected one")
_NOT_OF_OWNER = Decision(
    allowed=False, code="MethodNotAllowed", reason="only the bucket owner's account may see to its policy"
)

_NO_KEY = Decision(allowed=False, code="NoSuchKey", reason="there is no such object, and the caller may know that")
_NO_VERSION = Decision(allowed=False, code="NoSuchVersion", reason="there is no such version, and the caller may know that")

# The root user of the owner keeps these whatever a policy says, or nobody could mend it.
_POLICY_ACTIONS = frozenset({"s3:getbucketpolicy", "s3:putbucketpolicy", "s3:deletebucketpolicy"})

# What an ACL grants: https://docs.aws.amazon.com/AmazonS3/latest/userguide/acl-overview.html#acl-access-policy-permission-mapping
# A grantee of WRITE may also see to the parts of uploads: S3 lets their initiator do so, whom we do not tell apart.
_BUCKET_PERMISSIONS = {
    "s3:listbucket": "READ",
    "s3:listbucketversions": "READ",
    "s3:listbucketmultipartuploads": "READ",
    "s3:putobject": "WRITE",
    "s3:putobjectacl": "WRITE",  # of an object that is being written: its writer will own it
    "s3:deleteobject": "WRITE",
    "s3:abortmultipartupload": "WRITE",
    "s3:listmultipartuploadparts": "WRITE",
    "s3:getbucketacl": "READ_ACP",
    "s3:putbucketacl": "WRITE_ACP",
}
_OBJECT_PERMISSIONS = {
    "s3:getobject": "READ",
    "s3:getobjectversion": "READ",
    "s3:getobjecttorrent": "READ",
    "s3:getobjectversiontorrent": "READ",
    "s3:getobjectacl": "READ_ACP",
    "s3:getobjectversionacl": "READ_ACP",
    "s3:putobjectacl": "WRITE_ACP",
    "s3:putobjectversionacl": "WRITE_ACP",
}
# Decided by the owner of the object, where that is not the bucket's: the bucket's policy has no say in granting them.
# Deleting, restoring and locking stay with the bucket's owner.
_OF_OBJECT_OWNER = frozenset(_OBJECT_PERMISSIONS) | {
    "s3:getobjectattributes",
    "s3:getobjectversionattributes",
    "s3:getobjecttagging",
    "s3:getobjectversiontagging",
    "s3:putobjecttagging",
    "s3:putobjectversiontagging",
    "s3:deleteobjecttagging",
    "s3:deleteobjectversiontagging",
}
_WITHOUT_OBJECT = frozenset({"s3:putobject", "s3:abortmultipartupload", "s3:listmultipartuploadparts"})

_PLAIN = "arn:aws:s3:::"
_S3 = "arn:aws:s3::"


def authorize(
    request: AccessRequest, principal: Principal | None, bucket: BucketAccess | None, target: ObjectAccess | None = None
) -> Decision:
    """Decide one action.

    ``bucket``: None for actions without one (ListBuckets, CreateBucket). ``target``: the object, when ``wants_object`` says
    that it matters; None when it does not, or when there is no such object. A read that nothing but the missing object's ACL
    could have allowed is refused with NoSuchKey (NoSuchVersion) to whoever may list the bucket, else with AccessDenied.
    """
    if bucket is None:
        return authorize_identity(request, principal)
    if request.expected_owner is not None and request.expected_owner != bucket.owner_account:
        return _UNEXPECTED
    is_owner = (
        principal is not None and principal.kind == ROOT and principal.account.account_id == bucket.owner_account
    )
    if is_owner and bucket.policy is None and (target is None or bucket.ownership == ENFORCED):
        return _OWNER
    action = request.action.lower()
    if is_owner and action in _POLICY_ACTIONS:
        return _OWN_POLICY
    decision = _Case(request, action, principal, bucket, target).decide()
    if (
        target is None
        and bucket.ownership != ENFORCED
        and not decision.allowed
        and not decision.statement
        and _OBJECT_PERMISSIONS.get(action) == "READ"
    ):
        listing = AccessRequest("s3:ListBucket", request.resource.partition("/")[0], request.context)
        if authorize(listing, principal, bucket).allowed:
            return _NO_VERSION if "version" in action else _NO_KEY
    return decision


def authorize_identity(request: AccessRequest, principal: Principal | None) -> Decision:
    """Decide an action that no bucket has a say in: of the service, of IAM and of STS."""
    if principal is None:
        return _ANONYMOUS
    if principal.kind == ROOT:
        return _SERVICE
    own = _Own(principal, request.action.lower(), _arns(request.resource, principal), request.context)
    if own.denied is not None:
        return own.denied
    return own.consent or _refused(own.why_not(request))


def wants_object(bucket: BucketAccess, principal: Principal | None, action: str) -> bool:
    """Whether the decision may depend on the object's ACL, owner or tags, so that it must be read first."""
    action = action.lower()
    if bucket.ownership != ENFORCED and action in _OF_OBJECT_OWNER:
        return True
    if action not in OBJECT or action in _WITHOUT_OBJECT:
        return False
    if bucket.policy is not None and bucket.policy.uses_object_tags:
        return True
    return principal is not None and any(
        policy.uses_object_tags
        for policies in (principal.policies, principal.session_policies or (), (principal.boundary,))
        for policy in policies
        if policy is not None
    )


def policy_is_public(policy: Policy) -> bool:
    """Whether BlockPublicPolicy refuses it."""
    return policy.is_public


def public_status(policy: Policy) -> bool:
    """``IsPublic`` of GetBucketPolicyStatus: of the policy alone, whatever blocks it."""
    return policy.is_public


# -- the parts of a decision -------------------------------------------------------------------------------------------------


def _arns(resource: str, principal: Principal | None, bucket: str = "") -> tuple[str, ...]:
    """The names of a resource. In the namespace of a tenant it is also known by the plain one, as its own clients write it.

    ``bucket``: the one whose policy is asked ("tenant:name"); else it is about a policy of ``principal``.
    """
    if not resource.startswith(_S3) or resource.startswith(_PLAIN):
        return (resource,)
    tenant, _, rest = resource.removeprefix(_S3).partition(":")
    own = bucket.rpartition(":")[0] if bucket else principal.account.tenant if principal is not None else ""
    return (resource, _PLAIN + rest) if tenant == own else (resource,)


def _refused(reason: str) -> Decision:
    return Decision(allowed=False, code="AccessDenied", reason=reason)


def _denied(kind: str, statement: Statement) -> Decision:
    return Decision(
        allowed=False, code="AccessDenied", reason=f"explicitly denied: {kind}", statement=f"{kind}: {statement.label}"
    )


def _allowed(kind: str, statement: Statement | None) -> Decision:
    label = "" if statement is None else f"{kind}: {statement.label}"
    return Decision(allowed=True, code="", reason=f"allowed: {kind}", statement=label)


class _Own:
    """What the caller's own account says: its policies, its boundary, the policies of its session."""

    __slots__ = ("_boundary", "_identity", "_session", "consent", "denied")

    def __init__(self, principal: Principal, action: str, arns: tuple[str, ...], context: Context) -> None:
        self._identity = evaluate(principal.policies, action, arns, context)
        self._boundary = self._session = None
        if principal.boundary is not None:
            self._boundary = evaluate((principal.boundary,), action, arns, context)
        if principal.session_policies is not None:
            self._session = evaluate(principal.session_policies, action, arns, context)
        self.denied = self._deny()
        self.consent: Decision | None = None
        if principal.kind == ROOT:
            self.consent = _SERVICE
        elif self._identity.allowed_by is not None and self.within_limits:
            self.consent = _allowed("identity policy", self._identity.allowed_by)

    def _deny(self) -> Decision | None:
        for kind, found in (
            ("identity policy", self._identity),
            ("permissions boundary", self._boundary),
            ("session policy", self._session),
        ):
            if found is not None and found.denied_by is not None:
                return _denied(kind, found.denied_by)
        return None

    @property
    def within_limits(self) -> bool:
        """Neither the boundary nor a session policy leaves it out."""
        return all(found is None or found.allowed_by is not None for found in (self._boundary, self._session))

    def why_not(self, request: AccessRequest) -> str:
        """The reason of an implicit deny."""
        limit = "identity-based policy"
        if self._identity.allowed_by is not None:
            limit = "permissions boundary"
            if self._boundary is None or self._boundary.allowed_by is not None:
                limit = "session policy"
        return f"no {limit} allows {request.action}"


class _Case:
    """One decision about a bucket or an object in it."""

    __slots__ = ("_action", "_bucket", "_context", "_foreign", "_principal", "_request", "_same", "_target")

    def __init__(
        self,
        request: AccessRequest,
        action: str,
        principal: Principal | None,
        bucket: BucketAccess,
        target: ObjectAccess | None,
    ) -> None:
        self._request, self._action, self._principal, self._bucket, self._target = request, action, principal, bucket, target
        self._same = principal is not None and principal.account.account_id == bucket.owner_account
        # The object belongs to another account than the bucket: its owner and its ACL decide about reading it.
        self._foreign = (
            target is not None
            and bucket.ownership != ENFORCED
            and target.owner_canonical != bucket.owner_canonical
            and action in _OF_OBJECT_OWNER
        )
        self._context = request.context
        if target is not None or bucket.tags:
            self._context = request.context.with_tags(target.tags if target is not None else {}, bucket.tags)

    def decide(self) -> Decision:
        policy = self._bucket_policy()
        if policy.denied_by is not None:
            return _denied("bucket policy", policy.denied_by)
        principal = self._principal
        if principal is None:
            return self._of_anonymous(policy)
        own = _Own(principal, self._action, _arns(self._request.resource, principal), self._context)
        if own.denied is not None:
            return own.denied
        if self._same and not self._foreign:
            return self._within_account(principal, own, policy)
        return self._across_accounts(own, policy)

    def _bucket_policy(self) -> Finding:
        bucket = self._bucket
        if bucket.policy is None:
            return NOTHING_SAID
        arns = _arns(self._request.resource, None, bucket.name)
        found = evaluate_for(bucket.policy, caller_of(self._principal), self._action, arns, self._context)
        if found.allowed_by is None:
            return found
        if self._foreign or (bucket.restrict_public_buckets and not self._same and bucket.policy.is_public):
            return NOTHING_SAID
        return found

    def _of_anonymous(self, policy: Finding) -> Decision:
        if policy.allowed_by is not None:
            if self._action in _POLICY_ACTIONS:
                return _NOT_OF_OWNER
            return _allowed("bucket policy", policy.allowed_by)
        return self._by_acl() or _refused(f"anonymous, and {self._request.action} is not public")

    def _within_account(self, principal: Principal, own: _Own, policy: Finding) -> Decision:
        if principal.kind == ROOT:
            return _OWNER
        if policy.naming is Naming.DIRECT:
            return _allowed("bucket policy", policy.allowed_by)
        if own.consent is not None:
            return own.consent
        if own.within_limits:
            if policy.naming is Naming.ROLE:
                return _allowed("bucket policy", policy.allowed_by)
            by_acl = self._by_acl()
            if by_acl is not None:
                return by_acl
        return _refused(own.why_not(self._request))

    def _across_accounts(self, own: _Own, policy: Finding) -> Decision:
        if own.consent is None:
            return _refused(own.why_not(self._request))
        if policy.allowed_by is not None:
            return _NOT_OF_OWNER if self._action in _POLICY_ACTIONS else _allowed("bucket policy", policy.allowed_by)
        by_acl = self._by_acl()
        if by_acl is not None:
            return by_acl
        whose = "object" if self._foreign else "bucket"
        return _refused(f"the {whose} belongs to another account, and nothing of it allows {self._request.action}")

    def _by_acl(self) -> Decision | None:
        """What the ACL of the object, if there is one, or else of the bucket grants, if ACLs count."""
        bucket, target = self._bucket, self._target
        if bucket.ownership == ENFORCED:
            return None
        canonical_id = None if self._principal is None else self._principal.account.canonical_id
        if target is not None and self._action in _OF_OBJECT_OWNER:
            return self._by_object_acl(target, canonical_id)
        permission = _BUCKET_PERMISSIONS.get(self._action)
        if permission is None or bucket.acl is None:
            return None
        public = not bucket.ignore_public_acls
        granted = acls.allows(bucket.acl, canonical_id, permission, public=public, groups_only=self._same)
        return _allowed("bucket ACL", None) if granted else None

    def _by_object_acl(self, target: ObjectAccess, canonical_id: str | None) -> Decision | None:
        permission = _OBJECT_PERMISSIONS.get(self._action)
        owner = ANONYMOUS.canonical_id if canonical_id is None else canonical_id
        if self._foreign and target.owner_canonical == owner and permission != "READ":
            return _allowed("ownership of the object", None)  # and whoever owns it can always see to its ACL
        if permission is None:
            return None
        acl = target.acl if target.acl is not None else acls.private(target.owner_canonical)
        public = not self._bucket.ignore_public_acls
        own_account = self._same and not self._foreign
        granted = acls.allows(acl, canonical_id, permission, public=public, groups_only=own_account)
        return _allowed("object ACL", None) if granted else None
