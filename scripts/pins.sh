#!/usr/bin/env bash
# Write constraints.txt anew from pyproject.toml: newest allowed versions, with the hashes of all their files.
#
# pip-tools runs in a virtual environment of its own, made with the oldest supported Python so that the
# versions found serve every newer one, and thrown away afterwards.
set -euo pipefail
cd "$(dirname "$0")/.."

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

.venv/bin/python -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' || {
    echo "pins: .venv must be Python 3.11, the oldest supported, or the pins may not serve it" >&2
    exit 1
}
echo "pins: installing pip-tools in $scratch"
.venv/bin/python -m venv "$scratch/venv"
"$scratch/venv/bin/python" -m pip install --quiet --disable-pip-version-check pip-tools

echo "pins: resolving pyproject.toml"
"$scratch/venv/bin/pip-compile" --quiet --extra dev --generate-hashes --allow-unsafe --strip-extras --no-header \
    --no-annotate --no-emit-index-url --no-emit-trusted-host --no-emit-find-links \
    --output-file "$scratch/constraints.txt" pyproject.toml

{
    echo '# Every package of the development environment, pinned by version and hash, for CPython 3.11 to 3.13 on'
    echo '# Linux x86_64. Generated from pyproject.toml by `make pins`; do not edit by hand.'
    echo '# It names no package index: pip takes the one that the machine is configured for.'
    grep -v '^#' "$scratch/constraints.txt" | sed '/./,$!d'
} >"$scratch/final.txt"
mv "$scratch/final.txt" constraints.txt
echo "pins: wrote constraints.txt ($(grep -c '==' constraints.txt) packages)"
