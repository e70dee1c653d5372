"""The ACL of an object that is being written (ACLs are disabled so far)."""

from __future__ import annotations

from collections.abc import Mapping

from dolmen.gateway.handlers.attributes import refuse_acls
from dolmen.gateway.handlers.call import Call


def acl_of_new_object(call: Call, headers: Mapping[str, str]) -> bytes:
    """The stored form; b"" is the owner alone. Raises AccessControlListNotSupported."""
    refuse_acls(headers)
    return b""


def owner_of_new_object(call: Call) -> str:
    """Account id of the owner: the bucket's owner while ACLs are disabled."""
    return call.bucket.owner
