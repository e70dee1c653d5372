"""A new key service beside the one before: the new one seals, each opens what it sealed. Rewrapping moves objects over."""

from __future__ import annotations

from collections.abc import Sequence

from dolmen.gateway.kms.service import DataKey, KeyInfo, KeyService, SealedKey


class MigratingKeys:
    """The ``KeyService`` that is the current one but for what the former one sealed."""

    def __init__(self, current: KeyService, former: KeyService) -> None:
        self._current = current
        self._former = former

    def _of(self, sealed: bytes) -> KeyService:
        return self._former if self._former.owns(sealed) else self._current

    @property
    def label(self) -> str:
        return f"{self._current.label} after {self._former.label}"

    def owns(self, sealed: bytes) -> bool:
        return self._current.owns(sealed) or self._former.owns(sealed)

    async def generate(self, name: str, context: bytes) -> DataKey:
        return await self._current.generate(name, context)

    async def seal(self, name: str, data_key: bytes, context: bytes) -> SealedKey:
        return await self._current.seal(name, data_key, context)

    async def unseal(self, name: str, sealed: bytes, context: bytes) -> bytes:
        return await self._of(sealed).unseal(name, sealed, context)

    async def reseal(self, name: str, sealed: bytes, context: bytes) -> SealedKey:
        if self._current.owns(sealed):
            return await self._current.reseal(name, sealed, context)
        return await self._current.seal(name, await self._former.unseal(name, sealed, context), context)

    async def is_current(self, name: str, sealed: bytes) -> bool:
        return self._current.owns(sealed) and await self._current.is_current(name, sealed)

    async def describe(self, name: str) -> KeyInfo:
        return await self._current.describe(name)

    async def list_keys(self, after: str, limit: int) -> Sequence[KeyInfo]:
        return await self._current.list_keys(after, limit)

    async def create(self, name: str) -> None:
        await self._current.create(name)

    async def ensure(self, names: Sequence[str]) -> None:
        await self._current.ensure(names)

    async def rotate(self, name: str) -> int:
        return await self._current.rotate(name)

    async def set_enabled(self, name: str, *, enabled: bool) -> None:
        await self._current.set_enabled(name, enabled=enabled)

    async def rewrap(self) -> int:
        return await self._current.rewrap() + await self._former.rewrap()

    async def close(self) -> None:
        await self._current.close()
        await self._former.close()
