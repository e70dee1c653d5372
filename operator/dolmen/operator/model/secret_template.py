"""Secrets with credentials: which keys they have, and what is in them.

A template maps a key of the Secret to a text with placeholders such as ``{{ .accessKeyID }}``. That is all there is: no
conditions, no functions. https://docs.aws.amazon.com/sdkref/latest/guide/file-format.html
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

from dolmen.operator.model.errors import InvalidResource
from dolmen.operator.model.fields import SECRET_KEY_MAX

TEMPLATE_KEYS_MAX = 32
TEXT_MAX = 8192  # characters of one template: a configuration file of a client
PLACEHOLDERS_MAX = 64  # in one text
SECRET_BYTES_MAX = 512 * 1024  # of all values: half of what Kubernetes takes
DEFAULT_PROFILE = "default"

_PLACEHOLDER = re.compile(r"\{\{\s*\.([A-Za-z][A-Za-z0-9]*)\s*\}\}", re.ASCII)
_BRACES = re.compile(r"\{\{|\}\}")
_KEY = re.compile(r"[-._a-zA-Z0-9]+", re.ASCII)
_PROFILE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.@+-]{0,62}", re.ASCII)

# The Secret when there is no template. A key whose placeholder has no value here is left out.
DEFAULT_TEMPLATE = {
    "AWS_ACCESS_KEY_ID": "{{ .accessKeyID }}",
    "AWS_SECRET_ACCESS_KEY": "{{ .secretAccessKey }}",
    "AWS_ENDPOINT_URL": "{{ .endpoint }}",
    "AWS_REGION": "{{ .region }}",
    "BUCKET_NAME": "{{ .bucket }}",
}


class Credentials(NamedTuple):
    """What placeholders stand for; None: there is none in this Secret."""

    access_key_id: str
    secret_access_key: str
    endpoint: str | None = None  # URL
    region: str | None = None
    bucket: str | None = None
    user: str | None = None

    def values(self) -> dict[str, str | None]:
        """By placeholder."""
        return {
            "accessKeyID": self.access_key_id,
            "secretAccessKey": self.secret_access_key,
            "endpoint": self.endpoint,
            "region": self.region,
            "bucket": self.bucket,
            "user": self.user,
        }


PLACEHOLDERS = tuple(Credentials("", "").values())


def placeholders(key: str, text: str) -> tuple[str, ...]:
    """Those of one text, in order. Raises ``InvalidResource`` that names the key and what is wrong."""
    if len(text) > TEXT_MAX:
        raise InvalidResource(f"secret template {key}: longer than {TEXT_MAX} characters")
    found = tuple(match.group(1) for match in _PLACEHOLDER.finditer(text))
    if len(found) > PLACEHOLDERS_MAX:
        raise InvalidResource(f"secret template {key}: more than {PLACEHOLDERS_MAX} placeholders")
    for name in found:
        if name not in PLACEHOLDERS:
            raise InvalidResource(f"secret template {key}: unknown placeholder .{name}; there are {_known()}")
    if _BRACES.search(_PLACEHOLDER.sub("", text)):
        raise InvalidResource(f"secret template {key}: only placeholders like {{{{ .accessKeyID }}}} may have double braces")
    return found


def check_template(template: Mapping[str, str]) -> None:
    """Raises ``InvalidResource`` for the first text or key that cannot be used."""
    if len(template) > TEMPLATE_KEYS_MAX:
        raise InvalidResource(f"a secret template has more than {TEMPLATE_KEYS_MAX} keys")
    for key, text in template.items():
        if len(key) > SECRET_KEY_MAX or _KEY.fullmatch(key) is None:
            raise InvalidResource(f"secret template: {key[:SECRET_KEY_MAX]!r} cannot be a key of a Secret")
        placeholders(key, text)


def render(template: Mapping[str, str] | None, credentials: Credentials) -> dict[str, str]:
    """The Secret's data, not yet in base64; the default keys without a template.

    What is put in is not looked at again. Raises ``InvalidResource``; no message holds a credential.
    """
    values = credentials.values()
    if not template:
        found = {key: _filled(text, values) for key, text in DEFAULT_TEMPLATE.items() if _has_values(text, values)}
    else:
        check_template(template)
        for key, text in template.items():
            for name in placeholders(key, text):
                if values[name] is None:
                    raise InvalidResource(f"secret template {key}: .{name} has no value in this Secret")
        found = {key: _filled(text, values) for key, text in template.items()}
    if sum(len(key.encode()) + len(value.encode()) for key, value in found.items()) > SECRET_BYTES_MAX:
        raise InvalidResource(f"the Secret would be larger than {SECRET_BYTES_MAX} bytes")
    return found


def shared_credentials(credentials: Credentials, profile: str = DEFAULT_PROFILE) -> str:
    """An AWS shared credentials file with one profile. Raises ``InvalidResource`` (a profile or a value that would break it)."""
    if _PROFILE.fullmatch(profile) is None:
        raise InvalidResource(f"{profile[:64]!r} cannot be a profile of a shared credentials file")
    entries = {
        "aws_access_key_id": credentials.access_key_id,
        "aws_secret_access_key": credentials.secret_access_key,
        "endpoint_url": credentials.endpoint,
        "region": credentials.region,
    }
    lines = [f"[{profile}]"]
    for name, value in entries.items():
        if value is None:
            continue
        if not value.isprintable() or not value.strip():
            raise InvalidResource(f"{name} cannot be written to a shared credentials file")
        lines.append(f"{name} = {value}")
    return "\n".join(lines) + "\n"


def _has_values(text: str, values: Mapping[str, str | None]) -> bool:
    return all(values[match.group(1)] is not None for match in _PLACEHOLDER.finditer(text))


def _filled(text: str, values: Mapping[str, str | None]) -> str:
    return _PLACEHOLDER.sub(lambda match: values[match.group(1)] or "", text)


def _known() -> str:
    return ", ".join(f".{name}" for name in PLACEHOLDERS)
