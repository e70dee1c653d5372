"""Templates of notifications (nobody listens yet)."""

from __future__ import annotations

from dolmen.gateway.handlers.call import Call


def event_of(call: Call, name: str, key: bytes | None = None) -> bytes:
    """What is stored with the commit; b"" when nobody listens. ``name``: "ObjectCreated:Put" ...; ``key``: unless the call's."""
    return b""
