#!/usr/bin/env bash
# Put the systemd units in place, for this folder's dialer.
#
#   install-systemd.sh        as root: install, make the user, let systemd read the units. Starts nothing.
#   DESTDIR=FOLDER            install below a folder instead, as packagers do: no user is made, systemd is not asked
#   DRY_RUN=1                 only say what would be done
#   ONLY=UNIT                 put only this unit in place
#
# Units are replaced; a configuration, campaigns and credentials that are there stay as they are.
set -euo pipefail
cd "$(dirname "$0")/.."

readonly HOME_DIR=$PWD DEST=${DESTDIR:-} DRY=${DRY_RUN:-}
readonly UNITS=/usr/local/lib/systemd/system

say() { echo "install-systemd: $*"; }
fail() { echo "install-systemd: $*" >&2; exit 1; }
run() {
    if [ -n "$DRY" ]; then say "would run: $*"; else "$@"; fi
}

# put MODE SOURCE TARGET: with this folder in the place of /opt/dialer.
put() {
    say "${DRY:+would write }$DEST$3"
    [ -z "$DRY" ] || return 0
    mkdir -p "$(dirname "$DEST$3")"
    sed "s#/opt/dialer#$HOME_DIR#g" "$2" >"$DEST$3"
    chmod "$1" "$DEST$3"
}

# folder MODE OWNER PATH: where there is none yet.
folder() {
    [ ! -d "$DEST$3" ] || return 0
    if [ -n "$DEST" ]; then run install -d -m "$1" "$DEST$3"; else run install -d -m "$1" -o "${2%:*}" -g "${2#*:}" "$3"; fi
}

case $HOME_DIR in
    *[[:space:]#%\\\"\']*) fail "the folder $HOME_DIR has a character that a unit cannot name: move it, to /opt/dialer say" ;;
    /home/* | /root/* | /run/user/* | /tmp/* | /var/tmp/*)
        [ -n "$DEST$DRY" ] || fail "the units hide $HOME_DIR from the service: move the folder, to /opt/dialer say" ;;
esac
[ -n "$DEST$DRY" ] || [ "$(id -u)" = 0 ] || fail "needs root: sudo make install-systemd, or DESTDIR=FOLDER"
[ -n "$DEST$DRY" ] || [ -d /run/systemd/system ] || fail "this machine does not run systemd: DESTDIR=FOLDER installs below a folder"

for unit in ${ONLY:-dialer.service dialer-gateway@.service dialer-upgrade.service}; do put 644 "deploy/$unit" "$UNITS/$unit"; done
put 644 deploy/sysusers.conf /usr/local/lib/sysusers.d/dialer.conf
[ -n "$DEST" ] || run systemd-sysusers dialer.conf
folder 750 root:dialer /etc/dialer
folder 750 root:dialer /etc/dialer/gateways
folder 700 root:root /etc/credstore
folder 700 dialer:dialer /var/lib/dialer
folder 700 dialer:dialer /var/lib/dialer/campaigns
if [ -e "$DEST/etc/dialer/config.toml" ]; then
    say "$DEST/etc/dialer/config.toml stays as it is"
else
    put 640 deploy/config.toml /etc/dialer/config.toml
    [ -n "$DEST" ] || run chgrp dialer /etc/dialer/config.toml
fi
[ -n "$DEST" ] || run systemctl daemon-reload
[ -z "$DRY" ] || exit 0
say "done. Campaign files go into /var/lib/dialer/campaigns; then: systemctl enable --now dialer"
