"""SimulatePrincipalPolicy and SimulateCustomPolicy: what the engine would decide, and by which statement.

https://docs.aws.amazon.com/IAM/latest/APIReference/API_SimulatePrincipalPolicy.html. The statement that decides is named in
EvalDecisionDetails (AWS names kinds of policies there).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import msgspec

from dolmen.gateway.auth.policy.document import Policy, PolicyError, parse_policy
from dolmen.gateway.auth.policy.evaluate import Finding, caller_of, evaluate, evaluate_for
from dolmen.gateway.auth.principal import USER, Principal
from dolmen.gateway.iam.call import TARGETS, IamCall, checked_policy
from dolmen.gateway.iam.condition_keys import CallContext
from dolmen.gateway.iam.fault import IamFault, invalid
from dolmen.gateway.iam.managed import default_document, find_policy
from dolmen.gateway.iam.pages import page
from dolmen.gateway.iam.principals import parsed, principal_tags
from dolmen.gateway.iam.records import Group, Holder, User
from dolmen.gateway.iam.wire import Given, Output

EVALUATIONS_MAX = 1000  # actions times resources of one call
POLICIES_SIMULATED_MAX = 100  # of one call
_STATUS = {True: "allowed", False: "explicitDeny", None: "implicitDeny"}


class _Source(NamedTuple):
    """A policy and what it is called in the answer."""

    name: str
    kind: str  # user, group, role, aws-managed, user-managed, resource, none
    policy: Policy


class _Simulation(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that one call evaluates with."""

    sources: list[_Source]
    boundaries: list[_Source]
    resource_policy: Policy | None
    principal: Principal
    context: CallContext


def _entries(given: Given) -> dict[str, tuple[str, ...]]:
    return {
        entry["ContextKeyName"].lower(): tuple(entry.get("ContextKeyValues", ()))
        for entry in given.get("ContextEntries", ())
        if "ContextKeyName" in entry
    }


def _documents(given: Given, member: str, kind: str) -> list[_Source]:
    listed = given.get(member, ())
    if len(listed) > POLICIES_SIMULATED_MAX:
        raise IamFault("InvalidInput", f"At most {POLICIES_SIMULATED_MAX} policies can be simulated at a time.")
    return [_Source(f"{member}.{number}", kind, checked_policy(text)) for number, text in enumerate(listed, 1)]


def _resource_policy(given: Given) -> Policy | None:
    if "ResourcePolicy" not in given:
        return None
    try:
        return parse_policy(given["ResourcePolicy"], kind="bucket")
    except PolicyError as error:
        raise IamFault("InvalidInput", f"ResourcePolicy: {error}") from error


async def _of_holder(call: IamCall, holder: Holder) -> list[_Source]:
    kind = next(target.kind for target in TARGETS if target.record is type(holder))
    found = [_Source(f"{kind}_{holder.name}_{name}", kind, parsed(text)) for name, text in holder.inline.items()]
    for arn in holder.attached:
        policy = await find_policy(call.unit, call.account_id, arn)
        if policy is not None:
            managed = "aws-managed" if arn.startswith("arn:aws:iam::aws:") else "user-managed"
            found.append(_Source(policy.name, managed, parsed(default_document(policy))))
    return found


async def _holder_of_arn(call: IamCall, arn: str) -> Holder:
    start = f"arn:aws:iam::{call.account_id}:"
    kind, slash, rest = arn[len(start) :].partition("/")
    target = next((one for one in TARGETS if one.kind == kind), None)
    if not arn.startswith(start) or not slash or target is None:
        raise IamFault("InvalidInput", f"Invalid Entity Arn: {arn} does not clearly define entity type and name.")
    holder = await call.unit.get(target.record, rest.rpartition("/")[2])
    if holder is None or call.arn_of(holder).lower() != arn.lower():
        raise IamFault("NoSuchEntity", f"The {kind} with name {rest.rpartition('/')[2]} cannot be found.")
    return holder


async def simulate_principal_policy(call: IamCall, given: Given) -> Output | None:
    arn = given["PolicySourceArn"]
    call.require(arn)
    holder = await _holder_of_arn(call, arn)
    sources = await _of_holder(call, holder)
    if isinstance(holder, User):
        for name in holder.groups:
            group = await call.unit.get(Group, name)
            sources += [] if group is None else await _of_holder(call, group)
    sources += _documents(given, "PolicyInputList", "none")
    boundaries = _documents(given, "PermissionsBoundaryPolicyInputList", "none")
    if not boundaries and holder.boundary:
        policy = await find_policy(call.unit, call.account_id, holder.boundary)
        if policy is not None:
            boundaries = [_Source(policy.name, "user-managed", parsed(default_document(policy)))]
    principal = Principal(
        account=call.account,
        kind=USER,
        arn=call.arn_of(holder),
        user_id=holder.unique_id,
        user_name=holder.name if isinstance(holder, User) else "",
        keys=principal_tags(holder.tags),
    )
    return _simulated(call, given, sources, boundaries, principal)


async def simulate_custom_policy(call: IamCall, given: Given) -> Output | None:
    call.require("*")
    sources = _documents(given, "PolicyInputList", "none")
    boundaries = _documents(given, "PermissionsBoundaryPolicyInputList", "none")
    caller = given.get("CallerArn", f"arn:aws:iam::{call.account_id}:user/simulated")
    principal = Principal(
        account=call.account, kind=USER, arn=caller, user_id="AIDASIMULATED", user_name=caller.rpartition("/")[2]
    )
    return _simulated(call, given, sources, boundaries, principal)


def _simulated(
    call: IamCall, given: Given, sources: list[_Source], boundaries: list[_Source], principal: Principal
) -> Output:
    simulation = _Simulation(
        sources=sources,
        boundaries=boundaries,
        resource_policy=_resource_policy(given),
        principal=principal,
        context=CallContext(call.facts, principal, call.account_id, _entries(given)),
    )
    actions, resources = given["ActionNames"], given.get("ResourceArns", ()) or ("*",)
    if len(actions) * len(resources) > EVALUATIONS_MAX:
        raise IamFault("InvalidInput", f"At most {EVALUATIONS_MAX} evaluations are done at a time.")
    if any(":" not in action for action in actions):
        raise invalid("Actions must be prefaced by a vendor, e.g., iam, s3.")
    pairs = ((action, resource) for action in actions for resource in resources)
    results = [(f"{number:06d}", _evaluated(simulation, *pair)) for number, pair in enumerate(pairs)]
    return page("EvaluationResults", results, given)


def _evaluated(simulation: _Simulation, action: str, resource: str) -> dict[str, Any]:
    lower, arns = action.lower(), (resource,)
    context = simulation.context
    found = [(source, evaluate([source.policy], lower, arns, context)) for source in simulation.sources]
    if simulation.resource_policy is not None:
        of_resource = evaluate_for(simulation.resource_policy, caller_of(simulation.principal), lower, arns, context)
        found.append((_Source("ResourcePolicy", "resource", simulation.resource_policy), of_resource))
    matched = [(source, finding) for source, finding in found if finding.denied_by or finding.allowed_by]
    denying = [(source, finding) for source, finding in matched if finding.denied_by]
    within = [(source, evaluate([source.policy], lower, arns, context)) for source in simulation.boundaries]
    bounded = bool(within) and (any(f.denied_by for _, f in within) or not any(f.allowed_by for _, f in within))
    allowed: bool | None = True if matched else None
    if denying or any(finding.denied_by for _, finding in within):
        allowed = False
    elif bounded:
        allowed = None
    deciding = denying or matched
    result: dict[str, Any] = {
        "EvalActionName": action,
        "EvalResourceName": resource,
        "EvalDecision": _STATUS[allowed],
        "MatchedStatements": [{"SourcePolicyId": one.name, "SourcePolicyType": one.kind} for one, _ in deciding],
        "MissingContextValues": [],
        "EvalDecisionDetails": dict(_details([*deciding, *within])),
    }
    if within:
        result["PermissionsBoundaryDecisionDetail"] = {"AllowedByPermissionsBoundary": not bounded}
    return result


def _details(found: list[tuple[_Source, Finding]]) -> Iterator[tuple[str, str]]:
    """Which statement of which policy said what."""
    for source, finding in found:
        statement = finding.denied_by or finding.allowed_by
        if statement is None:
            yield source.name, _STATUS[None]
        else:
            yield f"{source.name}, statement {statement.label}", _STATUS[statement.allows]


HANDLERS = {
    "SimulatePrincipalPolicy": simulate_principal_policy,
    "SimulateCustomPolicy": simulate_custom_policy,
}
