"""A write in flight; the transaction of its commit is all the protection that one file needs."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field

from dolmen.core.clock import Clock
from dolmen.gateway.metadata.store import Intent, IntentExpired

INTENT_SECONDS = 24 * 3600.0  # an upload that takes longer must not commit: its data may be condemned as an orphan


@dataclass(frozen=True, slots=True)
class EmbeddedIntent:
    """See ``Intent``."""

    bucket_id: bytes
    key: bytes
    begun_seconds: float
    write_id: bytes = field(default_factory=lambda: secrets.token_bytes(16))


def alive(intent: Intent, clock: Clock) -> EmbeddedIntent:
    """The intent as ours. Raises ``IntentExpired``."""
    assert isinstance(intent, EmbeddedIntent)
    if clock.monotonic_seconds() - intent.begun_seconds > INTENT_SECONDS:
        raise IntentExpired("the upload took longer than its intent lives")
    return intent
