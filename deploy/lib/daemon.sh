# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2034,SC2154 # variables are shared by these files
# wardd: its configuration, its genesis, its start and stop. It is stopped by the pid that we started,
# after a look that the pid still is our daemon. Sourced, never run.

daemon_configure() {
    state_write "$policy" 0600 <"$top/deploy/policy/quickstart.yaml"
    state_write "$config" 0600 <<END
node: quickstart-1
listen: 127.0.0.1:$port
metrics_listen: 127.0.0.1:$((port + 1))
log_level: info
tls:
  certificate: $pki_dir/wardd.pem
  key: $pki_dir/wardd.key
  client_ca: $pki_dir/ca.pem
database:
  conninfo: "$(daemon_conninfo ward_daemon)"
  readers: 2
hsm:
  module: $(hsm_module)
  token_label: ward
  pin_file: $hsm_dir/pin
  helper: $build/backends/pkcs11/ward-hsm
  workers: 2
  deadline_ms: 2000
  working_copies: true
policy:
  genesis: $policy
  genesis_sha256: $(sha256sum "$policy" | cut -d' ' -f1)
END
}

daemon_conninfo() { # ROLE
    printf "host='%s' dbname=ward user=%s" "$(pg_socket_dir)" "$1"
}

# Once in a deployment's life: schema, system keys in the HSM, policy version 1, the log's public key.
daemon_genesis() {
    [ ! -s "$vkey_file" ] || return 0
    local said
    said=$("$wardd" --config "$config" --genesis --owner "$(daemon_conninfo ward_owner)")
    printf '%s\n' "$said"
    tail -n 1 <<<"$said" | json 'print(it["log_vkey"])' | state_write "$vkey_file" 0644
}

# Evaluates a line of Python over the JSON on standard input, as `it`.
json() { # PYTHON
    python3 -c "import json, sys
it = json.load(sys.stdin)
$1"
}

daemon_running() {
    local pid
    [ -s "$pid_file" ] || return 1
    pid=$(cat "$pid_file")
    [ -r "/proc/$pid/cmdline" ] || return 1
    { tr '\0' ' ' <"/proc/$pid/cmdline"; } 2>/dev/null | grep -qF -- "--config $config"
}

# wardd --config FILE was told other things than FILE says now, or was built anew.
daemon_outdated() { [ "$config" -nt "$pid_file" ] || [ "$wardd" -nt "$pid_file" ]; }

# A page of the daemon's loopback HTTP, with its headers.
daemon_page() { # PATH
    exec 9<>"/dev/tcp/127.0.0.1/$((port + 1))" || return 1
    printf 'GET %s HTTP/1.0\r\n\r\n' "$1" >&9
    timeout 5 cat <&9
    exec 9>&-
}

daemon_ready() { daemon_page /ready | head -n 1 | grep -q ' 200 '; }

daemon_metric() { daemon_page /metrics | tr -d '\r' | sed -n "s/^$1 //p"; } # NAME

port_free() { ! (exec 9<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

# The port of a daemon that has just ended may linger for a moment.
ports_wait() {
    for _ in 1 2 3 4 5; do
        port_free "$port" && port_free $((port + 1)) && return 0
        sleep 0.2
    done
    printf 'port %s or %s is taken; choose another: WARD_PORT=17443 ./deploy/quickstart\n' \
        "$port" $((port + 1))
    return 1
}

daemon_launch() {
    ports_wait
    setsid nohup "$wardd" --config "$config" </dev/null >>"$log_dir/wardd.log" 2>&1 9>&- &
    printf '%s\n' "$!" >"$pid_file"
    for _ in $(seq 100); do
        (daemon_ready) 2>/dev/null && return 0
        daemon_running || break
        sleep 0.1
    done
    tail -n 10 "$log_dir/wardd.log"
    return 1
}

daemon_start() {
    if daemon_running; then
        daemon_outdated || return 0
        daemon_stop
    fi
    daemon_launch
}

daemon_stop() {
    if daemon_running; then
        local pid
        pid=$(cat "$pid_file")
        kill -TERM "$pid"
        for _ in $(seq 150); do
            daemon_running || break
            sleep 0.1
        done
        daemon_running && kill -KILL "$pid"
    fi
    rm -f "$pid_file"
}
