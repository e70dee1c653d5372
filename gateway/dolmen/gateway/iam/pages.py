"""Marker, MaxItems and IsTruncated of lists. A marker is the name of the last item seen, in base64: opaque, never stale."""

from __future__ import annotations

import base64
import binascii
from collections.abc import AsyncIterator, Iterable, Mapping
from typing import Any, TypeVar

from dolmen.gateway.iam.fault import invalid
from dolmen.gateway.iam.limits import PAGE_ITEMS_DEFAULT

T = TypeVar("T")


def after_of(given: Mapping[str, Any]) -> str:
    """The name behind which the list goes on. Raises ValidationError for a marker that is none of ours."""
    marker = given.get("Marker")
    if marker is None:
        return ""
    try:
        return base64.b64decode(marker, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError, ValueError) as error:
        raise invalid(f"Invalid Marker: {marker}") from error


def _page(name: str, found: list[tuple[str, Any]], limit: int) -> dict[str, Any]:
    output: dict[str, Any] = {name: [item for _, item in found[:limit]], "IsTruncated": len(found) > limit}
    if len(found) > limit:
        output["Marker"] = base64.b64encode(found[limit - 1][0].encode()).decode()
    return output


def page(name: str, items: Iterable[tuple[str, T]], given: Mapping[str, Any]) -> dict[str, Any]:
    """One page of ``items`` (pairs of sort key and member) as members of an output; ``name``: the list's."""
    limit = given.get("MaxItems", PAGE_ITEMS_DEFAULT)
    after = after_of(given)
    found = [item for item in sorted(items, key=lambda one: one[0]) if item[0] > after]
    return _page(name, found[: limit + 1], limit)


async def page_of(name: str, items: AsyncIterator[tuple[str, T]], given: Mapping[str, Any]) -> dict[str, Any]:
    """As ``page`` for items that come in order and begin behind ``after_of``: stops reading when the page is full."""
    limit = given.get("MaxItems", PAGE_ITEMS_DEFAULT)
    found: list[tuple[str, Any]] = []
    async for item in items:
        found.append(item)
        if len(found) > limit:
            break
    return _page(name, found, limit)
