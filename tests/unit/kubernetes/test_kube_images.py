"""Images are OCI layouts whose digests are right, the same from the same files, and hold nothing of this machine."""

import hashlib
import json
import os
import tarfile
from pathlib import Path

import pytest
from kube_base_image import base_command, codename
from kube_errors import KubeToolError, WrongUse
from kube_images import (
    LAYERS_MAX,
    SEARCH_PATH,
    ImageSettings,
    Layer,
    architecture,
    build_image,
    parse_environment,
    parse_layer,
    pause_image,
)

SETTINGS = ImageSettings(("python3", "-m", "app"), {"A": "1"}, "1000", "/app")


@pytest.fixture
def tree(tmp_path):
    """A directory with a program, a link, an empty directory, and what must not be in an image."""
    root = tmp_path / "tree"
    (root / "pkg" / "__pycache__").mkdir(parents=True)
    (root / "empty").mkdir()
    (root / "pkg" / "one.py").write_text("one\n")
    (root / "pkg" / "__pycache__" / "one.pyc").write_text("x")
    (root / "run").write_text("#!/bin/sh\n")
    (root / "run").chmod(0o755)
    (root / "link").symlink_to("run")
    return root


def read(path):
    """Name to content of the layout's files."""
    with tarfile.open(path) as tar:
        return {member.name: tar.extractfile(member).read() for member in tar.getmembers()}


def blob(layout, descriptor):
    data = layout[f"blobs/{descriptor['digest'].replace(':', '/')}"]
    assert len(data) == descriptor["size"]
    assert f"sha256:{hashlib.sha256(data).hexdigest()}" == descriptor["digest"]
    return data


def unpacked(path):
    """Index entry, config, and the names in each layer, following every digest."""
    layout = read(path)
    assert json.loads(layout["oci-layout"]) == {"imageLayoutVersion": "1.0.0"}
    (entry,) = json.loads(layout["index.json"])["manifests"]
    manifest = json.loads(blob(layout, entry))
    config = json.loads(blob(layout, manifest["config"]))
    layers = [blob(layout, descriptor) for descriptor in manifest["layers"]]
    assert config["rootfs"]["diff_ids"] == [descriptor["digest"] for descriptor in manifest["layers"]]
    assert {descriptor["mediaType"] for descriptor in manifest["layers"]} == {"application/vnd.oci.image.layer.v1.tar"}
    return entry, config, layers


def members(layer, tmp_path):
    (tmp_path / "layer.tar").write_bytes(layer)
    with tarfile.open(tmp_path / "layer.tar") as tar:
        return {member.name: member for member in tar.getmembers()}


def test_an_image_names_itself_and_its_blobs(tree, tmp_path):
    output = tmp_path / "image.tar"
    build_image(output, "localhost/app:dev", [Layer(tree, "/opt/app")], SETTINGS, machine="x86_64")
    entry, config, layers = unpacked(output)
    assert entry["annotations"] == {"io.containerd.image.name": "localhost/app:dev"}
    assert (config["architecture"], config["os"]) == ("amd64", "linux")
    assert config["config"] == {
        "Entrypoint": ["python3", "-m", "app"],
        "Env": [f"PATH={SEARCH_PATH}", "A=1"],
        "User": "1000",
        "WorkingDir": "/app",
    }
    found = members(layers[0], tmp_path)
    assert set(found) == {f"opt/app/{name}" for name in ("pkg", "pkg/one.py", "empty", "run", "link")}
    assert found["opt/app/run"].mode & 0o111
    assert found["opt/app/link"].linkname == "run"
    assert {(member.uid, member.gid, member.mtime, member.uname) for member in found.values()} == {(0, 0, 0, "")}


def test_the_same_files_make_the_same_image(tree, tmp_path):
    first, second = tmp_path / "first.tar", tmp_path / "second.tar"
    build_image(first, "localhost/app:dev", [Layer(tree, "/")], SETTINGS)
    os.utime(tree / "run", (1, 1))
    build_image(second, "localhost/app:dev", [Layer(tree, "/")], SETTINGS)
    assert first.read_bytes() == second.read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["first.tar", "second.tar", "tree"]


def test_a_tar_file_is_a_layer_as_it_is_and_twice_is_written_once(tree, tmp_path):
    base = tmp_path / "base.tar"
    with tarfile.open(base, "w") as tar:
        tar.add(tree / "run", "etc/run")
    link = tmp_path / "link.tar"
    link.symlink_to(base)
    output = tmp_path / "image.tar"
    build_image(output, "n", [Layer(base), Layer(link), Layer(tree / "run", "/usr/bin/app")], SETTINGS)
    _, _, layers = unpacked(output)
    assert layers[0] == layers[1] == base.read_bytes()
    assert set(members(layers[2], tmp_path)) == {"usr/bin/app"}
    with tarfile.open(output) as tar:
        names = tar.getnames()
    assert len(names) == len(set(names))


def test_the_pause_image_starts_its_one_file(tmp_path):
    program = tmp_path / "pause"
    program.write_text("x")
    program.chmod(0o755)
    entry, config, layers = unpacked(pause_image(program, tmp_path / "pause.tar"))
    assert entry["annotations"]["io.containerd.image.name"] == "localhost/pause:1"
    assert config["config"]["Entrypoint"] == ["/pause"]
    assert set(members(layers[0], tmp_path)) == {"pause"}


def test_what_is_no_image_is_refused(tree, tmp_path):
    for layers in ([], [Layer(tree)] * (LAYERS_MAX + 1)):
        with pytest.raises(WrongUse, match="layers"):
            build_image(tmp_path / "image.tar", "n", layers, SETTINGS)
    with pytest.raises(KubeToolError, match="not on riscv64"):
        architecture("riscv64")
    for word in ("/nonexistent:/x", ":/x", ""):
        with pytest.raises(WrongUse, match="layer"):
            parse_layer(word)
    for word in ("NAME", "=value"):
        with pytest.raises(WrongUse, match="NAME=VALUE"):
            parse_environment([word])


def test_words_of_the_command_line(tree):
    assert parse_layer(f"{tree}:/opt/x") == Layer(tree, "/opt/x")
    assert parse_layer(str(tree)) == Layer(tree, "/")
    assert parse_environment(["A=1=2", "B="]) == {"A": "1=2", "B": ""}


def test_the_base_is_of_this_debian():
    command = base_command(["python3", "ca-certificates"], "bookworm", Path("/s"), Path("/o.tar"))
    assert "--include=python3,ca-certificates" in command
    assert command[-3:] == ["bookworm", "/o.tar", "/s"]
    assert codename('ID=debian\nVERSION_CODENAME=bookworm\n') == "bookworm"
    with pytest.raises(KubeToolError, match="Debian"):
        codename("ID=alpine\n")
    with pytest.raises(WrongUse, match="--hook"):
        base_command(["--hook"], "bookworm", Path("/s"), Path("/o.tar"))
