"""``dolmen metadata``: which program an action is, and what a directory of ``dolmen dev`` means to it."""

import pytest

from dolmen.cli.dev.home import load_or_create_state
from dolmen.cli.metadata import MODULE, REBUILD_MODULE, expanded
from dolmen.core.errors import ConfigError


@pytest.fixture
def home(tmp_path):
    load_or_create_state(tmp_path, None, None)
    return tmp_path


@pytest.mark.parametrize("form", ["two words", "one word"])
def test_a_directory_stands_for_its_metadata(home, form):
    option = ["--directory", str(home)] if form == "two words" else [f"--directory={home}"]
    file = f"embedded:{home}/metadata/metadata.sqlite"
    assert expanded(["check", *option, "bucket"], {}) == (MODULE, ["check", "bucket", "--metadata", file])
    assert expanded(["copy", "--to", "x", *option], {}) == (MODULE, ["copy", "--to", "x", "--from", file])


def test_a_directory_may_have_its_metadata_in_a_cluster(tmp_path):
    load_or_create_state(tmp_path, None, None, "cassandra://a,b/k")
    assert expanded(["check", "--directory", str(tmp_path)], {})[1][-1] == "cassandra://a,b/k"


def test_without_it_nothing_is_changed():
    assert expanded(["check", "--metadata", "embedded:x"], {}) == (MODULE, ["check", "--metadata", "embedded:x"])
    assert expanded([], {}) == (MODULE, [])
    assert expanded(["rebuild", "--write"], {}) == (REBUILD_MODULE, ["--write"])


def test_a_rebuild_is_told_of_everything_that_it_reads(home):
    (home / "run").mkdir()
    with pytest.raises(ConfigError, match=r"no datanode of .* runs"):
        expanded(["rebuild", "--directory", str(home)], {})
    for number in (1, 0):
        (home / f"run/datanode-{number}.sock").touch()
    module, words = expanded(["rebuild", "--write", "--directory", str(home)], {"DOLMEN_ENCRYPTION_KEY_FILE": "own.key"})
    told = dict(zip(words[1::2], words[2::2], strict=True))
    assert (module, words[0]) == (REBUILD_MODULE, "--write")
    assert told.pop("--cluster-id") == load_or_create_state(home, None, None).cluster_id
    assert told == {
        "--metadata": f"embedded:{home}/metadata/metadata.sqlite",
        "--cluster-key-file": f"{home}/cluster.key",
        "--encryption-key-file": f"{home}/own.key",
        "--datanode": f"unix:{home}/run/datanode-1.sock",
    }
    assert f"unix:{home}/run/datanode-0.sock" in words


@pytest.mark.parametrize("arguments", [["--directory"], ["--directory="], ["--directory", "nowhere"]])
@pytest.mark.parametrize("action", ["check", "rebuild"])
def test_bad_directories(action, arguments, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match="dolmen dev"):
        expanded([action, *arguments], {})
