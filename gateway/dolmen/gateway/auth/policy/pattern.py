"""Texts with wildcards and variables, compiled once: ``*`` is any run of characters, ``?`` exactly one.

A pattern never takes more than pattern length × text length steps: it is matched segment by segment from the left, without
backtracking (a regular expression with many ``*`` would not be bounded).
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_variables.html
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence
from typing import Final, Protocol

ARN_FIELDS = 6  # arn:partition:service:region:account:resource; the resource may hold further colons


class Values(Protocol):
    """Where the values of variables come from: a scope (``context``)."""

    def get(self, key: str) -> tuple[str, ...] | None:
        """The values of a condition key, None when the request has none."""


class Wild:
    """One of the two wildcards."""

    __slots__ = ("sign",)

    def __init__(self, sign: str) -> None:
        self.sign = sign


class Variable:
    """``${key}`` or ``${key, 'default'}``."""

    __slots__ = ("default", "key")

    def __init__(self, key: str, default: str | None) -> None:
        self.key = key
        self.default = default

    def value(self, values: Values) -> str | None:
        """Its text; None when there is none, or more than one (a list is no text)."""
        found = values.get(self.key)
        return found[0] if found is not None and len(found) == 1 else self.default


class _Nothing:
    def get(self, key: str) -> tuple[str, ...] | None:
        return None


NOTHING: Final = _Nothing()
ANY: Final = Wild("*")
ONE: Final = Wild("?")
Token = str | Wild | Variable

# ${key}, ${key, 'default'}, and the three signs that are meant as themselves. Blanks and names are bounded: a hostile text of
# many blanks must not be tried again and again.
_VARIABLE = re.compile(
    r"\$\{ {0,4}(?:([*?$])|([A-Za-z0-9:/_.+=@-]{1,256}?) {0,4}(?:, {0,4}'([^'}]{0,1024})' {0,4})?)\}", re.ASCII
)


def condition_key(name: str) -> str:
    """A condition key as we look it up: lower case, but for the name of a tag behind the slash (tags know upper case)."""
    head, slash, tail = name.partition("/")
    return head.lower() + slash + tail


def tokens(text: str, *, variables: bool, wildcards: bool) -> tuple[Token, ...]:
    """``text`` cut into literals, wildcards and variables. What is no well-formed variable stays a literal."""
    found: list[Token] = []
    position = 0
    if variables:
        for match in _VARIABLE.finditer(text):
            found += _literal(text[position : match.start()], wildcards=wildcards)
            sign, key, default = match.groups()
            found.append(sign if sign is not None else Variable(condition_key(key), default))
            position = match.end()
    found += _literal(text[position:], wildcards=wildcards)
    return tuple(found)


def _literal(text: str, *, wildcards: bool) -> list[Token]:
    if not text:
        return []
    if not wildcards:
        return [text]
    pieces = re.split(r"([*?])", text)
    return [ANY if piece == "*" else ONE if piece == "?" else piece for piece in pieces if piece]


def is_fixed(found: Iterable[Token]) -> bool:
    """No variable in it."""
    return not any(isinstance(token, Variable) for token in found)


def is_literal(found: Iterable[Token]) -> bool:
    """Neither a variable nor a wildcard in it."""
    return all(isinstance(token, str) for token in found)


def resolve(found: Sequence[Token], values: Values) -> list[str | Wild] | None:
    """With the variables' values put in, as literals: a ``*`` in a value matches only itself. None when a value is missing."""
    resolved: list[str | Wild] = []
    for token in found:
        if isinstance(token, Variable):
            value = token.value(values)
            if value is None:
                return None
            resolved.append(value)
        else:
            resolved.append(token)
    return resolved


# -- globs -------------------------------------------------------------------------------------------------------------------

_Segment = str | re.Pattern[str]  # a run of literals, or of literals and "?" (then of one fixed length)


class Glob:
    """A pattern of literals and wildcards."""

    __slots__ = ("_exact", "_first", "_last", "_lengths", "_middle", "_shortest")

    def __init__(self, found: Iterable[str | Wild]) -> None:
        runs: list[list[str | Wild]] = [[]]
        for token in found:
            if token is ANY:
                if runs[-1] or len(runs) == 1:  # "**" is "*"
                    runs.append([])
            else:
                runs[-1].append(token)
        segments = [_segment(run) for run in runs]
        lengths = [sum(1 if isinstance(token, Wild) else len(token) for token in run) for run in runs]
        self._exact = len(runs) == 1
        self._first, self._last = segments[0], segments[-1]
        self._middle = tuple(zip(segments[1:-1], lengths[1:-1], strict=True))
        self._lengths = (lengths[0], lengths[-1])
        self._shortest = lengths[0] if self._exact else sum(lengths)

    def matches(self, text: str) -> bool:
        """The whole text matches."""
        if self._exact:
            return _equal(self._first, text)
        length = len(text)
        if length < self._shortest:
            return False
        first, last = self._lengths
        if not _at(self._first, text, 0) or not _at(self._last, text, length - last):
            return False
        position, end = first, length - last
        for segment, size in self._middle:
            place = _find(segment, text, position, end)
            if place < 0:
                return False
            position = place + size
        return True


def _segment(run: Sequence[str | Wild]) -> _Segment:
    if all(isinstance(token, str) for token in run):
        return "".join(token for token in run if isinstance(token, str))
    return re.compile("".join("." if isinstance(token, Wild) else re.escape(token) for token in run), re.DOTALL)


def _equal(segment: _Segment, text: str) -> bool:
    return segment == text if isinstance(segment, str) else segment.fullmatch(text) is not None


def _at(segment: _Segment, text: str, position: int) -> bool:
    if isinstance(segment, str):
        return text.startswith(segment, position)
    return segment.match(text, position) is not None


def _find(segment: _Segment, text: str, position: int, end: int) -> int:
    if isinstance(segment, str):
        return text.find(segment, position, end)
    match = segment.search(text, position, end)
    return -1 if match is None else match.start()


# -- ARNs --------------------------------------------------------------------------------------------------------------------


class ArnPattern:
    """An ARN whose six fields are matched one by one, so that no wildcard reaches over a colon of the first five.

    ``complete``: missing fields are taken as ``*``, as in the Resource of a policy; else such a text matches nothing.
    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_resource.html
    """

    __slots__ = ("_fields", "_globs", "_tokens", "_whole", "everything", "text")

    def __init__(self, text: str, *, variables: bool, complete: bool) -> None:
        self.text = text
        self.everything = text == "*"
        self._tokens = tokens(text, variables=variables, wildcards=True)
        fields = _fields(self._tokens)
        if complete:
            fields += [[ANY] for _ in range(ARN_FIELDS - len(fields))]
        self._fields = fields if len(fields) == ARN_FIELDS else []
        self._globs: list[Glob] = []
        self._whole: Glob | None = None
        if self._fields and is_fixed(self._tokens):
            if all(is_literal(field) for field in self._fields[:5]):
                # With five literal fields the whole text is matched at once: their colons stand where they must.
                self._whole = Glob(resolve(self._tokens, NOTHING) or [])
            else:
                self._globs = [Glob(resolve(field, NOTHING) or []) for field in self._fields]

    @property
    def is_fixed(self) -> bool:
        return is_literal(self._tokens)

    def matches(self, arn: str, values: Values) -> bool | None:
        """None: a variable has no value."""
        if self.everything:
            return True
        if self._whole is not None:
            return self._whole.matches(arn)
        globs = self._globs
        if not globs:
            if not self._fields:
                return False
            resolved = [resolve(field, values) for field in self._fields]
            if any(field is None for field in resolved):
                return None
            globs = [Glob(field) for field in resolved if field is not None]
        parts = arn.split(":", ARN_FIELDS - 1)
        return len(parts) == ARN_FIELDS and all(glob.matches(part) for glob, part in zip(globs, parts, strict=True))

    def resource_tokens(self) -> list[Token]:
        """The last field."""
        return self._fields[-1] if self._fields else [ANY]

    def could_be_in(self, beginning: Sequence[str], accounts: Collection[str]) -> bool:
        """Whether its first fields can be ``beginning``, and the account one of ``accounts``."""
        if self.everything:
            return True
        if not self._fields:
            return False
        return all(map(_could_be, self._fields, beginning)) and any(_could_be(self._fields[4], one) for one in accounts)


def _fields(found: Sequence[Token]) -> list[list[Token]]:
    """Cut at the first five colons that stand outside variables."""
    fields: list[list[Token]] = [[]]
    for token in found:
        if not isinstance(token, str):
            fields[-1].append(token)
            continue
        pieces = token.split(":", ARN_FIELDS - len(fields))
        if pieces[0]:
            fields[-1].append(pieces[0])
        fields += [[piece] if piece else [] for piece in pieces[1:]]
    return fields


def _could_be(found: Sequence[Token], text: str) -> bool:
    """Whether some values of its variables make it match."""
    if len(found) == 1 and isinstance(found[0], str):
        return found[0] == text
    return Glob([ANY if isinstance(token, Variable) else token for token in found]).matches(text)


def could_begin(found: Sequence[Token], beginning: str) -> bool:
    """Whether the pattern matches some text that is longer than ``beginning`` and begins with it."""
    flat: list[str | Wild] = []
    for token in found:
        flat += [ANY] if isinstance(token, Variable) else [token] if isinstance(token, Wild) else list(token)
    places = _closure({0}, flat)
    for character in beginning:
        stepped = set()
        for place in places:
            if place < len(flat):
                sign = flat[place]
                if sign is ANY:
                    stepped.add(place)
                elif sign is ONE or sign == character:
                    stepped.add(place + 1)
        places = _closure(stepped, flat)
    return any(place < len(flat) for place in places)


def _closure(places: set[int], flat: Sequence[str | Wild]) -> set[int]:
    """With what is reached when ``*`` stands for nothing."""
    found = set(places)
    for place in places:
        while place < len(flat) and flat[place] is ANY:
            place += 1
            found.add(place)
    return found
