"""A file answers one question, a function fits on a screen."""

import ast

FILE_LINES_MAX = 600  # the 90th percentile of code bases that are a pleasure to read
FUNCTION_LINES_MAX = 60  # one screen, the docstring included
GENERATED_SUFFIX = "_generated.py"  # written by scripts/generate_*.py; nobody edits them


def test_files_are_short(root, python_files):
    long = {}
    for path in python_files:
        lines = path.read_text().count("\n")
        if lines > FILE_LINES_MAX and not path.name.endswith(GENERATED_SUFFIX):
            long[str(path.relative_to(root))] = lines
    assert long == {}


def test_functions_are_short(root, python_files):
    long = {}
    for path in python_files:
        if path.name.endswith(GENERATED_SUFFIX):
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                lines = (node.end_lineno or node.lineno) - node.lineno + 1
                if lines > FUNCTION_LINES_MAX:
                    long[f"{path.relative_to(root)}:{node.lineno} {node.name}"] = lines
    assert long == {}
