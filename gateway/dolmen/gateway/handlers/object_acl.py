"""ACLs of objects: of those that are being written, and of those that are there.

What buckets and objects share is here too: how a request states an ACL, and how one is shown.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from dolmen.gateway.auth import acl as acls
from dolmen.gateway.auth.acl import ACLS_OF_OWNER, Acl
from dolmen.gateway.auth.authorize import ENFORCED, WRITER, BucketAccess
from dolmen.gateway.handlers.call import Call, Handler, require_version
from dolmen.gateway.handlers.events import event_of
from dolmen.gateway.handlers.headers import version_headers
from dolmen.gateway.metadata.records import VersionRecord
from dolmen.gateway.metadata.store import ObjectChanged
from dolmen.gateway.s3.fault import S3Fault
from dolmen.gateway.s3.model.inputs_generated import (
    AccessControlPolicy,
    GetObjectAclInput,
    PutBucketAclInput,
    PutObjectAclInput,
)
from dolmen.gateway.s3.model.outputs_generated import GetObjectAclOutput
from dolmen.gateway.s3.render import Response, render

UPDATE_ATTEMPTS_MAX = 8  # read-change-write races on one object before the client is told to try again

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Acl).decode


# -- new objects -------------------------------------------------------------------------------------------------------------


def access_of(call: Call) -> BucketAccess:
    """The addressed bucket as permissions see it."""
    return call.services.permissions.access_of(call.bucket)


def owner_of_new_object(call: Call) -> str:
    """Account id of the owner: the writer, where ACLs are enabled, unless it leaves the object to the bucket's owner.

    https://docs.aws.amazon.com/AmazonS3/latest/userguide/about-object-ownership.html
    """
    ownership = access_of(call).ownership
    if ownership == WRITER:
        return call.account.account_id
    if ownership == ENFORCED or call.facts.headers.get("x-amz-acl") == "bucket-owner-full-control":
        return call.bucket.owner
    return call.account.account_id


def acl_of_new_object(call: Call, headers: Mapping[str, str]) -> bytes:
    """The stored form; b"" is the owner alone.

    Raises AccessControlListNotSupported (ACLs are disabled), AccessDenied (public ones are blocked), InvalidArgument,
    InvalidRequest, UnresolvableGrantByEmailAddress.
    """
    if not acls.names_acl(headers):
        return b""
    access = access_of(call)
    if access.ownership == ENFORCED:
        refuse_while_disabled(headers)
        return b""
    owner = canonical_id_of(call, owner_of_new_object(call))
    by_email, by_id = finders(call)
    acl = acls.from_headers(headers, owner, access.owner_canonical, by_email, by_id)
    return b"" if acl is None else stored(checked_for_public(acl, access))


def refuse_while_disabled(headers: Mapping[str, str]) -> None:
    """With ACLs disabled only the one that says so is taken."""
    if headers.get("x-amz-acl", "private") not in ACLS_OF_OWNER or any(name in headers for name in acls.GRANT_HEADERS):
        raise S3Fault("AccessControlListNotSupported")


def checked_for_public(acl: Acl, access: BucketAccess) -> Acl:
    """Raises AccessDenied for a public ACL where BlockPublicAcls is on."""
    if access.block_public_acls and acls.is_public(acl):
        raise S3Fault("AccessDenied")
    return acl


def stored(acl: Acl) -> bytes:
    """b"" for what is the default."""
    return b"" if acl == acls.private(acl.owner) else _encode(acl)


# -- what requests state -----------------------------------------------------------------------------------------------------


def finders(call: Call) -> tuple[acls.Finder, acls.Finder]:
    """Canonical ids of accounts by their e-mail address and by their canonical id."""
    identities = call.services.identities

    def by_email(email: str) -> str | None:
        found = identities.by_email(email)
        return None if found is None else found.canonical_id

    def by_id(canonical_id: str) -> str | None:
        found = identities.by_canonical(canonical_id)
        return None if found is None else found.canonical_id

    return by_email, by_id


def canonical_id_of(call: Call, account_id: str) -> str:
    """Of an account; of one that is no longer declared its account id."""
    account = call.services.identities.account(account_id)
    return account_id if account is None else account.canonical_id


def requested_acl(call: Call, given: PutBucketAclInput | PutObjectAclInput, owner: str, access: BucketAccess) -> Acl:
    """The ACL that PutBucketAcl or PutObjectAcl states, by a header or by a document.

    Raises what ``acl.from_headers`` and ``acl.from_document`` raise, AccessControlListNotSupported, AccessDenied (public ones
    are blocked), MissingSecurityHeader (no ACL at all), UnexpectedContent (a header and a document).
    """
    headers, document = call.request.headers, given.access_control_policy
    by_email, by_id = finders(call)
    stated = acls.names_acl(headers)
    if stated and document is not None:
        raise S3Fault("UnexpectedContent")
    if access.ownership == ENFORCED:
        if stated:
            refuse_while_disabled(headers)
        elif document is None or acls.from_document(document, owner, by_email, by_id) != acls.private(owner):
            # s3cmd reads the ACL of a copy's source and sets it on the copy: spelled out, the owner's own is taken too.
            raise S3Fault("AccessControlListNotSupported")
        return acls.private(owner)
    if document is not None:
        return checked_for_public(acls.from_document(document, owner, by_email, by_id), access)
    found = acls.from_headers(headers, owner, access.owner_canonical, by_email, by_id)
    if found is None:
        raise S3Fault("MissingSecurityHeader", fields=(("MissingHeaderName", "x-amz-acl"),))
    return checked_for_public(found, access)


def shown(call: Call, acl: Acl) -> AccessControlPolicy:
    """As S3 shows it."""

    def name_of(canonical_id: str) -> str | None:
        found = call.services.identities.by_canonical(canonical_id)
        return None if found is None else found.display_name

    return acls.to_document(acl, name_of)


# -- objects that are there --------------------------------------------------------------------------------------------------


async def _version(call: Call, version_id: str | None) -> VersionRecord:
    found = await call.find(version_id)
    return require_version(found, call, version_id)


async def get_object_acl(call: Call, given: GetObjectAclInput) -> Response:
    """https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObjectAcl.html

    While ACLs are disabled the bucket's owner is shown as the one who may do everything.
    """
    record = await _version(call, given.version_id)
    access = access_of(call)
    if access.ownership == ENFORCED:
        acl = acls.private(access.owner_canonical)
    elif record.mutable.acl:
        acl = _decode(record.mutable.acl)
    else:
        acl = acls.private(canonical_id_of(call, record.owner))
    document = shown(call, acl)
    answer = render(call.operation, GetObjectAclOutput(owner=document.owner, grants=document.grants))
    answer.headers.extend(version_headers(record.version_id, call.bucket.versioning))
    return answer


async def put_object_acl(call: Call, given: PutObjectAclInput) -> Response:
    """https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutObjectAcl.html"""
    access = access_of(call)
    store = call.services.store
    for _ in range(UPDATE_ATTEMPTS_MAX):
        record = await _version(call, given.version_id)
        enforced = access.ownership == ENFORCED
        owner = access.owner_canonical if enforced else canonical_id_of(call, record.owner)
        acl = requested_acl(call, given, owner, access)
        answer = Response(200, version_headers(record.version_id, call.bucket.versioning), b"")
        if enforced:  # nothing to store; what was stored before ACLs were disabled stays
            return answer
        mutable = msgspec.structs.replace(record.mutable, acl=stored(acl))
        try:
            await store.update_mutable(
                call.bucket.bucket_id, call.key, record.version_id, mutable, event_of(call, "ObjectAcl:Put"), record.seq
            )
        except ObjectChanged:
            continue
        return answer
    raise S3Fault("OperationAborted")


HANDLERS: dict[str, Handler] = {"GetObjectAcl": get_object_acl, "PutObjectAcl": put_object_acl}
