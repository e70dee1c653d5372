"""``dolmen kms --directory DIR``: what a directory of ``dolmen dev`` means to the program; and the line in ``dolmen status``."""

import msgspec
import pytest

from dolmen.cli.dev.home import load_or_create_state
from dolmen.cli.kms import expanded
from dolmen.cli.status import summary_lines
from dolmen.core.cluster_report import ClusterReport, GroupsReport, KeysReport, RepairReport, UnderReplicated
from dolmen.core.errors import ConfigError


@pytest.fixture
def home(tmp_path):
    load_or_create_state(tmp_path, None, None)
    return tmp_path


@pytest.mark.parametrize("form", ["two words", "one word"])
def test_a_directory_stands_for_its_files(home, form):
    option = ["--directory", str(home)] if form == "two words" else [f"--directory={home}"]
    settings = ["--metadata", f"embedded:{home}/metadata/metadata.sqlite", "--encryption-key-file", f"{home}/encryption.key"]
    assert expanded(["rotate", *option, "alpha"], {}) == ["rotate", "alpha", *settings]
    assert expanded([*option, "list"], {}) == ["list", *settings]


@pytest.mark.parametrize(
    ("given", "wanted"),
    [("own.key", "{home}/own.key"), ("/elsewhere/own.key", "/elsewhere/own.key"), ("", "{home}/encryption.key")],
)
def test_a_keyring_of_the_operator_s_own(home, given, wanted):
    found = expanded(["list", "--directory", str(home)], {"DOLMEN_ENCRYPTION_KEY_FILE": given})
    assert found[-1] == wanted.format(home=home)


def test_without_it_nothing_is_changed():
    assert expanded(["list", "--metadata", "embedded:x"], {}) == ["list", "--metadata", "embedded:x"]


def test_without_an_action_there_is_nothing_to_expand(home):
    assert expanded(["--directory", str(home)], {}) == []


@pytest.mark.parametrize("arguments", [["--directory"], ["--directory="], ["--directory", "nowhere"]])
def test_bad_directories(arguments, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match="dolmen dev"):
        expanded(["list", *arguments], {})


REPORT = ClusterReport(
    cluster_id="c", epoch=1, scheme="4+2", leader=True, disks=(), groups=GroupsReport(1, 1, 0),
    under_replicated=UnderReplicated(0, True), repair=RepairReport(0, ()), garbage_notes=0,
)  # fmt: skip


@pytest.mark.parametrize(
    ("keys", "line"),
    [
        (None, None),
        (KeysReport(True, 0, 0, 0, 0), None),
        (KeysReport(False, 0, 0, 0, 0), "being wrapped anew: 0 versions seen, 0 wrapped anew"),
        (KeysReport(True, 3, 12_000, 1_000, 0), "current: 12,000 versions seen, 1,000 wrapped anew"),
        (KeysReport(True, 3, 12_000, 1_000, 7), "current: 12,000 versions seen, 1,000 wrapped anew, 7 left as they are"),
    ],
)
def test_the_line_of_the_status(keys, line):
    found = [each for each in summary_lines(msgspec.structs.replace(REPORT, keys=keys)) if each.startswith("sealed keys")]
    assert found == ([] if line is None else [f"sealed keys       {line}"])
