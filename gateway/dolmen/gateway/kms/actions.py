"""What ``dolmen kms`` does, each action with a result that can be shown as text or as JSON."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from dolmen.core.clock import Clock
from dolmen.core.errors import ClientFault, Unavailable
from dolmen.gateway.kms.duty import BUCKETS_PAGE, SETTLE_US, KeyDuty, Pass
from dolmen.gateway.kms.keyring import (
    Keyring,
    KeyringFile,
    KeyringLacksKey,
    parse_keyring,
    prepared,
    rotated,
    with_first,
    without,
)
from dolmen.gateway.kms.keyring_change import changing
from dolmen.gateway.kms.local import LocalKeys
from dolmen.gateway.kms.service import KEYS_PAGE_MAX, KeyService
from dolmen.gateway.metadata.store import DocumentChanged, MetadataStore

TURN_SECONDS = 1.0  # until another try, when maintenance saved its own progress in between
SETTLE_POLL_SECONDS = 0.5  # while gateways still seal with the old version
LOOK_SECONDS = 0.2  # between two looks at the progress

Told = Callable[[Pass | None, int, float], None]  # the pass, how many buckets there are, seconds until it begins


class Key(msgspec.Struct, frozen=True):
    """A named key."""

    name: str
    version: int
    enabled: bool
    created: str  # ISO 8601; "" where the key server does not tell


class ClusterKey(msgspec.Struct, frozen=True):
    """A key of the keyring, or one that is missing from it."""

    id: str
    state: str  # "current", "prepared", "old", "missing" (from the file)
    wraps: int  # versions of named keys


class Keys(msgspec.Struct, frozen=True):
    """What there is."""

    service: str
    keys: list[Key]
    cluster_keys: list[ClusterKey]


class Changed(msgspec.Struct, frozen=True):
    """A named key after a change."""

    name: str
    version: int
    enabled: bool


class Rewrapped(msgspec.Struct, frozen=True):
    """A whole pass."""

    keys: int  # versions of named keys that were wrapped by an older key of the keyring
    buckets: int
    seen: int  # versions of objects, encrypted or not
    rewrapped: int
    left: int


class ClusterKeyChanged(msgspec.Struct, frozen=True):
    """The keyring after a change of its file."""

    file: str
    current: str
    added: str = ""
    dropped: list[str] = []
    rewrapped: int = 0  # versions of named keys


class StillNeeded(ClientFault):
    """A key of the keyring still wraps something."""


async def list_keys(service: KeyService, local: LocalKeys | None, keyring: Path | None) -> Keys:
    """Raises what ``KeyService.list_keys`` raises."""
    keys: list[Key] = []
    while True:
        page = await service.list_keys(keys[-1].name if keys else "", KEYS_PAGE_MAX)
        keys += [Key(info.name, info.version, info.enabled, _time(info.created_us)) for info in page]
        if len(page) < KEYS_PAGE_MAX:
            break
    rings: list[ClusterKey] = []
    if local is not None and keyring is not None:
        counts = await local.wrapped_by()
        ring = parse_keyring(keyring.read_text("ascii"), "the keyring")
        rings = [ClusterKey(key_id, _state_of(ring, key_id), counts.pop(key_id, 0)) for key_id in ring.keys]
        rings += [ClusterKey(key_id, "missing", count) for key_id, count in sorted(counts.items())]
    return Keys(service.label, keys, rings)


def _state_of(ring: Keyring, key_id: str) -> str:
    if key_id == ring.current_id:
        return "current"
    return "prepared" if ring.is_prepared(key_id) else "old"


async def changed(service: KeyService, name: str) -> Changed:
    """How a key is now."""
    info = await service.describe(name)
    return Changed(info.name, info.version, info.enabled)


async def rewrap(store: MetadataStore, service: KeyService, clock: Clock, told: Told) -> Rewrapped:
    """A pass over everything, or the rest of one that was cut short. ``told`` hears of the progress from time to time.

    Maintenance may be at it too: then both go on from what the other one saved. Raises what ``KeyDuty.step`` raises, but not
    ``DocumentChanged``; what was done stays done.
    """
    total = await _count_buckets(store)
    wrapped = await service.rewrap()
    duty = KeyDuty(store, service, clock)

    async def look() -> None:
        while True:
            state = duty.state
            until_us = 0 if state is None or state.bucket else state.noticed_us + SETTLE_US
            told(state, total, max(0.0, (until_us - clock.now_us()) / 1e6))
            await asyncio.sleep(LOOK_SECONDS)

    looking = asyncio.create_task(look())
    anew = True
    try:
        while True:
            try:
                state = await duty.step(anew=anew)
            except DocumentChanged:
                await asyncio.sleep(TURN_SECONDS)
                continue
            finally:
                anew = anew and (duty.state is None or duty.state.done)
            if state.done:
                break
            await asyncio.sleep(SETTLE_POLL_SECONDS)
    finally:
        looking.cancel()
        await asyncio.gather(looking, return_exceptions=True)
    told(state, total, 0.0)
    return Rewrapped(wrapped, state.buckets, state.seen, state.rewrapped, state.left)


async def _count_buckets(store: MetadataStore) -> int:
    after, count = "", 0
    while True:
        page = await store.all_buckets(after, BUCKETS_PAGE)
        count += len(page)
        if len(page) < BUCKETS_PAGE:
            return count
        after = page[-1].name


# ---- the keyring ---------------------------------------------------------------------------------------------------

async def rotate_cluster_key(store: MetadataStore, clock: Clock, path: Path, use: str = "") -> ClusterKeyChanged:
    """A fresh key, or the prepared one called ``use``, becomes the current one, and wraps all keys of the local service.

    Raises ``ConfigError``, ``KeyringLacksKey`` (before anything is changed), what the store raises: ``rewrap`` does the rest then.
    """
    with changing(path) as file:
        await _check_complete(LocalKeys(store, KeyringFile(path), clock), file.text)
        file.replace(with_first(file.text, use) if use else rotated(file.text))
        current = parse_keyring(file.text, "the keyring").current_id
        count = await LocalKeys(store, KeyringFile(path), clock).rewrap()
    return ClusterKeyChanged(str(path), current, added="" if use else current, rewrapped=count)


def prepare_cluster_key(path: Path) -> ClusterKeyChanged:
    """A fresh key that wraps nothing yet. Raises ``ConfigError``."""
    with changing(path) as file:
        file.replace(prepared(file.text))
        ring = parse_keyring(file.text, "the keyring")
    return ClusterKeyChanged(str(path), ring.current_id, added=list(ring.keys)[-1])


async def drop_old_cluster_keys(store: MetadataStore, clock: Clock, path: Path) -> ClusterKeyChanged:
    """Remove the keys that were current before. Raises ``StillNeeded``, ``ConfigError``."""
    with changing(path) as file:
        before = file.text
        ring = parse_keyring(before, "the keyring")
        old = ring.old_ids
        local = LocalKeys(store, KeyringFile(path), clock)
        _check_unused(await local.wrapped_by(), old)
        if old:
            file.replace(without(before, old))
            try:
                _check_unused(await local.wrapped_by(), old)  # a process with an older file may have wrapped a key meanwhile
            except BaseException:
                file.replace(before)
                raise
    return ClusterKeyChanged(str(path), ring.current_id, dropped=old)


async def _check_complete(local: LocalKeys, text: str) -> None:
    missing = sorted(set(await local.wrapped_by()) - set(parse_keyring(text, "the keyring").keys))
    if missing:
        raise KeyringLacksKey(f"the keyring has no key {', '.join(missing)}, which still wraps keys: nothing was changed")


def _check_unused(counts: dict[str, int], old: list[str]) -> None:
    needed = [f"{key_id} ({counts[key_id]})" for key_id in old if counts.get(key_id)]
    if needed:
        raise StillNeeded(f"these keys still wrap keys of the store: {', '.join(needed)}; `dolmen kms rewrap` wraps them anew")


def local_keys(store: MetadataStore, clock: Clock, keyring: Path | None) -> LocalKeys | None:
    """The local service, where there is a keyring. Raises ``ConfigError``."""
    return None if keyring is None else LocalKeys(store, KeyringFile(keyring), clock)


def needs_keyring(keyring: Path | None) -> Path:
    """Raises ``Unavailable`` where only a key server keeps the keys."""
    if keyring is None:
        raise Unavailable("the keys are in a key server, which wraps them itself: there is no encryption key file")
    return keyring


def _time(us: int) -> str:
    return datetime.fromtimestamp(us / 1e6, UTC).isoformat(timespec="seconds").replace("+00:00", "Z") if us else ""
