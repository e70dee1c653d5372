"""JSON as policies take it: no name twice, bounded in size and depth, numbers kept as they are written."""

from __future__ import annotations

import json
from typing import NoReturn

TEXT_BYTES_MAX = 256 << 10  # before it is normalised; AWS's largest policy has 20 KB, written with a lot of blanks perhaps
DEPTH_MAX = 12  # a condition's value lies 6 deep
_NUMBER_CHARACTERS_MAX = 40  # more digits than any date, size or count has

Json = str | bool | list["Json"] | dict[str, "Json"] | None


class InvalidJson(ValueError):
    """No JSON, or none that we take. The text says why."""


class Number(str):
    """A number, as it was written."""

    __slots__ = ()


def _object(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise InvalidJson("a name occurs twice in an object")
    return found


def _number(text: str) -> Number:
    if len(text) > _NUMBER_CHARACTERS_MAX:
        raise InvalidJson("a number is too long")
    return Number(text)


def _constant(text: str) -> NoReturn:
    raise InvalidJson(f"{text} is no JSON")


def parse_json(text: str | bytes) -> tuple[dict[str, Json], int]:
    """The object and the number of bytes of its normalised text. Raises ``InvalidJson``.

    As S3 and IAM do, it wants ``{`` first: blanks before it are refused.
    """
    if len(text) > TEXT_BYTES_MAX:
        raise InvalidJson("the text is too long")
    try:
        decoded = text.decode() if isinstance(text, bytes) else text
        if not decoded.startswith("{"):
            raise InvalidJson("it does not begin with '{'")
        document = json.loads(
            decoded, object_pairs_hook=_object, parse_int=_number, parse_float=_number, parse_constant=_constant
        )
        _check_depth(document, 1)
        size = len(json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode())  # refuses halves of surrogates
    except RecursionError as error:
        raise InvalidJson("nested too deeply") from error
    except InvalidJson:
        raise
    except ValueError as error:
        raise InvalidJson(str(error)) from error
    return document, size


def _check_depth(value: Json, depth: int) -> None:
    if depth > DEPTH_MAX:
        raise InvalidJson("nested too deeply")
    if isinstance(value, dict):
        for child in value.values():
            _check_depth(child, depth + 1)
    elif isinstance(value, list):
        for child in value:
            _check_depth(child, depth + 1)
