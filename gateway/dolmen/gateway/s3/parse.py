"""A routed request as the operation's input: address, query, headers and XML body, typed.

What came is walked, not what is declared: most requests carry ten of the forty members of their operation.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import msgspec

from dolmen.gateway.s3.dates import parse_http_date
from dolmen.gateway.s3.fault import S3Fault
from dolmen.gateway.s3.operations import Member, Operation, members
from dolmen.gateway.s3.xml_in import Table, own_table, parse_document, parse_iso_date, read_members, structure_reader

INTEGER_DIGITS_MAX = 19  # 64 bits
INT32_MAX = 2**31 - 1
_META = "x-amz-meta-"
_META_LENGTH = len(_META)
_PRESIGNED = "X-Amz-Signature"  # SDKs put headers into the query of a presigned address

Converter = Callable[[str], Any]  # None: as if the member had not come
Places = dict[str, tuple[str, Converter | None]]  # by name on the wire: attribute, conversion (None: the text itself)


@dataclass(frozen=True, slots=True)
class _Plan:
    """What there may be in the requests of one operation."""

    headers: Places
    query: Places
    metadata: str | None  # attribute of x-amz-meta-*
    has_bucket: bool
    has_key: bool
    required: tuple[Member, ...]  # of query and headers
    payload: Member | None  # the member that is the whole body
    own: Table | None  # the input's own elements
    own_required: tuple[str, ...]


def parse_input(
    operation: Operation, bucket: str, key: str, query: Mapping[str, str], headers: Mapping[str, str], body: bytes
) -> msgspec.Struct:
    """The input of ``operation``; header names are lower-case, ``body`` is empty unless ``operation.body`` is "xml".

    Raises InvalidArgument (with ArgumentName and ArgumentValue), InvalidRequest (a header is missing), MissingRequestBodyError,
    MalformedXML.
    """
    plan = _plan(operation)
    values: dict[str, Any] = {}
    if plan.has_bucket:
        values["bucket"] = bucket
        if plan.has_key:
            values["key"] = key
    metadata: dict[str, str] | None = None
    places = plan.headers
    for name, text in headers.items():
        place = places.get(name)
        if place is not None:
            attribute, convert = place
            values[attribute] = text if convert is None else convert(text)
        elif name.startswith(_META) and plan.metadata is not None:
            if metadata is None:
                metadata = values[plan.metadata] = {}
            metadata[name[_META_LENGTH:]] = text
    if query:
        _read_query(plan, query, values)
    for member in plan.required:
        if not values.get(member.attribute):
            raise _missing(member)
    if plan.payload is not None or plan.own is not None:
        _read_body(operation, plan, body, values)
    return operation.input(**values)


def _read_query(plan: _Plan, query: Mapping[str, str], values: dict[str, Any]) -> None:
    presigned = _PRESIGNED in query
    for name, text in query.items():
        place = plan.query.get(name)
        if place is not None:
            attribute, convert = place
            values[attribute] = text if convert is None else convert(text)
        elif presigned:
            _read_moved_header(plan, name.lower(), text, values)


def _read_moved_header(plan: _Plan, name: str, text: str, values: dict[str, Any]) -> None:
    """A header that an SDK moved into a presigned address. The header itself goes before it."""
    if name.startswith(_META) and plan.metadata is not None:
        metadata = values.get(plan.metadata)
        if metadata is None:
            metadata = values[plan.metadata] = {}
        metadata.setdefault(name[_META_LENGTH:], text)
    elif name.startswith("x-amz-") and name in plan.headers:
        attribute, convert = plan.headers[name]
        if attribute not in values:
            values[attribute] = text if convert is None else convert(text)


def _read_body(operation: Operation, plan: _Plan, body: bytes, values: dict[str, Any]) -> None:
    payload = plan.payload
    if payload is None:
        if not body:
            raise S3Fault("MissingRequestBodyError")
        values |= read_members(parse_document(body, operation.body_root), plan.own or {})
        if any(attribute not in values for attribute in plan.own_required):
            raise S3Fault("MalformedXML")
    elif body.strip() or (body and payload.kind != "{"):
        if payload.kind == "{":
            values[payload.attribute] = structure_reader(payload.shape)(parse_document(body, payload.wire))
        else:
            values[payload.attribute] = _decoded(body)
    elif payload.required:
        # S3 tells an upload that is completed without a list as bad XML, everything else as missing.
        raise S3Fault("MalformedXML" if operation.name == "CompleteMultipartUpload" else "MissingRequestBodyError")


def _decoded(body: bytes) -> str:
    try:
        return body.decode()
    except UnicodeDecodeError as error:
        raise S3Fault("InvalidRequest", "The body is not UTF-8") from error


def _missing(member: Member) -> S3Fault:
    if member.place == "h":
        return S3Fault("InvalidRequest", f"Missing required header for this request: {member.wire}")
    if member.wire == "partNumber":
        return invalid_argument("partNumber", "", _PART_NUMBER)
    return invalid_argument(member.wire, "", f"Missing required parameter: {member.wire}")


# -- conversions -------------------------------------------------------------------------------------------------------------

_PART_NUMBER = "Part number must be an integer between 1 and 10000, inclusive"
_PART_NUMBER_MAX = 10_000
# Bounded numbers of the query, as S3's texts name them.
_COUNT_NAMES = {"max-keys": "maxKeys"}
_DATE_TEXTS = {"x-amz-object-lock-retain-until-date": "The retain until date must be provided in ISO 8601 format"}


def invalid_argument(name: str, value: str, message: str) -> S3Fault:
    return S3Fault("InvalidArgument", message, fields=(("ArgumentName", name), ("ArgumentValue", value)))


def _number(text: str) -> int | None:
    """A decimal number of at most 64 bits; None when it is none."""
    text = text.strip()
    digits = text.removeprefix("-")
    return int(text) if digits.isdecimal() and digits.isascii() and len(digits) <= INTEGER_DIGITS_MAX else None


def _integer(wire: str) -> Converter:
    def convert(text: str) -> int | None:
        if not text:
            return None
        number = _number(text)
        if number is None:
            raise invalid_argument(wire, text, f"Provided {wire} not an integer or within integer range")
        return number

    return convert


def _count(wire: str) -> Converter:
    """Numbers of the query: 0 to 2**31 - 1."""
    told = _COUNT_NAMES.get(wire, wire)

    def convert(text: str) -> int | None:
        if not text:
            return None
        number = _number(text)
        if number is None or number > INT32_MAX:
            raise invalid_argument(wire, text, f"Provided {wire} not an integer or within integer range")
        if number < 0:
            raise invalid_argument(told, text, f"Argument {told} must be an integer between 0 and {INT32_MAX}")
        return number

    return convert


def _part_number(text: str) -> int:
    number = _number(text)
    if number is None or not 1 <= number <= _PART_NUMBER_MAX:
        raise invalid_argument("partNumber", text, _PART_NUMBER)
    return number


def _boolean(wire: str) -> Converter:
    def convert(text: str) -> bool | None:
        match text.strip().lower():
            case "true":
                return True
            case "false":
                return False
            case "":
                return None
        raise invalid_argument(wire, text, f"The value of {wire} must be true or false")

    return convert


def _time(wire: str) -> Converter:
    """Dates of conditions that are no dates are ignored (RFC 9110 section 13.1.3); others are refused."""
    is_condition = wire.startswith("if-") or "-if-" in wire

    def convert(text: str) -> int | None:
        if not text:
            return None
        time_us = parse_http_date(text)
        if time_us is None:
            time_us = parse_iso_date(text.strip())
        if time_us is None and not is_condition:
            raise invalid_argument(wire, text, _DATE_TEXTS.get(wire, f"The value of {wire} is not a date"))
        return time_us

    return convert


def _encoding_type(text: str) -> str | None:
    if text not in ("url", ""):
        raise invalid_argument("encoding-type", text, "Invalid Encoding Method specified in Request")
    return text or None


def _comma_list(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


def _converter(member: Member) -> Converter | None:
    if member.is_list:
        return _comma_list
    if member.wire == "encoding-type":
        return _encoding_type
    if member.wire == "partNumber":
        return _part_number
    match member.kind:
        case "i":
            return _count(member.wire) if member.place == "q" else _integer(member.wire)
        case "b":
            return _boolean(member.wire)
        case "d" | "D":
            return _time(member.wire)
    return None


_PLANS: dict[str, _Plan] = {}


def _plan(operation: Operation) -> _Plan:
    plan = _PLANS.get(operation.name)
    if plan is None:
        plan = _PLANS[operation.name] = _make_plan(operation.name)
    return plan


@cache
def _make_plan(name: str) -> _Plan:
    found = members(f"{name}Input")
    own = [member for member in found if member.place == "x"]
    return _Plan(
        headers={member.wire: (member.attribute, _converter(member)) for member in found if member.place == "h"},
        query={member.wire: (member.attribute, _converter(member)) for member in found if member.place == "q"},
        metadata=next((member.attribute for member in found if member.place == "m"), None),
        has_bucket=any(member.place == "u" and member.attribute == "bucket" for member in found),
        has_key=any(member.place == "u" and member.attribute == "key" for member in found),
        required=tuple(member for member in found if member.required and member.place in "qh"),
        payload=next((member for member in found if member.place == "p"), None),
        own=own_table(f"{name}Input") if own else None,
        own_required=tuple(member.attribute for member in own if member.required),
    )
