"""What the actions of ``dolmen metadata`` do."""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from dolmen.core.clock import Clock
from dolmen.core.errors import ConfigError
from dolmen.gateway.metadata.cassandra.address import parse_address
from dolmen.gateway.metadata.command.progress import Progress
from dolmen.gateway.metadata.command.results import (
    Checked,
    Ended,
    Exported,
    Imported,
    Migrated,
    Result,
)
from dolmen.gateway.metadata.command.stores import check_file, is_file, opened, opened_file, opened_unused, path_of, peer_of
from dolmen.gateway.metadata.comparing import Compared, compare
from dolmen.gateway.metadata.copying import Copied, Copy, held_kind
from dolmen.gateway.metadata.embedded.database import SCHEMA_VERSION, prepare
from dolmen.gateway.metadata.embedded.tool import integrity_of, schema_of
from dolmen.gateway.metadata.listcheck import ListsChecked, check_lists
from dolmen.gateway.metadata.store import MetadataUnavailable
from dolmen.gateway.metadata.stream_file import Header, StreamWriter, check_stream, read_stream
from dolmen.gateway.metadata.transfer import ItemKind, Position, Transferable, walk


async def act(arguments: argparse.Namespace, clock: Clock, progress: Progress) -> Result:
    """Raises ``ConfigError`` for bad use, other errors of ours when it could not be done."""
    match arguments.action:
        case "migrate":
            return await migrate(arguments.metadata, clock, progress)
        case "check":
            return await check(arguments, clock, progress)
        case "scrub":
            async with opened(arguments.metadata, clock) as store:
                return await check_lists(
                    store, arguments.buckets, clock, _lists_shown(progress), heal=True, keys_per_second=arguments.rows_per_second
                )
        case "copy":
            return await copy(arguments, clock, progress)
        case "export":
            return await export(arguments.metadata, arguments.file, clock, progress)
        case "import":
            return await import_file(arguments.metadata, arguments.file, clock, progress, over=arguments.over)
        case _:
            raise AssertionError(arguments.action)


async def migrate(text: str, clock: Clock, progress: Progress) -> Migrated:
    """Bring the schema to this program's version; a store that is not there yet is made."""
    if is_file(text):
        path = path_of(text)
        before = schema_of(path) if Path(path).is_file() else 0
        prepare(path)
        return Migrated(before=before, after=SCHEMA_VERSION)
    from dolmen.gateway.metadata.cassandra.tool import migrate_keyspace  # noqa: PLC0415 - as in ``opened``

    before, after = await migrate_keyspace(parse_address(text), clock, progress.show)
    return Migrated(before=before, after=after)


async def check(arguments: argparse.Namespace, clock: Clock, progress: Progress) -> Checked:
    """Nothing is changed, not even an older schema."""
    text: str = arguments.metadata
    if is_file(text):
        check_file(text, exists=True)
        found, known, warnings = schema_of(path_of(text)), SCHEMA_VERSION, list[str]()
        progress.show("looking for damage of the file")
        reasons = await asyncio.to_thread(integrity_of, path_of(text)) if not arguments.buckets else []
        if found != known:
            reasons.insert(0, f"the schema has version {found}, not {known}: run `dolmen metadata migrate`")
    else:
        from dolmen.gateway.metadata.cassandra.tool import look  # noqa: PLC0415 - as in ``opened``

        found, known, reasons, warnings = await look(parse_address(text), clock)
    lists: ListsChecked | None = None
    if found == known and not (reasons and is_file(text)):
        async with opened(text, clock) as store:
            lists = await check_lists(
                store, arguments.buckets, clock, _lists_shown(progress), heal=False, keys_per_second=arguments.rows_per_second
            )
    return Checked(schema_found=found, schema_known=known, reasons=reasons, warnings=warnings, lists=lists)


async def copy(arguments: argparse.Namespace, clock: Clock, progress: Progress) -> Copied | Compared | Ended:
    """From a file to another store, or from Cassandra to a file."""
    source, target = arguments.source, arguments.target
    if not is_file(source) and not is_file(target):
        raise ConfigError("one of both must be embedded:PATH; between two clusters, copy to a file and from there")
    if peer_of(source) == peer_of(target):
        raise ConfigError("--from and --to are the same store")
    if arguments.end:
        async with opened_file(source if is_file(source) else target, clock) as keeper:
            await keeper.unfollow()
        return Ended(source=peer_of(source), target=peer_of(target))

    def show(kind: ItemKind, count: int, total: int | None) -> None:
        share = None if not total else count / total
        progress.show(f"{kind.name.lower()}: {count:,}{'' if total is None else f' of {total:,}'}", share)

    if arguments.verify:
        async with opened(source, clock) as first, opened(target, clock) as second:
            return await compare(first, second, show, walk_first=is_file(target))
    if is_file(source):
        async with opened_file(source, clock) as keeper, opened_unused(target, clock) as other:
            return await Copy(keeper, peer_of(target), clock, show).from_file(other, final=arguments.final)
    from dolmen.gateway.metadata.cassandra.tool import opened_tool  # noqa: PLC0415 - as in ``opened``

    async with opened_file(target, clock, exists=False) as keeper, opened_tool(parse_address(source), clock) as tool:
        return await Copy(keeper, peer_of(source), clock, show).to_file(tool, final=arguments.final)


async def export(text: str, path: Path, clock: Clock, progress: Progress) -> Exported:
    """A file is read as it is at one instant. A cluster must not be written meanwhile.

    Raises ``MetadataUnavailable`` when it was.
    """
    if not path.parent.is_dir():
        raise ConfigError(f"{path.parent} is no directory")
    began_us = clock.now_us()
    if is_file(text):
        async with opened_file(text, clock) as file:
            with file.snapshot():
                return await _write(file, path, Header(written_us=began_us, source="embedded"), progress, None)
    from dolmen.gateway.metadata.cassandra.tool import opened_tool  # noqa: PLC0415 - as in ``opened``

    async with opened_tool(parse_address(text), clock) as tool:
        return await _write(tool, path, Header(written_us=began_us, source="cassandra"), progress, tool)


class Restless(Protocol):
    """A store that cannot be read at one instant, but tells whether it was changed meanwhile."""

    async def changed_since(self, since_us: int) -> bool: ...


async def _write(
    store: Transferable, path: Path, header: Header, progress: Progress, restless: Restless | None
) -> Exported:
    writer = StreamWriter(path, header)
    try:
        count = 0
        async for kind, items, _ in walk(store, Position()):
            writer.write(items)
            count += len(items)
            progress.show(f"{kind.name.lower()}: {count:,} items written")
        if restless is not None and await restless.changed_since(header.written_us):
            raise MetadataUnavailable("the store was written meanwhile: stop all writers and export again, or use copy")
        trailer = writer.finish()
    except BaseException:
        writer.discard()
        raise
    return Exported(file=str(path), items=trailer.items, bytes=path.stat().st_size, sha256=trailer.sha256)


async def import_file(text: str, path: Path, clock: Clock, progress: Progress, *, over: bool) -> Imported:
    """The whole file is read and judged before anything of it is loaded."""
    if not path.is_file():
        raise ConfigError(f"there is no file {path}")
    progress.show("reading the file")
    counts = await asyncio.to_thread(check_stream, path)
    total, loaded = sum(counts.values()), 0
    async with opened_unused(text, clock) as store:
        held = None if over else await held_kind(store)
        if held is not None:
            raise ConfigError(f"the store is not empty, it holds a {held.name.lower()}; --over goes on with an import of this file")
        with path.open("rb") as file:
            for items in read_stream(file):
                await store.load(items)
                loaded += len(items)
                progress.show(f"{loaded:,} of {total:,} items loaded", loaded / total)
    return Imported(file=str(path), items=counts)


def _lists_shown(progress: Progress) -> Callable[[int, int], None]:
    def show(keys: int, wrong: int) -> None:
        progress.show(f"{keys:,} keys compared with their lists, {wrong:,} wrong")

    return show
