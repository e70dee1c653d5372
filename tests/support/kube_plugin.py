"""Fixtures for tests that need a real Kubernetes, and the hooks that start it while other tests run."""

from __future__ import annotations

import pytest
from kube_shared import begin_start, release_shared_clusters, shared_cluster

MARKER = "kubernetes"  # a control plane and fake nodes
END_TO_END = "kubernetes_nodes"  # nodes that run pods
_FIXTURES = {"kube_cluster": MARKER, "kube_nodes_cluster": END_TO_END}


@pytest.fixture(scope="session")
def kube_cluster():
    """A Kubernetes that all tests share, whose nodes only pretend (a KubeCluster): use a namespace of your own in it."""
    return shared_cluster(end_to_end=False)


@pytest.fixture(scope="session")
def kube_nodes_cluster():
    """A Kubernetes that all tests share, whose nodes run pods (a KubeCluster)."""
    return shared_cluster(end_to_end=True)


@pytest.fixture
def kube_namespace(kube_cluster):
    """The name of a namespace of the test's own."""
    with kube_cluster.namespace() as name:
        yield name


@pytest.fixture
def kube_nodes_namespace(kube_nodes_cluster):
    """The name of a namespace of the test's own, where pods run."""
    with kube_nodes_cluster.namespace() as name:
        yield name


@pytest.hookimpl(tryfirst=True, specname="pytest_collection_modifyitems")
def pytest_mark_tests_of_kubernetes(items):
    """By their fixtures, so that none is forgotten."""
    for item in items:
        for fixture, marker in _FIXTURES.items():
            if fixture in getattr(item, "fixturenames", ()):
                item.add_marker(marker)


def pytest_collection_finish(session):
    if session.config.option.collectonly:
        return
    for fixture, marker in _FIXTURES.items():
        if any(fixture in getattr(item, "fixturenames", ()) for item in session.items):
            begin_start(end_to_end=marker == END_TO_END)


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish():
    release_shared_clusters()
