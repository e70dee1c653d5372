"""Policies against one request: what denies, what allows, and how directly the caller is named.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from dolmen.gateway.auth.policy.document import Policy, Statement
from dolmen.gateway.auth.policy.pattern import Values
from dolmen.gateway.auth.policy.principals import Caller, Naming
from dolmen.gateway.auth.principal import ROOT, Principal

ANYBODY = Caller()


class Finding(NamedTuple):
    """The statement that denies, or else the one that allows, if any."""

    denied_by: Statement | None = None
    allowed_by: Statement | None = None
    naming: Naming = Naming.NOT  # of the one that allows; identity policies name nobody


NOTHING_SAID = Finding()


def caller_of(principal: Principal | None) -> Caller:
    """The names under which policies may mean a principal."""
    if principal is None:
        return ANYBODY
    return Caller(
        account_id=principal.account.account_id,
        canonical_id=principal.account.canonical_id,
        arn="" if principal.kind == ROOT else principal.arn,
        role_arn=principal.issuer_arn,
    )


def speaks_of(statement: Statement, action: str, arns: Sequence[str], values: Values) -> bool:
    """Whether action, resource and conditions of a statement meet the request. ``action``: lower case."""
    if statement.actions is not None:
        if not statement.actions.matches(action):
            return False
    elif statement.not_actions is not None and statement.not_actions.matches(action):
        return False
    if statement.resources is not None:
        if not statement.resources.matches(arns, values):
            return False
    elif statement.not_resources is not None:
        matched = statement.not_resources.matches(arns, values)
        # A variable without a value: nobody knows what was meant to be left out. It must not open what is closed.
        if matched or (matched is None and statement.allows):
            return False
    return all(condition.holds(values) for condition in statement.conditions)


def evaluate(policies: Iterable[Policy], action: str, arns: Sequence[str], values: Values) -> Finding:
    """Identity policies, a boundary or session policies."""
    allowed_by = None
    for policy in policies:
        for statement in policy.statements:
            if statement.allows and allowed_by is not None:
                continue
            if speaks_of(statement, action, arns, values):
                if not statement.allows:
                    return Finding(denied_by=statement)
                allowed_by = statement
    return NOTHING_SAID if allowed_by is None else Finding(allowed_by=allowed_by)


def evaluate_for(policy: Policy, caller: Caller, action: str, arns: Sequence[str], values: Values) -> Finding:
    """A bucket or trust policy: of the statements that allow, the one that names the caller most directly."""
    found = NOTHING_SAID
    for statement in policy.statements:
        naming = _naming(statement, caller)
        if naming is Naming.NOT or (statement.allows and naming <= found.naming):
            continue
        if speaks_of(statement, action, arns, values):
            if not statement.allows:
                return Finding(denied_by=statement)
            found = Finding(allowed_by=statement, naming=naming)
    return found


def _naming(statement: Statement, caller: Caller) -> Naming:
    if statement.principals is not None:
        return statement.principals.names(caller)
    if statement.not_principals is not None:  # only in statements that deny
        return Naming.NOT if statement.not_principals.names(caller) else Naming.DIRECT
    return Naming.NOT


