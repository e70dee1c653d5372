"""A reader for the YAML that ``yaml_text`` writes, and for no other: an independent way back."""

from __future__ import annotations

import json
import re

_ENTRY = re.compile(r'("(?:[^"\\]|\\.)*"|[^":]+):(?: (.+))?$')


def read(text):
    """The value of one document."""
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    value, rest = _block(lines, 0)
    assert rest == []
    return value


def _depth(line):
    return len(line) - len(line.lstrip(" "))


def _block(lines, depth):
    if lines[0][depth:].startswith("- "):
        return _sequence(lines, depth)
    return _mapping(lines, depth)


def _mapping(lines, depth):
    found = {}
    while lines and _depth(lines[0]) == depth:
        if lines[0][depth:].startswith("- "):
            break
        match = _ENTRY.match(lines[0][depth:])
        assert match is not None, lines[0]
        key, rest = _scalar(match.group(1)), match.group(2)
        assert key not in found, key
        lines = lines[1:]
        if rest is None:
            found[key], lines = _block(lines, _depth(lines[0]))
        else:
            found[key] = _scalar(rest)
    return found, lines


def _sequence(lines, depth):
    found = []
    while lines and _depth(lines[0]) == depth and lines[0][depth:].startswith("- "):
        inner = lines[0][depth + 2 :]
        if inner.startswith("- ") or _ENTRY.match(inner):
            one, lines = _block([" " * (depth + 2) + inner, *lines[1:]], depth + 2)
        else:
            one, lines = _scalar(inner), lines[1:]
        found.append(one)
    return found, lines


def _scalar(text):
    if text[0] in '"{[-0123456789' or text in {"true", "false", "null"}:
        return json.loads(text)
    return text
