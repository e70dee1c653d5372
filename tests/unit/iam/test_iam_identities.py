"""From a key to a principal: sealed secrets, caches that never lag, sessions that end."""

import asyncio

import msgspec
import pytest
from iam_world import ALICE, BOB, KEY, World, allow

from dolmen.core.clock import SystemClock
from dolmen.gateway.auth.principal import ANONYMOUS
from dolmen.gateway.iam.identities import Identities
from dolmen.gateway.iam.ids import account_of_key_id, new_access_key_id
from dolmen.gateway.iam.session import Session, SessionTokens
from dolmen.gateway.metadata.embedded.store import EmbeddedStore
from dolmen.gateway.s3.fault import S3Fault

TRUST = '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"123456789012"},"Action":"sts:AssumeRole"}]}'


async def fails(code, coroutine):
    with pytest.raises(S3Fault) as caught:
        await coroutine
    assert caught.value.code == code
    return caught.value


async def test_declared_keys_need_no_store(world):
    found = world.identities.static("AKIAROOTOFALICE00000")
    assert (found.secret, found.principal.kind, found.principal.account) == ("alice-secret", "root", ALICE)
    assert "alice-secret" not in repr(found)
    assert world.identities.static("AKIAUNKNOWN000000000") is None


def test_accounts_by_their_names():
    world = World()
    found = world.identities
    assert found.account(ALICE.account_id) is ALICE
    assert found.account("") is ANONYMOUS
    assert found.account("999999999999") is None
    assert found.by_canonical(BOB.canonical_id) is BOB
    assert found.by_canonical("c" * 64) is None
    assert found.by_email("Alice@Example.com") is ALICE
    assert found.by_email("nobody@example.com") is None


async def test_keys_of_users(world):
    await world.iam("CreateUser", UserName="dave")
    key = (await world.iam("CreateAccessKey", UserName="dave"))["AccessKey"]
    assert (len(key["AccessKeyId"]), len(key["SecretAccessKey"])) == (20, 40)
    found = await world.identities.find(key["AccessKeyId"], "")
    assert found.secret == key["SecretAccessKey"]
    assert (found.principal.kind, found.principal.user_name) == ("user", "dave")
    assert found.principal.access_key_id == key["AccessKeyId"]


async def test_secrets_are_nowhere_in_the_store(world):
    await world.iam("CreateUser", UserName="dave")
    secret = (await world.iam("CreateAccessKey", UserName="dave"))["AccessKey"]["SecretAccessKey"]
    assert all(secret.encode() not in document.raw for document in world.store._documents.values())
    other = Identities(world.accounts, world.store, bytes(32), world.clock)
    key = (await world.iam("ListAccessKeys", UserName="dave"))["AccessKeyMetadata"][0]["AccessKeyId"]
    await fails("InvalidAccessKeyId", other.find(key, ""))


async def test_a_sealed_secret_belongs_to_its_key(world):
    await world.iam("CreateUser", UserName="dave")
    first = (await world.iam("CreateAccessKey", UserName="dave"))["AccessKey"]["AccessKeyId"]
    second = (await world.iam("CreateAccessKey", UserName="dave"))["AccessKey"]["AccessKeyId"]
    places = {key: ("iam/123456789012", "key", key) for key in (first, second)}
    records = world.store._documents
    records[places[first]] = msgspec.structs.replace(records[places[first]], raw=records[places[second]].raw)
    await fails("InvalidAccessKeyId", world.identities.find(first, ""))


async def test_two_keys_a_user(world, refused):
    await world.iam("CreateUser", UserName="dave")
    for _ in range(2):
        await world.iam("CreateAccessKey", UserName="dave")
    error = await refused("LimitExceeded", 409, world.iam("CreateAccessKey", UserName="dave"))
    assert error.message == "Cannot exceed quota for AccessKeysPerUser: 2"


async def test_changes_of_keys_act_at_once(world, refused):
    dave = await world.user("dave")
    key = dave.access_key_id
    await world.iam("UpdateAccessKey", UserName="dave", AccessKeyId=key, Status="Inactive")
    await fails("InvalidAccessKeyId", world.identities.find(key, ""))
    listed = (await world.iam("ListAccessKeys", UserName="dave"))["AccessKeyMetadata"]
    assert [one["Status"] for one in listed] == ["Inactive"]
    await world.iam("UpdateAccessKey", UserName="dave", AccessKeyId=key, Status="Active")
    await world.who(key)
    await world.iam("DeleteAccessKey", UserName="dave", AccessKeyId=key)
    await fails("InvalidAccessKeyId", world.identities.find(key, ""))
    error = await refused("NoSuchEntity", 404, world.iam("DeleteAccessKey", UserName="dave", AccessKeyId=key))
    assert error.message == f"The Access Key with id {key} cannot be found."


async def test_keys_of_another_user_are_not_found(world, refused):
    dave, _ = await world.user("dave"), await world.user("eve")
    given = {"UserName": "eve", "AccessKeyId": dave.access_key_id}
    await refused("NoSuchEntity", 404, world.iam("DeleteAccessKey", **given))
    await refused("NoSuchEntity", 404, world.iam("UpdateAccessKey", **given, Status="Inactive"))
    await world.who(dave.access_key_id)


async def test_keys_of_root(world, refused):
    key = (await world.iam("CreateAccessKey"))["AccessKey"]
    assert (await world.who(key["AccessKeyId"])).arn == "arn:aws:iam::123456789012:root"
    assert [one["AccessKeyId"] for one in (await world.iam("ListAccessKeys"))["AccessKeyMetadata"]] == [key["AccessKeyId"]]
    admin = await world.user("admin", allow("*"))
    await refused("NoSuchEntity", 404, world.iam("DeleteAccessKey", admin, AccessKeyId=key["AccessKeyId"]))
    await world.iam("DeleteAccessKey", AccessKeyId=key["AccessKeyId"])
    await fails("InvalidAccessKeyId", world.identities.find(key["AccessKeyId"], ""))


async def test_last_use_is_not_recorded(world, refused):
    dave = await world.user("dave")
    found = await world.iam("GetAccessKeyLastUsed", AccessKeyId=dave.access_key_id)
    assert found == {"UserName": "dave", "AccessKeyLastUsed": {"ServiceName": "N/A", "Region": "N/A"}}
    await refused("NoSuchEntity", 404, world.iam("GetAccessKeyLastUsed", AccessKeyId="AKIA" + "A" * 16))


async def test_policies_of_the_user_its_groups_and_its_boundary(world):
    arn = (await world.iam("CreatePolicy", PolicyName="P", PolicyDocument=allow("s3:Get*")))["Policy"]["Arn"]
    dave = await world.user("dave", allow("s3:Put*"), PermissionsBoundary=arn, Tags=[{"Key": "Team", "Value": "blue"}])
    await world.iam("AttachUserPolicy", UserName="dave", PolicyArn=arn)
    await world.iam("CreateGroup", GroupName="g")
    await world.iam("PutGroupPolicy", GroupName="g", PolicyName="p", PolicyDocument=allow("s3:List*"))
    await world.iam("AttachGroupPolicy", GroupName="g", PolicyArn=arn)
    await world.iam("AddUserToGroup", GroupName="g", UserName="dave")
    found = await world.who(dave.access_key_id)
    assert len(found.policies) == 4
    assert found.boundary is not None
    assert found.keys == {"aws:principaltag/team": ("blue",)}


async def test_one_read_a_request_when_nothing_changed(world, monkeypatch):
    dave = await world.user("dave", allow("s3:*"))
    reads = []
    get = world.store.get_document
    monkeypatch.setattr(world.store, "get_document", lambda *place: reads.append(place) or get(*place))
    assert await world.who(dave.access_key_id) is await world.who(dave.access_key_id)
    assert reads == []
    await world.iam("CreateUser", world.bob, UserName="other")  # another account's changes do not matter
    reads.clear()
    await world.who(dave.access_key_id)
    assert reads == []
    await world.iam("TagUser", UserName="dave", Tags=[{"Key": "k", "Value": "v"}])
    assert (await world.who(dave.access_key_id)).keys == {"aws:principaltag/k": ("v",)}


async def test_the_cache_is_bounded(world, monkeypatch):
    monkeypatch.setattr("dolmen.gateway.iam.identities._CACHED_MAX", 3)
    for _ in range(10):
        await fails("InvalidAccessKeyId", world.identities.find(new_access_key_id(ALICE.account_id), ""))
    assert len(world.identities._cache) == 3


@pytest.mark.parametrize("key", ["", "x", "AKIA", "AKIA" + "1" * 16, "AKIA" + "7" * 16, "ASIA" + "A" * 16, "AKIDOLMENROOT0000000"])
async def test_ids_that_are_no_keys(world, key):
    await fails("InvalidAccessKeyId", world.identities.find(key, ""))


def test_key_ids_hold_their_account():
    for account_id in ("000000000000", "123456789012", "999999999999"):
        key_id = new_access_key_id(account_id)
        assert key_id.startswith("AKIA")
        assert account_of_key_id(key_id) == account_id


async def test_sessions_end(world):
    dave = await world.user("dave")
    given = (await world.sts("GetSessionToken", dave, DurationSeconds=900))["Credentials"]
    await world.session(given)
    world.clock.move(899)
    await world.session(given)
    world.clock.move(1)
    await fails("ExpiredToken", world.identities.find(given["AccessKeyId"], given["SessionToken"]))


async def test_tokens_and_keys_belong_together(world):
    dave = await world.user("dave")
    one = (await world.sts("GetSessionToken", dave))["Credentials"]
    two = (await world.sts("GetSessionToken", dave))["Credentials"]
    find = world.identities.find
    await fails("InvalidToken", find(one["AccessKeyId"], two["SessionToken"]))
    await fails("InvalidAccessKeyId", find(one["AccessKeyId"], ""))
    await fails("InvalidToken", find(one["AccessKeyId"], one["SessionToken"][:-4] + "AAAA"))
    await fails("InvalidToken", find(one["AccessKeyId"], "no token"))
    await fails("InvalidToken", find(one["AccessKeyId"], "A" * 10_000))
    await fails("InvalidToken", find(dave.access_key_id, one["SessionToken"]))
    other = Identities(world.accounts, world.store, bytes(32), world.clock)
    await fails("InvalidToken", other.find(one["AccessKeyId"], one["SessionToken"]))
    await world.session(one)


async def test_sessions_end_with_their_user(world):
    dave = await world.user("dave")
    given = (await world.sts("GetSessionToken", dave))["Credentials"]
    await world.iam("DeleteAccessKey", UserName="dave", AccessKeyId=dave.access_key_id)
    await world.session(given)  # as in AWS: the key may go, the user may not
    await world.iam("DeleteUser", UserName="dave")
    await fails("InvalidToken", world.identities.find(given["AccessKeyId"], given["SessionToken"]))
    await world.iam("CreateUser", UserName="dave")
    await fails("InvalidToken", world.identities.find(given["AccessKeyId"], given["SessionToken"]))


async def test_sessions_end_with_their_role(world):
    dave = await world.user("dave", allow("sts:AssumeRole"))
    await world.iam("CreateRole", RoleName="r", AssumeRolePolicyDocument=TRUST)
    arn = "arn:aws:iam::123456789012:role/r"
    given = (await world.sts("AssumeRole", dave, RoleArn=arn, RoleSessionName="s1"))["Credentials"]
    await world.iam("PutRolePolicy", RoleName="r", PolicyName="p", PolicyDocument=allow("s3:*"))
    assert len((await world.session(given)).policies) == 1
    await world.iam("DeleteRolePolicy", RoleName="r", PolicyName="p")
    assert (await world.session(given)).policies == ()
    await world.iam("DeleteRole", RoleName="r")
    await world.iam("CreateRole", RoleName="r", AssumeRolePolicyDocument=TRUST)
    await fails("InvalidToken", world.identities.find(given["AccessKeyId"], given["SessionToken"]))


def test_tokens_hold_a_session_and_no_clear_text():
    session = Session(
        access_key_id="ASIA", secret="clear-secret", account_id="1", kind="role", issued_us=1, expires_us=2, tags={"k": "v"}
    )
    tokens = SessionTokens(KEY)
    token = tokens.seal(session)
    assert tokens.open(token) == session
    assert tokens.seal(session) != token
    assert "clear-secret" not in repr(session)
    assert "clear-secret" not in token


async def test_concurrent_changes_of_two_processes_are_all_kept(tmp_path):
    """Each change reads, decides and writes; none of them is lost, no quota is passed."""
    store = EmbeddedStore(str(tmp_path / "meta"), SystemClock(), garbage_grace_seconds=900.0)
    await store.open()
    worlds = [World(store), World(store)]
    iam = worlds[0].iam

    async def both(action, *given):
        calls = [worlds[number % 2].iam(action, **one) for number, one in enumerate(given)]
        return [one for one in await asyncio.gather(*calls, return_exceptions=True) if isinstance(one, dict)]

    try:
        await iam("CreateUser", UserName="dave")
        assert len(await both("CreateUser", *({"UserName": f"u{n}"} for n in range(8)))) == 8
        tags = ({"UserName": "dave", "Tags": [{"Key": f"k{n}", "Value": ""}]} for n in range(8))
        assert len(await both("TagUser", *tags)) == 8
        assert len(await both("CreateAccessKey", *[{"UserName": "dave"}] * 5)) == 2
        assert len((await iam("ListUserTags", UserName="dave"))["Tags"]) == 8
        summary = (await iam("GetAccountSummary"))["SummaryMap"]
        assert summary["Users"] == len((await iam("ListUsers"))["Users"]) == 9
        assert len(await both("CreateGroup", *[{"GroupName": "g"}] * 6)) == 1
    finally:
        await store.close()
        for world in worlds:
            await world.outbound.close()


async def test_no_token_belongs_to_a_declared_key(world):
    given = (await world.sts("GetSessionToken"))["Credentials"]
    await fails("InvalidToken", world.identities.find("AKIAROOTOFALICE00000", given["SessionToken"]))
