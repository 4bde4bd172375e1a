#!/bin/bash
# Throwaway PostgreSQL 15 clusters, for the quickstart, the tests and the benchmark. Each lives in a
# folder of its own with its data, its log and its Unix socket, and belongs to the user `postgres` when
# root asks, else to the user who asks. Clusters listen on their socket alone unless listen_addresses
# says otherwise, so that any number of them can use port 5432 at once. Every local connection is
# trusted; the folder above lets in its owner alone.
#
# To be sourced, or called:
#
#   config/clusters.sh start DIR NAME [SETTING=VALUE …]   makes it in DIR/NAME when it is not there yet
#   config/clusters.sh stop DIR NAME [fast|immediate]
#   config/clusters.sh freeze|thaw DIR NAME                SIGSTOP or SIGCONT to all its processes
#   config/clusters.sh replicate DIR OLD NEW DATABASE     a publication, a subscription, all tables copied

clusters_bin=$(ls -d /usr/lib/postgresql/15/bin 2>/dev/null || pg_config --bindir)

clusters_say() { printf 'clusters: %s\n' "$*" >&2; }

as_owner() { # runs it as the user whom the clusters belong to
    if ((EUID == 0)); then
        runuser -u postgres -- "$@"
    else
        "$@"
    fi
}

# A fresh folder for clusters; its path is printed. Others can't look inside.
clusters_folder() {
    local folder
    folder=$(mktemp -d "${TMPDIR:-/tmp}/pgrehearse.XXXXXX") || return
    if ((${#folder} > 60)); then # a Unix socket's path holds 107 bytes
        rmdir "$folder"
        folder=$(mktemp -d /tmp/pgrehearse.XXXXXX) || return
    fi
    ((EUID != 0)) || chown postgres: "$folder"
    echo "$folder"
}

cluster_start() { # DIR NAME [SETTING=VALUE …]
    local dir=$1 name=$2 home=$1/$2 setting
    shift 2
    if [[ ! -d $home ]]; then
        as_owner mkdir -p "$home" || return
        as_owner "$clusters_bin/initdb" -D "$home/data" -U postgres -A trust -E UTF8 --locale=C.UTF-8 \
            --no-sync --no-instructions >"$home/initdb.log" 2>&1 ||
            { cat "$home/initdb.log" >&2; return 1; }
        # Thrown away with the machine's power: durability is not worth its price.
        as_owner tee -a "$home/data/postgresql.conf" >/dev/null <<END
unix_socket_directories = '$home'
listen_addresses = ''
port = 5432
max_connections = 200
shared_buffers = 128MB
fsync = off
full_page_writes = off
wal_level = logical
max_wal_size = 4GB
wal_sender_timeout = 10s
log_line_prefix = '%m [%p] %q%u@%d %a '
END
    fi
    for setting in "$@"; do
        printf "%s = '%s'\n" "${setting%%=*}" "${setting#*=}"
    done | as_owner tee -a "$home/data/postgresql.conf" >/dev/null
    as_owner "$clusters_bin/pg_ctl" start -s -w -t 60 -D "$home/data" -l "$home/log" >/dev/null 2>&1 ||
        { clusters_say "$name does not start:"; tail -5 "$home/log" >&2; return 1; }
}

cluster_stop() { # DIR NAME [fast|immediate]
    local data=$1/$2/data
    [[ -f $data/postmaster.pid ]] || return 0
    as_owner "$clusters_bin/pg_ctl" stop -s -w -t 60 -D "$data" -m "${3:-fast}"
}

cluster_processes() { # DIR NAME: the postmaster and its children
    local postmaster
    postmaster=$(head -1 "$1/$2/data/postmaster.pid") || return
    echo "$postmaster"
    ps -o pid= --ppid "$postmaster"
}

# The postmaster is stopped first and continued last, so that no child is born in between. A child that
# has ended meanwhile is no failure.
cluster_freeze() { # DIR NAME
    cluster_processes "$1" "$2" | while read -r process; do kill -STOP "$process" 2>/dev/null; done
    return 0
}
cluster_thaw() { # DIR NAME
    cluster_processes "$1" "$2" | tac | while read -r process; do kill -CONT "$process" 2>/dev/null; done
    return 0
}

cluster_psql() { # DIR NAME DATABASE [psql's options …]: as superuser, tuples only, stops on an error
    local dir=$1 name=$2 database=$3
    shift 3
    PGOPTIONS='-c client_min_messages=warning' "$clusters_bin/psql" -XAtq -v ON_ERROR_STOP=1 \
        -h "$dir/$name" -p 5432 -U postgres -d "$database" "$@"
}

# All tables of OLD's DATABASE go to NEW's, first by copy and then as they change.
cluster_replicate() { # DIR OLD NEW DATABASE
    local dir=$1 old=$2 new=$3 database=$4
    cluster_psql "$dir" "$old" "$database" -c 'CREATE PUBLICATION rehearsal FOR ALL TABLES' &&
        cluster_psql "$dir" "$new" "$database" -c "CREATE SUBSCRIPTION rehearsal
            CONNECTION 'host=$dir/$old port=5432 user=postgres dbname=$database'
            PUBLICATION rehearsal" &&
        cluster_await "$dir" "$new" "$database" \
            "SELECT count(*) > 0 AND bool_and(srsubstate = 'r') FROM pg_subscription_rel"
}

cluster_await() { # DIR NAME DATABASE SQL: until SQL gives t
    local attempt
    for ((attempt = 0; attempt < 600; attempt++)); do
        [[ $(cluster_psql "$1" "$2" "$3" -c "$4") != t ]] || return 0
        sleep 0.2
    done
    clusters_say "$2 has waited too long for: $4"
    return 1
}

# Until NEW has replayed what OLD has written so far.
cluster_catch_up() { # DIR OLD NEW DATABASE
    local lsn
    lsn=$(cluster_psql "$1" "$2" "$4" -c 'SELECT pg_current_wal_insert_lsn()') || return
    cluster_await "$1" "$2" "$4" "SELECT count(*) > 0 AND bool_and(replay_lsn >= '$lsn')
        FROM pg_stat_replication WHERE application_name = 'rehearsal'"
}

# Stops every cluster in the folder and removes it.
clusters_remove() { # DIR
    local home
    for home in "$1"/*/; do
        [[ -f $home/data/postmaster.pid ]] || continue
        cluster_thaw "$1" "$(basename "$home")"
        cluster_stop "$1" "$(basename "$home")" immediate
    done
    rm -rf "$1"
}

free_port() { # one that nobody listens on now, from 15000 to 31999: below those for outgoing connections
    local port
    while :; do
        port=$((15000 + (RANDOM * 32768 + RANDOM) % 17000))
        (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null || break
    done
    echo "$port"
}

if [[ ${BASH_SOURCE[0]} = "$0" ]]; then
    set -uo pipefail
    command=${1:-}
    case $command in
    start | stop | freeze | thaw | replicate)
        shift
        "cluster_$command" "$@"
        ;;
    remove) clusters_remove "${2:?a folder}" ;;
    folder) clusters_folder ;;
    *) sed -n '2,/^$/s/^# \{0,1\}//p' "$0"; exit 2 ;;
    esac
fi
