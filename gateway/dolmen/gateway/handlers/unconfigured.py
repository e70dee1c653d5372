"""What cannot be configured yet: reading it answers what S3 answers where it was never set, so that SDKs and Terraform read a
plain bucket; deleting it succeeds; setting it is refused by name.
"""

from __future__ import annotations

import msgspec

from dolmen.gateway.handlers.call import Call, Handler
from dolmen.gateway.s3.fault import S3Fault
from dolmen.gateway.s3.render import Response

NOT_FOUND = {
    "GetBucketReplication": "ReplicationConfigurationNotFoundError",
}

DELETES = frozenset({"DeleteBucketReplication"})


async def _not_found(call: Call, given: msgspec.Struct) -> Response:
    raise S3Fault(NOT_FOUND[call.operation.name], fields=(("BucketName", call.bucket_name),))


async def _deleted(call: Call, given: msgspec.Struct) -> Response:
    return Response(204, [], b"")


async def not_implemented(call: Call, given: msgspec.Struct) -> Response:
    """The operation is known by name, and refused by name."""
    raise refusal(call)


def refusal(call: Call) -> S3Fault:
    """NotImplemented with the operation's name, which a client may look for."""
    name = call.operation.name
    return S3Fault("NotImplemented", f"{name} is not implemented", fields=(("Operation", name),))


HANDLERS: dict[str, Handler] = {**dict.fromkeys(NOT_FOUND, _not_found), **dict.fromkeys(DELETES, _deleted)}
