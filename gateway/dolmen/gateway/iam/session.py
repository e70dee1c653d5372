"""Session tokens: everything a temporary credential is, sealed, so that nothing has to be stored or cleaned up.

What is not in the token is read live: a session ends when its user or role is deleted, and follows every change of its policies.
"""

from __future__ import annotations

import base64
import binascii
import zlib

import msgspec

from dolmen.gateway.iam.fault import IamFault
from dolmen.gateway.iam.limits import PACKED_BYTES_MAX
from dolmen.gateway.iam.seal import Sealer

TOKEN_CHARACTERS_MAX = 8192  # ours have some 4,000 at most; longer ones are not even decoded
_BOUND = b"session"


class Session(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, rename={"secret": "s"}):
    """The inside of a token."""

    access_key_id: str
    secret: str
    account_id: str
    kind: str  # "root", "user", "role", "federated": what the session is of
    issued_us: int
    expires_us: int
    name: str = ""  # the user's (of a federated session: whose it was) or the role's; "" is root
    unique_id: str = ""  # of that user or role: a new one of the same name has another
    session_name: str = ""
    policies: tuple[str, ...] | None = None  # documents that narrow the session; None: not narrowed
    policy_arns: tuple[str, ...] = ()
    tags: dict[str, str] = {}
    transitive: tuple[str, ...] = ()  # keys of tags that go on to sessions of this session
    source_identity: str = ""
    provider: str = ""  # ARN of the identity provider
    claims: dict[str, tuple[str, ...]] = {}  # condition keys of the web identity

    def __repr__(self) -> str:
        return f"Session({self.access_key_id!r}, {self.kind!r}, {self.name!r})"


class SessionTokens:
    """Makes and opens tokens."""

    def __init__(self, session_key: bytes) -> None:
        self._sealer = Sealer(session_key, "session-token")

    def seal(self, session: Session) -> str:
        """The token as the client keeps it."""
        plain = zlib.compress(msgspec.msgpack.encode(session))
        return base64.b64encode(self._sealer.seal(plain, _BOUND)).decode()

    def open(self, token: str) -> Session | None:
        """None when it is none of ours. Whether it still holds is another question."""
        if len(token) > TOKEN_CHARACTERS_MAX:
            return None
        try:
            sealed = base64.b64decode(token, validate=True)
        except (binascii.Error, ValueError):
            return None
        plain = self._sealer.open(sealed, _BOUND)
        if plain is None:
            return None
        try:
            return msgspec.msgpack.decode(zlib.decompress(plain), type=Session)
        except (zlib.error, msgspec.DecodeError):  # written by a later version
            return None


def packed_percent(policies: tuple[str, ...], policy_arns: tuple[str, ...], tags: dict[str, str]) -> int | None:
    """How much of the room for policies and tags is taken; None without any. Raises PackedPolicyTooLarge above 100 %."""
    if not policies and not policy_arns and not tags:
        return None
    packed = len(zlib.compress(msgspec.msgpack.encode((policies, policy_arns, tags))))
    percent = -(-packed * 100 // PACKED_BYTES_MAX)
    if percent > 100:
        raise IamFault(
            "PackedPolicyTooLarge",
            f"Packed size of session policies and tags consumes {percent}% of allotted space.",
        )
    return percent
