"""The Principal element: whom a statement of a bucket or trust policy speaks of.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_principal.html
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum

_ACCOUNT = re.compile(r"\d{12}", re.ASCII)
_CANONICAL = re.compile(r"[0-9a-f]{64}", re.ASCII)
_ROOT = re.compile(r"arn:aws:iam::(\d{12}):root", re.ASCII)
# Users and roles with a path, sessions of roles, federated users. A wildcard is no part of a principal.
_ARN = re.compile(
    r"arn:aws:(iam::\d{12}:(user|role)/[!-~]{1,640}|sts::\d{12}:(assumed-role/[\w+=,.@-]+/[\w+=,.@-]+|federated-user/[\w+=,.@-]+))",
    re.ASCII,
)
_SERVICE = re.compile(r"[a-z0-9.-]{1,128}", re.ASCII)
_FEDERATED = re.compile(r"[!-~]{1,512}", re.ASCII)
PRINCIPALS_MAX = 1000  # of one statement: 20 KB hold no more


class Naming(IntEnum):
    """How a statement names its caller: the more directly, the less else can limit what it grants (``authorize``)."""

    NOT = 0
    ACCOUNT = 1  # the account: it decides itself, by its own policies
    ROLE = 2  # the role of a session: boundary and session policies still limit
    DIRECT = 3  # the user, the session, everybody


@dataclass(frozen=True, slots=True)
class Caller:
    """The names under which a caller may be meant. Anonymous: all empty."""

    account_id: str = ""
    canonical_id: str = ""
    arn: str = ""
    role_arn: str = ""  # of a session; of a federated user the user who made it
    federated: str = ""  # the provider of a web identity (trust policies)
    service: str = ""


class InvalidPrincipal(ValueError):
    """Names nobody that there could be. ``kind``: AWS, CanonicalUser ...; ``value``: as it was written."""

    def __init__(self, kind: str, value: str) -> None:
        super().__init__(f'"{kind}":"{value}"')
        self.kind = kind
        self.value = value


@dataclass(frozen=True, slots=True)
class PrincipalSet:
    """What one Principal or NotPrincipal lists."""

    everyone: bool = False
    accounts: frozenset[str] = frozenset()
    canonical_ids: frozenset[str] = frozenset()
    arns: frozenset[str] = frozenset()
    federated: frozenset[str] = frozenset()
    services: frozenset[str] = frozenset()

    def names(self, caller: Caller) -> Naming:
        """How the caller is named in it, if at all."""
        if self.everyone or caller.arn in self.arns:
            return Naming.DIRECT
        if (caller.federated and caller.federated in self.federated) or (caller.service and caller.service in self.services):
            return Naming.DIRECT
        if caller.role_arn and caller.role_arn in self.arns:
            return Naming.ROLE
        if caller.account_id in self.accounts or caller.canonical_id in self.canonical_ids:
            return Naming.ACCOUNT
        return Naming.NOT


def principal_set(listed: Iterable[tuple[str, str]]) -> PrincipalSet:
    """From (kind, value) pairs. Raises ``InvalidPrincipal``."""
    everyone = False
    accounts, canonical_ids, arns, federated, services = set(), set(), set(), set(), set()
    for kind, value in listed:
        root = _ROOT.fullmatch(value)
        if kind == "AWS" and value == "*":
            everyone = True
        elif kind == "AWS" and (root is not None or _ACCOUNT.fullmatch(value)):
            accounts.add(root[1] if root is not None else value)
        elif kind == "AWS" and _ARN.fullmatch(value) and "*" not in value and "?" not in value:
            arns.add(value)
        elif kind == "CanonicalUser" and _CANONICAL.fullmatch(value):
            canonical_ids.add(value)
        elif kind == "Federated" and _FEDERATED.fullmatch(value) and value != "*":
            federated.add(value)
        elif kind == "Service" and _SERVICE.fullmatch(value) and "." in value:
            services.add(value)
        else:
            raise InvalidPrincipal(kind, value)
    return PrincipalSet(
        everyone, frozenset(accounts), frozenset(canonical_ids), frozenset(arns), frozenset(federated), frozenset(services)
    )
