#!/usr/bin/env bash
# generate.sh VENV [--check]: run every generator; with --check, fail when a generated file is stale.
set -euo pipefail
cd "$(dirname "$0")/.."
venv=$1
shift
for generator in scripts/generate_*.py; do
    [ -e "$generator" ] || continue
    "$venv/bin/python" "$generator" "$@"
done
