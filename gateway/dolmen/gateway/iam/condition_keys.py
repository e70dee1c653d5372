"""Condition keys of IAM and STS calls, beside those that every request has."""

from __future__ import annotations

from collections.abc import Mapping

from dolmen.gateway.auth.facts import RequestFacts
from dolmen.gateway.auth.policy.context import Context, Found
from dolmen.gateway.auth.principal import Principal


class CallContext(Context):
    """``further``: keys in lower case, names of tags too, to their values; they count before all others."""

    __slots__ = ("_further",)

    def __init__(
        self,
        facts: RequestFacts,
        principal: Principal | None,
        resource_account: str,
        further: Mapping[str, tuple[str, ...]],
    ) -> None:
        super().__init__(facts, principal, resource_account)
        self._further = further

    def get(self, key: str) -> Found:
        found = self._further.get(key.lower())
        return found if found is not None else super().get(key)


def tag_keys(prefix: str, tags: Mapping[str, str]) -> dict[str, tuple[str, ...]]:
    """``aws:requesttag/x`` and the like."""
    return {f"{prefix}/{key.lower()}": (value,) for key, value in tags.items()}


def request_tag_keys(tags: Mapping[str, str]) -> dict[str, tuple[str, ...]]:
    """What a call says of the tags that it brings."""
    return {**tag_keys("aws:requesttag", tags), "aws:tagkeys": tuple(tags)} if tags else {}


def resource_tag_keys(service: str, tags: Mapping[str, str]) -> dict[str, tuple[str, ...]]:
    """Tags that the addressed entity has."""
    return {**tag_keys("aws:resourcetag", tags), **tag_keys(f"{service}:resourcetag", tags)}
