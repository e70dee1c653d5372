"""Which Kubernetes the tests use: the user's, kind, or a cluster of our own (scripts/kubernetes).

    USE_EXISTING_CLUSTER=true     the current context of kubectl, whatever it is; tests remove namespaces and CRDs that they make
    KUBEBUILDER_ASSETS=DIRECTORY  programs for a cluster of our own, in place of compiled ones

The names of the variables are envtest's (https://book.kubebuilder.io/reference/envtest).
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Mapping
from typing import Literal

VARIABLE = "USE_EXISTING_CLUSTER"
DOCKER_SECONDS = 10.0  # for the daemon to answer; a hanging one is none
Provider = Literal["existing", "kind", "harness"]


def choose_provider(
    environment: Mapping[str, str], *, end_to_end: bool, has_docker: Callable[[], bool], has_kind: Callable[[], bool]
) -> Provider:
    """The user's choice first. ``kind`` only for tests end to end: it takes a minute and has no fake nodes."""
    if environment.get(VARIABLE, "").strip().lower() == "true":
        return "existing"
    if end_to_end and has_kind() and has_docker():
        return "kind"
    return "harness"


def kind_is_installed() -> bool:
    return shutil.which("kind") is not None


def docker_answers() -> bool:
    if shutil.which("docker") is None:
        return False
    try:
        return subprocess.run(["docker", "info"], capture_output=True, check=False, timeout=DOCKER_SECONDS).returncode == 0
    except subprocess.TimeoutExpired:
        return False
