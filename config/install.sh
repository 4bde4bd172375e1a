#!/bin/bash
# Installs what pgrehearse needs, on Debian 12. Says nothing and calls no package manager when all is there.
#
#   config/install.sh           to build and run it, and for the quickstart
#   config/install.sh --tests   for tests/run.sh as well
#   config/install.sh --bench   for bench/ as well
set -euo pipefail
cd "$(dirname "$0")/.."

build=(
    gcc cmake ninja-build pkg-config libc6-dev
    libuv1-dev libssl-dev libidn-dev libpq-dev libpg-query-dev libprotobuf-c-dev libcyaml-dev libxxhash-dev
    libsqlite3-dev libmicrohttpd-dev libjansson-dev libsystemd-dev
    postgresql-15 postgresql-client-15 python3 python3-psycopg
)
tests=(libcriterion-dev python3-pytest python3-pytest-xdist clang-14 clang-format-14 libclang-rt-14-dev openssl curl)
bench=(pgbouncer haproxy)
driver=pg@8.13.1 # Node's PostgreSQL driver, into build/node

say() { printf 'install: %s\n' "$*"; }
die() { printf 'install: %s\n' "$*" >&2; exit 1; }

wanted=("${build[@]}")
with_driver=no
for option in "$@"; do
    case $option in
    --tests)
        wanted+=("${tests[@]}")
        # Any nodejs and npm will do: Debian's, or one that was there before.
        command -v node >/dev/null || wanted+=(nodejs)
        command -v npm >/dev/null || wanted+=(npm)
        with_driver=yes
        ;;
    --bench) wanted+=("${bench[@]}") ;;
    --help | -h) sed -n '2,6s/^# \{0,1\}//p' "$0"; exit 0 ;;
    *) die "unknown option $option (try --help)" ;;
    esac
done

command -v dpkg-query >/dev/null || die "needs Debian's dpkg; elsewhere install by hand: ${wanted[*]}"
declare -A installed
while IFS=$'\t' read -r package state; do
    [[ $state != ii* ]] || installed[$package]=yes
done < <(dpkg-query -W -f '${Package}\t${db:Status-Abbrev}\n')
missing=()
for package in "${wanted[@]}"; do
    [[ -n ${installed[$package]:-} ]] || missing+=("$package")
done

log=$(mktemp)
trap 'rm -f "$log"' EXIT
quietly() { # runs it, and shows what it said only when it fails
    "$@" >"$log" 2>&1 </dev/null || { cat "$log" >&2; die "failed: $*"; }
}

if ((${#missing[@]})); then
    as_root=()
    if ((EUID != 0)); then
        command -v sudo >/dev/null || die "run as root (no sudo here): apt-get install ${missing[*]}"
        as_root=(sudo)
    fi
    say "installing ${missing[*]}"
    # Installing a server package would otherwise make and start a cluster of its own.
    no_default_cluster='mkdir -p /etc/postgresql-common/createcluster.d &&
        echo "create_main_cluster = false" >/etc/postgresql-common/createcluster.d/pgrehearse.conf'
    [[ " ${missing[*]} " != *" postgresql-15 "* ]] ||
        quietly "${as_root[@]}" sh -c "$no_default_cluster"
    quietly "${as_root[@]}" apt-get update
    quietly "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
        apt-get install --yes --no-install-recommends "${missing[@]}"
fi

if [[ $with_driver = yes && ! -d build/node/node_modules/pg ]]; then
    say "installing the npm package $driver into build/node"
    mkdir -p build/node
    quietly npm install --prefix build/node --no-audit --no-fund --loglevel=error "$driver"
fi
