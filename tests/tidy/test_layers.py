"""The directions between rooms hold, and so does the layout that makes them possible."""

import configparser
import os
import subprocess
import sys
from pathlib import Path


def test_layer_contracts_are_kept(root):
    command = [str(Path(sys.executable).parent / "lint-imports"), "--no-cache"]
    result = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr


def test_every_room_with_code_is_under_contract(root, rooms):
    parser = configparser.ConfigParser()
    parser.read(root / ".importlinter")
    named = set(parser["importlinter"]["root_packages"].split())
    assert {f"dolmen.{room}" for room in rooms if any((root / room).rglob("*.py"))} <= named


def test_namespace_roots_have_no_init_file(root, rooms):
    """``operator`` as a package would shadow the standard library; ``dolmen`` is shared by all rooms."""
    folders = [folder for room in rooms for folder in (root / room, root / room / "dolmen")]
    assert [str(folder) for folder in folders if (folder / "__init__.py").exists()] == []


def test_standard_library_operator_is_found_from_the_root(root):
    code = "import operator, sys; sys.exit(not hasattr(operator, 'itemgetter'))"
    environment = {**os.environ, "PYTHONPATH": str(root)}
    result = subprocess.run([sys.executable, "-c", code], cwd=root, env=environment, check=False)
    assert result.returncode == 0
