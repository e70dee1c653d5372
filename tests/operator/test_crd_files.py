"""The generated files: current, read back as what was written, with every field on the page."""

import subprocess
import sys
from pathlib import Path

import crd_yaml
import pytest
from crd_schema import walk
from hypothesis import given, settings
from hypothesis import strategies as st

from dolmen.operator.crd.definitions import KINDS, definition, schema_of
from dolmen.operator.crd.page import page
from dolmen.operator.crd.rules import RULES
from dolmen.operator.crd.yaml_text import yaml_text

ROOT = Path(__file__).resolve().parents[2]
TEXTS = st.text(max_size=8) | st.sampled_from(
    ["yes", "No", "null", "~", "1", "0x1", "a: b", "- a", "#", "a #b", "1e3", " a", "a:", "é", "\n", "\x85", "\u2028", "\ufeff"]
)
SCALARS = st.none() | st.booleans() | st.integers() | TEXTS
VALUES = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3), max_leaves=8)


def test_files_are_current():
    command = [sys.executable, "scripts/generate_crds.py", "--check"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_file_reads_as_the_definition(kind):
    text = (ROOT / "crds" / f"dolmen.dev_{kind.plural}.yaml").read_text()
    assert crd_yaml.read(text) == definition(kind)


@settings(max_examples=60, deadline=None)
@given(st.dictionaries(TEXTS, VALUES, min_size=1, max_size=3))
def test_yaml_is_read_back(value):
    text = yaml_text(value)
    assert crd_yaml.read(text) == value


def test_texts_that_yaml_misreads_are_quoted():
    for text in ("yes", "Off", "null", "1", "", "a: b", "~", "- a", "2030-01-01", "0o7", ".5", "True"):
        assert yaml_text({"a": text}) == f'a: "{text}"\n'


def test_page_has_every_field_and_rule():
    text = page()
    for kind in KINDS:
        for path, _ in walk(schema_of(kind)):
            if path.startswith((".spec.", ".status.")) and not path.endswith(("[]", "{}")):
                assert f"| `{path.removeprefix('.')}` |" in text
    for rule in RULES:
        assert f"`{rule.name}`" in text
