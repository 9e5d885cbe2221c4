# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2034,SC2154 # variables are shared by these files
# What a person reads while the quickstart works: one line a step, with its time. Sourced, never run.

say() { printf '%s\n' "$*"; }
fail() {
    printf 'quickstart: %s\n' "$*" >&2
    exit 1
}

now_ms() {
    local now=${EPOCHREALTIME/[.,]/}
    printf '%s' $((now / 1000))
}

seconds_since() { # START_MS
    local ms=$(($(now_ms) - $1))
    printf '%d.%02d' $((ms / 1000)) $((ms % 1000 / 10))
}

# Runs a step and prints what it was and how long it took; its own words go to the log.
step() { # WHAT COMMAND...
    local what=$1 start
    shift
    start=$(now_ms)
    set +e # in a condition, errexit would be off inside the command
    (set -e && "$@") >>"$log_dir/quickstart.log" 2>&1
    local status=$?
    set -e
    if [ "$status" -ne 0 ]; then
        tail -n 25 "$log_dir/quickstart.log" >&2
        fail "$what: failed; the whole log is $log_dir/quickstart.log"
    fi
    printf '  %-58s %6s s\n' "$what" "$(seconds_since "$start")"
}
