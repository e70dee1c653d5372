"""ACLs (being written)."""

from __future__ import annotations

import msgspec


class Acl(msgspec.Struct, frozen=True, array_like=True):
    """Owner and grants."""

    owner: str = ""
