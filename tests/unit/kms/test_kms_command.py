"""``dolmen kms`` on a metadata file of its own: actions, the keyring's file, exit codes, one-line errors, progress."""

import asyncio
import io
import json
import os
import re
import stat

import pytest

from dolmen.core.clock import SystemClock
from dolmen.core.errors import ConfigError, Unavailable
from dolmen.core.layout import ObjectLayout
from dolmen.gateway.kms import keyring_change
from dolmen.gateway.kms.actions import (
    StillNeeded,
    drop_old_cluster_keys,
    prepare_cluster_key,
    rewrap,
    rotate_cluster_key,
)
from dolmen.gateway.kms.command import main
from dolmen.gateway.kms.duty import KeyDuty, Pass
from dolmen.gateway.kms.keyring import KeyringFile, KeyringLacksKey, new_keyring, parse_keyring, read_keyring
from dolmen.gateway.kms.keyring_change import changing
from dolmen.gateway.kms.local import LocalKeys
from dolmen.gateway.kms.present import Progress, table
from dolmen.gateway.kms.sealed_keys import new_sealing, open_sealing
from dolmen.gateway.kms.service import KmsKeyDisabled, ensure_keys
from dolmen.gateway.metadata.embedded.store import EmbeddedStore
from dolmen.gateway.metadata.records import NO_CONDITION, Attributes, BucketRecord, MutablePart, NewVersion
from dolmen.gateway.metadata.store import DocumentChanged

BUCKET = BucketRecord(name="b", bucket_id=bytes(16), owner="1" * 12, region="r", created_us=1)


@pytest.fixture(autouse=True)
def no_environment(monkeypatch):
    monkeypatch.setattr("dolmen.gateway.kms.command.configure", lambda *_: None)  # of the log of this whole process
    for name in [name for name in os.environ if name.startswith("DOLMEN_")]:
        monkeypatch.delenv(name)


@pytest.fixture
def place(tmp_path, keyring_file):
    """The command line's end: a metadata file with nothing in it, and the keyring."""
    path = tmp_path / "metadata.sqlite"

    async def make():
        made = EmbeddedStore(str(path), SystemClock(), garbage_grace_seconds=1)
        await made.open()
        await made.close()

    asyncio.run(make())
    keyring_file.chmod(0o600)
    return ["--metadata", f"embedded:{path}", "--encryption-key-file", str(keyring_file)]


@pytest.fixture
def kms(place, capsys):
    """``kms("rotate", "alpha")`` -> (exit code, standard output, standard error)."""

    def run(*arguments):
        code = main([*arguments, *place])
        told = capsys.readouterr()
        return code, told.out, told.err

    return run


def listed(kms):
    code, out, err = kms("list", "--output", "json")
    assert (code, err) == (0, "")
    return json.loads(out)


def test_the_life_of_a_named_key(kms):
    assert kms("list") == (0, "no keys yet: they are made when first used, or by `dolmen kms create NAME`\n", "")
    assert kms("create", "alpha") == (0, "key alpha is there\n", "")
    code, out, _ = kms("rotate", "alpha")
    assert (code, out.splitlines()[0]) == (0, "key alpha has version 2; every process knows within 5 s")
    assert kms("disable", "alpha")[1].startswith("key alpha is disabled")
    found = listed(kms)
    assert found["service"] == "local"
    (key,) = found["keys"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", key.pop("created"))
    assert key == {"name": "alpha", "version": 2, "enabled": False}
    assert found["cluster_keys"] == [{"id": "key-1", "state": "current", "wraps": 2}]
    code, out, _ = kms("list")
    assert code == 0
    rows = [line.split() for line in out.splitlines()]
    assert (rows[0], rows[1][:3]) == (["key", "version", "state", "created"], ["alpha", "2", "disabled"])
    assert rows[2:] == [[], ["cluster", "key", "state", "wraps"], ["key-1", "current", "2"]]
    assert json.loads(kms("enable", "alpha", "--output", "json")[1]) == {"name": "alpha", "version": 2, "enabled": True}


REFUSED = {
    "a key that is there": (("create", "alpha"), 1, "there is a key alpha already"),
    "no such key": (("rotate", "beta"), 1, "there is no key beta"),
    "disabling nothing": (("disable", "beta"), 1, "there is no key beta"),
    "no name of a key": (("create", "a/b"), 2, "no name of a key"),
    "no name at all": (("rotate",), 2, "required: NAME"),
    "an unknown action": (("melt", "alpha"), 2, "invalid choice: 'melt'"),
    "two ways at once": (("rotate-cluster-key", "--prepare", "--drop-old"), 2, "not allowed with"),
    "another option": (("list", "--colour", "red"), 2, "--colour"),
    "another form": (("list", "--output", "poem"), 2, "poem"),
    "a prepared key that is not there": (("rotate-cluster-key", "--use", "key-9"), 2, "no key 'key-9'"),
}


@pytest.mark.parametrize(("arguments", "code", "text"), REFUSED.values(), ids=REFUSED.keys())
def test_refusals_are_one_line(kms, arguments, code, text, keyring_file):
    kms("create", "alpha")
    before = keyring_file.read_text()
    found, out, err = kms(*arguments)
    assert (found, out) == (code, "")
    assert re.fullmatch(r"dolmen kms[^\n]*: [^\n]+\n", err)
    assert text in err
    assert keyring_file.read_text() == before
    assert [key["version"] for key in listed(kms)["keys"]] == [1]


def test_what_is_missing_is_told_and_not_made(tmp_path, capsys, keyring_file):
    nowhere = tmp_path / "none.sqlite"
    ring = ["--encryption-key-file", str(keyring_file)]
    for arguments, text in (
        (["list", "--metadata", f"embedded:{nowhere}", *ring], "there is no metadata file"),
        (["list", "--metadata", "postgres:x", *ring], "embedded:PATH"),
        (["list", *ring], "--metadata (or DOLMEN_METADATA) is required"),
        (["list", "--metadata", f"embedded:{keyring_file}"], "--encryption-key-file (or DOLMEN_ENCRYPTION_KEY_FILE)"),
        (["list", "--metadata", f"embedded:{keyring_file}", *ring], "cannot be used"),
        (["list", "--metadata", f"embedded:{keyring_file}", "--encryption-key-file", str(nowhere)], "No such file"),
    ):
        assert main(arguments) == 2
        told = capsys.readouterr()
        assert (told.out, told.err.count("\n")) == ("", 1)
        assert text in told.err
    assert not nowhere.exists()


def test_help_names_every_action(capsys):
    with pytest.raises(SystemExit) as ended:
        main(["--help"])
    assert ended.value.code == 0
    told = capsys.readouterr().out
    for action in ("list", "create", "rotate", "enable", "disable", "rewrap", "rotate-cluster-key", "--directory"):
        assert action in told
    with pytest.raises(SystemExit):
        main(["rotate", "--help"])
    assert "--encryption-key-file" in capsys.readouterr().out


# ---- the keyring's file --------------------------------------------------------------------------------------------

def test_a_cluster_key_is_rotated_and_the_old_one_dropped(kms, keyring_file):
    old = keyring_file.read_text()
    kms("create", "alpha")
    kms("rotate", "alpha")
    keyring_file.chmod(0o644)
    inode = keyring_file.stat().st_ino
    code, out, err = kms("rotate-cluster-key", "--output", "json")
    assert (code, err) == (0, "")
    assert json.loads(out) == {
        "file": str(keyring_file), "current": "key-2", "added": "key-2", "dropped": [], "rewrapped": 2,
    }
    assert keyring_file.read_text().splitlines()[1:] == old.splitlines(), "the old key stays"
    assert stat.S_IMODE(keyring_file.stat().st_mode) == 0o640, "what others could read they cannot any more"
    assert keyring_file.stat().st_ino != inode, "replaced, not overwritten"
    assert [(one["id"], one["wraps"]) for one in listed(kms)["cluster_keys"]] == [("key-2", 2), ("key-1", 0)]
    code, out, _ = kms("rotate-cluster-key", "--drop-old")
    assert (code, out.splitlines()[0]) == (0, f"removed from {keyring_file}: key-1")
    assert list(read_keyring(keyring_file).keys) == ["key-2"]
    assert kms("rotate", "alpha")[0] == 0
    assert kms("rotate-cluster-key", "--drop-old")[1].endswith("there is nothing to remove\n")
    assert [path.name for path in keyring_file.parent.glob(".*")] == [], "no scratch file is left"


def test_the_text_tells_what_to_do_elsewhere(kms):
    told = " ".join(kms("rotate-cluster-key")[1].split())
    assert "every other host" in told
    assert "rotate-cluster-key --drop-old" in told


def test_several_hosts_get_the_key_before_it_wraps(kms, keyring_file):
    kms("create", "alpha")
    code, out, _ = kms("rotate-cluster-key", "--prepare")
    assert code == 0
    assert "dolmen kms rotate-cluster-key --use key-2" in out
    assert list(read_keyring(keyring_file).keys) == ["key-1", "key-2"]
    assert [(one["wraps"], one["state"]) for one in listed(kms)["cluster_keys"]] == [(1, "current"), (0, "prepared")]
    assert kms("rotate-cluster-key", "--drop-old")[1].endswith("there is nothing to remove\n"), "a prepared key stays"
    assert kms("rotate-cluster-key", "--use", "key-2")[0] == 0
    assert list(read_keyring(keyring_file).keys) == ["key-2", "key-1"]
    assert [(one["wraps"], one["state"]) for one in listed(kms)["cluster_keys"]] == [(1, "current"), (0, "old")]


async def test_an_old_key_that_wraps_something_is_not_dropped(store, local, keyring_file, clock):
    await local.create("alpha")
    prepare_cluster_key(keyring_file)
    with changing(keyring_file) as file:
        ring = parse_keyring(file.text, "x")
        file.replace("\n".join(reversed(file.text.splitlines())))
    before = keyring_file.read_text()
    assert list(ring.keys) == ["key-1", "key-2"]
    with pytest.raises(StillNeeded, match=r"key-1 \(1\)"):
        await drop_old_cluster_keys(store, clock, keyring_file)
    assert keyring_file.read_text() == before
    await local.rewrap()
    assert (await drop_old_cluster_keys(store, clock, keyring_file)).dropped == ["key-1"]


async def test_a_key_that_is_wrapped_by_a_process_with_an_older_file_keeps_the_old_key(
    store, local, keyring_file, clock, tmp_path, monkeypatch
):
    stale = tmp_path / "another-host.key"
    stale.write_text(keyring_file.read_text())
    elsewhere = LocalKeys(store, KeyringFile(stale), clock)
    await rotate_cluster_key(store, clock, keyring_file)
    before = keyring_file.read_text()
    real = LocalKeys.wrapped_by
    calls = 0

    async def counted(self):
        nonlocal calls
        calls += 1
        if calls == 2:
            await elsewhere.create("late")
        return await real(self)

    monkeypatch.setattr(LocalKeys, "wrapped_by", counted)
    with pytest.raises(StillNeeded):
        await drop_old_cluster_keys(store, clock, keyring_file)
    assert keyring_file.read_text() == before, "it is there again"


async def test_no_rotation_with_a_keyring_that_lacks_a_key(store, local, keyring_file, clock):
    await local.create("alpha")
    other = new_keyring().replace("key-1", "other")
    keyring_file.write_text(other)
    with pytest.raises(KeyringLacksKey, match="key-1"):
        await rotate_cluster_key(store, clock, keyring_file)
    assert keyring_file.read_text() == other


def test_one_process_at_a_time_changes_the_file(keyring_file):
    with changing(keyring_file), pytest.raises(Unavailable, match="another process"), changing(keyring_file):
        pass
    with changing(keyring_file) as file:
        file.replace(file.text)
    with changing(keyring_file):
        pass


def test_a_link_stays_a_link_and_comments_stay(tmp_path, keyring_file):
    keyring_file.write_text("# of the tests\n" + keyring_file.read_text())
    link = tmp_path / "link"
    link.symlink_to(keyring_file)
    prepare_cluster_key(link)
    assert link.is_symlink()
    assert keyring_file.read_text().startswith("# of the tests\n")
    assert len(read_keyring(link).keys) == 2


def test_a_file_that_cannot_be_replaced_is_as_it_was(keyring_file, monkeypatch):
    before = keyring_file.read_text()

    def refuse(*_, **__):
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(keyring_change, "write_durably", refuse)
    with pytest.raises(ConfigError, match="Read-only file system"):
        prepare_cluster_key(keyring_file)
    assert keyring_file.read_text() == before


def test_no_more_keys_than_a_keyring_may_have(keyring_file):
    for _ in range(63):
        prepare_cluster_key(keyring_file)
    before = keyring_file.read_text()
    with pytest.raises(ConfigError, match="65 keys"):
        prepare_cluster_key(keyring_file)
    assert keyring_file.read_text() == before


# ---- rewrap --------------------------------------------------------------------------------------------------------

async def put(store, local, key, name="alpha"):
    encryption, keys = await new_sealing(local, BUCKET, "aws:kms", name)
    version = NewVersion(
        size=1, etag="e", owner="1" * 12, attributes=Attributes(), layout=ObjectLayout(),
        mutable=MutablePart(encryption=encryption),
    )
    await store.commit(await store.begin(BUCKET, key), version, NO_CONDITION)
    return keys


@pytest.fixture
async def objects(store, local):
    await store.create_bucket(BUCKET)
    await ensure_keys(local, ("alpha", "beta"))
    return {b"%d" % number: await put(store, local, b"%d" % number) for number in range(7)}


@pytest.fixture
def quick(monkeypatch):
    for name in ("SETTLE_POLL_SECONDS", "TURN_SECONDS", "LOOK_SECONDS"):
        monkeypatch.setattr(f"dolmen.gateway.kms.actions.{name}", 0.001)


def silent(*_):
    pass


async def test_rewrap_waits_for_the_gateways_and_looks_at_everything(store, local, objects, clock, quick):
    await local.rotate("alpha")
    waited = []

    def told(state, buckets, seconds):
        if state is not None and not state.done:
            waited.append((buckets, round(seconds)))
            clock.seconds += 11

    done = await rewrap(store, local, clock, told)
    assert (done.seen, done.rewrapped, done.left, done.buckets) == (7, 7, 0, 1)
    assert waited[0] == (1, 10)
    for key, keys in objects.items():
        record = await store.get_version(BUCKET.bucket_id, key)
        assert record.mutable.encryption.key_version == 2
        assert (await open_sealing(local, BUCKET, record.mutable.encryption)).layers == keys.layers


async def test_rewrap_goes_over_everything_again_when_asked(store, local, objects, clock, quick):
    assert (await rewrap(store, local, clock, silent)).seen == 7
    await put(store, local, b"beta", "beta")
    await local.rotate("beta")
    await local.set_enabled("beta", enabled=False)
    duty = KeyDuty(store, local, clock)
    await duty.step()
    clock.seconds += 11
    assert (await duty.step()).left == 1
    await local.set_enabled("beta", enabled=True)
    done = await rewrap(store, local, clock, silent)
    assert (done.rewrapped, done.left) == (1, 0)


async def test_rewrap_beside_maintenance(store, local, objects, clock, quick, monkeypatch):
    """Its first saves are refused: the other process was there before."""
    refusals = 3
    real = store.write_documents

    async def refusing(space, changes):
        nonlocal refusals
        if changes[0].kind == "rewrap" and refusals:
            refusals -= 1
            raise DocumentChanged("rewrap", "pass")
        await real(space, changes)

    monkeypatch.setattr(store, "write_documents", refusing)
    assert (await rewrap(store, local, clock, silent)).seen == 7
    assert refusals == 0


async def test_a_disabled_key_does_neither(store, local, objects):
    await local.set_enabled("alpha", enabled=False)
    with pytest.raises(KmsKeyDisabled):
        await put(store, local, b"new")


# ---- what is shown -------------------------------------------------------------------------------------------------

class Terminal(io.StringIO):
    def isatty(self):
        return True


STATE = Pass(service="local", versions={}, noticed_us=0, bucket="b", buckets=3, seen=12_000, rewrapped=5)


def test_progress_is_a_bar_on_a_terminal():
    out = Terminal()
    progress = Progress(out)
    progress.show(None, 6, 0)
    progress.show(STATE, 6, 0)
    assert "[" + 15 * "#" + 15 * "." + "] 3 of 6 buckets, 12,000 versions seen, 5 wrapped anew" in out.getvalue()
    progress.close()
    assert out.getvalue().endswith("\r\x1b[K")
    assert "\n" not in out.getvalue()


def test_progress_is_lines_elsewhere():
    out = io.StringIO()
    progress = Progress(out)
    for _ in range(3):
        progress.show(STATE, 6, 7.6)
    progress.close()
    assert out.getvalue() == "begins in 8 s, when every gateway seals with the new version\n"


def test_columns():
    assert table(("key", "version"), [("a", 1), ("long", 12_345)]) == ["key   version", "a           1", "long   12,345"]
