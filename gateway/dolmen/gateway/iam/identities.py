"""Who a key belongs to: declared accounts, IAM users and roots with keys of their own, and sessions.

What was found is kept with the revision of the account's documents, and counts only while that has not moved: every change of IAM
acts at once, in every process, for one cheap read a request.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict

from dolmen.core.clock import Clock
from dolmen.gateway.auth.accounts import Account, Accounts
from dolmen.gateway.auth.principal import ANONYMOUS, Credential, root_principal
from dolmen.gateway.iam.ids import account_of_key_id
from dolmen.gateway.iam.principals import session_principal, user_principal
from dolmen.gateway.iam.records import AccessKey, User, space_of
from dolmen.gateway.iam.seal import Sealer
from dolmen.gateway.iam.session import Session, SessionTokens
from dolmen.gateway.iam.unit import Unit
from dolmen.gateway.metadata.store import MetadataStore
from dolmen.gateway.s3.fault import S3Fault

SECRETS_PURPOSE = "access-key"
_CACHED_MAX = 4096  # credentials of some KB each


class _Cached:
    """What one key was found to be; ``credential`` None: nothing."""

    __slots__ = ("revision", "token_digest", "expires_us", "credential")

    def __init__(self, revision: int, token_digest: bytes, expires_us: int | None, credential: Credential | None) -> None:
        self.revision = revision
        self.token_digest = token_digest
        self.expires_us = expires_us
        self.credential = credential


class Identities:
    """Keys and accounts by their names."""

    def __init__(self, accounts: Accounts, store: MetadataStore, session_key: bytes, clock: Clock) -> None:
        """``session_key``: at least 32 bytes, the same in every process of the store."""
        self._accounts = accounts
        self._store = store
        self._clock = clock
        self._secrets = Sealer(session_key, SECRETS_PURPOSE)
        self._tokens = SessionTokens(session_key)
        self._cache: OrderedDict[str, _Cached] = OrderedDict()
        self._by_canonical = {account.canonical_id: account for account in accounts.all()}
        self._by_email = {account.email.lower(): account for account in accounts.all()}

    def account(self, account_id: str) -> Account | None:
        """By its 12-digit id; "" is everybody."""
        return self._accounts.by_id(account_id) if account_id else ANONYMOUS

    def by_canonical(self, canonical_id: str) -> Account | None:
        return self._by_canonical.get(canonical_id)

    def by_email(self, email: str) -> Account | None:
        return self._by_email.get(email.lower())

    def static(self, access_key_id: str) -> Credential | None:
        """A declared account's key; no I/O."""
        found = self._accounts.find_key(access_key_id)
        return None if found is None else Credential(found[1], root_principal(found[0], access_key_id))

    async def find(self, access_key_id: str, session_token: str) -> Credential:
        """Any other key. Raises InvalidAccessKeyId, InvalidToken, ExpiredToken."""
        if session_token and self._accounts.find_key(access_key_id) is not None:
            raise _invalid_token(session_token)  # declared keys are permanent: no token belongs to them
        account_id = account_of_key_id(access_key_id)
        account = None if account_id is None else self._accounts.by_id(account_id)
        if account is None:
            raise _unknown_key(access_key_id)
        digest = hashlib.sha256(session_token.encode("utf-8", "surrogatepass")).digest() if session_token else b""
        revision = await self._store.documents_revision(space_of(account.account_id))
        cached = self._cache.get(access_key_id)
        if cached is None or cached.revision != revision or cached.token_digest != digest:
            cached = await self._load(account, access_key_id, session_token, revision, digest)
            self._cache[access_key_id] = cached
            if len(self._cache) > _CACHED_MAX:
                self._cache.popitem(last=False)
        self._cache.move_to_end(access_key_id)
        if cached.expires_us is not None and cached.expires_us <= self._clock.now_us():
            raise S3Fault("ExpiredToken", fields=(("Token-0", session_token),))
        if cached.credential is None:
            raise _invalid_token(session_token) if session_token else _unknown_key(access_key_id)
        return cached.credential

    async def _load(self, account: Account, access_key_id: str, token: str, revision: int, digest: bytes) -> _Cached:
        unit = Unit(self._store, account.account_id)
        if not token:
            return _Cached(revision, digest, None, await self._of_key(unit, account, access_key_id))
        session = self._tokens.open(token)
        if session is None or session.access_key_id != access_key_id or session.account_id != account.account_id:
            return _Cached(revision, digest, None, None)
        return _Cached(revision, digest, session.expires_us, await _of_session(unit, account, session))

    async def _of_key(self, unit: Unit, account: Account, access_key_id: str) -> Credential | None:
        key = await unit.get(AccessKey, access_key_id)
        if key is None or not key.active:
            return None
        secret = self._secrets.open(key.sealed_secret, access_key_id.encode())
        if secret is None:  # sealed with another session key: the store lost it, its keys are gone
            return None
        if not key.user:
            return Credential(secret.decode(), root_principal(account, access_key_id))
        user = await unit.get(User, key.user)
        if user is None:
            return None
        return Credential(secret.decode(), await user_principal(unit, account, user, access_key_id))


async def _of_session(unit: Unit, account: Account, session: Session) -> Credential | None:
    principal = await session_principal(unit, account, session)
    return None if principal is None else Credential(session.secret, principal)


def _unknown_key(access_key_id: str) -> S3Fault:
    return S3Fault("InvalidAccessKeyId", fields=(("AWSAccessKeyId", access_key_id),))


def _invalid_token(token: str) -> S3Fault:
    return S3Fault("InvalidToken", fields=(("Token-0", token),))
