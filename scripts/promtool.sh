#!/usr/bin/env bash
# Run Prometheus' promtool: the machine's own, or Debian 12's, unpacked into CACHE (.cache/servers where not given) once.
set -euo pipefail
here=$PWD
cd "$(dirname "$0")/.."

if command -v promtool >/dev/null; then cd "$here" && exec promtool "$@"; fi
root=$(pwd)/${CACHE:-.cache/servers}/prometheus
scripts/debian.sh unpack "$root" bookworm +prometheus >&2
find "$root/usr/bin" -name prometheus -delete # the server is not needed, and is large
cd "$here"
exec "$root/usr/bin/promtool" "$@"
