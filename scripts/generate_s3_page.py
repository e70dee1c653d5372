"""Writes docs/reference/s3-operations.md: every operation of S3 and what this gateway says to it. ``--check``: is it fresh?"""

from __future__ import annotations

import re
import sys
from pathlib import Path

from dolmen.gateway.handlers.table import REAL
from dolmen.gateway.handlers.unconfigured import HANDLERS
from dolmen.gateway.s3.operations import OPERATIONS, Operation

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "reference" / "s3-operations.md"
TESTS_SHOWN_MAX = 3
HEAD = """# S3 operations

Written by `scripts/generate_s3_page.py` from the table of operations; do not edit.

* **real**: does what S3 documents.
* **plain bucket**: answers what S3 answers for a bucket on which this was never configured. It cannot be configured yet.
* **refused**: 501 `NotImplemented`, naming the operation.

"""


def support(operation: Operation) -> str:
    if operation.name in REAL:
        return "real"
    return "plain bucket" if operation.name in HANDLERS else "refused"


def tests_of(operation: Operation, sources: dict[str, str]) -> str:
    """The test file that is named after the operation, else up to three that call it through boto3."""
    method = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", operation.name).lower()
    calls = re.compile(rf"\b{method}\(|[\"']{method}[\"']")
    named = [name for name in sources if name == f"test_{method}.py"]
    found = named or [name for name, text in sources.items() if calls.search(text)][:TESTS_SHOWN_MAX]
    return ", ".join(f"[{name.removeprefix('test_').removesuffix('.py')}](../../tests/s3/{name})" for name in found)


def page() -> str:
    sources = {path.name: path.read_text() for path in sorted((ROOT / "tests" / "s3").glob("test_*.py"))}
    operations = [operation for operation in OPERATIONS.values() if operation.routed]
    counts = {kind: sum(support(operation) == kind for operation in operations) for kind in ("real", "plain bucket", "refused")}
    summary = f"{len(operations)} operations: {', '.join(f'{count} {kind}' for kind, count in counts.items())}.\n\n"
    rows = ["| operation | here | permission | tests |", "| --- | --- | --- | --- |"]
    rows += [
        f"| {operation.name} | {support(operation)} | `{operation.action}` | {tests_of(operation, sources)} |"
        for operation in sorted(operations, key=lambda operation: operation.name)
    ]
    return HEAD + summary + "\n".join(rows) + "\n"


def main() -> int:
    text = page()
    if "--check" in sys.argv[1:]:
        if not PAGE.exists() or PAGE.read_text() != text:
            print(f"{PAGE.relative_to(ROOT)} is stale: make generate")
            return 1
        return 0
    PAGE.parent.mkdir(parents=True, exist_ok=True)
    PAGE.write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
