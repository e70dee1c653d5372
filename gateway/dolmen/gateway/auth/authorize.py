"""May this account do this? One pure function; the answer carries its reason.

For now ownership decides alone: an account does everything with its own buckets and nothing with those of others. Policies,
ACLs and public access become further inputs of the same function and further reasons of the same decision.
"""

from __future__ import annotations

from dataclasses import dataclass

from dolmen.gateway.auth.accounts import Account


@dataclass(frozen=True, slots=True)
class Decision:
    """``code`` is S3's error code when refused, "" when allowed; ``reason`` is for the log and the audit, not for the client."""

    allowed: bool
    code: str
    reason: str


_OWNER = Decision(allowed=True, code="", reason="the account owns the bucket")
_SERVICE = Decision(allowed=True, code="", reason="a service-level action of an authenticated account")
_ANONYMOUS = Decision(allowed=False, code="AccessDenied", reason="anonymous, and nothing here is public")


def authorize(account: Account | None, action: str, bucket_owner: str | None, expected_owner: str | None = None) -> Decision:
    """Decide one action.

    ``account``: None is anonymous. ``action``: as in policies ("s3:GetObject"). ``bucket_owner``: account id of the owner of the
    bucket, None for actions on the service (ListBuckets, CreateBucket). ``expected_owner``: the value of
    ``x-amz-expected-bucket-owner`` (or ``x-amz-source-expected-bucket-owner`` when the bucket is a copy's source).
    """
    if account is None:
        return _ANONYMOUS
    if expected_owner is not None and bucket_owner is not None and expected_owner != bucket_owner:
        return Decision(allowed=False, code="AccessDenied", reason="the bucket's owner is not the expected one")
    if bucket_owner is None:
        return _SERVICE
    if bucket_owner == account.account_id:
        return _OWNER
    return Decision(
        allowed=False, code="AccessDenied", reason=f"{action}: the bucket belongs to another account than {account.account_id}"
    )
