"""Makes ``signing`` (requests signed by botocore) a fixture: tests are imported by path, without a package."""

import importlib.util
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def signing():
    spec = importlib.util.spec_from_file_location("botocore_signing", Path(__file__).with_name("signing.py"))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
