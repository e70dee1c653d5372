"""The cluster's encryption keys: the file, wrapping, rotation, what a broken file says (and does not say)."""

import base64
import os

import pytest

from dolmen.core.errors import ConfigError, Corruption
from dolmen.gateway.kms.envelope import ENVELOPE_BYTES, WrongKey, enclose, unclose
from dolmen.gateway.kms.keyring import (
    KeyringFile,
    KeyringLacksKey,
    new_keyring,
    new_line,
    parse_keyring,
    read_keyring,
    rotated,
)

KEY = base64.b64encode(bytes(range(32))).decode()


def test_a_new_keyring_has_one_random_key():
    first, second = parse_keyring(new_keyring(), "x"), parse_keyring(new_keyring(), "x")
    assert first.current_id == "key-1"
    assert first.keys["key-1"] != second.keys["key-1"]
    assert len(first.keys["key-1"]) == 32


def test_rotation_puts_a_fresh_key_first_and_keeps_the_rest():
    text = new_keyring()
    before = parse_keyring(text, "x")
    wrapped = before.wrap(b"k" * 32, b"bound")
    after = parse_keyring(rotated(rotated(text)), "x")
    assert list(after.keys) == ["key-3", "key-2", "key-1"]
    assert after.unwrap(wrapped, b"bound") == b"k" * 32
    assert after.wrap(b"k" * 32, b"bound").startswith(b"key-3:")


def test_comments_and_ids_of_ones_own():
    ring = parse_keyring(f"# of 2026\n\n  ops.2026_01:{KEY}  \n{new_line('old')}\n", "x")
    assert list(ring.keys) == ["ops.2026_01", "old"]
    assert ring.keys["ops.2026_01"] == bytes(range(32))
    assert list(parse_keyring(rotated(f"ops:{KEY}\n"), "x").keys) == ["key-2", "ops"]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "has 0 keys"),
        ("# nothing\n", "has 0 keys"),
        (KEY, "line 1: not of the form"),
        (f"a:{KEY}\nb:{KEY[:-4]}=\n", "line 2: not of the form"),
        (f"a:{base64.b64encode(bytes(31)).decode()}", "not of the form"),
        (f"a b:{KEY}", "not of the form"),
        (f"a:{KEY}\na:{KEY}\n", "line 2: the id 'a' is there twice"),
        ("\n".join(f"k{number}:{KEY}" for number in range(65)), "has 65 keys"),
    ],
)
def test_what_is_no_keyring(text, told):
    with pytest.raises(ConfigError) as caught:
        parse_keyring(text, "the file")
    assert told in str(caught.value)
    assert KEY[:20] not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_files_that_cannot_be_read(tmp_path):
    with pytest.raises(ConfigError, match="No such file"):
        read_keyring(tmp_path / "none")
    (tmp_path / "large").write_bytes(b"#" * 100_000)
    with pytest.raises(ConfigError, match="longer than"):
        read_keyring(tmp_path / "large")
    with pytest.raises(ConfigError):
        new_line("no:colon")


def test_an_unknown_or_changed_wrapping():
    ring = parse_keyring(new_keyring(), "x")
    wrapped = ring.wrap(b"k" * 32, b"bound")
    with pytest.raises(KeyringLacksKey, match="no key 'key-1'"):
        parse_keyring(f"other:{KEY}", "x").unwrap(wrapped, b"bound")
    with pytest.raises(Corruption):
        parse_keyring(f"key-1:{KEY}", "x").unwrap(wrapped, b"bound")
    with pytest.raises(Corruption):
        ring.unwrap(wrapped, b"bound to something else")
    with pytest.raises(KeyringLacksKey):
        ring.unwrap(b"\xff\xfe", b"bound")


def test_every_flipped_bit_of_an_envelope_is_seen():
    outer, inner = os.urandom(32), os.urandom(32)
    envelope = bytearray(enclose(outer, inner, b"bound"))
    assert len(envelope) == ENVELOPE_BYTES
    assert unclose(outer, bytes(envelope), b"bound") == inner
    for at in range(len(envelope)):
        for bit in range(8):
            envelope[at] ^= 1 << bit
            with pytest.raises(WrongKey):
                unclose(outer, bytes(envelope), b"bound")
            envelope[at] ^= 1 << bit
    for length in range(len(envelope)):
        with pytest.raises(WrongKey):
            unclose(outer, bytes(envelope[:length]), b"bound")
    for other, bound in ((os.urandom(32), b"bound"), (outer, b"")):
        with pytest.raises(WrongKey):
            unclose(other, bytes(envelope), bound)
    assert enclose(outer, inner, b"") != enclose(outer, inner, b"")


def test_a_file_that_is_replaced_under_a_running_process(keyring_file):
    ring = KeyringFile(keyring_file)
    old = ring.wrap(b"k" * 32, b"")
    keyring_file.write_text(rotated(keyring_file.read_text()))
    new = ring.wrap(b"k" * 32, b"")
    assert (old[:6], new[:6]) == (b"key-1:", b"key-2:")
    assert ring.wrapped_by_current(new)
    assert not ring.wrapped_by_current(old)
    other = KeyringFile(keyring_file)
    keyring_file.write_text(rotated(keyring_file.read_text()))
    newest = ring.wrap(b"k" * 32, b"")
    assert other.unwrap(newest, b"") == b"k" * 32, "it looks again for a key that it does not know"
    keyring_file.write_text("broken")
    with pytest.raises(KeyringLacksKey):
        other.wrap(b"k" * 32, b"")
    assert other.unwrap(newest, b"") == b"k" * 32, "what it knows stays"


def test_keys_are_not_shown(keyring_file):
    ring = read_keyring(keyring_file)
    assert repr(ring.keys["key-1"]) not in repr(ring)
