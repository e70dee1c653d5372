"""JSON values as YAML that people read: blocks of maps and lists, one scalar a line. https://yaml.org/spec/1.2.2/

Only what manifests need; what YAML could read as anything but a text is written in JSON's quotes, which are YAML's too.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

_PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9_/.-]*", re.ASCII)
_UNPRINTABLE = re.compile("[^\\x20-\\x7e\\xa0-\\u2027\\u202a-\\ud7ff\\ue000-\\ufefe\\uff00-\\ufffd\\U00010000-\\U0010ffff]")
_NOT_TEXT = frozenset({"true", "false", "null", "yes", "no", "on", "off", "y", "n", "nan", "inf"})  # YAML 1.1 too


def yaml_text(value: Mapping[str, Any]) -> str:
    """One document. Raises ``TypeError`` for what is no JSON."""
    return "\n".join(_block(value, 0)) + "\n"


def _block(value: Any, depth: int) -> Iterator[str]:  # noqa: ANN401 - any JSON
    pad = "  " * depth
    if isinstance(value, Mapping):
        for key, one in value.items():
            yield from _entry(f"{pad}{_scalar(key)}:", one, depth)
        return
    for one in value:
        if _is_block(one):
            lines = list(_block(one, depth + 1))
            yield f"{pad}- {lines[0].lstrip()}"
            yield from lines[1:]
        else:
            yield f"{pad}- {_scalar(one)}"


def _entry(head: str, value: Any, depth: int) -> Iterator[str]:  # noqa: ANN401 - any JSON
    if not _is_block(value):
        yield f"{head} {_scalar(value)}"
        return
    yield head
    yield from _block(value, depth + 1)


def _is_block(value: object) -> bool:
    return isinstance(value, Mapping | Sequence) and not isinstance(value, str | bytes) and len(value) > 0


def _scalar(value: object) -> str:
    if isinstance(value, str):
        if _PLAIN.fullmatch(value) and value.lower() not in _NOT_TEXT:
            return value
        return _UNPRINTABLE.sub(_escaped, json.dumps(value, ensure_ascii=False))
    if value is None or isinstance(value, bool | int | float):
        return json.dumps(value)
    if isinstance(value, Mapping | Sequence) and not isinstance(value, bytes) and not value:
        return "{}" if isinstance(value, Mapping) else "[]"
    raise TypeError(f"{type(value).__name__} has no form in YAML")


def _escaped(match: re.Match[str]) -> str:
    """What YAML takes for a line break, or does not take at all."""
    return f"\\u{ord(match.group()):04x}"
