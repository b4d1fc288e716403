#!/usr/bin/env bash
# Run one of systemd's own programs that need no systemd: systemd.sh systemd-analyze verify UNIT
#
# The machine's own is taken where it is 252 or newer; otherwise Debian 12's is unpacked into CACHE (.cache/servers where
# not given), once. Nothing is installed.
set -euo pipefail
cd "$(dirname "$0")/.."

readonly ROOT=${CACHE:-.cache/servers}/systemd-252
version=$("$1" --version 2>/dev/null | sed -n '1s/^systemd \([0-9]*\).*/\1/p') || true
if [ "${version:-0}" -ge 252 ]; then exec "$@"; fi

scripts/debian.sh unpack "$ROOT" bookworm systemd >&2
libraries=$(scripts/debian.sh libraries "$ROOT")
libraries=${libraries%%:*}
for each in "$libraries"/systemd/*.so; do ln -sf "systemd/${each##*/}" "$libraries/${each##*/}"; done
export SYSTEMD_UNIT_PATH=${SYSTEMD_UNIT_PATH:-$(readlink -f "$ROOT")/usr/lib/systemd/system}
exec scripts/debian.sh run "$ROOT" "$@"
