"""Laws of the decision, over random policies, callers and requests."""

import json

from hypothesis import given
from hypothesis import strategies as st

from dolmen.gateway.auth.accounts import Account
from dolmen.gateway.auth.acl import ALL_USERS, AUTHENTICATED_USERS, Acl, Grant
from dolmen.gateway.auth.authorize import AccessRequest, BucketAccess, ObjectAccess, authorize
from dolmen.gateway.auth.facts import RequestFacts
from dolmen.gateway.auth.policy.context import Context
from dolmen.gateway.auth.policy.document import parse_policy
from dolmen.gateway.auth.principal import Principal, root_principal

ALICE = Account("111111111111", "a" * 64, "alice", "alice@example.com")
BOB = Account("222222222222", "b" * 64, "bob", "bob@example.com")
ACTIONS = ["s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:ListBucket", "s3:PutBucketPolicy", "s3:GetObjectAcl"]
POLICY_ACTIONS = ["s3:GetBucketPolicy", "s3:PutBucketPolicy", "s3:DeleteBucketPolicy"]
RESOURCES = ["arn:aws:s3:::b", "arn:aws:s3:::b/*", "arn:aws:s3:::b/a*", "arn:aws:s3:::b/${aws:username}/*", "*", "arn:aws:s3:::b*"]
PRINCIPALS = ["*", {"AWS": "111111111111"}, {"AWS": "222222222222"}, {"AWS": "arn:aws:iam::111111111111:user/ann"},
              {"AWS": "arn:aws:iam::111111111111:role/r"}, {"AWS": "arn:aws:sts::111111111111:assumed-role/r/s"},
              {"CanonicalUser": "b" * 64}]
CONDITIONS = [{}, {"StringEquals": {"aws:username": "ann"}}, {"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}},
              {"StringNotEqualsIfExists": {"aws:username": "ann"}}, {"Null": {"aws:username": "true"}},
              {"ForAllValues:StringEquals": {"s3:RequestObjectTagKeys": ["a"]}}, {"StringLike": {"s3:prefix": "a*"}},
              {"StringNotEquals": {"aws:PrincipalAccount": "111111111111"}}]


def some(values):
    return st.lists(st.sampled_from(values), min_size=1, max_size=3)


def statements(with_principal, effects=("Allow", "Deny")):
    keys = {
        "Effect": st.sampled_from(effects),
        "Action": some([*ACTIONS, "s3:*", "s3:Get*", "*"]),
        "Resource": some(RESOURCES),
        "Condition": st.sampled_from(CONDITIONS),
    }
    if with_principal:
        keys["Principal"] = st.sampled_from(PRINCIPALS)
    return st.fixed_dictionaries(keys)


IDENTITY = st.lists(statements(False), max_size=3)
BUCKET = st.lists(statements(True), max_size=4)
ACLS = st.one_of(
    st.none(),
    st.lists(
        st.builds(
            lambda who, permission: Grant(*who, permission),
            st.sampled_from([("id", "a" * 64), ("id", "b" * 64), ("group", ALL_USERS), ("group", AUTHENTICATED_USERS)]),
            st.sampled_from(["READ", "WRITE", "READ_ACP", "FULL_CONTROL"]),
        ),
        max_size=3,
    ).map(lambda grants: Acl("a" * 64, tuple(grants))),
)


def compiled(made, kind):
    """None without statements. Without its bucket a policy may name actions and resources that do not belong together."""
    if not made:
        return None
    statements = [{**one, "Condition": dict(one["Condition"])} for one in made]
    if kind == "bucket":  # S3 refuses s3:prefix beside actions that list nothing
        for one in statements:
            if "StringLike" in one["Condition"]:
                one["Condition"] = {}
    return parse_policy(json.dumps({"Version": "2012-10-17", "Statement": statements}), kind=kind)


CALLERS = st.one_of(
    st.none(),
    st.sampled_from([root_principal(ALICE), root_principal(BOB)]),
    st.builds(
        lambda account, policies, boundary, narrowed, role: Principal(
            account=account,
            kind="role" if role else "user",
            arn=f"arn:aws:sts::{account.account_id}:assumed-role/r/s" if role else f"arn:aws:iam::{account.account_id}:user/ann",
            user_id="AROA1:s" if role else "AIDA1",
            user_name="" if role else "ann",
            issuer_arn=f"arn:aws:iam::{account.account_id}:role/r" if role else "",
            policies=tuple(compiled(one, "identity") for one in policies if one),
            boundary=compiled(boundary, "identity"),
            session_policies=None if narrowed is None else tuple(compiled(one, "identity") for one in narrowed if one),
        ),
        st.sampled_from([ALICE, BOB]),
        st.lists(IDENTITY, max_size=2),
        IDENTITY,
        st.one_of(st.none(), st.lists(IDENTITY, max_size=2)),
        st.booleans(),
    ),
)
TARGETS = st.one_of(
    st.none(),
    st.builds(
        lambda owner, acl: ObjectAccess(owner_canonical=owner, acl=acl, tags={}), st.sampled_from(["a" * 64, "b" * 64]), ACLS
    ),
)
WORLDS = st.fixed_dictionaries(
    {
        "principal": CALLERS,
        "policy": BUCKET,
        "acl": ACLS,
        "ownership": st.sampled_from(["BucketOwnerEnforced", "BucketOwnerPreferred", "ObjectWriter"]),
        "ignore": st.booleans(),
        "restrict": st.booleans(),
        "action": st.sampled_from([*ACTIONS, *POLICY_ACTIONS]),
        "key": st.sampled_from(["", "/a", "/ann/x", "/z"]),
        "target": TARGETS,
        "source_ip": st.sampled_from(["10.0.0.1", "192.0.2.1", "::1"]),
        "query": st.sampled_from([{}, {"prefix": "a"}, {"prefix": ""}]),
        "tagging": st.sampled_from([{}, {"x-amz-tagging": "a=1"}, {"x-amz-tagging": "a=1&b=2"}]),
    }
)


def decide(world, **changes):
    """The decision in a world with changes."""
    world = {**world, **changes}
    where = BucketAccess(
        name="b", owner_account=ALICE.account_id, owner_canonical=ALICE.canonical_id, policy=compiled(world["policy"], "bucket"),
        acl=world["acl"], ownership=world["ownership"], ignore_public_acls=world["ignore"],
        restrict_public_buckets=world["restrict"],
    )
    facts = RequestFacts("GET", world["tagging"], world["query"], world["source_ip"], False, 0)
    context = Context.of_request(facts, world["principal"], where.owner_account)
    request = AccessRequest(world["action"], f"arn:aws:s3:::b{world['key']}", context)
    return authorize(request, world["principal"], where, world["target"])


def is_owner_about_policy(world):
    principal = world["principal"]
    return (
        principal is not None and principal.kind == "root" and principal.account is ALICE and world["action"] in POLICY_ACTIONS
    )


@given(world=WORLDS)
def test_a_deny_of_everything_wins(world):
    shut = {"Effect": "Deny", "Principal": "*", "Action": "*", "Resource": "*", "Condition": {}}
    for place in range(len(world["policy"]) + 1):
        decision = decide(world, policy=[*world["policy"][:place], shut, *world["policy"][place:]])
        assert decision.allowed is is_owner_about_policy(world)


@given(world=WORLDS, data=st.data())
def test_the_order_of_statements_and_policies_does_not_matter(world, data):
    principal = world["principal"]
    changes = {"policy": data.draw(st.permutations(world["policy"]))}
    if principal is not None:
        policies = data.draw(st.permutations(principal.policies))
        changes["principal"] = Principal(**{
            name: getattr(principal, name) for name in principal.__struct_fields__ if name != "policies"
        }, policies=tuple(policies))
    before, after = decide(world), decide(world, **changes)
    assert (before.allowed, before.code) == (after.allowed, after.code)


@given(world=WORLDS, more=statements(True, effects=("Allow",)))
def test_one_more_allow_takes_nothing_away(world, more):
    """Unless it makes the policy public where public policies are restricted."""
    before, after = decide(world, restrict=False), decide(world, restrict=False, policy=[*world["policy"], more])
    assert after.allowed or not before.allowed


@given(world=WORLDS, more=statements(True, effects=("Deny",)))
def test_one_more_deny_gives_nothing(world, more):
    before, after = decide(world), decide(world, policy=[*world["policy"], more])
    assert before.allowed or not after.allowed


@given(world=WORLDS, more=IDENTITY)
def test_limits_give_nothing(world, more):
    principal = world["principal"]
    if principal is None or principal.kind == "root":
        return
    fields = {name: getattr(principal, name) for name in principal.__struct_fields__}
    before = decide(world)
    for limits in ({"boundary": compiled(more, "identity")} if principal.boundary is None else {}, {"session_policies": ()}):
        if "session_policies" in limits and principal.session_policies is not None:
            continue
        after = decide(world, principal=Principal(**{**fields, **limits}))
        assert before.allowed or not after.allowed


@given(world=WORLDS, action=st.sampled_from(POLICY_ACTIONS))
def test_the_owner_s_root_can_always_mend_the_policy(world, action):
    assert decide(world, principal=root_principal(ALICE), action=action, target=None).allowed


@given(world=WORLDS)
def test_nothing_but_policies_and_acls_opens_a_bucket(world):
    principal = world["principal"]
    if principal is not None and principal.account is ALICE:
        return
    assert not decide(world, policy=[], acl=None, target=None).allowed
    assert not decide(world, policy=[], ownership="BucketOwnerEnforced").allowed


@given(world=WORLDS)
def test_blocks_give_nothing(world):
    open_, shut = decide(world, ignore=False, restrict=False), decide(world, ignore=True, restrict=True)
    assert open_.allowed or not shut.allowed


@given(world=WORLDS)
def test_anonymous_callers_get_no_more_than_every_root(world):
    """Conditions on who asks apart: what everybody may, a stranger's root may."""
    policy = [one for one in world["policy"] if not one["Condition"]]
    if any(one["Effect"] == "Deny" for one in policy):
        return
    world = {**world, "policy": policy}
    target = world["target"]
    if target is not None and target.owner_canonical == BOB.canonical_id:
        return
    if decide(world, principal=None).allowed:
        assert decide(world, principal=root_principal(BOB)).allowed
