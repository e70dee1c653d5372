"""The directory of ``dolmen dev``."""

import stat

import pytest

from dolmen.cli.dev import home
from dolmen.cli.dev.home import InUse, RootKeys, keys_toml, load_or_create_state, lock_directory, prepare, root_keys
from dolmen.cli.dev.options import Scheme
from dolmen.core.errors import ConfigError

GIVEN = {"DOLMEN_ROOT_ACCESS_KEY_ID": "GIVENKEY", "DOLMEN_ROOT_SECRET_ACCESS_KEY": 'se"cret\\'}


def mode_of(path):
    return stat.S_IMODE(path.stat().st_mode)


def test_keys_are_made_once_and_only_their_owner_reads_them(tmp_path):
    first = root_keys(tmp_path, {})
    assert (len(first.access_key_id), len(first.secret_access_key), first.generated) == (20, 40, True)
    assert mode_of(tmp_path / "root-keys.toml") == 0o600
    assert root_keys(tmp_path, {}) == first


def test_keys_of_the_environment_win_and_are_not_stored(tmp_path):
    kept = root_keys(tmp_path, {})
    given = root_keys(tmp_path, GIVEN)
    assert given == RootKeys("GIVENKEY", 'se"cret\\', generated=False)
    assert "GIVENKEY" not in (tmp_path / "root-keys.toml").read_text()
    assert root_keys(tmp_path, {}) == kept


def test_any_key_survives_the_file_for_the_gateways(tmp_path):
    written = keys_toml(root_keys(tmp_path, GIVEN))
    (tmp_path / "root-keys.toml").write_bytes(written)
    assert root_keys(tmp_path, {}).secret_access_key == 'se"cret\\'


def test_half_a_key_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="set both"):
        root_keys(tmp_path, {"DOLMEN_ROOT_ACCESS_KEY_ID": "A"})


def test_a_directory_keeps_its_shape(tmp_path):
    first = load_or_create_state(tmp_path, None, None)
    assert (first.disks, first.scheme, len(first.cluster_id)) == (6, "4+2", 32)
    assert load_or_create_state(tmp_path, None, None) == first
    assert load_or_create_state(tmp_path, 6, Scheme(4, 2)) == first
    with pytest.raises(ConfigError, match="made with 6 disks"):
        load_or_create_state(tmp_path, 8, None)
    with pytest.raises(ConfigError, match=r"made with 4\+2"):
        load_or_create_state(tmp_path, None, Scheme(3, 3))


def test_an_unreadable_state_is_not_overwritten(tmp_path):
    (tmp_path / "dolmen.json").write_text("{")
    with pytest.raises(ConfigError, match=r"cannot read .*dolmen\.json"):
        load_or_create_state(tmp_path, None, None)
    assert (tmp_path / "dolmen.json").read_text() == "{"


def test_one_supervisor_for_a_directory(tmp_path, monkeypatch):
    monkeypatch.setattr(home, "LOCK_WAIT_SECONDS", 0.0)
    held = lock_directory(tmp_path / "data")
    with pytest.raises(InUse, match="in use by another"):
        lock_directory(tmp_path / "data")
    home.os.close(held)
    home.os.close(lock_directory(tmp_path / "data"))


def test_a_file_in_the_way_is_told(tmp_path):
    (tmp_path / "data").write_text("")
    with pytest.raises(ConfigError, match="cannot use"):
        lock_directory(tmp_path / "data")


def test_the_cluster_key_is_made_once(tmp_path):
    prepare(tmp_path)
    key = (tmp_path / "cluster.key").read_bytes()
    assert mode_of(tmp_path / "cluster.key") == 0o600
    (tmp_path / "run" / "left.sock").write_text("")
    prepare(tmp_path)
    assert (tmp_path / "cluster.key").read_bytes() == key
    assert list((tmp_path / "run").iterdir()) == [], "nothing of the last run is left"
