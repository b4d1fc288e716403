#!/usr/bin/env bash
# Find a Mosquitto for the tests, or unpack one, and print its folder: `scripts/debian.sh run FOLDER mosquitto` starts it.
#
#   mosquitto.sh [CACHE]     CACHE is .cache/servers where not given
#
# The machine's own broker (folder /) is taken where it is 2.0.21 or newer: older ones ignore a client's receive maximum.
# Otherwise one is unpacked from Debian into CACHE, once. Nothing is installed, and no service is touched.
set -euo pipefail
cd "$(dirname "$0")/.."

readonly CACHE=${1:-.cache/servers}
readonly OLDEST=2.0.21

is_new_enough() {
    local version
    version=$("$1" -h 2>/dev/null | awk '/^mosquitto version/ {print $3}') || true
    [ -n "$version" ] && [ "$(printf '%s\n' "$OLDEST" "$version" | sort -V | head -1)" = "$OLDEST" ]
}

if [ -x /usr/sbin/mosquitto ] && [ -x /usr/bin/mosquitto_passwd ] && is_new_enough /usr/sbin/mosquitto; then
    echo /
    exit 0
fi

scripts/debian.sh unpack "$CACHE/mosquitto" "bookworm-backports+bookworm trixie forky" mosquitto
readlink -f "$CACHE/mosquitto"
