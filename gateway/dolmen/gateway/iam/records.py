"""What is stored of IAM: documents of the space ``iam/<account id>``, each a msgpack map.

Kinds and names (always in lower case: IAM's names are unique without regard to case, and sort so):

| kind | name | record |
| --- | --- | --- |
| account | "state" | ``AccountState``: every change of the space rewrites it, so that changes happen one after the other |
| user, group, role | its name | ``User``, ``Group``, ``Role`` |
| policy | its name | ``ManagedPolicy`` |
| provider | URL without its scheme | ``OidcProvider`` |
| key | access key id as it is | ``AccessKey`` |
| member | group/user | empty |
| attachment | policy|how/kind/name | empty; ``how``: policy or boundary |
"""

from __future__ import annotations

import msgspec


class Record(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The base of all: fields that are added later have defaults, and old rows still read."""


class AccountState(Record, frozen=True, kw_only=True, omit_defaults=True):
    """Counters and what exists once in an account."""

    counts: dict[str, int] = {}  # kind: number of documents
    alias: str = ""
    root_keys: tuple[str, ...] = ()  # access keys of the root user that were made here


class Holder(Record, frozen=True, kw_only=True, omit_defaults=True):
    """A user, a group or a role: whatever policies are attached to."""

    name: str
    path: str
    unique_id: str
    created_us: int
    tags: dict[str, str] = {}
    inline: dict[str, str] = {}  # policy's name: document
    attached: tuple[str, ...] = ()  # ARNs of managed policies
    boundary: str = ""  # ARN


class User(Holder, frozen=True, kw_only=True, omit_defaults=True):
    """An IAM user."""

    groups: tuple[str, ...] = ()  # names as stored (lower case)
    keys: tuple[str, ...] = ()


class Group(Holder, frozen=True, kw_only=True, omit_defaults=True):
    """An IAM group."""


class Role(Holder, frozen=True, kw_only=True, omit_defaults=True):
    """An IAM role."""

    trust: str
    description: str = ""
    max_session_seconds: int = 3600


class PolicyVersion(Record, frozen=True, kw_only=True, omit_defaults=True):
    """One version of a managed policy."""

    document: str
    created_us: int


class ManagedPolicy(Record, frozen=True, kw_only=True, omit_defaults=True):
    """A managed policy of the account; at most five versions."""

    name: str
    path: str
    unique_id: str
    created_us: int
    updated_us: int
    versions: dict[str, PolicyVersion]  # "v1"
    default: str
    next_version: int
    description: str = ""
    tags: dict[str, str] = {}
    attachments: int = 0
    boundaries: int = 0


class AccessKey(Record, frozen=True, kw_only=True, omit_defaults=True):
    """A permanent key; of the root user when ``user`` is empty."""

    key_id: str
    user: str  # name as stored (lower case)
    sealed_secret: bytes
    created_us: int
    active: bool = True

    def __repr__(self) -> str:
        return f"AccessKey({self.key_id!r})"


class OidcProvider(Record, frozen=True, kw_only=True, omit_defaults=True):
    """An identity provider that web identity tokens may come from."""

    url: str  # with its scheme
    created_us: int
    client_ids: tuple[str, ...] = ()
    thumbprints: tuple[str, ...] = ()
    tags: dict[str, str] = {}


class Empty(Record, frozen=True, kw_only=True, omit_defaults=True):
    """A row that says all by its name."""


KINDS: dict[type[Record], str] = {
    AccountState: "account",
    User: "user",
    Group: "group",
    Role: "role",
    ManagedPolicy: "policy",
    OidcProvider: "provider",
    AccessKey: "key",
}


def space_of(account_id: str) -> str:
    """The space of an account's documents."""
    return f"iam/{account_id}"


def provider_key(url: str) -> str:
    """How a provider is stored, and what stands behind ``oidc-provider/`` in its ARN, in lower case."""
    return url.partition("://")[2].lower()
