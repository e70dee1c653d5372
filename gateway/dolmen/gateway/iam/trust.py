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
    same_account = principal.account.account_id == role_account
    own = [*principal.policies, *(principal.session_policies or ())]
    if principal.boundary is not None:
        own.append(principal.boundary)
    for action in actions:
        found = evaluate_for(trust, caller, action.lower(), (), context)
        if found.denied_by is not None or found.allowed_by is None:
            return action
        if same_account and found.naming is not Naming.ACCOUNT:
            if evaluate(own, action.lower(), (role_arn,), context).denied_by is not None:
                return action
        elif not authorize_identity(AccessRequest(action, role_arn, context), principal).allowed:
            return action
    return None


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
