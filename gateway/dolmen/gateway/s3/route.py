"""Which operation a request means: by method, level, sub-resources in the query, and a few headers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from dolmen.gateway.s3.fault import S3Fault
from dolmen.gateway.s3.operations import OPERATIONS, Operation


class _Rule:
    """One operation with what must be there, taken apart."""

    __slots__ = ("operation", "query", "headers", "conditions")

    def __init__(self, operation: Operation) -> None:
        self.operation = operation
        self.query = tuple(_condition(text) for text in operation.query)
        self.headers = tuple(_condition(text) for text in operation.headers)
        self.conditions = len(self.query) + len(self.headers)

    def is_met(self, query: Mapping[str, str], headers: Mapping[str, str]) -> bool:
        for name, value in self.query:
            if name not in query or (value is not None and query[name] != value):
                return False
        return self.has_headers(headers)

    def has_headers(self, headers: Mapping[str, str]) -> bool:
        for name, start in self.headers:
            if name not in headers or (start is not None and not headers[name].lower().startswith(start)):
                return False
        return True


def _condition(text: str) -> tuple[str, str | None]:
    name, equals, value = text.partition("=")
    return name, value if equals else None


class _Rules:
    """The operations of one method at one level, the most particular first."""

    __slots__ = ("plain", "selected")

    def __init__(self) -> None:
        self.plain: list[_Rule] = []
        self.selected: dict[str, list[_Rule]] = {}  # by sub-resource

    def add(self, operation: Operation) -> None:
        for rules in [self.selected.setdefault(name, []) for name in operation.selectors] or [self.plain]:
            rules.append(_Rule(operation))
            rules.sort(key=lambda rule: -rule.conditions)


_RULES: dict[tuple[str, str], _Rules] = {}
# Sub-resources of each level, of any method: one that a method does not have must not fall through to the whole resource
# (DELETE /bucket?acl must not delete the bucket).
_SUBRESOURCES: dict[str, set[str]] = {"service": set(), "bucket": set(), "object": set()}
# A part number alone reads one part of an object; it is a sub-resource only where parts are written.
_NOT_SUBRESOURCES = {"partNumber"}

for _one in OPERATIONS.values():
    if _one.routed:
        _RULES.setdefault((_one.method, _one.level), _Rules()).add(_one)
        _SUBRESOURCES[_one.level].update(set(_one.selectors) - _NOT_SUBRESOURCES)


def route(method: str, level: str, query: Mapping[str, str], headers: Mapping[str, str]) -> Operation:
    """The operation; ``level`` is service, bucket or object, header names are lower-case.

    Raises MethodNotAllowed; InvalidArgument for sub-resources that exclude each other; PreconditionFailed for a form that is none.
    What the operation needs besides and is missing is for ``parse_input`` to say.
    """
    rules = _RULES.get((method, level))
    if rules is None:
        raise _not_allowed(method, level, level)
    if query:
        selectors = [name for name in query if name in rules.selected]
        if selectors:
            return _selected(rules, selectors, query, headers)
        if method != "HEAD":  # which reads, whatever the query says
            for name in query:
                if name in _SUBRESOURCES[level]:
                    raise _not_allowed(method, level, name)
    for rule in rules.plain:
        if not rule.conditions or rule.is_met(query, headers):
            return rule.operation
    if method == "POST" and level == "bucket":
        condition = "Bucket POST must be of the enclosure-type multipart/form-data"
        raise S3Fault("PreconditionFailed", fields=(("Condition", condition),))
    raise _not_allowed(method, level, level)


def _selected(rules: _Rules, selectors: list[str], query: Mapping[str, str], headers: Mapping[str, str]) -> Operation:
    chosen: _Rule | None = None
    for name in selectors:
        for rule in rules.selected[name]:
            if (chosen is None or rule.conditions > chosen.conditions) and rule.is_met(query, headers):
                chosen = rule
    if chosen is None:
        chosen = _nearest(rules.selected[selectors[0]], headers)
    operation = chosen.operation
    excluded = [name for name in selectors if name not in operation.selectors]
    if excluded:
        names = sorted([*operation.selectors, *excluded])
        fields = (("ArgumentName", "ResourceType"), ("ArgumentValue", names[0]))
        raise S3Fault("InvalidArgument", f"Conflicting query string parameters: {', '.join(names)}", fields=fields)
    return operation


def _nearest(rules: list[_Rule], headers: Mapping[str, str]) -> _Rule:
    """Of operations none of which is met whole; ``parse_input`` will miss the rest. One with its headers goes first."""
    for rule in rules:
        if rule.headers and rule.has_headers(headers):
            return rule
    return rules[-1]


def _allowed(level: str, resource: str) -> Iterator[str]:
    for (method, at), rules in _RULES.items():
        if at == level and (rules.plain if resource == level else resource in rules.selected):
            yield method


def _not_allowed(method: str, level: str, resource: str) -> S3Fault:
    """``resource``: the level, or a sub-resource of it."""
    fields = (("Method", method), ("ResourceType", resource.upper()))
    return S3Fault("MethodNotAllowed", fields=fields, headers=(("allow", ", ".join(sorted(_allowed(level, resource)))),))
