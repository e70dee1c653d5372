"""What exists once in an account: its alias, its summary, everything in it at once. And lists of what does not exist here."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import msgspec

from dolmen.gateway.iam import limits, shapes
from dolmen.gateway.iam.attachments import with_counts
from dolmen.gateway.iam.call import IamCall
from dolmen.gateway.iam.fault import IamFault, invalid
from dolmen.gateway.iam.managed import AWS_POLICIES
from dolmen.gateway.iam.pages import after_of, page_of
from dolmen.gateway.iam.records import Group, Holder, ManagedPolicy, Role, User
from dolmen.gateway.iam.wire import Given, Output

replace = msgspec.structs.replace


async def get_account_summary(call: IamCall, given: Given) -> Output | None:
    call.require("*")
    state = await call.unit.state()
    counts = state.counts
    numbers = {
        "Users": counts.get("user", 0),
        "UsersQuota": limits.USERS_MAX,
        "Groups": counts.get("group", 0),
        "GroupsQuota": limits.GROUPS_MAX,
        "Roles": counts.get("role", 0),
        "RolesQuota": limits.ROLES_MAX,
        "Policies": counts.get("policy", 0),
        "PoliciesQuota": limits.POLICIES_MAX,
        "Providers": counts.get("provider", 0),
        "AccessKeysPerUserQuota": limits.ACCESS_KEYS_OF_USER_MAX,
        "AccountAccessKeysPresent": 1,
        "AccountMFAEnabled": 0,
        "AccountPasswordPresent": 0,
        "AccountSigningCertificatesPresent": 0,
        "AssumeRolePolicySizeQuota": limits.TRUST_POLICY_CHARACTERS,
        "AttachedPoliciesPerGroupQuota": limits.ATTACHED_POLICIES_MAX,
        "AttachedPoliciesPerRoleQuota": limits.ATTACHED_POLICIES_MAX,
        "AttachedPoliciesPerUserQuota": limits.ATTACHED_POLICIES_MAX,
        "GroupPolicySizeQuota": limits.INLINE_POLICY_CHARACTERS["group"],
        "GroupsPerUserQuota": limits.GROUPS_OF_USER_MAX,
        "InstanceProfiles": 0,
        "MFADevices": 0,
        "MFADevicesInUse": 0,
        "PolicySizeQuota": limits.MANAGED_POLICY_CHARACTERS,
        "RolePolicySizeQuota": limits.INLINE_POLICY_CHARACTERS["role"],
        "ServerCertificates": 0,
        "UserPolicySizeQuota": limits.INLINE_POLICY_CHARACTERS["user"],
        "VersionsPerPolicyQuota": limits.POLICY_VERSIONS_MAX,
    }
    return {"SummaryMap": numbers}


async def list_account_aliases(call: IamCall, given: Given) -> Output | None:
    call.require("*")
    alias = (await call.unit.state()).alias
    return {"AccountAliases": [alias] if alias else [], "IsTruncated": False}


async def create_account_alias(call: IamCall, given: Given) -> Output | None:
    """An account has one alias; a new one replaces it. Nothing signs in by it here, so other accounts may have the same."""
    call.require("*")
    call.unit.set_state(replace(await call.unit.state(), alias=given["AccountAlias"]))
    return None


async def delete_account_alias(call: IamCall, given: Given) -> Output | None:
    call.require("*")
    state = await call.unit.state()
    if state.alias != given["AccountAlias"]:
        raise IamFault("NoSuchEntity", f"The account alias with name {given['AccountAlias']} cannot be found.")
    call.unit.set_state(replace(state, alias=""))
    return None


def _inline(holder: Holder) -> list[dict[str, str]]:
    return [{"PolicyName": name, "PolicyDocument": shapes.document(text)} for name, text in holder.inline.items()]


def _attached(holder: Holder) -> list[shapes.Shape]:
    return [shapes.attached_policy(arn) for arn in holder.attached]


async def _user_detail(call: IamCall, user: User) -> shapes.Shape:
    groups = [await call.unit.get(Group, name) for name in user.groups]
    return shapes.user(call.account_id, user) | {
        "UserPolicyList": _inline(user),
        "GroupList": [group.name for group in groups if group is not None],
        "AttachedManagedPolicies": _attached(user),
    }


def _group_detail(call: IamCall, group: Group) -> shapes.Shape:
    shown = shapes.group(call.account_id, group)
    return shown | {"GroupPolicyList": _inline(group), "AttachedManagedPolicies": _attached(group)}


def _role_detail(call: IamCall, role: Role) -> shapes.Shape:
    shown = shapes.role(call.account_id, role)
    del shown["Description"], shown["MaxSessionDuration"]
    return shown | {
        "InstanceProfileList": [],
        "RolePolicyList": _inline(role),
        "AttachedManagedPolicies": _attached(role),
    }


def _policy_detail(call: IamCall, policy: ManagedPolicy) -> shapes.Shape:
    shown = shapes.policy(call.account_id, policy)
    del shown["Tags"]
    versions = [
        shapes.policy_version(policy, version_id, version, with_document=True)
        for version_id, version in policy.versions.items()
    ]
    return shown | {"PolicyVersionList": versions}


_DETAILS = {"User": "UserDetailList", "Group": "GroupDetailList", "Role": "RoleDetailList", "Policy": "Policies"}
_Item = tuple[str, tuple[str, shapes.Shape]]  # its place in the whole list; its sort and what it shows


async def _details(call: IamCall, wanted: set[str], after: str) -> AsyncIterator[_Item]:
    """Users, groups, roles, policies of the account and those of AWS that are attached: read only as far as asked for."""
    section, name = after[:1], after[1:]
    if "User" in wanted and section <= "1":
        async for user in call.unit.each(User, name if section == "1" else ""):
            yield f"1{user.name.lower()}", ("User", await _user_detail(call, user))
    if "Group" in wanted and section <= "2":
        async for group in call.unit.each(Group, name if section == "2" else ""):
            yield f"2{group.name.lower()}", ("Group", _group_detail(call, group))
    if "Role" in wanted and section <= "3":
        async for role in call.unit.each(Role, name if section == "3" else ""):
            yield f"3{role.name.lower()}", ("Role", _role_detail(call, role))
    if "LocalManagedPolicy" in wanted and section <= "4":
        async for policy in call.unit.each(ManagedPolicy, name if section == "4" else ""):
            yield f"4{policy.name.lower()}", ("Policy", _policy_detail(call, policy))
    if "AWSManagedPolicy" in wanted:
        for lower, policy in sorted(AWS_POLICIES.items()):
            counted = await with_counts(call, policy)
            if f"5{lower}" > after and (counted.attachments or counted.boundaries):
                yield f"5{lower}", ("Policy", _policy_detail(call, counted))


async def get_account_authorization_details(call: IamCall, given: Given) -> Output | None:
    """Users, groups, roles and policies with everything in them, one page over all of them."""
    call.require("*")
    wanted = set(given.get("Filter", ())) or {"User", "Group", "Role", "LocalManagedPolicy", "AWSManagedPolicy"}
    found = await page_of("all", _details(call, wanted, after_of(given)), given)
    output: dict[str, Any] = {member: [] for member in _DETAILS.values()}
    for sort, detail in found.pop("all"):
        output[_DETAILS[sort]].append(detail)
    return output | found


def _none_of(member: str, *, truncated: bool = True) -> Any:  # noqa: ANN401 - a handler
    """A list of what does not exist here."""

    async def handler(call: IamCall, given: Given) -> Output | None:
        call.require("*")
        return {member: [], "IsTruncated": False} if truncated else {member: []}

    return handler


async def get_account_password_policy(call: IamCall, given: Given) -> Output | None:
    """Nobody signs in with a password here."""
    call.require("*")
    raise IamFault("NoSuchEntity", f"The Password Policy with domain name {call.account_id} cannot be found.")


async def get_credential_report(call: IamCall, given: Given) -> Output | None:
    call.require("*")
    raise IamFault("ReportNotPresent")


async def change_password(call: IamCall, given: Given) -> Output | None:
    raise invalid("Users have no passwords here.")


HANDLERS = {
    "GetAccountSummary": get_account_summary,
    "ListAccountAliases": list_account_aliases,
    "CreateAccountAlias": create_account_alias,
    "DeleteAccountAlias": delete_account_alias,
    "GetAccountAuthorizationDetails": get_account_authorization_details,
    "GetAccountPasswordPolicy": get_account_password_policy,
    "GetCredentialReport": get_credential_report,
    "ChangePassword": change_password,
    "ListVirtualMFADevices": _none_of("VirtualMFADevices"),
    "ListInstanceProfiles": _none_of("InstanceProfiles"),
    "ListServerCertificates": _none_of("ServerCertificateMetadataList"),
    "ListSAMLProviders": _none_of("SAMLProviderList", truncated=False),
}
