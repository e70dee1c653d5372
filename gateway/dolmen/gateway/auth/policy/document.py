"""A policy document, parsed, checked and compiled.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_grammar.html
"""

from __future__ import annotations

import msgspec

from dolmen.gateway.auth.policy import bucket_rules, identity_rules
from dolmen.gateway.auth.policy.bucket_rules import POLICY_BYTES_MAX
from dolmen.gateway.auth.policy.conditions import VALUES_MAX, Condition, InvalidCondition
from dolmen.gateway.auth.policy.errors import PolicyError
from dolmen.gateway.auth.policy.matching import ActionSet, ResourceSet
from dolmen.gateway.auth.policy.principals import (
    PRINCIPALS_MAX,
    InvalidPrincipal,
    PrincipalSet,
    principal_set,
)
from dolmen.gateway.auth.policy.public import statement_is_public
from dolmen.gateway.auth.policy.strict_json import InvalidJson, Json, Number, parse_json

__all__ = ["VERSION_2008", "VERSION_2012", "Policy", "PolicyError", "Statement", "parse_policy"]

VERSION_2008 = "2008-10-17"
VERSION_2012 = "2012-10-17"  # the only one with variables

_FIELDS = frozenset({"Version", "Id", "Statement"})
_STATEMENT_FIELDS = frozenset(
    {"Sid", "Effect", "Principal", "NotPrincipal", "Action", "NotAction", "Resource", "NotResource", "Condition"}
)
_OBJECT_TAGS = "existingobjecttag"


class Statement(msgspec.Struct, frozen=True, kw_only=True):
    """One statement. None: the element is not there (and its negation may be)."""

    label: str  # its Sid, or its place: for the reason of a decision
    allows: bool
    principals: PrincipalSet | None = None
    not_principals: PrincipalSet | None = None
    actions: ActionSet | None = None
    not_actions: ActionSet | None = None
    resources: ResourceSet | None = None
    not_resources: ResourceSet | None = None
    conditions: tuple[Condition, ...] = ()


class Policy(msgspec.Struct, frozen=True, kw_only=True):
    """Statements of one document."""

    version: str
    id: str
    statements: tuple[Statement, ...]
    uses_object_tags: bool = False  # whether the tags of an object may decide
    is_public: bool = False  # as S3 means it (``public``); bucket policies only


def parse_policy(text: str | bytes, *, kind: str, bucket: str | None = None) -> Policy:
    """A document. Raises ``PolicyError`` with AWS's text.

    ``kind``: "bucket", "identity" (of users, groups, roles, boundaries and sessions) or "trust" (of roles). ``bucket``: the
    bucket (as it is stored, "tenant:name") that a bucket policy is for: actions, resources and conditions are checked against it.
    None for a policy that was checked when it was stored.
    """
    return _Parser(kind, bucket).policy(text)


class _Parser:
    def __init__(self, kind: str, bucket: str | None) -> None:
        assert kind in ("bucket", "identity", "trust")
        self._kind = kind
        self._of_bucket = kind == "bucket"
        self._bucket = bucket
        self._variables = False

    def _syntax(self, for_bucket: str = "Invalid policy syntax.") -> PolicyError:
        return PolicyError(for_bucket if self._of_bucket else "Syntax errors in policy.")

    def policy(self, text: str | bytes) -> Policy:
        try:
            document, size = parse_json(text)
        except InvalidJson as error:
            raise self._syntax("Policies must be valid JSON and the first byte must be '{'") from error
        if self._of_bucket and size > POLICY_BYTES_MAX:
            raise PolicyError(f"Normalized policy document exceeds the maximum allowed size of {POLICY_BYTES_MAX} bytes.")
        for name in document:
            if name not in _FIELDS:
                raise self._syntax(f"Unknown field {name[:100]}")
        version = document.get("Version", VERSION_2008)
        if version not in (VERSION_2008, VERSION_2012):
            raise PolicyError(
                "The policy must contain a valid version string"
                if self._of_bucket
                else "Policy document must be version 2012-10-17 or greater."
            )
        self._variables = version == VERSION_2012
        identifier = document.get("Id", "")
        if not _is_text(identifier):
            raise self._syntax()
        statements = self._statements(document)
        as_text = text.decode() if isinstance(text, bytes) else text
        return Policy(
            version=str(version),
            id=str(identifier),
            statements=statements,
            uses_object_tags=_OBJECT_TAGS in as_text.lower() or "\\u" in as_text,
            is_public=self._of_bucket and any(map(_is_public, statements)),
        )

    def _statements(self, document: dict[str, Json]) -> tuple[Statement, ...]:
        if "Statement" not in document:
            raise self._syntax("Missing required field Statement")
        listed = document["Statement"]
        if isinstance(listed, dict):
            listed = [listed]
        if not isinstance(listed, list):
            raise self._syntax()
        if not listed:
            raise self._syntax("Could not parse the policy: Statement is empty!")
        statements = []
        seen: set[str] = set()
        for number, raw in enumerate(listed, 1):
            if not isinstance(raw, dict):
                raise self._syntax()
            sid = raw.get("Sid", "")
            if not isinstance(sid, str) or not _is_text(sid):
                raise self._syntax()
            if sid and sid in seen:
                raise PolicyError("Statement IDs (SID) in a single policy must be unique.")
            seen.add(sid)
            statements.append(self._statement(raw, sid, sid or f"statement {number}"))
        return tuple(statements)

    def _statement(self, raw: dict[str, Json], sid: str, label: str) -> Statement:
        for name in raw:
            if name not in _STATEMENT_FIELDS:
                raise self._syntax(f"Unknown field {name[:100]}")
        self._check_rules(raw, sid)
        effect = raw.get("Effect")
        if effect is None:
            raise self._syntax("Missing required field Effect")
        if effect not in ("Allow", "Deny"):
            raise self._syntax(f"Invalid effect : {str(effect)[:100]}")
        allows = effect == "Allow"
        principals, not_principals = self._principals(raw, allows)
        actions, not_actions = (self._actions(raw, name) for name in ("Action", "NotAction"))
        resources, not_resources = (self._resources(raw, name) for name in ("Resource", "NotResource"))
        conditions = self._conditions(raw.get("Condition"), allows) if "Condition" in raw else ()
        statement = Statement(
            label=label,
            allows=allows,
            principals=principals,
            not_principals=not_principals,
            actions=actions,
            not_actions=not_actions,
            resources=resources,
            not_resources=not_resources,
            conditions=conditions,
        )
        if self._bucket is not None:
            bucket_rules.check_statement(actions, resources, not_resources, conditions, self._bucket)
        return statement

    def _check_rules(self, raw: dict[str, Json], sid: str) -> None:
        """Which elements there must be, which not, and which not together."""
        for name in ("Principal", "Action", "Resource"):
            if name in raw and f"Not{name}" in raw:
                raise self._syntax()
        if self._of_bucket:
            bucket_rules.check_elements(raw)
        else:
            identity_rules.check_elements(raw, sid, trust=self._kind == "trust")

    def _principals(self, raw: dict[str, Json], allows: bool) -> tuple[PrincipalSet | None, PrincipalSet | None]:
        if "NotPrincipal" in raw and allows:
            raise PolicyError("Allow with NotPrincipal is not allowed.")
        named = self._principal(raw["Principal"]) if "Principal" in raw else None
        return named, self._principal(raw["NotPrincipal"]) if "NotPrincipal" in raw else None

    def _principal(self, value: Json) -> PrincipalSet:
        if value == "*":
            return PrincipalSet(everyone=True)
        if not isinstance(value, dict):
            raise self._syntax()
        pairs = [(kind, text) for kind, listed in value.items() for text in self._texts(listed, PRINCIPALS_MAX)]
        if not pairs:
            raise PolicyError("Missing required field Principal cannot be empty!")
        try:
            return principal_set(pairs)
        except InvalidPrincipal as error:
            message = "Invalid principal in policy" if self._of_bucket else f"Invalid principal in policy: {error}"
            raise PolicyError(message, detail=str(error)) from error

    def _actions(self, raw: dict[str, Json], name: str) -> ActionSet | None:
        if name not in raw:
            return None
        listed = self._texts(raw[name])
        if not listed:
            raise self._syntax("Missing required field Action")
        check = bucket_rules.check_action if self._of_bucket else identity_rules.check_action
        for text in listed:
            check(text)
            if self._kind == "trust":
                identity_rules.check_trust_action(text)
        return ActionSet(listed)

    def _resources(self, raw: dict[str, Json], name: str) -> ResourceSet | None:
        if name not in raw:
            return None
        listed = self._texts(raw[name])
        if not listed:
            raise self._syntax("Missing required field Resource")
        if not self._of_bucket:
            for text in listed:
                identity_rules.check_resource(text)
        return ResourceSet(listed, variables=self._variables)

    def _conditions(self, raw: Json, allows: bool) -> tuple[Condition, ...]:
        if not isinstance(raw, dict):
            raise self._syntax()
        conditions = []
        for operator, keys in raw.items():
            if not isinstance(keys, dict):
                raise self._syntax()
            for key, value in keys.items():
                listed = value if isinstance(value, list) else [value]
                if not listed or len(listed) > VALUES_MAX:
                    raise self._syntax()
                texts = tuple(self._condition_value(one) for one in listed)
                try:
                    conditions.append(Condition(operator, key, texts, variables=self._variables, allows=allows))
                except InvalidCondition as error:
                    raise self._syntax(str(error)) from error
                if not self._of_bucket:
                    identity_rules.check_condition_key(key)
        return tuple(conditions)

    def _condition_value(self, value: Json) -> str:
        if isinstance(value, bool):
            return "true" if value else "false"
        if isinstance(value, str):
            return value
        raise self._syntax()

    def _texts(self, value: Json, limit: int | None = None) -> list[str]:
        """A string or a list of strings."""
        listed = value if isinstance(value, list) else [value]
        if limit is not None and len(listed) > limit:
            raise self._syntax()
        texts = []
        for one in listed:
            if not isinstance(one, str) or not _is_text(one):
                raise self._syntax()
            texts.append(one)
        return texts


def _is_text(value: Json) -> bool:
    """A string; numbers are kept as strings too, and are no text."""
    return isinstance(value, str) and not isinstance(value, Number)


def _is_public(statement: Statement) -> bool:
    return statement_is_public(statement.allows, statement.principals, statement.conditions)
