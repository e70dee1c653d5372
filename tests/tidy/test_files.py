"""Names, documents and contents that hold for every file."""

import collections
import re
import subprocess

# Written with brackets so that this file does not match itself.
PLACES = re.compile(
    r"pypi[.]org|python[h]osted[.]org|registry[.]npmjs|proxy[.]golang|"
    r"--index-[u]rl|--extra-index-[u]rl|(?<![\w.$}])/(?:ho[m]e|ro[o]t|wor[k]|User[s])/\w"
)
VAGUE_NAMES = {"utils", "util", "helpers", "misc", "common"}


def _text(path):
    try:
        return path.read_text()
    except UnicodeDecodeError:
        return ""


def test_no_registry_hosts_and_no_paths_of_one_machine(root, files):
    found = [
        f"{path.relative_to(root)}:{number}: {line.strip()[:100]}"
        for path in files
        for number, line in enumerate(_text(path).splitlines(), 1)
        if PLACES.search(line)
    ]
    assert found == []


def test_no_file_has_a_vague_name(root, python_files):
    assert [str(path.relative_to(root)) for path in python_files if path.stem in VAGUE_NAMES] == []


def test_test_files_have_unique_names(root, python_files):
    tests = [path for path in python_files if (root / "tests") in path.parents]
    counts = collections.Counter(path.name for path in tests if path.name.startswith("test_"))
    assert [name for name, count in counts.items() if count > 1] == []


def test_documents_have_exactly_one_title(root, files):
    wrong = {}
    for path in files:
        if path.suffix != ".md":
            continue
        prose = re.sub(r"^```.*?^```", "", path.read_text(), flags=re.DOTALL | re.MULTILINE)
        titles = re.findall(r"^# .+", prose, flags=re.MULTILINE)
        if len(titles) != 1:
            wrong[str(path.relative_to(root))] = titles
    assert wrong == {}


def test_links_between_documents_lead_somewhere(root, files):
    broken = []
    for path in files:
        if path.suffix != ".md":
            continue
        targets = re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", path.read_text())
        missing = [name for name in targets if "://" not in name and not (path.parent / name).exists()]
        broken += [f"{path.relative_to(root)}: {name}" for name in missing]
    assert broken == []


def test_every_runtime_dependency_has_a_reason(root):
    """Development tools are explained in CONTRIBUTING.md; what a user installs is explained in place."""
    text = (root / "pyproject.toml").read_text()
    arrays = re.findall(r"^(\w+) = \[\n(.*?)^\]", text, flags=re.DOTALL | re.MULTILINE)
    lines = [line for name, body in arrays if name != "dev" for line in body.splitlines() if ">=" in line]
    assert lines, "the arrays of dependencies were not found"
    assert [line.strip() for line in lines if not re.search(r"# \w", line)] == []


def test_constraints_are_exact_and_name_no_place(root):
    lines = (root / "constraints.txt").read_text().splitlines()
    pins = [line for line in lines if line and not line.startswith("#")]
    assert [line for line in pins if not re.fullmatch(r"[A-Za-z0-9._-]+==[A-Za-z0-9.+!]+", line)] == []


def test_shell_scripts_parse_and_stop_on_errors(files):
    scripts = [path for path in files if path.suffix == ".sh"]
    for path in scripts:
        assert "set -euo pipefail" in path.read_text(), path
        assert subprocess.run(["bash", "-n", str(path)], check=False).returncode == 0, path
