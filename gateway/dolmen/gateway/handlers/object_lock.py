"""The lock of an object that is being written (not yet)."""

from __future__ import annotations

from collections.abc import Mapping

from dolmen.gateway.handlers.call import Call
from dolmen.gateway.metadata.records import Lock
from dolmen.gateway.s3.fault import S3Fault

_HEADERS = ("x-amz-object-lock-mode", "x-amz-object-lock-retain-until-date", "x-amz-object-lock-legal-hold")


async def lock_of_new_object(call: Call, headers: Mapping[str, str]) -> Lock | None:
    """From the headers, else from the bucket's default retention."""
    for name in _HEADERS:
        if name in headers:
            raise S3Fault("NotImplemented", fields=(("Header", name),))
    return None
