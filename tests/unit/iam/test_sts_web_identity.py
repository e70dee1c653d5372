"""AssumeRoleWithWebIdentity against an issuer on this machine: signatures, claims, keys that change."""

import base64
import hmac
import json

import pytest
from iam_world import NOW_US, allow
from joserfc import jwk
from joserfc.errors import SecurityWarning
from oidc_issuer import Issuer

NOW = NOW_US / 1e6
ROLE = "arn:aws:iam::123456789012:role/web"


@pytest.fixture
def issuer():
    with Issuer("/realms/demo") as made:
        yield made


@pytest.fixture
async def web(world, issuer):
    """``await web(token, ...)``: AssumeRoleWithWebIdentity without a signature; provider and role exist."""
    provider = await world.iam("CreateOpenIDConnectProvider", Url=issuer.url, ClientIDList=["app", "other"])
    arn = provider["OpenIDConnectProviderArn"]
    assert arn == f"arn:aws:iam::123456789012:oidc-provider/{issuer.host}"
    await world.iam("CreateRole", RoleName="web", AssumeRolePolicyDocument=trust(arn))

    async def call(token, **given):
        return await world.sts(
            "AssumeRoleWithWebIdentity", None, **{"RoleArn": ROLE, "RoleSessionName": "s1", "WebIdentityToken": token, **given}
        )

    call.provider = arn
    return call


def trust(provider, *actions, **more):
    statement = {
        "Effect": "Allow",
        "Principal": {"Federated": provider},
        "Action": ["sts:AssumeRoleWithWebIdentity", *actions],
        **more,
    }
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


async def test_credentials_of_a_web_identity(world, web, issuer):
    found = await web(issuer.token(issuer.claims(NOW)))
    assert found["SubjectFromWebIdentityToken"] == "user-1"
    assert (found["Audience"], found["Provider"]) == ("app", web.provider)
    assert found["AssumedRoleUser"]["Arn"] == "arn:aws:sts::123456789012:assumed-role/web/s1"
    assert found["Credentials"]["Expiration"].timestamp() == NOW + 3600
    principal = await world.session(found["Credentials"])
    assert principal.arn == found["AssumedRoleUser"]["Arn"]
    assert principal.keys[f"{issuer.host}:sub"] == ("user-1",)
    assert principal.keys["aws:federatedprovider"] == (web.provider,)
    who = await world.sts("GetCallerIdentity", principal)
    assert who == {
        "UserId": found["AssumedRoleUser"]["AssumedRoleId"],
        "Account": "123456789012",
        "Arn": "arn:aws:sts::123456789012:assumed-role/web/s1",
    }


@pytest.mark.parametrize(
    ("kind", "size", "algorithm"),
    [
        ("RSA", 2048, "RS512"),
        ("RSA", 2048, "PS256"),
        ("EC", "P-256", "ES256"),
        ("EC", "P-384", "ES384"),
        ("EC", "P-521", "ES512"),
        ("OKP", "Ed25519", "Ed25519"),
    ],
)
async def test_asymmetric_algorithms(web, issuer, kind, size, algorithm):
    issuer.add_key(kind, size, "another")
    assert (await web(issuer.token(issuer.claims(NOW), algorithm)))["Audience"] == "app"


@pytest.mark.parametrize("audience", [["app"], ["x", "other"], "other"])
async def test_audiences_may_be_a_list_as_of_kubernetes(web, issuer, audience):
    found = await web(issuer.token(issuer.claims(NOW, aud=audience)))
    assert found["Audience"] in ("app", "other")


async def test_authorized_party_goes_before_the_audience(world, web, issuer):
    found = await web(issuer.token(issuer.claims(NOW, aud="x", azp="app")))
    principal = await world.session(found["Credentials"])
    assert principal.keys[f"{issuer.host}:aud"] == ("app",)
    assert principal.keys[f"{issuer.host}:oaud"] == ("x",)


@pytest.mark.parametrize(
    ("claims", "code", "status", "text"),
    [
        ({"exp": int(NOW) - 1}, "ExpiredTokenException", 400, "Token expired"),
        ({"exp": None}, "InvalidIdentityToken", 400, "exp"),
        ({"exp": "soon"}, "InvalidIdentityToken", 400, "exp"),
        ({"aud": "someone-else"}, "InvalidIdentityToken", 400, "Incorrect token audience"),
        ({"aud": []}, "InvalidIdentityToken", 400, "Incorrect token audience"),
        ({"aud": None}, "InvalidIdentityToken", 400, "Incorrect token audience"),
        ({"azp": "someone-else"}, "InvalidIdentityToken", 400, "Incorrect token audience"),
        ({"iss": "https://elsewhere.example.com"}, "InvalidIdentityToken", 400, "No OpenIDConnect provider found"),
        ({"iss": None}, "InvalidIdentityToken", 400, "iss"),
        ({"iss": 5}, "InvalidIdentityToken", 400, "iss"),
        ({"nbf": int(NOW) + 3600}, "InvalidIdentityToken", 400, "nbf"),
        ({"iat": int(NOW) + 3600}, "InvalidIdentityToken", 400, "iat"),
        ({"sub": None}, "IDPRejectedClaim", 403, "sub"),
        ({"sub": ""}, "IDPRejectedClaim", 403, "sub"),
        ({"https://aws.amazon.com/tags": "x"}, "IDPRejectedClaim", 403, "malformed"),
        ({"https://aws.amazon.com/tags": {"principal_tags": {"a": ["b", "c"]}}}, "IDPRejectedClaim", 403, "malformed"),
    ],
)
async def test_claims_that_are_refused(web, issuer, refused, claims, code, status, text):
    error = await refused(code, status, web(issuer.token(issuer.claims(NOW, **claims))))
    assert text in error.message


def unsigned(claims, header):
    parts = [base64.urlsafe_b64encode(json.dumps(one).encode()).rstrip(b"=").decode() for one in (header, claims)]
    return ".".join([*parts, ""])


@pytest.mark.parametrize("algorithm", ["none", "None", "HS256", "", None, 7])
async def test_algorithms_that_prove_nothing(web, issuer, refused, algorithm):
    header = {"typ": "JWT", "kid": "first"} | ({} if algorithm is None else {"alg": algorithm})
    await refused("InvalidIdentityToken", 400, web(unsigned(issuer.claims(NOW), header)))


async def test_the_public_key_is_no_shared_secret(web, issuer, refused):
    head = unsigned(issuer.claims(NOW), {"alg": "HS256", "kid": "first"})[:-1]
    made = hmac.digest(issuer.keys[0].as_pem(private=False), head.encode(), "sha256")
    token = f"{head}.{base64.urlsafe_b64encode(made).rstrip(b'=').decode()}"
    await refused("InvalidIdentityToken", 400, web(token))
    assert issuer.key_fetches == 0


async def test_a_key_of_somebody_else(web, issuer, refused):
    stranger = jwk.generate_key("RSA", 2048)
    await refused("InvalidIdentityToken", 400, web(issuer.token(issuer.claims(NOW), key=stranger, kid="first")))
    await refused("InvalidIdentityToken", 400, web(issuer.token(issuer.claims(NOW), key=stranger)))


async def test_a_changed_token(web, issuer, refused):
    head, _, signature = issuer.token(issuer.claims(NOW)).split(".")
    other = issuer.token(issuer.claims(NOW, sub="admin")).split(".")[1]
    await refused("InvalidIdentityToken", 400, web(f"{head}.{other}.{signature}"))


@pytest.mark.parametrize("token", ["....", "a.b.c", "abcd", "eyJhbGciOiJSUzI1NiJ9.W10.x", "ü.ü.ü"])
async def test_what_is_no_token(web, refused, token):
    await refused("InvalidIdentityToken", 400, web(token))


async def test_weak_keys_do_not_count(web, issuer, refused):
    with pytest.warns(SecurityWarning):
        issuer.add_key("RSA", 1024, "weak")
    await refused("InvalidIdentityToken", 400, web(issuer.token(issuer.claims(NOW))))
    assert await web(issuer.token(issuer.claims(NOW), key=issuer.keys[0], kid="first"))  # the others of the set do


async def test_keys_without_an_id_are_all_tried(web, issuer):
    issuer.add_key("EC", "P-256", "second")
    issuer.add_key("RSA", 2048, "third")
    assert await web(issuer.token(issuer.claims(NOW), key=issuer.keys[-1]))


async def test_rotation_fetches_once_and_not_more_often_than_it_may(world, web, issuer, refused):
    await web(issuer.token(issuer.claims(NOW)))
    await web(issuer.token(issuer.claims(NOW)))
    assert issuer.key_fetches == 1
    issuer.add_key("RSA", 2048, "second")
    token = issuer.token(issuer.claims(NOW))
    await refused("InvalidIdentityToken", 400, web(token))  # fetched a moment ago
    assert issuer.key_fetches == 1
    world.clock.move(10)
    await web(token)
    assert issuer.key_fetches == 2
    stranger = jwk.generate_key("RSA", 2048, {"kid": "unknown"})
    for _ in range(5):
        await refused("InvalidIdentityToken", 400, web(issuer.token(issuer.claims(NOW), key=stranger, kid="unknown")))
    assert issuer.key_fetches == 2


async def test_withdrawn_keys_count_no_longer_than_they_are_fresh(world, web, issuer, refused):
    token = issuer.token(issuer.claims(NOW, exp=int(NOW) + 7200))
    await web(token)
    issuer.keys.clear()
    issuer.add_key("RSA", 2048, "second")
    world.clock.move(601)
    await refused("InvalidIdentityToken", 400, web(token))


async def test_an_issuer_that_is_away(world, web, issuer, refused):
    issuer.gone = True
    await refused("IDPCommunicationError", 400, web(issuer.token(issuer.claims(NOW))))
    issuer.gone = False
    await refused("IDPCommunicationError", 400, web(issuer.token(issuer.claims(NOW))))  # asked a moment ago
    world.clock.move(10)
    assert await web(issuer.token(issuer.claims(NOW)))
    issuer.gone = True
    assert await web(issuer.token(issuer.claims(NOW)))  # its keys are known


@pytest.mark.parametrize(
    "discovery",
    [{"issuer": "http://127.0.0.1:1"}, {"jwks_uri": "http://192.0.2.1/keys"}, {"jwks_uri": None}, {"jwks_uri": "file:///etc"}],
)
async def test_discovery_that_leads_elsewhere(web, issuer, refused, discovery):
    issuer.discovery = discovery
    await refused("IDPCommunicationError", 400, web(issuer.token(issuer.claims(NOW))))


@pytest.mark.parametrize("url", ["http://issuer.example.com/a", "http://10.0.0.1", "http://[::2]:8080"])
async def test_plain_http_is_believed_from_this_machine_only(world, web, issuer, refused, url, monkeypatch):
    provider = (await world.iam("CreateOpenIDConnectProvider", Url=url, ClientIDList=["app"]))["OpenIDConnectProviderArn"]
    assert (await world.iam("GetOpenIDConnectProvider", OpenIDConnectProviderArn=provider))["Url"] == url
    await world.iam("UpdateAssumeRolePolicy", RoleName="web", PolicyDocument=trust(provider))
    monkeypatch.setattr(world.outbound, "request", None)  # nothing is even asked
    await refused("IDPCommunicationError", 400, web(issuer.token(issuer.claims(NOW, iss=url))))


async def test_conditions_of_the_trust_policy(world, web, issuer, refused):
    condition = {"StringEquals": {f"{issuer.host}:sub": "user-1", f"{issuer.host}:aud": "app"}}
    await world.iam("UpdateAssumeRolePolicy", RoleName="web", PolicyDocument=trust(web.provider, Condition=condition))
    await web(issuer.token(issuer.claims(NOW)))
    error = await refused("AccessDenied", 403, web(issuer.token(issuer.claims(NOW, sub="user-2"))))
    assert error.message == "Not authorized to perform sts:AssumeRoleWithWebIdentity"
    await refused("AccessDenied", 403, web(issuer.token(issuer.claims(NOW, aud="other"))))


async def test_amr_is_a_list(world, web, issuer, refused):
    condition = {"ForAnyValue:StringEquals": {f"{issuer.host}:amr": "mfa"}}
    await world.iam("UpdateAssumeRolePolicy", RoleName="web", PolicyDocument=trust(web.provider, Condition=condition))
    await web(issuer.token(issuer.claims(NOW, amr=["pwd", "mfa"])))
    await refused("AccessDenied", 403, web(issuer.token(issuer.claims(NOW, amr=["pwd"]))))


async def test_roles_that_trust_others_and_roles_that_are_none(world, web, issuer, refused):
    token = issuer.token(issuer.claims(NOW))
    await refused("AccessDenied", 403, web(token, RoleArn="arn:aws:iam::123456789012:role/none"))
    await refused("AccessDenied", 403, web(token, RoleArn="arn:aws:iam::123456789012:role/path/web"))
    await refused("InvalidIdentityToken", 400, web(token, RoleArn="arn:aws:iam::210987654321:role/web"))
    await refused("ValidationError", 400, web(token, RoleArn="arn:aws:iam::123456789012:user/web"))
    other = trust("arn:aws:iam::123456789012:oidc-provider/other.example.com")
    await world.iam("UpdateAssumeRolePolicy", RoleName="web", PolicyDocument=other)
    await refused("AccessDenied", 403, web(token))


async def test_session_tags_of_a_token(world, web, issuer, refused):
    tags = {"principal_tags": {"team": ["blue"]}, "transitive_tag_keys": ["team"]}
    token = issuer.token(issuer.claims(NOW, **{"https://aws.amazon.com/tags": tags}))
    error = await refused("AccessDenied", 403, web(token))
    assert error.message == "Not authorized to perform sts:TagSession"
    condition = {"StringEquals": {"aws:RequestTag/team": "blue"}}
    await world.iam(
        "UpdateAssumeRolePolicy", RoleName="web", PolicyDocument=trust(web.provider, "sts:TagSession", Condition=condition)
    )
    principal = await world.session((await web(token))["Credentials"])
    assert principal.keys["aws:principaltag/team"] == ("blue",)


async def test_a_deleted_provider_is_trusted_no_more(world, web, issuer, refused):
    await web(issuer.token(issuer.claims(NOW)))
    await world.iam("DeleteOpenIDConnectProvider", OpenIDConnectProviderArn=web.provider)
    await refused("InvalidIdentityToken", 400, web(issuer.token(issuer.claims(NOW))))


async def test_client_ids_come_and_go(world, web, issuer, refused):
    token = issuer.token(issuer.claims(NOW, aud="new"))
    await refused("InvalidIdentityToken", 400, web(token))
    given = {"OpenIDConnectProviderArn": web.provider, "ClientID": "new"}
    await world.iam("AddClientIDToOpenIDConnectProvider", **given)
    await web(token)
    await world.iam("RemoveClientIDFromOpenIDConnectProvider", **given)
    await refused("InvalidIdentityToken", 400, web(token))


async def test_duration_and_session_policies(world, web, issuer, refused):
    token = issuer.token(issuer.claims(NOW))
    await refused("ValidationError", 400, web(token, DurationSeconds=3601))
    await refused("ValidationError", 400, web(token, DurationSeconds=899))
    found = await web(token, DurationSeconds=900, Policy=allow("s3:GetObject"))
    assert found["Credentials"]["Expiration"].timestamp() == NOW + 900
    assert 0 < found["PackedPolicySize"] <= 100
    assert len((await world.session(found["Credentials"])).session_policies) == 1
    await refused("MalformedPolicyDocument", 400, web(token, Policy="{}"))


async def test_without_a_token_the_answer_says_so(web, refused, world):
    await refused("ValidationError", 400, web(""))
    await refused("InvalidIdentityToken", 400, web("abcd", ProviderId="graph.facebook.com"))
    given = {"RoleArn": ROLE, "PrincipalArn": "arn:aws:iam::123456789012:saml-provider/x", "SAMLAssertion": "abcd"}
    await refused("InvalidIdentityToken", 400, world.sts("AssumeRoleWithSAML", None, **given))
    await refused("MissingAuthenticationToken", 403, world.sts("GetCallerIdentity", None))
    await refused("MissingAuthenticationToken", 403, world.iam("ListUsers", None))


@pytest.mark.parametrize(
    "url",
    [
        "ftp://localhost",
        "https://",
        "https://user@example.com",
        "https://example.com/?x=1",
        "https://example.com/#f",
        "example.com",
        "https://example.com:99999",
    ],
)
async def test_urls_that_are_no_issuers(world, refused, url):
    await refused("ValidationError", 400, world.iam("CreateOpenIDConnectProvider", Url=url))


async def test_providers(world, refused):
    given = {"Url": "https://Example.com/a/", "ClientIDList": ["x", "x", "y"], "ThumbprintList": ["a" * 40]}
    arn = (await world.iam("CreateOpenIDConnectProvider", **given))["OpenIDConnectProviderArn"]
    assert arn == "arn:aws:iam::123456789012:oidc-provider/Example.com/a"
    await refused("EntityAlreadyExists", 409, world.iam("CreateOpenIDConnectProvider", Url="https://example.com/a"))
    found = await world.iam("GetOpenIDConnectProvider", OpenIDConnectProviderArn=arn)
    assert (found["Url"], found["ClientIDList"], found["ThumbprintList"]) == ("Example.com/a", ["x", "y"], ["a" * 40])
    await world.iam("UpdateOpenIDConnectProviderThumbprint", OpenIDConnectProviderArn=arn, ThumbprintList=["b" * 40])
    await world.iam("TagOpenIDConnectProvider", OpenIDConnectProviderArn=arn, Tags=[{"Key": "k", "Value": "v"}])
    found = await world.iam("GetOpenIDConnectProvider", OpenIDConnectProviderArn=arn)
    assert (found["ThumbprintList"], found["Tags"]) == (["b" * 40], [{"Key": "k", "Value": "v"}])
    await world.iam("UntagOpenIDConnectProvider", OpenIDConnectProviderArn=arn, TagKeys=["k"])
    assert (await world.iam("ListOpenIDConnectProviderTags", OpenIDConnectProviderArn=arn))["Tags"] == []
    assert (await world.iam("ListOpenIDConnectProviders"))["OpenIDConnectProviderList"] == [{"Arn": arn}]
    await world.iam("DeleteOpenIDConnectProvider", OpenIDConnectProviderArn=arn)
    error = await refused("NoSuchEntity", 404, world.iam("GetOpenIDConnectProvider", OpenIDConnectProviderArn=arn))
    assert error.message == f"OpenIDConnect Provider not found for arn {arn}"
