"""Where notifications go: webhooks, declared by settings and named by the ARNs of configurations."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from dolmen.core.errors import ConfigError, Unavailable
from dolmen.core.settings import Setting
from dolmen.gateway.s3.notification import is_target_name

TARGETS_MAX = 64  # each has a queue in memory; more receivers stand behind one webhook
TOKEN_BYTES_MAX = 16 * 1024  # of a file with a bearer token
URL_CHARACTERS_MAX = 2048

_NAME_RULE = "a name of letters, digits, '-' and '_' (64 at most)"


class TokenUnreadable(Unavailable):
    """The file with the target's token cannot be used now; its content is in no message."""


@dataclass(frozen=True, slots=True)
class Target:
    """A webhook."""

    name: str
    url: str
    token_file: Path | None = None

    def headers(self) -> dict[str, str]:
        """Of each request. The token is read anew, so that it may be replaced while we run. Raises ``TokenUnreadable``."""
        headers = {"content-type": "application/json", "user-agent": "Dolmen"}
        if self.token_file is not None:
            headers["authorization"] = f"Bearer {self._token()}"
        return headers

    def _token(self) -> str:
        assert self.token_file is not None
        try:
            with self.token_file.open("rb") as file:
                token = file.read(TOKEN_BYTES_MAX).decode("ascii").strip()
        except (OSError, ValueError) as error:
            raise TokenUnreadable(f"token file of notification target {self.name}: {type(error).__name__}") from None
        if not token or not token.isprintable():
            raise TokenUnreadable(f"token file of notification target {self.name} holds no token")
        return token


def named(text: str) -> tuple[str, str]:
    """``NAME=VALUE`` of a setting. Raises ``ConfigError``."""
    name, equals, value = text.partition("=")
    if not equals or not is_target_name(name) or not value:
        raise ConfigError(f"{text!r} is not of the form NAME=VALUE with {_NAME_RULE}")
    return name, value


def named_url(text: str) -> tuple[str, str]:
    """``NAME=URL`` of a webhook. Raises ``ConfigError``."""
    name, url = named(text)
    try:
        parts = urlsplit(url)
        usable = parts.scheme in {"http", "https"} and bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        usable = False
    if not usable or len(url) > URL_CHARACTERS_MAX or any(character.isspace() for character in url):
        raise ConfigError(f"notification target {name}: the URL is not of the form http(s)://HOST[:PORT]/PATH")
    return name, url


def targets_of(urls: Sequence[tuple[str, str]], token_files: Sequence[tuple[str, str]] = ()) -> dict[str, Target]:
    """Targets by name from the settings. Raises ``ConfigError`` for a name given twice and for tokens of nothing."""
    tokens: dict[str, Path] = {}
    for name, path in token_files:
        if name in tokens:
            raise ConfigError(f"notification target {name} has two token files")
        tokens[name] = Path(path)
    targets: dict[str, Target] = {}
    for name, url in urls:
        if name in targets:
            raise ConfigError(f"notification target {name} is declared twice")
        targets[name] = Target(name, url, tokens.pop(name, None))
    if tokens:
        raise ConfigError(f"there is no notification target {next(iter(tokens))} for its token file")
    if len(targets) > TARGETS_MAX:
        raise ConfigError(f"more than {TARGETS_MAX} notification targets")
    return targets


# Gateways write events for the targets that maintenance sends to: both must be told the same.
TARGET_SETTINGS: tuple[Setting, ...] = (
    Setting(
        flag="notification-target",
        help="A webhook for notifications, named by the ARNs of bucket configurations",
        unit="NAME=URL",
        repeated=True,
        parse=named_url,
    ),
    Setting(
        flag="notification-token-file",
        help="File with the bearer token for a notification target",
        unit="NAME=PATH",
        repeated=True,
        parse=named,
    ),
)
