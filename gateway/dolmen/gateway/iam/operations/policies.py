"""Managed policies and versions. https://docs.aws.amazon.com/IAM/latest/APIReference/API_CreatePolicy.html and its neighbours."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import msgspec

from dolmen.gateway.iam import shapes
from dolmen.gateway.iam.attachments import AS_BOUNDARY, AS_POLICY, holders_of, with_counts
from dolmen.gateway.iam.call import TARGETS, IamCall, checked_policy
from dolmen.gateway.iam.fault import IamFault, limit_exceeded
from dolmen.gateway.iam.ids import new_unique_id
from dolmen.gateway.iam.limits import MANAGED_POLICY_CHARACTERS, POLICIES_MAX, POLICY_VERSIONS_MAX, characters
from dolmen.gateway.iam.managed import AWS_POLICIES, find_policy, is_of_aws
from dolmen.gateway.iam.pages import after_of, page, page_of
from dolmen.gateway.iam.records import ManagedPolicy, PolicyVersion
from dolmen.gateway.iam.wire import Given, Output

replace = msgspec.structs.replace


def _checked(document: str) -> str:
    checked_policy(document)
    if characters(document) > MANAGED_POLICY_CHARACTERS:
        raise limit_exceeded("PolicySize", MANAGED_POLICY_CHARACTERS)
    return document


async def _find(call: IamCall, given: Given, *, to_change: bool = False) -> ManagedPolicy:
    arn = given["PolicyArn"]
    policy = await find_policy(call.unit, call.account_id, arn)
    call.require(arn, resource_tags=policy.tags if policy else None)
    if policy is None:
        raise IamFault("NoSuchEntity", f"Policy {arn} was not found.")
    if to_change and is_of_aws(policy):
        raise IamFault("AccessDenied", f"Policy {arn} is an AWS managed policy, which nobody changes.")
    return policy


async def create_policy(call: IamCall, given: Given) -> Output | None:
    name, path = given["PolicyName"], given.get("Path", "/")
    tags = shapes.tags_of(given.get("Tags", ()))
    arn = call.arn("policy", path, name)
    call.require(arn, request_tags=tags)
    if await call.unit.get(ManagedPolicy, name) is not None:
        raise IamFault("EntityAlreadyExists", f"A policy called {name} already exists. Duplicate names are not allowed.")
    if await call.unit.count(ManagedPolicy, 1) > POLICIES_MAX:
        raise limit_exceeded("PoliciesPerAccount", POLICIES_MAX)
    now_us = call.now_us
    policy = ManagedPolicy(
        name=name,
        path=path,
        unique_id=new_unique_id("policy"),
        created_us=now_us,
        updated_us=now_us,
        versions={"v1": PolicyVersion(document=_checked(given["PolicyDocument"]), created_us=now_us)},
        default="v1",
        next_version=2,
        description=given.get("Description", ""),
        tags=shapes.with_tags({}, tags),
    )
    call.unit.put(policy, name)
    return {"Policy": shapes.policy(call.account_id, policy)}


async def get_policy(call: IamCall, given: Given) -> Output | None:
    return {"Policy": shapes.policy(call.account_id, await with_counts(call, await _find(call, given)))}


async def list_policies(call: IamCall, given: Given) -> Output | None:
    scope, prefix = given.get("Scope", "All"), given.get("PathPrefix", "/")
    call.require(call.arn("policy", prefix, ""))
    usage = {"PermissionsPolicy": "attachments", "PermissionsBoundary": "boundaries"}.get(given.get("PolicyUsageFilter", ""))

    def wanted(policy: ManagedPolicy) -> bool:
        if not policy.path.startswith(prefix):
            return False
        if given.get("OnlyAttached") and not (policy.attachments or policy.boundaries):
            return False
        return usage is None or bool(getattr(policy, usage))

    async def found() -> AsyncIterator[tuple[str, Any]]:
        # Policies of the account first: their keys begin with "0", those of AWS with "1".
        after = after_of(given)
        if scope != "AWS" and not after.startswith("1"):
            async for policy in call.unit.each(ManagedPolicy, after[1:]):
                if wanted(policy):
                    yield f"0{policy.name.lower()}", shapes.policy(call.account_id, policy, in_list=True)
        if scope != "Local":
            for name, policy in sorted(AWS_POLICIES.items()):
                counted = await with_counts(call, policy)
                if f"1{name}" > after and wanted(counted):
                    yield f"1{name}", shapes.policy(call.account_id, counted, in_list=True)

    return await page_of("Policies", found(), given)


async def delete_policy(call: IamCall, given: Given) -> Output | None:
    policy = await _find(call, given, to_change=True)
    if policy.attachments or policy.boundaries:
        raise IamFault("DeleteConflict", "Cannot delete a policy attached to entities.")
    if len(policy.versions) > 1:
        raise IamFault(
            "DeleteConflict",
            "This policy has more than one version. Before you delete a policy, you must delete the policy's versions. "
            "The default version is deleted with the policy.",
        )
    call.unit.remove(ManagedPolicy, policy.name)
    await call.unit.count(ManagedPolicy, -1)
    return None


async def create_policy_version(call: IamCall, given: Given) -> Output | None:
    policy = await _find(call, given, to_change=True)
    document = _checked(given["PolicyDocument"])
    if len(policy.versions) >= POLICY_VERSIONS_MAX:
        raise IamFault(
            "LimitExceeded",
            f"A managed policy can have up to {POLICY_VERSIONS_MAX} versions. Before you create a new version, you must delete "
            "an existing version.",
        )
    version_id = f"v{policy.next_version}"
    version = PolicyVersion(document=document, created_us=call.now_us)
    new = replace(
        policy,
        versions={**policy.versions, version_id: version},
        next_version=policy.next_version + 1,
        default=version_id if given.get("SetAsDefault") else policy.default,
        updated_us=call.now_us,
    )
    call.unit.put(new, policy.name)
    return {"PolicyVersion": shapes.policy_version(new, version_id, version)}


def _version(policy: ManagedPolicy, given: Given) -> tuple[str, PolicyVersion]:
    version_id = given["VersionId"]
    version = policy.versions.get(version_id)
    if version is None:
        raise IamFault("NoSuchEntity", f"Policy {given['PolicyArn']} version {version_id} does not exist or is not attachable.")
    return version_id, version


async def get_policy_version(call: IamCall, given: Given) -> Output | None:
    policy = await _find(call, given)
    return {"PolicyVersion": shapes.policy_version(policy, *_version(policy, given), with_document=True)}


async def list_policy_versions(call: IamCall, given: Given) -> Output | None:
    policy = await _find(call, given)
    newest_first = sorted(policy.versions.items(), key=lambda one: -int(one[0][1:]))
    items = [
        (f"{number}", shapes.policy_version(policy, version_id, version))
        for number, (version_id, version) in enumerate(newest_first)
    ]
    return page("Versions", items, given)


async def delete_policy_version(call: IamCall, given: Given) -> Output | None:
    policy = await _find(call, given, to_change=True)
    version_id, _ = _version(policy, given)
    if version_id == policy.default:
        raise IamFault("DeleteConflict", "Cannot delete the default version of a policy.")
    kept = {name: version for name, version in policy.versions.items() if name != version_id}
    call.unit.put(replace(policy, versions=kept), policy.name)
    return None


async def set_default_policy_version(call: IamCall, given: Given) -> Output | None:
    policy = await _find(call, given, to_change=True)
    version_id, _ = _version(policy, given)
    call.unit.put(replace(policy, default=version_id, updated_us=call.now_us), policy.name)
    return None


async def list_entities_for_policy(call: IamCall, given: Given) -> Output | None:
    policy = await _find(call, given)
    usage = {"PermissionsPolicy": AS_POLICY, "PermissionsBoundary": AS_BOUNDARY}.get(given.get("PolicyUsageFilter", ""))
    kind_wanted = {"User": "user", "Group": "group", "Role": "role"}.get(given.get("EntityFilter", ""))
    by_kind = {target.kind: target for target in TARGETS}
    items: list[tuple[str, Any]] = []
    for how, kind, name in await holders_of(call, policy):
        if usage not in {None, how} or kind_wanted not in {None, kind}:
            continue
        holder = await call.unit.get(by_kind[kind].record, name)
        if holder is not None and holder.path.startswith(given.get("PathPrefix", "/")):
            items.append((f"{kind}/{name}", (by_kind[kind].label, holder)))
    found = page("all", items, given)
    output: dict[str, Any] = {f"Policy{target.label}s": [] for target in TARGETS}
    for label, holder in found.pop("all"):
        output[f"Policy{label}s"].append({f"{label}Name": holder.name, f"{label}Id": holder.unique_id})
    return output | found


async def tag_policy(call: IamCall, given: Given) -> Output | None:
    policy = await _find(call, given, to_change=True)
    tags = shapes.tags_of(given["Tags"])
    call.require(given["PolicyArn"], request_tags=tags, resource_tags=policy.tags)
    call.unit.put(replace(policy, tags=shapes.with_tags(policy.tags, tags)), policy.name)
    return None


async def untag_policy(call: IamCall, given: Given) -> Output | None:
    policy = await _find(call, given, to_change=True)
    call.unit.put(replace(policy, tags=shapes.without_tags(policy.tags, given["TagKeys"])), policy.name)
    return None


async def list_policy_tags(call: IamCall, given: Given) -> Output | None:
    policy = await _find(call, given)
    return page("Tags", ((tag["Key"], tag) for tag in shapes.tag_list(policy.tags)), given)


HANDLERS = {
    "CreatePolicy": create_policy,
    "GetPolicy": get_policy,
    "ListPolicies": list_policies,
    "DeletePolicy": delete_policy,
    "CreatePolicyVersion": create_policy_version,
    "GetPolicyVersion": get_policy_version,
    "ListPolicyVersions": list_policy_versions,
    "DeletePolicyVersion": delete_policy_version,
    "SetDefaultPolicyVersion": set_default_policy_version,
    "ListEntitiesForPolicy": list_entities_for_policy,
    "TagPolicy": tag_policy,
    "UntagPolicy": untag_policy,
    "ListPolicyTags": list_policy_tags,
}
