"""Fixtures for whole stores: one for each worker of pytest-xdist, shared by the tests that do not break it."""

import itertools
import os

import pytest
from dev_server import DOMAIN, DevServer

pytest_plugins = ["cassandra_plugin", "kube_plugin"]
_NUMBERS = itertools.count()


@pytest.fixture(scope="session")
def server(tmp_path_factory):
    """A running store with two gateway processes. Do not stop it or touch its disks: start one of your own for that."""
    keys = {"DOLMEN_KMS_KEYS": "alpha,beta"}
    with DevServer(tmp_path_factory.mktemp("store"), workers=2, options=("--domain", DOMAIN), environment=keys) as made:
        yield made
        assert made.stop() == 0, made.output()


@pytest.fixture(scope="session")
def s3(server):
    """A boto3 client of the root account."""
    return server.client()


@pytest.fixture
def bucket(s3):
    """The name of a fresh bucket."""
    name = f"test-{os.getpid()}-{next(_NUMBERS)}"
    s3.create_bucket(Bucket=name)
    return name
