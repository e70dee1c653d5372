"""The grammar of policies: what is taken, and what is refused with which of AWS's texts."""

import copy
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dolmen.gateway.auth.policy.document import Policy, PolicyError, parse_policy

STATEMENT = {"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::b/*"}
TRUST = {"Effect": "Allow", "Principal": {"AWS": "111111111111"}, "Action": "sts:AssumeRole"}
IDENTITY = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}
BASE = {"bucket": STATEMENT, "identity": IDENTITY, "trust": TRUST}


def document(kind="bucket", **changes):
    """One statement with changes (None takes an element away)."""
    statement = {**copy.deepcopy(BASE[kind]), **changes}
    return {"Version": "2012-10-17", "Statement": [{name: value for name, value in statement.items() if value is not None}]}


def parse(value, kind="bucket", bucket="b"):
    text = value if isinstance(value, (str, bytes)) else json.dumps(value)
    return parse_policy(text, kind=kind, bucket=bucket if kind == "bucket" else None)


def refusal(value, kind="bucket", bucket="b"):
    with pytest.raises(PolicyError) as caught:
        parse(value, kind, bucket)
    assert str(caught.value) == caught.value.message
    return caught.value.message


@pytest.mark.parametrize("kind", BASE)
def test_taken(kind):
    policy = parse(document(kind), kind)
    assert (policy.version, len(policy.statements)) == ("2012-10-17", 1)
    assert policy.statements[0].allows
    assert policy.statements[0].label == "statement 1"


@pytest.mark.parametrize(
    "changes",
    [
        {"Sid": "Any text, with blanks"},
        {"Sid": ""},
        {"Effect": "Deny"},
        {"Action": ["s3:GetObject", "S3:PUTOBJECT"]},
        {"Action": "*"},
        {"Action": "s3:*", "Resource": "arn:aws:s3:::b"},
        {"Action": "s3:Get*", "Resource": ["arn:aws:s3:::b", "arn:aws:s3:::b/*"]},
        {"Action": None, "NotAction": "s3:DeleteObject"},
        {"Action": "s3:ListBucket", "Resource": "arn:aws:s3:::b", "Condition": {"StringLike": {"s3:prefix": ["a/*", ""]}}},
        {"Action": "s3:ListBucket", "Resource": "arn:aws:s3:::b", "Condition": {"NumericLessThanEquals": {"s3:max-keys": 10}}},
        {"Resource": "*"},
        {"Resource": "arn:aws:s3:::*"},
        {"Resource": "arn:aws:s3:::*/*"},
        {"Resource": "arn:aws:s3:::b*"},
        {"Resource": "arn:aws:s3:::?/*"},
        {"Resource": "arn:aws:s3:::b/${aws:username}/*"},
        {"Resource": "arn:aws:s3:::${aws:PrincipalTag/bucket}/*"},
        {"Resource": None, "NotResource": "arn:aws:s3:::b/private/*"},
        {"Principal": {"AWS": "*"}},
        {"Principal": {"AWS": "111111111111"}},
        {"Principal": {"AWS": ["arn:aws:iam::111111111111:root", "arn:aws:iam::111111111111:user/path/ann"]}},
        {"Principal": {"AWS": "arn:aws:iam::111111111111:role/r"}},
        {"Principal": {"AWS": "arn:aws:sts::111111111111:assumed-role/r/session@x"}},
        {"Principal": {"AWS": "arn:aws:sts::111111111111:federated-user/bob"}},
        {"Principal": {"CanonicalUser": "a" * 64}},
        {"Principal": {"Service": "logging.s3.amazonaws.com"}},
        {"Principal": {"AWS": "*", "Service": ["delivery.logs.amazonaws.com"]}},
        {"Effect": "Deny", "Principal": None, "NotPrincipal": {"AWS": "111111111111"}},
        {"Condition": {"Bool": {"aws:SecureTransport": False}}},
        {"Condition": {"StringEquals": {"s3:ExistingObjectTag/a": "b"}, "IpAddress": {"aws:SourceIp": ["10.0.0.0/8"]}}},
        {"Condition": {"ForAnyValue:StringLikeIfExists": {"s3:RequestObjectTagKeys": ["a"]}}},
        {"Condition": {"StringEquals": {"jwt:preferred_username": "x"}}},
        {"Condition": {}},
    ],
)
def test_statements_of_buckets_that_are_taken(changes):
    assert len(parse(document(**changes)).statements) == 1


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"Principal": None}, "Missing required field Principal"),
        ({"Effect": None}, "Missing required field Effect"),
        ({"Action": None}, "Missing required field Action"),
        ({"Action": []}, "Missing required field Action"),
        ({"Resource": None}, "Missing required field Resource"),
        ({"Resource": []}, "Missing required field Resource"),
        ({"Effect": "allow"}, "Invalid effect : allow"),
        ({"Effect": ["Allow"]}, "Invalid effect : ['Allow']"),
        ({"Sid": 1}, "Invalid policy syntax."),
        ({"Foo": 1}, "Unknown field Foo"),
        ({"action": "s3:GetObject"}, "Unknown field action"),
        ({"NotAction": "s3:GetObject"}, "Invalid policy syntax."),
        ({"NotResource": "*"}, "Invalid policy syntax."),
        ({"NotPrincipal": "*"}, "Invalid policy syntax."),
        ({"Action": "s3:FooBar"}, "Policy has invalid action"),
        ({"Action": "iam:GetUser"}, "Policy has invalid action"),
        ({"Action": "s3:ListAllMyBuckets"}, "Policy has invalid action"),
        ({"Action": "GetObject"}, "Policy has invalid action"),
        ({"Action": ""}, "Policy has invalid action"),
        ({"Action": "s*:GetObject"}, "Policy has invalid action"),
        ({"Action": 1}, "Invalid policy syntax."),
        ({"Action": {"a": "b"}}, "Invalid policy syntax."),
        ({"Resource": "arn:aws:s3:::other/*"}, "Policy has invalid resource"),
        ({"Resource": ["arn:aws:s3:::b/*", "arn:aws:s3:::other/*"]}, "Policy has invalid resource"),
        ({"Resource": "b/*"}, "Policy has invalid resource"),
        ({"Resource": ""}, "Policy has invalid resource"),
        ({"Resource": "arn:aws:sqs:::b/*"}, "Policy has invalid resource"),
        ({"Resource": "arn:aws:s3:us-east-1::b/*"}, "Policy has invalid resource"),
        ({"Resource": "arn:aws:s3::111111111111:b/*"}, "Policy has invalid resource"),
        ({"Resource": "arn:aws:s3:::B/*"}, "Policy has invalid resource"),
        ({"Resource": "arn:aws:s3:::bb"}, "Policy has invalid resource"),
        ({"Resource": None, "NotResource": "arn:aws:s3:::other/*"}, "Policy has invalid resource"),
        ({"Resource": "arn:aws:s3:::b"}, "Action does not apply to any resource(s) in statement"),
        ({"Action": "s3:ListBucket"}, "Action does not apply to any resource(s) in statement"),
        ({"Action": ["s3:GetObject", "s3:ListBucket"]}, "Action does not apply to any resource(s) in statement"),
        ({"Action": "s3:List*Bucket"}, "Action does not apply to any resource(s) in statement"),
        ({"Action": "s3:GetObject", "Resource": "arn:aws:s3:::b/"}, "Policy has invalid resource"),
        ({"Principal": "ann"}, "Invalid policy syntax."),
        ({"Principal": ["*"]}, "Invalid policy syntax."),
        ({"Principal": {}}, "Missing required field Principal cannot be empty!"),
        ({"Principal": {"AWS": []}}, "Missing required field Principal cannot be empty!"),
        ({"Principal": {"AWS": "ann"}}, "Invalid principal in policy"),
        ({"Principal": {"AWS": "11111111111"}}, "Invalid principal in policy"),
        ({"Principal": {"AWS": "arn:aws:iam::111111111111:user/*"}}, "Invalid principal in policy"),
        ({"Principal": {"AWS": "arn:aws:iam::111111111111:group/g"}}, "Invalid principal in policy"),
        ({"Principal": {"AWS": "arn:aws:iam::111111111111:user/"}}, "Invalid principal in policy"),
        ({"Principal": {"AWS": "arn:aws-cn:iam::111111111111:root"}}, "Invalid principal in policy"),
        ({"Principal": {"AWS": ["*", ""]}}, "Invalid principal in policy"),
        ({"Principal": {"CanonicalUser": "*"}}, "Invalid principal in policy"),
        ({"Principal": {"CanonicalUser": "A" * 64}}, "Invalid principal in policy"),
        ({"Principal": {"Federated": "*"}}, "Invalid principal in policy"),
        ({"Principal": {"Service": "*"}}, "Invalid principal in policy"),
        ({"Principal": {"Foo": "*"}}, "Invalid principal in policy"),
        ({"Principal": {"AWS": 111111111111}}, "Invalid policy syntax."),
        ({"Principal": None, "NotPrincipal": {"AWS": "111111111111"}}, "Allow with NotPrincipal is not allowed."),
        ({"Condition": []}, "Invalid policy syntax."),
        ({"Condition": {"StringEquals": "a"}}, "Invalid policy syntax."),
        ({"Condition": {"StringEquals": {"aws:username": []}}}, "Invalid policy syntax."),
        ({"Condition": {"StringEquals": {"aws:username": None}}}, "Invalid policy syntax."),
        ({"Condition": {"StringEquals": {"aws:username": {"a": "b"}}}}, "Invalid policy syntax."),
        ({"Condition": {"StringMatches": {"aws:username": "a"}}}, "Invalid Condition type : StringMatches"),
        ({"Condition": {"StringEquals": {"s3:nothing": "a"}}}, "Policy has an invalid condition key"),
        ({"Condition": {"StringEquals": {"s3:ExistingObjectTag": "a"}}}, "Policy has an invalid condition key"),
        ({"Condition": {"StringEquals": {"s3:prefix/x": "a"}}}, "Policy has an invalid condition key"),
        ({"Condition": {"StringEquals": {"username": "a"}}}, "Policy has an invalid condition key"),
        (
            {"Condition": {"StringEquals": {"s3:prefix": "a"}}},
            "Conditions do not apply to combination of actions and resources in statement",
        ),
        (
            {"Action": ["s3:ListBucket", "s3:GetBucketLocation"], "Resource": "arn:aws:s3:::b",
             "Condition": {"StringEquals": {"s3:prefix": "a"}}},
            "Conditions do not apply to combination of actions and resources in statement",
        ),
    ],
)
def test_statements_of_buckets_that_are_refused(changes, message):
    assert refusal(document(**changes)) == message


JSON = "Policies must be valid JSON and the first byte must be '{'"
DEEP = '{"Statement":' + "[" * 5000 + "]" * 5000 + "}"


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("", JSON),
        ("x", JSON),
        ("[]", JSON),
        (" " + json.dumps(document()), JSON),
        ("\ufeff" + json.dumps(document()), JSON),
        (b"\xff", JSON),
        (b'{"Id": "\xff"}', JSON),
        ('{"Id": "\\ud800", "Statement": []}', JSON),
        ('{"Version": "2012-10-17", "Version": "2012-10-17"}', JSON),
        ('{"Statement": [{"Effect": "Allow", "Effect": "Deny"}]}', JSON),
        ('{"Statement": NaN}', JSON),
        ('{"Statement": ' + "9" * 10_000 + "}", JSON),
        (DEEP, JSON),
        ('{"Statement":' + '{"a":' * 13 + "1" + "}" * 14, JSON),
        ("{" + " " * (300 << 10) + "}", JSON),
        ("{}", "Missing required field Statement"),
        ({"Version": "2012-10-17", "Statement": []}, "Could not parse the policy: Statement is empty!"),
        ({"Version": "2012-10-17", "Statement": ["x"]}, "Invalid policy syntax."),
        ({"Version": "2012-10-17", "Statement": "x"}, "Invalid policy syntax."),
        ({**document(), "Version": "2013-10-17"}, "The policy must contain a valid version string"),
        ({**document(), "Version": 1}, "The policy must contain a valid version string"),
        ({**document(), "Id": 1}, "Invalid policy syntax."),
        ({**document(), "Foo": 1}, "Unknown field Foo"),
        (
            {"Version": "2012-10-17", "Statement": [{**STATEMENT, "Sid": "a"}, {**STATEMENT, "Sid": "a"}]},
            "Statement IDs (SID) in a single policy must be unique.",
        ),
        ({**document(), "Id": "x" * 20_480}, "Normalized policy document exceeds the maximum allowed size of 20480 bytes."),
    ],
)
def test_documents_that_are_refused(value, message):
    assert refusal(value) == message


def test_blanks_do_not_count():
    text = json.dumps(document(), indent=200)
    assert len(text) < len(json.dumps({**document(), "Id": "x"}, indent=4000))
    assert parse(json.dumps({**document(), "Id": "x"}, indent=4000)).id == "x"


def test_one_statement_without_a_list():
    assert len(parse({"Statement": STATEMENT}).statements) == 1


def test_the_version_when_none_is_said():
    assert parse({"Statement": STATEMENT}).version == "2008-10-17"


def test_the_label_is_the_sid():
    assert parse(document(Sid="A")).statements[0].label == "A"


def test_the_detail_names_the_principal():
    with pytest.raises(PolicyError) as caught:
        parse(document(Principal={"AWS": "ann"}))
    assert caught.value.detail == '"AWS":"ann"'


def test_a_bucket_of_a_tenant_by_both_names():
    for resource in ("arn:aws:s3:::b/*", "arn:aws:s3::acme:b/*"):
        assert parse(document(Resource=resource), bucket="acme:b").statements
    assert refusal(document(Resource="arn:aws:s3::other:b/*"), bucket="acme:b") == "Policy has invalid resource"


def test_stored_policies_are_parsed_without_their_bucket():
    assert parse_policy(json.dumps(document(Resource="arn:aws:s3:::anything/*")), kind="bucket").statements


@pytest.mark.parametrize(
    ("changes", "expected"),
    [({}, False), ({"Condition": {"StringEquals": {"s3:ExistingObjectTag/a": "b"}}}, True),
     ({"Resource": "arn:aws:s3:::b/${s3:ExistingObjectTag/a}"}, True)],
)
def test_whether_the_tags_of_objects_matter(changes, expected):
    assert parse(document(**changes)).uses_object_tags is expected


# -- identity and trust policies ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "changes", "message"),
    [
        ("identity", {"Principal": "*"}, "Policy document should not specify a principal."),
        ("identity", {"Action": None}, "Policy statement must contain actions."),
        ("identity", {"Resource": None}, "Policy statement must contain resources."),
        ("identity", {"Resource": "bucket"}, 'Resource bucket must be in ARN format or "*".'),
        ("identity", {"Action": "GetObject"}, "Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc."),
        ("identity", {"Action": "s3:"}, "The policy failed legacy parsing"),
        ("identity", {"Action": "s3:Get Object"}, "The policy failed legacy parsing"),
        ("identity", {"Effect": "Maybe"}, "Syntax errors in policy."),
        ("identity", {"Foo": "x"}, "Syntax errors in policy."),
        ("identity", {"Condition": {"StringMatches": {"aws:x": "a"}}}, "Syntax errors in policy."),
        (
            "identity",
            {"Condition": {"StringEquals": {"x": "a"}}},
            "Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc.",
        ),
        (
            "identity",
            {"Sid": "a b"},
            "Statement IDs (SID) must be alpha-numeric. Check that your input satisfies the regular expression [0-9A-Za-z]*",
        ),
        ("trust", {"Resource": "*"}, "Has prohibited field Resource"),
        ("trust", {"Principal": None}, "Missing required field Principal"),
        ("trust", {"Action": "s3:GetObject"}, "AssumeRole policy may only specify STS AssumeRole actions."),
        ("trust", {"Principal": {"AWS": "ann"}}, 'Invalid principal in policy: "AWS":"ann"'),
        ("trust", {"Action": None}, "Policy statement must contain actions."),
    ],
)
def test_policies_of_iam_that_are_refused(kind, changes, message):
    assert refusal(document(kind, **changes), kind) == message


@pytest.mark.parametrize(
    ("kind", "changes"),
    [
        ("identity", {"Action": "*"}),
        ("identity", {"Action": ["iam:*", "s3:Get*", "admin:ServerInfo"]}),
        ("identity", {"Action": None, "NotAction": "s3:DeleteBucket"}),
        ("identity", {"Resource": ["arn:aws:s3:::a", "arn:aws:iam::*:user/${aws:username}"]}),
        ("identity", {"Resource": None, "NotResource": "arn:aws:s3:::a"}),
        ("identity", {"Condition": {"StringEquals": {"s3:unknown-key": "a"}}}),
        ("trust", {"Principal": {"Federated": "arn:aws:iam::111111111111:oidc-provider/id.example"},
                   "Action": "sts:AssumeRoleWithWebIdentity", "Condition": {"StringEquals": {"id.example:sub": "x"}}}),
        ("trust", {"Action": ["sts:AssumeRole", "sts:TagSession"]}),
        ("trust", {"Principal": "*"}),
    ],
)
def test_policies_of_iam_that_are_taken(kind, changes):
    assert isinstance(parse(document(kind, **changes), kind), Policy)


@pytest.mark.parametrize("text", ["", " {}", "[1]", DEEP, '{"Statement": 1}', "null", "{"])
def test_texts_that_are_no_policies_of_iam(text):
    assert refusal(text, "identity") == "Syntax errors in policy."


# -- whatever comes, it is a policy or a PolicyError ---------------------------------------------------------------------------

LEAVES = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=10),
    st.sampled_from(["*", "Allow", "Deny", "s3:*", "arn:aws:s3:::b/*", "2012-10-17", "${aws:username}", "111111111111"]),
)
NAMES = st.sampled_from(
    ["Version", "Statement", "Sid", "Effect", "Principal", "NotPrincipal", "Action", "NotAction", "Resource", "Condition", "AWS",
     "StringEquals", "NumericEquals", "ForAllValues:StringLike", "aws:username", "s3:prefix", "x"]
)
VALUES = st.recursive(LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=4), max_leaves=20)


def outcome(value, kind):
    """Statements, or the text of the refusal."""
    try:
        return parse(value, kind).statements
    except PolicyError as error:
        return error.message


@given(value=st.dictionaries(NAMES, VALUES, max_size=5), kind=st.sampled_from(sorted(BASE)))
def test_any_document(value, kind):
    assert outcome(value, kind)


@given(value=VALUES, name=st.sampled_from(["Effect", "Principal", "Action", "Resource", "Condition", "Sid"]))
def test_any_element(value, name):
    for kind in BASE:
        assert outcome(document(kind, **{name: value}), kind)


@given(text=st.one_of(st.text(max_size=50), st.binary(max_size=50)))
def test_any_text(text):
    for kind in BASE:
        with pytest.raises(PolicyError):
            parse(text, kind)
