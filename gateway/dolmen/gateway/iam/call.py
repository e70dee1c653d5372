"""One IAM or STS call: what its handler is given, and how it asks for permission."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from dolmen.core.clock import Clock
from dolmen.core.telemetry.log import get_logger
from dolmen.gateway.auth.accounts import Account, Accounts
from dolmen.gateway.auth.authorize import AccessRequest, authorize_identity
from dolmen.gateway.auth.facts import RequestFacts
from dolmen.gateway.auth.policy.document import Policy, PolicyError, parse_policy
from dolmen.gateway.auth.principal import ROOT, USER, Principal
from dolmen.gateway.iam.condition_keys import CallContext, request_tag_keys, resource_tag_keys
from dolmen.gateway.iam.fault import IamFault, invalid, no_such
from dolmen.gateway.iam.ids import arn
from dolmen.gateway.iam.records import Group, Holder, Role, User
from dolmen.gateway.iam.seal import Sealer
from dolmen.gateway.iam.session import SessionTokens
from dolmen.gateway.iam.unit import Unit
from dolmen.gateway.iam.web_identity import WebIdentities
from dolmen.gateway.metadata.store import MetadataStore

_LOG = get_logger("iam")
TOKEN_ISSUE_TIME = "aws:tokenissuetime"  # only sessions have it


@dataclass(frozen=True, slots=True)
class Realm:
    """The parts that IAM and STS work with; made once for a process."""

    accounts: Accounts
    store: MetadataStore
    clock: Clock
    secrets: Sealer
    tokens: SessionTokens
    web_identities: WebIdentities
    changing: dict[str, asyncio.Lock] = field(default_factory=dict)  # by account: this process changes it once at a time


@dataclass(frozen=True, slots=True)
class Target:
    """A sort of entity that policies are attached to."""

    record: type[Holder]
    kind: str  # in ARNs and messages
    label: str  # in names of parameters: UserName, UserId


TARGET_USER = Target(User, "user", "User")
TARGET_GROUP = Target(Group, "group", "Group")
TARGET_ROLE = Target(Role, "role", "Role")
TARGETS = (TARGET_USER, TARGET_GROUP, TARGET_ROLE)


@dataclass(slots=True)
class IamCall:
    """A request of a known caller."""

    realm: Realm
    service: str
    action: str
    principal: Principal
    facts: RequestFacts
    unit: Unit

    @property
    def account(self) -> Account:
        return self.principal.account

    @property
    def account_id(self) -> str:
        return self.principal.account.account_id

    @property
    def now_us(self) -> int:
        return self.realm.clock.now_us()

    @property
    def is_session(self) -> bool:
        """The caller has temporary credentials."""
        return TOKEN_ISSUE_TIME in self.principal.keys

    def arn(self, kind: str, path: str, name: str) -> str:
        return arn(self.account_id, kind, path, name)

    def arn_of(self, holder: Holder) -> str:
        kind = next(target.kind for target in TARGETS if target.record is type(holder))
        return self.arn(kind, holder.path, holder.name)

    def require(
        self,
        resource: str,
        *,
        action: str | None = None,
        request_tags: Mapping[str, str] | None = None,
        resource_tags: Mapping[str, str] | None = None,
        keys: Mapping[str, tuple[str, ...]] | None = None,
    ) -> None:
        """Raises AccessDenied unless the caller's policies allow this call on ``resource``. ``keys``: in lower case."""
        wanted = f"{self.service}:{action or self.action}"
        further = {
            **resource_tag_keys(self.service, resource_tags or {}),
            **request_tag_keys(request_tags or {}),
            **(keys or {}),
        }
        context = CallContext(self.facts, self.principal, self.account_id, further)
        decision = authorize_identity(AccessRequest(wanted, resource, context), self.principal)
        if not decision.allowed:
            _LOG.debug("refused", action=wanted, resource=resource, principal=self.principal.arn, reason=decision.reason)
            raise IamFault(
                "AccessDenied",
                f"User: {self.principal.arn} is not authorized to perform: {wanted} on resource: {resource}",
            )

    async def find(
        self,
        target: Target,
        name: str,
        *,
        request_tags: Mapping[str, str] | None = None,
        keys: Mapping[str, tuple[str, ...]] | None = None,
    ) -> Any:  # noqa: ANN401 - a User, Group or Role by the target
        """The entity of that name. Raises AccessDenied, and only to whom it may concern NoSuchEntity."""
        found = await self.unit.get(target.record, name)
        place = self.arn(target.kind, "/", name) if found is None else self.arn_of(found)
        further = dict(keys or {})
        if found is not None and found.boundary:
            further.setdefault("iam:permissionsboundary", (found.boundary,))
        self.require(place, request_tags=request_tags, resource_tags=found.tags if found else None, keys=further)
        if found is None:
            raise no_such(target.kind, name)
        return found

    def user_name(self, given: Mapping[str, Any]) -> str:
        """``UserName``, or the caller's own; "" is the root user."""
        name: str | None = given.get("UserName")
        if name is not None:
            return name
        if self.principal.kind == USER:
            return self.principal.user_name
        if self.principal.kind == ROOT:
            return ""
        raise invalid("Must specify userName when calling with non-User credentials")


def checked_policy(document: str, kind: str = "identity") -> Policy:
    """Raises MalformedPolicyDocument with the parser's words."""
    try:
        return parse_policy(document, kind=kind)
    except PolicyError as error:
        raise IamFault("MalformedPolicyDocument", str(error)) from error
