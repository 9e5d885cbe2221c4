# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2034,SC2154 # variables are shared by these files
# All parts of the quickstart, and the order in which they bring Ward up. Sourced after $top is set.

# shellcheck source=deploy/lib/say.sh
. "$top/deploy/lib/say.sh"
# shellcheck source=deploy/lib/packages.sh
. "$top/deploy/lib/packages.sh"
# shellcheck source=deploy/lib/state.sh
. "$top/deploy/lib/state.sh"
# shellcheck source=deploy/lib/build.sh
. "$top/deploy/lib/build.sh"
# shellcheck source=deploy/lib/hsm.sh
. "$top/deploy/lib/hsm.sh"
# shellcheck source=deploy/lib/postgres.sh
. "$top/deploy/lib/postgres.sh"
# shellcheck source=deploy/lib/pki.sh
. "$top/deploy/lib/pki.sh"
# shellcheck source=deploy/lib/daemon.sh
. "$top/deploy/lib/daemon.sh"
# shellcheck source=deploy/lib/job.sh
. "$top/deploy/lib/job.sh"

bring_up() {
    local start
    start=$(now_ms)
    state_make
    # shellcheck disable=SC2086 # lists of words
    packages_install $packages_build $packages_run
    step "build" build_ward
    step "HSM token (SoftHSM2: for development only)" hsm_token
    step "PostgreSQL cluster on a unix socket" postgres_start
    step "certificates" pki_make
    step "configuration" configure
    step "genesis: schema, system keys, policy, log key" daemon_genesis
    step "wardd on 127.0.0.1:$port" daemon_start
    say "Ward is up after $(seconds_since "$start") s."
}

configure() {
    daemon_configure
    profiles_write
}

# Whom to call and as whom; `ward --profile NAME` picks one.
profiles_write() {
    local name
    {
        printf 'profiles:\n'
        for name in $pki_names; do
            printf '  - name: %s\n    server: 127.0.0.1:%s\n    ca: %s\n    certificate: %s\n    key: %s\n' \
                "$name" "$port" "$pki_dir/ca.pem" "$pki_dir/$name.pem" "$pki_dir/$name.key"
        done
    } | state_write "$profiles" 0600
}
