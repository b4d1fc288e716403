#!/usr/bin/env bash
# Make .venv with every pinned package and the project itself, and say each step.
#
# Installs system packages only when they are absent, and says so. Everything comes as a wheel, so no
# compiler is needed. Called by `make setup`, which skips it while the pins are unchanged.
set -euo pipefail
cd "$(dirname "$0")/.."

readonly VENV=.venv
readonly STAMP="$VENV/.installed"

say() { printf 'setup: %s\n' "$*"; }

fail() {
    printf 'setup: %s\n' "$*" >&2
    exit 1
}

# Print the first interpreter that is CPython 3.11 or newer and can make virtual environments.
find_python() {
    local candidate
    for candidate in ${PYTHON:-python3 python3.13 python3.12 python3.11}; do
        if "$candidate" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            command -v "$candidate"
            return 0
        fi
    done
    return 1
}

# Install Debian's Python and its venv module, as root or through sudo.
install_python() {
    command -v apt-get >/dev/null ||
        fail "needs Python 3.11 or newer with the venv module, and there is no apt-get to install it: install it, then run make again"
    local root=()
    if [ "$(id -u)" -ne 0 ]; then
        command -v sudo >/dev/null || fail "needs the packages python3 and python3-venv: install them as root, then run make again"
        root=(sudo)
    fi
    say "no Python 3.11+ with the venv module: installing the system packages python3 and python3-venv"
    "${root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get update -qq
    "${root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends python3 python3-venv
}

python=$(find_python) || {
    install_python
    python=$(find_python) || fail "still no Python 3.11 or newer: Debian 12 or later has it; or name one with PYTHON=/path/to/python make setup"
}

if "$VENV/bin/python" -c 'import pip' 2>/dev/null; then
    say "1/3 using $VENV ($("$VENV/bin/python" --version))"
else
    say "1/3 creating $VENV with $("$python" --version) ($python)"
    "$python" -m venv --clear "$VENV"
fi
rm -f "$STAMP"

say "2/3 installing $(grep -c '==' constraints.txt) pinned packages (versions and hashes of constraints.txt)"
"$VENV/bin/python" -m pip install --quiet --disable-pip-version-check --require-hashes --only-binary :all: -r constraints.txt

say "3/3 installing the project itself, editable"
"$VENV/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .

touch "$STAMP"
say "done: $VENV/bin/dialer"
