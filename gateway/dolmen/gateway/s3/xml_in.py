"""XML of requests into structures. Unknown elements are ignored; the S3 namespace may be there or not.

Refused with MalformedXML: what is no XML, any DTD, other encodings than UTF-8, too many elements, a scalar that is given twice or
holds elements, values of the wrong type or outside an enumeration, missing members, lists that are too long.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

import msgspec
from lxml import etree

from dolmen.gateway.s3.dates import parse_http_date
from dolmen.gateway.s3.fault import S3Fault
from dolmen.gateway.s3.model.operations_generated import ENUMS, LIMITS
from dolmen.gateway.s3.operations import XML_NAMESPACE, XSI_NAMESPACE, Member, members, structure_class

BODY_BYTES_MAX = 8 * 1024 * 1024  # 1,000 keys of 1,024 bytes, each byte escaped, are 6 MiB
TAGS_MAX = 250_000  # 10,000 parts with a checksum are 80,000 tags; lxml needs about 100 bytes for each
INTEGER_DIGITS_MAX = 19  # 64 bits

_DECLARED = re.compile(rb"""\s*<\?xml[^>]*?encoding\s*=\s*["']([^"']*)["']""")
_ENCODINGS = {b"utf-8", b"utf8", b"us-ascii"}

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)

Element = etree._Element  # lxml has no other name for the type
Reader = Callable[[Element], Any]


def malformed() -> S3Fault:
    return S3Fault("MalformedXML")


def parse_document(body: bytes, root: str) -> Element:
    """The root element, which must be called ``root``; raises MalformedXML."""
    if len(body) > BODY_BYTES_MAX or body.count(b"<") > TAGS_MAX or b"<!DOCTYPE" in body:
        raise malformed()
    declared = _DECLARED.match(body.removeprefix(b"\xef\xbb\xbf"))
    if declared is not None and declared[1].lower() not in _ENCODINGS:
        raise malformed()
    # A new parser each time: lxml keeps one's state and lock between documents. Depth and length of text are libxml2's bounds.
    parser = etree.XMLParser(
        encoding="utf-8", resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False,
        remove_comments=True, remove_pis=True,
    )
    try:
        element = etree.fromstring(body, parser)
    except (etree.XMLSyntaxError, ValueError) as error:
        raise malformed() from error
    if element.tag not in (root, f"{{{XML_NAMESPACE}}}{root}"):
        raise malformed()
    return element


def parse_iso_date(text: str) -> int | None:
    """Microseconds since the epoch of an ISO 8601 time or day, UTC unless it says otherwise; None when it is none."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    try:
        return (moment - _EPOCH) // _MICROSECOND
    except OverflowError:  # the first or last day of the calendar, in another zone
        return None


# -- scalars -----------------------------------------------------------------------------------------------------------------


def _text(element: Element) -> str:
    if len(element):
        raise malformed()
    return element.text or ""


def _integer(element: Element) -> int:
    text = _text(element).strip()
    if not text.removeprefix("-").isdecimal() or not text.isascii() or len(text) > INTEGER_DIGITS_MAX:
        raise malformed()
    return int(text)


def _boolean(element: Element) -> bool:
    match _text(element).strip().lower():
        case "true" | "1":
            return True
        case "false" | "0":
            return False
    raise malformed()


def _time(element: Element) -> int:
    text = _text(element).strip()
    time_us = parse_iso_date(text)
    if time_us is None:
        time_us = parse_http_date(text)
    if time_us is None:
        raise malformed()
    return time_us


def _enumerated(values: frozenset[str]) -> Callable[[Element], str]:
    def read(element: Element) -> str:
        text = _text(element)
        if text not in values:
            raise malformed()
        return text

    return read


_SCALARS: dict[str, Reader] = {"s": _text, "i": _integer, "b": _boolean, "d": _time, "D": _time}


# -- structures --------------------------------------------------------------------------------------------------------------


def _reader(member: Member) -> Reader:
    """Reads one value; for a list inside an element the whole list."""
    if member.kind == "{":
        one: Reader = structure_reader(member.shape)
    elif member.shape:
        one = _enumerated(ENUMS[member.shape])
    else:
        one = _SCALARS[member.kind]
    if not member.item:
        return one
    names = {member.item, f"{{{XML_NAMESPACE}}}{member.item}"}

    def read(element: Element) -> list[Any]:
        return [one(child) for child in element if child.tag in names]

    return read


Table = dict[str, tuple[str, Reader, bool]]


def _table(found: tuple[Member, ...]) -> Table:
    """By element: attribute, reader, whether the element is repeated."""
    table: Table = {}
    for member in found:
        if member.place == "x":
            entry = (member.attribute, _reader(member), member.is_list and not member.item)
            table[member.wire] = entry
            table[f"{{{XML_NAMESPACE}}}{member.wire}"] = entry
    return table


def read_members(element: Element, table: Table) -> dict[str, Any]:
    """The children of ``element`` as values by attribute."""
    values: dict[str, Any] = {}
    for child in element:
        found = table.get(child.tag)
        if found is None:
            continue
        attribute, read, is_repeated = found
        if not is_repeated:
            if attribute in values:
                raise malformed()
            values[attribute] = read(child)
        elif attribute in values:
            values[attribute].append(read(child))
        else:
            values[attribute] = [read(child)]
    return values


@cache
def structure_reader(name: str) -> Callable[[Element], msgspec.Struct]:
    """Reads one structure with what it holds."""
    found = members(name)
    make = structure_class(name)
    table = _table(found)
    required = [member.attribute for member in found if member.required]
    limits = [(one.attribute, LIMITS[f"{name}.{one.attribute}"]) for one in found if f"{name}.{one.attribute}" in LIMITS]
    attributes = [(one.attribute, _attribute_name(one.wire), ENUMS.get(one.shape)) for one in found if one.place == "a"]

    def read(element: Element) -> msgspec.Struct:
        values = read_members(element, table)
        for attribute, wire, allowed in attributes:
            text = element.get(wire)
            if text is not None:
                if allowed is not None and text not in allowed:
                    raise malformed()
                values[attribute] = text
        for attribute in required:
            if attribute not in values:
                raise malformed()
        for attribute, limit in limits:
            if len(values.get(attribute, ())) > limit:
                raise malformed()
        return make(**values)

    return read


def _attribute_name(wire: str) -> str:
    prefix, colon, name = wire.partition(":")
    return f"{{{XSI_NAMESPACE}}}{name}" if colon and prefix == "xsi" else wire


@cache
def own_table(name: str) -> Table:
    """For inputs whose own members are the body (SelectObjectContent)."""
    return _table(members(name))
