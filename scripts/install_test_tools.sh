#!/usr/bin/env bash
# install_test_tools.sh: programs from Debian that the tests run: strace (order of system calls) and a C compiler (load generator).
set -euo pipefail

missing=()
command -v strace >/dev/null || missing+=(strace)
command -v cc >/dev/null || missing+=(gcc libc6-dev)
[ ${#missing[@]} = 0 ] && exit 0
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    echo "install: adding ${missing[*]}" >&2
    apt-get update -qq >&2
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >&2
else
    echo "the tests need ${missing[*]}: sudo apt-get install ${missing[*]}" >&2
    exit 1
fi
