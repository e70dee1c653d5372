"""The Condition element: every operator, its negation, IfExists, ForAllValues and ForAnyValue.

Keys are ANDed, values ORed; a negated operator holds when no value matches. A missing key: a negated operator holds, any other
does not; with IfExists and with ForAllValues both hold, with ForAnyValue neither does.
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-single-vs-multi-valued-context-keys.html
"""

from __future__ import annotations

import base64
import binascii
import ipaddress
import operator
import re
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Protocol

from dolmen.gateway.auth.policy.pattern import (
    NOTHING,
    ArnPattern,
    Glob,
    Token,
    Values,
    condition_key,
    is_fixed,
    resolve,
    tokens,
)

VALUES_MAX = 2000  # of one condition: 20 KB hold no more


class InvalidCondition(ValueError):
    """An operator that there is not, or a value that it does not take."""


class Matcher(Protocol):
    """One value of a policy."""

    def matches(self, value: str, values: Values) -> bool | None:
        """Against one value of the request; None when a variable of the policy has no value."""


class Condition:
    """One operator with one key."""

    __slots__ = ("all_values", "any_value", "if_exists", "key", "matchers", "negated", "operator", "unresolved", "values")

    def __init__(self, written: str, key: str, listed: tuple[str, ...], *, variables: bool, allows: bool) -> None:
        """``written``: the operator with its prefix and suffix. ``allows``: of a statement that allows.

        Raises ``InvalidCondition``.
        """
        name = written
        self.all_values = name.lower().startswith("forallvalues:")
        self.any_value = name.lower().startswith("foranyvalue:")
        if self.all_values or self.any_value:
            name = name.partition(":")[2]
        self.if_exists = name.lower().endswith("ifexists") and name.lower() != "null"
        if self.if_exists:
            name = name[: -len("IfExists")]
        found = _OPERATORS.get(name.lower())
        if found is None or (found[0] == "Null" and (self.if_exists or self.all_values or self.any_value)):
            raise InvalidCondition(f"Invalid Condition type : {written}")
        self.operator, self.negated, make = found
        self.key = condition_key(key)
        self.values = listed
        self.matchers = tuple(make(text, variables) for text in listed)
        # A variable without a value matches nothing. Where "matches nothing" would be true, it must not open what is closed.
        self.unresolved = not allows

    def holds(self, values: Values) -> bool:
        """For a request."""
        given = values.get(self.key)
        if self.operator == "Null":
            absent = "true" if not given else "false"
            return any(matcher.matches(absent, values) for matcher in self.matchers)
        if not given:
            return self.if_exists or self.all_values or (self.negated and not self.any_value)
        if self.negated:
            return self._holds_negated(given, values)
        if self.all_values:
            return all(self._matches(value, values) for value in given)
        return any(self._matches(value, values) for value in given)

    def _matches(self, value: str, values: Values) -> bool:
        return any(matcher.matches(value, values) for matcher in self.matchers)

    def _holds_negated(self, given: tuple[str, ...], values: Values) -> bool:
        matched = []
        for value in given:
            found = [matcher.matches(value, values) for matcher in self.matchers]
            if None in found and not self.unresolved:
                return False
            matched.append(any(found))
        return not all(matched) if self.any_value else not any(matched)


# -- texts -------------------------------------------------------------------------------------------------------------------


class _Text:
    """StringEquals, StringEqualsIgnoreCase."""

    __slots__ = ("_fixed", "_fold", "_tokens")

    def __init__(self, text: str, variables: bool, fold: bool) -> None:
        self._tokens: tuple[Token, ...] = tokens(text, variables=variables, wildcards=False)
        self._fold = fold
        self._fixed = self._joined(NOTHING) if is_fixed(self._tokens) else None

    def _joined(self, values: Values) -> str | None:
        resolved = resolve(self._tokens, values)
        if resolved is None:
            return None
        text = "".join(str(piece) for piece in resolved)
        return text.casefold() if self._fold else text

    def matches(self, value: str, values: Values) -> bool | None:
        wanted = self._fixed if self._fixed is not None else self._joined(values)
        if wanted is None:
            return None
        return (value.casefold() if self._fold else value) == wanted


class _Like:
    """StringLike."""

    __slots__ = ("_glob", "_tokens")

    def __init__(self, text: str, variables: bool) -> None:
        self._tokens = tokens(text, variables=variables, wildcards=True)
        self._glob = Glob(resolve(self._tokens, NOTHING) or []) if is_fixed(self._tokens) else None

    def matches(self, value: str, values: Values) -> bool | None:
        if self._glob is not None:
            return self._glob.matches(value)
        resolved = resolve(self._tokens, values)
        return None if resolved is None else Glob(resolved).matches(value)


def _text(text: str, variables: bool) -> Matcher:
    return _Text(text, variables, fold=False)


def _folded_text(text: str, variables: bool) -> Matcher:
    return _Text(text, variables, fold=True)


def _like(text: str, variables: bool) -> Matcher:
    return _Like(text, variables)


def _arn(text: str, variables: bool) -> Matcher:
    return ArnPattern(text, variables=variables, complete=False)


# -- numbers, dates, truth, bytes, addresses ---------------------------------------------------------------------------------


class _Compared:
    """A value of an ordered or plain kind; what cannot be read in the request matches nothing."""

    __slots__ = ("_compare", "_read", "_wanted")

    def __init__(self, text: str, read: Callable[[str], object], compare: Callable[[object, object], bool], kind: str) -> None:
        wanted = read(text)
        if wanted is None:
            raise InvalidCondition(f"Invalid {kind} value: {text[:100]}")
        self._wanted, self._read, self._compare = wanted, read, compare

    def matches(self, value: str, values: Values) -> bool:
        given = self._read(value)
        return given is not None and self._compare(given, self._wanted)


_NUMBER = re.compile(r"[+-]?\d{1,30}(\.\d{1,30})?", re.ASCII)  # no exponents: 1e999999999 is no size of anything
_INTEGER = re.compile(r"\d{1,11}", re.ASCII)


def _read_number(text: str) -> Decimal | None:
    text = text.strip()
    return Decimal(text) if _NUMBER.fullmatch(text) else None


def _read_date(text: str) -> datetime | None:
    """ISO 8601 (a time without a zone is UTC), or seconds since 1970."""
    text = text.strip()
    try:
        if _INTEGER.fullmatch(text):
            return datetime.fromtimestamp(int(text), UTC)
        found = datetime.fromisoformat(text)
        return (found if found.tzinfo is not None else found.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError, OSError):
        return None


def _read_bool(text: str) -> str | None:
    text = text.strip().lower()
    return text if text in ("true", "false") else None


def _read_bytes(text: str) -> bytes | None:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None


class _Address:
    """IpAddress: an address, or a block of them in CIDR notation. IPv4 in IPv6 (``::ffff:a.b.c.d``) is IPv4."""

    __slots__ = ("_network",)

    def __init__(self, text: str) -> None:
        network = network_of(text)
        if network is None:
            raise InvalidCondition(f"Invalid IP address value: {text[:100]}")
        self._network = network

    def matches(self, value: str, values: Values) -> bool:
        try:
            address = ipaddress.ip_address(value.partition("%")[0])
        except ValueError:
            return False
        if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
            address = address.ipv4_mapped
        return address in self._network


def network_of(text: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network | None:
    """The block that a text names; bits behind the prefix do not matter."""
    try:
        return ipaddress.ip_network(text.strip(), strict=False)
    except ValueError:
        return None


Maker = Callable[[str, bool], Matcher]


def _compared(read: Callable[[str], object], compare: Callable[..., bool], kind: str) -> Maker:
    return lambda text, variables: _Compared(text, read, compare, kind)


def _operators() -> dict[str, tuple[str, bool, Maker]]:
    """By lower-case name: the name of the positive operator, whether it is negated, the maker of its matchers."""
    found: dict[str, tuple[str, bool, Maker]] = {
        "stringequals": ("StringEquals", False, _text),
        "stringnotequals": ("StringEquals", True, _text),
        "stringequalsignorecase": ("StringEqualsIgnoreCase", False, _folded_text),
        "stringnotequalsignorecase": ("StringEqualsIgnoreCase", True, _folded_text),
        "stringlike": ("StringLike", False, _like),
        "stringnotlike": ("StringLike", True, _like),
        # AWS matches both alike, with wildcards.
        "arnequals": ("ArnLike", False, _arn),
        "arnlike": ("ArnLike", False, _arn),
        "arnnotequals": ("ArnLike", True, _arn),
        "arnnotlike": ("ArnLike", True, _arn),
        "ipaddress": ("IpAddress", False, lambda text, variables: _Address(text)),
        "notipaddress": ("IpAddress", True, lambda text, variables: _Address(text)),
        "bool": ("Bool", False, _compared(_read_bool, operator.eq, "Boolean")),
        "null": ("Null", False, _compared(_read_bool, operator.eq, "Boolean")),
        "binaryequals": ("BinaryEquals", False, _compared(_read_bytes, operator.eq, "binary")),
    }
    for kind, read in (("Numeric", _read_number), ("Date", _read_date)):
        for suffix, negated, compare in (
            ("Equals", False, operator.eq),
            ("NotEquals", True, operator.eq),
            ("LessThan", False, operator.lt),
            ("LessThanEquals", False, operator.le),
            ("GreaterThan", False, operator.gt),
            ("GreaterThanEquals", False, operator.ge),
        ):
            name = kind + suffix
            found[name.lower()] = (f"{kind}Equals" if negated else name, negated, _compared(read, compare, kind.lower()))
    return found


_OPERATORS = _operators()
