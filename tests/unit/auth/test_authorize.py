"""Ownership decides, and says why."""

import pytest

from dolmen.gateway.auth.accounts import Account
from dolmen.gateway.auth.authorize import authorize

ALICE = Account("111111111111", "a" * 64, "alice", "alice@example.com")
BOB = "222222222222"


@pytest.mark.parametrize(
    ("account", "owner", "expected_owner", "allowed", "reason"),
    [
        (None, None, None, False, "anonymous"),
        (None, ALICE.account_id, ALICE.account_id, False, "anonymous"),
        (ALICE, None, None, True, "service-level"),
        (ALICE, None, BOB, True, "service-level"),
        (ALICE, ALICE.account_id, None, True, "owns"),
        (ALICE, ALICE.account_id, ALICE.account_id, True, "owns"),
        (ALICE, ALICE.account_id, BOB, False, "expected"),
        (ALICE, ALICE.account_id, "", False, "expected"),
        (ALICE, BOB, None, False, "another account"),
        (ALICE, BOB, BOB, False, "another account"),
    ],
)
def test_decisions(account, owner, expected_owner, allowed, reason):
    decision = authorize(account, "s3:GetObject", owner, expected_owner)
    assert decision.allowed is allowed
    assert decision.code == ("" if allowed else "AccessDenied")
    assert reason in decision.reason


def test_root_owns_no_buckets_of_others():
    root = Account("000000000000", "0" * 64, "root", "root@localhost", is_root=True)
    assert not authorize(root, "s3:GetObject", ALICE.account_id, None).allowed
