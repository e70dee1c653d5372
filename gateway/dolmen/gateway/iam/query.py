"""IAM and STS over HTTP: one request of the query protocol, from form parameters to the answer.

The front door verifies the signature and hands over who signed; here the action is found, its input checked, its handler run, its
change committed.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping

from dolmen.core.clock import Clock
from dolmen.core.telemetry.log import get_logger
from dolmen.gateway.auth.accounts import Accounts
from dolmen.gateway.auth.facts import RequestFacts
from dolmen.gateway.auth.principal import FEDERATED, ROLE, Principal
from dolmen.gateway.iam import assume_role, simulate, sts
from dolmen.gateway.iam.call import IamCall, Realm
from dolmen.gateway.iam.fault import IamFault
from dolmen.gateway.iam.identities import SECRETS_PURPOSE
from dolmen.gateway.iam.model.operations_generated import OPERATIONS
from dolmen.gateway.iam.operations import access_keys, account, groups, inline, policies, providers, roles, users
from dolmen.gateway.iam.seal import Sealer
from dolmen.gateway.iam.session import SessionTokens
from dolmen.gateway.iam.unit import Unit
from dolmen.gateway.iam.web_identity import WebIdentities
from dolmen.gateway.iam.wire import VERSIONS, Given, Output, parse_input, render, render_fault
from dolmen.gateway.metadata.store import DocumentChanged, MetadataStore
from dolmen.gateway.outbound import Outbound
from dolmen.gateway.s3.fault import S3Fault
from dolmen.gateway.s3.render import Response

_LOG = get_logger("iam")
SERVICES = tuple(VERSIONS)
ATTEMPTS_MAX = 20  # of one change against those of other processes; so many in a row lost means a storm
ATTEMPT_PAUSE_SECONDS = 0.02  # at most, after a lost one
_READS = ("Get", "List", "Simulate")
UNSIGNED = ("AssumeRoleWithWebIdentity", "AssumeRoleWithSAML")
# What sessions of GetSessionToken may ask of STS; IAM answers them nothing (there is no MFA here).
_STS_OF_USER_SESSIONS = ("AssumeRole", "GetCallerIdentity")

Handler = Callable[[IamCall, Given], Awaitable[Output | None]]
HANDLERS: dict[str, dict[str, Handler]] = {
    "iam": {
        **account.HANDLERS,
        **access_keys.HANDLERS,
        **groups.HANDLERS,
        **inline.HANDLERS,
        **policies.HANDLERS,
        **providers.HANDLERS,
        **roles.HANDLERS,
        **simulate.HANDLERS,
        **users.HANDLERS,
    },
    "sts": {**sts.HANDLERS, "AssumeRole": assume_role.assume_role},
}

# S3's name of an error that the front door found: IAM's name
_OF_S3 = {
    "AuthorizationHeaderMalformed": "IncompleteSignature",
    "AuthorizationQueryParametersError": "IncompleteSignature",
    "ExpiredToken": "ExpiredToken",
    "InvalidAccessKeyId": "InvalidClientTokenId",
    "InvalidToken": "InvalidClientTokenId",
    "RequestTimeTooSkewed": "SignatureDoesNotMatch",
    "ServiceUnavailable": "ServiceUnavailable",
    "SignatureDoesNotMatch": "SignatureDoesNotMatch",
    "SlowDown": "ServiceUnavailable",
}


def make_realm(accounts: Accounts, store: MetadataStore, session_key: bytes, clock: Clock, outbound: Outbound) -> Realm:
    """What ``serve`` works with. ``session_key``: as of ``Identities``."""
    return Realm(
        accounts=accounts,
        store=store,
        clock=clock,
        secrets=Sealer(session_key, SECRETS_PURPOSE),
        tokens=SessionTokens(session_key),
        web_identities=WebIdentities(outbound, clock),
    )


async def serve(
    service: str,
    principal: Principal | None,
    parameters: Mapping[str, str],
    facts: RequestFacts,
    realm: Realm,
    request_id: str,
) -> Response:
    """One request. ``service``: "iam" or "sts"; ``principal``: None when it was not signed; ``parameters``: of the form.

    Whatever is wrong with the request is answered; ``Unavailable`` and surprises of the store go up.
    """
    try:
        action = _action(service, parameters)
        if principal is None:
            output = await _unsigned(service, action, parameters, facts, realm)
        else:
            _check_session(service, action, principal)
            output = await _run(service, action, principal, parameters, facts, realm)
    except IamFault as fault:
        return render_fault(service, fault, request_id)
    return render(service, action, output, request_id)


def refuse(service: str, fault: S3Fault, request_id: str) -> Response:
    """What the front door found wrong before ``serve``, in the words of IAM and STS."""
    code = _OF_S3.get(fault.code)
    if code is None:
        code = "InternalFailure" if fault.status >= 500 else "AccessDenied" if fault.status == 403 else "ValidationError"
    text = None if code in ("InvalidClientTokenId", "ExpiredToken") else fault.message
    return render_fault(service, IamFault(code, text), request_id)


def _action(service: str, parameters: Mapping[str, str]) -> str:
    action = parameters.get("Action", "")
    if not action:
        raise IamFault("MissingAction", "Could not find the parameter Action.")
    version = parameters.get("Version", VERSIONS[service])
    if version != VERSIONS[service] or f"{service}.{action}" not in OPERATIONS:
        raise IamFault("InvalidAction", f"Could not find operation {action[:128]} for version {version[:32]}")
    return action


def _check_session(service: str, action: str, principal: Principal) -> None:
    """What temporary credentials cannot do, whatever their policies say."""
    if principal.kind == ROLE or "aws:tokenissuetime" not in principal.keys:
        return
    if service == "sts" and action in _STS_OF_USER_SESSIONS:
        return
    if service == "sts" and principal.kind == FEDERATED:
        raise IamFault("AccessDenied", f"Cannot call {action} with federated credentials")
    if service == "iam":
        raise IamFault("InvalidClientTokenId")


async def _run(
    service: str, action: str, principal: Principal, parameters: Mapping[str, str], facts: RequestFacts, realm: Realm
) -> Output | None:
    if service == "sts" and action in UNSIGNED:
        return await _unsigned(service, action, parameters, facts, realm)
    handler = HANDLERS[service].get(action)
    if handler is None:
        raise IamFault("NotImplemented", f"{action} is not implemented.")
    given = parse_input(service, action, parameters)
    call = IamCall(realm, service, action, principal, facts, Unit(realm.store, principal.account.account_id))
    if service != "iam" or action.startswith(_READS):
        return await handler(call, given)
    async with realm.changing.setdefault(call.account_id, asyncio.Lock()):
        return await _change(handler, call, given)


async def _change(handler: Handler, call: IamCall, given: Given) -> Output | None:
    """Run the handler and commit what it staged, again and again while others are quicker. Raises ConcurrentModification."""
    for _ in range(ATTEMPTS_MAX):
        call.unit = Unit(call.realm.store, call.account_id)
        await call.unit.state()  # before everything that the handler reads
        output = await handler(call, given)
        try:
            await call.unit.commit()
        except DocumentChanged:
            await asyncio.sleep(random.uniform(0, ATTEMPT_PAUSE_SECONDS))
            continue
        _LOG.info("changed", action=call.action, account=call.account_id, principal=call.principal.arn)
        return output
    raise IamFault("ConcurrentModification")


async def _unsigned(
    service: str, action: str, parameters: Mapping[str, str], facts: RequestFacts, realm: Realm
) -> Output | None:
    if service != "sts" or action not in UNSIGNED:
        raise IamFault("MissingAuthenticationToken")
    given = parse_input(service, action, parameters)
    if action == "AssumeRoleWithSAML":
        raise IamFault("InvalidIdentityToken", "There are no SAML providers here: use OpenID Connect.")
    return await assume_role.assume_role_with_web_identity(realm, facts, given)
