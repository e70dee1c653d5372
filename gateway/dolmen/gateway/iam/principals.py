"""From stored users and roles to principals: which policies hold for whom, read live."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

from dolmen.gateway.auth.accounts import Account
from dolmen.gateway.auth.policy.document import Policy, PolicyError, parse_policy
from dolmen.gateway.auth.principal import FEDERATED, ROLE, ROOT, USER, Principal, root_principal
from dolmen.gateway.iam.ids import arn
from dolmen.gateway.iam.managed import AWS_POLICIES, default_document, find_policy
from dolmen.gateway.iam.records import Group, Holder, Role, User
from dolmen.gateway.iam.session import Session
from dolmen.gateway.iam.unit import Unit
from dolmen.gateway.s3.dates import iso_second

_PARSED_MAX = 2048  # documents of some 2 KB: users of a store share a few policies
_DENY_ALL = '{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":"*","Resource":"*"}]}'


@lru_cache(maxsize=_PARSED_MAX)
def parsed(document: str) -> Policy:
    """An identity policy. What a later version stored and this one cannot read denies everything."""
    try:
        return parse_policy(document, kind="identity")
    except PolicyError:
        return parse_policy(_DENY_ALL, kind="identity")


def user_arn(account_id: str, user: User) -> str:
    return arn(account_id, "user", user.path, user.name)


def role_arn(account_id: str, role: Role) -> str:
    return arn(account_id, "role", role.path, role.name)


async def policies_of(unit: Unit, account_id: str, holder: Holder) -> tuple[Policy, ...]:
    """Inline and managed policies of one entity, without those of its groups."""
    found = [parsed(document) for document in holder.inline.values()]
    for policy_arn in holder.attached:
        policy = await find_policy(unit, account_id, policy_arn)
        if policy is not None:
            found.append(parsed(default_document(policy)))
    return tuple(found)


async def all_policies_of_user(unit: Unit, account_id: str, user: User) -> tuple[Policy, ...]:
    """A user's own policies and those of its groups."""
    found = await policies_of(unit, account_id, user)
    for name in user.groups:
        group = await unit.get(Group, name)
        if group is not None:
            found += await policies_of(unit, account_id, group)
    return found


async def boundary_of(unit: Unit, account_id: str, holder: Holder) -> Policy | None:
    """The permissions boundary. One that is gone allows nothing."""
    if not holder.boundary:
        return None
    policy = await find_policy(unit, account_id, holder.boundary)
    return parsed(_DENY_ALL if policy is None else default_document(policy))


async def user_principal(
    unit: Unit, account: Account, user: User, access_key_id: str, session: Session | None = None
) -> Principal:
    """A user by its own key, or by a session of GetSessionToken."""
    return Principal(
        account=account,
        kind=USER,
        arn=user_arn(account.account_id, user),
        user_id=user.unique_id,
        user_name=user.name,
        policies=await all_policies_of_user(unit, account.account_id, user),
        boundary=await boundary_of(unit, account.account_id, user),
        keys={**principal_tags(user.tags), **(session_keys(session) if session else {})},
        access_key_id=access_key_id,
    )


async def session_principal(unit: Unit, account: Account, session: Session) -> Principal | None:
    """Who a session stands for; None when its user or role is no more."""
    if session.kind == ROLE:
        role = await unit.get(Role, session.name)
        return None if role is None or role.unique_id != session.unique_id else await _of_role(unit, account, role, session)
    user = None
    if session.name:
        user = await unit.get(User, session.name)
        if user is None or user.unique_id != session.unique_id:
            return None
    if session.kind == FEDERATED:
        return await _federated(unit, account, user, session)
    if user is not None:
        return await user_principal(unit, account, user, session.access_key_id, session)
    root = root_principal(account, session.access_key_id)
    return Principal(
        account=account, kind=ROOT, arn=root.arn, user_id=root.user_id, access_key_id=session.access_key_id,
        keys=session_keys(session),
    )


async def _of_role(unit: Unit, account: Account, role: Role, session: Session) -> Principal:
    account_id = account.account_id
    keys = dict(principal_tags(role.tags))
    keys.update(principal_tags(session.tags))
    return Principal(
        account=account,
        kind=ROLE,
        arn=f"arn:aws:sts::{account_id}:assumed-role/{role.name}/{session.session_name}",
        user_id=f"{role.unique_id}:{session.session_name}",
        issuer_arn=role_arn(account_id, role),
        policies=await policies_of(unit, account_id, role),
        boundary=await boundary_of(unit, account_id, role),
        session_policies=await _session_policies(unit, account_id, session),
        keys={**keys, **session_keys(session)},
        access_key_id=session.access_key_id,
    )


async def _federated(unit: Unit, account: Account, user: User | None, session: Session) -> Principal:
    """A session of GetFederationToken: what its user may do and its policies allow; nothing without session policies."""
    account_id = account.account_id
    if user is None:
        policies: tuple[Policy, ...] = (parsed(default_document(AWS_POLICIES["administratoraccess"])),)
    else:
        policies = await all_policies_of_user(unit, account_id, user)
    return Principal(
        account=account,
        kind=FEDERATED,
        arn=f"arn:aws:sts::{account_id}:federated-user/{session.session_name}",
        user_id=f"{account_id}:{session.session_name}",
        issuer_arn=f"arn:aws:iam::{account_id}:root" if user is None else user_arn(account_id, user),
        policies=policies,
        boundary=None if user is None else await boundary_of(unit, account_id, user),
        session_policies=await _session_policies(unit, account_id, session) or (),
        keys={**principal_tags(session.tags), **session_keys(session)},
        access_key_id=session.access_key_id,
    )


async def _session_policies(unit: Unit, account_id: str, session: Session) -> tuple[Policy, ...] | None:
    if session.policies is None:
        return None
    found = [parsed(document) for document in session.policies]
    for policy_arn in session.policy_arns:
        policy = await find_policy(unit, account_id, policy_arn)
        if policy is not None:
            found.append(parsed(default_document(policy)))
    return tuple(found)


def principal_tags(tags: Mapping[str, str]) -> dict[str, tuple[str, ...]]:
    """Tags as condition keys."""
    return {f"aws:principaltag/{key.lower()}": (value,) for key, value in tags.items()}


def session_keys(session: Session) -> dict[str, tuple[str, ...]]:
    """Condition keys that every request of a session has."""
    keys: dict[str, tuple[str, ...]] = {
        "aws:tokenissuetime": (iso_second(session.issued_us),),
        "aws:multifactorauthpresent": ("false",),
    }
    if session.source_identity:
        keys["aws:sourceidentity"] = (session.source_identity,)
    if session.provider:
        keys["aws:federatedprovider"] = (session.provider,)
    keys.update(session.claims)
    for key in session.transitive:
        keys[f"dolmen:transitive/{key}"] = (session.tags.get(key, ""),)
    return keys
