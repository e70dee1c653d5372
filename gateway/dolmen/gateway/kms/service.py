"""The port of key services: named keys that never leave them, and data keys sealed under those.

Contexts are canonical bytes (``sealed_keys.context_of``); a data key opens only under the context that it was sealed under.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from dolmen.core.errors import ClientFault, Corruption, Unavailable

KEYS_PAGE_MAX = 1000  # of one list call


class KmsUnavailable(Unavailable):
    """The key service does not answer, or refuses the store itself: nothing was sealed or opened."""


class NoSuchKmsKey(ClientFault):
    """There is no key of this name."""


class KmsKeyDisabled(ClientFault):
    """The key, or the version of it that sealed this, must not be used at the moment."""


class KmsKeyExists(ClientFault):
    """A key of this name exists already."""


class KmsNotSupported(ClientFault):
    """This key service has no such action."""


class SealedKeyBroken(Corruption):
    """A sealed data key does not open: it was changed, or belongs to another key, bucket or context."""


@dataclass(frozen=True, slots=True)
class SealedKey:
    """A data key under a version of a named key."""

    sealed: bytes
    version: int


@dataclass(frozen=True, slots=True)
class DataKey:
    """A fresh data key, open and sealed."""

    plaintext: bytes = field(repr=False)
    sealed: bytes
    version: int


@dataclass(frozen=True, slots=True)
class KeyInfo:
    """What may be told of a named key."""

    name: str
    version: int  # the newest: it seals; all of them open
    created_us: int
    enabled: bool = True


class KeyService(Protocol):
    """Every method may raise ``KmsUnavailable``, those with a name ``NoSuchKmsKey``, those that use a key ``KmsKeyDisabled``."""

    @property
    def label(self) -> str:
        """Which service this is: when it becomes another one, sealed keys move over."""
        ...

    def owns(self, sealed: bytes) -> bool:
        """Whether this service made a sealed key, by its form."""
        ...

    async def generate(self, name: str, context: bytes) -> DataKey:
        """A fresh data key. Keys of the store itself (``names.INTERNAL``) come into being here."""
        ...

    async def seal(self, name: str, data_key: bytes, context: bytes) -> SealedKey:
        """A data key that exists already."""
        ...

    async def unseal(self, name: str, sealed: bytes, context: bytes) -> bytes:
        """Raises ``SealedKeyBroken``."""
        ...

    async def reseal(self, name: str, sealed: bytes, context: bytes) -> SealedKey:
        """The same data key under the newest version. Raises ``SealedKeyBroken``."""
        ...

    async def is_current(self, name: str, sealed: bytes) -> bool:
        """Whether it was sealed by the newest version of the key (cached for seconds)."""
        ...

    async def describe(self, name: str) -> KeyInfo: ...

    async def list_keys(self, after: str, limit: int) -> Sequence[KeyInfo]:
        """Keys in order of their names, > ``after``; at most ``limit``."""
        ...

    async def create(self, name: str) -> None:
        """Raises ``KmsKeyExists``."""
        ...

    async def ensure(self, names: Sequence[str]) -> None:
        """Create those that are missing, now, or when they are first needed while the service is away."""
        ...

    async def rotate(self, name: str) -> int:
        """Add a version and return its number: it seals from now on, the older ones only open."""
        ...

    async def set_enabled(self, name: str, *, enabled: bool) -> None:
        """A disabled key neither seals nor opens. Raises ``KmsNotSupported``."""
        ...

    async def rewrap(self) -> int:
        """Wrap the service's own keys by the current key of its keyring, where it has one; returns how many were not."""
        ...

    async def close(self) -> None: ...


async def ensure_keys(service: KeyService, names: Sequence[str]) -> None:
    """At the start of a gateway, which must not depend on a key server that is away; several processes may do so at once."""
    await service.ensure(names)


async def create_missing(service: KeyService, names: Sequence[str]) -> None:
    """Raises what ``KeyService.create`` raises, but not that a key exists."""
    for name in names:
        try:
            await service.create(name)
        except KmsKeyExists:
            continue
