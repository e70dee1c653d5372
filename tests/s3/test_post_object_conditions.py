"""Policies of forms over HTTP: every refusal has AWS's code and words, and leaves nothing behind."""

import base64
import hmac
import json

import pytest
from dev_server import ALICE, ROOT
from forms import Forms, covering, encoded_policy, iso, signed_fields, signed_fields_2
from raw_s3 import signing_key, timestamp

MEBIBYTE = 1 << 20


@pytest.fixture
def forms(anonymous, bucket):
    return Forms(anonymous, bucket, ROOT)


def keys_in(s3, bucket):
    return [entry["Key"] for entry in s3.list_objects_v2(Bucket=bucket).get("Contents", ())]



@pytest.mark.parametrize(
    ("conditions", "fields", "message"),
    [
        ([["starts-with", "$key", "user/"]], {"key": "other/k"}, 'Policy Condition failed: ["starts-with", "$key", "user/"]'),
        ([{"key": "k"}], {"key": "other"}, 'Policy Condition failed: ["eq", "$key", "k"]'),
        ([{"key": "k"}, {"acl": "private"}], {"key": "k", "acl": "public-read"},
         'Policy Condition failed: ["eq", "$acl", "private"]'),
        ([{"key": "k"}, {"acl": "private"}], {"key": "k"}, 'Policy Condition failed: ["eq", "$acl", "private"]'),
        ([{"key": "k"}], {"key": "k", "acl": "public-read"}, "Extra input fields: acl"),
        ([{"key": "k"}], {"key": "k", "x-amz-meta-a": "b"}, "Extra input fields: x-amz-meta-a"),
        ([{"key": "k"}], {"key": "k", "Content-Type": "a/b", "success_action_status": "200"},
         "Extra input fields: content-type, success_action_status"),
        ([{"key": "k"}, ["eq", "$x-amz-meta-foo", ""]], {"key": "k", "x-amz-meta-foo": "bar"},
         'Policy Condition failed: ["eq", "$x-amz-meta-foo", ""]'),
        ([{"key": "k"}, ["starts-with", "$Content-Type", "image/"]], {"key": "k", "Content-Type": "image/a,text/html"},
         'Policy Condition failed: ["starts-with", "$content-type", "image/"]'),
        ([{"key": "k"}], {"key": "k", "x-amz-security-token": "t"}, None),
    ],
)  # fmt: skip
def test_conditions_that_fail(forms, s3, bucket, conditions, fields, message):
    answer = forms.upload(fields, conditions=[{"bucket": bucket}, *conditions])
    if message is None:  # a token that no key has, whatever the policy says
        assert answer.told in ((400, "InvalidToken"), (403, "InvalidAccessKeyId"))
    else:
        assert answer.told == (403, "AccessDenied")
        assert answer.error["Message"] == f"Invalid according to Policy: {message}"
    assert keys_in(s3, bucket) == []


@pytest.mark.parametrize(
    ("conditions", "fields"),
    [
        ([["starts-with", "$key", "user/"]], {"key": "user/k"}),
        ([["StArTs-WiTh", "$KeY", "foo"], {"AcL": "private"}, ["StArTs-WiTh", "$CoNtEnT-TyPe", "text/plain"]],
         {"kEy": "foo.txt", "aCl": "private", "Content-Type": "text/plain"}),
        ([["starts-with", "$key", "\\$foo"]], {"key": "\\$foo.txt"}),
        ([{"key": "k"}, ["starts-with", "$x-amz-meta-tag", ""]], {"key": "k", "x-amz-meta-tag": "anything"}),
        ([{"key": "k"}], {"key": "k", "x-ignore-foo": "bar", "X-Ignore-Bar": "foo"}),
    ],
)  # fmt: skip
def test_conditions_that_hold(forms, s3, bucket, conditions, fields):
    assert forms.upload(fields, conditions=[{"bucket": bucket}, *conditions]).status == 204
    assert len(keys_in(s3, bucket)) == 1


def test_a_policy_is_for_its_bucket(forms, s3, bucket, new_name):
    other = new_name()
    s3.create_bucket(Bucket=other)
    fields = {"key": "k", **signed_fields(ROOT, [{"bucket": bucket}, {"key": "k"}])}
    answer = forms.post(fields, bucket=other)
    assert answer.told == (403, "AccessDenied")
    assert answer.error["Message"] == f'Invalid according to Policy: Policy Condition failed: ["eq", "$bucket", "{bucket}"]'
    assert forms.post({**fields, "bucket": bucket}, bucket=other).told == (403, "AccessDenied")
    assert forms.post({"key": "k", **signed_fields(ROOT, [{"key": "k"}])}).error["Message"].endswith("Extra input fields: bucket")
    assert keys_in(s3, other) == keys_in(s3, bucket) == []


def test_expired(forms, s3, bucket):
    fields = {"key": "k", **signed_fields(ROOT, [{"bucket": bucket}, {"key": "k"}], expiration=iso(-1))}
    answer = forms.post(fields)
    assert answer.told == (403, "AccessDenied")
    assert answer.error["Message"] == "Invalid according to Policy: Policy expired."
    assert keys_in(s3, bucket) == []


@pytest.mark.parametrize("expiration", ["", "tomorrow", "2099-01-01", "2099-01-01 00:00:00+00:00", "2099-99-01T00:00:00Z"])
def test_expirations_that_are_none(forms, bucket, expiration):
    fields = {"key": "k", **signed_fields(ROOT, [{"bucket": bucket}, {"key": "k"}], expiration=expiration)}
    assert forms.post(fields).told == (400, "InvalidPolicyDocument")


# -- lengths -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("least", "most", "size", "code"),
    [
        (0, 10, 10, None),
        (0, 10, 11, "EntityTooLarge"),
        (0, 0, 1, "EntityTooLarge"),
        (5, 10, 5, None),
        (5, 10, 4, "EntityTooSmall"),
        (1, 10, 0, "EntityTooSmall"),
        (512, 1000, 3, "EntityTooSmall"),
        (0, MEBIBYTE, MEBIBYTE, None),
        (0, MEBIBYTE, MEBIBYTE + 1, "EntityTooLarge"),
        (0, MEBIBYTE, 3 * MEBIBYTE, "EntityTooLarge"),
        (2 * MEBIBYTE, 3 * MEBIBYTE, MEBIBYTE, "EntityTooSmall"),
        (MEBIBYTE, 3 * MEBIBYTE, MEBIBYTE - 1, "EntityTooSmall"),
    ],
)
def test_ranges(forms, s3, bucket, least, most, size, code):
    conditions = [{"bucket": bucket}, {"key": "k"}, ["content-length-range", least, most]]
    answer = forms.upload({"key": "k"}, b"x" * size, conditions=conditions)
    if code is None:
        assert answer.status == 204
        assert s3.head_object(Bucket=bucket, Key="k")["ContentLength"] == size
        return
    assert answer.told == (400, code)
    limit = "MaxSizeAllowed" if code == "EntityTooLarge" else "MinSizeAllowed"
    assert answer.error[limit] == str(most if code == "EntityTooLarge" else least)
    assert int(answer.error["ProposedSize"]) > most if code == "EntityTooLarge" else int(answer.error["ProposedSize"]) < least
    assert keys_in(s3, bucket) == []


def test_a_range_that_fails_leaves_the_old_object(forms, s3, bucket):
    s3.put_object(Bucket=bucket, Key="k", Body=b"old")
    conditions = [{"bucket": bucket}, {"key": "k"}, ["content-length-range", 0, 2 * MEBIBYTE]]
    # What follows the file hides its true size from the length of the request: it is counted as it comes.
    answer = forms.upload({"key": "k"}, b"x" * (2 * MEBIBYTE + 5), conditions=conditions, after={"x": "y" * 10_000})
    assert answer.told == (400, "EntityTooLarge")
    conditions[2] = ["content-length-range", 1000, 2000]
    answer = forms.upload({"key": "k"}, b"x" * 995, conditions=conditions, after={"x": "y" * 10_000})
    assert answer.told == (400, "EntityTooSmall")
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"old"


@pytest.mark.parametrize("bounds", [[0], [], [-1, 0], [3, 2], ["a", 3], [1, 2, 3], [0, None], [True, True]])
def test_ranges_that_are_none(forms, s3, bucket, bounds):
    conditions = [{"bucket": bucket}, {"key": "k"}, ["content-length-range", *bounds]]
    assert forms.upload({"key": "k"}, conditions=conditions).told == (400, "InvalidPolicyDocument")
    assert keys_in(s3, bucket) == []


# -- policies that are none --------------------------------------------------------------------------------------------------


def signed_text(text):
    """The fields of a policy that is this text, signed."""
    when = timestamp()
    policy = base64.b64encode(text.encode()).decode()
    return {
        "x-amz-algorithm": "AWS4-HMAC-SHA256",
        "x-amz-credential": f"{ROOT[0]}/{when[:8]}/us-east-1/s3/aws4_request",
        "x-amz-date": when,
        "policy": policy,
        "x-amz-signature": hmac.new(signing_key(ROOT[1], when[:8]), policy.encode(), "sha256").hexdigest(),
    }


@pytest.mark.parametrize(
    "document",
    [
        {"EXPIRATION": "2099-01-01T00:00:00Z", "conditions": []},
        {"expiration": "2099-01-01T00:00:00Z", "CONDITIONS": []},
        {"conditions": []},
        {"expiration": "2099-01-01T00:00:00Z"},
        {"expiration": "2099-01-01T00:00:00Z", "conditions": [{}]},
        {"expiration": "2099-01-01T00:00:00Z", "conditions": "all"},
        {"expiration": "2099-01-01T00:00:00Z", "conditions": [["matches", "$key", ".*"]]},
        [],
        "x",
        None,
    ],
    ids=json.dumps,
)
def test_documents(forms, s3, bucket, document):
    assert forms.post({"key": "k", **signed_text(json.dumps(document))}).told == (400, "InvalidPolicyDocument")
    assert keys_in(s3, bucket) == []


@pytest.mark.parametrize("text", ["", "{", "{'expiration': 1}", "[" * 9000, '{"a":' * 2000, "\0", '{"expiration": NaN}'])
def test_what_is_no_json(forms, text):
    expected = (400, "InvalidPolicyDocument") if text else (400, "InvalidArgument")  # no policy at all
    assert forms.post({"key": "k", **signed_text(text)}).told == expected


# -- signatures --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["policy", "x-amz-signature", "x-amz-credential", "x-amz-date", "x-amz-algorithm"])
def test_a_part_is_missing(forms, bucket, name):
    fields = {"key": "k", **signed_fields(ROOT, [{"bucket": bucket}, {"key": "k"}])}
    del fields[name]
    answer = forms.post(fields)
    assert answer.told == (400, "InvalidArgument")
    assert f"Bucket POST must contain a field named '{answer.error['ArgumentName']}'." in answer.error["Message"]
    assert answer.error["ArgumentName"].lower() == name


def test_a_changed_policy(forms, s3, bucket):
    fields = {"key": "k", **signed_fields(ROOT, [{"bucket": bucket}, {"key": "k"}])}
    wider = encoded_policy(covering(bucket, fields))
    answer = forms.post({**fields, "policy": wider})
    assert answer.told == (403, "SignatureDoesNotMatch")
    assert (answer.error["StringToSign"], answer.error["AWSAccessKeyId"]) == (wider, ROOT[0])
    assert ROOT[1] not in answer.body.decode()
    assert keys_in(s3, bucket) == []


def test_a_changed_signature(forms, s3, bucket):
    fields = {"key": "k", **signed_fields(ROOT, [{"bucket": bucket}, {"key": "k"}])}
    last = fields["x-amz-signature"][-1]
    for signature in (fields["x-amz-signature"][:-1] + ("0" if last != "0" else "1"), "", "x", fields["x-amz-signature"].upper()):
        told = forms.post({**fields, "x-amz-signature": signature}).told
        assert told == ((403, "SignatureDoesNotMatch") if signature else (400, "InvalidArgument"))
    assert keys_in(s3, bucket) == []


def test_the_secret_of_another_key(forms, s3, bucket):
    fields = {"key": "k", **signed_fields((ROOT[0], ALICE[1]), [{"bucket": bucket}, {"key": "k"}])}
    assert forms.post(fields).told == (403, "SignatureDoesNotMatch")
    assert keys_in(s3, bucket) == []


def test_an_unknown_key(forms, bucket):
    answer = forms.post({"key": "k", **signed_fields(("AKIDNOBODY", "x" * 20), [{"bucket": bucket}, {"key": "k"}])})
    assert answer.told == (403, "InvalidAccessKeyId")
    assert answer.error["AWSAccessKeyId"] == "AKIDNOBODY"


def test_another_region_is_told_the_right_one(forms, bucket):
    fields = {"key": "k", **signed_fields(ROOT, [{"bucket": bucket}, {"key": "k"}], region="mars-1")}
    answer = forms.post(fields)
    assert answer.told == (400, "AuthorizationQueryParametersError")
    assert answer.error["Region"] == "us-east-1"


def test_signed_for_the_future(forms, bucket):
    fields = {"key": "k", **signed_fields(ROOT, [{"bucket": bucket}, {"key": "k"}], when=timestamp(20 * 60))}
    assert forms.post(fields).told == (403, "AccessDenied")


def test_version_2_is_off(forms, s3, bucket):
    answer = forms.post({"key": "k", **signed_fields_2(ROOT, [{"bucket": bucket}, {"key": "k"}])})
    assert answer.told == (400, "InvalidRequest")
    assert "Please use AWS4-HMAC-SHA256." in answer.error["Message"]
    assert keys_in(s3, bucket) == []


def test_a_form_may_be_sent_again_and_nothing_else_with_it(forms, s3, bucket):
    """Until it expires a policy is good for what it says: for its key, and no other request."""
    fields = {"key": "k", **signed_fields(ROOT, [{"bucket": bucket}, {"key": "k"}])}
    for body in (b"1", b"2"):
        assert forms.post(fields, body).status == 204
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"2"
    for name, value in (("key", "other"), ("x-amz-meta-a", "b"), ("success_action_redirect", "http://x.example/")):
        assert forms.post({**fields, name: value}).told == (403, "AccessDenied")
    query = f"AWSAccessKeyId={ROOT[0]}&Signature={fields['x-amz-signature']}&Expires=9999999999"
    assert forms.raw.send("GET", f"/{bucket}/k", query, {"Host": forms.raw.host_header}, None).told == (400, "InvalidRequest")
    headers = {"Host": forms.raw.host_header, **{name: value for name, value in fields.items() if name.startswith("x-amz-")}}
    assert forms.raw.send("GET", f"/{bucket}/k", "", headers, None).told == (403, "AccessDenied")
