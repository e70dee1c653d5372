"""The aws command, from the environment that tests/clients uses."""

import importlib.util
from pathlib import Path

import pytest

INSTALLER = Path(__file__).resolve().parents[2] / "scripts" / "install_clients.py"


@pytest.fixture(scope="session")
def aws_command():
    spec = importlib.util.spec_from_file_location("install_clients", INSTALLER)
    installer = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(installer)
    command = installer.environment_of("aws") / "bin" / "aws"
    assert command.exists(), "the aws command is not installed; run: scripts/install_clients.py aws"
    return str(command)
