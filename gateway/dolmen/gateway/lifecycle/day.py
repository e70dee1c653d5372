"""How long a day of lifecycle rules is: one setting of gateways (they tell dates) and of maintenance (it keeps them)."""

from __future__ import annotations

from dolmen.core.settings import Setting, at_least

DAY_SETTING = Setting(
    flag="lifecycle-day-seconds",
    help="How long a day of lifecycle rules is",
    default=86_400,
    unit="seconds",
    reason="a real day; a few seconds let tests see rules act. All processes need the same",
    parse=at_least(1),
)
SECOND_US = 1_000_000
