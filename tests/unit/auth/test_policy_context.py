"""Every condition key, from the facts of a request."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dolmen.gateway.auth.accounts import Account
from dolmen.gateway.auth.facts import RequestFacts
from dolmen.gateway.auth.policy.context import Context
from dolmen.gateway.auth.principal import Principal, root_principal

ALICE = Account("111111111111", "a" * 64, "alice", "alice@example.com")
NOW_US = 1_704_067_200_123_456  # 2024-01-01T00:00:00.123456Z
USER = Principal(
    account=ALICE, kind="user", arn="arn:aws:iam::111111111111:user/ann", user_id="AIDA1", user_name="ann",
    keys={"aws:principaltag/team": ("red",), "aws:multifactorauthpresent": ("true",)},
)
SESSION = Principal(
    account=ALICE, kind="role", arn="arn:aws:sts::111111111111:assumed-role/r/s", user_id="AROA1:s",
    issuer_arn="arn:aws:iam::111111111111:role/p/r", keys={"aws:tokenissuetime": ("2024-01-01T00:00:00Z",)},
)
FEDERATED = Principal(
    account=ALICE, kind="federated", arn="arn:aws:sts::111111111111:federated-user/bob", user_id="111111111111:bob",
    issuer_arn="arn:aws:iam::111111111111:user/ann",
)


def context(principal=USER, *, headers=None, query=None, tags=None, bucket_tags=None, version_id=None, **facts):
    made = RequestFacts(
        method="GET", headers=headers or {}, query=query or {}, source_ip=facts.pop("source_ip", "10.0.0.1"),
        secure=facts.pop("secure", False), now_us=NOW_US, **facts,
    )
    return Context.of_request(made, principal, "222222222222", version_id).with_tags(tags or {}, bucket_tags or {})


def header(name, value):
    return {"headers": {name: value}}


@pytest.mark.parametrize(
    ("key", "given", "expected"),
    [
        ("aws:currenttime", {}, "2024-01-01T00:00:00.000Z"),
        ("aws:epochtime", {}, "1704067200"),
        ("aws:sourceip", {}, "10.0.0.1"),
        ("aws:securetransport", {}, "false"),
        ("aws:securetransport", {"secure": True}, "true"),
        ("aws:useragent", header("user-agent", "curl"), "curl"),
        ("aws:referer", header("referer", "http://a/"), "http://a/"),
        ("aws:referer", {}, None),
        ("aws:username", {}, "ann"),
        ("aws:username", {"principal": SESSION}, None),
        ("aws:username", {"principal": None}, None),
        ("aws:userid", {}, "AIDA1"),
        ("aws:userid", {"principal": SESSION}, "AROA1:s"),
        ("aws:userid", {"principal": root_principal(ALICE)}, "111111111111"),
        ("aws:userid", {"principal": None}, "anonymous"),
        ("aws:principaltype", {}, "User"),
        ("aws:principaltype", {"principal": SESSION}, "AssumedRole"),
        ("aws:principaltype", {"principal": FEDERATED}, "FederatedUser"),
        ("aws:principaltype", {"principal": root_principal(ALICE)}, "Account"),
        ("aws:principaltype", {"principal": None}, "Anonymous"),
        ("aws:principalarn", {}, "arn:aws:iam::111111111111:user/ann"),
        ("aws:principalarn", {"principal": SESSION}, "arn:aws:iam::111111111111:role/p/r"),
        ("aws:principalarn", {"principal": FEDERATED}, "arn:aws:sts::111111111111:federated-user/bob"),
        ("aws:principalarn", {"principal": root_principal(ALICE)}, "arn:aws:iam::111111111111:root"),
        ("aws:principalarn", {"principal": None}, None),
        ("aws:principalaccount", {}, "111111111111"),
        ("aws:principalaccount", {"principal": None}, None),
        ("aws:principaltag/team", {}, "red"),
        ("aws:principaltag/Team", {}, "red"),
        ("aws:principaltag/other", {}, None),
        ("aws:principaltag/team", {"principal": None}, None),
        ("aws:tokenissuetime", {"principal": SESSION}, "2024-01-01T00:00:00Z"),
        ("aws:multifactorauthpresent", {}, "true"),
        ("aws:resourceaccount", {}, "222222222222"),
        ("s3:resourceaccount", {}, "222222222222"),
        ("aws:requesttag/a", {"request_tags": {"a": "1"}}, "1"),
        ("s3:requestobjecttag/a", {"request_tags": {"a": "1"}}, "1"),
        ("s3:requestobjecttag/a", header("x-amz-tagging", "a=1&b="), "1"),
        ("s3:requestobjecttag/b", header("x-amz-tagging", "a=1&b="), ""),
        ("aws:tagkeys", {"request_tags": {"a": "1", "b": "2"}}, ("a", "b")),
        ("s3:requestobjecttagkeys", {"request_tags": {"a": "1", "b": "2"}}, ("a", "b")),
        ("s3:requestobjecttagkeys", header("x-amz-tagging", "a=1&b="), ("a", "b")),
        ("s3:requestobjecttagkeys", {}, None),
        ("s3:existingobjecttag/a", {"tags": {"a": "1", "A": "2"}}, "1"),
        ("s3:existingobjecttag/A", {"tags": {"a": "1", "A": "2"}}, "2"),
        ("s3:existingobjecttag/SEC", {"tags": {"sec": "1"}}, "1"),
        ("s3:existingobjecttag/a", {}, None),
        ("aws:resourcetag/a", {"bucket_tags": {"a": "1"}}, "1"),
        ("s3:buckettag/a", {"bucket_tags": {"a": "1"}}, "1"),
        ("s3:prefix", {"query": {"prefix": "a/"}}, "a/"),
        ("s3:prefix", {"query": {"prefix": ""}}, ""),
        ("s3:prefix", {}, None),
        ("s3:delimiter", {"query": {"delimiter": "/"}}, "/"),
        ("s3:max-keys", {"query": {"max-keys": "10"}}, "10"),
        ("s3:versionid", {"query": {"versionId": "v"}}, "v"),
        ("s3:versionid", {"query": {"versionId": "v"}, "version_id": "w"}, "w"),
        ("s3:versionid", {}, None),
        ("s3:x-amz-acl", header("x-amz-acl", "private"), "private"),
        ("s3:x-amz-grant-read", header("x-amz-grant-read", "id=x"), "id=x"),
        ("s3:x-amz-grant-full-control", header("x-amz-grant-full-control", "id=x"), "id=x"),
        ("s3:x-amz-copy-source", header("x-amz-copy-source", "/bucket/a%20b?versionId=v"), "bucket/a b"),
        ("s3:x-amz-copy-source", header("x-amz-copy-source", "bucket/k"), "bucket/k"),
        ("s3:x-amz-copy-source", header("x-amz-copy-source", "%2Fbucket%2Fk"), "bucket/k"),
        ("s3:x-amz-copy-source", header("x-amz-copy-source", "nonsense"), None),
        ("s3:x-amz-copy-source", {}, None),
        ("s3:x-amz-metadata-directive", header("x-amz-metadata-directive", "COPY"), "COPY"),
        ("s3:x-amz-server-side-encryption", header("x-amz-server-side-encryption", "AES256"), "AES256"),
        (
            "s3:x-amz-server-side-encryption-aws-kms-key-id",
            header("x-amz-server-side-encryption-aws-kms-key-id", "k"), "k",
        ),
        (
            "s3:x-amz-server-side-encryption-customer-algorithm",
            header("x-amz-server-side-encryption-customer-algorithm", "AES256"), "AES256",
        ),
        ("s3:x-amz-storage-class", header("x-amz-storage-class", "STANDARD"), "STANDARD"),
        ("s3:x-amz-website-redirect-location", header("x-amz-website-redirect-location", "/a"), "/a"),
        ("s3:x-amz-object-ownership", header("x-amz-object-ownership", "ObjectWriter"), "ObjectWriter"),
        ("s3:x-amz-content-sha256", {"payload_hash": "UNSIGNED-PAYLOAD"}, "UNSIGNED-PAYLOAD"),
        ("s3:x-amz-content-sha256", header("x-amz-content-sha256", "abc"), "abc"),
        ("s3:authtype", {"auth_type": "REST-QUERY-STRING"}, "REST-QUERY-STRING"),
        ("s3:authtype", {}, None),
        ("s3:signatureversion", {"signature_version": "AWS4-HMAC-SHA256"}, "AWS4-HMAC-SHA256"),
        ("s3:signatureage", {"signature_age_us": 1_500_999}, "1500"),
        ("s3:signatureage", {}, None),
        ("s3:locationconstraint", {"location_constraint": "eu-west-1"}, "eu-west-1"),
        ("s3:tlsversion", {"more": {"s3:tlsversion": ("1.3",)}}, "1.3"),
        ("s3:object-lock-mode", header("x-amz-object-lock-mode", "GOVERNANCE"), "GOVERNANCE"),
        ("s3:object-lock-legal-hold", header("x-amz-object-lock-legal-hold", "ON"), "ON"),
        (
            "s3:object-lock-retain-until-date",
            header("x-amz-object-lock-retain-until-date", "2024-01-11T00:00:01Z"), "2024-01-11T00:00:01Z",
        ),
        ("s3:object-lock-remaining-retention-days", header("x-amz-object-lock-retain-until-date", "2024-01-11T00:00:01Z"), "10"),
        ("s3:object-lock-remaining-retention-days", header("x-amz-object-lock-retain-until-date", "2024-01-10T23:59:59Z"), "9"),
        ("s3:object-lock-remaining-retention-days", header("x-amz-object-lock-retain-until-date", "soon"), None),
        ("s3:if-match", header("if-match", '"a"'), '"a"'),
        ("s3:if-none-match", header("if-none-match", "*"), "*"),
        ("aws:viaawsservice", {}, "false"),
        ("aws:principalisawsservice", {}, "false"),
        ("aws:nothing", {}, None),
        ("nothing", {}, None),
    ],
)
def test_keys(key, given, expected):
    found = context(**given).get(key)
    assert found == (expected if expected is None or isinstance(expected, tuple) else (expected,))


def test_more_tags_than_may_be_stored_are_not_all_looked_at():
    many = {f"t{number}": "" for number in range(1000)}
    assert len(context(request_tags=many).get("aws:tagkeys")) == 50
    assert context(headers={"x-amz-tagging": "&".join(f"{name}=" for name in many)}).get("s3:requestobjecttagkeys") is None


def test_keys_that_only_a_principal_knows_are_not_taken_from_headers():
    assert context(headers={"x-amz-principal": "x", "aws:principaltag/a": "x"}).get("aws:principaltag/a") is None


@given(headers=st.dictionaries(st.sampled_from(["x-amz-tagging", "x-amz-copy-source", "x-amz-object-lock-retain-until-date"]),
                               st.text(max_size=30)))
def test_no_header_breaks_a_key(headers):
    made = context(headers=headers)
    days = "s3:object-lock-remaining-retention-days"
    for key in ("s3:requestobjecttag/a", "s3:requestobjecttagkeys", "s3:x-amz-copy-source", days):
        assert made.get(key) is None or isinstance(made.get(key), tuple)
