"""Writes gateway/dolmen/gateway/iam/model/operations_generated.py from botocore's models of IAM and STS.

With --check nothing is written; exit status 1 and one line when the file is not what would be written.
botocore (Apache-2.0) is needed here and in tests, never at run time.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import botocore.loaders
import botocore.model

ROOT = Path(__file__).resolve().parents[1]
FILE = ROOT / "gateway" / "dolmen" / "gateway" / "iam" / "model" / "operations_generated.py"
HEAD = '''"""Operations of IAM and STS. Written by scripts/generate_iam_model.py from botocore's model (Apache-2.0): do not edit."""

from __future__ import annotations

from typing import Any

# name: (type, ...): ("string", min, max, pattern, allowed values, sensitive), ("integer", min, max), ("boolean",), ("timestamp",),
# ("blob",), ("list", shape of members, min, max), ("map", shape of keys, shape of values),
# ("structure", ((wire name, shape, required), ...)). None: no such bound.
'''


def scalar(shape: botocore.model.Shape) -> tuple[object, ...]:
    """A shape that holds no other, in the notation above."""
    bounds = (shape.metadata.get("min"), shape.metadata.get("max"))
    if shape.type_name == "string":
        sensitive = bool(shape.metadata.get("sensitive"))
        return ("string", *bounds, shape.metadata.get("pattern"), tuple(shape.enum), sensitive)
    return ("integer", *bounds) if shape.type_name in ("integer", "long") else (shape.type_name,)


def collect(shape: botocore.model.Shape | None, shapes: dict[str, tuple[object, ...]], prefix: str) -> str | None:
    """Note ``shape`` and all below it; its name in the table. STS has names of its own: some differ from IAM's of that name."""
    if shape is None:
        return None
    name = prefix + shape.name
    if name in shapes:
        return name
    shapes[name] = found = ()  # shapes may hold themselves
    match shape.type_name:
        case "structure":
            members = [(wire, collect(member, shapes, prefix)) for wire, member in shape.members.items()]
            required = set(shape.required_members)
            found = ("structure", tuple((wire, member, wire in required) for wire, member in members))
        case "list":
            inner = collect(shape.member, shapes, prefix)
            found = ("list", inner, shape.metadata.get("min"), shape.metadata.get("max"))
        case "map":
            found = ("map", collect(shape.key, shapes, prefix), collect(shape.value, shapes, prefix))
        case _:
            found = scalar(shape)
    shapes[name] = found
    return name


def text() -> str:
    loader = botocore.loaders.Loader()
    shapes: dict[str, tuple[object, ...]] = {}
    operations: dict[str, tuple[object, ...]] = {}
    for service in ("iam", "sts"):
        model = botocore.model.ServiceModel(loader.load_service_model(service, "service-2"), service)
        for name in model.operation_names:
            operation = model.operation_model(name)
            given = collect(operation.input_shape, shapes, f"{service}.")
            answered = collect(operation.output_shape, shapes, f"{service}.")
            operations[f"{service}.{name}"] = (given, answered)
    lines = [HEAD, "SHAPES: dict[str, tuple[Any, ...]] = {"]
    lines += [f"    {name!r}: {found!r}," for name, found in sorted(shapes.items())]
    lines += ["}", "", "# service.Operation: (shape of its input, shape of its output)"]
    lines += ["OPERATIONS: dict[str, tuple[str | None, str | None]] = {"]
    lines += [f"    {name!r}: {found!r}," for name, found in sorted(operations.items())]
    return "\n".join([*lines, "}", ""])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; fail when the file is stale")
    check = parser.parse_args().check
    made = text()
    if FILE.exists() and FILE.read_text() == made:
        return 0
    if check:
        print(f"{FILE.relative_to(ROOT)} is stale: run make generate")
        return 1
    FILE.parent.mkdir(parents=True, exist_ok=True)
    FILE.write_text(made)
    return 0


if __name__ == "__main__":
    sys.exit(main())
