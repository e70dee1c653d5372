"""Programs that pretend to be Kubernetes': what starts and ends clusters can be tested in a second, where nothing is compiled.

The servers sleep; ``end-NAME`` beside one is its last words. kubectl says what the harness waits for; ``fail`` is its complaint.
"""

from __future__ import annotations

from pathlib import Path

from kube_binaries import KWOK_STAGES, LEVELS

_SERVER = """#!/bin/sh
echo started $*
[ ! -e {directory}/end-{name} ] || {{ cat {directory}/end-{name}; exit 3; }}
exec sleep 600
"""
_KUBECTL = """#!/bin/sh
echo "$*" >> {directory}/calls
[ ! -e {directory}/fail ] || {{ cat {directory}/fail >&2; exit 1; }}
case "$*" in *apply*) cat > /dev/null;; esac
echo ok
"""


def write_programs(directory: Path) -> Path:
    """Fill ``directory``, which is returned: name it by KUBEBUILDER_ASSETS."""
    directory.mkdir(parents=True, exist_ok=True)
    for name in LEVELS["all"]:
        text = _KUBECTL if name == "kubectl" else _SERVER
        (directory / name).write_text(text.format(directory=directory, name=name))
        (directory / name).chmod(0o755)
    (directory / KWOK_STAGES).touch()
    return directory
