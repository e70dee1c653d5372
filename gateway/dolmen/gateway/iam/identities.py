"""Who a key belongs to (declared accounts so far)."""

from __future__ import annotations

from dolmen.gateway.auth.accounts import Account, Accounts
from dolmen.gateway.auth.principal import ANONYMOUS, Credential, root_principal
from dolmen.gateway.s3.fault import S3Fault


class Identities:
    """Keys and accounts by their names."""

    def __init__(self, accounts: Accounts) -> None:
        self._accounts = accounts

    def static(self, access_key_id: str) -> Credential | None:
        """A declared account's key; no I/O."""
        found = self._accounts.find_key(access_key_id)
        return None if found is None else Credential(found[1], root_principal(found[0], access_key_id))

    async def find(self, access_key_id: str, session_token: str) -> Credential:
        """Any other key. Raises InvalidAccessKeyId, InvalidToken, ExpiredToken."""
        if session_token and self.static(access_key_id) is not None:
            raise S3Fault("InvalidToken", fields=(("Token-0", session_token),))
        raise S3Fault("InvalidAccessKeyId", fields=(("AWSAccessKeyId", access_key_id),))

    def account(self, account_id: str) -> Account | None:
        """By its 12-digit id; "" is everybody."""
        return self._accounts.by_id(account_id) if account_id else ANONYMOUS
