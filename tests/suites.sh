#!/bin/bash
# PostgreSQL's own test suites, through the proxy and direct: they must not be able to tell.
#
#   tests/suites.sh [regress] [isolation] [pipeline] [ecpg]
#
# Fetches Debian's source package of postgresql-15 (nothing of it is kept in the repository), builds
# psql and the test drivers from it, starts throwaway clusters, and runs each suite
#   direct     against old alone,
#   relay      through the proxy with shadow_percent 0,
#   shadow     through the proxy with shadow_percent 100,
#   frozen     the same, with new stopped by SIGSTOP.
# Prints a table, and the names of the tests that differ from the direct run. Exit 0: none differs.
# WAYS="direct shadow" chooses among the four. SUITES_CACHE (default: build/suites) keeps the source.
set -euo pipefail
cd "$(dirname "$0")/.."
root=$PWD
cache=${SUITES_CACHE:-$root/build/suites}
suites=${*:-regress isolation pipeline ecpg}
ways=${WAYS:-direct relay shadow frozen}
bin=/usr/lib/postgresql/15/bin
work=$(mktemp -d /tmp/pgrehearse-suites.XXXXXX)
pids=()
clusters=()

say() { printf '%s\n' "$*" >&2; }
as_postgres() { if [ "$(id -u)" = 0 ]; then runuser -u postgres -- "$@"; else "$@"; fi; }

cleanup() {
    for pid in "${pids[@]}"; do kill -CONT "$pid" 2>/dev/null || true; kill "$pid" 2>/dev/null || true; done
    for cluster in "${clusters[@]}"; do
        pkill -CONT -g "$(head -1 "$cluster/postmaster.pid" 2>/dev/null || echo 0)" 2>/dev/null || true
        as_postgres "$bin/pg_ctl" -D "$cluster" -m immediate stop >/dev/null 2>&1 || true
    done
    wait 2>/dev/null || true
    [ -n "${KEEP:-}" ] && say "kept: $work" || rm -rf "$work"
}
trap cleanup EXIT

# The newest source version may be missing from the mirror: fall back to the one before.
fetch_source() {
    local lists=$cache/lists options version
    mkdir -p "$lists"
    sed 's/^Types: .*/Types: deb-src/' /etc/apt/sources.list.d/debian.sources > "$cache/deb-src.sources" 2>/dev/null ||
        sed -n 's/^deb /deb-src /p' /etc/apt/sources.list > "$cache/deb-src.list"
    local list=$cache/deb-src.sources
    [ -s "$list" ] || list=$cache/deb-src.list
    options="-o Dir::Etc::sourcelist=$list -o Dir::Etc::sourceparts=/dev/null -o Dir::State::lists=$lists"
    # shellcheck disable=SC2086
    apt-get $options update >"$cache/apt.log" 2>&1
    # shellcheck disable=SC2086
    for version in $(apt-cache $options showsrc postgresql-15 | awk '/^Version:/ {print $2}' | sort -Vru); do
        # shellcheck disable=SC2086
        if (cd "$cache" && apt-get $options source --download-only "postgresql-15=$version" >>apt.log 2>&1); then
            say "source: postgresql-15 $version"
            mkdir -p "$cache/source"
            tar -xf "$cache"/postgresql-15_*.orig.tar.* -C "$cache/source" --strip-components=1
            return
        fi
    done
    say "no source package of postgresql-15 could be fetched: see $cache/apt.log"
    exit 2
}

build_source() {
    [ -x "$cache/source/src/test/modules/libpq_pipeline/libpq_pipeline" ] && return
    [ -d "$cache/source" ] || fetch_source
    say "building psql and the test drivers"
    (cd "$cache/source" &&
        ./configure --without-icu --without-readline --without-zlib --with-openssl CFLAGS=-O1 &&
        for part in interfaces/libpq bin/psql bin/pg_dump test/regress test/isolation interfaces/ecpg \
            interfaces/ecpg/test test/modules/libpq_pipeline; do
            make -s -j2 -C "src/$part" || exit 1
        done) >"$cache/build.log" 2>&1 || { tail -5 "$cache/build.log" >&2; exit 2; }
}

free_port() { python3 -c 'import socket; s=socket.socket(); s.bind(("127.0.0.1",0)); print(s.getsockname()[1])'; }

start_cluster() { # NAME PORT
    local data=$work/$1
    as_postgres "$bin/initdb" -D "$data" -A trust --no-sync --locale=C --encoding=UTF8 >/dev/null
    cat >>"$data/postgresql.conf" <<EOF
port = $2
listen_addresses = '127.0.0.1'
unix_socket_directories = '$work'
fsync = off
max_connections = 300
max_prepared_transactions = 10
wal_level = logical
log_statement = none
EOF
    as_postgres "$bin/pg_ctl" -D "$data" -w -l "$data/log" start >/dev/null
    clusters+=("$data")
}

start_proxy() { # WAY PORT SHADOW_PERCENT
    cat >"$work/$1.yaml" <<EOF
listen: {host: 127.0.0.1, port: $2, unix_socket_dir: "$work"}
auth: {type: passthrough, unchallenged: allow}
http: {listen: ""}
store: "sqlite:$work/$1.db"
databases:
  "*":
    old: "host=127.0.0.1 port=$old_port user=postgres"
    new: "host=127.0.0.1 port=$new_port user=postgres"
    lag: {probe: none}
    shadow: {percent: $3}
EOF
    "$root/build/pgrehearse" serve -c "$work/$1.yaml" 2>"$work/$1.log" &
    pids+=($!)
    for _ in $(seq 100); do
        "$bin/pg_isready" -q -h 127.0.0.1 -p "$2" && return
        sleep 0.1
    done
    say "the proxy did not start: $(tail -3 "$work/$1.log")"
    exit 2
}

# One suite against one port; prints "name ok|FAILED" lines.
run_suite() { # SUITE PORT OUT
    local source=$cache/source out=$3
    mkdir -p "$out"
    [ "$(id -u)" = 0 ] && chown -R postgres "$out"
    case $1 in
    regress)
        (cd "$source/src/test/regress" && as_postgres ./pg_regress --inputdir=. --outputdir="$out" \
            --bindir="$psql_dir" --dlpath=. --schedule=./parallel_schedule --max-concurrent-tests=20 \
            --host=127.0.0.1 --port="$2" --user=postgres) >"$out/log" 2>&1 || true
        ;;
    isolation)
        (cd "$source/src/test/isolation" && as_postgres ./pg_isolation_regress --inputdir=. \
            --outputdir="$out" --bindir="$psql_dir" --schedule=./isolation_schedule \
            --host=127.0.0.1 --port="$2" --user=postgres) >"$out/log" 2>&1 || true
        ;;
    ecpg)
        (cd "$source/src/interfaces/ecpg/test" && as_postgres ./pg_regress --expecteddir=. --inputdir=. \
            --outputdir="$out" --bindir="$psql_dir" --dbname=ecpg1_regression,ecpg2_regression \
            --create-role=regress_ecpg_user1,regress_ecpg_user2 --schedule=./ecpg_schedule sql/twophase \
            --host=127.0.0.1 --port="$2" --user=postgres) >"$out/log" 2>&1 || true
        ;;
    pipeline)
        run_pipeline "$2" "$out" >"$out/log" 2>&1 || true
        ;;
    esac
    sed -nE 's/^(test )? *([A-Za-z0-9_/-]+) +\.\.\. (ok|FAILED|failed).*/\2 \3/p' "$out/log" | sort -u
}

run_pipeline() { # PORT OUT
    local module=$cache/source/src/test/modules/libpq_pipeline name connection trace
    connection="host=127.0.0.1 port=$1 user=postgres dbname=postgres"
    for name in $("$module/libpq_pipeline" tests); do
        trace=$module/traces/$name.trace
        if [ -f "$trace" ]; then
            if "$module/libpq_pipeline" -r 700 -t "$2/$name.trace" "$name" "$connection" &&
                diff -u "$trace" "$2/$name.trace"; then
                echo "$name ... ok"
            else
                echo "$name ... FAILED"
            fi
        elif "$module/libpq_pipeline" -r 700 "$name" "$connection"; then
            echo "$name ... ok"
        else
            echo "$name ... FAILED"
        fi
    done
}

reset_old() { # The suites leave databases and roles behind.
    local name
    for name in regression isolation_regression ecpg1_regression ecpg2_regression; do
        psql_old "DROP DATABASE IF EXISTS $name WITH (FORCE)"
    done
    for name in $(psql_old "SELECT quote_ident(rolname) FROM pg_roles WHERE rolname LIKE 'regress%'"); do
        psql_old "DROP OWNED BY $name CASCADE" || true
        psql_old "DROP ROLE IF EXISTS $name" || true
    done
    for name in $(psql_old "SELECT quote_ident(spcname) FROM pg_tablespace WHERE spcname LIKE 'regress%'"); do
        psql_old "DROP TABLESPACE IF EXISTS $name" || true
    done
}
psql_old() { "$bin/psql" -XAtq -h 127.0.0.1 -p "$old_port" -U postgres -c "$1" postgres 2>/dev/null; }

build_source
cmake --preset release >/dev/null && cmake --build build --target pgrehearse >/dev/null
psql_dir=$cache/source/src/bin/psql
chmod 755 "$work"
[ "$(id -u)" = 0 ] && chown postgres "$work"
old_port=$(free_port)
start_cluster old "$old_port"
new_port=$(free_port)
start_cluster new "$new_port"

status=0
printf '%-10s %-8s %7s %7s %8s  %s\n' suite way ok failed seconds 'differs from direct'
for suite in $suites; do
    # New has what the suite leaves behind, so that mirrored reads find tables there.
    run_suite "$suite" "$new_port" "$work/new-$suite" >/dev/null
    for way in $ways; do
        port=$old_port
        frozen=
        reset_old
        case $way in
        relay) port=$(free_port); start_proxy "$way-$suite" "$port" 0 ;;
        shadow | frozen) port=$(free_port); start_proxy "$way-$suite" "$port" 100 ;;
        esac
        if [ "$way" = frozen ]; then
            frozen=$(pgrep -g "$(head -1 "$work/new/postmaster.pid")" || head -1 "$work/new/postmaster.pid")
            # shellcheck disable=SC2086
            kill -STOP $frozen
        fi
        began=$(date +%s)
        run_suite "$suite" "$port" "$work/$way-$suite" >"$work/$way-$suite.result"
        seconds=$(($(date +%s) - began))
        # shellcheck disable=SC2086
        [ -n "$frozen" ] && kill -CONT $frozen
        if [ "$way" != direct ]; then
            "$bin/psql" -XAt -h "$work" -p "$port" -U postgres pgrehearse -c 'SHOW STATUS' \
                >"$work/$way-$suite.status" 2>&1 || true
            kill "${pids[-1]}"
            wait "${pids[-1]}" || { say "the proxy ended badly: $work/$way-$suite.log"; status=1; }
            unset 'pids[-1]'
        fi
        differs=
        [ "$way" = direct ] || [ ! -f "$work/direct-$suite.result" ] ||
            differs=$(diff "$work/direct-$suite.result" "$work/$way-$suite.result" |
                sed -n 's/^[<>] \([^ ]*\) .*/\1/p' | sort -u | tr '\n' ' ')
        [ -z "$differs" ] || status=1
        printf '%-10s %-8s %7s %7s %8s  %s\n' "$suite" "$way" \
            "$(grep -c ' ok$' "$work/$way-$suite.result" || true)" \
            "$(grep -ci ' failed$' "$work/$way-$suite.result" || true)" "$seconds" "${differs:--}"
    done
done
exit $status
