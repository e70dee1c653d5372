#!/usr/bin/env python3
"""Write crds/*.yaml and docs/reference/custom-resources.md from the operator's models; with --check fail when one is stale."""

from __future__ import annotations

import sys
from pathlib import Path

from dolmen.operator.crd.definitions import KINDS, definition
from dolmen.operator.crd.page import page
from dolmen.operator.crd.yaml_text import yaml_text
from dolmen.operator.model.references import GROUP

ROOT = Path(__file__).resolve().parents[1]
DEFINITIONS = ROOT / "crds"
PAGE = ROOT / "docs" / "reference" / "custom-resources.md"
HEAD = "# Written by scripts/generate_crds.py from the models in operator/dolmen/operator/model; do not edit.\n"


def wanted() -> dict[Path, str]:
    """Every file and what is to be in it."""
    found = {DEFINITIONS / f"{GROUP}_{kind.plural}.yaml": HEAD + yaml_text(definition(kind)) for kind in KINDS}
    return found | {PAGE: page()}


def main() -> int:
    files = wanted()
    strangers = sorted(set(DEFINITIONS.glob("*.yaml")) - set(files))
    if "--check" in sys.argv[1:]:
        stale = [path for path, text in files.items() if not path.exists() or path.read_text() != text]
        for path in [*stale, *strangers]:
            print(f"{path.relative_to(ROOT)} is stale: run make generate", file=sys.stderr)
        return 1 if stale or strangers else 0
    for path, text in files.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    for path in strangers:
        path.unlink()
    return 0


if __name__ == "__main__":
    sys.exit(main())
