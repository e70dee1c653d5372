"""STS: temporary credentials. https://docs.aws.amazon.com/STS/latest/APIReference/API_Operations.html"""

from __future__ import annotations

from typing import Any

import msgspec

from dolmen.gateway.auth.principal import FEDERATED, ROLE, ROOT, USER
from dolmen.gateway.iam import limits, shapes
from dolmen.gateway.iam.call import IamCall, Realm, checked_policy
from dolmen.gateway.iam.fault import IamFault, invalid
from dolmen.gateway.iam.ids import TEMPORARY, account_of_key_id, new_access_key_id, new_secret
from dolmen.gateway.iam.managed import find_policy
from dolmen.gateway.iam.session import Session, packed_percent
from dolmen.gateway.iam.unit import Unit
from dolmen.gateway.iam.wire import Given, Output
from dolmen.gateway.s3.dates import SECOND_US

TRANSITIVE = "dolmen:transitive/"  # of a session: tags that go on to the sessions that it makes, by their key


def credentials(session: Session, token: str) -> dict[str, Any]:
    return {
        "AccessKeyId": session.access_key_id,
        "SecretAccessKey": session.secret,
        "SessionToken": token,
        "Expiration": session.expires_us,
    }


class Narrowing(msgspec.Struct, frozen=True):
    """Session policies and tags of a request, checked."""

    policies: tuple[str, ...] | None
    policy_arns: tuple[str, ...]
    percent: int | None


async def narrowing(unit: Unit, account_id: str, given: Given, tags: dict[str, str]) -> Narrowing:
    """Policy and PolicyArns. Raises MalformedPolicyDocument, PackedPolicyTooLarge, ValidationError."""
    documents: tuple[str, ...] = ()
    if "Policy" in given:
        document = given["Policy"]
        if len(document) > limits.SESSION_POLICY_CHARACTERS:
            raise IamFault("PackedPolicyTooLarge", f"Session policies have at most {limits.SESSION_POLICY_CHARACTERS} characters.")
        checked_policy(document)
        documents = (document,)
    arns = tuple(dict.fromkeys(one.get("arn", "") for one in given.get("PolicyArns", ())))
    if len(arns) > limits.SESSION_POLICY_ARNS_MAX:
        raise invalid(f"At most {limits.SESSION_POLICY_ARNS_MAX} PolicyArns are allowed.")
    for arn in arns:
        if await find_policy(unit, account_id, arn) is None:
            raise IamFault("MalformedPolicyDocument", f"Policy {arn} does not exist or is not attachable.")
    percent = packed_percent(documents, arns, tags)
    return Narrowing(documents if documents or arns else None, arns, percent)


def new_session(realm: Realm, account_id: str, seconds: int, **fields: Any) -> tuple[Session, dict[str, Any]]:  # noqa: ANN401
    """A session that begins now, and its credentials as they are answered. ``fields``: those of ``Session``."""
    now_us = realm.clock.now_us()
    session = Session(
        access_key_id=new_access_key_id(account_id, TEMPORARY),
        secret=new_secret(),
        account_id=account_id,
        issued_us=now_us,
        expires_us=now_us + seconds * SECOND_US,
        **fields,
    )
    return session, credentials(session, realm.tokens.seal(session))


async def get_caller_identity(call: IamCall, given: Given) -> Output | None:
    """Allowed to everybody, whatever policies say."""
    return {"UserId": call.principal.user_id, "Account": call.account_id, "Arn": call.principal.arn}


def _long_term_only(call: IamCall) -> None:
    if call.is_session or call.principal.kind in (ROLE, FEDERATED):
        raise IamFault("AccessDenied", f"Cannot call {call.action} with session credentials")


def _seconds_of_user(call: IamCall, given: Given) -> int:
    seconds: int = given.get("DurationSeconds", limits.SESSION_SECONDS_DEFAULT)
    return min(seconds, limits.ROOT_SESSION_SECONDS_MAX) if call.principal.kind == ROOT else seconds


def _owner(call: IamCall) -> dict[str, str]:
    if call.principal.kind != USER:
        return {"name": "", "unique_id": ""}
    return {"name": call.principal.user_name, "unique_id": call.principal.user_id}


async def get_session_token(call: IamCall, given: Given) -> Output | None:
    """Needs no permission, as in AWS: the session may not do more than its user."""
    _long_term_only(call)
    if "TokenCode" in given or "SerialNumber" in given:
        raise IamFault("AccessDenied", "MultiFactorAuthentication failed with invalid MFA one time pass code.")
    kind = USER if call.principal.kind == USER else ROOT
    _, answered = new_session(call.realm, call.account_id, _seconds_of_user(call, given), kind=kind, **_owner(call))
    return {"Credentials": answered}


async def get_federation_token(call: IamCall, given: Given) -> Output | None:
    _long_term_only(call)
    name = given["Name"]
    arn = f"arn:aws:sts::{call.account_id}:federated-user/{name}"
    tags = shapes.tags_of(given.get("Tags", ()))
    call.require(arn, request_tags=tags)
    if tags:
        call.require(arn, action="TagSession", request_tags=tags)
    narrowed = await narrowing(call.unit, call.account_id, given, tags)
    _, answered = new_session(
        call.realm,
        call.account_id,
        _seconds_of_user(call, given),
        kind=FEDERATED,
        session_name=name,
        policies=narrowed.policies,
        policy_arns=narrowed.policy_arns,
        tags=tags,
        **_owner(call),
    )
    return {
        "Credentials": answered,
        "FederatedUser": {"FederatedUserId": f"{call.account_id}:{name}", "Arn": arn},
        "PackedPolicySize": narrowed.percent,
    }


async def get_access_key_info(call: IamCall, given: Given) -> Output | None:
    call.require("*")
    key_id = given["AccessKeyId"]
    declared = call.realm.accounts.find_key(key_id)
    account_id = declared[0].account_id if declared is not None else account_of_key_id(key_id)
    if account_id is None or call.realm.accounts.by_id(account_id) is None:
        raise invalid(f"The access key {key_id} belongs to no account.")
    return {"Account": account_id}


async def decode_authorization_message(call: IamCall, given: Given) -> Output | None:
    """Refusals here carry no encoded message: whatever is shown was not made by this store."""
    raise IamFault("InvalidAuthorizationMessageException")


HANDLERS = {
    "GetCallerIdentity": get_caller_identity,
    "GetSessionToken": get_session_token,
    "GetFederationToken": get_federation_token,
    "GetAccessKeyInfo": get_access_key_info,
    "DecodeAuthorizationMessage": decode_authorization_message,
}
