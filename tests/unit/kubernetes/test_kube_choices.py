"""Which cluster the tests use, and what is asked of the machine before real nodes start."""

from pathlib import Path

import kube_guard
import pytest
from kube_cgroups import make_groups, remove_groups, require_version_1, set_frozen
from kube_choice import choose_provider
from kube_errors import KubeToolError
from kube_mounts import file_system_of
from kube_tunnel import split_target


def choose(environment=None, *, end_to_end=True, docker=True, kind=True):
    return choose_provider(environment or {}, end_to_end=end_to_end, has_docker=lambda: docker, has_kind=lambda: kind)


def test_the_cluster_of_the_user_comes_first():
    assert choose({"USE_EXISTING_CLUSTER": "true"}) == "existing"
    assert choose({"USE_EXISTING_CLUSTER": " True"}, end_to_end=False) == "existing"
    assert choose({"USE_EXISTING_CLUSTER": "false"}, docker=False) == "harness"


def test_kind_is_for_tests_end_to_end_where_docker_answers():
    assert choose() == "kind"
    assert choose(end_to_end=False) == "harness"
    assert choose(docker=False) == choose(kind=False) == "harness"


def test_docker_is_asked_only_where_that_matters():
    def fail():
        raise AssertionError("asked")

    choose_provider({"USE_EXISTING_CLUSTER": "true"}, end_to_end=True, has_docker=fail, has_kind=fail)
    choose_provider({}, end_to_end=False, has_docker=fail, has_kind=fail)
    choose_provider({}, end_to_end=True, has_docker=fail, has_kind=lambda: False)


def test_the_configuration_of_kind_has_three_labelled_zones():
    text = kube_guard.KIND_CONFIG.read_text()
    assert [line.split(":")[-1].strip() for line in text.splitlines() if "topology.kubernetes.io/zone" in line] == ["a", "b", "c"]
    assert text.count("- role: worker") == 3
    assert "failCgroupV1: false" in text


@pytest.fixture
def groups(tmp_path):
    """Control groups of version 1, as files."""
    for name in ("cpuset", "freezer", "memory"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "cgroup.procs").touch()
    for name, value in (("cpuset.cpus", "0-1\n"), ("cpuset.mems", "0\n")):
        (tmp_path / "cpuset" / name).write_text(value)
    (tmp_path / "unified").mkdir()
    (tmp_path / "unified" / "cgroup.procs").touch()
    return tmp_path


def test_groups_are_made_below_each_controller_and_removed(groups):
    require_version_1(groups)
    make_groups("hub/node-1", groups)
    assert sorted(path.parent.parent.name for path in groups.glob("*/hub/node-1")) == ["cpuset", "freezer", "memory"]
    for name in ("hub", "hub/node-1"):
        assert (groups / "cpuset" / name / "cpuset.cpus").read_text() == "0-1\n"
    set_frozen("hub/node-1", "FROZEN", groups)
    assert (groups / "freezer" / "hub" / "node-1" / "freezer.state").read_text() == "FROZEN"
    set_frozen("hub/gone", "THAWED", groups)
    for path in [path for path in groups.glob("*/hub/**/*") if path.is_file()]:
        path.unlink()  # a real control group is removed with its files
    remove_groups("hub", groups)
    assert list(groups.glob("*/hub")) == []


def test_control_groups_of_version_2_are_refused(groups, tmp_path):
    (groups / "cgroup.controllers").touch()
    with pytest.raises(KubeToolError, match="version 1, not 2: use kind"):
        require_version_1(groups)
    with pytest.raises(KubeToolError, match="version 1"):
        require_version_1(tmp_path / "none")


MOUNTS = """/dev/vda / ext4 rw 0 0
tmpfs /data tmpfs rw 0 0
overlay /data/over\\040there overlay rw 0 0
proc /proc proc rw 0 0
ext /data ext4 rw 0 0
odd
"""


@pytest.mark.parametrize(
    ("path", "kind"),
    [("/x", "ext4"), ("/data/y", "ext4"), ("/data/over there/z", "overlay"), ("/database", "ext4"), ("/proc", "proc")],
)
def test_the_file_system_of_a_path_is_the_last_one_mounted_nearest(path, kind):
    assert file_system_of(Path(path), MOUNTS) == kind
    assert file_system_of(Path(path), "") == ""


def test_targets_of_a_tunnel():
    assert split_target("198.18.0.1:80") == ("198.18.0.1", 80)
    for wrong in ("80", ":80", "h:0", "h:65536", "h:x", "h:"):
        with pytest.raises(ValueError):
            split_target(wrong)
