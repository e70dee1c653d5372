#!/usr/bin/env bash
# install_cassandra_tools.sh: what runs Cassandra for the tests, from Debian: Java 17, and Maven that fetches the jars.
set -euo pipefail

# The same places as in cassandra/cassandra_jars.py.
has_java_17() {
    local java
    for java in "${DOLMEN_JAVA_HOME:-}/bin/java" "${JAVA_HOME:-}/bin/java" "$(command -v java)" /usr/lib/jvm/java-17-openjdk-*/bin/java; do
        [ -x "$java" ] && [[ $("$java" -version 2>&1) == *'version "17'* ]] && return
    done
    return 1
}

missing=()
has_java_17 || missing+=(openjdk-17-jre-headless)
command -v mvn >/dev/null || missing+=(maven)
[ ${#missing[@]} = 0 ] && exit 0
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    echo "install: adding ${missing[*]}" >&2
    if apt-get update -qq >&2 &&
        DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >&2; then
        exit 0
    fi
    echo "apt-get could not install ${missing[*]}; Cassandra needs Java 17 (DOLMEN_JAVA_HOME names another place) and Maven" >&2
else
    echo "Cassandra for the tests needs ${missing[*]}: sudo apt-get install ${missing[*]}" >&2
fi
exit 1
