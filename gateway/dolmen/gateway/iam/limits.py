"""Quotas: AWS's defaults. https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html"""

from __future__ import annotations

USERS_MAX = 5000
GROUPS_MAX = 300
ROLES_MAX = 1000
POLICIES_MAX = 1500
PROVIDERS_MAX = 100
ACCESS_KEYS_OF_USER_MAX = 2
GROUPS_OF_USER_MAX = 10
ATTACHED_POLICIES_MAX = 10
POLICY_VERSIONS_MAX = 5
TAGS_MAX = 50
CLIENT_IDS_MAX = 100
THUMBPRINTS_MAX = 5

# Characters of documents; white space does not count.
INLINE_POLICY_CHARACTERS = {"user": 2048, "group": 5120, "role": 10240}  # all of one entity together
MANAGED_POLICY_CHARACTERS = 6144
TRUST_POLICY_CHARACTERS = 2048
SESSION_POLICY_CHARACTERS = 2048
SESSION_POLICY_ARNS_MAX = 10

SESSION_SECONDS_DEFAULT = 43_200  # of GetSessionToken and GetFederationToken; the model bounds what may be asked for
ROOT_SESSION_SECONDS_MAX = 3600
ROLE_SESSION_SECONDS_DEFAULT = 3600
CHAINED_SESSION_SECONDS_MAX = 3600  # a role assumed with the session of a role
# Session policies and tags, compressed, in a token: it travels in a header with every request, of which some proxies take 8 KB.
PACKED_BYTES_MAX = 2048

PAGE_ITEMS_DEFAULT = 100
MEMBERS_OF_RENAMED_GROUP_MAX = 1000  # their records change in the same write


def characters(document: str) -> int:
    """The length that counts: without white space."""
    return len("".join(document.split()))
