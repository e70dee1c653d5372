"""HTTP requests that the store itself sends: to key servers, identity providers and webhooks. The only importer of aiohttp.

Every request has a total time-out and every answer a size limit, so that nobody out there can hold a task or fill the memory.
Redirects are not followed: they would lead requests, with their tokens, where nobody configured them to go. Proxies of the
environment are not used.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from dolmen.core.errors import ConfigError, Unavailable

if TYPE_CHECKING:
    import aiohttp

CONNECTIONS_MAX = 64  # of this process to all targets together; further requests wait, within their time-out
IDLE_SECONDS = 15.0  # an unused connection is kept for so long: less than servers and load balancers keep theirs
READ_BYTES = 64 * 1024  # of an answer at a time: how far above its limit one can get


class OutboundFailed(Unavailable):
    """No answer: not reached, no trusted certificate, too late, too long. The message names no header and no body."""


@dataclass(frozen=True, slots=True)
class OutboundAnswer:
    """A whole answer of any status; header names are in lower case, of a repeated header the last one counts."""

    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)  # it may be a secret


class Outbound:
    """A client for one set of trusted certificates; made once for a process, or once for a CA of its own."""

    def __init__(self, ca_file: Path | None = None) -> None:
        """``ca_file``: PEM certificates to trust instead of the system's. Raises ``ConfigError``."""
        try:
            self._tls = ssl.create_default_context(cafile=ca_file)
        except (OSError, ssl.SSLError) as error:
            raise ConfigError(f"CA file {ca_file}: {error.strerror or error}") from error
        self._session: aiohttp.ClientSession | None = None

    async def request(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
        timeout_seconds: float = 5.0,
        bytes_max: int = 1 << 20,
    ) -> OutboundAnswer:
        """One request and its whole answer, whatever the status. Raises ``OutboundFailed``, after which it may have arrived."""
        import aiohttp  # noqa: PLC0415 - 10 MB and 0.2 s that most processes never need

        try:
            async with (
                asyncio.timeout(timeout_seconds),
                self._open().request(
                    method, url, headers=headers, data=body or None, allow_redirects=False, ssl=self._tls
                ) as answer,
            ):
                received = bytearray()
                async for piece in answer.content.iter_chunked(READ_BYTES):
                    received += piece
                    if len(received) > bytes_max:
                        raise OutboundFailed(f"{method} {_shown(url)}: the answer is longer than {bytes_max} bytes")
                found = {name.lower(): value for name, value in answer.headers.items()}
                return OutboundAnswer(answer.status, found, bytes(received))
        except TimeoutError as error:
            raise OutboundFailed(f"{method} {_shown(url)}: no answer within {timeout_seconds} s") from error
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise OutboundFailed(f"{method} {_shown(url)}: {_why(error)}") from error

    def _open(self) -> aiohttp.ClientSession:
        import aiohttp  # noqa: PLC0415 - as above

        if self._session is None or self._session.closed:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=CONNECTIONS_MAX, keepalive_timeout=IDLE_SECONDS),
                cookie_jar=aiohttp.DummyCookieJar(),
                timeout=aiohttp.ClientTimeout(total=None),  # the whole request has its own
                auto_decompress=False,  # a small answer must not become a large one
                trust_env=False,
            )
        return self._session

    async def close(self) -> None:
        """Close the connections; a later request opens new ones."""
        if self._session is not None:
            await self._session.close()


def _shown(url: str) -> str:
    """The URL without user, query and fragment: those may hold secrets."""
    bare = url.split("?", 1)[0].split("#", 1)[0]
    scheme, separator, rest = bare.partition("://")
    authority, slash, path = rest.partition("/")
    return f"{scheme}{separator}{authority.rpartition('@')[2]}{slash}{path}"


def _why(error: Exception) -> str:
    """What failed, without the URL that the library's texts repeat."""
    reason = getattr(error, "os_error", None) or error.__cause__
    return f"{type(error).__name__}{f' ({reason})' if isinstance(reason, OSError) else ''}"
