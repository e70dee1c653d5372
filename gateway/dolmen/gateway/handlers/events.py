"""Templates of notifications, made before the commit that they are stored with."""

from __future__ import annotations

from collections.abc import Mapping

from dolmen.gateway.delivery.template import CONFIG, template_of
from dolmen.gateway.handlers.call import Call
from dolmen.gateway.http.send import HOST_ID

ANONYMOUS = "Anonymous"


def event_of(call: Call, name: str, key: bytes | None = None, more: Mapping[str, object] | None = None) -> bytes:
    """What is stored with the commit; b"" when nobody listens. ``name``: "ObjectCreated:Put" ...; ``key``: unless the call's.

    ``more``: further members of the record.
    """
    bucket = call.bucket
    if CONFIG not in bucket.config:
        return b""
    return template_of(
        bucket,
        name,
        call.key if key is None else key,
        declared=call.services.notification_targets,
        principal=f"AWS:{call.principal.user_id}" if call.principal is not None else ANONYMOUS,
        source_ip=call.request.client_address,
        request_id=call.request.request_id,
        host_id=HOST_ID,
        more=more,
    )
