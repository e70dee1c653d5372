"""Kubernetes' quantities to whole bytes (or thousandths) and back.

https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/
"""

from __future__ import annotations

import re
from fractions import Fraction

from dolmen.operator.model.errors import InvalidResource
from dolmen.operator.model.fields import QUANTITY_MAX

AMOUNT_MAX = 2**63 - 1  # of a quantity in Kubernetes, in its own unit
_QUANTITY = re.compile(r"([+-]?)([0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:([KMGTPE]i|[numkMGTPE])|[eE]([-+]?[0-9]{1,2}))?", re.ASCII)
_BINARY = {"Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40, "Pi": 2**50, "Ei": 2**60}
_DECIMAL = {"n": -9, "u": -6, "m": -3, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
MILLI = 1000


def parse_quantity(quantity: int | str) -> Fraction:
    """The exact value. Raises ``InvalidResource`` (not a quantity, negative, above 2**63 - 1)."""
    if isinstance(quantity, str):
        if len(quantity) > QUANTITY_MAX or (found := _QUANTITY.fullmatch(quantity)) is None:
            raise InvalidResource(f"{quantity[:QUANTITY_MAX]!r} is not a quantity such as 10Gi, 500m or 1e9")
        sign, digits, suffix, exponent = found.groups()
        value = Fraction(digits) * _scale(suffix, exponent)
        value = -value if sign == "-" else value
    else:
        value = Fraction(quantity)
    if not 0 <= value <= AMOUNT_MAX:
        raise InvalidResource(f"the quantity {quantity} is not between 0 and {AMOUNT_MAX}")
    return value


def _scale(suffix: str | None, exponent: str | None) -> Fraction:
    if suffix in _BINARY:
        return Fraction(_BINARY[suffix])
    power = int(exponent) if exponent else _DECIMAL[suffix] if suffix else 0
    return Fraction(10) ** power


def parse_bytes(quantity: int | str) -> int:
    """Whole bytes, rounded up as Kubernetes does. Raises ``InvalidResource``."""
    return -(-parse_quantity(quantity) // 1)


def parse_milli(quantity: int | str) -> int:
    """Thousandths (of a CPU), rounded up. Raises ``InvalidResource``."""
    milli = -(-parse_quantity(quantity) * MILLI // 1)
    return milli


def format_bytes(size_bytes: int) -> str:
    """Kubernetes' canonical form with binary suffixes: the largest that leaves no fraction. Raises ``InvalidResource``."""
    parse_quantity(size_bytes)
    for suffix, unit in reversed(_BINARY.items()):
        if size_bytes and size_bytes % unit == 0:
            return f"{size_bytes // unit}{suffix}"
    return str(size_bytes)


def format_milli(milli: int) -> str:
    """``500m`` or, for whole units, ``2``. Raises ``InvalidResource``."""
    if milli < 0:
        raise InvalidResource(f"the quantity {milli}m is negative")
    whole, rest = divmod(milli, MILLI)
    return f"{milli}m" if rest else str(whole)
