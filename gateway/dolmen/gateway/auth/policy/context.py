"""Condition keys of a request (being written)."""

from __future__ import annotations

from typing import Self

from dolmen.gateway.auth.facts import RequestFacts
from dolmen.gateway.auth.principal import Principal


class Context:
    """Condition key to values, evaluated when asked."""

    @classmethod
    def of_request(cls, facts: RequestFacts, principal: Principal | None, resource_account: str) -> Self:
        return cls()
