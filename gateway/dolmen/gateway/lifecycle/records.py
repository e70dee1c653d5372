"""A lifecycle configuration as it is kept with its bucket: typed, immutable, stored as msgpack.

Times are microseconds since the epoch, ages are days of the lifecycle's clock. What was written is remembered closely enough to
be told again as it came: Terraform compares.
"""

from __future__ import annotations

import enum

import msgspec

CONFIGURATION = "lifecycle"  # name of the sub-resource in the bucket's record

ALL_CLASSES_128K = "all_storage_classes_128K"
VARIES_BY_CLASS = "varies_by_storage_class"
MINIMUM_SIZES = (ALL_CLASSES_128K, VARIES_BY_CLASS)

# How cold a class is; objects move only towards larger numbers. Names that are not here count as STANDARD.
# https://docs.aws.amazon.com/AmazonS3/latest/userguide/lifecycle-transition-general-considerations.html
COLDNESS = {
    "STANDARD": 0,
    "REDUCED_REDUNDANCY": 0,
    "STANDARD_IA": 1,
    "INTELLIGENT_TIERING": 2,
    "ONEZONE_IA": 3,
    "GLACIER_IR": 4,
    "GLACIER": 5,
    "DEEP_ARCHIVE": 6,
}
TRANSITION_CLASSES = frozenset(name for name, coldness in COLDNESS.items() if coldness)
INFREQUENT_ACCESS = frozenset({"STANDARD_IA", "ONEZONE_IA"})


class Form(enum.IntEnum):
    """How a rule says which objects it is about. Never renumber: stored."""

    PREFIX = 0  # <Prefix> of the rule itself, the first version of the API
    FILTER = 1
    AND = 2


class Filter(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """Which objects a rule is about. An absent member is fulfilled by every object."""

    form: Form = Form.FILTER
    prefix: str | None = None
    tags: tuple[tuple[str, str], ...] = ()
    size_greater: int | None = None
    size_less: int | None = None

    @property
    def has_sizes(self) -> bool:
        return self.size_greater is not None or self.size_less is not None


class Transition(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """Of current versions, by age or at a date."""

    storage_class: str
    days: int | None = None
    date_us: int | None = None


class NoncurrentTransition(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    storage_class: str
    days: int
    newer: int | None = None  # so many newer noncurrent versions stay as they are


class NoncurrentExpiration(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    days: int
    newer: int | None = None  # so many newer noncurrent versions are kept


class Rule(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """One rule; at most one of ``expire_days``, ``expire_date_us`` and ``remove_markers`` is set."""

    id: str
    is_enabled: bool
    filter: Filter = Filter()
    expire_days: int | None = None
    expire_date_us: int | None = None
    remove_markers: bool | None = None  # delete markers that are all that is left of a key; False was written, and does nothing
    transitions: tuple[Transition, ...] = ()
    noncurrent_expiration: NoncurrentExpiration | None = None
    noncurrent_transitions: tuple[NoncurrentTransition, ...] = ()
    abort_days: int | None = None

    @property
    def expires(self) -> bool:
        """It ends current versions."""
        return self.expire_days is not None or self.expire_date_us is not None


class Lifecycle(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """The configuration of a bucket."""

    rules: tuple[Rule, ...]
    minimum_size: str = ALL_CLASSES_128K  # x-amz-transition-default-minimum-object-size
