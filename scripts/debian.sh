#!/usr/bin/env bash
# Use programs of Debian packages, of any suite, without installing them on the machine.
#
#   debian.sh unpack DIR "SUITES" PACKAGE...   fetch packages and the libraries they need, unpack them into DIR
#   debian.sh run DIR PROGRAM [ARG...]         run a program of DIR, with the libraries of DIR, in place of this shell
#   debian.sh libraries DIR                    print the folders of libraries in DIR, as for LD_LIBRARY_PATH
#
# "SUITES" are tried from left to right until one has every package. Suites joined by + are used together, the
# first one preferred: "bookworm-backports+bookworm forky". PACKAGE is a name: it comes with the libraries (lib*)
# that it needs, and theirs; +NAME comes alone; -NAME is left out, with all that only it needs. With -libc6 the
# programs run with the machine's C library, and can start each other; without it `run` uses the unpacked one, so
# that a newer suite's programs run here.
#
# Nothing is installed: the machine's own apt fetches (its mirror, settings and keyring; signatures are checked)
# with a state folder of its own, and packages are only unpacked: no root, no maintainer scripts. What is there
# already is not fetched again, and of several callers one fetches while the others wait. Exit code 1 says that
# the packages cannot be had, with the reason.
set -euo pipefail

readonly KEYRING=${DEBIAN_KEYRING:-/usr/share/keyrings/debian-archive-keyring.gpg}

say() { printf 'debian: %s\n' "$*" >&2; }

fail() {
    say "$*"
    exit 1
}

# Print the address from which the machine gets its own Debian packages; Debian's own files are asked first.
mirror() {
    local file address
    for file in /etc/apt/sources.list.d/debian.sources /etc/apt/sources.list /etc/apt/sources.list.d/*; do
        [ -r "$file" ] || continue
        address=$(awk '(tolower($1) == "uris:" || $1 == "deb") {
            for (i = 2; i <= NF; i++) if ($i ~ /^[a-z+]+:\/.*debian/ && $i !~ /security/) {sub(/\/+$/, "", $i); print $i; exit}}' "$file")
        [ -n "$address" ] && { echo "$address"; return; }
    done
    return 1
}

# Give apt a state of its own in $1 for the suites $2 (joined by +) and fetch their lists.
prepare_apt() {
    local apt=$1 suites=${2//+/ } address=$3
    rm -rf "$apt"
    mkdir -p "$apt/lists/partial" "$apt/cache/archives/partial" "$apt/packages" "$apt/none"
    : >"$apt/status"
    printf 'Types: deb\nURIs: %s\nSuites: %s\nComponents: main\nArchitectures: %s\nSigned-By: %s\n' \
        "$address" "$suites" "$(dpkg --print-architecture)" "$KEYRING" >"$apt/debian.sources"
    printf 'Package: *\nPin: release a=%s\nPin-Priority: 990\n\nPackage: *\nPin: release n=%s\nPin-Priority: 990\n' \
        "${suites%% *}" "${suites%% *}" >"$apt/preferences"
    # The machine's apt.conf.d stays in force: proxies, certificates, and what a frozen mirror needs.
    cat >"$apt/apt.conf" <<SETTINGS
Dir::State "$apt"; Dir::State::lists "$apt/lists"; Dir::State::status "$apt/status";
Dir::Cache "$apt/cache"; Dir::Etc::sourcelist "$apt/debian.sources"; Dir::Etc::sourceparts "$apt/none";
Dir::Etc::preferencesparts "$apt/none"; Dir::Etc::preferences "$apt/preferences";
APT::Install-Recommends "0"; APT::Sandbox::User ""; APT::Update::Post-Invoke-Success ""; APT::Update::Post-Invoke "";
DPkg::Post-Invoke ""; Acquire::Languages "none"; Acquire::Retries "3";
Acquire::IndexTargets::deb::DEP-11::DefaultEnabled "0"; Acquire::IndexTargets::deb::CNF::DefaultEnabled "0";
SETTINGS
    export APT_CONFIG=$apt/apt.conf
    apt-get -q update >"$apt/update.log" 2>&1 || { sed 's/^/debian: apt: /' "$apt/update.log" | tail -3 >&2; return 1; }
}

# Print the packages named in $@ (NAME, +NAME, -NAME) and the libraries that they need.
closure() {
    local each names=() alone=() without=()
    for each in "$@"; do
        case $each in
            +*) alone+=("${each#+}") ;;
            -*) without+=("${each#-}") ;;
            *) names+=("$each") ;;
        esac
    done
    { [ ${#names[@]} -eq 0 ] || apt-cache depends --recurse --no-recommends --no-suggests --no-enhances --no-breaks \
        --no-replaces --no-conflicts "${names[@]}"; } | awk -v names="${names[*]-}" -v alone="${alone[*]-}" -v without="${without[*]-}" '
        /^[a-z0-9]/ {current = $1; next}
        /Depends:/ {if ($NF !~ /^</) needs[current] = needs[current] " " $NF}
        END {
            n = split(without, list, " "); for (i = 1; i <= n; i++) seen[list[i]] = 1
            n = split(alone, list, " "); for (i = 1; i <= n; i++) if (!seen[list[i]]++) print list[i]
            n = split(names, queue, " "); for (i = 1; i <= n; i++) seen[queue[i]] = 1
            for (i = 1; i <= n; i++) {
                print queue[i]
                m = split(needs[queue[i]], list, " ")
                for (j = 1; j <= m; j++) if (list[j] ~ /^lib/ && list[j] !~ /^libc-gconv/ && !seen[list[j]]++) queue[++n] = list[j]
            }
        }'
}

# Say whether the suites at hand have every package of $@.
has_all() {
    local each
    for each in "$@"; do
        [[ $each == -* ]] && continue
        [ -n "$(apt-cache show "${each#+}" 2>/dev/null)" ] || { say "no package ${each#+} in ${suites}"; return 1; }
    done
}

unpack() {
    local dir=$1 wanted="$2: ${*:3}" choice=$2 apt address suites packages new
    shift 2
    mkdir -p "$(dirname "$dir")"
    dir=$(readlink -f "$dir")
    exec 9>"$dir.lock"
    flock 9
    if [ "$(cat "$dir/.unpacked" 2>/dev/null)" = "$wanted" ]; then return; fi
    for each in apt-get apt-cache dpkg dpkg-deb tar awk; do
        command -v "$each" >/dev/null || fail "needs $each, and this machine has none: a Debian machine is expected"
    done
    [ -r "$KEYRING" ] || fail "no keyring $KEYRING: install debian-archive-keyring, or name one with DEBIAN_KEYRING"
    address=$(mirror) || fail "no Debian mirror in the machine's apt sources (/etc/apt/sources.list.d)"
    apt=$dir.apt
    new=$dir.new
    for suites in $choice ""; do
        [ -n "$suites" ] || fail "none of the suites ($choice) at $address gives: $*"
        prepare_apt "$apt" "$suites" "$address" || { say "no package lists of $suites"; continue; }
        has_all "$@" && break
    done
    packages=$(closure "$@")
    # shellcheck disable=SC2086
    (cd "$apt/packages" && apt-get -q download $packages >"$apt/download.log" 2>&1) ||
        { tail -5 "$apt/download.log" >&2; fail "the packages of $suites could not be fetched"; }
    rm -rf "$new"
    mkdir -p "$new"/usr/{bin,sbin,lib,lib64}
    for each in bin sbin lib lib64; do ln -s "usr/$each" "$new/$each"; done
    for each in "$apt"/packages/*.deb; do
        dpkg-deb --fsys-tarfile "$each" |
            tar -x -C "$new" --no-same-owner --no-same-permissions --keep-directory-symlink \
                --exclude=./usr/share/{doc,man,locale,lintian,bug,gcc}'/*' --exclude='./usr/lib/*/gconv'
    done
    printf '%s' "$wanted" >"$new/.unpacked"
    rm -rf "$dir"
    mv "$new" "$dir"
    say "$suites: $(echo "$packages" | wc -w) packages unpacked, $(du -sh "$dir" | cut -f1) in $dir"
    rm -rf "$apt"
}

libraries() {
    local multiarch
    multiarch=$(cd "$1/usr/lib" && ls -d ./*-linux-gnu* 2>/dev/null | head -1) || true
    echo "$(readlink -f "$1")/usr/lib/${multiarch#./}"
}

run() {
    local dir=$1 name=$2 path folder loader
    shift 2
    path=$dir/$name
    for folder in usr/bin usr/sbin usr/games; do
        [ -x "$dir/$folder/$name" ] && path=$dir/$folder/$name && break
    done
    [ -x "$path" ] || fail "no program $name in $dir"
    folder=$(libraries "$dir")
    loader=$(compgen -G "$folder/ld-linux*.so.*" | head -1) || true
    if [ -n "$loader" ]; then exec "$loader" --argv0 "$name" --library-path "$folder" "$path" "$@"; fi
    LD_LIBRARY_PATH=$folder${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH} exec "$path" "$@"
}

case ${1:-}:$# in
    unpack:0 | unpack:1 | unpack:2 | unpack:3) fail 'unpack needs DIR "SUITES" PACKAGE...' ;;
    unpack:*) unpack "${@:2}" ;;
    run:[3-9] | run:[1-9][0-9]*) run "${@:2}" ;;
    libraries:2) libraries "$2" ;;
    *) sed -n '2,/^set/{/^#/s/^# \{0,1\}//p}' "$0" >&2; exit 2 ;;
esac
