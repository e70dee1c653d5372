"""Sets of actions and of resources, compiled."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from dolmen.gateway.auth.policy.pattern import NOTHING, ArnPattern, Glob, Values, resolve, tokens


class ActionSet:
    """Action or NotAction: names with wildcards, no matter in which case."""

    __slots__ = ("_everything", "_exact", "_globs", "listed")

    def __init__(self, listed: Iterable[str]) -> None:
        self.listed = tuple(text.lower() for text in listed)
        self._everything = "*" in self.listed
        self._exact = frozenset(text for text in self.listed if "*" not in text and "?" not in text)
        self._globs = tuple(glob_of(text) for text in self.listed if text not in self._exact)

    def matches(self, action: str) -> bool:
        """``action`` in lower case."""
        return self._everything or action in self._exact or any(glob.matches(action) for glob in self._globs)


def glob_of(text: str) -> Glob:
    """A glob without variables."""
    return Glob(resolve(tokens(text, variables=False, wildcards=True), NOTHING) or [])


class ResourceSet:
    """Resource or NotResource: ARNs with wildcards and variables."""

    __slots__ = ("patterns",)

    def __init__(self, listed: Sequence[str], *, variables: bool) -> None:
        self.patterns = tuple(ArnPattern(text, variables=variables, complete=True) for text in listed)

    def matches(self, arns: Sequence[str], values: Values) -> bool | None:
        """Whether one of the resource's names matches; None when none does and a variable had no value."""
        unresolved = False
        for pattern in self.patterns:
            for arn in arns:
                found = pattern.matches(arn, values)
                if found:
                    return True
                unresolved = unresolved or found is None
        return None if unresolved else False
