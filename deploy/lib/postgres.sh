# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2034,SC2154 # variables are shared by these files
# A private PostgreSQL cluster: no TCP, one unix socket, peer authentication with a map from the OS
# user that runs wardd to the roles ward_daemon and ward_owner. Sourced, never run.

pg_bin=/usr/lib/postgresql/15/bin
pg_data=$pg_dir/data

# PostgreSQL refuses to run as root, so root lends it the user postgres. Where that user cannot reach
# the state folder (a checkout in /root), it also gets the one capability to look past directory modes.
pg_run() {
    local lend=(--reuid=postgres --regid=postgres --clear-groups)
    if [ "$(id -u)" -ne 0 ]; then
        (cd / && exec env LC_ALL=C.UTF-8 "$@")
        return
    fi
    if ! setpriv "${lend[@]}" test -x "$pg_dir" 2>/dev/null; then
        lend+=(--inh-caps=+dac_read_search --ambient-caps=+dac_read_search)
    fi
    (cd / && exec setpriv "${lend[@]}" env -i LC_ALL=C.UTF-8 PATH="$PATH" "$@")
}

pg_os_user() { if [ "$(id -u)" -eq 0 ]; then printf postgres; else id -un; fi; }

# A unix socket's path has at most 107 bytes; a deep checkout gets a short folder elsewhere, on record.
pg_socket_dir() {
    local record=$pg_dir/socket-dir dir=$pg_dir/run
    if [ "$((${#dir} + 20))" -le 107 ]; then
        mkdir -p "$dir"
    else
        dir=$(cat "$record" 2>/dev/null || true)
        if [ ! -d "$dir" ]; then
            dir=$(mktemp -d /tmp/ward.XXXXXX)
            printf '%s\n' "$dir" >"$record"
        fi
    fi
    [ "$(id -u)" -ne 0 ] || chown postgres "$dir"
    chmod 0755 "$dir"
    printf '%s' "$dir"
}

postgres_forget_socket() {
    local record=$pg_dir/socket-dir
    [ ! -s "$record" ] || rm -rf -- "$(cat "$record")"
}

pg_running() { [ -e "$pg_data/postmaster.pid" ] && pg_run "$pg_bin/pg_ctl" -D "$pg_data" status >/dev/null; }

pg_init() {
    [ ! -e "$pg_data/PG_VERSION" ] || return 0
    rm -rf "$pg_data" && mkdir -m 0700 "$pg_data"
    [ "$(id -u)" -ne 0 ] || chown postgres "$pg_dir" "$pg_data"
    pg_run "$pg_bin/initdb" -D "$pg_data" -U postgres --auth=peer --encoding=UTF8 --locale=C.UTF-8 \
        --data-checksums
}

pg_configure() {
    pg_own "$pg_data/ward.conf" <<END
listen_addresses = ''
unix_socket_directories = '$(pg_socket_dir)'
unix_socket_permissions = 0777
fsync = on
synchronous_commit = on
shared_buffers = 128MB
min_wal_size = 512MB
max_wal_size = 2GB
max_connections = 50
log_statement = none
log_min_error_statement = panic
END
    grep -q "^include 'ward.conf'" "$pg_data/postgresql.conf" ||
        printf "include 'ward.conf'\n" >>"$pg_data/postgresql.conf"
    pg_own "$pg_data/pg_hba.conf" <<<"local all all peer map=ward"
    pg_own "$pg_data/pg_ident.conf" <<END
ward $(pg_os_user) postgres
ward $(id -un) ward_daemon
ward $(id -un) ward_owner
END
}

pg_own() { # FILE   (content on standard input)
    state_write "$1" 0600
    [ "$(id -u)" -ne 0 ] || chown postgres "$1"
}

pg_sql() { # SQL
    pg_run "$pg_bin/psql" -X -q -A -t -v ON_ERROR_STOP=1 -h "$(pg_socket_dir)" -U postgres -d postgres -c "$1"
}

pg_roles() {
    local role
    for role in ward_owner ward_daemon; do
        [ -n "$(pg_sql "SELECT 1 FROM pg_roles WHERE rolname = '$role'")" ] || pg_sql "CREATE ROLE $role LOGIN"
    done
    [ -n "$(pg_sql "SELECT 1 FROM pg_database WHERE datname = 'ward'")" ] ||
        pg_sql "CREATE DATABASE ward OWNER ward_owner"
}

postgres_start() {
    pg_init
    pg_configure
    pg_running || pg_run "$pg_bin/pg_ctl" -D "$pg_data" -l "$pg_data/server.log" -w -t 60 start
    pg_roles
}

postgres_stop() {
    pg_running || return 0
    pg_run "$pg_bin/pg_ctl" -D "$pg_data" -m fast -w -t 60 stop
}
