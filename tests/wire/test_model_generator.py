"""The generator names the file that is stale, and writes the same twice."""

import importlib.util

import pytest


@pytest.fixture
def generator(root, tmp_path, monkeypatch):
    spec = importlib.util.spec_from_file_location("generate_s3_model", root / "scripts" / "generate_s3_model.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module, "ROOT", tmp_path)
    monkeypatch.setattr(module, "MODEL", tmp_path)
    return module


def test_a_stale_file_is_named(generator, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["generate"])
    assert generator.main() == 0
    written = {path.name: path.read_text() for path in tmp_path.iterdir()}
    assert sorted(written) == ["inputs_generated.py", "operations_generated.py", "outputs_generated.py"]

    monkeypatch.setattr("sys.argv", ["generate", "--check"])
    assert generator.main() == 0
    (tmp_path / "outputs_generated.py").write_text("# edited\n")
    assert generator.main() == 1
    assert capsys.readouterr().out == "outputs_generated.py is stale: run make generate\n"
    assert (tmp_path / "outputs_generated.py").read_text() == "# edited\n"

    monkeypatch.setattr("sys.argv", ["generate"])
    assert generator.main() == 0
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == written
