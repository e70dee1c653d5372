"""Which programs are compiled when, by a stand-in for Go: each once, and again when what it is made of changes; whole or not."""

from pathlib import Path

import kube_binaries
import pytest
from kube_binaries import (
    LEVELS,
    binary,
    find_binaries,
    is_built,
    kubernetes_version,
    link_flags,
    module_version,
    names_of,
    stamp_of,
    version_directory,
)
from kube_build import (
    EXPECTED_SECONDS,
    GO_MINIMUM,
    STAGE_PATTERNS,
    build,
    compile_command,
    first_complaint,
    go_environment,
    go_version_of,
    join_stages,
)
from kube_errors import KubeToolError, WrongUse

# Notes its words; makes the file after -o, or the program of `go install` in GOBIN; ends as the test says.
GO = """#!/bin/sh
case "$1" in
env) echo {version}; exit 0;;
mod) echo '{{"Dir": "{modules}"}}'; exit 0;;
esac
echo "$*" >> {calls}
echo "go: downloading something"
{act}
out=
while [ $# -gt 0 ]; do [ "$1" = -o ] && out=$2; last=$1; shift; done
[ -n "$out" ] || {{ name=${{last##*/}}; mkdir -p "$GOBIN"; out=$GOBIN/${{name%@*}}; }}
echo made > "$out"
"""


@pytest.fixture
def go(tmp_path, monkeypatch):
    """``go(act="", version=...)``: the Go on PATH from now on; ``go.calls()``: what it was asked to compile."""
    modules = tmp_path / "modules" / "kustomize" / "stage"
    for pattern in STAGE_PATTERNS:
        path = modules / pattern.replace("*", "-x")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"kind: {path.parent}\n")
    calls = tmp_path / "calls"
    monkeypatch.setenv("DOLMEN_KUBERNETES_CACHE", str(tmp_path / "cache" / "kube"))
    monkeypatch.delenv("KUBEBUILDER_ASSETS", raising=False)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/usr/bin:/bin")

    def make(act="", version="go1.26.8"):
        program = tmp_path / "bin" / "go"
        program.parent.mkdir(exist_ok=True)
        program.write_text(GO.format(version=version, modules=tmp_path / "modules", calls=calls, act=act))
        program.chmod(0o755)

    make.calls = lambda: calls.read_text().splitlines() if calls.exists() else []
    make()
    return make


def test_what_is_compiled_is_not_compiled_again(go):
    place = build(["etcd", "kube-scheduler"], jobs=2)
    assert sorted(path.name for path in place.iterdir()) == ["etcd", "kube-scheduler"]
    assert [call.split()[:3] for call in go.calls()] == [["build", "-p", "2"], ["build", "-p", "2"]]
    build(["etcd", "kubectl"], jobs=2)
    assert [call.split()[-1] for call in go.calls()] == [
        *("go.etcd.io/etcd/server/v3", "k8s.io/kubernetes/cmd/kube-scheduler", "k8s.io/kubernetes/cmd/kubectl"),
    ]
    assert find_binaries(["etcd", "kubectl"]) == {"etcd": place / "etcd", "kubectl": place / "kubectl"}


def test_a_build_that_fails_goes_on_where_it_was(go, capsys):
    go(act='case "$*" in *scheduler*) echo "# k8s.io/x"; echo "x.go:1: no such thing"; exit 1;; esac')
    told = r"\[2/3\] kube-scheduler did not compile: x.go:1: no such thing; see .*kube-scheduler.log$"
    with pytest.raises(KubeToolError, match=told):
        build(["etcd", "kube-scheduler", "kubectl"], jobs=1)
    assert (is_built("etcd"), is_built("kube-scheduler"), is_built("kubectl")) == (True, False, False)
    go()
    build(["etcd", "kube-scheduler", "kubectl"], jobs=1)
    assert len(go.calls()) == 4  # etcd once, the scheduler twice, kubectl once
    told = capsys.readouterr()
    assert told.out == ""
    assert "[1/3] etcd: already there" in told.err
    assert "[2/3] kube-scheduler: compiled in 0 s" in told.err


def test_a_failed_build_of_something_newer_leaves_what_was_there(go, monkeypatch):
    build(["etcd"], jobs=1)
    with monkeypatch.context() as newer:
        newer.setattr(kube_binaries, "GO_FLAGS", ("-trimpath",))
        go(act="exit 1")
        with pytest.raises(KubeToolError, match="did not compile"):
            build(["etcd"], jobs=1)
        assert not is_built("etcd")
    assert is_built("etcd")


def test_kwok_is_kept_with_what_it_plays(go):
    place = build(["kwok"], jobs=1)
    assert (place / "kwok-stages.yaml").read_text().count("---\nkind: ") == len(STAGE_PATTERNS)
    assert go.calls()[0].endswith("sigs.k8s.io/kwok/cmd/kwok@v0.8.0")
    (place / "kwok-stages.yaml").unlink()
    assert not is_built("kwok")


def test_stages_that_are_missing_are_told(tmp_path):
    with pytest.raises(KubeToolError, match=r"kwok's module has no node/fast/node\*.yaml"):
        join_stages(tmp_path)


def test_a_go_that_is_too_old_is_told_before_anything_is_compiled(go):
    go(version="go1.25.9")
    with pytest.raises(KubeToolError, match=r"Go 1.26 or newer is needed.*is go1.25.9"):
        build(["etcd"], jobs=1)
    assert go.calls() == []


def test_cached_programs_need_no_go(go, monkeypatch):
    build(["etcd"], jobs=1)
    monkeypatch.setenv("PATH", "/nonexistent")
    build(["etcd"], jobs=1)
    assert list(find_binaries(["etcd"])) == ["etcd"]


def test_a_stamp_changes_with_what_a_program_is_made_of(tmp_path, monkeypatch):
    before = {name: stamp_of(binary(name)) for name in LEVELS["all"]}
    assert len(set(before.values())) == len(before)
    copy = tmp_path / "go"
    (copy / "pause").mkdir(parents=True)
    for name in ("go.mod", "go.sum", "pause/main.go"):
        (copy / name).write_bytes((kube_binaries.GO_MODULE / name).read_bytes())
    monkeypatch.setattr(kube_binaries, "GO_MODULE", copy)
    assert {name: stamp_of(binary(name)) for name in LEVELS["all"]} == before  # not with the checkout

    def changed():
        return {name for name in LEVELS["all"] if stamp_of(binary(name)) != before[name]}

    (copy / "pause" / "main.go").write_text("package main\n")
    assert changed() == {"pause"}
    (copy / "go.sum").write_text("")
    assert changed() == set(LEVELS["c"])
    monkeypatch.setattr(kube_binaries, "GO_FLAGS", ("-trimpath",))
    assert changed() == set(LEVELS["all"])


def test_missing_programs_are_named_with_what_makes_them(go):
    with pytest.raises(KubeToolError, match="not compiled yet: etcd, kubectl; python3 scripts/kubernetes build etcd kubectl"):
        find_binaries(["etcd", "kubectl"])


def test_assets_of_the_user_come_first_and_must_be_whole(go, tmp_path, monkeypatch):
    build(["etcd", "kwok"], jobs=1)
    assets = tmp_path / "assets"
    assets.mkdir()
    (assets / "kubectl").touch()
    monkeypatch.setenv("KUBEBUILDER_ASSETS", str(assets))
    with pytest.raises(KubeToolError, match=f"KUBEBUILDER_ASSETS names {assets}, which has no etcd: complete or unset it"):
        find_binaries(["etcd", "kubectl", "kwok"])
    (assets / "etcd").touch()
    place = version_directory() / "bin"
    assert find_binaries(["etcd", "kubectl", "kwok"]) == {
        "etcd": assets / "etcd",
        "kubectl": assets / "kubectl",
        "kwok": place / "kwok",  # nobody's assets have it
    }


def test_levels_are_what_the_documents_say():
    assert names_of(["a"]) == ["etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubectl"]
    assert names_of(["fake", "helm", "kwok"]) == ["kwok", "helm"]
    assert names_of(["c", "a"]) == names_of(["c"])
    assert set(EXPECTED_SECONDS) == set(LEVELS["all"])
    with pytest.raises(WrongUse, match="no program kubeadm"):
        names_of(["kubeadm"])


def test_versions_come_from_the_module_file():
    text = (kube_binaries.GO_MODULE / "go.mod").read_text()
    version = kubernetes_version()
    assert f"k8s.io/kubernetes {version} " in text
    staging = version.replace("v1.", "v0.", 1)
    replaced = [line.split()[-1] for line in text.splitlines() if "=>" in line]
    assert replaced
    assert set(replaced) == {staging}
    assert f"go {'.'.join(map(str, GO_MINIMUM))}.0\n" in text
    with pytest.raises(KubeToolError, match=r"requires no k8s.io/none"):
        module_version("k8s.io/none")


def test_module_files_name_no_host_of_a_proxy():
    for name in ("go.mod", "go.sum"):
        text = (kube_binaries.GO_MODULE / name).read_text()
        assert "://" not in text
        assert "proxy." not in text
        assert "sum." not in text


def test_servers_know_their_version():
    flags = link_flags("v1.37.1").split(" -X k8s.io/component-base/version.")
    assert flags[0] == "-s -w"
    assert {"gitVersion=v1.37.1", "gitMajor=1", "gitMinor=37"} <= set(flags)


def test_flags_of_the_compiler():
    command = compile_command(Path("/go"), binary("helm"), 3, Path("/out"))
    assert command[:4] == ["/go", "install", "-p", "3"]
    assert command[-1] == "helm.sh/helm/v4/cmd/helm@v4.3.1"
    given = go_environment({"GOFLAGS": "-mod=mod", "HOME": "/h"}, Path("/go"))
    assert given == {"GOFLAGS": "-mod=mod -trimpath -buildvcs=false", "HOME": "/h", "CGO_ENABLED": "0"}


@pytest.mark.parametrize(
    ("told", "version"), [("go1.26.8\n", (1, 26)), ("go1.27rc1", (1, 27)), ("go2.0", (2, 0)), ("devel", None), ("", None)]
)
def test_versions_of_go(told, version):
    assert go_version_of(told) == version


@pytest.mark.parametrize(
    ("log", "complaint"),
    [
        ("go: downloading a v1\n# pkg\na.go:1: broken\nmore\n", "a.go:1: broken"),
        ("go: downloading a v1\n", "go: downloading a v1"),
        ("", "it said nothing"),
    ],
)
def test_the_line_that_says_most(log, complaint):
    assert first_complaint(log) == complaint


def test_a_cache_is_where_the_user_says(monkeypatch):
    monkeypatch.setenv("DOLMEN_KUBERNETES_CACHE", "/c")
    assert version_directory() == Path("/c") / kubernetes_version()
    monkeypatch.delenv("DOLMEN_KUBERNETES_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", "/x")
    assert version_directory() == Path("/x/dolmen/kube") / kubernetes_version()
