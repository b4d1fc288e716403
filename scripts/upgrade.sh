#!/usr/bin/env bash
# Put this folder's dialer in the place of the one that systemd runs: drain, copy, upgrade, resume.
#
#   upgrade.sh                as root: start dialer-upgrade.service, whose steps do it, and show what it says
#   DRY_RUN=1                 only say what would be done
#
# Interrupted or failed it is to be repeated: it goes on where it was.
set -euo pipefail
cd "$(dirname "$0")/.."

run() {
    if [ -n "${DRY_RUN:-}" ]; then echo "upgrade: would run: $*"; else "$@"; fi
}

ONLY=dialer-upgrade.service scripts/install-systemd.sh >&2
began=$(date +%s) code=0
run systemctl start dialer-upgrade.service || code=$?
run journalctl --unit=dialer-upgrade.service --since="@$began" --output=cat --no-pager
exit "$code"
