"""The files of accounts: what they may say, and one line for every mistake."""

import hashlib

import pytest

from dolmen.core.errors import ConfigError
from dolmen.gateway.auth.accounts import ROOT_ACCOUNT_ID, load_accounts, stored_bucket_name

ROOT = 'access_key_id = "rootkey"\nsecret_access_key = "rootsecret"\n'
ALICE = f"""
[[account]]
id = "111111111111"
canonical_id = "{"a1" * 32}"
display_name = "alice"
email = "alice@example.com"
[[account.key]]
access_key_id = "ALICEKEY1"
secret_access_key = "alice/secret+1"
[[account.key]]
access_key_id = "ALICEKEY2"
secret_access_key = "alice/secret+2"
"""
BOB = f"""
[[account]]
id = "222222222222"
canonical_id = "{"b2" * 32}"
display_name = "bob"
email = "bob@example.com"
tenant = "blue"
"""

KEY = """
[[account.key]]
access_key_id = "KEY1"
secret_access_key = "12345678"
"""


@pytest.fixture
def load(tmp_path):
    def read(accounts=None, root=ROOT):
        (tmp_path / "root.toml").write_text(root)
        if accounts is None:
            return load_accounts(tmp_path / "root.toml", None)
        (tmp_path / "accounts.toml").write_text(accounts)
        return load_accounts(tmp_path / "root.toml", tmp_path / "accounts.toml")

    return read


def test_root_alone(load):
    accounts = load()
    account, secret = accounts.find_key("rootkey")
    assert secret == "rootsecret"
    assert account.is_root
    assert (account.account_id, account.display_name, account.tenant) == (ROOT_ACCOUNT_ID, "root", "")
    assert account.canonical_id == hashlib.sha256(b"dolmen/root-account/000000000000").hexdigest()
    assert accounts.by_id(ROOT_ACCOUNT_ID) is account
    assert accounts.all() == (account,)
    assert accounts.find_key("rootsecret") is None
    assert accounts.by_id("1") is None


def test_roots_identity_does_not_depend_on_its_keys(load):
    before = load().by_id(ROOT_ACCOUNT_ID)
    assert load(root='access_key_id = "other"\nsecret_access_key = "otherother"\n').by_id(ROOT_ACCOUNT_ID) == before


def test_declared_accounts(load):
    accounts = load(ALICE + BOB)
    alice, secret = accounts.find_key("ALICEKEY2")
    assert (alice.account_id, alice.email, secret, alice.is_root) == ("111111111111", "alice@example.com", "alice/secret+2", False)
    assert accounts.find_key("ALICEKEY1") == (alice, "alice/secret+1")
    bob = accounts.by_id("222222222222")
    assert (bob.tenant, bob.canonical_id) == ("blue", "b2" * 32)
    assert len(accounts.all()) == 3


def test_buckets_of_tenants_have_a_namespace(load):
    accounts = load(ALICE + BOB)
    alice, bob = accounts.by_id("111111111111"), accounts.by_id("222222222222")
    assert stored_bucket_name(alice, "photos") == "photos"
    assert stored_bucket_name(bob, "photos") == "blue:photos"
    assert stored_bucket_name(alice, "blue:photos") == "blue:photos"
    assert stored_bucket_name(bob, ":photos") == "photos"


def changed(name, value):
    lines = [line for line in BOB.splitlines() if not line.startswith(f"{name} =")]
    return "\n".join(lines) + (f"\n{name} = {value}\n" if value else "\n")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x = 1", "accounts.toml: unknown field 'x'"),
        ("account = 1", "accounts.toml: account: must be an array of tables ([[...]])"),
        ("[account]\nid = 1", "accounts.toml: account: must be an array of tables ([[...]])"),
        ("[[account]", "accounts.toml: Expected"),
        (ALICE + changed("colour", '"red"'), "accounts.toml: account 2: unknown field 'colour'"),
        (changed("id", None), "account 1: id is missing"),
        (changed("email", None), "account 1: email is missing"),
        (changed("id", "222222222222"), "account 1: id must be 12 digits"),
        (changed("id", '"22222222222"'), "account 1: id must be 12 digits"),
        (changed("id", '"22222222222²"'), "account 1: id must be 12 digits"),
        (changed("canonical_id", f'"{"B2" * 32}"'), "canonical_id must be 64 lower-case hexadecimal digits"),
        (changed("canonical_id", '"b2"'), "canonical_id must be 64 lower-case hexadecimal digits"),
        (changed("display_name", '""'), "display_name must be 1 to 128 printable characters"),
        (changed("email", '"bob"'), "email must be an e-mail address"),
        (changed("tenant", '"a:b"'), "tenant must be 1 to 63 lower-case letters, digits and hyphens"),
        (changed("key", "1"), "account 1: key: must be an array of tables ([[...]])"),
        (BOB + KEY.replace('secret_access_key = "12345678"', ""), "account 1, key 1: secret_access_key is missing"),
        (BOB + KEY.replace("KEY1", "KEY/1"), "access_key_id must be 3 to 128 letters"),
        (BOB + KEY.replace("12345678", "SECRETx"), "secret_access_key must be 8 to 256"),
        (BOB + KEY + "x = 1", "account 1, key 1: unknown field 'x'"),
        (BOB + BOB, "account 2: id '222222222222' is already used by"),
        (BOB + BOB.replace("222222222222", "3" * 12), "account 2: canonical_id"),
        (BOB + BOB.replace("2", "3").replace("bob@", "BOB@"), "account 2: email 'bob@example.com' is already used by"),
        (BOB.replace("222222222222", ROOT_ACCOUNT_ID), "account 1: id '000000000000' is already used by"),
        (ALICE.replace("ALICEKEY2", "ALICEKEY1"), "account 1, key 2: access_key_id 'ALICEKEY1' is already used by"),
        (ALICE.replace("ALICEKEY2", "rootkey"), "account 1, key 2: access_key_id 'rootkey' is already used by"),
    ],
)  # fmt: skip
def test_mistakes_in_accounts(load, text, message):
    with pytest.raises(ConfigError) as caught:
        load(text)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
    assert "SECRET" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "root.toml: access_key_id is missing"),
        ('access_key_id = "rootkey"', "root.toml: secret_access_key is missing"),
        (ROOT + "port = 1", "root.toml: unknown field 'port'"),
        ("[[account]]\n", "root.toml: unknown field 'account'"),
    ],
)
def test_mistakes_in_root_keys(load, text, message):
    with pytest.raises(ConfigError) as caught:
        load(root=text)
    assert message in str(caught.value)


def test_files_that_cannot_be_read(tmp_path):
    with pytest.raises(ConfigError, match=r"missing\.toml: No such file or directory"):
        load_accounts(tmp_path / "missing.toml", None)
    with pytest.raises(ConfigError, match="Is a directory"):
        load_accounts(tmp_path, None)
    (tmp_path / "root.toml").write_bytes(b'access_key_id = "\xff"')
    with pytest.raises(ConfigError, match="not UTF-8 at byte 17"):
        load_accounts(tmp_path / "root.toml", None)
