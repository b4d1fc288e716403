#!/usr/bin/env bash
# Run an Asterisk 22 without installing it: for the tests, the demo, and to try deploy/asterisk/ before it is yours.
#
#   asterisk.sh install [CACHE]              unpack Asterisk and SIPp into CACHE (.cache/servers), once; print CACHE
#   asterisk.sh instance CACHE DIR [KEY=VAL] write DIR: the configuration of deploy/asterisk/ filled in, tones, folders
#   asterisk.sh start DIR                    start it, return when it answers
#   asterisk.sh stop DIR                     end it and all its calls
#   asterisk.sh kill DIR                     the same as a power cut would
#   asterisk.sh cli DIR COMMAND              one command of its console
#
# KEY=VAL: IP=127.0.0.1 HTTP=8088 SIP=5060 RTP0=10000 RTP1=14999 CARRIER=127.0.0.10:5060 AGENT_HOST=127.0.0.20:5060
# AGENTS=10 (endpoints agent1 to agent10 at AGENT_HOST) USER=dialer SECRET=dialer-secret APP=dialer
#
# Nothing is installed and nothing but DIR is written; any number of instances run side by side, each on a loopback
# address of its own. Asterisk runs with the C library that it came with.
set -euo pipefail
cd "$(dirname "$0")/.."

readonly CONF=$PWD/deploy/asterisk

say() { printf 'asterisk: %s\n' "$*" >&2; }

fail() {
    say "$*"
    exit 1
}

install() {
    local cache=$1 link
    scripts/debian.sh unpack "$cache/asterisk" "forky sid" asterisk +asterisk-modules +asterisk-core-sounds-en-gsm \
        libsrtp2-1 libgsm1 libspeex1 libspeexdsp1 libresample1 -libnss3 -libnspr4
    scripts/debian.sh unpack "$cache/sipp" "bookworm trixie forky" sip-tester
    # what the package's own script would do with update-alternatives
    link=$cache/asterisk/usr/share/asterisk/sounds/en
    [ -e "$link" ] || ln -sfn en_US_f_Allison "$link"
    readlink -f "$cache"
}

instance() {
    local cache dir=$2 each file i IP=127.0.0.1 HTTP=8088 SIP=5060 RTP0=10000 RTP1=14999 CARRIER=127.0.0.10:5060 \
        AGENT_HOST=127.0.0.20:5060 AGENTS=10 USER=dialer SECRET=dialer-secret APP=dialer
    cache=$(readlink -f "$1")
    shift 2
    for each in "$@"; do
        case $each in
            IP=* | HTTP=* | SIP=* | RTP0=* | RTP1=* | CARRIER=* | AGENT_HOST=* | AGENTS=* | USER=* | SECRET=* | APP=*)
                declare "$each" ;;
            *) fail "unknown setting $each" ;;
        esac
    done
    mkdir -p "$dir"
    dir=$(readlink -f "$dir")
    mkdir -p "$dir"/{etc,lib,run,log/cdr-csv,sounds} "$dir"/spool/{monitor,recording,outgoing,tmp}
    for file in acl ccss cel features pjproject udptl websocket_client; do echo '[general]' >"$dir/etc/$file.conf"; done
    for file in acl pjproject websocket_client; do : >"$dir/etc/$file.conf"; done
    printf '[general]\nenable = no\n' >"$dir/etc/cel.conf"
    for file in "$CONF"/*.conf; do
        sed -e "s|@INST@|$dir|g; s|@ROOT@|$cache/asterisk|g; s|@MULTIARCH@|$(multiarch "$cache/asterisk")|g" \
            -e "s|@NAME@|$(basename "$dir")|g; s|@IP@|$IP|g; s|@HTTP@|$HTTP|g; s|@SIP@|$SIP|g; s|@RTP0@|$RTP0|g" \
            -e "s|@RTP1@|$RTP1|g; s|@CARRIER@|$CARRIER|g; s|@CARRIER_IP@|${CARRIER%:*}|g; s|@USER@|$USER|g" \
            -e "s|@SECRET@|$SECRET|g; s|@APP@|$APP|g" "$file" >"$dir/etc/$(basename "$file")"
    done
    {
        printf '[agent](!)\ntype = endpoint\ntransport = transport-udp\ncontext = dialer-agents\ndisallow = all\n'
        printf 'allow = ulaw,alaw\ndirect_media = no\ndtmf_mode = auto_info\nmedia_address = %s\nbind_rtp_to_media_address = yes\n' "$IP"
        for ((i = 1; i <= AGENTS; i++)); do
            printf '[agent%d](agent)\naors = agent%d\n[agent%d]\ntype = aor\ncontact = sip:agent%d@%s\n' $i $i $i $i "$AGENT_HOST"
        done
    } >"$dir/etc/pjsip_agents.conf"
    chmod 600 "$dir/etc/ari.conf"
    python3 scripts/tones.py "$dir/sounds"
    ln -sfn "$cache" "$dir/cache"
}

multiarch() { (cd "$1/usr/lib" && ls -d ./*-linux-gnu* | head -1 | cut -c3-); }

asterisk() { scripts/debian.sh run "$1/cache/asterisk" asterisk -C "$1/etc/asterisk.conf" "${@:2}"; }

pid_of() { cat "$1/run/asterisk.pid" 2>/dev/null; }

# Whether process $1 runs; one that has ended and was not waited for yet does not.
runs() { [ -n "$1" ] && [[ $(sed 's/.*) //' "/proc/$1/stat" 2>/dev/null) == [!ZX]* ]]; }

start() {
    local dir pid i
    dir=$(readlink -f "$1")
    runs "$(pid_of "$dir")" && return
    rm -f "$dir"/run/asterisk.{ctl,pid}
    (
        export LC_ALL=C
        cd "$dir/spool"
        exec setsid "$OLDPWD/scripts/debian.sh" run "$dir/cache/asterisk" asterisk -f -C "$dir/etc/asterisk.conf"
    ) </dev/null >"$dir/log/stdout" 2>&1 &
    pid=$!
    for ((i = 0; i < 300; i++)); do
        sleep 0.05
        runs "$pid" || { tail -5 "$dir/log/stdout" >&2; fail "it ended while it started; see $dir/log"; }
        [ -S "$dir/run/asterisk.ctl" ] || continue
        [[ $(asterisk "$dir" -rx 'core waitfullybooted' 2>/dev/null) == *'fully booted'* ]] && return
    done
    fail "it does not answer after 15 s; see $dir/log"
}

stop() {
    local dir pid i
    dir=$(readlink -f "$1")
    pid=$(pid_of "$dir") || return 0
    runs "$pid" || return 0
    # SIGTERM would wait for calls to end
    asterisk "$dir" -rx 'core stop now' >/dev/null 2>&1 || kill -TERM "$pid"
    for ((i = 0; i < 100; i++)); do
        runs "$pid" || return 0
        sleep 0.05
    done
    kill -KILL "$pid"
}

kill_it() {
    local dir pid
    dir=$(readlink -f "$1")
    pid=$(pid_of "$dir") || return 0
    runs "$pid" || return 0
    kill -KILL "$pid"
    while runs "$pid"; do sleep 0.02; done
    rm -f "$dir"/run/asterisk.{ctl,pid}
}

case ${1:-}:$# in
    install:1) install .cache/servers ;;
    install:2) install "$2" ;;
    instance:[3-9] | instance:1[0-9]) instance "${@:2}" ;;
    start:2) start "$2" ;;
    stop:2) stop "$2" ;;
    kill:2) kill_it "$2" ;;
    cli:3) asterisk "$(readlink -f "$2")" -rx "$3" ;;
    *) sed -n '2,/^set/{/^#/s/^# \{0,1\}//p}' "$0" >&2; exit 2 ;;
esac
