"""Policies of forms: which are none, what they allow, and with AWS's words what they do not."""

import base64
import contextlib
import hashlib
import hmac
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dolmen.gateway.auth.post_policy import (
    LENGTH_MAX,
    Condition,
    check_key_field,
    check_post_policy,
    claim_form,
    parse_post_policy,
    verify_form,
)
from dolmen.gateway.s3.fault import S3Fault

NOW_US = 1_795_503_357 * 1_000_000  # 2026-11-24T06:55:57Z
LATER = "2026-11-24T07:00:00.000Z"
BUCKET = {"bucket": "b"}
EXAMPLES = settings(max_examples=150, deadline=None)


def encoded(document):
    if not isinstance(document, (bytes, str)):
        document = json.dumps(document)
    return base64.b64encode(document if isinstance(document, bytes) else document.encode()).decode()


def policy(*conditions, expiration=LATER):
    return parse_post_policy(encoded({"expiration": expiration, "conditions": list(conditions)}))


def refused(call, *arguments, **options):
    with pytest.raises(S3Fault) as caught:
        call(*arguments, **options)
    return caught.value


def denied(*conditions, fields=None, bucket="b", now_us=NOW_US):
    fault = refused(check_post_policy, policy(*conditions), fields or {}, bucket, now_us)
    assert (fault.code, fault.status) == ("AccessDenied", 403)
    assert fault.message.startswith("Invalid according to Policy: ")
    return fault.message.removeprefix("Invalid according to Policy: ")


AWS_EXAMPLE = {  # https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-post-example.html
    "expiration": "2015-12-30T12:00:00.000Z",
    "conditions": [
        {"bucket": "sigv4examplebucket"},
        ["starts-with", "$key", "user/user1/"],
        {"acl": "public-read"},
        {"success_action_redirect": "http://sigv4examplebucket.s3.amazonaws.com/successful_upload.html"},
        ["starts-with", "$Content-Type", "image/"],
        {"x-amz-meta-uuid": "14365123651274"},
        {"x-amz-server-side-encryption": "AES256"},
        ["starts-with", "$x-amz-meta-tag", ""],
        {"x-amz-credential": "AKIAIOSFODNN7EXAMPLE/20151229/us-east-1/s3/aws4_request"},
        {"x-amz-algorithm": "AWS4-HMAC-SHA256"},
        {"x-amz-date": "20151229T000000Z"},
    ],
}
AWS_FIELDS = {
    "key": "user/user1/photo.jpg",
    "acl": "public-read",
    "success_action_redirect": "http://sigv4examplebucket.s3.amazonaws.com/successful_upload.html",
    "content-type": "image/jpeg",
    "x-amz-meta-uuid": "14365123651274",
    "x-amz-server-side-encryption": "AES256",
    "x-amz-meta-tag": "",
    "x-amz-credential": "AKIAIOSFODNN7EXAMPLE/20151229/us-east-1/s3/aws4_request",
    "x-amz-algorithm": "AWS4-HMAC-SHA256",
    "x-amz-date": "20151229T000000Z",
}
# The policy as that page encodes it, with its signature.
AWS_ENCODED = (
    "eyAiZXhwaXJhdGlvbiI6ICIyMDE1LTEyLTMwVDEyOjAwOjAwLjAwMFoiLA0KICAiY29uZGl0aW9ucyI6IFsNCiAgICB7ImJ1Y2tldCI6ICJzaWd2NGV4YW1wbGVidWNrZXQifSwNCiAg"
    "ICBbInN0YXJ0cy13aXRoIiwgIiRrZXkiLCAidXNlci91c2VyMS8iXSwNCiAgICB7ImFjbCI6ICJwdWJsaWMtcmVhZCJ9LA0KICAgIHsic3VjY2Vzc19hY3Rpb25fcmVkaXJlY3QiOiAi"
    "aHR0cDovL3NpZ3Y0ZXhhbXBsZWJ1Y2tldC5zMy5hbWF6b25hd3MuY29tL3N1Y2Nlc3NmdWxfdXBsb2FkLmh0bWwifSwNCiAgICBbInN0YXJ0cy13aXRoIiwgIiRDb250ZW50LVR5cGUi"
    "LCAiaW1hZ2UvIl0sDQogICAgeyJ4LWFtei1tZXRhLXV1aWQiOiAiMTQzNjUxMjM2NTEyNzQifSwNCiAgICB7IngtYW16LXNlcnZlci1zaWRlLWVuY3J5cHRpb24iOiAiQUVTMjU2In0s"
    "DQogICAgWyJzdGFydHMtd2l0aCIsICIkeC1hbXotbWV0YS10YWciLCAiIl0sDQoNCiAgICB7IngtYW16LWNyZWRlbnRpYWwiOiAiQUtJQUlPU0ZPRE5ON0VYQU1QTEUvMjAxNTEyMjkv"
    "dXMtZWFzdC0xL3MzL2F3czRfcmVxdWVzdCJ9LA0KICAgIHsieC1hbXotYWxnb3JpdGhtIjogIkFXUzQtSE1BQy1TSEEyNTYifSwNCiAgICB7IngtYW16LWRhdGUiOiAiMjAxNTEyMjlU"
    "MDAwMDAwWiIgfQ0KICBdDQp9"
)  # fmt: skip
AWS_SIGNATURE = "8afdbf4008c03f22c2cd3cdb72e4afbb1f6a588f3255ac628749a66d7f09699e"
AWS_NOW_US = 1_451_390_400 * 1_000_000  # 2015-12-29T12:00:00Z


def test_the_example_of_aws():
    assert json.loads(base64.b64decode(AWS_ENCODED)) == AWS_EXAMPLE
    fields = {**AWS_FIELDS, "policy": AWS_ENCODED, "x-amz-signature": AWS_SIGNATURE}
    claim = claim_form(fields, AWS_NOW_US, "us-east-1", sigv2=False)
    assert claim.access_key_id == "AKIAIOSFODNN7EXAMPLE"
    signed = verify_form(claim, "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")
    assert (signed.auth_type, signed.signature_version) == ("POST", "AWS4-HMAC-SHA256")
    assert signed.signature_age_us == 12 * 3600 * 1_000_000
    found = parse_post_policy(claim.policy)
    assert len(found.conditions) == 11
    check_post_policy(found, fields, "sigv4examplebucket", AWS_NOW_US)


# -- documents ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("document", "text"),
    [
        ("", "Invalid JSON."),
        ("{", "Invalid JSON."),
        ("[]", "Invalid JSON: it must be an object."),
        ("null", "Invalid JSON: it must be an object."),
        (b"\xff", "Invalid Base64 encoding or no UTF-8."),
        ("[" * 10_000, "Invalid JSON."),
        (f'{{"expiration": "{LATER}", "expiration": "{LATER}", "conditions": []}}', "Invalid JSON."),
        (f'{{"expiration": "{LATER}", "conditions": [NaN]}}', "Invalid JSON."),
        ({"conditions": []}, "Policy missing expiration."),
        ({"EXPIRATION": LATER, "conditions": []}, "Unexpected: 'EXPIRATION'"),
        ({"expiration": LATER}, "Policy missing conditions."),
        ({"expiration": LATER, "CONDITIONS": []}, "Unexpected: 'CONDITIONS'"),
        ({"expiration": LATER, "conditions": {}}, "Invalid 'conditions' value: must be a List."),
        ({"expiration": LATER, "conditions": [BUCKET] * 401}, "Invalid 'conditions' value: must be a List."),
        ({"expiration": "2026-11-24 07:00:00+00:00", "conditions": []}, "Invalid 'expiration' value: '2026-11-24 07:00:00+00:00'"),
        ({"expiration": "2026-11-24", "conditions": []}, "Invalid 'expiration' value: '2026-11-24'"),
        ({"expiration": "2026-13-24T07:00:00Z", "conditions": []}, "Invalid 'expiration' value: '2026-13-24T07:00:00Z'"),
        ({"expiration": 1, "conditions": []}, "Invalid 'expiration' value: '1'"),
    ],
)  # fmt: skip
def test_documents_that_are_no_policy(document, text):
    fault = refused(parse_post_policy, encoded(document))
    assert (fault.code, fault.status, fault.message) == ("InvalidPolicyDocument", 400, f"Invalid Policy: {text}")


@pytest.mark.parametrize("text", ["%%%", "abc", "é", "e30"])
def test_what_is_no_base64(text):
    assert refused(parse_post_policy, text).code == "InvalidPolicyDocument"


@pytest.mark.parametrize(
    "condition",
    [
        {}, {"a": "b", "c": "d"}, {"a": 1}, {"a": None}, {"a": ["b"]}, {"": "a"}, [], [[]], "a", 1, None, True,
        ["eq"], ["eq", "$a"], ["eq", "a", "b"], ["eq", "$", "b"], ["eq", "$a", "b", "c"], ["eq", "$a", 1], ["like", "$a", "b"],
        ["starts-with", "$a", None], ["starts-with", 1, "a"], [1, "$a", "b"], ["content-length-range"],
        ["content-length-range", 0], ["content-length-range", 0, 1, 2], ["content-length-range", -1, 0],
        ["content-length-range", 2, 1], ["content-length-range", "a", 1], ["content-length-range", 0, 1.5],
        ["content-length-range", False, True], ["content-length-range", 0, 10**18], ["content-length-range", 0, None],
    ],
    ids=json.dumps,
)  # fmt: skip
def test_conditions_that_are_none(condition):
    fault = refused(policy, condition)
    assert (fault.code, fault.status) == ("InvalidPolicyDocument", 400)
    assert fault.message.startswith("Invalid Policy: ")


def test_a_policy_with_line_ends_in_its_base64():
    text = encoded({"expiration": LATER, "conditions": [BUCKET]})
    assert parse_post_policy("\n".join(text[start : start + 60] for start in range(0, len(text), 60))).conditions


@pytest.mark.parametrize(
    ("raw", "value"),
    [(r"\$a", "$a"), (r"\\$a", r"\$a"), (r"a\u0041", "aA"), (r"\v", "\x0b"), (r"\n\t\"\\", '\n\t"\\'), (r"\/", "/")],
)
def test_what_aws_lets_a_policy_escape(raw, value):
    text = f'{{"expiration": "{LATER}", "conditions": [{{"bucket": "b"}}, {{"key": "{raw}"}}]}}'
    assert parse_post_policy(encoded(text)).conditions[1] == Condition("eq", "key", value)


@pytest.mark.parametrize("expiration", ["2026-11-24T06:55:57Z", "2026-11-24T06:55:57.000Z", "2026-11-24T06:55:57.5Z"])
def test_expirations(expiration):
    check_post_policy(policy(BUCKET, expiration=expiration), {}, "b", NOW_US)


def test_expired():
    assert denied(BUCKET, now_us=NOW_US + 10**9) == "Policy expired."


# -- what they allow ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("condition", "value", "fine"),
    [
        ({"f": "a"}, "a", True),
        ({"F": "a"}, "a", True),
        ({"f": "a"}, "A", False),
        ({"f": "a"}, "ab", False),
        ({"f": ""}, "", True),
        ({"f": ""}, "a", False),
        (["eq", "$f", "a"], "a", True),
        (["EQ", "$F", "a"], "a", True),
        (["eq", "$f", "a"], "b", False),
        (["starts-with", "$f", "a"], "abc", True),
        (["StArTs-WiTh", "$f", "a"], "a", True),
        (["starts-with", "$f", "a"], "ba", False),
        (["starts-with", "$f", "a"], "", False),
        (["starts-with", "$f", ""], "anything", True),
        (["starts-with", "$f", ""], "", True),
        (["starts-with", "$f", "image/"], "image/a,image/b", True),
        (["starts-with", "$f", "image/"], "image/a,text/b", True),
    ],
)
def test_conditions(condition, value, fine):
    if fine:
        check_post_policy(policy(BUCKET, condition), {"f": value}, "b", NOW_US)
    else:
        assert denied(BUCKET, condition, fields={"f": value}).startswith("Policy Condition failed: [")


@pytest.mark.parametrize(
    ("value", "fine"),
    [("image/jpeg", True), ("image/a, image/b", True), ("image/a,text/html", False), ("text/html,image/a", False), ("", False)],
)
def test_each_of_a_list_of_content_types(value, fine):
    condition = ["starts-with", "$Content-Type", "image/"]
    if fine:
        check_post_policy(policy(BUCKET, condition), {"content-type": value}, "b", NOW_US)
    else:
        assert denied(BUCKET, condition, fields={"content-type": value})


@pytest.mark.parametrize(
    ("condition", "told"),
    [
        ({"acl": "public-read"}, '["eq", "$acl", "public-read"]'),
        (["eq", "$Key", "a"], '["eq", "$key", "a"]'),
        (["starts-with", "$key", 'user/"é'], '["starts-with", "$key", "user/\\"é"]'),
    ],
)
def test_the_condition_that_failed_is_told(condition, told):
    assert denied(BUCKET, condition) == f"Policy Condition failed: {told}"  # the field is missing
    assert denied(BUCKET, condition, fields={"key": "x", "acl": "x"}) == f"Policy Condition failed: {told}"


def test_every_field_is_covered():
    fields = {"key": "k", "x-amz-meta-a": "1", "submit": "Go"}
    assert denied(BUCKET, ["starts-with", "$key", ""], fields=fields) == "Extra input fields: x-amz-meta-a, submit"
    check_post_policy(policy(BUCKET, *({name: value} for name, value in fields.items())), fields, "b", NOW_US)


@pytest.mark.parametrize("name", ["x-amz-signature", "signature", "awsaccesskeyid", "policy", "file", "x-ignore-", "x-ignore-me"])
def test_what_need_not_be_covered(name):
    check_post_policy(policy(BUCKET), {name: "x"}, "b", NOW_US)


@pytest.mark.parametrize(
    "name",
    ["x-amz-date", "x-amz-credential", "x-amz-algorithm", "x-amz-security-token", "key", "acl", "redirect", "tagging", "x-ignore"],
)
def test_what_must_be_covered(name):
    assert denied(BUCKET, fields={name: "x"}) == f"Extra input fields: {name}"


def test_the_bucket_is_a_field():
    assert denied({"key": "k"}, fields={"key": "k"}) == "Extra input fields: bucket"
    assert denied({"bucket": "other"}) == 'Policy Condition failed: ["eq", "$bucket", "other"]'
    assert denied(["starts-with", "$bucket", "o"]) == 'Policy Condition failed: ["starts-with", "$bucket", "o"]'
    # A field of that name does not stand for the address.
    assert denied({"bucket": "other"}, fields={"bucket": "other"}).startswith("Policy Condition failed: ")
    assert denied(BUCKET, fields={"bucket": "other"}).startswith("Policy Condition failed: ")
    check_post_policy(policy(BUCKET), {"bucket": "b"}, "b", NOW_US)


@pytest.mark.parametrize(
    ("ranges", "found"),
    [
        ([], (0, LENGTH_MAX)),
        ([[1, 10]], (1, 10)),
        ([["1", "10"]], (1, 10)),
        ([[0, 0]], (0, 0)),
        ([[0, 10**15]], (0, LENGTH_MAX)),
        ([[1, 10], [5, 20]], (5, 10)),
    ],
)
def test_ranges_of_lengths(ranges, found):
    made = policy(BUCKET, *(["content-length-range", *one] for one in ranges))
    assert (made.bytes_min, made.bytes_max) == found
    assert len(made.conditions) == 1


NAMES = st.sampled_from(["key", "acl", "x-amz-meta-a", "content-type", "tagging", "success_action_status"])
TEXTS = st.text(max_size=12)


@EXAMPLES
@given(fields=st.dictionaries(NAMES, TEXTS, max_size=6), prefixes=st.integers(0, 12))
def test_a_policy_of_a_form_allows_this_form(fields, prefixes):
    conditions = [
        {name: value} if index % 2 or name == "content-type" else ["starts-with", f"${name}", value[:prefixes]]
        for index, (name, value) in enumerate(fields.items())
    ]
    check_post_policy(policy(BUCKET, *conditions), {**fields, "policy": "x"}, "b", NOW_US)


@EXAMPLES
@given(fields=st.dictionaries(NAMES, TEXTS, min_size=1, max_size=6), data=st.data())
def test_and_no_other_form(fields, data):
    """One field more, one less, or another value."""
    made = policy(BUCKET, *({name: value} for name, value in fields.items()))
    check_post_policy(made, fields, "b", NOW_US)
    name = data.draw(st.sampled_from(sorted(fields)))
    other = data.draw(TEXTS.filter(lambda text: text != fields[name]))
    changed = [{**fields, name: other}, {key: value for key, value in fields.items() if key != name}, {**fields, "more": other}]
    for form in changed:
        assert refused(check_post_policy, made, form, "b", NOW_US).code == "AccessDenied"


@EXAMPLES
@given(
    document=st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | TEXTS,
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS | st.just("conditions"), inner, max_size=4),
    )
)
def test_no_document_crashes(document):
    """A policy, or S3's error; nothing else comes out."""
    for made in (document, {"expiration": LATER, "conditions": document}, {"expiration": LATER, "conditions": [document]}):
        with contextlib.suppress(S3Fault):
            assert parse_post_policy(encoded(made)).expiration_us


# -- signatures --------------------------------------------------------------------------------------------------------------

KEY, SECRET, DATE = "AKIAIOSFODNN7EXAMPLE", "secret-of-the-tests", "20261124T065557Z"


def derived(secret, date="20261124", region="eu-dolmen-1"):
    key = f"AWS4{secret}".encode()
    for text in (date, region, "s3", "aws4_request"):
        key = hmac.new(key, text.encode(), hashlib.sha256).digest()
    return key


def form_4(text="eyJh", **changed):
    fields = {
        "policy": text,
        "x-amz-algorithm": "AWS4-HMAC-SHA256",
        "x-amz-credential": f"{KEY}/20261124/eu-dolmen-1/s3/aws4_request",
        "x-amz-date": DATE,
        "x-amz-signature": hmac.new(derived(SECRET), text.encode(), hashlib.sha256).hexdigest(),
    }
    changed = {name.replace("_", "-"): value for name, value in changed.items()}
    return {name: value for name, value in {**fields, **changed}.items() if value is not None}


def form_2(text="eyJh", **changed):
    signature = base64.b64encode(hmac.new(SECRET.encode(), text.encode(), hashlib.sha1).digest()).decode()
    fields = {"policy": text, "awsaccesskeyid": KEY, "signature": signature, **changed}
    return {name: value for name, value in fields.items() if value is not None}


def claim(fields, *, sigv2=False):
    return claim_form(fields, NOW_US, "eu-dolmen-1", sigv2=sigv2)


def test_version_4():
    found = claim(form_4(x_amz_security_token="token"))
    assert (found.access_key_id, found.security_token, found.signature_age_us) == (KEY, "token", 0)
    signed = verify_form(found, SECRET)
    assert (signed.access_key_id, signed.service, signed.auth_type) == (KEY, "s3", "POST")
    assert signed.scope == "20261124/eu-dolmen-1/s3/aws4_request"
    for shown in (repr(found), repr(signed)):
        assert found.signature not in shown
        assert "token" not in shown


def test_version_2():
    fault = refused(claim, form_2())
    assert (fault.code, fault.status) == ("InvalidRequest", 400)
    assert fault.message == "The authorization mechanism you have provided is not supported. Please use AWS4-HMAC-SHA256."
    signed = verify_form(claim(form_2(), sigv2=True), SECRET)
    assert (signed.access_key_id, signed.signature_version, signed.auth_type) == (KEY, "AWS", "POST")


def test_anonymous():
    assert claim({"key": "k", "acl": "private", "x-amz-security-token": "x"}) is None


@pytest.mark.parametrize(
    ("fields", "name"),
    [
        ({"policy": "e30="}, "X-Amz-Signature"),
        (form_4(policy=None), "policy"),
        (form_4(policy=""), "policy"),
        (form_4(x_amz_signature=None), "X-Amz-Signature"),
        (form_4(x_amz_algorithm=None), "X-Amz-Algorithm"),
        (form_4(x_amz_credential=None), "X-Amz-Credential"),
        (form_4(x_amz_date=None), "X-Amz-Date"),
        (form_4(x_amz_date=""), "X-Amz-Date"),
        (form_2(policy=None), "policy"),
        (form_2(signature=None), "Signature"),
        (form_2(awsaccesskeyid=None), "AWSAccessKeyId"),
    ],
)
def test_a_part_is_missing(fields, name):
    fault = refused(claim, fields, sigv2=True)
    assert (fault.code, fault.status) == ("InvalidArgument", 400)
    assert fault.message == (
        f"Bucket POST must contain a field named '{name}'.  If it is specified, please check the order of the fields."
    )
    assert fault.fields == (("ArgumentName", name), ("ArgumentValue", ""))


def test_a_key_is_needed():
    check_key_field({"key": "k"})
    for fields in ({}, {"key": ""}):
        assert refused(check_key_field, fields).fields[0] == ("ArgumentName", "key")


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        (form_4(x_amz_algorithm="AWS4-HMAC-SHA1"), "InvalidArgument"),
        (form_4(x_amz_credential="x"), "AuthorizationQueryParametersError"),
        (form_4(x_amz_credential=f"{KEY}/20261124/eu-dolmen-1/iam/aws4_request"), "AuthorizationQueryParametersError"),
        (form_4(x_amz_credential=f"{KEY}/20261124/mars-1/s3/aws4_request"), "AuthorizationQueryParametersError"),
        (form_4(x_amz_credential=f"{KEY}/20261123/eu-dolmen-1/s3/aws4_request"), "InvalidArgument"),
        (form_4(x_amz_date="20261124"), "InvalidArgument"),
        (form_4(x_amz_date="20261124T071558Z"), "AccessDenied"),  # 20 minutes from now
        ({**form_4(), **form_2()}, "InvalidRequest"),
    ],
)
def test_claims_that_are_none(fields, code):
    assert refused(claim, fields, sigv2=True).code == code


@pytest.mark.parametrize("region", ["", "us-east-1", "eu-dolmen-1"])
def test_regions(region):
    fields = form_4(
        x_amz_credential=f"{KEY}/20261124/{region}/s3/aws4_request",
        x_amz_signature=hmac.new(derived(SECRET, region=region), b"eyJh", hashlib.sha256).hexdigest(),
    )
    assert verify_form(claim(fields), SECRET).region == region


@EXAMPLES
@given(
    text=st.text(st.characters(codec="ascii", exclude_characters="\0"), min_size=1, max_size=40),
    position=st.integers(0, 10_000),
    by=st.integers(1, 127),
    version=st.sampled_from([2, 4]),
)
def test_any_change_of_the_policy_or_the_signature_is_refused(text, position, by, version):
    make, name = (form_4, "x-amz-signature") if version == 4 else (form_2, "signature")
    fields = make(text)
    assert verify_form(claim(fields, sigv2=True), SECRET)
    for field in ("policy", name):
        index = position % len(fields[field])
        changed = fields[field][:index] + chr(ord(fields[field][index]) ^ by) + fields[field][index + 1 :]
        fault = refused(verify_form, claim({**fields, field: changed}, sigv2=True), SECRET)
        assert fault.code == "SignatureDoesNotMatch"
        assert SECRET not in str(fault.fields)


def test_another_secret_tells_what_was_computed():
    fault = refused(verify_form, claim(form_4()), "another")
    assert (fault.code, fault.status) == ("SignatureDoesNotMatch", 403)
    assert dict(fault.fields)["StringToSign"] == "eyJh"
    assert dict(fault.fields)["AWSAccessKeyId"] == KEY
    assert "another" not in str(fault.fields)


def test_signatures_are_compared_in_constant_time(monkeypatch):
    compared = []
    monkeypatch.setattr("hmac.compare_digest", lambda left, right: compared.append((left, right)) or left == right)
    verify_form(claim(form_4()), SECRET)
    verify_form(claim(form_2(), sigv2=True), SECRET)
    assert [len(left) for left, _ in compared] == [64, 28]
