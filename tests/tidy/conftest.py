"""What the tidy tests look at: the files of the repository, without what is ignored."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def root() -> Path:
    return REPOSITORY


@pytest.fixture(scope="session")
def files(root: Path) -> list[Path]:
    """Every file that is, or is about to be, part of the repository."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=root, capture_output=True, check=True).stdout
    paths = [root / name for name in listed.decode().split("\0") if name]
    return sorted(path for path in paths if path.is_file())


@pytest.fixture(scope="session")
def python_files(files: list[Path]) -> list[Path]:
    return [path for path in files if path.suffix == ".py"]


@pytest.fixture(scope="session")
def rooms(root: Path) -> list[str]:
    """The source roots: each holds one portion of the namespace ``dolmen``."""
    return [room for room in ("core", "datanode", "gateway", "operator", "cli") if (root / room).is_dir()]
