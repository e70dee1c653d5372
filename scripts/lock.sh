#!/usr/bin/env bash
# lock.sh: resolve all dependencies afresh, without the present pins, and write constraints.txt.
set -euo pipefail
cd "$(dirname "$0")/.."
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
"${PYTHON:-python3}" -m venv "$scratch/venv"
"$scratch/venv/bin/pip" install --quiet --upgrade pip
# The build requirements are installed too, so that building the project is pinned as well.
"$scratch/venv/bin/pip" install --quiet hatchling editables ".[gateway,datanode,operator,cli,dev]"
{
    echo "# Exact versions of everything that is installed; written by \`make lock\`, applied by scripts/install.sh."
    "$scratch/venv/bin/pip" freeze --all | grep -viE '^(dolmen|pip|setuptools|wheel)\b' | LC_ALL=C sort -f
} >"$scratch/constraints.txt"
mv "$scratch/constraints.txt" constraints.txt
echo "constraints.txt: $(grep -vc '^#' constraints.txt) pins"
