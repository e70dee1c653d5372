#!/usr/bin/env bash
# install.sh VENV EXTRAS: make the virtual environment if need be and install this checkout into it, editable and pinned.
set -euo pipefail
cd "$(dirname "$0")/.."
venv=$1
extras=$2

fail() {
    echo "install: $*" >&2
    exit 1
}

find_python() {
    local candidate
    for candidate in "${PYTHON:-}" python3.11 python3.12 python3.13 python3; do
        [ -n "$candidate" ] || continue
        if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            echo "$candidate"
            return
        fi
    done
    fail "no Python 3.11 or newer found (on Debian: apt-get install python3 python3-venv)"
}

# Debian ships Python without ensurepip; the package that has it is named after the version.
ensure_venv_module() {
    "$1" -c 'import ensurepip, venv' 2>/dev/null && return
    local package
    package=$("$1" -c 'import sys; print(f"python3.{sys.version_info.minor}-venv")')
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
        echo "install: adding $package" >&2
        { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$package"; } >&2 ||
            fail "apt-get could not install $package"
    else
        fail "this Python cannot make virtual environments; run: sudo apt-get install $package"
    fi
}

if [ ! -x "$venv/bin/pip" ]; then
    python=$(find_python)
    ensure_venv_module "$python"
    "$python" -m venv "$venv" || fail "could not make $venv"
fi

# Both names: older pip takes the constraints of the build environment from the first, newer from the second.
export PIP_CONSTRAINT=$PWD/constraints.txt PIP_BUILD_CONSTRAINT=$PWD/constraints.txt PIP_DISABLE_PIP_VERSION_CHECK=1
"$venv/bin/pip" install --quiet --editable ".[$extras]"
