"""What a request says about the object that it makes: one place for PutObject, CopyObject, CreateMultipartUpload and forms."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from dolmen.gateway.handlers.attributes import attributes_of, tags_of
from dolmen.gateway.handlers.call import Call
from dolmen.gateway.handlers.encryption import first_revision, sealing_of_new_object
from dolmen.gateway.handlers.object_acl import acl_of_new_object, owner_of_new_object
from dolmen.gateway.handlers.object_lock import lock_of_new_object
from dolmen.gateway.metadata.records import Attributes, MutablePart
from dolmen.gateway.s3.fault import S3Fault

_NOTHING = MutablePart()
_GRANTS = "x-amz-grant-"


class Description(msgspec.Struct, frozen=True):
    """All of a new version but its bytes."""

    attributes: Attributes
    mutable: MutablePart
    owner: str  # account id


async def describe(call: Call, headers: Mapping[str, str], *, tags: dict[str, str] | None = None) -> Description:
    """Everything checked, each permission beside the operation's own asked for. ``tags``: instead of those in the headers.

    Raises what its parts raise: AccessDenied, InvalidArgument, InvalidTag, MetadataTooLarge ...
    """
    if "x-amz-write-offset-bytes" in headers:  # appends exist in directory buckets only
        raise S3Fault("NotImplemented", fields=(("Header", "x-amz-write-offset-bytes"),))
    attributes = attributes_of(headers)
    if tags is None:
        tags = tags_of(headers)
        if tags:
            await call.require("s3:PutObjectTagging", new_object=True)
    if "x-amz-acl" in headers or any(name.startswith(_GRANTS) for name in headers):
        await call.require("s3:PutObjectAcl", new_object=True)
    acl = acl_of_new_object(call, headers)
    lock = await lock_of_new_object(call, headers)
    encryption = await sealing_of_new_object(call, headers)
    mutable = _NOTHING
    if tags or acl or lock is not None or encryption is not None:
        mutable = MutablePart(rev=first_revision(encryption), tags=tags, acl=acl, lock=lock, encryption=encryption)
    return Description(attributes, mutable, owner_of_new_object(call))
