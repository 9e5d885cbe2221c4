# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2034,SC2154 # variables are shared by these files
# The state folder: every file that the quickstart makes lies in it, so that reset is one removal.
# Sourced after $top (the checkout) is set.

state=${WARD_STATE:-$top/.state}
case $state in /*) ;; *) state=$PWD/$state ;; esac
build=${WARD_BUILD:-$state/build}
log_dir=$state/log
pki_dir=$state/pki
hsm_dir=$state/hsm
pg_dir=$state/postgresql
config=$state/wardd.yaml
policy=$state/policy.yaml
profiles=$state/ward.yaml
pid_file=$state/wardd.pid
vkey_file=$state/log.vkey
port_file=$state/port
port=${WARD_PORT:-$(cat "$port_file" 2>/dev/null || printf 7443)}
export SOFTHSM2_CONF=$hsm_dir/softhsm2.conf

state_make() {
    local marker=$state/.ward-quickstart
    if [ -d "$state" ] && [ ! -e "$marker" ] && [ -n "$(ls -A "$state")" ]; then
        fail "$state is not empty and was not made by the quickstart; choose another with WARD_STATE"
    fi
    case $port in '' | *[!0-9]*) fail "WARD_PORT is not a number: $port" ;; esac
    if [ "$port" -lt 1 ] || [ "$port" -gt 65534 ]; then fail "WARD_PORT: 1 to 65534"; fi
    mkdir -p "$state" "$log_dir" "$pki_dir" "$hsm_dir/tokens" "$pg_dir"
    chmod 0711 "$state" # others may pass through to the socket, and read nothing
    chmod 0700 "$log_dir" "$pki_dir" "$hsm_dir"
    : >"$marker"
    state_write "$port_file" 0644 <<<"$port"
}

# A file appears whole or not at all, and only when its content changes.
state_write() { # FILE MODE   (content on standard input)
    local new=$1.new
    (umask 077 && cat >"$new")
    chmod "$2" "$new"
    if cmp -s "$new" "$1"; then rm -f "$new"; else mv -f "$new" "$1"; fi
}

state_remove() {
    [ -d "$state" ] || return 0
    [ -e "$state/.ward-quickstart" ] || fail "$state was not made by the quickstart; it stays"
    postgres_forget_socket
    rm -rf -- "$state"
}
