"""The query protocol: forms in, XML out, with botocore's model as the oracle."""

import botocore.parsers
import pytest
from hypothesis import given as given_by
from hypothesis import settings
from hypothesis import strategies as st
from iam_world import Refused, World, model_of

from dolmen.gateway.iam.fault import CODES, IamFault
from dolmen.gateway.iam.query import HANDLERS, refuse
from dolmen.gateway.iam.wire import parse_input, render, render_fault
from dolmen.gateway.s3.fault import S3Fault


async def test_an_answer_byte_by_byte(world):
    answer = await world.raw("sts", world.alice, {"Action": "GetCallerIdentity", "Version": "2011-06-15"})
    assert answer.status == 200
    assert answer.headers == [(b"content-type", b"text/xml"), (b"x-amzn-requestid", b"request-1")]
    assert answer.body == (
        b'<GetCallerIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><GetCallerIdentityResult>'
        b"<UserId>123456789012</UserId><Account>123456789012</Account><Arn>arn:aws:iam::123456789012:root</Arn>"
        b"</GetCallerIdentityResult><ResponseMetadata><RequestId>request-1</RequestId></ResponseMetadata>"
        b"</GetCallerIdentityResponse>"
    )


async def test_an_answer_without_a_result(world):
    await world.iam("CreateUser", UserName="dave")
    answer = await world.raw("iam", world.alice, {"Action": "DeleteUser", "UserName": "dave"})
    assert answer.body == (
        b'<DeleteUserResponse xmlns="https://iam.amazonaws.com/doc/2010-05-08/"><ResponseMetadata>'
        b"<RequestId>request-1</RequestId></ResponseMetadata></DeleteUserResponse>"
    )


async def test_an_error_byte_by_byte(world):
    answer = await world.raw("iam", world.alice, {"Action": "GetUser", "UserName": "<&>", "Version": "2010-05-08"})
    assert answer.status == 400
    answer = await world.raw("iam", world.alice, {"Action": "GetUser", "UserName": "dave", "Version": "2010-05-08"})
    assert answer.status == 404
    assert answer.body == (
        b'<ErrorResponse xmlns="https://iam.amazonaws.com/doc/2010-05-08/"><Error><Type>Sender</Type>'
        b"<Code>NoSuchEntity</Code><Message>The user with name dave cannot be found.</Message></Error>"
        b"<RequestId>request-1</RequestId></ErrorResponse>"
    )


async def test_messages_are_xml_whatever_was_sent(world):
    name = "\x00\x1b\ud800\ufffe<&>"
    with pytest.raises(Refused, match="ValidationError") as caught:
        await world.iam("GetUser", UserName=name)
    assert "Value '\ufffd\ufffd\ufffd\ufffd<&>' at 'userName'" in caught.value.message


@pytest.mark.parametrize(
    ("service", "form", "code"),
    [
        ("iam", {}, "MissingAction"),
        ("iam", {"Action": ""}, "MissingAction"),
        ("iam", {"Action": "MakeCoffee", "Version": "2010-05-08"}, "InvalidAction"),
        ("iam", {"Action": "GetCallerIdentity", "Version": "2010-05-08"}, "InvalidAction"),
        ("sts", {"Action": "ListUsers", "Version": "2011-06-15"}, "InvalidAction"),
        ("iam", {"Action": "ListUsers", "Version": "2011-06-15"}, "InvalidAction"),
        ("iam", {"Action": "ListUsers", "MaxItems": "many"}, "ValidationError"),
        ("iam", {"Action": "ListUsers", "MaxItems.member.1": "5"}, "MalformedQueryString"),
        ("iam", {"Action": "CreateUser", "UserName": "a", "Tags.member.x.Key": "k"}, "MalformedQueryString"),
        ("iam", {"Action": "CreateUser", "UserName": "a", "a.b.c.d.e.f.g.h.i": "k"}, "MalformedQueryString"),
        ("iam", {"Action": "CreateUser", **{f"x{n}": "" for n in range(3000)}}, "MalformedQueryString"),
        ("iam", {"Action": "ListPolicies", "OnlyAttached": "maybe"}, "ValidationError"),
    ],
)
async def test_forms_that_are_wrong(world, service, form, code):
    answer = await world.raw(service, world.alice, form)
    assert answer.status == 400
    assert f"<Code>{code}</Code>".encode() in answer.body


async def test_actions_without_a_version_are_taken(world):
    assert (await world.raw("iam", world.alice, {"Action": "ListUsers"})).status == 200


def test_lists_come_in_the_order_of_their_numbers():
    form = {"UserName": "a"}
    for number in (10, 2, 1):
        form |= {f"TagKeys.member.{number}": f"k{number}"}
    assert parse_input("iam", "UntagUser", form)["TagKeys"] == ["k1", "k2", "k10"]
    assert parse_input("iam", "CreateUser", {"UserName": "a", "Tags": ""})["Tags"] == []


def test_parameters_that_the_operation_does_not_know_are_left_out():
    assert parse_input("iam", "GetUser", {"UserName": "a", "Other": "b", "Action": "GetUser"}) == {"UserName": "a"}


def test_secrets_are_not_in_complaints():
    token = "secret" * 4000
    with pytest.raises(IamFault) as caught:
        parse_input(
            "sts",
            "AssumeRoleWithWebIdentity",
            {"RoleArn": "a" * 30, "RoleSessionName": "s1", "WebIdentityToken": token},
        )
    assert "secret" not in caught.value.message


_TEXT = st.text(st.characters(blacklist_categories=("Cs", "Cc")), max_size=40)


@settings(max_examples=60, deadline=None)
@given_by(_TEXT, _TEXT, st.integers(0, 4_000_000_000))
def test_what_is_rendered_is_what_botocore_reads(name, key, seconds):
    output = {"User": {"UserName": name, "CreateDate": seconds * 1_000_000, "Tags": [{"Key": key, "Value": name}]}}
    answer = render("iam", "GetUser", output, "r")
    shape = model_of("iam").operation_model("GetUser").output_shape
    parsed = botocore.parsers.create_parser("query").parse({"status_code": 200, "headers": {}, "body": answer.body}, shape)
    assert parsed["User"]["UserName"] == name
    assert parsed["User"]["Tags"] == [{"Key": key, "Value": name}]
    assert parsed["User"]["CreateDate"].timestamp() == seconds


@settings(max_examples=100, deadline=None)
@given_by(
    st.sampled_from([(s, a) for s, found in HANDLERS.items() for a in sorted(found)]),
    st.dictionaries(
        st.sampled_from(["UserName", "RoleName", "GroupName", "PolicyArn", "Tags.member.1.Key", "Tags.member.1", "Tags", "X.Y"])
        | _TEXT,
        _TEXT,
        max_size=8,
    ),
)
def test_no_form_makes_a_surprise(which, form):
    import asyncio

    async def send():
        world = World()
        answer = await world.raw(which[0], world.alice, {**form, "Action": which[1]})
        assert answer.status < 500 or answer.status == 501

    asyncio.run(send())


def test_codes_have_the_statuses_of_the_models():
    checked = 0
    for service in ("iam", "sts"):
        for name, shape in model_of(service)._service_description["shapes"].items():
            error = shape.get("error") if shape.get("exception") else None
            if error and error["code"] in CODES:
                assert CODES[error["code"]][0] == error["httpStatusCode"], name
                checked += 1
    assert checked > 10


@pytest.mark.parametrize(
    ("s3", "code", "status"),
    [
        ("InvalidAccessKeyId", "InvalidClientTokenId", 403),
        ("InvalidToken", "InvalidClientTokenId", 403),
        ("ExpiredToken", "ExpiredToken", 403),
        ("SignatureDoesNotMatch", "SignatureDoesNotMatch", 403),
        ("RequestTimeTooSkewed", "SignatureDoesNotMatch", 403),
        ("AuthorizationHeaderMalformed", "IncompleteSignature", 400),
        ("AccessDenied", "AccessDenied", 403),
        ("InvalidRequest", "ValidationError", 400),
        ("SlowDown", "ServiceUnavailable", 503),
        ("InternalError", "InternalFailure", 500),
    ],
)
def test_errors_of_the_front_door_in_iams_words(s3, code, status):
    answer = refuse("sts", S3Fault(s3), "r")
    assert answer.status == status
    assert f"<Code>{code}</Code>".encode() in answer.body
    assert b"sts.amazonaws.com" in answer.body


def test_faults_above_500_are_the_receivers():
    assert b"<Type>Receiver</Type>" in render_fault("iam", IamFault("InternalFailure"), "r").body


async def test_account_alias_and_summary(world):
    assert (await world.iam("ListAccountAliases"))["AccountAliases"] == []
    await world.iam("CreateAccountAlias", AccountAlias="our-store")
    assert (await world.iam("ListAccountAliases"))["AccountAliases"] == ["our-store"]
    with pytest.raises(Refused, match="NoSuchEntity"):
        await world.iam("DeleteAccountAlias", AccountAlias="other")
    await world.iam("DeleteAccountAlias", AccountAlias="our-store")
    assert (await world.iam("ListAccountAliases"))["AccountAliases"] == []
    await world.iam("CreateUser", UserName="dave")
    summary = (await world.iam("GetAccountSummary"))["SummaryMap"]
    assert (summary["Users"], summary["UsersQuota"], summary["Groups"]) == (1, 5000, 0)


@pytest.mark.parametrize(
    ("action", "member"),
    [
        ("ListVirtualMFADevices", "VirtualMFADevices"),
        ("ListInstanceProfiles", "InstanceProfiles"),
        ("ListServerCertificates", "ServerCertificateMetadataList"),
        ("ListSAMLProviders", "SAMLProviderList"),
    ],
)
async def test_lists_of_what_does_not_exist_here(world, action, member):
    assert (await world.iam(action))[member] == []
