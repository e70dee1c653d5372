"""Keys in the transit engine of Vault or OpenBao: they never leave it; data keys come from it and go back to it to be opened.

Keys that this store makes are *derived*: the context goes into the key itself. Keys that an operator made without derivation
work as well, but then only the operator's policies keep a data key to its bucket.
https://openbao.org/api-docs/secret/transit/
"""

from __future__ import annotations

import asyncio
import base64
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
from prometheus_client import Counter

from dolmen.core.clock import Clock
from dolmen.core.errors import ConfigError
from dolmen.core.telemetry.log import get_logger
from dolmen.gateway.kms.names import INTERNAL, S3_KEY, is_name
from dolmen.gateway.kms.service import (
    DataKey,
    KeyInfo,
    KmsKeyDisabled,
    KmsKeyExists,
    KmsNotSupported,
    KmsUnavailable,
    NoSuchKmsKey,
    SealedKey,
    SealedKeyBroken,
    create_missing,
)
from dolmen.gateway.objects.sealing import KEY_BYTES
from dolmen.gateway.outbound import Outbound, OutboundAnswer, OutboundFailed

TIMEOUT_SECONDS = 5.0  # of one request; a healthy Vault answers in milliseconds
ATTEMPTS = 2  # a kept connection may have been closed by the server: every request here may be sent again
ANSWER_BYTES_MAX = 1 << 20  # a list of some 10,000 keys; everything else has less than 1 KiB
TOKEN_BYTES_MAX = 8192  # batch tokens have some hundred
CACHED_DATA_KEYS_MAX = 4096  # 1 MiB: a range read of an object must not cost a request each time
CACHE_SECONDS = 60.0  # how long a data key opens after Vault would refuse it
INFO_SECONDS = 5.0  # how long a rotation goes unnoticed by ``is_current``
REQUESTS = Counter("dolmen_key_server_requests_total", "Requests to the key server by the status of its answer", ["status"])

_FORM = b"vault:"
_UNKNOWN_KEY = ("encryption key not found", "no existing key named", "key not found")
_TOO_OLD = ("too old", "disallowed by policy")
_UNUSABLE = ("message authentication failed", "invalid ciphertext", "unable to decode", "no prefix", "could not be decoded")


@dataclass(frozen=True, slots=True)
class VaultAddress:
    """Where the transit engine is, and how this store shows who it is."""

    url: str  # https://HOST:PORT
    token_file: Path  # read again for each request: agents renew it
    mount: str = "transit"
    namespace: str = ""


class _Refused(Exception):
    """A 4xx answer: Vault understood, and said no."""

    def __init__(self, status: int, errors: str) -> None:
        super().__init__(errors)
        self.status = status
        self.errors = errors.lower()


class VaultKeys:
    """The ``KeyService`` over a transit engine."""

    def __init__(self, address: VaultAddress, outbound: Outbound, clock: Clock) -> None:
        """Raises ``ConfigError``."""
        if not address.url.startswith(("https://", "http://")):
            raise ConfigError(f"{address.url!r} is no address of a key server: https://HOST:PORT")
        self._address = address
        self._base = f"{address.url.rstrip('/')}/v1/{address.mount.strip('/')}"
        self._outbound = outbound
        self._clock = clock
        self._data_keys: OrderedDict[tuple[str, bytes, bytes], tuple[float, bytes]] = OrderedDict()
        self._opening: dict[tuple[str, bytes, bytes], asyncio.Task[bytes]] = {}
        self._infos: dict[str, tuple[float, KeyInfo]] = {}
        self._wanted = set(INTERNAL)  # made when they are missing
        self._log = get_logger("kms")
        self._token()

    @property
    def label(self) -> str:
        return "vault"

    def owns(self, sealed: bytes) -> bool:
        return sealed.startswith(_FORM)

    async def generate(self, name: str, context: bytes) -> DataKey:
        body = {"context": _base64(context), "bits": 8 * KEY_BYTES}
        data = await self._seal(name, f"datakey/plaintext/{_path(name)}", body)
        plaintext = _plaintext_of(data)
        sealed = _sealed_of(data)
        self._remember((name, sealed.sealed, context), plaintext)
        return DataKey(plaintext, sealed.sealed, sealed.version)

    async def seal(self, name: str, data_key: bytes, context: bytes) -> SealedKey:
        try:
            await self.describe(name)  # ``encrypt`` would create a key that is not there, as it likes
        except NoSuchKmsKey:
            if name not in self._wanted:
                raise
            await create_missing(self, (name,))
        body = {"plaintext": _base64(data_key), "context": _base64(context)}
        return _sealed_of(await self._seal(name, f"encrypt/{_path(name)}", body))

    async def unseal(self, name: str, sealed: bytes, context: bytes) -> bytes:
        which = name, sealed, context
        known = self._data_keys.get(which)
        if known is not None and self._clock.monotonic_seconds() < known[0]:
            return known[1]
        opening = self._opening.get(which)
        if opening is None:  # the ranges of a parallel download come all at once: they share one request
            opening = self._opening[which] = asyncio.get_running_loop().create_task(self._open(name, sealed, context))
            opening.add_done_callback(partial(self._opened, which))
        return await asyncio.shield(opening)

    def _opened(self, which: tuple[str, bytes, bytes], opening: asyncio.Task[bytes]) -> None:
        self._opening.pop(which, None)
        if not opening.cancelled():
            opening.exception()  # seen, even when everybody who waited went away

    async def _open(self, name: str, sealed: bytes, context: bytes) -> bytes:
        body = {"ciphertext": sealed.decode("ascii", "replace"), "context": _base64(context)}
        plaintext = _plaintext_of(await self._use(name, f"decrypt/{_path(name)}", body))
        self._remember((name, sealed, context), plaintext)
        return plaintext

    async def reseal(self, name: str, sealed: bytes, context: bytes) -> SealedKey:
        body = {"ciphertext": sealed.decode("ascii", "replace"), "context": _base64(context)}
        return _sealed_of(await self._use(name, f"rewrap/{_path(name)}", body))

    async def is_current(self, name: str, sealed: bytes) -> bool:
        known = self._infos.get(name)
        if known is None or self._clock.monotonic_seconds() >= known[0]:
            await self.describe(name)
            known = self._infos[name]
        return _version_of(sealed) >= known[1].version

    async def describe(self, name: str) -> KeyInfo:
        try:
            data = await self._call("GET", f"keys/{_path(name)}")
        except _Refused as refused:
            raise self._error(name, refused) from None
        keys = data.get("keys")
        version = data.get("latest_version")
        if not isinstance(version, int) or not isinstance(keys, dict):
            raise KmsUnavailable("the key server's answer has no versions")
        info = KeyInfo(name, version, _created_us(keys.get("1")))
        self._infos[name] = self._clock.monotonic_seconds() + INFO_SECONDS, info
        return info

    async def list_keys(self, after: str, limit: int) -> list[KeyInfo]:
        try:
            data = await self._call("LIST", "keys")
        except _Refused as refused:
            if refused.status == 404:  # an empty list
                return []
            raise self._error("", refused) from None
        paths = {_path(name): name for name in INTERNAL}
        names = sorted(paths.get(str(path), str(path)) for path in data.get("keys") or ())
        return [await self.describe(name) for name in names if name > after and is_name(name)][:limit]

    async def create(self, name: str) -> None:
        if not is_name(name):
            raise NoSuchKmsKey(f"{name!r} is no name of a key")
        try:
            await self.describe(name)
        except NoSuchKmsKey:
            pass
        else:
            raise KmsKeyExists(name)
        try:
            await self._call("POST", f"keys/{_path(name)}", {"type": "aes256-gcm96", "derived": True})
        except _Refused as refused:
            raise self._error(name, refused) from None

    async def ensure(self, names: Sequence[str]) -> None:
        self._wanted |= set(names)
        try:
            await create_missing(self, names)
        except KmsUnavailable as error:
            self._log.warning("keys are made when they are needed", error=str(error))

    async def rotate(self, name: str) -> int:
        await self.describe(name)
        try:
            await self._call("POST", f"keys/{_path(name)}/rotate", {})
        except _Refused as refused:
            raise self._error(name, refused) from None
        return (await self.describe(name)).version

    async def set_enabled(self, name: str, *, enabled: bool) -> None:
        raise KmsNotSupported("the key server's own policies decide who may use a key")

    async def rewrap(self) -> int:
        return 0  # the key server wraps its keys itself

    async def close(self) -> None:
        for opening in list(self._opening.values()):
            opening.cancel()
        self._data_keys.clear()
        await self._outbound.close()

    # ---- requests ------------------------------------------------------------------------------------------------

    async def _seal(self, name: str, path: str, body: Mapping[str, object]) -> dict[str, Any]:
        """A request that uses the newest version; makes the keys that the store is to have when they are missing."""
        try:
            return await self._use(name, path, body)
        except NoSuchKmsKey:
            if name not in self._wanted:
                raise
        await create_missing(self, (name,))
        return await self._use(name, path, body)

    async def _use(self, name: str, path: str, body: Mapping[str, object]) -> dict[str, Any]:
        if not is_name(name):
            raise NoSuchKmsKey(f"{name!r} is no name of a key")
        try:
            return await self._call("POST", path, body)
        except _Refused as refused:
            raise self._error(name, refused) from None

    def _error(self, name: str, refused: _Refused) -> Exception:
        errors = refused.errors
        if refused.status == 404 or any(text in errors for text in _UNKNOWN_KEY):
            return NoSuchKmsKey(f"there is no key {name}")
        if any(text in errors for text in _TOO_OLD):
            return KmsKeyDisabled(f"this version of key {name} is disabled")
        if any(text in errors for text in _UNUSABLE):
            return SealedKeyBroken(f"a data key sealed by key {name} does not open")
        self._log.warning("the key server refused a request", key=name, status=refused.status)
        return KmsUnavailable(f"the key server refused a request ({refused.status})")

    async def _call(self, method: str, path: str, body: Mapping[str, object] | None = None) -> dict[str, Any]:
        """One request; the ``data`` of its answer. Raises ``_Refused``, ``KmsUnavailable``."""
        try:
            token = self._token()
        except ConfigError as error:
            raise KmsUnavailable(str(error)) from error
        headers = {"x-vault-token": token, "x-vault-request": "true", "content-type": "application/json"}
        if self._address.namespace:
            headers["x-vault-namespace"] = self._address.namespace
        raw = b"" if body is None else msgspec.json.encode(body)
        try:
            answer = await self._send(method, f"{self._base}/{path}", headers, raw)
        except KmsUnavailable:
            REQUESTS.labels("none").inc()
            raise
        REQUESTS.labels(str(answer.status)).inc()
        if answer.status == 204:
            return {}
        try:
            told = msgspec.json.decode(answer.body) if answer.body else {}
        except msgspec.MsgspecError:
            told = {}
        told = told if isinstance(told, dict) else {}
        if 400 <= answer.status < 500 and answer.status not in (412, 429):  # 412: a standby that is behind
            raise _Refused(answer.status, " ".join(str(error) for error in told.get("errors") or ()))
        if answer.status != 200:
            raise KmsUnavailable(f"the key server answers {answer.status}")
        data = told.get("data")
        return data if isinstance(data, dict) else {}

    async def _send(self, method: str, url: str, headers: Mapping[str, str], raw: bytes) -> OutboundAnswer:
        for attempt in range(1, ATTEMPTS + 1):
            try:
                return await self._outbound.request(method, url, headers, raw, TIMEOUT_SECONDS, ANSWER_BYTES_MAX)
            except OutboundFailed as error:
                if attempt == ATTEMPTS or isinstance(error.__cause__, TimeoutError):
                    raise KmsUnavailable(f"the key server cannot be asked: {error}") from error
        raise AssertionError("unreachable")

    def _token(self) -> str:
        """Raises ``ConfigError``."""
        try:
            with self._address.token_file.open("rb") as file:
                token = file.read(TOKEN_BYTES_MAX).strip().decode("ascii")
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "not ASCII"
            raise ConfigError(f"token file {self._address.token_file} of the key server: {reason}") from error
        if not token or not token.isprintable():
            raise ConfigError(f"token file {self._address.token_file} of the key server has no token")
        return token

    def _remember(self, which: tuple[str, bytes, bytes], plaintext: bytes) -> None:
        self._data_keys[which] = self._clock.monotonic_seconds() + CACHE_SECONDS, plaintext
        self._data_keys.move_to_end(which)
        while len(self._data_keys) > CACHED_DATA_KEYS_MAX:
            self._data_keys.popitem(last=False)


def _path(name: str) -> str:
    """The key's name in Vault, where "/" would be a path: the names of our own keys have one."""
    return "dolmen-s3" if name == S3_KEY else name.replace("/", "-")


def _base64(raw: bytes) -> str:
    return base64.b64encode(raw).decode()


def _plaintext_of(data: Mapping[str, Any]) -> bytes:
    try:
        plaintext = base64.b64decode(str(data.get("plaintext", "")), validate=True)
    except ValueError:
        plaintext = b""
    if len(plaintext) != KEY_BYTES:
        raise KmsUnavailable("the key server's answer is not a data key")
    return plaintext


def _sealed_of(data: Mapping[str, Any]) -> SealedKey:
    sealed = str(data.get("ciphertext", "")).encode()
    if not sealed.startswith(_FORM):
        raise KmsUnavailable("the key server's answer is not a sealed key")
    return SealedKey(sealed, _version_of(sealed))


def _version_of(sealed: bytes) -> int:
    """N of ``vault:vN:...``."""
    version = sealed.split(b":", 2)[1].removeprefix(b"v") if sealed.count(b":") >= 2 else b""
    if not version.isdigit() or len(version) > 9:
        raise SealedKeyBroken("a sealed data key has an unknown form")
    return int(version)


def _created_us(first: object) -> int:
    """When the oldest version was made: seconds or a date, as the kind of key has it; 0 when unknown."""
    if isinstance(first, int):
        return first * 1_000_000
    text = first.get("creation_time") if isinstance(first, dict) else None
    try:
        made = datetime.fromisoformat(str(text)[:19]).replace(tzinfo=UTC)
    except ValueError:
        return 0
    return int(made.timestamp()) * 1_000_000
