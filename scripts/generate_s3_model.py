"""Writes gateway/dolmen/gateway/s3/model/*_generated.py from botocore's model of S3 and s3_patches.toml.

With --check nothing is written; exit status 1 and one line when a file is not what would be written.
botocore (Apache-2.0) is needed here and in tests, never at run time.
"""

from __future__ import annotations

import argparse
import keyword
import sys
import tomllib
from pathlib import Path
from typing import Any

import botocore.loaders
import botocore.model
from botocore import xform_name

ROOT = Path(__file__).resolve().parents[1]
MODEL = ROOT / "gateway" / "dolmen" / "gateway" / "s3" / "model"
PATCHES = ROOT / "scripts" / "s3_patches.toml"
HEAD = '"""{title} Written by scripts/generate_s3_model.py from botocore\'s model (Apache-2.0): do not edit."""\n\n'
HEAD += "from __future__ import annotations\n"

NOTATION = '''
# One line for each structure: members separated by "; ", each "attribute place wire-name type".
# Places: u part of the address, q query, h header, m metadata headers, x element, a attribute of the element, p the whole body.
# Types: s text (s=Enum: one of ENUMS), i integer, b boolean, d ISO 8601 time, D HTTP time, m text by name, {Name} structure,
# [type] list (in a header: separated by commas; in XML: repeated elements), [type]Element list inside an element. "!": required.
'''


def attribute_name(member: str) -> str:
    """botocore's Python name of a member; And, Or and Not get an underscore."""
    name = xform_name(member)
    return name + "_" if keyword.iskeyword(name) else name


class Generator:
    """Structures found on the way from the operations; members as texts of the notation above."""

    def __init__(self, model: botocore.model.ServiceModel, patches: dict[str, Any]) -> None:
        self.model = model
        self.patches = patches
        self.shapes: dict[str, list[str]] = {}  # structures by class name
        self.enums: dict[str, list[str]] = {}
        self.rows: list[tuple[Any, ...]] = []
        self.input_names: set[str] = set()

    def run(self) -> None:
        names = sorted([*self.model.operation_names, *self.patches["operations"]])
        for name in names:
            if name not in self.patches["operations"]:
                self._input(name)
        self.input_names = set(self.shapes)
        for name in names:
            patched = self.patches["operations"].get(name)
            if patched is None:
                self._operation(name)
            else:
                self._patched_operation(name, patched)
        self._check_patches(set(names))

    def _check_patches(self, operations: set[str]) -> None:
        """A patch for something that the model no longer has must not be ignored in silence."""
        tables = ("actions", "versioned_actions", "success", "roots", "selectors", "levels")
        unknown = {name for table in tables for name in self.patches[table]} | set(self.patches["unrouted"]["operations"])
        unknown -= operations
        members = [*self.patches["required"]["members"], *self.patches["limits"], *self.patches["dropped"]["members"]]
        owners = {path.partition(".")[0] for path in members} | set(self.patches["order"]) | set(self.patches["members"])
        unknown |= owners - operations - set(self.shapes)
        if unknown:
            raise SystemExit(f"s3_patches.toml names what the model does not have: {', '.join(sorted(unknown))}")

    # -- members ---------------------------------------------------------------------------------------------------

    def _type(self, shape: botocore.model.Shape, place: str) -> str:
        kind = self.patches["types"].get(shape.name, shape.type_name)
        match kind:
            case "string":
                closed = shape.metadata.get("enum") and shape.name not in self.patches["enums"]["open"] and place in "xa"
                if closed:
                    self.enums[shape.name] = list(shape.metadata["enum"])
                return f"s={shape.name}" if closed else "s"
            case "integer" | "long":
                return "i"
            case "boolean":
                return "b"
            case "map":
                return "m"
            case "timestamp":
                default = "rfc822" if place == "h" else "iso8601"
                return "D" if shape.serialization.get("timestampFormat", default) == "rfc822" else "d"
            case "structure":
                self._structure(shape)
                return "{" + shape.name + "}"
            case "list":
                member = shape.member
                wrapped = place == "x" and not shape.serialization.get("flattened")
                return f"[{self._type(member, place)}]" + (member.serialization.get("name", "member") if wrapped else "")
        raise NotImplementedError(kind)

    def _member(self, owner: str, name: str, shape: botocore.model.Shape, required: bool) -> str:
        place = {"uri": "u", "querystring": "q", "header": "h", "headers": "m", None: "x"}[shape.serialization.get("location")]
        if shape.serialization.get("xmlAttribute"):
            place = "a"
        wire = shape.serialization.get("name", name)
        if place in "hm":
            wire = wire.lower()
        needed = required or f"{owner}.{name}" in self.patches["required"]["members"]
        return f"{attribute_name(name)} {place} {wire} {self._type(shape, place)}" + ("!" if needed else "")

    def _ordered(self, owner: str, members: list[tuple[str, str]]) -> list[str]:
        """In S3's order. ``members``: (model's name, notation)."""
        members = members + [(line.split()[0], line) for line in self.patches["members"].get(owner, [])]
        order = self.patches["order"].get(owner, [])
        unknown = set(order) - {name for name, _ in members}
        if unknown:
            raise SystemExit(f"s3_patches.toml: order of {owner} names {sorted(unknown)}, which the model does not have")
        rank = {name: number for number, name in enumerate(order)}
        return [line for _, line in sorted(members, key=lambda pair: rank.get(pair[0], len(rank)))]

    def _structure(self, shape: botocore.model.Shape) -> None:
        if shape.name in self.shapes:
            return
        self.shapes[shape.name] = []
        dropped = self.patches["dropped"]["members"]
        kept = [(name, member) for name, member in _members(shape).items() if f"{shape.name}.{name}" not in dropped]
        members = [(name, self._member(shape.name, name, one, name in shape.required_members)) for name, one in kept]
        self.shapes[shape.name] = self._ordered(shape.name, members)

    def _top(self, operation: str, owner: str, shape: botocore.model.Shape | None, root: str) -> str:
        """The members of an operation's input or output; returns the kind of its body."""
        members: list[tuple[str, str]] = []
        body = "none"
        payload = shape.serialization.get("payload") if shape is not None else None
        for name, member in _members(shape).items():
            needed = name in shape.required_members if shape is not None else False
            if name != payload:
                members.append((name, self._member(operation, name, member, needed)))
                body = "xml" if members[-1][1].split()[1] == "x" else body
            elif member.type_name == "blob" or member.serialization.get("eventstream"):
                body = "stream"
            else:
                body = "xml"
                needed = needed or f"{operation}.{name}" in self.patches["required"]["members"]
                wire = root or member.serialization.get("name", member.name)
                line = f"{attribute_name(name)} p {wire} {self._type(member, 'x')}" + ("!" if needed else "")
                members.append((name, line))
        self.shapes[owner] = self._ordered(owner, members)
        return body

    # -- operations ------------------------------------------------------------------------------------------------

    def _input(self, name: str) -> None:
        self._top(name, f"{name}Input", self.model.operation_model(name).input_shape, "")

    def _operation(self, name: str) -> None:
        operation = self.model.operation_model(name)
        body = self._top(name, f"{name}Input", operation.input_shape, "")
        answer = self._top(name, f"{name}Output", operation.output_shape, self.patches["roots"].get(name, ""))
        path, _, uri_query = operation.http["requestUri"].partition("?")
        level = self.patches["levels"].get(name) or ("object" if "{Key" in path else "bucket" if "{Bucket" in path else "service")
        query = uri_query.split("&") if uri_query else []
        selectors = [part for part in query if "=" not in part] + self.patches["selectors"].get(name, [])
        required = [line.rstrip("!").split() for line in self.shapes[f"{name}Input"] if line.endswith("!")]
        query += [wire for _, place, wire, _ in required if place == "q" and wire not in query]
        headers = [wire for _, place, wire, _ in required if place == "h"]
        input_shape = operation.input_shape
        self._row(
            name, operation.http["method"], level, query, selectors, headers, body, answer,
            body_root=input_shape.serialization.get("name", "") if input_shape is not None else "",
            status=operation.http.get("responseCode", 200), deprecated=operation.deprecated,
        )

    def _patched_operation(self, name: str, patch: dict[str, Any]) -> None:
        self.shapes |= {shape: list(lines) for shape, lines in patch["shapes"].items()}
        self.shapes[f"{name}Input"] = patch["input"]
        self.shapes[f"{name}Output"] = patch["output"]
        self.input_names.add(f"{name}Input")
        self._row(
            name, patch["method"], patch["level"], [], [], patch["headers"], patch["body"], "xml",
            body_root="", status=patch["success"], deprecated=False,
        )

    def _row(
        self, name: str, method: str, level: str, query: list[str], selectors: list[str], headers: list[str],
        body: str, answer: str, *, body_root: str, status: int, deprecated: bool,
    ) -> None:
        action = self.patches["actions"].get(name, f"s3:{name}")
        routed = not deprecated and name not in self.patches["unrouted"]["operations"]
        self.rows.append((
            name, method, level, " ".join(query), " ".join(selectors), " ".join(headers), action,
            self.patches["versioned_actions"].get(name, action), body, answer, body_root,
            self.patches["roots"].get(name, ""), self.patches["success"].get(name, status), deprecated, routed,
        ))

    # -- files -----------------------------------------------------------------------------------------------------

    def operations_file(self) -> str:
        lines = [HEAD.format(title="S3's operations and how their members are written."), NOTATION]
        lines.append(
            "# name, method, level, query, selectors, headers, action, action with a version, body, answer, root of the body,\n"
            "# root of the answer, status, deprecated, routed\n"
            "Row = tuple[str, str, str, str, str, str, str, str, str, str, str, str, int, bool, bool]\n\n"
            "ROWS: tuple[Row, ...] = (\n"
        )
        lines += [f"    ({', '.join(_quoted(value) for value in row)}),\n" for row in self.rows]
        lines.append(")\n\nSHAPES: dict[str, str] = {\n")
        lines += [f"    {_quoted(name)}: {_quoted('; '.join(members))},\n" for name, members in sorted(self.shapes.items())]
        lines.append("}\n\nENUMS: dict[str, frozenset[str]] = {\n")
        for name, values in sorted(self.enums.items()):
            lines.append(f"    {_quoted(name)}: frozenset({{{', '.join(_quoted(value) for value in sorted(values))}}}),\n")
        lines.append("}\n\n# Most entries of a list in a request.\nLIMITS: dict[str, int] = {\n")
        for path, limit in sorted(self.patches["limits"].items()):
            owner, _, member = path.partition(".")
            lines.append(f"    {_quoted(f'{owner}.{attribute_name(member)}')}: {limit},\n")
        return "".join([*lines, "}\n"])

    def structs_file(self, names: set[str], title: str, imported: set[str]) -> str:
        used = self._held_by(names) & imported
        lines = [HEAD.format(title=title), "\nimport msgspec\n"]
        if imported:
            lines.append("\nfrom dolmen.gateway.s3.model import inputs_generated as shared\n\n")
            lines += [f"{name} = shared.{name}\n" for name in sorted(used)]
        for name in sorted(names):
            lines.append(f"\n\nclass {name}(msgspec.Struct, kw_only=True):\n")
            members = [line.rstrip("!").split() for line in self.shapes[name]]
            lines += [f"    {attribute}: {_python(kind)} | None = None\n" for attribute, _, _, kind in members]
            if not members:
                lines.append("    pass\n")
        return "".join(lines)

    def _held_by(self, names: set[str]) -> set[str]:
        """Structures inside of structures, at any depth."""
        held: set[str] = set()
        new = set(names)
        while new:
            new = {part for name in new for line in self.shapes[name] for part in _structures(line)} - held
            held |= new
        return held

    def files(self) -> dict[Path, str]:
        outputs = set(self.shapes) - self.input_names
        return {
            MODEL / "operations_generated.py": self.operations_file(),
            MODEL / "inputs_generated.py": self.structs_file(self.input_names, "What S3's requests carry.", set()),
            MODEL / "outputs_generated.py": self.structs_file(outputs, "What S3's answers carry.", self.input_names),
        }


def _members(shape: botocore.model.Shape | None) -> dict[str, botocore.model.Shape]:
    return {} if shape is None else dict(shape.members)


def _quoted(value: object) -> str:
    return f'"{value}"' if isinstance(value, str) else repr(value)


def _structures(line: str) -> list[str]:
    kind = line.split()[3]
    return kind[kind.index("{") + 1 : kind.index("}")].split("|") if "{" in kind else []


def _python(kind: str) -> str:
    if kind.startswith("["):
        return f"list[{_python(kind[1 : kind.index(']')])}]"
    if kind.startswith("{"):
        return kind[1:-1].replace("|", " | ")
    return {"s": "str", "i": "int", "d": "int", "D": "int", "b": "bool", "m": "dict[str, str]"}[kind.partition("=")[0]]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; fail when a file is stale")
    check = parser.parse_args().check
    loaded = botocore.loaders.Loader().load_service_model("s3", "service-2")
    generator = Generator(botocore.model.ServiceModel(loaded, "s3"), tomllib.loads(PATCHES.read_text()))
    generator.run()
    for path, text in generator.files().items():
        if path.exists() and path.read_text() == text:
            continue
        if check:
            print(f"{path.relative_to(ROOT)} is stale: run make generate")
            return 1
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
