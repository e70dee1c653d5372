"""Stores by their addresses, as the actions work on them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Protocol

from dolmen.core.clock import Clock
from dolmen.core.errors import ConfigError
from dolmen.gateway.metadata.cassandra.address import SCHEME, parse_address
from dolmen.gateway.metadata.embedded.tool import ToolFile, schema_of
from dolmen.gateway.metadata.listcheck import ListedStore
from dolmen.gateway.metadata.transfer import Transferable

GRACE_SECONDS = 900.0  # of garbage notes, of which nothing here makes any
EMBEDDED = "embedded"


class ToolStore(Transferable, ListedStore, Protocol):
    """What every action may need."""


def is_file(text: str) -> bool:
    """Whether an address is one of a file. Raises ``ConfigError`` when it is none at all."""
    kind, _, rest = text.partition(":")
    if kind == EMBEDDED and rest:
        return True
    if kind == SCHEME:
        return False
    raise ConfigError(f"metadata {text!r} is neither {EMBEDDED}:PATH nor {SCHEME}://HOST,HOST/KEYSPACE")


def path_of(text: str) -> str:
    """The path in an address of a file."""
    return text.partition(":")[2]


def peer_of(text: str) -> str:
    """How a store is named in the state of a copy: without parameters, and the same for the same file."""
    if is_file(text):
        return f"{EMBEDDED}:{Path(path_of(text)).resolve()}"
    address = parse_address(text)
    hosts = sorted(f"[{host}]:{port}" if ":" in host else f"{host}:{port}" for host, port in address.contact_points)
    return f"{SCHEME}://{','.join(hosts)}/{address.keyspace}"


def check_file(text: str, *, exists: bool) -> None:
    """Raises ``ConfigError`` when a file that is to be used is not there, or is not of this program's schema."""
    path = path_of(text)
    if Path(path).is_file():
        schema_of(path)
    elif exists:  # opening would make an empty one
        raise ConfigError(f"there is no metadata file {path}")


@asynccontextmanager
async def opened(text: str, clock: Clock, *, exists: bool = True) -> AsyncIterator[ToolStore]:
    """The store, open. ``exists``: a file must be there. Raises ``ConfigError``, ``MetadataUnavailable``."""
    if is_file(text):
        async with opened_file(text, clock, exists=exists) as file:
            yield file
        return
    from dolmen.gateway.metadata.cassandra.tool import opened_tool  # noqa: PLC0415 - its driver takes a second to load

    async with opened_tool(parse_address(text), clock) as tool:
        yield tool


@asynccontextmanager
async def opened_unused(text: str, clock: Clock) -> AsyncIterator[ToolStore]:
    """A store that is to be loaded; a file is made if need be. Raises ``ConfigError`` when processes use a cluster's store."""
    if is_file(text):
        async with opened_file(text, clock, exists=False) as file:
            yield file
        return
    from dolmen.gateway.metadata.cassandra.tool import opened_tool  # noqa: PLC0415 - as in ``opened``

    async with opened_tool(parse_address(text), clock) as tool:
        await tool.require_unused()
        yield tool


@asynccontextmanager
async def opened_file(text: str, clock: Clock, *, exists: bool = True) -> AsyncIterator[ToolFile]:
    """As ``opened``, for files."""
    check_file(text, exists=exists)
    file = ToolFile(path_of(text), clock, garbage_grace_seconds=GRACE_SECONDS)
    await file.open()
    try:
        yield file
    finally:
        await file.close()
