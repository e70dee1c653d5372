"""Forms as botocore makes them are good for what their policy says, and any other form is not."""

import base64
import json
from unittest import mock

import botocore.auth
import pytest
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dolmen.gateway.auth.post_policy import check_post_policy, claim_form, parse_post_policy, verify_form
from dolmen.gateway.s3.fault import S3Fault

EXAMPLES = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
TEXTS = st.text(max_size=12)
FIELDS = st.dictionaries(
    st.sampled_from(["acl", "Content-Type", "x-amz-meta-a", "X-Amz-Meta-B", "success_action_status", "tagging", "Cache-Control"]),
    TEXTS,
    max_size=5,
)


def made_by_botocore(signing, fields, conditions, version, token=None):
    """The fields that a browser sends."""
    policy = {"expiration": "2026-11-24T07:55:57Z", "conditions": conditions}
    request = AWSRequest(method="POST", url=f"http://{signing.HOST}/b")
    request.context = {"s3-presign-post-fields": dict(fields), "s3-presign-post-policy": policy}
    credentials = Credentials(signing.ACCESS_KEY, signing.SECRET, token)
    if version == 4:
        signer = botocore.auth.S3SigV4PostAuth(credentials, "s3", signing.REGION)
    else:
        signer = botocore.auth.HmacV1PostAuth(credentials)
    with mock.patch("botocore.auth.get_current_datetime", return_value=signing.NOW):
        signer.add_auth(request)
    return {name.lower(): value for name, value in request.context["s3-presign-post-fields"].items()}


def judged(signing, fields, bucket="b"):
    claim = claim_form(fields, signing.NOW_US, signing.REGION, sigv2=True)
    signed = verify_form(claim, signing.SECRET)
    check_post_policy(parse_post_policy(claim.policy), fields, bucket, signing.NOW_US)
    return signed


def conditions_for(fields):
    return [{"bucket": "b"}, *(["eq", f"${name}", value] for name, value in fields.items())]


@EXAMPLES
@given(fields=FIELDS, key=TEXTS.filter(bool), version=st.sampled_from([2, 4]), token=st.none() | st.just("a/token+"))
def test_forms(signing, fields, key, version, token):
    wanted = {"key": key, **fields}
    sent = made_by_botocore(signing, wanted, conditions_for(wanted), version, token)
    signed = judged(signing, sent)
    assert (signed.access_key_id, signed.auth_type) == (signing.ACCESS_KEY, "POST")
    assert signed.signature_version == ("AWS4-HMAC-SHA256" if version == 4 else "AWS")
    assert claim_form(sent, signing.NOW_US, signing.REGION, sigv2=True).security_token == (token or "")


@EXAMPLES
@given(fields=FIELDS, version=st.sampled_from([2, 4]), data=st.data())
def test_other_forms_are_refused(signing, fields, version, data):
    wanted = {"key": "k", **fields}
    sent = made_by_botocore(signing, wanted, conditions_for(wanted), version, "token")
    covered = [name for name in sent if name not in ("policy", "signature", "x-amz-signature", "awsaccesskeyid")]
    name = data.draw(st.sampled_from(covered))
    other = data.draw(TEXTS.filter(lambda text: text != sent[name]))
    for form, bucket in (
        ({**sent, name: other}, "b"),
        ({**sent, "more": other}, "b"),
        ({key: value for key, value in sent.items() if key != name}, "b"),
        (sent, "c"),
    ):
        with pytest.raises(S3Fault):
            judged(signing, form, bucket)


@EXAMPLES
@given(fields=FIELDS, version=st.sampled_from([2, 4]), extra=TEXTS.filter(bool))
def test_another_policy_needs_another_signature(signing, fields, version, extra):
    wanted = {"key": "k", **fields}
    sent = made_by_botocore(signing, wanted, conditions_for(wanted), version)
    document = json.loads(base64.b64decode(sent["policy"]))
    document["conditions"].append(["starts-with", "$more", ""])
    wider = base64.b64encode(json.dumps(document).encode()).decode()
    with pytest.raises(S3Fault, match="SignatureDoesNotMatch"):
        judged(signing, {**sent, "more": extra, "policy": wider})
