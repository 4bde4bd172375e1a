#!/bin/bash
# PostgreSQL's own test suites, through the proxy and direct: they must not be able to tell.
#
#   tests/suites.sh [SUITE …]              each suite four ways, between throwaway clusters:
#                                            direct   old alone
#                                            relay    through the proxy with shadow_percent 0
#                                            shadow   through the proxy with shadow_percent 100
#                                            frozen   the same, with new stopped by SIGSTOP
#                                            bare     (only by WAYS) through HAProxy, which passes bytes and nothing else
#   tests/suites.sh HOST PORT [SUITE …]    each suite once, against what listens there
#
# SUITE: regress (217 tests), isolation (115), pipeline (11, and 9 traces), ecpg (63); all without one.
# The suites come from Debian's source package of postgresql-15, which is fetched and built once; nothing
# of it is kept in the repository. With HOST PORT they run as the superuser $PGUSER (postgres), and drop
# the databases, roles and tablespaces that an earlier run left there: meant for a throwaway server.
#
# Wall times are the suite's own, without what clears away for it. pipeline's uniqviol sends rows until the socket is full:
# how many these are depends on the buffers in between, and on how fast each of three processes on the cores is.
#
# Prints a table (seconds of wall time; of CPU in old and in the proxy; what the proxy's books say) and the
# names of the tests that differ from the direct run, or with HOST PORT that failed. Exit 0: there are none.
#
#   WAYS="direct shadow"    only these ways
#   ROUNDS=4                each way so often, there and back, after a run that does not count; prints the medians of wall time,
#                           and their ratios to direct: as they are, and in units of old's CPU. A slow hour changes that alike,
#                           but what a way has old do more is hidden there
#   PGREHEARSE=FILE         this binary; else build/pgrehearse, which is built
#   SUITES_CACHE=FOLDER     keeps the source; else build/suites
#   KEEP=1                  the logs, the stores and the clusters' files are kept, and their folder is named
set -euo pipefail
cd "$(dirname "$0")/.."
root=$PWD
bin=/usr/lib/postgresql/15/bin
cache=${SUITES_CACHE:-$root/build/suites}
binary=${PGREHEARSE:-}
ways=${WAYS:-direct relay shadow frozen}
rounds=${ROUNDS:-1}
declare -A times  # wall times by suite and way, ms
declare -A speeds # the same, in units of old's CPU
user=postgres host=127.0.0.1 given_port=

say() { printf '%s\n' "$*" >&2; }
usage() { sed -n '2,/^set/{/^# \{0,1\}/s///p}' "$0"; }
case ${1:-} in -h | --help) usage; exit 0 ;; esac
if [[ ${2:-} =~ ^[0-9]+$ ]]; then
    host=$1 given_port=$2 user=${PGUSER:-postgres} ways=given
    shift 2
fi
suites=${*:-regress isolation pipeline ecpg}
for suite in $suites; do
    [[ $suite =~ ^(regress|isolation|pipeline|ecpg)$ ]] ||
        { say "suites.sh: no suite is called $suite (try --help)"; exit 2; }
done
for way in $ways; do
    [[ $way =~ ^(given|direct|bare|relay|shadow|frozen)$ ]] || { say "suites.sh: no way is called $way"; exit 2; }
    [ "$way" != bare ] || PATH=$PATH:/usr/sbin command -v haproxy >/dev/null ||
        { say "suites.sh: the way bare needs Debian's package haproxy"; exit 2; }
done

work=$(mktemp -d /tmp/pgrehearse-suites.XXXXXX)
groups=()     # process groups of what runs beside this script
clusters=()   # data folders of servers that run
frozen=()     # servers' processes that are stopped
proxy=        # its process
bare=         # HAProxy's

# PostgreSQL's programs refuse to run as root.
unprivileged=()
[ "$(id -u)" != 0 ] || unprivileged=(runuser -u postgres --)
as_postgres() { "${unprivileged[@]}" "$@"; }

cleanup() {
    trap '' INT TERM
    local group cluster
    [ ${#frozen[@]} = 0 ] || kill -CONT "${frozen[@]}" 2>/dev/null || true
    for group in "${groups[@]}"; do kill -KILL -- "-$group" 2>/dev/null || true; done
    for cluster in "${clusters[@]}"; do
        as_postgres "$bin/pg_ctl" -D "$cluster" -m immediate stop >/dev/null 2>&1 || true
    done
    wait 2>/dev/null || true
    if [ -n "${KEEP:-}" ]; then say "kept: $work"; else rm -rf "$work"; fi
}
trap cleanup EXIT
trap 'exit 130' INT TERM

# Runs beside the script, in a process group of its own, so that a signal to the script ends all of it at once.
beside() { # COMMAND …
    setsid "$@" </dev/null &
    groups+=($!)
}

# --- The source -------------------------------------------------------------------------------------

fetching_failed() {
    say "suites.sh: the source package of postgresql-15 cannot be fetched. apt-get says:"
    grep -E '^(E|W|Err)' "$cache/apt.log" | tail -5 >&2 || tail -5 "$cache/apt.log" >&2
    say "(all of it: $cache/apt.log)"
    exit 2
}

# The newest source version may be missing from the mirror: fall back to the one before.
fetch_source() {
    local lists=$cache/lists list options version
    mkdir -p "$lists"
    if [ -f /etc/apt/sources.list.d/debian.sources ]; then
        list=$cache/deb-src.sources
        sed 's/^Types: .*/Types: deb-src/' /etc/apt/sources.list.d/debian.sources >"$list"
    else
        list=$cache/deb-src.list
        sed -n 's/^deb /deb-src /p' /etc/apt/sources.list >"$list"
    fi
    options=(-o "Dir::Etc::sourcelist=$list" -o Dir::Etc::sourceparts=/dev/null
        -o "Dir::State::lists=$lists" -o "Dir::Cache=$cache/apt" -o APT::Sandbox::User=root)
    mkdir -p "$lists/partial" "$cache/apt/archives/partial"
    apt-get "${options[@]}" update >"$cache/apt.log" 2>&1 || fetching_failed
    for version in $(apt-cache "${options[@]}" showsrc postgresql-15 2>>"$cache/apt.log" |
        awk '/^Version:/ {print $2}' | sort -Vru); do
        if (cd "$cache" && apt-get "${options[@]}" source --download-only "postgresql-15=$version" \
            >>apt.log 2>&1); then
            say "source: postgresql-15 $version; server: $("$bin/postgres" --version)"
            rm -rf "$cache/source.part"
            mkdir -p "$cache/source.part"
            tar -xf "$cache/postgresql-15_${version%-*}.orig.tar."* -C "$cache/source.part" --strip-components=1
            mv "$cache/source.part" "$cache/source"
            return
        fi
    done
    fetching_failed
}

build_source() {
    mkdir -p "$cache"
    cache=$(cd "$cache" && pwd)
    [ -e "$cache/built" ] && return
    [ -d "$cache/source" ] || fetch_source
    say "building psql and the test drivers"
    (cd "$cache/source" &&
        ./configure --without-icu --without-readline --without-zlib --with-openssl CFLAGS=-O1 &&
        for part in interfaces/libpq bin/psql bin/pg_dump test/regress test/isolation interfaces/ecpg \
            interfaces/ecpg/test test/modules/libpq_pipeline; do
            make -s -j2 -C "src/$part" || exit 1
        done) >"$cache/build.log" 2>&1 ||
        { say "suites.sh: the source does not build ($cache/build.log):"; tail -5 "$cache/build.log" >&2; exit 2; }
    touch "$cache/built"
}

# --- Clusters and the proxy -------------------------------------------------------------------------

free_port() { python3 -c 'import socket; s=socket.socket(); s.bind(("127.0.0.1",0)); print(s.getsockname()[1])'; }

start_cluster() { # NAME PORT
    local data=$work/$1
    as_postgres "$bin/initdb" -D "$data" -U postgres -A trust --no-sync --locale=C --encoding=UTF8 >/dev/null
    cat >>"$data/postgresql.conf" <<END
port = $2
listen_addresses = '127.0.0.1'
unix_socket_directories = '$work'
fsync = off
max_connections = 300
max_prepared_transactions = 10
wal_level = logical
log_statement = none
END
    clusters+=("$data")
    as_postgres "$bin/pg_ctl" -D "$data" -w -l "$data/log" start >/dev/null
}

await() { # PORT LOG: until a server answers there
    for _ in $(seq 300); do
        "$bin/pg_isready" -q -h 127.0.0.1 -p "$1" && return
        sleep 0.1
    done
    say "suites.sh: nothing answers at port $1: $(tail -3 "$2")"
    exit 2
}

# With a new store: what a proxy knows of a database from before, it asks new for at once.
start_proxy() { # NAME PORT SHADOW_PERCENT
    rm -f "$work/$1.db"*
    cat >"$work/$1.yaml" <<END
listen: {host: 127.0.0.1, port: $2, unix_socket_dir: "$work"}
auth: {type: passthrough, unchallenged: allow}
admin: {users: [postgres, $(id -un)]}
http: {listen: ""}
store: "sqlite:$work/$1.db"
databases:
  "*":
    old: "host=127.0.0.1 port=$old_port user=postgres"
    new: "host=127.0.0.1 port=$new_port user=postgres"
    lag: {probe: none}
    shadow: {percent: $3, noise: 0} # the suites look at what old counts of its reads
END
    beside "$binary" serve -c "$work/$1.yaml" 2>"$work/$1.log"
    proxy=$!
    await "$2" "$work/$1.log"
}

start_bare() { # PORT
    cat >"$work/bare.cfg" <<END
defaults
  mode tcp
  timeout connect 5s
  timeout client 1h
  timeout server 1h
listen old
  bind 127.0.0.1:$1
  server old 127.0.0.1:$old_port
END
    PATH=$PATH:/usr/sbin beside haproxy -db -f "$work/bare.cfg" 2>"$work/bare.log"
    bare=$!
    await "$1" "$work/bare.log"
}

# With new stopped nothing that it may do is awaited: SIGTERM must end the proxy all the same.
stop_proxy() { # NAME
    kill "$proxy"
    wait "$proxy" && ! grep -qE 'Sanitizer|runtime error' "$work/$1.log" ||
        { say "suites.sh: the proxy ended badly, see $work/$1.log (KEEP=1 keeps it)"; status=1; }
    proxy=
}

processes() { # CLUSTER: the server's processes
    local postmaster
    postmaster=$(head -1 "$work/$1/postmaster.pid")
    echo "$postmaster" && ps -o pid= --ppid "$postmaster"
}

# A process of new may end by itself meanwhile.
freeze() {
    mapfile -t frozen < <(processes new | tr -d ' ')
    kill -STOP "${frozen[@]}" 2>/dev/null || true
}
thaw() {
    [ ${#frozen[@]} = 0 ] || kill -CONT "${frozen[@]}" 2>/dev/null || true
    frozen=()
}

# Milliseconds of CPU that processes have used, user and system, with their children that have ended.
cpu_of() { # PID …
    local pid ticks=0 used
    for pid; do
        used=$(sed 's/.*) //' "/proc/$pid/stat" 2>/dev/null | awk '{print $12 + $13 + $14 + $15}')
        ticks=$((ticks + ${used:-0}))
    done
    echo $((ticks * 1000 / $(getconf CLK_TCK)))
}
# shellcheck disable=SC2046
cpu_of_old() { [ -n "$given_port" ] && echo 0 || cpu_of $(processes old); }

# --- The suites -------------------------------------------------------------------------------------

sql() { # PORT STATEMENT
    "$psql_dir/psql" -XAtq -h "$host" -p "$1" -U "$user" -c "$2" postgres 2>/dev/null
}

# The suites leave databases, roles and tablespaces behind, and share their names: never two at a time.
reset() { # PORT
    local name
    sql "$1" 'SELECT 1' >/dev/null || { say "suites.sh: $host:$1 does not let $user in"; exit 2; }
    for name in regression isolation_regression ecpg1_regression ecpg2_regression pipeline_regression; do
        sql "$1" "DROP DATABASE IF EXISTS $name WITH (FORCE)" || true
    done
    for name in $(sql "$1" "SELECT quote_ident(spcname) FROM pg_tablespace WHERE spcname LIKE 'regress%'"); do
        sql "$1" "DROP TABLESPACE IF EXISTS $name" || true
    done
    for name in $(sql "$1" "SELECT quote_ident(rolname) FROM pg_roles WHERE rolname LIKE 'regress%'"); do
        sql "$1" "DROP OWNED BY $name CASCADE" || true
        sql "$1" "DROP ROLE IF EXISTS $name" || true
    done
    sql "$1" 'CREATE DATABASE pipeline_regression'
}

# One suite against one port; leaves "name ok" and "name FAILED" lines in OUT/result.
run_suite() { # SUITE PORT OUT
    local source=$cache/source out=$3
    local where=(--outputdir="$out" --bindir="$psql_dir" --host="$host" --port="$2" --user="$user")
    mkdir -p "$out"
    [ "$(id -u)" = 0 ] && chown -R postgres "$out"
    case $1 in
    regress)
        pg_test test/regress "$out" ./pg_regress --inputdir=. "${where[@]}" --dlpath=. \
            --schedule=./parallel_schedule --max-concurrent-tests=20
        ;;
    isolation)
        pg_test test/isolation "$out" ./pg_isolation_regress --inputdir=. "${where[@]}" \
            --schedule=./isolation_schedule
        ;;
    ecpg)
        ln -sfn "$source/src/interfaces/ecpg/test/expected" "$out/expected" # it looks for that there
        pg_test interfaces/ecpg/test "$out" ./pg_regress --inputdir=. "${where[@]}" \
            --dbname=ecpg1_regression,ecpg2_regression --create-role=regress_ecpg_user1,regress_ecpg_user2 \
            --schedule=./ecpg_schedule
        ;;
    pipeline)
        run_pipeline "$2" "$out" >"$out/log" 2>&1 || true
        ;;
    esac
    sed -nE 's/^(test )? *([A-Za-z0-9_./-]+) +\.\.\. (stdout |stderr |source )*(ok|FAILED|failed).*/\2 \4/p' "$out/log" |
        sort -u >"$out/result"
    [ -s "$out/result" ] || { say "suites.sh: $1 did not run:"; tail -5 "$out/log" >&2; status=1; }
}

pg_test() { # FOLDER OUT COMMAND …
    local folder=$cache/source/src/$1 out=$2 interfaces=$cache/source/src/interfaces
    local libraries=$interfaces/libpq:$interfaces/ecpg/ecpglib:$interfaces/ecpg/pgtypeslib:$interfaces/ecpg/compatlib
    shift 2
    pushd "$folder" >/dev/null
    beside "${unprivileged[@]}" env LD_LIBRARY_PATH="$libraries" "$@" >"$out/log" 2>&1
    wait $! || true
    popd >/dev/null
}

run_pipeline() { # PORT OUT
    local module=$cache/source/src/test/modules/libpq_pipeline name connection trace arguments
    connection="host=$host port=$1 user=$user dbname=pipeline_regression"
    for name in $("$module/libpq_pipeline" tests); do
        trace=$module/traces/$name.trace
        arguments=(-r 700)
        [ -f "$trace" ] && arguments+=(-t "$2/$name.trace")
        if "$module/libpq_pipeline" "${arguments[@]}" "$name" "$connection" >"$2/$name.log" 2>&1; then
            echo "$name ... ok"
        else
            echo "$name ... FAILED"
            tail -5 "$2/$name.log"
        fi
        if [ ! -f "$trace" ]; then
            :
        elif diff -u "$trace" "$2/$name.trace"; then
            echo "$name/trace ... ok"
        else
            echo "$name/trace ... FAILED"
        fi
    done
}

# --- One run ----------------------------------------------------------------------------------------

# Whether the proxy's books balance (DESIGN 3.2); says how many reads there were, and what became of them. What still
# waits for its turn is waited for, but not for ever: the suites change the catalogs faster than they can be read.
books() { # PORT NAME
    local line
    for _ in $(seq 150); do
        "$psql_dir/psql" -XA -P footer=off -h "$work" -p "$1" -U "$(id -un)" pgrehearse -c 'SHOW STATUS' \
            >"$work/$2.status" 2>&1 || true
        line=$(awk -F'|' 'NR == 1 { for (i = 1; i <= NF; i++) at[$i] = i }
            NR > 1 {
                reads += $at["reads"]; compared += $at["compared"]; flying += $at["in_flight"] + ($at["queue_bytes"] > 0)
                mismatch += $at["mismatch"]; dropped += $at["dropped"]
                whole = $at["compared"] + $at["skipped"] + $at["dropped"] + $at["in_flight"]
                verdicts = $at["match"] + $at["mismatch"] + $at["lagging"] + $at["unstable"] + $at["unverified"]
                sides = $at["served_old"] + $at["served_new"] + $at["unanswered"]
                if (whole != $at["reads"] || verdicts != $at["compared"] || sides != $at["reads"]) wrong = 1
            }
            END { printf "%d %d %d %d %d %d\n", flying, wrong, reads, compared, mismatch, dropped }' \
            "$work/$2.status")
        [ "${line%% *}" = 0 ] && break
        sleep 0.2
    done
    echo "${line#* }"
}

run_way() { # SUITE WAY
    local suite=$1 way=$2 name=$2-$1 port=$old_port began old_began took old_used proxy_used=-
    local balance="0 - - - -" differs="" wrong reads compared mismatch dropped
    case $way in
    bare) port=$(free_port); start_bare "$port" ;;
    relay) port=$(free_port); start_proxy "$name" "$port" 0 ;;
    shadow | frozen) port=$(free_port); start_proxy "$name" "$port" 100 ;;
    esac
    [ "$way" = frozen ] && freeze
    rm -rf "${work:?}/$name"
    reset "$port"
    old_began=$(cpu_of_old) began=$(date +%s%3N)
    run_suite "$suite" "$port" "$work/$name"
    took=$(($(date +%s%3N) - began)) old_used=$(($(cpu_of_old) - old_began))
    if [ -n "$bare" ]; then
        proxy_used=$(in_seconds "$(cpu_of "$bare")")
        kill "$bare"
        wait "$bare" || true
        bare=
    fi
    if [ -n "$proxy" ]; then
        proxy_used=$(in_seconds "$(cpu_of "$proxy")")
        balance=$(books "$port" "$name")
        stop_proxy "$name"
        thaw
    fi
    times[$suite $way]+="$took "
    ((old_used == 0)) || speeds[$suite $way]+="$((took * 1000 / old_used)) "
    read -r wrong reads compared mismatch dropped <<<"$balance"
    [ "$wrong" = 0 ] || { say "suites.sh: the books of $name do not balance: $(cat "$work/$name.status")"; status=1; }
    case $way in
    direct) ;;
    given) differs=$(sed -n 's/ FAILED$\| failed$//p' "$work/$name/result" | tr '\n' ' ') ;;
    *) [ ! -f "$work/direct-$suite/result" ] || differs=$(differing "$work/direct-$suite" "$work/$name") ;;
    esac
    [ -z "$differs" ] || { status=1; tell_difference "$work/$name" "$differs"; }
    tests=$((tests + $(wc -l <"$work/$name/result"))) different=$((different + $(wc -w <<<"$differs")))
    printf "$form" "$suite" "$way" "$(grep -c ' ok$' "$work/$name/result" || true)" \
        "$(grep -ci ' failed$' "$work/$name/result" || true)" "$(in_seconds "$took")" "$(in_seconds "$old_used")" \
        "$proxy_used" \
        "$reads" "$compared" "$dropped" "$mismatch" "${differs:--}"
}

in_seconds() { printf '%d.%d' $(($1 / 1000)) $(($1 % 1000 / 100)); } # MILLISECONDS

median() { tr ' ' '\n' | grep . | sort -n | awk '{ at[NR] = $1 } END { print (at[int((NR + 1) / 2)] + at[int(NR / 2) + 1]) / 2 }'; }

# What pg_regress says of the first test that differs: some of it hangs on plans, and shows what they were.
tell_difference() { # OUT NAMES
    local first=${2%% *}
    [ ! -f "$1/regression.diffs" ] ||
        awk -v name="/$first.out" '/^diff / { is = index($0, name) > 0 } is' "$1/regression.diffs" | head -60 >&2
}

# Each way's median wall time, and its ratios to direct's.
compare_times() { # SUITE
    local way direct direct_speed
    direct=$(median <<<"${times[$1 direct]:-0}") direct_speed=$(median <<<"${speeds[$1 direct]:-0}")
    printf '%-10s wall time, median of %d; to direct; and in units of old'"'"'s CPU:' "$1" "$rounds"
    for way in $ways; do
        awk -v way="$way" -v time="$(median <<<"${times[$1 $way]}")" -v direct="$direct" \
            -v speed="$(median <<<"${speeds[$1 $way]:-0}")" -v direct_speed="$direct_speed" 'BEGIN {
            printf "  %s %.1f s", way, time / 1000
            if (direct > 0) printf " %.2f", time / direct
            if (direct_speed > 0) printf " %.2f", speed / direct_speed
        }'
    done
    echo
}

# The tests whose outcome differs, and those that fail both times but with another output.
differing() { # DIRECT OTHER
    {
        diff "$1/result" "$2/result" | sed -n 's/^[<>] \([^ ]*\) .*/\1/p'
        sed -nE 's/ (FAILED|failed)$//p' "$2/result" | while read -r name; do
            cmp -s "$1/results/$name.out" "$2/results/$name.out" || echo "$name"
        done
    } | sort -u | tr '\n' ' '
}

# --- All of them ------------------------------------------------------------------------------------

build_source
psql_dir=$cache/source/src/bin/psql
as_postgres test -r "$psql_dir/psql" ||
    { say "suites.sh: the user postgres cannot read $cache: set SUITES_CACHE"; exit 2; }
if [ -z "$binary" ] && [ -z "$given_port" ]; then
    { cmake -G Ninja -B build && cmake --build build --target pgrehearse; } >"$work/build.log" 2>&1 ||
        { tail -5 "$work/build.log" >&2; exit 2; }
    binary=$root/build/pgrehearse
fi
status=0 tests=0 different=0
form='%-10s %-7s %4s %6s %8s %8s %8s %7s %8s %8s %8s  %s\n'
chmod 755 "$work"
[ "$(id -u)" = 0 ] && chown postgres "$work"
if [ -n "$given_port" ]; then
    old_port=$given_port
else
    old_port=$(free_port)
    start_cluster old "$old_port"
    new_port=$(free_port)
    start_cluster new "$new_port"
fi
printf "$form" suite way ok failed seconds old_cpu prox_cpu reads compared dropped mismatch \
    "$([ -n "$given_port" ] && echo failed || echo 'differs from direct')"
for suite in $suites; do
    # New has what the suite leaves behind, so that mirrored reads find tables there.
    if [[ $ways =~ shadow|frozen ]]; then
        reset "$new_port"
        run_suite "$suite" "$new_port" "$work/new-$suite"
    fi
    # The first run on a new cluster is the fastest by far, and each finds more in the shared catalogs than the one before.
    if ((rounds > 1)); then
        reset "$old_port"
        run_suite "$suite" "$old_port" "$work/first-$suite"
    fi
    order=$ways
    for ((round = 0; round < rounds; round++)); do
        for way in $order; do run_way "$suite" "$way"; done
        order=$(tac -s ' ' <<<"$order " | xargs)
    done
    ((rounds == 1)) || compare_times "$suite"
done
echo "$((tests - different)) passed, $different failed in $SECONDS s"
exit $status
