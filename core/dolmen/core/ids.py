"""Stripe ids: 128 bits, time-ordered, never reused.

Layout, most significant first::

    56 bits  microseconds since the epoch, strictly increasing within a process
    52 bits  nonce of the process, fresh from the kernel at each start
    20 bits  ordinal of the stripe within its run

A *run* is a sequence of stripes written one after the other to one placement group; its first id is drawn fresh for
each attempt, the others follow by the ordinal, so a row stores one id for many stripes. A clock that steps back cannot
cause a reuse: within a process time never repeats, and another process has another nonce (RGW lost data by reusing
part names: ceph PR 4752, PR 55042).
"""

from __future__ import annotations

import os
from typing import NewType

from dolmen.core.clock import Clock

StripeId = NewType("StripeId", bytes)

STRIPE_ID_BYTES = 16
ORDINAL_BITS = 20
RUN_STRIPES_MAX = 1 << ORDINAL_BITS  # 1 TiB at 1 MiB stripes: far above the 5 GiB that one PUT or part may carry
_NONCE_BITS = 52
_TIME_SHIFT = ORDINAL_BITS + _NONCE_BITS


class StripeIds:
    """Draws run bases; one instance for each process, created after fork."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._nonce = int.from_bytes(os.urandom(8), "big") >> (64 - _NONCE_BITS)
        self._last_us = 0

    def new_run(self) -> StripeId:
        """The id of ordinal 0 of a new run."""
        self._last_us = max(self._clock.now_us(), self._last_us + 1)
        number = (self._last_us << _TIME_SHIFT) | (self._nonce << ORDINAL_BITS)
        return StripeId(number.to_bytes(STRIPE_ID_BYTES, "big"))


def stripe_of_run(base: bytes, ordinal: int) -> StripeId:
    """The id of one stripe of the run that starts at ``base`` (ordinal 0)."""
    if not 0 <= ordinal < RUN_STRIPES_MAX:
        raise ValueError(f"ordinal {ordinal} is outside of a run")
    return StripeId((int.from_bytes(base, "big") + ordinal).to_bytes(STRIPE_ID_BYTES, "big"))


def stripe_time_us(stripe_id: bytes) -> int:
    """When the run of this stripe was begun, in microseconds since the epoch."""
    return int.from_bytes(stripe_id[:7], "big")


def run_base(stripe_id: bytes) -> StripeId:
    """The id of ordinal 0 of the run that this stripe belongs to."""
    number = int.from_bytes(stripe_id, "big")
    return StripeId((number & ~(RUN_STRIPES_MAX - 1)).to_bytes(STRIPE_ID_BYTES, "big"))
