"""AssumeRole and AssumeRoleWithWebIdentity.

https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html
https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRoleWithWebIdentity.html
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from dolmen.gateway.auth.facts import RequestFacts
from dolmen.gateway.auth.principal import FEDERATED, ROLE, ROOT, Principal
from dolmen.gateway.iam import limits, shapes
from dolmen.gateway.iam.call import IamCall, Realm
from dolmen.gateway.iam.condition_keys import CallContext, request_tag_keys, resource_tag_keys
from dolmen.gateway.iam.fault import IamFault, invalid
from dolmen.gateway.iam.ids import role_of_arn
from dolmen.gateway.iam.issuers import provider_arn
from dolmen.gateway.iam.principals import principal_tags, role_arn
from dolmen.gateway.iam.records import OidcProvider, Role, provider_key
from dolmen.gateway.iam.session import Session
from dolmen.gateway.iam.sts import TRANSITIVE, narrowing, new_session
from dolmen.gateway.iam.trust import caller_may_assume, provider_may_assume
from dolmen.gateway.iam.unit import Unit
from dolmen.gateway.iam.web_identity import WebIdentity, invalid_token, issuer_of
from dolmen.gateway.iam.wire import Given, Output

_TAGS_CLAIM = "https://aws.amazon.com/tags"
_TAG_KEY = re.compile(r"[\w .:/=+\-@]{1,128}")
_TAG_VALUE = re.compile(r"[\w .:/=+\-@]{0,256}")
_AMR_MAX = 16  # methods of authentication in a token


async def _role(realm: Realm, arn: str) -> tuple[Unit, str, Role | None]:
    """(reads of its account, account id, the role) of an ARN; None when there is no such role or its path is another."""
    found = role_of_arn(arn)
    if found is None:
        raise invalid(f"{arn} is invalid")
    account_id, name = found
    unit = Unit(realm.store, account_id)
    role = await unit.get(Role, name) if realm.accounts.by_id(account_id) is not None else None
    if role is not None and role_arn(account_id, role).lower() != arn.lower():
        role = None
    return unit, account_id, role


def _seconds(given: Given, role: Role, *, chained: bool) -> int:
    seconds: int = given.get("DurationSeconds", limits.ROLE_SESSION_SECONDS_DEFAULT)
    if chained and seconds > limits.CHAINED_SESSION_SECONDS_MAX:
        raise invalid("The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining")
    if seconds > role.max_session_seconds:
        raise invalid("The requested DurationSeconds exceeds the MaxSessionDuration set for this role.")
    return seconds


def _with_inherited(
    principal: Principal, tags: dict[str, str], transitive: tuple[str, ...]
) -> tuple[dict[str, str], tuple[str, ...]]:
    """Tags and transitive keys with those that the caller's own session hands on."""
    inherited = {key[len(TRANSITIVE) :]: values[0] for key, values in principal.keys.items() if key.startswith(TRANSITIVE)}
    mine = {key.lower() for key in tags}
    if any(key.lower() in mine for key in inherited):
        raise IamFault(
            "InvalidParameterValue",
            "One of the specified transitive tag keys can't be set because it conflicts with a transitive tag key from the "
            "calling session.",
        )
    if any(key.lower() not in mine for key in transitive):
        raise IamFault("InvalidParameterValue", "The specified transitive tag key must be included in the requested tags.")
    return inherited | tags, (*inherited, *transitive)


async def assume_role(call: IamCall, given: Given) -> Output | None:
    principal, realm = call.principal, call.realm
    arn, session_name = given["RoleArn"], given["RoleSessionName"]
    if principal.kind == ROOT:
        raise IamFault("AccessDenied", "Roles may not be assumed by root accounts.")
    if principal.kind == FEDERATED:
        raise IamFault("AccessDenied", "Cannot call AssumeRole with federated credentials")
    tags = shapes.tags_of(given.get("Tags", ()))
    transitive = tuple(dict.fromkeys(given.get("TransitiveTagKeys", ())))
    unit, account_id, role = await _role(realm, arn)
    source = given.get("SourceIdentity", "")
    inherited_source = principal.keys.get("aws:sourceidentity", ("",))[0]
    further = {"sts:rolesessionname": (session_name,), **request_tag_keys(tags)}
    if "ExternalId" in given:
        further["sts:externalid"] = (given["ExternalId"],)
    if "DurationSeconds" in given:
        further["sts:durationseconds"] = (str(given["DurationSeconds"]),)
    if source:
        further["sts:sourceidentity"] = (source,)
    if transitive:
        further["sts:transitivetagkeys"] = transitive
    actions = ["sts:AssumeRole", *(["sts:TagSession"] if tags else []), *(["sts:SetSourceIdentity"] if source else [])]
    refused: str | None = actions[0]
    if role is not None:
        further.update(resource_tag_keys("iam", role.tags))
        context = CallContext(call.facts, principal, account_id, further)
        refused = caller_may_assume(role, role_arn(account_id, role), account_id, principal, actions, context)
    if role is None or refused is not None:  # whether there is such a role is told to nobody else
        raise IamFault("AccessDenied", f"User: {principal.arn} is not authorized to perform: {refused} on resource: {arn}")
    if source and inherited_source and source != inherited_source:
        raise IamFault("AccessDenied", "The source identity of a session cannot be changed.")
    tags, transitive = _with_inherited(principal, tags, transitive)
    narrowed = await narrowing(unit, account_id, given, tags)
    session, answered = new_session(
        realm,
        account_id,
        _seconds(given, role, chained=principal.kind == ROLE),
        kind=ROLE,
        name=role.name,
        unique_id=role.unique_id,
        session_name=session_name,
        policies=narrowed.policies,
        policy_arns=narrowed.policy_arns,
        tags=tags,
        transitive=transitive,
        source_identity=source or inherited_source,
    )
    return {
        "Credentials": answered,
        "AssumedRoleUser": _assumed(account_id, session),
        "PackedPolicySize": narrowed.percent,
        "SourceIdentity": session.source_identity or None,
    }


def _assumed(account_id: str, session: Session) -> dict[str, str]:
    return {
        "AssumedRoleId": f"{session.unique_id}:{session.session_name}",
        "Arn": f"arn:aws:sts::{account_id}:assumed-role/{session.name}/{session.session_name}",
    }


async def assume_role_with_web_identity(realm: Realm, facts: RequestFacts, given: Given) -> Output | None:
    """The only call that needs no signature: the token is the proof."""
    token, arn, session_name = given["WebIdentityToken"], given["RoleArn"], given["RoleSessionName"]
    if "ProviderId" in given:  # of OAuth 2.0 access tokens (Facebook, Amazon): there are no such providers here
        raise invalid_token("ProviderId is not supported; send an OpenID Connect ID token without it.")
    issuer = issuer_of(token)
    unit, account_id, role = await _role(realm, arn)
    known = realm.accounts.by_id(account_id) is not None
    provider = await unit.get(OidcProvider, provider_key(issuer)) if known else None
    if provider is None:
        raise invalid_token(f"No OpenIDConnect provider found in your account for {issuer[:256]}")
    identity = await realm.web_identities.verify(token, provider)
    tags, transitive = session_tags(identity.claims)
    claims = claim_keys(identity)
    actions = ["sts:AssumeRoleWithWebIdentity", *(["sts:TagSession"] if tags else [])]
    federated = provider_arn(account_id, provider.url)
    further = {"sts:rolesessionname": (session_name,), "aws:federatedprovider": (federated,), **claims, **request_tag_keys(tags)}
    if role is not None:
        further.update(resource_tag_keys("iam", role.tags) | principal_tags(tags))
    context = CallContext(facts, None, account_id, further)
    refused = actions[0] if role is None else provider_may_assume(role, federated, actions, context)
    if role is None or refused is not None:
        raise IamFault("AccessDenied", f"Not authorized to perform {refused}")
    narrowed = await narrowing(unit, account_id, given, tags)
    session, answered = new_session(
        realm,
        account_id,
        _seconds(given, role, chained=False),
        kind=ROLE,
        name=role.name,
        unique_id=role.unique_id,
        session_name=session_name,
        policies=narrowed.policies,
        policy_arns=narrowed.policy_arns,
        tags=tags,
        transitive=transitive,
        provider=federated,
        claims=claims,
    )
    return {
        "Credentials": answered,
        "SubjectFromWebIdentityToken": identity.subject,
        "AssumedRoleUser": _assumed(account_id, session),
        "PackedPolicySize": narrowed.percent,
        "Provider": federated,
        "Audience": identity.audience,
    }


def claim_keys(identity: WebIdentity) -> dict[str, tuple[str, ...]]:
    """Condition keys ``<issuer without scheme>:sub`` and the like. As AWS: with azp, ``aud`` is it, and ``oaud`` is aud."""
    start = identity.issuer.partition("://")[2].lower()
    keys: dict[str, tuple[str, ...]] = {f"{start}:sub": (identity.subject,), f"{start}:aud": (identity.audience,)}
    claims = identity.claims
    if isinstance(claims.get("azp"), str) and claims["azp"] and isinstance(claims.get("aud"), str):
        keys[f"{start}:oaud"] = (claims["aud"],)
    methods = claims.get("amr")
    if isinstance(methods, list) and methods and all(isinstance(one, str) for one in methods):
        keys[f"{start}:amr"] = tuple(methods[:_AMR_MAX])
    if isinstance(claims.get("email"), str) and len(claims["email"]) <= 256:
        keys[f"{start}:email"] = (claims["email"],)
    return keys


def session_tags(claims: Mapping[str, Any]) -> tuple[dict[str, str], tuple[str, ...]]:
    """Tags and transitive keys of a token's claim. https://docs.aws.amazon.com/IAM/latest/UserGuide/id_session-tags.html

    Raises IDPRejectedClaim, InvalidIdentityToken.
    """
    found = claims.get(_TAGS_CLAIM)
    if found is None:
        return {}, ()
    if not isinstance(found, dict) or not isinstance(found.get("principal_tags", {}), dict):
        raise IamFault("IDPRejectedClaim", f"The claim {_TAGS_CLAIM} is malformed.")
    tags: dict[str, str] = {}
    for key, listed in found.get("principal_tags", {}).items():
        value = listed[0] if isinstance(listed, list) and len(listed) == 1 else listed
        if not isinstance(value, str) or not _TAG_KEY.fullmatch(key) or not _TAG_VALUE.fullmatch(value):
            raise IamFault("IDPRejectedClaim", f"The claim {_TAGS_CLAIM} is malformed.")
        tags[key] = value
    if len(tags) > limits.TAGS_MAX:
        raise IamFault("IDPRejectedClaim", f"The claim {_TAGS_CLAIM} has more than {limits.TAGS_MAX} tags.")
    tags = shapes.tags_of([{"Key": key, "Value": value} for key, value in tags.items()])
    listed = found.get("transitive_tag_keys", [])
    if not isinstance(listed, list) or any(not isinstance(key, str) or key not in tags for key in listed):
        raise IamFault("IDPRejectedClaim", f"The claim {_TAGS_CLAIM} is malformed.")
    return tags, tuple(dict.fromkeys(listed))
