"""The encryption of an object that is being written (not yet)."""

from __future__ import annotations

from collections.abc import Mapping

from dolmen.gateway.handlers.call import Call
from dolmen.gateway.metadata.records import Encryption
from dolmen.gateway.s3.fault import S3Fault

_HEADERS = (
    "x-amz-server-side-encryption",
    "x-amz-server-side-encryption-customer-algorithm",
    "x-amz-server-side-encryption-customer-key",
    "x-amz-copy-source-server-side-encryption-customer-algorithm",
)


async def sealing_of_new_object(call: Call, headers: Mapping[str, str]) -> Encryption | None:
    """From the headers, else from the bucket's default."""
    for name in _HEADERS:
        if name in headers:
            raise S3Fault("NotImplemented", fields=(("Header", name),))
    return None
