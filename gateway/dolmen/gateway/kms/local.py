"""A key service of the store's own: versions of named keys as documents, wrapped by the cluster's keyring, which lies elsewhere.

Without the keyring nobody who has the metadata can open anything.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import msgspec

from dolmen.core.clock import Clock
from dolmen.core.errors import Corruption
from dolmen.gateway.kms.envelope import WrongKey, enclose, unclose
from dolmen.gateway.kms.keyring import KeyringFile, wrapped_by
from dolmen.gateway.kms.names import INTERNAL, is_name
from dolmen.gateway.kms.service import (
    DataKey,
    KeyInfo,
    KmsKeyDisabled,
    KmsKeyExists,
    NoSuchKmsKey,
    SealedKey,
    SealedKeyBroken,
    create_missing,
)
from dolmen.gateway.metadata.records import DocumentChange
from dolmen.gateway.metadata.store import DocumentChanged, MetadataStore
from dolmen.gateway.objects.sealing import new_key

SPACE, KIND = "kms", "key"  # of the documents
FRESH_SECONDS = 5.0  # how long other processes go on with a key that was rotated or disabled
CACHED_KEYS_MAX = 1024  # with all their versions in memory; above it the cache starts anew
KEYS_PAGE = 100  # records read at a time
CHANGE_ATTEMPTS_MAX = 8  # races of rotations before giving up
_FORM = b"\x01"  # of a sealed key: this byte, the version (4 bytes), the envelope
_VERSION_BYTES = 4


class KeyVersion(msgspec.Struct, frozen=True, array_like=True):
    """One generation of a key."""

    number: int
    created_us: int
    wrapped: bytes  # by the keyring


class KeyRecord(msgspec.Struct, frozen=True, kw_only=True):
    """A named key, as stored."""

    created_us: int
    versions: tuple[KeyVersion, ...]  # oldest first
    enabled: bool = True

    @property
    def newest(self) -> KeyVersion:
        return self.versions[-1]


class _Known(msgspec.Struct):
    """A key in memory; versions are unwrapped when they are needed."""

    record: KeyRecord
    rev: int
    until_seconds: float
    open: dict[int, bytes] = {}

    def __repr__(self) -> str:
        return "<key>"


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(KeyRecord).decode


def _bound(name: str, number: int) -> bytes:
    """What a wrapped version is tied to."""
    return f"dolmen/kms/{name}/{number}".encode()


class LocalKeys:
    """The ``KeyService`` over a metadata store and a keyring."""

    def __init__(self, store: MetadataStore, keyring: KeyringFile, clock: Clock) -> None:
        self._store = store
        self._keyring = keyring
        self._clock = clock
        self._known: dict[str, _Known] = {}

    @property
    def label(self) -> str:
        return "local"

    def owns(self, sealed: bytes) -> bool:
        return sealed.startswith(_FORM)

    async def generate(self, name: str, context: bytes) -> DataKey:
        plaintext = new_key()
        sealed = await self.seal(name, plaintext, context)
        return DataKey(plaintext, sealed.sealed, sealed.version)

    async def seal(self, name: str, data_key: bytes, context: bytes) -> SealedKey:
        try:
            known = await self._usable(name)
        except NoSuchKmsKey:
            if name not in INTERNAL:
                raise
            await create_missing(self, (name,))
            known = await self._usable(name)
        number = known.record.newest.number
        envelope = enclose(self._material(name, known, known.record.newest), data_key, context)
        return SealedKey(_FORM + number.to_bytes(_VERSION_BYTES, "big") + envelope, number)

    async def unseal(self, name: str, sealed: bytes, context: bytes) -> bytes:
        number = _version_of(sealed)
        known = await self._usable(name, number)
        version = next((one for one in known.record.versions if one.number == number), None)
        if version is None:
            raise SealedKeyBroken(f"key {name} has no version {number}")
        try:
            return unclose(self._material(name, known, version), sealed[1 + _VERSION_BYTES :], context)
        except WrongKey:
            raise SealedKeyBroken(f"a data key sealed by version {number} of key {name} does not open") from None

    async def reseal(self, name: str, sealed: bytes, context: bytes) -> SealedKey:
        return await self.seal(name, await self.unseal(name, sealed, context), context)

    async def is_current(self, name: str, sealed: bytes) -> bool:
        number = _version_of(sealed)
        return (await self._find(name, number)).record.newest.number == number

    async def describe(self, name: str) -> KeyInfo:
        return _info(name, (await self._find(name, fresh=True)).record)

    async def list_keys(self, after: str, limit: int) -> list[KeyInfo]:
        found = await self._store.list_documents(SPACE, KIND, "", after, limit)
        return [_info(document.name, _decode(document.raw)) for document in found]

    async def create(self, name: str) -> None:
        if not is_name(name):
            raise NoSuchKmsKey(f"{name!r} is no name of a key")
        now_us = self._clock.now_us()
        record = KeyRecord(created_us=now_us, versions=(self._new_version(name, 1, now_us),))
        try:
            await self._store.write_documents(SPACE, [DocumentChange(kind=KIND, name=name, raw=_encode(record), expected_rev=0)])
        except DocumentChanged:
            raise KmsKeyExists(name) from None

    async def ensure(self, names: Sequence[str]) -> None:
        await create_missing(self, names)

    async def rotate(self, name: str) -> int:
        def next_version(record: KeyRecord) -> KeyRecord:
            version = self._new_version(name, record.newest.number + 1, self._clock.now_us())
            return msgspec.structs.replace(record, versions=(*record.versions, version))

        return (await self._change(name, next_version)).newest.number

    async def set_enabled(self, name: str, *, enabled: bool) -> None:
        await self._change(name, lambda record: msgspec.structs.replace(record, enabled=enabled))

    async def rewrap(self) -> int:
        """Wrap every version of every key by the keyring's current key; returns how many were not.

        Afterwards the older keys of the ring are needed no more. May be cut short anywhere and begun again.
        """
        self._keyring.reload()
        after, count = "", 0
        while True:
            page = await self._store.list_documents(SPACE, KIND, "", after, KEYS_PAGE)
            for document in page:
                stale = [one for one in _decode(document.raw).versions if not self._keyring.wrapped_by_current(one.wrapped)]
                if stale:
                    await self._change(document.name, partial(self._rewrapped, document.name))
                    count += len(stale)
            if len(page) < KEYS_PAGE:
                return count
            after = page[-1].name

    async def wrapped_by(self) -> dict[str, int]:
        """How many versions of keys each key of a keyring wraps; also of keyrings that are not this one."""
        counts: dict[str, int] = {}
        after = ""
        while True:
            page = await self._store.list_documents(SPACE, KIND, "", after, KEYS_PAGE)
            for document in page:
                for version in _decode(document.raw).versions:
                    key_id = wrapped_by(version.wrapped)
                    counts[key_id] = counts.get(key_id, 0) + 1
            if len(page) < KEYS_PAGE:
                return counts
            after = page[-1].name

    def _rewrapped(self, name: str, record: KeyRecord) -> KeyRecord:
        versions = []
        for version in record.versions:
            bound = _bound(name, version.number)
            if not self._keyring.wrapped_by_current(version.wrapped):
                wrapped = self._keyring.wrap(self._keyring.unwrap(version.wrapped, bound), bound)
                version = msgspec.structs.replace(version, wrapped=wrapped)
            versions.append(version)
        return msgspec.structs.replace(record, versions=tuple(versions))

    async def close(self) -> None:
        self._known.clear()

    # ---- keys in memory ------------------------------------------------------------------------------------------

    async def _usable(self, name: str, number: int = 0) -> _Known:
        known = await self._find(name, number)
        if not known.record.enabled:
            raise KmsKeyDisabled(f"key {name} is disabled")
        return known

    async def _find(self, name: str, number: int = 0, *, fresh: bool = False) -> _Known:
        """The key, at most ``FRESH_SECONDS`` old and with version ``number`` where that exists."""
        now = self._clock.monotonic_seconds()
        known = self._known.get(name)
        if known is not None and now < known.until_seconds and number <= known.record.newest.number and not fresh:
            return known
        document = await self._store.get_document(SPACE, KIND, name) if is_name(name) else None
        if document is None:
            self._known.pop(name, None)
            raise NoSuchKmsKey(f"there is no key {name}")
        try:
            found = _Known(_decode(document.raw), document.rev, now + FRESH_SECONDS)
        except msgspec.MsgspecError as error:
            raise Corruption(f"the record of key {name} is unreadable") from error
        if known is not None:
            found.open = known.open
        if len(self._known) >= CACHED_KEYS_MAX:
            self._known.clear()
        self._known[name] = found
        return found

    def _material(self, name: str, known: _Known, version: KeyVersion) -> bytes:
        key = known.open.get(version.number)
        if key is None:
            key = known.open[version.number] = self._keyring.unwrap(version.wrapped, _bound(name, version.number))
        return key

    def _new_version(self, name: str, number: int, now_us: int) -> KeyVersion:
        return KeyVersion(number, now_us, self._keyring.wrap(new_key(), _bound(name, number)))

    async def _change(self, name: str, change: Callable[[KeyRecord], KeyRecord]) -> KeyRecord:
        for _ in range(CHANGE_ATTEMPTS_MAX):
            known = await self._find(name, fresh=True)
            record = change(known.record)
            try:
                change_of = DocumentChange(kind=KIND, name=name, raw=_encode(record), expected_rev=known.rev)
                await self._store.write_documents(SPACE, [change_of])
            except DocumentChanged:
                continue
            finally:
                self._known.pop(name, None)
            return record
        raise DocumentChanged(KIND, name)


def _version_of(sealed: bytes) -> int:
    if not sealed.startswith(_FORM):
        raise SealedKeyBroken("a sealed data key has an unknown form")
    return int.from_bytes(sealed[1 : 1 + _VERSION_BYTES], "big")


def _info(name: str, record: KeyRecord) -> KeyInfo:
    return KeyInfo(name, record.newest.number, record.created_us, record.enabled)
