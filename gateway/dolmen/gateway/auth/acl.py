"""Access control lists: who owns a bucket or an object, and who else may do what with it.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/acl-overview.html
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

import msgspec

from dolmen.gateway.auth.principal import ANONYMOUS
from dolmen.gateway.s3.fault import S3Fault
from dolmen.gateway.s3.model.inputs_generated import AccessControlPolicy, Grantee, Owner
from dolmen.gateway.s3.model.inputs_generated import Grant as GrantElement

ALL_USERS = "http://acs.amazonaws.com/groups/global/AllUsers"
AUTHENTICATED_USERS = "http://acs.amazonaws.com/groups/global/AuthenticatedUsers"
LOG_DELIVERY = "http://acs.amazonaws.com/groups/s3/LogDelivery"
GROUPS = frozenset({ALL_USERS, AUTHENTICATED_USERS, LOG_DELIVERY})
PUBLIC_GROUPS = frozenset({ALL_USERS, AUTHENTICATED_USERS})

FULL_CONTROL = "FULL_CONTROL"
PERMISSIONS = frozenset({"READ", "WRITE", "READ_ACP", "WRITE_ACP", FULL_CONTROL})
GRANTS_MAX = 100  # S3's limit of one list

# The account of Amazon EC2 in "aws-exec-read". https://docs.aws.amazon.com/AmazonS3/latest/userguide/acl-overview.html#canned-acl
EC2_CANONICAL_ID = "6aa5a366c34c1cbe25dc49211496e913e0351eb0e8c37aa3477e40942ec6b97c"

GRANT_HEADERS = {
    "x-amz-grant-full-control": FULL_CONTROL,
    "x-amz-grant-read": "READ",
    "x-amz-grant-read-acp": "READ_ACP",
    "x-amz-grant-write": "WRITE",
    "x-amz-grant-write-acp": "WRITE_ACP",
}
CANNED = frozenset(
    {
        "private",
        "public-read",
        "public-read-write",
        "authenticated-read",
        "aws-exec-read",
        "bucket-owner-read",
        "bucket-owner-full-control",
        "log-delivery-write",
    }
)
ACLS_OF_OWNER = frozenset({"private", "bucket-owner-full-control"})  # what a bucket with ACLs disabled takes

ID = "id"
GROUP = "group"


class Grant(msgspec.Struct, frozen=True, array_like=True):
    """One permission of one grantee."""

    kind: str  # ID or GROUP
    value: str  # canonical id, or URI of the group
    permission: str


class Acl(msgspec.Struct, frozen=True, array_like=True):
    """An access control list; stored as msgpack."""

    owner: str = ""  # canonical id
    grants: tuple[Grant, ...] = ()


Finder = Callable[[str], str | None]  # an e-mail address or a canonical id to the canonical id of an account


def private(owner: str) -> Acl:
    """The owner alone."""
    return Acl(owner, (Grant(ID, owner, FULL_CONTROL),))


def canned(name: str, owner: str, bucket_owner: str) -> Acl:
    """A canned ACL. ``bucket_owner``: of the bucket that holds the object; for a bucket its owner. Raises InvalidArgument."""
    grants = [Grant(ID, owner, FULL_CONTROL)]
    match name:
        case "private":
            pass
        case "public-read":
            grants.append(Grant(GROUP, ALL_USERS, "READ"))
        case "public-read-write":
            grants += [Grant(GROUP, ALL_USERS, "READ"), Grant(GROUP, ALL_USERS, "WRITE")]
        case "authenticated-read":
            grants.append(Grant(GROUP, AUTHENTICATED_USERS, "READ"))
        case "aws-exec-read":
            grants.append(Grant(ID, EC2_CANONICAL_ID, "READ"))
        case "log-delivery-write":
            grants += [Grant(GROUP, LOG_DELIVERY, "WRITE"), Grant(GROUP, LOG_DELIVERY, "READ_ACP")]
        case "bucket-owner-read" | "bucket-owner-full-control":
            if bucket_owner != owner:  # S3 ignores both for buckets
                grants.append(Grant(ID, bucket_owner, "READ" if name == "bucket-owner-read" else FULL_CONTROL))
        case _:
            raise S3Fault("InvalidArgument", fields=(("ArgumentName", "x-amz-acl"), ("ArgumentValue", name)))
    return Acl(owner, tuple(grants))


# -- headers -----------------------------------------------------------------------------------------------------------------

_GRANTEE = re.compile(r"\s*(id|uri|emailAddress)\s*=\s*(?:\"([^\"]*)\"|'([^']*)'|([^\s,\"']+))\s*(,|$)", re.ASCII | re.IGNORECASE)


def names_acl(headers: Mapping[str, str]) -> bool:
    """Whether a request sets an ACL by its headers."""
    return "x-amz-acl" in headers or any(name in headers for name in GRANT_HEADERS)


def from_headers(
    headers: Mapping[str, str], owner: str, bucket_owner: str, find_by_email: Finder, find_by_id: Finder
) -> Acl | None:
    """The ACL of ``x-amz-acl`` or ``x-amz-grant-*``; None when there is neither.

    The finders give the canonical id of an account by its e-mail address or canonical id, None when there is none. Raises
    InvalidArgument, InvalidRequest (both kinds of headers), UnresolvableGrantByEmailAddress.
    """
    given = [name for name in GRANT_HEADERS if name in headers]
    name = headers.get("x-amz-acl")
    if name is not None:
        if given:
            raise S3Fault("InvalidRequest", "Specifying both Canned ACLs and Header Grants is not allowed")
        return canned(name, owner, bucket_owner)
    if not given:
        return None
    grants: list[Grant] = []
    for header in given:
        for kind, value in _grantees(header, headers[header]):
            grants.append(_checked(kind, value, GRANT_HEADERS[header], find_by_email, find_by_id))
            if len(grants) > GRANTS_MAX:
                raise S3Fault("InvalidArgument", f"An access control list has at most {GRANTS_MAX} grants")
    return Acl(owner, tuple(dict.fromkeys(grants)))


def _grantees(header: str, text: str) -> list[tuple[str, str]]:
    """``id="...", uri="...", emailAddress="..."``"""
    found: list[tuple[str, str]] = []
    position = 0
    while position < len(text):
        match = _GRANTEE.match(text, position)
        if match is None or len(found) >= GRANTS_MAX:
            raise S3Fault(
                "InvalidArgument",
                "Argument format not recognized",
                fields=(("ArgumentName", header), ("ArgumentValue", text)),
            )
        kind, quoted, single, bare, _ = match.groups()
        found.append((kind.lower(), next(one for one in (quoted, single, bare, "") if one is not None)))
        position = match.end()
    return found


def _checked(kind: str, value: str, permission: str, find_by_email: Finder, find_by_id: Finder) -> Grant:
    """A grant to somebody that there is."""
    if kind == "uri":
        if value not in GROUPS:
            raise _invalid("Invalid group uri", "uri", value)
        return Grant(GROUP, value, permission)
    if kind == "id":
        found = value if value == EC2_CANONICAL_ID else find_by_id(value)
        if found is None:
            raise _invalid("Invalid id", "CanonicalUser/ID", value)
        return Grant(ID, found, permission)
    found = find_by_email(value)
    if found is None:
        raise S3Fault("UnresolvableGrantByEmailAddress", fields=(("Email", value),))
    return Grant(ID, found, permission)


def _invalid(message: str, name: str, value: str) -> S3Fault:
    return S3Fault("InvalidArgument", message, fields=(("ArgumentName", name), ("ArgumentValue", value)))


# -- documents ---------------------------------------------------------------------------------------------------------------


def from_document(document: AccessControlPolicy, owner: str, find_by_email: Finder, find_by_id: Finder) -> Acl:
    """The ACL that a document spells out.

    Raises MalformedACLError, AccessDenied (another owner than ``owner``), InvalidArgument, UnresolvableGrantByEmailAddress.
    """
    if document.owner is None or not document.owner.id:
        raise S3Fault("MalformedACLError")
    if document.owner.id != owner:
        raise S3Fault("AccessDenied")
    listed = document.grants or []
    if len(listed) > GRANTS_MAX:
        raise S3Fault("MalformedACLError")
    grants = [_grant_of(element, find_by_email, find_by_id) for element in listed]
    return Acl(owner, tuple(dict.fromkeys(grants)))


def _grant_of(element: GrantElement, find_by_email: Finder, find_by_id: Finder) -> Grant:
    grantee = element.grantee
    if grantee is None or element.permission not in PERMISSIONS:
        raise S3Fault("MalformedACLError")
    permission = element.permission
    match grantee.type:
        case "CanonicalUser" if grantee.id is not None:
            return _checked("id", grantee.id, permission, find_by_email, find_by_id)
        case "Group" if grantee.uri is not None:
            return _checked("uri", grantee.uri, permission, find_by_email, find_by_id)
        case "AmazonCustomerByEmail" if grantee.email_address is not None:
            return _checked("emailaddress", grantee.email_address, permission, find_by_email, find_by_id)
    raise S3Fault("MalformedACLError")


def to_document(acl: Acl, name_of: Callable[[str], str | None]) -> AccessControlPolicy:
    """As S3 shows it. ``name_of``: the display name of an account by its canonical id."""
    grants = [
        GrantElement(
            grantee=Grantee(type="Group", uri=grant.value)
            if grant.kind == GROUP
            else Grantee(type="CanonicalUser", id=grant.value, display_name=name_of(grant.value)),
            permission=grant.permission,
        )
        for grant in acl.grants
    ]
    return AccessControlPolicy(owner=Owner(id=acl.owner, display_name=name_of(acl.owner)), grants=grants)


# -- decisions ---------------------------------------------------------------------------------------------------------------


def allows(acl: Acl, canonical_id: str | None, permission: str, *, public: bool = True, groups_only: bool = False) -> bool:
    """Whether a permission is granted. ``canonical_id``: None is anonymous, who is meant by the id of anonymous owners too.

    ``public``: False ignores grants to the public groups (IgnorePublicAcls). ``groups_only``: for users of an account, to whom
    its own grants say nothing.
    """
    named = ANONYMOUS.canonical_id if canonical_id is None else canonical_id
    for grant in acl.grants:
        if grant.permission not in (permission, FULL_CONTROL):
            continue
        if grant.kind == ID:
            if grant.value == named and not groups_only:
                return True
        elif public and (grant.value == ALL_USERS or (grant.value == AUTHENTICATED_USERS and canonical_id is not None)):
            return True
    return False


def is_public(acl: Acl) -> bool:
    """Grants anything to everybody, or to everybody with an account."""
    return any(grant.kind == GROUP and grant.value in PUBLIC_GROUPS for grant in acl.grants)


def grants_others(acl: Acl, bucket_owner: str) -> bool:
    """Grants anything to another than the bucket's owner: what disabled ACLs cannot express."""
    return any(grant.kind == GROUP or grant.value != bucket_owner for grant in acl.grants)
