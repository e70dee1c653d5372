"""May this caller assume that role? The role's trust policy and the caller's own policies, together.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic-cross-account.html
"""

from __future__ import annotations

from collections.abc import Sequence

from dolmen.gateway.auth.authorize import AccessRequest, authorize_identity
from dolmen.gateway.auth.policy.document import PolicyError, parse_policy
from dolmen.gateway.auth.policy.evaluate import caller_of, evaluate, evaluate_for
from dolmen.gateway.auth.policy.principals import Caller, Naming
from dolmen.gateway.auth.principal import Principal
from dolmen.gateway.iam.condition_keys import CallContext
from dolmen.gateway.iam.records import Role


def caller_may_assume(
    role: Role, role_arn: str, role_account: str, principal: Principal, actions: Sequence[str], context: CallContext
) -> str | None:
    """The first of ``actions`` that is refused; None when all are allowed.

    In the account of the role, a trust policy that names the caller is enough; one that names the account leaves it to the
    caller's policies. From another account both have to allow.
    """
    try:
        trust = parse_policy(role.trust, kind="trust")
    except PolicyError:
        return actions[0]
    caller = caller_of(principal)
    for action in actions:
        found = evaluate_for(trust, caller, action.lower(), (), context)
        if found.denied_by is not None or found.allowed_by is None:
            return action
        naming = found.naming if principal.account.account_id == role_account else Naming.ACCOUNT
        if not _own_policies_agree(principal, action, role_arn, context, naming):
            return action
    return None


def _own_policies_agree(
    principal: Principal, action: str, role_arn: str, context: CallContext, naming: Naming
) -> bool:
    """What the caller's own policies have to say when the trust policy allows, by how directly it names the caller."""
    if naming is Naming.ACCOUNT:
        return authorize_identity(AccessRequest(action, role_arn, context), principal).allowed
    lower, arns = action.lower(), (role_arn,)
    limits = [principal.session_policies, None if principal.boundary is None else (principal.boundary,)]
    for policies in (principal.policies, *limits):
        if policies is not None and evaluate(policies, lower, arns, context).denied_by is not None:
            return False
    # A session whose role is named stays within its limits; who is named itself does not need their leave.
    return naming is Naming.DIRECT or all(
        policies is None or evaluate(policies, lower, arns, context).allowed_by is not None for policies in limits
    )


def provider_may_assume(role: Role, provider_arn: str, actions: Sequence[str], context: CallContext) -> str | None:
    """The first of ``actions`` that the trust policy does not allow to web identities of this provider."""
    try:
        trust = parse_policy(role.trust, kind="trust")
    except PolicyError:
        return actions[0]
    caller = Caller(federated=provider_arn)
    for action in actions:
        found = evaluate_for(trust, caller, action.lower(), (), context)
        if found.denied_by is not None or found.allowed_by is None:
            return action
    return None
