#!/bin/bash
# A web shop's migration, rehearsed before your eyes: two throwaway clusters, a changed schema, logical
# replication, a mixed load through the proxy, and three faults planted in new that it has to find.
#
#   config/quickstart.sh          stays up afterwards, until Ctrl-C
#   config/quickstart.sh --once   cleans up, and exits 0 only if just the three faults were found
#
# Needs nothing running and leaves nothing behind; two of them do not meet. $PGREHEARSE names another
# binary than build/pgrehearse.
set -uo pipefail
cd "$(dirname "$0")/.." || exit 2
. config/clusters.sh

once=no
case ${1:-} in
'') ;;
--once) once=yes ;;
--help | -h) sed -n '2,/^set/{/^# \{0,1\}/s///p}' "$0"; exit 0 ;;
*) echo "quickstart: unknown option $1 (try --help)" >&2; exit 2 ;;
esac
load_seconds=30 # at least; and until the three are found
found_seconds=120 # at most
planted='public.customers|phone|value
public.order_items||missing_rows
public.orders|note|value'

step() { printf '\n\033[1m==> %s\033[0m\n' "$*"; }
die() { printf 'quickstart: %s\n' "$*" >&2; exit 1; }
[[ -t 1 ]] || step() { printf '\n==> %s\n' "$*"; }

dir= proxy= load=()
clean_up() {
    trap '' INT TERM
    if ((${#load[@]})); then kill "${load[@]}" 2>/dev/null; fi
    [[ -z $proxy ]] || kill "$proxy" 2>/dev/null
    wait 2>/dev/null
    [[ -z $dir ]] || clusters_remove "$dir"
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

build_it() {
    [[ -z ${PGREHEARSE:-} ]] || return 0
    PGREHEARSE=build/pgrehearse
    [[ -x $PGREHEARSE ]] || step 'Building build/pgrehearse (a minute)'
    { cmake -G Ninja -B build && cmake --build build --target pgrehearse; } >"$dir/build.log" 2>&1 ||
        { tail -30 "$dir/build.log" >&2; die 'it does not build'; }
}

make_old() {
    cluster_start "$dir" old &&
        cluster_psql "$dir" old postgres -c 'CREATE ROLE shop LOGIN; CREATE ROLE pgrehearse LOGIN IN ROLE shop, pg_monitor' \
            -c 'CREATE DATABASE shop OWNER shop' &&
        { echo 'SET ROLE shop;'; cat config/quickstart/old.sql; } | cluster_psql "$dir" old shop -1 >/dev/null
}

make_new() {
    cluster_start "$dir" new &&
        cluster_psql "$dir" new postgres -c 'CREATE ROLE shop LOGIN; CREATE ROLE pgrehearse LOGIN IN ROLE shop, pg_monitor' \
            -c 'CREATE DATABASE shop OWNER shop' &&
        { echo 'SET ROLE shop;'; cat config/quickstart/new.sql; } | cluster_psql "$dir" new shop -1
}

write_configuration() {
    port=$(free_port) http_port=$(free_port)
    cat >"$dir/pgrehearse.yaml" <<END
# Written by config/quickstart.sh: a small, complete configuration.
listen: {host: 127.0.0.1, port: $port, unix_socket_dir: "$dir"}
auth: {type: passthrough, unchallenged: allow}     # both clusters trust whoever can reach their sockets
admin: {users: [$me]}
http: {listen: "127.0.0.1:$http_port", token: "$token"}
store: "sqlite:$dir/pgrehearse.db"
databases:
  shop:
    old: "host=$dir/old port=5432 dbname=shop user=pgrehearse"
    new: "host=$dir/new port=5432 dbname=shop user=pgrehearse"
    lag: {probe: auto}                             # finds the subscription
    shadow: {recheck: {max_per_second: 50}}
    compare: {samples: full}                       # made-up customers may be shown
    guardrail: {action: alert}                     # it only says so
END
}

start_proxy() { # ports can be taken by someone else in between: then others are tried
    local attempt
    for attempt in 1 2 3; do
        write_configuration
        "$PGREHEARSE" serve -c "$dir/pgrehearse.yaml" >"$dir/pgrehearse.log" 2>&1 &
        proxy=$!
        for ((i = 0; i < 100; i++)); do
            [[ ! -S $dir/.s.PGSQL.$port ]] || ! shop_psql -c '' 2>/dev/null || return 0
            kill -0 "$proxy" 2>/dev/null || break
            sleep 0.1
        done
    done
    cat "$dir/pgrehearse.log" >&2
    die 'the proxy does not start'
}

shop_psql() { "$clusters_bin/psql" -XAtq -h 127.0.0.1 -p "$port" -U shop -d shop "$@"; }
console() { "$clusters_bin/psql" -X -h "$dir" -p "$port" -U "$me" -d pgrehearse "$@"; }

start_load() {
    local to="host=127.0.0.1 port=$port dbname=shop user=shop" folder=config/quickstart/load
    pgbench_load() { # MODE CLIENTS RATE SCRIPT
        "$clusters_bin/pgbench" -n -M "$1" -c "$2" -R "$3" -T 100000 -f "$folder/$4" "$to" \
            >>"$dir/load.log" 2>&1 &
        load+=($!)
    }
    pgbench_load simple 12 60 browse.sql
    pgbench_load prepared 12 60 browse.sql
    pgbench_load extended 4 10 checkout.sql
    /usr/bin/python3 $folder/office.py "$to" 60 >>"$dir/load.log" 2>&1 &
    load+=($!)
}

load_is_fine() {
    local one
    for one in "${load[@]}"; do
        kill -0 "$one" 2>/dev/null || return 1
    done
    ! grep -Eqi 'error|aborted' "$dir/load.log"
}

declare -A status
read_status() {
    local key value
    while IFS='|' read -r key value; do
        status[$key]=$value
    done < <(console -Atx -c 'SHOW STATUS' 2>/dev/null)
}

# table|column|class, a line each; rows without one column have it empty.
found() { console -At -c 'SHOW TABLES' 2>/dev/null | cut -d'|' -f2-4 | sed 's/|-|/||/' | sort -u; }

watch_load() {
    local began=$SECONDS line last=-5
    while :; do
        kill -0 "$proxy" 2>/dev/null || { tail -20 "$dir/pgrehearse.log" >&2; die 'the proxy has ended'; }
        load_is_fine || { tail -20 "$dir/load.log" >&2; die 'the load met an error'; }
        read_status
        printf -v line '%3d s  %6s reads  %6s compared  %6s match  %4s lagging  %4s mismatch   faults found: %s' \
            $((SECONDS - began)) "${status[reads]:-0}" "${status[compared]:-0}" "${status[match]:-0}" \
            "${status[lagging]:-0}" "${status[mismatch]:-0}" "$(found | wc -l)"
        if [[ -t 1 ]]; then
            printf '\r%s ' "$line"
        elif ((SECONDS - last >= 5)); then
            echo "$line"
            last=$SECONDS
        fi
        ((SECONDS - began < load_seconds)) || [[ $(found) != "$planted" ]] || break
        ((SECONDS - began < found_seconds)) || break
        sleep 1
    done
    [[ ! -t 1 ]] || echo
}

show_canary() {
    console -q -c 'ALTER DATABASE shop SET canary_percent = 25' || return
    sleep 5
    read_status
    echo "canary at ${status[canary_percent]} %: ${status[served_new]} reads served by new so far," \
        "${status[fallbacks]} fallbacks, ${status[served_old]} served by old"
    console -q -c "ROLLBACK CANARY shop REASON 'the quickstart has shown enough'" || return
    read_status
    echo "after ROLLBACK CANARY: ${status[canary_percent]} %, ${status[canary_state]}"
    ((status[served_new] > 0)) && [[ ${status[canary_state]} = latched && ${status[canary_percent]} =~ ^0(\.0+)?$ ]]
}

me=$(id -un)
token=$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n')
dir=$(clusters_folder) || die 'no room for a temporary folder'
config/install.sh || die 'see above'
build_it

step 'Making two clusters: old with 50,000 orders, new with the changed schema'
make_old &
old=$!
make_new || die 'new does not start'
wait "$old" || die 'old does not start'

step 'Copying old into new; logical replication keeps it fed'
cluster_replicate "$dir" old new shop || die 'replication does not start'

step 'Planting three faults in new'
cluster_psql "$dir" new shop -f config/quickstart/faults.sql || die 'they can not be planted'
echo '1. customers.phone cut short   2. order_items missing for some orders   3. orders.note: NULL became an empty string'

step 'The shop opens: every read goes to old, and is rehearsed on new'
start_proxy
start_load
watch_load

step 'What it found'
"$PGREHEARSE" report -c "$dir/pgrehearse.yaml" || die 'no report'

step 'The canary: a quarter of the sessions read from new, and back'
show_canary || die 'the canary does not do as it is told'
load_is_fine || { tail -20 "$dir/load.log" >&2; die 'the load met an error'; }

faults=$(found)
step 'Where things are'
cat <<END
console        psql -h $dir -p $port -U $me pgrehearse     (try SHOW HELP)
application    psql -h 127.0.0.1 -p $port -U shop shop
figures (JSON) http://127.0.0.1:$http_port/     token: $token
metrics        curl http://127.0.0.1:$http_port/metrics
configuration  $dir/pgrehearse.yaml
log            $dir/pgrehearse.log
END

if [[ $once = yes ]]; then
    if [[ $faults = "$planted" ]]; then
        printf '\nJust the three planted faults were found.\n'
        exit 0
    fi
    printf '\nThe planted faults and what was found differ:\n' >&2
    diff <(echo "$planted") <(echo "$faults") | sed -n 's/^</  not found:   /p; s/^>/  not planted: /p' >&2
    exit 1
fi
printf '\nThe load goes on. Ctrl-C ends everything and removes it.\n'
while kill -0 "$proxy" 2>/dev/null; do
    sleep 1
done
die "the proxy has ended: $(tail -3 "$dir/pgrehearse.log")"
