"""The query protocol of IAM and STS without I/O: form parameters to a checked input, an output to XML.

https://smithy.io/2.0/aws/protocols/aws-query-protocol.html. Inputs and outputs are dictionaries by the names of the service's
model (``iam.model``), which also gives their order in XML and the bounds of their values.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from typing import Any

from dolmen.gateway.iam.fault import IamFault, invalid
from dolmen.gateway.iam.model.operations_generated import OPERATIONS, SHAPES
from dolmen.gateway.s3.dates import iso_second
from dolmen.gateway.s3.render import Response, escape

Given = Mapping[str, Any]
Output = Mapping[str, Any]

FORM_BYTES_MAX = 1 << 20  # the longest documents have 131,072 characters, each up to 6 bytes as a form
PARAMETERS_MAX = 2048  # 50 tags and some long lists; bounds the work for a stranger's form
_DEPTH_MAX = 8  # Tags.member.1.Key has 4; nothing of ours has more than 6
VERSIONS = {"iam": "2010-05-08", "sts": "2011-06-15"}
NAMESPACES = {service: f"https://{service}.amazonaws.com/doc/{version}/" for service, version in VERSIONS.items()}
_XML_TYPE = (b"content-type", b"text/xml")
_SEPARATORS = " \u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000"  # Unicode's category Z
_UNICODE_CLASSES = r"\p{L}\p{Z}\p{N}_"
# Messages repeat what was sent; XML 1.0 has no place for these, and the parsers of SDKs break on them.
_CONTROLS = dict.fromkeys([*(set(range(0x20)) - {9, 10, 13}), *range(0xD800, 0xE000), 0xFFFE, 0xFFFF], "\ufffd")
_INTEGER = re.compile(r"-?\d{1,10}", re.ASCII)
_Tree = dict[str, Any]  # name: text, or the tree below it


def parse_input(service: str, action: str, parameters: Mapping[str, str]) -> dict[str, Any]:
    """The input of ``action``. Raises ``IamFault``: ValidationError with every complaint, MalformedQueryString."""
    shape = OPERATIONS[f"{service}.{action}"][0]
    if shape is None:
        return {}
    complaints: list[str] = []
    given = _structure(shape, _tree(parameters), "", complaints)
    if complaints:
        many = "errors" if len(complaints) > 1 else "error"
        raise invalid(f"{len(complaints)} validation {many} detected: {'; '.join(complaints)}")
    return given


def _tree(parameters: Mapping[str, str]) -> _Tree:
    """``Tags.member.1.Key`` as nested dictionaries."""
    if len(parameters) > PARAMETERS_MAX:
        raise IamFault("MalformedQueryString", "Too many parameters.")
    root: _Tree = {}
    for name, text in parameters.items():
        *path, last = name.split(".")
        if len(path) >= _DEPTH_MAX:
            raise IamFault("MalformedQueryString", "A parameter is nested too deeply.")
        branch = root
        for part in path:
            below = branch.get(part)
            if not isinstance(below, dict):
                below = branch[part] = {}
            branch = below
        if not isinstance(branch.get(last), dict):
            branch[last] = text
    return root


def _structure(shape: str, tree: _Tree, place: str, complaints: list[str]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for wire, member, required in SHAPES[shape][1]:
        path = f"{place}.{_camel(wire)}" if place else _camel(wire)
        if wire not in tree:
            if required:
                complaints.append(f"Value null at '{path}' failed to satisfy constraint: Member must not be null")
            continue
        found[wire] = _value(member, tree[wire], path, complaints)
    return found


def _value(shape: str, value: Any, path: str, complaints: list[str]) -> Any:  # noqa: ANN401 - a node of the tree, a value of the input
    kind = SHAPES[shape][0]
    if kind == "structure":
        return _structure(shape, value if isinstance(value, dict) else {}, path, complaints)
    if kind == "list":
        return _list(shape, value, path, complaints)
    if isinstance(value, dict):
        raise IamFault("MalformedQueryString", f"Unexpected list element at {path}.")
    if kind == "integer":
        return _integer(shape, value, path, complaints)
    if kind == "boolean":
        if value.lower() not in ("true", "false"):
            complaints.append(f"Value '{_shown(value)}' at '{path}' failed to satisfy constraint: Member must be a boolean")
        return value.lower() == "true"
    if kind == "string":
        _check_text(shape, value, path, complaints)
    return value


def _list(shape: str, value: Any, path: str, complaints: list[str]) -> list[Any]:  # noqa: ANN401 - as above
    _, member, low, high = SHAPES[shape]
    entries = value.get("member", {}) if isinstance(value, dict) else {}  # an empty list is sent as "Tags="
    if not isinstance(entries, dict):
        entries = {}
    if not all(number.isascii() and number.isdigit() and len(number) < 6 for number in entries):
        raise IamFault("MalformedQueryString", f"Members of {path} are not numbered.")
    found = [
        _value(member, entry, f"{path}.{number}.member", complaints)
        for number, entry in sorted(entries.items(), key=lambda one: int(one[0]))
    ]
    _check_length(len(found), low, high, "[...]", path, complaints)
    return found


def _integer(shape: str, value: str, path: str, complaints: list[str]) -> int:
    if _INTEGER.fullmatch(value) is None:
        complaints.append(f"Value '{_shown(value)}' at '{path}' failed to satisfy constraint: Member must be a number")
        return 0
    number = int(value)
    _, low, high = SHAPES[shape]
    if low is not None and number < low:
        complaints.append(
            f"Value '{number}' at '{path}' failed to satisfy constraint: Member must have value greater than or equal to {low}"
        )
    if high is not None and number > high:
        complaints.append(
            f"Value '{number}' at '{path}' failed to satisfy constraint: Member must have value less than or equal to {high}"
        )
    return number


def _check_text(shape: str, value: str, path: str, complaints: list[str]) -> None:
    _, low, high, pattern, allowed, sensitive = SHAPES[shape]
    shown = "***" if sensitive else _shown(value)
    if allowed and value not in allowed:
        complaints.append(
            f"Value '{shown}' at '{path}' failed to satisfy constraint: Member must satisfy enum value set: "
            f"[{', '.join(allowed)}]"
        )
        return
    _check_length(len(value), low, high, shown, path, complaints)
    if pattern is not None and (high is None or len(value) <= high) and _compiled(pattern).fullmatch(value) is None:
        complaints.append(
            f"Value '{shown}' at '{path}' failed to satisfy constraint: Member must satisfy regular expression pattern: {pattern}"
        )


def _check_length(length: int, low: int | None, high: int | None, shown: str, path: str, complaints: list[str]) -> None:
    if low is not None and length < low:
        text = f"Member must have length greater than or equal to {low}"
    elif high is not None and length > high:
        text = f"Member must have length less than or equal to {high}"
    else:
        return
    complaints.append(f"Value '{shown}' at '{path}' failed to satisfy constraint: {text}")


def _shown(value: str) -> str:
    return value if len(value) <= 256 else f"{value[:256]}..."


@cache
def _compiled(pattern: str) -> re.Pattern[str]:
    """A pattern of the model, which is Java's: its classes of Unicode are Python's word characters and separators."""
    if _UNICODE_CLASSES in pattern:
        return re.compile(pattern.replace(_UNICODE_CLASSES, rf"\w{_SEPARATORS}"))
    return re.compile(pattern, re.ASCII)


def _camel(name: str) -> str:
    """``UserName`` as messages show it: ``userName``; ``ARN...`` keeps its capitals."""
    return name if name[:2].isupper() else name[:1].lower() + name[1:]


# -- answers -----------------------------------------------------------------------------------------------------------------


def render(service: str, action: str, output: Output | None, request_id: str) -> Response:
    """The answer of ``action``. Members that are None or absent are left out."""
    shape = OPERATIONS[f"{service}.{action}"][1]
    out = [f'<{action}Response xmlns="{NAMESPACES[service]}">']
    if shape is not None:
        out.append(f"<{action}Result>")
        _write_structure(shape, output or {}, out)
        out.append(f"</{action}Result>")
    out.append(f"<ResponseMetadata><RequestId>{escape(request_id)}</RequestId></ResponseMetadata></{action}Response>")
    return _response(200, out, request_id)


def render_fault(service: str, fault: IamFault, request_id: str) -> Response:
    """The error document of the query protocol."""
    kind = "Sender" if fault.status < 500 else "Receiver"
    out = [
        f'<ErrorResponse xmlns="{NAMESPACES[service]}"><Error><Type>{kind}</Type><Code>{escape(fault.code)}</Code>',
        f"<Message>{escape(fault.message.translate(_CONTROLS))}</Message></Error><RequestId>{escape(request_id)}</RequestId></ErrorResponse>",
    ]
    return _response(fault.status, out, request_id)


def _response(status: int, out: list[str], request_id: str) -> Response:
    body = "".join(out).encode("utf-8", "surrogatepass")
    return Response(status, [_XML_TYPE, (b"x-amzn-requestid", request_id.encode("ascii", "replace"))], body)


def _write_structure(shape: str, value: Mapping[str, Any], out: list[str]) -> None:
    members = SHAPES[shape][1]
    unknown = value.keys() - {wire for wire, _, _ in members}
    assert not unknown, f"{shape} has no {unknown}"
    for wire, member, _ in members:
        inner = value.get(wire)
        if inner is not None:
            out.append(f"<{wire}>")
            _write_value(member, inner, out)
            out.append(f"</{wire}>")


def _write_value(shape: str, value: Any, out: list[str]) -> None:  # noqa: ANN401 - a value of the output
    row = SHAPES[shape]
    match row[0]:
        case "structure":
            _write_structure(shape, value, out)
        case "list":
            for inner in value:
                out.append("<member>")
                _write_value(row[1], inner, out)
                out.append("</member>")
        case "map":
            for key, inner in value.items():
                out.append(f"<entry><key>{escape(key)}</key><value>")
                _write_value(row[2], inner, out)
                out.append("</value></entry>")
        case "boolean":
            out.append("true" if value else "false")
        case "timestamp":
            out.append(iso_second(value))
        case _:
            out.append(escape(str(value)))
