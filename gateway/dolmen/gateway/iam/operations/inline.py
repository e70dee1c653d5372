"""Policies of users, groups and roles: inline ones, attached ones, boundaries, tags. The same code for all three."""

from __future__ import annotations

from functools import partial
from typing import Any

import msgspec

from dolmen.gateway.iam import shapes
from dolmen.gateway.iam.attachments import AS_POLICY, attachable, note, set_boundary
from dolmen.gateway.iam.call import TARGETS, IamCall, Target, checked_policy
from dolmen.gateway.iam.fault import IamFault, limit_exceeded
from dolmen.gateway.iam.limits import ATTACHED_POLICIES_MAX, INLINE_POLICY_CHARACTERS, characters
from dolmen.gateway.iam.managed import find_policy, policy_arn
from dolmen.gateway.iam.pages import page
from dolmen.gateway.iam.records import Holder
from dolmen.gateway.iam.wire import Given, Output

replace = msgspec.structs.replace


def _name(target: Target, given: Given) -> str:
    return str(given[f"{target.label}Name"])


async def _put(target: Target, call: IamCall, given: Given) -> Output | None:
    holder: Holder = await call.find(target, _name(target, given))
    text = given["PolicyDocument"]
    checked_policy(text)
    inline = {**holder.inline, given["PolicyName"]: text}
    limit = INLINE_POLICY_CHARACTERS[target.kind]
    if sum(characters(one) for one in inline.values()) > limit:
        raise IamFault("LimitExceeded", f"Maximum policy size of {limit} bytes exceeded for {target.kind} {holder.name}")
    call.unit.put(replace(holder, inline=inline), holder.name)
    return None


def _inline(holder: Holder, target: Target, name: str) -> str:
    text = holder.inline.get(name)
    if text is None:
        raise IamFault("NoSuchEntity", f"The {target.kind} policy with name {name} cannot be found.")
    return text


async def _get(target: Target, call: IamCall, given: Given) -> Output | None:
    holder: Holder = await call.find(target, _name(target, given))
    name = given["PolicyName"]
    return {
        f"{target.label}Name": holder.name,
        "PolicyName": name,
        "PolicyDocument": shapes.document(_inline(holder, target, name)),
    }


async def _delete(target: Target, call: IamCall, given: Given) -> Output | None:
    holder: Holder = await call.find(target, _name(target, given))
    _inline(holder, target, given["PolicyName"])
    inline = {name: text for name, text in holder.inline.items() if name != given["PolicyName"]}
    call.unit.put(replace(holder, inline=inline), holder.name)
    return None


async def _list(target: Target, call: IamCall, given: Given) -> Output | None:
    holder: Holder = await call.find(target, _name(target, given))
    return page("PolicyNames", ((name, name) for name in holder.inline), given)


async def _attach(target: Target, call: IamCall, given: Given) -> Output | None:
    given_arn = given["PolicyArn"]
    holder: Holder = await call.find(target, _name(target, given), keys={"iam:policyarn": (given_arn,)})
    policy = await attachable(call, given_arn)
    arn = policy_arn(call.account_id, policy)
    if arn in holder.attached:
        return None
    if len(holder.attached) >= ATTACHED_POLICIES_MAX:
        raise limit_exceeded(f"PoliciesPer{target.label}", ATTACHED_POLICIES_MAX)
    call.unit.put(replace(holder, attached=(*holder.attached, arn)), holder.name)
    note(call, policy, target, holder.name, AS_POLICY, present=True)
    return None


async def _detach(target: Target, call: IamCall, given: Given) -> Output | None:
    given_arn = given["PolicyArn"]
    holder: Holder = await call.find(target, _name(target, given), keys={"iam:policyarn": (given_arn,)})
    kept = tuple(arn for arn in holder.attached if arn.lower() != given_arn.lower())
    if kept == holder.attached:
        raise IamFault("NoSuchEntity", f"Policy {given_arn} was not found.")
    call.unit.put(replace(holder, attached=kept), holder.name)
    policy = await find_policy(call.unit, call.account_id, given_arn)
    if policy is not None:
        note(call, policy, target, holder.name, AS_POLICY, present=False)
    return None


async def _list_attached(target: Target, call: IamCall, given: Given) -> Output | None:
    holder: Holder = await call.find(target, _name(target, given))
    prefix = given.get("PathPrefix", "/")
    items = [
        (arn.rpartition("/")[2].lower(), shapes.attached_policy(arn))
        for arn in holder.attached
        if arn.split(":policy", 1)[1].startswith(prefix)
    ]
    return page("AttachedPolicies", items, given)


async def _put_boundary(target: Target, call: IamCall, given: Given) -> Output | None:
    arn = given["PermissionsBoundary"]
    holder: Holder = await call.find(target, _name(target, given), keys={"iam:permissionsboundary": (arn,)})
    policy = await attachable(call, arn)
    call.unit.put(await set_boundary(call, target, holder, policy_arn(call.account_id, policy)), holder.name)
    return None


async def _delete_boundary(target: Target, call: IamCall, given: Given) -> Output | None:
    holder: Holder = await call.find(target, _name(target, given))
    if not holder.boundary:
        raise IamFault("NoSuchEntity", f"{target.label} {holder.name} has no permissions boundary.")
    call.unit.put(await set_boundary(call, target, holder, ""), holder.name)
    return None


async def _tag(target: Target, call: IamCall, given: Given) -> Output | None:
    tags = shapes.tags_of(given["Tags"])
    holder: Holder = await call.find(target, _name(target, given), request_tags=tags)
    call.unit.put(replace(holder, tags=shapes.with_tags(holder.tags, tags)), holder.name)
    return None


async def _untag(target: Target, call: IamCall, given: Given) -> Output | None:
    keys = {"aws:tagkeys": tuple(given["TagKeys"])}
    holder: Holder = await call.find(target, _name(target, given), keys=keys)
    call.unit.put(replace(holder, tags=shapes.without_tags(holder.tags, given["TagKeys"])), holder.name)
    return None


async def _list_tags(target: Target, call: IamCall, given: Given) -> Output | None:
    holder: Holder = await call.find(target, _name(target, given))
    return page("Tags", ((tag["Key"], tag) for tag in shapes.tag_list(holder.tags)), given)


def _handlers() -> dict[str, Any]:
    handlers: dict[str, Any] = {}
    for target in TARGETS:
        label = target.label
        handlers[f"Put{label}Policy"] = partial(_put, target)
        handlers[f"Get{label}Policy"] = partial(_get, target)
        handlers[f"Delete{label}Policy"] = partial(_delete, target)
        handlers[f"List{label}Policies"] = partial(_list, target)
        handlers[f"Attach{label}Policy"] = partial(_attach, target)
        handlers[f"Detach{label}Policy"] = partial(_detach, target)
        handlers[f"ListAttached{label}Policies"] = partial(_list_attached, target)
        if target.kind == "group":  # groups have neither boundaries nor tags
            continue
        handlers[f"Put{label}PermissionsBoundary"] = partial(_put_boundary, target)
        handlers[f"Delete{label}PermissionsBoundary"] = partial(_delete_boundary, target)
        handlers[f"Tag{label}"] = partial(_tag, target)
        handlers[f"Untag{label}"] = partial(_untag, target)
        handlers[f"List{label}Tags"] = partial(_list_tags, target)
    return handlers


HANDLERS = _handlers()
