"""Who asks: the root user of an account, an IAM user, or a session of a role. Anonymous callers are None."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import msgspec

from dolmen.gateway.auth.accounts import Account
from dolmen.gateway.auth.policy.document import Policy

ROOT = "root"
USER = "user"
ROLE = "role"
FEDERATED = "federated"

# What AWS calls everybody: the owner of what an anonymous caller writes.
ANONYMOUS = Account(
    account_id="",
    canonical_id="65a011a29cdf8ec533ec3d1ccaae921c",
    display_name="",
    email="",
)


class Principal(msgspec.Struct, frozen=True, kw_only=True):
    """A caller whose signature holds. https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html"""

    account: Account
    kind: str
    arn: str
    user_id: str  # aws:userid: the account's id for root, AIDA... of a user, AROA...:session of a role
    user_name: str = ""
    issuer_arn: str = ""  # of a session: the role's ARN
    policies: tuple[Policy, ...] = ()  # its own, its groups', its role's
    boundary: Policy | None = None
    session_policies: tuple[Policy, ...] | None = None  # None: the session was not narrowed
    keys: Mapping[str, tuple[str, ...]] = {}  # further condition keys, lower case
    access_key_id: str = ""


def root_principal(account: Account, access_key_id: str = "") -> Principal:
    """The root user: may do everything in its account."""
    return Principal(
        account=account,
        kind=ROOT,
        arn=f"arn:aws:iam::{account.account_id}:root",
        user_id=account.account_id,
        access_key_id=access_key_id,
    )


@dataclass(frozen=True, slots=True)
class Credential:
    """A key that may sign, and who it stands for."""

    secret: str = field(repr=False)
    principal: Principal
