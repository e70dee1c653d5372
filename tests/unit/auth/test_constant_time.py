"""No signature is ever compared with ``==``: by the source, because time cannot be tested."""

import ast
from pathlib import Path

import pytest

import dolmen.gateway.auth.sigv4

ROOM = Path(dolmen.gateway.auth.sigv4.__file__).parent
SECRETS = ("signature", "provided", "computed", "secret", "digest", "mac", "hmac")
MODULES = ["chunk_signature.py", "post_policy.py", "sigv2.py", "sigv4.py"]


def mentions_a_secret(node):
    """A name, an attribute or a call that by its name gives out what must not leak."""
    if isinstance(node, ast.Call):
        node = node.func
    name = node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""
    parts = name.lower().split("_")
    return any(word in parts for word in SECRETS) and "version" not in parts


def comparisons(tree):
    for node in ast.walk(tree):
        if isinstance(node, ast.Compare) and any(isinstance(op, (ast.Eq, ast.NotEq)) for op in node.ops):
            yield node


@pytest.mark.parametrize("name", sorted(path.name for path in ROOM.glob("*.py")))
def test_no_secret_is_compared_openly(name):
    tree = ast.parse((ROOM / name).read_text())
    found = [
        f"{name}:{node.lineno}"
        for node in comparisons(tree)
        if any(mentions_a_secret(side) for side in (node.left, *node.comparators))
    ]
    assert found == []


@pytest.mark.parametrize("name", MODULES)
def test_signatures_are_compared_with_compare_digest(name):
    tree = ast.parse((ROOM / name).read_text())
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)]
    assert [node for node in calls if node.func.attr == "compare_digest" and ast.unparse(node.func.value) == "hmac"]


def test_the_test_can_fail():
    assert list(comparisons(ast.parse("claim.signature == b'x'")))
    assert mentions_a_secret(ast.parse("claim.signature").body[0].value)
    assert mentions_a_secret(ast.parse("h.digest()").body[0].value)
    assert not mentions_a_secret(ast.parse("claim.signature_version").body[0].value)
