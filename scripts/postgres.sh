#!/usr/bin/env bash
# Find a PostgreSQL for the tests, or unpack one, and print where its programs are.
#
#   postgres.sh [CACHE]     CACHE is .cache/servers where not given
#
# The first line printed is the folder of initdb and postgres; the second, if there is one, goes into
# LD_LIBRARY_PATH when they are started. The machine's own PostgreSQL is taken where it is 15 or newer (the version
# 15 first; DIALER_POSTGRES names other folders); only its programs are used. Otherwise PostgreSQL 15 is unpacked from
# Debian 12 into CACHE, once. Nothing is installed, and no service of the machine is touched.
set -euo pipefail
cd "$(dirname "$0")/.."

readonly CACHE=${1:-.cache/servers}
readonly VERSION=15

for folder in ${DIALER_POSTGRES:-/usr/lib/postgresql/$VERSION/bin /usr/lib/postgresql/1[6-9]/bin}; do
    if [ -x "$folder/postgres" ] && [ -x "$folder/initdb" ]; then
        echo "$folder"
        exit 0
    fi
done

# Without its compiler of queries (LLVM, 110 MB, not used here), and with the C library of this machine, which is as
# new as Debian 12's or newer.
scripts/debian.sh unpack "$CACHE/postgresql-$VERSION" bookworm "postgresql-$VERSION" -libllvm14 -libc6
root=$(readlink -f "$CACHE/postgresql-$VERSION")
echo "$root/usr/lib/postgresql/$VERSION/bin"
scripts/debian.sh libraries "$root"
