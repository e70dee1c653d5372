"""Writes docs/reference/s3-operations.md: every operation of S3, IAM and STS, what this store does about it, and which parameters
of S3's operations a passing test gives.

``--check``: is the page what the table and docs/reference/s3-results.json give, and does that file know the tests that there are?
``--results DIRECTORY``: merge what a run of tests/s3 recorded there (``make compatibility``) into s3-results.json first.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from pathlib import Path
from typing import Any

from botocore import xform_name
from botocore.session import get_session

from dolmen.gateway.handlers.support import ANSWERED, DEPARTURES, IGNORED, NOT_IMPLEMENTED, REAL, STORED, support_of
from dolmen.gateway.iam.model.operations_generated import OPERATIONS as QUERY_OPERATIONS
from dolmen.gateway.iam.query import HANDLERS as QUERY_HANDLERS
from dolmen.gateway.iam.query import UNSIGNED
from dolmen.gateway.s3.operations import OPERATIONS, Operation

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "reference" / "s3-operations.md"
RESULTS = ROOT / "docs" / "reference" / "s3-results.json"
TESTS = ROOT / "tests" / "s3"
CALLERS_SHOWN_MAX = 3  # of the other files that call an operation; some are called by nearly all
KINDS = (REAL, STORED, ANSWERED, NOT_IMPLEMENTED)
NOT_ACTIONS_OF_HANDLERS = {"AssumeRoleWithSAML"}  # answered before a handler is looked for: there are no SAML providers
MODEL = get_session().get_service_model("s3")
HEAD = """# Compatibility: operations of S3, IAM and STS

Written by `scripts/generate_s3_page.py` from the table of operations and from what passing tests did
([s3-results.json](s3-results.json), recorded by `make compatibility`); do not edit.

* **real**: does what S3 documents.
* **stored and returned**: checked, kept and given back; nothing else follows from it.
* **documented answer**: what S3 answers to callers for whom the operation is closed, or where it was never configured.
* **not implemented**: 501 `NotImplemented` that names the operation, after the checks that S3 makes.

A parameter counts as tested when a test of [tests/s3](../../tests/s3) that passed gave it, be it to see it refused. Members of
documents are not counted one by one. Deprecated operations that share their address with a newer one are left out.

"""


def routed() -> list[Operation]:
    return sorted((one for one in OPERATIONS.values() if one.routed), key=lambda one: one.name)


def parameters_of(name: str) -> list[str]:
    """Top-level parameters in botocore's model, in its order; those of a form are no parameters."""
    if name not in MODEL.operation_names:
        return []
    shape = MODEL.operation_model(name).input_shape
    return list(shape.members) if shape is not None else []


def test_file(operation: str) -> str:
    """The name that tests/tidy/test_operation_files.py holds them to."""
    return f"test_{xform_name(operation)}.py"


# -- the results ---------------------------------------------------------------------------------------------------------------


def merged(directory: Path) -> dict[str, Any]:
    """What all processes of a run recorded. Presence only: how often something is called changes from run to run."""
    files: set[str] = set()
    operations: dict[str, dict[str, set[str]]] = {}
    records = sorted(directory.glob("*.json"))
    if not records:
        raise SystemExit(f"{directory} holds no record of a run")
    for path in records:
        record = json.loads(path.read_text())
        files |= set(record["files"])
        for name, found in record["operations"].items():
            kept = operations.setdefault(name, {"files": set(), "parameters": set()})
            kept["files"] |= set(found["files"])
            kept["parameters"] |= set(found["parameters"])
    return {
        "files": sorted(files),
        "operations": {
            name: {key: sorted(values) for key, values in found.items()} for name, found in sorted(operations.items())
        },
    }


def results_text(results: dict[str, Any]) -> str:
    """A line for each file and operation: readable in a diff."""
    files = ",\n".join(f"    {json.dumps(name)}" for name in results["files"])
    lines = ",\n".join(f"    {json.dumps(name)}: {json.dumps(found)}" for name, found in results["operations"].items())
    return f'{{\n  "files": [\n{files}\n  ],\n  "operations": {{\n{lines}\n  }}\n}}\n'


def strange(results: dict[str, Any]) -> list[str]:
    """What the results name and is not there, and the other way round."""
    there = {path.name for path in TESTS.glob("test_*.py")}
    found = [f"{name} is not in s3-results.json" for name in sorted(there - set(results["files"]))]
    found += [f"s3-results.json names {name}, which is not there" for name in sorted(set(results["files"]) - there)]
    for name, record in results["operations"].items():
        if name not in OPERATIONS:
            found.append(f"s3-results.json names the operation {name}, which is not in the table")
            continue
        unknown = set(record["parameters"]) - set(parameters_of(name))
        found += [f"s3-results.json names the parameter {one} of {name}, which is none" for one in sorted(unknown)]
    return found


# -- the page ------------------------------------------------------------------------------------------------------------------


def link(name: str) -> str:
    return f"[{name.removeprefix('test_').removesuffix('.py')}](../../tests/s3/{name})"


def tests_of(operation: str, results: dict[str, Any]) -> str:
    """The operation's own file, and a few of the others that call it."""
    callers = results["operations"].get(operation, {"files": []})["files"]
    own = test_file(operation)
    others = [name for name in callers if name != own]
    shown = [link(name) for name in [*([own] if (TESTS / own).exists() else []), *others[:CALLERS_SHOWN_MAX]]]
    more = len(others) - CALLERS_SHOWN_MAX
    return ", ".join(shown) + (f" and {more} more" if more > 0 else "")


def given_and_not(operation: str, results: dict[str, Any]) -> tuple[list[str], list[str]]:
    """Parameters that a passing test gives, and the others."""
    given = set(results["operations"].get(operation, {"parameters": []})["parameters"])
    parameters = parameters_of(operation)
    return [name for name in parameters if name in given], [name for name in parameters if name not in given]


def names(parameters: list[str]) -> str:
    return " ".join(f"`{name}`" + (" (ignored)" if name in IGNORED else "") for name in parameters)


def section(operation: Operation, results: dict[str, Any]) -> str:
    given, others = given_and_not(operation.name, results)
    other = operation.versioned_action not in ("", operation.action)
    versioned = f", of a version `{operation.versioned_action}`" if other else ""
    lines = [f"### {operation.name}", ""]
    lines += [f"* {support_of(operation.name)}{', deprecated' if operation.deprecated else ''}; `{operation.action}`{versioned}"]
    lines += [f"* here: {DEPARTURES[operation.name]}"] if operation.name in DEPARTURES else []
    lines += [f"* tests: {tests_of(operation.name, results)}"]
    lines += [f"* tested: {names(given)}"] if given else []
    lines += [f"* given by no test: {names(others)}"] if others else []
    return "\n".join(lines) + "\n"


def summary(results: dict[str, Any]) -> str:
    kinds = Counter(support_of(one.name) for one in routed())
    pairs = [given_and_not(one.name, results) for one in routed()]
    given, others = (sum(len(pair[index]) for pair in pairs) for index in (0, 1))
    lines = ["| operations | |", "| --- | --- |", *(f"| {kind} | {kinds[kind]} |" for kind in KINDS)]
    lines += [f"| all | {kinds.total()} |", ""]
    lines += [f"Of {given + others} parameters {given} are given by a passing test and {others} by none.", ""]
    lines += ["Parameters that are taken and have no effect (ignored below):", ""]
    lines += [f"* `{name}`: {reason}." for name, reason in sorted(IGNORED.items())]
    return "\n".join(lines) + "\n"


def overview(results: dict[str, Any]) -> str:
    rows = ["| operation | here | parameters tested |", "| --- | --- | --- |"]
    for one in routed():
        given, others = given_and_not(one.name, results)
        count = f"{len(given)} of {len(given) + len(others)}" if given or others else "a form"
        rows.append(f"| [{one.name}](#{one.name.lower()}) | {support_of(one.name)} | {count} |")
    return "\n".join(rows) + "\n"


def query_actions(service: str, title: str) -> str:
    """One table of IAM or STS."""
    actions = sorted(name.partition(".")[2] for name in QUERY_OPERATIONS if name.startswith(f"{service}."))
    handled = {*QUERY_HANDLERS[service], *(UNSIGNED if service == "sts" else ())} - NOT_ACTIONS_OF_HANDLERS
    kinds = {name: REAL if name in handled else NOT_IMPLEMENTED for name in actions}
    kinds |= {name: ANSWERED for name in NOT_ACTIONS_OF_HANDLERS if name in kinds}
    counts = Counter(kinds.values())
    told = ", ".join(f"{counts[kind]} {kind}" for kind in KINDS if counts[kind])
    rows = [f"### {title}", "", f"{len(actions)} actions: {told}.", "", "| action | here |", "| --- | --- |"]
    return "\n".join([*rows, *(f"| {name} | {kind} |" for name, kind in kinds.items())]) + "\n"


def page(results: dict[str, Any]) -> str:
    sections = "\n".join(section(one, results) for one in routed())
    query = (
        "## IAM and STS\n\nOn the port of S3, by the query protocol. What is not implemented answers 501 `NotImplemented`.\n\n"
        + query_actions("iam", "IAM")
        + "\n"
        + query_actions("sts", "STS")
    )
    return f"{HEAD}{summary(results)}\n## Overview\n\n{overview(results)}\n## By operation\n\n{sections}\n{query}"


def check(results: dict[str, Any]) -> int:
    wrong = strange(results)
    if wrong:
        print(*wrong, "make compatibility", sep="\n")
    elif not PAGE.exists() or PAGE.read_text() != page(results):
        wrong.append("page")
        print(f"{PAGE.relative_to(ROOT)} is stale: make generate")
    return 1 if wrong else 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--results", type=Path, metavar="DIRECTORY")
    arguments = parser.parse_args()
    if arguments.results is not None:
        RESULTS.write_text(results_text(merged(arguments.results)))
    results = json.loads(RESULTS.read_text()) if RESULTS.exists() else {"files": [], "operations": {}}
    if arguments.check:
        return check(results)
    PAGE.parent.mkdir(parents=True, exist_ok=True)
    PAGE.write_text(page(results))
    return 0


if __name__ == "__main__":
    sys.exit(main())
