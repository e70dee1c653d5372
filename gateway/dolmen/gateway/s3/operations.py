"""S3's operations as a table: how each is recognised, which permission it needs, what it takes and gives.

The data is in ``model/operations_generated.py``; this module gives it names. The notation of members is described there.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import NamedTuple

import msgspec

from dolmen.gateway.s3.model import inputs_generated, operations_generated, outputs_generated

XML_NAMESPACE = "http://s3.amazonaws.com/doc/2006-03-01/"
XSI_NAMESPACE = "http://www.w3.org/2001/XMLSchema-instance"


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation of S3.

    ``query``: names, or name=value, that must be in the query; ``selectors``: those of them that choose the operation by being
    there. ``headers``: names, or name=beginning of the value, that must be there.
    ``body``: "none"; "xml": a document (the JSON text of PutBucketPolicy included) to be read whole and given to ``parse_input``;
    "stream": bytes that are not looked at. ``answer``: the same of the answer.
    ``versioned_action``: the permission when the request names a version.
    ``routed``: False for deprecated twins and for what AWS tells by the host alone.
    """

    name: str
    method: str
    level: str  # service, bucket, object
    query: tuple[str, ...]
    selectors: tuple[str, ...]
    headers: tuple[str, ...]
    action: str
    versioned_action: str
    body: str
    answer: str
    body_root: str  # root element when the body's members are the input's own
    root: str  # root element of the answer when its members are the output's own
    success_status: int
    deprecated: bool
    routed: bool
    input: type[msgspec.Struct]
    output: type[msgspec.Struct]


class Member(NamedTuple):
    """One member of a structure and where it is on the wire.

    ``place``: u, q, h, m, x, a, p; ``kind``: s, i, b, d, D, m, or { for a structure; ``shape``: the structure's name
    (several separated by "|"), or the enumeration's. ``item``: for a list inside an element the name of its entries.
    """

    attribute: str
    place: str
    wire: str
    kind: str
    shape: str
    is_list: bool
    item: str
    required: bool


@cache
def members(structure: str) -> tuple[Member, ...]:
    """The members of a structure, in the order in which they are written."""
    notation = operations_generated.SHAPES[structure]
    return tuple(_member(text) for text in notation.split("; ")) if notation else ()


def _member(text: str) -> Member:
    attribute, place, wire, kind = text.split(" ")
    required = kind.endswith("!")
    kind = kind.removesuffix("!")
    is_list = kind.startswith("[")
    item = ""
    if is_list:
        kind, _, item = kind[1:].partition("]")
    if kind.startswith("{"):
        return Member(attribute, place, wire, "{", kind[1:-1], is_list, item, required)
    kind, _, enum = kind.partition("=")
    return Member(attribute, place, wire, kind, enum, is_list, item, required)


def structure_class(name: str) -> type[msgspec.Struct]:
    """The class of a structure; those that requests and answers share are one class."""
    found: type[msgspec.Struct] | None = getattr(inputs_generated, name, None)
    if found is None:
        found = getattr(outputs_generated, name)
    return found


def _operation(row: operations_generated.Row) -> Operation:
    name, method, level, query, selectors, headers, action, versioned, body, answer, body_root, root, status, old, routed = row
    return Operation(
        name, method, level, tuple(query.split()), tuple(selectors.split()), tuple(headers.split()), action, versioned, body,
        answer, body_root, root, status, old, routed, structure_class(f"{name}Input"), structure_class(f"{name}Output"),
    )


OPERATIONS: dict[str, Operation] = {row[0]: _operation(row) for row in operations_generated.ROWS}
