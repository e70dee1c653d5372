"""Managed policies attached to users, groups and roles, or bounding users and roles: records, counters and the index of them."""

from __future__ import annotations

import msgspec

from dolmen.gateway.iam.call import IamCall, Target
from dolmen.gateway.iam.fault import IamFault
from dolmen.gateway.iam.managed import find_policy, is_of_aws, policy_arn, policy_key
from dolmen.gateway.iam.records import Holder, ManagedPolicy

INDEX = "attachment"
AS_POLICY = "policy"
AS_BOUNDARY = "boundary"


async def attachable(call: IamCall, arn: str) -> ManagedPolicy:
    """Raises NoSuchEntity, as IAM words it, for what is no managed policy that this account may use."""
    if not arn.startswith("arn:"):
        raise IamFault("ValidationError", f"ARN {arn} is not valid.")
    policy = await find_policy(call.unit, call.account_id, arn)
    if policy is None:
        raise IamFault("NoSuchEntity", f"Policy {arn} does not exist or is not attachable.")
    return policy


def note(call: IamCall, policy: ManagedPolicy, target: Target, name: str, how: str, *, present: bool) -> None:
    """Stage the index row and the policy's counter."""
    key = policy_key(policy_arn(call.account_id, policy))
    call.unit.mark(INDEX, f"{key}{how}/{target.kind}/{name.lower()}", present=present)
    if is_of_aws(policy):
        return
    by = 1 if present else -1
    if how == AS_POLICY:
        policy = msgspec.structs.replace(policy, attachments=max(0, policy.attachments + by))
    else:
        policy = msgspec.structs.replace(policy, boundaries=max(0, policy.boundaries + by))
    call.unit.put(policy, policy.name)


async def with_counts(call: IamCall, policy: ManagedPolicy) -> ManagedPolicy:
    """AWS's policies are not stored: their counters come from the index."""
    if not is_of_aws(policy):
        return policy
    rows = await holders_of(call, policy)
    return msgspec.structs.replace(
        policy,
        attachments=sum(how == AS_POLICY for how, _, _ in rows),
        boundaries=sum(how == AS_BOUNDARY for how, _, _ in rows),
    )


async def holders_of(call: IamCall, policy: ManagedPolicy) -> list[tuple[str, str, str]]:
    """(how, kind, name) of everything that the policy is attached to."""
    found = await call.unit.names(INDEX, policy_key(policy_arn(call.account_id, policy)))
    rows = [name.split("/", 2) for name in found]
    return [(how, kind, name) for how, kind, name in rows]


async def move(call: IamCall, target: Target, holder: Holder, new_name: str) -> None:
    """The entity gets another name: its rows of the index follow; counters stay as they are."""
    uses = [(arn, AS_POLICY) for arn in holder.attached] + ([(holder.boundary, AS_BOUNDARY)] if holder.boundary else [])
    for arn, how in uses:
        start = f"{policy_key(arn)}{how}/{target.kind}/"
        call.unit.mark(INDEX, f"{start}{holder.name.lower()}", present=False)
        call.unit.mark(INDEX, f"{start}{new_name.lower()}", present=True)


async def set_boundary(call: IamCall, target: Target, holder: Holder, arn: str) -> Holder:
    """``holder`` with another boundary ("" is none), index and counters staged. Raises NoSuchEntity."""
    if holder.boundary == arn:
        return holder
    new = await attachable(call, arn) if arn else None
    if holder.boundary:
        old = await find_policy(call.unit, call.account_id, holder.boundary)
        if old is not None:
            note(call, old, target, holder.name, AS_BOUNDARY, present=False)
    if new is not None:
        current = await attachable(call, arn)  # with what was staged a line above
        note(call, current, target, holder.name, AS_BOUNDARY, present=True)
    return msgspec.structs.replace(holder, boundary=arn)
