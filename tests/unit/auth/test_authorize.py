"""One decision from all that has a say in it: a table for each kind of caller."""

import json

import pytest

from dolmen.gateway.auth import acl as acls
from dolmen.gateway.auth.accounts import Account
from dolmen.gateway.auth.acl import ALL_USERS, AUTHENTICATED_USERS, Acl, Grant
from dolmen.gateway.auth.authorize import (
    AccessRequest,
    BucketAccess,
    ObjectAccess,
    authorize,
    authorize_identity,
    wants_object,
)
from dolmen.gateway.auth.facts import RequestFacts
from dolmen.gateway.auth.policy.context import Context
from dolmen.gateway.auth.policy.document import parse_policy
from dolmen.gateway.auth.policy.evaluate import evaluate_for
from dolmen.gateway.auth.policy.principals import Caller
from dolmen.gateway.auth.principal import ANONYMOUS, Principal, root_principal

ALICE = Account("111111111111", "a" * 64, "alice", "alice@example.com")
BOB = Account("222222222222", "b" * 64, "bob", "bob@example.com")
ACME = Account("333333333333", "c" * 64, "acme", "acme@example.com", tenant="acme")
ROOT, STRANGER = root_principal(ALICE), root_principal(BOB)
USER_ARN = "arn:aws:iam::111111111111:user/ann"
ROLE_ARN, SESSION_ARN = "arn:aws:iam::111111111111:role/r", "arn:aws:sts::111111111111:assumed-role/r/s"


def identity(effect="Allow", action="s3:*", resource="*", **more):
    statement = {"Effect": effect, "Action": action, "Resource": resource, **more}
    return parse_policy(json.dumps({"Version": "2012-10-17", "Statement": [statement]}), kind="identity")


def bucket_policy(*statements):
    base = {"Effect": "Allow", "Principal": "*", "Action": "s3:*", "Resource": ["arn:aws:s3:::b", "arn:aws:s3:::b/*"]}
    made = [{name: value for name, value in {**base, **one}.items() if value is not None} for one in statements]
    return parse_policy(json.dumps({"Version": "2012-10-17", "Statement": made}), kind="bucket", bucket="b")


def user(*policies, account=ALICE, boundary=None, session=None, name="ann"):
    return Principal(
        account=account, kind="user", arn=f"arn:aws:iam::{account.account_id}:user/{name}", user_id="AIDA1", user_name=name,
        policies=policies, boundary=boundary, session_policies=session,
    )


def session(*policies, boundary=None, narrowed=None):
    return Principal(
        account=ALICE, kind="role", arn=SESSION_ARN, user_id="AROA1:s", issuer_arn=ROLE_ARN, policies=policies, boundary=boundary,
        session_policies=narrowed,
    )


def bucket(**changes):
    return BucketAccess(**{"name": "b", "owner_account": ALICE.account_id, "owner_canonical": ALICE.canonical_id, **changes})


def decide(principal, where, action="s3:GetObject", *, resource="arn:aws:s3:::b/k", target=None, expected=None, **facts):
    made = RequestFacts(
        method="GET", headers=facts.get("headers", {}), query=facts.get("query", {}), source_ip="10.0.0.1", secure=False, now_us=0
    )
    context = Context.of_request(made, principal, where.owner_account if where is not None else "")
    return authorize(AccessRequest(action, resource, context, expected), principal, where, target)


def allowed(*arguments, **more):
    decision = decide(*arguments, **more)
    assert (decision.code == "") is decision.allowed
    assert decision.reason
    return decision.allowed


GETS, DENIES = identity(action="s3:Get*"), identity("Deny")
OTHERS = identity(action="s3:Put*")


# -- the bucket's own account --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("principal", "policy", "expected"),
    [
        # root
        (ROOT, None, True),
        (ROOT, bucket_policy({"Action": "s3:PutObject"}), True),
        (ROOT, bucket_policy({"Effect": "Deny"}), False),
        (ROOT, bucket_policy({"Effect": "Deny", "Principal": {"AWS": ALICE.account_id}}), False),
        (ROOT, bucket_policy({"Effect": "Deny", "Principal": {"AWS": USER_ARN}}), True),
        (ROOT, bucket_policy({"Effect": "Deny", "Principal": {"CanonicalUser": ALICE.canonical_id}}), False),
        (ROOT, bucket_policy({"Effect": "Deny", "Principal": None, "NotPrincipal": {"AWS": USER_ARN}}), False),
        (ROOT, bucket_policy({"Effect": "Deny", "Principal": None, "NotPrincipal": {"AWS": ALICE.account_id}}), True),
        # users
        (user(), None, False),
        (user(GETS), None, True),
        (user(OTHERS), None, False),
        (user(GETS, DENIES), None, False),
        (user(), bucket_policy({}), True),
        (user(), bucket_policy({"Principal": {"AWS": USER_ARN}}), True),
        (user(), bucket_policy({"Principal": {"AWS": "arn:aws:iam::111111111111:user/bob"}}), False),
        (user(), bucket_policy({"Principal": {"AWS": ALICE.account_id}}), False),  # the account decides by its own policies
        (user(GETS), bucket_policy({"Principal": {"AWS": ALICE.account_id}}), True),
        (user(), bucket_policy({"Principal": {"CanonicalUser": ALICE.canonical_id}}), False),
        (user(GETS), bucket_policy({"Effect": "Deny", "Principal": {"AWS": USER_ARN}}), False),
        (user(GETS), bucket_policy({"Effect": "Deny", "Principal": {"AWS": ALICE.account_id}}), False),
        (user(GETS), bucket_policy({"Effect": "Deny", "Action": "s3:PutObject"}), True),
        (user(DENIES), bucket_policy({"Principal": {"AWS": USER_ARN}}), False),
        (user(GETS), bucket_policy({"Effect": "Deny", "Principal": None, "NotPrincipal": {"AWS": USER_ARN}}), True),
        # boundaries limit identity policies, not what a bucket policy gives to the user by name
        (user(GETS, boundary=GETS), None, True),
        (user(GETS, boundary=OTHERS), None, False),
        (user(GETS, boundary=DENIES), None, False),
        (user(boundary=GETS), None, False),
        (user(boundary=OTHERS), bucket_policy({"Principal": {"AWS": USER_ARN}}), True),
        (user(boundary=OTHERS), bucket_policy({}), True),
        (user(boundary=DENIES), bucket_policy({}), False),
        (user(GETS, session=(GETS,)), None, True),
        (user(GETS, session=(OTHERS,)), None, False),
        (user(GETS, session=()), None, False),
        # sessions of roles
        (session(), None, False),
        (session(GETS), None, True),
        (session(GETS, narrowed=(OTHERS,)), None, False),
        (session(GETS, narrowed=(GETS,)), None, True),
        (session(GETS, narrowed=(GETS, DENIES)), None, False),
        (session(), bucket_policy({"Principal": {"AWS": ROLE_ARN}}), True),
        (session(narrowed=(OTHERS,)), bucket_policy({"Principal": {"AWS": ROLE_ARN}}), False),
        (session(narrowed=(GETS,)), bucket_policy({"Principal": {"AWS": ROLE_ARN}}), True),
        (session(boundary=OTHERS), bucket_policy({"Principal": {"AWS": ROLE_ARN}}), False),
        (session(narrowed=(OTHERS,)), bucket_policy({"Principal": {"AWS": SESSION_ARN}}), True),
        (session(boundary=OTHERS), bucket_policy({"Principal": {"AWS": SESSION_ARN}}), True),
        (session(narrowed=(DENIES,)), bucket_policy({"Principal": {"AWS": SESSION_ARN}}), False),
        (session(), bucket_policy({"Principal": {"AWS": "arn:aws:sts::111111111111:assumed-role/r/other"}}), False),
        (session(GETS), bucket_policy({"Effect": "Deny", "Principal": {"AWS": ROLE_ARN}}), False),
        (session(narrowed=(OTHERS,)),
         bucket_policy({"Principal": {"AWS": ROLE_ARN}}, {"Principal": {"AWS": SESSION_ARN}, "Action": "s3:Get*"}), True),
    ],
)
def test_within_the_account(principal, policy, expected):
    assert allowed(principal, bucket(policy=policy)) is expected


# -- other accounts and nobody ---------------------------------------------------------------------------------------------------

BOBS_USER = user(GETS, account=BOB)
TO_BOB = {"Principal": {"AWS": BOB.account_id}}


@pytest.mark.parametrize(
    ("principal", "policy", "expected"),
    [
        (STRANGER, None, False),
        (STRANGER, bucket_policy(TO_BOB), True),
        (STRANGER, bucket_policy({"Principal": {"CanonicalUser": BOB.canonical_id}}), True),
        (STRANGER, bucket_policy({"Principal": {"AWS": ALICE.account_id}}), False),
        (STRANGER, bucket_policy({}), True),
        (STRANGER, bucket_policy(TO_BOB, {"Effect": "Deny"}), False),
        (BOBS_USER, None, False),
        (BOBS_USER, bucket_policy(TO_BOB), True),  # both accounts agree
        (user(account=BOB), bucket_policy(TO_BOB), False),  # its own does not
        (user(account=BOB), bucket_policy({}), False),
        (user(account=BOB), bucket_policy({"Principal": {"AWS": "arn:aws:iam::222222222222:user/ann"}}), False),
        (BOBS_USER, bucket_policy({"Principal": {"AWS": "arn:aws:iam::222222222222:user/ann"}}), True),
        (BOBS_USER, bucket_policy({"Principal": {"AWS": USER_ARN}}), False),
        (user(GETS, DENIES, account=BOB), bucket_policy(TO_BOB), False),
        (user(GETS, account=BOB, boundary=OTHERS), bucket_policy(TO_BOB), False),
        (user(GETS, account=BOB, session=(OTHERS,)), bucket_policy(TO_BOB), False),
        (None, None, False),
        (None, bucket_policy({}), True),
        (None, bucket_policy({"Principal": {"AWS": "*"}, "Action": "s3:GetObject", "Resource": "arn:aws:s3:::b/k*"}), True),
        (None, bucket_policy(TO_BOB), False),
        (None, bucket_policy({}, {"Effect": "Deny", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::b/k"}), False),
        (None, bucket_policy({"Effect": "Deny", "Principal": None, "NotPrincipal": {"AWS": ALICE.account_id}}), False),
    ],
)
def test_from_outside(principal, policy, expected):
    assert allowed(principal, bucket(policy=policy)) is expected


@pytest.mark.parametrize("action", ["s3:GetBucketPolicy", "s3:PutBucketPolicy", "s3:DeleteBucketPolicy"])
@pytest.mark.parametrize(
    ("principal", "code"), [(ROOT, ""), (STRANGER, "MethodNotAllowed"), (None, "MethodNotAllowed"), (user(), "")]
)
def test_the_policy_itself_belongs_to_the_owner_s_account(action, principal, code):
    decision = decide(principal, bucket(policy=bucket_policy({})), action, resource="arn:aws:s3:::b")
    assert decision.code == code


@pytest.mark.parametrize("action", ["s3:GetBucketPolicy", "s3:PutBucketPolicy", "s3:DeleteBucketPolicy"])
def test_root_is_never_locked_out_of_the_policy(action):
    shut = bucket(policy=bucket_policy({"Effect": "Deny"}))
    assert allowed(ROOT, shut, action, resource="arn:aws:s3:::b")
    assert not allowed(user(identity()), shut, action, resource="arn:aws:s3:::b")
    assert not allowed(ROOT, shut, "s3:PutBucketAcl", resource="arn:aws:s3:::b")


@pytest.mark.parametrize(
    ("principal", "expected", "result"),
    [(ROOT, None, True), (ROOT, ALICE.account_id, True), (ROOT, BOB.account_id, False), (ROOT, "", False),
     (None, ALICE.account_id, True), (None, BOB.account_id, False)],
)
def test_the_expected_owner(principal, expected, result):
    assert allowed(principal, bucket(policy=bucket_policy({})), expected=expected) is result


# -- public access block ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("principal", "policy", "expected"),
    [
        (None, bucket_policy({}), False),
        (STRANGER, bucket_policy({}), False),
        (STRANGER, bucket_policy({}, TO_BOB), False),  # as long as anything of it is public
        (STRANGER, bucket_policy(TO_BOB), True),
        (user(), bucket_policy({}), True),
        (ROOT, bucket_policy({}), True),
        (None, bucket_policy({"Condition": {"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}}), True),  # not public
    ],
)
def test_restricted_public_buckets(principal, policy, expected):
    assert allowed(principal, bucket(policy=policy, restrict_public_buckets=True)) is expected


def test_a_restricted_bucket_still_denies():
    shut = bucket(policy=bucket_policy({}, {"Effect": "Deny"}), restrict_public_buckets=True)
    assert decide(STRANGER, shut).statement == "bucket policy: statement 2"


# -- ACLs ------------------------------------------------------------------------------------------------------------------------


def grants(*listed, owner=ALICE.canonical_id):
    return Acl(owner, (Grant("id", owner, "FULL_CONTROL"), *(Grant(*one) for one in listed)))


TO_ALL, TO_KNOWN, TO_BOB_ACL = ("group", ALL_USERS), ("group", AUTHENTICATED_USERS), ("id", BOB.canonical_id)


@pytest.mark.parametrize(
    ("permission", "granted"),
    [
        ("READ", {"s3:ListBucket", "s3:ListBucketVersions", "s3:ListBucketMultipartUploads"}),
        ("WRITE", {"s3:PutObject", "s3:DeleteObject", "s3:AbortMultipartUpload", "s3:ListMultipartUploadParts"}),
        ("READ_ACP", {"s3:GetBucketAcl"}),
        ("WRITE_ACP", {"s3:PutBucketAcl"}),
    ],
)
def test_what_the_acl_of_a_bucket_grants(permission, granted):
    where = bucket(ownership="ObjectWriter", acl=grants((*TO_BOB_ACL, permission)))
    everything = bucket(ownership="ObjectWriter", acl=grants((*TO_BOB_ACL, "FULL_CONTROL")))
    actions = {
        "s3:ListBucket", "s3:ListBucketVersions", "s3:ListBucketMultipartUploads", "s3:PutObject", "s3:DeleteObject",
        "s3:AbortMultipartUpload", "s3:ListMultipartUploadParts", "s3:GetBucketAcl", "s3:PutBucketAcl",
    }
    for action in actions:
        assert allowed(STRANGER, where, action) is (action in granted)
        assert allowed(STRANGER, everything, action)
    for action in ("s3:DeleteBucket", "s3:GetBucketPolicy", "s3:DeleteObjectVersion", "s3:PutBucketTagging"):
        assert not allowed(STRANGER, everything, action)
    assert not allowed(STRANGER, bucket(acl=grants((*TO_BOB_ACL, "FULL_CONTROL"))), "s3:ListBucket")  # ACLs are disabled


@pytest.mark.parametrize(
    ("permission", "granted"),
    [
        ("READ", {"s3:GetObject", "s3:GetObjectVersion", "s3:GetObjectTorrent", "s3:GetObjectVersionTorrent"}),
        ("READ_ACP", {"s3:GetObjectAcl", "s3:GetObjectVersionAcl"}),
        ("WRITE_ACP", {"s3:PutObjectAcl", "s3:PutObjectVersionAcl"}),
        ("WRITE", set()),
    ],
)
def test_what_the_acl_of_an_object_grants(permission, granted):
    where = bucket(ownership="ObjectWriter")
    target = ObjectAccess(owner_canonical=ALICE.canonical_id, acl=grants((*TO_BOB_ACL, permission)), tags={})
    actions = {
        "s3:GetObject", "s3:GetObjectVersion", "s3:GetObjectTorrent", "s3:GetObjectVersionTorrent", "s3:GetObjectAcl",
        "s3:GetObjectVersionAcl", "s3:PutObjectAcl", "s3:PutObjectVersionAcl", "s3:GetObjectTagging", "s3:DeleteObject",
        "s3:PutObject",
    }
    for action in actions:
        assert allowed(STRANGER, where, action, target=target) is (action in granted)
    assert not allowed(STRANGER, bucket(), "s3:GetObject", target=target)


@pytest.mark.parametrize(
    ("principal", "grant", "ignore", "expected"),
    [
        (None, TO_ALL, False, True),
        (None, TO_KNOWN, False, False),
        (None, TO_BOB_ACL, False, False),
        (None, TO_ALL, True, False),
        (STRANGER, TO_ALL, False, True),
        (STRANGER, TO_KNOWN, False, True),
        (STRANGER, TO_KNOWN, True, False),
        (STRANGER, TO_BOB_ACL, True, True),
        (user(account=BOB), TO_ALL, False, False),  # its own account has not said yes
        (BOBS_USER, TO_ALL, False, True),
        (BOBS_USER, TO_BOB_ACL, False, True),
        (user(), TO_ALL, False, True),
        (user(), TO_KNOWN, False, True),
        (user(), TO_ALL, True, False),
        (user(), ("id", ALICE.canonical_id), False, False),  # a grant to the account is for its root
        (user(boundary=OTHERS), TO_ALL, False, False),
        (user(DENIES), TO_ALL, False, False),
        (ROOT, TO_BOB_ACL, True, True),
    ],
)
def test_groups_and_accounts(principal, grant, ignore, expected):
    acl = grants((*grant, "READ"))
    where = bucket(ownership="ObjectWriter", acl=acl, ignore_public_acls=ignore)
    target = ObjectAccess(owner_canonical=ALICE.canonical_id, acl=acl, tags={})
    assert allowed(principal, where, target=target) is expected
    read = user(identity(action="s3:List*"), account=BOB) if principal is BOBS_USER else principal
    assert allowed(read, where, "s3:ListBucket", resource="arn:aws:s3:::b") is expected


def test_the_bucket_policy_denies_what_an_acl_grants():
    acl = grants((*TO_ALL, "READ"))
    target = ObjectAccess(owner_canonical=ALICE.canonical_id, acl=acl, tags={})
    assert not allowed(None, bucket(ownership="ObjectWriter", policy=bucket_policy({"Effect": "Deny"})), target=target)


BOBS_OBJECT = ObjectAccess(owner_canonical=BOB.canonical_id, acl=None, tags={})


@pytest.mark.parametrize("ownership", ["ObjectWriter", "BucketOwnerPreferred"])
@pytest.mark.parametrize(
    ("principal", "action", "policy", "acl", "expected"),
    [
        (ROOT, "s3:GetObject", None, None, False),
        (ROOT, "s3:GetObject", None, grants(("id", ALICE.canonical_id, "READ"), owner=BOB.canonical_id), True),
        (ROOT, "s3:GetObjectTagging", None, None, False),
        (ROOT, "s3:DeleteObject", None, None, True),
        (ROOT, "s3:PutObject", None, None, True),
        (ROOT, "s3:PutObjectRetention", None, None, True),
        (user(GETS), "s3:GetObject", None, None, False),
        (user(GETS), "s3:GetObject", None, grants(("id", ALICE.canonical_id, "READ"), owner=BOB.canonical_id), True),
        (STRANGER, "s3:GetObject", None, None, True),
        (STRANGER, "s3:GetObject", None, Acl(BOB.canonical_id, ()), False),
        (STRANGER, "s3:GetObjectAcl", None, Acl(BOB.canonical_id, ()), True),  # an owner can always mend the ACL
        (STRANGER, "s3:PutObjectAcl", None, Acl(BOB.canonical_id, ()), True),
        (STRANGER, "s3:PutObjectTagging", None, None, True),
        (STRANGER, "s3:DeleteObject", None, None, False),
        (STRANGER, "s3:GetObject", {"Effect": "Deny"}, None, False),
        (None, "s3:GetObject", {}, None, False),  # a bucket policy gives nothing of what the bucket's owner does not own
        (None, "s3:DeleteObject", {}, None, True),
        (None, "s3:GetObject", None, grants((*TO_ALL, "READ"), owner=BOB.canonical_id), True),
    ],
)
def test_an_object_of_another_account(ownership, principal, action, policy, acl, expected):
    where = bucket(ownership=ownership, policy=None if policy is None else bucket_policy(policy))
    target = ObjectAccess(owner_canonical=BOB.canonical_id, acl=acl, tags={})
    assert allowed(principal, where, action, target=target) is expected


def test_what_nobody_wrote_is_everybody_s():
    target = ObjectAccess(owner_canonical=ANONYMOUS.canonical_id, acl=None, tags={})
    where = bucket(ownership="ObjectWriter")
    for action in ("s3:GetObject", "s3:GetObjectAcl", "s3:PutObjectAcl", "s3:GetObjectTagging"):
        assert allowed(None, where, action, target=target)
        assert not allowed(STRANGER, where, action, target=target)
    assert not allowed(None, where, "s3:DeleteObject", target=target)


def test_with_acls_disabled_everything_belongs_to_the_bucket_s_owner():
    assert allowed(ROOT, bucket(), target=BOBS_OBJECT)
    assert allowed(None, bucket(policy=bucket_policy({})), target=BOBS_OBJECT)
    assert not allowed(STRANGER, bucket(), target=BOBS_OBJECT)


# -- what has to be read first -------------------------------------------------------------------------------------------------

TAGGED = {"Condition": {"StringEquals": {"s3:ExistingObjectTag/a": "b"}}, "Action": "s3:GetObject", "Resource": "arn:aws:s3:::b/*"}


@pytest.mark.parametrize(
    ("where", "principal", "action", "expected"),
    [
        (bucket(), ROOT, "s3:GetObject", False),
        (bucket(policy=bucket_policy({})), None, "s3:GetObject", False),
        (bucket(ownership="ObjectWriter"), ROOT, "s3:GetObject", True),
        (bucket(ownership="BucketOwnerPreferred"), None, "s3:PutObjectAcl", True),
        (bucket(ownership="ObjectWriter"), ROOT, "s3:PutObject", False),
        (bucket(ownership="ObjectWriter"), ROOT, "s3:DeleteObject", False),
        (bucket(ownership="ObjectWriter"), ROOT, "s3:ListBucket", False),
        (bucket(policy=bucket_policy(TAGGED)), ROOT, "s3:GetObject", True),
        (bucket(policy=bucket_policy(TAGGED)), ROOT, "s3:DeleteObject", True),
        (bucket(policy=bucket_policy(TAGGED)), ROOT, "s3:PutObject", False),
        (bucket(policy=bucket_policy(TAGGED)), ROOT, "s3:ListBucket", False),
        (bucket(), user(identity(Condition=TAGGED["Condition"])), "s3:GetObject", True),
        (bucket(), user(boundary=identity(Condition=TAGGED["Condition"])), "s3:GetObject", True),
        (bucket(), user(session=(identity(Condition=TAGGED["Condition"]),)), "s3:GetObject", True),
        (bucket(), user(GETS), "s3:GetObject", False),
    ],
)
def test_when_the_object_matters(where, principal, action, expected):
    assert wants_object(where, principal, action) is expected


@pytest.mark.parametrize(("tags", "expected"), [({"a": "b"}, True), ({"a": "c"}, False), ({}, False)])
def test_tags_of_the_object(tags, expected):
    target = ObjectAccess(owner_canonical=ALICE.canonical_id, acl=None, tags=tags)
    assert allowed(None, bucket(policy=bucket_policy(TAGGED)), target=target) is expected
    assert allowed(user(identity(Condition=TAGGED["Condition"])), bucket(), target=target) is expected


def test_tags_of_the_bucket():
    ours = identity(Condition={"StringEquals": {"aws:ResourceTag/team": "red"}})
    assert allowed(user(ours), bucket(tags={"team": "red"}))
    assert not allowed(user(ours), bucket(tags={"team": "blue"}))
    assert not allowed(user(ours), bucket())


LISTS = {"Action": "s3:ListBucket", "Resource": "arn:aws:s3:::b"}
READS = {"Action": "s3:GetObject", "Resource": "arn:aws:s3:::b/*"}


PUBLIC_LIST = acls.canned("public-read", ALICE.canonical_id, ALICE.canonical_id)


@pytest.mark.parametrize(
    ("principal", "changes", "code"),
    [
        (ROOT, {}, ""),  # the handler will say NoSuchKey
        (user(GETS), {}, ""),
        (None, {}, "AccessDenied"),
        (None, {"acl": PUBLIC_LIST}, "NoSuchKey"),
        (None, {"acl": PUBLIC_LIST, "ignore_public_acls": True}, "AccessDenied"),
        (None, {"acl": PUBLIC_LIST, "ownership": "BucketOwnerEnforced"}, "AccessDenied"),
        (None, {"policy": bucket_policy(LISTS)}, "NoSuchKey"),
        (None, {"policy": bucket_policy(LISTS, {**READS, "Effect": "Deny"})}, "AccessDenied"),
        (None, {"policy": bucket_policy(READS)}, ""),
        (STRANGER, {"acl": PUBLIC_LIST}, "NoSuchKey"),
        (user(identity(action="s3:ListBucket")), {}, "NoSuchKey"),
        (user(), {}, "AccessDenied"),
    ],
)
def test_reading_what_is_not_there(principal, changes, code):
    where = bucket(**{"ownership": "ObjectWriter", **changes})
    assert decide(principal, where).code == code
    assert decide(principal, where, "s3:GetObjectAcl").code in ("", "AccessDenied")


def test_a_new_object_s_acl_is_set_with_the_permission_to_write_it():
    where = bucket(ownership="ObjectWriter", acl=grants((*TO_BOB_ACL, "WRITE")))
    assert allowed(STRANGER, where, "s3:PutObjectAcl")
    assert not allowed(STRANGER, where, "s3:PutObjectAcl", target=ObjectAccess(owner_canonical="a" * 64, acl=None, tags={}))
    assert not allowed(STRANGER, bucket(ownership="ObjectWriter", acl=grants((*TO_BOB_ACL, "READ"))), "s3:PutObjectAcl")


# -- without a bucket; roles -----------------------------------------------------------------------------------------------------


def test_reading_a_version_that_is_not_there():
    assert decide(None, bucket(ownership="ObjectWriter", acl=PUBLIC_LIST), "s3:GetObjectVersion").code == "NoSuchVersion"


@pytest.mark.parametrize(
    ("principal", "expected"),
    [(ROOT, True), (None, False), (user(), False), (user(identity(action="s3:ListAllMyBuckets")), True),
     (user(identity(), DENIES), False), (user(identity(), boundary=GETS), False), (session(identity(), narrowed=(GETS,)), False)],
)
def test_actions_without_a_bucket(principal, expected):
    context = Context.of_request(RequestFacts("GET", {}, {}, "10.0.0.1", False, 0), principal, "")
    request = AccessRequest("s3:ListAllMyBuckets", "*", context)
    assert authorize_identity(request, principal).allowed is expected
    assert authorize(request, principal, None).allowed is expected


@pytest.mark.parametrize(
    ("statement", "caller", "expected"),
    [
        ({"Principal": {"AWS": ALICE.account_id}}, Caller(account_id=ALICE.account_id, arn=USER_ARN), True),
        ({"Principal": {"AWS": USER_ARN}}, Caller(account_id=ALICE.account_id, arn=USER_ARN), True),
        ({"Principal": {"AWS": USER_ARN}}, Caller(account_id=BOB.account_id), False),
        ({"Principal": {"Federated": "id.example"}}, Caller(federated="id.example"), True),
        ({"Principal": {"Federated": "id.example"}}, Caller(federated="other.example"), False),
        ({"Principal": {"Federated": "id.example"}}, Caller(account_id=ALICE.account_id, arn=USER_ARN), False),
        ({"Principal": "*", "Condition": {"StringEquals": {"id.example:sub": "x"}}}, Caller(federated="id.example"), True),
        ({"Principal": "*", "Condition": {"StringEquals": {"id.example:sub": "y"}}}, Caller(federated="id.example"), False),
        ({"Principal": {"AWS": "*"}, "Effect": "Deny"}, Caller(account_id=ALICE.account_id), False),
        ({"Principal": {"AWS": "*"}, "Action": "sts:TagSession"}, Caller(account_id=ALICE.account_id), False),
    ],
)
def test_trust(statement, caller, expected):
    text = json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "sts:AssumeRole", **statement}]})
    policy = parse_policy(text, kind="trust")
    found = evaluate_for(policy, caller, "sts:assumerole", (), {"id.example:sub": ("x",)})
    assert (found.denied_by is None and found.allowed_by is not None) is expected


# -- namespaces ------------------------------------------------------------------------------------------------------------------


def test_a_tenant_s_own_names_are_plain():
    where = BucketAccess(name="acme:b", owner_account=ACME.account_id, owner_canonical=ACME.canonical_id)
    full = {"resource": "arn:aws:s3::acme:b/k"}
    assert allowed(user(identity(resource="arn:aws:s3:::b/*"), account=ACME), where, **full)
    assert allowed(user(identity(resource="arn:aws:s3::acme:b/*"), account=ACME), where, **full)
    assert not allowed(user(identity(resource="arn:aws:s3::other:b/*"), account=ACME), where, **full)
    for resource in ("arn:aws:s3:::b/*", "arn:aws:s3::acme:b/*"):
        statement = {"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": resource}
        policy = parse_policy(json.dumps({"Statement": [statement]}), kind="bucket", bucket="acme:b")
        shared = BucketAccess(name="acme:b", owner_account=ACME.account_id, owner_canonical=ACME.canonical_id, policy=policy)
        assert allowed(None, shared, **full)
        # A user of another namespace means another bucket by the plain name.
        assert not allowed(user(identity(resource="arn:aws:s3:::b/*"), account=BOB), shared, **full)
        assert allowed(user(identity(resource="arn:aws:s3::acme:b/*"), account=BOB), shared, **full)


# -- reasons ---------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("principal", "where", "reason", "statement"),
    [
        (ROOT, bucket(), "root user", ""),
        (user(identity()), bucket(), "allowed: identity policy", "identity policy: statement 1"),
        (None, bucket(policy=bucket_policy({"Sid": "A"})), "allowed: bucket policy", "bucket policy: A"),
        (ROOT, bucket(policy=bucket_policy({"Effect": "Deny", "Sid": "D"})), "explicitly denied", "bucket policy: D"),
        (user(DENIES), bucket(), "explicitly denied: identity policy", "identity policy: statement 1"),
        (user(GETS, boundary=DENIES), bucket(), "permissions boundary", "permissions boundary: statement 1"),
        (session(GETS, narrowed=(DENIES,)), bucket(), "session policy", "session policy: statement 1"),
        (user(), bucket(), "no identity-based policy allows s3:GetObject", ""),
        (user(GETS, boundary=OTHERS), bucket(), "no permissions boundary allows s3:GetObject", ""),
        (user(GETS, session=()), bucket(), "no session policy allows s3:GetObject", ""),
        (None, bucket(), "anonymous", ""),
        (STRANGER, bucket(), "another account", ""),
    ],
)
def test_reasons(principal, where, reason, statement):
    decision = decide(principal, where)
    assert reason in decision.reason
    assert decision.statement == statement
